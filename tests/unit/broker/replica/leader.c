/* leader.c - the leader's life, and the hands of those around it. */
#include "leader.h"

struct leader *the;

struct leader_life {
    struct world_seat *seat;
    struct dir *dir;
    struct log_set *logs;
    struct replica_set set;
    struct replica_watch watch;
    struct dir_op dir_op;
    struct replica_op op;
};

static const struct wire_uuid topic_id = {.b = {7, 7}};

/* ---- what metadata say ---- */

static int32_t ids_of(uint32_t bits, int32_t ids[BROKERS_MAX])
{
    int32_t count = 0;
    for (int32_t id = 1; id < BROKERS_MAX; id++) {
        if ((bits >> id & 1) != 0)
            ids[count++] = id;
    }
    return count;
}

/* The lists stay until the next call. */
static struct replica_epochs epochs_now(void)
{
    static const int32_t all[] = {SELF, 2, 3};
    static int32_t isr[BROKERS_MAX];
    int32_t count = ids_of(the->isr, isr);
    return (struct replica_epochs){.leader = the->epoch,
                                   .partition = the->partition_epoch,
                                   .follows = the->follows,
                                   .replicas = {.ids = all, .count = COUNT_OF(all)},
                                   .isr = {.ids = isr, .count = count}};
}

static void look_up(struct replica_watch *watch, int32_t id, struct replica_broker *out)
{
    (void)watch;
    *out = the->brokers[id];
}

static void take_proposal(struct replica_watch *watch, struct replica_proposal *p)
{
    (void)watch;
    assert_true(the->proposal_count < PROPOSALS_MAX);
    the->proposals[the->proposal_count++] = p;
    the->proposed_count++;
}

static void tell(struct replica_watch *watch, const struct replica *r, bool offline,
                 const char *sentence)
{
    (void)watch;
    (void)r;
    (void)offline;
    (void)sentence;
}

/* ---- a life ---- */

static void on_settled(struct dir_op *op, enum err e)
{
    struct leader_life *life = CONTAINER_OF(op, struct leader_life, dir_op);
    struct world_seat *seat = life->seat;
    replica_free(the->replica);
    replica_set_free(&life->set);
    log_set_free(life->logs);
    dir_free(life->dir);
    mem_free(seat->mem, life);
    the->life = NULL;
    world_exit(seat, e);
}

static void on_closed(struct replica_op *op, enum err e)
{
    (void)e;
    struct leader_life *life = CONTAINER_OF(op, struct leader_life, op);
    dir_settle(life->dir, &life->dir_op, on_settled);
}

static void on_dir_closed(struct dir_op *op, enum err e)
{
    (void)e;
    struct leader_life *life = CONTAINER_OF(op, struct leader_life, dir_op);
    replica_close(the->replica, &life->op, on_closed);
}

static void stop(struct world_seat *seat)
{
    struct leader_life *life = seat->self;
    replica_fetch_end(&the->parked);
    replica_resign(the->replica);
    while (the->proposal_count > 0)
        replica_proposal_drop(the->proposals[--the->proposal_count]);
    dir_close(life->dir, true, &life->dir_op, on_dir_closed);
}

static void on_open(struct replica_op *op, enum err e)
{
    (void)op;
    assert_ok(e);
    the->open = true;
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    struct leader_life *life = CONTAINER_OF(op, struct leader_life, dir_op);
    struct world_seat *seat = life->seat;
    assert_ok(e);
    assert_ok(replica_new(&the->replica, &life->set, seat->env, seat->mem, seat->trace, "orders",
                          &topic_id, 0, &the->config));
    replica_open(the->replica, &life->op, life->logs, epochs_now(), on_open);
}

