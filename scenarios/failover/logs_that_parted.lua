scenario "replicas whose logs have parted become the same"

-- Who leads acknowledges alone, and is killed with what the others have not got yet; it comes back to follow.
local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3 }

cluster:producer { acks = 1, to = orders, records = 3000, keys = 50 }
cluster:producer { acks = "all", to = orders, records = 1000, keys = 50 }
cluster:consumer { from = orders }

every(seconds(4), function()
  local leader = orders:leader(0)
  leader:kill()
  sleep(seconds(2))
  leader:start()
end, { times = 5 })

finally { "everything acknowledged is read" }
