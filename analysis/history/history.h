/* history.h - the trace file: every row of a run in columnar, compressed, checksummed blocks. It
 * reads and writes bytes; who holds the file is the caller's business.
 *
 * Layout (big-endian): "KILNHIST", u32 version, u32 kind count, per kind: u8 name length and name,
 * u8 whether it has a text, u8 column count, and per column u8 type (enum trace_type), u8 name
 * length and name; then blocks: u32 raw size, u32 packed size, u32 row count, u32 CRC-32C of the
 * packed bytes, the packed bytes (zstd). A raw block holds one column behind the other: kind, node,
 * incarnation, time, event, as zig-zag varints of the difference to the last value of that column;
 * and then each row's own columns, likewise (the difference to the last of the same kind and
 * column), and its text, a varint of its size and its bytes. A block needs no other, so that a file
 * that ends behind one is whole. */
#ifndef KILN_HISTORY_H
#define KILN_HISTORY_H

#include "base/base.h"

#define HISTORY_MAGIC "KILNHIST" /* the first bytes of a trace file */
#define HISTORY_VERSION 2
#define HISTORY_BLOCK_WORDS 16000 /* of rows (struct trace_row) in one block, at most */

struct history_writer;

/* Takes the next bytes of the file. An error ends the writing; it is reported by history_close. */
typedef enum err history_sink(void *context, struct bytes bytes);

/* A file from its beginning. ERR_NOMEM, or what sink answers. */
enum err history_open(struct history_writer **out, struct mem *mem, history_sink *sink,
                      void *context) MUST_USE;
/* Further blocks for the end of a file that has its head. ERR_NOMEM. */
enum err history_open_more(struct history_writer **out, struct mem *mem, history_sink *sink,
                           void *context) MUST_USE;
void history_row(struct history_writer *writer, const struct trace_row *row);
/* Rows that the sink has been given; those behind them wait for their block to be full. */
uint64_t history_rows_sunk(const struct history_writer *writer);
/* Writes what is left and frees the writer. The first error of sink, or ERR_NOMEM. */
enum err history_close(struct history_writer *writer) MUST_USE;

/* Calls on_row for each row until it answers false. Kinds and columns of another build are matched
 * by name: a column that the file does not have is 0, and rows of a kind that this build does not
 * know are passed over and counted in *unknown, which may be NULL. ERR_CORRUPT: not a trace file,
 * one of another version, or damaged (the message says which, and where; the rows before it were
 * delivered). ERR_NOMEM. */
enum err history_read(struct mem *mem, struct bytes file,
                      bool (*on_row)(void *context, const struct trace_row *row), void *context,
                      uint64_t *unknown, struct errmsg *msg) MUST_USE;

/* Names of ids, collected from NAME rows, so that rows can be printed for people. */
struct history_names;
enum err history_names_new(struct history_names **out, struct mem *mem) MUST_USE;
void history_names_free(struct history_names *names);
/* Notes a NAME row; ignores all others. */
void history_names_row(struct history_names *names, const struct trace_row *row);
/* The name, or NULL. */
const char *history_name(const struct history_names *names, uint64_t id);

/* One line: time, node, what it did, with ids by their names. No newline. names may be NULL. */
void history_print(const struct trace_row *row, const struct history_names *names,
                   struct text *out);

/* Which lines are wanted. Zeroed: all. */
struct history_filter {
    int64_t from_ns, to_ns; /* to_ns 0: to the end */
    const char *node;       /* its name, or NULL */
    const char *partition;  /* "orders-0", or "orders" for all of the topic's; or NULL */
    bool events;            /* the EVENT rows, too */
};

/* Rows as lines: names are kept, what is not wanted is left out. */
struct history_lines {
    struct mem *mem;
    struct history_names *names;
    struct history_filter filter;
    bool as_json;
    /* What the trace says of the row's event; event 0: nothing. */
    struct {
        uint64_t event;
        struct trace_EVENT is;
    } told;
    /* Takes a line, without a newline, and its row; borrowed until it returns. */
    void (*put)(struct history_lines *lines, const struct trace_row *row, const char *line);
};

/* Set mem, filter, as_json and put first. ERR_NOMEM. */
enum err history_lines_start(struct history_lines *lines) MUST_USE;
void history_lines_row(struct history_lines *lines, const struct trace_row *row);
void history_lines_end(struct history_lines *lines);
/* What the trace says of this row's event, or NULL. */
const struct trace_EVENT *history_lines_event(const struct history_lines *lines,
                                              const struct trace_row *row);

#endif
