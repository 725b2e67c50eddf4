/* configs.c - where the value of a key comes from: its topic, this broker, all brokers, the
 * broker's file, or the default, of which the first counts (ConfigHelper of Kafka's). */
#include "api/internal.h"

static int8_t type_of(const struct metadata_key *key)
{
    switch (key->type) {
    case METADATA_KEY_BOOL:
        return 1;
    case METADATA_KEY_WORD:
    case METADATA_KEY_TEXT:
        return 2;
    case METADATA_KEY_INT:
        return 3;
    case METADATA_KEY_LONG:
        return 5;
    case METADATA_KEY_DOUBLE:
        return 6;
    case METADATA_KEY_POLICY:
    case METADATA_KEY_REPLICAS:
    case METADATA_KEY_LIST:
        return 7;
    }
    UNREACHABLE();
}

/* Keys that say the same, the one that counts first (DynamicBrokerConfig.brokerConfigSynonyms). */
#define SYNONYMS_MAX 3
static const char *const retention_keys[SYNONYMS_MAX] = {
    "log.retention.ms", "log.retention.minutes", "log.retention.hours"};

/* What a broker's key might be. */
struct sources {
    struct request *r;
    const char *names[SYNONYMS_MAX];
    int name_count;
    const char *fallback; /* of a key that kiln does not have; NULL: none */
    struct wire_describe_configs_response_synonym found[SYNONYMS_MAX * API_SOURCE_DEFAULT];
    int32_t count;
};

static void find_names(struct sources *s, const char *name)
{
    if (strcmp(name, retention_keys[0]) != 0) {
        s->names[s->name_count++] = name;
        return;
    }
    for (int i = 0; i < SYNONYMS_MAX; i++)
        s->names[s->name_count++] = retention_keys[i];
}

static struct wire_string text_of(const char *text)
{
    return text == NULL ? WIRE_NULL_STRING : wire_text(text);
}

/* size -1: it is not said there. */
static struct wire_string value_in(const struct sources *s, const char *name,
                                   enum api_source source)
{
    const struct api *api = s->r->api;
    const struct metadata_image *image = quorum_current(api->quorum);
    const struct metadata_broker_key *known = metadata_broker_key(bytes_text(name));
    const struct api_broker_key *file =
        known == NULL ? NULL : &api->settings.broker_keys[known - metadata_broker_keys];
    char self[METADATA_BROKER_NAME_SIZE];
    metadata_broker_name(quorum_node_id(api->quorum), self);
    switch (source) {
    case API_SOURCE_BROKER:
    case API_SOURCE_CLUSTER:
        return metadata_find_config(image, METADATA_RESOURCE_BROKER,
                                    bytes_text(source == API_SOURCE_BROKER ? self : ""),
                                    bytes_text(name));
    case API_SOURCE_FILE:
        return file != NULL && file->given ? text_of(file->value) : WIRE_NULL_STRING;
    case API_SOURCE_DEFAULT:
        return text_of(file != NULL ? file->fallback : s->fallback);
    case API_SOURCE_TOPIC:
        break;
    }
    UNREACHABLE();
}

static void add(struct sources *s, const char *name, struct wire_string value,
                enum api_source source)
{
    ASSERT(s->count < COUNT_OF(s->found));
    s->found[s->count++] = (struct wire_describe_configs_response_synonym){
        .name = wire_text(name), .value = value, .source = (int8_t)source};
}

/* What stands before the first of that very name says nothing of it. */
static void find_sources(struct sources *s, const char *name)
{
    int32_t first = s->count;
    find_names(s, name);
    for (int source = API_SOURCE_BROKER; source <= API_SOURCE_DEFAULT; source++) {
        for (int i = 0; i < s->name_count; i++) {
            struct wire_string value = value_in(s, s->names[i], (enum api_source)source);
            bool named = s->count > first || strcmp(s->names[i], name) == 0;
            if (value.size >= 0 && named)
                add(s, s->names[i], value, (enum api_source)source);
        }
    }
}

/* NULL: no memory. */
static char *copy_text(struct request *r, struct bytes text)
{
    char *copy = api_request_alloc(r, text.size + 1, 1);
    if (copy != NULL && text.size > 0)
        memcpy(copy, text.data, text.size);
    return copy;
}

/* As it is read, out of the struct that its key is of. */
static bool print(struct request *r, const struct metadata_key *key, const void *config,
                  struct wire_string *out)
{
    struct text text;
    text_init(&text, r->api->mem);
    metadata_config_print(key, config, &text);
    const char *copy = text.failed ? NULL : copy_text(r, bytes_of(text.data, text.size));
    text_free(&text);
    *out = text_of(copy);
    return copy != NULL;
}

static bool keep_sources(const struct sources *s, struct api_config *out)
{
    out->source = s->count == 0 ? API_SOURCE_DEFAULT : (enum api_source)s->found[0].source;
    out->synonyms = api_request_alloc(s->r, (size_t)s->count, sizeof *out->synonyms);
    out->synonym_count = s->count;
    if (out->synonyms == NULL)
        return false;
    if (s->count > 0)
        memcpy(out->synonyms, s->found, (size_t)s->count * sizeof *out->synonyms);
    return true;
}

bool api_config_of_topic(struct request *r, const struct metadata_key *key, struct wire_string set,
                         struct api_config *out)
{
    struct sources s = {.r = r, .fallback = key->fallback};
    *out = (struct api_config){.value = set, .type = type_of(key), .help = key->help};
    if (set.size >= 0)
        add(&s, key->name, set, API_SOURCE_TOPIC);
    if (key->broker != NULL)
        find_sources(&s, key->broker);
    if (set.size < 0 && !print(r, key, quorum_topic_defaults(r->api->quorum), &out->value))
        return false;
    return keep_sources(&s, out);
}

bool api_config_of_broker(struct request *r, int index, struct api_config *out)
{
    const struct metadata_broker_key *key = &metadata_broker_keys[index];
    const struct api_broker_key *file = &r->api->settings.broker_keys[index];
    struct sources s = {.r = r};
    *out = (struct api_config){.value = text_of(file->value),
                               .type = type_of(&key->key),
                               .read_only = key->scope == METADATA_READ_ONLY,
                               .help = file->help};
    find_sources(&s, key->key.name);
    if (!keep_sources(&s, out))
        return false;
    bool dynamic = out->source == API_SOURCE_BROKER || out->source == API_SOURCE_CLUSTER;
    return !dynamic || print(r, &key->key, quorum_broker_config(r->api->quorum), &out->value);
}

bool api_config_of_setting(struct request *r, const struct metadata_config *setting,
                           struct api_config *out)
{
    const struct metadata_broker_key *key = metadata_broker_key(setting->key);
    struct sources s = {.r = r};
    char *name = copy_text(r, setting->key), *value = copy_text(r, setting->value);
    bool of_all = setting->resource.size == 0;
    *out =
        (struct api_config){.value = text_of(value), .type = key == NULL ? 0 : type_of(&key->key)};
    if (name == NULL || value == NULL)
        return false;
    /* Nobody here knows whether it may be shown. */
    out->is_sensitive = key == NULL;
    out->read_only = key == NULL;
    if (key == NULL)
        out->value = WIRE_NULL_STRING;
    else
        out->help = r->api->settings.broker_keys[key - metadata_broker_keys].help;
    add(&s, name, out->value, of_all ? API_SOURCE_CLUSTER : API_SOURCE_BROKER);
    return keep_sources(&s, out);
}
