/* create_topics.c - new topics: what is asked for is checked against everything that was appended
 * before, and what may be is one batch. Pure. */
#include "controller/internal.h"

#define RECORD_BYTES 96 /* of a partition of one replica, and no more */

/* What a checked topic will be. */
struct plan {
    struct controller_new_topic *topic;
    struct wire_uuid id;
    int32_t partition_count, factor; /* factor 0: as its assignments say */
};

static int16_t refuse(struct controller_new_topic *topic, int16_t code, const char *sentence)
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

static int16_t check_name(const struct controller_view *view, struct controller_new_topic *topic)
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
    if (metadata_find(view->image, topic->name) != NULL) {
        errmsg_set(&topic->msg, ERR_EXISTS, "Topic '%.*s' already exists.", size, name);
        return WIRE_ERROR_TOPIC_ALREADY_EXISTS;
    }
    const struct metadata_topic *other = metadata_find_collision(view->image, topic->name);
    if (other == NULL)
        return WIRE_ERROR_NONE;
    errmsg_set(&topic->msg, ERR_INVALID, "Topic '%.*s' collides with existing topic: %s", size,
               name, other->name);
    return WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
}

/* ---- partitions ---- */

/* format has one %d. */
#define REFUSE_ASSIGNMENT(topic, format, id)                                                       \
    (errmsg_set(&(topic)->msg, ERR_INVALID, format, (int)(id)),                                    \
     (int16_t)WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT)

/* In any order, as Kafka takes them. seen has room for as many as are assigned. */
static int16_t check_each_assignment(const struct controller_view *view,
                                     struct controller_new_topic *topic, bool *seen)
{
    int32_t count = topic->assignment_count, factor = 0;
    bool consecutive = true;
    for (int32_t i = 0; i < count; i++) {
        int32_t number = topic->assignments[i].partition_index;
        bool within = number >= 0 && number < count;
        if (within && seen[number])
            return REFUSE_ASSIGNMENT(
                topic, "Found multiple manual partition assignments for partition %d", number);
        if (within)
            seen[number] = true;
        consecutive &= within;
        struct metadata_ids replicas = {.ids = topic->assignments[i].broker_ids,
                                        .count = topic->assignments[i].broker_ids_count};
        int16_t code = controller_check_replicas(view, number, replicas, factor, &topic->msg);
        if (code != WIRE_ERROR_NONE)
            return code;
        factor = replicas.count;
    }
    return consecutive ? WIRE_ERROR_NONE
                       : refuse(topic, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                                "partitions should be a consecutive 0-based integer sequence");
}

static int16_t check_assignments(const struct controller_view *view,
                                 struct controller_new_topic *topic)
{
    if (topic->replication_factor != -1)
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "A manual partition assignment was specified, but replication factor was not "
                      "set to -1.");
    if (topic->partition_count != -1)
        return refuse(topic, WIRE_ERROR_INVALID_REQUEST,
                      "A manual partition assignment was specified, but numPartitions was not set "
                      "to -1.");
    bool *seen = mem_zalloc(view->mem, (size_t)topic->assignment_count * sizeof *seen);
    if (seen == NULL)
        return refuse(topic, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    int16_t code = check_each_assignment(view, topic, seen);
    mem_free(view->mem, seen);
    return code;
}

static int16_t check_partitions(const struct controller_view *view, struct plan *plan)
{
    struct controller_new_topic *topic = plan->topic;
    int factor = topic->replication_factor;
    plan->factor = 0;
    if (topic->assignment_count > 0) {
        plan->partition_count = topic->assignment_count;
        return check_assignments(view, topic);
    }
    if (factor < -1 || factor == 0)
        return refuse(topic, WIRE_ERROR_INVALID_REPLICATION_FACTOR,
                      "Replication factor must be larger than 0, or -1 to use the default value.");
    plan->partition_count = topic->partition_count != -1 ? topic->partition_count
                                                         : view->settings->partition_count_default;
    plan->factor = factor != -1 ? factor : view->settings->replication_factor_default;
    if (plan->partition_count <= 0)
        return refuse(topic, WIRE_ERROR_INVALID_PARTITIONS,
                      "Number of partitions was set to an invalid non-positive value.");
    ASSERT(plan->partition_count <= METADATA_RECORDS_MAX); /* within the sum of the request */
    return controller_check_factor(view, plan->factor, &topic->msg);
}

