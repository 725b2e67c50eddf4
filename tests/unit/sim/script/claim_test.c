/* claim_test.c - what a script claims, read without running it. */
#include "scripts.h"

static enum err claim_of(const char *source, char claim[SCRIPT_CLAIM_MAX], struct errmsg *msg)
{
    struct test_mem mem;
    test_mem_init(&mem);
    enum err e = script_claim(&mem.mem, "orders.lua", bytes_text(source), claim, msg);
    test_mem_done(&mem);
    return e;
}

static void assert_no_claim(const char *source, const char *text)
{
    char claim[SCRIPT_CLAIM_MAX];
    struct errmsg msg = {{0}};
    assert_int_equal(claim_of(source, claim, &msg), ERR_INVALID);
    assert_contains(msg.text, text);
}

TEST(a_claim_is_read_and_nothing_behind_it_runs)
{
    char claim[SCRIPT_CLAIM_MAX];
    struct errmsg msg = {{0}};
    assert_ok(claim_of("scenario \"all is well\"\nerror(\"ran on\")", claim, &msg));
    assert_string_equal(claim, "all is well");
}

TEST(a_claim_may_stand_behind_other_lines)
{
    char claim[SCRIPT_CLAIM_MAX];
    struct errmsg msg = {{0}};
    assert_ok(claim_of("local n = 3\nscenario(n .. \" replicas\")", claim, &msg));
    assert_string_equal(claim, "3 replicas");
}

TEST(a_script_without_a_scenario_claims_nothing)
{
    assert_no_claim("local x = 1", "orders.lua: it states no scenario");
    assert_no_claim("", "orders.lua: it states no scenario");
}

TEST(a_script_that_builds_and_claims_nothing_makes_no_world)
{
    assert_no_claim("local c = Cluster {}\nc:topic { name = \"orders\" }", "it states no scenario");
}

TEST(a_claim_that_is_too_long_is_refused_by_its_line)
{
    assert_no_claim("\nscenario(string.rep(\"x\", 160))", "orders.lua:2: scenario: the claim is");
}

TEST(the_longest_claim_is_kept_whole)
{
    char claim[SCRIPT_CLAIM_MAX];
    struct errmsg msg = {{0}};
    assert_ok(claim_of("scenario(string.rep(\"x\", 159))", claim, &msg));
    assert_int_equal(strlen(claim), 159);
}

TEST(a_claim_must_stand_before_the_first_wait)
{
    assert_no_claim("local c = Cluster {}\nsleep(seconds(1))\nscenario \"late\"",
                    "orders.lua:2: scenario \"...\" must stand before the first wait");
}

TEST(a_claim_that_never_comes_is_not_waited_for)
{
    assert_no_claim("while true do pcall(function() nothing.x = 1 end) end",
                    "more than 1000000 steps without a wait");
}

TEST(an_empty_claim_is_refused_by_its_line)
{
    assert_no_claim("\nscenario \"\"", "orders.lua:2: scenario: the claim is empty");
}

TEST(a_claim_that_is_no_text_is_refused_by_its_line)
{
    assert_no_claim("\n\nscenario { }", "orders.lua:3: ");
}

TEST(a_syntax_error_names_file_and_line_once)
{
    struct errmsg msg = {{0}};
    char claim[SCRIPT_CLAIM_MAX];
    assert_int_equal(claim_of("scenario \"x\"\n\nlocal = 3\n", claim, &msg), ERR_INVALID);
    assert_int_equal(strncmp(msg.text, "orders.lua:3: ", strlen("orders.lua:3: ")), 0);
    assert_null(strstr(msg.text + 1, "orders.lua"));
}

TEST(bytecode_is_no_script)
{
    assert_no_claim("\x1bLuaT", "orders.lua");
}

/* Whatever allocation fails, it says so and keeps nothing. */
TEST(reading_a_claim_survives_every_failed_allocation)
{
    bool refused = true;
    for (uint64_t n = 1; refused; n += n < 300 ? 1 : 23) {
        struct test_mem mem;
        char claim[SCRIPT_CLAIM_MAX];
        struct errmsg msg = {{0}};
        test_mem_init(&mem);
        mem.fail_at = n;
        enum err e =
            script_claim(&mem.mem, "orders.lua", bytes_text("scenario \"x\""), claim, &msg);
        refused = mem.failed > 0;
        /* Lua collects garbage and asks again, so that one refusal need not be the end. */
        if (e == ERR_NONE)
            assert_string_equal(claim, "x");
        else
            assert_true(refused && (e == ERR_NOMEM || e == ERR_INVALID));
        test_mem_done(&mem);
    }
}
