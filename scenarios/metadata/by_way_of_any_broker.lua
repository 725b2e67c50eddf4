-- The brokers are no controllers, and pass on what administrators ask. What they answer is what became of it: who asks for one partition
-- more than there ever were is not told that there are so many already.
scenario "what is asked of any broker is decided once, and stays, while controllers die"

local cluster = Cluster { brokers = 3, controllers = 3, config = { ["controller.quorum.fetch.timeout.ms"] = 400,
  ["controller.quorum.election.timeout.ms"] = 300, ["controller.quorum.election.backoff.max.ms"] = 100 } }
local orders = cluster:topic { name = "orders", partitions = 3 }
cluster:producer { acks = "all", to = orders, records = 200 }
local made, grown = 0, 0

for i = 1, 10 do
  -- The controller dies while an order is on its way to it, or is being decided, or has been, with the answer lost.
  cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + i } } -- the connection is there, then
  local controller = cluster:controller()
  if controller then
    if random("answers", 2) == 1 then
      cut(controller, { cluster:broker(1), cluster:broker(2), cluster:broker(3) }, millis(400), true)
    end
    after(random("when", millis(200)), function()
      if controller:alive() then controller:kill { restart = seconds(1) + random("how long", seconds(2)) } end
    end)
  end
  if i % 2 == 0 then
    if cluster:create_topic { name = "topic-" .. i, partitions = random("partitions", 3) } then made = made + 1 end
  else
    local done, answer = cluster:add_partitions { name = "orders", partitions = 3 + i }
    if done then grown = grown + 1 end
    expect(done or not answer:find("^failed 37"), "partitions that nobody asked for before are there already")
  end
  wait_until(function() return cluster:controller() ~= nil and cluster:controller():alive() end, seconds(20))
  sleep(random("pause", seconds(2)))
end
expect(made > 0 and grown > 0, "nothing was acknowledged")

finally { "acknowledged topics stay", "nothing acknowledged is lost", "one controller leads an epoch", "the controllers agree" }
