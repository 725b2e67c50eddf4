/* refusals_test.c - a closed connection is told of in words: once for each peer and reason, within
 * a rate, and the rest is counted. */
#include <stdio.h>
#include "support/broker/help.h"

static int lines_with(const struct help *h, const char *text)
{
    int count = 0;
    for (const char *at = strstr(h->said, text); at != NULL; at = strstr(at + 1, text))
        count++;
    return count;
}

static void send_bytes(struct help *h, const void *frame, size_t size)
{
    h->is_closed = false;
    help_frame(h, bytes_of(frame, size));
    help_go(h, 500);
    assert_true(h->is_closed);
}

static void send_request(struct help *h, int16_t key, int16_t version, const char *client)
{
    uint8_t frame[256];
    size_t size = strlen(client);
    put_u16(frame, (uint16_t)key);
    put_u16(frame + 2, (uint16_t)version);
    put_u32(frame + 4, 0);
    put_u16(frame + 8, (uint16_t)size);
    memcpy(frame + 10, client, size);
    frame[10 + size] = 0; /* tagged fields: none, where the version has them */
    send_bytes(h, frame, 10 + size + 1);
}

TEST(a_refused_request_names_peer_client_api_version_and_reason)
{
    static const struct {
        int16_t key, version;
        const char *client, *sentence;
    } cases[] = {
        {999, 0, "rdkafka",
         "closed the connection of client, client \"rdkafka\", API key 999 v0: Kafka has no API of "
         "that key"},
        {-1, 0, "x", "client \"x\", API key -1 v0: Kafka has no API of that key"},
        {29, 1, "sarama",
         "client \"sarama\", DescribeAcls v1: this version of kiln does not serve that "
         "API yet"},
        {1, 99, "old", "client \"old\", Fetch v99: versions 4 to 18 are served"},
        {0, 2, "old", "client \"old\", Produce v2: versions 3 to 13 are served"},
        {3, 1, "cut",
         "client \"cut\", Metadata v1: metadata_request v1: topics: needs 4 bytes, 1 are "},
        {999, 1, "a\nkiln: error: \x1b[0m\"", "client \"a?kiln: error: ?[0m?\", API key 999 v1"},
    };
    struct help h;
    help_setup(&h, 90, "");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        send_request(&h, cases[i].key, cases[i].version, cases[i].client);
        assert_int_equal(lines_with(&h, "closed the connection"), i + 1);
        if (lines_with(&h, cases[i].sentence) != 1)
            fail_msg("\"%s\" is not in:\n%s", cases[i].sentence, h.said);
    }
    send_bytes(&h, "\0\3\0", 3);
    assert_int_equal(
        lines_with(&h, "client: a frame of 3 bytes is no request: request_header v1: "), 1);
    help_teardown(&h);
}

/* Ten of the same are one line, and one more that counts nine. */
TEST(the_same_refusal_is_told_once_and_counted)
{
    struct help h;
    help_setup(&h, 91, "");
    for (int i = 0; i < 10; i++)
        send_request(&h, 999, 0, "again");
    assert_int_equal(lines_with(&h, "API key 999"), 1);
    help_run(&h, 20000);
    assert_int_equal(lines_with(&h, "9 more refused requests"), 1);
    send_request(&h, 999, 0, "other");
    assert_int_equal(lines_with(&h, "client \"other\""), 1);
    send_request(&h, 999, 0, "again");
    help_restart(&h);
    assert_int_equal(lines_with(&h, "1 more refused requests"), 1);
    help_teardown(&h);
}

/* Who changes its name each time is bounded by the rate alone. */
TEST(refusals_are_told_at_a_bounded_rate)
{
    struct help h;
    help_setup(&h, 92, "");
    for (int i = 0; i < 60; i++) {
        char client[16];
        snprintf(client, sizeof client, "c%d", i);
        send_request(&h, 999, 0, client);
    }
    assert_in_range(lines_with(&h, "API key 999 v0: Kafka has no"), 24, 28);
    assert_true(lines_with(&h, "more refused requests") >= 1);
    help_teardown(&h);
}

TEST(records_with_acks_0_that_are_refused_close_with_a_sentence)
{
    struct help h;
    help_setup(&h, 93, "");
    struct wire_uuid id = help_make_topic(&h);
    struct help_produce p;
    help_produce_init(&p, id, 0, help_batch(&h, 1, -1, 0, 1000));
    p.partition.index = 7;
    help_call(&h, 0, 9, &p.body);
    help_go(&h, 500);
    assert_true(h.is_closed);
    assert_int_equal(lines_with(&h,
                                "client \"test\", Produce v9: records for partition 7 with acks=0 "
                                "were refused: UNKNOWN_TOPIC_OR_PARTITION"),
                     1);
    help_teardown(&h);
}
