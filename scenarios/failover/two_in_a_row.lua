-- The second leader may die before it has written anything in its epoch; logs that were led alone then have other records at one offset
-- (KIP-279).
scenario "when two leaders die one after the other, all logs are one again"

local cluster = Cluster { brokers = 3, config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = millis(500) } }
local orders = cluster:topic { name = "orders", replicas = 3 }
cluster:producer { acks = 1, to = orders, records = 1200, rate = 100, burst = 10, delivery_timeout = minutes(2) }
cluster:producer { acks = "all", to = orders, records = 400, rate = 30, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for _ = 1, 3 do
  expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) end, seconds(60)), "not all of them are in sync")
  sleep(random("when", seconds(1)))
  local first = orders:leader(0)
  first:kill()
  expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= first end, seconds(15)), "nobody takes over")
  sleep(random("how soon", millis(100)))
  local second = orders:leader(0)
  second:kill { restart = random("how long", seconds(6)) }
  sleep(random("and the first", seconds(6)))
  first:start()
  expect(wait_until(function() return orders:led(0) and first:alive() and second:alive() end, seconds(30)), "nobody leads any more")
end

finally { "everything acknowledged is read", "what was read stays readable", "no duplicates" }
