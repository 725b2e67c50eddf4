/* topic_log_test.c - what the settings of a topic mean for its logs. */
#include "node/internal.h"
#include "support/test.h"

static enum err set(const char *key, const char *value, struct metadata_topic_config *config)
{
    metadata_topic_config_init(config);
    return metadata_topic_config_set(config, bytes_text(key), bytes_text(value), NULL);
}

TEST(acknowledged_means_what_the_topic_says)
{
    struct metadata_topic_config config;
    metadata_topic_config_init(&config);
    assert_true(broker_log_config(&config, 1).always_sync);
    assert_ok(set("flush.policy", "os", &config));
    assert_false(broker_log_config(&config, 1).always_sync);
}

TEST(without_a_policy_nothing_is_removed)
{
    struct metadata_topic_config config;
    assert_ok(set("cleanup.policy", "", &config));
    assert_int_equal(broker_log_config(&config, 1).retention_ms, -1);
    assert_ok(set("cleanup.policy", "delete", &config));
    assert_true(broker_log_config(&config, 1).retention_ms > 0);
}

/* A log of another version, or another's, may hold what no client can set. */
TEST(small_segments_come_by_a_key_of_their_own_and_never_too_small)
{
    struct metadata_topic_config config;
    assert_int_equal(set("segment.bytes", "4096", &config), ERR_INVALID);
    assert_ok(set("internal.segment.bytes", "4096", &config));
    assert_int_equal(broker_log_config(&config, 1).segment_bytes, 4096);
    assert_ok(set("internal.segment.bytes", "-7", &config));
    assert_int_equal(broker_log_config(&config, 1).segment_bytes, 1024);
    assert_ok(set("segment.index.bytes", "4", &config));
    assert_int_equal(broker_log_config(&config, 1).segment_index_bytes, 1024);
}
