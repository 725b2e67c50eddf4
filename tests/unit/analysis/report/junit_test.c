/* junit_test.c - what a campaign came to, as XML that any parser takes, whatever was found. */
#include "report/report.h"
#include "support/test.h"

static struct text junit_of(struct mem *mem, const struct report_case *cases, int64_t count)
{
    struct text text;
    text_init(&text, mem);
    report_junit("kiln run", cases, count, &text);
    assert_false(text.failed);
    text_add(&text, "", 1);
    return text;
}

/* Cases of one suite stand together, each suite counts its own, and all together are counted. */
TEST(cases_stand_in_their_suites)
{
    struct test_mem mem;
    test_mem_init(&mem);
    const struct report_case cases[] = {
        {"a.lua", "seed 1", 1500000000, REPORT_PASSED, "", "", "", ""},
        {"a.lua", "seed 2", 20000000, REPORT_FAILED, "A5", "lost", "A5 at 1 s", "scenario \"x\""},
        {"a.lua", "seed 3", 0, REPORT_ERROR, "CRASH", "SIGABRT", "file.c:1", ""},
        {"b.lua", "seed 1", 0, REPORT_SKIPPED, "INCONCLUSIVE", "nothing was read", "", ""},
    };
    struct text text = junit_of(&mem.mem, cases, COUNT_OF(cases));
    assert_string_equal(
        text.data,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites name=\"kiln run\" tests=\"4\" failures=\"1\" errors=\"1\" time=\"1.520\">\n"
        "<testsuite name=\"a.lua\" tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"0\" "
        "time=\"1.520\">\n"
        "<testcase name=\"seed 1\" classname=\"a.lua\" time=\"1.500\"></testcase>\n"
        "<testcase name=\"seed 2\" classname=\"a.lua\" time=\"0.020\"><failure type=\"A5\" "
        "message=\"lost\">A5 at 1 s</failure><system-out>scenario &quot;x&quot;</system-out>"
        "</testcase>\n"
        "<testcase name=\"seed 3\" classname=\"a.lua\" time=\"0.000\"><error type=\"CRASH\" "
        "message=\"SIGABRT\">file.c:1</error></testcase>\n"
        "</testsuite>\n"
        "<testsuite name=\"b.lua\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\" "
        "time=\"0.000\">\n"
        "<testcase name=\"seed 1\" classname=\"b.lua\" time=\"0.000\"><skipped "
        "type=\"INCONCLUSIVE\" message=\"nothing was read\"></skipped></testcase>\n"
        "</testsuite>\n</testsuites>\n");
    text_free(&text);
    test_mem_done(&mem);
}

/* Marks of XML are escaped, lines are kept, and what XML 1.0 cannot hold is replaced. */
TEST(any_bytes_make_good_xml)
{
    struct test_mem mem;
    test_mem_init(&mem);
    const struct report_case cases[] = {{"<&>\"\n", "\x01\xff\xed\xa0\x80x\xef\xbf\xbf\xc3\xa9", 0,
                                         REPORT_FAILED, "]]>", "a\nb", "a\nb\tc\r<d>\x7f", ""}};
    struct text text = junit_of(&mem.mem, cases, 1);
    assert_non_null(strstr(text.data, "<testsuite name=\"&lt;&amp;&gt;&quot;&#10;\""));
    assert_non_null(strstr(text.data, "<testcase name=\"\xef\xbf\xbd\xef\xbf\xbd"));
    assert_non_null(strstr(text.data, "x\xef\xbf\xbd\xc3\xa9\" classname"));
    assert_non_null(strstr(text.data, "type=\"]]&gt;\" message=\"a&#10;b\">a\nb\tc&#13;&lt;d&gt;"));
    assert_null(strchr(text.data, '\x01'));
    assert_null(strchr(text.data, '\xff'));
    text_free(&text);
    test_mem_done(&mem);
}
