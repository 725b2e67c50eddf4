/* edges.c - the names of steps, as rows of the trace. */
#include "cli/edges.h"

void edges_name(struct edges *e, const struct world_step_info *info, struct trace_whole *name)
{
    ASSERT(info->kind < WORLD_STEP_KINDS);
    e->names[info->kind] = hash_text(info->what);
    trace_make(name, TRACE_NAME, &(const struct trace_NAME){.id = e->names[info->kind]},
               info->what);
    name->row.time_ns = info->time_ns;
    name->row.event = info->number;
    name->row.node = info->node;
    name->row.incarnation = (uint16_t)info->incarnation;
}
