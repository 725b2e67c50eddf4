-- It wakes as the leader that it was, with the end that it had, and whoever asks it then must not be told that (B-6).
scenario "a leader that was paused tells nobody of an end that others have moved on from"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", partitions = 6, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, rate = 100, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return counts().acked > 100 end, seconds(60)), "nothing is acknowledged")
local leader = orders:leader(random("which", 6) - 1)
leader:pause(seconds(25))
expect(wait_until(function() return leader:fenced() end, seconds(20)), "it is not fenced")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 200 end, seconds(10)), "the others do not go on")
-- They know of nobody but it, and wait until it wakes.
for _ = 1, 3 do
  cluster:consumer { from = orders, start = "latest", client = { ["bootstrap.servers"] = leader.name .. ":9092" } }
end
expect(wait_until(function() return not leader:fenced() end, seconds(30)), "it is not let in again")
sleep(seconds(3))

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
