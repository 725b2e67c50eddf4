/* topic.c - kiln topic: creates, lists, describes, changes and deletes topics through the client
 * library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/cli.h"
#include "client/loop/loop.h"
#include "posix/posix.h"

#define TRACE_WORDS 8192
#define TIMEOUT_NS                                                                                 \
    (10 * 1000000000ll) /* of everything together, unless --timeout says otherwise                 \
                         */

enum what {
    WHAT_CREATE,
    WHAT_LIST,
    WHAT_DESCRIBE,
    WHAT_DELETE,
    WHAT_ALTER,
};

struct topic_verb {
    enum what what;
    struct cli_words words;
    struct cli_settings settings;                     /* --config, as given */
    struct client_topic_config own[CLI_SETTINGS_MAX]; /* the same, split */
    int own_count;
    const char *servers;
    int64_t partition_count;
    bool json;
    int64_t timeout_ns;
    bool patient;  /* --timeout was given: who refuses may be starting, and is asked again */
    int next_word; /* of words: the topic that is being asked about */
    int exit;
    /* What became of connections since the last answer. */
    int down_count;
    enum err down;
    bool told_down, ending;
    struct env_timer giving_up; /* --timeout, or at once when nobody is there */
    struct mem mem;
    struct posix_env *door;
    struct posix_hook hook;
    struct trace trace;
    uint64_t rows[TRACE_WORDS];
    struct loop_client client;
    struct loop_close closing;
    struct loop_create_topic create;
    struct loop_change_topic change;
    bool grown; /* the topic has its partitions, and its settings are next */
    struct loop_topics topics;
    int32_t topic_next; /* of them, the one to show next */
    struct loop_configs configs;
};

/* False: out of memory; told. */
static bool split_settings(struct topic_verb *v)
{
    for (int i = 0; i < v->settings.count; i++) {
        char *copy = strdup(v->settings.at[i]);
        if (copy == NULL) {
            cli_complain("out of memory");
            return false;
        }
        char *equals = strchr(copy, '=');
        *equals = 0;
        v->own[v->own_count++] = (struct client_topic_config){.key = copy, .value = equals + 1};
    }
    return true;
}

static void free_settings(struct topic_verb *v)
{
    for (int i = 0; i < v->own_count; i++)
        free((void *)(uintptr_t)v->own[i].key);
}

/* ---- answers ---- */

static void go_on(struct topic_verb *v);

static void on_closed(struct loop_close *op)
{
    posix_stop(CONTAINER_OF(op, struct topic_verb, closing)->door);
}

static void end(struct topic_verb *v)
{
    v->ending = true;
    v->closing.done = on_closed;
    env_disarm(&v->door->env, &v->giving_up);
    loop_close(&v->client, &v->closing);
}

static void fail(struct topic_verb *v, const struct client_op *op, const char *what,
                 const char *message)
{
    const char *why = message[0] != 0                 ? message
                      : op->code != 0                 ? wire_error_text(op->code)
                      : op->outcome == CLIENT_UNKNOWN ? "no answer came"
                                                      : err_text(op->err);
    v->exit = EXIT_FAILURE;
    if (v->ending) /* which was told when it began */
        return;
    fprintf(stderr, "kiln: %s: %s%s\n", what, why,
            op->code == 0 ? "; is a broker there? --bootstrap-server says where to look" : "");
}

/* ---- when nobody is there ---- */

/* Each server was tried, and a second try would end the same way, but for a broker that is starting
 * at this moment. */
static bool nobody_there(const struct topic_verb *v)
{
    int servers = 1;
    for (const char *c = v->servers; *c != 0; c++)
        servers += *c == ',';
    bool for_good = v->down == ERR_UNREACHABLE || (v->down == ERR_REFUSED && !v->patient);
    return for_good && v->down_count >= servers;
}

static void tell_down(const struct topic_verb *v, const char *before)
{
    switch (v->down) {
    case ERR_REFUSED:
        fprintf(stderr,
                "kiln: nobody listens on %s (connection refused); %sstart a broker there, or "
                "name another with --bootstrap-server\n",
                v->servers, before);
        return;
    case ERR_UNREACHABLE:
        fprintf(stderr,
                "kiln: there is no host %s, or no way to it; check the name, or name another with "
                "--bootstrap-server\n",
                v->servers);
        return;
    default:
        fprintf(stderr, "kiln: %s: %s; is that a broker?\n", v->servers, err_text(v->down));
        return;
    }
}

