-- One of three commits nothing, and says so by leading no longer.
scenario "a controller without a majority leads nobody, and with one it leads or follows again"

local cluster = Cluster { controllers = 3 }

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
expect(cluster:alter_brokers { config = { ["message.max.bytes"] = 1000001 } }, "an order is refused")
sleep(random(seconds(3)))
local last = cluster:controller(random("who is left", 3))
for number = 1, 3 do
  if cluster:controller(number) ~= last then cluster:controller(number):kill {} end
end
sleep(seconds(10))
local committed, epoch = cluster:committed(last), cluster:quorum_epoch()
expect(cluster:controller() == nil, "it leads without a majority")
sleep(seconds(20))
expect(cluster:controller() == nil and cluster:committed(last) == committed, "it commits without a majority")
for number = 1, 3 do cluster:controller(number):start() end
expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
expect(cluster:quorum_epoch() > epoch, "an epoch was led twice")
expect(cluster:alter_brokers { config = { ["message.max.bytes"] = 1000002 } }, "an order is refused")

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
