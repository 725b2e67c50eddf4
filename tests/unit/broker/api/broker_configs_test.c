/* broker_configs_test.c - what is set for this broker and for all of them while it runs: where each
 * value comes from, what goes by it at once, what is refused, and that it is there after a restart.
 */
#include "metadata/metadata.h"
#include "support/broker/help.h"

#define TOPIC 2
#define BROKER 4
#define LOGGER 8

enum { SET, DELETE, APPEND };

static struct wire_incremental_alter_configs_response_resource
alter(struct help *h, int8_t type, const char *name, const char *key, int8_t op, const char *value)
{
    struct wire_incremental_alter_configs_request_config config = {
        .name = wire_text(key),
        .config_operation = op,
        .value = value == NULL ? WIRE_NULL_STRING : wire_text(value)};
    struct wire_incremental_alter_configs_request_resource resource = {.resource_type = type,
                                                                       .resource_name =
                                                                           wire_text(name),
                                                                       .configs = &config,
                                                                       .configs_count = 1};
    struct wire_incremental_alter_configs_request body = {.resources = &resource,
                                                          .resources_count = 1};
    int call = help_call(h, 44, 1, &body);
    help_go(h, 300);
    struct wire_incremental_alter_configs_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 1);
    return answer.responses[0];
}

static void set(struct help *h, const char *name, const char *key, const char *value)
{
    assert_int_equal(alter(h, BROKER, name, key, value == NULL ? DELETE : SET, value).error_code,
                     0);
}

static struct wire_describe_configs_response_result
describe(struct help *h, int16_t version, int8_t type, const char *name, const char *key)
{
    struct wire_string keys = wire_text(key == NULL ? "" : key);
    struct wire_describe_configs_request_resource resource = {.resource_type = type,
                                                              .resource_name = wire_text(name),
                                                              .configuration_keys = &keys,
                                                              .configuration_keys_count =
                                                                  key == NULL ? -1 : 1};
    struct wire_describe_configs_request body = {.resources = &resource,
                                                 .resources_count = 1,
                                                 .include_synonyms = true,
                                                 .include_documentation = version >= 3};
    int call = help_call(h, 32, version, &body);
    help_go(h, 300);
    struct wire_describe_configs_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.results_count, 1);
    return answer.results[0];
}

/* "800000@2 log.retention.ms=800000@2 log.retention.hours=336@5": the value, and its synonyms. */
static void assert_config(struct help *h, int8_t type, const char *name, const char *key,
                          const char *wanted)
{
    struct wire_describe_configs_response_result result = describe(h, 4, type, name, key);
    struct text text;
    text_init(&text, &h->mem);
    assert_int_equal(result.error_code, 0);
    if (result.configs_count > 0) {
        const struct wire_describe_configs_response_config *c = &result.configs[0];
        text_printf(&text, "%.*s@%d", MAX(c->value.size, 0), c->value.data, c->config_source);
        for (int32_t i = 0; i < c->synonyms_count; i++)
            text_printf(&text, " %.*s=%.*s@%d", c->synonyms[i].name.size, c->synonyms[i].name.data,
                        c->synonyms[i].value.size, c->synonyms[i].value.data,
                        c->synonyms[i].source);
    }
    assert_string_equal(text.data == NULL ? "" : text.data, wanted);
    text_free(&text);
}

static void assert_refused(struct help *h, int8_t type, const char *name, const char *key,
                           int8_t op, const char *value, int16_t code, const char *sentence)
{
    struct wire_incremental_alter_configs_response_resource answer =
        alter(h, type, name, key, op, value);
    assert_int_equal(answer.error_code, code);
    assert_int_equal(answer.error_message.size, strlen(sentence));
    assert_memory_equal(answer.error_message.data, sentence, strlen(sentence));
}

/* A broker's own, over that of all brokers, over its file, over the default; and after a restart.
 */
