/* create.c - new topics: what is asked for is checked against everything that was appended before,
 * and what may be is one batch. */
#include <stdio.h>
#include "metadata/internal.h"

/* What a checked topic will be. */
struct plan {
    struct metadata_new_topic *topic;
    struct wire_uuid id;
    int32_t partition_count;
};

static int16_t refuse(struct metadata_new_topic *topic, int16_t code, const char *sentence)
{
    errmsg_set(&topic->msg, ERR_INVALID, "%s", sentence);
    return code;
}

/* Topics that brokers of Kafka's make for themselves when their time comes. */
static bool reserved(struct bytes name)
{
    static const char *const names[] = {"__consumer_offsets", "__transaction_state",
                                        "__share_group_state"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal(name, bytes_text(names[i])))
            return true;
    }
    return false;
}

static int16_t check_name(struct metadata *m, struct metadata_new_topic *topic)
{
    const char *name = (const char *)topic->name.data;
    int size = (int)topic->name.size;
    if (metadata_topic_name_check(topic->name, &topic->msg) != ERR_NONE)
        return WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
    if (bytes_equal(topic->name, bytes_text(METADATA_LOG_TOPIC)))
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "Creation of internal topic " METADATA_LOG_TOPIC " is prohibited.");
    if (reserved(topic->name))
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "Creation of internal topics is prohibited: a broker makes them itself, and "
                      "groups and transactions are not served yet");
    if (metadata_find(m->tail, topic->name) != NULL) {
        errmsg_set(&topic->msg, ERR_EXISTS, "Topic '%.*s' already exists.", size, name);
        return WIRE_ERROR_TOPIC_ALREADY_EXISTS;
    }
    const struct metadata_topic *other = metadata_find_collision(m->tail, topic->name);
    if (other == NULL)
        return WIRE_ERROR_NONE;
    errmsg_set(&topic->msg, ERR_INVALID, "Topic '%.*s' collides with existing topic: %s", size,
               name, other->name);
    return WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
}

/* ---- partitions ---- */

