/* pool.c - the threads for calls that block. They take operations, run posix_block and hand them
 * back; they never touch the loop's state, its memory or an operation they do not hold. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "posix/internal.h"

/* What getaddrinfo, readdir and the reading ahead need, with room. */
#define STACK_SIZE (512u << 10)

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

static struct env_op *wait_for_work(struct pool *pool)
{
    lock(pool);
    pool->idle_count++;
    while (list_empty(&pool->queued) && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    pool->idle_count--;
    struct list *first = pool->stopping ? NULL : list_pop_front(&pool->queued);
    pool->queued_count -= first != NULL;
    unlock(pool);
    return first == NULL ? NULL : CONTAINER_OF(first, struct env_op, link);
}

static void hand_back(struct pool *pool, struct env_op *op)
{
    lock(pool);
    list_push_back(&pool->done, &op->link);
    atomic_fetch_add(&pool->done_count, 1);
    unlock(pool);
    wake_loop(pool);
}

static void *run_thread(void *argument)
{
    struct pool *pool = argument;
    for (struct env_op *op = wait_for_work(pool); op != NULL; op = wait_for_work(pool)) {
        posix_block(pool->root_fd, op);
        hand_back(pool, op);
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
    list_init(&pool->queued);
    list_init(&pool->done);
    pool->root_fd = p->root_fd;
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
            close((int)op->door_id);
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
    abandon(&pool->queued, false);
    abandon(&pool->done, true);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    close(pool->wake_fd);
}

void posix_pool_submit(struct pool *pool, struct env_op *op)
{
    (*pool->blocking_count)++;
    lock(pool);
    list_push_back(&pool->queued, &op->link);
    pool->queued_count++;
    bool more = pool->queued_count > pool->idle_count && pool->thread_count < POSIX_THREADS_MAX;
    pthread_cond_signal(&pool->work);
    unlock(pool);
    if (!more || start_thread(pool) || pool->thread_count > 0)
        return;
    /* Not one thread: slow is better than never. */
    lock(pool);
    list_remove(&op->link);
    pool->queued_count--;
    unlock(pool);
    posix_block(pool->root_fd, op);
    hand_back(pool, op);
}

struct env_op *posix_pool_take(struct pool *pool)
{
    if (atomic_load(&pool->done_count) == 0)
        return NULL;
    lock(pool);
    struct list *first = list_pop_front(&pool->done);
    ASSERT(first != NULL);
    atomic_fetch_sub(&pool->done_count, 1);
    unlock(pool);
    return CONTAINER_OF(first, struct env_op, link);
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
