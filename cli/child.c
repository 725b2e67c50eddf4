/* child.c - runs in a process of its own, one after the other; results come back through a pipe. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cli/record.h"
#include "cli/watch.h"

static int64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool switch_bug_on(const char *name)
{
    const struct script_bug *bugs;
    int count = script_bugs(&bugs);
    for (int i = 0; i < count; i++) {
        if (strcmp(bugs[i].name, name) == 0) {
            *bugs[i].on = true;
            return true;
        }
    }
    return false;
}

static bool read_plan(const char *path, struct mem *mem, struct fault_plan *plan,
                      struct script_result *result)
{
    struct bytes text;
    struct errmsg msg = {{0}};
    fault_plan_init(plan, mem);
    plan->named = plan->names.open = true;
    enum err e = cli_read_input(path, CLI_INPUT_BYTES_MAX, &text, &msg);
    if (e != ERR_NONE) {
        snprintf(result->why, sizeof result->why, "the plan: %s", msg.text);
        return false;
    }
    e = fault_plan_parse(plan, text, &msg);
    cli_free(text);
    if (e != ERR_NONE)
        snprintf(result->why, sizeof result->why, "the plan %s: %s", path, msg.text);
    return e == ERR_NONE;
}

static char *print_plan(const struct fault_plan *plan, struct mem *mem)
{
    struct text text;
    text_init(&text, mem);
    fault_plan_print(plan, &text);
    text_add(&text, "", 1);
    char *copy = text.failed ? NULL : malloc(text.size);
    if (copy != NULL)
        memcpy(copy, text.data, text.size);
    text_free(&text);
    return copy;
}

/* What is in the directory already would be on the disks from the start. */
static bool make_fresh_dir(const char *path, char *why, size_t size)
{
    struct dirent **entries;
    int made = mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : errno;
    int count = made != 0 ? -1 : scandir(path, &entries, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
    if (count < 0)
        snprintf(why, size, "cannot make the directory %s: %s", path,
                 strerror(made != 0 ? made : errno));
    else if (count > 2)
        snprintf(why, size, "%s is not empty; give a fresh directory for the disks", path);
    return count == 2;
}

int campaign_can_write(const struct campaign_mode *mode)
{
    char why[CLI_PATH_MAX + 128];
    if (mode->trace_path != NULL) {
        bool was_there = access(mode->trace_path, F_OK) == 0;
        FILE *file = fopen(mode->trace_path, "ab");
        if (file == NULL)
            return cli_complain("cannot write the trace %s: %s", mode->trace_path, strerror(errno));
        fclose(file);
        if (!was_there)
            unlink(mode->trace_path);
    }
    if (mode->data_dir != NULL && !make_fresh_dir(mode->data_dir, why, sizeof why))
        return cli_complain("%s", why);
    return -1;
}

void campaign_run_here(const struct campaign_script *script, uint64_t seed,
                       const struct campaign_mode *mode, struct script_result *result,
                       char **plan_text)
{
    struct mem mem;
    struct fault_plan plan, fired;
    struct watch watch;
    struct recorder recorder;
    char own_dir[CLI_PATH_MAX];
    struct script_options options = {.seed = seed,
                                     .time_max_ns = mode->time_max_ns,
                                     .until_ns = mode->until_ns,
                                     .nodes = (enum script_nodes)mode->nodes,
                                     .memory = mode->memory};
    mem_system(&mem);
    *result = (struct script_result){.seed = seed, .verdict = SCRIPT_WRONG};
    fault_plan_init(&plan, &mem);
    fault_plan_init(&fired, &mem);
    if (mode->bug != NULL && !switch_bug_on(mode->bug)) {
        snprintf(result->why, sizeof result->why, "there is no known bug %s", mode->bug);
        return;
    }
    if (mode->plan_path != NULL) {
        if (!read_plan(mode->plan_path, &mem, &plan, result))
            return;
        options.plan = &plan;
        options.plan_only = true;
    }
    if (mode->data_dir != NULL && !make_fresh_dir(mode->data_dir, result->why, sizeof result->why))
        return;
    bool own = mode->files && mode->data_dir == NULL; /* one that was named stays */
    if (own && cli_temporary_dir(own_dir, "disks") != ERR_NONE) {
        snprintf(result->why, sizeof result->why, "cannot make a directory like %s", own_dir);
        return;
    }
    if (mode->files)
        options.disk_dir = own ? own_dir : mode->data_dir;
    recorder_start(&recorder, mode->record, mode->listen, &options);
    if (watch_open(&watch, &mem, mode, &options, result)) {
        script_run(&mem, script->path, script->source, &options, result, &fired);
        watch_close(&watch, result);
    }
    if (own)
        cli_remove_tree(own_dir);
    if (plan_text != NULL)
        *plan_text = print_plan(&fired, &mem);
    fault_plan_free(&plan);
    fault_plan_free(&fired);
}

/* What a child is to run next; the pointer is good in both, as the script was there before it. */
struct order {
    const struct campaign_script *script;
    uint64_t seed;
};

/* What it says of a run: this, and the text of what fired. */
struct answer {
    struct script_result result;
    size_t plan_size; /* bytes, with the 0 at its end; 0: none */
};

struct campaign_child {
    pid_t pid; /* 0: it has ended, and was waited for */
    int fd, orders_fd;
    int run_count;
    int64_t start_ns, wall_max_ns;
    bool once; /* it can do no other run: of files or threads there may be something left */
    char own_dir[CLI_PATH_MAX]; /* of its disks, which may outlive it; empty: none */
    struct record *record;      /* while it runs */
    char trace[CLI_PATH_MAX];   /* that it writes; empty: none */
    uint8_t *data;
    size_t size, cap;
};

static void write_all(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno != EINTR)
            return;
        p += MAX(n, 0);
        size -= (size_t)MAX(n, 0);
    }
}

