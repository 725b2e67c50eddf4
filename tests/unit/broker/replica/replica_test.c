/* replica_test.c - one partition on a simulated disk: who is answered when, what is shown, and what
 * happens when the disk fails. */
#include "replica/replica.h"
#include "support/test.h"
#include "world/world.h"

#define NS_PER_MS 1000000ll
#define OPS_MAX 32

/* Lives find it through this pointer: a program is told of nothing but its seat. */
static struct rig {
    struct mem mem;
    struct world *world;
    uint32_t node;
    struct replica_config config;
    enum err opened;
    int open_count;
    int64_t leaked;
    struct world_sink sink;
    struct life *life;
    char told[1024];
    enum log_flush flush;
} * rig;

struct produce {
    struct replica_produce op;
    bool done;
    int64_t done_ns;
};

struct asker {
    struct replica_fetch fetch;
    int count, reads;
    uint64_t bytes;
};

struct life {
    struct world_seat *seat;
    struct dir *dir;
    struct log_set *logs;
    struct replica_set set;
    struct replica_watch watch;
    struct replica *replica;
    struct dir_op dir_op;
    struct replica_op op;
    struct produce produces[OPS_MAX];
    struct asker waiter;
    bool closed;
};

static const struct wire_uuid topic_id = {.b = {7, 7}};

/* ---- a life ---- */

static void on_settled(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    struct world_seat *seat = life->seat;
    if (life->replica != NULL)
        replica_free(life->replica);
    replica_set_free(&life->set);
    log_set_free(life->logs);
    dir_free(life->dir);
    mem_free(seat->mem, life);
    rig->life = NULL;
    world_exit(seat, e);
}

static void on_closed(struct replica_op *op, enum err e)
{
    (void)e;
    struct life *life = CONTAINER_OF(op, struct life, op);
    dir_settle(life->dir, &life->dir_op, on_settled);
}

static void on_dir_closed(struct dir_op *op, enum err e)
{
    (void)e;
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    if (life->replica == NULL || !replica_is_open(life->replica)) {
        dir_settle(life->dir, &life->dir_op, on_settled);
        return;
    }
    replica_close(life->replica, &life->op, on_closed);
}

static void stop(struct world_seat *seat)
{
    struct life *life = seat->self;
    replica_fetch_end(&life->waiter.fetch);
    if (life->replica != NULL)
        replica_resign(life->replica);
    dir_close(life->dir, true, &life->dir_op, on_dir_closed);
}

static void on_open(struct replica_op *op, enum err e)
{
    (void)op;
    rig->opened = e;
    rig->open_count++;
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    struct world_seat *seat = life->seat;
    assert_ok(e);
    assert_ok(replica_new(&life->replica, &life->set, seat->env, seat->mem, seat->trace, "orders",
                          &topic_id, 0, &rig->config));
    replica_open(life->replica, &life->op, life->logs,
                 (struct replica_epochs){.leader = rig->open_count + 3}, on_open);
}

static void tell(struct replica_watch *watch, const struct replica *r, bool offline,
                 const char *sentence)
{
    (void)watch;
    (void)r;
    (void)offline;
    size_t size = MIN(strlen(sentence), sizeof rig->told - 1);
    memcpy(rig->told, sentence, size);
    rig->told[size] = 0;
}

