/* producer_test.c - records, batches, retries and what their owners are told. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "rig.h"

#define SENDS 64

TEST(a_record_waits_for_its_topic_and_is_acknowledged)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "hello");
    assert_true(send.op.in_flight);
    rig_cluster(&r, "t", 1);
    struct client_request *request = rig_take(&r, 0);
    assert_non_null(request);
    assert_int_equal(rig_batch(&r, request).producer_id, 7);
    rig_produced(&r, request, 0, 41);
    assert_int_equal(r.done_count, 1);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    assert_int_equal(send.offset, 41);
    assert_int_equal(send.partition_placed, 0);
    assert_int_equal(send.timestamp_stored_ms, r.wall_ms);
    assert_int_equal(client_producer_buffered(r.client), 0);
    rig_done(&r);
}

TEST(records_that_linger_share_a_batch)
{
    struct rig r;
    struct client_send sends[3];
    rig_init(&r, "linger.ms", "10", NULL);
    for (int i = 0; i < 3; i++)
        rig_send(&r, &sends[i], "t", 0, "x");
    rig_cluster(&r, "t", 1);
    assert_int_equal(rig_count(&r, 0), 0);
    rig_pass(&r, 9);
    assert_int_equal(rig_count(&r, 0), 0);
    rig_pass(&r, 1);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 0);
    assert_int_equal(rig_batch(&r, request).record_count, 3);
    rig_produced(&r, request, 0, 10);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sends[i].offset, 10 + i);
    rig_done(&r);
}

TEST(a_batch_is_compressed_once_and_every_attempt_is_the_same_bytes)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (int i = 0; i < COUNT_OF(codecs); i++) {
        struct rig r;
        struct client_send sends[8];
        char text[400];
        memset(text, 'x', sizeof text);
        text[sizeof text - 1] = 0;
        rig_init(&r, "compression.type", codecs[i], "linger.ms", "10", NULL);
        for (int k = 0; k < 8; k++)
            rig_send(&r, &sends[k], "t", 0, text);
        rig_cluster(&r, "t", 1);
        rig_pass(&r, 10);
        rig_up(&r, 0, CLIENT_LANE_MAIN);
        struct client_request *request = rig_take(&r, 0);
        struct wire_batch first = rig_batch(&r, request);
        assert_int_equal(wire_batch_codec(&first), i);
        assert_int_equal(first.record_count, 8);
        assert_true((first.size > 8 * 400) == (i == 0));
        assert_true(client_producer_buffered(r.client) < 16384 * 2);
        rig_lose(&r, request, true);
        rig_pass(&r, 1000);
        request = rig_take(&r, 0);
        assert_non_null(request);
        struct wire_batch again = rig_batch(&r, request);
        assert_int_equal(again.crc, first.crc);
        assert_int_equal(again.size, first.size);
        rig_produced(&r, request, 0, 10);
        assert_int_equal(sends[7].offset, 17);
        assert_int_equal(client_producer_buffered(r.client), 0);
        rig_done(&r);
    }
}

TEST(a_flush_waits_for_no_linger_and_for_every_record_before_it)
{
    struct rig r;
    struct client_send sends[2];
    struct client_flush flush = {0};
    rig_init(&r, "linger.ms", "1000", NULL);
    rig_send(&r, &sends[0], "t", 0, "x");
    rig_cluster(&r, "t", 2);
    rig_submit(&r, CLIENT_FLUSH, &flush.op);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 0);
    assert_non_null(request);
    assert_true(flush.op.in_flight);
    rig_send(&r, &sends[1], "t", 1, "later");
    rig_produced(&r, request, 0, 0);
    assert_false(flush.op.in_flight);
    assert_true(sends[1].op.in_flight);
    rig_done(&r);
}

/* I-6: the second attempt of a batch is the same bytes, so that the broker knows it again. */
TEST(a_retry_is_byte_identical)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "hello");
    rig_cluster(&r, "t", 1);
    struct client_request *first = rig_take(&r, 0);
    struct bytes before = rig_body(&r, first);
    rig_lose(&r, first, true);
    rig_pass(&r, 1000);
    struct client_request *second = rig_take(&r, 0);
    assert_non_null(second);
    assert_true(bytes_equal(rig_body(&r, second), before));
    rig_produced(&r, second, 0, 5);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    assert_int_equal(send.offset, 5);
    rig_done(&r);
}

