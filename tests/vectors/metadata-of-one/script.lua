scenario "a quorum of one writes topics, producer ids and registrations over three lives"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 3 }
local producer = cluster:producer { acks = "all", to = orders, records = 0, idempotent = true }

wait_until(function() return producer:done() end)
producer:send(1)
cluster:create_topic { name = "bills", partitions = 2 }
cluster:broker():restart()
cluster:create_topic { name = "late", partitions = 1 }
producer:send(1)
cluster:broker():kill()
sleep(seconds(1))
cluster:broker():start()
sleep(seconds(2))

finally { "acknowledged topics stay" }
