/* world.c - virtual time: the queue of moments, the hash chain over what crosses the boundary, and
 * what watchers are told. */

#include "world/inside.h"

/* ---- the queue ---- */

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    const struct world_moment *x = CONTAINER_OF(a, struct world_moment, node);
    const struct world_moment *y = CONTAINER_OF(b, struct world_moment, node);
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns;
    if (x->priority != y->priority)
        return x->priority < y->priority;
    return x->sequence < y->sequence;
}

void world_unschedule(struct world *world, struct world_moment *moment)
{
    if (moment->node.queued)
        heap_remove(&world->moments, &moment->node);
}

void world_schedule(struct world *world, struct world_moment *moment, int64_t at_ns,
                    uint64_t priority)
{
    world_unschedule(world, moment);
    moment->at_ns = MAX(at_ns, world->now_ns);
    moment->priority = priority;
    moment->sequence = world->sequence++;
    moment->cause = world->event_count;
    heap_insert(&world->moments, &moment->node);
}

/* ---- the chain ---- */

/* What a node's handler runs for; all else is what it asks for, or the world's own. */
static bool delivers(uint32_t kind)
{
    return kind >= NOTE_DONE && kind <= NOTE_TIMER && kind != NOTE_LETTER + LETTER_REPLY;
}

/* Everything that crosses the boundary between a node and the world passes here, and nothing else:
 * so the hash is the same with any allocator, compiler, kind of disk and set of watchers. */
void world_note(struct world_node *node, const char *what, uint32_t kind, uint64_t number,
                uint64_t digest, enum err e, uint64_t n, struct net_cause cause)
{
    struct world *world = node->world;
    uint64_t who = (uint64_t)node->index << 48 | (uint64_t)node->lives << 16 | kind;
    uint64_t when = hash_combine((uint64_t)world->now_ns, who);
    uint64_t result = hash_combine((uint64_t)e << 56 ^ n, digest);
    world->hash = hash_combine(world->hash ^ when, result + number);
    world->what = what;
    for (int32_t i = 0; i < world->chained_count; i++)
        world->chained[i]->chain(world->chained[i], world->event_count, world->now_ns, world->hash);
    bool is_event = delivers(kind);
    if (!world->step_wanted && !(is_event && world->event_wanted))
        return;
    struct world_step_info info = {
        .number = world->event_count,
        .cause = cause.last,
        .since = cause.first,
        .delivers = is_event,
        .kind = kind,
        .time_ns = world->now_ns,
        .node = node->index,
        .incarnation = node->incarnation,
        .what = what,
        .err = e,
        .n = n,
        .op = number,
        .digest = digest,
        .hash = world->hash,
    };
    for (int32_t i = 0; i < world->sink_count; i++) {
        if (world->sinks[i]->step != NULL)
            world->sinks[i]->step(world->sinks[i], &info);
        if (is_event && world->sinks[i]->event != NULL)
            world->sinks[i]->event(world->sinks[i], &info);
    }
}

/* What nobody reads later would pass otherwise. */
void world_note_disk(struct world_node *node)
{
    world_note(node, "disk", NOTE_DISK, node->op_count, disk_digest(node->disk), ERR_NONE, 0,
               world_cause(node->world->event_count));
}

void world_seal(struct world *world)
{
    ASSERT(world->current == NULL);
    ASSERT(!world->sealed);
    if (world->broken)
        return;
    world->sealed = true;
    for (uint32_t i = 0; i < world->node_count; i++)
        world_note_disk(world->nodes[i]);
}

/* ---- watchers ---- */

void world_add_sink(struct world *world, struct world_sink *sink)
{
    ASSERT(world->sink_count < WORLD_SINKS_MAX);
    world->sinks[world->sink_count++] = sink;
    world->step_wanted = world->step_wanted || sink->step != NULL;
    world->event_wanted = world->event_wanted || sink->event != NULL;
    if (sink->chain != NULL)
        world->chained[world->chained_count++] = sink;
}

