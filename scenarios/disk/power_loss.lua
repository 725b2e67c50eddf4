scenario "with flush.policy = ack, power loss loses nothing acknowledged"

local cluster = Cluster { flush = "ack", config = { ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 2 }

cluster:producer { acks = "all", to = orders, records = 3000, keys = 20 }
cluster:consumer { from = orders }

every(seconds(2), function()
  cluster:broker():power_loss { restart = millis(300) }
  sleep(millis(random(900)))
end, { times = 6 })

finally { "nothing acknowledged is lost", "in order", "no duplicates" }