/* ---- settings ---- */

static struct bytes string_bytes(struct wire_string s)
{
    return bytes_of(s.data, (size_t)MAX(s.size, 0));
}

static enum err check_null_values(struct controller_new_topic *topic)
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
static int16_t check_configs(const struct controller_view *view, struct controller_new_topic *topic)
{
    struct metadata_topic_config config;
    struct errmsg first = {0};
    controller_topic_defaults(view, &config);
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
        e = metadata_topic_config_check(&config, &topic->msg);
    return e == ERR_NONE ? WIRE_ERROR_NONE : WIRE_ERROR_INVALID_CONFIG;
}

static int16_t check_topic(const struct controller_view *view, struct plan *plan)
{
    int16_t code = check_name(view, plan->topic);
    if (code == WIRE_ERROR_NONE)
        code = check_configs(view, plan->topic);
    if (code == WIRE_ERROR_NONE)
        code = check_partitions(view, plan);
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

static enum err refuse_repeated(const struct controller_view *view,
                                struct controller_create_topics *c)
{
    if (c->topic_count < 2)
        return ERR_NONE;
    size_t count = (size_t)c->topic_count;
    struct name_index *names = mem_array(view->mem, count, sizeof *names);
    if (names == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = (struct name_index){.name = c->topics[i].name, .index = (int32_t)i};
    enum err e = sort_stable(view->mem, names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count && e == ERR_NONE; i++) {
        if (!bytes_equal(names[i - 1].name, names[i].name))
            continue;
        for (size_t k = i - 1; k <= i; k++) {
            struct controller_new_topic *topic = &c->topics[names[k].index];
            topic->code = refuse(topic, WIRE_ERROR_INVALID_REQUEST, "Duplicate topic name.");
        }
    }
    mem_free(view->mem, names);
    return e;
}

/* ---- records ---- */

/* Such that no topic has it and no tool takes it for an option (Uuid.java). */
static struct wire_uuid draw_id(const struct controller_view *view, struct bytes name)
{
    uint64_t key = hash_bytes(name.data, name.size, 0);
    for (;;) {
        struct wire_uuid id = controller_draw_uuid(view->chance, "metadata/topic_id", key);
        bool dash = id.b[0] >> 2 == 62; /* '-' in base64url */
        if (!dash && metadata_find_id(view->image, &id) == NULL)
            return id;
    }
}

/* The brokers of each partition, as they were assigned in any order. */
static enum err add_assigned(const struct controller_view *view, struct metadata_batch *batch,
                             const struct plan *plan)
{
    const struct controller_new_topic *topic = plan->topic;
    int32_t *places = mem_array(view->mem, (size_t)plan->partition_count, sizeof *places);
    enum err e = places == NULL ? ERR_NOMEM : ERR_NONE;
    for (int32_t i = 0; i < plan->partition_count && e == ERR_NONE; i++)
        places[topic->assignments[i].partition_index] = i;
    for (int32_t i = 0; i < plan->partition_count && e == ERR_NONE; i++) {
        const struct wire_create_topics_request_assignment *a = &topic->assignments[places[i]];
        struct metadata_ids replicas = {.ids = a->broker_ids, .count = a->broker_ids_count};
        e = controller_add_partition(view, batch, &plan->id, i, replicas);
    }
    mem_free(view->mem, places);
    return e;
}

/* Topic, then its settings, then its partitions (ReplicationControlManager). */
static enum err add_records(const struct controller_view *view, struct metadata_batch *batch,
                            const struct plan *plan)
{
    struct wire_string name = {.data = (const char *)plan->topic->name.data,
                               .size = (int32_t)plan->topic->name.size};
    struct wire_topic_record topic = {.name = name, .topic_id = plan->id};
    enum err e = controller_add(batch, &wire_topic_record_message, 0, &topic);
    for (int32_t i = 0; i < plan->topic->config_count && e == ERR_NONE; i++) {
        struct wire_config_record record = {
            .resource_type = 2,
            .resource_name = name,
            .name = plan->topic->configs[i].name,
            .value = plan->topic->configs[i].value,
        };
        e = controller_add(batch, &wire_config_record_message, 0, &record);
    }
    if (e != ERR_NONE)
        return e;
    if (plan->factor == 0)
        return add_assigned(view, batch, plan);
    return controller_add_spread(view, batch, &plan->id, 0, plan->partition_count, plan->factor);
}

/* ---- the operation ---- */

static void fail_all(struct controller_create_topics *c, int16_t code, const char *sentence)
{
    for (int32_t i = 0; i < c->topic_count; i++) {
        struct controller_new_topic *topic = &c->topics[i];
        if (topic->code == WIRE_ERROR_NONE)
            topic->code = refuse(topic, code, sentence);
    }
}

/* How many partitions are asked for, whatever else is wrong (ReplicationControlManager
 * .validateTotalNumberOfPartitions); names given twice are out already. */
static int64_t partitions_asked_for(const struct controller_view *view,
                                    const struct controller_create_topics *c)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < c->topic_count; i++) {
        const struct controller_new_topic *topic = &c->topics[i];
        int32_t count = topic->assignment_count > 0    ? topic->assignment_count
                        : topic->partition_count == -1 ? view->settings->partition_count_default
                                                       : topic->partition_count;
        if (topic->code == WIRE_ERROR_NONE)
            sum += MAX(count, 0);
    }
    return sum;
}

