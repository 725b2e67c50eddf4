/* harm.c - carries out what a plan or a script says: each line begins, is written down once it has
 * struck, and ends. */
#include "world/inside.h"

#define SLOW_FACTOR 100          /* where a line does not say */
#define STALL_NS 100000000       /* likewise: each, */
#define STALL_EVERY_NS 500000000 /* and from one to the next */
#define WRITEBACK_NS 20000000    /* likewise */

/* ---- the record ---- */

void world_note_struck(struct world *world, struct harm *harm)
{
    if (!harm->noted)
        fault_engine_fired(&world->engine, &harm->line);
    harm->noted = true;
}

static const char *name_of(const struct fault_line *line)
{
    return line->kind == FAULT_FAIL ? fault_site_name((enum fault_site)line->param[FAULT_P_SITE])
                                    : fault_kind_name(line->kind);
}

/* When what it does ends by itself; a node that is down is told of by rows of its own. */
static int64_t end_of(const struct world *world, const struct fault_line *line)
{
    bool strikes = !(fault_kind_takes_for(line->kind)) || line->param[FAULT_P_TIMES] > 0 ||
                   line->kind == FAULT_KILL || line->kind == FAULT_POWER_LOSS;
    if (strikes)
        return 0;
    return line->for_ns > 0 ? world->now_ns + line->for_ns : INT64_MAX;
}

/* A row for the trace, with the name of what struck before its first. */
static void tell(struct world *world, const struct fault_line *line)
{
    bool on_link = fault_kind_target(line->kind) == FAULT_ON_LINK;
    uint64_t side = line->from == FAULT_OTHERS ? line->to : line->from;
    uint64_t whose = on_link ? side : line->nodes;
    struct world_node *node = world->nodes[__builtin_ctzll(whose)];
    bool is_point = line->kind == FAULT_FAIL;
    int64_t bit = is_point ? FAULT_KIND_COUNT + line->param[FAULT_P_SITE] : line->kind;
    struct trace_FAULT columns = {
        .site = hash_text(name_of(line)), .kind = line->kind, .until_ns = end_of(world, line)};
    struct text text;
    if ((world->named >> bit & 1) == 0)
        world_emit_name(node, columns.site, name_of(line));
    world->named |= 1ull << bit;
    text_init(&text, world->mem);
    fault_line_print(line, &world->engine.fired.names, &text);
    ASSERT(!text.failed); /* of the simulator itself, not of a node */
    world_emit(node, TRACE_FAULT, &columns, text.data);
    text_free(&text);
}

void world_tell_fired(struct world *world)
{
    const struct fault_plan *fired = &world->engine.fired;
    while (world->fired_told < fired->count)
        tell(world, &fired->lines[world->fired_told++]);
}

/* ---- nodes ---- */

/* The nodes of a line that there are, from *next on; NULL: no more. */
static struct world_node *next_node(struct world *world, const struct fault_line *line,
                                    uint32_t *next)
{
    while (*next < world->node_count) {
        uint32_t index = (*next)++;
        if ((line->nodes & fault_node(index)) != 0)
            return world->nodes[index];
    }
    return NULL;
}

/* Some do the same again and again while they hold, and what flaps is at rest every other time. */
static int64_t every_ns(const struct fault_line *line)
{
    int64_t every = line->param[FAULT_P_EVERY];
    switch (line->kind) {
    case FAULT_STALL:
        return every > 0 ? every : STALL_EVERY_NS;
    case FAULT_WRITEBACK:
        return every > 0 ? every : WRITEBACK_NS;
    case FAULT_CUT:
        return every;
    default:
        return 0;
    }
}

/* The next time: something more of the same, or the end. */
static void schedule_next(struct world *world, struct harm *harm)
{
    int64_t at_ns = harm->until_ns, every = every_ns(&harm->line);
    if (every > 0)
        at_ns = MIN(at_ns, world->now_ns + every);
    harm->ends = at_ns == harm->until_ns;
    world_schedule(world, &harm->moment, at_ns, fault_line_id(&harm->line));
}

static void end_later(struct world *world, struct harm *harm)
{
    bool repeats = every_ns(&harm->line) > 0;
    if (harm->line.for_ns <= 0 && !repeats)
        return;
    harm->until_ns = harm->line.for_ns > 0 ? world->now_ns + harm->line.for_ns : INT64_MAX;
    schedule_next(world, harm);
}

