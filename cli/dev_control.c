/* dev_control.c - how a running kiln dev is told to kill, stop, start, pause and resume its
 * brokers: a line over a socket in its directory, and a line back when it is so. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli/dev.h"

#define ANSWER_MAX 4096
#define ASK_MS 60000  /* the other end answers when a broker is up again */
#define FAULT_MS 5000 /* libfiu's own thread answers */

struct asker {
    int fd; /* -1: nobody */
    char line[DEV_LINE_MAX];
    size_t size;
    bool asked; /* and waits */
};

struct dev_control {
    struct dev_cluster *cluster;
    int fd;
    struct asker askers[DEV_ASKERS_MAX];
};

/* ---- where it is ---- */

/* The directory of this user's newest cluster, as a symbolic link. */
static void newest_path(char out[DEV_PATH_MAX])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, DEV_PATH_MAX, "%s/kiln-dev-%u", tmp == NULL || tmp[0] == 0 ? "/tmp" : tmp,
             (unsigned)getuid());
}

static bool points_to(const char *link, const char *dir)
{
    char to[DEV_PATH_MAX];
    ssize_t size = readlink(link, to, sizeof to - 1);
    to[MAX(size, 0)] = 0;
    return size > 0 && strcmp(to, dir) == 0;
}

static void be_newest(const struct dev_cluster *c)
{
    char link[DEV_PATH_MAX];
    newest_path(link);
    unlink(link);
    if (symlink(c->dir, link) != 0)
        cli_complain("%s: %s; name the cluster by --dir %s", link, strerror(errno), c->dir);
}

/* A socket's address is short, and a path may be long. */
static bool address_of(const char *dir, struct sockaddr_un *out, int *dir_fd)
{
    *dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (*dir_fd < 0)
        return false;
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/control", *dir_fd);
    return true;
}

/* ---- this end ---- */

static bool is_listened_at(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    if (fd >= 0)
        close(fd);
    return found;
}

static bool listen_at(struct dev_control *control, const char *dir)
{
    struct sockaddr_un at;
    int dir_fd;
    if (!address_of(dir, &at, &dir_fd))
        return false;
    bool lives = is_listened_at(&at);
    if (!lives)
        unlink(at.sun_path); /* of one that was killed */
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = control->fd >= 0 && bind(control->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
                chmod(at.sun_path, 0600) == 0 && listen(control->fd, DEV_ASKERS_MAX) == 0;
    int why = errno;
    close(dir_fd);
    errno = why;
    return good;
}

struct dev_control *dev_control_open(struct dev_cluster *c)
{
    struct dev_control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        cli_complain("out of memory");
        return NULL;
    }
    control->cluster = c;
    control->fd = -1;
    for (int i = 0; i < DEV_ASKERS_MAX; i++)
        control->askers[i].fd = -1;
    if (!listen_at(control, c->dir)) {
        if (errno == EADDRINUSE)
            cli_complain("another kiln dev runs in %s", c->dir);
        else
            cli_complain("%s/control: %s", c->dir, strerror(errno));
        if (control->fd >= 0)
            close(control->fd);
        free(control);
        return NULL;
    }
    be_newest(c);
    return control;
}

static void let_go(struct asker *a)
{
    close(a->fd);
    *a = (struct asker){.fd = -1};
}

void dev_control_close(struct dev_control *control)
{
    char path[DEV_PATH_MAX + 16];
    if (control == NULL)
        return;
    for (int i = 0; i < DEV_ASKERS_MAX; i++) {
        if (control->askers[i].fd >= 0)
            let_go(&control->askers[i]);
    }
    if (control->fd >= 0)
        close(control->fd);
    snprintf(path, sizeof path, "%s/control", control->cluster->dir);
    unlink(path);
    newest_path(path);
    if (points_to(path, control->cluster->dir))
        unlink(path);
    free(control);
}

int dev_control_wait(const struct dev_control *control, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = control->fd, .events = POLLIN};
    for (int i = 0; i < DEV_ASKERS_MAX; i++)
        fds[1 + i] = (struct pollfd){.fd = control->askers[i].fd, .events = POLLIN};
    return 1 + DEV_ASKERS_MAX;
}

