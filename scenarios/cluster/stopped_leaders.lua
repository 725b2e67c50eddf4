-- Who is stopped has given away what it led before it goes (B-5): nobody waits for its session.
scenario "leaders are stopped in good order, one after the other, and records are acknowledged in every second of it"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 1, replicas = 3, min_insync = 2 }

cluster:producer { acks = "all", to = orders, rate = 100, keys = 50 }
cluster:consumer { from = orders }

local function all_in_sync() return #orders:isr(0) == 3 and orders:led(0) end
expect(wait_until(function() return counts().acked > 50 and all_in_sync() end, seconds(60)), "they do not begin")
local ended = false
spawn(function()
  while not ended do
    local acked = counts().acked
    sleep(seconds(1))
    expect(ended or counts().acked > acked, "nothing is acknowledged for a second")
  end
end)
for _ = 1, 6 do
  expect(wait_until(all_in_sync, seconds(60)), "not all replicas are in sync")
  sleep(millis(500 + random(1500)))
  local leader = orders:leader(0)
  leader:stop()
  expect(wait_until(function() return leader:fenced() end, seconds(8)), "it went without a word")
  leader:start()
end
ended = true

finally { "everything acknowledged is read", "in order", "no duplicates", "nothing acknowledged is lost", "the controllers agree" }
