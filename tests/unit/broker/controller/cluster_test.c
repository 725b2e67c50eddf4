/* cluster_test.c - brokers that come, go silent, lose what they had, and who leads then. */
#include "cluster.h"

static const int32_t three[] = {1, 2, 3};

static void assert_list(const struct metadata_partition *p, enum metadata_list list,
                        const int32_t *ids, int32_t count)
{
    struct metadata_ids is = metadata_ids(p, list);
    assert_int_equal(is.count, count);
    if (count > 0)
        assert_memory_equal(is.ids, ids, (size_t)count * sizeof *ids);
}

#define ASSERT_ISR(box, ...)                                                                       \
    assert_list(cluster_partition((box), "orders"), METADATA_ISR, (int32_t[]){__VA_ARGS__},        \
                COUNT_OF(((int32_t[]){__VA_ARGS__})))
#define ASSERT_ELR(box, ...)                                                                       \
    assert_list(cluster_partition((box), "orders"), METADATA_ELR, (int32_t[]){__VA_ARGS__},        \
                COUNT_OF(((int32_t[]){__VA_ARGS__})))
#define ASSERT_NOBODY(box, list) assert_list(cluster_partition((box), "orders"), (list), NULL, 0)

static void begin(struct box *box, const char *min_insync, const char *unclean)
{
    box_init(box);
    box_register(box); /* feature levels, and broker 1 as its own quorum's */
    controller_sessions_clear(&box->sessions);
    cluster_up(box, 3);
    cluster_topic(box, "orders", three, 3, min_insync, unclean);
    ASSERT_ISR(box, 1, 2, 3);
}

static int32_t leader(const struct box *box)
{
    return cluster_partition(box, "orders")->leader;
}

/* B-3: a broker that does not know the cluster yet would serve what was deleted long ago. */
TEST(a_broker_is_fenced_until_it_knows_of_its_own_registration)
{
    struct box box;
    struct controller_heartbeat c;
    begin(&box, "1", "false");
    assert_int_equal(cluster_register(&box, 4, 40, -1, NULL), 0);
    assert_true(metadata_find_broker(box.image, 4)->fenced);
    controller_heartbeat_init(&c);
    c.broker_id = 4;
    c.broker_epoch = cluster_epoch(&box, 4);
    c.metadata_offset = c.broker_epoch - 1;
    box_decide(&box, &c.command);
    assert_int_equal(c.command.code, 0);
    assert_true(c.is_fenced);
    assert_false(c.is_caught_up);
    c.metadata_offset++;
    box_decide(&box, &c.command);
    assert_false(c.is_fenced);
    assert_true(c.is_caught_up);
    assert_false(metadata_find_broker(box.image, 4)->fenced);
    c.broker_epoch--;
    box_decide(&box, &c.command);
    assert_int_equal(c.command.code, WIRE_ERROR_STALE_BROKER_EPOCH);
    box_done(&box);
}

/* B-1. */
TEST(two_lives_do_not_share_an_id_while_one_is_heard_of)
{
    struct box box;
    begin(&box, "1", "false");
    int64_t epoch = cluster_epoch(&box, 2);
    assert_int_equal(cluster_register(&box, 2, 20, epoch, NULL),
                     WIRE_ERROR_DUPLICATE_BROKER_REGISTRATION);
    assert_int_equal(cluster_epoch(&box, 2), epoch);
    /* The same life again keeps its epoch (KAFKA-16952). */
    assert_int_equal(cluster_register(&box, 2, 2, -1, NULL), 0);
    assert_int_equal(cluster_epoch(&box, 2), epoch);
    assert_false(metadata_find_broker(box.image, 2)->fenced);
    cluster_fence(&box, 2);
    assert_int_equal(cluster_register(&box, 2, 20, epoch, NULL), 0);
    assert_true(cluster_epoch(&box, 2) > epoch);
    box_done(&box);
}

TEST(who_goes_silent_is_in_sync_nowhere_and_another_leads)
{
    struct box box;
    begin(&box, "1", "false");
    assert_int_equal(leader(&box), 1);
    cluster_fence(&box, 1);
    assert_int_equal(leader(&box), 2);
    assert_int_equal(cluster_partition(&box, "orders")->leader_epoch, 1);
    ASSERT_ISR(&box, 2, 3);
    cluster_fence(&box, 3);
    assert_int_equal(leader(&box), 2);
    assert_int_equal(cluster_partition(&box, "orders")->leader_epoch, 1);
    ASSERT_ISR(&box, 2);
    box_done(&box);
}

