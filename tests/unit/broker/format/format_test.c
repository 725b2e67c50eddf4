/* format_test.c - the pure half of the log: layouts, index, producers, scan. */
#include <stdlib.h>
#include <stdio.h>
#include "format/format.h"
#include "support/test.h"

/* ---- names ---- */

TEST(names_of_files_are_told_apart)
{
    int64_t offset;
    assert_int_equal(format_name_kind("00000000000000000100.log", &offset), FORMAT_KIND_LOG);
    assert_int_equal(offset, 100);
    assert_int_equal(format_name_kind("00000000000000000111.snapshot", &offset),
                     FORMAT_KIND_SNAPSHOT);
    assert_int_equal(format_name_kind("00000000000000000111.snapshot-window", &offset),
                     FORMAT_KIND_WINDOW);
    assert_int_equal(format_name_kind("00000000000000000100.log.cut-120", &offset),
                     FORMAT_KIND_OTHER);
    assert_int_equal(format_name_kind("00000000000000000100.log.deleted", &offset),
                     FORMAT_KIND_LEFTOVER);
    assert_int_equal(format_name_kind("leader-epoch-checkpoint", &offset), FORMAT_KIND_OTHER);
    assert_int_equal(format_name_kind("0000000000000000010x.log", &offset), FORMAT_KIND_OTHER);
    assert_int_equal(format_name_kind("-0000000000000000001.log", &offset), FORMAT_KIND_OTHER);
}

static bool parses(const char *name, const char *topic, int32_t partition)
{
    struct bytes t;
    int32_t p;
    return format_dir_name_parse(name, &t, &p) && bytes_equal(t, bytes_text(topic)) &&
           p == partition;
}

TEST(names_of_directories_are_taken_apart)
{
    struct bytes t;
    int32_t p;
    assert_true(parses("orders-7", "orders", 7));
    assert_true(parses("a-b-0", "a-b", 0));
    assert_true(parses("__cluster_metadata-0", "__cluster_metadata", 0));
    assert_false(format_dir_name_parse("orders", &t, &p));
    assert_false(format_dir_name_parse("orders-", &t, &p));
    assert_false(format_dir_name_parse("-1", &t, &p));
    assert_false(format_dir_name_parse("orders-07", &t, &p));
    assert_false(format_dir_name_parse("orders-99999999999", &t, &p));
    assert_false(format_dir_name_parse("orders-0.abc-delete", &t, &p));
}

/* ---- text files ---- */

TEST(offset_checkpoints_are_found_by_partition)
{
    struct mem mem;
    struct format_points points;
    mem_system(&mem);
    const char *file = "0\n3\norders 1 20\norders 0 10\na b 5 7\n";
    assert_ok(format_points_parse(bytes_text(file), &mem, &points, NULL));
    assert_int_equal(points.count, 3);
    assert_int_equal(format_points_find(&points, bytes_text("orders"), 0, -1), 10);
    assert_int_equal(format_points_find(&points, bytes_text("orders"), 1, -1), 20);
    assert_int_equal(format_points_find(&points, bytes_text("a b"), 5, -1), 7);
    assert_int_equal(format_points_find(&points, bytes_text("order"), 0, -1), -1);
    mem_free(&mem, points.rows);
    assert_int_equal(mem.live_count, 0);
}

TEST(offset_checkpoints_that_cannot_be_are_refused)
{
    static const char *const files[] = {
        "",
        "1\n0\n",
        "0\n",
        "0\n1\n",
        "0\n1\norders 0\n",
        "0\n1\norders 0 -1\n",
        "0\n1\norders x 1\n",
        "0\n1\norders 0 1\norders 1 1\n",
        "0\n99999999999999\n",
        "0\n2\norders 0 1\norders 0 1\n",
        "0\n-1\n",
        "0\n1\n 0 1\n",
        "0\n1\norders 0 1 \n",
    };
    struct mem mem;
    struct format_points points;
    mem_system(&mem);
    for (int i = 0; i < COUNT_OF(files); i++)
        assert_int_equal(format_points_parse(bytes_text(files[i]), &mem, &points, NULL),
                         ERR_CORRUPT);
    assert_int_equal(mem.live_count, 0);
}

