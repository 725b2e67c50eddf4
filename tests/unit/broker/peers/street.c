/* street.c - see street.h. */
#include <stdlib.h>
#include "street.h"

/* The programs of a world are constants, so what is being tested is found here. */
static struct street *current;

struct reply {
    struct conn_answer answer;
    struct env_part part;
    struct mem *mem;
    struct wire_out out;
};

/* ---- the server: says what it speaks, answers votes at once, and parks fetches ---- */

/* ---- the asker ---- */

static void reply_free(struct conn_answer *answer)
{
    struct reply *reply = CONTAINER_OF(answer, struct reply, answer);
    wire_out_free(&reply->out);
    mem_free(reply->mem, reply);
}

static void reply(struct server_conn *c, struct conn_request *request, const struct wire_api *api,
                  int16_t version, int32_t correlation_id, const void *body)
{
    struct mem *mem = c->conn.mem;
    struct reply *r = mem_zalloc(mem, sizeof *r);
    struct wire_response_header header = {.correlation_id = correlation_id};
    if (r == NULL) {
        conn_close(&c->conn, ERR_NOMEM);
        return;
    }
    r->mem = mem;
    wire_out_init(&r->out, mem);
    enum err e = wire_encode(&wire_response_header_message,
                             wire_response_header_version(api, version), &header, &r->out);
    if (e == ERR_NONE && !current->babble)
        e = wire_encode(api->response, version, body, &r->out);
    if (e != ERR_NONE) {
        reply_free(&r->answer);
        conn_close(&c->conn, e);
        return;
    }
    r->part = (struct env_part){.data = r->out.data, .size = r->out.size};
    r->answer = (struct conn_answer){&r->part, 1, reply_free};
    conn_answer(&c->conn, request, &r->answer);
}

static void say_versions(struct server_conn *c, struct conn_request *request,
                         const struct wire_request_header *h)
{
    int16_t version = h->request_api_version;
    struct wire_api_versions_response_api_key keys[] = {
        {.api_key = 1, .min_version = 4, .max_version = 99},
        {.api_key = 52, .min_version = 0, .max_version = current->vote_newest},
        {.api_key = 53, .min_version = 7, .max_version = 9},
    };
    struct wire_api_versions_response body;
    wire_api_versions_response_defaults(&body);
    body.api_keys = keys;
    body.api_keys_count = COUNT_OF(keys);
    if (version > current->versions_asked_max) {
        version = 0;
        body.error_code = WIRE_ERROR_UNSUPPORTED_VERSION;
        body.api_keys_count = 0;
    }
    reply(c, request, wire_api(18), version, h->correlation_id, &body);
}

static void say_vote(struct server_conn *c, struct conn_request *request,
                     const struct wire_request_header *h, const struct wire_vote_request *in)
{
    struct wire_vote_response_partition p = {.leader_epoch =
                                                 in->topics[0].partitions[0].replica_epoch};
    struct wire_vote_response_topic topic = {.partitions = &p, .partitions_count = 1};
    struct wire_vote_response body = {.topics = &topic, .topics_count = 1};
    c->server->votes++;
    reply(c, request, wire_api(52), h->request_api_version, h->correlation_id, &body);
}

static void end_wait(struct env_timer *timer)
{
    struct parked *parked = CONTAINER_OF(timer, struct parked, timer);
    struct conn_request *request = parked->request;
    struct wire_fetch_response body;
    wire_fetch_response_defaults(&body);
    body.session_id = (int32_t)parked->number;
    parked->request = NULL;
    reply(parked->on, request, wire_api(1), 17, parked->correlation_id, &body);
}

