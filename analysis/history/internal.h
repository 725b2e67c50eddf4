/* internal.h - what writer and reader of the trace file agree on. */
#ifndef KILN_HISTORY_INTERNAL_H
#define KILN_HISTORY_INTERNAL_H

#include "history/history.h"

#define HISTORY_MAGIC "KILNHIST"
#define HISTORY_VARINT_MAX 10
#define HISTORY_RAW_MAX                                                                            \
    (HISTORY_BLOCK_ROWS * (HISTORY_COLUMN_COUNT + TRACE_ARGS_MAX) * HISTORY_VARINT_MAX)

enum history_column {
    COLUMN_KIND,
    COLUMN_NODE,
    COLUMN_INCARNATION,
    COLUMN_TIME,
    COLUMN_CAUSE,
    HISTORY_COLUMN_COUNT
};

static inline uint64_t history_field(const struct trace_row *row, enum history_column column)
{
    switch (column) {
    case COLUMN_KIND:
        return row->kind;
    case COLUMN_NODE:
        return row->node;
    case COLUMN_INCARNATION:
        return row->incarnation;
    case COLUMN_TIME:
        return (uint64_t)row->time_ns;
    case COLUMN_CAUSE:
        return row->cause;
    case HISTORY_COLUMN_COUNT:
        break;
    }
    UNREACHABLE();
}

#endif
