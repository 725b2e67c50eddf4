/* rig.h - one partition in the simulated world, driven by hand: boot, append, crash, boot again. */
#ifndef TEST_LOG_RIG_H
#define TEST_LOG_RIG_H

#include "log/log.h"
#include "support/test.h"
#include "world/world.h"

#define RIG_STEPS_MAX 2000000
#define RIG_RECORDS_MAX 20000

struct rig_op {
    struct log_op op;
    struct dir_op dir_op; /* or that, with rig_dir_done */
    bool done;
    enum err e;
};

struct rig {
    struct mem mem;
    struct world *world;
    struct world_sink sink;
    uint32_t node;
    struct world_seat *seat; /* NULL: the node is down */
    bool idle;               /* the last step found nothing to do */
    uint64_t step_count;
    struct dir_config dir_config;
    struct mem *heap; /* of the directory; NULL: the node's */
    enum log_flush flush;
    struct log_config config;
    uint8_t topic_id[16];
    struct log_birth birth; /* the epoch that rig_append writes in, from the first */
    struct dir *dir;
    struct log_set *logs;
    struct log *log;
    struct log_watch watch;
    enum err told;   /* by the watch */
    int64_t cut_end; /* by the watch, -1: never */
    int cuts, moves;
    struct errmsg msg; /* of the last operation that failed */
    uint64_t rows[TRACE_KIND_COUNT];
    struct test_row last[TRACE_KIND_COUNT];
    /* What was appended: body of each offset in the latest attempt. */
    uint64_t bodies[RIG_RECORDS_MAX];
    int64_t durable; /* the greatest durable end ever shown, over all lives */
    uint64_t next_body;
};

/* Says why not. */
#define rig_ok(rig, expression)                                                                    \
    do {                                                                                           \
        enum err rig_e = (expression);                                                             \
        if (rig_e != ERR_NONE)                                                                     \
            fail_msg("%s: %s", err_name(rig_e), (rig)->msg.text);                                  \
    } while (0)

struct rig *rig_new(uint64_t seed);
struct rig *rig_new_with(const struct world_config *config);
void rig_free(struct rig *rig);

/* Starts a life. */
void rig_start(struct rig *rig);
/* One event. False: the node is down. */
bool rig_step(struct rig *rig);
/* Until *done, or the node is down (then false), */
bool rig_until(struct rig *rig, const bool *done);
/* or for that long, */
bool rig_run(struct rig *rig, int64_t ns);
/* or until all that was written is durable. */
bool rig_until_durable(struct rig *rig);

/* A line of a plan, without its time: "at 0s node 0 disk full". */
void rig_harm(struct rig *rig, const char *line);
void rig_heal(struct rig *rig);

/* Completions of a struct rig_op. */
void rig_log_done(struct log_op *op, enum err e);
/* Opens the directory and the partition; ERR_OFFLINE also when the node went down. */
void rig_dir_done(struct dir_op *op, enum err e);
enum err rig_open_dir(struct rig *rig);
void rig_free_dir(struct rig *rig);
enum err rig_open_log(struct rig *rig);
enum err rig_boot(struct rig *rig); /* start and both */
/* ERR_OFFLINE also when the node went down. */
enum err rig_truncate(struct rig *rig, int64_t to);
enum err rig_reset(struct rig *rig, int64_t start);
enum err rig_advance(struct rig *rig, int64_t to);
/* Clean end: directory, log, node. */
enum err rig_close(struct rig *rig);
/* A clean end, and the files that it leaves beside full segments are those of their logs. The node
 * is there. */
void rig_close_sound(struct rig *rig);
/* The node will die at the k-th operation that it starts from now on. */
void rig_doom(struct rig *rig, int k);
/* The node dies, by itself or with the power. */
void rig_kill(struct rig *rig);
void rig_power(struct rig *rig);

/* One batch of that many records of about size bytes each, in node memory; the body of each record
 * is a number. */
struct slice rig_batch(struct rig *rig, int records, int size, int64_t timestamp,
                       int64_t producer_id, int16_t epoch, int32_t sequence);
/* Appends one and notes its bodies. */
struct log_appended rig_append(struct rig *rig, int records, int size);
struct log_appended rig_append_as(struct rig *rig, int records, int size, int64_t timestamp,
                                  int64_t producer_id, int16_t epoch, int32_t sequence);
/* What was given of the log from offset on: whole batches of it. Gives the offset behind them; -1:
 * it could not be read. */
int64_t rig_check_part(struct rig *rig, const struct env_part *part, int64_t offset);
/* Reads all from the log start to end and checks every record; the number of records, or -1 with
 * rig->msg. */
int64_t rig_read_all(struct rig *rig, int64_t end, int32_t bytes_max, bool load);
/* Indexes and producers are what the segments' files give; offsets join from file to file. Nothing
 * may be in flight; the whole log must be there. */
void rig_check_inside(struct rig *rig);
/* No more files are open, or open with bytes that are not synced, than may be. */
void rig_check_files(struct rig *rig);
int rig_open_files(struct rig *rig);
int32_t rig_next_sequence(struct rig *rig, int64_t producer_id);
/* The bytes of a file, as the node sees it (test memory). NULL: none. */
uint8_t *rig_file(struct rig *rig, const char *path, size_t *size);
void rig_overwrite(struct rig *rig, const char *path, uint64_t offset, const void *bytes,
                   size_t size);
bool rig_exists(struct rig *rig, const char *path);
/* An empty file. */
void rig_make(struct rig *rig, const char *path);
/* A file, or a directory with the files in it. */
void rig_remove(struct rig *rig, const char *path);
/* The names in a directory that end so. */
int rig_count(struct rig *rig, const char *path, const char *suffix);

#endif
