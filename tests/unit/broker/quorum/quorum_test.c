/* quorum_test.c - the metadata log as a quorum of one, on a simulated disk: epochs, topics,
 * producer ids, over clean ends and power losses. */
#include <stdio.h>
#include "quorum/quorum.h"
#include "support/test.h"
#include "world/world.h"

#define NS_PER_MS 1000000ll
#define IDS_MAX 64
#define BATCH_MAX 8

/* What a life does, and what came of it. Lives find it through this pointer: a program is told of
 * nothing but its seat. */
static struct rig {
    struct mem mem;
    struct world *world;
    uint32_t node;
    bool clean, hold; /* hold: images are applied only when the test says so */
    enum err opened;
    int open_count, published_count, led_count, failed_count, closed_count;
    int32_t epoch;
    int64_t leaked, snapshot_bytes;
    struct world_sink sink;
    struct life *life;
    int64_t ids[IDS_MAX];
    int id_count, id_failed_count;
} * rig;

struct create {
    struct controller_create_topics op;
    struct quorum_request submitted;
    struct controller_new_topic topics[BATCH_MAX];
    struct wire_create_topics_request_config config;
    bool done;
};

/* A block of producer ids, of which the first stands for all. */
struct draw {
    struct controller_allocate_producer_ids op;
    struct quorum_request submitted;
};

struct life {
    struct world_seat *seat;
    struct dir *dir;
    struct log_set *logs;
    struct quorum *quorum;
    struct quorum_watch watch;
    struct dir_op dir_op;
    struct quorum_op op;
    struct draw ids[IDS_MAX];
    int id_count;
    struct create *create;
};

static void end_life(struct life *life, enum err e)
{
    struct world_seat *seat = life->seat;
    quorum_free(life->quorum);
    log_set_free(life->logs);
    dir_free(life->dir);
    mem_free(seat->mem, life);
    rig->life = NULL;
    world_exit(seat, e);
}

static void on_settled(struct dir_op *op, enum err e)
{
    rig->closed_count++;
    end_life(CONTAINER_OF(op, struct life, dir_op), e);
}

static void on_metadata_closed(struct quorum_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, op);
    assert_ok(e);
    dir_settle(life->dir, &life->dir_op, on_settled);
}

static void on_dir_closed(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    (void)e;
    quorum_close(life->quorum, &life->op, on_metadata_closed);
}

static void stop(struct world_seat *seat)
{
    struct life *life = seat->self;
    dir_close(life->dir, true, &life->dir_op, on_dir_closed);
}

static void on_open(struct quorum_op *op, enum err e)
{
    (void)op;
    rig->opened = e;
    rig->open_count++;
    rig->epoch = quorum_epoch(rig->life->quorum);
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    struct life *life = CONTAINER_OF(op, struct life, dir_op);
    struct world_seat *seat = life->seat;
    assert_ok(e);
    rig->clean = dir_clean(life->dir);
    struct quorum_settings settings = {
        .dir = "data",
        .segment_bytes = rig->snapshot_bytes == 0 ? 1 << 30 : 1536,
        .snapshot_bytes = rig->snapshot_bytes == 0 ? INT64_MAX : rig->snapshot_bytes,
        .controller = {
            .node_id = 1, .partition_count_default = 2, .replication_factor_default = 1}};
    metadata_topic_config_init(&settings.controller.file.topics);
    assert_ok(quorum_new(&life->quorum, seat->env, seat->mem, seat->trace, life->logs, &settings,
                         NULL, &life->watch));
    struct quorum_start start = {.host = "somewhere", .port = 9092, .bump_leaders = !rig->clean};
    quorum_open(life->quorum, &life->op, &start, on_open);
}

static void published(struct quorum_watch *watch, const struct metadata_image *from,
                      const struct metadata_image *to)
{
    struct life *life = CONTAINER_OF(watch, struct life, watch);
    assert_true(from->offset < to->offset);
    assert_ptr_equal(to, quorum_current(life->quorum));
    rig->published_count++;
    if (!rig->hold)
        quorum_applied(life->quorum, to->offset);
}

static void led(struct quorum_watch *watch)
{
    struct life *life = CONTAINER_OF(watch, struct life, watch);
    assert_false(quorum_put_off(life->quorum));
    rig->led_count++;
}

