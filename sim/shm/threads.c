/* threads.c - each node as a thread with its name, which debuggers, profilers and ThreadSanitizer
 * tell apart. The world waits while a node has its turn, so nothing runs beside anything. */
#include <pthread.h>
#include "shm/inside.h"
#include "shm/turn.h"

#define THREAD_NAME_SIZE 16 /* the kernel's, with its zero */

struct threads {
    struct half_host host;
    struct mem *mem;
    int64_t guest_count;
    cpu_set_t cpus; /* where this thread was allowed to run */
};

enum call {
    CALL_BEGIN,
    CALL_RUN,
    CALL_END,
    CALL_QUIT,
};

struct thread {
    struct half_guest guest;
    struct threads *all;
    struct mem *mem;
    struct world_half *half;
    pthread_t thread;
    struct shm_turn turn;
    /* What it is to do, and what came of it; of whoever has the turn. */
    enum call call;
    uint32_t life;
    struct bytes args;
    struct env_disk disk;
    const struct half_event *event;
    struct half_state *state;
    enum err begun;
};

static struct thread *thread_of(struct half_guest *guest)
{
    return CONTAINER_OF(guest, struct thread, guest);
}

/* ---- in the node's thread ---- */

static void answer_call(struct thread *t)
{
    switch (t->call) {
    case CALL_BEGIN:
        t->begun = world_half_begin(t->half, t->life, t->args, t->disk);
        return;
    case CALL_RUN:
        world_half_run(t->half, t->event, t->state);
        return;
    case CALL_END:
        world_half_end(t->half);
        return;
    case CALL_QUIT:
        return;
    }
    UNREACHABLE();
}

static void *be_thread(void *argument)
{
    struct thread *t = argument;
    bool quits = false;
    while (!quits) {
        (void)shm_turn_await(&t->turn, SHM_NODE, 0);
        quits = t->call == CALL_QUIT;
        answer_call(t);
        shm_turn_give(&t->turn, SHM_WORLD);
    }
    return NULL;
}

/* ---- in the world's ---- */

static void call(struct thread *t, enum call what)
{
    t->call = what;
    shm_turn_give(&t->turn, SHM_NODE);
    (void)shm_turn_await(&t->turn, SHM_WORLD, 0);
}

static bool start_thread(struct thread *t, const char *node)
{
    char name[THREAD_NAME_SIZE] = {0};
    if (pthread_create(&t->thread, NULL, be_thread, t) != 0)
        return false;
    memcpy(name, node, MIN(strlen(node), sizeof name - 1));
    pthread_setname_np(t->thread, name);
    return true;
}

static enum err thread_new(struct half_host *host, struct half_guest **out,
                           const struct half_options *options)
{
    struct thread *t = mem_zalloc(options->mem, sizeof *t);
    if (t == NULL)
        return ERR_NOMEM;
    t->guest.impl = host->impl;
    t->all = CONTAINER_OF(host, struct threads, host);
    t->mem = options->mem;
    enum err e = world_half_new(&t->half, options);
    if (e == ERR_NONE && !start_thread(t, options->name)) {
        world_half_free(t->half);
        e = ERR_LIMIT;
    }
    if (e != ERR_NONE) {
        mem_free(options->mem, t);
        return e;
    }
    t->all->guest_count++;
    *out = &t->guest;
    return ERR_NONE;
}

static void thread_free(struct half_guest *guest)
{
    struct thread *t = thread_of(guest);
    call(t, CALL_QUIT);
    pthread_join(t->thread, NULL);
    world_half_free(t->half);
    t->all->guest_count--;
    mem_free(t->mem, t);
}

static void thread_set_program(struct half_guest *guest, const struct world_program *program)
{
    world_half_set_program(thread_of(guest)->half, program);
}

static enum err thread_begin(struct half_guest *guest, uint32_t life, struct bytes args,
                             struct env_disk disk)
{
    struct thread *t = thread_of(guest);
    t->life = life;
    t->args = args;
    t->disk = disk;
    call(t, CALL_BEGIN);
    return t->begun;
}

static void thread_end(struct half_guest *guest)
{
    call(thread_of(guest), CALL_END);
}

static enum half_fate thread_run(struct half_guest *guest, const struct half_event *event,
                                 struct half_state *state)
{
    struct thread *t = thread_of(guest);
    t->event = event;
    t->state = state;
    call(t, CALL_RUN);
    return HALF_RAN;
}

static void thread_refuse_at(struct half_guest *guest, uint32_t rate)
{
    world_half_refuse_at(thread_of(guest)->half, rate);
}

static void thread_refuse_no_more(struct half_guest *guest)
{
    world_half_refuse_no_more(thread_of(guest)->half);
}

static const uint32_t *thread_marks(const struct half_guest *guest)
{
    return world_half_marks(CONTAINER_OF(guest, struct thread, guest)->half);
}

/* ---- the host ---- */

static void threads_free(struct half_host *host)
{
    struct threads *all = CONTAINER_OF(host, struct threads, host);
    ASSERT(all->guest_count == 0);
    shm_unpin(&all->cpus);
    mem_free(all->mem, all);
}

enum err shm_threads_new(struct half_host **out, struct mem *mem)
{
    static const struct shm_impl impl = {
        .half =
            {
                .new = thread_new,
                .free = thread_free,
                .set_program = thread_set_program,
                .begin = thread_begin,
                .end = thread_end,
                .run = thread_run,
                .refuse_at = thread_refuse_at,
                .refuse_no_more = thread_refuse_no_more,
                .marks = thread_marks,
            },
        .free = threads_free,
    };
    struct threads *all = mem_zalloc(mem, sizeof *all);
    if (all == NULL)
        return ERR_NOMEM;
    *all = (struct threads){.host = {.impl = &impl.half}, .mem = mem};
    shm_pin(&all->cpus);
    *out = &all->host;
    return ERR_NONE;
}

void shm_free(struct half_host *host)
{
    if (host != NULL)
        CONTAINER_OF(host->impl, const struct shm_impl, half)->free(host);
}
