/* cluster.c - kiln cluster: who belongs to it, who leads what, whether all of it serves, and orders
 * that concern its brokers, through the client library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/session.h"

#define ROUND_NS (1000ll * 1000000) /* between two looks of --watch */
#define TOLD_MAX 20                 /* partitions that are named */

enum what {
    WHAT_STATUS,
    WHAT_ELECT,
    WHAT_UNREGISTER,
};

/* What the partitions come to. */
struct tally {
    int32_t partitions, offline, under_replicated;
    int32_t led[CLIENT_BROKERS_MAX], held[CLIENT_BROKERS_MAX]; /* of the brokers that are told */
};

struct cluster_verb {
    struct cli_session session;
    struct cli_words words;
    enum what what;
    bool watch, exit_when_healthy, unclean;
    int step;
    int64_t until_ns; /* of --exit-when-healthy */
    struct env_timer round;
    struct loop_cluster cluster;
    struct loop_quorum quorum;
    struct loop_topics topics;
    struct loop_dirs dirs;
    struct tally tally;
    struct loop_elect elect;
    int32_t *numbers; /* of the partitions of the topic whose leaders are elected */
    struct loop_unregister unregister;
    int64_t broker_id;
};

static void ask_next(struct cli_session *s);

static void begin_round(struct env_timer *timer)
{
    struct cluster_verb *v = CONTAINER_OF(timer, struct cluster_verb, round);
    struct cli_session *s = &v->session;
    v->step = 0;
    s->exit = 0;
    client_topics_free(&v->topics.topics);
    cli_session_more_time(s);
    ask_next(s);
}

static bool repeats(const struct cluster_verb *v)
{
    return v->what == WHAT_STATUS && (v->watch || v->exit_when_healthy);
}

static void end_round(struct cluster_verb *v)
{
    struct cli_session *s = &v->session;
    int64_t now_ns = env_now(&s->door->env);
    bool late = v->exit_when_healthy && now_ns + ROUND_NS > v->until_ns;
    if (!repeats(v) || late || s->ending) {
        cli_session_end(s);
        return;
    }
    v->round.fire = begin_round;
    env_arm(&s->door->env, &v->round, now_ns + ROUND_NS);
}

