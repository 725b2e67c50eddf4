/* posix.c - the loop: it waits, samples the clocks, and delivers one event after the other. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "posix/internal.h"

#define NS_PER_S 1000000000ll
#define NS_PER_MS 1000000ll
/* A clock that tells milliseconds need not be read more often. */
#define WALL_SAMPLE_NS 100000ll

/* ---- time ---- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    int failed = clock_gettime(clock, &t);
    ASSERT(failed == 0);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Sets env_now; what ran since the last event began is that event's stall. */
static void sample_now(struct posix *p)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC) - p->started_ns + 1;
    ASSERT(now >= p->public.env.now_ns);
    if (p->in_event) {
        int64_t stall = now - p->public.env.now_ns;
        p->public.counters.stall_ns_max = MAX(p->public.counters.stall_ns_max, stall);
        p->in_event = false;
    }
    p->public.env.now_ns = now;
}

static struct env_timer *next_timer(struct posix *p)
{
    struct heap_node *min = heap_min(&p->timers);
    return min == NULL ? NULL : CONTAINER_OF(min, struct env_timer, node);
}

void posix_arm(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    struct posix *p = posix_of(env);
    if (timer->node.queued)
        heap_remove(&p->timers, &timer->node);
    timer->deadline_ns = deadline_ns;
    timer->sequence = ++p->timer_sequence;
    heap_insert(&p->timers, &timer->node);
}

void posix_disarm(struct env *env, struct env_timer *timer)
{
    if (timer->node.queued)
        heap_remove(&posix_of(env)->timers, &timer->node);
}

/* Real randomness: neither site nor key needs to steer it. */
static uint64_t draw(struct env *env, const char *site, uint64_t key)
{
    (void)site;
    (void)key;
    return rng_next(&posix_of(env)->rng);
}

/* ---- operations ---- */

static struct handle *find_stream_or_listener(struct posix *p, uint64_t name)
{
    struct handle *handle = posix_name_find(&p->names, name);
    ASSERT(handle != NULL);
    ASSERT(handle->kind != HANDLE_FILE);
    return handle;
}

static void close_submit(struct posix *p, struct env_op *op)
{
    struct handle *handle = find_stream_or_listener(p, op->handle);
    if (handle->kind == HANDLE_STREAM)
        posix_stream_close(p, CONTAINER_OF(handle, struct stream, handle), op);
    else
        posix_listener_close(p, CONTAINER_OF(handle, struct listener, handle), op);
}

static void close_settle(struct posix *p, struct env_op *op)
{
    struct handle *handle = find_stream_or_listener(p, op->handle);
    if (handle->kind == HANDLE_STREAM)
        posix_stream_close_settle(p, CONTAINER_OF(handle, struct stream, handle));
    else
        posix_listener_free(p, CONTAINER_OF(handle, struct listener, handle));
}

static void submit(struct env *env, struct env_op *op)
{
    struct posix *p = posix_of(env);
    switch ((enum env_verb)op->verb) {
    case ENV_CLOSE_FILE:
    case ENV_READ:
    case ENV_WRITE:
    case ENV_APPEND:
    case ENV_TRUNCATE:
    case ENV_SIZE:
    case ENV_SYNC:
        posix_file_submit(p, op);
        return;
    case ENV_OPEN:
    case ENV_SYNC_DIR:
    case ENV_RENAME:
    case ENV_UNLINK:
    case ENV_MAKE_DIR:
    case ENV_LIST:
    case ENV_SPACE:
    case ENV_OFFLOAD:
        posix_pool_submit(&p->pool, op);
        return;
    case ENV_LISTEN:
        posix_listen_submit(p, op);
        return;
    case ENV_ACCEPT:
        posix_accept_submit(p, op);
        return;
    case ENV_CONNECT:
        posix_connect_submit(p, op);
        return;
    case ENV_SEND:
        posix_send_submit(p, op);
        return;
    case ENV_RECEIVE:
        posix_receive_submit(p, op);
        return;
    case ENV_CLOSE:
        close_submit(p, op);
        return;
    case ENV_VERB_COUNT:
        break;
    }
    UNREACHABLE();
}

void posix_finish(struct posix *p, struct env_op *op, enum err e, uint64_t n)
{
    ASSERT(op->in_flight);
    op->door_err = e;
    op->door_done = n;
    list_push_back(&p->ready, &op->link);
}

