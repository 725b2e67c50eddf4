-- closed.lua - the libraries that scripts see: without what depends on an address, a clock or the collector, and without what does
-- more than its steps say. What loops in the library's C for as long as a script likes is written in Lua here, where the engine
-- counts it, or has a limit.

local STRING_MAX = 16384 -- bytes; the engine makes no longer string
local PATTERN_MAX = 256
local CAPTURES_MAX = 32
local UNPACK_MAX = 4096

-- ---- order and addresses ----------------------------------------------------------------------

local raw_next, raw_type, raw_tostring = next, type, tostring
local RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local ra, rb = RANK[raw_type(a)], RANK[raw_type(b)]
  if ra ~= rb then return ra < rb end
  if raw_type(a) == "boolean" then return not a and b end
  return a < b
end

-- A stable merge sort: the library's own asks the clock for its pivots.
local function sort(list, less)
  less = less or function(a, b) return a < b end
  local n, width, from, to = #list, 1, list, {}
  while width < n do
    for low = 1, n, 2 * width do
      local mid, high = math.min(low + width, n + 1), math.min(low + 2 * width, n + 1)
      local i, j = low, mid
      for k = low, high - 1 do
        if i < mid and (j >= high or not less(from[j], from[i])) then
          to[k], i = from[i], i + 1
        else
          to[k], j = from[j], j + 1
        end
      end
    end
    from, to, width = to, from, 2 * width
  end
  if from ~= list then
    for i = 1, n do list[i] = from[i] end
  end
end
table.sort = sort

