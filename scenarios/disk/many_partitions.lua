scenario "more partitions than files may be open lose nothing, and no shortage of files takes the disk offline"

-- 16 files open, 8 of them with bytes that are not synced: most appends wait for somebody else's sync.
local cluster = Cluster { config = { ["log.open.files.max"] = 16, ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 60 }
must_reach { "an append waited because too many files were not synced" }

cluster:producer { acks = "all", to = orders, rate = 1500, records = 6000, keys = 1000 }
cluster:consumer { from = orders }

local broker = cluster:broker()
sleep(seconds(2))
broker:power_loss()
sleep(seconds(1))
broker:start()
expect(wait_until(function() return counts().acked >= 5500 end, seconds(60)), "the records do not come through")

finally { "everything acknowledged is read", "in order", "no duplicates" }