TEST(epochs_give_way_and_are_cut)
{
    struct mem mem;
    mem_system(&mem);
    struct format_epochs epochs = {.mem = &mem};
    for (int i = 0; i < 4; i++)
        assert_ok(format_epochs_reserve(&epochs, 1));
    assert_int_equal(format_epochs_latest(&epochs), -1);
    assert_true(format_epochs_assign(&epochs, 0, 0));
    assert_false(format_epochs_assign(&epochs, 0, 5));
    assert_true(format_epochs_assign(&epochs, 3, 10));
    assert_true(format_epochs_assign(&epochs, 4, 10)); /* 3 wrote nothing */
    assert_int_equal(epochs.count, 2);
    assert_int_equal(format_epochs_at(&epochs, 9), 0);
    assert_int_equal(format_epochs_at(&epochs, 10), 4);
    assert_true(format_epochs_cut(&epochs, 10));
    assert_int_equal(format_epochs_latest(&epochs), 0);
    assert_false(format_epochs_cut(&epochs, 1));
    format_epochs_free(&epochs);
    assert_int_equal(mem.live_count, 0);
}

/* Two logs that were one until their leaders parted, as (epoch, first offset). */
static void make_epochs(struct format_epochs *epochs, struct mem *mem, const int64_t *rows,
                        int count)
{
    *epochs = (struct format_epochs){.mem = mem};
    assert_ok(format_epochs_reserve(epochs, count));
    for (int i = 0; i < count; i++)
        assert_true(format_epochs_assign(epochs, (int32_t)rows[2 * i], rows[2 * i + 1]));
}

TEST(where_an_epoch_ends)
{
    static const int64_t rows[] = {1, 5, 3, 10, 4, 20};
    static const int64_t expected[][3] = {{0, 0, 5},  {1, 1, 10}, {2, 1, 10},
                                          {3, 3, 20}, {4, 4, 33}, {5, -1, -1}};
    struct mem mem;
    struct format_epochs epochs;
    int32_t found;
    int64_t end;
    mem_system(&mem);
    make_epochs(&epochs, &mem, rows, 3);
    for (int i = 0; i < COUNT_OF(expected); i++) {
        format_epochs_end_of(&epochs, 33, (int32_t)expected[i][0], &found, &end);
        assert_int_equal(found, expected[i][1]);
        assert_int_equal(end, expected[i][2]);
    }
    format_epochs_free(&epochs);
    format_epochs_end_of(&epochs, 0, 0, &found, &end);
    assert_int_equal(found, -1);
    assert_int_equal(end, -1);
    assert_int_equal(mem.live_count, 0);
}

/* KIP-279: the follower does not know the leader's epoch 2, nor the leader its 3. */
TEST(what_two_logs_have_in_common)
{
    static const int64_t follower[] = {1, 0, 3, 20};
    struct mem mem;
    struct format_epochs epochs;
    mem_system(&mem);
    make_epochs(&epochs, &mem, follower, 2);
    assert_int_equal(format_epochs_common(&epochs, 30, 2, 25), 20); /* 2 ended there */
    assert_int_equal(format_epochs_common(&epochs, 30, 1, 12), 12);
    assert_int_equal(format_epochs_common(&epochs, 30, 1, 25), 20);
    assert_int_equal(format_epochs_common(&epochs, 30, 3, 40), 30); /* never ahead */
    assert_int_equal(format_epochs_common(&epochs, 30, 7, 22), 22); /* all it knows is older */
    assert_int_equal(format_epochs_common(&epochs, 30, 0, 4), 0);
    format_epochs_free(&epochs);
    assert_int_equal(mem.live_count, 0);
}

TEST(epoch_checkpoints_must_ascend)
{
    static const char *const files[] = {"0\n2\n0 0\n0 5\n", "0\n2\n1 5\n2 5\n", "0\n1\n-1 0\n",
                                        "0\n2\n0 0\n", "0\n1\n0 0\n1 1\n"};
    struct mem mem;
    mem_system(&mem);
    struct format_epochs epochs = {.mem = &mem};
    for (int i = 0; i < COUNT_OF(files); i++)
        assert_int_equal(format_epochs_parse(bytes_text(files[i]), &epochs, NULL), ERR_CORRUPT);
    format_epochs_free(&epochs);
}

TEST(a_checksum_fits_the_file_and_the_one_before)
{
    char text[FORMAT_CRC_FILE_SIZE + 1];
    struct bytes now = bytes_text("123456789");
    struct bytes before = bytes_text("before");
    format_crc_print(crc32c(0, now.data, now.size), crc32c(0, before.data, before.size), text);
    assert_memory_equal(text, "e3069283\n", 9);
    assert_ok(format_crc_check(bytes_text(text), now));
    assert_ok(format_crc_check(bytes_text(text), before));
    assert_int_equal(format_crc_check(bytes_text(text), bytes_text("other")), ERR_CORRUPT);
    assert_int_equal(format_crc_check(bytes_text(""), now), ERR_CORRUPT);
    assert_int_equal(format_crc_check(bytes_text("e306928"), now), ERR_CORRUPT);
    assert_ok(format_crc_check(bytes_text("e3069283"), now));
}

