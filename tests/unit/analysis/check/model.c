/* model.c - draws legal histories of a partition: leaders and followers with their ends, who is in
 * sync, what a crash leaves, and clients that write and read. Rows are those that brokers write. */
#include "model.h"

#define BROKER_FIRST 10u /* the id of the first node: clients have others */
#define SEGMENT_BYTES 600
#define NEVER INT64_MAX

enum { CUT_TORN = 1, CUT_ASKED = 4, CUT_RESET = 5 };
enum { START_TIME = 1, START_SIZE = 2, START_ASKED = 3 };

uint64_t model_below(struct model *m, uint64_t n)
{
    return random_below(rng_next(&m->rng), n);
}

static bool chance(struct model *m, uint64_t part, uint64_t whole)
{
    return model_below(m, whole) < part;
}

static uint32_t bit_of(const struct model *m, const struct model_node *n)
{
    return 1u << (n - m->nodes);
}

struct model_node *model_leader(struct model *m)
{
    return m->leader != NULL && m->leader->alive && m->leader->leading ? m->leader : NULL;
}

static struct model_node *any_node(struct model *m)
{
    return &m->nodes[model_below(m, (uint64_t)m->node_count)];
}

struct model_node *model_follower(struct model *m)
{
    struct model_node *first = any_node(m);
    for (int i = 0; i < m->node_count; i++) {
        struct model_node *n = &m->nodes[(first - m->nodes + i) % m->node_count];
        if (n->alive && !n->leading)
            return n;
    }
    return NULL;
}

uint64_t model_counting(const struct model *m, const struct model_node *n)
{
    return m->durable ? n->durable : n->written;
}

struct model_batch *model_last(struct model_node *n)
{
    return n->count == 0 ? NULL : &n->batches[n->count - 1];
}

/* A boundary of batches from low to high, both included. */
static uint64_t boundary(struct model *m, const struct model_node *n, uint64_t low, uint64_t high)
{
    uint64_t at = low + model_below(m, high - low + 1);
    for (uint32_t i = 0; i < n->count; i++) {
        const struct model_batch *b = &n->batches[i];
        if (b->first < at && at <= b->last)
            return b->first >= low ? b->first : b->last + 1;
    }
    return at;
}

/* ---- one log ---- */

static int64_t now_ms(const struct model *m)
{
    return m->run->now_ns / 1000000;
}

static int64_t bytes_from(const struct model_node *n, uint64_t base)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < n->count; i++)
        bytes += n->batches[i].first >= base ? n->batches[i].bytes : 0;
    return bytes;
}

static void roll(struct model *m, struct model_node *n)
{
    ASSERT(n->segment_count < MODEL_SEGMENTS_MAX);
    n->segments[n->segment_count++] = n->end;
    MODEL_SAY(m, n, LOG_ROLL, .base = n->end);
}

void model_append(struct model *m, struct model_node *n, const struct model_batch *b)
{
    ASSERT(n->count < MODEL_BATCHES_MAX);
    if (bytes_from(n, n->segments[n->segment_count - 1]) + b->bytes > SEGMENT_BYTES)
        roll(m, n);
    n->batches[n->count++] = *b;
    n->end = b->last + 1;
    MODEL_SAY(m, n, LOG_APPEND, .first = b->first, .last = b->last, .crc = b->crc, .producer_id = 7,
              .sequence = b->sequence, .bytes = b->bytes, .producer_epoch = b->producer_epoch,
              .leader_epoch = b->epoch);
}

static void write_to(struct model *m, struct model_node *n, uint64_t to)
{
    if (to <= n->written)
        return;
    n->written = to;
    MODEL_SAY(m, n, LOG_WRITTEN, .end = to);
}

void model_sync(struct model *m, struct model_node *n, uint64_t to)
{
    write_to(m, n, to);
    if (to <= n->durable)
        return;
    for (uint32_t i = 0; i < n->segment_count; i++) {
        uint64_t next = i + 1 < n->segment_count ? n->segments[i + 1] : n->end;
        if (next > n->durable && n->segments[i] < to)
            SAY(m->run, n->id, DISK_DURABLE, P, n->segments[i], MIN(next, to));
    }
    n->durable = to;
    MODEL_SAY(m, n, LOG_DURABLE, .end = to);
}

