/* half.c - a node as it is on its own side: its lives, and one handler after the other. It learns
 * of the world by events alone, and tells it by the log and the state alone. */
#include "world/own.h"

#define WHOLE_CHECK_EVENTS 1000 /* of a node, until all that it holds is checked again */

/* ---- what a program calls ---- */

static struct world_half *half_of_seat(struct world_seat *seat)
{
    return CONTAINER_OF(seat, struct world_half, seat);
}

void world_exit(struct world_seat *seat, enum err e)
{
    struct world_half *half = half_of_seat(seat);
    ASSERT(half->runs);
    if (half->exited)
        return;
    world_half_log_add(half, HALF_EXITS, 0, e, 0);
    half->exited = true;
}

void world_reply(struct world_seat *seat, uint64_t id, struct bytes reply)
{
    struct world_half *half = half_of_seat(seat);
    ASSERT(half->runs);
    if (half->exited)
        return;
    void *at = world_half_log_add(half, HALF_REPLIES, id, ERR_NONE, reply.size);
    if (reply.size > 0)
        memcpy(at, reply.data, reply.size);
}

/* Who watches faults is told at once: what comes later may be the end of the process. */
static void refused(struct fault_points *points, struct fault_line *line)
{
    struct world_half *half = CONTAINER_OF(points, struct world_half, points);
    line->at_ns = half->time_ns;
    fault_engine_tell(half->options.engine, line);
    if (half->runs && !half->exited)
        memcpy(world_half_log_add(half, HALF_REFUSES, 0, ERR_NONE, sizeof *line), line,
               sizeof *line);
}

/* ---- handlers ---- */

void world_half_enter(struct world_half *half, const struct half_event *event)
{
    ASSERT(half->lives);
    ASSERT(!half->runs);
    ASSERT(!half->exited);
    if (half->options.memory.sealed)
        world_heap_seal(half->heap, false);
    half->runs = true;
    world_half_log_clear(half->options.log);
    trace_clear(&half->trace); /* the next handler finds the warm end of its memory */
    half->env.now_ns = event->now_ns;
    half->env.wall_ms = event->wall_ms;
    half->time_ns = event->time_ns;
}

/* What its program holds must be in order between two events. */
static void check(struct world_half *half, bool whole)
{
    if (half->options.program->check != NULL)
        half->options.program->check(&half->seat, whole);
}

void world_half_leave(struct world_half *half, struct half_state *state)
{
    ASSERT(half->runs);
    if (!half->exited)
        check(half, ++half->event_count % WHOLE_CHECK_EVENTS == 0);
    half->runs = false;
    struct heap_node *first = heap_min(&half->timers);
    *state = (struct half_state){
        .rows_size = half->trace.head,
        .has_timer = first != NULL,
        .live_count = half->seat.mem->live_count,
        .heap_bytes = world_heap_bytes(half->heap),
    };
    if (first != NULL) {
        const struct env_timer *timer = CONTAINER_OF(first, struct env_timer, node);
        state->deadline_ns = timer->deadline_ns;
        state->timer_sequence = timer->sequence;
    }
    if (half->options.memory.sealed)
        world_heap_seal(half->heap, true);
}

static void on_start(struct world_half *half)
{
    enum err e = half->options.program->start(&half->seat);
    if (e != ERR_NONE)
        world_exit(&half->seat, e);
}

static void on_stop(struct world_half *half)
{
    check(half, true);
    if (half->options.program->stop == NULL)
        world_exit(&half->seat, ERR_NONE);
    else
        half->options.program->stop(&half->seat);
}

static void on_timer(struct world_half *half)
{
    struct heap_node *first = heap_pop(&half->timers);
    ASSERT(first != NULL);
    struct env_timer *timer = CONTAINER_OF(first, struct env_timer, node);
    ASSERT(timer->deadline_ns <= half->env.now_ns);
    timer->fire(timer);
}

/* What came with the completion goes where the operation wants it. */
static void on_done(struct world_half *half, const struct half_event *event)
{
    struct env_op *op = world_half_op_take(half, event->id);
    if (op->verb == ENV_OFFLOAD)
        op->function(op->buffer);
    else if (event->bytes.size > 0 && op->buffer != NULL)
        memcpy(op->buffer, event->bytes.data, event->bytes.size);
    op->modified_ms = event->modified_ms;
    op->done(op, event->err, event->n);
}

static void handle(struct world_half *half, const struct half_event *event)
{
    switch ((enum half_event_type)event->type) {
    case HALF_START:
        on_start(half);
        return;
    case HALF_STOP:
        on_stop(half);
        return;
    case HALF_COMMAND:
        if (half->options.program->command != NULL)
            half->options.program->command(&half->seat, event->id, event->bytes);
        return;
    case HALF_TIMER:
        on_timer(half);
        return;
    case HALF_DONE:
        on_done(half, event);
        return;
    case HALF_SIT:
        return;
    }
    UNREACHABLE();
}

