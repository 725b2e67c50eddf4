/* world.h - the simulated world: nodes that meet it only through core/env's door, virtual time, and
 * one seed that decides everything that happens. */
#ifndef KILN_WORLD_H
#define KILN_WORLD_H

#include "base/base.h"
#include "env/env.h"
#include "fault/fault.h"
#include "net/net.h"

/* Named limits of one world. */
#define WORLD_NODES_MAX FAULT_NODES_MAX
#define WORLD_NAME_MAX 32 /* bytes of a node's name, with its zero */
#define WORLD_SINKS_MAX 8
#define WORLD_STEP_KINDS 74               /* of what crosses the boundary */
#define WORLD_FLIGHTS_MAX 65536           /* operations in flight of one node */
#define WORLD_LETTERS_MAX 65536           /* commands, replies, starts and stops under way */
#define WORLD_TRACE_WORDS (160 << 10)     /* of rows that one handler may write */
#define WORLD_NODE_BYTES_MAX (1ull << 30) /* of one node's heap */

struct world;
struct world_seat;
struct half_host;

/* ---- what runs on a node ---- */

/* A program. Each call is one event; none may block. */
struct world_program {
    const char *kind; /* "broker"; a string constant */
    /* A life begins. It sets seat->self and starts its first operations. An error ends the life. */
    enum err (*start)(struct world_seat *seat);
    /* Somebody asks for a clean end: it closes what is open, frees everything and then calls
     * world_exit. NULL: the node just ends. */
    void (*stop)(struct world_seat *seat);
    /* A script's question or order; answer with world_reply, then or later. May be NULL. */
    void (*command)(struct world_seat *seat, uint64_t id, struct bytes command);
    /* An event is over, and the life goes on: asserts what must hold now, and changes nothing.
     * whole: now and then, and at the end; it may take long. May be NULL. */
    void (*check)(struct world_seat *seat, bool whole);
};

/* What a program is given for one life. */
struct world_seat {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct bytes args; /* as given to world_add_node; valid while the life lasts */
    const char *name;  /* the node's name, which is its host name */
    uint32_t node, incarnation;
    void *self; /* the program's own */
};

/* The life ends when this event does. With ERR_NONE everything must have been freed
 * (world_stats.leaked_count); with an error nothing need be. */
void world_exit(struct world_seat *seat, enum err e);
/* Answers a command; copies the bytes. It arrives as an event of its own. */
void world_reply(struct world_seat *seat, uint64_t id, struct bytes reply);

/* ---- who watches ---- */

/* One event or submission, as the hash chain saw it. */
struct world_step_info {
    uint64_t number; /* of the event; submissions have the number of their event */
    uint64_t cause;  /* the event in which this one was asked for; of bytes, a connection or its
                        end that came from a peer, in which that sent it */
    uint64_t since;  /* of bytes: in which the first of them was sent; else as cause */
    bool delivers;   /* a handler runs for it: the one step that is what the event is */
    uint32_t kind;   /* a number for what, below WORLD_STEP_KINDS */
    int64_t time_ns;
    uint32_t node, incarnation;
    const char *what; /* "submit send", "done receive", "timer", "command", "start" ... */
    enum err err;
    uint64_t n;
    uint64_t op;           /* the node's own count of operations */
    uint64_t digest, hash; /* of the bytes; of the chain up to here */
};

/* Only of a host that outlives what its nodes do. */
struct world_break {
    uint32_t node, incarnation;
    uint64_t event;
    int64_t time_ns;
    const char *what; /* the event, as in world_step_info */
    const char *why;
    bool lacked; /* it is the machine's fault: there was no process or thread for the node */
};

/* Embedded in whoever watches; any member may be NULL. A watcher touches neither node nor world: to
 * act it asks for a world_call. */
struct world_sink {
    void (*row)(struct world_sink *sink, const struct trace_row *row);
    /* The same, all of a handler at once: so many words of rows, one behind the other. */
    void (*rows)(struct world_sink *sink, const uint64_t *rows, uint32_t size);
    void (*step)(struct world_sink *sink, const struct world_step_info *info);
    /* Of the steps those that deliver, alone. */
    void (*event)(struct world_sink *sink, const struct world_step_info *info);
    /* Of each step the hash alone, and the event that it belongs to. */
    void (*chain)(struct world_sink *sink, uint64_t event, int64_t time_ns, uint64_t hash);
    void (*reply)(struct world_sink *sink, uint32_t node, uint64_t id, struct bytes reply);
    void (*exited)(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count);
    /* A handler of that node came to no good end: nothing will happen in this world any more. */
    void (*broke)(struct world_sink *sink, const struct world_break *what);
};

