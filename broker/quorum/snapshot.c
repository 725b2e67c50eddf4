/* snapshot.c - writes what is committed as a snapshot of the log (KIP-630), so that the log below
 * it may go. It holds what readers see, never anything of an open transaction; it appears whole or
 * not at all, and no handler does more of it than a named amount. */
#include "quorum/internal.h"

static struct snapshot *snapshot_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct snapshot, steps);
}

static struct quorum *quorum_of(struct snapshot *s)
{
    return CONTAINER_OF(s, struct quorum, snapshot);
}

bool quorum_snapshot_busy(const struct quorum *q)
{
    return q->snapshot.image != NULL;
}

int64_t quorum_snapshot_offset(const struct quorum *q)
{
    return q->snapshot_count == 0 ? 0 : q->snapshots[q->snapshot_count - 1].offset;
}

static void init_batch(struct snapshot *s, struct metadata_batch *batch)
{
    struct quorum *q = quorum_of(s);
    metadata_batch_init(batch, q->mem, env_wall(q->env), s->record_count, s->image->epoch);
}

/* Puts what the batch holds behind the rest, and lets go of it. */
static enum err add_batch(struct snapshot *s, struct metadata_batch *batch, enum err e)
{
    if (e == ERR_NONE)
        e = metadata_batch_finish(batch);
    for (int32_t i = 0; i < batch->write_count && e == ERR_NONE; i++) {
        const struct metadata_write *write = &batch->writes[i];
        text_add(&s->text, (const char *)write->buf->data, write->size);
        s->record_count += write->record_count;
    }
    metadata_batch_free(batch);
    return e == ERR_NONE && s->text.failed ? ERR_NOMEM : e;
}

static enum err add_records(struct snapshot *s, struct metadata_batch *batch, enum err e)
{
    if (e == ERR_NONE)
        e = metadata_batch_finish(batch);
    if (e == ERR_NONE)
        s->digest = metadata_batch_digest(s->digest, batch);
    return add_batch(s, batch, e);
}

/* ---- the steps ---- */

static enum steps_flow write_header(struct steps *steps)
{
    struct snapshot *s = snapshot_of(steps);
    struct wire_snapshot_header_record record = {.last_contained_log_timestamp =
                                                     s->image->timestamp_ms};
    struct metadata_batch batch;
    s->digest = 0;
    init_batch(s, &batch);
    enum err e = metadata_batch_add_control(&batch, WIRE_CONTROL_SNAPSHOT_HEADER,
                                            &wire_snapshot_header_record_message, &record);
    if (e == ERR_NONE && !KNOWN_BUG(quorum_snapshot_without_voters))
        e = quorum_electors_put(quorum_electors_at(quorum_of(s), s->image->offset + 1), &batch);
    return steps_check(steps, add_batch(s, &batch, e));
}

static void on_yield(struct env_timer *timer)
{
    struct snapshot *s = CONTAINER_OF(timer, struct snapshot, yield);
    waiter_tell(s->waiter, ERR_NONE);
}

static enum steps_flow write_records(struct steps *steps)
{
    struct snapshot *s = snapshot_of(steps);
    struct quorum *q = quorum_of(s);
    struct metadata_batch batch;
    bool more = false;
    if (q->resting || q->closing)
        return steps_fail(steps, ERR_CANCELLED);
    init_batch(s, &batch);
    enum err e = metadata_dump_next(&s->dump, &batch, METADATA_DUMP_STEP, &s->arena, &more);
    e = add_records(s, &batch, e);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    if (!more)
        return STEPS_NEXT;
    s->waiter = steps_waiter(steps);
    s->yield.fire = on_yield;
    env_arm(q->env, &s->yield, env_now(q->env));
    steps_then(steps, STEPS_AGAIN);
    return STEPS_WAIT;
}

static enum steps_flow write_footer(struct steps *steps)
{
    struct snapshot *s = snapshot_of(steps);
    struct wire_snapshot_footer_record record = {.version = 0};
    struct metadata_batch batch;
    init_batch(s, &batch);
    enum err e = metadata_batch_add_control(&batch, WIRE_CONTROL_SNAPSHOT_FOOTER,
                                            &wire_snapshot_footer_record_message, &record);
    return steps_check(steps, add_batch(s, &batch, e));
}

static void on_put(struct dir_op *op, enum err e)
{
    struct snapshot *s = CONTAINER_OF(op, struct snapshot, write.op);
    waiter_tell(s->waiter, e);
}

