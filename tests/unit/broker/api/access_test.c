/* access_test.c - each API asks whether its caller may, tells him no with the code that Kafka has
 * for it, and nothing else. */
#include "access_admin.h"

/* ---- who may ---- */

#define DENIED_MAX 2

struct right {
    enum api_operation operation;
    enum api_resource resource;
};

/* Says no to some, and remembers that it was asked. */
struct gate {
    struct api_access access;
    struct right denied[DENIED_MAX];
    int denied_count;
    int asked[DENIED_MAX]; /* how often for each of those */
    int count;
    const char *only; /* denies nothing of other names; NULL: whatever the name */
};

static void expect_caller(const struct api_caller *caller)
{
    assert_string_equal(caller->principal, API_ANONYMOUS);
    assert_string_equal(caller->listener->name, "PLAINTEXT");
    assert_true(bytes_equal(caller->client_id, bytes_text("test")));
}

static bool may(const struct api_access *access, const struct api_caller *caller,
                enum api_operation operation, enum api_resource resource, struct bytes name)
{
    struct gate *g = CONTAINER_OF((struct api_access *)(uintptr_t)access, struct gate, access);
    expect_caller(caller);
    assert_true(resource != API_CLUSTER || bytes_equal(name, bytes_text(API_CLUSTER_NAME)));
    g->count++;
    bool meant = g->only == NULL || bytes_equal(name, bytes_text(g->only));
    for (int i = 0; i < g->denied_count && meant; i++) {
        if (g->denied[i].operation == operation && g->denied[i].resource == resource) {
            g->asked[i]++;
            return false;
        }
    }
    return true;
}

static void setup(struct help *h, struct gate *g, const char *config)
{
    *g = (struct gate){.access.may = may};
    help_prepare(h, 1, config);
    h->access = &g->access;
    world_start(h->world, h->broker);
    help_run(h, 2000);
    assert_int_equal(h->start_count, 1);
}

static void deny(struct gate *g, enum api_operation operation, enum api_resource resource)
{
    assert_true(g->denied_count < DENIED_MAX);
    g->denied[g->denied_count++] = (struct right){operation, resource};
}

static void allow_all(struct gate *g)
{
    g->denied_count = 0;
    memset(g->asked, 0, sizeof g->asked);
}

/* ---- the usual question of each API ---- */

#define SECRET "secret" /* a topic that there is */

static int ask_produce(struct help *h, int16_t version, const char *topic, struct wire_uuid id)
{
    struct help_produce p;
    help_produce_init(&p, id, -1, help_batch(h, 1, -1, 0, 1000));
    p.topic.name = wire_text(version < 13 ? topic : "");
    return help_call(h, 0, version, &p.body);
}

static int produce(struct help *h, const char *topic, struct wire_uuid id)
{
    return ask_produce(h, 12, topic, id);
}

static int produce_by_id(struct help *h, const char *topic, struct wire_uuid id)
{
    return ask_produce(h, 13, topic, id);
}

static int produce_transactional(struct help *h, const char *topic, struct wire_uuid id)
{
    struct help_produce p;
    struct wire_bytes batch = help_batch(h, 1, -1, 0, 1000);
    ((uint8_t *)(uintptr_t)batch.data)[22] |= 1 << 4; /* its attributes */
    help_produce_init(&p, id, -1, batch);
    p.topic.name = wire_text(topic);
    p.body.transactional_id = wire_text("transfer");
    return help_call(h, 0, 12, &p.body);
}

static int16_t produced(struct help *h, int call)
{
    return help_produced(h, call).error_code;
}

static int ask_fetch(struct help *h, int16_t version, const char *topic, struct wire_uuid id,
                     int32_t replica)
{
    struct help_fetch f;
    help_fetch_init(&f, id, 0);
    f.body.replica_id = replica;
    f.topic.topic = wire_text(version < 13 ? topic : "");
    return help_call(h, 1, version, &f.body);
}

static int fetch(struct help *h, const char *topic, struct wire_uuid id)
{
    return ask_fetch(h, 12, topic, id, -1);
}

static int fetch_by_id(struct help *h, const char *topic, struct wire_uuid id)
{
    return ask_fetch(h, 13, topic, id, -1);
}

static int fetch_as_replica(struct help *h, const char *topic, struct wire_uuid id)
{
    return ask_fetch(h, 12, topic, id, 7);
}

static int16_t fetched(struct help *h, int call)
{
    return help_fetched(h, call).error_code;
}

