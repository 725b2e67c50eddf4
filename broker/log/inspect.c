/* inspect.c - the face of the offline inspection: what a file is, and who shows it. Pure: bytes in,
 * rows out. */
#include "log/inspect.h"

#define KEPT_MARK ".log.cut-"
#define INDEX_CRC ".index.crc"
#define CHECKPOINT_NAME_SIZE 42 /* %020d-%010d.checkpoint */

static const char *const type_names[LOG_TYPE_COUNT] = {
    [LOG_TYPE_UNKNOWN] = "unknown",
    [LOG_TYPE_LOG] = "log",
    [LOG_TYPE_INDEX] = "index",
    [LOG_TYPE_TIMEINDEX] = "time_index",
    [LOG_TYPE_TXNINDEX] = "transaction_index",
    [LOG_TYPE_SNAPSHOT] = "producer_snapshot",
    [LOG_TYPE_WINDOW] = "producer_windows",
    [LOG_TYPE_LEFTOVER] = "leftover",
    [LOG_TYPE_KEPT] = "kept",
    [LOG_TYPE_CHECKPOINT] = "metadata_snapshot",
    [LOG_TYPE_EPOCHS] = "leader_epochs",
    [LOG_TYPE_POINTS] = "offset_checkpoint",
    [LOG_TYPE_PARTITION] = "partition_metadata",
    [LOG_TYPE_META] = "meta_properties",
    [LOG_TYPE_MARKER] = "clean_shutdown",
    [LOG_TYPE_QUORUM] = "quorum_state",
    [LOG_TYPE_LOCK] = "lock",
    [LOG_TYPE_CRC] = "checksum",
    [LOG_TYPE_INDEX_CRC] = "index_checksum",
};

static const struct {
    const char *name;
    enum log_file_type type;
} known_names[] = {
    {"leader-epoch-checkpoint", LOG_TYPE_EPOCHS},
    {"partition.metadata", LOG_TYPE_PARTITION},
    {"recovery-point-offset-checkpoint", LOG_TYPE_POINTS},
    {"log-start-offset-checkpoint", LOG_TYPE_POINTS},
    {"replication-offset-checkpoint", LOG_TYPE_POINTS},
    {"cleaner-offset-checkpoint", LOG_TYPE_POINTS},
    {"meta.properties", LOG_TYPE_META},
    {".kafka_cleanshutdown", LOG_TYPE_MARKER},
    {".lock", LOG_TYPE_LOCK},
    {"quorum-state", LOG_TYPE_QUORUM},
    {"bootstrap.checkpoint", LOG_TYPE_CHECKPOINT},
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t tail = strlen(suffix);
    return size >= tail && memcmp(name + size - tail, suffix, tail) == 0;
}

static bool is_checkpoint(const char *name)
{
    int64_t epoch;
    return strlen(name) == CHECKPOINT_NAME_SIZE && name[LOG_OFFSET_DIGITS] == '-' &&
           ends_with(name, ".checkpoint") &&
           text_parse_int(bytes_of(name + LOG_OFFSET_DIGITS + 1, 10), &epoch) == ERR_NONE;
}

static enum log_file_type type_of_kind(enum log_file_kind kind)
{
    static const enum log_file_type types[] = {
        [LOG_KIND_OTHER] = LOG_TYPE_UNKNOWN,     [LOG_KIND_LOG] = LOG_TYPE_LOG,
        [LOG_KIND_INDEX] = LOG_TYPE_INDEX,       [LOG_KIND_TIMEINDEX] = LOG_TYPE_TIMEINDEX,
        [LOG_KIND_TXNINDEX] = LOG_TYPE_TXNINDEX, [LOG_KIND_SNAPSHOT] = LOG_TYPE_SNAPSHOT,
        [LOG_KIND_WINDOW] = LOG_TYPE_WINDOW,     [LOG_KIND_LEFTOVER] = LOG_TYPE_LEFTOVER,
    };
    ASSERT(kind < COUNT_OF(types));
    return types[kind];
}

enum log_file_type log_file_type(const char *name, int64_t *offset)
{
    for (int i = 0; i < COUNT_OF(known_names); i++) {
        *offset = -1;
        if (strcmp(known_names[i].name, name) == 0)
            return known_names[i].type;
    }
    enum log_file_kind kind = log_name_kind(name, offset);
    if (kind != LOG_KIND_OTHER)
        return type_of_kind(kind);
    if (*offset >= 0 && strncmp(name + LOG_OFFSET_DIGITS, KEPT_MARK, strlen(KEPT_MARK)) == 0)
        return LOG_TYPE_KEPT;
    if (*offset >= 0 && strcmp(name + LOG_OFFSET_DIGITS, INDEX_CRC) == 0)
        return LOG_TYPE_INDEX_CRC;
    if (*offset >= 0 && is_checkpoint(name))
        return LOG_TYPE_CHECKPOINT;
    *offset = -1;
    if (ends_with(name, "-delete") || ends_with(name, "-future"))
        return LOG_TYPE_LEFTOVER;
    /* What a full disk gives back, and a person's word: only that they are there counts. */
    if (strncmp(name, ".reserve-", 9) == 0 || ends_with(name, ".start-empty"))
        return LOG_TYPE_LOCK;
    return ends_with(name, ".crc") ? LOG_TYPE_CRC : LOG_TYPE_UNKNOWN;
}

