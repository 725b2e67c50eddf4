/* trace.c - kiln trace: the rows of a trace file, as lines or as objects, with what broke at its
 * place. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/campaign.h"

#define CHAIN_MIN 1024ull
#define CHAIN_MAX (1ull << 32) /* events of a trace */

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
    (void)!history_read(mem, file, search_row, &s.lines, NULL, &msg);
    history_lines_end(&s.lines);
    if (s.time_ns < 0) {
        cli_complain("--around: this trace does not say that %s broke", code);
        return false;
    }
    campaign_view_around(filter, s.time_ns);
    return true;
}

/* Which event caused which, by number; and of those that led to one, a bit each. */
struct chain {
    uint64_t *cause; /* 0: the trace does not say */
    uint8_t *led;
    uint64_t count, cap;
};

static bool chain_row(void *context, const struct trace_row *row)
{
    struct chain *c = context;
    if (row->kind != TRACE_EVENT)
        return true;
    while (row->event >= c->cap) {
        uint64_t cap = MAX(2 * c->cap, CHAIN_MIN);
        uint64_t *grown = row->event < CHAIN_MAX ? realloc(c->cause, cap * sizeof *grown) : NULL;
        if (grown == NULL)
            return false;
        memset(grown + c->cap, 0, (cap - c->cap) * sizeof *grown);
        c->cause = grown;
        c->cap = cap;
    }
    c->count = MAX(c->count, row->event + 1);
    c->cause[row->event] = (uint64_t)TRACE_AS(row, EVENT)->cause;
    return true;
}

static bool chain_has(const struct chain *c, uint64_t event)
{
    return event < c->count && c->led[event] != 0;
}

/* Back from that event, as far as the trace goes. False: told. */
static bool follow(struct mem *mem, struct bytes file, uint64_t event, struct chain *c)
{
    struct errmsg msg = {{0}};
    (void)!history_read(mem, file, chain_row, c, NULL, &msg);
    if (event >= c->count || c->cause[event] == 0) {
        cli_complain("--event: this trace has no event %" PRIu64, event);
        return false;
    }
    c->led = calloc(c->count, 1);
    if (c->led == NULL)
        return cli_complain("out of memory"), false;
    /* A cause comes first; one that does not is none. */
    for (uint64_t before = event + 1; event < before && event != 0;) {
        c->led[event] = 1;
        before = event;
        event = c->cause[event];
    }
    return true;
}

static void chain_free(struct chain *c)
{
    free(c->cause);
    free(c->led);
}

struct shown {
    struct history_lines lines;
    struct chain chain; /* --event; led NULL: all */
    uint64_t count;     /* of rows; what was found does not count */
};

static bool show_row(void *context, const struct trace_row *row)
{
    struct shown *s = context;
    bool wanted =
        s->chain.led == NULL || row->kind == TRACE_NAME || chain_has(&s->chain, row->event);
    if (wanted)
        history_lines_row(&s->lines, row);
    return true;
}

/* The event, and the one that caused it. */
static void print_line(struct history_lines *lines, const struct trace_row *row, const char *line)
{
    const struct trace_EVENT *is = history_lines_event(lines, row);
    CONTAINER_OF(lines, struct shown, lines)->count += row->kind != TRACE_FINDING;
    if (lines->as_json)
        printf("%s\n", line);
    else if (is != NULL)
        printf("%9" PRIu64 " <- %-9" PRId64 "  %s\n", row->event, is->cause, line);
    else
        printf("%9" PRIu64 "%14s  %s\n", row->event, "", line);
}

static int show_all(struct shown *s, struct bytes file, const char *path)
{
    struct errmsg msg = {{0}};
    uint64_t unknown = 0;
    enum err e = history_lines_start(&s->lines);
    if (e == ERR_NONE)
        e = history_read(s->lines.mem, file, show_row, s, &unknown, &msg);
    history_lines_end(&s->lines);
    if (e != ERR_NONE)
        cli_complain("%s: %s", path, msg.text[0] != 0 ? msg.text : err_text(e));
    if (unknown > 0)
        cli_complain("%s: %" PRIu64 " rows are of kinds that this kiln does not know", path,
                     unknown);
    if (fflush(stdout) != 0)
        cli_complain("cannot write to stdout: %s", strerror(errno));
    if (e != ERR_NONE)
        return CLI_BROKEN;
    bool nothing = s->count == 0 && campaign_view_nothing(&s->lines.filter, "trace");
    return nothing ? CLI_NOTHING : CLI_OK;
}

static int show(const char *path, const struct campaign_view *view, int64_t event, bool as_json)
{
    struct mem mem;
    struct bytes file;
    struct errmsg msg = {{0}};
    struct shown shown = {.lines = {.mem = &mem, .as_json = as_json, .put = print_line}};
    struct history_filter *filter = &shown.lines.filter;
    mem_system(&mem);
    if (!campaign_view_filter(view, filter))
        return CLI_USAGE;
    if (cli_read_input(path, CLI_INPUT_BYTES_MAX, &file, &msg) != ERR_NONE)
        return cli_complain("%s", msg.text);
    filter->events = event > 0;
    int exit = CLI_NOTHING;
    bool good = view->around == NULL || look_around(&mem, file, view->around, filter);
    if (good && event > 0)
        good = follow(&mem, file, (uint64_t)event, &shown.chain);
    if (good)
        exit = show_all(&shown, file, path);
    chain_free(&shown.chain);
    cli_free(file);
    return exit;
}

int cli_trace(int argc, char **argv)
{
    struct campaign_view view = {0};
    bool as_json = false;
    int64_t event = 0;
    const struct cli_option options[] = {
        CAMPAIGN_VIEW_OPTIONS(view),
        {"--event", CLI_INT, &event, 1, INT64_MAX, NULL,
         "the events that led to this one, each with the one that caused it"},
        {"--json", CLI_FLAG, &as_json, 0, 0, NULL, "one object a row, a line each"},
    };
    const struct cli_usage usage = {
        "kiln trace FILE [OPTIONS]",
        "Shows the trace that kiln run --trace FILE wrote: the number of the event, the one that "
        "caused it (of what was received, the one in which it was sent), its virtual time, the "
        "node, and what it did. What broke stands at its place.\n"
        "Exit: 0 all of it was read, 1 the file is damaged, 5 it has nothing of what was asked "
        "for, 64 usage.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    if (words.count != 1)
        return cli_complain("which trace file? usage: %s", usage.synopsis);
    return show(words.word[0], &view, event, as_json);
}
