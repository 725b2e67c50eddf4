/* several.c - the lives of the nodes, and what a node does when it is told to. */
#include "several.h"
#include <stdio.h>

struct several *sv;

struct life;

struct asked {
    struct quorum_ask op;
    struct life *life;
    bool used;
    int from;
    int32_t incarnation;
};

struct submitted {
    struct quorum_request request;
    struct controller_create_topics create;
    struct controller_new_topic topic;
    struct controller_allocate_producer_ids ids;
    struct controller_register registration;
    bool busy;
    int order; /* -1: a registration */
};

struct life {
    struct world_seat *seat;
    struct host *host;
    struct dir *dir;
    struct log_set *logs;
    struct quorum *quorum;
    struct quorum_watch watch;
    struct quorum_peers peers;
    struct dir_op dir_op;
    struct quorum_op op;
    struct asked asks[ASKS_MAX];
    struct submitted submitted[8];
    bool stopping;
};

void several_wrong(const char *what)
{
    if (sv->wrong == NULL)
        sv->wrong = what;
}

static struct flight *new_flight(enum flight_kind kind, int from, int to)
{
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        struct flight *f = &sv->flights[i];
        if (f->used)
            continue;
        *f = (struct flight){.used = true, .kind = kind, .from = from, .to = to};
        int64_t us = 200 + (int64_t)(rng_next(&sv->rng) % 2000);
        if (rng_next(&sv->rng) % 1000 < (uint64_t)sv->slow)
            us += (int64_t)(rng_next(&sv->rng) % 300000);
        f->due_ns = world_now(sv->world) + us * 1000;
        sv->due_ns = MIN(sv->due_ns, f->due_ns);
        sv->flight_top = MAX(sv->flight_top, i + 1);
        return f;
    }
    several_wrong("too many messages are under way");
    return NULL;
}

/* ---- a life ---- */

static void end_life(struct life *life, enum err e)
{
    struct world_seat *seat = life->seat;
    quorum_free(life->quorum);
    log_set_free(life->logs);
    dir_free(life->dir);
    life->host->life = NULL;
    mem_free(seat->mem, life);
    world_exit(seat, e);
}

static void on_settled(struct dir_op *op, enum err e)
{
    end_life(CONTAINER_OF(op, struct life, dir_op), e);
}

static void on_quorum_closed(struct quorum_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, op);
    (void)e;
    dir_settle(life->dir, &life->dir_op, on_settled);
}

static void on_dir_closed(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    (void)e;
    for (int i = 0; i < ASKS_MAX; i++)
        quorum_ask_end(&life->asks[i].op);
    quorum_close(life->quorum, &life->op, on_quorum_closed);
}

static void stop(struct world_seat *seat)
{
    struct life *life = seat->self;
    life->stopping = true;
    if (!life->host->open) { /* it cannot close what it has not opened yet: as if it were killed */
        world_exit(seat, ERR_CANCELLED);
        life->host->life = NULL;
        return;
    }
    life->host->open = false;
    quorum_rest(life->quorum);
    dir_close(life->dir, true, &life->dir_op, on_dir_closed);
}

static void on_open(struct quorum_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, op);
    if (e == ERR_NONE) {
        life->host->open = true;
        return;
    }
    if (e == ERR_CORRUPT || e == ERR_INVALID)
        several_wrong(op->msg.text[0] != 0 ? strdup(op->msg.text) : "it does not open");
    life->host->life = NULL;
    world_exit(life->seat, e); /* the disk has no room; it is started again */
}

