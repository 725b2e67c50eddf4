-- Clients reach it all the time, and its controllers do not: it may not lead for ever.
scenario "a broker that is cut off from the controllers is fenced, and serves again when it reaches them"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", partitions = 3 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 60, window = 1024, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

wait_until(function() return counts().acked > 100 end, seconds(30))
local partition = random("which", 3) - 1
local broker = orders:leader(partition)
local controllers = { cluster:controller(1), cluster:controller(2), cluster:controller(3) }
cut(broker, controllers, seconds(15) + random("how long", seconds(10)), random("one way", 2) == 1)
expect(wait_until(function() return broker:fenced() end, seconds(15)), "it is not fenced")
expect(wait_until(function() return not broker:fenced() and orders:led(partition) end, seconds(40)), "it does not serve again")
expect(orders:elected(partition) == broker, "another one leads what it alone has")

finally { "everything acknowledged is read", "in order", "no duplicates", "the controllers agree" }
