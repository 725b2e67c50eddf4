/* inspect_damage_test.c - each kind of damage is planted, found, and called by its name. */
#include <stdio.h>
#include <stdlib.h>
#include "box.h"

#define LAST BOX_NAME(0020, ".log")
#define MIDDLE BOX_NAME(0010, ".log")

static void damaged(struct box *box, const char *kind, const char *file)
{
    box_expect(box, NULL, kind, file, true);
}

static void noted(struct box *box, const char *kind, const char *file)
{
    box_expect(box, NULL, kind, file, false);
}

/* Replaces a file; bytes may be NULL when size is 0. */
static void replace(struct box *box, const char *name, const void *bytes, size_t size)
{
    box_remove(box, name);
    box_put(box, name, bytes, size);
}

/* Takes size bytes out of a file. */
static void take_out(struct box *box, const char *name, size_t at, size_t size)
{
    uint8_t bytes[8192];
    struct bytes all = box_file(box, name)->bytes;
    assert_true(all.size <= sizeof bytes);
    memcpy(bytes, all.data, all.size);
    memmove(bytes + at, bytes + at + size, all.size - at - size);
    replace(box, name, bytes, all.size - size);
}

static void append(struct box *box, const char *name, const void *tail, size_t size)
{
    uint8_t bytes[8192];
    struct bytes all = box_file(box, name)->bytes;
    assert_true(all.size + size <= sizeof bytes);
    memcpy(bytes, all.data, all.size);
    memcpy(bytes + all.size, tail, size);
    replace(box, name, bytes, all.size + size);
}

static size_t size_at(struct box *box, const char *name, size_t at)
{
    return (size_t)get_u32(box_bytes(box, name) + at + 8) + WIRE_BATCH_PREFIX;
}

static void remove_indexes(struct box *box)
{
    box_remove(box, BOX_NAME(0020, ".index"));
    box_remove(box, BOX_NAME(0020, ".timeindex"));
    box_remove(box, BOX_NAME(0020, ".index.crc"));
}

/* ---- batches ---- */

/* One finding that says what is lost and where good ones go on; the rest of the log is judged. */
TEST(a_bad_batch_between_good_ones_is_told_once)
{
    struct box box;
    struct box_report report;
    char position[64];
    box_fill(&box);
    size_t at = box_place(&box, MIDDLE, 15);
    box_bytes(&box, MIDDLE)[at + 100] ^= 1;
    box_check(&box, NULL, &report);
    assert_int_equal(report.damage, 1);
    assert_int_equal(report.notes, 0);
    assert_true(box_found(&report, "bad_batch", MIDDLE));
    snprintf(position, sizeof position, "\"position\":%d", (int)at);
    assert_non_null(strstr(report.text.data, position));
    assert_non_null(strstr(report.text.data, "offsets 15 to 16 are lost"));
    box_report_free(&report);
    box_free(&box);
}

TEST(two_bad_batches_are_two_findings)
{
    struct box box;
    struct box_report report;
    box_fill(&box);
    box_bytes(&box, MIDDLE)[box_place(&box, MIDDLE, 13) + 100] ^= 1;
    box_bytes(&box, LAST)[box_place(&box, LAST, 23) + 16] = 1; /* magic */
    box_check(&box, NULL, &report);
    assert_int_equal(report.damage, 2);
    box_report_free(&report);
    box_free(&box);
}

TEST(a_bad_batch_at_the_end_of_a_segment_before_the_last_is_damage)
{
    struct box box;
    box_fill(&box);
    box_bytes(&box, MIDDLE)[box_place(&box, MIDDLE, 19) + 40] ^= 1;
    damaged(&box, "bad_batch", MIDDLE);
    box_free(&box);
}

