/* create.c - new topics: what is asked for is checked against everything that was appended before,
 * and what may be is one batch. */
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

static bool reserved(struct bytes name)
{
    static const char *const names[] = {METADATA_LOG_TOPIC, "__consumer_offsets",
                                        "__transaction_state", "__share_group_state"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal(name, bytes_text(names[i])))
            return true;
    }
    return false;
}

static int16_t check_name(struct metadata *m, struct metadata_new_topic *topic)
{
    const char *fault = metadata_topic_name_fault(topic->name);
    if (fault != NULL) {
        errmsg_set(&topic->msg, ERR_INVALID, "the topic's name %s", fault);
        return WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
    }
    if (reserved(topic->name))
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST, "the topic is kiln's own");
    const char *name = (const char *)topic->name.data;
    int size = (int)topic->name.size;
    if (metadata_find(m->tail, topic->name) != NULL) {
        errmsg_set(&topic->msg, ERR_EXISTS, "topic \"%.*s\" exists already", size, name);
        return WIRE_ERROR_TOPIC_ALREADY_EXISTS;
    }
    const struct metadata_topic *other = metadata_find_collision(m->tail, topic->name);
    if (other == NULL)
        return WIRE_ERROR_NONE;
    errmsg_set(&topic->msg, ERR_INVALID,
               "\"%.*s\" collides with topic \"%s\": metrics do not tell '.' from '_'", size, name,
               other->name);
    return WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
}

/* In any order, as Kafka takes them. */
static int16_t check_numbers(struct metadata *m, struct metadata_new_topic *topic)
{
    int32_t count = topic->assignment_count;
    bool *seen = mem_zalloc(m->mem, (size_t)count * sizeof *seen);
    if (seen == NULL)
        return refuse(topic, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    bool each_once = true;
    for (int32_t i = 0; i < count && each_once; i++) {
        int32_t number = topic->assignments[i].partition_index;
        each_once = number >= 0 && number < count && !seen[number];
        if (each_once)
            seen[number] = true;
    }
    mem_free(m->mem, seen);
    return each_once ? WIRE_ERROR_NONE
                     : refuse(topic, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                              "the partitions assigned must be 0, 1 and so on, each once");
}

static int16_t check_assignments(struct metadata *m, struct metadata_new_topic *topic)
{
    if (topic->partition_count != -1 || topic->replication_factor != -1)
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "with an assignment, partitions and replication factor must be -1");
    for (int32_t i = 0; i < topic->assignment_count; i++) {
        const struct wire_create_topics_request_assignment *a = &topic->assignments[i];
        if (a->broker_ids_count != 1 || a->broker_ids[0] != m->settings.node_id) {
            errmsg_set(&topic->msg, ERR_INVALID,
                       "partition %d must have exactly one replica, on broker %d", (int)i,
                       (int)m->settings.node_id);
            return WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    return check_numbers(m, topic);
}

static int16_t check_partitions(struct metadata *m, struct metadata_new_topic *topic,
                                int32_t *count)
{
    *count = topic->partition_count;
    if (topic->assignment_count > 0) {
        *count = topic->assignment_count;
        return check_assignments(m, topic);
    }
    if (*count == -1)
        *count = m->settings.partition_count_default;
    if (*count <= 0)
        return refuse(topic, WIRE_ERROR_INVALID_PARTITIONS,
                      "the number of partitions must be positive, or -1 for num.partitions");
    if (topic->replication_factor == -1 || topic->replication_factor == 1)
        return WIRE_ERROR_NONE;
    errmsg_set(&topic->msg, ERR_INVALID,
               "a replication factor of %d needs as many brokers: "
               "there is 1; ask for 1, or -1 for the default",
               topic->replication_factor);
    return WIRE_ERROR_INVALID_REPLICATION_FACTOR;
}

static int16_t check_configs(struct metadata *m, struct metadata_new_topic *topic)
{
    struct metadata_topic_config config = m->settings.topic_defaults;
    for (int32_t i = 0; i < topic->config_count; i++) {
        const struct wire_create_topics_request_config *c = &topic->configs[i];
        if (c->name.size > METADATA_CONFIG_VALUE_MAX)
            return refuse(topic, WIRE_ERROR_INVALID_CONFIG, "the name of a config is too long");
        char key[METADATA_CONFIG_VALUE_MAX + 1] = {0};
        memcpy(key, c->name.data, (size_t)c->name.size);
        if (c->value.size < 0) {
            errmsg_set(&topic->msg, ERR_INVALID, "config \"%s\" has no value", key);
            return WIRE_ERROR_INVALID_CONFIG;
        }
        if (config_set(&metadata_topic_table, &config, key,
                       bytes_of(c->value.data, (size_t)c->value.size), &topic->msg) != ERR_NONE)
            return WIRE_ERROR_INVALID_CONFIG;
    }
    return WIRE_ERROR_NONE;
}

static int16_t check_topic(struct metadata *m, struct plan *plan)
{
    int16_t code = check_name(m, plan->topic);
    if (code == WIRE_ERROR_NONE)
        code = check_partitions(m, plan->topic, &plan->partition_count);
    if (code == WIRE_ERROR_NONE)
        code = check_configs(m, plan->topic);
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
            topic->code =
                refuse(topic, WIRE_ERROR_INVALID_REQUEST, "the request names the topic twice");
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

/* Checks all topics; *record_count: how many records the good ones take. */
static void check_all(struct metadata *m, struct metadata_create *create, struct plan *plans,
                      int64_t *record_count, bool *exists)
{
    int64_t partition_count = m->tail->partition_count;
    *record_count = 0;
    *exists = false;
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
                 "the request needs more than 10000 metadata records: ask for less at once");
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
    if (m->closing || m->offline)
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

void metadata_create_free(struct metadata_create *create)
{
    for (int32_t i = 0; i < create->topic_count; i++) {
        metadata_topic_release(create->topics[i].topic);
        create->topics[i].topic = NULL;
    }
}