static void failed(struct quorum_watch *watch, enum err e)
{
    (void)watch;
    assert_true(e != ERR_NONE);
    rig->failed_count++;
}

static enum err start(struct world_seat *seat)
{
    struct life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->watch = (struct quorum_watch){.published = published, .led = led, .failed = failed};
    seat->self = life;
    rig->life = life;
    struct dir_config config = {.path = "data",
                                .node_id = 1,
                                .open_files_max = 100,
                                .checkpoint_bytes = 1 << 20,
                                .checkpoint_ms = 1000,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    assert_ok(dir_new(&life->dir, seat->env, seat->mem, seat->trace, &config));
    assert_ok(log_set_new(&life->logs, life->dir, LOG_FLUSH_ACK));
    dir_open(life->dir, &life->dir_op, on_dir_open);
    return ERR_NONE;
}

static void on_created(struct quorum_request *submitted)
{
    struct create *create = CONTAINER_OF(submitted, struct create, submitted);
    create->done = true;
}

static void on_id(struct quorum_request *submitted)
{
    struct draw *draw = CONTAINER_OF(submitted, struct draw, submitted);
    if (draw->op.command.code != 0)
        rig->id_failed_count++;
    else
        rig->ids[rig->id_count++] = draw->op.first;
}

static struct controller_assign_directories assigned;
static struct quorum_request assigning;
static int assigned_count, assigned_early;

static void on_place(struct quorum_request *submitted)
{
    (void)submitted;
    assigned_count++;
}

static void do_assign(struct life *life)
{
    const struct metadata_topic *t =
        metadata_find(quorum_current(life->quorum), bytes_text("orders"));
    struct controller_place place = {.topic_id = t->id, .partition = 0};
    controller_assign_directories_init(&assigned);
    assigned.broker_id = 1;
    assigned.places = &place;
    assigned.count = 1;
    quorum_submit(life->quorum, &assigning, &assigned.command, QUORUM_COMMITTED, on_place);
    assigned_early += assigned_count;
}

static void draw_id(struct life *life, struct draw *draw)
{
    controller_allocate_producer_ids_init(&draw->op);
    quorum_submit(life->quorum, &draw->submitted, &draw->op.command, QUORUM_COMMITTED, on_id);
}

/* "create": life->create; "id": one producer id; "applied". */
static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    struct life *life = seat->self;
    if (bytes_equal(text, bytes_text("create")))
        quorum_submit(life->quorum, &life->create->submitted, &life->create->op.command,
                      QUORUM_APPLIED, on_created);
    else if (bytes_equal(text, bytes_text("id")))
        draw_id(life, &life->ids[life->id_count++]);
    else if (bytes_equal(text, bytes_text("assign")))
        do_assign(life);
    else
        quorum_applied(life->quorum, quorum_current(life->quorum)->offset);
    world_reply(seat, id, bytes_text(""));
}

static const struct world_program program = {
    .kind = "metadata", .start = start, .stop = stop, .command = command};

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

static void boot(void)
{
    int before = rig->open_count;
    world_start(rig->world, rig->node);
    run(2000);
    assert_int_equal(rig->open_count, before + 1);
    assert_int_equal(rig->opened, ERR_NONE);
}

static void setup_snapshots(struct rig *r, uint64_t seed, int64_t snapshot_bytes)
{
    *r = (struct rig){.snapshot_bytes = snapshot_bytes};
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
    setup_snapshots(r, seed, 0);
}

static void shut(void)
{
    world_stop(rig->world, rig->node);
    run(2000);
    assert_int_equal(world_node_life(rig->world, rig->node), WORLD_DOWN);
    assert_int_equal(rig->leaked, 0);
}

static void teardown(void)
{
    shut();
    world_free(rig->world);
    assert_int_equal(rig->mem.live_count, 0);
    rig = NULL;
}

static void order(const char *what)
{
    assert_true(world_command(rig->world, rig->node, 1, bytes_text(what)));
}

static void lose_power(void)
{
    world_power_loss(rig->world, 1ull << rig->node);
    run(1);
    rig->life = NULL;
}

