/* alter_configs.c - what is set for topics: all of a topic's changes are checked together with what
 * stays, and become a record for each key that changes (ConfigurationControlManager). Pure. */
#include "controller/internal.h"

#define RESOURCE_TOPIC 2 /* ConfigResource.Type.TOPIC */

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

static const char *find_setting(const struct metadata_topic *topic, struct bytes key)
{
    for (int32_t i = 0; i < topic->setting_count; i++) {
        if (bytes_equal(bytes_text(topic->settings[i].key), key))
            return topic->settings[i].value;
    }
    return NULL;
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

static enum err make_list(const struct controller_setting *setting, const char *before,
                          struct result *result, struct errmsg *msg)
{
    static const char *const names[] = {
        [CONTROLLER_CONFIG_APPEND] = "APPEND", [CONTROLLER_CONFIG_SUBTRACT] = "SUBTRACT"};
    const struct metadata_key *key = metadata_topic_key(setting->key);
    struct bytes nothing = bytes_of(NULL, 0);
    if (!is_list(key))
        return errmsg_set(msg, ERR_INVALID, "Can't %s to key %.*s because its type is not LIST.",
                          names[setting->op], (int)setting->key.size,
                          (const char *)setting->key.data);
    bool adds = setting->op == CONTROLLER_CONFIG_APPEND;
    add_parts(&result->text, bytes_text(before != NULL ? before : key->fallback),
              adds ? nothing : setting->value);
    if (adds)
        add_parts(&result->text, setting->value, nothing);
    if (result->text.failed)
        return ERR_NOMEM;
    result->value = bytes_of(result->text.data, result->text.size);
    return ERR_NONE;
}

/* ---- one topic ---- */

static enum err resolve(const struct metadata_topic *topic,
                        const struct controller_setting *setting, struct result *result,
                        struct errmsg *msg)
{
    const char *before = find_setting(topic, setting->key);
    enum err e = ERR_NONE;
    result->key = setting->key;
    result->is_set = setting->op != CONTROLLER_CONFIG_DELETE;
    result->value = setting->value;
    if (setting->op == CONTROLLER_CONFIG_APPEND || setting->op == CONTROLLER_CONFIG_SUBTRACT)
        e = make_list(setting, before, result, msg);
    result->changes = result->is_set != (before != NULL) ||
                      (before != NULL && !bytes_equal(bytes_text(before), result->value));
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

/* The room is there: for each setting of both. */
static enum err resolve_all(const struct controller_alter_configs *c,
                            const struct metadata_topic *topic,
                            const struct controller_altered *altered, struct mem *mem,
                            struct results *results, struct errmsg *msg)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < altered->setting_count && e == ERR_NONE; i++) {
        struct result *result = &results->items[results->count++];
        *result = (struct result){0};
        text_init(&result->text, mem);
        e = resolve(topic, &altered->settings[i], result, msg);
    }
    for (int32_t i = 0; i < topic->setting_count && e == ERR_NONE && c->replaces; i++) {
        struct bytes key = bytes_text(topic->settings[i].key);
        if (find_result(results, key) == NULL)
            results->items[results->count++] = (struct result){.key = key, .changes = true};
    }
    return e;
}

/* What stays and what is set, together. */
static enum err check(const struct controller_view *view, const struct metadata_topic *topic,
                      const struct results *results, struct errmsg *msg)
{
    struct metadata_topic_config config;
    enum err e = ERR_NONE;
    metadata_cluster_defaults(view->image, &view->settings->topic_defaults, &config);
    for (int32_t i = 0; i < topic->setting_count; i++) {
        struct bytes key = bytes_text(topic->settings[i].key);
        struct bytes value = bytes_text(topic->settings[i].value);
        /* A log of another version may hold what this one refuses; the default stands then. */
        if (find_result(results, key) == NULL &&
            metadata_topic_config_set(&config, key, value, NULL) != ERR_NONE)
            continue;
    }
    for (int32_t i = 0; i < results->count && e == ERR_NONE; i++) {
        const struct result *result = &results->items[i];
        if (result->is_set)
            e = metadata_topic_config_set(&config, result->key, result->value, msg);
    }
    return e == ERR_NONE ? metadata_topic_config_check(&config, msg) : e;
}

