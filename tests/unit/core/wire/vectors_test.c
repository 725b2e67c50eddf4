/* vectors_test.c - kiln's rows against the bytes of Apache Kafka's own serialisers. */
#include <stdio.h>
#include <stdlib.h>
#include "vectors.h"

#define ARENA_LIMIT (1 << 20)

/* A decoded message and what it stands in. */
struct decoded {
    struct test_mem mem;
    struct arena arena;
    void *message;
};

static void decoded_init(struct decoded *d, const struct wire_message *m)
{
    test_mem_init(&d->mem);
    arena_init(&d->arena, &d->mem.mem, ARENA_LIMIT);
    d->message = arena_alloc(&d->arena, m->size);
    memset(d->message, 0xa5, m->size); /* the decoder has to set every field */
}

static void decoded_free(struct decoded *d)
{
    arena_free(&d->arena);
    test_mem_done(&d->mem);
}

static bool same_json(const json_t *ours, const json_t *kafkas);

static const json_t *find_member(const json_t *object, const char *name)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (vectors_same_name(key, name))
            return value;
    }
    return NULL;
}

static bool same_object(const json_t *ours, const json_t *kafkas)
{
    const char *key;
    json_t *value;
    if (!json_is_object(kafkas) || json_object_size(ours) != json_object_size(kafkas))
        return false;
    json_object_foreach((json_t *)ours, key, value)
    {
        const json_t *other = find_member(kafkas, key);
        if (other == NULL || !same_json(value, other))
            return false;
    }
    return true;
}

/* Bytes are printed as their number, and Kafka's are base64; the bytes themselves are compared
 * where they are encoded again. */
static bool same_bytes(const json_t *ours, const json_t *kafkas)
{
    const char *text = json_string_value(ours);
    const char *base64 = json_string_value(kafkas);
    int count, used = 0;
    if (text == NULL || base64 == NULL || sscanf(text, "%d bytes%n", &count, &used) != 1 ||
        used == 0 || text[used] != 0)
        return false;
    size_t size = strlen(base64);
    size_t padding = size - strcspn(base64, "=");
    return (size_t)count == size / 4 * 3 - padding;
}

static bool same_json(const json_t *ours, const json_t *kafkas)
{
    if (json_is_object(ours))
        return same_object(ours, kafkas);
    if (!json_is_array(ours))
        return json_equal(ours, kafkas) || same_bytes(ours, kafkas);
    if (!json_is_array(kafkas) || json_array_size(ours) != json_array_size(kafkas))
        return false;
    for (size_t i = 0; i < json_array_size(ours); i++) {
        if (!same_json(json_array_get(ours, i), json_array_get(kafkas, i)))
            return false;
    }
    return true;
}

static void assert_same_meaning(const struct vector *v, const void *message)
{
    struct mem mem;
    struct text text;
    json_error_t error;
    mem_system(&mem);
    text_init(&text, &mem);
    wire_print(v->message, v->version, message, &text);
    json_t *ours = json_loads(text.data, 0, &error);
    if (ours == NULL || !same_json(ours, v->json))
        fail_msg("%s v%d: kiln says %s, Kafka %s", v->message->name, v->version, text.data,
                 json_dumps(v->json, 0));
    json_decref(ours);
    text_free(&text);
}

TEST(kafkas_bytes_decode_to_what_kafka_says_they_mean)
{
    struct vectors vectors;
    vectors_read(&vectors);
    for (int i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct errmsg msg = {0};
        struct decoded d;
        decoded_init(&d, v->message);
        if (wire_decode(v->message, v->version, bytes_of(v->bytes, v->size), NULL, d.message,
                        &d.arena, &msg) != ERR_NONE)
            fail_msg("%s", msg.text);
        assert_same_meaning(v, d.message);
        decoded_free(&d);
    }
    vectors_free(&vectors);
}

TEST(what_was_decoded_encodes_to_kafkas_bytes_again)
{
    struct vectors vectors;
    vectors_read(&vectors);
    for (int i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct decoded d;
        struct wire_out out;
        size_t size;
        decoded_init(&d, v->message);
        wire_out_init(&out, &d.mem.mem);
        assert_ok(wire_decode(v->message, v->version, bytes_of(v->bytes, v->size), NULL, d.message,
                              &d.arena, NULL));
        assert_ok(wire_encode(v->message, v->version, d.message, &out));
        assert_ok(wire_size(v->message, v->version, d.message, &size));
        assert_int_equal(size, v->size);
        assert_int_equal(out.size, v->size);
        assert_memory_equal(out.data, v->bytes, v->size);
        wire_out_free(&out);
        decoded_free(&d);
    }
    vectors_free(&vectors);
}

