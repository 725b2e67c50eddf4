-- What it missed is in no log any more: its image jumps to a snapshot (KIP-630), and its partitions become what that says, from topics that it
-- never heard of to those of one name and another id.
scenario "a broker that was away for longer than the metadata log reaches back has the partitions that it should have"

local cluster = Cluster { brokers = 3, controllers = random("controllers", 2) == 1 and 3 or 0, config = { ["metadata.log.max.record.bytes.between.snapshots"] = 500 } }
local orders = cluster:topic { name = "orders", partitions = 3, replicas = 2 }

cluster:producer { acks = "all", to = orders, rate = 50, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }
expect(wait_until(function() return counts().acked > 50 end, seconds(60)), "nothing is acknowledged")

for round = 1, 3 do
  local broker = cluster:broker(random(3))
  local others = {}
  for i = 1, 3 do if cluster:broker(i) ~= broker then others[#others + 1] = cluster:broker(i) end end
  local dies = random(2) == 1
  if dies then broker:kill() else broker:pause(seconds(25)) end
  sleep(seconds(1))
  for i = 1, 12 do
    local name = "t" .. random(4)
    if not cluster:create_topic { name = name, partitions = 2, replicas = 2 } then cluster:delete_topic { name = name } end
    cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + random(1000) } }
    sleep(millis(random(1500)))
  end
  if dies then broker:start() else sleep(seconds(10)) end
  expect(wait_until(function() return not broker:fenced() end, seconds(40)), "it is not let in again")
end

finally { "everything acknowledged is read", "in order", "nothing committed is lost", "the controllers agree", "what is known is what the metadata log says" }
