-- A hop is 200 ms between brokers, and a few between them and clients. A record goes to the follower and the word that it is stored comes back;
-- it may have to wait for the next fetch (a hop, as a rule), and at the follower for the round of syncs that is under way before its own.
scenario "acks=all takes two syncs and three hops, as a rule"

local HOP, CLIENTS = millis(200), millis(100)
local cluster = Cluster { brokers = 3, controllers = 3, flush = "ack" }
local orders = cluster:topic { name = "orders", replicas = 3, min_insync = 2 }
harm("link broker1-broker2,broker3 delay by=200ms")
harm("link broker2-broker3 delay by=200ms")
local factor = random("how slow", 30)
for i = 1, 3 do harm(string.format("node broker%d disk slow_sync factor=%d", i, factor)) end
local producer = cluster:producer { acks = "all", to = orders, records = 0, linger = 0, window = 10, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

expect(wait_until(function() return #orders:isr(0) == 3 and orders:led(0) and producer:alive() end, seconds(60)), "not all of them are in sync")
for _ = 1, 150 do
  producer:send(1)
  sleep(5 * HOP + random("when", 4 * HOP))
end
-- Of three disks the slowest is waited for: half of the time it takes no longer than four of five syncs do.
local send, sync = took("send", 50), took("sync", 80)
print("half of the sends within", send, "and four of five syncs within", sync, "that are slower by", factor)
expect(send <= 2 * sync + 3 * HOP + CLIENTS, "it takes longer")

finally { "everything acknowledged is read", "in order", "no duplicates" }
