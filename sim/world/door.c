/* door.c - the node's side of env.h: operations become flights, flights become completions, each an
 * event of its own. Nothing here knows what a verb does. */
#include "world/inside.h"

static struct world_node *node_of(struct env *env)
{
    return CONTAINER_OF(env, struct world_node, env);
}

/* ---- flights ---- */

/* Paths are copied: a node's heap may be gone before its disk has done what it was asked. */
static void copy_paths(struct flight *flight, const struct env_op *op)
{
    size_t size = strlen(op->path) + 1;
    size_t size_to = op->path_to == NULL ? 0 : strlen(op->path_to) + 1;
    flight->path = mem_alloc(flight->node->world->mem, size + size_to);
    ASSERT(flight->path != NULL); /* of the simulator itself, not of a node */
    memcpy(flight->path, op->path, size);
    if (size_to == 0)
        return;
    flight->path_to = flight->path + size;
    memcpy(flight->path_to, op->path_to, size_to);
}

static struct flight *take_spare(struct world *world)
{
    struct list *spare = list_pop_front(&world->spare_flights);
    struct flight *flight = spare != NULL ? CONTAINER_OF(spare, struct flight, of_node)
                                          : mem_alloc(world->mem, sizeof *flight);
    ASSERT(flight != NULL); /* as above */
    return flight;
}

static struct flight *new_flight(struct world_node *node, struct env_op *op)
{
    ASSERT(node->flight_count < WORLD_FLIGHTS_MAX); /* a program that bounds nothing */
    struct flight *flight = take_spare(node->world);
    *flight = (struct flight){
        .node = node,
        .op = op,
        .number = node->op_count,
        .cause = node->world->event_count,
        .verb = op->verb,
        .flags = op->flags,
        .port = op->port,
        .handle = op->handle,
        .offset = op->offset,
        .size = op->size,
    };
    flight->moment.type = MOMENT_FLIGHT;
    list_init(&flight->moment.parked);
    list_init(&flight->in_file);
    list_init(&flight->of_node);
    list_push_back(&node->flights, &flight->of_node);
    node->flight_count++;
    if (op->path != NULL)
        copy_paths(flight, op);
    return flight;
}

void world_drop_flight(struct flight *flight)
{
    struct world_node *node = flight->node;
    world_unschedule(node->world, &flight->moment);
    node->world->pending_count -= flight->pending;
    list_remove(&flight->moment.parked);
    list_remove(&flight->in_file);
    list_remove(&flight->of_node);
    node->flight_count--;
    mem_free(node->world->mem, flight->path);
    list_push_front(&node->world->spare_flights, &flight->of_node);
}

void world_fly(struct flight *flight, int64_t delay_ns)
{
    struct world_node *node = flight->node;
    struct world *world = node->world;
    uint64_t priority = hash_combine(hash_combine(world->config.seed, node->index),
                                     hash_combine(flight->key, flight->number));
    world->pending_count += !flight->pending;
    flight->pending = true;
    world_schedule(world, &flight->moment, world->now_ns + delay_ns, priority);
    flight->moment.cause = flight->cause;
}

static const char *const done_names[ENV_VERB_COUNT] = {
    [ENV_OPEN] = "done open",         [ENV_CLOSE_FILE] = "done close file",
    [ENV_READ] = "done read",         [ENV_WRITE] = "done write",
    [ENV_APPEND] = "done append",     [ENV_TRUNCATE] = "done truncate",
    [ENV_SIZE] = "done size",         [ENV_SYNC] = "done sync",
    [ENV_SYNC_DIR] = "done sync dir", [ENV_RENAME] = "done rename",
    [ENV_UNLINK] = "done unlink",     [ENV_MAKE_DIR] = "done make dir",
    [ENV_LIST] = "done list",         [ENV_SPACE] = "done space",
    [ENV_LISTEN] = "done listen",     [ENV_ACCEPT] = "done accept",
    [ENV_CONNECT] = "done connect",   [ENV_SEND] = "done send",
    [ENV_RECEIVE] = "done receive",   [ENV_CLOSE] = "done close",
    [ENV_OFFLOAD] = "done offload",
};

/* A paused node hears of it when it goes on. */
static void deliver(struct flight *flight)
{
    struct world_node *node = flight->node;
    struct env_op *op = flight->op;
    enum err e = flight->err;
    uint64_t n = flight->n;
    if (node->life == WORLD_PAUSED) {
        world_park(node, &flight->moment);
        return;
    }
    ASSERT(op->in_flight);
    world_note(node, done_names[flight->verb], NOTE_DONE + flight->verb, flight->number,
               flight->key, e, n, flight->cause);
    world_enter(node);
    world_file_delivered(flight);
    world_drop_flight(flight);
    op->in_flight = false;
    op->done(op, e, n);
    world_leave(node);
}

void world_finish(struct flight *flight, enum err e, uint64_t n)
{
    ASSERT(!flight->finished);
    ASSERT(e < ERR_COUNT);
    flight->finished = true;
    flight->err = e;
    flight->n = e == ERR_NONE || (e == ERR_RANGE && flight->verb == ENV_LIST) ? n : 0;
    deliver(flight);
}

static bool is_of_stream(enum env_verb verb)
{
    return verb >= ENV_LISTEN && verb <= ENV_CLOSE;
}

void world_land(struct flight *flight)
{
    struct world_node *node = flight->node;
    bool of_stream = is_of_stream((enum env_verb)flight->verb);
    bool of_disk = !of_stream && flight->verb != ENV_OFFLOAD;
    if (flight->finished) {
        deliver(flight);
        return;
    }
    if (of_disk && node->hang_depth > 0) {
        list_push_back(&node->hung, &flight->moment.parked);
        return;
    }
    enum err e = of_stream ? world_stream_perform(flight) : world_file_perform(flight);
    world_finish(flight, e, flight->n);
}

/* ---- the door ---- */

/* True when the node is dead from here on: what it says now, nobody hears. */
static bool swallowed(struct world_node *node)
{
    if (node->ending == ENDING_NONE && node->kill_in > 0 && --node->kill_in == 0)
        node->ending = ENDING_KILL;
    return node->ending != ENDING_NONE;
}

static void submit(struct env *env, struct env_op *op)
{
    struct world_node *node = node_of(env);
    struct world *world = node->world;
    ASSERT(world->current == node);
    if (swallowed(node))
        return;
    node->op_count++;
    world->submission_count++;
    struct flight *flight = new_flight(node, op);
    if (is_of_stream((enum env_verb)op->verb))
        world_stream_submit(flight);
    else
        world_file_submit(flight);
}

static void arm(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    struct world_node *node = node_of(env);
    ASSERT(node->world->current == node);
    if (timer->node.queued)
        heap_remove(&node->timers, &timer->node);
    timer->deadline_ns = deadline_ns;
    timer->sequence = node->timer_count++;
    heap_insert(&node->timers, &timer->node);
}

static void disarm(struct env *env, struct env_timer *timer)
{
    struct world_node *node = node_of(env);
    ASSERT(node->world->current == node);
    heap_remove(&node->timers, &timer->node);
}

/* Most draws are of the site of the one before, which is a constant. */
static uint64_t draw(struct env *env, const char *site, uint64_t key)
{
    struct world_node *node = node_of(env);
    ASSERT(node->world->current == node);
    if (site != node->site) {
        node->site = site;
        node->site_hash = hash_text(site);
    }
    return fault_draw(&node->world->dice, node->index, node->site_hash, key);
}

const struct env_door world_door = {.submit = submit, .arm = arm, .disarm = disarm, .random = draw};
