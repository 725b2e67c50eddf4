/* alter_configs.c - what is set for topics and for brokers: all of a resource's changes are checked
 * together with what stays, and become a record for each key that changes
 * (ConfigurationControlManager, and DynamicBrokerConfig for brokers). Pure. */
#include "controller/internal.h"

/* One key of a resource, as it is. */
struct setting {
    struct bytes key, value;
};

/* What is changed. */
struct resource {
    int8_t type;
    struct bytes name;
    const struct metadata_topic *topic; /* NULL: a broker, or all of them */
    struct setting *settings;           /* in the view's memory */
    int32_t setting_count;
    bool unclean; /* out: the change allows unclean elections */
    char broker_name[METADATA_BROKER_NAME_SIZE];
};

/* What a key will be set to. */
struct result {
    struct bytes key;
    struct bytes value;
    bool is_set, changes;
    struct text text; /* of a list that was made */
};

struct results {
    struct result *items;
    int32_t count;
};

void controller_alter_configs_init(struct controller_alter_configs *c)
{
    *c = (struct controller_alter_configs){.command.verb = CONTROLLER_ALTER_CONFIGS};
}

static const struct setting *find_setting(const struct resource *r, struct bytes key)
{
    for (int32_t i = 0; i < r->setting_count; i++) {
        if (bytes_equal(r->settings[i].key, key))
            return &r->settings[i];
    }
    return NULL;
}

/* NULL: none that kiln has. */
static const struct metadata_key *key_of(const struct resource *r, struct bytes name)
{
    if (r->type == METADATA_RESOURCE_TOPIC)
        return metadata_topic_key(name);
    const struct metadata_broker_key *key = metadata_broker_key(name);
    return key == NULL ? NULL : &key->key;
}

static bool is_own_key(struct bytes name)
{
    for (int i = 0; i < metadata_own_key_count; i++) {
        if (bytes_equal(bytes_text(metadata_own_keys[i].name), name))
            return true;
    }
    return false;
}

/* ---- lists ---- */

/* Takes the part up to the next comma off *list. */
static struct bytes next_part(struct bytes *list)
{
    size_t size = 0;
    while (size < list->size && list->data[size] != ',')
        size++;
    struct bytes part = bytes_of(list->data, size);
    size_t step = MIN(size + 1, list->size);
    *list = bytes_of(list->data + step, list->size - step);
    return part;
}

static bool has_part(struct bytes list, struct bytes wanted)
{
    while (list.size > 0) {
        if (bytes_equal(next_part(&list), wanted))
            return true;
    }
    return false;
}

static void add_part(struct text *out, struct bytes part)
{
    if (out->size > 0)
        text_add(out, ",", 1);
    text_add(out, (const char *)part.data, part.size);
}

/* Those of from that are not in without, behind what out has. */
static void add_parts(struct text *out, struct bytes from, struct bytes without)
{
    while (from.size > 0) {
        struct bytes part = next_part(&from);
        if (!has_part(without, part) && !has_part(bytes_of(out->data, out->size), part))
            add_part(out, part);
    }
}

static bool is_list(const struct metadata_key *key)
{
    return key != NULL && (key->type == METADATA_KEY_POLICY || key->type == METADATA_KEY_REPLICAS);
}

static enum err refuse_list(const struct resource *r, const struct controller_setting *setting,
                            struct errmsg *msg)
{
    bool appends = setting->op == CONTROLLER_CONFIG_APPEND;
    int size = (int)setting->key.size;
    const char *name = (const char *)setting->key.data;
    if (r->type == METADATA_RESOURCE_TOPIC)
        return errmsg_set(msg, ERR_UNSUPPORTED,
                          "Can't %s to key %.*s because its type is not LIST.",
                          appends ? "APPEND" : "SUBTRACT", size, name);
    return errmsg_set(msg, ERR_UNSUPPORTED, "Config value %s is not allowed for config key: %.*s",
                      appends ? "append" : "subtract", size, name);
}

