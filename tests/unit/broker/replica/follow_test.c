/* follow_test.c - two replicas of one partition on two machines: one leads, the other takes what it
 * is given; either may die, lose its power or be made the leader at any moment. The test is the
 * network, the controller and the leader's bookkeeping (P-8). */
#include <stdlib.h>
#include "replica/replica.h"
#include "support/test.h"
#include "world/world.h"

#define NS_PER_MS 1000000ll
#define OFFSETS_MAX 4096
#define BYTES_MAX (1 << 20)
#define PRODUCES_MAX 8

static const struct wire_uuid topic_id = {.b = {7, 7}};

/* What a read of a log brought; it outlives the node. */
struct brought {
    bool done;
    int16_t code;
    int64_t high_watermark, log_start, diverging_end;
    int32_t diverging_epoch;
    size_t size;
    uint8_t *bytes;
};

struct produce {
    struct replica_produce op;
    bool busy;
};

struct host {
    uint32_t node;
    bool follows; /* how it is opened */
    struct life *life;
    bool open;
    struct brought brought;
    struct replica_ends ends;
    int64_t high_watermark, log_start;
    bool fetching, taking; /* under way */
    enum replica_taking verdict;
    int take_count;
};

struct life {
    struct world_seat *seat;
    struct host *host;
    struct dir *dir;
    struct log_set *logs;
    struct replica_set set;
    struct replica *replica;
    struct dir_op dir_op;
    struct replica_op op;
    struct replica_fetch fetch;
    struct replica_take take;
    struct replica_trim trim;
    bool trims;
    struct produce produces[PRODUCES_MAX];
    struct env_op reading;
    int part;
};

static struct pair {
    struct mem mem;
    struct world *world;
    struct world_sink sink;
    struct rng rng;
    struct host hosts[2];
    int leader; /* index */
    int32_t epoch;
    bool late; /* a new epoch begins between a fetch and its answer */
    int64_t committed;
    int64_t told, told_most; /* high watermark of the answer on its way; of this epoch's */
    uint64_t value;
    int64_t leaked;
    uint32_t seen[OFFSETS_MAX], kept[OFFSETS_MAX]; /* CRC by the base offset: fetched; committed */
    int truncations, restarts, commits;
} * pair;

/* Nobody but the leader is in sync: what is committed is the test's to know. */
static struct replica_epochs epochs_of(const struct host *host)
{
    static const int32_t ids[] = {0, 1};
    int self = (int)(host - pair->hosts);
    return (struct replica_epochs){.leader = pair->epoch,
                                   .follows = host->follows,
                                   .replicas = {.ids = ids, .count = COUNT_OF(ids)},
                                   .isr = {.ids = &ids[self], .count = 1}};
}

/* ---- a life ---- */

static void on_settled(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    struct world_seat *seat = life->seat;
    replica_free(life->replica);
    replica_set_free(&life->set);
    log_set_free(life->logs);
    dir_free(life->dir);
    life->host->life = NULL;
    mem_free(seat->mem, life);
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
    if (replica_is_open(life->replica))
        replica_close(life->replica, &life->op, on_closed);
    else
        dir_settle(life->dir, &life->dir_op, on_settled);
}

static void stop(struct world_seat *seat)
{
    struct life *life = seat->self;
    replica_fetch_end(&life->fetch);
    replica_resign(life->replica);
    dir_close(life->dir, true, &life->dir_op, on_dir_closed);
}

