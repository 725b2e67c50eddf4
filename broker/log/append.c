/* append.c - the way of records into the log: checks, offsets, the write, and the way back when the
 * write fails. Nothing is assigned before everything that may fail has been asked for. */
#include "log/internal.h"

/* ---- what may come in ---- */

static int16_t refuse(struct log_appended *out, int16_t code, const char *reason)
{
    out->verdict = LOG_REFUSED;
    out->code = code;
    out->reason = reason;
    return code;
}

/* Every record of a batch that is not compressed; what is compressed passes through untouched. */
static bool records_sound(const struct wire_batch *batch, const uint8_t *data)
{
    struct wire_records records;
    struct wire_record record;
    if (wire_batch_codec(batch) != WIRE_CODEC_NONE)
        return true;
    struct bytes in = bytes_of(data, (size_t)batch->size);
    if (wire_records_begin(&records, batch, in, NULL) != ERR_NONE)
        return false;
    while (records.left > 0) {
        if (wire_records_next(&records, &record, NULL) != ERR_NONE)
            return false;
    }
    return true;
}

/* Kafka's validateTimestamp, for the batch as a whole. A batch may have none: -1. */
static bool timestamp_allowed(const struct log_config *config, int64_t timestamp, int64_t now_ms)
{
    if (config->log_append_time || timestamp < 0)
        return true;
    return timestamp > now_ms ? timestamp - now_ms <= config->timestamp_after_max_ms
                              : now_ms - timestamp <= config->timestamp_before_max_ms;
}

static int16_t check_batch(const struct log *log, const struct wire_batch *batch,
                           const uint8_t *data, int64_t now_ms, struct log_appended *out)
{
    if (wire_batch_verify(batch, data, NULL) != ERR_NONE)
        return refuse(out, WIRE_ERROR_CORRUPT_MESSAGE, "the CRC of the batch is wrong");
    if (batch->size > log->config.max_message_bytes)
        return refuse(out, WIRE_ERROR_MESSAGE_TOO_LARGE,
                      "the batch is larger than max.message.bytes");
    if (batch->record_count != batch->last_offset_delta + 1 || batch->record_count < 1)
        return refuse(out, WIRE_ERROR_INVALID_RECORD,
                      "the batch does not hold as many records as its offsets say");
    if (batch->producer_id >= 0 && (batch->base_sequence < 0 || batch->producer_epoch < 0) &&
        (batch->attributes & WIRE_BATCH_CONTROL) == 0)
        return refuse(out, WIRE_ERROR_INVALID_RECORD,
                      "the batch has a producer id, but no epoch or sequence");
    if (!records_sound(batch, data))
        return refuse(out, WIRE_ERROR_INVALID_RECORD, "a record of the batch cannot be");
    if (!timestamp_allowed(&log->config, batch->max_timestamp, now_ms))
        return refuse(out, WIRE_ERROR_INVALID_TIMESTAMP,
                      "the batch's timestamp is further from the broker's clock than the topic "
                      "allows");
    return WIRE_ERROR_NONE;
}

/* Fills notes with the batches; their offsets are relative to 0. An append has at most INT32_MAX
 * records: a segment's index could hold no more. */
static int16_t check_batches(const struct log *log, struct bytes in, int64_t now_ms,
                             struct format_note *notes, int32_t *count, struct log_appended *out)
{
    struct wire_batch batch;
    int64_t records = 0;
    size_t at = 0;
    *count = 0;
    for (;;) {
        switch (wire_batch_at(in, at, &batch, NULL)) {
        case WIRE_AT_END:
            if (*count == 0)
                return refuse(out, WIRE_ERROR_INVALID_RECORD, "there is no batch");
            return WIRE_ERROR_NONE;
        case WIRE_AT_TORN:
            return refuse(out, WIRE_ERROR_CORRUPT_MESSAGE, "the batch is cut off");
        case WIRE_AT_CORRUPT:
            return refuse(out, WIRE_ERROR_CORRUPT_MESSAGE, "the head of the batch cannot be");
        case WIRE_AT_BATCH:
            break;
        }
        if (*count == LOG_BATCHES_MAX)
            return refuse(out, WIRE_ERROR_RECORD_LIST_TOO_LARGE, "there are too many batches");
        int16_t code = check_batch(log, &batch, in.data + at, now_ms, out);
        if (code != WIRE_ERROR_NONE)
            return code;
        records += batch.record_count;
        if (records > INT32_MAX)
            return refuse(out, WIRE_ERROR_RECORD_LIST_TOO_LARGE, "there are too many records");
        notes[(*count)++] = format_note_of(&batch, at, in.data + at);
        at += (size_t)batch.size;
    }
}