/* ---- index ---- */

static struct format_note note_at(uint64_t position, int64_t base, int64_t last, int64_t timestamp)
{
    return (struct format_note){
        .position = position, .base = base, .last = last, .max_timestamp = timestamp};
}

/* Entries at the batches before which more than interval bytes have passed. */
TEST(an_index_has_an_entry_every_interval)
{
    struct mem mem;
    struct format_index index;
    mem_system(&mem);
    format_index_init(&index, &mem, 100);
    assert_ok(format_index_reserve(&index, 10));
    for (int i = 0; i < 10; i++) {
        struct format_note note = note_at((uint64_t)i * 1000, 100 + i * 5, 104 + i * 5, 50 + i);
        format_index_add(&index, &note, 3000);
    }
    assert_int_equal(index.counts.of[FORMAT_OFFSETS], 2);
    assert_int_equal(format_index_offset(&index, 0)->position, 4000);
    assert_int_equal(format_index_offset(&index, 0)->relative, 24);
    assert_int_equal(format_index_offset(&index, 1)->position, 8000);
    assert_int_equal(index.counts.of[FORMAT_TIMES], 2);
    assert_null(format_index_floor(&index, 123));
    assert_int_equal(format_index_floor(&index, 124)->position, 4000);
    assert_int_equal(format_index_floor(&index, 1000)->position, 8000);
    assert_int_equal(format_index_floor_position(&index, 7999)->position, 4000);
    assert_int_equal(format_index_floor_time(&index, 54), 100);
    assert_int_equal(format_index_floor_time(&index, 55), 125);
    format_index_seal(&index);
    assert_int_equal(index.counts.of[FORMAT_TIMES], 3);
    assert_int_equal(format_index_time(&index, 2)->timestamp, 59);
    format_index_cut(&index, 4001);
    assert_int_equal(index.counts.of[FORMAT_OFFSETS], 1);
    assert_int_equal(index.max_timestamp, 54);
    format_index_free(&index);
    assert_int_equal(mem.live_count, 0);
}

TEST(an_index_that_is_cut_and_fed_again_is_the_same)
{
    struct mem mem;
    struct format_index a, b;
    struct rng rng = {.state = 1};
    mem_system(&mem);
    for (int round = 0; round < 200; round++) {
        struct format_note notes[60];
        uint64_t position = 0;
        int64_t offset = 0;
        format_index_init(&a, &mem, 0);
        format_index_init(&b, &mem, 0);
        assert_ok(format_index_reserve(&a, 60));
        assert_ok(format_index_reserve(&b, 120));
        for (int i = 0; i < 60; i++) {
            int64_t count = 1 + (int64_t)random_below(rng_next(&rng), 9);
            notes[i] = note_at(position, offset, offset + count - 1,
                               (int64_t)random_below(rng_next(&rng), 1000));
            position += 70 + random_below(rng_next(&rng), 900);
            offset += count;
            format_index_add(&a, &notes[i], 1000);
            format_index_add(&b, &notes[i], 1000);
        }
        format_index_seal(&b);
        /* As recovery does: keep the entry where the scan begins, and scan on from there. */
        const struct format_index_entry *floor =
            format_index_floor(&b, (int64_t)random_below(rng_next(&rng), (uint64_t)offset));
        uint64_t from = floor == NULL ? 0 : floor->position;
        format_index_cut(&b, floor == NULL ? 0 : from + 1);
        for (int i = 0; i < 60; i++) {
            if (notes[i].position >= from)
                format_index_add(&b, &notes[i], 1000);
        }
        assert_int_equal(a.counts.of[FORMAT_OFFSETS], b.counts.of[FORMAT_OFFSETS]);
        assert_int_equal(a.counts.of[FORMAT_TIMES], b.counts.of[FORMAT_TIMES]);
        assert_memory_equal(a.entries[FORMAT_OFFSETS].items, b.entries[FORMAT_OFFSETS].items,
                            (size_t)a.counts.of[FORMAT_OFFSETS] *
                                sizeof(struct format_index_entry));
        for (int i = 0; i < a.counts.of[FORMAT_TIMES]; i++) {
            assert_int_equal(format_index_time(&a, i)->timestamp,
                             format_index_time(&b, i)->timestamp);
            assert_int_equal(format_index_time(&a, i)->relative,
                             format_index_time(&b, i)->relative);
        }
        assert_int_equal(a.max_timestamp, b.max_timestamp);
        format_index_free(&a);
        format_index_free(&b);
    }
    assert_int_equal(mem.live_count, 0);
}

