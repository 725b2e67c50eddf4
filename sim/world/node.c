/* node.c - the lives of nodes: birth, letters, timers, pauses, deaths. A node's handler runs in its
 * own half; what it said is read here when it has returned, in the order in which it said it. */
#include <stdio.h>
#include "world/inside.h"

#define LETTER_NS_MAX 50000
#define LOOP_NS 500
#define BASE_NS_MAX (3600ll * 1000000000) /* monotonic clocks begin anywhere in an hour */

/* ---- handlers ---- */

/* Rows of a handler are told when all that it asked for is under way. */
static void tell_rows(struct world_node *node, uint32_t size)
{
    struct world *world = node->world;
    uint32_t at = 0;
    ASSERT(size <= WORLD_TRACE_WORDS);
    for (struct trace_row *row; (row = trace_next(world->rows, size, &at)) != NULL;)
        world_stamp_row(node, row);
    world_tell_rows(world, world->rows, size);
}

static void on_replied(struct world_node *node, const struct half_record *record)
{
    struct world *world = node->world;
    struct bytes reply = bytes_of((const uint8_t *)(record + 1), record->size);
    world_note(node, "reply", NOTE_LETTER + LETTER_REPLY, record->id,
               hash_digest(reply.data, reply.size), ERR_NONE, reply.size,
               world_cause(world->event_count));
    (void)world_letter(world, node, LETTER_REPLY, record->id, reply);
}

static void on_refused(struct world_node *node, const struct half_record *record)
{
    struct fault_line line;
    ASSERT(record->size == sizeof line);
    memcpy(&line, record + 1, sizeof line);
    fault_engine_record(&node->world->engine, &line);
}

/* The operation at which it dies does not happen. */
static bool dies_at_this_one(struct world_node *node)
{
    return node->kill_in > 0 && --node->kill_in == 0;
}

/* Nobody can tell what the world would have been from here on. */
static void break_down(struct world_node *node, enum half_fate fate, const char *why)
{
    struct world *world = node->world;
    struct world_break broken = {
        .node = node->index,
        .incarnation = node->incarnation,
        .event = world->event_count,
        .time_ns = world->now_ns,
        .what = world->what,
        .why = why,
        .lacked = fate == HALF_LACKED,
    };
    if (fate == HALF_BROKE)
        tell_rows(node, trace_rows_left(world->rows, WORLD_TRACE_WORDS));
    world->broken = world->halted = true;
    for (int32_t i = 0; i < world->sink_count; i++)
        if (world->sinks[i]->broke != NULL)
            world->sinks[i]->broke(world->sinks[i], &broken);
}

/* Whether an operation may be done at all: a host that believes its nodes does not ask. */
static bool is_sound(struct world_node *node, const struct half_record *record)
{
    const char *why = node->guest->impl->distrusted ? world_ask_fault(node, record) : NULL;
    if (why != NULL)
        break_down(node, HALF_BROKE, why);
    return why == NULL;
}

/* False: the node has come to its end, and what stands behind that was never said. */
static bool obey(struct world_node *node, const struct half_record *record)
{
    switch ((enum half_record_type)record->type) {
    case HALF_ASKS:
        if (!is_sound(node, record))
            return false;
        if (dies_at_this_one(node)) {
            node->ending = ENDING_KILL;
            return false;
        }
        world_submit(node, record);
        return true;
    case HALF_REPLIES:
        on_replied(node, record);
        return true;
    case HALF_EXITS:
        node->ending = ENDING_EXIT;
        node->exit_err = record->err;
        return true;
    case HALF_REFUSES:
        on_refused(node, record);
        return true;
    }
    UNREACHABLE();
}

