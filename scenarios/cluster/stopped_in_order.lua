-- It asks for leave (B-5), and its mark says with which epoch it went (B-2): nobody waits for its session, neither when it goes nor when it comes.
scenario "a broker that is stopped and started is back before anybody would have missed it"

local cluster = Cluster { brokers = 3, config = { ["broker.session.timeout.ms"] = 60000 } }
local orders = cluster:topic { name = "orders", partitions = 6 }

cluster:producer { acks = "all", to = orders, rate = 100 }
cluster:consumer { from = orders }

local function all_serve()
  for i = 1, 3 do if cluster:broker(i):fenced() then return false end end
  return true
end
expect(wait_until(all_serve, seconds(20)), "not all of them serve")
for i = 1, 6 do
  local broker = cluster:broker(1 + i % 3)
  sleep(millis(500 + random(1500)))
  broker:stop()
  expect(wait_until(function() return broker:fenced() end, seconds(8)), "it went without a word")
  broker:start()
  expect(wait_until(function() return not broker:fenced() end, seconds(8)), "it is not let in again")
end

finally { "everything acknowledged is read", "in order", "nothing committed is lost", "what is known is what the metadata log says" }