static void on_giving_up(struct env_timer *timer)
{
    struct topic_verb *v = CONTAINER_OF(timer, struct topic_verb, giving_up);
    const struct client_create_topic *create = &v->create.create;
    double seconds = (double)v->timeout_ns / 1e9;
    v->exit = EXIT_FAILURE;
    if (nobody_there(v))
        tell_down(v, "");
    else if (v->what == WHAT_CREATE && create->op.code != 0)
        fprintf(stderr,
                "kiln: cannot create topic %s: for %.3g s %s has answered: %s; look at what the "
                "broker says on its stderr\n",
                create->topic, seconds, v->servers,
                create->message[0] != 0 ? create->message : wire_error_text(create->op.code));
    else if (v->down == ERR_CORRUPT)
        fprintf(stderr,
                "kiln: what answers on %s does not speak Kafka's protocol in the clear; check the "
                "port, or name another with --bootstrap-server\n",
                v->servers);
    else
        fprintf(stderr,
                "kiln: no answer from %s within %.3g s%s%s%s; is that a broker? --timeout gives "
                "it more time\n",
                v->servers, seconds, v->down != ERR_NONE ? " (" : "",
                v->down != ERR_NONE ? err_text(v->down) : "", v->down != ERR_NONE ? ")" : "");
    end(v);
}

/* The client goes on trying for as long as it is let. */
static void on_client_row(struct topic_verb *v, const struct trace_row *row)
{
    if (row->kind != TRACE_CLIENT_ERROR || v->ending)
        return;
    const struct trace_CLIENT_ERROR *is = TRACE_AS(row, CLIENT_ERROR);
    if (is->code != 0 || is->err >= ERR_COUNT)
        return;
    v->down = (enum err)is->err;
    v->down_count++;
    if (nobody_there(v)) {
        env_arm(&v->door->env, &v->giving_up, env_now(&v->door->env));
    } else if (v->patient && !v->told_down && v->down == ERR_REFUSED) {
        v->told_down = true;
        tell_down(v, "it may be starting, so it is asked again until --timeout; else ");
    }
}

static void print_partition_json(struct json *j, const struct client_partition_info *p)
{
    json_put_object(j, NULL);
    json_put_int(j, "partition", p->id);
    json_put_int(j, "leader", p->leader);
    json_put_int(j, "leader_epoch", p->leader_epoch);
    json_put_int(j, "replicas", p->replica_count);
    json_put_int(j, "isr", p->isr_count);
    json_put_string(j, "error", wire_error_name(p->code));
    json_put_end(j);
}

static void print_topic_json(const struct client_topic_info *t, bool whole,
                             const struct client_configs *configs)
{
    struct cli_json line;
    struct wire_uuid id;
    char id_text[WIRE_UUID_TEXT_SIZE];
    memcpy(id.b, t->topic_id, sizeof id.b);
    wire_uuid_print(&id, id_text);
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "topic", t->name);
    json_put_string(j, "topic_id", id_text);
    json_put_int(j, "partitions", t->partition_count);
    if (whole) {
        json_put_array(j, "detail");
        for (int32_t i = 0; i < t->partition_count; i++)
            print_partition_json(j, &t->partitions[i]);
        json_put_end(j);
        json_put_array(j, "configs");
        for (int32_t i = 0; i < configs->setting_count; i++) {
            json_put_object(j, NULL);
            json_put_string(j, "key", configs->settings[i].key);
            json_put_string(j, "value", configs->settings[i].value);
            json_put_string(j, "source", configs->settings[i].own ? "topic" : "broker");
            json_put_end(j);
        }
        json_put_end(j);
    }
    cli_json_end(&line, stdout);
}

static void print_created_json(const struct client_create_topic *c)
{
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "topic", c->topic);
    json_put_int(j, "partitions", c->partition_count_created);
    cli_json_end(&line, stdout);
}

static void print_topic(const struct topic_verb *v, const struct client_topic_info *t)
{
    if (v->json) {
        print_topic_json(t, v->what == WHAT_DESCRIBE, &v->configs.configs);
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
    cli_wrapf(stdout, 2, "topic %s, id %s, partitions %d%s", t->name, id_text,
              (int)t->partition_count, t->internal ? ", internal" : "");
    for (int32_t i = 0; i < v->configs.configs.setting_count; i++) {
        const struct client_setting *setting = &v->configs.configs.settings[i];
        if (setting->own)
            printf("  %s = %s\n", setting->key, setting->value);
    }
    for (int32_t i = 0; i < t->partition_count; i++) {
        const struct client_partition_info *p = &t->partitions[i];
        cli_wrapf(stdout, 4,
                  "  partition %d: leader %d, leader epoch %d, replicas %d, in sync %d%s%s",
                  (int)p->id, (int)p->leader, (int)p->leader_epoch, (int)p->replica_count,
                  (int)p->isr_count, p->code == 0 ? "" : ", ",
                  p->code == 0 ? "" : wire_error_text(p->code));
    }
}

static void show_next(struct topic_verb *v);

/* A broker that does not describe settings has told the rest all the same. */
static void on_configs(struct loop_configs *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, configs);
    print_topic(v, &v->topics.topics.topics[v->topic_next++]);
    client_configs_free(&op->configs);
    show_next(v);
}

