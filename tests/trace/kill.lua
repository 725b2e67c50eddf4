scenario "kill -9: recovery reads what was written, leads in a new epoch and goes on"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, records = 0 }
local broker = cluster:broker()

wait_until(function() return producer:done() end)
producer:send(3)
broker:kill()
sleep(millis(100))
broker:start()
wait_until(function() return broker:ready() end)
sleep(seconds(3))
producer:send(3)

finally { "everything acknowledged is read", "in order", "no duplicates" }
