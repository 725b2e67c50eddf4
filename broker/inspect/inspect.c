/* inspect.c - the face of the offline inspection: what a file is, and who shows it. Pure: bytes in,
 * rows out. */
#include "inspect/internal.h"

#define KEPT_MARK ".log.cut-"
#define INDEX_CRC ".index.crc"
#define CHECKPOINT_NAME_SIZE 42 /* %020d-%010d.checkpoint */

static const char *const type_names[INSPECT_TYPE_COUNT] = {
    [INSPECT_TYPE_UNKNOWN] = "unknown",
    [INSPECT_TYPE_LOG] = "log",
    [INSPECT_TYPE_INDEX] = "index",
    [INSPECT_TYPE_TIMEINDEX] = "time_index",
    [INSPECT_TYPE_TXNINDEX] = "transaction_index",
    [INSPECT_TYPE_SNAPSHOT] = "producer_snapshot",
    [INSPECT_TYPE_WINDOW] = "producer_windows",
    [INSPECT_TYPE_LEFTOVER] = "leftover",
    [INSPECT_TYPE_KEPT] = "kept",
    [INSPECT_TYPE_CHECKPOINT] = "metadata_snapshot",
    [INSPECT_TYPE_EPOCHS] = "leader_epochs",
    [INSPECT_TYPE_POINTS] = "offset_checkpoint",
    [INSPECT_TYPE_PARTITION] = "partition_metadata",
    [INSPECT_TYPE_META] = "meta_properties",
    [INSPECT_TYPE_MARKER] = "clean_shutdown",
    [INSPECT_TYPE_QUORUM] = "quorum_state",
    [INSPECT_TYPE_LOCK] = "lock",
    [INSPECT_TYPE_CRC] = "checksum",
    [INSPECT_TYPE_INDEX_CRC] = "index_checksum",
};

static const struct {
    const char *name;
    enum inspect_type type;
} known_names[] = {
    {"leader-epoch-checkpoint", INSPECT_TYPE_EPOCHS},
    {"partition.metadata", INSPECT_TYPE_PARTITION},
    {"recovery-point-offset-checkpoint", INSPECT_TYPE_POINTS},
    {"log-start-offset-checkpoint", INSPECT_TYPE_POINTS},
    {"replication-offset-checkpoint", INSPECT_TYPE_POINTS},
    {"cleaner-offset-checkpoint", INSPECT_TYPE_POINTS},
    {"meta.properties", INSPECT_TYPE_META},
    {".kafka_cleanshutdown", INSPECT_TYPE_MARKER},
    {FORMAT_KEPT_NAME, INSPECT_TYPE_MARKER},
    {".lock", INSPECT_TYPE_LOCK},
    {"quorum-state", INSPECT_TYPE_QUORUM},
    {"bootstrap.checkpoint", INSPECT_TYPE_CHECKPOINT},
};

static bool is_checkpoint(const char *name)
{
    int64_t epoch;
    return strlen(name) == CHECKPOINT_NAME_SIZE && name[FORMAT_OFFSET_DIGITS] == '-' &&
           text_ends_with(name, ".checkpoint") &&
           text_parse_int(bytes_of(name + FORMAT_OFFSET_DIGITS + 1, 10), &epoch) == ERR_NONE;
}

static enum inspect_type type_of_kind(enum format_file_kind kind)
{
    static const enum inspect_type types[] = {
        [FORMAT_KIND_OTHER] = INSPECT_TYPE_UNKNOWN,
        [FORMAT_KIND_LOG] = INSPECT_TYPE_LOG,
        [FORMAT_KIND_INDEX] = INSPECT_TYPE_INDEX,
        [FORMAT_KIND_TIMEINDEX] = INSPECT_TYPE_TIMEINDEX,
        [FORMAT_KIND_TXNINDEX] = INSPECT_TYPE_TXNINDEX,
        [FORMAT_KIND_SNAPSHOT] = INSPECT_TYPE_SNAPSHOT,
        [FORMAT_KIND_WINDOW] = INSPECT_TYPE_WINDOW,
        [FORMAT_KIND_LEFTOVER] = INSPECT_TYPE_LEFTOVER,
    };
    ASSERT(kind < COUNT_OF(types));
    return types[kind];
}

