/* join.c - kiln cluster join: a new node asks a cluster who it is, and becomes a broker of it. Who
 * votes in the metadata quorum stays as it is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/session.h"

#define FILE_BYTES_MAX 8192

struct join_verb {
    struct cli_session session;
    struct cli_words words;
    const char *data, *listen;
    int64_t node_id; /* -1: the next one that is free */
    int step;
    struct loop_cluster cluster;
    struct loop_quorum quorum;
    char path[CLI_PATH_MAX];  /* of the configuration */
    char whole[CLI_PATH_MAX]; /* data, from wherever it is started later */
    char file[FILE_BYTES_MAX];
};

/* ---- what the cluster is ---- */

static void refuse(struct join_verb *v, const char *sentence)
{
    fprintf(stderr, "kiln: %s\n", sentence);
    v->session.exit = EXIT_FAILURE;
    cli_session_end(&v->session);
}

static int32_t voters(const struct join_verb *v)
{
    return MIN(v->quorum.quorum.voter_count, CLIENT_REPLICAS_MAX);
}

static int32_t brokers(const struct join_verb *v)
{
    return MIN(v->cluster.cluster.broker_count, CLIENT_BROKERS_MAX);
}

/* HOST:PORT of LISTENER://HOST:PORT. */
static const char *address_of(const struct client_replica_info *voter)
{
    const char *sign = strstr(voter->endpoint, "://");
    return sign == NULL ? "" : sign + 3;
}

/* A node that is its own quorum says that it votes where its clients are. */
static bool is_alone(const struct join_verb *v)
{
    char address[CLIENT_HOST_MAX + 8];
    for (int32_t i = 0; i < brokers(v) && voters(v) == 1; i++) {
        const struct client_broker_info *b = &v->cluster.cluster.brokers[i];
        snprintf(address, sizeof address, "%s:%d", b->host, (int)b->port);
        if (strcmp(address, address_of(&v->quorum.quorum.replicas[0])) == 0)
            return true;
    }
    return false;
}

static bool is_taken(const struct join_verb *v, int64_t id)
{
    for (int32_t i = 0; i < brokers(v); i++) {
        if (v->cluster.cluster.brokers[i].id == id)
            return true;
    }
    for (int32_t i = 0; i < voters(v); i++) {
        if (v->quorum.quorum.replicas[i].id == id)
            return true;
    }
    return false;
}

static void choose_id(struct join_verb *v)
{
    for (int32_t i = 0; v->node_id < 0 && i < brokers(v) + voters(v) + 1; i++) {
        if (!is_taken(v, i + 1))
            v->node_id = i + 1;
    }
}

/* ---- its configuration ---- */

static bool knows_directories(const struct join_verb *v)
{
    static const uint8_t none[CLIENT_DIRECTORY_ID];
    return memcmp(v->quorum.quorum.replicas[0].directory, none, sizeof none) != 0;
}

static bool print_file(struct join_verb *v)
{
    bool dynamic = knows_directories(v);
    const struct client_quorum *q = &v->quorum.quorum;
    int listener = (int)strcspn(q->replicas[0].endpoint, ":");
    int at = snprintf(v->file, sizeof v->file,
                      "process.roles=broker\nnode.id=%" PRId64 "\ncluster.id=%s\n"
                      "listeners=PLAINTEXT://%s\ncontroller.listener.names=%.*s\n"
                      "listener.security.protocol.map=%.*s:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
                      "log.dirs=%s\n%s=",
                      v->node_id, v->cluster.cluster.id, v->listen, listener,
                      q->replicas[0].endpoint, listener, q->replicas[0].endpoint, v->whole,
                      dynamic ? "controller.quorum.bootstrap.servers" : "controller.quorum.voters");
    for (int32_t i = 0; i < voters(v) && at < (int)sizeof v->file; i++) {
        char id[16] = "";
        if (!dynamic)
            snprintf(id, sizeof id, "%d@", (int)q->replicas[i].id);
        at += snprintf(v->file + at, sizeof v->file - (size_t)at, "%s%s%s", i > 0 ? "," : "", id,
                       address_of(&q->replicas[i]));
    }
    if (at < (int)sizeof v->file)
        at += snprintf(v->file + at, sizeof v->file - (size_t)at, "\n");
    return at < (int)sizeof v->file;
}

