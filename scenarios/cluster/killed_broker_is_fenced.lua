-- With one replica there is nobody else to lead; all else goes on.
scenario "a broker that is killed is fenced: what it led is led by nobody until it is back, and all of it is there"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 6 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 60, window = 1024, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

wait_until(function() return counts().acked > 100 end, seconds(30))
local partition = random("which", 6) - 1
local broker, epoch = orders:leader(partition), orders:leader_epoch(partition)
broker:kill()
expect(wait_until(function() return broker:fenced() end, seconds(20)), "it is not fenced")
expect(wait_until(function() return orders:elected(partition) == nil end, seconds(2)), "what it led has a leader")
expect(#orders:isr(partition) == 0 and orders:eligible(partition)[1] == broker, "it may not be elected any more")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 10 end, seconds(10)), "the others do not go on")
sleep(random("how long", seconds(5)))
broker:start()
local function back() return orders:led(partition) and orders:leader_epoch(partition) > epoch end
expect(wait_until(back, seconds(20)), "it does not lead again")
expect(not broker:fenced() and orders:leader(partition) == broker and orders:elected(partition) == broker)

finally { "everything acknowledged is read", "in order", "no duplicates", "the controllers agree" }
