/* lag.c - whether a leader keeps replicas in sync as long as they keep up, and no longer: nobody
 * leaves who has had all that counts within the lag (D25), nobody stays who lags for much longer
 * (D27), nobody is kept out who has all it takes (D28), in sync is who is by the metadata log
 * (D26), and nobody counts for what an earlier life of it has said (D29). It goes by what the
 * leader tells that it has heard. */
#include <inttypes.h>
#include "check/internal.h"

#define MS_NS 1000000ll
#define SLACK_NS (1000 * MS_NS)   /* of timers, and of clocks that drift */
#define LOOK_NS (500 * MS_NS)     /* what nobody tells of is looked at so often */
#define KEPT_OUT_NS (100 * MS_NS) /* a leader that is told of something looks at once */

/* What is known of a follower in this leader's epoch. */
struct lag_remote {
    bool whole; /* it has all that counts, as far as was heard */
    uint64_t end;
    int64_t broker_epoch;
    int64_t whole_ns; /* when it had, last; INT64_MIN: never */
    uint64_t mark;    /* counted at mark_ns, and it has not come so far yet */
    int64_t mark_ns;
    int64_t fit_ns; /* since when it has what it takes to be in sync; INT64_MAX: it lacks it */
    bool awaited;   /* not heard since it left, or since the controller refused it */
};

/* Of one leader's epoch. */
struct lag_view {
    int64_t leader_epoch, partition_epoch;
    uint64_t in_sync, asked, heard; /* bits; heard: whose ends are known */
    uint64_t counting;              /* the leader's own end, as far as it counts */
    int64_t lag_ns;
    int64_t settled_ns; /* since when nothing is asked for */
    struct lag_remote remotes[TRACE_BROKER_BITS];
};

/* Each broker of a set. */
#define EACH_BIT(i, bits)                                                                          \
    for (uint64_t rest_ = (bits), i; rest_ != 0 && (i = (uint64_t)__builtin_ctzll(rest_), true);   \
         rest_ &= rest_ - 1)

static bool is_in(uint64_t bits, uint64_t broker)
{
    return (bits >> broker & 1) != 0;
}

static uint64_t counting_of(struct check *c, const struct replica *r)
{
    return check_is_durable(c, r->part) ? r->durable : r->written;
}

static bool settings_moved(struct check *c, const struct replica *r, int64_t since_ns)
{
    const struct topic *topic = check_tables_topic_of_part(&c->tables, r->part);
    return topic != NULL && topic->changed_ns >= since_ns;
}

/* ---- D26 ---- */

static void judge_told(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct lag_view *v = r->lag;
    const struct part_state *s = &r->part->state;
    bool same = s->known && r->leading && v->leader_epoch == s->leader_epoch &&
                v->partition_epoch == s->partition_epoch;
    if (same && v->in_sync != s->isr)
        check_note(c, CHECK_IN_SYNC_UNTOLD, row, check_about_log(r, r->watermark), false,
                   "in partition epoch %" PRId64 " the leader has %" PRIx64
                   " in sync, and the metadata log %" PRIx64 " (bits)",
                   v->partition_epoch, v->in_sync, s->isr);
}

/* ---- D25, D27: who leaves ---- */

static void judge_early(struct check *c, const struct trace_row *row, const struct replica *r,
                        uint64_t broker)
{
    const struct lag_view *v = r->lag;
    const struct lag_remote *m = &v->remotes[broker];
    bool early = m->whole || (m->whole_ns != INT64_MIN && row->time_ns - m->whole_ns < v->lag_ns);
    if (early && !settings_moved(c, r, m->whole_ns))
        check_note(c, CHECK_LEFT_EARLY, row, check_about_log(r, m->end), false,
                   "broker %" PRIu64
                   " is to leave, and had all that counts %.3f s before; it may lag for "
                   "%.3f s",
                   broker, m->whole ? 0.0 : (double)(row->time_ns - m->whole_ns) / 1e9,
                   (double)v->lag_ns / 1e9);
}

/* Lags are looked for twice within the time that a replica may lag. */
static void judge_late(struct check *c, const struct trace_row *row, const struct replica *r,
                       uint64_t broker)
{
    const struct lag_view *v = r->lag;
    const struct lag_remote *m = &v->remotes[broker];
    int64_t from_ns = MAX(MAX(m->mark_ns, v->settled_ns), c->timers_from_ns);
    int64_t most_ns = v->lag_ns + v->lag_ns / 2 + SLACK_NS;
    bool lags = !is_in(v->heard, broker) || m->end < m->mark;
    if (lags && from_ns < row->time_ns - most_ns && !settings_moved(c, r, from_ns))
        check_note(c, CHECK_LAGGARD_KEPT, row, check_about_log(r, m->end), false,
                   "broker %" PRIu64 " is in sync with %" PRIu64 ", where %" PRIu64
                   " counted %.3f s before; it may lag for %.3f s",
                   broker, m->end, m->mark, (double)(row->time_ns - m->mark_ns) / 1e9,
                   (double)v->lag_ns / 1e9);
}

