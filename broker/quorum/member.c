/* member.c - carries raft (raft.h) for a node that is one of several voters, or observes them: one
 * step after the other, each with all its effects, and what comes of it for those who wait. Nothing
 * is told to anybody while a step is being done. */
#include "quorum/internal.h"

enum err quorum_member_new(struct quorum *q)
{
    struct member *m = mem_zalloc(q->mem, sizeof *m);
    if (m == NULL)
        return ERR_NOMEM;
    list_init(&m->came);
    list_init(&m->waiting);
    list_init(&m->sent);
    list_init(&m->parked);
    list_init(&m->answering);
    list_init(&m->lost_requests);
    text_init(&m->text, q->mem);
    m->deadline_ns = m->again_ns = m->parked_ns = m->load_again_ns = INT64_MAX;
    m->install.q = q;
    q->member = m;
    return ERR_NONE;
}

static void free_sent(struct quorum *q, struct list *list)
{
    struct list *link;
    while ((link = list_pop_front(list)) != NULL)
        quorum_sent_free(q, CONTAINER_OF(link, struct sent, link));
}

void quorum_member_free(struct quorum *q)
{
    struct member *m = q->member;
    if (m == NULL)
        return;
    ASSERT(m->ask_count == 0);
    ASSERT(!m->working);
    free_sent(q, &m->sent);
    free_sent(q, &m->came);
    if (m->stepped != NULL) /* its effects were never done */
        quorum_sent_free(q, m->stepped);
    metadata_image_release(m->install.image);
    quorum_electors_free(q, m->install.load.electors);
    text_free(&m->text);
    mem_free(q->mem, m);
    q->member = NULL;
}

/* ---- one step after the other ---- */

/* Its disk is offline, or will be closed. */
static bool is_leaving(const struct quorum *q)
{
    return q->offline || q->resting || q->closing;
}

/* True: one was done. */
static bool step_on(struct quorum *q)
{
    struct member *m = q->member;
    struct raft_event event = {.now_ns = env_now(q->env)};
    if (is_leaving(q) && !m->resign && m->busy == MEMBER_FREE)
        m->open = false; /* it has resigned: no vote, no answer from here on */
    if (!m->open || m->busy != MEMBER_FREE || m->short_ns > event.now_ns ||
        !quorum_told_next(q, &event))
        return false;
    event.chance = env_random(q->env, "quorum/raft", (uint64_t)event.type);
    if (raft_step(q->raft, &event, &m->out) != ERR_NONE) {
        m->short_ns = event.now_ns + DIR_SHORT_MS * 1000000ll;
        return false;
    }
    q->generation = m->out.log_generation;
    q->epoch = raft_state(q->raft)->epoch;
    quorum_electors_settle(q);
    quorum_told_heard(q, &event);
    quorum_effects_do(q);
    return true;
}

void quorum_member_appended(struct quorum *q, int64_t end)
{
    struct member *m = q->member;
    int64_t count = end - raft_end(q->raft);
    struct raft_event event = {.type = RAFT_APPEND, .now_ns = env_now(q->env)};
    ASSERT(m->running);
    ASSERT(m->busy == MEMBER_FREE);
    ASSERT(count > 0);
    event.append.epoch = q->epoch;
    event.append.count = (int32_t)count;
    event.chance = env_random(q->env, "quorum/raft", (uint64_t)event.type);
    enum err e = raft_step(q->raft, &event, &m->out);
    ASSERT(e == ERR_NONE); /* it needs no memory */
    ASSERT(m->out.answer.code == WIRE_ERROR_NONE);
    ASSERT(raft_end(q->raft) == end);
    quorum_effects_do(q);
    ASSERT(m->busy == MEMBER_FREE);
}

/* ---- leading ---- */

/* All that was ever committed is in the image, and nothing else is in the log. */
static void consider_leading(struct quorum *q)
{
    struct member *m = q->member;
    if (m->active || !m->open || m->busy != MEMBER_FREE || !raft_leads(q->raft))
        return;
    if (q->committed->offset + 1 != raft_end(q->raft))
        return;
    ASSERT(list_empty(&q->changes));
    ASSERT(q->tail == q->committed);
    m->active = true;
    m->role_changed = true;
    m->again = true;
    quorum_brokers_begin(q);
}

/* ---- what is told to others ---- */

static void tell_lost_requests(struct quorum *q)
{
    struct list lost;
    list_init(&lost);
    list_splice_back(&lost, &q->member->lost_requests);
    quorum_requests_tell_lost(q, &lost, WIRE_ERROR_NOT_CONTROLLER,
                              "this node leads the metadata log no longer");
}

