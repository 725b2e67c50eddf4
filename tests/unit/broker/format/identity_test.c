/* identity_test.c - who a directory belongs to, and how its last life ended. */
#include "format/format.h"
#include "support/test.h"

TEST(identities_are_read_as_kafka_writes_them)
{
    struct format_meta meta;
    const char *file = "#\n#Sat Nov 21 12:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n"
                       "directory.id=AAECAwQFBgcICQoLDA0ODw\nnode.id=7\nversion=1\n";
    assert_ok(format_meta_parse(bytes_text(file), &meta, NULL));
    assert_int_equal(meta.node_id, 7);
    assert_string_equal(meta.cluster_id, "MkU3OEVBNTcwNTJENDM2Qg");
    assert_true(meta.has_directory_id);
    assert_int_equal(meta.directory_id.b[15], 15);
    assert_int_equal(format_meta_parse(bytes_text("version=0\n"), &meta, NULL), ERR_CORRUPT);
    assert_int_equal(format_meta_parse(bytes_text("node.id=1\n"), &meta, NULL), ERR_CORRUPT);
}

TEST(identities_come_back)
{
    struct mem mem;
    struct text text;
    struct format_meta back;
    struct format_meta meta = {.node_id = 3, .cluster_id = "abc", .directory_id = {{1, 2, 3}}};
    mem_system(&mem);
    text_init(&text, &mem);
    format_meta_print(&meta, &text);
    assert_ok(format_meta_parse(bytes_of(text.data, text.size), &back, NULL));
    assert_int_equal(back.node_id, 3);
    assert_string_equal(back.cluster_id, "abc");
    assert_memory_equal(&back.directory_id, &meta.directory_id, 16);
    text_free(&text);
}

TEST(a_mark_of_a_clean_end_says_the_brokers_epoch)
{
    static const struct {
        const char *file;
        int64_t epoch;
    } cases[] = {{"{\"version\":0,\"brokerEpoch\":42}", 42},
                 {"{\"version\":0,\"brokerEpoch\":0}\n", 0},
                 {"{ \"brokerEpoch\" : 9223372036854775807, \"version\" : 0 }", INT64_MAX},
                 {"{\"version\":0,\"brokerEpoch\":-1}", -1},
                 {"{\"version\":0}", -1},
                 {"{\"version\":0,\"brokerEpoch\":", -1},
                 {"{\"version\":0,\"brokerEpoch\":99999999999999999999}", -1},
                 {"\"brokerEpoch", -1},
                 {"", -1}};
    char text[FORMAT_CLEAN_SIZE];
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(format_clean_parse(bytes_text(cases[i].file)), cases[i].epoch);
    format_clean_print(INT64_MAX, text);
    assert_int_equal(format_clean_parse(bytes_text(text)), INT64_MAX);
    format_clean_print(-1, text);
    assert_string_equal(text, "{\"version\":0,\"brokerEpoch\":-1}");
}
