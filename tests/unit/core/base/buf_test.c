/* buf_test.c - counted buffers and ranges of them, borrowed bytes and big-endian integers. */
#include "support/test.h"

TEST(buf_lives_until_its_last_reference)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct buf *buf = buf_new(&mem.mem, 100);
    assert_int_equal(buf->cap, 100);
    buf_retain(buf);
    buf_release(buf);
    assert_int_equal(mem.mem.live_count, 1);
    memset(buf->data, 7, 100);
    buf_release(buf);
    buf_release(NULL);
    test_mem_done(&mem);
}

TEST(buf_without_memory_is_null)
{
    struct test_mem mem;
    test_mem_init(&mem);
    mem.fail_at = 1;
    assert_null(buf_new(&mem.mem, 100));
    test_mem_done(&mem);
}

TEST(slice_is_a_range_of_its_buf)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct buf *buf = buf_new(&mem.mem, 10);
    memcpy(buf->data, "0123456789", 10);
    struct slice s = slice_of(buf, 3, 4);
    assert_true(bytes_equal(slice_bytes(s), bytes_text("3456")));
    assert_int_equal(slice_of(buf, 10, 0).size, 0);
    buf_release(buf);
    test_mem_done(&mem);
}

TEST(bytes_are_equal_when_their_contents_are)
{
    assert_true(bytes_equal(bytes_text("ab"), bytes_of("abc", 2)));
    assert_false(bytes_equal(bytes_text("ab"), bytes_text("abc")));
    assert_false(bytes_equal(bytes_text("ab"), bytes_text("ac")));
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_text("")));
}

TEST(big_endian_integers_come_back)
{
    uint8_t p[8];
    put_u64(p, 0x0123456789abcdefull);
    static const uint8_t expected[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    assert_memory_equal(p, expected, 8);
    assert_true(get_u64(p) == 0x0123456789abcdefull);
    assert_int_equal(get_u32(p), 0x01234567);
    assert_int_equal(get_u16(p), 0x0123);
    put_u64(p, UINT64_MAX);
    assert_int_equal(get_i16(p), -1);
    assert_int_equal(get_i32(p), -1);
    assert_true(get_i64(p) == -1);
}
