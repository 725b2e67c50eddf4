/* stage.c - the stage of the simulated world, whose nodes are where the options say. */
#include "script/stage.h"
#include "shm/shm.h"

struct stage {
    struct mem *mem;
    struct world *world;
    struct half_host *host; /* of its nodes; NULL: the world itself */
    struct world_sink sink;
    struct stage_ear *ear;
};

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct stage_ear *ear = CONTAINER_OF(sink, struct stage, sink)->ear;
    ear->row(ear, row);
}

static void on_reply(struct world_sink *sink, uint32_t node, uint64_t id, struct bytes reply)
{
    struct stage_ear *ear = CONTAINER_OF(sink, struct stage, sink)->ear;
    (void)node;
    ear->reply(ear, id, reply);
}

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    struct stage_ear *ear = CONTAINER_OF(sink, struct stage, sink)->ear;
    (void)e;
    ear->exited(ear, node, leaked_count);
}

static void on_broke(struct world_sink *sink, const struct world_break *what)
{
    struct stage_ear *ear = CONTAINER_OF(sink, struct stage, sink)->ear;
    ear->broke(ear, what);
}

static bool make_host(struct stage *stage, const struct script_options *o, struct errmsg *msg)
{
    enum err e = ERR_NONE;
    if (o->nodes == SCRIPT_PROCESSES)
        e = shm_processes_new(&stage->host, stage->mem, 0);
    else if (o->nodes == SCRIPT_THREADS)
        e = shm_threads_new(&stage->host, stage->mem);
    if (e != ERR_NONE)
        (void)errmsg_set(msg, e, "nowhere for nodes to run: %s", err_text(e));
    return e == ERR_NONE;
}

static bool make_world(struct stage *stage, const struct stage_setting *setting, struct errmsg *msg)
{
    const struct script_options *o = setting->options;
    struct world_config config = {.seed = o->seed,
                                  .disk_dir = o->disk_dir,
                                  .rows = o->rows,
                                  .plan = setting->plan,
                                  .plan_only = o->plan_only,
                                  .fired = o->fired,
                                  .split = setting->split,
                                  .memory = o->memory,
                                  .host = stage->host};
    stage->world = world_new(stage->mem, &config, msg);
    return stage->world != NULL;
}

struct stage *script_stage_open(struct mem *mem, const struct stage_setting *setting,
                                struct errmsg *msg)
{
    const struct script_options *o = setting->options;
    struct stage *stage = mem_zalloc(mem, sizeof *stage);
    if (stage == NULL) {
        (void)errmsg_set(msg, ERR_NOMEM, "no memory for a world");
        return NULL;
    }
    stage->mem = mem;
    stage->ear = setting->ear;
    if (!make_host(stage, o, msg) || !make_world(stage, setting, msg)) {
        script_stage_close(stage);
        return NULL;
    }
    stage->sink = (struct world_sink){.row = setting->ear->row == NULL ? NULL : on_row,
                                      .reply = setting->ear->reply == NULL ? NULL : on_reply,
                                      .exited = setting->ear->exited == NULL ? NULL : on_exited,
                                      .broke = setting->ear->broke == NULL ? NULL : on_broke};
    world_add_sink(stage->world, &stage->sink);
    for (int i = 0; i < o->sink_count; i++)
        world_add_sink(stage->world, o->sinks[i]);
    return stage;
}

void script_stage_close(struct stage *stage)
{
    if (stage == NULL)
        return;
    if (stage->world != NULL)
        world_free(stage->world);
    shm_free(stage->host);
    mem_free(stage->mem, stage);
}

bool script_stage_add_node(struct stage *stage, const struct world_program *program,
                           const char *name, struct bytes args, struct errmsg *msg)
{
    uint32_t id;
    enum err e = world_add_node(stage->world, program, name, args, &id);
    if (e == ERR_NONE)
        return true;
    const char *why = world_message(stage->world);
    (void)errmsg_set(msg, e, "%s", why[0] != 0 ? why : err_text(e));
    return false;
}

void script_stage_start(struct stage *stage, uint32_t node)
{
    world_start(stage->world, node);
}

void script_stage_stop(struct stage *stage, uint32_t node)
{
    world_stop(stage->world, node);
}

bool script_stage_is_alive(const struct stage *stage, uint32_t node)
{
    return world_node_life(stage->world, node) != WORLD_DOWN;
}

bool script_stage_command(struct stage *stage, uint32_t node, uint64_t command, struct bytes text)
{
    return world_command(stage->world, node, command, text);
}

int64_t script_stage_now(const struct stage *stage)
{
    return world_now(stage->world);
}

static void on_call(struct world_call *event)
{
    struct stage_call *call = CONTAINER_OF(event, struct stage_call, event);
    call->run(call);
}

void script_stage_call_at(struct stage *stage, struct stage_call *call, int64_t time_ns)
{
    call->event.run = on_call;
    world_call_at(stage->world, &call->event, time_ns);
}

enum stage_end script_stage_run_until(struct stage *stage, int64_t time_ns)
{
    switch (world_run_until(stage->world, time_ns)) {
    case WORLD_REACHED:
        return STAGE_REACHED;
    case WORLD_IDLE:
        return STAGE_IDLE;
    case WORLD_HALTED:
        return STAGE_HALTED;
    }
    UNREACHABLE();
}

void script_stage_halt(struct stage *stage)
{
    world_halt(stage->world);
}

void script_stage_harm(struct stage *stage, const struct fault_line *line)
{
    world_harm(stage->world, line);
}

void script_stage_heal(struct stage *stage)
{
    world_heal(stage->world);
}

void script_stage_heal_core(struct stage *stage, uint64_t core)
{
    world_heal_core(stage->world, core);
}

const struct fault_plan *script_stage_fired(const struct stage *stage)
{
    return world_fired(stage->world);
}

uint64_t script_stage_mark_count(const struct stage *stage, enum trace_mark mark)
{
    struct world_stats stats;
    world_stats(stage->world, &stats);
    return stats.mark_count[mark];
}

void script_stage_sum_up(struct stage *stage, struct world_stats *stats)
{
    world_seal(stage->world);
    world_stats(stage->world, stats);
}

const struct disk *script_stage_disk(const struct stage *stage, uint32_t node)
{
    return world_disk(stage->world, node);
}

void script_stage_tell(struct stage *stage, uint32_t node, enum trace_kind kind,
                       const void *columns, const char *text)
{
    world_tell(stage->world, node, kind, columns, text);
}