static void fire_lines(struct world *world, uint64_t *rows, uint32_t size)
{
    uint32_t at = 0;
    for (const struct trace_row *row; (row = trace_next(rows, size, &at)) != NULL;)
        if (world->awaited[row->kind])
            world_row_fires(world, row);
}

static void tell_one_by_one(struct world_sink *sink, uint64_t *rows, uint32_t size)
{
    uint32_t at = 0;
    for (const struct trace_row *row; (row = trace_next(rows, size, &at)) != NULL;)
        sink->row(sink, row);
}

/* What rows say is what the boundary's chain does not have. */
void world_tell_rows(struct world *world, uint64_t *rows, uint32_t size)
{
    if (size == 0)
        return;
    world->rows_hash = hash_combine(world->rows_hash, hash_digest(rows, size * sizeof *rows));
    for (int32_t i = 0; i < world->sink_count; i++) {
        struct world_sink *sink = world->sinks[i];
        if (sink->rows != NULL)
            sink->rows(sink, rows, size);
        if (sink->row != NULL)
            tell_one_by_one(sink, rows, size);
    }
    if (world->awaits)
        fire_lines(world, rows, size);
}

void world_emit(struct world_node *node, enum trace_kind kind, const void *columns,
                const char *text)
{
    struct trace_whole whole;
    trace_make(&whole, kind, columns, text);
    world_stamp_row(node, &whole.row);
    world_tell_rows(node->world, (uint64_t *)&whole, TRACE_HEAD_WORDS + whole.row.width);
}

void world_emit_name(struct world_node *node, uint64_t id, const char *text)
{
    world_emit(node, TRACE_NAME, &(const struct trace_NAME){.id = id}, text);
}

const struct disk *world_disk(const struct world *world, uint32_t node)
{
    return world->nodes[node]->disk;
}

void world_tell(struct world *world, uint32_t node, enum trace_kind kind, const void *columns,
                const char *text)
{
    world_emit(world->nodes[node], kind, columns, text);
}

/* ---- time ---- */

int64_t world_now(const struct world *world)
{
    return world->now_ns;
}

static void begin_event(struct world *world, int64_t at_ns)
{
    ASSERT(at_ns >= world->now_ns);
    ASSERT(world->current == NULL);
    ASSERT(!world->sealed);
    world->now_ns = at_ns;
    world->event_count++;
    net_set_now(world->net, at_ns, world->event_count);
}

static void step_net(struct world *world, int64_t at_ns)
{
    struct net_op *done;
    begin_event(world, at_ns);
    net_step(world->net, &done);
    if (done != NULL)
        world_stream_land(CONTAINER_OF(done, struct flight, net));
}

static void step_moment(struct world *world, struct world_moment *moment)
{
    begin_event(world, moment->at_ns);
    switch ((enum moment_type)moment->type) {
    case MOMENT_FLIGHT:
        world_land(CONTAINER_OF(moment, struct flight, moment));
        return;
    case MOMENT_WAKE:
        world_wake(CONTAINER_OF(moment, struct world_node, wake));
        return;
    case MOMENT_LETTER:
        world_open_letter(world, CONTAINER_OF(moment, struct letter, moment));
        return;
    case MOMENT_CALL: {
        struct world_call *call = CONTAINER_OF(moment, struct world_call, moment);
        call->run(call);
        return;
    }
    case MOMENT_HARM:
        world_harm_step(world, CONTAINER_OF(moment, struct harm, moment));
        return;
    }
    UNREACHABLE();
}

/* Whether the net's next moment is before the world's own. */
static bool net_is_next(const struct world *world, const struct net_moment *net)
{
    struct heap_node *node = heap_min(&world->moments);
    if (node == NULL)
        return true;
    const struct world_moment *moment = CONTAINER_OF(node, struct world_moment, node);
    if (net->at_ns != moment->at_ns)
        return net->at_ns < moment->at_ns;
    return net->priority < moment->priority;
}

