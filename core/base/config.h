/* config.h - configuration as rows: one row a key, from which parsing, ranges, help and "did you
 * mean" all follow. Pure. */
#ifndef KILN_BASE_CONFIG_H
#define KILN_BASE_CONFIG_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

enum config_type {
    CONFIG_BOOL,   /* bool: true, false */
    CONFIG_INT,    /* int64_t within [min, max]; sizes and times take Kafka's plain numbers */
    CONFIG_ENUM,   /* int32_t: the index into values */
    CONFIG_STRING, /* char[CONFIG_STRING_SIZE] */
};

#define CONFIG_STRING_SIZE 256

struct config_row {
    const char *key; /* Kafka's spelling where Kafka has the key: "log.segment.bytes" */
    enum config_type type;
    uint32_t offset;      /* of the field in the struct that is configured */
    int64_t min, max;     /* CONFIG_INT */
    const char *values;   /* CONFIG_ENUM: "ack|os" */
    const char *fallback; /* the default, as text */
    const char *help;     /* one sentence */
};

#define CONFIG_ROWS_MAX 128 /* of a table that notes what was given */

/* Which keys were set otherwise than by their fallbacks: a bit for each row. */
struct config_given {
    uint64_t words[CONFIG_ROWS_MAX / 64];
};

struct config_table {
    const struct config_row *rows;
    int count;
    uint32_t given_offset; /* of a struct config_given in the struct; 0: nobody asks */
};

/* Sets every field to its fallback. */
void config_defaults(const struct config_table *table, void *target);
/* The row of that key, or NULL. */
const struct config_row *config_find(const struct config_table *table, const char *key);
/* The key that somebody may have meant, or NULL: letters and digits that hardly differ, or the last
 * words of a key. */
const char *config_nearest(const struct config_table *table, const char *key);
/* Takes a value as Kafka does: without blanks around it, true and false in any case. ERR_NOTFOUND
 * (the message names the nearest key, if one is near), ERR_INVALID, ERR_RANGE (it names key, value
 * and range). On an error the field is as it was. */
enum err config_set(const struct config_table *table, void *target, const char *key,
                    struct bytes value, struct errmsg *msg) MUST_USE;
/* What becomes of a key that has no row: ERR_NONE passes over it; an error ends the parse. value is
 * trimmed, and cut after 1,024 bytes. */
typedef enum err config_other(const char *key, struct bytes value, struct errmsg *msg);
/* Java properties: key=value lines, # and ! comments, \ continuation, \uXXXX; a byte order mark at
 * the front is passed over. name is for messages ("FILE:12: ..."). other may be NULL: a key without
 * a row is an error. Errors as config_set; what stands before the line in error is set already. */
enum err config_parse(const struct config_table *table, void *target, struct bytes file,
                      const char *name, config_other *other, struct errmsg *msg) MUST_USE;
/* Whether the row at that index was set by config_set or config_parse. */
bool config_given(const struct config_table *table, const void *target, int index);
/* Appends the field's value as text. */
void config_print(const struct config_row *row, const void *target, struct text *out);

#endif
