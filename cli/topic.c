/* topic.c - kiln topic: creates, lists, describes, changes, trims and deletes topics through the
 * client library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/session.h"

enum what {
    WHAT_CREATE,
    WHAT_LIST,
    WHAT_DESCRIBE,
    WHAT_DELETE,
    WHAT_ALTER,
    WHAT_TRIM,
};

struct topic_verb {
    struct cli_session session;
    enum what what;
    struct cli_words words;
    struct cli_settings settings; /* --config, as given */
    struct cli_split own;         /* the same, split */
    int64_t partition_count, replica_count;
    const char *before; /* trim: where partitions begin from then on */
    int64_t partition;  /* trim: -1: each */
    int next_word;      /* of words: the topic that is being asked about */
    bool grown;         /* the topic has its partitions, and its settings are next */
    struct loop_create_topic create;
    struct loop_change_topic change;
    struct loop_topics topics;
    int32_t topic_next; /* of them, the one to show next */
    struct loop_configs configs;
    struct loop_topics partitions; /* of a topic, with who may lead them */
    int32_t part_next;             /* of a topic's partitions, the one to trim next */
    struct loop_trim trim;
    int64_t offset; /* to trim up to; -1: all that there are */
};

static struct topic_verb *verb_of(struct cli_session *s)
{
    return CONTAINER_OF(s, struct topic_verb, session);
}

static void put_ids(struct json *j, const char *name, struct client_ids ids)
{
    json_put_array(j, name);
    for (int32_t i = 0; i < ids.count; i++)
        json_put_int(j, NULL, ids.ids[i]);
    json_put_end(j);
}

static void print_partition_json(struct json *j, const struct client_partition_info *p)
{
    json_put_object(j, NULL);
    json_put_int(j, "partition", p->id);
    json_put_int(j, "leader", p->leader);
    json_put_int(j, "leader_epoch", p->leader_epoch);
    put_ids(j, "replicas", p->replicas);
    put_ids(j, "isr", p->isr);
    put_ids(j, "elr", p->elr);
    put_ids(j, "offline", p->offline);
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
            cli_put_setting(j, &configs->settings[i]);
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

/* ", in sync 1,2"; nothing of an empty list that may be. */
static void add_ids(struct text *line, const char *before, struct client_ids ids)
{
    text_printf(line, "%s", before);
    for (int32_t i = 0; i < ids.count; i++)
        text_printf(line, i == 0 ? "%d" : ",%d", (int)ids.ids[i]);
    if (ids.count == 0)
        text_printf(line, "none");
}

static void print_partition(const struct client_partition_info *p)
{
    struct mem mem;
    struct text line;
    mem_system(&mem);
    text_init(&line, &mem);
    add_ids(&line, ", replicas ", p->replicas);
    add_ids(&line, ", in sync ", p->isr);
    if (p->elr.count > 0)
        add_ids(&line, ", eligible ", p->elr);
    if (p->offline.count > 0)
        add_ids(&line, ", offline ", p->offline);
    cli_wrapf(stdout, 4, "  partition %d: leader %d, leader epoch %d%s%s%s", (int)p->id,
              (int)p->leader, (int)p->leader_epoch, line.failed ? "" : line.data,
              p->code == 0 ? "" : ", ", p->code == 0 ? "" : wire_error_text(p->code));
    text_free(&line);
}

static void print_topic(const struct topic_verb *v, const struct client_topic_info *t)
{
    if (v->session.json) {
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
        if (setting->source == CLIENT_SOURCE_TOPIC)
            printf("  %s = %s\n", setting->key, setting->value);
    }
    for (int32_t i = 0; i < t->partition_count; i++)
        print_partition(&t->partitions[i]);
}

static void show_next(struct topic_verb *v);
static void trim_topic(struct topic_verb *v);

/* Whoever describes no partitions alone (Kafka before 3.8) has told the rest all the same. */
static void take_eligible(struct client_topic_info *topic, const struct client_topics *more)
{
    if (more->op.outcome != CLIENT_OK || more->topic_count == 0)
        return;
    const struct client_topic_info *from = &more->topics[0];
    for (int32_t i = 0; i < from->partition_count; i++) {
        for (int32_t k = 0; k < topic->partition_count; k++) {
            if (topic->partitions[k].id == from->partitions[i].id)
                topic->partitions[k].elr = from->partitions[i].elr;
        }
    }
}

static void on_partitions(struct loop_topics *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, partitions);
    struct client_topic_info *topic = &v->topics.topics.topics[v->topic_next++];
    take_eligible(topic, &op->topics);
    print_topic(v, topic);
    client_topics_free(&op->topics);
    client_configs_free(&v->configs.configs);
    show_next(v);
}