static void send(struct quorum_peers *peers, const struct raft_request *request)
{
    struct life *life = CONTAINER_OF(peers, struct life, peers);
    struct host *h = life->host;
    int to = request->bootstrap >= 0 ? request->bootstrap : request->to.id - 1;
    struct call *call = NULL;
    for (int i = 0; i < CALLS_MAX && call == NULL; i++)
        call = sv->calls[i].used ? NULL : &sv->calls[i];
    if (call == NULL || to < 0 || to >= sv->count || to == h->index) {
        several_wrong("a request that cannot be sent");
        return;
    }
    *call = (struct call){.used = true,
                          .from = h->index,
                          .incarnation = h->incarnation,
                          .api = request->api,
                          .number = request->number,
                          .until_ns = world_now(sv->world) + 400 * NS_PER_MS};
    sv->due_ns = MIN(sv->due_ns, call->until_ns);
    bool dropped = rng_next(&sv->rng) % 1000 < (uint64_t)sv->drop;
    int copies = dropped ? 0 : 1 + (rng_next(&sv->rng) % 50 == 0);
    for (int i = 0; i < copies; i++) {
        struct flight *f = new_flight(FLIGHT_REQUEST, h->index, to);
        if (f == NULL)
            return;
        f->incarnation = h->incarnation;
        f->request = *request;
        f->high_watermark =
            rng_next(&sv->rng) % 4 == 0 ? INT64_MAX : quorum_high_watermark(life->quorum);
    }
}

static void published(struct quorum_watch *watch, const struct metadata_image *from,
                      const struct metadata_image *to)
{
    struct life *life = CONTAINER_OF(watch, struct life, watch);
    if (from->offset >= to->offset)
        several_wrong("the image went back");
    if (to->offset >= quorum_high_watermark(life->quorum))
        several_wrong("the image is ahead of what is committed");
    quorum_applied(life->quorum, to->offset);
}

static void failed(struct quorum_watch *watch, enum err e)
{
    (void)e;
    CONTAINER_OF(watch, struct life, watch)->host->failed = true;
}

static void stopped(struct quorum_watch *watch, const char *sentence)
{
    struct life *life = CONTAINER_OF(watch, struct life, watch);
    life->host->stopped = sentence;
    several_wrong(sentence);
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    struct world_seat *seat = life->seat;
    if (e != ERR_NONE) {
        life->host->life = NULL;
        world_exit(seat, e);
        return;
    }
    bool small = sv->snapshot_bytes != INT64_MAX;
    struct quorum_settings settings = {.dir = "data",
                                       .segment_bytes = small ? 1536 : 1 << 20,
                                       .snapshot_bytes = sv->snapshot_bytes,
                                       .controller = {.node_id = life->host->index + 1,
                                                      .partition_count_default = 1,
                                                      .replication_factor_default = 1},
                                       .election_timeout_ns = 200 * NS_PER_MS,
                                       .election_backoff_ns = 100 * NS_PER_MS,
                                       .fetch_timeout_ns = 400 * NS_PER_MS,
                                       .retry_backoff_ns = 5 * NS_PER_MS};
    metadata_topic_config_init(&settings.controller.file.topics);
    settings.bootstrap_count = sv->voters;
    for (int i = 0; i < sv->voters; i++)
        settings.voters.keys[settings.voters.count++] = (struct raft_key){.id = i + 1};
    life->peers.send = send;
    if (quorum_new(&life->quorum, seat->env, seat->mem, seat->trace, life->logs, &settings,
                   &life->peers, &life->watch) != ERR_NONE) {
        life->host->life = NULL;
        world_exit(seat, ERR_NOMEM);
        return;
    }
    struct quorum_start start = {.host = "somewhere", .port = 9092};
    quorum_open(life->quorum, &life->op, &start, on_open);
}

