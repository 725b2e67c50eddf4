/* internal.h - what the files of core/posix share: the loop's state, open things and their names,
 * and the threads. Nobody else includes it. */
#ifndef KILN_POSIX_INTERNAL_H
#define KILN_POSIX_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include "posix/posix.h"

/* Addresses of one name that are tried. */
#define ADDRESSES_MAX 8
#define LISTEN_BACKLOG 1024
/* Reads up to this size are done on the loop when the page cache has the bytes. */
#define READ_INLINE_MAX (256u << 10)
/* Written by one call, which may catch the loop, and asked for by events before it is made. */
#define POSIX_CALL_BYTES_MAX (256 << 10)
/* File parts up to COPY_MAX are copied beside their neighbours into one sendmsg of at most
 * SCRATCH_SIZE copied bytes; longer ones take sendfile, FILE_CHUNK at a time. */
#define COPY_MAX (16u << 10)
#define SCRATCH_SIZE (64u << 10)
#define FILE_CHUNK (256u << 10)
#define GATHER_MAX 64
/* One stream's share of a turn. */
#define SEND_TURN_BYTES (1u << 20)
#define EPOLL_EVENTS_MAX 64
#define DISK_SECTOR_SIZE 512

/* ---- names (names.c) ---- */

enum handle_kind {
    HANDLE_FILE,
    HANDLE_STREAM,
    HANDLE_LISTENER,
};

/* The head of every open thing. */
struct handle {
    uint64_t name;
    enum handle_kind kind;
    int fd;
};

struct slot {
    struct handle *handle;
    uint32_t generation; /* of the next name given for this slot */
    int32_t free_next;   /* -1: none */
};

/* A name is port << 48 | generation << 20 | index of the slot; generations begin with 1. */
struct names {
    struct slot *slots;
    int32_t slot_count, slot_cap;
    int32_t free_first; /* -1: none */
};

/* Names below this are none: epoll uses them for the door's own descriptors. */
#define NAME_FIRST (1ull << 20)
#define NAME_WAKE 1
#define NAME_SIGNALS 2

/* ERR_TOOMANY, ERR_NOMEM. */
enum err posix_name_give(struct names *names, struct mem *mem, struct handle *handle,
                         uint16_t port) MUST_USE;
void posix_name_take(struct names *names, struct handle *handle);
/* NULL: it was closed, or never was. */
struct handle *posix_name_find(const struct names *names, uint64_t name);

/* ---- open things ---- */

struct file {
    struct handle handle;
    int32_t in_flight_count;
    bool closing;
    uint32_t disk;
    struct env_op *appending;     /* a thread or the loop has it, and those that go with it */
    struct list appends;          /* those behind it */
    int dir_fd;                   /* with ENV_OPEN_LOCK: of the locked directory; -1: none */
    bool nowait_refused;          /* the file system knows no RWF_NOWAIT */
    struct env_op *append_failed; /* until its completion is delivered, no append succeeds */
};

/* Where a host is. Belongs to the connect or listen whose door_done points to it. */
struct addresses {
    struct list link; /* in posix.resolving */
    struct sockaddr_storage address[ADDRESSES_MAX];
    socklen_t size[ADDRESSES_MAX];
    int count, next;
};

enum stream_state {
    STREAM_CONNECTING,
    STREAM_OPEN,
    STREAM_CLOSING,   /* env_close was called */
    STREAM_LINGERING, /* closed for its owner; the kernel still delivers */
};

struct stream {
    struct handle handle;
    struct posix *posix;
    enum stream_state state;
    bool readable, writable; /* until a call says otherwise (edge-triggered) */
    bool ended;              /* the other side sends no more: a short read is not the end of it */
    bool prefetching;        /* a thread reads what sending names next */
    enum err broken;         /* no send succeeds any more */
    enum err receive_err;    /* no receive succeeds any more */
    struct env_op *sending, *receiving, *closing;
    struct env_op *connecting;
    struct addresses *addresses;
    /* How far the send in flight is. */
    int32_t part_index;
    uint64_t part_offset, sent;
    uint64_t cached_until; /* in the current part: known to be in the page cache */
    struct list again;     /* in posix.again: it used up its share of a turn */
    struct env_timer timer;
};

struct listener {
    struct handle handle;
    bool readable;
    struct env_op *accepting, *closing;
};

