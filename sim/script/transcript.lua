-- transcript.lua - what a script did, written down as statements without loops, waits and chance: each word that it said, when, and
-- with what. Harm is none of them, for what fired is known by its lines. It changes nothing, and is asked for by who shrinks a run.
--
-- A statement has marks, which no text can hold: \1 and \2 around what may be left out, \3 around the name of a variable, \5 around a
-- number that may be less.
local kiln = ...
local check = kiln.check

-- Where less is simpler. Of a rate it is not, and of limits the default says more.
local COUNTED = { records = true, partitions = true, keys = true, value_bytes = true, window = true, burst = true, poll_records = true }
local RESERVED = {}
for _, word in ipairs { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil", "not",
  "or", "repeat", "return", "then", "true", "until", "while" } do
  RESERVED[word] = true
end

local classes, variables, used = nil, {}, { cluster = true }

-- A variable for what somebody called so; the same name gives the same one.
local function variable(name)
  if variables[name] then return variables[name] end
  local word = name:gsub("[^%w_]", "_")
  if word:find("^%d") or RESERVED[word] or rawget(_G, word) ~= nil then word = "a_" .. word end
  while used[word] do word = word .. "_" end
  variables[name], used[word] = word, true
  return word
end

local function quoted(text) return (string.format("%q", text):gsub("\\\n", "\\n")) end

local UNITS = { { "seconds", 1000000000 }, { "millis", 1000000 } }
local function time_word(ns)
  for _, unit in ipairs(UNITS) do
    if ns % unit[2] == 0 then return string.format("%s(%d)", unit[1], ns // unit[2]) end
  end
  return string.format("millis(%.6f)", ns / 1000000)
end

local written

-- What stands in braces: first what has no name, in its order.
local function table_text(v)
  local parts = {}
  for i, element in ipairs(v) do parts[i] = "\1" .. written(element) .. "\2" end
  for key, value in pairs(v) do
    if math.type(key) ~= "integer" then
      local plain = type(key) == "string" and key:find("^[%a_][%w_]*$") and not RESERVED[key]
      parts[#parts + 1] = "\1" .. (plain and key or "[" .. written(key) .. "]") .. " = " .. written(value, key) .. "\2"
    end
  end
  return "{" .. table.concat(parts) .. "}"
end

local function object_text(v)
  local name = classes[getmetatable(v)](v)
  if name == "cluster" then return "\3cluster\3" end
  local kind = rawget(v, "kind")
  local number = (kind == "broker" or kind == "controller") and name:match("%d+$")
  if number then return "\3cluster\3:" .. kind .. "(" .. (kind == "broker" and number == "1" and "" or number) .. ")" end
  return "\3" .. variable(name) .. "\3"
end

function written(v, key)
  local kind = type(v)
  if kind == "string" then return quoted(v) end
  if check.is_time(v) then return time_word(rawget(v, "ns")) end
  if kind == "table" and classes[getmetatable(v)] then return object_text(v) end
  if kind == "table" then return table_text(v) end
  v = check.plain_number(v)
  if math.type(v) == "integer" and COUNTED[key] then return "\5" .. v .. "\5" end
  return tostring(v)
end

local function arguments(...)
  local first = ...
  if select("#", ...) == 1 and type(first) == "table" and not getmetatable(first) then return " " .. table_text(first) end
  local parts = {}
  for i, v in ipairs { ... } do parts[i] = written(v, "records") end
  return "(" .. table.concat(parts, ", ") .. ")"
end

local function hear(name, text) kiln.heard(kiln.began() and kiln.now() or -1, name, text) end

local function wrap_word(word)
  local body = _G[word]
  _G[word] = function(...)
    hear(word == "Cluster" and "cluster" or "", word .. arguments(...))
    return body(...)
  end
end

-- names: what is made is called so, by its options.
local function wrap_method(methods, word, names)
  local body = methods[word]
  methods[word] = function(self, ...)
    local options = ...
    local name = names and type(options) == "table" and names(options)
    if classes[getmetatable(self)] then hear(name and variable(name) or "", object_text(self) .. ":" .. word .. arguments(...)) end
    return body(self, ...)
  end
end

-- Of a client the name is said, for the plan knows it by that, whoever else is left out.
local function wrap_client(methods, word, next_name)
  local body = methods[word]
  methods[word] = function(self, ...)
    local options = ...
    local told = options
    if type(options) == "table" and not getmetatable(options) then
      told = {}
      for key, value in pairs(options) do told[key] = value end
      told.name = options.name or next_name()
      if type(told.name) == "string" then hear(variable(told.name), object_text(self) .. ":" .. word .. arguments(told)) end
    end
    return body(self, ...)
  end
end

-- Given the methods of clusters, of nodes and of admins, what each class calls its objects, and how the next client will be called.
function kiln.transcribe(cluster_methods, node_methods, admin_methods, class_names, next_client)
  classes = class_names
  for _, word in ipairs { "Cluster", "split", "time_limit", "leave_out", "heal", "finally" } do wrap_word(word) end
  wrap_method(cluster_methods, "topic", function(options) return type(options.name) == "string" and options.name end)
  for _, word in ipairs { "create_topic", "delete_topic", "add_partitions", "alter_topic", "alter_brokers", "delete_records" } do
    wrap_method(cluster_methods, word)
    wrap_method(admin_methods, word)
  end
  wrap_method(cluster_methods, "another_admin", function(options) return type(options) == "table" and options.name end)
  for _, word in ipairs { "producer", "consumer" } do wrap_client(cluster_methods, word, next_client) end
  for _, word in ipairs { "start", "stop", "restart", "send" } do wrap_method(node_methods, word) end
end
