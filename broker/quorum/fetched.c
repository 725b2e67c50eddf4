/* fetched.c - what a leader's answer holds, as raft is to know it, and its way into the log.
 * Nothing of it is believed: a batch counts when it is whole and its CRC is right. */
#include "quorum/internal.h"

/* In a quorum with static voters (kraft.version 0) no log has a record of them. */
static bool names_voters(const struct wire_batch *head, struct bytes in)
{
    struct wire_records it;
    struct wire_record record;
    int16_t type;
    if ((head->attributes & WIRE_BATCH_CONTROL) == 0)
        return false;
    enum err e = wire_records_begin(&it, head, in, NULL);
    while (e == ERR_NONE && it.left > 0) {
        e = wire_records_next(&it, &record, NULL);
        if (e == ERR_NONE)
            e = wire_control_type(record.key, &type, NULL);
        if (e == ERR_NONE &&
            (type == WIRE_CONTROL_KRAFT_VERSION || type == WIRE_CONTROL_KRAFT_VOTERS))
            return true;
    }
    return false;
}

int32_t quorum_fetched_read(struct quorum *q, struct bytes bytes)
{
    struct raft_batch *batches = q->member->batches;
    struct wire_batch head;
    int32_t count = 0;
    for (size_t at = 0; count < RAFT_BATCHES_MAX; at += (size_t)head.size) {
        if (wire_batch_at(bytes, at, &head, NULL) != WIRE_AT_BATCH)
            break;
        struct bytes in = bytes_of(bytes.data + at, (size_t)head.size);
        if (wire_batch_verify(&head, in.data, NULL) != ERR_NONE || names_voters(&head, in))
            break;
        batches[count++] = (struct raft_batch){.first = head.base_offset,
                                               .end = wire_batch_last_offset(&head) + 1,
                                               .epoch = head.leader_epoch};
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
