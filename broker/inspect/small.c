/* small.c - everything in a log directory that is no batch: entries of indexes, producer
 * snapshots, checkpoints, identities, markers. Pure. */
#include "inspect/internal.h"

/* ---- entries ---- */

static void dump_entry(struct inspect *in, enum inspect_type type, int64_t base, const uint8_t *p)
{
    if (type == INSPECT_TYPE_INDEX) {
        inspect_row_int(in, "offset", base + get_u32(p));
        inspect_row_int(in, "position", get_u32(p + 4));
    } else if (type == INSPECT_TYPE_TIMEINDEX) {
        inspect_row_int(in, "timestamp", get_i64(p));
        inspect_row_int(in, "offset", base + get_u32(p + 8));
    } else {
        inspect_row_int(in, "version", get_i16(p));
        inspect_row_int(in, "producer_id", get_i64(p + 2));
        inspect_row_int(in, "first_offset", get_i64(p + 10));
        inspect_row_int(in, "last_offset", get_i64(p + 18));
        inspect_row_int(in, "last_stable_offset", get_i64(p + 26));
    }
}

void inspect_dump_entries(struct inspect *in, const struct inspect_dir *dir,
                          struct inspect_file *file, enum inspect_type type, int64_t base)
{
    size_t size = type == INSPECT_TYPE_INDEX       ? FORMAT_INDEX_ENTRY_SIZE
                  : type == INSPECT_TYPE_TIMEINDEX ? FORMAT_TIME_ENTRY_SIZE
                                                   : INSPECT_TXN_ENTRY_SIZE;
    size_t at = 0;
    for (; file->bytes.size - at >= size && in->err == ERR_NONE; at += size) {
        inspect_row_begin(in, "entry", dir, file);
        dump_entry(in, type, base, file->bytes.data + at);
        inspect_row_end(in);
    }
    if (at < file->bytes.size && in->err == ERR_NONE)
        inspect_report(in, dir, file, INSPECT_FIND_INDEX_SIZE, (int64_t)at,
                       "%d bytes are left behind the last entry", (int)(file->bytes.size - at));
}

/* ---- producer snapshots ---- */

static void dump_producer(struct inspect *in, const uint8_t *p)
{
    inspect_row_int(in, "producer_id", get_i64(p));
    inspect_row_int(in, "producer_epoch", get_i16(p + 8));
    inspect_row_int(in, "last_sequence", get_i32(p + 10));
    inspect_row_int(in, "last_offset", get_i64(p + 14));
    inspect_row_int(in, "offset_delta", get_i32(p + 22));
    inspect_row_int(in, "timestamp", get_i64(p + 26));
    inspect_row_int(in, "coordinator_epoch", get_i32(p + 34));
    inspect_row_int(in, "transaction_first_offset", get_i64(p + 38));
}

/* Head, CRC and size; a window of producers that nobody knows changes none. */
static enum err check_layout(struct mem *mem, struct bytes bytes, struct errmsg *msg)
{
    struct format_producers nobody;
    enum err e = format_producers_init(&nobody, mem, NULL);
    if (e != ERR_NONE)
        return e;
    e = format_window_decode(&nobody, bytes, msg);
    format_producers_free(&nobody);
    return e;
}

void inspect_dump_producers(struct inspect *in, const struct inspect_dir *dir,
                            struct inspect_file *file)
{
    struct bytes bytes = file->bytes;
    struct errmsg msg = {{0}};
    enum err e = check_layout(in->mem, bytes, &msg);
    if (e == ERR_NOMEM)
        in->err = e;
    else if (e != ERR_NONE)
        inspect_report(in, dir, file, INSPECT_FIND_SNAPSHOT_BAD, -1, "%s", msg.text);
    for (size_t at = FORMAT_SNAPSHOT_HEAD; at + FORMAT_SNAPSHOT_ENTRY <= bytes.size;
         at += FORMAT_SNAPSHOT_ENTRY) {
        inspect_row_begin(in, "producer", dir, file);
        dump_producer(in, bytes.data + at);
        inspect_row_end(in);
        if (in->err != ERR_NONE)
            return;
    }
}

/* ---- text ---- */

static enum err dump_points(struct inspect *in, const struct inspect_dir *dir,
                            struct inspect_file *file, bool show, struct errmsg *msg)
{
    struct format_points points;
    enum err e = format_points_parse(file->bytes, in->mem, &points, msg);
    if (e != ERR_NONE)
        return e;
    for (int32_t i = 0; show && i < points.count; i++) {
        const struct format_point *point = &points.rows[i];
        inspect_row_begin(in, "point", dir, file);
        inspect_row_bytes(in, "topic", point->topic);
        inspect_row_int(in, "partition", point->partition);
        inspect_row_int(in, "offset", point->offset);
        inspect_row_end(in);
    }
    mem_free(in->mem, points.rows);
    return ERR_NONE;
}

