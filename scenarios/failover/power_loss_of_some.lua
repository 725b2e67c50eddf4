scenario "when one or two of three lose power, everything acknowledged is there"

local flush = random("flush", 2) == 1 and "ack" or "os"
local cluster = Cluster { brokers = 3, flush = flush }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = 3, min_insync = flush == "ack" and 2 or 3 }
cluster:producer { acks = "all", to = orders, records = 1500, rate = 50, burst = 5, keys = 50, delivery_timeout = minutes(5) }
cluster:consumer { from = orders }

for _ = 1, 2 do
  expect(wait_until(function() return #orders:isr(0) == 3 and #orders:isr(1) == 3 end, seconds(90)), "not all of them are in sync")
  sleep(seconds(1) + random("when", seconds(2)))
  local first = orders:leader(0)
  if not first then break end
  first:power_loss { restart = random("how long", seconds(15)) }
  if random("two", 2) == 1 then
    sleep(random("how soon", seconds(2)))
    for i = 1, 3 do
      local other = cluster:broker(i)
      if other ~= first and other:alive() then
        other:power_loss { restart = random("how long", seconds(15)) }
        break
      end
    end
  end
  sleep(seconds(16))
end

finally { "everything acknowledged is read", "in order", "no duplicates", "what was read stays readable" }
