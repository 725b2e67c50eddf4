/* sequence_test.c - where the numbers of an idempotent producer end: sequences begin again, and
 * behind the last epoch comes another producer id. */
#include "rig.h"

/* 31 bits: behind the greatest sequence comes 0, in a batch and between two. */
TEST(sequences_that_come_to_their_end_begin_again_at_0)
{
    struct rig r;
    struct client_send sends[3];
    rig_init(&r, "batch.size", "0", NULL);
    client_producer_begin(r.client, 0, INT32_MAX - 1);
    for (int i = 0; i < 3; i++) {
        static const int32_t sequences[] = {INT32_MAX - 1, INT32_MAX, 0};
        rig_send(&r, &sends[i], "t", 0, "x");
        if (i == 0)
            rig_cluster(&r, "t", 1);
        struct client_request *request = rig_take(&r, 0);
        assert_int_equal(rig_batch(&r, request).base_sequence, sequences[i]);
        rig_produced(&r, request, 0, i);
        assert_int_equal(sends[i].op.outcome, CLIENT_OK);
    }
    rig_done(&r);
}

/* Behind the greatest epoch comes another id. */
TEST(a_producer_that_has_no_epoch_left_asks_for_another_id)
{
    struct rig r;
    struct client_send sends[2];
    rig_init(&r, "batch.size", "0", NULL);
    client_producer_begin(r.client, INT16_MAX, 0);
    rig_send(&r, &sends[0], "t", 0, "x");
    rig_cluster(&r, "t", 1);
    struct client_request *request = rig_take(&r, 0);
    assert_int_equal(rig_batch(&r, request).producer_epoch, INT16_MAX);
    rig_produced(&r, request, WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    rig_pass(&r, 2000);
    struct wire_init_producer_id_response id = {.producer_id = 8};
    rig_answer(&r, rig_take(&r, 22), &id);
    request = rig_take(&r, 0);
    assert_int_equal(rig_batch(&r, request).producer_id, 8);
    assert_int_equal(rig_batch(&r, request).base_sequence, 0);
    rig_produced(&r, request, 0, 0);
    assert_int_equal(sends[0].op.outcome, CLIENT_OK);
    rig_done(&r);
}