/* How many replicas it has. */
static int64_t ids_of(const struct plan *plan)
{
    int64_t sum = (int64_t)plan->partition_count * plan->factor;
    for (int32_t i = 0; plan->factor == 0 && i < plan->partition_count; i++)
        sum += plan->topic->assignments[i].broker_ids_count;
    return sum;
}

/* The same of each partition: an assignment whose partitions differ in it is refused. */
static int32_t factor_of(const struct plan *plan)
{
    return plan->factor != 0 ? plan->factor : plan->topic->assignments[0].broker_ids_count;
}

/* Checks all topics; *record_count: how many records the good ones take, *id_count: and replicas.
 */
static void check_all(const struct controller_view *view, struct controller_create_topics *c,
                      struct plan *plans, int64_t *record_count, int64_t *id_count, bool *exists)
{
    int64_t partition_count = view->image->partition_count;
    *record_count = *id_count = 0;
    *exists = false;
    if (partitions_asked_for(view, c) > METADATA_RECORDS_MAX)
        fail_all(c, WIRE_ERROR_POLICY_VIOLATION,
                 "Excessively large number of partitions per request.");
    for (int32_t i = 0; i < c->topic_count; i++) {
        struct controller_new_topic *topic = &c->topics[i];
        plans[i].topic = topic;
        if (topic->code == WIRE_ERROR_NONE)
            topic->code = check_topic(view, &plans[i]);
        *exists |= topic->code == WIRE_ERROR_TOPIC_ALREADY_EXISTS;
        if (topic->code != WIRE_ERROR_NONE)
            continue;
        topic->partition_count = plans[i].partition_count;
        topic->factor = factor_of(&plans[i]);
        *record_count += 1 + (int64_t)topic->config_count + plans[i].partition_count;
        *id_count += ids_of(&plans[i]);
        if (partition_count + plans[i].partition_count > METADATA_PARTITIONS_MAX)
            topic->code = refuse(topic, WIRE_ERROR_INVALID_PARTITIONS,
                                 "the cluster would have more than 200000 partitions");
        else
            partition_count += plans[i].partition_count;
    }
    if (*record_count > METADATA_RECORDS_MAX)
        fail_all(c, WIRE_ERROR_POLICY_VIOLATION,
                 "Unable to perform excessively large batch operation.");
}

