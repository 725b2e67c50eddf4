/* partition.c - a partition's directory as a whole: its files are sorted out, its segments
 * walked in order, and its ends compared with what the checkpoints say. Pure. */
#include "inspect/internal.h"

/* ---- sorting out ---- */

static int compare_segments(const void *a, const void *b)
{
    int64_t x = ((const struct inspect_check_segment *)a)->base;
    int64_t y = ((const struct inspect_check_segment *)b)->base;
    return (x > y) - (x < y);
}

static int compare_snapshots(const void *a, const void *b)
{
    int64_t x = ((const struct inspect_check_snapshot *)a)->offset;
    int64_t y = ((const struct inspect_check_snapshot *)b)->offset;
    return (x > y) - (x < y);
}

static struct inspect_check_segment *find_segment(const struct inspect_check *c, int64_t base)
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

static void take_index(struct inspect_check *c, struct inspect_file *file, enum inspect_type type,
                       int64_t base)
{
    struct inspect_check_segment *segment = find_segment(c, base);
    if (segment == NULL)
        inspect_check_orphan(c, file, type);
    else if (type == INSPECT_TYPE_INDEX)
        segment->index = file;
    else if (type == INSPECT_TYPE_TIMEINDEX)
        segment->times = file;
    else
        segment->txns = file;
}

static void take_file(struct inspect_check *c, struct inspect_file *file)
{
    int64_t offset;
    enum inspect_type type = inspect_type(file->name, &offset);
    switch (type) {
    case INSPECT_TYPE_LOG:
    case INSPECT_TYPE_SNAPSHOT:
    case INSPECT_TYPE_WINDOW:
        return; /* taken already */
    case INSPECT_TYPE_INDEX:
    case INSPECT_TYPE_TIMEINDEX:
    case INSPECT_TYPE_TXNINDEX:
        take_index(c, file, type, offset);
        return;
    case INSPECT_TYPE_INDEX_CRC:
        return; /* when all indexes are known */
    case INSPECT_TYPE_EPOCHS:
        c->epochs_file = file;
        inspect_check_small(c->in, c->dir, file, type);
        return;
    default:
        inspect_check_small(c->in, c->dir, file, type);
        return;
    }
}

/* A snapshot and its windows have one row, whichever is there. */
static void merge_snapshots(struct inspect_check *c)
{
    int32_t count = 0;
    for (int32_t i = 0; i < c->snapshot_count; i++) {
        struct inspect_check_snapshot *row = &c->snapshots[i];
        struct inspect_check_snapshot *last = count > 0 ? &c->snapshots[count - 1] : NULL;
        if (last == NULL || last->offset != row->offset) {
            c->snapshots[count++] = *row;
            continue;
        }
        last->file = last->file != NULL ? last->file : row->file;
        last->window = last->window != NULL ? last->window : row->window;
    }
    c->snapshot_count = count;
}

static void take_named(struct inspect_check *c)
{
    for (int32_t i = 0; i < c->dir->file_count; i++) {
        struct inspect_file *file = &c->dir->files[i];
        int64_t offset;
        enum inspect_type type = inspect_type(file->name, &offset);
        if (type == INSPECT_TYPE_LOG)
            c->segments[c->segment_count++] =
                (struct inspect_check_segment){.base = offset, .log = file};
        else if (type == INSPECT_TYPE_SNAPSHOT)
            c->snapshots[c->snapshot_count++] =
                (struct inspect_check_snapshot){.offset = offset, .file = file};
        else if (type == INSPECT_TYPE_WINDOW)
            c->snapshots[c->snapshot_count++] =
                (struct inspect_check_snapshot){.offset = offset, .window = file};
    }
}

static void check_index_crcs(struct inspect_check *c)
{
    for (int32_t i = 0; i < c->dir->file_count; i++) {
        int64_t base;
        struct inspect_file *file = &c->dir->files[i];
        if (inspect_type(file->name, &base) == INSPECT_TYPE_INDEX_CRC)
            inspect_check_index_crc(c, file, find_segment(c, base));
    }
}

static enum err sort_out(struct inspect_check *c)
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

/* What cannot be read has been told by inspect_check_small. */
static enum err read_epochs(struct inspect_check *c)
{
    struct inspect_file *file = c->epochs_file;
    if (file == NULL || !inspect_map(c->in, c->dir, file))
        return ERR_NONE;
    enum err e = format_epochs_parse(file->bytes, &c->epochs, NULL);
    inspect_unmap(c->in, file);
    if (e != ERR_NONE)
        c->epochs_file = NULL;
    return e == ERR_CORRUPT ? ERR_NONE : e;
}

/* kiln format, or Kafka's tool, has said who votes, and the node did not start yet. */
static bool is_formatted(const struct inspect_check *c)
{
    char name[FORMAT_NAME_MAX];
    format_checkpoint_name(name, 0, 0);
    return c->known.recovery <= 0 && inspect_find(c->dir, name) != NULL &&
           inspect_find(c->dir, "partition.metadata") == NULL;
}