static struct wire_string string_of(struct bytes b)
{
    return (struct wire_string){.data = (const char *)b.data, .size = (int32_t)b.size};
}

static enum err add_records(const struct metadata_topic *topic, const struct results *results,
                            struct metadata_batch *batch)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < results->count && e == ERR_NONE; i++) {
        const struct result *result = &results->items[i];
        struct wire_config_record record = {
            .resource_type = RESOURCE_TOPIC,
            .resource_name = wire_text(topic->name),
            .name = string_of(result->key),
            .value = result->is_set ? string_of(result->value) : WIRE_NULL_STRING,
        };
        if (result->changes)
            e = controller_add(batch, &wire_config_record_message, 0, &record);
    }
    return e;
}

/* ERR_INVALID, ERR_NOTFOUND, ERR_UNSUPPORTED: the topic's own; others: no record can be added. */
static enum err alter(const struct controller_view *view, const struct controller_alter_configs *c,
                      const struct metadata_topic *topic, struct controller_altered *altered,
                      struct metadata_batch *batch)
{
    struct results results = {0};
    size_t count = (size_t)altered->setting_count + (size_t)topic->setting_count;
    results.items = mem_array(view->mem, MAX(count, 1u), sizeof *results.items);
    if (results.items == NULL)
        return ERR_NOMEM;
    enum err e = resolve_all(c, topic, altered, view->mem, &results, &altered->msg);
    if (e == ERR_NONE)
        e = check(view, topic, &results, &altered->msg);
    if (e == ERR_NONE && !c->validate_only)
        e = add_records(topic, &results, batch);
    for (int32_t i = 0; i < results.count; i++)
        text_free(&results.items[i].text);
    mem_free(view->mem, results.items);
    return e;
}

static void judge(const struct controller_view *view, struct controller_alter_configs *c,
                  struct controller_altered *altered, struct metadata_batch *batch)
{
    int size = (int)altered->topic.size;
    const char *name = (const char *)altered->topic.data;
    const struct metadata_topic *topic = metadata_find(view->image, altered->topic);
    if (size == 0) {
        altered->code = WIRE_ERROR_INVALID_REQUEST;
        errmsg_set(&altered->msg, ERR_INVALID, "Default topic resources are not allowed.");
        return;
    }
    if (topic == NULL) {
        altered->code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        errmsg_set(&altered->msg, ERR_NOTFOUND, "The topic '%.*s' does not exist.", size, name);
        return;
    }
    enum err e = alter(view, c, topic, altered, batch);
    bool own = e == ERR_INVALID || e == ERR_NOTFOUND || e == ERR_UNSUPPORTED;
    altered->code = own ? WIRE_ERROR_INVALID_CONFIG : controller_code_of(e);
    if (!own)
        c->command.code = altered->code;
}

/* How many records there may be, and how many bytes they may have. */
static void measure(const struct controller_view *view, const struct controller_alter_configs *c,
                    int64_t *count, int64_t *bytes)
{
    *count = *bytes = 0;
    for (int32_t i = 0; i < c->altered_count; i++) {
        const struct controller_altered *altered = &c->altered[i];
        const struct metadata_topic *topic = metadata_find(view->image, altered->topic);
        if (altered->code != WIRE_ERROR_NONE || topic == NULL)
            continue;
        *count += altered->setting_count + topic->setting_count;
        for (int32_t k = 0; k < altered->setting_count; k++)
            *bytes += (int64_t)(altered->topic.size + altered->settings[k].key.size +
                                altered->settings[k].value.size);
        for (int32_t k = 0; k < topic->setting_count; k++)
            *bytes += (int64_t)(altered->topic.size + strlen(topic->settings[k].key) +
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
        if (c->altered[i].code == WIRE_ERROR_NONE)
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
            metadata_find(image, c->altered[i].topic) != NULL)
            c->altered[i].code = WIRE_ERROR_NONE;
    }
    fail_all(c, code, sentence);
}

const struct verb controller_verb_alter_configs = {.decide = decide, .lost = lost};