/* ---- the loop ---- */

/* Where a thread's calls begin, and what they make. */
struct place {
    int root_fd;
    mode_t file_mode, dir_mode;
};

/* The call that a thread makes. */
struct doing {
    atomic_uint_fast64_t call;    /* its number among the thread's calls; 0: none */
    atomic_uint disk;             /* which it waits for */
    atomic_int_fast64_t began_ns; /* on the machine's clock */
    atomic_uint_fast64_t slow;    /* the last call that was found to be */
    uint64_t count;               /* the thread's own */
};

/* The number of a call of the loop's from which the loop was taken away. */
#define DOING_TAKEN UINT64_MAX

struct pool_thread {
    struct pool *pool;
    pthread_t thread;
    struct doing doing;
    bool other_next; /* which of the queues it looks at first */
};

/* Calls that wait for no disk (name servers, offloads) have a queue of their own, and when it
 * stands still a thread of their own: a disk that hangs may hold all the others. */
enum pool_queue { QUEUE_DISK, QUEUE_OTHER, QUEUE_COUNT };

struct pool {
    struct list asked[QUEUE_COUNT]; /* by the loop in this turn; no thread knows of them yet */
    int asked_count;
    int given_count; /* to the threads and not yet taken back */
    pthread_mutex_t lock;
    pthread_cond_t work, other_work;
    struct list queued[QUEUE_COUNT], done; /* under lock */
    int queued_count, idle_count;          /* under lock */
    uint64_t other_taken;                  /* under lock: of QUEUE_OTHER, so far */
    uint64_t other_seen;                   /* under lock: the same at the last look */
    bool stopping, has_spare;              /* under lock */
    int thread_count;
    struct place place;
    uint64_t *blocking_count; /* the loop's */
    struct pool_thread threads[POSIX_THREADS_MAX], spare;
    atomic_int done_count; /* length of done, readable without the lock */
    atomic_bool loop_sleeps;
    int wake_fd;
};

/* Disks are told apart by their device number. The first is none: whatever is not known to belong
 * to one, and when it is slow all are. */
#define DISK_ANY 0
#define DISKS_MAX 8
/* Threads that watch, or go on with the loop, or are caught in a call that was the loop's. */
#define WATCH_THREADS_MAX (DISKS_MAX + 2)

struct disk {
    dev_t dev;
    atomic_bool slow;        /* what is asked of it goes to the threads */
    atomic_int caught_count; /* calls of the loop's that hold a thread which was the loop's */
};

struct watch {
    pthread_mutex_t lock;
    pthread_cond_t wake, spare, over;
    /* Under lock. */
    pthread_t threads[WATCH_THREADS_MAX];
    int thread_count, spare_count;
    bool watching, stopping, loop_over;
    uint64_t seen[POSIX_THREADS_MAX], loop_seen; /* calls under way at the last look; 0: none */
    uint32_t looks;
    int64_t next_ns; /* when it looks again */
    int64_t slow_began_ns;
    bool moved, slow_seen, dirty_near; /* what the last look found */
    int vmstat_fd;
    /* The loop's. */
    bool ready, started;
    uint32_t disk_count;
    /* Everybody's. */
    struct disk disks[DISKS_MAX];
    atomic_bool sleeps, may_take, pretended;
    atomic_int_fast64_t call_slow_ns; /* of a call that has been under way so long */
    atomic_int_fast64_t slow_ns;
};

struct posix {
    struct posix_env public;
    struct mem *mem;
    struct posix_hook *hook;
    int root_fd, epoll_fd;
    struct names names;
    struct heap timers;
    uint64_t timer_sequence; /* of the last that was armed */
    uint64_t turn_sequence;  /* likewise, when this turn began to deliver */
    int64_t turn_began_ns;
    struct list ready;      /* completed, not yet delivered */
    struct list again;      /* streams with more to send at once */
    struct list calls;      /* writes, appends and sizes: made when the events are over */
    uint64_t call_bytes;    /* of what they write, since they were made last */
    struct env_op *calling; /* what the loop's own call is for */
    struct doing *doing;    /* of the thread that has the loop; one of those below */
    struct doing loop_doings[WATCH_THREADS_MAX + 1];
    struct watch watch;
    struct list resolving; /* addresses */
    int32_t socket_count;  /* streams and listeners */
    int64_t started_ns;    /* on the machine's clock; env_now counts from here */
    int64_t wall_sampled_ns;
    bool in_event; /* one has begun at env_now and its length is not yet known */
    struct rng rng;
    bool stopped;
    bool timer_was_last;
    int signal_fd; /* -1: none */
    struct posix_signals *signals;
    struct pool pool;
    uint8_t scratch[SCRATCH_SIZE]; /* the last: see posix_new */
};

