/* programs.c - see programs.h. They are written as broker and client are: operations in their
 * owners, no call back into the world. */
#include <stdio.h>
#include "programs.h"

#define BUFFER_SIZE 4096
#define PORT 7000

/* ---- echo ---- */

struct echo_conn {
    struct echo *echo;
    struct list link;
    env_stream stream;
    struct env_op receive, send, close;
    struct env_part part;
    bool closing;
    uint8_t buffer[BUFFER_SIZE];
};

struct echo {
    struct world_seat *seat;
    struct env_op listen, accept, close;
    env_listener listener;
    struct list conns;
    bool stopping, listener_closed;
};

static void echo_maybe_exit(struct echo *echo)
{
    struct world_seat *seat = echo->seat;
    if (!echo->stopping || !echo->listener_closed || !list_empty(&echo->conns))
        return;
    mem_free(seat->mem, echo);
    world_exit(seat, ERR_NONE);
}

static void echo_on_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct echo_conn *conn = CONTAINER_OF(op, struct echo_conn, close);
    struct echo *echo = conn->echo;
    ASSERT(e == ERR_NONE && n == 0);
    ASSERT(!conn->receive.in_flight && !conn->send.in_flight);
    list_remove(&conn->link);
    mem_free(echo->seat->mem, conn);
    echo_maybe_exit(echo);
}

static void echo_close(struct echo_conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    env_close(conn->echo->seat->env, &conn->close, conn->stream, echo_on_closed);
}

static void echo_receive(struct echo_conn *conn);

static void echo_on_sent(struct env_op *op, enum err e, uint64_t n)
{
    struct echo_conn *conn = CONTAINER_OF(op, struct echo_conn, send);
    if (e != ERR_NONE) {
        echo_close(conn);
        return;
    }
    ASSERT(n == conn->part.size);
    if (!conn->closing)
        echo_receive(conn);
}

static void echo_on_received(struct env_op *op, enum err e, uint64_t n)
{
    struct echo_conn *conn = CONTAINER_OF(op, struct echo_conn, receive);
    if (e != ERR_NONE) {
        echo_close(conn);
        return;
    }
    ASSERT(n > 0 && n <= sizeof conn->buffer);
    conn->part = (struct env_part){.data = conn->buffer, .size = n};
    if (!conn->closing)
        env_send(conn->echo->seat->env, &conn->send, conn->stream, &conn->part, 1, echo_on_sent);
}

static void echo_receive(struct echo_conn *conn)
{
    env_receive(conn->echo->seat->env, &conn->receive, conn->stream, conn->buffer,
                sizeof conn->buffer, echo_on_received);
}

static void echo_accept(struct echo *echo);

static void echo_on_accepted(struct env_op *op, enum err e, uint64_t n)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, accept);
    if (e == ERR_CANCELLED)
        return;
    if (e == ERR_NONE) {
        struct echo_conn *conn = mem_zalloc(echo->seat->mem, sizeof *conn);
        if (conn == NULL) {
            world_exit(echo->seat, ERR_NOMEM);
            return;
        }
        conn->echo = echo;
        conn->stream = n;
        list_init(&conn->link);
        list_push_back(&echo->conns, &conn->link);
        if (echo->stopping)
            echo_close(conn);
        else
            echo_receive(conn);
    }
    if (!echo->stopping)
        echo_accept(echo);
}

static void echo_accept(struct echo *echo)
{
    env_accept(echo->seat->env, &echo->accept, echo->listener, NULL, echo_on_accepted);
}

static void echo_on_listening(struct env_op *op, enum err e, uint64_t n)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, listen);
    if (e != ERR_NONE) {
        world_exit(echo->seat, e);
        return;
    }
    ASSERT(env_listener_port(n) == PORT);
    echo->listener = n;
    echo_accept(echo);
}

static enum err echo_start(struct world_seat *seat)
{
    struct echo *echo = mem_zalloc(seat->mem, sizeof *echo);
    if (echo == NULL)
        return ERR_NOMEM;
    echo->seat = seat;
    list_init(&echo->conns);
    seat->self = echo;
    env_listen(seat->env, &echo->listen, seat->name, PORT, echo_on_listening);
    return ERR_NONE;
}