/* I-1. True: go on. */
static bool check_producer(const struct log *log, const struct format_note *notes, int32_t count,
                           struct log_appended *out)
{
    const struct format_producer_batch *original;
    int16_t code;
    bool idempotent = false;
    for (int32_t i = 0; i < count; i++)
        idempotent |= notes[i].producer_id >= 0;
    if (!idempotent || (notes[0].attributes & WIRE_BATCH_CONTROL) != 0)
        return true;
    if (count > 1) {
        refuse(out, WIRE_ERROR_INVALID_RECORD, "an idempotent producer sends one batch at a time");
        return false;
    }
    switch (format_producers_check(&log->producers, &notes[0], &original, &code)) {
    case FORMAT_SEQUENCE_NEXT:
        return true;
    case FORMAT_SEQUENCE_REFUSED:
        refuse(out, code, NULL);
        return false;
    case FORMAT_SEQUENCE_DUPLICATE:
        out->verdict = LOG_DUPLICATE;
        out->first = original->last_offset - original->offset_delta;
        out->last = original->last_offset;
        out->timestamp_ms = log->config.log_append_time ? original->timestamp : -1;
        return false;
    }
    UNREACHABLE();
}

/* ---- rolling ---- */

/* Behind the last offset that it brings. */
static int64_t end_with(const struct log *log, const struct log_incoming *in)
{
    if (in->as_is)
        return in->notes[in->count - 1].last + 1;
    int64_t end = log->end;
    for (int32_t i = 0; i < in->count; i++)
        end += in->notes[i].last - in->notes[i].base + 1;
    return end;
}

/* As Kafka's shouldRoll: by size, by the time between the first and this batch, by full indexes, by
 * offsets that the index could not hold. */
static bool must_roll(const struct log *log, const struct log_incoming *in)
{
    const struct log_segment *active = log_active(log);
    const struct log_config *config = &log->config;
    bool stamps = config->log_append_time && !in->as_is;
    if (log_is_far(log, in))
        return true;
    if (active->size == 0)
        return false;
    if (active->size + in->batches.size > (uint64_t)config->segment_bytes)
        return true;
    int64_t timestamp = stamps ? in->now_ms : in->notes[0].max_timestamp;
    if (active->first_timestamp >= 0 && timestamp - active->first_timestamp > config->segment_ms)
        return true;
    if (format_index_full(&active->index, config->segment_index_bytes))
        return true;
    return end_with(log, in) - 1 - active->base > INT32_MAX;
}

/* What belongs to the segment before it is sealed in the background once the new one is there. */
enum err log_roll(struct log *log, int64_t base)
{
    ASSERT(base == log->end || base - log->end > LOG_GAP_MAX);
    enum err e = log_segments_reserve(log);
    if (e != ERR_NONE)
        return e;
    struct log_segment *segment = log_segment_new(log, base, true);
    if (segment == NULL)
        return ERR_NOMEM;
    log_active(log)->next = base;
    log_segments_push(log, segment);
    log_snapshot_want(log); /* S-7 */
    TRACE(log->set->trace, LOG_ROLL, .partition = log->id, .topic_id = log->topic_trace,
          .base = segment->base);
    return ERR_NONE;
}

/* ---- places of recent batches ---- */

void log_recent_clear(struct log *log)
{
    log->recent_first = log->recent_count = 0;
}