enum inspect_type inspect_type(const char *name, int64_t *offset)
{
    for (int i = 0; i < COUNT_OF(known_names); i++) {
        *offset = -1;
        if (strcmp(known_names[i].name, name) == 0)
            return known_names[i].type;
    }
    enum format_file_kind kind = format_name_kind(name, offset);
    if (kind != FORMAT_KIND_OTHER)
        return type_of_kind(kind);
    if (*offset >= 0 && strncmp(name + FORMAT_OFFSET_DIGITS, KEPT_MARK, strlen(KEPT_MARK)) == 0)
        return INSPECT_TYPE_KEPT;
    if (*offset >= 0 && strcmp(name + FORMAT_OFFSET_DIGITS, INDEX_CRC) == 0)
        return INSPECT_TYPE_INDEX_CRC;
    if (*offset >= 0 && is_checkpoint(name))
        return INSPECT_TYPE_CHECKPOINT;
    *offset = -1;
    if (text_ends_with(name, "-delete") || text_ends_with(name, "-future"))
        return INSPECT_TYPE_LEFTOVER;
    /* What a start looks at: only that it is there counts. A part of a snapshot is one that was
     * being fetched when the node ended, and is fetched anew. */
    if (text_ends_with(name, ".checkpoint.part") || strncmp(name, ".reserve-", 9) == 0 ||
        strcmp(name, FORMAT_REDO_NAME) == 0 || text_ends_with(name, ".start-empty"))
        return INSPECT_TYPE_LOCK;
    return text_ends_with(name, ".crc") ? INSPECT_TYPE_CRC : INSPECT_TYPE_UNKNOWN;
}

bool inspect_knows(const char *name)
{
    int64_t offset;
    return inspect_type(name, &offset) != INSPECT_TYPE_UNKNOWN;
}

bool inspect_is_partition(const char *name)
{
    struct bytes topic;
    int32_t partition;
    return format_dir_name_parse(name, &topic, &partition);
}

const char *inspect_type_name(enum inspect_type type)
{
    ASSERT(type < INSPECT_TYPE_COUNT);
    return type_names[type];
}

struct inspect_file *inspect_find(const struct inspect_dir *dir, const char *name)
{
    for (int32_t i = 0; i < dir->file_count; i++) {
        if (strcmp(dir->files[i].name, name) == 0)
            return &dir->files[i];
    }
    return NULL;
}

void inspect_init(struct inspect *in, struct mem *mem)
{
    *in = (struct inspect){.mem = mem};
    text_init(&in->row, mem);
}

void inspect_free(struct inspect *in)
{
    text_free(&in->row);
}

bool inspect_map(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file)
{
    ASSERT(file->map_count >= 0);
    if (file->map_count++ > 0 || in->map == NULL)
        return true;
    enum err e = in->map(in, dir, file);
    if (e == ERR_NONE)
        return true;
    file->map_count--;
    inspect_report(in, dir, file, INSPECT_FIND_UNREADABLE, -1, "it cannot be read: %s",
                   e == ERR_INVALID ? "it is no file" : err_text(e));
    return false;
}

void inspect_unmap(struct inspect *in, struct inspect_file *file)
{
    ASSERT(file->map_count > 0);
    if (--file->map_count == 0 && in->unmap != NULL)
        in->unmap(in, file);
}

static void dump(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                 enum inspect_type type, int64_t offset)
{
    switch (type) {
    case INSPECT_TYPE_LOG:
    case INSPECT_TYPE_KEPT:
        inspect_dump_batches(in, dir, file, type == INSPECT_TYPE_LOG ? offset : 0,
                             strcmp(dir->name, INSPECT_METADATA_DIR) == 0);
        return;
    case INSPECT_TYPE_CHECKPOINT:
        inspect_dump_batches(in, dir, file, 0, true);
        return;
    case INSPECT_TYPE_INDEX:
    case INSPECT_TYPE_TIMEINDEX:
    case INSPECT_TYPE_TXNINDEX:
        inspect_dump_entries(in, dir, file, type, offset);
        return;
    case INSPECT_TYPE_SNAPSHOT:
    case INSPECT_TYPE_WINDOW:
        inspect_dump_producers(in, dir, file);
        return;
    case INSPECT_TYPE_EPOCHS:
    case INSPECT_TYPE_POINTS:
    case INSPECT_TYPE_PARTITION:
    case INSPECT_TYPE_META:
    case INSPECT_TYPE_MARKER:
    case INSPECT_TYPE_QUORUM:
    case INSPECT_TYPE_CRC:
    case INSPECT_TYPE_INDEX_CRC:
        inspect_dump_text(in, dir, file, type);
        return;
    case INSPECT_TYPE_LOCK:
    case INSPECT_TYPE_LEFTOVER:
    case INSPECT_TYPE_UNKNOWN:
    case INSPECT_TYPE_COUNT:
        return; /* the row of the file says it all */
    }
    UNREACHABLE();
}

enum err inspect_dump(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file)
{
    int64_t offset;
    enum inspect_type type = inspect_type(file->name, &offset);
    in->file_count++;
    inspect_row_begin(in, "file", NULL, NULL);
    inspect_row_path(in, "path", dir, file);
    inspect_row_word(in, "type", inspect_type_name(type));
    inspect_row_int(in, "size", (int64_t)file->bytes.size);
    inspect_row_end(in);
    if (inspect_map(in, dir, file)) {
        dump(in, dir, file, type, offset);
        inspect_unmap(in, file);
    }
    return in->err;
}