/* Without eligible leaders the last in sync is kept: whoever else led would lack records. */
TEST(the_last_in_sync_leads_again_and_nobody_else)
{
    struct box box;
    begin(&box, "1", "false");
    cluster_fence(&box, 1);
    cluster_fence(&box, 3);
    cluster_fence(&box, 2);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    ASSERT_ISR(&box, 2);
    assert_int_equal(cluster_beat(&box, 3), 0);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    assert_int_equal(cluster_beat(&box, 2), 0);
    assert_int_equal(leader(&box), 2);
    ASSERT_ISR(&box, 2);
    box_done(&box);
}

TEST(where_it_is_allowed_any_replica_leads_and_says_that_it_may_have_lost)
{
    struct box box;
    begin(&box, "1", "true");
    cluster_fence(&box, 1);
    cluster_fence(&box, 3);
    assert_int_equal(cluster_alter(&box, "orders", (int32_t[]){2}, 1), 0);
    cluster_fence(&box, 2);
    assert_int_equal(cluster_beat(&box, 3), 0);
    assert_int_equal(leader(&box), 3);
    ASSERT_ISR(&box, 3);
    assert_int_equal(cluster_partition(&box, "orders")->leader_recovery_state, 1);
    assert_int_equal(cluster_alter(&box, "orders", (int32_t[]){3}, 1), 0);
    assert_int_equal(cluster_partition(&box, "orders")->leader_recovery_state, 0);
    box_done(&box);
}

static void set_config(struct box *box, int8_t type, const char *name, const char *key,
                       const char *value)
{
    struct controller_setting setting = {
        .key = bytes_text(key), .value = bytes_text(value), .op = CONTROLLER_CONFIG_SET};
    struct controller_altered altered = {
        .type = type, .name = bytes_text(name), .settings = &setting, .setting_count = 1};
    struct controller_alter_configs c;
    controller_alter_configs_init(&c);
    c.altered = &altered;
    c.altered_count = 1;
    box_decide(box, &c.command);
    assert_int_equal(altered.code, 0);
}

/* Nobody leads, though 2 and 3 are there. */
static void without_leader(struct box *box)
{
    begin(box, "1", "false");
    cluster_topic(box, "bills", three, 3, "1", NULL);
    cluster_fence(box, 2);
    cluster_fence(box, 3);
    cluster_fence(box, 1);
    assert_int_equal(cluster_beat(box, 2), 0);
    assert_int_equal(cluster_beat(box, 3), 0);
    assert_int_equal(leader(box), CONTROLLER_NOBODY);
    assert_int_equal(cluster_partition(box, "bills")->leader, CONTROLLER_NOBODY);
}

TEST(who_allows_unclean_elections_for_a_topic_has_its_leader_at_once)
{
    struct box box;
    without_leader(&box);
    set_config(&box, METADATA_RESOURCE_TOPIC, "orders", "unclean.leader.election.enable", "true");
    assert_int_equal(box.batch.write_count, 1);
    assert_int_equal(leader(&box), 2);
    ASSERT_ISR(&box, 2);
    assert_int_equal(cluster_partition(&box, "orders")->leader_recovery_state, 1);
    assert_int_equal(cluster_partition(&box, "bills")->leader, CONTROLLER_NOBODY);
    box_done(&box);
}

/* A topic that says itself that it may not is not asked. */
TEST(who_allows_unclean_elections_for_all_has_leaders_where_no_topic_forbids_it)
{
    struct box box;
    without_leader(&box);
    set_config(&box, METADATA_RESOURCE_BROKER, "", "unclean.leader.election.enable", "true");
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    assert_int_equal(cluster_partition(&box, "bills")->leader, 2);
    box_done(&box);
}