static void set_path(struct snapshot *s, const struct snapshot_id *id)
{
    char folder[ENV_PATH_MAX];
    format_checkpoint_name(s->name, id->offset, id->epoch);
    dir_path_join(folder, quorum_of(s)->settings.dir, METADATA_LOG_TOPIC, "-0");
    dir_path_join(s->path, folder, s->name, "");
}

static struct snapshot_id id_of(const struct snapshot *s)
{
    return (struct snapshot_id){.offset = s->image->offset + 1, .epoch = s->image->epoch};
}

static enum steps_flow put_file(struct steps *steps)
{
    struct snapshot *s = snapshot_of(steps);
    struct snapshot_id id = id_of(s);
    if (quorum_of(s)->member != NULL)
        TRACE(quorum_of(s)->trace, QUORUM_IMAGE, .offset = (uint64_t)id.offset,
              .digest = s->digest);
    set_path(s, &id);
    s->waiter = steps_waiter(steps);
    s->write =
        (struct dir_file_write){.path = s->path, .bytes = bytes_of(s->text.data, s->text.size)};
    dir_file_put(quorum_of(s)->dir, &s->write, on_put);
    return STEPS_WAIT;
}

static enum steps_flow count_it(struct steps *steps)
{
    struct snapshot *s = snapshot_of(steps);
    struct quorum *q = quorum_of(s);
    (void)steps;
    struct snapshot_id id = id_of(s);
    if (id.offset <= quorum_snapshot_offset(q)) /* one that was fetched has overtaken it */
        return STEPS_NEXT;
    ASSERT(q->snapshot_count < SNAPSHOTS_SEEN_MAX);
    q->snapshots[q->snapshot_count++] = id;
    if (q->member == NULL) /* else it is looked at anyhow */
        quorum_carry_snapshot(q);
    return STEPS_NEXT;
}

/* One after the other; what cannot be removed is in nobody's way. */
static enum steps_flow remove_old(struct steps *steps)
{
    struct snapshot *s = snapshot_of(steps);
    struct quorum *q = quorum_of(s);
    if (q->snapshot_count <= QUORUM_SNAPSHOTS_KEPT)
        return STEPS_NEXT;
    set_path(s, &q->snapshots[0]);
    q->snapshot_count--;
    memmove(q->snapshots, q->snapshots + 1, (size_t)q->snapshot_count * sizeof q->snapshots[0]);
    env_unlink(steps->env, &steps->io, s->path, steps_done);
    steps_then(steps, STEPS_AGAIN);
    return STEPS_TRY;
}

/* Below the older of those that are kept: should the newest be damaged, the log still follows on
 * the one before it. */
static enum steps_flow trim_log(struct steps *steps)
{
    struct quorum *q = quorum_of(snapshot_of(steps));
    if (q->snapshot_count == QUORUM_SNAPSHOTS_KEPT && !q->resting && !q->closing)
        log_retain(q->log, q->snapshots[0].offset, env_wall(q->env));
    return STEPS_NEXT;
}

static const struct step snapshot_steps[] = {
    {"begin", write_header}, {"fill", write_records}, {"end", write_footer}, {"write", put_file},
    {"count", count_it},     {"remove", remove_old},  {"trim", trim_log},    {NULL, NULL},
};

/* One that failed is tried again when as much has been published as before. */
static void ended(struct steps *steps, enum err e)
{
    struct snapshot *s = snapshot_of(steps);
    struct quorum *q = quorum_of(s);
    (void)e;
    metadata_image_release(s->image);
    s->image = NULL;
    arena_free(&s->arena);
    text_free(&s->text);
    dir_work_ends(q->dir);
    quorum_change_advance(q);
}

void quorum_snapshot_consider(struct quorum *q)
{
    struct snapshot *s = &q->snapshot;
    bool serves =
        q->member == NULL ? quorum_leads(q) : q->member->open && !q->closing && !q->offline;
    bool idle = s->image == NULL && serves && !q->resting;
    if (!idle || q->unsnapped_bytes < q->settings.snapshot_bytes || q->current != q->committed)
        return;
    if (q->applied < q->current->offset) /* what was removed may still lie about: P-16 */
        return;
    q->unsnapped_bytes = 0;
    s->image = q->current;
    s->record_count = 0;
    metadata_image_retain(s->image);
    metadata_dump_begin(&s->dump, s->image);
    arena_init(&s->arena, q->mem, METADATA_BATCH_BYTES_MAX);
    text_init(&s->text, q->mem);
    dir_work_begins(q->dir);
    steps_start(&s->steps, q->env, snapshot_steps, ended);
}
