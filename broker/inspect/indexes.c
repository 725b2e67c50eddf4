/* indexes.c - holds the three indexes of a segment to its log, while the log is walked
 * once. Pure, and in constant memory: entries ascend as batches do. */
#include "inspect/internal.h"

/* ---- entries that ascend ---- */

static struct inspect_entry get_index(const uint8_t *p)
{
    return (struct inspect_entry){.a = get_u32(p), .b = get_u32(p + 4)};
}

static struct inspect_entry get_time(const uint8_t *p)
{
    return (struct inspect_entry){.a = get_i64(p), .b = get_u32(p + 8)};
}

/* Entries of transactions ascend by the offset of their marker alone. */
static struct inspect_entry get_txn(const uint8_t *p)
{
    return (struct inspect_entry){.a = get_i64(p + 18), .b = get_i64(p + 18)};
}

static bool below(struct inspect_entry a, struct inspect_entry b)
{
    return a.a < b.a && a.b < b.b;
}

static const uint8_t *entry_at(const struct inspect_entries *e, int64_t i)
{
    return e->file->bytes.data + (size_t)i * e->entry_size;
}

/* Kafka makes room for entries ahead; what it has not used is zero. */
static void drop_zeros(struct inspect_entries *e)
{
    static const uint8_t zeros[INSPECT_TXN_ENTRY_SIZE];
    while (e->count > 0 && memcmp(entry_at(e, e->count - 1), zeros, e->entry_size) == 0)
        e->count--;
}

static void begin(struct inspect_check_walk *w, struct inspect_entries *e,
                  struct inspect_file *file, size_t entry_size,
                  struct inspect_entry (*get)(const uint8_t *p))
{
    struct inspect_check *c = w->check;
    *e = (struct inspect_entries){.get = get, .entry_size = entry_size, .before = {-1, -1}};
    if (file == NULL || !inspect_map(c->in, c->dir, file))
        return;
    e->file = file;
    e->count = (int64_t)(file->bytes.size / entry_size);
    if (file->bytes.size % entry_size != 0)
        inspect_report(c->in, c->dir, file, INSPECT_FIND_INDEX_SIZE, e->count * (int64_t)entry_size,
                       "%d bytes are left behind the last entry",
                       (int)(file->bytes.size % entry_size));
    drop_zeros(e);
}

/* An entry that no other can stand behind, although one does: it is the one that is wrong. */
static bool stands_out(const struct inspect_entries *e, struct inspect_entry entry)
{
    if (!below(e->before, entry))
        return true;
    if (e->next + 1 >= e->count)
        return false;
    struct inspect_entry after = e->get(entry_at(e, e->next + 1));
    return below(e->before, after) && !below(entry, after);
}

static void advance(struct inspect_entries *e, struct inspect_entry entry)
{
    e->before = entry;
    e->any = true;
    e->next++;
}

/* The next entry that ascends; those that do not are told. False: there is none. */
static bool peek(struct inspect_check_walk *w, struct inspect_entries *e, struct inspect_entry *out)
{
    struct inspect_check *c = w->check;
    for (; e->file != NULL && e->next < e->count; e->next++) {
        *out = e->get(entry_at(e, e->next));
        if (!stands_out(e, *out))
            return true;
        inspect_report(c->in, c->dir, e->file, INSPECT_FIND_INDEX_ORDER,
                       e->next * (int64_t)e->entry_size, "entry %lld (%lld, %lld) does not ascend",
                       (long long)e->next, (long long)out->a, (long long)out->b);
    }
    return false;
}

static void wrong(struct inspect_check_walk *w, const struct inspect_entries *e,
                  enum inspect_finding what, const char *why, int64_t value)
{
    struct inspect_check *c = w->check;
    struct inspect_entry entry = e->get(entry_at(e, e->next));
    inspect_report(c->in, c->dir, e->file, what, e->next * (int64_t)e->entry_size,
                   "entry %lld (%lld, %lld): %s %lld", (long long)e->next, (long long)entry.a,
                   (long long)entry.b, why, (long long)value);
}