static inline struct posix *posix_of(struct env *env)
{
    return CONTAINER_OF(env, struct posix, public.env);
}

/* posix.c: makes the operation's call on the loop. False: the loop was taken away meanwhile. */
bool posix_call(struct posix *p, struct env_op *op) MUST_USE;
/* The operation has ended; it is delivered as an event of its own. */
void posix_finish(struct posix *p, struct env_op *op, enum err e, uint64_t n);
/* Finishes it with what the verb lists for that errno. */
void posix_fail(struct posix *p, struct env_op *op, int number);
/* Ends it with ERR_CANCELLED, also when it had ended otherwise and was not delivered yet. No thread
 * may have it. */
void posix_cancel(struct posix *p, struct env_op *op);
/* ERR_NOMEM, ERR_TOOMANY. */
enum err posix_epoll_add(struct posix *p, int fd, uint32_t events, uint64_t name) MUST_USE;
/* Also for deadlines of the door's own. */
void posix_arm(struct env *env, struct env_timer *timer, int64_t deadline_ns);
void posix_disarm(struct env *env, struct env_timer *timer);

/* ---- fault points (fault.c): their names are the simulator's ---- */

/* FAULT("disk/sync", EIO): 0, or the errno with which the call that follows is to fail. Costs the
 * test of a byte while nobody injects faults, and nothing without KILN_FIU. */
#ifdef FIU_ENABLE
extern atomic_bool posix_faults_on;
int posix_fault_ask(const char *point, int number);

static inline int posix_fault(const char *point, int number)
{
    bool on = atomic_load_explicit(&posix_faults_on, memory_order_relaxed);
    return __builtin_expect(on, 0) ? posix_fault_ask(point, number) : 0;
}

#define FAULT(point, number) posix_fault(point, number)
#else
#define FAULT(point, number) 0
#endif

/* The point of a call that a thread makes. 0, or errno. */
int posix_fault_blocking(enum env_verb verb);

/* errors.c: only what env.h lists for the verb comes out of it. */
enum err posix_errno(enum env_verb verb, int number);

/* ---- threads ---- */

/* ERR_TOOMANY, ERR_NOMEM, ERR_IO. */
enum err posix_pool_init(struct pool *pool, struct posix *p) MUST_USE;
void posix_pool_free(struct pool *pool);
/* Has a thread call posix_block(op), once posix_pool_give is called. */
void posix_pool_submit(struct pool *pool, struct env_op *op);
void posix_pool_give(struct pool *pool);
/* Gives back what waits for posix_pool_give when it is one operation, the threads have nothing to
 * do, and it takes no longer than a disk does; else NULL. */
struct env_op *posix_pool_lone(struct pool *pool);
/* An operation that was the loop's own is done, by a thread that is the loop's no more. */
void posix_pool_return(struct pool *pool, struct env_op *op);
/* For the watch: true while calls wait for a thread; when some of QUEUE_OTHER do, and none was
 * taken since the last look, they get a thread of their own. */
bool posix_pool_look(struct pool *pool);
/* Moves to ops what the threads are done with. */
void posix_pool_take(struct pool *pool, struct list *ops);
/* Says that the loop is about to sleep; false: there is work instead. */
bool posix_pool_may_sleep(struct pool *pool);
void posix_pool_woke(struct pool *pool);

/* ---- watch.c ---- */

