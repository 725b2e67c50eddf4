/* join.c - a node that is one of several begins to take part: an install that a crash cut short is
 * brought to its end, and raft is opened with what is known of its vote. A vote that cannot be read
 * is not "no vote": raft abstains then (K-3). */
#include "quorum/internal.h"

static struct replay *replay_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct replay, steps);
}

/* ---- an install ---- */

/* The newest snapshot stands for more than the log has, or for something else: it had its name
 * already, and the log was to be put away in its favour. */
static bool install_is_open(const struct quorum *q)
{
    struct raft_snapshot_id id = quorum_carry_newest_snapshot(q);
    if (id.offset <= log_start(q->log))
        return false;
    return id.offset > log_end(q->log) || log_epoch_at(q->log, id.offset - 1) != id.epoch;
}

static void on_reset(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, log_op);
    waiter_tell(r->waiter, e);
}

static enum steps_flow install_on(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    if (!install_is_open(q))
        return STEPS_NEXT;
    r->waiter = steps_waiter(steps);
    log_reset(q->log, quorum_snapshot_offset(q), &r->log_op, on_reset);
    return STEPS_WAIT;
}

/* ---- quorum-state ---- */

static enum steps_flow read_state(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    char folder[ENV_PATH_MAX];
    dir_path_join(folder, q->settings.dir, METADATA_LOG_TOPIC, "-0");
    dir_path_join(r->state_path, folder, QUORUM_STATE_NAME, "");
    dir_path_join(r->crc_path, folder, QUORUM_STATE_NAME, ".crc");
    memcpy(q->member->state_path, r->state_path, sizeof r->state_path);
    dir_get(q->dir, &r->get, r->state_path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow read_checksum(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    dir_get(r->q->dir, &r->crc, r->crc_path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* One without a checksum is another implementation's. */
static enum steps_flow judge_state(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct bytes file = dir_got(&r->get);
    bool fits = !r->crc.found || format_crc_check(dir_got(&r->crc), file) == ERR_NONE;
    (void)steps;
    r->state_known = r->get.found && file.size <= QUORUM_STATE_BYTES_MAX && fits &&
                     quorum_state_parse(file, &r->state);
    return STEPS_NEXT;
}

/* ---- raft ---- */

static enum steps_flow open_raft(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    const struct quorum_settings *s = &q->settings;
    struct raft_settings settings = {.self = {.id = s->controller.node_id},
                                     .bootstrap_count = s->bootstrap_count,
                                     .election_timeout_ns = s->election_timeout_ns,
                                     .election_backoff_ns = s->election_backoff_ns,
                                     .fetch_timeout_ns = s->fetch_timeout_ns,
                                     .retry_backoff_ns = s->retry_backoff_ns};
    struct raft_voter_set voters = {.offset = -1, .voters = s->voters};
    int64_t start_offset = log_start(q->log);
    struct raft_start start = {
        .now_ns = env_now(q->env),
        .chance = env_random(q->env, "quorum/raft", RAFT_EVENT_COUNT),
        .state = r->state_known ? &r->state : NULL,
        .vote_lost = !r->state_known, /* it is as old as the log */
        .log_start = start_offset,
        .log_end = log_end(q->log),
        .log_start_epoch = start_offset > 0 ? quorum_carry_epoch_before(q, start_offset) : 0,
        .epochs = log_epochs(q->log),
        .snapshot = quorum_carry_newest_snapshot(q),
        .high_watermark = q->committed->offset + 1,
        .voter_sets = &voters,
        .voter_set_count = 1};
    ASSERT(log_counting_end(q->log) == log_end(q->log)); /* all that recovery left is durable */
    return steps_check(steps, raft_open(&q->raft, q->mem, &settings, &start));
}

static const struct step join_steps[] = {
    {"reset the log of", install_on},
    {"read", read_state},
    {"read", read_checksum},
    {"read", judge_state},
    {"open", open_raft},
    {NULL, NULL},
};

static void joined(struct steps *steps, enum err e)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    dir_get_free(&r->get);
    dir_get_free(&r->crc);
    if (e != ERR_NONE) {
        errmsg_set(&q->op->msg, e, "cannot %s %s: %s", steps_what(steps), r->state_path,
                   err_text(e));
        quorum_replay_fail(r, e);
        return;
    }
    q->replay = NULL;
    quorum_replay_free(r);
    quorum_member_begin(q);
    quorum_op_done(q, ERR_NONE);
    quorum_member_go_on(q);
}

void quorum_join(struct replay *r)
{
    struct quorum *q = r->q;
    quorum_replay_image(r);
    r->get = r->crc = (struct dir_get){.dir = q->dir};
    steps_start(&r->steps, q->env, join_steps, joined);
}
