/* again_test.c - a partition that cannot be opened is tried again when time has passed, and not
 * before. */
#include "node/internal.h"
#include "support/broker/help.h"

/* Somebody puts what could not be opened where it is opened from at once. */
static void on_time(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, reopen);
    assert_false(list_empty(&b->unopened));
    list_splice_back(&b->to_open, &b->unopened);
    broker_partitions_pump(b);
}

static void open_for_ever(void *arg)
{
    struct help *h = arg;
    struct broker *b = help_broker(h);
    assert_true(env_armed(&b->reopen));
    b->reopen.fire = on_time;
    help_run(h, 1500);
}

TEST(a_partition_is_not_opened_again_before_time_has_passed)
{
    struct help h;
    help_setup(&h, 1, "");
    help_make_topic(&h);
    struct fault_line line;
    struct errmsg msg;
    const char *text = "at 0s node 0 disk read_fails times=1000 file=orders-0/partition.metadata";
    if (fault_line_parse(&line, bytes_text(text), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    world_kill(h.world, h.broker, 0);
    world_harm(h.world, &line);
    world_start(h.world, h.broker);
    help_run(&h, 3500);
    assert_int_equal(h.start_count, 2);
    assert_int_equal(h.started, ERR_NONE);
    assert_true(help_broker(&h)->reopens >= 2);
    assert_true(test_dies(open_for_ever, &h));
    world_heal(h.world);
    help_run(&h, 1500);
    assert_true(list_empty(&help_broker(&h)->unopened));
    help_teardown(&h);
}
