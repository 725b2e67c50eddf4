/* primitives.c - what the prelude is made of: the few functions that reach from a script into the
 * world. */
#include <stdio.h>
#include "script/internal.h"

struct script *script_of(lua_State *lua)
{
    void *context;
    lua_getallocf(lua, &context);
    return context;
}

static struct script *booted(lua_State *lua)
{
    struct script *s = script_of(lua);
    if (s->node_count == 0)
        luaL_error(lua, "there is no Cluster; begin as local cluster = Cluster {}");
    if (s->only_claim)
        luaL_error(lua, "scenario \"...\" must stand before the first wait");
    if (!script_boot(s))
        luaL_error(lua, "%s", s->result->why);
    return s;
}

static struct script_node *node_at(lua_State *lua, int index)
{
    struct script *s = script_of(lua);
    lua_Integer id = luaL_checkinteger(lua, index);
    luaL_argcheck(lua, id >= 0 && id < s->node_count, index, "no such node");
    return &s->nodes[id];
}

static uint32_t id_at(lua_State *lua, int index)
{
    return (uint32_t)(node_at(lua, index) - script_of(lua)->nodes);
}

static int get_now(lua_State *lua)
{
    struct script *s = script_of(lua);
    lua_pushinteger(lua, s->stage == NULL ? 0 : script_stage_now(s->stage));
    return 1;
}

static int do_sleep(lua_State *lua)
{
    lua_Integer ns = luaL_checkinteger(lua, 1);
    struct script *s = booted(lua);
    luaL_argcheck(lua, ns >= 0, 1, "a time cannot be negative");
    luaL_argcheck(lua, ns <= INT64_MAX - script_stage_now(s->stage), 1, "no world lasts so long");
    s->sleep_ns_longest = MAX(s->sleep_ns_longest, ns);
    script_stage_call_at(s->stage, &s->running->call, script_stage_now(s->stage) + ns);
    return lua_yield(lua, 0);
}

static int do_spawn(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    struct script *s = booted(lua);
    lua_settop(lua, 1);
    if (script_spawn(s, lua) != ERR_NONE)
        return luaL_error(lua, "out of memory");
    return 0;
}

/* random(n [, name]): 1 to n. Each name is a stream of its own, beside the one without. */
static int draw(lua_State *lua)
{
    lua_Integer n = luaL_checkinteger(lua, 1);
    const char *name = luaL_optstring(lua, 2, "");
    luaL_argcheck(lua, n > 0, 1, "must be positive");
    lua_pushfstring(lua, "draws of %s", name);
    lua_pushvalue(lua, -1);
    lua_gettable(lua, LUA_REGISTRYINDEX);
    lua_Integer count = lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    lua_pushinteger(lua, count + 1);
    lua_settable(lua, LUA_REGISTRYINDEX);
    uint64_t stream = hash_combine(script_of(lua)->options->seed, hash_text("script"));
    if (name[0] != 0)
        stream = hash_combine(stream, hash_text(name));
    uint64_t bits = hash_combine(stream, (uint64_t)count);
    lua_pushinteger(lua, (lua_Integer)random_below(bits, (uint64_t)n) + 1);
    return 1;
}

static int set_claim(lua_State *lua)
{
    struct script *s = script_of(lua);
    const char *claim = luaL_checkstring(lua, 1);
    if (claim[0] == 0)
        return luaL_error(lua, "scenario: the claim is empty");
    if (strlen(claim) >= SCRIPT_CLAIM_MAX)
        return luaL_error(lua, "scenario: the claim is longer than %d bytes", SCRIPT_CLAIM_MAX - 1);
    snprintf(s->result->claim, sizeof s->result->claim, "%s", claim);
    /* Whoever wants the claim alone stops here. */
    if (s->only_claim)
        return luaL_error(lua, "claim");
    return 0;
}

