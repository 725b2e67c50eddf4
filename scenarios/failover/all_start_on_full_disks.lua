-- To register, to elect and to lead takes a few blocks, which each has kept; records wait for more.
scenario "when all are killed on full disks, they start, lead and show everything, and take records when they have room"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, rate = 20, keys = 50, delivery_timeout = minutes(10) }

expect(wait_until(function() return #orders:isr(0) == 3 and #orders:isr(1) == 3 and counts().acked > 20 end, seconds(60)), "not all of them are in sync")
for i = 1, 3 do cluster:broker(i):disk("full", { lasts = seconds(100) }) end
sleep(seconds(2) + millis(random(2000)))
for life = 1, 3 do
  for i = 1, 3 do cluster:broker(i):kill() end
  sleep(millis(500))
  for i = 1, 3 do cluster:broker(i):start() end
  local function serve() return cluster:broker(1):ready() and cluster:broker(2):ready() and cluster:broker(3):ready() end
  expect(wait_until(serve, seconds(30)), "they do not start on full disks, in life " .. life)
  expect(wait_until(function() return orders:led(0) and orders:led(1) end, seconds(10)), "nobody leads, in life " .. life)
  sleep(millis(random(2000)))
end
local acked = counts().acked
cluster:consumer { from = orders }
expect(wait_until(function() return counts().read >= acked end, seconds(10)), "what was acknowledged cannot be read")
expect(counts().acked == acked, "a record was acknowledged that found no room")
sleep(seconds(60))
expect(wait_until(function() return counts().acked > acked + 20 end, seconds(60)), "nothing is acknowledged although there is space again")

finally { "everything acknowledged is read", "in order", "no duplicates", "somebody leads when all is well" }