/* Five batches of one partition in flight on a broken connection. */
static void send_five(struct rig *r, struct client_send sends[5], struct client_request **requests)
{
    rig_init(r, "batch.size", "0", NULL);
    rig_send(r, &sends[0], "t", 0, "0");
    rig_cluster(r, "t", 1);
    for (int i = 1; i < 5; i++)
        rig_send(r, &sends[i], "t", 0, "x");
    for (int i = 0; i < 5; i++) {
        requests[i] = rig_take(r, 0);
        assert_non_null(requests[i]);
        assert_int_equal(rig_batch(r, requests[i]).base_sequence, i);
    }
}

TEST(no_more_than_five_batches_of_a_partition_fly)
{
    struct rig r;
    struct client_send sends[6];
    struct client_request *requests[5];
    send_five(&r, sends, requests);
    rig_send(&r, &sends[5], "t", 0, "x");
    assert_int_equal(rig_count(&r, 0), 0);
    rig_produced(&r, requests[0], 0, 0);
    assert_int_equal(rig_count(&r, 0), 1);
    for (int i = 1; i < 5; i++)
        rig_produced(&r, requests[i], 0, i);
    rig_done(&r);
}

TEST(lost_batches_are_sent_again_in_the_order_of_their_sequences)
{
    struct rig r;
    struct client_send sends[5];
    struct client_request *requests[5];
    send_five(&r, sends, requests);
    static const int order[] = {3, 0, 4, 1, 2};
    for (int i = 0; i < 5; i++)
        rig_lose(&r, requests[order[i]], true);
    for (int i = 0; i < 5; i++) {
        rig_pass(&r, 2000);
        assert_int_equal(rig_count(&r, 0), 1); /* one at a time, the oldest first */
        struct client_request *request = rig_take(&r, 0);
        assert_int_equal(rig_batch(&r, request).base_sequence, i);
        rig_produced(&r, request, 0, i);
        assert_int_equal(sends[i].offset, i);
    }
    rig_done(&r);
}

