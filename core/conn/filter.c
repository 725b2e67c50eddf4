/* filter.c - a connection whose bytes pass through a filter: it moves them between stream, filter
 * and frames in pieces of a fixed size, and reads what is sent from files into memory first. It
 * never looks into them. */
#include "conn/internal.h"

struct conn_filtered {
    struct conn *conn;
    struct conn_filter *filter;
    /* What is to be sent: conn->parts. */
    int32_t part_count; /* 0: nothing */
    int32_t part_index; /* the first that is not all with the filter */
    uint64_t offset;    /* in it */
    /* Of that part, where it is a range of a file: what has been read and is not with the filter.
     */
    struct env_op reading;
    uint8_t *piece; /* NULL: no file is being sent */
    uint32_t piece_start, piece_end;
    /* What the filter gave for the stream. */
    uint8_t *out; /* NULL: nothing is being sent */
    struct env_part out_part;
    bool closed; /* the stream is */
    /* From the stream, not with the filter yet. */
    uint32_t in_start, in_end;
    uint8_t in[CONN_FILTER_BYTES - 256]; /* so that heaps need not round up all of it */
};

uint64_t conn_idle_bytes(const struct conn_filtering *filtering)
{
    if (filtering == NULL)
        return CONN_IDLE_BYTES;
    return CONN_IDLE_BYTES + sizeof(struct conn_filtered) + filtering->bytes;
}

uint64_t conn_filter_send_bytes(const struct conn *conn)
{
    return conn->filtered == NULL ? 0 : 2 * CONN_FILTER_SEND_BYTES;
}

bool conn_filter_is_sending(const struct conn *conn)
{
    return conn->filtered->part_count > 0;
}

static bool is_closing(const struct conn *conn)
{
    return conn->state >= CONN_CLOSING;
}

/* ---- to the stream ---- */

/* ERR_NOMEM. */
static enum err get_room(struct conn *conn, uint8_t **bytes)
{
    if (*bytes == NULL)
        *bytes = mem_alloc(conn->mem, CONN_FILTER_SEND_BYTES);
    return *bytes == NULL ? ERR_NOMEM : ERR_NONE;
}

static void let_go(struct conn *conn, uint8_t **bytes)
{
    if (*bytes != NULL)
        mem_free(conn->mem, *bytes);
    *bytes = NULL;
}

static void filter_and_send(struct conn_filtered *f);

static void on_piece_read(struct env_op *op, enum err e, uint64_t n)
{
    struct conn_filtered *f = CONTAINER_OF(op, struct conn_filtered, reading);
    struct conn *conn = f->conn;
    if (f->closed) {
        conn_ended(conn);
        return;
    }
    if (is_closing(conn))
        return;
    if (e == ERR_NONE && n < op->size)
        e = ERR_CORRUPT; /* as a send of a range that is shorter than it says */
    if (e != ERR_NONE) {
        conn_close(conn, e);
        return;
    }
    f->piece_start = 0;
    f->piece_end = (uint32_t)n;
    filter_and_send(f);
}

static enum err read_piece(struct conn_filtered *f, const struct env_part *part)
{
    struct conn *conn = f->conn;
    enum err e = get_room(conn, &f->piece);
    if (e != ERR_NONE)
        return e;
    uint64_t size = MIN(part->size - f->offset, CONN_FILTER_SEND_BYTES);
    env_read(conn->env, &f->reading, part->file, part->offset + f->offset, f->piece, size,
             on_piece_read);
    return ERR_NONE;
}

/* The next bytes that are to be sent and are in memory; of a file they are read first, and there
 * are none meanwhile. */
static enum err next_plain(struct conn_filtered *f, struct bytes *plain)
{
    *plain = (struct bytes){0};
    if (f->part_index == f->part_count || f->reading.in_flight)
        return ERR_NONE;
    const struct env_part *part = &f->conn->parts[f->part_index];
    if (part->data != NULL)
        *plain = bytes_of(part->data + f->offset, part->size - f->offset);
    else if (f->piece_start < f->piece_end)
        *plain = bytes_of(f->piece + f->piece_start, f->piece_end - f->piece_start);
    else
        return read_piece(f, part);
    return ERR_NONE;
}

