scenario "a leader whose sync fails leads no more, and the others have all that it had acknowledged"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local leader, epoch = orders:leader(0), orders:leader_epoch(0)
leader:disk("sync_fails", { times = 1 })
local function taken_over() return orders:led(0) and orders:leader(0) ~= leader and orders:leader_epoch(0) > epoch end
expect(wait_until(taken_over, seconds(20)), "nobody takes over")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 20 end, seconds(15)), "the new one acknowledges nothing")
expect(wait_until(function() return leader:fenced() end, seconds(15)), "it can hold nothing, and is not fenced")
leader:restart()
expect(wait_until(function() return #orders:isr(0) == 3 end, seconds(60)), "it does not come back")

finally { "everything acknowledged is read", "in order", "no duplicates", "no acknowledgement follows a failed sync" }