TEST(out_of_order_behind_a_retry_is_no_reason_to_begin_anew)
{
    struct rig r;
    struct client_send sends[5];
    struct client_request *requests[5];
    send_five(&r, sends, requests);
    rig_produced(&r, requests[0], WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    for (int i = 1; i < 5; i++)
        rig_produced(&r, requests[i], WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    for (int i = 0; i < 5; i++) {
        rig_pass(&r, 2000);
        struct client_request *request = rig_take(&r, 0);
        struct wire_batch batch = rig_batch(&r, request);
        assert_int_equal(batch.base_sequence, i);
        assert_int_equal(batch.producer_epoch, 0);
        rig_produced(&r, request, 0, i);
    }
    rig_done(&r);
}

/* The retry stands before them although it left after them. */
TEST(out_of_order_behind_a_retry_that_is_under_way_again_is_none_either)
{
    struct rig r;
    struct client_send sends[5];
    struct client_request *requests[5];
    send_five(&r, sends, requests);
    rig_produced(&r, requests[0], WIRE_ERROR_NOT_ENOUGH_REPLICAS, -1);
    rig_pass(&r, 2000);
    struct client_request *retry = rig_take(&r, 0);
    assert_non_null(retry);
    assert_int_equal(rig_batch(&r, retry).base_sequence, 0);
    for (int i = 1; i < 5; i++)
        rig_produced(&r, requests[i], WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    rig_produced(&r, retry, 0, 0);
    for (int i = 1; i < 5; i++) {
        rig_pass(&r, 2000);
        struct client_request *request = rig_take(&r, 0);
        struct wire_batch batch = rig_batch(&r, request);
        assert_int_equal(batch.base_sequence, i);
        assert_int_equal(batch.producer_epoch, 0);
        rig_produced(&r, request, 0, i);
    }
    rig_done(&r);
}

/* KIP-360: nothing of the partition may be stored, so all of it moves to a new epoch, from 0. */
TEST(a_sequence_refused_outright_goes_on_in_a_new_epoch)
{
    struct rig r;
    struct client_send sends[5];
    struct client_request *requests[5];
    send_five(&r, sends, requests);
    rig_produced(&r, requests[0], 0, 0);
    for (int i = 1; i < 5; i++)
        rig_produced(&r, requests[i], WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    rig_pass(&r, 2000);
    for (int i = 1; i < 5; i++) {
        struct client_request *request = rig_take(&r, 0);
        struct wire_batch batch = rig_batch(&r, request);
        assert_int_equal(batch.producer_epoch, 1);
        assert_int_equal(batch.base_sequence, i - 1);
        rig_produced(&r, request, 0, i);
        assert_int_equal(sends[i].op.outcome, CLIENT_OK);
    }
    rig_done(&r);
}

/* I-6: what may be stored under the old epoch is never sent under the new one. */
TEST(what_may_be_stored_is_not_sent_under_a_new_epoch)
{
    struct rig r;
    struct client_send sends[5];
    struct client_request *requests[5];
    send_five(&r, sends, requests);
    rig_produced(&r, requests[0], 0, 0);
    rig_lose(&r, requests[1], true);
    for (int i = 2; i < 5; i++)
        rig_produced(&r, requests[i], WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    rig_pass(&r, 2000);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    assert_int_equal(sends[1].op.outcome, CLIENT_UNKNOWN);
    rig_pass(&r, 2000);
    struct wire_batch batch = rig_batch(&r, LIST_FIRST(&r.requests, struct client_request, link));
    assert_int_equal(batch.producer_epoch, 1);
    assert_int_equal(batch.base_sequence, 0);
    rig_done(&r);
}

TEST(a_new_epoch_reaches_other_partitions_when_nothing_of_theirs_flies)
{
    struct rig r;
    struct client_send a, b, more;
    rig_init(&r, NULL);
    rig_send(&r, &a, "t", 0, "a");
    rig_cluster(&r, "t", 2);
    rig_send(&r, &b, "t", 1, "b");
    struct client_request *first = rig_take(&r, 0), *second = rig_take(&r, 0);
    rig_produced(&r, first, WIRE_ERROR_UNKNOWN_PRODUCER_ID, -1);
    rig_send(&r, &more, "t", 1, "c"); /* behind b, which flies in epoch 0 */
    struct client_request *third = rig_take(&r, 0);
    assert_int_equal(rig_batch(&r, third).producer_epoch, 0);
    assert_int_equal(rig_batch(&r, third).base_sequence, 1);
    rig_produced(&r, second, 0, 0);
    rig_produced(&r, third, 0, 1);
    rig_send(&r, &b, "t", 1, "d");
    struct client_request *fourth = rig_take(&r, 0);
    assert_int_equal(rig_batch(&r, fourth).producer_epoch, 1);
    assert_int_equal(rig_batch(&r, fourth).base_sequence, 0);
    rig_produced(&r, fourth, 0, 2);
    rig_done(&r);
}

TEST(a_duplicate_sequence_means_stored)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_DUPLICATE_SEQUENCE_NUMBER, -1);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    assert_int_equal(send.offset, -1);
    rig_done(&r);
}

TEST(an_error_that_says_no_is_failed_and_one_that_does_not_know_is_unknown)
{
    static const struct {
        int16_t code;
        enum client_outcome outcome;
    } cases[] = {
        {WIRE_ERROR_MESSAGE_TOO_LARGE, CLIENT_FAILED},
        {WIRE_ERROR_INVALID_RECORD, CLIENT_FAILED},
        {WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED, CLIENT_FAILED},
        {WIRE_ERROR_UNKNOWN_SERVER_ERROR, CLIENT_UNKNOWN},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct rig r;
        struct client_send send;
        rig_init(&r, NULL);
        rig_send(&r, &send, "t", 0, "x");
        rig_cluster(&r, "t", 1);
        rig_produced(&r, rig_take(&r, 0), cases[i].code, -1);
        assert_false(send.op.in_flight);
        assert_int_equal(send.op.outcome, cases[i].outcome);
        assert_int_equal(send.op.code, cases[i].code);
        rig_done(&r);
    }
}

TEST(a_refusal_after_a_lost_attempt_is_unknown)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    rig_lose(&r, rig_take(&r, 0), true);
    rig_pass(&r, 1000);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED, -1);
    assert_int_equal(send.op.outcome, CLIENT_UNKNOWN);
    rig_done(&r);
}

TEST(an_attempt_that_never_left_leaves_no_doubt)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "retries", "0", "enable.idempotence", "false", NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    rig_lose(&r, rig_take(&r, 0), false);
    assert_int_equal(send.op.outcome, CLIENT_FAILED);
    rig_done(&r);
}

