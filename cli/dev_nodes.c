/* dev_nodes.c - the brokers of kiln dev as processes: their ports, how they are started, what they
 * say, and how they end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/dev.h"

#define WORDS_MAX (64 + 2 * DEV_KEYS_MAX)
#define VALUE_MAX 512
#define ENDED_BY_DEATH 127 /* of a child that could not become a broker */

/* What a suite that breaks things wants: who dies is missed at once. --KEY VALUE counts more. */
static const char *const settings[] = {
    /* Three heartbeats in a session, and an election in the time of one. */
    "--broker.heartbeat.interval.ms",
    "50",
    "--broker.session.timeout.ms",
    "200",
    "--controller.quorum.election.timeout.ms",
    "150",
    "--controller.quorum.election.backoff.max.ms",
    "100",
    "--controller.quorum.fetch.timeout.ms",
    "250",
    "--controller.quorum.request.timeout.ms",
    "250",
    "--replica.lag.time.max.ms",
    "1000",
    "--replica.fetch.wait.max.ms",
    "200",
    "--replica.fetch.backoff.ms",
    "50",
};

/* ---- ports ---- */

/* A port that is ours until we end: bound, and not listened at, so that a broker which asks for
 * SO_REUSEADDR may listen there, and nobody is given it while that broker is dead. */
