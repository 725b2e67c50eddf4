/* session_test.c - fetch sessions (KIP-227): what has been named once is answered when something is
 * new, and only then. */
#include <stdio.h>
#include "support/broker/help.h"

#define PARTITIONS 3
#define MANY 60000 /* partitions: the sessions of a few fetches of so many reach the limit */

/* A fetch of some of a topic's partitions, by name. */
struct ask {
    struct wire_fetch_request body;
    struct wire_fetch_request_topic topic;
    struct wire_fetch_request_partition partitions[PARTITIONS];
    struct wire_fetch_request_forgotten_topic forgotten;
    int32_t forgotten_numbers[PARTITIONS];
};

static void ask_init(struct ask *a, int32_t session_id, int32_t session_epoch)
{
    *a = (struct ask){0};
    wire_defaults(&wire_fetch_request_message, &a->body);
    a->body.session_id = session_id;
    a->body.session_epoch = session_epoch;
    a->body.min_bytes = 1;
    a->body.max_bytes = 1 << 20;
    a->topic = (struct wire_fetch_request_topic){.topic = wire_text(HELP_TOPIC),
                                                 .partitions = a->partitions};
    a->forgotten = (struct wire_fetch_request_forgotten_topic){.topic = wire_text(HELP_TOPIC),
                                                               .partitions = a->forgotten_numbers};
    a->body.topics = &a->topic;
    a->body.forgotten_topics_data = &a->forgotten;
}

static void ask_name(struct ask *a, int32_t partition, int64_t offset)
{
    a->partitions[a->topic.partitions_count++] =
        (struct wire_fetch_request_partition){.partition = partition,
                                              .current_leader_epoch = -1,
                                              .fetch_offset = offset,
                                              .last_fetched_epoch = -1,
                                              .log_start_offset = -1,
                                              .partition_max_bytes = 1 << 20,
                                              .high_watermark = INT64_MAX,
                                              .durable_end = -1};
    a->body.topics_count = 1;
}

static void ask_forget(struct ask *a, int32_t partition)
{
    a->forgotten_numbers[a->forgotten.partitions_count++] = partition;
    a->body.forgotten_topics_data_count = 1;
}

static struct wire_fetch_response answer_of(struct help *h, int call)
{
    struct wire_fetch_response answer;
    help_expect(h, call, &answer);
    return answer;
}

static struct wire_fetch_response asked(struct help *h, int16_t version, const struct ask *a)
{
    int call = help_call(h, 1, version, &a->body);
    help_go(h, 200);
    return answer_of(h, call);
}

/* The session's next fetch, which names nothing. */
static struct wire_fetch_response asked_again(struct help *h, int32_t id, int32_t epoch)
{
    struct ask a;
    ask_init(&a, id, epoch);
    return asked(h, 12, &a);
}

/* A session of all partitions, from that offset on. */
static int32_t begin_session(struct help *h, int64_t offset)
{
    struct ask a;
    ask_init(&a, 0, 0);
    for (int32_t i = 0; i < PARTITIONS; i++)
        ask_name(&a, i, offset);
    struct wire_fetch_response answer = asked(h, 12, &a);
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.responses_count, 1);
    assert_int_equal(answer.responses[0].partitions_count, PARTITIONS);
    assert_true(answer.session_id > 0);
    return answer.session_id;
}

/* No partition is in it. */
static void assert_empty(struct wire_fetch_response answer, int32_t id)
{
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.session_id, id);
    assert_int_equal(answer.responses_count, 0);
}

static struct wire_fetch_response_partition only(struct wire_fetch_response answer,
                                                 int32_t partition)
{
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.responses_count, 1);
    assert_int_equal(answer.responses[0].partitions_count, 1);
    assert_int_equal(answer.responses[0].partitions[0].partition_index, partition);
    return answer.responses[0].partitions[0];
}

