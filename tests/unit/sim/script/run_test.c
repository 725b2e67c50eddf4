/* run_test.c - whole runs: a broker, clients, harm, a verdict; and that one seed is one run. */
#include <stdio.h>
#include "scripts.h"

#define SMALL                                                                                      \
    "scenario \"small\"\n"                                                                         \
    "local cluster = Cluster {}\n"                                                                 \
    "local orders = cluster:topic { name = \"orders\", partitions = 2 }\n"                         \
    "local producer = cluster:producer { acks = \"all\", to = orders, records = 60, keys = 5 }\n"  \
    "local consumer = cluster:consumer { from = orders }\n"                                        \
    "local broker = cluster:broker()\n"

#define FINALLY "finally { \"everything acknowledged is read\", \"in order\", \"no duplicates\" }\n"

static void run_held(struct scripted *t, const char *source)
{
    scripted_run(t, source);
    if (t->result.verdict != SCRIPT_HELD)
        fail_msg("%s: %s", script_verdict_name(t->result.verdict), t->result.why);
}

static void assert_holds(const char *source)
{
    struct scripted t;
    scripted_init(&t);
    run_held(&t, source);
    scripted_done(&t);
}

static uint64_t hash_of(const char *source, uint64_t seed)
{
    struct scripted t;
    scripted_init(&t);
    t.options.seed = seed;
    run_held(&t, source);
    uint64_t hash = t.result.hash;
    scripted_done(&t);
    return hash;
}

static void assert_verdict(const char *source, enum script_verdict verdict, const char *why)
{
    struct scripted t;
    scripted_init(&t);
    scripted_run(&t, source);
    assert_contains(t.result.why, why);
    assert_int_equal(t.result.verdict, verdict);
    scripted_done(&t);
}

TEST(a_small_scenario_holds_and_says_what_happened)
{
    struct scripted t;
    scripted_init(&t);
    run_held(&t, SMALL FINALLY);
    assert_string_equal(t.result.claim, "small");
    assert_int_equal(t.result.counts.acked, 60);
    assert_true(t.result.counts.read >= 60);
    assert_true(t.result.events > 100);
    assert_true(t.result.sim_ns > 0);
    assert_int_equal(t.result.faults, 0);
    scripted_done(&t);
}

/* Wherever the end of a script falls among the starts of its clients, which take some milliseconds
 * one after another, the last of them is waited for as well. */
TEST(the_end_waits_for_clients_that_have_not_started)
{
    for (int i = 0; i < 20; i++) {
        char source[640];
        struct scripted t;
        scripted_init(&t);
        snprintf(source, sizeof source,
                 "scenario \"many\"\n"
                 "local cluster = Cluster {}\n"
                 "local orders = cluster:topic { name = \"orders\" }\n"
                 "for i = 1, 25 do cluster:producer { to = orders, records = 0 } end\n"
                 "cluster:producer { acks = \"all\", to = orders, records = 30, rate = 10, "
                 "burst = 1 }\n"
                 "sleep(millis(%d / 2))\n" FINALLY,
                 i);
        run_held(&t, source);
        assert_int_equal(t.result.counts.acked, 30);
        scripted_done(&t);
    }
}

TEST(one_seed_is_one_run)
{
    static const char source[] = SMALL "sleep(millis(200 + random(50)))\n"
                                       "broker:kill { restart = millis(random(100)) }\n" FINALLY;
    assert_true(hash_of(source, 3) == hash_of(source, 3));
    assert_true(hash_of(source, 3) != hash_of(source, 4));
}

static void note_step(struct world_sink *sink, const struct world_step_info *info)
{
    (void)sink;
    (void)info;
}

static void note_row(struct world_sink *sink, const struct trace_row *row)
{
    (void)sink;
    (void)row;
}

TEST(who_watches_changes_nothing)
{
    struct world_sink sink = {.row = note_row, .step = note_step};
    struct scripted t;
    scripted_init(&t);
    run_held(&t, SMALL FINALLY);
    uint64_t alone = t.result.hash;
    t.options.sinks[t.options.sink_count++] = &sink;
    run_held(&t, SMALL FINALLY);
    assert_true(t.result.hash == alone);
    scripted_done(&t);
}

TEST(other_memory_changes_nothing)
{
    static const char source[] =
        SMALL "sleep(millis(250))\nbroker:power_loss { restart = millis(1) }\n" FINALLY;
    struct scripted t;
    scripted_init(&t);
    run_held(&t, source);
    uint64_t plain = t.result.hash;
    t.options.memory =
        (struct world_memory){.shuffle = true, .displaced = true, .poison = 0xa5, .range = 1};
    run_held(&t, source);
    assert_true(t.result.hash == plain);
    scripted_done(&t);
}

