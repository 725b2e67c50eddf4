/* area.c - events and answers as bytes that two processes see. */
#include <sys/mman.h>
#include "shm/area.h"

#define HEAD_BYTES ((sizeof(struct shm_head) + 4095) / 4096 * 4096)
#define AREA_BYTES (HEAD_BYTES + SHM_EVENT_BYTES_MAX + SHM_LOG_BYTES_MAX + SHM_EXTENT_BYTES_MAX)

enum err shm_area_new(struct shm_area *area)
{
    uint8_t *at = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return ERR_NOMEM;
    area->head = (struct shm_head *)at;
    area->event = at + HEAD_BYTES;
    area->log = area->event + SHM_EVENT_BYTES_MAX;
    area->extents = area->log + SHM_LOG_BYTES_MAX;
    return ERR_NONE;
}

void shm_area_free(struct shm_area *area)
{
    if (area->head != NULL)
        munmap(area->head, AREA_BYTES);
    *area = (struct shm_area){0};
}

void shm_area_put_event(struct shm_area *area, const struct half_event *event)
{
    ASSERT(event->bytes.size <= SHM_EVENT_BYTES_MAX);
    if (event->bytes.size > 0)
        memcpy(area->event, event->bytes.data, event->bytes.size);
    area->head->rows[0] = TRACE_END; /* it may die before it has written one */
    area->head->event = *event;
    area->head->event.bytes = bytes_of(area->event, event->bytes.size);
}

static size_t padded(size_t size)
{
    return (size + 7) / 8 * 8;
}

void shm_area_put_answer(struct shm_area *area, const struct half_log *log)
{
    uint8_t *at = area->extents;
    size_t left = SHM_EXTENT_BYTES_MAX;
    for (int32_t i = 0; i < log->extent_count; i++) {
        const struct buf *buf = log->extents[i];
        uint64_t size = buf->cap;
        ASSERT(sizeof size + padded(size) <= left); /* one handler sends more than there is room */
        memcpy(at, &size, sizeof size);
        memcpy(at + sizeof size, buf->data, size);
        at += sizeof size + padded(size);
        left -= sizeof size + padded(size);
    }
    area->head->log_size = log->size;
    area->head->extent_count = log->extent_count;
}

static const char *take_extents(const struct shm_area *area, int32_t count, struct half_log *log)
{
    const uint8_t *at = area->extents;
    size_t left = SHM_EXTENT_BYTES_MAX;
    for (int32_t i = 0; i < count; i++) {
        uint64_t size;
        if (left < sizeof size)
            return "its log has bytes of sends behind their end";
        memcpy(&size, at, sizeof size);
        if (size > ENV_IO_BYTES_MAX || sizeof size + padded(size) > left)
            return "its log has a send of more bytes than there can be";
        memcpy(world_half_log_add_extent(log, size)->data, at + sizeof size, size);
        at += sizeof size + padded(size);
        left -= sizeof size + padded(size);
    }
    return NULL;
}

static void take_rows(uint64_t *rows, const uint64_t *from, uint32_t size)
{
    memcpy(rows, from, size * sizeof *rows);
    if (size < WORLD_TRACE_WORDS)
        rows[size] = TRACE_END;
}

void shm_area_take_rows(const struct shm_area *area, uint64_t *rows)
{
    take_rows(rows, area->head->rows, trace_rows_left(area->head->rows, WORLD_TRACE_WORDS));
}

const char *shm_area_take_answer(const struct shm_area *area, struct half_log *log, uint64_t *rows,
                                 struct half_state *state)
{
    const struct shm_head *head = area->head;
    int32_t extent_count = head->extent_count;
    const uint8_t *has_timer = (const uint8_t *)&head->state.has_timer;
    world_half_log_clear(log);
    if (*has_timer > 1)
        return "it neither has a timer nor has it none";
    *state = head->state;
    if (head->log_size > SHM_LOG_BYTES_MAX)
        return "its log has no end";
    if (extent_count < 0 || extent_count > WORLD_FLIGHTS_MAX)
        return "its log has more sends than a node may have in flight";
    if (state->rows_size > WORLD_TRACE_WORDS)
        return "it wrote more rows than there is room for";
    take_rows(rows, head->rows, state->rows_size);
    log->size = head->log_size;
    return take_extents(area, extent_count, log);
}
