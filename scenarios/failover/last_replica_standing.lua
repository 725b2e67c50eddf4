scenario "the last replica in sync is the only one that may lead: without it nobody does"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local last, others = orders:leader(0), {}
for i = 1, 3 do
  if cluster:broker(i) ~= last then others[#others + 1] = cluster:broker(i) end
end
for _, other in ipairs(others) do other:kill() end
expect(wait_until(function() return #orders:isr(0) == 1 end, seconds(30)), "the others count as in sync for ever")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 20 end, seconds(15)), "it does not go on alone")
last:kill()
for _, other in ipairs(others) do other:start() end
expect(wait_until(function() return last:fenced() and not others[1]:fenced() and not others[2]:fenced() end, seconds(40)), "they are not back")
sleep(random("how long", seconds(5)))
expect(orders:elected(0) == nil and not orders:led(0), "somebody leads who was not in sync")
last:start()
expect(wait_until(function() return orders:led(0) and orders:leader(0) == last end, seconds(30)), "the last one does not lead again")
expect(wait_until(function() return #orders:isr(0) == 3 end, seconds(60)), "the others do not join")

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
