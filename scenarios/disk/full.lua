scenario "a full disk refuses records, reads go on, and space brings everything back without a restart"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
must_reach { "a log took records again after its disk was full" }

local producer = cluster:producer { acks = "all", to = orders, rate = 400, delivery_timeout = seconds(20), request_timeout = seconds(5) }
cluster:consumer { from = orders }

local broker = cluster:broker()
for i = 1, 3 do
  sleep(seconds(2) + millis(random(1000)))
  broker:disk("full", { lasts = seconds(3) })
  sleep(seconds(1))
  -- Whoever comes now reads what there is, although nothing more is stored.
  local before = counts()
  cluster:consumer { from = orders, name = "late-" .. i }
  sleep(seconds(1))
  expect(broker:alive(), "the broker died of a full disk")
  expect(counts().acked == before.acked, "a record was acknowledged that found no room")
  expect(counts().read > before.read, "reads stopped")
  sleep(seconds(2))
end
local acked = counts().acked
expect(wait_until(function() return counts().acked > acked end, seconds(30)), "nothing is acknowledged although there is space again")
expect(rows "BROKER_READY" == 1, "the broker began anew")

finally { "everything acknowledged is read", "in order", "no duplicates" }
