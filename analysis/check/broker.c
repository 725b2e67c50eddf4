/* broker.c - the invariants of one replica's log, of what it acknowledges and of what it shows: L1
 * to L12. */
#include <inttypes.h>
#include "check/internal.h"

static struct about about_log(const struct replica *r, uint64_t offset)
{
    return (struct about){.partition = r->part->id, .offset = offset};
}

static struct host *find_host(struct check *c, uint64_t id)
{
    struct hmap_node *found = hmap_find(&c->hosts, hash_mix(id), &id);
    if (found != NULL)
        return CONTAINER_OF(found, struct host, node);
    struct host *host = mem_zalloc(c->mem, sizeof *host);
    if (host == NULL) {
        c->error = ERR_NOMEM;
        return NULL;
    }
    host->id = id;
    hmap_insert(&c->hosts, hash_mix(id), &host->node);
    return host;
}

static struct replica *find_replica(struct check *c, uint64_t node, struct part *part)
{
    uint64_t key[2] = {node, part->index};
    uint64_t hash = hash_combine(node, part->index);
    struct hmap_node *found = hmap_find(&c->replicas, hash, key);
    if (found != NULL)
        return CONTAINER_OF(found, struct replica, node);
    struct replica *r = mem_zalloc(c->mem, sizeof *r);
    if (r == NULL) {
        c->error = ERR_NOMEM;
        return NULL;
    }
    memcpy(r->key, key, sizeof key);
    r->part = part;
    hmap_insert(&c->replicas, hash, &r->node);
    return r;
}

static void check_ends(struct check *c, const struct trace_row *row, struct replica *r)
{
    bool ordered = r->start <= r->end && r->written <= r->end && r->durable <= r->written &&
                   r->watermark <= r->end;
    if (!ordered)
        check_note(c, CHECK_ENDS_CROSSED, row, about_log(r, r->end), false,
                   "start %" PRIu64 ", watermark %" PRIu64 ", durable %" PRIu64 ", written %" PRIu64
                   ", end %" PRIu64,
                   r->start, r->watermark, r->durable, r->written, r->end);
}

/* Recovery has decided what this life begins with. */
static void on_open(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_OPEN *is = TRACE_AS(row, LOG_OPEN);
    struct part *part = r->part;
    bool power = c->power_loss_ns >= r->opened_ns;
    /* A damaged disk may lose what it had, whatever its syncs said. */
    uint64_t power_from = !power ? NOTHING : c->damaged ? 0 : r->durable;
    uint64_t end_was = r->end;
    r->opened_ns = row->time_ns;
    r->start = is->start;
    r->end = r->written = is->end;
    r->durable = r->watermark = r->start;
    r->incarnation = row->incarnation;
    check_sender_cut(c, r);
    check_topic_open(c, row, part);
    check_cut_records(c, row, part, r->end, power_from);
    if (power && r->end < end_was) {
        part->lost_from = r->end;
        part->lost_to = end_was;
        part->lost_ns = c->power_loss_ns;
    }
    if (r->start > part->start)
        check_tables_expire(&c->tables, part, r->start);
    else if (r->start < part->start)
        check_note(c, CHECK_START_BACK, row, about_log(r, r->start), false,
                   "%" PRIu64 " after %" PRIu64, r->start, part->start);
}

static void on_append(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_APPEND *is = TRACE_AS(row, LOG_APPEND);
    if (is->first != r->end)
        check_note(c, CHECK_OFFSET_GAP, row, about_log(r, is->first), false,
                   "append at %" PRIu64 " on a log that ends at %" PRIu64, is->first, r->end);
    r->end = is->last + 1;
    check_sender_append(c, row, r);
}

static void on_cut(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_CUT *is = TRACE_AS(row, LOG_CUT);
    struct part *part = r->part;
    /* Before LOG_OPEN it is recovery that cuts; LOG_OPEN then says what is left of what the life
     * before had. */
    if (r->incarnation != row->incarnation)
        return;
    check_cut_records(c, row, part, is->end, NOTHING);
    r->end = is->end;
    r->written = MIN(r->written, r->end);
    r->durable = MIN(r->durable, r->end);
    check_sender_cut(c, r);
}

/* A segment that goes by age must be older than its retention by the true time, whatever the
 * broker's clock says. */
static void check_age(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_LOG_START *is = TRACE_AS(row, LOG_START);
    int64_t retention_ms = c->contract.retention_ms;
    int64_t true_ms = c->contract.wall_base_ms + row->time_ns / 1000000;
    int64_t greatest_ms = is->max_timestamp;
    bool by_time = is->reason == 1;
    if (by_time && (retention_ms < 0 || true_ms - greatest_ms < retention_ms))
        check_note(c, CHECK_YOUNG_DELETED, row, about_log(r, is->start), false,
                   "its youngest record was %" PRId64 " ms old", true_ms - greatest_ms);
}

static void on_start(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_START *is = TRACE_AS(row, LOG_START);
    struct part *part = r->part;
    if (is->start < r->start)
        check_note(c, CHECK_START_BACK, row, about_log(r, is->start), false,
                   "%" PRIu64 " after %" PRIu64, is->start, r->start);
    check_age(c, row, r);
    r->start = is->start;
    if (r->start > part->start)
        check_tables_expire(&c->tables, part, r->start);
    check_ends(c, row, r);
}