static void show_next(struct topic_verb *v)
{
    struct client_topics *t = &v->topics.topics;
    for (; v->topic_next < t->topic_count; v->topic_next++) {
        const struct client_topic_info *topic = &t->topics[v->topic_next];
        if (topic->code != 0) {
            fprintf(stderr, "kiln: topic %s: %s\n", topic->name, wire_error_text(topic->code));
            v->exit = EXIT_FAILURE;
        } else if (v->what == WHAT_DESCRIBE && !v->ending) {
            v->configs = (struct loop_configs){.done = on_configs};
            v->configs.configs.topic = topic->name;
            loop_configs(&v->client, &v->configs);
            return;
        } else {
            print_topic(v, topic);
        }
    }
    client_topics_free(t);
    go_on(v);
}

static void on_topics(struct loop_topics *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, topics);
    struct client_topics *t = &op->topics;
    if (t->op.outcome != CLIENT_OK) {
        fail(v, &t->op, "cannot list topics", "");
        if (!v->ending)
            end(v);
        return;
    }
    v->topic_next = 0;
    show_next(v);
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
        print_created_json(c);
    else
        printf("created %s with %d partition%s\n", c->topic, (int)c->partition_count_created,
               c->partition_count_created == 1 ? "" : "s");
    go_on(v);
}

/* ---- changes ---- */

static void ask_alter(struct topic_verb *v, const char *topic);

static void on_changed(struct loop_change_topic *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, change);
    const struct client_change_topic *c = &op->change;
    const char *verb = v->what == WHAT_DELETE ? "delete" : "alter";
    const char *past = v->what == WHAT_DELETE ? "deleted" : "altered";
    char what[CLIENT_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof what, "cannot %s topic %.249s", verb, c->topic);
    if (c->op.outcome != CLIENT_OK) {
        fail(v, &c->op, what, c->message);
    } else if (v->what == WHAT_ALTER && c->op.kind == CLIENT_ADD_PARTITIONS && v->own_count > 0) {
        v->grown = true;
        ask_alter(v, c->topic);
        return;
    } else if (v->json) {
        struct cli_json line;
        struct json *j = cli_json_begin(&line);
        json_put_string(j, past, c->topic);
        cli_json_end(&line, stdout);
    } else {
        printf("%s %s\n", past, c->topic);
    }
    go_on(v);
}

static void ask_delete(struct topic_verb *v, const char *topic)
{
    v->change = (struct loop_change_topic){.change.topic = topic, .done = on_changed};
    loop_change_topic(&v->client, &v->change, CLIENT_DELETE_TOPIC);
}

/* Its partitions first, then what is set for it. */
static void ask_alter(struct topic_verb *v, const char *topic)
{
    v->change = (struct loop_change_topic){.done = on_changed};
    struct client_change_topic *c = &v->change.change;
    bool grows = v->partition_count > 0 && !v->grown;
    c->topic = topic;
    c->partition_count = (int32_t)v->partition_count;
    c->configs = v->own;
    c->config_count = v->own_count;
    loop_change_topic(&v->client, &v->change, grows ? CLIENT_ADD_PARTITIONS : CLIENT_ALTER_CONFIGS);
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
    c->configs = v->own;
    c->config_count = v->own_count;
    loop_create_topic(&v->client, &v->create);
}

/* One topic after the other; list and describe without a name ask for all at once. */
static void go_on(struct topic_verb *v)
{
    bool asks = v->what == WHAT_LIST || v->what == WHAT_DESCRIBE;
    bool all = asks && v->words.count == 1 && v->next_word == 1;
    v->down_count = 0;
    if (v->ending) {
        return;
    } else if (all) {
        v->next_word++;
        ask_topics(v, NULL);
    } else if (v->next_word >= v->words.count) {
        end(v);
    } else if (v->what == WHAT_CREATE) {
        ask_create(v, v->words.word[v->next_word++]);
    } else if (v->what == WHAT_DELETE) {
        ask_delete(v, v->words.word[v->next_word++]);
    } else if (v->what == WHAT_ALTER) {
        v->grown = false;
        ask_alter(v, v->words.word[v->next_word++]);
    } else {
        ask_topics(v, v->words.word[v->next_word++]);
    }
}