/* A broker that does not describe settings has told the rest all the same. */
static void on_configs(struct loop_configs *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, configs);
    v->partitions = (struct loop_topics){.done = on_partitions};
    v->partitions.topics.topic = op->configs.topic;
    cli_session_ask(&v->session, &v->partitions.topics.op, NULL, "cannot describe topic %s",
                    op->configs.topic);
    loop_partitions(&v->session.client, &v->partitions);
}

static void show_next(struct topic_verb *v)
{
    struct client_topics *t = &v->topics.topics;
    for (; v->topic_next < t->topic_count; v->topic_next++) {
        const struct client_topic_info *topic = &t->topics[v->topic_next];
        if (topic->code != 0) {
            fprintf(stderr, "kiln: topic %s: %s\n", topic->name, wire_error_text(topic->code));
            v->session.exit = EXIT_FAILURE;
        } else if (v->what == WHAT_DESCRIBE && !v->session.ending) {
            v->configs = (struct loop_configs){.done = on_configs};
            v->configs.configs.topic = topic->name;
            cli_session_ask(&v->session, &v->configs.configs.op, v->configs.configs.message,
                            "cannot describe topic %s", topic->name);
            loop_configs(&v->session.client, &v->configs);
            return;
        } else {
            print_topic(v, topic);
        }
    }
    client_topics_free(t);
    cli_session_go_on(&v->session);
}

static void on_topics(struct loop_topics *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, topics);
    struct client_topics *t = &op->topics;
    if (t->op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
        cli_session_end(&v->session);
        return;
    }
    v->topic_next = 0;
    if (v->what == WHAT_TRIM)
        trim_topic(v);
    else
        show_next(v);
}

static void on_created(struct loop_create_topic *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, create);
    const struct client_create_topic *c = &op->create;
    if (c->op.outcome != CLIENT_OK)
        cli_session_failed(&v->session);
    else if (v->session.json)
        print_created_json(c);
    else
        printf("created %s with %d partition%s\n", c->topic, (int)c->partition_count_created,
               c->partition_count_created == 1 ? "" : "s");
    cli_session_go_on(&v->session);
}

/* ---- changes ---- */

static void ask_alter(struct topic_verb *v, const char *topic);

static void on_changed(struct loop_change_topic *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, change);
    const struct client_change_topic *c = &op->change;
    const char *past = v->what == WHAT_DELETE ? "deleted" : "altered";
    if (c->op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
    } else if (v->what == WHAT_ALTER && c->op.kind == CLIENT_ADD_PARTITIONS && v->own.count > 0) {
        v->grown = true;
        ask_alter(v, c->topic);
        return;
    } else if (v->session.json) {
        struct cli_json line;
        struct json *j = cli_json_begin(&line);
        json_put_string(j, past, c->topic);
        cli_json_end(&line, stdout);
    } else {
        printf("%s %s\n", past, c->topic);
    }
    cli_session_go_on(&v->session);
}

static void ask_delete(struct topic_verb *v, const char *topic)
{
    v->change = (struct loop_change_topic){.change.topic = topic, .done = on_changed};
    cli_session_ask(&v->session, &v->change.change.op, v->change.change.message,
                    "cannot delete topic %s", topic);
    loop_change_topic(&v->session.client, &v->change, CLIENT_DELETE_TOPIC);
}

