scenario "when all three lose power at once, everything acknowledged is there with flush.policy = ack, and they agree with os"

local cluster = Cluster { brokers = 3, flush = random("flush", 2) == 1 and "ack" or "os" }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, burst = 5, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for _ = 1, 2 do
  expect(wait_until(function() return #orders:isr(0) == 3 and #orders:isr(1) == 3 end, seconds(90)), "not all of them are in sync")
  sleep(seconds(1) + random("when", seconds(2)))
  harm "node broker1,broker2,broker3 power_loss"
  sleep(random("how long", seconds(3)))
  for i = 1, 3 do
    sleep(random("one by one", seconds(2)))
    cluster:broker(i):start()
  end
  expect(wait_until(function() return orders:led(0) and orders:led(1) end, seconds(60)), "nobody leads")
end

finally { "everything acknowledged is read", "the controllers agree" }
