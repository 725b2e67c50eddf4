/* segment.c - walks one segment after the other: offsets, leader epochs, records, and what
 * stands where a batch should. Tells a torn tail from damage as recovery does (S-2). Pure. */
#include "inspect/internal.h"

#define RELATIVE_MAX INT32_MAX /* of an offset in its segment: the indexes have 32 bits for it */

static void find_at(struct inspect_check_walk *w, enum inspect_finding what, uint64_t position,
                    const char *sentence, int64_t offset)
{
    struct inspect_check *c = w->check;
    inspect_report(c->in, c->dir, w->segment->log, what, (int64_t)position, "%s %lld", sentence,
                   (long long)offset);
}

/* ---- one batch ---- */

static void check_offsets(struct inspect_check_walk *w, const struct format_note *note)
{
    struct inspect_check *c = w->check;
    if (note->base > c->expected && !inspect_check_compacted(c))
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_OFFSET_GAP,
                       (int64_t)note->position, "offsets %lld to %lld are missing",
                       (long long)c->expected, (long long)note->base - 1);
}

/* False: an index could not say where the batch is, nor a log what comes behind it. */
static bool check_reach(struct inspect_check_walk *w, const struct format_note *note)
{
    if (note->last < INT64_MAX && note->last - w->segment->base <= RELATIVE_MAX)
        return true;
    find_at(w, INSPECT_FIND_OFFSET_FAR, note->position, "too far from the segment's base: offset",
            note->last);
    return false;
}

static void check_epoch(struct inspect_check_walk *w, const struct format_note *note)
{
    struct inspect_check *c = w->check;
    const struct format_epochs *epochs = &c->epochs;
    if (note->leader_epoch == -1)
        return; /* as older clients of Kafka wrote them */
    if (note->leader_epoch < MAX(c->epoch, 0))
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_EPOCH_BACK,
                       (int64_t)note->position, "leader epoch %d behind %d", note->leader_epoch,
                       c->epoch);
    c->epoch = MAX(c->epoch, note->leader_epoch);
    if (c->epochs_file == NULL || epochs->count == 0 || note->base < epochs->rows[0].start)
        return;
    while (c->epoch_index + 1 < epochs->count &&
           epochs->rows[c->epoch_index + 1].start <= note->base)
        c->epoch_index++;
    int32_t should = epochs->rows[c->epoch_index].epoch;
    if (note->leader_epoch != should && c->epoch_told != note->leader_epoch)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_EPOCH_DIFFERS,
                       (int64_t)note->position,
                       "leader epoch %d at offset %lld, where leader-epoch-checkpoint says %d",
                       note->leader_epoch, (long long)note->base, should);
    c->epoch_told = note->leader_epoch == should ? -1 : note->leader_epoch;
}

/* A marker that has its batch alone, or a metadata record that can be read. */
static void check_record(struct inspect_check_walk *w, const struct format_note *note,
                         const struct wire_record *record)
{
    struct inspect_check *c = w->check;
    struct errmsg msg = {{0}};
    int16_t type;
    if ((note->attributes & WIRE_BATCH_CONTROL) != 0) {
        if (wire_control_type(record->key, &type, &msg) != ERR_NONE)
            inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_BAD_MARKER,
                           (int64_t)note->position, "%s", msg.text);
        return;
    }
    if (!c->metadata)
        return;
    enum err e = inspect_metadata_record(c->in->mem, record->value, NULL, c->known.places, &msg);
    if (e == ERR_NOMEM)
        c->in->err = e;
    else if (e == ERR_CORRUPT)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_BAD_METADATA,
                       (int64_t)note->position, "offset %lld: %s", (long long)record->offset,
                       msg.text);
}

