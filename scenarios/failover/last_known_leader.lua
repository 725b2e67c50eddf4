-- KIP-966: nobody is in sync or eligible any more. Only who led it last may lead again, once it is there.
scenario "when all replicas may have lost something, the last leader leads again when it is back, and nobody before"

local cluster = Cluster { brokers = 3, controllers = 3, flush = "os" }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, records = 800, rate = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and counts().acked > 50 end, seconds(60)), "not all of them are in sync")
local last
for _ = 1, 3 do
  last = orders:elected(0)
  last:kill()
  local left = #orders:isr(0)
  expect(wait_until(function() return orders:elected(0) ~= last end, seconds(30)), "it counts as the leader for ever")
end
for i = 1, 3 do
  if cluster:broker(i) ~= last then cluster:broker(i):start() end
end
local function others_are_back()
  for i = 1, 3 do
    if cluster:broker(i) ~= last and cluster:broker(i):fenced() then return false end
  end
  return true
end
expect(wait_until(others_are_back, seconds(40)), "the others are not let in")
sleep(random("how long", seconds(5)))
expect(not orders:led(0), "somebody leads who was neither in sync nor the last leader")
last:start()
expect(wait_until(function() return orders:led(0) and #orders:isr(0) == 3 end, seconds(60)), "the last leader does not lead again")

finally { "everything acknowledged is read", "in order", "no duplicates" }
