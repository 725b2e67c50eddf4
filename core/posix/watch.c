/* watch.c - a thread that looks at the others: which disk keeps a call waiting, and whether the
 * loop itself is caught in one. It goes on with the loop then, in place of the thread that is
 * caught. It touches nothing of the loop's but atomics before the loop is its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "posix/internal.h"

/* A call that begins right behind a look is looked at slow_ms later, and knows when it began: so
 * looks are slow_ms apart, and none comes too late. While something is slow they are so many times
 * as frequent, to see it end. */
#define SLOW_LOOKS 2
/* Looks without anything to see after which the thread sleeps until it is woken. */
#define IDLE_LOOKS_MAX 4
/* Looks between two at the kernel's memory. */
#define DIRTY_LOOKS 5
/* Dirty bytes are near the point from which a writer may have to wait at this share of it. */
#define DIRTY_NEAR_PERCENT 80
#define VMSTAT_SIZE (16u << 10)

static void lock(struct watch *w)
{
    int failed = pthread_mutex_lock(&w->lock);
    ASSERT(failed == 0);
}

static void unlock(struct watch *w)
{
    int failed = pthread_mutex_unlock(&w->lock);
    ASSERT(failed == 0);
}

/* ---- calls that a thread makes ---- */

static int64_t machine_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void posix_doing_begin(struct doing *doing, uint32_t disk)
{
    atomic_store_explicit(&doing->disk, disk, memory_order_relaxed);
    atomic_store_explicit(&doing->began_ns, machine_ns(), memory_order_relaxed);
    doing->count++;
    ASSERT(doing->count != DOING_TAKEN);
    /* In one order with watch.sleeps: either the watch sees this, or this thread sees it sleep. */
    atomic_exchange(&doing->call, doing->count);
}

bool posix_doing_end(struct doing *doing)
{
    return atomic_exchange(&doing->call, 0) != DOING_TAKEN;
}

/* Else the disk would be taken for slow until the next look. */
void posix_doing_tell(struct posix *p, const struct doing *doing, uint64_t call)
{
    struct watch *w = &p->watch;
    if (atomic_load_explicit(&doing->slow, memory_order_relaxed) != call)
        return;
    lock(w);
    pthread_cond_signal(&w->wake);
    unlock(w);
}

/* ---- disks ---- */

uint32_t posix_disk_of(struct posix *p, dev_t dev)
{
    struct watch *w = &p->watch;
    for (uint32_t i = DISK_ANY + 1; i < w->disk_count; i++) {
        if (w->disks[i].dev == dev)
            return i;
    }
    if (w->disk_count == DISKS_MAX)
        return DISK_ANY;
    w->disks[w->disk_count].dev = dev;
    return w->disk_count++;
}

bool posix_disk_slow(const struct posix *p, uint32_t disk)
{
    const struct watch *w = &p->watch;
    bool any = atomic_load_explicit(&w->disks[DISK_ANY].slow, memory_order_relaxed);
    return any || atomic_load_explicit(&w->disks[disk].slow, memory_order_relaxed);
}

void posix_pretend_slow(struct posix_env *env, bool slow)
{
    struct watch *w = &env->inside->watch;
    atomic_store(&w->pretended, slow);
    atomic_store(&w->disks[DISK_ANY].slow, slow);
}

/* ---- dirty memory ---- */

static bool find_number(const char *text, const char *name, uint64_t *out)
{
    size_t size = strlen(name);
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + size, name)) {
        bool whole = (at == text || at[-1] == '\n') && at[size] == ' ';
        if (whole) {
            *out = strtoull(at + size, NULL, 10);
            return true;
        }
    }
    return false;
}

/* Half way between the two limits the kernel begins to make writers wait (balance_dirty_pages, and
 * /proc/sys/vm/dirty_ratio and dirty_background_ratio, which it tells here in pages). */
bool posix_dirty_near(const char *vmstat)
{
    uint64_t dirty, writeback, limit, background;
    bool known = find_number(vmstat, "nr_dirty", &dirty) &&
                 find_number(vmstat, "nr_writeback", &writeback) &&
                 find_number(vmstat, "nr_dirty_threshold", &limit) &&
                 find_number(vmstat, "nr_dirty_background_threshold", &background);
    uint64_t waits_at = known ? (limit + background) / 2 : 0;
    return waits_at > 0 && (dirty + writeback) * 100 >= waits_at * DIRTY_NEAR_PERCENT;
}

