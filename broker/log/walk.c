/* walk.c - reads a file's batches a piece at a time; sums over much are done away from the loop. */
#include "log/internal.h"

enum err log_walk_init(struct log_walk *walk, const struct log *log, uint32_t cap,
                       int32_t notes_max)
{
    struct log_set *set = log->set;
    ASSERT(cap >= LOG_PIECE_MIN);
    *walk = (struct log_walk){.set = set, .dense = log->config.dense, .cap = cap};
    walk->buffer = mem_alloc(set->mem, cap);
    /* Not set to nothing: each is written whole before it counts, and few of them ever are. */
    walk->scan.notes = mem_alloc(set->mem, (size_t)notes_max * sizeof *walk->scan.notes);
    walk->scan.notes_max = notes_max;
    if (walk->buffer != NULL && walk->scan.notes != NULL)
        return ERR_NONE;
    log_walk_free(walk);
    return ERR_NOMEM;
}

void log_walk_free(struct log_walk *walk)
{
    if (walk->set == NULL)
        return;
    ASSERT(!walk->io.in_flight);
    mem_free(walk->set->mem, walk->buffer);
    mem_free(walk->set->mem, walk->scan.notes);
    *walk = (struct log_walk){0};
}

void log_walk_begin(struct log_walk *walk, env_file file, uint64_t position, uint64_t end,
                    int64_t expected, bool crc)
{
    walk->file = file;
    walk->position = position;
    walk->end = end;
    walk->scan.expected = expected;
    walk->scan.exact = walk->dense;
    walk->scan.epoch_end = 0;
    walk->scan.crc = crc;
    walk->scan.large_left = 0;
}

static void finish(struct log_walk *walk, enum err e)
{
    walk->position += e == ERR_NONE ? walk->scan.used : 0;
    waiter_tell(walk->waiter, e);
}

static void on_scanned(struct env_op *op, enum err e, uint64_t n)
{
    struct log_walk *walk = CONTAINER_OF(op, struct log_walk, io);
    (void)n;
    finish(walk, e);
}

static void on_read(struct env_op *op, enum err e, uint64_t n)
{
    struct log_walk *walk = CONTAINER_OF(op, struct log_walk, io);
    struct format_scan *scan = &walk->scan;
    if (e != ERR_NONE) {
        finish(walk, e);
        return;
    }
    scan->data = walk->buffer;
    scan->size = (size_t)n;
    scan->position = walk->position;
    /* A file that is shorter than it was ends here. */
    scan->last = n < walk->cap || walk->position + n >= walk->end || KNOWN_BUG(piece_ends_log);
    if (scan->crc && n > LOG_OFFLOAD_BYTES) {
        env_offload(walk->set->env, op, format_scan, scan, on_scanned);
        return;
    }
    format_scan(scan);
    finish(walk, ERR_NONE);
}

void log_walk_next(struct log_walk *walk, struct waiter *waiter)
{
    uint64_t size = MIN((uint64_t)walk->cap, walk->end - walk->position);
    ASSERT(walk->position < walk->end);
    walk->waiter = waiter;
    env_read(walk->set->env, &walk->io, walk->file, walk->position, walk->buffer, size, on_read);
}
