-- prelude.lua - the words of a scenario, over a few primitives that only the engine has and over what closed.lua left of the
-- libraries.
local kiln = ...

function print(...)
  local args = table.pack(...)
  for i = 1, args.n do args[i] = tostring(args[i]) end
  kiln.print(table.concat(args, "\t"))
end

-- ---- time -----------------------------------------------------------------------------------

local function unit(ns)
  return function(n) return math.floor(n * ns) end
end
millis, seconds, minutes = unit(1000000), unit(1000000000), unit(60 * 1000000000)
hours, days, years = unit(3600 * 1000000000), unit(86400 * 1000000000), unit(365 * 86400 * 1000000000)

now = kiln.now
sleep = kiln.sleep
random = kiln.random -- random(n): 1 to n, by the seed

local POLL = millis(10)

-- Waits until the condition holds. False when `within` has passed first.
function wait_until(condition, within)
  local deadline = within and now() + within
  while not condition() do
    if deadline and now() >= deadline then return false end
    sleep(POLL)
  end
  return true
end

spawn = kiln.spawn

function after(delay, action)
  spawn(function()
    sleep(delay)
    action()
  end)
end

function every(period, action, options)
  local times = options and options.times
  if not times then error("every: say how often, as every(period, action, { times = 4 })", 2) end
  spawn(function()
    for _ = 1, times do
      sleep(period)
      action()
    end
  end)
end

-- ---- what is claimed --------------------------------------------------------------------------

function scenario(claim)
  kiln.claim(claim)
end

-- Marks that the campaign must see at least once.
function must_reach(marks)
  for _, mark in ipairs(marks) do kiln.must_reach(mark) end
end

-- Something that must be so now.
function expect(condition, text)
  if not condition then kiln.broken(text or "an expectation was not met") end
end

local PHRASES = {
  ["everything acknowledged is read"] = true,
  ["nothing acknowledged is lost"] = true,
  ["in order"] = true,
  ["no duplicates"] = true,
  ["what was read stays readable"] = true,
  ["nothing is shown before it is durable"] = true,
  ["acknowledged topics stay"] = true,
  ["producer ids are given out once"] = true,
  ["nothing young is deleted"] = true,
  ["no acknowledgement follows a failed sync"] = true,
  ["no connection is refused"] = true,
}
local promised = false

