-- A controller that now hears the others and now does not asks before it stands (KIP-996): its question moves nobody.
scenario "a controller whose links come and go moves no epoch"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(100), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 60 })

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
sleep(seconds(3))
local leader, epoch = cluster:controller(), cluster:quorum_epoch()
local one = cluster:controller(1) == leader and cluster:controller(2) or cluster:controller(1)
local others = {}
for number = 1, 3 do
  if cluster:controller(number) ~= one then others[#others + 1] = cluster:controller(number) end
end
for _ = 1, 5 do
  cut(one, others, seconds(3) + random("how long", seconds(3)))
  sleep(seconds(8) + random("pause", seconds(2)))
end
expect(cluster:controller() == leader and cluster:quorum_epoch() == epoch, "it has moved the epoch")
expect(wait_until(function() return one:role() == "follower" end, seconds(10)), "it does not follow")
wait_until(function() return done >= 60 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
