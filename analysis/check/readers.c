/* readers.c - where each reader stands, and what it is told of offsets: A11 to A14, A19, A21, A23,
 * A24, A30, and readers that are given nothing although there is something (G4). */
#include <inttypes.h>
#include "check/internal.h"

/* A reader that polls a node which nothing harms has what is acknowledged within this. */
#define STUCK_NS (10ll * 1000000000)

#define TIMESTAMP_LATEST (-1)
#define TIMESTAMP_EARLIEST (-2)

static struct about about(uint64_t partition, uint64_t offset, uint64_t vid)
{
    return (struct about){.partition = partition, .offset = offset, .vid = vid};
}

static struct place *reader_of(struct check *c, const struct trace_row *row,
                               const struct part *part, bool *fresh)
{
    return check_tables_place(&c->tables, row->node, part->index, PLACE_READER, fresh);
}

/* Who reads by the name of a topic that was removed, and has not heard of it, is given the records
 * of the one that has the name now: nobody can say from where on. */
static void reads_by_name(struct check *c, const struct trace_row *row, const struct part *part)
{
    struct part *newest = check_tables_part(&c->tables, part->id, 0);
    bool fresh;
    struct place *at = newest->removed ? NULL : reader_of(c, row, newest, &fresh);
    if (at != NULL && fresh)
        at->offset = NO_OFFSET;
}

static void on_assign(struct check *c, const struct trace_row *row)
{
    const struct trace_ASSIGN *is = TRACE_AS(row, ASSIGN);
    struct part *part = check_part_of(c, row);
    bool fresh;
    struct place *at = part == NULL ? NULL : reader_of(c, row, part, &fresh);
    if (at == NULL)
        return;
    at->offset = is->offset; /* the offset that must come next; NO_OFFSET: any */
    at->op = 0;
    at->epoch = -1;
    at->at_ns = row->time_ns;
    if (part->removed)
        reads_by_name(c, row, part);
}

/* Reads advance by one: a log without compaction and transactions has no holes but below its start.
 */
static void check_position(struct check *c, const struct trace_row *row, struct part *part)
{
    const struct trace_POLL_RECORD *is = TRACE_AS(row, POLL_RECORD);
    uint64_t op = is->op;
    uint64_t offset = is->offset;
    bool fresh;
    struct place *at = reader_of(c, row, part, &fresh);
    if (at == NULL)
        return;
    bool inside = at->op == op;
    bool known = !fresh && at->offset != NO_OFFSET;
    if (known && offset < at->offset)
        check_note(c, inside ? CHECK_INTERNAL_NONMONOTONIC_POLL : CHECK_NONMONOTONIC_POLL, row,
                   about(part->id, offset, is->vid), false,
                   "read offset %" PRIu64 " where %" PRIu64 " was next", offset, at->offset);
    if (known && offset > at->offset && offset > part->start)
        check_note(c, inside ? CHECK_INTERNAL_POLL_SKIP : CHECK_POLL_SKIP, row,
                   about(part->id, offset, is->vid), false,
                   "read offset %" PRIu64 " where %" PRIu64 " was next", offset, at->offset);
    if (known && offset >= at->offset && is->leader_epoch < at->epoch)
        check_note(c, CHECK_READ_EPOCH_BACK, row, about(part->id, offset, is->vid), false,
                   "a record of leader epoch %" PRId64 " behind one of epoch %" PRId64,
                   is->leader_epoch, at->epoch);
    at->epoch = is->leader_epoch;
    at->offset = offset + 1;
    at->op = op;
    at->at_ns = row->time_ns;
}

/* A key stays in its partition as long as the topic has as many (A23). */
static void check_key_home(struct check *c, const struct trace_row *row, struct part *part)
{
    const struct trace_POLL_RECORD *is = TRACE_AS(row, POLL_RECORD);
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    if (is->key == 0 || topic == NULL || !topic->has_settings || part->grown)
        return;
    bool fresh;
    uint64_t partitions = (uint64_t)topic->partitions;
    struct place *home = check_tables_place(&c->tables, topic->id, is->key, PLACE_KEY_HOME, &fresh);
    if (home == NULL)
        return;
    if (!fresh && home->offset != part->index && home->sequence == partitions)
        check_note(c, CHECK_KEY_MOVED, row, about(part->id, is->offset, is->vid), false,
                   "its key was read in another partition of the %" PRIu64 " there are",
                   partitions);
    home->offset = part->index;
    home->sequence = partitions;
}

static void on_read(struct check *c, const struct trace_row *row)
{
    struct part *part = check_part_of(c, row);
    if (part != NULL && part->removed)
        reads_by_name(c, row, part);
    if (part == NULL || part->removed)
        return;
    check_position(c, row, part);
    check_key_home(c, row, part);
}

/* ---- offsets ---- */

/* What had been acknowledged for good before the question must be known to the answer. */
static void on_question(struct check *c, const struct trace_row *row)
{
    const struct trace_OFFSETS_INVOKE *is = TRACE_AS(row, OFFSETS_INVOKE);
    struct part *part = check_part_of(c, row);
    bool fresh;
    if (part == NULL)
        return;
    struct place *asked =
        check_tables_place(&c->tables, row->node, part->index, PLACE_ASKED, &fresh);
    if (asked == NULL)
        return;
    asked->op = (uint64_t)is->op;
    asked->epoch = is->timestamp;
    asked->offset = part->safe_end;
    asked->cut_count = part->cut_count;
}

