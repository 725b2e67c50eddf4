/* forward.c - what clients ask this broker and only the controller that leads decides: sent to it
 * in envelopes (KIP-590), in the order in which it came, and again where nobody can have acted on
 * it. It knows nothing of what is asked. */
#include "node/internal.h"

#define WAYS_MAX 8                    /* in flight at once */
#define BYTES_MAX (16ll << 20)        /* of requests that are; a single one may be larger */
#define RETRY_NS ENV_NS_OF_MS(50)     /* after a controller that does not lead, or is not there */
#define DEPOSED_NS ENV_NS_OF_MS(2000) /* in which who leads no longer says so */
#define API_ENVELOPE 58
#define PRINCIPAL_HEAD_MAX 16 /* beside its text: version, lengths, a flag, tags */

struct way {
    struct peers_request request;
    struct forwards *of;
    struct api_forwarded *op; /* NULL: it is free */
    int32_t to;
    int64_t late_ns; /* who led before has not answered by then: it will not; 0: it leads */
};

struct forwards {
    struct api_forward face;
    struct broker *broker;
    struct peers *peers;
    struct list waiting; /* struct api_forwarded */
    int64_t bytes;       /* in flight */
    int64_t retry_ns;    /* nothing is sent before */
    bool told;           /* that this controller refuses */
    struct env_timer timer;
    struct way ways[WAYS_MAX];
};

_Static_assert(WAYS_MAX <= PEERS_IN_FLIGHT_MAX, "peers would lose what is in flight beyond it");

static struct forwards *forwards_of(struct api_forward *face)
{
    return CONTAINER_OF(face, struct forwards, face);
}

static void look_at(struct forwards *f, int64_t at_ns)
{
    if (!env_armed(&f->timer) || f->timer.deadline_ns > at_ns)
        env_arm(f->broker->env, &f->timer, at_ns);
}

static void look_soon(struct forwards *f)
{
    look_at(f, env_now(f->broker->env));
}

/* ---- what is sent ---- */

/* As DefaultKafkaPrincipalBuilder writes it: its version, 0, then the message. In mem; empty: there
 * is none left. */
static struct wire_bytes principal_bytes(const char *principal, struct mem *mem)
{
    size_t cap = strlen(principal) + PRINCIPAL_HEAD_MAX;
    uint8_t *bytes = mem_zalloc(mem, cap);
    const char *colon = strchr(principal, ':');
    struct wire_out out;
    ASSERT(colon != NULL);
    if (bytes == NULL)
        return (struct wire_bytes){0};
    struct wire_default_principal_data data = {
        .type = {.data = principal, .size = (int32_t)(colon - principal)},
        .name = wire_text(colon + 1)};
    wire_out_fixed(&out, bytes + sizeof(int16_t), cap - sizeof(int16_t));
    enum err e = wire_encode(&wire_default_principal_data_message, 0, &data, &out);
    ASSERT(e == ERR_NONE);
    return (struct wire_bytes){.data = bytes, .size = (int32_t)(out.size + sizeof(int16_t))};
}

static enum err encode(struct peers_request *request, int16_t version, struct wire_out *out)
{
    const struct way *w = CONTAINER_OF(request, struct way, request);
    uint8_t address[BROKER_ADDRESS_MAX];
    struct wire_envelope_request body;
    struct mem *mem = w->of->broker->mem;
    wire_defaults(&wire_envelope_request_message, &body);
    body.request_data = (struct wire_bytes){.data = (uint8_t *)w->op->frame.data,
                                            .size = (int32_t)w->op->frame.size};
    body.request_principal = principal_bytes(w->op->principal, mem);
    if (body.request_principal.data == NULL)
        return ERR_NOMEM;
    body.client_host_address = (struct wire_bytes){
        .data = address, .size = (int32_t)broker_peer_address(w->op->peer, address)};
    enum err e = wire_encode(&wire_envelope_request_message, version, &body, out);
    mem_free(mem, (uint8_t *)body.request_principal.data);
    return e;
}

/* ---- what comes of it ---- */

