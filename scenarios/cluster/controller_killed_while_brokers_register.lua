-- At any operation of the first leader, which may be before its epoch is known, in the midst of a registration or behind all of them.
scenario "when the controller is killed while brokers register, they register with the next one"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 3 }
cluster:producer { acks = "all", to = orders, records = 300, delivery_timeout = minutes(5) }

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(15)), "nobody leads")
local first, epoch = cluster:controller(), cluster:quorum_epoch()
first:kill { at_op = random("when", 400), restart = random("how long", seconds(12)) }
local function all_serve()
  for i = 1, 3 do
    if not cluster:broker(i):ready() or cluster:broker(i):fenced() then return false end
  end
  return true
end
expect(wait_until(function() return not first:alive() end, seconds(30)), "it was not killed")
expect(wait_until(function() return cluster:quorum_epoch() > epoch and cluster:controller() ~= nil end, seconds(15)), "nobody takes over")
expect(wait_until(all_serve, seconds(40)), "not all of them serve")

finally { "everything acknowledged is read", "one controller leads an epoch", "the controllers agree" }