static void echo_on_listener_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, close);
    ASSERT(e == ERR_NONE && n == 0 && !echo->accept.in_flight);
    echo->listener_closed = true;
    echo_maybe_exit(echo);
}

static void echo_stop(struct world_seat *seat)
{
    struct echo *echo = seat->self;
    if (echo->listener == 0) {
        world_exit(seat, ERR_CANCELLED);
        return;
    }
    echo->stopping = true;
    env_close(seat->env, &echo->close, echo->listener, echo_on_listener_closed);
    LIST_EACH (conn, &echo->conns, struct echo_conn, link)
        echo_close(conn);
}

const struct world_program echo_program = {.kind = "echo", .start = echo_start, .stop = echo_stop};

/* ---- pinger ---- */

struct pinger {
    struct world_seat *seat;
    char host[ENV_HOST_MAX];
    uint32_t count, size, sent;
    struct pinger_report report;
    env_stream stream;
    struct env_op connect, send, receive, close;
    struct env_timer retry;
    struct env_part part;
    uint32_t received;
    bool closing, stopping;
    uint8_t *out, *in;
};

static void pinger_connect(struct pinger *pinger);

static void pinger_maybe_exit(struct pinger *pinger)
{
    struct world_seat *seat = pinger->seat;
    env_disarm(seat->env, &pinger->retry);
    mem_free(seat->mem, pinger->out);
    mem_free(seat->mem, pinger->in);
    mem_free(seat->mem, pinger);
    world_exit(seat, ERR_NONE);
}

static void pinger_retry(struct env_timer *timer)
{
    pinger_connect(CONTAINER_OF(timer, struct pinger, retry));
}

static void pinger_later(struct pinger *pinger)
{
    struct env *env = pinger->seat->env;
    pinger->retry.fire = pinger_retry;
    env_arm(env, &pinger->retry, env_now(env) + 10 * MS_NS);
}

static void pinger_on_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct pinger *pinger = CONTAINER_OF(op, struct pinger, close);
    ASSERT(e == ERR_NONE && n == 0);
    ASSERT(!pinger->send.in_flight && !pinger->receive.in_flight);
    pinger->stream = 0;
    if (pinger->stopping)
        pinger_maybe_exit(pinger);
    else if (!pinger->report.finished)
        pinger_later(pinger);
}

static void pinger_break(struct pinger *pinger, enum err e)
{
    pinger->report.errors += e != ERR_CANCELLED;
    if (pinger->closing)
        return;
    pinger->closing = true;
    env_close(pinger->seat->env, &pinger->close, pinger->stream, pinger_on_closed);
}

static void pinger_send(struct pinger *pinger);

static void pinger_receive(struct pinger *pinger);

static void pinger_on_received(struct env_op *op, enum err e, uint64_t n)
{
    struct pinger *pinger = CONTAINER_OF(op, struct pinger, receive);
    if (e != ERR_NONE) {
        pinger_break(pinger, e);
        return;
    }
    ASSERT(n > 0 && n <= pinger->size - pinger->received);
    pinger->received += (uint32_t)n;
    if (pinger->received < pinger->size) {
        if (!pinger->closing)
            pinger_receive(pinger);
        return;
    }
    pinger->report.wrong += memcmp(pinger->in, pinger->out, pinger->size) != 0;
    pinger->report.echoed++;
    pinger->report.finished = pinger->report.echoed == pinger->count;
    if (pinger->closing)
        return;
    if (pinger->report.finished)
        pinger_break(pinger, ERR_CANCELLED);
    else if (!pinger->send.in_flight)
        pinger_send(pinger);
}

static void pinger_receive(struct pinger *pinger)
{
    env_receive(pinger->seat->env, &pinger->receive, pinger->stream, pinger->in + pinger->received,
                pinger->size - pinger->received, pinger_on_received);
}

