/* format.c - kiln format: a new directory is given who votes in the metadata quorum, before its
 * node starts for the first time (KIP-853). */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/cli.h"
#include "node/node.h"
#include "posix/posix.h"

#define TRACE_WORDS 8192

struct formatter {
    struct mem mem;
    struct posix_env *door;
    struct posix_hook hook;
    struct trace trace;
    uint64_t rows[TRACE_WORDS];
    struct broker_config config;
    struct broker_format format;
    struct broker *broker;
    struct broker_op starting, stopping;
    bool json, formatted;
    int exit;
};

static void after_event(struct posix_hook *hook)
{
    trace_clear(&CONTAINER_OF(hook, struct formatter, hook)->trace);
}

static const char *voters_of(const struct broker_format *format)
{
    switch (format->kind) {
    case BROKER_FORMAT_STANDALONE:
        return "this node is the one voter";
    case BROKER_FORMAT_INITIAL_CONTROLLERS:
        return "the voters are those of --initial-controllers";
    case BROKER_FORMAT_NO_INITIAL_CONTROLLERS:
        return "it votes for nobody until it is made a voter";
    case BROKER_FORMAT_NONE:
        break;
    }
    UNREACHABLE();
}

static void on_stopped(struct broker_op *op, enum err e)
{
    struct formatter *f = CONTAINER_OF(op, struct formatter, stopping);
    if (e != ERR_NONE) {
        fprintf(stderr, "kiln: %s\n", op->msg.text);
        f->exit = EXIT_FAILURE;
    }
    posix_stop(f->door);
}

static void tell(const struct formatter *f)
{
    char directory[BROKER_DIRECTORY_ID_SIZE];
    struct cli_json line;
    broker_directory_id(f->broker, directory);
    if (!f->json) {
        cli_wrapf(stdout, 2, "formatted %s for node %" PRId64 " of cluster %s, directory id %s: %s",
                  f->config.log_dirs, f->config.node_id, broker_cluster_id(f->broker), directory,
                  voters_of(&f->format));
        return;
    }
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "directory", f->config.log_dirs);
    json_put_int(j, "node", f->config.node_id);
    json_put_string(j, "cluster_id", broker_cluster_id(f->broker));
    json_put_string(j, "directory_id", directory);
    cli_json_end(&line, stdout);
}

/* That is all: the broker is let go of before it does anything else. */
static void on_formatted(struct broker_format *format)
{
    struct formatter *f = CONTAINER_OF(format, struct formatter, format);
    f->formatted = true;
    tell(f);
    broker_stop(f->broker, &f->stopping, on_stopped);
}

static void on_started(struct broker_op *op, enum err e)
{
    struct formatter *f = CONTAINER_OF(op, struct formatter, starting);
    ASSERT(e != ERR_NONE); /* nothing is served */
    if (f->formatted)
        return; /* the stop ends it */
    fprintf(stderr, "kiln: %s\n", op->msg.text);
    f->exit = EXIT_FAILURE;
    posix_stop(f->door);
}

static int run(struct formatter *f)
{
    struct errmsg msg = {{0}};
    posix_heap(&f->mem);
    trace_init(&f->trace, f->rows, TRACE_WORDS, false);
    f->hook.after_event = after_event;
    enum err e = posix_new(&f->door, &f->mem, NULL, &f->hook, &msg);
    if (e != ERR_NONE)
        return cli_complain("%s", msg.text), EXIT_FAILURE;
    posix_set_access(f->door, (enum posix_access)f->config.log_files_readable_by);
    e = broker_new(&f->broker, &f->door->env, &f->mem, &f->trace, &f->config, NULL);
    if (e != ERR_NONE) {
        posix_free(f->door);
        return cli_complain("%s", err_text(e)), EXIT_FAILURE;
    }
    f->format.only = true;
    f->format.formatted = on_formatted;
    broker_set_format(f->broker, &f->format);
    broker_start(f->broker, &f->starting, on_started);
    posix_run(f->door);
    broker_free(f->broker);
    posix_free(f->door);
    return f->exit;
}

