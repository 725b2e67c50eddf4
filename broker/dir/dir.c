/* dir.c - one log directory: its lock, its identity, what its last life left behind, and its end.
 * After a failed sync it is offline for good; nothing here ever turns that back. */
#include "dir/internal.h"
#include <stdio.h>

#define NAMES_SIZE_FIRST (64u << 10)
#define NAMES_SIZE_MAX (64u << 20)

struct opening {
    struct steps steps;
    struct dir *dir;
    struct dir_op *op;
    struct dir_get get, crc;
    struct waiter grounded;
    struct format_meta meta;
    bool identifies; /* meta.properties is being written, under temporary names */
    int kind;        /* of the checkpoint being read */
    enum err failed;
    char *names;
    uint64_t names_size, at, size;
    char path[ENV_PATH_MAX], crc_path[ENV_PATH_MAX];
};

/* ---- the object ---- */

static char *copy_text(struct mem *mem, const char *text)
{
    return text == NULL ? NULL : mem_text(mem, text, strlen(text));
}

enum err dir_new(struct dir **out, struct env *env, struct mem *mem, struct trace *trace,
                 const struct dir_config *config)
{
    ASSERT(strlen(config->path) + FORMAT_NAME_MAX * 2 < ENV_PATH_MAX + FORMAT_NAME_MAX);
    struct dir *dir = mem_zalloc(mem, sizeof *dir);
    if (dir == NULL)
        return ERR_NOMEM;
    *dir = (struct dir){.env = env,
                        .mem = mem,
                        .trace = trace,
                        .config = *config,
                        .clean_epoch = -1,
                        .kept_epoch = -1,
                        .epoch = -1};
    dir->path = copy_text(mem, config->path);
    dir->config.path = dir->path;
    dir->config.cluster_id = copy_text(mem, config->cluster_id);
    if (dir->path == NULL || (config->cluster_id != NULL && dir->config.cluster_id == NULL)) {
        mem_free(mem, (void *)(uintptr_t)dir->config.cluster_id);
        mem_free(mem, dir->path);
        mem_free(mem, dir);
        return ERR_NOMEM;
    }
    list_init(&dir->ground.waits);
    list_init(&dir->members);
    list_init(&dir->removals);
    list_init(&dir->folders);
    list_init(&dir->overwrites);
    list_init(&dir->entries_asked);
    list_init(&dir->entries_syncing);
    dir_path_join(dir->redo_path, config->path, FORMAT_REDO_NAME, "");
    dir_path_join(dir->kept_path, config->path, FORMAT_KEPT_NAME, "");
    dir_files_init(dir);
    dir_writers_init(dir);
    dir->went_offline = dir_writers_next;
    dir_commit_init(dir);
    dir_points_init(dir);
    *out = dir;
    return ERR_NONE;
}

void dir_free(struct dir *dir)
{
    struct mem *mem = dir->mem;
    ASSERT(dir->busy == 0);
    ASSERT(list_empty(&dir->members));
    env_disarm(dir->env, &dir->checkpoint);
    env_disarm(dir->env, &dir->flush);
    env_disarm(dir->env, &dir->writers_timer);
    env_disarm(dir->env, &dir->round_timer);
    dir_removals_stop(dir);
    dir_reserve_free(dir);
    for (int32_t i = 0; i < dir->entry_count; i++)
        mem_free(mem, (void *)(uintptr_t)dir->entries[i].topic);
    mem_free(mem, dir->entries);
    dir_known_free(dir);
    mem_free(mem, dir->shutdown);
    mem_free(mem, (void *)(uintptr_t)dir->config.cluster_id);
    mem_free(mem, dir->path);
    mem_free(mem, dir);
}

int dir_entries(const struct dir *dir, const struct dir_entry **out)
{
    *out = dir->entries;
    return dir->entry_count;
}

const char *dir_path(const struct dir *dir)
{
    return dir->path;
}

bool dir_is_new(const struct dir *dir)
{
    return dir->is_new;
}

void dir_formatted(struct dir *dir)
{
    dir->is_formatted = true;
}

bool dir_is_formatted(const struct dir *dir)
{
    return dir->is_formatted;
}

bool dir_closing(const struct dir *dir)
{
    return dir->closing;
}

