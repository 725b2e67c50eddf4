/* fault.h - what goes wrong and when: plans of faults as lines of text, swarms that draw them from
 * a seed, keyed chance, and fault points. It decides and records; it harms nothing itself. */
#ifndef KILN_FAULT_H
#define KILN_FAULT_H

#include "base/base.h"

#define FAULT_NODES_MAX 64

/* ---- keyed chance ---- */

/* How often each key was asked before. Keys are well mixed hashes. Exact, whatever other keys are
 * asked, for the FAULT_KEYS_MAX keys that were asked last; one that was not asked while so many
 * others came may be forgotten, and is counted from 0 again: that bounds the memory. */
#define FAULT_KEYS_MAX (1 << 17)

struct fault_table;

struct fault_counts {
    struct mem *mem;
    struct fault_table *young, *old; /* a key of old moves to young when it is asked */
};

/* Takes no memory before the first key. */
void fault_counts_init(struct fault_counts *counts, struct mem *mem);
/* Forgets all; also how it is freed. */
void fault_counts_clear(struct fault_counts *counts);
/* How often before, this time not included. */
uint64_t fault_count(struct fault_counts *counts, uint64_t key);

/* The chance of one node, in one life at a time: a draw is a pure function of (seed, node, life,
 * use, key, how often this life drew with this use and key before), so that one draw more or less
 * moves no other, and neither two lives nor two nodes ever draw the same. */
struct fault_chance {
    uint64_t of_node, of_life; /* hashes of (seed, node) and (seed, node, life) */
    struct fault_counts counts;
};

/* It is in life 0. */
void fault_chance_init(struct fault_chance *chance, struct mem *mem, uint64_t seed, uint32_t node);
void fault_chance_free(struct fault_chance *chance);
/* Another life begins. */
void fault_chance_live(struct fault_chance *chance, uint32_t life);
/* 64 random bits. use is a constant of the caller or hash_text() of a name. */
uint64_t fault_chance_draw(struct fault_chance *chance, uint64_t use, uint64_t key);

/* What the world itself draws about each of its nodes; what a node draws is its own. */
struct fault_dice {
    struct fault_chance nodes[FAULT_NODES_MAX];
};

void fault_dice_init(struct fault_dice *dice, struct mem *mem, uint64_t seed);
void fault_dice_free(struct fault_dice *dice);
void fault_dice_live(struct fault_dice *dice, uint32_t node, uint32_t life);
uint64_t fault_draw(struct fault_dice *dice, uint32_t node, uint64_t use, uint64_t key);
/* The same by the time of the draw instead of the count, for what is drawn all the time and asks no
 * more than to differ from one time to the next: nothing is kept. */
uint64_t fault_draw_at(const struct fault_dice *dice, uint32_t node, uint64_t use, uint64_t key,
                       int64_t now_ns);

/* ---- fault points ---- */

/* X(name, text, the error it gives) */
#define FAULT_SITES(X)                                                                             \
    X(DISK_OPEN, "disk/open", IO)                                                                  \
    X(DISK_READ, "disk/read", IO)                                                                  \
    X(DISK_WRITE, "disk/write", IO)                                                                \
    X(DISK_SPACE, "disk/space", NOSPACE)                                                           \
    X(DISK_SYNC, "disk/sync", IO)                                                                  \
    X(DISK_SYNC_DIR, "disk/sync_dir", IO)                                                          \
    X(DISK_RENAME, "disk/rename", IO)                                                              \
    X(DISK_UNLINK, "disk/unlink", IO)                                                              \
    X(DISK_LIST, "disk/list", IO)                                                                  \
    X(NET_CONNECT, "net/connect", REFUSED)                                                         \
    X(NET_ACCEPT, "net/accept", TOOMANY)                                                           \
    X(NET_SEND, "net/send", RESET)                                                                 \
    X(NET_RECEIVE, "net/receive", RESET)                                                           \
    X(ALLOC, "alloc", NOMEM)                                                                       \
    X(DISK_HANDLES, "disk/handles", TOOMANY)                                                       \
    X(NET_HANDLES, "net/handles", TOOMANY)

