/* view.h - what the rows of a run say of its cluster: who leads which partition, and in which
 * epoch, who leads the metadata quorum, and what each knows of it. It asks no node anything;
 * whoever is asked what he does not know yet says nothing. */
#ifndef KILN_SCRIPT_VIEW_H
#define KILN_SCRIPT_VIEW_H

#include "base/base.h"

#define VIEW_NOBODY UINT32_MAX

/* Of a partition, by its newest leader epoch: rows of several nodes come in any order. */
struct view_leader {
    uint32_t node; /* who led it last, running or not; VIEW_NOBODY: nobody has */
    int64_t leader_epoch, partition_epoch; /* -1: nobody has led it */
    bool leads;                            /* and has not stopped doing so, nor died */
};

/* Of the metadata quorum, likewise. */
struct view_controller {
    uint32_t node;
    int64_t epoch; /* -1: nobody has led it */
    bool leads;
};

/* What the metadata log says of a partition, as of the newest partition epoch that anybody told of.
 * Where there is one node alone nobody does. */
struct view_state {
    int64_t leader;          /* a broker's id; -1: nobody, or nobody has said */
    int64_t partition_epoch; /* -1: nobody has said */
    uint64_t isr, elr;       /* a bit for each broker, by its id modulo TRACE_BROKER_BITS */
};

struct view;

/* ERR_NOMEM. */
enum err script_view_new(struct view **view, struct mem *mem) MUST_USE;
void script_view_free(struct view *view); /* may be NULL */
/* Takes a row in. Without memory for a new partition it is not known; script_view_is_whole says so.
 */
void script_view_row(struct view *view, const struct trace_row *row);
bool script_view_is_whole(const struct view *view);

/* partition: trace_partition() of its name. */
struct view_leader script_view_leader(const struct view *view, uint64_t partition);
struct view_state script_view_state(const struct view *view, uint64_t partition);
/* Whether the metadata log has the broker registered and not fenced, by the newest image that
 * anybody told of. */
bool script_view_serves(const struct view *view, int64_t broker);
struct view_controller script_view_controller(const struct view *view);
/* In its present life: enum check_role; -1: nobody has said. */
int32_t script_view_role(const struct view *view, uint32_t node);
/* Up to where the node knows the metadata log to be committed, in its present life; -1: nothing. */
int64_t script_view_committed(const struct view *view, uint32_t node);

#endif
