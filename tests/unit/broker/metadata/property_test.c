/* property_test.c - random histories: maps against plain arrays, differences against comparing all,
 * and an image against the replay of its own records. */
#include "values.h"
#include "metadata/internal.h"

#define KEYS 200
#define ROUNDS 2000

/* ---- maps ---- */

struct thing {
    struct metadata_object object;
    struct mem *mem;
    uint8_t key[2];
};

static void thing_free(struct metadata_object *object)
{
    struct thing *t = CONTAINER_OF(object, struct thing, object);
    mem_free(t->mem, t);
}

static struct thing *thing_new(struct mem *mem, int key)
{
    struct thing *t = mem_zalloc(mem, sizeof *t);
    assert_non_null(t);
    t->mem = mem;
    put_u16(t->key, (uint16_t)key);
    t->object = (struct metadata_object){
        .refs = 1, .key = bytes_of(t->key, sizeof t->key), .free = thing_free};
    return t;
}

/* A version: the map, and what it should hold. */
struct version {
    struct metadata_map map;
    const struct metadata_object *model[KEYS];
};

static void assert_model(const struct version *v)
{
    int32_t count = 0;
    for (int key = 0; key < KEYS; key++) {
        uint8_t bytes[2];
        put_u16(bytes, (uint16_t)key);
        assert_ptr_equal(metadata_map_find(&v->map, bytes_of(bytes, 2)), v->model[key]);
        if (v->model[key] != NULL)
            assert_ptr_equal(metadata_map_at(&v->map, count++), v->model[key]);
    }
    assert_int_equal(metadata_map_count(&v->map), count);
}

static void assert_diff(const struct version *from, const struct version *to)
{
    struct metadata_map_diff diff;
    struct metadata_object *before, *after;
    metadata_map_diff(&diff, &from->map, &to->map);
    for (int key = 0; key < KEYS; key++) {
        if (from->model[key] == to->model[key])
            continue;
        assert_true(metadata_map_diff_next(&diff, &before, &after));
        assert_ptr_equal(before, from->model[key]);
        assert_ptr_equal(after, to->model[key]);
    }
    assert_false(metadata_map_diff_next(&diff, &before, &after));
}

static void change(struct version *v, struct mem *mem, struct rng *rng)
{
    int key = (int)random_below(rng_next(rng), KEYS);
    uint8_t bytes[2];
    put_u16(bytes, (uint16_t)key);
    if (random_below(rng_next(rng), 3) == 0) {
        assert_ok(metadata_map_remove(&v->map, mem, bytes_of(bytes, 2)));
        v->model[key] = NULL;
        return;
    }
    struct thing *t = thing_new(mem, key);
    assert_ok(metadata_map_put(&v->map, mem, &t->object));
    v->model[key] = &t->object;
}

/* Whatever happens to a later version, an earlier one stays what it was. */
TEST(versions_of_a_map_are_what_their_history_says)
{
    struct test_mem mem;
    struct rng rng = {.state = 7};
    static struct version old, new;
    test_mem_init(&mem);
    old = new = (struct version){0};
    for (int i = 0; i < ROUNDS; i++) {
        if (random_below(rng_next(&rng), 8) == 0) {
            metadata_map_clear(&old.map, &mem.mem);
            old = new;
            metadata_map_share(&old.map, &new.map);
        }
        change(&new, &mem.mem, &rng);
        assert_model(&new);
        assert_model(&old);
        assert_diff(&old, &new);
        assert_diff(&new, &old);
    }
    metadata_map_clear(&old.map, &mem.mem);
    metadata_map_clear(&new.map, &mem.mem);
    test_mem_done(&mem);
}

/* Sorted input is what makes a tree that is not balanced a list. */
TEST(what_two_maps_share_is_not_looked_at)
{
    struct test_mem mem;
    struct metadata_map old = {NULL}, new;
    test_mem_init(&mem);
    for (int key = 0; key < 60000; key++) {
        struct thing *t = thing_new(&mem.mem, key);
        assert_ok(metadata_map_put(&old, &mem.mem, &t->object));
    }
    metadata_map_share(&new, &old);
    struct thing *t = thing_new(&mem.mem, 12345);
    int64_t before_count = mem.mem.live_count;
    assert_ok(metadata_map_put(&new, &mem.mem, &t->object));
    assert_true(mem.mem.live_count - before_count < 50); /* a path, and no more */
    struct metadata_map_diff diff;
    struct metadata_object *before, *after;
    metadata_map_diff(&diff, &old, &new);
    assert_true(metadata_map_diff_next(&diff, &before, &after));
    assert_ptr_equal(after, &t->object);
    assert_true(diff.depths[0] < 50);
    assert_false(metadata_map_diff_next(&diff, &before, &after));
    metadata_map_clear(&old, &mem.mem);
    metadata_map_clear(&new, &mem.mem);
    test_mem_done(&mem);
}

/* ---- images ---- */

struct history {
    struct test_mem mem;
    struct arena arena;
    struct rng rng;
    struct metadata_image *image;
    int64_t applied, refused;
};

static int draw(struct history *h, int count)
{
    return (int)random_below(rng_next(&h->rng), (uint64_t)count);
}

static void draw_id(struct history *h, struct wire_uuid *id)
{
    *id = (struct wire_uuid){.b = {(uint8_t)draw(h, 6)}};
}

