/* talk.c - see talk.h. Whoever has no memory ends. */
#include "specimen/talk.h"

#define FRAME_BYTES_MAX (4 + 8 * (MESSAGE_WORDS + 2 * TALK_ENTRIES_MAX))
#define ACCEPT_AGAIN_NS (100 * 1000000ll)

/* One that comes from a client or a peer. */
struct served {
    struct conn conn;
    struct talk *talk;
};

struct sent {
    struct conn_request request; /* of a question */
    struct conn_answer answer;   /* of an answer */
    struct env_part part;
    struct mem *mem;
    uint8_t bytes[FRAME_BYTES_MAX];
};

/* ---- bytes ---- */

static struct sent *encode(struct talk *talk, int32_t correlation_id, const struct message *m)
{
    struct sent *sent = mem_zalloc(talk->seat->mem, sizeof *sent);
    const uint64_t *words = (const uint64_t *)m;
    uint64_t count = MESSAGE_WORDS + 2 * m->count;
    ASSERT(m->count <= TALK_ENTRIES_MAX);
    if (sent == NULL)
        return NULL;
    sent->mem = talk->seat->mem;
    put_u32(sent->bytes, (uint32_t)correlation_id);
    for (uint64_t i = 0; i < count; i++)
        put_u64(sent->bytes + 4 + 8 * i, words[i]);
    sent->part = (struct env_part){.data = sent->bytes, .size = 4 + 8 * count};
    return sent;
}

static bool decode(struct slice frame, struct message *m)
{
    uint64_t *words = (uint64_t *)m;
    *m = (struct message){0};
    if (frame.size < 4 + 8 * MESSAGE_WORDS || frame.size > FRAME_BYTES_MAX)
        return false;
    for (uint64_t i = 0; i < (frame.size - 4) / 8; i++)
        words[i] = get_u64(frame.data + 4 + 8 * i);
    return frame.size == 4 + 8 * (MESSAGE_WORDS + 2 * m->count);
}

static struct conn_limits limits_of(const struct talk *talk)
{
    return (struct conn_limits){.frame_bytes_max = FRAME_BYTES_MAX,
                                .in_flight_bytes = 1 << 20,
                                .request_ns_max = talk->patience_ns};
}

/* ---- asking ---- */

static struct talk_link *link_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct talk_link, conn);
}

static void on_answer(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct talk_link *link = link_of(conn);
    struct message m;
    mem_free(link->talk->seat->mem, CONTAINER_OF(request, struct sent, request));
    if (decode(frame, &m))
        link->talk->answered(link->talk, link->peer, &m);
    else
        conn_close(conn, ERR_CORRUPT);
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    struct talk_link *link = link_of(conn);
    (void)e;
    mem_free(link->talk->seat->mem, CONTAINER_OF(request, struct sent, request));
    if (link->talk->lost != NULL)
        link->talk->lost(link->talk, link->peer);
}

static void on_closed(struct conn *conn, enum err e)
{
    (void)e;
    *conn = (struct conn){0};
}

static const struct conn_owner asks = {
    .answer = on_answer, .cancel = on_cancel, .closed = on_closed};

static void on_connected(struct env_op *op, enum err e, uint64_t stream)
{
    struct talk_link *link = CONTAINER_OF(op, struct talk_link, op);
    struct world_seat *seat = link->talk->seat;
    struct conn_limits limits = limits_of(link->talk);
    link->connecting = false;
    if (e == ERR_NONE)
        conn_start(&link->conn, CONN_CLIENT, seat->env, seat->mem, seat->trace, stream, &limits,
                   &asks);
}

static void need_connection(struct talk_link *link)
{
    if (link->connecting || link->conn.state != CONN_NONE)
        return;
    link->connecting = true;
    env_connect(link->talk->seat->env, &link->op, link->host, TALK_PORT, on_connected);
}

