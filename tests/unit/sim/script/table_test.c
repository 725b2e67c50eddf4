/* table_test.c - mistakes that people make, each with the one line that they are told: which word,
 * what it was given, what would be right. */
#include <stdio.h>
#include "scripts.h"

static const struct {
    const char *line;    /* the seventh of a small scenario */
    const char *message; /* whole */
} mistakes[] = {
    {"c:broker(2)", "orders.lua:7: broker: there is no broker 2; brokers count from 1, and there "
                    "is broker1"},
    {"c:broker(0)", "orders.lua:7: broker: there is no broker 0; brokers count from 1, and there "
                    "is broker1"},
    {"c:producer { to = t, acks = all }", "orders.lua:7: there is no variable or word \"all\""},
    {"b:kill { at = 5, restrt = millis(200) }",
     "orders.lua:7: kill: no option at; there are at_op, restart"},
    {"b:kill { restart = 200 }",
     "orders.lua:7: kill: restart: 200 has no unit; say seconds(200) or millis(200)"},
    {"b:power_loss { restart_after = millis(200) }",
     "orders.lua:7: power_loss: no option restart_after; there are at_op, restart"},
    {"b:restart { after = seconds(1) }", "orders.lua:7: restart: takes nothing, not a table"},
    {"b:restart(seconds(1))", "orders.lua:7: restart: takes nothing, not 1s"},
    {"b:stop(5)", "orders.lua:7: stop: takes nothing, not 5"},
    {"every(seconds(1), function() end, { time = 4 })",
     "orders.lua:7: every: no option time; did you mean times? there are times"},
    {"every(5, function() end, { times = 4 })",
     "orders.lua:7: every: 5 has no unit; say seconds(5) or millis(5)"},
    {"sleep(seconds(1)) every(seconds(1), b:kill(), { times = 4 })",
     "orders.lua:7: every: takes a function, not nil"},
    {"swarm { untill = seconds(30) }",
     "orders.lua:7: swarm: no option untill; did you mean until? there are from, intact, "
     "only, until, without"},
    {"swarm { [\"until\"] = 30 }",
     "orders.lua:7: swarm: until: 30 has no unit; say seconds(30) or millis(30)"},
    {"c:producer { to = t, recrods = 5 }",
     "orders.lua:7: producer: no option recrods; did you mean records? there are "
     "acks, batch_bytes, burst, client, compression, delivery_timeout, first_epoch, "
     "first_sequence, idempotent, in_flight, keys, linger, name, rate, records, "
     "request_timeout, retries, to, value_bytes, window"},
    {"c:producer { to = \"orders\" }",
     "orders.lua:7: producer: to: \"orders\" is no topic; give what cluster:topic { "
     "... } gave you"},
    {"c:producer { records = 5 }", "orders.lua:7: producer: to what? say to = orders, a topic"},
    {"c:producer { to = t, linger = 5 }",
     "orders.lua:7: producer: linger: 5 has no unit; say seconds(5) or millis(5)"},
    {"c:producer { to = t, records = 1.5 }",
     "orders.lua:7: producer: records: must be a whole number, not 1.5"},
    {"c:consumer { from = t, think = 20 }",
     "orders.lua:7: consumer: think: 20 has no unit; say seconds(20) or millis(20)"},
    {"c:consumer { from = t, start = \"begin\" }",
     "orders.lua:7: client3: start: \"begin\" is none of earliest|latest|offset"},
    {"c:consumer { from = p }",
     "orders.lua:7: consumer: from: client1 is no topic; give what cluster:topic { "
     "... } gave you"},
    {"c:topic { nmae = \"x\" }",
     "orders.lua:7: topic: no option nmae; did you mean name? there are config, "
     "min_insync, name, partitions, replicas"},
    {"c:topic { name = \"x\", partitions = 0 }",
     "orders.lua:7: topic: partitions: 0 is not from 1 to 64"},
    {"c:topic { name = \"x\", config = { [\"retention.ms\"] = \"5s\" } "
     "}\nsleep(seconds(1))",
     "orders.lua:7: topic x: Invalid value 5s for configuration retention.ms: Not a "
     "number of type LONG"},
    {"c:topic { name = \"x\", config = { [\"retention.msx\"] = 5 } "
     "}\nsleep(seconds(1))",
     "orders.lua:7: topic x: Unknown topic config name: retention.msx; did you mean "
     "retention.ms?"},
    {"c:topic { name = \"x\", config = { [\"segment.bytes\"] = seconds(5) } }",
     "orders.lua:7: topic: config: segment.bytes: is no number of milliseconds, so "
     "it takes no time"},
    {"Cluster { borkers = 1 }",
     "orders.lua:7: Cluster: no option borkers; did you mean brokers? there are "
     "brokers, config, controllers, flush, hostile, kraft, limits, racks"},
    {"finally { \"in ordre\" }",
     "orders.lua:7: finally: \"in ordre\" is none of \"everything acknowledged is "
     "read\", \"nothing acknowledged is lost\", \"in order\", \"no duplicates\", "
     "\"what was read stays readable\", \"nothing is shown before it is durable\", "
     "\"acknowledged topics stay\", \"producer ids are given out once\", \"nothing "
     "young is deleted\", \"no acknowledgement follows a failed sync\", \"no "
     "connection is refused\", \"one controller leads an epoch\", \"nothing committed is "
     "lost\", \"the controllers agree\", \"somebody leads when all is well\", "
     "\"what is known is what the metadata log says\""},
    {"finally { \"in order\", check = true }",
     "orders.lua:7: finally: no option \"check\"; it takes a list"},
    {"must_reach { \"the moon\" }", "orders.lua:7: must_reach: no mark is called \"the moon\""},
    {"b:disk(\"sync_fail\")",
     "orders.lua:7: harm \"node broker1 disk sync_fail\": \"disk sync_fail\" is not "
     "a fault of a node; there are sync_fails, write_fails, sync_late, read_fails, "
     "full, slow, hang, flip, break, evict, lose, swap, vanish, slow_sync, writeback, "
     "misdirect, stale, backup, restore"},
    {"b:disk(\"sync_fails\", { time = 1 })",
     "orders.lua:7: disk: no option time; did you mean times? there are bit, bytes, "
     "error, every, factor, file, lasts, offset, op, times, to, with"},
    {"b:disk(\"full\", { lasts = 2 })",
     "orders.lua:7: disk: lasts: 2 has no unit; say seconds(2) or millis(2)"},
    {"p:disk(\"full\")", "orders.lua:7: harm \"node client1 disk full\": client1 has no disk; only "
                         "brokers have one"},
    {"harm \"node client1 disk hang for 2s\"",
     "orders.lua:7: harm \"node client1 disk hang for 2s\": client1 has no disk; "
     "only brokers have one"},
    {"harm \"node broker1 disk full for 2\"",
     "orders.lua:7: harm \"node broker1 disk full for 2\": \"2\" is not a time as "
     "250ms"},
    {"harm \"broker1 disk full for 2s\"",
     "orders.lua:7: harm \"broker1 disk full for 2s\": \"broker1\" is not \"node\" "
     "or \"link\", as in node broker1 kill"},
    {"harm \"node 0 kill\"",
     "orders.lua:7: harm \"node 0 kill\": there is no node \"0\"; there are "
     "broker1, admin, client1, client2"},
    {"harm \"node broker2 kill\"",
     "orders.lua:7: harm \"node broker2 kill\": there is no node \"broker2\"; there "
     "are broker1, admin, client1, client2"},
    {"harm \"node broker1 kil\"",
     "orders.lua:7: harm \"node broker1 kil\": \"kil\" is not a fault of a node; "
     "there are kill, power_loss, pause, clock, disk sync_fails, disk write_fails, "
     "disk sync_late, disk read_fails, disk full, disk slow, disk hang, disk flip, "
     "disk break, disk evict, disk lose, disk swap, slow_reader, rate, fail, disk vanish, stall, "
     "drift, disk slow_sync, disk writeback, "
     "disk misdirect, disk stale, disk backup, disk restore"},
    {"harm \"node broker1 kill twice=2\"",
     "orders.lua:7: harm \"node broker1 kill twice=2\": \"twice=2\" is nothing that "
     "kill takes; it takes op=, for TIME"},
    {"harm \"link broker1-client9 cut\"",
     "orders.lua:7: harm \"link broker1-client9 cut\": there is no node "
     "\"client9\"; there are broker1, admin, client1, client2"},
    {"harm \"node broker1 rate site=disk/sync rate=1000 for 2s\"",
     "orders.lua:7: harm \"node broker1 rate site=disk/sync rate=1000 for 2s\": "
     "attempts are counted from the start, so this stands in a plan: plan [[ at 2s "
     "... ]]"},
    {"cut(b, \"client1\", seconds(1))",
     "orders.lua:7: cut: \"client1\" is no node; give what cluster:broker() or "
     "cluster:producer { ... } gave you"},
    {"cut(p, r, seconds(1))",
     "orders.lua:7: harm \"link client1-client2 cut for 1s\": client1 and client2 "
     "have no connection: both speak with brokers alone"},
    {"cut(b, p, 2)", "orders.lua:7: cut: 2 has no unit; say seconds(2) or millis(2)"},
    {"reset(b)", "orders.lua:7: reset: nil is no node; give what cluster:broker() or "
                 "cluster:producer { ... } gave you"},
    {"p:send(10)", "orders.lua:7: send: client1 does not run yet; wait until it does, as "
                   "wait_until(function() return p:alive() end, seconds(10))"},
    {"time_limit(5)", "orders.lua:7: time_limit: 5 has no unit; say seconds(5) or millis(5)"},
    {"time_limit(seconds(0))", "orders.lua:7: time_limit: no run ends in no time"},
    {"sleep(seconds(1)) time_limit(seconds(9))",
     "orders.lua:7: time_limit: must stand before the first wait"},
    {"sleep(1.5)", "orders.lua:7: sleep: 1.5 has no unit; say seconds(1.5) or millis(1.5)"},
    {"sleep()", "orders.lua:7: sleep: how long? say it as seconds(5)"},
    {"sleep(seconds(-1))", "orders.lua:7: sleep: a time cannot be negative"},
    {"wait_until(b:alive(), seconds(5))", "orders.lua:7: wait_until: takes a function, not false"},
    {"wait_until(function() return false end, 5)",
     "orders.lua:7: wait_until: 5 has no unit; say seconds(5) or millis(5)"},
    {"after(5, function() end)", "orders.lua:7: after: 5 has no unit; say seconds(5) or millis(5)"},
    {"t:leader(2)", "orders.lua:7: leader: the partition: 2 is not from 0 to 1"},
    {"t.leader(0)", "orders.lua:7: leader: call it with a colon, as topic:leader(...)"},
    {"leave_out(t, 2)", "orders.lua:7: leave_out: the partition: 2 is not from 0 to 1"},
    {"leave_out(\"orders\", 0)",
     "orders.lua:7: leave_out: \"orders\" is no topic; give what cluster:topic { "
     "... } gave you"},
    {"b:said(5)", "orders.lua:7: said: takes a text, not 5"},
    {"b:send(5)", "orders.lua:7: send: broker1 is a broker; producers send"},
    {"r:send(5)", "orders.lua:7: send: client2 is a consumer; producers send"},
    {"p:send(\"ten\")", "orders.lua:7: send: must be a whole number, not \"ten\""},
    {"b:crash()", "orders.lua:7: a node has no word crash; there are "
                  "alive, clock, disk, done, drift, fenced, kill, pause, power_loss, ready, "
                  "restart, role, said, "
                  "send, stall, start, stop"},
    {"c:brokers(1)", "orders.lua:7: attempt to call a table value (method 'brokers')"},
    {"print(counts().akced)",
     "orders.lua:7: counts: there is no akced; did you mean acked? there are sent, "
     "acked, failed, unknown, read, lost_allowed, twice_allowed, recovered, elections, "
     "images_compared, images_replayed"},
    {"if now() > 5 then end", "orders.lua:7: a time <: 5 has no unit; say seconds(5)"},
    {"local d = now() + 5", "orders.lua:7: a time +: 5 has no unit; say seconds(5)"},
    {"print(recieved)", "orders.lua:7: there is no variable or word \"recieved\""},
    {"random(0)", "orders.lua:7: random: 0 is not 1 or more"},
    {"random(5, \"cuts\")", "orders.lua:7: random: the stream's name: takes a text, not 5"},
    {"rows \"ACKS\"",
     "orders.lua:7: rows: no kind of row is called \"ACKS\"; did you mean \"ACK\"?"},
    {"reached \"the moon\"", "orders.lua:7: reached: no mark is called \"the moon\""},
    {"split \"byte\"", "orders.lua:7: split: no way of splitting is called \"byte\"; did you mean "
                       "bytes? there are random, bytes, none"},
    {"b:clock(5)", "orders.lua:7: clock: 5 has no unit; say seconds(5) or millis(5)"},
    {"b:pause(5)", "orders.lua:7: pause: 5 has no unit; say seconds(5) or millis(5)"},
    {"b:file_size(\"x\")",
     "orders.lua:7: a node has no word file_size; there are alive, clock, disk, "
     "done, drift, fenced, kill, pause, power_loss, ready, restart, role, said, send, stall, "
     "start, stop"},
    {"plan [[\nat 2s node broker1 kil\n]]",
     "orders.lua:7: plan: line 1: \"kil\" is not a fault of a node; there are kill, "
     "power_loss, pause, clock, disk sync_fails, disk write_fails, disk sync_late, "
     "disk read_fails, disk full, disk slow, disk hang, disk flip, disk break, disk "
     "evict, disk lose, disk swap, slow_reader, rate, fail, disk vanish, stall, drift, disk "
     "slow_sync, disk writeback, "
     "disk misdirect, disk stale, disk backup, disk restore"},
    {"plan [[\nat 2s node client1 disk full\n]]",
     "orders.lua:7: plan: \"at 2s node client1 disk full\": client1 has no disk; "
     "only brokers have one"},
    {"plan [[\nat 2s node broker7 kill\n]]",
     "orders.lua:7: the plan speaks of broker7, and no node is called so"},
    {"expect(1 == 1, 5)",
     "orders.lua:7: expect: what is wrong when it is not so: takes a text, not 5"},
    {"scenario(5)", "orders.lua:7: scenario: takes a text, not 5"},
    {"c:create_topic { name = \"y\", partition = 2 }",
     "orders.lua:7: create_topic: no option partition; did you mean partitions? "
     "there are config, min_insync, name, partitions, replicas"},
    {"c:producer { to = t, name = \"2 words\" }",
     "orders.lua:7: \"2 words\" is no name of a node: a letter, then letters, "
     "digits, '.', '_' and '-'"},
    {"c:producer { to = t, client = { [\"retry.backof.ms\"] = 5 } }",
     "orders.lua:7: client3: there is no key \"retry.backof.ms\"; did you mean "
     "\"retry.backoff.ms\"?"},
    {"sleep(seconds(1))\nplan [[ at 2s node broker1 kill ]]",
     "orders.lua:8: plan: must stand before the first wait"},
    {"spawn(5)", "orders.lua:7: spawn: takes a function, not 5"},
    {"seconds(\"5\")", "orders.lua:7: seconds: takes a number, not \"5\""},
    {"kill(b)", "orders.lua:7: there is no variable or word \"kill\""},
    {"c:topic { \"x\" }", "orders.lua:7: topic: \"x\" has no name; say name = value; there are "
                          "config, min_insync, name, partitions, replicas"},
    {"c:topic { name = \"orders\" }", "orders.lua:7: topic: there is a topic \"orders\" already"},
    {"c:producer { to = t, name = \"reader-orders\" }",
     "orders.lua:7: producer: name: the final readers are called reader-..."},
    {"c:producer(t)", "orders.lua:7: producer: takes its options in braces, as { name = value }, "
                      "not the topic \"orders\""},
    {"half_open(b, t)",
     "orders.lua:7: half_open: the topic \"orders\" is no node; give what cluster:broker() or "
     "cluster:producer { ... } gave you"},
    {"c:consumer { from = c }",
     "orders.lua:7: consumer: from: the cluster is no topic; give what cluster:topic { ... } gave "
     "you"},
    {"c:producer { to = t, rate = 1.5 }",
     "orders.lua:7: client3: rate: \"1.5\" is not a whole number"},
    {"b:kill()", "orders.lua:7: kill: broker1 does not run yet; wait until it does, as "
                 "wait_until(function() return broker:alive() end, seconds(10))"},
    {"b:power_loss { restart = seconds(1) }",
     "orders.lua:7: power_loss: broker1 does not run yet; wait until it does, as "
     "wait_until(function() return broker:alive() end, seconds(10))"},
    {"p:pause(seconds(1))", "orders.lua:7: pause: client1 does not run yet; wait until it does, as "
                            "wait_until(function() return producer:alive() end, seconds(10))"},
    {"b:restart()", "orders.lua:7: restart: broker1 does not run yet; wait until it does, as "
                    "wait_until(function() return broker:alive() end, seconds(10))"},
    {"reset(p, b)", "orders.lua:7: reset: client1 does not run yet; wait until it does, as "
                    "wait_until(function() return producer:alive() end, seconds(10))"},
    {"b:kill { restart = 0 }",
     "orders.lua:7: kill: restart: 0 is no time in which anything happens; say it as millis(1)"},
    {"cut(b, p, seconds(0))",
     "orders.lua:7: cut: 0 is no time in which anything happens; say it as millis(1)"},
    {"b:disk(\"hang\", { lasts = millis(0) })",
     "orders.lua:7: disk: lasts: 0 is no time in which anything happens; say it as millis(1)"},
    {"b:clock(0, seconds(5))",
     "orders.lua:7: clock: by 0 it stays right; say how far it is off, as hours(1)"},
    {"b:disk(\"sync_fails\", { times = 0 })",
     "orders.lua:7: harm \"node broker1 disk sync_fails times=0\": \"times=0\" would do nothing: "
     "it must be 1 or more"},
    {"b:done()", "orders.lua:7: done: broker1 is a broker, which serves until it is told to stop"},
    {"p:ready()",
     "orders.lua:7: ready: client1 is a producer; brokers are ready, and clients are alive"},
    {"wait_until(function() return p.done end, seconds(1))",
     "orders.lua:7: wait_until: the condition is a function, not its answer; call it, as "
     "producer:done()"},
    {"expect(b.ready)", "orders.lua:7: expect: the condition is a function, not its answer; call "
                        "it, as producer:done()"},
    {"expect()", "orders.lua:7: expect: what? say it as expect(counts().acked > 0, \"nothing was "
                 "acknowledged\")"},
    {"print(seconds(1) * seconds(1))", "orders.lua:7: a time *: takes a number, not 1s"},
    {"print(seconds(1) / \"2\")", "orders.lua:7: a time /: takes a number, not \"2\""},
    {"random(5, 10)", "orders.lua:7: random: takes one number, as random(10) for 1 to 10, or a "
                      "name and a number"},
    {"scenario \"y\"", "orders.lua:7: scenario: a file states one claim, and this is its second"},
    {"must_reach {}",
     "orders.lua:7: must_reach: names nothing; say it as { \"a duplicate was answered\" }"},
    {"rows \"ack\"", "orders.lua:7: rows: no kind of row is called \"ack\"; did you mean \"ACK\"?"},
    {"harm \"at 2s node broker1 kill\"",
     "orders.lua:7: harm \"at 2s node broker1 kill\": strikes now, so it takes no time; with one "
     "it stands in a plan [[ ... ]]"},
    {"harm [[\nnode broker1 kill\nnode broker1 pause\n]]",
     "orders.lua:7: harm: takes one line; several, with their times, stand in a plan [[ ... ]]"},
    {"harm \"\"", "orders.lua:7: harm: what? say it as harm \"node broker1 kill\""},
    {"harm \"link broker1-client1 cut for 1s for 2s\"",
     "orders.lua:7: harm \"link broker1-client1 cut for 1s for 2s\": says for twice"},
    {"swarm { only = {} }", "orders.lua:7: swarm: only: names no fault"},
    {"swarm { only = { \"kill\" }, without = { \"kill\" } }",
     "orders.lua:7: swarm: only and without leave no fault to draw"},
    {"swarm { only = { \"fail\" } }",
     "orders.lua:7: swarm: fail names one attempt, which nobody draws; say it in a plan [[ ... ]]"},
    {"swarm {} swarm {}", "orders.lua:7: swarm: a scenario has one"},
    {"swarm { from = seconds(5), [\"until\"] = seconds(5) }",
     "orders.lua:7: swarm: until (30 s) must stand behind from (1 s)"},
    {"plan [[\nat 2s node broker1 rate rate=5\n]]",
     "orders.lua:7: plan: line 1: rate needs site=, as site=disk/sync"},
    {"while true do sleep(0) end", "orders.lua:7: more than 10000000 waits"},
    {"string.format(\"%d\", \"x\")",
     "orders.lua:7: format: argument 2: number expected, got string"},
    {"setmetatable(5, {})", "orders.lua:7: setmetatable: argument 1: table expected, got number"},
    {"math.floor(\"x\")", "orders.lua:7: floor: argument 1: number expected, got string"},
    {"pairs(nil)", "orders.lua:7: pairs: takes a table, not a nil"},
    {"swarm { only = { \"disk\" } }",
     "orders.lua:7: swarm: no fault is called \"disk\"; there are kill, power_loss, pause, clock, "
     "disk sync_fails, disk write_fails, disk sync_late, disk read_fails, disk full, disk slow, "
     "disk hang, disk flip, disk break, disk evict, disk lose, disk swap, cut, reset, half_open, "
     "delay, bandwidth, slow_reader, rate, disk vanish, stall, drift, disk slow_sync, disk "
     "writeback, "
     "disk misdirect, disk stale, disk backup, disk restore, duplicate"},
    {"c:producer { to = t, name = \"broker2\" }",
     "orders.lua:7: producer: name: broker2 is what a server is called"},
    {"c:producer { to = t, name = string.rep(\"x\", 32) }",
     "orders.lua:7: producer: name: has 32 bytes; 31 is the most"},
    {"plan [[\nat 1s node broker1 disk flip file=orders-0 offset=5 bit=9\n]]",
     "orders.lua:7: plan: line 1: \"bit=9\" is none of a byte: 0 to 7"},
};