void posix_watch_init(struct posix *p);
/* Nobody looks any more. */
void posix_watch_stop(struct posix *p);
/* The threads have ended, too. */
void posix_watch_free(struct posix *p);
void posix_watch_set_slow(struct posix *p, int64_t ms);
/* A call begins that may be slow: somebody must look. */
void posix_watch_wake(struct posix *p);
/* The loop's end, for whoever began it, when another thread has come to it. */
void posix_watch_loop_over(struct posix *p);
void posix_watch_await_loop(struct posix *p);
/* posix.c: the loop is this thread's now, until it ends or is taken away again. */
void posix_loop_go_on(struct posix *p);
void posix_doing_begin(struct doing *doing, uint32_t disk);
/* False: the loop was taken away meanwhile. */
bool posix_doing_end(struct doing *doing);
/* That call has ended: whoever found it slow looks at once. */
void posix_doing_tell(struct posix *p, const struct doing *doing, uint64_t call);
uint32_t posix_disk_of(struct posix *p, dev_t dev);
bool posix_disk_slow(const struct posix *p, uint32_t disk);
/* What /proc/vmstat says: writers will soon have to wait. */
bool posix_dirty_near(const char *vmstat);
/* Which disk an operation waits for. */
uint32_t posix_op_disk(const struct env_op *op);

/* blocking.c: what a thread does. The result goes to op->door_err and op->door_done; open leaves
 * its descriptor in op->door_id, and that of the directory which it locked, or -1, in the upper
 * half of it; close takes both from there. Of other operations on a file the upper half is its
 * disk. */
#define TWO_FDS(fd, dir_fd) ((uint64_t)(uint32_t)(dir_fd) << 32 | (uint32_t)(fd))
#define FIRST_FD(id) ((int)(uint32_t)(id))
#define SECOND_FD(id) ((int)((id) >> 32))
void posix_block(const struct place *place, struct env_op *op);

/* Closes what an open left in door_id. 0, or errno of the file's. */
int posix_close_both(uint64_t door_id);

/* ---- verbs; *_submit starts one, *_settle lets go of it before its owner is told ---- */

void posix_file_submit(struct posix *p, struct env_op *op);
/* Makes what can be made of a write, an append or a size: on the loop, or it is handed over, or
 * waits behind another. False: the loop was taken away meanwhile. */
bool posix_file_call(struct posix *p, struct env_op *op) MUST_USE;
/* An append is done, whoever made it. */
void posix_file_appended(struct posix *p, struct env_op *op);
/* A thread is done with an open. */
void posix_file_opened(struct posix *p, struct env_op *op);
void posix_file_settle(struct posix *p, struct env_op *op);
void posix_file_free(struct posix *p, struct file *file);
struct file *posix_file(struct posix *p, uint64_t name);
/* Reads without waiting for the disk. Bytes read; -1: errno (EAGAIN: the disk must be asked). */
ssize_t posix_read_cached(struct file *file, void *buffer, uint64_t size, uint64_t offset);

/* A stream without a socket. ERR_NOMEM, ERR_TOOMANY. */
enum err posix_stream_new(struct posix *p, enum stream_state state, struct stream **out) MUST_USE;
/* Gives it the socket, also on error. ERR_NOMEM, ERR_TOOMANY. */
enum err posix_stream_attach(struct posix *p, struct stream *s, int fd) MUST_USE;
void posix_stream_free(struct posix *p, struct stream *s);
void posix_stream_event(struct posix *p, struct stream *s, uint32_t events);
void posix_receive_submit(struct posix *p, struct env_op *op);
void posix_send_submit(struct posix *p, struct env_op *op);
/* A thread has read what the send names next. */
void posix_send_blocked(struct posix *p, struct env_op *op);
/* Goes on with sends that had used up their share of the last turn. */
void posix_stream_again(struct posix *p);
void posix_stream_settle(struct posix *p, struct env_op *op);
void posix_stream_close(struct posix *p, struct stream *s, struct env_op *op);
void posix_stream_close_settle(struct posix *p, struct stream *s);

void posix_listen_submit(struct posix *p, struct env_op *op);
void posix_accept_submit(struct posix *p, struct env_op *op);
void posix_accept_settle(struct posix *p, struct env_op *op);
void posix_listener_event(struct posix *p, struct listener *l);
void posix_listener_close(struct posix *p, struct listener *l, struct env_op *op);
void posix_listener_free(struct posix *p, struct listener *l);
void posix_connect_submit(struct posix *p, struct env_op *op);
void posix_connect_event(struct posix *p, struct stream *s);
/* In a thread: fills the addresses at op->door_done. */
void posix_resolve(struct env_op *op);
/* On the loop: they are known. */
void posix_resolved(struct posix *p, struct env_op *op);
void posix_addresses_free(struct posix *p);

#endif
