-- Sessions and lags are measured by clocks that cannot be set.
scenario "wall clocks that jump by minutes and clocks that drift fence nobody and move no leader"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", partitions = 3, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function all_in_sync()
  for p = 0, 2 do
    if #orders:isr(p) < 3 or not orders:led(p) then return false end
  end
  return true
end
expect(wait_until(all_in_sync, seconds(60)), "not all of them are in sync")
local epochs = {}
for p = 0, 2 do epochs[p] = orders:leader_epoch(p) end
for _ = 1, 8 do
  local broker = cluster:broker(random("whose", 3))
  if random("what", 2) == 1 then
    broker:clock(minutes(random("by", 20) - 10.5), seconds(1) + random("how long", seconds(5)))
  else
    broker:drift(random("ppm", 2) == 1 and 50000 or -50000, seconds(1) + random("how long", seconds(5)))
  end
  sleep(random("when", seconds(3)))
end
for p = 0, 2 do
  expect(orders:leader_epoch(p) == epochs[p] and #orders:isr(p) == 3, "a leader or those in sync are others")
end

finally { "everything acknowledged is read", "in order", "no duplicates" }
