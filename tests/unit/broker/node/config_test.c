/* config_test.c - the broker's configuration: Kafka's spelling, addresses, and sentences that help.
 */
#include "node/internal.h"
#include "support/test.h"

static struct broker_config defaults(void)
{
    struct broker_config config;
    config_defaults(&broker_config_table, &config);
    return config;
}

static enum err set(struct broker_config *config, const char *key, const char *value,
                    struct errmsg *msg)
{
    return config_set(&broker_config_table, config, key, bytes_text(value), msg);
}

TEST(the_defaults_are_a_good_configuration)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_ok(broker_config_check(&config, &msg));
    assert_int_equal(config.flush_policy, LOG_FLUSH_ACK);
}

TEST(a_wrong_key_names_the_nearest_one)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_int_equal(set(&config, "log.segmnt.bytes", "1", &msg), ERR_NOTFOUND);
    assert_non_null(strstr(msg.text, "log.segment.bytes"));
}

TEST(a_value_out_of_range_names_key_value_and_range)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_int_equal(set(&config, "log.segment.bytes", "1", &msg), ERR_RANGE);
    assert_non_null(strstr(msg.text, "log.segment.bytes"));
    assert_non_null(strstr(msg.text, "1024"));
}

TEST(older_names_set_the_same_field)
{
    struct broker_config config = defaults();
    assert_ok(set(&config, "broker.id", "7", NULL));
    assert_ok(set(&config, "log.dir", "elsewhere", NULL));
    assert_int_equal(config.node_id, 7);
    assert_string_equal(config.log_dirs, "elsewhere");
}

TEST(retention_takes_milliseconds_before_minutes_before_hours)
{
    struct broker_config config = defaults();
    assert_int_equal(broker_config_retention_ms(&config), 168ll * 3600 * 1000);
    assert_ok(set(&config, "log.retention.minutes", "2", NULL));
    assert_int_equal(broker_config_retention_ms(&config), 120000);
    assert_ok(set(&config, "log.retention.ms", "-1", NULL));
    assert_int_equal(broker_config_retention_ms(&config), -1);
}

TEST(kafkas_own_server_properties_is_read)
{
    static const char file[] = "# KRaft\n"
                               "process.roles=broker,controller\n"
                               "node.id=3\n"
                               "controller.quorum.bootstrap.servers=localhost:9093\n"
                               "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                               "inter.broker.listener.name=PLAINTEXT\n"
                               "advertised.listeners=PLAINTEXT://localhost:9092,"
                               "CONTROLLER://localhost:9093\n"
                               "num.network.threads=3\n"
                               "socket.send.buffer.bytes=102400\n"
                               "log.dirs=/tmp/kraft-combined-logs\n"
                               "num.partitions=4\n"
                               "offsets.topic.replication.factor=1\n"
                               "log.retention.hours=168\n"
                               "log.segment.bytes=1073741824\n";
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_ok(config_parse(&broker_config_table, &config, bytes_text(file), "server.properties",
                           broker_config_foreign, &msg));
    assert_ok(broker_config_check(&config, &msg));
    assert_int_equal(config.node_id, 3);
    assert_int_equal(config.num_partitions, 4);
    struct endpoint at;
    assert_ok(broker_endpoint_parse("listeners", config.listeners, false, &at, &msg));
    assert_string_equal(at.host, "0.0.0.0");
    assert_int_equal(at.port, 9092);
    assert_ok(broker_endpoint_parse("advertised.listeners", config.advertised_listeners, true, &at,
                                    &msg));
    assert_string_equal(at.host, "localhost");
}

TEST(addresses_have_many_forms)
{
    struct endpoint at;
    struct errmsg msg = {{0}};
    assert_ok(broker_endpoint_parse("listeners", "127.0.0.1:0", false, &at, &msg));
    assert_int_equal(at.port, 0);
    assert_ok(broker_endpoint_parse("listeners", "PLAINTEXT://[::1]:19092", false, &at, &msg));
    assert_string_equal(at.host, "::1");
    assert_int_equal(broker_endpoint_parse("listeners", "localhost", false, &at, &msg),
                     ERR_INVALID);
    assert_int_equal(broker_endpoint_parse("listeners", "SSL://a:1", false, &at, &msg),
                     ERR_INVALID);
    assert_int_equal(broker_endpoint_parse("listeners", "a:65536", false, &at, &msg), ERR_INVALID);
    assert_int_equal(broker_endpoint_parse("listeners", "a:1,b:2", false, &at, &msg), ERR_INVALID);
    assert_int_equal(broker_endpoint_parse("listeners", "", false, &at, &msg), ERR_INVALID);
}

TEST(an_address_that_clients_cannot_reach_is_not_advertised)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_ok(set(&config, "listeners", "PLAINTEXT://0.0.0.0:9092", NULL));
    assert_int_equal(broker_config_check(&config, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "advertised.listeners"));
    assert_ok(set(&config, "advertised.listeners", "PLAINTEXT://example.org:9092", NULL));
    assert_ok(broker_config_check(&config, &msg));
}
