/* inside.h - what the world's half shares among its files: moments, nodes, operations in flight,
 * letters. It speaks to a node's half through half.h alone. */
#ifndef KILN_WORLD_INSIDE_H
#define KILN_WORLD_INSIDE_H

#include "disk/disk.h"
#include "net/net.h"
#include "world/half.h"

/* What lies in a node's heap has no name on this side. */
#pragma GCC poison env_op env_timer env_door

/* ---- moments ---- */

enum moment_type {
    MOMENT_FLIGHT, /* the end of an operation on files, or of offload or listen */
    MOMENT_WAKE,   /* a node's earliest timer */
    MOMENT_LETTER,
    MOMENT_CALL,
    MOMENT_HARM,
};

/* What draws are made for. */
enum world_use {
    USE_DISK = 0x776f726c,
    USE_DISK_MEAN,
    USE_LETTER,
    USE_LIST,
    USE_KILL,
    USE_POWER,
    USE_BASE,
    USE_LOCAL,
    USE_SYNC_FAILS,
    USE_PERSONALITY,
    USE_FLIP,
    USE_STALL,
    USE_WRITEBACK,
};

/* What crosses the boundary, as the hash chain tells it apart. */
enum note {
    NOTE_SUBMIT = 0,  /* + verb */
    NOTE_DONE = 32,   /* + verb */
    NOTE_LETTER = 64, /* + enum letter_type */
    NOTE_TIMER = 72,
    NOTE_DISK = 73,
};

struct world_node;

/* An operation in flight: the world's copy of what was asked, and what came of it. */
struct flight {
    struct world_moment moment;
    struct list of_node; /* in the order of submission */
    struct list in_file; /* appends of one file */
    struct world_node *node;
    uint64_t id;            /* what the node's half calls it */
    uint64_t number;        /* of the life's operations */
    struct net_cause cause; /* in which it was asked for; of what came, in which that was sent */
    /* What was asked, copied. */
    uint8_t verb;
    uint16_t flags, port;
    uint64_t handle, offset, size;
    char *path, *path_to; /* one block, at path; NULL: none */
    uint64_t key;         /* a digest of what was asked; of what was read when it has finished */
    bool pending;         /* counted in world->pending_count */
    bool on_net;          /* net completes it, not a moment */
    bool began;           /* write holds something, or sync */
    bool finished;        /* err and n are decided; it is only to be delivered */
    enum err fault;       /* what it shall end with */
    enum err err;
    uint64_t n;
    int64_t modified_ms;
    struct bytes bytes; /* what comes with the completion: in world->inbox, or kept */
    uint8_t *kept;      /* of a node that is paused; NULL: nothing */
    struct buf *held;   /* what bytes lies in, when it is neither; NULL: it is one of them */
    union {
        struct net_op net;
        struct disk_write *write;
        struct disk_sync sync;
    };
};

/* An open file of a node. */
#define WORLD_TOPIC_NAME_MAX 249 /* bytes */

struct world_file {
    struct hmap_node node;
    uint64_t name;
    struct list appends; /* flights; only the first has a moment */
    int32_t flight_count;
    bool closing;
    uint64_t path_hash;
    bool gone;    /* closed */
    bool unnamed; /* synced, and its name is not durable */
    char path[];  /* as it was opened */
};

enum letter_type {
    LETTER_START,
    LETTER_STOP,
    LETTER_COMMAND,
    LETTER_REPLY,
};

/* Something sent to a node or by a node that is no operation. */
struct letter {
    struct world_moment moment;
    uint32_t node, incarnation;
    uint8_t type; /* enum letter_type */
    uint64_t id;
    size_t size;
    uint8_t bytes[];
};

/* ---- harm ---- */

