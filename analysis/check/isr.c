/* isr.c - what a leader goes by that has followers, as it tells: that it counts whoever may be
 * elected (D7), commits what all of those have whom it counts, and enough (D8, D23), and lets
 * nobody in who lacks what is committed (D15). */
#include <inttypes.h>
#include "check/internal.h"

/* Of one leader's epoch. */
struct isr_view {
    int64_t leader_epoch, partition_epoch, min_insync;
    uint64_t in_sync, maximal; /* bits */
    uint64_t epoch_start, watermark;
    uint64_t heard; /* bits: whose ends are known */
    uint64_t ends[TRACE_BROKER_BITS];
};

static int64_t count_bits(uint64_t bits)
{
    int64_t count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static uint64_t end_of(const struct isr_view *v, int broker)
{
    return (v->heard >> broker & 1) != 0 ? v->ends[broker] : 0;
}

/* Whoever may lead next by the metadata log is waited for, as soon as it may (P-6). */
static void judge_whole(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct isr_view *v = r->isr;
    const struct part_state *s = &r->part->state;
    bool is_newest = s->known && v->leader_epoch == s->leader_epoch && r->leading &&
                     v->partition_epoch <= s->partition_epoch;
    uint64_t missing = s->isr & ~v->maximal;
    if (is_newest && missing != 0)
        check_note(c, CHECK_COUNTS_TOO_FEW, row, check_about_log(r, v->watermark), false,
                   "in sync by the metadata log are %" PRIx64 ", and the leader counts %" PRIx64
                   " (bits)",
                   s->isr, v->maximal);
}

static void judge_joining(struct check *c, const struct trace_row *row, const struct replica *r,
                          uint64_t joining)
{
    const struct isr_view *v = r->isr;
    uint64_t least = MAX(v->watermark, v->epoch_start);
    for (int i = 0; i < TRACE_BROKER_BITS; i++) {
        bool joins = (joining >> i & 1) != 0;
        if (joins && ((v->heard >> i & 1) == 0 || v->ends[i] < least))
            check_note(c, CHECK_JOINED_BEHIND, row, check_about_log(r, end_of(v, i)), false,
                       "broker %d has up to %" PRIu64 ", where the watermark is %" PRIu64
                       " and the epoch began at %" PRIu64,
                       i, end_of(v, i), v->watermark, v->epoch_start);
    }
}

static void on_isr(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_ISR *is = TRACE_AS(row, ISR);
    struct isr_view *v = r->isr;
    bool is_new = v == NULL || v->leader_epoch != is->leader_epoch;
    if (v == NULL)
        v = r->isr = mem_zalloc(c->mem, sizeof *v);
    if (v == NULL) {
        c->error = ERR_NOMEM;
        return;
    }
    if (is_new)
        *v = (struct isr_view){.leader_epoch = is->leader_epoch,
                               .epoch_start = r->lead_start,
                               .watermark = r->watermark};
    uint64_t joining = is_new ? 0 : is->maximal & ~v->maximal;
    v->partition_epoch = is->partition_epoch;
    v->min_insync = is->min_insync;
    v->in_sync = is->in_sync;
    v->maximal = is->maximal;
    judge_joining(c, row, r, joining);
    judge_whole(c, row, r);
}

static void on_end(const struct trace_row *row, struct replica *r)
{
    const struct trace_REPLICA_END *is = TRACE_AS(row, REPLICA_END);
    struct isr_view *v = r->isr;
    if (v == NULL || v->leader_epoch != is->leader_epoch)
        return;
    v->heard |= check_broker_bit(is->broker);
    v->ends[(uint64_t)is->broker & (TRACE_BROKER_BITS - 1)] = is->end;
}

static void on_watermark(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_HIGH_WATERMARK *is = TRACE_AS(row, HIGH_WATERMARK);
    struct isr_view *v = r->isr;
    uint64_t self = check_own_bit(c, r);
    bool judged = v != NULL && r->leading && v->leader_epoch == is->leader_epoch && self != 0 &&
                  is->offset > v->watermark;
    if (!judged)
        return;
    v->watermark = is->offset;
    if (count_bits(v->in_sync) < v->min_insync)
        check_note(c, CHECK_COMMITTED_BY_TOO_FEW, row, check_about_log(r, is->offset), false,
                   "in sync are %" PRIx64 " (bits), and the minimum is %" PRId64, v->in_sync,
                   v->min_insync);
    for (int i = 0; i < TRACE_BROKER_BITS; i++) {
        if ((v->maximal & ~self & 1ull << i) != 0 && end_of(v, i) < is->offset)
            check_note(c, CHECK_WATERMARK_PAST_REPLICA, row, check_about_log(r, end_of(v, i)),
                       false, "%" PRIu64 ", where broker %d is heard to have up to %" PRIu64,
                       is->offset, i, end_of(v, i));
    }
}

static void on_ack(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_ACK *is = (const struct trace_ACK *)(row + 1); /* or of a DUPLICATE */
    const struct isr_view *v = r->isr;
    bool judged = v != NULL && is->acks == -1 && v->leader_epoch == is->leader_epoch;
    if (judged && count_bits(v->maximal) < v->min_insync)
        check_note(c, CHECK_COMMITTED_BY_TOO_FEW, row, check_about_log(r, is->last), false,
                   "acknowledged while in sync are %" PRIx64 " (bits), and the minimum is %" PRId64,
                   v->maximal, v->min_insync);
}

/* Every leader of the partition that there is, of which one at most leads in that epoch. */
static void on_partition(struct check *c, const struct trace_row *row)
{
    const struct part *part = check_part_of(c, row);
    if (part == NULL)
        return;
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        if (r->isr != NULL)
            judge_whole(c, row, r);
    }
}

static void on_isr_row(struct check *c, const struct trace_row *row)
{
    if (row->kind == TRACE_PARTITION_STATE) {
        on_partition(c, row);
        return;
    }
    struct replica *r = check_replica_of(c, row);
    if (r == NULL)
        return;
    switch (row->kind) {
    case TRACE_ISR:
        on_isr(c, row, r);
        break;
    case TRACE_REPLICA_END:
        on_end(row, r);
        break;
    case TRACE_HIGH_WATERMARK:
        on_watermark(c, row, r);
        break;
    case TRACE_ACK:
    case TRACE_DUPLICATE:
        on_ack(c, row, r);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_ISR, TRACE_REPLICA_END, TRACE_HIGH_WATERMARK,
    TRACE_ACK, TRACE_DUPLICATE,   TRACE_PARTITION_STATE,
};

const struct check_rule check_rule_isr = {
    .name = "isr",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_isr_row,
    .memory = "replicas that ever led with others",
};