/* The message and the one of those names that a person may have meant, if one is near. */
static int unknown_name(lua_State *lua, const char *what, const char *name,
                        const char *(*name_at)(int), int count)
{
    int best = script_near_limit(name);
    const char *nearest = NULL;
    for (int i = 0; i < count; i++) {
        int distance = text_distance(name, name_at(i));
        if (distance >= best)
            continue;
        best = distance;
        nearest = name_at(i);
    }
    if (nearest == NULL)
        return luaL_error(lua, "%s is called \"%s\"", what, name);
    return luaL_error(lua, "%s is called \"%s\"; did you mean \"%s\"?", what, name, nearest);
}

static const char *mark_at(int i)
{
    return trace_mark_texts[i];
}

static const char *row_at(int i)
{
    return trace_kinds[i].name;
}

static const char *fault_at(int i)
{
    return fault_kind_name((enum fault_kind)i);
}

static int set_must_reach(lua_State *lua)
{
    struct script *s = script_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    for (int i = 0; i < TRACE_MARK_COUNT; i++) {
        if (strcmp(trace_mark_texts[i], text) == 0) {
            s->result->must_reach[i] = true;
            return 0;
        }
    }
    return unknown_name(lua, "must_reach: no mark", text, mark_at, TRACE_MARK_COUNT);
}

/* broken(text, condition, found): an expect that failed. */
static int broken(lua_State *lua)
{
    struct script *s = script_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    const char *condition = luaL_checkstring(lua, 2);
    const char *found = luaL_checkstring(lua, 3);
    char place[SCRIPT_PLACE_MAX];
    script_place(lua, place, sizeof place);
    bool shown = condition[0] != 0, has_found = found[0] != 0;
    script_end(s, SCRIPT_BROKEN, "%s: %s%s%s%s%s%s", place, text, shown ? ": expect(" : "",
               condition, shown ? ")" : "", has_found ? " found " : "", found);
    lua_Debug ar;
    if (script_find_line(lua, &ar))
        script_end_place(s, ar.short_src, ar.currentline, condition, found);
    return lua_yield(lua, 0);
}

/* began(): the world has, and whoever is in it may run. */
static int has_begun(lua_State *lua)
{
    lua_pushboolean(lua, script_of(lua)->stage != NULL);
    return 1;
}

/* met(): an expect that held. */
static int note_met(lua_State *lua)
{
    script_of(lua)->has_met = true;
    return 0;
}

/* wrong_at(place, text): a mistake of a line that ran before. */
static int wrong_at(lua_State *lua)
{
    script_end(script_of(lua), SCRIPT_WRONG, "%s: %s", luaL_checkstring(lua, 1),
               luaL_checkstring(lua, 2));
    return lua_yield(lua, 0);
}

static int note_late(lua_State *lua)
{
    script_note_late(script_of(lua), luaL_checkstring(lua, 1));
    return 0;
}

/* not_late(): what it was, or nothing. */
static int take_late(lua_State *lua)
{
    char text[SCRIPT_LATE_MAX];
    if (!script_take_late(script_of(lua), text))
        return 0;
    lua_pushstring(lua, text);
    return 1;
}

static int stuck(lua_State *lua)
{
    script_end(script_of(lua), SCRIPT_STUCK, "%s", luaL_checkstring(lua, 1));
    return lua_yield(lua, 0);
}

static const struct world_program *program_of(const char *kind)
{
    static const struct world_program *const programs[] = {&script_broker, &script_producer,
                                                           &script_consumer, &script_admin};
    for (int i = 0; i < COUNT_OF(programs); i++) {
        if (strcmp(programs[i]->kind, kind) == 0)
            return programs[i];
    }
    return NULL;
}

/* A wrong key or value is a mistake of the script's line, and not of a node that does not start. */
static enum err check_args(const struct world_program *program, const char *args,
                           struct errmsg *msg)
{
    struct workload_config config;
    struct client_config client;
    if (program == &script_broker)
        return script_broker_check(bytes_text(args), msg);
    return script_workload_parse(bytes_text(args), &config, &client, msg);
}

static bool name_is_taken(const struct script *s, const char *name)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (strcmp(s->nodes[i].name, name) == 0)
            return true;
    }
    return false;
}

