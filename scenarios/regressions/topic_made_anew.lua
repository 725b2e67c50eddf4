scenario "who reads a topic that is made anew under its name goes on with the new one"

-- The old topic's leader epochs have grown with each crash; those of the new one begin at 0.
local cluster = Cluster { }
local orders = cluster:topic { name = "orders" }
cluster:consumer { from = orders }
local first = cluster:producer { acks = "all", to = orders, records = 0 }
local broker = cluster:broker()
wait_until(function() return first:alive() end, seconds(10))
for _ = 1, 3 do
  first:send(20)
  broker:kill()
  broker:start()
  wait_until(function() return broker:ready() end, seconds(10))
end
wait_until(function() return (cluster:delete_topic { name = "orders" }) end, seconds(10))
wait_until(function() return (cluster:create_topic { name = "orders" }) end, seconds(10))
first:send(20)
sleep(seconds(40))
finally { "everything acknowledged is read", "in order" }
