-- A fetch of the metadata log waits at the leader for something new, and must be answered before whoever asked gives it up: else nobody
-- hears of a leader in peace, and the quorum elects another one each time controller.quorum.fetch.timeout.ms is over.
scenario "however short the time limit of a request is, a quorum in peace keeps its leader"

local cluster = Cluster { controllers = 3, config = {
  ["controller.quorum.request.timeout.ms"] = 250 + random("timeout", 250), ["controller.quorum.fetch.timeout.ms"] = 3000 } }
expect(wait_until(function() return cluster:controller() ~= nil end, seconds(30)), "nobody leads")
sleep(seconds(10))
local epoch = cluster:quorum_epoch()
sleep(minutes(1))
expect(cluster:quorum_epoch() == epoch, "another one leads")
expect(cluster:alter_brokers { config = { ["message.max.bytes"] = 1000001 } }, "an order is refused")

finally { "one controller leads an epoch", "somebody leads when all is well" }
