scenario "a loss of power leaves no index behind that the next clean end would leave as it is"

-- A segment's index is written in parts while the segment is, and once more when it is full; segments are full every few hundred
-- milliseconds, and whatever is not synced may be zeros afterwards.
local cluster = Cluster { flush = "ack", config = { ["log.segment.bytes"] = 65536, ["log.index.interval.bytes"] = 4096 },
  limits = { ["log.prefix.bytes"] = 8000 + random(20000) } }
local orders = cluster:topic { name = "orders" }
local broker = cluster:broker()
cluster:producer { acks = "all", to = orders, rate = 300, value_bytes = 700, records = 1500 }
cluster:consumer { from = orders }

for _ = 1, 3 do
  sleep(millis(300) + random(millis(900)))
  broker:power_loss { restart = millis(50) }
  wait_until(function() return broker:ready() end, seconds(20))
  sleep(random(millis(200)))
  broker:stop()
  broker:start()
end

finally { "everything acknowledged is read", "in order", "no duplicates" }
