scenario "with flush.policy = os, power loss takes only what was not yet on the disk"

-- Kafka's own policy: an answer says that the record is in the page cache. The table says how much that cost.
local cluster = Cluster { flush = "os", config = { ["log.flush.interval.ms"] = 1000 } }
local orders = cluster:topic { name = "orders" }

cluster:producer { acks = "all", to = orders, records = 2000 }

every(seconds(3), function()
  cluster:broker():power_loss { restart = millis(300) }
end, { times = 3 })

finally { "in order" }
