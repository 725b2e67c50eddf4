scenario "a broker that is killed on a full disk, again and again, starts on it and shows all that was acknowledged"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
local producer = cluster:producer { acks = "all", to = orders, rate = 300, delivery_timeout = seconds(60), request_timeout = seconds(5) }
local broker = cluster:broker()

sleep(seconds(2) + millis(random(1000)))
broker:disk("full", { lasts = seconds(60) })
sleep(millis(random(2000)))
for life = 1, 6 do
  broker:kill { restart = millis(100) }
  sleep(millis(100 + random(200)))
  -- Somebody else takes what this start has given back, now or when it has just begun.
  broker:disk("full", { lasts = seconds(60) })
  expect(wait_until(function() return broker:ready() end, seconds(10)), "it does not start on a full disk, in life " .. life)
  sleep(millis(random(1500)))
end
-- What was acknowledged is read while nothing can be stored.
local acked = counts().acked
cluster:consumer { from = orders }
expect(wait_until(function() return counts().read >= acked end, seconds(8)), "what was acknowledged cannot be read")
sleep(seconds(60))
expect(wait_until(function() return counts().acked > acked end, seconds(60)), "nothing is acknowledged although there is space again")

finally { "everything acknowledged is read", "in order", "no duplicates" }