static void read_id(struct inspect_check *c, struct inspect_root *root)
{
    struct wire_uuid id;
    struct inspect_file *file = inspect_find(c->dir, "partition.metadata");
    if (file == NULL && !c->alone && !is_formatted(c))
        inspect_report(c->in, c->dir, NULL, INSPECT_FIND_ID_MISSING, -1,
                       "there is no partition.metadata");
    if (file == NULL || root == NULL || !inspect_map(c->in, c->dir, file))
        return;
    if (format_partition_metadata_parse(file->bytes, &id, NULL) == ERR_NONE)
        inspect_root_note_id(c->in, root, c->dir, &id);
    inspect_unmap(c->in, file);
}

/* ---- its ends ---- */

static void check_ends(struct inspect_check *c)
{
    const struct inspect_check_known *known = &c->known;
    const struct format_epochs *epochs = &c->epochs;
    long long end = c->expected;
    if (c->segment_count == 0) {
        if (c->known.places != NULL && inspect_is_partition(c->dir->name) && !is_formatted(c))
            inspect_report(c->in, c->dir, NULL, INSPECT_FIND_SEGMENT_GONE, -1,
                           "there is no segment at all");
        return;
    }
    /* A tail that is gone below the recovery point has been told. */
    if (known->recovery > c->expected && !c->torn)
        inspect_report(c->in, c->dir, NULL, INSPECT_FIND_RECOVERY_BEYOND, -1,
                       "the log ends at offset %lld, and the recovery point is %lld", end,
                       (long long)known->recovery);
    if (known->start >= 0 && (known->start < c->first || known->start > c->expected))
        inspect_report(c->in, c->dir, NULL, INSPECT_FIND_START_OUTSIDE, -1,
                       "the log start offset is %lld, and the log has %lld to %lld",
                       (long long)known->start, (long long)c->first, end);
    if (known->watermark > c->expected)
        inspect_report(c->in, c->dir, NULL, INSPECT_FIND_WATERMARK_BEYOND, -1,
                       "the high watermark is %lld, and the log ends at offset %lld",
                       (long long)known->watermark, end);
    if (c->epochs_file != NULL && epochs->count > 0 &&
        epochs->rows[epochs->count - 1].start > c->expected)
        inspect_report(c->in, c->dir, c->epochs_file, INSPECT_FIND_EPOCH_BEYOND, -1,
                       "leader epoch %d begins at offset %lld, and the log ends at %lld",
                       epochs->rows[epochs->count - 1].epoch,
                       (long long)epochs->rows[epochs->count - 1].start, end);
}

static void print_result(struct inspect_check *c, int64_t damage_before, int64_t note_before)
{
    struct inspect *in = c->in;
    if (c->alone && c->segment_count == 0)
        return;
    inspect_row_begin(in, "checked", NULL, NULL);
    inspect_row_path(in, "path", c->dir, c->alone ? c->segments[0].log : NULL);
    inspect_row_int(in, "segments", c->segment_count);
    inspect_row_int(in, "first_offset", c->first);
    inspect_row_int(in, "end_offset", c->expected);
    inspect_row_int(in, "batches", c->batch_count);
    inspect_row_int(in, "records", c->record_count);
    inspect_row_int(in, "bytes", c->byte_count);
    inspect_row_int(in, "damage", in->damage_count - damage_before);
    inspect_row_int(in, "notes", in->note_count - note_before);
    inspect_row_end(in);
}

static enum err check_all(struct inspect_check *c, struct inspect_root *root)
{
    enum err e = sort_out(c);
    if (e == ERR_NONE)
        e = read_epochs(c);
    if (e != ERR_NONE)
        return e;
    read_id(c, root);
    for (int32_t i = 0; i < c->segment_count && c->in->err == ERR_NONE; i++)
        inspect_check_segment(c, i);
    inspect_check_snapshots_end(c);
    check_ends(c);
    return c->in->err;
}

enum err inspect_check(struct inspect *in, struct inspect_root *root, const struct inspect_dir *dir,
                       bool alone)
{
    struct inspect_check c = {.in = in, .dir = dir, .alone = alone, .first = -1, .expected = -1};
    int64_t damage_before = in->damage_count;
    int64_t note_before = in->note_count;
    c.known = (struct inspect_check_known){.recovery = -1, .start = -1, .watermark = -1};
    if (root != NULL)
        inspect_root_known(root, dir, &c.known);
    c.metadata = strcmp(dir->name, INSPECT_METADATA_DIR) == 0;
    c.epoch = c.epoch_told = -1;
    c.epochs.mem = in->mem;
    enum err e = format_producers_init(&c.producers, in->mem, NULL);
    if (e != ERR_NONE)
        return e;
    in->file_count += dir->file_count;
    e = check_all(&c, root);
    if (e == ERR_NONE)
        print_result(&c, damage_before, note_before);
    format_producers_free(&c.producers);
    format_epochs_free(&c.epochs);
    mem_free(in->mem, c.segments);
    mem_free(in->mem, c.snapshots);
    return e != ERR_NONE ? e : in->err;
}
