-- What a checkpoint knows of and the log does not hold is lost, and the controller is told before the broker is let in.
scenario "a replica whose log was damaged while it was down is not elected, and all else that its broker kept is led at once"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
local bills = cluster:topic { name = "bills", replicas = 3, min_insync = 2 }
local producer = cluster:producer { acks = "all", to = orders, records = 0 }
local second = cluster:producer { acks = "all", to = bills, records = 0 }

local function all_in_sync() return #orders:isr(0) == 3 and #bills:isr(0) == 3 and orders:led(0) and producer:alive() and second:alive() end
expect(wait_until(all_in_sync, seconds(60)), "not all of them are in sync")
producer:send(200)
second:send(100)
sleep(seconds(3)) -- what is durable is written down
local order = {}
for i = 1, 3 do order[i] = cluster:broker((random("who", 1) + i) % 3 + 1) end
local first, damaged, last = order[1], order[2], order[3]
first:kill()
expect(wait_until(function() return #orders:isr(0) == 2 and #bills:isr(0) == 2 end, seconds(30)), "the first counts as in sync for ever")
damaged:kill()
expect(wait_until(function() return #orders:isr(0) == 1 and #bills:isr(0) == 1 end, seconds(30)), "the second counts as in sync for ever")
last:kill()
expect(wait_until(function() return #orders:isr(0) == 0 and #bills:isr(0) == 0 end, seconds(30)), "the last counts as in sync for ever")
damaged:disk("flip", { file = orders:path(0, "00000000000000000000.log"), offset = 100 + random("where", 3000), bit = random("bit", 8) - 1 })
damaged:start()
expect(wait_until(function() return not damaged:fenced() end, seconds(30)), "it is not let in")
-- Of the other partition it has all.
expect(wait_until(function() return bills:led(0) and bills:leader(0) == damaged end, seconds(10)), "nobody leads what is whole")
last:start()
expect(wait_until(function() return orders:led(0) end, seconds(60)), "nobody leads it again")
first:start()
expect(wait_until(function() return #orders:isr(0) == 2 and #bills:isr(0) == 3 end, seconds(60)), "those that are well are not in sync")
cluster:consumer { from = orders }
cluster:consumer { from = bills }

finally { "everything acknowledged is read", "in order", "no duplicates" }
