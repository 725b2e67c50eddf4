/* receive.c - the frames that come: how long they are, where their bytes go, and when no more may
 * come. A frame ends up in one piece, and is moved as little as possible on the way. */
#include "conn/internal.h"

static uint32_t have(const struct conn *conn)
{
    return conn->in == NULL ? 0 : conn->in_end - conn->in_start;
}

static const uint8_t *first_byte(const struct conn *conn)
{
    return conn->in->data + conn->in_start;
}

/* ---- room ---- */

/* What is not yet a frame; false: there is no such buffer. */
static bool move_to(struct conn *conn, struct buf *buf)
{
    uint32_t size = have(conn);
    if (buf == NULL)
        return false;
    ASSERT(buf->cap >= size);
    if (size > 0)
        memcpy(buf->data, first_byte(conn), size);
    buf_release(conn->in);
    conn->in = buf;
    conn->in_start = 0;
    conn->in_end = size;
    return true;
}

/* Takes a new buffer of that size and moves what is not yet a frame into it. ERR_LIMIT: the
 * connection waits for memory now. */
static enum err move_to_new(struct conn *conn, uint32_t cap)
{
    uint32_t size = have(conn);
    ASSERT(cap > size);
    if (!conn_lane_admits(conn, cap, size > 0))
        return ERR_LIMIT;
    return move_to(conn, buf_new(conn->mem, cap)) ? ERR_NONE : ERR_NOMEM;
}

/* For the frame that has begun and filled its buffer, and the beginning of the next: where long
 * frames follow each other, one receive brings each of them. */
static uint32_t room_for_frame(const struct conn *conn)
{
    uint64_t size = have(conn);
    bool much = conn_lane_has_room(conn, CONN_STREAM_BYTES);
    if (size < CONN_FRAME_HEAD)
        return much ? CONN_STREAM_BYTES : CONN_IDLE_BYTES;
    uint64_t whole = (uint64_t)get_u32(first_byte(conn)) + CONN_FRAME_HEAD;
    if (whole <= CONN_SMALL_FRAME && much)
        return CONN_STREAM_BYTES;
    return (uint32_t)MIN(whole + CONN_IDLE_BYTES, MAX(CONN_GROW_FIRST, size * CONN_GROW_FACTOR));
}

/* Between frames: a stream of small ones gets much room; long ones begin in little, since their
 * length says how much is right; and who sends nothing holds next to nothing. */
static enum err room_for_next(struct conn *conn)
{
    bool many = conn->in_was_full && conn->frame_size_last <= CONN_SMALL_FRAME &&
                conn_lane_has_room(conn, CONN_STREAM_BYTES);
    uint32_t wanted = many ? CONN_STREAM_BYTES : CONN_IDLE_BYTES;
    if (conn->in != NULL && conn->in->cap == wanted) {
        if (conn->in->refs == 1)
            conn->in_start = conn->in_end = 0;
        if (conn->in->cap - conn->in_end >= wanted / 2)
            return ERR_NONE;
    }
    return move_to_new(conn, wanted);
}

static enum err make_room(struct conn *conn)
{
    if (conn->in == NULL || have(conn) == 0)
        return room_for_next(conn);
    if (conn->in_end < conn->in->cap)
        return ERR_NONE;
    return move_to_new(conn, room_for_frame(conn));
}

/* Where memory is scarce a connection keeps no large buffer for the little that stands in it behind
 * a frame: what is beyond the limit would be gone until the peer goes on. The frame's request holds
 * the buffer, and ends. */
static void shed(struct conn *conn)
{
    uint32_t size = have(conn);
    if (conn_lane_has_room(conn, 0) || conn->in->cap <= CONN_IDLE_BYTES || size > CONN_IDLE_BYTES)
        return;
    (void)move_to(conn, buf_new(conn->mem, CONN_IDLE_BYTES));
}

/* ---- frames ---- */

/* A whole frame is here, or one that will be refused. */
static bool frame_is_here(const struct conn *conn)
{
    if (conn->in == NULL || have(conn) < CONN_FRAME_HEAD)
        return false;
    int32_t size = get_i32(first_byte(conn));
    if (size < 0 || size > conn->limits.frame_bytes_max)
        return true;
    return have(conn) - CONN_FRAME_HEAD >= (uint32_t)size;
}

bool conn_is_partial(const struct conn *conn)
{
    return have(conn) > 0 && !frame_is_here(conn);
}

/* Back-pressure: who has much to do takes no more. */
static bool is_full(const struct conn *conn)
{
    if (conn->role == CONN_CLIENT)
        return false;
    return conn->request_count >= CONN_REQUESTS_MAX ||
           (conn->request_count > 0 && conn->request_bytes >= conn->limits.in_flight_bytes);
}

/* Client: an answer that overtook the end of its request's send waits for it, because the request
 * must not be given back while the door holds its bytes. */
static bool must_wait_for_send(const struct conn *conn)
{
    return conn->role == CONN_CLIENT && list_empty(&conn->asked) && conn_is_sending(conn);
}

static void refuse(struct conn *conn, enum conn_refusal why, int32_t size)
{
    TRACE(conn->trace, REQUEST_REFUSED, .reason = why, .size = size);
    if (conn->owner->refused != NULL)
        conn->owner->refused(conn, why, size);
    conn_close(conn, ERR_CORRUPT);
}

