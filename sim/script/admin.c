/* admin.c - a node that creates topics and lists them when the script asks. */
#include <stdio.h>
#include "script/script.h"
#include "script/workload.h"

#define CONFIGS_MAX 16
#define COMMAND_MAX 1024

/* One command at a time: a script's task waits for its answer. */
struct admin {
    struct world_seat *seat;
    struct loop_client client;
    struct loop_close closing;
    struct loop_create_topic create;
    struct loop_change_topic change;
    struct loop_trim trim;
    struct loop_topics topics;
    struct client_topic_config configs[CONFIGS_MAX];
    char text[COMMAND_MAX];
    uint64_t command;
    bool stopping;
};

static void answer(struct admin *a, const char *text)
{
    uint64_t id = a->command;
    a->command = 0;
    world_reply(a->seat, id, bytes_text(text));
}

static void on_created(struct loop_create_topic *op)
{
    struct admin *a = CONTAINER_OF(op, struct admin, create);
    const struct client_create_topic *c = &op->create;
    uint64_t topic = hash_text(c->topic);
    if (a->stopping)
        return;
    char text[ERRMSG_SIZE + 64];
    if (c->op.outcome == CLIENT_OK) {
        TRACE(a->seat->trace, TOPIC_CREATE_OK, .topic = topic, .partitions = c->partition_count,
              .topic_id = trace_topic_id(c->topic_id));
        snprintf(text, sizeof text, "ok");
    } else {
        TRACE(a->seat->trace, TOPIC_CREATE_FAIL, .topic = topic, .code = c->op.code);
        snprintf(text, sizeof text, "%s %d %s", client_outcome_name(c->op.outcome), c->op.code,
                 c->message);
    }
    answer(a, text);
}

static char *next_word(char **at)
{
    char *word = *at;
    if (word == NULL)
        return NULL;
    char *space = strchr(word, ' ');
    if (space != NULL)
        *space++ = 0;
    *at = space;
    return word;
}

/* "replicas=3" among the keys is no key. */
static bool take_replicas(const char *word, const char *value, int16_t *replicas)
{
    int64_t number = 0;
    bool is =
        strcmp(word, "replicas") == 0 && text_parse_int(bytes_text(value), &number) == ERR_NONE;
    *replicas = is ? (int16_t)number : *replicas;
    return is;
}

/* "create NAME PARTITIONS KEY=VALUE...", and "replicas=N" where the cluster's default is not it. */
static void create_topic(struct admin *a, char *words)
{
    struct client_create_topic *c = &a->create.create;
    char *name = next_word(&words);
    char *count = next_word(&words);
    int64_t partitions = 1;
    if (name == NULL || count == NULL ||
        text_parse_int(bytes_text(count), &partitions) != ERR_NONE) {
        answer(a, "malformed");
        return;
    }
    c->topic = name;
    c->partition_count = (int32_t)partitions;
    c->replication_factor = -1;
    c->configs = a->configs;
    c->config_count = 0;
    for (char *word = next_word(&words); word != NULL && c->config_count < CONFIGS_MAX;
         word = next_word(&words)) {
        char *equals = strchr(word, '=');
        if (equals == NULL)
            continue;
        *equals = 0;
        if (!take_replicas(word, equals + 1, &c->replication_factor))
            a->configs[c->config_count++] =
                (struct client_topic_config){.key = word, .value = equals + 1};
    }
    a->create.done = on_created;
    trace_name(a->seat->trace, hash_text(c->topic), c->topic);
    script_workload_name_partitions(a->seat->trace, c->topic, partitions);
    TRACE(a->seat->trace, TOPIC_CREATE_INVOKE, .topic = hash_text(c->topic),
          .partitions = partitions);
    loop_create_topic(&a->client, &a->create);
}

static void on_changed(struct loop_change_topic *op)
{
    struct admin *a = CONTAINER_OF(op, struct admin, change);
    const struct client_change_topic *c = &op->change;
    if (c->op.kind == CLIENT_DELETE_TOPIC)
        TRACE(a->seat->trace, TOPIC_DELETE_END, .topic = hash_text(c->topic),
              .known = c->op.outcome != CLIENT_UNKNOWN, .code = c->op.code);
    if (a->stopping)
        return;
    char text[ERRMSG_SIZE + 64];
    if (c->op.outcome == CLIENT_OK)
        snprintf(text, sizeof text, "ok");
    else
        snprintf(text, sizeof text, "%s %d %s", client_outcome_name(c->op.outcome), c->op.code,
                 c->message);
    answer(a, text);
}

/* "delete NAME PARTITIONS", "grow NAME PARTITIONS", "alter NAME KEY=VALUE...", "alter-broker ID
 * KEY=VALUE..."; "KEY" alone: its default; ID "*": all brokers. */
