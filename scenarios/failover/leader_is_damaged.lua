-- Its broker is alive and serves all else: it says so itself.
scenario "a leader that finds a partition damaged is followed by another one, and leads on what is well"

local cluster = Cluster { brokers = 3, controllers = 3, config = { ["log.segment.bytes"] = 8192 } }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
local bills = cluster:topic { name = "bills", replicas = 3, min_insync = 2 }
local producer = cluster:producer { acks = "all", to = orders, records = 2000, rate = 100, value_bytes = 300, delivery_timeout = minutes(5) }
cluster:producer { acks = "all", to = bills, records = 800, rate = 50, delivery_timeout = minutes(5) }

local function all_in_sync() return #orders:isr(0) == 3 and #bills:isr(0) == 3 and orders:led(0) and bills:led(0) end
expect(wait_until(function() return all_in_sync() and counts().acked > 400 end, seconds(60)), "not all of them are in sync")
local leader, epoch = orders:leader(0), orders:leader_epoch(0)
leader:disk("vanish", { file = orders:path(0) })
expect(wait_until(function() return leader:said("orders-0 is offline") end, seconds(30)), "it does not find that it is damaged")
local function another() return orders:led(0) and orders:leader(0) ~= leader and orders:leader_epoch(0) > epoch end
expect(wait_until(another, seconds(10)), "nobody else leads it")
expect(not leader:fenced() and #bills:isr(0) == 3, "it serves nothing else any more")
cluster:consumer { from = orders }
cluster:consumer { from = bills }

finally { "everything acknowledged is read", "in order", "no duplicates" }
