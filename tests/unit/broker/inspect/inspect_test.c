/* inspect_test.c - the offline inspection: what Kafka wrote is shown as Kafka's own tool shows it,
 * what is whole is not complained about, and what is broken is found and named. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "box.h"

#define SAMPLE "vectors/kafka-sample-segment/"

/* ---- Kafka's own files ---- */

static void put_sample(struct box *box, const char *folder, const char *name)
{
    char path[256];
    size_t size;
    snprintf(path, sizeof path, SAMPLE "%s/%s", folder, name);
    uint8_t *bytes = test_read_file(path, &size);
    box_put(box, name, bytes, size);
    free(bytes);
}

static const char *const sample_names[] = {
    "00000000000000000100.index",       "00000000000000000100.timeindex",
    "00000000000000000100.txnindex",    "00000000000000000111.snapshot",
    "leader-epoch-checkpoint",          "partition.metadata",
    "recovery-point-offset-checkpoint",
};

static int64_t field(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    assert_non_null(at);
    return strtoll(at + strlen(name), NULL, 10);
}

/* The next line of JSON of that type; NULL: no more. */
static json_t *next_row(const char **at, const char *type)
{
    while (**at != 0) {
        const char *end = strchr(*at, '\n');
        assert_non_null(end);
        json_t *row = json_loadb(*at, (size_t)(end - *at), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(row);
        *at = end + 1;
        if (strcmp(json_string_value(json_object_get(row, "row")), type) == 0)
            return row;
        json_decref(row);
    }
    return NULL;
}

static int64_t number(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void same_batch(const json_t *row, const char *line)
{
    assert_int_equal(number(row, "base_offset"), field(line, "baseOffset: "));
    assert_int_equal(number(row, "last_offset"), field(line, "lastOffset: "));
    assert_int_equal(number(row, "records"), field(line, "count: "));
    assert_int_equal(number(row, "leader_epoch"), field(line, "partitionLeaderEpoch: "));
    assert_int_equal(number(row, "position"), field(line, "position: "));
    assert_int_equal(number(row, "size"), field(line, "size: "));
    assert_int_equal(number(row, "producer_id"), field(line, "producerId: "));
    assert_int_equal(number(row, "producer_epoch"), field(line, "producerEpoch: "));
    assert_int_equal(number(row, "base_sequence"), field(line, "baseSequence: "));
    assert_int_equal(number(row, "max_timestamp"), field(line, "CreateTime: "));
    const char *crc = json_string_value(json_object_get(row, "crc"));
    assert_int_equal(strtoll(crc, NULL, 16), field(line, " crc: "));
    assert_true(json_is_true(json_object_get(row, "crc_ok")));
    const char *codec = json_string_value(json_object_get(row, "codec"));
    assert_memory_equal(strstr(line, "compresscodec: ") + 15, codec, strlen(codec));
    assert_int_equal(json_is_true(json_object_get(row, "control")),
                     strstr(line, "isControl: true") != NULL);
}

TEST(a_segment_of_kafkas_is_shown_as_its_own_tool_shows_it)
{
    struct box box;
    struct box_report report;
    size_t size;
    int count = 0;
    box_init(&box, "t-0");
    put_sample(&box, "t-0", "00000000000000000000.log");
    box_dump(&box, "00000000000000000000.log", true, false, &report);
    char *theirs = (char *)test_read_file(SAMPLE "../kafka-sample-segment/t-0.dump.txt", &size);
    const char *at = report.text.data;
    char *rest = theirs;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (strncmp(line, "baseOffset: ", 12) != 0)
            continue;
        json_t *row = next_row(&at, "batch");
        assert_non_null(row);
        same_batch(row, line);
        json_decref(row);
        count++;
    }
    assert_int_equal(count, 6);
    assert_null(next_row(&at, "batch"));
    assert_int_equal(report.damage, 0);
    free(theirs);
    box_report_free(&report);
    box_free(&box);
}

TEST(records_are_shown_with_keys_values_and_headers)
{
    struct box box;
    struct box_report report;
    box_init(&box, "t-0");
    put_sample(&box, "t-0", "00000000000000000000.log");
    box_dump(&box, "00000000000000000000.log", true, true, &report);
    const char *text = report.text.data;
    assert_non_null(strstr(text, "\"offset\":0,\"timestamp\":1700000000000,\"key\":\"key0\","
                                 "\"value\":\"value-0-0\",\"headers\":[{\"key\":\"h\","));
    assert_non_null(strstr(text, "\"offset\":1,\"timestamp\":1700000000001,\"key\":null,"));
    assert_non_null(strstr(text, "\"key\":\"key2\",\"value\":null,"));
    assert_non_null(strstr(text, "\"control\":\"commit\",\"coordinator_epoch\":5"));
    /* One batch of each codec. */
    assert_non_null(strstr(text, "\"value\":\"value-1-0\""));
    assert_non_null(strstr(text, "\"value\":\"value-2-0\""));
    assert_non_null(strstr(text, "\"value\":\"value-3-0\""));
    assert_non_null(strstr(text, "\"value\":\"value-4-0\""));
    box_report_free(&report);
    box_free(&box);
}

TEST(kafkas_sample_files_are_clean)
{
    struct box box;
    struct box_report report;
    box_init(&box, "t-0");
    put_sample(&box, "t-0", "00000000000000000000.log");
    put_sample(&box, "t-1", "partition.metadata");
    box_expect_clean(&box, NULL);
    box_free(&box);
    box_init(&box, "t-1");
    for (int i = 0; i < COUNT_OF(sample_names); i++)
        put_sample(&box, "t-1", sample_names[i]);
    box_check(&box, NULL, &report);
    assert_int_equal(report.damage, 0);
    assert_int_equal(report.notes, 3); /* the indexes, of which no log is there */
    assert_true(box_found(&report, "index_orphan", ".txnindex"));
    box_report_free(&report);
    box_free(&box);
}

TEST(every_row_of_every_file_is_json)
{
    struct box box;
    struct box_report report;
    box_fill(&box);
    for (int32_t i = 0; i < box.dir.file_count; i++) {
        box_dump(&box, box.files[i].name, true, true, &report);
        const char *at = report.text.data;
        assert_null(next_row(&at, "no such row"));
        assert_int_equal(report.damage + report.notes, 0);
        box_report_free(&report);
    }
    box_free(&box);
}

/* ---- rows ---- */

TEST(bytes_that_are_no_text_are_shown_in_hex)
{
    struct box box;
    struct box_report report;
    uint8_t data[512];
    struct wire_builder builder;
    struct wire_builder_head head = {.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    static const uint8_t bell[] = {'a', 7}, overlong[] = {0xc0, 0x80};
    static const char umlaut[] = "\xc3\xa4\n\"";
    wire_builder_init(&builder, data, sizeof data);
    assert_ok(wire_builder_add(&builder, 1, (struct wire_bytes){bell, 2},
                               (struct wire_bytes){overlong, 2}, NULL, 0));
    assert_ok(wire_builder_add(&builder, 1, (struct wire_bytes){(const uint8_t *)umlaut, 4},
                               (struct wire_bytes){bell, 0}, NULL, 0));
    wire_builder_finish(&builder, &head);
    box_init(&box, "t-0");
    box_put(&box, "00000000000000000000.log", data, builder.size);
    box_dump(&box, "00000000000000000000.log", true, true, &report);
    assert_non_null(strstr(report.text.data, "\"key_hex\":\"6107\",\"value_hex\":\"c080\""));
    assert_non_null(strstr(report.text.data, "\"key\":\"\xc3\xa4\\n\\\"\",\"value\":\"\""));
    box_report_free(&report);
    box_free(&box);
}

TEST(numbers_are_shown_to_their_last_digit)
{
    struct box box;
    struct box_report report;
    uint8_t entry[34] = {0};
    box_init(&box, "t-0");
    put_u64(entry + 2, (uint64_t)INT64_MIN);
    put_u64(entry + 10, (uint64_t)INT64_MAX);
    put_u64(entry + 18, (uint64_t)-7);
    box_put(&box, "00000000000000000000.txnindex", entry, sizeof entry);
    box_dump(&box, "00000000000000000000.txnindex", false, false, &report);
    assert_non_null(
        strstr(report.text.data,
               "entry version=0 producer_id=-9223372036854775808 "
               "first_offset=9223372036854775807 last_offset=-7 last_stable_offset=0\n"));
    box_report_free(&report);
    box_free(&box);
}

/* A value that is longer than what is held back of a row comes out whole. */
TEST(a_long_value_is_shown_whole)
{
    enum { SIZE = 300000 };
    struct box box;
    struct box_report report;
    uint8_t *data = malloc(SIZE + 200);
    uint8_t *value = malloc(SIZE);
    struct wire_builder builder;
    struct wire_builder_head head = {.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    for (int i = 0; i < SIZE; i += 3)
        memcpy(value + i, "\xe2\x82\xac", 3);
    wire_builder_init(&builder, data, SIZE + 200);
    assert_ok(
        wire_builder_add(&builder, 1, WIRE_NULL_BYTES, (struct wire_bytes){value, SIZE}, NULL, 0));
    wire_builder_finish(&builder, &head);
    box_init(&box, "t-0");
    box_put(&box, "00000000000000000000.log", data, builder.size);
    box_dump(&box, "00000000000000000000.log", true, true, &report);
    const char *at = report.text.data;
    json_t *row = next_row(&at, "record");
    const json_t *shown = json_object_get(row, "value");
    assert_int_equal(json_string_length(shown), SIZE);
    assert_memory_equal(json_string_value(shown), value, SIZE);
    json_decref(row);
    box_report_free(&report);
    box_free(&box);
    free(value);
    free(data);
}

TEST(records_of_the_metadata_log_are_shown_as_what_they_mean)
{
    struct box box;
    struct box_report report;
    uint8_t data[512];
    struct wire_builder builder;
    struct wire_topic_record topic;
    struct wire_builder_head head = {.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    wire_topic_record_defaults(&topic);
    topic.name = wire_text("orders");
    wire_builder_init(&builder, data, sizeof data);
    assert_ok(wire_builder_add_metadata(&builder, 1, &wire_topic_record_message, 0, &topic));
    wire_builder_finish(&builder, &head);
    box_init(&box, "__cluster_metadata-0");
    box_put(&box, "00000000000000000000.log", data, builder.size);
    box_put_text(&box, "partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
    box_dump(&box, "00000000000000000000.log", true, true, &report);
    assert_non_null(strstr(report.text.data, "\"metadata\":\"topic_record\",\"version\":0,"
                                             "\"record\":{\"name\":\"orders\""));
    box_report_free(&report);
    box_expect_clean(&box, NULL);
    uint8_t *p = box_bytes(&box, "00000000000000000000.log");
    p[WIRE_BATCH_HEAD + 9] = 0x7f; /* a name that goes on behind the record */
    box_reseal(&box, "00000000000000000000.log", 0);
    box_expect(&box, NULL, "bad_metadata", ".log", true);
    box_free(&box);
}

/* ---- what is whole ---- */

/* It is fetched anew. */
TEST(a_snapshot_that_was_being_fetched_is_right)
{
    struct box box;
    box_fill(&box);
    box_put_text(&box, "00000000000000000005-0000000001.checkpoint.part", "half of it");
    box_expect_clean(&box, NULL);
    box_free(&box);
}

TEST(a_whole_partition_is_clean)
{
    struct box box, root;
    box_fill(&box);
    box_root(&root, BOX_END);
    box_expect_clean(&box, NULL);
    box_expect_clean(&box, &root);
    box_put_text(&root, ".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":-1}");
    box_expect_clean(&box, &root);
    box_free(&root);
    box_free(&box);
}

/* Retention removes segments from the front; what they said of producers is gone with them. */
TEST(a_partition_that_has_lost_its_first_segments_to_retention_is_clean)
{
    struct box box;
    box_fill(&box);
    box_remove(&box, BOX_NAME(0000, ".log"));
    box_remove(&box, BOX_NAME(0000, ".index"));
    box_remove(&box, BOX_NAME(0000, ".timeindex"));
    box_remove(&box, BOX_NAME(0000, ".index.crc"));
    box_expect_clean(&box, NULL);
    box_remove(&box, BOX_NAME(0010, ".log"));
    box_remove(&box, BOX_NAME(0010, ".index"));
    box_remove(&box, BOX_NAME(0010, ".timeindex"));
    box_remove(&box, BOX_NAME(0010, ".index.crc"));
    box_remove(&box, BOX_NAME(0010, ".txnindex"));
    box_expect_clean(&box, NULL);
    box_free(&box);
}

TEST(an_empty_segment_at_the_end_is_clean)
{
    struct box box;
    box_fill(&box);
    box_put(&box, BOX_NAME(0034, ".log"), "", 0);
    box_expect_clean(&box, NULL);
    box_free(&box);
}

/* Kafka makes room in the indexes of its last segment. */
TEST(entries_not_yet_used_are_clean)
{
    struct box box;
    static const uint8_t zeros[FORMAT_TIME_ENTRY_SIZE * 40];
    uint8_t bytes[2048];
    static const char *const names[] = {BOX_NAME(0020, ".index"), BOX_NAME(0020, ".timeindex")};
    box_fill(&box);
    for (int i = 0; i < COUNT_OF(names); i++) {
        size_t size = box_file(&box, names[i])->bytes.size;
        memcpy(bytes, box_bytes(&box, names[i]), size);
        memcpy(bytes + size, zeros, sizeof zeros);
        box_remove(&box, names[i]);
        box_put(&box, names[i], bytes, size + sizeof zeros);
    }
    box_remove(&box, BOX_NAME(0020, ".index.crc")); /* Kafka has none */
    box_expect_clean(&box, NULL);
    box_free(&box);
}

/* ---- every bit ---- */

/* Bits whose change no format shows and no other file contradicts. */
static bool is_unprotected(const char *name, size_t position, int bit)
{
    if (strcmp(name, "partition.metadata") == 0)
        return position >= 21; /* the topic's id: other partitions of the topic have it, too */
    (void)bit;
    if (strcmp(name, BOX_NAME(0000, ".index.crc")) == 0)
        return position >= 18; /* how far the log went by then; it may have gone on since */
    /* The second line is about the file that was replaced. */
    return strcmp(name, "leader-epoch-checkpoint.crc") == 0 && position >= 9;
}

static void flip_all(struct box *box, const char *name, int step)
{
    struct box_report report;
    size_t size = box_file(box, name)->bytes.size;
    for (size_t i = 0; i < size * 8; i += (size_t)step) {
        uint8_t *byte = box_bytes(box, name) + i / 8;
        *byte ^= (uint8_t)(1 << i % 8);
        box_check(box, NULL, &report);
        /* What a crash may leave as well is no damage. */
        bool found = report.damage > 0 || box_found(&report, "torn_tail", name) ||
                     box_found(&report, "index_ahead", name) ||
                     box_found(&report, "snapshot_torn", name) ||
                     box_found(&report, "index_unproven", name);
        if (!found && !is_unprotected(name, i / 8, (int)(i % 8)))
            fail_msg("bit %d of byte %d of %s: %s", (int)(i % 8), (int)(i / 8), name,
                     report.text.data);
        box_report_free(&report);
        *byte ^= (uint8_t)(1 << i % 8);
    }
}

TEST(a_bit_that_flips_in_a_log_is_found)
{
    struct box box;
    box_fill(&box);
    flip_all(&box, BOX_NAME(0000, ".log"), 3);
    flip_all(&box, BOX_NAME(0010, ".log"), 3);
    flip_all(&box, BOX_NAME(0020, ".log"), 3);
    box_free(&box);
}

TEST(a_bit_that_flips_in_an_index_is_found)
{
    struct box box;
    box_fill(&box);
    flip_all(&box, BOX_NAME(0000, ".index"), 1);
    flip_all(&box, BOX_NAME(0020, ".index"), 1);
    flip_all(&box, BOX_NAME(0000, ".timeindex"), 1);
    flip_all(&box, BOX_NAME(0020, ".timeindex"), 1);
    flip_all(&box, BOX_NAME(0010, ".txnindex"), 1);
    flip_all(&box, BOX_NAME(0000, ".index.crc"), 1);
    box_free(&box);
}

TEST(a_bit_that_flips_in_a_snapshot_is_found)
{
    struct box box;
    box_fill(&box);
    flip_all(&box, BOX_NAME(0020, ".snapshot"), 1);
    flip_all(&box, BOX_NAME(0020, ".snapshot-window"), 1);
    box_free(&box);
}

TEST(a_bit_that_flips_in_a_text_is_found_where_a_checksum_stands_beside_it)
{
    struct box box;
    box_fill(&box);
    flip_all(&box, "leader-epoch-checkpoint", 1);
    flip_all(&box, "leader-epoch-checkpoint.crc", 1);
    flip_all(&box, "partition.metadata", 1);
    box_free(&box);
}

/* ---- every length ---- */

static bool at_boundary(struct box *box, const char *name, size_t size)
{
    struct wire_batch batch;
    size_t at = 0;
    while (at < size &&
           wire_batch_at(box_file(box, name)->bytes, at, &batch, NULL) == WIRE_AT_BATCH)
        at += (size_t)batch.size;
    return at == size;
}

/* Above the recovery point a write that did not end is no damage to the log. */
TEST(the_last_segment_may_end_anywhere_above_the_recovery_point)
{
    size_t size = 1;
    for (size_t cut = 1; cut <= size; cut++) {
        struct box box, root;
        struct box_report report;
        box_fill(&box);
        box_root(&root, 20);
        box_remove(&box, BOX_NAME(0020, ".index"));
        box_remove(&box, BOX_NAME(0020, ".timeindex"));
        box_remove(&box, BOX_NAME(0020, ".index.crc"));
        size = box_file(&box, BOX_NAME(0020, ".log"))->bytes.size;
        bool whole = at_boundary(&box, BOX_NAME(0020, ".log"), size - cut);
        box_truncate(&box, BOX_NAME(0020, ".log"), size - cut);
        box_check(&box, &root, &report);
        assert_int_equal(box_found(&report, "torn_tail", BOX_NAME(0020, ".log")), !whole);
        assert_int_equal(report.damage, 0);
        assert_true(box_found(&report, "snapshot_beyond", BOX_NAME(0034, ".snapshot")));
        box_report_free(&report);
        box_free(&root);
        box_free(&box);
    }
}

TEST(the_last_segment_may_not_end_below_the_recovery_point)
{
    size_t size = 1;
    for (size_t cut = 1; cut <= size; cut++) {
        struct box box, root;
        struct box_report report;
        box_fill(&box);
        box_root(&root, BOX_END);
        size = box_file(&box, BOX_NAME(0020, ".log"))->bytes.size;
        bool whole = at_boundary(&box, BOX_NAME(0020, ".log"), size - cut);
        box_truncate(&box, BOX_NAME(0020, ".log"), size - cut);
        box_check(&box, &root, &report);
        assert_true(box_found(&report, whole ? "recovery_beyond" : "torn_durable", NULL));
        assert_true(report.damage > 0);
        box_report_free(&report);
        box_free(&root);
        box_free(&box);
    }
}

TEST(a_segment_before_the_last_may_end_nowhere_else)
{
    size_t size = 1;
    for (size_t cut = 1; cut <= size; cut++) {
        struct box box;
        struct box_report report;
        box_fill(&box);
        size = box_file(&box, BOX_NAME(0010, ".log"))->bytes.size;
        bool whole = at_boundary(&box, BOX_NAME(0010, ".log"), size - cut);
        box_truncate(&box, BOX_NAME(0010, ".log"), size - cut);
        box_check(&box, NULL, &report);
        assert_true(box_found(&report, whole ? "offset_gap" : "bad_batch", ".log"));
        assert_true(report.damage > 0);
        box_report_free(&report);
        box_free(&box);
    }
}

static void cut_everywhere(const char *name, size_t entry_size, const char *kind, bool damage)
{
    size_t size = 1;
    for (size_t cut = 1; cut <= size; cut++) {
        struct box box;
        struct box_report report;
        box_fill(&box);
        size = box_file(&box, name)->bytes.size;
        assert_true(size > 0);
        box_truncate(&box, name, size - cut);
        box_check(&box, NULL, &report);
        bool whole = entry_size > 0 && (size - cut) % entry_size == 0;
        if (box_found(&report, kind, name) == whole)
            fail_msg("%s cut to %d: %s", name, (int)(size - cut), report.text.data);
        /* Fewer entries lead to the same batches. */
        assert_int_equal(report.damage > 0, !whole && damage);
        box_report_free(&report);
        box_free(&box);
    }
}

TEST(a_file_that_is_cut_is_found)
{
    cut_everywhere(BOX_NAME(0000, ".index"), FORMAT_INDEX_ENTRY_SIZE, "index_size", true);
    cut_everywhere(BOX_NAME(0000, ".timeindex"), FORMAT_TIME_ENTRY_SIZE, "index_size", true);
    cut_everywhere(BOX_NAME(0020, ".index"), FORMAT_INDEX_ENTRY_SIZE, "index_size", true);
    cut_everywhere(BOX_NAME(0010, ".snapshot"), 0, "snapshot_torn", false);
    cut_everywhere(BOX_NAME(0010, ".snapshot-window"), 0, "snapshot_torn", false);
    cut_everywhere("leader-epoch-checkpoint", 0, "bad_checksum", true);
    cut_everywhere("leader-epoch-checkpoint.crc", 0, "bad_text", true);
    cut_everywhere("partition.metadata", 0, "bad_text", true);
}