static void change_topic(struct admin *a, const char *verb, char *words)
{
    struct client_change_topic *c = &a->change.change;
    enum client_op_kind kind = CLIENT_ALTER_CONFIGS;
    char *name = next_word(&words);
    int64_t partitions = 0;
    if (name == NULL) {
        answer(a, "malformed");
        return;
    }
    bool of_brokers = strcmp(verb, "alter-broker") == 0;
    c->topic = of_brokers && strcmp(name, "*") == 0 ? "" : name;
    c->resource = of_brokers ? CLIENT_RESOURCE_BROKER : CLIENT_RESOURCE_TOPIC;
    c->configs = a->configs;
    c->config_count = 0;
    a->change.done = on_changed;
    if (strcmp(verb, "delete") == 0 || strcmp(verb, "grow") == 0) {
        char *count = next_word(&words);
        if (count == NULL || text_parse_int(bytes_text(count), &partitions) != ERR_NONE) {
            answer(a, "malformed");
            return;
        }
        c->partition_count = (int32_t)partitions;
    }
    if (strcmp(verb, "delete") == 0) {
        kind = CLIENT_DELETE_TOPIC;
        TRACE(a->seat->trace, TOPIC_DELETE_INVOKE, .topic = hash_text(name));
    } else if (strcmp(verb, "grow") == 0) {
        kind = CLIENT_ADD_PARTITIONS;
        script_workload_name_partitions(a->seat->trace, name, partitions);
    }
    for (char *word = next_word(&words); word != NULL && c->config_count < CONFIGS_MAX;
         word = next_word(&words)) {
        char *equals = strchr(word, '=');
        if (equals != NULL)
            *equals++ = 0;
        a->configs[c->config_count++] = (struct client_topic_config){.key = word, .value = equals};
    }
    loop_change_topic(&a->client, &a->change, kind);
}

static void on_trimmed(struct loop_trim *op)
{
    struct admin *a = CONTAINER_OF(op, struct admin, trim);
    const struct client_trim *t = &op->trim;
    if (a->stopping)
        return;
    char text[64];
    if (t->op.outcome == CLIENT_OK)
        snprintf(text, sizeof text, "ok %lld", (long long)t->log_start);
    else
        snprintf(text, sizeof text, "%s %d", client_outcome_name(t->op.outcome), t->op.code);
    answer(a, text);
}

/* "trim NAME PARTITION OFFSET" */
static void trim_partition(struct admin *a, char *words)
{
    char *name = next_word(&words);
    char *partition = next_word(&words);
    char *offset = next_word(&words);
    int64_t number = 0;
    a->trim.done = on_trimmed;
    a->trim.trim.topic = name;
    if (offset == NULL || text_parse_int(bytes_text(partition), &number) != ERR_NONE ||
        text_parse_int(bytes_text(offset), &a->trim.trim.offset) != ERR_NONE) {
        answer(a, "malformed");
        return;
    }
    a->trim.trim.partition = (int32_t)number;
    loop_trim(&a->client, &a->trim);
}

static void on_topics(struct loop_topics *op)
{
    struct admin *a = CONTAINER_OF(op, struct admin, topics);
    struct client_topics *t = &op->topics;
    if (a->stopping)
        return;
    char text[64];
    snprintf(text, sizeof text, "failed %d", t->op.code);
    if (t->op.outcome == CLIENT_OK) {
        for (int32_t i = 0; i < t->topic_count; i++)
            TRACE(a->seat->trace, TOPIC_SEEN, .topic = hash_text(t->topics[i].name),
                  .partitions = t->topics[i].partition_count,
                  .topic_id = trace_topic_id(t->topics[i].topic_id));
        TRACE(a->seat->trace, TOPIC_SEEN, .topic = 0, .partitions = 0);
        snprintf(text, sizeof text, "ok %d", t->topic_count);
        client_topics_free(t);
    }
    answer(a, text);
}

static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    struct admin *a = seat->self;
    if (a->command != 0 || text.size >= sizeof a->text) {
        world_reply(seat, id, bytes_text("busy"));
        return;
    }
    a->command = id;
    memcpy(a->text, text.data, text.size);
    a->text[text.size] = 0;
    char *words = a->text;
    char *verb = next_word(&words);
    if (strcmp(verb, "create") == 0) {
        create_topic(a, words);
    } else if (strcmp(verb, "delete") == 0 || strcmp(verb, "grow") == 0 ||
               strcmp(verb, "alter") == 0 || strcmp(verb, "alter-broker") == 0) {
        change_topic(a, verb, words);
    } else if (strcmp(verb, "trim") == 0) {
        trim_partition(a, words);
    } else if (strcmp(verb, "topics") == 0) {
        a->topics.done = on_topics;
        a->topics.topics.topic = NULL;
        loop_topics(&a->client, &a->topics);
    } else {
        answer(a, "unknown command");
    }
}

static void on_closed(struct loop_close *op)
{
    struct admin *a = CONTAINER_OF(op, struct admin, closing);
    struct world_seat *seat = a->seat;
    mem_free(seat->mem, a);
    world_exit(seat, ERR_NONE);
}

static void stop(struct world_seat *seat)
{
    struct admin *a = seat->self;
    if (a->stopping)
        return;
    a->stopping = true;
    a->closing.done = on_closed;
    loop_close(&a->client, &a->closing);
}

static enum err start(struct world_seat *seat)
{
    struct workload_config config;
    struct client_config client;
    struct errmsg msg = {{0}};
    enum err e = script_workload_parse(seat->args, &config, &client, &msg);
    if (e != ERR_NONE)
        return e;
    struct admin *a = mem_zalloc(seat->mem, sizeof *a);
    if (a == NULL)
        return ERR_NOMEM;
    a->seat = seat;
    seat->self = a;
    a->client.filtering = script_filtering();
    e = loop_start(&a->client, seat->env, seat->mem, seat->trace, &client, &msg);
    if (e != ERR_NONE)
        mem_free(seat->mem, a);
    return e;
}

const struct world_program script_admin = {
    .kind = "admin", .start = start, .stop = stop, .command = command};
