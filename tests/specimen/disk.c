/* disk.c - the log and the vote of a node of the specimen. A log that is found is written again
 * under a new name and synced: reads may show what no sync will ever bring down (env_sync). */
#include "specimen/specimen.h"

#define RECORD 32
#define WRITE_MAX 64    /* records of one write */
#define VOTE_APART 4096 /* the two places of the vote share no page */
#define VOTE_PLACES 2

/* ---- records ---- */

static void seal(uint8_t *record)
{
    put_u64(record + 24, crc32c(0, record, 24));
}

static bool is_sealed(const uint8_t *record)
{
    return get_u64(record + 24) == crc32c(0, record, 24);
}

static void put_record(uint8_t *at, uint64_t index, struct entry entry)
{
    put_u64(at, index);
    put_u64(at + 8, entry.epoch);
    put_u64(at + 16, entry.vid);
    seal(at);
}

/* What stands behind an older epoch was cut off, and nobody has written over it yet. */
static bool follows(const struct register_disk *disk, const uint8_t *at, uint64_t index)
{
    return is_sealed(at) && get_u64(at) == index && get_u64(at + 8) > 0 &&
           get_u64(at + 8) >= register_disk_last_epoch(disk);
}

uint64_t register_disk_last_epoch(const struct register_disk *disk)
{
    return disk->end == 0 ? 0 : disk->log[disk->end - 1].epoch;
}

/* ---- the log ---- */

static void fail(struct register_disk *disk, enum err e)
{
    world_exit(disk->seat, e);
}

static void pump(struct register_disk *disk);

static void on_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct register_disk *disk = CONTAINER_OF(op, struct register_disk, op);
    (void)n;
    disk->busy = false;
    if (e != ERR_NONE) {
        fail(disk, e);
        return;
    }
    disk->durable = MIN(disk->covers, disk->limit);
    TRACE(disk->seat->trace, LOG_DURABLE, .partition = REGISTER_PARTITION, .end = disk->durable);
    disk->moved(disk);
    pump(disk);
}

static void on_written(struct env_op *op, enum err e, uint64_t n);

/* One thing at a time: all that is there is written, then synced. */
static void pump(struct register_disk *disk)
{
    struct env *env = disk->seat->env;
    if (disk->busy || disk->durable == disk->end)
        return;
    disk->busy = true;
    disk->limit = UINT64_MAX;
    disk->covers = MIN(disk->end, disk->written + WRITE_MAX);
    if (disk->written == disk->end) {
        env_sync(env, &disk->op, disk->file, on_synced);
        return;
    }
    for (uint64_t i = disk->written; i < disk->covers; i++)
        put_record(disk->bytes + (i - disk->written) * RECORD, i, disk->log[i]);
    disk->part =
        (struct env_part){.data = disk->bytes, .size = (disk->covers - disk->written) * RECORD};
    env_write(env, &disk->op, disk->file, disk->written * RECORD, &disk->part, 1, on_written);
}

static void on_written(struct env_op *op, enum err e, uint64_t n)
{
    struct register_disk *disk = CONTAINER_OF(op, struct register_disk, op);
    (void)n;
    disk->busy = false;
    disk->written = MIN(disk->covers, disk->limit);
    if (e != ERR_NONE)
        fail(disk, e);
    else
        pump(disk);
}

void register_disk_append(struct register_disk *disk, struct entry entry)
{
    ASSERT(disk->end < REGISTER_MAX);
    ASSERT(entry.epoch >= register_disk_last_epoch(disk));
    TRACE(disk->seat->trace, LOG_APPEND, .partition = REGISTER_PARTITION, .first = disk->end,
          .last = disk->end, .crc = entry.vid, .leader_epoch = (int64_t)entry.epoch);
    disk->log[disk->end++] = entry;
    pump(disk);
}

void register_disk_cut(struct register_disk *disk, uint64_t end)
{
    ASSERT(end <= disk->end);
    if (end == disk->end)
        return;
    TRACE(disk->seat->trace, LOG_CUT, .partition = REGISTER_PARTITION, .end = end, .was = disk->end,
          .leader_epoch = (int64_t)disk->epoch);
    disk->end = end;
    disk->limit = MIN(disk->limit, end);
    disk->written = MIN(disk->written, end);
    disk->durable = MIN(disk->durable, end);
}

/* ---- the vote ---- */

bool register_disk_is_kept(const struct register_disk *disk)
{
    return disk->kept_epoch == disk->epoch && disk->kept_vote == disk->voted_for;
}

static void on_vote_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct register_disk *disk = CONTAINER_OF(op, struct register_disk, vote_op);
    (void)n;
    disk->keeping = false;
    if (e != ERR_NONE) {
        fail(disk, e);
        return;
    }
    disk->kept_epoch = get_u64(disk->vote_bytes + 8);
    disk->kept_vote = get_u64(disk->vote_bytes + 16);
    register_disk_vote(disk);
    if (!disk->keeping)
        disk->moved(disk);
}

static void on_vote_written(struct env_op *op, enum err e, uint64_t n)
{
    struct register_disk *disk = CONTAINER_OF(op, struct register_disk, vote_op);
    (void)n;
    if (e != ERR_NONE)
        fail(disk, e);
    else
        env_sync(disk->seat->env, &disk->vote_op, disk->vote_file, on_vote_synced);
}

