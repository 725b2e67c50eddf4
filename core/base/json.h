/* json.h - the one way to write JSON: commas, quotes and nesting are its own business, and what
 * goes into a text is well-formed whatever the caller's strings hold. */
#ifndef KILN_BASE_JSON_H
#define KILN_BASE_JSON_H

#include "base/text.h"

#define JSON_DEPTH_MAX 64

/* Writes into out, which it borrows. Compact: no space, no newline of its own. */
struct json {
    struct text *out;
    uint64_t filled; /* a bit a level: something stands in it already */
    uint64_t arrays; /* a bit a level: it is an array */
    int32_t depth;   /* levels that are open */
};

void json_put_init(struct json *j, struct text *out);
/* Values. In an object each has a name, in an array and at the top it is NULL. */
void json_put_object(struct json *j, const char *name);
void json_put_array(struct json *j, const char *name);
void json_put_end(struct json *j); /* of the innermost object or array */
void json_put_text(struct json *j, const char *name, struct bytes value);
void json_put_string(struct json *j, const char *name, const char *value);
void json_put_int(struct json *j, const char *name, int64_t value);
void json_put_uint(struct json *j, const char *name, uint64_t value);
void json_put_bool(struct json *j, const char *name, bool value);
void json_put_null(struct json *j, const char *name);
/* A time or an amount of nanoseconds as a number of seconds with six decimals. */
void json_put_seconds(struct json *j, const char *name, int64_t ns);
/* 64 bits as a string of 16 hex digits: readers of JSON keep 53 bits of a number. */
void json_put_hex(struct json *j, const char *name, uint64_t value);
/* What stands before a value, for one that the caller adds to out by itself, well-formed. */
void json_put_name(struct json *j, const char *name);

#endif