static void on_open(struct replica_op *op, enum err e)
{
    assert_ok(e);
    CONTAINER_OF(op, struct life, op)->host->open = true;
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    static const struct replica_config config = {.min_insync_replicas = 1,
                                                 .log = {.segment_bytes = 4096,
                                                         .segment_ms = INT64_MAX,
                                                         .segment_index_bytes = 1 << 20,
                                                         .index_interval_bytes = 256,
                                                         .retention_ms = -1,
                                                         .retention_bytes = -1,
                                                         .max_message_bytes = 1 << 20,
                                                         .timestamp_before_max_ms = INT64_MAX,
                                                         .timestamp_after_max_ms = INT64_MAX,
                                                         .producer_id_expiration_ms = INT64_MAX,
                                                         .dense = true}};
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    struct world_seat *seat = life->seat;
    assert_ok(e);
    assert_ok(replica_new(&life->replica, &life->set, seat->env, seat->mem, seat->trace, "orders",
                          &topic_id, 0, &config));
    replica_hold(life->replica);
    replica_let_go(life->replica);
    replica_open(life->replica, &life->op, life->logs, epochs_of(life->host), on_open);
}

static enum err start(struct world_seat *seat)
{
    struct life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->host = &pair->hosts[seat->args.data[0] - '0'];
    life->host->life = life;
    life->host->open = life->host->fetching = life->host->taking = false;
    seat->self = life;
    assert_ok(replica_set_init(&life->set, seat->mem, NULL));
    life->set.broker_id = (int32_t)(life->host - pair->hosts);
    life->set.lag_ns_max = 1000 * NS_PER_MS;
    struct dir_config config = {.path = "data",
                                .node_id = 1,
                                .open_files_max = 100,
                                .checkpoint_bytes = 1 << 14,
                                .checkpoint_ms = 50,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    assert_ok(dir_new(&life->dir, seat->env, seat->mem, seat->trace, &config));
    assert_ok(log_set_new(&life->logs, life->dir, LOG_FLUSH_ACK));
    dir_open(life->dir, &life->dir_op, on_dir_open);
    return ERR_NONE;
}

/* ---- what is done inside of a node's event ---- */

static void on_produced(struct replica_produce *op)
{
    CONTAINER_OF(op, struct produce, op)->busy = false;
}

static void produce(struct life *life)
{
    struct produce *p = NULL;
    for (int i = 0; i < PRODUCES_MAX; i++)
        p = life->produces[i].busy ? p : &life->produces[i];
    if (p == NULL)
        return;
    *p = (struct produce){.op.acks = -1, .busy = true};
    struct buf *buf = buf_new(life->seat->mem, 512);
    struct wire_builder b;
    wire_builder_init(&b, buf->data, 512);
    for (uint64_t count = 1 + pair->value % 3; count > 0; count--) {
        pair->value++;
        struct wire_bytes value = {.data = (const uint8_t *)&pair->value, .size = 8};
        assert_ok(wire_builder_add(&b, 1000, WIRE_NULL_BYTES, value, NULL, 0));
    }
    struct wire_builder_head head = {.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    wire_builder_finish(&b, &head);
    p->op.batch = slice_of(buf, 0, (uint32_t)b.size);
    replica_produce(life->replica, &p->op, on_produced);
    buf_release(buf);
}

static void read_part(struct life *life);

static void on_part(struct env_op *op, enum err e, uint64_t n)
{
    struct life *life = CONTAINER_OF(op, struct life, reading);
    struct brought *b = &life->host->brought;
    assert_ok(e);
    b->size += n;
    life->part++;
    read_part(life);
}

static void read_part(struct life *life)
{
    struct brought *b = &life->host->brought;
    const struct log_read *log = life->fetch.read;
    while (log != NULL && life->part < log->part_count) {
        const struct env_part *part = &log->parts[life->part];
        assert_in_range(b->size + part->size, 0, BYTES_MAX);
        if (part->data == NULL) {
            env_read(life->seat->env, &life->reading, part->file, part->offset, b->bytes + b->size,
                     part->size, on_part);
            return;
        }
        memcpy(b->bytes + b->size, part->data, part->size);
        b->size += part->size;
        life->part++;
    }
    b->done = true;
    life->host->fetching = false;
    replica_fetch_end(&life->fetch);
}

static void on_fetched(struct replica_fetch *f)
{
    struct life *life = CONTAINER_OF(f, struct life, fetch);
    struct brought *b = &life->host->brought;
    b->code = f->code;
    b->high_watermark = f->high_watermark;
    b->log_start = f->log_start;
    b->diverging_epoch = f->diverging_epoch;
    b->diverging_end = f->diverging_end;
    life->part = 0;
    read_part(life);
}

static void on_woken(struct replica_fetch *f, uint64_t bytes)
{
    (void)f;
    (void)bytes;
}

/* The follower's request, at the leader. */
static struct replica_ends asked;

static void fetch(struct life *life)
{
    life->host->brought = (struct brought){.bytes = life->host->brought.bytes};
    life->host->fetching = true;
    replica_fetch_init(&life->fetch, life->replica);
    life->fetch.offset = asked.end;
    life->fetch.leader_epoch = asked.leader_epoch;
    life->fetch.last_epoch = asked.last_epoch;
    life->fetch.bytes_max = (int32_t)(1 + rng_next(&pair->rng) % 2000);
    life->fetch.at_least_one = true;
    life->fetch.follower = (struct replica_follower){.id = 1 - pair->leader, .epoch = -1};
    life->fetch.done = on_fetched;
    life->fetch.woken = on_woken;
    replica_fetch(&life->fetch);
}

static void on_taken(struct replica_take *t)
{
    struct life *life = CONTAINER_OF(t, struct life, take);
    life->host->taking = false;
    life->host->take_count++;
    life->host->verdict = t->verdict;
    replica_let_go(life->replica);
}

/* The leader's answer, at the follower. */
static void take(struct life *life)
{
    const struct brought *b = &pair->hosts[pair->leader].brought;
    life->take = (struct replica_take){.leader_epoch = asked.leader_epoch,
                                       .offset = asked.end,
                                       .high_watermark = pair->told,
                                       .log_start = b->log_start,
                                       .diverging_epoch = b->diverging_epoch,
                                       .diverging_end = b->diverging_end,
                                       .restart_at = -1};
    if (b->code == WIRE_ERROR_OFFSET_OUT_OF_RANGE)
        life->take.restart_at = b->log_start;
    struct buf *buf = NULL;
    if (b->size > 0) {
        buf = buf_new(life->seat->mem, (uint32_t)b->size);
        memcpy(buf->data, b->bytes, b->size);
        life->take.records = slice_of(buf, 0, (uint32_t)b->size);
    }
    life->host->taking = true;
    replica_hold(life->replica);
    replica_take(life->replica, &life->take, on_taken);
    buf_release(buf);
}

static void become(struct life *life)
{
    replica_become(life->replica, epochs_of(life->host));
}

static void on_trimmed(struct replica_trim *t)
{
    struct life *life = CONTAINER_OF(t, struct life, trim);
    life->trims = false;
    replica_let_go(life->replica);
}

/* Somewhere in what is committed; far enough a follower that is behind has to begin anew. */
static void trim(struct life *life)
{
    int64_t start = replica_log_start(life->replica);
    if (life->trims || start < 0 || pair->committed <= start)
        return;
    life->trims = true;
    life->trim.offset =
        start + (int64_t)(rng_next(&pair->rng) % (uint64_t)(pair->committed - start));
    replica_hold(life->replica);
    replica_trim(life->replica, &life->trim, on_trimmed);
}

static void look(struct life *life)
{
    struct host *h = life->host;
    replica_ends(life->replica, &h->ends);
    h->high_watermark = replica_high_watermark(life->replica);
    h->log_start = replica_log_start(life->replica);
}

/* A command is a place in this table: an address would be another one in each run, and what
 * happens depends on every byte. */
typedef void order_fn(struct life *life);
static order_fn *const orders[] = {produce, fetch, take, become, trim, look};

static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    struct life *life = seat->self;
    if (life->host->open)
        orders[text.data[0]](life);
    world_reply(seat, id, bytes_text(""));
}

static const struct world_program program = {
    .kind = "replica", .start = start, .stop = stop, .command = command};

/* ---- the test's side ---- */

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    (void)node;
    (void)e;
    CONTAINER_OF(sink, struct pair, sink)->leaked += leaked_count;
}

