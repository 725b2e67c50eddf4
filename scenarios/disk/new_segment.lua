scenario "a record in a new segment is acknowledged only when the segment's name is durable"

local cluster = Cluster { flush = "ack", config = { ["log.segment.bytes"] = 4096 } }
local orders = cluster:topic { name = "orders" }

-- Segments so small that most acknowledgements stand in a new one.
cluster:producer { acks = "all", to = orders, records = 2000, burst = 5, value_bytes = 300, batch_bytes = 2048 }
cluster:consumer { from = orders }

every(millis(600), function()
  cluster:broker():power_loss { restart = millis(100) }
end, { times = 15 })

finally { "nothing acknowledged is lost", "in order", "no duplicates" }
