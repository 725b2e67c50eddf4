/* fetch_test.c - records out of partitions: how long a fetch waits, how much it brings, what it
 * refuses. */
#include "support/broker/help.h"

TEST(every_version_of_produce_and_fetch_carries_records)
{
    struct help h;
    help_setup(&h, 5, "");
    struct wire_uuid id = help_make_topic(&h);
    int calls[2][32];
    int count = 0;
    for (int16_t v = 3; v <= 13; v++)
        calls[0][count++] =
            help_produce(&h, v, v % 2 == 0 ? -1 : 1, id, help_batch(&h, 10, -1, 0, 1000));
    help_go(&h, 5000);
    for (int i = 0; i < count; i++) {
        struct wire_produce_response_partition p = help_produced(&h, calls[0][i]);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.base_offset, 10 * i);
    }
    int64_t end = 10 * count;
    for (int16_t v = 4; v <= 18; v++)
        calls[1][v] = help_fetch(&h, v, id, 10, 0, 1);
    help_go(&h, 5000);
    for (int16_t v = 4; v <= 18; v++) {
        struct wire_fetch_response_partition p = help_fetched(&h, calls[1][v]);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.high_watermark, end);
        struct wire_batch batch;
        struct bytes records = bytes_of(p.records.data, (size_t)p.records.size);
        assert_int_equal(wire_batch_at(records, 0, &batch, NULL), WIRE_AT_BATCH);
        assert_int_equal(batch.base_offset, 10);
        assert_ok(wire_batch_verify(&batch, records.data, NULL));
    }
    help_teardown(&h);
}

TEST(a_fetch_waits_until_there_is_something)
{
    struct help h;
    help_setup(&h, 11, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 30000, 1);
    help_go(&h, 1000);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    int sent = help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    h.calls[sent].together = true;
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    assert_int_equal(help_fetched(&h, waiting).high_watermark, 3);
    assert_true(help_fetched(&h, waiting).records.size > 0);
    help_teardown(&h);
}

TEST(a_fetch_ends_with_nothing_when_its_time_is_up)
{
    struct help h;
    help_setup(&h, 12, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 700, 1);
    help_go(&h, 600);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    help_run(&h, 500);
    assert_int_equal(help_fetched(&h, waiting).error_code, 0);
    assert_int_equal(help_fetched(&h, waiting).records.size, 0);
    help_teardown(&h);
}

TEST(a_fetch_waits_for_as_many_bytes_as_it_asks_for)
{
    struct help h;
    help_setup(&h, 13, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 60000, 1000);
    help_go(&h, 500);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(h.calls[waiting].answer.size, 0);
        h.calls[help_produce(&h, 9, -1, id, help_batch(&h, 20, -1, 0, 1000))].together = true;
        help_go(&h, 500);
    }
    assert_true(help_fetched(&h, waiting).records.size >= 1000);
    help_teardown(&h);
}

TEST(an_offset_that_is_not_there_is_out_of_range)
{
    struct help h;
    help_setup(&h, 14, "");
    struct wire_uuid id = help_make_topic(&h);
    int call = help_fetch(&h, 12, id, 5, 10000, 1);
    help_go(&h, 500);
    assert_int_equal(help_fetched(&h, call).error_code, 1);
    help_teardown(&h);
}

TEST(unknown_topics_and_partitions_have_their_codes)
{
    struct help h;
    help_setup(&h, 15, "");
    struct wire_uuid id = {.b = {1, 2, 3}};
    int by_name = help_produce(&h, 9, -1, id, help_batch(&h, 1, -1, 0, 1));
    int by_id = help_produce(&h, 13, -1, id, help_batch(&h, 1, -1, 0, 1));
    int fetch_by_name = help_fetch(&h, 12, id, 0, 1000, 1);
    int fetch_by_id = help_fetch(&h, 13, id, 0, 1000, 1);
    help_go(&h, 2000);
    assert_int_equal(help_produced(&h, by_name).error_code, 3);
    assert_int_equal(help_produced(&h, by_id).error_code, 100);
    assert_int_equal(help_fetched(&h, fetch_by_name).error_code, 3);
    assert_int_equal(help_fetched(&h, fetch_by_id).error_code, 100);
    help_teardown(&h);
}