static void run_us(int64_t us)
{
    world_run_until(pair->world, world_now(pair->world) + us * 1000);
}

static bool is_up(const struct host *h)
{
    return world_node_life(pair->world, h->node) == WORLD_UP && h->open;
}

static bool order(struct host *h, order_fn *what)
{
    uint8_t place = 0;
    while (orders[place] != what)
        place++;
    return is_up(h) && world_command(pair->world, h->node, 1, bytes_of(&place, sizeof place));
}

static bool chance(int part)
{
    return rng_next(&pair->rng) % 1000 < (uint64_t)part;
}

/* What the leader gave, by CRC: it may be committed later. */
static void note_seen(const struct brought *b)
{
    struct wire_batch batch;
    size_t at = 0;
    while (wire_batch_at(bytes_of(b->bytes, b->size), at, &batch, NULL) == WIRE_AT_BATCH) {
        assert_in_range(batch.base_offset, 0, OFFSETS_MAX - 1);
        pair->seen[batch.base_offset] = get_u32(b->bytes + at + 17);
        at += (size_t)batch.size;
    }
}

static void commit(int64_t to)
{
    for (; pair->committed < to; pair->committed++) {
        pair->kept[pair->committed] = pair->seen[pair->committed];
        pair->commits++;
    }
}

static void elect(int leader)
{
    pair->leader = leader;
    pair->epoch++;
    pair->told_most = 0;
    for (int i = 0; i < 2; i++)
        pair->hosts[i].follows = i != leader; /* before anybody opens in this epoch */
    for (int i = 0; i < 2; i++) {
        order(&pair->hosts[i], become);
        if (chance(500))
            run_us((int64_t)(rng_next(&pair->rng) % 3000));
    }
}

