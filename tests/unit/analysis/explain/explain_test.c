/* explain_test.c - what is left of a case is the least that a predicate takes, and reads as a
 * scenario. The predicate looks at the text alone, as a run would. */
#include <stdio.h>
#include "explain/explain.h"
#include "support/test.h"

static struct explain_case new_case(struct mem *mem)
{
    struct explain_case c;
    mem_system(mem);
    explain_case_init(&c, mem, "a \"claim\"");
    explain_add(&c, EXPLAIN_SETTING, -1, "cluster",
                "Cluster {\1config = {\1[\"log.segment.bytes\"] = 4096\2\1[\"node.id\"] = 1\2}\2}");
    explain_add(&c, EXPLAIN_SETTING, -1, "orders",
                "\3cluster\3:topic {\1name = \"orders\"\2\1partitions = \5"
                "12\5\2}");
    explain_add(&c, EXPLAIN_SETTING, -1, "client1",
                "\3cluster\3:producer {\1to = \3orders\3\2\1records = \5"
                "4000\5\2}");
    explain_add(&c, EXPLAIN_SETTING, -1, "client2",
                "\3cluster\3:consumer {\1"
                "from = \3orders\3\2}");
    explain_add(&c, EXPLAIN_ACT, 1500000000, "", "\3client1\3:send(10)");
    explain_add(&c, EXPLAIN_LAST, -1, "", "finally { \"in order\" }");
    for (int i = 1; i <= 20; i++) {
        char line[128];
        snprintf(line, sizeof line,
                 "at \4%d\4 node broker1 kill\1 op=\5%d\5\2\1 for \4"
                 "250000000\4\2",
                 100000000 * i + 12345, i);
        explain_add(&c, EXPLAIN_FAULT, -1, "", line);
    }
    explain_end(&c, INT64_C(3987654321));
    assert_false(c.failed);
    return c;
}

static struct text text_of(const struct explain_case *c, const struct explain_state *s)
{
    struct text text;
    text_init(&text, c->mem);
    explain_print(c, s, &text);
    assert_false(text.failed);
    text_add(&text, "", 1);
    return text;
}

/* Asks as a shrinker does that runs so many at once. Gives how often the predicate was asked. */
static int shrink(struct explain_shrink *s, bool (*fails)(const char *text), int at_once)
{
    int asked = 0;
    struct explain_state candidate;
    assert_int_equal(explain_state_init(s->c, &candidate), ERR_NONE);
    while (explain_shrink_next(s, 0, &candidate)) {
        for (int i = 0, taken = 0; i < at_once && !taken; i++) {
            /* The i-th candidate is the one that comes once those before it have held. */
            if (!explain_shrink_next(s, 0, &candidate))
                break;
            struct text text = text_of(s->c, &candidate);
            taken = fails(text.data);
            asked++;
            explain_shrink_answer(s, taken);
            text_free(&text);
        }
    }
    explain_state_free(s->c, &candidate);
    return asked;
}

static void expect_least(bool (*fails)(const char *text), const char *least, int asked_max)
{
    struct mem mem;
    struct explain_case c = new_case(&mem);
    struct explain_shrink s;
    assert_int_equal(explain_shrink_init(&s, &c), ERR_NONE);
    int asked = shrink(&s, fails, 1);
    struct text text = text_of(&c, &s.best);
    assert_string_equal(text.data, least);
    assert_in_range(asked, 1, asked_max);
    text_free(&text);
    explain_shrink_free(&s);
    explain_case_free(&c);
    assert_int_equal(mem.live_count, 0);
}

/* ---- what is left ---- */

static bool always(const char *text)
{
    return text != NULL;
}

/* What fails whatever it does needs nothing at all. */
TEST(nothing_is_left_of_what_always_fails)
{
    expect_least(always, "scenario \"a \\\"claim\\\"\"\nCluster {}\nfinally { \"in order\" }\n",
                 100);
}

static bool needs_two_faults(const char *text)
{
    return strstr(text, "op=7 ") != NULL && strstr(text, "op=13 ") != NULL;
}

/* Two lines of twenty that need each other are found, and stay as they were where nothing less will
 * do. */
