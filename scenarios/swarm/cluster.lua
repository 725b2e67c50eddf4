scenario "whatever goes wrong in a cluster: nothing acknowledged is lost, nothing is stored twice, order is kept"

-- Knows nothing of any bug: the cluster, the workload and the faults are the seed's.
local function one_of(list) return list[random(#list)] end
local cluster = draw_cluster { brokers = { 3 }, controllers = { 0, 3 }, config = {
  ["broker.session.timeout.ms"] = one_of { seconds(3), seconds(9) }, ["broker.heartbeat.interval.ms"] = millis(500) } }
local topics = {}
for i = 1, random(2) do
  local replicas = one_of { 1, 3, 3 }
  topics[i] = cluster:topic { name = "topic-" .. i, partitions = random(4), replicas = replicas, min_insync = math.min(random(2), replicas) }
end

local function produce(records)
  return cluster:producer { acks = one_of { "all", "all", 1 }, to = one_of(topics), records = records, rate = 25 << random(3),
    first_epoch = one_of { 0, 0, 32766 }, first_sequence = one_of { 0, (1 << 31) - random(500) },
    burst = random(20), keys = random(2) == 1 and random(30) or 0, value_bytes = 8 + random(600), in_flight = random(5),
    linger = millis(random(10) - 1), request_timeout = seconds(2 + random(8)), delivery_timeout = minutes(2) }
end

for _ = 1, 1 + random(2) do produce(200 * random(4)) end
for _ = 1, random(2) do
  cluster:consumer { from = one_of(topics), think = millis(10 + random(200)), start = one_of { "earliest", "latest" },
    seek = random(2) == 1 and millis(50 * random(20)) or nil }
end
local ann = cluster:another_admin { name = "ann" }
swarm { from = seconds(2), ["until"] = seconds(25) }

-- Others come and go, and brokers are restarted.
for i = 1, 8 do
  sleep(random(seconds(5)))
  local what, broker = random(4), cluster:broker(random(3))
  if what == 1 then
    produce(random(20))
  elseif what == 2 then
    -- Two at once, and at times the same.
    local name = random(2) == 1 and "other-" .. i or "other"
    spawn(function() ann:create_topic { name = name, partitions = random(3) } end)
    spawn(function()
      sleep(random(millis(20)))
      local deed = random(3)
      if deed == 1 then
        cluster:create_topic { name = name, partitions = random(3) }
      elseif deed == 2 then
        cluster:delete_topic { name = name }
      else
        cluster:add_partitions { name = name, partitions = 3 + random(3) }
      end
    end)
  elseif what == 3 and random(3) == 1 and broker:alive() then
    broker:restart()
  end
end

finally { "everything acknowledged is read", "no duplicates", "in order", "what was read stays readable", "acknowledged topics stay",
  "nothing committed is lost", "the controllers agree" }
