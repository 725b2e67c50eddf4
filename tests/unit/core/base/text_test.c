/* text_test.c - growing text, JSON strings, strict numbers and distances of words. */
#include <locale.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "support/test.h"

TEST(text_grows_and_is_terminated)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct text t;
    text_init(&t, &mem.mem);
    for (int i = 0; i < 1000; i++) {
        text_printf(&t, "%d,", i % 10);
        assert_int_equal(t.size, 2 * (i + 1));
        assert_int_equal(strlen(t.data), t.size);
    }
    assert_memory_equal(t.data, "0,1,2,3,4,5,6,7,8,9,0,", 22);
    assert_false(t.failed);
    text_free(&t);
    test_mem_done(&mem);
}

/* Every length around the places where it must grow. */
TEST(text_printf_fits_texts_of_every_length)
{
    struct test_mem mem;
    test_mem_init(&mem);
    char filler[300];
    memset(filler, 'x', sizeof filler);
    for (int first = 0; first < 150; first++) {
        struct text t;
        text_init(&t, &mem.mem);
        text_add(&t, filler, (size_t)first);
        text_printf(&t, "%.*s|%s", 150 - first, filler, "end");
        assert_int_equal(t.size, 154);
        assert_string_equal(t.data + 150, "|end");
        text_free(&t);
    }
    test_mem_done(&mem);
}

static void add_a_bit_of_all(struct text *t)
{
    text_add(t, "some bytes ", 11);
    text_printf(t, "%" PRId64 " %s ", INT64_MIN, "and a text that is longer than the first room");
    text_json(t, bytes_text("\"quoted\"\n and then still more than fits"));
    text_printf(t, " %0*d", 200, 7);
}

/* What could be added stays, what came after the failure is not there. */
TEST(text_without_memory_stays_cut)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct text whole;
    text_init(&whole, &mem.mem);
    add_a_bit_of_all(&whole);
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        struct text t;
        text_init(&t, &mem.mem);
        mem.failed = 0;
        mem.fail_at = n;
        add_a_bit_of_all(&t);
        mem.fail_at = 0;
        failed = mem.failed > 0;
        assert_int_equal(t.failed, failed);
        assert_true(failed ? t.size < whole.size : t.size == whole.size);
        if (t.data != NULL) {
            assert_memory_equal(t.data, whole.data, t.size);
            assert_int_equal(t.data[t.size], 0);
        }
        text_free(&t);
    }
    assert_true(n > 3);
    text_free(&whole);
    test_mem_done(&mem);
}

