/* internal.h - one run of one script: its tasks, its nodes, what it has seen. */
#ifndef KILN_SCRIPT_INTERNAL_H
#define KILN_SCRIPT_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include "history/history.h"
#include "script/stage.h"
#include "script/view.h"
#include "script/workload.h"

#define SCRIPT_NODES_MAX WORLD_NODES_MAX
#define SCRIPT_SAID_MAX 4096
#define SCRIPT_REPLY_MAX 1024
#define SCRIPT_MEMORY_MAX (64 << 20) /* of the Lua state */
#define SCRIPT_MEMORY_SPARE (1 << 20)
#define SCRIPT_STRING_MAX 16384          /* bytes; closed.lua knows it too */
#define SCRIPT_INSTRUCTIONS_MAX 50000000 /* between two waits of one task */
#define SCRIPT_COPIED_MAX (1ull << 30)   /* bytes of new memory, likewise */
#define SCRIPT_REFUSALS_MAX 100          /* of memory, likewise: each costs a collection */
#define SCRIPT_WAITS_MAX 10000000        /* of all tasks together */
/* Until the claim, when only that is asked for. */
#define SCRIPT_CLAIM_INSTRUCTIONS_MAX 1000000
#define SCRIPT_CLAIM_COPIED_MAX (64ull << 20)
#define SCRIPT_COMMAND_WAIT_NS (60ll * 1000000000)
/* The service level that a scenario promises when it says nothing else. */
#define SERVICE_SEND_NS 1000000000ll
#define SERVICE_READ_NS 800000000ll
#define SERVICE_RECOVERY_NS 1500000000ll
#define SCRIPT_LATE_MAX 128   /* bytes of what it waited for */
#define SCRIPT_SHOWN_MAX 2000 /* bytes of the script's text that an expect looks at */

/* A node that the script asked for; added to the world when there is one. */
struct script_node {
    const struct world_program *program;
    char name[WORLD_NAME_MAX];
    char args[SCRIPT_ARGS_MAX];
    bool added;
    /* As its rows tell. */
    bool ready, done, offline;
    bool clean;        /* a broker that ended so, as far as it is known */
    int64_t image_end; /* its metadata reach to there, as it ends; -1: it has not said so */
    uint64_t lives;    /* that have begun */
    char said[SCRIPT_SAID_MAX];
    size_t said_size;
};

/* A coroutine, and what it waits for. */
struct task {
    struct list link;
    struct script *script;
    struct stage_call call;
    lua_State *co;
    bool own;         /* the prelude's: the script ends without it */
    int ref;          /* keeps co from being collected */
    uint64_t command; /* whose reply it waits for; 0: none */
    char reply[SCRIPT_REPLY_MAX];
    size_t reply_size;
    bool replied;
};

struct script {
    struct mem *mem;
    const struct script_options *options;
    struct script_result *result;
    struct stage *stage; /* NULL until something needs it */
    struct stage_ear ear;
    struct view *view; /* of the cluster; NULL: as the stage */
    struct check *check;
    struct history_names *names; /* of partitions, for findings */
    struct check_contract contract;
    struct bytes source;
    struct fault_plan plan;    /* in force; nodes are numbers of the world */
    struct fault_plan written; /* what the script's text says */
    char written_place[SCRIPT_PLACE_MAX];
    bool has_swarm;
    int64_t swarm_from_ns, swarm_until_ns;
    uint64_t swarm_kinds;
    int64_t swarm_intact; /* disks of brokers that it does not damage; below 0: not said */
    enum net_split split;
    int64_t time_max_ns;      /* what the script says; 0: nothing */
    int64_t sleep_ns_longest; /* of a single sleep so far */
    lua_State *lua;
    size_t lua_bytes;
    /* Of the stretch between two waits. */
    uint64_t copied;
    int32_t refusal_count;
    const char *spent; /* what there was too much of; NULL: nothing */
    uint64_t wait_count;
    int32_t harm_count;
    struct list tasks;
    struct task *running;
    struct script_node nodes[SCRIPT_NODES_MAX];
    uint32_t node_count;
    uint64_t last_command;
    /* The first wait in vain, and the last one while nobody has looked at its answer. */
    char late[SCRIPT_TEXT_MAX];
    char late_text[SCRIPT_LATE_MAX], late_place[SCRIPT_PLACE_MAX];
    uint64_t late_turn; /* the wait_count of the last one */
    uint64_t row_count[TRACE_KIND_COUNT];
    bool only_claim;      /* script_claim: stop at the claim */
    bool without_brokers; /* controllers alone */
    bool has_left_out;    /* a partition that nobody need read */
    bool has_met;         /* an expect, and was not broken by it */
    bool finishing, ended;
};