static void read_log(struct world_node *node)
{
    const struct half_log *log = &node->world->log;
    uint32_t rows = node->state.rows_size;
    size_t at = 0;
    for (const struct half_record *record; (record = world_half_log_next(log, &at)) != NULL;) {
        if (obey(node, record))
            continue;
        rows = (uint32_t)record->rows_size;
        break;
    }
    if (node->world->broken)
        return;
    tell_rows(node, rows);
    if (node->ending == ENDING_KILL)
        world_die_at_op(node);
    else if (node->ending == ENDING_EXIT)
        world_bury(node, false);
    else
        world_update_wake(node);
}

static void stamp(struct world_node *node, struct half_event *event)
{
    struct world *world = node->world;
    ASSERT(world->current == NULL);
    ASSERT(node->life == WORLD_UP);
    ASSERT(node->ending == ENDING_NONE);
    event->now_ns = world->now_ns - node->born_ns + node->base_ns + world_drifted(node);
    event->wall_ms = world_node_wall(node);
    event->time_ns = world->now_ns;
}

void world_handle(struct world_node *node, struct half_event *event)
{
    stamp(node, event);
    node->world->current = node;
    enum half_fate fate = node->guest->impl->run(node->guest, event, &node->state);
    node->world->current = NULL;
    const char *why = node->guest->why.text;
    if (fate == HALF_RAN && node->guest->impl->distrusted) {
        why = world_log_fault(node);
        fate = why == NULL ? HALF_RAN : HALF_BROKE;
    }
    if (fate == HALF_RAN)
        read_log(node);
    else
        break_down(node, fate, why);
}

/* ---- birth ---- */

/* Whatever is drawn about it from here on is this life's. */
static void begin_chance(struct world_node *node)
{
    fault_dice_live(&node->world->dice, node->index, node->lives);
    fault_points_live(&node->points, node->lives);
}

static enum err begin_life(struct world_node *node)
{
    struct world *world = node->world;
    begin_chance(node);
    struct bytes args = bytes_of(node->args->data, node->args->cap - 1);
    enum err e =
        node->guest->impl->begin(node->guest, node->lives, args, disk_guarantees(node->disk));
    if (e != ERR_NONE)
        return e;
    world_drift(node, node->drift_ppm);
    uint64_t bits = fault_draw(&world->dice, node->index, USE_BASE, node->lives);
    node->base_ns = 1 + (int64_t)random_below(bits, BASE_NS_MAX);
    node->born_ns = world->now_ns;
    node->incarnation = node->lives;
    node->lives++;
    node->life = WORLD_UP;
    node->op_count = 0;
    node->ending = ENDING_NONE;
    node->exit_err = ERR_NONE;
    node->state = (struct half_state){0};
    net_node_up(world->net, node->index);
    return ERR_NONE;
}

static void on_start(struct world_node *node, uint64_t cause)
{
    if (node->life != WORLD_DOWN || node->frozen || begin_life(node) != ERR_NONE)
        return;
    const char *kind = node->program->kind;
    uint64_t id = hash_text(kind);
    world_note(node, "start", NOTE_LETTER + LETTER_START, 0, id, ERR_NONE, 0, world_cause(cause));
    world_emit_name(node, node->index, node->name);
    world_emit_name(node, id, kind);
    EMIT(node, NODE_START, .kind = id);
    world_handle(node, &(struct half_event){.type = HALF_START});
}

/* ---- letters ---- */

/* Draws by what is in it, so that other letters do not move it. */
struct letter *world_letter(struct world *world, struct world_node *node, enum letter_type type,
                            uint64_t id, struct bytes bytes)
{
    struct letter *letter = mem_alloc(world->mem, sizeof *letter + bytes.size);
    ASSERT(letter != NULL); /* of the simulator itself, not of a node */
    ASSERT(world->letter_count < WORLD_LETTERS_MAX);
    world->letter_count++;
    *letter = (struct letter){.node = node->index,
                              .incarnation = node->incarnation,
                              .type = (uint8_t)type,
                              .id = id,
                              .size = bytes.size};
    letter->moment.type = MOMENT_LETTER;
    list_init(&letter->moment.parked);
    if (bytes.size > 0)
        memcpy(letter->bytes, bytes.data, bytes.size);
    uint64_t key = hash_combine(hash_combine(hash_digest(letter->bytes, bytes.size), type), id);
    uint64_t bits = fault_draw(&world->dice, node->index, USE_LETTER, key);
    int64_t delay_ns = 1000 + (int64_t)random_below(bits, LETTER_NS_MAX);
    world->pending_count++;
    world_schedule(world, &letter->moment, world->now_ns + delay_ns, hash_mix(bits));
    return letter;
}