/* One fetch of the follower's, from its request to what becomes of the answer. True: all of the
 * leader's is there. */
static bool exchange(int64_t us)
{
    struct host *leader = &pair->hosts[pair->leader];
    struct host *follower = &pair->hosts[!pair->leader];
    int32_t epoch = pair->epoch;
    if (leader->fetching || follower->taking)
        return false; /* it is slow */
    order(follower, look);
    run_us(100);
    asked = follower->ends;
    int64_t before = follower->high_watermark;
    if (!is_up(follower) || asked.leader_epoch != epoch || !order(leader, fetch))
        return false;
    leader->brought.done = false; /* nor may the answer before it stand for this one */
    leader->fetching = true;
    run_us(us);
    const struct brought *b = &leader->brought;
    bool out = b->code == WIRE_ERROR_OFFSET_OUT_OF_RANGE && asked.end < b->log_start;
    if (!is_up(leader) || !b->done || (b->code != 0 && !out) || !is_up(follower) ||
        pair->epoch != epoch)
        return false;
    pair->restarts += out;
    note_seen(b);
    if (b->diverging_end < 0 && !out) /* its log is a part of the leader\'s */
        commit(MIN(asked.counting_end, b->high_watermark));
    /* Who is out of the ISR may be told of more than it has. */
    pair->told = chance(300) ? MAX(pair->committed, b->high_watermark) : pair->committed;
    pair->told_most = MAX(pair->told_most, pair->told);
    if (pair->late) {
        elect((int)(rng_next(&pair->rng) % 2));
        run_us(500);
    }
    int takes = follower->take_count;
    if (!order(follower, take))
        return false;
    run_us(us);
    if (pair->late && follower->take_count > takes)
        assert_int_equal(follower->verdict, REPLICA_STALE);
    if (pair->late)
        return false;
    if (is_up(follower) && !follower->taking)
        pair->truncations += follower->verdict == REPLICA_TRUNCATED;
    order(follower, look);
    run_us(100);
    /* A leader that counts alone may have shown more before it followed. */
    if (is_up(follower) && follower->ends.leader_epoch >= 0) {
        int64_t most = MAX(follower->log_start, MAX(before, pair->told_most));
        assert_true(follower->high_watermark <= most);
        assert_true(follower->high_watermark <= follower->ends.counting_end);
    }
    return is_up(follower) && b->size == 0 && b->diverging_end < 0 && !out &&
           follower->log_start >= b->log_start && asked.counting_end == asked.end &&
           pair->committed == asked.end;
}

