scenario "retention removes whole old segments under a reader, and nothing else"

local cluster = Cluster { config = { ["log.segment.bytes"] = 8192, ["log.retention.check.interval.ms"] = 200, ["log.segment.delete.delay.ms"] = 50 } }
local orders = cluster:topic { name = "orders", config = { ["retention.bytes"] = 32768 } }
must_reach { "a segment was deleted during a fetch" }

cluster:producer { acks = "all", to = orders, records = 6000, rate = 600, batch_bytes = 4096 }
cluster:consumer { from = orders }
-- One that cannot keep up: segments go while their bytes are on their way to it.
cluster:consumer { from = orders, name = "slow", think = millis(400), poll_records = 20 }
harm "node 4 slow_reader bytes=4096 for 8s"

finally { "everything acknowledged is read", "in order" }
