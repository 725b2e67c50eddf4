/* inspect_small.c - everything in a log directory that is no batch: entries of indexes, producer
 * snapshots, checkpoints, identities, markers. Pure. */
#include "log/inspect.h"

/* ---- entries ---- */

static void dump_entry(struct log_inspect *in, enum log_file_type type, int64_t base,
                       const uint8_t *p)
{
    if (type == LOG_TYPE_INDEX) {
        log_row_int(in, "offset", base + get_u32(p));
        log_row_int(in, "position", get_u32(p + 4));
    } else if (type == LOG_TYPE_TIMEINDEX) {
        log_row_int(in, "timestamp", get_i64(p));
        log_row_int(in, "offset", base + get_u32(p + 8));
    } else {
        log_row_int(in, "version", get_i16(p));
        log_row_int(in, "producer_id", get_i64(p + 2));
        log_row_int(in, "first_offset", get_i64(p + 10));
        log_row_int(in, "last_offset", get_i64(p + 18));
        log_row_int(in, "last_stable_offset", get_i64(p + 26));
    }
}

void log_dump_entries(struct log_inspect *in, const struct log_inspect_dir *dir,
                      struct log_inspect_file *file, enum log_file_type type, int64_t base)
{
    size_t size = type == LOG_TYPE_INDEX       ? LOG_INDEX_ENTRY_SIZE
                  : type == LOG_TYPE_TIMEINDEX ? LOG_TIME_ENTRY_SIZE
                                               : LOG_TXN_ENTRY_SIZE;
    size_t at = 0;
    for (; file->bytes.size - at >= size && in->err == ERR_NONE; at += size) {
        log_row_begin(in, "entry", dir, file);
        dump_entry(in, type, base, file->bytes.data + at);
        log_row_end(in);
    }
    if (at < file->bytes.size && in->err == ERR_NONE)
        log_find(in, dir, file, LOG_FIND_INDEX_SIZE, (int64_t)at,
                 "%d bytes are left behind the last entry", (int)(file->bytes.size - at));
}

/* ---- producer snapshots ---- */

static void dump_producer(struct log_inspect *in, const uint8_t *p)
{
    log_row_int(in, "producer_id", get_i64(p));
    log_row_int(in, "producer_epoch", get_i16(p + 8));
    log_row_int(in, "last_sequence", get_i32(p + 10));
    log_row_int(in, "last_offset", get_i64(p + 14));
    log_row_int(in, "offset_delta", get_i32(p + 22));
    log_row_int(in, "timestamp", get_i64(p + 26));
    log_row_int(in, "coordinator_epoch", get_i32(p + 34));
    log_row_int(in, "transaction_first_offset", get_i64(p + 38));
}

/* Head, CRC and size; a window of producers that nobody knows changes none. */
static enum err check_layout(struct mem *mem, struct bytes bytes, struct errmsg *msg)
{
    struct log_producers nobody;
    enum err e = log_producers_init(&nobody, mem);
    if (e != ERR_NONE)
        return e;
    e = log_window_decode(&nobody, bytes, msg);
    log_producers_free(&nobody);
    return e;
}

void log_dump_producers(struct log_inspect *in, const struct log_inspect_dir *dir,
                        struct log_inspect_file *file)
{
    struct bytes bytes = file->bytes;
    struct errmsg msg = {{0}};
    enum err e = check_layout(in->mem, bytes, &msg);
    if (e == ERR_NOMEM)
        in->err = e;
    else if (e != ERR_NONE)
        log_find(in, dir, file, LOG_FIND_SNAPSHOT_BAD, -1, "%s", msg.text);
    for (size_t at = LOG_SNAPSHOT_HEAD; at + LOG_SNAPSHOT_ENTRY <= bytes.size;
         at += LOG_SNAPSHOT_ENTRY) {
        log_row_begin(in, "producer", dir, file);
        dump_producer(in, bytes.data + at);
        log_row_end(in);
        if (in->err != ERR_NONE)
            return;
    }
}

/* ---- text ---- */

static enum err dump_points(struct log_inspect *in, const struct log_inspect_dir *dir,
                            struct log_inspect_file *file, bool show, struct errmsg *msg)
{
    struct log_points points;
    enum err e = log_points_parse(file->bytes, in->mem, &points, msg);
    if (e != ERR_NONE)
        return e;
    for (int32_t i = 0; show && i < points.count; i++) {
        const struct log_point *point = &points.rows[i];
        log_row_begin(in, "point", dir, file);
        log_row_bytes(in, "topic", point->topic);
        log_row_int(in, "partition", point->partition);
        log_row_int(in, "offset", point->offset);
        log_row_end(in);
    }
    mem_free(in->mem, points.rows);
    return ERR_NONE;
}