static void park(struct server_conn *c, struct conn_request *request,
                 const struct wire_request_header *h, const struct wire_fetch_request *in)
{
    struct server *s = c->server;
    c->server->fetches++;
    for (int i = 0; i < PARKED_MAX; i++) {
        struct parked *parked = &s->parked[i];
        if (parked->request != NULL)
            continue;
        parked->on = c;
        parked->request = request;
        parked->correlation_id = h->correlation_id;
        parked->number = in->session_id;
        parked->timer.fire = end_wait;
        assert_int_equal(h->request_api_version, 18);
        env_arm(s->seat->env, &parked->timer, env_now(s->seat->env) + in->max_wait_ms * MS);
        return;
    }
    conn_close(&c->conn, ERR_LIMIT);
}

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct server_conn *c = CONTAINER_OF(conn, struct server_conn, conn);
    struct wire_request_header h;
    struct arena arena;
    size_t used = 0;
    if (current->mute)
        return;
    assert_ok(wire_decode_request_header(slice_bytes(frame), &used, &h, NULL));
    assert_true(wire_string_equal(h.client_id, wire_text("kiln-test")));
    const struct wire_message *m = wire_api(h.request_api_key)->request;
    arena_init(&arena, conn->mem, 1 << 20);
    void *body = arena_alloc(&arena, m->size);
    enum err e = body == NULL ? ERR_NOMEM : ERR_NONE;
    int version =
        h.request_api_key == 18 ? MIN(h.request_api_version, m->newest) : h.request_api_version;
    if (e == ERR_NONE)
        e = wire_decode(m, version, bytes_of(frame.data + used, frame.size - used), NULL, body,
                        &arena, NULL);
    assert_true(e == ERR_NONE || e == ERR_NOMEM);
    if (e != ERR_NONE)
        conn_close(conn, e);
    else if (h.request_api_key == 18)
        say_versions(c, request, &h);
    else if (h.request_api_key == 52)
        say_vote(c, request, &h, body);
    else
        park(c, request, &h, body);
    arena_free(&arena);
}

static void on_gone(struct conn *conn, struct conn_request *request, enum err e)
{
    struct server *s = CONTAINER_OF(conn, struct server_conn, conn)->server;
    (void)e;
    for (int i = 0; i < PARKED_MAX; i++) {
        if (s->parked[i].request != request)
            continue;
        s->parked[i].request = NULL;
        env_disarm(s->seat->env, &s->parked[i].timer);
    }
}

static void maybe_exit(struct server *s)
{
    struct world_seat *seat = s->seat;
    if (!s->stopping || !s->unlistened || s->open_count > 0 || s->accepting.in_flight)
        return;
    current->server = NULL;
    mem_free(seat->mem, s);
    world_exit(seat, ERR_NONE);
}

static void on_server_closed(struct conn *conn, enum err e)
{
    struct server_conn *c = CONTAINER_OF(conn, struct server_conn, conn);
    struct server *s = c->server;
    (void)e;
    c->used = false;
    s->open_count--;
    maybe_exit(s);
}

static const struct conn_owner server_owner = {
    .request = on_request, .cancel = on_gone, .closed = on_server_closed};

static void accept_next(struct server *s);

static void on_accepted(struct env_op *op, enum err e, uint64_t stream)
{
    struct server *s = CONTAINER_OF(op, struct server, accepting);
    struct conn_limits limits = {.frame_bytes_max = 1 << 20, .in_flight_bytes = 1 << 20};
    if (s->stopping) {
        assert_true(e != ERR_NONE);
        maybe_exit(s);
        return;
    }
    for (int i = 0; i < CONNS_MAX && e == ERR_NONE; i++) {
        struct server_conn *c = &s->conns[i];
        if (c->used)
            continue;
        *c = (struct server_conn){.server = s, .used = true};
        s->open_count++;
        conn_start(&c->conn, CONN_SERVER, s->seat->env, s->seat->mem, s->seat->trace, stream,
                   &limits, &server_owner);
        break;
    }
    accept_next(s);
}

static void accept_next(struct server *s)
{
    env_accept(s->seat->env, &s->accepting, s->listener, NULL, on_accepted);
}

static void on_listening(struct env_op *op, enum err e, uint64_t n)
{
    struct server *s = CONTAINER_OF(op, struct server, listening);
    ASSERT(e == ERR_NONE);
    s->listener = n;
    accept_next(s);
}

static void on_unlistened(struct env_op *op, enum err e, uint64_t n)
{
    struct server *s = CONTAINER_OF(op, struct server, unlistening);
    (void)e;
    (void)n;
    s->unlistened = true;
    maybe_exit(s);
}

