/* inspect_partition.c - a partition's directory as a whole: its files are sorted out, its segments
 * walked in order, and its ends compared with what the checkpoints say. Pure. */
#include "log/inspect.h"

/* ---- sorting out ---- */

static int compare_segments(const void *a, const void *b)
{
    int64_t x = ((const struct log_check_segment *)a)->base;
    int64_t y = ((const struct log_check_segment *)b)->base;
    return (x > y) - (x < y);
}

static int compare_snapshots(const void *a, const void *b)
{
    int64_t x = ((const struct log_check_snapshot *)a)->offset;
    int64_t y = ((const struct log_check_snapshot *)b)->offset;
    return (x > y) - (x < y);
}

static struct log_check_segment *find_segment(const struct log_check *c, int64_t base)
{
    int32_t low = 0;
    int32_t high = c->segment_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (c->segments[middle].base < base)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->segment_count && c->segments[low].base == base ? &c->segments[low] : NULL;
}

static void take_index(struct log_check *c, struct log_inspect_file *file, enum log_file_type type,
                       int64_t base)
{
    struct log_check_segment *segment = find_segment(c, base);
    if (segment == NULL)
        log_check_orphan(c, file, type);
    else if (type == LOG_TYPE_INDEX)
        segment->index = file;
    else if (type == LOG_TYPE_TIMEINDEX)
        segment->times = file;
    else
        segment->txns = file;
}

static void take_file(struct log_check *c, struct log_inspect_file *file)
{
    int64_t offset;
    enum log_file_type type = log_file_type(file->name, &offset);
    switch (type) {
    case LOG_TYPE_LOG:
    case LOG_TYPE_SNAPSHOT:
    case LOG_TYPE_WINDOW:
        return; /* taken already */
    case LOG_TYPE_INDEX:
    case LOG_TYPE_TIMEINDEX:
    case LOG_TYPE_TXNINDEX:
        take_index(c, file, type, offset);
        return;
    case LOG_TYPE_INDEX_CRC:
        return; /* when all indexes are known */
    case LOG_TYPE_EPOCHS:
        c->epochs_file = file;
        log_check_small(c->in, c->dir, file, type);
        return;
    default:
        log_check_small(c->in, c->dir, file, type);
        return;
    }
}

/* A snapshot and its windows have one row, whichever is there. */
static void merge_snapshots(struct log_check *c)
{
    int32_t count = 0;
    for (int32_t i = 0; i < c->snapshot_count; i++) {
        struct log_check_snapshot *row = &c->snapshots[i];
        struct log_check_snapshot *last = count > 0 ? &c->snapshots[count - 1] : NULL;
        if (last == NULL || last->offset != row->offset) {
            c->snapshots[count++] = *row;
            continue;
        }
        last->file = last->file != NULL ? last->file : row->file;
        last->window = last->window != NULL ? last->window : row->window;
    }
    c->snapshot_count = count;
}

static void take_named(struct log_check *c)
{
    for (int32_t i = 0; i < c->dir->file_count; i++) {
        struct log_inspect_file *file = &c->dir->files[i];
        int64_t offset;
        enum log_file_type type = log_file_type(file->name, &offset);
        if (type == LOG_TYPE_LOG)
            c->segments[c->segment_count++] =
                (struct log_check_segment){.base = offset, .log = file};
        else if (type == LOG_TYPE_SNAPSHOT)
            c->snapshots[c->snapshot_count++] =
                (struct log_check_snapshot){.offset = offset, .file = file};
        else if (type == LOG_TYPE_WINDOW)
            c->snapshots[c->snapshot_count++] =
                (struct log_check_snapshot){.offset = offset, .window = file};
    }
}

static void check_index_crcs(struct log_check *c)
{
    for (int32_t i = 0; i < c->dir->file_count; i++) {
        int64_t base;
        struct log_inspect_file *file = &c->dir->files[i];
        if (log_file_type(file->name, &base) == LOG_TYPE_INDEX_CRC)
            log_check_index_crc(c, file, find_segment(c, base));
    }
}

static enum err sort_out(struct log_check *c)
{
    struct mem *mem = c->in->mem;
    size_t count = (size_t)c->dir->file_count + 1;
    c->segments = mem_array(mem, count, sizeof *c->segments);
    c->snapshots = mem_array(mem, count, sizeof *c->snapshots);
    if (c->segments == NULL || c->snapshots == NULL)
        return ERR_NOMEM;
    take_named(c);
    enum err e = sort_stable(mem, c->segments, (size_t)c->segment_count, sizeof *c->segments,
                             compare_segments);
    if (e == ERR_NONE)
        e = sort_stable(mem, c->snapshots, (size_t)c->snapshot_count, sizeof *c->snapshots,
                        compare_snapshots);
    if (e != ERR_NONE)
        return e;
    merge_snapshots(c);
    for (int32_t i = 0; i < c->dir->file_count; i++)
        take_file(c, &c->dir->files[i]);
    check_index_crcs(c);
    return c->in->err;
}

/* ---- what the small files say ---- */

