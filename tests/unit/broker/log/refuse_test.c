/* refuse_test.c - what the log does not take in, and the code that says so. */
#include "rig.h"

TEST(what_is_no_batch_is_refused_with_kafkas_code)
{
    struct rig *rig = rig_new(13);
    struct log_appended out;
    rig_ok(rig, rig_boot(rig));
    struct slice batch = rig_batch(rig, 2, 100, 5, -1, -1, -1);
    batch.data[80] ^= 1;
    log_append(rig->log, batch, 0, 5, &out);
    assert_int_equal(out.verdict, LOG_REFUSED);
    assert_int_equal(out.code, WIRE_ERROR_CORRUPT_MESSAGE);
    batch.data[80] ^= 1;
    batch.size--;
    log_append(rig->log, batch, 0, 5, &out);
    assert_int_equal(out.code, WIRE_ERROR_CORRUPT_MESSAGE);
    batch.size = 0;
    log_append(rig->log, batch, 0, 5, &out);
    assert_int_equal(out.code, WIRE_ERROR_INVALID_RECORD);
    buf_release(batch.buf);
    rig->config.max_message_bytes = 200;
    log_reconfigure(rig->log, &rig->config);
    assert_int_equal(rig_append(rig, 2, 100).code, WIRE_ERROR_MESSAGE_TOO_LARGE);
    rig->config.max_message_bytes = 1 << 20;
    rig->config.segment_bytes = 200;
    log_reconfigure(rig->log, &rig->config);
    assert_int_equal(rig_append(rig, 2, 100).code, WIRE_ERROR_RECORD_LIST_TOO_LARGE);
    assert_int_equal(log_end(rig->log), 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* One record far ahead would keep its segment, and all behind it, from retention by time. */
TEST(a_timestamp_far_from_the_brokers_clock_is_refused)
{
    struct rig *rig = rig_new(13);
    rig->config.timestamp_after_max_ms = 1000;
    rig->config.timestamp_before_max_ms = 5000;
    rig_ok(rig, rig_boot(rig));
    int64_t now = env_wall(rig->seat->env);
    assert_int_equal(rig_append_as(rig, 1, 10, now + 1000, -1, -1, -1).code, WIRE_ERROR_NONE);
    assert_int_equal(rig_append_as(rig, 1, 10, now - 5000, -1, -1, -1).code, WIRE_ERROR_NONE);
    assert_int_equal(rig_append_as(rig, 1, 10, -1, -1, -1, -1).code, WIRE_ERROR_NONE);
    struct log_appended out = rig_append_as(rig, 1, 10, now + 1001, -1, -1, -1);
    assert_int_equal(out.code, WIRE_ERROR_INVALID_TIMESTAMP);
    assert_non_null(out.reason);
    out = rig_append_as(rig, 1, 10, now - 5001, -1, -1, -1);
    assert_int_equal(out.code, WIRE_ERROR_INVALID_TIMESTAMP);
    rig->config.log_append_time = true;
    log_reconfigure(rig->log, &rig->config);
    assert_int_equal(rig_append_as(rig, 1, 10, INT64_MAX, -1, -1, -1).code, WIRE_ERROR_NONE);
    assert_int_equal(log_end(rig->log), 4);
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* What is compressed is not counted: a few bytes say that they are 2^31 - 1 records. */
TEST(an_append_of_more_records_than_an_index_holds_is_refused)
{
    struct rig *rig = rig_new(13);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(rig_append(rig, 1, 10).code, WIRE_ERROR_NONE);
    struct slice one = rig_batch(rig, 1, 10, 5, -1, -1, -1);
    assert_non_null(one.buf);
    put_u16(one.data + 21, 1); /* gzip */
    put_u32(one.data + 23, INT32_MAX - 1);
    put_u32(one.data + 57, INT32_MAX);
    put_u32(one.data + 17, crc32c(0, one.data + 21, one.size - 21));
    struct buf *buf = buf_new(rig->seat->mem, one.size * 2);
    assert_non_null(buf);
    memcpy(buf->data, one.data, one.size);
    memcpy(buf->data + one.size, one.data, one.size);
    struct log_appended out;
    log_append(rig->log, slice_of(buf, 0, one.size * 2), 0, 5, &out);
    assert_int_equal(out.code, WIRE_ERROR_RECORD_LIST_TOO_LARGE);
    log_append(rig->log, one, 0, 5, &out);
    assert_int_equal(out.verdict, LOG_APPENDED);
    assert_int_equal(out.first, 1);
    assert_int_equal(out.last, INT32_MAX);
    assert_int_equal(log_end(rig->log), 1ll + INT32_MAX);
    buf_release(buf);
    buf_release(one.buf);
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
