/* config.c - kiln config: what is set for topics, for brokers and for all of them, through the
 * client library. */
#include <stdio.h>
#include <stdlib.h>
#include "cli/session.h"
#include "metadata/metadata.h"

enum what {
    WHAT_LIST,
    WHAT_DESCRIBE,
    WHAT_SET,
    WHAT_UNSET,
};

/* Whose settings they are. */
struct resource {
    enum client_resource kind;
    const char *name; /* "": of all brokers */
};

struct config_verb {
    struct cli_session session;
    enum what what;
    struct cli_words words;
    int first; /* of them, behind the resource */
    struct resource resource;
    bool dry_run;
    struct cli_split changes;
    struct loop_configs configs;
    struct loop_change_topic change;
    /* Of list: all brokers, then each, then topics. */
    int step;
    struct loop_cluster cluster;
    struct loop_topics topics;
    bool asked;
    char broker_name[METADATA_BROKER_NAME_SIZE];
};

static struct config_verb *verb_of(struct cli_session *s)
{
    return CONTAINER_OF(s, struct config_verb, session);
}

#define NAME_SIZE (CLIENT_TOPIC_NAME_MAX + 16)

/* "topic orders", "broker 1", "cluster" */
static const char *resource_text(const struct resource *r, char text[NAME_SIZE])
{
    if (r->kind == CLIENT_RESOURCE_TOPIC)
        snprintf(text, NAME_SIZE, "topic %s", r->name);
    else if (r->name[0] != 0)
        snprintf(text, NAME_SIZE, "broker %s", r->name);
    else
        snprintf(text, NAME_SIZE, "cluster");
    return text;
}

/* ---- what there is ---- */

/* Whether it was set for that very resource. */
static bool is_set(const struct resource *r, const struct client_setting *setting)
{
    if (r->kind == CLIENT_RESOURCE_TOPIC)
        return setting->source == CLIENT_SOURCE_TOPIC;
    return setting->source == (r->name[0] != 0 ? CLIENT_SOURCE_BROKER : CLIENT_SOURCE_CLUSTER);
}

static void print_setting(const struct config_verb *v, const struct client_setting *setting)
{
    struct cli_json line;
    char text[NAME_SIZE];
    const char *value = setting->value != NULL  ? setting->value
                        : setting->is_sensitive ? "(not shown)"
                                                : "(none)";
    if (v->session.json) {
        struct json *j = cli_json_begin(&line);
        json_put_string(j, "resource", resource_text(&v->resource, text));
        cli_put_setting(j, setting);
        json_put_bool(j, "read_only", setting->read_only);
        json_put_bool(j, "sensitive", setting->is_sensitive);
        cli_json_end(&line, stdout);
    } else if (v->what == WHAT_LIST) {
        cli_wrapf(stdout, 2, "%s: %s = %s", resource_text(&v->resource, text), setting->key, value);
    } else {
        cli_wrapf(stdout, 4, "%s = %s, from %s%s", setting->key, value,
                  cli_source_name(setting->source), setting->read_only ? ", read-only" : "");
    }
}

static bool is_asked(const struct config_verb *v, const char *key)
{
    for (int i = v->first; i < v->words.count; i++) {
        if (strcmp(v->words.word[i], key) == 0)
            return true;
    }
    return v->first == v->words.count;
}

