/* isr_history_test.c - a leader through a history of chance: followers that fetch, sync, crash and
 * come back as another life, messages that are late, a controller that judges as P-11 says, answers
 * that are lost and metadata that lag behind. What the leader commits is then compared with what
 * those who may lead next really have. */
#include "leader.h"

#define IN(id) (1u << (id))
#define ALL (IN(1) | IN(2) | IN(3))
#define STEPS 400
#define MESSAGES_MAX 6
#define FOLLOWER_FIRST 2
#define FOLLOWER_LAST 3

/* A fetch on its way to the leader. */
struct message {
    struct leader_said said;
    int32_t epoch, life;
};

/* What is so, whoever knows of it. */
static struct truth {
    struct rng rng;
    int64_t ends[BROKERS_MAX], durable_ends[BROKERS_MAX];
    int32_t lives[BROKERS_MAX];
    struct replica_broker brokers[BROKERS_MAX];
    int32_t epoch, partition_epoch;
    uint32_t isr;
    struct message messages[MESSAGES_MAX];
    int message_count;
    bool durable; /* flush.policy = ack */
    int64_t watermark;
    int produced, committed, joined, left, refused, lost, crashes, elections;
} * is;

static uint64_t draw(uint64_t below)
{
    return rng_next(&is->rng) % below;
}

static int32_t any_follower(void)
{
    return FOLLOWER_FIRST + (int32_t)draw(FOLLOWER_LAST - FOLLOWER_FIRST + 1);
}

/* ---- followers ---- */

static void send_fetch(void)
{
    int32_t id = any_follower();
    if (is->message_count == MESSAGES_MAX)
        return;
    is->messages[is->message_count++] =
        (struct message){.epoch = is->epoch,
                         .life = is->lives[id],
                         .said = {.id = id,
                                  .offset = is->ends[id],
                                  .broker_epoch = is->brokers[id].epoch,
                                  .says_durable = is->durable,
                                  .durable_end = is->durable_ends[id]}};
}

/* Of any of them: they overtake each other. It is answered at once, with all there is. */
static void deliver(void)
{
    if (is->message_count == 0)
        return;
    size_t i = draw((uint64_t)is->message_count);
    struct message m = is->messages[i];
    is->messages[i] = is->messages[--is->message_count];
    m.said.epoch_less = the->epoch - m.epoch;
    int32_t id = m.said.id;
    int16_t code = leader_hear(m.said);
    bool takes = code == 0 && is->lives[id] == m.life && is->epoch == m.epoch &&
                 is->ends[id] == m.said.offset;
    if (takes)
        is->ends[id] = MAX(is->ends[id], leader_end());
}

static void sync_one(void)
{
    int32_t id = any_follower();
    is->durable_ends[id] = is->ends[id];
}

/* ---- the controller ---- */

static bool is_in(int32_t id)
{
    return (is->isr >> id & 1) != 0;
}

static void leave(int32_t id)
{
    if (!is_in(id))
        return;
    is->isr &= ~IN(id);
    is->partition_epoch++;
}

/* It comes back at once, as another life, and what was not synced is gone (B-2). */
static void crash(void)
{
    int32_t id = any_follower();
    is->crashes++;
    is->ends[id] = is->durable_ends[id];
    is->lives[id]++;
    is->brokers[id].epoch += 100;
    leave(id);
}

static void fence(void)
{
    int32_t id = any_follower();
    is->brokers[id].is_alive = is->brokers[id].may_join = false;
    leave(id);
}

static void unfence(void)
{
    int32_t id = any_follower();
    is->brokers[id].is_alive = is->brokers[id].may_join = true;
}

/* What is so is told to the leader's broker. */
static void publish(void)
{
    memcpy(the->brokers, is->brokers, sizeof the->brokers);
    the->isr = is->isr;
    the->epoch = is->epoch;
    the->partition_epoch = is->partition_epoch;
    leader_publish();
    leader_brokers_changed();
}

static int16_t judge(const struct replica_proposal *p)
{
    if (p->leader_epoch < is->epoch)
        return WIRE_ERROR_FENCED_LEADER_EPOCH;
    if (p->partition_epoch < is->partition_epoch)
        return WIRE_ERROR_INVALID_UPDATE_VERSION;
    assert_int_equal(p->partition_epoch, is->partition_epoch);
    for (int32_t i = 0; i < p->isr_count; i++) {
        const struct replica_in_sync *m = &p->isr[i];
        if (m->broker_id != SELF &&
            (!is->brokers[m->broker_id].may_join ||
             (m->broker_epoch >= 0 && m->broker_epoch != is->brokers[m->broker_id].epoch)))
            return WIRE_ERROR_INELIGIBLE_REPLICA;
    }
    return WIRE_ERROR_NONE;
}

static void answer(void)
{
    if (the->proposal_count == 0)
        return;
    const struct replica_proposal *p = the->proposals[0];
    uint32_t asked = leader_proposed();
    int16_t code = judge(p);
    assert_true((asked & IN(SELF)) != 0);
    is->refused += code != 0;
    if (code == 0) {
        is->joined += (asked & ~is->isr) != 0;
        is->left += (is->isr & ~asked) != 0;
        is->isr = asked;
        is->partition_epoch++;
    }
    if (draw(4) == 0) { /* it is lost, and the same is asked again */
        is->lost++;
        code = WIRE_ERROR_REQUEST_TIMED_OUT;
    }
    leader_answer_as(code, is->epoch, is->partition_epoch);
}

