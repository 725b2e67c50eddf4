/* canon.c - the canonical log of each partition: what the newest elected leader has shown, offset
 * by offset. It judges elections and every replica against it: D1 to D5, D17, and what an election
 * or a cut takes of what clients know (A5, A20). */
#include <inttypes.h>
#include "check/internal.h"

/* ---- the batches of a replica that are not compared yet ---- */

static struct batch *batch_at(const struct replica *r, uint32_t index)
{
    ASSERT(index < r->count);
    return &r->batches[(r->head + index) & (r->cap - 1)];
}

static bool push_batch(struct check *c, struct replica *r, const struct batch *b)
{
    if (r->count == r->cap) {
        uint32_t cap = MAX(r->cap * 2, 8);
        struct batch *grown = mem_alloc(c->mem, cap * sizeof *grown);
        if (grown == NULL) {
            c->error = ERR_NOMEM;
            return false;
        }
        for (uint32_t i = 0; i < r->count; i++)
            grown[i] = *batch_at(r, i);
        mem_free(c->mem, r->batches);
        r->batches = grown;
        r->head = 0;
        r->cap = cap;
    }
    r->count++;
    *batch_at(r, r->count - 1) = *b;
    return true;
}

static void pop_batch(struct replica *r)
{
    r->head = (r->head + 1) & (r->cap - 1);
    r->count--;
}

/* The log ends there now. */
static void cut_batches(struct replica *r, uint64_t end)
{
    while (r->count > 0 && batch_at(r, r->count - 1)->first >= end)
        r->count--;
    if (r->count > 0) {
        struct batch *last = batch_at(r, r->count - 1);
        last->last = MIN(last->last, end - 1);
        r->epoch = last->epoch;
    } else {
        r->epoch = -1;
    }
    r->matched = MIN(r->matched, end);
    r->agreed = MIN(r->agreed, end);
    r->shown = MIN(r->shown, end);
    r->knew = MIN(r->knew, end);
    r->forgotten_end = MIN(r->forgotten_end, end);
    if (r->given_up_end > 0 && MIN(r->given_up_end, end) <= r->matched)
        r->given_up_end = r->knew = 0;
    r->given_up_end = MIN(r->given_up_end, end);
    r->differs = false;
}

/* The log begins anew. */
static void drop_batches(struct replica *r)
{
    cut_batches(r, 0);
}

/* The identity of a record, as far as rows tell of it: its batch, its place there, and the leader
 * that took it: a batch that is sent again to the next leader has the same bytes. */
static uint32_t mark_of(const struct batch *b, uint64_t offset)
{
    uint64_t batch = hash_combine(b->crc, (uint32_t)b->epoch);
    return (uint32_t)hash_combine(batch, offset - b->first) | 1;
}

/* ---- replicas against the canonical log ---- */

/* Which replicas there are, and which of them differ: bits by node. */
struct who {
    uint64_t all, differ;
};

static struct who who_differs(const struct part *part, const struct replica *one)
{
    struct who who = {0};
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        who.all |= 1ull << (r->key[0] & 63);
        if (r == one || r->differs)
            who.differ |= 1ull << (r->key[0] & 63);
    }
    return who;
}

/* False: it differs there, and a cut may yet mend it. */
static bool compare_batch(struct check *c, const struct trace_row *row, struct replica *r,
                          const struct batch *b, uint64_t to)
{
    uint64_t from = MAX(MAX(b->first, r->matched), r->part->start);
    const struct slot *first = from < to ? check_tables_peek(r->part, from) : NULL;
    const struct slot *last = from < to ? check_tables_peek(r->part, to - 1) : NULL;
    bool known = first != NULL && last != NULL && first->mark != 0 && last->mark != 0;
    if (!known)
        return true;
    if (first->mark == mark_of(b, from) && last->mark == mark_of(b, to - 1)) {
        if (from <= MAX(r->agreed, r->part->start))
            r->agreed = to;
        return true;
    }
    struct who who = who_differs(r->part, r);
    if (first->epoch == b->epoch) {
        check_note(c, CHECK_LOG_DIVERGED, row, check_about_log(r, from), false,
                   "two records of leader epoch %d; of nodes %" PRIx64 " differ %" PRIx64 " (bits)",
                   (int)b->epoch, who.all, who.differ);
        return true; /* said once */
    }
    if (r->shown > from) {
        check_note(c, CHECK_COMMITTED_DIFFERS, row, check_about_log(r, from), false,
                   "below its high watermark %" PRIu64 " stands a record of epoch %d, and one of "
                   "epoch %d in the canonical log; of nodes %" PRIx64 " differ %" PRIx64 " (bits)",
                   r->shown, (int)b->epoch, (int)first->epoch, who.all, who.differ);
        return true;
    }
    r->differs = true;
    return false;
}

