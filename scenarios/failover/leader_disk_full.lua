-- What it has it can show, and a broker of a disk with room can do more: others lead as long as its disk is full.
scenario "a leader whose disk is full lets one lead that has room, and is in sync again when it has room itself"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, rate = 20, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function all_in_sync() return #orders:isr(0) == 3 and #orders:isr(1) == 3 end
expect(wait_until(function() return all_in_sync() and orders:led(0) and counts().acked > 20 end, seconds(60)), "not all of them are in sync")
for round = 1, 2 do
  local leader = orders:leader(0)
  leader:disk("full", { lasts = seconds(25) })
  expect(wait_until(function() return orders:led(0) and orders:leader(0) ~= leader and orders:led(1) and orders:leader(1) ~= leader end, seconds(10)),
    "nobody who has room leads")
  local acked = counts().acked
  expect(wait_until(function() return counts().acked > acked + 20 end, seconds(3)), "those who lead acknowledge nothing")
  sleep(seconds(5))
  local epoch = orders:leader_epoch(0)
  sleep(seconds(5))
  expect(orders:leader_epoch(0) == epoch, "leaders change on and on")
  expect(leader:alive() and not leader:fenced(), "it serves no more")
  expect(wait_until(all_in_sync, seconds(60)), "it does not come back")
end

finally { "everything acknowledged is read", "in order", "no duplicates", "somebody leads when all is well" }