/* False: the message says why not. */
static bool add_to_stage(struct script *s, struct script_node *node, struct errmsg *msg)
{
    if (!script_stage_add_node(s->stage, node->program, node->name, bytes_text(node->args), msg))
        return false;
    node->added = true;
    return true;
}

/* node(kind, name, args): its number. */
static int add_node(lua_State *lua)
{
    struct script *s = script_of(lua);
    const struct world_program *program = program_of(luaL_checkstring(lua, 1));
    const char *name = luaL_checkstring(lua, 2);
    const char *args = luaL_checkstring(lua, 3);
    if (s->node_count == SCRIPT_NODES_MAX)
        return luaL_error(lua, "more than %d nodes", SCRIPT_NODES_MAX);
    if (program == NULL || strlen(name) >= WORLD_NAME_MAX || strlen(args) >= SCRIPT_ARGS_MAX)
        return luaL_error(lua, "node %s: its name or its options are too long", name);
    if (!fault_name_is_good(bytes_text(name)))
        return luaL_error(lua,
                          "\"%s\" is no name of a node: a letter, then letters, digits, '.', '_' "
                          "and '-'",
                          name);
    if (name_is_taken(s, name))
        return luaL_error(lua, "two nodes are called %s", name);
    struct errmsg msg = {{0}};
    if (check_args(program, args, &msg) != ERR_NONE)
        return luaL_error(lua, "%s: %s", name, msg.text);
    struct script_node *node = &s->nodes[s->node_count];
    node->program = program;
    snprintf(node->name, sizeof node->name, "%s", name);
    snprintf(node->args, sizeof node->args, "%s", args);
    if (s->stage != NULL && !add_to_stage(s, node, &msg))
        return luaL_error(lua, "node %s: %s", name, msg.text);
    lua_pushinteger(lua, s->node_count++);
    return 1;
}

static int start_node(lua_State *lua)
{
    struct script *s = booted(lua);
    uint32_t id = id_at(lua, 1);
    script_stage_start(s->stage, id);
    return 0;
}

static int stop_node(lua_State *lua)
{
    struct script *s = booted(lua);
    script_stage_stop(s->stage, id_at(lua, 1));
    return 0;
}

static int is_alive(lua_State *lua)
{
    struct script *s = booted(lua);
    lua_pushboolean(lua, script_stage_is_alive(s->stage, id_at(lua, 1)));
    return 1;
}

static int count_lives(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)node_at(lua, 1)->lives);
    return 1;
}

static int is_ready(lua_State *lua)
{
    lua_pushboolean(lua, node_at(lua, 1)->ready);
    return 1;
}

static int is_done(lua_State *lua)
{
    lua_pushboolean(lua, node_at(lua, 1)->done);
    return 1;
}

static int is_offline(lua_State *lua)
{
    lua_pushboolean(lua, node_at(lua, 1)->offline);
    return 1;
}

static int what_said(lua_State *lua)
{
    const struct script_node *node = node_at(lua, 1);
    lua_pushlstring(lua, node->said, node->said_size);
    return 1;
}

/* ERR_INVALID, with a message: why a script may not say so. */
static enum err check_harm(const struct script *s, const struct fault_line *line,
                           struct errmsg *msg)
{
    if (line->kind == FAULT_RATE || line->kind == FAULT_FAIL)
        return errmsg_set(msg, ERR_INVALID,
                          "attempts are counted from the start, so this stands in a plan: plan [[ "
                          "at 2s ... ]]");
    return script_check_harm(s, line, msg);
}

/* Harm that is done at once or not at all; a replay leaves out what was not done. */
static bool misses(const struct script *s, const struct fault_line *line, int32_t fired)
{
    bool at_once = (FAULT_AT_REST >> line->kind & 1) != 0;
    return at_once && !s->options->plan_only && script_stage_fired(s->stage)->count == fired;
}