static int hold_port(uint16_t *port)
{
    int on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        cli_complain("port %u of 127.0.0.1: %s", (unsigned)*port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

/* Somebody listens there, whom our bind has not met. */
static bool is_listened_at(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    if (found)
        cli_complain("port %u of 127.0.0.1 is in use; --port 0 takes free ones", (unsigned)port);
    return found;
}

bool dev_nodes_take_ports(struct dev_cluster *c)
{
    for (int i = 0; i < c->node_count; i++) {
        struct dev_node *node = &c->nodes[i];
        node->port = c->port == 0 ? 0 : (uint16_t)(c->port + i);
        if (node->port != 0 && is_listened_at(node->port))
            return false;
        node->held[0] = hold_port(&node->port);
        node->held[1] = hold_port(&node->controller_port);
        node->held[2] = hold_port(&node->broker_port);
        if (node->held[0] < 0 || node->held[1] < 0 || node->held[2] < 0)
            return false;
    }
    return true;
}

void dev_nodes_addresses(const struct dev_cluster *c, char out[DEV_ADDRESSES_MAX])
{
    size_t size = 0;
    out[0] = 0;
    for (int i = 0; i < c->node_count; i++)
        size += (size_t)snprintf(out + size, DEV_ADDRESSES_MAX - size, "%s127.0.0.1:%u",
                                 i == 0 ? "" : ",", (unsigned)c->nodes[i].port);
}

/* ---- starting ---- */

/* The words of a command, and memory for those that are made. */
struct command {
    const char *words[WORDS_MAX];
    int count;
    char values[16][VALUE_MAX];
    int value_count;
};

static void say(struct command *command, const char *word)
{
    ASSERT(command->count < WORDS_MAX - 1);
    command->words[command->count++] = word;
}

static char *say_value(struct command *command, const char *key)
{
    ASSERT(command->value_count < COUNT_OF(command->values));
    char *value = command->values[command->value_count++];
    say(command, key);
    say(command, value);
    return value;
}

static void put_voters(const struct dev_cluster *c, char *out)
{
    size_t size = 0;
    for (int i = 0; i < c->voter_count; i++)
        size +=
            (size_t)snprintf(out + size, VALUE_MAX - size, "%s%d@127.0.0.1:%u", i == 0 ? "" : ",",
                             c->nodes[i].id, (unsigned)c->nodes[i].controller_port);
}

/* One of several: who votes, and how the others reach it. */
static void say_place(const struct dev_cluster *c, const struct dev_node *node,
                      struct command *command)
{
    bool votes = node->id <= c->voter_count;
    say(command, "--cluster.id");
    say(command, c->id);
    put_voters(c, say_value(command, "--controller.quorum.voters"));
    snprintf(say_value(command, "--process.roles"), VALUE_MAX, "%s",
             votes ? "broker,controller" : "broker");
    char *listeners = say_value(command, "--listeners");
    int size = snprintf(listeners, VALUE_MAX, "CLIENTS://127.0.0.1:%u,BROKERS://127.0.0.1:%u",
                        (unsigned)node->port, (unsigned)node->broker_port);
    if (votes)
        snprintf(listeners + size, (size_t)(VALUE_MAX - size), ",CONTROLLERS://127.0.0.1:%u",
                 (unsigned)node->controller_port);
    snprintf(say_value(command, "--listener.security.protocol.map"), VALUE_MAX,
             "CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLERS:PLAINTEXT");
    snprintf(say_value(command, "--inter.broker.listener.name"), VALUE_MAX, "BROKERS");
    snprintf(say_value(command, "--controller.listener.names"), VALUE_MAX, "CONTROLLERS");
    snprintf(say_value(command, "--default.replication.factor"), VALUE_MAX, "%d",
             MIN(c->node_count, 3));
    snprintf(say_value(command, "--min.insync.replicas"), VALUE_MAX, "%d",
             c->node_count >= 3 ? 2 : 1);
    for (int i = 0; i < COUNT_OF(settings); i++)
        say(command, settings[i]);
}

static void compose(const struct dev_cluster *c, const struct dev_node *node,
                    struct command *command)
{
    *command = (struct command){.count = 0};
    say(command, "kiln");
    say(command, "broker");
    snprintf(say_value(command, "--data"), VALUE_MAX, "%s/node%d", c->dir, node->id);
    snprintf(say_value(command, "--node.id"), VALUE_MAX, "%d", node->id);
    if (c->node_count > 1)
        say_place(c, node, command);
    else
        snprintf(say_value(command, "--listen"), VALUE_MAX, "127.0.0.1:%u", (unsigned)node->port);
    for (int i = 0; i < c->key_count; i++) {
        say(command, c->keys[i].name);
        say(command, c->keys[i].value);
    }
    command->words[command->count] = NULL;
}

/* The child's way. It ends with us however we end, and a terminal's Ctrl-C is not for it. */
static _Noreturn void become(const struct dev_cluster *c, const struct command *command, int out,
                             pid_t parent)
{
    char faults[DEV_PATH_MAX + 16];
    snprintf(faults, sizeof faults, "%s/faults", c->dir);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setpgid(0, 0) != 0 ||
        dup2(out, STDERR_FILENO) < 0 || setenv("KILN_FAULTS", faults, 1) != 0)
        _exit(ENDED_BY_DEATH);
    execv("/proc/self/exe", (char *const *)command->words);
    _exit(ENDED_BY_DEATH);
}

static bool open_log(const struct dev_cluster *c, struct dev_node *node)
{
    char path[DEV_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/node%d.log", c->dir, node->id);
    if (node->log < 0)
        node->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (node->log < 0)
        cli_complain("%s: %s", path, strerror(errno));
    return node->log >= 0;
}

bool dev_node_start(struct dev_cluster *c, struct dev_node *node)
{
    struct command command;
    int ends[2];
    ASSERT(node->pid == 0);
    if (!open_log(c, node))
        return false;
    compose(c, node, &command);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        cli_complain("broker %d: %s", node->id, strerror(errno));
        return false;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(c, &command, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        cli_complain("broker %d: %s", node->id, strerror(errno));
        close(ends[0]);
        return false;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    node->pid = pid;
    node->said = ends[0];
    node->state = DEV_STARTING;
    node->paused = false;
    node->last[0] = 0;
    node->line_size = 0;
    return true;
}

/* ---- what they say ---- */

static bool tells(const char *line, const char *kind)
{
    size_t size = strlen(line), tail = strlen(kind);
    return size >= tail && strcmp(line + size - tail, kind) == 0;
}

static void hear(struct dev_cluster *c, struct dev_node *node, const char *line)
{
    dprintf(node->log, "%s\n", line);
    bool bad = strstr(line, ": error: ") != NULL || strstr(line, ": warning: ") != NULL;
    bool usage = strncmp(line, "kiln: ", 6) == 0 && !tells(line, "]");
    if (bad || usage)
        snprintf(node->last, sizeof node->last, "%s", line);
    if (c->verbose)
        fprintf(stderr, "%d %s\n", node->id, line);
    if (tells(line, "[READY]") && node->state == DEV_STARTING)
        node->state = DEV_READY;
}

void dev_node_listen(struct dev_cluster *c, struct dev_node *node)
{
    char bytes[DEV_LINE_MAX];
    for (;;) {
        ssize_t n = read(node->said, bytes, sizeof bytes);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close(node->said);
            node->said = -1;
        }
        if (n <= 0)
            return;
        for (ssize_t i = 0; i < n; i++) {
            bool full = node->line_size == sizeof node->line - 1;
            if (bytes[i] != '\n' && !full)
                node->line[node->line_size++] = bytes[i];
            if (bytes[i] != '\n' && !full)
                continue;
            node->line[node->line_size] = 0;
            node->line_size = 0;
            hear(c, node, node->line);
        }
    }
}

/* ---- ending ---- */

static void remove_pipes(const struct dev_cluster *c, const struct dev_node *node)
{
    static const char *const ends[] = {"in", "out"};
    char path[DEV_PATH_MAX + 32];
    for (int i = 0; i < COUNT_OF(ends); i++) {
        snprintf(path, sizeof path, "%s/faults-%d.%s", c->dir, (int)node->pid, ends[i]);
        unlink(path);
    }
}

void dev_node_ended(struct dev_cluster *c, struct dev_node *node, int status)
{
    bool wanted = node->state == DEV_STOPPING;
    if (node->said >= 0)
        dev_node_listen(c, node);
    if (node->said >= 0)
        close(node->said);
    node->said = -1;
    remove_pipes(c, node);
    node->pid = 0;
    node->state = wanted ? DEV_DOWN : DEV_DIED;
    if (wanted)
        return;
    const char *why = node->last[0] != 0 ? node->last : "see its log";
    if (WIFSIGNALED(status))
        cli_complain("broker %d was ended by SIG%s: %s", node->id, sigabbrev_np(WTERMSIG(status)),
                     why);
    else
        cli_complain("broker %d has ended with %d: %s", node->id, WEXITSTATUS(status), why);
}

void dev_node_end(struct dev_node *node, int signal)
{
    node->state = DEV_STOPPING;
    kill(node->pid, signal);
    if (node->paused)
        kill(node->pid, SIGCONT);
    node->paused = false;
}

void dev_nodes_end(struct dev_cluster *c, int signal)
{
    for (int i = 0; i < c->node_count; i++) {
        if (c->nodes[i].pid != 0)
            dev_node_end(&c->nodes[i], signal);
    }
}

const char *dev_state_name(const struct dev_node *node)
{
    static const char *const names[] = {[DEV_DOWN] = "down",
                                        [DEV_STARTING] = "starting",
                                        [DEV_READY] = "ready",
                                        [DEV_STOPPING] = "stopping",
                                        [DEV_DIED] = "died"};
    return node->paused ? "paused" : names[node->state];
}
