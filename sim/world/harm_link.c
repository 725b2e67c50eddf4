/* harm_link.c - harm to links: the sides of a line are sets of nodes, and every pair of them is a
 * link. */
#include "world/inside.h"

#define BANDWIDTH 65536   /* bytes a second, where a line does not say */
#define DELAY_NS 20000000 /* likewise */

/* That link is one of the line's, in that direction. */
static bool is_pair(const struct fault_line *line, uint32_t from, uint32_t to)
{
    uint64_t a = fault_node(from), b = fault_node(to);
    bool apart = line->from == FAULT_OTHERS ? (line->to & a) == 0 : (line->from & b) == 0;
    return apart && (line->from & a) != 0 && (line->to & b) != 0;
}

static bool is_on_link(const struct harm *other, const struct harm *harm, uint32_t from,
                       uint32_t to)
{
    const struct fault_line *line = &other->line;
    bool back = !line->one_way && is_pair(line, to, from);
    (void)harm;
    return other->node_count > MAX(from, to) && !other->rests && (is_pair(line, from, to) || back);
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
    const struct harm *other = ends ? world_still_holding(world, harm, is_on_link, from, to) : NULL;
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

static void strike_pair(struct world *world, struct harm *harm, uint32_t from, uint32_t to,
                        bool ends)
{
    const struct fault_line *line = &harm->line;
    switch (line->kind) {
    case FAULT_RESET:
        net_reset_link(world->net, from, to);
        return;
    case FAULT_HALF_OPEN:
        net_half_open(world->net, from, to);
        return;
    case FAULT_DUPLICATE:
        net_duplicate(world->net, from, to);
        return;
    default:
        change_link(world, harm, from, to, ends);
        if (!line->one_way)
            change_link(world, harm, to, from, ends);
    }
}

/* Of the nodes that there were when it began. */
void world_strike_links(struct world *world, struct harm *harm, bool ends)
{
    for (uint32_t from = 0; from < harm->node_count; from++)
        for (uint32_t to = 0; to < harm->node_count; to++)
            if (is_pair(&harm->line, from, to))
                strike_pair(world, harm, from, to, ends);
}

void world_slow_reader(struct world_node *node, int64_t bytes_per_s)
{
    struct world *world = node->world;
    node->inbound_bytes_per_s = bytes_per_s < 0 ? BANDWIDTH : bytes_per_s;
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