static enum err start(struct world_seat *seat)
{
    struct leader_life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->watch = (struct replica_watch){.tell = tell, .broker = look_up, .propose = take_proposal};
    seat->self = life;
    the->life = life;
    assert_ok(replica_set_init(&life->set, seat->mem, &life->watch));
    life->set.broker_id = SELF;
    life->set.lag_ns_max = LAG_MS * NS_PER_MS;
    struct dir_config config = {.path = "data",
                                .node_id = SELF,
                                .open_files_max = 100,
                                .checkpoint_bytes = 1 << 20,
                                .checkpoint_ms = 1000,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    assert_ok(dir_new(&life->dir, seat->env, seat->mem, seat->trace, &config));
    assert_ok(log_set_new(&life->logs, life->dir, the->flush));
    dir_open(life->dir, &life->dir_op, on_dir_open);
    return ERR_NONE;
}

static void (*ordered)(void);

static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    void (*what)(void) = ordered;
    (void)text;
    ordered = NULL;
    what();
    world_reply(seat, id, bytes_text(""));
}

static const struct world_program program = {
    .kind = "leader", .start = start, .stop = stop, .command = command};

/* ---- the test's side ---- */

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    (void)node;
    (void)e;
    CONTAINER_OF(sink, struct leader, sink)->leaked += leaked_count;
}

void leader_run(int64_t ms)
{
    world_run_until(the->world, world_now(the->world) + ms * NS_PER_MS);
}

void leader_order(void (*what)(void), int64_t ms)
{
    assert_true(ms > 0);
    ordered = what;
    assert_true(world_command(the->world, the->node, 1, bytes_text("")));
    leader_run(ms);
    assert_null(ordered);
}

void leader_setup(struct leader *l, uint64_t seed, enum log_flush flush, uint32_t isr,
                  int32_t min_insync)
{
    *l = (struct leader){.flush = flush,
                         .epoch = 5,
                         .partition_epoch = 7,
                         .isr = isr,
                         .config = {.min_insync_replicas = min_insync,
                                    .log = {.segment_bytes = 1 << 20,
                                            .segment_ms = INT64_MAX,
                                            .segment_index_bytes = 1 << 20,
                                            .index_interval_bytes = 4096,
                                            .retention_ms = -1,
                                            .retention_bytes = -1,
                                            .max_message_bytes = 1 << 20,
                                            .timestamp_before_max_ms = INT64_MAX,
                                            .timestamp_after_max_ms = INT64_MAX,
                                            .producer_id_expiration_ms = INT64_MAX,
                                            .dense = true}}};
    the = l;
    for (int32_t id = 1; id < BROKERS_MAX; id++)
        l->brokers[id] =
            (struct replica_broker){.epoch = 10 * id, .is_alive = true, .may_join = true};
    mem_system(&l->mem);
    struct world_config config = {.seed = seed};
    l->world = world_new(&l->mem, &config, NULL);
    assert_non_null(l->world);
    l->sink.exited = on_exited;
    world_add_sink(l->world, &l->sink);
    assert_ok(world_add_node(l->world, &program, "node", bytes_text(""), &l->node));
    world_start(l->world, l->node);
    for (int i = 0; i < 100 && !l->open; i++)
        leader_run(1);
    assert_true(l->open);
}

void leader_teardown(void)
{
    world_heal(the->world);
    world_stop(the->world, the->node);
    leader_run(2000);
    assert_int_equal(world_node_life(the->world, the->node), WORLD_DOWN);
    assert_int_equal(the->leaked, 0);
    world_free(the->world);
    assert_int_equal(the->mem.live_count, 0);
    the = NULL;
}

/* ---- within an event of the leader's ---- */

static void on_produced(struct replica_produce *op)
{
    struct leader_produce *p = CONTAINER_OF(op, struct leader_produce, op);
    assert_false(p->done);
    p->done = true;
    assert_true(op->code != 0 || op->acks != -1 ||
                replica_high_watermark(op->replica) > op->last_offset);
}