enum fault_site {
#define X(name, text, error) FAULT_##name,
    FAULT_SITES(X)
#undef X
        FAULT_SITE_COUNT
};

/* "disk/sync" */
const char *fault_site_name(enum fault_site site);

/* ---- plans ---- */

/* What a line harms. Either side of a link may be several nodes: all links between the two. */
enum fault_target {
    FAULT_ON_NODES, /* node broker1 | node broker1,broker3 */
    FAULT_ON_LINK,  /* link broker1-client1 both ways | link broker1>client1,client2 one way */
};

#define FAULT_OTHERS UINT64_MAX /* a side of a link, as *: whoever is not on the other side */

/* Everything a line may say, beside its time, its target, `for` and file=. */
enum fault_param {
    FAULT_P_OP,     /* op=3: at the third operation that the node starts from then on */
    FAULT_P_BY,     /* by=+1d: a time; by how much */
    FAULT_P_TIMES,  /* times=2: so often, then no more */
    FAULT_P_BYTES,  /* bytes=4096 */
    FAULT_P_FACTOR, /* factor=100 */
    FAULT_P_OFFSET, /* offset=1234: a byte of the file */
    FAULT_P_BIT,    /* bit=3: of that byte */
    FAULT_P_WITH,   /* with=broker2: the other node */
    FAULT_P_RATE,   /* rate=1000: per million */
    FAULT_P_SITE,   /* site=disk/sync */
    FAULT_P_KEY,    /* key=0x12ab: what was attempted */
    FAULT_P_COUNT,  /* count=2: equal attempts before, in that life */
    FAULT_P_ERROR,  /* error=IO */
    FAULT_P_CHOICE, /* choice=0x12ab: which of the states that a loss of power may leave */
    FAULT_P_SCRIPT, /* script=4: the fourth harm that the script did */
    FAULT_P_LIFE,   /* life=2: in the node's third life; they are numbered from 0 */
    FAULT_P_EVERY,  /* every=200ms: again and again, so far apart */
    FAULT_P_PPM,    /* ppm=-200: parts of a million */
    FAULT_P_TO,     /* to=8192: another byte of the file */
    FAULT_PARAM_COUNT
};

#define FAULT_TAKES(param) (1u << (FAULT_P_##param))
#define FAULT_TAKES_FILE (1u << 30)
#define FAULT_TAKES_FOR (1u << 31)

/* sync_late: the sync says that all is well, and the next one of the file tells of the failure.
 * break: reads of the sector fail until it is written again. evict: clean pages leave the cache, so
 * that reads show what is on the medium. vanish: a file, or a directory with all in it, is removed.
 * New kinds stand last: their numbers are in traces.
 * X(name, text, target, what its line may say). A kill without `for` is for good (or until somebody
 * starts the node); with it the node starts again so much later. Everything else without `for`
 * happens once or stays until world_heal. */
