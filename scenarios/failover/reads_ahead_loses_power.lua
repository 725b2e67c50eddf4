-- Of what a follower has read its disk has a part: only that counts, or what two of three have acknowledged is on the disk of none.
scenario "what a follower has read and not synced is not acknowledged, whoever loses power"

local cluster = Cluster { brokers = 3, controllers = 3, flush = "ack", config = { ["replica.read.ahead.bytes"] = random("how far ahead", 4) * 100000 } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 3000, rate = 150, keys = 50, linger = 0, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for round = 1, 3 do
  expect(wait_until(function() return #orders:isr(0) == 3 and #orders:isr(1) == 3 end, seconds(90)), "not all of them are in sync")
  for i = 1, 3 do harm(string.format("node broker%d disk slow_sync factor=%d for 4s", i, 1 + random("how slow", 300))) end
  sleep(seconds(1) + random("when", seconds(2)))
  local first = random("who", 3)
  cluster:broker(first):power_loss { restart = random("how long", seconds(12)) }
  if random("another", 2) == 1 then cluster:broker(first % 3 + 1):power_loss { restart = random("how long it is", seconds(12)) } end
  sleep(seconds(14))
end

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
