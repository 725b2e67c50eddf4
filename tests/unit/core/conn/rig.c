/* rig.c - see rig.h. */
#include <stdlib.h>
#include "support/filter/filter.h"
#include "unit/core/conn/rig.h"

#define PATIENCE_NS 10000000000ll
#define SETTLE_NS 3000000ll

static struct rig *rig_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct rig, conn);
}

/* ---- the owner ---- */

static int add_frame(struct rig *rig, struct conn_request *request, struct slice frame)
{
    assert_true(rig->frame_count < RIG_FRAMES_MAX);
    buf_retain(frame.buf);
    rig->frames[rig->frame_count] = (struct rig_frame){request, frame};
    return rig->frame_count++;
}

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct rig *rig = rig_of(conn);
    add_frame(rig, request, frame);
    if (rig->on_request != NULL)
        rig->on_request(rig, request);
}

static void on_answer(struct conn *conn, struct conn_request *request, struct slice frame)
{
    add_frame(rig_of(conn), request, frame);
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    struct rig *rig = rig_of(conn);
    rig->cancel_count++;
    rig->cancel_err = e;
    for (int i = 0; i < rig->frame_count; i++)
        if (rig->frames[i].request == request)
            rig->frames[i].request = NULL;
    if (rig->on_cancel != NULL)
        rig->on_cancel(rig);
}

static void on_closed(struct conn *conn, enum err e)
{
    struct rig *rig = rig_of(conn);
    rig->closed_count++;
    rig->closed_err = e;
}

static const struct conn_owner owner = {
    .request = on_request, .answer = on_answer, .closed = on_closed, .cancel = on_cancel};

/* ---- the loop ---- */

void rig_step(struct rig *rig, const char *waiting_for)
{
    int64_t give_up_ns = env_now(rig->env) + PATIENCE_NS;
    while (posix_poll(rig->posix, PATIENCE_NS) == 0)
        if (env_now(rig->env) >= give_up_ns)
            fail_msg("waited in vain for %s", waiting_for);
}

static void settled(struct env_timer *timer)
{
    (void)timer;
}

void rig_settle(struct rig *rig)
{
    struct env_timer timer = {.fire = settled};
    env_arm(rig->env, &timer, env_now(rig->env) + SETTLE_NS);
    RIG_UNTIL(rig, !env_armed(&timer));
}

static void op_done(struct env_op *op, enum err e, uint64_t n)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, op);
    done->done = true;
    done->e = e;
    done->n = n;
}

static uint64_t finish(struct rig *rig, struct rig_op *op)
{
    RIG_UNTIL(rig, op->done);
    assert_ok(op->e);
    return op->n;
}

/* ---- start and end ---- */

static void count_submit(struct env *env, struct env_op *op)
{
    struct rig *rig = CONTAINER_OF((struct env_door *)(uintptr_t)env->door, struct rig, door);
    struct env_op *hung = rig->hung;
    rig->send_count += op->verb == ENV_SEND;
    if (op->verb == ENV_SEND && rig->hang_sends) {
        rig->hung = op;
        return;
    }
    if (op->verb == ENV_READ && rig->hang_reads) {
        rig->hung_read = op;
        return;
    }
    if (op->verb == ENV_CLOSE && hung != NULL && hung->handle == op->handle) {
        hung->in_flight = false;
        rig->hung = NULL;
        hung->done(hung, ERR_CANCELLED, 0);
    }
    rig->real_door->submit(env, op);
}

static void connect_both(struct rig *rig)
{
    struct rig_op listen = {0}, accept = {0}, connect = {0}, close = {0};
    env_listen(rig->env, &listen.op, "127.0.0.1", 0, op_done);
    env_listener listener = finish(rig, &listen);
    env_accept(rig->env, &accept.op, listener, NULL, op_done);
    env_connect(rig->env, &connect.op, "127.0.0.1", env_listener_port(listener), op_done);
    rig->raw = finish(rig, &connect);
    rig->raw_open = true;
    rig->conn.stream = finish(rig, &accept);
    env_close(rig->env, &close.op, listener, op_done);
    finish(rig, &close);
}