TEST(delivery_timeout_of_an_unsent_record_is_failed_and_of_a_flying_one_unknown)
{
    struct rig r;
    struct client_send flying, unsent;
    rig_init(&r, "delivery.timeout.ms", "31000", "max.in.flight.requests.per.connection", "1",
             NULL);
    rig_send(&r, &flying, "t", 0, "a");
    rig_cluster(&r, "t", 1);
    rig_send(&r, &unsent, "t", 0, "b");
    rig_pass(&r, 30999);
    assert_true(flying.op.in_flight);
    rig_pass(&r, 2);
    assert_int_equal(flying.op.outcome, CLIENT_UNKNOWN);
    assert_int_equal(flying.op.err, ERR_TIMEOUT);
    assert_int_equal(unsent.op.outcome, CLIENT_FAILED);
    assert_int_equal(unsent.op.err, ERR_TIMEOUT);
    rig_produced(&r, rig_take(&r, 0), 0, 0); /* too late: nobody is told twice */
    assert_int_equal(r.done_count, 2);
    rig_done(&r);
}

TEST(a_topic_that_never_appears_fails_its_records_after_max_block)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "max.block.ms", "500", NULL);
    rig_send(&r, &send, "nowhere", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&r, "nowhere", 0, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_pass(&r, 501);
    assert_int_equal(send.op.outcome, CLIENT_FAILED);
    assert_int_equal(send.op.err, ERR_TIMEOUT);
    assert_int_equal(send.op.code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_done(&r);
}

TEST(a_topic_that_may_not_be_written_fails_its_records_at_once)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "secret", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&r, "secret", 0, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(send.op.outcome, CLIENT_FAILED);
    assert_int_equal(send.op.code, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED);
    rig_done(&r);
}

TEST(full_memory_makes_records_wait_in_order_and_lets_them_go_on)
{
    struct rig r;
    struct client_send sends[8];
    static const char *const values[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    rig_init(&r, "buffer.memory", "2048", "batch.size", "1024", NULL);
    char *big = calloc(1, 900);
    memset(big, 'x', 899);
    for (int i = 0; i < 8; i++)
        rig_send(&r, &sends[i], "t", 0, i < 4 ? big : values[i]);
    rig_cluster(&r, "t", 1);
    int64_t offset = 0;
    for (int round = 0; round < 20 && r.done_count < 8; round++) {
        assert_true(client_producer_buffered(r.client) <= 2048);
        struct client_request *request = rig_take(&r, 0);
        assert_non_null(request);
        int32_t count = rig_batch(&r, request).record_count;
        rig_produced(&r, request, 0, offset);
        offset += count;
    }
    for (int i = 0; i < 8; i++)
        assert_int_equal(sends[i].offset, i);
    free(big);
    rig_done(&r);
}

TEST(a_small_record_does_not_overtake_a_large_one_that_waits_for_memory)
{
    struct rig r;
    struct client_send first, large, small;
    rig_init(&r, "buffer.memory", "4096", "batch.size", "512", NULL);
    char *big = calloc(1, 3001);
    memset(big, 'x', 3000);
    rig_send(&r, &first, "t", 0, big);
    rig_cluster(&r, "t", 1);
    rig_send(&r, &large, "t", 0, big);
    rig_send(&r, &small, "t", 0, "small");
    assert_int_equal(rig_count(&r, 0), 1);
    for (int64_t offset = 0; offset < 3; offset++)
        rig_produced(&r, rig_take(&r, 0), 0, offset);
    assert_int_equal(large.offset, 1);
    assert_int_equal(small.offset, 2);
    free(big);
    rig_done(&r);
}

TEST(a_record_larger_than_a_request_is_refused_without_asking_anybody)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "max.request.size", "1024", NULL);
    char *big = calloc(1, 2048);
    memset(big, 'x', 2047);
    rig_send(&r, &send, "t", 0, big);
    if (send.op.in_flight)
        rig_cluster(&r, "t", 1);
    assert_int_equal(send.op.outcome, CLIENT_FAILED);
    assert_int_equal(send.op.code, WIRE_ERROR_MESSAGE_TOO_LARGE);
    free(big);
    rig_done(&r);
}

