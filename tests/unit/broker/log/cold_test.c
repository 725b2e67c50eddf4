/* cold_test.c - reads of bytes that nobody has checked in this life: they are checked, and then
 * given from their file, so that who holds what he read holds no memory. */
#include <stdlib.h>
#include "log/internal.h"
#include "rig.h"

#define BATCHES 40
#define BATCH_BYTES 20000
#define READERS 60
#define BYTES_ASKED (1 << 20)

struct reader {
    struct log_read read;
    bool done;
    enum err e;
};

static void on_read(struct log_op *op, enum err e)
{
    struct reader *reader = CONTAINER_OF(op, struct reader, read.op);
    reader->done = true;
    reader->e = e;
}

static void begin_read(struct rig *rig, struct reader *reader, int64_t offset)
{
    *reader = (struct reader){.read.offset = offset,
                              .read.offset_end = log_end(rig->log),
                              .read.bytes_max = BYTES_ASKED,
                              .read.at_least_one = true};
    log_read(rig->log, &reader->read, on_read);
}

/* A log whose records are those of an earlier life. heap may be NULL. */
static struct rig *cold_rig(uint64_t seed, struct mem *heap)
{
    struct rig *rig = rig_new(seed);
    rig->heap = heap;
    rig->config.segment_bytes = 64 << 20;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < BATCHES; i++)
        assert_int_equal(rig_append(rig, 1, BATCH_BYTES).verdict, LOG_APPENDED);
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    return rig;
}

TEST(who_holds_what_he_read_holds_a_file_and_no_memory)
{
    struct test_mem heap;
    test_mem_init(&heap);
    struct rig *rig = cold_rig(1, &heap.mem);
    uint64_t before = heap.bytes;
    heap.bytes_peak = before;
    struct reader *readers = calloc(READERS, sizeof *readers);
    for (int i = 0; i < READERS; i++)
        begin_read(rig, &readers[i], i % BATCHES);
    for (int i = 0; i < READERS; i++) {
        assert_true(rig_until(rig, &readers[i].done));
        assert_ok(readers[i].e);
        assert_int_equal(readers[i].read.part_count, 1);
        assert_null(readers[i].read.parts[0].data);
        assert_int_equal(readers[i].read.next_offset, BATCHES);
    }
    assert_true(heap.bytes < before + 100000);
    assert_true(heap.bytes_peak < before + 20 * BYTES_ASKED);
    for (int i = 0; i < READERS; i++)
        log_read_release(&readers[i].read);
    assert_int_equal(rig_read_all(rig, BATCHES, 100000, false), BATCHES);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    test_mem_done(&heap);
    free(readers);
}

#define FEW_BYTES (2 * BATCH_BYTES) /* less than three batches */

/* Each reads a little from where he came to, and they take turns: nobody's place is the newest.
 * Gives how many reads of the rest of the log took time, which is what asks the disk. */
static int read_in_turns(struct rig *rig, int64_t at[READERS], struct log_cursor *cursors)
{
    int waited = 0;
    for (int turn = 0; turn < 7; turn++) {
        for (int i = 0; i < READERS; i++) {
            struct reader reader;
            reader = (struct reader){.read.offset = at[i],
                                     .read.offset_end = log_end(rig->log),
                                     .read.bytes_max = FEW_BYTES,
                                     .read.at_least_one = true,
                                     .read.cursor = cursors == NULL ? NULL : &cursors[i]};
            log_read(rig->log, &reader.read, on_read);
            waited += turn > 0 && !reader.done;
            assert_true(rig_until(rig, &reader.done));
            assert_ok(reader.e);
            if (at[i] < log_end(rig->log))
                assert_int_equal(rig_check_part(rig, &reader.read.parts[0], at[i]),
                                 reader.read.next_offset);
            at[i] = reader.read.next_offset;
            log_read_release(&reader.read);
        }
    }
    return waited;
}

/* However many there are: who remembers his place is not looked up, and who does not is, beyond a
 * few. After a cut no place counts, though an offset beyond it was read. */
TEST(who_remembers_his_place_is_not_looked_up)
{
    struct rig *rig = cold_rig(3, NULL);
    struct log_cursor cursors[READERS] = {{0}};
    int64_t at[READERS], others[READERS];
    for (int i = 0; i < READERS; i++)
        at[i] = others[i] = i % 7;
    assert_int_equal(rig_read_all(rig, BATCHES, 2 * BATCHES * BATCH_BYTES, false), BATCHES);
    assert_int_equal(read_in_turns(rig, at, cursors), 0);
    assert_true(read_in_turns(rig, others, NULL) > 0);
    rig_ok(rig, rig_truncate(rig, 4));
    /* More than the newest batches, whose places the log knows itself. */
    for (int i = 4; i < 700; i++)
        assert_int_equal(rig_append(rig, 1, 200 + i % 90).verdict, LOG_APPENDED);
    assert_true(rig_until_durable(rig));
    read_in_turns(rig, at, cursors);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

struct seeker {
    struct log_seek seek;
    bool done;
};

static void on_found(struct log_op *op, enum err e)
{
    assert_ok(e);
    CONTAINER_OF(op, struct seeker, seek.op)->done = true;
}

/* However many ask for a time at once, a few have bytes in memory, and what else they need is borne
 * by who asks. */
TEST(seeks_take_turns)
{
    struct test_mem heap, asker;
    test_mem_init(&heap);
    test_mem_init(&asker);
    struct rig *rig = cold_rig(2, &heap.mem);
    uint64_t before = heap.bytes;
    heap.bytes_peak = before;
    struct seeker *seekers = calloc(READERS, sizeof *seekers);
    for (int i = 0; i < READERS; i++) {
        seekers[i].seek.timestamp_ms = i;
        seekers[i].seek.offset_end = BATCHES;
        seekers[i].seek.mem = &asker.mem;
        log_seek(rig->log, &seekers[i].seek, on_found);
    }
    assert_true(asker.bytes > READERS / 2 * 100);
    for (int i = 0; i < READERS; i++)
        assert_true(rig_until(rig, &seekers[i].done));
    assert_true(heap.bytes_peak < before + LOG_TURNS_MAX * (LOG_PIECE_SMALL + (32 << 10)));
    assert_true(asker.bytes == 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    test_mem_done(&heap);
    test_mem_done(&asker);
    free(seekers);
}

/* All of them at once, and while they wait for each other the log is closed or cut. */
TEST(reads_that_wait_for_others_end_with_their_log)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig *rig = cold_rig(seed, NULL);
        struct reader *readers = calloc(READERS, sizeof *readers);
        for (int i = 0; i < READERS; i++)
            begin_read(rig, &readers[i], i % BATCHES);
        if (seed % 2 == 0)
            rig_ok(rig, rig_truncate(rig, BATCHES / 2));
        for (int i = 0; i < READERS; i++) {
            assert_true(rig_until(rig, &readers[i].done));
            if (seed % 2 == 1)
                assert_ok(readers[i].e);
            else
                assert_true(readers[i].e == ERR_NONE || readers[i].e == ERR_CANCELLED ||
                            readers[i].e == ERR_RANGE);
            log_read_release(&readers[i].read);
        }
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
        free(readers);
    }
}
