/* points.c - the three offset checkpoints of a directory: what is known of every partition, and
 * when it is written. None of them claims more than the members hold (S-1). */
#include "dir/internal.h"
#include <stdio.h>

#define WATERMARKS_NS 5000000000ll /* between two writes of the high watermarks */

static const char *const names[DIR_POINTS_COUNT] = {
    [DIR_POINTS_RECOVERY] = "recovery-point-offset-checkpoint",
    [DIR_POINTS_START] = "log-start-offset-checkpoint",
    [DIR_POINTS_WATERMARK] = "replication-offset-checkpoint",
};

const char *dir_points_name(enum dir_points_kind kind)
{
    return names[kind];
}

/* ---- what is known ---- */

struct key {
    struct bytes topic;
    int32_t partition;
};

static int compare_known(const void *key, const struct omap_node *node)
{
    const struct key *a = key;
    const struct dir_known *b = CONTAINER_OF(node, struct dir_known, node);
    size_t size = strlen(b->topic);
    int order = memcmp(a->topic.data, b->topic, MIN(a->topic.size, size));
    if (order == 0)
        order = (a->topic.size > size) - (a->topic.size < size);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static struct dir_known *get_known(struct dir *dir, struct key key)
{
    struct omap_node *node = omap_find(&dir->known, &key);
    if (node != NULL)
        return CONTAINER_OF(node, struct dir_known, node);
    struct dir_known *known = mem_zalloc(dir->mem, sizeof *known + key.topic.size + 1);
    if (known == NULL)
        return NULL;
    memcpy(known->topic, key.topic.data, key.topic.size);
    known->partition = key.partition;
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++)
        known->offsets[kind] = -1;
    bool added = omap_insert(&dir->known, &key, &known->node);
    ASSERT(added);
    return known;
}

struct dir_known *dir_known_get(struct dir *dir, const char *topic, int32_t partition)
{
    return get_known(dir, (struct key){.topic = bytes_text(topic), .partition = partition});
}

void dir_known_forget(struct dir *dir, struct dir_known *known)
{
    omap_remove(&dir->known, &known->node);
    mem_free(dir->mem, known);
}

void dir_known_free(struct dir *dir)
{
    struct omap_node *node;
    while ((node = omap_first(&dir->known)) != NULL)
        dir_known_forget(dir, CONTAINER_OF(node, struct dir_known, node));
}

enum err dir_points_take(struct dir *dir, enum dir_points_kind kind, struct bytes file,
                         struct errmsg *msg)
{
    struct format_points points;
    enum err e = format_points_parse(file, dir->mem, &points, msg);
    if (e != ERR_NONE)
        return e;
    for (int32_t i = 0; e == ERR_NONE && i < points.count; i++) {
        const struct format_point *row = &points.rows[i];
        struct dir_known *known =
            get_known(dir, (struct key){.topic = row->topic, .partition = row->partition});
        if (known == NULL)
            e = ERR_NOMEM;
        else
            known->offsets[kind] = row->offset;
    }
    mem_free(dir->mem, points.rows);
    return e;
}

/* ---- writing ---- */

static void on_checkpoint(struct env_timer *timer);

void dir_points_init(struct dir *dir)
{
    omap_init(&dir->known, compare_known);
    dir->checkpoint.fire = on_checkpoint;
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++) {
        struct dir_points_file *file = &dir->points[kind];
        file->dir = dir;
        list_init(&file->waits);
        list_init(&file->waits_next);
        snprintf(file->path, sizeof file->path, "%s/%s", dir->path, names[kind]);
    }
}

/* What members have reached by now. */
static void refresh(struct dir *dir, enum dir_points_kind kind)
{
    LIST_EACH (m, &dir->members, struct dir_member, link) {
        int64_t offset = m->calls->point(m, kind);
        if (offset >= 0)
            m->known->offsets[kind] = offset;
    }
}

static void print(struct dir_points_file *file, enum dir_points_kind kind)
{
    struct dir *dir = file->dir;
    int32_t count = 0;
    OMAP_EACH (node, &dir->known)
        count += CONTAINER_OF(node, struct dir_known, node)->offsets[kind] >= 0;
    text_init(&file->text, dir->mem);
    format_points_print_head(&file->text, count);
    OMAP_EACH (node, &dir->known) {
        const struct dir_known *known = CONTAINER_OF(node, struct dir_known, node);
        if (known->offsets[kind] >= 0)
            format_points_print_row(&file->text, known->topic, known->partition,
                                    known->offsets[kind]);
    }
}

