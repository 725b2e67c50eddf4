/* engine.c - whether an attempt fails: by a line of the plan that names it, or by the rate in force
 * and a draw keyed by what is attempted. Every failure it gives is written down as such a line. */
#include "fault/inside.h"

struct fault_point_line {
    struct hmap_node node;
    const struct fault_line *line;
};

struct attempt {
    enum fault_site site;
    uint32_t node, life;
    uint64_t key, count;
};

static uint64_t attempt_hash(enum fault_site site, uint64_t key, uint64_t count)
{
    return hash_combine(hash_combine((uint64_t)site, key), count);
}

static bool names_attempt(const void *key, const struct hmap_node *node)
{
    const struct attempt *attempt = key;
    const struct fault_line *line = CONTAINER_OF(node, struct fault_point_line, node)->line;
    return line->param[FAULT_P_SITE] == (int64_t)attempt->site &&
           (line->nodes & fault_node(attempt->node)) != 0 &&
           (uint64_t)line->param[FAULT_P_KEY] == attempt->key &&
           (uint64_t)line->param[FAULT_P_COUNT] == attempt->count &&
           line->param[FAULT_P_LIFE] == attempt->life;
}

static void arm(struct fault_engine *engine, enum fault_site site)
{
    engine->armed[site] = true;
    fault_fiu_bind(site);
}

static void add_line(struct fault_engine *engine, struct fault_point_line *at,
                     const struct fault_line *line)
{
    at->line = line;
    hmap_insert(&engine->by_attempt,
                attempt_hash((enum fault_site)line->param[FAULT_P_SITE],
                             (uint64_t)line->param[FAULT_P_KEY],
                             (uint64_t)line->param[FAULT_P_COUNT]),
                &at->node);
}

static enum err take_plan(struct fault_engine *engine, const struct fault_plan *plan)
{
    if (plan->count == 0)
        return ERR_NONE;
    engine->lines = mem_array(engine->mem, (size_t)plan->count, sizeof *engine->lines);
    if (engine->lines == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct fault_line *line = &plan->lines[i];
        if (line->kind != FAULT_RATE && line->kind != FAULT_FAIL)
            continue;
        arm(engine, (enum fault_site)line->param[FAULT_P_SITE]);
        if (line->kind == FAULT_FAIL)
            add_line(engine, &engine->lines[i], line);
    }
    return ERR_NONE;
}

enum err fault_engine_init(struct fault_engine *engine, struct mem *mem, uint64_t seed,
                           const struct fault_plan *plan, uint32_t armed)
{
    *engine = (struct fault_engine){.mem = mem, .seed = seed};
    fault_plan_init(&engine->fired, mem);
    enum err e = hmap_init(&engine->by_attempt, mem, names_attempt);
    for (int site = 0; site < FAULT_SITE_COUNT && e == ERR_NONE; site++)
        if ((armed >> site & 1) != 0)
            arm(engine, (enum fault_site)site);
    if (e == ERR_NONE && plan != NULL)
        e = take_plan(engine, plan);
    if (e != ERR_NONE)
        fault_engine_free(engine);
    return e;
}

void fault_engine_free(struct fault_engine *engine)
{
    hmap_free(&engine->by_attempt);
    mem_free(engine->mem, engine->lines);
    fault_plan_free(&engine->fired);
    *engine = (struct fault_engine){.mem = engine->mem, .fired = {.mem = engine->mem}};
}

void fault_engine_tell(const struct fault_engine *engine, const struct fault_line *line)
{
    if (engine->watch != NULL)
        engine->watch->fired(engine->watch, line, &engine->fired.names);
}

void fault_engine_record(struct fault_engine *engine, const struct fault_line *line)
{
    /* Without memory or room the record is cut short and says so; the run goes on as it would. */
    if (fault_plan_add(&engine->fired, line) != ERR_NONE)
        engine->fired.truncated = true;
}

void fault_engine_fired(struct fault_engine *engine, const struct fault_line *line)
{
    fault_engine_record(engine, line);
    fault_engine_tell(engine, line);
}

/* ---- the points of a node ---- */

void fault_points_init(struct fault_points *points, const struct fault_engine *engine,
                       uint32_t node,
                       void (*failed)(struct fault_points *points, struct fault_line *line))
{
    ASSERT(failed != NULL);
    *points = (struct fault_points){.engine = engine, .node = node, .failed = failed};
    memcpy(points->armed, engine->armed, sizeof points->armed);
    for (int site = 0; site < FAULT_SITE_COUNT; site++)
        points->any_armed |= points->armed[site];
    fault_counts_init(&points->counts, engine->mem);
}

void fault_points_free(struct fault_points *points)
{
    if (points->engine != NULL)
        fault_counts_clear(&points->counts);
}

void fault_points_live(struct fault_points *points, uint32_t life)
{
    points->life = life;
    fault_counts_clear(&points->counts);
}

void fault_points_disarm(struct fault_points *points)
{
    memset(points->armed, 0, sizeof points->armed);
    points->any_armed = false;
    memset(points->rate, 0, sizeof points->rate);
}

void fault_points_rate(struct fault_points *points, enum fault_site site, uint32_t rate)
{
    ASSERT(points->engine->armed[site]);
    ASSERT(rate <= FAULT_RATE_WHOLE);
    points->rate[site] = rate;
}

static const struct fault_line *planned(const struct fault_engine *engine,
                                        const struct attempt *attempt)
{
    uint64_t hash = attempt_hash(attempt->site, attempt->key, attempt->count);
    struct hmap_node *node = hmap_find(&engine->by_attempt, hash, attempt);
    return node == NULL ? NULL : CONTAINER_OF(node, struct fault_point_line, node)->line;
}

static bool drawn(const struct fault_points *points, const struct attempt *attempt)
{
    uint32_t rate = points->rate[attempt->site];
    if (rate == 0)
        return false;
    uint64_t whose = hash_combine(hash_combine(points->engine->seed, attempt->node), attempt->life);
    uint64_t bits = hash_combine(attempt_hash(attempt->site, attempt->key, attempt->count), whose);
    return random_chance(bits, rate, FAULT_RATE_WHOLE);
}

static enum err fire(struct fault_points *points, const struct attempt *attempt, enum err error)
{
    struct fault_line line = {.kind = FAULT_FAIL, .nodes = fault_node(attempt->node)};
    line.param[FAULT_P_SITE] = attempt->site;
    line.param[FAULT_P_KEY] = (int64_t)attempt->key;
    line.param[FAULT_P_COUNT] = (int64_t)attempt->count;
    line.param[FAULT_P_LIFE] = attempt->life;
    if (error != fault_site_error(attempt->site))
        line.param[FAULT_P_ERROR] = error;
    points->failed(points, &line);
    return error;
}

enum err fault_points_decide(struct fault_points *points, enum fault_site site, uint64_t key)
{
    struct attempt attempt = {
        .site = site,
        .node = points->node,
        .life = points->life,
        .key = key,
        .count = fault_count(&points->counts, hash_combine((uint64_t)site, key)),
    };
    const struct fault_line *line = planned(points->engine, &attempt);
    if (line != NULL && line->param[FAULT_P_ERROR] != ERR_NONE)
        return fire(points, &attempt, (enum err)line->param[FAULT_P_ERROR]);
    if (line != NULL || drawn(points, &attempt))
        return fire(points, &attempt, fault_site_error(site));
    return ERR_NONE;
}

enum err fault_points_ask(struct fault_points *points, enum fault_site site, uint64_t key)
{
    ASSERT(points->armed[site]);
    return fault_fiu_ask(points, site, key);
}