/* ---- by offset ---- */

/* Between two entries lies what index.interval.bytes says; these are the bounds on it. */
static void note_interval(struct inspect_check_walk *w, const struct format_note *note,
                          bool has_entry)
{
    uint64_t gap = note->position - w->entry;
    if (has_entry) {
        w->interval_high = MIN(w->interval_high, gap - 1);
        w->entry = note->position;
    } else {
        w->interval_low = MAX(w->interval_low, gap);
    }
}

static void index_batch(struct inspect_check_walk *w, const struct format_note *note)
{
    struct inspect_entry entry;
    bool has_entry = false;
    int64_t base = w->segment->base;
    while (peek(w, &w->index, &entry) && entry.b <= (int64_t)note->position) {
        if (entry.b < (int64_t)note->position)
            wrong(w, &w->index, INSPECT_FIND_INDEX_WRONG, "no batch begins at byte", entry.b);
        else if (base + entry.a != note->last)
            wrong(w, &w->index, INSPECT_FIND_INDEX_WRONG, "the last offset of the batch there is",
                  note->last);
        else
            has_entry = entry.b > 0;
        advance(&w->index, entry);
    }
    note_interval(w, note, has_entry);
}

/* ---- by time ---- */

static bool record_has(struct mem *mem, struct bytes batch, int64_t offset, int64_t timestamp)
{
    struct wire_batch head;
    struct wire_records records;
    struct wire_record record;
    if (wire_batch_at(batch, 0, &head, NULL) != WIRE_AT_BATCH ||
        wire_records_open(&records, mem, &head, batch, NULL) != ERR_NONE)
        return false;
    bool found = false;
    while (!found && records.left > 0 && wire_records_next(&records, &record, NULL) == ERR_NONE)
        found = record.offset == offset && record.timestamp_ms == timestamp;
    wire_records_close(&records);
    return found;
}

/* The last offset of the batch that has the greatest timestamp so far; Kafka until 3.6 said the
 * record's own offset where it could see it. */
static void time_batch(struct inspect_check_walk *w, const struct format_note *note,
                       struct bytes batch)
{
    struct inspect_entry entry;
    int64_t base = w->segment->base;
    bool rises = note->max_timestamp > w->max_timestamp;
    if (rises)
        w->max_timestamp = note->max_timestamp;
    while (peek(w, &w->times, &entry) && base + entry.b <= note->last) {
        int64_t offset = base + entry.b;
        bool right =
            rises && entry.a == note->max_timestamp &&
            (offset == note->last || record_has(w->check->in->mem, batch, offset, entry.a));
        if (!right)
            wrong(w, &w->times, INSPECT_FIND_INDEX_WRONG,
                  "the greatest timestamp up to that offset is", w->max_timestamp);
        advance(&w->times, entry);
    }
}

/* ---- aborted transactions ---- */

static void txn_batch(struct inspect_check_walk *w, const struct format_note *note)
{
    struct inspect_entry entry;
    while (peek(w, &w->txns, &entry) && entry.a <= note->last) {
        const uint8_t *p = entry_at(&w->txns, w->txns.next);
        bool right = note->marker == WIRE_CONTROL_ABORT && entry.a == note->last &&
                     get_i64(p + 2) == note->producer_id;
        if (!right)
            wrong(w, &w->txns, INSPECT_FIND_TXN_WRONG, "no abort marker of that producer at offset",
                  entry.a);
        else if (get_i16(p) != 0 || get_i64(p + 10) > entry.a)
            wrong(w, &w->txns, INSPECT_FIND_TXN_WRONG,
                  "its version is 0 and its first offset below", entry.a);
        advance(&w->txns, entry);
    }
}

