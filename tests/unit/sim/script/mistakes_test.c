/* mistakes_test.c - what a person who writes a scenario gets told: which line, what is wrong with
 * it, and what would be right. */
#include <stdio.h>
#include "scripts.h"

TEST(an_error_names_file_and_line)
{
    assert_mistake("local x = 1\nerror(\"oh dear\")", "orders.lua:2: oh dear");
    assert_mistake("\n\nlocal t\nt.x = 1", "orders.lua:4: attempt to index a nil value");
}

TEST(an_error_without_a_place_is_given_its_place)
{
    assert_mistake("\nerror(\"oh dear\", 0)", "orders.lua:2: oh dear");
}

TEST(a_mistake_that_the_prelude_notices_names_the_line_of_the_script)
{
    assert_mistake("\n\nmust_reach { \"the moon\" }",
                   "orders.lua:3: must_reach: no mark is called \"the moon\"");
    assert_mistake("\nswarm { only = { \"meteor\" } }",
                   "orders.lua:2: swarm: no fault is called \"meteor\"");
    assert_mistake("\nlocal c = Cluster(5)", "orders.lua:2: ");
    assert_mistake("Cluster {}:topic { name = 5, config = { [\"retention.ms\"] = \"long\" } }",
                   "orders.lua:1: ");
}

TEST(a_wrong_phrase_of_finally_lists_the_right_ones)
{
    assert_mistake("\nfinally { \"in order\", \"no duplicate\" }",
                   "orders.lua:2: finally: \"no duplicate\" is none of ");
    assert_mistake("finally { 5 }", "\"no duplicates\"");
    assert_mistake("finally { 5 }", "\"everything acknowledged is read\"");
}

TEST(a_wrong_option_lists_the_right_ones)
{
    assert_mistake(
        "\nCluster { broker = 3 }",
        "orders.lua:2: Cluster: no option broker; did you mean brokers? there are brokers, "
        "config, controllers, flush, hostile");
    assert_mistake("local c = Cluster {}\nc:topic { nmae = \"x\" }",
                   "orders.lua:2: topic: no option nmae; did you mean name? there are ");
    assert_mistake("local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
                   "c:producer { to = t, ack = 1 }",
                   "orders.lua:3: producer: no option ack; did you mean acks? there are acks, ");
    assert_mistake("local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
                   "c:consumer { form = t }",
                   "orders.lua:3: consumer: no option form; did you mean from? there are ");
}

TEST(a_topic_that_no_broker_makes_is_told_by_its_line)
{
    static const char *const names[] = {
        "\"\"",    "\".\"",        "\"..\"",          "\"bad name\"",
        "\"a/b\"", "\"caf\\xe9\"", "\"a\\nfinal=1\"", "\"a=b\""};
    char source[256];
    for (int i = 0; i < COUNT_OF(names); i++) {
        snprintf(source, sizeof source, "\nCluster {}:topic { name = %s }", names[i]);
        assert_mistake(source, "orders.lua:2: topic: name: ");
        assert_mistake(source, "is no name of a topic");
    }
    assert_mistake("Cluster {}:topic { name = string.rep(\"x\", 250) }",
                   "orders.lua:1: topic: name: has 250 bytes; 249 is the most");
    assert_mistake("Cluster {}:create_topic { name = \"bad name\" }",
                   "orders.lua:1: create_topic: name: \"bad name\" is no name of a topic");
    assert_mistake("Cluster {}:topic { name = \"x\", partitions = 0 }",
                   "orders.lua:1: topic: partitions: 0 is not from 1 to 64");
}

