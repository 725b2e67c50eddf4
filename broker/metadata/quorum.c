/* quorum.c - the quorum of one: replays the metadata log, leads it in an epoch that nobody has led
 * before, and registers the broker. The epoch is durable before the first record of it. */
#include "metadata/internal.h"

#define REPLAY_BYTES (1 << 20) /* that one event replays, and more only for a larger batch */
#define REPLAY_ARENA_BYTES (16u << 20)
#define QUORUM_STATE_BYTES_MAX 4096
#define STATE_NAME "quorum-state"
#define FIRST_EPOCH 1               /* of a log that nobody has led before */
#define AGAIN_NS (1000ll * 1000000) /* between two attempts to lead on a full disk */
#define REGISTER_VERSION 3
#define REGISTRATION_CHANGE_VERSION 2

/* What opening needs and nothing else. */
struct replay {
    struct metadata *m;
    bool bump_leaders;
    uint16_t port;
    char host[METADATA_HOST_MAX];
    struct log_birth birth;
    struct log_op log_op;
    struct log_read read;
    struct metadata_edit edit;
    struct arena arena;
    struct env_op io;
    struct dir_file_write write;
    struct text text, path;
    env_file file;
    int32_t epoch_seen;
    int32_t epoch; /* to lead in; 0: not chosen */
    uint8_t bytes[QUORUM_STATE_BYTES_MAX];
    size_t size;
};

/* Uuid.METADATA_TOPIC_ID */
static const uint8_t log_topic_id[16] = {[15] = 1};

enum err metadata_new(struct metadata **out, struct env *env, struct mem *mem, struct trace *trace,
                      struct log_set *logs, const struct metadata_settings *settings,
                      struct metadata_watch *watch)
{
    struct metadata *m = mem_zalloc(mem, sizeof *m);
    if (m == NULL)
        return ERR_NOMEM;
    *m = (struct metadata){
        .env = env,
        .mem = mem,
        .trace = trace,
        .dir = log_set_dir(logs),
        .logs = logs,
        .settings = *settings,
        .watch = watch,
        .log_watch = {.moved = metadata_change_moved, .cut = metadata_change_cut},
    };
    list_init(&m->changes);
    list_init(&m->creates);
    list_init(&m->ids);
    list_init(&m->assigns);
    *out = m;
    return ERR_NONE;
}

void metadata_free(struct metadata *m)
{
    if (m == NULL)
        return;
    ASSERT(m->log == NULL);
    ASSERT(m->replay == NULL);
    ASSERT(m->to_lead == NULL);
    ASSERT(list_empty(&m->changes));
    ASSERT(list_empty(&m->creates));
    ASSERT(list_empty(&m->ids));
    ASSERT(list_empty(&m->assigns));
    metadata_image_release(m->current);
    metadata_image_release(m->tail);
    mem_free(m->mem, m);
}

static void replay_free(struct replay *r)
{
    struct metadata *m = r->m;
    metadata_edit_abandon(&r->edit);
    arena_free(&r->arena);
    text_free(&r->text);
    text_free(&r->path);
    mem_free(m->mem, r);
}

/* A start that fails: the log stays open until metadata_close. */
static void fail(struct replay *r, enum err e)
{
    struct metadata *m = r->m;
    m->replay = m->to_lead = NULL;
    m->leading = false;
    replay_free(r);
    metadata_op_done(m, e);
}

/* ---- registration ---- */

static struct wire_uuid draw_incarnation(struct metadata *m)
{
    struct wire_uuid id;
    uint64_t high = env_random(m->env, "metadata/incarnation", (uint64_t)m->epoch);
    uint64_t low = env_random(m->env, "metadata/incarnation", (uint64_t)m->epoch);
    put_u64(id.b, (high & ~0xf000ull) | 0x4000);
    put_u64(id.b + 8, (low & ~(3ull << 62)) | 2ull << 62);
    return id;
}

/* Registered fenced, then unfenced, as a controller does once a broker has caught up (B-3); its
 * epoch is the offset of its registration (B-1). */