/* Delivers the next event if it is due by then. */
static bool step_until(struct world *world, int64_t time_ns)
{
    struct net_moment net;
    if (world->broken)
        return false;
    if (net_next(world->net, &net) && net_is_next(world, &net)) {
        if (net.at_ns > time_ns)
            return false;
        step_net(world, net.at_ns);
        world_tell_fired(world);
        return true;
    }
    struct heap_node *node = heap_min(&world->moments);
    if (node == NULL)
        return false;
    struct world_moment *moment = CONTAINER_OF(node, struct world_moment, node);
    if (moment->at_ns > time_ns)
        return false;
    heap_pop(&world->moments);
    step_moment(world, moment);
    world_tell_fired(world);
    return true;
}

bool world_step(struct world *world)
{
    return step_until(world, INT64_MAX);
}

enum world_end world_run_until(struct world *world, int64_t time_ns)
{
    world->halted = world->broken;
    if (world->broken)
        return WORLD_HALTED;
    while (step_until(world, time_ns))
        if (world->halted)
            return WORLD_HALTED;
    struct net_moment net;
    world->now_ns = MAX(world->now_ns, time_ns);
    net_set_now(world->net, world->now_ns, world->event_count);
    bool idle = heap_empty(&world->moments) && !net_next(world->net, &net);
    return idle ? WORLD_IDLE : WORLD_REACHED;
}

void world_halt(struct world *world)
{
    world->halted = true;
}

/* Calls have no name to draw by: those of one instant run before the rest, in order. */
void world_call_at(struct world *world, struct world_call *call, int64_t time_ns)
{
    ASSERT(call->run != NULL);
    call->moment.type = MOMENT_CALL;
    world_schedule(world, &call->moment, time_ns, 0);
}

void world_call_cancel(struct world *world, struct world_call *call)
{
    world_unschedule(world, &call->moment);
}

bool world_quiet(const struct world *world)
{
    bool speaks = world->current != NULL && world->log.size > 0; /* nobody has read it yet */
    return world->pending_count == 0 && !net_busy(world->net) && !speaks;
}

/* ---- the world as a whole ---- */

uint64_t world_draw_once(const struct world *world, uint32_t node, enum world_use use, uint64_t key)
{
    uint64_t what = hash_combine(hash_combine(use, node), key);
    return hash_combine(hash_combine(world->config.seed, what), 0);
}

/* This world's disks: what each verb costs on average. Drawn, so that seeds differ in what is slow.
 */
static void draw_disk_means(struct world *world)
{
    static const int64_t means_us[ENV_VERB_COUNT] = {
        [ENV_OPEN] = 20,    [ENV_CLOSE_FILE] = 5, [ENV_READ] = 30,     [ENV_WRITE] = 15,
        [ENV_APPEND] = 15,  [ENV_TRUNCATE] = 30,  [ENV_SIZE] = 3,      [ENV_SYNC] = 1000,
        [ENV_RENAME] = 30,  [ENV_UNLINK] = 30,    [ENV_MAKE_DIR] = 30, [ENV_LIST] = 30,
        [ENV_SPACE] = 5,    [ENV_LISTEN] = 5,     [ENV_OFFLOAD] = 50,  [ENV_SYNC_DIR] = 500,
        [ENV_CONNECT] = 20,
    };
    for (int verb = 0; verb < ENV_VERB_COUNT; verb++) {
        uint64_t bits = world_draw_once(world, 0, USE_DISK_MEAN, (uint64_t)verb);
        int64_t mean_ns = means_us[verb] * 1000;
        world->disk_means_ns[verb] = mean_ns / 4 << random_below(bits, 5);
    }
}

static int64_t draw_delay_mean(struct world *world)
{
    static const int64_t means_us[] = {50, 200, 500, 2000, 10000};
    uint64_t bits = world_draw_once(world, 0, USE_DISK_MEAN, ENV_VERB_COUNT);
    return means_us[random_below(bits, COUNT_OF(means_us))] * 1000;
}