/* Keys that are asked for and that the answer does not have. */
static void tell_missing(struct config_verb *v)
{
    const struct client_configs *c = &v->configs.configs;
    char text[NAME_SIZE];
    for (int i = v->first; i < v->words.count; i++) {
        const char **names = calloc((size_t)c->setting_count + 1, sizeof *names);
        bool found = false;
        for (int32_t k = 0; k < c->setting_count && names != NULL; k++) {
            names[k] = c->settings[k].key;
            found |= strcmp(names[k], v->words.word[i]) == 0;
        }
        const char *nearest =
            names == NULL ? NULL : cli_nearest(v->words.word[i], names, c->setting_count);
        if (!found) {
            fprintf(stderr, "kiln: %s has no key %s%s%s%s\n", resource_text(&v->resource, text),
                    v->words.word[i], nearest == NULL ? "" : "; did you mean ",
                    nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
            v->session.exit = EXIT_FAILURE;
        }
        free(names);
    }
}

/* What is set for one broker only that broker can say, and it was not found. */
static void tell_absent(const struct config_verb *v, const struct client_op *op,
                        char message[ERRMSG_SIZE])
{
    if (op->outcome != CLIENT_FAILED || op->code != WIRE_ERROR_BROKER_NOT_AVAILABLE)
        return;
    snprintf(message, ERRMSG_SIZE,
             "broker %s is down, or does not belong to the cluster; kiln cluster status says who "
             "is there",
             v->resource.name);
}

static void on_configs(struct loop_configs *op)
{
    struct config_verb *v = CONTAINER_OF(op, struct config_verb, configs);
    struct client_configs *c = &op->configs;
    tell_absent(v, &c->op, c->message);
    if (c->op.outcome != CLIENT_OK)
        cli_session_failed(&v->session);
    for (int32_t i = 0; c->op.outcome == CLIENT_OK && i < c->setting_count; i++) {
        bool wanted = v->what == WHAT_LIST ? is_set(&v->resource, &c->settings[i])
                                           : is_asked(v, c->settings[i].key);
        if (wanted)
            print_setting(v, &c->settings[i]);
    }
    if (c->op.outcome == CLIENT_OK && v->what == WHAT_DESCRIBE)
        tell_missing(v);
    client_configs_free(c);
    cli_session_go_on(&v->session);
}

static void ask_configs(struct config_verb *v)
{
    char text[NAME_SIZE];
    v->configs = (struct loop_configs){.done = on_configs};
    v->configs.configs.topic = v->resource.name;
    v->configs.configs.resource = v->resource.kind;
    cli_session_ask(&v->session, &v->configs.configs.op, v->configs.configs.message,
                    "cannot describe %s", resource_text(&v->resource, text));
    loop_configs(&v->session.client, &v->configs);
}

/* ---- list ---- */

static void on_cluster(struct loop_cluster *op)
{
    struct config_verb *v = CONTAINER_OF(op, struct config_verb, cluster);
    if (op->cluster.op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
        cli_session_end(&v->session);
        return;
    }
    cli_session_go_on(&v->session);
}

static void on_topics(struct loop_topics *op)
{
    struct config_verb *v = CONTAINER_OF(op, struct config_verb, topics);
    if (op->topics.op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
        cli_session_end(&v->session);
        return;
    }
    cli_session_go_on(&v->session);
}

enum {
    STEP_CLUSTER,
    STEP_TOPICS,
    STEP_DEFAULTS,
    STEP_RESOURCES, /* brokers, then topics */
};

static void list_resource(struct config_verb *v, int index)
{
    int brokers = MIN(v->cluster.cluster.broker_count, CLIENT_BROKERS_MAX);
    if (index >= brokers + v->topics.topics.topic_count) {
        client_topics_free(&v->topics.topics);
        cli_session_end(&v->session);
        return;
    }
    if (index < brokers) {
        metadata_broker_name(v->cluster.cluster.brokers[index].id, v->broker_name);
        v->resource = (struct resource){.kind = CLIENT_RESOURCE_BROKER, .name = v->broker_name};
    } else {
        v->resource = (struct resource){.kind = CLIENT_RESOURCE_TOPIC,
                                        .name = v->topics.topics.topics[index - brokers].name};
    }
    ask_configs(v);
}

static void list_next(struct config_verb *v)
{
    int step = v->step++;
    switch (step) {
    case STEP_CLUSTER:
        v->cluster = (struct loop_cluster){.done = on_cluster};
        cli_session_ask(&v->session, &v->cluster.cluster.op, NULL, "cannot list brokers");
        loop_cluster(&v->session.client, &v->cluster);
        return;
    case STEP_TOPICS:
        v->topics = (struct loop_topics){.done = on_topics};
        cli_session_ask(&v->session, &v->topics.topics.op, NULL, "cannot list topics");
        loop_topics(&v->session.client, &v->topics);
        return;
    case STEP_DEFAULTS:
        v->resource = (struct resource){.kind = CLIENT_RESOURCE_BROKER, .name = ""};
        ask_configs(v);
        return;
    default:
        list_resource(v, step - STEP_RESOURCES);
        return;
    }
}

/* ---- changes ---- */

static void on_changed(struct loop_change_topic *op)
{
    struct config_verb *v = CONTAINER_OF(op, struct config_verb, change);
    const char *past = v->dry_run ? "could be changed" : "changed";
    struct cli_json line;
    char text[NAME_SIZE];
    tell_absent(v, &op->change.op, op->change.message);
    if (op->change.op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
    } else if (v->session.json) {
        struct json *j = cli_json_begin(&line);
        json_put_string(j, "resource", resource_text(&v->resource, text));
        json_put_bool(j, "dry_run", v->dry_run);
        json_put_int(j, "keys", v->changes.count);
        cli_json_end(&line, stdout);
    } else {
        printf("%s %s\n", resource_text(&v->resource, text), past);
    }
    cli_session_go_on(&v->session);
}

static void ask_change(struct config_verb *v)
{
    char text[NAME_SIZE];
    v->change = (struct loop_change_topic){.done = on_changed};
    struct client_change_topic *c = &v->change.change;
    c->topic = v->resource.name;
    c->resource = v->resource.kind;
    c->validate_only = v->dry_run;
    c->configs = v->changes.at;
    c->config_count = v->changes.count;
    cli_session_ask(&v->session, &c->op, c->message, "cannot change %s",
                    resource_text(&v->resource, text));
    loop_change_topic(&v->session.client, &v->change, CLIENT_ALTER_CONFIGS);
}

static void ask_next(struct cli_session *s)
{
    struct config_verb *v = verb_of(s);
    if (v->what == WHAT_LIST) {
        list_next(v);
        return;
    }
    if (v->asked) {
        cli_session_end(s);
        return;
    }
    v->asked = true;
    if (v->what == WHAT_DESCRIBE)
        ask_configs(v);
    else
        ask_change(v);
}

/* ---- words ---- */

static const char *const verb_names[] = {"list", "describe", "set", "unset"};
static const char *const resource_names[] = {"topic", "broker", "cluster"};

static int unknown(const char *word, const char *const *names, int count, const char *synopsis)
{
    const char *nearest = cli_nearest(word, names, count);
    if (nearest != NULL)
        return cli_complain("there is no kiln config %s; did you mean %s?", word, nearest);
    return cli_complain("usage: %s", synopsis);
}

static int index_of(const char *word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, names[i]) == 0)
            return i;
    }
    return -1;
}