static bool look_at_memory(struct watch *w)
{
    char text[VMSTAT_SIZE];
    if (w->vmstat_fd < 0)
        return false;
    ssize_t n = pread(w->vmstat_fd, text, sizeof text - 1, 0);
    text[MAX(n, 0)] = 0;
    return posix_dirty_near(text);
}

/* ---- looking ---- */

/* True when the call has been under way for slow_ms. A call that begins meanwhile is younger than
 * the one that was seen. */
static bool look(struct watch *w, const struct doing *doing, uint64_t *seen, int64_t now_ns)
{
    uint64_t call = atomic_load(&doing->call);
    w->moved |= call != 0 || call != *seen;
    *seen = call;
    if (call == 0)
        return false;
    int64_t began_ns = atomic_load_explicit(&doing->began_ns, memory_order_relaxed);
    int64_t due_ns = began_ns + atomic_load(&w->call_slow_ns);
    if (due_ns > now_ns)
        w->next_ns = MIN(w->next_ns, due_ns);
    return due_ns <= now_ns;
}

static void mark(struct watch *w, struct doing *doing, uint64_t call, bool *slow)
{
    uint32_t disk = atomic_load_explicit(&doing->disk, memory_order_relaxed);
    ASSERT(disk < DISKS_MAX);
    w->slow_seen = true;
    slow[disk] = true;
    atomic_store_explicit(&doing->slow, call, memory_order_relaxed);
}

/* How long something has been slow without a break, for those who tell people. */
static void keep_time(struct watch *w, int64_t now_ns)
{
    if (!w->slow_seen)
        w->slow_began_ns = 0;
    else if (w->slow_began_ns == 0)
        w->slow_began_ns = now_ns;
    int64_t slow_ns = w->slow_seen ? now_ns - w->slow_began_ns + 1 : 0;
    atomic_store_explicit(&w->slow_ns, slow_ns, memory_order_relaxed);
}

static void look_at_disks(struct watch *w, const bool *slow)
{
    for (int i = 0; i < DISKS_MAX; i++) {
        bool stuck = atomic_load(&w->disks[i].caught_count) > 0;
        w->moved |= stuck;
        w->slow_seen |= stuck;
        atomic_store_explicit(&w->disks[i].slow, slow[i] || stuck, memory_order_relaxed);
    }
}

/* One look at everything, and when the next one is due. True: the loop is caught. */
static bool look_around(struct posix *p, int64_t now_ns)
{
    struct watch *w = &p->watch;
    bool slow[DISKS_MAX] = {false};
    int64_t slow_ns = atomic_load(&w->call_slow_ns);
    w->moved = w->slow_seen = false;
    w->next_ns = now_ns + slow_ns;
    bool caught = look(w, p->doing, &w->loop_seen, now_ns);
    if (caught)
        mark(w, p->doing, w->loop_seen, slow);
    for (int i = 0; i < POSIX_THREADS_MAX; i++) {
        struct doing *doing = &p->pool.threads[i].doing;
        if (look(w, doing, &w->seen[i], now_ns))
            mark(w, doing, w->seen[i], slow);
    }
    if (w->looks++ % DIRTY_LOOKS == 0)
        w->dirty_near = look_at_memory(w);
    slow[DISK_ANY] |= w->dirty_near || atomic_load_explicit(&w->pretended, memory_order_relaxed);
    look_at_disks(w, slow);
    bool waits = posix_pool_look(&p->pool);
    w->moved |= waits;
    if (w->slow_seen || waits)
        w->next_ns = MIN(w->next_ns, now_ns + slow_ns / SLOW_LOOKS);
    keep_time(w, now_ns);
    return caught;
}

/* ---- the thread ---- */

static void *run_watch(void *argument);

static void sleep_a_while(struct watch *w)
{
    struct timespec until = {.tv_sec = w->next_ns / 1000000000, .tv_nsec = w->next_ns % 1000000000};
    pthread_cond_timedwait(&w->wake, &w->lock, &until);
}

/* Sleeps without an end once nothing has moved for a while: an idle broker wakes nobody. */
static void rest(struct posix *p)
{
    struct watch *w = &p->watch;
    atomic_exchange(&w->sleeps, true);
    look_around(p, machine_ns());
    while (atomic_load(&w->sleeps) && !w->moved && !w->stopping)
        pthread_cond_wait(&w->wake, &w->lock);
    atomic_store(&w->sleeps, false);
}

/* Locked. The next thread to watch: one that rests, or a new one. Without one, nothing is ever
 * found to be slow any more. */