static void pinger_on_sent(struct env_op *op, enum err e, uint64_t n)
{
    struct pinger *pinger = CONTAINER_OF(op, struct pinger, send);
    if (e != ERR_NONE) {
        pinger_break(pinger, e);
        return;
    }
    ASSERT(n == pinger->size);
    if (!pinger->closing && !pinger->receive.in_flight && pinger->received == pinger->size)
        pinger_send(pinger); /* the echo was here first */
}

static void pinger_send(struct pinger *pinger)
{
    uint32_t number = pinger->report.echoed;
    for (uint32_t i = 0; i < pinger->size; i++)
        pinger->out[i] = (uint8_t)(number * 31 + i * 7);
    pinger->part = (struct env_part){.data = pinger->out, .size = pinger->size};
    pinger->received = 0;
    env_send(pinger->seat->env, &pinger->send, pinger->stream, &pinger->part, 1, pinger_on_sent);
    pinger_receive(pinger);
}

static void pinger_on_connected(struct env_op *op, enum err e, uint64_t n)
{
    struct pinger *pinger = CONTAINER_OF(op, struct pinger, connect);
    if (e != ERR_NONE) {
        pinger->report.errors++;
        if (pinger->stopping)
            pinger_maybe_exit(pinger);
        else
            pinger_later(pinger);
        return;
    }
    pinger->stream = n;
    pinger->closing = false;
    if (pinger->stopping)
        pinger_break(pinger, ERR_CANCELLED);
    else
        pinger_send(pinger);
}

static void pinger_connect(struct pinger *pinger)
{
    env_connect(pinger->seat->env, &pinger->connect, pinger->host, PORT, pinger_on_connected);
}

static enum err pinger_start(struct world_seat *seat)
{
    struct pinger *pinger = mem_zalloc(seat->mem, sizeof *pinger);
    if (pinger == NULL)
        return ERR_NOMEM;
    pinger->seat = seat;
    seat->self = pinger;
    if (sscanf((const char *)seat->args.data, "%255s %u %u", pinger->host, &pinger->count,
               &pinger->size) != 3)
        return ERR_INVALID;
    pinger->out = mem_zalloc(seat->mem, pinger->size);
    pinger->in = mem_zalloc(seat->mem, pinger->size);
    if (pinger->out == NULL || pinger->in == NULL)
        return ERR_NOMEM;
    pinger_connect(pinger);
    return ERR_NONE;
}

static void pinger_stop(struct world_seat *seat)
{
    struct pinger *pinger = seat->self;
    pinger->stopping = true;
    if (pinger->stream != 0)
        pinger_break(pinger, ERR_CANCELLED);
    else if (!pinger->connect.in_flight)
        pinger_maybe_exit(pinger);
}

static void pinger_command(struct world_seat *seat, uint64_t id, struct bytes command)
{
    const struct pinger *pinger = seat->self;
    ASSERT(command.size > 0);
    world_reply(seat, id, bytes_of(&pinger->report, sizeof pinger->report));
}

const struct world_program pinger_program = {
    .kind = "pinger", .start = pinger_start, .stop = pinger_stop, .command = pinger_command};

/* ---- ticker ---- */

#define TICKERS 8

struct tick {
    struct env_timer timer;
    struct world_seat *seat;
    uint64_t index;
};

static void tick_fire(struct env_timer *timer);

static void tick_arm(struct tick *tick)
{
    struct env *env = tick->seat->env;
    uint64_t bits = env_random(env, "ticker/wait", tick->index);
    tick->timer.fire = tick_fire;
    env_arm(env, &tick->timer, env_now(env) + 1 + (int64_t)random_below(bits, 20 * MS_NS));
}

static void tick_fire(struct env_timer *timer)
{
    struct tick *tick = CONTAINER_OF(timer, struct tick, timer);
    int64_t now_ns = env_now(tick->seat->env);
    ASSERT(now_ns >= timer->deadline_ns);
    TRACE(tick->seat->trace, LOG_ROLL, .partition = tick->index, .base = env_wall(tick->seat->env));
    tick_arm(tick);
}

static enum err ticker_start(struct world_seat *seat)
{
    struct tick *ticks = mem_array(seat->mem, TICKERS, sizeof *ticks);
    if (ticks == NULL)
        return ERR_NOMEM;
    for (uint64_t i = 0; i < TICKERS; i++) {
        ticks[i].seat = seat;
        ticks[i].index = i;
        tick_arm(&ticks[i]);
    }
    return ERR_NONE;
}

