/* rig.c - see rig.h. */
#include <stdio.h>
#include <stdlib.h>
#include "rig.h"

/* The programs of a world are constants, so what is being tested is found here. */
extern struct rig *rig_current;
struct rig *rig_current;

extern const struct world_program rig_leader_program;

static const char *const topics[] = {"orders", "payments"};

const struct wire_uuid *rig_topic_id(int32_t partition)
{
    static const struct wire_uuid ids[] = {{.b = {7, 7}}, {.b = {8, 8}}};
    return &ids[partition / 8 % 2];
}

/* ---- memory with a limit ---- */

struct piece {
    uint64_t size, unused;
};

static struct limited *limited_of(struct mem *mem)
{
    return CONTAINER_OF(mem, struct limited, mem);
}

static void *limited_alloc(struct mem *mem, size_t size)
{
    struct limited *l = limited_of(mem);
    if (l->bytes + (int64_t)size > l->bytes_max)
        return NULL;
    struct piece *piece = mem_alloc(l->heap, sizeof *piece + size);
    if (piece == NULL)
        return NULL;
    piece->size = size;
    l->bytes += (int64_t)size;
    l->most = MAX(l->most, l->bytes);
    return piece + 1;
}

static void *limited_realloc(struct mem *mem, void *p, size_t size)
{
    struct limited *l = limited_of(mem);
    struct piece *piece = (struct piece *)p - 1;
    int64_t more = (int64_t)size - (int64_t)piece->size;
    if (l->bytes + more > l->bytes_max)
        return NULL;
    piece = mem_realloc(l->heap, piece, sizeof *piece + size);
    if (piece == NULL)
        return NULL;
    piece->size = size;
    l->bytes += more;
    l->most = MAX(l->most, l->bytes);
    return piece + 1;
}

static void limited_free(struct mem *mem, void *p)
{
    struct limited *l = limited_of(mem);
    struct piece *piece = (struct piece *)p - 1;
    l->bytes -= (int64_t)piece->size;
    mem_free(l->heap, piece);
}

static const struct mem_impl limited_impl = {
    .alloc = limited_alloc, .realloc = limited_realloc, .free = limited_free};

/* ---- the follower's life ---- */

static void on_settled(struct dir_op *op, enum err e)
{
    struct follower *f = CONTAINER_OF(op, struct follower, dir_op);
    struct world_seat *seat = f->seat;
    for (int32_t i = 0; i < rig_current->partition_count; i++)
        replica_free(f->ones[i].replica);
    replica_set_free(&f->replicas);
    fetcher_set_free(f->set);
    peers_free(f->peers);
    assert_int_equal(f->held.mem.live_count, 0);
    log_set_free(f->logs);
    dir_free(f->dir);
    rig_current->follower = NULL;
    mem_free(seat->mem, f);
    world_exit(seat, e);
}

static void close_next(struct follower *f);

static void on_replica_closed(struct replica_op *op, enum err e)
{
    (void)e;
    close_next(CONTAINER_OF(op, struct follower, close_op));
}

static void close_next(struct follower *f)
{
    if (f->closed_count == rig_current->partition_count) {
        dir_settle(f->dir, &f->dir_op, on_settled);
        return;
    }
    replica_close(f->ones[f->closed_count++].replica, &f->close_op, on_replica_closed);
}

static void on_dir_closed(struct dir_op *op, enum err e)
{
    (void)e;
    close_next(CONTAINER_OF(op, struct follower, dir_op));
}

static void on_peers_closed(struct peers_op *op)
{
    struct follower *f = CONTAINER_OF(op, struct follower, peers_op);
    for (int32_t i = 0; i < rig_current->partition_count; i++)
        replica_resign(f->ones[i].replica);
    dir_close(f->dir, true, &f->dir_op, on_dir_closed);
}

static void on_fetchers_closed(struct fetcher_op *op)
{
    struct follower *f = CONTAINER_OF(op, struct follower, closing);
    peers_close(f->peers, &f->peers_op, on_peers_closed);
}

static void follower_stop(struct world_seat *seat)
{
    struct follower *f = seat->self;
    f->fetching = false;
    fetcher_set_close(f->set, &f->closing, on_fetchers_closed);
}

static void on_open(struct replica_op *op, enum err e)
{
    assert_ok(e);
    CONTAINER_OF(op, struct followed_one, op)->open = true;
}