TEST(acks_0_ends_unknown_when_the_request_has_left)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "acks", "0", NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    struct client_request *request = rig_take(&r, 0);
    assert_false(request->expects_answer);
    assert_int_equal(rig_batch(&r, request).producer_id, -1);
    rig_step(&r, (struct client_event){
                     .kind = CLIENT_EV_LOST, .request = request, .err = ERR_NONE, .sent = true});
    assert_int_equal(send.op.outcome, CLIENT_UNKNOWN);
    assert_int_equal(send.op.err, ERR_NONE);
    assert_int_equal(send.offset, -1);
    rig_done(&r);
}

TEST(keys_go_by_hash_and_records_without_a_key_stay_together)
{
    struct rig r;
    struct client_send keyed[SENDS], plain[SENDS];
    rig_init(&r, NULL);
    struct client_send first;
    rig_send(&r, &first, "t", 0, "x");
    rig_cluster(&r, "t", 7);
    for (int i = 0; i < SENDS; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        keyed[i] = (struct client_send){
            .topic = "t", .partition = CLIENT_PARTITION_ANY, .key = bytes_text(key)};
        rig_submit(&r, CLIENT_SEND, &keyed[i].op);
        assert_int_equal(keyed[i].partition_placed, client_partition_of(bytes_text(key), 7));
        rig_send(&r, &plain[i], "t", CLIENT_PARTITION_ANY, "x");
        assert_int_equal(plain[i].partition_placed, plain[0].partition_placed);
    }
    rig_done(&r);
}

TEST(closing_tells_every_record)
{
    struct rig r;
    struct client_send flying, waiting, homeless;
    rig_init(&r, "max.in.flight.requests.per.connection", "1", NULL);
    rig_send(&r, &flying, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    rig_send(&r, &waiting, "t", 0, "x");
    rig_send(&r, &homeless, "other", 0, "x");
    rig_step(&r, (struct client_event){.kind = CLIENT_EV_CLOSE});
    assert_int_equal(flying.op.outcome, CLIENT_UNKNOWN);
    assert_int_equal(waiting.op.outcome, CLIENT_FAILED);
    assert_int_equal(homeless.op.outcome, CLIENT_FAILED);
    assert_int_equal(homeless.op.err, ERR_CANCELLED);
    rig_done(&r);
}

TEST(a_leader_that_moves_is_asked_for_and_followed)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    rig_pass(&r, 500);
    assert_int_equal(rig_count(&r, 3), 1);
    rig_answer_metadata(&r, "t", 1, 0);
    rig_pass(&r, 500);
    rig_produced(&r, rig_take(&r, 0), 0, 3);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    rig_done(&r);
}

/* KIP-320: a broker that lags behind must not send us back to a leader that was replaced. */
TEST(metadata_of_an_older_leader_epoch_is_not_believed)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_leader(&r, "t", 0, 7);
    struct client_request *id = rig_take(&r, 22);
    struct wire_init_producer_id_response answer = {.producer_id = 7};
    rig_answer(&r, id, &answer);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    rig_pass(&r, 150);
    rig_produced(&r, rig_take(&r, 0), 0, 0);
    rig_answer_leader(&r, "t", -1, 6);
    rig_send(&r, &send, "t", 0, "x");
    rig_produced(&r, rig_take(&r, 0), 0, 1);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    rig_done(&r);
}

