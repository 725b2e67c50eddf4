/* box.c - builds a partition's files in memory, and asks the inspection about them. */
#include <stdio.h>
#include <stdlib.h>
#include "box.h"

#define BATCH_MAX 4096

void box_init(struct box *box, const char *name)
{
    memset(box, 0, sizeof *box);
    mem_system(&box->mem);
    box->dir = (struct inspect_dir){.path = name, .name = name, .files = box->files};
    text_init(&box->log, &box->mem);
    text_init(&box->txns, &box->mem);
    format_index_init(&box->index, &box->mem, 0);
    assert_ok(format_producers_init(&box->producers, &box->mem, NULL));
    box->epochs.mem = &box->mem;
}

void box_free(struct box *box)
{
    for (int32_t i = 0; i < box->dir.file_count; i++) {
        mem_free(&box->mem, (void *)(uintptr_t)box->files[i].bytes.data);
        mem_free(&box->mem, (void *)(uintptr_t)box->files[i].name);
    }
    text_free(&box->log);
    text_free(&box->txns);
    format_index_free(&box->index);
    format_producers_free(&box->producers);
    format_epochs_free(&box->epochs);
    assert_int_equal(box->mem.live_count, 0);
}

/* ---- files ---- */

struct inspect_file *box_file(struct box *box, const char *name)
{
    for (int32_t i = 0; i < box->dir.file_count; i++) {
        if (strcmp(box->files[i].name, name) == 0)
            return &box->files[i];
    }
    fail_msg("there is no %s", name);
    return NULL;
}

uint8_t *box_bytes(struct box *box, const char *name)
{
    return (uint8_t *)(uintptr_t)box_file(box, name)->bytes.data;
}

/* Copied to its very size, so that a sanitizer sees a step beyond. */
static struct bytes copy(struct box *box, const void *data, size_t size)
{
    uint8_t *own = mem_alloc(&box->mem, MAX(size, 1));
    if (size > 0)
        memcpy(own, data, size);
    return bytes_of(own, size);
}

void box_put(struct box *box, const char *name, const void *data, size_t size)
{
    assert_true(box->dir.file_count < BOX_FILES_MAX);
    box->files[box->dir.file_count++] = (struct inspect_file){
        .name = mem_text(&box->mem, name, strlen(name)), .bytes = copy(box, data, size)};
}

void box_put_text(struct box *box, const char *name, const char *text)
{
    box_put(box, name, text, strlen(text));
}

void box_put_sealed(struct box *box, const char *name, const char *text)
{
    char crc[FORMAT_CRC_FILE_SIZE + 1];
    char crc_name[FORMAT_NAME_MAX];
    box_put_text(box, name, text);
    format_crc_print(crc32c(0, text, strlen(text)), 0x12345678, crc);
    snprintf(crc_name, sizeof crc_name, "%s.crc", name);
    box_put_text(box, crc_name, crc);
}

void box_remove(struct box *box, const char *name)
{
    struct inspect_file *file = box_file(box, name);
    mem_free(&box->mem, (void *)(uintptr_t)file->bytes.data);
    mem_free(&box->mem, (void *)(uintptr_t)file->name);
    *file = box->files[--box->dir.file_count];
}

void box_truncate(struct box *box, const char *name, size_t size)
{
    struct inspect_file *file = box_file(box, name);
    struct bytes before = file->bytes;
    assert_true(size <= before.size);
    file->bytes = copy(box, before.data, size);
    mem_free(&box->mem, (void *)(uintptr_t)before.data);
}

/* ---- batches ---- */

void box_add_bytes(struct box *box, const uint8_t *batch, size_t size, int32_t leader_epoch)
{
    struct wire_batch head;
    uint8_t own[BATCH_MAX];
    assert_true(size <= sizeof own);
    memcpy(own, batch, size);
    wire_batch_set_offset(own, box->end);
    wire_batch_set_leader_epoch(own, leader_epoch);
    assert_int_equal(wire_batch_at(bytes_of(own, size), 0, &head, NULL), WIRE_AT_BATCH);
    assert_int_equal(head.size, size);
    struct format_note note = format_note_of(&head, box->log.size, own);
    assert_ok(format_index_reserve(&box->index, 1));
    format_index_add(&box->index, &note, BOX_INTERVAL);
    assert_ok(format_epochs_reserve(&box->epochs, 1));
    format_epochs_assign(&box->epochs, leader_epoch, note.base);
    if (note.producer_id >= 0)
        assert_ok(format_producers_apply(&box->producers, &note, 0, NULL));
    text_add(&box->log, own, size);
    box->end = note.last + 1;
}

