/* harm.c - carries out what a plan or a script says: each line begins, is written down once it has
 * struck, and ends. */
#include <stdio.h>
#include "world/inside.h"

#define SLOW_FACTOR 100   /* where a line does not say */
#define BANDWIDTH 65536   /* bytes a second, likewise */
#define DELAY_NS 20000000 /* likewise */

/* ---- the record ---- */

static void note_struck(struct world *world, struct harm *harm)
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

/* A row for the trace, with the name of what struck before its first. */
static void tell(struct world *world, const struct fault_line *line)
{
    bool on_link = fault_kind_target(line->kind) == FAULT_ON_LINK;
    uint32_t index = on_link ? (uint32_t)line->from : (uint32_t)__builtin_ctzll(line->nodes);
    struct world_node *node = world->nodes[index];
    bool is_point = line->kind == FAULT_FAIL;
    int64_t bit = is_point ? FAULT_KIND_COUNT + line->param[FAULT_P_SITE] : line->kind;
    struct trace_FAULT columns = {.site = hash_text(name_of(line)), .kind = line->kind};
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

static void end_later(struct world *world, struct harm *harm)
{
    if (harm->line.for_ns <= 0)
        return;
    harm->ends = true;
    world_schedule(world, &harm->moment, world->now_ns + harm->line.for_ns,
                   fault_line_id(&harm->line));
}

void world_struck(struct world_node *node)
{
    struct harm *harm = node->killer;
    node->killer = NULL;
    if (harm == NULL || node->ending == ENDING_EXIT)
        return;
    note_struck(node->world, harm);
    harm->struck |= fault_node(node->index);
    end_later(node->world, harm);
}

static void kill_node(struct world_node *node, struct harm *harm, bool power)
{
    int64_t op = power || harm->line.kind != FAULT_KILL ? 0 : harm->line.param[FAULT_P_OP];
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
    world->power_loss_count++;
    EMIT(node, POWER_LOSS, .choice = (int64_t)choice);
    note_struck(world, harm);
    bool was_down = node->life == WORLD_DOWN;
    kill_node(node, harm, true);
    if (was_down)
        net_node_down(world->net, node->index, NET_POWERED_OFF);
    struct disk_loss loss;
    enum err e = disk_power_loss(node->disk, hash_combine(choice, node->index), &loss);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    world_note_disk(node);
    if (loss.lost_count > 0)
        EMIT(node, DISK_LOST, .bytes = loss.bytes_lost, .files = loss.files_lost);
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

/* ---- disks ---- */

enum err world_rule(struct world_node *node, enum fault_kind kind, const char *path)
{
    for (int32_t i = 0; i < node->rule_count; i++) {
        struct rule *rule = &node->rules[i];
        const struct fault_line *line = &rule->harm->line;
        if (line->kind != kind || rule->times_left == 0 || strstr(path, line->file) == NULL)
            continue;
        rule->times_left -= rule->times_left > 0;
        note_struck(node->world, rule->harm);
        return line->param[FAULT_P_ERROR] != ERR_NONE ? (enum err)line->param[FAULT_P_ERROR]
                                                      : ERR_IO;
    }
    return ERR_NONE;
}

static void add_rule(struct world_node *node, struct harm *harm)
{
    int64_t times = harm->line.param[FAULT_P_TIMES];
    if (node->rule_count == RULES_MAX)
        return;
    node->rules[node->rule_count++] =
        (struct rule){.harm = harm, .times_left = times > 0 ? times : -1};
}

static void remove_rules(struct world_node *node, const struct harm *harm)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < node->rule_count; i++)
        if (node->rules[i].harm != harm)
            node->rules[kept++] = node->rules[i];
    node->rule_count = kept;
}

static void fill_disk(struct world_node *node, uint64_t bytes_left)
{
    uint64_t space;
    disk_set_capacity(node->disk, node->disk_capacity);
    if (disk_space(node->disk, ".", &space) != ERR_NONE)
        return;
    disk_set_capacity(node->disk, node->disk_capacity - space + MIN(bytes_left, space));
}

static void unhang(struct world_node *node)
{
    if (node->hang_depth > 0)
        return;
    LIST_EACH (moment, &node->hung, struct world_moment, parked) {
        list_remove(&moment->parked);
        struct flight *flight = CONTAINER_OF(moment, struct flight, moment);
        world_fly(flight, world_disk_delay(flight, 0));
    }
}

