/* broker.c - kiln broker: one broker on this machine, until a signal ends it. */
#include <inttypes.h>
#include <poll.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "cli/cli.h"
#include "node/node.h"
#include "posix/posix.h"

#define TRACE_WORDS 40960
#define KEYS_MAX 256
#define CONFIG_FILE_BYTES_MAX (1 << 20)
/* How often the disk and the loop are looked at, and what is worth telling. */
#define LOOK_NS (1000ll * 1000 * 1000)
#define SLOW_NS_TOLD (1000ll * 1000 * 1000)
#define STALL_NS_TOLD (100ll * 1000 * 1000)
/* Who sends a signal twice at once means one: timeout(1) and npm do. */
#define AGAIN_NS_MIN (500ll * 1000 * 1000)

/* --KEY VALUE as they stand on the command line; applied after the file. */
struct keys {
    struct {
        char key[CONFIG_STRING_SIZE];
        const char *value;
    } at[KEYS_MAX];
    int count;
};

struct serving {
    struct mem mem;
    struct posix_env *door;
    struct posix_hook hook;
    struct posix_signals signals;
    struct trace trace;
    uint64_t rows[TRACE_WORDS];
    struct broker_config config;
    struct broker *broker;
    struct broker_op starting, stopping;
    int64_t began_ns;
    int64_t told_ns; /* when it was told to stop */
    struct env_timer look;
    bool ready, told_to_stop, told_slow;
    int exit;
};

static struct keys keys; /* cli_parse hands options to a function that has no other place */

/* A line on stderr: the sentence, and in brackets the name by which it can be searched for. */
static void write_note(struct notes *to, enum note_kind kind, const char *sentence)
{
    static const char *const prefixes[NOTE_LEVEL_COUNT] = {
        [NOTE_LEVEL_ERROR] = "error: ",
        [NOTE_LEVEL_WARNING] = "warning: ",
        [NOTE_LEVEL_INFO] = "",
        [NOTE_LEVEL_DEBUG] = "debug: ",
    };
    static uint64_t lost_count; /* since the last line that somebody took */
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    (void)to;
    /* A pipe that nobody reads must not stop the broker: one that can be written to takes at least
     * PIPE_BUF bytes, which is more than a line. */
    if (poll(&out, 1, 0) == 0) {
        lost_count++;
        return;
    }
    if (lost_count > 0)
        fprintf(stderr, "kiln: warning: %llu lines before this one are lost: nobody read them\n",
                (unsigned long long)lost_count);
    lost_count = 0;
    fprintf(stderr, "kiln: %s%s [%s]\n", prefixes[note_kinds[kind].level], sentence,
            note_kinds[kind].name);
}

/* Of the process: its configuration has something to tell before there is a broker. */
static struct notes notes = {.write = write_note, .level = NOTE_LEVEL_INFO};

bool cli_broker_take_key(const char *name, const char *value, struct errmsg *msg)
{
    const char *key = name + strspn(name, "-");
    bool known = config_find(&broker_config_table, key) != NULL;
    struct bytes text = bytes_text(value == NULL ? "" : value);
    enum broker_config_verdict verdict = BROKER_CONFIG_FOREIGN;
    if (!known)
        verdict = broker_config_judge(key, text, msg);
    if (verdict == BROKER_CONFIG_UNKNOWN) {
        /* A slip of the finger, where a file may have been written for somebody else. */
        struct broker_config nothing;
        enum err e = config_set(&broker_config_table, &nothing, key, text, msg);
        ASSERT(e == ERR_NOTFOUND);
    }
    if (verdict != BROKER_CONFIG_FOREIGN)
        return false;
    if (value == NULL) {
        errmsg_set(msg, ERR_INVALID, "%s needs a value", name);
        return false;
    }
    if (!known) {
        NOTE(&notes, CONFIG_IGNORED, "%s", msg->text);
        *msg = (struct errmsg){{0}};
        return true;
    }
    if (keys.count == KEYS_MAX) {
        errmsg_set(msg, ERR_LIMIT, "more than %d keys", KEYS_MAX);
        return false;
    }
    snprintf(keys.at[keys.count].key, sizeof keys.at[0].key, "%s", key);
    keys.at[keys.count++].value = value;
    return true;
}

/* ---- configuration ---- */

/* As many descriptors as the machine lets us have; a quarter of them for segments, unless the
 * operator says otherwise: the rest is for connections. */
static void raise_limits(struct broker_config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    config->log_open_files_max =
        MAX(config->log_open_files_max, (int64_t)MIN(limit.rlim_max / 4, 4096u));
}

/* A key of a file that has no row. */
static enum err warn_of_key(const char *key, struct bytes value, struct errmsg *msg)
{
    struct errmsg said = {{0}};
    if (broker_config_judge(key, value, &said) == BROKER_CONFIG_WEAKENS)
        return errmsg_set(msg, ERR_INVALID, "%s", said.text);
    NOTE(&notes, CONFIG_IGNORED, "%s", said.text);
    return ERR_NONE;
}