/* The last stable offset once that transaction is over. */
static int64_t stable_after(const struct inspect_check *c, const struct format_note *note)
{
    int64_t stable = note->last + 1;
    LIST_EACH (producer, &c->producers.open, struct format_producer, link) {
        if (producer->id != note->producer_id)
            stable = MIN(stable, producer->txn_first);
    }
    return stable;
}

/* Offsets below the log's first one are what a longer log would have said. */
static void check_txn_entry(struct inspect_check_walk *w, const struct format_note *note,
                            int64_t txn_first)
{
    const struct inspect_check *c = w->check;
    const uint8_t *p = entry_at(&w->txns, w->txns.next);
    int64_t first = get_i64(p + 10);
    int64_t stable = get_i64(p + 26);
    int64_t stable_should = stable_after(c, note);
    if (first != txn_first && (first < 0 || first >= c->first))
        wrong(w, &w->txns, INSPECT_FIND_TXN_WRONG, "the transaction began at offset", txn_first);
    if (stable != stable_should && (stable < 0 || stable >= c->first))
        wrong(w, &w->txns, INSPECT_FIND_TXN_WRONG, "the last stable offset behind it is",
              stable_should);
}

void inspect_check_txn(struct inspect_check_walk *w, const struct format_note *note,
                       int64_t txn_first)
{
    struct inspect_check *c = w->check;
    struct inspect_entry entry;
    if (note->marker != WIRE_CONTROL_ABORT || txn_first < 0)
        return;
    bool there = peek(w, &w->txns, &entry) && entry.a == note->last;
    if (!there) {
        inspect_report(
            c->in, c->dir, w->segment->log, INSPECT_FIND_TXN_LACKS, (int64_t)note->position,
            "producer %lld aborted at offset %lld what began at %lld, and no .txnindex says so",
            (long long)note->producer_id, (long long)note->last, (long long)txn_first);
        return;
    }
    if (!c->holed)
        check_txn_entry(w, note, txn_first);
}

/* ---- the walk ---- */

static void end_file(struct inspect_check_walk *w, struct inspect_entries *e)
{
    if (e->file != NULL)
        inspect_unmap(w->check->in, e->file);
}

/* Its first bytes are those that the checksum is of. */
static bool crc_fits(struct inspect_check *c, struct inspect_file *file, uint64_t size,
                     uint32_t crc)
{
    if (file == NULL || !inspect_map(c->in, c->dir, file))
        return false;
    bool fits = size <= file->bytes.size && crc32c(0, file->bytes.data, (size_t)size) == crc;
    inspect_unmap(c->in, file);
    return fits;
}

void inspect_check_index_crc(struct inspect_check *c, struct inspect_file *file,
                             const struct inspect_check_segment *segment)
{
    struct format_index_crc crc;
    if (segment == NULL) {
        inspect_report(c->in, c->dir, file, INSPECT_FIND_CRC_ORPHAN, -1,
                       "there is no .log beside it");
        return;
    }
    if (!inspect_map(c->in, c->dir, file))
        return;
    bool fits = format_index_crc_parse(file->bytes, &crc) == ERR_NONE &&
                crc_fits(c, segment->index, crc.size[FORMAT_OFFSETS], crc.crc[FORMAT_OFFSETS]) &&
                crc_fits(c, segment->times, crc.size[FORMAT_TIMES], crc.crc[FORMAT_TIMES]) &&
                crc.log_bytes <= segment->log->bytes.size;
    inspect_unmap(c->in, file);
    if (!fits)
        inspect_report(c->in, c->dir, file, INSPECT_FIND_INDEX_UNPROVEN, -1,
                       "it does not match .index, .timeindex and .log");
}

