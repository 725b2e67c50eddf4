scenario "partitions that are added under load take nothing from the old ones, and keys keep their order there"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }
cluster:producer { acks = "all", to = orders, records = 600, keys = 20, idempotent = true }
cluster:consumer { from = orders }
local broker = cluster:broker()

for count = 3, 6 do
  sleep(random(millis(400)))
  -- Sometimes it dies on the way: then they are there, or not, and are asked for again.
  if random(2) == 1 then broker:kill { at_op = random(30), restart = millis(50) } end
  wait_until(function()
    local added, answer = cluster:add_partitions { name = "orders", partitions = count }
    return added or answer:find("already has") ~= nil
  end, seconds(20))
end
expect(not broker:said("is offline"), "a new partition is offline")

finally { "everything acknowledged is read", "in order", "no duplicates" }