static int do_harm(lua_State *lua)
{
    const char *text = luaL_checkstring(lua, 1);
    struct script *s = booted(lua);
    struct fault_line line;
    struct fault_names names;
    struct errmsg msg = {{0}};
    script_node_names(s, &names);
    lua_pushfstring(lua, "at 0s %s", text);
    enum err e = fault_line_parse_named(&line, bytes_text(lua_tostring(lua, -1)), &names, &msg);
    if (e == ERR_NONE)
        e = check_harm(s, &line, &msg);
    if (e != ERR_NONE)
        return luaL_error(lua, "harm \"%s\": %s", text, msg.text);
    if (++s->harm_count > FAULT_PLAN_LINES_MAX)
        return luaL_error(lua, "harm: more than %d times", FAULT_PLAN_LINES_MAX);
    int32_t fired = script_stage_fired(s->stage)->count;
    script_stage_harm(s->stage, &line);
    if (misses(s, &line, fired))
        return luaL_error(lua, "harm \"%s\": no disk has %s", text,
                          line.kind == FAULT_DISK_VANISH    ? "a file or directory called so"
                          : line.kind == FAULT_DISK_RESTORE ? "been backed up"
                                                            : "that byte durably");
    return 0;
}

static int write_plan(lua_State *lua)
{
    struct script *s = script_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    struct errmsg msg = {{0}};
    if (s->stage != NULL)
        return luaL_error(lua, "plan: must stand before the first wait");
    if (s->written.count > 0)
        return luaL_error(lua, "plan: a scenario has one");
    script_place(lua, s->written_place, sizeof s->written_place);
    enum err e = fault_plan_parse(&s->written, bytes_text(text), &msg);
    if (e != ERR_NONE)
        return luaL_error(lua, "plan: %s", msg.text[0] != 0 ? msg.text : err_text(e));
    if (s->written.count == 0)
        return luaL_error(lua, "plan: it has no line");
    return 0;
}

/* strangers(): whoever a plan speaks of is there by now, or it is a mistake; and what it says has
 * come, or nothing was shown. */
static int check_strangers(lua_State *lua)
{
    struct script *s = script_of(lua);
    script_note_unplayed(s);
    const char *name = script_plan_stranger(s);
    if (name == NULL)
        return 0;
    script_end(s, SCRIPT_WRONG, "%s: the plan speaks of %s, and no node is called so",
               s->options->plan == NULL ? s->written_place : "--plan", name);
    return lua_yield(lua, 0);
}

static int do_heal(lua_State *lua)
{
    script_stage_heal(booted(lua)->stage);
    return 0;
}

/* heal_core(nodes): their numbers. */
static int do_heal_core(lua_State *lua)
{
    struct script *s = booted(lua);
    uint64_t core = 0;
    luaL_checktype(lua, 1, LUA_TTABLE);
    for (lua_Integer i = 1; lua_geti(lua, 1, i) != LUA_TNIL; i++) {
        core |= fault_node(id_at(lua, -1));
        lua_pop(lua, 1);
    }
    script_stage_heal_core(s->stage, core);
    return 0;
}

static int after_command(lua_State *lua, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    struct task *task = script_of(lua)->running;
    task->command = 0;
    if (!task->replied)
        return 0;
    lua_pushlstring(lua, task->reply, task->reply_size);
    return 1;
}

/* command(node, text [, wait_ns]): its reply, or nothing when none came. */
static int do_command(lua_State *lua)
{
    struct script *s = booted(lua);
    uint32_t id = id_at(lua, 1);
    size_t size;
    const char *text = luaL_checklstring(lua, 2, &size);
    lua_Integer wait = luaL_optinteger(lua, 3, SCRIPT_COMMAND_WAIT_NS);
    if (!script_stage_command(s->stage, id, ++s->last_command, bytes_of(text, size)))
        return 0;
    s->running->command = s->last_command;
    s->running->replied = false;
    script_stage_call_at(s->stage, &s->running->call, script_stage_now(s->stage) + wait);
    return lua_yieldk(lua, 0, 0, after_command);
}

static int set_contract(lua_State *lua)
{
    struct script *s = script_of(lua);
    s->contract.durable_acks = lua_toboolean(lua, 1);
    s->contract.hostile_clients = lua_toboolean(lua, 2);
    s->contract.voter_count = (int32_t)luaL_checkinteger(lua, 3);
    s->without_brokers = lua_toboolean(lua, 4);
    return 0;
}