bool log_inspect_knows(const char *name)
{
    int64_t offset;
    return log_file_type(name, &offset) != LOG_TYPE_UNKNOWN;
}

bool log_inspect_is_partition(const char *name)
{
    struct bytes topic;
    int32_t partition;
    return log_dir_name_parse(name, &topic, &partition);
}

const char *log_file_type_name(enum log_file_type type)
{
    ASSERT(type < LOG_TYPE_COUNT);
    return type_names[type];
}

struct log_inspect_file *log_inspect_find(const struct log_inspect_dir *dir, const char *name)
{
    for (int32_t i = 0; i < dir->file_count; i++) {
        if (strcmp(dir->files[i].name, name) == 0)
            return &dir->files[i];
    }
    return NULL;
}

void log_inspect_init(struct log_inspect *in, struct mem *mem)
{
    *in = (struct log_inspect){.mem = mem};
    text_init(&in->row, mem);
}

void log_inspect_free(struct log_inspect *in)
{
    text_free(&in->row);
}

bool log_inspect_map(struct log_inspect *in, const struct log_inspect_dir *dir,
                     struct log_inspect_file *file)
{
    ASSERT(file->map_count >= 0);
    if (file->map_count++ > 0 || in->map == NULL)
        return true;
    enum err e = in->map(in, dir, file);
    if (e == ERR_NONE)
        return true;
    file->map_count--;
    log_find(in, dir, file, LOG_FIND_UNREADABLE, -1, "it cannot be read: %s", err_text(e));
    return false;
}

void log_inspect_unmap(struct log_inspect *in, struct log_inspect_file *file)
{
    ASSERT(file->map_count > 0);
    if (--file->map_count == 0 && in->unmap != NULL)
        in->unmap(in, file);
}

static void dump(struct log_inspect *in, const struct log_inspect_dir *dir,
                 struct log_inspect_file *file, enum log_file_type type, int64_t offset)
{
    switch (type) {
    case LOG_TYPE_LOG:
    case LOG_TYPE_KEPT:
        log_dump_batches(in, dir, file, type == LOG_TYPE_LOG ? offset : 0,
                         strcmp(dir->name, LOG_METADATA_DIR) == 0);
        return;
    case LOG_TYPE_CHECKPOINT:
        log_dump_batches(in, dir, file, 0, true);
        return;
    case LOG_TYPE_INDEX:
    case LOG_TYPE_TIMEINDEX:
    case LOG_TYPE_TXNINDEX:
        log_dump_entries(in, dir, file, type, offset);
        return;
    case LOG_TYPE_SNAPSHOT:
    case LOG_TYPE_WINDOW:
        log_dump_producers(in, dir, file);
        return;
    case LOG_TYPE_EPOCHS:
    case LOG_TYPE_POINTS:
    case LOG_TYPE_PARTITION:
    case LOG_TYPE_META:
    case LOG_TYPE_MARKER:
    case LOG_TYPE_QUORUM:
    case LOG_TYPE_CRC:
    case LOG_TYPE_INDEX_CRC:
        log_dump_text(in, dir, file, type);
        return;
    case LOG_TYPE_LOCK:
    case LOG_TYPE_LEFTOVER:
    case LOG_TYPE_UNKNOWN:
    case LOG_TYPE_COUNT:
        return; /* the row of the file says it all */
    }
    UNREACHABLE();
}

enum err log_inspect_dump(struct log_inspect *in, const struct log_inspect_dir *dir,
                          struct log_inspect_file *file)
{
    int64_t offset;
    enum log_file_type type = log_file_type(file->name, &offset);
    in->file_count++;
    log_row_begin(in, "file", NULL, NULL);
    log_row_path(in, "path", dir, file);
    log_row_word(in, "type", log_file_type_name(type));
    log_row_int(in, "size", (int64_t)file->bytes.size);
    log_row_end(in);
    if (log_inspect_map(in, dir, file)) {
        dump(in, dir, file, type, offset);
        log_inspect_unmap(in, file);
    }
    return in->err;
}