struct env *dir_env(const struct dir *dir)
{
    return dir->env;
}

struct mem *dir_mem(const struct dir *dir)
{
    return dir->mem;
}

struct trace *dir_trace(const struct dir *dir)
{
    return dir->trace;
}

struct notes *dir_notes(const struct dir *dir)
{
    return dir->config.notes;
}

const char *dir_cluster_id(const struct dir *dir)
{
    return dir->cluster_id;
}

const uint8_t *dir_id(const struct dir *dir)
{
    return dir->directory_id.b;
}

int64_t dir_kept_epoch(const struct dir *dir)
{
    return dir->kept_epoch;
}

static void on_kept(struct dir_op *op, enum err e)
{
    struct dir_file_write *write = CONTAINER_OF(op, struct dir_file_write, op);
    struct dir *dir = CONTAINER_OF(write, struct dir, keep);
    struct dir_op *asked = dir->keeping;
    dir->keeping = NULL;
    if (e == ERR_NONE)
        dir->kept_epoch = dir->keeping_epoch;
    asked->msg = op->msg;
    asked->done(asked, e);
}

void dir_keep_epoch(struct dir *dir, int64_t broker_epoch, struct dir_op *op, dir_done *done)
{
    ASSERT(dir->keeping == NULL);
    *op = (struct dir_op){.done = done};
    dir->keeping = op;
    dir->keeping_epoch = broker_epoch;
    format_clean_print(broker_epoch, dir->kept_text);
    dir->keep =
        (struct dir_file_write){.path = dir->kept_path, .bytes = bytes_text(dir->kept_text)};
    dir_file_put(dir, &dir->keep, on_kept);
}

int64_t dir_clean_epoch(const struct dir *dir)
{
    return dir->clean_epoch;
}

void dir_set_epoch(struct dir *dir, int64_t broker_epoch)
{
    dir->epoch = broker_epoch;
}

bool dir_clean(const struct dir *dir)
{
    return dir->clean;
}

enum err dir_status(const struct dir *dir)
{
    return dir->status;
}

/* ---- members ---- */

void dir_member_init(struct dir_member *m, struct dir *dir, const struct dir_member_calls *calls,
                     const char *path)
{
    *m = (struct dir_member){.calls = calls, .dir = dir, .path = path};
    list_init(&m->link);
    list_init(&m->dirty);
    list_init(&m->entries);
}

void dir_member_join(struct dir_member *m)
{
    list_push_back(&m->dir->members, &m->link);
}

void dir_member_leave(struct dir_member *m)
{
    ASSERT(!m->in_round);
    dir_touch(m->dir);
    dir_points_leave(m->dir, m);
    list_remove(&m->link);
    list_remove(&m->dirty);
}

/* ---- opening ---- */

static struct opening *opening_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct opening, steps);
}

static const char *in_dir(struct opening *o, const char *name)
{
    snprintf(o->path, sizeof o->path, "%s/%s", o->dir->path, name);
    return o->path;
}

enum {
    OPEN_MAKE,
    OPEN_LOCK,
    OPEN_ROOM,
    OPEN_LIST,
    OPEN_TAKE_LIST,
    OPEN_REDO,
    OPEN_META,
    OPEN_META_CRC,
    OPEN_IDENTITY,
    OPEN_KEPT,
    OPEN_TAKE_KEPT,
    OPEN_MARKER,
    OPEN_UNMARK,
    OPEN_SYNC_MARK,
    OPEN_POINTS,
    OPEN_POINTS_CRC,
    OPEN_TAKE_POINTS,
    OPEN_NAME,
    OPEN_PARTITION,
};

static enum steps_flow open_make(struct steps *steps)
{
    env_make_dir(steps->env, &steps->io, opening_of(steps)->dir->path, steps_done);
    return STEPS_TRY;
}