static struct api_forwarded *land(struct way *w)
{
    struct api_forwarded *op = w->op;
    struct forwards *f = w->of;
    ASSERT(op->flies);
    w->op = NULL;
    op->flies = false;
    f->bytes -= (int64_t)op->frame.size;
    look_soon(f);
    return op;
}

static void end(struct api_forwarded *op, enum api_forward_end how)
{
    op->end = how;
    op->done(op);
}

/* Nobody has acted on it, or it does no harm twice. */
static bool may_be_sent_again(const struct way *w)
{
    return !w->request.was_sent || w->op->again || KNOWN_BUG(order_sent_twice);
}

/* It is the first of those that wait. */
static void wait_again(struct forwards *f, struct api_forwarded *op)
{
    SOMETIMES(f->broker->trace, FORWARD_AGAIN, true);
    f->retry_ns = env_now(f->broker->env) + RETRY_NS;
    list_push_front(&f->waiting, &op->link);
}

static void on_lost(struct peers_request *request, enum err why)
{
    struct way *w = CONTAINER_OF(request, struct way, request);
    struct forwards *f = w->of;
    bool again = may_be_sent_again(w);
    struct api_forwarded *op = land(w);
    if (why == ERR_UNSUPPORTED)
        end(op, API_FORWARD_REFUSED);
    else if (again)
        wait_again(f, op);
    else
        end(op, API_FORWARD_LATE);
    SOMETIMES(f->broker->trace, FORWARD_LATE, why != ERR_UNSUPPORTED && !again);
}

static void take(struct forwards *f, struct api_forwarded *op,
                 const struct wire_envelope_response *says)
{
    if (says->error_code == WIRE_ERROR_NOT_CONTROLLER) {
        wait_again(f, op);
        return;
    }
    if (says->error_code != WIRE_ERROR_NONE || says->response_data.size < 0) {
        if (!f->told)
            NOTE(f->broker->notes, CONTROLLER_REFUSES,
                 "the controller does not take what clients ask from this broker: %s",
                 wire_error_text(says->error_code));
        f->told = true;
        end(op, API_FORWARD_REFUSED);
        return;
    }
    op->answer = bytes_of(says->response_data.data, (size_t)says->response_data.size);
    op->metadata_offset = says->metadata_offset;
    end(op, API_FORWARD_ANSWERED);
}

static void on_answered(struct peers_request *request, int16_t version, struct slice body)
{
    struct way *w = CONTAINER_OF(request, struct way, request);
    struct forwards *f = w->of;
    struct api_forwarded *op = land(w);
    struct wire_envelope_response says;
    struct arena arena;
    arena_init(&arena, f->broker->mem, 0);
    enum err e = wire_decode(&wire_envelope_response_message, version, slice_bytes(body), NULL,
                             &says, &arena, NULL);
    if (e == ERR_NONE)
        take(f, op, &says);
    else
        end(op, API_FORWARD_REFUSED);
    arena_free(&arena);
}

/* ---- going on ---- */

static struct way *free_way(struct forwards *f)
{
    for (int i = 0; i < WAYS_MAX; i++) {
        if (f->ways[i].op == NULL)
            return &f->ways[i];
    }
    return NULL;
}

static void launch(struct forwards *f, struct way *w, struct api_forwarded *op, int32_t leader)
{
    int64_t left = op->deadline_ns - env_now(f->broker->env);
    op->flies = true;
    f->bytes += (int64_t)op->frame.size;
    w->op = op;
    w->to = leader;
    w->late_ns = 0;
    w->request = (struct peers_request){.key = API_ENVELOPE,
                                        .purpose = PEERS_FORWARD,
                                        .ns_max = MAX(left, 1),
                                        .encode = encode,
                                        .answered = on_answered,
                                        .lost = on_lost};
    peers_send(f->peers, leader, &w->request);
}

static void send_waiting(struct forwards *f, int32_t leader)
{
    for (struct way *w = free_way(f); w != NULL; w = free_way(f)) {
        struct api_forwarded *op = LIST_FIRST(&f->waiting, struct api_forwarded, link);
        if (op == NULL || (f->bytes > 0 && f->bytes + (int64_t)op->frame.size > BYTES_MAX))
            return;
        list_remove(&op->link);
        launch(f, w, op, leader);
    }
}

