scenario "a producer id is never given out twice"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 300 }
local broker = cluster:broker()

for i = 1, 8 do
  -- Each of these asks for an id of its own, some of them just before the power goes.
  cluster:producer { acks = "all", to = orders, records = 5, name = "one-of-many-" .. i }
  sleep(random(millis(40)))
  broker:power_loss { restart = millis(100) }
  wait_until(function() return broker:ready() end, seconds(20))
end

finally { "producer ids are given out once", "no duplicates" }
