/* fuzz_checkpoint.c - a byte that chooses a layout, then a file of it: checkpoints, identities,
 * snapshots, indexes, and segments in pieces. What is taken must come out the same when it is
 * written and taken again. */
#include <stdlib.h>
#include <string.h>
#include "format/format.h"
#include "fuzz.h"

#define NOTES 32

static struct mem mem;

static void fuzz_points(struct bytes in)
{
    struct format_points points, again;
    struct text text;
    if (format_points_parse(in, &mem, &points, NULL) != ERR_NONE)
        return;
    text_init(&text, &mem);
    format_points_print_head(&text, points.count);
    for (int32_t i = 0; i < points.count; i++) {
        const struct format_point *row = &points.rows[i];
        char *topic = mem_text(&mem, (const char *)row->topic.data, row->topic.size);
        ASSERT(topic != NULL);
        ASSERT(format_points_find(&points, row->topic, row->partition, -1) == row->offset);
        /* A zero in a name would cut it; no name that Kafka allows has one. */
        if (strlen(topic) == row->topic.size)
            format_points_print_row(&text, topic, row->partition, row->offset);
        else
            text_printf(&text, "x%d 0 0\n", i);
        mem_free(&mem, topic);
    }
    enum err e = format_points_parse(bytes_of(text.data, text.size), &mem, &again, NULL);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT); /* x0 may be there already */
    if (e == ERR_NONE) {
        ASSERT(again.count == points.count);
        mem_free(&mem, again.rows);
    }
    text_free(&text);
    mem_free(&mem, points.rows);
}

static void fuzz_epochs(struct bytes in)
{
    struct format_epochs epochs = {.mem = &mem};
    struct format_epochs again = {.mem = &mem};
    struct text text;
    text_init(&text, &mem);
    if (format_epochs_parse(in, &epochs, NULL) == ERR_NONE) {
        format_epochs_print(&epochs, &text);
        enum err e = format_epochs_parse(bytes_of(text.data, text.size), &again, NULL);
        ASSERT(e == ERR_NONE);
        ASSERT(again.count == epochs.count);
        for (int32_t i = 0; i < epochs.count; i++) {
            ASSERT(again.rows[i].epoch == epochs.rows[i].epoch);
            ASSERT(format_epochs_at(&epochs, epochs.rows[i].start) == epochs.rows[i].epoch);
        }
        format_epochs_cut(&epochs, 100);
        ASSERT(format_epochs_at(&epochs, INT64_MAX) == format_epochs_latest(&epochs));
    }
    text_free(&text);
    format_epochs_free(&epochs);
    format_epochs_free(&again);
}

static void fuzz_identity(struct bytes in)
{
    struct format_meta meta, again;
    struct wire_uuid id;
    struct text text;
    char partition[FORMAT_PARTITION_METADATA_SIZE + 1];
    text_init(&text, &mem);
    if (format_meta_parse(in, &meta, NULL) == ERR_NONE) {
        format_meta_print(&meta, &text);
        enum err e = format_meta_parse(bytes_of(text.data, text.size), &again, NULL);
        /* A name that ends where a line does not, or holds a zero, is cut when it is printed. */
        if (e == ERR_NONE)
            ASSERT(again.node_id == meta.node_id);
    }
    text_free(&text);
    if (format_partition_metadata_parse(in, &id, NULL) != ERR_NONE)
        return;
    format_partition_metadata_print(&id, partition);
    ASSERT(in.size >= FORMAT_PARTITION_METADATA_SIZE);
    ASSERT(memcmp(partition, in.data, FORMAT_PARTITION_METADATA_SIZE) == 0);
}

static void fuzz_crc(struct bytes in)
{
    struct format_redo redo;
    if (format_redo_parse(in, &redo) == ERR_NONE)
        ASSERT(redo.bytes.size <= in.size);
    struct bytes file = bytes_of(in.data, in.size / 2);
    struct bytes crc = bytes_of(in.data + in.size / 2, in.size - in.size / 2);
    if (format_crc_check(crc, file) == ERR_NONE)
        ASSERT(crc.size >= 8);
}

static void fuzz_name(struct bytes in)
{
    char name[FORMAT_NAME_MAX];
    char again[FORMAT_NAME_MAX];
    struct bytes topic;
    int64_t offset;
    int32_t partition;
    size_t size = MIN(in.size, sizeof name - 1);
    memcpy(name, in.data, size);
    name[size] = 0;
    enum format_file_kind kind = format_name_kind(name, &offset);
    if (kind != FORMAT_KIND_OTHER && kind != FORMAT_KIND_LEFTOVER) {
        format_name_print(again, offset, kind);
        ASSERT(strcmp(name, again) == 0);
    }
    if (format_dir_name_parse(name, &topic, &partition))
        ASSERT(topic.size < strlen(name) && partition >= 0);
}

