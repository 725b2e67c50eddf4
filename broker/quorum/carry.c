/* carry.c - carries raft (raft.h) for a node that is its own quorum: what raft wants durable, and
 * what became of the log. It sends nothing, for there is nobody to hear it. */
#include "quorum/internal.h"

/* Nobody is waited for, so that none of these is ever due. */
#define ELECTION_TIMEOUT_NS (1000ll * 1000000)
#define FETCH_TIMEOUT_NS (2000ll * 1000000)
#define RETRY_BACKOFF_NS (20ll * 1000000)

static enum err step(struct quorum *q, struct raft_event *event)
{
    struct raft_effects out;
    event->now_ns = env_now(q->env);
    enum err e = raft_step(q->raft, event, &out);
    if (e != ERR_NONE)
        return e;
    ASSERT(out.stop == NULL);
    ASSERT(out.message_count == 0);
    ASSERT(out.save == (out.log == RAFT_LOG_LEADER_CHANGE));
    q->unsaved = q->unsaved || out.save;
    q->generation = out.log_generation;
    q->epoch = raft_state(q->raft)->epoch;
    return ERR_NONE;
}

/* Of the record before that offset, where the log may begin; or, where that is not known any more,
 * the next one's, which is not before it. */
int32_t quorum_carry_epoch_before(const struct quorum *q, int64_t offset)
{
    for (int32_t i = 0; i < q->snapshot_count; i++) {
        if (q->snapshots[i].offset == offset)
            return q->snapshots[i].epoch;
    }
    int32_t epoch = log_epoch_at(q->log, offset - 1);
    return MAX(epoch >= 0 ? epoch : log_epoch_at(q->log, offset), 0);
}

struct raft_snapshot_id quorum_carry_newest_snapshot(const struct quorum *q)
{
    if (q->snapshot_count == 0)
        return (struct raft_snapshot_id){.offset = -1};
    const struct snapshot_id *id = &q->snapshots[q->snapshot_count - 1];
    return (struct raft_snapshot_id){.offset = id->offset, .epoch = id->epoch};
}

/* All that a quorum of one has on its disk is committed. */
static enum err open_raft(struct quorum *q, int32_t epoch_seen, bool is_new)
{
    struct raft_key self = {.id = q->settings.controller.node_id};
    struct raft_settings settings = {.self = self,
                                     .election_timeout_ns = ELECTION_TIMEOUT_NS,
                                     .election_backoff_ns = ELECTION_TIMEOUT_NS,
                                     .fetch_timeout_ns = FETCH_TIMEOUT_NS,
                                     .retry_backoff_ns = RETRY_BACKOFF_NS};
    struct raft_state state = {.epoch = epoch_seen, .leader_id = self.id, .voted.id = RAFT_NOBODY};
    struct raft_voter_set voters = {.offset = -1, .voters = {.keys = {self}, .count = 1}};
    struct raft_start start = {
        .now_ns = env_now(q->env),
        .state = epoch_seen > 0 ? &state : NULL,
        .log_start = log_start(q->log),
        .log_end = log_end(q->log),
        .log_start_epoch =
            log_start(q->log) > 0 ? quorum_carry_epoch_before(q, log_start(q->log)) : 0,
        .epochs = is_new ? NULL : log_epochs(q->log), /* made with the first */
        .snapshot = quorum_carry_newest_snapshot(q),
        .high_watermark = log_end(q->log),
        .voter_sets = &voters,
        .voter_set_count = 1};
    return raft_open(&q->raft, q->mem, &settings, &start);
}

enum err quorum_carry_lead(struct quorum *q, int32_t epoch_seen, bool is_new)
{
    enum err e = q->raft == NULL ? open_raft(q, epoch_seen, is_new) : ERR_NONE;
    if (e != ERR_NONE || q->unsaved)
        return e;
    if (raft_role(q->raft) == RAFT_LEADER)
        e = step(q, &(struct raft_event){.type = RAFT_CUT, .cut.end = log_end(q->log)});
    else
        e = step(q, &(struct raft_event){.type = RAFT_TICK});
    ASSERT(e != ERR_NONE || q->unsaved);
    ASSERT(e != ERR_NONE || raft_role(q->raft) == RAFT_LEADER);
    return e;
}

enum err quorum_carry_saved(struct quorum *q)
{
    if (!q->unsaved)
        return ERR_NONE;
    enum err e = step(q, &(struct raft_event){.type = RAFT_SAVED});
    if (e == ERR_NONE)
        q->unsaved = false;
    return e;
}

/* What is told of the log needs no memory. */
static void tell(struct quorum *q, struct raft_event event)
{
    ASSERT(!q->unsaved);
    enum err e = step(q, &event);
    ASSERT(e == ERR_NONE);
}

void quorum_carry_appended(struct quorum *q, int64_t end)
{
    int64_t count = end - raft_end(q->raft);
    ASSERT(raft_role(q->raft) == RAFT_LEADER);
    ASSERT(count >= 0);
    if (count == 0) /* the LeaderChange alone */
        return;
    tell(q, (struct raft_event){.type = RAFT_APPEND,
                                .append = {.epoch = q->epoch, .count = (int32_t)count}});
    ASSERT(raft_end(q->raft) == end);
}

int64_t quorum_carry_committed(struct quorum *q)
{
    int64_t end = MIN(log_counting_end(q->log), raft_end(q->raft));
    if (!q->unsaved && end > raft_high_watermark(q->raft))
        tell(q, (struct raft_event){.type = RAFT_SYNCED,
                                    .synced = {.end = end, .generation = q->generation}});
    return raft_high_watermark(q->raft);
}

void quorum_carry_cut(struct quorum *q, int64_t end)
{
    if (end < raft_end(q->raft))
        tell(q, (struct raft_event){.type = RAFT_CUT, .cut.end = end});
    ASSERT(!q->unsaved);
}

void quorum_carry_snapshot(struct quorum *q)
{
    int64_t start = log_start(q->log);
    if (!q->unsaved)
        tell(q, (struct raft_event){
                    .type = RAFT_SNAPSHOT,
                    .snapshot = {.id = quorum_carry_newest_snapshot(q),
                                 .log_start = start,
                                 .log_start_epoch =
                                     start > 0 ? quorum_carry_epoch_before(q, start) : 0}});
}