#define HEAD                                                                                       \
    "scenario \"x\"\n"                                                                             \
    "local c = Cluster {}\n"                                                                       \
    "local t = c:topic { name = \"orders\", partitions = 2 }\n"                                    \
    "local p = c:producer { to = t, records = 10 }\n"                                              \
    "local r = c:consumer { from = t }\n"                                                          \
    "local b = c:broker()\n"

TEST(each_mistake_is_told_by_its_line_and_what_would_be_right)
{
    for (int i = 0; i < COUNT_OF(mistakes); i++) {
        char source[1024];
        struct scripted t;
        snprintf(source, sizeof source, HEAD "%s\nfinally { \"in order\" }\n", mistakes[i].line);
        scripted_init(&t);
        scripted_run(&t, source);
        assert_string_equal(t.result.why, mistakes[i].message);
        assert_int_equal(t.result.verdict, SCRIPT_WRONG);
        scripted_done(&t);
    }
}

/* What nobody can make sense of is told in the words of the language, never in the engine's. */
TEST(no_message_speaks_of_the_engine)
{
    static const char *const words[] = {"raw_",         "prelude", "kiln.",   "checks.lua",
                                        "bad argument", "luaL",    "userdata"};
    for (int i = 0; i < COUNT_OF(mistakes); i++) {
        for (int k = 0; k < COUNT_OF(words); k++)
            assert_null(strstr(mistakes[i].message, words[k]));
    }
}