static void count_written(struct conn_filtered *f, uint64_t size)
{
    const struct env_part *part = &f->conn->parts[f->part_index];
    f->offset += size;
    ASSERT(f->offset <= part->size);
    if (part->data == NULL)
        f->piece_start += (uint32_t)size;
    if (f->offset < part->size)
        return;
    f->part_index++;
    f->offset = 0;
}

/* Fills out with what the filter says, and with what it makes of the parts. */
static enum err fill(struct conn_filtered *f)
{
    const struct conn_filter_kind *kind = f->filter->kind;
    struct bytes plain = {0};
    size_t used = 0;
    do {
        uint64_t size = f->out_part.size;
        f->out_part.size += kind->take(f->filter, f->out + size, CONN_FILTER_SEND_BYTES - size);
        ASSERT(f->out_part.size <= CONN_FILTER_SEND_BYTES);
        if (f->out_part.size == CONN_FILTER_SEND_BYTES)
            return ERR_NONE;
        enum err e = next_plain(f, &plain);
        if (e != ERR_NONE || plain.size == 0)
            return e;
        e = kind->write(f->filter, plain.data, MIN(plain.size, CONN_FILTER_BYTES), &used);
        if (e != ERR_NONE)
            return e;
        count_written(f, used);
    } while (used > 0 || kind->pending(f->filter) > 0);
    return ERR_NONE;
}

static void on_out_sent(struct env_op *op, enum err e, uint64_t n);

/* Sends what there is, unless a send is in flight: whoever ends that one comes here again. */
static void filter_and_send(struct conn_filtered *f)
{
    struct conn *conn = f->conn;
    if (conn->sending.in_flight || is_closing(conn) ||
        (f->part_count == 0 && f->filter->kind->pending(f->filter) == 0))
        return;
    enum err e = get_room(conn, &f->out);
    if (e == ERR_NONE) {
        f->out_part = (struct env_part){.data = f->out};
        e = fill(f);
    }
    if (e != ERR_NONE)
        conn_close(conn, e);
    else if (f->out_part.size > 0)
        env_send(conn->env, &conn->sending, conn->stream, &f->out_part, 1, on_out_sent);
}

static void on_out_sent(struct env_op *op, enum err e, uint64_t n)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, sending);
    struct conn_filtered *f = conn->filtered;
    (void)n;
    if (is_closing(conn))
        return;
    if (e != ERR_NONE) {
        conn_close(conn, e);
        return;
    }
    conn->moved_ns = env_now(conn->env);
    bool all = f->part_index == f->part_count && f->filter->kind->pending(f->filter) == 0;
    if (!all) {
        filter_and_send(f);
        return;
    }
    let_go(conn, &f->out);
    let_go(conn, &f->piece);
    bool was_sending = f->part_count > 0;
    f->part_count = f->part_index = 0;
    if (was_sending)
        conn_sent(conn);
    else
        conn_send_more(conn);
}

void conn_filter_send(struct conn *conn, int count)
{
    struct conn_filtered *f = conn->filtered;
    ASSERT(count > 0);
    ASSERT(f->part_count == 0);
    f->part_count = count;
    f->part_index = 0;
    f->offset = 0;
    filter_and_send(f);
}

/* ---- from the stream ---- */

static void on_in_received(struct env_op *op, enum err e, uint64_t n)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, receiving);
    struct conn_filtered *f = conn->filtered;
    if (is_closing(conn))
        return;
    if (e != ERR_NONE) {
        /* Whoever ends in good order says so through the filter. */
        conn_close(conn, e == ERR_EOF ? ERR_RESET : e);
        return;
    }
    ASSERT(n > 0);
    ASSERT(n <= sizeof f->in);
    f->in_start = 0;
    f->in_end = (uint32_t)n;
    conn->moved_ns = env_now(conn->env);
    if (conn->state == CONN_OPEN)
        conn_go_on(conn);
}

