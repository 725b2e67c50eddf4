-- The same of a quorum whose log says who votes (kraft.version 1): directories count, and a lost disk is lost to its voter.
scenario "whatever happens to controllers that their log names, a quorum has one leader an epoch and loses nothing"

local cluster = draw_cluster { kraft = 1, controllers = { 3, 5 } }
swarm { from = seconds(2), ["until"] = seconds(40) }
local done = 0
every(random("how often", millis(200)) + millis(20), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 100 })
sleep(seconds(45))
-- Where too many disks have failed, only who restarts their nodes brings the quorum back.
wait_at_most(function() return done >= 10 end, minutes(5))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree", "somebody leads when all is well" }
