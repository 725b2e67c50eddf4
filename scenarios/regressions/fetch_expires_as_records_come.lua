scenario "a fetch that ends for its time is answered once, although records come while the answer leaves"

-- The answer was built again and its memory freed under the connection that was sending it.
local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }

cluster:producer { acks = "all", to = orders, records = 2000, rate = 500, burst = 1, linger = 0 }
cluster:consumer { from = orders, client = { ["fetch.max.wait.ms"] = 1 } }
cluster:consumer { from = orders, name = "other", client = { ["fetch.max.wait.ms"] = 2 } }

finally { "everything acknowledged is read", "in order", "no duplicates" }