static enum err dump_epochs(struct inspect *in, const struct inspect_dir *dir,
                            struct inspect_file *file, bool show, struct errmsg *msg)
{
    struct format_epochs epochs = {.mem = in->mem};
    enum err e = format_epochs_parse(file->bytes, &epochs, msg);
    for (int32_t i = 0; show && e == ERR_NONE && i < epochs.count; i++) {
        inspect_row_begin(in, "epoch", dir, file);
        inspect_row_int(in, "leader_epoch", epochs.rows[i].epoch);
        inspect_row_int(in, "start_offset", epochs.rows[i].start);
        inspect_row_end(in);
    }
    format_epochs_free(&epochs);
    return e;
}

static enum err dump_partition(struct inspect *in, const struct inspect_dir *dir,
                               struct inspect_file *file, bool show, struct errmsg *msg)
{
    struct wire_uuid id;
    enum err e = format_partition_metadata_parse(file->bytes, &id, msg);
    if (e != ERR_NONE || !show)
        return e;
    inspect_row_begin(in, "partition_metadata", dir, file);
    inspect_row_uuid(in, "topic_id", &id);
    inspect_row_end(in);
    return ERR_NONE;
}

static enum err dump_meta(struct inspect *in, const struct inspect_dir *dir,
                          struct inspect_file *file, bool show, struct errmsg *msg)
{
    struct format_meta meta;
    enum err e = format_meta_parse(file->bytes, &meta, msg);
    if (e != ERR_NONE || !show)
        return e;
    inspect_row_begin(in, "meta_properties", dir, file);
    inspect_row_int(in, "node_id", meta.node_id);
    inspect_row_bytes(in, "cluster_id", bytes_text(meta.cluster_id));
    if (meta.has_directory_id)
        inspect_row_uuid(in, "directory_id", &meta.directory_id);
    inspect_row_end(in);
    return ERR_NONE;
}

/* One object of JSON: what begins and ends it, and quotes that close. Its keys are for those who
 * use it. */
static enum err check_object(struct bytes text, struct errmsg *msg)
{
    bool quoted = false;
    int64_t depth = 0;
    size_t end = text.size;
    while (end > 0 && (text.data[end - 1] == '\n' || text.data[end - 1] == '\r'))
        end--;
    for (size_t i = 0; i < end; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c > 0x7e)
            return errmsg_set(msg, ERR_CORRUPT, "byte %d is no text", (int)i);
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        if (depth < 1 && i + 1 != end)
            return errmsg_set(msg, ERR_CORRUPT, "it is no object of JSON: byte %d", (int)i);
    }
    if (end == 0 || depth != 0 || quoted)
        return errmsg_set(msg, ERR_CORRUPT, "it is no object of JSON: it ends early");
    return ERR_NONE;
}

static enum err dump_object(struct inspect *in, const struct inspect_dir *dir,
                            struct inspect_file *file, bool show, struct errmsg *msg)
{
    if (show) {
        inspect_row_begin(in, "text", dir, file);
        inspect_row_bytes(in, "text", file->bytes);
        inspect_row_end(in);
    }
    return check_object(file->bytes, msg);
}

