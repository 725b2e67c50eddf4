/* note.h - what a person should read while a node runs: a sentence, under a name that stays the
 * same from version to version, at a level. Who makes the node decides where it goes. */
#ifndef KILN_BASE_NOTE_H
#define KILN_BASE_NOTE_H

#include "base/assert.h"

/* The most important first: a reader takes all up to the one that he names. */
enum note_level {
    NOTE_LEVEL_ERROR,   /* something does not work; a person must act */
    NOTE_LEVEL_WARNING, /* something is not as it was asked for, or will not stay well */
    NOTE_LEVEL_INFO,    /* what happens seldom, and is as it should be */
    NOTE_LEVEL_DEBUG,   /* what happens often */
    NOTE_LEVEL_COUNT
};

enum note_kind {
#define ROW(name, level, text) NOTE_##name,
#include "base/notes.def"
#undef ROW
    NOTE_KIND_COUNT
};

struct note_kind_info {
    const char *name; /* "PARTITION_OFFLINE": what stands in the line */
    enum note_level level;
    const char *text; /* what the kind means, for lists of them */
};

extern const struct note_kind_info note_kinds[NOTE_KIND_COUNT];
extern const char *const note_level_names[NOTE_LEVEL_COUNT]; /* "error" ... */

#define NOTE_SIZE 1024 /* bytes of the longest sentence, with its zero; the rest is cut */

/* Made by who owns the node, passed down as struct trace is, and outlives what it was given to. */
struct notes {
    /* Takes one sentence without a newline; borrows it until it returns. It must not call back into
     * the node. */
    void (*write)(struct notes *notes, enum note_kind kind, const char *sentence);
    enum note_level level;           /* less important ones are counted, and not written */
    uint64_t count[NOTE_KIND_COUNT]; /* told so far, written or not */
};

/* Never fails and never changes what the caller does. notes may be NULL. */
void note_put(struct notes *notes, enum note_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
/* The level of that name; false when there is none. */
bool note_level_parse(const char *name, enum note_level *out);

#define NOTE(notes, kind, ...) note_put((notes), NOTE_##kind, __VA_ARGS__)

#endif