void posix_fail(struct posix *p, struct env_op *op, int number)
{
    posix_finish(p, op, posix_errno((enum env_verb)op->verb, number), 0);
}

void posix_cancel(struct posix *p, struct env_op *op)
{
    list_remove(&op->link);
    posix_finish(p, op, ERR_CANCELLED, 0);
}

/* A thread has done its part; some verbs go on from there. */
static void blocked(struct posix *p, struct env_op *op)
{
    switch ((enum env_verb)op->verb) {
    case ENV_OPEN:
        posix_file_opened(p, op);
        return;
    case ENV_SEND:
        posix_send_blocked(p, op);
        return;
    case ENV_LISTEN:
    case ENV_CONNECT:
        posix_resolved(p, op);
        return;
    case ENV_APPEND:
        posix_file_appended(p, op);
        return;
    default:
        posix_finish(p, op, op->door_err, op->door_done);
        return;
    }
}

/* What the door keeps about an operation in flight is let go before its owner hears of the end. */
static void settle(struct posix *p, struct env_op *op)
{
    switch ((enum env_verb)op->verb) {
    case ENV_CLOSE_FILE:
    case ENV_READ:
    case ENV_WRITE:
    case ENV_APPEND:
    case ENV_TRUNCATE:
    case ENV_SIZE:
    case ENV_SYNC:
        posix_file_settle(p, op);
        return;
    case ENV_ACCEPT:
        posix_accept_settle(p, op);
        return;
    case ENV_SEND:
    case ENV_RECEIVE:
        posix_stream_settle(p, op);
        return;
    case ENV_CLOSE:
        close_settle(p, op);
        return;
    default:
        return;
    }
}

/* ---- the loop ---- */

static void event_begin(struct posix *p)
{
    int64_t now_ns = p->public.env.now_ns;
    if (now_ns - p->wall_sampled_ns >= WALL_SAMPLE_NS) {
        p->public.env.wall_ms = clock_ns(CLOCK_REALTIME) / NS_PER_MS;
        p->wall_sampled_ns = now_ns;
    }
    p->public.counters.event_count++;
    p->in_event = true;
}

static void event_end(struct posix *p)
{
    if (p->hook != NULL)
        p->hook->after_event(p->hook);
}

static void deliver(struct posix *p, struct env_op *op)
{
    event_begin(p);
    settle(p, op);
    op->in_flight = false;
    op->done(op, op->door_err, op->door_done);
    event_end(p);
}

static void fire(struct posix *p, struct env_timer *timer)
{
    event_begin(p);
    heap_remove(&p->timers, &timer->node);
    timer->fire(timer);
    event_end(p);
}

/* What this turn has armed, and is due at once: who yields (api_request_yield) lets the sockets
 * have their say, and who goes on with the next of many small requests need not, for a turn is what
 * their answers share a send in. So it waits for the next turn once this one has lasted a while. */
static bool may_fire(const struct posix *p, const struct env_timer *timer)
{
    return timer->sequence <= p->turn_sequence ||
           p->public.env.now_ns - p->turn_began_ns < POSIX_TURN_YOUNG_NS;
}

/* Delivers one event: timers that are due and completions take turns, so that neither starves. */
static bool step(struct posix *p)
{
    sample_now(p);
    struct env_timer *timer = next_timer(p);
    bool due = timer != NULL && timer->deadline_ns <= p->public.env.now_ns && may_fire(p, timer);
    if (due && (list_empty(&p->ready) || !p->timer_was_last)) {
        p->timer_was_last = true;
        fire(p, timer);
        return true;
    }
    p->timer_was_last = false;
    struct list *first = list_pop_front(&p->ready);
    if (first == NULL)
        return false;
    deliver(p, CONTAINER_OF(first, struct env_op, link));
    return true;
}

static int fire_signals(struct posix *p)
{
    struct signalfd_siginfo info;
    int count = 0;
    while (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        sample_now(p);
        event_begin(p);
        p->signals->fire(p->signals, (int)info.ssi_signo);
        event_end(p);
        count++;
    }
    return count;
}

static void dispatch(struct posix *p, const struct epoll_event *event)
{
    struct handle *handle = posix_name_find(&p->names, event->data.u64);
    if (handle == NULL)
        return; /* closed since epoll_wait returned */
    switch (handle->kind) {
    case HANDLE_STREAM:
        posix_stream_event(p, CONTAINER_OF(handle, struct stream, handle), event->events);
        return;
    case HANDLE_LISTENER:
        posix_listener_event(p, CONTAINER_OF(handle, struct listener, handle));
        return;
    case HANDLE_FILE:
        break;
    }
    UNREACHABLE();
}

