scenario "when a broker dies that has replicas of a thousand partitions, those that it led are led again within 100 ms of the word of its fencing"

local cluster = Cluster { brokers = 3, controllers = 3, config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = millis(500) } }
local topics = {}
for i = 1, 16 do topics[i] = cluster:topic { name = "orders-" .. i, partitions = 64, replicas = 3, min_insync = 2 } end
cluster:producer { acks = "all", to = topics[1], records = 400, rate = 50, keys = 400, delivery_timeout = minutes(5) }

local function led(topic, but)
  for p = 0, 63 do
    if not topic:led(p) or topic:leader(p) == but then return false end
  end
  return true
end
local function all_led(but)
  return function()
    for _, topic in ipairs(topics) do
      if not led(topic, but) then return false end
    end
    return true
  end
end
local function all_told(but, offset)
  return function()
    for i = 1, 3 do
      local other = cluster:broker(i)
      if other ~= but and cluster:committed(other) < offset then return false end
    end
    return true
  end
end
expect(wait_until(all_led(nil), seconds(60)), "not all partitions are led")
sleep(seconds(2) + random("when", seconds(2)))
local broker = cluster:broker(random("who", 3))
broker:kill()
expect(wait_until(function() return broker:fenced() end, seconds(10)), "it is not fenced")
-- The metadata of them all are more than some windows of a stream hold, so on a slow network the word of it alone takes longer than that.
local fencing = cluster:committed(cluster:controller())
expect(wait_until(all_told(broker, fencing), seconds(2)), "somebody does not hear of it")
expect(wait_until(all_led(broker), millis(100)), "not all of what it led is led by others within 100 ms")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 20 end, seconds(10)), "nothing is acknowledged")
broker:start()

finally { "everything acknowledged is read", "in order", "no duplicates" }