static void tell_members(struct dir *dir, enum dir_points_kind kind)
{
    LIST_EACH (m, &dir->members, struct dir_member, link)
        m->calls->point_written(m, kind);
}

static void start_write(struct dir_points_file *file, enum dir_points_kind kind);

static void finish(struct dir_points_file *file, enum dir_points_kind kind, enum err e)
{
    struct dir *dir = file->dir;
    struct list told;
    dir_touch(dir);
    list_init(&told);
    list_splice_back(&told, &file->waits);
    list_splice_back(&file->waits, &file->waits_next);
    text_free(&file->text);
    file->busy = false;
    dir->points_own[kind] |= e == ERR_NONE;
    if (e == ERR_NONE)
        tell_members(dir, kind);
    waiters_tell(&told, e);
    if (file->again && !file->busy)
        start_write(file, kind);
    dir_idle(dir);
}

static void on_written(struct dir_op *op, enum err e)
{
    struct dir_file_write *write = CONTAINER_OF(op, struct dir_file_write, op);
    struct dir_points_file *file = CONTAINER_OF(write, struct dir_points_file, write);
    enum dir_points_kind kind = (enum dir_points_kind)(file - file->dir->points);
    file->crc_known = e == ERR_NONE;
    file->crc = crc32c(0, file->text.data, file->text.size);
    if (e == ERR_NOTFOUND)
        dir_missing(file->dir);
    /* A full disk: what the checkpoint would have said is said later. */
    if (e != ERR_NONE)
        dir_checkpoint_later(file->dir);
    finish(file, kind, e);
}

static void start_write(struct dir_points_file *file, enum dir_points_kind kind)
{
    file->busy = true;
    file->again = false;
    refresh(file->dir, kind);
    print(file, kind);
    enum err e = file->dir->status;
    if (e == ERR_NONE && file->text.failed)
        e = ERR_NOMEM;
    if (e != ERR_NONE) {
        again(&file->refusals, file->asked);
        file->refusing = true;
        finish(file, kind, e);
        file->refusing = false;
        return;
    }
    file->write = (struct dir_file_write){
        .path = file->path, .bytes = bytes_of(file->text.data, file->text.size), .checksum = true};
    dir_put(file->dir, &file->write, file->crc_known ? DIR_PUT_KNOWN : DIR_PUT_LOOK, file->crc,
            on_written);
}

void dir_points_write(struct dir *dir, enum dir_points_kind kind, struct waiter *waiter)
{
    struct dir_points_file *file = &dir->points[kind];
    dir_touch(dir);
    file->asked += !file->refusing;
    if (waiter != NULL)
        waiter_add(file->busy ? &file->waits_next : &file->waits, waiter);
    if (file->busy)
        file->again = true;
    else
        start_write(file, kind);
}

/* ---- when ---- */

static void write_checkpoint(struct dir *dir)
{
    dir->synced_bytes = 0;
    dir_points_write(dir, DIR_POINTS_RECOVERY, NULL);
    if (!dir->points_own[DIR_POINTS_START]) /* from then on a log that it does not name begins at 0
                                             */
        dir_points_write(dir, DIR_POINTS_START, NULL);
    int64_t now = env_now(dir->env);
    if (now - dir->watermarks_ns < WATERMARKS_NS)
        return;
    dir->watermarks_ns = now;
    dir_points_write(dir, DIR_POINTS_WATERMARK, NULL);
}

static void on_checkpoint(struct env_timer *timer)
{
    struct dir *dir = CONTAINER_OF(timer, struct dir, checkpoint);
    dir_touch(dir);
    if (dir->status != ERR_NONE || dir->closing)
        return;
    if (dir->synced_bytes > 0)
        write_checkpoint(dir);
}

void dir_checkpoint_later(struct dir *dir)
{
    if (dir->status != ERR_NONE || dir->closing)
        return;
    if (dir->synced_bytes >= dir->config.checkpoint_bytes && !dir->points[0].busy) {
        write_checkpoint(dir);
        return;
    }
    if (!env_armed(&dir->checkpoint))
        env_arm(dir->env, &dir->checkpoint,
                env_now(dir->env) + ENV_NS_OF_MS(dir->config.checkpoint_ms));
}

bool dir_points_wrong(const struct dir *dir, enum dir_points_kind kind)
{
    return dir->points_wrong[kind];
}

bool dir_points_own(const struct dir *dir, enum dir_points_kind kind)
{
    return dir->points_own[kind];
}