/* With a recovery point a write of which only the end failed is known to be one. */
TEST(a_bad_batch_at_the_end_is_torn_only_above_a_known_recovery_point)
{
    struct box box, root;
    box_fill(&box);
    remove_indexes(&box);
    box_bytes(&box, LAST)[box_place(&box, LAST, 33) + 40] ^= 1;
    damaged(&box, "bad_batch", LAST);
    box_root(&root, 33);
    box_expect(&box, &root, "torn_tail", LAST, false);
    box_free(&root);
    box_root(&root, BOX_END);
    box_expect(&box, &root, "torn_durable", LAST, true);
    box_free(&root);
    box_root(&root, 33);
    box_put_text(&root, ".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":-1}");
    box_expect(&box, &root, "torn_durable", LAST, true);
    box_free(&root);
    box_free(&box);
}

/* A directory of logs that has no line for a partition says that nothing of it is durable yet. */
TEST(a_partition_without_a_recovery_point_may_be_torn_anywhere)
{
    struct box box, root;
    box_fill(&box);
    remove_indexes(&box);
    box_root(&root, BOX_END);
    box_remove(&root, "recovery-point-offset-checkpoint");
    box_remove(&root, "recovery-point-offset-checkpoint.crc");
    box_bytes(&box, LAST)[box_place(&box, LAST, 33) + 40] ^= 1;
    box_expect(&box, &root, "torn_tail", LAST, false);
    box_put_sealed(&root, "recovery-point-offset-checkpoint", "0\n0\n");
    box_expect(&box, &root, "torn_tail", LAST, false);
    box_bytes(&root, "recovery-point-offset-checkpoint")[2] = 'x';
    box_expect(&box, &root, "bad_batch", LAST, true);
    box_free(&root);
    box_free(&box);
}

/* A loss of power may take any of the writes that were not synced, over the end of a segment. */
TEST(a_tail_that_is_torn_over_two_segments_is_torn)
{
    struct box box, root;
    struct box_report report;
    box_fill(&box);
    remove_indexes(&box);
    box_root(&root, 16);
    box_bytes(&box, MIDDLE)[box_place(&box, MIDDLE, 19) + 40] ^= 1;
    box_expect(&box, &root, "hole", MIDDLE, true);
    memset(box_bytes(&box, LAST), 0x55, box_file(&box, LAST)->bytes.size);
    box_check(&box, &root, &report);
    assert_true(box_found(&report, "torn_tail", MIDDLE));
    assert_true(box_found(&report, "torn_tail", LAST));
    assert_non_null(strstr(report.text.data, "\"end_offset\":19"));
    assert_int_equal(report.damage, 0);
    box_report_free(&report);
    box_free(&root);
    box_free(&box);
}

TEST(zeros_behind_the_last_batch_are_a_torn_tail)
{
    struct box box;
    static const uint8_t zeros[500];
    box_fill(&box);
    append(&box, LAST, zeros, sizeof zeros);
    noted(&box, "torn_tail", LAST);
    box_free(&box);
}

TEST(garbage_behind_the_last_batch_is_damage)
{
    struct box box;
    uint8_t garbage[500];
    box_fill(&box);
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)(i * 37 + 5);
    append(&box, LAST, garbage, sizeof garbage);
    damaged(&box, "bad_batch", LAST);
    box_free(&box);
}

/* The CRC is right, so these bytes are what somebody sent. */
TEST(records_that_cannot_be_are_found_behind_a_right_checksum)
{
    struct box box;
    box_fill(&box);
    size_t at = box_place(&box, LAST, 20);
    box_bytes(&box, LAST)[at + WIRE_BATCH_HEAD + 1] = 0x7e; /* the length of a record's part */
    box_bytes(&box, LAST)[at + WIRE_BATCH_HEAD] = 0x7e;
    box_reseal(&box, LAST, at);
    damaged(&box, "bad_records", LAST);
    box_free(&box);
}

