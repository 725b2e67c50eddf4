scenario "without idempotence a reset may store a record twice; that is counted, and nothing is lost"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }

local producer = cluster:producer { acks = "all", idempotent = false, to = orders, records = 2000, rate = 400, in_flight = 1, linger = 0 }
cluster:consumer { from = orders }

every(millis(120), function()
  sleep(random(millis(100)))
  reset(producer, cluster:broker())
end, { times = 25 })

finally { "everything acknowledged is read" }
