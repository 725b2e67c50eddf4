scenario "what a failed write takes back leaves nothing behind in an index"

local cluster = Cluster { config = { ["log.index.interval.bytes"] = 256 } }
local orders = cluster:topic { name = "orders" }

-- Producers whose batches differ in size: what comes after a cut does not stand where the cut batches stood.
for i = 1, 3 do
  cluster:producer { acks = "all", to = orders, records = 200, rate = 100, burst = 3 * i, value_bytes = 70 * i, linger = 0, in_flight = 5 }
end
-- Readers that look places up instead of walking on.
cluster:consumer { from = orders, seek = millis(40), think = millis(20), poll_records = 5 }
cluster:consumer { from = orders, seek = millis(60), think = millis(20), poll_records = 5 }

local broker = cluster:broker()
broker:disk("slow", { factor = 20, lasts = seconds(4) })
every(millis(400), function()
  sleep(random(millis(100)))
  broker:disk("write_fails", { times = 1, file = "orders-0", error = random(2) == 1 and "NOSPACE" or "IO" })
end, { times = 8 })

finally { "everything acknowledged is read", "in order", "no duplicates" }