const struct world_program ticker_program = {.kind = "ticker", .start = ticker_start};

/* ---- writer ---- */

#define LOG_PATH "dir/log"

struct writer {
    struct world_seat *seat;
    env_file file;
    struct env_op op;
    struct env_part part;
    uint64_t records, size, checked;
    uint8_t record[RECORD_SIZE];
    bool stopping;
};

static uint8_t record_byte(uint64_t record, uint64_t i)
{
    return (uint8_t)(record * 13 + i);
}

static struct writer *writer_of(struct env_op *op)
{
    return CONTAINER_OF(op, struct writer, op);
}

static void writer_append(struct writer *writer);

static void writer_on_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct writer *writer = writer_of(op);
    struct world_seat *seat = writer->seat;
    (void)n;
    mem_free(seat->mem, writer);
    world_exit(seat, e);
}

static void writer_on_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct writer *writer = writer_of(op);
    ASSERT(n == 0);
    if (e != ERR_NONE) {
        world_exit(writer->seat, e);
        return;
    }
    TRACE(writer->seat->trace, LOG_DURABLE, .partition = 1, .end = writer->records);
    if (writer->stopping)
        env_close_file(writer->seat->env, op, writer->file, writer_on_closed);
    else
        writer_append(writer);
}

static void writer_on_appended(struct env_op *op, enum err e, uint64_t n)
{
    struct writer *writer = writer_of(op);
    if (e != ERR_NONE) {
        world_exit(writer->seat, e);
        return;
    }
    ASSERT(n == writer->records * RECORD_SIZE);
    writer->records++;
    env_sync(writer->seat->env, op, writer->file, writer_on_synced);
}

static void writer_append(struct writer *writer)
{
    for (int i = 0; i < RECORD_SIZE; i++)
        writer->record[i] = record_byte(writer->records, (uint64_t)i);
    writer->part = (struct env_part){.data = writer->record, .size = RECORD_SIZE};
    env_append(writer->seat->env, &writer->op, writer->file, &writer->part, 1, writer_on_appended);
}

static void writer_on_dir_synced(struct env_op *op, enum err e, uint64_t n)
{
    (void)n;
    struct writer *writer = writer_of(op);
    if (e != ERR_NONE)
        world_exit(writer->seat, e);
    else
        writer_append(writer);
}

static void writer_on_cut(struct env_op *op, enum err e, uint64_t n)
{
    struct writer *writer = writer_of(op);
    ASSERT(e != ERR_NONE || n == writer->checked * RECORD_SIZE);
    if (e != ERR_NONE) {
        world_exit(writer->seat, e);
        return;
    }
    writer->records = writer->checked;
    TRACE(writer->seat->trace, LOG_OPEN, .partition = 1, .start = 0, .end = writer->records,
          .recovery_point = 0, .clean = 0);
    env_sync_dir(writer->seat->env, op, "dir", writer_on_dir_synced);
}

static void writer_check(struct writer *writer);

static void writer_on_read(struct env_op *op, enum err e, uint64_t n)
{
    struct writer *writer = writer_of(op);
    if (e != ERR_NONE) {
        world_exit(writer->seat, e);
        return;
    }
    bool whole = n == RECORD_SIZE;
    for (uint64_t i = 0; i < n && whole; i++)
        whole = writer->record[i] == record_byte(writer->checked, i);
    if (!whole) { /* the torn tail, or the end */
        env_truncate(writer->seat->env, op, writer->file, writer->checked * RECORD_SIZE,
                     writer_on_cut);
        return;
    }
    writer->checked++;
    writer_check(writer);
}

static void writer_check(struct writer *writer)
{
    env_read(writer->seat->env, &writer->op, writer->file, writer->checked * RECORD_SIZE,
             writer->record, RECORD_SIZE, writer_on_read);
}

static void writer_on_opened(struct env_op *op, enum err e, uint64_t n)
{
    struct writer *writer = writer_of(op);
    if (e != ERR_NONE) {
        world_exit(writer->seat, e);
        return;
    }
    writer->file = n;
    writer_check(writer);
}

