scenario "retention removes whole old segments under a reader, and nothing else"

local cluster = Cluster { config = { ["log.segment.bytes"] = 163840, ["log.retention.check.interval.ms"] = 200, ["log.segment.delete.delay.ms"] = 50 } }
local orders = cluster:topic { name = "orders", config = { ["retention.bytes"] = 327680 } }
must_reach { "a segment was deleted during a fetch" }

cluster:producer { acks = "all", to = orders, records = 1500, rate = 200, burst = 20, value_bytes = 4000 }
cluster:consumer { from = orders }
-- Some that cannot keep up: segments go while their bytes are on their way to them.
for i = 1, 3 do
  local slow = cluster:consumer { from = orders, name = "slow-" .. i, poll_records = 250 }
  harm(string.format("node %s slow_reader bytes=%d for 8s", slow, 20000 * i))
end
sleep(seconds(8))

finally { "everything acknowledged is read", "in order" }
