/* campaign.c - see campaign.h. */
#include <stdio.h>
#include "specimen/campaign.h"
#include "support/test.h"

#define SECOND_NS 1000000000ll
#define SETTLE_NS (5 * SECOND_NS) /* what was under way has come to its end */
#define RESTART_NS (300 * 1000000ll)
#define EPOCHS_MAX 4096
#define OPS_MAX WORLD_NODES_MAX /* under way: one a client */

/* An operator starts again what gave up. */
struct restart {
    struct world_call call;
    struct judge *judge;
    uint32_t node;
};

struct judge {
    struct world_sink sink;
    struct world *world;
    struct run *run;
    const struct run_options *options;
    uint64_t committed[REGISTER_MAX]; /* by index: the value; 0: nobody was told */
    uint64_t known;                   /* one behind the highest index that anybody was told */
    uint64_t known_at_ask[OPS_MAX];   /* by node */
    uint32_t leader_of[EPOCHS_MAX];   /* node and life + 1 */
    int64_t healed_ns;
    struct restart restarts[WORLD_NODES_MAX];
};

const char *finding_text(enum finding finding)
{
    static const char *const texts[] = {"nothing", "two values at one place", "a stale answer",
                                        "two leaders of one epoch", "nothing is acknowledged"};
    return texts[finding];
}

static void find(struct judge *judge, enum finding finding)
{
    if (judge->run->finding != FINDING_NONE)
        return;
    judge->run->finding = finding;
    judge->run->found_ns = world_now(judge->world);
    world_halt(judge->world);
}

/* A write that was acknowledged stands behind all that was known when it was asked for; a read
 * shows no less than that. */
static void told(struct judge *judge, uint32_t node, uint64_t index, uint64_t value, bool is_read)
{
    ASSERT(index < REGISTER_MAX);
    if (judge->committed[index] != 0 && judge->committed[index] != value)
        find(judge, FINDING_DISAGREE);
    if (index + 1 < judge->known_at_ask[node] + !is_read)
        find(judge, FINDING_STALE);
    judge->committed[index] = value;
    judge->known = MAX(judge->known, index + 1);
}

static void led(struct judge *judge, const struct trace_row *row)
{
    uint64_t epoch = (uint64_t)TRACE_AS(row, LEADER_ON)->leader_epoch;
    uint32_t who = row->node * 65536 + row->incarnation + 1;
    judge->run->leaders++;
    if (epoch >= EPOCHS_MAX)
        return;
    if (judge->leader_of[epoch] != 0 && judge->leader_of[epoch] != who)
        find(judge, FINDING_LEADERS);
    judge->leader_of[epoch] = who;
}

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct judge *judge = CONTAINER_OF(sink, struct judge, sink);
    struct run *run = judge->run;
    run->rows[row->kind]++;
    switch (row->kind) {
    case TRACE_PRODUCE_INVOKE:
    case TRACE_POLL_INVOKE:
        judge->known_at_ask[row->node] = judge->known;
        return;
    case TRACE_PRODUCE_OK:
        run->acked++;
        run->acked_after += judge->healed_ns > 0 && row->time_ns > judge->healed_ns + SETTLE_NS;
        told(judge, row->node, TRACE_AS(row, PRODUCE_OK)->offset, TRACE_AS(row, PRODUCE_OK)->vid,
             false);
        return;
    case TRACE_POLL_RECORD:
        run->read++;
        told(judge, row->node, TRACE_AS(row, POLL_RECORD)->offset, TRACE_AS(row, POLL_RECORD)->vid,
             true);
        return;
    case TRACE_PRODUCE_UNKNOWN:
    case TRACE_POLL_FAIL:
        run->unknown++;
        return;
    case TRACE_LEADER_ON:
        led(judge, row);
        return;
    default:
        return;
    }
}

static void on_restart(struct world_call *call)
{
    struct restart *restart = CONTAINER_OF(call, struct restart, call);
    world_start(restart->judge->world, restart->node);
}

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    struct judge *judge = CONTAINER_OF(sink, struct judge, sink);
    struct restart *restart = &judge->restarts[node];
    (void)e;
    (void)leaked_count;
    restart->judge = judge;
    restart->node = node;
    restart->call.run = on_restart;
    world_call_at(judge->world, &restart->call, world_now(judge->world) + RESTART_NS);
}

