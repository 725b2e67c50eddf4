/* processes.c - each life of a node as a process: forked from the world's when it begins, and ended
 * by a signal that nobody can refuse. It shares one stretch of memory with the world, and nothing
 * else: files, streams and disks stay here. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shm/area.h"
#include "shm/inside.h"

#define LOOK_MS 20 /* between two looks at whether a process that keeps us waiting still lives */
#define STATUS_BYTES 4096

struct processes {
    struct half_host host;
    struct mem *mem;
    struct shm_area area;
    int64_t handler_ms_max;
    int64_t guest_count;
    cpu_set_t cpus; /* where this process was allowed to run */
};

struct process {
    struct half_guest guest;
    struct processes *all;
    struct half_options options;
    char name[WORLD_NAME_MAX];
    pid_t pid; /* 0: no life */
    int pidfd;
    enum err unborn; /* why there is no process, although a life has begun */
    struct half_lasting lasting;
    uint32_t refuse_rate;
    bool refuse_no_more;
};

static struct process *process_of(struct half_guest *guest)
{
    return CONTAINER_OF(guest, struct process, guest);
}

/* ---- in the node's process ---- */

/* Nothing of what the world's process had open is this one's, and it does not outlive it. */
static void leave_the_world(const struct process *p, pid_t world)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != world)
        _exit(1);
    prctl(PR_SET_NAME, p->name);
    syscall(SYS_close_range, 3, ~0u, 0);
}

static void serve_turn(struct process *p, struct world_half *half)
{
    struct shm_head *head = p->all->area.head;
    if (head->refuse_no_more)
        world_half_refuse_no_more(half);
    else if (head->refuse_rate != p->refuse_rate)
        world_half_refuse_at(half, head->refuse_rate);
    p->refuse_rate = head->refuse_rate;
    world_half_run(half, &head->event, &head->state);
    shm_area_put_answer(&p->all->area, p->options.log);
    world_half_lasting(half, &head->lasting);
}

static enum err be_born(struct process *p, struct world_half **half, uint32_t life,
                        struct bytes args, struct env_disk disk)
{
    enum err e = world_half_new(half, &p->options);
    if (e != ERR_NONE)
        return e;
    world_half_recall(*half, &p->lasting);
    if (p->refuse_no_more)
        world_half_refuse_no_more(*half);
    else if (p->refuse_rate != 0)
        world_half_refuse_at(*half, p->refuse_rate);
    return world_half_begin(*half, life, args, disk);
}

static _Noreturn void be_node(struct process *p, uint32_t life, struct bytes args,
                              struct env_disk disk)
{
    struct shm_area *area = &p->all->area;
    struct shm_turn *turn = &area->head->turns[p->options.node];
    struct world_half *half;
    struct half_log log = {
        .mem = p->options.mem, .data = area->log, .cap = SHM_LOG_BYTES_MAX, .fixed = true};
    p->options.log = &log;
    p->options.rows = area->head->rows;
    enum err born = be_born(p, &half, life, args, disk);
    for (;;) {
        (void)shm_turn_await(turn, SHM_NODE, 0);
        area->head->begun = born;
        if (born == ERR_NONE)
            serve_turn(p, half);
        shm_turn_give(turn, SHM_WORLD);
    }
}

/* ---- lives, in the world's ---- */

static enum err process_new(struct half_host *host, struct half_guest **out,
                            const struct half_options *options)
{
    struct processes *all = CONTAINER_OF(host, struct processes, host);
    struct process *p = mem_zalloc(options->mem, sizeof *p);
    if (p == NULL)
        return ERR_NOMEM;
    ASSERT(strlen(options->name) < sizeof p->name);
    *p = (struct process){.guest = {.impl = host->impl}, .all = all, .options = *options};
    memcpy(p->name, options->name, strlen(options->name));
    p->options.name = p->name;
    if (!options->log->fixed)
        *options->log = (struct half_log){.mem = options->log->mem,
                                          .data = all->area.log,
                                          .cap = SHM_LOG_BYTES_MAX,
                                          .fixed = true};
    all->guest_count++;
    *out = &p->guest;
    return ERR_NONE;
}

/* How it ended; it is gone. */
static int reap(struct process *p)
{
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(p->pidfd);
    p->pid = 0;
    return status;
}

static void process_end(struct half_guest *guest)
{
    struct process *p = process_of(guest);
    if (p->pid == 0)
        return;
    kill(p->pid, SIGKILL);
    (void)reap(p);
}

static void process_free(struct half_guest *guest)
{
    struct process *p = process_of(guest);
    process_end(guest);
    p->all->guest_count--;
    mem_free(p->options.mem, p);
}

static void process_set_program(struct half_guest *guest, const struct world_program *program)
{
    process_of(guest)->options.program = program;
}

/* The node has the next turn, so what it writes into the area as it is born is in nobody's way.
 * Without a process the life begins all the same: its first handler tells. */
static enum err process_begin(struct half_guest *guest, uint32_t life, struct bytes args,
                              struct env_disk disk)
{
    struct process *p = process_of(guest);
    pid_t world = getpid();
    ASSERT(p->pid == 0);
    atomic_store(&p->all->area.head->turns[p->options.node].whose, SHM_WORLD);
    pid_t pid = fork();
    if (pid == 0) {
        leave_the_world(p, world);
        be_node(p, life, args, disk);
    }
    p->unborn = pid < 0 ? ERR_LIMIT : ERR_NONE;
    p->pid = MAX(pid, 0);
    p->pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    return ERR_NONE;
}

