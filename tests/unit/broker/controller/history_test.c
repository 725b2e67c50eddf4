/* history_test.c - random histories of brokers that come, go silent, lose what they had and say who
 * is in sync: what holds of every partition after every command (checks.md D14, D16, D24, E10). */
#include "cluster.h"

#define BROKERS 5
#define TOPICS 4
#define STEPS 300
#define HISTORIES 400

struct history {
    struct box box;
    uint64_t state;
    uint64_t life[BROKERS + 1];
    bool elr;
    char names[TOPICS][3];
    bool unclean[TOPICS];
    int32_t min_insync[TOPICS];
    /* Of the command that comes. */
    int32_t lost; /* who registers without what it had */
    bool by_hand; /* an unclean election is asked for */
};

static uint64_t draw(struct history *h, uint64_t limit)
{
    h->state = h->state * 6364136223846793005ull + 1442695040888963407ull;
    return (h->state >> 33) % limit;
}

static bool has(struct metadata_ids list, int32_t id)
{
    for (int32_t i = 0; i < list.count; i++) {
        if (list.ids[i] == id)
            return true;
    }
    return false;
}

static bool is_active(const struct history *h, int32_t id)
{
    const struct metadata_broker *b = metadata_find_broker(h->box.image, id);
    return b != NULL && !b->fenced && !b->in_controlled_shutdown;
}

/* ---- what holds ---- */

static void assert_lists(const struct history *h, int t, const struct metadata_partition *p)
{
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    struct metadata_ids isr = metadata_ids(p, METADATA_ISR), elr = metadata_ids(p, METADATA_ELR);
    int32_t minimum = MIN(h->min_insync[t], replicas.count);
    for (int32_t i = 0; i < isr.count; i++) {
        assert_true(has(replicas, isr.ids[i]));
        assert_false(has(elr, isr.ids[i]));
        /* Fenced or going: only the last, and only where nobody can be eligible. */
        if (!is_active(h, isr.ids[i]))
            assert_true(!h->elr && isr.count == 1 && p->leader == CONTROLLER_NOBODY);
    }
    for (int32_t i = 0; i < elr.count; i++)
        assert_true(has(replicas, elr.ids[i]));
    if (!h->elr || isr.count >= minimum)
        assert_int_equal(elr.count, 0);
    if (!h->elr)
        assert_true(isr.count > 0);
}

static void assert_leader(const struct history *h, int t, const struct metadata_partition *p)
{
    struct metadata_ids isr = metadata_ids(p, METADATA_ISR), elr = metadata_ids(p, METADATA_ELR);
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    if (p->leader != CONTROLLER_NOBODY) {
        assert_true(has(isr, p->leader));
        assert_true(is_active(h, p->leader));
        assert_int_equal(metadata_ids(p, METADATA_LAST_KNOWN_ELR).count, 0);
        return;
    }
    /* Nobody leads, so nobody could. */
    for (int32_t i = 0; i < replicas.count; i++) {
        bool could = has(isr, replicas.ids[i]) || (isr.count == 0 && has(elr, replicas.ids[i])) ||
                     h->unclean[t];
        assert_false(could && is_active(h, replicas.ids[i]));
    }
}

static void assert_step(const struct history *h, int t, const struct metadata_partition *a,
                        const struct metadata_partition *b)
{
    struct metadata_ids isr = metadata_ids(a, METADATA_ISR), elr = metadata_ids(a, METADATA_ELR);
    struct metadata_ids last = metadata_ids(a, METADATA_LAST_KNOWN_ELR);
    assert_int_equal(b->partition_epoch, a->partition_epoch + 1);
    assert_int_equal(b->leader_epoch, a->leader_epoch + (b->leader != a->leader));
    if (b->leader == a->leader || b->leader == CONTROLLER_NOBODY)
        return;
    if (has(isr, b->leader))
        return;
    for (int32_t i = 0; i < isr.count && !h->by_hand; i++) /* they would have been better */
        assert_false(is_active(h, isr.ids[i]));
    if (has(elr, b->leader))
        return;
    assert_true(h->unclean[t] || h->by_hand ||
                (h->elr && last.count == 1 && last.ids[0] == b->leader));
    assert_int_equal(b->leader_recovery_state, 1);
    assert_int_equal(metadata_ids(b, METADATA_ISR).count, 1);
}

static void assert_all(const struct history *h, const struct metadata_image *before)
{
    for (int t = 0; t < TOPICS; t++) {
        const struct metadata_partition *p = cluster_partition(&h->box, h->names[t]);
        const struct metadata_topic *was = metadata_find(before, bytes_text(h->names[t]));
        assert_lists(h, t, p);
        assert_leader(h, t, p);
        if (metadata_partition(was, 0) != p)
            assert_step(h, t, metadata_partition(was, 0), p);
        if (h->lost != CONTROLLER_NOBODY && h->elr) {
            assert_false(has(metadata_ids(p, METADATA_ISR), h->lost));
            assert_false(has(metadata_ids(p, METADATA_ELR), h->lost));
        }
    }
}

/* ---- what happens ---- */

