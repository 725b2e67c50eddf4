/* admin_test.c - the questions of administrators that change nothing: pages of partitions, log
 * directories, resources that have settings, the metadata quorum; and feature levels. */
#include "metadata/metadata.h"
#include "support/broker/help.h"

static void make(struct help *h, const char *name, int32_t count)
{
    struct wire_create_topics_request_topic topic = {
        .name = wire_text(name), .num_partitions = count, .replication_factor = 1};
    struct wire_create_topics_request body = {
        .topics = &topic, .topics_count = 1, .timeout_ms = 5000};
    int call = help_call(h, 19, 5, &body);
    help_go(h, 300);
    struct wire_create_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics[0].error_code, 0);
}

/* ---- DescribeTopicPartitions ---- */

/* topics: "b a"; "" is all of them. cursor: "a:2", or NULL. The answer as
 * "a:0,1 b:- next b:0", with a code behind what was refused. */
static void page(struct help *h, const char *topics, int32_t limit, const char *cursor,
                 const char *wanted)
{
    struct wire_describe_topic_partitions_request_topic names[8];
    struct wire_describe_topic_partitions_request body;
    struct wire_describe_topic_partitions_request_cursor from;
    struct wire_describe_topic_partitions_response answer;
    struct text text;
    wire_defaults(&wire_describe_topic_partitions_request_message, &body);
    body.topics = names;
    for (const char *at = topics; *at != 0; at += strcspn(at, " "), at += strspn(at, " "))
        names[body.topics_count++].name =
            (struct wire_string){.data = at, .size = (int32_t)strcspn(at, " ")};
    body.response_partition_limit = limit;
    if (cursor != NULL) {
        size_t size = strcspn(cursor, ":");
        from = (struct wire_describe_topic_partitions_request_cursor){
            .topic_name = {.data = cursor, .size = (int32_t)size}};
        int64_t index;
        assert_ok(text_parse_int(bytes_text(cursor + size + 1), &index));
        from.partition_index = (int32_t)index;
        body.cursor = &from;
        body.cursor_count = 1;
    }
    int call = help_call(h, 75, 0, &body);
    help_go(h, 300);
    help_expect(h, call, &answer);
    text_init(&text, &h->mem);
    for (int32_t i = 0; i < answer.topics_count; i++) {
        const struct wire_describe_topic_partitions_response_topic *t = &answer.topics[i];
        text_printf(&text, "%s%.*s:", i == 0 ? "" : " ", t->name.size, t->name.data);
        if (t->error_code != 0)
            text_printf(&text, "e%d", t->error_code);
        for (int32_t p = 0; p < t->partitions_count; p++)
            text_printf(&text, "%s%d", p == 0 ? "" : ",", t->partitions[p].partition_index);
    }
    if (answer.next_cursor_count > 0)
        text_printf(&text, " next %.*s:%d", answer.next_cursor->topic_name.size,
                    answer.next_cursor->topic_name.data, answer.next_cursor->partition_index);
    assert_string_equal(text.data == NULL ? "" : text.data, wanted);
    text_free(&text);
}

/* As a Kafka 4.3.1 was seen to do it. */
TEST(partitions_come_in_pages)
{
    struct help h;
    help_setup(&h, 1, "");
    make(&h, "b", 2);
    make(&h, "ab", 3);
    page(&h, "", 2000, NULL, "ab:0,1,2 b:0,1");
    page(&h, "b ab", 2000, NULL, "ab:0,1,2 b:0,1");
    page(&h, "b ab ab", 2, NULL, "ab:0,1 next ab:2");
    page(&h, "b ab", 3, NULL, "ab:0,1,2 next b:0");
    page(&h, "b ab", 2, "ab:1", "ab:1,2 next b:0");
    page(&h, "", 1, "b:1", "b:1");
    page(&h, "", 0, NULL, "ab:0 next ab:1");
    page(&h, "ab", -1, NULL, "ab:0 next ab:1");
    page(&h, "", 10, "ab:2", "ab:2 b:0,1");
    page(&h, "", 10, "aaa:2", "ab:0,1,2 b:0,1");
    page(&h, "", 10, "zz:0", "");
    page(&h, "b ab", 10, "ab:3", "ab: b:0,1");
    page(&h, "b ab", 10, "ab:-1", "b:e42 ab:e42");
    page(&h, "", 10, "ab:-1", "");
    page(&h, "b", 10, "ab:0", "b:e42");
    page(&h, "gone ab a/b", 10, NULL, "a/b:e17 ab:0,1,2 gone:e3");
    page(&h, "gone b", 1, NULL, "b:0 next b:1");
    help_teardown(&h);
}

