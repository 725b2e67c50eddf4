/* replicas.c - which brokers have a new partition: as somebody says, if that may be, or as they are
 * spread. Pure. */
#include "controller/internal.h"

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int16_t refuse(struct errmsg *msg, int16_t code, const char *sentence)
{
    errmsg_set(msg, ERR_INVALID, "%s", sentence);
    return code;
}

/* format has one %d. */
#define REFUSE_ID(msg, format, id)                                                                 \
    (errmsg_set((msg), ERR_INVALID, format, (int)(id)),                                            \
     (int16_t)WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT)

/* ids are sorted. */
static int16_t check_ids(const struct controller_view *view, const int32_t *ids, int32_t count,
                         struct errmsg *msg)
{
    for (int32_t i = 0; i < count; i++) {
        if (metadata_find_broker(view->image, ids[i]) == NULL)
            return REFUSE_ID(msg,
                             "The manual partition assignment includes broker %d, but no such "
                             "broker is registered.",
                             ids[i]);
        if (i > 0 && ids[i - 1] == ids[i])
            return REFUSE_ID(
                msg, "The manual partition assignment includes the broker %d more than once.",
                ids[i]);
    }
    return WIRE_ERROR_NONE;
}

static int16_t check_sorted(const struct controller_view *view, struct metadata_ids replicas,
                            struct errmsg *msg)
{
    size_t count = (size_t)replicas.count;
    int32_t *ids = mem_array(view->mem, count, sizeof *ids);
    enum err e = ids == NULL ? ERR_NOMEM : ERR_NONE;
    if (e == ERR_NONE) {
        memcpy(ids, replicas.ids, count * sizeof *ids);
        e = sort_stable(view->mem, ids, count, sizeof *ids, compare_ids);
    }
    int16_t code =
        e == ERR_NONE ? check_ids(view, ids, replicas.count, msg)
                      : refuse(msg, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    mem_free(view->mem, ids);
    return code;
}

static bool any_active(const struct controller_view *view, struct metadata_ids replicas)
{
    for (int32_t i = 0; i < replicas.count; i++) {
        if (controller_is_active(view, replicas.ids[i]))
            return true;
    }
    return false;
}

int16_t controller_check_replicas(const struct controller_view *view, int32_t partition,
                                  struct metadata_ids replicas, int32_t factor, struct errmsg *msg)
{
    if (replicas.count <= 0)
        return refuse(msg, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes an empty replica list.");
    int16_t code = check_sorted(view, replicas, msg);
    if (code != WIRE_ERROR_NONE)
        return code;
    if (factor > 0 && replicas.count != factor) {
        errmsg_set(msg, ERR_INVALID,
                   "The manual partition assignment includes a partition with %d replica(s), but "
                   "this is not consistent with previous partitions, which have %d replica(s).",
                   (int)replicas.count, (int)factor);
        return WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT;
    }
    if (any_active(view, replicas))
        return WIRE_ERROR_NONE;
    return REFUSE_ID(msg,
                     "All brokers specified in the manual partition assignment for partition %d "
                     "are fenced, in controlled shutdown, or have all of their log directories "
                     "cordoned.",
                     partition);
}

static int32_t active_count(const struct controller_view *view)
{
    int32_t count = 0;
    for (int32_t i = 0; i < metadata_map_count(&view->image->brokers); i++) {
        const struct metadata_broker *broker = metadata_broker_at(view->image, i);
        count += controller_is_active(view, broker->id);
    }
    return count;
}

int16_t controller_check_factor(const struct controller_view *view, int32_t factor,
                                struct errmsg *msg)
{
    int32_t there = metadata_map_count(&view->image->brokers);
    if (active_count(view) == 0) {
        errmsg_set(msg, ERR_INVALID,
                   "Unable to replicate the partition %d time(s): All brokers are currently "
                   "fenced or have all their log directories cordoned.",
                   (int)factor);
        return WIRE_ERROR_INVALID_REPLICATION_FACTOR;
    }
    if (factor <= there)
        return WIRE_ERROR_NONE;
    errmsg_set(
        msg, ERR_INVALID,
        "Unable to replicate the partition %d time(s): The target replication factor of %d "
        "cannot be reached because only %d broker(s) are registered or some brokers have all "
        "their log directories cordoned.",
        (int)factor, (int)factor, (int)there);
    return WIRE_ERROR_INVALID_REPLICATION_FACTOR;
}

/* ---- records ---- */

enum err controller_add_partition(const struct controller_view *view, struct metadata_batch *batch,
                                  const struct wire_uuid *topic_id, int32_t partition,
                                  struct metadata_ids replicas)
{
    size_t count = (size_t)replicas.count;
    struct wire_partition_record record;
    struct wire_uuid *directories = mem_zalloc(view->mem, count * sizeof *directories);
    int32_t *isr = mem_array(view->mem, count, sizeof *isr);
    enum err e = directories == NULL || isr == NULL ? ERR_NOMEM : ERR_NONE;
    wire_defaults(&wire_partition_record_message, &record);
    for (int32_t i = 0; i < replicas.count && e == ERR_NONE; i++) {
        if (controller_is_active(view, replicas.ids[i]))
            isr[record.isr_count++] = replicas.ids[i];
    }
    ASSERT(e != ERR_NONE || record.isr_count > 0);
    if (e == ERR_NONE) {
        record.partition_id = partition;
        record.topic_id = *topic_id;
        record.replicas = (int32_t *)replicas.ids; /* only read from there */
        record.replicas_count = record.directories_count = replicas.count;
        record.directories = directories;
        record.isr = isr;
        record.leader = isr[0];
        record.leader_epoch = view->settings->leader_epoch_first;
        record.partition_epoch = 0;
        e = controller_add(batch, &wire_partition_record_message, PARTITION_VERSION, &record);
    }
    mem_free(view->mem, directories);
    mem_free(view->mem, isr);
    return e;
}

enum err controller_add_spread(const struct controller_view *view, struct metadata_batch *batch,
                               const struct wire_uuid *topic_id, int32_t first, int32_t end,
                               int32_t factor)
{
    struct controller_spread spread;
    int32_t *ids = mem_array(view->mem, (size_t)factor, sizeof *ids);
    enum err e =
        controller_spread_begin(&spread, view, hash_bytes(topic_id, sizeof *topic_id, first));
    if (e == ERR_NONE && ids == NULL)
        e = ERR_NOMEM;
    for (int32_t i = first; i < end && e == ERR_NONE; i++) {
        struct metadata_ids replicas = {.ids = ids, .count = factor};
        controller_spread_next(&spread, factor, ids);
        e = controller_add_partition(view, batch, topic_id, i, replicas);
    }
    controller_spread_end(&spread);
    mem_free(view->mem, ids);
    return e;
}
