-- Whoever stops in good order says so, and names who should lead (EndQuorumEpoch). Two that stand at once may still split the votes.
scenario "a controller that is stopped hands over before anybody would have missed it, but for a split vote"

local cluster = Cluster { controllers = 3 }
local at_once = 0

for _ = 1, 4 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  sleep(seconds(2))
  expect(cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + random(1000) } }, "an order is refused")
  local leader = cluster:controller()
  spawn(function() leader:stop() end)
  local function another() return cluster:controller() ~= nil and cluster:controller() ~= leader end
  if wait_at_most(another, millis(1500)) then at_once = at_once + 1 end
  expect(wait_until(another, seconds(10)), "nobody takes over")
  sleep(seconds(2))
  leader:start()
end
expect(at_once >= 2, "they are missed before they are followed")

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
