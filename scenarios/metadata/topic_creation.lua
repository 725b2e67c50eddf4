scenario "an acknowledged topic creation survives power loss"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 200 }
local broker = cluster:broker()

for i = 1, 10 do
  -- Answered or not: what was answered must be there in the end.
  cluster:create_topic { name = "topic-" .. i, partitions = random(3) }
  sleep(random(millis(20)))
  broker:power_loss { restart = millis(100) }
  wait_until(function() return broker:ready() end, seconds(20))
end

finally { "acknowledged topics stay", "nothing acknowledged is lost" }