#define FAULT_KINDS(X)                                                                             \
    X(KILL, "kill", NODES, FAULT_TAKES(OP) | FAULT_TAKES_FOR)                                      \
    X(POWER_LOSS, "power_loss", NODES, FAULT_TAKES(OP) | FAULT_TAKES(CHOICE) | FAULT_TAKES_FOR)    \
    X(PAUSE, "pause", NODES, FAULT_TAKES_FOR)                                                      \
    X(CLOCK, "clock", NODES, FAULT_TAKES(BY) | FAULT_TAKES_FOR)                                    \
    X(SYNC_FAILS, "disk sync_fails", NODES,                                                        \
      FAULT_TAKES(TIMES) | FAULT_TAKES(ERROR) | FAULT_TAKES_FILE | FAULT_TAKES_FOR)                \
    X(WRITE_FAILS, "disk write_fails", NODES,                                                      \
      FAULT_TAKES(TIMES) | FAULT_TAKES(ERROR) | FAULT_TAKES_FILE | FAULT_TAKES_FOR)                \
    X(SYNC_LATE, "disk sync_late", NODES, FAULT_TAKES(TIMES) | FAULT_TAKES_FILE | FAULT_TAKES_FOR) \
    X(READ_FAILS, "disk read_fails", NODES,                                                        \
      FAULT_TAKES(TIMES) | FAULT_TAKES_FILE | FAULT_TAKES_FOR)                                     \
    X(DISK_FULL, "disk full", NODES, FAULT_TAKES(BYTES) | FAULT_TAKES_FOR)                         \
    X(DISK_SLOW, "disk slow", NODES, FAULT_TAKES(FACTOR) | FAULT_TAKES_FOR)                        \
    X(DISK_HANG, "disk hang", NODES, FAULT_TAKES_FOR)                                              \
    X(DISK_FLIP, "disk flip", NODES, FAULT_TAKES(OFFSET) | FAULT_TAKES(BIT) | FAULT_TAKES_FILE)    \
    X(DISK_BREAK, "disk break", NODES, FAULT_TAKES(OFFSET) | FAULT_TAKES_FILE)                     \
    X(DISK_EVICT, "disk evict", NODES, 0)                                                          \
    X(DISK_LOSE, "disk lose", NODES, 0)                                                            \
    X(DISK_SWAP, "disk swap", NODES, FAULT_TAKES(WITH))                                            \
    X(CUT, "cut", LINK, FAULT_TAKES(EVERY) | FAULT_TAKES_FOR)                                      \
    X(RESET, "reset", LINK, 0)                                                                     \
    X(HALF_OPEN, "half_open", LINK, 0)                                                             \
    X(DELAY, "delay", LINK, FAULT_TAKES(BY) | FAULT_TAKES_FOR)                                     \
    X(BANDWIDTH, "bandwidth", LINK, FAULT_TAKES(BYTES) | FAULT_TAKES_FOR)                          \
    X(SLOW_READER, "slow_reader", NODES, FAULT_TAKES(BYTES) | FAULT_TAKES_FOR)                     \
    X(RATE, "rate", NODES, FAULT_TAKES(SITE) | FAULT_TAKES(RATE) | FAULT_TAKES_FOR)                \
    X(FAIL, "fail", NODES,                                                                         \
      FAULT_TAKES(SITE) | FAULT_TAKES(KEY) | FAULT_TAKES(COUNT) | FAULT_TAKES(ERROR) |             \
          FAULT_TAKES(LIFE))                                                                       \
    X(DISK_VANISH, "disk vanish", NODES, FAULT_TAKES_FILE)                                         \
    X(STALL, "stall", NODES, FAULT_TAKES(BY) | FAULT_TAKES(EVERY) | FAULT_TAKES_FOR)               \
    X(DRIFT, "drift", NODES, FAULT_TAKES(PPM) | FAULT_TAKES_FOR)                                   \
    X(SLOW_SYNC, "disk slow_sync", NODES, FAULT_TAKES(FACTOR) | FAULT_TAKES_FOR)                   \
    X(WRITEBACK, "disk writeback", NODES, FAULT_TAKES(EVERY) | FAULT_TAKES_FOR)                    \
    X(DISK_MISDIRECT, "disk misdirect", NODES,                                                     \
      FAULT_TAKES(OFFSET) | FAULT_TAKES(TO) | FAULT_TAKES_FILE)                                    \
    X(DISK_STALE, "disk stale", NODES, FAULT_TAKES(OFFSET) | FAULT_TAKES_FILE)                     \
    X(DISK_BACKUP, "disk backup", NODES, 0)                                                        \
    X(DISK_RESTORE, "disk restore", NODES, 0)                                                      \
    X(DUPLICATE, "duplicate", LINK, 0)

