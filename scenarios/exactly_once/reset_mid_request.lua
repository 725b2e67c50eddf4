scenario "connections reset in the middle of requests make no duplicate and lose nothing"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }
must_reach { "a duplicate was answered" }

local producer = cluster:producer { acks = "all", to = orders, records = 4000, rate = 400, keys = 20, in_flight = 5, linger = 0 }
cluster:consumer { from = orders }

every(millis(150), function()
  sleep(random(millis(100)))
  reset(producer, cluster:broker())
end, { times = 40 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
