/* timeline.c - rows as lines for a person: what happened, in answer to what, and what broke there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/record.h"

#define CAUSE_SIZE 48
#define AROUND_BEFORE_NS 1000000000ll
#define AROUND_AFTER_NS 100000000ll

struct timeline {
    struct world_sink sink;
    struct mem mem;
    struct history_lines lines;
    uint64_t number; /* of the event that is being delivered */
    char cause[CAUSE_SIZE];
    /* What an earlier run has found, by time; those below next are told. */
    const struct script_finding *findings[SCRIPT_FINDINGS_MAX];
    int32_t finding_count, next;
    uint64_t line_count;   /* what was found does not count */
    struct record *record; /* may be NULL */
    bool colour;
};

/* ---- what broke ---- */

static void tell_finding(const struct timeline *t, const struct script_finding *f)
{
    struct text line;
    const struct history_filter *filter = &t->lines.filter;
    if (f->time_ns < filter->from_ns || (filter->to_ns != 0 && f->time_ns > filter->to_ns))
        return;
    text_init(&line, (struct mem *)(uintptr_t)&t->mem);
    script_finding_print(f, &line);
    fprintf(stderr, "%sBROKE %-16s -> %12.6f  %s%s\n", t->colour ? "\033[1;31m" : "", f->code,
            (double)f->time_ns / 1e9, line.failed ? f->what : line.data, t->colour ? "\033[m" : "");
    text_free(&line);
}

/* All that showed before that time; the rows that showed it stand above. */
static void tell_findings(struct timeline *t, int64_t before_ns)
{
    for (; t->next < t->finding_count && t->findings[t->next]->time_ns < before_ns; t->next++)
        tell_finding(t, t->findings[t->next]);
}

static void take_findings(struct timeline *t, const struct script_result *found)
{
    for (int32_t i = 0; found != NULL && i < found->finding_count; i++) {
        const struct script_finding *f = &found->findings[i];
        int32_t at = t->finding_count++;
        for (; at > 0 && t->findings[at - 1]->time_ns > f->time_ns; at--)
            t->findings[at] = t->findings[at - 1];
        t->findings[at] = f;
    }
}

/* ---- rows ---- */

/* The first step of an event is the event itself, told before the rows of its handler; those of the
 * same number are what the handler asked for. */
static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    struct timeline *t = CONTAINER_OF(sink, struct timeline, sink);
    if (info->number == t->number ||
        strcmp(info->what, "disk") == 0) /* which makes nothing happen */
        return;
    t->number = info->number;
    snprintf(t->cause, sizeof t->cause, "%s%s%s", info->what, info->err == ERR_NONE ? "" : " ",
             info->err == ERR_NONE ? "" : err_name(info->err));
}

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct timeline *t = CONTAINER_OF(sink, struct timeline, sink);
    tell_findings(t, row->time_ns);
    history_lines_row(&t->lines, row);
}

static void put_line(struct history_lines *lines, const struct trace_row *first, const char *line)
{
    struct timeline *t = CONTAINER_OF(lines, struct timeline, lines);
    t->line_count += first->kind != TRACE_FINDING;
    bool known = first->event == t->number && t->cause[0] != 0;
    fprintf(stderr, "%-22s -> %s\n", known ? t->cause : "", line);
}

void timeline_print(void *context, int64_t time_ns, const char *text)
{
    (void)context;
    fprintf(stderr, "%-22s -> %12.6f  %s\n", "script", (double)time_ns / 1e9, text);
}

struct timeline *timeline_new(const struct campaign_mode *mode, struct world_sink **sink)
{
    struct timeline *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    mem_system(&t->mem);
    t->lines = (struct history_lines){.mem = &t->mem, .filter = mode->filter, .put = put_line};
    if (history_lines_start(&t->lines) != ERR_NONE) {
        free(t);
        return NULL;
    }
    take_findings(t, mode->found);
    t->record = mode->record;
    t->colour = cli_colours(STDERR_FILENO);
    t->sink = (struct world_sink){.row = on_row, .step = on_step};
    *sink = &t->sink;
    return t;
}

void timeline_free(struct timeline *t)
{
    if (t == NULL)
        return;
    tell_findings(t, INT64_MAX);
    history_lines_end(&t->lines);
    if (t->line_count == 0 && campaign_view_nothing(&t->lines.filter, "run") && t->record != NULL)
        t->record->nothing_shown = true;
    free(t);
}

/* ---- what of it is wanted ---- */

bool campaign_view_given(const struct campaign_view *v)
{
    return v->from != NULL || v->to != NULL || v->node != NULL || v->partition != NULL ||
           v->around != NULL;
}

bool campaign_view_filter(const struct campaign_view *v, struct history_filter *filter)
{
    *filter = (struct history_filter){.node = v->node, .partition = v->partition};
    if (!cli_parse_time("--from", v->from, &filter->from_ns) ||
        !cli_parse_time("--to", v->to, &filter->to_ns))
        return false;
    if (filter->to_ns != 0 && filter->to_ns < filter->from_ns) {
        cli_complain("--to %s is before --from %s", v->to, v->from);
        return false;
    }
    return v->around == NULL || campaign_knows_check(v->around);
}

bool campaign_view_nothing(const struct history_filter *filter, const char *what)
{
    char of[2 * CAMPAIGN_PATH_MAX] = "";
    const char *node = filter->node, *partition = filter->partition;
    bool in_time = filter->from_ns != 0 || filter->to_ns != 0;
    if (node == NULL && partition == NULL && !in_time)
        return false;
    snprintf(of, sizeof of, "%s%s%s%s%s", node == NULL ? "" : " of --node ",
             node == NULL ? "" : node, partition == NULL ? "" : " of --partition ",
             partition == NULL ? "" : partition, in_time ? " in the time that was asked for" : "");
    cli_complain("this %s has no rows%s; it shows all without that", what, of);
    return true;
}

void campaign_view_around(struct history_filter *filter, int64_t time_ns)
{
    filter->from_ns = MAX(filter->from_ns, time_ns - AROUND_BEFORE_NS);
    int64_t to_ns = time_ns + AROUND_AFTER_NS;
    filter->to_ns = filter->to_ns == 0 ? to_ns : MIN(filter->to_ns, to_ns);
}

static bool look_around(const char *code, const struct script_result *found,
                        struct history_filter *filter)
{
    for (int32_t i = 0; i < found->finding_count; i++) {
        const struct script_finding *f = &found->findings[i];
        if (strcmp(code, f->code) != 0 && strcmp(code, f->name) != 0)
            continue;
        campaign_view_around(filter, f->time_ns);
        return true;
    }
    cli_complain("--around: %s did not break in this run%s", code,
                 found->finding_count > 0 ? "; what broke:" : ", nor did anything else");
    campaign_print_findings(found, "  ", stderr);
    return false;
}

bool campaign_view_prepare(const struct campaign_view *v, const struct campaign_script *script,
                           uint64_t seed, struct campaign_mode *mode,
                           struct campaign_outcome *found)
{
    struct campaign_mode unseen = *mode;
    unseen.timeline = unseen.files = false;
    unseen.trace_path = unseen.data_dir = unseen.steps_path = NULL;
    campaign_run_child(script, seed, &unseen, found);
    mode->found = &found->result;
    campaign_outcome_free(found);
    return v->around == NULL || look_around(v->around, &found->result, &mode->filter);
}