/* How long the loop may sleep: 0 when there is work, -1 for ever. */
static int64_t sleep_limit(struct posix *p, int64_t wait_ns)
{
    if (!list_empty(&p->ready) || !list_empty(&p->again))
        return 0;
    struct env_timer *timer = next_timer(p);
    if (timer == NULL)
        return wait_ns;
    int64_t left = MAX(timer->deadline_ns - p->public.env.now_ns, 0);
    return wait_ns < 0 ? left : MIN(left, wait_ns);
}

static int wait_epoll(struct posix *p, struct epoll_event *events, int64_t limit_ns)
{
    if (limit_ns < 0)
        return epoll_wait(p->epoll_fd, events, EPOLL_EVENTS_MAX, -1);
    if (limit_ns == 0)
        return epoll_wait(p->epoll_fd, events, EPOLL_EVENTS_MAX, 0);
    struct timespec limit = {.tv_sec = limit_ns / NS_PER_S, .tv_nsec = limit_ns % NS_PER_S};
    int count = epoll_pwait2(p->epoll_fd, events, EPOLL_EVENTS_MAX, &limit, NULL);
    if (count >= 0 || errno == EINTR)
        return count;
    /* Kernels before 5.11 and some sandboxes know only milliseconds. */
    int64_t limit_ms = MIN((limit_ns + NS_PER_MS - 1) / NS_PER_MS, INT32_MAX);
    return epoll_wait(p->epoll_fd, events, EPOLL_EVENTS_MAX, (int)limit_ms);
}

bool posix_call(struct posix *p, struct env_op *op)
{
    struct doing *doing = p->doing;
    uint32_t disk = posix_op_disk(op);
    ASSERT(p->calling == NULL);
    p->calling = op;
    posix_doing_begin(doing, disk);
    uint64_t call = doing->count;
    posix_watch_wake(p);
    posix_block(&p->pool.place, op);
    if (!posix_doing_end(doing)) {
        /* Of the loop nothing may be touched any more, and of p only what everybody may. */
        atomic_fetch_sub(&p->watch.disks[disk].caught_count, 1);
        posix_doing_tell(p, doing, call);
        posix_pool_return(&p->pool, op);
        return false;
    }
    posix_doing_tell(p, doing, call);
    p->calling = NULL;
    blocked(p, op);
    return true;
}

/* The calls that events asked for, one behind the other. False: the loop was taken away. */
static bool make_calls(struct posix *p)
{
    struct list *l;
    p->call_bytes = 0;
    while ((l = list_pop_front(&p->calls)) != NULL) {
        if (!posix_file_call(p, CONTAINER_OF(l, struct env_op, link)))
            return false;
    }
    return true;
}

/* What this turn asked of the threads. While no stream and no listener is open, nobody is kept
 * waiting by the loop: a lone operation is then done at once, which is most of a broker's start.
 * False: the loop was taken away. */
static bool hand_over(struct posix *p)
{
    struct env_op *lone = p->socket_count == 0 ? posix_pool_lone(&p->pool) : NULL;
    if (lone != NULL && !posix_call(p, lone))
        return false;
    if (p->pool.asked_count > 0)
        posix_watch_wake(p);
    posix_pool_give(&p->pool);
    return true;
}

static void take_over(struct posix *p)
{
    struct list ops;
    list_init(&ops);
    posix_pool_take(&p->pool, &ops);
    LIST_EACH (op, &ops, struct env_op, link) {
        list_remove(&op->link);
        blocked(p, op);
    }
}

/* Sleeps when there is nothing to do, then turns what happened into completions. Returns the number
 * of events that it delivered itself: signals. */
static int gather(struct posix *p, int64_t wait_ns)
{
    struct epoll_event events[EPOLL_EVENTS_MAX];
    int64_t limit_ns = sleep_limit(p, wait_ns);
    if (limit_ns != 0 && !posix_pool_may_sleep(&p->pool))
        limit_ns = 0;
    int count = wait_epoll(p, events, limit_ns);
    posix_pool_woke(&p->pool);
    p->public.counters.turn_count++;
    sample_now(p);
    int delivered = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == NAME_SIGNALS)
            delivered += fire_signals(p);
        else if (events[i].data.u64 != NAME_WAKE)
            dispatch(p, &events[i]);
    }
    posix_stream_again(p);
    take_over(p);
    return delivered;
}