static enum err start(struct world_seat *seat)
{
    struct life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    struct host *h = &sv->hosts[seat->args.data[0] - '0'];
    life->seat = seat;
    life->host = h;
    life->watch =
        (struct quorum_watch){.published = published, .failed = failed, .stopped = stopped};
    seat->self = life;
    h->life = life;
    h->open = h->failed = h->leads = false;
    h->begins = true;
    h->roles = 0;
    h->watermark = -1;
    h->incarnation = (int32_t)seat->incarnation;
    struct dir_config config = {.path = "data",
                                .node_id = h->index + 1,
                                .open_files_max = 100,
                                .checkpoint_bytes = 1 << 14,
                                .checkpoint_ms = 100,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    enum err e = dir_new(&life->dir, seat->env, seat->mem, seat->trace, &config);
    if (e == ERR_NONE)
        e = log_set_new(&life->logs, life->dir, LOG_FLUSH_ACK);
    if (e != ERR_NONE)
        return e;
    dir_open(life->dir, &life->dir_op, on_dir_open);
    return ERR_NONE;
}

/* ---- what it is told to do ---- */

/* A bit of it is wrong: of a batch where its CRC covers it, of a piece anywhere. */
static void spoil(struct flight *f)
{
    uint32_t from = f->response.api == RAFT_FETCH ? 21 : 0;
    uint32_t size = f->size;
    if (from > 0 && size > 12)
        size = MIN(size, 12 + get_u32(f->bytes + 8)); /* the first batch */
    if (size <= from || rng_next(&sv->rng) % 1000 >= (uint64_t)sv->drop / 3)
        return;
    uint64_t bit = rng_next(&sv->rng);
    f->bytes[from + bit / 8 % (size - from)] ^= (uint8_t)(1 << bit % 8);
    sv->spoiled++;
}

static void on_answer(struct quorum_ask *op)
{
    struct asked *a = CONTAINER_OF(op, struct asked, op);
    const struct quorum *q = a->life->quorum;
    bool led = op->answer.code == WIRE_ERROR_NONE && op->request.api == RAFT_FETCH;
    if (led && quorum_role(q) != RAFT_LEADER)
        several_wrong("who leads no longer answers as if it did");
    a->used = false;
    struct flight *f = rng_next(&sv->rng) % 1000 < (uint64_t)sv->drop
                           ? NULL
                           : new_flight(FLIGHT_RESPONSE, a->life->host->index, a->from);
    if (f != NULL) {
        f->incarnation = a->incarnation;
        f->response = op->answer;
        f->size = (uint32_t)op->bytes.size;
        f->bytes = malloc(f->size + 1);
        if (f->size > 0)
            memcpy(f->bytes, op->bytes.data, op->bytes.size);
        spoil(f);
    }
    quorum_ask_end(op);
}

static void ask(struct life *life, struct flight *f)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        struct asked *a = &life->asks[i];
        if (a->used)
            continue;
        *a = (struct asked){
            .used = true, .life = life, .from = f->from, .incarnation = f->incarnation};
        a->op.request = f->request;
        a->op.high_watermark = f->high_watermark;
        a->op.bytes_max = (int32_t)(1 + rng_next(&sv->rng) % 3000);
        a->op.wait_ns = (int64_t)(rng_next(&sv->rng) % 200) * NS_PER_MS;
        quorum_ask(life->quorum, &a->op, on_answer);
        return;
    }
}

/* Connections by which it was asked are gone. */
static void forget_ask(struct life *life)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        struct asked *a = &life->asks[i];
        if (a->used && rng_next(&sv->rng) % 2 == 0) {
            quorum_ask_end(&a->op);
            a->used = false;
        }
    }
}

static void respond(struct life *life, struct flight *f)
{
    struct buf *buf = f->size > 0 ? buf_new(life->seat->mem, f->size) : NULL;
    if (f->size > 0 && buf == NULL) {
        quorum_lost(life->quorum, f->response.api, f->response.number);
        return;
    }
    struct slice bytes = {0};
    if (buf != NULL) {
        memcpy(buf->data, f->bytes, f->size);
        bytes = slice_of(buf, 0, f->size);
    }
    quorum_response(life->quorum, &f->response, bytes);
    buf_release(buf);
}

static void on_submitted(struct quorum_request *request)
{
    struct submitted *s = CONTAINER_OF(request, struct submitted, request);
    s->busy = false;
    if (s->order < 0) {
        sv->registered = sv->registered || s->registration.command.code == WIRE_ERROR_NONE;
        return;
    }
    struct order *o = &sv->orders[s->order];
    o->done = true;
    int16_t code = request->command->code;
    if (o->is_topic && code == WIRE_ERROR_NONE)
        code = s->topic.code;
    o->code = code;
    o->first = s->ids.first;
    sv->ok_count += code == WIRE_ERROR_NONE;
    sv->lost_count += code != WIRE_ERROR_NONE;
}

