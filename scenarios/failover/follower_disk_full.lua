-- Nobody waits for what it cannot have, not even for replica.lag.time.max.ms (30 s): it says itself that it has no room.
scenario "a follower whose disk is full is soon no longer in sync, and producers go on without it"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, rate = 50, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local leader, full = orders:leader(0), nil
for i = 1, 3 do
  if cluster:broker(i) ~= leader and (full == nil or random("who", 2) == 1) then full = cluster:broker(i) end
end
full:disk("full", { lasts = seconds(20) })
expect(wait_until(function() return #orders:isr(0) == 2 end, seconds(5)), "it counts as in sync")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 50 end, seconds(3)), "producers do not go on")
-- It comes back once, and not each time that it has had a look.
for _ = 1, 15 do
  sleep(seconds(1))
  expect(#orders:isr(0) == 2, "it is in sync while it takes nothing")
end
expect(full:alive() and not full:fenced() and orders:leader(0) == leader, "it is more than out of sync")
expect(wait_until(function() return #orders:isr(0) == 3 end, seconds(30)), "it does not come back")

finally { "everything acknowledged is read", "in order", "no duplicates", "somebody leads when all is well" }