static enum err make_list(const struct resource *r, const struct controller_setting *setting,
                          const struct setting *before, struct result *result, struct errmsg *msg)
{
    const struct metadata_key *key = key_of(r, setting->key);
    struct bytes nothing = bytes_of(NULL, 0);
    if (!is_list(key))
        return refuse_list(r, setting, msg);
    bool adds = setting->op == CONTROLLER_CONFIG_APPEND;
    add_parts(&result->text, before != NULL ? before->value : bytes_text(key->fallback),
              adds ? nothing : setting->value);
    if (adds)
        add_parts(&result->text, setting->value, nothing);
    if (result->text.failed)
        return ERR_NOMEM;
    result->value = bytes_of(result->text.data, result->text.size);
    return ERR_NONE;
}

/* ---- one resource ---- */

static enum err resolve(const struct resource *r, const struct controller_setting *setting,
                        struct result *result, struct errmsg *msg)
{
    const struct setting *before = find_setting(r, setting->key);
    enum err e = ERR_NONE;
    result->key = setting->key;
    result->is_set = setting->op != CONTROLLER_CONFIG_DELETE;
    result->value = setting->value;
    if (setting->op == CONTROLLER_CONFIG_APPEND || setting->op == CONTROLLER_CONFIG_SUBTRACT)
        e = make_list(r, setting, before, result, msg);
    result->changes = result->is_set != (before != NULL) ||
                      (before != NULL && !bytes_equal(before->value, result->value));
    return e;
}

static struct result *find_result(const struct results *results, struct bytes key)
{
    for (int32_t i = 0; i < results->count; i++) {
        if (bytes_equal(results->items[i].key, key))
            return &results->items[i];
    }
    return NULL;
}

/* Who replaces all settings of a broker and comes from Kafka knows nothing of kiln's own. */
static bool goes(const struct resource *r, const struct results *results, struct bytes key)
{
    bool hidden = r->type == METADATA_RESOURCE_BROKER && is_own_key(key);
    return find_result(results, key) == NULL && !hidden;
}

/* The room is there: for each setting of both. */
static enum err resolve_all(const struct controller_alter_configs *c, const struct resource *r,
                            const struct controller_altered *altered, struct mem *mem,
                            struct results *results, struct errmsg *msg)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < altered->setting_count && e == ERR_NONE; i++) {
        struct result *result = &results->items[results->count++];
        *result = (struct result){0};
        text_init(&result->text, mem);
        e = resolve(r, &altered->settings[i], result, msg);
    }
    for (int32_t i = 0; i < r->setting_count && e == ERR_NONE && c->replaces; i++) {
        struct bytes key = r->settings[i].key;
        if (goes(r, results, key))
            results->items[results->count++] = (struct result){.key = key, .changes = true};
    }
    return e;
}

/* Whether that key of it becomes another. */
static bool changes(const struct results *results, const char *name)
{
    const struct result *result = find_result(results, bytes_text(name));
    return result != NULL && result->changes;
}

/* What stays and what is set, together. */
static enum err check_topic(const struct controller_view *view, struct resource *r,
                            const struct results *results, struct errmsg *msg)
{
    struct metadata_topic_config config;
    enum err e = ERR_NONE;
    controller_topic_defaults(view, &config);
    for (int32_t i = 0; i < r->setting_count; i++) {
        /* A log of another version may hold what this one refuses; the default stands then. */
        if (find_result(results, r->settings[i].key) == NULL &&
            metadata_topic_config_set(&config, r->settings[i].key, r->settings[i].value, NULL) !=
                ERR_NONE)
            continue;
    }
    for (int32_t i = 0; i < results->count && e == ERR_NONE; i++) {
        const struct result *result = &results->items[i];
        if (result->is_set)
            e = metadata_topic_config_set(&config, result->key, result->value, msg);
    }
    r->unclean =
        changes(results, CONTROLLER_UNCLEAN_KEY) && config.unclean_leader_election_enable != 0;
    return e == ERR_NONE ? metadata_topic_config_check(&config, msg) : e;
}