static void create(struct create *c, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        c->topics[i] = (struct controller_new_topic){
            .name = bytes_text(names[i]), .partition_count = -1, .replication_factor = -1};
    c->op.command.verb = CONTROLLER_CREATE_TOPICS;
    c->op.topics = c->topics;
    c->op.topic_count = count;
    rig->life->create = c;
    order("create");
}

static const struct metadata_topic *topic(const char *name)
{
    return metadata_find(quorum_current(rig->life->quorum), bytes_text(name));
}

static int32_t leader_epoch(const char *name, int32_t partition)
{
    return metadata_partition(topic(name), partition)->leader_epoch;
}

static void draw_ids(int count)
{
    for (int i = 0; i < count; i++)
        order("id");
}

TEST(every_life_leads_in_an_epoch_of_its_own)
{
    struct rig r;
    setup(&r, 1);
    assert_int_equal(r.epoch, 1);
    shut();
    boot();
    assert_true(r.clean);
    assert_int_equal(r.epoch, 2);
    lose_power();
    boot();
    assert_false(r.clean);
    assert_int_equal(r.epoch, 3);
    teardown();
}

TEST(a_new_log_begins_with_its_feature_level)
{
    struct rig r;
    setup(&r, 2);
    assert_int_equal(quorum_current(r.life->quorum)->metadata_version, METADATA_VERSION);
    teardown();
}

TEST(a_broker_is_registered_where_its_record_stands)
{
    struct rig r;
    setup(&r, 3);
    const struct metadata_broker *broker = metadata_find_broker(quorum_current(r.life->quorum), 1);
    assert_int_equal(broker->epoch, 2); /* behind LeaderChange and the feature level */
    assert_false(broker->fenced);
    assert_string_equal(broker->host, "somewhere");
    assert_int_equal(broker->port, 9092);
    shut();
    boot();
    broker = metadata_find_broker(quorum_current(r.life->quorum), 1);
    assert_int_equal(broker->epoch, 7); /* behind LeaderChange alone */
    assert_false(broker->fenced);
    teardown();
}

/* More of them than one batch may hold. */
TEST(all_partitions_get_a_new_leader_epoch_after_an_unclean_end)
{
    struct rig r;
    struct create c[2] = {0};
    const char *names[] = {"orders", "bills"};
    setup(&r, 4);
    for (int i = 0; i < 2; i++) {
        create(&c[i], &names[i], 1);
        c[i].topics[0].partition_count = METADATA_RECORDS_MAX - 1; /* before the order arrives */
        run(500);
        assert_true(c[i].done);
        assert_int_equal(c[i].topics[0].code, 0);
    }
    lose_power();
    boot();
    for (int i = 0; i < 2; i++) {
        for (int p = 0; p < METADATA_RECORDS_MAX - 1; p++)
            assert_int_equal(leader_epoch(names[i], p), 1);
    }
    teardown();
}

/* Whenever the power goes while they are written: the transaction is whole, or never was. */
TEST(new_leader_epochs_are_all_there_or_none_of_them)
{
    int seen[2] = {0};
    for (uint64_t seed = 100; seed < 116; seed++) {
        struct rig r;
        struct create c[2] = {0};
        const char *names[] = {"orders", "bills"};
        setup(&r, seed);
        for (int i = 0; i < 2; i++) {
            create(&c[i], &names[i], 1);
            c[i].topics[0].partition_count = METADATA_RECORDS_MAX - 1;
            run(500);
        }
        lose_power();
        world_start(r.world, r.node);
        world_run_until(r.world, world_now(r.world) + (int64_t)(seed - 99) * NS_PER_MS);
        lose_power();
        boot();
        int32_t epoch = leader_epoch("orders", 0);
        assert_true(epoch == 1 || epoch == 2);
        seen[epoch - 1]++;
        for (int p = 0; p < METADATA_RECORDS_MAX - 1; p++) {
            assert_int_equal(leader_epoch("orders", p), epoch);
            assert_int_equal(leader_epoch("bills", p), epoch);
        }
        teardown();
    }
    assert_true(seen[0] > 0);
    assert_true(seen[1] > 0);
}