/* ---- damage ---- */

#define NAMES_SIZE 65536
#define DEPTH_MAX 64

struct search {
    struct world_node *node;
    const char *part; /* of the path */
    char path[ENV_PATH_MAX];
    bool dirs;              /* a directory may match, too; what is in it then does not */
    uint64_t count, wanted; /* matches seen; the one to stop at */
};

static bool is_wanted(struct search *search)
{
    return search->count++ == search->wanted;
}

/* Walks the disk in the order in which its entries were made. True: path is the wanted match. */
static bool find_file(struct search *search, int depth)
{
    struct mem *mem = search->node->world->mem;
    char *names = mem_alloc(mem, NAMES_SIZE);
    size_t base = strlen(search->path);
    uint64_t size = 0;
    bool found = false;
    const char *dir = base == 0 ? "." : search->path;
    if (names == NULL || depth == DEPTH_MAX ||
        disk_list(search->node->disk, dir, 0, names, NAMES_SIZE, &size) != ERR_NONE)
        size = 0;
    for (const char *name = names; !found && name < names + size; name += strlen(name) + 1) {
        bool is_dir = name[0] == '/';
        int n = snprintf(search->path + base, sizeof search->path - base, "%s%s", name + is_dir,
                         is_dir ? "/" : "");
        if (n < 0 || n >= (int)(sizeof search->path - base))
            continue;
        bool matches = strstr(search->path, search->part) != NULL && (!is_dir || search->dirs);
        if (matches)
            found = is_wanted(search);
        else if (is_dir)
            found = find_file(search, depth + 1);
        search->path[base] = found ? search->path[base] : 0;
    }
    mem_free(mem, names);
    return found;
}

/* Damages one of those that match, drawn. */
static bool damage(struct world_node *node, const struct fault_line *line)
{
    struct search all = {.node = node,
                         .part = line->file,
                         .dirs = line->kind == FAULT_DISK_VANISH,
                         .wanted = UINT64_MAX};
    struct search search = all;
    (void)find_file(&all, 0);
    if (all.count == 0)
        return false;
    uint64_t bits = fault_draw(&node->world->dice, node->index, USE_FLIP, fault_line_id(line));
    search.wanted = random_below(bits, all.count);
    if (!find_file(&search, 0))
        return false;
    if (line->kind == FAULT_DISK_VANISH)
        return disk_vanish(node->disk, search.path) == ERR_NONE;
    uint64_t offset = (uint64_t)line->param[FAULT_P_OFFSET];
    int bit = (int)(line->param[FAULT_P_BIT] & 7);
    enum err e = line->kind == FAULT_DISK_FLIP ? disk_flip(node->disk, search.path, offset, bit)
                                               : disk_break(node->disk, search.path, offset);
    return e == ERR_NONE;
}

/* An operator takes a disk out: its process ends first, and starts again behind it. */
static void take_out(struct world_node *node, struct harm *harm)
{
    kill_node(node, harm, false);
    enum err e = disk_power_loss(node->disk, harm->line.kind, NULL);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    world_note_disk(node);
}

static void lose_disk(struct world_node *node, struct harm *harm)
{
    take_out(node, harm);
    enum err e = disk_wipe(node->disk);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    note_struck(node->world, harm);
    if (node->wanted)
        world_start(node->world, node->index);
}

static void swap_disks(struct world_node *node, struct harm *harm)
{
    struct world *world = node->world;
    uint64_t with = (uint64_t)harm->line.param[FAULT_P_WITH];
    if (with >= world->node_count || with == node->index)
        return;
    struct world_node *other = world->nodes[with];
    take_out(node, harm);
    take_out(other, harm);
    struct disk *disk = node->disk;
    node->disk = other->disk;
    other->disk = disk;
    note_struck(world, harm);
    for (int i = 0; i < 2; i++)
        if ((i == 0 ? node : other)->wanted)
            world_start(world, (i == 0 ? node : other)->index);
}

/* ---- links ---- */

static bool is_like(const struct world *world, const struct harm *other, const struct harm *harm)
{
    return other != harm && other->holds && other->generation == world->generation &&
           other->line.kind == harm->line.kind;
}

