scenario "brokers and controllers come back, whatever happens to them"

local cluster = draw_cluster { brokers = { 3 }, controllers = { 3 } }
local orders = cluster:topic { name = "orders", partitions = 6 }

cluster:producer { acks = "all", to = orders, rate = 50 }
cluster:consumer { from = orders }

local deeds = {
  function(b) b:kill() sleep(millis(random(9000))) b:start() end,
  function(b) b:power_loss { restart = millis(300) } end,
  function(b) b:stop() sleep(millis(random(9000))) b:start() end,
  function(b) b:pause(millis(random(15000))) sleep(seconds(10)) end,
}
for _ = 1, 12 do
  sleep(millis(random(5000)))
  deeds[random(#deeds)](cluster:broker(random(3)))
end

finally { "everything acknowledged is read", "in order", "nothing committed is lost", "the controllers agree", "somebody leads when all is well",
  "what is known is what the metadata log says" }
