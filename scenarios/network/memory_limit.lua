scenario "clients that send more than memory allows wait for their turn, and nobody is disconnected"

-- A mebibyte for all of them, and each request nearly as large: whoever gets no memory is not read until there is some.
local cluster = Cluster { config = { ["queued.max.request.bytes"] = 1 << 20, ["socket.request.max.bytes"] = 1 << 20 } }
local orders = cluster:topic { name = "orders", partitions = 12 }
service_level { send = seconds(15), read = seconds(3) } -- twelve writers take turns
must_reach { "a connection waited for memory" }

for i = 1, 12 do
  cluster:producer { name = "writer" .. i, acks = "all", to = orders, records = 120, value_bytes = 40000, burst = 15, batch_bytes = 600000,
    linger = millis(5) }
end
cluster:consumer { from = orders }

finally { "no connection is refused", "everything acknowledged is read", "in order", "no duplicates" }
