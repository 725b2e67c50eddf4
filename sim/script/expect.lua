-- expect.lua - what a failed expect says: its condition as it stands in the script, and what its parts were.
local kiln = ...

local FOUND_MAX = 8 -- values that are shown

local KEYWORDS = {}
for _, word in ipairs { "and", "or", "not", "nil", "true", "false", "function", "end", "return", "if", "then", "else", "local" } do
  KEYWORDS[word] = true
end
-- What may be asked once more: it only looks.
local LOOKS = { counts = true, rows = true, reached = true, took = true, now = true, alive = true, ready = true, done = true, said = true,
  controller = true, quorum_epoch = true, role = true }

-- Behind the text that begins with a quote at i.
local function behind_text(s, i)
  local quote = s:sub(i, i)
  local j = i + 1
  while j <= #s and s:sub(j, j) ~= quote do j = j + (s:sub(j, j) == "\\" and 2 or 1) end
  return j + 1
end

local DEPTH = { ["("] = 1, ["{"] = 1, ["["] = 1, [")"] = -1, ["}"] = -1, ["]"] = -1 }

-- The first argument of the call whose parenthesis stands before i.
local function first_argument(s, i)
  local from, depth, blocks = i, 0, 0
  while i <= #s do
    local c = s:sub(i, i)
    local word = s:match("^[%a_][%w_]*", i)
    if word then
      if word == "function" or word == "then" or word == "do" then blocks = blocks + 1 end
      if word == "end" then blocks = blocks - 1 end
      i = i + #word
    elseif c == '"' or c == "'" then
      i = behind_text(s, i)
    else
      if c == "," and depth == 0 and blocks == 0 then break end
      depth = depth + (DEPTH[c] or 0)
      if depth < 0 then break end
      i = i + 1
    end
  end
  return (s:sub(from, i - 1):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

-- The condition of the expect that stands in that line; nothing when it is not to be seen there.
local function condition_at(line)
  local source = kiln.source(line)
  local _, open = source:find("expect%s*%(")
  local newline = source:find("\n", 1, true) or #source + 1
  if not open or open > newline then return nil end
  return first_argument(source, open + 1)
end

local function plain(v)
  local kind = type(v)
  return kind == "number" or kind == "string" or kind == "boolean" or v == nil or kiln.check.is_time(v)
end

-- One step along a path: .name, :name() or a call of something that only looks. What comes then, and where the path goes on.
local function step(v, s, i, name)
  local field = s:match("^%.([%a_][%w_]*)", i)
  if field then return v[field], i + 1 + #field, field end
  local method, args = s:match("^:([%a_][%w_]*)(%b())", i)
  if method and LOOKS[method] and args == "()" then return v[method](v), i + 1 + #method + #args, method end
  local text = s:match('^%s*("[^"]*")', i) or s:match('^%s*(%("[^"]*"%))', i)
  if LOOKS[name] and text then
    local _, last = s:find(text, i, true)
    return v(text:match('"(.*)"')), last + 1, name
  end
  if LOOKS[name] and s:sub(i, i + 1) == "()" then return v(), i + 2, name end
end

-- The value of the longest path that begins at i with that word, and where it ends.
local function path_at(s, i, word, visible)
  local v = visible[word]
  if v == nil then v = rawget(_G, word) end
  local at, name = i + #word, word
  while true do
    local good, next_v, next_at, next_name = pcall(step, v, s, at, name)
    if not good or not next_at then break end
    v, at, name = next_v, next_at, next_name
  end
  return v, at
end

-- "acked = 12, before.acked = 13": what the condition speaks of.
local function values_of(s, visible)
  local found, seen, i = {}, {}, 1
  while i <= #s and #found < FOUND_MAX do
    local word = s:match("^[%a_][%w_]*", i)
    if s:find("^['\"]", i) then
      i = behind_text(s, i)
    elseif word == "function" then
      break -- what it does when it is called is not to be seen here
    elseif word and not KEYWORDS[word] then
      local v, behind = path_at(s, i, word, visible)
      local text = s:sub(i, behind - 1)
      local called = s:find("^%s*[%(\"'{]", behind) or s:find("^:", behind)
      if plain(v) and not called and not seen[text] then
        found[#found + 1] = text .. " = " .. kiln.check.shown(v)
        seen[text] = true
      end
      i = behind
    else
      i = i + (word and #word or math.max(#(s:match("^%d[%w.]*", i) or ""), 1))
    end
  end
  return table.concat(found, ", ")
end

-- What an expect in the line of the script that runs now has to say: its condition, and what was found. Texts may be empty.
function kiln.explain()
  local line, visible = kiln.caller()
  local condition = line and condition_at(line)
  if not condition then return "", "" end
  local good, found = pcall(values_of, condition, visible)
  return condition, good and found or ""
end