static void go_on(struct cluster_verb *v, const struct client_op *op)
{
    if (op->outcome == CLIENT_OK) {
        cli_session_go_on(&v->session);
        return;
    }
    cli_session_failed(&v->session);
    end_round(v);
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

/* ---- what the partitions come to ---- */

static int32_t brokers_told(const struct client_cluster *c)
{
    return MIN(c->broker_count, CLIENT_BROKERS_MAX);
}

static void count_of(const struct cluster_verb *v, int32_t broker, int32_t *counts)
{
    const struct client_cluster *c = &v->cluster.cluster;
    for (int32_t i = 0; i < brokers_told(c); i++)
        counts[i] += c->brokers[i].id == broker;
}

static bool is_under_replicated(const struct client_partition_info *p)
{
    return p->isr.count < p->replicas.count;
}

static void count_partition(struct cluster_verb *v, const struct client_partition_info *p)
{
    struct tally *t = &v->tally;
    t->partitions++;
    t->offline += p->leader < 0;
    t->under_replicated += is_under_replicated(p);
    count_of(v, p->leader, t->led);
    for (int32_t i = 0; i < p->replicas.count; i++)
        count_of(v, p->replicas.ids[i], t->held);
}

static void on_topics(struct loop_topics *op)
{
    struct cluster_verb *v = CONTAINER_OF(op, struct cluster_verb, topics);
    v->tally = (struct tally){0};
    for (int32_t i = 0; i < op->topics.topic_count; i++) {
        const struct client_topic_info *topic = &op->topics.topics[i];
        for (int32_t p = 0; p < topic->partition_count; p++)
            count_partition(v, &topic->partitions[p]);
    }
    go_on(v, &op->topics.op);
}

/* ---- the answer ---- */

static void put_brokers(struct json *j, const struct cluster_verb *v)
{
    const struct client_cluster *c = &v->cluster.cluster;
    bool controllers = v->session.controllers != NULL;
    json_put_array(j, controllers ? "controllers" : "brokers");
    for (int32_t i = 0; i < brokers_told(c); i++) {
        json_put_object(j, NULL);
        json_put_int(j, "id", c->brokers[i].id);
        json_put_string(j, "host", c->brokers[i].host);
        json_put_int(j, "port", c->brokers[i].port);
        json_put_bool(j, "fenced", c->brokers[i].fenced);
        if (!controllers) {
            json_put_int(j, "leads", v->tally.led[i]);
            json_put_int(j, "replicas", v->tally.held[i]);
        }
        json_put_end(j);
    }
    json_put_end(j);
}

static void put_quorum(struct json *j, const struct client_quorum *q)
{
    json_put_object(j, "metadata");
    json_put_int(j, "leader", q->leader);
    json_put_int(j, "leader_epoch", q->leader_epoch);
    json_put_int(j, "high_watermark", q->high_watermark);
    json_put_int(j, "voters", q->voter_count);
    json_put_int(j, "observers", q->observer_count);
    json_put_end(j);
}

/* One cluster is one broker's directories; of several nobody asks each. */
static bool tells_dirs(const struct cluster_verb *v)
{
    return v->cluster.cluster.broker_count == 1;
}

static void print_json(const struct cluster_verb *v)
{
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "cluster_id", v->cluster.cluster.id);
    json_put_int(j, "controller", v->cluster.cluster.controller);
    put_brokers(j, v);
    put_quorum(j, &v->quorum.quorum);
    if (v->session.controllers == NULL) {
        json_put_int(j, "topics", v->topics.topics.topic_count);
        json_put_int(j, "partitions", v->tally.partitions);
        json_put_int(j, "offline_partitions", v->tally.offline);
        json_put_int(j, "under_replicated_partitions", v->tally.under_replicated);
    }
    if (v->session.controllers == NULL && tells_dirs(v)) {
        json_put_int(j, "log_dirs", v->dirs.dirs.dir_count);
        json_put_int(j, "offline_log_dirs", v->dirs.dirs.offline_count);
        json_put_int(j, "bytes", v->dirs.dirs.bytes);
    }
    cli_json_end(&line, stdout);
}

