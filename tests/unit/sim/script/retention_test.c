/* retention_test.c - what a topic's own retention, the broker's or Kafka's default lets go is no
 * finding: the contract is that of each topic, as the metadata log has it. */
#include "scripts.h"

#define DAY_NS (86400ll * 1000000000)

static void expect_held(const char *source)
{
    struct scripted t;
    scripted_init(&t);
    t.options.time_max_ns = 30 * DAY_NS;
    scripted_run(&t, source);
    if (t.result.verdict != SCRIPT_HELD)
        fail_msg("%s: %s", script_verdict_name(t.result.verdict), t.result.why);
    scripted_done(&t);
}

#define SEGMENTS "[\"log.segment.bytes\"] = 4096, [\"log.retention.check.interval.ms\"] = 500"

TEST(the_brokers_own_retention_is_legal)
{
    expect_held("scenario \"the broker's own retention removes old segments\"\n"
                "local c = Cluster { config = { [\"log.retention.ms\"] = 2500, " SEGMENTS " } }\n"
                "local t = c:topic { name = \"events\" }\n"
                "c:producer { acks = \"all\", to = t, records = 1200, rate = 100 }\n"
                "c:consumer { from = t }\n"
                "finally { \"in order\", \"everything acknowledged is read\" }\n");
}

TEST(the_default_retention_is_legal)
{
    expect_held("scenario \"records of last month are gone, as the default says\"\n"
                "local c = Cluster { config = { [\"log.segment.bytes\"] = 4096 } }\n"
                "local t = c:topic { name = \"events\" }\n"
                "local p = c:producer { acks = \"all\", to = t, records = 0, batch_bytes = 2048 }\n"
                "sleep(seconds(1))\n"
                "p:send(200)\n"
                "sleep(days(16))\n"
                "p:send(200)\n"
                "finally { \"in order\", \"everything acknowledged is read\" }\n");
}
