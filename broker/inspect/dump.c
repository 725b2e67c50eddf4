/* dump.c - what a file of batches holds, batch by batch and record by record. Pure: shows
 * bytes as they are and judges only what it cannot read. */
#include "inspect/internal.h"

static const char *const control_names[] = {
    [WIRE_CONTROL_ABORT] = "abort",
    [WIRE_CONTROL_COMMIT] = "commit",
    [WIRE_CONTROL_LEADER_CHANGE] = "leader_change",
    [WIRE_CONTROL_SNAPSHOT_HEADER] = "snapshot_header",
    [WIRE_CONTROL_SNAPSHOT_FOOTER] = "snapshot_footer",
    [WIRE_CONTROL_KRAFT_VERSION] = "kraft_version",
    [WIRE_CONTROL_KRAFT_VOTERS] = "kraft_voters",
};

struct dump {
    struct inspect *in;
    const struct inspect_dir *dir;
    struct inspect_file *file;
    bool metadata; /* values are metadata records */
    bool old;      /* messages of an older format have been told of */
};

/* ---- a batch's head ---- */

static void print_producer(struct inspect *in, const struct wire_batch *b)
{
    if (b->producer_id < 0)
        return;
    inspect_row_int(in, "producer_id", b->producer_id);
    inspect_row_int(in, "producer_epoch", b->producer_epoch);
    inspect_row_int(in, "base_sequence", b->base_sequence);
}

static void print_batch(const struct dump *d, const struct wire_batch *b, size_t at, bool crc_ok)
{
    struct inspect *in = d->in;
    enum wire_codec codec = wire_batch_codec(b);
    inspect_row_begin(in, "batch", d->dir, d->file);
    inspect_row_int(in, "position", (int64_t)at);
    inspect_row_int(in, "size", b->size);
    inspect_row_int(in, "base_offset", b->base_offset);
    inspect_row_int(in, "last_offset", wire_batch_last_offset(b));
    inspect_row_int(in, "records", b->record_count);
    inspect_row_int(in, "leader_epoch", b->leader_epoch);
    inspect_row_hex32(in, "crc", b->crc);
    inspect_row_bool(in, "crc_ok", crc_ok);
    inspect_row_word(in, "codec", codec < WIRE_CODEC_COUNT ? wire_codec_names[codec] : "unknown");
    if ((b->attributes & WIRE_BATCH_DELETE_HORIZON) != 0)
        inspect_row_int(in, "delete_horizon", b->base_timestamp);
    else
        inspect_row_int(in, "base_timestamp", b->base_timestamp);
    inspect_row_int(in, "max_timestamp", b->max_timestamp);
    inspect_row_word(in, "timestamps",
                     (b->attributes & WIRE_BATCH_LOG_APPEND_TIME) != 0 ? "append" : "create");
    print_producer(in, b);
    inspect_row_bool(in, "transactional", (b->attributes & WIRE_BATCH_TRANSACTIONAL) != 0);
    inspect_row_bool(in, "control", (b->attributes & WIRE_BATCH_CONTROL) != 0);
    inspect_row_end(in);
}

/* ---- records ---- */

static struct bytes value_of(struct wire_bytes v)
{
    return v.size < 0 ? bytes_of(NULL, 0)
                      : bytes_of(v.data == NULL ? (const uint8_t *)"" : v.data, (size_t)v.size);
}

static void print_headers(struct inspect *in, struct bytes headers)
{
    struct wire_record_header header;
    struct json j;
    if (headers.size == 0)
        return;
    inspect_row_name(in, "headers");
    json_put_init(&j, &in->row);
    json_put_array(&j, NULL);
    while (wire_record_headers(&headers, &header)) {
        struct wire_bytes key = {.data = (const uint8_t *)header.key.data, .size = header.key.size};
        json_put_object(&j, NULL);
        inspect_row_json_bytes(in, &j, "key", value_of(key));
        inspect_row_json_bytes(in, &j, "value", value_of(header.value));
        json_put_end(&j);
    }
    json_put_end(&j);
}

