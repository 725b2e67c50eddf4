scenario "whatever goes wrong, and whatever clients ask for: what they were promised is kept"

-- Knows nothing of any bug: the workload and the faults are the seed's.
local function one_of(list) return list[random(#list)] end
local segment = one_of { 4096, 16384, 65536, 1 << 30 }
local cluster = Cluster { flush = one_of { "ack", "os" }, config = {
  ["log.segment.bytes"] = segment,
  ["log.index.interval.bytes"] = one_of { 256, 4096 },
  ["log.checkpoint.ms"] = 100 * random(20),
  ["log.open.files.max"] = 16 + random(200),
  ["log.retention.check.interval.ms"] = 500,
  ["log.segment.delete.delay.ms"] = 100,
} }
local topics = {}
for i = 1, random(2) do
  local retention = random(4) == 1 and 16 * segment or -1
  topics[i] = cluster:topic { name = "topic-" .. i, partitions = random(3), config = { ["retention.bytes"] = retention } }
end

local function produce(records, acks)
  local value_bytes, in_flight = 8 + random(1200), random(5)
  local batch_bytes = math.min(16384, segment // 2)
  local patience = millis(200 * random(20))
  -- No more than it can have on its way, at 50 ms there and back.
  local carried = 20 * in_flight * math.max(1, batch_bytes // (value_bytes + 80))
  return cluster:producer { acks = acks, idempotent = acks == "all" and random(2) == 1, to = one_of(topics), records = records,
    rate = math.min(50 << random(3), carried), burst = random(20), keys = random(2) == 1 and random(30) or 0, value_bytes = value_bytes,
    in_flight = in_flight, linger = millis(random(10) - 1), batch_bytes = batch_bytes, request_timeout = patience,
    delivery_timeout = seconds(4 + random(60)), client = { ["socket.connection.setup.timeout.ms"] = patience // millis(1) } }
end

produce(250 * random(4), one_of { "all", "1" })
for _ = 1, random(2) do produce(250 * random(4), one_of { "all", "1", "0" }) end
for _ = 1, random(3) do
  cluster:consumer { from = one_of(topics), think = millis(10 + random(200)), poll_records = 20 * random(5),
    start = one_of { "earliest", "latest" }, seek = random(2) == 1 and millis(50 * random(20)) or nil }
end
-- What waits behind all that an outage has held up is not late; swarm/everything.lua has the sharp level.
service_level { send = seconds(30) }
swarm { from = millis(500), ["until"] = seconds(20) }

-- Others come and go, and somebody wants a new topic or another life of the broker.
for i = 1, 10 do
  sleep(random(seconds(4)))
  local what = random(4)
  if what == 1 then
    produce(random(20), one_of { "all", "1", "0" })
  elseif what == 2 then
    cluster:create_topic { name = "other-" .. i, partitions = random(3) }
  elseif what == 3 and random(3) == 1 and cluster:broker():alive() then
    cluster:broker():restart()
  end
end

finally { "nothing acknowledged is lost", "no duplicates", "in order", "what was read stays readable", "acknowledged topics stay" }