static void run_to(const char *source, enum script_verdict verdict, const char *why)
{
    struct scripted t;
    scripted_init(&t);
    scripted_run(&t, source);
    assert_string_equal(t.result.why, why);
    assert_int_equal(t.result.verdict, verdict);
    scripted_done(&t);
}

#define READ "finally { \"everything acknowledged is read\" }\n"

TEST(a_wait_in_vain_makes_the_run_inconclusive)
{
    run_to(HEAD "wait_until(function() return counts().acked == 99 end, seconds(3))\n" READ,
           SCRIPT_INCONCLUSIVE, "orders.lua:7: wait_until: it did not come within 3s");
    /* The first one is told. */
    run_to(HEAD "wait_until(function() return false end, seconds(1))\nsleep(millis(5))\n"
                "wait_until(function() return false end, seconds(2))\n" READ,
           SCRIPT_INCONCLUSIVE, "orders.lua:7: wait_until: it did not come within 1s");
    run_to(HEAD "wait_at_most(function() return false end, seconds(3))\n" READ, SCRIPT_HELD, "");
    run_to(HEAD "expect(not wait_until(function() return false end, seconds(3)))\n" READ,
           SCRIPT_HELD, "");
}

TEST(a_wait_that_never_ends_names_its_line)
{
    struct scripted t;
    scripted_init(&t);
    t.options.time_max_ns = 5000000000ll;
    scripted_run(&t, HEAD "wait_until(function() return false end)\n" READ);
    assert_string_equal(t.result.why, "orders.lua:7: still waits after 5s; no time is left "
                                      "(time_limit(t) gives more, and --time)");
    assert_int_equal(t.result.verdict, SCRIPT_STUCK);
    scripted_done(&t);
}