static int list(struct help *h, const char *topic, struct wire_uuid id)
{
    struct help_offsets o;
    (void)id;
    help_offsets_init(&o, -1);
    o.topic.name = wire_text(topic);
    return help_call(h, 2, 7, &o.body);
}

static int16_t listed(struct help *h, int call)
{
    return help_listed(h, call).error_code;
}

static int ask_metadata(struct help *h, struct wire_metadata_request_topic *topic, bool create)
{
    struct wire_metadata_request body = {.topics = topic,
                                         .topics_count = 1,
                                         .allow_auto_topic_creation = create,
                                         .include_topic_authorized_operations = true};
    return help_call(h, 3, 12, &body);
}

static int describe(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_metadata_request_topic row = {.name = wire_text(topic)};
    (void)id;
    return ask_metadata(h, &row, false);
}

static int describe_by_id(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_metadata_request_topic row = {.name = WIRE_NULL_STRING, .topic_id = id};
    (void)topic;
    return ask_metadata(h, &row, false);
}

static int make_by_asking(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_metadata_request_topic row = {.name = wire_text("not.there.yet")};
    (void)topic;
    (void)id;
    return ask_metadata(h, &row, true);
}

static int16_t described(struct help *h, int call)
{
    struct wire_metadata_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics_count, 1);
    return answer.topics[0].error_code;
}

static int ask_coordinator(struct help *h, int16_t version, int8_t type)
{
    struct wire_string key = wire_text("billing");
    struct wire_find_coordinator_request body = {.key_type = type};
    if (version < 4) {
        body.key = key;
    } else {
        body.coordinator_keys = &key;
        body.coordinator_keys_count = 1;
    }
    return help_call(h, 10, version, &body);
}

static int find_group(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_coordinator(h, 3, 0);
}

static int find_groups(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_coordinator(h, 6, 0);
}

static int find_transaction(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_coordinator(h, 6, 1);
}

static int find_share(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_coordinator(h, 6, 2);
}

static int16_t found(struct help *h, int call)
{
    struct wire_find_coordinator_response answer;
    help_expect(h, call, &answer);
    return h->calls[call].version < 4 ? answer.error_code : answer.coordinators[0].error_code;
}

static int create(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_create_topics_request_topic row = {
        .name = wire_text(topic), .num_partitions = 1, .replication_factor = 1};
    struct wire_create_topics_request body = {
        .topics = &row, .topics_count = 1, .timeout_ms = 1000, .validate_only = true};
    (void)id;
    return help_call(h, 19, 7, &body);
}

static int create_another(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    return create(h, "another", id);
}

static struct wire_create_topics_response_topic created_topic(struct help *h, int call)
{
    struct wire_create_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics_count, 1);
    return answer.topics[0];
}

static int16_t created(struct help *h, int call)
{
    return created_topic(h, call).error_code;
}

static int16_t created_configs(struct help *h, int call)
{
    struct wire_create_topics_response_topic topic = created_topic(h, call);
    assert_true(topic.topic_config_error_code == 0 || topic.configs_count < 0);
    assert_true(topic.topic_config_error_code == 0 || topic.num_partitions == -1);
    return topic.topic_config_error_code;
}

static int ask_delete(struct help *h, struct wire_delete_topics_request_topic *row)
{
    struct wire_delete_topics_request body = {.topics = row, .topics_count = 1, .timeout_ms = 1000};
    return help_call(h, 20, 6, &body);
}

static int delete_named(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_delete_topics_request_topic row = {.name = wire_text(topic)};
    (void)id;
    return ask_delete(h, &row);
}

static int delete_by_id(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_delete_topics_request_topic row = {.name = WIRE_NULL_STRING, .topic_id = id};
    (void)topic;
    return ask_delete(h, &row);
}

static struct wire_delete_topics_response_topic deleted_topic(struct help *h, int call)
{
    struct wire_delete_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 1);
    return answer.responses[0];
}

static int16_t deleted(struct help *h, int call)
{
    return deleted_topic(h, call).error_code;
}

static int trim(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_delete_records_request_partition partition = {.partition_index = 0, .offset = 0};
    struct wire_delete_records_request_topic row = {
        .name = wire_text(topic), .partitions = &partition, .partitions_count = 1};
    struct wire_delete_records_request body = {
        .topics = &row, .topics_count = 1, .timeout_ms = 1000};
    (void)id;
    return help_call(h, 21, 2, &body);
}

static int16_t trimmed(struct help *h, int call)
{
    struct wire_delete_records_response answer;
    help_expect(h, call, &answer);
    return answer.topics[0].partitions[0].error_code;
}