enum fault_kind {
#define X(name, text, target, takes) FAULT_##name,
    FAULT_KINDS(X)
#undef X
        FAULT_KIND_COUNT
};

/* "disk sync_fails" */
const char *fault_kind_name(enum fault_kind kind);
enum fault_target fault_kind_target(enum fault_kind kind);
/* Its line may say how long it lasts. */
bool fault_kind_takes_for(enum fault_kind kind);

#define FAULT_PPM_MAX 500000
#define FAULT_FILE_MAX 64
#define FAULT_LINE_TEXT_MAX 320
#define FAULT_NAME_MAX 32 /* bytes of a node's name, with its zero */

/* What nodes are called; the i-th name is that of node i. */
struct fault_names {
    char name[FAULT_NODES_MAX][FAULT_NAME_MAX];
    int32_t count;
    bool open; /* a line may speak of others too, which are added */
};

/* A letter, then letters, digits, '.', '_' and '-'. */
bool fault_name_is_good(struct bytes name);
bool fault_names_find(const struct fault_names *names, struct bytes name, uint32_t *node);
/* ERR_INVALID: it is no name; ERR_LIMIT. */
enum err fault_names_add(struct fault_names *names, struct bytes name) MUST_USE;
void fault_names_print(const struct fault_names *names, const char *separator, struct text *out);

/* One fault. Zeroed fields say nothing; a line compares and hashes by fault_line_id. */
struct fault_line {
    int64_t at_ns;
    int64_t for_ns; /* 0: not said */
    enum fault_kind kind;
    uint64_t nodes;    /* FAULT_ON_NODES: a bit each */
    uint64_t from, to; /* FAULT_ON_LINK: a bit each, or FAULT_OTHERS on one side */
    bool one_way;      /* from > to alone */
    /* `on LEADER_ON(3) do ...`: at the third row of that kind, instead of at a time. */
    uint8_t on_row; /* enum trace_kind + 1; 0: at its time */
    uint8_t it;     /* FAULT_IT_*: where the node stands whose row it was */
    int64_t on_count;
    int64_t param[FAULT_PARAM_COUNT];
    char file[FAULT_FILE_MAX]; /* a part of the path; "" is every file */
};

enum {
    FAULT_IT_NODES = 1,
    FAULT_IT_FROM = 2,
    FAULT_IT_TO = 4,
};

static inline uint64_t fault_node(uint32_t node)
{
    ASSERT(node < FAULT_NODES_MAX);
    return 1ull << node;
}

/* A line's text, as `at 12.4s node broker1 kill op=3 for 250ms`. Without names nodes are numbers,
 * as in `node 0`. Appends no newline. */
void fault_line_print(const struct fault_line *line, const struct fault_names *names,
                      struct text *out);
/* ERR_INVALID: the message says which word. Nodes are numbers. */
enum err fault_line_parse(struct fault_line *line, struct bytes text, struct errmsg *msg) MUST_USE;
/* The same where nodes have names; names that are not there are added when it is open. */
enum err fault_line_parse_named(struct fault_line *line, struct bytes text,
                                struct fault_names *names, struct errmsg *msg) MUST_USE;
/* All nodes that it speaks of by name or number. */
uint64_t fault_line_nodes(const struct fault_line *line);
/* What a line that waits for a row comes to at that time, when it was a row of that node. */
struct fault_line fault_line_fire(const struct fault_line *line, uint32_t node, int64_t now_ns);
/* The same for the same text, whatever plan it stands in. */
uint64_t fault_line_id(const struct fault_line *line);

/* "1.5s", "250ms", "-3d": exact. ns, us, ms, s, m, h, d and y (365 days); ERR_INVALID, ERR_RANGE.
 */
void fault_time_print(int64_t ns, struct text *out);
enum err fault_time_parse(struct bytes text, int64_t *ns) MUST_USE;

#define FAULT_PLAN_LINES_MAX 65536