/* What fired, as a plan that is alone in force, is the same run again. */
TEST(a_plan_of_what_fired_repeats_the_run)
{
    static const char source[] =
        SMALL "swarm { from = millis(200), [\"until\"] = seconds(3) }\nsleep(seconds(3))\n" FINALLY;
    struct scripted t;
    struct fault_plan fired;
    scripted_init(&t);
    t.options.seed = 5;
    fault_plan_init(&fired, &t.mem.mem);
    script_run(&t.mem.mem, "orders.lua", bytes_text(source), &t.options, &t.result, &fired);
    assert_int_equal(t.result.verdict, SCRIPT_HELD);
    assert_true(fired.count > 0);
    uint64_t hash = t.result.hash;
    t.options.plan = &fired;
    t.options.plan_only = true;
    run_held(&t, source);
    assert_true(t.result.hash == hash);
    fault_plan_free(&fired);
    scripted_done(&t);
}

TEST(a_start_has_begun_when_it_returns)
{
    assert_holds(SMALL "wait_until(function() return broker:ready() end)\n"
                       "broker:kill()\n"
                       "expect(not broker:alive(), \"it lives on\")\n"
                       "broker:start()\n"
                       "expect(broker:alive(), \"it does not live\")\n" FINALLY);
}

TEST(a_stop_is_over_when_it_returns)
{
    assert_holds(SMALL "wait_until(function() return broker:ready() end)\n"
                       "broker:stop()\n"
                       "expect(not broker:alive(), \"it lives on\")\n"
                       "broker:restart()\n"
                       "expect(broker:alive(), \"it does not live\")\n" FINALLY);
}

TEST(a_producer_sends_more_when_it_is_told_to)
{
    assert_holds(SMALL "wait_until(function() return producer:done() end)\n"
                       "local done, unfinished = producer:send(40)\n"
                       "expect(done == 100 and unfinished == 0, done .. \" of 100\")\n"
                       "expect(counts().acked == 100, \"not 100\")\n" FINALLY);
}

TEST(tasks_run_beside_each_other)
{
    struct scripted t;
    scripted_init(&t);
    run_held(
        &t, SMALL
        "every(seconds(1), function() print(\"tick\", now() // seconds(1)) end, { times = 3 })\n"
        "after(millis(1500), function() print(\"after\") end)\n" FINALLY);
    assert_string_equal(t.printed.data, "tick\t1\nafter\ntick\t2\ntick\t3\n");
    scripted_done(&t);
}

TEST(waiting_for_what_never_comes_ends_when_it_was_told_to)
{
    assert_holds(
        SMALL
        "local from = now()\n"
        "expect(not wait_until(function() return false end, seconds(3)), \"it came\")\n"
        "expect(now() - from >= seconds(3) and now() - from < seconds(4), \"late\")\n" FINALLY);
}

TEST(a_broken_expectation_breaks_the_claim)
{
    assert_verdict(SMALL "sleep(seconds(1))\nexpect(false, \"the sky fell\")\n" FINALLY,
                   SCRIPT_BROKEN, "the sky fell");
}

TEST(a_script_without_a_finally_is_wrong)
{
    assert_verdict(SMALL, SCRIPT_WRONG, "finally: say what must hold");
}

TEST(a_mistake_in_the_middle_of_a_run_names_its_line)
{
    assert_verdict("scenario \"x\"\nlocal cluster = Cluster {}\nsleep(seconds(1))\nharm \"node "
                   "broker1 melt\"\n",
                   SCRIPT_WRONG, "orders.lua:4: harm \"node broker1 melt\": ");
    assert_verdict(
        "scenario \"x\"\nCluster {}\nafter(seconds(1), function()\n  nothing.x = 1\nend)\n",
        SCRIPT_WRONG, "orders.lua:4: there is no variable or word \"nothing\"");
    assert_verdict("scenario \"x\"\nCluster {}\nsleep(0)\nswarm {}\n", SCRIPT_WRONG,
                   "orders.lua:4: swarm: must stand before the first wait");
}

TEST(a_claim_about_nothing_is_inconclusive)
{
    assert_verdict("scenario \"x\"\nCluster {}:topic { name = \"orders\" }\n" FINALLY,
                   SCRIPT_INCONCLUSIVE, "nothing was acknowledged");
}