/* ---- a world ---- */

/* What must not matter to anybody; verify makes it differ. */
struct world_memory {
    bool shuffle;   /* blocks of equal size come in another order, from the first one on */
    bool displaced; /* no bit of an address stays as it was, from the 12th on */
    bool plain;     /* heaps over malloc, at addresses that nobody has chosen */
    bool sealed;    /* a node's heap is out of reach while none of its handlers runs */
    uint8_t poison; /* fills what is allocated and freed; 0: nothing */
    uint32_t range; /* moves the address ranges of the nodes */
};

struct world_config {
    uint64_t seed;
    const char *disk_dir; /* NULL: disks in memory. Else real files under DIR/NODE/; DIR must be
                             there, DIR/NODE is made, and what it holds already is what the disk
                             holds at first */
    const struct fault_plan *plan; /* borrowed until world_free; may be NULL */
    struct fault_watch *fired;     /* told of each fault as it fires; may be NULL */
    bool plan_only; /* a replay: of all faults, the script's too, only those in the plan fire */
    uint32_t armed; /* sites, a bit each, for which a script may set rates (FAULT_RATE); those that
                       the plan names are armed anyway */
    enum net_split split;
    int64_t delay_mean_ns; /* of every link; 0: drawn from the seed */
    int64_t disk_bytes;    /* capacity of each disk; 0: WORLD_DISK_BYTES */
    bool assert_leaks;     /* a clean end that leaves memory behind is our bug at once */
    struct world_memory memory;
    struct half_host *host; /* where nodes run (half.h), borrowed until world_free; NULL: here */
    uint64_t *rows; /* WORLD_TRACE_WORDS for those of a handler until they are told: in memory that
                       outlives the process they outlive a crash (trace_rows_left). NULL: its own */
};

#define WORLD_DISK_BYTES (64ll << 30)
#define WORLD_WALL_START_MS 1767225600000ll /* 2026-01-01: when every world begins */

/* NULL and a message: ERR_NOMEM. mem must outlive it. */
struct world *world_new(struct mem *mem, const struct world_config *config,
                        struct errmsg *msg) MUST_USE;
/* Ends everything; nobody is asked. */
void world_free(struct world *world);
/* Watchers are told in the order in which they were added. */
void world_add_sink(struct world *world, struct world_sink *sink);

/* A new node, not running. Copies name and args; program must outlive the world. name is what
 * others connect to. ERR_NOMEM, ERR_LIMIT (nodes), ERR_INVALID (no name, as plans write them),
 * ERR_EXISTS (the name), ERR_IO (disk_dir;
 * world_message says what). */
enum err world_add_node(struct world *world, const struct world_program *program, const char *name,
                        struct bytes args, uint32_t *node) MUST_USE;
const char *world_message(const struct world *world);
uint32_t world_node_count(const struct world *world);
const char *world_node_name(const struct world *world, uint32_t node);
/* The node of that name; false when there is none. */
bool world_find_node(const struct world *world, const char *name, uint32_t *node);

enum world_life {
    WORLD_DOWN,
    WORLD_UP,
    WORLD_PAUSED,
};
enum world_life world_node_life(const struct world *world, uint32_t node);
/* Operations that this life, or the last one, has started. */
uint64_t world_node_op_count(const struct world *world, uint32_t node);

/* ---- time ---- */

enum world_end {
    WORLD_REACHED, /* the time asked for */
    WORLD_IDLE,    /* the same, and nothing will ever happen again by itself */
    WORLD_HALTED,  /* world_halt */
};

int64_t world_now(const struct world *world);
/* Delivers one event. False: there is none. */
bool world_step(struct world *world);
/* Delivers all events up to and at that time, then sets the clock to it. */
enum world_end world_run_until(struct world *world, int64_t time_ns);
/* world_run_until returns after the event that is being delivered. */
void world_halt(struct world *world);

/* Something that will happen, in the world's queue. */
struct world_moment {
    struct heap_node node;
    struct list parked; /* while its node is paused or its disk hangs */
    int64_t at_ns;
    uint64_t priority, sequence; /* rank among those of the same time */
    uint64_t cause;              /* the event in which it was asked for */
    uint8_t type;
};