/* Never fails: without memory, fewer are remembered. */
static void remember(struct log *log, const struct format_note *note)
{
    if (log->recent_count == log->recent_cap && log->recent_cap < log->set->limits.recent_max) {
        int32_t cap =
            MIN(log->recent_cap == 0 ? 16 : log->recent_cap * 2, log->set->limits.recent_max);
        struct log_recent *ring = mem_array(log->set->mem, (size_t)cap, sizeof *ring);
        for (int32_t i = 0; ring != NULL && i < log->recent_count; i++)
            ring[i] = *log_recent_at(log, i);
        if (ring != NULL) {
            mem_free(log->set->mem, log->recent);
            log->recent = ring;
            log->recent_cap = cap;
            log->recent_first = 0;
        }
    }
    if (log->recent_cap == 0)
        return;
    if (log->recent_count == log->recent_cap) {
        if (!KNOWN_BUG(recent_overwritten))
            log->recent_first = (log->recent_first + 1) % log->recent_cap;
        log->recent_count--;
    }
    *log_recent_at(log, log->recent_count++) =
        (struct log_recent){.base = note->base,
                            .segment = log_active(log)->base,
                            .position = (uint32_t)note->position,
                            .size = note->size};
}

struct log_recent *log_recent_at(const struct log *log, int32_t i)
{
    return &log->recent[(log->recent_first + i) % log->recent_cap];
}

/* ---- assigning ---- */

static void on_appended(struct env_op *op, enum err e, uint64_t n);

/* E-1. Batches of a leader bring their epochs, several of them perhaps; what is written here is of
 * one. */
static int32_t count_epochs(const struct log *log, const struct log_incoming *in)
{
    int32_t latest = log_latest_epoch(log);
    int32_t count = 0;
    if (!in->as_is)
        return in->leader_epoch > latest;
    for (int32_t i = 0; i < in->count; i++) {
        count += in->notes[i].leader_epoch > latest;
        latest = MAX(latest, in->notes[i].leader_epoch);
    }
    return count;
}

static void take_epochs(struct log *log, const struct log_incoming *in)
{
    bool changed = false;
    for (int32_t i = 0; in->as_is && i < in->count; i++) {
        const struct format_note *note = &in->notes[i];
        if (note->leader_epoch >= 0)
            changed |= format_epochs_assign(&log->epochs, note->leader_epoch, note->base);
    }
    if (!in->as_is && in->leader_epoch >= 0)
        changed = format_epochs_assign(&log->epochs, in->leader_epoch, log->end);
    if (changed)
        log_epochs_write(log, NULL);
}

static void undo_producers(struct log *log, struct log_append *append)
{
    while (append->producer_count > 0)
        format_producers_undo(&log->producers, &append->producers[--append->producer_count]);
}

/* I-4. Their offsets are those that the batches will have. */
static enum err enter_producers(struct log *log, struct log_append *append,
                                const struct log_incoming *in)
{
    int64_t next = log->end;
    for (int32_t i = 0; i < in->count; i++) {
        struct format_note note = in->notes[i];
        if (!in->as_is) {
            note.last = next + (note.last - note.base);
            note.base = next;
        }
        if (log->config.log_append_time && !in->as_is)
            note.max_timestamp = in->now_ms;
        next = note.last + 1;
        if (note.producer_id < 0)
            continue;
        enum err e = format_producers_apply(&log->producers, &note, env_now(log_env(log)),
                                            &append->producers[append->producer_count]);
        if (e != ERR_NONE) {
            undo_producers(log, append);
            return e;
        }
        append->producer_count++;
    }
    return ERR_NONE;
}

