scenario "below min.insync.replicas nothing is acknowledged with acks=all, and as soon as enough are back it goes on"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
local producer = cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, window = 1024, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local leader, others = orders:leader(0), {}
for i = 1, 3 do
  if cluster:broker(i) ~= leader then others[#others + 1] = cluster:broker(i) end
end
for _, other in ipairs(others) do other:kill() end
expect(wait_until(function() return #orders:isr(0) == 1 end, seconds(30)), "the others count as in sync for ever")
sleep(seconds(4)) -- what was answered before has arrived
local acked = counts().acked
sleep(random("how long", seconds(10)))
expect(counts().acked == acked, "something was acknowledged by one alone")
others[random("who", 2)]:start()
expect(wait_until(function() return counts().acked > acked + 50 end, seconds(40)), "two do not go on")
for _, other in ipairs(others) do
  if not other:alive() then other:start() end
end

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