/* While the controller has not answered nothing else can be asked for. */
static void judge_laggards(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct lag_view *v = r->lag;
    EACH_BIT (i, v->asked == 0 ? v->in_sync & ~check_own_bit(c, r) : 0)
        judge_late(c, row, r, i);
}

static void judge_leaving(struct check *c, const struct trace_row *row, const struct replica *r,
                          uint64_t leaving)
{
    EACH_BIT (i, leaving) {
        judge_early(c, row, r, i);
        judge_late(c, row, r, i);
    }
}

/* ---- D28: who joins ---- */

/* By what its leader knows itself. */
static bool is_fit(const struct replica *r, const struct host *leader, uint64_t broker)
{
    const struct lag_remote *m = &r->lag->remotes[broker];
    return !m->awaited && !is_in(r->lag->in_sync, broker) && m->end >= r->watermark &&
           m->end >= r->lead_start && is_in(leader->may_join, broker) &&
           leader->epochs[broker] == m->broker_epoch + 1;
}

static void judge_kept_out(struct check *c, const struct trace_row *row, const struct replica *r,
                           uint64_t broker)
{
    const struct lag_view *v = r->lag;
    int64_t from_ns = MAX(MAX(v->remotes[broker].fit_ns, v->settled_ns), c->timers_from_ns);
    if (from_ns < row->time_ns - KEPT_OUT_NS)
        check_note(c, CHECK_KEPT_OUT, row, check_about_log(r, v->remotes[broker].end), false,
                   "broker %" PRIu64 " has had what it takes for %.3f s, and nothing was asked for",
                   broker, (double)(row->time_ns - from_ns) / 1e9);
}

static void judge_joining(struct check *c, const struct trace_row *row, const struct replica *r)
{
    EACH_BIT (i, r->lag->asked == 0 ? r->lag->heard : 0)
        judge_kept_out(c, row, r, i);
}

static void look_who_fits(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct host *leader = check_host(c, row->node);
    EACH_BIT (i, r->lag->heard) {
        struct lag_remote *m = &r->lag->remotes[i];
        bool fits = leader != NULL && is_fit(r, leader, i);
        m->fit_ns = !fits ? INT64_MAX : MIN(m->fit_ns, row->time_ns);
    }
}

/* ---- what it tells ---- */

static void mark(const struct lag_view *v, struct lag_remote *m, int64_t now_ns)
{
    m->mark = v->counting;
    m->mark_ns = now_ns;
}

/* Whoever is in sync when an epoch begins has been until then (P-1). */
static void begin_epoch(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_ISR *is = TRACE_AS(row, ISR);
    struct lag_view *v = r->lag;
    *v = (struct lag_view){.leader_epoch = is->leader_epoch,
                           .counting = counting_of(c, r),
                           .settled_ns = row->time_ns};
    for (int i = 0; i < TRACE_BROKER_BITS; i++) {
        struct lag_remote *m = &v->remotes[i];
        m->whole_ns = is_in(is->in_sync, i) ? row->time_ns : INT64_MIN;
        m->fit_ns = INT64_MAX;
        m->broker_epoch = -1;
        mark(v, m, row->time_ns);
    }
}

/* What was asked for is made, or its answer counts no more, and the leader looks again. Otherwise
 * it was refused, or the metadata log has overtaken it, and news of the replica are waited for. */
static void settle(struct lag_view *v, const struct trace_ISR *is, int64_t now_ns)
{
    bool looks_again = v->asked == UINT64_MAX || v->asked == is->in_sync;
    if (v->asked == 0)
        return;
    v->settled_ns = now_ns;
    EACH_BIT (i, v->heard)
        v->remotes[i].awaited = !looks_again;
}

static void on_isr(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_ISR *is = TRACE_AS(row, ISR);
    if (r->lag == NULL)
        r->lag = mem_zalloc(c->mem, sizeof *r->lag);
    if (r->lag == NULL) {
        c->error = ERR_NOMEM;
        return;
    }
    struct lag_view *v = r->lag;
    if (v->lag_ns == 0 || v->leader_epoch != is->leader_epoch)
        begin_epoch(c, row, r);
    v->lag_ns = is->lag_ms * MS_NS;
    uint64_t joined = is->in_sync & ~v->in_sync;
    bool asks = is->asked != 0 && is->asked != v->asked;
    EACH_BIT (i, joined)
        mark(v, &v->remotes[i], row->time_ns);
    EACH_BIT (i, v->in_sync & ~is->in_sync) /* the controller may know why, as of a full disk */
        v->remotes[i].awaited = true;
    if (asks) {
        judge_leaving(c, row, r, v->in_sync & ~is->asked);
        judge_joining(c, row, r);
    }
    if (is->asked == 0)
        settle(v, is, row->time_ns);
    v->partition_epoch = is->partition_epoch;
    v->in_sync = is->in_sync;
    v->asked = is->asked;
    judge_told(c, row, r);
}