void model_show(struct model *m, struct model_node *n, uint64_t to)
{
    n->watermark = to;
    MODEL_SAY(m, n, HIGH_WATERMARK, .offset = to, .leader_epoch = n->epoch);
}

static void forget_above(struct model_node *n, uint64_t to)
{
    while (n->count > 0 && model_last(n)->first >= to)
        n->count--;
    while (n->segment_count > 1 && n->segments[n->segment_count - 1] >= to)
        n->segment_count--;
    n->end = to;
    n->written = MIN(n->written, to);
    n->durable = MIN(n->durable, to);
}

void model_cut(struct model *m, struct model_node *n, uint64_t to, int64_t reason)
{
    uint64_t was = n->end;
    forget_above(n, to);
    m->counts.cuts++;
    MODEL_SAY(m, n, LOG_CUT, .end = to, .was = was, .reason = reason);
    if (to < n->watermark)
        model_show(m, n, to);
}

void model_move_start(struct model *m, struct model_node *n, uint64_t to, int64_t reason,
                      int64_t max_timestamp)
{
    uint64_t was = n->start;
    uint32_t gone = 0;
    while (gone + 1 < n->segment_count && n->segments[gone + 1] <= to)
        gone++;
    n->segment_count -= gone;
    memmove(n->segments, n->segments + gone, n->segment_count * sizeof n->segments[0]);
    for (gone = 0; gone < n->count && n->batches[gone].last < to;)
        gone++;
    n->count -= gone;
    memmove(n->batches, n->batches + gone, n->count * sizeof n->batches[0]);
    n->start = to;
    MODEL_SAY(m, n, LOG_START, .start = to, .was = was, .reason = reason,
              .max_timestamp = max_timestamp, .wall = now_ms(m));
}

/* The log begins anew where its leader's does. */
static void reset(struct model *m, struct model_node *n, uint64_t to)
{
    uint64_t was = n->end, start_was = n->start;
    n->count = 0;
    n->segments[0] = to;
    n->segment_count = 1;
    n->start = n->end = n->written = n->durable = to;
    m->counts.resets++;
    MODEL_SAY(m, n, LOG_CUT, .end = to, .was = was, .reason = CUT_RESET);
    if (to != start_was)
        MODEL_SAY(m, n, LOG_START, .start = to, .was = start_was, .reason = START_ASKED,
                  .max_timestamp = -1, .wall = -1);
    if (n->watermark != to)
        model_show(m, n, to);
}

/* ---- clients ---- */

static void tell_send(struct model *m, int index, bool ok)
{
    const struct model_send *s = &m->sends[index];
    const struct model_batch *b = &s->batch;
    m->run->incarnation = 0;
    for (uint64_t o = b->first; o <= b->last; o++) {
        uint64_t vid = b->vid + (o - b->first);
        if (ok)
            SAY(m->run, PRODUCER, PRODUCE_OK, P, vid, o, b->time_ms, MODEL_TOPIC);
        else
            SAY(m->run, PRODUCER, PRODUCE_UNKNOWN, P, vid, 7, MODEL_TOPIC);
        m->counts.acked += ok;
    }
    m->counts.late += ok && (!s->node->alive || s->node->life != s->life || !s->node->leading);
    memmove(&m->sends[index], &m->sends[index + 1],
            (size_t)(--m->send_count - index) * sizeof m->sends[0]);
}

/* The leader acknowledges what it may. */
static void acknowledge(struct model *m, struct model_node *n)
{
    for (int i = 0; i < m->send_count; i++) {
        struct model_send *s = &m->sends[i];
        bool own = s->node == n && s->life == n->life && s->batch.epoch == n->epoch;
        bool may = m->acks_all ? s->batch.last < n->watermark : s->batch.last < n->written;
        if (!own || s->said || !may)
            continue;
        s->said = true;
        MODEL_SAY(m, n, ACK, .first = s->batch.first, .last = s->batch.last,
                  .acks = m->acks_all ? -1 : 1, .producer_id = 7, .sequence = s->batch.sequence,
                  .producer_epoch = s->batch.producer_epoch, .leader_epoch = n->epoch);
    }
}

/* An answer arrives, or never will. */
static void answer(struct model *m)
{
    if (m->send_count == 0)
        return;
    const struct model_send *s = &m->sends[0];
    bool waits = s->node->alive && s->node->life == s->life && s->node->leading;
    if (s->said || !waits)
        tell_send(m, 0, s->said);
}

