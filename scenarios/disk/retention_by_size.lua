scenario "what goes by size leaves as much as its topic keeps, however often the broker dies"

local cluster = Cluster { config = { ["log.segment.bytes"] = 8192, ["log.retention.check.interval.ms"] = 300,
  ["log.segment.delete.delay.ms"] = 100 } }
local orders = cluster:topic { name = "orders", config = { ["retention.bytes"] = 20000 } }

cluster:producer { acks = "all", to = orders, records = 1500, rate = 200, burst = 7, value_bytes = 300, batch_bytes = 4000 }
cluster:consumer { from = orders, think = millis(100), poll_records = 20 }
every(seconds(2), function() cluster:broker():power_loss { at_op = random(200), restart = millis(100) } end, { times = 3 })

finally { "nothing acknowledged is lost", "in order" }
