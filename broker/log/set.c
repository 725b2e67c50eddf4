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
                            .flush = flush};
    list_init(&set->logs);
    list_init(&set->touched);
    list_init(&set->indexes);
    list_init(&set->openings_waiting);
    list_init(&set->reads_waiting);
    *out = set;
    return ERR_NONE;
}

void log_set_free(struct log_set *set)
{
    ASSERT(list_empty(&set->logs));
    ASSERT(list_empty(&set->reads_waiting));
    ASSERT(set->read_count == 0);
    ASSERT(set->snapshot_bytes == 0);
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
