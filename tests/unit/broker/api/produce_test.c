/* produce_test.c - records into partitions: what is stored, what is refused, who is told. */
#include "support/broker/help.h"

TEST(acks_zero_gets_no_answer_and_keeps_its_turn)
{
    struct help h;
    help_setup(&h, 16, "");
    struct wire_uuid id = help_make_topic(&h);
    for (int i = 0; i < 3; i++)
        help_produce(&h, 9, 0, id, help_batch(&h, 4, -1, 0, 1000));
    help_go(&h, 1000);
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(h.calls[end - 1].answer.size, 0);
    assert_int_equal(help_listed(&h, end).offset, 12);
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(acks_zero_is_told_of_a_failure_by_the_end_of_the_connection)
{
    struct help h;
    help_setup(&h, 17, "");
    help_produce(&h, 9, 0, (struct wire_uuid){.b = {0}}, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_true(h.is_closed);
    help_teardown(&h);
}

TEST(acks_other_than_three_values_are_refused)
{
    struct help h;
    help_setup(&h, 18, "");
    struct wire_uuid id = help_make_topic(&h);
    int call = help_produce(&h, 9, 2, id, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, call).error_code, 21);
    help_teardown(&h);
}

TEST(a_batch_sent_twice_is_stored_once)
{
    struct help h;
    help_setup(&h, 19, "");
    struct wire_uuid id = help_make_topic(&h);
    int first = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int second = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int next = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 5, 1000));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, first).base_offset, 0);
    assert_int_equal(help_produced(&h, second).error_code, 0);
    assert_int_equal(help_produced(&h, second).base_offset, 0);
    assert_int_equal(help_produced(&h, next).base_offset, 5);
    help_teardown(&h);
}

TEST(too_few_replicas_for_acks_all_are_refused_before_anything_is_written)
{
    struct help h;
    help_setup(&h, 20, "min.insync.replicas=2\n");
    struct wire_uuid id = help_make_topic(&h);
    int all = help_produce(&h, 9, -1, id, help_batch(&h, 1, -1, 0, 1));
    int one = help_produce(&h, 9, 1, id, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, all).error_code, 19);
    assert_int_equal(help_produced(&h, one).base_offset, 0);
    help_teardown(&h);
}

static struct wire_bytes with_attributes(struct help *h, int16_t attributes)
{
    struct wire_bytes batch = help_batch(h, 1, -1, 0, 1);
    uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data;
    put_u16(bytes + 21, (uint16_t)attributes);
    put_u32(bytes + 17, crc32c(0, bytes + 21, (size_t)batch.size - 21));
    return batch;
}

TEST(control_records_and_transactions_are_refused)
{
    struct help h;
    help_setup(&h, 23, "");
    struct wire_uuid id = help_make_topic(&h);
    int control = help_produce(&h, 9, -1, id, with_attributes(&h, WIRE_BATCH_CONTROL));
    int txn = help_produce(&h, 9, -1, id, with_attributes(&h, WIRE_BATCH_TRANSACTIONAL));
    int plain = help_produce(&h, 9, -1, id, with_attributes(&h, 0));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, control).error_code, 87);
    assert_int_equal(help_produced(&h, txn).error_code, 48);
    assert_int_equal(help_produced(&h, plain).base_offset, 0);
    help_teardown(&h);
}