TEST(two_faults_of_twenty_are_found)
{
    expect_least(needs_two_faults,
                 "scenario \"a \\\"claim\\\"\"\nCluster {}\nplan [[\n"
                 "  at 0s node broker1 kill op=7 for 0s\n  at 0s node broker1 kill op=13 for 0s\n"
                 "]]\nfinally { \"in order\" }\n",
                 400);
}

static bool needs_records(const char *text)
{
    const char *records = strstr(text, "records = ");
    int64_t count = 0;
    if (records == NULL)
        return false;
    records += strlen("records = ");
    size_t digits = strspn(records, "0123456789");
    return text_parse_int(bytes_of(records, digits), &count) == ERR_NONE && count >= 137;
}

/* A number is halved, and rounded: a little more of it is simpler than exactly as much as it takes.
 */
TEST(a_number_becomes_less_and_round)
{
    expect_least(needs_records,
                 "scenario \"a \\\"claim\\\"\"\nlocal cluster = Cluster {}\n"
                 "cluster:producer { records = 200 }\nfinally { \"in order\" }\n",
                 200);
}

static bool needs_act(const char *text)
{
    return strstr(text, "client1:send(10)") != NULL && strstr(text, "local client1 = ") != NULL;
}

/* A variable is named where somebody uses it, and nowhere else. */
TEST(a_variable_is_named_where_it_is_used)
{
    expect_least(needs_act,
                 "scenario \"a \\\"claim\\\"\"\nlocal cluster = Cluster {}\n"
                 "local client1 = cluster:producer {}\n"
                 "after(seconds(0), function() client1:send(10) end)\nfinally { \"in order\" }\n",
                 200);
}

static bool needs_config(const char *text)
{
    return strstr(text, "[\"node.id\"] = 1") != NULL;
}

/* A piece inside of another one is let go of alone. */
TEST(a_piece_of_a_piece_goes_alone)
{
    expect_least(needs_config,
                 "scenario \"a \\\"claim\\\"\"\n"
                 "Cluster { config = { [\"node.id\"] = 1 } }\n"
                 "finally { \"in order\" }\n",
                 200);
}

static bool needs_third(const char *text)
{
    return strstr(text, "op=3 ") != NULL && strstr(text, "kill op=2 ") == NULL;
}

static bool whole_never(const char *text)
{
    return text == NULL;
}

/* Who runs several at once asks in advance: the k-th candidate of now is the first one when k
 * answers have been no. */
TEST(candidates_are_known_in_advance)
{
    struct mem mem;
    struct explain_case c = new_case(&mem);
    struct explain_shrink s;
    struct explain_state a, b;
    assert_int_equal(explain_shrink_init(&s, &c), ERR_NONE);
    assert_int_equal(explain_state_init(&c, &a), ERR_NONE);
    assert_int_equal(explain_state_init(&c, &b), ERR_NONE);
    for (int i = 0; explain_shrink_next(&s, 1, &a); i++) {
        struct text now, then = text_of(&c, &a);
        assert_true(explain_shrink_next(&s, 0, &b));
        now = text_of(&c, &b);
        bool fails = i % 7 == 3 && needs_third(now.data);
        explain_shrink_answer(&s, fails);
        text_free(&now);
        if (!fails) {
            assert_true(explain_shrink_next(&s, 0, &b));
            now = text_of(&c, &b);
            assert_string_equal(now.data, then.data);
            text_free(&now);
        }
        text_free(&then);
    }
    explain_state_free(&c, &a);
    explain_state_free(&c, &b);
    explain_shrink_free(&s);
    explain_case_free(&c);
    assert_int_equal(mem.live_count, 0);
}

/* What needs all that it has stays as it was, and that is known after a bounded number of
 * questions. */
TEST(what_needs_everything_stays)
{
    struct mem mem;
    struct explain_case c = new_case(&mem);
    struct explain_shrink s;
    assert_int_equal(explain_shrink_init(&s, &c), ERR_NONE);
    struct text before = text_of(&c, &c.whole);
    int asked = shrink(&s, whole_never, 2);
    struct text after = text_of(&c, &s.best);
    assert_string_equal(after.data, before.data);
    assert_in_range(asked, 50, 1500);
    text_free(&before);
    text_free(&after);
    explain_shrink_free(&s);
    explain_case_free(&c);
}

