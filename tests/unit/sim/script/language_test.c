/* language_test.c - the closed world in which a script lives: nothing of the machine, everything in
 * order. */
#include <stdio.h>
#include "scripts.h"

TEST(nothing_of_the_machine_is_within_reach)
{
    assert_prints(
        "for _, name in ipairs { \"os\", \"io\", \"debug\", \"package\", \"require\", "
        "\"coroutine\",\n"
        "  \"utf8\", \"load\", \"loadfile\", \"dofile\", \"collectgarbage\", \"next\" } do\n"
        "  if rawget(_G, name) ~= nil then print(name) end\nend\n"
        "print(math.random, math.randomseed)\n"
        "local n = 0\n"
        "for _ in pairs(_G) do n = n + 1 end\n"
        "print(n > 0)\n",
        "nil\tnil\ntrue\n");
}

TEST(pairs_walks_in_the_order_of_the_keys)
{
    assert_prints(
        "local t = { b = 1, a = 2, [10] = 3, [2] = 4, [true] = 5, [false] = 6, [2.5] = 7 }\n"
        "for k, v in pairs(t) do print(k, v) end\n",
        "2\t4\n2.5\t7\n10\t3\na\t2\nb\t1\nfalse\t6\ntrue\t5\n");
}

TEST(pairs_lets_its_table_change_under_it)
{
    assert_prints("local t = { a = 1, b = 2, c = 3 }\n"
                  "for k in pairs(t) do t[k] = nil; t.d = 4; print(k) end\n",
                  "a\nb\nc\n");
}

TEST(pairs_refuses_keys_that_have_no_order)
{
    assert_mistake("local t = { [{}] = 1 }\nfor k in pairs(t) do end",
                   "orders.lua:2: pairs: a key");
}

TEST(sort_keeps_equal_elements_in_their_order)
{
    assert_prints("local t = {}\n"
                  "for i = 1, 1000 do t[i] = { key = i * 7919 % 13, at = i } end\n"
                  "table.sort(t, function(a, b) return a.key < b.key end)\n"
                  "local good = true\n"
                  "for i = 2, 1000 do\n"
                  "  local a, b = t[i - 1], t[i]\n"
                  "  good = good and (a.key < b.key or (a.key == b.key and a.at < b.at))\n"
                  "end\n"
                  "print(good, #t)\n",
                  "true\t1000\n");
}

TEST(sort_sorts_every_length)
{
    assert_prints("for n = 0, 40 do\n"
                  "  local t = {}\n"
                  "  for i = 1, n do t[i] = i * 31 % 17 end\n"
                  "  table.sort(t)\n"
                  "  for i = 2, n do if t[i] < t[i - 1] then print(n) end end\n"
                  "  if #t ~= n then print(n) end\n"
                  "end\n",
                  "");
}

TEST(tables_and_functions_print_no_address)
{
    assert_prints(
        "print({}, print, function() end)\n"
        "print(tostring({}) .. tostring(print))\n"
        "print(string.format(\"%s %s %5s|\", {}, print, nil))\n"
        "print((\"%s\"):format({}))\n"
        "print(tostring(setmetatable({}, { __tostring = function() return \"me\" end })))\n",
        "table\tfunction\tfunction\ntablefunction\ntable function   nil|\ntable\nme\n");
}

TEST(format_refuses_to_show_an_address)
{
    assert_mistake("\nstring.format(\"%p\", {})", "orders.lua:2: format: %p shows an address");
    assert_mistake("(\"x %-20p\"):format({})", "orders.lua:1: format: %p shows an address");
    assert_prints("print(string.format(\"100%%p %d\", 3))", "100%p 3\n");
}

TEST(errors_show_no_address)
{
    assert_mistake("error({})", "an error without a text");
    assert_mistake("local t = {}\nlocal x = t .. \"\"", "orders.lua:2: attempt to concatenate");
}

TEST(what_runs_when_memory_is_collected_is_refused)
{
    assert_mistake("\nsetmetatable({}, { __gc = function() now() end })",
                   "orders.lua:2: setmetatable");
    assert_mistake("setmetatable({}, { __mode = \"k\" })", "orders.lua:1: setmetatable");
    assert_prints("print(setmetatable({}, { __index = { x = 3 } }).x)", "3\n");
}