static void open_one(struct follower *f, int32_t partition)
{
    const struct replica_config config = {.min_insync_replicas = 1,

                                          .log = {.segment_bytes = 1 << 20,
                                                  .segment_ms = INT64_MAX,
                                                  .segment_index_bytes = 4096,
                                                  .index_interval_bytes = 256,
                                                  .retention_ms = -1,
                                                  .retention_bytes = -1,
                                                  .max_message_bytes = 1 << 20,
                                                  .timestamp_before_max_ms = INT64_MAX,
                                                  .timestamp_after_max_ms = INT64_MAX,
                                                  .producer_id_expiration_ms = INT64_MAX,
                                                  .always_sync = !rig_current->unsynced,
                                                  .dense = true}};
    struct followed_one *one = &f->ones[partition];
    assert_ok(replica_new(&one->replica, &f->replicas, f->seat->env, f->seat->mem, f->seat->trace,
                          topics[partition / 8 % 2], rig_topic_id(partition), partition, &config));
    struct replica_epochs epochs = {.leader = rig_current->led[partition].epoch, .follows = true};
    replica_open(one->replica, &one->op, f->logs, epochs, on_open);
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    struct follower *f = CONTAINER_OF(op, struct follower, dir_op);
    assert_ok(e);
    for (int32_t i = 0; i < rig_current->partition_count; i++)
        open_one(f, i);
}

static int64_t broker_epoch(const struct fetcher_watch *watch)
{
    (void)watch;
    return BROKER_EPOCH + rig_current->registrations;
}

static bool takes_durable_end(const struct fetcher_watch *watch, int32_t leader)
{
    (void)watch;
    (void)leader;
    return rig_current->takes_durable_end;
}

static void tell(struct fetcher_watch *watch, const char *sentence)
{
    (void)watch;
    rig_current->told++;
    snprintf(rig_current->sentence, sizeof rig_current->sentence, "%s", sentence);
}