TEST(a_marker_that_is_none_is_found)
{
    struct box box;
    box_fill(&box);
    remove_indexes(&box);
    size_t at = box_place(&box, LAST, 20);
    uint8_t *p = box_bytes(&box, LAST) + at;
    put_u16(p + 21, WIRE_BATCH_CONTROL);
    box_reseal(&box, LAST, at);
    damaged(&box, "bad_marker", LAST);
    box_free(&box);
}

/* ---- offsets ---- */

TEST(missing_offsets_are_found_within_a_segment)
{
    struct box box;
    box_fill(&box);
    size_t at = box_place(&box, LAST, 23);
    take_out(&box, LAST, at, size_at(&box, LAST, at));
    damaged(&box, "offset_gap", LAST);
    box_free(&box);
}

TEST(a_missing_segment_is_found)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, MIDDLE);
    damaged(&box, "offset_gap", LAST);
    box_free(&box);
}

/* Compaction removes records; the directory of logs knows which partitions it has been to. */
TEST(missing_offsets_of_a_compacted_partition_are_right)
{
    struct box box, root;
    box_fill(&box);
    box_root(&root, BOX_END);
    box_put_text(&root, "cleaner-offset-checkpoint", "0\n1\norders 0 20\n");
    size_t at = box_place(&box, LAST, 23);
    remove_indexes(&box);
    take_out(&box, LAST, at, size_at(&box, LAST, at));
    box_expect_clean(&box, &root);
    box_free(&root);
    box_free(&box);
}

TEST(a_batch_whose_offset_goes_back_is_found)
{
    struct box box;
    uint8_t batch[512];
    box_fill(&box);
    size_t at = box_place(&box, LAST, 23);
    size_t size = size_at(&box, LAST, at);
    memcpy(batch, box_bytes(&box, LAST) + at, size);
    append(&box, LAST, batch, size);
    damaged(&box, "offset_back", LAST);
    box_free(&box);
}

TEST(a_segment_that_begins_inside_of_the_one_before_is_found)
{
    struct box box;
    box_fill(&box);
    struct bytes last = box_file(&box, LAST)->bytes;
    box_put(&box, BOX_NAME(0023, ".log"), last.data + box_place(&box, LAST, 23),
            last.size - box_place(&box, LAST, 23));
    wire_batch_set_leader_epoch(box_bytes(&box, BOX_NAME(0023, ".log")), 5);
    damaged(&box, "offset_back", BOX_NAME(0023, ".log"));
    box_free(&box);
}

/* A crash between the two steps of writing an end again: the old copy is still there, torn or not.
 */
TEST(an_end_that_was_written_again_is_noted)
{
    struct box box;
    const char *fresh = BOX_NAME(0023, ".log");
    box_fill(&box);
    remove_indexes(&box);
    struct bytes last = box_file(&box, LAST)->bytes;
    size_t at = box_place(&box, LAST, 23);
    box_put(&box, fresh, last.data + at, last.size - at);
    noted(&box, "written_again", fresh);
    append(&box, LAST, "torn", 4);
    noted(&box, "written_again", LAST);
    box_bytes(&box, LAST)[box_place(&box, LAST, 33) + 40] ^= 1;
    noted(&box, "written_again", LAST);
    box_bytes(&box, LAST)[at + 100] ^= 1; /* nothing of it is there twice now */
    damaged(&box, "bad_batch", LAST);
    box_free(&box);
}

/* An append that began a segment and then failed, or its broker died. */
TEST(an_empty_segment_behind_the_end_is_noted)
{
    struct box box;
    box_fill(&box);
    box_put(&box, BOX_NAME(0036, ".log"), "", 0);
    noted(&box, "empty_ahead", BOX_NAME(0036, ".log"));
    box_free(&box);
}

TEST(an_offset_too_far_for_an_index_is_found)
{
    struct box box;
    box_fill(&box);
    wire_batch_set_offset(box_bytes(&box, LAST) + box_place(&box, LAST, 33), 1ll << 40);
    damaged(&box, "offset_far", LAST);
    wire_batch_set_offset(box_bytes(&box, LAST) + box_place(&box, LAST, 33), INT64_MAX);
    damaged(&box, "offset_far", LAST);
    box_free(&box);
}

