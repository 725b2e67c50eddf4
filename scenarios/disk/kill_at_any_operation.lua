scenario "kill -9 at any operation loses nothing acknowledged"

local cluster = Cluster { config = { ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 2 }

cluster:producer { acks = "all", to = orders, records = 3000, keys = 20 }
cluster:consumer { from = orders }

-- Wherever the seed says: between two operations, in the middle of a write, while a segment rolls.
every(millis(1500), function()
  cluster:broker():kill { at_op = random(150), restart = millis(random(800)) }
end, { times = 8 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
