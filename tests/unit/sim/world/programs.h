/* programs.h - small programs for nodes, and a stage on which they run. */
#ifndef TEST_WORLD_PROGRAMS_H
#define TEST_WORLD_PROGRAMS_H

#include "world/world.h"
#include "support/test.h"

#define SECOND_NS 1000000000ll
#define MS_NS 1000000ll

/* Listens on 7000 and sends back what it receives, on as many connections as come. */
extern const struct world_program echo_program;
/* args: "HOST COUNT SIZE". Sends COUNT messages of SIZE pattern bytes, one at a time, each after
 * the echo of the last; reconnects when the stream breaks. Answers any command with pinger_report.
 */
extern const struct world_program pinger_program;
struct pinger_report {
    uint32_t echoed, wrong, errors;
    bool finished;
};
/* Arms eight timers of drawn lengths up to 20 ms over and over; a row LOG_ROLL (partition: timer,
 * base: env_wall) for each. It cannot be stopped in good order: it leaks. */
extern const struct world_program ticker_program;
/* Appends 100-byte records to "dir/log" and syncs after each; begins where the file ends.
 * LOG_DURABLE rows (partition 1, end) tell how many records are safe. */
#define RECORD_SIZE 100
extern const struct world_program writer_program;

/* A world with what its watchers saw. */
struct stage {
    struct world *world;
    struct mem mem;
    struct world_sink sink;
    uint64_t rows[TRACE_KIND_COUNT];
    uint64_t rows_hash;
    struct test_row last[TRACE_KIND_COUNT];
    uint32_t reply_count;
    uint8_t reply[256];
    size_t reply_size;
    uint32_t exit_count;
    enum err exit_err;
    int64_t leaked_count;
};

void stage_open(struct stage *stage, const struct world_config *config);
/* Without watchers. */
void stage_open_blind(struct stage *stage, const struct world_config *config);
/* Frees it; fails the test when the simulator leaks. */
void stage_close(struct stage *stage);
/* Adds and starts. */
uint32_t stage_add(struct stage *stage, const struct world_program *program, const char *name,
                   const char *args);
uint64_t stage_hash(const struct stage *stage);
/* Asks until the pinger has finished; its report. */
struct pinger_report stage_ask_pinger(struct stage *stage, uint32_t node);

#endif