/* ---- handlers ---- */

static enum half_fate tell_end(struct process *p, int status)
{
    struct errmsg *why = &p->guest.why;
    if (WIFSIGNALED(status))
        (void)errmsg_set(why, ERR_IO, "SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        (void)errmsg_set(why, ERR_IO, "its process ended with status %d; why stands on stderr",
                         WEXITSTATUS(status));
    return HALF_BROKE;
}

/* Whoever looks at a process in a debugger may take his time. */
static bool is_traced(pid_t pid)
{
    char path[64], text[STATUS_BYTES];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    size_t size = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL)
        fclose(file);
    text[size] = 0;
    const char *tracer = strstr(text, "TracerPid:\t");
    return tracer != NULL && tracer[strlen("TracerPid:\t")] != '0';
}

static bool has_died(const struct process *p)
{
    siginfo_t info = {0};
    return waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* A handler that never returns, and one that is dead, are found by looking now and then: nothing is
 * paid for it while answers come at once. */
static enum half_fate await_answer(struct process *p, struct shm_turn *turn)
{
    int64_t waited_ms = 0;
    while (!shm_turn_await(turn, SHM_WORLD, LOOK_MS)) {
        waited_ms += LOOK_MS;
        if (has_died(p))
            return tell_end(p, reap(p));
        if (waited_ms < p->all->handler_ms_max)
            continue;
        waited_ms = 0;
        if (is_traced(p->pid))
            continue;
        kill(p->pid, SIGKILL);
        (void)reap(p);
        (void)errmsg_set(&p->guest.why, ERR_TIMEOUT, "its handler had not returned after %.3g s",
                         (double)p->all->handler_ms_max / 1e3);
        return HALF_BROKE;
    }
    return HALF_RAN;
}

static enum half_fate lack(struct process *p, enum err e)
{
    (void)errmsg_set(&p->guest.why, e, "no process for %s: %s", p->name, err_text(e));
    return HALF_LACKED;
}

static enum half_fate process_run(struct half_guest *guest, const struct half_event *event,
                                  struct half_state *state)
{
    struct process *p = process_of(guest);
    struct shm_area *area = &p->all->area;
    struct shm_turn *turn = &area->head->turns[p->options.node];
    if (p->pid == 0)
        return lack(p, p->unborn);
    shm_area_put_event(area, event);
    area->head->refuse_rate = p->refuse_rate;
    area->head->refuse_no_more = p->refuse_no_more;
    shm_turn_give(turn, SHM_NODE);
    enum half_fate fate = await_answer(p, turn);
    if (fate == HALF_BROKE)
        shm_area_take_rows(area, p->options.rows);
    if (fate != HALF_RAN)
        return fate;
    if (area->head->begun != ERR_NONE)
        return lack(p, area->head->begun);
    const char *why = shm_area_take_answer(area, p->options.log, p->options.rows, state);
    p->lasting = area->head->lasting;
    if (why == NULL)
        return HALF_RAN;
    shm_area_take_rows(area, p->options.rows);
    (void)errmsg_set(&p->guest.why, ERR_CORRUPT, "%s", why);
    return HALF_BROKE;
}

/* ---- refused allocations and marks ---- */

static void process_refuse_at(struct half_guest *guest, uint32_t rate)
{
    process_of(guest)->refuse_rate = rate;
}

static void process_refuse_no_more(struct half_guest *guest)
{
    process_of(guest)->refuse_no_more = true;
    process_of(guest)->refuse_rate = 0;
}

static const uint32_t *process_marks(const struct half_guest *guest)
{
    return CONTAINER_OF(guest, struct process, guest)->lasting.mark_count;
}

/* ---- the host ---- */

static void processes_free(struct half_host *host)
{
    struct processes *all = CONTAINER_OF(host, struct processes, host);
    ASSERT(all->guest_count == 0);
    shm_unpin(&all->cpus);
    shm_area_free(&all->area);
    mem_free(all->mem, all);
}

enum err shm_processes_new(struct half_host **out, struct mem *mem, int64_t handler_ms_max)
{
    static const struct shm_impl impl = {
        .half =
            {
                .distrusted = true,
                .new = process_new,
                .free = process_free,
                .set_program = process_set_program,
                .begin = process_begin,
                .end = process_end,
                .run = process_run,
                .refuse_at = process_refuse_at,
                .refuse_no_more = process_refuse_no_more,
                .marks = process_marks,
            },
        .free = processes_free,
    };
    struct processes *all = mem_zalloc(mem, sizeof *all);
    if (all == NULL)
        return ERR_NOMEM;
    all->host.impl = &impl.half;
    all->mem = mem;
    all->handler_ms_max = handler_ms_max == 0 ? SHM_HANDLER_MS_MAX : handler_ms_max;
    enum err e = shm_area_new(&all->area);
    if (e != ERR_NONE) {
        mem_free(mem, all);
        return e;
    }
    shm_pin(&all->cpus);
    *out = &all->host;
    return ERR_NONE;
}