/* A line of the plan, or of the script, that begins or ends at its moment. */
struct harm {
    struct world_moment moment;
    struct list of_script;
    struct fault_line line;
    uint32_t generation;
    bool ends;           /* the next time that its moment comes */
    bool rests;          /* it flaps, and does nothing just now */
    int64_t until_ns;    /* when it ends, where it does */
    int64_t row_count;   /* that it has waited for */
    bool holds;          /* it has begun, and not ended */
    bool noted;          /* it stands in the record */
    uint64_t begun;      /* the event in which it did */
    uint32_t node_count; /* that there were then */
    uint64_t struck;     /* nodes that it brought down, or that it holds */
};

#define RULES_MAX 16 /* of one node at once; more are not noticed */

/* A disk fault in force: sync_fails, write_fails, read_fails. */
struct rule {
    struct harm *harm;
    int64_t times_left; /* < 0: always */
};

struct link_harm {
    int32_t cut_depth;
    int64_t delay_ns, bytes_per_s;
};

/* ---- nodes ---- */

enum ending {
    ENDING_NONE,
    ENDING_KILL,
    ENDING_EXIT,
};

struct world_node {
    struct world *world;
    struct half_guest *guest; /* its half */
    uint32_t index;
    uint32_t lives;       /* begun */
    uint32_t incarnation; /* of the life that runs, or ran last */
    uint8_t life;         /* enum world_life */
    uint8_t ending;       /* enum ending: nothing that the log says behind it is heard */
    bool wanted;          /* started, and neither stopped nor ended in good order */
    enum err exit_err;
    char name[WORLD_NAME_MAX];
    const struct world_program *program;
    struct buf *args;
    struct disk *disk;
    struct disk_image *backup; /* NULL: nobody has made one */
    uint64_t disk_capacity;
    int64_t born_ns, base_ns; /* env_now is base at birth */
    int64_t drift_ppm;        /* its clocks run so much faster, from drift_ns on */
    int64_t drift_ns;
    int64_t wall_offset_ms;
    struct fault_points points; /* of its disk and its net; of its heap its half has them */
    struct half_state state;    /* as its last handler left it */
    struct world_moment wake;
    struct list flights;
    int32_t flight_count;
    struct list parked, hung; /* moments that wait for the node, or for its disk */
    struct hmap files;
    uint32_t unnamed_count; /* of them, those that are unnamed */
    uint64_t op_count;
    /* harm in force */
    uint32_t kill_in; /* operations until it dies; 0: none */
    struct harm *killer;
    int32_t hang_depth;
    int64_t slow_factor, slow_sync_factor;
    int64_t slow_until_ns; /* the latest moment at which either ends */
    bool stalled;          /* paused, and soon no more */
    bool frozen;           /* outside of the core that was healed */
    struct world_call unstall;
    struct rule rules[RULES_MAX];
    int32_t rule_count;
    struct link_harm *links; /* to every node */
    int64_t inbound_bytes_per_s;
};

struct world {
    struct mem *mem;
    struct world_config config;
    struct fault_engine engine;
    struct fault_dice dice;
    struct net *net;
    struct heap moments;
    int64_t now_ns;
    uint64_t sequence;
    uint64_t hash, rows_hash; /* the chains over what crosses the boundary, and over rows */
    bool sealed;
    uint64_t event_count, submission_count;
    int64_t pending_count; /* flights with a moment, and letters */
    int32_t letter_count;
    struct world_node *nodes[WORLD_NODES_MAX];
    uint32_t node_count;
    struct world_node *current; /* whose handler runs */
    uint64_t *rows;             /* one memory for all: only one handler runs at a time */
    struct half_log log;        /* likewise */
    uint8_t *inbox;             /* what comes with a completion, on its way into the node */
    size_t inbox_cap;
    struct world_sink *sinks[WORLD_SINKS_MAX];
    struct world_sink *chained[WORLD_SINKS_MAX]; /* those with `chain` */
    int32_t sink_count, chained_count;
    bool step_wanted, event_wanted; /* by some sink */
    bool halted;
    bool broken;      /* a node came to no good end: nothing happens any more */
    const char *what; /* the newest note */
    struct list spare_flights;
    int64_t disk_means_ns[ENV_VERB_COUNT];
    struct harm *plan_harms;
    int32_t plan_harm_count;
    bool awaits, awaited[TRACE_KIND_COUNT]; /* by lines of the plan that wait for such a row */
    struct list script_harms;
    uint32_t generation; /* of harm; healing begins another */
    int64_t script_harm_count;
    int64_t kill_count, power_loss_count, leaked_count;
    uint64_t named;        /* kinds and sites that have a NAME row already */
    struct errmsg message; /* why the last node could not be added */
    int32_t fired_told;    /* of the record: lines that have their row */
};

