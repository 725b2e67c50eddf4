-- simulator.lua - an hour of a quiet broker: what a simulated second costs. bench/run times it.
scenario "an hour of 20 batches a second goes by in order"

local cluster = Cluster { config = { ["log.segment.bytes"] = 262144, ["log.retention.check.interval.ms"] = 10000,
  ["log.segment.delete.delay.ms"] = 1000 } }
local orders = cluster:topic { name = "orders", config = { ["retention.bytes"] = 1048576 } }

cluster:producer { acks = "all", to = orders, records = 720000, rate = 200, burst = 10, value_bytes = 100 }
cluster:consumer { from = orders }

sleep(hours(1))

finally { "in order" }
