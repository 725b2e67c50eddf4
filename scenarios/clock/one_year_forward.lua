scenario "a wall clock that jumps a year forward and back deletes nothing young and fires no timer early"

local cluster = Cluster { config = { ["log.segment.bytes"] = 8192, ["log.retention.check.interval.ms"] = 1000, ["log.segment.delete.delay.ms"] = 100 } }
local orders = cluster:topic { name = "orders", config = { ["retention.ms"] = 600000 } }

cluster:producer { acks = "all", to = orders, records = 3000, batch_bytes = 4096 }
cluster:consumer { from = orders }

sleep(seconds(4))
cluster:broker():clock(years(1), minutes(1))
sleep(seconds(30))
if random(2) == 1 then cluster:broker():kill { restart = millis(200) } end
sleep(minutes(1))

finally { "nothing young is deleted", "everything acknowledged is read", "in order" }
