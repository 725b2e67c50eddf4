/* quorum.c - the quorum of a node as a whole: what it is made of, what it says of itself, and its
 * end. */
#include "quorum/internal.h"

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
    list_init(&q->electors);
    list_init(&q->electors_come);
    quorum_chance_init(q);
    quorum_brokers_init(q);
    if (peers != NULL && quorum_member_new(q) != ERR_NONE) {
        quorum_free(q);
        return ERR_NOMEM;
    }
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
    quorum_brokers_free(q);
    quorum_electors_end(q);
    quorum_member_free(q);
    raft_free(q->raft);
    mem_free(q->mem, q);
}

void quorum_rest(struct quorum *q)
{
    q->resting = true;
    env_disarm(q->env, &q->again);
    if (q->member != NULL) {
        q->member->resign = true;
        quorum_member_go_on(q);
    }
}

bool quorum_put_off(const struct quorum *q)
{
    return q->put_off;
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
    if (q->member != NULL)
        return q->member->active && !q->closing && !q->offline;
    return !q->closing && !q->offline && !q->put_off;
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

/* What its log has to come to when it is replayed (E13). It takes as long as the whole image: only
 * where somebody takes every row. */
static void tell_image(struct quorum *q)
{
    uint64_t digest;
    if (!q->trace->must_drain || q->committed == NULL || q->log == NULL || q->offline)
        return;
    if (metadata_digest(metadata_visible(q->committed), q->mem, &digest) == ERR_NONE)
        TRACE(q->trace, IMAGE_LEFT, .offset = (uint64_t)q->committed->offset + 1, .digest = digest);
}

void quorum_closing_go_on(struct quorum *q)
{
    ASSERT(q->closing);
    ASSERT(!q->leading);
    ASSERT(!quorum_snapshot_busy(q));
    ASSERT(list_empty(&q->changes));
    tell_image(q);
    quorum_brokers_end(q);
    env_disarm(q->env, &q->again);
    if (q->put_off)
        dir_full_end(q->dir, false);
    if (q->to_lead != NULL)
        quorum_replay_free(q->to_lead);
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
    if (q->member != NULL) {
        q->member->resign = true;
        q->member->hand_over_ns = env_now(q->env) + QUORUM_HAND_OVER_NS_MAX;
    }
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
    if (q->member != NULL)
        return q->raft == NULL ? -1 : raft_high_watermark(q->raft);
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

void quorum_opened(struct quorum *q)
{
    q->opened = true;
}

bool quorum_was_removed(const struct quorum *q, const struct wire_uuid *topic_id)
{
    return metadata_was_removed(&q->removed, topic_id) &&
           metadata_find_id(q->current, topic_id) == NULL;
}
