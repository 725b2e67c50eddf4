-- What it acknowledged is gone with the disk: no epoch that it could show is the one of its last registration.
scenario "a broker that comes back on an empty disk, or on an old copy of its own, is a follower until it has caught up"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function all_in_sync() return #orders:isr(0) == 3 and #orders:isr(1) == 3 and orders:led(0) and orders:led(1) end
expect(wait_until(function() return all_in_sync() and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local broker = cluster:broker(random("which", 3))
local old = random("old", 2) == 1
if old then
  broker:disk "backup"
  sleep(seconds(1))
  broker:kill { restart = seconds(1) } -- another life, and another registration
  sleep(seconds(3))
  expect(wait_until(all_in_sync, seconds(60)), "not all of them are in sync again")
end
sleep(seconds(1) + random("when", seconds(3)))
broker:disk(old and "restore" or "lose")
if not broker:alive() then broker:start() end
expect(wait_until(function() return not broker:fenced() and all_in_sync() end, seconds(90)), "it does not catch up")

finally { "everything acknowledged is read", "in order", "no duplicates" }
