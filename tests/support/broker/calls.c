/* calls.c - the requests that most tests of a broker send, with what does not matter filled in. */
#include "support/broker/help.h"

void help_produce_init(struct help_produce *p, struct wire_uuid id, int16_t acks,
                       struct wire_bytes batch)
{
    p->partition = (struct wire_produce_request_partition){.records = batch};
    p->topic = (struct wire_produce_request_topic){.name = wire_text(HELP_TOPIC),
                                                   .topic_id = id,
                                                   .partition_data = &p->partition,
                                                   .partition_data_count = 1};
    wire_defaults(&wire_produce_request_message, &p->body);
    p->body.acks = acks;
    p->body.timeout_ms = 5000;
    p->body.topic_data = &p->topic;
    p->body.topic_data_count = 1;
}

int help_produce(struct help *h, int16_t version, int16_t acks, struct wire_uuid id,
                 struct wire_bytes batch)
{
    struct help_produce p;
    help_produce_init(&p, id, acks, batch);
    return help_call(h, 0, version, &p.body);
}

struct wire_produce_response_partition help_produced(struct help *h, int call)
{
    struct wire_produce_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 1);
    assert_int_equal(answer.responses[0].partition_responses_count, 1);
    return answer.responses[0].partition_responses[0];
}

void help_fetch_init(struct help_fetch *f, struct wire_uuid id, int64_t offset)
{
    f->partition = (struct wire_fetch_request_partition){.current_leader_epoch = -1,
                                                         .fetch_offset = offset,
                                                         .last_fetched_epoch = -1,
                                                         .log_start_offset = -1,
                                                         .partition_max_bytes = 1 << 20,
                                                         .high_watermark = INT64_MAX,
                                                         .durable_end = -1};
    f->topic = (struct wire_fetch_request_topic){.topic = wire_text(HELP_TOPIC),
                                                 .topic_id = id,
                                                 .partitions = &f->partition,
                                                 .partitions_count = 1};
    wire_defaults(&wire_fetch_request_message, &f->body);
    f->body.min_bytes = 1;
    f->body.max_bytes = 1 << 20;
    f->body.topics = &f->topic;
    f->body.topics_count = 1;
}

int help_fetch(struct help *h, int16_t version, struct wire_uuid id, int64_t offset,
               int32_t wait_ms, int32_t min_bytes)
{
    struct help_fetch f;
    help_fetch_init(&f, id, offset);
    f.body.max_wait_ms = wait_ms;
    f.body.min_bytes = min_bytes;
    return help_call(h, 1, version, &f.body);
}

struct wire_fetch_response_partition help_fetched(struct help *h, int call)
{
    struct wire_fetch_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.session_id, 0);
    assert_int_equal(answer.responses_count, 1);
    assert_int_equal(answer.responses[0].partitions_count, 1);
    return answer.responses[0].partitions[0];
}

void help_offsets_init(struct help_offsets *o, int64_t timestamp)
{
    o->partition = (struct wire_list_offsets_request_partition){.current_leader_epoch = -1,
                                                                .timestamp = timestamp};
    o->topic = (struct wire_list_offsets_request_topic){
        .name = wire_text(HELP_TOPIC), .partitions = &o->partition, .partitions_count = 1};
    wire_defaults(&wire_list_offsets_request_message, &o->body);
    o->body.replica_id = -1;
    o->body.topics = &o->topic;
    o->body.topics_count = 1;
}

int help_offsets(struct help *h, int16_t version, int64_t timestamp)
{
    struct help_offsets o;
    help_offsets_init(&o, timestamp);
    return help_call(h, 2, version, &o.body);
}

struct wire_list_offsets_response_partition help_listed(struct help *h, int call)
{
    struct wire_list_offsets_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics_count, 1);
    assert_int_equal(answer.topics[0].partitions_count, 1);
    return answer.topics[0].partitions[0];
}

struct wire_metadata_response help_metadata(struct help *h, const char *topic, int64_t ms)
{
    struct wire_metadata_request_topic asked = {.name = wire_text(topic)};
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics = &asked;
    body.topics_count = 1;
    int call = help_call(h, 3, 13, &body);
    help_go(h, ms);
    struct wire_metadata_response answer;
    help_expect(h, call, &answer);
    return answer;
}

struct wire_uuid help_make_topic(struct help *h)
{
    struct wire_metadata_response answer = help_metadata(h, HELP_TOPIC, 1000);
    assert_int_equal(answer.topics[0].error_code, 0);
    return answer.topics[0].topic_id;
}
