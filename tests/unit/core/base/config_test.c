/* config_test.c - rows of configuration: what they take, what they say, and Java's file format. */
#include "support/test.h"
#include <stdio.h>

struct target {
    bool auto_create;
    int64_t segment_bytes;
    int64_t retention_ms;
    int32_t flush;
    char dir[CONFIG_STRING_SIZE];
};

static const struct config_row rows[] = {
    {"auto.create.topics.enable", CONFIG_BOOL, offsetof(struct target, auto_create),
     .fallback = "true", .help = "Creates topics."},
    {"log.segment.bytes", CONFIG_INT, offsetof(struct target, segment_bytes), .min = 1024,
     .max = INT32_MAX, .fallback = "1073741824", .help = "Size of a segment."},
    {"log.retention.ms", CONFIG_INT, offsetof(struct target, retention_ms), .min = -1,
     .max = INT64_MAX, .fallback = "-1", .help = "Age of a segment."},
    {"flush.policy", CONFIG_ENUM, offsetof(struct target, flush), .values = "ack|os|never",
     .fallback = "ack", .help = "When to sync."},
    {"log.dir", CONFIG_STRING, offsetof(struct target, dir), .fallback = "/tmp/kiln",
     .help = "Where."},
};
static const struct config_table table = {rows, COUNT_OF(rows)};

static struct target defaults(void)
{
    struct target t;
    memset(&t, 0xee, sizeof t);
    config_defaults(&table, &t);
    return t;
}

/* Sets one key; asserts error and message, and that a refused value changed nothing. */
static void assert_refused(const char *key, const char *value, enum err expected, const char *text)
{
    struct target t = defaults(), before = t;
    struct errmsg msg = {0};
    assert_int_equal(config_set(&table, &t, key, bytes_text(value), &msg), expected);
    assert_string_equal(msg.text, text);
    assert_memory_equal(&t, &before, sizeof t);
    assert_int_equal(config_set(&table, &t, key, bytes_text(value), NULL), expected);
}

TEST(config_defaults_are_the_fallbacks)
{
    struct target t = defaults();
    assert_true(t.auto_create);
    assert_int_equal(t.segment_bytes, 1 << 30);
    assert_int_equal(t.retention_ms, -1);
    assert_int_equal(t.flush, 0);
    assert_string_equal(t.dir, "/tmp/kiln");
}

TEST(config_set_takes_each_type)
{
    struct target t = defaults();
    assert_ok(config_set(&table, &t, "auto.create.topics.enable", bytes_text("false"), NULL));
    assert_ok(config_set(&table, &t, "log.segment.bytes", bytes_text(" 1024 "), NULL));
    assert_ok(config_set(&table, &t, "flush.policy", bytes_text("never"), NULL));
    assert_ok(config_set(&table, &t, "log.dir", bytes_text("/a b"), NULL));
    assert_false(t.auto_create);
    assert_int_equal(t.segment_bytes, 1024);
    assert_int_equal(t.flush, 2);
    assert_string_equal(t.dir, "/a b");
}

#define MANY CONFIG_ROWS_MAX

struct many {
    int64_t values[MANY];
    struct config_given given;
};

/* Each row of a table as long as there may be. */
TEST(config_notes_which_keys_were_given)
{
    static struct config_row many_rows[MANY];
    static char keys[MANY][8];
    static struct many m;
    for (int i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        many_rows[i] = (struct config_row){.key = keys[i],
                                           .type = CONFIG_INT,
                                           .offset = (uint32_t)i * sizeof m.values[0],
                                           .max = 9,
                                           .fallback = "1"};
    }
    const struct config_table long_table = {many_rows, MANY,
                                            .given_offset = offsetof(struct many, given)};
    memset(&m, 0xee, sizeof m);
    config_defaults(&long_table, &m);
    for (int i = 0; i < MANY; i++)
        assert_false(config_given(&long_table, &m, i));
    for (int i = 0; i < MANY; i += 21)
        assert_ok(config_set(&long_table, &m, keys[i], bytes_text("1"), NULL));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(config_given(&long_table, &m, i), i % 21 == 0);
}

