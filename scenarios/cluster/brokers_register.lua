scenario "brokers that start register, and partitions are shared among all of them"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 6 }
cluster:producer { acks = "all", to = orders, records = 600, keys = 100 }
cluster:consumer { from = orders }

local function serving()
  local count = 0
  for i = 1, 3 do
    if cluster:broker(i):ready() and not cluster:broker(i):fenced() then count = count + 1 end
  end
  return count
end
expect(wait_until(function() return serving() == 3 end, seconds(15)), "not all of them serve")

local function leads(broker)
  for p = 0, 5 do
    if orders:led(p) and orders:leader(p) == broker and orders:elected(p) == broker then return true end
  end
  return false
end
for i = 1, 3 do
  expect(wait_until(function() return leads(cluster:broker(i)) end, seconds(15)), "one of them leads nothing")
end

finally { "everything acknowledged is read", "in order", "no duplicates", "the controllers agree" }
