scenario "several admins at once: each change is made or refused whole, and all of the cluster comes to the same"

-- They make, change and delete the same few topics at the same time, by way of any broker, while brokers and controllers come and go.
local brokers = random("brokers", 2) == 1 and 1 or 3
local config = { ["broker.session.timeout.ms"] = seconds(3), ["broker.heartbeat.interval.ms"] = 500 }
local cluster = Cluster { brokers = brokers, config = brokers == 3 and config or nil }
local orders = cluster:topic { name = "orders", partitions = 2, replicas = brokers }
cluster:producer { acks = "all", to = orders, records = 400, rate = 40, delivery_timeout = minutes(2) }
cluster:consumer { from = orders }
local admins = { cluster:another_admin { name = "ann" }, cluster:another_admin { name = "bob" }, cluster:another_admin { name = "eve" } }

local names, ended, made = { "bills", "carts", "deals" }, 0, 0
local function order(admin, i)
  local name, what = names[random("which " .. i, 3)], random("what " .. i, 6)
  local done
  if what <= 2 then
    done = admin:create_topic { name = name, partitions = random("how many " .. i, 3), replicas = random("replicas " .. i, brokers) }
  elseif what == 3 then
    done = admin:delete_topic { name = name }
  elseif what == 4 then
    done = admin:add_partitions { name = name, partitions = 3 + random("how many " .. i, 3) }
  elseif what == 5 then
    done = admin:alter_topic { name = name, config = { ["retention.ms"] = hours(random("hours " .. i, 24)) } }
  else
    done = admin:alter_brokers { config = { ["message.max.bytes"] = 1000000 + random("bytes " .. i, 1000) } }
  end
  made = made + (done and 1 or 0)
end
for i, admin in ipairs(admins) do
  spawn(function()
    for _ = 1, 12 do
      order(admin, i)
      sleep(random("pause " .. i, millis(300)))
    end
    ended = ended + 1
  end)
end

for _ = 1, 3 do
  sleep(seconds(1) + random(seconds(1)))
  local broker = cluster:controller() or cluster:broker(random(brokers))
  if random(2) == 1 then broker:kill { restart = millis(100) + random(seconds(1)) } else broker:power_loss { restart = millis(200) } end
end
expect(wait_until(function() return ended == 3 end, minutes(5)), "an admin is told nothing")
expect(made > 0, "nothing was made")

finally { "everything acknowledged is read", "acknowledged topics stay", "the controllers agree", "what is known is what the metadata log says" }