static void check_records(struct inspect_check_walk *w, const struct wire_batch *batch,
                          const struct format_note *note, struct bytes bytes)
{
    struct inspect_check *c = w->check;
    struct wire_records records;
    struct wire_record record;
    struct errmsg msg = {{0}};
    enum err e = wire_records_open(&records, c->in->mem, batch, bytes, &msg);
    bool open = e == ERR_NONE;
    while (e == ERR_NONE && records.left > 0) {
        e = wire_records_next(&records, &record, &msg);
        if (e == ERR_NONE)
            check_record(w, note, &record);
    }
    if (open)
        wire_records_close(&records);
    if (e == ERR_NOMEM)
        c->in->err = e;
    else if (e != ERR_NONE)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_BAD_RECORDS,
                       (int64_t)note->position, "offsets %lld to %lld: %s", (long long)note->base,
                       (long long)note->last, msg.text);
}

/* ---- producers ---- */

static void replay(struct inspect_check_walk *w, const struct format_note *note)
{
    struct inspect_check *c = w->check;
    const struct format_producer_batch *original;
    int16_t code;
    inspect_check_snapshots(c, c->expected, note->base);
    if (note->producer_id < 0)
        return;
    const struct format_producer *producer =
        format_producers_find(&c->producers, note->producer_id);
    if (producer != NULL)
        inspect_check_txn(w, note, producer->txn_first);
    bool data = (note->attributes & WIRE_BATCH_CONTROL) == 0 && note->base_sequence >= 0;
    if (data &&
        format_producers_check(&c->producers, note, &original, &code) == FORMAT_SEQUENCE_DUPLICATE)
        inspect_report(
            c->in, c->dir, w->segment->log, INSPECT_FIND_DUPLICATE, (int64_t)note->position,
            "the batch of producer %lld that begins with sequence %d ends at offset %lld "
            "already",
            (long long)note->producer_id, note->base_sequence, (long long)original->last_offset);
    if (format_producers_apply(&c->producers, note, 0, NULL) != ERR_NONE)
        c->in->err = ERR_NOMEM;
}

/* False: it stands where a batch should, and yet cannot be one. */
static bool take_batch(struct inspect_check_walk *w, const struct inspect_tour *tour)
{
    struct inspect_check *c = w->check;
    struct bytes bytes = bytes_of(tour->data.data + tour->at, (size_t)tour->batch.size);
    struct format_note note = format_note_of(&tour->batch, tour->at, bytes.data);
    if (note.base < c->expected) {
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_OFFSET_BACK, (int64_t)tour->at,
                       "offset %lld where %lld should be", (long long)note.base,
                       (long long)c->expected);
        return false;
    }
    if (!check_reach(w, &note))
        return false;
    check_offsets(w, &note);
    if (note.base >= c->again_until) {
        check_epoch(w, &note);
        check_records(w, &tour->batch, &note, bytes);
        replay(w, &note);
        c->batch_count++;
        c->record_count += tour->batch.record_count;
    }
    inspect_check_indexes_batch(w, &note, bytes);
    c->expected = note.last + 1;
    return true;
}

/* ---- what is no batch ---- */

static bool has_good(struct inspect_check *c, struct inspect_file *file)
{
    struct inspect_tour tour;
    if (file->bytes.size == 0 || !inspect_map(c->in, c->dir, file))
        return false;
    inspect_tour_begin(&tour, file->bytes, c->expected);
    bool good = inspect_tour_step(&tour) && (tour.what == INSPECT_TOUR_BATCH || tour.resumed);
    inspect_unmap(c->in, file);
    return good;
}

/* Is there a good batch in a later segment? */
static bool goes_on(struct inspect_check_walk *w)
{
    struct inspect_check *c = w->check;
    for (struct inspect_check_segment *s = w->segment + 1; s < c->segments + c->segment_count;
         s++) {
        if (has_good(c, s->log))
            return true;
    }
    return false;
}

