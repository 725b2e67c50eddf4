-- checks.lua - times that know their unit, and what every word asks of its arguments: a mistake says which word, what it was given and
-- what would be right.
local kiln = ...
local check = {}
kiln.check = check

function check.wrong(...) error(string.format(...), 0) end
local wrong = check.wrong

-- What a person sees of a value.
local function shown(v)
  local kind = type(v)
  if kind == "string" then return '"' .. v .. '"' end
  if kind == "number" or kind == "boolean" or v == nil then return tostring(v) end
  local meta = getmetatable(v)
  if type(meta) == "table" and meta.__tostring then return tostring(v) end
  return "a " .. kind
end
check.shown = shown

-- " did you mean x?" or nothing.
local function near(word, names)
  local nearest = type(word) == "string" and kiln.nearest(word, names)
  return nearest and " did you mean " .. nearest .. "?" or ""
end

-- "; did you mean x? there are x, y" for a word that is none of the names.
function check.known(word, names)
  return ";" .. near(word, names) .. " there are " .. table.concat(names, ", ")
end

-- ---- times ------------------------------------------------------------------------------------

local Time = { __name = "time" }
Time.__index = function(_, key) wrong("a time has no field %s", shown(key)) end

local function is_time(v) return getmetatable(v) == Time end
local function ns_of(v) return rawget(v, "ns") end
local function time(ns) return setmetatable({ ns = ns }, Time) end
check.is_time, check.time_of = is_time, time

local FURTHEST = 1 << 62

-- A unit: seconds(1.5) is that many of it.
function check.unit(name, ns)
  return function(n)
    if type(n) ~= "number" then wrong("%s: takes a number, not %s", name, shown(n)) end
    if n ~= n or math.abs(n) * 1.0 * ns >= FURTHEST then wrong("%s: no world lasts so long as %s", name, shown(n)) end
    return time(math.floor(n * ns))
  end
end

local function both(what, a, b)
  if is_time(a) and is_time(b) then return ns_of(a), ns_of(b) end
  local other = is_time(a) and b or a
  wrong("%s: %s has no unit; say seconds(%s)", what, shown(other), type(other) == "number" and other or "...")
end

-- A time and a number, whichever comes first.
local function scaled(what, a, b)
  local t, n = a, b
  if not is_time(t) then t, n = b, a end
  if type(n) ~= "number" then wrong("a time %s: takes a number, not %s", what, shown(n)) end
  return ns_of(t), n
end

function Time.__add(a, b)
  local x, y = both("a time +", a, b)
  return time(x + y)
end
function Time.__sub(a, b)
  local x, y = both("a time -", a, b)
  return time(x - y)
end
function Time.__mul(a, b)
  local x, n = scaled("*", a, b)
  return time(math.floor(x * n))
end
function Time.__div(a, b)
  if is_time(a) and is_time(b) then return ns_of(a) / ns_of(b) end
  if not is_time(a) then wrong("/: a number is not divided by a time") end
  local x, n = scaled("/", a, b)
  return time(math.floor(x / n))
end
function Time.__idiv(a, b)
  if is_time(a) and is_time(b) then return ns_of(a) // ns_of(b) end
  return a / b
end
function Time.__mod(a, b)
  local x, y = both("a time %", a, b)
  return time(x % y)
end
function Time.__unm(a) return time(-ns_of(a)) end
function Time.__eq(a, b) return ns_of(a) == ns_of(b) end
function Time.__lt(a, b)
  local x, y = both("a time <", a, b)
  return x < y
end
function Time.__le(a, b)
  local x, y = both("a time <=", a, b)
  return x <= y
end
function Time.__tostring(a) return kiln.time_text(ns_of(a)) end
function Time.__concat(a, b) return tostring(a) .. tostring(b) end

-- ---- arguments --------------------------------------------------------------------------------

-- In nanoseconds. Nothing is the same in every unit.
function check.time(where, v)
  if v == nil then wrong("%s: how long? say it as seconds(5)", where) end
  if v == 0 then return 0 end
  if type(v) == "number" then wrong("%s: %s has no unit; say seconds(%s) or millis(%s)", where, v, v, v) end
  if not is_time(v) then wrong("%s: %s is no time; say it as seconds(5)", where, shown(v)) end
  return ns_of(v)
end

