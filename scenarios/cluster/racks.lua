-- Six brokers in three racks, two in each.
scenario "each partition has a replica in each rack, and lives on when a rack is gone"

local cluster = Cluster { brokers = 6, controllers = 3, racks = { "a", "b", "c" } }
local orders = cluster:topic { name = "orders", partitions = 6, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, keys = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function all_in_sync()
  for p = 0, 5 do
    if #orders:isr(p) ~= 3 or not orders:led(p) then return false end
  end
  return true
end
expect(wait_until(all_in_sync, seconds(60)), "not all of them are in sync")
local function rack_of(broker)
  for i = 1, 6 do
    if cluster:broker(i) == broker then return (i - 1) % 3 + 1 end
  end
end
for p = 0, 5 do
  local seen, count = {}, 0
  for _, broker in ipairs(orders:isr(p)) do
    local rack = rack_of(broker)
    if not seen[rack] then count = count + 1 end
    seen[rack] = true
  end
  expect(count == 3, "two replicas of a partition stand in one rack")
end
local gone = random("which", 3)
cluster:broker(gone):power_loss { restart = seconds(20) }
cluster:broker(gone + 3):power_loss { restart = seconds(20) }
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked + 200 end, seconds(19)), "they do not go on without a rack")

finally { "everything acknowledged is read", "in order", "no duplicates" }
