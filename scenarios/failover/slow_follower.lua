scenario "a replica that fetches and never gets there leaves those in sync, and nobody waits for it longer than that"

-- Its leader reaches it through a narrow line: it hears of all that comes, and has ever less of it.
local lag = seconds(2)
local cluster = Cluster { brokers = 3, config = { ["replica.lag.time.max.ms"] = lag, ["replica.fetch.wait.max.ms"] = 100,
  ["replica.fetch.max.bytes"] = 8000, ["replica.fetch.response.max.bytes"] = 8000 } }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
cluster:producer { acks = "all", to = orders, rate = 100, value_bytes = 300, compression = "none", delivery_timeout = minutes(2) }
cluster:consumer { from = orders }
local function in_sync(count) return #orders:isr(0) == count and orders:led(0) end
expect(wait_until(function() return in_sync(3) end, seconds(30)), "not all of them are in sync")
sleep(seconds(1) + random(seconds(1)))

local leader = orders:leader(0)
local slow = cluster:broker(leader == cluster:broker(1) and 2 or 1)
harm("link " .. leader .. ">" .. slow .. " bandwidth bytes=12000 for 12s")
expect(wait_until(function() return in_sync(2) end, 3 * lag), "it is waited for although it lags")
local acked = counts().acked
sleep(seconds(1))
expect(counts().acked > acked + 50, "somebody waits for it still")
sleep(seconds(8))
expect(wait_until(function() return in_sync(3) end, seconds(30)), "it does not come back")
sleep(seconds(6))

finally { "everything acknowledged is read", "in order", "no duplicates" }
