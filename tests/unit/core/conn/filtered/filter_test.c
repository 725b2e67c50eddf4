/* filter_test.c - what a connection does for its filter: handshakes in any pieces, files that are
 * sent through it, ends in good order and in others, memory. */
#include <stdio.h>
#include <stdlib.h>
#include "support/filter/filter.h"
#include "unit/core/conn/rig.h"

/* ---- the raw end by hand ---- */

static const struct conn_filter_kind *kind_of(const struct rig *rig)
{
    return rig->raw_filter->kind;
}

static size_t take(struct rig *rig, uint8_t *bytes, size_t cap)
{
    size_t size = kind_of(rig)->take(rig->raw_filter, bytes, cap);
    assert_int_equal(kind_of(rig)->pending(rig->raw_filter), 0);
    return size;
}

static size_t seal(struct rig *rig, const void *plain, size_t size, uint8_t *bytes, size_t cap)
{
    size_t used = 0;
    assert_ok(kind_of(rig)->write(rig->raw_filter, plain, size, &used));
    assert_int_equal(used, size);
    return take(rig, bytes, cap);
}

static void send_pieces(struct rig *rig, const uint8_t *bytes, size_t size, size_t cut)
{
    rig_send_raw(rig, bytes, cut);
    RIG_UNTIL(rig, rig_heard(rig));
    if (cut < size)
        rig_send_raw(rig, bytes + cut, size - cut);
}

/* A frame of 5 bytes as it stands on the stream. */
static const uint8_t frame[] = {0, 0, 0, 5, 7, 38, 69, 100, 131};
#define SEALED (sizeof frame + TEST_FILTER_HEAD)

/* ---- handshakes ---- */

static void start_by_hand(struct rig *rig, enum conn_role role)
{
    rig_open(rig);
    rig_start_bare(rig, role);
    rig->raw_filter =
        test_filtering.make(&test_filtering, role == CONN_CLIENT ? CONN_SERVER : CONN_CLIENT,
                            rig->env, &rig->raw_mem.mem);
}

static void hear_hello(struct rig *rig)
{
    uint8_t hello[TEST_FILTER_HELLO];
    size_t used = 0;
    for (size_t got = 0; got < sizeof hello;)
        got += rig_receive_raw(rig, hello + got, sizeof hello - got);
    assert_ok(kind_of(rig)->feed(rig->raw_filter, hello, sizeof hello, &used));
}

TEST(a_handshake_of_a_server_may_come_in_any_pieces)
{
    for (size_t cut = 1; cut <= TEST_FILTER_HELLO; cut++) {
        struct rig rig = {0};
        uint8_t bytes[64];
        start_by_hand(&rig, CONN_SERVER);
        size_t size = take(&rig, bytes, sizeof bytes);
        send_pieces(&rig, bytes, size, cut);
        hear_hello(&rig);
        rig_send(&rig, frame, sizeof frame);
        RIG_UNTIL(&rig, rig.frame_count == 1);
        assert_true(rig_is_frame(&rig, 0, 7, 5));
        rig_answer(&rig, 0, 3, 10);
        rig_expect_frame(&rig, 3, 10);
        rig_end(&rig);
    }
}

/* What a client asks before that waits for it. */
TEST(a_handshake_of_a_client_may_come_in_any_pieces)
{
    for (size_t cut = 1; cut <= TEST_FILTER_HELLO; cut++) {
        struct rig rig = {0};
        struct conn_request request = {0};
        uint8_t bytes[64], word[4] = {0};
        struct env_part part = {.data = word, .size = sizeof word};
        start_by_hand(&rig, CONN_CLIENT);
        conn_send(&rig.conn, &request, &part, 1, true);
        hear_hello(&rig);
        rig_settle(&rig);
        assert_int_equal(rig.posix->counters.bytes_received, TEST_FILTER_HELLO);
        size_t size = take(&rig, bytes, sizeof bytes);
        send_pieces(&rig, bytes, size, cut);
        rig_receive(&rig, bytes, 8);
        assert_int_equal(get_u32(bytes), sizeof word);
        rig_send(&rig, bytes, 8);
        RIG_UNTIL(&rig, rig.frame_count == 1);
        assert_ptr_equal(rig.frames[0].request, &request);
        rig_end(&rig);
    }
}