void world_struck(struct world_node *node)
{
    struct harm *harm = node->killer;
    node->killer = NULL;
    if (harm == NULL || node->ending == ENDING_EXIT)
        return;
    world_note_struck(node->world, harm);
    harm->struck |= fault_node(node->index);
    end_later(node->world, harm);
}

void world_kill_by(struct world_node *node, struct harm *harm, bool power)
{
    bool takes_op = harm->line.kind == FAULT_KILL || harm->line.kind == FAULT_POWER_LOSS;
    int64_t op = power || !takes_op ? 0 : harm->line.param[FAULT_P_OP];
    if (op == 0 && node->life == WORLD_DOWN)
        return;
    node->killer = harm;
    if (op > 0) { /* of the life to come, when none runs */
        node->kill_in = (uint32_t)MIN(op, UINT32_MAX);
        return;
    }
    node->ending = ENDING_KILL;
    world_bury(node, power);
}

/* Also what a dead process left in the page cache goes. */
static void lose_power(struct world_node *node, struct harm *harm)
{
    struct world *world = node->world;
    uint64_t choice = (uint64_t)harm->line.param[FAULT_P_CHOICE];
    if (choice == 0)
        choice = hash_combine(world->config.seed, fault_line_id(&harm->line));
    harm->line.param[FAULT_P_CHOICE] = (int64_t)choice; /* so what fired says all of it */
    world->power_loss_count++;
    EMIT(node, POWER_LOSS, .choice = (int64_t)choice);
    world_note_struck(world, harm);
    bool was_down = node->life == WORLD_DOWN;
    world_kill_by(node, harm, true);
    if (was_down)
        net_node_down(world->net, node->index, NET_POWERED_OFF);
    struct disk_loss loss;
    enum err e = disk_power_loss(node->disk, hash_combine(choice, node->index), &loss);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    world_note_disk(node);
    if (loss.lost_count > 0)
        EMIT(node, DISK_LOST, .bytes = loss.bytes_lost, .files = loss.files_lost);
}

void world_die_at_op(struct world_node *node)
{
    struct harm *harm = node->killer;
    if (harm != NULL && harm->line.kind == FAULT_POWER_LOSS)
        lose_power(node, harm);
    else
        world_bury(node, false);
}

static void move_clock(struct world_node *node, int64_t by_ns)
{
    node->wall_offset_ms += by_ns / 1000000;
    EMIT(node, CLOCK_JUMP, .by_ms = by_ns / 1000000);
}

static void start_struck(struct world *world, struct harm *harm)
{
    uint32_t next = 0;
    for (struct world_node *node; (node = next_node(world, &harm->line, &next)) != NULL;)
        if ((harm->struck & fault_node(node->index)) != 0 && node->wanted)
            world_start(world, node->index);
    harm->struck = 0;
}

/* ---- what holds on ---- */

static bool is_like(const struct world *world, const struct harm *other, const struct harm *harm)
{
    return other != harm && other->holds && other->generation == world->generation &&
           other->line.kind == harm->line.kind;
}

static const struct harm *later(const struct harm *a, const struct harm *b)
{
    return a != NULL && a->begun > b->begun ? a : b;
}

const struct harm *world_still_holding(const struct world *world, const struct harm *harm,
                                       harm_fits *fits, uint32_t a, uint32_t b)
{
    const struct harm *found = NULL;
    for (int32_t i = 0; i < world->plan_harm_count; i++) {
        const struct harm *other = &world->plan_harms[i];
        if (is_like(world, other, harm) && fits(other, harm, a, b))
            found = later(found, other);
    }
    LIST_EACH (other, &world->script_harms, struct harm, of_script) {
        if (is_like(world, other, harm) && fits(other, harm, a, b))
            found = later(found, other);
    }
    return found;
}

static bool is_on_node(const struct harm *other, const struct harm *harm, uint32_t node,
                       uint32_t unused)
{
    (void)unused;
    return (other->struck & fault_node(node)) != 0 &&
           other->line.param[FAULT_P_SITE] == harm->line.param[FAULT_P_SITE];
}

/* ---- lines ---- */