TEST(a_partition_is_told_with_its_brokers)
{
    struct help h;
    help_setup(&h, 2, "");
    make(&h, "t", 1);
    struct wire_describe_topic_partitions_request body;
    struct wire_describe_topic_partitions_response answer;
    wire_defaults(&wire_describe_topic_partitions_request_message, &body);
    int call = help_call(&h, 75, 0, &body);
    help_go(&h, 300);
    help_expect(&h, call, &answer);
    const struct wire_describe_topic_partitions_response_partition *p =
        &answer.topics[0].partitions[0];
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->leader_id, 1);
    assert_int_equal(p->replica_nodes_count, 1);
    assert_int_equal(p->replica_nodes[0], 1);
    assert_int_equal(p->isr_nodes_count, 1);
    assert_int_equal(p->offline_replicas_count, 0);
    assert_int_equal(answer.topics[0].topic_authorized_operations, 3576);
    help_teardown(&h);
}

/* ---- DescribeLogDirs ---- */

TEST(log_directories_tell_the_bytes_of_partitions)
{
    struct help h;
    help_setup(&h, 3, "");
    struct wire_uuid id = help_make_topic(&h);
    make(&h, "other", 2);
    struct wire_bytes batch = help_batch(&h, 5, -1, 0, 1000);
    int32_t size = batch.size;
    int sent = help_produce(&h, 13, -1, id, batch);
    help_go(&h, 300);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    for (int16_t v = 1; v <= 5; v++) {
        int32_t numbers[] = {1, 7, 1}, zero = 0;
        struct wire_describe_log_dirs_request_topic topics[] = {
            {.topic = wire_text("other"), .partitions = numbers, .partitions_count = 3},
            {.topic = wire_text("gone"), .partitions = &zero, .partitions_count = 1},
            {.topic = wire_text("other"), .partitions = &zero, .partitions_count = 1}};
        struct wire_describe_log_dirs_request body = {.topics_count = -1};
        struct wire_describe_log_dirs_response answer;
        int call = help_call(&h, 35, v, &body);
        body = (struct wire_describe_log_dirs_request){.topics = topics, .topics_count = 3};
        int some = help_call(&h, 35, v, &body);
        body.topics_count = 0;
        int none = help_call(&h, 35, v, &body);
        help_go(&h, 300);
        help_expect(&h, call, &answer);
        assert_int_equal(answer.results_count, 1);
        assert_true(answer.results[0].log_dir.size > 0);
        assert_int_equal(answer.results[0].topics_count, 2);
        assert_true(wire_string_equal(answer.results[0].topics[0].name, wire_text(HELP_TOPIC)));
        assert_int_equal(answer.results[0].topics[0].partitions[0].partition_size, size);
        assert_int_equal(answer.results[0].topics[0].partitions[0].offset_lag, 0);
        assert_int_equal(answer.results[0].topics[1].partitions_count, 2);
        help_expect(&h, some, &answer);
        assert_int_equal(answer.results[0].topics_count, 1);
        assert_int_equal(answer.results[0].topics[0].partitions_count, 2);
        assert_int_equal(answer.results[0].topics[0].partitions[0].partition_index, 1);
        assert_int_equal(answer.results[0].topics[0].partitions[1].partition_index, 0);
        help_expect(&h, none, &answer);
        assert_int_equal(answer.results[0].topics_count, 0);
    }
    help_teardown(&h);
}

/* ---- ListConfigResources ---- */

static int list(struct help *h, int16_t version, int8_t first, int8_t second, int count)
{
    int8_t types[] = {first, second};
    struct wire_list_config_resources_request body = {.resource_types = types,
                                                      .resource_types_count = count};
    int call = help_call(h, 74, version, &body);
    help_go(h, 300);
    return call;
}

TEST(resources_that_have_settings_are_listed)
{
    struct help h;
    help_setup(&h, 4, "");
    make(&h, "t", 1);
    static const struct {
        int8_t types[2];
        int count, found;
        int16_t version, code;
        int8_t first;
    } cases[] = {{{0}, 0, 0, 0, 0, 0},      {{0}, 0, 3, 1, 0, 8},
                 {{2}, 1, 1, 1, 0, 2},      {{4}, 1, 1, 1, 0, 4},
                 {{2, 4}, 2, 2, 1, 0, 4},   {{2, 2}, 2, 1, 1, 0, 2},
                 {{16, 32}, 2, 0, 1, 0, 0}, {{2, 3}, 2, 0, 1, WIRE_ERROR_UNSUPPORTED_VERSION, 0}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct wire_list_config_resources_response answer;
        int call = list(&h, cases[i].version, cases[i].types[0], cases[i].types[1], cases[i].count);
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, cases[i].code);
        assert_int_equal(answer.config_resources_count, cases[i].found);
        if (cases[i].found > 0)
            assert_int_equal(answer.config_resources[0].resource_type, cases[i].first);
    }
    help_teardown(&h);
}

