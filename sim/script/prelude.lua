-- prelude.lua - the words of a scenario, over a few primitives that only the engine has and over what closed.lua left of the
-- libraries. checks.lua looks at what each word is given.
local kiln = ...
local check = kiln.check
local wrong, shown, time_of = check.wrong, check.shown, check.time_of

function print(...)
  local args = table.pack(...)
  for i = 1, args.n do args[i] = tostring(args[i]) end
  kiln.print(table.concat(args, "\t"))
end

-- ---- time -----------------------------------------------------------------------------------

local DAY = 86400 * 1000000000
for name, ns in pairs { millis = 1000000, seconds = 1000000000, minutes = 60 * 1000000000, hours = 3600 * 1000000000, days = DAY,
  years = 365 * DAY } do
  _G[name] = check.unit(name, ns)
end

local POLL = 10000000
-- Kafka's 30 s would let a client sleep through most of a scenario's harm after a power loss, which nobody tells it of.
local PATIENCE_MS = 3000
local BROKERS_PORT, CONTROLLERS_PORT, CONTROLLERS_ID = 9092, 9093, 100 -- controller1 has node.id 101
local SERVERS_MAX = 9 -- of a kind
local CLUSTER_ID = "a2lsbi1zaW0tY2x1c3Rlcg" -- of a cluster whose nodes must agree on one from the beginning
local REGISTERED = 20 * 1000000000 -- brokers that start serve by then, if they ever do
local SETTLE = 15 * 60 * 1000000000 -- after the last harm, everything must have come to its end

function now() return time_of(kiln.now()) end
function sleep(t) kiln.sleep(check.span("sleep", t)) end
function time_limit(t) kiln.time_limit(check.span("time_limit", t)) end

-- random(n): 1 to n, by the seed. random("name", n) draws from a stream of its own, which no other draw moves.
function random(a, b)
  local name, most = nil, a
  if type(a) == "number" and type(b) == "number" then
    wrong("random: takes one number, as random(%s) for 1 to %s, or a name and a number", shown(b), shown(b))
  end
  if b ~= nil then name, most = check.text("random: the stream's name", a), b end
  if check.is_time(most) then return time_of(kiln.random(check.count("random", check.span("random", most), 1), name)) end
  return kiln.random(check.count("random", most, 1), name)
end

local function poll_until(condition, within, where)
  local deadline = within and kiln.now() + within
  while not check.condition(where, condition()) do
    if deadline and kiln.now() >= deadline then return false end
    kiln.sleep(POLL)
  end
  return true
end

-- Waits until the condition holds. What has not come when `within` has passed makes the run inconclusive, but where an expect looks at
-- the answer at once.
function wait_until(condition, within)
  check.action("wait_until", condition)
  local ns = check.maybe_span("wait_until", within)
  local came = poll_until(condition, ns, "wait_until")
  if not came then kiln.late(string.format("wait_until: it did not come within %s", within)) end
  return came
end

-- The same where both answers are good: true, or false when t has passed.
function wait_at_most(condition, t)
  return poll_until(check.action("wait_at_most", condition), check.span("wait_at_most", t), "wait_at_most")
end

function spawn(action) kiln.spawn(check.action("spawn", action)) end

function after(delay, action)
  local ns = check.span("after", delay)
  check.action("after", action)
  spawn(function()
    kiln.sleep(ns)
    action()
  end)
end

function every(period, action, options)
  local ns = check.span("every", period)
  check.action("every", action)
  local times = check.options("every", options, { times = function(where, v) return check.count(where, v, 1) end }).times
  if not times then wrong("every: say how often, as every(period, action, { times = 4 })") end
  spawn(function()
    for _ = 1, times do
      kiln.sleep(ns)
      action()
    end
  end)
end

-- ---- what is claimed --------------------------------------------------------------------------

local claimed = false

function scenario(claim)
  check.text("scenario", claim)
  if claimed then wrong("scenario: a file states one claim, and this is its second") end
  claimed = true
  kiln.claim(claim)
end

-- Marks that the campaign must see at least once.
function must_reach(marks)
  check.list("must_reach", marks, function(where, mark) kiln.must_reach(check.text(where, mark)) end)
  if #marks == 0 then wrong("must_reach: names nothing; say it as { \"a duplicate was answered\" }") end
end

-- Something that must be so now.
function expect(...)
  local condition, text = ...
  if select("#", ...) == 0 then wrong("expect: what? say it as expect(counts().acked > 0, \"nothing was acknowledged\")") end
  check.condition("expect", condition)
  if text ~= nil then check.text("expect: what is wrong when it is not so", text) end
  local waited = kiln.not_late() -- what it is told is the answer of a wait
  if condition then return kiln.met() end
  local asked, found = kiln.explain()
  if waited then found = waited .. (found == "" and "" or ", " .. found) end
  kiln.broken(text or "an expectation was not met", asked, found)
end

local PHRASES = {
  "everything acknowledged is read", "nothing acknowledged is lost", "in order", "no duplicates", "what was read stays readable",
  "nothing is shown before it is durable", "acknowledged topics stay", "producer ids are given out once", "nothing young is deleted",
  "no acknowledgement follows a failed sync", "no connection is refused", "one controller leads an epoch",
  "nothing committed is lost", "the controllers agree", "somebody leads when all is well",
  "what is known is what the metadata log says",
}
local promised = false

-- What must hold when all is done. Every invariant is checked in every run; this says which of them the claim is about.
function finally(phrases)
  local known, quoted = {}, {}
  for i, phrase in ipairs(PHRASES) do
    known[phrase] = true
    quoted[i] = '"' .. phrase .. '"'
  end
  check.list("finally", phrases, function(_, phrase)
    if not known[phrase] then wrong("finally: %s is none of %s", shown(phrase), table.concat(quoted, ", ")) end
  end)
  if #phrases == 0 then wrong("finally: names nothing; there are %s", table.concat(quoted, ", ")) end
  promised = true
end

-- What clients may count on where nothing is amiss: a send is answered within `send`, a reader that waits is given a record within `read`
-- of its acknowledgement. What it does not name stays as ever.
function service_level(options)
  local o = check.options("service_level", options, { send = check.lasting, read = check.lasting })
  if not (o.send or o.read) then wrong("service_level: of what? say it as service_level { send = seconds(1), read = seconds(1) }") end
  kiln.service_level(o.send or 0, o.read or 0)