static enum err take_offsets(struct format_index *index, struct bytes offsets, uint64_t log_size,
                             int64_t next, bool *whole)
{
    const struct bytes files[FORMAT_DERIVED] = {[FORMAT_OFFSETS] = offsets};
    return format_index_decode(index, files, log_size, next, whole);
}

TEST(an_index_file_is_taken_as_far_as_it_makes_sense)
{
    static const uint8_t bytes[] = {0, 0,  0, 5, 0, 0, 16, 0, 0, 0,  0, 10, 0,
                                    0, 32, 0, 0, 0, 0, 9,  0, 0, 48, 0, 0,  0};
    struct mem mem;
    struct format_index index;
    bool whole;
    mem_system(&mem);
    format_index_init(&index, &mem, 100);
    assert_ok(take_offsets(&index, bytes_of(bytes, 16), 9000, 200, &whole));
    assert_true(whole);
    assert_int_equal(index.counts.of[FORMAT_OFFSETS], 2);
    format_index_free(&index);
    assert_ok(take_offsets(&index, bytes_of(bytes, sizeof bytes), 90000, 200, &whole));
    assert_false(whole);
    assert_int_equal(index.counts.of[FORMAT_OFFSETS], 2);
    format_index_free(&index);
    assert_ok(take_offsets(&index, bytes_of(bytes, 16), 5000, 200, &whole));
    assert_int_equal(index.counts.of[FORMAT_OFFSETS], 1);
    format_index_free(&index);
    assert_ok(take_offsets(&index, bytes_of(bytes, 16), 9000, 106, &whole));
    assert_int_equal(index.counts.of[FORMAT_OFFSETS], 1);
    format_index_free(&index);
}

/* ---- producers ---- */

static struct format_note from_producer(int64_t base, int32_t count, int16_t epoch,
                                        int32_t sequence)
{
    return (struct format_note){.base = base,
                                .last = base + count - 1,
                                .max_timestamp = base,
                                .producer_id = 9,
                                .producer_epoch = epoch,
                                .base_sequence = sequence,
                                .coordinator_epoch = -1,
                                .marker = -1};
}

static enum format_sequence ask(struct format_producers *p, int32_t count, int16_t epoch,
                                int32_t sequence, int64_t *original)
{
    const struct format_producer_batch *duplicate = NULL;
    int16_t code = 0;
    struct format_note note = from_producer(1000, count, epoch, sequence);
    enum format_sequence s = format_producers_check(p, &note, &duplicate, &code);
    *original = s == FORMAT_SEQUENCE_DUPLICATE ? duplicate->last_offset : code;
    return s;
}