static struct wire_builder_head head_of(const struct box_batch *b)
{
    bool plain = b->producer_id == 0;
    return (struct wire_builder_head){.attributes = b->attributes,
                                      .producer_id = plain ? -1 : b->producer_id,
                                      .producer_epoch = plain ? -1 : b->producer_epoch,
                                      .base_sequence = plain ? -1 : b->sequence};
}

void box_add(struct box *box, const struct box_batch *b)
{
    uint8_t data[BATCH_MAX];
    char value[256];
    struct wire_builder builder;
    struct wire_record_header header = {.key = wire_text("h"), .value = WIRE_NULL_BYTES};
    wire_builder_init(&builder, data, sizeof data);
    memset(value, 'v', sizeof value);
    for (int i = 0; i < b->records; i++) {
        struct wire_bytes key = {.data = (const uint8_t *)"key", .size = i % 2 == 0 ? 3 : -1};
        struct wire_bytes body = {.data = (const uint8_t *)value, .size = b->value_size};
        assert_ok(
            wire_builder_add(&builder, b->timestamp - b->records + 1 + i, key, body, &header, 1));
    }
    struct wire_builder_head head = head_of(b);
    wire_builder_finish(&builder, &head);
    box_add_bytes(box, data, builder.size, b->leader_epoch);
}

/* The least offset of all transactions that go on. */
static int64_t stable_end(const struct box *box)
{
    int64_t stable = box->end;
    LIST_EACH (producer, &box->producers.open, struct format_producer, link) {
        if (producer->txn_first >= 0)
            stable = MIN(stable, producer->txn_first);
    }
    return stable;
}

static void add_aborted(struct box *box, int64_t producer_id, int64_t first, int64_t last)
{
    uint8_t entry[34];
    put_u16(entry, 0);
    put_u64(entry + 2, (uint64_t)producer_id);
    put_u64(entry + 10, (uint64_t)first);
    put_u64(entry + 18, (uint64_t)last);
    put_u64(entry + 26, (uint64_t)stable_end(box));
    text_add(&box->txns, entry, sizeof entry);
}

void box_end_transaction(struct box *box, int64_t producer_id, bool commit, int32_t leader_epoch)
{
    static const uint8_t value[6] = {0, 0, 0, 0, 0, 5};
    const uint8_t key[4] = {0, 0, 0, commit};
    uint8_t data[BATCH_MAX];
    struct wire_builder builder;
    const struct format_producer *producer = format_producers_find(&box->producers, producer_id);
    assert_non_null(producer);
    int64_t first = producer->txn_first;
    struct wire_builder_head head = {.attributes = WIRE_BATCH_CONTROL | WIRE_BATCH_TRANSACTIONAL,
                                     .producer_id = producer_id,
                                     .producer_epoch = producer->epoch,
                                     .base_sequence = -1};
    wire_builder_init(&builder, data, sizeof data);
    assert_ok(wire_builder_add(&builder, producer->timestamp + 1,
                               (struct wire_bytes){.data = key, .size = sizeof key},
                               (struct wire_bytes){.data = value, .size = sizeof value}, NULL, 0));
    wire_builder_finish(&builder, &head);
    box_add_bytes(box, data, builder.size, leader_epoch);
    if (!commit)
        add_aborted(box, producer_id, first, box->end - 1);
}

/* ---- segments ---- */

static void put_index(struct box *box)
{
    char name[FORMAT_NAME_MAX];
    char text[FORMAT_INDEX_CRC_SIZE + 1];
    struct format_index_crc crc = {.log_bytes = box->log.size};
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        uint8_t bytes[4096];
        int32_t count = box->index.counts.of[kind];
        size_t size = (size_t)count * format_derived[kind].size;
        assert_true(size <= sizeof bytes);
        format_index_encode(&box->index, (enum format_derived)kind, 0, count, bytes);
        format_name_print(name, box->base, format_derived[kind].file);
        box_put(box, name, bytes, size);
        crc.crc[kind] = crc32c(0, bytes, size);
        crc.size[kind] = size;
    }
    format_index_crc_print(&crc, text);
    snprintf(name, sizeof name, "%020lld.index.crc", (long long)box->base);
    box_put_text(box, name, text);
}