/* Makes a locale with a decimal comma: that one is installed is not to be relied on. */
static void use_decimal_comma(void)
{
    char dir[] = "/tmp/kiln-locale-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char command[512];
    snprintf(command, sizeof command,
             "cd %s && printf 'LC_NUMERIC\\ndecimal_point \",\"\\nthousands_sep \".\"\\n"
             "grouping 3;3\\nEND LC_NUMERIC\\n' > source && localedef -c -i source ./comma 2> log",
             dir);
    int made = system(command); /* warnings about the other categories make it 1 */
    assert_in_range(made >> 8, 0, 1);
    setenv("LOCPATH", dir, 1);
    assert_non_null(setlocale(LC_NUMERIC, "comma"));
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

TEST(text_printf_knows_no_locale)
{
    use_decimal_comma();
    struct mem mem;
    mem_system(&mem);
    struct text t;
    text_init(&t, &mem);
    text_printf(&t, "%.3f %'d", 1.5, 1234567);
    assert_string_equal(t.data, "1.500 1234567");
    text_free(&t);
    char host[32];
    snprintf(host, sizeof host, "%.3f %'d", 1.5, 1234567);
    setlocale(LC_ALL, "C");
    assert_string_equal(host, "1,500 1.234.567"); /* the host's locale is as it was */
}

static void format(char *to, size_t size, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    text_format(to, size, text, args);
    va_end(args);
}

TEST(text_format_is_cut_at_the_size_of_its_array)
{
    char to[8];
    format(to, sizeof to, "%d-%s", 12, "abcd");
    assert_string_equal(to, "12-abcd");
    format(to, sizeof to, "%d-%s", 12, "abcde");
    assert_string_equal(to, "12-abcd");
    format(to, 1, "%d", 12);
    assert_string_equal(to, "");
}

TEST(text_ends_with_its_tail_and_with_itself)
{
    assert_true(text_ends_with("a.tmp", ".tmp"));
    assert_true(text_ends_with(".tmp", ".tmp"));
    assert_true(text_ends_with("", ""));
    assert_false(text_ends_with("tmp", ".tmp"));
    assert_false(text_ends_with("a.tmpx", ".tmp"));
}

TEST(text_fit_holds_all_of_it)
{
    char to[5];
    text_fit(to, sizeof to, "%04x", 0xab);
    assert_string_equal(to, "00ab");
}

TEST(text_format_cuts_no_character)
{
    char to[8];
    format(to, sizeof to, "%s", "abcde\u20acx"); /* five, and three bytes where two have room */
    assert_string_equal(to, "abcde");
    format(to, sizeof to, "%s", "abcd\u20acxyz");
    assert_string_equal(to, "abcd\u20ac");
    format(to, sizeof to, "%s", "abcd\U0001f600");
    assert_string_equal(to, "abcd");
    format(to, sizeof to, "%s", "\x80\x80\x80\x80\x80\x80\x80\x80"); /* none at all */
    assert_int_equal(strlen(to), 7);
}

TEST(text_cut_keeps_characters_whole)
{
    struct bytes s = bytes_text("a\u00e9\u20ac\U0001f600z");
    static const size_t cut[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < COUNT_OF(cut); max++)
        assert_int_equal(text_cut(s, max), cut[max]);
    assert_int_equal(text_cut(bytes_of("\x80\x80\x80\x80\x80", 5), 4), 4);
}

/* One U+FFFD for each piece, counted with the string decoder of OpenJDK 17. */
TEST(text_utf8_piece_parts_what_is_no_text_as_java_does)
{
    static const struct {
        const char *text;
        int count;
    } cases[] = {
        {"\xff\xfe", 2},
        {"\xc0\xaf", 2},
        {"\xe2\x82", 1},
        {"\xe2\x28\xa1", 2},
        {"\xed\xa0\x80", 1},
        {"\xed\xa0", 1},
        {"\xf0\x9f\x98", 1},
        {"\xf0\x9f\x98\x28", 1},
        {"\xf4\x90\x80\x80", 4},
        {"\xf8\x88\x80\x80", 4},
        {"\xe0\x80\x80", 3},
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xc3", 1},
        {"a\xe2", 1},
        {"\u20ac\U0001f600", 0},
        {"\xf0\x9f\x28", 1},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct bytes s = bytes_text(cases[i].text);
        int bad = 0;
        bool good;
        for (size_t at = 0; at < s.size;) {
            at += text_utf8_piece(s, at, &good);
            bad += !good;
            assert_true(at <= s.size);
        }
        if (bad != cases[i].count)
            fail_msg("case %d: %d pieces", i, bad);
    }
}

static void assert_json(struct bytes s, const char *expected)
{
    struct mem mem;
    mem_system(&mem);
    struct text t;
    text_init(&t, &mem);
    text_json(&t, s);
    assert_string_equal(t.data, expected);
    text_free(&t);
}

TEST(text_json_escapes_what_json_must)
{
    assert_json(bytes_text(""), "\"\"");
    assert_json(bytes_text("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    assert_json(bytes_text("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    assert_json(bytes_of("\x00\x01\x1f\x7f", 4), "\"\\u0000\\u0001\\u001f\x7f\"");
}

TEST(text_json_passes_utf8)
{
    assert_json(bytes_text("\u00e9\u20ac\U0001f600"), "\"\u00e9\u20ac\U0001f600\"");
    assert_json(bytes_text("\xc2\x80\u07ff\u0800\uffff\U00010000\U0010ffff"),
                "\"\xc2\x80\u07ff\u0800\uffff\U00010000\U0010ffff\"");
    assert_json(bytes_text("\ud7ff\ue000"), "\"\ud7ff\ue000\"");
}

#define BAD "\xef\xbf\xbd"

TEST(text_json_replaces_bytes_that_are_no_utf8)
{
    assert_json(bytes_text("a\x80z"), "\"a" BAD "z\"");
    assert_json(bytes_text("\xc3"), "\"" BAD "\"");
    assert_json(bytes_text("\xc3("), "\"" BAD "(\"");
    assert_json(bytes_text("\xc0\xaf"), "\"" BAD BAD "\"");                 /* overlong */
    assert_json(bytes_text("\xe0\x9f\xbf"), "\"" BAD BAD BAD "\"");         /* overlong */
    assert_json(bytes_text("\xed\xa0\x80"), "\"" BAD BAD BAD "\"");         /* a surrogate */
    assert_json(bytes_text("\xf0\x8f\xbf\xbf"), "\"" BAD BAD BAD BAD "\""); /* overlong */
    assert_json(bytes_text("\xf4\x90\x80\x80"), "\"" BAD BAD BAD BAD "\""); /* too great */
    assert_json(bytes_text("\xe2\x82"), "\"" BAD BAD "\"");
    assert_json(bytes_text("\xff\xfe"), "\"" BAD BAD "\"");
}

static enum err parse(const char *text, int64_t *out)
{
    return text_parse_int(bytes_text(text), out);
}

TEST(text_parse_int_reads_all_of_int64)
{
    int64_t value = 1;
    assert_ok(parse("0", &value));
    assert_int_equal(value, 0);
    assert_ok(parse("-0", &value));
    assert_int_equal(value, 0);
    assert_ok(parse("9223372036854775807", &value));
    assert_true(value == INT64_MAX);
    assert_ok(parse("-9223372036854775808", &value));
    assert_true(value == INT64_MIN);
    assert_ok(parse("000000000000000000000000007", &value));
    assert_int_equal(value, 7);
    struct rng rng = {.state = 81};
    for (int i = 0; i < 1000; i++) {
        int64_t expected = (int64_t)rng_next(&rng);
        expected >>= random_below(rng_next(&rng), 64);
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, expected);
        assert_ok(parse(text, &value));
        assert_true(value == expected);
    }
}

TEST(text_parse_int_refuses_the_rest)
{
    int64_t value = 42;
    static const char *const wrong[] = {"",    "-",  "+1",  " 1",  "1 ", "1.0",
                                        "0x1", "1a", "--1", "1-2", "1e3"};
    for (int i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(parse(wrong[i], &value), ERR_INVALID);
    assert_int_equal(text_parse_int(bytes_of("1\0", 2), &value), ERR_INVALID);
    assert_int_equal(parse("9223372036854775808", &value), ERR_RANGE);
    assert_int_equal(parse("-9223372036854775809", &value), ERR_RANGE);
    assert_int_equal(parse("99999999999999999999999", &value), ERR_RANGE);
    assert_int_equal(parse("99999999999999999999999x", &value), ERR_INVALID);
    assert_int_equal(value, 42);
}

TEST(text_distance_counts_slips_of_the_finger)
{
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("abc", "abc"), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("log.segmnet.bytes", "log.segment.bytes"), 1);
    assert_int_equal(text_distance("ca", "abc"), 3); /* no place is edited twice */
    assert_int_equal(text_distance("ack", "ACK"), 0);
    assert_int_equal(text_distance("[{", "[;"), 1); /* no letters: they have no case */
}

/* The plain recursive definition, without memory of what it has seen. */
static int slow_distance(const char *a, const char *b)
{
    if (*a == 0 || *b == 0)
        return (int)(strlen(a) + strlen(b));
    if (*a == *b)
        return slow_distance(a + 1, b + 1);
    int best = slow_distance(a + 1, b + 1);
    best = MIN(best, slow_distance(a + 1, b));
    best = MIN(best, slow_distance(a, b + 1));
    if (a[1] != 0 && a[0] == b[1] && a[1] == b[0])
        best = MIN(best, slow_distance(a + 2, b + 2));
    return best + 1;
}

TEST(text_distance_agrees_with_its_definition)
{
    struct rng rng = {.state = 82};
    for (int i = 0; i < 2000; i++) {
        char words[2][8] = {{0}};
        for (int w = 0; w < 2; w++) {
            uint64_t size = random_below(rng_next(&rng), sizeof words[w] - 1);
            for (uint64_t j = 0; j < size; j++)
                words[w][j] = (char)('a' + random_below(rng_next(&rng), 3));
        }
        int distance = text_distance(words[0], words[1]);
        assert_int_equal(distance, slow_distance(words[0], words[1]));
        assert_int_equal(distance, text_distance(words[1], words[0]));
    }
}

TEST(text_distance_of_long_words_is_far)
{
    char word[65];
    memset(word, 'x', 64);
    word[64] = 0;
    assert_int_equal(text_distance(word, "x"), 1000);
    assert_int_equal(text_distance("x", word), 1000);
    word[63] = 0;
    assert_int_equal(text_distance(word, "x"), 62);
    assert_int_equal(text_distance(word, word), 0);
}