static int ask_identity(struct help *h, struct wire_string transactional_id)
{
    struct wire_init_producer_id_request body = {.transactional_id = transactional_id,
                                                 .producer_id = -1,
                                                 .producer_epoch = -1,
                                                 .transaction_timeout_ms = 1000};
    return help_call(h, 22, 4, &body);
}

static int identify(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_identity(h, WIRE_NULL_STRING);
}

static int identify_transactional(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_identity(h, wire_text("transfer"));
}

static int16_t identified(struct help *h, int call)
{
    struct wire_init_producer_id_response answer;
    help_expect(h, call, &answer);
    return answer.error_code;
}

static int epoch_end(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_offset_for_leader_epoch_request_partition partition = {.current_leader_epoch = -1};
    struct wire_offset_for_leader_epoch_request_topic row = {
        .topic = wire_text(topic), .partitions = &partition, .partitions_count = 1};
    struct wire_offset_for_leader_epoch_request body = {
        .replica_id = -1, .topics = &row, .topics_count = 1};
    (void)id;
    return help_call(h, 23, 4, &body);
}

static int16_t epoch_ended(struct help *h, int call)
{
    struct wire_offset_for_leader_epoch_response answer;
    help_expect(h, call, &answer);
    return answer.topics[0].partitions[0].error_code;
}

static int ask_configs(struct help *h, int8_t type, const char *name)
{
    struct wire_describe_configs_request_resource row = {
        .resource_type = type, .resource_name = wire_text(name), .configuration_keys_count = -1};
    struct wire_describe_configs_request body = {.resources = &row, .resources_count = 1};
    return help_call(h, 32, 4, &body);
}

static int configs_of_topic(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)id;
    return ask_configs(h, 2, topic);
}

static int configs_of_group(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_configs(h, 32, "billing");
}

static int configs_of_broker(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_configs(h, 4, "1");
}

static int16_t configs_told(struct help *h, int call)
{
    struct wire_describe_configs_response answer;
    help_expect(h, call, &answer);
    assert_true(answer.results[0].error_code == 0 || answer.results[0].configs_count == 0);
    return answer.results[0].error_code;
}

static int ask_alter(struct help *h, int8_t type, const char *name)
{
    struct wire_alter_configs_request_resource row = {.resource_type = type,
                                                      .resource_name = wire_text(name)};
    struct wire_alter_configs_request body = {
        .resources = &row, .resources_count = 1, .validate_only = true};
    return help_call(h, 33, 2, &body);
}

static int alter_topic(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)id;
    return ask_alter(h, 2, topic);
}

static int alter_group(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_alter(h, 32, "billing");
}

static int alter_broker(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_alter(h, 4, "1");
}

static int16_t altered(struct help *h, int call)
{
    struct wire_alter_configs_response answer;
    help_expect(h, call, &answer);
    return answer.responses[0].error_code;
}

static int ask_incremental(struct help *h, int8_t type, const char *name)
{
    struct wire_incremental_alter_configs_request_resource row = {.resource_type = type,
                                                                  .resource_name = wire_text(name)};
    struct wire_incremental_alter_configs_request body = {
        .resources = &row, .resources_count = 1, .validate_only = true};
    return help_call(h, 44, 1, &body);
}

static int change_topic(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)id;
    return ask_incremental(h, 2, topic);
}

static int change_broker(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)topic;
    (void)id;
    return ask_incremental(h, 4, "1");
}

static int16_t changed(struct help *h, int call)
{
    struct wire_incremental_alter_configs_response answer;
    help_expect(h, call, &answer);
    return answer.responses[0].error_code;
}

static int grow(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_create_partitions_request_topic row = {
        .name = wire_text(topic), .count = 9, .assignments_count = -1};
    struct wire_create_partitions_request body = {
        .topics = &row, .topics_count = 1, .timeout_ms = 1000, .validate_only = true};
    (void)id;
    return help_call(h, 37, 3, &body);
}

static int16_t grown(struct help *h, int call)
{
    struct wire_create_partitions_response answer;
    help_expect(h, call, &answer);
    return answer.results[0].error_code;
}

/* ---- what each asks ---- */

