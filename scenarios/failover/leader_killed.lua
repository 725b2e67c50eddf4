scenario "when the leader of three replicas is killed, another one leads with all that was acknowledged"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 2000, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function in_sync(n)
  return function() return #orders:isr(0) >= n and orders:led(0) end
end
for _ = 1, 2 do
  expect(wait_until(in_sync(3), seconds(60)), "not all of them are in sync")
  local acked = counts().acked
  expect(wait_until(function() return counts().acked > acked + 50 end, seconds(30)), "nothing is acknowledged")
  sleep(random("when", seconds(1)))
  local leader, epoch = orders:leader(0), orders:leader_epoch(0)
  leader:kill()
  local function taken_over() return orders:led(0) and orders:leader(0) ~= leader and orders:leader_epoch(0) > epoch end
  expect(wait_until(taken_over, seconds(20)), "nobody takes over")
  acked = counts().acked
  expect(wait_until(function() return counts().acked > acked end, seconds(15)), "the new one acknowledges nothing")
  leader:start()
end

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
