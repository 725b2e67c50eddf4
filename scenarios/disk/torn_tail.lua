scenario "a torn tail is cut off, and everything before it stays"

local cluster = Cluster { config = { ["log.segment.bytes"] = 65536, ["log.index.interval.bytes"] = 512 } }
local orders = cluster:topic { name = "orders" }
must_reach { "recovery cut a tail" }

-- Batches of several pages.
cluster:producer { acks = "all", to = orders, records = 1500, value_bytes = 900, burst = 20 }
cluster:consumer { from = orders }

local broker = cluster:broker()
for _ = 1, 12 do
  sleep(millis(200 + random(300)))
  wait_until(function() return broker:ready() end, seconds(10))
  -- A batch is on its way into the log: a write that is cut at a page leaves its head, a sync that is cut short leaves any of its sectors.
  local appended = rows "LOG_APPEND"
  local deadline = now() + seconds(4)
  while rows "LOG_APPEND" == appended and now() < deadline do sleep(millis(0.5)) end
  if random(3) == 1 then
    broker:kill { at_op = random(4), restart = millis(150) }
  else
    sleep(random(millis(1)))
    broker:power_loss { restart = millis(150) }
  end
end

finally { "everything acknowledged is read", "in order", "no duplicates" }
