-- Its network is well: it says that it is there, and fetches what it can.
scenario "a follower whose disk hangs is soon no longer in sync, and producers go on without it"

local cluster = Cluster { brokers = 3, controllers = 3, flush = "ack", config = { ["replica.lag.time.max.ms"] = seconds(4) } }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, window = 1024, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local slow
for i = 1, 3 do
  if cluster:broker(i) ~= orders:leader(0) and (slow == nil or random("who", 2) == 1) then slow = cluster:broker(i) end
end
-- Either nothing is answered any more, or syncs alone are not: then it reads on, and holds nothing.
if random("what hangs", 2) == 1 then slow:disk("hang", { lasts = seconds(15) }) else slow:disk("slow_sync", { factor = 1000000, lasts = seconds(15) }) end
expect(wait_until(function() return #orders:isr(0) == 2 end, seconds(12)), "it counts as in sync for ever")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 50 end, seconds(5)), "producers do not go on")
expect(wait_until(function() return #orders:isr(0) == 3 end, seconds(60)), "it does not come back")

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
