/* ledger.c - what the rows of all nodes add up to: who led, who voted, what is committed. */
#include "several.h"

static void cut_log(struct host *h, int64_t end)
{
    for (int64_t i = end; i < h->end; i++)
        h->log[i].there = false;
    h->end = end;
    h->start = MIN(h->start, end);
}

static void on_role(struct host *h, const struct trace_QUORUM_ROLE *row)
{
    if (row->epoch < h->epoch && row->epoch < h->saved.epoch && !h->vote_lost)
        several_wrong("an epoch went back");
    h->epoch = (int32_t)row->epoch;
    h->roles |= 1u << row->role;
    if (h->begins && !h->vote_lost) /* what a life begins with it has read, whoever was told that it
                                       was written */
        h->saved = (struct trace_QUORUM_SAVED){
            .epoch = row->epoch, .leader_id = row->leader_id, .voted_id = row->voted_id};
    h->begins = false;
    if (row->role != RAFT_LEADER)
        return;
    ASSERT(row->epoch < EPOCHS_MAX);
    int *leader = &sv->leaders[row->epoch];
    if (*leader != 0 && *leader != h->index + 1)
        several_wrong("two lead in one epoch");
    if (*leader == 0)
        sv->elections++;
    *leader = h->index + 1;
}

static void on_vote(struct host *h, const struct trace_QUORUM_VOTE *row)
{
    if (!row->granted || row->pre)
        return;
    if (h->saved.epoch != row->epoch || h->saved.voted_id != row->candidate)
        several_wrong("a vote left that is not on the disk");
}

/* What it calls committed is what everybody calls committed, and is on its disk. */
static void on_commit(struct host *h, const struct trace_QUORUM_COMMIT *row)
{
    int64_t end = (int64_t)row->watermark;
    if (end < h->watermark)
        several_wrong("a watermark went back");
    h->watermark = end;
    if (end > (int64_t)row->durable)
        several_wrong("a watermark is ahead of the disk");
    if (end > h->end)
        several_wrong("a watermark is ahead of the log");
    for (int64_t i = h->start; i < end && i < ROWS_MAX; i++) {
        struct batch_row *mine = &h->log[i], *all = &sv->committed[i];
        if (!mine->there)
            continue;
        if (!all->there)
            *all = *mine;
        if (all->crc != mine->crc || all->epoch != mine->epoch || all->last != mine->last)
            several_wrong("two call another batch committed");
    }
    sv->committed_end = MAX(sv->committed_end, end);
}

static void on_append(struct host *h, const struct trace_LOG_APPEND *row)
{
    int64_t first = (int64_t)row->first;
    ASSERT(first < ROWS_MAX);
    h->log[first] = (struct batch_row){.there = true,
                                       .last = (int64_t)row->last,
                                       .epoch = (int32_t)row->leader_epoch,
                                       .crc = (uint32_t)row->crc};
    h->end = (int64_t)row->last + 1;
}

static void on_saved(struct host *h, const struct trace_QUORUM_SAVED *row)
{
    if (h->failed)
        several_wrong("it votes on a disk that is offline");
    if (row->epoch < h->saved.epoch && !h->vote_lost)
        several_wrong("a state went back");
    /* A vote for itself that nobody has heard of elected nobody, and no life counts its votes. */
    bool given = h->saved.voted_id >= 0 && h->saved.voted_id != h->index + 1;
    if (h->vote_lost && given && row->epoch == h->saved.epoch)
        several_wrong("it takes part in an epoch in which it may have voted");
    bool lost = h->vote_lost;
    h->vote_lost = false;
    bool same = !lost && row->epoch == h->saved.epoch && h->saved.voted_id >= 0;
    if (same && row->voted_id != h->saved.voted_id)
        several_wrong("a vote was changed");
    h->saved = *row;
}

void several_row(struct world_sink *sink, const struct trace_row *row)
{
    (void)sink;
    struct host *h = NULL;
    for (int i = 0; i < sv->count; i++)
        h = sv->hosts[i].node == row->node ? &sv->hosts[i] : h;
    if (h == NULL)
        return;
    switch (row->kind) {
    case TRACE_QUORUM_ROLE:
        on_role(h, TRACE_AS(row, QUORUM_ROLE));
        break;
    case TRACE_QUORUM_VOTE:
        on_vote(h, TRACE_AS(row, QUORUM_VOTE));
        break;
    case TRACE_QUORUM_SAVED:
        on_saved(h, TRACE_AS(row, QUORUM_SAVED));
        break;
    case TRACE_QUORUM_COMMIT:
        on_commit(h, TRACE_AS(row, QUORUM_COMMIT));
        break;
    case TRACE_LOG_APPEND:
        on_append(h, TRACE_AS(row, LOG_APPEND));
        break;
    case TRACE_LOG_OPEN:
        cut_log(h, (int64_t)TRACE_AS(row, LOG_OPEN)->end);
        h->start = (int64_t)TRACE_AS(row, LOG_OPEN)->start;
        break;
    case TRACE_LOG_CUT:
        sv->truncations += TRACE_AS(row, LOG_CUT)->reason == 4;
        sv->installs += TRACE_AS(row, LOG_CUT)->reason == 5;
        cut_log(h, (int64_t)TRACE_AS(row, LOG_CUT)->end);
        break;
    case TRACE_LOG_START:
        h->start = (int64_t)TRACE_AS(row, LOG_START)->start;
        h->end = MAX(h->end, h->start);
        break;
    default:
        break;
    }
}