/* More partitions than a handler looks at in one event, and more data than one answer may hold. */
TEST(a_fetch_of_many_partitions_answers_for_each_of_them)
{
    enum { COUNT = 700 };
    static struct wire_fetch_request_partition partitions[COUNT];
    static struct wire_produce_request_partition records[COUNT];
    struct help h;
    help_setup(&h, 24, "num.partitions=700\n");
    struct wire_metadata_response metadata = help_metadata(&h, HELP_TOPIC, 60000);
    assert_int_equal(metadata.topics[0].partitions_count, COUNT);
    struct wire_bytes batch = help_batch(&h, 100, -1, 0, 1000);
    for (int i = 0; i < COUNT; i++) {
        records[i] = (struct wire_produce_request_partition){.index = i, .records = batch};
        partitions[i] = (struct wire_fetch_request_partition){.partition = i,
                                                              .current_leader_epoch = -1,
                                                              .last_fetched_epoch = -1,
                                                              .log_start_offset = -1,
                                                              .partition_max_bytes = 1 << 20};
    }
    struct wire_produce_request_topic to = {
        .name = wire_text(HELP_TOPIC), .partition_data_count = COUNT, .partition_data = records};
    struct wire_produce_request produce = {.transactional_id = WIRE_NULL_STRING,
                                           .acks = -1,
                                           .timeout_ms = 60000,
                                           .topic_data_count = 1,
                                           .topic_data = &to};
    int sent = help_call(&h, 0, 9, &produce);
    help_go(&h, 30000);
    struct wire_produce_response stored;
    help_expect(&h, sent, &stored);
    struct wire_fetch_request_topic topic = {
        .topic = wire_text(HELP_TOPIC), .partitions_count = COUNT, .partitions = partitions};
    struct wire_fetch_request fetch;
    wire_defaults(&wire_fetch_request_message, &fetch);
    fetch.max_wait_ms = 1000;
    fetch.min_bytes = 1;
    fetch.max_bytes = 64 << 20;
    fetch.topics_count = 1;
    fetch.topics = &topic;
    int call = help_call(&h, 1, 12, &fetch);
    help_go(&h, 10000);
    struct wire_fetch_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.responses[0].partitions_count, COUNT);
    int with_records = 0;
    for (int i = 0; i < COUNT; i++) {
        const struct wire_fetch_response_partition *p = &answer.responses[0].partitions[i];
        assert_int_equal(stored.responses[0].partition_responses[i].error_code, 0);
        assert_int_equal(p->partition_index, i);
        assert_int_equal(p->error_code, 0);
        assert_int_equal(p->high_watermark, 100);
        with_records += p->records.size == batch.size;
    }
    assert_true(with_records > 100);
    help_teardown(&h);
}

/* The reads of a fetch, one partition after the other, take longer than a write: the first of what
 * comes meanwhile wakes it, and it must count what comes behind that, too. */
