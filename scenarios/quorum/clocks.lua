-- Elections go by a clock that only counts; what the calendar says is nobody's business.
scenario "clocks that jump by hours or drift elect nobody"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(100), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 60 })

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
sleep(seconds(3))
local leader, epoch = cluster:controller(), cluster:quorum_epoch()
for _ = 1, 10 do
  local one = cluster:controller(random("whose", 3))
  one:clock(hours(random("by", 48) - 24 - 0.5), seconds(2))
  one:drift(random("ppm", 1000) - 500.5 > 0 and 300 or -300, seconds(3))
  sleep(random("when", seconds(3)))
end
expect(cluster:controller() == leader and cluster:quorum_epoch() == epoch, "a clock has elected somebody")
wait_until(function() return done >= 60 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