struct model_batch model_batch(struct model *m, const struct model_node *n, int64_t epoch)
{
    uint64_t records = 1 + model_below(m, 4);
    struct model_batch b = {.first = n->end,
                            .last = n->end + records - 1,
                            .crc = ++m->crc,
                            .vid = VID(1, m->sequence_end),
                            .epoch = epoch,
                            .producer_epoch = m->producer_epoch,
                            .sequence = m->producer_sequence,
                            .time_ms = now_ms(m),
                            .bytes = (int64_t)records * 50};
    return b;
}

/* Whoever leads now, or another life of it, is written to by a new epoch of the producer. */
void model_produce(struct model *m, struct model_node *n)
{
    if (n->count + 1 >= MODEL_BATCHES_MAX || m->send_count == MODEL_SENDS_MAX)
        return;
    if (m->sent_to != n || m->sent_life != n->life || m->sent_epoch != n->epoch) {
        m->producer_epoch++;
        m->producer_sequence = 0;
    }
    m->sent_to = n;
    m->sent_life = n->life;
    m->sent_epoch = n->epoch;
    struct model_batch b = model_batch(m, n, n->epoch);
    int64_t flags = CHECK_IDEMPOTENT | (m->acks_all ? CHECK_ACKS_ALL : CHECK_ACKS_ONE);
    m->run->incarnation = 0;
    for (uint64_t o = b.first; o <= b.last; o++)
        SAY(m->run, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = VID(1, m->sequence_end++),
            .body = BODY, .flags = flags, .topic_id = MODEL_TOPIC);
    m->producer_sequence += (int64_t)(b.last - b.first + 1);
    model_append(m, n, &b);
    m->sends[m->send_count++] = (struct model_send){.batch = b, .node = n, .life = n->life};
    acknowledge(m, n);
}

static void seek(struct model *m, uint64_t to)
{
    m->read_end = to;
    m->run->incarnation = 0;
    SAY(m->run, READER, ASSIGN, P, to, 0, MODEL_TOPIC);
}

uint64_t model_read(struct model *m, uint64_t count)
{
    struct model_node *n = model_leader(m);
    if (n == NULL)
        return 0;
    if (m->read_end < n->start)
        seek(m, n->start);
    uint64_t to = MIN(n->watermark, m->read_end + count);
    if (to <= m->read_end)
        return 0;
    MODEL_SAY(m, n, SERVE, .from = m->read_end, .to = to, .high_watermark = n->watermark,
              .leader_epoch = n->epoch);
    m->run->incarnation = 0;
    m->poll++;
    uint64_t from = m->read_end;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct model_batch *b = &n->batches[i];
        for (uint64_t o = MAX(b->first, from); o <= b->last && o < to; o++)
            SAY(m->run, READER, POLL_RECORD, (int64_t)m->poll, P, o, b->vid + (o - b->first), 0,
                BODY, b->time_ms, b->epoch, MODEL_TOPIC);
    }
    m->read_end = to;
    return to - from;
}

/* ---- replication ---- */

/* Up to where two logs hold the same (the lineage of leader epochs, KIP-101). */
static uint64_t common_end(const struct model_node *a, const struct model_node *b)
{
    uint64_t end = MAX(a->start, b->start);
    for (uint32_t i = 0, k = 0; i < a->count && k < b->count;) {
        const struct model_batch *x = &a->batches[i], *y = &b->batches[k];
        if (x->last < y->first) { /* below where the other begins */
            i++;
        } else if (y->last < x->first) {
            k++;
        } else if (x->crc != y->crc) {
            return MIN(x->first, y->first);
        } else {
            end = x->last + 1;
            i++;
            k++;
        }
    }
    return end;
}

static bool is_within_a_batch(const struct model_node *n, uint64_t offset)
{
    for (uint32_t i = 0; i < n->count; i++) {
        if (n->batches[i].first < offset && offset <= n->batches[i].last)
            return true;
    }
    return false;
}

static int64_t epoch_below(const struct model_node *n, uint64_t offset)
{
    int64_t epoch = -1;
    for (uint32_t i = 0; i < n->count && n->batches[i].last < offset; i++)
        epoch = n->batches[i].epoch;
    return epoch;
}