/* P-13: nothing was committed below the minimum, so whoever was in sync before has all of it. */
TEST(below_the_minimum_who_was_in_sync_stays_eligible)
{
    struct box box;
    begin(&box, "2", "false");
    cluster_allow_elr(&box);
    cluster_fence(&box, 3);
    ASSERT_NOBODY(&box, METADATA_ELR);
    cluster_fence(&box, 1);
    ASSERT_ISR(&box, 2);
    ASSERT_ELR(&box, 1);
    cluster_fence(&box, 2);
    ASSERT_NOBODY(&box, METADATA_ISR);
    ASSERT_ELR(&box, 2, 1);
    assert_list(cluster_partition(&box, "orders"), METADATA_LAST_KNOWN_ELR, (int32_t[]){2}, 1);
    assert_int_equal(cluster_beat(&box, 3), 0);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    assert_int_equal(cluster_beat(&box, 1), 0);
    assert_int_equal(leader(&box), 1);
    ASSERT_ISR(&box, 1);
    ASSERT_ELR(&box, 2);
    ASSERT_NOBODY(&box, METADATA_LAST_KNOWN_ELR);
    assert_int_equal(cluster_alter(&box, "orders", (int32_t[]){1, 3}, 2), 0);
    ASSERT_NOBODY(&box, METADATA_ELR);
    box_done(&box);
}

/* Another minimum, and what P-13 rests on was never true (KAFKA-16540). */
TEST(a_change_of_the_minimum_leaves_nobody_eligible)
{
    struct box box;
    begin(&box, "2", "false");
    cluster_allow_elr(&box);
    cluster_fence(&box, 3);
    cluster_fence(&box, 1);
    ASSERT_ELR(&box, 1);
    /* As it is: nothing changes. */
    set_config(&box, METADATA_RESOURCE_TOPIC, "orders", "min.insync.replicas", "2");
    ASSERT_ELR(&box, 1);
    set_config(&box, METADATA_RESOURCE_TOPIC, "orders", "min.insync.replicas", "1");
    ASSERT_NOBODY(&box, METADATA_ELR);
    ASSERT_ISR(&box, 2);
    box_done(&box);
}

/* Each broker says where its own replica is. */
TEST(the_directories_of_other_replicas_stay)
{
    struct box box;
    begin(&box, "1", "false");
    for (int round = 0; round < 2; round++) {
        for (int32_t id = 3; id > 0; id--) {
            struct controller_place place = {
                .topic_id = metadata_find(box.image, bytes_text("orders"))->id};
            struct controller_assign_directories c;
            controller_assign_directories_init(&c);
            c.broker_id = id;
            c.directory = (struct wire_uuid){{(uint8_t)(10 * round + id)}};
            c.places = &place;
            c.count = 1;
            box_decide(&box, &c.command);
            assert_int_equal(c.command.code, 0);
        }
        for (int32_t id = 1; id <= 3; id++)
            assert_int_equal(metadata_directory(cluster_partition(&box, "orders"), id).b[0],
                             10 * round + id);
    }
    box_done(&box);
}

/* B-2, in the write of its registration (KAFKA-15586). */
TEST(who_ended_uncleanly_is_neither_in_sync_nor_eligible)
{
    struct box box;
    begin(&box, "3", "false");
    cluster_allow_elr(&box);
    int64_t epoch = cluster_epoch(&box, 3);
    cluster_fence(&box, 3);
    ASSERT_ELR(&box, 3);
    assert_int_equal(cluster_register(&box, 3, 30, epoch, NULL), 0);
    ASSERT_ELR(&box, 3);
    cluster_fence(&box, 2);
    ASSERT_ELR(&box, 2, 3);
    assert_int_equal(cluster_register(&box, 2, 20, -1, NULL), 0);
    assert_int_equal(box.batch.write_count, 1);
    ASSERT_ELR(&box, 3);
    ASSERT_ISR(&box, 1);
    box_done(&box);
}

/* KIP-966: nobody has all; the last leader may be asked back, if it is there (KAFKA-19522). */
TEST(the_last_leader_is_elected_only_where_it_is_there)
{
    struct box box;
    begin(&box, "3", "false");
    cluster_allow_elr(&box);
    for (int32_t id = 3; id > 0; id--) {
        cluster_fence(&box, id);
        if (id > 1)
            assert_int_equal(cluster_register(&box, id, (uint64_t)id * 10, -1, NULL), 0);
    }
    ASSERT_ELR(&box, 1);
    assert_int_equal(cluster_register(&box, 1, 10, -1, NULL), 0);
    ASSERT_NOBODY(&box, METADATA_ISR);
    ASSERT_NOBODY(&box, METADATA_ELR);
    assert_int_equal(cluster_beat(&box, 2), 0);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    assert_int_equal(cluster_beat(&box, 1), 0);
    assert_int_equal(leader(&box), 1);
    ASSERT_ISR(&box, 1);
    assert_int_equal(cluster_partition(&box, "orders")->leader_recovery_state, 1);
    box_done(&box);
}

