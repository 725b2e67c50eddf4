scenario "a batch is appended, synced, counted and only then acknowledged and served"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, records = 0 }
cluster:consumer { from = orders }

wait_until(function() return producer:done() end)
for _ = 1, 3 do
  producer:send(2)
  sleep(seconds(1))
end

finally { "everything acknowledged is read", "nothing is shown before it is durable" }