/* Everything that may fail for want of memory. */
static struct log_append *prepare(struct log *log, const struct log_incoming *in)
{
    size_t undo_count = 0;
    for (int32_t i = 0; i < in->count; i++)
        undo_count += in->notes[i].producer_id >= 0;
    struct mem *mem = in->batches.buf != NULL ? in->batches.buf->mem : log->set->mem;
    struct log_append *append =
        mem_zalloc(mem, sizeof *append + undo_count * sizeof append->producers[0]);
    enum err e =
        append == NULL ? ERR_NOMEM : format_index_reserve(&log_active(log)->index, in->count);
    if (e == ERR_NONE)
        e = format_epochs_reserve(&log->epochs, count_epochs(log, in));
    if (e == ERR_NONE)
        e = enter_producers(log, append, in);
    if (e != ERR_NONE) {
        mem_free(mem, append);
        return NULL;
    }
    append->mem = mem;
    return append;
}

/* Makes the batch the next one of the log, unless that is what it is. */
static void assign_place(const struct log *log, struct format_note *note, uint8_t *data,
                         const struct log_incoming *in)
{
    if (in->as_is) {
        ASSERT(note->base >= log->end);
        ASSERT(note->base == log->end || !log->config.dense);
        return;
    }
    wire_batch_set_offset(data, log->end);
    if (in->leader_epoch >= 0)
        wire_batch_set_leader_epoch(data, in->leader_epoch);
    if (log->config.log_append_time) {
        wire_batch_set_append_time(data, in->now_ms);
        note->max_timestamp = in->now_ms;
        note->crc = get_u32(data + 17);
    }
    note->last = log->end + (note->last - note->base);
    note->base = log->end;
}

/* As LOG_APPEND tells it. */
static int64_t transaction_of(const struct format_note *note)
{
    if ((note->attributes & WIRE_BATCH_TRANSACTIONAL) == 0)
        return 0;
    return note->marker < 0 ? 1 : 2 + note->marker;
}

static void assign_batch(struct log *log, struct format_note *note, const struct log_incoming *in)
{
    struct log_segment *active = log_active(log);
    assign_place(log, note, in->batches.data + note->position, in);
    note->position = active->size;
    if (active->size == 0)
        active->first_timestamp = note->max_timestamp;
    format_index_add(&active->index, note, log->config.index_interval_bytes);
    remember(log, note);
    active->size += note->size;
    log->bytes += note->size;
    active->next = log->end = note->last + 1;
    TRACE(log->set->trace, LOG_APPEND, .partition = log->id, .topic_id = log->topic_trace,
          .first = note->base, .last = note->last, .crc = note->crc,
          .producer_id = note->producer_id, .sequence = note->base_sequence, .bytes = note->size,
          .producer_epoch = note->producer_epoch,
          .leader_epoch = in->as_is || in->leader_epoch < 0 ? note->leader_epoch : in->leader_epoch,
          .transaction = transaction_of(note));
}

static void assign(struct log *log, struct log_append *append, const struct log_incoming *in)
{
    struct log_segment *active = log_active(log);
    append->log = log;
    append->segment = active;
    append->slice = in->batches;
    append->first = log->end;
    append->position = active->size;
    append->index_mark = format_index_mark(&active->index);
    append->first_timestamp_was = active->first_timestamp;
    take_epochs(log, in);
    for (int32_t i = 0; i < in->count; i++)
        assign_batch(log, &in->notes[i], in);
    append->end = log->end;
    append->part = (struct env_part){.data = in->batches.data, .size = in->batches.size};
    format_ranges_add(&active->checked, append->position, active->size);
    active->touched_ns = env_now(log_env(log));
    active->modified_ms = MAX(env_wall(log_env(log)), 0);
    log->bytes_since_snapshot += in->batches.size;
}

bool log_takes(const struct log *log)
{
    return log->status == ERR_NONE && log->state == LOG_OPEN && !dir_closing(log->dir) &&
           !log_must_spare(log);
}

static bool check_open(const struct log *log, struct log_appended *out)
{
    if (log_takes(log))
        return true;
    refuse(out, WIRE_ERROR_KAFKA_STORAGE_ERROR, NULL);
    return false;
}

/* A segment that begins behind the log's end does so for what was to come into it. */
static void take_back_roll(struct log *log)
{
    struct log_segment *active = log_active(log);
    if (active->base == log->end || active->size > 0)
        return;
    log->segment_count--;
    log_active(log)->next = log->end;
    log_segment_free(active);
}