/* What decides whether a record makes sense comes from few values, so that it often does. */
static void make_plausible(struct history *h, const struct wire_message *m, void *record)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    struct wire_string name = wire_text(names[draw(h, 6)]);
    int key = m->key;
    if (key == 2) {
        struct wire_topic_record *r = record;
        draw_id(h, &r->topic_id);
        r->name = wire_text(names[r->topic_id.b[0]]);
    } else if (key == 3) {
        struct wire_partition_record *r = record;
        draw_id(h, &r->topic_id);
        const struct metadata_topic *t = metadata_find_id(h->image, &r->topic_id);
        r->partition_id = t == NULL ? 0 : t->partition_count;
        if (r->directories_count != r->replicas_count)
            r->directories_count = 0;
    } else if (key == 4) {
        struct wire_config_record *r = record;
        r->resource_type = draw(h, 2) ? 2 : 4;
        r->resource_name = name;
        r->name = wire_text(names[draw(h, 6)]);
    } else if (key == 5) {
        struct wire_partition_change_record *r = record;
        draw_id(h, &r->topic_id);
        r->partition_id = draw(h, 4);
        r->directories_count = -1;
    } else if (key == 9) {
        struct wire_remove_topic_record *r = record;
        draw_id(h, &r->topic_id);
    } else if (key == 12) {
        struct wire_feature_level_record *r = record;
        r->name = draw(h, 3) ? name : wire_text("metadata.version");
        r->feature_level = (int16_t)(draw(h, 25) + METADATA_VERSION_OLDEST - 1);
    } else if (key == 0) {
        struct wire_register_broker_record *r = record;
        r->broker_id = draw(h, 4);
        r->broker_epoch = draw(h, 2);
        if (r->cordoned_log_dirs_count == 0)
            r->cordoned_log_dirs_count = -1;
    } else if (key == 17) {
        struct wire_broker_registration_change_record *r = record;
        r->broker_id = draw(h, 4);
        r->broker_epoch = draw(h, 2);
    } else if (key == 28) {
        struct wire_clear_elr_record *r = record;
        r->topic_name = draw(h, 4) ? name : wire_text("");
    }
}

/* The value of a random record of that type. */
static struct wire_bytes random_value(struct history *h, const struct wire_message *m,
                                      struct wire_out *out)
{
    void *record = arena_alloc(&h->arena, MAX(m->size, 1u));
    int version = m->newest;
    assert_non_null(record);
    assert_ok(wire_generate(m, version, &h->rng, &h->arena, record));
    make_plausible(h, m, record);
    assert_ok(wire_encode(m, version, record, out));
    uint8_t *value = arena_alloc(&h->arena, 3 + out->size);
    assert_non_null(value);
    value[0] = 1;
    value[1] = (uint8_t)m->key;
    value[2] = (uint8_t)version;
    memcpy(value + 3, out->data, out->size);
    int32_t size = (int32_t)(3 + out->size);
    wire_out_reset(out);
    return (struct wire_bytes){.data = value, .size = size};
}

static void apply_random(struct history *h, struct wire_out *out)
{
    const struct wire_message *m = NULL;
    struct metadata_edit edit;
    struct errmsg msg = {{0}};
    while (m == NULL)
        m = wire_metadata_message((uint32_t)draw(h, 30));
    struct wire_bytes value = random_value(h, m, out);
    assert_ok(metadata_edit_begin(&edit, &h->mem.mem, h->image));
    enum err e = metadata_edit_apply(&edit, h->image->offset + 1, value, &h->arena, &msg);
    arena_reset(&h->arena);
    if (e != ERR_NONE) {
        assert_true(e == ERR_CORRUPT || e == ERR_UNSUPPORTED);
        metadata_edit_abandon(&edit);
        h->refused++;
        return;
    }
    metadata_image_release(h->image);
    h->image = metadata_edit_finish(&edit);
    h->applied++;
}

/* image == replay(records(image)): the records of both are the same, one by one. */
static void assert_same_after_replay(struct history *h)
{
    struct metadata_batch first, second;
    struct values a, b;
    const struct metadata_image *image = metadata_visible(h->image);
    values_of_image(image, &h->mem.mem, 3, &first, &a);
    struct metadata_edit edit;
    assert_ok(metadata_edit_begin(&edit, &h->mem.mem, NULL));
    for (int32_t i = 0; i < first.write_count; i++)
        values_read(bytes_of(first.writes[i].buf->data, first.writes[i].size), INT64_MAX, &edit,
                    &h->arena, NULL);
    struct metadata_image *again = metadata_edit_finish(&edit);
    assert_int_equal(again->topic_count, image->topic_count);
    assert_int_equal(again->partition_count, image->partition_count);
    values_of_image(again, &h->mem.mem, 50, &second, &b);
    values_assert_equal(&a, &b);
    values_free(&a);
    values_free(&b);
    metadata_batch_free(&first);
    metadata_batch_free(&second);
    metadata_image_release(again);
}

TEST(an_image_is_the_replay_of_its_own_records)
{
    for (uint64_t seed = 1; seed < 30; seed++) {
        struct history h = {.rng = {.state = seed}};
        struct wire_out out;
        test_mem_init(&h.mem);
        arena_init(&h.arena, &h.mem.mem, 4 << 20);
        wire_out_init(&out, &h.mem.mem);
        struct metadata_edit edit;
        assert_ok(metadata_edit_begin(&edit, &h.mem.mem, NULL));
        h.image = metadata_edit_finish(&edit);
        for (int i = 0; i < 600; i++) {
            apply_random(&h, &out);
            if (i % 20 == 19)
                assert_same_after_replay(&h);
        }
        assert_true(h.applied > 300);
        metadata_image_release(h.image);
        wire_out_free(&out);
        arena_free(&h.arena);
        test_mem_done(&h.mem);
    }
}
