/* half.h - the boundary: what a node's half of the world and the world's own half tell each other.
 * Events go in, a log comes out once the handler has returned, and all of both is bytes: whichever
 * side stands in another process, nothing here changes. The world's half names no operation and no
 * timer of a node but by number, and reads nothing of its heap. */
#ifndef KILN_WORLD_HALF_H
#define KILN_WORLD_HALF_H

#include "world/world.h"

struct world_half;

/* ---- in: events ---- */

enum half_event_type {
    HALF_START,   /* of a life that has begun */
    HALF_STOP,    /* somebody asks for a clean end */
    HALF_COMMAND, /* id, bytes */
    HALF_TIMER,   /* the earliest one is due */
    HALF_DONE,    /* the operation id has ended: err, n, modified_ms, bytes */
    HALF_SIT,     /* nothing: a test speaks to the door itself */
};

struct half_event {
    uint8_t type;            /* enum half_event_type */
    int64_t now_ns, wall_ms; /* what the node's clocks show */
    int64_t time_ns;         /* what the world's shows, for the record alone */
    uint64_t id;
    enum err err;
    uint64_t n;
    int64_t modified_ms;
    struct bytes bytes; /* a command; what was read, received or listed; who connected */
};

/* ---- out: the log ---- */

/* In the order in which the handler said it. */
enum half_record_type {
    HALF_ASKS,    /* struct half_ask: an operation */
    HALF_REPLIES, /* id, then the bytes */
    HALF_EXITS,   /* err; the last one */
    HALF_REFUSES, /* a fault_line: an allocation failed by it */
};

/* Each begins at a multiple of 8. */
struct half_record {
    uint32_t type; /* enum half_record_type */
    enum err err;
    uint64_t id;        /* of the command, or what HALF_DONE calls the operation */
    uint64_t size;      /* of what follows this struct, without its padding */
    uint64_t rows_size; /* words of rows that the handler wrote before */
};

/* What follows the record of an operation: this, its paths, its parts, and their bytes. */
struct half_ask {
    uint8_t verb; /* enum env_verb */
    uint16_t flags, port;
    uint16_t path_size, path_to_size; /* with their zeros; 0: none */
    int32_t part_count;
    int32_t extent; /* of a send: where its bytes are; gaps are left for the ranges of files */
    uint64_t handle, offset, size;
};

struct half_part {
    uint64_t file; /* 0: its bytes follow; else the range of a file */
    uint64_t offset, size;
};

/* A record of an operation taken apart. */
struct half_asked {
    const struct half_ask *ask;
    const char *path, *path_to; /* NULL: none */
    const struct half_part *parts;
    const uint8_t *bytes; /* of a write or append: of all parts, one behind the other */
};

/* Memory that both halves see: one for all nodes, for only one handler runs at a time. */
struct half_log {
    struct mem *mem;
    uint8_t *data;
    size_t size, cap;
    struct buf **extents; /* what is large lies beside the log, so that it is copied once */
    int32_t extent_count, extent_cap;
    bool fixed; /* data is somebody else's, and does not grow */
};

void world_half_log_free(struct half_log *log);
/* It begins anew; extents that nobody took are let go of. */
void world_half_log_clear(struct half_log *log);
/* One more, of so many bytes that are the caller's to fill. */
struct buf *world_half_log_add_extent(struct half_log *log, uint64_t size);
/* Takes the extent out of the log. */
struct buf *world_half_log_take(struct half_log *log, int32_t extent);
/* The record at *at, which moves behind it; NULL: there are no more. */
const struct half_record *world_half_log_next(const struct half_log *log, size_t *at);
void world_half_asked_of(const struct half_record *record, struct half_asked *asked);

/* What a handler leaves behind beside the log. */
struct half_state {
    uint32_t rows_size; /* words of rows, from the begin of their memory */
    bool has_timer;     /* one is armed: the earliest */
    int64_t deadline_ns;
    uint64_t timer_sequence;
    int64_t live_count, heap_bytes; /* of its heap: pieces, and bytes taken from the system */
};