/* Nothing good stands behind it, in this segment or another. */
static void judge_tail(struct inspect_check_walk *w, const struct inspect_tour *tour)
{
    struct inspect_check *c = w->check;
    const struct inspect_check_known *known = &c->known;
    unsigned long long left = tour->data.size - tour->at;
    const char *what = tour->zeros ? "only zeros" : tour->msg.text;
    bool durable = known->clean || c->expected < known->recovery;
    bool torn = tour->what == INSPECT_TOUR_TORN || tour->zeros || known->recovery >= 0;
    if (durable)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_TORN_DURABLE, (int64_t)tour->at,
                       "%s; offsets from %lld on were on the disk%s", what, (long long)c->expected,
                       known->clean ? " when the broker was shut down"
                                    : ", says the recovery point");
    else if (torn)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_TORN_TAIL, (int64_t)tour->at,
                       "%llu bytes of a write that did not end, behind offset %lld: %s", left,
                       (long long)c->expected - 1, what);
    else
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_BAD_BATCH, (int64_t)tour->at,
                       "%s; nothing good stands behind it", what);
    c->torn = true;
}

/* Good batches behind a bad one: a disk may keep later writes and lose earlier ones, as long as
 * none of them was synced. */
static void tell_hole(struct inspect_check_walk *w, const struct inspect_tour *tour, int64_t end)
{
    struct inspect_check *c = w->check;
    const struct inspect_check_known *known = &c->known;
    bool unsynced = !known->clean && known->recovery >= 0 && c->expected >= known->recovery;
    enum inspect_finding what = unsynced ? INSPECT_FIND_HOLE : INSPECT_FIND_BAD_BATCH;
    if (tour->resumed)
        inspect_report(c->in, c->dir, w->segment->log, what, (int64_t)tour->at,
                       "%s; offsets %lld to %lld are lost, and at byte %llu good ones go on",
                       tour->msg.text, (long long)c->expected, (long long)end - 1,
                       (unsigned long long)tour->next);
    else
        inspect_report(c->in, c->dir, w->segment->log, what, (int64_t)tour->at,
                       "%s; good ones go on in the next segment", tour->msg.text);
}

static void tell_bad(struct inspect_check_walk *w, const struct inspect_tour *tour, int64_t end)
{
    struct inspect_check *c = w->check;
    if (tour->resumed || goes_on(w))
        tell_hole(w, tour, end);
    else
        judge_tail(w, tour);
    c->holed = true;
    c->tail_lost = !tour->resumed;
}

static void take_bad(struct inspect_check_walk *w, const struct inspect_tour *tour)
{
    struct inspect_check *c = w->check;
    int64_t end = INT64_MAX;
    struct wire_batch next;
    if (tour->resumed && wire_batch_at(tour->data, tour->next, &next, NULL) == WIRE_AT_BATCH)
        end = next.base_offset;
    if (!tour->resumed && !w->last && w->segment[1].base < c->expected)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_WRITTEN_AGAIN,
                       (int64_t)tour->at, "%s, behind bytes that the next segment has again",
                       tour->msg.text);
    else
        tell_bad(w, tour, end);
    inspect_check_indexes_hole(w, tour->at, tour->next, end);
    if (tour->resumed)
        c->expected = end;
}

/* What is in them is nobody's here; what stands behind them is. */
static void take_old(struct inspect_check_walk *w, const struct inspect_tour *tour)
{
    struct inspect_check *c = w->check;
    if (!w->old)
        inspect_report(c->in, c->dir, w->segment->log, INSPECT_FIND_OLD_FORMAT, (int64_t)tour->at,
                       "%s", tour->msg.text);
    w->old = c->holed = true;
    inspect_check_indexes_hole(w, tour->at, tour->next, tour->offset + 1);
    c->expected = MAX(c->expected, tour->offset + 1);
}

/* ---- the segment ---- */

/* Bytes in a later segment say that this one was complete. */
static bool is_last(const struct inspect_check *c, int32_t index)
{
    for (int32_t i = index + 1; i < c->segment_count; i++) {
        if (c->segments[i].log->bytes.size > 0)
            return false;
    }
    return true;
}