/* Either of two rights is enough. code: of who has none of them. */
static const struct row {
    int16_t key;
    int (*ask)(struct help *h, const char *topic, struct wire_uuid id);
    int16_t (*code_of)(struct help *h, int call);
    int16_t code;
    struct right rights[DENIED_MAX];
} rows[] = {
    {0, produce, produced, 29, {{API_WRITE, API_TOPIC}}},
    {0, produce_by_id, produced, 29, {{API_WRITE, API_TOPIC}}},
    {0, produce_transactional, produced, 53, {{API_WRITE, API_TRANSACTIONAL_ID}}},
    {1, fetch, fetched, 29, {{API_READ, API_TOPIC}}},
    {1, fetch_by_id, fetched, 29, {{API_READ, API_TOPIC}}},
    {1, fetch_as_replica, fetched, 29, {{API_CLUSTER_ACTION, API_CLUSTER}}},
    {2, list, listed, 29, {{API_DESCRIBE, API_TOPIC}}},
    {3, describe, described, 29, {{API_DESCRIBE, API_TOPIC}}},
    {3, describe_by_id, described, 29, {{API_DESCRIBE, API_TOPIC}}},
    {3, make_by_asking, described, 29, {{API_CREATE, API_CLUSTER}, {API_CREATE, API_TOPIC}}},
    {10, find_group, found, 30, {{API_DESCRIBE, API_GROUP}}},
    {10, find_groups, found, 30, {{API_DESCRIBE, API_GROUP}}},
    {10, find_transaction, found, 53, {{API_DESCRIBE, API_TRANSACTIONAL_ID}}},
    {10, find_share, found, 31, {{API_CLUSTER_ACTION, API_CLUSTER}}},
    {19, create_another, created, 29, {{API_CREATE, API_CLUSTER}, {API_CREATE, API_TOPIC}}},
    {19, create_another, created_configs, 29, {{API_DESCRIBE_CONFIGS, API_TOPIC}}},
    {20, delete_named, deleted, 29, {{API_DELETE, API_CLUSTER}, {API_DELETE, API_TOPIC}}},
    {20, delete_by_id, deleted, 29, {{API_DELETE, API_CLUSTER}, {API_DELETE, API_TOPIC}}},
    {20, delete_named, deleted, 29, {{API_DELETE, API_CLUSTER}, {API_DESCRIBE, API_TOPIC}}},
    {21, trim, trimmed, 29, {{API_DELETE, API_TOPIC}}},
    {22, identify, identified, 31, {{API_IDEMPOTENT_WRITE, API_CLUSTER}, {API_WRITE, API_TOPIC}}},
    {22, identify_transactional, identified, 53, {{API_WRITE, API_TRANSACTIONAL_ID}}},
    {23,
     epoch_end,
     epoch_ended,
     29,
     {{API_CLUSTER_ACTION, API_CLUSTER}, {API_DESCRIBE, API_TOPIC}}},
    {32, configs_of_topic, configs_told, 29, {{API_DESCRIBE_CONFIGS, API_TOPIC}}},
    {32, configs_of_group, configs_told, 30, {{API_DESCRIBE_CONFIGS, API_GROUP}}},
    {32, configs_of_broker, configs_told, 31, {{API_DESCRIBE_CONFIGS, API_CLUSTER}}},
    {33, alter_topic, altered, 29, {{API_ALTER_CONFIGS, API_TOPIC}}},
    {33, alter_group, altered, 30, {{API_ALTER_CONFIGS, API_GROUP}}},
    {33, alter_broker, altered, 31, {{API_ALTER_CONFIGS, API_CLUSTER}}},
    {35, access_look_at_dirs, access_dirs_seen, 31, {{API_DESCRIBE, API_CLUSTER}}},
    {37, grow, grown, 29, {{API_ALTER, API_TOPIC}}},
    {43, access_elect, access_elected, 31, {{API_ALTER, API_CLUSTER}}},
    {43, access_elect_at_first, access_elected_at_first, 31, {{API_ALTER, API_CLUSTER}}},
    {44, change_topic, changed, 29, {{API_ALTER_CONFIGS, API_TOPIC}}},
    {44, change_broker, changed, 31, {{API_ALTER_CONFIGS, API_CLUSTER}}},
    {55, access_look_at_quorum, access_quorum_seen, 31, {{API_DESCRIBE, API_CLUSTER}}},
    {57, access_raise_feature, access_feature_raised, 31, {{API_ALTER, API_CLUSTER}}},
    {64, access_unregister, access_unregistered, 31, {{API_ALTER, API_CLUSTER}}},
    {74, access_list_resources, access_resources_seen, 31, {{API_DESCRIBE_CONFIGS, API_CLUSTER}}},
    {75, access_page, access_paged, 29, {{API_DESCRIBE, API_TOPIC}}},
};

