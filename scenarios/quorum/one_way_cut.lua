-- Half of a connection is worse than none: all that a controller sends is lost, or all that it would hear.
scenario "a controller that only sends, or only hears, keeps the others from no leader"

local cluster = Cluster { controllers = 3 }
local done = 0
every(millis(50), function()
  if cluster:alter_brokers { config = { ["message.max.bytes"] = 1000000 + done } } then done = done + 1 end
end, { times = 40 })

for _ = 1, 3 do
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(10)), "nobody leads")
  local one = random("whom", 2) == 1 and cluster:controller() or cluster:controller(random("which", 3))
  local others = {}
  for number = 1, 3 do
    if cluster:controller(number) ~= one then others[#others + 1] = cluster:controller(number) end
  end
  if random("which way", 2) == 1 then
    cut(one, others, seconds(15), true)
  else
    cut(others, one, seconds(15), true)
  end
  sleep(seconds(8))
  expect(wait_until(function() return cluster:controller() ~= nil end, seconds(7)), "nobody leads")
  sleep(seconds(8))
end
wait_until(function() return done >= 40 end, minutes(2))

finally { "one controller leads an epoch", "nothing committed is lost", "the controllers agree" }
