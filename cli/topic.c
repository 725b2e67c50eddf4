/* topic.c - kiln topic: creates, lists and describes topics through the client library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/cli.h"
#include "client/loop/loop.h"
#include "posix/posix.h"

#define TRACE_ROWS 1024
#define SETTINGS_MAX 64

enum what {
    WHAT_CREATE,
    WHAT_LIST,
    WHAT_DESCRIBE,
};

struct topic_verb {
    enum what what;
    struct cli_words words;
    const char *servers;
    int64_t partition_count;
    bool json;
    int next_word; /* of words: the topic that is being asked about */
    int exit;
    struct mem mem;
    struct posix_env *door;
    struct posix_hook hook;
    struct trace trace;
    struct trace_row rows[TRACE_ROWS];
    struct loop_client client;
    struct loop_close closing;
    struct loop_create_topic create;
    struct loop_topics topics;
};

/* What stands behind each --config. */
static struct {
    struct client_topic_config at[SETTINGS_MAX];
    int count;
} settings; /* cli_parse hands options to a function that has no other place */

static bool take_setting(const char *name, const char *value, struct errmsg *msg)
{
    if (strcmp(name, "--config") != 0)
        return false;
    char *copy = value == NULL ? NULL : strdup(value);
    char *equals = copy == NULL ? NULL : strchr(copy, '=');
    if (equals == NULL || settings.count == SETTINGS_MAX) {
        free(copy);
        errmsg_set(msg, ERR_INVALID, "--config takes KEY=VALUE, up to %d times", SETTINGS_MAX);
        return false;
    }
    *equals = 0;
    settings.at[settings.count++] = (struct client_topic_config){.key = copy, .value = equals + 1};
    return true;
}

static void free_settings(void)
{
    for (int i = 0; i < settings.count; i++)
        free((void *)(uintptr_t)settings.at[i].key);
    settings.count = 0;
}

/* ---- answers ---- */

static void go_on(struct topic_verb *v);

static void on_closed(struct loop_close *op)
{
    posix_stop(CONTAINER_OF(op, struct topic_verb, closing)->door);
}

static void end(struct topic_verb *v)
{
    v->closing.done = on_closed;
    loop_close(&v->client, &v->closing);
}

static void fail(struct topic_verb *v, const struct client_op *op, const char *what,
                 const char *message)
{
    const char *why = message[0] != 0                 ? message
                      : op->code != 0                 ? wire_error_text(op->code)
                      : op->outcome == CLIENT_UNKNOWN ? "no answer came"
                                                      : err_text(op->err);
    fprintf(stderr, "kiln: %s: %s%s\n", what, why,
            op->code == 0 ? "; is a broker there? --bootstrap-server says where to look" : "");
    v->exit = EXIT_FAILURE;
}

static void print_json_text(const char *text)
{
    struct mem mem;
    struct text out;
    mem_system(&mem);
    text_init(&out, &mem);
    text_json(&out, bytes_text(text));
    fwrite(out.data, 1, out.size, stdout);
    text_free(&out);
}

static void print_topic_json(const struct client_topic_info *t, bool whole)
{
    struct wire_uuid id;
    char id_text[WIRE_UUID_TEXT_SIZE];
    memcpy(id.b, t->topic_id, sizeof id.b);
    wire_uuid_print(&id, id_text);
    printf("{\"topic\":");
    print_json_text(t->name);
    printf(",\"topic_id\":\"%s\",\"partitions\":%d", id_text, (int)t->partition_count);
    for (int32_t i = 0; whole && i < t->partition_count; i++) {
        const struct client_partition_info *p = &t->partitions[i];
        printf("%s{\"partition\":%d,\"leader\":%d,\"leader_epoch\":%d,\"replicas\":%d,\"isr\":%d,"
               "\"error\":\"%s\"}%s",
               i == 0 ? ",\"detail\":[" : ",", (int)p->id, (int)p->leader, (int)p->leader_epoch,
               (int)p->replica_count, (int)p->isr_count, wire_error_name(p->code),
               i + 1 == t->partition_count ? "]" : "");
    }
    printf("}\n");
}

static void print_topic(const struct topic_verb *v, const struct client_topic_info *t)
{
    if (v->json) {
        print_topic_json(t, v->what == WHAT_DESCRIBE);
        return;
    }
    if (v->what == WHAT_LIST) {
        printf("%s\t%d\n", t->name, (int)t->partition_count);
        return;
    }
    struct wire_uuid id;
    char id_text[WIRE_UUID_TEXT_SIZE];
    memcpy(id.b, t->topic_id, sizeof id.b);
    wire_uuid_print(&id, id_text);
    printf("topic %s, id %s, partitions %d%s\n", t->name, id_text, (int)t->partition_count,
           t->internal ? ", internal" : "");
    for (int32_t i = 0; i < t->partition_count; i++) {
        const struct client_partition_info *p = &t->partitions[i];
        printf("  partition %d: leader %d, leader epoch %d, replicas %d, in sync %d%s%s\n",
               (int)p->id, (int)p->leader, (int)p->leader_epoch, (int)p->replica_count,
               (int)p->isr_count, p->code == 0 ? "" : ", ",
               p->code == 0 ? "" : wire_error_text(p->code));
    }
}

