/* internal.h - what writer and reader of the trace file agree on. */
#ifndef KILN_HISTORY_INTERNAL_H
#define KILN_HISTORY_INTERNAL_H

#include "history/history.h"

#define HISTORY_VARINT_MAX 10

enum history_column {
    COLUMN_KIND,
    COLUMN_NODE,
    COLUMN_INCARNATION,
    COLUMN_TIME,
    COLUMN_CAUSE,
    HISTORY_COLUMN_COUNT
};

#define HISTORY_RAW_ROW_MAX ((HISTORY_COLUMN_COUNT + TRACE_ARGS_MAX) * HISTORY_VARINT_MAX)
#define HISTORY_RAW_MAX (HISTORY_BLOCK_ROWS * HISTORY_RAW_ROW_MAX)
#define HISTORY_ROWS_MIN 64 /* that there is room for at least, where there is room at all */

/* A buffer that grows with the blocks that come, for most traces are short. */
struct history_room {
    void *data;
    size_t size;
};

/* What it held is gone when it grows. ERR_NOMEM: it is empty. */
static inline enum err history_room_for(struct history_room *room, struct mem *mem, size_t size)
{
    if (size <= room->size && room->data != NULL)
        return ERR_NONE;
    mem_free(mem, room->data);
    room->size = MAX(size, room->size * 2);
    room->data = mem_alloc(mem, room->size);
    if (room->data != NULL)
        return ERR_NONE;
    room->size = 0;
    return ERR_NOMEM;
}

/* Bytes of a trace as text in a line: what would end the line, or steer a terminal, is a '?'. */
char history_plain(char c);

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
