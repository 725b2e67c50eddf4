/* load.c - the newest snapshot that is whole, when a life begins. One that is broken is passed over
 * as long as an older one and the log behind it are there: a log that begins later than 0 has a
 * snapshot (KIP-630), or its beginning is lost. */
#include "quorum/internal.h"

#define NAMES_SIZE_FIRST (16u << 10)
#define NAMES_SIZE_MAX (64u << 20)
#define BYTES_PER_STEP (1 << 20) /* and more only for a larger batch */

enum { LOAD_LIST, LOAD_NAMES, LOAD_PARTS, LOAD_READ, LOAD_LOOK, LOAD_APPLY };

static struct load *load_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct load, steps);
}

static void set_folder(const struct load *load, char folder[ENV_PATH_MAX])
{
    dir_path_join(folder, load->q->settings.dir, METADATA_LOG_TOPIC, "-0");
}

/* ---- which there are ---- */

static enum steps_flow list_names(struct steps *steps)
{
    struct load *load = load_of(steps);
    mem_free(load->q->mem, load->names);
    load->names = mem_alloc(load->q->mem, (size_t)load->names_size);
    if (load->names == NULL)
        return steps_fail(steps, ERR_NOMEM);
    set_folder(load, load->path);
    env_list(steps->env, &steps->io, load->path, load->names, load->names_size, steps_done);
    return STEPS_TRY;
}

/* In the order of their offsets; beyond the limit the oldest goes. */
static void add_found(struct load *load, struct snapshot_id id)
{
    int32_t at = load->found_count;
    if (at == SNAPSHOTS_SEEN_MAX) {
        if (load->found[0].offset > id.offset)
            return;
        memmove(load->found, load->found + 1, (size_t)(at - 1) * sizeof id);
        at--;
    } else {
        load->found_count++;
    }
    for (; at > 0 && load->found[at - 1].offset > id.offset; at--)
        load->found[at] = load->found[at - 1];
    load->found[at] = id;
}

static enum steps_flow take_names(struct steps *steps)
{
    struct load *load = load_of(steps);
    struct snapshot_id id;
    uint64_t size = steps->n;
    if (steps->err == ERR_RANGE && size <= NAMES_SIZE_MAX) {
        load->names_size = size + NAMES_SIZE_FIRST;
        return steps_go(steps, LOAD_LIST);
    }
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    load->names_used = size;
    for (uint64_t at = 0; at < size; at += strlen(load->names + at) + 1) {
        if (format_checkpoint_parse(load->names + at, &id.offset, &id.epoch))
            add_found(load, id);
    }
    load->tried = load->found_count;
    return STEPS_NEXT;
}

/* What was being fetched when a life ended is fetched anew. */
static enum steps_flow remove_parts(struct steps *steps)
{
    struct load *load = load_of(steps);
    char folder[ENV_PATH_MAX];
    steps->err = ERR_NONE; /* what cannot be removed is in nobody's way */
    while (load->q->member != NULL && load->clean_at < load->names_used) {
        const char *name = load->names + load->clean_at;
        load->clean_at += strlen(name) + 1;
        if (!text_ends_with(name, QUORUM_PART_SUFFIX))
            continue;
        set_folder(load, folder);
        dir_path_join(load->path, folder, name, "");
        env_unlink(steps->env, &steps->io, load->path, steps_done);
        steps_then(steps, STEPS_AGAIN);
        return STEPS_TRY;
    }
    return STEPS_NEXT;
}

/* ---- one of them, the newest first ---- */