static void revive(void)
{
    for (int i = 0; i < 2; i++) {
        struct host *h = &pair->hosts[i];
        if (world_node_life(pair->world, h->node) != WORLD_DOWN)
            continue;
        h->open = false;
        if (!h->follows) /* who led leads again in another epoch alone */
            elect(chance(500) ? i : !i);
        world_start(pair->world, h->node);
    }
}

/* What `asked` asks for, from whoever leads by then: one that was doomed may die at it. */
static struct host *fetch_surely(void)
{
    for (int i = 0; i < 10; i++) {
        struct host *h = &pair->hosts[pair->leader];
        asked.leader_epoch = pair->epoch;
        h->brought.done = false;
        if (order(h, fetch))
            run_us(200000);
        if (h->brought.done && h->brought.code == 0)
            return h;
        revive();
        run_us(1000000);
    }
    fail_msg("nobody answers");
    return NULL;
}

/* Reads the leader's log from where both have it: a new leader may begin earlier. */
static struct brought *read_whole(void)
{
    struct host *h = NULL;
    for (int i = 0; i < 2; i++)
        order(&pair->hosts[i], look);
    run_us(1000);
    asked = (struct replica_ends){.leader_epoch = pair->epoch,
                                  .last_epoch = -1,
                                  .end = MAX(pair->hosts[0].log_start, pair->hosts[1].log_start)};
    uint8_t *all = malloc(BYTES_MAX);
    size_t size = 0;
    for (;;) {
        h = fetch_surely();
        if (h->brought.size == 0)
            break;
        memcpy(all + size, h->brought.bytes, h->brought.size);
        size_t at = size;
        size += h->brought.size;
        struct wire_batch batch;
        while (wire_batch_at(bytes_of(all, size), at, &batch, NULL) == WIRE_AT_BATCH) {
            asked.end = wire_batch_last_offset(&batch) + 1;
            at += (size_t)batch.size;
        }
    }
    memcpy(h->brought.bytes, all, size);
    h->brought.size = size;
    free(all);
    return &h->brought;
}

/* What was committed is in it, as it was. */
static void check_kept(const struct brought *b)
{
    struct wire_batch batch;
    size_t at = 0;
    int64_t end = 0;
    while (wire_batch_at(bytes_of(b->bytes, b->size), at, &batch, NULL) == WIRE_AT_BATCH) {
        uint32_t kept = pair->kept[batch.base_offset];
        if (kept != 0)
            assert_int_equal(kept, get_u32(b->bytes + at + 17));
        end = wire_batch_last_offset(&batch) + 1;
        at += (size_t)batch.size;
    }
    assert_true(end >= pair->committed);
}

/* Left alone, the follower's log becomes the leader's, byte for byte. */
static void converge(void)
{
    bool same = false;
    for (int i = 0; i < 400 && !same; i++) {
        if (!is_up(&pair->hosts[0]) || !is_up(&pair->hosts[1]))
            revive(); /* who was doomed dies at his leisure */
        if (i == 10)
            elect((int)(rng_next(&pair->rng) % 2));
        same = exchange(50000) && i > 10;
        run_us(10000);
    }
    assert_true(same);
    struct brought *first = read_whole();
    check_kept(first);
    elect(!pair->leader);
    run_us(200000);
    struct brought *second = read_whole();
    assert_int_equal(first->size, second->size);
    assert_memory_equal(first->bytes, second->bytes, first->size);
}