void rig_open(struct rig *rig)
{
    struct errmsg msg = {0};
    test_mem_init(&rig->mem);
    test_mem_init(&rig->door_mem);
    test_mem_init(&rig->raw_mem);
    trace_init(&rig->trace, rig->rows, RIG_TRACE_WORDS, false);
    assert_ok(posix_new(&rig->posix, &rig->door_mem.mem, NULL, NULL, &msg));
    rig->env = &rig->posix->env;
    rig->real_door = rig->env->door;
    rig->door = *rig->env->door;
    rig->door.submit = count_submit;
    rig->env->door = &rig->door;
    connect_both(rig);
    if (rig->limits.frame_bytes_max == 0)
        rig->limits.frame_bytes_max = 100 << 20;
    if (rig->limits.in_flight_bytes == 0)
        rig->limits.in_flight_bytes = 100 << 20;
}

void rig_start_bare(struct rig *rig, enum conn_role role)
{
    rig->conn.filtering = RIG_FILTERED ? &test_filtering : NULL;
    conn_start(&rig->conn, role, rig->env, &rig->mem.mem, &rig->trace, rig->conn.stream,
               &rig->limits, &owner);
}

static void flush_raw(struct rig *rig)
{
    uint8_t bytes[1000];
    size_t size;
    while ((size = rig->raw_filter->kind->take(rig->raw_filter, bytes, sizeof bytes)) > 0)
        rig_send_raw(rig, bytes, size);
}

/* Plain bytes that the raw end has; 0: the connection has ended it, which *clean says how. */
static size_t receive_some(struct rig *rig, void *buffer, size_t size, bool *clean)
{
    *clean = true;
    if (rig->raw_filter == NULL)
        return rig_receive_raw(rig, buffer, size);
    const struct conn_filter_kind *kind = rig->raw_filter->kind;
    for (;;) {
        size_t got = 0, used = 0;
        enum err e = kind->read(rig->raw_filter, buffer, size, &got);
        if (e == ERR_EOF || got > 0)
            return got;
        assert_ok(e);
        if (rig->raw_start == rig->raw_end) {
            rig->raw_start = 0;
            rig->raw_end = rig_receive_raw(rig, rig->raw_bytes, sizeof rig->raw_bytes);
        }
        *clean = rig->raw_end > 0;
        if (!*clean)
            return 0;
        assert_ok(kind->feed(rig->raw_filter, rig->raw_bytes + rig->raw_start,
                             rig->raw_end - rig->raw_start, &used));
        rig->raw_start += used;
        flush_raw(rig);
    }
}

/* Who is the client of the handshake begins it. */
static void shake_hands(struct rig *rig, enum conn_role role)
{
    uint8_t hello[TEST_FILTER_HELLO];
    size_t used = 0;
    rig->raw_filter = test_filtering.make(&test_filtering, role, rig->env, &rig->raw_mem.mem);
    flush_raw(rig);
    for (size_t got = 0; got < sizeof hello;)
        got += rig_receive_raw(rig, hello + got, sizeof hello - got);
    assert_ok(rig->raw_filter->kind->feed(rig->raw_filter, hello, sizeof hello, &used));
    assert_int_equal(used, sizeof hello);
    flush_raw(rig);
    RIG_UNTIL(rig, rig_heard(rig));
}

void rig_start_conn(struct rig *rig, enum conn_role role)
{
    rig_start_bare(rig, role);
    if (RIG_FILTERED)
        shake_hands(rig, role == CONN_CLIENT ? CONN_SERVER : CONN_CLIENT);
}

void rig_start(struct rig *rig, enum conn_role role)
{
    rig_open(rig);
    rig_start_conn(rig, role);
}

void rig_read_hung(struct rig *rig)
{
    rig->real_door->submit(rig->env, rig->hung_read);
    rig->hung_read = NULL;
}

void rig_cut_raw(struct rig *rig)
{
    struct rig_op close = {0};
    rig->raw_open = false;
    env_close(rig->env, &close.op, rig->raw, op_done);
    finish(rig, &close);
}

void rig_close_raw(struct rig *rig)
{
    if (rig->raw_filter != NULL && rig->closed_count == 0) {
        rig->raw_filter->kind->finish(rig->raw_filter);
        flush_raw(rig);
    }
    rig_cut_raw(rig);
}

void rig_end(struct rig *rig)
{
    if (rig->raw_open)
        rig_close_raw(rig);
    conn_close(&rig->conn, ERR_CANCELLED);
    RIG_UNTIL(rig, rig->closed_count > 0);
    assert_int_equal(rig->closed_count, 1);
    for (int i = 0; i < rig->frame_count; i++)
        buf_release(rig->frames[i].frame.buf);
    if (rig->raw_filter != NULL)
        rig->raw_filter->kind->free(rig->raw_filter);
    test_mem_done(&rig->raw_mem);
    posix_free(rig->posix);
    test_mem_done(&rig->mem);
    test_mem_done(&rig->door_mem);
}

