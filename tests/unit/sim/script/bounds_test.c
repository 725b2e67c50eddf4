/* bounds_test.c - what a script may do in one step: nothing that lasts, nothing that is huge. */
#include "scripts.h"

/* Each of these would run for years in the library that Lua brings. */
TEST(no_call_of_the_library_lasts)
{
    static const char *const steps = "more than 50000000 steps";
    assert_mistake("\n((\"a\"):rep(16000)):find(\".-.-.-.-.-.-b\")", steps);
    assert_mistake("\n((\"a\"):rep(16000)):match(\"a*a*a*a*a*a*b\")", steps);
    assert_mistake("\n((\"a\"):rep(16000)):gsub(\"(.-)(.-)(.-)%1b\", \"\")", steps);
    assert_mistake("\nfor _ in ((\"(\"):rep(16000)):gmatch(\".-.-%b().-.-b\") do end", steps);
    assert_mistake("\ntable.move({}, 1, math.maxinteger - 1, 2)", steps);
    assert_mistake("\nlocal t = setmetatable({}, { __len = function() return 1 << 60 end })\n"
                   "table.insert(t, 1, 1)",
                   steps);
    assert_mistake("\nlocal t = setmetatable({}, { __len = function() return 1 << 60 end })\n"
                   "table.remove(t, 1)",
                   steps);
    assert_mistake("\nlocal t = setmetatable({}, { __index = getmetatable, __metatable = \"\" })\n"
                   "table.concat(t, \"\", 1, 1 << 60)",
                   "");
    assert_mistake("\n(\"\"):rep(1 << 62)", "orders.lua:2: resulting string too large");
    assert_mistake("\ntable.unpack({}, 1, 100000)", "orders.lua:2: too many results to unpack");
}

/* Not even when its errors are caught, each of which would cost a collection of all that there is.
 */
TEST(memory_that_is_refused_again_and_again_ends_the_script)
{
    assert_mistake("local kept = {}\n"
                   "pcall(function() for i = 1, 1 << 40 do kept[i] = { i } end end)\n"
                   "while true do pcall(string.pack, \"c1000000000\", \"\") end",
                   "not enough memory");
}

TEST(memory_that_is_taken_and_left_ends_the_script)
{
    assert_mistake("local a, n = (\"x\"):rep(9000), 0\n"
                   "while true do n = n + #(a .. n) end",
                   "too much memory taken and left again without a wait");
}

TEST(a_string_has_a_longest)
{
    assert_mistake("\nlocal s = (\"x\"):rep(10000)\ns = s .. s", "not enough memory");
    assert_prints("print(#(\"x\"):rep(16384), pcall(string.rep, \"x\", 16386))",
                  "16384\tfalse\tresulting string too large\n");
}

TEST(waits_of_no_time_come_to_an_end)
{
    assert_mistake("scenario \"x\"\nCluster {}\nwhile true do sleep(0) end",
                   "more than 10000000 waits");
}
