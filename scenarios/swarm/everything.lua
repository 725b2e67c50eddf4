scenario "whatever goes wrong: nothing acknowledged is lost, nothing is stored twice, order is kept"

-- Knows nothing of any bug: the workload and the faults are the seed's.
local sizes = { 4096, 16384, 65536, 1 << 30 }
local segment = sizes[random(#sizes)]
local cluster = Cluster { flush = "ack", config = {
  ["log.segment.bytes"] = segment,
  ["log.index.interval.bytes"] = random(2) == 1 and 256 or 4096,
  ["log.checkpoint.ms"] = 100 * random(20),
  ["log.open.files.max"] = 16 + random(200),
} }
local topics = {}
for i = 1, random(2) do
  topics[i] = cluster:topic { name = "topic-" .. i, partitions = random(3) }
end
for i = 1, 1 + random(2) do
  cluster:producer { acks = "all", to = topics[random(#topics)], records = 500 * random(4), rate = 50 << random(3), burst = random(20),
    keys = random(2) == 1 and random(30) or 0, value_bytes = 8 + random(1200), in_flight = random(5), linger = millis(random(10) - 1),
    batch_bytes = math.min(16384, segment // 2), request_timeout = seconds(2 + random(8)), delivery_timeout = minutes(2) }
end
for i = 1, random(2) do
  cluster:consumer { from = topics[random(#topics)], think = millis(random(200) - 1) }
end
swarm { from = millis(500), ["until"] = seconds(20) }
sleep(seconds(20))

finally { "nothing acknowledged is lost", "no duplicates", "in order", "what was read stays readable" }