static void set_rate(struct world_node *node, const struct harm *harm, bool ends)
{
    const int64_t *param = harm->line.param;
    uint32_t rate = ends ? 0 : (uint32_t)MIN(MAX(param[FAULT_P_RATE], 0), FAULT_RATE_WHOLE);
    if (param[FAULT_P_SITE] == FAULT_ALLOC)
        node->guest->impl->refuse_at(node->guest, rate);
    else
        fault_points_rate(&node->points, (enum fault_site)param[FAULT_P_SITE], rate);
}

/* Begins on one node. True: it has struck, and ends when the line says. */
/* Until then the disk is slow; begun before, it knows when it ends. */
static void slow_until(struct world_node *node, const struct harm *harm)
{
    int64_t ends_ns = harm->line.for_ns > 0 ? node->world->now_ns + harm->line.for_ns : INT64_MAX;
    node->slow_until_ns = MAX(node->slow_until_ns, harm->until_ns > 0 ? harm->until_ns : ends_ns);
}

static bool begin_on(struct world_node *node, const struct harm *harm)
{
    struct world *world = node->world;
    const int64_t *param = harm->line.param;
    switch (harm->line.kind) {
    case FAULT_PAUSE:
        node->stalled = false; /* this is longer */
        world_pause_now(node, harm->line.for_ns == 0 ? 0 : world->now_ns + harm->line.for_ns);
        return node->life == WORLD_PAUSED;
    case FAULT_CLOCK:
        move_clock(node, param[FAULT_P_BY]);
        return true;
    case FAULT_DISK_FULL:
        world_fill_disk(node, (uint64_t)MAX(param[FAULT_P_BYTES], 0));
        return true;
    case FAULT_DISK_SLOW:
        node->slow_factor = param[FAULT_P_FACTOR] > 0 ? param[FAULT_P_FACTOR] : SLOW_FACTOR;
        slow_until(node, harm);
        return true;
    case FAULT_DISK_HANG:
        node->hang_depth++;
        return true;
    case FAULT_SLOW_SYNC:
        node->slow_sync_factor = param[FAULT_P_FACTOR] > 0 ? param[FAULT_P_FACTOR] : SLOW_FACTOR;
        slow_until(node, harm);
        return true;
    case FAULT_DRIFT:
        world_drift(node, param[FAULT_P_PPM]);
        return true;
    case FAULT_STALL:
    case FAULT_WRITEBACK:
        return true; /* world_harm_step does it again and again */
    case FAULT_DISK_BACKUP:
        return world_back_up(node);
    case FAULT_DISK_FLIP:
    case FAULT_DISK_BREAK:
    case FAULT_DISK_VANISH:
    case FAULT_DISK_STALE:
    case FAULT_DISK_MISDIRECT:
        return world_damage(node, &harm->line);
    case FAULT_DISK_EVICT:
        disk_evict(node->disk);
        return true;
    case FAULT_SLOW_READER:
        world_slow_reader(node, param[FAULT_P_BYTES] > 0 ? param[FAULT_P_BYTES] : -1);
        return true;
    default:
        UNREACHABLE();
    }
}

/* Where another one of its kind holds on, that one counts from here on. True: so it is. */
static bool is_taken_over(struct world_node *node, const struct harm *harm)
{
    const struct harm *other = world_still_holding(node->world, harm, is_on_node, node->index, 0);
    if (other == NULL)
        return false;
    switch (harm->line.kind) {
    case FAULT_PAUSE:
        return true;
    case FAULT_RATE:
        set_rate(node, other, false);
        return true;
    case FAULT_DISK_FULL:
    case FAULT_DISK_SLOW:
    case FAULT_SLOW_SYNC:
    case FAULT_SLOW_READER:
    case FAULT_DRIFT:
        (void)begin_on(node, other);
        return true;
    default:
        return false; /* each counts for itself */
    }
}

