/* stage.h - where a scenario plays: all that a script may ask of the world around its nodes, and
 * all that it hears of it. Nothing else in this room speaks to a world, so that the same scenario
 * plays wherever there is a stage: with its nodes in one process, in threads or in processes of
 * their own.
 *
 * Times are nanoseconds since the beginning. Nodes go by numbers, from 0 on in the order in which
 * they were added. What is asked for happens as an event of its own, never inside of the call,
 * unless it says otherwise. */
#ifndef KILN_SCRIPT_STAGE_H
#define KILN_SCRIPT_STAGE_H

#include "script/script.h"

struct stage;

/* Something that the script does at a certain time. Zero it, set run, then ask. */
struct stage_call {
    void (*run)(struct stage_call *call);
    struct world_call event;
};

/* Who listens; any member may be NULL. None of them may ask the stage for anything but a call. */
struct stage_ear {
    void (*row)(struct stage_ear *ear, const struct trace_row *row);
    void (*reply)(struct stage_ear *ear, uint64_t command, struct bytes reply);
    void (*exited)(struct stage_ear *ear, uint32_t node, int64_t leaked_count);
    void (*broke)(struct stage_ear *ear, const struct world_break *what);
};

/* How it is set before anything happens. */
struct stage_setting {
    const struct script_options *options;
    const struct fault_plan *plan; /* borrowed until script_stage_close */
    enum net_split split;
    struct stage_ear *ear; /* hears before those of the options */
};

enum stage_end {
    STAGE_REACHED, /* the time asked for */
    STAGE_IDLE,    /* the same, and nothing will ever happen again by itself */
    STAGE_HALTED,
};

/* NULL and a message: there is no memory, or nowhere for nodes to run. */
struct stage *script_stage_open(struct mem *mem, const struct stage_setting *setting,
                                struct errmsg *msg) MUST_USE;
/* Whoever is on it ends unasked. stage may be NULL. */
void script_stage_close(struct stage *stage);

/* Adds a node, not running; its number is that of those before it. False: the message says why. */
bool script_stage_add_node(struct stage *stage, const struct world_program *program,
                           const char *name, struct bytes args, struct errmsg *msg) MUST_USE;
/* Begins a life; harmless when there is one. Whoever has died of harm lives again at
 * script_stage_heal. */
void script_stage_start(struct stage *stage, uint32_t node);
/* Asks for a clean end; harmless when there is nobody. */
void script_stage_stop(struct stage *stage, uint32_t node);
/* Whether its process is there, paused or not. */
bool script_stage_is_alive(const struct stage *stage, uint32_t node);
/* False: it does not run. A command to a node that dies first is lost without a word. */
bool script_stage_command(struct stage *stage, uint32_t node, uint64_t command,
                          struct bytes text) MUST_USE;

int64_t script_stage_now(const struct stage *stage);
/* Asking again moves it. */
void script_stage_call_at(struct stage *stage, struct stage_call *call, int64_t time_ns);
/* Lets happen what happens up to that time. */
enum stage_end script_stage_run_until(struct stage *stage, int64_t time_ns);
/* script_stage_run_until returns after what happens now. */
void script_stage_halt(struct stage *stage);

/* Harm, at once: any kind of line, at_ns aside. */
void script_stage_harm(struct stage *stage, const struct fault_line *line);
/* All harm ends, and who died starts. */
void script_stage_heal(struct stage *stage);
/* The same for these nodes and the links among them alone; the others stand still until
 * script_stage_heal (world_heal_core). */
void script_stage_heal_core(struct stage *stage, uint64_t core);
/* A node's, to look at; and a row about it, by who has looked. */
const struct disk *script_stage_disk(const struct stage *stage, uint32_t node);
void script_stage_tell(struct stage *stage, uint32_t node, enum trace_kind kind,
                       const void *columns, const char *text);
/* Every fault that fired, in order. Valid until script_stage_close. */
const struct fault_plan *script_stage_fired(const struct stage *stage);

/* How often a mark was reached so far. */
uint64_t script_stage_mark_count(const struct stage *stage, enum trace_mark mark);
/* Nothing happens any more: what it came to. Once, at the end. */
void script_stage_sum_up(struct stage *stage, struct world_stats *stats);

#endif
