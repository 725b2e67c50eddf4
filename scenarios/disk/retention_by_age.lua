scenario "no segment goes by age before its youngest record is as old as its topic says, whatever the clock does"

-- Longer than a segment must be left alone for anyway, and segments that take minutes to fill.
local cluster = Cluster { config = { ["log.segment.bytes"] = 65536, ["log.retention.check.interval.ms"] = 5000,
  ["log.segment.delete.delay.ms"] = 100 } }
local orders = cluster:topic { name = "orders", config = { ["retention.ms"] = minutes(12) } }

cluster:producer { acks = "all", to = orders, records = 1200, rate = 1, burst = 1, value_bytes = 800 }
cluster:consumer { from = orders, think = seconds(5) }
sleep(minutes(9))
cluster:broker():clock(minutes(random(3)), minutes(2))
sleep(minutes(9))
cluster:broker():kill { restart = millis(100) }

finally { "nothing young is deleted", "nothing acknowledged is lost", "in order" }