static void produce(struct help *h, int32_t partition, int count)
{
    struct help_produce p;
    help_produce_init(&p, (struct wire_uuid){{0}}, -1, help_batch(h, count, -1, 0, 1000));
    p.partition.index = partition;
    int call = help_call(h, 0, 9, &p.body);
    h->calls[call].together = h->calls[call].other = true;
    help_go(h, 200);
    assert_int_equal(help_produced(h, call).error_code, 0);
}

static void setup(struct help *h, uint64_t seed, const char *config)
{
    char text[256];
    snprintf(text, sizeof text, "num.partitions=3\n%s", config);
    help_setup(h, seed, text);
    help_make_topic(h);
}

TEST(a_session_answers_what_is_new_and_nothing_else)
{
    struct help h;
    struct ask a;
    setup(&h, 1, "");
    int32_t id = begin_session(&h, 0);
    assert_empty(asked_again(&h, id, 1), id);
    produce(&h, 1, 5);
    struct wire_fetch_response_partition p = only(asked_again(&h, id, 2), 1);
    assert_true(p.records.size > 0);
    assert_int_equal(p.high_watermark, 5);
    /* Who does not say that it has read it gets it again. */
    assert_int_equal(only(asked_again(&h, id, 3), 1).records.size, p.records.size);
    ask_init(&a, id, 4);
    ask_name(&a, 1, 5);
    assert_empty(asked(&h, 12, &a), id);
    assert_empty(asked_again(&h, id, 5), id);
    produce(&h, 1, 1);
    assert_int_equal(only(asked_again(&h, id, 6), 1).high_watermark, 6);
    help_teardown(&h);
}

TEST(every_version_has_sessions_from_seven_on)
{
    struct help h;
    help_setup(&h, 2, "");
    struct wire_uuid id = help_make_topic(&h);
    int sent = help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    for (int16_t v = 4; v <= 18; v++) {
        struct help_fetch f;
        help_fetch_init(&f, id, 0);
        f.body.session_epoch = v >= 7 ? 0 : -1;
        int first = help_call(&h, 1, v, &f.body);
        help_go(&h, 200);
        assert_int_equal(help_produced(&h, sent).error_code, 0);
        struct wire_fetch_response answer = answer_of(&h, first);
        assert_true(only(answer, 0).records.size > 0);
        assert_int_equal(answer.session_id > 0, v >= 7);
        if (v < 7)
            continue;
        f.body.session_id = answer.session_id;
        f.body.session_epoch = 1;
        f.partition.fetch_offset = 3;
        int second = help_call(&h, 1, v, &f.body);
        help_go(&h, 200);
        assert_empty(answer_of(&h, second), f.body.session_id);
    }
    help_teardown(&h);
}

TEST(what_is_forgotten_is_not_answered)
{
    struct help h;
    struct ask a;
    setup(&h, 3, "");
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    ask_forget(&a, 1);
    ask_forget(&a, 7); /* it was never there */
    assert_empty(asked(&h, 12, &a), id);
    produce(&h, 1, 5);
    produce(&h, 2, 5);
    only(asked_again(&h, id, 2), 2);
    ask_init(&a, id, 3);
    ask_forget(&a, 2);
    ask_name(&a, 1, 0);
    only(asked(&h, 12, &a), 1);
    ask_init(&a, id, 4);
    ask_forget(&a, 0);
    ask_forget(&a, 1);
    assert_empty(asked(&h, 12, &a), 0); /* nothing is left of it */
    assert_int_equal(asked_again(&h, id, 5).error_code, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    help_teardown(&h);
}

TEST(a_session_that_cannot_go_on_has_its_codes)
{
    static const struct {
        int32_t id, epoch; /* id 0: the session's; else one that nobody has */
        int16_t version, code;
    } cases[] = {
        {0, 2, 12, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH},
        {0, -5, 12, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH},
        {0, 1, 13, WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR},
        {7, 1, 12, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND},
        {7, -2, 12, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND},
        {0, 1, 12, 0},
        {0, 1, 12, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH}, /* the same once more */
        {0, 2, 12, 0},
    };
    struct help h;
    setup(&h, 4, "");
    int32_t id = begin_session(&h, 0);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct ask a;
        ask_init(&a, cases[i].id == 0 ? id : cases[i].id, cases[i].epoch);
        struct wire_fetch_response answer = asked(&h, cases[i].version, &a);
        assert_int_equal(answer.error_code, cases[i].code);
        assert_int_equal(answer.responses_count, 0);
        assert_int_equal(answer.session_id, cases[i].code == 0 ? id : 0);
    }
    help_teardown(&h);
}

