/* segment.c - one segment's object, and the segments of a log as an ascending array. */
#include "log/internal.h"
#include <stdio.h>

void log_segment_path(const struct log *log, int64_t offset, enum format_file_kind kind,
                      char path[ENV_PATH_MAX])
{
    char name[FORMAT_NAME_MAX];
    format_name_print(name, offset, kind);
    int size = snprintf(path, ENV_PATH_MAX, "%s/%s", log->path, name);
    ASSERT(size < ENV_PATH_MAX);
}

void log_index_path(const struct log *log, int64_t base, int32_t file, char path[ENV_PATH_MAX])
{
    bool proof = file == FORMAT_DERIVED;
    log_segment_path(log, base, format_derived[proof ? FORMAT_OFFSETS : file].file, path);
    if (proof)
        dir_path_join(path, NULL, path, ".crc");
}

struct log_segment *log_segment_new(struct log *log, int64_t base, bool create)
{
    char path[ENV_PATH_MAX];
    struct mem *mem = log->set->mem;
    struct log_segment *segment = mem_zalloc(mem, sizeof *segment);
    if (segment == NULL)
        return NULL;
    log_segment_path(log, base, FORMAT_KIND_LOG, path);
    if (dir_writer_init(&segment->disk, &log->member, path, create) != ERR_NONE) {
        mem_free(mem, segment);
        return NULL;
    }
    segment->log = log;
    segment->base = base;
    segment->next = base;
    segment->first_timestamp = -1;
    segment->modified_ms = -1;
    segment->touched_ns = env_now(log_env(log));
    format_index_init(&segment->index, mem, base);
    segment->exact = create;
    if (create)
        log_index_move(segment, LOG_INDEX_MADE);
    list_init(&segment->waiting);
    list_init(&segment->cached);
    return segment;
}

void log_segment_free(struct log_segment *segment)
{
    struct mem *mem = segment->log->set->mem;
    ASSERT(segment->readers == 0);
    ASSERT(list_empty(&segment->waiting));
    log_index_uncache(segment);
    format_index_free(&segment->index);
    dir_writer_free(&segment->disk);
    mem_free(mem, segment);
}

enum err log_segments_reserve(struct log *log)
{
    if (log->segment_count < log->segment_cap)
        return ERR_NONE;
    int32_t cap = log->segment_cap == 0 ? 4 : log->segment_cap * 2;
    void *segments = mem_realloc(log->set->mem, log->segments, (size_t)cap * sizeof *log->segments);
    if (segments == NULL)
        return ERR_NOMEM;
    log->segments = segments;
    log->segment_cap = cap;
    return ERR_NONE;
}

void log_segments_push(struct log *log, struct log_segment *segment)
{
    ASSERT(log->segment_count < log->segment_cap);
    ASSERT(log->segment_count == 0 || log_active(log)->base < segment->base);
    log->segments[log->segment_count++] = segment;
}

void log_segments_insert(struct log *log, int32_t at, struct log_segment *segment)
{
    ASSERT(log->segment_count < log->segment_cap);
    memmove(&log->segments[at + 1], &log->segments[at],
            (size_t)(log->segment_count - at) * sizeof log->segments[0]);
    log->segments[at] = segment;
    log->segment_count++;
}

void log_segments_take_first(struct log *log)
{
    ASSERT(log->segment_count > 1);
    log->bytes -= log->segments[0]->size;
    log->segment_count--;
    memmove(&log->segments[0], &log->segments[1],
            (size_t)log->segment_count * sizeof log->segments[0]);
}

int32_t log_segment_index(const struct log *log, int64_t offset)
{
    int32_t low = 0;
    int32_t high = log->segment_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

void log_forget_places(struct log *log)
{
    log->places = ++log->set->places_last;
}

bool log_segment_over(const struct log_segment *segment, int64_t offset)
{
    const struct log *log = segment->log;
    return offset >= segment->next && !segment->retired && segment != log_active(log);
}

void log_segment_retire(struct log_segment *segment)
{
    struct log *log = segment->log;
    ASSERT(!segment->retired);
    SOMETIMES(log->set->trace, SEGMENT_DELETED_DURING_FETCH, segment->readers > segment->sealing);
    segment->retired = true;
    segment->readers++;
    log->retired_count++;
    log_segment_unread(segment);
}

void log_segment_unread(struct log_segment *segment)
{
    ASSERT(segment->readers > 0);
    if (--segment->readers > 0 || !segment->retired)
        return;
    segment->log->retired_count--;
    log_segment_free(segment);
}

/* ---- indexes of older segments, in memory while there is room ---- */

/* Nothing that is not in the files may be dropped. Where the log is cut, an index is made anew. */
static const struct state index_states[] = {
    [LOG_INDEX_ON_DISK] = {"on disk", TO(LOG_INDEX_MADE) | TO(LOG_INDEX_READ)},
    [LOG_INDEX_WRONG] = {"wrong", TO(LOG_INDEX_MADE)},
    [LOG_INDEX_MADE] = {"made", TO(LOG_INDEX_SAVED)},
    [LOG_INDEX_SAVED] = {"saved", TO(LOG_INDEX_ON_DISK) | TO(LOG_INDEX_MADE)},
    [LOG_INDEX_READ] = {"read", TO(LOG_INDEX_ON_DISK) | TO(LOG_INDEX_WRONG) | TO(LOG_INDEX_MADE)},
};

void log_index_move(struct log_segment *segment, enum log_index_state next)
{
    STATE_MOVE(index_states, &segment->index_state, next);
}

static void drop(struct log_segment *segment, enum log_index_state next)
{
    log_index_uncache(segment);
    format_index_free(&segment->index);
    log_index_move(segment, next);
}

void log_index_drop(struct log_segment *segment)
{
    drop(segment, LOG_INDEX_ON_DISK);
}

void log_index_distrust(struct log_segment *segment)
{
    drop(segment, LOG_INDEX_WRONG);
}

void log_index_uncache(struct log_segment *segment)
{
    if (!list_linked(&segment->cached))
        return;
    list_remove(&segment->cached);
    segment->log->set->index_bytes -= (int64_t)format_index_bytes(&segment->index);
}

/* The newest stays, however large it is. */
void log_index_cache(struct log_segment *segment)
{
    struct log_set *set = segment->log->set;
    ASSERT(log_index_known(segment));
    ASSERT(segment->index_state != LOG_INDEX_MADE);
    if (!list_linked(&segment->cached))
        set->index_bytes += (int64_t)format_index_bytes(&segment->index);
    list_remove(&segment->cached);
    list_push_front(&set->indexes, &segment->cached);
    while (set->index_bytes > set->limits.index_cache_bytes &&
           set->indexes.prev != &segment->cached)
        log_index_drop(CONTAINER_OF(set->indexes.prev, struct log_segment, cached));
}
