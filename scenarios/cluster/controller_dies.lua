-- Sessions begin anew when another controller leads (B-7), and brokers find it by themselves.
scenario "a controller that dies takes no broker along"

local cluster = Cluster { brokers = 3, controllers = 3, config = { ["broker.session.timeout.ms"] = 6000, ["broker.heartbeat.interval.ms"] = 1000 } }
local orders = cluster:topic { name = "orders", partitions = 6 }
service_level { send = seconds(2), read = seconds(2) }

cluster:producer { acks = "all", to = orders, rate = 100 }
cluster:consumer { from = orders }

local function all_serve()
  for i = 1, 3 do if cluster:broker(i):fenced() then return false end end
  return true
end
expect(wait_until(all_serve, seconds(20)), "not all of them serve")
for _ = 1, 5 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  local leader = cluster:controller()
  leader:kill()
  for _ = 1, 20 do
    sleep(millis(500))
    for i = 1, 3 do expect(not cluster:broker(i):fenced(), "a broker is fenced for another's death") end
  end
  leader:start()
end

finally { "everything acknowledged is read", "in order", "nothing committed is lost", "what is known is what the metadata log says" }