static bool is_refusal(int16_t code)
{
    return code == 29 || code == 30 || code == 31 || code == 53;
}

static struct wire_uuid make_secret(struct help *h)
{
    return help_metadata(h, SECRET, 2000).topics[0].topic_id;
}

static int16_t ask_row(struct help *h, const struct row *row, struct wire_uuid id)
{
    int call = row->ask(h, SECRET, id);
    help_go(h, 300);
    return row->code_of(h, call);
}

static void check_row(const struct row *row)
{
    struct help h;
    struct gate g;
    setup(&h, &g, "auto.create.topics.enable=true\n");
    struct wire_uuid id = make_secret(&h);
    int count = row->rights[1].operation == 0 ? 1 : 2;
    for (int i = 0; i < count; i++)
        deny(&g, row->rights[i].operation, row->rights[i].resource);
    assert_int_equal(ask_row(&h, row, id), row->code);
    for (int i = 0; i < count; i++)
        assert_true(g.asked[i] > 0);
    /* One of them is enough, and so is all. */
    for (int i = 0; i < count && count > 1 && row->ask != delete_named; i++) {
        allow_all(&g);
        deny(&g, row->rights[i].operation, row->rights[i].resource);
        if (i == 0 && (row->ask == delete_by_id || row->ask == make_by_asking))
            continue; /* once it is done there is nothing to ask again */
        assert_false(is_refusal(ask_row(&h, row, id)));
        assert_true(i == 1 || g.asked[0] > 0);
    }
    allow_all(&g);
    assert_false(is_refusal(ask_row(&h, row, id)));
    help_teardown(&h);
}

TEST(each_api_refuses_who_may_not_with_its_own_code)
{
    for (int i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

/* ApiVersions and Sasl*: before anybody is known. DescribeCluster: below. */
static const int16_t without_row[] = {17, 18, 36, 60};

static bool has_row(int16_t key)
{
    for (int i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].key == key)
            return true;
    }
    for (int i = 0; i < COUNT_OF(without_row); i++) {
        if (without_row[i] == key)
            return true;
    }
    return false;
}

TEST(each_api_that_is_served_has_a_row_here)
{
    struct help h;
    struct gate g;
    setup(&h, &g, "");
    struct wire_api_versions_request body = {.client_software_name = wire_text("test"),
                                             .client_software_version = wire_text("1")};
    struct wire_api_versions_response answer;
    int call = help_call(&h, 18, 3, &body);
    help_go(&h, 300);
    help_expect(&h, call, &answer);
    assert_int_equal(g.count, 0);
    for (int32_t i = 0; i < answer.api_keys_count; i++) {
        if (!has_row(answer.api_keys[i].api_key))
            fail_msg("API %d asks nobody", answer.api_keys[i].api_key);
    }
    help_teardown(&h);
}

/* ---- what is not told ---- */

/* A topic that he may not know and one that there is not are one to him. */
TEST(no_answer_tells_a_hidden_topic_from_none)
{
    struct help h;
    struct gate g;
    setup(&h, &g, "auto.create.topics.enable=true\n");
    struct wire_uuid id = make_secret(&h), none = {{1}};
    for (int i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        allow_all(&g);
        if (row->rights[0].resource != API_TOPIC)
            continue;
        if (row->ask == produce_by_id || row->ask == fetch_by_id || row->ask == describe_by_id ||
            row->code_of == created_configs)
            continue; /* ids tell nothing */
        deny(&g, row->rights[0].operation, API_TOPIC);
        int secret = row->ask(&h, SECRET, id);
        int absent = row->ask(&h, "absent", none);
        help_go(&h, 300);
        assert_int_equal(row->code_of(&h, secret), row->code);
        assert_int_equal(row->code_of(&h, absent), row->code);
        assert_int_equal(h.calls[secret].answer.size, h.calls[absent].answer.size);
    }
    help_teardown(&h);
}

TEST(who_asks_for_all_topics_is_told_of_those_that_he_may_see)
{
    struct help h;
    struct gate g;
    setup(&h, &g, "auto.create.topics.enable=true\n");
    make_secret(&h);
    help_make_topic(&h);
    struct wire_metadata_request body = {.topics_count = -1};
    struct wire_metadata_response answer;
    int all = help_call(&h, 3, 12, &body);
    help_go(&h, 300);
    help_expect(&h, all, &answer);
    assert_int_equal(answer.topics_count, 2);
    g.only = SECRET;
    deny(&g, API_DESCRIBE, API_TOPIC);
    int some = help_call(&h, 3, 12, &body);
    help_go(&h, 300);
    help_expect(&h, some, &answer);
    assert_int_equal(answer.topics_count, 1);
    assert_true(wire_string_equal(answer.topics[0].name, wire_text(HELP_TOPIC)));
    assert_int_equal(answer.topics[0].partitions_count, 1);
    help_teardown(&h);
}

