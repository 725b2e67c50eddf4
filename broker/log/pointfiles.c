/* pointfiles.c - the three offset checkpoints of a directory: what is known of every partition, and
 * when it is written. None of them claims more than the logs hold (S-1). */
#include "log/internal.h"
#include <stdio.h>

#define WATERMARKS_NS 5000000000ll /* between two writes of the high watermarks */

static const char *const names[LOG_POINTS_COUNT] = {
    [LOG_POINTS_RECOVERY] = "recovery-point-offset-checkpoint",
    [LOG_POINTS_START] = "log-start-offset-checkpoint",
    [LOG_POINTS_WATERMARK] = "replication-offset-checkpoint",
};

const char *log_points_name(enum log_points_kind kind)
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
    const struct log_known *b = CONTAINER_OF(node, struct log_known, node);
    size_t size = strlen(b->topic);
    int order = memcmp(a->topic.data, b->topic, MIN(a->topic.size, size));
    if (order == 0)
        order = (a->topic.size > size) - (a->topic.size < size);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static struct log_known *get_known(struct log_dir *dir, struct key key)
{
    struct omap_node *node = omap_find(&dir->known, &key);
    if (node != NULL)
        return CONTAINER_OF(node, struct log_known, node);
    struct log_known *known = mem_zalloc(dir->mem, sizeof *known + key.topic.size + 1);
    if (known == NULL)
        return NULL;
    memcpy(known->topic, key.topic.data, key.topic.size);
    known->partition = key.partition;
    for (int kind = 0; kind < LOG_POINTS_COUNT; kind++)
        known->offsets[kind] = -1;
    bool added = omap_insert(&dir->known, &key, &known->node);
    ASSERT(added);
    return known;
}

struct log_known *log_known_get(struct log_dir *dir, const char *topic, int32_t partition)
{
    return get_known(dir, (struct key){.topic = bytes_text(topic), .partition = partition});
}

void log_known_forget(struct log_dir *dir, struct log_known *known)
{
    omap_remove(&dir->known, &known->node);
    mem_free(dir->mem, known);
}

void log_known_free(struct log_dir *dir)
{
    struct omap_node *node;
    while ((node = omap_first(&dir->known)) != NULL)
        log_known_forget(dir, CONTAINER_OF(node, struct log_known, node));
}

