/* replicas.c - what each broker tells of its logs in its present life, and the invariants of one
 * log, of what is acknowledged from it and of what is shown: L1 to L9, L14, and that nothing that
 * was durable is gone (D21). */
#include <inttypes.h>
#include "check/internal.h"

#define START_ASKED 3                  /* of LOG_START, beside age and size */
#define SETTLED_NS (60ll * 1000000000) /* a change of settings reaches every log within it */

struct replica *check_replica(struct check *c, uint64_t node, struct part *part)
{
    uint64_t key[2] = {node, part->index};
    struct replica *last = c->replica_last;
    if (last != NULL && last->key[0] == key[0] && last->key[1] == key[1])
        return last;
    uint64_t hash = hash_combine(node, part->index);
    struct hmap_node *found = hmap_find(&c->replicas, hash, key);
    if (found != NULL)
        return c->replica_last = CONTAINER_OF(found, struct replica, node);
    struct replica *r = mem_zalloc(c->mem, sizeof *r);
    if (r == NULL) {
        c->error = ERR_NOMEM;
        return NULL;
    }
    memcpy(r->key, key, sizeof key);
    r->part = part;
    r->epoch = r->lead_epoch = -1;
    list_init(&r->of_part);
    list_push_back(&part->replicas, &r->of_part);
    hmap_insert(&c->replicas, hash, &r->node);
    return c->replica_last = r;
}

struct replica *check_replica_of(struct check *c, const struct trace_row *row)
{
    struct part *part = check_part_of(c, row);
    return part == NULL ? NULL : check_replica(c, row->node, part);
}

static void check_ends(struct check *c, const struct trace_row *row, struct replica *r)
{
    bool ordered = r->start <= r->end && r->written <= r->end && r->durable <= r->written &&
                   r->watermark <= r->end;
    if (!ordered)
        check_note(c, CHECK_ENDS_CROSSED, row, check_about_log(r, r->end), false,
                   "start %" PRIu64 ", watermark %" PRIu64 ", durable %" PRIu64 ", written %" PRIu64
                   ", end %" PRIu64,
                   r->start, r->watermark, r->durable, r->written, r->end);
}

/* What was durable is there after any crash, unless somebody has damaged the disk. */
static void check_kept(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_LOG_OPEN *is = TRACE_AS(row, LOG_OPEN);
    const struct host *host = check_host(c, row->node);
    bool damaged = host == NULL || host->damaged;
    if (r->opened && is->end < r->kept)
        check_note(c, CHECK_DURABLE_LOST, row, check_about_log(r, is->end), damaged,
                   "opened with end %" PRIu64 " where %" PRIu64 " was durable", is->end, r->kept);
    if (r->opened && is->start < r->start)
        check_note(c, CHECK_START_BACK, row, check_about_log(r, is->start), false,
                   "%" PRIu64 " after %" PRIu64, is->start, r->start);
}

/* Who led on after another one did may have answered until now. */
static void step_down(const struct trace_row *row, struct replica *r)
{
    if (r->leading && r->lead_epoch < r->part->leader_epoch)
        r->part->moved_ns = row->time_ns;
    r->leading = false;
}

/* Recovery has decided what this life begins with. What the rules behind this one ask of the life
 * before stands in was_*. */
static void on_open(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_OPEN *is = TRACE_AS(row, LOG_OPEN);
    const struct host *host = check_host(c, row->node);
    /* A damaged disk may lose what it had, whatever its syncs said. */
    uint64_t kept = host != NULL && host->damaged ? 0 : r->kept;
    check_kept(c, row, r);
    r->end_was = r->power_lost ? MAX(r->end_was, r->end) : r->end;
    r->durable_was = r->power_lost ? MIN(r->durable_was, kept) : kept;
    bool lost_now = host != NULL && host->power_loss_ns >= r->opened_ns;
    r->lost_since_ns = lost_now && !r->power_lost ? r->opened_ns : r->lost_since_ns;
    r->power_lost |= lost_now;
    r->kept = MIN(r->kept, is->end);
    r->opened_ns = row->time_ns;
    r->start = is->start;
    r->end = r->written = is->end;
    r->durable = r->watermark = r->start;
    r->incarnation = row->incarnation;
    r->opened = true;
    r->clean = is->clean;
    step_down(row, r);
    r->part->offline = false;
    check_ends(c, row, r);
    check_topic_open(c, row, r->part);
}

