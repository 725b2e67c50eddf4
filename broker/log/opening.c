/* opening.c - log_open up to the scan: finds out what is in the partition's directory and from
 * where on it has to be looked at (S-1, S-7). One that is not there is made by birth.c. */
#include "log/opening.h"
#include <stdio.h>

#define NAMES_SIZE_FIRST (16u << 10)
#define NAMES_SIZE_MAX (16u << 20)

enum {
    OPEN_LIST,
    OPEN_TAKE,
    OPEN_ASK,
    OPEN_ANSWER,
    OPEN_METADATA,
    OPEN_IDENTITY,
    OPEN_LEFTOVERS,
    OPEN_HOLD,
    OPEN_SIZE,
    OPEN_SIZED,
    OPEN_MAKE,
    OPEN_MADE,
    OPEN_ENTERED,
    OPEN_EPOCHS,
    OPEN_EPOCHS_CRC,
    OPEN_TAKE_EPOCHS,
    OPEN_SNAPSHOT,
    OPEN_WINDOW,
    OPEN_PLAN,
    OPEN_DERIVED,
};

void log_opening_drop_got(struct log_opening *o)
{
    dir_get_free(&o->get);
    dir_get_free(&o->crc);
    log_index_files_free(&o->index);
}

/* ---- from phase to phase ---- */

static const struct state phases[] = {
    [LOG_OPENING_LOOKS] = {"looks", TO(LOG_OPENING_BIRTH) | TO(LOG_OPENING_SEAMS)},
    [LOG_OPENING_BIRTH] = {"birth", TO(LOG_OPENING_ENDS)},
    [LOG_OPENING_SEAMS] = {"seams", TO(LOG_OPENING_SCANS)},
    [LOG_OPENING_SCANS] = {"scans", TO(LOG_OPENING_CUTS) | TO(LOG_OPENING_COPIES)},
    [LOG_OPENING_CUTS] = {"cuts", TO(LOG_OPENING_COPIES)},
    [LOG_OPENING_COPIES] = {"copies", TO(LOG_OPENING_SCANS) | TO(LOG_OPENING_ENDS)},
    [LOG_OPENING_ENDS] = {"ends", 0},
};

/* Between two scans nothing is left of what one of them has open, or has begun to write. */
static void assert_nothing_held(const struct log_opening *o)
{
    ASSERT(!o->hold.held);
    ASSERT(o->seam_file == 0);
    ASSERT(o->copy_file == 0);
    ASSERT(o->kept_file == 0);
    ASSERT(o->fresh == NULL);
}

/* What holds when a phase begins. */
static void assert_phase(const struct log_opening *o)
{
    const struct log *log = o->log;
    ASSERT(log->state == LOG_OPENING);
    ASSERT(o->unborn == (log->segment_count == 0) || o->phase == LOG_OPENING_ENDS);
    switch ((enum log_opening_phase)o->phase) {
    case LOG_OPENING_LOOKS:
    case LOG_OPENING_BIRTH:
        assert_nothing_held(o);
        return;
    case LOG_OPENING_SEAMS:
        assert_nothing_held(o);
        ASSERT(o->scan_from <= o->recovery_point);
        ASSERT(o->recovery_point >= log->segments[0]->base);
        return;
    case LOG_OPENING_SCANS:
        assert_nothing_held(o);
        ASSERT(o->walk.set != NULL);
        ASSERT(!o->cutting);
        ASSERT(!o->copying);
        ASSERT(o->segment < log->segment_count);
        return;
    case LOG_OPENING_CUTS:
        ASSERT(o->cutting);
        ASSERT(o->cut_at <= log_opening_segment(o)->size);
        ASSERT(o->kept_file == 0);
        return;
    case LOG_OPENING_COPIES:
        ASSERT(o->copying || o->copy_file == 0);
        ASSERT(o->copying || o->fresh == NULL);
        ASSERT(!o->in_place || o->copy_file == 0);
        ASSERT(o->kept_file == 0);
        return;
    case LOG_OPENING_ENDS:
        assert_nothing_held(o);
        ASSERT(log->segment_count > 0);
        ASSERT(o->end >= log_active(log)->base);
        return;
    }
    UNREACHABLE();
}

void log_opening_start(struct log_opening *o, enum log_opening_phase phase,
                       const struct step *table, void (*ended)(struct steps *steps, enum err e))
{
    STATE_MOVE(phases, &o->phase, phase);
    assert_phase(o);
    steps_start(&o->steps, log_env(o->log), table, ended);
}

