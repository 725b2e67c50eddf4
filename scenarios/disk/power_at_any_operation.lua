scenario "power that goes at any operation takes nothing acknowledged"
local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }
cluster:producer { acks = "all", to = orders, records = 2000, rate = 400 }
cluster:consumer { from = orders }
local b = cluster:broker()
every(millis(500), function() b:power_loss { at_op = random(60), restart = millis(50) } end, { times = 8 })
finally { "everything acknowledged is read", "in order", "no duplicates" }