/* Who led before may have acted on it and be gone. */
static void give_up_deposed(struct forwards *f)
{
    int64_t now_ns = env_now(f->broker->env);
    for (int i = 0; i < WAYS_MAX; i++) {
        struct way *w = &f->ways[i];
        if (w->op == NULL || w->late_ns == 0)
            continue;
        if (now_ns < w->late_ns) {
            look_at(f, w->late_ns);
            continue;
        }
        peers_cancel(&w->request);
        end(land(w), API_FORWARD_LATE);
    }
}

static void on_timer(struct env_timer *timer)
{
    struct forwards *f = CONTAINER_OF(timer, struct forwards, timer);
    give_up_deposed(f);
    struct quorum *q = f->broker->quorum;
    int32_t leader = quorum_leader(q);
    while (quorum_leads(q) && !list_empty(&f->waiting))
        end(CONTAINER_OF(list_pop_front(&f->waiting), struct api_forwarded, link),
            API_FORWARD_HERE);
    /* Who comes to lead is heard of. */
    if (list_empty(&f->waiting) || leader == RAFT_NOBODY || leader == quorum_node_id(q))
        return;
    if (env_now(f->broker->env) < f->retry_ns)
        look_at(f, f->retry_ns);
    else
        send_waiting(f, leader);
}

/* What is under way to who led before may have been acted on, and is answered or lost, or given up;
 * what does no harm twice does not wait for that. */
void broker_forwards_look(struct broker *b)
{
    struct forwards *f = b->forwards;
    if (f == NULL)
        return;
    int32_t leader = quorum_leader(b->quorum);
    for (int i = 0; i < WAYS_MAX && leader != RAFT_NOBODY; i++) {
        struct way *w = &f->ways[i];
        if (w->op == NULL || w->to == leader)
            continue;
        if (!may_be_sent_again(w)) {
            if (w->late_ns == 0)
                w->late_ns = env_now(b->env) + DEPOSED_NS;
            continue;
        }
        peers_cancel(&w->request);
        list_push_front(&f->waiting, &land(w)->link);
    }
    f->retry_ns = 0;
    f->told = false;
    look_soon(f);
}

/* ---- the owner's ---- */

static void send(struct api_forward *face, struct api_forwarded *op)
{
    struct forwards *f = forwards_of(face);
    list_push_back(&f->waiting, &op->link);
    look_soon(f);
}

static void cancel(struct api_forward *face, struct api_forwarded *op)
{
    struct forwards *f = forwards_of(face);
    list_remove(&op->link);
    for (int i = 0; i < WAYS_MAX; i++) {
        if (f->ways[i].op != op)
            continue;
        peers_cancel(&f->ways[i].request);
        land(&f->ways[i]);
    }
}

enum err broker_forwards_open(struct broker *b)
{
    struct peers *peers = broker_controllers_peers(b);
    if (peers == NULL)
        return ERR_NONE;
    struct forwards *f = mem_zalloc(b->mem, sizeof *f);
    if (f == NULL)
        return ERR_NOMEM;
    f->broker = b;
    f->peers = peers;
    f->face = (struct api_forward){.send = send, .cancel = cancel};
    f->timer.fire = on_timer;
    list_init(&f->waiting);
    for (int i = 0; i < WAYS_MAX; i++)
        f->ways[i].of = f;
    b->forwards = f;
    return ERR_NONE;
}

struct api_forward *broker_forwards_face(struct broker *b)
{
    return b->forwards == NULL ? NULL : &b->forwards->face;
}

void broker_forwards_free(struct broker *b)
{
    struct forwards *f = b->forwards;
    if (f == NULL)
        return;
    ASSERT(list_empty(&f->waiting));
    ASSERT(f->bytes == 0);
    env_disarm(b->env, &f->timer);
    mem_free(b->mem, f);
    b->forwards = NULL;
}
