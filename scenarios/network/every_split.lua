scenario "every split of every frame is understood"

-- Each byte arrives alone.
split "bytes"
local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }
must_reach { "a frame was split inside its length" }

cluster:producer { acks = "all", to = orders, records = 60, keys = 5, value_bytes = 30, burst = 4 }
cluster:consumer { from = orders }

finally { "no connection is refused", "everything acknowledged is read", "in order", "no duplicates" }
