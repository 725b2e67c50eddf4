scenario "topics that are made and deleted while leaders die stay, or are gone, as was answered"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0,
  config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = millis(500) } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1200, rate = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) end, seconds(60)), "not all of them are in sync")
every(seconds(6), function()
  local broker = cluster:broker(random("who", 3))
  if broker:alive() then broker:kill { restart = random("how long", seconds(5)) } end
end, { times = 4 })
local made = 0
for i = 1, 8 do
  local name = "bills-" .. random("which", 3)
  if cluster:create_topic { name = name, partitions = random("partitions", 4), replicas = 1 + random("replicas", 2) } then made = made + 1 end
  sleep(random("then", seconds(2)))
  if random("delete", 2) == 1 then cluster:delete_topic { name = name } end
  sleep(random("and then", seconds(2)))
end
expect(made > 0, "none was made")

finally { "acknowledged topics stay", "everything acknowledged is read", "no duplicates", "the controllers agree" }
