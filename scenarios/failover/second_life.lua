scenario "what an earlier life of a replica had fetched does not count for its next one"

-- It loses the end of its log with the power, is let in again, and its leader hears of it late.
local cluster = Cluster { brokers = 3, controllers = 3, flush = "os", config = { ["broker.session.timeout.ms"] = seconds(1),
  ["broker.heartbeat.interval.ms"] = 100 } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, rate = 100, delivery_timeout = minutes(2) }
cluster:consumer { from = orders }
local function all_in_sync() return #orders:isr(0) == 3 and #orders:isr(1) == 3 and orders:led(0) and orders:led(1) end

for _ = 1, 3 do
  expect(wait_until(all_in_sync, seconds(40)), "not all of them are in sync")
  sleep(seconds(1) + random(seconds(1)))
  local leader, follower = orders:leader(0), cluster:broker(random(3))
  if follower == leader then follower = cluster:broker(follower == cluster:broker(1) and 2 or 1) end
  harm("link " .. follower .. ">" .. leader .. " delay by=" .. 200 + random(600) .. "ms for 5s")
  follower:power_loss { restart = millis(50) + random(millis(200)) }
  sleep(seconds(5))
end
sleep(seconds(5))

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