static void answer(struct asker *a, const char *text)
{
    (void)!send(a->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    let_go(a);
}

static void refuse(struct asker *a, int id, const char *why)
{
    char line[DEV_LINE_MAX];
    snprintf(line, sizeof line, "error: broker %d %s\n", id, why);
    answer(a, line);
}

void dev_control_tell(struct dev_control *control, struct dev_node *node)
{
    if (node->asker < 0)
        return;
    struct asker *a = &control->askers[node->asker];
    node->asker = -1;
    if (!a->asked)
        return; /* who asked has gone */
    if (node->state == DEV_DIED)
        refuse(a, node->id, node->last[0] != 0 ? node->last : "has ended");
    else
        answer(a, "ok\n");
}

/* ---- the words ---- */

static void describe(const struct dev_cluster *c, struct asker *a)
{
    char text[ANSWER_MAX];
    size_t size = 0;
    for (int i = 0; i < c->node_count && size < sizeof text; i++) {
        const struct dev_node *node = &c->nodes[i];
        size += (size_t)snprintf(
            text + size, sizeof text - size, "%d %-8s 127.0.0.1:%u pid %d %s/node%d.log\n",
            node->id, dev_state_name(node), (unsigned)node->port, (int)node->pid, c->dir, node->id);
    }
    answer(a, text);
}

/* Answered when it is gone, or up. */
static void wait_for(struct dev_control *control, struct dev_node *node, struct asker *a)
{
    if (node->asker >= 0 && control->askers[node->asker].asked)
        refuse(&control->askers[node->asker], node->id, "was told something else meanwhile");
    node->asker = (int)(a - control->askers);
    a->asked = true;
}

static void end(struct dev_control *control, struct dev_node *node, struct asker *a, int signal)
{
    if (node->pid == 0) {
        refuse(a, node->id, "does not run");
        return;
    }
    dev_node_end(node, signal);
    wait_for(control, node, a);
}

static void start(struct dev_control *control, struct dev_node *node, struct asker *a)
{
    if (node->pid != 0)
        refuse(a, node->id, "runs already");
    else if (!dev_node_start(control->cluster, node))
        refuse(a, node->id, "could not be started");
    else
        wait_for(control, node, a);
}

static void pause_it(struct dev_node *node, struct asker *a, bool pause)
{
    if (node->pid == 0) {
        refuse(a, node->id, "does not run");
        return;
    }
    kill(node->pid, pause ? SIGSTOP : SIGCONT);
    node->paused = pause;
    answer(a, "ok\n");
}

static void obey(struct dev_control *control, struct asker *a)
{
    struct dev_cluster *c = control->cluster;
    char word[16];
    int id = 0;
    int fields = sscanf(a->line, "%15s %d", word, &id);
    struct dev_node *node = id >= 1 && id <= c->node_count ? &c->nodes[id - 1] : NULL;
    if (fields == 1 && strcmp(word, "status") == 0)
        describe(c, a);
    else if (fields < 2 || node == NULL)
        answer(a, "error: there is no such broker; kiln dev status shows them\n");
    else if (strcmp(word, "kill") == 0)
        end(control, node, a, SIGKILL);
    else if (strcmp(word, "stop") == 0)
        end(control, node, a, SIGTERM);
    else if (strcmp(word, "start") == 0)
        start(control, node, a);
    else if (strcmp(word, "pause") == 0)
        pause_it(node, a, true);
    else if (strcmp(word, "resume") == 0)
        pause_it(node, a, false);
    else
        answer(a, "error: this kiln dev does not know that word\n");
}

static void hear(struct dev_control *control, struct asker *a)
{
    ssize_t n = recv(a->fd, a->line + a->size, sizeof a->line - 1 - a->size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        let_go(a);
        return;
    }
    a->size += (size_t)n;
    char *end = memchr(a->line, '\n', a->size);
    if (end != NULL) {
        *end = 0;
        obey(control, a);
    } else if (a->size == sizeof a->line - 1) {
        let_go(a);
    }
}

static void welcome(struct dev_control *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < DEV_ASKERS_MAX; i++) {
        if (control->askers[i].fd < 0) {
            control->askers[i] = (struct asker){.fd = fd};
            return;
        }
    }
    close(fd);
}

void dev_control_go_on(struct dev_control *control, const struct pollfd *fds, int count)
{
    for (int i = 1; i < count; i++) {
        struct asker *a = &control->askers[i - 1];
        if (fds[i].revents != 0 && a->fd == fds[i].fd)
            hear(control, a);
    }
    if (fds[0].revents != 0)
        welcome(control);
}