/* ---- leader epochs and producers ---- */

TEST(a_leader_epoch_that_goes_back_is_found)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, "leader-epoch-checkpoint");
    box_remove(&box, "leader-epoch-checkpoint.crc");
    wire_batch_set_leader_epoch(box_bytes(&box, LAST) + box_place(&box, LAST, 33), 2);
    damaged(&box, "epoch_back", LAST);
    box_free(&box);
}

TEST(a_leader_epoch_that_the_checkpoint_does_not_know_is_found)
{
    struct box box;
    box_fill(&box);
    wire_batch_set_leader_epoch(box_bytes(&box, LAST) + box_place(&box, LAST, 33), 9);
    damaged(&box, "epoch_differs", LAST);
    box_free(&box);
}

TEST(a_leader_epoch_that_begins_behind_the_end_is_noted)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, "leader-epoch-checkpoint");
    box_remove(&box, "leader-epoch-checkpoint.crc");
    box_put_sealed(&box, "leader-epoch-checkpoint", "0\n4\n0 0\n1 10\n4 20\n5 35\n");
    noted(&box, "epoch_beyond", "leader-epoch-checkpoint");
    box_free(&box);
}

TEST(a_batch_that_was_stored_twice_is_found)
{
    struct box box;
    struct box_batch batch = {.records = 2, .producer_id = 5, .timestamp = 1};
    box_init(&box, "orders-0");
    box_add(&box, &batch);
    box_add(&box, &batch);
    box_roll(&box);
    damaged(&box, "duplicate", BOX_NAME(0000, ".log"));
    box_free(&box);
}

/* ---- indexes ---- */

/* A crash may leave them, a shutdown may not. */
TEST(entries_of_batches_that_are_not_there_are_found)
{
    struct box box, root;
    static const uint8_t beyond[FORMAT_INDEX_ENTRY_SIZE] = {0, 0, 1, 0, 0, 1, 0, 0};
    static const uint8_t time[FORMAT_TIME_ENTRY_SIZE] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
    box_fill(&box);
    append(&box, BOX_NAME(0020, ".index"), beyond, sizeof beyond);
    append(&box, BOX_NAME(0020, ".timeindex"), time, sizeof time);
    noted(&box, "index_ahead", BOX_NAME(0020, ".index"));
    noted(&box, "index_ahead", BOX_NAME(0020, ".timeindex"));
    box_root(&root, BOX_END);
    box_put_text(&root, ".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":-1}");
    box_expect(&box, &root, "index_beyond", BOX_NAME(0020, ".index"), true);
    box_expect(&box, &root, "index_beyond", BOX_NAME(0020, ".timeindex"), true);
    box_free(&root);
    box_free(&box);
}

TEST(entries_that_do_not_ascend_are_found)
{
    struct box box;
    uint8_t entry[FORMAT_INDEX_ENTRY_SIZE];
    box_fill(&box);
    memcpy(entry, box_bytes(&box, BOX_NAME(0000, ".index")), sizeof entry);
    append(&box, BOX_NAME(0000, ".index"), entry, sizeof entry);
    damaged(&box, "index_order", BOX_NAME(0000, ".index"));
    box_free(&box);
}

TEST(an_entry_of_another_batch_is_found)
{
    struct box box;
    box_fill(&box);
    box_bytes(&box, BOX_NAME(0000, ".index"))[3]--; /* its offset */
    damaged(&box, "index_wrong", BOX_NAME(0000, ".index"));
    box_free(&box);
}