static enum steps_flow open_lock(struct steps *steps)
{
    unsigned flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_LOCK;
    if (steps->err != ERR_NONE && steps->err != ERR_EXISTS)
        return STEPS_FAIL;
    env_open_file(steps->env, &steps->io, in_dir(opening_of(steps), ".lock"), flags, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow open_room(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    o->dir->lock = steps->n;
    dir_ground_begin(o->dir);
    dir_reserve_open(o->dir, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow open_list(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    o->names = mem_alloc(o->dir->mem, (size_t)o->names_size);
    if (o->names == NULL)
        return steps_fail(steps, ERR_NOMEM);
    env_list(steps->env, &steps->io, o->dir->path, o->names, o->names_size, steps_done);
    return STEPS_TRY;
}

/* Is there such a file? */
static bool listed(const struct opening *o, const char *name)
{
    for (uint64_t at = 0; at < o->size; at += strlen(o->names + at) + 1) {
        if (strcmp(o->names + at, name) == 0)
            return true;
    }
    return false;
}

static enum steps_flow open_take_list(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    o->size = steps->n;
    if (steps->err == ERR_RANGE && o->size <= NAMES_SIZE_MAX) {
        mem_free(o->dir->mem, o->names);
        o->names = NULL;
        o->names_size = o->size + NAMES_SIZE_FIRST; /* others may be made meanwhile */
        return steps_go(steps, OPEN_LIST);
    }
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    for (uint64_t at = 0; at < o->size; at += strlen(o->names + at) + 1)
        dir_reserve_listed(o->dir, o->names + at);
    o->dir->is_formatted = listed(o, DIR_BOOTSTRAP_NAME);
    return STEPS_NEXT;
}

/* Reads it if it is there. */
static enum steps_flow get(struct opening *o, const char *name)
{
    o->get = (struct dir_get){0};
    in_dir(o, name);
    if (!listed(o, name))
        return STEPS_NEXT;
    dir_get(o->dir, &o->get, o->path, steps_waiter(&o->steps));
    return STEPS_WAIT;
}

static enum steps_flow open_redo(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    if (!listed(o, FORMAT_REDO_NAME))
        return STEPS_NEXT;
    dir_redo(o->dir, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow open_meta(struct steps *steps)
{
    return get(opening_of(steps), DIR_META_NAME);
}

static enum steps_flow get_crc(struct opening *o)
{
    o->crc = (struct dir_get){0};
    snprintf(o->crc_path, sizeof o->crc_path, "%.*s.crc", (int)(sizeof o->crc_path - 5), o->path);
    if (!o->get.found || !listed(o, strrchr(o->crc_path, '/') + 1))
        return STEPS_NEXT;
    dir_get(o->dir, &o->crc, o->crc_path, steps_waiter(&o->steps));
    return STEPS_TRY;
}

static enum steps_flow open_meta_crc(struct steps *steps)
{
    return get_crc(opening_of(steps));
}

/* A file without a checksum is taken as it is: Kafka's tools write it so. Frees the checksum. */
static bool crc_wrong(struct opening *o)
{
    bool wrong = o->get.found && o->crc.found && o->steps.err == ERR_NONE &&
                 format_crc_check(dir_got(&o->crc), dir_got(&o->get)) != ERR_NONE;
    dir_get_free(&o->crc);
    return wrong;
}

static void random_id(struct dir *dir, const char *site, struct wire_uuid *id)
{
    uint64_t high = env_random(dir->env, site, 0);
    uint64_t low = env_random(dir->env, site, 1);
    put_u64(id->b, high);
    put_u64(id->b + 8, low);
    id->b[6] = (uint8_t)((id->b[6] & 0x0f) | 0x40); /* a random id: RFC 4122, version 4 */
    id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
    id->b[0] &= 0x7f; /* its text never begins with a dash, which tools take for an option */
}

static enum err check_meta(struct opening *o)
{
    struct dir *dir = o->dir;
    const char *cluster = dir->config.cluster_id;
    struct errmsg *msg = &o->op->msg;
    enum err e = format_meta_parse(dir_got(&o->get), &o->meta, msg);
    if (e != ERR_NONE)
        return errmsg_wrap(msg, e, "%s", o->path);
    if (o->meta.node_id != dir->config.node_id)
        return errmsg_set(msg, ERR_INVALID,
                          "%s belongs to node %d, and this is node %d: give the right node.id, or "
                          "another directory",
                          dir->path, o->meta.node_id, dir->config.node_id);
    if (cluster != NULL && strcmp(cluster, o->meta.cluster_id) != 0)
        return errmsg_set(msg, ERR_INVALID,
                          "%s belongs to cluster %s, and this broker to cluster %s: give another "
                          "directory",
                          dir->path, o->meta.cluster_id, cluster);
    return ERR_NONE;
}

static void make_meta(struct opening *o)
{
    struct dir *dir = o->dir;
    struct wire_uuid cluster;
    o->meta = (struct format_meta){.node_id = dir->config.node_id};
    if (dir->config.cluster_id != NULL) {
        snprintf(o->meta.cluster_id, sizeof o->meta.cluster_id, "%s", dir->config.cluster_id);
    } else {
        random_id(dir, "log/cluster_id", &cluster);
        wire_uuid_print(&cluster, o->meta.cluster_id);
    }
}

static enum steps_flow open_identity(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    struct dir *dir = o->dir;
    enum err e = ERR_NONE;
    if (crc_wrong(o))
        e = errmsg_set(&o->op->msg, ERR_CORRUPT,
                       "%s does not match its checksum: put back what it said, then remove %s",
                       o->path, o->crc_path);
    else if (o->get.found)
        e = check_meta(o);
    else if (dir->config.joins && dir->config.cluster_id == NULL)
        e = errmsg_set(&o->op->msg, ERR_INVALID,
                       "%s is new, and all voters of a quorum belong to one cluster: set "
                       "cluster.id, the same for each of them (22 characters; any UUID in base64); "
                       "without controller.quorum.voters each voter's directory is made by kiln "
                       "format",
                       dir->path);
    else
        make_meta(o);
    bool found = o->get.found;
    dir->is_new = !found;
    dir_get_free(&o->get);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    bool whole = o->meta.has_directory_id;
    if (!whole && dir->config.directory_id != NULL)
        memcpy(o->meta.directory_id.b, dir->config.directory_id, sizeof o->meta.directory_id.b);
    else if (!whole)
        random_id(dir, "log/directory_id", &o->meta.directory_id);
    snprintf(dir->cluster_id, sizeof dir->cluster_id, "%s", o->meta.cluster_id);
    dir->directory_id = o->meta.directory_id;
    if (whole)
        return STEPS_NEXT;
    o->identifies = true;
    e = dir_ground_identity(dir, &o->meta, !found);
    return steps_check(steps, e);
}

static enum steps_flow open_kept(struct steps *steps)
{
    return get(opening_of(steps), FORMAT_KEPT_NAME);
}

static enum steps_flow open_take_kept(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    if (o->get.found)
        o->dir->kept_epoch = format_clean_parse(dir_got(&o->get));
    dir_get_free(&o->get);
    return STEPS_NEXT;
}

static enum steps_flow open_marker(struct steps *steps)
{
    return get(opening_of(steps), ".kafka_cleanshutdown");
}

/* Before anything is written: a crash from here on must not look like a clean end (KAFKA-10471). */
static enum steps_flow open_unmark(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    o->dir->clean = o->get.found;
    if (o->get.found)
        o->dir->clean_epoch = format_clean_parse(dir_got(&o->get));
    dir_get_free(&o->get);
    if (!o->dir->clean)
        return steps_go(steps, OPEN_POINTS);
    env_unlink(steps->env, &steps->io, o->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow open_sync_mark(struct steps *steps)
{
    env_sync_dir(steps->env, &steps->io, opening_of(steps)->dir->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow open_points(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    return get(o, dir_points_name((enum dir_points_kind)o->kind));
}

static enum steps_flow open_points_crc(struct steps *steps)
{
    return get_crc(opening_of(steps));
}

/* What does not match is not believed: the members look for themselves instead. */
static enum steps_flow open_take_points(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    enum dir_points_kind kind = (enum dir_points_kind)o->kind;
    enum err e = ERR_NONE;
    bool wrong = crc_wrong(o);
    if (o->get.found && !wrong)
        e = dir_points_take(o->dir, kind, dir_got(&o->get), NULL);
    o->dir->points_wrong[kind] = wrong || e == ERR_CORRUPT;
    o->dir->points_own[kind] = o->get.found && o->crc.found && !o->dir->points_wrong[kind];
    dir_get_free(&o->get);
    if (e != ERR_NONE && e != ERR_CORRUPT)
        return steps_fail(steps, e);
    if (o->dir->points_wrong[kind])
        TRACE(o->dir->trace, LOG_REBUILT, .partition = 0, .what = DIR_REBUILT_POINTS, .base = kind);
    if (++o->kind < DIR_POINTS_COUNT)
        return steps_go(steps, OPEN_POINTS);
    return STEPS_NEXT;
}

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The partition has been made anew, and then nobody came to remove the file that asked for it. */
static bool consent_used(const struct opening *o, const char *name)
{
    char folder[FORMAT_NAME_MAX];
    if (!text_ends_with(name, DIR_CONSENT_SUFFIX))
        return false;
    snprintf(folder, sizeof folder, "/%.*s", (int)(strlen(name) - strlen(DIR_CONSENT_SUFFIX)),
             name);
    return listed(o, folder);
}

static enum steps_flow open_name(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    struct bytes topic;
    int32_t partition;
    if (o->at >= o->size)
        return steps_go(steps, STEPS_END);
    const char *name = o->names + o->at;
    o->at += strlen(name) + 1;
    steps_then(steps, STEPS_AGAIN);
    if (strlen(name) >= FORMAT_NAME_MAX)
        return STEPS_NEXT;
    if (name[0] != '/') {
        bool used = consent_used(o, name);
        /* With something before it: what is called just that is not kiln's. */
        bool old = text_ends_with(name + 1, ".tmp") &&
                   !(o->identifies && begins_with(name, DIR_META_NAME));
        if (!used && !old)
            return STEPS_NEXT;
        env_unlink(steps->env, &steps->io, in_dir(o, name), steps_done);
        return STEPS_TRY;
    }
    /* A partition that was being deleted, or made: neither was ever answered for. */
    if (text_ends_with(name, "-delete") || text_ends_with(name, "-future")) {
        dir_remove(o->dir, in_dir(o, name + 1));
        return STEPS_NEXT;
    }
    if (!format_dir_name_parse(name + 1, &topic, &partition))
        return STEPS_NEXT;
    snprintf(o->path, sizeof o->path, "%s%s/partition.metadata", o->dir->path, name);
    steps_then(steps, OPEN_PARTITION);
    dir_get(o->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_TRY; /* one that cannot be read is its own trouble, when it is opened */
}

static enum err add_entry(struct dir *dir, struct bytes topic, int32_t partition,
                          const struct wire_uuid *id)
{
    if (dir->entry_count == dir->entry_cap) {
        int32_t cap = dir->entry_cap == 0 ? 16 : dir->entry_cap * 2;
        void *entries = mem_realloc(dir->mem, dir->entries, (size_t)cap * sizeof *dir->entries);
        if (entries == NULL)
            return ERR_NOMEM;
        dir->entries = entries;
        dir->entry_cap = cap;
    }
    struct dir_entry *entry = &dir->entries[dir->entry_count];
    entry->topic = mem_text(dir->mem, (const char *)topic.data, topic.size);
    if (entry->topic == NULL)
        return ERR_NOMEM;
    entry->partition = partition;
    memcpy(entry->topic_id, id->b, sizeof id->b);
    dir->entry_count++;
    return ERR_NONE;
}

static enum steps_flow open_partition(struct steps *steps)
{
    struct opening *o = opening_of(steps);
    struct wire_uuid id;
    struct bytes topic;
    int32_t partition;
    enum err e = ERR_NONE;
    char *slash = strrchr(o->path, '/');
    *slash = 0;
    bool known = format_dir_name_parse(strrchr(o->path, '/') + 1, &topic, &partition);
    ASSERT(known);
    if (o->get.found && format_partition_metadata_parse(dir_got(&o->get), &id, NULL) == ERR_NONE)
        e = add_entry(o->dir, topic, partition, &id);
    dir_get_free(&o->get);
    steps_then(steps, OPEN_NAME);
    return steps_check(steps, e);
}

static const struct step open_steps[] = {
    [OPEN_MAKE] = {"make", open_make},
    [OPEN_LOCK] = {"lock", open_lock},
    [OPEN_ROOM] = {"look at", open_room},
    [OPEN_LIST] = {"list", open_list},
    [OPEN_TAKE_LIST] = {"list", open_take_list},
    [OPEN_REDO] = {"end a write that was cut short in", open_redo},
    [OPEN_META] = {"read", open_meta},
    [OPEN_META_CRC] = {"read", open_meta_crc},
    [OPEN_IDENTITY] = {"read the identity of", open_identity},
    [OPEN_KEPT] = {"read " FORMAT_KEPT_NAME " in", open_kept},
    [OPEN_TAKE_KEPT] = {"read " FORMAT_KEPT_NAME " in", open_take_kept},
    [OPEN_MARKER] = {"read the marker of a clean end in", open_marker},
    [OPEN_UNMARK] = {"read the marker of a clean end in", open_unmark},
    [OPEN_SYNC_MARK] = {"remove the marker of a clean end in", open_sync_mark},
    [OPEN_POINTS] = {"read", open_points},
    [OPEN_POINTS_CRC] = {"read", open_points_crc},
    [OPEN_TAKE_POINTS] = {"read the checkpoints of", open_take_points},
    [OPEN_NAME] = {"look through", open_name},
    [OPEN_PARTITION] = {"look through", open_partition},
    {NULL, NULL},
};

const char *dir_open_advice(enum err e)
{
    if (e == ERR_NOSPACE)
        return ": free some space";
    if (e == ERR_NOTFOUND)
        return ": there is a link that leads nowhere; put back what it names";
    if (e == ERR_NOTDIR)
        return ": take away what stands in its place, and put the directory back";
    if (e == ERR_NOTFILE)
        return ": take away what stands in its place, and put the file back";
    if (e == ERR_ACCESS)
        return ": let the broker's user read and write it";
    return dir_advice(e);
}

static void finish_open(struct opening *o, enum err e)
{
    struct dir *dir = o->dir;
    struct dir_op *op = o->op;
    dir_get_free(&o->get);
    mem_free(dir->mem, o->names);
    mem_free(dir->mem, o);
    dir->opened = e == ERR_NONE;
    dir_touch(dir);
    if (dir->opened)
        dir_reserve_later(dir);
    dir_work_ends(dir);
    op->done(op, e);
}

static void on_unlocked(struct env_op *io, enum err e, uint64_t n)
{
    struct opening *o = CONTAINER_OF(io, struct opening, steps.io);
    (void)e;
    (void)n;
    o->dir->lock = 0;
    finish_open(o, o->failed);
}

/* Nothing is under way any more. */
static void give_up(struct opening *o)
{
    if (o->dir->lock != 0)
        env_close_file(o->dir->env, &o->steps.io, o->dir->lock, on_unlocked);
    else
        finish_open(o, o->failed);
}

static void on_grounded(struct waiter *waiter, enum err e)
{
    (void)e;
    give_up(CONTAINER_OF(waiter, struct opening, grounded));
}

/* What the step that failed was at. */
static const char *at_path(const struct opening *o)
{
    switch (o->steps.at) {
    case OPEN_META:
    case OPEN_POINTS:
        return o->path;
    default:
        return o->dir->path;
    }
}

static void open_ended(struct steps *steps, enum err e)
{
    struct opening *o = opening_of(steps);
    struct dir *dir = o->dir;
    struct dir_op *op = o->op;
    if (e == ERR_NONE && dir->ground.err != ERR_NONE) {
        e = dir->ground.err;
        op->msg = dir->ground.msg;
    }
    if (e != ERR_NONE && op->msg.text[0] == 0)
        errmsg_set(&op->msg, e, "cannot %s %s: %s%s", steps_what(steps), at_path(o), err_text(e),
                   dir_advice(e));
    o->failed = e;
    o->grounded.done = on_grounded;
    if (e == ERR_NONE)
        finish_open(o, e);
    else
        dir_ground_wait(dir, &o->grounded);
}

void dir_open(struct dir *dir, struct dir_op *op, dir_done *done)
{
    ASSERT(!dir->opened);
    *op = (struct dir_op){.done = done};
    struct opening *o = mem_zalloc(dir->mem, sizeof *o);
    if (o == NULL || dir_shutdown_reserve(dir) != ERR_NONE) {
        mem_free(dir->mem, o);
        done(op, errmsg_set(&op->msg, ERR_NOMEM, "cannot open %s: out of memory", dir->path));
        return;
    }
    o->dir = dir;
    o->op = op;
    o->names_size = NAMES_SIZE_FIRST;
    dir_work_begins(dir);
    steps_start(&o->steps, dir->env, open_steps, open_ended);
}
