/* posix.h - the door on a real machine: one loop thread over epoll, and a few threads for the calls
 * that block. */
#ifndef KILN_POSIX_H
#define KILN_POSIX_H

#include "env/env.h"

/* Threads for calls that block; started when there is work for them. */
#define POSIX_THREADS_MAX 4
/* Open files, streams and listeners at once. */
#define POSIX_HANDLES_MAX (1 << 20)
/* A sync or a write that takes longer than this makes its disk slow, unless posix_set_slow says
 * otherwise (log.dir.slow.ms). */
#define POSIX_SLOW_MS 20
#define POSIX_SLOW_MS_MAX 60000
/* Events of one turn of the loop before the sockets are looked at again. */
#define POSIX_TURN_EVENTS_MAX 128
#define POSIX_TURN_YOUNG_NS 200000 /* until what a turn arms for at once waits for the next */
/* An attempt to connect to one address that takes longer is ERR_TIMEOUT. */
#define POSIX_CONNECT_NS_MAX 30000000000ll
/* A closed stream lingers so long while the other side takes what was sent to it. */
#define POSIX_LINGER_NS_MAX 2000000000ll

/* For metrics. Only the loop's thread may look; it may set stall_ns_max back to 0. */
struct posix_counters {
    uint64_t event_count;
    uint64_t turn_count;        /* calls of epoll_wait */
    uint64_t blocking_count;    /* calls handed to the threads */
    uint64_t handed_count;      /* of those, writes and appends: their disk was slow */
    uint64_t joined_count;      /* appends that were written with the one before them */
    uint64_t taken_count;       /* the loop was caught in a call, and another thread went on */
    uint64_t read_missed_count; /* reads and sends that had to wait for the disk */
    uint64_t bytes_received, bytes_sent;
    int64_t stall_ns_max; /* the longest event */
};

/* Called after each event; the owner drains the trace. */
struct posix_hook {
    void (*after_event)(struct posix_hook *hook);
};

/* Called, as an event, for each signal that arrives. */
struct posix_signals {
    void (*fire)(struct posix_signals *signals, int signal);
};

struct posix;

struct posix_env {
    struct env env; /* what a node is given */
    struct posix_counters counters;
    struct posix *inside;
};

/* Makes a door whose relative paths stand under root (a directory that exists; NULL: where the
 * process stands). hook may be NULL. mem must outlive it. Belongs to the calling thread, in which
 * SIGPIPE and SIGXFSZ are blocked from now on (sendfile knows no MSG_NOSIGNAL; a write beyond the
 * limit of files' sizes is ERR_NOSPACE). ERR_NOTFOUND, ERR_NOTDIR,
 * ERR_ACCESS, ERR_TOOMANY, ERR_NOMEM, ERR_IO; the message names root. */
enum err posix_new(struct posix_env **out, struct mem *mem, const char *root,
                   struct posix_hook *hook, struct errmsg *msg) MUST_USE;
/* Closes everything. Operations in flight never complete, and their owners may be freed only
 * afterwards. env may be NULL. */
void posix_free(struct posix_env *env);

/* From now on, in the whole process, libfiu is asked before each call that has a fault point
 * (docs/operations.md names them), until it is turned off. False: this build has none (KILN_FIU).
 */
bool posix_inject_faults(bool on);
/* Opens libfiu's remote control by pipes BASENAME-PID.in and .out, as fiu-run does. False: there
 * are no fault points in this program, or no pipes could be made. */
bool posix_take_faults(const char *basename);
/* The names of the points; NULL ends them. */
extern const char *const posix_fault_points[];
/* A heap over malloc, as mem_system, with the fault point "alloc". */
void posix_heap(struct mem *mem);

/* Who may read the files and enter the directories that are made from now on; only their owner may
 * write. The process's umask takes away more. At first POSIX_ACCESS_GROUP. */
enum posix_access {
    POSIX_ACCESS_OWNER, /* 0600, 0700 */
    POSIX_ACCESS_GROUP, /* 0640, 0750 */
    POSIX_ACCESS_ALL,   /* 0644, 0755 */
};
void posix_set_access(struct posix_env *env, enum posix_access access);

/* Writes and appends are made on the loop while their disk is well; once a call that changes it has
 * been under way for ms (1 to POSIX_SLOW_MS_MAX), or the machine's dirty memory is near the point
 * where writers wait, they go to the threads, until it is well again. */
void posix_set_slow(struct posix_env *env, int64_t ms);
/* For how long some disk has been slow without a break; 0: all are well. */
int64_t posix_slow_ns(const struct posix_env *env);

/* For tests: all disks are slow, or as they are. */
void posix_pretend_slow(struct posix_env *env, bool slow);

/* Delivers events until one of them calls posix_stop. A call that hangs does not hold up the loop:
 * another thread goes on with it, so events are delivered by one thread at a time, but not always
 * by the same. Returns when the loop has ended and the caller's own call, if it is caught in one,
 * has come back. */
void posix_run(struct posix_env *env);
void posix_stop(struct posix_env *env);
/* One turn, for those who have a loop of their own: waits up to wait_ns for an event (0: not at
 * all, -1: as long as it takes) and delivers what there is. Returns the number of events; 0 before
 * the time is over when what woke it was gone again. */
int posix_poll(struct posix_env *env, int64_t wait_ns);

/* Delivers these signals to signals->fire from now on; at most once a door. To be called before the
 * first operation, because threads inherit which signals are blocked. Threads that were there
 * before (a preloaded library's) pass theirs on. When the door is freed the signals stay blocked
 * and end nothing. ERR_TOOMANY, ERR_NOMEM. */
enum err posix_watch_signals(struct posix_env *env, struct posix_signals *signals,
                             const int *numbers, int count) MUST_USE;

#endif