static void end_on(struct world_node *node, struct harm *harm)
{
    if (is_taken_over(node, harm))
        return;
    switch (harm->line.kind) {
    case FAULT_PAUSE:
        world_resume(node->world, node->index);
        return;
    case FAULT_CLOCK:
        move_clock(node, -harm->line.param[FAULT_P_BY]);
        return;
    case FAULT_SYNC_FAILS:
    case FAULT_SYNC_LATE:
    case FAULT_WRITE_FAILS:
    case FAULT_READ_FAILS:
        world_remove_rules(node, harm);
        return;
    case FAULT_DISK_FULL:
        disk_set_capacity(node->disk, node->disk_capacity);
        return;
    case FAULT_DISK_SLOW:
        node->slow_factor = 1;
        return;
    case FAULT_SLOW_SYNC:
        node->slow_sync_factor = 1;
        return;
    case FAULT_DRIFT:
        world_drift(node, 0);
        return;
    case FAULT_STALL:
    case FAULT_WRITEBACK:
        return;
    case FAULT_DISK_HANG:
        node->hang_depth--;
        ASSERT(node->hang_depth >= 0);
        world_unhang(node);
        return;
    case FAULT_SLOW_READER:
        world_slow_reader(node, 0);
        return;
    case FAULT_RATE:
        set_rate(node, harm, true);
        return;
    default:
        UNREACHABLE();
    }
}

/* Those that are written down when they strike, not when they begin. */
static void begin_quietly(struct world_node *node, struct harm *harm)
{
    switch (harm->line.kind) {
    case FAULT_KILL:
        world_kill_by(node, harm, false);
        return;
    case FAULT_POWER_LOSS:
        if (harm->line.param[FAULT_P_OP] > 0)
            world_kill_by(node, harm, false);
        else
            lose_power(node, harm);
        return;
    case FAULT_SYNC_FAILS:
    case FAULT_SYNC_LATE:
    case FAULT_WRITE_FAILS:
    case FAULT_READ_FAILS:
        world_add_rule(node, harm);
        end_later(node->world, harm);
        return;
    case FAULT_DISK_LOSE:
        world_lose_disk(node, harm);
        return;
    case FAULT_DISK_SWAP:
        world_swap_disks(node, harm);
        return;
    case FAULT_DISK_RESTORE:
        world_restore(node, harm);
        return;
    case FAULT_RATE:
        set_rate(node, harm, false);
        harm->struck |= fault_node(node->index);
        end_later(node->world, harm);
        return;
    case FAULT_FAIL:
        return; /* the fault points look for it themselves */
    default:
        if (begin_on(node, harm)) {
            world_note_struck(node->world, harm);
            harm->struck |= fault_node(node->index);
            end_later(node->world, harm);
        }
        return;
    }
}

static void begin(struct world *world, struct harm *harm)
{
    uint32_t next = 0;
    ASSERT(world->current == NULL);
    harm->node_count = world->node_count;
    harm->begun = world->event_count;
    harm->holds = true;
    if (fault_kind_target(harm->line.kind) == FAULT_ON_LINK) {
        world_note_struck(world, harm);
        world_strike_links(world, harm, false);
        end_later(world, harm);
        return;
    }
    for (struct world_node *node; (node = next_node(world, &harm->line, &next)) != NULL;)
        begin_quietly(node, harm);
}

static void end(struct world *world, struct harm *harm)
{
    uint32_t next = 0;
    harm->ends = harm->holds = false;
    if (harm->line.kind == FAULT_KILL || harm->line.kind == FAULT_POWER_LOSS) {
        start_struck(world, harm);
        return;
    }
    if (fault_kind_target(harm->line.kind) == FAULT_ON_LINK) {
        if (!harm->rests)
            world_strike_links(world, harm, true);
        return;
    }
    for (struct world_node *node; (node = next_node(world, &harm->line, &next)) != NULL;)
        if (node->index < harm->node_count)
            end_on(node, harm);
}

/* A stall is a pause of about so long; which of them a timer or a message falls into is chance. */
static void stall(struct world_node *node, const struct harm *harm)
{
    struct world *world = node->world;
    int64_t by_ns = harm->line.param[FAULT_P_BY] > 0 ? harm->line.param[FAULT_P_BY] : STALL_NS;
    uint64_t bits = fault_draw(&world->dice, node->index, USE_STALL, fault_line_id(&harm->line));
    if (node->life != WORLD_UP)
        return;
    world_pause_now(node, 0);
    node->stalled = true;
    world_call_at(world, &node->unstall, world->now_ns + random_between(bits, by_ns / 2, by_ns));
}

