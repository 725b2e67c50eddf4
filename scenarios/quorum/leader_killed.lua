-- The leader of three controllers is killed again and again, while orders come in.
scenario "when the controller that leads is killed, another takes over with all that was committed"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 60 })

for _ = 1, 4 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  sleep(random("when", seconds(2)))
  local leader, epoch = cluster:controller(), cluster:quorum_epoch()
  if leader then
    leader:kill { restart = random("how long", seconds(5)) }
    -- It may be elected again when it is back, in an epoch of its own.
    local function taken_over() return cluster:controller() ~= nil and cluster:quorum_epoch() > epoch end
    expect(wait_until(taken_over, seconds(10)), "nobody takes over")
  end
end
wait_until(function() return done >= 60 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
