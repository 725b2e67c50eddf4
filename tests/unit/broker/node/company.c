/* company.c - see company.h. */
#include "company.h"
#include <stdio.h>

static struct company *current; /* programs are told of nothing but their seat */

static void on_note(struct notes *notes, enum note_kind kind, const char *sentence)
{
    struct company_life *life = CONTAINER_OF(notes, struct company_life, notes);
    char *said = current->nodes[life->index].said;
    size_t at = strlen(said);
    (void)kind;
    snprintf(said + at, sizeof current->nodes[0].said - at, "%s\n", sentence);
}

static void end_life(struct company_life *life)
{
    struct world_seat *seat = life->seat;
    current->nodes[life->index].life = NULL;
    broker_free(life->broker);
    mem_free(seat->mem, life);
    world_exit(seat, ERR_NONE);
}

static void on_started(struct broker_op *op, enum err e)
{
    struct company_life *life = CONTAINER_OF(op, struct company_life, starting);
    struct company_node *node = &current->nodes[life->index];
    life->started = e == ERR_NONE;
    if (e == ERR_NONE) {
        node->start_count++;
        return;
    }
    node->failed_count++;
    on_note(&life->notes, NOTE_START_FAILED, op->msg.text);
    if (!life->stopped)
        end_life(life);
}

static void on_stopped(struct broker_op *op, enum err e)
{
    struct company_life *life = CONTAINER_OF(op, struct company_life, stopping);
    current->nodes[life->index].stop_count += e == ERR_NONE;
    end_life(life);
}

static enum err begin(struct world_seat *seat)
{
    struct company_life *life = mem_zalloc(seat->mem, sizeof *life);
    struct broker_config config;
    struct errmsg msg = {{0}};
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->index = (int)seat->node - (int)current->nodes[0].node;
    life->notes = (struct notes){.write = on_note, .level = NOTE_LEVEL_WARNING};
    seat->self = life;
    config_defaults(&broker_config_table, &config);
    enum err e = config_parse(&broker_config_table, &config, seat->args, "test", NULL, &msg);
    if (e == ERR_NONE)
        e = broker_new(&life->broker, seat->env, seat->mem, seat->trace, &config, &life->notes);
    if (e != ERR_NONE)
        return e;
    current->nodes[life->index].life = life;
    broker_start(life->broker, &life->starting, on_started);
    return ERR_NONE;
}

static void stop(struct world_seat *seat)
{
    struct company_life *life = seat->self;
    life->stopped = true;
    broker_stop(life->broker, &life->stopping, on_stopped);
}

static void command(struct world_seat *seat, uint64_t id, struct bytes bytes)
{
    (void)bytes;
    current->act(seat->self);
    world_reply(seat, id, bytes_text(""));
}

static void check(struct world_seat *seat, bool whole)
{
    broker_assert(((struct company_life *)seat->self)->broker, whole);
}

static const struct world_program program = {
    .kind = "broker", .start = begin, .stop = stop, .command = command, .check = check};

/* ---- the cluster ---- */

static void configure(struct company *c, int index, const char *voters, const char *more)
{
    bool votes = index < c->voter_count;
    struct company_node *n = &c->nodes[index];
    snprintf(n->args, sizeof n->args,
             "node.id=%d\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nprocess.roles=%s\n"
             "listeners=PLAINTEXT://node%d:9092%s\ncontroller.quorum.voters=%s\n"
             "broker.session.timeout.ms=%d\nbroker.heartbeat.interval.ms=%d\n%s",
             index + 1, votes ? "broker,controller" : "broker", index + 1,
             !votes       ? ""
             : index == 0 ? ",CONTROLLER://node1:9093"
             : index == 1 ? ",CONTROLLER://node2:9093"
                          : ",CONTROLLER://node3:9093",
             voters, COMPANY_SESSION_MS, COMPANY_BEAT_MS, more);
}

void company_setup(struct company *c, uint64_t seed, int voters, int brokers, const char *more)
{
    char names[128] = "";
    struct errmsg msg = {{0}};
    ASSERT(voters <= 3);
    *c = (struct company){.voter_count = voters, .count = voters + brokers};
    current = c;
    mem_system(&c->mem);
    const struct world_config config = {
        .seed = seed, .assert_leaks = true, .armed = 1u << FAULT_ALLOC};
    c->world = world_new(&c->mem, &config, &msg);
    assert_non_null(c->world);
    for (int i = 0; i < voters; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%d@node%d:9093",
                 i == 0 ? "" : ",", i + 1, i + 1);
    for (int i = 0; i < c->count; i++) {
        char name[16];
        configure(c, i, names, more);
        snprintf(name, sizeof name, "node%d", i + 1);
        assert_ok(world_add_node(c->world, &program, name, bytes_text(c->nodes[i].args),
                                 &c->nodes[i].node));
    }
}

void company_teardown(struct company *c)
{
    world_free(c->world);
    assert_int_equal(c->mem.live_count, 0);
}

/* Those that have started are told to act, as often as said. */
static void prod(struct company *c)
{
    for (int i = 0; i < c->count; i++) {
        const struct company_life *life = c->nodes[i].life;
        if (life != NULL && life->started && !life->stopped &&
            world_node_life(c->world, c->nodes[i].node) == WORLD_UP)
            world_command(c->world, c->nodes[i].node, 1, bytes_text("act"));
    }
}

/* A life that was killed told nobody. */
static void look_for_dead(struct company *c)
{
    for (int i = 0; i < c->count; i++) {
        if (world_node_life(c->world, c->nodes[i].node) == WORLD_DOWN)
            c->nodes[i].life = NULL;
    }
}

void company_run(struct company *c, int64_t ms)
{
    for (int64_t left = ms; left > 0; left -= 50) {
        look_for_dead(c);
        if (c->act != NULL)
            prod(c);
        world_run_until(c->world, world_now(c->world) + MIN(left, 50) * MS);
    }
    look_for_dead(c);
}

void company_start_all(struct company *c)
{
    for (int i = 0; i < c->count; i++)
        world_start(c->world, c->nodes[i].node);
}

/* ---- what they know ---- */

struct broker *company_broker(const struct company *c, int index)
{
    const struct company_life *life = c->nodes[index].life;
    return life == NULL ? NULL : life->broker;
}

static bool has_image(const struct broker *b)
{
    return b != NULL && b->quorum_open && b->phase > BROKER_OPENING && b->phase < BROKER_CLOSING;
}

const struct metadata_broker *company_sees(const struct company *c, int index, int other)
{
    const struct broker *b = company_broker(c, index);
    return has_image(b) ? metadata_find_broker(quorum_current(b->quorum), other + 1) : NULL;
}

int company_leader(const struct company *c)
{
    for (int i = 0; i < c->voter_count; i++) {
        const struct broker *b = company_broker(c, i);
        if (has_image(b) && quorum_leads(b->quorum))
            return i;
    }
    return -1;
}

bool company_serves(const struct company *c, int index)
{
    if (c->nodes[index].life == NULL || !c->nodes[index].life->started)
        return false;
    for (int i = 0; i < c->count; i++) {
        const struct metadata_broker *seen = company_sees(c, i, index);
        if (c->nodes[i].life != NULL && (seen == NULL || seen->fenced))
            return false;
    }
    return true;
}

bool company_all_serve(const struct company *c)
{
    for (int i = 0; i < c->count; i++) {
        if (!company_serves(c, i))
            return false;
    }
    return true;
}
