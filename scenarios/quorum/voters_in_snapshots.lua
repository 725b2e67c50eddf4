-- What the log said of its voters is in a snapshot alone by now (kraft.version 1), and all controllers begin anew, one of them with an
-- empty disk.
scenario "controllers whose snapshots say who votes elect a leader when all of them begin anew"

local cluster = Cluster { controllers = 3, kraft = 1, config = { ["metadata.log.max.record.bytes.between.snapshots"] = 500,
  ["controller.quorum.fetch.snapshot.max.bytes"] = 200 } }
local done = 0
every(millis(20), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 120 })

wait_until(function() return done >= 60 end, minutes(1))
for i = 1, 3 do cluster:controller(i):kill {} end
local wiped = cluster:controller(random("whom", 3))
if random("wiped", 2) == 1 then wiped:disk "lose" end
for i = 1, 3 do cluster:controller(i):start() end
expect(wait_until(function() return cluster:controller() ~= nil end, seconds(20)), "nobody leads")
wait_until(function() return done >= 120 end, minutes(2))
local most = cluster:committed(cluster:controller() or wiped)
expect(wait_until(function() return cluster:committed(wiped) >= most end, seconds(20)), "it does not catch up")

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
