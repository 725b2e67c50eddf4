/* conn.c - the life of a connection, and the frames that leave it: whose turn it is, what travels
 * together, what takes too long. It never looks into a frame but for its correlation id. */
#include "conn/internal.h"

static const struct state states[] = {
    [CONN_NONE] = {"none", TO(CONN_OPEN)},
    [CONN_OPEN] = {"open", TO(CONN_DRAINING) | TO(CONN_CLOSING)},
    [CONN_DRAINING] = {"draining", TO(CONN_CLOSING)},
    [CONN_CLOSING] = {"closing", TO(CONN_CLOSED)},
    [CONN_CLOSED] = {"closed", 0},
};

static bool is_closing(const struct conn *conn)
{
    return conn->state >= CONN_CLOSING;
}

/* ---- time ---- */

/* 0: none. The oldest request has the earliest deadline, because all may take equally long. */
static int64_t next_deadline(const struct conn *conn)
{
    const struct list *oldest = list_empty(&conn->asked) ? &conn->requests : &conn->asked;
    if (conn->role == CONN_CLIENT && conn->limits.request_ns_max > 0 && !list_empty(oldest))
        return LIST_FIRST(oldest, struct conn_request, link)->deadline_ns;
    if (conn->limits.idle_ns_max > 0)
        return conn->moved_ns + conn->limits.idle_ns_max;
    return 0;
}

/* A deadline that moved away is noticed when the timer fires: most bytes cost no arming. */
static void keep_time(struct conn *conn)
{
    int64_t deadline_ns = next_deadline(conn);
    bool late = !env_armed(&conn->timer) || conn->timer.deadline_ns > deadline_ns;
    if (deadline_ns != 0 && late && !is_closing(conn))
        env_arm(conn->env, &conn->timer, deadline_ns);
}

static void on_timer(struct env_timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    /* A server that takes its time to answer does not make the connection idle; a client that
     * takes nothing of an answer does. */
    bool answers = conn->request_count > 0 && !conn_is_sending(conn);
    if (conn->role == CONN_SERVER && (answers || conn->waits))
        conn->moved_ns = env_now(conn->env);
    int64_t deadline_ns = next_deadline(conn);
    if (deadline_ns != 0 && deadline_ns <= env_now(conn->env))
        conn_close(conn, ERR_TIMEOUT);
    else
        keep_time(conn);
}

/* ---- requests ---- */

/* It is no longer the connection's. Server: it is gone. */
static void forget(struct conn *conn, struct conn_request *request)
{
    list_remove(&request->link);
    conn->request_count--;
    ASSERT(conn->request_count >= 0);
    if (conn->role == CONN_CLIENT)
        return;
    conn->request_bytes -= request->frame.size + request->answer_bytes;
    ASSERT(conn->request_bytes >= 0);
    if (request->answer != NULL)
        request->answer->release(request->answer);
    buf_release(request->frame.buf);
    mem_free(conn->mem, request);
}

enum err conn_add_request(struct conn *conn, struct slice frame, struct conn_request **out)
{
    struct conn_request *request = mem_zalloc(conn->mem, sizeof *request);
    if (request == NULL)
        return ERR_NOMEM;
    list_init(&request->link);
    request->frame = frame;
    buf_retain(frame.buf);
    list_push_back(&conn->requests, &request->link);
    conn->request_count++;
    conn->request_bytes += frame.size;
    *out = request;
    return ERR_NONE;
}

void conn_answered(struct conn *conn, struct conn_request *request, struct slice frame)
{
    forget(conn, request);
    conn->owner->answer(conn, request, frame);
}

/* ---- sending ---- */

static void write_head(struct conn_request *request)
{
    uint64_t size = 0;
    for (int32_t i = 0; i < request->part_count; i++) {
        size += request->parts[i].size;
        request->answer_bytes += request->parts[i].data == NULL ? 0 : request->parts[i].size;
    }
    ASSERT(size <= INT32_MAX);
    put_u32(request->head, (uint32_t)size);
}