/* ---- words ---- */

static int choose(struct formatter *f, bool standalone, bool none)
{
    const char *initial = f->format.controllers;
    if ((standalone ? 1 : 0) + (none ? 1 : 0) + (initial != NULL ? 1 : 0) != 1)
        return cli_complain("who votes? one of --standalone (this node alone), "
                            "--initial-controllers ID@HOST:PORT:DIRID,... (these), and "
                            "--no-initial-controllers (others)");
    f->format.kind = standalone        ? BROKER_FORMAT_STANDALONE
                     : initial != NULL ? BROKER_FORMAT_INITIAL_CONTROLLERS
                                       : BROKER_FORMAT_NO_INITIAL_CONTROLLERS;
    return -1;
}

static int check(struct formatter *f, const char *config, const char *data, const char *cluster)
{
    struct errmsg msg = {{0}};
    enum err e = cli_broker_configure(&f->config, config, data, NULL, &msg);
    if (e == ERR_NONE && cluster != NULL)
        e = config_set(&broker_config_table, &f->config, "cluster.id", bytes_text(cluster), &msg);
    if (e == ERR_NONE && f->config.cluster_id[0] == 0 && f->format.kind != BROKER_FORMAT_STANDALONE)
        e = errmsg_set(&msg, ERR_INVALID,
                       "of which cluster? --cluster-id ID, the same for all its nodes (22 "
                       "characters; any UUID in base64)");
    if (e == ERR_NONE)
        e = broker_format_check(&f->format, &f->config, &msg);
    return e == ERR_NONE ? -1 : cli_complain("%s", msg.text);
}

int cli_format(int argc, char **argv)
{
    const char *config = NULL, *data = NULL, *cluster = NULL;
    bool standalone = false, none = false;
    struct formatter *f = calloc(1, sizeof *f);
    if (f == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    const struct cli_option options[] = {
        {"--config", CLI_TEXT, &config, 0, 0, NULL,
         "a file in the form of Kafka's server.properties; flags count more"},
        {"--data", CLI_TEXT, &data, 0, 0, NULL, "the directory (log.dirs): ./kiln-data"},
        {"--cluster-id", CLI_TEXT, &cluster, 0, 0, NULL,
         "of the cluster (cluster.id); --standalone makes one"},
        {"--standalone", CLI_FLAG, &standalone, 0, 0, NULL, "this controller is the one voter"},
        {"--initial-controllers", CLI_TEXT, &f->format.controllers, 0, 0, NULL,
         "ID@HOST:PORT:DIRID,... are the voters, the same for each of them"},
        {"--no-initial-controllers", CLI_FLAG, &none, 0, 0, NULL,
         "others vote: a broker, or a controller that is none of the voters"},
        {"--json", CLI_FLAG, &f->json, 0, 0, NULL, "one object on a line"},
    };
    const struct cli_usage usage = {
        "kiln format --standalone | --initial-controllers LIST | --no-initial-controllers "
        "[--config FILE] [--data DIR] [--cluster-id ID] [--KEY VALUE...]",
        "Makes a directory for a node of a metadata quorum whose log says who votes "
        "(kraft.version 1), as kafka-storage format does; the configuration names "
        "controller.quorum.bootstrap.servers. Nothing that is there is changed.\n"
        "Exit: 0 done; 1 not done; 64 usage.",
        options, COUNT_OF(options), cli_broker_take_key};
    struct cli_words words;
    signal(SIGXFSZ, SIG_IGN);
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit < 0 && words.count > 0)
        exit = cli_complain("kiln format takes no word \"%s\"", words.word[0]);
    if (exit < 0)
        exit = choose(f, standalone, none);
    if (exit < 0)
        exit = check(f, config, data, cluster);
    if (exit < 0)
        exit = run(f);
    free(f);
    return exit;
}