static void on_watermark(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_HIGH_WATERMARK *is = TRACE_AS(row, HIGH_WATERMARK);
    uint64_t to = is->offset;
    uint64_t counting = c->contract.durable_acks ? r->durable : r->written;
    if (to < r->watermark)
        check_note(c, CHECK_WATERMARK_BACK, row, about_log(r, to), false,
                   "%" PRIu64 " after %" PRIu64, to, r->watermark);
    if (to > counting)
        check_note(c, CHECK_WATERMARK_AHEAD, row, about_log(r, to), false,
                   "%" PRIu64 ", but only %" PRIu64 " counts", to, counting);
    r->watermark = to;
}

static void on_ack(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_ACK *is = (const struct trace_ACK *)(row + 1); /* or of a DUPLICATE */
    struct host *host = find_host(c, row->node);
    int64_t acks = is->acks;
    if (acks == -1 && is->last >= r->watermark)
        check_note(c, CHECK_EARLY_ACK, row, about_log(r, is->last), false,
                   "acknowledged up to %" PRIu64 " with the high watermark at %" PRIu64, is->last,
                   r->watermark);
    if (host != NULL && host->dir_offline && acks != 0)
        check_note(c, CHECK_ACK_AFTER_FAILED_SYNC, row, about_log(r, is->last), false,
                   "offsets %" PRIu64 " to %" PRIu64, is->first, is->last);
}

static void on_serve(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_SERVE *is = TRACE_AS(row, SERVE);
    if (is->to > r->watermark)
        check_note(c, CHECK_EARLY_SERVE, row, about_log(r, is->to), false,
                   "served up to %" PRIu64 " with the high watermark at %" PRIu64, is->to,
                   r->watermark);
}

/* No crash and no loss of power explains a bad batch where good ones were durable. */
static void on_offline(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_OFFLINE *is = TRACE_AS(row, LOG_OFFLINE);
    if (is->err == ERR_CORRUPT && !c->damaged)
        check_note(c, CHECK_UNHARMED_CORRUPT, row, about_log(r, CHECK_NO_OFFSET), false,
                   "at position %" PRId64 " of a file", is->position);
}

static void on_replica_row(struct check *c, const struct trace_row *row, struct replica *r)
{
    switch (row->kind) {
    case TRACE_LOG_OPEN:
        on_open(c, row, r);
        break;
    case TRACE_LOG_APPEND:
        on_append(c, row, r);
        break;
    case TRACE_LOG_CUT:
        on_cut(c, row, r);
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
    case TRACE_NACK:
        check_sender_nack(c, row, r);
        break;
    case TRACE_SERVE:
        on_serve(c, row, r);
        break;
    case TRACE_LOG_OFFLINE:
        on_offline(c, row, r);
        break;
    case TRACE_LOG_WRITTEN:
        r->written = TRACE_AS(row, LOG_WRITTEN)->end;
        check_ends(c, row, r);
        break;
    case TRACE_LOG_DURABLE:
        r->durable = TRACE_AS(row, LOG_DURABLE)->end;
        check_ends(c, row, r);
        break;
    default:
        break;
    }
}

/* Without a descriptor or memory for it no sync was tried, and the next round may be believed. */
static bool is_failed_sync(const struct trace_row *row)
{
    if (row->kind != TRACE_SYNC_DONE)
        return false;
    uint64_t err = TRACE_AS(row, SYNC_DONE)->err;
    return err != ERR_NONE && err != ERR_TOOMANY && err != ERR_NOMEM;
}

static void on_refused(struct check *c, const struct trace_row *row)
{
    const struct trace_REQUEST_REFUSED *is = TRACE_AS(row, REQUEST_REFUSED);
    if (!c->contract.hostile_clients)
        check_note(c, CHECK_UNEXPECTED_CLOSE, row, (struct about){0}, false,
                   "reason %" PRId64 ", size %" PRId64, is->reason, is->size);
}

static void on_host_row(struct check *c, const struct trace_row *row)
{
    struct host *host = find_host(c, row->node);
    if (host == NULL)
        return;
    if (row->kind == TRACE_NODE_START)
        host->dir_offline = false;
    else if (row->kind == TRACE_DIR_OFFLINE || is_failed_sync(row))
        host->dir_offline = true;
    else if (row->kind == TRACE_REQUEST_REFUSED)
        on_refused(c, row);
}

/* Faults that change or take what a disk holds, by the hash of their name. */
static bool is_damage(uint64_t fault)
{
    static const char *const damages[] = {"disk flip",      "disk lose",   "disk swap",
                                          "disk sync_late", "disk vanish", "disk stale",
                                          "disk misdirect", "disk restore"};
    for (int i = 0; i < COUNT_OF(damages); i++) {
        if (fault == hash_text(damages[i]))
            return true;
    }
    return false;
}

void check_broker_row(struct check *c, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_LOG_OPEN:
    case TRACE_LOG_APPEND:
    case TRACE_LOG_WRITTEN:
    case TRACE_LOG_DURABLE:
    case TRACE_LOG_CUT:
    case TRACE_LOG_START:
    case TRACE_HIGH_WATERMARK:
    case TRACE_ACK:
    case TRACE_DUPLICATE:
    case TRACE_NACK:
    case TRACE_LOG_OFFLINE:
    case TRACE_SERVE: {
        struct part *part = check_part_of(c, row);
        struct replica *r = part == NULL ? NULL : find_replica(c, row->node, part);
        if (r != NULL)
            on_replica_row(c, row, r);
        break;
    }
    case TRACE_FAULT:
        c->damaged |= is_damage(TRACE_AS(row, FAULT)->site);
        break;
    case TRACE_NODE_START:
    case TRACE_SYNC_DONE:
    case TRACE_DIR_OFFLINE:
    case TRACE_REQUEST_REFUSED:
        on_host_row(c, row);
        break;
    default:
        break;
    }
}