static const struct harm *later(const struct harm *a, const struct harm *b)
{
    return a != NULL && a->begun > b->begun ? a : b;
}

typedef bool harm_fits(const struct harm *other, const struct harm *harm, uint32_t a, uint32_t b);

/* Of the other harms of that kind that hold and fit, the latest; NULL: there is none. */
static const struct harm *still_holding(const struct world *world, const struct harm *harm,
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

static bool is_on_link(const struct harm *other, const struct harm *harm, uint32_t from,
                       uint32_t to)
{
    const struct fault_line *line = &other->line;
    bool there = line->from == (int32_t)from && line->to == (int32_t)to;
    bool back = !line->one_way && line->from == (int32_t)to && line->to == (int32_t)from;
    (void)harm;
    return there || back;
}

static bool is_on_node(const struct harm *other, const struct harm *harm, uint32_t node,
                       uint32_t unused)
{
    (void)unused;
    return (other->struck & fault_node(node)) != 0 &&
           other->line.param[FAULT_P_SITE] == harm->line.param[FAULT_P_SITE];
}

static void apply_link(struct world *world, uint32_t from, uint32_t to)
{
    const struct link_harm *link = &world->nodes[from]->links[to];
    int64_t inbound = world->nodes[to]->inbound_bytes_per_s;
    int64_t bandwidth = link->bytes_per_s;
    if (inbound > 0 && from != to)
        bandwidth = bandwidth > 0 ? MIN(bandwidth, inbound) : inbound;
    net_set_delay(world->net, from, to, link->delay_ns);
    net_set_bandwidth(world->net, from, to, bandwidth);
    net_cut(world->net, from, to, link->cut_depth > 0);
}

static void change_link(struct world *world, const struct harm *harm, uint32_t from, uint32_t to,
                        bool ends)
{
    struct link_harm *link = &world->nodes[from]->links[to];
    const struct fault_line *line = &harm->line;
    const struct harm *other = ends ? still_holding(world, harm, is_on_link, from, to) : NULL;
    if (other != NULL && line->kind != FAULT_CUT) {
        change_link(world, other, from, to, false); /* it alone counts from here on */
        return;
    }
    const int64_t *param = line->param;
    if (line->kind == FAULT_CUT)
        link->cut_depth += ends ? -1 : 1;
    else if (line->kind == FAULT_DELAY)
        link->delay_ns = ends ? 0 : MAX(param[FAULT_P_BY], 0) > 0 ? param[FAULT_P_BY] : DELAY_NS;
    else if (line->kind == FAULT_BANDWIDTH)
        link->bytes_per_s = ends ? 0 : param[FAULT_P_BYTES] > 0 ? param[FAULT_P_BYTES] : BANDWIDTH;
    ASSERT(link->cut_depth >= 0);
    apply_link(world, from, to);
}

static void strike_link(struct world *world, struct harm *harm, bool ends)
{
    const struct fault_line *line = &harm->line;
    uint32_t from = (uint32_t)line->from, to = (uint32_t)line->to;
    if (from >= world->node_count || to >= world->node_count)
        return;
    note_struck(world, harm);
    if (line->kind == FAULT_RESET) {
        net_reset_link(world->net, from, to);
    } else if (line->kind == FAULT_HALF_OPEN) {
        net_half_open(world->net, from, to);
    } else {
        change_link(world, harm, from, to, ends);
        if (!line->one_way)
            change_link(world, harm, to, from, ends);
    }
    if (!ends)
        end_later(world, harm);
}

static void slow_reader(struct world_node *node, int64_t bytes_per_s)
{
    struct world *world = node->world;
    node->inbound_bytes_per_s = bytes_per_s;
    for (uint32_t from = 0; from < world->node_count; from++)
        apply_link(world, from, node->index);
}

void world_heal_link(struct world *world, uint32_t a, uint32_t b)
{
    ASSERT(a < world->node_count);
    ASSERT(b < world->node_count);
    world->nodes[a]->links[b] = (struct link_harm){0};
    world->nodes[b]->links[a] = (struct link_harm){0};
    apply_link(world, a, b);
    apply_link(world, b, a);
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
static bool begin_on(struct world_node *node, const struct harm *harm)
{
    struct world *world = node->world;
    const int64_t *param = harm->line.param;
    switch (harm->line.kind) {
    case FAULT_PAUSE:
        world_pause_now(node, harm->line.for_ns == 0 ? 0 : world->now_ns + harm->line.for_ns);
        return node->life == WORLD_PAUSED;
    case FAULT_CLOCK:
        move_clock(node, param[FAULT_P_BY]);
        return true;
    case FAULT_DISK_FULL:
        fill_disk(node, (uint64_t)MAX(param[FAULT_P_BYTES], 0));
        return true;
    case FAULT_DISK_SLOW:
        node->slow_factor = param[FAULT_P_FACTOR] > 0 ? param[FAULT_P_FACTOR] : SLOW_FACTOR;
        return true;
    case FAULT_DISK_HANG:
        node->hang_depth++;
        return true;
    case FAULT_DISK_FLIP:
    case FAULT_DISK_BREAK:
    case FAULT_DISK_VANISH:
        return damage(node, &harm->line);
    case FAULT_DISK_EVICT:
        disk_evict(node->disk);
        return true;
    case FAULT_SLOW_READER:
        slow_reader(node, param[FAULT_P_BYTES] > 0 ? param[FAULT_P_BYTES] : BANDWIDTH);
        return true;
    default:
        UNREACHABLE();
    }
}

/* Where another one of its kind holds on, that one counts from here on. True: so it is. */
static bool is_taken_over(struct world_node *node, const struct harm *harm)
{
    const struct harm *other = still_holding(node->world, harm, is_on_node, node->index, 0);
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
    case FAULT_SLOW_READER:
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
        remove_rules(node, harm);
        return;
    case FAULT_DISK_FULL:
        disk_set_capacity(node->disk, node->disk_capacity);
        return;
    case FAULT_DISK_SLOW:
        node->slow_factor = 1;
        return;
    case FAULT_DISK_HANG:
        node->hang_depth--;
        ASSERT(node->hang_depth >= 0);
        unhang(node);
        return;
    case FAULT_SLOW_READER:
        slow_reader(node, 0);
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
        kill_node(node, harm, false);
        return;
    case FAULT_POWER_LOSS:
        lose_power(node, harm);
        return;
    case FAULT_SYNC_FAILS:
    case FAULT_SYNC_LATE:
    case FAULT_WRITE_FAILS:
    case FAULT_READ_FAILS:
        add_rule(node, harm);
        end_later(node->world, harm);
        return;
    case FAULT_DISK_LOSE:
        lose_disk(node, harm);
        return;
    case FAULT_DISK_SWAP:
        swap_disks(node, harm);
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
            note_struck(node->world, harm);
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
        strike_link(world, harm, false);
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
        strike_link(world, harm, true);
        return;
    }
    for (struct world_node *node; (node = next_node(world, &harm->line, &next)) != NULL;)
        if (node->index < harm->node_count)
            end_on(node, harm);
}

void world_harm_step(struct world *world, struct harm *harm)
{
    if (harm->generation != world->generation)
        return; /* the world was healed meanwhile */
    if (harm->ends)
        end(world, harm);
    else
        begin(world, harm);
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
        bool by_time = harm->line.kind != FAULT_FAIL && harm->line.param[FAULT_P_SCRIPT] == 0;
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
    world_harm(world,
               &(struct fault_line){
                   .kind = kind, .from = (int32_t)from, .to = (int32_t)to, .one_way = one_way});
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
    node->slow_factor = 1;
    node->hang_depth = 0;
    node->inbound_bytes_per_s = 0;
    disk_set_capacity(node->disk, node->disk_capacity);
    unhang(node);
    if (node->wall_offset_ms != 0)
        move_clock(node, -node->wall_offset_ms * 1000000);
    world_resume(world, node->index);
    if (node->life == WORLD_DOWN && node->wanted)
        world_start(world, node->index);
}

void world_heal(struct world *world)
{
    ASSERT(world->current == NULL);
    world->generation++;
    for (uint32_t i = 0; i < world->node_count; i++)
        heal_node(world, world->nodes[i]);
    for (uint32_t a = 0; a < world->node_count; a++)
        for (uint32_t b = 0; b <= a; b++)
            world_heal_link(world, a, b);
}