/* What follows a truncation by leader epochs (KIP-320), or begins anew. */
static void align(struct model *m, struct model_node *n, const struct model_node *leader)
{
    uint64_t common = MIN(common_end(n, leader), n->end);
    /* Where the leader's log begins, an epoch of its own ended before the last one here did. */
    bool other = leader->count > 0 && common == leader->start &&
                 epoch_below(n, common) > leader->batches[0].epoch;
    other |=
        is_within_a_batch(n, common) || (common == n->end && is_within_a_batch(leader, common));
    if (other || n->end < leader->start || common < leader->start || common < n->start)
        reset(m, n, leader->start);
    else if (n->end > common)
        model_cut(m, n, common, CUT_ASKED);
}

static void follow_watermark(struct model *m, struct model_node *n, const struct model_node *leader)
{
    uint64_t to = MIN(leader->watermark, model_counting(m, n));
    if (to > n->watermark)
        model_show(m, n, to);
    if (MIN(leader->start, n->watermark) > n->start)
        model_move_start(m, n, MIN(leader->start, n->watermark), START_ASKED, -1);
}

/* It asks with what counts of it, and is given what the leader has written. */
static void fetch(struct model *m, struct model_node *n, uint32_t batches)
{
    struct model_node *leader = model_leader(m);
    if (leader == NULL || !n->alive || n == leader)
        return;
    if (n->leading) {
        n->leading = false;
        MODEL_SAY(m, n, LEADER_OFF, .leader_epoch = n->epoch);
    }
    n->epoch = leader->epoch;
    align(m, n, leader);
    leader->fetched |= bit_of(m, n);
    leader->known[n - m->nodes] = model_counting(m, n);
    for (uint32_t i = 0; i < leader->count && batches > 0; i++) {
        const struct model_batch *b = &leader->batches[i];
        if (b->last < n->end || b->last >= leader->written)
            continue;
        struct model_batch copy = *b;
        if (n->count + 1 < MODEL_BATCHES_MAX && copy.first == n->end)
            model_append(m, n, &copy);
        batches--;
    }
    follow_watermark(m, n, leader);
}

static void advance(struct model *m, struct model_node *n)
{
    uint64_t to = model_counting(m, n);
    for (int i = 0; i < m->node_count; i++) {
        if (n->in_sync >> i & 1 && &m->nodes[i] != n)
            to = MIN(to, n->known[i]);
    }
    if (to > n->watermark)
        model_show(m, n, to);
    acknowledge(m, n);
}

/* The leader lets go of who lags, and takes back who has caught up with it. */
static void change_in_sync(struct model *m)
{
    struct model_node *leader = model_leader(m);
    struct model_node *n = any_node(m);
    uint32_t bit = bit_of(m, n);
    if (leader == NULL || n == leader || !n->alive)
        return;
    uint64_t known = leader->known[n - m->nodes];
    bool caught_up =
        leader->fetched & bit && known >= leader->watermark && known >= leader->epoch_start;
    if (m->in_sync & bit && chance(m, 1, 3))
        m->in_sync &= ~bit;
    else if (caught_up)
        m->in_sync |= bit;
    leader->in_sync = m->in_sync;
}

/* ---- elections ---- */

void model_lead(struct model *m, struct model_node *n, int64_t epoch)
{
    n->leading = true;
    n->epoch = epoch;
    MODEL_SAY(m, n, LEADER_ON, .leader_epoch = epoch, .end = n->end);
}

static void take_office(struct model *m, struct model_node *n)
{
    m->leader = n;
    m->counts.elections++;
    n->epoch_start = n->end;
    n->in_sync = m->in_sync;
    n->fetched = 0;
    for (int i = 0; i < m->node_count; i++)
        n->known[i] = 0;
    model_lead(m, n, ++m->epoch);
    model_show(m, n, MAX(MIN(n->watermark, n->end), n->start));
}

/* Who led may hear of it later. */
static void depose(struct model *m, struct model_node *but, bool all)
{
    for (int i = 0; i < m->node_count; i++) {
        struct model_node *n = &m->nodes[i];
        if (!n->alive || !n->leading || n == but)
            continue;
        if (!all && chance(m, 1, 2)) {
            m->counts.stale++;
            continue;
        }
        n->leading = false;
        MODEL_SAY(m, n, LEADER_OFF, .leader_epoch = n->epoch);
    }
}

/* Out of the replicas that are in sync, or, where nobody of them is alive and the topic allows it,
 * out of any. */