TEST(an_unknown_name_is_told_with_the_one_that_was_meant)
{
    assert_mistake("\nmust_reach { \"recovery cut the tail\" }",
                   "orders.lua:2: must_reach: no mark is called \"recovery cut the tail\"; did you "
                   "mean \"recovery cut a tail\"?");
    assert_mistake("Cluster {}\nsleep(0)\nreached \"a duplicate was answred\"",
                   "did you mean \"a duplicate was answered\"?");
    assert_mistake("Cluster {}\nsleep(0)\nrows \"TOPIC_SEN\"", "did you mean \"TOPIC_SEEN\"?");
    assert_mistake("Cluster {}\nswarm { without = { \"disk hung\" } }",
                   "orders.lua:2: swarm: no fault is called \"disk hung\"; did you mean \"disk "
                   "hang\"?");
}

TEST(what_is_not_served_yet_says_so)
{
    assert_mistake("\nCluster { brokers = 10 }",
                   "orders.lua:2: Cluster: brokers: 10 is not from 0 to 9");
    assert_mistake("\nCluster { brokers = 0 }",
                   "orders.lua:2: Cluster: brokers: 0 is not 1 or more");
    assert_mistake("\nCluster { controllers = 10 }",
                   "orders.lua:2: Cluster: controllers: 10 is not from 0 to 9");
    assert_mistake("Cluster {}:topic { name = \"x\", replicas = 3 }",
                   "orders.lua:1: topic: replicas: 3 is not from 1 to 1");
    assert_mistake("local c = Cluster {}\n"
                   "c:consumer { from = c:topic { name = \"x\" }, group = \"billing\" }",
                   "orders.lua:2: consumer: groups are not served yet");
}

TEST(a_scenario_has_one_cluster)
{
    assert_mistake("Cluster {}\nCluster {}", "orders.lua:2: Cluster: a scenario has one");
}

TEST(a_scenario_needs_a_cluster)
{
    assert_mistake("scenario \"x\"\nfinally { \"in order\" }", "there is no Cluster");
    assert_mistake("scenario \"x\"\nsleep(seconds(1))", "orders.lua:2: there is no Cluster");
}

TEST(every_must_say_how_often)
{
    assert_mistake("\nevery(seconds(1), function() end)", "orders.lua:2: every: say how often");
}

TEST(two_nodes_need_two_names)
{
    assert_mistake("local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
                   "c:producer { to = t, name = \"me\" }\nc:producer { to = t, name = \"me\" }",
                   "orders.lua:4: ");
}

TEST(nodes_have_a_limit)
{
    assert_mistake("local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
                   "for i = 1, 100 do c:producer { to = t, name = \"p\" .. i } end",
                   "orders.lua:3: more than 64 nodes");
}

/* Nine brokers, forty clients, who administers them, and a reader a topic have room. */
TEST(a_large_cluster_has_room)
{
    assert_prints(
        "local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
        "for i = 1, 9 + 40 do c:producer { to = t, name = \"p\" .. i } end\nprint \"room\"",
        "room\n");
}

TEST(options_of_a_node_have_a_limit)
{
    assert_mistake("Cluster { config = { x = string.rep(\"y\", 5000) } }",
                   "orders.lua:1: node broker1: its name or its options are too long");
}

TEST(a_wrong_key_or_value_of_a_node_is_told_before_anything_runs)
{
    assert_mistake("\nCluster { config = { [\"log.segment.byts\"] = 5000 } }",
                   "did you mean \"log.segment.bytes\"?");
    assert_mistake("Cluster { config = { [\"log.segment.bytes\"] = 5 } }",
                   "orders.lua:1: broker1: log.segment.bytes: 5 is not between ");
    assert_mistake("Cluster { flush = \"never\" }", "\"never\" is none of ack|os");
    assert_mistake("local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
                   "c:producer { to = t, acks = \"some\" }",
                   "orders.lua:3: client1: acks: \"some\" is none of ");
    assert_mistake("local c = Cluster {}\nlocal t = c:topic { name = \"x\" }\n"
                   "c:producer { to = t, value_bytes = 3 }",
                   "orders.lua:3: client1: value_bytes: 3 is not between ");
}