function check.span(where, v)
  local ns = check.time(where, v)
  if ns < 0 then wrong("%s: a time cannot be negative", where) end
  return ns
end

-- One that may be left away.
function check.maybe_span(where, v) return v ~= nil and check.span(where, v) or nil end

-- A stretch of time in which something holds.
function check.lasting(where, v)
  local ns = check.span(where, v)
  if ns == 0 then wrong("%s: 0 is no time in which anything happens; say it as millis(1)", where) end
  return ns
end

function check.maybe_lasting(where, v) return v ~= nil and check.lasting(where, v) or nil end

function check.action(where, v)
  if type(v) ~= "function" then wrong("%s: takes a function, not %s", where, shown(v)) end
  return v
end

function check.text(where, v)
  if type(v) ~= "string" then wrong("%s: takes a text, not %s", where, shown(v)) end
  return v
end

-- 1e5 is the whole number 100000 as much as that is; anything else stays what it is.
function check.plain_number(v) return type(v) == "number" and math.tointeger(v) or v end

-- A whole number from low on, and up to high where that is given.
function check.count(where, v, low, high)
  local n = check.plain_number(v)
  if math.type(n) ~= "integer" then wrong("%s: must be a whole number, not %s", where, shown(v)) end
  if n < low or (high and n > high) then
    wrong("%s: %d is not %s", where, n, high and "from " .. low .. " to " .. high or low .. " or more")
  end
  return n
end

-- A condition. A function is always true: who leaves its () away has asked nothing.
function check.condition(where, v)
  if type(v) == "function" then wrong("%s: the condition is a function, not its answer; call it, as producer:done()", where) end
  return v
end

function check.flag(where, v)
  if type(v) ~= "boolean" then wrong("%s: must be true or false, not %s", where, shown(v)) end
  return v
end

function check.map(where, v)
  if type(v) ~= "table" then wrong("%s: takes a table as { name = value }, not %s", where, shown(v)) end
  return v
end

-- Options in braces. spec: what checks each of them, by its name.
function check.options(where, options, spec)
  if options == nil then return {} end
  if type(options) ~= "table" or getmetatable(options) then
    wrong("%s: takes its options in braces, as { name = value }, not %s", where, shown(options))
  end
  local names, taken = {}, {}
  for name in pairs(spec) do names[#names + 1] = name end
  for name, value in pairs(options) do
    if type(name) ~= "string" then wrong("%s: %s has no name; say name = value%s", where, shown(value), check.known(name, names)) end
    if not spec[name] then wrong("%s: no option %s%s", where, name, check.known(name, names)) end
    taken[name] = spec[name](where .. ": " .. name, value)
  end
  return taken
end

-- A list in braces, each element of which is checked.
function check.list(where, list, element)
  if type(list) ~= "table" or getmetatable(list) then
    wrong("%s: takes a list in braces, as { \"...\" }, not %s", where, shown(list))
  end
  for key, value in pairs(list) do
    if math.type(key) ~= "integer" then wrong("%s: no option %s; it takes a list", where, shown(key)) end
    element(where, value)
  end
  return list
end

-- For words that take no more than they say.
function check.nothing(where, ...)
  if select("#", ...) > 0 then wrong("%s: takes nothing, not %s", where, shown((...))) end
end

-- ---- things with words of their own ---------------------------------------------------------------

-- A class whose objects know their fields and methods and nothing else; what gives it a method; and its methods by name.
function check.class(kind)
  local class, methods = { __name = kind }, {}
  class.__index = function(_, key)
    local method = methods[key]
    if method == nil then
      local names = {}
      for name in pairs(methods) do names[#names + 1] = name end
      wrong("a %s has no word %s%s", kind, tostring(key), check.known(key, names))
    end
    return method
  end
  -- method(name, body): body's self is an object of this class.
  local function method(name, body)
    methods[name] = function(self, ...)
      if getmetatable(self) ~= class then wrong("%s: call it with a colon, as %s:%s(...)", name, kind, name) end
      return body(self, ...)
    end
  end
  return class, method, methods
end

-- Variables that are not there. Words are there before any script.
function check.globals()
  setmetatable(_G, { __index = function(_, name)
    local names = {}
    for known in pairs(_G) do names[#names + 1] = known end
    local guess = near(name, names)
    wrong("there is no variable or word %s%s", shown(name), guess == "" and "" or ";" .. guess)
  end })
end
