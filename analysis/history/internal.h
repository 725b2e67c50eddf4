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
    COLUMN_EVENT,
    HISTORY_COLUMN_COUNT
};

#define HISTORY_BLOCK_ROWS (HISTORY_BLOCK_WORDS / TRACE_HEAD_WORDS)
/* Each word of a row is a varint at most, or 8 bytes of its text. */
#define HISTORY_RAW_SIZE(rows, words)                                                              \
    ((rows)*HISTORY_COLUMN_COUNT * HISTORY_VARINT_MAX + (words)*HISTORY_VARINT_MAX)
#define HISTORY_RAW_MAX HISTORY_RAW_SIZE(HISTORY_BLOCK_ROWS, HISTORY_BLOCK_WORDS)
#define HISTORY_WORDS_MIN 512 /* that there is room for at least, where there is room at all */

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

/* A column as a member of an object. */
void history_put_column(struct json *j, const struct history_names *names,
                        const struct trace_column *column, uint64_t value);

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
    case COLUMN_EVENT:
        return row->event;
    case HISTORY_COLUMN_COUNT:
        break;
    }
    UNREACHABLE();
}

#endif
