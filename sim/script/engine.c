/* engine.c - runs one script to one verdict: its tasks in virtual time, its world, and the check
 * that watches it. */
#include <stdio.h>
#include "script/internal.h"

#define HOUR_NS (3600ll * 1000000000)

const char *script_verdict_name(enum script_verdict verdict)
{
    switch (verdict) {
    case SCRIPT_HELD:
        return "held";
    case SCRIPT_BROKEN:
        return "BROKEN";
    case SCRIPT_INCONCLUSIVE:
        return "inconclusive";
    case SCRIPT_STUCK:
        return "STUCK";
    case SCRIPT_WRONG:
        return "WRONG SCRIPT";
    case SCRIPT_CRASHED:
        return "CRASHED";
    }
    UNREACHABLE();
}

/* The first end counts; nothing after it can be trusted to mean anything. */
void script_end(struct script *s, enum script_verdict verdict, const char *format, ...)
{
    if (s->ended)
        return;
    s->ended = true;
    s->result->verdict = verdict;
    va_list args;
    va_start(args, format);
    vsnprintf(s->result->why, sizeof s->result->why, format, args);
    va_end(args);
    if (verdict != SCRIPT_HELD)
        script_own_finding(s, verdict, s->result->why);
    if (s->stage != NULL)
        script_stage_halt(s->stage);
}

/* ---- tasks ---- */

static enum err spawn_prelude(struct script *s, const char *name) MUST_USE;

static void end_task(struct task *task)
{
    struct script *s = task->script;
    luaL_unref(s->lua, LUA_REGISTRYINDEX, task->ref);
    list_remove(&task->link);
    mem_free(s->mem, task);
}

static void start_finish(struct script *s)
{
    s->finishing = true;
    if (s->options->heard != NULL)
        s->options->heard(s->options->heard_context,
                          s->stage == NULL ? 0 : script_stage_now(s->stage), "", "");
    /* A script that waits for nothing has no world yet. */
    if (s->only_claim || !script_boot(s))
        return;
    if (spawn_prelude(s, "finish") != ERR_NONE)
        script_end(s, SCRIPT_INCONCLUSIVE, "out of memory");
}

/* Whether the script itself has anything left to do. */
static bool has_task(const struct script *s)
{
    LIST_EACH (task, &s->tasks, struct task, link) {
        if (!task->own)
            return true;
    }
    return false;
}

static void after_task(struct script *s)
{
    if (s->ended)
        return;
    if (s->finishing && list_empty(&s->tasks))
        script_end(s, SCRIPT_HELD, "%s", "");
    if (!s->finishing && !has_task(s))
        start_finish(s);
}

static int steps_max(const struct script *s)
{
    return s->only_claim ? SCRIPT_CLAIM_INSTRUCTIONS_MAX : SCRIPT_INSTRUCTIONS_MAX;
}

/* From here on every step is one too many, so that no pcall outlives it. */
static void on_steps(lua_State *lua, lua_Debug *ar)
{
    struct script *s = script_of(lua);
    (void)ar;
    lua_sethook(lua, on_steps, LUA_MASKCOUNT, 1);
    if (s->spent != NULL)
        luaL_error(lua, "%s", s->spent);
    luaL_error(lua, "more than %d steps without a wait", steps_max(s));
}

void script_spend(struct script *s, const char *text)
{
    ASSERT(s->running != NULL);
    s->spent = text;
    lua_sethook(s->running->co, on_steps, LUA_MASKCOUNT, 1);
}

bool script_find_line(lua_State *lua, lua_Debug *ar)
{
    for (int level = 0; lua_getstack(lua, level, ar) != 0; level++) {
        lua_getinfo(lua, "Sl", ar);
        if (ar->source[0] == '@' && ar->currentline > 0)
            return true;
    }
    return false;
}

void script_place(lua_State *lua, char *place, size_t size)
{
    lua_Debug ar;
    if (script_find_line(lua, &ar))
        snprintf(place, size, "%s:%d", ar.short_src, ar.currentline);
    else
        snprintf(place, size, "the script");
}

/* Behind "prelude.lua:12: ", which tells a person nothing. */
static const char *without_prelude(const char *text)
{
    static const char *const own[] = {
        "prelude.lua:", "closed.lua:", "checks.lua:", "expect.lua:", "transcript.lua:"};
    for (int i = 0; i < COUNT_OF(own); i++) {
        size_t size = strlen(own[i]);
        if (strncmp(text, own[i], size) != 0)
            continue;
        size_t digits = strspn(text + size, "0123456789");
        return strncmp(text + size + digits, ": ", 2) == 0 ? text + size + digits + 2 : text;
    }
    return text;
}