/* Nobody polls in it: a virtual day costs little. */
#define IDLE(limit)                                                                                \
    "scenario \"x\"\nlocal c = Cluster {}\nlocal t = c:topic { name = \"orders\" }\n" limit        \
    "local p = c:producer { acks = \"all\", to = t, records = 20 }\n"                              \
    "wait_until(function() return p:done() end, seconds(9))\n"
#define NO_TIME "no time is left (time_limit(t) gives more, and --time)"

/* A day is the limit of a script that says nothing else; sleeping for longer says it. */
TEST(a_script_says_how_long_it_takes)
{
    run_to(IDLE("time_limit(seconds(5))\n") "sleep(minutes(1))\n" READ, SCRIPT_STUCK,
           "orders.lua:7: still waits after 5s; " NO_TIME);
    run_to(IDLE("") "for _ = 1, 3 do sleep(hours(20)) end\n" READ, SCRIPT_STUCK,
           "orders.lua:6: still waits after 24h; " NO_TIME);
    run_to(IDLE("time_limit(days(3))\n") "for _ = 1, 3 do sleep(hours(20)) end\n" READ, SCRIPT_HELD,
           "");
    run_to(IDLE("") "sleep(days(2))\n" READ, SCRIPT_HELD, "");
    run_to(IDLE("") "for _ = 1, 9 do sleep(hours(30)) end\n" READ, SCRIPT_STUCK,
           "orders.lua:6: still waits after 54h; " NO_TIME);
}

