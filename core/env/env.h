/* env.h - the door: everything a node may ask of the world. Declarations only; core/posix and sim
 * implement it, and no broker or client file may know which of them it has.
 *
 * A node is one single-threaded loop. It asks by starting operations and is answered by their
 * completions, each of which the loop delivers as an event of its own. The contract, which
 * tests/conformance checks on both doors:
 *
 *  1. Only env_now, env_wall and env_random answer at once. Everything else is an operation.
 *  2. A started operation completes exactly once, and never inside the call that started it. Until
 * then the owner keeps the operation, its paths and its buffers in place; afterwards the door holds
 * no pointer to them. A completion may start the same operation again.
 *  3. Order is promised only among the appends of one file, the sends of one stream, and timers
 * (deadline, then order of arming). Everything else may complete in any order.
 *  4. env_sync covers exactly the writes, appends and truncates of that file whose completions were
 * delivered before it was started; env_sync_dir likewise covers the entries made, renamed and
 * unlinked in that directory.
 *  5. A write, append or truncate completes whole or with an error. After an error the file may
 * hold any part of it: the owner asks for the size and truncates; it assumes nothing.
 *  6. A stream has at most one send and one receive in flight. A send is a list of parts, sent in
 * that order. A receive delivers at least one byte; not posting one is back-pressure.
 *  7. Closing a stream or listener completes its operations in flight with ERR_CANCELLED first, and
 * then itself. Operations on files cannot be cancelled; a file is closed when none is in flight.
 *  8. Each verb lists its errors. ERR_NOMEM may come from any of them. No other may come.
 *  9. env_now never goes back within a life and starts anew in the next; nothing derived from it is
 * stored or sent. env_wall may jump either way. Both stand still during one event.
 * 10. env_offload runs a pure function on bytes it was given: no door, no node heap.
 * 11. env_random(site, key) is no stream: in the simulator a hash of (seed, node, life, site, key,
 * how often this life asked this key before), so that one draw more or less moves no other, and two
 * lives never draw the same identity.
 * 12. At most one door call in one expression: compilers disagree about the order of arguments.
 */
#ifndef KILN_ENV_H
#define KILN_ENV_H

#include "base/base.h"

/* Limits of every door. */
#define ENV_PATH_MAX 512           /* bytes of a path, with its zero */
#define ENV_HOST_MAX 256           /* bytes of a host name, with its zero */
#define ENV_PEER_SIZE 64           /* bytes of a peer's address as text, with its zero */
#define ENV_PARTS_MAX 1024         /* parts of one send, write or append */
#define ENV_IO_BYTES_MAX (1 << 30) /* bytes of one read, write, append or send */

/* Names of open things. 0 is none; a name is not used again within a life. */
typedef uint64_t env_file;
typedef uint64_t env_stream;
typedef uint64_t env_listener;

struct env_op;

/* An operation's end. n is what its verb says, and 0 with any error unless the verb says otherwise.
 */
typedef void env_done(struct env_op *op, enum err e, uint64_t n);

/* Memory or a range of an open file. Both stay with the owner until the send, write or append that
 * names them completes. */
struct env_part {
    const uint8_t *data; /* NULL: the range of file */
    env_file file;       /* only in sends; its bytes must not change or be truncated meanwhile */
    uint64_t offset;     /* in file */
    uint64_t size;
};

enum env_verb {
    ENV_OPEN,
    ENV_CLOSE_FILE,
    ENV_READ,
    ENV_WRITE,
    ENV_APPEND,
    ENV_TRUNCATE,
    ENV_SIZE,
    ENV_SYNC,
    ENV_SYNC_DIR,
    ENV_RENAME,
    ENV_UNLINK,
    ENV_MAKE_DIR,
    ENV_LIST,
    ENV_SPACE,
    ENV_LISTEN,
    ENV_ACCEPT,
    ENV_CONNECT,
    ENV_SEND,
    ENV_RECEIVE,
    ENV_CLOSE,
    ENV_OFFLOAD,
    ENV_VERB_COUNT
};

extern const char *const env_verb_names[ENV_VERB_COUNT];

/* Embedded in its owner, who finds itself with CONTAINER_OF. Zero it once; the verbs fill it. While
 * it is in flight only the door touches it. */
struct env_op {
    env_done *done;
    uint8_t verb; /* enum env_verb */
    bool in_flight;
    uint16_t flags;
    uint16_t port;
    int32_t part_count;
    uint64_t handle; /* the file, stream or listener */
    uint64_t offset, size;
    int64_t modified_ms; /* of env_size: what it found */
    const char *path, *path_to;
    const struct env_part *parts;
    void *buffer;
    void (*function)(void *argument);
    /* The door's own. */
    struct list link;
    struct env_op *door_next; /* goes with it */
    uint64_t door_id, door_done;
    enum err door_err;
};

/* Armed timers fire once, as an event of their own; no allocation, no failure. Zero it, set fire,
 * then arm it. */