TEST(metadata_of_a_hidden_topic_have_what_he_said_and_no_more)
{
    struct help h;
    struct gate g;
    static const struct wire_uuid zero;
    setup(&h, &g, "auto.create.topics.enable=true\n");
    struct wire_uuid id = make_secret(&h);
    struct wire_metadata_response answer;
    deny(&g, API_DESCRIBE, API_TOPIC);
    int named = describe(&h, SECRET, id), by_id = describe_by_id(&h, SECRET, id);
    help_go(&h, 300);
    help_expect(&h, named, &answer);
    assert_true(wire_uuid_equal(&answer.topics[0].topic_id, &zero));
    assert_int_equal(answer.topics[0].partitions_count, 0);
    assert_int_equal(answer.topics[0].topic_authorized_operations, INT32_MIN);
    help_expect(&h, by_id, &answer);
    assert_true(answer.topics[0].name.size < 0);
    assert_int_equal(answer.topics[0].partitions_count, 0);
    help_teardown(&h);
}

/* A topic's name is told to who may know it, and may not delete it. */
TEST(a_topic_that_may_not_be_deleted_by_id_keeps_its_name)
{
    struct help h;
    struct gate g;
    setup(&h, &g, "auto.create.topics.enable=true\n");
    struct wire_uuid id = make_secret(&h);
    deny(&g, API_DELETE, API_CLUSTER);
    deny(&g, API_DELETE, API_TOPIC);
    int seen = delete_by_id(&h, SECRET, id);
    help_go(&h, 300);
    assert_true(wire_string_equal(deleted_topic(&h, seen).name, wire_text(SECRET)));
    g.access.may = may;
    g.denied[0] = (struct right){API_DESCRIBE, API_TOPIC};
    int hidden = delete_by_id(&h, SECRET, id);
    help_go(&h, 300);
    assert_int_equal(deleted(&h, hidden), 0); /* the cluster's right is enough */
    help_teardown(&h);
}

/* ---- what may be done ---- */

static struct wire_metadata_response ask_operations(struct help *h)
{
    struct wire_metadata_request_topic row = {.name = wire_text(SECRET)};
    struct wire_metadata_request body = {.topics = &row,
                                         .topics_count = 1,
                                         .include_topic_authorized_operations = true,
                                         .include_cluster_authorized_operations = true};
    struct wire_metadata_response answer;
    int call = help_call(h, 3, 8, &body);
    help_go(h, 300);
    help_expect(h, call, &answer);
    return answer;
}

static int32_t ask_cluster(struct help *h)
{
    struct wire_describe_cluster_request body = {.include_cluster_authorized_operations = true,
                                                 .endpoint_type = 1};
    struct wire_describe_cluster_response answer;
    int call = help_call(h, 60, 1, &body);
    help_go(h, 300);
    help_expect(h, call, &answer);
    return answer.cluster_authorized_operations;
}

TEST(operations_that_are_told_are_those_that_are_allowed)
{
    struct help h;
    struct gate g;
    setup(&h, &g, "auto.create.topics.enable=true\n");
    make_secret(&h);
    /* What Kafka 4.3.1 tells where nobody is refused anything. */
    assert_int_equal(ask_operations(&h).topics[0].topic_authorized_operations, 0x0df8);
    assert_int_equal(ask_operations(&h).cluster_authorized_operations, 0x1fa0);
    assert_int_equal(ask_cluster(&h), 0x1fa0);
    deny(&g, API_WRITE, API_TOPIC);
    deny(&g, API_ALTER, API_CLUSTER);
    assert_int_equal(ask_operations(&h).topics[0].topic_authorized_operations, 0x0df8 & ~(1 << 4));
    assert_int_equal(ask_operations(&h).cluster_authorized_operations, 0x1fa0 & ~(1 << 7));
    assert_int_equal(ask_cluster(&h), 0x1fa0 & ~(1 << 7));
    allow_all(&g);
    deny(&g, API_DESCRIBE, API_CLUSTER);
    assert_int_equal(ask_operations(&h).cluster_authorized_operations, 0);
    assert_int_equal(ask_cluster(&h), 0);
    help_teardown(&h);
}
