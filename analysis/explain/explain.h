/* explain.h - what a failure needs: a case is a scenario of which pieces may be left out and
 * numbers may be less, and a shrink finds the least that still fails. Pure: who asks runs each
 * candidate.
 *
 * A line of a case is text with marks, which are no text: EXPLAIN_OPEN and EXPLAIN_CLOSE around a
 * piece that may be left out (of several in one brace; they may hold others), EXPLAIN_NAME around
 * the name of a variable, EXPLAIN_TIME around nanoseconds that may be fewer (printed with their
 * unit), EXPLAIN_COUNT around a number that may be less. */
#ifndef KILN_EXPLAIN_H
#define KILN_EXPLAIN_H

#include "base/base.h"

#define EXPLAIN_OPEN '\1'
#define EXPLAIN_CLOSE '\2'
#define EXPLAIN_NAME '\3'
#define EXPLAIN_TIME '\4'
#define EXPLAIN_COUNT '\5'

#define EXPLAIN_LINES_MAX 8192
#define EXPLAIN_PIECES_MAX 65536 /* of all lines; and so many numbers */

/* What a line is to a scenario, in the order in which they stand there. */
enum explain_kind {
    EXPLAIN_SETTING, /* before the world begins */
    EXPLAIN_FAULT,   /* of its plan */
    EXPLAIN_ACT,     /* what it does at a certain time */
    EXPLAIN_LAST,    /* behind its end */
    EXPLAIN_RAW,     /* of a script that is kept as a text: they stand as they come */
    EXPLAIN_PLAN,    /* among those, where the plan stands */
};

struct explain_token;

struct explain_line {
    enum explain_kind kind;
    int32_t piece;        /* of the whole line; -1: it stays */
    int32_t at;           /* the number that is its time; -1: none */
    const char *variable; /* which holds what it makes; or "" */
    int32_t token_first, token_count;
};

/* Something that may be left out. */
struct explain_piece {
    int32_t parent; /* goes with it; -1: none */
    uint8_t pass;   /* in which it is tried */
};

struct explain_number {
    int32_t piece; /* that it stands in; -1: none */
    int64_t least;
    bool time;
    uint8_t pass;
};

/* One choice: what is there and how much. Both are arrays as long as the case says. */
struct explain_state {
    bool *on;
    int64_t *value;
};

struct explain_case {
    struct mem *mem;
    struct arena texts;
    const char *claim;
    struct explain_line *lines;
    struct explain_token *tokens;
    struct explain_piece *pieces;
    struct explain_number *numbers;
    int32_t line_count, token_count, piece_count, number_count;
    int32_t end;                /* the number that is the time of its end; -1: none */
    struct explain_state whole; /* everything, as it was */
    bool failed;                /* no memory, or more than the limits: it is of no use */
};

/* The claim is copied, as all texts are. */
void explain_case_init(struct explain_case *c, struct mem *mem, const char *claim);
void explain_case_free(struct explain_case *c);
/* Adds a line; at_ns is of an ACT. variable may be "". The cluster and what is LAST stay. */
void explain_add(struct explain_case *c, enum explain_kind kind, int64_t at_ns,
                 const char *variable, const char *marked);
/* The scenario ends at that time, and not before it. */
void explain_end(struct explain_case *c, int64_t at_ns);
/* The lines of a script as a text of Lua: each may be left out, and each block as a whole, and
 * their numbers may be less. The case's plan takes the place of its own, drawn or written. */
void explain_add_source(struct explain_case *c, struct bytes source);

/* Whether a piece and all that it stands in is there. */
bool explain_is_on(const struct explain_case *c, const struct explain_state *s, int32_t piece);
/* The scenario of a choice, as a text of Lua. */
void explain_print(const struct explain_case *c, const struct explain_state *s, struct text *out);
/* How many lines of its plan, and how many of all. */
int32_t explain_count(const struct explain_case *c, const struct explain_state *s,
                      enum explain_kind kind);

/* ERR_NOMEM. */
enum err explain_state_init(const struct explain_case *c, struct explain_state *s) MUST_USE;
void explain_state_copy(const struct explain_case *c, struct explain_state *to,
                        const struct explain_state *from);
void explain_state_free(const struct explain_case *c, struct explain_state *s);

/* ---- shrinking ---- */

/* Where a shrink stands: which candidate is next as long as none fails. Plain data. */
struct explain_cursor {
    int32_t pass, chunk, at; /* of pieces */
    int32_t number, step;    /* of numbers */
    int64_t low;             /* of the number: with so much it does not fail */
    bool dropped;            /* something, by this sweep */
    bool moved;              /* something, in this round of passes */
    bool over;
};

/* Delta debugging (Zeller and Hildebrandt 2002) over the lines of the plan, then of the rest, then
 * what they say, then how much; again and again, until nothing can go. */
struct explain_shrink {
    const struct explain_case *c;
    struct explain_state best; /* the least that is known to fail */
    struct explain_cursor cursor;
    bool *settled; /* numbers that have been tried well enough */
    int32_t *members;
};

/* The whole case is known to fail. ERR_NOMEM. */
enum err explain_shrink_init(struct explain_shrink *s, const struct explain_case *c) MUST_USE;
void explain_shrink_free(struct explain_shrink *s);
/* The candidate that is next if the first skipped ones do not fail: who runs several at once asks
 * for each. False: there is none. */
bool explain_shrink_next(struct explain_shrink *s, int32_t skipped,
                         struct explain_state *candidate);
/* Whether the first candidate fails as it must. */
void explain_shrink_answer(struct explain_shrink *s, bool fails);

#endif