void inspect_check_orphan(struct inspect_check *c, struct inspect_file *file,
                          enum inspect_type type)
{
    struct inspect_check_segment segment = {
        .index = type == INSPECT_TYPE_INDEX ? file : NULL,
        .times = type == INSPECT_TYPE_TIMEINDEX ? file : NULL,
        .txns = type == INSPECT_TYPE_TXNINDEX ? file : NULL,
    };
    struct inspect_check_walk w = {.check = c, .segment = &segment};
    struct inspect_entries *entries = segment.index != NULL   ? &w.index
                                      : segment.times != NULL ? &w.times
                                                              : &w.txns;
    struct inspect_entry entry;
    inspect_report(c->in, c->dir, file, INSPECT_FIND_INDEX_ORPHAN, -1,
                   "there is no .log beside it");
    inspect_check_indexes_begin(&w);
    while (peek(&w, entries, &entry))
        advance(entries, entry);
    end_file(&w, entries);
}

void inspect_check_indexes_begin(struct inspect_check_walk *w)
{
    struct inspect_check_segment *s = w->segment;
    begin(w, &w->index, s->index, FORMAT_INDEX_ENTRY_SIZE, get_index);
    begin(w, &w->times, s->times, FORMAT_TIME_ENTRY_SIZE, get_time);
    begin(w, &w->txns, s->txns, INSPECT_TXN_ENTRY_SIZE, get_txn);
    w->max_timestamp = -1;
    w->interval_high = UINT64_MAX;
}

void inspect_check_indexes_batch(struct inspect_check_walk *w, const struct format_note *note,
                                 struct bytes batch)
{
    index_batch(w, note);
    time_batch(w, note, batch);
    txn_batch(w, note);
}

void inspect_check_indexes_hole(struct inspect_check_walk *w, uint64_t from, uint64_t to,
                                int64_t end)
{
    struct inspect_entry entry;
    int64_t base = w->segment->base;
    while (peek(w, &w->index, &entry) && entry.b < (int64_t)to) {
        if (entry.b < (int64_t)from)
            wrong(w, &w->index, INSPECT_FIND_INDEX_WRONG, "no batch begins at byte", entry.b);
        advance(&w->index, entry);
    }
    while (peek(w, &w->times, &entry) && base + entry.b < end)
        advance(&w->times, entry);
    while (peek(w, &w->txns, &entry) && entry.a < end)
        advance(&w->txns, entry);
    w->entry = to;
}

static void end_entries(struct inspect_check_walk *w, struct inspect_entries *e, const char *what)
{
    struct inspect_entry entry;
    enum inspect_finding finding =
        w->check->known.clean ? INSPECT_FIND_INDEX_BEYOND : INSPECT_FIND_INDEX_AHEAD;
    for (; peek(w, e, &entry); advance(e, entry))
        wrong(w, e, finding, what, w->check->expected);
}

static void check_sparse(struct inspect_check_walk *w)
{
    struct inspect_check *c = w->check;
    uint64_t high = w->index.any ? w->interval_high : INSPECT_INDEX_INTERVAL;
    if (w->index.file != NULL && w->interval_low > high)
        inspect_report(c->in, c->dir, w->index.file, INSPECT_FIND_INDEX_SPARSE, -1,
                       "entries are missing: %llu bytes of the log have none",
                       (unsigned long long)w->interval_low);
    if (w->times.file != NULL && w->max_timestamp >= 0 && w->times.before.a < w->max_timestamp)
        inspect_report(c->in, c->dir, w->times.file, INSPECT_FIND_INDEX_SPARSE, -1,
                       "the greatest timestamp of the segment, %lld, has no entry",
                       (long long)w->max_timestamp);
}

void inspect_check_indexes_end(struct inspect_check_walk *w)
{
    struct inspect_check *c = w->check;
    end_entries(w, &w->index, "it is of no batch: the segment ends at offset");
    end_entries(w, &w->times, "it is of no batch: the segment ends at offset");
    end_entries(w, &w->txns, "it is of no batch: the segment ends at offset");
    /* The broker writes only what is durable of the last segment's index. */
    if (!w->last && !c->holed)
        check_sparse(w);
    end_file(w, &w->index);
    end_file(w, &w->times);
    end_file(w, &w->txns);
}
