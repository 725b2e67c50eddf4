/* swarm.c - draws a plan from a seed. How likely a kind of fault is to be on, and how many faults
 * there are at all, is the seed's; so is how often and how hard each comes: a run that omits kinds
 * sees deeper into the others (Groce et al., Swarm Testing, ISSTA 2012), and one with few faults
 * says by itself which it was. */
#include "fault/inside.h"

#define MS_NS 1000000ll
#define SECOND_NS (1000 * MS_NS)
#define DAY_NS (86400 * SECOND_NS)
#define OCCURRENCES_MAX 12 /* of one kind in one plan */
#define RATED_SITES_MAX 4
#define QUIET_LINES 4 /* of a third of the seeds */
#define CENTRES 4     /* of trouble, in one plan */

/* What holds for all of one plan. */
struct mood {
    uint64_t likely, of; /* the chance of a kind to be on */
    int32_t lines_max;
    int32_t windows;
    int64_t window_ns; /* of each, at most: behind it there is peace until the next */
    uint64_t harmable; /* servers whose disks may be damaged */
};

/* A stream of draws for one kind, so that a change to one kind moves no other. */
struct draw {
    const struct fault_swarm *swarm;
    const struct mood *mood;
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

/* Some of them, one at least. */
static uint64_t some_of(struct draw *d, uint64_t nodes)
{
    uint64_t one = fault_node(one_of(d, nodes));
    return one | (rng_next(&d->rng) & nodes);
}

/* What may befall who only asks. */
static bool strikes_clients(enum fault_kind kind)
{
    const uint64_t kinds =
        FAULT_BIT(KILL) | FAULT_BIT(PAUSE) | FAULT_BIT(CLOCK) | FAULT_BIT(STALL) | FAULT_BIT(DRIFT);
    return (kinds >> kind & 1) != 0;
}

static void draw_nodes(struct draw *d, struct fault_line *line)
{
    const struct fault_swarm *swarm = d->swarm;
    uint64_t servers = swarm->servers;
    if ((FAULT_DAMAGING >> line->kind & 1) != 0)
        servers = d->mood->harmable;
    line->nodes = fault_node(one_of(d, servers));
    bool together = line->kind == FAULT_POWER_LOSS && chance(d, 1, 2);
    if (together) /* a rack: whoever shares the socket */
        line->nodes |= rng_next(&d->rng) & servers;
    if (line->kind == FAULT_SLOW_READER)
        line->nodes = fault_node(one_of(d, swarm->nodes));
    if (swarm->clients != 0 && strikes_clients(line->kind) && chance(d, 1, 4))
        line->nodes = fault_node(one_of(d, swarm->clients));
}

/* ---- links ---- */

/* How a net falls apart, where there are several servers. */
enum shape {
    SHAPE_LINK,    /* two nodes lose each other */
    SHAPE_ISOLATE, /* a server has no peers any more, but all its clients */
    SHAPE_ALONE,   /* a server has nobody at all */
    SHAPE_HALVES,  /* two sides of servers, each with clients of its own */
    SHAPE_BRIDGE,  /* one server alone sees both sides */
    SHAPE_RING,    /* every server sees its neighbours alone: none sees the same majority */
    SHAPE_COUNT
};

static const uint32_t shape_weights[SHAPE_COUNT] = {4, 3, 1, 2, 1, 1};

static uint64_t nth_of(uint64_t nodes, int64_t n)
{
    for (; n > 0; n--)
        nodes &= nodes - 1;
    return nodes & -nodes;
}

static enum err add_cut(struct fault_plan *plan, const struct fault_line *like, uint64_t from,
                        uint64_t to)
{
    struct fault_line line = *like;
    line.from = from;
    line.to = to;
    return from == 0 || to == 0 ? ERR_NONE : fault_plan_add(plan, &line);
}

/* Servers in a circle, in the order of their numbers: each loses those beyond its neighbours. */
static enum err add_ring(struct fault_plan *plan, const struct fault_line *line, uint64_t servers)
{
    int64_t count = __builtin_popcountll(servers), reach = MAX((count - 1) / 4, 1);
    enum err e = ERR_NONE;
    for (int64_t i = 0; i < count && e == ERR_NONE; i++) {
        uint64_t far = 0;
        for (int64_t k = i + 1; k < count; k++)
            if (MIN(k - i, count - (k - i)) > reach)
                far |= nth_of(servers, k);
        e = add_cut(plan, line, nth_of(servers, i), far);
    }
    return e;
}

static enum err add_shape(struct fault_plan *plan, struct draw *d, struct fault_line *line)
{
    uint64_t servers = d->swarm->servers;
    uint64_t one = fault_node(one_of(d, servers)), peers = servers & ~one;
    uint64_t side = some_of(d, servers) & ~one, others = peers & ~side;
    uint64_t clients = d->swarm->nodes & ~servers & rng_next(&d->rng);
    switch ((enum shape)random_weighted(rng_next(&d->rng), shape_weights, SHAPE_COUNT)) {
    case SHAPE_ISOLATE:
        return add_cut(plan, line, one, peers);
    case SHAPE_ALONE:
        return add_cut(plan, line, one, FAULT_OTHERS);
    case SHAPE_HALVES: {
        uint64_t here = one | side | clients;
        return add_cut(plan, line, here, d->swarm->nodes & ~here);
    }
    case SHAPE_BRIDGE:
        return add_cut(plan, line, side, others);
    case SHAPE_RING:
        return add_ring(plan, line, servers);
    case SHAPE_LINK:
    case SHAPE_COUNT:
        break;
    }
    return add_cut(plan, line, line->from, line->to);
}

static bool draw_link(struct draw *d, struct fault_line *line)
{
    uint64_t nodes = d->swarm->nodes;
    if (__builtin_popcountll(nodes) < 2)
        return false;
    line->from = fault_node(one_of(d, nodes));
    line->to = fault_node(one_of(d, nodes & ~line->from));
    line->one_way = line->kind == FAULT_CUT && chance(d, 1, 3);
    if (line->kind == FAULT_CUT && line->for_ns > 4 * MS_NS && chance(d, 1, 4))
        line->param[FAULT_P_EVERY] = line->for_ns / between(d, 3, 20);
    return true;
}

/* ---- the rest of a line ---- */

static int64_t clock_step(struct draw *d)
{
    static const int64_t steps[] = {50 * MS_NS, 5 * SECOND_NS, 3600 * SECOND_NS, 30 * DAY_NS,
                                    365 * DAY_NS};
    int64_t step = steps[between(d, 0, COUNT_OF(steps) - 1)];
    return chance(d, 1, 2) ? step : -step;
}

static int64_t drift(struct draw *d)
{
    int64_t ppm = magnitude(d, 100, 10);
    return chance(d, 1, 2) ? ppm : -ppm;
}

static void draw_rate(struct draw *d, struct fault_line *line)
{
    static const enum fault_site rated[] = {
        FAULT_DISK_OPEN,   FAULT_DISK_READ,     FAULT_DISK_WRITE,   FAULT_DISK_SPACE,
        FAULT_DISK_SYNC,   FAULT_DISK_SYNC_DIR, FAULT_DISK_RENAME,  FAULT_DISK_UNLINK,
        FAULT_DISK_LIST,   FAULT_NET_CONNECT,   FAULT_NET_ACCEPT,   FAULT_NET_SEND,
        FAULT_NET_RECEIVE, FAULT_ALLOC,         FAULT_DISK_HANDLES, FAULT_NET_HANDLES};
    enum fault_site site = rated[between(d, 0, COUNT_OF(rated) - 1)];
    line->param[FAULT_P_SITE] = site;
    /* An allocation that fails may end a life: seldom, or nothing else happens any more. */
    line->param[FAULT_P_RATE] = site == FAULT_ALLOC ? magnitude(d, 1, 4) : magnitude(d, 100, 8);
}

/* A byte of a file of records. */
static void draw_place(struct draw *d, struct fault_line *line)
{
    line->param[FAULT_P_OFFSET] = magnitude(d, 64, 12);
    memcpy(line->file, ".log", 5);
}

/* Of faults of a disk, but for those that only have a time. */
static void draw_disk_params(struct draw *d, struct fault_line *line)
{
    int64_t *param = line->param;
    switch (line->kind) {
    case FAULT_SYNC_FAILS:
    case FAULT_WRITE_FAILS: /* a quota, or a thin volume, says so as late as that */
        param[FAULT_P_ERROR] = chance(d, 1, 4) ? ERR_NOSPACE : ERR_NONE;
        param[FAULT_P_TIMES] = between(d, 1, 3);
        return;
    case FAULT_SYNC_LATE:
    case FAULT_READ_FAILS:
        param[FAULT_P_TIMES] = between(d, 1, 3);
        return;
    case FAULT_DISK_FULL:
        param[FAULT_P_BYTES] = chance(d, 1, 2) ? 0 : magnitude(d, 1024, 10);
        return;
    case FAULT_DISK_SLOW:
    case FAULT_SLOW_SYNC:
        param[FAULT_P_FACTOR] = magnitude(d, 8, 7);
        return;
    case FAULT_WRITEBACK:
        param[FAULT_P_EVERY] = magnitude(d, MS_NS, 6);
        return;
    case FAULT_DISK_FLIP:
        draw_place(d, line);
        param[FAULT_P_BIT] = between(d, 0, 7);
        return;
    case FAULT_DISK_BREAK:
    case FAULT_DISK_STALE:
        draw_place(d, line);
        return;
    case FAULT_DISK_MISDIRECT:
        draw_place(d, line);
        param[FAULT_P_TO] = magnitude(d, 64, 12);
        return;
    case FAULT_DISK_VANISH:
        memcpy(line->file, ".log", 5);
        return;
    case FAULT_DISK_SWAP:
        param[FAULT_P_WITH] = one_of(d, d->mood->harmable & ~line->nodes);
        return;
    default:
        return;
    }
}

static void draw_params(struct draw *d, struct fault_line *line)
{
    int64_t *param = line->param;
    switch (line->kind) {
    case FAULT_KILL:
        param[FAULT_P_OP] = chance(d, 3, 4) ? magnitude(d, 1, 7) : 0;
        return;
    case FAULT_POWER_LOSS:
        /* Or just when something is under way: at an operation of its own. */
        param[FAULT_P_OP] = chance(d, 1, 3) ? magnitude(d, 1, 7) : 0;
        param[FAULT_P_CHOICE] = (int64_t)(rng_next(&d->rng) >> 1 | 1);
        return;
    case FAULT_CLOCK:
        param[FAULT_P_BY] = clock_step(d);
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
    case FAULT_STALL:
        param[FAULT_P_BY] = magnitude(d, 10 * MS_NS, 5);
        param[FAULT_P_EVERY] = magnitude(d, 100 * MS_NS, 4);
        return;
    case FAULT_DRIFT:
        param[FAULT_P_PPM] = drift(d);
        return;
    default:
        draw_disk_params(d, line);
    }
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
 * one of a few times that all kinds share. And it comes in one or more windows, with peace between
 * them. */
static int64_t draw_time(struct draw *d, int64_t room_ns)
{
    const struct mood *mood = d->mood;
    int64_t whole_ns = d->swarm->end_ns - d->swarm->start_ns;
    bool alone = chance(d, 2, 3);
    int64_t window = between(d, 0, mood->windows - 1) * (whole_ns / mood->windows);
    int64_t anywhere = between(d, 0, MIN(mood->window_ns, room_ns));
    uint64_t centre = (uint64_t)between(d, 1, CENTRES);
    int64_t behind = magnitude(d, MS_NS, 9);
    if (alone)
        return MIN(window + anywhere, room_ns);
    uint64_t bits = hash_mix(hash_combine(d->swarm->seed, centre));
    return MIN(window + random_between(bits, 0, mood->window_ns) + behind, room_ns);
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
    bool damages = (FAULT_DAMAGING >> line->kind & 1) != 0;
    int needed = line->kind == FAULT_DISK_SWAP ? 2 : 1;
    if (damages && __builtin_popcountll(d->mood->harmable) < needed)
        return false;
    if (fault_kind_target(line->kind) == FAULT_ON_NODES)
        draw_nodes(d, line);
    draw_params(d, line);
    return true;
}

static enum err add_line(struct fault_plan *plan, struct draw *d, struct fault_line *line)
{
    bool clustered = __builtin_popcountll(d->swarm->servers) > 1;
    if (line->kind == FAULT_CUT && clustered)
        return add_shape(plan, d, line);
    enum err e = ERR_NONE;
    if (line->kind == FAULT_DISK_RESTORE) { /* of what was there some time before */
        struct fault_line backup = {.kind = FAULT_DISK_BACKUP, .nodes = line->nodes};
        backup.at_ns = between(d, d->swarm->start_ns, line->at_ns);
        e = fault_plan_add(plan, &backup);
    }
    return e == ERR_NONE ? fault_plan_add(plan, line) : e;
}

/* Whose harm is found by who starts on it: the power may go a few operations later. */
static bool may_precede(enum fault_kind kind)
{
    const uint64_t kinds = FAULT_BIT(SYNC_FAILS) | FAULT_BIT(WRITE_FAILS) | FAULT_BIT(READ_FAILS) |
                           FAULT_BIT(DISK_FULL) | FAULT_BIT(DISK_SLOW) | FAULT_BIT(SLOW_SYNC) |
                           FAULT_BIT(DISK_HANG) | FAULT_BIT(WRITEBACK);
    return (kinds >> kind & 1) != 0;
}

static enum err add_power(struct fault_plan *plan, struct draw *d, const struct fault_line *first)
{
    struct fault_line power = {.kind = FAULT_POWER_LOSS, .at_ns = first->at_ns};
    if ((d->swarm->kinds >> FAULT_POWER_LOSS & 1) == 0)
        return ERR_NONE;
    power.nodes = fault_node(one_of(d, first->nodes));
    power.for_ns = MIN(magnitude(d, 10 * MS_NS, 6), d->swarm->end_ns - power.at_ns);
    power.param[FAULT_P_OP] = magnitude(d, 1, 4);
    power.param[FAULT_P_CHOICE] = (int64_t)(rng_next(&d->rng) >> 1 | 1);
    return fault_plan_add(plan, &power);
}

/* Directories that cannot be synced for a while, which a rate seldom meets, and the power. */
static enum err add_sync_dir(struct fault_plan *plan, struct draw *d)
{
    int64_t room_ns = d->swarm->end_ns - d->swarm->start_ns;
    struct fault_line line = {.kind = FAULT_RATE,
                              .nodes = fault_node(one_of(d, d->swarm->servers))};
    line.for_ns = MIN(magnitude(d, 50 * MS_NS, 4), MAX(room_ns / 2, 1));
    line.at_ns = d->swarm->start_ns + draw_time(d, MAX(room_ns - line.for_ns, 0));
    line.param[FAULT_P_SITE] = FAULT_DISK_SYNC_DIR;
    line.param[FAULT_P_RATE] = between(d, 200000, 1000000);
    enum err e = fault_plan_add(plan, &line);
    return e == ERR_NONE ? add_power(plan, d, &line) : e;
}

static enum err draw_kind(struct fault_plan *plan, struct draw *d, enum fault_kind kind)
{
    int64_t count = kind == FAULT_RATE ? between(d, 1, RATED_SITES_MAX)
                                       : between(d, 1, between(d, 1, OCCURRENCES_MAX));
    for (int64_t i = 0; i < count; i++) {
        struct fault_line line = {.kind = kind};
        if (!draw_line(d, &line))
            continue;
        enum err e = add_line(plan, d, &line);
        if (e == ERR_NONE && may_precede(kind) && chance(d, 1, 5))
            e = add_power(plan, d, &line);
        if (e != ERR_NONE)
            return e;
    }
    return kind == FAULT_RATE && chance(d, 1, 2) ? add_sync_dir(plan, d) : ERR_NONE;
}

/* ---- the plan ---- */

static void draw_mood(const struct fault_swarm *swarm, struct mood *mood)
{
    static const struct {
        uint8_t likely, of;
    } chances[] = {{1, 8}, {1, 4}, {1, 2}, {1, 2}, {3, 4}};
    static const int32_t most[] = {8, 16, 40, 1000};
    struct draw d = {.swarm = swarm, .rng = {hash_combine(swarm->seed, hash_text("mood"))}};
    int64_t which = between(&d, 0, COUNT_OF(chances) - 1);
    *mood = (struct mood){.likely = chances[which].likely, .of = chances[which].of};
    mood->lines_max = chance(&d, 1, 3) ? (int32_t)between(&d, 1, QUIET_LINES)
                                       : most[between(&d, 0, COUNT_OF(most) - 1)];
    int64_t windows = between(&d, -1, 3);
    mood->windows = (int32_t)MAX(windows, 1);
    mood->window_ns = (swarm->end_ns - swarm->start_ns) / mood->windows;
    mood->window_ns /= mood->windows == 1 ? 1 : between(&d, 1, 4);
    mood->harmable = swarm->servers;
    for (int32_t i = 0; i < swarm->intact && mood->harmable != 0; i++)
        mood->harmable &= ~fault_node(one_of(&d, mood->harmable));
}

/* Where there are too many, which lines stay is each line's own luck: one kind less moves no other
 * line, and takes none out. What strikes at one time stays together. */
static void keep_some(struct fault_plan *plan, int32_t from, const struct fault_swarm *swarm,
                      int32_t most)
{
    while (plan->count - from > most) {
        int32_t worst = from;
        uint64_t luck = 0;
        for (int32_t i = from; i < plan->count; i++) {
            uint64_t its = hash_mix(hash_combine(swarm->seed, (uint64_t)plan->lines[i].at_ns));
            worst = its >= luck ? i : worst;
            luck = MAX(luck, its);
        }
        fault_plan_remove(plan, worst);
    }
}

static bool may_draw(const struct fault_swarm *swarm, int kind)
{
    bool is_told = kind == FAULT_FAIL || kind == FAULT_DISK_BACKUP;
    return (swarm->kinds >> kind & 1) != 0 && !is_told;
}

/* forced: that kind is on, whatever is drawn; FAULT_KIND_COUNT: none. */
static enum err draw_all(struct fault_plan *plan, const struct fault_swarm *swarm,
                         const struct mood *mood, int forced)
{
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        struct draw d = {.swarm = swarm,
                         .mood = mood,
                         .rng = {hash_combine(swarm->seed, hash_text(fault_kind_name(kind)))}};
        bool on = may_draw(swarm, kind) && chance(&d, mood->likely, mood->of);
        enum err e = on || kind == forced ? draw_kind(plan, &d, (enum fault_kind)kind) : ERR_NONE;
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static int some_kind(const struct fault_swarm *swarm)
{
    uint64_t kinds = 0;
    struct draw d = {.swarm = swarm, .rng = {hash_combine(swarm->seed, hash_text("some kind"))}};
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++)
        kinds |= may_draw(swarm, kind) ? 1ull << kind : 0;
    return kinds == 0 ? FAULT_KIND_COUNT : (int)one_of(&d, kinds);
}

enum err fault_plan_draw(struct fault_plan *plan, const struct fault_swarm *swarm)
{
    struct mood mood;
    int32_t from = plan->count;
    ASSERT(swarm->servers != 0);
    ASSERT(swarm->start_ns <= swarm->end_ns);
    draw_mood(swarm, &mood);
    enum err e = draw_all(plan, swarm, &mood, FAULT_KIND_COUNT);
    if (e == ERR_NONE && plan->count == from)
        e = draw_all(plan, swarm, &mood, some_kind(swarm));
    if (e != ERR_NONE)
        return e;
    keep_some(plan, from, swarm, mood.lines_max);
    return fault_plan_sort(plan);
}