/* The first record that is at least so late, or the end when none is (A24). */
static void check_time(struct check *c, const struct trace_row *row, const struct part *part,
                       const struct place *asked, uint64_t offset)
{
    int64_t timestamp = asked->epoch;
    uint64_t first = check_tables_first_at(part, timestamp, MIN(asked->offset, offset));
    const struct slot *slot = check_tables_peek(part, offset);
    bool known = slot != NULL && slot->timestamp != INT64_MIN;
    if (first < MIN(asked->offset, offset))
        check_note(c, CHECK_WRONG_OFFSET_OF_TIME, row, about(part->id, offset, 0), false,
                   "asked for %" PRId64 " ms: offset %" PRIu64 " is that late already", timestamp,
                   first);
    else if (known && offset < asked->offset && slot->timestamp < timestamp)
        check_note(c, CHECK_WRONG_OFFSET_OF_TIME, row, about(part->id, offset, 0), false,
                   "asked for %" PRId64 " ms: its record is of %" PRId64, timestamp,
                   slot->timestamp);
    else if (offset > MAX(part->seen_end, part->canon_end))
        check_note(c, CHECK_WRONG_OFFSET_OF_TIME, row, about(part->id, offset, 0), false,
                   "asked for %" PRId64 " ms: there is no such offset", timestamp);
}

static void on_answer(struct check *c, const struct trace_row *row)
{
    const struct trace_OFFSETS_OK *is = TRACE_AS(row, OFFSETS_OK);
    struct part *part = check_part_of(c, row);
    bool fresh;
    if (part == NULL || part->removed)
        return;
    const struct place *asked =
        check_tables_place(&c->tables, row->node, part->index, PLACE_ASKED, &fresh);
    if (asked == NULL || fresh || asked->op != (uint64_t)is->op ||
        asked->cut_count != part->cut_count)
        return;
    if (asked->epoch == TIMESTAMP_LATEST && is->offset < asked->offset)
        check_note(c, CHECK_STALE_END, row, about(part->id, is->offset, 0), false,
                   "the end was said to be %" PRIu64 " when offset %" PRIu64
                   " had been acknowledged",
                   is->offset, asked->offset - 1);
    else if (asked->epoch >= 0 && is->offset != NO_OFFSET)
        check_time(c, row, part, asked, is->offset);
}

/* ---- readers that get nothing ---- */

/* Where the node reads the partition. Who has read the one that had the name before reads it, too,
 * from wherever it comes to begin: NULL when it has not yet. */
static bool reads(struct check *c, uint32_t node, const struct part *part, struct place **at)
{
    *at = check_tables_find_place(&c->tables, node, part->index, PLACE_READER);
    if (*at != NULL)
        return (*at)->offset != NO_OFFSET;
    for (const struct part *older = part->older; older != NULL; older = older->older) {
        if (older->removed &&
            check_tables_find_place(&c->tables, node, older->index, PLACE_READER) != NULL)
            return true;
    }
    return false;
}

/* An empty poll: none of what the node reads may have had records that it could have been given all
 * the time. */
static void on_polled(struct check *c, const struct trace_row *row)
{
    if (TRACE_AS(row, POLL_OK)->count > 0)
        return;
    for (uint32_t i = 0; i < c->tables.part_count; i++) {
        struct part *part = c->tables.part_list[i];
        if (part->removed || part->left_out || part->safe_end == 0)
            continue;
        struct place *at;
        if (!reads(c, row->node, part, &at) || (at != NULL && at->offset >= part->safe_end))
            continue;
        int64_t quiet_ns = check_quiet_since(c, part, row->time_ns);
        int64_t since_ns = MAX(MAX(at == NULL ? 0 : at->at_ns, part->safe_ns), quiet_ns);
        if (quiet_ns == INT64_MAX || row->time_ns - since_ns < STUCK_NS)
            continue;
        check_note(c, CHECK_STUCK_READER, row, about(part->id, at == NULL ? 0 : at->offset, 0),
                   false, "given nothing for %.1f s where %" PRIu64 " had been acknowledged",
                   (double)(row->time_ns - since_ns) / 1e9, part->safe_end - 1);
        if (at != NULL)
            at->at_ns = row->time_ns; /* said again after as long */
    }
}

static void on_reader_row(struct check *c, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_ASSIGN:
        on_assign(c, row);
        break;
    case TRACE_POLL_RECORD:
        on_read(c, row);
        break;
    case TRACE_POLL_OK:
        on_polled(c, row);
        break;
    case TRACE_OFFSETS_INVOKE:
        on_question(c, row);
        break;
    case TRACE_OFFSETS_OK:
        on_answer(c, row);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {TRACE_ASSIGN, TRACE_POLL_RECORD, TRACE_POLL_OK,
                                        TRACE_OFFSETS_INVOKE, TRACE_OFFSETS_OK};

const struct check_rule check_rule_readers = {
    .name = "readers",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_reader_row,
    .memory = "a place a reader and partition, one a key",
};

/* ---- producer ids ---- */

static void on_producer_id(struct check *c, const struct trace_row *row)
{
    const struct trace_PRODUCER_ID_GIVEN *is = TRACE_AS(row, PRODUCER_ID_GIVEN);
    bool fresh;
    if (check_tables_place(&c->tables, (uint64_t)is->producer_id, (uint64_t)is->epoch,
                           PLACE_PRODUCER_ID, &fresh) == NULL)
        return;
    c->counts.producer_ids++;
    if (!fresh)
        check_note(c, CHECK_PRODUCER_ID_TWICE, row, about(0, 0, (uint64_t)is->producer_id), false,
                   "producer id %" PRId64 " epoch %" PRId64, is->producer_id, is->epoch);
}

static const enum trace_kind id_kinds[] = {TRACE_PRODUCER_ID_GIVEN};

const struct check_rule check_rule_ids = {
    .name = "producer ids",
    .kinds = id_kinds,
    .kind_count = COUNT_OF(id_kinds),
    .on_row = on_producer_id,
    .memory = "producer ids that were given out",
};