static enum err start(struct world_seat *seat)
{
    struct life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->watch.tell = tell;
    seat->self = life;
    rig->life = life;
    assert_ok(replica_set_init(&life->set, seat->mem, &life->watch));
    struct dir_config config = {.path = "data",
                                .node_id = 1,
                                .open_files_max = 100,
                                .checkpoint_bytes = 1 << 20,
                                .checkpoint_ms = 1000,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    assert_ok(dir_new(&life->dir, seat->env, seat->mem, seat->trace, &config));
    assert_ok(log_set_new(&life->logs, life->dir, rig->flush));
    dir_open(life->dir, &life->dir_op, on_dir_open);
    return ERR_NONE;
}

static void on_produced(struct replica_produce *op)
{
    struct produce *p = CONTAINER_OF(op, struct produce, op);
    assert_false(p->done);
    p->done = true;
    p->done_ns = world_now(rig->world);
    bool counted = replica_high_watermark(op->replica) > op->last_offset;
    assert_true(op->code != 0 || op->acks != -1 || counted);
}

/* Three records; sequence -1: of no producer. */
static void produce(struct life *life, int slot, int16_t acks, int32_t sequence)
{
    struct produce *p = &life->produces[slot];
    *p = (struct produce){.op.acks = acks};
    struct buf *buf = buf_new(life->seat->mem, 512);
    struct wire_builder b;
    wire_builder_init(&b, buf->data, 512);
    struct wire_bytes value = {.data = (const uint8_t *)"value", .size = 5};
    for (int i = 0; i < 3; i++)
        assert_ok(wire_builder_add(&b, 1000 + i, WIRE_NULL_BYTES, value, NULL, 0));
    wire_builder_finish(&b, &(struct wire_builder_head){
                                .producer_id = sequence < 0 ? -1 : 5,
                                .producer_epoch = sequence < 0 ? -1 : 0,
                                .base_sequence = sequence < 0 ? -1 : sequence,
                            });
    p->op.batch = slice_of(buf, 0, (uint32_t)b.size);
    replica_produce(life->replica, &p->op, on_produced);
    buf_release(buf);
}

static void on_woken(struct replica_fetch *f, uint64_t bytes)
{
    struct asker *asker = CONTAINER_OF(f, struct asker, fetch);
    asker->count++;
    asker->bytes += bytes;
}

static void on_fetched(struct replica_fetch *f)
{
    CONTAINER_OF(f, struct asker, fetch)->reads++;
}

static void on_fetched_late(struct replica_fetch *f)
{
    assert_null(f->read);
}

/* Whether a consumer may read something there; 0, or the code that it gets. */
static int16_t readable(struct life *life, int64_t offset, bool *some)
{
    struct asker asker = {0};
    replica_fetch_init(&asker.fetch, life->replica);
    asker.fetch.offset = offset;
    asker.fetch.done = on_fetched;
    replica_fetch(&asker.fetch);
    assert_int_equal(asker.reads, 1); /* it looks only, and that is done at once */
    *some = asker.fetch.some;
    int16_t code = asker.fetch.code;
    replica_fetch_end(&asker.fetch);
    return code;
}

/* What the test orders is done inside of the node's event. */
static void (*ordered)(struct life *life);

static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    (void)text;
    ordered(seat->self);
    world_reply(seat, id, bytes_text(""));
}

static const struct world_program program = {
    .kind = "replica", .start = start, .stop = stop, .command = command};

/* ---- the test's side ---- */

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    (void)node;
    (void)e;
    CONTAINER_OF(sink, struct rig, sink)->leaked += leaked_count;
}

static void run(int64_t ms)
{
    world_run_until(rig->world, world_now(rig->world) + ms * NS_PER_MS);
}

static void order(void (*what)(struct life *life), int64_t ms)
{
    ordered = what;
    assert_true(world_command(rig->world, rig->node, 1, bytes_text("")));
    run(ms);
}

static void boot(void)
{
    int before = rig->open_count;
    world_start(rig->world, rig->node);
    run(1000);
    assert_int_equal(rig->open_count, before + 1);
    assert_int_equal(rig->opened, ERR_NONE);
}