/* What a rebuild would contain: no index.interval.bytes leaves out the entry in the middle. */
TEST(an_entry_that_is_missing_in_the_middle_is_noted)
{
    struct box box;
    box_init(&box, "orders-0");
    for (int i = 0; i < 30; i++)
        box_add(&box, &(struct box_batch){.records = 1, .value_size = 50, .timestamp = i});
    box_roll(&box);
    box_add(&box, &(struct box_batch){.records = 1, .timestamp = 99});
    box_roll(&box);
    box_put_text(&box, "partition.metadata", "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw");
    box_expect_clean(&box, NULL);
    box_remove(&box, BOX_NAME(0000, ".index.crc"));
    take_out(&box, BOX_NAME(0000, ".index"), 3 * FORMAT_INDEX_ENTRY_SIZE, FORMAT_INDEX_ENTRY_SIZE);
    noted(&box, "index_sparse", BOX_NAME(0000, ".index"));
    box_free(&box);
}

TEST(an_index_that_is_missing_is_noted)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, BOX_NAME(0000, ".index"));
    noted(&box, "index_missing", BOX_NAME(0000, ".log"));
    box_remove(&box, BOX_NAME(0000, ".log"));
    noted(&box, "index_orphan", BOX_NAME(0000, ".timeindex"));
    box_free(&box);
}

TEST(an_index_that_its_checksum_does_not_know_is_noted)
{
    struct box box;
    box_fill(&box);
    box_bytes(&box, BOX_NAME(0010, ".index.crc"))[10] ^= 1;
    noted(&box, "index_unproven", BOX_NAME(0010, ".index.crc"));
    box_free(&box);
    box_fill(&box);
    box_bytes(&box, BOX_NAME(0010, ".index.crc"))[18] = '1'; /* more than .index has */
    noted(&box, "index_unproven", BOX_NAME(0010, ".index.crc"));
    box_free(&box);
    box_fill(&box);
    box_bytes(&box, BOX_NAME(0010, ".index.crc"))[60] = '1'; /* more than the log has */
    noted(&box, "index_unproven", BOX_NAME(0010, ".index.crc"));
    box_free(&box);
    box_fill(&box);
    box_remove(&box, BOX_NAME(0010, ".timeindex"));
    noted(&box, "index_unproven", BOX_NAME(0010, ".index.crc"));
    box_free(&box);
    box_init(&box, "orders-0");
    box_put_text(&box, BOX_NAME(0010, ".index.crc"), "00000000\n00000000\n5\n");
    noted(&box, "crc_orphan", BOX_NAME(0010, ".index.crc"));
    box_free(&box);
}

TEST(an_aborted_transaction_without_an_entry_is_found)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, BOX_NAME(0010, ".txnindex"));
    damaged(&box, "txn_lacks", MIDDLE);
    box_free(&box);
}

/* ---- snapshots ---- */

static void reseal_snapshot(struct box *box, const char *name)
{
    uint8_t *p = box_bytes(box, name);
    put_u32(p + 2, crc32c(0, p + 6, box_file(box, name)->bytes.size - 6));
}

/* Every field of every producer, with a checksum that is right. */
TEST(a_snapshot_that_says_what_the_log_does_not_is_found)
{
    const char *name = BOX_NAME(0020, ".snapshot");
    struct box box;
    box_fill(&box);
    size_t size = box_file(&box, name)->bytes.size;
    for (size_t at = FORMAT_SNAPSHOT_HEAD; at < size; at++) {
        struct box_report report;
        box_bytes(&box, name)[at] ^= 4;
        reseal_snapshot(&box, name);
        box_check(&box, NULL, &report);
        size_t in_entry = (at - FORMAT_SNAPSHOT_HEAD) % FORMAT_SNAPSHOT_ENTRY;
        bool coordinator = in_entry >= 34 && in_entry < 38;
        bool found = box_found(&report, "snapshot_differs", name) ||
                     box_found(&report, "snapshot_bad", name);
        /* Only producer 9 has seen a marker; of the others no log says which epoch it was. */
        if (!found && !coordinator)
            fail_msg("byte %d: %s", (int)at, report.text.data);
        box_report_free(&report);
        box_bytes(&box, name)[at] ^= 4;
    }
    box_free(&box);
}

