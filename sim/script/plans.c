/* plans.c - plans of faults around a script: those that its text holds, the one its swarm draws,
 * and the one it is given instead. Plans speak of nodes by name; here names become the world's
 * numbers. */
#include <stdio.h>
#include "script/internal.h"

/* And a number, as the prelude names them. */
#define BROKER_NAME "broker"
#define CONTROLLER_NAME "controller"

/* Names of the nodes so far, in the order of their numbers. */
void script_node_names(const struct script *s, struct fault_names *names)
{
    *names = (struct fault_names){.open = false};
    for (uint32_t i = 0; i < s->node_count; i++) {
        enum err e = fault_names_add(names, bytes_text(s->nodes[i].name));
        ASSERT(e == ERR_NONE); /* a node's name is looked at when it is added */
    }
}

static bool has_disk(const struct script *s, uint32_t node)
{
    return node >= s->node_count || s->nodes[node].program == &script_broker;
}

/* One of them is a broker, or may be. */
static bool serves(const struct script *s, uint64_t nodes)
{
    for (uint32_t i = 0; i < FAULT_NODES_MAX; i++)
        if ((nodes & fault_node(i)) != 0 && has_disk(s, i))
            return true;
    return false;
}

static bool is_of_disk(const struct fault_line *line)
{
    const char *name = fault_kind_name(line->kind);
    if (line->kind == FAULT_RATE || line->kind == FAULT_FAIL)
        name = fault_site_name((enum fault_site)line->param[FAULT_P_SITE]);
    return strncmp(name, "disk", 4) == 0;
}

enum err script_check_harm(const struct script *s, const struct fault_line *line,
                           struct errmsg *msg)
{
    int64_t with = line->param[FAULT_P_WITH];
    bool on_link = fault_kind_target(line->kind) == FAULT_ON_LINK;
    if (on_link && line->it == 0 && !serves(s, line->from) && !serves(s, line->to))
        return errmsg_set(
            msg, ERR_INVALID, "%s and %s have no connection: both speak with brokers alone",
            s->nodes[__builtin_ctzll(line->from)].name, s->nodes[__builtin_ctzll(line->to)].name);
    if (line->kind == FAULT_DISK_SWAP && (line->nodes >> with & 1) != 0)
        return errmsg_set(msg, ERR_INVALID, "with= must be another node");
    for (uint32_t i = 0; is_of_disk(line) && i < s->node_count; i++) {
        bool harmed = (line->nodes & fault_node(i)) != 0;
        harmed |= line->kind == FAULT_DISK_SWAP && with == i;
        if (harmed && !has_disk(s, i))
            return errmsg_set(msg, ERR_INVALID, "%s has no disk; only brokers have one",
                              s->nodes[i].name);
    }
    return ERR_NONE;
}

/* Where each node of from's names is in this script's world. Nodes that come later have the numbers
 * behind those that are there, in the order of the plan's list. */
static void find_numbers(const struct script *s, const struct fault_names *from,
                         uint32_t number[FAULT_NODES_MAX])
{
    struct fault_names known;
    uint32_t next = s->node_count;
    script_node_names(s, &known);
    for (int32_t i = 0; i < from->count; i++) {
        if (fault_names_find(&known, bytes_text(from->name[i]), &number[i]))
            continue;
        number[i] = MIN(next, FAULT_NODES_MAX - 1);
        next++;
    }
}

static uint64_t renumbered(uint64_t nodes, const uint32_t number[FAULT_NODES_MAX])
{
    uint64_t to = 0;
    if (nodes == FAULT_OTHERS)
        return nodes;
    for (uint32_t i = 0; i < FAULT_NODES_MAX; i++)
        to |= (nodes & fault_node(i)) != 0 ? fault_node(number[i]) : 0;
    return to;
}

static void renumber(struct fault_line *line, const uint32_t number[FAULT_NODES_MAX])
{
    line->nodes = renumbered(line->nodes, number);
    line->from = renumbered(line->from, number);
    line->to = renumbered(line->to, number);
    if (line->kind == FAULT_DISK_SWAP)
        line->param[FAULT_P_WITH] = number[line->param[FAULT_P_WITH]];
}

/* Adds the lines of from, whose nodes are numbers of the world then. */
static enum err add_lines(const struct script *s, const struct fault_plan *from,
                          struct fault_plan *to)
{
    uint32_t number[FAULT_NODES_MAX];
    enum err e = ERR_NONE;
    if (from->named)
        find_numbers(s, &from->names, number);
    for (int32_t i = 0; i < from->count && e == ERR_NONE; i++) {
        struct fault_line line = from->lines[i];
        if (from->named)
            renumber(&line, number);
        e = fault_plan_add(to, &line);
    }
    return e;
}