/* It was there already when the registration of who was eligible said that nobody is any more
 * (PartitionChangeBuilder goes by the eligible replicas that the record leaves). */
TEST(the_last_leader_is_elected_in_the_write_that_leaves_nobody_eligible)
{
    struct box box;
    begin(&box, "2", "false");
    cluster_allow_elr(&box);
    cluster_fence(&box, 1);
    cluster_fence(&box, 2);
    cluster_fence(&box, 3);
    ASSERT_ELR(&box, 3, 2);
    assert_int_equal(cluster_register(&box, 3, 30, -1, NULL), 0);
    ASSERT_ELR(&box, 2);
    assert_int_equal(cluster_beat(&box, 3), 0);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    assert_int_equal(cluster_register(&box, 2, 20, -1, NULL), 0);
    assert_int_equal(box.batch.write_count, 1);
    assert_int_equal(leader(&box), 3);
    ASSERT_ISR(&box, 3);
    ASSERT_NOBODY(&box, METADATA_ELR);
    assert_int_equal(cluster_partition(&box, "orders")->leader_recovery_state, 1);
    box_done(&box);
}

/* That it kept what it had counts as that it ended well (B-2). */
TEST(who_kept_what_it_had_stays_eligible)
{
    struct box box;
    begin(&box, "3", "false");
    cluster_allow_elr(&box);
    int64_t epoch = cluster_epoch(&box, 3);
    cluster_fence(&box, 3);
    assert_int_equal(cluster_register_kept(&box, 3, 30, epoch - 1), 0);
    ASSERT_NOBODY(&box, METADATA_ELR);
    epoch = cluster_epoch(&box, 2);
    cluster_fence(&box, 2);
    assert_int_equal(cluster_register_kept(&box, 2, 20, epoch), 0);
    ASSERT_ELR(&box, 2);
    box_done(&box);
}

/* One of its replicas is in trouble, as it knew it in that leader epoch. What became of it. */
static enum controller_taken report(struct box *box, int32_t id, int32_t leader_epoch,
                                    enum controller_trouble trouble)
{
    struct controller_report report = {.topic_id =
                                           metadata_find(box->image, bytes_text("orders"))->id,
                                       .leader_epoch = leader_epoch,
                                       .trouble = trouble};
    struct controller_heartbeat c;
    controller_heartbeat_init(&c);
    c.broker_id = id;
    c.broker_epoch = cluster_epoch(box, id);
    c.metadata_offset = box->image->offset;
    c.reports = &report;
    c.report_count = 1;
    box_decide(box, &c.command);
    assert_int_equal(c.command.code, 0);
    return c.taken;
}

/* As one that is fenced, with all that it had: it leads again when it can serve. */
TEST(who_cannot_serve_is_elected_when_it_can)
{
    struct box box;
    begin(&box, "3", "true");
    cluster_allow_elr(&box);
    cluster_fence(&box, 2);
    cluster_fence(&box, 3);
    assert_int_equal(report(&box, 1, 0, CONTROLLER_OFFLINE), CONTROLLER_REPORTS_TAKEN);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    ASSERT_NOBODY(&box, METADATA_ISR);
    ASSERT_ELR(&box, 1, 3, 2);
    int32_t epoch = cluster_partition(&box, "orders")->partition_epoch;
    assert_int_equal(report(&box, 1, 1, CONTROLLER_OFFLINE), CONTROLLER_REPORTS_TAKEN);
    assert_int_equal(cluster_partition(&box, "orders")->partition_epoch, epoch);
    assert_int_equal(cluster_beat(&box, 1), 0);
    assert_int_equal(leader(&box), 1);
    assert_int_equal(cluster_partition(&box, "orders")->leader_recovery_state, 0);
    box_done(&box);
}