static enum err dump_epochs(struct log_inspect *in, const struct log_inspect_dir *dir,
                            struct log_inspect_file *file, bool show, struct errmsg *msg)
{
    struct log_epochs epochs = {.mem = in->mem};
    enum err e = log_epochs_parse(file->bytes, &epochs, msg);
    for (int32_t i = 0; show && e == ERR_NONE && i < epochs.count; i++) {
        log_row_begin(in, "epoch", dir, file);
        log_row_int(in, "leader_epoch", epochs.rows[i].epoch);
        log_row_int(in, "start_offset", epochs.rows[i].start);
        log_row_end(in);
    }
    log_epochs_free(&epochs);
    return e;
}

static enum err dump_partition(struct log_inspect *in, const struct log_inspect_dir *dir,
                               struct log_inspect_file *file, bool show, struct errmsg *msg)
{
    struct wire_uuid id;
    enum err e = log_partition_metadata_parse(file->bytes, &id, msg);
    if (e != ERR_NONE || !show)
        return e;
    log_row_begin(in, "partition_metadata", dir, file);
    log_row_uuid(in, "topic_id", &id);
    log_row_end(in);
    return ERR_NONE;
}

static enum err dump_meta(struct log_inspect *in, const struct log_inspect_dir *dir,
                          struct log_inspect_file *file, bool show, struct errmsg *msg)
{
    struct log_meta meta;
    enum err e = log_meta_parse(file->bytes, &meta, msg);
    if (e != ERR_NONE || !show)
        return e;
    log_row_begin(in, "meta_properties", dir, file);
    log_row_int(in, "node_id", meta.node_id);
    log_row_bytes(in, "cluster_id", bytes_text(meta.cluster_id));
    if (meta.has_directory_id)
        log_row_uuid(in, "directory_id", &meta.directory_id);
    log_row_end(in);
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

static enum err dump_object(struct log_inspect *in, const struct log_inspect_dir *dir,
                            struct log_inspect_file *file, bool show, struct errmsg *msg)
{
    if (show) {
        log_row_begin(in, "text", dir, file);
        log_row_bytes(in, "text", file->bytes);
        log_row_end(in);
    }
    return check_object(file->bytes, msg);
}

static enum err check_crc_text(struct bytes text, struct errmsg *msg)
{
    bool right = text.size == LOG_CRC_FILE_SIZE;
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
    struct log_index_crc crc;
    if (log_index_crc_parse(text, &crc) == ERR_NONE)
        return ERR_NONE;
    return errmsg_set(msg, ERR_CORRUPT, "it is not two CRCs and three numbers of bytes");
}

static enum err dump_checksum(struct log_inspect *in, const struct log_inspect_dir *dir,
                              struct log_inspect_file *file, enum log_file_type type, bool show,
                              struct errmsg *msg)
{
    if (show) {
        log_row_begin(in, "text", dir, file);
        log_row_bytes(in, "text", file->bytes);
        log_row_end(in);
    }
    return type == LOG_TYPE_CRC ? check_crc_text(file->bytes, msg)
                                : check_index_crc_text(file->bytes, msg);
}

/* Shows the file, or only looks whether it could be shown. */
static enum err text_file(struct log_inspect *in, const struct log_inspect_dir *dir,
                          struct log_inspect_file *file, enum log_file_type type, bool show,
                          struct errmsg *msg)
{
    if (file->bytes.size > LOG_TEXT_FILE_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "%llu bytes are too many for it",
                          (unsigned long long)file->bytes.size);
    switch (type) {
    case LOG_TYPE_POINTS:
        return dump_points(in, dir, file, show, msg);
    case LOG_TYPE_EPOCHS:
        return dump_epochs(in, dir, file, show, msg);
    case LOG_TYPE_PARTITION:
        return dump_partition(in, dir, file, show, msg);
    case LOG_TYPE_META:
        return dump_meta(in, dir, file, show, msg);
    case LOG_TYPE_MARKER:
    case LOG_TYPE_QUORUM:
        return dump_object(in, dir, file, show, msg);
    case LOG_TYPE_CRC:
    case LOG_TYPE_INDEX_CRC:
        return dump_checksum(in, dir, file, type, show, msg);
    default:
        UNREACHABLE();
    }
}

void log_dump_text(struct log_inspect *in, const struct log_inspect_dir *dir,
                   struct log_inspect_file *file, enum log_file_type type)
{
    struct errmsg msg = {{0}};
    enum err e = text_file(in, dir, file, type, true, &msg);
    if (e == ERR_NOMEM)
        in->err = e;
    else if (e != ERR_NONE)
        log_find(in, dir, file, LOG_FIND_BAD_TEXT, -1, "%s", msg.text);
}

/* ---- checks ---- */

struct log_inspect_file *log_crc_file(const struct log_inspect_dir *dir,
                                      const struct log_inspect_file *file)
{
    char name[LOG_NAME_MAX];
    size_t size = strlen(file->name);
    if (size + sizeof ".crc" > sizeof name)
        return NULL;
    memcpy(name, file->name, size);
    memcpy(name + size, ".crc", sizeof ".crc");
    return log_inspect_find(dir, name);
}

static void check_crc(struct log_inspect *in, const struct log_inspect_dir *dir,
                      struct log_inspect_file *file)
{
    struct log_inspect_file *crc = log_crc_file(dir, file);
    if (crc == NULL || !log_inspect_map(in, dir, crc))
        return;
    if (log_crc_check(crc->bytes, file->bytes) != ERR_NONE)
        log_find(in, dir, file, LOG_FIND_BAD_CHECKSUM, -1, "it does not match %s", crc->name);
    log_inspect_unmap(in, crc);
}

static void check_text(struct log_inspect *in, const struct log_inspect_dir *dir,
                       struct log_inspect_file *file, enum log_file_type type)
{
    struct errmsg msg = {{0}};
    enum err e = text_file(in, dir, file, type, false, &msg);
    if (e == ERR_NOMEM)
        in->err = e;
    else if (e != ERR_NONE)
        log_find(in, dir, file, LOG_FIND_BAD_TEXT, -1, "%s", msg.text);
    if (type != LOG_TYPE_CRC)
        check_crc(in, dir, file);
}

/* What a checksum stands beside. */
static void check_crc_owner(struct log_inspect *in, const struct log_inspect_dir *dir,
                            struct log_inspect_file *file)
{
    char name[LOG_NAME_MAX];
    size_t size = strlen(file->name) - strlen(".crc");
    if (size >= sizeof name)
        return;
    memcpy(name, file->name, size);
    name[size] = 0;
    if (log_inspect_find(dir, name) == NULL)
        log_find(in, dir, file, LOG_FIND_CRC_ORPHAN, -1, "there is no %s", name);
}

/* A snapshot of the metadata log: whole, or nothing worth. */
static void check_checkpoint(struct log_inspect *in, const struct log_inspect_dir *dir,
                             struct log_inspect_file *file)
{
    struct log_tour tour;
    log_tour_begin(&tour, file->bytes, 0);
    while (log_tour_step(&tour) && in->err == ERR_NONE) {
        if (tour.what != LOG_TOUR_BATCH)
            log_find(in, dir, file, LOG_FIND_BAD_BATCH, (int64_t)tour.at, "%s", tour.msg.text);
    }
}

void log_check_small(struct log_inspect *in, const struct log_inspect_dir *dir,
                     struct log_inspect_file *file, enum log_file_type type)
{
    switch (type) {
    case LOG_TYPE_UNKNOWN:
        log_find(in, dir, file, LOG_FIND_UNKNOWN, -1, "a name that nothing here has");
        return;
    case LOG_TYPE_LEFTOVER:
        log_find(in, dir, file, LOG_FIND_LEFTOVER, -1, "it was to be removed");
        return;
    case LOG_TYPE_KEPT:
        log_find(in, dir, file, LOG_FIND_KEPT, -1, "%llu bytes",
                 (unsigned long long)file->bytes.size);
        return;
    case LOG_TYPE_LOCK:
        return;
    default:
        break;
    }
    if (type == LOG_TYPE_CRC)
        check_crc_owner(in, dir, file);
    if (!log_inspect_map(in, dir, file))
        return;
    if (type == LOG_TYPE_CHECKPOINT)
        check_checkpoint(in, dir, file);
    else
        check_text(in, dir, file, type);
    log_inspect_unmap(in, file);
}
