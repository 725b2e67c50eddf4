/* retention.c - what goes by size leaves as much as its topic keeps (L19). */
#include <inttypes.h>
#include "check/internal.h"

#define SETTLED_NS (60ll * 1000000000) /* a change of settings reaches every log within it */
#define START_BY_SIZE 2

/* Bytes that a cut took are counted on: what is left is never thought to be less than it is. */
static void on_roll(const struct trace_row *row, struct replica *r)
{
    uint64_t base = TRACE_AS(row, LOG_ROLL)->base;
    struct check_sizes *s = &r->sizes;
    while (s->count > 0 && s->rows[s->count - 1].base >= base) {
        s->count--;
        if (s->count > 0)
            s->rows[s->count - 1].bytes += s->rows[s->count].bytes;
    }
    if (s->count == CHECK_SIZES_MAX)
        memmove(&s->rows[0], &s->rows[1], (size_t)--s->count * sizeof s->rows[0]);
    s->rows[s->count++] = (struct check_size){.base = base};
}

static void on_append(const struct trace_row *row, struct replica *r)
{
    struct check_sizes *s = &r->sizes;
    if (s->count > 0)
        s->rows[s->count - 1].bytes += (uint64_t)TRACE_AS(row, LOG_APPEND)->bytes;
}

/* The least that anybody has asked to be kept lately; -1: no size was. */
static int64_t kept_bytes(const struct topic *topic, int64_t now_ns)
{
    bool lately = now_ns - topic->bytes_changed_ns < SETTLED_NS;
    int64_t before = lately ? topic->retention_bytes_before : topic->retention_bytes;
    return MIN(before, topic->retention_bytes);
}

static void on_start(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_START *is = TRACE_AS(row, LOG_START);
    const struct topic *topic = check_tables_topic_of_part(&c->tables, r->part);
    struct check_sizes *s = &r->sizes;
    uint32_t gone = 0;
    uint64_t left = 0;
    while (gone < s->count && s->rows[gone].base < is->start)
        gone++;
    s->count -= gone;
    memmove(&s->rows[0], &s->rows[gone], s->count * sizeof s->rows[0]);
    bool known = s->count > 0 && s->rows[0].base == is->start;
    if (is->reason != START_BY_SIZE || !known || topic == NULL || !topic->has_settings)
        return;
    for (uint32_t i = 0; i < s->count; i++)
        left += s->rows[i].bytes;
    int64_t kept = kept_bytes(topic, row->time_ns);
    if (kept >= 0 && left < (uint64_t)kept)
        check_note(c, CHECK_TOO_MUCH_DELETED, row, check_about_log(r, is->start), false,
                   "%" PRIu64 " bytes are left where %" PRId64 " are kept", left, kept);
}

static void on_size_row(struct check *c, const struct trace_row *row)
{
    struct replica *r = check_replica_of(c, row);
    if (r == NULL)
        return;
    switch (row->kind) {
    case TRACE_LOG_ROLL:
        on_roll(row, r);
        break;
    case TRACE_LOG_APPEND:
        on_append(row, r);
        break;
    case TRACE_LOG_START:
        on_start(c, row, r);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {TRACE_LOG_ROLL, TRACE_LOG_APPEND, TRACE_LOG_START};

const struct check_rule check_rule_retention = {
    .name = "retention",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_size_row,
    .memory = "the newest segments of replicas that there ever were",
};