/* Gives the filter what has come until it gives something back. */
static enum err read_plain(struct conn_filtered *f, uint8_t *plain, uint64_t cap, size_t *got)
{
    const struct conn_filter_kind *kind = f->filter->kind;
    for (;;) {
        enum err e = kind->read(f->filter, plain, cap, got);
        ASSERT(*got <= cap);
        if (e != ERR_NONE || *got > 0 || f->in_start == f->in_end)
            return e;
        size_t used = 0;
        e = kind->feed(f->filter, f->in + f->in_start, f->in_end - f->in_start, &used);
        if (e != ERR_NONE)
            return e;
        ASSERT(used > 0);
        f->in_start += (uint32_t)used;
        ASSERT(f->in_start <= f->in_end);
    }
}

uint64_t conn_filter_receive(struct conn *conn, uint64_t cap)
{
    struct conn_filtered *f = conn->filtered;
    size_t got = 0;
    enum err e = read_plain(f, conn->in->data + conn->in_end, cap, &got);
    if (e != ERR_NONE) {
        conn_close(conn, e);
        return 0;
    }
    filter_and_send(f); /* a handshake's answer, or what had to wait for it */
    if (got == 0 && conn->state == CONN_OPEN)
        env_receive(conn->env, &conn->receiving, conn->stream, f->in, sizeof f->in, on_in_received);
    return got;
}

/* ---- life ---- */

enum err conn_filter_start(struct conn *conn)
{
    struct conn_filtered *f = mem_zalloc(conn->mem, sizeof *f);
    if (f == NULL)
        return ERR_NOMEM;
    f->conn = conn;
    f->filter = conn->filtering->make(conn->filtering, conn->role, conn->env, conn->mem);
    if (f->filter == NULL) {
        mem_free(conn->mem, f);
        return ERR_NOMEM;
    }
    conn->filtered = f;
    filter_and_send(f); /* who begins the handshake */
    return ERR_NONE;
}

static void on_farewell_late(struct env_timer *timer)
{
    conn_close_stream(CONTAINER_OF(timer, struct conn, timer));
}

static void on_farewell_sent(struct env_op *op, enum err e, uint64_t n)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, sending);
    (void)e;
    (void)n;
    if (!env_armed(&conn->timer))
        return; /* too late: the stream is being closed */
    env_disarm(conn->env, &conn->timer);
    conn_close_stream(conn);
}

bool conn_filter_farewell(struct conn *conn)
{
    struct conn_filtered *f = conn->filtered;
    const struct conn_filter_kind *kind = f->filter->kind;
    /* Behind a half of something nothing can be said, and to nobody. */
    if (conn->error == ERR_RESET || conn->sending.in_flight || f->part_count > 0)
        return false;
    kind->finish(f->filter);
    if (kind->pending(f->filter) == 0 || get_room(conn, &f->out) != ERR_NONE)
        return false;
    size_t size = kind->take(f->filter, f->out, CONN_FILTER_SEND_BYTES);
    f->out_part = (struct env_part){.data = f->out, .size = size};
    conn->timer.fire = on_farewell_late;
    env_arm(conn->env, &conn->timer, env_now(conn->env) + CONN_FILTER_FAREWELL_NS);
    env_send(conn->env, &conn->sending, conn->stream, &f->out_part, 1, on_farewell_sent);
    return true;
}

bool conn_filter_is_reading(struct conn *conn)
{
    conn->filtered->closed = true;
    return conn->filtered->reading.in_flight;
}

void conn_filter_free(struct conn *conn)
{
    struct conn_filtered *f = conn->filtered;
    ASSERT(!f->reading.in_flight);
    let_go(conn, &f->out);
    let_go(conn, &f->piece);
    f->filter->kind->free(f->filter);
    mem_free(conn->mem, f);
    conn->filtered = NULL;
}
