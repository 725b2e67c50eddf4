scenario "a broker that is paused hears afterwards, in order, of the connections that broke meanwhile"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }

local producer = cluster:producer { acks = "all", to = orders, records = 400, rate = 200, keys = 20, in_flight = 5, linger = 0 }
local consumer = cluster:consumer { from = orders, client = { ["fetch.max.wait.ms"] = 50 } }
local broker = cluster:broker()

-- What it had asked of a connection ends before its close does, however long it did not look.
every(millis(80), function()
  broker:pause(millis(30))
  sleep(random(millis(25)))
  reset(producer, broker)
  reset(consumer, broker)
end, { times = 25 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