static void put_snapshot(struct box *box)
{
    struct bytes snapshot, window;
    char name[FORMAT_NAME_MAX];
    assert_ok(format_snapshot_encode(&box->producers, &box->mem, &snapshot, &window));
    format_name_print(name, box->end, FORMAT_KIND_SNAPSHOT);
    box_put(box, name, snapshot.data, snapshot.size);
    format_name_print(name, box->end, FORMAT_KIND_WINDOW);
    if (window.data != NULL)
        box_put(box, name, window.data, window.size);
    mem_free(&box->mem, (void *)(uintptr_t)snapshot.data);
    mem_free(&box->mem, (void *)(uintptr_t)window.data);
}

void box_roll(struct box *box)
{
    char name[FORMAT_NAME_MAX];
    assert_ok(format_index_reserve(&box->index, 1));
    format_index_seal(&box->index);
    format_name_print(name, box->base, FORMAT_KIND_LOG);
    box_put(box, name, box->log.data, box->log.size);
    put_index(box);
    format_name_print(name, box->base, FORMAT_KIND_TXNINDEX);
    if (box->txns.size > 0)
        box_put(box, name, box->txns.data, box->txns.size);
    put_snapshot(box);
    box->log.size = box->txns.size = 0;
    box->base = box->end;
    format_index_free(&box->index);
    format_index_init(&box->index, &box->mem, box->base);
}

static void put_small(struct box *box)
{
    struct text epochs;
    text_init(&epochs, &box->mem);
    format_epochs_print(&box->epochs, &epochs);
    box_put_sealed(box, "leader-epoch-checkpoint", epochs.data);
    text_free(&epochs);
    box_put_text(box, "partition.metadata", "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw");
}

static void add_compressed(struct box *box)
{
    size_t size;
    uint8_t *file =
        test_read_file("vectors/kafka-sample-segment/t-0/00000000000000000000.log", &size);
    box_add_bytes(box, file + 132, 134, 1); /* gzip, producer 4711, sequence 3 */
    free(file);
}

void box_fill(struct box *box)
{
    box_init(box, "orders-0");
    int64_t now = 1700000000000;
    for (int i = 0; i < 4; i++)
        box_add(box, &(struct box_batch){.records = 1 + i,
                                         .value_size = 40,
                                         .producer_id = 7,
                                         .sequence = i * (i + 1) / 2,
                                         .timestamp = now + 10 * i});
    box_roll(box);
    add_compressed(box);
    for (int i = 0; i < 3; i++)
        box_add(box, &(struct box_batch){.records = 2,
                                         .value_size = 60,
                                         .producer_id = 9,
                                         .producer_epoch = 2,
                                         .sequence = 2 * i,
                                         .attributes = WIRE_BATCH_TRANSACTIONAL,
                                         .leader_epoch = 1,
                                         .timestamp = now + 2000 + i});
    box_end_transaction(box, 9, false, 1);
    box_roll(box);
    for (int i = 0; i < 4; i++)
        box_add(box, &(struct box_batch){
                         .records = 3, .value_size = 30, .leader_epoch = 4, .timestamp = now + i});
    box_add(box, &(struct box_batch){.records = 1,
                                     .producer_id = 9,
                                     .producer_epoch = 2,
                                     .sequence = 6,
                                     .attributes = WIRE_BATCH_TRANSACTIONAL,
                                     .leader_epoch = 4,
                                     .timestamp = now + 5000});
    box_end_transaction(box, 9, true, 4);
    box_roll(box);
    put_small(box);
    assert_int_equal(box->end, BOX_END);
}

void box_root(struct box *root, int64_t recovery_point)
{
    char text[64];
    box_init(root, "logs");
    snprintf(text, sizeof text, "0\n1\norders 0 %lld\n", (long long)recovery_point);
    box_put_sealed(root, "recovery-point-offset-checkpoint", text);
    box_put_sealed(root, "log-start-offset-checkpoint", "0\n1\norders 0 0\n");
    box_put_sealed(root, "replication-offset-checkpoint", "0\n1\norders 0 20\n");
    box_put_sealed(root, "meta.properties",
                   "version=1\nnode.id=1\ncluster.id=abc\ndirectory.id=AAECAwQFBgcICQoLDA0ODw\n");
    box_put_text(root, ".lock", "");
}