/* What cannot be read has been told by log_check_small. */
static enum err read_epochs(struct log_check *c)
{
    struct log_inspect_file *file = c->epochs_file;
    if (file == NULL || !log_inspect_map(c->in, c->dir, file))
        return ERR_NONE;
    enum err e = log_epochs_parse(file->bytes, &c->epochs, NULL);
    log_inspect_unmap(c->in, file);
    if (e != ERR_NONE)
        c->epochs_file = NULL;
    return e == ERR_CORRUPT ? ERR_NONE : e;
}

static void read_id(struct log_check *c, struct log_inspect_root *root)
{
    struct wire_uuid id;
    struct log_inspect_file *file = log_inspect_find(c->dir, "partition.metadata");
    if (file == NULL && !c->alone)
        log_find(c->in, c->dir, NULL, LOG_FIND_ID_MISSING, -1, "there is no partition.metadata");
    if (file == NULL || root == NULL || !log_inspect_map(c->in, c->dir, file))
        return;
    if (log_partition_metadata_parse(file->bytes, &id, NULL) == ERR_NONE)
        log_root_note_id(c->in, root, c->dir, &id);
    log_inspect_unmap(c->in, file);
}

/* ---- its ends ---- */

static void check_ends(struct log_check *c)
{
    const struct log_check_known *known = &c->known;
    const struct log_epochs *epochs = &c->epochs;
    long long end = c->expected;
    if (c->segment_count == 0) {
        if (c->known.places != NULL && log_inspect_is_partition(c->dir->name))
            log_find(c->in, c->dir, NULL, LOG_FIND_SEGMENT_GONE, -1, "there is no segment at all");
        return;
    }
    /* A tail that is gone below the recovery point has been told. */
    if (known->recovery > c->expected && !c->torn)
        log_find(c->in, c->dir, NULL, LOG_FIND_RECOVERY_BEYOND, -1,
                 "the log ends at offset %lld, and the recovery point is %lld", end,
                 (long long)known->recovery);
    if (known->start >= 0 && (known->start < c->first || known->start > c->expected))
        log_find(c->in, c->dir, NULL, LOG_FIND_START_OUTSIDE, -1,
                 "the log start offset is %lld, and the log has %lld to %lld",
                 (long long)known->start, (long long)c->first, end);
    if (known->watermark > c->expected)
        log_find(c->in, c->dir, NULL, LOG_FIND_WATERMARK_BEYOND, -1,
                 "the high watermark is %lld, and the log ends at offset %lld",
                 (long long)known->watermark, end);
    if (c->epochs_file != NULL && epochs->count > 0 &&
        epochs->rows[epochs->count - 1].start > c->expected)
        log_find(c->in, c->dir, c->epochs_file, LOG_FIND_EPOCH_BEYOND, -1,
                 "leader epoch %d begins at offset %lld, and the log ends at %lld",
                 epochs->rows[epochs->count - 1].epoch,
                 (long long)epochs->rows[epochs->count - 1].start, end);
}

static void print_result(struct log_check *c, int64_t damage_before, int64_t note_before)
{
    struct log_inspect *in = c->in;
    if (c->alone && c->segment_count == 0)
        return;
    log_row_begin(in, "checked", NULL, NULL);
    log_row_path(in, "path", c->dir, c->alone ? c->segments[0].log : NULL);
    log_row_int(in, "segments", c->segment_count);
    log_row_int(in, "first_offset", c->first);
    log_row_int(in, "end_offset", c->expected);
    log_row_int(in, "batches", c->batch_count);
    log_row_int(in, "records", c->record_count);
    log_row_int(in, "bytes", c->byte_count);
    log_row_int(in, "damage", in->damage_count - damage_before);
    log_row_int(in, "notes", in->note_count - note_before);
    log_row_end(in);
}

static enum err check_all(struct log_check *c, struct log_inspect_root *root)
{
    enum err e = sort_out(c);
    if (e == ERR_NONE)
        e = read_epochs(c);
    if (e != ERR_NONE)
        return e;
    read_id(c, root);
    for (int32_t i = 0; i < c->segment_count && c->in->err == ERR_NONE; i++)
        log_check_segment(c, i);
    log_check_snapshots_end(c);
    check_ends(c);
    return c->in->err;
}

enum err log_inspect_check(struct log_inspect *in, struct log_inspect_root *root,
                           const struct log_inspect_dir *dir, bool alone)
{
    struct log_check c = {.in = in, .dir = dir, .alone = alone, .first = -1, .expected = -1};
    int64_t damage_before = in->damage_count;
    int64_t note_before = in->note_count;
    c.known = (struct log_check_known){.recovery = -1, .start = -1, .watermark = -1};
    if (root != NULL)
        log_root_known(root, dir, &c.known);
    c.metadata = strcmp(dir->name, LOG_METADATA_DIR) == 0;
    c.epoch = c.epoch_told = -1;
    c.epochs.mem = in->mem;
    enum err e = log_producers_init(&c.producers, in->mem);
    if (e != ERR_NONE)
        return e;
    in->file_count += dir->file_count;
    e = check_all(&c, root);
    if (e == ERR_NONE)
        print_result(&c, damage_before, note_before);
    log_producers_free(&c.producers);
    log_epochs_free(&c.epochs);
    mem_free(in->mem, c.segments);
    mem_free(in->mem, c.snapshots);
    return e != ERR_NONE ? e : in->err;
}
