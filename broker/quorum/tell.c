/* tell.c - what a new image says, as rows of the trace: its topics, and in a cluster of several
 * nodes its brokers and partitions, too. It changes nothing. */
#include "quorum/internal.h"

/* What is in force for it, its own settings or the cluster's. */
static void tell_settings(struct quorum *q, const struct metadata_topic *topic, int64_t offset)
{
    struct metadata_topic_config in_force;
    metadata_topic_configured(topic, quorum_topic_defaults(q), &in_force);
    TRACE(q->trace, TOPIC_SETTINGS, .topic = hash_text(topic->name),
          .partitions = topic->partition_count, .durable = in_force.flush_policy == 0,
          .retention_ms = in_force.retention_ms, .retention_bytes = in_force.retention_bytes,
          .min_insync = in_force.min_insync_replicas,
          .unclean = in_force.unclean_leader_election_enable != 0, .metadata_offset = offset,
          .topic_id = trace_topic_id(topic->id.b));
}

void quorum_tell_settings(struct quorum *q)
{
    for (int32_t i = 0; i < q->current->topic_count; i++)
        tell_settings(q, metadata_topic_at(q->current, i), q->current->offset);
}

static void tell_topic(struct quorum *q, const struct metadata_topic *before,
                       const struct metadata_topic *after, int64_t offset)
{
    if (after == NULL)
        TRACE(q->trace, TOPIC_REMOVED, .topic = hash_text(before->name),
              .partitions = before->partition_count, .metadata_offset = offset,
              .topic_id = trace_topic_id(before->id.b));
    else if (before == NULL)
        TRACE(q->trace, TOPIC_ADDED, .topic = hash_text(after->name),
              .partitions = after->partition_count, .metadata_offset = offset,
              .topic_id = trace_topic_id(after->id.b));
}

/* Who leads and is in sync is no setting. */
static bool is_set_otherwise(const struct metadata_topic *before,
                             const struct metadata_topic *after)
{
    return before == NULL || before->settings_block != after->settings_block ||
           before->partition_count != after->partition_count;
}

/* Brokers as bits, by their ids. */
static uint64_t bits_of(const struct metadata_partition *p, enum metadata_list list)
{
    struct metadata_ids ids = metadata_ids(p, list);
    uint64_t bits = 0;
    for (int32_t i = 0; i < ids.count; i++)
        bits |= 1ull << (ids.ids[i] & (TRACE_BROKER_BITS - 1));
    return bits;
}

static void tell_partitions(struct quorum *q, const struct metadata_topic *before,
                            const struct metadata_topic *after, int64_t offset)
{
    struct metadata_partition_diff diff;
    const struct metadata_partition *was, *is;
    int32_t number;
    metadata_partition_diff(&diff, before, after);
    while (metadata_partition_diff_next(&diff, &number, &was, &is)) {
        if (is == NULL)
            continue;
        TRACE(q->trace, PARTITION_STATE, .partition = trace_partition(after->name, number),
              .leader = is->leader, .leader_epoch = is->leader_epoch,
              .partition_epoch = is->partition_epoch, .recovering = is->leader_recovery_state,
              .replicas = bits_of(is, METADATA_REPLICAS), .isr = bits_of(is, METADATA_ISR),
              .elr = bits_of(is, METADATA_ELR), .last_known = bits_of(is, METADATA_LAST_KNOWN_ELR),
              .metadata_offset = offset, .topic_id = trace_topic_id(after->id.b));
    }
}

static void tell_brokers(struct quorum *q, const struct metadata_image *from,
                         const struct metadata_image *to)
{
    struct metadata_map_diff diff;
    struct metadata_object *before, *after;
    metadata_map_diff(&diff, &from->brokers, &to->brokers);
    while (metadata_map_diff_next(&diff, &before, &after)) {
        const struct metadata_broker *is =
            CONTAINER_OF(after == NULL ? before : after, struct metadata_broker, object);
        TRACE(q->trace, BROKER_STATE, .broker = is->id, .epoch = after == NULL ? -1 : is->epoch,
              .fenced = is->fenced, .leaving = is->in_controlled_shutdown, .by = quorum_node_id(q),
              .metadata_offset = to->offset);
    }
}

/* Before its partitions: what was elected with them is judged by the new defaults. */
static void tell_all_settings(struct quorum *q, const struct metadata_image *from,
                              const struct metadata_image *to, int64_t first)
{
    struct metadata_map_diff diff;
    const struct metadata_topic *before, *after;
    metadata_delta(&diff, from, to);
    while (metadata_delta_next(&diff, &before, &after))
        tell_topic(q, before, after, first);
    quorum_tell_settings(q);
}

void quorum_tell_image(struct quorum *q, const struct metadata_image *from,
                       const struct metadata_image *to, int64_t first, bool defaults_moved)
{
    struct metadata_map_diff diff;
    const struct metadata_topic *before, *after;
    bool several = q->member != NULL; /* whoever is alone has nobody to be wrong about */
    if (several)
        tell_brokers(q, from, to);
    if (defaults_moved)
        tell_all_settings(q, from, to, first);
    metadata_delta(&diff, from, to);
    while (metadata_delta_next(&diff, &before, &after)) {
        if (!defaults_moved)
            tell_topic(q, before, after, first);
        if (after != NULL && !defaults_moved && is_set_otherwise(before, after))
            tell_settings(q, after, first);
        if (after != NULL && several)
            tell_partitions(q, before, after, to->offset);
    }
}
