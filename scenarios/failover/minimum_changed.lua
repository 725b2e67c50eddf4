-- Who is eligible has all that was committed with the old minimum, and not what is committed with a new one.
scenario "when min.insync.replicas is lowered, whoever had left before is not elected for it"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, window = 1024, delivery_timeout = minutes(5) }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local last, others = orders:leader(0), {}
for i = 1, 3 do
  if cluster:broker(i) ~= last then others[#others + 1] = cluster:broker(i) end
end
for _, other in ipairs(others) do
  local left = #orders:isr(0)
  other:kill()
  expect(wait_until(function() return #orders:isr(0) < left end, seconds(30)), "it counts as in sync for ever")
end
expect(wait_until(function() return #orders:eligible(0) == 1 end, seconds(5)), "nobody is eligible")
sleep(seconds(3))
local acked = counts().acked
cluster:alter_topic { name = "orders", config = { ["min.insync.replicas"] = 1 } }
expect(wait_until(function() return counts().acked > acked + 20 end, seconds(15)), "it does not go on alone")
last:kill()
for _, other in ipairs(others) do other:start() end
expect(wait_until(function() return last:fenced() and not others[1]:fenced() and not others[2]:fenced() end, seconds(40)), "they are not back")
sleep(random("how long", seconds(5)))
last:start()
expect(wait_until(function() return orders:led(0) and #orders:isr(0) == 3 end, seconds(60)), "not all of them are in sync again")
cluster:consumer { from = orders }

finally { "everything acknowledged is read", "in order", "no duplicates" }