enum err log_enter(struct log *log, const struct log_incoming *in)
{
    enum err e = ERR_NONE;
    ASSERT(in->count > 0);
    if (must_roll(log, in))
        e = log_roll(log, log_is_far(log, in) ? in->notes[0].base : log->end);
    if (e != ERR_NONE)
        return e;
    struct log_append *append = prepare(log, in);
    if (append == NULL) {
        take_back_roll(log);
        return ERR_NOMEM;
    }
    log_touch(log);
    assign(log, append, in);
    if (!in->late)
        log->soon_end = log->end;
    if (in->batches.buf != NULL)
        buf_retain(in->batches.buf);
    log_write(append, on_appended);
    return ERR_NONE;
}
/* What was checked. */
static void append_checked(struct log *log, struct log_incoming *in, struct log_appended *out)
{
    if (in->batches.size > log->config.segment_bytes) {
        refuse(out, WIRE_ERROR_RECORD_LIST_TOO_LARGE, "the batch is larger than segment.bytes");
        return;
    }
    if (!check_producer(log, in->notes, in->count, out))
        return;
    int64_t first = log->end;
    if (log_enter(log, in) != ERR_NONE) {
        refuse(out, WIRE_ERROR_KAFKA_STORAGE_ERROR, "the broker is out of memory");
        return;
    }
    out->first = first;
    out->last = log->end - 1;
    out->crc = in->notes[in->count - 1].crc;
    if (log->config.log_append_time)
        out->timestamp_ms = in->now_ms;
}

void log_append(struct log *log, struct slice batches, int32_t leader_epoch, int64_t now_ms,
                struct log_appended *out)
{
    struct format_note notes[LOG_BATCHES_MAX];
    struct log_incoming in = {
        .batches = batches, .notes = notes, .leader_epoch = leader_epoch, .now_ms = now_ms};
    *out = (struct log_appended){.verdict = LOG_APPENDED, .timestamp_ms = -1};
    if (!check_open(log, out))
        return;
    if (check_batches(log, slice_bytes(batches), now_ms, notes, &in.count, out) == WIRE_ERROR_NONE)
        append_checked(log, &in, out);
}

void log_append_sound(struct log *log, struct slice batch, int32_t leader_epoch, int64_t now_ms,
                      bool late, struct log_appended *out)
{
    struct wire_batch head;
    *out = (struct log_appended){.verdict = LOG_APPENDED, .timestamp_ms = -1};
    if (!check_open(log, out))
        return;
    enum wire_at at = wire_batch_at(slice_bytes(batch), 0, &head, NULL);
    ASSERT(at == WIRE_AT_BATCH);
    ASSERT((uint32_t)head.size == batch.size);
    struct format_note note = format_note_of(&head, 0, batch.data);
    struct log_incoming in = {.batches = batch,
                              .notes = &note,
                              .count = 1,
                              .leader_epoch = leader_epoch,
                              .now_ms = now_ms,
                              .late = late};
    append_checked(log, &in, out);
}

/* ---- writing ---- */

static void free_append(struct log_append *append)
{
    struct log *log = append->log;
    list_remove(&append->link);
    list_remove(&append->waiting);
    log->in_flight_bytes -= append->slice.size;
    if (append->slice.buf != NULL)
        buf_release(append->slice.buf);
    mem_free(append->mem, append);
}

/* The file of a segment is open, and stays so until its bytes are synced. */
void log_segment_held(struct log_segment *segment, enum err e)
{
    struct log *log = segment->log;
    log->busy--;
    if (e == ERR_NONE) {
        log_write_waiting(segment);
        log_seal(log);
        log_segment_clean(segment);
    } else if (!list_empty(&segment->waiting)) {
        struct log_append *first = CONTAINER_OF(segment->waiting.next, struct log_append, waiting);
        log_cut_back(log, first->first, e);
    }
    log_wake_repair(log);
    log_settle(log);
}