TEST(what_a_person_says_of_the_time_counts_more)
{
    struct scripted t;
    scripted_init(&t);
    t.options.time_max_ns = 5000000000ll;
    scripted_run(&t, HEAD "time_limit(days(3))\nsleep(days(2))\n" READ);
    assert_int_equal(t.result.verdict, SCRIPT_STUCK);
    assert_int_equal(t.result.sim_ns, 5000000000ll);
    scripted_done(&t);
}

TEST(a_failed_expect_shows_its_condition_and_what_it_found)
{
    run_to(HEAD "sleep(seconds(1))\nlocal done = { bad = 3 }\n"
                "expect(counts().acked == 10 and\n  done.bad == 0, \"a record failed\")\n" READ,
           SCRIPT_BROKEN,
           "orders.lua:9: a record failed: expect(counts().acked == 10 and done.bad == 0) found "
           "counts().acked = 10, done.bad = 3");
    run_to(
        HEAD "expect(wait_until(function() return b:ready() and false end, seconds(2)), "
             "\"it does not come\")\n" READ,
        SCRIPT_BROKEN,
        "orders.lua:7: it does not come: expect(wait_until(function() return b:ready() and false "
        "end, seconds(2))) found wait_until: it did not come within 2s");
    run_to(
        HEAD
        "sleep(seconds(1))\nlocal s = seconds(4)\nexpect(now() < s and rows \"ACK\" > 90)\n" READ,
        SCRIPT_BROKEN,
        "orders.lua:9: an expectation was not met: expect(now() < s and rows \"ACK\" > 90) found "
        "now() = 1s, s = 4s, rows \"ACK\" = 1");
}

