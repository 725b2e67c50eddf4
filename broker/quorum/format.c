/* format.c - what a new directory is given before its first life (kafka-storage format): what the
 * cluster begins with, and for kraft.version 1 who votes, as a snapshot of nothing at offset 0. */
#include "quorum/internal.h"

enum {
    FORMAT_STATE,
    FORMAT_ALONE,
    FORMAT_BOOTSTRAP,
    FORMAT_FOLDER,
    FORMAT_SYNC,
    FORMAT_VOTERS,
};

static struct quorum_format *format_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct quorum_format, steps);
}

/* ---- files ---- */

/* Puts what the batch holds behind the rest, and lets go of it. */
static enum err add_batch(struct quorum_format *f, struct metadata_batch *batch, enum err e)
{
    if (e == ERR_NONE)
        e = metadata_batch_finish(batch);
    for (int32_t i = 0; i < batch->write_count && e == ERR_NONE; i++) {
        const struct metadata_write *write = &batch->writes[i];
        text_add(&f->text, (const char *)write->buf->data, write->size);
        f->record_count += write->record_count;
    }
    metadata_batch_free(batch);
    return e == ERR_NONE && f->text.failed ? ERR_NOMEM : e;
}

static void begin_batch(struct quorum_format *f, struct metadata_batch *batch)
{
    metadata_batch_init(batch, f->mem, env_wall(f->env), f->record_count, 0);
}

static enum err add_header(struct quorum_format *f, const struct wire_voters_record *voters)
{
    struct wire_snapshot_header_record header = {.last_contained_log_timestamp =
                                                     voters == NULL ? 0 : env_wall(f->env)};
    struct wire_kraft_version_record version = {.kraft_version = QUORUM_KRAFT_VERSION};
    struct metadata_batch batch;
    begin_batch(f, &batch);
    enum err e = metadata_batch_add_control(&batch, WIRE_CONTROL_SNAPSHOT_HEADER,
                                            &wire_snapshot_header_record_message, &header);
    if (e == ERR_NONE && voters != NULL)
        e = metadata_batch_add_control(&batch, WIRE_CONTROL_KRAFT_VERSION,
                                       &wire_kraft_version_record_message, &version);
    if (e == ERR_NONE && voters != NULL)
        e = metadata_batch_add_control(&batch, WIRE_CONTROL_KRAFT_VOTERS,
                                       &wire_voters_record_message, voters);
    return add_batch(f, &batch, e);
}

static enum err add_metadata_version(struct quorum_format *f)
{
    struct wire_feature_level_record level = {.name = wire_text("metadata.version"),
                                              .feature_level = METADATA_VERSION};
    struct metadata_batch batch;
    begin_batch(f, &batch);
    enum err e = metadata_batch_add(&batch, &wire_feature_level_record_message, 0, &level);
    return add_batch(f, &batch, e);
}

static enum err add_footer(struct quorum_format *f)
{
    struct wire_snapshot_footer_record footer = {.version = 0};
    struct metadata_batch batch;
    begin_batch(f, &batch);
    enum err e = metadata_batch_add_control(&batch, WIRE_CONTROL_SNAPSHOT_FOOTER,
                                            &wire_snapshot_footer_record_message, &footer);
    return add_batch(f, &batch, e);
}

static void begin_file(struct quorum_format *f)
{
    text_free(&f->text);
    text_init(&f->text, f->mem);
    f->record_count = 0;
}

static void on_put(struct dir_op *op, enum err e)
{
    struct quorum_format *f = CONTAINER_OF(op, struct quorum_format, write.op);
    waiter_tell(f->waiter, e);
}

static enum steps_flow put_file(struct quorum_format *f)
{
    f->waiter = steps_waiter(&f->steps);
    f->write =
        (struct dir_file_write){.path = f->path, .bytes = bytes_of(f->text.data, f->text.size)};
    dir_file_put(f->dir, &f->write, on_put);
    return STEPS_WAIT;
}

/* ---- a node that was its own quorum ---- */