/* Adds the request's parts from part_next on (0 is the head). False: they do not all fit. */
static bool add_parts(struct conn *conn, const struct conn_request *request, int *count,
                      uint64_t *bytes)
{
    for (; conn->part_next <= request->part_count; conn->part_next++) {
        int32_t i = conn->part_next;
        struct env_part part =
            i == 0 ? (struct env_part){.data = request->head, .size = CONN_FRAME_HEAD}
                   : request->parts[i - 1];
        if (*count == CONN_SEND_PARTS_MAX || *bytes + part.size > ENV_IO_BYTES_MAX)
            return false;
        if (part.size > 0)
            conn->parts[(*count)++] = part;
        *bytes += part.size;
    }
    conn->part_next = 0;
    return true;
}

static bool may_leave(const struct conn *conn, const struct conn_request *request)
{
    return conn->role == CONN_CLIENT || request->answered;
}

/* Collects what may leave now, in order. Returns the number of parts. */
static int collect(struct conn *conn)
{
    int count = 0;
    uint64_t bytes = 0;
    conn->sending_count = 0;
    LIST_EACH (request, &conn->requests, struct conn_request, link) {
        if (!may_leave(conn, request) || bytes >= CONN_SEND_BYTES)
            break;
        bool skipped = conn->role == CONN_SERVER && request->answer == NULL;
        if (!skipped && !add_parts(conn, request, &count, &bytes))
            break;
        conn->sending_count++;
    }
    return count;
}

/* The first requests, sending_count of them, have left. Owners are told when the lists are in order
 * again, because they may send more at once. */
static void have_left(struct conn *conn)
{
    struct list left;
    list_init(&left);
    for (; conn->sending_count > 0; conn->sending_count--) {
        struct conn_request *request = LIST_FIRST(&conn->requests, struct conn_request, link);
        bool waits = conn->role == CONN_CLIENT && !request->no_answer;
        list_remove(&request->link);
        list_push_back(waits ? &conn->asked : &left, &request->link);
    }
    LIST_EACH (request, &left, struct conn_request, link) {
        forget(conn, request);
        if (conn->role == CONN_CLIENT)
            conn->owner->cancel(conn, request, ERR_NONE);
    }
}

static void on_sent(struct env_op *op, enum err e, uint64_t n);

void conn_send_more(struct conn *conn)
{
    if (conn_is_sending(conn) || conn->sending.in_flight || is_closing(conn))
        return;
    int count = collect(conn);
    if (count > 0) {
        conn->moved_ns = env_now(conn->env);
        if (conn->filtered != NULL)
            conn_filter_send(conn, count);
        else
            env_send(conn->env, &conn->sending, conn->stream, conn->parts, count, on_sent);
        return;
    }
    have_left(conn); /* turns that were skipped */
    if (conn->state == CONN_DRAINING && conn->request_count == 0)
        conn_close(conn, ERR_NONE);
}

static void on_sent(struct env_op *op, enum err e, uint64_t n)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, sending);
    (void)n;
    if (is_closing(conn))
        return;
    if (e != ERR_NONE) {
        conn_close(conn, e);
        return;
    }
    conn_sent(conn);
}

void conn_sent(struct conn *conn)
{
    conn->moved_ns = env_now(conn->env);
    have_left(conn);
    conn_send_more(conn);
    conn_receive_more(conn);
}

bool conn_is_sending(const struct conn *conn)
{
    return conn->filtered == NULL ? conn->sending.in_flight : conn_filter_is_sending(conn);
}

void conn_answer(struct conn *conn, struct conn_request *request, struct conn_answer *answer)
{
    ASSERT(conn->role == CONN_SERVER);
    ASSERT(conn->state != CONN_CLOSED);
    ASSERT(!request->answered);
    request->answered = true;
    request->answer = answer;
    if (is_closing(conn)) {
        forget(conn, request);
        return;
    }
    if (answer != NULL) {
        ASSERT(answer->part_count <= CONN_PARTS_MAX);
        request->parts = answer->parts;
        request->part_count = answer->part_count;
        write_head(request);
        conn->request_bytes += request->answer_bytes;
    }
    conn_send_more(conn);
    conn_receive_more(conn);
}