TEST(sequences_follow_rule_i_1)
{
    struct mem mem;
    struct format_producers p;
    int64_t x;
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    assert_int_equal(ask(&p, 3, 0, 77, &x), FORMAT_SEQUENCE_NEXT); /* nothing is known */
    for (int i = 0; i < 6; i++) {
        struct format_note note = from_producer(i * 10, 10, 2, i * 10);
        assert_ok(format_producers_apply(&p, &note, 1, NULL));
    }
    assert_int_equal(ask(&p, 10, 2, 60, &x), FORMAT_SEQUENCE_NEXT);
    assert_int_equal(ask(&p, 10, 2, 50, &x), FORMAT_SEQUENCE_DUPLICATE);
    assert_int_equal(x, 59);
    assert_int_equal(ask(&p, 10, 2, 10, &x), FORMAT_SEQUENCE_DUPLICATE);
    assert_int_equal(x, 19);
    assert_int_equal(ask(&p, 10, 2, 0, &x), FORMAT_SEQUENCE_REFUSED); /* older than the window */
    assert_int_equal(x, WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(ask(&p, 5, 2, 50, &x), FORMAT_SEQUENCE_REFUSED); /* P03: only a part of it */
    assert_int_equal(ask(&p, 10, 2, 61, &x), FORMAT_SEQUENCE_REFUSED);
    assert_int_equal(ask(&p, 10, 1, 60, &x), FORMAT_SEQUENCE_REFUSED);
    assert_int_equal(x, WIRE_ERROR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(ask(&p, 10, 3, 60, &x), FORMAT_SEQUENCE_REFUSED);
    assert_int_equal(ask(&p, 10, 3, 0, &x), FORMAT_SEQUENCE_NEXT);
    format_producers_free(&p);
    assert_int_equal(mem.live_count, 0);
}

TEST(sequences_begin_again_behind_the_greatest)
{
    struct mem mem;
    struct format_producers p;
    int64_t x;
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    struct format_note note = from_producer(0, 4, 0, INT32_MAX - 1);
    assert_ok(format_producers_apply(&p, &note, 1, NULL));
    assert_int_equal(format_producers_find(&p, 9)->window[0].last_sequence, 1);
    assert_int_equal(ask(&p, 4, 0, INT32_MAX - 1, &x), FORMAT_SEQUENCE_DUPLICATE);
    assert_int_equal(ask(&p, 1, 0, 2, &x), FORMAT_SEQUENCE_NEXT);
    format_producers_free(&p);
}

TEST(a_producer_that_is_taken_back_is_what_it_was)
{
    struct mem mem;
    struct format_producers p;
    struct format_producer_undo undo[3];
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    struct format_note first = from_producer(0, 4, 0, 0);
    assert_ok(format_producers_apply(&p, &first, 1, &undo[0]));
    for (int i = 1; i < 6; i++) {
        struct format_note next = from_producer(i * 4, 4, 0, i * 4);
        assert_ok(format_producers_apply(&p, &next, 1, &undo[1]));
    }
    struct format_producer before = *format_producers_find(&p, 9);
    struct format_note bumped = from_producer(24, 4, 1, 0);
    assert_ok(format_producers_apply(&p, &bumped, 1, &undo[2]));
    assert_int_equal(format_producers_find(&p, 9)->count, 1);
    format_producers_undo(&p, &undo[2]);
    const struct format_producer *after = format_producers_find(&p, 9);
    assert_int_equal(after->epoch, before.epoch);
    assert_int_equal(after->count, before.count);
    assert_memory_equal(after->window, before.window, sizeof before.window);
    format_producers_undo(&p, &undo[0]);
    assert_null(format_producers_find(&p, 9));
    format_producers_free(&p);
    assert_int_equal(mem.live_count, 0);
}

TEST(the_producer_silent_longest_makes_room)
{
    struct mem mem;
    struct format_producers p;
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    for (int64_t id = 0; id < FORMAT_PRODUCERS_MAX + 10; id++) {
        struct format_note note = from_producer(id, 1, 0, 0);
        note.producer_id = id;
        assert_ok(format_producers_apply(&p, &note, id, NULL));
    }
    assert_int_equal(p.map.count, FORMAT_PRODUCERS_MAX);
    assert_null(format_producers_find(&p, 9));
    assert_non_null(format_producers_find(&p, 10));
    format_producers_expire(&p, FORMAT_PRODUCERS_MAX + 10, 20);
    assert_int_equal(p.map.count, 19);
    format_producers_free(&p);
    assert_int_equal(mem.live_count, 0);
}

/* Partitions that share a room: beyond it a new producer takes the place of the one silent longest
 * where it is new, and the first of a partition takes nobody's. */
TEST(producers_of_several_partitions_share_a_room)
{
    struct mem mem;
    struct format_producers many, one;
    struct format_producers_room room = {.count_max = 8};
    mem_system(&mem);
    assert_ok(format_producers_init(&many, &mem, &room));
    assert_ok(format_producers_init(&one, &mem, &room));
    for (int64_t id = 0; id < 20; id++) {
        struct format_note note = from_producer(id, 1, 0, 0);
        note.producer_id = id;
        assert_ok(format_producers_apply(&many, &note, id, NULL));
    }
    assert_int_equal(many.map.count, 8);
    assert_int_equal(room.count, 8);
    assert_null(format_producers_find(&many, 11));
    assert_non_null(format_producers_find(&many, 12));
    struct format_note note = from_producer(3, 1, 0, 0);
    note.producer_id = 3;
    assert_ok(format_producers_apply(&one, &note, 30, NULL));
    assert_non_null(format_producers_find(&one, 3));
    assert_int_equal(room.count, 9);
    format_producers_take(&one, &many);
    assert_int_equal(room.count, 8);
    format_producers_free(&one);
    assert_int_equal(room.count, 0);
}

TEST(a_producer_that_speaks_again_is_not_the_one_silent_longest)
{
    struct mem mem;
    struct format_producers p;
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    for (int64_t id = 0; id < FORMAT_PRODUCERS_MAX; id++) {
        struct format_note note = from_producer(id, 1, 0, 0);
        note.producer_id = id;
        assert_ok(format_producers_apply(&p, &note, id, NULL));
    }
    struct format_note again = from_producer(FORMAT_PRODUCERS_MAX, 1, 0, 1);
    again.producer_id = 0;
    assert_ok(format_producers_apply(&p, &again, FORMAT_PRODUCERS_MAX, NULL));
    struct format_note other = from_producer(FORMAT_PRODUCERS_MAX + 1, 1, 0, 0);
    other.producer_id = FORMAT_PRODUCERS_MAX;
    assert_ok(format_producers_apply(&p, &other, FORMAT_PRODUCERS_MAX + 1, NULL));
    assert_non_null(format_producers_find(&p, 0));
    assert_null(format_producers_find(&p, 1));
    format_producers_free(&p);
    assert_int_equal(mem.live_count, 0);
}

static enum err begin_transaction(struct format_producers *p, int64_t id,
                                  struct format_producer_undo *undo)
{
    struct format_note note = from_producer(id, 1, 0, 0);
    note.producer_id = id;
    note.attributes = WIRE_BATCH_TRANSACTIONAL;
    return format_producers_apply(p, &note, id, undo);
}

/* Its undecided records would count as decided (I-5). */
TEST(a_producer_with_an_open_transaction_makes_no_room)
{
    struct mem mem;
    struct format_producers p;
    struct format_producer_undo undo;
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    assert_ok(begin_transaction(&p, 0, NULL));
    for (int64_t id = 1; id < FORMAT_PRODUCERS_MAX + 10; id++) {
        struct format_note note = from_producer(id, 1, 0, 0);
        note.producer_id = id;
        assert_ok(format_producers_apply(&p, &note, id, NULL));
    }
    assert_int_equal(p.map.count, FORMAT_PRODUCERS_MAX);
    assert_non_null(format_producers_find(&p, 0));
    assert_null(format_producers_find(&p, 10));
    assert_non_null(format_producers_find(&p, 11));
    /* A transaction that was never begun protects nobody. */
    assert_ok(begin_transaction(&p, 11, &undo));
    format_producers_undo(&p, &undo);
    assert_int_equal(format_producers_find(&p, 11)->txn_first, -1);
    format_producers_expire(&p, INT64_MAX, 1);
    assert_int_equal(p.map.count, 1);
    struct format_note commit = {
        .base = 99, .last = 99, .producer_id = 0, .marker = WIRE_CONTROL_COMMIT};
    assert_ok(format_producers_apply(&p, &commit, 1, NULL));
    format_producers_expire(&p, INT64_MAX, 1);
    assert_int_equal(p.map.count, 0);
    format_producers_free(&p);
    assert_int_equal(mem.live_count, 0);
}

TEST(no_producer_comes_in_while_all_have_open_transactions)
{
    struct mem mem;
    struct format_producers p;
    int64_t code;
    mem_system(&mem);
    assert_ok(format_producers_init(&p, &mem, NULL));
    for (int64_t id = 100; id < FORMAT_PRODUCERS_MAX + 100; id++)
        assert_ok(begin_transaction(&p, id, NULL));
    assert_int_equal(ask(&p, 1, 0, 0, &code), FORMAT_SEQUENCE_REFUSED);
    assert_int_equal(code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    /* What a leader has let in is taken all the same, and all survive a snapshot. */
    assert_ok(begin_transaction(&p, 9, NULL));
    assert_int_equal(p.map.count, FORMAT_PRODUCERS_MAX + 1);
    struct bytes snapshot, window;
    struct format_producers again;
    assert_ok(format_producers_init(&again, &mem, NULL));
    assert_ok(format_snapshot_encode(&p, &mem, &snapshot, &window));
    assert_ok(format_snapshot_decode(&again, snapshot, 1, NULL));
    assert_int_equal(again.map.count, p.map.count);
    assert_int_equal(format_producers_find(&again, 100)->txn_first, 100);
    mem_free(&mem, (void *)(uintptr_t)snapshot.data);
    mem_free(&mem, (void *)(uintptr_t)window.data);
    format_producers_free(&again);
    format_producers_free(&p);
    assert_int_equal(mem.live_count, 0);
}

TEST(a_snapshot_and_its_window_bring_everything_back)
{
    struct mem mem;
    struct format_producers a, b;
    struct bytes snapshot, window, again, window_again;
    mem_system(&mem);
    assert_ok(format_producers_init(&a, &mem, NULL));
    assert_ok(format_producers_init(&b, &mem, NULL));
    for (int64_t id = 20; id > 0; id--) {
        for (int i = 0; i < id % 8; i++) {
            struct format_note note = from_producer(id * 100 + i * 3, 3, 1, i * 3);
            note.producer_id = id;
            assert_ok(format_producers_apply(&a, &note, 1, NULL));
        }
    }
    assert_ok(format_snapshot_encode(&a, &mem, &snapshot, &window));
    assert_int_equal(snapshot.size, FORMAT_SNAPSHOT_HEAD + a.map.count * FORMAT_SNAPSHOT_ENTRY);
    assert_ok(format_snapshot_decode(&b, snapshot, 1, NULL));
    assert_ok(format_window_decode(&b, window, NULL));
    assert_ok(format_snapshot_encode(&b, &mem, &again, &window_again));
    assert_true(bytes_equal(snapshot, again));
    assert_true(bytes_equal(window, window_again));
    for (int64_t id = 1; id <= 20; id++) {
        const struct format_producer *x = format_producers_find(&a, id);
        const struct format_producer *y = format_producers_find(&b, id);
        assert_int_equal(x != NULL, y != NULL);
        if (x == NULL)
            continue;
        assert_int_equal(x->count, y->count);
        assert_memory_equal(x->window, y->window,
                            (size_t)x->count * sizeof(struct format_producer_batch));
    }
    ((uint8_t *)(uintptr_t)snapshot.data)[12] ^= 1;
    format_producers_clear(&b);
    assert_int_equal(format_snapshot_decode(&b, snapshot, 1, NULL), ERR_CORRUPT);
    assert_int_equal(b.map.count, 0);
    mem_free(&mem, (void *)(uintptr_t)snapshot.data);
    mem_free(&mem, (void *)(uintptr_t)window.data);
    mem_free(&mem, (void *)(uintptr_t)again.data);
    mem_free(&mem, (void *)(uintptr_t)window_again.data);
    format_producers_free(&a);
    format_producers_free(&b);
    assert_int_equal(mem.live_count, 0);
}

/* ---- ranges ---- */

TEST(ranges_join_and_forget_the_smallest)
{
    struct format_ranges r = {0};
    format_ranges_add(&r, 10, 20);
    format_ranges_add(&r, 30, 40);
    assert_true(format_ranges_cover(&r, 10, 20));
    assert_false(format_ranges_cover(&r, 10, 31));
    format_ranges_add(&r, 20, 30);
    assert_int_equal(r.count, 1);
    assert_true(format_ranges_cover(&r, 10, 40));
    format_ranges_cut(&r, 25);
    assert_true(format_ranges_cover(&r, 10, 25));
    assert_false(format_ranges_cover(&r, 10, 26));
    for (uint64_t i = 0; i < 30; i++)
        format_ranges_add(&r, 100 * (i + 1), 100 * (i + 1) + i + 1);
    assert_int_equal(r.count, FORMAT_RANGES_MAX);
    assert_true(format_ranges_cover(&r, 3000, 3030));
    assert_false(format_ranges_cover(&r, 100, 101));
}

/* ---- scan ---- */

#define FILE_MAX 400000

/* Batches of many sizes, back to back; *count of them. */
static size_t make_file(uint8_t *file, struct rng *rng, int *count)
{
    size_t size = 0;
    int64_t offset = 0;
    *count = 0;
    while (size < FILE_MAX - 100000) {
        struct wire_builder b;
        static uint8_t value[60000];
        bool large = random_chance(rng_next(rng), 1, 8);
        int32_t length = (int32_t)random_below(rng_next(rng), large ? sizeof value : 500);
        struct wire_bytes bytes = {.data = value, .size = length};
        wire_builder_init(&b, file + size, FILE_MAX - size);
        assert_ok(wire_builder_add(&b, 5, WIRE_NULL_BYTES, bytes, NULL, 0));
        struct wire_builder_head head = {
            .base_offset = offset++, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
        wire_builder_finish(&b, &head);
        size += b.size;
        ++*count;
    }
    return size;
}

/* Walks it in pieces of that size; the number of batches, and how it ended. */
static int walk(const uint8_t *file, size_t size, size_t piece, enum format_scan_end *end,
                uint64_t *bad_at)
{
    static struct format_note notes[16];
    struct format_scan scan = {.notes = notes, .notes_max = 16, .crc = true, .exact = true};
    uint64_t position = 0;
    int count = 0;
    *end = FORMAT_SCAN_MORE;
    while (position < size && *end == FORMAT_SCAN_MORE) {
        scan.data = file + position;
        scan.size = MIN(piece, size - position);
        scan.position = position;
        scan.last = position + scan.size == size;
        format_scan(&scan);
        count += scan.note_count;
        position += scan.used;
        *end = scan.end;
        *bad_at = scan.bad_at;
    }
    return count;
}

TEST(a_scan_finds_every_batch_whatever_the_pieces)
{
    static uint8_t file[FILE_MAX];
    static const size_t pieces[] = {4096, 5000, 65536, FILE_MAX};
    struct rng rng = {.state = 4};
    enum format_scan_end end;
    uint64_t bad_at;
    int count;
    size_t size = make_file(file, &rng, &count);
    for (int i = 0; i < COUNT_OF(pieces); i++) {
        assert_int_equal(walk(file, size, pieces[i], &end, &bad_at), count);
        assert_int_equal(end, FORMAT_SCAN_MORE);
    }
}

TEST(a_scan_stops_at_every_flipped_byte_and_every_cut)
{
    static uint8_t file[FILE_MAX];
    static const size_t pieces[] = {4096, 65536};
    struct rng rng = {.state = 5};
    enum format_scan_end end;
    uint64_t bad_at;
    int count;
    size_t size = make_file(file, &rng, &count);
    for (int i = 0; i < 600; i++) {
        size_t at = (size_t)random_below(rng_next(&rng), size);
        size_t piece = pieces[i % 2];
        file[at] ^= 0x40;
        int good = walk(file, size, piece, &end, &bad_at);
        file[at] ^= 0x40;
        if (end == FORMAT_SCAN_MORE) /* the leader epoch alone is nobody's */
            continue;
        assert_true(good < count);
        assert_true(bad_at <= at);
        walk(file, at, piece, &end, &bad_at);
        assert_true(end == FORMAT_SCAN_TORN || end == FORMAT_SCAN_MORE);
        assert_true(end == FORMAT_SCAN_MORE || bad_at <= at);
    }
}

TEST(a_search_finds_the_next_good_batch)
{
    static uint8_t file[FILE_MAX];
    struct rng rng = {.state = 6};
    int count;
    size_t size = make_file(file, &rng, &count);
    struct wire_batch first, second;
    assert_int_equal(wire_batch_at(bytes_of(file, size), 0, &first, NULL), WIRE_AT_BATCH);
    size_t next = (size_t)first.size;
    assert_int_equal(wire_batch_at(bytes_of(file, size), next, &second, NULL), WIRE_AT_BATCH);
    struct format_search s = {.data = bytes_of(file, size), .from = 1, .expected = 0};
    format_search(&s);
    assert_int_equal(s.at, next);
    assert_true(s.whole);
    s = (struct format_search){.data = bytes_of(file, next + (size_t)second.size - 1), .from = 1};
    format_search(&s);
    assert_int_equal(s.at, next); /* it may go on behind what was read */
    assert_false(s.whole);
    memset(file, 0, size);
    s = (struct format_search){.data = bytes_of(file, size), .from = 0};
    format_search(&s);
    assert_int_equal(s.at, size);
}

/* ---- the journal of a write over old bytes ---- */

static void expect_redo(const uint8_t *file, size_t size, enum err e)
{
    struct format_redo redo;
    assert_int_equal(format_redo_parse(bytes_of(file, size), &redo), e);
    if (e != ERR_NONE)
        return;
    assert_true(bytes_equal(redo.path, bytes_text("orders-0/00000000000000000000.log")));
    assert_true(bytes_equal(redo.bytes, bytes_text("some records")));
    assert_int_equal(redo.position, 1ull << 33);
}

TEST(a_journal_that_is_not_whole_is_none)
{
    static uint8_t file[FORMAT_REDO_HEAD + 12 + 3] = {0};
    struct format_redo redo = {.path = bytes_text("orders-0/00000000000000000000.log"),
                               .bytes = bytes_text("some records"),
                               .position = 1ull << 33};
    format_redo_head(&redo, file);
    memcpy(file + FORMAT_REDO_HEAD, redo.bytes.data, redo.bytes.size);
    size_t size = FORMAT_REDO_HEAD + redo.bytes.size;
    expect_redo(file, size, ERR_NONE);
    expect_redo(file, sizeof file, ERR_NONE); /* of a longer one that was there before */
    for (size_t cut = 0; cut < size; cut++)
        expect_redo(file, cut, ERR_CORRUPT);
    for (size_t at = 0; at < size; at++) {
        file[at] ^= 0x10;
        expect_redo(file, size, ERR_CORRUPT);
        file[at] ^= 0x10;
    }
    expect_redo(file, size, ERR_NONE);
}