static enum steps_flow read_state(struct steps *steps)
{
    struct quorum_format *f = format_of(steps);
    char folder[ENV_PATH_MAX];
    if (!f->grows)
        return steps_go(steps, FORMAT_BOOTSTRAP);
    dir_path_join(folder, f->folder, METADATA_LOG_TOPIC, "-0");
    dir_path_join(f->path, folder, QUORUM_STATE_NAME, "");
    dir_get(f->dir, &f->get, f->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* Others may have voted in its log, and count on what the configuration says of voters. */
static enum steps_flow judge_state(struct steps *steps)
{
    struct quorum_format *f = format_of(steps);
    bool alone =
        f->get.found && quorum_state_is_alone(dir_got(&f->get), f->voters->voters[0].voter_id);
    dir_get_free(&f->get);
    if (alone)
        return STEPS_NEXT;
    errmsg_set(&f->op.msg, ERR_INVALID,
               "%s is of a quorum of several voters, which its configuration names "
               "(controller.quorum.voters): nothing was changed. Name a new directory",
               dir_path(f->dir));
    return steps_fail(steps, ERR_INVALID);
}

/* ---- the steps ---- */

/* First, for it says that the directory was formatted: what is cut short here votes for nobody, and
 * begins no cluster of its own. */
static enum steps_flow put_bootstrap(struct steps *steps)
{
    struct quorum_format *f = format_of(steps);
    begin_file(f);
    dir_path_join(f->path, f->folder, DIR_BOOTSTRAP_NAME, "");
    enum err e = add_header(f, NULL);
    if (e == ERR_NONE)
        e = add_metadata_version(f);
    if (e == ERR_NONE)
        e = add_footer(f);
    return e == ERR_NONE ? put_file(f) : steps_fail(steps, e);
}

static enum steps_flow make_folder(struct steps *steps)
{
    struct quorum_format *f = format_of(steps);
    char folder[ENV_PATH_MAX];
    dir_formatted(f->dir);
    if (f->voters == NULL)
        return steps_go(steps, STEPS_END);
    dir_path_join(folder, f->folder, METADATA_LOG_TOPIC, "-0");
    memcpy(f->folder, folder, sizeof folder);
    if (f->grows)
        return steps_go(steps, FORMAT_VOTERS);
    env_make_dir(steps->env, &steps->io, f->folder, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow sync_folder(struct steps *steps)
{
    struct quorum_format *f = format_of(steps);
    dir_sync_entries(f->dir, &f->sync, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow put_voters(struct steps *steps)
{
    struct quorum_format *f = format_of(steps);
    char name[FORMAT_NAME_MAX];
    begin_file(f);
    format_checkpoint_name(name, 0, 0);
    dir_path_join(f->path, f->folder, name, "");
    enum err e = add_header(f, f->voters);
    if (e == ERR_NONE)
        e = add_footer(f);
    return e == ERR_NONE ? put_file(f) : steps_fail(steps, e);
}

static const struct step format_steps[] = {
    [FORMAT_STATE] = {"read", read_state},
    [FORMAT_ALONE] = {"read", judge_state},
    [FORMAT_BOOTSTRAP] = {"write", put_bootstrap},
    [FORMAT_FOLDER] = {"make", make_folder},
    [FORMAT_SYNC] = {"sync", sync_folder},
    [FORMAT_VOTERS] = {"write", put_voters},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct quorum_format *f = format_of(steps);
    text_free(&f->text);
    if (e != ERR_NONE && f->op.msg.text[0] == 0)
        errmsg_set(&f->op.msg, e, "cannot %s %s: %s", steps_what(steps), f->path, err_text(e));
    f->op.done(&f->op, e);
}

void quorum_format(struct quorum_format *f, struct env *env, struct mem *mem, struct dir *dir,
                   const struct wire_voters_record *voters, quorum_done *done)
{
    *f = (struct quorum_format){.op.done = done,
                                .env = env,
                                .mem = mem,
                                .dir = dir,
                                .voters = voters,
                                .grows = !dir_is_new(dir)};
    text_init(&f->text, mem);
    ASSERT(strlen(dir_path(dir)) < sizeof f->folder);
    memcpy(f->folder, dir_path(dir), strlen(dir_path(dir)) + 1);
    steps_start(&f->steps, env, format_steps, ended);
}