static void elect(struct model *m)
{
    struct model_node *n = any_node(m);
    uint32_t alive = 0;
    for (int i = 0; i < m->node_count; i++)
        alive |= m->nodes[i].alive ? 1u << i : 0;
    bool clean = m->in_sync & bit_of(m, n);
    bool unclean = m->unclean && (m->in_sync & alive) == 0;
    if (!n->alive || n == model_leader(m) || !(clean || unclean))
        return;
    bool loses = !clean || n->watermark > n->end;
    m->counts.unclean += !clean;
    depose(m, n, true);
    if (!clean)
        m->in_sync = bit_of(m, n);
    take_office(m, n);
    if (loses || m->read_end > n->end)
        seek(m, MIN(m->read_end, n->end));
}

/* The one before goes on in its epoch until it hears of it. */
static void elect_unheard(struct model *m)
{
    struct model_node *old = model_leader(m);
    struct model_node *n = model_follower(m);
    if (old == NULL || n == NULL || !(m->in_sync & bit_of(m, n)))
        return;
    depose(m, n, false);
    take_office(m, n);
}

/* ---- lives ---- */

void model_die(struct model *m, struct model_node *n, bool power, uint64_t left)
{
    m->run->incarnation = n->life;
    if (power)
        SAY(m->run, n->id, POWER_LOSS, 0);
    else
        SAY(m->run, n->id, NODE_KILL, 0);
    m->counts.power_losses += power;
    m->counts.kills += !power;
    n->alive = n->leading = n->clean = false;
    /* Without it, the others are in sync; the last one stays what it is. */
    if (m->in_sync & ~bit_of(m, n))
        m->in_sync &= ~bit_of(m, n);
    struct model_node *leader = model_leader(m);
    if (leader != NULL)
        leader->in_sync = m->in_sync;
    for (int i = 0; i < m->node_count; i++) { /* its next life has told nobody yet (KIP-903) */
        m->nodes[i].known[n - m->nodes] = 0;
        m->nodes[i].fetched &= ~bit_of(m, n);
    }
    forget_above(n, MAX(left, n->start));
    n->written = n->end;
}

static void stop(struct model *m, struct model_node *n)
{
    model_sync(m, n, n->end);
    model_die(m, n, false, n->end);
    n->clean = true;
}

void model_open(struct model *m, struct model_node *n)
{
    n->alive = true;
    n->life++;
    m->run->incarnation = n->life;
    SAY(m->run, n->id, NODE_START, 0);
    if (!n->clean && chance(m, 1, 2))
        MODEL_SAY(m, n, LOG_CUT, .end = n->end, .was = n->end + 1, .reason = CUT_TORN);
    MODEL_SAY(m, n, LOG_OPEN, .start = n->start, .end = n->end, .recovery_point = n->durable,
              .clean = n->clean);
    n->written = n->end;
    if (n->segment_count > 1 && n->segments[n->segment_count - 1] == n->end)
        n->segment_count--;
    if (m->durable || chance(m, 2, 3)) {
        n->durable = n->start;
        model_sync(m, n, n->end);
    }
    model_show(m, n, MAX(MIN(n->watermark, model_counting(m, n)), n->start));
}

static void live_or_die(struct model *m)
{
    struct model_node *n = any_node(m);
    bool power = chance(m, 1, 2);
    if (!n->alive)
        model_open(m, n);
    else if (chance(m, 1, 6))
        stop(m, n);
    else if (chance(m, 1, 2))
        model_die(m, n, power, boundary(m, n, power ? n->durable : n->written, n->end));
}

/* ---- retention ---- */

static int64_t youngest_below(const struct model_node *n, uint64_t base)
{
    int64_t youngest = INT64_MIN;
    for (uint32_t i = 0; i < n->count && n->batches[i].first < base; i++)
        youngest = MAX(youngest, n->batches[i].time_ms);
    return youngest;
}

static void retain(struct model *m)
{
    struct model_node *n = any_node(m);
    if (!n->alive || n->segment_count < 2 || n->segments[1] > n->watermark)
        return;
    uint64_t to = n->segments[1];
    int64_t youngest = youngest_below(n, to);
    bool old = m->retention_ms >= 0 && now_ms(m) - youngest >= m->retention_ms;
    bool much = m->retention_bytes >= 0 && bytes_from(n, to) >= m->retention_bytes;
    if (!old && !much)
        return;
    m->counts.retained++;
    model_move_start(m, n, to, old ? START_TIME : START_SIZE, youngest);
}