/* A script's own event; zero it, set run, then ask. No allocation. */
struct world_call {
    void (*run)(struct world_call *call);
    struct world_moment moment;
};
/* Runs at that time, or at once as an event of its own when that has passed. Asking again moves
 * it. */
void world_call_at(struct world *world, struct world_call *call, int64_t time_ns);
void world_call_cancel(struct world *world, struct world_call *call);

/* Nothing is under way: no operation but receives and accepts that wait for a peer, no bytes on any
 * wire, no command. Timers may be armed. */
bool world_quiet(const struct world *world);

/* ---- verbs: from outside of events, or from a world_call ---- */

/* Starts a life, as an event, and again whenever somebody heals the world, until it ends cleanly or
 * is stopped. Harmless when it is running. */
void world_start(struct world *world, uint32_t node);
/* Asks for a clean end, as an event. Harmless when it is not running. */
void world_stop(struct world *world, uint32_t node);
/* Another program and other arguments for the lives to come. ERR_NOMEM, ERR_BUSY (it runs). */
enum err world_set_program(struct world *world, uint32_t node, const struct world_program *program,
                           struct bytes args) MUST_USE;
/* Sends a command, as an event. It copies the bytes. False: the node is not running. A command to a
 * node that dies first is lost without a word. */
bool world_command(struct world *world, uint32_t node, uint64_t id, struct bytes command);

/* Does harm, now: any kind of line (fault.h), at_ns aside. Each call of these is one harm of the
 * script by number; a plan that is alone in force decides by that number whether it happens. */
void world_harm(struct world *world, const struct fault_line *line);
/* at_op 0: now; k: at the k-th operation that it starts from now on, which no longer happens; of
 * its next life, when none runs. */
void world_kill(struct world *world, uint32_t node, uint32_t at_op);
/* All these nodes at once. */
void world_power_loss(struct world *world, uint64_t nodes);
void world_pause(struct world *world, uint32_t node);
void world_clock_jump(struct world *world, uint32_t node, int64_t by_ns);
void world_cut(struct world *world, uint32_t from, uint32_t to, bool one_way);
void world_reset(struct world *world, uint32_t from, uint32_t to);

/* The ends of harm; no harm themselves. */
void world_resume(struct world *world, uint32_t node);
void world_heal_link(struct world *world, uint32_t from, uint32_t to);
/* Nothing is broken any more, and nothing will break: links heal, disks answer and have room,
 * clocks go right, paused nodes go on, nodes that died start, the plan has ended. Damage that
 * has been done to bytes stays. */
void world_heal(struct world *world);
/* The same for these nodes and the links among them alone. The others are frozen until somebody
 * heals them too: they run no step, and do not start. Whoever can go on without them must. */
void world_heal_core(struct world *world, uint64_t core);

/* For tests that drive a node by hand, in a world that runs its nodes itself: what comes between
 * the two is one handler of a node that runs. */
void world_sit(struct world *world, uint32_t node);
void world_rise(struct world *world, uint32_t node);
/* Its side of the door, while it runs; NULL otherwise. */
struct world_seat *world_seat(struct world *world, uint32_t node);

/* ---- who looks on ---- */

struct disk;
/* Of a node. Nothing may be done to it. */
const struct disk *world_disk(const struct world *world, uint32_t node);
/* A row about a node, by whoever has judged it from outside. */
void world_tell(struct world *world, uint32_t node, enum trace_kind kind, const void *columns,
                const char *text);

/* ---- what came of it ---- */

struct world_stats {
    uint64_t hash;      /* of all that crossed the boundary, and of what the disks held whenever a
                           life ended */
    uint64_t rows_hash; /* of all rows of the trace */
    uint64_t event_count, submission_count;
    int64_t time_ns;
    int64_t fault_count; /* that fired */
    int64_t kill_count, power_loss_count;
    int64_t leaked_count;   /* pieces left behind by clean ends */
    const char *disk_error; /* NULL, or why the real files no longer show what the disks hold */
    int64_t node_bytes;     /* of the heaps of all nodes that run, now */
    uint64_t stream_bytes;  /* delivered */
    uint64_t mark_count[TRACE_MARK_COUNT];
};

/* The run is over: the chain takes in what every disk holds, unless the world broke. Once; nothing
 * happens afterwards. */
void world_seal(struct world *world);
void world_stats(const struct world *world, struct world_stats *stats);
/* Every fault that fired, in order: the plan of a replay. Valid until world_free. */
const struct fault_plan *world_fired(const struct world *world);

#endif