/* One turn, and how many events it delivered. False: the loop was taken away. */
static bool turn(struct posix *p, int64_t wait_ns, int *delivered)
{
    sample_now(p);
    if (!make_calls(p) || !hand_over(p))
        return false;
    *delivered = gather(p, wait_ns);
    if (!make_calls(p))
        return false;
    p->turn_sequence = p->timer_sequence;
    p->turn_began_ns = p->public.env.now_ns;
    while (*delivered < POSIX_TURN_EVENTS_MAX && !p->stopped) {
        bool stepped = step(p);
        *delivered += stepped;
        if (!stepped && list_empty(&p->calls))
            break;
        /* What many small requests append is written at once, when nothing else is left to do. */
        bool later = stepped && p->call_bytes < POSIX_CALL_BYTES_MAX;
        if (!later && !make_calls(p))
            return false;
    }
    sample_now(p);
    return hand_over(p);
}

int posix_poll(struct posix_env *env, int64_t wait_ns)
{
    struct posix *p = env->inside;
    int delivered = 0;
    ASSERT(!atomic_load(&p->watch.may_take));
    p->stopped = false;
    bool mine = turn(p, wait_ns, &delivered);
    ASSERT(mine); /* nobody may take a loop that its owner runs turn by turn */
    return delivered;
}

/* False: the loop was taken away. */
static bool run_turns(struct posix *p)
{
    int delivered;
    while (!p->stopped) {
        if (!turn(p, -1, &delivered))
            return false;
    }
    return true;
}

void posix_run(struct posix_env *env)
{
    struct posix *p = env->inside;
    p->stopped = false;
    atomic_store(&p->watch.may_take, true);
    if (!run_turns(p))
        posix_watch_await_loop(p);
    atomic_store(&p->watch.may_take, false);
}

void posix_loop_go_on(struct posix *p)
{
    ASSERT(p->calling != NULL);
    p->calling = NULL;
    p->pool.given_count++; /* the call that was the loop's comes back as the pool's do */
    p->public.counters.taken_count++;
    if (make_calls(p) && run_turns(p))
        posix_watch_loop_over(p);
}

void posix_set_slow(struct posix_env *env, int64_t ms)
{
    ASSERT(ms >= 1);
    ASSERT(ms <= POSIX_SLOW_MS_MAX);
    posix_watch_set_slow(env->inside, ms);
}

int64_t posix_slow_ns(const struct posix_env *env)
{
    return atomic_load(&env->inside->watch.slow_ns);
}

void posix_set_access(struct posix_env *env, enum posix_access access)
{
    static const mode_t bits[] = {
        [POSIX_ACCESS_OWNER] = 0, [POSIX_ACCESS_GROUP] = 040, [POSIX_ACCESS_ALL] = 044};
    struct pool *pool = &env->inside->pool;
    ASSERT((size_t)access < COUNT_OF(bits));
    ASSERT(pool->thread_count == 0); /* they read it */
    pool->place.file_mode = 0600 | bits[access];
    pool->place.dir_mode = 0700 | bits[access] | bits[access] >> 2;
}

void posix_stop(struct posix_env *env)
{
    env->inside->stopped = true;
}

/* ---- life ---- */

enum err posix_epoll_add(struct posix *p, int fd, uint32_t events, uint64_t name)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.u64 = name};
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return ERR_NONE;
    return errno == ENOMEM ? ERR_NOMEM : ERR_TOOMANY;
}

/* Both would end the process where the call that failed says enough. */
static void block_signals_of_calls(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    ASSERT(failed == 0);
}

/* Descriptors that the machine lets us have. */
static int32_t files_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return POSIX_HANDLES_MAX;
    return (int32_t)MIN(limit.rlim_cur, (rlim_t)POSIX_HANDLES_MAX);
}

static enum err open_root(struct posix *p, const char *root, struct errmsg *msg)
{
    p->root_fd = AT_FDCWD;
    if (root == NULL)
        return ERR_NONE;
    p->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->root_fd >= 0)
        return ERR_NONE;
    enum err e = posix_errno(ENV_OPEN, errno);
    return errmsg_set(msg, e, "cannot open the directory %s: %s", root, err_text(e));
}

