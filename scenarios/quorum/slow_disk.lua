-- A commit needs the disks of a majority: the slow one may be anybody's.
scenario "the slow disk of one controller keeps nobody from a leader"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 60 })

for _ = 1, 4 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  cluster:controller(random("whose", 3)):disk(random("how", 2) == 1 and "slow" or "slow_sync", { factor = 200, lasts = seconds(5) })
  sleep(seconds(3))
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  sleep(seconds(3))
end
wait_until(function() return done >= 60 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