struct fault_plan {
    struct mem *mem;
    struct fault_line *lines;
    int32_t count, cap;
    bool truncated; /* there was no room for more */
    bool named;     /* its text speaks of nodes by these names, which its first line lists */
    struct fault_names names;
};

void fault_plan_init(struct fault_plan *plan, struct mem *mem);
void fault_plan_free(struct fault_plan *plan);
/* ERR_NOMEM, ERR_LIMIT. */
enum err fault_plan_add(struct fault_plan *plan, const struct fault_line *line) MUST_USE;
/* Takes out one line; the others keep their order. What a shrinker does. */
void fault_plan_remove(struct fault_plan *plan, int32_t index);
/* By time; equal times keep their order. ERR_NOMEM. */
enum err fault_plan_sort(struct fault_plan *plan) MUST_USE;
/* One line each; # begins a comment. */
void fault_plan_print(const struct fault_plan *plan, struct text *out);
/* Adds the lines of a text to plan. ERR_INVALID (the message has the line's number; a record that
 * says it was cut short is refused too), ERR_LIMIT, ERR_NOMEM. */
enum err fault_plan_parse(struct fault_plan *plan, struct bytes text, struct errmsg *msg) MUST_USE;

/* ---- swarms ---- */

#define FAULT_BIT(kind) (1ull << FAULT_##kind)
/* What an honest system with one copy of everything survives without losing what it acknowledged.
 */
#define FAULT_SURVIVABLE                                                                           \
    (FAULT_BIT(KILL) | FAULT_BIT(POWER_LOSS) | FAULT_BIT(PAUSE) | FAULT_BIT(CLOCK) |               \
     FAULT_BIT(SYNC_FAILS) | FAULT_BIT(WRITE_FAILS) | FAULT_BIT(READ_FAILS) |                      \
     FAULT_BIT(DISK_FULL) | FAULT_BIT(DISK_EVICT) | FAULT_BIT(DISK_SLOW) | FAULT_BIT(DISK_HANG) |  \
     FAULT_BIT(CUT) | FAULT_BIT(RESET) | FAULT_BIT(HALF_OPEN) | FAULT_BIT(DELAY) |                 \
     FAULT_BIT(BANDWIDTH) | FAULT_BIT(SLOW_READER) | FAULT_BIT(RATE) | FAULT_BIT(STALL) |          \
     FAULT_BIT(DRIFT) | FAULT_BIT(SLOW_SYNC) | FAULT_BIT(WRITEBACK) | FAULT_BIT(DUPLICATE))
#define FAULT_DAMAGING                                                                             \
    (FAULT_BIT(SYNC_LATE) | FAULT_BIT(DISK_FLIP) | FAULT_BIT(DISK_BREAK) | FAULT_BIT(DISK_LOSE) |  \
     FAULT_BIT(DISK_SWAP) | FAULT_BIT(DISK_VANISH) | FAULT_BIT(DISK_MISDIRECT) |                   \
     FAULT_BIT(DISK_STALE) | FAULT_BIT(DISK_RESTORE))

/* Done at once, or there was nothing to do it to. */
#define FAULT_AT_REST                                                                              \
    (FAULT_BIT(DISK_FLIP) | FAULT_BIT(DISK_BREAK) | FAULT_BIT(DISK_VANISH) |                       \
     FAULT_BIT(DISK_STALE) | FAULT_BIT(DISK_MISDIRECT) | FAULT_BIT(DISK_RESTORE))

struct fault_swarm {
    uint64_t seed;
    uint64_t kinds;   /* FAULT_BIT of what may happen at all; each is then on or off by the seed */
    uint64_t servers; /* nodes whose process, disk and clock may be harmed */
    uint64_t clients; /* nodes whose process and clock may be harmed, too, now and then */
    uint64_t nodes;   /* nodes whose links may be harmed */
    int32_t
        intact; /* servers whose disks nothing of FAULT_DAMAGING strikes: which, the seed says */
    int64_t start_ns, end_ns; /* every fault begins and ends between */
};

