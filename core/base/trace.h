/* trace.h - a buffer of rows in which modules say what they did; its owner stamps and drains it
 * after each handler. A row is as wide as its kind. */
#ifndef KILN_BASE_TRACE_H
#define KILN_BASE_TRACE_H

#include "base/assert.h"

#define TRACE_COLUMNS_MAX 16 /* of one kind */
#define TRACE_WIDTH_MAX 255  /* words behind the head of a row, with its text */

/* What a column holds, which decides how it is printed. */
enum trace_type {
    TRACE_PARTITION, /* trace_partition() */
    TRACE_TOPIC,     /* trace_topic() */
    TRACE_ID,        /* of whatever a NAME row names */
    TRACE_NAMED,     /* the hash of a word that a NAME row tells */
    TRACE_OFFSET,    /* UINT64_MAX: none */
    TRACE_NUMBER,
    TRACE_BITS,     /* a digest, or a number by which something is known: hexadecimal */
    TRACE_ERR,      /* enum err */
    TRACE_TOPIC_ID, /* trace_topic_id(); 0: not known */
};

/* Each kind is a struct of its columns, a word each: trace_rows.def. */
#define TRACE_PARTITION_WORD uint64_t
#define TRACE_TOPIC_WORD uint64_t
#define TRACE_ID_WORD uint64_t
#define TRACE_NAMED_WORD uint64_t
#define TRACE_OFFSET_WORD uint64_t
#define TRACE_NUMBER_WORD int64_t
#define TRACE_BITS_WORD uint64_t
#define TRACE_ERR_WORD uint64_t
#define TRACE_TOPIC_ID_WORD uint64_t

#define C(type, name) TRACE_##type##_WORD name;
#define ROW(name, text, ...)                                                                       \
    struct trace_##name {                                                                          \
        __VA_ARGS__                                                                                \
    };
#define SENTENCE ROW
#include "base/trace_rows.def"
#undef SENTENCE
#undef ROW
#undef C

/* A DUPLICATE promises what an ACK does (I-3), and UNKNOWN stands where a FAIL does: readers take
 * both for one. */
_Static_assert(sizeof(struct trace_DUPLICATE) == sizeof(struct trace_ACK), "same columns");
_Static_assert(sizeof(struct trace_PRODUCE_UNKNOWN) == sizeof(struct trace_PRODUCE_FAIL),
               "same columns");

/* Kinds, with their columns: trace_rows.def. */
enum trace_kind {
#define ROW(name, text, ...) TRACE_##name,
#define SENTENCE ROW
#include "base/trace_rows.def"
#undef SENTENCE
#undef ROW
    TRACE_KIND_COUNT
};

/* What a good campaign must see at least once: marks.def. */
enum trace_mark {
#define MARK(name, room, text) MARK_##name,
#include "base/marks.def"
#undef MARK
    TRACE_MARK_COUNT
};

/* The head of a row: 24 bytes, no padding. Behind it stand its columns, and its text if it has one.
 * All but kind and width are stamped by the owner of the buffer when it drains. */
struct trace_row {
    int64_t time_ns; /* virtual or monotonic */
    uint64_t event;  /* the number of the event whose handler wrote it */
    uint32_t node;
    uint16_t incarnation; /* lives of the node before this one */
    uint8_t kind;         /* enum trace_kind */
    uint8_t width;        /* words behind this */
};

#define TRACE_HEAD_WORDS (sizeof(struct trace_row) / sizeof(uint64_t))

/* A whole row, for those who make one by themselves. */
struct trace_whole {
    struct trace_row row;
    uint64_t word[TRACE_WIDTH_MAX];
};

struct trace_column {
    const char *name; /* "offset" */
    uint8_t type;     /* enum trace_type */
};

struct trace_kind_info {
    const char *name; /* "LOG_APPEND" */
    const char *text; /* "appended" */
    uint8_t column_count;
    bool has_text; /* behind its columns: as long as it is, with a zero, padded with zeros */
    struct trace_column columns[TRACE_COLUMNS_MAX];
};

extern const struct trace_kind_info trace_kinds[TRACE_KIND_COUNT];
extern const char *const trace_mark_texts[TRACE_MARK_COUNT];
/* Where it stands: the last part of a folder's name. */
extern const char *const trace_mark_rooms[TRACE_MARK_COUNT];

