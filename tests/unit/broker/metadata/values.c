/* values.c - the records of batches as values. */
#include "values.h"
#include <stdlib.h>

static void add(struct values *values, struct wire_bytes value)
{
    if (values->items == NULL)
        values->items = malloc(VALUES_MAX * sizeof *values->items);
    assert_true(values->count < VALUES_MAX);
    values->items[values->count++] = value;
}

static void read_batch(const struct wire_batch *head, struct bytes in, struct metadata_edit *edit,
                       struct arena *arena, struct values *values)
{
    struct wire_records it;
    struct wire_record record;
    struct errmsg msg = {{0}};
    if (edit != NULL && metadata_batch_replay(edit, head, in, arena, &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    if (values == NULL || (head->attributes & WIRE_BATCH_CONTROL) != 0)
        return;
    assert_ok(wire_records_begin(&it, head, in, NULL));
    while (it.left > 0) {
        assert_ok(wire_records_next(&it, &record, NULL));
        add(values, record.value);
    }
}

void values_read(struct bytes bytes, int64_t end, struct metadata_edit *edit, struct arena *arena,
                 struct values *values)
{
    struct wire_batch head;
    for (size_t at = 0; at < bytes.size; at += (size_t)head.size) {
        assert_int_equal(wire_batch_at(bytes, at, &head, NULL), WIRE_AT_BATCH);
        if (wire_batch_last_offset(&head) >= end)
            return;
        read_batch(&head, bytes_of(bytes.data + at, (size_t)head.size), edit, arena, values);
    }
}

void values_of_image(const struct metadata_image *image, struct mem *mem, int32_t step,
                     struct metadata_batch *batch, struct values *values)
{
    struct metadata_dump dump;
    struct arena arena;
    bool more = true;
    arena_init(&arena, mem, 1 << 20);
    metadata_batch_init(batch, mem, 0, 0, 1);
    metadata_dump_begin(&dump, image);
    while (more)
        assert_ok(metadata_dump_next(&dump, batch, step, &arena, &more));
    arena_free(&arena);
    assert_ok(metadata_batch_finish(batch));
    *values = (struct values){0};
    for (int32_t i = 0; i < batch->write_count; i++)
        values_read(bytes_of(batch->writes[i].buf->data, batch->writes[i].size), INT64_MAX, NULL,
                    NULL, values);
}

void values_free(struct values *values)
{
    free(values->items);
}

static int compare(const void *a, const void *b)
{
    const struct wire_bytes *x = a, *y = b;
    int order = memcmp(x->data, y->data, (size_t)MIN(x->size, y->size));
    return order != 0 ? order : x->size - y->size;
}

void values_sort(struct values *values)
{
    qsort(values->items, (size_t)values->count, sizeof *values->items, compare);
}

void values_assert_equal(const struct values *a, const struct values *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        assert_int_equal(a->items[i].size, b->items[i].size);
        assert_memory_equal(a->items[i].data, b->items[i].data, (size_t)a->items[i].size);
    }
}