/* A message that the record's value is said to be; its version comes first. */
static void print_message(struct inspect *in, const struct wire_message *m, int16_t version,
                          struct bytes body)
{
    struct arena arena;
    arena_init(&arena, in->mem, INSPECT_DECODE_BYTES(body.size));
    void *out = arena_alloc(&arena, m->size);
    enum err e = ERR_NOMEM;
    if (out != NULL)
        e = wire_decode(m, version, body, NULL, out, &arena, NULL);
    if (e == ERR_NONE) {
        inspect_row_name(in, "record");
        wire_print(m, version, out, &in->row);
    } else {
        inspect_row_word(in, "unreadable", err_text(e));
    }
    arena_free(&arena);
}

static const struct wire_message *control_message(int16_t type)
{
    switch (type) {
    case WIRE_CONTROL_LEADER_CHANGE:
        return &wire_leader_change_message_message;
    case WIRE_CONTROL_SNAPSHOT_HEADER:
        return &wire_snapshot_header_record_message;
    case WIRE_CONTROL_SNAPSHOT_FOOTER:
        return &wire_snapshot_footer_record_message;
    case WIRE_CONTROL_KRAFT_VERSION:
        return &wire_kraft_version_record_message;
    case WIRE_CONTROL_KRAFT_VOTERS:
        return &wire_voters_record_message;
    default:
        return NULL;
    }
}

/* These begin with their own version; the engine wants it beside the bytes. */
static void print_control(struct inspect *in, const struct wire_record *record)
{
    int16_t type;
    struct bytes value = value_of(record->value);
    if (wire_control_type(record->key, &type, NULL) != ERR_NONE) {
        inspect_row_bytes(in, "key", value_of(record->key));
        inspect_row_bytes(in, "value", value);
        return;
    }
    inspect_row_word(in, "control",
                     type >= 0 && type < COUNT_OF(control_names) ? control_names[type] : "unknown");
    const struct wire_message *m = control_message(type);
    bool marker = type == WIRE_CONTROL_ABORT || type == WIRE_CONTROL_COMMIT;
    if (marker && value.size >= 6)
        inspect_row_int(in, "coordinator_epoch", get_i32(value.data + 2));
    else if (m != NULL && value.size >= 2 && get_i16(value.data) >= m->oldest &&
             get_i16(value.data) <= m->newest)
        print_message(in, m, get_i16(value.data), value);
    else
        inspect_row_bytes(in, "value", value);
}

enum err inspect_metadata_record(struct mem *mem, struct wire_bytes value, struct inspect *print,
                                 struct inspect_places *places, struct errmsg *msg)
{
    struct wire_metadata_head head;
    struct arena arena;
    enum err e = wire_metadata_parse(value, &head, msg);
    if (e != ERR_NONE)
        return e;
    const struct wire_message *m = wire_metadata_message(head.type);
    if (m == NULL)
        return errmsg_set(msg, ERR_UNSUPPORTED, "metadata record of type %u", head.type);
    if (head.version > INT8_MAX || (int)head.version > m->newest)
        return errmsg_set(msg, ERR_UNSUPPORTED, "%s of version %u", m->name, head.version);
    arena_init(&arena, mem, INSPECT_DECODE_BYTES(head.message.size));
    void *out = arena_alloc(&arena, m->size);
    e = ERR_NOMEM;
    if (out != NULL)
        e = wire_decode(m, (int)head.version, head.message, NULL, out, &arena, msg);
    if (e == ERR_NONE && print != NULL) {
        inspect_row_word(print, "metadata", m->name);
        inspect_row_int(print, "version", head.version);
        inspect_row_name(print, "record");
        wire_print(m, (int)head.version, out, &print->row);
    }
    if (e == ERR_NONE && places != NULL)
        e = inspect_places_take(places, m, out);
    arena_free(&arena);
    return e;
}

