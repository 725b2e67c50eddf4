/* delete_topics_test.c - topics that are deleted under those who use them, and whose names are used
 * again at once. */
#include <stdio.h>
#include "support/broker/help.h"

#define OTHER "bills"

static int ask(struct help *h, int16_t version, struct wire_delete_topics_request_topic *topics,
               int32_t count)
{
    struct wire_string names[8];
    struct wire_delete_topics_request body;
    wire_defaults(&wire_delete_topics_request_message, &body);
    body.timeout_ms = 5000;
    for (int32_t i = 0; i < count; i++)
        names[i] = topics[i].name;
    if (version >= 6) {
        body.topics = topics;
        body.topics_count = count;
    } else {
        body.topic_names = names;
        body.topic_names_count = count;
    }
    return help_call(h, 20, version, &body);
}

static struct wire_delete_topics_request_topic named(const char *name)
{
    return (struct wire_delete_topics_request_topic){.name = wire_text(name)};
}

static struct wire_delete_topics_request_topic by_id(struct wire_uuid id)
{
    return (struct wire_delete_topics_request_topic){.name = WIRE_NULL_STRING, .topic_id = id};
}

static struct wire_delete_topics_response_topic deleted(struct help *h, int call)
{
    struct wire_delete_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 1);
    return answer.responses[0];
}

