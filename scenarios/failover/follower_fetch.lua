-- The consumer's rack has a follower; it dies, its disk falls behind, and it leads for a while.
scenario "a consumer reads in its rack, and goes on when the replica there dies or falls behind"

local cluster = Cluster { brokers = 3, controllers = 3, racks = { "a", "b", "c" }, config = { ["replica.lag.time.max.ms"] = seconds(4),
  ["replica.selector.class"] = "org.apache.kafka.common.replica.RackAwareReplicaSelector" } }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 3000, rate = 50, delivery_timeout = minutes(5) }
local racks = {}
for i, rack in ipairs { "a", "b", "c" } do racks[i] = cluster:consumer { from = orders, client = { ["client.rack"] = rack } } end

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().read > 100 end, seconds(60)), "not all of them are in sync")
for _ = 1, 3 do
  local who = cluster:broker(random("who", 3))
  local what = random("what", 3)
  if what == 1 then
    who:kill { restart = seconds(1) + random("how long", seconds(14)) }
  elseif what == 2 then
    who:disk("slow_sync", { factor = 1000000, lasts = seconds(10) })
  else
    who:pause(random("how long it stands", seconds(8)))
  end
  local read = counts().read
  sleep(seconds(16))
  expect(counts().read > read, "nobody reads")
  expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) end, seconds(60)), "it does not come back")
end
expect(reached "a follower served a consumer" > 0, "no follower has served")

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable", "nothing is shown before it is durable" }
