scenario "however small a broker's limits are, nothing is lost and no producer id is given out twice"

-- Blocks of producer ids, pieces in which files are read, what is remembered of recent batches, indexes that stay in memory, and what is
-- appended between two snapshots of producers: what takes a long run otherwise happens all the time.
time_limit(minutes(1)) -- it takes seconds; who never comes to what it seeks asks without end, and a day of that takes an hour
local function one_of(list) return list[random(#list)] end
local cluster = Cluster { flush = "ack", config = { ["log.segment.bytes"] = one_of { 16384, 1 << 30 }, ["log.checkpoint.ms"] = 60000,
  ["log.index.interval.bytes"] = one_of { 256, 4096, (1 << 31) - 1 } }, limits = { ["producer.id.block"] = random(3),
  ["log.piece.bytes"] = one_of { 512, 2000, 8192 }, ["log.recent.batches"] = one_of { 2, 5, 16 },
  ["log.index.cache.bytes"] = one_of { 1, 200 }, ["log.snapshot.bytes"] = one_of { 2000, 10000 } } }
local orders = cluster:topic { name = "orders" }
local broker = cluster:broker()
local function produce(records)
  return cluster:producer { acks = "all", to = orders, records = records, rate = 400, value_bytes = 50 + random(800), linger = millis(random(5)) }
end
produce(600)
cluster:consumer { from = orders, think = millis(300), seek = millis(500) }
cluster:consumer { from = orders }

for _ = 1, 5 do
  sleep(millis(200) + random(millis(300)))
  for _ = 1, 4 do produce(random(20)) end -- more than a block has ids
  sleep(random(millis(100)))
  if random(2) == 1 then
    broker:power_loss { restart = millis(100) }
  else
    broker:kill { restart = millis(100) }
  end
end
wait_until(function() return broker:ready() end, seconds(20))
produce(20)
local started = now()
broker:stop()
expect(not broker:alive() and now() - started < seconds(20), "the broker does not stop")
broker:start()

finally { "everything acknowledged is read", "in order", "no duplicates", "producer ids are given out once" }
