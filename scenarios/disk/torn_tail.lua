scenario "a torn tail is cut off, and everything before it stays"

local cluster = Cluster { config = { ["log.segment.bytes"] = 65536, ["log.index.interval.bytes"] = 512 } }
local orders = cluster:topic { name = "orders" }
must_reach { "recovery cut a tail" }

-- Batches of several pages: a write that is cut at a page leaves the head of a batch.
cluster:producer { acks = "all", to = orders, records = 1500, value_bytes = 900, burst = 20 }
cluster:consumer { from = orders }

every(millis(700), function()
  cluster:broker():kill { at_op = random(12), restart = millis(150) }
end, { times = 12 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
