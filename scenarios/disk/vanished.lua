scenario "a partition whose directory or segment is gone is offline by name; nothing of it is served, and the others serve on"

-- Somebody removes it while the broker is down, or under a broker that runs and writes; the whole directory, or a segment out of the middle.
local while_down = random(2) == 1
local whole = random(2) == 1
local cluster = Cluster { config = { ["log.checkpoint.ms"] = 200, ["log.segment.bytes"] = 8192, ["log.open.files.max"] = 16 } }
local orders = cluster:topic { name = "orders" }
local bills = cluster:topic { name = "bills" }

local first = cluster:producer { acks = "all", to = orders, records = 0, value_bytes = 500, batch_bytes = 4096 }
local second = cluster:producer { acks = "all", to = bills, records = 0, batch_bytes = 4096 }
local broker = cluster:broker()

wait_until(function() return first:alive() and second:alive() end, seconds(30))
first:send(200)
second:send(100)
sleep(seconds(2))
if while_down then
  if random(2) == 1 then broker:stop() else broker:kill() end
end
broker:disk("vanish", { file = orders:path(0, whole and "" or "00000000000000000000.log") })
if while_down then broker:start() end

-- Found at the start; under a broker that runs by whoever writes or reads next.
if not while_down then
  cluster:consumer { from = orders }
  spawn(function() first:send(200) end)
end
expect(wait_until(function() return broker:said("orders-0 is offline") end, minutes(2)), "the broker does not say that the partition is offline")
expect(not broker:said("bills-0 is offline"), "the other topic is offline, too")
local done, lost = second:send(100)
expect(lost == 0, "the other topic does not serve on")

-- A start makes nothing anew, either: what is gone stays told.
broker:restart()
expect(wait_until(function() return broker:ready() end, minutes(2)), "the broker does not start")
local before = counts()
cluster:consumer { from = orders, name = "late" }
first:send(5)
expect(counts().acked == before.acked, "a record was acknowledged for a partition that is gone")
expect(counts().read == before.read, "something of a partition that is gone was read")
leave_out(orders, 0)

finally { "nothing acknowledged is lost", "in order" }