TEST(topics_survive_and_their_leader_epoch_tells_of_an_unclean_end)
{
    for (uint64_t seed = 10; seed < 30; seed++) {
        struct rig r;
        struct create c = {0};
        const char *names[] = {"orders", "bills"};
        setup(&r, seed);
        create(&c, names, 2);
        run(500);
        assert_true(c.done);
        assert_int_equal(c.topics[0].code, 0);
        assert_int_equal(topic("orders")->partition_count, 2);
        struct wire_uuid id = topic("orders")->id;
        shut();
        boot();
        assert_int_equal(leader_epoch("bills", 1), 0);
        lose_power();
        boot();
        assert_true(wire_uuid_equal(&topic("orders")->id, &id));
        assert_int_equal(leader_epoch("orders", 1), 1);
        teardown();
    }
}

/* Everybody sees it; only who asked for it waits until it is served. */
TEST(an_image_does_not_wait_for_the_partitions_that_it_wants)
{
    struct rig r;
    struct create first = {0};
    struct create second = {0};
    const char *names[] = {"orders"};
    setup(&r, 3);
    r.hold = true;
    create(&first, names, 1);
    run(500);
    assert_non_null(topic("orders"));
    assert_false(first.done);
    /* Who asks for the same topic meanwhile waits for it, too; who asks for something else not. */
    create(&second, names, 1);
    draw_ids(1);
    run(500);
    assert_false(second.done);
    assert_int_equal(r.id_count, 1);
    order("applied");
    run(10);
    assert_true(first.done);
    assert_true(second.done);
    assert_int_equal(second.topics[0].code, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    teardown();
}

TEST(a_request_may_name_good_and_bad_topics)
{
    struct rig r;
    struct create c = {0};
    const char *names[] = {"good", "bad/name", "twice", "twice", "a.b", "__consumer_offsets"};
    setup(&r, 4);
    create(&c, names, 6);
    run(500);
    assert_true(c.done);
    assert_int_equal(c.topics[0].code, 0);
    assert_int_equal(c.topics[1].code, WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(c.topics[2].code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(c.topics[3].code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(c.topics[4].code, 0);
    assert_int_equal(c.topics[5].code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(quorum_current(r.life->quorum)->topic_count, 2);
    teardown();
}

/* Whenever the power goes, no id is given twice. */
TEST(producer_ids_are_never_given_twice)
{
    for (uint64_t seed = 40; seed < 70; seed++) {
        struct rig r;
        setup(&r, seed);
        draw_ids(5);
        run((int64_t)(seed % 4));
        lose_power();
        boot();
        draw_ids(5);
        run(500);
        assert_int_equal(r.id_failed_count, 0);
        assert_true(r.id_count >= 5);
        for (int i = 1; i < r.id_count; i++)
            assert_true(r.ids[i] > r.ids[i - 1]);
        teardown();
    }
}

/* Who asked for a topic that was on its way must not be told that it exists when it was taken back.
 */
TEST(a_topic_that_a_full_disk_took_back_does_not_exist)
{
    struct rig r;
    struct create first = {0}, second = {0}, third = {0};
    const char *names[] = {"orders"};
    setup(&r, 8);
    struct fault_line harm[] = {
        {.kind = FAULT_DISK_HANG, .nodes = 1ull << r.node, .for_ns = 100 * NS_PER_MS},
        {.kind = FAULT_DISK_FULL, .nodes = 1ull << r.node, .for_ns = 500 * NS_PER_MS}};
    world_harm(r.world, &harm[0]);
    world_harm(r.world, &harm[1]);
    create(&first, names, 1);
    run(20);
    create(&second, names, 1);
    run(20);
    assert_false(first.done);
    run(400);
    assert_true(first.done);
    assert_true(second.done);
    assert_int_equal(first.topics[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(second.topics[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    assert_null(topic("orders"));
    run(2000);
    create(&third, names, 1);
    run(500);
    assert_int_equal(third.topics[0].code, WIRE_ERROR_NONE);
    assert_non_null(topic("orders"));
    teardown();
}

static void harm(const char *text)
{
    struct fault_line line;
    assert_ok(fault_line_parse(&line, bytes_text(text), NULL));
    world_harm(rig->world, &line);
}

/* However far the disk lets it come; and what the last life left unclean is made good for when
 * there is room. */
TEST(a_full_disk_puts_leading_off_and_all_that_is_known_is_served)
{
    static const char *const names[] = {"orders"};
    bool once_led = false;
    for (int room = 0; !once_led; room += 700) {
        struct rig r;
        struct create c = {0}, refused = {0};
        static const char *const others[] = {"bills"};
        setup(&r, 50);
        create(&c, names, 1);
        run(500);
        int32_t epoch_before = leader_epoch("orders", 0);
        lose_power();
        char full[64];
        snprintf(full, sizeof full, "at 0s node 0 disk full bytes=%d", room);
        harm(full);
        for (int life = 0; life < 3; life++) {
            boot();
            assert_non_null(topic("orders"));
            once_led = !quorum_put_off(r.life->quorum);
            if (once_led)
                break;
            assert_int_equal(leader_epoch("orders", 0), epoch_before);
            create(&refused, others, 1);
            draw_ids(1);
            run(1500);
            assert_true(refused.done);
            assert_int_equal(refused.topics[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
            assert_int_equal(r.id_failed_count, life + 1);
            assert_int_equal(r.led_count, 0);
            if (life == 1)
                shut();
            else if (life == 0)
                lose_power();
        }
        world_heal(r.world);
        run(3000);
        assert_false(quorum_put_off(r.life->quorum));
        assert_int_equal(r.led_count, !once_led);
        assert_true(leader_epoch("orders", 0) > epoch_before);
        draw_ids(1);
        run(500);
        assert_true(r.id_count >= 1);
        assert_int_equal(r.failed_count, 0);
        assert_true(room < 100000);
        teardown();
    }
}

/* Nothing is there to be served. */
TEST(a_log_that_nobody_has_led_is_not_opened_on_a_full_disk)
{
    struct rig r = {0};
    rig = &r;
    mem_system(&r.mem);
    struct world_config config = {.seed = 51};
    r.world = world_new(&r.mem, &config, NULL);
    r.sink.exited = on_exited;
    world_add_sink(r.world, &r.sink);
    assert_ok(world_add_node(r.world, &program, "node", bytes_text(""), &r.node));
    harm("at 0s node 0 disk write_fails times=1 error=NOSPACE file=.log");
    world_start(r.world, r.node);
    run(2000);
    assert_int_equal(r.open_count, 1);
    assert_int_not_equal(r.opened, ERR_NONE);
    teardown();
}

/* What cannot be read may name an epoch in which somebody else was voted for. */
TEST(a_vote_that_cannot_be_read_is_not_no_vote)
{
    struct rig r;
    setup(&r, 52);
    shut();
    harm("at 0s node 0 disk read_fails times=1 file=quorum-state");
    world_start(r.world, r.node);
    run(2000);
    assert_int_equal(r.open_count, 2);
    assert_int_equal(r.opened, ERR_IO);
    teardown();
}

TEST(a_failed_sync_refuses_what_waits_and_all_that_comes)
{
    struct rig r;
    struct create c = {0};
    struct create late = {0};
    const char *names[] = {"orders"};
    setup(&r, 7);
    world_harm(r.world, &(struct fault_line){.kind = FAULT_SYNC_FAILS, .nodes = 1ull << r.node});
    create(&c, names, 1);
    draw_ids(1);
    run(500);
    assert_true(c.done);
    assert_int_equal(c.topics[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(r.id_failed_count, 1);
    assert_int_equal(r.failed_count, 1);
    assert_null(topic("orders"));
    create(&late, names, 1);
    run(500);
    assert_int_equal(late.topics[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    teardown();
}

TEST(a_place_is_told_once_it_is_durable)
{
    struct rig r;
    struct create c = {0};
    const char *names[] = {"orders"};
    setup(&r, 7);
    create(&c, names, 1);
    run(500);
    order("assign");
    run(500);
    assert_int_equal(assigned_early, 0);
    assert_int_equal(assigned_count, 1);
    assert_int_equal(assigned.command.code, 0);
    world_harm(r.world, &(struct fault_line){.kind = FAULT_SYNC_FAILS, .nodes = 1ull << r.node});
    assigned_count = 0;
    order("assign");
    run(500);
    assert_int_equal(assigned_early, 0);
    assert_int_equal(assigned.command.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    teardown();
}

/* ---- snapshots ---- */

/* Makes one topic, however long it takes; whether that was acknowledged. */
static bool make(struct create *c, const char *name)
{
    const char *names[] = {name};
    *c = (struct create){0};
    create(c, names, 1);
    run(300);
    return c->done && c->topics[0].code == 0;
}

/* The log does not grow for ever: what is below the older of two snapshots goes. */
TEST(a_log_begins_where_a_snapshot_ends)
{
    struct rig r;
    struct create c;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    setup_snapshots(&r, 60, 300);
    for (int i = 0; i < COUNT_OF(names); i++) {
        assert_true(make(&c, names[i]));
        shut();
        boot();
    }
    assert_true(log_start(quorum_log(r.life->quorum)) > 0);
    assert_true(quorum_snapshot_offset(r.life->quorum) > log_start(quorum_log(r.life->quorum)));
    for (int i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(topic(names[i])->partition_count, 2);
    assert_int_equal(metadata_find_broker(quorum_current(r.life->quorum), 1)->port, 9092);
    assert_int_equal(r.failed_count, 0);
    lose_power();
    boot();
    for (int i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(leader_epoch(names[i], 0), 1);
    teardown();
}

#define LIVES 4

/* One life after the other makes a topic; the one of that number dies at its k-th operation. False:
 * it did not. */
static bool live_and_die(struct rig *r, int doomed, uint32_t k, bool acknowledged[LIVES])
{
    static const char *const names[LIVES] = {"a", "b", "c", "d"};
    static struct create c;
    bool died = false;
    for (int i = 0; i < LIVES; i++) {
        if (i == doomed)
            world_kill(r->world, r->node, k);
        world_start(r->world, r->node);
        run(1000);
        if (world_node_life(r->world, r->node) == WORLD_UP)
            acknowledged[i] = make(&c, names[i]);
        if (world_node_life(r->world, r->node) == WORLD_UP)
            world_stop(r->world, r->node);
        run(1000);
        died |= i == doomed && r->life != NULL;
        r->life = NULL;
    }
    boot();
    for (int i = 0; i < LIVES; i++)
        assert_true(!acknowledged[i] || topic(names[i]) != NULL);
    return died;
}

/* Whatever operation is the last, of a life that writes a snapshot or reads one: the image is what
 * was acknowledged, and perhaps what was under way. */
TEST(a_crash_at_any_operation_around_a_snapshot_loses_nothing)
{
    for (int doomed = 0; doomed < LIVES; doomed++) {
        bool died = true;
        uint32_t k = 1;
        for (; died; k += TEST_SEARCH(1, 3)) {
            struct rig r;
            bool acknowledged[LIVES] = {false};
            setup_snapshots(&r, 61, 250);
            shut();
            r.life = NULL;
            died = live_and_die(&r, doomed, k, acknowledged);
            assert_int_equal(r.opened, ERR_NONE);
            assert_true(died || quorum_snapshot_offset(r.life->quorum) > 0);
            teardown();
        }
        assert_true(k > 40);
    }
}

/* The bytes of the newest one are rotten: the one before it is whole, and the log follows on it. */
TEST(a_snapshot_that_is_broken_is_passed_over)
{
    struct rig r;
    struct create c;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    setup_snapshots(&r, 62, 250);
    for (int i = 0; i < COUNT_OF(names); i++) {
        assert_true(make(&c, names[i]));
        shut();
        boot();
    }
    char line[128];
    snprintf(line, sizeof line, "at 0s node 0 disk flip offset=200 bit=3 file=%020lld-",
             (long long)quorum_snapshot_offset(r.life->quorum));
    int64_t offset = quorum_snapshot_offset(r.life->quorum);
    shut();
    harm(line);
    r.snapshot_bytes = INT64_MAX; /* no other one is written meanwhile */
    boot();
    assert_true(quorum_snapshot_offset(r.life->quorum) > 0);
    assert_true(quorum_snapshot_offset(r.life->quorum) < offset);
    for (int i = 0; i < COUNT_OF(names); i++)
        assert_non_null(topic(names[i]));
    teardown();
}