static enum err add_registration(struct replay *r, struct batch *batch)
{
    struct metadata *m = r->m;
    struct wire_uuid directory;
    memcpy(&directory, dir_id(m->dir), sizeof directory);
    struct wire_register_broker_record_endpoint endpoint = {
        .name = wire_text("PLAINTEXT"), .host = wire_text(r->host), .port = r->port};
    struct wire_register_broker_record_feature feature = {
        .name = wire_text("metadata.version"),
        .min_supported_version = METADATA_VERSION_OLDEST,
        .max_supported_version = METADATA_VERSION};
    struct wire_register_broker_record record;
    wire_defaults(&wire_register_broker_record_message, &record);
    record.broker_id = m->settings.node_id;
    record.incarnation_id = draw_incarnation(m);
    record.broker_epoch = log_end(m->log) + metadata_batch_count(batch);
    record.end_points_count = 1;
    record.end_points = &endpoint;
    record.features_count = 1;
    record.features = &feature;
    record.rack = WIRE_NULL_STRING;
    record.fenced = true;
    record.log_dirs_count = 1;
    record.log_dirs = &directory;
    enum err e =
        metadata_batch_add(batch, &wire_register_broker_record_message, REGISTER_VERSION, &record);
    if (e != ERR_NONE)
        return e;
    struct wire_broker_registration_change_record change;
    wire_defaults(&wire_broker_registration_change_record_message, &change);
    change.broker_id = m->settings.node_id;
    change.broker_epoch = record.broker_epoch;
    change.fenced = -1;
    return metadata_batch_add(batch, &wire_broker_registration_change_record_message,
                              REGISTRATION_CHANGE_VERSION, &change);
}

/* ---- leading ---- */

static enum err add_leader_change(struct metadata *m, struct batch *batch)
{
    struct wire_leader_change_message_voter self = {.voter_id = m->settings.node_id};
    struct wire_leader_change_message message = {
        .leader_id = m->settings.node_id,
        .voters_count = 1,
        .voters = &self,
        .granting_voters_count = 1,
        .granting_voters = &self,
    };
    return metadata_batch_add_leader_change(batch, &message);
}

/* Appends one batch of records that bring no topics. */
static enum err append(struct metadata *m, struct batch *batch, struct errmsg *msg)
{
    struct change *change = metadata_change_new(m, 0);
    if (change == NULL) {
        metadata_batch_free(batch);
        return errmsg_set(msg, ERR_NOMEM, "out of memory");
    }
    int16_t code = metadata_change_append(m, batch, change, msg);
    if (code == WIRE_ERROR_NONE)
        return ERR_NONE;
    metadata_change_free(m, change);
    return code == WIRE_ERROR_UNKNOWN_SERVER_ERROR ? ERR_NOMEM : ERR_OFFLINE;
}

static enum err add_feature_levels(struct batch *batch)
{
    struct wire_feature_level_record level = {.name = wire_text("metadata.version"),
                                              .feature_level = METADATA_VERSION};
    return metadata_batch_add(batch, &wire_feature_level_record_message, 0, &level);
}

static enum err add_new_leader(struct metadata *m, struct batch *batch,
                               const struct metadata_topic *topic, int32_t partition)
{
    struct wire_partition_change_record record;
    wire_defaults(&wire_partition_change_record_message, &record);
    record.partition_id = partition;
    record.topic_id = topic->id;
    record.leader = m->settings.node_id;
    return metadata_batch_add(batch, &wire_partition_change_record_message,
                              METADATA_PARTITION_CHANGE_VERSION, &record);
}

static bool was_made(const struct metadata_topic *topic, int32_t partition)
{
    static const struct wire_uuid nowhere;
    return partition < topic->partition_count &&
           !wire_uuid_equal(&topic->partitions[partition].directory, &nowhere);
}

/* A partition whose directory is not there comes back as another history, if at all. */
static bool some_are_missing(const struct metadata *m)
{
    const struct metadata_image *image = m->current;
    const struct dir_entry *entries = NULL;
    int count = dir_entries(m->dir, &entries);
    int32_t missing = 0;
    for (int32_t i = 0; i < image->topic_count; i++) {
        for (int32_t p = 0; p < image->topics[i]->partition_count; p++)
            missing += was_made(image->topics[i], p);
    }
    for (int i = 0; i < count; i++) {
        struct wire_uuid id;
        memcpy(id.b, entries[i].topic_id, sizeof id.b);
        const struct metadata_topic *topic = metadata_find_id(image, &id);
        if (topic != NULL && strcmp(topic->name, entries[i].topic) == 0)
            missing -= was_made(topic, entries[i].partition);
    }
    return missing > 0;
}

/* A new leader epoch for every partition, behind what stands in batch already; what is too much for
 * one goes into further ones, which are appended. */