/* ---- what is there ---- */

static enum steps_flow open_list(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    mem_free(log->set->mem, o->names);
    o->names = mem_alloc(log->set->mem, (size_t)o->names_size);
    if (o->names == NULL)
        return steps_fail(steps, ERR_NOMEM);
    env_list(steps->env, &steps->io, log->path, o->names, o->names_size, steps_done);
    return STEPS_TRY;
}

static int compare_offsets(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The next name; NULL at the end. */
static const char *next_name(struct log_opening *o)
{
    if (o->at >= o->size)
        return NULL;
    const char *name = o->names + o->at;
    o->at += strlen(name) + 1;
    return name;
}

static int32_t find_bases(struct log_opening *o, int64_t *bases)
{
    int32_t count = 0;
    int64_t offset;
    const char *name;
    o->at = 0;
    while ((name = next_name(o)) != NULL) {
        if (format_name_kind(name, &offset) != FORMAT_KIND_LOG)
            continue;
        if (bases != NULL)
            bases[count] = offset;
        count++;
    }
    return count;
}

enum err log_opening_add_segment(struct log *log, int64_t base, bool create)
{
    enum err e = log_segments_reserve(log);
    struct log_segment *segment = NULL;
    if (e == ERR_NONE)
        segment = log_segment_new(log, base, create);
    if (segment == NULL)
        return ERR_NOMEM;
    log_segments_push(log, segment);
    return ERR_NONE;
}

static enum err find_segments(struct log_opening *o)
{
    struct log *log = o->log;
    struct mem *mem = log->set->mem;
    int32_t count = find_bases(o, NULL);
    if (count == 0)
        return ERR_NONE;
    int64_t *bases = mem_array(mem, (size_t)count, sizeof *bases);
    if (bases == NULL)
        return ERR_NOMEM;
    find_bases(o, bases);
    enum err e = sort_stable(mem, bases, (size_t)count, sizeof *bases, compare_offsets);
    for (int32_t i = 0; e == ERR_NONE && i < count; i++)
        e = log_opening_add_segment(log, bases[i], false);
    mem_free(mem, bases);
    return e;
}

/* Of a window that a crash has left alone, too: it is found to be of no use, and removed. */
static enum err find_snapshots(struct log_opening *o)
{
    int64_t offset;
    const char *name;
    enum err e = ERR_NONE;
    o->at = 0;
    while (e == ERR_NONE && (name = next_name(o)) != NULL) {
        enum format_file_kind kind = format_name_kind(name, &offset);
        if (kind == FORMAT_KIND_SNAPSHOT || kind == FORMAT_KIND_WINDOW)
            e = log_snapshots_add(o->log, offset);
    }
    return e;
}

/* What the checkpoints say, as far as it can be believed. */
static void take_points(struct log_opening *o)
{
    struct log *log = o->log;
    const struct dir_known *known = log->member.known;
    int64_t first = log->segments[0]->base;
    bool wrong = dir_points_wrong(log->dir, DIR_POINTS_RECOVERY);
    int64_t recovery = known->offsets[DIR_POINTS_RECOVERY];
    o->recovery_known = !wrong || recovery >= 0;
    o->recovery_point = MAX(recovery, first);
    log->recovery_point = log->recovery_next = o->recovery_point;
    log->start = MAX(known->offsets[DIR_POINTS_START], first);
    log->high_watermark = known->offsets[DIR_POINTS_WATERMARK];
}

/* Then at least an empty segment is there: it came with the directory. */
static bool was_made(const struct log_opening *o)
{
    const struct log *log = o->log;
    bool known = o->birth != NULL && o->birth->known;
    return !dir_is_new(log->dir) && (known || log->member.known->offsets[DIR_POINTS_RECOVERY] >= 0);
}

static enum steps_flow take_found(struct log_opening *o)
{
    struct log *log = o->log;
    enum err e = find_segments(o);
    if (e == ERR_NONE)
        e = find_snapshots(o);
    if (e == ERR_NONE && log->segment_count == 0) {
        if (was_made(o))
            e = errmsg_set(&o->op->msg, ERR_CORRUPT,
                           "%s holds no segment any more; put its files back from a copy, "
                           "or " LOG_GIVE_UP,
                           log->path, log_name(log));
        else
            e = log_opening_add_segment(log, 0, true);
    }
    if (e != ERR_NONE)
        return steps_fail(&o->steps, e);
    take_points(o);
    e = log_seams_first(o);
    if (e != ERR_NONE)
        return steps_fail(&o->steps, e);
    return steps_go(&o->steps, OPEN_METADATA);
}

static enum steps_flow open_take(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    o->size = steps->n;
    if (steps->err == ERR_NONE)
        return take_found(o);
    if (steps->err == ERR_RANGE && o->size <= NAMES_SIZE_MAX) {
        o->names_size = o->size + NAMES_SIZE_FIRST;
        return steps_go(steps, OPEN_LIST);
    }
    if (steps->err == ERR_NOTFOUND) {
        o->unborn = true;
        return steps_go(steps, was_made(o) && !KNOWN_BUG(gone_made_anew) ? OPEN_ASK : STEPS_END);
    }
    return STEPS_FAIL;
}

/* ---- it is gone: does somebody want it to begin anew? ---- */

static enum steps_flow open_ask(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    dir_path_join(o->path, NULL, o->log->path, DIR_CONSENT_SUFFIX);
    dir_get(o->log->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow open_answer(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log *log = o->log;
    log_opening_drop_got(o);
    o->consented = o->get.found;
    if (o->consented)
        return steps_go(steps, STEPS_END);
    enum err e = errmsg_set(&o->op->msg, ERR_CORRUPT,
                            "%s is gone; put it back from a copy, or " LOG_START_EMPTY, log->path,
                            log_name(log));
    return steps_fail(steps, e);
}

/* ---- whose it is ---- */

static enum steps_flow open_metadata(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    (void)steps;
    dir_path_join(o->path, o->log->path, "partition.metadata", "");
    dir_get(o->log->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow open_identity(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct errmsg *msg = &o->op->msg;
    struct wire_uuid id;
    char mine[WIRE_UUID_TEXT_SIZE];
    char theirs[WIRE_UUID_TEXT_SIZE];
    o->at = 0;
    if (!o->get.found) {
        format_partition_metadata_print(&o->log->topic_id, o->text);
        dir_save(o->log->dir, &o->save, o->path, bytes_text(o->text), steps_waiter(steps));
        return STEPS_WAIT;
    }
    enum err e = format_partition_metadata_parse(dir_got(&o->get), &id, msg);
    log_opening_drop_got(o);
    if (e != ERR_NONE)
        return steps_fail(steps, errmsg_wrap(msg, e, "%s", o->path));
    if (wire_uuid_equal(&id, &o->log->topic_id) || KNOWN_BUG(topic_known_by_name))
        return STEPS_NEXT;
    wire_uuid_print(&o->log->topic_id, mine);
    wire_uuid_print(&id, theirs);
    e = errmsg_set(msg, ERR_INVALID,
                   "%s belongs to the topic of id %s, not to that of id %s; move it away",
                   o->log->path, theirs, mine);
    return steps_fail(steps, e);
}

static enum steps_flow open_leftovers(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    int64_t offset;
    const char *name;
    while ((name = next_name(o)) != NULL) {
        if (format_name_kind(name, &offset) != FORMAT_KIND_LEFTOVER || name[0] == '/' ||
            o->start_unsaid)
            continue;
        dir_path_join(o->path, o->log->path, name, "");
        steps_then(steps, STEPS_AGAIN);
        env_unlink(steps->env, &steps->io, o->path, steps_done);
        return STEPS_TRY; /* what cannot be removed now is removed next time */
    }
    return STEPS_NEXT;
}

/* ---- how large the segments are ---- */

static enum steps_flow open_hold(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    if (o->segment == log->segment_count)
        return steps_go(steps, OPEN_EPOCHS);
    if (log->segments[o->segment]->disk.file->create)
        return steps_go(steps, OPEN_MAKE);
    dir_hold(&o->hold, log->segments[o->segment]->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow open_size(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    env_size(steps->env, &steps->io, o->log->segments[o->segment]->disk.file->handle, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow open_sized(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    struct log_segment *segment = log->segments[o->segment];
    segment->size = segment->disk.written = segment->disk.synced = steps->n;
    segment->disk.entry_durable = segment->base < o->recovery_point;
    if (o->segment + 1 < log->segment_count)
        segment->next = log->segments[o->segment + 1]->base;
    dir_let_go(&o->hold);
    o->segment++;
    return steps_go(steps, OPEN_HOLD);
}

/* ---- a directory that somebody else has made, and no segment ---- */

/* It is there before any checkpoint says that it was: what ends before its first record would be
 * taken for a log that is lost. */
static enum steps_flow open_make(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    env_open_file(steps->env, &steps->io, o->log->segments[0]->disk.file->path,
                  ENV_OPEN_WRITE | ENV_OPEN_CREATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow open_made(struct steps *steps)
{
    env_close_file(steps->env, &steps->io, steps->n, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow open_entered(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    o->log->segments[0]->disk.file->create = false;
    o->segment++;
    dir_sync_folder(o->log->dir, &o->sync, o->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* ---- leader epochs ---- */

static enum steps_flow open_epochs(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    (void)steps;
    dir_path_join(o->path, o->log->path, LOG_EPOCHS_NAME, "");
    dir_get(o->log->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow open_epochs_crc(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    dir_path_join(o->path_to, o->log->path, LOG_EPOCHS_NAME, ".crc");
    dir_get(o->log->dir, &o->crc, o->path_to, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow open_take_epochs(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    enum err e = ERR_NONE;
    bool wrong = o->crc.found && steps->err == ERR_NONE && o->get.found &&
                 format_crc_check(dir_got(&o->crc), dir_got(&o->get)) != ERR_NONE;
    if (o->get.found && !wrong)
        e = format_epochs_parse(dir_got(&o->get), &log->epochs, NULL);
    o->epochs_known = o->get.found && !wrong && e == ERR_NONE;
    if (o->epochs_known)
        log->epoch_durable = format_epochs_latest(&log->epochs);
    log_opening_drop_got(o);
    if (e != ERR_NONE && e != ERR_CORRUPT)
        return steps_fail(steps, e);
    if (!o->epochs_known && log->segments[log->segment_count - 1]->size > 0)
        TRACE(log->set->trace, LOG_REBUILT, .partition = log->id, .topic_id = log->topic_trace,
              .what = LOG_REBUILT_EPOCHS, .base = log->segments[0]->base);
    o->snapshot = log->snapshot_count;
    return STEPS_NEXT;
}

/* ---- producers: the newest snapshot that is right, below what is durable ---- */

static enum steps_flow open_snapshot(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    do
        o->snapshot--;
    while (o->snapshot >= 0 && log->snapshots[o->snapshot] > o->recovery_point);
    o->replay_from = log->segments[0]->base;
    if (KNOWN_BUG(producer_state_not_rebuilt))
        o->snapshot = -1;
    if (o->snapshot < 0)
        return steps_go(steps, OPEN_PLAN);
    log_segment_path(log, log->snapshots[o->snapshot], FORMAT_KIND_SNAPSHOT, o->path);
    dir_get(log->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow open_window(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    enum err e =
        format_snapshot_decode(&log->producers, dir_got(&o->get), env_now(steps->env), NULL);
    log_opening_drop_got(o);
    if (e == ERR_CORRUPT)
        return steps_go(steps, OPEN_SNAPSHOT); /* an older one, then */
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    o->replay_from = log->snapshots[o->snapshot];
    log_segment_path(log, o->replay_from, FORMAT_KIND_WINDOW, o->path);
    dir_get(log->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* Without the older batches, which a crash may have parted from it or Kafka never wrote, a snapshot
 * is of no use: a duplicate of one of them would be refused. */
static enum err take_window(struct log_opening *o)
{
    struct format_producers *producers = &o->log->producers;
    if (producers->map.count == 0)
        return ERR_NONE;
    return o->get.found ? format_window_decode(producers, dir_got(&o->get), NULL) : ERR_CORRUPT;
}

/* The scan begins where the first of those who need it has to begin. */
static enum steps_flow open_plan(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    enum err e = o->snapshot < 0 ? ERR_NONE : take_window(o);
    log_opening_drop_got(o);
    if (e != ERR_NONE) {
        format_producers_clear(&log->producers);
        return steps_go(steps, OPEN_SNAPSHOT);
    }
    if (KNOWN_BUG(producer_state_not_rebuilt))
        o->replay_from = INT64_MAX;
    o->scan_from = MIN(o->recovery_point, o->replay_from);
    if (!o->epochs_known || !o->recovery_known)
        o->scan_from = log->segments[0]->base;
    o->segment = log_segment_index(log, o->scan_from);
    return STEPS_NEXT;
}

/* ---- what is derived: from where on is all of it to be made anew? ---- */

/* It comes to the disk in the background, durably and the oldest first: before the newest full
 * segment whose index is proven, nothing is missing. What is behind it is durable, mostly, and is
 * looked at as that: the recovery point says what may be lost, scan_from where to begin. An index
 * that makes sense and has no proof is Kafka's, and is left to its readers. */
static enum steps_flow open_derived(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    struct log_index_found found;
    if (dir_clean(log->dir) || o->segment <= 0 || KNOWN_BUG(index_not_synced))
        return steps_go(steps, STEPS_END);
    struct log_segment *full = log->segments[o->segment - 1];
    if (!log_index_all_got(&o->index)) {
        steps_then(steps, STEPS_AGAIN);
        log_index_get_next(&o->index, full, steps_waiter(steps));
        return STEPS_TRY;
    }
    enum err e = log_index_take(&o->index, full, full->next, &found);
    log_index_files_free(&o->index);
    format_index_free(&full->index);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    if (found.whole && (!found.proven || found.log_bytes == full->size))
        return steps_go(steps, STEPS_END);
    o->segment--;
    o->scan_from = full->base;
    return steps_go(steps, STEPS_AGAIN);
}

static const struct step open_steps[] = {
    [OPEN_LIST] = {"list", open_list},
    [OPEN_TAKE] = {"list", open_take},
    [OPEN_ASK] = {"look for", open_ask},
    [OPEN_ANSWER] = {"look for", open_answer},
    [OPEN_METADATA] = {"read", open_metadata},
    [OPEN_IDENTITY] = {"write", open_identity},
    [OPEN_LEFTOVERS] = {"tidy", open_leftovers},
    [OPEN_HOLD] = {"open", open_hold},
    [OPEN_SIZE] = {"look at", open_size},
    [OPEN_SIZED] = {"look at", open_sized},
    [OPEN_MAKE] = {"make", open_make},
    [OPEN_MADE] = {"make", open_made},
    [OPEN_ENTERED] = {"sync", open_entered},
    [OPEN_EPOCHS] = {"read", open_epochs},
    [OPEN_EPOCHS_CRC] = {"read the leader epochs of", open_epochs_crc},
    [OPEN_TAKE_EPOCHS] = {"read the leader epochs of", open_take_epochs},
    [OPEN_SNAPSHOT] = {"read", open_snapshot},
    [OPEN_WINDOW] = {"read", open_window},
    [OPEN_PLAN] = {"plan the recovery of", open_plan},
    [OPEN_DERIVED] = {"look at the indexes of", open_derived},
    {NULL, NULL},
};

/* ---- beginning and end ---- */

/* What the step that failed was at. */
static const char *at_path(const struct log_opening *o)
{
    switch (o->steps.at) {
    case OPEN_METADATA:
    case OPEN_IDENTITY:
    case OPEN_EPOCHS:
    case OPEN_SNAPSHOT:
    case OPEN_WINDOW:
        return o->path;
    case OPEN_HOLD:
    case OPEN_SIZE:
    case OPEN_MAKE:
        return o->log->segments[o->segment]->disk.file->path;
    default:
        return o->log->path;
    }
}

static void opened(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    if (e == ERR_NONE) {
        if (o->unborn)
            log_birth_begin(o);
        else
            log_seams(o);
        return;
    }
    if (o->op->msg.text[0] == 0)
        errmsg_set(&o->op->msg, e, "cannot %s %s: %s%s", steps_what(steps), at_path(o), err_text(e),
                   dir_open_advice(e));
    log_opening_end(o, e);
}

static void begin(struct log_opening *o)
{
    o->log->set->openings++;
    steps_start(&o->steps, o->log->set->env, open_steps, opened);
}

static void begin_next(struct log_set *set)
{
    struct list *link = list_pop_front(&set->openings_waiting);
    if (link != NULL)
        begin(CONTAINER_OF(link, struct log_opening, link));
}

static struct log *new_log(struct log_set *set, const char *topic, int32_t partition,
                           const uint8_t topic_id[16], const struct log_config *config,
                           struct log_watch *watch)
{
    char path[ENV_PATH_MAX];
    log_path(set, topic, partition, path);
    struct log *log = mem_zalloc(set->mem, sizeof *log);
    if (log == NULL)
        return NULL;
    *log = (struct log){.set = set,
                        .dir = set->dir,
                        .partition = partition,
                        .id = trace_partition(topic, partition),
                        .topic_trace = trace_topic_id(topic_id),
                        .config = *config,
                        .watch = watch,
                        .state = LOG_OPENING,
                        .looked_ns = env_now(set->env),
                        .unnamed_base = -1,
                        .epoch_durable = -1,
                        .point_limit = INT64_MAX,
                        .start_asked = -1,
                        .left_end = -1};
    log_forget_places(log);
    list_init(&log->link);
    list_init(&log->touched);
    list_push_back(&set->logs, &log->link);
    list_init(&log->in_flight);
    list_init(&log->admissions);
    list_init(&log->epoch_waits);
    list_init(&log->epochs_link);
    log->epochs.mem = set->mem;
    memcpy(log->topic_id.b, topic_id, sizeof log->topic_id.b);
    log->topic = mem_text(set->mem, topic, strlen(topic));
    log->path = mem_text(set->mem, path, strlen(path));
    dir_member_init(&log->member, set->dir, &log_member_calls, log->path);
    log->member.known = dir_known_get(set->dir, topic, partition);
    enum err e = format_producers_init(&log->producers, set->mem, &set->producers);
    if (log->topic != NULL && log->path != NULL && log->member.known != NULL && e == ERR_NONE)
        return log;
    log_free(log);
    return NULL;
}

/* The disk has no room for a second copy of what may not be durable. The files are as they were;
 * all that was learnt from them is learnt anew. False: ERR_NOMEM. */
static bool begin_again(struct log_opening *o)
{
    struct log *old = o->log;
    struct log_set *set = old->set;
    struct log *log =
        new_log(set, old->topic, old->partition, old->topic_id.b, &old->config, old->watch);
    if (log == NULL)
        return false;
    log->unmarked = old->unmarked;
    log_free(old);
    dir_found_short(set->dir);
    *o = (struct log_opening){
        .log = log, .out = o->out, .op = o->op, .birth = o->birth, .names_size = NAMES_SIZE_FIRST};
    list_init(&o->link);
    o->op->msg = (struct errmsg){{0}};
    steps_start(&o->steps, dir_env(set->dir), open_steps, opened);
    return true;
}

void log_opening_end(struct log_opening *o, enum err e)
{
    struct log *log = o->log;
    struct log_set *set = log->set;
    struct log_op *op = o->op;
    log_opening_drop_got(o);
    mem_free(set->mem, o->names);
    o->names = NULL;
    log_walk_free(&o->walk);
    dir_let_go(&o->hold);
    if (o->no_room && !dir_short_of_room(set->dir) && begin_again(o))
        return;
    if (e == ERR_NONE)
        *o->out = log;
    else
        log_free(log);
    mem_free(set->mem, o);
    set->openings--;
    begin_next(set);
    op->done(op, e);
    dir_work_ends(set->dir);
}

void log_open(struct log_set *set, struct log **out, const char *topic, int32_t partition,
              const uint8_t topic_id[16], const struct log_config *config, struct log_birth *birth,
              struct log_watch *watch, struct log_op *op, log_done *done)
{
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    enum err e = log_set_status(set, &op->msg);
    if (e != ERR_NONE) {
        done(op, e);
        return;
    }
    struct log_opening *o = mem_zalloc(set->mem, sizeof *o);
    struct log *log = NULL;
    if (o != NULL)
        log = new_log(set, topic, partition, topic_id, config, watch);
    if (log == NULL) {
        mem_free(set->mem, o);
        done(op,
             errmsg_set(&op->msg, ERR_NOMEM, "cannot open %s-%d: out of memory", topic, partition));
        return;
    }
    trace_name(set->trace, log->id, strrchr(log->path, '/') + 1);
    TRACE(set->trace, LOG_OPENS, .partition = log->id, .topic_id = log->topic_trace);
    o->log = log;
    o->out = out;
    o->op = op;
    o->birth = birth;
    log->unmarked = birth != NULL && birth->unmarked;
    o->names_size = NAMES_SIZE_FIRST;
    list_init(&o->link);
    dir_work_begins(set->dir);
    if (set->openings >= LOG_OPENINGS_MAX)
        list_push_back(&set->openings_waiting, &o->link);
    else
        begin(o);
}