bool talk_ask(struct talk *talk, uint32_t peer, const struct message *m)
{
    ASSERT(peer < talk->peer_count);
    struct talk_link *link = &talk->links[peer];
    if (!conn_is_open(&link->conn)) {
        need_connection(link);
        return false;
    }
    struct sent *sent = encode(talk, conn_next_correlation_id(&link->conn), m);
    if (sent == NULL)
        world_exit(talk->seat, ERR_NOMEM);
    else
        conn_send(&link->conn, &sent->request, &sent->part, 1, true);
    return sent != NULL;
}

void talk_init(struct talk *talk, struct world_seat *seat, uint32_t peer_count,
               const char hosts[][WORLD_NAME_MAX])
{
    ASSERT(peer_count <= TALK_PEERS_MAX);
    talk->seat = seat;
    talk->peer_count = peer_count;
    for (uint32_t i = 0; i < peer_count; i++) {
        talk->links[i] = (struct talk_link){.talk = talk, .peer = i};
        memcpy(talk->links[i].host, hosts[i], sizeof talk->links[i].host);
    }
}

/* ---- being asked ---- */

static struct served *served_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct served, conn);
}

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct served *served = served_of(conn);
    struct asked asked = {.conn = conn, .request = request};
    struct message m;
    request->context = NULL;
    if (decode(frame, &m))
        served->talk->asked(served->talk, &asked, &m);
    else
        conn_close(conn, ERR_CORRUPT);
}

static void on_asked_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    struct talk *talk = served_of(conn)->talk;
    (void)e;
    talk->asked_lost(talk, &(struct asked){.conn = conn, .request = request});
}

static void on_served_closed(struct conn *conn, enum err e)
{
    struct served *served = served_of(conn);
    (void)e;
    mem_free(served->talk->seat->mem, served);
}

static const struct conn_owner serves = {
    .request = on_request, .cancel = on_asked_cancel, .closed = on_served_closed};

static void accept_next(struct talk *talk);

static void on_accepted(struct env_op *op, enum err e, uint64_t stream)
{
    struct talk *talk = CONTAINER_OF(op, struct talk, accepting);
    struct world_seat *seat = talk->seat;
    if (e != ERR_NONE) {
        env_arm(seat->env, &talk->again, env_now(seat->env) + ACCEPT_AGAIN_NS);
        return;
    }
    struct served *served = mem_zalloc(seat->mem, sizeof *served);
    if (served == NULL) {
        world_exit(seat, ERR_NOMEM);
        return;
    }
    struct conn_limits limits = limits_of(talk);
    served->talk = talk;
    conn_start(&served->conn, CONN_SERVER, seat->env, seat->mem, seat->trace, stream, &limits,
               &serves);
    accept_next(talk);
}

static void accept_next(struct talk *talk)
{
    env_accept(talk->seat->env, &talk->accepting, talk->listener, NULL, on_accepted);
}

static void on_again(struct env_timer *timer)
{
    accept_next(CONTAINER_OF(timer, struct talk, again));
}

static void on_listening(struct env_op *op, enum err e, uint64_t listener)
{
    struct talk *talk = CONTAINER_OF(op, struct talk, listening);
    talk->listener = listener;
    if (e != ERR_NONE)
        world_exit(talk->seat, e);
    else
        accept_next(talk);
}

void talk_listen(struct talk *talk)
{
    talk->again.fire = on_again;
    env_listen(talk->seat->env, &talk->listening, talk->seat->name, TALK_PORT, on_listening);
}

static void release_answer(struct conn_answer *answer)
{
    struct sent *sent = CONTAINER_OF(answer, struct sent, answer);
    mem_free(sent->mem, sent);
}

void talk_answer(struct talk *talk, const struct asked *asked, const struct message *m)
{
    int32_t correlation_id = get_i32(asked->request->frame.data);
    struct sent *sent = encode(talk, correlation_id, m);
    if (sent == NULL) {
        world_exit(talk->seat, ERR_NOMEM);
        return;
    }
    sent->answer =
        (struct conn_answer){.parts = &sent->part, .part_count = 1, .release = release_answer};
    conn_answer(asked->conn, asked->request, &sent->answer);
}
