-- Nobody hears of it for broker.session.timeout.ms: it leads nothing, and its next life is another one to the controller (B-1, B-4).
scenario "a broker that is killed is fenced when its session ends, and no other is"

local cluster = Cluster { brokers = 3, config = { ["broker.session.timeout.ms"] = 3000, ["broker.heartbeat.interval.ms"] = 500 } }
local orders = cluster:topic { name = "orders", partitions = 6 }

cluster:producer { acks = "all", to = orders, rate = 100 }
cluster:consumer { from = orders }

local function all_serve()
  for i = 1, 3 do if cluster:broker(i):fenced() then return false end end
  return true
end
expect(wait_until(all_serve, seconds(20)), "not all of them serve")
for _ = 1, 5 do
  sleep(millis(500 + random(2000)))
  local victim = cluster:broker(random(3))
  local leads = victim == cluster:controller()
  victim:kill()
  sleep(millis(2000))
  expect(not victim:fenced(), "it is fenced before its session ends")
  -- Where it led the metadata, somebody else does first, and its session begins anew then (B-7).
  expect(wait_until(function() return victim:fenced() end, leads and seconds(10) or seconds(3)), "it is not fenced")
  for i = 1, 3 do expect(cluster:broker(i) == victim or not cluster:broker(i):fenced(), "another is fenced") end
  victim:start()
  expect(wait_until(function() return not victim:fenced() end, seconds(8)), "it is not let in again")
end

finally { "everything acknowledged is read", "in order", "nothing committed is lost", "what is known is what the metadata log says" }