TEST(a_fetch_counts_all_that_comes_while_it_reads)
{
    enum { COUNT = 40 };
    static struct wire_fetch_request_partition partitions[COUNT];
    static struct wire_produce_request_partition records[COUNT];
    for (uint64_t seed = 50; seed < 60; seed++) {
        struct help h;
        struct help_produce p;
        struct help_fetch f;
        help_setup(&h, seed, "num.partitions=40\n");
        help_metadata(&h, HELP_TOPIC, 5000);
        struct wire_uuid id = help_make_topic(&h);
        struct wire_bytes batch = help_batch(&h, 10, -1, 0, 1000);
        help_produce_init(&p, id, -1, batch);
        help_fetch_init(&f, id, 0);
        for (int i = 0; i < COUNT; i++) {
            records[i] = p.partition;
            partitions[i] = f.partition;
            records[i].index = partitions[i].partition = i;
        }
        p.topic.partition_data_count = f.topic.partitions_count = COUNT;
        p.topic.partition_data = records;
        f.topic.partitions = partitions;
        help_call(&h, 0, 9, &p.body);
        help_go(&h, 2000);
        help_restart(&h); /* no file is open, and memory knows no place */
        struct fault_line slow = {.kind = FAULT_DISK_SLOW, .nodes = 1ull << h.broker};
        slow.for_ns = 4000000000;
        slow.param[FAULT_P_FACTOR] = 20;
        world_harm(h.world, &slow);
        f.body.max_wait_ms = 60000;
        f.body.min_bytes = (COUNT + 2) * batch.size;
        f.body.max_bytes = 1 << 20;
        int waiting = help_call(&h, 1, 12, &f.body);
        help_go(&h, 2);
        h.calls[help_produce(&h, 9, -1, id, batch)].together = true;
        help_go(&h, 40);
        h.calls[help_produce(&h, 9, -1, id, batch)].together = true;
        help_go(&h, 10000);
        assert_true(h.calls[waiting].answer.size > 0);
        help_teardown(&h);
    }
}

static int16_t fetched_alone(struct help *h, int call)
{
    struct wire_fetch_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 0);
    return answer.error_code;
}

/* A cache of sessions may be full at any time: 0 says so, and clients then name everything anew. */
TEST(a_fetch_with_another_leader_epoch_is_told_so)
{
    struct help h;
    help_setup(&h, 31, "");
    struct wire_uuid id = help_make_topic(&h);
    world_power_loss(h.world, 1ull << h.broker); /* the next leader epoch is 1 */
    world_start(h.world, h.broker);
    help_run(&h, 3000);
    world_stop(h.world, h.client);
    help_run(&h, 100);
    static const int16_t codes[] = {WIRE_ERROR_FENCED_LEADER_EPOCH, WIRE_ERROR_NONE,
                                    WIRE_ERROR_UNKNOWN_LEADER_EPOCH};
    for (int16_t v = 9; v <= 18; v++) {
        for (int32_t epoch = 0; epoch < COUNT_OF(codes); epoch++) {
            struct help_fetch f;
            help_fetch_init(&f, id, 0);
            f.partition.current_leader_epoch = epoch;
            int call = help_call(&h, 1, v, &f.body);
            help_go(&h, 100);
            assert_int_equal(help_fetched(&h, call).error_code, codes[epoch]);
        }
    }
    help_teardown(&h);
}

static struct wire_fetch_response_partition fetch_after(struct help *h, struct wire_uuid id,
                                                        int64_t offset, int32_t last_fetched_epoch)
{
    struct help_fetch f;
    help_fetch_init(&f, id, offset);
    f.body.max_wait_ms = 5000;
    f.partition.last_fetched_epoch = last_fetched_epoch;
    int call = help_call(h, 1, 12, &f.body);
    help_go(h, 300);
    return help_fetched(h, call); /* at once: it does not wait for more */
}