static int16_t refuse_assignment(struct metadata_new_topic *topic, const char *format, int32_t id)
{
    char sentence[ERRMSG_SIZE];
    snprintf(sentence, sizeof sentence, format, (int)id);
    return refuse(topic, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT, sentence);
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* ReplicationControlManager.validateManualPartitionAssignment: the brokers in ascending order. */
static int16_t check_replicas(struct metadata *m, struct metadata_new_topic *topic,
                              const struct wire_create_topics_request_assignment *a)
{
    size_t count = (size_t)MAX(a->broker_ids_count, 0);
    if (count == 0)
        return refuse(topic, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes an empty replica list.");
    int32_t *ids = mem_array(m->mem, count, sizeof *ids);
    if (ids == NULL)
        return refuse(topic, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    memcpy(ids, a->broker_ids, count * sizeof *ids);
    enum err e = sort_stable(m->mem, ids, count, sizeof *ids, compare_ids);
    int16_t code = e == ERR_NONE ? WIRE_ERROR_NONE
                                 : refuse(topic, WIRE_ERROR_UNKNOWN_SERVER_ERROR,
                                          "the broker is out of memory");
    for (size_t i = 0; i < count && code == WIRE_ERROR_NONE; i++) {
        if (ids[i] != m->settings.node_id)
            code = refuse_assignment(topic,
                                     "The manual partition assignment includes broker %d, but no "
                                     "such broker is registered.",
                                     ids[i]);
        else if (i > 0 && ids[i - 1] == ids[i])
            code = refuse_assignment(
                topic, "The manual partition assignment includes the broker %d more than once.",
                ids[i]);
    }
    mem_free(m->mem, ids);
    return code;
}

/* In any order, as Kafka takes them. seen has room for as many as are assigned. */
static int16_t check_each_assignment(struct metadata *m, struct metadata_new_topic *topic,
                                     bool *seen)
{
    int32_t count = topic->assignment_count;
    bool consecutive = true;
    for (int32_t i = 0; i < count; i++) {
        int32_t number = topic->assignments[i].partition_index;
        bool within = number >= 0 && number < count;
        if (within && seen[number])
            return refuse_assignment(
                topic, "Found multiple manual partition assignments for partition %d", number);
        if (within)
            seen[number] = true;
        consecutive &= within;
        int16_t code = check_replicas(m, topic, &topic->assignments[i]);
        if (code != WIRE_ERROR_NONE)
            return code;
    }
    return consecutive ? WIRE_ERROR_NONE
                       : refuse(topic, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                                "partitions should be a consecutive 0-based integer sequence");
}

static int16_t check_assignments(struct metadata *m, struct metadata_new_topic *topic)
{
    if (topic->replication_factor != -1)
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "A manual partition assignment was specified, but replication factor was not "
                      "set to -1.");
    if (topic->partition_count != -1)
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "A manual partition assignment was specified, but numPartitions was not set "
                      "to -1.");
    bool *seen = mem_zalloc(m->mem, (size_t)topic->assignment_count * sizeof *seen);
    if (seen == NULL)
        return refuse(topic, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    int16_t code = check_each_assignment(m, topic, seen);
    mem_free(m->mem, seen);
    return code;
}

static int16_t check_partitions(struct metadata *m, struct metadata_new_topic *topic,
                                int32_t *count)
{
    int factor = topic->replication_factor;
    *count = topic->partition_count;
    if (topic->assignment_count > 0) {
        *count = topic->assignment_count;
        return check_assignments(m, topic);
    }
    if (factor < -1 || factor == 0)
        return refuse(topic, WIRE_ERROR_INVALID_REPLICATION_FACTOR,
                      "Replication factor must be larger than 0, or -1 to use the default value.");
    if (*count == -1)
        *count = m->settings.partition_count_default;
    if (*count <= 0)
        return refuse(topic, WIRE_ERROR_INVALID_PARTITIONS,
                      "Number of partitions was set to an invalid non-positive value.");
    ASSERT(*count <= METADATA_RECORDS_MAX); /* within the sum of the request */
    if (factor == -1 || factor == 1)
        return WIRE_ERROR_NONE;
    errmsg_set(&topic->msg, ERR_INVALID,
               "Unable to replicate the partition %d time(s): The target replication factor of %d "
               "cannot be reached because only 1 broker(s) are registered or some brokers have all "
               "their log directories cordoned.",
               factor, factor);
    return WIRE_ERROR_INVALID_REPLICATION_FACTOR;
}

/* ---- settings ---- */

static struct bytes string_bytes(struct wire_string s)
{
    return bytes_of(s.data, (size_t)MAX(s.size, 0));
}

static enum err check_null_values(struct metadata_new_topic *topic)
{
    struct errmsg names = {0};
    for (int32_t i = 0; i < topic->config_count; i++) {
        const struct wire_create_topics_request_config *c = &topic->configs[i];
        struct errmsg before = names;
        if (c->value.size < 0)
            errmsg_set(&names, ERR_INVALID, "%s%s%.*s", before.text, before.text[0] == 0 ? "" : ",",
                       c->name.size, c->name.data);
    }
    if (names.text[0] == 0)
        return ERR_NONE;
    return errmsg_set(&topic->msg, ERR_INVALID,
                      "Null value not supported for topic configs: %.440s", names.text);
}

/* In Kafka's order: values that are not there, keys that nobody knows, values, and all together. */
static int16_t check_configs(struct metadata *m, struct metadata_new_topic *topic)
{
    struct metadata_topic_config config = m->settings.topic_defaults;
    struct errmsg first = {0};
    enum err e = check_null_values(topic);
    for (int32_t i = 0; i < topic->config_count && e == ERR_NONE; i++) {
        struct errmsg msg = {0};
        enum err wrong = metadata_topic_config_set(&config, string_bytes(topic->configs[i].name),
                                                   string_bytes(topic->configs[i].value), &msg);
        if (wrong == ERR_NOTFOUND) {
            topic->msg = msg;
            e = wrong;
        } else if (wrong != ERR_NONE && first.text[0] == 0) {
            first = msg;
        }
    }
    if (e == ERR_NONE && first.text[0] != 0) {
        topic->msg = first;
        e = ERR_INVALID;
    }
    if (e == ERR_NONE)
        e = metadata_topic_config_check(&config, m->settings.acks_are_durable, &topic->msg);
    return e == ERR_NONE ? WIRE_ERROR_NONE : WIRE_ERROR_INVALID_CONFIG;
}

static int16_t check_topic(struct metadata *m, struct plan *plan)
{
    int16_t code = check_name(m, plan->topic);
    if (code == WIRE_ERROR_NONE)
        code = check_configs(m, plan->topic);
    if (code == WIRE_ERROR_NONE)
        code = check_partitions(m, plan->topic, &plan->partition_count);
    return code;
}

/* ---- names given twice in one request ---- */

struct name_index {
    struct bytes name;
    int32_t index;
};

static int compare_names(const void *a, const void *b)
{
    return metadata_compare_names(((const struct name_index *)a)->name,
                                  ((const struct name_index *)b)->name);
}

static enum err refuse_repeated(struct metadata *m, struct metadata_create *create)
{
    if (create->topic_count < 2)
        return ERR_NONE;
    size_t count = (size_t)create->topic_count;
    struct name_index *names = mem_array(m->mem, count, sizeof *names);
    if (names == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = (struct name_index){.name = create->topics[i].name, .index = (int32_t)i};
    enum err e = sort_stable(m->mem, names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count && e == ERR_NONE; i++) {
        if (!bytes_equal(names[i - 1].name, names[i].name))
            continue;
        for (size_t k = i - 1; k <= i; k++) {
            struct metadata_new_topic *topic = &create->topics[names[k].index];
            topic->code = refuse(topic, WIRE_ERROR_INVALID_REQUEST, "Duplicate topic name.");
        }
    }
    mem_free(m->mem, names);
    return e;
}

/* ---- records ---- */

/* A random id of version 4 that no topic has and that no tool takes for an option (Uuid.java). */
static struct wire_uuid draw_id(struct metadata *m, struct bytes name)
{
    uint64_t key = hash_bytes(name.data, name.size, 0);
    for (;;) {
        struct wire_uuid id;
        uint64_t high = env_random(m->env, "metadata/topic_id", key);
        uint64_t low = env_random(m->env, "metadata/topic_id", key);
        put_u64(id.b, (high & ~0xf000ull) | 0x4000);
        put_u64(id.b + 8, (low & ~(3ull << 62)) | 2ull << 62);
        bool dash = id.b[0] >> 2 == 62; /* '-' in base64url */
        if (!dash && metadata_find_id(m->tail, &id) == NULL)
            return id;
    }
}

/* In no log directory yet: that it is in one is written down when it has been made (assign.c). */
static enum err add_partition(struct metadata *m, struct batch *batch, const struct plan *plan,
                              int32_t partition)
{
    struct wire_uuid directory = {{0}};
    int32_t self = m->settings.node_id;
    struct wire_partition_record record;
    wire_defaults(&wire_partition_record_message, &record);
    record.partition_id = partition;
    record.topic_id = plan->id;
    record.replicas = record.isr = &self;
    record.replicas_count = record.isr_count = 1;
    record.leader = self;
    record.leader_epoch = 0;
    record.partition_epoch = 0;
    record.directories = &directory;
    record.directories_count = 1;
    return metadata_batch_add(batch, &wire_partition_record_message, 2, &record);
}

/* Topic, then its settings, then its partitions (ReplicationControlManager). */
static enum err add_records(struct metadata *m, struct batch *batch, const struct plan *plan)
{
    struct wire_string name = {.data = (const char *)plan->topic->name.data,
                               .size = (int32_t)plan->topic->name.size};
    struct wire_topic_record topic = {.name = name, .topic_id = plan->id};
    enum err e = metadata_batch_add(batch, &wire_topic_record_message, 0, &topic);
    for (int32_t i = 0; i < plan->topic->config_count && e == ERR_NONE; i++) {
        struct wire_config_record record = {
            .resource_type = 2,
            .resource_name = name,
            .name = plan->topic->configs[i].name,
            .value = plan->topic->configs[i].value,
        };
        e = metadata_batch_add(batch, &wire_config_record_message, 0, &record);
    }
    for (int32_t i = 0; i < plan->partition_count && e == ERR_NONE; i++)
        e = add_partition(m, batch, plan, i);
    return e;
}

/* ---- the operation ---- */

static void fail_all(struct metadata_create *create, int16_t code, const char *sentence)
{
    for (int32_t i = 0; i < create->topic_count; i++) {
        struct metadata_new_topic *topic = &create->topics[i];
        if (topic->code == WIRE_ERROR_NONE)
            topic->code = refuse(topic, code, sentence);
    }
}

/* How many partitions are asked for, whatever else is wrong (ReplicationControlManager
 * .validateTotalNumberOfPartitions); names given twice are out already. */
static int64_t partitions_asked_for(const struct metadata *m, const struct metadata_create *create)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < create->topic_count; i++) {
        const struct metadata_new_topic *topic = &create->topics[i];
        int32_t count = topic->assignment_count > 0    ? topic->assignment_count
                        : topic->partition_count == -1 ? m->settings.partition_count_default
                                                       : topic->partition_count;
        if (topic->code == WIRE_ERROR_NONE)
            sum += MAX(count, 0);
    }
    return sum;
}

/* Checks all topics; *record_count: how many records the good ones take. */
static void check_all(struct metadata *m, struct metadata_create *create, struct plan *plans,
                      int64_t *record_count, bool *exists)
{
    int64_t partition_count = m->tail->partition_count;
    *record_count = 0;
    *exists = false;
    if (partitions_asked_for(m, create) > METADATA_RECORDS_MAX)
        fail_all(create, WIRE_ERROR_POLICY_VIOLATION,
                 "Excessively large number of partitions per request.");
    for (int32_t i = 0; i < create->topic_count; i++) {
        struct metadata_new_topic *topic = &create->topics[i];
        plans[i].topic = topic;
        if (topic->code == WIRE_ERROR_NONE)
            topic->code = check_topic(m, &plans[i]);
        *exists |= topic->code == WIRE_ERROR_TOPIC_ALREADY_EXISTS;
        if (topic->code != WIRE_ERROR_NONE)
            continue;
        topic->partition_count = plans[i].partition_count;
        *record_count += 1 + (int64_t)topic->config_count + plans[i].partition_count;
        if (partition_count + plans[i].partition_count > METADATA_PARTITIONS_MAX)
            topic->code = refuse(topic, WIRE_ERROR_INVALID_PARTITIONS,
                                 "the cluster would have more than 200000 partitions");
        else
            partition_count += plans[i].partition_count;
    }
    if (*record_count > METADATA_RECORDS_MAX)
        fail_all(create, WIRE_ERROR_POLICY_VIOLATION,
                 "Unable to perform excessively large batch operation.");
}

/* Appends what is good. Returns a code that goes to all good topics. */
static int16_t append(struct metadata *m, struct metadata_create *create, struct plan *plans,
                      struct errmsg *msg)
{
    struct change *change = metadata_change_new(m, create->topic_count);
    if (change == NULL)
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    struct batch batch;
    metadata_batch_init(&batch, m->mem, env_wall(m->env));
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < create->topic_count && e == ERR_NONE; i++) {
        if (plans[i].topic->code != WIRE_ERROR_NONE)
            continue;
        plans[i].id = draw_id(m, plans[i].topic->name);
        e = add_records(m, &batch, &plans[i]);
    }
    int16_t code = e == ERR_NONE    ? metadata_change_append(m, &batch, change, msg)
                   : e == ERR_LIMIT ? WIRE_ERROR_POLICY_VIOLATION
                                    : WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    metadata_batch_free(&batch);
    if (code != WIRE_ERROR_NONE) {
        metadata_change_free(m, change);
        return code;
    }
    for (int32_t i = 0; i < create->topic_count; i++) {
        if (plans[i].topic->code != WIRE_ERROR_NONE)
            continue;
        const struct metadata_topic *topic = metadata_find_id(change->image, &plans[i].id);
        ASSERT(topic != NULL);
        metadata_topic_retain(topic);
        plans[i].topic->topic = topic;
        change->topics[change->topic_count++] = topic;
    }
    return WIRE_ERROR_NONE;
}