/* ---- histories ---- */

static void write_or_sync(struct model *m)
{
    struct model_node *n = any_node(m);
    if (!n->alive)
        return;
    if (chance(m, 1, 2))
        write_to(m, n, boundary(m, n, n->written, n->end));
    else
        model_sync(m, n, boundary(m, n, n->durable, n->written));
}

static void some_leader(struct model *m, void (*act)(struct model *, struct model_node *))
{
    struct model_node *n = any_node(m);
    n = n->alive && n->leading ? n : model_leader(m);
    if (n != NULL)
        act(m, n);
}

void model_step(struct model *m)
{
    enum { PRODUCE, WRITE, FETCH, ADVANCE, ANSWER, READ, IN_SYNC, ELECT, UNHEARD, LIVES, RETAIN };
    static const uint32_t weights[] = {14, 24, 26, 16, 10, 8, 5, 4, 1, 3, 4};
    m->run->now_ns += (int64_t)model_below(m, 3000) * 1000000;
    switch (random_weighted(rng_next(&m->rng), weights, COUNT_OF(weights))) {
    case PRODUCE:
        some_leader(m, model_produce);
        break;
    case WRITE:
        write_or_sync(m);
        break;
    case FETCH:
        fetch(m, any_node(m), 1 + (uint32_t)model_below(m, 3));
        break;
    case ADVANCE:
        some_leader(m, advance);
        break;
    case ANSWER:
        answer(m);
        break;
    case READ:
        (void)model_read(m, 1 + model_below(m, 10));
        break;
    case IN_SYNC:
        change_in_sync(m);
        break;
    case ELECT:
        if (model_leader(m) == NULL || chance(m, 1, 4))
            elect(m);
        break;
    case UNHEARD:
        elect_unheard(m);
        break;
    case LIVES:
        live_or_die(m);
        break;
    case RETAIN:
        retain(m);
        break;
    }
}

void model_start(struct model *m, struct run *run, uint64_t seed)
{
    *m = (struct model){.run = run, .rng = {.state = seed}, .retention_ms = -1};
    begin(run, (struct check_contract){.retention_ms = -1});
    m->node_count = 3 + (int)model_below(m, 3);
    m->durable = chance(m, 2, 3);
    m->unclean = chance(m, 1, 4);
    m->acks_all = chance(m, 3, 4);
    if (chance(m, 1, 2))
        m->retention_ms = 10000 + (int64_t)model_below(m, 60000);
    m->retention_bytes = chance(m, 1, 2) ? (int64_t)model_below(m, 3000) : -1;
    m->in_sync = (1u << m->node_count) - 1;
    m->producer_epoch = -1;
    for (int i = 0; i < m->node_count; i++) {
        struct model_node *n = &m->nodes[i];
        n->id = BROKER_FIRST + (uint32_t)i;
        n->alive = n->clean = true;
        SAY(run, n->id, TOPIC_SETTINGS, .topic = MODEL_TOPIC, .partitions = 1,
            .durable = m->durable, .retention_ms = m->retention_ms,
            .retention_bytes = m->retention_bytes, .min_insync = 1, .unclean = m->unclean,
            .topic_id = MODEL_TOPIC);
        MODEL_SAY(m, n, LOG_OPEN, .clean = 1);
        roll(m, n);
    }
    seek(m, 0);
    take_office(m, any_node(m));
}

void model_catch_up(struct model *m, struct model_node *n)
{
    struct model_node *leader = model_leader(m);
    model_sync(m, leader, leader->end);
    fetch(m, n, MODEL_BATCHES_MAX);
    model_sync(m, n, n->end);
    fetch(m, n, 1);
}

void model_finish(struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        if (!m->nodes[i].alive)
            model_open(m, &m->nodes[i]);
    }
    depose(m, model_leader(m), true);
    while (model_leader(m) == NULL)
        elect(m);
    struct model_node *leader = model_leader(m);
    for (int i = 0; i < m->node_count; i++)
        model_catch_up(m, &m->nodes[i]);
    model_sync(m, leader, leader->end);
    advance(m, leader);
    while (m->send_count > 0)
        tell_send(m, 0, m->sends[0].said);
    (void)model_read(m, UINT32_MAX);
    m->run->incarnation = 0;
    SAY(m->run, READER, FINAL_READ, P, leader->start, leader->watermark, MODEL_TOPIC);
}
