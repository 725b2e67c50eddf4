scenario "a change of the metadata that found no room on the disk has never been, whatever is changed after it"

must_reach { "an append was taken back" }

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 300, delivery_timeout = minutes(10) }
local broker = cluster:broker()
local function alter(key, value) return (cluster:alter_topic { name = "orders", config = { [key] = value } }) end

-- What is set in vain is set once: it would stand in what the broker knows, and not in its log.
local keys = { "segment.ms", "index.interval.bytes", "file.delete.delay.ms", "segment.index.bytes" }
wait_until(function() return broker:ready() end, seconds(10))
for i, key in ipairs(keys) do
  sleep(millis(200 + random(500)))
  broker:disk("full", { lasts = seconds(70) + millis(random(500)) })
  alter(key, 1000000 + i)
  expect(wait_until(function() return alter("max.message.bytes", 1000000 + i) end, minutes(3)), "nothing can be changed although there is room")
end
broker:stop()
expect(wait_until(function() return counts().images_replayed > 0 end, seconds(30)), "nobody has replayed what it left")
broker:start()

finally { "what is known is what the metadata log says", "nothing acknowledged is lost", "in order" }
