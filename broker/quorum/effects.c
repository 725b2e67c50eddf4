/* effects.c - does what a step of raft says, in its order: the state is on the disk before anything
 * that follows from it is done (K-1), and the log is cut before anything is put behind the cut. */
#include "quorum/internal.h"

#define AGAIN_NS (100ll * 1000000) /* until what the disk refused is tried again */

static void do_rest(struct quorum *q);
static void do_log(struct quorum *q);

/* The disk may have room, or memory, then. One that is offline stays so: nothing is told to raft
 * any more, so that it neither votes nor leads. */
static void refused(struct quorum *q)
{
    struct member *m = q->member;
    m->working = false;
    if (dir_status(q->dir) == ERR_NONE && log_status(q->log) == ERR_NONE && !q->closing)
        m->again_ns = env_now(q->env) + AGAIN_NS;
}

/* ---- the state ---- */

static void on_saved(struct dir_op *op, enum err e)
{
    struct member *m = CONTAINER_OF(op, struct member, write.op);
    struct quorum *q = m->install.q;
    ASSERT(m->busy == MEMBER_SAVES);
    if (e != ERR_NONE || q->offline) { /* S-5: what such a disk took is not believed */
        refused(q);
        quorum_member_go_on(q);
        return;
    }
    m->working = false;
    m->busy = MEMBER_FREE;
    m->saved = true;
    TRACE(q->trace, QUORUM_SAVED, .epoch = m->written.epoch, .leader_id = m->written.leader_id,
          .voted_id = m->written.voted.id);
    bool paused = quorum_member_pause(q);
    do_log(q);
    quorum_member_resume(q, paused);
}

static void save(struct quorum *q)
{
    struct member *m = q->member;
    m->again_ns = INT64_MAX;
    m->busy = MEMBER_SAVES;
    m->written = *raft_state(q->raft);
    text_free(&m->text);
    text_init(&m->text, q->mem);
    quorum_state_print(&m->text, &m->written, q->settings.dynamic ? NULL : &q->settings.voters);
    if (m->text.failed) {
        refused(q);
        return;
    }
    m->working = true;
    m->write = (struct dir_file_write){
        .path = m->state_path, .bytes = bytes_of(m->text.data, m->text.size), .checksum = true};
    dir_file_put(q->dir, &m->write, on_saved);
}

/* ---- the log ---- */

/* K-7. A log that does not take it ends below it, which raft is told next. */
static void append_leader_change(struct quorum *q)
{
    const struct raft_voters *voters = raft_voters(q->raft);
    struct wire_leader_change_message_voter ids[RAFT_VOTERS_MAX];
    struct wire_leader_change_message message = {
        .leader_id = q->settings.controller.node_id, .voters_count = voters->count, .voters = ids};
    struct metadata_batch batch;
    struct log_appended appended;
    if (log_end(q->log) != q->member->out.log_offset)
        return;
    for (int32_t i = 0; i < voters->count; i++)
        ids[i] = (struct wire_leader_change_message_voter){.voter_id = voters->keys[i].id};
    metadata_batch_init(&batch, q->mem, env_wall(q->env), log_end(q->log), q->epoch);
    enum err e = metadata_batch_add_leader_change(&batch, &message);
    if (e == ERR_NONE && q->member->out.log_count == RAFT_FIRST_RECORDS)
        e = quorum_electors_put(quorum_electors_at(q, log_end(q->log)), &batch);
    if (e == ERR_NONE)
        e = metadata_batch_finish(&batch);
    if (e == ERR_NONE)
        log_append(q->log, slice_of(batch.writes[0].buf, 0, batch.writes[0].size), q->epoch,
                   env_wall(q->env), &appended);
    metadata_batch_free(&batch);
}

static void cut(struct quorum *q);

