-- The disk of a controller is gone, and an empty one is in its place. Static voters (kraft.version 0) cannot know that it is another node:
-- what it had, the others must have.
scenario "a controller whose disk was wiped gets all that was committed from its leader"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 60 })

for _ = 1, 2 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  sleep(seconds(1))
  local leader, victim = cluster:controller(), cluster:controller(random("whom", 3))
  if leader == victim then victim = cluster:controller(random("whom", 3)) end
  local function caught_up() return leader and cluster:committed(victim) >= 0 end
  if leader ~= victim and wait_at_most(caught_up, seconds(5)) then
    local before = cluster:committed(victim)
    victim:kill {}
    victim:disk "lose"
    victim:start()
    expect(wait_until(function() return cluster:committed(victim) >= before end, seconds(15)), "it does not catch up")
  end
end
wait_until(function() return done >= 60 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