TEST(who_speaks_another_language_is_closed)
{
    struct rig rig = {0};
    rig_open(&rig);
    rig_start_bare(&rig, CONN_SERVER);
    rig_send_raw(&rig, "GET / HTTP/1.1\r\n", 16);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_ACCESS);
    assert_int_equal(rig.frame_count, 0);
    rig_end(&rig);
}

/* ---- records ---- */

TEST(records_may_be_cut_anywhere)
{
    for (size_t cut = 1; cut < 3 * SEALED; cut++) {
        struct rig rig = {0};
        uint8_t bytes[4 * SEALED];
        size_t size = 0;
        rig_start(&rig, CONN_SERVER);
        for (int i = 0; i < 3; i++)
            size += seal(&rig, frame, sizeof frame, bytes + size, sizeof bytes - size);
        assert_int_equal(size, 3 * SEALED);
        send_pieces(&rig, bytes, size, cut);
        RIG_UNTIL(&rig, rig.frame_count == 3);
        for (int i = 0; i < 3; i++)
            assert_true(rig_is_frame(&rig, i, 7, 5));
        rig_end(&rig);
    }
}

TEST(no_bent_byte_of_a_record_reaches_a_frame)
{
    for (size_t at = 0; at < SEALED; at++) {
        struct rig rig = {0};
        uint8_t bytes[2 * SEALED];
        rig_start(&rig, CONN_SERVER);
        size_t size = seal(&rig, frame, sizeof frame, bytes, sizeof bytes);
        bytes[at] ^= 1;
        rig_send_raw(&rig, bytes, size);
        if (at == 1) /* it is one byte longer now, and that comes */
            rig_send_raw(&rig, bytes, 1);
        if (at == 0) /* or 256 */
            for (int i = 0; i < 16; i++)
                rig_send_raw(&rig, bytes, SEALED + 1);
        RIG_UNTIL(&rig, rig.closed_count == 1);
        assert_int_equal(rig.closed_err, ERR_CORRUPT);
        assert_int_equal(rig.frame_count, 0);
        rig_end(&rig);
    }
}

/* ---- ends ---- */

/* Wherever the stream ends, unless the filter's end was said, it is no good order. */
TEST(a_peer_that_is_cut_off_has_not_ended_it)
{
    for (size_t at = 0; at <= 2 * SEALED; at++) {
        struct rig rig = {0};
        uint8_t bytes[3 * SEALED];
        rig_start(&rig, CONN_SERVER);
        size_t size = seal(&rig, frame, sizeof frame, bytes, sizeof bytes);
        size += seal(&rig, frame, sizeof frame, bytes + size, sizeof bytes - size);
        if (at > 0)
            rig_send_raw(&rig, bytes, at);
        rig_cut_raw(&rig);
        RIG_UNTIL(&rig, rig.closed_count == 1);
        assert_int_equal(rig.closed_err, ERR_RESET);
        assert_int_equal(rig.frame_count, at / SEALED);
        rig_end(&rig);
    }
}

TEST(a_peer_that_is_cut_off_in_its_handshake_has_not_ended_it)
{
    for (size_t at = 0; at < TEST_FILTER_HELLO; at++) {
        struct rig rig = {0};
        uint8_t bytes[64];
        start_by_hand(&rig, CONN_SERVER);
        take(&rig, bytes, sizeof bytes);
        if (at > 0)
            rig_send_raw(&rig, bytes, at);
        rig_cut_raw(&rig);
        RIG_UNTIL(&rig, rig.closed_count == 1);
        assert_int_equal(rig.closed_err, ERR_RESET);
        rig_end(&rig);
    }
}

TEST(both_ends_say_that_they_end)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    conn_close(&rig.conn, ERR_NONE);
    assert_true(rig_expect_end(&rig));
    rig_end(&rig);
    rig = (struct rig){0};
    rig_start(&rig, CONN_CLIENT);
    conn_close(&rig.conn, ERR_NONE);
    assert_true(rig_expect_end(&rig));
    rig_end(&rig);
}