/* Its partitions first, then what is set for it. */
static void ask_alter(struct topic_verb *v, const char *topic)
{
    v->change = (struct loop_change_topic){.done = on_changed};
    struct client_change_topic *c = &v->change.change;
    bool grows = v->partition_count > 0 && !v->grown;
    c->topic = topic;
    c->partition_count = (int32_t)v->partition_count;
    c->configs = v->own.at;
    c->config_count = v->own.count;
    cli_session_ask(&v->session, &c->op, c->message, "cannot alter topic %s", topic);
    loop_change_topic(&v->session.client, &v->change,
                      grows ? CLIENT_ADD_PARTITIONS : CLIENT_ALTER_CONFIGS);
}

/* ---- records that are not wanted any more ---- */

static void trim_next(struct topic_verb *v);

static void print_trimmed(const struct topic_verb *v, const struct client_trim *t)
{
    struct cli_json line;
    if (!v->session.json) {
        printf("%s-%d begins at %" PRId64 "\n", t->topic, (int)t->partition, t->log_start);
        return;
    }
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "topic", t->topic);
    json_put_int(j, "partition", t->partition);
    json_put_int(j, "log_start", t->log_start);
    cli_json_end(&line, stdout);
}

static void on_trimmed(struct loop_trim *op)
{
    struct topic_verb *v = CONTAINER_OF(op, struct topic_verb, trim);
    if (op->trim.op.outcome != CLIENT_OK)
        cli_session_failed(&v->session);
    else
        print_trimmed(v, &op->trim);
    trim_next(v);
}

static void trim_next(struct topic_verb *v)
{
    struct client_topics *t = &v->topics.topics;
    const struct client_topic_info *topic = &t->topics[0];
    if (v->session.ending || v->part_next >= topic->partition_count) {
        client_topics_free(t);
        cli_session_go_on(&v->session);
        return;
    }
    int32_t partition = topic->partitions[v->part_next++].id;
    if (v->partition >= 0)
        v->part_next = topic->partition_count;
    v->trim = (struct loop_trim){.done = on_trimmed};
    v->trim.trim.topic = topic->name;
    v->trim.trim.partition = v->partition >= 0 ? (int32_t)v->partition : partition;
    v->trim.trim.offset = v->offset;
    cli_session_ask(&v->session, &v->trim.trim.op, NULL, "cannot trim %s-%d", topic->name,
                    (int)v->trim.trim.partition);
    loop_trim(&v->session.client, &v->trim);
}

/* The topic is known: its partitions, one after the other. */
static void trim_topic(struct topic_verb *v)
{
    const struct client_topics *t = &v->topics.topics;
    v->part_next = 0;
    if (t->topic_count == 1 && t->topics[0].code == 0 &&
        v->partition < t->topics[0].partition_count) {
        trim_next(v);
        return;
    }
    if (t->topic_count == 1 && t->topics[0].code == 0)
        fprintf(stderr, "kiln: topic %s has %d partitions, and none is %" PRId64 "\n",
                t->topics[0].name, (int)t->topics[0].partition_count, v->partition);
    else
        fprintf(stderr, "kiln: topic %s: %s\n", v->words.word[v->next_word - 1],
                t->topic_count == 1 ? wire_error_text(t->topics[0].code) : "no answer came");
    v->session.exit = EXIT_FAILURE;
    client_topics_free(&v->topics.topics);
    cli_session_go_on(&v->session);
}

/* ---- questions ---- */

static void ask_topics(struct topic_verb *v, const char *topic)
{
    v->topics = (struct loop_topics){.done = on_topics};
    v->topics.topics.topic = topic;
    cli_session_ask(&v->session, &v->topics.topics.op, NULL, "cannot list topics");
    loop_topics(&v->session.client, &v->topics);
}

static void ask_create(struct topic_verb *v, const char *topic)
{
    v->create = (struct loop_create_topic){.done = on_created};
    struct client_create_topic *c = &v->create.create;
    c->topic = topic;
    c->partition_count = (int32_t)v->partition_count;
    c->replication_factor = (int16_t)v->replica_count;
    c->configs = v->own.at;
    c->config_count = v->own.count;
    cli_session_ask(&v->session, &c->op, c->message, "cannot create topic %s", topic);
    loop_create_topic(&v->session.client, &v->create);
}