/* queue and chain: world.c */
void world_schedule(struct world *world, struct world_moment *moment, int64_t at_ns,
                    uint64_t priority);
void world_unschedule(struct world *world, struct world_moment *moment);
void world_note(struct world_node *node, const char *what, uint32_t kind, uint64_t number,
                uint64_t digest, enum err e, uint64_t n, struct net_cause cause);
/* That one event, and nothing before it. */
static inline struct net_cause world_cause(uint64_t event)
{
    return (struct net_cause){event, event};
}
/* A row of the world's own about a node; text is NULL for a kind that has none. */
void world_emit(struct world_node *node, enum trace_kind kind, const void *columns,
                const char *text);
#define EMIT(node, kind, ...)                                                                      \
    world_emit((node), TRACE_##kind, &(const struct trace_##kind){__VA_ARGS__}, NULL)
/* Whose it is and when. */
static inline void world_stamp_row(const struct world_node *node, struct trace_row *row)
{
    row->time_ns = node->world->now_ns;
    row->event = node->world->event_count;
    row->node = node->index;
    row->incarnation = (uint16_t)node->incarnation;
}
/* The chain takes in what the node's disk holds. */
void world_note_disk(struct world_node *node);
/* So many words of rows that are stamped: the chain of rows, then who watches. */
void world_tell_rows(struct world *world, uint64_t *rows, uint32_t size);
/* What is drawn once a world, and so needs no count. */
uint64_t world_draw_once(const struct world *world, uint32_t node, enum world_use use,
                         uint64_t key);
void world_emit_name(struct world_node *node, uint64_t id, const char *text);

/* lives: node.c */
void world_node_free(struct world_node *node);
/* An event reaches the node: its handler runs, and what it said is done. */
void world_handle(struct world_node *node, struct half_event *event);
struct letter *world_letter(struct world *world, struct world_node *node, enum letter_type type,
                            uint64_t id, struct bytes bytes);
void world_open_letter(struct world *world, struct letter *letter);
void world_wake(struct world_node *node);
void world_bury(struct world_node *node, bool power);
void world_pause_now(struct world_node *node, int64_t until_ns);
void world_park(struct world_node *node, struct world_moment *moment);

void world_update_wake(struct world_node *node);

/* sound.c: what a node says that may be anything is held against what it can say at all. NULL, or
 * what is wrong with it. */
/* Of all of the log, once. */
const char *world_log_fault(const struct world_node *node);
/* Of an operation, when its turn has come. */
const char *world_ask_fault(struct world_node *node, const struct half_record *record);

/* flights.c */
/* An operation that the log tells of. */
void world_submit(struct world_node *node, const struct half_record *record);
/* Room for so many bytes that come with a completion; valid until the next. */
uint8_t *world_inbox(struct world *world, size_t size);
void world_fly(struct flight *flight, int64_t delay_ns);
void world_drop_flight(struct flight *flight);
/* Its moment has come. */
void world_land(struct flight *flight);
/* err and n are what it ends with. */
void world_finish(struct flight *flight, enum err e, uint64_t n);
int64_t world_disk_delay(struct flight *flight, uint64_t bytes);

/* files.c */
enum err world_files_init(struct world_node *node) MUST_USE;
void world_files_free(struct world_node *node);
void world_file_submit(struct flight *flight, const struct half_asked *asked);
/* Whether it is open, and may be used for that by the contract of the door. */
bool world_file_may(struct world_node *node, uint64_t name, enum env_verb verb);
enum err world_file_perform(struct flight *flight);
enum err world_file_read(struct world_node *node, uint64_t name, uint64_t offset, void *buffer,
                         uint64_t size, uint64_t *n) MUST_USE;
/* The file has one flight less; the append behind this one may fly. */
void world_file_delivered(struct flight *flight);
/* Its process dies: what it had under way on files is done or not. */
void world_file_crash(struct flight *flight);

/* durable.c. The file was opened or synced; a directory was. */
void world_tell_durable(struct world_node *node, struct world_file *file);
void world_tell_named(struct world_node *node, const char *dir);

/* streams.c */
void world_stream_submit(struct flight *flight, const struct half_asked *asked);
/* The net has completed it. */
void world_stream_land(struct flight *flight);
/* Listening, or an operation that failed before it reached the net. */
enum err world_stream_perform(struct flight *flight);

/* harm.c */
enum err world_harm_init(struct world *world) MUST_USE;
void world_harm_free(struct world *world);
void world_harm_step(struct world *world, struct harm *harm);
/* Lines that wait for this row strike as an event of their own, now. */
void world_row_fires(struct world *world, const struct trace_row *row);
/* It is down. If a line meant that, the line is written down, and ends when it says. */
void world_struck(struct world_node *node);
/* The end of a stall. */
void world_unstall(struct world_call *call);
/* Rows for what was written down since. */
void world_tell_fired(struct world *world);
/* It has struck: it stands in the record from now on. */
void world_note_struck(struct world *world, struct harm *harm);
void world_kill_by(struct world_node *node, struct harm *harm, bool power);
/* It has come to the operation at which it dies, or its power goes. */
void world_die_at_op(struct world_node *node);
typedef bool harm_fits(const struct harm *other, const struct harm *harm, uint32_t a, uint32_t b);
/* Of the other harms of that kind that hold and fit, the latest; NULL: there is none. */
const struct harm *world_still_holding(const struct world *world, const struct harm *harm,
                                       harm_fits *fits, uint32_t a, uint32_t b);

/* harm_link.c */
/* Begins or ends on each pair of nodes of the two sides. */
void world_strike_links(struct world *world, struct harm *harm, bool ends);
/* Of all that is sent to it. 0: as fast as it comes; below: what a line has that does not say. */
void world_slow_reader(struct world_node *node, int64_t bytes_per_s);

/* harm_disk.c */
/* The error that a rule in force gives to this operation on that path; ERR_NONE. */
enum err world_rule(struct world_node *node, enum fault_kind kind, const char *path);
void world_add_rule(struct world_node *node, struct harm *harm);
void world_remove_rules(struct world_node *node, const struct harm *harm);
void world_fill_disk(struct world_node *node, uint64_t bytes_left);
/* What a disk that hung has not done is done now. */
void world_unhang(struct world_node *node);
/* False: no disk has what the line speaks of, so nothing was done. */
bool world_damage(struct world_node *node, const struct fault_line *line);
bool world_back_up(struct world_node *node);
/* The process ends first, and starts again behind it. */
void world_lose_disk(struct world_node *node, struct harm *harm);
void world_swap_disks(struct world_node *node, struct harm *harm);
void world_restore(struct world_node *node, struct harm *harm);

/* node.c */
/* Its clocks go faster by that from now on. */
void world_drift(struct world_node *node, int64_t ppm);

/* How far its clocks have run away since they began to, and not been set right. */
static inline int64_t world_drifted(const struct world_node *node)
{
    if (node->drift_ppm == 0) /* as almost always */
        return 0;
    int64_t ran_ns = node->world->now_ns - node->drift_ns;
    return (int64_t)((__int128)ran_ns * node->drift_ppm / 1000000);
}

/* What the node's wall clock shows at this moment. */
static inline int64_t world_node_wall(const struct world_node *node)
{
    return WORLD_WALL_START_MS + (node->world->now_ns + world_drifted(node)) / 1000000 +
           node->wall_offset_ms;
}

#endif
