/* rig_inside.c - what a log keeps beside its records is a pure function of them: the tests make it
 * anew from the files and compare. */
#include <stdio.h>
#include <stdlib.h>
#include "log/internal.h"
#include "rig.h"

/* Sealed or not: a segment that is written to has no last time entry yet. */
static void check_index(struct rig *rig, const struct log_segment *segment,
                        const struct format_index *again)
{
    const struct format_index *index = &segment->index;
    (void)rig;
    assert_int_equal(index->counts.of[FORMAT_OFFSETS], again->counts.of[FORMAT_OFFSETS]);
    assert_int_equal(index->max_timestamp, again->max_timestamp);
    assert_true(index->counts.of[FORMAT_TIMES] <= again->counts.of[FORMAT_TIMES]);
    assert_true(index->counts.of[FORMAT_TIMES] + 1 >= again->counts.of[FORMAT_TIMES]);
    for (int32_t i = 0; i < index->counts.of[FORMAT_OFFSETS]; i++) {
        const struct format_index_entry *one = format_index_offset(index, i);
        const struct format_index_entry *other = format_index_offset(again, i);
        assert_int_equal(one->relative, other->relative);
        assert_int_equal(one->position, other->position);
        if (one->first != FORMAT_FIRST_UNKNOWN)
            assert_int_equal(one->first, other->first);
    }
    for (int32_t i = 0; i < index->counts.of[FORMAT_TIMES]; i++) {
        assert_int_equal(format_index_time(index, i)->timestamp,
                         format_index_time(again, i)->timestamp);
        assert_int_equal(format_index_time(index, i)->relative,
                         format_index_time(again, i)->relative);
    }
}

/* Walks the segment's file; its batches go into index and producers. */
static void walk_segment(struct rig *rig, const struct log_segment *segment,
                         struct format_index *index, struct format_producers *producers)
{
    size_t size;
    struct wire_batch batch;
    uint8_t *bytes = rig_file(rig, segment->disk.file->path, &size);
    if (bytes == NULL)
        return; /* not made yet, or the node went down */
    struct bytes in = bytes_of(bytes, MIN(size, (size_t)segment->size));
    int64_t next = segment->base;
    for (size_t at = 0; at < in.size && next < segment->next; at += (size_t)batch.size) {
        assert_int_equal(wire_batch_at(in, at, &batch, NULL), WIRE_AT_BATCH);
        next = wire_batch_last_offset(&batch) + 1;
        struct format_note note = format_note_of(&batch, at, in.data + at);
        assert_ok(format_index_reserve(index, 1));
        format_index_add(index, &note, rig->config.index_interval_bytes);
        if (note.producer_id >= 0)
            assert_ok(format_producers_apply(producers, &note, 1, NULL));
    }
    format_index_seal(index);
    free(bytes);
}

static void check_same_producers(struct rig *rig, struct format_producers *again)
{
    struct bytes a, b, window_a, window_b;
    assert_ok(format_snapshot_encode(&rig->log->producers, &rig->mem, &a, &window_a));
    assert_ok(format_snapshot_encode(again, &rig->mem, &b, &window_b));
    assert_true(bytes_equal(a, b));
    assert_true(bytes_equal(window_a, window_b));
    mem_free(&rig->mem, (void *)(uintptr_t)a.data);
    mem_free(&rig->mem, (void *)(uintptr_t)b.data);
    mem_free(&rig->mem, (void *)(uintptr_t)window_a.data);
    mem_free(&rig->mem, (void *)(uintptr_t)window_b.data);
}

void rig_check_inside(struct rig *rig)
{
    struct format_producers producers;
    assert_ok(format_producers_init(&producers, &rig->mem, NULL));
    int64_t next = -1;
    for (int32_t i = 0; rig->log != NULL && i < rig->log->segment_count; i++) {
        const struct log_segment *segment = rig->log->segments[i];
        struct format_index index;
        if (next >= 0 && rig->config.dense)
            assert_int_equal(segment->base, next);
        assert_true(segment->base >= next);
        next = segment->next;
        format_index_init(&index, &rig->mem, segment->base);
        walk_segment(rig, segment, &index, &producers);
        if (rig->seat != NULL && log_index_known(segment))
            check_index(rig, segment, &index);
        format_index_free(&index);
        if (rig->seat == NULL)
            break;
    }
    if (rig->seat != NULL && rig->log != NULL) {
        assert_int_equal(next, log_end(rig->log));
        check_same_producers(rig, &producers);
    }
    format_producers_free(&producers);
}

