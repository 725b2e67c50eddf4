scenario "a topic that is killed on its way into the directory is made by the next life, and is never taken for lost"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 100 }
local broker = cluster:broker()

-- Each time at a later operation, so that every one on the way is the last one some time.
local first = random(4)
for i = 0, 11 do
  broker:kill { at_op = first + 4 * i, restart = millis(50) }
  cluster:create_topic { name = "topic-" .. i, partitions = random(3) }
  sleep(millis(200))
  wait_until(function() return broker:ready() end, seconds(20))
end
expect(not broker:said("is gone"), "a partition that was never made is taken for one that is gone")
expect(not broker:said("holds no segment"), "a partition that was never made is taken for a damaged one")

finally { "acknowledged topics stay", "nothing acknowledged is lost", "in order" }