TEST(a_window_that_says_what_the_log_does_not_is_found)
{
    const char *name = BOX_NAME(0010, ".snapshot-window");
    struct box box;
    box_fill(&box);
    box_bytes(&box, name)[FORMAT_SNAPSHOT_HEAD + 21] ^= 1; /* a last offset */
    reseal_snapshot(&box, name);
    damaged(&box, "snapshot_differs", BOX_NAME(0010, ".snapshot"));
    box_free(&box);
}

TEST(a_snapshot_without_a_producer_of_the_log_is_noted)
{
    static const uint8_t nobody[FORMAT_SNAPSHOT_HEAD - 6];
    const char *name = BOX_NAME(0034, ".snapshot");
    uint8_t bytes[FORMAT_SNAPSHOT_HEAD] = {0, 1};
    struct box box;
    box_fill(&box);
    put_u32(bytes + 2, crc32c(0, nobody, sizeof nobody));
    replace(&box, name, bytes, sizeof bytes);
    noted(&box, "snapshot_lacks", name);
    box_free(&box);
}

TEST(a_torn_snapshot_is_damage_only_after_a_shutdown)
{
    struct box box, root;
    const char *name = BOX_NAME(0034, ".snapshot");
    box_fill(&box);
    box_root(&root, BOX_END);
    box_truncate(&box, name, 0);
    box_expect(&box, &root, "snapshot_torn", name, false);
    box_put_text(&root, ".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":-1}");
    box_expect(&box, &root, "snapshot_bad", name, true);
    box_remove(&box, name);
    box_truncate(&box, BOX_NAME(0034, ".snapshot-window"), 5);
    box_expect(&box, &root, "window_alone", BOX_NAME(0034, ".snapshot-window"), false);
    box_free(&root);
    box_free(&box);
}

TEST(a_snapshot_of_an_offset_inside_of_a_batch_is_found)
{
    struct box box;
    box_fill(&box);
    struct bytes bytes = box_file(&box, BOX_NAME(0020, ".snapshot"))->bytes;
    box_put(&box, BOX_NAME(0021, ".snapshot"), bytes.data, bytes.size);
    damaged(&box, "snapshot_differs", BOX_NAME(0021, ".snapshot"));
    box_free(&box);
}

/* ---- names and small files ---- */

TEST(files_that_are_not_ours_are_named)
{
    struct box box;
    box_fill(&box);
    box_put_text(&box, "core", "");
    noted(&box, "unknown", "core");
    box_put_text(&box, "00000000000000000005.log.deleted", "");
    noted(&box, "leftover", ".deleted");
    box_put_text(&box, "00000000000000000020.log.cut-33", "abc");
    noted(&box, "kept", ".log.cut-33");
    box_put_text(&box, "quorum-state.crc", "00000000\n00000000\n");
    noted(&box, "crc_orphan", "quorum-state.crc");
    box_put_text(&box, "quorum-state", "{\"leaderId\":1");
    damaged(&box, "bad_text", "quorum-state");
    box_free(&box);
}

TEST(a_partition_without_an_identity_is_noted)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, "partition.metadata");
    noted(&box, "id_missing", "orders-0");
    box_free(&box);
}

TEST(checkpoints_that_contradict_the_log_are_found)
{
    struct box box, root;
    box_fill(&box);
    box_root(&root, BOX_END + 1);
    box_expect(&box, &root, "recovery_beyond", NULL, true);
    box_free(&root);
    box_root(&root, BOX_END);
    box_remove(&root, "log-start-offset-checkpoint");
    box_remove(&root, "log-start-offset-checkpoint.crc");
    box_put_sealed(&root, "log-start-offset-checkpoint", "0\n1\norders 0 35\n");
    box_expect(&box, &root, "start_outside", NULL, true);
    box_free(&root);
    box_root(&root, BOX_END);
    box_remove(&root, "replication-offset-checkpoint");
    box_remove(&root, "replication-offset-checkpoint.crc");
    box_put_sealed(&root, "replication-offset-checkpoint", "0\n2\norders 0 35\ngone 3 1\n");
    box_expect(&box, &root, "watermark_beyond", NULL, false);
    box_expect(&box, &root, "point_stale", "replication-offset-checkpoint", false);
    box_free(&root);
    box_free(&box);
}