TEST(harm_in_the_last_line_is_healed_at_once)
{
    run_to(HEAD READ "harm \"node broker1 disk full for 8s\"\n", SCRIPT_HELD, "");
}

/* Harm that never came must not look like harm that was survived. */
TEST(a_plan_that_goes_on_behind_the_script_shows_nothing)
{
    run_to(
        HEAD "plan [[\n  at 100ms node broker1 kill for 50ms\n  at 1h node broker1 kill\n]]\n"
             "sleep(seconds(1))\n" READ,
        SCRIPT_INCONCLUSIVE,
        "orders.lua:7: plan: \"at 1h node broker1 kill\": the script ends at 1s, before that; let "
        "it sleep for longer");
}

TEST(damage_of_a_plan_that_finds_nothing_shows_nothing)
{
    static const char *const lines[] = {
        "at 500ms node broker1 disk vanish file=nowhere",
        "at 500ms node broker1 disk flip file=orders-0 offset=100000",
        "at 500ms node broker1 disk break file=orders-0 offset=100000",
    };
    for (int i = 0; i < COUNT_OF(lines); i++) {
        char source[512], why[256];
        snprintf(source, sizeof source, HEAD "plan [[ %s ]]\nsleep(seconds(1))\n" READ, lines[i]);
        snprintf(why, sizeof why, "orders.lua:7: plan: \"%s\": it found nothing to damage",
                 lines[i]);
        run_to(source, SCRIPT_INCONCLUSIVE, why);
    }
    run_to(HEAD "plan [[ at 500ms node broker1 disk flip file=orders-0 offset=1 ]]\n"
                "sleep(seconds(1)) leave_out(t, 0) leave_out(t, 1) expect(b:alive())\n" READ,
           SCRIPT_HELD, "");
}

