scenario "what a leader had appended when it resigned may be there again: its refusal is no promise"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders" }

cluster:producer { acks = "all", to = orders, records = 400, rate = 100, linger = 0, in_flight = 5, request_timeout = seconds(10),
  delivery_timeout = seconds(10) }
cluster:consumer { from = orders }
local broker = cluster:broker()
wait_until(function() return counts().acked > 0 end, seconds(30))

-- The broker is asked to end while its disk does not answer, and stays away until the producer has given up.
for _ = 1, 2 do
  sleep(millis(300 + random(300)))
  broker:disk("hang", { lasts = seconds(9) })
  sleep(millis(50))
  broker:stop()
  sleep(seconds(10))
  broker:start()
  wait_until(function() return broker:ready() end, seconds(30))
end

finally { "nothing acknowledged is lost", "in order", "no duplicates" }
