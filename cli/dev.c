/* dev.c - kiln dev: a cluster of real brokers on this machine that is there in a blink, fails when
 * it is told to, and is gone when nobody wants it any more. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cli/dev.h"
#include "posix/posix.h"

#define FDS_MAX (1 + 1 + DEV_ASKERS_MAX + DEV_NODES_MAX)
#define STOP_MS_MAX 30000 /* in good order; then at once */
#define MS_OF_S 1000

struct dev {
    struct dev_cluster cluster;
    struct dev_control *control;
    const char *dir, *ready_file;
    int64_t brokers, port, timeout_s;
    int signals;
    bool ready, ending, failed;
    int64_t deadline_ms; /* of the start, or of the end */
};

static struct dev_cluster
    *keys_of; /* cli_parse hands options to a function that has no other place */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * MS_OF_S + t.tv_nsec / 1000000;
}

/* Whatever the brokers may know: it is they who judge it. */
static bool take_key(const char *name, const char *value, struct errmsg *msg)
{
    struct dev_cluster *c = keys_of;
    if (strncmp(name, "--", 2) != 0 || strchr(name, '.') == NULL)
        return false;
    if (value == NULL) {
        errmsg_set(msg, ERR_INVALID, "%s needs a value", name);
        return false;
    }
    if (c->key_count == COUNT_OF(c->keys)) {
        errmsg_set(msg, ERR_LIMIT, "more than %d keys", DEV_KEYS_MAX);
        return false;
    }
    snprintf(c->keys[c->key_count].name, sizeof c->keys[0].name, "%s", name);
    c->keys[c->key_count++].value = value;
    return true;
}

/* ---- its life ---- */

/* Whole or not at all: who waits for the file reads it at once. */
static bool write_ready_file(const char *path, const char *addresses)
{
    char young[CLI_PATH_MAX];
    int size = snprintf(young, sizeof young, "%s.%d", path, (int)getpid());
    FILE *file = size < (int)sizeof young ? fopen(young, "w") : NULL;
    bool good = file != NULL && fprintf(file, "%s\n", addresses) > 0;
    if (file != NULL)
        good = fclose(file) == 0 && good;
    good = good && rename(young, path) == 0;
    if (!good)
        cli_complain("%s: %s", path, strerror(errno));
    return good;
}

static void end(struct dev *d, int signal)
{
    d->ending = true;
    d->deadline_ms = now_ms() + STOP_MS_MAX;
    dev_nodes_end(&d->cluster, signal);
}

static void tell_ready(struct dev *d)
{
    char addresses[DEV_ADDRESSES_MAX];
    for (int i = 0; i < d->cluster.node_count; i++) {
        if (d->cluster.nodes[i].state != DEV_READY)
            return;
    }
    d->ready = true;
    dev_nodes_addresses(&d->cluster, addresses);
    printf("%s\n", addresses);
    bool told = fflush(stdout) == 0;
    told = (d->ready_file == NULL || write_ready_file(d->ready_file, addresses)) && told;
    if (!told) {
        d->failed = true;
        end(d, SIGKILL);
    }
}

/* What is in a directory of ours is of no use to anybody. */
static void on_signal(struct dev *d)
{
    struct signalfd_siginfo info;
    if (read(d->signals, &info, sizeof info) != sizeof info || info.ssi_signo == SIGCHLD)
        return;
    end(d, d->ending || d->cluster.temporary ? SIGKILL : SIGTERM);
}

static struct dev_node *node_of(struct dev_cluster *c, pid_t pid)
{
    for (int i = 0; i < c->node_count; i++) {
        if (c->nodes[i].pid == pid)
            return &c->nodes[i];
    }
    return NULL;
}

static void reap(struct dev *d)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct dev_node *node = node_of(&d->cluster, pid);
        if (node == NULL)
            continue;
        dev_node_ended(&d->cluster, node, status);
        dev_control_tell(d->control, node);
        if (node->state != DEV_DIED || d->ready || d->ending)
            continue;
        d->failed = true;
        end(d, SIGKILL);
    }
}

static void listen_to(struct dev *d, struct dev_node *node)
{
    enum dev_state before = node->state;
    dev_node_listen(&d->cluster, node);
    if (node->state == before)
        return;
    dev_control_tell(d->control, node);
    if (!d->ready && !d->ending)
        tell_ready(d);
}

static bool some_run(const struct dev_cluster *c)
{
    for (int i = 0; i < c->node_count; i++) {
        if (c->nodes[i].pid != 0)
            return true;
    }
    return false;
}

static void too_late(struct dev *d)
{
    if (!d->ending) {
        cli_complain("the brokers are not ready after %lld s; their logs are in %s",
                     (long long)d->timeout_s, d->cluster.dir);
        d->failed = true;
    }
    end(d, SIGKILL);
}

