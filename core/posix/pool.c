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
static int share(const struct pool *pool, const struct list *queue)
{
    int count_max = MIN(pool->queued_count / (2 * POSIX_THREADS_MAX), SHARE_MAX);
    int count = 0;
    LIST_EACH (op, queue, struct env_op, link) {
        if (op->verb != ENV_SYNC || count >= count_max)
            break;
        count++;
    }
    return MAX(count, 1);
}

/* Locked. The queue from which the thread takes next; NULL: there is nothing for it. */
static struct list *next_queue(struct pool *pool, struct pool_thread *thread)
{
    struct list *other = &pool->queued[QUEUE_OTHER];
    if (thread == &pool->spare)
        return list_empty(other) ? NULL : other;
    bool other_now = thread->other_next;
    for (int i = 0; i < QUEUE_COUNT; i++) {
        struct list *queue = &pool->queued[other_now ? QUEUE_OTHER : QUEUE_DISK];
        thread->other_next = !other_now;
        if (!list_empty(queue))
            return queue;
        other_now = !other_now;
    }
    return NULL;
}

static void wait_for_work(struct pool *pool, struct pool_thread *thread)
{
    bool spare = thread == &pool->spare;
    pool->idle_count += !spare;
    pthread_cond_wait(spare ? &pool->other_work : &pool->work, &pool->lock);
    pool->idle_count -= !spare;
}

/* Moves what the thread does next from a queue to ops, once there is some. False: it is over. */
static bool take_share(struct pool_thread *thread, struct list *ops)
{
    struct pool *pool = thread->pool;
    struct list *queue = NULL;
    lock(pool);
    while (!pool->stopping && (queue = next_queue(pool, thread)) == NULL)
        wait_for_work(pool, thread);
    bool go_on = !pool->stopping;
    int count = go_on ? share(pool, queue) : 0;
    pool->queued_count -= count;
    pool->other_taken += go_on && queue == &pool->queued[QUEUE_OTHER];
    while (count-- > 0)
        list_push_back(ops, list_pop_front(queue));
    unlock(pool);
    return go_on;
}

/* Calls that change a disk, and by which it is known whether it is well. Reads wait for others'. */
static bool is_change(const struct env_op *op)
{
    switch ((enum env_verb)op->verb) {
    case ENV_WRITE:
    case ENV_APPEND:
    case ENV_TRUNCATE:
    case ENV_SYNC:
    case ENV_SYNC_DIR:
    case ENV_RENAME:
    case ENV_UNLINK:
    case ENV_MAKE_DIR:
        return true;
    case ENV_OPEN:
        return (op->flags & (ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE)) != 0;
    default:
        return false;
    }
}

static void block(struct pool *pool, struct doing *doing, struct env_op *op)
{
    bool watched = is_change(op);
    if (watched)
        posix_doing_begin(doing, posix_op_disk(op));
    posix_block(&pool->place, op);
    if (!watched)
        return;
    posix_doing_end(doing);
    posix_doing_tell(CONTAINER_OF(pool, struct posix, pool), doing, doing->count);
}

static int block_all(struct pool *pool, struct doing *doing, struct list *ops)
{
    int count = 0;
    LIST_EACH (op, ops, struct env_op, link) {
        block(pool, doing, op);
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

void posix_pool_return(struct pool *pool, struct env_op *op)
{
    struct list ops;
    list_init(&ops);
    list_push_back(&ops, &op->link);
    hand_back(pool, &ops, 1);
}

static void *run_thread(void *argument)
{
    struct pool_thread *thread = argument;
    struct list ops;
    list_init(&ops);
    while (take_share(thread, &ops)) {
        int count = block_all(thread->pool, &thread->doing, &ops);
        hand_back(thread->pool, &ops, count);
    }
    return NULL;
}

/* False: the machine gives no further thread. */
static bool start_thread(struct pool *pool, struct pool_thread *thread)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return false;
    sigset_t all, before;
    sigfillset(&all);
    thread->pool = pool;
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's alone */
    int failed = pthread_create(&thread->thread, &attr, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return failed == 0;
}

bool posix_pool_look(struct pool *pool)
{
    lock(pool);
    bool waits = pool->queued_count > 0;
    bool stands = !list_empty(&pool->queued[QUEUE_OTHER]) && pool->other_taken == pool->other_seen;
    pool->other_seen = pool->other_taken;
    if (stands && !pool->has_spare && !pool->stopping)
        pool->has_spare = start_thread(pool, &pool->spare);
    if (stands)
        pthread_cond_signal(&pool->other_work);
    unlock(pool);
    return waits;
}

enum err posix_pool_init(struct pool *pool, struct posix *p)
{
    for (int i = 0; i < QUEUE_COUNT; i++) {
        list_init(&pool->asked[i]);
        list_init(&pool->queued[i]);
    }
    list_init(&pool->done);
    pool->place = (struct place){.root_fd = p->root_fd, .file_mode = 0640, .dir_mode = 0750};
    pool->blocking_count = &p->public.counters.blocking_count;
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->wake_fd < 0)
        return posix_errno(ENV_OPEN, errno);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->other_work, NULL);
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
    pthread_cond_broadcast(&pool->other_work);
    unlock(pool);
    for (int i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i].thread, NULL);
    if (pool->has_spare)
        pthread_join(pool->spare.thread, NULL);
    for (int i = 0; i < QUEUE_COUNT; i++) {
        abandon(&pool->asked[i], false);
        abandon(&pool->queued[i], false);
    }
    abandon(&pool->done, true);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->other_work);
    pthread_mutex_destroy(&pool->lock);
    close(pool->wake_fd);
}

static enum pool_queue queue_of(const struct env_op *op)
{
    bool other = op->verb == ENV_OFFLOAD || op->verb == ENV_CONNECT || op->verb == ENV_LISTEN;
    return other ? QUEUE_OTHER : QUEUE_DISK;
}

void posix_pool_submit(struct pool *pool, struct env_op *op)
{
    list_push_back(&pool->asked[queue_of(op)], &op->link);
    pool->asked_count++;
}

struct env_op *posix_pool_lone(struct pool *pool)
{
    if (pool->asked_count != 1 || pool->given_count > 0)
        return NULL;
    bool other = list_empty(&pool->asked[QUEUE_DISK]);
    struct env_op *op =
        LIST_FIRST(&pool->asked[other ? QUEUE_OTHER : QUEUE_DISK], struct env_op, link);
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
    struct doing unwatched = {0};
    list_init(&ops);
    lock(pool);
    for (int i = 0; i < QUEUE_COUNT; i++)
        list_splice_back(&ops, &pool->queued[i]);
    pool->queued_count = 0;
    unlock(pool);
    int count = block_all(pool, &unwatched, &ops);
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
    for (int i = 0; i < QUEUE_COUNT; i++)
        list_splice_back(&pool->queued[i], &pool->asked[i]);
    pool->queued_count += count;
    int idle_count = pool->idle_count;
    int missing = pool->queued_count - idle_count;
    unlock(pool);
    for (int i = 0; i < MIN(count, idle_count); i++)
        pthread_cond_signal(&pool->work);
    while (missing-- > 0 && pool->thread_count < POSIX_THREADS_MAX) {
        if (!start_thread(pool, &pool->threads[pool->thread_count]))
            break;
        pool->thread_count++;
    }
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