/* service_level(send, read): 0 leaves what was. */
static int set_service_level(lua_State *lua)
{
    struct script *s = script_of(lua);
    lua_Integer send_ns = luaL_checkinteger(lua, 1), read_ns = luaL_checkinteger(lua, 2);
    if (s->check != NULL)
        return luaL_error(lua, "service_level: it stands before the first wait");
    s->contract.send_ns = send_ns > 0 ? send_ns : s->contract.send_ns;
    s->contract.read_ns = read_ns > 0 ? read_ns : s->contract.read_ns;
    return 0;
}

/* leave_out(topic, partition) */
static int leave_out(lua_State *lua)
{
    struct script *s = booted(lua);
    const char *topic = luaL_checkstring(lua, 1);
    lua_Integer partition = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, partition >= 0 && partition < WORKLOAD_PARTITIONS_MAX, 2, "no partition");
    if (check_leave_out(s->check, trace_partition(topic, (int32_t)partition)) != ERR_NONE)
        return luaL_error(lua, "out of memory");
    s->has_left_out = true;
    return 0;
}

/* time_limit(ns): the run is stuck when it has not ended by then. */
static int set_time_limit(lua_State *lua)
{
    struct script *s = script_of(lua);
    lua_Integer ns = luaL_checkinteger(lua, 1);
    if (s->stage != NULL)
        return luaL_error(lua, "time_limit: must stand before the first wait");
    if (ns <= 0)
        return luaL_error(lua, "time_limit: no run ends in no time");
    s->time_max_ns = ns;
    return 0;
}

/* split(n): the n-th of random, bytes, none. */
static int set_split(lua_State *lua)
{
    static const enum net_split ways[] = {NET_SPLIT_RANDOM, NET_SPLIT_BYTES, NET_SPLIT_NONE};
    lua_Integer way = luaL_checkinteger(lua, 1);
    struct script *s = script_of(lua);
    luaL_argcheck(lua, way >= 1 && way <= COUNT_OF(ways), 1, "no such way");
    if (s->stage != NULL)
        return luaL_error(lua, "split: must stand before the first wait");
    s->split = ways[way - 1];
    return 0;
}

/* Lists what there is where no name is near. */
static int unknown_fault(lua_State *lua, const char *name)
{
    struct errmsg list = {{0}};
    size_t at = 0;
    int best = script_near_limit(name);
    bool near = false;
    for (int i = 0; i < FAULT_KIND_COUNT; i++) {
        near |= text_distance(name, fault_at(i)) < best;
        if (i != FAULT_FAIL && at < sizeof list.text)
            at += (size_t)snprintf(list.text + at, sizeof list.text - at, "%s%s",
                                   at == 0 ? "" : ", ", fault_at(i));
    }
    if (near)
        return unknown_name(lua, "swarm: no fault", name, fault_at, FAULT_KIND_COUNT);
    return luaL_error(lua, "swarm: no fault is called \"%s\"; there are %s", name, list.text);
}