/* In the middle of an answer its end would be a lie. */
TEST(an_answer_that_is_cut_off_has_no_good_end)
{
    struct rig rig = {0};
    uint8_t some[100];
    rig_start(&rig, CONN_SERVER);
    rig_send_frame(&rig, 1, 10);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    rig_answer(&rig, 0, 1, 32 << 20);
    rig_receive(&rig, some, sizeof some);
    conn_close(&rig.conn, ERR_CANCELLED);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    uint8_t *rest = malloc(33 << 20);
    while (rig_receive_raw(&rig, rest, 33 << 20) > 0)
        continue;
    free(rest);
    assert_int_equal(rig.closed_err, ERR_CANCELLED);
    rig_end(&rig);
}

TEST(last_words_that_nobody_takes_keep_nothing_open)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    rig.hang_sends = true;
    int64_t start_ns = env_now(rig.env);
    conn_close(&rig.conn, ERR_NONE);
    assert_non_null(rig.hung);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_null(rig.hung);
    assert_true(env_now(rig.env) >= start_ns + CONN_FILTER_FAREWELL_NS);
    rig_end(&rig);
}

/* ---- files ---- */

#define FILE_BYTES 300000

/* A file whose bytes are those of a filled frame. */
struct some_file {
    env_file file;
    uint8_t *bytes;
};

static void file_op_done(struct env_op *op, enum err e, uint64_t n)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, op);
    *done = (struct rig_op){.done = true, .e = e, .n = n};
}

static void open_file(struct rig *rig, struct some_file *f)
{
    char dir[] = "/tmp/kiln-conn-XXXXXX", path[64];
    struct rig_op open = {0}, write = {0}, unlink = {0}, unlink_dir = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    env_open_file(rig->env, &open.op, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE,
                  file_op_done);
    RIG_UNTIL(rig, open.done);
    assert_ok(open.e);
    f->file = open.n;
    f->bytes = malloc(FILE_BYTES);
    rig_fill(f->bytes, 1, FILE_BYTES);
    struct env_part part = {.data = f->bytes, .size = FILE_BYTES};
    env_write(rig->env, &write.op, f->file, 0, &part, 1, file_op_done);
    RIG_UNTIL(rig, write.done);
    assert_ok(write.e);
    env_unlink(rig->env, &unlink.op, path, file_op_done);
    RIG_UNTIL(rig, unlink.done);
    env_unlink(rig->env, &unlink_dir.op, dir, file_op_done);
    RIG_UNTIL(rig, unlink_dir.done);
    assert_ok(unlink_dir.e);
}

static void close_file(struct rig *rig, struct some_file *f)
{
    struct rig_op close = {0};
    env_close_file(rig->env, &close.op, f->file, file_op_done);
    RIG_UNTIL(rig, close.done);
    free(f->bytes);
}

struct file_answer {
    struct conn_answer answer;
    struct env_part parts[5];
    bool released;
};

static void release_file(struct conn_answer *answer)
{
    CONTAINER_OF(answer, struct file_answer, answer)->released = true;
}

static void ask_for_file(struct rig *rig, struct file_answer *a)
{
    rig_send_frame(rig, 1, 10);
    RIG_UNTIL(rig, rig->frame_count == 1);
    struct conn_request *request = rig->frames[0].request;
    rig->frames[0].request = NULL;
    a->answer = (struct conn_answer){a->parts, COUNT_OF(a->parts), release_file};
    conn_answer(&rig->conn, request, &a->answer);
}

static void expect_part(struct rig *rig, const uint8_t *expected, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    rig_receive(rig, bytes, size);
    assert_memory_equal(bytes, expected, size);
    free(bytes);
}

