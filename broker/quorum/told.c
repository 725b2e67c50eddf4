/* told.c - what raft hears next: of the disk first, for what others are told rests on it; then of
 * other nodes, and of time. What is so is looked at anew each time, so that nothing is missed while
 * raft is told of nothing. */
#include "quorum/internal.h"

/* Nothing that is committed is ever taken back here, for others are given what is durable alone: a
 * log that ends below is damaged. */
static void stop_if_short(struct quorum *q)
{
    if (log_end(q->log) >= raft_high_watermark(q->raft))
        return;
    q->member->stop =
        "the metadata log ends below what is committed: put the log directory back from "
        "a copy, or start this node with an empty one under a new directory id";
    q->member->open = false;
}

/* Of what this node itself has done. */
static bool own_work(struct quorum *q, struct raft_event *event)
{
    struct member *m = q->member;
    int64_t durable = MIN(log_counting_end(q->log), raft_end(q->raft));
    if (m->saved) {
        event->type = RAFT_SAVED;
    } else if (m->log_done) {
        event->type = RAFT_LOG_DONE;
        event->synced.end = durable;
        event->synced.generation = q->generation;
    } else if (log_end(q->log) < raft_end(q->raft)) {
        event->type = RAFT_CUT;
        event->cut.end = log_end(q->log);
    } else if (durable > m->synced) {
        event->type = RAFT_SYNCED;
        event->synced.end = durable;
        event->synced.generation = q->generation;
    } else {
        return false;
    }
    return true;
}

static bool own_snapshot(struct quorum *q, struct raft_event *event)
{
    struct member *m = q->member;
    int64_t start = log_start(q->log);
    if (quorum_snapshot_offset(q) <= m->snapshot_offset && start <= m->log_start)
        return false;
    event->type = RAFT_SNAPSHOT;
    event->snapshot.id = quorum_carry_newest_snapshot(q);
    event->snapshot.log_start = start;
    event->snapshot.log_start_epoch = start > 0 ? quorum_carry_epoch_before(q, start) : 0;
    return true;
}

static bool stored(struct quorum *q, struct raft_event *event)
{
    struct install *install = &q->member->install;
    event->type = RAFT_STORED;
    event->stored.position = -1;
    if (install->refused != 0) {
        event->stored.number = install->refused;
        return true;
    }
    if (!install->stored)
        return false;
    event->stored.number = install->number;
    event->stored.position = install->stored_position;
    event->stored.whole = install->image != NULL;
    if (install->load.electors != NULL) {
        list_push_back(&q->electors_come, &install->load.electors->link);
        event->stored.voters = &install->load.electors->keys;
        install->load.electors = NULL;
    }
    return true;
}

bool quorum_told_next(struct quorum *q, struct raft_event *event)
{
    struct member *m = q->member;
    stop_if_short(q);
    if (!m->open)
        return false;
    if (own_work(q, event) || own_snapshot(q, event) || stored(q, event))
        return true;
    if (m->resign) {
        event->type = RAFT_RESIGN;
        return true;
    }
    if (m->lost_count > 0) {
        event->type = RAFT_LOST;
        event->lost.api = m->lost[m->lost_count - 1].api;
        event->lost.number = m->lost[m->lost_count - 1].number;
        event->lost.refused = false;
        return true;
    }
    if (quorum_sent_next(q, event))
        return true;
    struct quorum_ask *ask = LIST_FIRST(&m->waiting, struct quorum_ask, link);
    if (ask != NULL) {
        event->type = RAFT_REQUEST;
        event->request = ask->request;
        return true;
    }
    event->type = RAFT_TICK;
    return m->deadline_ns <= event->now_ns;
}

static void heard_stored(struct install *install)
{
    if (install->refused != 0)
        install->refused = 0;
    else
        install->stored = false;
}

/* What a request or a response brought is of the step until its effects are done. */
static void heard_others(struct quorum *q, const struct raft_event *event)
{
    struct member *m = q->member;
    if (event->type == RAFT_REQUEST) {
        m->held = CONTAINER_OF(list_pop_front(&m->waiting), struct quorum_ask, link);
        m->held->asked = QUORUM_ASK_HELD;
    } else if (event->type == RAFT_LOST && m->lost_count > 0) {
        m->lost_count--;
    } else {
        m->stepped = CONTAINER_OF(list_pop_front(&m->came), struct sent, link);
    }
}

void quorum_told_heard(struct quorum *q, const struct raft_event *event)
{
    struct member *m = q->member;
    switch (event->type) {
    case RAFT_SAVED:
        m->saved = false;
        return;
    case RAFT_LOG_DONE:
        m->log_done = false;
        m->synced = event->synced.end;
        return;
    case RAFT_SYNCED:
        m->synced = event->synced.end;
        return;
    case RAFT_SNAPSHOT:
        m->snapshot_offset = event->snapshot.id.offset;
        m->log_start = event->snapshot.log_start;
        return;
    case RAFT_STORED:
        heard_stored(&m->install);
        return;
    case RAFT_RESIGN:
        m->resign = false;
        return;
    case RAFT_REQUEST:
    case RAFT_RESPONSE:
    case RAFT_LOST:
        heard_others(q, event);
        return;
    case RAFT_CUT:
        quorum_effects_give_up(q);
        return;
    case RAFT_TICK:
    case RAFT_APPEND:
    case RAFT_EVENT_COUNT:
        return;
    }
}
