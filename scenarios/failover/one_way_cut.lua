scenario "a link that carries bytes in one direction alone costs no record, and the partition goes on"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0,
  config = { ["replica.lag.time.max.ms"] = seconds(5) } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for _ = 1, 2 do
  expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
  local leader, follower = orders:leader(0), nil
  for i = 1, 3 do
    if cluster:broker(i) ~= leader and (follower == nil or random("who", 2) == 1) then follower = cluster:broker(i) end
  end
  if random("direction", 2) == 1 then
    cut(leader, follower, seconds(12), true)
  else
    cut(follower, leader, seconds(12), true)
  end
  sleep(seconds(9)) -- by then it is out of sync, or another one leads
  local acked = counts().acked
  expect(wait_until(function() return counts().acked > acked + 10 end, seconds(5)), "it does not go on without that link")
  sleep(seconds(5))
end

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
