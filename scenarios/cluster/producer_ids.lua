-- Each broker has blocks of its own, from whoever leads: a block that was asked for twice, for its answer was lost, is given to nobody.
scenario "producers of many brokers have identities of their own, however often controllers die"

local cluster = Cluster { brokers = 3, controllers = 3 }
local orders = cluster:topic { name = "orders", partitions = 6 }

cluster:consumer { from = orders }
every(seconds(4), function()
  for i = 1, 3 do cluster:producer { acks = "all", to = orders, records = 60, rate = 40, idempotent = true } end
end, { times = 8 })
for _ = 1, 6 do
  sleep(millis(1000 + random(4000)))
  local leader = cluster:controller()
  if leader ~= nil then
    leader:kill()
    sleep(millis(500 + random(3000)))
    leader:start()
  end
  local broker = cluster:broker(random(3))
  broker:kill { restart = millis(200) }
end

finally { "producer ids are given out once", "everything acknowledged is read", "in order", "no duplicates", "nothing committed is lost" }