/* Where in the bytes the batch begins that has this base offset; their end when there is none. */
static size_t find_batch(struct bytes data, int64_t base)
{
    struct wire_batch batch;
    size_t at = 0;
    while (wire_batch_at(data, at, &batch, NULL) == WIRE_AT_BATCH && batch.base_offset != base)
        at += (size_t)batch.size;
    return wire_batch_at(data, at, &batch, NULL) == WIRE_AT_BATCH ? at : data.size;
}

/* How many good bytes there are from there on. */
static size_t good_bytes(struct bytes data, size_t from)
{
    struct wire_batch batch;
    size_t at = from;
    while (wire_batch_at(data, at, &batch, NULL) == WIRE_AT_BATCH &&
           wire_batch_verify(&batch, data.data + at, NULL) == ERR_NONE)
        at += (size_t)batch.size;
    return at - from;
}

/* Recovery writes the end of a segment again into a new one, and cuts it off the old one last: do
 * both say the same? */
static bool repeats(struct inspect_check *c, struct inspect_check_segment *s)
{
    struct inspect_file *older = s[-1].log;
    if (!inspect_map(c->in, c->dir, older))
        return false;
    bool same = false;
    if (inspect_map(c->in, c->dir, s->log)) {
        size_t at = find_batch(older->bytes, s->base);
        size_t size = good_bytes(older->bytes, at);
        same = size > 0 && size <= s->log->bytes.size &&
               memcmp(older->bytes.data + at, s->log->bytes.data, size) == 0;
        inspect_unmap(c->in, s->log);
    }
    inspect_unmap(c->in, older);
    return same;
}

static void check_overlap(struct inspect_check_walk *w)
{
    struct inspect_check *c = w->check;
    struct inspect_check_segment *s = w->segment;
    if (s > c->segments && repeats(c, s)) {
        inspect_report(c->in, c->dir, s->log, INSPECT_FIND_WRITTEN_AGAIN, -1,
                       "it has offsets %lld to %lld again, as the segment before",
                       (long long)s->base, (long long)c->expected - 1);
        c->again_until = c->expected;
        return;
    }
    inspect_report(c->in, c->dir, s->log, INSPECT_FIND_OFFSET_BACK, -1,
                   "it begins at offset %lld, and the segment before it ends at %lld",
                   (long long)s->base, (long long)c->expected);
}

static void check_pieces(struct inspect_check_walk *w)
{
    struct inspect_check *c = w->check;
    struct inspect_check_segment *s = w->segment;
    if (s->index == NULL && !w->last)
        inspect_report(c->in, c->dir, s->log, INSPECT_FIND_INDEX_MISSING, -1,
                       "there is no .index for it");
    if (s->times == NULL && !w->last)
        inspect_report(c->in, c->dir, s->log, INSPECT_FIND_INDEX_MISSING, -1,
                       "there is no .timeindex for it");
}

/* Before retention takes a segment, a checkpoint of kiln's says where the log begins then. */
static void check_first(struct inspect_check *c, const struct inspect_check_segment *s)
{
    const struct inspect_check_known *known = &c->known;
    int64_t start = known->start < 0 && known->start_said ? 0 : known->start;
    for (int32_t i = 0; known->places != NULL && i < c->dir->file_count && start < 0; i++) {
        int64_t base;
        enum inspect_type type = inspect_type(c->dir->files[i].name, &base);
        if ((type == INSPECT_TYPE_INDEX || type == INSPECT_TYPE_TIMEINDEX) && base < s->base)
            start = base;
    }
    if (start < 0 || start >= s->base || c->alone)
        return;
    inspect_report(c->in, c->dir, NULL, INSPECT_FIND_SEGMENT_GONE, -1,
                   "%020lld.log is missing, with offsets %lld to %lld", (long long)start,
                   (long long)start, (long long)s->base - 1);
}