static enum err server_start(struct world_seat *seat)
{
    struct server *s = mem_zalloc(seat->mem, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    s->seat = seat;
    seat->self = s;
    current->server = s;
    env_listen(seat->env, &s->listening, "server", PORT, on_listening);
    return ERR_NONE;
}

static void server_stop(struct world_seat *seat)
{
    struct server *s = seat->self;
    s->stopping = true;
    env_close(seat->env, &s->unlistening, s->listener, on_unlistened);
    for (int i = 0; i < CONNS_MAX; i++) {
        if (s->conns[i].used)
            conn_close(&s->conns[i].conn, ERR_NONE);
    }
}

static const struct world_program server_program = {
    .kind = "server", .start = server_start, .stop = server_stop};

/* ---- the asker's requests ---- */

static enum err encode_vote(struct peers_request *request, int16_t version, struct wire_out *out)
{
    struct sending *s = (struct sending *)request;
    struct wire_vote_request_partition p = {.replica_epoch = (int32_t)s->number};
    struct wire_vote_request_topic topic = {.partitions = &p, .partitions_count = 1};
    struct wire_vote_request body = {.topics = &topic, .topics_count = 1, .voter_id = -1};
    s->version = version;
    return wire_encode(&wire_vote_request_message, version, &body, out);
}

static enum err encode_fetch(struct peers_request *request, int16_t version, struct wire_out *out)
{
    struct sending *s = (struct sending *)request;
    struct wire_fetch_request body;
    wire_fetch_request_defaults(&body);
    body.session_id = (int32_t)s->number;
    body.max_wait_ms = s->wait_ms;
    s->version = version;
    return wire_encode(&wire_fetch_request_message, version, &body, out);
}

static void end_sending(struct sending *s)
{
    int64_t now_ns = env_now(s->asker->seat->env);
    assert_false(s->asker->inside);
    assert_false(s->cancelled);
    assert_int_equal(s->ended++, 0);
    assert_null(s->request.peers);
    s->ended_ns = now_ns;
    /* When it was due, or as soon as the event could be: a cancelled send is told a little later.
     */
    assert_true(now_ns - s->sent_ns <= REQUEST_NS + 50 * MS);
}

static int64_t number_said(const struct sending *s, struct slice body, struct arena *arena)
{
    struct wire_vote_response vote;
    struct wire_fetch_response fetch;
    if (s->request.key == 52) {
        assert_ok(wire_decode(&wire_vote_response_message, s->version, slice_bytes(body), NULL,
                              &vote, arena, NULL));
        return vote.topics[0].partitions[0].leader_epoch;
    }
    assert_ok(wire_decode(&wire_fetch_response_message, s->version, slice_bytes(body), NULL, &fetch,
                          arena, NULL));
    return fetch.session_id;
}

static void on_answered(struct peers_request *request, int16_t version, struct slice body)
{
    struct sending *s = (struct sending *)request;
    struct mem mem;
    struct arena arena;
    mem_system(&mem);
    arena_init(&arena, &mem, 1 << 20);
    end_sending(s);
    s->answered = true;
    s->asker->answered++;
    assert_int_equal(version, s->version);
    assert_int_equal(number_said(s, body, &arena), s->number);
    arena_free(&arena);
}

static void on_lost(struct peers_request *request, enum err why)
{
    struct sending *s = (struct sending *)request;
    end_sending(s);
    assert_true(why != ERR_NONE);
    s->why = why;
    s->asker->lost++;
}

struct sending *street_send(struct asker *a, enum peers_purpose purpose, int32_t wait_ms)
{
    assert_true(a->count < SENDS_MAX);
    struct sending *s = &a->sendings[a->count++];
    *s = (struct sending){.asker = a, .number = a->count, .wait_ms = wait_ms};
    s->sent_ns = env_now(a->seat->env);
    s->request = (struct peers_request){
        .key = purpose == PEERS_VOTES ? 52 : 1,
        .purpose = purpose,
        .encode = purpose == PEERS_VOTES ? encode_vote : encode_fetch,
        .answered = on_answered,
        .lost = on_lost,
    };
    a->inside = true;
    peers_send(a->peers, OTHER, &s->request);
    a->inside = false;
    return s;
}

static void cancel_one(struct sending *s)
{
    if (s->ended > 0 || s->cancelled)
        return;
    s->cancelled = true;
    s->asker->cancelled++;
    peers_cancel(&s->request);
    assert_null(s->request.peers);
}

static void on_next(struct env_timer *timer)
{
    struct asker *a = CONTAINER_OF(timer, struct asker, next);
    struct env *env = a->seat->env;
    uint64_t bits = env_random(env, "test/what", 0);
    env_arm(env, &a->next, env_now(env) + current->every_ns);
    if (a->count == SENDS_MAX)
        return;
    enum peers_purpose purpose = bits % 3 == 0 ? PEERS_LOG : PEERS_VOTES;
    street_send(a, purpose, (int32_t)((bits >> 8) % ((uint64_t)current->wait_ms_max + 1)));
    uint64_t whom = env_random(env, "test/cancel", 0);
    int back = 1 + (int)((whom >> 32) % (uint64_t)MIN(a->count, 4));
    if ((int)(whom % 100) < current->cancel_percent)
        cancel_one(&a->sendings[a->count - back]);
}

static enum err asker_start(struct world_seat *seat)
{
    struct asker *a = &current->asker;
    const struct peers_settings settings = {.client_id = "kiln-test",
                                            .request_ns_max = REQUEST_NS,
                                            .backoff_ns = 20 * MS,
                                            .backoff_ns_max = 200 * MS,
                                            .frame_bytes_max = 1 << 20};
    *a = (struct asker){.seat = seat, .sendings = current->sendings};
    a->next.fire = on_next;
    assert_ok(peers_new(&a->peers, seat->env, seat->mem, seat->trace, &settings));
    assert_ok(peers_know(a->peers, OTHER, "server", PORT));
    if (current->every_ns > 0)
        env_arm(seat->env, &a->next, env_now(seat->env));
    return ERR_NONE;
}

static void on_peers_closed(struct peers_op *op)
{
    struct asker *a = CONTAINER_OF(op, struct asker, closing);
    peers_free(a->peers);
    a->peers = NULL;
    world_exit(a->seat, ERR_NONE);
}

static void asker_stop(struct world_seat *seat)
{
    struct asker *a = &current->asker;
    env_disarm(seat->env, &a->next);
    peers_close(a->peers, &a->closing, on_peers_closed);
}

static const struct world_program asker_program = {
    .kind = "asker", .start = asker_start, .stop = asker_stop};

/* ---- the street ---- */

struct street *street_new(uint64_t seed, const struct fault_plan *plan, uint32_t armed)
{
    struct errmsg msg = {0};
    struct street *s = calloc(1, sizeof *s);
    struct world_config config = {.seed = seed, .plan = plan, .armed = armed, .assert_leaks = true};
    current = s;
    s->seed = seed;
    s->versions_asked_max = 4;
    s->vote_newest = 2;
    s->wait_ms_max = 500;
    mem_system(&s->mem);
    s->world = world_new(&s->mem, &config, &msg);
    if (s->world == NULL)
        fail_msg("%s", msg.text);
    assert_ok(world_add_node(s->world, &asker_program, "asker", bytes_text(""), &s->asker_node));
    assert_ok(world_add_node(s->world, &server_program, "server", bytes_text(""), &s->server_node));
    return s;
}

void street_run(struct street *s, int64_t ms)
{
    world_run_until(s->world, world_now(s->world) + ms * MS);
}

void street_start(struct street *s)
{
    world_start(s->world, s->server_node);
    world_start(s->world, s->asker_node);
    street_run(s, 100);
}

void street_end(struct street *s)
{
    struct world_stats stats;
    world_heal(s->world);
    world_stop(s->world, s->asker_node);
    street_run(s, 30000);
    assert_int_equal(world_node_life(s->world, s->asker_node), WORLD_DOWN);
    for (int i = 0; i < s->asker.count; i++)
        assert_int_equal(s->sendings[i].ended, s->sendings[i].cancelled ? 0 : 1);
    world_stop(s->world, s->server_node);
    street_run(s, 30000);
    world_stats(s->world, &stats);
    assert_int_equal(stats.leaked_count, 0);
    world_free(s->world);
    assert_int_equal(s->mem.live_count, 0);
    free(s);
}

void street_harm(struct street *s, const char *text)
{
    struct fault_line line;
    struct errmsg msg = {0};
    if (fault_line_parse(&line, bytes_text(text), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    world_harm(s->world, &line);
}