static const char *s_of(int64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_brokers(const struct cluster_verb *v)
{
    const struct client_cluster *c = &v->cluster.cluster;
    bool controllers = v->session.controllers != NULL;
    for (int32_t i = 0; i < brokers_told(c); i++) {
        char leads[64] = "";
        if (!controllers && c->broker_count > 1)
            snprintf(leads, sizeof leads, ", leads %d of %d partition%s", (int)v->tally.led[i],
                     (int)v->tally.held[i], s_of(v->tally.held[i]));
        cli_wrapf(stdout, 2, "%s %d at %s:%d%s%s", controllers ? "controller" : "broker",
                  (int)c->brokers[i].id, c->brokers[i].host, (int)c->brokers[i].port,
                  c->brokers[i].fenced ? ", fenced" : "", leads);
    }
    if (c->broker_count > brokers_told(c))
        printf("and %d more brokers\n", (int)(c->broker_count - brokers_told(c)));
}

static void print_quorum(const struct client_quorum *q)
{
    cli_wrapf(stdout, 2,
              "metadata led by %d, leader epoch %d, high watermark %" PRId64
              ", %d voter%s, %d observer%s",
              (int)q->leader, (int)q->leader_epoch, q->high_watermark, (int)q->voter_count,
              s_of(q->voter_count), (int)q->observer_count, s_of(q->observer_count));
}

/* Those that a person has to look at. */
static void name_partitions(const struct cluster_verb *v)
{
    const struct client_topics *t = &v->topics.topics;
    int32_t told = 0;
    for (int32_t i = 0; i < t->topic_count; i++) {
        for (int32_t k = 0; k < t->topics[i].partition_count; k++) {
            const struct client_partition_info *p = &t->topics[i].partitions[k];
            bool offline = p->leader < 0;
            if ((!offline && !is_under_replicated(p)) || told++ >= TOLD_MAX)
                continue;
            cli_wrapf(stdout, 4, "  %s-%d %s: %d of %d replicas in sync", t->topics[i].name,
                      (int)p->id, offline ? "has no leader" : "is under-replicated",
                      (int)p->isr.count, (int)p->replicas.count);
        }
    }
    if (told > TOLD_MAX)
        printf("  and %d more\n", (int)(told - TOLD_MAX));
}

static void print_text(const struct cluster_verb *v)
{
    const struct client_dirs *d = &v->dirs.dirs;
    const struct tally *t = &v->tally;
    int32_t topic_count = v->topics.topics.topic_count;
    cli_wrapf(stdout, 2, "cluster %s, controller %d", v->cluster.cluster.id,
              (int)v->cluster.cluster.controller);
    print_brokers(v);
    print_quorum(&v->quorum.quorum);
    if (v->session.controllers != NULL)
        return;
    char under[64] = "";
    if (t->under_replicated > 0)
        snprintf(under, sizeof under, ", %d under-replicated", (int)t->under_replicated);
    cli_wrapf(stdout, 2, "%d topic%s, %d partition%s, %d without a leader%s", (int)topic_count,
              s_of(topic_count), (int)t->partitions, s_of(t->partitions), (int)t->offline, under);
    name_partitions(v);
    if (tells_dirs(v))
        cli_wrapf(stdout, 2, "%d log director%s, %d offline, %" PRId64 " bytes of topics",
                  (int)d->dir_count, d->dir_count == 1 ? "y" : "ies", (int)d->offline_count,
                  d->bytes);
}

/* All of it serves. */
static bool serves(const struct cluster_verb *v)
{
    return v->quorum.quorum.leader >= 0 && v->tally.offline == 0 && v->dirs.dirs.offline_count == 0;
}

/* ... and nothing is missing. */
static bool is_healthy(const struct cluster_verb *v)
{
    const struct client_cluster *c = &v->cluster.cluster;
    bool fenced = false;
    for (int32_t i = 0; i < brokers_told(c); i++)
        fenced |= c->brokers[i].fenced;
    return serves(v) && v->tally.under_replicated == 0 && !fenced;
}

static void tell_status(struct cluster_verb *v)
{
    bool healthy = is_healthy(v);
    bool waits = v->exit_when_healthy && !v->watch && !healthy;
    bool last = env_now(&v->session.door->env) + ROUND_NS > v->until_ns;
    if (waits && !last) {
        end_round(v);
        return;
    }
    if (v->session.json)
        print_json(v);
    else
        print_text(v);
    fflush(stdout);
    v->session.exit = serves(v) && (!v->exit_when_healthy || healthy) ? 0 : EXIT_FAILURE;
    if (v->exit_when_healthy && healthy)
        cli_session_end(&v->session);
    else
        end_round(v);
}

static void ask_status(struct cluster_verb *v)
{
    struct cli_session *s = &v->session;
    switch (v->step++) {
    case 0:
        if (v->until_ns == 0)
            v->until_ns = env_now(&s->door->env) + s->timeout_ns;
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
            tell_status(v);
            return;
        }
        v->topics = (struct loop_topics){.done = on_topics};
        cli_session_ask(s, &v->topics.topics.op, NULL, "cannot list topics");
        loop_topics(&s->client, &v->topics);
        return;
    case 3:
        v->dirs = (struct loop_dirs){.done = on_dirs};
        if (!tells_dirs(v)) {
            tell_status(v);
            return;
        }
        cli_session_ask(s, &v->dirs.dirs.op, NULL, "cannot describe log directories");
        loop_dirs(&s->client, &v->dirs);
        return;
    default:
        tell_status(v);
        return;
    }
}

/* ---- leaders ---- */

static void print_elected(const struct cluster_verb *v, const struct client_elected *e)
{
    struct cli_json line;
    bool well = e->code == WIRE_ERROR_NONE;
    if (!v->session.json) {
        printf("%s-%d: %s\n", e->topic, (int)e->partition,
               well                                        ? "has another leader"
               : e->code == WIRE_ERROR_ELECTION_NOT_NEEDED ? "nothing was to be done"
                                                           : wire_error_text(e->code));
        return;
    }
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "topic", e->topic);
    json_put_int(j, "partition", e->partition);
    json_put_string(j, "error", wire_error_name(e->code));
    cli_json_end(&line, stdout);
}