/* "bad argument #2 to 'raw_format' (number expected, got string)" speaks of the engine; "format:
 * argument 2: number expected, got string" of what was written. */
static const char *in_plain_words(const char *text, char out[SCRIPT_TEXT_MAX])
{
    static const char head[] = "bad argument #", own[] = "raw_";
    const char *at = strstr(text, head);
    if (at == NULL)
        return text;
    const char *number = at + strlen(head);
    int digits = (int)strspn(number, "0123456789");
    const char *name = number + digits + strlen(" to '");
    const char *quote = strncmp(number + digits, " to '", 5) == 0 ? strchr(name, '\'') : NULL;
    size_t size = strlen(text);
    if (quote == NULL || strncmp(quote, "' (", 3) != 0 || text[size - 1] != ')')
        return text;
    name += strncmp(name, own, strlen(own)) == 0 ? strlen(own) : 0;
    snprintf(out, SCRIPT_TEXT_MAX, "%.*s%.*s: argument %.*s: %.*s", (int)(at - text), text,
             (int)(quote - name), name, digits, number, (int)(text + size - quote - 4), quote + 3);
    return out;
}

static void end_wrong(struct script *s, lua_State *co)
{
    lua_Debug ar;
    char plain[SCRIPT_TEXT_MAX];
    const char *text = lua_tostring(co, -1);
    text = text == NULL ? "an error without a text" : in_plain_words(without_prelude(text), plain);
    bool found = script_find_line(co, &ar);
    if (found && strncmp(text, ar.short_src, strlen(ar.short_src)) != 0)
        script_end(s, SCRIPT_WRONG, "%s:%d: %s", ar.short_src, ar.currentline, text);
    else
        script_end(s, SCRIPT_WRONG, "%s", text);
    if (found)
        script_end_place(s, ar.short_src, ar.currentline, NULL, NULL);
}

static void resume(struct task *task, int arg_count)
{
    struct script *s = task->script;
    int result_count;
    if (++s->wait_count > SCRIPT_WAITS_MAX) {
        char place[SCRIPT_PLACE_MAX];
        script_place(task->co, place, sizeof place);
        script_end(s, SCRIPT_WRONG, "%s: more than %d waits", place, SCRIPT_WAITS_MAX);
        return;
    }
    s->running = task;
    s->copied = 0;
    s->refusal_count = 0;
    s->spent = NULL;
    lua_sethook(task->co, on_steps, LUA_MASKCOUNT, steps_max(s));
    int status = lua_resume(task->co, NULL, arg_count, &result_count);
    s->running = NULL;
    if (status == LUA_YIELD) {
        lua_pop(task->co, result_count);
        return;
    }
    if (status != LUA_OK)
        end_wrong(s, task->co);
    end_task(task);
    after_task(s);
}

static void on_call(struct stage_call *call)
{
    resume(CONTAINER_OF(call, struct task, call), 0);
}

/* (function or its name in the prelude, task): a coroutine of it, which nothing collects. */
static int make_coroutine(lua_State *lua)
{
    struct task *task = lua_touserdata(lua, 2);
    if (lua_type(lua, 1) == LUA_TLIGHTUSERDATA) {
        lua_getfield(lua, LUA_REGISTRYINDEX, "kiln");
        lua_getfield(lua, -1, lua_touserdata(lua, 1));
        lua_replace(lua, 1);
    }
    lua_State *co = lua_newthread(lua);
    lua_pushvalue(lua, 1);
    lua_xmove(lua, co, 1);
    task->ref = luaL_ref(lua, LUA_REGISTRYINDEX);
    task->co = co;
    return 0;
}

/* What is on top of lua's stack, as make_coroutine takes it, becomes a task; it is popped. NULL:
 * out of memory. */
static struct task *new_task(struct script *s, lua_State *lua)
{
    struct task *task = mem_zalloc(s->mem, sizeof *task);
    lua_pushcfunction(lua, make_coroutine);
    lua_insert(lua, -2);
    lua_pushlightuserdata(lua, task);
    if (task == NULL || lua_pcall(lua, 2, 0, 0) != LUA_OK) {
        lua_settop(lua, 0);
        mem_free(s->mem, task);
        return NULL;
    }
    task->script = s;
    task->call.run = on_call;
    list_init(&task->link);
    list_push_back(&s->tasks, &task->link);
    return task;
}

