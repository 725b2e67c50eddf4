/* junit.c - a campaign as JUnit's XML: a suite a scenario, a case a run. */
#include <inttypes.h>
#include "report/report.h"

/* ---- characters ---- */

#define UNKNOWN "\xef\xbf\xbd" /* U+FFFD */

/* XML 1.0, 2.2: no control characters but these three, and neither U+FFFE nor U+FFFF. */
static bool is_of_xml(struct bytes piece)
{
    uint8_t first = piece.data[0];
    if (piece.size == 1)
        return first >= ' ' || first == '\t' || first == '\n' || first == '\r';
    return !(piece.size == 3 && first == 0xef && piece.data[1] == 0xbf && piece.data[2] >= 0xbe);
}

static void print_piece(struct bytes piece, struct text *out)
{
    static const struct {
        char byte;
        const char *text;
    } escaped[] = {{'<', "&lt;"},   {'>', "&gt;"},  {'&', "&amp;"}, {'"', "&quot;"},
                   {'\n', "&#10;"}, {'\t', "&#9;"}, {'\r', "&#13;"}};
    for (int i = 0; i < COUNT_OF(escaped); i++) {
        if (piece.size == 1 && piece.data[0] == (uint8_t)escaped[i].byte) {
            text_printf(out, "%s", escaped[i].text);
            return;
        }
    }
    text_add(out, piece.data, piece.size);
}

/* lines: a newline stays one, which in an attribute would be a blank. */
static void print_escaped(const char *text, bool lines, struct text *out)
{
    struct bytes all = bytes_text(text);
    for (size_t at = 0; at < all.size;) {
        bool good;
        size_t size = text_utf8_piece(all, at, &good);
        struct bytes piece = bytes_of(all.data + at, size);
        if (!good || !is_of_xml(piece))
            text_printf(out, UNKNOWN);
        else if (lines && (piece.data[0] == '\n' || piece.data[0] == '\t'))
            text_add(out, piece.data, piece.size);
        else
            print_piece(piece, out);
        at += size;
    }
}

static void print_attribute(const char *name, const char *value, struct text *out)
{
    text_printf(out, " %s=\"", name);
    print_escaped(value, false, out);
    text_printf(out, "\"");
}

/* ---- suites ---- */

struct sums {
    int64_t count, failed, errors, skipped, time_ns;
};

static void add_to_sums(struct sums *sums, const struct report_case *c)
{
    sums->count++;
    sums->failed += c->outcome == REPORT_FAILED;
    sums->errors += c->outcome == REPORT_ERROR;
    sums->skipped += c->outcome == REPORT_SKIPPED;
    sums->time_ns += c->time_ns;
}

static void print_time(int64_t ns, struct text *out)
{
    int64_t ms = MAX(ns, 0) / 1000000;
    text_printf(out, " time=\"%" PRId64 ".%03d\"", ms / 1000, (int)(ms % 1000));
}

static void print_sums(const struct sums *sums, bool skipped, struct text *out)
{
    text_printf(out, " tests=\"%" PRId64 "\" failures=\"%" PRId64 "\" errors=\"%" PRId64 "\"",
                sums->count, sums->failed, sums->errors);
    if (skipped)
        text_printf(out, " skipped=\"%" PRId64 "\"", sums->skipped);
    print_time(sums->time_ns, out);
}

static void print_element(const char *name, const struct report_case *c, struct text *out)
{
    text_printf(out, "<%s", name);
    print_attribute("type", c->type, out);
    print_attribute("message", c->message, out);
    text_printf(out, ">");
    print_escaped(c->text, true, out);
    text_printf(out, "</%s>", name);
}

static void print_case(const struct report_case *c, struct text *out)
{
    text_printf(out, "<testcase");
    print_attribute("name", c->name, out);
    print_attribute("classname", c->suite, out);
    print_time(c->time_ns, out);
    text_printf(out, ">");
    switch (c->outcome) {
    case REPORT_PASSED:
        break;
    case REPORT_FAILED:
        print_element("failure", c, out);
        break;
    case REPORT_ERROR:
        print_element("error", c, out);
        break;
    case REPORT_SKIPPED:
        print_element("skipped", c, out);
        break;
    }
    if (c->output[0] != 0) {
        text_printf(out, "<system-out>");
        print_escaped(c->output, true, out);
        text_printf(out, "</system-out>");
    }
    text_printf(out, "</testcase>\n");
}

/* Where the suite of the first case ends. */
static int64_t end_of_suite(const struct report_case *cases, int64_t from, int64_t count)
{
    int64_t end = from + 1;
    while (end < count && strcmp(cases[end].suite, cases[from].suite) == 0)
        end++;
    return end;
}

static void print_suite(const struct report_case *cases, int64_t from, int64_t end,
                        struct text *out)
{
    struct sums sums = {0};
    ASSERT(from < end);
    for (int64_t i = from; i < end; i++)
        add_to_sums(&sums, &cases[i]);
    text_printf(out, "<testsuite");
    print_attribute("name", cases[from].suite, out);
    print_sums(&sums, true, out);
    text_printf(out, ">\n");
    for (int64_t i = from; i < end; i++)
        print_case(&cases[i], out);
    text_printf(out, "</testsuite>\n");
}

void report_junit(const char *name, const struct report_case *cases, int64_t count,
                  struct text *out)
{
    struct sums sums = {0};
    for (int64_t i = 0; i < count; i++)
        add_to_sums(&sums, &cases[i]);
    text_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    print_attribute("name", name, out);
    print_sums(&sums, false, out);
    text_printf(out, ">\n");
    for (int64_t from = 0, end; from < count; from = end) {
        end = end_of_suite(cases, from, count);
        print_suite(cases, from, end, out);
    }
    text_printf(out, "</testsuites>\n");
}
