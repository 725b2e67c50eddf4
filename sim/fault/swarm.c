/* swarm.c - draws a plan from a seed. Each kind of fault is on or off for the whole run, and how
 * often and how hard it comes is drawn anew: a run that omits kinds sees deeper into the others
 * (Groce et al., Swarm Testing, ISSTA 2012). */
#include "fault/fault.h"

#define MS_NS 1000000ll
#define SECOND_NS (1000 * MS_NS)
#define DAY_NS (86400 * SECOND_NS)
#define OCCURRENCES_MAX 12 /* of one kind in one plan */
#define RATED_SITES_MAX 4
#define CENTRES 4 /* of trouble, in one plan */

/* A stream of draws for one kind, so that a change to one kind moves no other. */
struct draw {
    const struct fault_swarm *swarm;
    struct rng rng;
};

static int64_t between(struct draw *d, int64_t low, int64_t high)
{
    return random_between(rng_next(&d->rng), low, high);
}

static bool chance(struct draw *d, uint64_t part, uint64_t whole)
{
    return random_chance(rng_next(&d->rng), part, whole);
}

/* Every order of magnitude alike: low << 0..doublings, and something between. */
static int64_t magnitude(struct draw *d, int64_t low, int doublings)
{
    int64_t base = low << between(d, 0, doublings);
    return base + between(d, 0, base);
}

static uint32_t one_of(struct draw *d, uint64_t nodes)
{
    ASSERT(nodes != 0);
    int64_t skip = between(d, 0, __builtin_popcountll(nodes) - 1);
    for (; skip > 0; skip--)
        nodes &= nodes - 1;
    return (uint32_t)__builtin_ctzll(nodes);
}

static void draw_nodes(struct draw *d, struct fault_line *line)
{
    uint64_t servers = d->swarm->servers;
    line->nodes = fault_node(one_of(d, servers));
    bool together = line->kind == FAULT_POWER_LOSS && chance(d, 1, 2);
    if (together) /* a rack: whoever shares the socket */
        line->nodes |= rng_next(&d->rng) & servers;
    if (line->kind == FAULT_SLOW_READER)
        line->nodes = fault_node(one_of(d, d->swarm->nodes));
}

static bool draw_link(struct draw *d, struct fault_line *line)
{
    uint64_t nodes = d->swarm->nodes;
    if (__builtin_popcountll(nodes) < 2)
        return false;
    line->from = (int32_t)one_of(d, nodes);
    line->to = (int32_t)one_of(d, nodes & ~fault_node((uint32_t)line->from));
    line->one_way = line->kind == FAULT_CUT && chance(d, 1, 3);
    return true;
}

static int64_t clock_step(struct draw *d)
{
    static const int64_t steps[] = {50 * MS_NS, 5 * SECOND_NS, 3600 * SECOND_NS, 30 * DAY_NS,
                                    365 * DAY_NS};
    int64_t step = steps[between(d, 0, COUNT_OF(steps) - 1)];
    return chance(d, 1, 2) ? step : -step;
}

static void draw_rate(struct draw *d, struct fault_line *line)
{
    static const enum fault_site rated[] = {
        FAULT_DISK_OPEN,   FAULT_DISK_READ,     FAULT_DISK_WRITE,  FAULT_DISK_SPACE,
        FAULT_DISK_SYNC,   FAULT_DISK_SYNC_DIR, FAULT_DISK_RENAME, FAULT_DISK_UNLINK,
        FAULT_DISK_LIST,   FAULT_NET_CONNECT,   FAULT_NET_ACCEPT,  FAULT_NET_SEND,
        FAULT_NET_RECEIVE, FAULT_ALLOC,         FAULT_DISK_HANDLES};
    enum fault_site site = rated[between(d, 0, COUNT_OF(rated) - 1)];
    line->param[FAULT_P_SITE] = site;
    /* An allocation that fails may end a life: seldom, or nothing else happens any more. */
    line->param[FAULT_P_RATE] = site == FAULT_ALLOC ? magnitude(d, 1, 4) : magnitude(d, 100, 8);
}