struct env_timer {
    void (*fire)(struct env_timer *timer);
    int64_t deadline_ns;
    uint64_t sequence; /* order of arming */
    struct heap_node node;
};

/* Contract 3: in which order timers fire. For the heaps of doors. */
static inline bool env_timer_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct env_timer *x = CONTAINER_OF(a, struct env_timer, node);
    const struct env_timer *y = CONTAINER_OF(b, struct env_timer, node);
    if (x->deadline_ns != y->deadline_ns)
        return x->deadline_ns < y->deadline_ns;
    return x->sequence < y->sequence;
}

/* What the disk under a path guarantees. A simulated one may guarantee less than most real ones. */
struct env_disk {
    int32_t files_max;     /* open at once; on a real machine streams count as well */
    uint32_t sector_size;  /* a write that falls within one aligned sector is not torn */
    bool atomic_append;    /* an append survives whole or not at all */
    bool ordered_metadata; /* entries of directories become durable in the order in which they were
                              made */
};

struct env;

struct env_door {
    void (*submit)(struct env *env, struct env_op *op);
    void (*arm)(struct env *env, struct env_timer *timer, int64_t deadline_ns);
    void (*disarm)(struct env *env, struct env_timer *timer);
    uint64_t (*random)(struct env *env, const char *site, uint64_t key);
};

struct env {
    const struct env_door *door;
    struct env_disk disk;
    int64_t now_ns; /* sampled once an event */
    int64_t wall_ms;
};

/* Monotonic nanoseconds of this life, > 0. */
static inline int64_t env_now(const struct env *env)
{
    return env->now_ns;
}

/* Milliseconds since 1970 as the machine believes them. */
static inline int64_t env_wall(const struct env *env)
{
    return env->wall_ms;
}

/* Milliseconds of a configuration as nanoseconds; what is longer than some seventy years is cut to
 * that, so that a moment so far away is still one. */
#define ENV_MS_MAX (INT64_MAX / 1000000 / 4)
#define ENV_NS_OF_MS(ms) (MIN((int64_t)(ms), ENV_MS_MAX) * 1000000)

/* 64 random bits for that use. site is a string constant of the form "module/use". */
static inline uint64_t env_random(struct env *env, const char *site, uint64_t key)
{
    return env->door->random(env, site, key);
}

/* Fires when env_now reaches deadline_ns (at the next event when it has). Arming an armed timer
 * moves it. */
void env_arm(struct env *env, struct env_timer *timer, int64_t deadline_ns);
/* The timer will not fire. Harmless when it is not armed. */
void env_disarm(struct env *env, struct env_timer *timer);
static inline bool env_armed(const struct env_timer *timer)
{
    return timer->node.queued;
}

/* Opens a file. n: its env_file. path is relative to the node's own root or absolute (the simulator
 * has only its own root). ERR_NOTFOUND, ERR_EXISTS (with EXCLUSIVE), ERR_NOTDIR, ERR_NOTFILE,
 * ERR_ACCESS, ERR_READONLY, ERR_NOSPACE, ERR_TOOMANY, ERR_IO, ERR_BUSY (with LOCK: another process
 * or life has it locked). */
enum env_open_flag {
    ENV_OPEN_READ = 1,
    ENV_OPEN_WRITE = 2,
    ENV_OPEN_CREATE = 4,
    ENV_OPEN_EXCLUSIVE = 8, /* with CREATE: it must not exist */
    ENV_OPEN_TRUNCATE = 16,
    ENV_OPEN_LOCK = 32, /* exclusive until it is closed or the process dies; a real door locks the
                           directory as well, so it holds although somebody removes the file */
};
void env_open_file(struct env *env, struct env_op *op, const char *path, unsigned flags,
                   env_done *done);
/* n: 0. ERR_IO: it is closed all the same, and what was not synced is not known to be written. */
void env_close_file(struct env *env, struct env_op *op, env_file file, env_done *done);
/* n: bytes read; fewer than size only at the end of the file, 0 at or behind it. ERR_IO. */
void env_read(struct env *env, struct env_op *op, env_file file, uint64_t offset, void *buffer,
              uint64_t size, env_done *done);
/* Writes the parts one behind the other at offset. n: bytes. ERR_NOSPACE, ERR_IO, ERR_READONLY. */
void env_write(struct env *env, struct env_op *op, env_file file, uint64_t offset,
               const struct env_part *parts, int part_count, env_done *done);
/* The same at the end of the file. n: the offset at which the bytes stand. Appends of one file
 * happen and complete in the order in which they were started; once one fails, those started before
 * its completion was delivered fail too (ERR_OFFLINE). */
void env_append(struct env *env, struct env_op *op, env_file file, const struct env_part *parts,
                int part_count, env_done *done);
/* Cuts or (with zeros) extends it. No append may be in flight. n: size. ERR_NOSPACE, ERR_IO,
 * ERR_READONLY. */
void env_truncate(struct env *env, struct env_op *op, env_file file, uint64_t size, env_done *done);
/* n: bytes in the file; op->modified_ms: when it was last written, appended to or truncated, by the
 * wall clock of then, in ms since 1970. A loss of power may set that back. ERR_IO. */
