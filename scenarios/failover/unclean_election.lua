-- Allowed from the start, or as soon as nobody leads any more: for the topic, or for all topics that do not say.
scenario "where unclean elections are allowed whoever is there leads, at once, and what it lacks is lost"

local allowed = ({ "from the start", "the topic", "all brokers" })[random("allowed", 3)]
local key, at = "unclean.leader.election.enable", allowed == "from the start"
local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3, config = at and { [key] = "true" } or nil }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, delivery_timeout = minutes(5) }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local last, others = orders:leader(0), {}
for i = 1, 3 do
  if cluster:broker(i) ~= last then others[#others + 1] = cluster:broker(i) end
end
for _, other in ipairs(others) do other:kill() end
expect(wait_until(function() return #orders:isr(0) == 1 end, seconds(30)), "the others count as in sync for ever")
sleep(seconds(1))
last:kill()
for _, other in ipairs(others) do other:start() end
if not at then
  expect(wait_until(function() return last:fenced() and not others[1]:fenced() and not others[2]:fenced() end, seconds(40)), "they are not back")
  expect(orders:elected(0) == nil, "somebody leads who was not in sync")
  local function allow()
    if allowed == "the topic" then return (cluster:alter_topic { name = "orders", config = { [key] = "true" } }) end
    return (cluster:alter_brokers { config = { [key] = "true" } })
  end
  expect(wait_until(allow, seconds(20)), "nobody takes the order")
end
expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= last end, seconds(40)), "nobody leads")
last:start()
expect(wait_until(function() return orders:led(0) and #orders:isr(0) == 3 end, seconds(60)), "not all of them are in sync again")
cluster:consumer { from = orders }

finally { "everything acknowledged is read" }
