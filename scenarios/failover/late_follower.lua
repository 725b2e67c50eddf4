scenario "a follower that was far behind joins while the leader dies, and is never taken for more than it is"

local cluster = Cluster { brokers = 3, config = { ["replica.lag.time.max.ms"] = seconds(5), ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 2500, rate = 100, burst = 20, value_bytes = 400, window = 1024,
  delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) end, seconds(60)), "not all of them are in sync")
local late
for i = 1, 3 do
  if cluster:broker(i) ~= orders:leader(0) then late = cluster:broker(i) end
end
late:kill()
expect(wait_until(function() return #orders:isr(0) == 2 end, seconds(30)), "it counts as in sync for ever")
sleep(seconds(4))
late:start()
sleep(random("when", seconds(4)))
local leader = orders:leader(0)
leader:kill { restart = seconds(15) }
expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= leader end, seconds(30)), "nobody takes over")
expect(wait_until(function() return #orders:isr(0) == 3 end, seconds(90)), "not all of them are in sync again")

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