TEST(the_nearest_source_counts)
{
    struct help h;
    help_setup(&h, 1, "message.max.bytes=7777\n");
    help_make_topic(&h);
    const char *key = "message.max.bytes", *own = "max.message.bytes";
    assert_config(&h, TOPIC, HELP_TOPIC, own,
                  "7777@4 message.max.bytes=7777@4 message.max.bytes=1048588@5");
    set(&h, "", key, "8888");
    assert_config(&h, BROKER, "1", key,
                  "8888@3 message.max.bytes=8888@3 message.max.bytes=7777@4 "
                  "message.max.bytes=1048588@5");
    assert_config(&h, BROKER, "", key, "8888@3 message.max.bytes=8888@3");
    set(&h, "1", key, " 9999 ");
    help_restart(&h);
    assert_config(&h, BROKER, "1", key,
                  "9999@2 message.max.bytes= 9999 @2 message.max.bytes=8888@3 "
                  "message.max.bytes=7777@4 message.max.bytes=1048588@5");
    assert_config(&h, TOPIC, HELP_TOPIC, own,
                  "9999@2 message.max.bytes= 9999 @2 message.max.bytes=8888@3 "
                  "message.max.bytes=7777@4 message.max.bytes=1048588@5");
    assert_int_equal(alter(&h, TOPIC, HELP_TOPIC, own, SET, "5").error_code, 0);
    assert_config(&h, TOPIC, HELP_TOPIC, own,
                  "5@1 max.message.bytes=5@1 message.max.bytes= 9999 @2 message.max.bytes=8888@3 "
                  "message.max.bytes=7777@4 message.max.bytes=1048588@5");
    set(&h, "1", key, NULL);
    set(&h, "", key, NULL);
    assert_config(&h, BROKER, "1", key,
                  "7777@4 message.max.bytes=7777@4 message.max.bytes=1048588@5");
    assert_config(&h, BROKER, "", key, "");
    help_teardown(&h);
}

/* Three keys say how long records stay; the finest counts, and what is coarser says nothing of it.
 */
TEST(retention_has_synonyms)
{
    struct help h;
    help_setup(&h, 2, "log.retention.minutes=100\n");
    help_make_topic(&h);
    assert_config(&h, BROKER, "1", "log.retention.ms", "@5");
    assert_config(&h, TOPIC, HELP_TOPIC, "retention.ms", "6000000@5");
    set(&h, "", "log.retention.ms", "800000");
    assert_config(&h, TOPIC, HELP_TOPIC, "retention.ms",
                  "800000@3 log.retention.ms=800000@3 log.retention.minutes=100@4 "
                  "log.retention.hours=336@5");
    help_teardown(&h);
}

TEST(partitions_go_by_it_at_once)
{
    struct help h;
    help_setup(&h, 3, "");
    struct wire_uuid id = help_make_topic(&h);
    const struct {
        const char *name, *value;
        int16_t code;
    } steps[] = {{"", "100", WIRE_ERROR_MESSAGE_TOO_LARGE},
                 {"1", "100000", 0},
                 {"1", NULL, WIRE_ERROR_MESSAGE_TOO_LARGE},
                 {"", NULL, 0}};
    for (int i = 0; i < COUNT_OF(steps); i++) {
        set(&h, steps[i].name, "message.max.bytes", steps[i].value);
        int sent = help_produce(&h, 13, -1, id, help_batch(&h, 50, -1, 0, 1000));
        help_go(&h, 300);
        assert_int_equal(help_produced(&h, sent).error_code, steps[i].code);
    }
    help_teardown(&h);
}