static const char *word_at(const struct config_verb *v, int index)
{
    return index < v->words.count ? v->words.word[index] : "";
}

/* -1: go on; else the exit code, and why was told. */
static int take_resource(struct config_verb *v, const char *synopsis)
{
    int kind = index_of(word_at(v, 1), resource_names, COUNT_OF(resource_names));
    if (kind < 0)
        return unknown(word_at(v, 1), resource_names, COUNT_OF(resource_names), synopsis);
    bool named = kind < 2;
    v->first = named ? 3 : 2;
    v->resource =
        (struct resource){.kind = kind == 0 ? CLIENT_RESOURCE_TOPIC : CLIENT_RESOURCE_BROKER,
                          .name = named ? word_at(v, 2) : ""};
    if (named && v->resource.name[0] == 0)
        return cli_complain("which %s? usage: %s", resource_names[kind], synopsis);
    if (strlen(v->resource.name) >= CLIENT_TOPIC_NAME_MAX)
        return cli_complain("a topic's name has at most %d bytes", CLIENT_TOPIC_NAME_MAX - 1);
    return -1;
}

/* A key of brokers that kiln does not have would be kept, as in Kafka, and change nothing. */
static int check_key(const struct config_verb *v, const char *key)
{
    const char *names[128];
    ASSERT(metadata_broker_key_count <= COUNT_OF(names));
    if (v->resource.kind == CLIENT_RESOURCE_TOPIC || v->what == WHAT_UNSET ||
        metadata_broker_key(bytes_text(key)) != NULL)
        return -1;
    for (int i = 0; i < metadata_broker_key_count; i++)
        names[i] = metadata_broker_keys[i].key.name;
    const char *nearest = cli_nearest(key, names, metadata_broker_key_count);
    if (nearest == NULL)
        return cli_complain("brokers have no key %s; kiln config describe broker ID lists them",
                            key);
    return cli_complain("brokers have no key %s; did you mean %s?", key, nearest);
}