/* lua.c: a closed state with the prelude run. ERR_NOMEM; ERR_INVALID with a message. */
enum err script_open_lua(struct script *s, struct errmsg *msg) MUST_USE;
/* primitives.c, looks.c: fill the table on top of the stack. */
void script_add_primitives(lua_State *lua);
void script_add_looks(lua_State *lua);
/* Adds heard() where somebody listens. */
void script_add_ear(lua_State *lua);
struct script *script_of(lua_State *lua);

/* looks.c: a word is near another when fewer of its letters than that must change. */
int script_near_limit(const char *word);

/* engine.c */
/* The world with all nodes so far, and the broker and admin started. False: the result says why
 * not. */
bool script_boot(struct script *s);
/* Makes a task of the function on top of the stack (it is popped) and lets it run as an event of
 * its own. */
enum err script_spawn(struct script *s, lua_State *lua) MUST_USE;
/* The script that runs has used up something, which the text names: each further step of it fails.
 */
void script_spend(struct script *s, const char *text);
/* Ends the run with that verdict, unless it has ended. The text becomes its finding. */
void script_end(struct script *s, enum script_verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Where in the script the end came about, and of an expect its condition and what it found; any of
 * the texts may be NULL. Behind script_end. */
void script_end_place(struct script *s, const char *file, int line, const char *condition,
                      const char *found);

/* findings.c */
/* What the checks have found, before what the script ended with unless that is graver. */
void script_collect_findings(struct script *s);
/* The script's own end as a finding. */
struct script_finding *script_own_finding(struct script *s, enum script_verdict verdict,
                                          const char *why);

/* The innermost line of the script itself: what the prelude or a primitive noticed was done there.
 */
bool script_find_line(lua_State *lua, lua_Debug *ar);
/* "orders.lua:5", or the script's name alone. */
void script_place(lua_State *lua, char *place, size_t size);

/* waits.c */
/* A wait of the running task came to nothing. */
void script_note_late(struct script *s, const char *text);
/* Takes back the one that was noted since the last wait. False: there is none. */
bool script_take_late(struct script *s, char text[SCRIPT_LATE_MAX]);
/* The script has ended: a line of its plan that is not due yet counts like a wait in vain. */
void script_note_unplayed(struct script *s);
/* The first that counts, or NULL. */
const char *script_late(struct script *s);

/* plans.c */
void script_node_names(const struct script *s, struct fault_names *names);
/* ERR_INVALID, with a message: why that harm cannot strike. */
enum err script_check_harm(const struct script *s, const struct fault_line *line,
                           struct errmsg *msg) MUST_USE;
/* What is in force when the world begins. False: the run has ended. */
bool script_make_plan(struct script *s);
/* A node that a plan speaks of and nobody has added; NULL: none. */
const char *script_plan_stranger(const struct script *s);
void script_copy_plan(const struct script *s, struct fault_plan *to, const struct fault_plan *from);

/* verdict.c */
void script_judge(struct script *s);

/* leavings.c. A broker has ended cleanly: tells by rows what is wrong with the files that it left.
 */
void script_judge_leavings(struct script *s, uint32_t node);

/* replayed.c. The same broker has said up to which offset it knew its metadata: tells by a row what
 * the newest snapshot and the log on its disk come to up to there. */
void script_judge_metadata(struct script *s, uint32_t node);

#endif
