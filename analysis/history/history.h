/* history.h - the trace file: every row of a run in columnar, compressed, checksummed blocks. It
 * reads and writes bytes; who holds the file is the caller's business.
 *
 * Layout (big-endian): "KILNHIST", u32 version, u32 kind count, per kind u8 name length and name;
 * then blocks: u32 raw size, u32 packed size, u32 row count, u32 CRC-32C of the packed bytes, the
 * packed bytes (zstd). A raw block holds one column behind the other: kind, node, incarnation,
 * time, cause, and the arguments of each row, as zig-zag varints of the difference to the last
 * value of that column (of arguments: to the last of the same kind and place). */
#ifndef KILN_HISTORY_H
#define KILN_HISTORY_H

#include "base/base.h"

#define HISTORY_MAGIC "KILNHIST" /* the first bytes of a trace file */
#define HISTORY_VERSION 1
#define HISTORY_BLOCK_ROWS 16384

struct history_writer;

/* Takes the next bytes of the file. An error ends the writing; it is reported by history_close. */
typedef enum err history_sink(void *context, struct bytes bytes);

/* ERR_NOMEM, or what sink answers. */
enum err history_open(struct history_writer **out, struct mem *mem, history_sink *sink,
                      void *context) MUST_USE;
void history_row(struct history_writer *writer, const struct trace_row *row);
/* Writes what is left and frees the writer. The first error of sink, or ERR_NOMEM. */
enum err history_close(struct history_writer *writer) MUST_USE;

/* Calls on_row for each row until it answers false. Kinds of another build are matched by name.
 * ERR_CORRUPT: not a trace file, or damaged, or a block has rows of a kind that this build does not
 * know (the message names the position; the rows before it were delivered). ERR_NOMEM. */
enum err history_read(struct mem *mem, struct bytes file,
                      bool (*on_row)(void *context, const struct trace_row *row), void *context,
                      struct errmsg *msg) MUST_USE;

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

/* Rows of these kinds are a sentence's pieces: all but the last one are full. */
bool history_is_text(const struct trace_row *row);
bool history_text_goes_on(const struct trace_row *row);
/* The rows of a sentence: calls put for each, with the kind and the text filled in and all else as
 * in like. */
void history_put_text(const struct trace_row *like, const char *text,
                      void (*put)(void *context, const struct trace_row *row), void *context);

/* Which lines are wanted. Zeroed: all. */
struct history_filter {
    int64_t from_ns, to_ns; /* to_ns 0: to the end */
    const char *node;       /* its name, or NULL */
    const char *partition;  /* "orders-0", or "orders" for all of the topic's; or NULL */
};

/* Rows as whole lines: sentences are put together, names are kept, what is not wanted is left out.
 */
struct history_lines {
    struct mem *mem;
    struct history_names *names;
    struct history_filter filter;
    bool as_json;
    struct text line;       /* a sentence's, until its last row has come */
    struct trace_row first; /* of it */
    bool open, wanted;      /* more of it is to come; the filter lets it through */
    /* Takes a line, without a newline, and its first row; borrowed until it returns. */
    void (*put)(struct history_lines *lines, const struct trace_row *first, const char *line);
};

/* Set mem, filter, as_json and put first. ERR_NOMEM. */
enum err history_lines_start(struct history_lines *lines) MUST_USE;
void history_lines_row(struct history_lines *lines, const struct trace_row *row);
void history_lines_end(struct history_lines *lines);

#endif