/* Not even where an unclean election is allowed, or it is the last leader. */
TEST(who_is_corrupt_is_not_elected)
{
    struct box box;
    begin(&box, "3", "true");
    cluster_allow_elr(&box);
    cluster_fence(&box, 2);
    cluster_fence(&box, 3);
    assert_int_equal(report(&box, 1, 0, CONTROLLER_CORRUPT), CONTROLLER_REPORTS_TAKEN);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    ASSERT_ELR(&box, 3, 2);
    assert_int_equal(cluster_beat(&box, 2), 0);
    assert_int_equal(leader(&box), 2);
    ASSERT_ISR(&box, 2);
    box_done(&box);
}

/* It goes on as a follower; a word about a leader epoch that is over is to be said again. */
TEST(who_lacks_something_is_in_sync_no_more)
{
    struct box box;
    begin(&box, "3", "false");
    cluster_allow_elr(&box);
    cluster_fence(&box, 3);
    cluster_fence(&box, 1);
    ASSERT_ISR(&box, 2);
    ASSERT_ELR(&box, 1, 3);
    assert_int_equal(cluster_beat(&box, 1), 0);
    assert_int_equal(report(&box, 1, 0, CONTROLLER_INCOMPLETE), CONTROLLER_REPORTS_LATE);
    ASSERT_ELR(&box, 1, 3);
    assert_int_equal(report(&box, 1, 1, CONTROLLER_INCOMPLETE), CONTROLLER_REPORTS_TAKEN);
    ASSERT_ELR(&box, 3);
    assert_int_equal(leader(&box), 2);
    box_done(&box);
}

/* B-5: it leads nothing any more, all others know it, and then it may go. */
TEST(who_wants_to_go_gives_its_partitions_away_first)
{
    struct box box;
    struct controller_heartbeat c;
    begin(&box, "1", "false");
    controller_heartbeat_init(&c);
    c.broker_id = 1;
    c.broker_epoch = cluster_epoch(&box, 1);
    c.metadata_offset = box.image->offset;
    c.want_shutdown = true;
    box_decide(&box, &c.command);
    assert_int_equal(c.command.code, 0);
    assert_false(c.may_go);
    assert_false(c.is_fenced);
    assert_int_equal(leader(&box), 2);
    ASSERT_ISR(&box, 2, 3);
    assert_true(metadata_find_broker(box.image, 1)->in_controlled_shutdown);
    /* It may not come back into sync meanwhile (KIP-841). */
    assert_int_equal(cluster_alter(&box, "orders", three, 3), WIRE_ERROR_INELIGIBLE_REPLICA);
    box_decide(&box, &c.command);
    assert_false(c.may_go);
    assert_int_equal(cluster_beat(&box, 2), 0);
    box_decide(&box, &c.command);
    assert_false(c.may_go);
    assert_int_equal(cluster_beat(&box, 3), 0);
    box_decide(&box, &c.command);
    assert_true(c.may_go);
    assert_true(metadata_find_broker(box.image, 1)->fenced);
    /* Its next life need not wait for the session of one that has gone. */
    assert_int_equal(cluster_register(&box, 1, 10, c.broker_epoch, NULL), 0);
    assert_true(cluster_epoch(&box, 1) > c.broker_epoch);
    /* Which has a session again. */
    assert_int_equal(cluster_register(&box, 1, 11, -1, NULL),
                     WIRE_ERROR_DUPLICATE_BROKER_REGISTRATION);
    box_done(&box);
}

/* What the life before was told says nothing of this one. */
TEST(who_has_come_back_waits_anew_before_it_goes)
{
    struct box box;
    struct controller_heartbeat c;
    static const int32_t from_one[] = {1, 2};
    begin(&box, "1", "false");
    controller_heartbeat_init(&c);
    c.want_shutdown = true;
    for (int life = 0; life < 2; life++) {
        c.broker_id = 1;
        c.broker_epoch = cluster_epoch(&box, 1);
        c.metadata_offset = box.image->offset;
        box_decide(&box, &c.command);
        assert_false(c.may_go);
        box_decide(&box, &c.command);
        assert_false(c.may_go);
        assert_int_equal(cluster_beat(&box, 2), 0);
        assert_int_equal(cluster_beat(&box, 3), 0);
        box_decide(&box, &c.command);
        assert_true(c.may_go);
        box.now_ns += BOX_SESSION_NS;
        assert_int_equal(cluster_register(&box, 1, 10, c.broker_epoch, NULL), 0);
        assert_int_equal(cluster_beat(&box, 1), 0);
        if (life == 0)
            cluster_topic(&box, "bills", from_one, 2, "1", "false");
    }
    box_done(&box);
}

