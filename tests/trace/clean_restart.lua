scenario "a clean stop syncs, marks the directory and leaves nothing to recover"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }
local producer = cluster:producer { acks = "all", to = orders, records = 0, keys = 4 }
local broker = cluster:broker()

wait_until(function() return producer:done() end)
producer:send(6)
broker:restart()
wait_until(function() return broker:ready() end)
sleep(seconds(3))
producer:send(2)

finally { "everything acknowledged is read", "in order", "no duplicates" }
