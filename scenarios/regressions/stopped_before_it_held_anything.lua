-- A directory that was formatted has a snapshot of the voters and no log. A controller that was stopped before its first record left a
-- checkpoint that spoke of a log, and no segment, and was refused at its next start as one that had lost what it held.
scenario "a controller that is stopped before it has any record starts again, and votes"

local cluster = Cluster { controllers = 3, kraft = 1 }
local early = cluster:controller(random("whom", 3))
sleep(random("when", millis(300)))
early:stop()
wait_at_most(function() return not early:alive() end, seconds(5))
early:start()
local other = cluster:controller(early == cluster:controller(1) and 2 or 1)
expect(wait_until(function() return cluster:controller() ~= nil end, seconds(20)), "nobody leads")
other:stop()
expect(wait_until(function() return cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 } } end, seconds(30)), "it does not vote")
other:start()

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