/* The records of what is good. */
static enum err add_all(const struct controller_view *view, struct controller_create_topics *c,
                        struct plan *plans, struct metadata_batch *batch)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < c->topic_count && e == ERR_NONE; i++) {
        struct controller_new_topic *topic = plans[i].topic;
        if (topic->code != WIRE_ERROR_NONE)
            continue;
        topic->id = plans[i].id = draw_id(view, topic->name);
        e = add_records(view, batch, &plans[i]);
    }
    return e;
}

/* Names and settings that they bring; what a record has besides is small. */
static int64_t bytes_of_all(const struct controller_create_topics *c)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < c->topic_count; i++) {
        const struct controller_new_topic *topic = &c->topics[i];
        sum += (int64_t)topic->name.size * (1 + topic->config_count);
        for (int32_t k = 0; k < topic->config_count && topic->code == WIRE_ERROR_NONE; k++)
            sum += topic->configs[k].name.size + topic->configs[k].value.size;
    }
    return sum;
}

static void judge(const struct controller_view *view, struct controller_create_topics *c,
                  struct plan *plans, struct metadata_batch *batch)
{
    int64_t record_count = 0, id_count = 0;
    bool exists = false;
    check_all(view, c, plans, &record_count, &id_count, &exists);
    c->command.rests_on_image = exists;
    bool some = false;
    for (int32_t i = 0; i < c->topic_count; i++)
        some |= c->topics[i].code == WIRE_ERROR_NONE;
    if (!some || c->validate_only)
        return;
    enum err e = controller_expect(batch, record_count,
                                   bytes_of_all(c) + record_count * RECORD_BYTES +
                                       id_count * CONTROLLER_REPLICA_BYTES_MAX,
                                   "new topics");
    if (e == ERR_NONE)
        e = add_all(view, c, plans, batch);
    if (e == ERR_NONE)
        e = controller_end(batch);
    c->command.code = controller_code_of(e);
    if (e != ERR_NONE)
        fail_all(c, c->command.code, wire_error_text(c->command.code));
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_create_topics *c =
        CONTAINER_OF(command, struct controller_create_topics, command);
    struct plan *plans = mem_array(view->mem, (size_t)MAX(c->topic_count, 1), sizeof *plans);
    for (int32_t i = 0; i < c->topic_count; i++) {
        if (!c->topics[i].refused)
            c->topics[i].code = WIRE_ERROR_NONE;
        c->topics[i].id = (struct wire_uuid){{0}};
    }
    if (plans == NULL || refuse_repeated(view, c) != ERR_NONE)
        fail_all(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the broker is out of memory");
    else
        judge(view, c, plans, batch);
    mem_free(view->mem, plans);
}

/* A verdict that was reached in view of what has been taken back. */
static bool is_void(const struct metadata_image *image, const struct controller_new_topic *topic)
{
    if (topic->code == WIRE_ERROR_TOPIC_ALREADY_EXISTS)
        return metadata_find(image, topic->name) == NULL;
    return topic->code == WIRE_ERROR_NONE;
}

static void lost(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence)
{
    struct controller_create_topics *c =
        CONTAINER_OF(command, struct controller_create_topics, command);
    for (int32_t i = 0; i < c->topic_count; i++) {
        struct controller_new_topic *topic = &c->topics[i];
        if (!is_void(image, topic))
            continue;
        topic->code = refuse(topic, code, sentence);
        topic->id = (struct wire_uuid){{0}};
    }
}

void controller_create_topics_init(struct controller_create_topics *c)
{
    *c = (struct controller_create_topics){.command.verb = CONTROLLER_CREATE_TOPICS};
}

const struct verb controller_verb_create_topics = {.decide = decide, .lost = lost};