/* Judges it with one allocation after the other refused, until none is; then it is as decided. */
static void decide_in_need(struct box *box, struct controller_command *command)
{
    for (uint64_t n = 1;; n++) {
        box->mem.fail_at = n;
        box_judge(box, command);
        bool refused = box->mem.failed > 0;
        box->mem.fail_at = box->mem.failed = 0;
        assert_int_equal(command->code, refused ? WIRE_ERROR_UNKNOWN_SERVER_ERROR : 0);
        if (!refused)
            break;
    }
    box_apply(box);
}

TEST(a_decision_for_which_there_is_no_memory_is_none)
{
    struct box box;
    struct controller_fence silence;
    struct controller_heartbeat beat;
    begin(&box, "2", "false");
    cluster_allow_elr(&box);
    cluster_fence(&box, 2);
    cluster_fence(&box, 3);
    box.now_ns += BOX_SESSION_NS;
    controller_fence_init(&silence);
    decide_in_need(&box, &silence.command);
    assert_int_equal(silence.broker_id, 1);
    ASSERT_ELR(&box, 1, 3);
    controller_heartbeat_init(&beat);
    beat.broker_id = 3;
    beat.broker_epoch = cluster_epoch(&box, 3);
    beat.metadata_offset = box.image->offset;
    decide_in_need(&box, &beat.command);
    assert_int_equal(leader(&box), 3);
    ASSERT_ELR(&box, 1);
    box_done(&box);
}

/* ---- P-11 ---- */

struct ask {
    int32_t from, leader_epoch, partition_epoch; /* the epochs beside those that are */
    int32_t ids[3], count;
    int64_t member_epoch_more;
    int8_t recovery;
    int16_t code;
};

static int16_t ask(struct box *box, const struct ask *a)
{
    const struct metadata_partition *p = cluster_partition(box, "orders");
    struct controller_in_sync isr[3];
    for (int32_t i = 0; i < a->count; i++)
        isr[i] = (struct controller_in_sync){.broker_id = a->ids[i],
                                             .broker_epoch = cluster_epoch(box, a->ids[i]) +
                                                             a->member_epoch_more};
    struct controller_altered_partition altered = {
        .topic_id = metadata_find(box->image, bytes_text("orders"))->id,
        .leader_epoch = p->leader_epoch + a->leader_epoch,
        .partition_epoch = p->partition_epoch + a->partition_epoch,
        .leader_recovery_state = a->recovery,
        .isr = isr,
        .isr_count = a->count};
    struct controller_alter_partition c;
    controller_alter_partition_init(&c);
    c.broker_id = a->from;
    c.broker_epoch = cluster_epoch(box, a->from);
    c.altered = &altered;
    c.count = 1;
    box_decide(box, &c.command);
    assert_int_equal(c.command.code, 0);
    return altered.code;
}

/* Each is wrong also in what the next is about, so that the order is seen. */
TEST(in_sync_replicas_are_judged_in_kafkas_order)
{
    static const struct ask asks[] = {
        {2, 1, -1, {9}, 1, 1, 1, WIRE_ERROR_NOT_CONTROLLER},
        {2, -1, 1, {9}, 1, 1, 1, WIRE_ERROR_NOT_CONTROLLER},
        {2, -1, -1, {9}, 1, 1, 1, WIRE_ERROR_FENCED_LEADER_EPOCH},
        {1, 0, -1, {9}, 1, 1, 1, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, -1, {9}, 1, 1, 1, WIRE_ERROR_INVALID_UPDATE_VERSION},
        {2, 0, 0, {2, 9}, 2, 1, 0, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, 0, {2, 2}, 2, 1, 0, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, 0, {3}, 1, 1, 0, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, 0, {2}, 0, 1, 0, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, 0, {2, 3}, 2, 1, 1, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, 0, {2}, 1, 0, 1, WIRE_ERROR_INVALID_REQUEST}, /* it had recovered */
        {2, 0, 0, {2}, 1, 0, 7, WIRE_ERROR_INVALID_REQUEST},
        {2, 0, 0, {2, 3}, 2, 1, 0, WIRE_ERROR_INELIGIBLE_REPLICA}, /* another life (KIP-903) */
        {2, 0, 0, {2, 1}, 2, 0, 0, WIRE_ERROR_INELIGIBLE_REPLICA}, /* fenced */
        {2, 0, 0, {2}, 1, 0, 0, 0},
    };
    struct box box;
    begin(&box, "1", "false");
    cluster_fence(&box, 1);
    for (int i = 0; i < COUNT_OF(asks); i++) {
        assert_int_equal(ask(&box, &asks[i]), asks[i].code);
        assert_int_equal(box.records, asks[i].code == 0);
    }
    ASSERT_ISR(&box, 2);
    box_done(&box);
}

