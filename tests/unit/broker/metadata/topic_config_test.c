/* topic_config_test.c - values of settings of topics and brokers, read as Kafka reads them. */
#include "metadata/metadata.h"
#include "support/test.h"

static enum err set(const char *key, const char *value, struct metadata_topic_config *config)
{
    metadata_topic_config_init(config);
    return metadata_topic_config_set(config, bytes_text(key), bytes_text(value), NULL);
}

static bool takes(const char *key, const char *value)
{
    struct metadata_topic_config config;
    return set(key, value, &config) == ERR_NONE;
}

TEST(keys_stand_in_the_order_of_their_names)
{
    assert_int_equal(metadata_topic_key_count, 34);
    for (int i = 1; i < metadata_topic_key_count; i++)
        assert_true(strcmp(metadata_topic_keys[i - 1].name, metadata_topic_keys[i].name) < 0);
}

TEST(numbers_may_have_a_sign_and_blanks_around_them)
{
    struct metadata_topic_config config;
    assert_ok(set("retention.ms", " +5\t", &config));
    assert_int_equal(config.retention_ms, 5);
    assert_ok(set("retention.bytes", "-9223372036854775808", &config));
    assert_false(takes("retention.ms", "+-5"));
    assert_false(takes("retention.ms", "5 5"));
    assert_false(takes("retention.ms", ""));
    assert_false(takes("retention.ms", "9223372036854775808"));
    assert_false(takes("max.message.bytes", "2147483648"));
}

TEST(a_ratio_lies_between_0_and_1)
{
    static const char *const good[] = {"0",      "1",     "0.5", ".5",   "1.",        "-0.0",
                                       "NaN",    "1e-3",  "1E0", "0.5f", "0.5d",      "10e-1",
                                       "0.01e2", "1.000", "+1",  "0e99", "100000e-5", "0.00001e5"};
    static const char *const bad[] = {"",    "abc",  "0,5",   "1.0000001", "-0.1", "Infinity",
                                      "1.1", "2",    "1e1",   "0.1e2",     "1e",   ".",
                                      "1ff", "0.5x", "11e-1", "-1e-9",     "nan",  "0.00002e5"};
    for (int i = 0; i < COUNT_OF(good); i++) {
        if (!takes("min.cleanable.dirty.ratio", good[i]))
            fail_msg("%s", good[i]);
    }
    for (int i = 0; i < COUNT_OF(bad); i++) {
        if (takes("min.cleanable.dirty.ratio", bad[i]))
            fail_msg("%s", bad[i]);
    }
}

TEST(lists_have_entries_or_nothing)
{
    struct metadata_topic_config config;
    assert_ok(set("cleanup.policy", " delete , compact ", &config));
    assert_int_equal(config.cleanup_policy, METADATA_POLICY_DELETE | METADATA_POLICY_COMPACT);
    assert_ok(set("cleanup.policy", "", &config));
    assert_int_equal(config.cleanup_policy, 0);
    assert_false(takes("cleanup.policy", "delete,"));
    assert_false(takes("cleanup.policy", "Delete"));
    static const char replicas[] = "leader.replication.throttled.replicas";
    assert_true(takes(replicas, "*"));
    assert_true(takes(replicas, " 0:1 , 12:345 "));
    assert_false(takes(replicas, "*,0:1"));
    assert_false(takes(replicas, "0:1,"));
    assert_false(takes(replicas, "0:1:2"));
    assert_false(takes(replicas, "-1:1"));
}

/* ---- of brokers ---- */

TEST(each_key_of_a_broker_that_may_change_sets_a_field_of_its_own)
{
    struct metadata_broker_config config, before;
    for (int i = 0; i < metadata_broker_key_count; i++) {
        const struct metadata_broker_key *key = &metadata_broker_keys[i];
        assert_ptr_equal(metadata_broker_key(bytes_text(key->key.name)), key);
        assert_true(i == 0 || strcmp(metadata_broker_keys[i - 1].key.name, key->key.name) < 0);
        if (key->scope == METADATA_READ_ONLY)
            continue;
        for (int k = 0; k < i; k++)
            assert_true(metadata_broker_keys[k].scope == METADATA_READ_ONLY ||
                        metadata_broker_keys[k].key.offset != key->key.offset);
        memset(&config, 0x55, sizeof config);
        before = config;
        const char *value = key->key.type == METADATA_KEY_WORD ? key->key.words : "5";
        char text[64] = {0};
        memcpy(text, value, strcspn(value, "|"));
        if (key->key.type == METADATA_KEY_POLICY)
            memcpy(text, "delete", sizeof "delete");
        if (key->key.type == METADATA_KEY_BOOL)
            memcpy(text, "true", sizeof "true");
        if (key->key.min > 5)
            memcpy(text, "2000000", sizeof "2000000");
        assert_ok(metadata_broker_config_set(&config, key, bytes_text(text), NULL));
        assert_memory_not_equal(&config, &before, sizeof config);
    }
    assert_null(metadata_broker_key(bytes_text("nope")));
}