static void begin(struct metadata *m, struct metadata_create *create, struct plan *plans)
{
    int64_t record_count = 0;
    bool exists = false;
    check_all(m, create, plans, &record_count, &exists);
    if (exists)
        create->change = m->change_last;
    bool some = false;
    for (int32_t i = 0; i < create->topic_count; i++)
        some |= create->topics[i].code == WIRE_ERROR_NONE;
    if (!some || create->validate_only)
        return;
    struct errmsg msg = {0};
    int16_t code = append(m, create, plans, &msg);
    if (code == WIRE_ERROR_NONE)
        create->change = m->change_last;
    else
        fail_all(create, code, msg.text[0] != 0 ? msg.text : wire_error_text(code));
}

void metadata_create(struct metadata *m, struct metadata_create *create, metadata_create_done *done)
{
    create->done = done;
    create->change = 0;
    list_init(&create->link);
    struct plan *plans = mem_array(m->mem, (size_t)MAX(create->topic_count, 1), sizeof *plans);
    for (int32_t i = 0; i < create->topic_count; i++) {
        create->topics[i].code = WIRE_ERROR_NONE;
        create->topics[i].topic = NULL;
    }
    if (metadata_refuses(m))
        fail_all(create, WIRE_ERROR_KAFKA_STORAGE_ERROR, "the metadata log is offline");
    else if (plans == NULL || refuse_repeated(m, create) != ERR_NONE)
        fail_all(create, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    else
        begin(m, create, plans);
    mem_free(m->mem, plans);
    struct change *oldest = LIST_FIRST(&m->changes, struct change, link);
    if (create->change == 0 || oldest == NULL || oldest->number > create->change) {
        create->done(create);
        return;
    }
    list_push_back(&m->creates, &create->link);
}

bool metadata_create_cancel(struct metadata_create *create)
{
    if (!list_linked(&create->link))
        return false;
    list_remove(&create->link);
    return true;
}

void metadata_create_free(struct metadata_create *create)
{
    for (int32_t i = 0; i < create->topic_count; i++) {
        metadata_topic_release(create->topics[i].topic);
        create->topics[i].topic = NULL;
    }
}
