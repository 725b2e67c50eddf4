/* cluster.c - kiln cluster: who belongs to it, who leads its metadata, and whether all of it
 * serves, through the client library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/session.h"

struct cluster_verb {
    struct cli_session session;
    struct cli_words words;
    int step;
    struct loop_cluster cluster;
    struct loop_quorum quorum;
    struct loop_topics topics;
    struct loop_dirs dirs;
    int32_t partition_count, offline_count;
};

static void go_on(struct cluster_verb *v, const struct client_op *op)
{
    if (op->outcome == CLIENT_OK) {
        cli_session_go_on(&v->session);
        return;
    }
    cli_session_failed(&v->session);
    cli_session_end(&v->session);
}

static void on_cluster(struct loop_cluster *op)
{
    go_on(CONTAINER_OF(op, struct cluster_verb, cluster), &op->cluster.op);
}

static void on_quorum(struct loop_quorum *op)
{
    go_on(CONTAINER_OF(op, struct cluster_verb, quorum), &op->quorum.op);
}

static void on_dirs(struct loop_dirs *op)
{
    go_on(CONTAINER_OF(op, struct cluster_verb, dirs), &op->dirs.op);
}

static void on_topics(struct loop_topics *op)
{
    struct cluster_verb *v = CONTAINER_OF(op, struct cluster_verb, topics);
    for (int32_t i = 0; i < op->topics.topic_count; i++) {
        const struct client_topic_info *topic = &op->topics.topics[i];
        v->partition_count += topic->partition_count;
        for (int32_t p = 0; p < topic->partition_count; p++)
            v->offline_count += topic->partitions[p].leader < 0;
    }
    go_on(v, &op->topics.op);
}

/* ---- the answer ---- */

static int32_t brokers_told(const struct client_cluster *c)
{
    return MIN(c->broker_count, CLIENT_BROKERS_MAX);
}

static void print_json(const struct cluster_verb *v)
{
    const struct client_cluster *c = &v->cluster.cluster;
    const struct client_quorum *q = &v->quorum.quorum;
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "cluster_id", c->id);
    json_put_int(j, "controller", c->controller);
    json_put_array(j, v->session.controllers != NULL ? "controllers" : "brokers");
    for (int32_t i = 0; i < brokers_told(c); i++) {
        json_put_object(j, NULL);
        json_put_int(j, "id", c->brokers[i].id);
        json_put_string(j, "host", c->brokers[i].host);
        json_put_int(j, "port", c->brokers[i].port);
        json_put_bool(j, "fenced", c->brokers[i].fenced);
        json_put_end(j);
    }
    json_put_end(j);
    json_put_object(j, "metadata");
    json_put_int(j, "leader", q->leader);
    json_put_int(j, "leader_epoch", q->leader_epoch);
    json_put_int(j, "high_watermark", q->high_watermark);
    json_put_int(j, "voters", q->voter_count);
    json_put_int(j, "observers", q->observer_count);
    json_put_end(j);
    if (v->session.controllers != NULL) {
        cli_json_end(&line, stdout);
        return;
    }
    json_put_int(j, "topics", v->topics.topics.topic_count);
    json_put_int(j, "partitions", v->partition_count);
    json_put_int(j, "offline_partitions", v->offline_count);
    json_put_int(j, "log_dirs", v->dirs.dirs.dir_count);
    json_put_int(j, "offline_log_dirs", v->dirs.dirs.offline_count);
    json_put_int(j, "bytes", v->dirs.dirs.bytes);
    cli_json_end(&line, stdout);
}

