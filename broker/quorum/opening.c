/* opening.c - the beginning of a life: the metadata log is opened, its newest snapshot and what
 * stands behind it are replayed, and quorum-state is read. */
#include "quorum/internal.h"

#define REPLAY_ARENA_BYTES (16u << 20)

/* Uuid.METADATA_TOPIC_ID */
static const uint8_t log_topic_id[16] = {[15] = 1};
void quorum_replay_free(struct replay *r)
{
    struct quorum *q = r->q;
    metadata_edit_abandon(&r->edit);
    quorum_electors_free(q, r->load.electors);
    arena_free(&r->arena);
    text_free(&r->text);
    text_free(&r->path);
    mem_free(q->mem, r);
}

/* A start that fails: the log stays open until quorum_close. */
void quorum_replay_fail(struct replay *r, enum err e)
{
    struct quorum *q = r->q;
    q->replay = q->to_lead = NULL;
    q->leading = false;
    quorum_replay_free(r);
    quorum_op_done(q, e);
}

/* ---- quorum-state: a vote that cannot be read is not "no vote"; where there is none, the
 * log says which epochs there were ---- */

static void on_state_closed(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    struct replay *r = CONTAINER_OF(op, struct replay, io);
    struct errmsg *msg = &r->q->op->msg;
    if (r->unread != ERR_NONE) {
        errmsg_set(msg, r->unread, "cannot read %s: %s", r->path.data, err_text(r->unread));
        quorum_replay_fail(r, r->unread);
    } else if (!quorum_state_parse(bytes_of(r->bytes, r->size), &r->state)) {
        errmsg_set(
            msg, ERR_CORRUPT,
            "%s is not whole, and says in which epochs this node has voted: put it back from "
            "a copy",
            r->path.data);
        quorum_replay_fail(r, ERR_CORRUPT);
    } else {
        r->epoch_seen = r->state.epoch;
        quorum_alone_lead(r);
    }
}

static void on_state_read(struct env_op *op, enum err e, uint64_t n)
{
    struct replay *r = CONTAINER_OF(op, struct replay, io);
    r->size = e == ERR_NONE ? (size_t)n : 0;
    r->unread = e;
    env_close_file(r->q->env, &r->io, r->file, on_state_closed);
}

static void on_state_open(struct env_op *op, enum err e, uint64_t n)
{
    struct replay *r = CONTAINER_OF(op, struct replay, io);
    if (e == ERR_NONE) {
        r->file = n;
        env_read(r->q->env, &r->io, r->file, 0, r->bytes, sizeof r->bytes, on_state_read);
    } else if (e == ERR_NOTFOUND) {
        quorum_alone_lead(r);
    } else {
        errmsg_set(&r->q->op->msg, e, "cannot read %s: %s", r->path.data, err_text(e));
        quorum_replay_fail(r, e);
    }
}

/* ---- replay ---- */

static void on_loaded(struct log_op *op, enum err e);

void quorum_replay_image(struct replay *r)
{
    struct quorum *q = r->q;
    q->tail = q->committed = metadata_edit_finish(&r->edit);
    metadata_image_retain(q->tail);
    q->current = (struct metadata_image *)metadata_visible(q->committed);
    metadata_image_retain(q->current);
    quorum_configure(q);
    q->applied = q->current->offset;
    quorum_tell_settings(q);
    arena_free(&r->arena);
    arena_init(&r->arena, q->mem, REPLAY_ARENA_BYTES);
}

static void replay_done(struct replay *r)
{
    struct quorum *q = r->q;
    quorum_replay_image(r);
    if (r->birth.made) {
        quorum_alone_lead(r);
        return;
    }
    text_init(&r->path, q->mem);
    text_printf(&r->path, "%s/%s-0/" QUORUM_STATE_NAME, q->settings.dir, METADATA_LOG_TOPIC);
    if (r->path.failed || r->path.size >= ENV_PATH_MAX) {
        errmsg_set(&q->op->msg, ERR_LIMIT, "the path of the log directory is too long");
        quorum_replay_fail(r, ERR_LIMIT);
        return;
    }
    env_open_file(q->env, &r->io, r->path.data, ENV_OPEN_READ, on_state_open);
}

static void load_next(struct replay *r, int64_t offset)
{
    struct quorum *q = r->q;
    if (offset == log_end(q->log)) {
        replay_done(r);
        return;
    }
    r->read = (struct log_read){.offset = offset,
                                .offset_end = log_end(q->log),
                                .bytes_max = QUORUM_REPLAY_BYTES,
                                .at_least_one = true};
    log_load(q->log, &r->read, on_loaded);
}

static enum err apply_loaded(struct replay *r, struct errmsg *msg)
{
    struct bytes in = bytes_of(r->read.parts[0].data, r->read.parts[0].size);
    int64_t offset = r->read.offset;
    struct wire_batch batch;
    for (size_t at = 0; at < in.size; at += (size_t)batch.size) {
        enum wire_at what = wire_batch_at(in, at, &batch, msg);
        if (what == WIRE_AT_TORN && at > 0)
            return ERR_NONE;
        if (what != WIRE_AT_BATCH || wire_batch_last_offset(&batch) < offset)
            return errmsg_wrap(msg, ERR_CORRUPT, "metadata log at offset %lld", (long long)offset);
        enum err e = wire_batch_verify(&batch, in.data + at, msg);
        if (e == ERR_NONE)
            e = metadata_batch_replay(&r->edit, &batch, bytes_of(in.data + at, (size_t)batch.size),
                                      &r->arena, msg);
        if (e != ERR_NONE)
            return errmsg_wrap(msg, e, "metadata log at offset %lld", (long long)offset);
        offset = wire_batch_last_offset(&batch) + 1;
    }
    return ERR_NONE;
}