/* The files of a full segment's index say what its log does, all of it, and prove it. */
static void check_saved(struct rig *rig, int64_t base, const char *log_path)
{
    size_t log_size;
    struct wire_batch batch;
    struct format_index index;
    struct format_index_crc crc;
    uint8_t *bytes = rig_file(rig, log_path, &log_size);
    assert_non_null(bytes);
    format_index_init(&index, &rig->mem, base);
    for (size_t at = 0; at < log_size; at += (size_t)batch.size) {
        assert_int_equal(wire_batch_at(bytes_of(bytes, log_size), at, &batch, NULL), WIRE_AT_BATCH);
        struct format_note note = format_note_of(&batch, at, bytes + at);
        assert_ok(format_index_reserve(&index, 1));
        format_index_add(&index, &note, rig->config.index_interval_bytes);
    }
    assert_ok(format_index_reserve(&index, 1));
    format_index_seal(&index);
    free(bytes);
    for (int i = 0; i <= FORMAT_DERIVED; i++) {
        char path[ENV_PATH_MAX];
        size_t size;
        snprintf(path, sizeof path, "%.*s%s", (int)(strlen(log_path) - strlen(".log")), log_path,
                 i == 0                    ? ".index.crc"
                 : i == FORMAT_OFFSETS + 1 ? ".index"
                                           : ".timeindex");
        uint8_t *file = rig_file(rig, path, &size);
        if (file == NULL)
            fail_msg("there is no %s", path);
        if (i == 0) {
            assert_ok(format_index_crc_parse(bytes_of(file, size), &crc));
            assert_int_equal(crc.log_bytes, log_size);
        } else {
            uint8_t want[8192];
            int32_t count = index.counts.of[i - 1];
            size_t should = (size_t)count * format_derived[i - 1].size;
            assert_true(should <= sizeof want);
            format_index_encode(&index, (enum format_derived)(i - 1), 0, count, want);
            assert_int_equal(size, should);
            assert_memory_equal(file, want, size);
            assert_int_equal(crc.size[i - 1], size);
            assert_int_equal(crc.crc[i - 1], crc32c(0, file, size));
        }
        free(file);
    }
    format_index_free(&index);
}

void rig_close_sound(struct rig *rig)
{
    int32_t full = rig->log->segment_count - 1;
    int64_t *bases = calloc((size_t)full + 1, sizeof *bases);
    char(*paths)[ENV_PATH_MAX] = calloc((size_t)full + 1, sizeof *paths);
    for (int32_t i = 0; i < full; i++) {
        bases[i] = rig->log->segments[i]->base;
        log_segment_path(rig->log, bases[i], FORMAT_KIND_LOG, paths[i]);
    }
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    for (int32_t i = 0; i < full; i++)
        check_saved(rig, bases[i], paths[i]);
    free(bases);
    free(paths);
}

int32_t rig_next_sequence(struct rig *rig, int64_t producer_id)
{
    const struct format_producer *p = format_producers_find(&rig->log->producers, producer_id);
    return p == NULL || p->count == 0 ? 0 : p->window[p->count - 1].last_sequence + 1;
}

int rig_open_files(struct rig *rig)
{
    struct dir_counts counts;
    dir_count(rig->dir, &counts);
    return counts.open_files;
}

void rig_check_files(struct rig *rig)
{
    struct dir_counts counts;
    int held = 0;
    dir_count(rig->dir, &counts);
    LIST_EACH (log, &rig->logs->logs, struct log, link) {
        for (int32_t i = 0; i < log->segment_count; i++)
            held += log->segments[i]->disk.state == DIR_WRITER_HELD;
    }
    assert_in_range(counts.writers, held, counts.writers_max);
    assert_in_range(counts.open_files, 0, counts.open_files_max);
}