TEST(every_version_of_every_message_has_a_vector)
{
    struct vectors vectors;
    vectors_read(&vectors);
    for (int i = 0; i < wire_message_count; i++) {
        const struct wire_message *m = wire_messages[i];
        for (int version = m->oldest; version <= m->newest; version++) {
            int found = 0;
            for (int k = 0; k < vectors.count; k++)
                found += vectors.items[k].message == m && vectors.items[k].version == version;
            if (found < 3)
                fail_msg("%s v%d has %d vectors", m->name, version, found);
        }
    }
    vectors_free(&vectors);
}

TEST(every_proper_prefix_of_a_vector_is_corrupt)
{
    struct vectors vectors;
    vectors_read(&vectors);
    for (int i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct decoded d;
        decoded_init(&d, v->message);
        for (size_t size = 0; size < v->size; size++) {
            size_t used;
            struct errmsg msg = {0};
            uint8_t *cut = malloc(size);
            if (size > 0)
                memcpy(cut, v->bytes, size);
            arena_reset(&d.arena);
            void *message = arena_alloc(&d.arena, v->message->size);
            assert_int_equal(wire_decode(v->message, v->version, bytes_of(cut, size), &used,
                                         message, &d.arena, &msg),
                             ERR_CORRUPT);
            assert_true(msg.text[0] != 0);
            free(cut);
        }
        decoded_free(&d);
    }
    vectors_free(&vectors);
}

/* Whatever one byte is changed to, decoding ends, in an error or with a message that encodes again,
 * and takes no more memory than a message of that many bytes can. */
TEST(a_damaged_byte_never_costs_more_than_its_message)
{
    static const uint8_t evil[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct vectors vectors;
    vectors_read(&vectors);
    for (int i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct decoded d;
        struct wire_out out;
        decoded_init(&d, v->message);
        wire_out_init(&out, &d.mem.mem);
        for (size_t at = 0; at < v->size * COUNT_OF(evil); at++) {
            uint8_t saved = v->bytes[at / COUNT_OF(evil)];
            v->bytes[at / COUNT_OF(evil)] = evil[at % COUNT_OF(evil)];
            arena_reset(&d.arena);
            void *message = arena_alloc(&d.arena, v->message->size);
            size_t used;
            enum err e = wire_decode(v->message, v->version, bytes_of(v->bytes, v->size), &used,
                                     message, &d.arena, NULL);
            assert_true(e == ERR_NONE || e == ERR_CORRUPT);
            assert_true(d.arena.total <= v->message->size + 64 * v->size);
            wire_out_reset(&out);
            if (e == ERR_NONE)
                assert_ok(wire_encode(v->message, v->version, message, &out));
            v->bytes[at / COUNT_OF(evil)] = saved;
        }
        wire_out_free(&out);
        decoded_free(&d);
    }
    vectors_free(&vectors);
}

TEST(a_refused_allocation_is_out_of_memory_and_leaks_nothing)
{
    struct vectors vectors;
    vectors_read(&vectors);
    for (int i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        uint64_t failed = 1;
        for (uint64_t n = 1; failed > 0; n++) {
            struct decoded d;
            struct wire_out out;
            decoded_init(&d, v->message);
            arena_reset(&d.arena);
            arena_free(&d.arena); /* so that the decoder's first piece is an allocation */
            void *message = malloc(v->message->size + 1);
            wire_out_init(&out, &d.mem.mem);
            d.mem.fail_at = n;
            d.mem.failed = 0;
            enum err e = wire_decode(v->message, v->version, bytes_of(v->bytes, v->size), NULL,
                                     message, &d.arena, NULL);
            if (e == ERR_NONE)
                e = wire_encode(v->message, v->version, message, &out);
            failed = d.mem.failed;
            assert_int_equal(e, failed > 0 ? ERR_NOMEM : ERR_NONE);
            wire_out_free(&out);
            free(message);
            decoded_free(&d);
        }
    }
    vectors_free(&vectors);
}
