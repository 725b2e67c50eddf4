-- It ends when somebody ends it, or after all the virtual time that there is.
scenario "a run that goes on and on"

local cluster = Cluster { brokers = 1 }
cluster:topic { name = "orders", partitions = 1 }

after(seconds(1), function()
  while true do
    sleep(seconds(0.001))
  end
end)

finally { "in order" }
