-- What the leader alone had may go with it, and is counted; what anybody has read stays.
scenario "with acks=1 the death of a leader takes what it alone had, and nothing that was read"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3 }
cluster:producer { acks = random("acks", 2) - 1, to = orders, records = 2000, rate = 100, burst = 20, keys = 100,
  delivery_timeout = minutes(2) }
cluster:producer { acks = "all", to = orders, records = 500, rate = 25, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for _ = 1, 2 do
  expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) end, seconds(60)), "not all of them are in sync")
  sleep(seconds(1) + random("when", seconds(2)))
  local leader = orders:leader(0)
  leader:kill()
  expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= leader end, seconds(20)), "nobody takes over")
  sleep(random("how long", seconds(3)))
  leader:start()
end

finally { "everything acknowledged is read", "what was read stays readable" }