static void send_file(uint64_t offset, uint64_t size)
{
    struct rig rig = {0};
    struct some_file f = {0};
    struct file_answer a = {0};
    rig_start(&rig, CONN_SERVER);
    open_file(&rig, &f);
    a.parts[0] = (struct env_part){.data = f.bytes, .size = 33};
    a.parts[1] = (struct env_part){.file = f.file, .offset = offset, .size = size};
    a.parts[2] = (struct env_part){.data = f.bytes + 100, .size = 1};
    a.parts[3] = (struct env_part){.file = f.file, .offset = 5, .size = 2};
    a.parts[4] = (struct env_part){.file = f.file, .offset = FILE_BYTES - 7, .size = 7};
    rig.mem.bytes_peak = rig.mem.bytes;
    uint64_t before = rig.mem.bytes;
    ask_for_file(&rig, &a);
    uint8_t head[CONN_FRAME_HEAD];
    rig_receive(&rig, head, sizeof head);
    assert_int_equal(get_u32(head), 33 + size + 1 + 2 + 7);
    expect_part(&rig, f.bytes, 33);
    expect_part(&rig, f.bytes + offset, size);
    expect_part(&rig, f.bytes + 100, 1);
    expect_part(&rig, f.bytes + 5, 2);
    expect_part(&rig, f.bytes + FILE_BYTES - 7, 7);
    RIG_UNTIL(&rig, a.released);
    assert_true(rig.mem.bytes_peak <= before + 2 * CONN_FILTER_SEND_BYTES + CONN_IDLE_BYTES + 1000);
    close_file(&rig, &f);
    rig_end(&rig);
}

TEST(ranges_of_files_pass_through_the_filter)
{
    static const uint64_t sizes[] = {1,
                                     CONN_FILTER_BYTES - 1,
                                     CONN_FILTER_BYTES,
                                     CONN_FILTER_SEND_BYTES - 1,
                                     CONN_FILTER_SEND_BYTES,
                                     CONN_FILTER_SEND_BYTES + 1,
                                     FILE_BYTES - 3};
    for (int i = 0; i < COUNT_OF(sizes); i++)
        send_file(3, sizes[i]);
    send_file(0, FILE_BYTES);
}

TEST(a_range_that_is_shorter_than_it_says_breaks_the_stream)
{
    struct rig rig = {0};
    struct some_file f = {0};
    struct file_answer a = {0};
    rig_start(&rig, CONN_SERVER);
    open_file(&rig, &f);
    for (int i = 0; i < COUNT_OF(a.parts); i++)
        a.parts[i] = (struct env_part){.file = f.file, .offset = FILE_BYTES - 10, .size = 11};
    ask_for_file(&rig, &a);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_CORRUPT);
    assert_true(a.released);
    close_file(&rig, &f);
    rig_end(&rig);
}

/* A slow disk: what came before it has left, so that the filter could say its end. It must not, for
 * the answer has none; and the connection is there until the read has ended. */
TEST(closing_while_a_file_is_being_read_waits_for_that_and_says_nothing)
{
    struct rig rig = {0};
    struct some_file f = {0};
    struct file_answer a = {0};
    uint8_t head[CONN_FRAME_HEAD];
    rig_start(&rig, CONN_SERVER);
    open_file(&rig, &f);
    for (int i = 0; i < COUNT_OF(a.parts); i++)
        a.parts[i] = (struct env_part){.file = f.file, .size = 100};
    rig.hang_reads = true;
    ask_for_file(&rig, &a);
    rig_receive(&rig, head, sizeof head);
    RIG_UNTIL(&rig, !rig.conn.sending.in_flight);
    assert_non_null(rig.hung_read);
    conn_close(&rig.conn, ERR_CANCELLED);
    assert_false(rig_expect_end(&rig));
    rig_settle(&rig);
    assert_int_equal(rig.closed_count, 0);
    assert_false(a.released);
    rig_read_hung(&rig);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_true(a.released);
    close_file(&rig, &f);
    rig_end(&rig);
}

/* At every moment of it: the file is being read, sent, or both. */
TEST(closing_in_the_middle_of_a_file_lets_go_of_it)
{
    for (int steps = 0; steps < 60; steps++) {
        struct rig rig = {0};
        struct some_file f = {0};
        struct file_answer a = {0};
        rig_start(&rig, CONN_SERVER);
        open_file(&rig, &f);
        for (int i = 0; i < COUNT_OF(a.parts); i++)
            a.parts[i] = (struct env_part){.file = f.file, .size = FILE_BYTES};
        ask_for_file(&rig, &a);
        for (int i = 0; i < steps && !a.released; i++) {
            uint8_t some[50000];
            rig_receive(&rig, some, i % 3 == 0 ? sizeof some : 1);
        }
        conn_close(&rig.conn, ERR_CANCELLED);
        RIG_UNTIL(&rig, rig.closed_count == 1);
        assert_true(a.released);
        close_file(&rig, &f);
        rig_end(&rig);
    }
}

