-- In the midst of what it decides: at any of its operations.
scenario "when the controller dies while it moves what a dead broker led, the next one does so"

local cluster = Cluster { brokers = 3, controllers = 3, config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = millis(500) } }
local orders = cluster:topic { name = "orders", partitions = 6, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for _ = 1, 2 do
  expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and cluster:controller() ~= nil end, seconds(60)), "not all of them are in sync")
  sleep(random("when", seconds(1)))
  local leader, controller = orders:leader(0), cluster:controller()
  leader:kill { restart = seconds(8) + random("how long", seconds(5)) }
  sleep(seconds(2) + random("and then", seconds(2)))
  controller:kill { at_op = random("at", 60), restart = seconds(3) }
  expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= leader end, seconds(30)), "nobody takes over")
  wait_at_most(function() return controller:alive() and leader:alive() end, seconds(20))
end

finally { "everything acknowledged is read", "in order", "no duplicates", "the controllers agree", "one controller leads an epoch" }