end

-- ---- harm -------------------------------------------------------------------------------------

local span_text = kiln.time_text

-- Any line of a fault plan, without its time: harm "node broker1 disk full for 2s".
function harm(line)
  check.text("harm", line)
  if line:match("^%s*at%s") then wrong("harm %s: strikes now, so it takes no time; with one it stands in a plan [[ ... ]]", shown(line)) end
  if line:find("\n") then wrong("harm: takes one line; several, with their times, stand in a plan [[ ... ]]") end
  if line:match("^%s*$") then wrong("harm: what? say it as harm \"node broker1 kill\"") end
  kiln.harm(line)
end

-- Whole lines of a fault plan, with their times.
function plan(lines) kiln.plan(check.text("plan", lines)) end

local function kind_list(where, v) return check.list(where, v, check.text) end

-- Draws a plan of faults from the seed: swarm { ["until"] = seconds(30), without = { "disk hang" } }. intact: so many brokers' disks
-- are not damaged, where damage is drawn: one, or none where there is one alone and `only` names damage.
function swarm(options)
  local o = check.options("swarm", options, { from = check.span, ["until"] = check.span, only = kind_list, without = kind_list,
    intact = function(where, v) return check.count(where, v, 0) end })
  if o.only and #o.only == 0 then wrong("swarm: only: names no fault") end
  kiln.swarm(o.from or 1000000000, o["until"] or 30000000000, o.only or {}, o.without or {}, o.intact or -1)
end

-- Harm ends. heal(): everywhere, and whoever died starts. heal { a, b }: for these servers, all clients and the links among them alone;
-- the other servers stand still until a heal of all.
local heal_nodes

function heal(nodes)
  if nodes == nil then return kiln.heal() end
  kiln.heal_core(heal_nodes(nodes))
end

local cluster
local Node, node_word, node_methods = check.class("node")
Node.__tostring = function(node) return node.name end
Node.__concat = function(a, b) return tostring(a) .. tostring(b) end

local function serves(node) return node.kind == "broker" or node.kind == "controller" end
local function is_node(v) return getmetatable(v) == Node end
local function check_node(where, v)
  if not is_node(v) then wrong("%s: %s is no node; give what cluster:broker() or cluster:producer { ... } gave you", where, shown(v)) end
  return v
end

local function whole(where, v) return check.count(where, v, 0) end
local HARM = {
  op = whole, times = whole, bytes = whole, factor = whole, offset = whole, error = check.text, file = check.text, with = check_node,
  to = whole, every = check.lasting, lasts = check.lasting, bit = function(where, v) return check.count(where, v, 0, 7) end,
}
local HARM_ORDER = { "op", "times", "bytes", "factor", "offset", "to", "bit", "error", "file", "with" }

local function harm_node(node, what, options)
  local line = string.format("node %s %s", node.name, what)
  for _, key in ipairs(HARM_ORDER) do
    if options[key] then line = line .. " " .. key .. "=" .. tostring(options[key]) end
  end
  if options.every then line = line .. " every=" .. span_text(options.every) end
  if options.ppm then line = line .. " ppm=" .. options.ppm end
  if options.by then line = line .. " by=" .. span_text(options.by) end
  if options.lasts and options.lasts > 0 then line = line .. " for " .. span_text(options.lasts) end
  kiln.harm(line)
end

-- What strikes a process or a connection needs one. Before the first wait nobody has started; later it may as well have been killed.
local function must_run(where, node)
  if kiln.began() then return end
  wrong("%s: %s does not run yet; wait until it does, as wait_until(function() return %s:alive() end, seconds(10))", where, node.name,
    node.kind)
end

-- kill -9. at_op: at the k-th operation from now on; restart: starts again so much later.
node_word("kill", function(self, options)
  local o = check.options("kill", options, { at_op = whole, restart = check.lasting })
  if not o.at_op then must_run("kill", self) end
  harm_node(self, "kill", { op = o.at_op, lasts = o.restart })
end)

-- Takes what is not durable, too. at_op: at the k-th operation from now on.
node_word("power_loss", function(self, options)
  local o = check.options("power_loss", options, { at_op = whole, restart = check.lasting })
  if not o.at_op then must_run("power_loss", self) end
  harm_node(self, "power_loss", { op = o.at_op, lasts = o.restart })
end)

node_word("pause", function(self, lasts)
  local ns = check.lasting("pause", lasts)
  must_run("pause", self)
  harm_node(self, "pause", { lasts = ns })
end)

-- Its wall clock jumps by so much, for so long (for good without).
node_word("clock", function(self, by, lasts)
  local ns = check.time("clock", by)
  if ns == 0 then wrong("clock: by 0 it stays right; say how far it is off, as hours(1)") end
  harm_node(self, "clock", { by = ns, lasts = check.maybe_lasting("clock", lasts) })
end)

-- It stands still again and again, for about `by` each time: stall { by = millis(300), every = seconds(1), lasts = seconds(5) }
node_word("stall", function(self, options)
  must_run("stall", self)
  harm_node(self, "stall", check.options("stall", options, { by = check.lasting, every = check.lasting, lasts = check.lasting }))
end)

-- Its clocks, both of them, run faster (or slower, below 0) by so many parts of a million.
node_word("drift", function(self, ppm, lasts)
  if math.type(ppm) ~= "integer" or ppm == 0 then wrong("drift: takes parts of a million, as 200 or -200, not %s", shown(ppm)) end
  harm_node(self, "drift", { ppm = ppm, lasts = check.maybe_lasting("drift", lasts) })
end)

-- disk("sync_fails", { times = 1 }), disk("full", { lasts = seconds(2) }), disk("flip", { file = "...", offset = 9, bit = 3 })
node_word("disk", function(self, what, options)
  harm_node(self, "disk " .. check.text("disk", what), check.options("disk", options, HARM))
end)

-- Its life has begun when this returns; whether it still goes on is another question.
local function start_node(node)
  local lives = kiln.lives(node.id)
  kiln.start(node.id)
  local deadline = kiln.now() + 1000000000
  while not node:alive() and kiln.lives(node.id) == lives and kiln.now() < deadline do kiln.sleep(100000) end