/* ---- of brokers ---- */

/* What only a broker's file may say. */
static enum err check_dynamic(const struct results *results, struct errmsg *msg)
{
    struct errmsg named = {0};
    for (int32_t i = 0; i < results->count; i++) {
        const struct result *result = &results->items[i];
        const struct metadata_broker_key *key = metadata_broker_key(result->key);
        struct errmsg before = named;
        if (key != NULL && key->scope == METADATA_READ_ONLY && result->is_set)
            errmsg_set(&named, ERR_INVALID, "%s%s%s", before.text, before.text[0] == 0 ? "" : ", ",
                       key->key.name);
    }
    return named.text[0] == 0
               ? ERR_NONE
               : errmsg_set(msg, ERR_INVALID, "Cannot update these configs dynamically: [%.400s]",
                            named.text);
}

/* Kafka's sentences are about its min.insync.replicas (KIP-966); kiln has another such key. */
static enum err check_scope(const struct resource *r, const struct result *result,
                            const struct metadata_broker_key *key, struct errmsg *msg)
{
    const char *why =
        is_own_key(result->key) ? ": brokers must not disagree about it" : " while ELR is enabled.";
    if (key->scope != METADATA_OF_CLUSTER)
        return ERR_NONE;
    if (r->name.size > 0)
        return errmsg_set(msg, ERR_UNSUPPORTED, "Broker-level %s cannot be altered%s",
                          key->key.name, why);
    return result->is_set ? ERR_NONE
                          : errmsg_set(msg, ERR_UNSUPPORTED, "Cluster-level %s cannot be removed%s",
                                       key->key.name, why);
}

/* That no topic has set what the new defaults make impossible. */
static enum err check_topics(const struct controller_view *view,
                             const struct metadata_topic_config *defaults, struct errmsg *msg)
{
    enum err e = metadata_topic_config_check(defaults, msg);
    for (int32_t i = 0; i < view->image->topic_count && e == ERR_NONE; i++) {
        const struct metadata_topic *topic = metadata_topic_at(view->image, i);
        struct metadata_topic_config config;
        if (topic->setting_count == 0)
            continue;
        metadata_topic_configured(topic, defaults, &config);
        if (config.flush_policy != 0)
            e = metadata_topic_config_check(&config, msg);
        if (e != ERR_NONE)
            errmsg_wrap(msg, e, "topic %s", topic->name);
    }
    return e;
}

/* That all brokers may is no news to a controller that may not, by what is set for itself. Who
 * takes its own word back finds the others' at the next election. */
static bool allows_unclean(const struct controller_view *view, const struct resource *r,
                           const struct results *results,
                           const struct metadata_topic_config *defaults)
{
    char self[METADATA_BROKER_NAME_SIZE];
    const struct result *result = find_result(results, bytes_text(CONTROLLER_UNCLEAN_KEY));
    metadata_broker_name(view->settings->node_id, self);
    if (result == NULL || !result->changes || !result->is_set ||
        defaults->unclean_leader_election_enable == 0)
        return false;
    return r->name.size > 0 || metadata_find_config(view->image, METADATA_RESOURCE_BROKER,
                                                    bytes_text(self), result->key)
                                       .size < 0;
}

static enum err check_broker(const struct controller_view *view, struct resource *r,
                             const struct results *results, struct errmsg *msg)
{
    struct metadata_broker_config config;
    metadata_broker_configured(view->image, view->settings->node_id, &view->settings->file,
                               &config);
    int64_t flush_policy = config.topics.flush_policy;
    enum err e = check_dynamic(results, msg);
    for (int32_t i = 0; i < results->count && e == ERR_NONE; i++) {
        const struct result *result = &results->items[i];
        const struct metadata_broker_key *key = metadata_broker_key(result->key);
        if (key == NULL || key->scope == METADATA_READ_ONLY)
            continue;
        if (result->is_set)
            e = metadata_broker_config_set(&config, key, result->value, msg);
        if (e == ERR_NONE)
            e = check_scope(r, result, key, msg);
    }
    if (e != ERR_NONE)
        return e;
    r->unclean = allows_unclean(view, r, results, &config.topics);
    return config.topics.flush_policy != flush_policy
               ? check_topics(view, &config.topics, msg)
               : metadata_topic_config_check(&config.topics, msg);
}