/* Not a mistake: what the script expected before anything ran did not hold. */
TEST(an_expectation_that_is_not_met_is_a_broken_claim)
{
    struct scripted t;
    scripted_init(&t);
    scripted_run(&t, "scenario \"x\"\nexpect(1 + 1 == 3, \"sums are off\")\nerror(\"ran on\")");
    assert_int_equal(t.result.verdict, SCRIPT_BROKEN);
    assert_string_equal(t.result.why, "orders.lua:2: sums are off: expect(1 + 1 == 3)");
    scripted_done(&t);
}

static void assert_harm_mistake(const char *harm, const char *text)
{
    char source[512];
    snprintf(
        source, sizeof source,
        "scenario \"x\"\nlocal c = Cluster {}\nc:topic { name = \"x\" }\nsleep(seconds(1))\n%s",
        harm);
    assert_mistake(source, text);
    assert_mistake(source, "orders.lua:5: ");
}

TEST(harm_that_cannot_strike_is_a_mistake)
{
    assert_harm_mistake("harm \"node broker7 kill\"", "there is no node \"broker7\"");
    assert_harm_mistake("harm \"link broker1-broker7 cut\"", "there is no node \"broker7\"");
    assert_harm_mistake("harm \"node broker1 disk swap\"", "disk swap needs with=, as");
    assert_harm_mistake("harm \"node broker1 disk swap with=broker1\"",
                        "with= must be another node");
    assert_harm_mistake("c:broker():disk(\"flip\", { file = \"no-such-file\", offset = 3 })",
                        "no disk has that byte durably");
    assert_harm_mistake("c:broker():disk(\"vanish\", { file = \"no-such-file\" })",
                        "no disk has a file or directory called so");
}

/* Before anything runs, and not when the fault is due: here that never is. */
TEST(a_plan_for_a_broker_that_is_not_there_is_told_before_anything_runs)
{
    static const char *const lines[] = {"node broker2 kill", "link broker1-broker2 cut for 1s",
                                        "node broker12 power_loss"};
    for (int i = 0; i < COUNT_OF(lines); i++) {
        struct scripted t;
        char source[256];
        scripted_init(&t);
        snprintf(source, sizeof source,
                 "scenario \"x\"\nCluster {}\nplan [[ at 1s %s ]]\nsleep(hours(1))", lines[i]);
        scripted_run(&t, source);
        assert_int_equal(t.result.verdict, SCRIPT_WRONG);
        assert_contains(t.result.why, "orders.lua:3: the plan speaks of broker");
        assert_int_equal(t.result.events, 0);
        scripted_done(&t);
    }
}

TEST(harm_with_a_negative_count_is_a_mistake)
{
    assert_harm_mistake("c:broker():kill { at_op = -1 }", "kill: at_op: -1 is not 0 or more");
    assert_harm_mistake("c:broker():disk(\"slow\", { factor = -2 })",
                        "disk: factor: -2 is not 0 or more");
}

TEST(harm_at_fault_points_belongs_into_a_plan)
{
    assert_harm_mistake("harm \"node broker1 rate site=disk/sync rate=1000\"", "stands in a plan");
    assert_harm_mistake("harm \"node broker1 fail site=disk/sync key=0x1 count=1\"",
                        "stands in a plan");
}

TEST(harm_has_a_limit)
{
    assert_harm_mistake("for i = 1, 100000 do reset(c:broker(), c.admin) end",
                        "harm: more than 65536 times");
}

TEST(a_swarm_that_ends_before_it_begins_is_a_mistake)
{
    assert_mistake("Cluster {}\nswarm { from = seconds(40) }", "orders.lua:2: swarm: until");
    assert_mistake("Cluster {}\nswarm { from = seconds(-1) }",
                   "orders.lua:2: swarm: from: a time cannot be negative");
}

TEST(a_sleep_that_no_world_lasts_for_is_a_mistake)
{
    assert_mistake("scenario \"x\"\nCluster {}\nsleep(0)\nsleep(years(300))",
                   "orders.lua:4: years: no world lasts so long as 300");
}
