/* times.c - how long things took so far: sends until their success, rounds of syncs. For claims
 * about the usual case; it judges nothing. */
#include "check/internal.h"

/* A number of 64 bits by its leading bits: no more than 1/16 off. */
static int place_of(uint64_t ns)
{
    int top = ns < 32 ? 0 : 59 - __builtin_clzll(ns);
    return top * 16 + (int)(ns >> top);
}

static uint64_t end_of(int place)
{
    int top = place < 32 ? 0 : place / 16 - 1;
    return ((uint64_t)(place - top * 16) + 1) << top;
}

static void note(struct check *c, enum check_time what, int64_t ns)
{
    int place = place_of((uint64_t)MAX(ns, 0));
    ASSERT(place < CHECK_TIME_PLACES);
    c->times[what].counts[place]++;
    c->times[what].count++;
}

int64_t check_took(const struct check *c, enum check_time what, int percent)
{
    const struct check_times *t = &c->times[what];
    uint64_t wanted = (t->count * (uint64_t)percent + 99) / 100, seen = 0;
    if (t->count == 0)
        return -1;
    for (int i = 0; i < CHECK_TIME_PLACES; i++) {
        seen += t->counts[i];
        if (seen >= MAX(wanted, 1))
            return (int64_t)end_of(i);
    }
    UNREACHABLE();
}

static void on_times_row(struct check *c, const struct trace_row *row)
{
    struct host *host = row->kind == TRACE_PRODUCE_OK ? NULL : check_host(c, row->node);
    bool gone;
    if (row->kind == TRACE_PRODUCE_OK) {
        const struct value *v =
            check_tables_value(&c->tables, TRACE_AS(row, PRODUCE_OK)->vid, &gone);
        if (v != NULL)
            note(c, CHECK_TIME_SEND, row->time_ns - v->at_ns);
    } else if (host != NULL && row->kind == TRACE_SYNC_START) {
        host->sync_ns = row->time_ns;
        host->sync_life = row->incarnation;
    } else if (host != NULL && host->sync_ns > 0 && host->sync_life == row->incarnation) {
        note(c, CHECK_TIME_SYNC, row->time_ns - host->sync_ns);
    }
}

static const enum trace_kind kinds[] = {TRACE_PRODUCE_OK, TRACE_SYNC_START, TRACE_SYNC_DONE};

const struct check_rule check_rule_times = {
    .name = "times",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_times_row,
    .memory = "a thousand numbers",
};
