/* set.c - the logs of one directory: what they share. */
#include "log/internal.h"

enum err log_set_new(struct log_set **out, struct dir *dir, enum log_flush flush)
{
    struct log_set *set = mem_zalloc(dir_mem(dir), sizeof *set);
    if (set == NULL)
        return ERR_NOMEM;
    *set = (struct log_set){.dir = dir,
                            .env = dir_env(dir),
                            .mem = dir_mem(dir),
                            .trace = dir_trace(dir),
                            .flush = flush,
                            .producers.count_max = LOG_PRODUCERS_MAX,
                            .limits = {.piece_bytes = LOG_PIECE_BYTES,
                                       .piece_small = LOG_PIECE_SMALL,
                                       .recent_max = LOG_RECENT_MAX,
                                       .index_cache_bytes = LOG_INDEX_CACHE_BYTES,
                                       .snapshot_bytes = LOG_SNAPSHOT_BYTES,
                                       .prefix_bytes = LOG_PREFIX_BYTES}};
    list_init(&set->logs);
    list_init(&set->touched);
    list_init(&set->indexes);
    list_init(&set->openings_waiting);
    list_init(&set->turns_waiting);
    list_init(&set->epochs_waiting);
    *out = set;
    return ERR_NONE;
}

static int64_t least_of(int64_t usual, int64_t limit)
{
    return limit > 0 ? MIN(usual, limit) : usual;
}

void log_set_limit(struct log_set *set, const struct log_limits *limits)
{
    struct log_limits *l = &set->limits;
    ASSERT(list_empty(&set->logs));
    l->piece_bytes = (uint32_t)MAX(least_of(l->piece_bytes, limits->piece_bytes), LOG_PIECE_MIN);
    l->piece_small = MIN(l->piece_small, l->piece_bytes);
    l->recent_max = (int32_t)least_of(l->recent_max, limits->recent_max);
    l->index_cache_bytes = least_of(l->index_cache_bytes, limits->index_cache_bytes);
    l->snapshot_bytes = least_of(l->snapshot_bytes, limits->snapshot_bytes);
    l->prefix_bytes = least_of(l->prefix_bytes, limits->prefix_bytes);
}

void log_set_free(struct log_set *set)
{
    ASSERT(list_empty(&set->logs));
    ASSERT(list_empty(&set->turns_waiting));
    ASSERT(set->turn_count == 0);
    ASSERT(set->snapshot_bytes == 0);
    ASSERT(set->producers.count == 0);
    ASSERT(set->index_bytes == 0);
    mem_free(set->mem, set);
}

struct dir *log_set_dir(const struct log_set *set)
{
    return set->dir;
}

enum err log_set_status(const struct log_set *set, struct errmsg *msg)
{
    const struct errmsg *why;
    enum err e = dir_ground_state(set->dir, &why);
    if (e != ERR_NONE)
        *msg = *why;
    else if (dir_status(set->dir) != ERR_NONE)
        e = errmsg_set(msg, dir_status(set->dir), "%s is offline", dir_path(set->dir));
    return e;
}

/* ---- turns ---- */

static void give_turns(struct log_set *set)
{
    struct list *link;
    if (set->gives_turns)
        return; /* one that ended at once: whoever began it goes on */
    set->gives_turns = true;
    while (set->turn_count < LOG_TURNS_MAX &&
           (link = list_pop_front(&set->turns_waiting)) != NULL) {
        struct log_turn *turn = CONTAINER_OF(link, struct log_turn, link);
        set->turn_count++;
        turn->begin(turn);
    }
    set->gives_turns = false;
}

void log_turn_take(struct log_set *set, struct log_turn *turn, void (*begin)(struct log_turn *turn))
{
    turn->begin = begin;
    list_init(&turn->link);
    list_push_back(&set->turns_waiting, &turn->link);
    give_turns(set);
}

void log_turn_end(struct log_set *set)
{
    ASSERT(set->turn_count > 0);
    set->turn_count--;
    give_turns(set);
}
