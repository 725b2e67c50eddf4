/* sample_test.c - files that Apache Kafka wrote (tests/vectors/kafka-sample-segment): read, and
 * written again byte for byte. */
#include <stdlib.h>
#include "format/format.h"
#include "support/test.h"

#define SAMPLE "vectors/kafka-sample-segment/"

struct sample {
    uint8_t *data;
    size_t size;
};

static struct sample load(const char *path)
{
    struct sample s;
    s.data = test_read_file(path, &s.size);
    return s;
}

static struct bytes bytes_in(struct sample s)
{
    return bytes_of(s.data, s.size);
}

TEST(kafkas_index_is_read_and_written_byte_for_byte)
{
    struct sample offsets = load(SAMPLE "t-1/00000000000000000100.index");
    struct sample times = load(SAMPLE "t-1/00000000000000000100.timeindex");
    const struct bytes files[FORMAT_DERIVED] = {bytes_in(offsets), bytes_in(times)};
    struct mem mem;
    struct format_index index;
    uint8_t out[64];
    bool whole;
    mem_system(&mem);
    format_index_init(&index, &mem, 100);
    assert_ok(format_index_decode(&index, files, 1 << 20, 200, &whole));
    assert_true(whole);
    assert_int_equal(format_index_floor(&index, 109)->position, 4096);
    assert_int_equal(format_index_floor(&index, 110)->position, 8192);
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        int32_t count = index.counts.of[kind];
        format_index_encode(&index, (enum format_derived)kind, 0, count, out);
        assert_int_equal(files[kind].size, (size_t)count * format_derived[kind].size);
        assert_memory_equal(out, files[kind].data, files[kind].size);
    }
    format_index_free(&index);
    free(offsets.data);
    free(times.data);
}

TEST(kafkas_producer_snapshot_is_read_and_written_byte_for_byte)
{
    struct sample file = load(SAMPLE "t-1/00000000000000000111.snapshot");
    struct mem mem;
    struct format_producers producers;
    struct bytes snapshot, window;
    mem_system(&mem);
    assert_ok(format_producers_init(&producers, &mem, NULL));
    assert_ok(format_snapshot_decode(&producers, bytes_in(file), 1, NULL));
    const struct format_producer *p = format_producers_find(&producers, 4711);
    assert_non_null(p);
    assert_int_equal(p->epoch, 3);
    assert_int_equal(p->coordinator_epoch, 5);
    assert_int_equal(p->txn_first, 109);
    assert_int_equal(p->window[0].last_sequence, 8);
    assert_int_equal(p->window[0].last_offset, 110);
    assert_ok(format_snapshot_encode(&producers, &mem, &snapshot, &window));
    assert_true(bytes_equal(snapshot, bytes_in(file)));
    assert_int_equal(window.size, FORMAT_SNAPSHOT_HEAD);
    mem_free(&mem, (void *)(uintptr_t)window.data);
    mem_free(&mem, (void *)(uintptr_t)snapshot.data);
    format_producers_free(&producers);
    assert_int_equal(mem.live_count, 0);
    free(file.data);
}

TEST(kafkas_epochs_and_identities_are_written_byte_for_byte)
{
    struct sample epochs_file = load(SAMPLE "t-1/leader-epoch-checkpoint");
    struct sample metadata = load(SAMPLE "t-1/partition.metadata");
    char again[FORMAT_PARTITION_METADATA_SIZE + 1];
    struct wire_uuid id;
    struct mem mem;
    struct text text;
    mem_system(&mem);
    struct format_epochs epochs = {.mem = &mem};
    text_init(&text, &mem);
    assert_ok(format_epochs_parse(bytes_in(epochs_file), &epochs, NULL));
    assert_int_equal(format_epochs_at(&epochs, 99), 0);
    assert_int_equal(format_epochs_at(&epochs, 100), 7);
    format_epochs_print(&epochs, &text);
    assert_true(bytes_equal(bytes_of(text.data, text.size), bytes_in(epochs_file)));
    assert_ok(format_partition_metadata_parse(bytes_in(metadata), &id, NULL));
    format_partition_metadata_print(&id, again);
    assert_true(bytes_equal(bytes_text(again), bytes_in(metadata)));
    text_free(&text);
    format_epochs_free(&epochs);
    free(epochs_file.data);
    free(metadata.data);
}

TEST(kafkas_recovery_points_are_written_byte_for_byte)
{
    struct sample file = load(SAMPLE "t-1/recovery-point-offset-checkpoint");
    struct mem mem;
    struct text text;
    struct format_points points;
    mem_system(&mem);
    text_init(&text, &mem);
    assert_ok(format_points_parse(bytes_in(file), &mem, &points, NULL));
    assert_int_equal(format_points_find(&points, bytes_text("t"), 0, -1), 111);
    format_points_print_head(&text, 1);
    format_points_print_row(&text, "t", 0, 111);
    assert_true(bytes_equal(bytes_of(text.data, text.size), bytes_in(file)));
    text_free(&text);
    mem_free(&mem, points.rows);
    free(file.data);
}

/* Every codec, and a transaction's marker at the end (t-0.dump.txt). */
TEST(kafkas_segment_is_scanned_and_its_producer_known)
{
    struct sample file = load(SAMPLE "t-0/00000000000000000000.log");
    struct format_note notes[16];
    struct mem mem;
    struct format_producers producers;
    struct format_scan scan = {.data = file.data,
                               .size = file.size,
                               .last = true,
                               .crc = true,
                               .notes = notes,
                               .notes_max = 16};
    format_scan(&scan);
    assert_int_equal(scan.end, FORMAT_SCAN_MORE);
    assert_int_equal(scan.used, file.size);
    assert_int_equal(scan.note_count, 6);
    assert_int_equal(notes[4].position, 552);
    assert_int_equal(notes[5].marker, WIRE_CONTROL_COMMIT);
    assert_int_equal(notes[5].coordinator_epoch, 5);
    mem_system(&mem);
    assert_ok(format_producers_init(&producers, &mem, NULL));
    for (int i = 0; i < scan.note_count; i++)
        assert_ok(format_producers_apply(&producers, &notes[i], 1, NULL));
    const struct format_producer *p = format_producers_find(&producers, 4711);
    assert_int_equal(p->count, 5);
    assert_int_equal(p->window[4].last_sequence, 14);
    assert_int_equal(p->coordinator_epoch, 5);
    assert_int_equal(p->txn_first, -1);
    assert_int_equal(p->timestamp, 1700000009000);
    format_producers_free(&producers);
    free(file.data);
}
