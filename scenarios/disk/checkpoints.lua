scenario "checkpoints survive power loss, or are rebuilt; none is believed against its log"

local cluster = Cluster { config = { ["log.segment.bytes"] = 8192, ["log.checkpoint.ms"] = 200, ["log.retention.check.interval.ms"] = 500,
  ["log.segment.delete.delay.ms"] = 100 } }
local orders = cluster:topic { name = "orders", partitions = 2, config = { ["retention.bytes"] = 32768 } }

cluster:producer { acks = "all", to = orders, records = 4000, keys = 20, rate = 400, batch_bytes = 4096 }
cluster:consumer { from = orders }

every(millis(900), function()
  cluster:broker():power_loss { restart = millis(100) }
end, { times = 10 })

finally { "nothing acknowledged is lost", "in order", "no duplicates" }
