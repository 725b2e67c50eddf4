-- golden: whole
scenario "a topic is told of when its metadata is durable, and served when its partitions are open"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, records = 0 }

wait_until(function() return producer:done() end)
producer:send(1)
cluster:create_topic { name = "bills", partitions = 2 }
cluster:broker():restart()
sleep(seconds(2))

finally { "acknowledged topics stay" }