enum err script_spawn(struct script *s, lua_State *lua)
{
    struct task *task = new_task(s, lua);
    if (task == NULL)
        return ERR_NOMEM;
    script_stage_call_at(s->stage, &task->call, script_stage_now(s->stage));
    return ERR_NONE;
}

static enum err spawn_prelude(struct script *s, const char *name)
{
    lua_pushlightuserdata(s->lua, (void *)(uintptr_t)name);
    enum err e = script_spawn(s, s->lua);
    if (e == ERR_NONE)
        CONTAINER_OF(s->tasks.prev, struct task, link)->own = true;
    return e;
}

/* ---- what it sees ---- */

static void take_sentence(struct script_node *node, const struct trace_row *row)
{
    const char *text = trace_text(row);
    size_t size = strlen(text);
    if (size + 1 > sizeof node->said - node->said_size)
        return;
    memcpy(node->said + node->said_size, text, size);
    node->said_size += size;
    node->said[node->said_size++] = '\n';
}

static void on_row(struct stage_ear *ear, const struct trace_row *row)
{
    struct script *s = CONTAINER_OF(ear, struct script, ear);
    check_row(s->check, row);
    script_view_row(s->view, row);
    if (row->kind == TRACE_NAME)
        history_names_row(s->names, row);
    s->row_count[row->kind]++;
    if (row->node >= s->node_count)
        return;
    struct script_node *node = &s->nodes[row->node];
    switch (row->kind) {
    case TRACE_NODE_START:
        node->ready = node->done = node->offline = node->clean = false;
        node->image_end = -1;
        node->lives++;
        break;
    case TRACE_BROKER_READY:
        node->ready = true;
        break;
    case TRACE_BROKER_STOPPED:
        node->ready = false;
        node->clean = TRACE_AS(row, BROKER_STOPPED)->clean != 0;
        break;
    case TRACE_IMAGE_LEFT:
        node->image_end = (int64_t)TRACE_AS(row, IMAGE_LEFT)->offset;
        break;
    case TRACE_NODE_KILL:
        node->ready = node->clean = false;
        break;
    case TRACE_CLIENT_DONE:
        node->done = true;
        break;
    case TRACE_DIR_OFFLINE:
        node->offline = true;
        break;
    case TRACE_SAY:
        take_sentence(node, row);
        break;
    default:
        break;
    }
}

static void on_reply(struct stage_ear *ear, uint64_t command, struct bytes reply)
{
    struct script *s = CONTAINER_OF(ear, struct script, ear);
    LIST_EACH (task, &s->tasks, struct task, link) {
        if (task->command != command)
            continue;
        task->reply_size = MIN(reply.size, sizeof task->reply);
        memcpy(task->reply, reply.data, task->reply_size);
        task->replied = true;
        script_stage_call_at(s->stage, &task->call, script_stage_now(s->stage));
    }
}

static void on_exited(struct stage_ear *ear, uint32_t node, int64_t leaked_count)
{
    struct script *s = CONTAINER_OF(ear, struct script, ear);
    if (leaked_count != 0)
        script_end(s, SCRIPT_BROKEN, "%s left %lld pieces of memory behind", s->nodes[node].name,
                   (long long)leaked_count);
    if (!s->nodes[node].clean)
        return;
    script_judge_leavings(s, node);
    script_judge_metadata(s, node);
}

static void on_broke(struct stage_ear *ear, const struct world_break *b)
{
    struct script *s = CONTAINER_OF(ear, struct script, ear);
    if (b->lacked)
        script_end(s, SCRIPT_INCONCLUSIVE, "%s", b->why);
    else
        script_end(s, SCRIPT_CRASHED, "%s, life %u, event %llu (%s): %s", s->nodes[b->node].name,
                   (unsigned)b->incarnation, (unsigned long long)b->event, b->what, b->why);
}

/* ---- the stage ---- */

static bool open_stage(struct script *s)
{
    struct errmsg msg = {{0}};
    const struct stage_setting setting = {
        .options = s->options, .plan = &s->plan, .split = s->split, .ear = &s->ear};
    if (!script_make_plan(s))
        return false;
    s->stage = script_stage_open(s->mem, &setting, &msg);
    if (s->stage == NULL)
        script_end(s, SCRIPT_INCONCLUSIVE, "%s", msg.text);
    return s->stage != NULL;
}