void world_half_run(struct world_half *half, const struct half_event *event,
                    struct half_state *state)
{
    world_half_enter(half, event);
    handle(half, event);
    world_half_leave(half, state);
}

/* ---- lives ---- */

/* With a zero behind it, as programs read it. */
static enum err take_args(struct world_half *half, struct bytes args)
{
    struct buf *copy = buf_of_text(half->options.mem, args);
    if (copy == NULL)
        return ERR_NOMEM;
    buf_release(half->args);
    half->args = copy;
    return ERR_NONE;
}

enum err world_half_begin(struct world_half *half, uint32_t life, struct bytes args,
                          struct env_disk disk)
{
    struct mem *mem;
    ASSERT(!half->lives);
    enum err e = take_args(half, args);
    if (e == ERR_NONE)
        e = world_heap_open(half->heap, &mem);
    if (e != ERR_NONE)
        return e;
    fault_points_live(&half->points, life);
    fault_chance_live(&half->chance, life);
    heap_init(&half->timers, env_timer_before);
    world_half_ops_clear(half);
    half->seat = (struct world_seat){
        .env = &half->env,
        .mem = mem,
        .trace = &half->trace,
        .args = bytes_of(half->args->data, args.size),
        .name = half->name,
        .node = half->options.node,
        .incarnation = life,
    };
    half->env = (struct env){.door = &world_half_door, .disk = disk};
    half->exited = false;
    half->lives = true;
    if (half->options.memory.sealed)
        world_heap_seal(half->heap, true);
    return ERR_NONE;
}

void world_half_end(struct world_half *half)
{
    ASSERT(half->lives);
    ASSERT(!half->runs);
    if (half->options.memory.sealed)
        world_heap_seal(half->heap, false);
    world_heap_drop(half->heap);
    half->seat.mem = NULL;
    half->lives = false;
}

enum err world_half_new(struct world_half **out, const struct half_options *options)
{
    struct world_half *half = mem_zalloc(options->mem, sizeof *half);
    if (half == NULL)
        return ERR_NOMEM;
    ASSERT(strlen(options->name) < sizeof half->name);
    half->options = *options;
    memcpy(half->name, options->name, strlen(options->name));
    half->options.name = half->name;
    trace_init(&half->trace, options->rows, WORLD_TRACE_WORDS, true);
    fault_points_init(&half->points, options->engine, options->node, refused);
    fault_chance_init(&half->chance, options->mem, options->seed, options->node);
    struct world_heap_options heap = {
        .mem = options->mem,
        .points = &half->points,
        .node = options->node,
        .memory = options->memory,
    };
    enum err e = world_heap_new(&half->heap, &heap);
    if (e != ERR_NONE)
        world_half_free(half);
    else
        *out = half;
    return e;
}

void world_half_free(struct world_half *half)
{
    if (half == NULL)
        return;
    if (half->lives)
        world_half_end(half);
    world_heap_free(half->heap);
    world_half_ops_clear(half);
    fault_points_free(&half->points);
    fault_chance_free(&half->chance);
    buf_release(half->args);
    mem_free(half->options.mem, half);
}

void world_half_set_program(struct world_half *half, const struct world_program *program)
{
    ASSERT(!half->lives);
    half->options.program = program;
}

/* ---- refused allocations ---- */

void world_half_refuse_at(struct world_half *half, uint32_t rate)
{
    fault_points_rate(&half->points, FAULT_ALLOC, rate);
}

void world_half_refuse_no_more(struct world_half *half)
{
    fault_points_disarm(&half->points);
}

const uint32_t *world_half_marks(const struct world_half *half)
{
    return half->trace.mark_count;
}

struct world_seat *world_half_seat(struct world_half *half)
{
    return &half->seat;
}

/* ---- from one half to the next ---- */

void world_half_recall(struct world_half *half, const struct half_lasting *lasting)
{
    ASSERT(!half->lives);
    half->timer_count = lasting->timer_count;
    half->event_count = lasting->event_count;
    memcpy(half->trace.mark_count, lasting->mark_count, sizeof lasting->mark_count);
}

void world_half_lasting(const struct world_half *half, struct half_lasting *lasting)
{
    ASSERT(!half->runs);
    lasting->timer_count = half->timer_count;
    lasting->event_count = half->event_count;
    memcpy(lasting->mark_count, half->trace.mark_count, sizeof lasting->mark_count);
}
