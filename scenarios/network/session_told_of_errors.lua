scenario "who reads with a fetch session is told when the records it comes for are deleted, and reads on behind them"

-- Its answers hold one batch each, so that it is far behind when the log start passes it.
time_limit(seconds(40))
local cluster = Cluster {}
local orders = cluster:topic { name = "orders", partitions = 2 }
must_reach { "a fetch went on with its session" }

cluster:producer { acks = "all", to = orders, records = 2000, rate = 1000, burst = 1, linger = 0, value_bytes = 900 }
wait_until(function() return counts().acked >= 1000 end, seconds(20))
cluster:consumer { from = orders, client = { ["fetch.max.bytes"] = 1024 } }
sleep(millis(30))
for partition = 0, 1 do
  expect(cluster:delete_records { topic = "orders", partition = partition, offset = -1 }, "nothing was deleted")
end
local before = counts().read
expect(before < 900, "the reader is not behind")
wait_until(function() return counts().read > before + 500 end, minutes(1))

finally { "everything acknowledged is read", "in order", "no duplicates" }