/* What was given up is not there any more, wherever the canonical log has gone on. */
static void compare_given_up(struct check *c, const struct trace_row *row, struct replica *r)
{
    uint64_t from = MAX(r->matched, r->part->start);
    const struct slot *slot = check_tables_peek(r->part, from);
    bool unknown = r->part->canon_end > from && (slot == NULL || slot->mark == 0);
    if (unknown || r->start >= r->given_up_end || from >= r->given_up_end) {
        r->matched = unknown ? r->matched : r->given_up_end;
        r->given_up_end = r->knew = 0;
        return;
    }
    if (r->part->canon_end <= from)
        return;
    r->differs = true;
    if (r->shown <= from)
        return;
    struct who who = who_differs(r->part, r);
    check_note(c, CHECK_COMMITTED_DIFFERS, row, check_about_log(r, from), false,
               "below its high watermark %" PRIu64
               " stands what an election gave up, and something "
               "else in the canonical log; of nodes %" PRIx64 " differ %" PRIx64 " (bits)",
               r->shown, who.all, who.differ);
    r->shown = 0; /* said once */
}

static void compare(struct check *c, const struct trace_row *row, struct replica *r)
{
    if (r->given_up_end > 0)
        compare_given_up(c, row, r);
    if (r->given_up_end > 0)
        return;
    while (r->count > 0 && r->matched < r->part->canon_end) {
        const struct batch *b = batch_at(r, 0);
        uint64_t to = MIN(b->last + 1, r->part->canon_end);
        if (b->first >= to || !compare_batch(c, row, r, b, to))
            return;
        r->matched = to;
        if (to <= b->last)
            break;
        pop_batch(r);
    }
    if (r->matched >= r->end_was)
        r->power_lost = false; /* it has all again that it had */
    if (r->agreed >= r->knew)
        r->knew = 0;
}

/* ---- the canonical log ---- */

static bool shows(const struct replica *r)
{
    const struct part *part = r->part;
    return part->leader_epoch < 0 ||
           (part->leader_node == r->key[0] && r->leading && r->lead_epoch == part->leader_epoch);
}

/* What the leader shows becomes canonical. */
static void extend(struct check *c, struct replica *r, uint64_t to)
{
    struct part *part = r->part;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct batch *b = batch_at(r, i);
        if (b->first >= to)
            break;
        for (uint64_t o = MAX(MAX(b->first, part->canon_end), part->start);
             o < MIN(b->last + 1, to); o++) {
            struct slot *slot = check_tables_slot(&c->tables, part, o);
            if (slot == NULL)
                continue;
            slot->mark = mark_of(b, o);
            slot->epoch = b->epoch;
        }
    }
    part->canon_end = MAX(part->canon_end, to);
}

void check_canon_show(struct check *c, const struct trace_row *row, struct replica *r, uint64_t to)
{
    /* What it was told by those before, it may say until it hears from this leader. */
    r->shown = to <= r->knew ? MIN(to, r->matched) : to;
    if (!shows(r) || r->part->removed) {
        compare(c, row, r);
        return;
    }
    if (to <= r->part->canon_end || to > r->end)
        return;
    compare(c, row, r);
    extend(c, r, to);
    LIST_EACH (other, &r->part->replicas, struct replica, of_part)
        compare(c, row, other);
}

/* What was shown from there on, by a leader that others did not hear of any more, may be lost. */
static void give_up_shown(struct part *part, uint64_t end)
{
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        if (r->shown <= end && r->watermark <= end)
            continue;
        r->shown = MIN(r->shown, end);
        r->knew = MAX(r->knew, r->watermark);
    }
}

/* The canonical log ends there, and goes on with something else. */
static void give_up(struct part *part, uint64_t end)
{
    if (end >= part->canon_end)
        return;
    part->canon_end = end;
    give_up_shown(part, end);
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        r->agreed = MIN(r->agreed, end);
        if (r->matched <= end)
            continue;
        r->given_up_end = MAX(r->given_up_end, r->matched);
        r->forgotten_end = MAX(r->forgotten_end, r->matched);
        r->matched = end;
    }
}

/* ---- elections ---- */

static void note_two_leaders(struct check *c, const struct trace_row *row, const struct replica *r,
                             const struct check_lead *lead)
{
    check_note(c, CHECK_TWO_LEADERS, row, check_about_log(r, r->end), false,
               "node %" PRIu32 ", life %u, leads in epoch %d, which node %" PRIu32
               ", life %u, led in",
               row->node, (unsigned)row->incarnation, (int)r->lead_epoch, lead->node,
               (unsigned)lead->life);
}