/* Three records. */
void leader_produce(int slot, int16_t acks)
{
    struct leader_produce *p = &the->produces[slot];
    *p = (struct leader_produce){.op.acks = acks};
    struct buf *buf = buf_new(the->life->seat->mem, 512);
    struct wire_builder b;
    wire_builder_init(&b, buf->data, 512);
    struct wire_bytes value = {.data = (const uint8_t *)"value", .size = 5};
    for (int i = 0; i < 3; i++)
        assert_ok(wire_builder_add(&b, 1000 + i, WIRE_NULL_BYTES, value, NULL, 0));
    wire_builder_finish(&b, &(struct wire_builder_head){
                                .producer_id = -1, .producer_epoch = -1, .base_sequence = -1});
    p->op.batch = slice_of(buf, 0, (uint32_t)b.size);
    replica_produce(the->replica, &p->op, on_produced);
    buf_release(buf);
}

static void on_heard(struct replica_fetch *f)
{
    (void)f;
}

static void on_woken(struct replica_fetch *f, uint64_t bytes)
{
    (void)f;
    (void)bytes;
    the->woken_count++;
}

static void ask(struct replica_fetch *f, const struct leader_said *said)
{
    int64_t broker_epoch =
        said->broker_epoch == 0 ? the->brokers[said->id].epoch : said->broker_epoch;
    replica_fetch_init(f, the->replica);
    f->offset = said->offset;
    f->leader_epoch = the->epoch - said->epoch_less;
    f->last_epoch = said->last_epoch == 0 ? -1 : said->last_epoch;
    f->follower =
        (struct replica_follower){.id = said->id,
                                  .epoch = broker_epoch,
                                  .log_start = said->log_start,
                                  .durable_end = said->says_durable ? said->durable_end : -1};
    f->counts = true;
    f->done = on_heard;
    f->woken = on_woken;
    replica_fetch(f);
}

int16_t leader_hear(struct leader_said said)
{
    struct replica_fetch f;
    ask(&f, &said);
    int16_t code = f.code;
    replica_fetch_end(&f);
    return code;
}

void leader_park(struct leader_said said)
{
    ask(&the->parked, &said);
}

static void on_described(struct replica_description *d)
{
    (void)d;
}

int64_t leader_end(void)
{
    struct replica_description d;
    replica_describe(the->replica, &d, on_described);
    return replica_high_watermark(the->replica) + d.lag;
}

void leader_publish(void)
{
    replica_become(the->replica, epochs_now());
}

void leader_brokers_changed(void)
{
    replica_brokers_changed(&the->life->set);
}

void leader_elect(uint32_t isr, bool follows)
{
    the->epoch++;
    the->partition_epoch++;
    the->isr = isr;
    the->follows = follows;
    leader_publish();
}

void leader_change(uint32_t isr)
{
    the->partition_epoch++;
    the->isr = isr;
    leader_publish();
}

uint32_t leader_proposed(void)
{
    uint32_t bits = 0;
    if (the->proposal_count == 0)
        return 0;
    const struct replica_proposal *p = the->proposals[0];
    for (int32_t i = 0; i < p->isr_count; i++)
        bits |= 1u << p->isr[i].broker_id;
    return bits;
}

static void take_out(void)
{
    the->proposal_count--;
    memmove(the->proposals, the->proposals + 1,
            (size_t)the->proposal_count * sizeof the->proposals[0]);
}

static void put_back(struct replica_proposal *p)
{
    assert_true(the->proposal_count < PROPOSALS_MAX);
    memmove(the->proposals + 1, the->proposals,
            (size_t)the->proposal_count * sizeof the->proposals[0]);
    the->proposals[0] = p;
    the->proposal_count++;
}

bool leader_answer_as(int16_t code, int32_t epoch, int32_t partition_epoch)
{
    assert_true(the->proposal_count > 0);
    struct replica_proposal *p = the->proposals[0];
    take_out(); /* the next one may be proposed in the same call */
    bool over = replica_proposal_answered(p, code, epoch, partition_epoch);
    if (!over)
        put_back(p);
    return over;
}

bool leader_answer(int16_t code)
{
    assert_true(the->proposal_count > 0);
    if (code == WIRE_ERROR_NONE && !the->proposals[0]->is_void) {
        the->isr = leader_proposed();
        the->partition_epoch++;
    }
    return leader_answer_as(code, the->epoch, the->partition_epoch);
}
