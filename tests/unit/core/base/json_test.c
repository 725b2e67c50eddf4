/* json_test.c - JSON, value by value. */
#include "support/test.h"

struct fixture {
    struct mem mem;
    struct text text;
    struct json json;
};

static struct json *setup(struct fixture *f)
{
    mem_system(&f->mem);
    text_init(&f->text, &f->mem);
    json_put_init(&f->json, &f->text);
    return &f->json;
}

TEST(json_puts_commas_between_values_and_nowhere_else)
{
    struct fixture f;
    struct json *j = setup(&f);
    json_put_object(j, NULL);
    json_put_array(j, "empty");
    json_put_end(j);
    json_put_array(j, "rows");
    for (int i = 0; i < 3; i++) {
        json_put_object(j, NULL);
        json_put_int(j, "i", i);
        json_put_bool(j, "odd", i % 2 == 1);
        json_put_end(j);
    }
    json_put_end(j);
    json_put_null(j, "none");
    json_put_end(j);
    assert_string_equal(f.text.data,
                        "{\"empty\":[],\"rows\":[{\"i\":0,\"odd\":false},{\"i\":1,\"odd\":true},"
                        "{\"i\":2,\"odd\":false}],\"none\":null}");
    assert_int_equal(j->depth, 0);
    text_free(&f.text);
}

TEST(json_numbers_reach_both_ends_of_64_bits)
{
    struct fixture f;
    struct json *j = setup(&f);
    json_put_array(j, NULL);
    json_put_int(j, NULL, INT64_MIN);
    json_put_int(j, NULL, 0);
    json_put_uint(j, NULL, UINT64_MAX);
    json_put_hex(j, NULL, 0xab);
    json_put_seconds(j, NULL, 1500000000);
    json_put_end(j);
    assert_string_equal(f.text.data, "[-9223372036854775808,0,18446744073709551615,"
                                     "\"00000000000000ab\",1.500000]");
    text_free(&f.text);
}

TEST(json_escapes_names_and_texts)
{
    struct fixture f;
    struct json *j = setup(&f);
    json_put_object(j, NULL);
    json_put_text(j, "a\"b", bytes_text("c\nd\xff"));
    json_put_end(j);
    assert_string_equal(f.text.data, "{\"a\\\"b\":\"c\\nd\xef\xbf\xbd\"}");
    text_free(&f.text);
}

TEST(json_goes_as_deep_as_its_limit)
{
    struct fixture f;
    struct json *j = setup(&f);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_put_array(j, NULL);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_put_end(j);
    assert_int_equal(f.text.size, 2 * JSON_DEPTH_MAX);
    assert_int_equal(j->depth, 0);
    text_free(&f.text);
}