TEST(config_names_key_value_and_range)
{
    assert_refused("log.segment.bytes", "1023", ERR_RANGE,
                   "log.segment.bytes: 1023 is not between 1024 and 2147483647");
    assert_refused("log.segment.bytes", "99999999999999999999", ERR_RANGE,
                   "log.segment.bytes: 99999999999999999999 is not between 1024 and 2147483647");
    assert_refused("log.segment.bytes", "1k", ERR_INVALID,
                   "log.segment.bytes: \"1k\" is not a whole number");
    assert_refused("log.segment.bytes", "", ERR_INVALID,
                   "log.segment.bytes: \"\" is not a whole number");
    assert_refused("auto.create.topics.enable", "yes", ERR_INVALID,
                   "auto.create.topics.enable: \"yes\" is neither true nor false");
    assert_refused("flush.policy", "o", ERR_INVALID, "flush.policy: \"o\" is none of ack|os|never");
    assert_refused("flush.policy", "ack|os", ERR_INVALID,
                   "flush.policy: \"ack|os\" is none of ack|os|never");
}

TEST(config_names_the_nearest_key)
{
    assert_refused("log.segmnet.byte", "1", ERR_NOTFOUND,
                   "there is no key \"log.segmnet.byte\"; did you mean \"log.segment.bytes\"?");
    assert_refused("log.ditention.ms", "1", ERR_NOTFOUND,
                   "there is no key \"log.ditention.ms\"; did you mean \"log.retention.ms\"?");
    assert_refused("LOG.DIR", "1", ERR_NOTFOUND,
                   "there is no key \"LOG.DIR\"; did you mean \"log.dir\"?");
    assert_refused("zookeeper.connect", "1", ERR_NOTFOUND, "there is no key \"zookeeper.connect\"");
}

TEST(config_strings_have_a_limit)
{
    char text[CONFIG_STRING_SIZE + 1];
    memset(text, 'x', sizeof text);
    struct target t = defaults();
    struct errmsg msg = {0};
    struct bytes most = bytes_of(text, CONFIG_STRING_SIZE - 1);
    assert_ok(config_set(&table, &t, "log.dir", most, &msg));
    assert_int_equal(strlen(t.dir), CONFIG_STRING_SIZE - 1);
    struct bytes over = bytes_of(text, CONFIG_STRING_SIZE);
    assert_int_equal(config_set(&table, &t, "log.dir", over, &msg), ERR_RANGE);
    assert_non_null(strstr(msg.text, "has 256 bytes; up to 255 are allowed"));
    assert_int_equal(config_set(&table, &t, "log.dir", bytes_of("a\0b", 3), &msg), ERR_INVALID);
    assert_ok(config_set(&table, &t, "log.dir", bytes_of(NULL, 0), &msg));
    assert_string_equal(t.dir, "");
}

TEST(config_print_gives_what_config_set_takes)
{
    struct target t = defaults();
    assert_ok(config_set(&table, &t, "flush.policy", bytes_text("os"), NULL));
    static const char *const expected[] = {"true", "1073741824", "-1", "os", "/tmp/kiln"};
    struct test_mem mem;
    test_mem_init(&mem);
    for (int i = 0; i < table.count; i++) {
        struct text out;
        text_init(&out, &mem.mem);
        config_print(&rows[i], &t, &out);
        assert_string_equal(out.data, expected[i]);
        struct target copy = t;
        struct bytes value = bytes_of(out.data, out.size);
        assert_ok(config_set(&table, &copy, rows[i].key, value, NULL));
        assert_memory_equal(&copy, &t, sizeof t);
        text_free(&out);
    }
    test_mem_done(&mem);
}

static struct errmsg msg;

static enum err parse(struct target *t, const char *file)
{
    *t = defaults();
    msg = (struct errmsg){0};
    return config_parse(&table, t, bytes_text(file), "server.properties", NULL, &msg);
}

static void assert_dir(const char *file, const char *dir)
{
    struct target t;
    enum err e = parse(&t, file);
    assert_string_equal(msg.text, "");
    assert_ok(e);
    assert_string_equal(t.dir, dir);
}

TEST(config_parse_reads_a_file)
{
    struct target t;
    assert_ok(parse(&t, "# a comment\n"
                        "  ! another, with \\\n"
                        "\n"
                        "log.segment.bytes=2048\r\n"
                        "\tflush.policy : os\r"
                        "auto.create.topics.enable false\n"
                        "log.dir = /data"));
    assert_int_equal(t.segment_bytes, 2048);
    assert_int_equal(t.flush, 1);
    assert_false(t.auto_create);
    assert_string_equal(t.dir, "/data");
}

