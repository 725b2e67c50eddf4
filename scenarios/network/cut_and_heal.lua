scenario "a network that is cut, one way or both, delays records and loses none"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }

local producer = cluster:producer { acks = "all", to = orders, records = 2000, keys = 20, }
local consumer = cluster:consumer { from = orders }

every(seconds(4), function()
  cut(producer, cluster:broker(), seconds(2), random(2) == 1)
  cut(consumer, cluster:broker(), seconds(1), random(2) == 1)
end, { times = 5 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