static enum steps_flow read_next(struct steps *steps)
{
    struct load *load = load_of(steps);
    char folder[ENV_PATH_MAX];
    dir_get_free(&load->get);
    if (load->tried == 0)
        return steps_go(steps, STEPS_END);
    load->id = load->found[--load->tried];
    format_checkpoint_name(load->name, load->id.offset, load->id.epoch);
    set_folder(load, folder);
    dir_path_join(load->path, folder, load->name, "");
    dir_get(load->q->dir, &load->get, load->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow read_file(struct steps *steps)
{
    struct load *load = load_of(steps);
    dir_get(load->q->dir, &load->get, load->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* Another edit, of nothing. */
static enum err begin_edit(struct load *load)
{
    struct quorum *q = load->q;
    metadata_edit_abandon(load->edit);
    quorum_electors_free(q, load->electors);
    load->electors = NULL;
    load->at = 0;
    load->next_offset = 0;
    load->footed = false;
    return metadata_edit_begin(load->edit, q->mem, NULL);
}

static enum err is_broken(struct load *load, const char *why)
{
    return errmsg_set(&load->msg, ERR_CORRUPT, "%s: %s", load->path, why);
}

/* What is behind the end of the log has lost the log, and is not believed, unless it was fetched;
 * what ends before its start has no log that follows on it. */
static enum steps_flow look_at_it(struct steps *steps)
{
    struct load *load = load_of(steps);
    const struct log *log = load->q->log;
    enum err e = begin_edit(load);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    bool behind = load->id.offset > log_end(log) && load->q->member == NULL;
    if (!load->alone && (behind || load->id.offset < log_start(log))) {
        is_broken(load, "the metadata log does not follow on it");
        return steps_go(steps, LOAD_READ);
    }
    return STEPS_NEXT;
}

static enum err check_control(struct load *load, const struct wire_batch *head, struct bytes in)
{
    struct wire_records it;
    struct wire_record record;
    int16_t type;
    enum err e = wire_records_begin(&it, head, in, &load->msg);
    while (e == ERR_NONE && it.left > 0) {
        e = wire_records_next(&it, &record, &load->msg);
        if (e == ERR_NONE)
            e = wire_control_type(record.key, &type, &load->msg);
        if (e == ERR_NONE && record.offset == 0 && type != WIRE_CONTROL_SNAPSHOT_HEADER)
            e = is_broken(load, "it does not begin with a header");
        if (e == ERR_NONE)
            load->footed = type == WIRE_CONTROL_SNAPSHOT_FOOTER;
    }
    return e;
}

/* They count from its last record on. */
static enum err take_electors(struct load *load, const struct wire_batch *head, struct bytes in)
{
    struct electors *electors;
    enum err e =
        quorum_electors_read(load->q, head, in, load->id.offset - 1, &electors, &load->msg);
    if (e != ERR_NONE || electors == NULL)
        return e;
    quorum_electors_free(load->q, load->electors);
    load->electors = electors;
    return ERR_NONE;
}

static enum err apply_batch(struct load *load, const struct wire_batch *head, struct bytes in)
{
    bool is_control = (head->attributes & WIRE_BATCH_CONTROL) != 0;
    if (load->footed)
        return is_broken(load, "something stands behind its footer");
    if (load->at == 0 && !is_control)
        return is_broken(load, "it does not begin with a header");
    if (head->base_offset < load->next_offset)
        return is_broken(load, "its offsets do not ascend");
    load->next_offset = wire_batch_last_offset(head) + 1;
    enum err e = wire_batch_verify(head, in.data, &load->msg);
    if (e == ERR_NONE && is_control)
        e = check_control(load, head, in);
    if (e == ERR_NONE && load->q->settings.dynamic)
        e = take_electors(load, head, in);
    if (e == ERR_NONE)
        e = metadata_batch_replay(load->edit, head, in, load->arena, &load->msg);
    return e;
}

static enum err apply_some(struct load *load)
{
    struct bytes in = dir_got(&load->get);
    uint64_t until = load->at + BYTES_PER_STEP;
    struct wire_batch head;
    while (load->at < in.size && load->at < until) {
        if (wire_batch_at(in, (size_t)load->at, &head, &load->msg) != WIRE_AT_BATCH)
            return is_broken(load, "it is cut off");
        enum err e = apply_batch(load, &head, bytes_of(in.data + load->at, (size_t)head.size));
        if (e != ERR_NONE)
            return e;
        load->at += (uint64_t)head.size;
    }
    return load->at == in.size && !load->footed ? is_broken(load, "it has no footer") : ERR_NONE;
}

static void on_yield(struct env_timer *timer)
{
    struct load *load = CONTAINER_OF(timer, struct load, yield);
    waiter_tell(load->waiter, ERR_NONE);
}

static void take_place(struct load *load)
{
    struct metadata_image *image = load->edit->image;
    image->offset = load->id.offset - 1;
    image->epoch = load->id.epoch;
    load->loaded = true;
}

static enum steps_flow apply_it(struct steps *steps)
{
    struct load *load = load_of(steps);
    struct env *env = load->q->env;
    enum err e = apply_some(load);
    if (e == ERR_CORRUPT && !load->alone)
        return steps_go(steps, LOAD_READ);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    if (load->at == load->get.size) {
        take_place(load);
        return STEPS_NEXT;
    }
    load->waiter = steps_waiter(steps);
    load->yield.fire = on_yield;
    env_arm(env, &load->yield, env_now(env));
    steps_then(steps, STEPS_AGAIN);
    return STEPS_WAIT;
}

static const struct step load_steps[] = {
    [LOAD_LIST] = {"list", list_names},
    [LOAD_NAMES] = {"list", take_names},
    [LOAD_PARTS] = {"remove", remove_parts},
    [LOAD_READ] = {"read", read_next},
    [LOAD_LOOK] = {"look at", look_at_it},
    [LOAD_APPLY] = {"replay", apply_it},
    {NULL, NULL},
};

/* Snapshots behind the one that was loaded are broken, and none of this log. */
static void keep_found(struct load *load)
{
    struct quorum *q = load->q;
    int32_t count = load->loaded ? load->tried + 1 : 0;
    int32_t from = MAX(count - QUORUM_SNAPSHOTS_KEPT, 0);
    q->snapshot_count = count - from;
    memcpy(q->snapshots, load->found + from, (size_t)q->snapshot_count * sizeof q->snapshots[0]);
}

static void ended(struct steps *steps, enum err e)
{
    struct load *load = load_of(steps);
    struct quorum *q = load->q;
    mem_free(q->mem, load->names);
    load->names = NULL;
    dir_get_free(&load->get);
    if (e == ERR_NONE)
        keep_found(load);
    if (e == ERR_NONE && !load->loaded) {
        e = begin_edit(load);
        if (e == ERR_NONE && log_start(q->log) > 0)
            e = errmsg_wrap(&load->msg, ERR_CORRUPT,
                            "the metadata log begins at offset %lld, and no snapshot of what was "
                            "before is whole; put one back from a copy",
                            (long long)log_start(q->log));
    } else if (e != ERR_NONE && load->msg.text[0] == 0) {
        errmsg_set(&load->msg, e, "cannot %s %s: %s", steps_what(steps), load->path, err_text(e));
    }
    waiter_tell(load->done, e);
}

/* ---- one that is no part of this log yet ---- */

static const struct step file_steps[] = {
    {"read", read_file}, {"look at", look_at_it}, {"apply", apply_it}, {NULL, NULL}};

static void file_ended(struct steps *steps, enum err e)
{
    struct load *load = load_of(steps);
    dir_get_free(&load->get);
    waiter_tell(load->done, e);
}

void quorum_load_file(struct load *load, struct snapshot_id id, const char *path,
                      struct waiter *done)
{
    load->done = done;
    load->alone = true;
    load->id = id;
    ASSERT(strlen(path) < sizeof load->path);
    memcpy(load->path, path, strlen(path) + 1);
    load->get = (struct dir_get){.dir = load->q->dir};
    steps_start(&load->steps, load->q->env, file_steps, file_ended);
}

void quorum_load(struct load *load, struct waiter *done)
{
    load->done = done;
    load->names_size = NAMES_SIZE_FIRST;
    load->get = (struct dir_get){.dir = load->q->dir};
    steps_start(&load->steps, load->q->env, load_steps, ended);
}
