-- Whatever had happened before, and whatever the third one does (nothing, here): G1 of the checks.
scenario "when a majority that holds all of a partition is healed, it goes on without the rest"

local cluster = Cluster { brokers = 3, config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = millis(500),
  ["replica.lag.time.max.ms"] = seconds(5) } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and #orders:isr(1) == 3 and counts().acked > 20 end, seconds(60)), "not all of them are in sync")
for _ = 1, 3 do
  local broker = cluster:broker(random("whom", 3))
  isolate(broker, seconds(20))
  local other = cluster:broker(random("who stands still", 3))
  if other:alive() then other:pause(seconds(20)) end
  sleep(random("how soon", seconds(3)))
end
-- Where all is well again for a moment, all are in sync; then one of them falls out for good.
heal()
expect(wait_until(function() return #orders:isr(0) == 3 and #orders:isr(1) == 3 end, seconds(60)), "all is well, and not all of them are in sync")
local out = random("who stays out", 3)
isolate(cluster:broker(out), minutes(5))
cluster:broker(out % 3 + 1):pause(seconds(30))
sleep(random("how long", seconds(10)))
heal { cluster:broker(out % 3 + 1), cluster:broker((out + 1) % 3 + 1) }
local function led_by_the_core()
  for p = 0, 1 do
    if not orders:led(p) or orders:leader(p) == cluster:broker(out) then return false end
  end
  return true
end
expect(wait_until(led_by_the_core, seconds(20)), "none of them leads")
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 20 end, seconds(20)), "they acknowledge nothing")

finally { "everything acknowledged is read", "in order", "no duplicates", "somebody leads when all is well" }