/* A checkpoint that its checksum contradicts is told of, and not believed. */
TEST(a_checkpoint_with_a_wrong_checksum_is_not_believed)
{
    struct box box, root;
    struct box_report report;
    box_fill(&box);
    box_root(&root, BOX_END);
    struct bytes bytes = box_file(&root, "recovery-point-offset-checkpoint")->bytes;
    box_bytes(&root, "recovery-point-offset-checkpoint")[bytes.size - 2] = '9';
    box_check(&box, &root, &report);
    assert_true(box_found(&report, "bad_checksum", "recovery-point-offset-checkpoint"));
    assert_false(box_found(&report, "recovery_beyond", NULL));
    assert_int_equal(report.damage, 1);
    box_report_free(&report);
    box_free(&root);
    box_free(&box);
}

static void drop_piece(struct inspect *in, struct bytes piece)
{
    (void)in;
    (void)piece;
}

TEST(two_partitions_of_one_topic_with_two_ids_are_found)
{
    struct box a, b, root;
    struct mem mem;
    struct inspect in;
    struct inspect_root *known;
    const char *names[] = {"orders-1", "orders-0"};
    mem_system(&mem);
    box_init(&a, "orders-0");
    box_init(&b, "orders-1");
    box_root(&root, 0);
    box_put_text(&a, "00000000000000000000.log", "");
    box_put_text(&b, "00000000000000000000.log", "");
    box_put_text(&a, "partition.metadata", "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw");
    box_put_text(&b, "partition.metadata", "version: 0\ntopic_id: BAECAwQFBgcICQoLDA0ODw");
    inspect_init(&in, &mem);
    in.write = drop_piece;
    assert_ok(inspect_root_new(&in, &root.dir, true, &known));
    assert_ok(inspect_check(&in, known, &a.dir, false));
    assert_ok(inspect_check(&in, known, &b.dir, false));
    assert_int_equal(in.damage_count, 0);
    assert_ok(inspect_root_end(&in, known, names, COUNT_OF(names)));
    assert_int_equal(in.damage_count, 1);
    inspect_root_free(&in, known);
    inspect_free(&in);
    assert_int_equal(mem.live_count, 0);
    box_free(&a);
    box_free(&b);
    box_free(&root);
}

/* ---- limits and faults ---- */

TEST(of_a_file_that_is_all_wrong_a_hundred_places_are_told)
{
    struct box box;
    struct box_report report;
    uint8_t entries[300 * FORMAT_INDEX_ENTRY_SIZE];
    int rows = 0;
    box_fill(&box);
    for (uint32_t i = 0; i < 300; i++) {
        put_u32(entries + i * FORMAT_INDEX_ENTRY_SIZE, i + 1000);
        put_u32(entries + i * FORMAT_INDEX_ENTRY_SIZE + 4, i + 100000);
    }
    replace(&box, BOX_NAME(0020, ".index"), entries, sizeof entries);
    box_remove(&box, BOX_NAME(0020, ".index.crc"));
    box_check(&box, NULL, &report);
    for (const char *at = report.text.data; (at = strstr(at, "\"index_ahead\"")) != NULL; at++)
        rows++;
    assert_int_equal(rows, 100);
    assert_int_equal(report.notes, 300);
    assert_true(box_found(&report, "more", BOX_NAME(0020, ".index")));
    box_report_free(&report);
    box_free(&box);
}

