scenario "nothing is shown to a consumer before it is durable"

local cluster = Cluster { flush = "ack" }
local orders = cluster:topic { name = "orders" }

cluster:producer { acks = "all", to = orders, records = 2000, rate = 400 }
cluster:consumer { from = orders }
-- A slow disk makes the time between written and durable long enough to be seen.
cluster:broker():disk("slow", { factor = 50, lasts = seconds(12) })

every(millis(1700), function()
  cluster:broker():power_loss { restart = millis(200) }
end, { times = 5 })

finally { "what was read stays readable", "nothing is shown before it is durable" }
