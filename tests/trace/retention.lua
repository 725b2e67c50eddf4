scenario "retention removes whole segments from the front, and the log start follows"

local cluster = Cluster { config = { ["log.segment.bytes"] = 1024, ["log.retention.check.interval.ms"] = 1000, ["log.segment.delete.delay.ms"] = 100 } }
local orders = cluster:topic { name = "orders", config = { ["retention.bytes"] = 2048 } }
local producer = cluster:producer { acks = "all", to = orders, records = 0, value_bytes = 400 }

wait_until(function() return producer:done() end)
for _ = 1, 8 do
  producer:send(1)
  sleep(millis(400))
end

finally { "everything acknowledged is read", "in order" }
