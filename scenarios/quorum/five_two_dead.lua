-- A majority of five is three: two may die for good, the leader among them.
scenario "of five controllers two may be dead, and the others elect and commit"

local cluster = Cluster { controllers = 5 }
local function order(n) return cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + n } } end

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
expect(order(1), "an order is refused")
local leader = cluster:controller()
local other = cluster:controller(random(5))
leader:kill {}
if other ~= leader then other:kill {} end
expect(wait_until(function() return cluster:controller() ~= nil and cluster:controller():alive() end, seconds(10)), "nobody takes over")
expect(order(2), "an order is refused")
sleep(seconds(10))
expect(order(3), "an order is refused")

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