static const char *s_of(int64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_text(const struct cluster_verb *v)
{
    const struct client_cluster *c = &v->cluster.cluster;
    const struct client_quorum *q = &v->quorum.quorum;
    const struct client_dirs *d = &v->dirs.dirs;
    int32_t topic_count = v->topics.topics.topic_count;
    cli_wrapf(stdout, 2, "cluster %s, controller %d", c->id, (int)c->controller);
    for (int32_t i = 0; i < brokers_told(c); i++)
        cli_wrapf(stdout, 2, "%s %d at %s:%d%s",
                  v->session.controllers != NULL ? "controller" : "broker", (int)c->brokers[i].id,
                  c->brokers[i].host, (int)c->brokers[i].port,
                  c->brokers[i].fenced ? ", fenced" : "");
    if (c->broker_count > brokers_told(c))
        printf("and %d more brokers\n", (int)(c->broker_count - brokers_told(c)));
    cli_wrapf(stdout, 2,
              "metadata led by %d, leader epoch %d, high watermark %" PRId64
              ", %d voter%s, %d observer%s",
              (int)q->leader, (int)q->leader_epoch, q->high_watermark, (int)q->voter_count,
              s_of(q->voter_count), (int)q->observer_count, s_of(q->observer_count));
    if (v->session.controllers != NULL)
        return;
    cli_wrapf(stdout, 2, "%d topic%s, %d partition%s, %d without a leader", (int)topic_count,
              s_of(topic_count), (int)v->partition_count, s_of(v->partition_count),
              (int)v->offline_count);
    cli_wrapf(stdout, 2, "%d log director%s, %d offline, %" PRId64 " bytes of topics",
              (int)d->dir_count, d->dir_count == 1 ? "y" : "ies", (int)d->offline_count, d->bytes);
}

static void print_status(struct cluster_verb *v)
{
    if (v->session.json)
        print_json(v);
    else
        print_text(v);
    bool well =
        v->quorum.quorum.leader >= 0 && v->offline_count == 0 && v->dirs.dirs.offline_count == 0;
    if (!well)
        v->session.exit = EXIT_FAILURE;
}

static void ask_next(struct cli_session *s)
{
    struct cluster_verb *v = CONTAINER_OF(s, struct cluster_verb, session);
    switch (v->step++) {
    case 0:
        v->cluster = (struct loop_cluster){.done = on_cluster};
        cli_session_ask(s, &v->cluster.cluster.op, NULL, "cannot describe the cluster");
        loop_cluster(&s->client, &v->cluster);
        return;
    case 1:
        v->quorum = (struct loop_quorum){.done = on_quorum};
        cli_session_ask(s, &v->quorum.quorum.op, NULL, "cannot describe the metadata quorum");
        loop_quorum(&s->client, &v->quorum);
        return;
    case 2:
        if (s->controllers != NULL) { /* they have neither topics nor directories to tell of */
            print_status(v);
            cli_session_end(s);
            return;
        }
        v->topics = (struct loop_topics){.done = on_topics};
        cli_session_ask(s, &v->topics.topics.op, NULL, "cannot list topics");
        loop_topics(&s->client, &v->topics);
        return;
    case 3:
        v->dirs = (struct loop_dirs){.done = on_dirs};
        cli_session_ask(s, &v->dirs.dirs.op, NULL, "cannot describe log directories");
        loop_dirs(&s->client, &v->dirs);
        return;
    default:
        print_status(v);
        cli_session_end(s);
        return;
    }
}

static int choose(const struct cli_words *words, const char *synopsis)
{
    static const char *const names[] = {"status"};
    if (words->count == 0)
        return cli_complain("usage: %s", synopsis);
    if (words->count > 1)
        return cli_complain("status is of the whole cluster, and takes no name; usage: %s",
                            synopsis);
    if (strcmp(words->word[0], names[0]) == 0)
        return -1;
    const char *nearest = cli_nearest(words->word[0], names, COUNT_OF(names));
    if (nearest != NULL)
        return cli_complain("there is no kiln cluster %s; did you mean %s?", words->word[0],
                            nearest);
    return cli_complain("usage: %s", synopsis);
}

int cli_cluster(int argc, char **argv)
{
    struct cluster_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->session.next = ask_next;
    struct cli_option options[CLI_SESSION_OPTIONS];
    cli_session_options(&v->session, options);
    const struct cli_usage usage = {
        "kiln cluster status",
        "Shows who belongs to the cluster, who leads its metadata, and how much of it serves.\n"
        "Exit: 0 all of it serves, 1 something is offline, or a broker refused or did not answer, "
        "64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = choose(&v->words, usage.synopsis);
    if (exit < 0)
        exit = cli_session_run(&v->session);
    client_topics_free(&v->topics.topics);
    free(v);
    return exit;
}
