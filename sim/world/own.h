/* own.h - the node's half from within: its operations, timers, dice and heap. The world's half must
 * not include it. */
#ifndef KILN_WORLD_OWN_H
#define KILN_WORLD_OWN_H

#include "world/half.h"

/* ---- heaps: heap.c ---- */

/* A node's heap: one a node, reused by its lives. */
struct world_heap;

struct world_heap_options {
    struct mem *mem;             /* of the record itself */
    struct fault_points *points; /* alloc is asked of these */
    uint32_t node;
    struct world_memory memory;
};

/* ERR_NOMEM: no memory or no address range. */
enum err world_heap_new(struct world_heap **out, const struct world_heap_options *options) MUST_USE;
void world_heap_free(struct world_heap *heap);
/* A life begins: an empty heap. ERR_NOMEM. */
enum err world_heap_open(struct world_heap *heap, struct mem **out) MUST_USE;
/* All of it is gone; nothing in it was freed by anybody. A pointer into it faults. */
void world_heap_drop(struct world_heap *heap);
/* Until it is unsealed, whoever reads or writes it faults (where its memory is an arena). */
void world_heap_seal(struct world_heap *heap, bool sealed);
int64_t world_heap_bytes(const struct world_heap *heap);

/* ---- the half ---- */

/* An operation in flight, at its place in the table. */
struct half_place {
    struct env_op *op; /* NULL: free */
    uint64_t id;
    int32_t next_free;
};

struct world_half {
    struct half_options options;
    char name[WORLD_NAME_MAX];
    struct env env;
    struct world_seat seat;
    struct world_heap *heap;
    struct trace trace;
    struct buf *args;
    struct fault_points points; /* alloc alone is asked of these */
    struct fault_chance chance;
    const char *site; /* of its last draw */
    uint64_t site_hash;
    struct heap timers;
    uint64_t timer_count;
    struct half_place *places;
    int32_t place_count, place_free; /* place_free: -1 when all are taken */
    uint64_t op_count;
    uint64_t event_count; /* of all its lives */
    int64_t time_ns;      /* of the world, while a handler runs */
    bool lives, runs;
    bool exited; /* from here on the handler speaks to nobody */
};

/* door.c */
extern const struct env_door world_half_door;
/* The operation of that name, which is in flight no longer. */
struct env_op *world_half_op_take(struct world_half *half, uint64_t id);
void world_half_ops_clear(struct world_half *half);

/* log.c: adds a record of so many bytes behind its head, which are the caller's to fill. */
void *world_half_log_add(struct world_half *half, enum half_record_type type, uint64_t id,
                         enum err err, uint64_t size);
void world_half_log_ask(struct world_half *half, uint64_t id, const struct env_op *op);

#endif
