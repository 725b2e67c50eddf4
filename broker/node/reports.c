/* reports.c - which partitions of this broker cannot serve, or lack what they had acknowledged
 * (S-9): its heartbeats say it until they can again, or until it is known, and a broker that lacks
 * something is not let in before. And that its disk is full, so that others lead. */
#include "node/internal.h"

/* So long after somebody last waited for room it is still said to be full: a disk that has a little
 * now and then does not move leaders to and fro. */
#define FULL_SETTLE_NS ENV_NS_OF_MS(10000)

static enum controller_trouble trouble_of(const struct replica *r)
{
    switch (replica_trouble(r)) {
    case REPLICA_OFFLINE:
        return CONTROLLER_OFFLINE;
    case REPLICA_CORRUPT:
        return CONTROLLER_CORRUPT;
    case REPLICA_INCOMPLETE:
        return CONTROLLER_INCOMPLETE;
    case REPLICA_WELL:
        break;
    }
    UNREACHABLE();
}

/* As the image knows it: the controller goes by the newest. */
static int32_t leader_epoch_of(const struct broker *b, const struct replica *r)
{
    const struct metadata_topic *topic =
        metadata_find_id(quorum_current(b->quorum), replica_topic_id(r));
    return topic == NULL || replica_partition(r) >= topic->partition_count
               ? replica_leader_epoch(r)
               : metadata_partition(topic, replica_partition(r))->leader_epoch;
}

static void add(struct broker *b, const struct replica *r)
{
    struct reports *reports = &b->reports;
    enum controller_trouble trouble = trouble_of(r);
    reports->lacking |= trouble != CONTROLLER_OFFLINE;
    if (reports->rows == NULL)
        reports->rows = mem_array(b->mem, CONTROLLER_REPORTS_MAX, sizeof *reports->rows);
    if (reports->rows == NULL || reports->count == CONTROLLER_REPORTS_MAX) {
        reports->too_many = true;
        return;
    }
    reports->rows[reports->count++] =
        (struct controller_report){.topic_id = *replica_topic_id(r),
                                   .partition = replica_partition(r),
                                   .leader_epoch = leader_epoch_of(b, r),
                                   .trouble = trouble};
}

/* ---- room ---- */

void broker_reports_full(struct broker *b)
{
    b->reports.full_ns = env_now(b->env);
    broker_membership_hurry(b);
}

static bool is_full(struct broker *b)
{
    struct reports *reports = &b->reports;
    int64_t now_ns = env_now(b->env);
    if (dir_waits_for_room(b->dir))
        reports->full_ns = now_ns;
    return reports->full_ns != 0 && now_ns - reports->full_ns < FULL_SETTLE_NS;
}

/* ---- heartbeats ---- */

void broker_reports_fill(struct broker *b, struct controller_heartbeat *beat)
{
    struct reports *reports = &b->reports;
    reports->count = 0;
    reports->too_many = reports->lacking = false;
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_next(&b->replicas, r)) {
        if (replica_trouble(r) != REPLICA_WELL && !replica_is_deleted(r))
            add(b, r);
    }
    if (!reports->lacking)
        reports->told = true;
    beat->reports = reports->rows;
    beat->report_count = reports->count;
    beat->is_full = is_full(b);
    beat->want_fence |= reports->too_many || !reports->told;
}

bool broker_reports_taken(struct broker *b, const struct controller_heartbeat *beat)
{
    struct reports *reports = &b->reports;
    if (beat->report_count == 0 || beat->taken == CONTROLLER_REPORTS_LATE)
        return true;
    if (beat->taken == CONTROLLER_REPORTS_UNKNOWN && !b->membership.renewed)
        return !reports->lacking || reports->told;
    reports->told = !reports->too_many;
    for (int32_t i = 0; i < beat->report_count; i++) {
        const struct controller_report *row = &beat->reports[i];
        struct replica *r = replica_find(&b->replicas, &row->topic_id, row->partition);
        if (r != NULL && row->trouble == CONTROLLER_INCOMPLETE)
            replica_excuse(r);
    }
    return true;
}

bool broker_reports_are_told(const struct broker *b)
{
    return b->reports.told;
}

void broker_reports_free(struct broker *b)
{
    mem_free(b->mem, b->reports.rows);
}
