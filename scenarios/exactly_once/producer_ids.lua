scenario "a producer id is never given out twice"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 300 }
local broker = cluster:broker()

for i = 1, 8 do
  wait_until(function() return broker:ready() end, seconds(20))
  -- Asks for an id of its own, the first of this life; the power goes while the block that holds it is on its way to the disk.
  local blocks = rows "PRODUCER_IDS_BLOCK"
  local deadline = now() + seconds(2)
  cluster:producer { acks = "all", to = orders, records = 5, name = "one-of-many-" .. i }
  while rows "PRODUCER_IDS_BLOCK" == blocks and now() < deadline do sleep(millis(0.2)) end
  sleep(random(millis(3)))
  broker:power_loss { restart = millis(100) }
end

finally { "producer ids are given out once", "no duplicates" }
