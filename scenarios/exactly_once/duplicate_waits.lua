scenario "the answer to a duplicate waits for the disk like its original"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders" }

local producer = cluster:producer { acks = "all", to = orders, records = 2000, rate = 300, in_flight = 5, linger = 0 }
local broker = cluster:broker()
broker:disk("slow", { factor = 200, lasts = seconds(20) })

-- The request is written, its connection goes, it comes again before the sync is done; then the power goes.
for _ = 1, 12 do
  sleep(millis(300) + random(millis(300)))
  reset(producer, broker)
  sleep(millis(60) + random(millis(150)))
  if random(2) == 1 then broker:power_loss { restart = millis(100) } end
end

finally { "nothing acknowledged is lost", "no duplicates" }
