/* alone.c - a node that is its own quorum: leads the log in an epoch that nobody has led before,
 * and registers the broker. The epoch is durable before the first record of it. */
#include "quorum/internal.h"

#define AGAIN_NS (1000ll * 1000000) /* between two attempts to lead on a full disk */

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

static void on_again(struct env_timer *timer)
{
    struct quorum *q = CONTAINER_OF(timer, struct quorum, again);
    ASSERT(q->put_off);
    if (!q->resting && !q->offline)
        quorum_alone_lead(q->to_lead);
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
    quorum_replay_fail(r, e);
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
    quorum_replay_free(q->to_lead);
    q->to_lead = NULL;
    q->lead_change = 0;
    q->put_off = false;
    quorum_brokers_begin(q);
    if (!was_put_off)
        return;
    dir_full_end(q->dir, true);
    if (q->watch != NULL && q->watch->led != NULL && !q->closing)
        q->watch->led(q->watch);
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

void quorum_alone_lead(struct replay *r)
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
    ASSERT(q->epoch >= QUORUM_FIRST_EPOCH);
    if (r->birth.made) { /* quorum-state and the epoch are as old as the log */
        ASSERT(q->epoch == QUORUM_FIRST_EPOCH);
        begin_epoch(r);
        return;
    }
    text_free(&r->text);
    text_init(&r->text, q->mem);
    struct raft_state state = {
        .epoch = q->epoch, .leader_id = raft_state(q->raft)->leader_id, .voted.id = RAFT_NOBODY};
    quorum_state_print(&r->text, &state, raft_voters(q->raft));
    if (r->text.failed) {
        lead_out_of_memory(r);
        return;
    }
    r->write = (struct dir_file_write){
        .path = r->path.data, .bytes = bytes_of(r->text.data, r->text.size), .checksum = true};
    dir_file_put(q->dir, &r->write, on_state_written);
}