/* Waits for whatever comes first, and does it. */
static void turn(struct dev *d)
{
    struct dev_cluster *c = &d->cluster;
    struct pollfd fds[FDS_MAX];
    bool timed = d->ending || !d->ready;
    int64_t left_ms = timed ? MAX(d->deadline_ms - now_ms(), 0) : -1;
    fds[0] = (struct pollfd){.fd = d->signals, .events = POLLIN};
    int asked = dev_control_wait(d->control, fds + 1);
    for (int i = 0; i < c->node_count; i++)
        fds[1 + asked + i] = (struct pollfd){.fd = c->nodes[i].said, .events = POLLIN};
    int found = poll(fds, (nfds_t)(1 + asked + c->node_count), (int)left_ms);
    if (found == 0)
        too_late(d);
    if (found <= 0)
        return;
    for (int i = 0; i < c->node_count; i++) {
        if (fds[1 + asked + i].revents != 0)
            listen_to(d, &c->nodes[i]);
    }
    if (fds[0].revents != 0)
        on_signal(d);
    reap(d);
    if (!d->ending)
        dev_control_go_on(d->control, fds + 1, asked);
}

static bool watch_signals(struct dev *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (d->signals < 0)
        cli_complain("signalfd: %s", strerror(errno));
    return d->signals >= 0;
}

static bool make_dir(struct dev *d)
{
    struct dev_cluster *c = &d->cluster;
    char path[CLI_PATH_MAX];
    c->temporary = d->dir == NULL;
    if (c->temporary) {
        if (cli_temporary_dir(path, "dev") != ERR_NONE || strlen(path) >= sizeof c->dir)
            return cli_complain("%s: %s", path, strerror(errno)), false;
        snprintf(c->dir, sizeof c->dir, "%.*s", DEV_PATH_MAX - 1, path);
        return true;
    }
    if (mkdir(d->dir, 0700) != 0 && errno != EEXIST)
        return cli_complain("%s: %s", d->dir, strerror(errno)), false;
    char *whole = realpath(d->dir, NULL);
    bool good = whole != NULL && strlen(whole) < sizeof c->dir;
    if (good)
        snprintf(c->dir, sizeof c->dir, "%.*s", DEV_PATH_MAX - 1, whole);
    else
        cli_complain("%s: %s", d->dir, whole == NULL ? strerror(errno) : "the path is too long");
    free(whole);
    return good;
}

/* Of the directory, as long as it lives. */
static bool take_id(struct dev_cluster *c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char path[DEV_PATH_MAX + 16];
    uint8_t bits[DEV_ID_SIZE - 1];
    snprintf(path, sizeof path, "%s/cluster.id", c->dir);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        bool good = fgets(c->id, sizeof c->id, file) != NULL && strlen(c->id) == sizeof c->id - 1;
        fclose(file);
        return good || (cli_complain("%s: is no cluster's id", path), false);
    }
    if (getrandom(bits, sizeof bits, 0) != sizeof bits)
        return cli_complain("getrandom: %s", strerror(errno)), false;
    for (size_t i = 0; i < sizeof bits; i++)
        c->id[i] = digits[bits[i] & 63];
    c->id[0] =
        digits[bits[0] & 31]; /* it begins with no dash, which Kafka's tools take as an option */
    c->id[sizeof bits - 1] = "AQgw"[bits[sizeof bits - 1] & 3]; /* 128 bits are no more */
    struct bytes text = bytes_text(c->id);
    return cli_write_file(path, text) == ERR_NONE ||
           (cli_complain("%s: %s", path, strerror(errno)), false);
}

static void set_up(struct dev *d)
{
    struct dev_cluster *c = &d->cluster;
    c->node_count = (int)d->brokers;
    /* Two voters would need each other, as one does not. */
    c->voter_count = c->node_count >= DEV_VOTERS_MAX ? DEV_VOTERS_MAX : 1;
    c->port = (uint16_t)d->port;
    d->deadline_ms = now_ms() + d->timeout_s * MS_OF_S;
    for (int i = 0; i < DEV_NODES_MAX; i++)
        c->nodes[i] = (struct dev_node){
            .id = i + 1, .said = -1, .log = -1, .asker = -1, .held = {-1, -1, -1}};
}

static bool begin(struct dev *d)
{
    struct dev_cluster *c = &d->cluster;
    if (!watch_signals(d))
        return false;
    d->control = dev_control_open(c);
    if (d->control == NULL)
        return false;
    for (int i = 0; i < c->node_count; i++) {
        if (!dev_node_start(c, &c->nodes[i]))
            return false;
    }
    return true;
}

