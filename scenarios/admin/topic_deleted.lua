scenario "a topic that is deleted under producers, consumers and a crash is gone or there, and its name can be used again at once"

local cluster = Cluster { config = { ["auto.create.topics.enable"] = false } }
local orders = cluster:topic { name = "orders" }
local doomed = cluster:topic { name = "doomed", partitions = 2 }
cluster:producer { acks = "all", to = orders, records = 300 }
cluster:producer { name = "unlucky", acks = "all", to = doomed, rate = 200 }
cluster:consumer { name = "poor", from = doomed }
local broker = cluster:broker()

-- Each time at a later operation, so that every one on the way is the last one some time.
local first, deleted = random(4), 0
for i = 0, 11 do
  sleep(millis(100))
  broker:kill { at_op = first + 3 * i, restart = millis(50) }
  if cluster:delete_topic { name = "doomed" } then deleted = deleted + 1 end
  -- Whatever became of it, at once or after the crash there is a topic of that name that serves.
  wait_until(function() return broker:ready() and (cluster:create_topic { name = "doomed", partitions = 2 }) end, seconds(20))
end
-- Nothing kills it here: the old one goes, and the next one is made, under load.
for i = 1, 5 do
  sleep(random(millis(200)))
  wait_until(function() return broker:ready() end, seconds(20))
  if cluster:delete_topic { name = "doomed" } then deleted = deleted + 1 end
  expect(wait_at_most(function() return (cluster:create_topic { name = "doomed", partitions = 2 }) end, seconds(20)),
    "the name could not be used again")
end
expect(deleted > 5, "hardly anything was deleted")
for _, text in ipairs { "is gone", "holds no segment", "belongs to", "is offline" } do
  expect(not broker:said(text), "a partition was found half: " .. text)
end

finally { "acknowledged topics stay", "nothing acknowledged is lost", "in order" }
