-- Most of a quorum is enough, whatever had happened before and whatever the rest does (nothing, here).
scenario "when a majority of the controllers is healed, it elects and commits without the others"

local cluster = Cluster { controllers = 5 }

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
for _ = 1, 3 do
  isolate(cluster:controller(random("whom", 5)), seconds(30))
  cluster:controller(random("who stands still", 5)):pause(seconds(30))
  sleep(seconds(2))
end
local first, core = random("core", 5), {}
for i = 0, 2 do core[i + 1] = cluster:controller((first + i - 1) % 5 + 1) end
heal(core)
local function led_by_the_core()
  for _, one in ipairs(core) do
    if cluster:controller() == one then return true end
  end
  return false
end
expect(wait_until(led_by_the_core, seconds(15)), "none of them leads")
expect(cluster:alter_brokers { config = { ["message.max.bytes"] = 1000001 } }, "an order is refused")

finally { "one controller leads an epoch", "nothing committed is lost", "somebody leads when all is well" }
