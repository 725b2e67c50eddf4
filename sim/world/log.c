/* log.c - what a handler says, as bytes: written by the node's half, read by the world's. */
#include "world/own.h"

#define LOG_MIN 4096
#define ALIGN 8
#define EXTENTS_MIN 16

static size_t padded(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- writing ---- */

static void reserve(struct half_log *log, size_t size)
{
    size_t cap = log->cap == 0 ? LOG_MIN : log->cap;
    if (log->size + size <= log->cap)
        return;
    ASSERT(!log->fixed); /* one handler says more than there is room for */
    while (cap < log->size + size)
        cap *= 2;
    log->data = mem_realloc(log->mem, log->data, cap);
    ASSERT(log->data != NULL); /* of the simulator itself, not of a node */
    log->cap = cap;
}

void *world_half_log_add(struct world_half *half, enum half_record_type type, uint64_t id,
                         enum err err, uint64_t size)
{
    struct half_log *log = half->options.log;
    ASSERT(half->runs);
    ASSERT(!half->exited);
    size_t all = sizeof(struct half_record) + padded(size);
    reserve(log, all);
    struct half_record *record = (struct half_record *)(log->data + log->size);
    *record = (struct half_record){
        .type = type, .err = err, .id = id, .size = size, .rows_size = half->trace.head};
    log->size += all;
    return record + 1;
}

static size_t size_of_path(const char *path)
{
    return path == NULL ? 0 : strlen(path) + 1;
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    if (size > 0)
        memcpy(at, data, size);
    return at + size;
}

static void put_parts(struct half_part *parts, const struct env_op *op)
{
    for (int32_t i = 0; i < op->part_count; i++) {
        const struct env_part *part = &op->parts[i];
        parts[i] = (struct half_part){
            .file = part->data == NULL ? part->file : 0,
            .offset = part->offset,
            .size = part->size,
        };
    }
}

static void put_bytes(uint8_t *at, const struct env_op *op)
{
    for (int32_t i = 0; i < op->part_count; i++) {
        const struct env_part *part = &op->parts[i];
        if (part->data != NULL)
            put(at, part->data, part->size);
        at += part->size;
    }
}

struct buf *world_half_log_add_extent(struct half_log *log, uint64_t size)
{
    if (log->extent_count == log->extent_cap) {
        log->extent_cap = log->extent_cap == 0 ? EXTENTS_MIN : 2 * log->extent_cap;
        log->extents =
            mem_realloc(log->mem, log->extents, (size_t)log->extent_cap * sizeof(struct buf *));
        ASSERT(log->extents != NULL); /* as above */
    }
    struct buf *buf = buf_new(log->mem, (uint32_t)size);
    ASSERT(buf != NULL); /* as above */
    log->extents[log->extent_count++] = buf;
    return buf;
}

/* The head, the paths, the parts, their bytes. */
void world_half_log_ask(struct world_half *half, uint64_t id, const struct env_op *op)
{
    struct half_ask ask = {
        .verb = op->verb,
        .flags = op->flags,
        .port = op->port,
        .path_size = (uint16_t)size_of_path(op->path),
        .path_to_size = (uint16_t)size_of_path(op->path_to),
        .part_count = op->part_count,
        .handle = op->handle,
        .offset = op->offset,
        .size = op->size,
    };
    bool sends = op->verb == ENV_SEND;
    if (sends) {
        ask.extent = half->options.log->extent_count;
        put_bytes(world_half_log_add_extent(half->options.log, op->size)->data, op);
    }
    size_t head = padded(sizeof ask + ask.path_size + ask.path_to_size);
    size_t size_parts = (size_t)op->part_count * sizeof(struct half_part);
    size_t size = head + size_parts + (op->part_count > 0 && !sends ? op->size : 0);
    uint8_t *begin = world_half_log_add(half, HALF_ASKS, id, ERR_NONE, size);
    uint8_t *at = put(begin, &ask, sizeof ask);
    at = put(at, op->path, ask.path_size);
    put(at, op->path_to, ask.path_to_size);
    put_parts((struct half_part *)(begin + head), op);
    if (op->part_count > 0 && !sends)
        put_bytes(begin + head + size_parts, op);
}

void world_half_log_clear(struct half_log *log)
{
    for (int32_t i = 0; i < log->extent_count; i++)
        buf_release(log->extents[i]); /* nobody has read of it */
    log->extent_count = 0;
    log->size = 0;
}

/* ---- reading ---- */

void world_half_log_free(struct half_log *log)
{
    world_half_log_clear(log);
    if (!log->fixed)
        mem_free(log->mem, log->data);
    mem_free(log->mem, log->extents);
    *log = (struct half_log){.mem = log->mem};
}

struct buf *world_half_log_take(struct half_log *log, int32_t extent)
{
    ASSERT(extent < log->extent_count);
    struct buf *buf = log->extents[extent];
    ASSERT(buf != NULL);
    log->extents[extent] = NULL;
    return buf;
}

const struct half_record *world_half_log_next(const struct half_log *log, size_t *at)
{
    ASSERT(*at <= log->size);
    if (*at == log->size)
        return NULL;
    const struct half_record *record = (const struct half_record *)(log->data + *at);
    ASSERT(log->size - *at >= sizeof *record);
    *at += sizeof *record;
    ASSERT(record->size <= log->size - *at);
    *at += padded(record->size);
    return record;
}

void world_half_asked_of(const struct half_record *record, struct half_asked *asked)
{
    ASSERT(record->type == HALF_ASKS);
    ASSERT(record->size >= sizeof(struct half_ask));
    const struct half_ask *ask = (const struct half_ask *)(record + 1);
    const char *paths = (const char *)(ask + 1);
    size_t head = padded(sizeof *ask + ask->path_size + ask->path_to_size);
    ASSERT(head + (size_t)ask->part_count * sizeof(struct half_part) <= record->size);
    *asked = (struct half_asked){.ask = ask};
    asked->path = ask->path_size == 0 ? NULL : paths;
    asked->path_to = ask->path_to_size == 0 ? NULL : paths + ask->path_size;
    if (ask->part_count == 0)
        return;
    asked->parts = (const struct half_part *)((const uint8_t *)ask + head);
    asked->bytes = (const uint8_t *)(asked->parts + ask->part_count);
}