TEST(a_full_fetch_ends_the_session_that_it_names)
{
    static const int32_t epochs[] = {0, -1};
    struct help h;
    setup(&h, 5, "");
    for (int i = 0; i < COUNT_OF(epochs); i++) {
        struct ask a;
        int32_t id = begin_session(&h, 0);
        ask_init(&a, id, epochs[i]);
        ask_name(&a, 0, 0);
        struct wire_fetch_response answer = asked(&h, 12, &a);
        only(answer, 0);
        assert_int_equal(answer.session_id > 0, epochs[i] == 0);
        assert_true(answer.session_id != id);
        assert_int_equal(asked_again(&h, id, 1).error_code, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    }
    help_teardown(&h);
}

TEST(a_session_waits_for_any_of_its_partitions)
{
    struct help h;
    struct ask a;
    setup(&h, 6, "");
    int32_t id = begin_session(&h, 0);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        ask_init(&a, id, 1 + i);
        if (i > 0)
            ask_name(&a, i - 1, 4);
        a.body.max_wait_ms = 20000;
        int waiting = help_call(&h, 1, 12, &a.body);
        help_go(&h, 1000);
        assert_int_equal(h.calls[waiting].answer.size, 0);
        produce(&h, i, 4);
        struct wire_fetch_response_partition p = only(answer_of(&h, waiting), i);
        assert_int_equal(p.high_watermark, 4);
        assert_true(p.records.size > 0);
    }
    help_teardown(&h);
}

/* A wait of a session counts the bytes of all its partitions, however they come. */
TEST(a_session_waits_for_as_many_bytes_as_it_asks_for)
{
    struct help h;
    struct ask a;
    setup(&h, 7, "");
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    a.body.max_wait_ms = 60000;
    struct wire_bytes batch = help_batch(&h, 4, -1, 0, 1000);
    a.body.min_bytes = 3 * batch.size;
    int waiting = help_call(&h, 1, 12, &a.body);
    help_go(&h, 100);
    produce(&h, 2, 4);
    produce(&h, 0, 4);
    help_run(&h, 1000);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    produce(&h, 2, 4);
    struct wire_fetch_response answer = answer_of(&h, waiting);
    assert_int_equal(answer.responses[0].partitions_count, 2);
    int32_t size = 0;
    for (int i = 0; i < 2; i++)
        size += answer.responses[0].partitions[i].records.size;
    assert_int_equal(size, 3 * batch.size);
    help_teardown(&h);
}

/* What has come between two fetches does not come a second time as news of the same. */
TEST(what_came_between_two_fetches_is_found)
{
    struct help h;
    struct ask a;
    setup(&h, 8, "");
    int32_t id = begin_session(&h, 0);
    for (int32_t epoch = 1; epoch < 6; epoch++) {
        produce(&h, epoch % 2, 2);
        produce(&h, epoch % 2, 2);
        struct wire_fetch_response_partition p =
            only(asked_again(&h, id, 2 * epoch - 1), epoch % 2);
        ask_init(&a, id, 2 * epoch);
        ask_name(&a, epoch % 2, p.high_watermark);
        assert_empty(asked(&h, 12, &a), id);
    }
    help_teardown(&h);
}

/* What does not fit in an answer comes with the next ones, though nothing new has come, and each
 * partition has its turn. */