static void on_append(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_APPEND *is = TRACE_AS(row, LOG_APPEND);
    if (is->first != r->end)
        check_note(c, CHECK_OFFSET_GAP, row, check_about_log(r, is->first), false,
                   "append at %" PRIu64 " on a log that ends at %" PRIu64, is->first, r->end);
    r->end = is->last + 1;
}

static void on_cut(const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_CUT *is = TRACE_AS(row, LOG_CUT);
    /* Before LOG_OPEN it is recovery that cuts; LOG_OPEN then says what is left of what the life
     * before had. */
    if (r->incarnation != row->incarnation)
        return;
    r->end = is->end;
    r->written = MIN(r->written, r->end);
    r->durable = MIN(r->durable, r->end);
    r->kept = MIN(r->kept, r->end);
    if (is->reason == CHECK_CUT_RESET) {
        r->written = r->durable = r->kept = r->end; /* nothing is left that could be missing */
        r->start = MIN(r->start, r->end);
        r->watermark = MIN(r->watermark, r->end);
    }
}

/* A segment that goes by age must be older than its retention by the true time, whatever the
 * broker's clock says. What was in force until a moment ago may have decided it. */
static void check_age(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_LOG_START *is = TRACE_AS(row, LOG_START);
    const struct topic *topic = check_tables_topic_of_part(&c->tables, r->part);
    int64_t retention_ms = c->contract.retention_ms;
    if (topic != NULL && topic->has_settings) {
        bool lately = row->time_ns - topic->changed_ns < SETTLED_NS;
        int64_t before_ms = lately ? topic->retention_ms_before : topic->retention_ms;
        bool shorter = before_ms >= 0 && (uint64_t)before_ms < (uint64_t)topic->retention_ms;
        retention_ms = shorter ? before_ms : topic->retention_ms;
    }
    int64_t true_ms = c->contract.wall_base_ms + row->time_ns / 1000000;
    int64_t age_ms = true_ms - is->max_timestamp;
    bool by_time = is->reason == 1;
    if (by_time && (retention_ms < 0 || age_ms < retention_ms))
        check_note(c, CHECK_YOUNG_DELETED, row, check_about_log(r, is->start), false,
                   "its youngest record was %" PRId64 " ms old", age_ms);
}

static void on_start(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_START *is = TRACE_AS(row, LOG_START);
    if (is->start < r->start)
        check_note(c, CHECK_START_BACK, row, check_about_log(r, is->start), false,
                   "%" PRIu64 " after %" PRIu64, is->start, r->start);
    check_age(c, row, r);
    /* Who begins anew, or follows, may be told of the start before the watermark. */
    if (is->start > r->watermark && (r->leading || is->reason != START_ASKED))
        check_note(c, CHECK_ENDS_CROSSED, row, check_about_log(r, is->start), false,
                   "log start %" PRIu64 " above the high watermark %" PRIu64, is->start,
                   r->watermark);
    r->start = is->start;
    check_ends(c, row, r);
}

static void on_watermark(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_HIGH_WATERMARK *is = TRACE_AS(row, HIGH_WATERMARK);
    uint64_t to = is->offset;
    uint64_t counting = check_is_durable(c, r->part) ? r->durable : r->written;
    /* A follower's may lag and go back (KIP-101). */
    if (!r->leading && (r->lead_epoch >= 0 || r->part->leader_epoch >= 0)) {
        r->watermark = to;
        return;
    }
    if (to < r->watermark)
        check_note(c, CHECK_WATERMARK_BACK, row, check_about_log(r, to), false,
                   "%" PRIu64 " after %" PRIu64, to, r->watermark);
    if (to > counting)
        check_note(c, CHECK_WATERMARK_AHEAD, row, check_about_log(r, to), false,
                   "%" PRIu64 ", but only %" PRIu64 " counts", to, counting);
    r->watermark = to;
    if (!check_is_durable(c, r->part))
        r->part->soft_end = MAX(r->part->soft_end, to);
}

/* What is acknowledged, and up to where it may be: with flush.policy = ack no further than the disk
 * has it, even where the watermark came further under another policy. */
