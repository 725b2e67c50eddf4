-- The leader hears of no other controller, and goes on to write what it is ordered. It resigns, for it cannot commit, and gives up what
-- it wrote when it follows.
scenario "a leader that is cut off steps down, the others go on, and it follows them when it is back"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 40 })

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
sleep(random(seconds(2)))
local old = cluster:controller()
local others = {}
for number = 1, 3 do
  if cluster:controller(number) ~= old then others[#others + 1] = cluster:controller(number) end
end
cut(old, others, seconds(20))
expect(wait_until(function() return cluster:controller() ~= nil and cluster:controller() ~= old end, seconds(10)), "nobody takes over")
expect(wait_until(function() return old:role() ~= "leader" end, seconds(5)), "it leads on although it reaches nobody")
sleep(seconds(20))
expect(wait_until(function() return old:role() == "follower" end, seconds(10)), "it does not follow the new leader")
wait_until(function() return done >= 40 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
