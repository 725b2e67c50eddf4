/* node_test.c - a whole broker in the simulated world: it starts, survives what ends it, and leaves
 * nothing behind. */
#include <stdio.h>
#include <string.h>
#include "support/broker/help.h"

TEST(a_broker_starts_and_stops_without_a_trace_in_memory)
{
    struct help h;
    help_setup(&h, 1, "");
    assert_int_equal(h.started, ERR_NONE);
    assert_string_equal(h.said, "");
    world_stop(h.world, h.broker);
    help_run(&h, 1000);
    assert_int_equal(h.stop_count, 1);
    assert_int_equal(h.stopped, ERR_NONE);
    help_teardown(&h);
}

/* What is as long as can be is long, and neither over at once nor a negative time. */
TEST(times_at_their_maxima_are_long)
{
    char config[4096] = "";
    size_t size = 0;
    for (int i = 0; i < broker_config_table.count; i++) {
        const struct config_row *row = &broker_config_table.rows[i];
        size_t key_size = strlen(row->key);
        bool time = row->type == CONFIG_INT && strcmp(row->key + key_size - 3, ".ms") == 0;
        if (time)
            size += (size_t)snprintf(config + size, sizeof config - size, "%s=%lld\n", row->key,
                                     (long long)row->max);
    }
    assert_true(size > 400 && size < sizeof config);
    struct help h;
    help_setup(&h, 6, config);
    assert_int_equal(h.started, ERR_NONE);
    struct wire_uuid id = help_make_topic(&h);
    int sent = help_produce(&h, 9, -1, id, help_batch(&h, 5, -1, 0, 1000));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    help_run(&h, 3600 * 1000);
    assert_false(h.is_closed);
    int fetch = help_fetch(&h, 12, id, 0, 100, 1);
    help_go(&h, 1000);
    assert_true(help_fetched(&h, fetch).records.size > 0);
    help_restart(&h);
    assert_int_equal(h.started, ERR_NONE);
    int end = help_offsets(&h, 5, -1);
    int begin = help_offsets(&h, 5, -2);
    help_go(&h, 1000);
    assert_int_equal(help_listed(&h, end).offset, 5);
    assert_int_equal(help_listed(&h, begin).offset, 0);
    help_teardown(&h);
}

TEST(a_connection_may_be_idle_for_ever)
{
    struct help h;
    help_setup(&h, 7, "connections.max.idle.ms=-1\n");
    help_make_topic(&h);
    help_run(&h, 3600 * 1000);
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(a_stop_may_come_at_any_moment_of_the_start)
{
    for (int64_t us = 0; us < 6000; us += 97) {
        struct help h;
        help_prepare(&h, 2, "");
        world_start(h.world, h.broker);
        world_run_until(h.world, world_now(h.world) + us * 1000);
        world_stop(h.world, h.broker);
        help_run(&h, 10000);
        help_teardown(&h);
        assert_int_equal(h.stop_count, 1);
    }
}

TEST(topics_records_and_ids_survive_a_restart)
{
    struct help h;
    help_setup(&h, 21, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 5, -1, 0, 1000));
    help_go(&h, 1000);
    help_restart(&h);
    assert_int_equal(h.start_count, 2);
    assert_int_equal(h.started, ERR_NONE);
    struct wire_uuid again = help_make_topic(&h);
    assert_memory_equal(again.b, id.b, 16);
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(help_listed(&h, end).offset, 5);
    help_teardown(&h);
}

TEST(topics_records_and_ids_survive_a_power_loss)
{
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct help h;
        help_setup(&h, seed, "");
        struct wire_uuid id = help_make_topic(&h);
        int sent = help_produce(&h, 9, -1, id, help_batch(&h, 5, -1, 0, 1000));
        help_go(&h, 1000);
        assert_int_equal(help_produced(&h, sent).error_code, 0);
        world_power_loss(h.world, 1ull << h.broker);
        world_start(h.world, h.broker);
        help_run(&h, 3000);
        assert_int_equal(h.start_count, 2);
        assert_int_equal(h.started, ERR_NONE);
        world_stop(h.world, h.client); /* it does not know that its connection is dead */
        help_run(&h, 100);
        struct wire_metadata_response metadata = help_metadata(&h, HELP_TOPIC, 1000);
        assert_memory_equal(metadata.topics[0].topic_id.b, id.b, 16);
        assert_int_equal(metadata.topics[0].partitions[0].leader_epoch, 1);
        int end = help_offsets(&h, 5, -1);
        help_go(&h, 1000);
        assert_int_equal(help_listed(&h, end).offset, 5);
        help_teardown(&h);
    }
}

