scenario "where unclean elections are allowed whoever is there leads, and what it lacks is lost; where they are not, nobody does"

local allowed = random("allowed", 2) == 1
local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3, config = { ["unclean.leader.election.enable"] = allowed and "true" or "false" } }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, delivery_timeout = minutes(5) }

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
if allowed then
  expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= last end, seconds(40)), "nobody leads")
else
  expect(wait_until(function() return not others[1]:fenced() and not others[2]:fenced() and last:fenced() end, seconds(40)), "they are not back")
  sleep(random("how long", seconds(5)))
  expect(orders:elected(0) == nil, "somebody leads who was not in sync")
end
last:start()
expect(wait_until(function() return orders:led(0) and #orders:isr(0) == 3 end, seconds(60)), "not all of them are in sync again")
cluster:consumer { from = orders }

finally { "everything acknowledged is read" }