/* The kinds that a list of their names holds. */
static uint64_t kinds_at(lua_State *lua, int index)
{
    uint64_t kinds = 0;
    luaL_checktype(lua, index, LUA_TTABLE);
    for (lua_Integer i = 1; lua_geti(lua, index, i) != LUA_TNIL; i++) {
        const char *name = luaL_checkstring(lua, -1);
        int kind = 0;
        while (kind < FAULT_KIND_COUNT && strcmp(fault_kind_name((enum fault_kind)kind), name) != 0)
            kind++;
        if (kind == FAULT_KIND_COUNT)
            unknown_fault(lua, name);
        kinds |= 1ull << kind;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return kinds;
}

static int set_swarm(lua_State *lua)
{
    struct script *s = script_of(lua);
    if (s->stage != NULL)
        return luaL_error(lua, "swarm: must stand before the first wait");
    s->swarm_from_ns = luaL_checkinteger(lua, 1);
    s->swarm_until_ns = luaL_checkinteger(lua, 2);
    if (s->has_swarm)
        return luaL_error(lua, "swarm: a scenario has one");
    if (s->swarm_from_ns < 0 || s->swarm_until_ns <= s->swarm_from_ns)
        return luaL_error(lua, "swarm: until (30 s) must stand behind from (1 s)");
    uint64_t only = kinds_at(lua, 3);
    if ((only & FAULT_BIT(FAIL)) != 0)
        return luaL_error(lua, "swarm: fail names one attempt, which nobody draws; say it in a "
                               "plan [[ ... ]]");
    s->swarm_kinds = (only != 0 ? only : FAULT_SURVIVABLE) & ~kinds_at(lua, 4);
    if (s->swarm_kinds == 0)
        return luaL_error(lua, "swarm: only and without leave no fault to draw");
    s->swarm_intact = luaL_checkinteger(lua, 5);
    s->has_swarm = true;
    return 0;
}

static int count_rows(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 1);
    for (int i = 0; i < TRACE_KIND_COUNT; i++) {
        if (strcmp(trace_kinds[i].name, name) == 0) {
            lua_pushinteger(lua, (lua_Integer)script_of(lua)->row_count[i]);
            return 1;
        }
    }
    return unknown_name(lua, "rows: no kind of row", name, row_at, TRACE_KIND_COUNT);
}

static int count_mark(lua_State *lua)
{
    const char *text = luaL_checkstring(lua, 1);
    const struct stage *stage = booted(lua)->stage;
    for (int i = 0; i < TRACE_MARK_COUNT; i++) {
        if (strcmp(trace_mark_texts[i], text) == 0) {
            lua_pushinteger(lua, (lua_Integer)script_stage_mark_count(stage, (enum trace_mark)i));
            return 1;
        }
    }
    return unknown_name(lua, "reached: no mark", text, mark_at, TRACE_MARK_COUNT);
}

static int get_counts(lua_State *lua)
{
    const struct check_counts *c = check_counts(booted(lua)->check);
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"sent", c->sent},
                  {"acked", c->acked},
                  {"failed", c->failed},
                  {"unknown", c->unknown},
                  {"read", c->read},
                  {"lost_allowed", c->lost_allowed},
                  {"twice_allowed", c->twice_allowed},
                  {"recovered", c->recovered},
                  {"elections", c->elections},
                  {"images_compared", c->images_compared},
                  {"images_replayed", c->images_replayed}};
    lua_newtable(lua);
    for (int i = 0; i < COUNT_OF(fields); i++) {
        lua_pushinteger(lua, (lua_Integer)fields[i].value);
        lua_setfield(lua, -2, fields[i].name);
    }
    return 1;
}

/* took(what, percent): nil where there was none. */
static int get_took(lua_State *lua)
{
    static const char *const names[] = {"send", "sync", NULL};
    int what = luaL_checkoption(lua, 1, NULL, names);
    lua_Integer percent = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, percent >= 1 && percent <= 100, 2, "1 to 100");
    int64_t ns = check_took(booted(lua)->check, (enum check_time)what, (int)percent);
    if (ns < 0)
        return 0;
    lua_pushinteger(lua, ns);
    return 1;
}

/* leader(topic, partition): the number of the node that led it last, whether it does so now, and
 * the leader epoch; nothing, where nobody has. */
static int find_leader(lua_State *lua)
{
    const char *topic = luaL_checkstring(lua, 1);
    lua_Integer partition = luaL_checkinteger(lua, 2);
    const struct view *view = booted(lua)->view;
    struct view_leader leader =
        script_view_leader(view, trace_partition(topic, (int32_t)partition));
    if (!script_view_is_whole(view))
        return luaL_error(lua, "no memory for what the cluster looks like");
    if (leader.node == VIEW_NOBODY)
        return 0;
    lua_pushinteger(lua, leader.node);
    lua_pushboolean(lua, leader.leads);
    lua_pushinteger(lua, leader.leader_epoch);
    return 3;
}