static void setup(struct pair *p, uint64_t seed)
{
    *p = (struct pair){.rng = {seed}, .epoch = 3};
    pair = p;
    mem_system(&p->mem);
    struct world_config config = {.seed = seed};
    p->world = world_new(&p->mem, &config, NULL);
    assert_non_null(p->world);
    p->sink.exited = on_exited;
    world_add_sink(p->world, &p->sink);
    for (int i = 0; i < 2; i++) {
        struct host *h = &p->hosts[i];
        const char *args = i == 0 ? "0" : "1";
        h->brought.bytes = malloc(BYTES_MAX);
        h->follows = i == 1;
        assert_ok(world_add_node(p->world, &program, i == 0 ? "left" : "right", bytes_text(args),
                                 &h->node));
        world_start(p->world, h->node);
    }
    run_us(1000000);
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++)
        world_stop(pair->world, pair->hosts[i].node);
    run_us(3000000);
    assert_int_equal(pair->leaked, 0);
    world_free(pair->world);
    for (int i = 0; i < 2; i++)
        free(pair->hosts[i].brought.bytes);
    assert_int_equal(pair->mem.live_count, 0);
    pair = NULL;
}

/* One harm or none. */
static void disturb(bool power)
{
    int i = (int)(rng_next(&pair->rng) % 2);
    uint32_t node = pair->hosts[i].node;
    if (world_node_life(pair->world, node) != WORLD_UP)
        return;
    if (chance(15) && power)
        world_power_loss(pair->world, 1ull << node);
    else if (chance(20))
        world_kill(pair->world, node, (uint32_t)(rng_next(&pair->rng) % 6));
    else if (chance(60))
        elect((int)(rng_next(&pair->rng) % 2));
}

static int truncations;

static void wander(uint64_t seed, bool power)
{
    struct pair p;
    setup(&p, seed);
    for (int part = 0; part < 4; part++) {
        for (int step = 0; step < 60; step++) {
            for (uint64_t n = rng_next(&p.rng) % 4; n > 0; n--)
                order(&p.hosts[p.leader], produce);
            if (chance(40))
                order(&p.hosts[p.leader], trim);
            run_us((int64_t)(rng_next(&p.rng) % 4000));
            disturb(power);
            p.late = chance(80);
            if (chance(700))
                exchange((int64_t)(rng_next(&p.rng) % 6000));
            if (chance(300))
                revive();
        }
        p.late = false;
        converge();
    }
    assert_true(p.commits > 0);
    truncations += p.truncations;
    teardown();
}

TEST(a_follower_becomes_what_its_leader_is_whoever_that_was)
{
    for (uint64_t seed = 1; seed <= 25; seed++)
        wander(seed, false);
    assert_true(truncations > 10);
}

TEST(a_follower_becomes_what_its_leader_is_without_power_too)
{
    for (uint64_t seed = 101; seed <= 125; seed++)
        wander(seed, true);
}

/* Its leader has nothing of what it asks for any more; most starts lie inside of a batch. */
TEST(a_follower_that_is_too_far_behind_begins_where_its_leader_does)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct pair p;
        setup(&p, seed);
        for (int i = 0; i < 20; i++) {
            order(&p.hosts[0], produce);
            run_us(20000);
        }
        p.committed = 15;
        do {
            order(&p.hosts[0], trim);
            run_us(100000);
            order(&p.hosts[0], look);
            run_us(1000);
        } while (p.hosts[0].log_start == 0);
        p.committed = 0;
        for (int i = 0; i < 5; i++)
            exchange(50000);
        assert_int_equal(p.restarts, 1);
        assert_int_equal(p.hosts[1].log_start, p.hosts[0].log_start);
        assert_true(p.hosts[1].ends.end > p.hosts[0].log_start);
        converge();
        teardown();
    }
}
