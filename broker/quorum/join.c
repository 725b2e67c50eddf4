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

/* ---- who votes, by the log behind the snapshot (kraft.version 1) ---- */

enum {
    JOIN_INSTALL,
    JOIN_TAIL,
    JOIN_LOOK,
    JOIN_FIRST,
    JOIN_NAMED,
    JOIN_STATE,
    JOIN_CRC,
    JOIN_JUDGE,
    JOIN_OPEN
};

static void on_tail(struct log_op *op, enum err e)
{
    struct replay *r = CONTAINER_OF(op, struct replay, read.op);
    waiter_tell(r->waiter, e);
}

static enum steps_flow read_tail(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    r->tail_at = MAX(r->tail_at, MAX(q->committed->offset + 1, log_start(q->log)));
    if (!q->settings.dynamic || r->tail_at >= log_end(q->log))
        return steps_go(steps, JOIN_FIRST);
    r->read = (struct log_read){.offset = r->tail_at,
                                .offset_end = log_end(q->log),
                                .bytes_max = QUORUM_REPLAY_BYTES,
                                .at_least_one = true};
    r->waiter = steps_waiter(steps);
    log_load(q->log, &r->read, on_tail);
    return STEPS_WAIT;
}

static enum err look(struct quorum *q, struct bytes in, struct errmsg *msg)
{
    struct wire_batch head;
    struct electors *electors;
    for (size_t at = 0; at < in.size; at += (size_t)head.size) {
        if (wire_batch_at(in, at, &head, msg) != WIRE_AT_BATCH)
            return at > 0 ? ERR_NONE : ERR_CORRUPT;
        enum err e = quorum_electors_read(q, &head, bytes_of(in.data + at, (size_t)head.size),
                                          head.base_offset, &electors, msg);
        if (e != ERR_NONE)
            return e;
        if (electors != NULL)
            quorum_electors_add(q, electors);
    }
    return ERR_NONE;
}

static enum steps_flow look_at_tail(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct bytes in = r->read.part_count > 0
                          ? bytes_of(r->read.parts[0].data, r->read.parts[0].size)
                          : bytes_of(NULL, 0);
    enum err e = look(r->q, in, &r->q->op->msg);
    bool stands = r->read.next_offset <= r->tail_at;
    r->tail_at = r->read.next_offset;
    log_read_release(&r->read);
    if (e == ERR_NONE && stands)
        e = ERR_CORRUPT;
    return e == ERR_NONE ? steps_go(steps, JOIN_TAIL) : steps_fail(steps, e);
}

/* No record says who votes, but the snapshot 0-0 that kiln format has put beside the log of a node
 * that was its own quorum. */
static enum steps_flow read_first(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    char folder[ENV_PATH_MAX], name[FORMAT_NAME_MAX];
    if (!q->settings.dynamic || !list_empty(&q->electors))
        return steps_go(steps, JOIN_STATE);
    format_checkpoint_name(name, 0, 0);
    dir_path_join(folder, q->settings.dir, METADATA_LOG_TOPIC, "-0");
    dir_path_join(r->state_path, folder, name, "");
    dir_get(q->dir, &r->get, r->state_path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow take_first(struct steps *steps)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    struct bytes file = dir_got(&r->get);
    struct wire_batch head;
    struct electors *electors = NULL;
    struct errmsg *msg = &q->op->msg;
    enum err e = ERR_NONE;
    if (r->get.found && wire_batch_at(file, 0, &head, msg) != WIRE_AT_BATCH)
        e = ERR_CORRUPT;
    if (r->get.found && e == ERR_NONE)
        e = wire_batch_verify(&head, file.data, msg);
    if (r->get.found && e == ERR_NONE)
        e = quorum_electors_read(q, &head, bytes_of(file.data, (size_t)head.size), -1, &electors,
                                 msg);
    if (electors != NULL)
        quorum_electors_add(q, electors);
    dir_get_free(&r->get);
    if (e != ERR_NONE)
        errmsg_wrap(msg, e, "%s", r->state_path);
    return steps_check(steps, e);
}

/* Those that raft knows, the newest of them; how many. */
static int32_t known_sets(const struct quorum *q, struct raft_voter_set *out)
{
    int32_t count = 0;
    LIST_EACH (e, &q->electors, struct electors, link) {
        if (count == RAFT_VOTER_SETS_MAX)
            memmove(out, out + 1, (size_t)--count * sizeof *out);
        out[count++] = (struct raft_voter_set){.offset = e->offset, .voters = e->keys};
    }
    if (count == 0)
        out[count++] = (struct raft_voter_set){.offset = -1, .voters = q->settings.voters};
    return count;
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

/* By Kafka's tool, which leaves a snapshot of the voters and no log; and nothing has been done in
 * it since, or there would be a checksum beside quorum-state. */
static bool is_formatted(const struct replay *r)
{
    const struct quorum *q = r->q;
    bool is_new = log_end(q->log) == 0 && quorum_carry_newest_snapshot(q).offset <= 0;
    return q->settings.dynamic && is_new && !r->get.found && !r->crc.found;
}

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
    struct raft_voter_set sets[RAFT_VOTER_SETS_MAX];
    int32_t set_count = known_sets(q, sets);
    if (s->dynamic)
        settings.self.directory = quorum_directory(q);
    settings.writes_voters = s->dynamic;
    int64_t start_offset = log_start(q->log);
    struct raft_start start = {
        .now_ns = env_now(q->env),
        .chance = env_random(q->env, "quorum/raft", RAFT_EVENT_COUNT),
        .state = r->state_known ? &r->state : NULL,
        .vote_lost = !r->state_known && !is_formatted(r), /* it is as old as the log */
        .log_start = start_offset,
        .log_end = log_end(q->log),
        .log_start_epoch = start_offset > 0 ? quorum_carry_epoch_before(q, start_offset) : 0,
        .epochs = log_epochs(q->log),
        .snapshot = quorum_carry_newest_snapshot(q),
        .high_watermark = q->committed->offset + 1,
        .voter_sets = sets,
        .voter_set_count = set_count};
    ASSERT(log_counting_end(q->log) == log_end(q->log)); /* all that recovery left is durable */
    return steps_check(steps, raft_open(&q->raft, q->mem, &settings, &start));
}

static const struct step join_steps[] = {
    [JOIN_INSTALL] = {"reset the log of", install_on},
    [JOIN_TAIL] = {"read the log of", read_tail},
    [JOIN_LOOK] = {"find the voters in the log of", look_at_tail},
    [JOIN_FIRST] = {"read", read_first},
    [JOIN_NAMED] = {"read", take_first},
    [JOIN_STATE] = {"read", read_state},
    [JOIN_CRC] = {"read", read_checksum},
    [JOIN_JUDGE] = {"read", judge_state},
    [JOIN_OPEN] = {"open", open_raft},
    {NULL, NULL},
};

static void joined(struct steps *steps, enum err e)
{
    struct replay *r = replay_of(steps);
    struct quorum *q = r->q;
    dir_get_free(&r->get);
    dir_get_free(&r->crc);
    if (e != ERR_NONE) {
        if (q->op->msg.text[0] == 0)
            errmsg_set(&q->op->msg, e, "cannot %s %s: %s", steps_what(steps),
                       r->state_path[0] == 0 ? q->settings.dir : r->state_path, err_text(e));
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
