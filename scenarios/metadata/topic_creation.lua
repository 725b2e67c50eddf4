scenario "an acknowledged topic creation survives power loss"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 200 }
local broker = cluster:broker()
local made = 0

for i = 1, 10 do
  -- The power goes while the creation is on its way to the disk, or just after it was answered.
  local function lose() broker:power_loss { restart = millis(100) } end
  local early = random(2) == 1
  if early then after(random(millis(10)), lose) end
  -- Answered or not: what was answered must be there in the end.
  if cluster:create_topic { name = "topic-" .. i, partitions = random(3) } then made = made + 1 end
  if not early then
    sleep(random(millis(2)))
    lose()
  end
  wait_until(function() return broker:ready() end, seconds(20))
end
expect(made > 0, "no creation was acknowledged")
-- A partition whose topic was durable and whose directory was not is made then; it was not lost.
expect(not broker:said("is gone"), "a partition that was never made is taken for one that is gone")

finally { "acknowledged topics stay", "nothing acknowledged is lost" }
