/* area.h - the memory that the world and the processes of its nodes share: one event goes in, what
 * the handler did comes out. One for all nodes, for only one handler runs at a time. */
#ifndef KILN_SHM_AREA_H
#define KILN_SHM_AREA_H

#include "shm/turn.h"
#include "world/half.h"

#define SHM_EVENT_BYTES_MAX (ENV_IO_BYTES_MAX + 65536ull)
#define SHM_LOG_BYTES_MAX (2ull << 30) /* of one handler */
#define SHM_EXTENT_BYTES_MAX (2ull << 30)

/* What stands at its begin. */
struct shm_head {
    struct shm_turn turns[WORLD_NODES_MAX];
    /* For the node. */
    struct half_event event; /* its bytes stand in area.event */
    uint32_t refuse_rate;
    bool refuse_no_more;
    /* From the node. */
    enum err begun; /* ERR_NONE, or why it has no life */
    struct half_state state;
    struct half_lasting lasting;
    uint64_t log_size;
    int32_t extent_count; /* in area.extents: a size, then bytes padded to 8 */
    uint64_t rows[WORLD_TRACE_WORDS];
};

struct shm_area {
    struct shm_head *head;
    uint8_t *event, *log, *extents;
};

/* ERR_NOMEM: no address range. Pages that nobody touches cost nothing. */
enum err shm_area_new(struct shm_area *area) MUST_USE;
void shm_area_free(struct shm_area *area);

/* The world's side: puts an event in. */
void shm_area_put_event(struct shm_area *area, const struct half_event *event);
/* The node's side: its log, rows and state are out; its extents lie where it made them. */
void shm_area_put_answer(struct shm_area *area, const struct half_log *log);
/* The world's side: what the node left there becomes log (whose data stays in the area), rows and
 * state. NULL, or what is wrong with it: its code may have written anything there. ERR_NOMEM of
 * extents is an assertion. */
const char *shm_area_take_answer(const struct shm_area *area, struct half_log *log, uint64_t *rows,
                                 struct half_state *state);
/* Of a node that gave no answer: the rows that it had written. */
void shm_area_take_rows(const struct shm_area *area, uint64_t *rows);

#endif