/* One node leads in an epoch (KIP-101, D1). */
static void check_epoch(struct check *c, const struct trace_row *row, struct replica *r)
{
    struct check_lead *lead = &r->part->leads[(uint32_t)r->lead_epoch & (LEADS_MAX - 1)];
    bool same = lead->known && lead->epoch == r->lead_epoch;
    if (same && lead->node != row->node)
        note_two_leaders(c, row, r, lead);
    if (!lead->known || lead->epoch < r->lead_epoch)
        *lead = (struct check_lead){
            .epoch = r->lead_epoch, .node = row->node, .life = row->incarnation, .known = true};
}

/* A life that did not begin cleanly takes records in an epoch of its own only; on a full disk it
 * may serve in the old one until then. */
static void check_writer(struct check *c, const struct trace_row *row, struct replica *r)
{
    struct check_lead *lead = &r->part->leads[(uint32_t)r->lead_epoch & (LEADS_MAX - 1)];
    if (!lead->known || lead->epoch != r->lead_epoch || lead->node != row->node)
        return;
    if (lead->life != row->incarnation && !r->clean)
        note_two_leaders(c, row, r, lead);
    lead->life = row->incarnation;
}

/* The answers that were under way when what they speak of went may come when its offsets have been
 * given to others. */
static void remember_loss(struct check *c, const struct trace_row *row, const struct replica *r,
                          uint64_t left, uint64_t given_end, bool moved)
{
    const struct host *host = check_host(c, row->node);
    bool first = r->part->lost_to == 0;
    r->part->lost_from = first ? left : MIN(r->part->lost_from, left);
    r->part->lost_to = MAX(r->part->lost_to, given_end);
    r->part->lost_soft = MAX(r->part->lost_soft, r->part->soft_end);
    bool same = !moved && r->power_lost && host != NULL;
    r->part->lost_ns = same ? host->power_loss_ns : row->time_ns;
}

/* Behind the greatest offset that any replica gave a record, or gave in its last life. */
static uint64_t given_end_of(const struct part *part)
{
    uint64_t end = MAX(part->seen_end, part->canon_end);
    LIST_EACH (r, &part->replicas, struct replica, of_part)
        end = MAX(end, MAX(r->end, r->end_was));
    return end;
}

/* It leads, and nobody knows any more what it has there: that of others is not canonical. */
static void forget_marks(const struct replica *r)
{
    for (uint64_t o = MAX(r->agreed, r->part->start); o < r->forgotten_end; o++) {
        struct slot *slot = check_tables_peek(r->part, o);
        if (slot != NULL)
            slot->mark = 0;
    }
}

/* The last in sync is elected, whatever it has lost (KIP-966 is not served yet). */
static bool is_last_in_sync(struct check *c, const struct replica *r)
{
    const struct part_state *s = &r->part->state;
    uint64_t own = check_own_bit(c, r);
    return s->known && own != 0 && s->elr == 0 && s->isr == own;
}

/* It lost power, and with it so many others that nobody may have kept what was acknowledged. */
static bool lost_power(struct check *c, const struct replica *one)
{
    int64_t count = 0;
    LIST_EACH (r, &one->part->replicas, struct replica, of_part) {
        const struct host *host = check_host(c, r->key[0]);
        count += r == one || (host != NULL && host->power_loss_ns >= one->lost_since_ns);
    }
    bool many = count >= check_min_insync(c, one->part);
    return one->power_lost && (many || is_last_in_sync(c, one));
}

/* A new leader has all that was committed (D5), or the contract has allowed to lose it. */
void check_canon_lead(struct check *c, const struct trace_row *row, struct replica *r)
{
    struct part *part = r->part;
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    if (r->lead_epoch < part->leader_epoch || part->removed)
        return;
    struct check_excuse excuse = {
        .power_from = lost_power(c, r) ? r->durable_was : NOTHING,
        .moved = part->leader_epoch >= 0 && part->leader_node != row->node,
        .unclean = topic != NULL && topic->unclean,
        .soft_end = part->soft_end,
    };
    bool soft = !check_is_durable(c, part) || part->canon_end <= part->soft_end;
    bool may_lose = excuse.unclean || (excuse.power_from != NOTHING && soft);
    part->leader_epoch = r->lead_epoch;
    part->leader_node = row->node;
    if (r->end < part->canon_end)
        check_note(c, CHECK_LEADER_INCOMPLETE, row, check_about_log(r, r->end), may_lose,
                   "its log ends at %" PRIu64 " where %" PRIu64 " was committed", r->end,
                   part->canon_end);
    compare(c, row, r);
    uint64_t left = r->end, given_end = given_end_of(part);
    if (r->differs && r->matched < part->canon_end) {
        left = r->matched;
        check_note(c, CHECK_LEADER_INCOMPLETE, row, check_about_log(r, r->matched), may_lose,
                   "its records differ from offset %" PRIu64 " on, where %" PRIu64 " was committed",
                   r->matched, part->canon_end);
        check_cut_records(c, row, part, r->matched, &excuse);
        give_up(part, r->matched);
        r->given_up_end = r->knew = 0;
        r->differs = false;
    }
    if (left < given_end && (r->power_lost || excuse.moved || excuse.unclean))
        remember_loss(c, row, r, left, given_end, excuse.moved);
    check_cut_records(c, row, part, r->end, &excuse);
    if (may_lose)
        give_up_shown(part, left);
    give_up(part, r->end);
    part->soft_end = MIN(part->soft_end, r->end);
    r->given_up_end = r->knew = 0; /* what it has, is canonical again */
    forget_marks(r);
    if (excuse.moved) {
        part->moved_ns = row->time_ns;
        check_release_records(c, part, part->canon_end, r->end);
    }
    r->power_lost = false;
    r->end_was = r->end;
}