/* ---- a node's half ---- */

/* What of a node outlasts its lives, and its disk does not hold. */
struct half_lasting {
    uint64_t timer_count, event_count;
    uint32_t mark_count[TRACE_MARK_COUNT];
};

struct half_options {
    struct mem *mem; /* of the half itself, which is none of the node's */
    const struct world_program *program;
    const char *name; /* copied */
    uint32_t node;
    uint64_t seed;
    const struct fault_engine *engine; /* what the plan says of refused allocations */
    struct half_log *log;
    uint64_t *rows; /* of its trace: WORLD_TRACE_WORDS */
    struct world_memory memory;
};

/* ERR_NOMEM: no memory or no address range. */
enum err world_half_new(struct world_half **out, const struct half_options *options) MUST_USE;
void world_half_free(struct world_half *half);
/* For the lives to come. */
void world_half_set_program(struct world_half *half, const struct world_program *program);
/* A life begins, with an empty heap and a copy of args. ERR_NOMEM. */
enum err world_half_begin(struct world_half *half, uint32_t life, struct bytes args,
                          struct env_disk disk) MUST_USE;
/* It ends: all that its heap held is gone, and nobody was asked. */
void world_half_end(struct world_half *half);
/* Runs the handler of an event; the log begins anew with it. */
void world_half_run(struct world_half *half, const struct half_event *event,
                    struct half_state *state);
/* The two sides of it, for tests that stand between them. */
void world_half_enter(struct world_half *half, const struct half_event *event);
void world_half_leave(struct world_half *half, struct half_state *state);
/* Allocations are refused at this rate per million from now on; and never again. */
void world_half_refuse_at(struct world_half *half, uint32_t rate);
void world_half_refuse_no_more(struct world_half *half);
/* TRACE_MARK_COUNT of them, of all lives. */
const uint32_t *world_half_marks(const struct world_half *half);
/* For tests. */
struct world_seat *world_half_seat(struct world_half *half);
/* One half goes on where another one of the same node ended; no life may run. */
void world_half_recall(struct world_half *half, const struct half_lasting *lasting);
void world_half_lasting(const struct world_half *half, struct half_lasting *lasting);

/* ---- where halves run ---- */

/* How a handler ended. */
enum half_fate {
    HALF_RAN,
    HALF_BROKE,  /* the code under test did: it crashed, or did not return */
    HALF_LACKED, /* the machine had nothing for it to run on */
};

/* The half of one node, wherever it is; the first member of what its host keeps of it. */
struct half_guest {
    const struct half_host_impl *impl;
    struct errmsg why; /* of the last fate that was not HALF_RAN */
};

/* Runs the halves of one world, one handler at a time. */
struct half_host {
    const struct half_host_impl *impl;
};

/* What the world's half calls; each does what the function world_half_NAME does, there. */
struct half_host_impl {
    /* What comes back from there may be anything, and is looked at before it is believed. */
    bool distrusted;
    enum err (*new)(struct half_host *host, struct half_guest **out,
                    const struct half_options *options);
    void (*free)(struct half_guest *guest);
    void (*set_program)(struct half_guest *guest, const struct world_program *program);
    enum err (*begin)(struct half_guest *guest, uint32_t life, struct bytes args,
                      struct env_disk disk);
    void (*end)(struct half_guest *guest);
    /* Log, rows and state are as the handler left them where it ran to its end. A guest that did
     * not is only to be ended; the rows of its last handler are there (trace_rows_left) where it
     * broke. */
    enum half_fate (*run)(struct half_guest *guest, const struct half_event *event,
                          struct half_state *state);
    void (*refuse_at)(struct half_guest *guest, uint32_t rate);
    void (*refuse_no_more)(struct half_guest *guest);
    const uint32_t *(*marks)(const struct half_guest *guest);
};

/* The world's own process and thread: the half is called, and that is all. */
extern struct half_host world_inline_host;
/* Of a guest of that host. */
struct world_half *world_inline_half(struct half_guest *guest);

#endif
