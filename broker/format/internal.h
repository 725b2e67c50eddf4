/* internal.h - what the files of format share: the lines of small text files. */
#ifndef KILN_FORMAT_INTERNAL_H
#define KILN_FORMAT_INTERNAL_H

#include "format/format.h"

/* Takes the next line off *rest; false at the end. A last line need not end in a newline. */
bool format_next_line(struct bytes *rest, struct bytes *line);
/* Splits at the last space; false when there is none, or nothing before it. */
bool format_split_last(struct bytes line, struct bytes *before, int64_t *number);
/* Kafka's CheckpointFile: "0", a count, then as many lines. ERR_CORRUPT. */
enum err format_parse_head(struct bytes *rest, int64_t *count, struct errmsg *msg) MUST_USE;

#endif