static bool is_deposed(const struct replica *r)
{
    return r->leading && r->lead_epoch < r->part->leader_epoch;
}

int64_t check_led_elsewhere(struct check *c, const struct part *part)
{
    int64_t until_ns = part->moved_ns;
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        const struct host *host = is_deposed(r) ? check_host(c, r->key[0]) : NULL;
        if (host != NULL)
            until_ns = MAX(until_ns, host->down ? host->down_ns : INT64_MAX);
    }
    return until_ns;
}

/* ---- one log ---- */

static void on_append(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_APPEND *is = TRACE_AS(row, LOG_APPEND);
    struct batch b = {.first = is->first,
                      .last = is->last,
                      .crc = (uint32_t)is->crc,
                      .epoch = (int32_t)is->leader_epoch};
    if (b.epoch < r->epoch)
        check_note(c, CHECK_EPOCH_BACK, row, check_about_log(r, b.first), false,
                   "a batch of epoch %d behind one of epoch %d", (int)b.epoch, (int)r->epoch);
    r->epoch = b.epoch;
    if (r->leading && b.epoch == r->lead_epoch)
        check_writer(c, row, r);
    if (b.last >= b.first && push_batch(c, r, &b))
        compare(c, row, r);
}

static bool is_excused(const struct trace_row *row)
{
    int64_t reason = TRACE_AS(row, LOG_CUT)->reason;
    return reason == CHECK_CUT_RESET || reason == CHECK_CUT_FAILED;
}

/* A follower may cut what is not committed, and what differs from the canonical log (KIP-101). */
static void on_cut(struct check *c, const struct trace_row *row, struct replica *r, uint64_t end)
{
    struct part *part = r->part;
    static const struct check_excuse none = {.power_from = NOTHING};
    uint64_t gone = MAX(end, part->start);
    bool committed = r->agreed > gone && part->canon_end > gone;
    if (shows(r)) {
        check_cut_records(c, row, part, end, &none);
        give_up(part, end);
    } else if (committed && !is_excused(row)) {
        struct who who = who_differs(part, r);
        check_note(c, CHECK_COMMITTED_CUT, row, check_about_log(r, end), false,
                   "cut to %" PRIu64 " where it agreed with the canonical log up to %" PRIu64
                   "; of nodes %" PRIx64 " differ %" PRIx64 " (bits)",
                   end, MIN(r->agreed, part->canon_end), who.all, who.differ);
    }
    if (TRACE_AS(row, LOG_CUT)->reason == CHECK_CUT_RESET)
        drop_batches(r);
    else
        cut_batches(r, end);
}

static void on_canon_row(struct check *c, const struct trace_row *row)
{
    struct replica *r = check_replica_of(c, row);
    if (r == NULL)
        return;
    switch (row->kind) {
    case TRACE_LOG_OPEN:
        cut_batches(r, r->end);
        r->shown = 0;
        break;
    case TRACE_LOG_APPEND:
        on_append(c, row, r);
        break;
    case TRACE_LOG_CUT:
        /* Before LOG_OPEN it is recovery that cuts. */
        if (r->incarnation == row->incarnation)
            on_cut(c, row, r, TRACE_AS(row, LOG_CUT)->end);
        break;
    case TRACE_LOG_START:
        if (r->start > r->part->start && !r->part->removed)
            check_tables_expire(&c->tables, r->part, r->start);
        break;
    case TRACE_LEADER_ON:
        check_epoch(c, row, r);
        check_canon_lead(c, row, r);
        break;
    case TRACE_HIGH_WATERMARK:
        check_canon_show(c, row, r, TRACE_AS(row, HIGH_WATERMARK)->offset);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_LOG_OPEN,  TRACE_LOG_APPEND, TRACE_LOG_CUT,
    TRACE_LOG_START, TRACE_LEADER_ON,  TRACE_HIGH_WATERMARK,
};

const struct check_rule check_rule_canon = {
    .name = "canon",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_canon_row,
    .memory = "batches above the canonical end or below it where a replica lags; offsets from the "
              "log start on",
};
