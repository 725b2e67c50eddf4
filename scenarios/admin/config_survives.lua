scenario "a change of a topic's configuration holds at once for partitions that are open, and survives power loss"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 300 }
local small = cluster:producer { name = "small", to = orders, records = 0, acks = "all", value_bytes = 2000, delivery_timeout = seconds(5),
  idempotent = false }
local broker = cluster:broker()

local function goes_by(bytes, when)
  local _, before = small:send(0)
  local _, after = small:send(1)
  expect((after > before) == (bytes < 2000), "the topic does not go by what was set, " .. when .. ": " .. bytes)
end

for i = 1, 6 do
  local bytes = i % 2 == 1 and 1000 or 100000
  wait_until(function() return broker:ready() and small:alive() and
    (cluster:alter_topic { name = "orders", config = { ["max.message.bytes"] = bytes } }) end, seconds(20))
  goes_by(bytes, "at once")
  sleep(random(millis(20)))
  broker:power_loss { restart = millis(100) }
  wait_until(function() return broker:ready() and small:alive() end, seconds(20))
  goes_by(bytes, "after power loss")
end

finally { "nothing acknowledged is lost", "in order" }
