scenario "a crash inside recovery, at every operation, loses nothing"

local cluster = Cluster { config = { ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 2 }

cluster:producer { acks = "all", to = orders, records = 600, keys = 10 }
cluster:consumer { from = orders }

local broker = cluster:broker()
wait_until(function() return counts().acked > 200 end, seconds(60))
broker:power_loss()

-- The k-th operation of the start is its last, for every k until one start gets through.
local cut_short = 0
for k = 1 + random(3), 400, 3 do
  broker:kill { at_op = k }
  broker:start()
  wait_until(function() return not broker:alive() or broker:ready() end, seconds(60))
  if broker:ready() and broker:alive() then break end
  cut_short = cut_short + 1
end
expect(cut_short > 0 and broker:ready(), "every start was cut short, or none")

finally { "everything acknowledged is read", "in order", "no duplicates" }
