/* config_test.c - what is refused, and in which words. */
#include <string.h>
#include "client/core/core.h"
#include "support/test.h"

static enum err check(const char *key, const char *value, struct errmsg *msg)
{
    struct client_config config;
    config_defaults(&client_config_table, &config);
    enum err e = config_set(&client_config_table, &config, key, bytes_text(value), msg);
    return e == ERR_NONE ? client_config_check(&config, msg) : e;
}

TEST(the_defaults_are_accepted)
{
    struct errmsg msg = {0};
    assert_ok(check("client.id", "x", &msg));
}

TEST(addresses_must_be_host_and_port)
{
    static const char *const bad[] = {"",           "host",  "host:",    "host:0",
                                      "host:65536", ":9092", "a:1,,b:2", "host:12x"};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        struct errmsg msg = {0};
        assert_int_equal(check("bootstrap.servers", bad[i], &msg), ERR_INVALID);
        assert_non_null(strstr(msg.text, "bootstrap.servers"));
    }
    struct errmsg msg = {0};
    assert_ok(check("bootstrap.servers", "a:1, b.example:65535,[::1]:9092", &msg));
}

TEST(idempotence_is_on_with_acks_all_and_off_without)
{
    struct errmsg msg = {0};
    assert_ok(check("acks", "1", &msg)); /* auto: off */
    struct client_config config;
    config_defaults(&client_config_table, &config);
    config.acks = CLIENT_ACKS_LEADER;
    config.idempotence = CLIENT_IDEMPOTENCE_ON;
    assert_int_equal(client_config_check(&config, &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "acks=all"));
}

TEST(idempotence_allows_five_in_flight)
{
    struct errmsg msg = {0};
    assert_ok(check("max.in.flight.requests.per.connection", "5", &msg));
    assert_int_equal(check("max.in.flight.requests.per.connection", "6", &msg), ERR_INVALID);
}

TEST(delivery_must_outlast_one_request)
{
    struct errmsg msg = {0};
    assert_int_equal(check("delivery.timeout.ms", "1000", &msg), ERR_INVALID);
    assert_non_null(strstr(msg.text, "request.timeout.ms"));
}
