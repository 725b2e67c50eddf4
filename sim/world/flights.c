/* flights.c - operations as the world has them: each record of a node's log that asks for one
 * becomes a flight, and its end an event of its own. Nothing here knows what a verb does. */
#include "world/inside.h"

/* ---- flights ---- */

/* Paths are copied: the log is gone before the disk has done what it was asked. */
static void copy_paths(struct flight *flight, const struct half_asked *asked)
{
    size_t size = asked->ask->path_size;
    size_t size_to = asked->ask->path_to_size;
    flight->path = mem_alloc(flight->node->world->mem, size + size_to);
    ASSERT(flight->path != NULL); /* of the simulator itself, not of a node */
    memcpy(flight->path, asked->path, size);
    if (size_to == 0)
        return;
    flight->path_to = flight->path + size;
    memcpy(flight->path_to, asked->path_to, size_to);
}

static struct flight *take_spare(struct world *world)
{
    struct list *spare = list_pop_front(&world->spare_flights);
    struct flight *flight = spare != NULL ? CONTAINER_OF(spare, struct flight, of_node)
                                          : mem_alloc(world->mem, sizeof *flight);
    ASSERT(flight != NULL); /* as above */
    return flight;
}

static struct flight *new_flight(struct world_node *node, uint64_t id,
                                 const struct half_asked *asked)
{
    const struct half_ask *ask = asked->ask;
    ASSERT(node->flight_count < WORLD_FLIGHTS_MAX); /* a program that bounds nothing */
    struct flight *flight = take_spare(node->world);
    *flight = (struct flight){
        .node = node,
        .id = id,
        .number = node->op_count,
        .cause = world_cause(node->world->event_count),
        .verb = ask->verb,
        .flags = ask->flags,
        .port = ask->port,
        .handle = ask->handle,
        .offset = ask->offset,
        .size = ask->size,
    };
    flight->moment.type = MOMENT_FLIGHT;
    list_init(&flight->moment.parked);
    list_init(&flight->in_file);
    list_init(&flight->of_node);
    list_push_back(&node->flights, &flight->of_node);
    node->flight_count++;
    if (asked->path != NULL)
        copy_paths(flight, asked);
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
    mem_free(node->world->mem, flight->kept);
    buf_release(flight->held);
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
    flight->moment.cause = flight->cause.last;
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

/* What came with it stands in the inbox, which is anybody's. */
static void keep_bytes(struct flight *flight)
{
    if (flight->bytes.size == 0 || flight->kept != NULL || flight->held != NULL)
        return;
    flight->kept = mem_alloc(flight->node->world->mem, flight->bytes.size);
    ASSERT(flight->kept != NULL); /* of the simulator itself, not of a node */
    memcpy(flight->kept, flight->bytes.data, flight->bytes.size);
    flight->bytes.data = flight->kept;
}

/* A paused node hears of it when it goes on. */
static void deliver(struct flight *flight)
{
    struct world_node *node = flight->node;
    if (node->life == WORLD_PAUSED) {
        keep_bytes(flight);
        world_park(node, &flight->moment);
        return;
    }
    struct half_event event = {
        .type = HALF_DONE,
        .id = flight->id,
        .err = flight->err,
        .n = flight->n,
        .modified_ms = flight->modified_ms,
        .bytes = flight->bytes,
    };
    uint8_t *kept = flight->kept;
    struct buf *held = flight->held;
    flight->kept = NULL; /* both outlive the flight */
    flight->held = NULL;
    world_note(node, done_names[flight->verb], NOTE_DONE + flight->verb, flight->number,
               flight->key, flight->err, flight->n, flight->cause);
    world_file_delivered(flight);
    world_drop_flight(flight);
    world_handle(node, &event);
    mem_free(node->world->mem, kept);
    buf_release(held);
}

void world_finish(struct flight *flight, enum err e, uint64_t n)
{
    ASSERT(!flight->finished);
    ASSERT(e < ERR_COUNT);
    flight->finished = true;
    flight->err = e;
    flight->n = e == ERR_NONE || (e == ERR_RANGE && flight->verb == ENV_LIST) ? n : 0;
    if (e != ERR_NONE)
        flight->bytes = bytes_of(NULL, 0);
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

void world_submit(struct world_node *node, const struct half_record *record)
{
    struct half_asked asked;
    world_half_asked_of(record, &asked);
    node->op_count++;
    node->world->submission_count++;
    struct flight *flight = new_flight(node, record->id, &asked);
    if (is_of_stream((enum env_verb)flight->verb))
        world_stream_submit(flight, &asked);
    else
        world_file_submit(flight, &asked);
}

uint8_t *world_inbox(struct world *world, size_t size)
{
    if (size <= world->inbox_cap)
        return world->inbox;
    mem_free(world->mem, world->inbox);
    world->inbox = mem_alloc(world->mem, size);
    ASSERT(world->inbox != NULL); /* of the simulator itself, not of a node */
    world->inbox_cap = size;
    return world->inbox;
}