static int serve(struct dev *d)
{
    struct dev_cluster *c = &d->cluster;
    set_up(d);
    if (d->ready_file != NULL) /* of one that was killed: who waits for it would not wait */
        unlink(d->ready_file);
    if (!dev_nodes_take_ports(c) || !make_dir(d) || !take_id(c))
        return EXIT_FAILURE;
    if (!begin(d)) {
        d->failed = true;
        end(d, SIGKILL);
    }
    while (d->control != NULL && (!d->ending || some_run(c)))
        turn(d);
    dev_control_close(d->control);
    if (d->ready && d->ready_file != NULL)
        unlink(d->ready_file);
    if (c->temporary && (!d->failed || d->ready))
        cli_remove_tree(c->dir);
    else if (c->temporary)
        cli_complain("what the brokers said is in %s", c->dir);
    return d->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- words ---- */

static int read_node(const char *word)
{
    char *rest;
    long id = strtol(word, &rest, 10);
    return *word == 0 || *rest != 0 || id < 1 || id > DEV_NODES_MAX ? -1 : (int)id;
}

/* libfiu takes any name, and says nothing of one that nobody will ever ask for. */
static bool is_point(const char *name)
{
    char known[DEV_LINE_MAX] = "";
    size_t size = 0;
    for (int i = 0; posix_fault_points[i] != NULL; i++) {
        if (strcmp(posix_fault_points[i], name) == 0)
            return true;
        size += (size_t)snprintf(known + size, sizeof known - size, " %s", posix_fault_points[i]);
    }
    cli_complain("there is no fault point \"%s\"; there are%s", name, known);
    return false;
}

static int command(const struct dev *d, const struct cli_words *words, const char *synopsis)
{
    const char *word = words->word[0];
    char line[DEV_LINE_MAX];
    bool bare = strcmp(word, "status") == 0;
    bool fault = strcmp(word, "fault") == 0;
    if (bare && words->count == 1)
        return dev_control_ask(d->dir, word);
    static const char *const known[] = {"kill",   "stop",  "start", "pause",
                                        "resume", "fault", "status"};
    const char *nearest = cli_nearest(word, known, COUNT_OF(known));
    if (nearest == NULL || strcmp(nearest, word) != 0)
        return nearest != NULL ? cli_complain("kiln dev has no word \"%s\"; did you mean \"%s\"?",
                                              word, nearest)
                               : cli_complain("usage: %s", synopsis);
    int node = words->count > 1 ? read_node(words->word[1]) : -1;
    bool fits = fault ? words->count == 3 || words->count == 4 : words->count == 2;
    if (bare || !fits || node < 0)
        return cli_complain("usage: %s", synopsis);
    if (fault) {
        if (!is_point(words->word[2]))
            return CLI_USAGE;
        const char *how = words->count == 4 ? words->word[3] : "once";
        if (strcmp(how, "once") != 0 && strcmp(how, "always") != 0 && strcmp(how, "off") != 0)
            return cli_complain("a fault comes once or always, or is off, not \"%s\"", how);
        return dev_control_fault(d->dir, node, words->word[2], how);
    }
    snprintf(line, sizeof line, "%s %d", word, node);
    return dev_control_ask(d->dir, line);
}

int cli_dev(int argc, char **argv)
{
    struct dev *d = calloc(1, sizeof *d);
    if (d == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    d->brokers = 3;
    d->port = 9092;
    d->timeout_s = 60;
    keys_of = &d->cluster;
    const struct cli_option options[] = {
        {"--brokers", CLI_INT, &d->brokers, 1, DEV_NODES_MAX, NULL, "how many (3)"},
        {"--port", CLI_INT, &d->port, 0, UINT16_MAX - DEV_NODES_MAX, NULL,
         "of the first, and the others behind it (9092); 0 takes free ones"},
        {"--dir", CLI_TEXT, &d->dir, 0, 0, NULL,
         "where data, logs and the socket are, and stay (a new directory below TMPDIR, which is "
         "removed at the end); of kill and the others: whose cluster (the newest)"},
        {"--ready-file", CLI_TEXT, &d->ready_file, 0, 0, NULL,
         "is written when all brokers are ready, with their addresses, and removed at the end"},
        {"--timeout", CLI_INT, &d->timeout_s, 1, 3600, NULL, "seconds until they are ready (60)"},
        {"-v", CLI_FLAG, &d->cluster.verbose, 0, 0, NULL, "what the brokers say, on stderr"},
    };
    const struct cli_usage usage = {
        "kiln dev [OPTIONS] [--KEY VALUE...] | status | kill N | stop N | start N | pause N | "
        "resume N | fault N POINT [once|always|off]",
        "Starts a cluster of real brokers on 127.0.0.1 and prints their addresses when topics can "
        "be created; Ctrl-C ends it. Any key of a broker's configuration may be given. Whoever "
        "dies is missed within 200 ms.\n"
        "The words are for another terminal: kill is kill -9, stop and start are in good order "
        "and answer when it is so, fault makes a call fail by the names of kiln help faults.\n"
        "Exit: 0 ended as it was told to, 1 not, 64 usage.",
        options, COUNT_OF(options), take_key};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit < 0 && words.count > 0)
        exit = command(d, &words, usage.synopsis);
    if (exit < 0)
        exit = serve(d);
    free(d);
    return exit;
}
