scenario "a loss of power leaves no index behind that the next clean end would leave as it is"

-- A segment's index is written in parts while the segment is, and once more when it is full; segments are full every hundred
-- milliseconds, whatever is not synced may be zeros afterwards, and checkpoints say of records that they are durable before their index is.
local cluster = Cluster { flush = "ack", config = { ["log.segment.bytes"] = 65536, ["log.index.interval.bytes"] = 4096, ["log.checkpoint.ms"] = 20 },
  limits = { ["log.prefix.bytes"] = 8000 + random(20000) } }
local orders = cluster:topic { name = "orders" }
local broker = cluster:broker()
cluster:producer { acks = "all", to = orders, rate = 1000, value_bytes = 700, records = 8000 }
cluster:consumer { from = orders }

for _ = 1, 6 do
  sleep(millis(200) + random(millis(400)))
  broker:power_loss { restart = millis(50) }
  wait_until(function() return broker:ready() end, seconds(20))
  broker:stop()
  broker:start()
end

finally { "everything acknowledged is read", "in order", "no duplicates" }