end

node_word("start", function(self, ...)
  check.nothing("start", ...)
  start_node(self)
end)

local function stop_node(node)
  kiln.stop(node.id)
  poll_until(function() return not node:alive() end, 60000000000)
end

-- A clean end, as SIGTERM asks for.
node_word("stop", function(self, ...)
  check.nothing("stop", ...)
  must_run("stop", self)
  stop_node(self)
end)

node_word("restart", function(self, ...)
  check.nothing("restart", ...)
  must_run("restart", self)
  stop_node(self)
  start_node(self)
end)

node_word("alive", function(self) return kiln.alive(self.id) end)
-- It has started and serves, in this life.
node_word("ready", function(self)
  if not serves(self) then wrong("ready: %s is a %s; brokers are ready, and clients are alive", self.name, self.kind) end
  return kiln.ready(self.id)
end)
-- What a controller is in its quorum: "leader", "follower", "prospective", "candidate", "unattached" or "resigned".
node_word("role", function(self)
  if not self.votes then wrong("role: %s is a %s; controllers have one", self.name, self.kind) end
  return kiln.role(self.id)
end)
-- Whether the cluster counts on it, where there are several: it is registered and not fenced.
node_word("fenced", function(self)
  if self.kind ~= "broker" then wrong("fenced: %s is a %s; brokers are", self.name, self.kind) end
  return #cluster.brokers > 1 and not kiln.serves(self.number)
end)
node_word("said", function(self, text) return kiln.said(self.id):find(check.text("said", text), 1, true) ~= nil end)

-- Sends n records and waits: how many came to their end, how many of them without success.
node_word("send", function(self, n)
  if self.kind ~= "producer" then wrong("send: %s is a %s; producers send", self.name, self.kind) end
  n = check.count("send", n, 0)
  if kiln.lives(self.id) == 0 then
    wrong("send: %s does not run yet; wait until it does, as wait_until(function() return p:alive() end, seconds(10))", self.name)
  end
  local answer = kiln.command(self.id, "send " .. n)
  if not answer then return 0, n end
  local done, unfinished = answer:match("(%d+) (%d+)")
  return math.tointeger(done), math.tointeger(unfinished)
end)
node_word("done", function(self)
  if serves(self) then wrong("done: %s is a %s, which serves until it is told to stop", self.name, self.kind) end
  return kiln.done(self.id)
end)

