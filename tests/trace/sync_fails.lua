scenario "a sync that fails takes the directory offline; nothing that waited is acknowledged"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, records = 0, delivery_timeout = seconds(20), request_timeout = seconds(5) }
local broker = cluster:broker()

wait_until(function() return producer:done() end)
producer:send(2)
broker:disk("sync_fails", { times = 1, error = "IO", file = "orders-0" })
spawn(function() producer:send(2) end)
sleep(seconds(2))
broker:stop()
broker:start()
sleep(seconds(10))
producer:send(2)

finally { "no acknowledgement follows a failed sync", "nothing acknowledged is lost", "no duplicates" }
