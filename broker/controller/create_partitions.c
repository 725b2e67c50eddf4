/* create_partitions.c - topics get more partitions; what is there stays as it is
 * (ReplicationControlManager.createPartitions). Pure. */
#include "controller/internal.h"

void controller_create_partitions_init(struct controller_create_partitions *c)
{
    *c = (struct controller_create_partitions){.command.verb = CONTROLLER_CREATE_PARTITIONS};
}

static int16_t check_count(struct controller_grown *grown, int32_t there)
{
    int64_t more = (int64_t)grown->partition_count - there;
    if (more == 0)
        errmsg_set(&grown->msg, ERR_INVALID, "Topic already has %d partition(s).", (int)there);
    else if (more < 0)
        errmsg_set(&grown->msg, ERR_INVALID,
                   "The topic %.*s currently has %d partition(s); %d would not be an increase.",
                   (int)grown->topic.size, (const char *)grown->topic.data, (int)there,
                   (int)grown->partition_count);
    if (more <= 0)
        return WIRE_ERROR_INVALID_PARTITIONS;
    if (grown->assignment_count < 0 || grown->assignment_count == more)
        return WIRE_ERROR_NONE;
    errmsg_set(&grown->msg, ERR_INVALID,
               "Attempted to add %d additional partition(s), but only %d assignment(s) were "
               "specified.",
               (int)more, (int)grown->assignment_count);
    return WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT;
}

/* As many as its first partition has. */
static int32_t factor_of(const struct metadata_topic *topic)
{
    return metadata_ids(metadata_partition(topic, 0), METADATA_REPLICAS).count;
}

static struct metadata_ids assigned(const struct wire_create_partitions_request_assignment *a)
{
    return (struct metadata_ids){.ids = a->broker_ids, .count = a->broker_ids_count};
}

static int16_t check(const struct controller_view *view, struct controller_grown *grown)
{
    const struct metadata_topic *topic = metadata_find(view->image, grown->topic);
    if (topic == NULL)
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    int16_t code = check_count(grown, topic->partition_count);
    int32_t factor = factor_of(topic);
    for (int32_t i = 0; i < grown->assignment_count && code == WIRE_ERROR_NONE; i++)
        code = controller_check_replicas(view, topic->partition_count + i,
                                         assigned(&grown->assignments[i]), factor, &grown->msg);
    if (code == WIRE_ERROR_NONE && grown->assignment_count < 0)
        code = controller_check_factor(view, factor, &grown->msg);
    return code;
}

static void refuse(struct controller_grown *grown, int16_t code, const char *sentence)
{
    grown->code = code;
    errmsg_set(&grown->msg, ERR_INVALID, "%s", sentence);
}

static void fail_all(struct controller_create_partitions *c, int16_t code, const char *sentence)
{
    for (int32_t i = 0; i < c->topic_count; i++) {
        if (c->topics[i].code == WIRE_ERROR_NONE)
            refuse(&c->topics[i], code, sentence);
    }
}

/* How many partitions there will be more; at most METADATA_PARTITIONS_MAX of all. */
static int64_t check_all(const struct controller_view *view, struct controller_create_partitions *c)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < c->topic_count; i++) {
        struct controller_grown *grown = &c->topics[i];
        if (grown->code != WIRE_ERROR_NONE)
            continue;
        grown->code = check(view, grown);
        if (grown->code != WIRE_ERROR_NONE)
            continue;
        int64_t more = grown->partition_count -
                       (int64_t)metadata_find(view->image, grown->topic)->partition_count;
        if (view->image->partition_count + sum + more > METADATA_PARTITIONS_MAX)
            refuse(grown, WIRE_ERROR_INVALID_PARTITIONS,
                   "the cluster would have more than 200000 partitions");
        else
            sum += more;
    }
    return sum;
}

static enum err grow(const struct controller_view *view, const struct controller_grown *grown,
                     const struct metadata_topic *topic, struct metadata_batch *batch)
{
    int32_t first = topic->partition_count;
    enum err e = ERR_NONE;
    if (grown->assignment_count < 0)
        return controller_add_spread(view, batch, &topic->id, first, grown->partition_count,
                                     factor_of(topic));
    for (int32_t i = 0; i < grown->assignment_count && e == ERR_NONE; i++)
        e = controller_add_partition(view, batch, &topic->id, first + i,
                                     assigned(&grown->assignments[i]));
    return e;
}

/* Of the records, and no more. */
static int64_t bytes_of_all(const struct controller_view *view,
                            const struct controller_create_partitions *c)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < c->topic_count; i++) {
        if (c->topics[i].code != WIRE_ERROR_NONE)
            continue;
        const struct metadata_topic *topic = metadata_find(view->image, c->topics[i].topic);
        int64_t more = c->topics[i].partition_count - topic->partition_count;
        sum += more * ((int64_t)sizeof(struct wire_partition_record) +
                       (int64_t)factor_of(topic) * CONTROLLER_REPLICA_BYTES_MAX);
    }
    return sum;
}

static enum err add_all(const struct controller_view *view, struct controller_create_partitions *c,
                        int64_t count, struct metadata_batch *batch)
{
    enum err e = controller_expect(batch, count, bytes_of_all(view, c), "CreatePartitions");
    for (int32_t i = 0; i < c->topic_count && e == ERR_NONE; i++) {
        if (c->topics[i].code != WIRE_ERROR_NONE)
            continue;
        e = grow(view, &c->topics[i], metadata_find(view->image, c->topics[i].topic), batch);
    }
    return e == ERR_NONE ? controller_end(batch) : e;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_create_partitions *c =
        CONTAINER_OF(command, struct controller_create_partitions, command);
    int64_t count = check_all(view, c);
    command->rests_on_image = true;
    if (count > METADATA_RECORDS_MAX) {
        fail_all(c, WIRE_ERROR_POLICY_VIOLATION,
                 "Excessively large number of partitions per request.");
        return;
    }
    enum err e = c->validate_only || count == 0 ? ERR_NONE : add_all(view, c, count, batch);
    command->code = controller_code_of(e);
    if (e != ERR_NONE)
        fail_all(c, command->code, wire_error_text(command->code));
}

/* Those that were to grow do not; that one is not there may not be true. */
static void lost(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence)
{
    struct controller_create_partitions *c =
        CONTAINER_OF(command, struct controller_create_partitions, command);
    for (int32_t i = 0; i < c->topic_count; i++) {
        bool unknown = c->topics[i].code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        if (unknown && metadata_find(image, c->topics[i].topic) != NULL)
            c->topics[i].code = WIRE_ERROR_NONE;
    }
    fail_all(c, code, sentence);
}

const struct verb controller_verb_create_partitions = {.decide = decide, .lost = lost};
