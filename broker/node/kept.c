/* kept.c - the broker epoch that counts after a crash, too: while a file in the log directory says
 * it, every partition here keeps all that it acknowledges through a loss of power. So no log is
 * written with flush.policy = os before the file is gone, durably. */
#include "node/internal.h"

/* Whether some partition here is to be written with flush.policy = os. Ends at the first. */
static bool wants_os(const struct broker *b)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    for (int32_t i = 0; i < image->topic_count; i++) {
        const struct metadata_topic *topic = metadata_topic_at(image, i);
        struct metadata_topic_config settings;
        metadata_topic_configured(topic, quorum_topic_defaults(b->quorum), &settings);
        if (!broker_flushes_os(&settings))
            continue;
        for (int32_t k = 0; k < topic->partition_count; k++) {
            if (broker_partitions_are_here(b, metadata_partition(topic, k)))
                return true;
        }
    }
    return false;
}

/* What was written with flush.policy = os before is durable by now. */
static bool is_settled(const struct broker *b)
{
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_next(&b->replicas, r)) {
        if (!replica_is_settled(r))
            return false;
    }
    return true;
}

static void on_kept(struct dir_op *op, enum err e)
{
    struct kept *kept = CONTAINER_OF(op, struct kept, op);
    struct broker *b = CONTAINER_OF(kept, struct broker, kept);
    kept->busy = false;
    if (e != ERR_NONE || b->resting)
        return; /* what the file said holds; the next heartbeat tries again */
    kept->on_disk = kept->writing;
    if (kept->on_disk == CONTROLLER_NO_EPOCH) {
        kept->holds = false;
        broker_partitions_reconfigure_all(b, quorum_current(b->quorum));
    }
}

static void put(struct broker *b, int64_t epoch)
{
    struct kept *kept = &b->kept;
    ASSERT(!kept->busy);
    kept->busy = true;
    kept->writing = epoch;
    dir_keep_epoch(b->dir, epoch, &kept->op, on_kept);
}

void broker_kept_look(struct broker *b)
{
    struct kept *kept = &b->kept;
    int64_t epoch = broker_membership_epoch(b);
    bool there = kept->holds && !kept->os_seen && kept->on_disk == epoch;
    if (kept->busy || there || b->resting || dir_status(b->dir) != ERR_NONE)
        return;
    kept->os_seen = false;
    bool os = wants_os(b);
    if (os && kept->holds) {
        put(b, CONTROLLER_NO_EPOCH);
    } else if (!os && (kept->holds || is_settled(b))) {
        kept->holds = true;
        put(b, epoch);
    }
}

void broker_kept_open(struct broker *b)
{
    b->kept.on_disk = dir_kept_epoch(b->dir);
}