static void writer_on_root_synced(struct env_op *op, enum err e, uint64_t n)
{
    (void)n;
    struct writer *writer = writer_of(op);
    if (e != ERR_NONE) {
        world_exit(writer->seat, e);
        return;
    }
    env_open_file(writer->seat->env, op, LOG_PATH,
                  ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_LOCK,
                  writer_on_opened);
}

static void writer_on_dir(struct env_op *op, enum err e, uint64_t n)
{
    (void)n;
    struct writer *writer = writer_of(op);
    if (e != ERR_NONE && e != ERR_EXISTS) {
        world_exit(writer->seat, e);
        return;
    }
    env_sync_dir(writer->seat->env, op, ".", writer_on_root_synced);
}

static enum err writer_start(struct world_seat *seat)
{
    struct writer *writer = mem_zalloc(seat->mem, sizeof *writer);
    if (writer == NULL)
        return ERR_NOMEM;
    writer->seat = seat;
    seat->self = writer;
    env_make_dir(seat->env, &writer->op, "dir", writer_on_dir);
    return ERR_NONE;
}

static void writer_stop(struct world_seat *seat)
{
    struct writer *writer = seat->self;
    writer->stopping = true;
}

const struct world_program writer_program = {
    .kind = "writer", .start = writer_start, .stop = writer_stop};

/* ---- the stage ---- */

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct stage *stage = CONTAINER_OF(sink, struct stage, sink);
    stage->rows[row->kind]++;
    test_row_keep(&stage->last[row->kind], row);
    stage->rows_hash = hash_bytes(row, trace_row_size(row), stage->rows_hash);
}

static void on_reply(struct world_sink *sink, uint32_t node, uint64_t id, struct bytes reply)
{
    struct stage *stage = CONTAINER_OF(sink, struct stage, sink);
    (void)node;
    (void)id;
    assert_true(reply.size <= sizeof stage->reply);
    memcpy(stage->reply, reply.data, reply.size);
    stage->reply_size = reply.size;
    stage->reply_count++;
}

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    struct stage *stage = CONTAINER_OF(sink, struct stage, sink);
    (void)node;
    stage->exit_count++;
    stage->exit_err = e;
    stage->leaked_count += leaked_count;
}

void stage_open_blind(struct stage *stage, const struct world_config *config)
{
    struct errmsg msg = {0};
    *stage = (struct stage){0};
    mem_system(&stage->mem);
    stage->world = world_new(&stage->mem, config, &msg);
    if (stage->world == NULL)
        fail_msg("%s", msg.text);
}

void stage_open(struct stage *stage, const struct world_config *config)
{
    stage_open_blind(stage, config);
    stage->sink = (struct world_sink){.row = on_row, .reply = on_reply, .exited = on_exited};
    world_add_sink(stage->world, &stage->sink);
}

void stage_close(struct stage *stage)
{
    world_free(stage->world);
    assert_int_equal(stage->mem.live_count, 0);
}

uint32_t stage_add(struct stage *stage, const struct world_program *program, const char *name,
                   const char *args)
{
    uint32_t node;
    assert_ok(world_add_node(stage->world, program, name, bytes_text(args), &node));
    world_start(stage->world, node);
    return node;
}

uint64_t stage_hash(const struct stage *stage)
{
    struct world_stats stats;
    world_stats(stage->world, &stats);
    return stats.hash;
}

struct pinger_report stage_ask_pinger(struct stage *stage, uint32_t node)
{
    struct pinger_report report = {0};
    for (int i = 0; i < 10000 && !report.finished; i++) {
        uint32_t before = stage->reply_count;
        world_run_until(stage->world, world_now(stage->world) + 100 * MS_NS);
        if (!world_command(stage->world, node, 1, bytes_text("?")))
            continue;
        world_run_until(stage->world, world_now(stage->world) + MS_NS);
        if (stage->reply_count == before)
            continue;
        assert_int_equal(stage->reply_size, sizeof report);
        memcpy(&report, stage->reply, sizeof report);
    }
    return report;
}