/* The machine has no memory, or the heap's limit is reached although room was left beyond it. */
static void no_memory(struct conn *conn, enum err e)
{
    if (conn->role == CONN_SERVER)
        TRACE(conn->trace, REQUEST_REFUSED, .reason = CONN_REFUSED_MEMORY, .size = have(conn));
    conn_close(conn, e);
}

static void take_request(struct conn *conn, struct slice frame)
{
    struct conn_request *request = NULL;
    enum err e = conn_add_request(conn, frame, &request);
    if (e != ERR_NONE) {
        no_memory(conn, e);
        return;
    }
    shed(conn);
    conn_receive_more(conn);
    conn->owner->request(conn, request, frame);
}

static void take_answer(struct conn *conn, struct slice frame)
{
    struct conn_request *request = LIST_FIRST(&conn->asked, struct conn_request, link);
    bool expected = request != NULL && frame.size >= sizeof(int32_t) &&
                    get_i32(frame.data) == request->correlation_id;
    if (!expected) {
        conn_close(conn, ERR_CORRUPT);
        return;
    }
    struct buf *buf = frame.buf; /* the next receive may let go of it */
    buf_retain(buf);
    conn_receive_more(conn);
    conn_answered(conn, request, frame);
    buf_release(buf);
}

static bool may_take(struct conn *conn, int32_t size)
{
    uint64_t bytes = MIN((uint64_t)size * CONN_TAKE_FACTOR, CONN_TAKE_BYTES_MAX);
    bytes = MAX(bytes, CONN_TAKE_BYTES_MIN);
    return conn->role == CONN_CLIENT ||
           conn_lane_admits(conn, bytes + conn_filter_send_bytes(conn), false);
}

/* Takes the first frame, which is here, unless it must wait for memory. */
static void take_frame(struct conn *conn)
{
    int32_t size = get_i32(first_byte(conn));
    if (size < 0 || size > conn->limits.frame_bytes_max) {
        refuse(conn, size < 0 ? CONN_REFUSED_NEGATIVE : CONN_REFUSED_TOO_LONG, size);
        return;
    }
    if (!may_take(conn, size))
        return;
    conn_lane_unfavour(conn);
    struct slice frame = slice_of(conn->in, conn->in_start + CONN_FRAME_HEAD, (uint32_t)size);
    conn->in_start += CONN_FRAME_HEAD + (uint32_t)size;
    conn->frame_size_last = (uint32_t)size;
    if (conn->role == CONN_SERVER)
        take_request(conn, frame);
    else
        take_answer(conn, frame);
}

/* ---- receiving ---- */

static void on_received(struct env_op *op, enum err e, uint64_t n);

/* True: bytes were here already, behind the filter. */
static bool receive(struct conn *conn)
{
    bool split = conn->in != NULL && have(conn) > 0 && have(conn) < CONN_FRAME_HEAD;
    SOMETIMES(conn->trace, FRAME_SPLIT_IN_LENGTH, split);
    if (KNOWN_BUG(frame_split_in_length) && split)
        conn->in_start = conn->in_end;
    enum err e = make_room(conn);
    if (e == ERR_LIMIT)
        return false;
    if (e != ERR_NONE) {
        no_memory(conn, e);
        return false;
    }
    ASSERT(conn->in_end < conn->in->cap);
    uint64_t cap = conn->in->cap - conn->in_end;
    if (conn->filtered == NULL) {
        env_receive(conn->env, &conn->receiving, conn->stream, conn->in->data + conn->in_end, cap,
                    on_received);
        return false;
    }
    uint64_t got = conn_filter_receive(conn, cap);
    conn->in_end += (uint32_t)got;
    conn->in_was_full = conn->in_end == conn->in->cap;
    return got > 0;
}

static bool may_receive(const struct conn *conn)
{
    return conn->state == CONN_OPEN && !conn->receiving.in_flight && !conn->waits && !is_full(conn);
}

void conn_receive_more(struct conn *conn)
{
    while (may_receive(conn) && !frame_is_here(conn)) {
        if (!receive(conn))
            return;
    }
    if (may_receive(conn) && !must_wait_for_send(conn) && !env_armed(&conn->turn))
        env_arm(conn->env, &conn->turn, env_now(conn->env));
}

void conn_go_on(struct conn *conn)
{
    if (conn->waits)
        return;
    if (conn->state == CONN_OPEN && frame_is_here(conn) && !is_full(conn) &&
        !must_wait_for_send(conn))
        take_frame(conn);
    else
        conn_receive_more(conn);
}

void conn_on_turn(struct env_timer *timer)
{
    conn_go_on(CONTAINER_OF(timer, struct conn, turn));
}

static void on_received(struct env_op *op, enum err e, uint64_t n)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, receiving);
    if (conn->state == CONN_CLOSING)
        return;
    if (e != ERR_NONE) {
        conn_close(conn, e);
        return;
    }
    if (conn->state == CONN_DRAINING)
        return; /* too late to be heard */
    ASSERT(n > 0);
    ASSERT(n <= conn->in->cap - conn->in_end);
    conn->in_end += (uint32_t)n;
    conn->in_was_full = conn->in_end == conn->in->cap;
    conn->moved_ns = env_now(conn->env);
    conn_go_on(conn);
}