/* Those at the front that are done have been written, and all before them. */
static void advance(struct log *log)
{
    int64_t before = log->written_end;
    while (!list_empty(&log->in_flight)) {
        struct log_append *append = LIST_FIRST(&log->in_flight, struct log_append, link);
        if (!append->done)
            break;
        log->written_end = append->end;
        log->written_bytes += append->slice.size;
        free_append(append);
    }
    if (log->written_end == before)
        return;
    TRACE(log->set->trace, LOG_WRITTEN, .partition = log->id, .topic_id = log->topic_trace,
          .end = log->written_end);
    log_commit(log);
    if (!log_waits_for_sync(log) || KNOWN_BUG(ack_without_sync))
        log_told(log, ERR_NONE);
    else if (log->watch != NULL && log->watch->written != NULL)
        log->watch->written(log->watch);
}

static void on_appended(struct env_op *op, enum err e, uint64_t n)
{
    struct log_append *append = CONTAINER_OF(op, struct log_append, io);
    struct log *log = append->log;
    struct log_segment *segment = append->segment;
    log_touch(log);
    segment->appending--;
    if (append->dead) {
        free_append(append);
        log_segment_clean(segment);
        log_wake_repair(log);
        return;
    }
    /* Somebody else wrote into our file: nothing can be said about it any more. */
    if (e == ERR_NONE && n != append->position)
        e = ERR_CORRUPT;
    if (e != ERR_NONE) {
        log_cut_back(log, append->first, e);
        free_append(append);
        log_segment_clean(segment);
        log_wake_repair(log);
        return;
    }
    segment->disk.written = append->position + append->slice.size;
    if (!log_waits_for_sync(log))
        dir_wrote_unsynced(log->dir, (int64_t)append->slice.size);
    append->done = true;
    advance(log);
    log_segment_clean(segment);
    if (!log_waits_for_sync(log))
        log_wake_repair(log); /* no round of syncs ends that would */
    log_settle(log);
}

int64_t log_in_flight_bytes(const struct log *log)
{
    return log->in_flight_bytes;
}

/* ---- the way back ---- */

static void take_back(struct log *log, struct log_append *append)
{
    struct log_segment *segment = append->segment;
    undo_producers(log, append);
    if (!KNOWN_BUG(index_not_cut))
        format_index_return(&segment->index, append->index_mark);
    segment->first_timestamp = append->first_timestamp_was;
    log->bytes -= append->slice.size;
    segment->size = append->position;
    segment->next = MAX(append->first, segment->base);
    format_ranges_cut(&segment->checked, append->position);
    append->dead = true;
}

/* Takes back, in memory and at once, all that was assigned at or above end. The files follow when
 * nothing is in flight any more (repair.c); until then nothing is appended. */
void log_cut_back(struct log *log, int64_t end, enum err e)
{
    int64_t was = log->end;
    ASSERT(end >= log->written_end);
    ASSERT(end < was);
    SOMETIMES(log->set->trace, APPEND_TAKEN_BACK, true);
    struct list *at = log->in_flight.prev;
    while (at != &log->in_flight) {
        struct log_append *append = CONTAINER_OF(at, struct log_append, link);
        at = at->prev;
        if (append->first < end)
            break;
        if (append->dead)
            continue;
        take_back(log, append);
        if (append->done || list_linked(&append->waiting)) /* nothing of it is under way */
            free_append(append);
    }
    log->end = end;
    if (format_epochs_cut(&log->epochs, end + 1)) /* one that begins here may have been announced */
        log_epochs_were_cut(log);
    log_recent_clear(log);
    TRACE(log->set->trace, LOG_CUT, .partition = log->id, .topic_id = log->topic_trace, .end = end,
          .was = was, .reason = LOG_CUT_FAILED, .leader_epoch = log_latest_epoch(log));
    log_repair_begin(log, e);
    if (log->watch != NULL && log->watch->cut != NULL)
        log->watch->cut(log->watch, end);
    log_wake_admissions(log); /* to be refused */
}