void world_unstall(struct world_call *call)
{
    struct world_node *node = CONTAINER_OF(call, struct world_node, unstall);
    if (node->stalled)
        world_resume(node->world, node->index);
}

static void repeat_on(struct world_node *node, const struct harm *harm)
{
    struct world *world = node->world;
    if (harm->line.kind == FAULT_STALL) {
        stall(node, harm);
        return;
    }
    ASSERT(harm->line.kind == FAULT_WRITEBACK);
    uint64_t bits =
        fault_draw(&world->dice, node->index, USE_WRITEBACK, fault_line_id(&harm->line));
    (void)disk_writeback_any(node->disk, bits);
}

static void repeat(struct world *world, struct harm *harm)
{
    uint32_t next = 0;
    if (harm->line.kind == FAULT_CUT) {
        if (!harm->rests)
            world_strike_links(world, harm, true);
        harm->rests = !harm->rests;
        if (!harm->rests)
            world_strike_links(world, harm, false);
    }
    for (struct world_node *node; (node = next_node(world, &harm->line, &next)) != NULL;)
        if (node->index < harm->node_count)
            repeat_on(node, harm);
    schedule_next(world, harm);
}

void world_harm_step(struct world *world, struct harm *harm)
{
    if (harm->generation != world->generation)
        return; /* the world was healed meanwhile */
    if (harm->ends)
        end(world, harm);
    else if (harm->holds)
        repeat(world, harm);
    else
        begin(world, harm);
}

/* ---- lines that wait for a row ---- */

void world_row_fires(struct world *world, const struct trace_row *row)
{
    for (int32_t i = 0; i < world->plan_harm_count; i++) {
        struct harm *harm = &world->plan_harms[i];
        if (harm->line.on_row != row->kind + 1 || harm->generation != world->generation)
            continue;
        if (++harm->row_count != harm->line.on_count)
            continue;
        harm->line = fault_line_fire(&harm->line, row->node, world->now_ns);
        world_schedule(world, &harm->moment, world->now_ns, fault_line_id(&harm->line));
    }
}

/* ---- plans ---- */

enum err world_harm_init(struct world *world)
{
    const struct fault_plan *plan = world->config.plan;
    if (plan == NULL || plan->count == 0)
        return ERR_NONE;
    world->plan_harms = mem_array(world->mem, (size_t)plan->count, sizeof *world->plan_harms);
    if (world->plan_harms == NULL)
        return ERR_NOMEM;
    world->plan_harm_count = plan->count;
    for (int32_t i = 0; i < plan->count; i++) {
        struct harm *harm = &world->plan_harms[i];
        *harm = (struct harm){.line = plan->lines[i], .moment = {.type = MOMENT_HARM}};
        list_init(&harm->moment.parked);
        bool by_time = harm->line.kind != FAULT_FAIL && harm->line.param[FAULT_P_SCRIPT] == 0 &&
                       harm->line.on_row == 0;
        if (harm->line.on_row != 0)
            world->awaited[harm->line.on_row - 1] = world->awaits = true;
        if (by_time)
            world_schedule(world, &harm->moment, harm->line.at_ns, fault_line_id(&harm->line));
    }
    return ERR_NONE;
}

void world_harm_free(struct world *world)
{
    LIST_EACH (harm, &world->script_harms, struct harm, of_script)
        mem_free(world->mem, harm);
    mem_free(world->mem, world->plan_harms);
}

/* ---- scripts ---- */

/* What the plan makes of the script's harm of that number; NULL: nothing. */
static const struct fault_line *planned(const struct world *world, int64_t number)
{
    const struct fault_plan *plan = world->config.plan;
    for (int32_t i = 0; plan != NULL && i < plan->count; i++)
        if (plan->lines[i].param[FAULT_P_SCRIPT] == number)
            return &plan->lines[i];
    return NULL;
}

