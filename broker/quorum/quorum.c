/* quorum.c - the quorum of one: replays the metadata log, leads it in an epoch that nobody has led
 * before, and registers the broker. The epoch is durable before the first record of it. */
#include "quorum/internal.h"

#define REPLAY_BYTES (1 << 20) /* that one event replays, and more only for a larger batch */
#define REPLAY_ARENA_BYTES (16u << 20)
#define QUORUM_STATE_BYTES_MAX 4096
#define STATE_NAME "quorum-state"
#define FIRST_EPOCH 1               /* of a log that nobody has led before */
#define AGAIN_NS (1000ll * 1000000) /* between two attempts to lead on a full disk */

/* What opening needs and nothing else. */
struct replay {
    struct quorum *q;
    bool bump_leaders;
    uint16_t port;
    char host[METADATA_HOST_MAX];
    struct log_birth birth;
    struct log_op log_op;
    struct log_read read;
    struct metadata_edit edit;
    struct load load;
    struct waiter loaded;
    struct arena arena;
    struct env_op io;
    struct dir_file_write write;
    struct text text, path;
    env_file file;
    enum err unread; /* why quorum-state could not be read */
    int32_t epoch_seen;
    int32_t epoch; /* to lead in; 0: not chosen */
    uint8_t bytes[QUORUM_STATE_BYTES_MAX];
    size_t size;
};

/* Uuid.METADATA_TOPIC_ID */
static const uint8_t log_topic_id[16] = {[15] = 1};

enum err quorum_new(struct quorum **out, struct env *env, struct mem *mem, struct trace *trace,
                    struct log_set *logs, const struct quorum_settings *settings,
                    struct quorum_peers *peers, struct quorum_watch *watch)
{
    struct quorum *q = mem_zalloc(mem, sizeof *q);
    if (q == NULL)
        return ERR_NOMEM;
    *q = (struct quorum){
        .env = env,
        .mem = mem,
        .trace = trace,
        .dir = log_set_dir(logs),
        .logs = logs,
        .settings = *settings,
        .peers = peers,
        .watch = watch,
        .log_watch = {.moved = quorum_change_moved, .cut = quorum_change_cut},
    };
    metadata_removed_init(&q->removed, mem);
    list_init(&q->changes);
    list_init(&q->requests);
    list_init(&q->applying);
    quorum_chance_init(q);
    *out = q;
    return ERR_NONE;
}

void quorum_free(struct quorum *q)
{
    if (q == NULL)
        return;
    ASSERT(q->log == NULL);
    ASSERT(q->replay == NULL);
    ASSERT(q->to_lead == NULL);
    ASSERT(list_empty(&q->changes));
    ASSERT(list_empty(&q->requests));
    ASSERT(list_empty(&q->applying));
    metadata_image_release(q->current);
    metadata_image_release(q->committed);
    metadata_image_release(q->tail);
    metadata_removed_free(&q->removed);
    raft_free(q->raft);
    mem_free(q->mem, q);
}

static void replay_free(struct replay *r)
{
    struct quorum *q = r->q;
    metadata_edit_abandon(&r->edit);
    arena_free(&r->arena);
    text_free(&r->text);
    text_free(&r->path);
    mem_free(q->mem, r);
}

/* A start that fails: the log stays open until quorum_close. */
static void fail(struct replay *r, enum err e)
{
    struct quorum *q = r->q;
    q->replay = q->to_lead = NULL;
    q->leading = false;
    replay_free(r);
    quorum_op_done(q, e);
}

/* ---- leading ---- */

static enum err add_leader_change(struct quorum *q, struct metadata_batch *batch)
{
    struct wire_leader_change_message_voter self = {.voter_id = q->settings.controller.node_id};
    struct wire_leader_change_message message = {
        .leader_id = q->settings.controller.node_id,
        .voters_count = 1,
        .voters = &self,
        .granting_voters_count = 1,
        .granting_voters = &self,
    };
    return metadata_batch_add_leader_change(batch, &message);
}

static bool was_made(const struct quorum *q, const struct metadata_topic *topic, int32_t partition)
{
    static const struct wire_uuid nowhere;
    if (partition >= topic->partition_count)
        return false;
    struct wire_uuid place =
        metadata_directory(metadata_partition(topic, partition), q->settings.controller.node_id);
    return !wire_uuid_equal(&place, &nowhere);
}

/* A partition whose directory is not there comes back as another history, if at all. */
static bool some_are_missing(const struct quorum *q)
{
    const struct metadata_image *image = q->current;
    const struct dir_entry *entries = NULL;
    int count = dir_entries(q->dir, &entries);
    int32_t missing = 0;
    for (int32_t i = 0; i < image->topic_count; i++) {
        const struct metadata_topic *topic = metadata_topic_at(image, i);
        for (int32_t p = 0; p < topic->partition_count; p++)
            missing += was_made(q, topic, p);
    }
    for (int i = 0; i < count; i++) {
        struct wire_uuid id;
        memcpy(id.b, entries[i].topic_id, sizeof id.b);
        const struct metadata_topic *topic = metadata_find_id(image, &id);
        if (topic != NULL && strcmp(topic->name, entries[i].topic) == 0)
            missing -= was_made(q, topic, entries[i].partition);
    }
    return missing > 0;
}