/* Repairs the CRC, so that what is behind it is reached. */
static void fuzz_snapshot(struct bytes in)
{
    struct format_producers producers, again;
    struct bytes snapshot, window, twice, window_twice;
    uint8_t *file = malloc(in.size + 1);
    memcpy(file, in.data, in.size);
    if (in.size >= FORMAT_SNAPSHOT_HEAD)
        put_u32(file + 2, crc32c(0, file + 6, in.size - 6));
    enum err e = format_producers_init(&producers, &mem, NULL);
    ASSERT(e == ERR_NONE);
    e = format_producers_init(&again, &mem, NULL);
    ASSERT(e == ERR_NONE);
    if (format_snapshot_decode(&producers, bytes_of(file, in.size), 1, NULL) == ERR_NONE) {
        e = format_window_decode(&producers, bytes_of(file, in.size), NULL);
        ASSERT(e == ERR_NONE);
        e = format_snapshot_encode(&producers, &mem, &snapshot, &window);
        ASSERT(e == ERR_NONE);
        e = format_snapshot_decode(&again, snapshot, 1, NULL);
        ASSERT(e == ERR_NONE);
        if (window.data != NULL)
            e = format_window_decode(&again, window, NULL);
        ASSERT(e == ERR_NONE);
        e = format_snapshot_encode(&again, &mem, &twice, &window_twice);
        ASSERT(e == ERR_NONE);
        ASSERT(bytes_equal(snapshot, twice));
        mem_free(&mem, (void *)(uintptr_t)snapshot.data);
        mem_free(&mem, (void *)(uintptr_t)window.data);
        mem_free(&mem, (void *)(uintptr_t)twice.data);
        mem_free(&mem, (void *)(uintptr_t)window_twice.data);
    }
    format_producers_free(&producers);
    format_producers_free(&again);
    free(file);
}

static void fuzz_index(struct bytes in)
{
    struct format_index index;
    bool whole;
    size_t half = in.size / 2;
    format_index_init(&index, &mem, 1000);
    const struct bytes files[FORMAT_DERIVED] = {
        [FORMAT_OFFSETS] = bytes_of(in.data, half),
        [FORMAT_TIMES] = bytes_of(in.data + half, in.size - half),
    };
    ASSERT(format_index_decode(&index, files, 1 << 30, INT64_MAX, &whole) == ERR_NONE);
    uint8_t *out = malloc(in.size + 1);
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        int32_t count = index.counts.of[kind];
        format_index_encode(&index, (enum format_derived)kind, 0, count, out);
        ASSERT(memcmp(out, files[kind].data, (size_t)count * format_derived[kind].size) == 0);
    }
    int32_t count = index.counts.of[FORMAT_OFFSETS];
    for (int32_t i = 0; i < count; i++) {
        const struct format_index_entry *entry = format_index_offset(&index, i);
        ASSERT(format_index_floor(&index, 1000 + (int64_t)entry->relative) == entry);
        ASSERT(format_index_floor_position(&index, entry->position) == entry);
    }
    format_index_cut(&index, count == 0 ? 1 : format_index_offset(&index, count / 2)->position);
    ASSERT(format_index_floor_time(&index, INT64_MIN) == 1000);
    format_index_free(&index);
    free(out);
}

/* However it is cut into pieces, the same batches are found. */
static int32_t walk(struct bytes in, size_t piece, bool crc, uint64_t *digest)
{
    static struct format_note notes[NOTES];
    struct format_scan scan = {.notes = notes, .notes_max = NOTES, .crc = crc, .expected = -1};
    size_t position = 0;
    int32_t count = 0;
    *digest = 0;
    while (position < in.size) {
        scan.data = in.data + position;
        scan.size = MIN(piece, in.size - position);
        scan.position = position;
        scan.last = position + scan.size == in.size;
        format_scan(&scan);
        for (int32_t i = 0; i < scan.note_count; i++)
            *digest = hash_combine(*digest, scan.notes[i].position ^ (uint64_t)scan.notes[i].last);
        count += scan.note_count;
        if (scan.end != FORMAT_SCAN_MORE) {
            ASSERT(scan.bad_at <= in.size);
            *digest = hash_combine(*digest, scan.bad_at);
            return count;
        }
        ASSERT(scan.used > 0);
        position += scan.used;
    }
    return count;
}

static void fuzz_segment(struct bytes in)
{
    uint64_t whole, pieces;
    int32_t count = walk(in, in.size, false, &whole);
    int32_t again = walk(in, 128, false, &pieces);
    ASSERT(count == again);
    ASSERT(whole == pieces);
    walk(in, in.size, true, &whole);
    struct format_search search = {.data = in, .expected = 0};
    format_search(&search);
    ASSERT(search.at <= in.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct bytes) = {fuzz_points, fuzz_epochs, fuzz_identity,
                                                    fuzz_crc,    fuzz_name,   fuzz_snapshot,
                                                    fuzz_index,  fuzz_segment};
    if (size < 1)
        return 0;
    mem_system(&mem);
    /* A copy of its own size, so that a byte too far is seen. */
    uint8_t *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    targets[data[0] % COUNT_OF(targets)](bytes_of(copy, size - 1));
    free(copy);
    ASSERT(mem.live_count == 0);
    return 0;
}