static enum err follower_start(struct world_seat *seat)
{
    struct follower *f = mem_zalloc(seat->mem, sizeof *f);
    struct dir_config config = {.path = "data",
                                .node_id = FOLLOWER_ID,
                                .open_files_max = 100,
                                .checkpoint_bytes = 1 << 14,
                                .checkpoint_ms = 50,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    const struct peers_settings settings = {.client_id = "kiln-test",
                                            .request_ns_max = 3 * SECOND,
                                            .backoff_ns = 20 * MS,
                                            .backoff_ns_max = 200 * MS,
                                            .frame_bytes_max = 1 << 20};
    assert_non_null(f);
    f->seat = seat;
    seat->self = f;
    rig_current->follower = f;
    f->held = (struct limited){
        .mem = {.impl = &limited_impl}, .heap = seat->mem, .bytes_max = rig_current->held_max};
    assert_ok(replica_set_init(&f->replicas, seat->mem, NULL));
    assert_ok(dir_new(&f->dir, seat->env, seat->mem, seat->trace, &config));
    assert_ok(log_set_new(&f->logs, f->dir, LOG_FLUSH_OS));
    assert_ok(peers_new(&f->peers, seat->env, &f->held.mem, seat->trace, &settings));
    assert_ok(peers_know(f->peers, 1, "first", PORT));
    assert_ok(peers_know(f->peers, 2, "second", PORT));
    f->watch = (struct fetcher_watch){
        .broker_epoch = broker_epoch, .takes_durable_end = takes_durable_end, .tell = tell};
    rig_current->settings.trace = seat->trace;
    assert_ok(fetcher_set_new(&f->set, seat->env, seat->mem, &f->held.mem, f->peers,
                              &rig_current->settings, &f->watch));
    f->fetching = true;
    dir_open(f->dir, &f->dir_op, on_dir_open);
    return ERR_NONE;
}

static const struct world_program follower_program = {
    .kind = "follower", .start = follower_start, .stop = follower_stop};

/* ---- the rig ---- */

struct rig *rig_new(uint64_t seed, int32_t partition_count)
{
    struct errmsg msg = {0};
    struct world_config config = {
        .seed = seed, .assert_leaks = true, .armed = 1u << FAULT_ALLOC | 1u << FAULT_NET_CONNECT};
    struct rig *r = calloc(1, sizeof *r);
    rig_current = r;
    mem_system(&r->mem);
    r->partition_count = partition_count;
    r->fetch_newest = 18;
    r->held_max = 64 << 20;
    r->settings = (struct fetcher_settings){.node_id = FOLLOWER_ID,
                                            .wait_ms_max = WAIT_MS,
                                            .backoff_ms = BACKOFF_MS,
                                            .read_ahead_bytes = 1500,
                                            .bytes_min = 1,
                                            .partition_bytes_max = 1 << 20,
                                            .response_bytes_max = 10 << 20,
                                            .bytes_max = 64 << 20};
    for (int32_t i = 0; i < partition_count; i++)
        r->led[i] = (struct led){.leader = FIRST_LEADER, .epoch = 3};
    r->world = world_new(&r->mem, &config, &msg);
    if (r->world == NULL)
        fail_msg("%s", msg.text);
    assert_ok(
        world_add_node(r->world, &follower_program, "follower", bytes_text(""), &r->follower_node));
    assert_ok(world_add_node(r->world, &rig_leader_program, "first", bytes_text("1"),
                             &r->leader_nodes[0]));
    assert_ok(world_add_node(r->world, &rig_leader_program, "second", bytes_text("2"),
                             &r->leader_nodes[1]));
    return r;
}

void rig_run(struct rig *r, int64_t ms)
{
    world_run_until(r->world, world_now(r->world) + ms * MS);
}

void rig_start(struct rig *r)
{
    for (int i = 0; i < LEADERS; i++)
        world_start(r->world, r->leader_nodes[i]);
    world_start(r->world, r->follower_node);
    for (int i = 0; i < 100; i++) {
        rig_run(r, 100);
        bool open = r->follower != NULL;
        for (int32_t k = 0; k < r->partition_count && open; k++)
            open = r->follower->ones[k].open;
        if (open)
            return;
    }
    fail_msg("the partitions do not open");
}

void rig_end(struct rig *r)
{
    assert_true(r->overstated <= r->overstated_max);
    struct world_stats stats;
    world_heal(r->world);
    world_stop(r->world, r->follower_node);
    rig_run(r, 30000);
    assert_int_equal(world_node_life(r->world, r->follower_node), WORLD_DOWN);
    for (int i = 0; i < LEADERS; i++)
        world_stop(r->world, r->leader_nodes[i]);
    rig_run(r, 30000);
    world_stats(r->world, &stats);
    assert_int_equal(stats.leaked_count, 0);
    world_free(r->world);
    assert_int_equal(r->mem.live_count, 0);
    free(r);
    rig_current = NULL;
}

void rig_harm(struct rig *r, const char *text)
{
    struct fault_line line;
    struct errmsg msg = {0};
    if (fault_line_parse(&line, bytes_text(text), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    world_harm(r->world, &line);
}

struct leader *rig_leader(struct rig *r, int32_t id)
{
    return r->leaders[id - FIRST_LEADER];
}

/* ---- what the test does ---- */

void rig_follow(struct rig *r, int32_t partition)
{
    struct follower *f = r->follower;
    ON_FOLLOWER(r)
    {
        r->refused += fetcher_follow(f->set, f->ones[partition].replica,
                                     r->led[partition].leader) != ERR_NONE;
    }
}

void rig_follow_all(struct rig *r)
{
    struct follower *f = r->follower;
    ON_FOLLOWER(r)
    {
        for (int32_t i = 0; i < r->partition_count; i++)
            assert_ok(fetcher_follow(f->set, f->ones[i].replica, r->led[i].leader));
    }
}

void rig_unfollow(struct rig *r, int32_t partition)
{
    struct follower *f = r->follower;
    ON_FOLLOWER(r)
    {
        fetcher_unfollow(f->set, f->ones[partition].replica);
    }
}

void rig_elect(struct rig *r, int32_t partition, int32_t leader)
{
    r->led[partition].leader = leader;
    r->led[partition].epoch++;
}

void rig_become(struct rig *r, int32_t partition)
{
    struct follower *f = r->follower;
    struct replica *replica = f->ones[partition].replica;
    struct replica_epochs epochs = {.leader = r->led[partition].epoch, .follows = true};
    ON_FOLLOWER(r)
    {
        replica_become(replica, epochs);
        r->refused += fetcher_follow(f->set, replica, r->led[partition].leader) != ERR_NONE;
    }
}

void rig_produce(struct rig *r, int32_t partition, int count, bool committed)
{
    struct led *led = &r->led[partition];
    struct wire_builder b;
    assert_true(led->batch_count < BATCHES_MAX);
    int64_t base = rig_led_end(led);
    struct led_batch *batch = &led->batches[led->batch_count++];
    wire_builder_init(&b, batch->bytes, sizeof batch->bytes);
    for (int i = 0; i < count; i++) {
        r->value++;
        struct wire_bytes value = {.data = (const uint8_t *)&r->value, .size = sizeof r->value};
        assert_ok(wire_builder_add(&b, 1000, WIRE_NULL_BYTES, value, NULL, 0));
    }
    struct wire_builder_head head = {.base_offset = base,
                                     .leader_epoch = led->epoch,
                                     .producer_id = -1,
                                     .producer_epoch = -1,
                                     .base_sequence = -1};
    wire_builder_finish(&b, &head);
    batch->base = base;
    batch->end = base + count;
    batch->epoch = led->epoch;
    batch->size = (int32_t)b.size;
    if (committed)
        led->high_watermark = batch->end;
}

void rig_cut(struct rig *r, int32_t partition, int64_t end)
{
    struct led *led = &r->led[partition];
    while (led->batch_count > 0 && rig_led_end(led) > end)
        led->batch_count--;
    led->high_watermark = MIN(led->high_watermark, end);
}

/* ---- what it sees ---- */

struct replica_ends rig_ends(struct rig *r, int32_t partition)
{
    struct replica_ends ends;
    replica_ends(r->follower->ones[partition].replica, &ends);
    return ends;
}

int64_t rig_high_watermark(struct rig *r, int32_t partition)
{
    return replica_high_watermark(r->follower->ones[partition].replica);
}

const struct followed *rig_followed(struct rig *r, int32_t partition)
{
    return fetcher_find(r->follower->set, rig_topic_id(partition), partition);
}

/* Reads the one segment that the follower's log has. */
static struct looking {
    struct env_op op;
    uint8_t bytes[BATCHES_MAX * BATCH_BYTES];
    env_file file;
    uint64_t size;
    bool done;
    char path[ENV_PATH_MAX];
} looking;

static void on_shut(struct env_op *op, enum err e, uint64_t n)
{
    (void)op;
    (void)n;
    assert_ok(e);
    looking.done = true;
}

static void on_read(struct env_op *op, enum err e, uint64_t n)
{
    assert_ok(e);
    looking.size = n;
    env_close_file(rig_current->follower->seat->env, op, looking.file, on_shut);
}

static void on_there(struct env_op *op, enum err e, uint64_t n)
{
    assert_ok(e);
    looking.file = n;
    env_read(rig_current->follower->seat->env, op, n, 0, looking.bytes, sizeof looking.bytes,
             on_read);
}

bool rig_is_same(struct rig *r, int32_t partition)
{
    const struct led *led = &r->led[partition];
    struct replica_ends ends = rig_ends(r, partition);
    size_t at = 0;
    if (ends.end != rig_led_end(led))
        return false;
    looking = (struct looking){.done = false};
    snprintf(looking.path, sizeof looking.path, "data/%s-%d/%020lld.log", topics[partition / 8 % 2],
             (int)partition, (long long)ends.start);
    ON_FOLLOWER(r)
    {
        env_open_file(r->follower->seat->env, &looking.op, looking.path, ENV_OPEN_READ, on_there);
    }
    for (int i = 0; i < 1000 && !looking.done; i++)
        rig_run(r, 1);
    assert_true(looking.done);
    for (int i = 0; i < led->batch_count; i++) {
        const struct led_batch *b = &led->batches[i];
        if (b->end <= ends.start)
            continue;
        bool has = at + (size_t)b->size <= looking.size;
        if (!has || memcmp(looking.bytes + at, b->bytes, (size_t)b->size) != 0)
            return false;
        at += (size_t)b->size;
    }
    return true;
}

void rig_assert_same(struct rig *r, int32_t partition)
{
    assert_int_equal(rig_ends(r, partition).end, rig_led_end(&r->led[partition]));
    assert_true(rig_is_same(r, partition));
}

/* ---- where tests begin ---- */

void rig_fill(struct rig *r, int32_t partition, int batches)
{
    for (int i = 0; i < batches; i++)
        rig_produce(r, partition, 1 + i % 3, true);
}

struct rig *rig_settled(uint64_t seed, int32_t partition_count)
{
    struct rig *r = rig_new(seed, partition_count);
    rig_start(r);
    for (int32_t i = 0; i < partition_count; i++)
        rig_fill(r, i, 3);
    rig_follow_all(r);
    rig_run(r, 500);
    for (int32_t i = 0; i < partition_count; i++)
        rig_assert_same(r, i);
    return r;
}