static void on_topics(struct loop_topics *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, topics);
    struct client_topics *t = &op->topics;
    if (t->op.outcome != CLIENT_OK) {
        fail(v, &t->op, "cannot list topics", "");
        end(v);
        return;
    }
    for (int32_t i = 0; i < t->topic_count; i++) {
        const struct client_topic_info *topic = &t->topics[i];
        if (topic->code == 0) {
            print_topic(v, topic);
            continue;
        }
        fprintf(stderr, "kiln: topic %s: %s\n", topic->name, wire_error_text(topic->code));
        v->exit = EXIT_FAILURE;
    }
    client_topics_free(t);
    go_on(v);
}

static void on_created(struct loop_create_topic *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, create);
    const struct client_create_topic *c = &op->create;
    char what[CLIENT_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof what, "cannot create topic %.249s", c->topic);
    if (c->op.outcome != CLIENT_OK)
        fail(v, &c->op, what, c->message);
    else if (v->json)
        printf("{\"topic\":\"%s\",\"partitions\":%d}\n", c->topic, (int)c->partition_count_created);
    else
        printf("created %s with %d partition%s\n", c->topic, (int)c->partition_count_created,
               c->partition_count_created == 1 ? "" : "s");
    go_on(v);
}

/* ---- questions ---- */

static void ask_topics(struct topic_verb *v, const char *topic)
{
    v->topics = (struct loop_topics){.done = on_topics};
    v->topics.topics.topic = topic;
    loop_topics(&v->client, &v->topics);
}

static void ask_create(struct topic_verb *v, const char *topic)
{
    v->create = (struct loop_create_topic){.done = on_created};
    struct client_create_topic *c = &v->create.create;
    c->topic = topic;
    c->partition_count = (int32_t)v->partition_count;
    c->replication_factor = -1;
    c->configs = settings.at;
    c->config_count = settings.count;
    loop_create_topic(&v->client, &v->create);
}

/* One topic after the other; list and describe without a name ask for all at once. */
static void go_on(struct topic_verb *v)
{
    bool all = v->what != WHAT_CREATE && v->words.count == 1 && v->next_word == 1;
    if (all) {
        v->next_word++;
        ask_topics(v, NULL);
    } else if (v->next_word >= v->words.count) {
        end(v);
    } else if (v->what == WHAT_CREATE) {
        ask_create(v, v->words.word[v->next_word++]);
    } else {
        ask_topics(v, v->words.word[v->next_word++]);
    }
}

/* ---- the process ---- */

static void after_event(struct posix_hook *hook)
{
    struct topic_verb *v = CONTAINER_OF(hook, struct topic_verb, hook);
    v->trace.tail = v->trace.head;
}

static int run(struct topic_verb *v)
{
    struct errmsg msg = {{0}};
    struct client_config config;
    config_defaults(&client_config_table, &config);
    enum err e = config_set(&client_config_table, &config, "bootstrap.servers",
                            bytes_text(v->servers), &msg);
    if (e == ERR_NONE)
        e = client_config_check(&config, &msg);
    if (e != ERR_NONE)
        return cli_complain("%s", msg.text);
    mem_system(&v->mem);
    trace_init(&v->trace, v->rows, TRACE_ROWS, false);
    v->hook.after_event = after_event;
    e = posix_new(&v->door, &v->mem, NULL, &v->hook, &msg);
    if (e != ERR_NONE)
        return cli_complain("%s", msg.text), EXIT_FAILURE;
    e = loop_start(&v->client, &v->door->env, &v->mem, &v->trace, &config, &msg);
    if (e == ERR_NONE) {
        go_on(v);
        posix_run(v->door);
    } else {
        v->exit = cli_complain("%s", msg.text);
    }
    posix_free(v->door);
    return v->exit;
}

static int find_what(const char *word)
{
    static const char *const names[] = {"create", "list", "describe"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(word, names[i]) == 0)
            return i;
    }
    return -1;
}

static bool names_are_short(const struct cli_words *words)
{
    for (int i = 1; i < words->count; i++) {
        if (strlen(words->word[i]) >= CLIENT_TOPIC_NAME_MAX)
            return false;
    }
    return true;
}

int cli_topic(int argc, char **argv)
{
    struct topic_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->servers = "127.0.0.1:9092";
    v->partition_count = -1;
    const struct cli_option options[] = {
        {"--bootstrap-server", CLI_TEXT, &v->servers, 0, 0, NULL,
         "HOST:PORT of a broker: 127.0.0.1:9092"},
        {"--partitions", CLI_INT, &v->partition_count, 1, CLIENT_PARTITIONS_MAX, NULL,
         "of a new topic; else the broker's num.partitions"},
        {"--json", CLI_FLAG, &v->json, 0, 0, NULL, "one object a line"},
    };
    const struct cli_usage usage = {
        "kiln topic create NAME... | list | describe [NAME...]",
        "Creates, lists and describes topics of a broker that runs. --config KEY=VALUE, as\n"
        "retention.ms=60000, sets a config of a new topic and may be given several times.\n"
        "Exit: 0 done, 1 a broker refused or did not answer, 64 usage.",
        options, COUNT_OF(options), take_setting};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    int what = v->words.count > 0 ? find_what(v->words.word[0]) : -1;
    if (exit < 0 && (what < 0 || (what == WHAT_CREATE && v->words.count < 2)))
        exit = cli_complain("usage: %s", usage.synopsis);
    else if (exit < 0 && !names_are_short(&v->words))
        exit = cli_complain("a topic's name has at most %d bytes", CLIENT_TOPIC_NAME_MAX - 1);
    if (exit < 0) {
        v->what = (enum what)what;
        v->next_word = 1;
        exit = run(v);
    }
    free_settings();
    free(v);
    return exit;
}