static int64_t wall_max(int64_t given_ns)
{
    return given_ns > 0 ? given_ns : CAMPAIGN_WALL_NS;
}

void campaign_die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(CLI_CRASHED); /* it died before that was said */
}

/* An alarm needs nobody to watch, and strikes within a handler, too. */
void campaign_limit_wall(int64_t wall_max_ns)
{
    int64_t us = MAX(wall_max(wall_max_ns) / 1000, 1);
    struct itimerval once = {.it_value = {.tv_sec = us / 1000000, .tv_usec = us % 1000000}};
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    setitimer(ITIMER_REAL, &once, NULL);
}

static void run_one(int fd, const struct order *order, const struct campaign_mode *mode)
{
    struct answer *answer = calloc(1, sizeof *answer);
    char *plan = NULL;
    if (answer == NULL)
        _exit(CLI_CRASHED);
    campaign_limit_wall(mode->wall_max_ns);
    campaign_run_here(order->script, order->seed, mode, &answer->result, &plan);
    fflush(NULL);
    answer->plan_size = plan == NULL ? 0 : strlen(plan) + 1;
    write_all(fd, answer, sizeof *answer);
    write_all(fd, plan, answer->plan_size);
    free(plan);
    free(answer);
}

/* Orders are smaller than what a pipe gives as one. */
static bool take_order(int fd, struct order *order)
{
    ssize_t n;
    while ((n = read(fd, order, sizeof *order)) < 0 && errno == EINTR)
        continue;
    return n == sizeof *order;
}

static _Noreturn void be_child(int fd, int orders_fd, const struct order *first,
                               const struct campaign_mode *mode)
{
    struct order order = *first;
    if (mode->quiet && freopen("/dev/null", "w", stderr) == NULL)
        _exit(CLI_CRASHED);
    do {
        run_one(fd, &order, mode);
        alarm(0); /* while nobody asks for more */
    } while (take_order(orders_fd, &order));
    _exit(0);
}

static void close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static void free_child(struct campaign_child *c)
{
    close_both((const int[2]){c->fd, c->orders_fd});
    if (c->own_dir[0] != 0)
        cli_remove_tree(c->own_dir);
    record_free(c->record);
    free(c->data);
    free(c);
}

/* Its end is not the child's to clean up after: it may crash. */
static bool make_own_dir(struct campaign_child *c, struct campaign_mode *mode)
{
    if (!mode->files || mode->data_dir != NULL)
        return true;
    if (cli_temporary_dir(c->own_dir, "disks") != ERR_NONE) {
        cli_complain("cannot make a directory like %s; set TMPDIR", c->own_dir);
        c->own_dir[0] = 0;
        return false;
    }
    mode->data_dir = c->own_dir;
    return true;
}

