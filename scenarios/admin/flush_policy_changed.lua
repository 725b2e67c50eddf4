scenario "from the change to flush.policy = ack on only what is on the disk counts: power loss takes nothing that was acknowledged since"

local cluster = Cluster { flush = "os", config = { ["log.flush.interval.ms"] = 3600000 } }
local orders = cluster:topic { name = "orders", partitions = 2 }
must_reach { "a duplicate was answered" }

local producer = cluster:producer { acks = "all", to = orders, rate = 400, keys = 20, records = 4000, in_flight = 5, linger = 0,
  delivery_timeout = minutes(2), client = { ["retry.backoff.ms"] = 20, ["reconnect.backoff.ms"] = 20 } }
cluster:consumer { from = orders }

local broker = cluster:broker()
local function set(policy)
  return wait_until(function()
    return broker:ready() and (cluster:alter_topic { name = "orders", config = { ["flush.policy"] = policy } })
  end, seconds(20))
end
for _ = 1, 6 do
  -- Much is written, acknowledged and read that no sync has touched; what comes behind it stands on it.
  wait_until(function() return broker:ready() end, seconds(20))
  sleep(millis(300 + random(500)))
  if random("slow", 2) == 1 then broker:disk("slow", { factor = 30, lasts = millis(800) }) end
  -- What was written before the change, and is asked for again behind it, is acknowledged anew.
  if random("again", 2) == 1 then reset(producer, broker) end
  expect(set("ack"), "the policy cannot be changed")
  local before, again = counts().acked, rows "DUPLICATE"
  if random("waits", 2) == 1 then
    wait_at_most(function() return counts().acked > before or rows "DUPLICATE" > again end, seconds(1))
  else
    sleep(millis(random(300)))
  end
  broker:power_loss { restart = millis(100 + random(200)) }
  expect(set("os"), "the policy cannot be changed back")
end

finally { "nothing acknowledged is lost", "in order", "what was read stays readable" }
