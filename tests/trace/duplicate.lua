scenario "a batch that comes again is answered only after the sync of its original"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, records = 0, linger = 0 }
local broker = cluster:broker()

wait_until(function() return producer:done() end)
producer:send(1)
broker:disk("slow", { factor = 1000, lasts = seconds(10) })
local written = rows "LOG_WRITTEN"
spawn(function() producer:send(1) end)
wait_until(function() return rows "LOG_WRITTEN" > written end)
reset(producer, broker)
sleep(seconds(15))

finally { "no duplicates", "everything acknowledged is read" }