/* As they are written elsewhere: a mark that no editor shows, 1e2, a topic whose name is longer
 * than a node's may be, several partitions that nobody need read. */
TEST(what_is_right_in_another_spelling_is_no_mistake)
{
    run_to("\xef\xbb\xbf" HEAD "c:producer { to = t, records = 1e2, rate = 1e3 }\n" READ,
           SCRIPT_HELD, "");
    run_to(HEAD "local l = c:topic { name = string.rep(\"long\", 50) }\n"
                "c:producer { to = l, records = 10 }\n" READ,
           SCRIPT_HELD, "");
    run_to("scenario \"x\" local c = Cluster {} local b = c:broker()\n"
           "local t = c:topic { name = \"orders\", partitions = 3 }\n"
           "local p = c:producer { to = t, records = 90, keys = 30 }\n"
           "wait_until(function() return p:done() end, seconds(20)) b:stop()\n"
           "for i = 0, 1 do\n"
           "  b:disk(\"flip\", { file = t:path(i, \"00000000000000000000.log\"), offset = 30, bit "
           "= 1 })\n"
           "  leave_out(t, i)\n"
           "end\n"
           "b:start()\n" READ,
           SCRIPT_HELD, "");
}

TEST(what_is_all_left_out_claims_what_it_expects)
{
    static const char left_out[] =
        "scenario \"x\" local c = Cluster {} local t = c:topic { name = \"orders\" }\n"
        "local p = c:producer { to = t, records = 5 }\n"
        "wait_until(function() return p:done() end, seconds(20)) leave_out(t, 0)\n";
    char source[512];
    run_to(left_out, SCRIPT_WRONG,
           "finally: say what must hold, as finally { \"everything "
           "acknowledged is read\" }");
    snprintf(source, sizeof source, "%s" READ, left_out);
    run_to(source, SCRIPT_INCONCLUSIVE, "every partition was left out, and no expect was met");
    snprintf(source, sizeof source, "%sexpect(counts().acked == 5)\n" READ, left_out);
    run_to(source, SCRIPT_HELD, "");
}