static void draw_params(struct draw *d, struct fault_line *line)
{
    int64_t *param = line->param;
    switch (line->kind) {
    case FAULT_KILL:
        param[FAULT_P_OP] = chance(d, 3, 4) ? magnitude(d, 1, 7) : 0;
        return;
    case FAULT_POWER_LOSS:
        param[FAULT_P_CHOICE] = (int64_t)(rng_next(&d->rng) >> 1 | 1);
        return;
    case FAULT_CLOCK:
        param[FAULT_P_BY] = clock_step(d);
        return;
    case FAULT_SYNC_FAILS:
    case FAULT_SYNC_LATE:
    case FAULT_WRITE_FAILS:
    case FAULT_READ_FAILS:
        param[FAULT_P_TIMES] = between(d, 1, 3);
        return;
    case FAULT_DISK_FULL:
        param[FAULT_P_BYTES] = chance(d, 1, 2) ? 0 : magnitude(d, 1024, 10);
        return;
    case FAULT_DISK_SLOW:
        param[FAULT_P_FACTOR] = magnitude(d, 8, 7);
        return;
    case FAULT_DELAY:
        param[FAULT_P_BY] = magnitude(d, MS_NS, 8);
        return;
    case FAULT_BANDWIDTH:
    case FAULT_SLOW_READER:
        param[FAULT_P_BYTES] = magnitude(d, 4096, 8);
        return;
    case FAULT_RATE:
        draw_rate(d, line);
        return;
    case FAULT_DISK_FLIP:
    case FAULT_DISK_BREAK:
        param[FAULT_P_OFFSET] = magnitude(d, 64, 12);
        param[FAULT_P_BIT] = line->kind == FAULT_DISK_FLIP ? between(d, 0, 7) : 0;
        memcpy(line->file, ".log", 5);
        return;
    case FAULT_DISK_VANISH:
        memcpy(line->file, ".log", 5);
        return;
    case FAULT_DISK_SWAP:
        param[FAULT_P_WITH] = one_of(d, d->swarm->servers);
        return;
    case FAULT_PAUSE:
    case FAULT_DISK_HANG:
    case FAULT_DISK_EVICT:
    case FAULT_DISK_LOSE:
    case FAULT_CUT:
    case FAULT_RESET:
    case FAULT_HALF_OPEN:
    case FAULT_FAIL:
    case FAULT_KIND_COUNT:
        return;
    }
    UNREACHABLE();
}

static bool takes_for(enum fault_kind kind)
{
    static const uint64_t takes = 0
#define X(name, text, target, takes) | ((uint64_t)((takes) >> 31) << FAULT_##name)
        FAULT_KINDS(X)
#undef X
        ;
    return (takes >> kind & 1) != 0;
}

/* Trouble seldom comes alone: what one fault leaves is looked at by the next. Some begin soon after
 * one of a few times that all kinds share. */
static int64_t draw_time(struct draw *d, int64_t room_ns)
{
    bool alone = chance(d, 2, 3);
    int64_t anywhere = between(d, 0, room_ns);
    uint64_t centre = (uint64_t)between(d, 1, CENTRES);
    int64_t behind = magnitude(d, MS_NS, 9);
    if (alone)
        return anywhere;
    uint64_t bits = hash_mix(hash_combine(d->swarm->seed, centre));
    int64_t at = random_between(bits, 0, d->swarm->end_ns - d->swarm->start_ns);
    return MIN(at + behind, room_ns);
}

/* Draws the line's time and target, and what it takes. False: this fault cannot happen here. */
static bool draw_line(struct draw *d, struct fault_line *line)
{
    int64_t room_ns = d->swarm->end_ns - d->swarm->start_ns;
    if (takes_for(line->kind))
        line->for_ns = MIN(magnitude(d, 10 * MS_NS, 10), MAX(between(d, 0, room_ns / 2), 1));
    line->at_ns = d->swarm->start_ns + draw_time(d, MAX(room_ns - line->for_ns, 0));
    /* A person reads this: whole milliseconds. */
    line->at_ns -= room_ns > SECOND_NS ? line->at_ns % MS_NS : 0;
    line->at_ns = MAX(line->at_ns, d->swarm->start_ns);
    line->for_ns -= line->for_ns > MS_NS ? line->for_ns % MS_NS : 0;
    if (fault_kind_target(line->kind) == FAULT_ON_LINK && !draw_link(d, line))
        return false;
    if (fault_kind_target(line->kind) == FAULT_ON_NODES)
        draw_nodes(d, line);
    draw_params(d, line);
    return true;
}

static enum err draw_kind(struct fault_plan *plan, struct draw *d, enum fault_kind kind)
{
    int64_t count = kind == FAULT_RATE ? between(d, 1, RATED_SITES_MAX)
                                       : between(d, 1, between(d, 1, OCCURRENCES_MAX));
    for (int64_t i = 0; i < count; i++) {
        struct fault_line line = {.kind = kind};
        enum err e = draw_line(d, &line) ? fault_plan_add(plan, &line) : ERR_NONE;
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

enum err fault_plan_draw(struct fault_plan *plan, const struct fault_swarm *swarm)
{
    ASSERT(swarm->servers != 0);
    ASSERT(swarm->start_ns <= swarm->end_ns);
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        struct draw d = {.swarm = swarm,
                         .rng = {hash_combine(swarm->seed, hash_text(fault_kind_name(kind)))}};
        bool on = (swarm->kinds >> kind & 1) != 0 && kind != FAULT_FAIL && chance(&d, 1, 2);
        enum err e = on ? draw_kind(plan, &d, (enum fault_kind)kind) : ERR_NONE;
        if (e != ERR_NONE)
            return e;
    }
    return fault_plan_sort(plan);
}
