scenario "a tail that recovery found counts only when it is on the disk"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders", partitions = 3 }

cluster:producer { acks = "all", to = orders, records = 600, rate = 100, burst = 3, linger = 0 }
cluster:consumer { from = orders }

local broker = cluster:broker()
wait_until(function() return broker:ready() end, seconds(10))
-- What is written waits long for its sync: a kill -9 finds some of it in the page cache, where recovery finds it again.
broker:disk("slow", { factor = 50, lasts = seconds(20) })
for _ = 1, 6 do
  sleep(millis(200 + random(500)))
  broker:kill { at_op = random(10), restart = millis(100) }
  wait_until(function() return not broker:ready() end, seconds(1))
  -- As soon as somebody is told of it: the power goes, and the page cache with it.
  local told = rows "DUPLICATE" + rows "ACK"
  wait_until(function() return broker:ready() and rows "DUPLICATE" + rows "ACK" > told end, seconds(5))
  broker:power_loss { restart = millis(100) }
end

finally { "nothing acknowledged is lost", "what was read stays readable", "no duplicates" }
