scenario "brokers that lose power one after the other, each when the one before is back, lose nothing that was acknowledged"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0, flush = random("flush", 2) == 1 and "ack" or "os" }
local orders = cluster:topic { name = "orders", partitions = 3, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 2500, rate = 50, burst = 5, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function all_in_sync()
  for p = 0, 2 do
    if #orders:isr(p) < 3 or not orders:led(p) then return false end
  end
  return true
end
for i = 1, 3 do
  expect(wait_until(all_in_sync, seconds(60)), "not all of them are in sync")
  sleep(random("when", seconds(2)))
  cluster:broker(i):power_loss { restart = random("how long", seconds(12)) }
  sleep(seconds(13))
end
expect(wait_until(all_in_sync, seconds(60)), "not all of them are in sync in the end")

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