static void submit(struct life *life, int order)
{
    struct submitted *s = NULL;
    for (int i = 0; i < 8 && s == NULL; i++)
        s = life->submitted[i].busy ? NULL : &life->submitted[i];
    if (s == NULL)
        return;
    *s = (struct submitted){.busy = true, .order = order};
    struct controller_command *command;
    if (order < 0) {
        controller_register_init(&s->registration);
        s->registration.host = "somewhere";
        s->registration.port = 9092;
        command = &s->registration.command;
    } else if (sv->orders[order].is_topic) {
        controller_create_topics_init(&s->create);
        s->topic = (struct controller_new_topic){.name = bytes_text(sv->orders[order].name),
                                                 .partition_count = -1,
                                                 .replication_factor = -1};
        s->create.topics = &s->topic;
        s->create.topic_count = 1;
        command = &s->create.command;
    } else {
        controller_allocate_producer_ids_init(&s->ids);
        command = &s->ids.command;
    }
    quorum_submit(life->quorum, &s->request, command, QUORUM_APPLIED, on_submitted);
}

/* All that the image says, as the records that make it. */
static uint64_t digest_of(struct life *life, const struct metadata_image *image)
{
    struct metadata_dump dump;
    struct metadata_batch batch;
    struct arena arena;
    bool more = true;
    uint64_t digest = (uint64_t)image->offset;
    arena_init(&arena, life->seat->mem, 16 << 20);
    metadata_dump_begin(&dump, image);
    metadata_batch_init(&batch, life->seat->mem, 0, 0, 1);
    while (more)
        assert_ok(metadata_dump_next(&dump, &batch, 1000, &arena, &more));
    assert_ok(metadata_batch_finish(&batch));
    for (int i = 0; i < batch.write_count; i++)
        digest = hash_bytes(batch.writes[i].buf->data, batch.writes[i].size, digest);
    metadata_batch_free(&batch);
    arena_free(&arena);
    return digest;
}

static void look(struct life *life)
{
    struct host *h = life->host;
    const struct quorum *q = life->quorum;
    const struct metadata_image *image = quorum_current(q);
    h->leads = quorum_leads(q);
    h->role = quorum_role(q);
    h->leader = quorum_leader(q);
    h->said_epoch = quorum_epoch(q);
    h->said_end = quorum_end(q);
    h->said_watermark = quorum_high_watermark(q);
    h->image_offset = image->offset;
    if (sv->one)
        h->digest = digest_of(life, image);
    h->next_producer_id = image->next_producer_id;
    h->topic_count = image->topic_count;
    h->snapshot_offset = quorum_snapshot_offset(q);
    h->log_start = log_start(quorum_log(q));
    for (int i = 0; i < sv->order_count; i++) {
        struct order *o = &sv->orders[i];
        bool there = metadata_find(image, bytes_text(o->name)) != NULL;
        bool must = o->done && o->code == WIRE_ERROR_NONE && o->is_topic;
        if (sv->one && must && !there)
            several_wrong("a topic that was acknowledged is not there");
    }
}

/* A command is a letter and the place of what it is about. */
static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    struct life *life = seat->self;
    int16_t place;
    memcpy(&place, text.data + 1, sizeof place);
    struct flight *f = text.data[0] == 'f' ? &sv->flights[place] : NULL;
    if (life->host->open && f != NULL && f->kind == FLIGHT_REQUEST)
        ask(life, f);
    else if (life->host->open && f != NULL && f->kind == FLIGHT_RESPONSE)
        respond(life, f);
    else if (life->host->open && f != NULL)
        quorum_lost(life->quorum, f->request.api, f->request.number);
    else if (life->host->open && text.data[0] == 's')
        submit(life, place);
    else if (life->host->open && text.data[0] == 'l')
        look(life);
    else if (life->host->open && text.data[0] == 'a')
        forget_ask(life);
    if (f != NULL) {
        free(f->bytes);
        f->used = false;
    }
    world_reply(seat, id, bytes_text(""));
}