/* Three records in epoch 0, two in epoch 1, none in epoch 2. */
TEST(who_read_what_this_log_does_not_hold_is_told_where_it_diverged)
{
    struct help h;
    help_setup(&h, 27, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    help_go(&h, 1000);
    for (int life = 0; life < 2; life++) {
        world_kill(h.world, h.broker, 0);
        help_run(&h, 100);
        world_start(h.world, h.broker);
        help_run(&h, 2000);
        if (life == 0)
            help_produce(&h, 9, -1, id, help_batch(&h, 2, -1, 0, 1000));
        help_go(&h, 1000);
    }
    static const struct {
        int32_t epoch;
        int64_t offset;
        int32_t diverging;
        int64_t end;
        int16_t code;
    } cases[] = {
        {0, 0, -1, -1, 0},  {0, 3, -1, -1, 0}, {0, 4, 0, 3, 0},           {0, 99, 0, 3, 0},
        {1, 4, -1, -1, 0},  {1, 3, -1, -1, 0}, {1, 6, 1, 5, 0},           {2, 4, -1, -1, 0},
        {2, 9, 2, 5, 0},    {3, 5, -1, -1, 1}, {INT32_MAX, 0, -1, -1, 1}, {-2, 4, -1, -1, 0},
        {0, -1, -1, -1, 1},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct wire_fetch_response_partition p =
            fetch_after(&h, id, cases[i].offset, cases[i].epoch);
        assert_int_equal(p.error_code, cases[i].code);
        assert_int_equal(p.diverging_epoch.epoch, cases[i].diverging);
        assert_int_equal(p.diverging_epoch.end_offset, cases[i].end);
        bool reads = cases[i].code == 0 && cases[i].diverging < 0;
        assert_int_equal(p.records.size > 0, reads);
        assert_int_equal(p.high_watermark, cases[i].code == 0 ? 5 : -1);
        assert_int_equal(p.log_start_offset, cases[i].code == 0 ? 0 : -1);
    }
    help_teardown(&h);
}

/* The last word counts, in the place of the first, as in Kafka's map. */
TEST(a_partition_that_is_fetched_twice_comes_once)
{
    struct help h;
    help_setup(&h, 28, "num.partitions=2\n");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    for (int16_t v = 4; v <= 18; v++) {
        struct help_fetch f;
        help_fetch_init(&f, id, 99);
        struct wire_fetch_request_partition rows[] = {f.partition, f.partition, f.partition};
        rows[1].partition = 1;
        rows[1].fetch_offset = 0;
        rows[2].fetch_offset = 1;
        struct wire_fetch_request_topic topics[] = {f.topic, f.topic};
        topics[0].partitions = rows;
        topics[0].partitions_count = 2;
        topics[1].partitions = rows + 2;
        f.body.topics = topics;
        f.body.topics_count = 2;
        int call = help_call(&h, 1, v, &f.body);
        help_go(&h, 500);
        struct wire_fetch_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.responses_count, 1);
        assert_int_equal(answer.responses[0].partitions_count, 2);
        const struct wire_fetch_response_partition *p = answer.responses[0].partitions;
        assert_int_equal(p[0].partition_index, 0);
        assert_int_equal(p[0].error_code, 0);
        assert_true(p[0].records.size > 0);
        assert_int_equal(p[1].partition_index, 1);
    }
    help_teardown(&h);
}

TEST(a_fetch_of_no_partition_does_not_wait)
{
    struct help h;
    help_setup(&h, 32, "");
    struct help_fetch f;
    help_fetch_init(&f, (struct wire_uuid){.b = {0}}, 0);
    f.body.topics_count = 0;
    f.body.max_wait_ms = 60000;
    int call = help_call(&h, 1, 12, &f.body);
    help_go(&h, 100);
    assert_int_equal(fetched_alone(&h, call), 0);
    help_teardown(&h);
}

