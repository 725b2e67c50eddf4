scenario "whatever goes wrong: nothing acknowledged is lost, nothing is stored twice, order is kept"

-- Knows nothing of any bug: the workload and the faults are the seed's.
time_limit(minutes(30)) -- it takes minutes; a reader that asks without end makes a day of that an hour
local function one_of(list) return list[random(#list)] end
local segment = one_of { 4096, 16384, 65536, 1 << 30 }
local cluster = Cluster { flush = "ack", config = {
  ["log.segment.bytes"] = segment,
  ["log.index.interval.bytes"] = one_of { 256, 4096 },
  ["log.checkpoint.ms"] = 100 * random(20),
  ["log.open.files.max"] = 16 + random(200),
  ["log.retention.check.interval.ms"] = 500,
  ["log.segment.delete.delay.ms"] = 100,
}, limits = random("limits", 2) == 1 and { ["producer.id.block"] = 1, ["log.piece.bytes"] = one_of { 512, 4096 }, ["log.prefix.bytes"] = 10000 * random("limits", 3),
  ["log.recent.batches"] = one_of { 2, 16 }, ["log.index.cache.bytes"] = 200, ["log.snapshot.bytes"] = one_of { 2000, 20000 } } or nil }
local topics = {}
for i = 1, random(2) do
  local retention = random(4) == 1 and 16 * segment or -1
  topics[i] = cluster:topic { name = "topic-" .. i, partitions = random(3), config = { ["retention.bytes"] = retention } }
end

-- No faster than batches of half a segment can carry it, one after the other: who is behind for ever shows nothing.
local function produce(records)
  return cluster:producer { acks = "all", to = one_of(topics), records = records, first_epoch = one_of { 0, 0, 32766 },
    first_sequence = one_of { 0, (1 << 31) - random(500) }, rate = math.min(50 << random(3), segment // 80), burst = random(20),
    keys = random(2) == 1 and random(30) or 0, value_bytes = 8 + random(1200), in_flight = random(5), linger = millis(random(10) - 1),
    batch_bytes = math.min(16384, segment // 2), request_timeout = seconds(2 + random(8)), delivery_timeout = minutes(2) }
end

for _ = 1, 1 + random(2) do produce(250 * random(4)) end
for _ = 1, random(3) do
  cluster:consumer { from = one_of(topics), think = millis(10 + random(200)), poll_records = 20 * random(5),
    start = one_of { "earliest", "latest" }, seek = random(2) == 1 and millis(50 * random(20)) or nil }
end
local ann = cluster:another_admin { name = "ann" }
swarm { from = millis(500), ["until"] = seconds(20) }

-- Others come and go, and somebody wants a new topic or another life of the broker.
for i = 1, 10 do
  sleep(random(seconds(4)))
  local what = random(4)
  if what == 1 then
    produce(random(20))
  elseif what == 2 then
    spawn(function() ann:create_topic { name = "other-" .. i, partitions = random(3) } end)
    cluster:create_topic { name = "other-" .. i, partitions = random(3) }
  elseif what == 3 and random(3) == 1 and cluster:broker():alive() then
    cluster:broker():restart()
  end
end

finally { "nothing acknowledged is lost", "no duplicates", "in order", "what was read stays readable", "acknowledged topics stay" }