/* What the controller says of a node that registers, behind what stands in batch already. */
static int16_t add_registration(struct replay *r, struct metadata_batch *batch)
{
    struct quorum *q = r->q;
    struct controller_register c;
    controller_register_init(&c);
    c.host = r->host;
    c.port = r->port;
    memcpy(c.directory.b, dir_id(q->dir), sizeof c.directory.b);
    c.bump_leaders = r->bump_leaders || some_are_missing(q);
    struct controller_view view = quorum_view(q);
    controller_decide(&view, &c.command, batch);
    return c.command.code;
}

/* What stands first is written at once: one sync makes the epoch, its leader and the broker known.
 */
static enum err append_first_records(struct replay *r, struct errmsg *msg)
{
    struct quorum *q = r->q;
    struct metadata_batch batch;
    metadata_batch_init(&batch, q->mem, env_wall(q->env), log_end(q->log), q->epoch);
    enum err e = add_leader_change(q, &batch);
    if (e == ERR_NONE)
        e = metadata_batch_next(&batch);
    int16_t code = e == ERR_NONE ? add_registration(r, &batch) : WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    if (code == WIRE_ERROR_NONE)
        code = quorum_change_append(q, &batch, msg);
    metadata_batch_free(&batch);
    if (code == WIRE_ERROR_NONE)
        return ERR_NONE;
    if (msg->text[0] == 0)
        errmsg_set(msg, ERR_NOMEM, "%s", wire_error_text(code));
    return code == WIRE_ERROR_UNKNOWN_SERVER_ERROR ? ERR_NOMEM : ERR_OFFLINE;
}

/* ---- a full disk: what is known is served, and the log is led when there is room ---- */

static void lead(struct replay *r);

static void on_again(struct env_timer *timer)
{
    struct quorum *q = CONTAINER_OF(timer, struct quorum, again);
    ASSERT(q->put_off);
    if (!q->resting && !q->offline)
        lead(q->to_lead);
}

static void put_off(struct quorum *q)
{
    ASSERT(q->to_lead != NULL);
    ASSERT(q->lead_change == 0);
    q->leading = false;
    if (!q->put_off)
        dir_full_begin(q->dir);
    q->put_off = true;
    q->again.fire = on_again;
    if (!q->resting)
        env_arm(q->env, &q->again, env_now(q->env) + AGAIN_NS);
    quorum_op_done(q, ERR_NONE);
    quorum_change_advance(q); /* closing may go on */
}

/* Nobody can have led a log that does not say so much, and then there is nothing to be served. */
static bool may_wait(const struct quorum *q)
{
    return q->current->metadata_version != 0;
}

static void lead_failed(struct replay *r, enum err e, const struct errmsg *msg)
{
    struct quorum *q = r->q;
    if (q->put_off || (e == ERR_NOSPACE && may_wait(q))) {
        put_off(q);
        return;
    }
    q->op->msg = *msg;
    fail(r, e);
}

bool quorum_unled(struct quorum *q)
{
    ASSERT(q->to_lead != NULL);
    q->lead_change = 0;
    if (!q->put_off && (!log_waits_for_room(q->log) || !may_wait(q)))
        return false;
    q->op_change = 0;
    q->to_lead->epoch = 0; /* some records of that epoch may have stayed */
    put_off(q);
    return true;
}

void quorum_led(struct quorum *q)
{
    bool was_put_off = q->put_off;
    ASSERT(q->to_lead != NULL);
    replay_free(q->to_lead);
    q->to_lead = NULL;
    q->lead_change = 0;
    q->put_off = false;
    if (!was_put_off)
        return;
    dir_full_end(q->dir, true);
    if (q->watch != NULL && q->watch->led != NULL && !q->closing)
        q->watch->led(q->watch);
}

void quorum_rest(struct quorum *q)
{
    q->resting = true;
    env_disarm(q->env, &q->again);
}

bool quorum_put_off(const struct quorum *q)
{
    return q->put_off;
}

/* Somebody else votes. */
static bool has_others(const struct quorum *q)
{
    const struct raft_voters *voters = &q->settings.voters;
    int32_t self = q->settings.controller.node_id;
    return voters->count > 1 || (voters->count == 1 && voters->keys[0].id != self);
}

enum raft_role quorum_role(const struct quorum *q)
{
    return q->raft == NULL ? RAFT_UNATTACHED : raft_role(q->raft);
}