static void on_reply(struct world *world, struct world_node *node, const struct letter *letter)
{
    struct bytes bytes = bytes_of(letter->bytes, letter->size);
    for (int32_t i = 0; i < world->sink_count; i++)
        if (world->sinks[i]->reply != NULL)
            world->sinks[i]->reply(world->sinks[i], node->index, letter->id, bytes);
}

static void on_stop(struct world_node *node, uint64_t cause)
{
    world_note(node, "stop", NOTE_LETTER + LETTER_STOP, 0, 0, ERR_NONE, 0, world_cause(cause));
    EMIT(node, NODE_STOP, .at_op = node->op_count);
    world_handle(node, &(struct half_event){.type = HALF_STOP});
}

static void on_command(struct world_node *node, const struct letter *letter)
{
    struct bytes bytes = bytes_of(letter->bytes, letter->size);
    world_note(node, "command", NOTE_LETTER + LETTER_COMMAND, letter->id,
               hash_digest(bytes.data, bytes.size), ERR_NONE, bytes.size,
               world_cause(letter->moment.cause));
    world_handle(node,
                 &(struct half_event){.type = HALF_COMMAND, .id = letter->id, .bytes = bytes});
}

void world_open_letter(struct world *world, struct letter *letter)
{
    struct world_node *node = world->nodes[letter->node];
    bool same_life = letter->incarnation == node->incarnation;
    bool to_node = letter->type == LETTER_STOP || letter->type == LETTER_COMMAND;
    if (to_node && same_life && node->life == WORLD_PAUSED) {
        world_park(node, &letter->moment);
        return;
    }
    world->pending_count--;
    world->letter_count--;
    if (letter->type == LETTER_START)
        on_start(node, letter->moment.cause);
    else if (letter->type == LETTER_REPLY)
        on_reply(world, node, letter);
    else if (same_life && node->life == WORLD_UP && letter->type == LETTER_STOP)
        on_stop(node, letter->moment.cause);
    else if (same_life && node->life == WORLD_UP)
        on_command(node, letter);
    mem_free(world->mem, letter);
}

/* ---- timers ---- */

/* The moment at which its monotonic clock will show that. */
static int64_t when_due(const struct world_node *node, int64_t deadline_ns)
{
    int64_t now_ns = node->world->now_ns;
    int64_t left_ns = deadline_ns - node->base_ns + node->born_ns - now_ns;
    if (node->drift_ppm == 0)
        return now_ns + left_ns;
    left_ns -= world_drifted(node);
    return now_ns + (int64_t)((__int128)left_ns * 1000000 / (1000000 + node->drift_ppm)) + 2;
}

/* What it has run away so far stays: for its life on the one clock, until it is set right on the
 * other. */
void world_drift(struct world_node *node, int64_t ppm)
{
    int64_t drifted_ns = world_drifted(node);
    node->base_ns += drifted_ns;
    node->wall_offset_ms += drifted_ns / 1000000;
    node->drift_ppm = ppm;
    node->drift_ns = node->world->now_ns;
    world_unschedule(node->world, &node->wake);
    world_update_wake(node);
}