TEST(a_time_limit_that_passes_is_stuck)
{
    struct scripted t;
    scripted_init(&t);
    t.options.time_max_ns = 5000000000ll;
    scripted_run(&t, SMALL "sleep(minutes(1))\n" FINALLY);
    assert_int_equal(t.result.verdict, SCRIPT_STUCK);
    scripted_done(&t);
}

TEST(a_final_reader_that_is_stuck_says_where_and_what_the_broker_said)
{
    static const char source[] =
        "scenario \"x\"\n"
        "local cluster = Cluster { config = { [\"log.checkpoint.ms\"] = 200 } }\n"
        "local orders = cluster:topic { name = \"orders\" }\n"
        "local p = cluster:producer { acks = \"all\", to = orders, records = 100 }\n"
        "local broker = cluster:broker()\n"
        "wait_until(function() return p:done() end, seconds(30))\n"
        "sleep(seconds(2))\n"
        "broker:kill()\n"
        "broker:disk(\"flip\", { file = orders:path(0, \"00000000000000000000.log\"), "
        "offset = 100, bit = 1 })\n"
        "broker:start()\n"
        "sleep(seconds(1))\n" FINALLY;
    assert_verdict(source, SCRIPT_STUCK,
                   "the final reader of orders does not reach its end; orders-0 ");
    assert_verdict(source, SCRIPT_STUCK, "; broker1 said: partition orders-0 is offline: ");
}

TEST(a_replay_stops_where_it_was_told_to)
{
    struct scripted t;
    scripted_init(&t);
    t.options.until_ns = 150000000;
    scripted_run(&t, SMALL FINALLY);
    assert_int_equal(t.result.sim_ns, 150000000);
    assert_int_equal(t.result.verdict, SCRIPT_HELD);
    scripted_done(&t);
}

/* The first comes before there is anybody to ask, the others while somebody else is being asked. */
TEST(a_creation_waits_for_its_turn)
{
    assert_holds(
        SMALL
        "local made = 0\n"
        "for i = 1, 3 do\n"
        "  spawn(function()\n"
        "    if cluster:create_topic { name = \"t\" .. i } then made = made + 1 end\n"
        "  end)\n"
        "end\n"
        "expect(cluster:create_topic { name = \"t\" }, \"no creation\")\n"
        "expect(wait_until(function() return made == 3 end, seconds(30)), \"lost\")\n" FINALLY);
}

/* What ended it stands there as data: what it is, when, and in which line. */
TEST(a_script_that_ends_early_leaves_a_finding)
{
    struct scripted t;
    scripted_init(&t);
    const struct script_finding *f = &t.result.findings[0];
    scripted_run(&t, SMALL "sleep(seconds(1))\nexpect(false, \"that was it\")\n" FINALLY);
    assert_int_equal(t.result.finding_count, 1);
    assert_string_equal(f->code, "EXPECT");
    assert_contains(f->what, "that was it");
    assert_true(f->time_ns >= 1000000000);
    scripted_run(&t, SMALL "\nno_such_function()\n");
    assert_int_equal(t.result.finding_count, 1);
    assert_string_equal(f->code, "SCRIPT");
    assert_int_equal(f->line, 8);
    run_held(&t, SMALL FINALLY);
    assert_int_equal(t.result.finding_count, 0);
    scripted_done(&t);
}

TEST(controllers_elect_a_leader_and_take_its_orders)
{
    assert_holds(
        "scenario \"a quorum of three takes orders\"\n"
        "local cluster = Cluster { controllers = 3 }\n"
        "expect(cluster:controller() == nil and cluster:quorum_epoch() == 0, \"too early\")\n"
        "wait_until(function() return cluster:controller() ~= nil end, seconds(10))\n"
        "expect(cluster:controller():role() == \"leader\", \"it is something else\")\n"
        "local config = { [\"message.max.bytes\"] = 500000 }\n"
        "expect(cluster:alter_brokers { config = config }, \"the order is refused\")\n"
        "finally { \"the controllers agree\" }\n");
}

/* Each would make a cluster of its own, and none of them would hear the others. */
TEST(voters_without_a_clusters_id_say_what_to_do)
{
    assert_verdict(
        "scenario \"three of no cluster\"\n"
        "local cluster = Cluster { controllers = 3, config = { [\"cluster.id\"] = \"\" } }\n"
        "local function says() return cluster:controller(1):said(\"set cluster.id\") end\n"
        "expect(wait_until(says, seconds(5)), \"it says nothing\")\n"
        "expect(cluster:controller(1):alive(), \"it has ended\")\n"
        "finally { \"the controllers agree\" }\n",
        SCRIPT_BROKEN, "it has ended");
}