int32_t quorum_leader(const struct quorum *q)
{
    return q->raft == NULL ? RAFT_NOBODY : raft_state(q->raft)->leader_id;
}

bool quorum_leads(const struct quorum *q)
{
    return !q->closing && !q->offline && !q->put_off;
}

/* ---- the first records ---- */

static void on_epoch_assigned(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, log_op);
    struct quorum *q = r->q;
    struct errmsg msg = op->msg;
    if (q->resting && q->put_off) {
        put_off(q);
        return;
    }
    if (e != ERR_NONE) {
        errmsg_wrap(&msg, e, "cannot begin a metadata epoch");
        lead_failed(r, e, &msg);
        return;
    }
    e = append_first_records(r, &msg);
    if (e != ERR_NONE) {
        errmsg_wrap(&msg, e, "cannot lead the metadata log");
        lead_failed(r, e, &msg);
        return;
    }
    q->leading = false;
    q->lead_change = q->change_last;
    if (q->op != NULL)
        q->op_change = q->lead_change;
    quorum_change_advance(q);
}

static void lead_out_of_memory(struct replay *r)
{
    struct errmsg msg;
    lead_failed(r, errmsg_set(&msg, ERR_NOMEM, "out of memory"), &msg);
}

/* The epoch and its leader are durable. */
static void begin_epoch(struct replay *r)
{
    struct quorum *q = r->q;
    if (quorum_carry_saved(q) != ERR_NONE)
        lead_out_of_memory(r);
    else
        log_assign_epoch(q->log, q->epoch, &r->log_op, on_epoch_assigned);
}

static void on_state_written(struct dir_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, write.op);
    struct quorum *q = r->q;
    if (e != ERR_NONE || (q->resting && q->put_off))
        lead_failed(r, e, &op->msg);
    else
        begin_epoch(r);
}

static void lead(struct replay *r)
{
    struct quorum *q = r->q;
    q->replay = NULL;
    q->to_lead = r;
    q->leading = true;
    if (r->epoch == 0 && quorum_carry_lead(q, r->epoch_seen, r->birth.made) != ERR_NONE) {
        lead_out_of_memory(r);
        return;
    }
    r->epoch = q->epoch;
    ASSERT(q->epoch >= FIRST_EPOCH);
    if (r->birth.made) { /* quorum-state and the epoch are as old as the log */
        ASSERT(q->epoch == FIRST_EPOCH);
        begin_epoch(r);
        return;
    }
    text_free(&r->text);
    text_init(&r->text, q->mem);
    quorum_state_print(&r->text, q->settings.controller.node_id, q->epoch);
    if (r->text.failed) {
        lead_out_of_memory(r);
        return;
    }
    r->write = (struct dir_file_write){
        .path = r->path.data, .bytes = bytes_of(r->text.data, r->text.size), .checksum = true};
    dir_file_put(q->dir, &r->write, on_state_written);
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
        fail(r, r->unread);
    } else if (!quorum_state_parse(bytes_of(r->bytes, r->size), &r->epoch_seen)) {
        errmsg_set(
            msg, ERR_CORRUPT,
            "%s is not whole, and says in which epochs this node has voted: put it back from "
            "a copy",
            r->path.data);
        fail(r, ERR_CORRUPT);
    } else {
        lead(r);
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
        lead(r);
    } else {
        errmsg_set(&r->q->op->msg, e, "cannot read %s: %s", r->path.data, err_text(e));
        fail(r, e);
    }
}

/* ---- replay ---- */

static void on_loaded(struct log_op *op, enum err e);

static void replay_done(struct replay *r)
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
    if (r->birth.made) {
        lead(r);
        return;
    }
    text_init(&r->path, q->mem);
    text_printf(&r->path, "%s/%s-0/" STATE_NAME, q->settings.dir, METADATA_LOG_TOPIC);
    if (r->path.failed || r->path.size >= ENV_PATH_MAX) {
        errmsg_set(&q->op->msg, ERR_LIMIT, "the path of the log directory is too long");
        fail(r, ERR_LIMIT);
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
                                .bytes_max = REPLAY_BYTES,
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
        fail(r, e);
        return;
    }
    e = apply_loaded(r, &q->op->msg);
    q->unsnapped_bytes += r->read.bytes;
    int64_t next = r->read.next_offset;
    log_read_release(&r->read);
    if (e != ERR_NONE)
        fail(r, e);
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
        fail(r, e);
        return;
    }
    ASSERT(r->edit.image->offset + 1 >= log_start(q->log));
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
        fail(r, e);
        return;
    }
    r->loaded.done = on_snapshot_loaded;
    r->load.q = q;
    r->load.edit = &r->edit;
    r->load.arena = &r->arena;
    quorum_load(&r->load, &r->loaded);
}

