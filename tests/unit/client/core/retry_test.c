/* retry_test.c - how often what fails is tried again, and after which pause. */
#include "rig.h"

TEST(a_batch_is_sent_again_as_often_as_retries_says)
{
    static const char *const retries[] = {"1", "3"}; /* 0 goes without idempotence alone */
    for (int i = 0; i < COUNT_OF(retries); i++) {
        struct rig r;
        struct client_send send;
        rig_init(&r, "retries", retries[i], NULL);
        rig_send(&r, &send, "t", 0, "x");
        rig_cluster(&r, "t", 1);
        for (int left = retries[i][0] - '0'; left >= 0; left--) {
            assert_true(send.op.in_flight);
            assert_int_equal(rig_count(&r, 0), 1);
            rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_KAFKA_STORAGE_ERROR, -1);
            rig_pass(&r, 1500); /* retry.backoff.max.ms is 1000 */
            if (rig_count(&r, 3) > 0)
                rig_answer_metadata(&r, "t", 1, 0);
        }
        assert_int_equal(rig_count(&r, 0), 0);
        assert_false(send.op.in_flight);
        assert_int_equal(send.op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
        rig_done(&r);
    }
}

/* What failed long ago makes nobody wait for longer. */
TEST(metadata_that_came_once_is_asked_for_again_after_a_short_pause)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    for (int i = 0; i < 5; i++) {
        rig_lose(&r, rig_take(&r, 3), true);
        rig_pass(&r, 150); /* retry.backoff.ms is 100, and 20 % more or less are drawn */
        assert_int_equal(rig_count(&r, 3), i == 0);
        rig_pass(&r, 1200); /* retry.backoff.max.ms is 1000 */
        assert_int_equal(rig_count(&r, 3), 1);
    }
    rig_answer_metadata(&r, "t", 1, 0);
    struct wire_init_producer_id_response id = {.producer_id = 7};
    rig_answer(&r, rig_take(&r, 22), &id);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    rig_pass(&r, 150);
    rig_lose(&r, rig_take(&r, 3), true);
    rig_pass(&r, 150);
    assert_int_equal(rig_count(&r, 3), 1);
    rig_done(&r);
}