/* ---- a script as a text ---- */

static const char script[] = "scenario \"x\"\n"
                             "local cluster = Cluster { brokers = 1,\n"
                             "  flush = \"ack\" }\n"
                             "swarm { from = seconds(1),\n"
                             "  only = { \"kill\" } }\n"
                             "-- a comment that says end\n"
                             "for i = 1, 500 do\n"
                             "  if random(2) == 1 then\n"
                             "    reset(a, \"if 3 do\")\n"
                             "  else\n"
                             "    sleep(seconds(0.25))\n"
                             "  end\n"
                             "end\n"
                             "expect(counts().acked == 30)\n"
                             "finally { \"in order\" }\n";

static struct explain_case source_case(struct mem *mem)
{
    struct explain_case c;
    mem_system(mem);
    explain_case_init(&c, mem, "x");
    explain_add_source(&c, bytes_text(script));
    explain_add(&c, EXPLAIN_FAULT, -1, "",
                "at \4"
                "2000000000\4 node broker1 kill");
    assert_false(c.failed);
    return c;
}

/* Of a script all lines are there but its swarm, for which the plan stands. */
TEST(a_script_keeps_its_lines)
{
    struct mem mem;
    struct explain_case c = source_case(&mem);
    struct text text = text_of(&c, &c.whole);
    assert_string_equal(text.data, "scenario \"x\"\n"
                                   "plan [[ at 2s node broker1 kill ]]\n"
                                   "local cluster = Cluster { brokers = 1,\n"
                                   "  flush = \"ack\" }\n"
                                   "-- a comment that says end\n"
                                   "for i = 1, 500 do\n"
                                   "  if random(2) == 1 then\n"
                                   "    reset(a, \"if 3 do\")\n"
                                   "  else\n"
                                   "    sleep(seconds(0.25))\n"
                                   "  end\n"
                                   "end\n"
                                   "expect(counts().acked == 30)\n"
                                   "finally { \"in order\" }\n");
    text_free(&text);
    explain_case_free(&c);
}

static bool is_balanced(const char *text)
{
    int loops = 0, ends = 0;
    for (const char *p = text; (p = strstr(p, "\nfor ")) != NULL; p++)
        loops++;
    for (const char *p = text; (p = strstr(p, "\nend\n")) != NULL; p++)
        ends++;
    return loops == ends && strstr(text, "sleep(") != NULL && strstr(text, "acked == 30") != NULL;
}

/* A block goes with its end, and what is in it may go alone; numbers within texts and of other
 * kinds stay. */
TEST(a_block_goes_with_its_end)
{
    struct mem mem;
    struct explain_case c = source_case(&mem);
    struct explain_shrink s;
    assert_int_equal(explain_shrink_init(&s, &c), ERR_NONE);
    shrink(&s, is_balanced, 1);
    struct text text = text_of(&c, &s.best);
    assert_string_equal(text.data, "scenario \"x\"\n"
                                   "local cluster = Cluster { brokers = 1,\n"
                                   "  flush = \"ack\" }\n"
                                   "for i = 1, 1 do\n"
                                   "  if random(1) == 1 then\n"
                                   "    sleep(seconds(0.25))\n"
                                   "  end\n"
                                   "end\n"
                                   "expect(counts().acked == 30)\n"
                                   "finally { \"in order\" }\n");
    text_free(&text);
    explain_shrink_free(&s);
    explain_case_free(&c);
    assert_int_equal(mem.live_count, 0);
}

/* Marks that do not fit are no case, and no crash. */
TEST(broken_marks_are_refused)
{
    static const char *const broken[] = {"\1x", "x\2", "\3x", "\5x\5", "\4", "\00512", "\1\1\2"};
    for (int i = 0; i < COUNT_OF(broken); i++) {
        struct mem mem;
        struct explain_case c;
        mem_system(&mem);
        explain_case_init(&c, &mem, "x");
        explain_add(&c, EXPLAIN_SETTING, -1, "", broken[i]);
        assert_true(c.failed);
        explain_case_free(&c);
        assert_int_equal(mem.live_count, 0);
    }
}