/* Another one leads for a moment, which has what is committed and perhaps no more: followers cut
 * what it lacks. Then this one again. */
static void elect(void)
{
    int64_t kept = is->watermark + (int64_t)draw(4);
    is->elections++;
    is->epoch++;
    is->partition_epoch++;
    the->follows = true;
    publish();
    for (int32_t id = FOLLOWER_FIRST; id <= FOLLOWER_LAST; id++) {
        is->ends[id] = MIN(is->ends[id], kept);
        is->durable_ends[id] = MIN(is->durable_ends[id], kept);
    }
    is->epoch++;
    is->partition_epoch++;
    the->follows = false;
    publish();
}

static void produce(void)
{
    int slot = (int)draw(PRODUCES_MAX);
    const struct leader_produce *p = &the->produces[slot];
    if (p->op.replica != NULL && !p->done)
        return;
    is->committed += p->done && p->op.code == 0 && p->op.acks == -1;
    leader_produce(slot, draw(2) == 0 ? -1 : 1);
    is->produced++;
}

static void (*const steps[])(void) = {produce,  produce,  send_fetch, send_fetch, deliver, deliver,
                                      sync_one, sync_one, crash,      fence,      unfence, unfence,
                                      publish,  answer,   answer,     elect};
/* Of a hundred: what is rare is rare. */
static const uint8_t weights[] = {12, 4, 14, 6, 16, 8, 10, 4, 1, 1, 2, 2, 6, 6, 4, 1};

static void (*any_step(void))(void)
{
    int all = 0;
    for (int i = 0; i < COUNT_OF(weights); i++)
        all += weights[i];
    int left = (int)draw((uint64_t)all);
    int i = 0;
    while (left >= weights[i])
        left -= weights[i++];
    return steps[i];
}

/* ---- what must hold ---- */

/* Whoever may lead next has all that is committed, and it never becomes less. */
static void check(void)
{
    int64_t watermark = replica_high_watermark(the->replica);
    assert_true(watermark >= is->watermark);
    is->watermark = watermark;
    for (int32_t id = FOLLOWER_FIRST; id <= FOLLOWER_LAST; id++) {
        int64_t end = is->durable ? is->durable_ends[id] : is->ends[id];
        assert_true(!is_in(id) || end >= watermark);
    }
}

/* All is well from now on: all join, and all that was written is committed. */
static void come_to_rest(void)
{
    for (int32_t id = FOLLOWER_FIRST; id <= FOLLOWER_LAST; id++)
        is->brokers[id].is_alive = is->brokers[id].may_join = true;
    is->message_count = 0;
    leader_order(publish, 5);
    for (int i = 0; i < 60; i++) {
        leader_order(send_fetch, 1);
        leader_order(deliver, 3);
        leader_order(sync_one, 1);
        leader_order(answer, 1);
        if (i % 4 == 0)
            leader_order(publish, 2);
        check();
    }
    assert_int_equal(is->isr, ALL);
    assert_int_equal(is->watermark, leader_end());
    for (int i = 0; i < PRODUCES_MAX; i++)
        assert_true(the->produces[i].op.replica == NULL || the->produces[i].done);
}

static void play(struct truth *truth, uint64_t seed, enum log_flush flush)
{
    struct leader l;
    is = truth;
    is->rng = (struct rng){.state = seed};
    is->durable = flush == LOG_FLUSH_ACK;
    memset(is->ends, 0, sizeof is->ends);
    memset(is->durable_ends, 0, sizeof is->durable_ends);
    is->watermark = is->message_count = 0;
    leader_setup(&l, seed, flush, ALL, 1 + (int32_t)draw(2));
    memcpy(is->brokers, l.brokers, sizeof is->brokers);
    is->epoch = l.epoch;
    is->partition_epoch = l.partition_epoch;
    is->isr = l.isr;
    for (int i = 0; i < STEPS; i++) {
        leader_order(any_step(), 1 + (int64_t)(draw(20) == 0 ? draw(2 * LAG_MS) : draw(3)));
        check();
    }
    come_to_rest();
    leader_teardown();
}

static void history(enum log_flush flush)
{
    struct truth truth = {0};
    for (uint64_t seed = 1; seed <= 60; seed++)
        play(&truth, seed, flush);
    assert_true(truth.produced > 1000);
    assert_true(truth.committed > 100);
    assert_true(truth.joined > 50);
    assert_true(truth.left > 20);
    assert_true(truth.refused > 20);
    assert_true(truth.lost > 20);
    assert_true(truth.crashes > 50);
    assert_true(truth.elections > 50);
}

TEST(whoever_may_lead_next_has_what_is_committed_on_its_disk)
{
    history(LOG_FLUSH_ACK);
}

TEST(whoever_may_lead_next_has_what_is_committed)
{
    history(LOG_FLUSH_OS);
}