/* ---- elections that are asked for ---- */

static int16_t elect(struct box *box, bool unclean)
{
    struct controller_election election = {.topic = bytes_text("orders")};
    struct controller_elect_leaders c;
    controller_elect_leaders_init(&c);
    c.elections = &election;
    c.count = 1;
    c.unclean = unclean;
    box_decide(box, &c.command);
    assert_int_equal(c.command.code, 0);
    return election.code;
}

TEST(the_preferred_leader_leads_again_once_it_is_in_sync)
{
    struct box box;
    begin(&box, "1", "false");
    assert_int_equal(elect(&box, false), WIRE_ERROR_ELECTION_NOT_NEEDED);
    cluster_fence(&box, 1);
    assert_int_equal(elect(&box, false), WIRE_ERROR_PREFERRED_LEADER_NOT_AVAILABLE);
    assert_int_equal(cluster_beat(&box, 1), 0);
    assert_int_equal(elect(&box, false), WIRE_ERROR_PREFERRED_LEADER_NOT_AVAILABLE);
    assert_int_equal(cluster_alter(&box, "orders", (int32_t[]){2, 3, 1}, 3), 0);
    assert_int_equal(elect(&box, false), 0);
    assert_int_equal(leader(&box), 1);
    ASSERT_ISR(&box, 2, 3, 1);
    assert_int_equal(elect(&box, true), WIRE_ERROR_ELECTION_NOT_NEEDED);
    box_done(&box);
}

TEST(a_person_may_have_an_unclean_leader_where_the_topic_may_not)
{
    struct box box;
    begin(&box, "1", "false");
    for (int32_t id = 1; id <= 3; id++)
        cluster_fence(&box, id);
    assert_int_equal(elect(&box, true), WIRE_ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE);
    assert_int_equal(cluster_beat(&box, 2), 0);
    assert_int_equal(leader(&box), CONTROLLER_NOBODY);
    assert_int_equal(elect(&box, true), 0);
    assert_int_equal(leader(&box), 2);
    ASSERT_ISR(&box, 2);
    box_done(&box);
}

/* ---- replicas of new topics ---- */

static int16_t create(struct box *box, int32_t partition_count, int16_t factor)
{
    struct controller_create_topics c;
    struct controller_new_topic topic = {.name = bytes_text("bills"),
                                         .partition_count = partition_count,
                                         .replication_factor = factor};
    controller_create_topics_init(&c);
    c.topics = &topic;
    c.topic_count = 1;
    box_decide(box, &c.command);
    return topic.code;
}

/* Brokers 1 to 6, two in each of three racks: the rack of an id. */
static int rack_of(int32_t id)
{
    return (int)(id - 1) / 2;
}

