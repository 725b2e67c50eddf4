scenario "sequences that come to their end begin again at 0, and nothing is stored twice or refused"

local brokers = random("brokers", 3) == 1 and 3 or 1
local cluster = Cluster { brokers = brokers, config = { ["log.segment.bytes"] = 16384 } }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = brokers }
must_reach { "a producer's sequence began again at 0", "a duplicate was answered" }

local function producer(name)
  return cluster:producer { acks = "all", to = orders, records = 1200, rate = 300, keys = 20, in_flight = 5, linger = 0, name = name,
    first_sequence = (1 << 31) - random("where " .. name, 600), client = { ["retry.backoff.ms"] = 5, ["reconnect.backoff.ms"] = 5 } }
end
local one, other = producer "one", producer "other"
cluster:consumer { from = orders }

-- While sequences run over their end requests come twice, and what the broker knows of its producers is read from its disk again.
for i = 1, 12 do
  sleep(millis(100) + random(millis(300)))
  local leader = orders:leader(random(2) - 1) or cluster:broker()
  if leader:alive() then
    reset(random(2) == 1 and one or other, leader)
    if i % 4 == 0 then leader:kill { restart = millis(100) } end
  end
end

finally { "everything acknowledged is read", "in order", "no duplicates" }
