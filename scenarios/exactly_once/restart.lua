scenario "a broker remembers its producers over restarts, clean and unclean"

local cluster = Cluster { config = { ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 2 }

local producer = cluster:producer { acks = "all", to = orders, records = 3000, keys = 20, linger = 0 }
cluster:consumer { from = orders }
local broker = cluster:broker()

for i = 1, 8 do
  sleep(millis(500) + random(millis(700)))
  -- What was written and not answered comes again after the restart.
  reset(producer, broker)
  if i % 3 == 0 then
    broker:restart()
  else
    broker:kill { at_op = random(6), restart = millis(100) }
  end
end

finally { "everything acknowledged is read", "in order", "no duplicates" }