static void on_loaded(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, read.op);
    struct quorum *q = r->q;
    if (e == ERR_NONE && r->read.next_offset <= r->read.offset)
        e = errmsg_set(&op->msg, ERR_CORRUPT, "the metadata log ends at offset %lld, not at %lld",
                       (long long)r->read.offset, (long long)r->read.offset_end);
    if (e != ERR_NONE) {
        q->op->msg = op->msg;
        errmsg_wrap(&q->op->msg, e, "cannot replay the metadata log");
        quorum_replay_fail(r, e);
        return;
    }
    e = apply_loaded(r, &q->op->msg);
    q->unsnapped_bytes += r->read.bytes;
    int64_t next = r->read.next_offset;
    log_read_release(&r->read);
    if (e != ERR_NONE)
        quorum_replay_fail(r, e);
    else
        load_next(r, next);
}

/* What the snapshot holds is not read from the log again. */
static void on_snapshot_loaded(struct waiter *waiter, enum err e)
{
    struct replay *r = CONTAINER_OF(waiter, struct replay, loaded);
    struct quorum *q = r->q;
    if (e != ERR_NONE) {
        q->op->msg = r->load.msg;
        quorum_replay_fail(r, e);
        return;
    }
    ASSERT(r->edit.image->offset + 1 >= log_start(q->log));
    if (r->load.electors != NULL)
        quorum_electors_add(q, r->load.electors);
    r->load.electors = NULL;
    if (q->member != NULL) {
        quorum_join(r);
        return;
    }
    r->edit.removed = &q->removed;
    load_next(r, r->edit.image->offset + 1);
}

static void on_log_open(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, log_op);
    struct quorum *q = r->q;
    if (e != ERR_NONE) {
        q->op->msg = op->msg;
        q->log = NULL;
        quorum_replay_fail(r, e);
        return;
    }
    r->loaded.done = on_snapshot_loaded;
    r->load.q = q;
    r->load.edit = &r->edit;
    r->load.arena = &r->arena;
    quorum_load(&r->load, &r->loaded);
}

/* What a log that has to be made holds from the first: of a node that is its own quorum the epoch
 * in which it leads, and that nobody else does; of one of several that it has voted for nobody, so
 * that a state which is not there is one that was lost. False: no memory. */
static bool take_birth(struct replay *r)
{
    struct quorum *q = r->q;
    struct raft_key self = {.id = q->settings.controller.node_id};
    struct raft_voters alone = {.keys = {self}, .count = 1};
    struct raft_state state = {
        .epoch = QUORUM_FIRST_EPOCH, .leader_id = self.id, .voted.id = RAFT_NOBODY};
    struct raft_state nothing = {.leader_id = RAFT_NOBODY, .voted.id = RAFT_NOBODY};
    const struct dir_entry *entries = NULL; /* partitions were never made before this log */
    if (q->member != NULL)
        quorum_state_print(&r->text, &nothing, q->settings.dynamic ? NULL : &q->settings.voters);
    else
        quorum_state_print(&r->text, &state, &alone);
    r->birth = (struct log_birth){.leader_epoch = q->member != NULL ? -1 : QUORUM_FIRST_EPOCH,
                                  .known = dir_entries(q->dir, &entries) > 0,
                                  .name = QUORUM_STATE_NAME,
                                  .bytes = bytes_of(r->text.data, r->text.size)};
    return !r->text.failed;
}

void quorum_open(struct quorum *q, struct quorum_op *op, const struct quorum_start *start,
                 quorum_done *done)
{
    ASSERT(q->op == NULL);
    ASSERT(q->log == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    q->op = op;
    struct replay *r = mem_zalloc(q->mem, sizeof *r);
    if (r == NULL) {
        quorum_op_done(q, ERR_NOMEM);
        return;
    }
    q->replay = r;
    r->q = q;
    r->bump_leaders = start->bump_leaders;
    r->port = start->port;
    ASSERT(strlen(start->host) < sizeof r->host);
    memcpy(r->host, start->host, strlen(start->host) + 1);
    arena_init(&r->arena, q->mem, REPLAY_ARENA_BYTES);
    text_init(&r->text, q->mem);
    if (!take_birth(r)) {
        quorum_replay_fail(r, ERR_NOMEM);
        return;
    }
    struct log_config config = {
        .segment_bytes = q->settings.segment_bytes,
        .segment_ms = INT64_MAX,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_ms = -1,
        .retention_bytes = 0, /* all that is below the limit of log_retain */
        .file_delete_delay_ms = 60000,
        .max_message_bytes = METADATA_BATCH_BYTES_MAX,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .always_sync = true,
        .spends_reserve = true,
        .producer_id_expiration_ms = INT64_MAX,
        .dense = true,
    };
    log_open(q->logs, &q->log, METADATA_LOG_TOPIC, 0, log_topic_id, &config, &r->birth,
             &q->log_watch, &r->log_op, on_log_open);
}