/* Over the older of two, so that there is always one whole. */
static void keep_vote(struct register_disk *disk)
{
    uint64_t place = ++disk->vote_serial % VOTE_PLACES;
    disk->keeping = true;
    put_u64(disk->vote_bytes, disk->vote_serial);
    put_u64(disk->vote_bytes + 8, disk->epoch);
    put_u64(disk->vote_bytes + 16, disk->voted_for);
    seal(disk->vote_bytes);
    disk->vote_part = (struct env_part){.data = disk->vote_bytes, .size = RECORD};
    env_write(disk->seat->env, &disk->vote_op, disk->vote_file, place * VOTE_APART,
              &disk->vote_part, 1, on_vote_written);
}

void register_disk_vote(struct register_disk *disk)
{
    if (disk->forgets_votes)
        disk->kept_vote = disk->voted_for;
    if (!disk->keeping && !register_disk_is_kept(disk))
        keep_vote(disk);
}

/* ---- opening ---- */

static struct register_disk *opening_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct register_disk, opening);
}

static enum steps_flow open_vote(struct steps *steps)
{
    unsigned flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_LOCK;
    env_open_file(steps->env, &steps->io, "vote", flags, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow read_vote(struct steps *steps)
{
    struct register_disk *disk = opening_of(steps);
    disk->vote_file = steps->n;
    env_read(steps->env, &steps->io, disk->vote_file, 0, disk->bytes, VOTE_PLACES * VOTE_APART,
             steps_done);
    return STEPS_WAIT;
}

static enum steps_flow take_vote(struct steps *steps)
{
    struct register_disk *disk = opening_of(steps);
    for (uint64_t i = 0; i < VOTE_PLACES; i++) {
        const uint8_t *at = disk->bytes + i * VOTE_APART;
        bool there = steps->n >= i * VOTE_APART + RECORD;
        if (!there || !is_sealed(at) || get_u64(at) <= disk->vote_serial)
            continue;
        disk->vote_serial = get_u64(at);
        disk->epoch = get_u64(at + 8);
        disk->voted_for = disk->forgets_votes ? 0 : get_u64(at + 16);
    }
    return STEPS_NEXT;
}

static enum steps_flow open_log(struct steps *steps)
{
    unsigned flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    env_open_file(steps->env, &steps->io, "log", flags, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow read_log(struct steps *steps)
{
    struct register_disk *disk = opening_of(steps);
    disk->old_file = steps->n;
    env_read(steps->env, &steps->io, disk->old_file, 0, disk->bytes, REGISTER_MAX * RECORD,
             steps_done);
    return STEPS_WAIT;
}

static enum steps_flow take_log(struct steps *steps)
{
    struct register_disk *disk = opening_of(steps);
    for (uint64_t i = 0; (i + 1) * RECORD <= steps->n; i++) {
        const uint8_t *at = disk->bytes + i * RECORD;
        if (!follows(disk, at, i))
            break;
        disk->log[disk->end++] = (struct entry){get_u64(at + 8), get_u64(at + 16)};
    }
    TRACE(disk->seat->trace, LOG_OPEN, .partition = REGISTER_PARTITION, .end = disk->end,
          .leader_epoch = (int64_t)register_disk_last_epoch(disk));
    /* It may have died before its epoch was kept: no vote was given in it. */
    if (register_disk_last_epoch(disk) > disk->epoch) {
        disk->epoch = register_disk_last_epoch(disk);
        disk->voted_for = 0;
    }
    return STEPS_NEXT;
}

static enum steps_flow open_new(struct steps *steps)
{
    unsigned flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE;
    env_open_file(steps->env, &steps->io, "log.new", flags, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow write_new(struct steps *steps)
{
    struct register_disk *disk = opening_of(steps);
    disk->file = steps->n;
    disk->part = (struct env_part){.data = disk->bytes, .size = disk->end * RECORD};
    if (disk->end == 0)
        return STEPS_NEXT;
    env_write(steps->env, &steps->io, disk->file, 0, &disk->part, 1, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow sync_new(struct steps *steps)
{
    env_sync(steps->env, &steps->io, opening_of(steps)->file, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow rename_new(struct steps *steps)
{
    env_rename(steps->env, &steps->io, "log.new", "log", steps_done);
    return STEPS_WAIT;
}

static enum steps_flow sync_names(struct steps *steps)
{
    env_sync_dir(steps->env, &steps->io, ".", steps_done);
    return STEPS_WAIT;
}

static enum steps_flow close_old(struct steps *steps)
{
    env_close_file(steps->env, &steps->io, opening_of(steps)->old_file, steps_done);
    return STEPS_WAIT;
}

static const struct step opening[] = {
    {"open the vote", open_vote},
    {"read the vote", read_vote},
    {"take the vote", take_vote},
    {"open the log", open_log},
    {"read the log", read_log},
    {"take the log", take_log},
    {"make another log", open_new},
    {"write it", write_new},
    {"sync it", sync_new},
    {"rename it", rename_new},
    {"sync the directory", sync_names},
    {"close the old log", close_old},
    {NULL, NULL},
};

static void on_opened(struct steps *steps, enum err e)
{
    struct register_disk *disk = opening_of(steps);
    if (e != ERR_NONE) {
        fail(disk, e);
        return;
    }
    disk->written = disk->durable = disk->end;
    keep_vote(disk); /* what was read of it may not be durable either */
    disk->opened(disk);
}

void register_disk_open(struct register_disk *disk, struct world_seat *seat)
{
    disk->seat = seat;
    disk->log = mem_array(seat->mem, REGISTER_MAX, sizeof *disk->log);
    disk->bytes = mem_alloc(seat->mem, REGISTER_MAX * RECORD);
    if (disk->log == NULL || disk->bytes == NULL)
        fail(disk, ERR_NOMEM);
    else
        steps_start(&disk->opening, seat->env, opening, on_opened);
}
