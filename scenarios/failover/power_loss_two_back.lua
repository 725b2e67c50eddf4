-- What they acknowledged is on their disks, so they need nobody else: not the third one, and no unclean election.
scenario "when all three lose power and two come back, all is led again at once, and everything acknowledged is there"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 4, replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 1000, rate = 50, burst = 5, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

local function all_led(in_sync)
  for p = 0, 3 do
    if #orders:isr(p) < in_sync or not orders:led(p) then return false end
  end
  return true
end
expect(wait_until(function() return all_led(3) and counts().acked > 50 end, seconds(90)), "not all of them are in sync")
sleep(seconds(3) + random("when", seconds(2)))
harm "node broker1,broker2,broker3 power_loss"
local away = random("who stays away", 3)
for i = 1, 3 do
  if i ~= away then
    sleep(random("one by one", seconds(2)))
    cluster:broker(i):start()
  end
end
expect(wait_until(function() return all_led(2) end, seconds(40)), "two of them do not lead all of it")
cluster:broker(away):start()
expect(wait_until(function() return all_led(3) end, seconds(60)), "the third one does not come back")

finally { "everything acknowledged is read", "in order", "no duplicates", "the controllers agree" }