static enum err add_new_leaders(struct metadata *m, struct batch *batch, struct errmsg *msg)
{
    const struct metadata_image *image = m->current;
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < image->topic_count && e == ERR_NONE; i++) {
        for (int32_t p = 0; p < image->topics[i]->partition_count && e == ERR_NONE; p++) {
            if (metadata_batch_count(batch) >= METADATA_RECORDS_MAX) {
                e = append(m, batch, msg);
                metadata_batch_init(batch, m->mem, env_wall(m->env));
            }
            if (e == ERR_NONE)
                e = add_new_leader(m, batch, image->topics[i], p);
        }
    }
    return e;
}

/* What stands first is written at once: one sync makes the epoch, its leader and the broker known.
 */
static enum err append_first_records(struct replay *r, struct errmsg *msg)
{
    struct metadata *m = r->m;
    struct batch batch;
    metadata_batch_init(&batch, m->mem, env_wall(m->env));
    enum err e = add_leader_change(m, &batch);
    if (e == ERR_NONE)
        e = metadata_batch_split(&batch, log_end(m->log), m->epoch);
    if (e == ERR_NONE && m->current->metadata_version == 0)
        e = add_feature_levels(&batch);
    if (e == ERR_NONE)
        e = add_registration(r, &batch);
    if (e == ERR_NONE && (r->bump_leaders || some_are_missing(m)))
        e = add_new_leaders(m, &batch, msg);
    if (e == ERR_NONE)
        return append(m, &batch, msg);
    metadata_batch_free(&batch);
    return e;
}

/* ---- a full disk: what is known is served, and the log is led when there is room ---- */

static void lead(struct replay *r);

static void on_again(struct env_timer *timer)
{
    struct metadata *m = CONTAINER_OF(timer, struct metadata, again);
    ASSERT(m->put_off);
    if (!m->resting && !m->offline)
        lead(m->to_lead);
}

static void put_off(struct metadata *m)
{
    ASSERT(m->to_lead != NULL);
    ASSERT(m->lead_change == 0);
    m->leading = false;
    if (!m->put_off)
        dir_full_begin(m->dir);
    m->put_off = true;
    m->again.fire = on_again;
    if (!m->resting)
        env_arm(m->env, &m->again, env_now(m->env) + AGAIN_NS);
    metadata_op_done(m, ERR_NONE);
    metadata_change_advance(m); /* closing may go on */
}

/* Nobody can have led a log that does not say so much, and then there is nothing to be served. */
static bool may_wait(const struct metadata *m)
{
    return m->current->metadata_version != 0;
}

static void lead_failed(struct replay *r, enum err e, const struct errmsg *msg)
{
    struct metadata *m = r->m;
    if (m->put_off || (e == ERR_NOSPACE && may_wait(m))) {
        put_off(m);
        return;
    }
    m->op->msg = *msg;
    fail(r, e);
}

bool metadata_quorum_unled(struct metadata *m)
{
    ASSERT(m->to_lead != NULL);
    m->lead_change = 0;
    if (!m->put_off && (!log_waits_for_room(m->log) || !may_wait(m)))
        return false;
    m->op_change = 0;
    m->to_lead->epoch = 0; /* some records of that epoch may have stayed */
    put_off(m);
    return true;
}

void metadata_quorum_led(struct metadata *m)
{
    bool was_put_off = m->put_off;
    ASSERT(m->to_lead != NULL);
    replay_free(m->to_lead);
    m->to_lead = NULL;
    m->lead_change = 0;
    m->put_off = false;
    if (!was_put_off)
        return;
    dir_full_end(m->dir, true);
    if (m->watch != NULL && m->watch->led != NULL && !m->closing)
        m->watch->led(m->watch);
}

void metadata_rest(struct metadata *m)
{
    m->resting = true;
    env_disarm(m->env, &m->again);
}

bool metadata_put_off(const struct metadata *m)
{
    return m->put_off;
}

bool metadata_refuses(const struct metadata *m)
{
    return m->closing || m->offline || m->put_off;
}

/* ---- the first records ---- */

static void on_epoch_assigned(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, log_op);
    struct metadata *m = r->m;
    struct errmsg msg = op->msg;
    if (m->resting && m->put_off) {
        put_off(m);
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
    m->leading = false;
    m->lead_change = m->change_last;
    if (m->op != NULL)
        m->op_change = m->lead_change;
    metadata_change_advance(m);
}

