/* points.c - the three offset checkpoints of a directory: what is known of every partition, and
 * when it is written. None of them claims more than the members hold (S-1). */
#include "dir/internal.h"
#include <stdio.h>

#define WATERMARKS_NS 5000000000ll /* between two writes of the high watermarks */
#define POINTS_PER_STEP 1024       /* members asked, or rows printed, in one event */

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

static struct dir_known *known_at(struct omap_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct dir_known, node);
}

void dir_known_forget(struct dir *dir, struct dir_known *known)
{
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++) {
        if (dir->points[kind].known == known)
            dir->points[kind].known = known_at(omap_next(&known->node));
    }
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
static void on_turn(struct env_timer *timer);

void dir_points_init(struct dir *dir)
{
    omap_init(&dir->known, compare_known);
    dir->checkpoint.fire = on_checkpoint;
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++) {
        struct dir_points_file *file = &dir->points[kind];
        file->dir = dir;
        file->turn.fire = on_turn;
        list_init(&file->waits);
        list_init(&file->waits_next);
        snprintf(file->path, sizeof file->path, "%s/%s", dir->path, names[kind]);
    }
}

static enum dir_points_kind kind_of(const struct dir_points_file *file)
{
    return (enum dir_points_kind)(file - file->dir->points);
}

static struct dir_member *member_at(const struct dir *dir, struct list *link)
{
    return link == &dir->members ? NULL : CONTAINER_OF(link, struct dir_member, link);
}

/* What members have reached by now. */
static void ask_member(struct dir_points_file *file, enum dir_points_kind kind)
{
    struct dir_member *m = file->member;
    int64_t offset = m->calls->point(m, kind);
    if (offset >= 0)
        m->known->offsets[kind] = offset;
    file->member = member_at(file->dir, m->link.next);
}

static void print_row(struct dir_points_file *file, enum dir_points_kind kind)
{
    const struct dir_known *known = file->known;
    file->known = known_at(omap_next(&known->node));
    if (known->offsets[kind] < 0)
        return;
    format_points_print_row(&file->text, known->topic, known->partition, known->offsets[kind]);
    file->row_count++;
}

/* Some of it; true: there is more. Whoever joins meanwhile has nothing to be told yet, or is in the
 * next one; who has to be in one is told when one is written that began after he asked. */
static bool collect_some(struct dir_points_file *file, enum dir_points_kind kind)
{
    int32_t left = POINTS_PER_STEP;
    for (; file->member != NULL && left > 0; left--)
        ask_member(file, kind);
    if (file->member == NULL && !file->prints) {
        file->prints = true;
        file->known = known_at(omap_first(&file->dir->known));
    }
    for (; file->prints && file->known != NULL && left > 0; left--)
        print_row(file, kind);
    return !file->prints || file->known != NULL;
}

void dir_points_leave(struct dir *dir, const struct dir_member *m)
{
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++) {
        if (dir->points[kind].member == m)
            dir->points[kind].member = member_at(dir, m->link.next);
    }
}

/* The rows, behind their count. */
static void put_head(struct dir_points_file *file)
{
    struct text rows = file->text;
    text_init(&file->text, file->dir->mem);
    format_points_print_head(&file->text, file->row_count);
    text_add(&file->text, rows.data, rows.size);
    file->text.failed |= rows.failed;
    text_free(&rows);
}

/* Some of the members; true: there are more. */
static bool tell_some(struct dir_points_file *file, enum dir_points_kind kind)
{
    int32_t left = POINTS_PER_STEP;
    for (; file->member != NULL && left > 0; left--) {
        struct dir_member *m = file->member;
        file->member = member_at(file->dir, m->link.next);
        m->calls->point_written(m, kind);
    }
    return file->member != NULL;
}

static void start_write(struct dir_points_file *file, enum dir_points_kind kind);
static void go_on(struct dir_points_file *file, enum dir_points_kind kind);

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
    waiters_tell(&told, e);
    if (file->again && !file->busy)
        start_write(file, kind);
    dir_idle(dir);
}

static void on_written(struct dir_op *op, enum err e)
{
    struct dir_file_write *write = CONTAINER_OF(op, struct dir_file_write, op);
    struct dir_points_file *file = CONTAINER_OF(write, struct dir_points_file, write);
    enum dir_points_kind kind = kind_of(file);
    file->crc_known = e == ERR_NONE;
    file->crc = crc32c(0, file->text.data, file->text.size);
    if (e == ERR_NOTFOUND)
        dir_missing(file->dir);
    /* A full disk: what the checkpoint would have said is said later. */
    if (e != ERR_NONE) {
        dir_checkpoint_later(file->dir);
        finish(file, kind, e);
        return;
    }
    file->dir->points_own[kind] = true;
    file->tells = true;
    file->member = member_at(file->dir, file->dir->members.next);
    dir_work_begins(file->dir);
    go_on(file, kind);
}

static void write_collected(struct dir_points_file *file, enum dir_points_kind kind)
{
    put_head(file);
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

/* As much as one event may do of what it is at. */
static void go_on(struct dir_points_file *file, enum dir_points_kind kind)
{
    struct dir *dir = file->dir;
    bool more = file->tells ? tell_some(file, kind) : collect_some(file, kind);
    if (more) {
        env_arm(dir->env, &file->turn, env_now(dir->env));
        return;
    }
    if (file->tells)
        finish(file, kind, ERR_NONE);
    else
        write_collected(file, kind);
    dir_work_ends(dir);
}

static void on_turn(struct env_timer *timer)
{
    struct dir_points_file *file = CONTAINER_OF(timer, struct dir_points_file, turn);
    dir_touch(file->dir);
    go_on(file, kind_of(file));
}

static void start_write(struct dir_points_file *file, enum dir_points_kind kind)
{
    struct dir *dir = file->dir;
    file->busy = true;
    file->again = false;
    text_init(&file->text, dir->mem);
    file->row_count = 0;
    file->prints = file->tells = false;
    file->member = member_at(dir, dir->members.next);
    dir_work_begins(dir);
    go_on(file, kind);
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