/* ---- one resource, whole ---- */

static struct wire_string string_of(struct bytes b)
{
    return (struct wire_string){.data = (const char *)b.data, .size = (int32_t)b.size};
}

/* Who is eligible was found by another minimum (P-13): of the topic, or of all where it is the
 * cluster's. */
static enum err add_clear_elr(const struct controller_view *view, const struct resource *r,
                              const struct result *result, struct metadata_batch *batch)
{
    struct wire_clear_elr_record record = {.topic_name = r->topic != NULL ? string_of(r->name)
                                                                          : wire_text("")};
    if (!result->changes || !bytes_equal(result->key, bytes_text("min.insync.replicas")) ||
        metadata_feature_level(view->image, METADATA_FEATURE_ELR) == 0 ||
        KNOWN_BUG(eligible_by_old_minimum))
        return ERR_NONE;
    return controller_add(batch, &wire_clear_elr_record_message, 0, &record);
}

static enum err add_records(const struct controller_view *view, const struct resource *r,
                            const struct results *results, struct metadata_batch *batch)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < results->count && e == ERR_NONE; i++) {
        const struct result *result = &results->items[i];
        struct wire_config_record record = {
            .resource_type = r->type,
            .resource_name = string_of(r->name),
            .name = string_of(result->key),
            .value = result->is_set ? string_of(result->value) : WIRE_NULL_STRING,
        };
        if (result->changes)
            e = controller_add(batch, &wire_config_record_message, 0, &record);
        if (e == ERR_NONE)
            e = add_clear_elr(view, r, result, batch);
    }
    return e;
}

/* ERR_INVALID, ERR_NOTFOUND, ERR_UNSUPPORTED: the resource's own; others: no record can be added.
 */
static enum err alter(const struct controller_view *view, const struct controller_alter_configs *c,
                      struct resource *r, struct controller_altered *altered,
                      struct metadata_batch *batch)
{
    struct results results = {0};
    size_t count = (size_t)altered->setting_count + (size_t)r->setting_count;
    results.items = mem_array(view->mem, MAX(count, 1u), sizeof *results.items);
    if (results.items == NULL)
        return ERR_NOMEM;
    enum err e = resolve_all(c, r, altered, view->mem, &results, &altered->msg);
    if (e == ERR_NONE && r->type == METADATA_RESOURCE_TOPIC)
        e = check_topic(view, r, &results, &altered->msg);
    else if (e == ERR_NONE)
        e = check_broker(view, r, &results, &altered->msg);
    if (e == ERR_NONE && !c->validate_only)
        e = add_records(view, r, &results, batch);
    if (e == ERR_NONE && !c->validate_only && r->unclean && !KNOWN_BUG(unclean_waits))
        e = controller_add_unclean(view, r->topic, batch);
    for (int32_t i = 0; i < results.count; i++)
        text_free(&results.items[i].text);
    mem_free(view->mem, results.items);
    return e;
}

static void refuse(struct controller_altered *altered, int16_t code, const char *before,
                   const char *behind)
{
    altered->code = code;
    errmsg_set(&altered->msg, ERR_INVALID, "%s%.*s%s", before, (int)altered->name.size,
               (const char *)altered->name.data, behind);
}