static void on_ack(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_ACK *is = (const struct trace_ACK *)(row + 1); /* or of a DUPLICATE */
    struct host *host = check_host(c, row->node);
    int64_t acks = is->acks;
    if (acks == -1 && is->last < r->watermark && is->last >= r->durable &&
        check_is_durable(c, r->part))
        check_note(c, CHECK_EARLY_ACK, row, check_about_log(r, is->last), false,
                   "acknowledged up to %" PRIu64 ", but only %" PRIu64 " is durable", is->last,
                   r->durable);
    if (acks == -1 && is->last >= r->watermark)
        check_note(c, CHECK_EARLY_ACK, row, check_about_log(r, is->last), false,
                   "acknowledged up to %" PRIu64 " with the high watermark at %" PRIu64, is->last,
                   r->watermark);
    if (host != NULL && host->dir_offline && acks != 0)
        check_note(c, CHECK_ACK_AFTER_FAILED_SYNC, row, check_about_log(r, is->last), false,
                   "offsets %" PRIu64 " to %" PRIu64, is->first, is->last);
}

static void on_serve(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_SERVE *is = TRACE_AS(row, SERVE);
    if (is->to > r->watermark)
        check_note(c, CHECK_EARLY_SERVE, row, check_about_log(r, is->to), false,
                   "served up to %" PRIu64 " with the high watermark at %" PRIu64, is->to,
                   r->watermark);
}

/* No crash and no loss of power explains a bad batch where good ones were durable. */
static void on_offline(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_OFFLINE *is = TRACE_AS(row, LOG_OFFLINE);
    r->part->offline = true;
    const struct host *host = check_host(c, row->node);
    if (is->err == ERR_CORRUPT && host != NULL && !host->damaged)
        check_note(c, CHECK_UNHARMED_CORRUPT, row, check_about_log(r, CHECK_NO_OFFSET), false,
                   "at position %" PRId64 " of a file", is->position);
}

static void on_replica_row(struct check *c, const struct trace_row *row)
{
    struct replica *r = check_replica_of(c, row);
    if (r == NULL)
        return;
    switch (row->kind) {
    case TRACE_LOG_OPEN:
        on_open(c, row, r);
        break;
    case TRACE_LOG_APPEND:
        on_append(c, row, r);
        break;
    case TRACE_LOG_CUT:
        on_cut(row, r);
        break;
    case TRACE_LOG_START:
        on_start(c, row, r);
        break;
    case TRACE_HIGH_WATERMARK:
        on_watermark(c, row, r);
        break;
    case TRACE_ACK:
    case TRACE_DUPLICATE: /* promises the same (I-3) */
        on_ack(c, row, r);
        break;
    case TRACE_SERVE:
        on_serve(c, row, r);
        break;
    case TRACE_LOG_OFFLINE:
        on_offline(c, row, r);
        break;
    case TRACE_LEADER_ON:
        r->leading = true;
        r->part->led_before_ns = r->part->led_ns;
        r->part->led_ns = row->time_ns;
        r->lead_epoch = (int32_t)TRACE_AS(row, LEADER_ON)->leader_epoch;
        r->lead_start = TRACE_AS(row, LEADER_ON)->end;
        break;
    case TRACE_LEADER_OFF:
        step_down(row, r);
        break;
    case TRACE_LOG_WRITTEN:
        r->written = TRACE_AS(row, LOG_WRITTEN)->end;
        check_ends(c, row, r);
        break;
    case TRACE_LOG_DURABLE:
        r->durable = TRACE_AS(row, LOG_DURABLE)->end;
        r->kept = MAX(r->kept, r->durable);
        check_ends(c, row, r);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_LOG_OPEN,    TRACE_LOG_APPEND,     TRACE_LOG_WRITTEN, TRACE_LOG_DURABLE, TRACE_LOG_CUT,
    TRACE_LOG_START,   TRACE_HIGH_WATERMARK, TRACE_ACK,         TRACE_DUPLICATE,   TRACE_SERVE,
    TRACE_LOG_OFFLINE, TRACE_LEADER_ON,      TRACE_LEADER_OFF,
};

const struct check_rule check_rule_replicas = {
    .name = "replicas",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_replica_row,
    .memory = "replicas that there ever were",
};
