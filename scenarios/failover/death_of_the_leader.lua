scenario "an acknowledged record survives the death of its leader"

local cluster = Cluster { brokers = 1 }
local orders = cluster:topic { name = "orders", partitions = 3 }

cluster:producer { acks = "all", to = orders, records = 4000, keys = 100 }
cluster:consumer { from = orders }

every(seconds(5), function()
  local leader = orders:leader(0)
  leader:kill()
  sleep(seconds(2))
  leader:start()
end, { times = 4 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