/* The nodes that its lines are about. */
static uint64_t nodes_of(const struct fault_plan *plan)
{
    uint64_t nodes = 0;
    for (int32_t i = 0; i < plan->count; i++) {
        nodes |= fault_line_nodes(&plan->lines[i]);
    }
    return nodes;
}

/* A node that the plan speaks of and nobody has added so far, among the names that may_be takes. */
static const char *find_stranger(const struct script *s, bool (*may_be)(const char *name))
{
    struct fault_names known;
    const struct fault_plan *given = s->options->plan;
    const struct fault_plan *plan = given == NULL ? &s->written : given;
    uint64_t used = plan->named ? nodes_of(plan) : 0;
    script_node_names(s, &known);
    for (int32_t i = 0; i < plan->names.count; i++) {
        uint32_t node;
        const char *name = plan->names.name[i];
        if ((used & fault_node((uint32_t)i)) != 0 && may_be(name) &&
            !fault_names_find(&known, bytes_text(name), &node))
            return name;
    }
    return NULL;
}

static bool is_numbered(const char *name, const char *kind)
{
    size_t head = strlen(kind);
    return strncmp(name, kind, head) == 0 && name[head] != 0 &&
           name[head + strspn(name + head, "0123456789")] == 0;
}

/* "broker2": clients may still come, servers are all there when the world begins. */
static bool is_named_as_a_server(const char *name)
{
    return is_numbered(name, BROKER_NAME) || is_numbered(name, CONTROLLER_NAME);
}

/* The lines of the script's own text, which must be able to strike. */
static bool add_written(struct script *s)
{
    const char *stranger = find_stranger(s, is_named_as_a_server);
    if (stranger != NULL) {
        script_end(s, SCRIPT_WRONG, "%s: the plan speaks of %s, and no node is called so",
                   s->written_place, stranger);
        return false;
    }
    int32_t from = s->plan.count;
    struct errmsg msg = {{0}};
    struct text text;
    if (add_lines(s, &s->written, &s->plan) != ERR_NONE) {
        script_end(s, SCRIPT_INCONCLUSIVE, "no memory for the plan");
        return false;
    }
    for (int32_t i = from; i < s->plan.count; i++) {
        if (script_check_harm(s, &s->plan.lines[i], &msg) == ERR_NONE)
            continue;
        text_init(&text, s->mem);
        fault_line_print(&s->written.lines[i - from], &s->written.names, &text);
        script_end(s, SCRIPT_WRONG, "%s: plan: \"%s\": %s", s->written_place,
                   text.failed ? "" : text.data, msg.text);
        text_free(&text);
        return false;
    }
    return true;
}

/* A script's nodes that serve may be harmed themselves; the links of all may. */
static enum err draw_swarm(struct script *s)
{
    struct fault_swarm swarm = {.seed = s->options->seed,
                                .kinds = s->swarm_kinds,
                                .start_ns = s->swarm_from_ns,
                                .end_ns = s->swarm_until_ns};
    for (uint32_t i = 0; i < s->node_count; i++) {
        swarm.nodes |= fault_node(i);
        const struct world_program *program = s->nodes[i].program;
        if (program == &script_broker)
            swarm.servers |= fault_node(i);
        else if (program != &script_admin)
            swarm.clients |= fault_node(i);
    }
    int brokers = __builtin_popcountll(swarm.servers);
    swarm.intact = s->swarm_intact < 0 ? brokers > 1 : (int32_t)MIN(s->swarm_intact, brokers);
    return fault_plan_draw(&s->plan, &swarm);
}

bool script_make_plan(struct script *s)
{
    ASSERT(s->plan.count == 0);
    ASSERT(s->stage == NULL);
    const struct fault_plan *given = s->options->plan;
    enum err e = ERR_NONE;
    if (given != NULL)
        e = add_lines(s, given, &s->plan);
    else if (s->has_swarm)
        e = draw_swarm(s);
    if (e == ERR_NONE && given == NULL && s->written.count > 0) {
        if (!add_written(s))
            return false;
        e = fault_plan_sort(&s->plan);
    }
    if (e != ERR_NONE)
        script_end(s, SCRIPT_INCONCLUSIVE, "no memory for the plan");
    return e == ERR_NONE;
}

static bool is_any(const char *name)
{
    (void)name;
    return true;
}

const char *script_plan_stranger(const struct script *s)
{
    return find_stranger(s, is_any);
}

void script_copy_plan(const struct script *s, struct fault_plan *to, const struct fault_plan *from)
{
    to->named = true;
    script_node_names(s, &to->names);
    to->names.open = true;
    for (int32_t i = 0; i < from->count; i++) {
        if (fault_plan_add(to, &from->lines[i]) != ERR_NONE) {
            to->truncated = true;
            return;
        }
    }
    to->truncated = from->truncated;
}