/* KAFKA-12257: the leader epochs of a topic that was made anew say nothing of the one before it. */
TEST(metadata_of_another_topic_of_that_name_is_believed)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "enable.idempotence", "false", NULL);
    r.topic_id = 1;
    rig_send(&r, &send, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_leader(&r, "t", 0, 7);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    struct client_request *first = rig_take(&r, 0);
    r.topic_id = 2;
    rig_produced(&r, first, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1);
    rig_pass(&r, 150);
    rig_produced(&r, rig_take(&r, 0), 0, 0);
    assert_int_equal(send.topic_id[15], 1); /* as far as the client knew when it left */
    rig_answer_leader(&r, "t", -1, 0);
    rig_send(&r, &send, "t", 0, "x");
    assert_int_equal(rig_count(&r, 0), 0);
    rig_pass(&r, 1500);
    rig_answer_leader(&r, "t", 0, 1);
    rig_produced(&r, rig_take(&r, 0), 0, 0);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    assert_int_equal(send.topic_id[15], 2);
    rig_done(&r);
}

/* Two topics of two partitions each; all led by broker 0. */
static void answer_two_topics(struct rig *r)
{
    struct client_request *request = rig_take(r, 3);
    assert_non_null(request);
    struct wire_metadata_response_broker broker = {
        .host = wire_text("broker0"), .port = 9092, .rack = WIRE_NULL_STRING};
    struct wire_metadata_response_partition parts[] = {{.partition_index = 0},
                                                       {.partition_index = 1}};
    struct wire_metadata_response_topic topics[] = {
        {.name = wire_text("a"), .partitions_count = 2, .partitions = parts},
        {.name = wire_text("b"), .partitions_count = 2, .partitions = parts}};
    struct wire_metadata_response answer;
    wire_defaults(&wire_metadata_response_message, &answer);
    topics[0].topic_authorized_operations = topics[1].topic_authorized_operations = INT32_MIN;
    answer.brokers_count = 1;
    answer.brokers = &broker;
    answer.topics_count = 2;
    answer.topics = topics;
    rig_answer(r, request, &answer);
}

/* Four records wait: a/0, b/0, a/1, b/1. */
static void four_of_two_topics(struct rig *r, struct client_send sends[4])
{
    for (int i = 0; i < 4; i++)
        rig_send(r, &sends[i], i % 2 == 0 ? "a" : "b", i / 2, "x");
    rig_up(r, -1, CLIENT_LANE_MAIN);
    if (rig_count(r, 3) > 0)
        answer_two_topics(r);
    struct client_request *id = rig_take(r, 22);
    struct wire_init_producer_id_response answer = {.producer_id = 7};
    if (id != NULL)
        rig_answer(r, id, &answer);
    rig_up(r, 0, CLIENT_LANE_MAIN);
}

TEST(batches_for_one_broker_share_a_request_with_one_entry_a_topic)
{
    struct rig r;
    struct client_send sends[4];
    struct wire_produce_request in;
    rig_init(&r, NULL);
    four_of_two_topics(&r, sends);
    assert_int_equal(rig_count(&r, 0), 1);
    rig_read(&r, LIST_FIRST(&r.requests, struct client_request, link), &in);
    assert_int_equal(in.topic_data_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(in.topic_data[i].partition_data_count, 2);
        for (int k = 0; k < 2; k++) {
            struct wire_batch batch;
            struct errmsg msg = {0};
            struct wire_bytes records = in.topic_data[i].partition_data[k].records;
            struct bytes bytes = bytes_of(records.data, (size_t)records.size);
            assert_int_equal(wire_batch_at(bytes, 0, &batch, &msg), WIRE_AT_BATCH);
            assert_ok(wire_batch_verify(&batch, records.data, &msg));
        }
    }
    rig_done(&r);
}

TEST(a_request_takes_no_more_than_its_size)
{
    struct rig r;
    struct client_send sends[4];
    char *big = calloc(1, 601);
    memset(big, 'x', 600);
    rig_init(&r, "max.request.size", "1024", NULL);
    for (int i = 0; i < 4; i++)
        rig_send(&r, &sends[i], i % 2 == 0 ? "a" : "b", i / 2, big);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    answer_two_topics(&r);
    struct wire_init_producer_id_response answer = {.producer_id = 7};
    rig_answer(&r, rig_take(&r, 22), &answer);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    assert_int_equal(rig_count(&r, 0), 4);
    free(big);
    rig_done(&r);
}

