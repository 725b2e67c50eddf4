/* edges.h - steps of the world as rows of the trace: what each event was, and which event caused
 * it, across nodes too. */
#ifndef KILN_CLI_EDGES_H
#define KILN_CLI_EDGES_H

#include "cli/campaign.h"

/* Zeroed at the beginning of a run. */
struct edges {
    uint64_t names[WORLD_STEP_KINDS]; /* of those that have a NAME row already; else 0 */
};

struct edges_event {
    struct trace_row row;
    struct trace_EVENT is;
};

#define EDGES_EVENT_WORDS (sizeof(struct edges_event) / sizeof(uint64_t))

/* The NAME row of what this step is, to be put before its first event. */
void edges_name(struct edges *edges, const struct world_step_info *info, struct trace_whole *name);

static inline bool edges_must_name(const struct edges *edges, const struct world_step_info *info)
{
    return edges->names[info->kind] == 0;
}

/* The EVENT row of a step that delivers one and has its name. Inline, for it is made of every
 * event of every run. */
static inline void edges_event(const struct edges *edges, const struct world_step_info *info,
                               struct edges_event *to)
{
    to->row.time_ns = info->time_ns;
    to->row.event = info->number;
    to->row.node = info->node;
    to->row.incarnation = (uint16_t)info->incarnation;
    to->row.kind = TRACE_EVENT;
    to->row.width = sizeof to->is / sizeof(uint64_t);
    to->is.what = edges->names[info->kind];
    to->is.cause = (int64_t)info->cause;
    to->is.since = (int64_t)info->since;
    to->is.op = (int64_t)info->op;
    to->is.err = info->err;
    to->is.n = (int64_t)info->n;
}

#endif