-- Walks in the order of the keys.
function pairs(t)
  if raw_type(t) ~= "table" then error("pairs: takes a table, not a " .. raw_type(t), 2) end
  local keys = {}
  for k in raw_next, t do
    if not RANK[raw_type(k)] then
      error("pairs: a key is a " .. raw_type(k) .. "; only numbers, strings and booleans have an order", 2)
    end
    keys[#keys + 1] = k
  end
  sort(keys, before)
  local i = 0
  return function()
    i = i + 1
    if keys[i] ~= nil then return keys[i], t[keys[i]] end
  end
end

-- Tables and functions have no text of their own but their address, which is nobody's business.
function tostring(v)
  local kind = raw_type(v)
  if kind == "number" or kind == "string" or kind == "boolean" or kind == "nil" then return raw_tostring(v) end
  local meta = getmetatable(v)
  if raw_type(meta) == "table" and meta.__tostring then return meta.__tostring(v) end
  return kind
end

local function wrong(text) error(text, 0) end

local function text_of(v, at, name)
  if raw_type(v) == "number" then return raw_tostring(v) end
  if raw_type(v) ~= "string" then
    wrong("bad argument #" .. at .. " to '" .. name .. "' (string expected, got " .. raw_type(v) .. ")")
  end
  return v
end

local raw_find, raw_gsub, raw_format = string.find, string.gsub, string.format
local raw_concat, raw_unpack, raw_rep = table.concat, table.unpack, string.rep

function string.format(form, ...)
  form = text_of(form, 1, "format")
  if raw_find(raw_gsub(form, "%%%%", ""), "%%[-+ #0-9.]*p") then error("format: %p shows an address", 2) end
  local args, count = { ... }, select("#", ...)
  for i = 1, count do
    if RANK[raw_type(args[i])] == nil and args[i] ~= nil then args[i] = tostring(args[i]) end
  end
  return raw_format(form, raw_unpack(args, 1, count))
end

-- What the collector runs, and when, is no part of a scenario.
local raw_setmetatable = setmetatable
function setmetatable(t, meta)
  if raw_type(meta) == "table" and (rawget(meta, "__gc") ~= nil or rawget(meta, "__mode") ~= nil) then
    error("setmetatable: __gc and __mode depend on when memory is collected", 2)
  end
  return raw_setmetatable(t, meta)
end

-- ---- lists and long strings -------------------------------------------------------------------

function table.insert(list, ...)
  local count, last = select("#", ...), #list + 1
  local at, value = ...
  if count == 1 then at, value = last, at end
  if count ~= 1 and count ~= 2 then error("wrong number of arguments to 'insert'", 2) end
  if at < 1 or at > last then error("bad argument #2 to 'insert' (position out of bounds)", 2) end
  for i = last, at + 1, -1 do list[i] = list[i - 1] end
  list[at] = value
end

function table.remove(list, at)
  local size = #list
  if at ~= nil and at ~= size and (at < 1 or at > size + 1) then
    error("bad argument #2 to 'remove' (position out of bounds)", 2)
  end
  at = at or size
  local value = list[at]
  while at < size do
    list[at] = list[at + 1]
    at = at + 1
  end
  list[at] = nil
  return value
end

function table.move(from, first, last, at, to)
  to = to or from
  if at > last or at <= first or to ~= from then
    for i = 0, last - first do to[at + i] = from[first + i] end
  else
    for i = last - first, 0, -1 do to[at + i] = from[first + i] end
  end
  return to
end

function table.unpack(list, first, last)
  first, last = first or 1, last or #list
  if first <= last and last - first >= UNPACK_MAX then error("too many results to unpack", 2) end
  return raw_unpack(list, first, last)
end

function table.concat(list, separator, first, last)
  local plain, count = {}, 0
  for i = first or 1, last or #list do
    count = count + 1
    plain[count] = list[i]
    if plain[count] == nil then error("invalid value (at index " .. i .. ") in table for 'concat'", 2) end
  end
  return raw_concat(plain, separator, 1, count)
end

function string.rep(s, n, separator)
  local one = #s + #(separator or "")
  if n > STRING_MAX or (n > 0 and one * n > STRING_MAX + one) then error("resulting string too large", 2) end
  return raw_rep(s, n, separator)
end

-- ---- patterns, as the manual has them (Lua 5.4, 6.4.1) -------------------------------------------

local byte, sub, char = string.byte, string.sub, string.char
local OPEN, POSITION = -1, -2 -- sizes of captures that have no size

-- Behind the single character, class or set that begins at j.
local function item_end(m, j)
  local p = m.pattern
  local c = byte(p, j)
  j = j + 1
  if c == 37 then -- %
    if j > #p then wrong("malformed pattern (ends with '%')") end
    return j + 1
  end
  if c ~= 91 then return j end -- [
  if byte(p, j) == 94 then j = j + 1 end -- ^
  repeat
    if j > #p then wrong("malformed pattern (missing ']')") end
    local escape = byte(p, j) == 37 and j < #p
    j = j + (escape and 2 or 1)
  until byte(p, j) == 93 -- ]
  return j + 1
end

-- Whether a byte is of the class or set from j to before after. The library knows; it is asked once.
local function is_of(m, c, j, after)
  local known = m.classes[j]
  if known == nil then
    known = { class = "^" .. sub(m.pattern, j, after - 1) }
    m.classes[j] = known
  end
  if known[c] == nil then known[c] = raw_find(char(c), known.class) ~= nil end
  return known[c]
end

local function fits(m, i, j, after)
  local c = byte(m.text, i)
  if c == nil then return false end
  local first = byte(m.pattern, j)
  if first == 46 then return true end -- .
  if first == 37 or first == 91 then return is_of(m, c, j, after) end
  return first == c
end

local match

-- As many as there are, then ever fewer.
local function most(m, i, j, after)
  local count = 0
  while fits(m, i + count, j, after) do count = count + 1 end
  while count >= 0 do
    local found = match(m, i + count, after + 1)
    if found then return found end
    count = count - 1
  end
end

local function fewest(m, i, j, after)
  while true do
    local found = match(m, i, after + 1)
    if found then return found end
    if not fits(m, i, j, after) then return nil end
    i = i + 1
  end
end

local function begin_capture(m, i, j, size)
  if m.level == CAPTURES_MAX then wrong("too many captures") end
  m.level = m.level + 1
  m.from[m.level], m.size[m.level] = i, size
  local found = match(m, i, j)
  if not found then m.level = m.level - 1 end
  return found
end

local function end_capture(m, i, j)
  local at = m.level
  while at > 0 and m.size[at] ~= OPEN do at = at - 1 end
  if at == 0 then wrong("invalid pattern capture") end
  m.size[at] = i - m.from[at]
  local found = match(m, i, j)
  if not found then m.size[at] = OPEN end
  return found
end

local function again(m, i, at)
  if at < 1 or at > m.level or m.size[at] == OPEN then wrong("invalid capture index %" .. at) end
  local size = m.size[at]
  if size < 0 or sub(m.text, m.from[at], m.from[at] + size - 1) ~= sub(m.text, i, i + size - 1) then return nil end
  return i + size
end

local function balanced(m, i, j)
  local first, last = byte(m.pattern, j, j + 1)
  if last == nil then wrong("malformed pattern (missing arguments to '%b')") end
  if byte(m.text, i) ~= first then return nil end
  local depth = 1
  while true do
    i = i + 1
    local c = byte(m.text, i)
    if c == nil then return nil end
    if c == last then
      depth = depth - 1
      if depth == 0 then return i + 1 end
    elseif c == first then
      depth = depth + 1
    end
  end
end

-- Behind the frontier's set, if i is one.
local function frontier(m, i, j)
  if byte(m.pattern, j) ~= 91 then wrong("missing '[' after '%f' in pattern") end
  local after = item_end(m, j)
  local left, right = i > 1 and byte(m.text, i - 1) or 0, byte(m.text, i) or 0
  if is_of(m, left, j, after) or not is_of(m, right, j, after) then return nil end
  return after
end

-- What begins with % and is no class: found or not, and what follows it in the pattern; nothing for a class.
local function special(m, i, j)
  local c = byte(m.pattern, j + 1)
  if c == 98 then return true, balanced(m, i, j + 2), j + 4 end -- b
  if c == 102 then -- f
    local after = frontier(m, i, j + 2)
    return true, after and i, after
  end
  if c and c >= 48 and c <= 57 then return true, again(m, i, c - 48), j + 2 end
end

-- Where a match of the pattern from j on ends that begins at i.
function match(m, i, j)
  local p = m.pattern
  while j <= #p do
    local c = byte(p, j)
    if c == 40 then -- (
      if byte(p, j + 1) == 41 then return begin_capture(m, i, j + 2, POSITION) end
      return begin_capture(m, i, j + 1, OPEN)
    end
    if c == 41 then return end_capture(m, i, j + 1) end -- )
    if c == 36 and j == #p then return i == #m.text + 1 and i or nil end -- $
    local is_special, found, behind
    if c == 37 then is_special, found, behind = special(m, i, j) end
    if is_special then
      if not found then return nil end
      i, j = found, behind
    else
      local after = item_end(m, j)
      local how = byte(p, after)
      if how == 42 then return most(m, i, j, after) end -- *
      if how == 45 then return fewest(m, i, j, after) end -- -
      local one = fits(m, i, j, after)
      if how == 43 then return one and most(m, i + 1, j, after) or nil end -- +
      if how == 63 then -- ?
        local found_with = one and match(m, i + 1, after + 1)
        if found_with then return found_with end
        j = after + 1
      elseif not one then
        return nil
      else
        i, j = i + 1, after
      end
    end
  end
  return i
end

local function capture(m, at, i, behind)
  if at > m.level then
    if at ~= 1 then wrong("invalid capture index %" .. at) end
    return sub(m.text, i, behind - 1)
  end
  local size = m.size[at]
  if size == OPEN then wrong("unfinished capture") end
  return size == POSITION and m.from[at] or sub(m.text, m.from[at], m.from[at] + size - 1)
end

-- The captures; without any, all that was matched, where whole asks for it.
local function captures(m, i, behind, whole)
  local all = {}
  local count = m.level
  if count == 0 and whole then count = 1 end
  for at = 1, count do all[at] = capture(m, at, i, behind) end
  return raw_unpack(all, 1, count)
end

local function new_match(text, pattern, name)
  text, pattern = text_of(text, 1, name), text_of(pattern, 2, name)
  if #pattern > PATTERN_MAX then wrong(name .. ": a pattern of more than " .. PATTERN_MAX .. " bytes") end
  return { text = text, pattern = pattern, level = 0, from = {}, size = {}, classes = {} }
end

-- A place in a text of that size, which may be counted from its end.
local function place(init, size)
  init = init or 1
  if init > 0 then return init end
  return init == 0 and 1 or math.max(size + init + 1, 1)
end

-- The first match from i on, and where it ends.
local function search(m, i)
  local anchored = byte(m.pattern, 1) == 94 -- ^
  for at = i, anchored and i or #m.text + 1 do
    m.level = 0
    local behind = match(m, at, anchored and 2 or 1)
    if behind then return at, behind end
  end
end

function string.find(text, pattern, init, plain)
  local m = new_match(text, pattern, "find")
  local i = place(init, #m.text)
  if i > #m.text + 1 then return nil end
  if plain or not raw_find(m.pattern, "[%^%$%*%+%?%.%(%[%%%-]") then return raw_find(m.text, m.pattern, i, true) end
  local at, behind = search(m, i)
  if at then return at, behind - 1, captures(m, at, behind, false) end
  return nil
end

function string.match(text, pattern, init)
  local m = new_match(text, pattern, "match")
  local i = place(init, #m.text)
  if i > #m.text + 1 then return nil end
  local at, behind = search(m, i)
  if at then return captures(m, at, behind, true) end
  return nil
end

function string.gmatch(text, pattern, init)
  local m = new_match(text, pattern, "gmatch")
  local at, last = place(init, #m.text), nil
  return function()
    while at <= #m.text + 1 do
      m.level = 0
      local from, behind = at, match(m, at, 1)
      at = at + 1
      if behind and behind ~= last then
        at, last = behind, behind
        return captures(m, from, behind, true)
      end
    end
  end
end

-- The replacement's text with its %0 to %9.
local function fill(m, form, i, behind)
  local parts, at = {}, 1
  while at <= #form do
    local c = byte(form, at)
    local d = c == 37 and byte(form, at + 1)
    if not d then
      if c == 37 then wrong("invalid use of '%' in replacement string") end
      parts[#parts + 1] = char(c)
    elseif d == 37 then
      parts[#parts + 1] = "%"
    elseif d == 48 then
      parts[#parts + 1] = sub(m.text, i, behind - 1)
    elseif d > 48 and d <= 57 then
      parts[#parts + 1] = capture(m, d - 48, i, behind)
    else
      wrong("invalid use of '%' in replacement string")
    end
    at = at + (d and 2 or 1)
  end
  return raw_concat(parts)
end

local function replaced(m, by, i, behind)
  local kind, value = raw_type(by), nil
  if kind == "function" then
    value = by(captures(m, i, behind, true))
  elseif kind == "table" then
    value = by[capture(m, 1, i, behind)]
  else
    return fill(m, by, i, behind)
  end
  if not value then return sub(m.text, i, behind - 1) end
  if raw_type(value) ~= "string" and raw_type(value) ~= "number" then
    wrong("invalid replacement value (a " .. raw_type(value) .. ")")
  end
  return value
end

function string.gsub(text, pattern, by, count_max)
  local m = new_match(text, pattern, "gsub")
  local kind = raw_type(by)
  if kind ~= "function" and kind ~= "table" then by = text_of(by, 3, "gsub") end
  local anchored = byte(m.pattern, 1) == 94
  local parts, i, count, last = {}, 1, 0, nil
  while count < (count_max or #m.text + 1) do
    m.level = 0
    local behind = match(m, i, anchored and 2 or 1)
    if behind and behind ~= last then
      count = count + 1
      parts[#parts + 1] = replaced(m, by, i, behind)
      i, last = behind, behind
    elseif i <= #m.text then
      parts[#parts + 1] = sub(m.text, i, i)
      i = i + 1
    else
      break
    end
    if anchored then break end
  end
  parts[#parts + 1] = sub(m.text, i)
  return raw_concat(parts), count
end