static void begin_segment(struct inspect_check_walk *w)
{
    struct inspect_check *c = w->check;
    struct inspect_check_segment *s = w->segment;
    if (c->torn)
        return; /* nothing good is left */
    if (c->expected < 0) {
        check_first(c, s);
        c->first = c->expected = s->base;
    }
    if (s->base > c->expected && w->last && s->log->bytes.size == 0) {
        inspect_report(c->in, c->dir, s->log, INSPECT_FIND_EMPTY_AHEAD, -1,
                       "it is empty, and the log ends at offset %lld", (long long)c->expected);
        return;
    }
    if (s->base < c->expected)
        check_overlap(w);
    if (s->base > c->expected && !c->tail_lost && !inspect_check_compacted(c))
        inspect_report(
            c->in, c->dir, s->log, INSPECT_FIND_OFFSET_GAP, -1,
            "offsets %lld to %lld, before this segment, are missing; %020lld.log would hold "
            "them",
            (long long)c->expected, (long long)s->base - 1, (long long)c->expected);
    c->expected = s->base;
    c->tail_lost = false;
    if (!c->alone)
        check_pieces(w);
}

/* ---- compaction ---- */

/* A directory that kiln has written to has checksums. */
static bool kiln_wrote(const struct inspect_check *c)
{
    for (int32_t i = 0; i < c->dir->file_count; i++) {
        int64_t offset;
        enum inspect_type type = inspect_type(c->dir->files[i].name, &offset);
        if (type == INSPECT_TYPE_CRC || type == INSPECT_TYPE_INDEX_CRC ||
            type == INSPECT_TYPE_WINDOW)
            return true;
    }
    return false;
}

/* Batches that lost some of their records keep their offsets; whole ones leave gaps. */
static bool looks_compacted(struct bytes data, int64_t base, bool gaps_count)
{
    struct wire_batch batch;
    int64_t end = base;
    size_t at = 0;
    while (wire_batch_at(data, at, &batch, NULL) == WIRE_AT_BATCH) {
        int64_t offsets = wire_batch_last_offset(&batch) - batch.base_offset + 1;
        if (batch.record_count < offsets || (gaps_count && batch.base_offset > end))
            return true;
        end = batch.base_offset + offsets;
        at += (size_t)batch.size;
    }
    return false;
}

bool inspect_check_compacted(struct inspect_check *c)
{
    if (c->known.compacted || c->looked)
        return c->known.compacted;
    bool foreign = !kiln_wrote(c);
    c->looked = true;
    for (int32_t i = 0; i < c->segment_count && !c->known.compacted; i++) {
        struct inspect_file *file = c->segments[i].log;
        if (file->bytes.size == 0)
            c->known.compacted = foreign && i + 1 < c->segment_count;
        if (file->bytes.size == 0 || !inspect_map(c->in, c->dir, file))
            continue;
        c->known.compacted = looks_compacted(file->bytes, c->segments[i].base, foreign);
        inspect_unmap(c->in, file);
    }
    return c->known.compacted;
}

void inspect_check_segment(struct inspect_check *c, int32_t index)
{
    struct inspect_check_walk w = {
        .check = c, .segment = &c->segments[index], .last = is_last(c, index)};
    struct inspect_file *file = w.segment->log;
    struct inspect_tour tour;
    begin_segment(&w);
    if (!inspect_map(c->in, c->dir, file)) {
        c->holed = c->tail_lost = true;
        return;
    }
    inspect_check_indexes_begin(&w);
    inspect_tour_begin(&tour, file->bytes, c->expected);
    while (inspect_tour_step(&tour) && c->in->err == ERR_NONE) {
        if (tour.what == INSPECT_TOUR_OLD)
            take_old(&w, &tour);
        else if (tour.what != INSPECT_TOUR_BATCH)
            take_bad(&w, &tour);
        else if (!take_batch(&w, &tour))
            c->holed = true;
    }
    c->byte_count += (int64_t)file->bytes.size;
    inspect_check_indexes_end(&w);
    inspect_unmap(c->in, file);
}