void quorum_open(struct quorum *q, struct quorum_op *op, const struct quorum_start *start,
                 quorum_done *done)
{
    ASSERT(q->op == NULL);
    ASSERT(q->log == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    q->op = op;
    if (has_others(q)) {
        errmsg_set(&op->msg, ERR_UNSUPPORTED,
                   "controller.quorum.voters: a quorum of several voters is not served yet");
        quorum_op_done(q, ERR_UNSUPPORTED);
        return;
    }
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
    quorum_state_print(&r->text, q->settings.controller.node_id, FIRST_EPOCH);
    if (r->text.failed) {
        fail(r, ERR_NOMEM);
        return;
    }
    const struct dir_entry *entries = NULL; /* partitions were never made before this log */
    r->birth = (struct log_birth){.leader_epoch = FIRST_EPOCH,
                                  .known = dir_entries(q->dir, &entries) > 0,
                                  .name = STATE_NAME,
                                  .bytes = bytes_of(r->text.data, r->text.size)};
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
        .producer_id_expiration_ms = INT64_MAX,
        .dense = true,
    };
    log_open(q->logs, &q->log, METADATA_LOG_TOPIC, 0, log_topic_id, &config, &r->birth,
             &q->log_watch, &r->log_op, on_log_open);
}

/* ---- the end ---- */

static void on_closed(struct log_op *op, enum err e)
{
    struct quorum *q = CONTAINER_OF(op, struct quorum, log_closing);
    q->log = NULL;
    if (e != ERR_NONE)
        q->op->msg = op->msg;
    quorum_op_done(q, e);
}

void quorum_closing_go_on(struct quorum *q)
{
    ASSERT(q->closing);
    ASSERT(!q->leading);
    ASSERT(!quorum_snapshot_busy(q));
    ASSERT(list_empty(&q->changes));
    env_disarm(q->env, &q->again);
    if (q->put_off)
        dir_full_end(q->dir, false);
    if (q->to_lead != NULL)
        replay_free(q->to_lead);
    q->to_lead = NULL;
    q->put_off = false;
    if (q->log != NULL)
        log_close(q->log, &q->log_closing, on_closed);
    else
        quorum_op_done(q, ERR_NONE);
}

void quorum_close(struct quorum *q, struct quorum_op *op, quorum_done *done)
{
    ASSERT(q->op == NULL);
    ASSERT(q->replay == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    q->op = op;
    q->closing = true;
    quorum_change_advance(q);
}

const struct metadata_image *quorum_current(const struct quorum *q)
{
    ASSERT(q->current != NULL);
    return q->current;
}

int32_t quorum_epoch(const struct quorum *q)
{
    return q->epoch;
}

int32_t quorum_node_id(const struct quorum *q)
{
    return q->settings.controller.node_id;
}

const struct log *quorum_log(const struct quorum *q)
{
    return q->log;
}

int64_t quorum_end(const struct quorum *q)
{
    return log_end(q->log);
}

int64_t quorum_high_watermark(const struct quorum *q)
{
    return log_counting_end(q->log);
}

struct wire_uuid quorum_directory(const struct quorum *q)
{
    struct wire_uuid id;
    memcpy(id.b, dir_id(q->dir), sizeof id.b);
    return id;
}

void quorum_configure(struct quorum *q)
{
    const struct controller_settings *settings = &q->settings.controller;
    metadata_broker_configured(q->current, settings->node_id, &settings->file, &q->broker);
}

const struct metadata_topic_config *quorum_topic_defaults(const struct quorum *q)
{
    return &q->broker.topics;
}

const struct metadata_broker_config *quorum_broker_config(const struct quorum *q)
{
    return &q->broker;
}

bool quorum_was_removed(const struct quorum *q, const struct wire_uuid *topic_id)
{
    return metadata_was_removed(&q->removed, topic_id) &&
           metadata_find_id(q->current, topic_id) == NULL;
}

/* ---- other nodes: there are none yet ---- */

void quorum_response(struct quorum *q, const struct raft_response *response, struct slice bytes)
{
    (void)q;
    (void)response;
    (void)bytes;
}

void quorum_lost(struct quorum *q, enum raft_api api, uint64_t number)
{
    (void)q;
    (void)api;
    (void)number;
}

void quorum_ask(struct quorum *q, struct quorum_ask *ask, quorum_ask_done *done)
{
    ask->answer = (struct raft_response){.api = ask->request.api,
                                         .number = ask->request.number,
                                         .from_id = q->settings.controller.node_id,
                                         .code = WIRE_ERROR_NOT_LEADER_OR_FOLLOWER,
                                         .epoch = q->epoch,
                                         .leader_id = quorum_leader(q)};
    ask->bytes = (struct bytes){0};
    done(ask);
}

void quorum_ask_end(struct quorum_ask *ask)
{
    ask->quorum = NULL;
}