static void setup_with(struct rig *r, uint64_t seed, enum log_flush flush)
{
    *r = (struct rig){.flush = flush,
                      .config = {.min_insync_replicas = 1,
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
    rig = r;
    mem_system(&r->mem);
    struct world_config config = {.seed = seed};
    r->world = world_new(&r->mem, &config, NULL);
    assert_non_null(r->world);
    r->sink.exited = on_exited;
    world_add_sink(r->world, &r->sink);
    assert_ok(world_add_node(r->world, &program, "node", bytes_text(""), &r->node));
    boot();
}

static void setup(struct rig *r, uint64_t seed)
{
    setup_with(r, seed, LOG_FLUSH_ACK);
}

static void teardown(void)
{
    world_heal(rig->world);
    world_stop(rig->world, rig->node);
    run(2000);
    assert_int_equal(world_node_life(rig->world, rig->node), WORLD_DOWN);
    assert_int_equal(rig->leaked, 0);
    world_free(rig->world);
    assert_int_equal(rig->mem.live_count, 0);
    rig = NULL;
}

static const struct produce *sent(int slot)
{
    return &rig->life->produces[slot];
}

static void harm(enum fault_kind kind)
{
    world_harm(rig->world, &(struct fault_line){.kind = kind, .nodes = fault_node(rig->node)});
}

/* ---- orders ---- */

static void produce_both(struct life *life)
{
    produce(life, 0, 1, -1);
    produce(life, 1, -1, -1);
}

static void produce_all(struct life *life)
{
    produce(life, 0, -1, -1);
}

static void produce_twice(struct life *life)
{
    produce(life, 0, -1, 0);
    produce(life, 1, -1, 0);
    produce(life, 2, -1, 3);
}

static void produce_once(struct life *life)
{
    produce(life, 0, -1, 0);
}

static void change_and_produce_again(struct life *life)
{
    rig->config.log.always_sync = true;
    replica_reconfigure(life->replica, &rig->config.log, 1);
    produce(life, 1, -1, 0);
}

static void produce_second(struct life *life)
{
    produce(life, 1, -1, -1);
}

static void cancel_first(struct life *life)
{
    replica_produce_cancel(&life->produces[0].op, WIRE_ERROR_REQUEST_TIMED_OUT);
}

static void lead_again(struct life *life)
{
    replica_become(life->replica,
                   (struct replica_epochs){.leader = replica_leader_epoch(life->replica)});
}

static void lead_later(struct life *life)
{
    replica_become(life->replica,
                   (struct replica_epochs){.leader = replica_leader_epoch(life->replica) + 1});
}

static void lead_and_produce(struct life *life)
{
    lead_later(life);
    assert_false(replica_holds(life->replica));
    produce_both(life);
}

static void follow_later(struct life *life)
{
    replica_become(life->replica,
                   (struct replica_epochs){.leader = replica_leader_epoch(life->replica) + 1,
                                           .follows = true});
}

static void resign(struct life *life)
{
    replica_resign(life->replica);
}

static void wait(struct life *life)
{
    struct replica_fetch *f = &life->waiter.fetch;
    replica_fetch_init(f, life->replica);
    f->done = on_fetched;
    f->woken = on_woken;
    replica_fetch(f);
    assert_int_equal(life->waiter.reads, 1);
    assert_false(f->some);
}

static void read_all(struct life *life)
{
    struct replica_fetch *f = &life->waiter.fetch;
    replica_fetch_init(f, life->replica);
    f->bytes_max = 1 << 20;
    f->done = on_fetched;
    f->woken = on_woken;
    replica_fetch(f);
}

static void on_closed_early(struct replica_op *op, enum err e)
{
    assert_ok(e);
    CONTAINER_OF(op, struct life, op)->closed = true;
}

static void resign_and_close(struct life *life)
{
    replica_resign(life->replica);
    replica_close(life->replica, &life->op, on_closed_early);
}

static void end_fetch(struct life *life)
{
    replica_fetch_end(&life->waiter.fetch);
}

static void wait_and_produce(struct life *life)
{
    wait(life);
    produce(life, 0, -1, -1);
    bool some;
    assert_int_equal(readable(life, 0, &some), 0);
    assert_false(some);
}

/* ---- claims ---- */

TEST(acks_one_is_answered_when_written_and_acks_all_when_durable)
{
    int earlier = 0;
    for (uint64_t seed = 1; seed < 10; seed++) {
        struct rig r;
        setup(&r, seed);
        order(produce_both, 500);
        assert_true(sent(0)->done);
        assert_true(sent(1)->done);
        assert_int_equal(sent(0)->op.first_offset, 0);
        assert_int_equal(sent(1)->op.first_offset, 3);
        assert_true(sent(0)->done_ns <= sent(1)->done_ns);
        earlier += sent(0)->done_ns < sent(1)->done_ns;
        teardown();
    }
    assert_true(earlier > 0);
}

TEST(nothing_may_be_read_before_the_high_watermark_passes_it)
{
    struct rig r;
    setup(&r, 11);
    order(wait_and_produce, 500);
    assert_int_equal(r.life->waiter.count, 1);
    assert_int_equal(r.life->waiter.bytes, sent(0)->op.batch.size);
    assert_true(r.life->waiter.fetch.some);
    bool some;
    assert_int_equal(readable(r.life, 0, &some), 0);
    assert_true(some);
    assert_int_equal(readable(r.life, 4, &some), WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    teardown();
}

TEST(a_duplicate_is_answered_with_its_originals_offset_and_not_before_it)
{
    for (uint64_t seed = 20; seed < 30; seed++) {
        struct rig r;
        setup(&r, seed);
        order(produce_twice, 500);
        assert_int_equal(sent(1)->op.code, 0);
        assert_true(sent(1)->op.duplicate);
        assert_int_equal(sent(1)->op.first_offset, 0);
        assert_true(sent(1)->done_ns >= sent(0)->done_ns);
        assert_int_equal(sent(2)->op.first_offset, 3);
        teardown();
    }
}

/* The watermark does not go back with the policy; what it promises to whoever asks now does. */
TEST(a_duplicate_waits_for_the_disk_once_flush_policy_is_ack)
{
    struct rig r;
    setup_with(&r, 30, LOG_FLUSH_OS);
    order(produce_once, 100);
    assert_true(sent(0)->done);
    harm(FAULT_DISK_HANG);
    order(change_and_produce_again, 100);
    assert_false(sent(1)->done);
    world_heal(r.world);
    run(300); /* by a sync that the change has begun: nothing is written, and flush_ms is not over
               */
    assert_true(sent(1)->done);
    assert_int_equal(sent(1)->op.code, 0);
    assert_true(sent(1)->op.duplicate);
    teardown();
}

TEST(who_waits_too_long_is_told_so_once)
{
    struct rig r;
    setup(&r, 31);
    harm(FAULT_DISK_HANG);
    order(produce_all, 300);
    assert_false(sent(0)->done);
    order(cancel_first, 10);
    assert_true(sent(0)->done);
    assert_int_equal(sent(0)->op.code, WIRE_ERROR_REQUEST_TIMED_OUT);
    world_heal(r.world);
    run(500);
    assert_int_equal(replica_high_watermark(r.life->replica), 3);
    teardown();
}

TEST(a_failed_sync_refuses_what_waits_and_ends_leading)
{
    struct rig r;
    setup(&r, 32);
    harm(FAULT_SYNC_FAILS);
    order(produce_all, 500);
    assert_true(sent(0)->done);
    assert_int_equal(sent(0)->op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_not_equal(replica_status(r.life->replica), ERR_NONE);
    assert_true(strlen(r.told) > 0);
    world_heal(r.world);
    order(produce_second, 500);
    assert_int_equal(sent(1)->op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    teardown();
}

/* Its bytes may be gone with the page that was not synced. */
TEST(a_failed_sync_refuses_what_waits_with_acks_one)
{
    struct rig r;
    setup(&r, 34);
    harm(FAULT_SYNC_FAILS);
    order(produce_both, 500);
    for (int slot = 0; slot < 2; slot++) {
        assert_true(sent(slot)->done);
        assert_int_equal(sent(slot)->op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    }
    teardown();
}

TEST(a_full_disk_refuses_and_space_brings_the_partition_back)
{
    struct rig r;
    setup(&r, 33);
    order(produce_all, 500);
    assert_int_equal(sent(0)->op.code, 0);
    harm(FAULT_DISK_FULL);
    order(produce_all, 500);
    assert_true(sent(0)->done);
    assert_int_equal(sent(0)->op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    bool some;
    assert_int_equal(readable(r.life, 0, &some), 0);
    assert_true(some);
    world_heal(r.world);
    run(5000);
    order(produce_second, 1000);
    assert_int_equal(sent(1)->op.code, 0);
    assert_int_equal(sent(1)->op.first_offset, 3);
    teardown();
}

/* What was acknowledged is read, and nothing is taken in an epoch that the disk does not know. */
TEST(a_partition_whose_epoch_a_full_disk_does_not_take_serves_and_takes_nothing)
{
    struct rig r;
    setup(&r, 36);
    order(produce_all, 500);
    assert_int_equal(sent(0)->op.code, 0);
    world_power_loss(r.world, fault_node(r.node));
    run(1);
    harm(FAULT_DISK_FULL);
    for (int life = 0; life < 3; life++) {
        boot();
        bool some;
        assert_int_equal(readable(r.life, 0, &some), 0);
        assert_true(some);
        assert_true(replica_holds(r.life->replica));
        assert_int_equal(r.life->set.holding_count, 1);
        order(produce_second, 500);
        assert_int_equal(sent(1)->op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
        order(lead_again, 500);
        assert_true(replica_holds(r.life->replica));
        if (life < 2)
            world_power_loss(r.world, fault_node(r.node));
        run(1);
    }
    world_heal(r.world);
    int32_t epoch = replica_leader_epoch(r.life->replica);
    order(lead_later, 500);
    assert_false(replica_holds(r.life->replica));
    assert_int_equal(r.life->set.holding_count, 0);
    assert_int_equal(replica_leader_epoch(r.life->replica), epoch + 1);
    assert_int_equal(replica_check(r.life->replica, epoch), WIRE_ERROR_FENCED_LEADER_EPOCH);
    order(produce_second, 1000);
    assert_int_equal(sent(1)->op.code, 0);
    assert_int_equal(sent(1)->op.first_offset, 3);
    teardown();
}

/* It may end while its epoch is being written. */
TEST(a_partition_that_begins_an_epoch_may_be_closed)
{
    for (uint64_t seed = 60; seed < 80; seed++) {
        struct rig r;
        setup(&r, seed);
        harm(FAULT_DISK_HANG);
        order(lead_later, 1);
        assert_false(replica_holds(r.life->replica));
        order(lead_later, (int64_t)(seed % 3)); /* once is enough */
        teardown();
    }
}

/* P-1: a broker may have a thousand of them to take over at once, each with a file to write. */
TEST(who_leads_anew_takes_records_before_its_epoch_is_written_down)
{
    struct rig r;
    setup(&r, 81);
    order(lead_and_produce, 100);
    assert_int_equal(sent(0)->op.code, 0);
    assert_int_equal(sent(1)->op.code, 0);
    teardown();
}

TEST(who_leads_no_longer_answers_everybody)
{
    struct rig r;
    setup(&r, 34);
    harm(FAULT_DISK_HANG);
    order(produce_all, 100);
    order(wait, 10);
    order(resign, 10);
    assert_int_equal(sent(0)->op.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(r.life->waiter.count, 1);
    assert_int_equal(r.life->waiter.fetch.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(replica_check(r.life->replica, -1), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    teardown();
}

/* What was read is on its way to somebody slow. */
/* P-2; what it had taken stays, and may be shown when it leads again. */
TEST(who_follows_answers_everybody)
{
    struct rig r;
    setup(&r, 17);
    int32_t epoch = replica_leader_epoch(rig->life->replica);
    order(produce_both, 0);
    while (sent(1)->op.replica == NULL)
        world_run_until(rig->world, world_now(rig->world) + 1000);
    assert_false(sent(1)->done);
    order(follow_later, 0);
    while (replica_leader_epoch(rig->life->replica) == epoch)
        world_run_until(rig->world, world_now(rig->world) + 1000);
    assert_true(sent(1)->done);
    assert_int_equal(sent(1)->op.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    order(produce_all, 100);
    assert_int_equal(sent(0)->op.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    order(lead_later, 1000);
    order(produce_all, 1000);
    assert_int_equal(sent(0)->op.code, 0);
    assert_int_equal(sent(0)->op.first_offset, 6);
    teardown();
}

TEST(a_close_waits_for_what_has_been_read)
{
    struct rig r;
    setup(&r, 37);
    order(produce_all, 500);
    order(read_all, 500);
    const struct replica_fetch *f = &r.life->waiter.fetch;
    assert_non_null(f->read);
    assert_int_equal(f->read->next_offset, 3);
    assert_int_equal(f->next_offset, 3);
    assert_false(f->some);
    order(resign_and_close, 500);
    assert_false(r.life->closed);
    assert_int_equal(f->code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(f->read->next_offset, 3);
    assert_int_equal(f->next_offset, 3);
    order(end_fetch, 500);
    assert_true(r.life->closed);
    teardown();
}

/* The topic is deleted while a request is about to ask. */
TEST(who_holds_a_replica_that_is_gone_is_told_that_it_leads_no_more)
{
    struct rig r;
    setup(&r, 38);
    order(wait, 10);
    order(resign_and_close, 500);
    assert_true(r.life->closed);
    struct replica *replica = replica_hold(r.life->replica);
    order(end_fetch, 0);
    world_sit(r.world, r.node);
    replica_free(replica);
    assert_null(replica_find(&r.life->set, &topic_id, 0));
    assert_int_equal(replica_check(replica, -1), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    struct replica_fetch late;
    replica_fetch_init(&late, replica);
    late.done = on_fetched_late;
    replica_fetch(&late);
    assert_int_equal(late.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    replica_fetch_end(&late);
    replica_let_go(replica);
    r.life->replica = NULL;
    world_rise(r.world, r.node);
    teardown();
}

TEST(a_client_with_another_leader_epoch_is_told)
{
    struct rig r;
    setup(&r, 35);
    int32_t epoch = replica_leader_epoch(r.life->replica);
    assert_int_equal(replica_check(r.life->replica, epoch), 0);
    assert_int_equal(replica_check(r.life->replica, -1), 0);
    assert_int_equal(replica_check(r.life->replica, epoch - 1), WIRE_ERROR_FENCED_LEADER_EPOCH);
    assert_int_equal(replica_check(r.life->replica, epoch + 1), WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    teardown();
}

TEST(what_was_acknowledged_is_shown_after_a_power_loss)
{
    for (uint64_t seed = 40; seed < 60; seed++) {
        struct rig r;
        setup(&r, seed);
        order(produce_all, 500);
        assert_int_equal(sent(0)->op.code, 0);
        order(produce_second, 0);
        world_power_loss(r.world, fault_node(r.node));
        run(1);
        boot();
        run(2000);
        assert_true(replica_high_watermark(r.life->replica) >= 3);
        teardown();
    }
}
