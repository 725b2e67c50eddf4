/* list_offsets_test.c - where a partition begins and ends, and where a time stands in it. */
#include <stdio.h>
#include "support/broker/help.h"

TEST(every_version_of_list_offsets_knows_start_end_and_time)
{
    struct help h;
    help_setup(&h, 6, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 1000));
    help_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 2000));
    help_go(&h, 1000);
    for (int16_t v = 1; v <= 11; v++) {
        int end = help_offsets(&h, v, -1);
        int start = help_offsets(&h, v, -2);
        int time = help_offsets(&h, v, 2005);
        int never = help_offsets(&h, v, 3000);
        help_go(&h, 1000);
        assert_int_equal(help_listed(&h, end).offset, 20);
        assert_int_equal(help_listed(&h, start).offset, 0);
        assert_int_equal(help_listed(&h, time).offset, 15);
        assert_int_equal(help_listed(&h, never).offset, -1);
    }
    help_teardown(&h);
}

/* As Kafka answers: once, with INVALID_REQUEST; a topic that stands twice gets one row. */
TEST(a_partition_that_is_asked_for_twice_is_refused_once)
{
    struct help h;
    help_setup(&h, 54, "num.partitions=2\n");
    help_make_topic(&h);
    struct wire_list_offsets_request_partition rows[] = {
        {.current_leader_epoch = -1, .timestamp = -1},
        {.current_leader_epoch = -1, .timestamp = -2},
        {.partition_index = 1, .current_leader_epoch = -1, .timestamp = -1}};
    struct wire_list_offsets_request_topic topics[] = {
        {.name = wire_text(HELP_TOPIC), .partitions = rows, .partitions_count = 1},
        {.name = wire_text("gone"), .partitions_count = 0},
        {.name = wire_text(HELP_TOPIC), .partitions = rows + 1, .partitions_count = 2}};
    struct help_offsets o;
    help_offsets_init(&o, -1);
    o.body.topics = topics;
    o.body.topics_count = COUNT_OF(topics);
    int call = help_call(&h, 2, 7, &o.body);
    help_go(&h, 300);
    struct wire_list_offsets_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.topics_count, 1);
    assert_int_equal(answer.topics[0].partitions_count, 2);
    assert_int_equal(answer.topics[0].partitions[0].error_code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(answer.topics[0].partitions[0].offset, -1);
    assert_int_equal(answer.topics[0].partitions[1].error_code, WIRE_ERROR_NONE);
    help_teardown(&h);
}

TEST(each_special_time_came_with_a_version)
{
    static const struct {
        int64_t timestamp;
        int16_t since;
        int64_t offset, found;
    } cases[] = {{-1, 1, 20, -1}, {-2, 1, 0, -1},   {-3, 7, 9, 3009}, {-4, 8, 0, -1},
                 {-5, 9, -1, -1}, {-6, 11, -1, -1}, {-7, 99, 0, 0},   {INT64_MIN, 99, 0, 0}};
    struct help h;
    help_setup(&h, 50, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 3000));
    help_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 1000));
    for (int16_t v = 1; v <= 11; v++) {
        for (int i = 0; i < COUNT_OF(cases); i++) {
            int call = help_offsets(&h, v, cases[i].timestamp);
            help_go(&h, 300);
            struct wire_list_offsets_response_partition p = help_listed(&h, call);
            bool asked_well = v >= cases[i].since;
            assert_int_equal(p.error_code,
                             asked_well ? WIRE_ERROR_NONE : WIRE_ERROR_UNSUPPORTED_VERSION);
            assert_int_equal(p.offset, asked_well ? cases[i].offset : -1);
            assert_int_equal(p.timestamp, asked_well ? cases[i].found : -1);
        }
    }
    help_teardown(&h);
}

