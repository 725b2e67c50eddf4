-- The power fails at one, at two or at all three, also within the start that follows.
scenario "losses of power at any number of controllers take no vote and nothing that was committed"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 60 })

for round = 1, 6 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(15)), "nobody leads")
  sleep(random("when", seconds(2)))
  local victims = 1 + (round - 1) % 3
  local first = random("whom", 3)
  for i = 0, victims - 1 do
    local victim = cluster:controller((first + i - 1) % 3 + 1)
    if victim:alive() then victim:power_loss { restart = random("how long", seconds(4)) } end
  end
end
wait_until(function() return done >= 60 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