/* Armed timers are the node's own; the world has one moment for the earliest. */
void world_update_wake(struct world_node *node)
{
    struct world *world = node->world;
    const struct half_state *state = &node->state;
    if (!state->has_timer || node->life != WORLD_UP) {
        world_unschedule(world, &node->wake);
        return;
    }
    int64_t at_ns = when_due(node, state->deadline_ns);
    if (at_ns <= world->now_ns) /* a loop takes its time to come round; it must not stop time */
        at_ns = world->now_ns + LOOP_NS;
    uint64_t priority =
        hash_combine(hash_combine(world->config.seed, node->index),
                     hash_combine((uint64_t)state->deadline_ns, state->timer_sequence));
    if (!node->wake.node.queued || node->wake.priority != priority)
        world_schedule(world, &node->wake, at_ns, priority);
}

void world_wake(struct world_node *node)
{
    ASSERT(node->state.has_timer);
    world_note(node, "timer", NOTE_TIMER, node->state.timer_sequence, 0, ERR_NONE, 0,
               world_cause(node->wake.cause));
    world_handle(node, &(struct half_event){.type = HALF_TIMER});
}

/* ---- pauses ---- */

void world_park(struct world_node *node, struct world_moment *moment)
{
    list_push_back(&node->parked, &moment->parked);
}

void world_pause_now(struct world_node *node, int64_t until_ns)
{
    if (node->life != WORLD_UP)
        return;
    node->life = WORLD_PAUSED;
    EMIT(node, NODE_PAUSE, .until_ns = until_ns);
    world_update_wake(node);
}

void world_resume(struct world *world, uint32_t index)
{
    struct world_node *node = world->nodes[index];
    ASSERT(world->current == NULL);
    node->stalled = false;
    if (node->life != WORLD_PAUSED)
        return;
    node->life = WORLD_UP;
    LIST_EACH (moment, &node->parked, struct world_moment, parked) {
        list_remove(&moment->parked);
        uint64_t cause = moment->cause;
        /* In the order in which they came, and before anything that the node does about them: the
         * end of a receive must not be told after that of its stream's close. */
        world_schedule(world, moment, world->now_ns, 0);
        moment->cause = cause;
    }
    world_update_wake(node);
}

/* ---- deaths ---- */

/* What nobody frees is lost for good only if the node meant to end in good order. */
static void check_leaks(struct world_node *node)
{
    struct world *world = node->world;
    bool clean = node->ending == ENDING_EXIT && node->exit_err == ERR_NONE;
    int64_t leaked = clean ? node->state.live_count : 0;
    ASSERT(leaked == 0 || !world->config.assert_leaks);
    world->leaked_count += leaked;
    node->wanted = node->wanted && !clean;
    if (node->ending != ENDING_EXIT)
        return;
    EMIT(node, NODE_EXIT, .err = node->exit_err);
    for (int32_t i = 0; i < world->sink_count; i++)
        if (world->sinks[i]->exited != NULL)
            world->sinks[i]->exited(world->sinks[i], node->index, node->exit_err, leaked);
}

static void drop_operations(struct world_node *node)
{
    LIST_EACH (flight, &node->flights, struct flight, of_node)
        world_file_crash(flight);
    disk_process_crash(node->disk, fault_draw(&node->world->dice, node->index, USE_KILL, 0));
    LIST_EACH (flight, &node->flights, struct flight, of_node)
        world_drop_flight(flight);
    ASSERT(node->flight_count == 0);
    world_files_free(node);
    list_init(&node->hung);
    LIST_EACH (moment, &node->parked, struct world_moment, parked) {
        ASSERT(moment->type == MOMENT_LETTER);
        list_remove(&moment->parked);
        node->world->pending_count--;
        node->world->letter_count--;
        mem_free(node->world->mem, CONTAINER_OF(moment, struct letter, moment));
    }
}

