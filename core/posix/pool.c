/* pool.c - the threads for calls that block. They take operations, run posix_block and hand them
 * back; they never touch the loop's state, its memory or an operation they do not hold. What one
 * turn of the loop asks for comes to them under one lock, and what a thread has done of it goes
 * back under one: a round of syncs is hundreds of short calls. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "posix/internal.h"

/* What getaddrinfo, readdir and the reading ahead need, with room. */
#define STACK_SIZE (512u << 10)
/* Syncs that a thread takes at once. */
#define SHARE_MAX 16

static void lock(struct pool *pool)
{
    int failed = pthread_mutex_lock(&pool->lock);
    ASSERT(failed == 0);
}

static void unlock(struct pool *pool)
{
    int failed = pthread_mutex_unlock(&pool->lock);
    ASSERT(failed == 0);
}

/* Either the loop sees the count before it sleeps, or this thread sees that it sleeps. */
static void wake_loop(struct pool *pool)
{
    if (!atomic_exchange(&pool->loop_sleeps, false))
        return;
    uint64_t one = 1;
    ssize_t written = write(pool->wake_fd, &one, sizeof one);
    ASSERT(written == sizeof one);
}

/* How many of the first in the queue a thread takes. One; but of many syncs, which are asked for
 * together and wait for the same disk, a part of its fair share, so that all threads end together.
 */
static int share(const struct pool *pool)
{
    int count_max = MIN(pool->queued_count / (2 * POSIX_THREADS_MAX), SHARE_MAX);
    int count = 0;
    LIST_EACH (op, &pool->queued, struct env_op, link) {
        if (op->verb != ENV_SYNC || count >= count_max)
            break;
        count++;
    }
    return MAX(count, 1);
}

/* Moves what the thread does next from the queue to ops, once there is some. False: it is over. */
static bool take_share(struct pool *pool, struct list *ops)
{
    lock(pool);
    pool->idle_count++;
    while (list_empty(&pool->queued) && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    pool->idle_count--;
    bool go_on = !pool->stopping;
    int count = go_on ? share(pool) : 0;
    pool->queued_count -= count;
    while (count-- > 0)
        list_push_back(ops, list_pop_front(&pool->queued));
    unlock(pool);
    return go_on;
}

static int block_all(const struct pool *pool, struct list *ops)
{
    int count = 0;
    LIST_EACH (op, ops, struct env_op, link) {
        posix_block(&pool->place, op);
        count++;
    }
    return count;
}

static void hand_back(struct pool *pool, struct list *ops, int count)
{
    lock(pool);
    list_splice_back(&pool->done, ops);
    atomic_fetch_add(&pool->done_count, count);
    unlock(pool);
    wake_loop(pool);
}

static void *run_thread(void *argument)
{
    struct pool *pool = argument;
    struct list ops;
    list_init(&ops);
    while (take_share(pool, &ops)) {
        int count = block_all(pool, &ops);
        hand_back(pool, &ops, count);
    }
    return NULL;
}

/* False: the machine gives no further thread. */
static bool start_thread(struct pool *pool)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's alone */
    int failed = pthread_create(&pool->threads[pool->thread_count], &attr, run_thread, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    pool->thread_count += failed == 0;
    return failed == 0;
}

enum err posix_pool_init(struct pool *pool, struct posix *p)
{
    list_init(&pool->asked);
    list_init(&pool->queued);
    list_init(&pool->done);
    pool->place = (struct place){.root_fd = p->root_fd, .file_mode = 0640, .dir_mode = 0750};
    pool->blocking_count = &p->public.counters.blocking_count;
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->wake_fd < 0)
        return posix_errno(ENV_OPEN, errno);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    /* Edge-triggered: each write wakes, and nobody needs to read it empty. */
    return posix_epoll_add(p, pool->wake_fd, EPOLLIN, NAME_WAKE);
}

/* Descriptors that only an operation knows which nobody will complete. */
static void abandon(struct list *ops, bool done)
{
    LIST_EACH (op, ops, struct env_op, link) {
        bool opened = done && op->verb == ENV_OPEN && op->door_err == ERR_NONE;
        if (opened || (!done && op->verb == ENV_CLOSE_FILE))
            posix_close_both(op->door_id);
    }
}

void posix_pool_free(struct pool *pool)
{
    if (pool->wake_fd < 0)
        return;
    lock(pool);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    unlock(pool);
    for (int i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    abandon(&pool->asked, false);
    abandon(&pool->queued, false);
    abandon(&pool->done, true);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    close(pool->wake_fd);
}

void posix_pool_submit(struct pool *pool, struct env_op *op)
{
    list_push_back(&pool->asked, &op->link);
    pool->asked_count++;
}

struct env_op *posix_pool_lone(struct pool *pool)
{
    if (pool->asked_count != 1 || pool->given_count > 0)
        return NULL;
    struct env_op *op = LIST_FIRST(&pool->asked, struct env_op, link);
    if (op->verb == ENV_CONNECT || op->verb == ENV_LISTEN)
        return NULL; /* who knows how long a name server takes */
    list_remove(&op->link);
    pool->asked_count = 0;
    return op;
}

/* Not one thread: slow is better than never. */
static void do_all(struct pool *pool)
{
    struct list ops;
    list_init(&ops);
    lock(pool);
    list_splice_back(&ops, &pool->queued);
    pool->queued_count = 0;
    unlock(pool);
    int count = block_all(pool, &ops);
    hand_back(pool, &ops, count);
}

void posix_pool_give(struct pool *pool)
{
    int count = pool->asked_count;
    if (count == 0)
        return;
    pool->asked_count = 0;
    pool->given_count += count;
    *pool->blocking_count += (uint64_t)count;
    lock(pool);
    list_splice_back(&pool->queued, &pool->asked);
    pool->queued_count += count;
    int idle_count = pool->idle_count;
    int missing = pool->queued_count - idle_count;
    unlock(pool);
    for (int i = 0; i < MIN(count, idle_count); i++)
        pthread_cond_signal(&pool->work);
    while (missing-- > 0 && pool->thread_count < POSIX_THREADS_MAX && start_thread(pool))
        ;
    if (pool->thread_count == 0)
        do_all(pool);
}

void posix_pool_take(struct pool *pool, struct list *ops)
{
    if (atomic_load(&pool->done_count) == 0)
        return;
    lock(pool);
    list_splice_back(ops, &pool->done);
    pool->given_count -= atomic_exchange(&pool->done_count, 0);
    unlock(pool);
    ASSERT(pool->given_count >= 0);
}

bool posix_pool_may_sleep(struct pool *pool)
{
    atomic_store(&pool->loop_sleeps, true);
    return atomic_load(&pool->done_count) == 0;
}

void posix_pool_woke(struct pool *pool)
{
    atomic_store(&pool->loop_sleeps, false);
}