/* The words behind the resource: KEY=VALUE to set, KEY to unset. */
static int take_changes(struct config_verb *v)
{
    struct cli_settings settings = {.count = 0};
    bool sets = v->what == WHAT_SET;
    if (v->first >= v->words.count)
        return cli_complain("%s what? %s", verb_names[v->what], sets ? "KEY=VALUE..." : "KEY...");
    if (v->words.count - v->first > CLI_SETTINGS_MAX)
        return cli_complain("at most %d keys at once", CLI_SETTINGS_MAX);
    for (int i = v->first; i < v->words.count; i++) {
        const char *word = v->words.word[i];
        const char *equals = strchr(word, '=');
        if (sets && (equals == NULL || equals == word))
            return cli_complain("set takes KEY=VALUE, as retention.ms=60000, not \"%s\"", word);
        if (!sets && equals != NULL)
            return cli_complain("unset takes keys alone, not \"%s\"", word);
        settings.at[settings.count++] = word;
        if (!sets)
            v->changes.at[v->changes.count++] = (struct client_topic_config){.key = word};
    }
    if (sets && !cli_split_settings(&settings, &v->changes))
        return EXIT_FAILURE;
    for (int i = 0; i < v->changes.count; i++) {
        int exit = check_key(v, v->changes.at[i].key);
        if (exit >= 0)
            return exit;
    }
    return -1;
}

static int take_words(struct config_verb *v, const char *synopsis)
{
    int what = index_of(word_at(v, 0), verb_names, COUNT_OF(verb_names));
    if (what < 0)
        return unknown(word_at(v, 0), verb_names, COUNT_OF(verb_names), synopsis);
    v->what = (enum what)what;
    bool changes = v->what == WHAT_SET || v->what == WHAT_UNSET;
    if (v->dry_run && !changes)
        return cli_complain("--dry-run belongs to set and unset");
    if (v->what == WHAT_LIST && v->words.count > 1)
        return cli_complain("list shows all that is set, and takes no name; usage: %s", synopsis);
    if (v->what == WHAT_LIST && v->session.controllers != NULL)
        return cli_complain("list asks brokers, for controllers do not list topics; describe "
                            "cluster says what all brokers have");
    if (v->what == WHAT_LIST)
        return -1;
    int exit = take_resource(v, synopsis);
    return exit < 0 && changes ? take_changes(v) : exit;
}

int cli_config(int argc, char **argv)
{
    struct config_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->session.next = ask_next;
    struct cli_option options[CLI_SESSION_OPTIONS + 1] = {
        {"--dry-run", CLI_FLAG, &v->dry_run, 0, 0, NULL,
         "set and unset: says whether it could be done, and changes nothing"},
    };
    cli_session_options(&v->session, options + 1);
    const struct cli_usage usage = {
        "kiln config list | describe RESOURCE [KEY...] | set RESOURCE KEY=VALUE... | unset "
        "RESOURCE KEY...",
        "Shows and changes what is set for topics and brokers while they run. RESOURCE is topic "
        "NAME, broker ID, or cluster: what brokers have that set nothing themselves. list shows "
        "what was set, describe everything and where it comes from; of what is unset the default "
        "stands again.\n"
        "Exit: 0 done, 1 a broker refused or did not answer, 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = take_words(v, usage.synopsis);
    if (exit < 0)
        exit = cli_session_run(&v->session);
    if (v->what == WHAT_SET)
        cli_split_free(&v->changes);
    free(v);
    return exit;
}
