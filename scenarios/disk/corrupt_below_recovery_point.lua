scenario "a corrupt byte below the recovery point takes its partition offline, by name; the others serve on"

-- It is found by a reader, in a segment that nobody looked at since the start, or by recovery, in the one that it scans.
local by_reader = random(2) == 1
local cluster = Cluster { config = { ["log.checkpoint.ms"] = 200, ["log.segment.bytes"] = by_reader and 16384 or 1 << 30 } }
local orders = cluster:topic { name = "orders", partitions = 1 }
local bills = cluster:topic { name = "bills", partitions = 1 }

local first = cluster:producer { acks = "all", to = orders, records = 0 }
local second = cluster:producer { acks = "all", to = bills, records = 0 }
local broker = cluster:broker()

wait_until(function() return first:alive() and second:alive() end, seconds(30))
first:send(400)
second:send(100)
sleep(seconds(2))
if by_reader then broker:stop() else broker:kill() end
-- A byte of the first segment, which is long behind the recovery point.
broker:disk("flip", { file = "orders-0/00000000000000000000.log", offset = 100 + random(9000), bit = random(8) - 1 })
broker:start()

-- Somebody reads it, and must not be given it.
local reader = cluster:consumer { from = orders }
expect(wait_until(function() return broker:said("00000000000000000000.log") end, minutes(2)),
  "the broker does not name the corrupt file")
expect(broker:said("position"), "the broker does not say where the file is corrupt")
local done, lost = second:send(100)
expect(lost == 0, "the other topic does not serve on")
leave_out(orders, 0)

finally { "nothing acknowledged is lost", "in order" }
