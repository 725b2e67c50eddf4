scenario "a replica whose end lies before its leader's log begins anew there"

-- What it lacks has been deleted meanwhile: by an admin, all of it or a part.
local cluster = Cluster { brokers = 3, config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = 500,
  ["log.segment.bytes"] = 16384, ["log.retention.check.interval.ms"] = 500, ["replica.lag.time.max.ms"] = seconds(3) } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3 }
must_reach { "a follower began anew where its leader's log begins" }
local producer = cluster:producer { acks = "all", to = orders, rate = 100, value_bytes = 200 }
cluster:consumer { from = orders }
local function in_sync(count) return #orders:isr(0) == count and #orders:isr(1) == count and orders:led(0) and orders:led(1) end
expect(wait_until(function() return in_sync(3) end, seconds(30)), "not all of them are in sync")
sleep(random(seconds(2)))

for _ = 1, 2 do
  local gone = cluster:broker(random(3))
  gone:kill()
  expect(wait_until(function() return in_sync(2) and gone:fenced() end, seconds(20)), "they are not two")
  sleep(seconds(1) + random(seconds(2)))
  for p = 0, 1 do
    expect(cluster:delete_records { topic = "orders", partition = p, offset = -1 } ~= nil, "who is dead is waited for")
  end
  -- At times not a record comes behind it: then it begins just where its leader ends.
  gone:start()
  expect(wait_until(function() return in_sync(3) end, seconds(40)), "not all of them are in sync again")
  sleep(seconds(1))
end
sleep(seconds(3))

finally { "everything acknowledged is read", "in order", "no duplicates" }