TEST(what_does_not_fit_has_its_turn)
{
    struct help h;
    struct ask a;
    int64_t offset[PARTITIONS] = {0};
    setup(&h, 9, "");
    int32_t id = begin_session(&h, 0);
    for (int k = 0; k < 3; k++) {
        for (int32_t i = 0; i < PARTITIONS; i++)
            produce(&h, i, 10);
    }
    int32_t last = -1;
    for (int32_t epoch = 1; epoch <= 3 * PARTITIONS; epoch++) {
        ask_init(&a, id, epoch);
        if (last >= 0)
            ask_name(&a, last, offset[last]);
        a.body.max_bytes = 1; /* one batch */
        struct wire_fetch_response answer = asked(&h, 12, &a);
        last = -1;
        for (int32_t i = 0; i < answer.responses[0].partitions_count; i++) {
            const struct wire_fetch_response_partition *p = &answer.responses[0].partitions[i];
            if (p->records.size == 0)
                continue;
            assert_int_equal(last, -1);
            last = p->partition_index;
        }
        assert_int_equal(last, (epoch - 1) % PARTITIONS);
        offset[last] += 10;
    }
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(offset[i], 30);
    ask_init(&a, id, 3 * PARTITIONS + 1);
    ask_name(&a, last, offset[last]);
    assert_empty(asked(&h, 12, &a), id);
    help_teardown(&h);
}

/* KAFKA-12330: to be told of a high watermark is no turn. */
TEST(who_got_no_records_keeps_its_place)
{
    struct help h;
    struct ask a;
    setup(&h, 10, "");
    int32_t id = begin_session(&h, 0);
    produce(&h, 0, 10);
    produce(&h, 1, 10);
    produce(&h, 2, 10);
    ask_init(&a, id, 1);
    a.body.max_bytes = 1;
    struct wire_fetch_response answer = asked(&h, 12, &a);
    assert_int_equal(answer.responses[0].partitions_count, 3); /* all have a new high watermark */
    assert_true(answer.responses[0].partitions[0].records.size > 0);
    produce(&h, 1, 10); /* again news of 1 and no room for it, for 0 goes first no more */
    ask_init(&a, id, 2);
    a.body.max_bytes = 1;
    answer = asked(&h, 12, &a);
    assert_int_equal(answer.responses[0].partitions[0].partition_index, 1);
    int32_t size = answer.responses[0].partitions[0].records.size;
    assert_true(size > 0);
    /* What was read and is not given (there is room for no whole batch) is let go of: else the
     * broker could not close its log. */
    ask_init(&a, id, 3);
    a.body.max_bytes = size + 10;
    asked(&h, 12, &a);
    help_teardown(&h);
}

static void trim(struct help *h, int32_t partition, int64_t offset)
{
    struct wire_delete_records_request_partition p = {.partition_index = partition,
                                                      .offset = offset};
    struct wire_delete_records_request_topic t = {
        .name = wire_text(HELP_TOPIC), .partitions = &p, .partitions_count = 1};
    struct wire_delete_records_request body = {.topics = &t, .topics_count = 1, .timeout_ms = 1000};
    int call = help_call(h, 21, 2, &body);
    h->calls[call].together = h->calls[call].other = true;
    help_go(h, 300);
    struct wire_delete_records_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics[0].partitions[0].error_code, 0);
}

TEST(a_log_start_that_moves_is_news)
{
    struct help h;
    struct ask a;
    setup(&h, 11, "");
    produce(&h, 2, 10);
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    ask_name(&a, 2, 10);
    assert_empty(asked(&h, 12, &a), id);
    trim(&h, 2, 4);
    assert_int_equal(only(asked_again(&h, id, 2), 2).log_start_offset, 4);
    assert_empty(asked_again(&h, id, 3), id);
    /* Also while a fetch waits, though it does not end for that. */
    ask_init(&a, id, 4);
    a.body.max_wait_ms = 2000;
    int waiting = help_call(&h, 1, 12, &a.body);
    help_go(&h, 100);
    trim(&h, 2, 6);
    help_run(&h, 3000);
    assert_int_equal(only(answer_of(&h, waiting), 2).log_start_offset, 6);
    help_teardown(&h);
}