static bool start_child(struct campaign_child *c, const struct order *order,
                        const struct campaign_mode *mode)
{
    int fds[2], orders[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    if (pipe2(orders, O_CLOEXEC) != 0) {
        close_both(fds);
        return false;
    }
    fflush(NULL);
    c->start_ns = wall_ns();
    pid_t parent = getpid();
    c->pid = fork();
    if (c->pid == 0) {
        campaign_die_with(parent);
        close(fds[0]);
        close(orders[1]);
        be_child(fds[1], orders[0], order, mode);
    }
    close(fds[1]);
    close(orders[0]);
    c->fd = fds[0];
    c->orders_fd = orders[1];
    c->run_count = 1;
    return c->pid > 0;
}

struct campaign_child *campaign_fork(const struct campaign_script *script, uint64_t seed,
                                     const struct campaign_mode *mode)
{
    struct campaign_mode own = *mode;
    struct order order = {script, seed};
    struct campaign_child *child = calloc(1, sizeof *child);
    if (child == NULL)
        return NULL;
    child->fd = child->orders_fd = -1;
    child->once = mode->files || mode->trace_path != NULL || mode->nodes != SCRIPT_INLINE;
    child->wall_max_ns = wall_max(mode->wall_max_ns);
    if (mode->trace_path != NULL)
        snprintf(child->trace, sizeof child->trace, "%s", mode->trace_path);
    own.record = child->record = record_new(); /* without memory for it, the run goes without */
    if (make_own_dir(child, &own) && start_child(child, &order, &own))
        return child;
    free_child(child);
    return NULL;
}

int campaign_child_fd(const struct campaign_child *child)
{
    return child->fd;
}

/* True: the pipe has ended. */
static bool read_some(struct campaign_child *c)
{
    if (c->cap - c->size < 65536) {
        uint8_t *grown = realloc(c->data, c->cap + 262144);
        if (grown == NULL)
            return true;
        c->data = grown;
        c->cap += 262144;
    }
    ssize_t n = read(c->fd, c->data + c->size, c->cap - c->size);
    if (n > 0)
        c->size += (size_t)n;
    return n == 0 || (n < 0 && errno != EINTR);
}

static void describe_end(const struct campaign_child *c, int status, char *what, size_t size)
{
    const char *panic = c->record == NULL ? "" : c->record->panic;
    if (!WIFSIGNALED(status))
        snprintf(what, size, "ended with status %d and said nothing", WEXITSTATUS(status));
    else if (WTERMSIG(status) == SIGALRM)
        snprintf(what, size,
                 "killed: it had not ended after %.3g s on the wall's clock; if it only is slow, "
                 "give it more with --wall",
                 (double)c->wall_max_ns / 1e9);
    else
        snprintf(what, size, "SIG%s%s%s", sigabbrev_np(WTERMSIG(status)), panic[0] == 0 ? "" : ": ",
                 panic);
}

/* What it had come to stands in the record. */
static void describe_crash(const struct campaign_child *c, int status,
                           struct campaign_outcome *outcome)
{
    const struct record *record = c->record;
    struct script_result *r = &outcome->result;
    struct script_finding *f = &r->findings[0];
    outcome->crashed = true;
    r->finding_count = 1;
    *f = (struct script_finding){
        .code = "CRASH", .name = "CRASH", .count = 1, .offset = -1, .node_id = CHECK_NO_NODE};
    describe_end(c, status, f->what, sizeof f->what);
    snprintf(r->why, sizeof r->why, "%s", f->what);
    if (record == NULL)
        return;
    f->time_ns = r->sim_ns = record->time_ns;
    r->hash = record->hash;
    r->events = record->events;
    r->faults = record->fault_count;
    outcome->plan = record_plan(record);
    if (c->trace[0] != 0 && !record_finish_trace(c->record, f, c->trace))
        cli_complain("the end of the trace %s could not be written: %s", c->trace, strerror(errno));
}

/* Of a node in a process of its own: the run is there to tell the rest. */
static void describe_node_crash(const struct campaign_child *c, struct campaign_outcome *outcome)
{
    const struct record *record = c->record;
    struct script_result *r = &outcome->result;
    struct script_finding *f = &r->findings[0];
    outcome->crashed = true;
    if (record == NULL)
        return;
    if (record->panic[0] != 0) {
        size_t size = strlen(f->what);
        snprintf(f->what + size, sizeof f->what - size, ": %s", record->panic);
        snprintf(r->why, sizeof r->why, "%s", f->what);
    }
    outcome->plan = record_plan(record); /* with what fired in the handler that did not end */
}

/* NULL: it has not said all of it. */
static const struct answer *answer_of(const struct campaign_child *c)
{
    const struct answer *answer = (const struct answer *)c->data;
    bool all = c->size >= sizeof *answer && c->size - sizeof *answer >= answer->plan_size;
    return all ? answer : NULL;
}

static void take_answer(const struct campaign_child *c, const struct answer *answer,
                        struct campaign_outcome *outcome)
{
    outcome->result = answer->result;
    if (outcome->result.verdict == SCRIPT_CRASHED)
        describe_node_crash(c, outcome);
    else if (answer->plan_size > 0)
        outcome->plan = strndup((const char *)(answer + 1), answer->plan_size);
}

static int wait_for_end(struct campaign_child *c)
{
    int status = 0;
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    c->pid = 0;
    return status;
}

bool campaign_child_read(struct campaign_child *c, struct campaign_outcome *outcome)
{
    bool ended = read_some(c);
    const struct answer *answer = answer_of(c);
    if (answer == NULL && !ended)
        return false;
    int status = answer == NULL ? wait_for_end(c) : 0;
    *outcome = (struct campaign_outcome){.wall_ns = wall_ns() - c->start_ns};
    if (answer == NULL)
        describe_crash(c, status, outcome);
    else
        take_answer(c, answer, outcome);
    outcome->record = c->record;
    c->record = NULL;
    return true;
}

/* A run may leave behind what nobody has counted. */
#define RUNS_MAX 100

bool campaign_child_again(struct campaign_child *c, const struct campaign_script *script,
                          uint64_t seed, struct campaign_outcome *outcome)
{
    struct order order = {script, seed};
    if (c->pid == 0 || c->once || c->run_count >= RUNS_MAX || outcome->record == NULL)
        return false;
    c->record = outcome->record;
    outcome->record = NULL;
    record_reset(c->record);
    c->size = 0;
    c->run_count++;
    c->start_ns = wall_ns();
    return write(c->orders_fd, &order, sizeof order) == sizeof order;
}

void campaign_child_end(struct campaign_child *c)
{
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        wait_for_end(c);
    }
    free_child(c);
}