static const struct world_program program = {
    .kind = "quorum", .start = start, .stop = stop, .command = command};

static bool tell(int index, char letter, int place)
{
    uint8_t bytes[3] = {(uint8_t)letter};
    int16_t number = (int16_t)place;
    memcpy(bytes + 1, &number, sizeof number);
    struct host *h = &sv->hosts[index];
    return world_node_life(sv->world, h->node) == WORLD_UP && h->open &&
           world_command(sv->world, h->node, 1, bytes_of(bytes, sizeof bytes));
}

/* ---- the network ---- */

static void drop(struct flight *f)
{
    free(f->bytes);
    f->used = false;
}

/* The call that a response or a loss ends; NULL: it has ended. */
static struct call *call_of(int from, int32_t incarnation, enum raft_api api, uint64_t number)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct call *c = &sv->calls[i];
        if (c->used && c->from == from && c->incarnation == incarnation && c->api == api &&
            c->number == number)
            return c;
    }
    return NULL;
}

static void arrive(int place)
{
    struct flight *f = &sv->flights[place];
    struct host *to = &sv->hosts[f->to];
    bool up = world_node_life(sv->world, to->node) == WORLD_UP && to->open;
    if (f->kind != FLIGHT_LOST && sv->cut[f->from][f->to])
        up = false;
    if (f->kind == FLIGHT_RESPONSE) {
        struct call *c = call_of(f->to, f->incarnation, f->response.api, f->response.number);
        if (c == NULL || to->incarnation != f->incarnation)
            up = false;
        else if (up)
            c->used = false;
    }
    if (!up || !tell(f->to, 'f', place))
        drop(f);
    else
        f->due_ns = INT64_MAX; /* its bytes stay until it is there */
}

void several_forget(int index)
{
    tell(index, 'a', 0);
}

void several_answer_fetch(int index, const struct raft_response *response)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct call *c = &sv->calls[i];
        if (!c->used || c->from != index || c->api != RAFT_FETCH)
            continue;
        struct flight *f = new_flight(FLIGHT_RESPONSE, response->from_id - 1, index);
        f->incarnation = c->incarnation;
        f->response = *response;
        f->response.number = c->number;
        return;
    }
}

static void time_out(void)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct call *c = &sv->calls[i];
        if (!c->used || c->until_ns > world_now(sv->world))
            continue;
        c->used = false;
        struct host *h = &sv->hosts[c->from];
        if (h->incarnation != c->incarnation || !h->open)
            continue;
        struct flight *f = new_flight(FLIGHT_LOST, c->from, c->from);
        if (f == NULL)
            return;
        f->incarnation = c->incarnation;
        f->request.api = c->api;
        f->request.number = c->number;
        f->due_ns = world_now(sv->world);
    }
}

/* A node that died takes what was on its way into it with it. */
static void forget_dead(void)
{
    for (int i = 0; i < sv->flight_top; i++) {
        struct flight *f = &sv->flights[i];
        if (f->used && f->due_ns == INT64_MAX &&
            world_node_life(sv->world, sv->hosts[f->to].node) == WORLD_DOWN)
            drop(f);
    }
    for (int i = 0; i < sv->count; i++) {
        if (world_node_life(sv->world, sv->hosts[i].node) == WORLD_DOWN) {
            sv->hosts[i].life = NULL;
            sv->hosts[i].open = false;
        }
    }
}

static void deliver(void)
{
    time_out();
    for (int i = 0; i < sv->flight_top; i++) {
        if (sv->flights[i].used && sv->flights[i].due_ns <= world_now(sv->world))
            arrive(i);
    }
    sv->due_ns = INT64_MAX;
    for (int i = 0; i < sv->flight_top; i++) {
        if (sv->flights[i].used)
            sv->due_ns = MIN(sv->due_ns, sv->flights[i].due_ns);
    }
    for (int i = 0; i < CALLS_MAX; i++) {
        if (sv->calls[i].used)
            sv->due_ns = MIN(sv->due_ns, sv->calls[i].until_ns);
    }
}