-- A node or several: { broker, producer }.
local function side(where, v)
  if type(v) ~= "table" or is_node(v) then return check_node(where, v).name end
  local names = {}
  check.list(where, v, function(_, node) names[#names + 1] = check_node(where, node).name end)
  if #names == 0 then wrong("%s: names no node", where) end
  return table.concat(names, ",")
end

local function harm_link(what, a, b, lasts, one_way, every)
  local line = string.format("link %s%s%s %s", a, one_way and ">" or "-", b, what)
  if every then line = line .. " every=" .. span_text(every) end
  kiln.harm(lasts and lasts > 0 and line .. " for " .. span_text(lasts) or line)
end

-- Cuts all links between two sides, each a node or a list of them, or (one_way) all that a sends to b.
function cut(a, b, lasts, one_way)
  local from, to = side("cut", a), side("cut", b)
  local ns = check.maybe_lasting("cut", lasts)
  if one_way ~= nil then check.flag("cut: one way", one_way) end
  harm_link("cut", from, to, ns, one_way)
end
-- Nobody hears of it any more, nor it of anybody.
function isolate(node, lasts)
  harm_link("cut", side("isolate", node), "*", check.maybe_lasting("isolate", lasts))
end
-- Cut and whole again in turns, each for so long.
function flap(a, b, every, lasts)
  local from, to = side("flap", a), side("flap", b)
  harm_link("cut", from, to, check.lasting("flap", lasts), false, check.lasting("flap", every))
end
local function harm_connections(what, a, b)
  check_node(what, a)
  check_node(what, b)
  must_run(what, a)
  must_run(what, b)
  kiln.harm(string.format("link %s-%s %s", a, b, what))
end
function reset(a, b) harm_connections("reset", a, b) end
function half_open(a, b) harm_connections("half_open", a, b) end
function duplicate(a, b) harm_connections("duplicate", a, b) end

local SPLITS = { "random", "bytes", "none" }

-- Cuts every stream into pieces: "random" (as ever), "bytes" (each byte alone) or "none".
function split(how)
  for i, name in ipairs(SPLITS) do
    if name == how then return kiln.split(i) end
  end
  wrong("split: no way of splitting is called %s%s", shown(how), check.known(how, SPLITS))
end

-- How many rows of that kind the trace has so far: rows "ACK".
function rows(kind) return kiln.rows(check.text("rows", kind)) end
-- A time within which so many percent of the sends so far succeeded, or of the rounds of syncs ended; nil before the first.
function took(what, percent)
  local ns = kiln.took(check.text("took", what), percent)
  return ns and time_of(ns)
end
-- How often a mark was reached so far.
function reached(mark) return kiln.reached(check.text("reached", mark)) end

-- ---- the cluster --------------------------------------------------------------------------------

local Cluster_, cluster_word, cluster_methods = check.class("cluster")
local Topic, topic_word = check.class("topic")
local Admin, admin_word, admin_methods = check.class("admin")
Admin.__tostring = function(admin) return admin.node.name end
Cluster_.__tostring = function() return "the cluster" end
Topic.__tostring = function(topic) return "the topic " .. shown(topic.name) end

-- Keys in Kafka's spelling. A time is given to a key that counts milliseconds.
local function config_of(where, v)
  local out = {}
  for key, value in pairs(check.map(where, v)) do
    local name = where .. ": " .. tostring(key)
    if check.is_time(value) then
      if not tostring(key):find("%.ms$") then wrong("%s: is no number of milliseconds, so it takes no time", name) end
      value = check.time(name, value) // 1000000
    elseif type(value) == "table" or type(value) == "function" then
      wrong("%s: takes a number or a text, not %s", name, shown(value))
    end
    out[key] = check.plain_number(value)
  end
  return out
end

local function lines(map)
  local out = {}
  for key, value in pairs(map) do out[#out + 1] = key .. "=" .. tostring(value) end
  return table.concat(out, "\n")
end

local function new_node(kind, name, args)
  local program = kind == "controller" and "broker" or kind -- what a server is its process.roles say
  return setmetatable({ kind = kind, name = name, id = kiln.node(program, name, lines(args)), votes = false }, Node)
end

-- What its configuration says of it stands over what all servers are given.
local function add_server(list, kind, args, config)
  args["log.dirs"], args["auto.create.topics.enable"] = "data", false
  args["log.open.files.max"] = 256 -- a simulated machine allows 1024 of all kinds
  if args["process.roles"] ~= nil and kind == "broker" then args["replica.socket.timeout.ms"] = PATIENCE_MS end
  for k, v in pairs(config) do args[k] = v end
  for k, v in pairs(cluster.limits) do args["limit." .. k] = v end
  list[#list + 1] = new_node(kind, kind .. #list + 1, args)
  cluster.servers[#cluster.servers + 1] = list[#list]
end

-- kraft.version 1: the voters are in no configuration, which says only where one of them may be found; who votes first is given a directory
-- that says so, once.
local function name_quorum(args, voters, votes)
  args["cluster.id"] = CLUSTER_ID
  if not cluster.kraft then
    args["controller.quorum.voters"] = voters
    return
  end
  args["controller.quorum.bootstrap.servers"] = voters:gsub("%d+@", "")
  if votes then args["format"] = (voters .. ","):gsub("(%d+)@([^,]*),", function(id, at)
    return string.format("%s@%s:Voter%03dAAAAAAAAAAAAAQ,", id, at, tonumber(id)) end):sub(1, -2) end
end

-- Brokers beside controllers of their own are brokers alone; several without are the controllers, too.
local function add_brokers(count, combined, voters, config, racks)
  for number = 1, count do
    local name = "broker" .. number
    local args = { ["listeners"] = name .. ":" .. BROKERS_PORT, ["node.id"] = number }
    if racks then args["broker.rack"] = check.text("Cluster: racks", racks[(number - 1) % #racks + 1]) end
    if voters then
      args["process.roles"] = combined and "broker,controller" or "broker"
      name_quorum(args, voters, combined)
    end
    if combined then
      args["listeners"] = string.format("PLAINTEXT://%s:%d,CONTROLLER://%s:%d", name, BROKERS_PORT, name, CONTROLLERS_PORT)
    end
    add_server(cluster.brokers, "broker", args, config)
    local broker = cluster.brokers[number]
    broker.number, broker.votes = number, combined
    if combined then cluster.controllers[number] = broker end
  end
end

-- Nobody, where there is none or one broker.
local function voters_of(kind, count)
  local voters, first = {}, kind == "controller" and CONTROLLERS_ID or 0
  for number = 1, count do voters[number] = string.format("%d@%s%d:%d", first + number, kind, number, CONTROLLERS_PORT) end
  return count > 0 and table.concat(voters, ",") or nil
end

local function add_controllers(count, voters, config)
  for number = 1, count do
    local args = { ["listeners"] = string.format("CONTROLLER://controller%d:%d", number, CONTROLLERS_PORT),
      ["process.roles"] = "controller", ["node.id"] = CONTROLLERS_ID + number }
    name_quorum(args, voters, true)
    add_server(cluster.controllers, "controller", args, config)
    cluster.controllers[number].votes = true
  end
end

-- Where clients find the cluster: its brokers, or where there are none its controllers (KIP-919). Their key, and its value.
local function bootstrap()
  local addresses, controllers = {}, #cluster.brokers == 0
  for _, server in ipairs(cluster.servers) do
    if controllers or server.kind == "broker" then
      addresses[#addresses + 1] = server.name .. ":" .. (controllers and CONTROLLERS_PORT or BROKERS_PORT)
    end
  end
  return controllers and "client.bootstrap.controllers" or "client.bootstrap.servers", table.concat(addresses, ",")
end

-- One cluster a scenario: brokers, and controllers that are nothing else; without controllers the brokers are their own, all of them.
-- config: keys of all of them in Kafka's spelling.
local function a_few(where, v) return check.count(where, v, 0, SERVERS_MAX) end
local function one_or_none(where, v) return check.count(where, v, 0, 1) end
-- Brokers stand in them in turns.
local function some_racks(where, v)
  if type(v) ~= "table" or #v == 0 then wrong('%s: it is a list of racks, as { "a", "b" }', where) end
  return v
end
function Cluster(options)
  local o = check.options("Cluster", options, { brokers = a_few, controllers = a_few, config = config_of, limits = config_of, flush = check.text,
    hostile = check.flag, kraft = one_or_none, racks = some_racks })
  if cluster then wrong("Cluster: a scenario has one") end
  local controllers = o.controllers or 0
  local brokers = o.brokers or (controllers > 0 and 0 or 1)
  if brokers + controllers == 0 then wrong("Cluster: brokers: 0 is not 1 or more where there are no controllers either") end
  cluster = setmetatable({ brokers = {}, controllers = {}, servers = {}, topics = {}, clients = {}, producers = {}, booted = false,
    admin = false, admins = {}, limits = o.limits or {}, kraft = o.kraft == 1 }, Cluster_)
  local config = o.config or {}
  if o.flush then config["flush.policy"] = o.flush end
  local combined = controllers == 0 and brokers > 1
  local voters = voters_of(combined and "broker" or "controller", combined and brokers or controllers)
  kiln.contract(config["flush.policy"] ~= "os", o.hostile or false, combined and brokers or controllers, brokers == 0)
  add_brokers(brokers, combined, voters, config, o.racks)
  add_controllers(controllers, voters, config)
  local key, addresses = bootstrap()
  cluster.admin = new_node("admin", "admin", { [key] = addresses, ["client.request.timeout.ms"] = PATIENCE_MS })
  return cluster
end

-- What the seed may set, and to what; nil leaves the default. Limits are drawn small, for at a limit things go wrong.
local DRAWN = {
  { "log.segment.bytes", { 16384, 262144 } }, { "log.index.interval.bytes", { 256 } }, { "log.open.files.max", { 32 } },
  { "message.max.bytes", { 65536 } }, { "metadata.log.max.record.bytes.between.snapshots", { 400, 4000 } },
}
local DRAWN_OF_QUORUMS = {
  { "controller.quorum.fetch.max.bytes", { 1, 2000 } }, { "controller.quorum.fetch.snapshot.max.bytes", { 100, 1000 } },
  { "controller.quorum.election.timeout.ms", { 300, 2000 } }, { "controller.quorum.fetch.timeout.ms", { 600, 3000 } },
  { "controller.quorum.election.backoff.max.ms", { 100 } }, { "controller.quorum.request.timeout.ms", { 500 } },
}

-- What is a constant otherwise.
local DRAWN_LIMITS = {
  { "producer.id.block", { 1, 2, 10 } }, { "leader.epoch.first", { 127, 32766, 40000, 65535, (1 << 31) - 1000 } },
  { "isr.proposals", { 1, 2 } }, { "fetch.partitions", { 1, 2 } }, { "log.piece.bytes", { 512, 4096 } },
  { "log.recent.batches", { 2, 16 } }, { "log.index.cache.bytes", { 1, 200 } }, { "log.snapshot.bytes", { 2000, 20000 } },
}

local function one_of(name, choices) return choices[random("draw_cluster: " .. name, #choices)] end

-- Each of them is left alone in half of the seeds.
local function draw_config(config, drawn)
  for _, row in ipairs(drawn) do
    local key, values = row[1], row[2]
    if random("draw_cluster: whether " .. key, 2) == 1 then config[key] = one_of(key, values) end
  end
end

local function some_numbers(where, v)
  if type(v) == "number" then v = { v } end
  check.list(where, v, a_few)
  if #v == 0 then wrong("%s: names no number", where) end
  return v
end

-- A Cluster that the seed decides: how many servers of each kind, out of those numbers, the flush policy, limits and time-outs. config:
-- what is not to be drawn.
function draw_cluster(options)
  local o = check.options("draw_cluster", options, { brokers = some_numbers, controllers = some_numbers, config = config_of, limits = config_of,
    kraft = one_or_none })
  local config, limits = {}, {}
  local controllers = o.controllers and one_of("controllers", o.controllers) or 0
  local brokers = o.brokers and one_of("brokers", o.brokers)
  draw_config(config, DRAWN)
  if controllers > 0 or (brokers or 1) > 1 then draw_config(config, DRAWN_OF_QUORUMS) end
  if random("draw_cluster: limits", 3) == 1 then draw_config(limits, DRAWN_LIMITS) end
  for key, value in pairs(o.limits or {}) do limits[key] = value end
  for key, value in pairs(o.config or {}) do config[key] = value end
  local flush = config["flush.policy"] or one_of("flush", { "ack", "os" })
  return Cluster { brokers = brokers, controllers = controllers, flush = flush, config = config, limits = limits, kraft = o.kraft }
end

-- What the script is given instead of a server that is not there.
local function no_server(kind, list, number)
  local names = {}
  for i, server in ipairs(list) do names[i] = server.name end
  wrong("%s: there is no %s %d; %ss count from 1, and there is %s", kind, kind, number, kind,
    #names == 0 and "none: say Cluster { " .. kind .. "s = 3 }" or table.concat(names, ", "))
end

-- Brokers count from 1.
cluster_word("broker", function(self, number)
  number = check.count("broker", number or 1, 0)
  return self.brokers[number] or no_server("broker", self.brokers, number)
end)

-- So do controllers; without a number it is the one that leads the quorum now, or nothing.
cluster_word("controller", function(self, number)
  if number then
    number = check.count("controller", number, 0)
    return self.controllers[number] or no_server("controller", self.controllers, number)
  end
  local id, leads = kiln.controller()
  for _, server in ipairs(self.servers) do
    if leads and server.id == id then return server end
  end
end)
-- The newest epoch of the quorum in which somebody led; 0 before anybody has.
cluster_word("quorum_epoch", function()
  local _, _, epoch = kiln.controller()
  return epoch or 0
end)
-- Up to where that server knows the metadata log to be committed; -1: it knows of nothing in this life.
cluster_word("committed", function(_, server)
  check_node("committed", server)
  return kiln.committed(server.id)
end)

heal_nodes = function(nodes)
  local list, ids = is_node(nodes) and { nodes } or nodes, {}
  check.list("heal", list, check_node)
  if #list == 0 then wrong("heal: names no node; heal() is for all") end
  for i, node in ipairs(list) do ids[i] = node.id end
  for _, node in ipairs(cluster.clients) do ids[#ids + 1] = node.id end
  ids[#ids + 1] = cluster.admin.id
  for _, admin in ipairs(cluster.admins) do ids[#ids + 1] = admin.id end
  return ids
end

-- It does one thing at a time.
local function ask_admin(words, admin)
  while true do
    local answer = kiln.command((admin or cluster.admin).id, words)
    if answer ~= "busy" then return answer end
    kiln.sleep(POLL)
  end
end

local EXISTS, TOO_FEW_BROKERS, REFUSED_FOR_GOOD = 36, 38, { [17] = true, [37] = true, [40] = true, [42] = true }

-- As the metadata log has it, where there are several.
local function all_serve()
  for _, broker in ipairs(cluster.brokers) do
    if broker:fenced() then return false end
  end
  return true
end

-- true; or nil, what was answered, and whether it will never be answered otherwise.
local function create(name, partitions, replicas, config, admin)
  local words = { "create", name, tostring(partitions) }
  if replicas then words[4] = "replicas=" .. replicas end
  for k, v in pairs(config) do words[#words + 1] = k .. "=" .. tostring(v) end
  local answer = ask_admin(table.concat(words, " "), admin)
  if not answer then return nil, "no answer" end
  local code, text = answer:match("^%a+ (%-?%d+) ?(.*)")
  code = math.tointeger(tonumber(code))
  -- It exists, because an answer to an earlier attempt was lost.
  if answer == "ok" or code == EXISTS then return true end
  local refused = REFUSED_FOR_GOOD[code] or (code == TOO_FEW_BROKERS and all_serve())
  return nil, answer, refused and text
end

-- Must succeed, however long it takes: what the scenario stands on.
local function create_surely(topic)
  local deadline = kiln.now() + SETTLE
  while true do
    local done, answer, refused = create(topic.name, topic.partitions, topic.replicas, topic.config)
    if done then
      topic.created = true
      return
    end
    if refused then kiln.wrong_at(topic.place, string.format("topic %s: %s", topic.name, refused)) end
    if kiln.now() > deadline then kiln.stuck(string.format("topic %s is not created: %s", topic.name, answer)) end
    kiln.sleep(100000000)
  end
end

local PARTITIONS_MAX = 64
local function partition_count(where, v) return check.count(where, v, 1, PARTITIONS_MAX) end
local TOPIC_NAME_MAX = 249 -- bytes (org.apache.kafka.common.internals.Topic)
local function topic_name(where, v)
  local name = check.text(where, v)
  if #name > TOPIC_NAME_MAX then wrong("%s: has %d bytes; %d is the most", where, #name, TOPIC_NAME_MAX) end
  if name == "." or name == ".." or not name:find("^[%w._-]+$") then
    wrong("%s: %s is no name of a topic: letters, digits, '.', '_' and '-', but not \".\" or \"..\"", where, shown(name))
  end
  return name
end

local function topic_options(where, options)
  local most = math.max(#cluster.brokers, 1)
  local function some_brokers(here, v) return check.count(here, v, 1, most) end
  local o = check.options(where, options, { name = topic_name, partitions = partition_count, config = config_of,
    replicas = some_brokers, min_insync = some_brokers })
  if not o.name then wrong("%s: has no name; say name = \"orders\"", where) end
  o.partitions, o.config = o.partitions or 1, o.config or {}
  if o.min_insync then o.config["min.insync.replicas"] = o.min_insync end
  return o
end

-- config: topic keys in Kafka's spelling.
cluster_word("topic", function(self, options)
  local o = topic_options("topic", options)
  if #self.brokers == 0 then wrong("topic: there is no broker to hold it; say Cluster { brokers = 1 }") end
  for _, other in ipairs(self.topics) do
    if other.name == o.name then wrong("topic: there is a topic %s already", shown(o.name)) end
  end
  local topic = setmetatable({ name = o.name, partitions = o.partitions, replicas = o.replicas or false, config = o.config,
    place = kiln.place(), created = false, except = 0 }, Topic)
  self.topics[#self.topics + 1] = topic
  if self.booted then create_surely(topic) end
  return topic
end)

-- Brokers that ended while they started are started when all is healed, and that is the script's: it may not wait for them for ever.
local BOOTED, NOT_YET = 60 * 1000000000, "the cluster does not stand yet"
local function stands(self)
  return poll_until(function() return self.booted end, BOOTED)
end

-- Another one, who gives orders beside the first: cluster:another_admin { name = "ann" }.
cluster_word("another_admin", function(self, options)
  local name = check.options("another_admin", options, { name = check.text }).name or "admin" .. #self.admins + 2
  local key, addresses = bootstrap()
  local node = new_node("admin", name, { [key] = addresses, ["client.request.timeout.ms"] = PATIENCE_MS })
  self.admins[#self.admins + 1] = node
  if self.booted then start_node(node) end
  return setmetatable({ node = node }, Admin)
end)

-- A word of the cluster's and of each admin's: body is given who asks.
local function order_word(name, body)
  cluster_word(name, function(self, options) return body(self.admin, options) end)
  admin_word(name, function(self, options) return body(self.node, options) end)
end

-- One attempt, once the cluster stands: true, or nil and what was answered.
order_word("create_topic", function(admin, options)
  local o = topic_options("create_topic", options)
  if not stands(cluster) then return nil, NOT_YET end
  local done, answer = create(o.name, o.partitions, o.replicas, o.config, admin)
  return done, answer
end)

-- One attempt at a change of a topic: true, or nil and what was answered.
local function change(admin, words)
  if not stands(cluster) then return nil, NOT_YET end
  local answer = ask_admin(table.concat(words, " "), admin)
  if answer == "ok" then return true end
  return nil, answer or "no answer"
end

order_word("delete_topic", function(admin, options)
  local o = check.options("delete_topic", options, { name = topic_name })
  local partitions = PARTITIONS_MAX
  for _, topic in ipairs(cluster.topics) do
    if topic.name == o.name then partitions = topic.partitions end
  end
  return change(admin, { "delete", o.name, tostring(partitions) })
end)

order_word("add_partitions", function(admin, options)
  local o = check.options("add_partitions", options, { name = topic_name, partitions = partition_count })
  -- Whatever becomes of it, records may be there from now on.
  for _, topic in ipairs(cluster.topics) do
    if topic.name == o.name then topic.partitions = math.max(topic.partitions, o.partitions) end
  end
  return change(admin, { "grow", o.name, tostring(o.partitions) })
end)

order_word("alter_topic", function(admin, options)
  local o = check.options("alter_topic", options, { name = topic_name, config = config_of })
  local words = { "alter", o.name }
  for k, v in pairs(o.config) do words[#words + 1] = k .. "=" .. tostring(v) end
  return change(admin, words)
end)

-- broker: its number; without it, what brokers have that set nothing themselves.
local function an_index(where, v)
  if math.type(v) ~= "integer" or v < 1 then wrong("%s: takes a broker's number, not %s", where, shown(v)) end
  return v
end
order_word("alter_brokers", function(admin, options)
  local o = check.options("alter_brokers", options, { broker = an_index, config = config_of })
  local words = { "alter-broker", o.broker and tostring(o.broker) or "*" }
  for k, v in pairs(o.config) do words[#words + 1] = k .. "=" .. tostring(v) end
  return change(admin, words)
end)

-- One attempt: where the partition begins now, or nil and what was answered. offset -1: behind all there is.
local function an_offset(where, v)
  if math.type(v) ~= "integer" then wrong("%s: takes a whole number, not %s", where, shown(v)) end
  return v
end
order_word("delete_records", function(admin, options)
  local o = check.options("delete_records", options, { topic = topic_name, partition = an_offset, offset = an_offset })
  if not stands(cluster) then return nil, NOT_YET end
  local answer = ask_admin(string.format("trim %s %d %d", o.topic, o.partition or 0, o.offset or -1), admin) or "no answer"
  local start = answer:match("^ok (%d+)$")
  if start then return math.tointeger(tonumber(start)) end
  return nil, answer
end)

-- Partitions count from 0, as Kafka's.
local function check_partition(where, topic, partition)
  return check.count(where .. ": the partition", partition, 0, topic.partitions - 1)
end

-- Who led it last, whether it runs or not; nothing before anybody has. Where there is one broker, it is that.
topic_word("leader", function(self, partition)
  partition = check_partition("leader", self, partition or 0)
  local id = kiln.began() and kiln.leader(self.name, partition)
  for _, broker in ipairs(cluster.brokers) do
    if broker.id == id or #cluster.brokers == 1 then return broker end
  end
end)
-- Whether it is led now.
topic_word("led", function(self, partition)
  partition = check_partition("led", self, partition or 0)
  local _, leads = kiln.leader(self.name, partition)
  return leads or false
end)
-- Of several brokers: whom the metadata log has leading it, running or not; nothing, where that is nobody.
topic_word("elected", function(self, partition)
  partition = check_partition("elected", self, partition or 0)
  local id = kiln.state(self.name, partition)
  return id and cluster.brokers[id]
end)
-- Those that it has in sync with it; one broker alone always is.
topic_word("isr", function(self, partition)
  partition = check_partition("isr", self, partition or 0)
  local _, bits = kiln.state(self.name, partition)
  local list = {}
  for number, broker in ipairs(cluster.brokers) do
    if #cluster.brokers == 1 or (bits or 0) >> number & 1 == 1 then list[#list + 1] = broker end
  end
  return list
end)
-- Those that may be elected although they are not in sync: below min.insync.replicas, they have all that is committed.
topic_word("eligible", function(self, partition)
  partition = check_partition("eligible", self, partition or 0)
  local _, _, bits = kiln.state(self.name, partition)
  local list = {}
  for number, broker in ipairs(cluster.brokers) do
    if (bits or 0) >> number & 1 == 1 then list[#list + 1] = broker end
  end
  return list
end)
-- That of the last leader; nothing before anybody has led it.
topic_word("leader_epoch", function(self, partition)
  partition = check_partition("leader_epoch", self, partition or 0)
  local _, _, epoch = kiln.leader(self.name, partition)
  return epoch
end)
-- The directory of a partition, within its broker's root.
topic_word("path", function(self, partition, file)
  return string.format("data/%s-%d/%s", self.name, check_partition("path", self, partition or 0), file or "")
end)

local CLIENT = { acks = "acks", compression = "compression.type", linger = "linger.ms", batch_bytes = "batch.size",
  in_flight = "max.in.flight.requests.per.connection", delivery_timeout = "delivery.timeout.ms",
  request_timeout = "request.timeout.ms", retries = "retries" }

local function ms(where, v) return check.span(where, v) // 1000000 end
local function any(where, v)
  if type(v) ~= "number" and type(v) ~= "string" then wrong("%s: takes a number or a text, not %s", where, shown(v)) end
  return check.plain_number(v)
end
local function a_topic(where, v)
  if getmetatable(v) ~= Topic then wrong("%s: %s is no topic; give what cluster:topic { ... } gave you", where, shown(v)) end
  return v
end

local FINAL_READER, NODE_NAME_MAX = "reader-", 31

local function client_args(kind, options, args)
  local key, addresses = bootstrap()
  args[key] = addresses
  args["client.request.timeout.ms"] = PATIENCE_MS
  for ours, key in pairs(CLIENT) do
    if options[ours] ~= nil then args["client." .. key] = options[ours] end
  end
  -- What a reader missed because it was removed must not make it miss the rest.
  if kind == "consumer" then args["client.auto.offset.reset"] = "earliest" end
  if options.idempotent ~= nil then args["client.enable.idempotence"] = options.idempotent end
  for k, v in pairs(options.client or {}) do args["client." .. k] = v end
  return args
end

-- Clients count from 1.
local function add_client(self, kind, options, args, topic)
  local name = options.name or "client" .. #self.clients + 1
  if name:find(FINAL_READER, 1, true) == 1 then wrong("%s: name: the final readers are called %s...", kind, FINAL_READER) end
  if name:find("^broker%d+$") or name:find("^controller%d+$") then wrong("%s: name: %s is what a server is called", kind, name) end
  if #name > NODE_NAME_MAX then wrong("%s: name: has %d bytes; %d is the most", kind, #name, NODE_NAME_MAX) end
  local node = new_node(kind, name, client_args(kind, options, args))
  node.topic, node.records = topic, options.records or false
  self.clients[#self.clients + 1] = node
  if self.booted then start_node(node) end
  return node
end

local PRODUCER = { first_epoch = whole, first_sequence = whole, to = a_topic, records = whole, keys = whole, rate = any, burst = any, value_bytes = any, window = any,
  name = check.text, idempotent = check.flag, client = config_of, acks = any, compression = any, linger = ms, batch_bytes = any,
  in_flight = any, delivery_timeout = ms, request_timeout = ms, retries = any }

-- records: so many, or without it as many as there is time for. send(n) sends more and waits for their fate.
cluster_word("producer", function(self, options)
  local o = check.options("producer", options, PRODUCER)
  if not o.to then wrong("producer: to what? say to = orders, a topic") end
  local args = { topic = o.to.name, partitions = o.to.partitions }
  for _, key in ipairs { "records", "keys", "rate", "burst", "value_bytes", "window", "first_epoch", "first_sequence" } do
    args[key] = o[key]
  end
  local node = add_client(self, "producer", o, args, o.to)
  self.producers[#self.producers + 1] = node
  return node
end)

local CONSUMER = { from = a_topic, name = check.text, think = ms, poll_records = any, client = config_of, group = any, start = any,
  seek = ms }

-- Reads all partitions for as long as it lives. start: "earliest" (as ever), "latest" or an offset; seek: so often it goes
-- somewhere else, by offset, by time or to an end.
cluster_word("consumer", function(self, options)
  local o = check.options("consumer", options, CONSUMER)
  if o.group then wrong("consumer: groups are not served yet; leave group away") end
  if not o.from then wrong("consumer: from what? say from = orders, a topic") end
  local args = { topic = o.from.name, partitions = o.from.partitions, poll_records = o.poll_records, think_ms = o.think, seek_ms = o.seek }
  if math.type(o.start) == "integer" then
    args.start, args.start_offset = "offset", o.start
  else
    args.start = o.start
  end
  return add_client(self, "consumer", o, args, o.from)
end)

local COUNTS = { "sent", "acked", "failed", "unknown", "read", "lost_allowed", "twice_allowed", "recovered", "elections",
  "images_compared", "images_replayed" }
local counts_meta = { __index = function(_, key) wrong("counts: there is no %s%s", tostring(key), check.known(key, COUNTS)) end }

-- What clients were told so far.
function counts() return setmetatable(kiln.counts(), counts_meta) end

-- A partition that the final reader need not reach.
function leave_out(topic, partition)
  a_topic("leave_out", topic)
  partition = check_partition("leave_out", topic, partition)
  topic.except = topic.except | 1 << partition
  kiln.leave_out(topic.name, partition)
end

-- ---- beginning and end ----------------------------------------------------------------------------

function kiln.setup()
  -- Whoever comes later is given no partitions of theirs.
  if #cluster.brokers > 1 and #cluster.topics > 0 then poll_until(all_serve, REGISTERED) end
  for _, topic in ipairs(cluster.topics) do create_surely(topic) end
  cluster.booted = true
  for _, client in ipairs(cluster.clients) do start_node(client) end
end

-- What an operator does once the harm is over: whoever is down is started, and a directory that went offline comes back by
-- a restart.
local function operate()
  for _, server in ipairs(cluster.servers) do
    if not server:alive() then
      kiln.start(server.id)
    elseif kiln.offline(server.id) then
      stop_node(server)
    end
  end
end

local function must(condition, text)
  local function done()
    operate()
    return condition()
  end
  if not poll_until(done, SETTLE) then kiln.stuck(type(text) == "function" and text() or text) end
end

-- setup() starts them one by one, and each start is an event of its own: who has no life yet has neither ended nor failed.
local function await_clients()
  for _, client in ipairs(cluster.clients) do
    must(function() return kiln.lives(client.id) > 0 end, client.name .. " does not start")
  end
end

local function finish_producers()
  for _, p in ipairs(cluster.producers) do
    if not p:alive() then kiln.sleep(POLL) end -- whoever is to come back when all is healed does so now
    if p:alive() then
      if not p.records then kiln.command(p.id, "finish", 0) end
      must(function() return p:done() or not p:alive() end, p.name .. " has records without an answer")
    end
  end
end

-- Where the final reader stands, and what the broker said of that partition last.
local function where_it_stands(topic, reader)
  local text = "the final reader of " .. topic.name .. " does not reach its end"
  local partition, offset = (kiln.command(reader.id, "where", 1000000000) or ""):match("^(%d+) (%-?%d+)")
  if not partition then return text end
  local name, said = topic.name .. "-" .. partition, ""
  for _, broker in ipairs(cluster.brokers) do
    local last
    for sentence in kiln.said(broker.id):gmatch("[^\n]+") do
      if sentence:find("partition " .. name .. " is offline", 1, true) then last = sentence end
    end
    if last then said = said .. "; " .. broker.name .. " said: " .. last end
  end
  local place = offset == "-1" and name .. " does not tell where it ends" or name .. " stands at offset " .. offset
  return text .. "; " .. place .. said
end

-- A topic's name may have more bytes than a node's.
local function reader_name(topic)
  local name = FINAL_READER .. topic.name
  if #name <= NODE_NAME_MAX then return name end
  for i, other in ipairs(cluster.topics) do
    if other == topic then return FINAL_READER .. i end
  end
end

local function read_everything()
  for _, topic in ipairs(cluster.topics) do
    local args = { topic = topic.name, partitions = topic.partitions, final = true, except = topic.except }
    local reader = new_node("consumer", reader_name(topic), client_args("consumer", {}, args))
    start_node(reader)
    must(function() return reader:done() end, function() return where_it_stands(topic, reader) end)
    stop_node(reader)
  end
end

local function list_topics()
  must(function()
    local answer = ask_admin("topics")
    return answer and answer:sub(1, 2) == "ok"
  end, "topics are not listed")
end

local function stop_all()
  for _, client in ipairs(cluster.clients) do stop_node(client) end
  stop_node(cluster.admin)
  for _, admin in ipairs(cluster.admins) do stop_node(admin) end
  for _, server in ipairs(cluster.servers) do
    stop_node(server)
    if server:alive() then kiln.stuck(server.name .. " does not stop") end
  end
end

-- One of the controllers leads, and each of them knows as much as it does.
local function controllers_agree()
  if #cluster.controllers == 0 then return end
  must(function() return cluster:controller() ~= nil end, "no controller leads the quorum")
  local target = kiln.committed(cluster:controller().id)
  for _, controller in ipairs(cluster.controllers) do
    must(function() return kiln.committed(controller.id) >= target end, function()
      return string.format("%s knows the metadata log to be committed up to %d, and %d was", controller.name,
        kiln.committed(controller.id), target)
    end)
  end
end

-- After the last line of the script: harm ends, everything must be read, everybody leaves in good order.
function kiln.finish()
  if not promised then wrong("finally: say what must hold, as finally { \"everything acknowledged is read\" }") end
  kiln.strangers()
  kiln.sleep(POLL) -- what the last line began is an event of its own
  kiln.heal()
  must(function() return cluster.booted end, "the topics were not created")
  for _, broker in ipairs(cluster.brokers) do
    must(function() return broker:ready() end, #cluster.brokers == 1 and "the broker does not start" or broker.name .. " does not start")
  end
  controllers_agree()
  await_clients()
  finish_producers()
  read_everything()
  if #cluster.brokers > 0 then list_topics() end
  stop_all()
end

if kiln.heard then
  kiln.transcribe(cluster_methods, node_methods, admin_methods, {
    [Cluster_] = function() return "cluster" end,
    [Admin] = function(admin) return admin.node.name end,
    [Topic] = function(topic) return topic.name end,
    [Node] = function(node) return node.name end,
  }, function() return "client" .. #cluster.clients + 1 end)
end
check.globals()