/* False: there is none of that name, which the code says. */
static bool find_topic(const struct controller_view *view, struct controller_altered *altered,
                       struct resource *r)
{
    r->topic = metadata_find(view->image, altered->name);
    if (altered->name.size == 0)
        refuse(altered, WIRE_ERROR_INVALID_REQUEST, "Default topic resources are not allowed.", "");
    else if (metadata_topic_name_check(altered->name, &altered->msg) != ERR_NONE)
        altered->code = WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
    else if (r->topic == NULL)
        refuse(altered, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The topic '", "' does not exist.");
    return r->topic != NULL;
}

/* The same. */
static bool find_broker(const struct controller_view *view, struct controller_altered *altered,
                        struct resource *r)
{
    int64_t id = 0;
    if (altered->name.size == 0)
        return true;
    if (text_parse_int(altered->name, &id) != ERR_NONE || id != (int32_t)id) {
        refuse(altered, WIRE_ERROR_INVALID_REQUEST, "Node id must be an integer, but it is: ", "");
        return false;
    }
    if (id != view->settings->node_id && metadata_find_broker(view->image, (int32_t)id) == NULL) {
        refuse(altered, WIRE_ERROR_BROKER_ID_NOT_REGISTERED, "No node with id ", " found.");
        return false;
    }
    metadata_broker_name((int32_t)id, r->broker_name);
    r->name = bytes_text(r->broker_name);
    return true;
}

static enum err take_settings(const struct controller_view *view, struct resource *r, int32_t count)
{
    struct metadata_config_walk walk;
    struct metadata_config config;
    r->settings = mem_array(view->mem, (size_t)MAX(count, 1), sizeof *r->settings);
    if (r->settings == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; r->topic != NULL && i < count; i++)
        r->settings[r->setting_count++] =
            (struct setting){.key = bytes_text(r->topic->settings[i].key),
                             .value = bytes_text(r->topic->settings[i].value)};
    metadata_config_walk_begin(&walk, view->image, r->type, r->name);
    while (r->setting_count < count && metadata_config_walk_next(&walk, view->image, &config))
        r->settings[r->setting_count++] =
            (struct setting){.key = config.key, .value = config.value};
    return ERR_NONE;
}

static int32_t count_settings(const struct controller_view *view, const struct resource *r)
{
    struct metadata_config_walk walk;
    struct metadata_config config;
    int32_t count = 0;
    if (r->topic != NULL)
        return r->topic->setting_count;
    metadata_config_walk_begin(&walk, view->image, r->type, r->name);
    while (metadata_config_walk_next(&walk, view->image, &config) &&
           bytes_equal(config.resource, r->name))
        count++;
    return count;
}

/* Kafka's broker looks at what is set for brokers before its controller does, with another code. */
static int16_t code_of(const struct resource *r, enum err e)
{
    if (e == ERR_INVALID && r->type == METADATA_RESOURCE_BROKER)
        return WIRE_ERROR_INVALID_REQUEST;
    bool own = e == ERR_INVALID || e == ERR_NOTFOUND || e == ERR_UNSUPPORTED;
    return own ? WIRE_ERROR_INVALID_CONFIG : controller_code_of(e);
}

static void judge(const struct controller_view *view, struct controller_alter_configs *c,
                  struct controller_altered *altered, struct metadata_batch *batch)
{
    struct resource r = {.type = altered->type, .name = altered->name};
    bool is_topic = altered->type == METADATA_RESOURCE_TOPIC;
    ASSERT(is_topic || altered->type == METADATA_RESOURCE_BROKER);
    if (!(is_topic ? find_topic(view, altered, &r) : find_broker(view, altered, &r)))
        return;
    enum err e = take_settings(view, &r, count_settings(view, &r));
    if (e == ERR_NONE)
        e = alter(view, c, &r, altered, batch);
    mem_free(view->mem, r.settings);
    altered->code = code_of(&r, e);
    if (e != ERR_INVALID && e != ERR_NOTFOUND && e != ERR_UNSUPPORTED)
        c->command.code = altered->code;
}

static void measure_broker(const struct controller_view *view, struct bytes name, int64_t *count,
                           int64_t *bytes)
{
    struct metadata_config_walk walk;
    struct metadata_config config;
    metadata_config_walk_begin(&walk, view->image, METADATA_RESOURCE_BROKER, name);
    while (metadata_config_walk_next(&walk, view->image, &config) &&
           bytes_equal(config.resource, name)) {
        (*count)++;
        *bytes += (int64_t)(name.size + config.key.size + config.value.size);
    }
}

static bool names_unclean(const struct controller_altered *altered)
{
    for (int32_t i = 0; i < altered->setting_count; i++) {
        if (bytes_equal(altered->settings[i].key, bytes_text(CONTROLLER_UNCLEAN_KEY)))
            return true;
    }
    return false;
}

/* How many records there may be, and how many bytes they may have. */
static void measure(const struct controller_view *view, const struct controller_alter_configs *c,
                    int64_t *count, int64_t *bytes)
{
    *count = *bytes = 0;
    for (int32_t i = 0; i < c->altered_count; i++) {
        const struct controller_altered *altered = &c->altered[i];
        const struct metadata_topic *topic = altered->type == METADATA_RESOURCE_TOPIC
                                                 ? metadata_find(view->image, altered->name)
                                                 : NULL;
        if (altered->code != WIRE_ERROR_NONE || altered->settled)
            continue;
        int64_t elections = 0, election_bytes = 0;
        if (names_unclean(altered) || (c->replaces && topic != NULL))
            controller_measure_unclean(view, topic, &elections, &election_bytes);
        *bytes += election_bytes;
        *count += elections + altered->setting_count + 1; /* and that nobody is eligible */
        for (int32_t k = 0; k < altered->setting_count; k++)
            *bytes += (int64_t)(altered->name.size + altered->settings[k].key.size +
                                altered->settings[k].value.size);
        if (altered->type != METADATA_RESOURCE_TOPIC)
            measure_broker(view, altered->name, count, bytes);
        if (altered->type != METADATA_RESOURCE_TOPIC || topic == NULL)
            continue;
        *count += topic->setting_count;
        for (int32_t k = 0; k < topic->setting_count; k++)
            *bytes += (int64_t)(altered->name.size + strlen(topic->settings[k].key) +
                                strlen(topic->settings[k].value));
    }
}

static void fail_all(struct controller_alter_configs *c, int16_t code, const char *sentence)
{
    for (int32_t i = 0; i < c->altered_count; i++) {
        if (c->altered[i].code != WIRE_ERROR_NONE)
            continue;
        c->altered[i].code = code;
        errmsg_set(&c->altered[i].msg, ERR_IO, "%s", sentence);
    }
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_alter_configs *c =
        CONTAINER_OF(command, struct controller_alter_configs, command);
    int64_t count, bytes;
    measure(view, c, &count, &bytes);
    command->rests_on_image = true;
    enum err e =
        c->validate_only ? ERR_NONE : controller_expect(batch, count, bytes, "AlterConfigs");
    command->code = controller_code_of(e);
    for (int32_t i = 0; i < c->altered_count && command->code == WIRE_ERROR_NONE; i++) {
        if (c->altered[i].code == WIRE_ERROR_NONE && !c->altered[i].settled)
            judge(view, c, &c->altered[i], batch);
    }
    if (command->code == WIRE_ERROR_NONE)
        command->code = controller_code_of(controller_end(batch));
    if (command->code != WIRE_ERROR_NONE)
        fail_all(c, command->code, wire_error_text(command->code));
}

/* Those that were changed are not; that a topic is not there may not be true. */
static void lost(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence)
{
    struct controller_alter_configs *c =
        CONTAINER_OF(command, struct controller_alter_configs, command);
    for (int32_t i = 0; i < c->altered_count; i++) {
        if (c->altered[i].code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
            metadata_find(image, c->altered[i].name) != NULL)
            c->altered[i].code = WIRE_ERROR_NONE;
    }
    fail_all(c, code, sentence);
}

const struct verb controller_verb_alter_configs = {.decide = decide, .lost = lost};