static enum err refuse_map(struct inspect *in, const struct inspect_dir *dir,
                           struct inspect_file *file)
{
    (void)in;
    (void)dir;
    return strstr(file->name, ".log") != NULL ? ERR_ACCESS : ERR_NONE;
}

static void no_unmap(struct inspect *in, struct inspect_file *file)
{
    (void)in;
    (void)file;
}

TEST(a_log_that_cannot_be_read_is_not_clean)
{
    struct box box;
    struct inspect in;
    box_fill(&box);
    inspect_init(&in, &box.mem);
    in.write = drop_piece;
    in.map = refuse_map;
    in.unmap = no_unmap;
    assert_ok(inspect_check(&in, NULL, &box.dir, false));
    assert_int_equal(in.damage_count, 3);
    assert_ok(inspect_dump(&in, &box.dir, box_file(&box, LAST)));
    assert_int_equal(in.damage_count, 4);
    inspect_free(&in);
    box_free(&box);
}

static enum err check_and_dump(struct box *box, struct box *root, struct mem *mem)
{
    struct inspect in;
    struct inspect_root *known = NULL;
    inspect_init(&in, mem);
    in.write = drop_piece;
    in.json = in.records = true;
    enum err e = inspect_root_new(&in, &root->dir, true, &known);
    if (e == ERR_NONE)
        e = inspect_check(&in, known, &box->dir, false);
    if (e == ERR_NONE)
        e = inspect_root_end(&in, known, &box->dir.name, 1);
    for (int32_t i = 0; e == ERR_NONE && i < box->dir.file_count; i++)
        e = inspect_dump(&in, &box->dir, &box->files[i]);
    inspect_root_free(&in, known);
    inspect_free(&in);
    return e;
}

TEST(without_memory_it_says_so_and_leaks_nothing)
{
    struct box box, root;
    struct test_mem mem;
    box_fill(&box);
    box_root(&root, BOX_END);
    uint64_t n = 1;
    for (;; n++) {
        test_mem_init(&mem);
        mem.fail_at = n;
        enum err e = check_and_dump(&box, &root, &mem.mem);
        test_mem_done(&mem);
        if (mem.failed == 0) {
            assert_ok(e);
            break;
        }
        assert_int_equal(e, ERR_NOMEM);
    }
    assert_true(n > 20);
    box_free(&root);
    box_free(&box);
}

/* Names come from files that nobody vouches for. */
TEST(no_finding_sends_commands_to_a_terminal)
{
    struct box box;
    struct box_report report;
    box_fill(&box);
    box_truncate(&box, LAST, box_file(&box, LAST)->bytes.size - 5);
    box.dir.path = "orders\x1b[2J\n-0";
    box_dump(&box, LAST, false, false, &report);
    assert_non_null(strstr(report.text.data, "note: orders?[2J?-0/"));
    assert_null(strchr(report.text.data, 0x1b));
    box_report_free(&report);
    box_free(&box);
}

TEST(what_is_shown_of_a_bad_file_says_where_it_is_bad)
{
    struct box box;
    struct box_report report;
    box_fill(&box);
    size_t at = box_place(&box, LAST, 23);
    box_bytes(&box, LAST)[at + 100] ^= 1;
    box_dump(&box, LAST, true, true, &report);
    assert_int_equal(report.damage, 1);
    assert_non_null(strstr(report.text.data, "\"crc_ok\":false"));
    assert_non_null(strstr(report.text.data, "\"base_offset\":33"));
    box_report_free(&report);
    box_truncate(&box, LAST, box_file(&box, LAST)->bytes.size - 5);
    box_bytes(&box, LAST)[at + 100] ^= 1;
    box_dump(&box, LAST, false, false, &report);
    assert_int_equal(report.damage, 0);
    assert_int_equal(report.notes, 1);
    assert_non_null(strstr(report.text.data, "note: orders-0/" LAST " at byte "));
    box_report_free(&report);
    box_free(&box);
}