static enum err build(struct world *world)
{
    const struct world_config *config = &world->config;
    fault_dice_init(&world->dice, world->mem, config->seed);
    enum err e =
        fault_engine_init(&world->engine, world->mem, config->seed, config->plan, config->armed);
    if (e != ERR_NONE)
        return e;
    world->engine.watch = config->fired;
    draw_disk_means(world);
    struct net_options options = {
        .seed = config->seed,
        .dice = &world->dice,
        .split = config->split,
        .delay_mean_ns = config->delay_mean_ns,
    };
    if (options.delay_mean_ns == 0)
        options.delay_mean_ns = draw_delay_mean(world);
    e = net_new(&world->net, world->mem, &options);
    if (e == ERR_NONE)
        e = world_harm_init(world);
    world->log.mem = world->mem;
    world->rows = config->rows;
    if (world->rows == NULL)
        world->rows = mem_alloc(world->mem, WORLD_TRACE_WORDS * sizeof *world->rows);
    return world->rows == NULL ? ERR_NOMEM : e;
}

struct world *world_new(struct mem *mem, const struct world_config *config, struct errmsg *msg)
{
    struct world *world = mem_zalloc(mem, sizeof *world);
    if (world == NULL) {
        (void)errmsg_set(msg, ERR_NOMEM, "a world: %s", err_text(ERR_NOMEM));
        return NULL;
    }
    world->mem = mem;
    world->config = *config;
    world->config.host = config->host == NULL ? &world_inline_host : config->host;
    world->hash = hash_mix(config->seed);
    heap_init(&world->moments, before);
    list_init(&world->spare_flights);
    list_init(&world->script_harms);
    enum err e = build(world);
    if (e == ERR_NONE)
        return world;
    (void)errmsg_set(msg, e, "a world: %s", err_text(e));
    world_free(world);
    return NULL;
}

void world_free(struct world *world)
{
    if (world == NULL)
        return;
    ASSERT(world->current == NULL);
    for (uint32_t i = 0; i < world->node_count; i++)
        world_node_free(world->nodes[i]);
    while (!heap_empty(&world->moments)) {
        struct heap_node *node = heap_pop(&world->moments);
        struct world_moment *moment = CONTAINER_OF(node, struct world_moment, node);
        if (moment->type == MOMENT_LETTER)
            mem_free(world->mem, CONTAINER_OF(moment, struct letter, moment));
    }
    LIST_EACH (flight, &world->spare_flights, struct flight, of_node)
        mem_free(world->mem, flight);
    world_harm_free(world);
    net_free(world->net);
    fault_engine_free(&world->engine);
    fault_dice_free(&world->dice);
    if (world->rows != world->config.rows)
        mem_free(world->mem, world->rows);
    mem_free(world->mem, world->inbox);
    world_half_log_free(&world->log);
    mem_free(world->mem, world);
}

const struct fault_plan *world_fired(const struct world *world)
{
    return &world->engine.fired;
}

void world_stats(const struct world *world, struct world_stats *stats)
{
    struct net_stats net;
    net_stats(world->net, &net);
    *stats = (struct world_stats){
        .hash = world->hash,
        .rows_hash = world->rows_hash,
        .event_count = world->event_count,
        .submission_count = world->submission_count,
        .time_ns = world->now_ns,
        .fault_count = world->engine.fired.count,
        .kill_count = world->kill_count,
        .power_loss_count = world->power_loss_count,
        .leaked_count = world->leaked_count,
        .stream_bytes = net.bytes_delivered,
    };
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct world_node *node = world->nodes[i];
        if (stats->disk_error == NULL)
            stats->disk_error = disk_mirror_error(node->disk);
        stats->node_bytes += node->life == WORLD_DOWN ? 0 : node->state.heap_bytes;
        for (int mark = 0; mark < TRACE_MARK_COUNT; mark++)
            stats->mark_count[mark] += node->guest->impl->marks(node->guest)[mark];
    }
}
