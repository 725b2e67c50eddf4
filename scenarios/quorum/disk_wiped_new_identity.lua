-- The disk of a voter is gone, and an empty one is in its place, while another voter lags behind. Where the log says who votes
-- (kraft.version 1) the node is another one now: it reads, and does not vote, or those two would give up what was committed without them.
scenario "a controller whose disk was wiped comes back as another node, which does not vote"

local cluster = Cluster { controllers = 3, kraft = 1 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 80 })

expect(wait_until(function() return cluster:controller() ~= nil and done >= 5 end, seconds(10)), "nobody leads")
local leader = cluster:controller()
local others = {}
for i = 1, 3 do
  if cluster:controller(i) ~= leader then others[#others + 1] = cluster:controller(i) end
end
local first = random("who lags", 2)
local lagging, victim = others[first], others[3 - first]

lagging:stop()
sleep(seconds(1))
local before = done
if wait_at_most(function() return done >= before + 5 or cluster:controller() ~= leader end, seconds(10)) and cluster:controller() == leader then
  victim:kill {}
  leader:kill {}
  victim:disk "lose"
  victim:start()
  lagging:start()
  sleep(seconds(10))
  expect(cluster:controller() == nil, "a leader was elected by the vote of a disk that is lost")
  leader:start()
end
if not lagging:alive() then lagging:start() end
expect(wait_until(function() return cluster:controller() ~= nil end, seconds(15)), "nobody leads")
expect(wait_until(function() return cluster:committed(victim) >= cluster:committed(leader) end, seconds(15)), "the new node does not catch up")
wait_until(function() return done >= 80 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