/* KAFKA-9338: what a partition was named with stays: the leader epoch too. */
TEST(a_session_keeps_the_leader_epoch)
{
    struct help h;
    struct ask a;
    setup(&h, 12, "");
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    ask_name(&a, 1, 0);
    a.partitions[0].current_leader_epoch = 5;
    assert_int_equal(only(asked(&h, 12, &a), 1).error_code, WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    for (int32_t epoch = 2; epoch < 5; epoch++)
        assert_int_equal(only(asked_again(&h, id, epoch), 1).error_code,
                         WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    ask_init(&a, id, 5);
    ask_name(&a, 1, 0);
    a.partitions[0].current_leader_epoch = 0;
    only(asked(&h, 12, &a), 1); /* told of an error it is told that there is none */
    assert_empty(asked_again(&h, id, 6), id);
    help_teardown(&h);
}

TEST(a_partition_that_comes_to_be_is_found)
{
    struct help h;
    struct ask a;
    help_setup(&h, 13, "num.partitions=3\n");
    ask_init(&a, 0, 0);
    ask_name(&a, 1, 0);
    struct wire_fetch_response answer = asked(&h, 12, &a);
    int32_t id = answer.session_id;
    assert_true(id > 0);
    assert_int_equal(only(answer, 1).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(only(asked_again(&h, id, 1), 1).error_code,
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    help_make_topic(&h);
    assert_int_equal(only(asked_again(&h, id, 2), 1).high_watermark, 0);
    produce(&h, 1, 5);
    assert_int_equal(only(asked_again(&h, id, 3), 1).high_watermark, 5);
    help_teardown(&h);
}

static void delete_topic(struct help *h)
{
    struct wire_string name = wire_text(HELP_TOPIC);
    struct wire_delete_topics_request body = {
        .topic_names = &name, .topic_names_count = 1, .timeout_ms = 10000};
    int call = help_call(h, 20, 5, &body);
    h->calls[call].together = h->calls[call].other = true;
    help_go(h, 2000);
    struct wire_delete_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses[0].error_code, 0);
}

TEST(a_topic_that_is_deleted_and_made_anew_is_found_by_its_name)
{
    struct help h;
    struct ask a;
    setup(&h, 14, "");
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    a.body.max_wait_ms = 60000;
    int waiting = help_call(&h, 1, 12, &a.body);
    help_go(&h, 100);
    delete_topic(&h);
    struct wire_fetch_response answer = answer_of(&h, waiting);
    assert_true(answer.responses_count > 0);
    assert_int_equal(answer.responses[0].partitions[0].error_code,
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    help_make_topic(&h);
    answer = asked_again(&h, id, 2);
    assert_int_equal(answer.responses_count, 1);
    for (int32_t i = 0; i < answer.responses[0].partitions_count; i++)
        assert_int_equal(answer.responses[0].partitions[i].error_code, 0);
    produce(&h, 2, 1);
    assert_int_equal(only(asked_again(&h, id, 3), 2).high_watermark, 1);
    help_teardown(&h);
}

/* Kafka's two minutes: who was there before gives way when it has been silent for so long, or to a
 * larger one when it is that old. */
TEST(sessions_give_way_as_in_kafka)
{
    struct help h;
    struct ask small;
    setup(&h, 15, "max.incremental.fetch.session.cache.slots=2\n");
    ask_init(&small, 0, 0);
    ask_name(&small, 0, 0);
    int32_t first = asked(&h, 12, &small).session_id;
    int32_t second = begin_session(&h, 0);
    assert_true(first > 0);
    assert_int_equal(asked(&h, 12, &small).session_id, 0); /* all are young */
    help_run(&h, 119000);
    assert_int_equal(asked_again(&h, first, 1).error_code, 0);
    assert_int_equal(asked_again(&h, second, 1).error_code, 0);
    help_run(&h, 2000);
    assert_int_equal(asked_again(&h, first, 2).error_code, 0);
    assert_int_equal(asked_again(&h, second, 2).error_code, 0);
    assert_int_equal(asked(&h, 12, &small).session_id, 0); /* it is not larger than any */
    int32_t third = begin_session(&h, 0);
    assert_int_equal(asked_again(&h, first, 3).error_code, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(asked_again(&h, second, 3).error_code, 0);
    help_run(&h, 60000);
    assert_int_equal(asked_again(&h, second, 4).error_code, 0);
    help_run(&h, 61000); /* the third has been silent */
    assert_true(asked(&h, 12, &small).session_id > 0);
    assert_int_equal(asked_again(&h, third, 1).error_code, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(asked_again(&h, second, 5).error_code, 0);
    help_teardown(&h);
}

TEST(without_a_place_a_fetch_has_no_session_and_is_answered)
{
    struct help h;
    struct ask a;
    setup(&h, 16, "max.incremental.fetch.session.cache.slots=0\n");
    produce(&h, 0, 3);
    ask_init(&a, 0, 0);
    ask_name(&a, 0, 0);
    for (int i = 0; i < 2; i++) {
        struct wire_fetch_response answer = asked(&h, 12, &a);
        assert_int_equal(answer.session_id, 0);
        assert_true(only(answer, 0).records.size > 0);
    }
    help_teardown(&h);
}

/* What sessions hold has a limit, also when they grow. */
TEST(sessions_have_a_limit_of_memory)
{
    struct help h;
    struct ask a;
    static struct wire_fetch_request_partition rows[MANY];
    help_setup(&h, 17, "");
    help_make_topic(&h);
    ask_init(&a, 0, 0);
    for (int32_t i = 0; i < MANY; i++)
        rows[i] = (struct wire_fetch_request_partition){.partition = i,
                                                        .current_leader_epoch = -1,
                                                        .last_fetched_epoch = -1,
                                                        .log_start_offset = -1,
                                                        .partition_max_bytes = 1};
    a.topic.partitions = rows;
    a.topic.partitions_count = MANY;
    a.body.topics_count = 1;
    int32_t id = asked(&h, 7, &a).session_id;
    assert_true(id > 0);
    int32_t count = 1;
    while (count < 10 && asked(&h, 7, &a).session_id > 0)
        count++;
    assert_in_range(count, 1, 4);
    a.body.session_id = id;
    a.body.session_epoch = 1;
    for (int32_t i = 0; i < MANY; i++)
        rows[i].partition += MANY;
    assert_int_equal(asked(&h, 7, &a).error_code, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    a.body.session_id = a.body.session_epoch = 0; /* it has been given back */
    assert_true(asked(&h, 7, &a).session_id > 0);
    assert_int_equal(asked(&h, 7, &a).session_id, 0);
    help_teardown(&h);
}

/* Who asks by another connection has given up the answer of before. */
TEST(a_session_is_taken_over_by_another_connection)
{
    struct help h;
    struct ask a;
    setup(&h, 18, "");
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    a.body.max_wait_ms = 60000;
    int before = help_call(&h, 1, 12, &a.body);
    ask_init(&a, id, 2);
    a.body.max_wait_ms = 60000;
    int after = help_call(&h, 1, 12, &a.body);
    h.calls[after].other = h.calls[after].together = true;
    help_go(&h, 1000);
    assert_int_equal(answer_of(&h, before).error_code, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(answer_of(&h, before).session_id, id);
    assert_int_equal(h.calls[after].answer.size, 0);
    produce(&h, 1, 2);
    only(answer_of(&h, after), 1);
    help_teardown(&h);
}

/* A wrong guess from elsewhere changes nothing. */
TEST(a_wrong_epoch_by_another_connection_takes_nothing_over)
{
    struct help h;
    struct ask a;
    setup(&h, 19, "");
    int32_t id = begin_session(&h, 0);
    ask_init(&a, id, 1);
    a.body.max_wait_ms = 60000;
    int before = help_call(&h, 1, 12, &a.body);
    ask_init(&a, id, 7);
    int after = help_call(&h, 1, 12, &a.body);
    h.calls[after].other = h.calls[after].together = true;
    help_go(&h, 1000);
    assert_int_equal(answer_of(&h, after).error_code, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(h.calls[before].answer.size, 0);
    produce(&h, 1, 2);
    only(answer_of(&h, before), 1);
    help_teardown(&h);
}

/* Fetches of one connection have their turn, as in Kafka, which reads none before the answer. */
TEST(fetches_of_one_connection_have_their_turn)
{
    struct help h;
    struct ask a;
    setup(&h, 20, "");
    int32_t id = begin_session(&h, 0);
    int calls[4];
    for (int i = 0; i < 4; i++) {
        ask_init(&a, id, i == 2 ? 9 : i == 3 ? 3 : 1 + i);
        a.body.max_wait_ms = i == 0 ? 60000 : 0;
        if (i == 1)
            ask_name(&a, 1, 2);
        calls[i] = help_call(&h, 1, 12, &a.body);
        h.calls[calls[i]].together = i > 0;
    }
    help_go(&h, 1000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(h.calls[calls[i]].answer.size, 0);
    produce(&h, 1, 2);
    only(answer_of(&h, calls[0]), 1);
    assert_empty(answer_of(&h, calls[1]), id);
    assert_int_equal(answer_of(&h, calls[2]).error_code, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_empty(answer_of(&h, calls[3]), id);
    help_teardown(&h);
}

/* The broker stops while fetches of a session wait and are queued; and its client dies. */
TEST(a_session_ends_with_the_broker_and_not_with_its_client)
{
    struct help h;
    struct ask a;
    setup(&h, 21, "");
    int32_t id = begin_session(&h, 0);
    for (int i = 0; i < 3; i++) {
        ask_init(&a, id, 1 + i);
        a.body.max_wait_ms = 60000;
        int call = help_call(&h, 1, 12, &a.body);
        h.calls[call].together = i > 0;
    }
    help_go(&h, 100);
    world_stop(h.world, h.client);
    help_run(&h, 1000);
    /* What the dead one asked for counts as told. */
    h.done_count = h.sent_count;
    struct wire_fetch_response answer = asked_again(&h, id, 4);
    assert_true(answer.error_code == 0 ||
                answer.error_code == WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    id = begin_session(&h, 0);
    for (int i = 0; i < 3; i++) {
        ask_init(&a, id, 1 + i);
        a.body.max_wait_ms = 60000;
        int call = help_call(&h, 1, 12, &a.body);
        h.calls[call].together = i > 0;
    }
    help_go(&h, 100);
    help_teardown(&h);
}

/* A connection ends while its first fetch waits: those behind it come to their turn by that, and
 * some have their answers at once, for nobody. */
TEST(a_line_of_fetches_ends_with_its_connection)
{
    struct help h;
    struct ask a;
    setup(&h, 22, "");
    int32_t id = begin_session(&h, 0);
    static const int32_t epochs[] = {1, 9, 2, 2, 3, -2};
    for (int i = 0; i < COUNT_OF(epochs); i++) {
        ask_init(&a, id, epochs[i]);
        a.body.max_wait_ms = i == 2 ? 0 : 60000;
        h.calls[help_call(&h, 1, 12, &a.body)].together = i > 0;
    }
    help_go(&h, 100);
    world_stop(h.world, h.client);
    help_run(&h, 1000);
    h.done_count = h.sent_count;
    begin_session(&h, 0); /* the broker serves on */
    help_teardown(&h);
}
