/* fetched.c - what a leader's answer holds, as raft is to know it, and its way into the log.
 * Nothing of it is believed: a batch counts when it is whole and its CRC is right. */
#include "quorum/internal.h"

/* In a quorum with static voters (kraft.version 0) no log has a record of them: false, as for one
 * that cannot be read. */
static bool take_electors(struct quorum *q, const struct wire_batch *head, struct bytes in,
                          const struct raft_voters **voters)
{
    struct electors *electors;
    *voters = NULL;
    if (quorum_electors_read(q, head, in, head->base_offset, &electors, NULL) != ERR_NONE)
        return false;
    if (electors == NULL)
        return true;
    list_push_back(&q->electors_come, &electors->link);
    *voters = &electors->keys;
    return q->settings.dynamic;
}

int32_t quorum_fetched_read(struct quorum *q, struct bytes bytes)
{
    struct raft_batch *batches = q->member->batches;
    struct wire_batch head;
    const struct raft_voters *voters;
    int32_t count = 0;
    quorum_electors_drop_come(q);
    for (size_t at = 0; count < RAFT_BATCHES_MAX; at += (size_t)head.size) {
        if (wire_batch_at(bytes, at, &head, NULL) != WIRE_AT_BATCH)
            break;
        struct bytes in = bytes_of(bytes.data + at, (size_t)head.size);
        if (wire_batch_verify(&head, in.data, NULL) != ERR_NONE ||
            !take_electors(q, &head, in, &voters))
            break;
        batches[count++] = (struct raft_batch){.first = head.base_offset,
                                               .end = wire_batch_last_offset(&head) + 1,
                                               .epoch = head.leader_epoch,
                                               .voters = voters};
    }
    return count > 0 ? count : -1;
}

/* A log that does not take all of it ends earlier, which raft is told next. */
void quorum_fetched_append(struct quorum *q, struct slice bytes, int32_t count)
{
    struct wire_batch head;
    struct log_taken taken;
    struct errmsg msg;
    size_t size = 0;
    for (int32_t i = 0; i < count; i++) {
        enum wire_at what = wire_batch_at(slice_bytes(bytes), size, &head, NULL);
        ASSERT(what == WIRE_AT_BATCH);
        size += (size_t)head.size;
    }
    bytes.size = (uint32_t)size;
    enum err e = log_append_as_is(q->log, bytes, q->epoch, &taken, &msg);
    if (e != ERR_NONE)
        quorum_sent_refused(q);
}