enum err log_points_take(struct log_dir *dir, enum log_points_kind kind, struct bytes file,
                         struct errmsg *msg)
{
    struct format_points points;
    enum err e = format_points_parse(file, dir->mem, &points, msg);
    if (e != ERR_NONE)
        return e;
    for (int32_t i = 0; e == ERR_NONE && i < points.count; i++) {
        const struct format_point *row = &points.rows[i];
        struct log_known *known =
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

void log_points_init(struct log_dir *dir)
{
    omap_init(&dir->known, compare_known);
    dir->checkpoint.fire = on_checkpoint;
    for (int kind = 0; kind < LOG_POINTS_COUNT; kind++) {
        struct log_points_file *file = &dir->points[kind];
        file->dir = dir;
        list_init(&file->waits);
        list_init(&file->waits_next);
        snprintf(file->path, sizeof file->path, "%s/%s", dir->path, names[kind]);
    }
}

/* What open logs have reached by now. */
static void refresh(struct log_dir *dir, enum log_points_kind kind)
{
    LIST_EACH (log, &dir->logs, struct log, link) {
        if (log->state == LOG_OPENING || log->known == NULL)
            continue;
        int64_t *offset = &log->known->offsets[kind];
        if (kind == LOG_POINTS_RECOVERY) {
            log->recovery_next = MAX(log->recovery_point, log->durable_end);
            *offset = log->recovery_next;
        } else if (kind == LOG_POINTS_START) {
            *offset = log->start_next;
        } else {
            *offset = log->high_watermark;
        }
    }
}

static void print(struct log_points_file *file, enum log_points_kind kind)
{
    struct log_dir *dir = file->dir;
    int32_t count = 0;
    OMAP_EACH (node, &dir->known)
        count += CONTAINER_OF(node, struct log_known, node)->offsets[kind] >= 0;
    text_init(&file->text, dir->mem);
    format_points_print_head(&file->text, count);
    OMAP_EACH (node, &dir->known) {
        const struct log_known *known = CONTAINER_OF(node, struct log_known, node);
        if (known->offsets[kind] >= 0)
            format_points_print_row(&file->text, known->topic, known->partition,
                                    known->offsets[kind]);
    }
}

static void note_recovery_points(struct log_dir *dir)
{
    LIST_EACH (log, &dir->logs, struct log, link)
        log->recovery_point = MAX(log->recovery_point, log->recovery_next);
}

static void start_write(struct log_points_file *file, enum log_points_kind kind);

static void finish(struct log_points_file *file, enum log_points_kind kind, enum err e)
{
    struct log_dir *dir = file->dir;
    struct list told;
    struct list *link;
    list_init(&told);
    list_splice_back(&told, &file->waits);
    list_splice_back(&file->waits, &file->waits_next);
    text_free(&file->text);
    file->busy = false;
    dir->points_own[kind] |= e == ERR_NONE;
    if (e == ERR_NONE && kind == LOG_POINTS_RECOVERY)
        note_recovery_points(dir);
    while ((link = list_pop_front(&told)) != NULL) {
        struct log_points_wait *wait = CONTAINER_OF(link, struct log_points_wait, link);
        wait->done(wait, e);
    }
    if (file->again && !file->busy)
        start_write(file, kind);
    log_dir_idle(dir);
}

static void on_written(struct log_op *op, enum err e)
{
    struct log_file_write *write = CONTAINER_OF(op, struct log_file_write, op);
    struct log_points_file *file = CONTAINER_OF(write, struct log_points_file, write);
    enum log_points_kind kind = (enum log_points_kind)(file - file->dir->points);
    file->crc_known = e == ERR_NONE;
    file->crc = crc32c(0, file->text.data, file->text.size);
    if (e == ERR_NOTFOUND)
        log_dir_missing(file->dir);
    /* A full disk: what the checkpoint would have said is said later. */
    if (e != ERR_NONE)
        log_checkpoint_later(file->dir);
    finish(file, kind, e);
}

static void start_write(struct log_points_file *file, enum log_points_kind kind)
{
    file->busy = true;
    file->again = false;
    refresh(file->dir, kind);
    print(file, kind);
    enum err e = file->dir->status;
    if (e == ERR_NONE && file->text.failed)
        e = ERR_NOMEM;
    if (e != ERR_NONE) {
        finish(file, kind, e);
        return;
    }
    file->write = (struct log_file_write){
        .path = file->path, .bytes = bytes_of(file->text.data, file->text.size), .checksum = true};
    log_put(file->dir, &file->write, file->crc_known ? LOG_PUT_KNOWN : LOG_PUT_LOOK, file->crc,
            on_written);
}

void log_points_write(struct log_dir *dir, enum log_points_kind kind, struct log_points_wait *wait)
{
    struct log_points_file *file = &dir->points[kind];
    if (wait != NULL) {
        list_init(&wait->link);
        list_push_back(file->busy ? &file->waits_next : &file->waits, &wait->link);
    }
    if (file->busy)
        file->again = true;
    else
        start_write(file, kind);
}

/* ---- when ---- */

static void write_checkpoint(struct log_dir *dir)
{
    dir->synced_bytes = 0;
    log_points_write(dir, LOG_POINTS_RECOVERY, NULL);
    if (!dir->points_own[LOG_POINTS_START]) /* from then on a log that it does not name begins at 0
                                             */
        log_points_write(dir, LOG_POINTS_START, NULL);
    int64_t now = env_now(dir->env);
    if (now - dir->watermarks_ns < WATERMARKS_NS)
        return;
    dir->watermarks_ns = now;
    log_points_write(dir, LOG_POINTS_WATERMARK, NULL);
}

static void on_checkpoint(struct env_timer *timer)
{
    struct log_dir *dir = CONTAINER_OF(timer, struct log_dir, checkpoint);
    if (dir->status != ERR_NONE || dir->closing)
        return;
    if (dir->synced_bytes > 0)
        write_checkpoint(dir);
}

void log_checkpoint_later(struct log_dir *dir)
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