static void on_state_written(struct dir_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, write.op);
    struct metadata *m = r->m;
    if (e != ERR_NONE || (m->resting && m->put_off)) {
        lead_failed(r, e, &op->msg);
        return;
    }
    log_assign_epoch(m->log, m->epoch, &r->log_op, on_epoch_assigned);
}

static void lead(struct replay *r)
{
    struct metadata *m = r->m;
    m->replay = NULL;
    m->to_lead = r;
    m->leading = true;
    if (r->birth.made) { /* quorum-state and the epoch are as old as the log */
        m->epoch = FIRST_EPOCH;
        log_assign_epoch(m->log, m->epoch, &r->log_op, on_epoch_assigned);
        return;
    }
    if (r->epoch == 0)
        r->epoch = MAX(r->epoch_seen, log_latest_epoch(m->log)) + 1;
    m->epoch = r->epoch;
    ASSERT(m->epoch >= FIRST_EPOCH);
    text_free(&r->text);
    text_init(&r->text, m->mem);
    metadata_quorum_state_print(&r->text, m->settings.node_id, m->epoch);
    if (r->text.failed) {
        struct errmsg msg;
        lead_failed(r, errmsg_set(&msg, ERR_NOMEM, "out of memory"), &msg);
        return;
    }
    r->write = (struct dir_file_write){
        .path = r->path.data, .bytes = bytes_of(r->text.data, r->text.size), .checksum = true};
    dir_file_put(m->dir, &r->write, on_state_written);
}

/* ---- quorum-state: what is not there, or not whole, says nothing; the log says the rest ---- */

static void on_state_closed(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    struct replay *r = CONTAINER_OF(op, struct replay, io);
    if (!metadata_quorum_state_parse(bytes_of(r->bytes, r->size), &r->epoch_seen))
        r->epoch_seen = 0;
    lead(r);
}

static void on_state_read(struct env_op *op, enum err e, uint64_t n)
{
    struct replay *r = CONTAINER_OF(op, struct replay, io);
    r->size = e == ERR_NONE ? (size_t)n : 0;
    env_close_file(r->m->env, &r->io, r->file, on_state_closed);
}

static void on_state_open(struct env_op *op, enum err e, uint64_t n)
{
    struct replay *r = CONTAINER_OF(op, struct replay, io);
    if (e == ERR_NONE) {
        r->file = n;
        env_read(r->m->env, &r->io, r->file, 0, r->bytes, sizeof r->bytes, on_state_read);
    } else if (e == ERR_NOTFOUND) {
        lead(r);
    } else {
        errmsg_set(&r->m->op->msg, e, "cannot read %s: %s", r->path.data, err_text(e));
        fail(r, e);
    }
}

/* ---- replay ---- */

static void on_loaded(struct log_op *op, enum err e);

static void replay_done(struct replay *r)
{
    struct metadata *m = r->m;
    m->current = metadata_edit_finish(&r->edit);
    m->tail = m->current;
    metadata_image_retain(m->tail);
    arena_free(&r->arena);
    arena_init(&r->arena, m->mem, REPLAY_ARENA_BYTES);
    if (r->birth.made) {
        lead(r);
        return;
    }
    text_init(&r->path, m->mem);
    text_printf(&r->path, "%s/%s-0/" STATE_NAME, m->settings.dir, METADATA_LOG_TOPIC);
    if (r->path.failed || r->path.size >= ENV_PATH_MAX) {
        errmsg_set(&m->op->msg, ERR_LIMIT, "the path of the log directory is too long");
        fail(r, ERR_LIMIT);
        return;
    }
    env_open_file(m->env, &r->io, r->path.data, ENV_OPEN_READ, on_state_open);
}

static void load_next(struct replay *r, int64_t offset)
{
    struct metadata *m = r->m;
    if (offset == log_end(m->log)) {
        replay_done(r);
        return;
    }
    r->read = (struct log_read){.offset = offset,
                                .offset_end = log_end(m->log),
                                .bytes_max = REPLAY_BYTES,
                                .at_least_one = true};
    log_load(m->log, &r->read, on_loaded);
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
    struct metadata *m = r->m;
    if (e == ERR_NONE && r->read.next_offset <= r->read.offset)
        e = errmsg_set(&op->msg, ERR_CORRUPT, "the metadata log ends at offset %lld, not at %lld",
                       (long long)r->read.offset, (long long)r->read.offset_end);
    if (e != ERR_NONE) {
        m->op->msg = op->msg;
        errmsg_wrap(&m->op->msg, e, "cannot replay the metadata log");
        fail(r, e);
        return;
    }
    e = apply_loaded(r, &m->op->msg);
    int64_t next = r->read.next_offset;
    log_read_release(&r->read);
    if (e != ERR_NONE)
        fail(r, e);
    else
        load_next(r, next);
}

