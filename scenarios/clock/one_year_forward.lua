scenario "a wall clock that jumps a year forward and back deletes nothing young and fails nobody"

local cluster = Cluster { config = { ["log.segment.bytes"] = 8192, ["log.retention.check.interval.ms"] = 1000, ["log.segment.delete.delay.ms"] = 100 } }
local orders = cluster:topic { name = "orders", config = { ["retention.ms"] = 600000 } }

cluster:producer { acks = "all", to = orders, records = 3000, batch_bytes = 4096 }
cluster:consumer { from = orders }

sleep(seconds(4))
cluster:broker():clock(years(1), minutes(1))
sleep(seconds(30))
-- A time limit, an age or a pause that went by that clock would have been over at once, or for a year.
local now_counts = counts()
expect(now_counts.acked == 3000 and now_counts.failed + now_counts.unknown == 0, "a record failed, or is still waiting")
expect(now_counts.read == 3000, "the reader stopped")
if random(2) == 1 then cluster:broker():kill { restart = millis(200) } end
sleep(minutes(1))

finally { "nothing young is deleted", "everything acknowledged is read", "in order" }
