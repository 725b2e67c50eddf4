scenario "a producer whose epochs are used up goes on with another id"

local cluster = Cluster { config = { ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 2 }
must_reach { "a producer had no epoch left", "a producer began a new epoch" }

local producer = cluster:producer { acks = "all", to = orders, records = 1500, rate = 200, keys = 10, in_flight = 5, linger = 0,
  first_epoch = 32767 - random("epochs left", 3), request_timeout = millis(200), delivery_timeout = millis(600) }
cluster:consumer { from = orders }

-- Each time what is under way is given up, and a new epoch is needed.
for _ = 1, 6 do
  sleep(millis(300) + random(millis(400)))
  cut(producer, cluster:broker(), millis(900))
  sleep(seconds(1))
end
wait_until(function() return producer:done() end, seconds(60))
sleep(seconds(3))
local acked = counts().acked
local _, badly = producer:send(50)
expect(counts().acked >= acked + 50, "what is sent in peace is not acknowledged")

finally { "everything acknowledged is read", "in order", "no duplicates" }