void campaign_outcome_free(struct campaign_outcome *outcome)
{
    free(outcome->plan);
    record_free(outcome->record);
    outcome->plan = NULL;
    outcome->record = NULL;
}

void campaign_run_child(const struct campaign_script *script, uint64_t seed,
                        const struct campaign_mode *mode, struct campaign_outcome *outcome)
{
    struct campaign_child *child = campaign_fork(script, seed, mode);
    if (child == NULL) {
        *outcome = (struct campaign_outcome){.crashed = true, .result.why = "it did not start"};
        return;
    }
    while (!campaign_child_read(child, outcome))
        continue;
    campaign_child_end(child);
}

enum cli_exit campaign_exit(const struct campaign_outcome *outcome)
{
    if (outcome->crashed)
        return CLI_CRASHED;
    switch (outcome->result.verdict) {
    case SCRIPT_HELD:
        return CLI_OK;
    case SCRIPT_BROKEN:
        return CLI_BROKEN;
    case SCRIPT_INCONCLUSIVE:
        return CLI_INCONCLUSIVE;
    case SCRIPT_STUCK:
        return CLI_STUCK;
    case SCRIPT_WRONG:
        return CLI_USAGE;
    case SCRIPT_CRASHED:
        return CLI_CRASHED;
    }
    UNREACHABLE();
}

enum cli_exit campaign_graver(enum cli_exit a, enum cli_exit b)
{
    static const enum cli_exit order[] = {CLI_USAGE, CLI_CRASHED,      CLI_DIFFERED, CLI_BROKEN,
                                          CLI_STUCK, CLI_INCONCLUSIVE, CLI_NOTHING};
    for (int i = 0; i < COUNT_OF(order); i++) {
        if (a == order[i] || b == order[i])
            return order[i];
    }
    return CLI_OK;
}
