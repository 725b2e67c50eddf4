/* internal.h - how the lines of a case are kept: tokens between its marks. */
#ifndef KILN_EXPLAIN_INTERNAL_H
#define KILN_EXPLAIN_INTERNAL_H

#include "explain/explain.h"

enum explain_token_kind {
    TOKEN_TEXT,
    TOKEN_OPEN,  /* index: the piece */
    TOKEN_CLOSE, /* likewise */
    TOKEN_NAME,
    TOKEN_NUMBER, /* index: the number */
};

struct explain_token {
    enum explain_token_kind kind;
    const char *text;
    int32_t size, index;
};

/* The order in which things are tried: what takes most away first. Those of pieces and those of
 * numbers are not the same. */
enum explain_pass {
    PASS_FAULTS,
    PASS_ACTS,
    PASS_SETTINGS,
    PASS_FAULT_WORDS,
    PASS_FAULT_NUMBERS,
    PASS_WORDS,
    PASS_NUMBERS,
    PASS_COUNT,
};

static inline bool explain_is_of_numbers(int32_t pass)
{
    return pass == PASS_FAULT_NUMBERS || pass == PASS_NUMBERS;
}

/* -1: the case has failed. */
int32_t explain_new_piece(struct explain_case *c, int32_t parent, enum explain_pass pass);
int32_t explain_new_number(struct explain_case *c, int32_t piece, enum explain_pass pass,
                           int64_t value, int64_t least, bool time);
struct explain_line *explain_new_line(struct explain_case *c, enum explain_kind kind,
                                      int32_t piece);
/* To the last line. The text is copied. */
void explain_new_token(struct explain_case *c, enum explain_token_kind kind, const char *text,
                       size_t size, int32_t index);

#endif