/* The rules of java.util.Properties.load. */
TEST(config_parse_reads_properties_as_java_does)
{
    assert_dir("log.dir=", "");
    assert_dir("log.dir", "");
    assert_dir("log.dir a b ", "a b");
    assert_dir("log.dir==a", "=a");
    assert_dir("log.dir = : a", ": a");
    assert_dir("log.dir:=a", "=a");
    assert_dir("log.dir=a#b", "a#b");
    assert_dir("log.dir=a\\\n   b\\\r\n\tc", "abc");
    assert_dir("log.dir=a\\\n# no comment", "a# no comment");
    assert_dir("log.dir=a\\\n\nflush.policy=os", "a");
    assert_dir("log.\\\n  dir=a", "a");
    assert_dir("log.dir=\\ a\\tb\\n\\q\\\\", "a\tb\nq\\");
    assert_dir("log.dir=\\=a", "=a");
    assert_dir("log\\u002edir=a", "a");
    assert_dir("log.dir=a\\", "a");
    assert_dir("log.dir=one\nlog.dir=two", "two");
    assert_dir("log.dir=\u00e9", "\u00e9");
    assert_dir("log.dir=\\\u00e9", "\u00e9");
    assert_dir("log.dir=\\u00e9\\u20AC\\ud83d\\uDE00", "\u00e9\u20ac\U0001f600");
    assert_dir("\f\n \n", "/tmp/kiln");
    assert_dir("", "/tmp/kiln");
    assert_dir("\xef\xbb\xbflog.dir=/x", "/x");
    assert_dir("\xef\xbb\xbf", "/tmp/kiln");
    assert_dir("log.dir=a # no comment", "a # no comment");
}

static void assert_parse_fails(const char *file, enum err expected, const char *text)
{
    struct target t;
    assert_int_equal(parse(&t, file), expected);
    assert_string_equal(msg.text, text);
}

TEST(config_parse_names_file_and_line)
{
    assert_parse_fails("# one\n\nlog.dri=/x\n", ERR_NOTFOUND,
                       "server.properties:3: there is no key \"log.dri\"; did you mean "
                       "\"log.dir\"?");
    assert_parse_fails("log.dir=a\\\nb\r\nlog.segment.bytes=7", ERR_RANGE,
                       "server.properties:3: log.segment.bytes: 7 is not between 1024 and "
                       "2147483647");
    assert_parse_fails("log.dir=\\\n\\\n\\\n\nflush.policy=", ERR_INVALID,
                       "server.properties:5: flush.policy: \"\" is none of ack|os|never");
}

TEST(config_parse_refuses_bad_escapes)
{
    static const char *const wrong[] = {
        "log.dir=\\u12",          "log.dir=\\u12g4",        "log.dir=\\ud83d",
        "log.dir=\\ud83dx",       "log.dir=\\ude00",        "log.dir=\\ud83d\\u0041",
        "log.dir=\\ud83d\\ud83d", "log.dir=\\ude00\\ude00", "\\u",
        "log.dir=\\u\n"};
    for (int i = 0; i < COUNT_OF(wrong); i++)
        assert_parse_fails(wrong[i], ERR_INVALID,
                           "server.properties:1: a \\u needs four hexadecimal digits, and halves "
                           "come in pairs");
}

TEST(config_parse_refuses_keys_and_values_beyond_its_limits)
{
    char file[3000];
    struct target t;
    memset(file, 'k', sizeof file);
    memcpy(file + 300, "=1", 3);
    assert_int_equal(parse(&t, file), ERR_INVALID);
    memset(file, 'v', sizeof file);
    memcpy(file, "log.dir=", 8);
    file[2999] = 0;
    assert_int_equal(parse(&t, file), ERR_RANGE);
    assert_string_equal(msg.text, "server.properties:1: log.dir: the value has 2991 bytes; up to "
                                  "1024 are read");
    file[8 + 1025] = 0;
    assert_int_equal(parse(&t, file), ERR_RANGE);
    assert_string_equal(msg.text, "server.properties:1: log.dir: the value has 1025 bytes; up to "
                                  "1024 are read");
    assert_int_equal(parse(&t, "log.dir\\u0000=1"), ERR_INVALID);
}

static int other_count;

static enum err pass_over_groups(const char *key, struct bytes value, struct errmsg *text)
{
    other_count++;
    if (strncmp(key, "group.", 6) != 0)
        return errmsg_set(text, ERR_INVALID, "%s may not be \"%.*s\"", key, (int)value.size,
                          (const char *)value.data);
    return ERR_NONE;
}