void world_harm(struct world *world, const struct fault_line *line)
{
    int64_t number = ++world->script_harm_count;
    ASSERT(number <= FAULT_PLAN_LINES_MAX);
    ASSERT(world->current == NULL);
    if (world->config.plan_only)
        line = planned(world, number);
    if (line == NULL)
        return;
    struct harm *harm = mem_zalloc(world->mem, sizeof *harm);
    ASSERT(harm != NULL); /* of the simulator itself, not of a node */
    harm->line = *line;
    harm->line.at_ns = world->now_ns;
    harm->line.param[FAULT_P_SCRIPT] = number;
    harm->moment.type = MOMENT_HARM;
    harm->generation = world->generation;
    list_init(&harm->moment.parked);
    list_init(&harm->of_script);
    list_push_back(&world->script_harms, &harm->of_script);
    begin(world, harm);
    world_tell_fired(world);
}

void world_kill(struct world *world, uint32_t node, uint32_t at_op)
{
    struct fault_line line = {.kind = FAULT_KILL, .nodes = fault_node(node)};
    line.param[FAULT_P_OP] = at_op;
    world_harm(world, &line);
}

void world_power_loss(struct world *world, uint64_t nodes)
{
    world_harm(world, &(struct fault_line){.kind = FAULT_POWER_LOSS, .nodes = nodes});
}

void world_pause(struct world *world, uint32_t node)
{
    world_harm(world, &(struct fault_line){.kind = FAULT_PAUSE, .nodes = fault_node(node)});
}

void world_clock_jump(struct world *world, uint32_t node, int64_t by_ns)
{
    struct fault_line line = {.kind = FAULT_CLOCK, .nodes = fault_node(node)};
    line.param[FAULT_P_BY] = by_ns;
    world_harm(world, &line);
}

static void harm_link(struct world *world, enum fault_kind kind, uint32_t from, uint32_t to,
                      bool one_way)
{
    world_harm(world, &(struct fault_line){.kind = kind,
                                           .from = fault_node(from),
                                           .to = fault_node(to),
                                           .one_way = one_way});
}

void world_cut(struct world *world, uint32_t from, uint32_t to, bool one_way)
{
    harm_link(world, FAULT_CUT, from, to, one_way);
}

void world_reset(struct world *world, uint32_t from, uint32_t to)
{
    harm_link(world, FAULT_RESET, from, to, false);
}

/* ---- healing ---- */

static void heal_node(struct world *world, struct world_node *node)
{
    fault_points_disarm(&node->points);
    node->guest->impl->refuse_no_more(node->guest);
    node->kill_in = 0;
    node->killer = NULL;
    node->rule_count = 0;
    node->slow_factor = node->slow_sync_factor = 1;
    node->slow_until_ns = 0;
    node->hang_depth = 0;
    world_drift(node, 0);
    node->inbound_bytes_per_s = 0;
    disk_set_capacity(node->disk, node->disk_capacity);
    world_unhang(node);
    if (node->wall_offset_ms != 0)
        move_clock(node, -node->wall_offset_ms * 1000000);
    world_resume(world, node->index);
    if (node->life == WORLD_DOWN && node->wanted)
        world_start(world, node->index);
}

/* It does nothing any more: what runs stands still, and what is down stays down. */
static void freeze_node(struct world_node *node)
{
    node->frozen = true;
    node->stalled = false;
    world_pause_now(node, 0);
}

static void heal_all_of(struct world *world, uint64_t core)
{
    ASSERT(world->current == NULL);
    world->generation++;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct world_node *node = world->nodes[i];
        node->frozen = false;
        if ((core & fault_node(i)) != 0)
            heal_node(world, node);
        else
            freeze_node(node);
    }
    for (uint32_t a = 0; a < world->node_count; a++)
        for (uint32_t b = 0; b <= a; b++)
            if ((core & fault_node(a)) != 0 && (core & fault_node(b)) != 0)
                world_heal_link(world, a, b);
}

void world_heal_core(struct world *world, uint64_t core)
{
    ASSERT(core != 0);
    heal_all_of(world, core);
    uint32_t first = (uint32_t)__builtin_ctzll(core);
    if (first < world->node_count)
        world_emit(world->nodes[first], TRACE_CORE_HEALED,
                   &(const struct trace_CORE_HEALED){.nodes = __builtin_popcountll(core)}, NULL);
}

void world_heal(struct world *world)
{
    heal_all_of(world, UINT64_MAX);
    if (world->node_count > 0)
        world_emit(world->nodes[0], TRACE_HEALED,
                   &(const struct trace_HEALED){.nodes = world->node_count}, NULL);
}
