/* timeline.c - rows as lines for a person: what happened, and in answer to what. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/campaign.h"
#include "history/history.h"

#define CAUSE_SIZE 48

struct timeline {
    struct world_sink sink;
    struct mem mem;
    struct history_names *names;
    struct text line; /* a sentence's, until its last row has come */
    uint64_t number;  /* of the event that is being delivered */
    char cause[CAUSE_SIZE];
};

/* The first step of an event is the event itself, told before the rows of its handler; those of the
 * same number are what the handler asked for. */
static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    struct timeline *t = CONTAINER_OF(sink, struct timeline, sink);
    if (info->number == t->number)
        return;
    t->number = info->number;
    snprintf(t->cause, sizeof t->cause, "%s%s%s", info->what, info->err == ERR_NONE ? "" : " ",
             info->err == ERR_NONE ? "" : err_name(info->err));
}

/* A sentence is as many rows as it needs; all but the last are full. */
static bool goes_on(const struct trace_row *row)
{
    return row->kind == TRACE_SAY && memchr(row->arg, 0, sizeof row->arg) == NULL;
}

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct timeline *t = CONTAINER_OF(sink, struct timeline, sink);
    struct text *line = &t->line;
    history_names_row(t->names, row);
    if (row->kind == TRACE_NAME)
        return;
    if (line->size > 0 && row->kind == TRACE_SAY)
        text_add(line, row->arg, strnlen((const char *)row->arg, sizeof row->arg));
    else
        history_print(row, t->names, line);
    if (goes_on(row))
        return;
    bool known = row->cause == t->number && t->cause[0] != 0;
    fprintf(stderr, "%-22s -> %s\n", known ? t->cause : "", line->failed ? "" : line->data);
    text_free(line);
    text_init(line, &t->mem);
}

void timeline_print(void *context, int64_t time_ns, const char *text)
{
    (void)context;
    fprintf(stderr, "%-22s -> %12.6f  %s\n", "script", (double)time_ns / 1e9, text);
}

struct timeline *timeline_new(struct world_sink **sink)
{
    struct timeline *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    mem_system(&t->mem);
    if (history_names_new(&t->names, &t->mem) != ERR_NONE) {
        free(t);
        return NULL;
    }
    text_init(&t->line, &t->mem);
    t->sink = (struct world_sink){.row = on_row, .step = on_step};
    *sink = &t->sink;
    return t;
}

void timeline_free(struct timeline *t)
{
    if (t == NULL)
        return;
    text_free(&t->line);
    history_names_free(t->names);
    free(t);
}