static void on_log_open(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, log_op);
    struct metadata *m = r->m;
    if (e != ERR_NONE) {
        m->op->msg = op->msg;
        m->log = NULL;
        fail(r, e);
        return;
    }
    e = metadata_edit_begin(&r->edit, m->mem, NULL);
    if (e != ERR_NONE)
        fail(r, e);
    else
        load_next(r, log_start(m->log));
}

void metadata_open(struct metadata *m, struct metadata_op *op, const struct metadata_start *start,
                   metadata_done *done)
{
    ASSERT(m->op == NULL);
    ASSERT(m->log == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    m->op = op;
    struct replay *r = mem_zalloc(m->mem, sizeof *r);
    if (r == NULL) {
        metadata_op_done(m, ERR_NOMEM);
        return;
    }
    m->replay = r;
    r->m = m;
    r->bump_leaders = start->bump_leaders;
    r->port = start->port;
    ASSERT(strlen(start->host) < sizeof r->host);
    memcpy(r->host, start->host, strlen(start->host) + 1);
    arena_init(&r->arena, m->mem, REPLAY_ARENA_BYTES);
    text_init(&r->text, m->mem);
    metadata_quorum_state_print(&r->text, m->settings.node_id, FIRST_EPOCH);
    if (r->text.failed) {
        fail(r, ERR_NOMEM);
        return;
    }
    const struct dir_entry *entries = NULL; /* partitions were never made before this log */
    r->birth = (struct log_birth){.leader_epoch = FIRST_EPOCH,
                                  .known = dir_entries(m->dir, &entries) > 0,
                                  .name = STATE_NAME,
                                  .bytes = bytes_of(r->text.data, r->text.size)};
    struct log_config config = {
        .segment_bytes = 1 << 30,
        .segment_ms = INT64_MAX,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_ms = -1,
        .retention_bytes = -1,
        .file_delete_delay_ms = 60000,
        .max_message_bytes = BATCH_BYTES_MAX,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .always_sync = true,
        .producer_id_expiration_ms = INT64_MAX,
    };
    log_open(m->logs, &m->log, METADATA_LOG_TOPIC, 0, log_topic_id, &config, &r->birth,
             &m->log_watch, &r->log_op, on_log_open);
}

/* ---- the end ---- */

static void on_closed(struct log_op *op, enum err e)
{
    struct metadata *m = CONTAINER_OF(op, struct metadata, log_closing);
    m->log = NULL;
    if (e != ERR_NONE)
        m->op->msg = op->msg;
    metadata_op_done(m, e);
}

void metadata_quorum_close(struct metadata *m)
{
    ASSERT(m->closing);
    ASSERT(!m->leading);
    ASSERT(list_empty(&m->changes));
    env_disarm(m->env, &m->again);
    if (m->put_off)
        dir_full_end(m->dir, false);
    if (m->to_lead != NULL)
        replay_free(m->to_lead);
    m->to_lead = NULL;
    m->put_off = false;
    if (m->log != NULL)
        log_close(m->log, &m->log_closing, on_closed);
    else
        metadata_op_done(m, ERR_NONE);
}

void metadata_close(struct metadata *m, struct metadata_op *op, metadata_done *done)
{
    ASSERT(m->op == NULL);
    ASSERT(m->replay == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    m->op = op;
    m->closing = true;
    metadata_change_advance(m);
}

const struct metadata_image *metadata_current(const struct metadata *m)
{
    ASSERT(m->current != NULL);
    return m->current;
}

int32_t metadata_epoch(const struct metadata *m)
{
    return m->epoch;
}

int32_t metadata_node_id(const struct metadata *m)
{
    return m->settings.node_id;
}

const struct log *metadata_log(const struct metadata *m)
{
    return m->log;
}

const struct metadata_topic_config *metadata_topic_defaults(const struct metadata *m)
{
    return &m->settings.topic_defaults;
}