/* The broker compresses what it stores; the record itself is found all the same. */
TEST(a_time_inside_of_a_compressed_batch_finds_its_record)
{
    static const char *const codecs[] = {"gzip", "snappy", "lz4", "zstd", "uncompressed"};
    for (int c = 0; c < COUNT_OF(codecs); c++) {
        struct help h;
        char config[64];
        snprintf(config, sizeof config, "compression.type=%s\n", codecs[c]);
        help_setup(&h, 55, config);
        struct wire_uuid id = help_make_topic(&h);
        help_produce(&h, 9, -1, id, help_batch(&h, 100, -1, 0, 1000));
        help_produce(&h, 9, -1, id, help_batch(&h, 100, -1, 0, 2000));
        int fetch = help_fetch(&h, 12, id, 0, 0, 1);
        help_go(&h, 1000);
        struct wire_bytes records = help_fetched(&h, fetch).records;
        assert_true(records.size > WIRE_BATCH_HEAD);
        assert_int_equal((get_u16(records.data + 21) & WIRE_BATCH_CODEC) != 0, c < 4);
        static const struct {
            int64_t asked, offset, found;
        } cases[] = {{0, 0, 1000},      {1000, 0, 1000},   {1042, 42, 1042}, {1099, 99, 1099},
                     {1100, 100, 2000}, {2077, 177, 2077}, {-3, 199, 2099},  {2100, -1, -1}};
        for (int i = 0; i < COUNT_OF(cases); i++) {
            int call = help_offsets(&h, 8, cases[i].asked);
            help_go(&h, 300);
            struct wire_list_offsets_response_partition p = help_listed(&h, call);
            assert_int_equal(p.offset, cases[i].offset);
            assert_int_equal(p.timestamp, cases[i].found);
            assert_int_equal(p.leader_epoch, cases[i].offset < 0 ? -1 : 0);
        }
        help_teardown(&h);
    }
}

TEST(an_empty_partition_has_a_start_and_an_end_but_no_times)
{
    struct help h;
    help_setup(&h, 51, "");
    help_make_topic(&h);
    static const int64_t asked[] = {-1, -2, -3, 0};
    static const int64_t offsets[] = {0, 0, -1, -1};
    for (int i = 0; i < COUNT_OF(asked); i++) {
        int call = help_offsets(&h, 10, asked[i]);
        help_go(&h, 300);
        assert_int_equal(help_listed(&h, call).error_code, 0);
        assert_int_equal(help_listed(&h, call).offset, offsets[i]);
        assert_int_equal(help_listed(&h, call).leader_epoch, offsets[i] < 0 ? -1 : 0);
    }
    help_teardown(&h);
}

TEST(offsets_of_what_is_not_there_or_led_in_another_epoch_are_refused)
{
    struct help h;
    help_setup(&h, 52, "");
    int no_topic = help_offsets(&h, 5, -1);
    help_go(&h, 300);
    help_make_topic(&h);
    struct help_offsets o;
    help_offsets_init(&o, -1);
    o.partition.current_leader_epoch = 1;
    int later = help_call(&h, 2, 5, &o.body);
    o.partition.current_leader_epoch = 0;
    int now = help_call(&h, 2, 5, &o.body);
    o.partition.partition_index = 1;
    int no_partition = help_call(&h, 2, 5, &o.body);
    help_go(&h, 300);
    assert_int_equal(help_listed(&h, no_topic).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(help_listed(&h, later).error_code, WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(help_listed(&h, now).error_code, WIRE_ERROR_NONE);
    assert_int_equal(help_listed(&h, no_partition).error_code,
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    help_teardown(&h);
}

/* Who goes on from there will ask for that epoch (KIP-320). */
TEST(the_start_has_the_epoch_of_its_records_and_the_end_that_of_the_leader)
{
    struct help h;
    help_setup(&h, 53, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    help_go(&h, 500);
    world_power_loss(h.world, 1ull << h.broker); /* the next leader epoch is 1 */
    world_start(h.world, h.broker);
    help_run(&h, 3000);
    world_stop(h.world, h.client);
    help_run(&h, 100);
    int start = help_offsets(&h, 5, -2);
    int end = help_offsets(&h, 5, -1);
    int time = help_offsets(&h, 5, 1001);
    help_go(&h, 500);
    assert_int_equal(help_listed(&h, start).leader_epoch, 0);
    assert_int_equal(help_listed(&h, end).leader_epoch, 1);
    assert_int_equal(help_listed(&h, time).leader_epoch, 0);
    assert_int_equal(help_listed(&h, end).offset, 3);
    help_teardown(&h);
}