static bool add_nodes(struct script *s)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        struct script_node *node = &s->nodes[i];
        struct errmsg msg = {{0}};
        if (!script_stage_add_node(s->stage, node->program, node->name, bytes_text(node->args),
                                   &msg)) {
            script_end(s, SCRIPT_INCONCLUSIVE, "node %s: %s", node->name, msg.text);
            return false;
        }
    }
    return true;
}

static bool start_cluster(struct script *s)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct world_program *program = s->nodes[i].program;
        if (program == &script_broker || program == &script_admin)
            script_stage_start(s->stage, i);
    }
    if (spawn_prelude(s, "setup") == ERR_NONE)
        return true;
    script_end(s, SCRIPT_INCONCLUSIVE, "out of memory");
    return false;
}

bool script_boot(struct script *s)
{
    if (s->stage != NULL)
        return true;
    if (s->ended || s->node_count == 0) {
        script_end(s, SCRIPT_WRONG, "there is no Cluster; begin as local cluster = Cluster {}");
        return false;
    }
    s->contract.wall_base_ms = WORLD_WALL_START_MS;
    if (check_new(&s->check, s->mem, &s->contract) != ERR_NONE ||
        history_names_new(&s->names, s->mem) != ERR_NONE ||
        script_view_new(&s->view, s->mem) != ERR_NONE) {
        script_end(s, SCRIPT_INCONCLUSIVE, "no memory for the check");
        return false;
    }
    if (!open_stage(s))
        return false;
    return add_nodes(s) && start_cluster(s);
}

/* ---- a run ---- */

static void init(struct script *s, struct mem *mem, const struct script_options *options,
                 struct script_result *result)
{
    *s = (struct script){.mem = mem, .options = options, .result = result};
    *result = (struct script_result){.seed = options->seed};
    s->contract.retention_ms = -1;
    s->contract.send_ns = SERVICE_SEND_NS;
    s->contract.read_ns = SERVICE_READ_NS;
    s->contract.recovery_ns = SERVICE_RECOVERY_NS;
    s->ear = (struct stage_ear){
        .row = on_row, .reply = on_reply, .exited = on_exited, .broke = on_broke};
    list_init(&s->tasks);
    fault_plan_init(&s->plan, mem);
    fault_plan_init(&s->written, mem);
    s->written.named = s->written.names.open = true;
}

/* A byte order mark is no part of the text. */
static struct bytes without_mark(struct bytes source)
{
    static const char mark[] = "\xef\xbb\xbf";
    bool marked = source.size >= 3 && memcmp(source.data, mark, 3) == 0;
    return marked ? bytes_of(source.data + 3, source.size - 3) : source;
}

/* Where a word of the language stands in the way of one of ours. */
static const char *hint_of(const char *text)
{
    return strstr(text, "near 'until'") == NULL
               ? ""
               : "; until is a word of Lua itself: the option is [\"until\"]";
}

/* The chunk becomes the first task. False: it does not parse, and the result says so. */
static bool load(struct script *s, const char *name, struct bytes source)
{
    char chunk[256];
    struct errmsg msg = {{0}};
    if (script_open_lua(s, &msg) != ERR_NONE) {
        script_end(s, SCRIPT_WRONG, "%s", msg.text);
        return false;
    }
    source = without_mark(source);
    s->source = source;
    if (source.size > 0 && memchr(source.data, 0, source.size) != NULL) {
        script_end(s, SCRIPT_WRONG, "%s: is no text; a scenario is a file of Lua", name);
        return false;
    }
    snprintf(chunk, sizeof chunk, "@%s", name);
    if (luaL_loadbufferx(s->lua, (const char *)source.data, source.size, chunk, "t") != LUA_OK) {
        const char *text = lua_tostring(s->lua, -1);
        bool placed = strstr(text, ".lua:") != NULL;
        script_end(s, SCRIPT_WRONG, "%s%s%s%s", placed ? "" : name, placed ? "" : ": ", text,
                   hint_of(text));
        return false;
    }
    return true;
}

/* "24h", "90s": the virtual time so far. */
static void print_time(const struct script *s, char *to, size_t size)
{
    struct text text;
    int64_t now = script_stage_now(s->stage);
    text_init(&text, s->mem);
    /* A day is 24 hours to who waits for it. */
    if (now % HOUR_NS == 0)
        text_printf(&text, "%lldh", (long long)(now / HOUR_NS));
    else
        fault_time_print(now, &text);
    snprintf(to, size, "%s", text.failed ? "all its time" : text.data);
    text_free(&text);
}