static void on_elected(struct loop_elect *op)
{
    struct cluster_verb *v = CONTAINER_OF(op, struct cluster_verb, elect);
    struct client_elect *e = &op->elect;
    if (e->op.outcome != CLIENT_OK)
        cli_session_failed(&v->session);
    for (int32_t i = 0; i < e->count; i++) {
        print_elected(v, &e->elected[i]);
        if (e->elected[i].code != WIRE_ERROR_NONE &&
            e->elected[i].code != WIRE_ERROR_ELECTION_NOT_NEEDED)
            v->session.exit = EXIT_FAILURE;
    }
    if (e->op.outcome == CLIENT_OK && e->count == 0 && !v->session.json)
        printf("nothing was to be done\n");
    client_elect_free(e);
    cli_session_end(&v->session);
}

static void elect(struct cluster_verb *v, const char *topic, int32_t partition_count)
{
    struct cli_session *s = &v->session;
    v->elect = (struct loop_elect){.done = on_elected};
    v->elect.elect.topic = topic;
    v->elect.elect.partitions = v->numbers;
    v->elect.elect.partition_count = partition_count;
    v->elect.elect.unclean = v->unclean;
    cli_session_ask(s, &v->elect.elect.op, NULL, "cannot elect leaders");
    loop_elect(&s->client, &v->elect);
}

static void on_topic(struct loop_topics *op)
{
    struct cluster_verb *v = CONTAINER_OF(op, struct cluster_verb, topics);
    const struct client_topics *t = &op->topics;
    struct cli_session *s = &v->session;
    if (t->op.outcome != CLIENT_OK) {
        cli_session_failed(s);
    } else if (t->topic_count != 1 || t->topics[0].code != 0) {
        fprintf(stderr, "kiln: topic %s: %s\n", v->words.word[1],
                t->topic_count == 1 ? wire_error_text(t->topics[0].code) : "no answer came");
        s->exit = EXIT_FAILURE;
    } else {
        const struct client_topic_info *topic = &t->topics[0];
        v->numbers = calloc((size_t)topic->partition_count, sizeof *v->numbers);
        for (int32_t i = 0; i < topic->partition_count && v->numbers != NULL; i++)
            v->numbers[i] = topic->partitions[i].id;
        elect(v, topic->name, v->numbers == NULL ? 0 : topic->partition_count);
        return;
    }
    cli_session_end(s);
}

static void ask_election(struct cluster_verb *v)
{
    struct cli_session *s = &v->session;
    if (v->words.count == 1) {
        elect(v, NULL, 0);
        return;
    }
    v->topics = (struct loop_topics){.done = on_topic};
    v->topics.topics.topic = v->words.word[1];
    cli_session_ask(s, &v->topics.topics.op, NULL, "cannot describe topic %s", v->words.word[1]);
    loop_topics(&s->client, &v->topics);
}

/* ---- a broker that will not come back ---- */

static void on_unregistered(struct loop_unregister *op)
{
    struct cluster_verb *v = CONTAINER_OF(op, struct cluster_verb, unregister);
    struct cli_json line;
    if (op->unregister.op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
    } else if (v->session.json) {
        json_put_int(cli_json_begin(&line), "unregistered", v->broker_id);
        cli_json_end(&line, stdout);
    } else {
        printf("unregistered broker %" PRId64 "\n", v->broker_id);
    }
    cli_session_end(&v->session);
}

static void ask_unregistration(struct cluster_verb *v)
{
    struct cli_session *s = &v->session;
    v->unregister = (struct loop_unregister){.done = on_unregistered};
    v->unregister.unregister.broker_id = (int32_t)v->broker_id;
    cli_session_ask(s, &v->unregister.unregister.op, v->unregister.unregister.message,
                    "cannot unregister broker %" PRId64, v->broker_id);
    loop_unregister(&s->client, &v->unregister);
}