void env_size(struct env *env, struct env_op *op, env_file file, env_done *done);
/* Contract 4. n: 1 when no entry names the file any more, whatever was synced: who opens its path
 * will not find it; else 0. ERR_NOMEM, here and from env_sync_dir: nothing was tried, and all may
 * be well yet. ERR_IO, ERR_NOSPACE: what was written since the last good sync may be lost, now or
 * later, although reads still show it and a second sync succeeds (Rebello et al., USENIX ATC 2020).
 */
void env_sync(struct env *env, struct env_op *op, env_file file, env_done *done);
/* ERR_NOTFOUND, ERR_NOTDIR, ERR_ACCESS, ERR_TOOMANY (nothing was tried), ERR_IO. */
void env_sync_dir(struct env *env, struct env_op *op, const char *path, env_done *done);
/* Replaces path_to atomically, if it is there. ERR_NOTFOUND, ERR_NOTDIR, ERR_NOTEMPTY, ERR_NOTFILE,
 * ERR_ACCESS, ERR_READONLY, ERR_NOSPACE, ERR_IO. */
void env_rename(struct env *env, struct env_op *op, const char *path, const char *path_to,
                env_done *done);
/* Removes a file or an empty directory; files that are open stay readable. ERR_NOTFOUND,
 * ERR_NOTDIR, ERR_NOTEMPTY, ERR_ACCESS, ERR_READONLY, ERR_BUSY, ERR_IO. */
void env_unlink(struct env *env, struct env_op *op, const char *path, env_done *done);
/* The parent must exist. ERR_EXISTS, ERR_NOTFOUND, ERR_NOTDIR, ERR_ACCESS, ERR_READONLY,
 * ERR_NOSPACE, ERR_IO. */
void env_make_dir(struct env *env, struct env_op *op, const char *path, env_done *done);
/* Fills buffer with the names of a directory in no order at all, each ended by a zero, those of
 * directories with a '/' before it. n: bytes used. ERR_RANGE: size is too small, n says what is
 * needed. ERR_NOTFOUND, ERR_NOTDIR, ERR_ACCESS, ERR_TOOMANY, ERR_IO. */
void env_list(struct env *env, struct env_op *op, const char *path, void *buffer, uint64_t size,
              env_done *done);
/* n: bytes that may still be written under path; 0 also when no file can be made there.
 * ERR_NOTFOUND, ERR_ACCESS, ERR_IO. */
void env_space(struct env *env, struct env_op *op, const char *path, env_done *done);

/* Listens on host (a name or an address) and port (0: any free one). n: the env_listener;
 * env_listener_port says which port. ERR_BUSY: the address is in use. ERR_ACCESS, ERR_UNREACHABLE,
 * ERR_TOOMANY. */
void env_listen(struct env *env, struct env_op *op, const char *host, uint16_t port,
                env_done *done);
/* The port is the name's high 16 bits, so that asking needs no operation. */
static inline uint16_t env_listener_port(env_listener listener)
{
    return (uint16_t)(listener >> 48);
}
/* Waits for the next connection; one accept in flight a listener. n: its env_stream; peer says who
 * connected, for people to read: "127.0.0.1:4242", "[::1]:4242", in the simulator the node's name
 * (cut where it is too long). peer may be NULL. ERR_TOOMANY (try again later), ERR_CANCELLED. */
void env_accept(struct env *env, struct env_op *op, env_listener listener, char peer[ENV_PEER_SIZE],
                env_done *done);
/* n: the env_stream. ERR_REFUSED, ERR_UNREACHABLE, ERR_TIMEOUT, ERR_RESET, ERR_TOOMANY. It cannot
 * be cancelled; a caller who no longer wants it closes what it gets. */
void env_connect(struct env *env, struct env_op *op, const char *host, uint16_t port,
                 env_done *done);
/* Sends all parts. n: bytes. A file part that is shorter than it says is ERR_CORRUPT and the stream
 * is broken. ERR_RESET, ERR_IO (of a file part), ERR_CANCELLED: any prefix may have been sent, and
 * no further send will succeed. */
void env_send(struct env *env, struct env_op *op, env_stream stream, const struct env_part *parts,
              int part_count, env_done *done);
/* n: 1 to size bytes. ERR_EOF: the other side closed in good order. ERR_RESET, ERR_TIMEOUT,
 * ERR_CANCELLED. */
void env_receive(struct env *env, struct env_op *op, env_stream stream, void *buffer, uint64_t size,
                 env_done *done);
/* Closes a stream or a listener (contract 7); bytes already sent are still delivered where the
 * other side reads on. n: 0. No errors. */
void env_close(struct env *env, struct env_op *op, uint64_t stream_or_listener, env_done *done);

/* Runs function(argument) away from the loop. function touches only what argument points to. n: 0.
 * No errors. */
void env_offload(struct env *env, struct env_op *op, void (*function)(void *argument),
                 void *argument, env_done *done);

#endif