TEST(a_topic_first_named_while_metadata_is_asked_is_asked_for_at_once)
{
    struct rig r;
    struct client_send first, second;
    rig_init(&r, NULL);
    rig_send(&r, &first, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_send(&r, &second, "other", 0, "x");
    assert_int_equal(rig_count(&r, 3), 1);
    rig_answer_metadata(&r, "t", 1, 0);
    assert_int_equal(rig_count(&r, 3), 1); /* without a pause */
    rig_done(&r);
}

TEST(a_producer_whose_epochs_are_used_up_asks_for_a_new_id)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&r, "t", 1, 0);
    struct wire_init_producer_id_response answer = {.producer_id = 7, .producer_epoch = INT16_MAX};
    rig_answer(&r, rig_take(&r, 22), &answer);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_UNKNOWN_PRODUCER_ID, -1);
    answer.producer_id = 8;
    answer.producer_epoch = 0;
    rig_answer(&r, rig_take(&r, 22), &answer);
    rig_pass(&r, 1000);
    struct client_request *request = rig_take(&r, 0);
    assert_int_equal(rig_batch(&r, request).producer_id, 8);
    rig_produced(&r, request, 0, 0);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    rig_done(&r);
}

/* Answers whatever is asked, once each. */
static void serve(struct rig *r)
{
    if (rig_wanted(r, -1, CLIENT_LANE_MAIN))
        rig_up(r, -1, CLIENT_LANE_MAIN);
    if (rig_wanted(r, 0, CLIENT_LANE_MAIN))
        rig_up(r, 0, CLIENT_LANE_MAIN);
    if (rig_count(r, 3) > 0)
        rig_answer_metadata(r, "t", 1, 0);
    struct client_request *id = rig_take(r, 22);
    struct wire_init_producer_id_response answer = {.producer_id = 7};
    if (id != NULL)
        rig_answer(r, id, &answer);
    struct client_request *request = rig_take(r, 0);
    if (request != NULL)
        rig_produced(r, request, 0, 0);
    rig_pass(r, 1000);
}

TEST(a_failed_allocation_fails_a_record_or_delays_it_and_breaks_nothing)
{
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct rig r;
        struct client_send send;
        rig_init(&r, NULL);
        r.mem.fail_at = at;
        rig_send(&r, &send, "t", 0, "x");
        for (int i = 0; i < 20 && send.op.in_flight; i++)
            serve(&r);
        failed = r.mem.failed > 0;
        assert_false(send.op.in_flight);
        assert_true(failed || send.op.outcome == CLIENT_OK);
        rig_done(&r);
    }
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The least that a thousand of them cost: whatever else the machine did can only add to it. */
static double least_cost(struct rig *r, struct client_send *sends, int count, const char *value)
{
    double least = 1e9;
    for (int i = 0; i < count; i += 1000) {
        double before = cpu_s();
        for (int k = i; k < i + 1000; k++)
            rig_send(r, &sends[k], "t", 0, value);
        least = MIN(least, cpu_s() - before);
    }
    return least;
}

/* With each batch that waited to be sent a record cost more: 14 times as much with 44 MB. */
TEST(a_record_costs_the_same_however_much_is_buffered)
{
    enum { COUNT = 200000, EDGE = 20000 };
    struct rig r;
    char value[201];
    struct client_send *sends = calloc(COUNT, sizeof *sends);
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    struct client_send first;
    rig_init(&r, "buffer.memory", "268435456", NULL);
    rig_send(&r, &first, "t", 0, "x"); /* has the topic asked for */
    rig_cluster(&r, "t", 1);
    double empty = least_cost(&r, sends, EDGE, value);
    (void)least_cost(&r, sends + EDGE, COUNT - 2 * EDGE, value);
    double full = least_cost(&r, sends + COUNT - EDGE, EDGE, value);
    assert_true(client_producer_buffered(r.client) > 40000000);
    if (full > 4 * empty)
        fail_msg("1,000 records: %.0f us at first, %.0f us with 40 MB", empty * 1e6, full * 1e6);
    r.forgets_done = true;
    rig_done(&r);
    free(sends);
}