static void make_plan(struct fault_plan *plan, struct mem *mem, const struct run_options *options)
{
    struct errmsg msg = {{0}};
    char name[WORLD_NAME_MAX];
    fault_plan_init(plan, mem);
    plan->named = true;
    for (uint32_t i = 0; i < options->nodes + RUN_CLIENTS; i++) {
        bool serves = i < options->nodes;
        snprintf(name, sizeof name, "%s%u", serves ? "register" : "client",
                 serves ? i : i - options->nodes);
        assert_ok(fault_names_add(&plan->names, bytes_text(name)));
    }
    if (options->plan != NULL &&
        fault_plan_parse(plan, bytes_text(options->plan), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    struct fault_swarm swarm = {.seed = options->seed,
                                .kinds = options->kinds,
                                .servers = (1ull << options->nodes) - 1,
                                .clients = ((1ull << RUN_CLIENTS) - 1) << options->nodes,
                                .intact = options->intact,
                                .nodes = (1ull << (options->nodes + RUN_CLIENTS)) - 1,
                                .start_ns = SECOND_NS,
                                .end_ns = options->harm_ns};
    if (options->kinds != 0)
        assert_ok(fault_plan_draw(plan, &swarm));
    assert_ok(fault_plan_sort(plan));
}

static void add_nodes(struct world *world, const struct fault_plan *plan,
                      const struct run_options *options)
{
    for (uint32_t i = 0; i < options->nodes + RUN_CLIENTS; i++) {
        char args[64];
        uint32_t node;
        bool serves = i < options->nodes;
        if (serves)
            snprintf(args, sizeof args, "%u %u %u", i, options->nodes, options->mistake);
        else
            snprintf(args, sizeof args, "%u %d", options->nodes, i % 2 == options->nodes % 2);
        assert_ok(world_add_node(world, serves ? &register_program : &register_client_program,
                                 plan->names.name[i], bytes_text(args), &node));
        assert_int_equal(node, i);
        world_start(world, node);
    }
}

static void live(struct judge *judge)
{
    const struct run_options *options = judge->options;
    struct run *run = judge->run;
    struct world_stats stats;
    world_run_until(judge->world, options->harm_ns);
    if (run->finding == FINDING_NONE) {
        if (options->core == 0)
            world_heal(judge->world);
        else
            world_heal_core(judge->world, options->core);
        judge->healed_ns = options->harm_ns;
        world_run_until(judge->world, options->end_ns);
    }
    if (run->finding == FINDING_NONE && run->acked_after == 0)
        find(judge, FINDING_STUCK);
    world_seal(judge->world);
    world_stats(judge->world, &stats);
    run->hash = stats.hash;
    run->rows_hash = stats.rows_hash;
    run->events = stats.event_count;
    run->faults = (uint64_t)stats.fault_count;
}

void run_specimen(const struct run_options *given, struct run *run)
{
    struct run_options options = *given;
    struct mem mem;
    struct fault_plan plan;
    struct errmsg msg = {{0}};
    options.nodes = options.nodes == 0 ? 3 : options.nodes;
    options.harm_ns = options.harm_ns == 0 ? 10 * SECOND_NS : options.harm_ns;
    options.end_ns = options.end_ns == 0 ? 30 * SECOND_NS : options.end_ns;
    mem_system(&mem);
    make_plan(&plan, &mem, &options);
    struct judge *judge = mem_zalloc(&mem, sizeof *judge);
    struct world_config config = {
        .seed = options.seed, .plan = &plan, .host = options.host, .disk_dir = options.disk_dir};
    *run = (struct run){0};
    judge->sink = (struct world_sink){.row = on_row, .exited = on_exited};
    judge->run = run;
    judge->options = &options;
    judge->world = world_new(&mem, &config, &msg);
    if (judge->world == NULL)
        fail_msg("%s", msg.text);
    world_add_sink(judge->world, &judge->sink);
    add_nodes(judge->world, &plan, &options);
    live(judge);
    world_free(judge->world);
    mem_free(&mem, judge);
    fault_plan_free(&plan);
    assert_int_equal(mem.live_count, 0);
}