/* Draws a plan: which kinds are on, how often each comes, when, on whom, how long; one fault at
 * least, where one of the kinds can happen at all, and in a third of the seeds four at most. Adds
 * to plan. ERR_NOMEM, ERR_LIMIT. */
enum err fault_plan_draw(struct fault_plan *plan, const struct fault_swarm *swarm) MUST_USE;

/* ---- the engine: one a world ---- */

#define FAULT_RATE_WHOLE 1000000 /* rates are parts of it */

struct fault_point_line;

/* Embedded in whoever wants each fault at the moment it fires, before it has done anything: what
 * comes later may be the end of the process. Borrows the line and the names of the nodes. */
struct fault_watch {
    void (*fired)(struct fault_watch *watch, const struct fault_line *line,
                  const struct fault_names *names);
};

/* What a plan says of fault points, which nothing changes later, and the record of what fired. */
struct fault_engine {
    struct mem *mem;
    uint64_t seed;
    struct fault_plan fired;        /* every fault that fired, in order; the owner adds names */
    bool armed[FAULT_SITE_COUNT];   /* points begin with these */
    struct fault_point_line *lines; /* the plan's FAIL lines, found by_attempt */
    struct hmap by_attempt;
    struct fault_watch *watch; /* the owner's to set; NULL: nobody */
};

/* Arms the sites that plan names in RATE and FAIL lines, and those of armed (a bit each), for the
 * whole run, so that counts begin at its beginning. Borrows plan, which may be NULL. ERR_NOMEM. */
enum err fault_engine_init(struct fault_engine *engine, struct mem *mem, uint64_t seed,
                           const struct fault_plan *plan, uint32_t armed) MUST_USE;
void fault_engine_free(struct fault_engine *engine);
/* Notes that a fault fired. Beyond FAULT_PLAN_LINES_MAX the record says so and stays as it is. */
void fault_engine_fired(struct fault_engine *engine, const struct fault_line *line);
/* The first half of it alone: the watch is told. */
void fault_engine_tell(const struct fault_engine *engine, const struct fault_line *line);
/* The second half alone: it stands in the record. */
void fault_engine_record(struct fault_engine *engine, const struct fault_line *line);

/* The fault points of one node: attempts are counted by site, key and life, and by nothing else. */
struct fault_points {
    const struct fault_engine *engine;
    uint32_t node, life;
    bool armed[FAULT_SITE_COUNT]; /* tested first: a point that is not costs one byte */
    bool any_armed;
    uint32_t rate[FAULT_SITE_COUNT]; /* per million, now */
    struct fault_counts counts;
    /* An attempt fails; line says which, but for at_ns. The owner has it recorded. */
    void (*failed)(struct fault_points *points, struct fault_line *line);
};

/* In life 0. Borrows engine. */
void fault_points_init(struct fault_points *points, const struct fault_engine *engine,
                       uint32_t node,
                       void (*failed)(struct fault_points *points, struct fault_line *line));
void fault_points_free(struct fault_points *points);
/* Another life begins. */
void fault_points_live(struct fault_points *points, uint32_t life);
/* Nothing fails any more. */
void fault_points_disarm(struct fault_points *points);
/* From now on; rate per million. The site must be armed, or have been. */
void fault_points_rate(struct fault_points *points, enum fault_site site, uint32_t rate);
/* The slow half of FAULT. */
enum err fault_points_ask(struct fault_points *points, enum fault_site site, uint64_t key);

/* A fault point: ERR_NONE, or the error that this attempt shall have. key says what is attempted
 * (a hash of path, bytes ...), so that the same attempt fails again only by a draw of its own. */
static inline enum err fault_point(struct fault_points *points, enum fault_site site, uint64_t key)
{
    return __builtin_expect(points->armed[site], 0) ? fault_points_ask(points, site, key)
                                                    : ERR_NONE;
}

#define FAULT(points, site, key) fault_point(points, FAULT_##site, key)

#endif