static enum err check_crc_text(struct bytes text, struct errmsg *msg)
{
    bool right = text.size == FORMAT_CRC_FILE_SIZE;
    for (size_t i = 0; right && i < text.size; i++) {
        uint8_t c = text.data[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        right = i % 9 == 8 ? c == '\n' : digit;
    }
    if (right)
        return ERR_NONE;
    return errmsg_set(msg, ERR_CORRUPT, "it is not two CRCs of eight digits");
}

static enum err check_index_crc_text(struct bytes text, struct errmsg *msg)
{
    struct format_index_crc crc;
    if (format_index_crc_parse(text, &crc) == ERR_NONE)
        return ERR_NONE;
    return errmsg_set(msg, ERR_CORRUPT, "it is not two CRCs and three numbers of bytes");
}

static enum err dump_checksum(struct inspect *in, const struct inspect_dir *dir,
                              struct inspect_file *file, enum inspect_type type, bool show,
                              struct errmsg *msg)
{
    if (show) {
        inspect_row_begin(in, "text", dir, file);
        inspect_row_bytes(in, "text", file->bytes);
        inspect_row_end(in);
    }
    return type == INSPECT_TYPE_CRC ? check_crc_text(file->bytes, msg)
                                    : check_index_crc_text(file->bytes, msg);
}

/* Shows the file, or only looks whether it could be shown. */
static enum err text_file(struct inspect *in, const struct inspect_dir *dir,
                          struct inspect_file *file, enum inspect_type type, bool show,
                          struct errmsg *msg)
{
    if (file->bytes.size > FORMAT_TEXT_FILE_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "%llu bytes are too many for it",
                          (unsigned long long)file->bytes.size);
    switch (type) {
    case INSPECT_TYPE_POINTS:
        return dump_points(in, dir, file, show, msg);
    case INSPECT_TYPE_EPOCHS:
        return dump_epochs(in, dir, file, show, msg);
    case INSPECT_TYPE_PARTITION:
        return dump_partition(in, dir, file, show, msg);
    case INSPECT_TYPE_META:
        return dump_meta(in, dir, file, show, msg);
    case INSPECT_TYPE_MARKER:
    case INSPECT_TYPE_QUORUM:
        return dump_object(in, dir, file, show, msg);
    case INSPECT_TYPE_CRC:
    case INSPECT_TYPE_INDEX_CRC:
        return dump_checksum(in, dir, file, type, show, msg);
    default:
        UNREACHABLE();
    }
}

void inspect_dump_text(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                       enum inspect_type type)
{
    struct errmsg msg = {{0}};
    enum err e = text_file(in, dir, file, type, true, &msg);
    if (e == ERR_NOMEM)
        in->err = e;
    else if (e != ERR_NONE)
        inspect_report(in, dir, file, INSPECT_FIND_BAD_TEXT, -1, "%s", msg.text);
}

/* ---- checks ---- */

struct inspect_file *inspect_crc_file(const struct inspect_dir *dir,
                                      const struct inspect_file *file)
{
    char name[FORMAT_NAME_MAX];
    size_t size = strlen(file->name);
    if (size + sizeof ".crc" > sizeof name)
        return NULL;
    memcpy(name, file->name, size);
    memcpy(name + size, ".crc", sizeof ".crc");
    return inspect_find(dir, name);
}

static void check_crc(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file)
{
    struct inspect_file *crc = inspect_crc_file(dir, file);
    if (crc == NULL || !inspect_map(in, dir, crc))
        return;
    if (format_crc_check(crc->bytes, file->bytes) != ERR_NONE)
        inspect_report(in, dir, file, INSPECT_FIND_BAD_CHECKSUM, -1, "it does not match %s",
                       crc->name);
    inspect_unmap(in, crc);
}

static void check_text(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                       enum inspect_type type)
{
    struct errmsg msg = {{0}};
    enum err e = text_file(in, dir, file, type, false, &msg);
    if (e == ERR_NOMEM)
        in->err = e;
    else if (e != ERR_NONE)
        inspect_report(in, dir, file, INSPECT_FIND_BAD_TEXT, -1, "%s", msg.text);
    if (type != INSPECT_TYPE_CRC)
        check_crc(in, dir, file);
}

/* What a checksum stands beside. */
static void check_crc_owner(struct inspect *in, const struct inspect_dir *dir,
                            struct inspect_file *file)
{
    char name[FORMAT_NAME_MAX];
    size_t size = strlen(file->name) - strlen(".crc");
    if (size >= sizeof name)
        return;
    memcpy(name, file->name, size);
    name[size] = 0;
    if (inspect_find(dir, name) == NULL)
        inspect_report(in, dir, file, INSPECT_FIND_CRC_ORPHAN, -1, "there is no %s", name);
}

/* A snapshot of the metadata log: whole, or nothing worth. */
static void check_checkpoint(struct inspect *in, const struct inspect_dir *dir,
                             struct inspect_file *file)
{
    struct inspect_tour tour;
    inspect_tour_begin(&tour, file->bytes, 0);
    while (inspect_tour_step(&tour) && in->err == ERR_NONE) {
        if (tour.what != INSPECT_TOUR_BATCH)
            inspect_report(in, dir, file, INSPECT_FIND_BAD_BATCH, (int64_t)tour.at, "%s",
                           tour.msg.text);
    }
}

void inspect_check_small(struct inspect *in, const struct inspect_dir *dir,
                         struct inspect_file *file, enum inspect_type type)
{
    switch (type) {
    case INSPECT_TYPE_UNKNOWN:
        inspect_report(in, dir, file, INSPECT_FIND_UNKNOWN, -1, "a name that nothing here has");
        return;
    case INSPECT_TYPE_LEFTOVER:
        inspect_report(in, dir, file, INSPECT_FIND_LEFTOVER, -1, "it was to be removed");
        return;
    case INSPECT_TYPE_KEPT:
        inspect_report(in, dir, file, INSPECT_FIND_KEPT, -1, "%llu bytes",
                       (unsigned long long)file->bytes.size);
        return;
    case INSPECT_TYPE_LOCK:
        return;
    default:
        break;
    }
    if (type == INSPECT_TYPE_CRC)
        check_crc_owner(in, dir, file);
    if (!inspect_map(in, dir, file))
        return;
    if (type == INSPECT_TYPE_CHECKPOINT)
        check_checkpoint(in, dir, file);
    else
        check_text(in, dir, file, type);
    inspect_unmap(in, file);
}