/* Nobody waits for what never comes, without its line being told. */
static void end_waiting(struct script *s, const char *why)
{
    char after[64];
    print_time(s, after, sizeof after);
    LIST_EACH (task, &s->tasks, struct task, link) {
        lua_Debug ar;
        if (task->own || !script_find_line(task->co, &ar))
            continue;
        script_end(s, SCRIPT_STUCK,
                   "%s:%d: still waits after %s; %s (time_limit(t) gives more, and --time)",
                   ar.short_src, ar.currentline, after, why);
        return;
    }
    script_end(s, SCRIPT_STUCK, "%s after %s", why, after);
}

/* When a run that has not ended is stuck. What a person says counts most, then what the script
 * says; a script that sleeps for longer than a usual run takes has said so by that. Of its sleeps
 * the longest counts, not their sum: a loop of them is stuck one day. */
static int64_t time_max(const struct script *s)
{
    if (s->options->time_max_ns != 0)
        return s->options->time_max_ns;
    if (s->time_max_ns != 0)
        return s->time_max_ns;
    if (s->sleep_ns_longest < SCRIPT_TIME_MAX_NS)
        return SCRIPT_TIME_MAX_NS;
    return MIN(s->sleep_ns_longest, INT64_MAX - SCRIPT_TIME_MAX_NS) + SCRIPT_TIME_MAX_NS;
}

static enum stage_end run_to_its_end(struct script *s)
{
    int64_t until_ns = time_max(s);
    enum stage_end end = script_stage_run_until(s->stage, until_ns);
    while (end == STAGE_REACHED && time_max(s) > until_ns) {
        until_ns = time_max(s);
        end = script_stage_run_until(s->stage, until_ns);
    }
    return end;
}

static void run(struct script *s)
{
    struct task *first = new_task(s, s->lua);
    if (first == NULL) {
        script_end(s, SCRIPT_INCONCLUSIVE, "out of memory");
        return;
    }
    resume(first, 0);
    if (s->ended || s->only_claim || !script_boot(s))
        return;
    if (s->options->until_ns != 0) {
        (void)script_stage_run_until(s->stage, s->options->until_ns);
        return;
    }
    enum stage_end end = run_to_its_end(s);
    if (end != STAGE_HALTED)
        end_waiting(s, end == STAGE_IDLE ? "nothing will ever happen again" : "no time is left");
}

static void release(struct script *s)
{
    script_stage_close(s->stage); /* its queue holds the calls of the tasks */
    while (!list_empty(&s->tasks)) {
        struct task *task = LIST_FIRST(&s->tasks, struct task, link);
        list_remove(&task->link);
        mem_free(s->mem, task);
    }
    if (s->lua != NULL)
        lua_close(s->lua);
    check_free(s->check);
    history_names_free(s->names);
    script_view_free(s->view);
    fault_plan_free(&s->plan);
    fault_plan_free(&s->written);
}

enum err script_claim(struct mem *mem, const char *name, struct bytes source,
                      char claim[SCRIPT_CLAIM_MAX], struct errmsg *msg)
{
    struct script *s = mem_zalloc(mem, sizeof *s);
    struct script_result *result = mem_zalloc(mem, sizeof *result);
    enum err e = s == NULL || result == NULL ? ERR_NOMEM : ERR_NONE;
    if (e == ERR_NONE) {
        struct script_options options = {.seed = 1};
        init(s, mem, &options, result);
        s->only_claim = true;
        if (load(s, name, source))
            run(s);
        if (result->claim[0] == 0 && result->why[0] != 0)
            e = errmsg_set(msg, ERR_INVALID, "%s", result->why);
        else if (result->claim[0] == 0)
            e = errmsg_set(msg, ERR_INVALID, "%s: it states no scenario \"...\"", name);
        memcpy(claim, result->claim, SCRIPT_CLAIM_MAX);
        release(s);
    }
    mem_free(mem, s);
    mem_free(mem, result);
    return e;
}

void script_run(struct mem *mem, const char *name, struct bytes source,
                const struct script_options *options, struct script_result *result,
                struct fault_plan *fired)
{
    struct script *s = mem_zalloc(mem, sizeof *s);
    if (s == NULL) {
        *result = (struct script_result){.seed = options->seed, .verdict = SCRIPT_INCONCLUSIVE};
        return;
    }
    init(s, mem, options, result);
    if (load(s, name, source))
        run(s);
    script_judge(s);
    if (fired != NULL && s->stage != NULL)
        script_copy_plan(s, fired, script_stage_fired(s->stage));
    release(s);
    mem_free(mem, s);
}