/* Else it would wait for what cannot come. */
TEST(a_fetch_waits_for_no_more_than_an_answer_may_hold)
{
    struct help h;
    help_setup(&h, 33, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_bytes batch = help_batch(&h, 50, -1, 0, 1000);
    struct help_fetch f;
    help_fetch_init(&f, id, 0);
    f.body.max_wait_ms = 60000;
    f.body.min_bytes = 1 << 20;
    f.body.max_bytes = batch.size;
    int call = help_call(&h, 1, 12, &f.body);
    help_go(&h, 100);
    assert_int_equal(h.calls[call].answer.size, 0);
    h.calls[help_produce(&h, 9, -1, id, batch)].together = true;
    help_go(&h, 100);
    assert_int_equal(help_fetched(&h, call).records.size, batch.size);
    help_teardown(&h);
}

TEST(a_fetch_brings_whole_batches_and_at_least_one)
{
    struct help h;
    help_setup(&h, 34, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_bytes batch = help_batch(&h, 50, -1, 0, 1000);
    for (int i = 0; i < 3; i++)
        help_produce(&h, 9, -1, id, batch);
    static const int32_t limits[][3] = {
        /* max_bytes, partition_max_bytes, in batches * 10; batches that come */
        {0, 0, 1},    {1, 100, 1},  {100, 1, 1}, {15, 100, 1}, {100, 15, 1},
        {25, 100, 2}, {100, 20, 2}, {29, 25, 2}, {30, 30, 3},  {100, 100, 3}};
    for (int i = 0; i < COUNT_OF(limits); i++) {
        struct help_fetch f;
        help_fetch_init(&f, id, 0);
        f.body.max_bytes = batch.size * limits[i][0] / 10;
        f.partition.partition_max_bytes = batch.size * limits[i][1] / 10;
        int call = help_call(&h, 1, 12, &f.body);
        help_go(&h, 1000);
        assert_int_equal(help_fetched(&h, call).records.size, batch.size * limits[i][2]);
    }
    help_teardown(&h);
}

TEST(what_one_partition_takes_the_next_has_no_more)
{
    struct help h;
    help_setup(&h, 35, "num.partitions=3\n");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_bytes batch = help_batch(&h, 50, -1, 0, 1000);
    for (int32_t i = 0; i < 3; i++) {
        struct help_produce p;
        help_produce_init(&p, id, -1, batch);
        p.partition.index = i;
        help_call(&h, 0, 9, &p.body);
    }
    struct help_fetch f;
    help_fetch_init(&f, id, 0);
    struct wire_fetch_request_partition partitions[3];
    for (int32_t i = 0; i < 3; i++) {
        partitions[i] = f.partition;
        partitions[i].partition = 2 - i;
    }
    f.topic.partitions = partitions;
    f.topic.partitions_count = 3;
    f.body.max_bytes = 2 * batch.size;
    int call = help_call(&h, 1, 12, &f.body);
    help_go(&h, 500);
    struct wire_fetch_response answer;
    help_expect(&h, call, &answer);
    for (int i = 0; i < 3; i++) {
        const struct wire_fetch_response_partition *p = &answer.responses[0].partitions[i];
        assert_int_equal(p->partition_index, 2 - i);
        assert_int_equal(p->records.size, i < 2 ? batch.size : 0);
        assert_int_equal(p->high_watermark, 50);
    }
    help_teardown(&h);
}

/* One partition that fails here ends the wait of all: its client must know at once. */
TEST(a_code_ends_the_wait)
{
    struct help h;
    help_setup(&h, 36, "num.partitions=2\n");
    struct wire_uuid id = help_make_topic(&h);
    struct help_fetch f;
    help_fetch_init(&f, id, 0);
    struct wire_fetch_request_partition partitions[] = {f.partition, f.partition, f.partition};
    partitions[1].partition = 1;
    partitions[1].fetch_offset = 1;
    partitions[2].partition = 2;
    f.topic.partitions = partitions;
    f.topic.partitions_count = 3;
    f.body.max_wait_ms = 60000;
    int call = help_call(&h, 1, 12, &f.body);
    help_go(&h, 100);
    struct wire_fetch_response answer;
    help_expect(&h, call, &answer);
    const struct wire_fetch_response_partition *p = answer.responses[0].partitions;
    assert_int_equal(p[0].error_code, WIRE_ERROR_NONE);
    assert_int_equal(p[0].log_start_offset, 0);
    assert_int_equal(p[1].error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(p[2].error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(p[2].high_watermark, -1);
    help_teardown(&h);
}

/* Else the consumer of a topic that somebody has deleted asks for its other topics without a pause.
 */
TEST(what_is_not_known_does_not_end_the_wait_of_the_others)
{
    for (int16_t v = 4; v <= 18; v++) {
        struct help h;
        help_setup(&h, 37, "num.partitions=1\n");
        struct wire_uuid id = help_make_topic(&h);
        struct help_fetch f;
        help_fetch_init(&f, id, 0);
        struct wire_fetch_request_partition partitions[] = {f.partition, f.partition};
        partitions[1].partition = 9;
        struct wire_fetch_request_topic topics[] = {f.topic, f.topic};
        topics[0].partitions = partitions;
        topics[0].partitions_count = 2;
        topics[1].topic = wire_text("gone");
        topics[1].topic_id = (struct wire_uuid){.b = {9}};
        f.body.topics = topics;
        f.body.topics_count = 2;
        f.body.max_wait_ms = 5000;
        int some = help_call(&h, 1, v, &f.body);
        help_go(&h, 4000);
        assert_int_equal(h.calls[some].answer.size, 0);
        help_run(&h, 2000);
        struct wire_fetch_response answer;
        help_expect(&h, some, &answer);
        assert_int_equal(answer.responses[0].partitions[0].error_code, WIRE_ERROR_NONE);
        assert_int_equal(answer.responses[0].partitions[1].error_code,
                         WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(answer.responses[1].partitions[0].error_code,
                         v < 13 ? WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                : WIRE_ERROR_UNKNOWN_TOPIC_ID);
        f.body.topics = topics + 1; /* nothing is left to wait for */
        f.body.topics_count = 1;
        int none = help_call(&h, 1, v, &f.body);
        help_go(&h, 100);
        help_expect(&h, none, &answer);
        help_teardown(&h);
    }
}

TEST(who_says_that_it_is_a_follower_gets_nothing)
{
    struct help h;
    help_setup(&h, 37, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 1, -1, 0, 1000));
    for (int16_t v = 4; v <= 18; v++) {
        struct help_fetch f;
        help_fetch_init(&f, id, 0);
        *(v < 15 ? &f.body.replica_id : &f.body.replica_state.replica_id) = 2;
        int call = help_call(&h, 1, v, &f.body);
        f.partition.current_leader_epoch = 0;
        int with_epoch = help_call(&h, 1, v, &f.body);
        help_go(&h, 100);
        assert_int_equal(help_fetched(&h, call).error_code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
        assert_int_equal(help_fetched(&h, call).records.size, 0);
        if (v >= 9)
            assert_int_equal(help_fetched(&h, with_epoch).error_code,
                             WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    }
    help_teardown(&h);
}

TEST(read_committed_gets_an_empty_list_of_aborted_transactions)
{
    struct help h;
    help_setup(&h, 38, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    for (int8_t level = 0; level < 2; level++) {
        struct help_fetch f;
        help_fetch_init(&f, id, 0);
        f.body.isolation_level = level;
        int call = help_call(&h, 1, 12, &f.body);
        help_go(&h, 500);
        struct wire_fetch_response_partition p = help_fetched(&h, call);
        assert_int_equal(p.aborted_transactions_count, level == 0 ? -1 : 0);
        assert_int_equal(p.last_stable_offset, 3);
        assert_true(p.records.size > 0);
    }
    help_teardown(&h);
}

/* Writing has ended for good; whoever has not read yet still can. */
TEST(what_was_acknowledged_is_read_and_found_after_a_failed_sync)
{
    struct help h;
    help_setup(&h, 39, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    help_go(&h, 500);
    struct fault_line line = {.kind = FAULT_RATE, .nodes = 1ull << h.broker};
    line.for_ns = 10000000000;
    line.param[FAULT_P_SITE] = FAULT_DISK_SYNC;
    line.param[FAULT_P_RATE] = 1000000;
    world_harm(h.world, &line);
    int lost = help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 2000));
    int fetch = help_fetch(&h, 12, id, 0, 0, 1);
    int end = help_offsets(&h, 5, -1);
    int time = help_offsets(&h, 5, 1001);
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, lost).error_code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(help_fetched(&h, fetch).error_code, WIRE_ERROR_NONE);
    assert_int_equal(help_fetched(&h, fetch).high_watermark, 3);
    assert_true(help_fetched(&h, fetch).records.size > 0);
    assert_int_equal(help_listed(&h, end).offset, 3);
    assert_int_equal(help_listed(&h, time).offset, 1);
    world_stop(h.world, h.broker);
    help_run(&h, 10000);
    help_teardown(&h);
}
