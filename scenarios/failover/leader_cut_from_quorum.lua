-- Its clients reach it all the time: what it takes from then on must not be acknowledged unless it is there in the end.
scenario "a leader that is cut off from all servers, and not from clients, is replaced, and nothing acknowledged is lost"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local leader, others = orders:leader(0), {}
for i = 1, 3 do
  if cluster:broker(i) ~= leader then others[#others + 1] = cluster:broker(i) end
  if cluster:controller(i) ~= cluster:broker(i) then others[#others + 1] = cluster:controller(i) end
end
cut(leader, others, seconds(15) + random("how long", seconds(15)))
local function taken_over() return orders:led(0) and orders:leader(0) ~= leader end
expect(wait_until(taken_over, seconds(20)), "nobody takes over")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked end, seconds(15)), "the new one acknowledges nothing")
expect(wait_until(function() return #orders:isr(0) == 3 end, seconds(60)), "the old one does not come back")

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