TEST(config_parse_asks_about_keys_without_a_row)
{
    char file[3000];
    memset(file, 'v', sizeof file);
    memcpy(file, "group.some=", 11);
    memcpy(file + 2980, "\nlog.dir=/x", 12);
    struct target t = defaults();
    struct errmsg text = {0};
    struct bytes bytes = bytes_text(file);
    other_count = 0;
    assert_ok(config_parse(&table, &t, bytes, "f", pass_over_groups, &text));
    assert_string_equal(t.dir, "/x");
    assert_int_equal(other_count, 1);
    assert_int_equal(config_parse(&table, &t, bytes, "f", NULL, &text), ERR_RANGE);
    bytes = bytes_text("log.dir=/y\nssl.x = a b \n");
    assert_int_equal(config_parse(&table, &t, bytes, "f", pass_over_groups, &text), ERR_INVALID);
    assert_string_equal(text.text, "f:2: ssl.x may not be \"a b\"");
}

/* Kafka's ConfigDef.parseType trims each value, and knows true and false in any case. */
TEST(config_takes_values_as_kafka_does)
{
    struct target t = defaults();
    assert_ok(config_set(&table, &t, "auto.create.topics.enable", bytes_text(" False\t"), NULL));
    assert_false(t.auto_create);
    assert_ok(config_set(&table, &t, "auto.create.topics.enable", bytes_text("TRUE"), NULL));
    assert_true(t.auto_create);
    assert_ok(config_set(&table, &t, "log.segment.bytes", bytes_text("+2048"), NULL));
    assert_int_equal(t.segment_bytes, 2048);
    assert_ok(config_set(&table, &t, "log.dir", bytes_text(" \x01/a b\v "), NULL));
    assert_string_equal(t.dir, "/a b");
    assert_refused("log.segment.bytes", "+", ERR_INVALID,
                   "log.segment.bytes: \"+\" is not a whole number");
    assert_refused("log.segment.bytes", "+-2048", ERR_INVALID,
                   "log.segment.bytes: \"+-2048\" is not a whole number");
    assert_refused("auto.create.topics.enable", "truer", ERR_INVALID,
                   "auto.create.topics.enable: \"truer\" is neither true nor false");
    assert_refused("log.segment.bytes", "2048 # two", ERR_INVALID,
                   "log.segment.bytes: \"2048 # two\" is not a whole number (a comment needs a "
                   "line of its own)");
    assert_refused("flush.policy", "os # fast", ERR_INVALID,
                   "flush.policy: \"os # fast\" is none of ack|os|never (a comment needs a line "
                   "of its own)");
}

TEST(config_guesses_only_what_is_near)
{
    static const struct {
        const char *key, *meant;
    } cases[] = {
        {"segment.bytes", "log.segment.bytes"},
        {"log_segment_bytes", "log.segment.bytes"},
        {"logSegmentBytes", "log.segment.bytes"},
        {"kafka.log.dir", "log.dir"},
        {"LOG_DIR", "log.dir"},
        {"flush.polcy", "flush.policy"},
        {"log.retention", "log.retention.ms"},
        {"bytes", NULL},
        {"log.foo", NULL},
        {"acl", NULL},
        {"", NULL},
        {"x", NULL},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *nearest = config_nearest(&table, cases[i].key);
        if (cases[i].meant == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].meant);
    }
}

/* Any bytes give a result, and a message exactly with an error. */
TEST(config_parse_survives_any_bytes)
{
    static const char alphabet[] = "log.dir=:# !\\\n\r\tu0dD8a\xc3\xff";
    struct rng rng = {.state = 91};
    int ok_count = 0;
    for (int i = 0; i < 20000; i++) {
        char file[40] = "log.dir=";
        size_t size = 8 + random_below(rng_next(&rng), sizeof file - 8);
        for (size_t j = i % 2 == 0 ? 8 : 0; j < size; j++)
            file[j] = alphabet[random_below(rng_next(&rng), sizeof alphabet)];
        struct target t = defaults();
        struct errmsg text = {0};
        enum err e = config_parse(&table, &t, bytes_of(file, size), "f", NULL, &text);
        assert_int_equal(e == ERR_NONE, text.text[0] == 0);
        ok_count += e == ERR_NONE;
    }
    assert_in_range(ok_count, 100, 19000);
}
