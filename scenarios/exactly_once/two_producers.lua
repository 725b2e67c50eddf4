scenario "two producers, one topic: each key keeps its order"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 4 }

local a = cluster:producer { acks = "all", to = orders, records = 2000, keys = 10, in_flight = 5, linger = millis(5) }
local b = cluster:producer { acks = "all", to = orders, records = 2000, keys = 10, in_flight = 5 }
cluster:consumer { from = orders }

every(millis(900), function()
  reset(random(2) == 1 and a or b, cluster:broker())
  if random(3) == 1 then cluster:broker():kill { restart = millis(200) } end
end, { times = 10 })

finally { "in order", "everything acknowledged is read", "no duplicates" }