TEST(what_is_no_text_or_no_lua_is_told_by_its_name)
{
    struct scripted t;
    scripted_init(&t);
    script_run(&t.mem.mem, "orders.lua",
               bytes_of("\x7f"
                        "ELF\0\1",
                        6),
               &t.options, &t.result, NULL);
    assert_string_equal(t.result.why, "orders.lua: is no text; a scenario is a file of Lua");
    scripted_done(&t);
    run_to(
        "\nswarm { until = seconds(3) }", SCRIPT_WRONG,
        "orders.lua:2: unexpected symbol near 'until'; until is a word of Lua itself: the option "
        "is [\"until\"]");
}

/* All that a plan can say, fault points too, and a node that comes later. */
TEST(a_whole_plan_stands_in_a_script)
{
    struct scripted t;
    struct fault_plan fired;
    scripted_init(&t);
    fault_plan_init(&fired, &t.mem.mem);
    script_run(&t.mem.mem, "orders.lua",
               bytes_text(HEAD "plan [[\n"
                               "  at 0s node broker1 rate site=net/send rate=500000 for 2s\n"
                               "  at 1s node broker1 kill for 200ms # and again\n"
                               "  at 3s link broker1-late cut for 100ms\n"
                               "]]\n"
                               "sleep(seconds(2))\n"
                               "c:producer { to = t, records = 5, name = \"late\" }\n"
                               "sleep(seconds(3))\n" READ),
               &t.options, &t.result, &fired);
    assert_string_equal(t.result.why, "");
    int32_t count[FAULT_KIND_COUNT] = {0};
    for (int32_t i = 0; i < fired.count; i++)
        count[fired.lines[i].kind]++;
    assert_int_equal(count[FAULT_KILL], 1);
    assert_int_equal(count[FAULT_CUT], 1);
    assert_true(count[FAULT_FAIL] > 0);
    fault_plan_free(&fired);
    scripted_done(&t);
}