void several_run(int64_t ms)
{
    int64_t until = world_now(sv->world) + ms * NS_PER_MS;
    while (world_now(sv->world) < until && sv->wrong == NULL) {
        world_run_until(sv->world, MIN(until, world_now(sv->world) + NS_PER_MS));
        forget_dead();
        if (sv->due_ns <= world_now(sv->world))
            deliver();
    }
}

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    (void)sink;
    (void)node;
    if (e == ERR_NONE)
        sv->leaked += leaked_count;
}

/* ---- the test's side ---- */

bool several_is_up(int index)
{
    return world_node_life(sv->world, sv->hosts[index].node) == WORLD_UP;
}

void several_start(int index)
{
    world_start(sv->world, sv->hosts[index].node);
}

void several_look(void)
{
    for (int i = 0; i < sv->count; i++) {
        sv->hosts[i].leads = false;
        tell(i, 'l', 0);
    }
    several_run(2);
}

/* Of several that say so the one with the greatest epoch. */
int several_leader(void)
{
    int leader = -1;
    for (int i = 0; i < sv->count; i++) {
        const struct host *h = &sv->hosts[i];
        if (h->open && h->leads && (leader < 0 || h->said_epoch > sv->hosts[leader].said_epoch))
            leader = i;
    }
    return leader;
}

bool several_submit(bool topic)
{
    several_look();
    int leader = several_leader();
    if (leader < 0 || sv->order_count == COMMANDS_MAX)
        return false;
    if (!sv->registered) {
        tell(leader, 's', -1);
        return true;
    }
    int place = sv->order_count;
    struct order *o = &sv->orders[place];
    *o = (struct order){.used = true, .is_topic = topic};
    snprintf(o->name, sizeof o->name, "t%d", place);
    if (!tell(leader, 's', place))
        return false;
    sv->order_count++;
    return true;
}

void several_harm(const char *format, ...)
{
    char text[160];
    va_list args;
    struct fault_line line;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_ok(fault_line_parse(&line, bytes_text(text), NULL));
    world_harm(sv->world, &line);
}

void several_setup(struct several *s, uint64_t seed, int voters, int observers,
                   int64_t snapshot_bytes)
{
    int count = voters + observers;
    *s = (struct several){.rng = {seed},
                          .seed = seed,
                          .count = count,
                          .voters = voters,
                          .snapshot_bytes = snapshot_bytes,
                          .due_ns = INT64_MAX};
    sv = s;
    mem_system(&s->mem);
    struct world_config config = {.seed = seed, .armed = 1u << FAULT_ALLOC};
    s->world = world_new(&s->mem, &config, NULL);
    assert_non_null(s->world);
    s->sink.exited = on_exited;
    s->sink.row = several_row;
    world_add_sink(s->world, &s->sink);
    for (int i = 0; i < count; i++) {
        char name[16], args[2] = {(char)('0' + i), 0};
        snprintf(name, sizeof name, "node%d", i);
        s->hosts[i].index = i;
        assert_ok(world_add_node(s->world, &program, name, bytes_text(args), &s->hosts[i].node));
        several_start(i);
    }
}

void several_teardown(void)
{
    for (int i = 0; i < sv->count; i++)
        world_stop(sv->world, sv->hosts[i].node);
    const char *wrong = sv->wrong;
    sv->wrong = NULL;
    several_run(3000);
    sv->wrong = wrong;
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        if (sv->flights[i].used)
            free(sv->flights[i].bytes);
    }
    if (wrong == NULL) {
        for (int i = 0; i < sv->count; i++)
            assert_int_equal(world_node_life(sv->world, sv->hosts[i].node), WORLD_DOWN);
    }
    world_free(sv->world);
    if (wrong == NULL) {
        assert_int_equal(sv->leaked, 0);
        assert_int_equal(sv->mem.live_count, 0);
    }
    sv = NULL;
}
