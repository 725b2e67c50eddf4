scenario "what is compressed, by its producer or by the broker, survives kill and power loss like all else"

must_reach { "a batch of a client was checked away from the loop" }

-- Each topic stores what one producer of each codec sends: as it came, without a codec, and anew under one. Batches of more
-- than 64 KiB, or of more than 16 KiB to compress, are looked at away from the loop; those behind them keep their place.
local codecs = { "none", "gzip", "snappy", "lz4", "zstd" }
local stored = { "producer", "uncompressed", "gzip", "snappy", "lz4", "zstd" }
local cluster = Cluster { config = { ["log.segment.bytes"] = 1 << 18 } }
local as = stored[random(#stored)]
local kept = cluster:topic { name = "kept", partitions = 2 }
local anew = cluster:topic { name = "anew", partitions = 2, config = { ["compression.type"] = as } }

for i, topic in ipairs { kept, anew } do
  for k, codec in ipairs(codecs) do
    cluster:producer { acks = "all", to = topic, records = 300, keys = 10, rate = 60, compression = codec, name = codec .. i,
      value_bytes = k % 2 == 0 and 6000 or 100, batch_bytes = 60000, linger = millis(100) }
  end
  cluster:consumer { from = topic }
end

every(millis(700), function()
  if random(2) == 1 then
    cluster:broker():kill { restart = millis(100) }
  else
    cluster:broker():power_loss { restart = millis(100) }
  end
end, { times = 6 })

finally { "nothing acknowledged is lost", "in order", "no duplicates" }
