scenario "a run that takes for ever"

local cluster = Cluster { brokers = 1 }
local orders = cluster:topic { name = "orders", partitions = 2 }

cluster:producer { acks = "all", to = orders, rate = 500, value_bytes = 400 }
cluster:consumer { from = orders }

for _ = 1, 100000 do
  sleep(seconds(1))
  orders:leader(0):pause(millis(50))
end

finally { "in order" }
