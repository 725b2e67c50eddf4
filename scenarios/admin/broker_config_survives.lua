scenario "what is set for a broker, and for all brokers, holds at once for partitions that are open, and survives power loss"

local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { acks = "all", to = orders, records = 300 }
local small = cluster:producer { name = "small", to = orders, records = 0, acks = "all", value_bytes = 2000, delivery_timeout = seconds(5),
  idempotent = false }
local broker = cluster:broker()

local function goes_by(bytes, when)
  local _, before = small:send(0)
  local _, after = small:send(1)
  expect((after > before) == (bytes < 2000), "the broker does not go by what was set, " .. when .. ": " .. bytes)
end

-- For all brokers, until the broker has its own, which counts from then on.
local sets = { { nil, 1000 }, { nil, 100000 }, { 1, 1000 }, { nil, 200000, 1000 }, { 1, 300000 }, { nil, 500, 300000 } }
for _, set in ipairs(sets) do
  local config = { ["message.max.bytes"] = set[2] }
  wait_until(function() return broker:ready() and small:alive() and (cluster:alter_brokers { broker = set[1], config = config }) end,
    seconds(20))
  goes_by(set[3] or set[2], "at once")
  sleep(random(millis(20)))
  broker:power_loss { restart = millis(100) }
  wait_until(function() return broker:ready() and small:alive() end, seconds(20))
  goes_by(set[3] or set[2], "after power loss")
end

finally { "nothing acknowledged is lost", "in order" }