/* ---- reading ---- */

static inline const uint64_t *trace_words(const struct trace_row *row)
{
    return (const uint64_t *)(row + 1);
}

static inline const void *trace_columns(const struct trace_row *row, enum trace_kind kind)
{
    ASSERT(row->kind == kind);
    return row + 1;
}

/* The columns of a row by their names: TRACE_AS(row, LOG_APPEND)->first. */
#define TRACE_AS(row, kind) ((const struct trace_##kind *)trace_columns((row), TRACE_##kind))

/* Of a row that has one: it ends with a zero within the row. */
const char *trace_text(const struct trace_row *row);

/* Bytes of a row, with its head. */
static inline size_t trace_row_size(const struct trace_row *row)
{
    return sizeof *row + row->width * sizeof(uint64_t);
}

/* Of so many words that anybody may have written: they begin with a row of some kind, as wide as
 * that must be, whose text ends within it. */
bool trace_is_sound(const struct trace_row *row, uint32_t words);

/* The row at *at, counted in words, which moves behind it; NULL: it is at the end. */
static inline struct trace_row *trace_next(uint64_t *words, uint32_t count, uint32_t *at)
{
    struct trace_row *row = (struct trace_row *)(words + *at);
    if (*at == count)
        return NULL;
    *at += (uint32_t)(TRACE_HEAD_WORDS + row->width);
    ASSERT(*at <= count);
    return row;
}

/* ---- writing ---- */

/* Belongs to one node. words is the owner's; rows stand in it one behind the other, and behind the
 * last one TRACE_END, so that whoever finds the words alone finds the rows (trace_rows_left). */
struct trace {
    uint64_t *words;
    uint32_t cap, head, tail; /* of words; from tail to head rows are pending */
    bool must_drain;          /* the simulator: a full buffer is our bug */
    uint64_t lost_count;      /* production: rows that found it full */
    uint32_t mark_count[TRACE_MARK_COUNT];
};

#define TRACE_END (UINT64_MAX / 2 + 1) /* where the time of a next row would stand */

void trace_init(struct trace *t, uint64_t *words, uint32_t cap, bool must_drain);
/* Never fails and never changes what the caller does. size: of the kind's struct. */
void trace_put(struct trace *t, enum trace_kind kind, const void *columns, size_t size);
/* Of a kind that has a text, which is cut where the row is full. */
void trace_put_text(struct trace *t, enum trace_kind kind, const void *columns, const char *text);
/* The oldest pending row, or NULL; it stands there until the next is put after the last was taken.
 */
struct trace_row *trace_take(struct trace *t);
/* Nobody wants what is pending. */
void trace_clear(struct trace *t);
/* The words of the rows in a trace's memory whose owner is gone, as far as they are sound. */
uint32_t trace_rows_left(const uint64_t *words, uint32_t cap);
/* Makes a whole row of columns and text; text is NULL for a kind that has none. */
void trace_make(struct trace_whole *whole, enum trace_kind kind, const void *columns,
                const char *text);

/* TRACE(t, LOG_CUT, .partition = id, .end = end, ...): a column that is not named is 0. */
#define TRACE(t, kind, ...)                                                                        \
    trace_put((t), TRACE_##kind, &(const struct trace_##kind){__VA_ARGS__},                        \
              sizeof(struct trace_##kind))

#define SOMETIMES(t, mark, cond) ((t)->mark_count[MARK_##mark] += (cond) ? 1 : 0)

/* Sets of brokers in rows: by their ids, modulo this. */
#define TRACE_BROKER_BITS 64

/* Names a 64-bit id for readers of the trace: a NAME row. */
void trace_name(struct trace *t, uint64_t id, const char *text);
/* The id of a topic's partition in every trace: the same on brokers and clients. */
uint64_t trace_partition(const char *topic, int32_t partition);
/* The same in two steps, for those who say it of one topic again and again. */
uint64_t trace_topic(const char *topic);
uint64_t trace_partition_of(uint64_t topic, int32_t partition);
/* What rows say of Kafka's id of a topic (KIP-516): another for another topic of the same name. 0
 * of the id that is all zeros, which nobody has. */
uint64_t trace_topic_id(const uint8_t id[16]);

#endif
