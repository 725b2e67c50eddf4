/* door.c - the node's side of env.h: operations become records of the log and are found again by
 * their names; timers and chance are the node's own. Nothing here knows what a verb does. */
#include "world/own.h"

static struct world_half *half_of(struct env *env)
{
    return CONTAINER_OF(env, struct world_half, env);
}

/* ---- operations by name ---- */

#define PLACES_MIN 16
#define PLACE_BITS 16 /* of a name: where it stands; the others count */

static void grow_places(struct world_half *half)
{
    int32_t old = half->place_count;
    int32_t count = old == 0 ? PLACES_MIN : 2 * old;
    ASSERT(count <= WORLD_FLIGHTS_MAX); /* a program that bounds nothing */
    half->places =
        mem_realloc(half->options.mem, half->places, (size_t)count * sizeof *half->places);
    ASSERT(half->places != NULL); /* of the simulator itself, not of a node */
    for (int32_t i = old; i < count; i++)
        half->places[i] = (struct half_place){.next_free = i + 1 < count ? i + 1 : -1};
    half->place_count = count;
    half->place_free = old;
}

static uint64_t name_op(struct world_half *half, struct env_op *op)
{
    if (half->place_free < 0)
        grow_places(half);
    int32_t at = half->place_free;
    struct half_place *place = &half->places[at];
    half->place_free = place->next_free;
    uint64_t id = ++half->op_count << PLACE_BITS | (uint64_t)at;
    *place = (struct half_place){.op = op, .id = id};
    return id;
}

struct env_op *world_half_op_take(struct world_half *half, uint64_t id)
{
    int32_t at = (int32_t)(id & ((1 << PLACE_BITS) - 1));
    ASSERT(at < half->place_count);
    struct half_place *place = &half->places[at];
    struct env_op *op = place->op;
    ASSERT(place->id == id);
    ASSERT(op->in_flight);
    *place = (struct half_place){.next_free = half->place_free};
    half->place_free = at;
    op->in_flight = false;
    return op;
}

void world_half_ops_clear(struct world_half *half)
{
    mem_free(half->options.mem, half->places);
    half->places = NULL;
    half->place_count = 0;
    half->place_free = -1;
    half->op_count = 0;
}

/* ---- the door ---- */

static void submit(struct env *env, struct env_op *op)
{
    struct world_half *half = half_of(env);
    ASSERT(half->runs);
    if (!half->exited)
        world_half_log_ask(half, name_op(half, op), op);
}

static void arm(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    struct world_half *half = half_of(env);
    ASSERT(half->runs);
    if (timer->node.queued)
        heap_remove(&half->timers, &timer->node);
    timer->deadline_ns = deadline_ns;
    timer->sequence = half->timer_count++;
    heap_insert(&half->timers, &timer->node);
}

static void disarm(struct env *env, struct env_timer *timer)
{
    struct world_half *half = half_of(env);
    ASSERT(half->runs);
    heap_remove(&half->timers, &timer->node);
}

/* Most draws are of the site of the one before, which is a constant. */
static uint64_t draw(struct env *env, const char *site, uint64_t key)
{
    struct world_half *half = half_of(env);
    ASSERT(half->runs);
    if (site != half->site) {
        half->site = site;
        half->site_hash = hash_text(site);
    }
    return fault_chance_draw(&half->chance, half->site_hash, key);
}

const struct env_door world_half_door = {
    .submit = submit, .arm = arm, .disarm = disarm, .random = draw};
