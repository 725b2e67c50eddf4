/* trace.h - a bounded ring of fixed rows in which modules say what they did; its owner stamps and
 * drains it after each handler. */
#ifndef KILN_BASE_TRACE_H
#define KILN_BASE_TRACE_H

#include "base/assert.h"

#define TRACE_ARGS_MAX 7

/* Kinds, with the names of their arguments: trace_rows.def. */
enum trace_kind {
#define ROW(name, text, ...) TRACE_##name,
#include "base/trace_rows.def"
#undef ROW
    TRACE_KIND_COUNT
};

/* What a good campaign must see at least once: marks.def. */
enum trace_mark {
#define MARK(name, text) MARK_##name,
#include "base/marks.def"
#undef MARK
    TRACE_MARK_COUNT
};

/* 80 bytes, no padding. The first four are stamped by the owner of the ring when it drains. */
struct trace_row {
    int64_t time_ns; /* virtual or monotonic */
    uint64_t cause;  /* the number of the event whose handler wrote it */
    uint32_t node;
    uint16_t incarnation; /* lives of the node before this one */
    uint16_t kind;        /* enum trace_kind */
    uint64_t arg[TRACE_ARGS_MAX];
};

struct trace_kind_info {
    const char *name; /* "LOG_APPEND" */
    const char *text; /* "appended" */
    int arg_count;
    const char *args[TRACE_ARGS_MAX]; /* "partition", "offset" ... */
};

extern const struct trace_kind_info trace_kinds[TRACE_KIND_COUNT];
extern const char *const trace_mark_texts[TRACE_MARK_COUNT];

/* Belongs to one node. rows is the owner's, cap a power of two. */
struct trace {
    struct trace_row *rows;
    uint32_t cap, head, tail; /* head - tail rows are pending */
    bool must_drain;          /* the simulator: a full ring is our bug */
    uint64_t lost_count;      /* production: rows that found it full */
    uint32_t mark_count[TRACE_MARK_COUNT];
};

void trace_init(struct trace *t, struct trace_row *rows, uint32_t cap, bool must_drain);
/* Never fails and never changes what the caller does. */
void trace_put(struct trace *t, enum trace_kind kind, const uint64_t *args, int count);
/* The oldest pending row, or NULL; it is gone with the next call. */
struct trace_row *trace_take(struct trace *t);

#define TRACE(t, kind, ...)                                                                        \
    trace_put((t), TRACE_##kind, (const uint64_t[]){__VA_ARGS__},                                  \
              (int)(sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)))

#define SOMETIMES(t, mark, cond) ((t)->mark_count[MARK_##mark] += (cond) ? 1 : 0)

/* Names a 64-bit id for readers of the trace: writes NAME rows with up to 48 bytes of text. */
void trace_name(struct trace *t, uint64_t id, const char *text);
/* The id of a topic's partition in every trace: the same on brokers and clients. */
uint64_t trace_partition(const char *topic, int32_t partition);
/* The same in two steps, for those who say it of one topic again and again. */
uint64_t trace_topic(const char *topic);
uint64_t trace_partition_of(uint64_t topic, int32_t partition);

#endif
