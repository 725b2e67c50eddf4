/* retention_gaps_test.c - scenarios whose claims hold and are not called so, for the contract knows
 * one retention where each topic has its own: each is expected to fail, and states its verdict. */
#include <stdio.h>
#include "scripts.h"
#include "support/expected.h"

#define DAY_NS (86400ll * 1000000000)

static void expect_not_held(const char *source, const char *wrong)
{
    char seen[128];
    struct scripted t;
    scripted_init(&t);
    t.options.time_max_ns = 30 * DAY_NS;
    scripted_run(&t, source);
    snprintf(seen, sizeof seen, "%s %s", script_verdict_name(t.result.verdict),
             t.result.finding_count > 0 ? t.result.findings[0].code : "");
    bool held = t.result.verdict == SCRIPT_HELD;
    scripted_done(&t);
    test_expected_to_fail(ISSUE_WORLD, held, seen, wrong);
}

#define SEGMENTS "[\"log.segment.bytes\"] = 4096, [\"log.retention.check.interval.ms\"] = 500"

TEST(expected_to_fail_the_brokers_own_retention_is_legal)
{
    expect_not_held("scenario \"the broker's own retention removes old segments\"\n"
                    "local c = Cluster { config = { [\"log.retention.ms\"] = 2500, " SEGMENTS
                    " } }\n"
                    "local t = c:topic { name = \"events\" }\n"
                    "c:producer { acks = \"all\", to = t, records = 1200, rate = 100 }\n"
                    "c:consumer { from = t }\n"
                    "finally { \"in order\", \"everything acknowledged is read\" }\n",
                    "BROKEN L8");
}

TEST(expected_to_fail_the_default_retention_is_legal)
{
    expect_not_held("scenario \"records of last month are gone, as the default says\"\n"
                    "local c = Cluster { config = { [\"log.segment.bytes\"] = 4096 } }\n"
                    "local t = c:topic { name = \"events\" }\n"
                    "local p = c:producer { acks = \"all\", to = t, records = 0 }\n"
                    "sleep(seconds(1))\n"
                    "p:send(200)\n"
                    "sleep(days(16))\n"
                    "p:send(200)\n"
                    "finally { \"in order\", \"everything acknowledged is read\" }\n",
                    "BROKEN L8");
}