static void come(struct history *h, int32_t id)
{
    struct box *box = &h->box;
    bool same = draw(h, 4) == 0, clean = draw(h, 2) == 0;
    int64_t epoch = cluster_epoch(box, id);
    uint64_t life = same ? h->life[id] : h->life[id] + 1;
    if (!same && !clean)
        h->lost = id;
    int16_t code = cluster_register(box, id, life, clean ? epoch : -1, NULL);
    if (code == WIRE_ERROR_NONE)
        h->life[id] = life;
    else
        h->lost = CONTROLLER_NOBODY;
    assert_true(code == WIRE_ERROR_NONE || code == WIRE_ERROR_DUPLICATE_BROKER_REGISTRATION);
}

static void beat(struct history *h, int32_t id)
{
    struct controller_heartbeat c;
    controller_heartbeat_init(&c);
    c.broker_id = id;
    c.broker_epoch = cluster_epoch(&h->box, id) - (draw(h, 10) == 0);
    c.metadata_offset = h->box.image->offset - (int64_t)draw(h, 3);
    c.want_fence = draw(h, 12) == 0;
    c.want_shutdown = draw(h, 12) == 0;
    box_decide(&h->box, &c.command);
    if (c.command.code == WIRE_ERROR_NONE)
        assert_int_equal(c.is_fenced && !c.may_go,
                         metadata_find_broker(h->box.image, id)->fenced && !c.may_go);
}

static void pass(struct history *h)
{
    struct controller_fence c;
    h->box.now_ns += (int64_t)draw(h, BOX_SESSION_NS / 2);
    controller_fence_init(&c);
    box_decide(&h->box, &c.command);
    assert_int_equal(c.command.code, 0);
    if (c.broker_id == CONTROLLER_NOBODY)
        assert_true(controller_sessions_deadline(&h->box.sessions) > h->box.now_ns);
    else
        assert_true(metadata_find_broker(h->box.image, c.broker_id)->fenced);
}

/* In any order, right and wrong ones. */
static void alter(struct history *h, const char *name)
{
    struct metadata_ids replicas =
        metadata_ids(cluster_partition(&h->box, name), METADATA_REPLICAS);
    int32_t ids[BROKERS], count = 0;
    if (cluster_partition(&h->box, name)->leader == CONTROLLER_NOBODY)
        return;
    for (int32_t i = 0; i < replicas.count; i++) {
        if (draw(h, 3) > 0)
            ids[count++] = replicas.ids[i];
    }
    (void)cluster_alter(&h->box, name, ids, count);
}

static void elect(struct history *h, const char *name)
{
    struct controller_election election = {.topic = bytes_text(name)};
    struct controller_elect_leaders c;
    controller_elect_leaders_init(&c);
    c.elections = &election;
    c.count = 1;
    c.unclean = h->by_hand = draw(h, 3) == 0;
    box_decide(&h->box, &c.command);
    assert_int_equal(c.command.code, 0);
}

static void step(struct history *h)
{
    int32_t id = 1 + (int32_t)draw(h, BROKERS);
    const char *name = h->names[draw(h, TOPICS)];
    h->lost = CONTROLLER_NOBODY;
    h->by_hand = false;
    switch (draw(h, 10)) {
    case 0:
        come(h, id);
        break;
    case 1:
    case 2:
        pass(h);
        break;
    case 3:
        elect(h, name);
        break;
    case 4:
    case 5:
    case 6:
        alter(h, name);
        break;
    default:
        beat(h, id);
        break;
    }
}

static void live(struct history *h, uint64_t seed)
{
    *h = (struct history){.state = seed * 2 + 1, .elr = seed % 2 == 0};
    box_init(&h->box);
    box_register(&h->box);
    controller_sessions_clear(&h->box.sessions);
    cluster_up(&h->box, BROKERS);
    if (h->elr)
        cluster_allow_elr(&h->box);
    for (int32_t id = 1; id <= BROKERS; id++)
        h->life[id] = (uint64_t)id * 1000;
    for (int32_t id = 1; id <= BROKERS; id++) {
        cluster_fence(&h->box, id);
        assert_int_equal(cluster_register(&h->box, id, h->life[id], -1, NULL), 0);
        assert_int_equal(cluster_beat(&h->box, id), 0);
    }
    for (int t = 0; t < TOPICS; t++) {
        int32_t ids[3], first = (int32_t)draw(h, BROKERS), count = 2 + (int32_t)draw(h, 2);
        char minimum[2] = {(char)('1' + draw(h, 3)), 0};
        for (int32_t i = 0; i < count; i++)
            ids[i] = 1 + (first + i) % BROKERS;
        h->names[t][0] = 't';
        h->names[t][1] = (char)('0' + t);
        h->min_insync[t] = minimum[0] - '0';
        h->unclean[t] = draw(h, 4) == 0;
        cluster_topic(&h->box, h->names[t], ids, count, minimum, h->unclean[t] ? "true" : "false");
    }
    for (int i = 0; i < STEPS; i++) {
        const struct metadata_image *before = h->box.image;
        metadata_image_retain(before);
        step(h);
        assert_all(h, before);
        metadata_image_release((struct metadata_image *)before);
    }
    box_done(&h->box);
}

TEST(whatever_happens_who_leads_has_all_that_was_committed)
{
    static struct history h;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++)
        live(&h, seed);
}
