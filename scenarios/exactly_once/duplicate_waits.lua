scenario "the answer to a duplicate waits for the disk like its original"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders" }
must_reach { "a duplicate was answered" }

local producer = cluster:producer { acks = "all", to = orders, records = 200, rate = 100, burst = 2, in_flight = 5, linger = 0,
  client = { ["retry.backoff.ms"] = 5, ["reconnect.backoff.ms"] = 5 } }
local broker = cluster:broker()
wait_until(function() return counts().acked > 0 end, seconds(30))
broker:disk("slow", { factor = 200, lasts = seconds(6) })

-- The request is written, its connection goes, it comes again before the sync is done; then the power goes.
for _ = 1, 8 do
  sleep(millis(200 + random(200)))
  reset(producer, broker)
  local answered = rows "DUPLICATE"
  wait_at_most(function() return rows "DUPLICATE" > answered end, millis(100 + random(200)))
  if random(3) == 1 then broker:power_loss { restart = millis(100) } end
end

finally { "nothing acknowledged is lost", "no duplicates" }