/* One topic after the other; list and describe without a name ask for all at once. */
static void ask_next(struct cli_session *s)
{
    struct topic_verb *v = verb_of(s);
    bool asks = v->what == WHAT_LIST || v->what == WHAT_DESCRIBE;
    bool all = asks && v->words.count == 1 && v->next_word == 1;
    if (!all && v->next_word >= v->words.count) {
        cli_session_end(s);
        return;
    }
    const char *topic = all ? NULL : v->words.word[v->next_word];
    v->next_word++;
    switch (v->what) {
    case WHAT_CREATE:
        ask_create(v, topic);
        return;
    case WHAT_DELETE:
        ask_delete(v, topic);
        return;
    case WHAT_ALTER:
        v->grown = false;
        ask_alter(v, topic);
        return;
    case WHAT_LIST:
    case WHAT_DESCRIBE:
    case WHAT_TRIM:
        ask_topics(v, topic);
        return;
    }
    UNREACHABLE();
}

/* ---- words ---- */

static const char *const verb_names[] = {"create", "list", "describe", "delete", "alter", "trim"};

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

/* --before N, or "end": all that there are. False: told. */
static bool take_before(struct topic_verb *v)
{
    if (v->what != WHAT_TRIM && v->before == NULL && v->partition < 0)
        return true;
    if (v->what != WHAT_TRIM)
        return cli_complain("%s belongs to kiln topic trim%s",
                            v->before != NULL ? "--before" : "--partition",
                            v->before != NULL ? "" : "; did you mean --partitions?"),
               false;
    if (v->before == NULL)
        return cli_complain("trim up to where? --before OFFSET, or --before end for all records"),
               false;
    v->offset = -1;
    if (strcmp(v->before, "end") == 0)
        return true;
    if (text_parse_int(bytes_text(v->before), &v->offset) == ERR_NONE && v->offset >= 0)
        return true;
    cli_complain("--before takes an offset from 0 on, or end, not \"%s\"", v->before);
    return false;
}

int cli_topic(int argc, char **argv)
{
    struct topic_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->partition_count = v->partition = v->replica_count = -1;
    v->session.next = ask_next;
    struct cli_option options[CLI_SESSION_OPTIONS + 5] = {
        {"--partitions", CLI_INT, &v->partition_count, 1, CLIENT_PARTITIONS_MAX, NULL,
         "of a new topic, else the broker's num.partitions; alter: how many it is to have"},
        {"--replicas", CLI_INT, &v->replica_count, 1, INT16_MAX, NULL,
         "of each partition of a new topic, else the broker's default.replication.factor"},
        {"--config", CLI_SETTINGS, &v->settings, 0, 0, NULL,
         "what to set for it, as retention.ms=60000; may be given several times"},
        {"--before", CLI_TEXT, &v->before, 0, 0, NULL,
         "trim: records below that offset go; end: all that there are"},
        {"--partition", CLI_INT, &v->partition, 0, CLIENT_PARTITIONS_MAX, NULL,
         "trim: of that partition alone"},
    };
    cli_session_options(&v->session, options + 5);
    const struct cli_usage usage = {
        "kiln topic create NAME... | list | describe [NAME...] | alter NAME... | trim NAME... | "
        "delete NAME...",
        "Creates, lists, describes, alters, trims and deletes topics of a broker that runs. What "
        "is deleted or trimmed is gone with its records, at once. A connection that is refused "
        "and a host that is unknown end it at once.\n"
        "Exit: 0 done, 1 a broker refused or did not answer, 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = choose(&v->words, usage.synopsis, &v->what);
    if (exit < 0 && v->what == WHAT_ALTER && v->partition_count < 0 && v->settings.count == 0)
        exit = cli_complain("alter what? --partitions N, or --config KEY=VALUE");
    if (exit < 0 && !names_are_short(&v->words))
        exit = cli_complain("a topic's name has at most %d bytes", CLIENT_TOPIC_NAME_MAX - 1);
    if (exit < 0 && !take_before(v))
        exit = CLI_USAGE;
    if (exit < 0) {
        v->next_word = 1;
        exit =
            cli_split_settings(&v->settings, &v->own) ? cli_session_run(&v->session) : EXIT_FAILURE;
    }
    cli_split_free(&v->own);
    free(v);
    return exit;
}