static void tell_owner(struct quorum *q)
{
    struct member *m = q->member;
    if (m->role_changed) {
        m->role_changed = false;
        if (q->watch != NULL && q->watch->role_changed != NULL)
            q->watch->role_changed(q->watch);
    }
    if (q->electors_changed) {
        q->electors_changed = false;
        if (q->watch != NULL && q->watch->voters_changed != NULL)
            q->watch->voters_changed(q->watch);
    }
    if (m->stop != NULL && !m->stop_told) {
        m->stop_told = true;
        if (q->watch != NULL && q->watch->stopped != NULL)
            q->watch->stopped(q->watch, m->stop);
    }
    if (m->failed != ERR_NONE && !m->failed_told) {
        m->failed_told = true;
        if (q->watch != NULL)
            q->watch->failed(q->watch, m->failed);
    }
}

void quorum_member_log_failed(struct quorum *q, enum err e)
{
    struct member *m = q->member;
    if (m->failed != ERR_NONE)
        return;
    q->offline = true;
    m->failed = e;
    m->resign = true;
}

/* ---- the end ---- */

/* Who led stays until others have heard of its end, or it is past hand_over_ns. */
static bool hands_over(const struct quorum *q)
{
    const struct member *m = q->member;
    bool well = m->open && !q->offline && q->raft != NULL;
    return well && m->hand_over_ns > env_now(q->env) && raft_hands_over(q->raft);
}

static void consider_closing(struct quorum *q)
{
    struct member *m = q->member;
    if (q->closing && hands_over(q))
        return;
    bool quiet = !m->working && !m->loading && !m->install.busy && m->ask_count == 0;
    if (!q->closing || q->closed || !quiet || q->replay != NULL || quorum_snapshot_busy(q))
        return;
    q->closed = true;
    m->open = false;
    env_disarm(q->env, &m->timer);
    quorum_closing_go_on(q);
}

/* ---- the loop ---- */

static void on_timer(struct env_timer *timer)
{
    quorum_member_go_on(CONTAINER_OF(timer, struct member, timer)->install.q);
}

static int64_t next_ns(const struct quorum *q)
{
    const struct member *m = q->member;
    int64_t due = MIN(m->parked_ns, m->load_again_ns);
    if (q->closing && m->hand_over_ns > env_now(q->env))
        due = MIN(due, m->hand_over_ns);
    if (m->busy == MEMBER_FREE && m->open) /* without memory something is to be told again */
        due = MIN(due, m->short_ns > env_now(q->env) ? m->short_ns : m->deadline_ns);
    return m->working ? due : MIN(due, m->again_ns);
}

static void arm(struct quorum *q)
{
    struct member *m = q->member;
    int64_t due = next_ns(q);
    if (q->closed || due == INT64_MAX) {
        env_disarm(q->env, &m->timer);
        return;
    }
    m->timer.fire = on_timer;
    env_arm(q->env, &m->timer, MAX(due, env_now(q->env)));
}

/* Who asks is not kept waiting by a disk that refuses. */
static void abandon(struct quorum *q)
{
    const struct member *m = q->member;
    bool stuck = m->busy != MEMBER_FREE && !m->working;
    if (!m->open || stuck)
        quorum_ask_abandon(q, !m->open || q->closing);
}

void quorum_member_go_on(struct quorum *q)
{
    struct member *m = q->member;
    m->again = true;
    if (m->running)
        return;
    m->running = true;
    while (m->again) {
        m->again = false;
        if (m->again_ns <= env_now(q->env))
            quorum_effects_again(q);
        while (step_on(q))
            ;
        abandon(q);
        quorum_ask_look(q);
        while (quorum_applied_follow(q))
            ;
        consider_leading(q);
        tell_lost_requests(q);
        quorum_ask_tell(q);
        tell_owner(q);
    }
    arm(q);
    m->running = false;
    consider_closing(q);
}

bool quorum_member_pause(struct quorum *q)
{
    if (q->member == NULL)
        return true;
    bool paused = q->member->running;
    q->member->running = true;
    return paused;
}

void quorum_member_resume(struct quorum *q, bool paused)
{
    if (paused)
        return;
    q->member->running = false;
    quorum_member_go_on(q);
}

void quorum_member_begin(struct quorum *q)
{
    struct member *m = q->member;
    m->open = true;
    m->synced = MIN(log_counting_end(q->log), raft_end(q->raft));
    m->snapshot_offset = quorum_snapshot_offset(q);
    m->log_start = log_start(q->log);
    m->removed_end = log_end(q->log);
    m->deadline_ns = 0; /* at once */
    q->epoch = raft_state(q->raft)->epoch;
    quorum_electors_settle(q);
    TRACE(q->trace, QUORUM_ROLE, .epoch = q->epoch, .role = raft_role(q->raft),
          .leader_id = raft_state(q->raft)->leader_id, .voted_id = raft_state(q->raft)->voted.id,
          .end = (uint64_t)raft_end(q->raft));
    if (raft_high_watermark(q->raft) > 0) /* of a life before this one */
        TRACE(q->trace, QUORUM_COMMIT, .epoch = q->epoch,
              .watermark = (uint64_t)raft_high_watermark(q->raft),
              .durable = (uint64_t)log_counting_end(q->log));
}