static enum err read_config(struct broker_config *config, const char *path, struct errmsg *msg)
{
    struct bytes file;
    enum err e = cli_read_input(path, CONFIG_FILE_BYTES_MAX, &file, msg);
    if (e != ERR_NONE)
        return e;
    e = config_parse(&broker_config_table, config, file, path, warn_of_key, msg);
    cli_free(file);
    return e;
}

enum err cli_broker_configure(struct broker_config *config, const char *path, const char *data,
                              const char *listen, struct errmsg *msg)
{
    config_defaults(&broker_config_table, config);
    raise_limits(config);
    enum err e = path == NULL ? ERR_NONE : read_config(config, path, msg);
    for (int i = 0; i < keys.count && e == ERR_NONE; i++)
        e = config_set(&broker_config_table, config, keys.at[i].key, bytes_text(keys.at[i].value),
                       msg);
    if (e == ERR_NONE && data != NULL)
        e = config_set(&broker_config_table, config, "log.dirs", bytes_text(data), msg);
    if (e == ERR_NONE && listen != NULL)
        e = config_set(&broker_config_table, config, "listeners", bytes_text(listen), msg);
    return e == ERR_NONE ? broker_config_check(config, msg) : e;
}

/* ---- the life of the process ---- */

static void after_event(struct posix_hook *hook)
{
    struct serving *s = CONTAINER_OF(hook, struct serving, hook);
    trace_clear(&s->trace); /* nobody reads it yet */
}

static void on_stopped(struct broker_op *op, enum err e)
{
    struct serving *s = CONTAINER_OF(op, struct serving, stopping);
    if (e != ERR_NONE) {
        NOTE(&notes, STOP_FAILED, "stopped, but not cleanly; the next start recovers: %s",
             op->msg.text);
        s->exit = EXIT_FAILURE;
    } else if (s->ready) {
        NOTE(&notes, STOPPED, "stopped in good order");
    }
    posix_stop(s->door);
}

/* Without its voter a node is no use to its quorum, and as a broker it would follow nobody. */
static void look_at_quorum(struct serving *s)
{
    if (!broker_is_stuck(s->broker) || s->told_to_stop)
        return;
    s->told_to_stop = true;
    s->told_ns = env_now(&s->door->env);
    s->exit = EXIT_FAILURE;
    broker_stop(s->broker, &s->stopping, on_stopped);
}

static void look_at_disk(struct serving *s)
{
    int64_t slow_ns = posix_slow_ns(s->door);
    if (slow_ns >= SLOW_NS_TOLD && !s->told_slow) {
        NOTE(&notes, DIRECTORY_SLOW,
             "the disk of %s has not answered for %" PRId64
             " ms: appends wait for it, and what needs no disk goes on. Look at the disk",
             s->config.log_dirs, slow_ns / 1000000);
        s->told_slow = true;
    } else if (slow_ns == 0 && s->told_slow) {
        NOTE(&notes, DIRECTORY_WELL, "the disk of %s answers again", s->config.log_dirs);
        s->told_slow = false;
    }
}

static void on_look(struct env_timer *timer)
{
    struct serving *s = CONTAINER_OF(timer, struct serving, look);
    struct posix_counters *counters = &s->door->counters;
    look_at_disk(s);
    look_at_quorum(s);
    if (counters->stall_ns_max >= STALL_NS_TOLD)
        NOTE(&notes, LOOP_STALLED, "for %" PRId64 " ms one event kept all others waiting",
             counters->stall_ns_max / 1000000);
    counters->stall_ns_max = 0;
    env_arm(&s->door->env, timer, env_now(&s->door->env) + LOOK_NS);
}

static void on_signal(struct posix_signals *signals, int number)
{
    struct serving *s = CONTAINER_OF(signals, struct serving, signals);
    int64_t now_ns = env_now(&s->door->env);
    if (s->told_to_stop && now_ns - s->told_ns < AGAIN_NS_MIN)
        return;
    if (s->told_to_stop) {
        NOTE(&notes, STOP_FAILED, "ended at once by a second signal; the next start recovers");
        _exit(EXIT_FAILURE);
    }
    s->told_to_stop = true;
    s->told_ns = now_ns;
    NOTE(&notes, STOPPING, "told to stop by SIG%s", sigabbrev_np(number));
    broker_stop(s->broker, &s->stopping, on_stopped);
}

static void on_started(struct broker_op *op, enum err e)
{
    struct serving *s = CONTAINER_OF(op, struct serving, starting);
    if (e == ERR_NONE) {
        int64_t took_ms = (env_now(&s->door->env) - s->began_ns) / 1000000;
        NOTE(&notes, READY,
             "ready on %s:%u, data in %s, node %" PRId64 ", cluster %s, %" PRId64 " ms",
             broker_host(s->broker), (unsigned)broker_port(s->broker), s->config.log_dirs,
             s->config.node_id, broker_cluster_id(s->broker), took_ms);
        s->ready = true;
        return;
    }
    s->exit = EXIT_FAILURE;
    if (s->told_to_stop)
        return; /* the stop ends it */
    NOTE(&notes, START_FAILED, "%s", op->msg.text);
    posix_stop(s->door);
}