/* ---- the raw end ---- */

bool rig_heard(const struct rig *rig)
{
    return rig->posix->counters.bytes_received == rig->raw_sent + rig->raw_received;
}

void rig_send_raw(struct rig *rig, const void *data, size_t size)
{
    struct rig_op send = {0};
    struct env_part part = {.data = data, .size = size};
    rig->raw_sent += size;
    env_send(rig->env, &send.op, rig->raw, &part, 1, op_done);
    finish(rig, &send);
}

void rig_send(struct rig *rig, const void *data, size_t size)
{
    if (rig->raw_filter == NULL) {
        rig_send_raw(rig, data, size);
        return;
    }
    for (size_t at = 0, used = 0; at < size; at += used) {
        assert_ok(rig->raw_filter->kind->write(rig->raw_filter, (const uint8_t *)data + at,
                                               size - at, &used));
        assert_true(used > 0);
        flush_raw(rig);
    }
}

void rig_fill(uint8_t *bytes, uint8_t key, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(key + i * 31 + (i >> 8));
}

void rig_send_frame(struct rig *rig, uint8_t key, uint32_t size)
{
    uint8_t *bytes = malloc(size + CONN_FRAME_HEAD);
    put_u32(bytes, size);
    rig_fill(bytes + CONN_FRAME_HEAD, key, size);
    rig_send(rig, bytes, size + CONN_FRAME_HEAD);
    free(bytes);
}

size_t rig_receive_raw(struct rig *rig, void *buffer, size_t size)
{
    struct rig_op receive = {0};
    env_receive(rig->env, &receive.op, rig->raw, buffer, size, op_done);
    RIG_UNTIL(rig, receive.done);
    if (receive.e != ERR_NONE) {
        assert_true(receive.e == ERR_EOF || receive.e == ERR_RESET);
        return 0;
    }
    rig->raw_received += receive.n;
    return receive.n;
}

void rig_receive(struct rig *rig, void *buffer, size_t size)
{
    for (size_t got = 0; got < size;) {
        bool clean;
        size_t some = receive_some(rig, (uint8_t *)buffer + got, size - got, &clean);
        assert_true(some > 0);
        got += some;
    }
}

static bool is_filled(const uint8_t *bytes, uint8_t key, uint32_t size)
{
    uint8_t *expected = malloc(size + 1);
    rig_fill(expected, key, size);
    bool same = memcmp(bytes, expected, size) == 0;
    free(expected);
    return same;
}

void rig_expect_frame(struct rig *rig, uint8_t key, uint32_t size)
{
    uint8_t head[CONN_FRAME_HEAD];
    rig_receive(rig, head, sizeof head);
    assert_int_equal(get_u32(head), size);
    uint8_t *bytes = malloc(size + 1);
    rig_receive(rig, bytes, size);
    assert_true(is_filled(bytes, key, size));
    free(bytes);
}

bool rig_expect_end(struct rig *rig)
{
    uint8_t byte;
    bool clean;
    assert_int_equal(receive_some(rig, &byte, 1, &clean), 0);
    return clean;
}

bool rig_is_frame(const struct rig *rig, int index, uint8_t key, uint32_t size)
{
    const struct slice *frame = &rig->frames[index].frame;
    return index < rig->frame_count && frame->size == size && is_filled(frame->data, key, size);
}

/* ---- answers ---- */

struct filled_answer {
    struct conn_answer answer;
    struct env_part part;
    uint8_t bytes[];
};

static void release(struct conn_answer *answer)
{
    free(CONTAINER_OF(answer, struct filled_answer, answer));
}

void rig_answer(struct rig *rig, int index, uint8_t key, uint32_t size)
{
    struct filled_answer *a = malloc(sizeof *a + size);
    rig_fill(a->bytes, key, size);
    a->part = (struct env_part){.data = a->bytes, .size = size};
    a->answer = (struct conn_answer){.parts = &a->part, .part_count = 1, .release = release};
    struct conn_request *request = rig->frames[index].request;
    assert_non_null(request);
    rig->frames[index].request = NULL;
    conn_answer(&rig->conn, request, &a->answer);
}
