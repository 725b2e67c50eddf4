/* fetch.c - records out of the partition, and those who wait for more: to consumers never above the
 * high watermark, which a power loss cannot take back. */
#include "replica/internal.h"

/* ---- looking ---- */

static bool is_follower(const struct replica_fetch *f)
{
    return f->follower.id >= 0;
}

/* The exclusive end of what the asker may see. */
static int64_t readable_end(const struct replica_fetch *f)
{
    const struct replica *r = f->replica;
    bool shows_all = r->role == ROLE_FOLLOWER && KNOWN_BUG(follower_shows_all);
    if (is_follower(f) || shows_all)
        return log_written_end(r->log);
    if (KNOWN_BUG(shown_before_durable))
        return MAX(log_written_end(r->log), r->high_watermark);
    return r->high_watermark;
}

/* Whether the epoch in which the asker read last ended, here, before what it asks for: then it read
 * what this log does not hold, and is told from where on (LeaderEpochFileCache.endOffsetFor). */
static int16_t look_epoch(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    int32_t epoch = -1;
    int64_t end = -1;
    if (f->last_epoch < 0)
        return WIRE_ERROR_NONE;
    log_epoch_end(r->log, f->last_epoch, &epoch, &end);
    if (end < 0 || f->offset < log_start(r->log))
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    if (epoch < f->last_epoch || end < f->offset) {
        f->diverging_epoch = epoch;
        f->diverging_end = end;
    }
    return WIRE_ERROR_NONE;
}

/* Who follows has less than its leader: what it has not got yet is there, or comes (V-1). */
static int16_t look_here(struct replica_fetch *f)
{
    const struct replica *r = f->replica;
    if (f->offset > r->high_watermark && f->offset >= log_start(r->log))
        return f->offset > log_end(r->log) ? WIRE_ERROR_OFFSET_NOT_AVAILABLE : WIRE_ERROR_NONE;
    int16_t code = look_epoch(f);
    if (code != WIRE_ERROR_NONE || f->diverging_end >= 0)
        return code;
    return f->offset < log_start(r->log) ? WIRE_ERROR_OFFSET_OUT_OF_RANGE : WIRE_ERROR_NONE;
}

static int16_t check_consumer(const struct replica_fetch *f, int32_t epoch)
{
    return f->at_follower ? replica_check_follower(f->replica, epoch)
                          : replica_check_readable(f->replica, epoch);
}

static int16_t look_code(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    bool any_epoch = is_follower(f) && KNOWN_BUG(older_epoch_counts);
    int32_t epoch = any_epoch ? -1 : f->leader_epoch;
    int16_t code = is_follower(f) ? replica_check(r, epoch) : check_consumer(f, epoch);
    if (code == WIRE_ERROR_NONE && r->role == ROLE_FOLLOWER)
        return look_here(f);
    if (code == WIRE_ERROR_NONE && is_follower(f))
        code = replica_isr_check(r, f);
    if (code == WIRE_ERROR_NONE)
        code = look_epoch(f);
    if (code != WIRE_ERROR_NONE || f->diverging_end >= 0)
        return code;
    if (f->offset < log_start(r->log) || f->offset > log_end(r->log))
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    return WIRE_ERROR_NONE;
}

static void look(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    bool open = replica_is_open(r);
    f->diverging_epoch = -1;
    f->diverging_end = -1;
    f->code = look_code(f);
    f->some =
        f->code == WIRE_ERROR_NONE && f->diverging_end < 0 && f->next_offset < readable_end(f);
    f->high_watermark = f->last_stable_offset = open ? r->high_watermark : -1;
    f->log_start = replica_log_start(r);
}

/* ---- reading ---- */

int16_t replica_code_of(enum err e)
{
    switch (e) {
    case ERR_NONE:
        return WIRE_ERROR_NONE;
    case ERR_RANGE:
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    case ERR_CORRUPT:
        return WIRE_ERROR_CORRUPT_MESSAGE;
    case ERR_NOMEM:
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    case ERR_CANCELLED: /* the log was truncated under it */
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    default:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    }
}

struct replica_read *replica_fetch_take(struct replica_fetch *f)
{
    struct replica_read *reading = f->reading;
    if (f->read == NULL)
        return NULL;
    reading->fetch = NULL;
    f->reading = NULL;
    f->read = NULL;
    f->next_offset = f->offset;
    return reading;
}

static void free_reading(struct replica_read *reading)
{
    struct replica *r = reading->replica;
    mem_free(reading->mem, reading);
    ASSERT(r->reader_count > 0);
    r->reader_count--;
    replica_read_last(r);
    replica_let_go(r);
}

void replica_read_end(struct replica_read *reading)
{
    if (reading == NULL)
        return;
    ASSERT(reading->fetch == NULL);
    log_read_release(&reading->log);
    free_reading(reading);
}

static void release(struct replica_fetch *f)
{
    struct replica_read *reading = f->reading;
    if (f->read != NULL) {
        replica_read_end(replica_fetch_take(f));
    } else if (reading != NULL) { /* it failed */
        f->reading = NULL;
        free_reading(reading);
    }
}

