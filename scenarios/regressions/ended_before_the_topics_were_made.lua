scenario "a script whose brokers end before its topics are made goes on, and is well when all is healed"

local cluster = Cluster { brokers = 3 }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3 }
cluster:producer { acks = "all", to = orders, records = 100, rate = 100, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

sleep(millis(30))
-- Two of three lose their power for good before anybody leads, and only the end of all harm brings them back.
local first = random("first", 3)
cluster:broker(first):power_loss {}
cluster:broker(first % 3 + 1):power_loss {}
local made = cluster:create_topic { name = "bills" }
expect(not made, "a topic was made by one broker of three")

finally { "everything acknowledged is read", "in order", "no duplicates" }