/* Of the topic, made anew each time. */
TEST(every_version_deletes_and_the_name_is_free_at_once)
{
    struct help h;
    help_setup(&h, 1, "");
    struct wire_uuid before = {{0}};
    for (int16_t v = 1; v <= 6; v++) {
        struct wire_uuid id = help_make_topic(&h);
        assert_false(wire_uuid_equal(&id, &before));
        int sent = help_produce(&h, 13, -1, id, help_batch(&h, 5, -1, 0, 1000));
        struct wire_delete_topics_request_topic topic = named(HELP_TOPIC);
        int gone = ask(&h, v, &topic, 1);
        int again = ask(&h, v, &topic, 1);
        help_go(&h, 300);
        assert_int_equal(help_produced(&h, sent).error_code, 0);
        assert_int_equal(deleted(&h, gone).error_code, 0);
        assert_int_equal(deleted(&h, again).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        struct wire_uuid gone_id = deleted(&h, gone).topic_id;
        assert_true(v < 6 || wire_uuid_equal(&gone_id, &id));
        before = id;
    }
    struct wire_uuid id = help_make_topic(&h);
    int fetch = help_fetch(&h, 12, id, 0, 0, 1);
    help_go(&h, 300);
    assert_int_equal(help_fetched(&h, fetch).high_watermark, 0);
    help_restart(&h);
    fetch = help_fetch(&h, 12, id, 0, 0, 1);
    help_go(&h, 300);
    assert_int_equal(help_fetched(&h, fetch).high_watermark, 0);
    help_teardown(&h);
}

/* It goes back in the answer as it came, where a name may not be null. */
TEST(a_name_that_is_empty_names_no_topic)
{
    struct help h;
    help_setup(&h, 3, "");
    for (int16_t v = 1; v <= 6; v++) {
        struct wire_delete_topics_request_topic topic = named("");
        int call = ask(&h, v, &topic, 1);
        help_go(&h, 300);
        assert_int_equal(deleted(&h, call).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(deleted(&h, call).name.size, 0);
    }
    help_teardown(&h);
}

TEST(a_topic_is_deleted_by_its_id_and_the_answer_has_its_name)
{
    struct help h;
    help_setup(&h, 2, "");
    struct wire_delete_topics_request_topic topic = by_id(help_make_topic(&h));
    int gone = ask(&h, 6, &topic, 1);
    int again = ask(&h, 6, &topic, 1);
    help_go(&h, 300);
    assert_int_equal(deleted(&h, gone).error_code, 0);
    assert_true(wire_string_equal(deleted(&h, gone).name, wire_text(HELP_TOPIC)));
    assert_int_equal(deleted(&h, again).error_code, WIRE_ERROR_UNKNOWN_TOPIC_ID);
    assert_true(deleted(&h, again).name.size < 0);
    help_teardown(&h);
}

/* ControllerApis.deleteTopics: each is answered once, and what is meant twice stays. */
TEST(what_is_asked_for_twice_or_not_at_all_is_refused)
{
    struct help h;
    help_setup(&h, 3, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_delete_topics_request_topic topics[] = {named("twice"),
                                                        named("twice"),
                                                        by_id(id),
                                                        named(HELP_TOPIC),
                                                        {.name = wire_text("both"), .topic_id = id},
                                                        {.name = WIRE_NULL_STRING}};
    int call = ask(&h, 6, topics, COUNT_OF(topics));
    help_go(&h, 300);
    struct wire_delete_topics_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.responses_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(answer.responses[i].error_code, WIRE_ERROR_INVALID_REQUEST);
        assert_true(answer.responses[i].error_message.size > 0);
    }
    assert_true(wire_string_equal(answer.responses[1].name, wire_text(HELP_TOPIC)));
    struct wire_metadata_response there = help_metadata(&h, HELP_TOPIC, 300);
    assert_true(wire_uuid_equal(&there.topics[0].topic_id, &id));
    help_teardown(&h);
}

TEST(what_is_late_is_not_begun)
{
    struct help h;
    help_setup(&h, 4, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_delete_topics_request_topic topic = by_id(id);
    struct wire_delete_topics_request body;
    wire_defaults(&wire_delete_topics_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    int call = help_call(&h, 20, 6, &body);
    help_go(&h, 300);
    assert_int_equal(deleted(&h, call).error_code, WIRE_ERROR_REQUEST_TIMED_OUT);
    struct wire_metadata_response there = help_metadata(&h, HELP_TOPIC, 300);
    assert_true(wire_uuid_equal(&there.topics[0].topic_id, &id));
    help_teardown(&h);
}

/* By one connection all of it is answered in order, so the fetch is together with what deletes. */
TEST(a_fetch_that_waits_ends_when_its_topic_is_deleted)
{
    struct help h;
    help_setup(&h, 5, "");
    struct wire_uuid id = help_make_topic(&h);
    int by_name = help_fetch(&h, 12, id, 0, 20000, 1);
    struct wire_delete_topics_request_topic topic = named(HELP_TOPIC);
    int gone = ask(&h, 6, &topic, 1);
    h.calls[gone].together = true;
    help_go(&h, 1000);
    assert_int_equal(help_fetched(&h, by_name).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(deleted(&h, gone).error_code, 0);
    id = help_make_topic(&h);
    int with_id = help_fetch(&h, 13, id, 0, 20000, 1);
    gone = ask(&h, 6, &topic, 1);
    h.calls[gone].together = true;
    help_go(&h, 1000);
    assert_int_equal(help_fetched(&h, with_id).error_code, WIRE_ERROR_UNKNOWN_TOPIC_ID);
    help_teardown(&h);
}

/* At each operation of the deletion and of what comes after it: when the broker is back, the topic
 * is there with all that was acknowledged, or gone, and its name can be used again. */
static void die_at(int64_t operation, bool *reached)
{
    struct help h;
    help_setup(&h, 6, "auto.create.topics.enable=true\n");
    struct wire_uuid id = help_make_topic(&h);
    int sent = help_produce(&h, 13, -1, id, help_batch(&h, 5, -1, 0, 1000));
    help_go(&h, 500);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    struct wire_delete_topics_request_topic topic = named(HELP_TOPIC);
    int gone = ask(&h, 6, &topic, 1);
    world_kill(h.world, h.broker, (uint32_t)operation);
    help_go(&h, 500);
    *reached = world_node_life(h.world, h.broker) == WORLD_DOWN;
    if (!*reached) {
        help_teardown(&h);
        return;
    }
    struct wire_delete_topics_response answer;
    bool told = help_answer(&h, gone, &answer) && answer.responses[0].error_code == 0;
    world_start(h.world, h.broker);
    help_run(&h, 2000);
    assert_int_equal(h.started, ERR_NONE);
    assert_string_equal(h.said, "");
    struct wire_metadata_response there = help_metadata(&h, HELP_TOPIC, 1000);
    assert_int_equal(there.topics[0].error_code, 0);
    bool is_old = wire_uuid_equal(&there.topics[0].topic_id, &id);
    assert_false(told && is_old);
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 500);
    assert_int_equal(help_listed(&h, end).error_code, 0);
    assert_int_equal(help_listed(&h, end).offset, is_old ? 5 : 0);
    help_teardown(&h);
}

TEST(a_death_at_any_operation_of_a_deletion_leaves_it_there_or_gone)
{
    bool reached = true;
    int64_t operation = 1;
    for (; reached; operation++)
        die_at(operation, &reached);
    assert_in_range(operation, 10, 500);
}

/* The last of what a stop waits for may be the end of a removal. */
TEST(a_stop_in_the_midst_of_a_deletion_ends)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        for (int64_t ms = 1; ms <= 12; ms++) {
            struct help h;
            help_setup(&h, seed, "");
            help_make_topic(&h);
            struct wire_delete_topics_request_topic topic = named(HELP_TOPIC);
            ask(&h, 6, &topic, 1);
            help_go(&h, ms);
            help_teardown(&h); /* it has stopped within ten seconds */
        }
    }
}
