-- Brokers that are the controllers, too, or stand beside controllers of their own, in a cluster whose log says who votes (kraft.version 1).
-- A broker that is none of the voters hears of them from whoever it asks first.
scenario "where the metadata log says who votes, another broker leads when the leader of a partition is killed"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0, kraft = 1 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function in_sync(n)
  return function() return #orders:isr(0) >= n and orders:led(0) end
end
for _ = 1, 2 do
  expect(wait_until(in_sync(3), seconds(60)), "not all of them are in sync")
  local leader, epoch = orders:leader(0), orders:leader_epoch(0)
  leader:kill { restart = seconds(8) }
  local function taken_over() return orders:led(0) and orders:leader(0) ~= leader and orders:leader_epoch(0) > epoch end
  expect(wait_until(taken_over, seconds(20)), "nobody takes over")
end

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