/* state(topic, partition): the broker that the metadata log has leading it (-1: none), those in
 * sync, and those eligible, a bit each; nothing, where nobody has said. */
static int find_state(lua_State *lua)
{
    const char *topic = luaL_checkstring(lua, 1);
    lua_Integer partition = luaL_checkinteger(lua, 2);
    const struct view *view = booted(lua)->view;
    struct view_state state = script_view_state(view, trace_partition(topic, (int32_t)partition));
    if (!script_view_is_whole(view))
        return luaL_error(lua, "no memory for what the cluster looks like");
    if (state.partition_epoch < 0)
        return 0;
    lua_pushinteger(lua, state.leader);
    lua_pushinteger(lua, (lua_Integer)state.isr);
    lua_pushinteger(lua, (lua_Integer)state.elr);
    return 3;
}

/* serves(broker): by its id, as the metadata log has it. */
static int does_serve(lua_State *lua)
{
    lua_pushboolean(lua, script_view_serves(booted(lua)->view, luaL_checkinteger(lua, 1)));
    return 1;
}

/* controller(): likewise of the metadata quorum. */
static int find_controller(lua_State *lua)
{
    struct script *s = script_of(lua);
    if (s->stage == NULL)
        return 0;
    struct view_controller controller = script_view_controller(s->view);
    if (controller.node == VIEW_NOBODY)
        return 0;
    lua_pushinteger(lua, controller.node);
    lua_pushboolean(lua, controller.leads);
    lua_pushinteger(lua, controller.epoch);
    return 3;
}

/* committed(node): an offset of the metadata log, or -1. */
static int find_committed(lua_State *lua)
{
    lua_pushinteger(lua, script_view_committed(booted(lua)->view, id_at(lua, 1)));
    return 1;
}

/* role(node): "leader", or nothing. */
static int find_role(lua_State *lua)
{
    int32_t role = script_view_role(booted(lua)->view, id_at(lua, 1));
    if (role < 0 || role >= CHECK_ROLE_COUNT)
        return 0;
    lua_pushstring(lua, check_role_names[role]);
    return 1;
}

/* What a script prints goes where its trace goes: into the rows of no node. */
static int do_print(lua_State *lua)
{
    struct script *s = script_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    if (s->options->print != NULL)
        s->options->print(s->options->print_context,
                          s->stage == NULL ? 0 : script_stage_now(s->stage), text);
    return 0;
}

void script_add_primitives(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"now", get_now},
                                         {"sleep", do_sleep},
                                         {"spawn", do_spawn},
                                         {"random", draw},
                                         {"claim", set_claim},
                                         {"must_reach", set_must_reach},
                                         {"broken", broken},
                                         {"met", note_met},
                                         {"began", has_begun},
                                         {"stuck", stuck},
                                         {"wrong_at", wrong_at},
                                         {"late", note_late},
                                         {"not_late", take_late},
                                         {"plan", write_plan},
                                         {"strangers", check_strangers},
                                         {"node", add_node},
                                         {"start", start_node},
                                         {"stop", stop_node},
                                         {"alive", is_alive},
                                         {"lives", count_lives},
                                         {"ready", is_ready},
                                         {"done", is_done},
                                         {"offline", is_offline},
                                         {"said", what_said},
                                         {"harm", do_harm},
                                         {"heal", do_heal},
                                         {"heal_core", do_heal_core},
                                         {"command", do_command},
                                         {"contract", set_contract},
                                         {"service_level", set_service_level},
                                         {"leave_out", leave_out},
                                         {"split", set_split},
                                         {"swarm", set_swarm},
                                         {"time_limit", set_time_limit},
                                         {"rows", count_rows},
                                         {"reached", count_mark},
                                         {"leader", find_leader},
                                         {"state", find_state},
                                         {"serves", does_serve},
                                         {"controller", find_controller},
                                         {"committed", find_committed},
                                         {"role", find_role},
                                         {"counts", get_counts},
                                         {"took", get_took},
                                         {"print", do_print},
                                         {NULL, NULL}};
    luaL_setfuncs(lua, functions, 0);
}
