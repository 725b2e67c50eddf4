-- The log that a controller has missed is gone elsewhere: it fetches the snapshot, and dies on the way now and then.
scenario "a controller that is far behind goes on from a snapshot"

local cluster = Cluster { controllers = 3, config = { ["metadata.log.max.record.bytes.between.snapshots"] = 500,
  ["controller.quorum.fetch.snapshot.max.bytes"] = 200 } }
local done = 0
every(millis(20), function()
  -- What is said once, and not again, is in the snapshot alone.
  local once = done >= 50 and done < 100 and "log.retention.bytes" or "message.max.bytes"
  if cluster:alter_brokers { config = { [once] = 1000000 + done } } then done = done + 1 end
end, { times = 200 })

expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
local leader, behind = cluster:controller(), cluster:controller(1)
if behind == leader then behind = cluster:controller(2) end
behind:stop()
wait_until(function() return done >= 150 end, minutes(1))
local before = cluster:committed(leader)
behind:start()
if random("dies", 2) == 1 then behind:kill { at_op = random("where", 60), restart = millis(500) } end
expect(wait_until(function() return cluster:committed(behind) >= before end, seconds(20)), "it does not catch up")
wait_until(function() return done >= 200 end, minutes(2))
expect(counts().images_compared > 0, "no two controllers have made a snapshot of one offset")

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