static void ask_next(struct cli_session *s)
{
    struct cluster_verb *v = CONTAINER_OF(s, struct cluster_verb, session);
    switch (v->what) {
    case WHAT_STATUS:
        ask_status(v);
        return;
    case WHAT_ELECT:
        ask_election(v);
        return;
    case WHAT_UNREGISTER:
        ask_unregistration(v);
        return;
    }
    UNREACHABLE();
}

/* ---- words ---- */

/* -1: go on; else the exit code, and why was told. */
static int check(struct cluster_verb *v, const char *synopsis)
{
    const struct cli_words *words = &v->words;
    if (v->what == WHAT_STATUS && words->count > 1)
        return cli_complain("status is of the whole cluster, and takes no name; usage: %s",
                            synopsis);
    if (v->what != WHAT_STATUS && (v->watch || v->exit_when_healthy))
        return cli_complain("--watch and --exit-when-healthy belong to kiln cluster status");
    if (v->what != WHAT_ELECT && v->unclean)
        return cli_complain("--unclean belongs to kiln cluster elect");
    if (v->what == WHAT_ELECT && words->count > 2)
        return cli_complain("elect takes one topic, or none for all of them; usage: %s", synopsis);
    if (v->what == WHAT_ELECT && v->unclean && words->count == 1)
        return cli_complain("--unclean may lose records: it takes the name of one topic");
    if (v->what != WHAT_UNREGISTER)
        return -1;
    if (words->count != 2 ||
        text_parse_int(bytes_text(words->word[1]), &v->broker_id) != ERR_NONE || v->broker_id < 0 ||
        v->broker_id > INT32_MAX)
        return cli_complain("unregister which broker? it takes one id; usage: %s", synopsis);
    return -1;
}

static int choose(struct cluster_verb *v, const char *synopsis)
{
    static const char *const names[] = {"status", "elect", "unregister", "join"};
    const struct cli_words *words = &v->words;
    if (words->count == 0)
        return cli_complain("usage: %s", synopsis);
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(words->word[0], names[i]) != 0)
            continue;
        if (i > WHAT_UNREGISTER)
            return cli_complain("join stands before its options: kiln cluster join --help");
        v->what = (enum what)i;
        return check(v, synopsis);
    }
    const char *nearest = cli_nearest(words->word[0], names, COUNT_OF(names));
    if (nearest != NULL)
        return cli_complain("there is no kiln cluster %s; did you mean %s?", words->word[0],
                            nearest);
    return cli_complain("usage: %s", synopsis);
}

int cli_cluster(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "join") == 0) /* it becomes a broker */
        return cli_join(argc - 1, argv + 1);
    struct cluster_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->session.next = ask_next;
    struct cli_option options[CLI_SESSION_OPTIONS + 3] = {
        {"--watch", CLI_FLAG, &v->watch, 0, 0, NULL, "status: again and again, each second"},
        {"--exit-when-healthy", CLI_FLAG, &v->exit_when_healthy, 0, 0, NULL,
         "status: waits, for --timeout, until all of it serves, every replica is in sync and no "
         "broker is fenced"},
        {"--unclean", CLI_FLAG, &v->unclean, 0, 0, NULL,
         "elect: where nobody in sync is there, any replica leads, and what it lacks is lost"},
    };
    cli_session_options(&v->session, options + 3);
    const struct cli_usage usage = {
        "kiln cluster status | elect [TOPIC] | unregister ID | join",
        "status shows who belongs to the cluster, who leads what, and how much of it serves; elect "
        "has the first replica of each partition lead it, where that is in sync; unregister "
        "forgets a broker that will not come back; join makes this a broker of it (kiln cluster "
        "join --help).\n"
        "Exit: 0 done, and all of it serves; 1 something is offline, or a broker refused or did "
        "not answer; 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = choose(v, usage.synopsis);
    if (exit < 0)
        exit = cli_session_run(&v->session);
    client_topics_free(&v->topics.topics);
    free(v->numbers);
    free(v);
    return exit;
}