static void draw_ten(uint64_t seed, char out[128])
{
    struct scripted t;
    scripted_init(&t);
    t.options.seed = seed;
    scripted_run(&t, "local t = {}\nfor i = 1, 10 do t[i] = random(1000) end\n"
                     "print(table.concat(t, \" \"))\nerror(\"THE END\")");
    snprintf(out, 128, "%s", t.printed.data == NULL ? "" : t.printed.data);
    scripted_done(&t);
}

TEST(chance_is_by_the_seed_alone)
{
    char first[128], again[128], other[128];
    draw_ten(7, first);
    draw_ten(7, again);
    draw_ten(8, other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
}

TEST(random_gives_every_number_from_1_to_n)
{
    assert_prints("local seen = {}\n"
                  "for _ = 1, 500 do seen[random(6)] = true end\n"
                  "for k in pairs(seen) do print(k) end\n",
                  "1\n2\n3\n4\n5\n6\n");
    assert_mistake("random(0)", "orders.lua:1: random: 0 is not 1 or more");
}

TEST(times_know_their_unit)
{
    assert_prints(
        "print(millis(1.5), seconds(2), minutes(1), hours(1), days(1), years(1))\n"
        "print(seconds(2) + millis(500), 3 * seconds(2), seconds(1) / 4, -minutes(2))\n"
        "print(seconds(9) // seconds(2), seconds(9) / seconds(2), seconds(9) % seconds(2))\n"
        "print(seconds(60) == minutes(1), seconds(1) < minutes(1), \"in \" .. days(2))\n",
        "1500us\t2s\t1m\t1h\t1d\t1y\n"
        "2.5s\t6s\t250ms\t-2m\n"
        "4\t4.5\t1s\n"
        "true\ttrue\tin 2d\n");
}

/* What others draw does not move it, and it does not move what others draw. */
TEST(a_named_stream_of_chance_is_its_own)
{
    static const char *const scripts[] = {
        "for _ = 1, 3 do print(random(\"cuts\", 1000)) end",
        "for _ = 1, 3 do\n  random(7)\n  print(random(\"cuts\", 1000))\n  random(\"kills\", "
        "9)\nend",
    };
    char printed[2][128];
    for (int i = 0; i < COUNT_OF(scripts); i++) {
        struct scripted t;
        scripted_init(&t);
        scripted_run(&t, scripts[i]);
        snprintf(printed[i], sizeof printed[i], "%s", t.printed.data);
        scripted_done(&t);
    }
    assert_string_equal(printed[0], printed[1]);
    assert_prints("local plain, other = {}, {}\n"
                  "for i = 1, 20 do plain[i], other[i] = random(1000), random(\"x\", 1000) end\n"
                  "print(table.concat(plain, \" \") ~= table.concat(other, \" \"))",
                  "true\n");
}

TEST(an_endless_loop_is_stopped)
{
    assert_mistake("\nwhile true do end", "orders.lua:2: more than 50000000 steps without a wait");
}

/* A loop that catches every error must not outlive the limit. */
TEST(an_endless_loop_that_catches_errors_is_stopped)
{
    assert_mistake("while true do\n  pcall(function() while true do end end)\nend",
                   "steps without a wait");
}

TEST(endless_recursion_is_stopped)
{
    assert_mistake("local function f() return 1 + f() end\nf()", "orders.lua:1: ");
}

TEST(memory_has_a_limit)
{
    assert_mistake("local t = {}\nfor i = 1, 1 << 40 do t[i] = i end", "not enough memory");
    assert_mistake("string.rep(\"x\", 1 << 40)", "orders.lua:1: ");
}

TEST(a_script_that_took_all_memory_is_still_ended_in_good_order)
{
    assert_prints("kept = {}\n"
                  "pcall(function() while true do kept[#kept + 1] = string.rep(\"x\", 1000) .. "
                  "#kept end end)\n"
                  "kept = #kept > 1000\n"
                  "print(kept)",
                  "true\n");
}

/* Written anew so that their steps count, and yet those of the manual. */
TEST(patterns_are_those_of_the_language)
{
    assert_prints(
        "print((\"hello world\"):find(\"o w\"), (\"hello\"):find(\"l+\"))\n"
        "print((\"key = value\"):match(\"^(%w+)%s*=%s*(%w+)$\"))\n"
        "print((\"hello\"):find(\"()ll()\"), (\"hello\"):match(\"\"), (\"x\"):find(\"y\"))\n"
        "print((\"THE (quick) fox\"):find(\"%((%a+)%)\"), (\"f(a(b)c)d\"):match(\"%b()\"))\n"
        "print((\"THE (quick) fox\"):gsub(\"%f[%a]%a+\", string.lower))\n"
        "print((\"abc\"):gsub(\"%w\", \"%0%0\"), (\"abc\"):gsub(\"\", \"-\"))\n"
        "print((\"$name is $age\"):gsub(\"%$(%w+)\", { name = \"x\" }))\n"
        "print((\"a.b-c\"):gsub(\"[%.-]\", \"\"), (\"]x[\"):gsub(\"[]]\", \"\"))\n"
        "print((\"'it' \\\"is\\\"\"):match(\"([\\\"'])(.-)%1\"), (\"aaa\"):find(\"a-\", 2))\n"
        "for k, v in (\"a=1, b=2\"):gmatch(\"(%w+)=(%w+)\") do print(k, v) end\n"
        "for w in (\"one two\"):gmatch(\"%a*\") do print(w) end\n"
        "print((\"abc\"):find(\"b\", -1), (\"a+b\"):find(\"+\", 1, true))\n",
        "5\t3\t4\n"
        "key\tvalue\n"
        "3\t\tnil\n"
        "5\t(a(b)c)\n"
        "the (quick) fox\t3\n"
        "aabbcc\t-a-b-c-\t4\n"
        "x is $age\t2\n"
        "abc\tx[\t1\n"
        "'\t2\t1\n"
        "a\t1\nb\t2\n"
        "one\ntwo\n"
        "nil\t2\t2\n");
}

TEST(a_malformed_pattern_is_a_mistake)
{
    assert_mistake("\n(\"x\"):find(\"[a\")", "orders.lua:2: malformed pattern (missing ']')");
    assert_mistake("(\"x\"):find(\"(x\")", "orders.lua:1: unfinished capture");
    assert_mistake("(\"x\"):match(\"%\")", "orders.lua:1: malformed pattern (ends with '%')");
    assert_mistake("(\"x\"):gsub(\"x\", \"%2\")", "orders.lua:1: invalid capture index %2");
    assert_mistake("(\"x\"):find(\"%f\")", "orders.lua:1: missing '[' after '%f' in pattern");
    assert_mistake("string.find({}, \"x\")",
                   "orders.lua:1: find: argument 1: string expected, got table");
    assert_mistake("(\"x\"):find((\"x\"):rep(300))", "find: a pattern of more than 256 bytes");
}

TEST(lists_are_changed_as_the_language_does)
{
    assert_prints("local t = { 1, 2, 3 }\n"
                  "table.insert(t, 4)\ntable.insert(t, 1, 0)\ntable.insert(t, #t + 1, 5)\n"
                  "print(table.concat(t, \" \"), table.remove(t), table.remove(t, 1), #t)\n"
                  "print(table.concat(table.move(t, 1, 3, 2), \" \"), table.unpack(t, 2, 3))\n"
                  "print(table.concat(table.move(t, 2, 4, 1), \" \"), table.remove({}), #t)\n"
                  "print(table.concat({ 1, 2, 3 }, \"-\", 2, 3), table.concat({}, \"x\"))\n"
                  "print((\"ab\"):rep(3, \"-\"), (\"x\"):rep(0), (\"x\"):rep(-1))\n",
                  "0 1 2 3 4 5\t5\t0\t4\n"
                  "1 1 2 3\t1\t2\n"
                  "1 2 3 3\tnil\t4\n"
                  "2-3\t\n"
                  "ab-ab-ab\t\t\n");
    assert_mistake("table.insert({}, 3, 1)",
                   "orders.lua:1: insert: argument 2: position out of bounds");
    assert_mistake("table.remove({ 1 }, 7)",
                   "orders.lua:1: remove: argument 2: position out of bounds");
    assert_mistake("table.concat({ 1, {} })", "invalid value (table) at index 2");
}