/* ---- the process ---- */

static void after_event(struct posix_hook *hook)
{
    struct topic_verb *v = CONTAINER_OF(hook, struct topic_verb, hook);
    for (struct trace_row *row = trace_take(&v->trace); row != NULL; row = trace_take(&v->trace))
        on_client_row(v, row);
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
        return cli_complain(
            "--bootstrap-server takes HOST:PORT, as 127.0.0.1:9092, or several with "
            "commas between them, not \"%s\"",
            v->servers);
    config.api_timeout_ms = MAX(v->timeout_ns / 1000000, 1);
    mem_system(&v->mem);
    trace_init(&v->trace, v->rows, TRACE_WORDS, false);
    v->hook.after_event = after_event;
    v->giving_up.fire = on_giving_up;
    e = posix_new(&v->door, &v->mem, NULL, &v->hook, &msg);
    if (e != ERR_NONE)
        return cli_complain("%s", msg.text), EXIT_FAILURE;
    e = loop_start(&v->client, &v->door->env, &v->mem, &v->trace, &config, &msg);
    if (e == ERR_NONE) {
        env_arm(&v->door->env, &v->giving_up, env_now(&v->door->env) + v->timeout_ns);
        go_on(v);
        posix_run(v->door);
    } else {
        v->exit = cli_complain("%s", msg.text);
    }
    posix_free(v->door);
    return v->exit;
}

static const char *const verb_names[] = {"create", "list", "describe", "delete", "alter"};

/* -1: go on with *what; else the exit code, and why was told. */
static int choose(const struct cli_words *words, const char *synopsis, enum what *what)
{
    const char *word = words->count > 0 ? words->word[0] : "";
    for (int i = 0; i < COUNT_OF(verb_names); i++) {
        if (strcmp(word, verb_names[i]) != 0)
            continue;
        *what = (enum what)i;
        if (*what != WHAT_LIST && *what != WHAT_DESCRIBE && words->count < 2)
            return cli_complain("which topic? usage: %s", synopsis);
        if (*what == WHAT_LIST && words->count > 1)
            return cli_complain("list shows all topics, and takes no name; %s topic describe %s "
                                "shows that one",
                                cli_program(), words->word[1]);
        return -1;
    }
    const char *nearest = cli_nearest(word, verb_names, COUNT_OF(verb_names));
    if (nearest != NULL)
        return cli_complain("there is no kiln topic %s; did you mean %s?", word, nearest);
    return cli_complain("usage: %s", synopsis);
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
    v->timeout_ns = TIMEOUT_NS;
    const char *timeout = NULL;
    const struct cli_option options[] = {
        {"--bootstrap-server", CLI_TEXT, &v->servers, 0, 0, NULL,
         "HOST:PORT of a broker: 127.0.0.1:9092"},
        {"--partitions", CLI_INT, &v->partition_count, 1, CLIENT_PARTITIONS_MAX, NULL,
         "of a new topic, else the broker's num.partitions; alter: how many it is to have"},
        {"--config", CLI_SETTINGS, &v->settings, 0, 0, NULL,
         "what to set for it, as retention.ms=60000; may be given several times"},
        {"--timeout", CLI_TEXT, &timeout, 0, 0, NULL,
         "how long all of it may take, as 30s (10s); given, it also waits for a broker that "
         "starts"},
        {"--json", CLI_FLAG, &v->json, 0, 0, NULL, "one object a line"},
    };
    const struct cli_usage usage = {
        "kiln topic create NAME... | list | describe [NAME...] | alter NAME... | delete NAME...",
        "Creates, lists, describes, alters and deletes topics of a broker that runs. What is "
        "deleted "
        "is gone with its records, at once. A connection that is refused and a host that is "
        "unknown "
        "end it at once.\n"
        "Exit: 0 done, 1 a broker refused or did not answer, 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = choose(&v->words, usage.synopsis, &v->what);
    if (exit < 0 && !cli_parse_time("--timeout", timeout, &v->timeout_ns))
        exit = CLI_USAGE;
    if (exit < 0 && v->what == WHAT_ALTER && v->partition_count < 0 && v->settings.count == 0)
        exit = cli_complain("alter what? --partitions N, or --config KEY=VALUE");
    if (exit < 0 && !names_are_short(&v->words))
        exit = cli_complain("a topic's name has at most %d bytes", CLIENT_TOPIC_NAME_MAX - 1);
    if (exit < 0) {
        v->patient = timeout != NULL;
        v->next_word = 1;
        exit = split_settings(v) ? run(v) : EXIT_FAILURE;
    }
    free_settings(v);
    free(v);
    return exit;
}
