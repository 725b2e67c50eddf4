-- golden: seed 2
scenario "with flush.policy = os what is written counts, and power loss may take it"

local cluster = Cluster { flush = "os" }
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, records = 0 }
local broker = cluster:broker()

wait_until(function() return producer:done() end)
producer:send(5)
broker:power_loss()
sleep(millis(100))
broker:start()
wait_until(function() return broker:ready() end)
sleep(seconds(3))
producer:send(2)

finally { "in order" }