-- What must hold when all is done. Every invariant is checked in every run; this says which of them the claim is about.
function finally(phrases)
  for _, phrase in ipairs(phrases) do
    if not PHRASES[phrase] then
      local known = {}
      for k in pairs(PHRASES) do known[#known + 1] = '"' .. k .. '"' end
      error('finally: "' .. tostring(phrase) .. '" is none of ' .. table.concat(known, ", "), 2)
    end
  end
  promised = true
end

-- ---- harm -------------------------------------------------------------------------------------

local function span(ns) return string.format("%dns", ns) end

-- Any line of a fault plan, without its time: harm "node 0 disk full for 2s".
function harm(line) kiln.harm(line) end

-- Draws a plan of faults from the seed: swarm { until = seconds(30), without = { "disk hang" } }.
function swarm(options)
  options = options or {}
  kiln.swarm(options.from or seconds(1), options["until"] or seconds(30), options.only or {}, options.without or {})
end

local Node = {}
Node.__index = Node
Node.__tostring = function(node) return node.name end

local function harm_node(node, what, options)
  options = options or {}
  local line = string.format("node %d %s", node.id, what)
  for _, key in ipairs { "op", "times", "bytes", "factor", "offset", "bit", "error", "file" } do
    if options[key] then line = line .. " " .. key .. "=" .. tostring(options[key]) end
  end
  if options.by then line = line .. " by=" .. span(options.by) end
  if options.lasts then line = line .. " for " .. span(options.lasts) end
  harm(line)
end

-- kill -9. at_op: at the k-th operation from now on; restart: starts again so much later.
function Node:kill(options)
  options = options or {}
  harm_node(self, "kill", { op = options.at_op, lasts = options.restart })
end

-- Takes what is not durable, too.
function Node:power_loss(options) harm_node(self, "power_loss", { lasts = options and options.restart }) end
function Node:pause(lasts) harm_node(self, "pause", { lasts = lasts }) end
-- Its wall clock jumps by so much, for so long (for good without).
function Node:clock(by, lasts) harm_node(self, "clock", { by = by, lasts = lasts }) end
-- disk("sync_fails", { times = 1 }), disk("full", { lasts = seconds(2) }), disk("flip", { file = "...", offset = 9, bit = 3 })
function Node:disk(what, options) harm_node(self, "disk " .. what, options) end

-- Its life has begun when this returns; whether it still goes on is another question.
function Node:start()
  local lives = kiln.lives(self.id)
  kiln.start(self.id)
  local deadline = now() + seconds(1)
  while not self:alive() and kiln.lives(self.id) == lives and now() < deadline do sleep(millis(0.1)) end
end
-- A clean end, as SIGTERM asks for.
function Node:stop()
  kiln.stop(self.id)
  wait_until(function() return not self:alive() end, minutes(1))
end
function Node:restart()
  self:stop()
  self:start()
end
function Node:alive() return kiln.alive(self.id) end
-- It has started and serves, in this life.
function Node:ready() return kiln.ready(self.id) end
function Node:said(text) return kiln.said(self.id):find(text, 1, true) ~= nil end
function Node:file_size(path) return kiln.file_size(self.id, path) end

-- Cuts the link of two nodes, or (one_way) all that a sends to b.
function cut(a, b, lasts, one_way)
  harm(string.format("link %d%s%d cut%s", a.id, one_way and ">" or "-", b.id, lasts and " for " .. span(lasts) or ""))
end
function reset(a, b) harm(string.format("link %d-%d reset", a.id, b.id)) end
function half_open(a, b) harm(string.format("link %d-%d half_open", a.id, b.id)) end

-- Cuts every stream into pieces: "random" (as ever), "bytes" (each byte alone) or "none".
function split(how) kiln.split(how) end
-- How many rows of that kind the trace has so far: rows "ACK".
rows = kiln.rows
-- How often a mark was reached so far.
reached = kiln.reached

-- ---- the cluster --------------------------------------------------------------------------------

-- Kafka's 30 s would let a client sleep through most of a scenario's harm after a power loss, which nobody tells it of.
local PATIENCE = 3000
local SETTLE = minutes(15) -- after the last harm, everything must have come to its end
local cluster

local function lines(map)
  local out = {}
  for key, value in pairs(map) do out[#out + 1] = key .. "=" .. tostring(value) end
  return table.concat(out, "\n")
end

local function new_node(kind, name, args)
  local node = setmetatable({ kind = kind, name = name }, Node)
  node.id = kiln.node(kind, name, lines(args))
  return node
end

local function take(options, known, where)
  for key in pairs(options) do
    if not known[key] then
      local names = {}
      for k in pairs(known) do names[#names + 1] = k end
      error(where .. ": no option " .. tostring(key) .. "; there are " .. table.concat(names, ", "), 3)
    end
  end
end

local function set(...)
  local out = {}
  for _, k in ipairs { ... } do out[k] = true end
  return out
end

local Cluster_ = {}
Cluster_.__index = Cluster_
local Topic = {}
Topic.__index = Topic

-- One cluster a scenario. config: broker keys in Kafka's spelling.
function Cluster(options)
  options = options or {}
  take(options, set("brokers", "config", "flush", "hostile"), "Cluster")
  if cluster then error("Cluster: a scenario has one", 2) end
  if (options.brokers or 1) ~= 1 then error("Cluster: more than one broker is not served yet; brokers = 1", 2) end
  cluster = setmetatable({ brokers = {}, topics = {}, clients = {}, producers = {} }, Cluster_)
  local config = { ["listeners"] = "broker0:9092", ["log.dirs"] = "data", ["node.id"] = 0, ["auto.create.topics.enable"] = false,
    ["log.open.files.max"] = 256 } -- a simulated machine allows 1024 of all kinds
  for k, v in pairs(options.config or {}) do config[k] = v end
  if options.flush then config["flush.policy"] = options.flush end
  kiln.contract(config["flush.policy"] ~= "os", options.hostile or false)
  cluster.brokers[1] = new_node("broker", "broker0", config)
  cluster.admin = new_node("admin", "admin", { ["client.bootstrap.servers"] = "broker0:9092", ["client.request.timeout.ms"] = PATIENCE })
  return cluster
end

function Cluster_:broker(index) return self.brokers[(index or 0) + 1] end

-- It does one thing at a time.
local function ask_admin(words)
  while true do
    local answer = kiln.command(cluster.admin.id, words)
    if answer ~= "busy" then return answer end
    sleep(POLL)
  end
end

local function create(topic)
  local words = { "create", topic.name, tostring(topic.partitions) }
  for k, v in pairs(topic.config) do words[#words + 1] = k .. "=" .. tostring(v) end
  local answer = ask_admin(table.concat(words, " "))
  if not answer then return nil, "no answer" end
  -- 36: it exists, because an answer to an earlier attempt was lost.
  if answer == "ok" or answer:find(" 36 ", 1, true) then
    topic.created = true
    return true
  end
  return nil, answer
end

-- Must succeed, however long it takes: what the scenario stands on.
local function create_surely(topic)
  local deadline = now() + SETTLE
  while true do
    local done, answer = create(topic)
    if done then return end
    if now() > deadline then kiln.stuck(string.format("topic %s is not created: %s", topic.name, answer)) end
    sleep(millis(100))
  end
end

-- config: topic keys in Kafka's spelling.
function Cluster_:topic(options)
  take(options, set("name", "partitions", "replicas", "min_insync", "config"), "topic")
  if (options.replicas or 1) ~= 1 or (options.min_insync or 1) ~= 1 then
    error("topic: one broker holds one replica; replicas = 1, min_insync = 1", 2)
  end
  local topic = setmetatable({ name = options.name, partitions = options.partitions or 1, config = options.config or {} }, Topic)
  self.topics[#self.topics + 1] = topic
  kiln.retention(topic.config["retention.ms"] or -2)
  if self.booted then create_surely(topic) end
  return topic
end

-- One attempt, once the cluster stands: true, or nil and what was answered.
function Cluster_:create_topic(options)
  wait_until(function() return self.booted end)
  local topic = { name = options.name, partitions = options.partitions or 1, config = options.config or {} }
  return create(topic)
end

function Topic:leader() return cluster.brokers[1] end
-- The directory of a partition, within its broker's root.
function Topic:path(partition, file) return string.format("data/%s-%d/%s", self.name, partition or 0, file or "") end

local CLIENT = { acks = "acks", compression = "compression.type", linger = "linger.ms", batch_bytes = "batch.size", in_flight = "max.in.flight.requests.per.connection",
  delivery_timeout = "delivery.timeout.ms", request_timeout = "request.timeout.ms", retries = "retries" }
local TIMES = { linger = true, delivery_timeout = true, request_timeout = true }

local function client_args(kind, options, args)
  args["client.bootstrap.servers"] = "broker0:9092"
  args["client.request.timeout.ms"] = PATIENCE
  for ours, key in pairs(CLIENT) do
    local v = options[ours]
    if v ~= nil then args["client." .. key] = TIMES[ours] and v // 1000000 or v end
  end
  -- What a reader missed because it was removed must not make it miss the rest.
  if kind == "consumer" then args["client.auto.offset.reset"] = "earliest" end
  if options.idempotent ~= nil then args["client.enable.idempotence"] = options.idempotent end
  for k, v in pairs(options.client or {}) do args["client." .. k] = v end
  return args
end

local function add_client(self, kind, options, args, topic)
  local name = options.name or (kind .. #self.clients)
  local node = new_node(kind, name, client_args(kind, options, args))
  node.topic, node.records = topic, options.records
  self.clients[#self.clients + 1] = node
  if self.booted then node:start() end
  return node
end

-- records: so many, or without it as many as there is time for. send(n) sends more and waits for their fate.
function Cluster_:producer(options)
  take(options, set("to", "records", "keys", "rate", "burst", "value_bytes", "window", "name", "idempotent", "client", "acks", "compression",
    "linger", "batch_bytes", "in_flight", "delivery_timeout", "request_timeout", "retries"), "producer")
  local args = { topic = options.to.name, partitions = options.to.partitions }
  for _, key in ipairs { "records", "keys", "rate", "burst", "value_bytes", "window" } do args[key] = options[key] end
  local node = add_client(self, "producer", options, args, options.to)
  self.producers[#self.producers + 1] = node
  return node
end

-- Reads all partitions for as long as it lives. start: "earliest" (as ever), "latest" or an offset; seek: so often it goes
-- somewhere else, by offset, by time or to an end.
function Cluster_:consumer(options)
  take(options, set("from", "name", "think", "poll_records", "client", "group", "start", "seek"), "consumer")
  if options.group then error("consumer: groups are not served yet; leave group away", 2) end
  local args = { topic = options.from.name, partitions = options.from.partitions, poll_records = options.poll_records }
  if options.think then args.think_ms = options.think // 1000000 end
  if options.seek then args.seek_ms = options.seek // 1000000 end
  if math.type(options.start) == "integer" then
    args.start, args.start_offset = "offset", options.start
  else
    args.start = options.start
  end
  return add_client(self, "consumer", options, args, options.from)
end

-- Sends n records and waits: how many came to their end, how many of them without success.
function Node:send(n)
  local answer = kiln.command(self.id, "send " .. n)
  if not answer then return 0, n end
  local done, unfinished = answer:match("(%d+) (%d+)")
  return math.tointeger(done), math.tointeger(unfinished)
end
function Node:done() return kiln.done(self.id) end

-- What clients were told so far: sent, acked, failed, unknown, read, lost_allowed, twice_allowed, recovered.
counts = kiln.counts

-- A partition that the final reader need not reach.
function leave_out(topic, partition)
  topic.except = partition
  kiln.leave_out(topic.name, partition)
end

-- ---- beginning and end ----------------------------------------------------------------------------

function kiln.setup()
  for _, topic in ipairs(cluster.topics) do create_surely(topic) end
  cluster.booted = true
  for _, client in ipairs(cluster.clients) do client:start() end
end

-- What an operator does once the harm is over: whoever is down is started, and a directory that went offline comes back by
-- a restart.
local function operate()
  for _, broker in ipairs(cluster.brokers) do
    if not broker:alive() then
      kiln.start(broker.id)
    elseif kiln.offline(broker.id) then
      broker:stop()
    end
  end
end

local function must(condition, within, text)
  local function done()
    operate()
    return condition()
  end
  if not wait_until(done, within) then kiln.stuck(text) end
end

local function finish_producers()
  for _, p in ipairs(cluster.producers) do
    if p:alive() then
      if not p.records then kiln.command(p.id, "finish", 0) end
      must(function() return p:done() or not p:alive() end, SETTLE, p.name .. " has records without an answer")
    end
  end
end

local function read_everything()
  for _, topic in ipairs(cluster.topics) do
    local args = { topic = topic.name, partitions = topic.partitions, final = true, except = topic.except }
    local reader = new_node("consumer", "reader-" .. topic.name, client_args("consumer", {}, args))
    reader:start()
    must(function() return reader:done() end, SETTLE, "the final reader of " .. topic.name .. " does not reach its end")
    reader:stop()
  end
end

local function list_topics()
  must(function()
    local answer = ask_admin("topics")
    return answer and answer:sub(1, 2) == "ok"
  end, SETTLE, "topics are not listed")
end

local function stop_all()
  for _, client in ipairs(cluster.clients) do client:stop() end
  cluster.admin:stop()
  for _, broker in ipairs(cluster.brokers) do
    broker:stop()
    if broker:alive() then kiln.stuck(broker.name .. " does not stop") end
  end
end

-- After the last line of the script: harm ends, everything must be read, everybody leaves in good order.
function kiln.finish()
  if not promised then error("finally: say what must hold, as finally { \"everything acknowledged is read\" }", 0) end
  must(function() return cluster.booted end, SETTLE, "the topics were not created")
  sleep(POLL) -- a start is an event of its own; nobody is late for the end
  kiln.heal()
  must(function() return cluster.brokers[1]:ready() end, SETTLE, "the broker does not start")
  finish_producers()
  read_everything()
  list_topics()
  stop_all()
end