/* A process ends, however it does: nothing of it is asked, nothing of its heap is looked at. */
void world_bury(struct world_node *node, bool power)
{
    struct world *world = node->world;
    ASSERT(node->life != WORLD_DOWN);
    ASSERT(world->current == NULL);
    node->life = WORLD_DOWN;
    if (node->ending != ENDING_EXIT) {
        world->kill_count++;
        EMIT(node, NODE_KILL, .at_op = node->op_count);
    }
    check_leaks(node);
    drop_operations(node);
    if (!power)
        world_note_disk(node);
    net_node_down(world->net, node->index, power ? NET_POWERED_OFF : NET_KILLED);
    world_unschedule(world, &node->wake);
    node->stalled = false;
    node->state.has_timer = false;
    node->guest->impl->end(node->guest);
    node->kill_in = 0;
    world_struck(node);
}

/* ---- nodes ---- */

static void point_failed(struct fault_points *points, struct fault_line *line)
{
    struct world *world = CONTAINER_OF(points, struct world_node, points)->world;
    line->at_ns = world->now_ns;
    fault_engine_fired(&world->engine, line);
}

static enum err new_disk(struct world_node *node)
{
    struct world *world = node->world;
    char root[ENV_PATH_MAX];
    uint64_t bits = world_draw_once(world, node->index, USE_PERSONALITY, 0);
    node->disk_capacity =
        (uint64_t)(world->config.disk_bytes != 0 ? world->config.disk_bytes : WORLD_DISK_BYTES);
    struct disk_options options = {
        .personality = (enum disk_personality)random_below(bits, DISK_PERSONALITY_COUNT),
        .capacity = node->disk_capacity,
    };
    if (world->config.disk_dir != NULL) {
        int n = snprintf(root, sizeof root, "%s/%s", world->config.disk_dir, node->name);
        if (n < 0 || n >= (int)sizeof root)
            return ERR_LIMIT;
        options.root = root;
    }
    return disk_new(&node->disk, world->mem, &options, &world->message);
}

static enum err set_args(struct world_node *node, struct bytes args)
{
    struct buf *copy = buf_of_text(node->world->mem, args);
    if (copy == NULL)
        return ERR_NOMEM;
    buf_release(node->args);
    node->args = copy;
    return ERR_NONE;
}

static enum err build_node(struct world_node *node, struct bytes args)
{
    struct world *world = node->world;
    struct half_options half = {
        .mem = world->mem,
        .program = node->program,
        .name = node->name,
        .node = node->index,
        .seed = world->config.seed,
        .engine = &world->engine,
        .log = &world->log,
        .rows = world->rows,
        .memory = world->config.memory,
    };
    enum err e = set_args(node, args);
    if (e == ERR_NONE)
        e = world->config.host->impl->new (world->config.host, &node->guest, &half);
    if (e == ERR_NONE)
        e = new_disk(node);
    if (e == ERR_NONE)
        e = world_files_init(node);
    node->links = mem_array(world->mem, WORLD_NODES_MAX, sizeof *node->links);
    if (e == ERR_NONE && node->links == NULL)
        e = ERR_NOMEM;
    return e != ERR_NONE ? e : net_add_node(world->net);
}

void world_node_free(struct world_node *node)
{
    struct world *world = node->world;
    if (node->life != WORLD_DOWN) {
        drop_operations(node);
        net_node_down(world->net, node->index, NET_POWERED_OFF);
    }
    world_unschedule(world, &node->wake);
    world_call_cancel(world, &node->unstall);
    disk_image_free(node->backup);
    hmap_free(&node->files);
    fault_points_free(&node->points);
    disk_free(node->disk);
    if (node->guest != NULL)
        node->guest->impl->free(node->guest);
    buf_release(node->args);
    mem_free(world->mem, node->links);
    mem_free(world->mem, node);
}