/* ---- the other end ---- */

static int call(const char *dir)
{
    struct sockaddr_un at;
    char newest[DEV_PATH_MAX];
    struct stat status;
    int dir_fd;
    newest_path(newest);
    if (dir == NULL && (lstat(newest, &status) != 0 || status.st_uid != getuid()))
        return cli_complain("no kiln dev runs; start one with kiln dev, or name its --dir"), -1;
    if (dir == NULL)
        dir = newest;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && address_of(dir, &at, &dir_fd);
    if (good) {
        good = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
        close(dir_fd);
    }
    if (good)
        return fd;
    cli_complain("no kiln dev runs in %s", dir);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* False: told. out ends with a zero. */
static bool ask(const char *dir, const char *line, char out[ANSWER_MAX])
{
    int fd = call(dir);
    if (fd < 0)
        return false;
    size_t size = 0;
    bool good = dprintf(fd, "%s\n", line) > 0;
    struct pollfd in = {.fd = fd, .events = POLLIN};
    while (good && size < ANSWER_MAX - 1) {
        ssize_t n = poll(&in, 1, ASK_MS) == 1 ? read(fd, out + size, ANSWER_MAX - 1 - size) : -1;
        good = n >= 0;
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    close(fd);
    out[size] = 0;
    if (size == 0)
        cli_complain("kiln dev has not answered");
    return size > 0;
}

int dev_control_ask(const char *dir, const char *line)
{
    char text[ANSWER_MAX];
    if (!ask(dir, line, text))
        return EXIT_FAILURE;
    if (strncmp(text, "error: ", 7) == 0) {
        text[strcspn(text, "\n")] = 0;
        return cli_complain("%s", text + 7), EXIT_FAILURE;
    }
    if (strcmp(text, "ok\n") != 0)
        fputs(text, stdout);
    return EXIT_SUCCESS;
}

/* ---- faults ---- */

/* Of `N state address pid P DIR/nodeN.log`. False: it does not run. */
static bool find_process(const char *text, int node, int *pid, char dir[DEV_PATH_MAX])
{
    for (const char *line = text; line != NULL && *line != 0;) {
        int id = 0;
        char path[DEV_PATH_MAX];
        if (sscanf(line, "%d %*s %*s pid %d %399[^\n]", &id, pid, path) == 3 && id == node) {
            char *slash = strrchr(path, '/');
            if (slash == NULL || *pid == 0)
                return false;
            *slash = 0;
            snprintf(dir, DEV_PATH_MAX, "%s", path);
            return true;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return false;
}

/* libfiu's remote control: a line into one pipe, a number out of the other. */
static bool tell_libfiu(const char *dir, int pid, const char *line)
{
    char path[DEV_PATH_MAX + 32], reply[64] = "";
    snprintf(path, sizeof path, "%s/faults-%d.in", dir, pid);
    int in = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (in < 0)
        return false;
    snprintf(path, sizeof path, "%s/faults-%d.out", dir, pid);
    struct pollfd out = {.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN};
    bool good = out.fd >= 0 && dprintf(in, "%s\n", line) > 0 && poll(&out, 1, FAULT_MS) == 1 &&
                read(out.fd, reply, sizeof reply - 1) > 0;
    close(in);
    if (out.fd >= 0)
        close(out.fd);
    return good && atoi(reply) == 0 && reply[0] != '-';
}

int dev_control_fault(const char *dir, int node, const char *point, const char *how)
{
    char text[ANSWER_MAX], line[DEV_LINE_MAX], at[DEV_PATH_MAX];
    int pid = 0;
    bool off = strcmp(how, "off") == 0;
    if (!ask(dir, "status", text))
        return EXIT_FAILURE;
    if (!find_process(text, node, &pid, at))
        return cli_complain("broker %d does not run", node), EXIT_FAILURE;
    snprintf(line, sizeof line, off ? "disable name=%s" : "enable name=%s%s", point,
             strcmp(how, "once") == 0 ? ",onetime" : "");
    if (!tell_libfiu(at, pid, line))
        return cli_complain("broker %d does not take faults: %s", node, line), EXIT_FAILURE;
    return EXIT_SUCCESS;
}
