/* disk.c - the disk's own word on what is durable of each log, and what the broker says of it held
 * against that: D20. */
#include <inttypes.h>
#include "check/internal.h"

/* What stood behind a hole may follow now. */
static void join_parts(struct replica *r)
{
    for (int i = 0; r->disk_part_count > 0 && i < DISK_PARTS_MAX; i++) {
        struct disk_part *part = &r->disk_parts[i];
        if (part->base == 0 || part->base > r->disk_end)
            continue;
        r->disk_end = MAX(r->disk_end, part->end);
        *part = (struct disk_part){0};
        r->disk_part_count--;
        i = -1; /* it may have closed the hole before another */
    }
}

/* Where there is no room for one more, it is forgotten, and nothing is judged up to there. */
static void keep_part(struct replica *r, uint64_t base, uint64_t end)
{
    struct disk_part *free = NULL;
    for (int i = 0; i < DISK_PARTS_MAX; i++) {
        struct disk_part *part = &r->disk_parts[i];
        if (part->base == base) {
            part->end = end;
            return;
        }
        free = part->base == 0 ? part : free;
    }
    if (free == NULL) {
        r->disk_forgotten = MAX(r->disk_forgotten, end);
        return;
    }
    r->disk_part_count++;
    *free = (struct disk_part){.base = base, .end = end};
}

static void on_disk(const struct trace_row *row, struct replica *r)
{
    const struct trace_DISK_DURABLE *is = TRACE_AS(row, DISK_DURABLE);
    r->disk_end = MAX(r->disk_end, r->start);
    if (is->base <= r->disk_end)
        r->disk_end = MAX(r->disk_end, is->end);
    else
        keep_part(r, is->base, is->end);
    join_parts(r);
}

/* Who was given another disk, or one that lies, is believed nothing. */
static void on_durable(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_DURABLE *is = TRACE_AS(row, LOG_DURABLE);
    const struct host *host = check_host(c, row->node);
    r->disk_end = MAX(MAX(r->disk_end, r->start), r->disk_forgotten);
    join_parts(r);
    if (host == NULL || host->damaged || !c->disk_speaks || is->end <= r->disk_end)
        return;
    check_note(c, CHECK_NOT_DURABLE, row, check_about_log(r, is->end), false,
               "up to %" PRIu64 ", where the disk has it up to %" PRIu64, is->end, r->disk_end);
}

static void on_cut(const struct trace_row *row, struct replica *r)
{
    uint64_t end = TRACE_AS(row, LOG_CUT)->end;
    r->disk_end = MIN(r->disk_end, end);
    r->disk_forgotten = MIN(r->disk_forgotten, end);
    for (int i = 0; i < DISK_PARTS_MAX; i++) {
        struct disk_part *part = &r->disk_parts[i];
        part->end = MIN(part->end, end);
        if (part->base == 0 || part->base < end)
            continue;
        *part = (struct disk_part){0};
        r->disk_part_count--;
    }
}

static void on_disk_row(struct check *c, const struct trace_row *row)
{
    struct replica *r = check_replica_of(c, row);
    if (r == NULL)
        return;
    switch (row->kind) {
    case TRACE_DISK_DURABLE:
        c->disk_speaks = true;
        on_disk(row, r);
        break;
    case TRACE_LOG_DURABLE:
        on_durable(c, row, r);
        break;
    case TRACE_LOG_CUT:
        on_cut(row, r);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {TRACE_DISK_DURABLE, TRACE_LOG_DURABLE, TRACE_LOG_CUT};

const struct check_rule check_rule_disk = {
    .name = "disk",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_disk_row,
    .memory = "replicas that there ever were",
};