/* fiu-run sets these for the program that it starts; kiln dev the one of its own. */
static void inject_faults(void)
{
    const char *pipes = getenv("KILN_FAULTS");
    if (pipes != NULL && !posix_take_faults(pipes))
        NOTE(&notes, FAULTS_ALLOWED, "no faults can be injected by %s", pipes);
    if (getenv("FIU_CTRL_FIFO") == NULL && getenv("FIU_ENABLE") == NULL)
        return;
    if (posix_inject_faults(true))
        NOTE(&notes, FAULTS_ALLOWED, "faults may be injected into this process by libfiu's tools");
    else
        NOTE(&notes, FAULTS_ALLOWED, "this kiln was built without fault points (KILN_FIU)");
}

/* Were 0, 1 or 2 closed, a segment would get that number, and what is printed would go into it. */
static void open_standard_files(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDWR);
    if (fd >= 0)
        close(fd);
}

/* Files beyond a limit and readers that went away are errors of the write. */
static void ignore_signals(void)
{
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

static int serve(struct serving *s)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct errmsg msg = {{0}};
    posix_heap(&s->mem);
    trace_init(&s->trace, s->rows, TRACE_WORDS, false);
    s->hook.after_event = after_event;
    s->signals.fire = on_signal;
    NOTE(&notes, STARTING, "version %s, data in %s", KILN_VERSION, s->config.log_dirs);
    inject_faults();
    enum err e = posix_new(&s->door, &s->mem, NULL, &s->hook, &msg);
    if (e != ERR_NONE)
        return cli_complain("%s", msg.text), EXIT_FAILURE;
    posix_set_slow(s->door, s->config.log_dir_slow_ms);
    posix_set_access(s->door, (enum posix_access)s->config.log_files_readable_by);
    e = posix_watch_signals(s->door, &s->signals, numbers, COUNT_OF(numbers));
    if (e == ERR_NONE)
        e = broker_new(&s->broker, &s->door->env, &s->mem, &s->trace, &s->config, &notes);
    if (e != ERR_NONE) {
        posix_free(s->door);
        return cli_complain("%s", err_text(e)), EXIT_FAILURE;
    }
    s->began_ns = env_now(&s->door->env);
    s->look.fire = on_look;
    env_arm(&s->door->env, &s->look, s->began_ns + LOOK_NS);
    broker_start(s->broker, &s->starting, on_started);
    posix_run(s->door);
    env_disarm(&s->door->env, &s->look);
    broker_free(s->broker);
    posix_free(s->door);
    ASSERT(s->mem.live_count == 0);
    return s->exit;
}

#define KEY_INDENT 4

static void print_keys(void)
{
    struct mem mem;
    struct broker_config config;
    mem_system(&mem);
    config_defaults(&broker_config_table, &config);
    printf("\nkeys:\n");
    for (int i = 0; i < broker_config_table.count; i++) {
        const struct config_row *row = &broker_config_table.rows[i];
        cli_wrapf(stdout, KEY_INDENT, "  --%s %s", row->key,
                  row->fallback[0] == 0 ? "\"\"" : row->fallback);
        cli_wrap(stdout, "    ", KEY_INDENT, row->help);
    }
}

int cli_broker(int argc, char **argv)
{
    const char *data = NULL;
    const char *listen = NULL;
    const char *config = NULL;
    int level = NOTE_LEVEL_INFO;
    const struct cli_option options[] = {
        {"--data", CLI_TEXT, &data, 0, 0, NULL,
         "the directory of all data (log.dirs): ./kiln-data"},
        {"--listen", CLI_TEXT, &listen, 0, 0, NULL,
         "HOST:PORT where clients connect (listeners): 127.0.0.1:9092; port 0 picks a free one"},
        {"--config", CLI_TEXT, &config, 0, 0, NULL,
         "a file in the form of Kafka's server.properties; flags count more"},
        {"--log-level", CLI_CHOICE, &level, 0, 0, "error|warning|info|debug",
         "what stderr tells, up to this: info"},
    };
    const struct cli_usage usage = {
        "kiln broker [--data DIR] [--listen HOST:PORT] [--config FILE] [--KEY VALUE...]",
        "Serves Kafka clients until SIGTERM, SIGINT or SIGHUP. Any key of the configuration "
        "may be given as an option.\n"
        "Exit: 0 stopped in good order, also on a full disk; 1 not started or not stopped "
        "cleanly; 64 usage.",
        options, COUNT_OF(options), cli_broker_take_key};
    struct cli_words words;
    open_standard_files();
    ignore_signals();
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit == CLI_OK)
        print_keys();
    if (exit >= 0)
        return exit;
    if (words.count > 0)
        return cli_complain("kiln broker takes no word \"%s\"", words.word[0]);
    notes.level = (enum note_level)level;
    struct serving *s = calloc(1, sizeof *s);
    struct errmsg msg = {{0}};
    if (s == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    if (cli_broker_configure(&s->config, config, data, listen, &msg) != ERR_NONE) {
        free(s);
        return cli_complain("%s", msg.text);
    }
    exit = serve(s);
    free(s);
    return exit;
}
