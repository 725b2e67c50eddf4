/* install.c - a snapshot that is fetched (K-15): its pieces go into a file under another name, and
 * it gets its own, durably, when all of it has been read and understood. Only then is the log put
 * away in its favour. A crash before that leaves the log as it was, one after it is brought to an
 * end when the next life begins (join.c). */
#include "quorum/internal.h"

#define ARENA_BYTES (16u << 20)

static struct install *install_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct install, steps);
}

static enum steps_flow open_part(struct steps *steps)
{
    struct install *install = install_of(steps);
    unsigned flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    if (install->position == 0)
        flags |= ENV_OPEN_TRUNCATE;
    env_open_file(steps->env, &steps->io, install->part_path, flags, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow write_piece(struct steps *steps)
{
    struct install *install = install_of(steps);
    install->file = steps->n;
    install->part = (struct env_part){.data = install->piece.data, .size = install->piece.size};
    env_write(steps->env, &steps->io, install->file, (uint64_t)install->position, &install->part, 1,
              steps_done);
    return STEPS_TRY;
}

static enum steps_flow sync_whole(struct steps *steps)
{
    struct install *install = install_of(steps);
    install->failed = steps->err;
    steps->err = ERR_NONE;
    if (install->failed != ERR_NONE || !install->last)
        return STEPS_NEXT;
    env_sync(steps->env, &steps->io, install->file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow close_part(struct steps *steps)
{
    struct install *install = install_of(steps);
    if (install->failed == ERR_NONE && steps->err != ERR_NONE) { /* the sync's */
        install->failed = steps->err;
        if (steps->err != ERR_NOSPACE)
            dir_sync_failed(install->q->dir, steps->err);
    }
    env_close_file(steps->env, &steps->io, install->file, steps_done);
    return STEPS_TRY;
}

static void on_loaded(struct waiter *waiter, enum err e)
{
    struct install *install = CONTAINER_OF(waiter, struct install, loaded);
    waiter_tell(install->waiter, e);
}

/* Nothing is given up for one that cannot be read. */
static enum steps_flow read_whole(struct steps *steps)
{
    struct install *install = install_of(steps);
    struct snapshot_id id = {.offset = install->id.offset, .epoch = install->id.epoch};
    if (install->failed != ERR_NONE)
        return steps_fail(steps, install->failed);
    if (!install->last)
        return steps_go(steps, STEPS_END);
    arena_init(&install->arena, install->q->mem, ARENA_BYTES);
    quorum_electors_free(install->q, install->load.electors);
    install->load =
        (struct load){.q = install->q, .edit = &install->edit, .arena = &install->arena};
    install->loaded.done = on_loaded;
    install->waiter = steps_waiter(steps);
    quorum_load_file(&install->load, id, install->part_path, &install->loaded);
    return STEPS_WAIT;
}

static enum steps_flow name_it(struct steps *steps)
{
    struct install *install = install_of(steps);
    env_rename(steps->env, &steps->io, install->part_path, install->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow sync_name(struct steps *steps)
{
    struct install *install = install_of(steps);
    dir_sync_folder(install->q->dir, &install->sync, install->folder, steps_waiter(steps));
    return STEPS_WAIT;
}

static const struct step install_steps[] = {
    {"create", open_part},
    {"write", write_piece},
    {"sync", sync_whole},
    {"close", close_part},
    {"read", read_whole},
    {"rename", name_it},
    {"sync the folder of", sync_name},
    {NULL, NULL},
};

static void install_ended(struct steps *steps, enum err e)
{
    struct install *install = install_of(steps);
    struct quorum *q = install->q;
    install->busy = false;
    install->stored = true;
    install->stored_position = e == ERR_NONE ? install->position + install->piece.size : -1;
    buf_release(install->piece.buf);
    install->piece = (struct slice){0};
    if (install->last && e == ERR_NONE)
        install->image = metadata_edit_finish(&install->edit);
    else
        metadata_edit_abandon(&install->edit);
    arena_free(&install->arena);
    dir_work_ends(q->dir);
    quorum_member_go_on(q);
}

static void set_paths(struct quorum *q)
{
    struct install *install = &q->member->install;
    char name[FORMAT_NAME_MAX];
    format_checkpoint_name(name, install->id.offset, install->id.epoch);
    dir_path_join(install->folder, q->settings.dir, METADATA_LOG_TOPIC, "-0");
    dir_path_join(install->path, install->folder, name, "");
    dir_path_join(install->part_path, install->folder, name, QUORUM_PART_SUFFIX);
}

void quorum_install_store(struct quorum *q, const struct raft_response *response,
                          struct slice piece)
{
    struct install *install = &q->member->install;
    if (install->busy || install->stored || install->installed || q->closing) {
        install->refused = response->number;
        return;
    }
    metadata_image_release(install->image); /* of one that raft did not want any more */
    install->image = NULL;
    install->busy = true;
    install->number = response->number;
    install->id = response->snapshot;
    install->position = response->position;
    install->piece = piece;
    install->last = response->position + (int64_t)piece.size == response->size;
    install->failed = ERR_NONE;
    install->edit = (struct metadata_edit){0};
    install->arena = (struct arena){0};
    if (piece.buf != NULL)
        buf_retain(piece.buf);
    set_paths(q);
    dir_work_begins(q->dir);
    steps_start(&install->steps, q->env, install_steps, install_ended);
}

void quorum_install_log_done(struct quorum *q)
{
    struct install *install = &q->member->install;
    ASSERT(install->image != NULL);
    ASSERT(install->id.offset == log_start(q->log));
    install->installed = true;
    if (q->snapshot_count == SNAPSHOTS_SEEN_MAX) {
        q->snapshot_count--;
        memmove(q->snapshots, q->snapshots + 1, (size_t)q->snapshot_count * sizeof q->snapshots[0]);
    }
    q->snapshots[q->snapshot_count++] =
        (struct snapshot_id){.offset = install->id.offset, .epoch = install->id.epoch};
    q->unsnapped_bytes = 0;
}

void quorum_keep_state(struct quorum *q, struct metadata_image **image,
                       const struct metadata_image *state)
{
    struct metadata_edit edit;
    if (metadata_edit_begin(&edit, q->mem, state) != ERR_NONE)
        return;
    edit.image->offset = (*image)->offset;
    edit.image->epoch = (*image)->epoch;
    metadata_image_release(*image);
    *image = metadata_edit_finish(&edit);
}

void quorum_install_publish(struct quorum *q)
{
    struct install *install = &q->member->install;
    struct metadata_image *image = install->image;
    ASSERT(install->installed);
    ASSERT(image->offset < raft_high_watermark(q->raft));
    install->installed = false;
    install->image = NULL;
    if (KNOWN_BUG(quorum_snapshot_not_applied))
        quorum_keep_state(q, &image, q->committed);
    metadata_image_release(q->tail);
    q->tail = image;
    metadata_image_retain(image);
    quorum_change_current(q, image, install->id.offset);
}