TEST(replicas_spread_over_racks_and_leaders_over_brokers)
{
    static const char *const racks[] = {"a", "b", "c"};
    struct box box;
    int32_t led[7] = {0}, held[7] = {0};
    box_init(&box);
    box_register(&box);
    controller_sessions_clear(&box.sessions);
    for (int32_t id = 1; id <= 6; id++) {
        assert_int_equal(cluster_register(&box, id, (uint64_t)id, -1, racks[rack_of(id)]), 0);
        assert_int_equal(cluster_beat(&box, id), 0);
    }
    assert_int_equal(create(&box, 60, 3), 0);
    const struct metadata_topic *topic = metadata_find(box.image, bytes_text("bills"));
    for (int32_t i = 0; i < 60; i++) {
        const struct metadata_partition *p = metadata_partition(topic, i);
        struct metadata_ids ids = metadata_ids(p, METADATA_REPLICAS);
        int seen = 0;
        for (int32_t k = 0; k < 3; k++) {
            seen |= 1 << rack_of(ids.ids[k]);
            held[ids.ids[k]]++;
        }
        assert_int_equal(seen, 7);
        assert_int_equal(p->leader, ids.ids[0]);
        led[p->leader]++;
    }
    for (int32_t id = 1; id <= 6; id++) {
        assert_in_range(led[id], 9, 11);
        assert_in_range(held[id], 25, 35);
    }
    assert_int_equal(create(&box, 1, 7), WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    box_done(&box);
}

TEST(who_is_fenced_gets_replicas_last_and_leads_nothing)
{
    struct box box;
    begin(&box, "1", "false");
    cluster_fence(&box, 2);
    assert_int_equal(create(&box, 30, 3), 0);
    const struct metadata_topic *topic = metadata_find(box.image, bytes_text("bills"));
    for (int32_t i = 0; i < 30; i++) {
        const struct metadata_partition *p = metadata_partition(topic, i);
        assert_int_equal(metadata_ids(p, METADATA_REPLICAS).ids[2], 2);
        assert_int_equal(metadata_ids(p, METADATA_ISR).count, 2);
        assert_int_not_equal(p->leader, 2);
    }
    assert_int_equal(create(&box, 1, 4), WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    box_done(&box);
}

TEST(more_replicas_than_brokers_are_refused)
{
    struct box box;
    begin(&box, "1", "false");
    assert_int_equal(create(&box, 1, 4), WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    for (int32_t id = 1; id <= 3; id++)
        cluster_fence(&box, id);
    assert_int_equal(create(&box, 1, 1), WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    box_done(&box);
}

/* KIP-919: as it is said, each time anew. */
TEST(a_controller_that_registers_is_written_down)
{
    struct box box;
    struct wire_register_controller_record_endpoint at = {
        .name = wire_text("CONTROLLER"), .host = wire_text("a"), .port = 9093};
    struct wire_register_controller_record record = {
        .controller_id = 70, .end_points = &at, .end_points_count = 1};
    struct controller_register_controller c;
    begin(&box, "1", "false");
    for (int i = 0; i < 2; i++) {
        int64_t before = box.image->offset;
        controller_register_controller_init(&c);
        c.record = &record;
        box_decide(&box, &c.command);
        assert_int_equal(c.command.code, WIRE_ERROR_NONE);
        assert_int_equal(box.image->offset, before + 1);
    }
    box_done(&box);
}

static int16_t unregister(struct box *box, int32_t id)
{
    struct controller_unregister c;
    controller_unregister_init(&c);
    c.broker_id = id;
    box_decide(box, &c.command);
    return c.command.code;
}

/* As in Kafka, whether it is there or not: it leads nothing and is in sync nowhere. */
TEST(who_is_unregistered_is_no_broker_any_more)
{
    struct box box;
    begin(&box, "1", "false");
    int32_t gone = leader(&box);
    assert_int_equal(unregister(&box, gone), WIRE_ERROR_NONE);
    assert_null(metadata_find_broker(box.image, gone));
    assert_int_not_equal(leader(&box), gone);
    const struct metadata_partition *p = cluster_partition(&box, "orders");
    assert_int_equal(metadata_ids(p, METADATA_ISR).count, 2);
    assert_int_equal(metadata_ids(p, METADATA_REPLICAS).count, 3);
    assert_int_equal(unregister(&box, gone), WIRE_ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(cluster_register(&box, gone, 900, -1, NULL), WIRE_ERROR_NONE);
    assert_true(metadata_find_broker(box.image, gone)->fenced);
    box_done(&box);
}

TEST(who_is_unregistered_is_not_eligible_either)
{
    struct box box;
    begin(&box, "2", "false");
    cluster_allow_elr(&box);
    cluster_fence(&box, 3);
    cluster_fence(&box, 2);
    ASSERT_ELR(&box, 2);
    assert_int_equal(unregister(&box, 2), WIRE_ERROR_NONE);
    ASSERT_NOBODY(&box, METADATA_ELR);
    box_done(&box);
}

TEST(a_node_that_is_its_own_quorum_stays_its_broker)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    box.settings.is_alone = true;
    assert_int_equal(unregister(&box, 1), WIRE_ERROR_INVALID_REQUEST);
    assert_non_null(metadata_find_broker(box.image, 1));
    box_done(&box);
}
