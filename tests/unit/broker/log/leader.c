/* leader.c - see leader.h. */
#include <stdlib.h>
#include "leader.h"

struct leader *leader_new(uint64_t seed, bool gaps)
{
    struct leader *l = calloc(1, sizeof *l);
    l->gaps = gaps;
    l->rng.state = seed;
    return l;
}

static size_t build_marker(uint8_t *out, size_t cap, struct wire_builder_head *head)
{
    uint8_t key[4] = {0, 0, 0, WIRE_CONTROL_COMMIT};
    uint8_t value[6] = {0};
    struct wire_builder b;
    wire_builder_init(&b, out, cap);
    struct wire_bytes k = {.data = key, .size = sizeof key};
    struct wire_bytes v = {.data = value, .size = sizeof value};
    assert_ok(wire_builder_add(&b, 1000, k, v, NULL, 0));
    head->attributes = WIRE_BATCH_CONTROL | WIRE_BATCH_TRANSACTIONAL;
    head->base_sequence = -1;
    wire_builder_finish(&b, head);
    return b.size;
}

static size_t build_data(struct leader *l, uint8_t *out, size_t cap, struct wire_builder_head *head,
                         int records)
{
    uint8_t value[700];
    struct wire_builder b;
    size_t size = 8 + (size_t)random_below(rng_next(&l->rng), sizeof value - 8);
    wire_builder_init(&b, out, cap);
    for (int i = 0; i < records; i++) {
        for (size_t k = 0; k < size; k++)
            value[k] = (uint8_t)rng_next(&l->rng);
        struct wire_bytes v = {.data = value, .size = (int32_t)size};
        assert_ok(wire_builder_add(&b, 1000, WIRE_NULL_BYTES, v, NULL, 0));
    }
    wire_builder_finish(&b, head);
    return b.size;
}