/* ---- DescribeQuorum ---- */

TEST(the_metadata_quorum_is_described_where_it_is_asked_for_alone)
{
    struct help h;
    help_setup(&h, 5, "");
    for (int16_t v = 0; v <= 2; v++) {
        struct wire_describe_quorum_request_partition parts[] = {{0}, {.partition_index = 1}};
        struct wire_describe_quorum_request_topic topic = {.topic_name =
                                                               wire_text("__cluster_metadata"),
                                                           .partitions = parts,
                                                           .partitions_count = 1};
        struct wire_describe_quorum_request body = {.topics = &topic, .topics_count = 1};
        struct wire_describe_quorum_response answer;
        int alone = help_call(&h, 55, v, &body);
        topic.partitions_count = 2;
        int both = help_call(&h, 55, v, &body);
        help_go(&h, 300);
        help_expect(&h, alone, &answer);
        const struct wire_describe_quorum_response_partition *p = &answer.topics[0].partitions[0];
        assert_int_equal(p->error_code, 0);
        assert_int_equal(p->leader_id, 1);
        assert_true(p->leader_epoch >= 1);
        assert_int_equal(p->current_voters_count, 1);
        assert_int_equal(p->current_voters[0].replica_id, 1);
        assert_int_equal(p->current_voters[0].log_end_offset, p->high_watermark);
        assert_true(p->high_watermark > 0);
        assert_int_equal(answer.nodes_count, v >= 2 ? 1 : 0);
        assert_true(v < 2 || answer.nodes[0].listeners[0].port > 0);
        help_expect(&h, both, &answer);
        assert_int_equal(answer.error_code, 0);
        assert_int_equal(answer.topics[0].partitions_count, 2);
        assert_int_equal(answer.topics[0].partitions[0].error_code,
                         WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    help_teardown(&h);
}

/* ---- UpdateFeatures ---- */

static void update(struct help *h, const char *feature, int16_t level, int8_t type, int16_t code,
                   const char *sentence)
{
    for (int16_t v = 0; v <= 2; v++) {
        struct wire_update_features_request_update row;
        struct wire_update_features_request body;
        struct wire_update_features_response answer;
        wire_update_features_request_update_defaults(&row);
        wire_defaults(&wire_update_features_request_message, &body);
        row.feature = wire_text(feature);
        row.max_version_level = level;
        row.upgrade_type = v == 0 ? 1 : type;
        body.feature_updates = &row;
        body.feature_updates_count = 1;
        if (v == 0 && type != 1)
            continue;
        int call = help_call(h, 57, v, &body);
        help_go(h, 300);
        help_expect(h, call, &answer);
        assert_int_equal(answer.error_code, code);
        assert_int_equal(answer.results_count, v < 2 && code == 0 ? 1 : 0);
        if (code == 0)
            continue;
        assert_memory_equal(answer.error_message.data + answer.error_message.size -
                                strlen(sentence),
                            sentence, strlen(sentence));
    }
}

TEST(feature_levels_rise_and_never_fall)
{
    struct help h;
    const int16_t no = WIRE_ERROR_INVALID_UPDATE_VERSION;
    help_setup(&h, 6, "");
    update(&h, "metadata.version", METADATA_VERSION, 1, 0, "");
    update(&h, "metadata.version", METADATA_VERSION, 2, 0, "");
    update(&h, "metadata.version", 99, 1, no,
           "Invalid update version 99 for feature metadata.version. Local controller 1 only "
           "supports versions 7-25");
    update(&h, "metadata.version", 20, 1, no,
           "without setting the upgrade type to either safe or unsafe downgrade.");
    update(&h, "metadata.version", 20, 2, no,
           "Unsupported metadata.version downgrade from 25 to 20. Refusing to perform the "
           "requested downgrade because it might delete metadata information.");
    update(&h, "metadata.version", 20, 3, no,
           "Unsafe metadata downgrade is not supported in this version.");
    update(&h, "metadata.version", 25, 4, no,
           "The controller does not support the given upgrade type.");
    update(&h, "metadata.version", -1, 1, no, "A feature version cannot be less than 0.");
    update(&h, "nope", 1, 1, no, "Local controller 1 does not support this feature.");
    update(&h, "nope", 0, 1, no, "Feature nope not found.");
    help_teardown(&h);
}