size_t box_place(struct box *box, const char *name, int64_t offset)
{
    struct bytes bytes = box_file(box, name)->bytes;
    struct wire_batch batch;
    size_t at = 0;
    while (wire_batch_at(bytes, at, &batch, NULL) == WIRE_AT_BATCH &&
           wire_batch_last_offset(&batch) < offset)
        at += (size_t)batch.size;
    assert_true(at < bytes.size);
    return at;
}

void box_reseal(struct box *box, const char *name, size_t at)
{
    struct wire_batch batch;
    uint8_t *p = box_bytes(box, name) + at;
    struct bytes bytes = box_file(box, name)->bytes;
    assert_int_equal(wire_batch_at(bytes, at, &batch, NULL), WIRE_AT_BATCH);
    put_u32(p + 17, crc32c(0, p + 21, (size_t)batch.size - 21));
}

/* ---- asking ---- */

struct asking {
    struct inspect in;
    struct box_report *report;
};

static void take(struct inspect *in, struct bytes piece)
{
    struct box_report *report = CONTAINER_OF(in, struct asking, in)->report;
    text_add(&report->text, piece.data, piece.size);
}

static void ask(struct asking *asking, struct box_report *report)
{
    mem_system(&report->mem);
    text_init(&report->text, &report->mem);
    text_add(&report->text, "", 0);
    asking->report = report;
    inspect_init(&asking->in, &report->mem);
    asking->in.write = take;
    asking->in.json = true;
}

static void told(struct asking *asking)
{
    asking->report->damage = asking->in.damage_count;
    asking->report->notes = asking->in.note_count;
    inspect_free(&asking->in);
}

static void forget_findings(struct box *box)
{
    for (int32_t i = 0; box != NULL && i < box->dir.file_count; i++)
        box->files[i].finding_count = 0;
}

void box_check(struct box *box, struct box *root, struct box_report *out)
{
    struct asking asking;
    struct inspect_root *known = NULL;
    forget_findings(box);
    forget_findings(root);
    ask(&asking, out);
    if (root != NULL)
        assert_ok(inspect_root_new(&asking.in, &root->dir, true, &known));
    assert_ok(inspect_check(&asking.in, known, &box->dir, false));
    if (root != NULL)
        assert_ok(inspect_root_end(&asking.in, known, &box->dir.name, 1));
    inspect_root_free(&asking.in, known);
    told(&asking);
}

void box_dump(struct box *box, const char *name, bool json, bool records, struct box_report *out)
{
    struct asking asking;
    forget_findings(box);
    ask(&asking, out);
    asking.in.json = json;
    asking.in.records = records;
    assert_ok(inspect_dump(&asking.in, &box->dir, box_file(box, name)));
    told(&asking);
}

void box_report_free(struct box_report *report)
{
    text_free(&report->text);
    assert_int_equal(report->mem.live_count, 0);
}

bool box_found(const struct box_report *report, const char *kind, const char *file)
{
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\"kind\":\"%s\"", kind);
    const char *row = report->text.data;
    while (row != NULL && *row != 0) {
        const char *end = strchr(row, '\n');
        const char *found = strstr(row, wanted);
        const char *named = file == NULL ? row : strstr(row, file);
        if (found != NULL && found < end && named != NULL && named < end)
            return true;
        row = end == NULL ? NULL : end + 1;
    }
    return false;
}

void box_expect_clean(struct box *box, struct box *root)
{
    struct box_report report;
    box_check(box, root, &report);
    if (report.damage + report.notes > 0)
        fail_msg("not clean: %s", report.text.data);
    box_report_free(&report);
}

void box_expect(struct box *box, struct box *root, const char *kind, const char *file, bool damage)
{
    struct box_report report;
    box_check(box, root, &report);
    if (!box_found(&report, kind, file) || (report.damage > 0) != damage)
        fail_msg("no %s, or of wrong weight (%d damaged): %s", kind, (int)report.damage,
                 report.text.data);
    box_report_free(&report);
}