void leader_append(struct leader *l)
{
    uint8_t *out = l->bytes + l->size;
    int kind = (int)random_below(rng_next(&l->rng), 6);
    int records = 1 + (int)random_below(rng_next(&l->rng), 4);
    struct wire_builder_head head = {
        .leader_epoch = l->epoch, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    assert_true(l->count < LEADER_BATCHES_MAX);
    assert_true(l->size + 4096 < LEADER_BYTES_MAX);
    head.base_offset = l->end;
    /* A leader's epoch begins where its log ended. */
    bool first = l->count == 0 || l->batches[l->count - 1].epoch != l->epoch;
    if (l->gaps && !first && random_chance(rng_next(&l->rng), 1, 3))
        head.base_offset += (int64_t)random_below(rng_next(&l->rng), 50);
    if (kind <= 2) {
        head.producer_id = 7;
        head.producer_epoch = 0;
        head.base_sequence = l->sequence;
    }
    struct leader_batch *batch = &l->batches[l->count++];
    *batch = (struct leader_batch){.base = head.base_offset, .epoch = l->epoch, .at = l->size};
    batch->size =
        kind == 0 ? build_marker(out, 4096, &head) : build_data(l, out, 4096, &head, records);
    if (kind == 1 || kind == 2)
        l->sequence += records;
    batch->last = batch->base + (kind == 0 ? 1 : records) - 1;
    l->size += batch->size;
    l->end = batch->last + 1;
}

void leader_cut(struct leader *l, int64_t end)
{
    while (l->count > 0 && l->batches[l->count - 1].base >= end)
        l->size = l->batches[--l->count].at;
    l->end = l->count == 0 ? 0 : l->batches[l->count - 1].last + 1;
}

void leader_epoch_end(const struct leader *l, int32_t epoch, int32_t *found, int64_t *end)
{
    *found = -1;
    *end = l->end;
    for (int i = 0; i < l->count; i++) {
        if (l->batches[i].epoch <= epoch) {
            *found = l->batches[i].epoch;
            continue;
        }
        *end = l->batches[i].base;
        return;
    }
}

int leader_find(const struct leader *l, int64_t offset)
{
    int i = 0;
    while (i < l->count && l->batches[i].last < offset)
        i++;
    return i;
}

struct slice leader_fetch(const struct leader *l, struct rig *rig, int batch, int count)
{
    int end = MIN(batch + count, l->count);
    assert_true(batch < end);
    size_t from = l->batches[batch].at;
    size_t size = l->batches[end - 1].at + l->batches[end - 1].size - from;
    struct buf *buf = buf_new(rig->seat->mem, (uint32_t)size);
    if (buf == NULL)
        return (struct slice){0};
    memcpy(buf->data, l->bytes + from, size);
    return slice_of(buf, 0, (uint32_t)size);
}

struct one_read {
    struct log_read read;
    bool done;
    enum err e;
};

static void on_read(struct log_op *op, enum err e)
{
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    struct one_read *one = CONTAINER_OF(read, struct one_read, read);
    one->done = true;
    one->e = e;
}

/* Reads from there and compares; where the next read begins. */
static int64_t compare(const struct leader *l, struct rig *rig, int64_t offset)
{
    struct one_read one = {
        .read = {
            .offset = offset, .offset_end = INT64_MAX, .bytes_max = 2000, .at_least_one = true}};
    log_load(rig->log, &one.read, on_read);
    if (!rig_until(rig, &one.done))
        return -1;
    if (one.e != ERR_NONE)
        fail_msg("offset %lld: %s", (long long)offset, one.read.op.msg.text);
    int i = leader_find(l, offset);
    assert_true(i < l->count);
    if (one.read.part_count != 1)
        fail_msg("offset %lld of %lld to %lld gives nothing", (long long)offset,
                 (long long)log_start(rig->log), (long long)log_end(rig->log));
    assert_memory_equal(one.read.parts[0].data, l->bytes + l->batches[i].at,
                        one.read.parts[0].size);
    int64_t next = one.read.next_offset;
    log_read_release(&one.read);
    assert_true(next > offset);
    return next;
}

void leader_check(const struct leader *l, struct rig *rig)
{
    int64_t end = log_written_end(rig->log);
    int64_t offset = log_start(rig->log);
    assert_true(end <= l->end);
    while (offset >= 0 && offset < end)
        offset = compare(l, rig, offset);
    if (offset < 0)
        return; /* the node went down */
    for (int i = leader_find(l, log_start(rig->log)); i < l->count; i++) {
        const struct leader_batch *batch = &l->batches[i];
        if (batch->base < end)
            assert_int_equal(log_epoch_at(rig->log, batch->base), batch->epoch);
    }
}

/* E-3: what the leader would answer. True: the logs have parted. */
static bool parts(const struct leader *l, struct rig *rig, int64_t *to)
{
    int32_t last = log_latest_epoch(rig->log);
    int64_t end = log_end(rig->log);
    int32_t found;
    int64_t found_end;
    if (last < 0 && end <= l->end)
        return false;
    leader_epoch_end(l, last, &found, &found_end);
    if (found == last && found_end >= end)
        return false;
    *to = format_epochs_common(log_epochs(rig->log), end, found, found_end);
    return true;
}

bool leader_follow(const struct leader *l, struct rig *rig, int count, enum err *e)
{
    struct log_taken taken;
    int64_t to;
    *e = ERR_NONE;
    for (int i = 0; rig->seat != NULL && parts(l, rig, &to); i++) {
        assert_true(i < 20);
        *e = rig_truncate(rig, to);
        if (*e != ERR_NONE || rig->seat == NULL)
            return false;
    }
    while (rig->seat != NULL && log_end(rig->log) < l->end) {
        struct slice batches = leader_fetch(l, rig, leader_find(l, log_end(rig->log)), count);
        *e = log_append_as_is(rig->log, batches, l->epoch, &taken, &rig->msg);
        buf_release(batches.buf);
        if (*e != ERR_NONE)
            return false;
        rig_step(rig);
    }
    return rig->seat != NULL;
}
