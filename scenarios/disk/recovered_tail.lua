scenario "a tail that recovery found counts only when it is on the disk"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders" }

cluster:producer { acks = "all", to = orders, records = 2000, keys = 10 }
cluster:consumer { from = orders }

local broker = cluster:broker()
for _ = 1, 5 do
  sleep(millis(400 + random(900)))
  -- kill -9 leaves the page cache; what it holds may still be lost with the power.
  broker:kill { at_op = random(20), restart = millis(100) }
  wait_until(function() return broker:ready() end, seconds(10))
  sleep(millis(random(60)))
  broker:power_loss { restart = millis(100) }
end

finally { "nothing acknowledged is lost", "what was read stays readable", "no duplicates" }