static void on_read(struct log_op *op, enum err e)
{
    struct log_read *log = CONTAINER_OF(op, struct log_read, op);
    struct replica_fetch *f = CONTAINER_OF(log, struct replica_read, log)->fetch;
    struct replica *r = f->replica;
    bool not_now = e == ERR_NOMEM; /* as when there is none to begin with */
    f->code = not_now ? WIRE_ERROR_NONE : replica_code_of(e);
    f->some = false;
    if (e == ERR_NONE) {
        f->read = log;
        f->next_offset = log->next_offset;
        f->some = f->next_offset < readable_end(f);
    }
    bool to_consumer = f->read != NULL && log->bytes > 0 && !is_follower(f);
    SOMETIMES(r->trace, FOLLOWER_SERVED, to_consumer && r->role == ROLE_FOLLOWER);
    if (to_consumer)
        TRACE(r->trace, SERVE, .partition = r->trace_id, .topic_id = r->topic_trace,
              .from = f->offset, .to = f->next_offset, .high_watermark = f->high_watermark,
              .leader_epoch = r->leader_epoch, .isolation = f->isolation);
    if (e == ERR_NONE && f->stale)
        look(f); /* it may be led no more */
    if (f->code != WIRE_ERROR_NONE || not_now)
        release(f);
    f->done(f);
}

static void read_some(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    struct mem *mem = f->mem != NULL ? f->mem : r->mem;
    f->reading = mem_zalloc(mem, sizeof *f->reading);
    if (f->reading == NULL) {
        f->some = false; /* not now: a later fetch will bring it */
        f->done(f);
        return;
    }
    r->reader_count++;
    f->stale = false;
    f->reading->replica = replica_hold(r);
    f->reading->fetch = f;
    f->reading->mem = mem;
    struct log_read *log = &f->reading->log;
    log->offset = f->offset;
    log->offset_end = readable_end(f);
    log->bytes_max = f->bytes_max;
    log->at_least_one = f->at_least_one;
    log->cursor = &f->cursor;
    log->mem = mem;
    log_read(r->log, log, on_read);
}

/* ---- waiting ---- */

static uint64_t readable_bytes(const struct replica_fetch *f)
{
    const struct replica *r = f->replica;
    if (!replica_is_open(r))
        return 0;
    return is_follower(f) ? log_written_bytes(r->log) : log_counting_bytes(r->log);
}

/* Each once; who looks again meanwhile is told the next time. */
static void wake(struct replica *r, bool followers_alone)
{
    struct list woken;
    list_init(&woken);
    list_splice_back(&woken, &r->fetches);
    replica_hold(r);
    struct list *link;
    while ((link = list_pop_front(&woken)) != NULL) {
        struct replica_fetch *f = CONTAINER_OF(link, struct replica_fetch, link);
        list_push_back(&r->fetches, link);
        if (followers_alone && !is_follower(f))
            continue;
        uint64_t bytes = readable_bytes(f);
        uint64_t more = bytes > f->bytes_seen ? bytes - f->bytes_seen : 0;
        f->bytes_seen = bytes;
        f->stale = f->reading != NULL && f->read == NULL; /* a read is under way, and looks later */
        if (!f->stale)
            look(f);
        f->woken(f, more);
    }
    replica_let_go(r);
}

void replica_wake_all(struct replica *r)
{
    wake(r, false);
}

void replica_wake_followers(struct replica *r)
{
    wake(r, true);
}

/* ---- a fetch ---- */

void replica_fetch_init(struct replica_fetch *f, struct replica *r)
{
    *f = (struct replica_fetch){.replica = replica_hold(r),
                                .leader_epoch = -1,
                                .last_epoch = -1,
                                .follower = {.id = -1, .epoch = -1},
                                .high_watermark = -1,
                                .last_stable_offset = -1,
                                .log_start = -1,
                                .diverging_epoch = -1,
                                .diverging_end = -1,
                                .preferred = -1};
    list_init(&f->link);
}

/* One that diverges has not got what it asks from (KAFKA-13141). What comes of it for the high
 * watermark it is told at once. */
static void listen_to(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    bool diverges = f->diverging_end >= 0 && !KNOWN_BUG(diverging_counts);
    if (f->code != WIRE_ERROR_NONE || diverges)
        return;
    list_remove(&f->link);
    replica_isr_heard(r, f);
    look(f);
}

static bool leads_on(const struct replica_fetch *f)
{
    return f->replica->role == ROLE_LEADER && f->code == WIRE_ERROR_NONE && f->diverging_end < 0;
}

void replica_fetch(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    release(f);
    f->next_offset = f->offset;
    look(f);
    if (f->counts && is_follower(f))
        listen_to(f);
    f->counts = false;
    f->preferred = leads_on(f) ? replica_isr_nearby(r, f) : -1;
    if (!list_linked(&f->link))
        list_push_back(&r->fetches, &f->link);
    f->bytes_seen = readable_bytes(f);
    if (f->preferred < 0 && f->some && (f->bytes_max > 0 || f->at_least_one))
        read_some(f);
    else
        f->done(f);
}

void replica_fetch_rest(struct replica_fetch *f)
{
    list_remove(&f->link);
}

void replica_fetch_end(struct replica_fetch *f)
{
    struct replica *r = f->replica;
    if (r == NULL)
        return;
    ASSERT(f->reading == NULL || f->read != NULL);
    list_remove(&f->link);
    release(f);
    f->replica = NULL;
    replica_let_go(r);
}