/* A start that ends early, and in good order, must not hide that the life before it did not. */
TEST(an_unclean_end_is_told_by_the_leader_epoch_whatever_comes_between)
{
    int64_t least = INT64_MAX;
    for (int64_t us = 0; us < 6000; us += 397) {
        struct help h;
        help_setup(&h, 22, "");
        help_make_topic(&h);
        world_power_loss(h.world, 1ull << h.broker);
        world_start(h.world, h.broker);
        world_run_until(h.world, world_now(h.world) + us * 1000);
        world_stop(h.world, h.broker);
        help_run(&h, 10000);
        world_start(h.world, h.broker);
        help_run(&h, 3000);
        assert_int_equal(h.started, ERR_NONE);
        world_stop(h.world, h.client); /* it does not know that its connection is dead */
        help_run(&h, 100);
        struct wire_metadata_response metadata = help_metadata(&h, HELP_TOPIC, 1000);
        int32_t epoch = metadata.topics[0].partitions[0].leader_epoch;
        assert_true(epoch >= 1);
        least = MIN(least, epoch);
        help_teardown(&h);
    }
    assert_int_equal(least, 1);
}

TEST(a_stop_answers_what_waits)
{
    struct help h;
    help_setup(&h, 22, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 600000, 1);
    help_go(&h, 500);
    world_stop(h.world, h.broker);
    help_run(&h, 1000);
    assert_int_equal(h.stop_count, 1);
    assert_int_equal(help_fetched(&h, waiting).records.size, 0);
    help_teardown(&h);
}

/* Some requests fail and some connections end; the broker goes on. */
TEST(a_broker_short_of_memory_refuses_and_recovers)
{
    for (uint64_t seed = 200; seed < 260; seed++) {
        struct help h;
        help_setup(&h, seed, "num.partitions=4\n");
        struct wire_uuid id = help_make_topic(&h);
        struct fault_line line = {.kind = FAULT_RATE, .nodes = 1ull << h.broker};
        line.for_ns = 2000000000;
        line.param[FAULT_P_SITE] = FAULT_ALLOC;
        line.param[FAULT_P_RATE] = seed % 2 == 0 ? 10000 : 300000;
        world_harm(h.world, &line);
        for (int i = 0; i < 10; i++) {
            h.calls[help_produce(&h, 9, -1, id, help_batch(&h, 5, 1, 5 * i, 1000))].together = true;
            h.calls[help_fetch(&h, 12, id, 0, 100, 1)].together = true;
            help_offsets(&h, 5, i);
            help_go(&h, 200);
        }
        help_run(&h, 3000);
        assert_int_equal(world_node_life(h.world, h.broker), WORLD_UP);
        help_go(&h, 1000);
        assert_int_equal(help_metadata(&h, "another", 1000).topics[0].error_code, 0);
        help_teardown(&h);
    }
}

/* A start that runs out of memory ends with a sentence and leaves nothing behind. */
TEST(a_start_may_run_out_of_memory)
{
    for (uint64_t seed = 300; seed < 400; seed++) {
        struct help h;
        help_setup(&h, seed, "");
        help_make_topic(&h);
        world_stop(h.world, h.broker);
        help_run(&h, 5000);
        struct fault_line line = {.kind = FAULT_RATE, .nodes = 1ull << h.broker};
        line.for_ns = 1000000000;
        line.param[FAULT_P_SITE] = FAULT_ALLOC;
        line.param[FAULT_P_RATE] = 20000;
        world_harm(h.world, &line);
        world_start(h.world, h.broker);
        help_run(&h, 5000);
        if (h.started != ERR_NONE) {
            assert_true(strlen(h.said) > 0);
            assert_int_equal(world_node_life(h.world, h.broker), WORLD_DOWN);
            world_start(h.world, h.broker);
            help_run(&h, 5000);
            assert_int_equal(h.started, ERR_NONE);
        }
        help_teardown(&h);
    }
}