static void on_cut(struct log_op *op, enum err e)
{
    struct member *m = CONTAINER_OF(op, struct member, log_op);
    struct quorum *q = m->install.q;
    ASSERT(m->busy == MEMBER_CUTS);
    if (e != ERR_NONE) {
        refused(q);
        quorum_member_go_on(q);
        return;
    }
    m->working = false;
    m->busy = MEMBER_FREE;
    m->log_done = true;
    ASSERT(log_end(q->log) <= m->out.log_offset);
    bool paused = quorum_member_pause(q);
    if (m->out.log == RAFT_LOG_RESET)
        quorum_install_log_done(q);
    do_rest(q);
    quorum_member_resume(q, paused);
}

static void cut(struct quorum *q)
{
    struct member *m = q->member;
    m->again_ns = INT64_MAX;
    m->busy = MEMBER_CUTS;
    m->working = true;
    if (m->out.log == RAFT_LOG_TRUNCATE)
        log_truncate(q->log, m->out.log_offset, &m->log_op, on_cut);
    else
        log_reset(q->log, m->out.log_offset, &m->log_op, on_cut);
}

static void do_log(struct quorum *q)
{
    struct member *m = q->member;
    switch (m->out.log) {
    case RAFT_LOG_NONE:
        break;
    case RAFT_LOG_LEADER_CHANGE:
        append_leader_change(q);
        break;
    case RAFT_LOG_APPEND:
        if (m->stepped != NULL) /* else it is the leader's own, and there already */
            quorum_fetched_append(q, m->stepped->bytes, m->out.log_count);
        break;
    case RAFT_LOG_TRUNCATE:
    case RAFT_LOG_RESET:
        cut(q);
        return;
    }
    do_rest(q);
}

/* ---- the rest ---- */

static void do_rest(struct quorum *q)
{
    struct member *m = q->member;
    struct quorum_ask *held = m->held;
    struct sent *stepped = m->stepped;
    m->held = NULL;
    m->stepped = NULL;
    if (m->out.store)
        quorum_install_store(q, &stepped->response, stepped->bytes);
    if (m->out.moved)
        TRACE(q->trace, QUORUM_COMMIT, .epoch = q->epoch,
              .watermark = (uint64_t)raft_high_watermark(q->raft),
              .durable = (uint64_t)log_counting_end(q->log));
    if (held != NULL)
        quorum_ask_answered(q, held, &m->out.answer);
    for (int32_t i = 0; i < m->out.message_count; i++)
        quorum_sent_send(q, &m->out.messages[i]);
    if (m->out.stop != NULL)
        m->stop = m->out.stop;
    m->deadline_ns = m->out.deadline_ns;
    if (stepped != NULL)
        quorum_sent_free(q, stepped);
}

/* What it appended as a leader and is not committed may be committed by others, or never. */
void quorum_effects_give_up(struct quorum *q)
{
    struct member *m = q->member;
    if (!m->active)
        return;
    m->active = false;
    quorum_brokers_end(q);
    m->role_changed = true;
    quorum_requests_take(q, &m->lost_requests);
    quorum_change_drop(q);
}

static void change_role(struct quorum *q)
{
    struct member *m = q->member;
    const struct raft_state *state = raft_state(q->raft);
    m->role_changed = true;
    TRACE(q->trace, QUORUM_ROLE, .epoch = state->epoch, .role = raft_role(q->raft),
          .leader_id = state->leader_id, .voted_id = state->voted.id,
          .end = (uint64_t)raft_end(q->raft));
    quorum_ask_refuse(q);
    quorum_effects_give_up(q);
}

void quorum_effects_do(struct quorum *q)
{
    struct member *m = q->member;
    ASSERT(m->busy == MEMBER_FREE);
    if (m->out.role_changed)
        change_role(q);
    if (m->out.save)
        save(q);
    else
        do_log(q);
}

void quorum_effects_again(struct quorum *q)
{
    struct member *m = q->member;
    ASSERT(!m->working);
    m->again_ns = INT64_MAX;
    if (q->closing)
        return;
    if (m->busy == MEMBER_SAVES)
        save(q);
    else if (m->busy == MEMBER_CUTS)
        cut(q);
}
