scenario "records that were deleted stay deleted: a partition never begins earlier than it was told to"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", config = { ["internal.segment.bytes"] = 4096 } }
cluster:producer { acks = "all", to = orders }
cluster:consumer { from = orders }
local broker = cluster:broker()

local told, trimmed = 0, 0
for i = 1, 10 do
  local before = counts().acked
  wait_until(function() return counts().acked > before end, seconds(20))
  -- Killed or without power, on its way or just behind the answer.
  local function end_it()
    if random(2) == 1 then broker:kill { restart = millis(50) } else broker:power_loss { restart = millis(50) } end
  end
  local early = random(2) == 1
  if early then after(random(millis(10)), end_it) end
  -- Of less than it was told before nothing may come.
  local offset = random(3) == 1 and 0 or -1
  local start = cluster:delete_records { topic = "orders", partition = 0, offset = offset }
  if start then
    expect(start >= told, "the partition goes back")
    told, trimmed = start, trimmed + 1
  end
  if not early then end_it() end
  sleep(millis(20))
  wait_until(function() return broker:ready() end, seconds(20))
  start = cluster:delete_records { topic = "orders", partition = 0, offset = 0 }
  if start then expect(start >= told, "the partition went back in a crash") end
end
expect(trimmed > 0 and told > 0, "hardly anything was deleted")

finally { "in order", "no connection is refused" }