/* ---- memory ---- */

/* Heaps round up by a quarter and less. */
static uint64_t as_rounded(uint64_t bytes)
{
    return bytes + bytes / 4;
}

TEST(an_idle_connection_holds_what_is_said)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    RIG_UNTIL(&rig, rig_heard(&rig) && !rig.conn.sending.in_flight);
    rig_settle(&rig);
    assert_true(rig.mem.bytes <= as_rounded(conn_idle_bytes(&test_filtering)));
    assert_true(rig.mem.bytes + 1000 >= conn_idle_bytes(&test_filtering));
    rig_end(&rig);
}

/* However long the answer: what is on its way is a piece of it. */
TEST(a_peer_that_takes_nothing_costs_a_piece)
{
    struct rig rig = {0};
    struct some_file f = {0};
    struct file_answer a = {0};
    rig_start(&rig, CONN_SERVER);
    open_file(&rig, &f);
    struct env_part *parts = calloc(CONN_PARTS_MAX, sizeof *parts);
    for (int i = 0; i < CONN_PARTS_MAX; i++)
        parts[i] = (struct env_part){.file = f.file, .size = FILE_BYTES};
    rig_send_frame(&rig, 1, 10);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    a.answer = (struct conn_answer){parts, CONN_PARTS_MAX, release_file};
    conn_answer(&rig.conn, rig.frames[0].request, &a.answer);
    rig.frames[0].request = NULL;
    for (int i = 0; i < 50; i++)
        rig_settle(&rig);
    assert_true(rig.conn.sending.in_flight);
    uint64_t allowed = conn_idle_bytes(&test_filtering) + 2 * CONN_FILTER_SEND_BYTES + 1000;
    assert_true(rig.mem.bytes <= as_rounded(allowed));
    conn_close(&rig.conn, ERR_CANCELLED);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    free(parts);
    close_file(&rig, &f);
    rig_end(&rig);
}

/* What is asked, said and answered with the n-th allocation refused, from the first on. */
static bool serve_with_refusal(uint64_t at)
{
    struct rig rig = {0};
    struct some_file f = {0};
    struct file_answer a = {0};
    uint8_t bytes[64];
    rig_open(&rig);
    open_file(&rig, &f);
    for (int i = 0; i < COUNT_OF(a.parts); i++)
        a.parts[i] = (struct env_part){.file = f.file, .size = 1000};
    rig.mem.fail_at = at;
    rig_start_bare(&rig, CONN_SERVER);
    rig.raw_filter = test_filtering.make(&test_filtering, CONN_CLIENT, rig.env, &rig.raw_mem.mem);
    rig_send_raw(&rig, bytes, take(&rig, bytes, sizeof bytes));
    RIG_UNTIL(&rig, rig.closed_count > 0 || rig.conn.filtered == NULL || rig_heard(&rig));
    rig_settle(&rig);
    if (rig.closed_count == 0) {
        hear_hello(&rig);
        rig_send(&rig, frame, sizeof frame);
        RIG_UNTIL(&rig, rig.closed_count > 0 || rig.frame_count == 1);
    }
    if (rig.closed_count == 0) {
        a.answer = (struct conn_answer){a.parts, COUNT_OF(a.parts), release_file};
        conn_answer(&rig.conn, rig.frames[0].request, &a.answer);
        rig.frames[0].request = NULL;
        RIG_UNTIL(&rig, a.released);
    }
    bool failed = rig.mem.failed > 0;
    RIG_UNTIL(&rig, !failed || rig.closed_count == 1);
    if (failed)
        assert_int_equal(rig.closed_err, ERR_NOMEM);
    close_file(&rig, &f);
    rig_end(&rig);
    return failed;
}

TEST(refused_memory_closes_a_filtered_connection_and_leaks_nothing)
{
    uint64_t at = 1;
    while (serve_with_refusal(at))
        at++;
    assert_true(at > 5);
}
