scenario "a full disk refuses records, reads go on, and space brings everything back without a restart"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }

local producer = cluster:producer { acks = "all", to = orders, rate = 400, delivery_timeout = seconds(20), request_timeout = seconds(5) }
cluster:consumer { from = orders }

local broker = cluster:broker()
for _ = 1, 3 do
  sleep(seconds(2) + millis(random(1000)))
  local read = counts().read
  broker:disk("full", { lasts = seconds(3) })
  sleep(seconds(2))
  expect(broker:alive(), "the broker died of a full disk")
  expect(counts().read >= read, "reads stopped")
  sleep(seconds(2))
end
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked end, seconds(30)), "nothing is acknowledged although there is space again")

finally { "everything acknowledged is read", "in order", "no duplicates" }