void conn_send(struct conn *conn, struct conn_request *request, const struct env_part *parts,
               int part_count, bool expects_answer)
{
    ASSERT(conn->role == CONN_CLIENT);
    ASSERT(conn->state == CONN_OPEN);
    ASSERT(part_count > 0);
    ASSERT(part_count <= CONN_PARTS_MAX);
    *request = (struct conn_request){.context = request->context,
                                     .correlation_id = conn->correlation_id,
                                     .no_answer = !expects_answer,
                                     .parts = parts,
                                     .part_count = part_count};
    list_init(&request->link);
    request->deadline_ns = env_now(conn->env) + conn->limits.request_ns_max;
    conn->correlation_id = (int32_t)((uint32_t)conn->correlation_id + 1);
    list_push_back(&conn->requests, &request->link);
    conn->request_count++;
    write_head(request);
    keep_time(conn);
    conn_send_more(conn);
}

int32_t conn_next_correlation_id(const struct conn *conn)
{
    return conn->correlation_id;
}

/* ---- life ---- */

void conn_start(struct conn *conn, enum conn_role role, struct env *env, struct mem *mem,
                struct trace *trace, env_stream stream, const struct conn_limits *limits,
                const struct conn_owner *owner)
{
    ASSERT(conn->state == CONN_NONE);
    ASSERT(limits->frame_bytes_max > 0);
    conn->env = env;
    conn->mem = mem;
    conn->trace = trace;
    conn->owner = owner;
    conn->limits = *limits;
    conn->role = role;
    conn->stream = stream;
    conn->timer.fire = on_timer;
    conn->turn.fire = conn_on_turn;
    conn->moved_ns = env_now(env);
    list_init(&conn->requests);
    list_init(&conn->asked);
    conn_lane_join(conn);
    STATE_MOVE(states, &conn->state, CONN_OPEN);
    enum err e = conn->filtering == NULL ? ERR_NONE : conn_filter_start(conn);
    if (e != ERR_NONE) {
        conn_close(conn, e);
        return;
    }
    keep_time(conn);
    conn_receive_more(conn);
}

/* Nothing is in flight any more. Whoever is cancelled may have held up others, which come to their
 * turn by that and may be answered at once: each look starts anew. */
static void cancel_all(struct conn *conn, struct list *requests)
{
    for (struct conn_request *request = LIST_FIRST(requests, struct conn_request, link);
         request != NULL; request = LIST_FIRST(requests, struct conn_request, link)) {
        if (conn->role == CONN_SERVER) {
            if (!request->answered)
                conn->owner->cancel(conn, request, conn->error);
            forget(conn, request);
        } else {
            forget(conn, request);
            conn->owner->cancel(conn, request, conn->error);
        }
    }
}

static void on_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, closing);
    (void)e;
    (void)n;
    ASSERT(!conn->receiving.in_flight);
    ASSERT(!conn->sending.in_flight);
    if (conn->filtered == NULL || !conn_filter_is_reading(conn))
        conn_ended(conn);
}

void conn_ended(struct conn *conn)
{
    cancel_all(conn, &conn->asked);
    cancel_all(conn, &conn->requests);
    STATE_MOVE(states, &conn->state, CONN_CLOSED);
    ASSERT(conn->request_count == 0);
    ASSERT(conn->request_bytes == 0);
    buf_release(conn->in);
    conn->in = NULL;
    if (conn->filtered != NULL)
        conn_filter_free(conn);
    conn->owner->closed(conn, conn->error);
}

void conn_close(struct conn *conn, enum err why)
{
    if (is_closing(conn))
        return;
    STATE_MOVE(states, &conn->state, CONN_CLOSING);
    conn->error = why;
    conn_lane_leave(conn);
    env_disarm(conn->env, &conn->timer);
    env_disarm(conn->env, &conn->turn);
    if (conn->filtered == NULL || !conn_filter_farewell(conn))
        conn_close_stream(conn);
}

void conn_close_stream(struct conn *conn)
{
    ASSERT(is_closing(conn));
    env_close(conn->env, &conn->closing, conn->stream, on_closed);
}

void conn_drain(struct conn *conn)
{
    ASSERT(conn->role == CONN_SERVER);
    if (conn->state != CONN_OPEN)
        return;
    STATE_MOVE(states, &conn->state, CONN_DRAINING);
    conn_lane_leave(conn);
    env_disarm(conn->env, &conn->turn);
    conn_send_more(conn);
}
