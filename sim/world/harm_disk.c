/* harm_disk.c - harm to disks: rules about what fails, space, damage to what is at rest, and what
 * operators do to whole disks. */
#include <stdio.h>
#include "world/inside.h"

enum err world_rule(struct world_node *node, enum fault_kind kind, const char *path)
{
    for (int32_t i = 0; i < node->rule_count; i++) {
        struct rule *rule = &node->rules[i];
        const struct fault_line *line = &rule->harm->line;
        if (line->kind != kind || rule->times_left == 0 || strstr(path, line->file) == NULL)
            continue;
        rule->times_left -= rule->times_left > 0;
        world_note_struck(node->world, rule->harm);
        return line->param[FAULT_P_ERROR] != ERR_NONE ? (enum err)line->param[FAULT_P_ERROR]
                                                      : ERR_IO;
    }
    return ERR_NONE;
}

void world_add_rule(struct world_node *node, struct harm *harm)
{
    int64_t times = harm->line.param[FAULT_P_TIMES];
    if (node->rule_count == RULES_MAX)
        return;
    node->rules[node->rule_count++] =
        (struct rule){.harm = harm, .times_left = times > 0 ? times : -1};
}

void world_remove_rules(struct world_node *node, const struct harm *harm)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < node->rule_count; i++)
        if (node->rules[i].harm != harm)
            node->rules[kept++] = node->rules[i];
    node->rule_count = kept;
}

void world_fill_disk(struct world_node *node, uint64_t bytes_left)
{
    uint64_t space;
    disk_set_capacity(node->disk, node->disk_capacity);
    if (disk_space(node->disk, ".", &space) != ERR_NONE)
        return;
    disk_set_capacity(node->disk, node->disk_capacity - space + MIN(bytes_left, space));
}

void world_unhang(struct world_node *node)
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
bool world_damage(struct world_node *node, const struct fault_line *line)
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
    uint64_t to = (uint64_t)line->param[FAULT_P_TO];
    switch (line->kind) {
    case FAULT_DISK_FLIP:
        return disk_flip(node->disk, search.path, offset, bit) == ERR_NONE;
    case FAULT_DISK_BREAK:
        return disk_break(node->disk, search.path, offset) == ERR_NONE;
    case FAULT_DISK_STALE:
        return disk_stale(node->disk, search.path, offset) == ERR_NONE;
    case FAULT_DISK_MISDIRECT:
        return disk_misdirect(node->disk, search.path, offset, to) == ERR_NONE;
    default:
        UNREACHABLE();
    }
}

/* An operator takes a disk out: its process ends first, and starts again behind it. */
static void take_out(struct world_node *node, struct harm *harm)
{
    world_kill_by(node, harm, false);
    enum err e = disk_power_loss(node->disk, harm->line.kind, NULL);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    world_note_disk(node);
}

void world_lose_disk(struct world_node *node, struct harm *harm)
{
    take_out(node, harm);
    enum err e = disk_wipe(node->disk);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    world_note_struck(node->world, harm);
    if (node->wanted)
        world_start(node->world, node->index);
}

void world_swap_disks(struct world_node *node, struct harm *harm)
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
    world_note_struck(world, harm);
    for (int i = 0; i < 2; i++)
        if ((i == 0 ? node : other)->wanted)
            world_start(world, (i == 0 ? node : other)->index);
}

bool world_back_up(struct world_node *node)
{
    struct disk_image *image;
    if (disk_image_take(node->disk, ".", &image) != ERR_NONE)
        return false;
    disk_image_free(node->backup);
    node->backup = image;
    return true;
}

void world_restore(struct world_node *node, struct harm *harm)
{
    if (node->backup == NULL)
        return;
    take_out(node, harm);
    enum err e = disk_image_put(node->disk, ".", node->backup);
    ASSERT(e == ERR_NONE); /* of the simulator itself, not of a node */
    world_note_struck(node->world, harm);
    if (node->wanted)
        world_start(node->world, node->index);
}