/* What a replica has is true of one life of its broker (KIP-903). */
static void judge_life(struct check *c, const struct trace_row *row, const struct replica *r,
                       uint64_t broker)
{
    const struct trace_REPLICA_END *is = TRACE_AS(row, REPLICA_END);
    const struct host *leader = check_host(c, row->node);
    if (leader != NULL && leader->epochs[broker] > is->broker_epoch + 1)
        check_note(c, CHECK_OLDER_LIFE_HEARD, row, check_about_log(r, is->end), false,
                   "broker %" PRId64 " was heard in epoch %" PRId64
                   ", and its leader knows that it is in %" PRId64,
                   is->broker, is->broker_epoch, leader->epochs[broker] - 1);
}

static void on_replica_end(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_REPLICA_END *is = TRACE_AS(row, REPLICA_END);
    struct lag_view *v = r->lag;
    if (v->leader_epoch != is->leader_epoch)
        return;
    uint64_t broker = (uint64_t)is->broker & (TRACE_BROKER_BITS - 1);
    judge_life(c, row, r, broker);
    struct lag_remote *m = &v->remotes[broker];
    v->heard |= check_broker_bit(is->broker);
    m->awaited = false;
    m->end = is->end;
    m->broker_epoch = is->broker_epoch;
    m->whole = m->end >= v->counting;
    if (m->whole)
        m->whole_ns = row->time_ns;
    if (m->end >= m->mark)
        mark(v, m, row->time_ns);
}

/* Whoever had all that counts has had it until now. */
static void on_own_end(struct check *c, const struct trace_row *row, struct replica *r)
{
    struct lag_view *v = r->lag;
    uint64_t counting = counting_of(c, r);
    if (counting == v->counting)
        return;
    v->counting = counting;
    EACH_BIT (i, v->heard) {
        struct lag_remote *m = &v->remotes[i];
        if (m->whole)
            m->whole_ns = row->time_ns;
        m->whole = m->end >= counting;
        if (m->end >= m->mark)
            mark(v, m, row->time_ns);
    }
}

/* Every leader of the partition that there is, of which one at most leads in that epoch. */
static void on_partition(struct check *c, const struct trace_row *row)
{
    const struct part *part = check_part_of(c, row);
    if (part == NULL)
        return;
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        if (r->lag != NULL)
            judge_told(c, row, r);
    }
}

/* A leader that waits tells nothing: readers poll all the while. */
static void look_at_leaders(struct check *c, const struct trace_row *row)
{
    if (row->time_ns - c->lag_looked_ns < LOOK_NS)
        return;
    c->lag_looked_ns = row->time_ns;
    LIST_EACH (r, &c->replicas.order, struct replica, node.order) {
        const struct host *host = check_host(c, r->key[0]);
        struct trace_row at = *row;
        if (r->lag == NULL || !r->leading || host == NULL || host->down)
            continue;
        at.node = (uint32_t)r->key[0];
        at.incarnation = r->incarnation;
        judge_laggards(c, &at, r);
        judge_joining(c, &at, r);
    }
}

static void on_lag_row(struct check *c, const struct trace_row *row)
{
    if (row->kind == TRACE_PARTITION_STATE) {
        on_partition(c, row);
        return;
    }
    if (row->kind == TRACE_POLL_INVOKE) {
        look_at_leaders(c, row);
        return;
    }
    struct replica *r = check_replica_of(c, row);
    if (r == NULL || (row->kind != TRACE_ISR && (r->lag == NULL || !r->leading)))
        return;
    switch (row->kind) {
    case TRACE_ISR:
        on_isr(c, row, r);
        break;
    case TRACE_REPLICA_END:
        on_replica_end(c, row, r);
        break;
    case TRACE_LOG_WRITTEN:
    case TRACE_LOG_DURABLE:
        on_own_end(c, row, r);
        break;
    default:
        break;
    }
    if (r->lag != NULL)
        look_who_fits(c, row, r);
}

static const enum trace_kind kinds[] = {
    TRACE_ISR,         TRACE_REPLICA_END,    TRACE_LOG_WRITTEN,
    TRACE_LOG_DURABLE, TRACE_HIGH_WATERMARK, TRACE_PARTITION_STATE,
    TRACE_POLL_INVOKE,
};

const struct check_rule check_rule_lag = {
    .name = "lag",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_lag_row,
    .memory = "replicas that ever led with others",
};
