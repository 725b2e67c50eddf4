scenario "however small the limits of replication are, and large its epochs, replicas come to be in sync and stay the same"

-- Changes of in-sync replicas that go one by one, fetches that name few partitions of many, leader epochs that need all their bits, blocks
-- of one producer id.
local function one_of(list) return list[random(#list)] end
local cluster = Cluster { brokers = 3, config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = 500 },
  limits = { ["isr.proposals"] = random(2), ["fetch.partitions"] = random(2), ["producer.id.block"] = random(2),
  ["leader.epoch.first"] = one_of { 127, 32767, 40000, 65535, (1 << 24) + 1, (1 << 31) - 1000 } } }
local orders = cluster:topic { name = "orders", partitions = 6, replicas = 3, min_insync = 2 }
local function all_in_sync()
  for p = 0, 5 do
    if #orders:isr(p) < 3 or not orders:led(p) then return false end
  end
  return true
end
local function produce() cluster:producer { acks = "all", to = orders, records = 100, rate = 100, keys = 30 } end
produce()
cluster:consumer { from = orders }
expect(wait_until(all_in_sync, seconds(30)), "not all of them are in sync")

-- A session that is lost is named anew, in as many requests as it takes.
for from = 1, 3 do
  for to = 1, 3 do
    if to ~= from then reset(cluster:broker(from), cluster:broker(to)) end
  end
end
sleep(seconds(6))
produce()
sleep(seconds(3))

for _ = 1, 2 do
  produce()
  sleep(random(millis(500)))
  local leader = orders:leader(random(6) - 1)
  leader:kill()
  expect(wait_until(function() return leader:fenced() end, seconds(20)), "it is not fenced")
  sleep(seconds(1))
  leader:start()
  expect(wait_until(all_in_sync, seconds(40)), "not all of them are in sync again")
end

finally { "everything acknowledged is read", "in order", "no duplicates", "producer ids are given out once" }