static void decide(struct join_verb *v)
{
    char sentence[CLI_SENTENCE_MAX];
    for (int32_t i = 0; i < voters(v); i++) {
        if (address_of(&v->quorum.quorum.replicas[i])[0] == 0) {
            refuse(v, "the cluster does not say where its controllers are (DescribeQuorum, "
                      "version 2)");
            return;
        }
    }
    if (voters(v) == 0 || is_alone(v)) {
        refuse(v, "that node is its own quorum, which no other has a part in: stop it, give its "
                  "directory a voter's (kiln format --standalone) and start it with a listener "
                  "for controllers; docs/operations.md, \"From one node to three\", says how");
        return;
    }
    if (v->node_id >= 0 && is_taken(v, v->node_id)) {
        snprintf(sentence, sizeof sentence, "node %" PRId64 " is in that cluster already",
                 v->node_id);
        refuse(v, sentence);
        return;
    }
    choose_id(v);
    if (!print_file(v))
        refuse(v, "its configuration is longer than 8 KiB");
    else
        cli_session_end(&v->session);
}

/* ---- questions ---- */

static void go_on(struct join_verb *v, const struct client_op *op)
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
    go_on(CONTAINER_OF(op, struct join_verb, cluster), &op->cluster.op);
}

static void on_quorum(struct loop_quorum *op)
{
    go_on(CONTAINER_OF(op, struct join_verb, quorum), &op->quorum.op);
}

static void ask_next(struct cli_session *s)
{
    struct join_verb *v = CONTAINER_OF(s, struct join_verb, session);
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
    default:
        decide(v);
        return;
    }
}

/* ---- the broker ---- */

static int serve(struct join_verb *v)
{
    char verb[] = "broker", option[] = "--config";
    char *words[] = {verb, option, v->path, NULL};
    struct bytes file = bytes_of(v->file, strlen(v->file));
    enum err e = cli_write_file(v->path, file);
    if (e != ERR_NONE)
        return cli_complain("cannot write %s: %s", v->path, err_text(e)), EXIT_FAILURE;
    fprintf(stderr,
            "kiln: joins cluster %s as broker %" PRId64 "; from now on: %s broker --config %s\n",
            v->cluster.cluster.id, v->node_id, cli_program(), v->path);
    return cli_broker(3, words);
}

static bool make_whole(struct join_verb *v)
{
    int size =
        v->data[0] == '/' || getcwd(v->whole, sizeof v->whole) == NULL ? 0 : (int)strlen(v->whole);
    int more = snprintf(v->whole + size, sizeof v->whole - (size_t)size, "%s%s",
                        size == 0 ? "" : "/", v->data);
    return size + more < (int)sizeof v->whole;
}

static int check(struct join_verb *v, const char *synopsis)
{
    if (v->words.count > 0)
        return cli_complain("join takes no word \"%s\"; usage: %s", v->words.word[0], synopsis);
    if (v->session.controllers != NULL)
        return cli_complain("join asks a broker: --bootstrap HOST:PORT");
    if (snprintf(v->path, sizeof v->path, "%s.properties", v->data) >= (int)sizeof v->path ||
        !make_whole(v))
        return cli_complain("--data: the path is too long");
    if (access(v->path, F_OK) == 0)
        return cli_complain("%s is there already: %s broker --config %s starts that node", v->path,
                            cli_program(), v->path);
    if (access(v->data, F_OK) == 0)
        return cli_complain("%s is there already; name a new directory (--data)", v->data);
    return -1;
}

int cli_join(int argc, char **argv)
{
    struct join_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->session.next = ask_next;
    v->data = "kiln-data";
    v->listen = "127.0.0.1:9092";
    v->node_id = -1;
    struct cli_option options[CLI_SESSION_OPTIONS + 4] = {
        {"--data", CLI_TEXT, &v->data, 0, 0, NULL, "the new directory: kiln-data"},
        {"--listen", CLI_TEXT, &v->listen, 0, 0, NULL,
         "HOST:PORT where its clients connect: 127.0.0.1:9092"},
        {"--node-id", CLI_INT, &v->node_id, 0, INT32_MAX, NULL,
         "its number; else the least one that is free"},
    };
    cli_session_options(&v->session, options + 4);
    options[3] = (struct cli_option){
        "--bootstrap", CLI_TEXT, &v->session.servers, 0, 0, NULL, "the same as --bootstrap-server"};
    const struct cli_usage usage = {
        "kiln cluster join --bootstrap HOST:PORT [--data DIR] [--listen HOST:PORT] [--node-id N]",
        "Asks a broker of a cluster who it belongs to, makes a directory and DIR.properties for a "
        "new broker of it, and serves as that until a signal. Who votes in the metadata quorum "
        "stays as it is.\n"
        "Exit: as kiln broker; 1 also where the cluster takes nobody; 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = check(v, usage.synopsis);
    bool asks = exit < 0;
    if (asks)
        exit = cli_session_run(&v->session);
    if (asks && exit == 0)
        exit = serve(v);
    free(v);
    return exit;
}