static void print_record(const struct dump *d, const struct wire_batch *b,
                         const struct wire_record *record)
{
    struct inspect *in = d->in;
    struct errmsg msg = {{0}};
    bool control = (b->attributes & WIRE_BATCH_CONTROL) != 0;
    inspect_row_begin(in, "record", d->dir, d->file);
    inspect_row_int(in, "offset", record->offset);
    inspect_row_int(in, "timestamp", record->timestamp_ms);
    if (control) {
        print_control(in, record);
    } else if (d->metadata) {
        if (inspect_metadata_record(in->mem, record->value, in, NULL, &msg) != ERR_NONE) {
            inspect_row_bytes(in, "unreadable", bytes_text(msg.text));
            inspect_row_bytes(in, "value", value_of(record->value));
        }
    } else {
        inspect_row_bytes(in, "key", value_of(record->key));
        inspect_row_bytes(in, "value", value_of(record->value));
    }
    print_headers(in, record->headers);
    inspect_row_end(in);
}

static void print_records(const struct dump *d, const struct wire_batch *b, struct bytes bytes,
                          size_t at)
{
    struct wire_records records;
    struct wire_record record;
    struct errmsg msg = {{0}};
    enum err e = wire_records_open(&records, d->in->mem, b, bytes, &msg);
    bool open = e == ERR_NONE;
    while (e == ERR_NONE && records.left > 0) {
        e = wire_records_next(&records, &record, &msg);
        if (e == ERR_NONE)
            print_record(d, b, &record);
    }
    if (open)
        wire_records_close(&records);
    if (e == ERR_NOMEM)
        d->in->err = e;
    else if (e != ERR_NONE)
        inspect_report(d->in, d->dir, d->file, INSPECT_FIND_BAD_RECORDS, (int64_t)at, "%s",
                       msg.text);
}

/* ---- the file ---- */

/* Bytes that are no batch: their own row, for whoever wants to look at them, and a finding. */
static void print_bad(const struct dump *d, const struct inspect_tour *tour)
{
    size_t size = tour->next - tour->at;
    bool tail = !tour->resumed && (tour->what == INSPECT_TOUR_TORN || tour->zeros);
    inspect_row_begin(d->in, "bad", d->dir, d->file);
    inspect_row_int(d->in, "position", (int64_t)tour->at);
    inspect_row_int(d->in, "size", (int64_t)size);
    inspect_row_bytes(d->in, "why", bytes_text(tour->msg.text));
    inspect_row_end(d->in);
    inspect_report(d->in, d->dir, d->file, tail ? INSPECT_FIND_TORN_TAIL : INSPECT_FIND_BAD_BATCH,
                   (int64_t)tour->at, "%s", tour->msg.text);
}

static void print_old(struct dump *d, const struct inspect_tour *tour)
{
    inspect_row_begin(d->in, "old_message", d->dir, d->file);
    inspect_row_int(d->in, "position", (int64_t)tour->at);
    inspect_row_int(d->in, "size", (int64_t)(tour->next - tour->at));
    inspect_row_int(d->in, "offset", tour->offset);
    inspect_row_end(d->in);
    if (!d->old)
        inspect_report(d->in, d->dir, d->file, INSPECT_FIND_OLD_FORMAT, (int64_t)tour->at, "%s",
                       tour->msg.text);
    d->old = true;
}

void inspect_dump_batches(struct inspect *in, const struct inspect_dir *dir,
                          struct inspect_file *file, int64_t base, bool metadata)
{
    struct dump d = {.in = in, .dir = dir, .file = file, .metadata = metadata};
    struct inspect_tour tour;
    inspect_tour_begin(&tour, file->bytes, base);
    while (inspect_tour_step(&tour) && in->err == ERR_NONE) {
        if (tour.what == INSPECT_TOUR_BATCH || tour.what == INSPECT_TOUR_CRC)
            print_batch(&d, &tour.batch, tour.at, tour.what == INSPECT_TOUR_BATCH);
        if (tour.what == INSPECT_TOUR_OLD)
            print_old(&d, &tour);
        else if (tour.what != INSPECT_TOUR_BATCH)
            print_bad(&d, &tour);
        else if (in->records)
            print_records(&d, &tour.batch,
                          bytes_of(file->bytes.data + tour.at, (size_t)tour.batch.size), tour.at);
    }
}
