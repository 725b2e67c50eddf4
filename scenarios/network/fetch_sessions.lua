scenario "fetch sessions that are lost and begun anew leave no record unread and give none twice"

-- Places for two sessions, and three who want one; answers that hold little, for some so little of a partition that it leaves the
-- session and comes back.
local cluster = Cluster { config = { ["max.incremental.fetch.session.cache.slots"] = 2 } }
local orders = cluster:topic { name = "orders", partitions = 12 }
must_reach { "a fetch went on with its session", "a fetch session was lost" }

cluster:producer { acks = "all", to = orders, rate = 150, records = 3000, keys = 100, value_bytes = 200 }
local readers = {}
for i = 1, 3 do
  readers[i] = cluster:consumer { from = orders, name = "reader" .. i,
    client = { ["max.partition.fetch.bytes"] = 1000 * i, ["fetch.max.bytes"] = 3000, ["fetch.max.wait.ms"] = 50 + 200 * i } }
end
local broker = cluster:broker()

every(seconds(1), function()
  sleep(random(millis(500)))
  reset(readers[random(3)], broker)
end, { times = 10 })
sleep(seconds(8))
broker:kill { restart = millis(200) }

finally { "everything acknowledged is read", "in order", "no duplicates" }