static void appoint(struct posix *p)
{
    struct watch *w = &p->watch;
    w->watching = false;
    if (w->spare_count > 0) {
        pthread_cond_signal(&w->spare);
        return;
    }
    if (w->thread_count == WATCH_THREADS_MAX)
        return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* as in the pool: signals are the loop's */
    int failed = pthread_create(&w->threads[w->thread_count], NULL, run_watch, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->thread_count += failed == 0;
}

/* The one of a thread that is caught is its own until its call comes back. */
static struct doing *free_doing(struct posix *p)
{
    for (int i = 0; i < COUNT_OF(p->loop_doings); i++) {
        struct doing *doing = &p->loop_doings[i];
        if (doing != p->doing && atomic_load(&doing->call) == 0)
            return doing;
    }
    return NULL;
}

/* Locked. The loop's thread is caught in a call; this one goes on with the loop, and the call
 * becomes the caught thread's own, as if that were one of the pool's. */
static bool take_loop(struct posix *p)
{
    struct watch *w = &p->watch;
    uint64_t call = w->loop_seen;
    if (!atomic_load(&w->may_take))
        return false;
    struct doing *own = free_doing(p);
    uint32_t disk = atomic_load_explicit(&p->doing->disk, memory_order_relaxed);
    if (own == NULL || !atomic_compare_exchange_strong(&p->doing->call, &call, DOING_TAKEN))
        return false; /* it has just ended */
    atomic_fetch_add(&w->disks[disk].caught_count, 1);
    p->doing = own;
    w->loop_seen = 0;
    return true;
}

/* Locked. Looks until the loop has to be taken (true), or the door is freed. */
static bool watch(struct posix *p)
{
    struct watch *w = &p->watch;
    int idle_looks = 0;
    while (!w->stopping) {
        bool caught = look_around(p, machine_ns());
        if (caught && take_loop(p))
            return true;
        idle_looks = w->moved ? 0 : idle_looks + 1;
        if (idle_looks >= IDLE_LOOKS_MAX)
            rest(p);
        else
            sleep_a_while(w);
    }
    return false;
}

static void *run_watch(void *argument)
{
    struct posix *p = argument;
    struct watch *w = &p->watch;
    lock(w);
    while (!w->stopping) {
        if (w->watching) {
            w->spare_count++;
            pthread_cond_wait(&w->spare, &w->lock);
            w->spare_count--;
            continue;
        }
        w->watching = true;
        if (!watch(p))
            break;
        appoint(p);
        unlock(w);
        posix_loop_go_on(p);
        lock(w);
    }
    unlock(w);
    return NULL;
}

/* ---- the loop's side ---- */

void posix_watch_loop_over(struct posix *p)
{
    struct watch *w = &p->watch;
    lock(w);
    w->loop_over = true;
    pthread_cond_signal(&w->over);
    unlock(w);
}

void posix_watch_await_loop(struct posix *p)
{
    struct watch *w = &p->watch;
    lock(w);
    while (!w->loop_over)
        pthread_cond_wait(&w->over, &w->lock);
    w->loop_over = false;
    unlock(w);
}

void posix_watch_set_slow(struct posix *p, int64_t ms)
{
    atomic_store(&p->watch.call_slow_ns, ms * 1000000);
}

void posix_watch_init(struct posix *p)
{
    struct watch *w = &p->watch;
    pthread_condattr_t attr;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_cond_init(&w->spare, &attr);
    pthread_cond_init(&w->over, &attr);
    pthread_condattr_destroy(&attr);
    w->disk_count = DISK_ANY + 1;
    p->doing = &p->loop_doings[0];
    w->vmstat_fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    posix_watch_set_slow(p, POSIX_SLOW_MS);
    w->ready = true;
}

void posix_watch_stop(struct posix *p)
{
    struct watch *w = &p->watch;
    if (!w->ready)
        return;
    lock(w);
    w->stopping = true;
    pthread_cond_broadcast(&w->wake);
    pthread_cond_broadcast(&w->spare);
    unlock(w);
    for (int i = 0; i < w->thread_count; i++)
        pthread_join(w->threads[i], NULL);
}

void posix_watch_free(struct posix *p)
{
    struct watch *w = &p->watch;
    if (!w->ready)
        return;
    pthread_cond_destroy(&w->over);
    pthread_cond_destroy(&w->spare);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    if (w->vmstat_fd >= 0)
        close(w->vmstat_fd);
}

void posix_watch_wake(struct posix *p)
{
    struct watch *w = &p->watch;
    if (__builtin_expect(w->started && !atomic_load(&w->sleeps), 1))
        return;
    lock(w);
    if (!w->started)
        appoint(p);
    w->started = true;
    atomic_store(&w->sleeps, false);
    pthread_cond_signal(&w->wake);
    unlock(w);
}