enum err world_add_node(struct world *world, const struct world_program *program, const char *name,
                        struct bytes args, uint32_t *index)
{
    uint32_t other;
    if (world->node_count == WORLD_NODES_MAX || strlen(name) >= WORLD_NAME_MAX)
        return ERR_LIMIT;
    if (!fault_name_is_good(bytes_text(name)))
        return ERR_INVALID;
    if (world_find_node(world, name, &other))
        return ERR_EXISTS;
    struct world_node *node = mem_zalloc(world->mem, sizeof *node);
    if (node == NULL)
        return ERR_NOMEM;
    node->world = world;
    node->index = world->node_count;
    node->program = program;
    node->slow_factor = node->slow_sync_factor = 1;
    node->unstall.run = world_unstall;
    node->wake.type = MOMENT_WAKE;
    memcpy(node->name, name, strlen(name));
    list_init(&node->flights);
    list_init(&node->parked);
    list_init(&node->hung);
    fault_points_init(&node->points, &world->engine, node->index, point_failed);
    enum err e = build_node(node, args);
    if (e != ERR_NONE) {
        world_node_free(node);
        return e;
    }
    world->nodes[world->node_count++] = node;
    *index = node->index;
    e = fault_names_add(&world->engine.fired.names, bytes_text(name));
    ASSERT(e == ERR_NONE); /* a good name, and no more of them than nodes */
    ASSERT(world->engine.fired.names.count == (int32_t)world->node_count);
    return ERR_NONE;
}

const char *world_message(const struct world *world)
{
    return world->message.text;
}

uint32_t world_node_count(const struct world *world)
{
    return world->node_count;
}

static struct world_node *node_of(const struct world *world, uint32_t index)
{
    ASSERT(index < world->node_count);
    return world->nodes[index];
}

const char *world_node_name(const struct world *world, uint32_t node)
{
    return node_of(world, node)->name;
}

enum world_life world_node_life(const struct world *world, uint32_t node)
{
    return (enum world_life)node_of(world, node)->life;
}

uint64_t world_node_op_count(const struct world *world, uint32_t node)
{
    return node_of(world, node)->op_count;
}

bool world_find_node(const struct world *world, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        *index = i;
        if (strcmp(world->nodes[i]->name, name) == 0)
            return true;
    }
    return false;
}

enum err world_set_program(struct world *world, uint32_t index, const struct world_program *program,
                           struct bytes args)
{
    struct world_node *node = node_of(world, index);
    if (node->life != WORLD_DOWN)
        return ERR_BUSY;
    enum err e = set_args(node, args);
    if (e != ERR_NONE)
        return e;
    node->program = program;
    node->guest->impl->set_program(node->guest, program);
    return ERR_NONE;
}

void world_start(struct world *world, uint32_t index)
{
    struct world_node *node = node_of(world, index);
    node->wanted = true;
    if (node->life == WORLD_DOWN)
        (void)world_letter(world, node, LETTER_START, node->lives, bytes_of(NULL, 0));
}

void world_stop(struct world *world, uint32_t index)
{
    struct world_node *node = node_of(world, index);
    node->wanted = false;
    if (node->life != WORLD_DOWN)
        (void)world_letter(world, node, LETTER_STOP, node->lives, bytes_of(NULL, 0));
}

void world_sit(struct world *world, uint32_t index)
{
    struct world_node *node = node_of(world, index);
    struct half_event event = {.type = HALF_SIT};
    stamp(node, &event);
    world->current = node;
    world_half_enter(world_inline_half(node->guest), &event);
}

void world_rise(struct world *world, uint32_t index)
{
    struct world_node *node = node_of(world, index);
    ASSERT(world->current == node);
    world_half_leave(world_inline_half(node->guest), &node->state);
    world->current = NULL;
    read_log(node);
}

struct world_seat *world_seat(struct world *world, uint32_t index)
{
    struct world_node *node = node_of(world, index);
    return node->life == WORLD_DOWN ? NULL : world_half_seat(world_inline_half(node->guest));
}

bool world_command(struct world *world, uint32_t index, uint64_t id, struct bytes command)
{
    struct world_node *node = node_of(world, index);
    if (node->life == WORLD_DOWN)
        return false;
    (void)world_letter(world, node, LETTER_COMMAND, id, command);
    return true;
}
