scenario "with acks = 1 the answer waits for the write, and readers for the sync"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = 1, to = orders, records = 0 }
cluster:consumer { from = orders }

wait_until(function() return producer:done() end)
for _ = 1, 2 do
  producer:send(2)
  sleep(seconds(1))
end

finally { "nothing is shown before it is durable" }