TEST(what_is_refused_has_kafkas_words)
{
    struct help h;
    help_setup(&h, 4, "");
    static const struct {
        const char *name, *key, *value, *sentence;
        int8_t op;
        int16_t code;
    } cases[] = {
        {"1", "num.partitions", "3", "Cannot update these configs dynamically: [num.partitions]",
         SET, WIRE_ERROR_INVALID_REQUEST},
        {"", "log.retention.hours", "3",
         "Cannot update these configs dynamically: [log.retention.hours]", SET,
         WIRE_ERROR_INVALID_REQUEST},
        {"1", "log.retention.ms", "x",
         "Invalid value x for configuration log.retention.ms: Not a number of type LONG", SET,
         WIRE_ERROR_INVALID_REQUEST},
        {"1", "log.retention.ms", "0",
         "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to "
         "1",
         SET, WIRE_ERROR_INVALID_REQUEST},
        {"", "log.roll.ms", "0",
         "requirement failed: log.roll.ms must be greater than or equal to 1", SET,
         WIRE_ERROR_INVALID_REQUEST},
        {"", "log.segment.bytes", "1024",
         "Invalid value 1024 for configuration log.segment.bytes: Value must be at least 1048576",
         SET, WIRE_ERROR_INVALID_REQUEST},
        {"1", "min.insync.replicas", "2",
         "Broker-level min.insync.replicas cannot be altered while ELR is enabled.", SET,
         WIRE_ERROR_INVALID_CONFIG},
        {"", "min.insync.replicas", NULL,
         "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.", DELETE,
         WIRE_ERROR_INVALID_CONFIG},
        {"1", "flush.policy", "os",
         "Broker-level flush.policy cannot be altered: brokers must not disagree about it", SET,
         WIRE_ERROR_INVALID_CONFIG},
        {"1", "log.retention.ms", "5",
         "Config value append is not allowed for config key: log.retention.ms", APPEND,
         WIRE_ERROR_INVALID_CONFIG},
        {"1", "log.retention.ms", NULL, "Null value not supported for : log.retention.ms", SET,
         WIRE_ERROR_INVALID_REQUEST},
        {"2", "log.retention.ms", "5", "Unexpected broker id, expected 1, but received 2", SET,
         WIRE_ERROR_INVALID_REQUEST},
        {"x", "log.retention.ms", "5", "Node id must be an integer, but it is: x", SET,
         WIRE_ERROR_INVALID_REQUEST},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_refused(&h, BROKER, cases[i].name, cases[i].key, cases[i].op, cases[i].value,
                       cases[i].code, cases[i].sentence);
    assert_refused(&h, LOGGER, "1", "root", SET, "INFO", WIRE_ERROR_INVALID_CONFIG,
                   "Logger root does not exist!");
    assert_refused(&h, LOGGER, "2", "root", SET, "INFO", WIRE_ERROR_INVALID_REQUEST,
                   "Unexpected node id. Expected 1, but received 2");
    assert_refused(&h, LOGGER, "", "root", SET, "INFO", WIRE_ERROR_INVALID_REQUEST,
                   "Node id must be an integer, but it is: ");
    help_teardown(&h);
}

/* What a topic asks for may be impossible under another default. */
TEST(a_flush_policy_that_a_topic_contradicts_is_refused)
{
    struct help h;
    help_setup(&h, 5, "");
    help_make_topic(&h);
    assert_int_equal(alter(&h, TOPIC, HELP_TOPIC, "flush.messages", SET, "5").error_code, 0);
    assert_int_equal(alter(&h, BROKER, "", "flush.policy", SET, "os").error_code,
                     WIRE_ERROR_INVALID_CONFIG);
    assert_int_equal(alter(&h, TOPIC, HELP_TOPIC, "flush.messages", DELETE, NULL).error_code, 0);
    set(&h, "", "flush.policy", "os");
    assert_config(&h, TOPIC, HELP_TOPIC, "flush.policy",
                  "os@3 flush.policy=os@3 flush.policy=ack@5");
    assert_int_equal(alter(&h, TOPIC, HELP_TOPIC, "flush.policy", SET, "ack").error_code, 0);
    assert_config(&h, TOPIC, HELP_TOPIC, "flush.policy",
                  "ack@1 flush.policy=ack@1 flush.policy=os@3 flush.policy=ack@5");
    help_teardown(&h);
}

/* Who replaces all of it and does not name min.insync.replicas is refused; kiln's own key stays. */
TEST(the_old_way_replaces_a_brokers_settings)
{
    struct help h;
    help_setup(&h, 6, "");
    set(&h, "", "log.retention.ms", "800000");
    struct wire_alter_configs_request_config config = {.name = wire_text("log.segment.bytes"),
                                                       .value = wire_text("2000000")};
    struct wire_alter_configs_request_resource resource = {.resource_type = BROKER,
                                                           .resource_name = wire_text(""),
                                                           .configs = &config,
                                                           .configs_count = 1};
    struct wire_alter_configs_request body = {.resources = &resource, .resources_count = 1};
    struct wire_alter_configs_response answer;
    int call = help_call(&h, 33, 2, &body);
    help_go(&h, 300);
    help_expect(&h, call, &answer);
    assert_int_equal(answer.responses[0].error_code, WIRE_ERROR_INVALID_CONFIG);
    assert_config(&h, BROKER, "", "log.retention.ms", "800000@3 log.retention.ms=800000@3");
    config = (struct wire_alter_configs_request_config){.name = wire_text("min.insync.replicas"),
                                                        .value = wire_text("1")};
    call = help_call(&h, 33, 2, &body);
    help_go(&h, 300);
    help_expect(&h, call, &answer);
    assert_int_equal(answer.responses[0].error_code, 0);
    assert_config(&h, BROKER, "", "log.retention.ms", "");
    assert_config(&h, BROKER, "", "flush.policy", "ack@3 flush.policy=ack@3");
    help_teardown(&h);
}

/* Kafka keeps what it does not know; whether it may be shown, nobody can say. */
TEST(a_key_that_nobody_knows_is_kept_and_not_shown)
{
    struct help h;
    help_setup(&h, 7, "");
    set(&h, "1", "somebody.password", "secret");
    help_restart(&h);
    struct wire_describe_configs_response_result result =
        describe(&h, 4, BROKER, "1", "somebody.password");
    assert_int_equal(result.configs_count, 1);
    assert_true(result.configs[0].is_sensitive);
    assert_int_equal(result.configs[0].value.size, -1);
    assert_int_equal(result.configs[0].synonyms[0].value.size, -1);
    set(&h, "1", "somebody.password", NULL);
    assert_int_equal(describe(&h, 4, BROKER, "1", "somebody.password").configs_count, 0);
    help_teardown(&h);
}

/* Every key with its type and a sentence, in every version; others' brokers not. */
TEST(a_broker_is_described_whole)
{
    struct help h;
    help_setup(&h, 8, "log.retention.hours=5\n");
    for (int16_t v = 1; v <= 4; v++) {
        struct wire_describe_configs_response_result all = describe(&h, v, BROKER, "1", NULL);
        assert_int_equal(all.configs_count, metadata_broker_key_count);
        for (int32_t i = 0; i < all.configs_count; i++) {
            const struct wire_describe_configs_response_config *c = &all.configs[i];
            assert_true(wire_string_equal(c->name, wire_text(metadata_broker_keys[i].key.name)));
            assert_int_equal(c->read_only, metadata_broker_keys[i].scope == METADATA_READ_ONLY);
            assert_true(v < 3 || (c->config_type > 0 && c->documentation.size > 0));
        }
        assert_int_equal(describe(&h, v, BROKER, "", NULL).configs_count, 2);
        assert_int_equal(describe(&h, v, BROKER, "01", NULL).configs_count,
                         metadata_broker_key_count);
        assert_int_equal(describe(&h, v, BROKER, "2", NULL).error_code, WIRE_ERROR_INVALID_REQUEST);
        assert_int_equal(describe(&h, v, BROKER, "x", NULL).error_code, WIRE_ERROR_INVALID_REQUEST);
        assert_int_equal(describe(&h, v, LOGGER, "1", NULL).error_code, 0);
        assert_int_equal(describe(&h, v, LOGGER, "", NULL).error_code, WIRE_ERROR_INVALID_REQUEST);
        assert_int_equal(describe(&h, v, 16, "x", NULL).error_code, WIRE_ERROR_INVALID_REQUEST);
    }
    assert_config(&h, BROKER, "1", "log.retention.hours",
                  "5@4 log.retention.hours=5@4 log.retention.hours=336@5");
    help_teardown(&h);
}

TEST(a_value_is_validated_and_nothing_changes)
{
    struct help h;
    help_setup(&h, 9, "");
    struct wire_incremental_alter_configs_request_config config = {
        .name = wire_text("max.connections"), .value = wire_text("5")};
    struct wire_incremental_alter_configs_request_resource resource = {.resource_type = BROKER,
                                                                       .resource_name =
                                                                           wire_text("1"),
                                                                       .configs = &config,
                                                                       .configs_count = 1};
    struct wire_incremental_alter_configs_request body = {
        .resources = &resource, .resources_count = 1, .validate_only = true};
    int call = help_call(&h, 44, 1, &body);
    help_go(&h, 300);
    struct wire_incremental_alter_configs_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.responses[0].error_code, 0);
    assert_config(&h, BROKER, "1", "max.connections", "10000@5 max.connections=10000@5");
    help_teardown(&h);
}