static enum err start(struct posix *p, struct errmsg *msg)
{
    if (getrandom(&p->rng.state, sizeof p->rng.state, 0) != sizeof p->rng.state)
        return errmsg_set(msg, ERR_IO, "the machine gives no random numbers");
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0) {
        enum err e = posix_errno(ENV_OPEN, errno);
        return errmsg_set(msg, e, "cannot start the event loop: %s", err_text(e));
    }
    posix_watch_init(p);
    enum err e = posix_pool_init(&p->pool, p);
    if (e != ERR_NONE)
        return errmsg_set(msg, e, "cannot start the event loop: %s", err_text(e));
    return ERR_NONE;
}

enum err posix_new(struct posix_env **out, struct mem *mem, const char *root,
                   struct posix_hook *hook, struct errmsg *msg)
{
    static const struct env_door door = {
        .submit = submit, .arm = posix_arm, .disarm = posix_disarm, .random = draw};
    struct posix *p = mem_alloc(mem, sizeof *p);
    if (p == NULL)
        return errmsg_set(msg, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    memset(p, 0, offsetof(struct posix, scratch)); /* which takes memory only when it is used */
    p->public.env = (struct env){
        .door = &door, .disk = {.files_max = files_max(), .sector_size = DISK_SECTOR_SIZE}};
    p->public.inside = p;
    p->mem = mem;
    p->hook = hook;
    p->epoll_fd = p->signal_fd = p->pool.wake_fd = -1;
    p->names.free_first = -1;
    heap_init(&p->timers, env_timer_before);
    list_init(&p->ready);
    list_init(&p->again);
    list_init(&p->calls);
    list_init(&p->resolving);
    block_signals_of_calls();
    p->started_ns = clock_ns(CLOCK_MONOTONIC);
    sample_now(p);
    p->public.env.wall_ms = clock_ns(CLOCK_REALTIME) / NS_PER_MS;
    enum err e = open_root(p, root, msg);
    if (e == ERR_NONE)
        e = start(p, msg);
    if (e != ERR_NONE) {
        posix_free(&p->public);
        return e;
    }
    *out = &p->public;
    return ERR_NONE;
}

static void close_handle(struct posix *p, struct handle *handle)
{
    switch (handle->kind) {
    case HANDLE_FILE:
        posix_file_free(p, CONTAINER_OF(handle, struct file, handle));
        return;
    case HANDLE_STREAM:
        posix_stream_free(p, CONTAINER_OF(handle, struct stream, handle));
        return;
    case HANDLE_LISTENER:
        posix_listener_free(p, CONTAINER_OF(handle, struct listener, handle));
        return;
    }
    UNREACHABLE();
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void posix_free(struct posix_env *env)
{
    if (env == NULL)
        return;
    struct posix *p = env->inside;
    posix_watch_stop(p);
    posix_pool_free(&p->pool);
    posix_watch_free(p);
    for (int32_t i = 0; i < p->names.slot_count; i++)
        if (p->names.slots[i].handle != NULL)
            close_handle(p, p->names.slots[i].handle);
    posix_addresses_free(p);
    close_fd(p->root_fd);
    close_fd(p->epoll_fd);
    close_fd(p->signal_fd);
    mem_free(p->mem, p->names.slots);
    mem_free(p->mem, p);
}

/* A thread that was here before the door, as one that a preloaded library starts, has the signals
 * unblocked, and the kernel may choose it. It blocks the signal from now on and sends it again:
 * when nobody takes it any more, it waits for the loop. Calls nothing but what a handler may call.
 */
static void pass_on(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    int before = errno;
    (void)info;
    sigaddset(&interrupted->uc_sigmask, number);
    kill(getpid(), number);
    errno = before;
}

static void pass_on_from_other_threads(const sigset_t *set, const int *numbers, int count)
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_mask = *set;
    for (int i = 0; i < count; i++) {
        int failed = sigaction(numbers[i], &action, NULL);
        ASSERT(failed == 0);
    }
}

enum err posix_watch_signals(struct posix_env *env, struct posix_signals *signals,
                             const int *numbers, int count)
{
    struct posix *p = env->inside;
    ASSERT(p->signal_fd < 0);
    ASSERT(p->pool.thread_count == 0);
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++)
        sigaddset(&set, numbers[i]);
    p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (p->signal_fd < 0)
        return errno == ENOMEM ? ERR_NOMEM : ERR_TOOMANY;
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    ASSERT(failed == 0);
    pass_on_from_other_threads(&set, numbers, count);
    p->signals = signals;
    return posix_epoll_add(p, p->signal_fd, EPOLLIN, NAME_SIGNALS);
}
