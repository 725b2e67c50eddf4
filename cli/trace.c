/* trace.c - kiln trace: the rows of a trace file, as lines or as objects, with what broke at its
 * place. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "cli/campaign.h"

/* The time of the finding that --around names. */
struct search {
    const char *code;
    struct history_lines lines;
    int64_t time_ns; /* -1: not found */
};

/* The text of a finding begins with its code and its name: "A5 CONFIRMED_LOSS at ...". */
static bool is_called(const char *text, const char *code)
{
    size_t size = strlen(code);
    const char *second = strchr(text, ' ');
    bool by_code = strncmp(text, code, size) == 0 && text[size] == ' ';
    bool by_name =
        second != NULL && strncmp(second + 1, code, size) == 0 && second[1 + size] == ' ';
    return by_code || by_name;
}

static void search_line(struct history_lines *lines, const struct trace_row *first,
                        const char *line)
{
    struct search *s = CONTAINER_OF(lines, struct search, lines);
    const char *text = strstr(line, trace_kinds[TRACE_FINDING].text);
    if (first->kind != TRACE_FINDING || text == NULL || s->time_ns >= 0)
        return;
    text += strlen(trace_kinds[TRACE_FINDING].text) + strlen(": ");
    if (is_called(text, s->code))
        s->time_ns = first->time_ns;
}

static bool on_row(void *context, const struct trace_row *row)
{
    history_lines_row(context, row);
    return true;
}

static bool search_row(void *context, const struct trace_row *row)
{
    if (row->kind == TRACE_FINDING)
        history_lines_row(context, row);
    return true;
}

/* Narrows the filter to what led there. False: told. */
static bool look_around(struct mem *mem, struct bytes file, const char *code,
                        struct history_filter *filter)
{
    struct search s = {.code = code, .time_ns = -1, .lines = {.mem = mem, .put = search_line}};
    struct errmsg msg = {{0}};
    if (history_lines_start(&s.lines) != ERR_NONE)
        return cli_complain("out of memory"), false;
    (void)!history_read(mem, file, search_row, &s.lines, &msg);
    history_lines_end(&s.lines);
    if (s.time_ns < 0) {
        cli_complain("--around: this trace does not say that %s broke", code);
        return false;
    }
    campaign_view_around(filter, s.time_ns);
    return true;
}

struct shown {
    struct history_lines lines;
    uint64_t count; /* of rows; what was found does not count */
};

static void print_line(struct history_lines *lines, const struct trace_row *first, const char *line)
{
    CONTAINER_OF(lines, struct shown, lines)->count += first->kind != TRACE_FINDING;
    if (lines->as_json)
        printf("%s\n", line);
    else
        printf("%9" PRIu64 "  %s\n", first->cause, line);
}

static int show(const char *path, const struct campaign_view *view, bool as_json)
{
    struct mem mem;
    struct bytes file;
    struct errmsg msg = {{0}};
    struct shown shown = {.lines = {.mem = &mem, .as_json = as_json, .put = print_line}};
    struct history_lines *lines = &shown.lines;
    mem_system(&mem);
    if (!campaign_view_filter(view, &lines->filter))
        return CLI_USAGE;
    enum err e = cli_read_input(path, CLI_INPUT_BYTES_MAX, &file, &msg);
    if (e != ERR_NONE)
        return cli_complain("%s", msg.text);
    if (view->around != NULL && !look_around(&mem, file, view->around, &lines->filter)) {
        cli_free(file);
        return CLI_NOTHING;
    }
    e = history_lines_start(lines);
    if (e == ERR_NONE)
        e = history_read(&mem, file, on_row, lines, &msg);
    history_lines_end(lines);
    cli_free(file);
    if (e != ERR_NONE)
        cli_complain("%s: %s", path, msg.text[0] != 0 ? msg.text : err_text(e));
    if (fflush(stdout) != 0)
        cli_complain("cannot write to stdout: %s", strerror(errno));
    if (e != ERR_NONE)
        return CLI_BROKEN;
    bool nothing = shown.count == 0 && campaign_view_nothing(&lines->filter, "trace");
    return nothing ? CLI_NOTHING : CLI_OK;
}

int cli_trace(int argc, char **argv)
{
    struct campaign_view view = {0};
    bool as_json = false;
    const struct cli_option options[] = {
        CAMPAIGN_VIEW_OPTIONS(view),
        {"--json", CLI_FLAG, &as_json, 0, 0, NULL, "one object a row, a line each"},
    };
    const struct cli_usage usage = {
        "kiln trace FILE [OPTIONS]",
        "Shows the trace that kiln run --trace FILE wrote: the number of the event, its "
        "virtual time, the node, and what it did. What broke stands at its place.\n"
        "Exit: 0 all of it was read, 1 the file is damaged, 5 it has nothing of what was asked "
        "for, 64 usage.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    if (words.count != 1)
        return cli_complain("which trace file? usage: %s", usage.synopsis);
    return show(words.word[0], &view, as_json);
}
