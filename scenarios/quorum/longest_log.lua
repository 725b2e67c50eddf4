-- One controller misses some orders. The leader dies as that one is back: of the two that are left only the other may lead.
scenario "a controller that missed what was committed is not elected"

local cluster = Cluster { controllers = 3 }
local n = 0
local function order()
  n = n + 1
  return cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + n } }
end

for _ = 1, 4 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  expect(order(), "an order is refused")
  local leader = cluster:controller()
  local behind = cluster:controller(random("who is behind", 3))
  if behind ~= leader then
    -- It knows the leader of the epoch, and has nothing that is written from now on.
    behind:pause(millis(1500))
    sleep(millis(100))
    for _ = 1, 5 do expect(order(), "an order is refused") end
    sleep(millis(1300) - millis(random("when", 300)))
    if leader:alive() then leader:kill { restart = seconds(6) } end
    expect(wait_until(function() return cluster:controller() ~= nil and cluster:controller() ~= leader end, seconds(6)), "nobody takes over")
    expect(order(), "an order is refused")
    sleep(seconds(6))
  end
end

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
