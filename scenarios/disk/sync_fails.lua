scenario "a sync that failed is never followed by an acknowledgement"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders", partitions = 2 }
must_reach { "a sync failed while acknowledgements waited" }

cluster:producer { acks = "all", to = orders, records = 2000, keys = 20 }
cluster:consumer { from = orders }

local broker = cluster:broker()
for _ = 1, 3 do
  sleep(millis(1000 + random(1500)))
  -- Once, as Linux does it: the pages count as clean afterwards, and the next sync succeeds.
  broker:disk("sync_fails", { times = 1, error = "IO", file = ".log" })
  sleep(millis(1500))
  broker:power_loss { restart = millis(300) }
end

finally { "nothing acknowledged is lost", "no acknowledgement follows a failed sync", "no duplicates" }
