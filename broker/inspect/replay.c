/* replay.c - holds producer snapshots to what the log says of its producers up to the same
 * offset. Pure. A log that has lost its beginning proves only what came later. */
#include "inspect/internal.h"

/* One snapshot against the replay. */
struct comparison {
    struct inspect_check *check;
    struct inspect_check_snapshot *snapshot;
    struct format_producers there; /* what the file says */
};

static void differs(struct comparison *x, int64_t id, const char *what, int64_t file, int64_t log)
{
    struct inspect_check *c = x->check;
    inspect_report(c->in, c->dir, x->snapshot->file, INSPECT_FIND_SNAPSHOT_DIFFERS, -1,
                   "producer %lld: its %s is %lld, and %lld in the log", (long long)id, what,
                   (long long)file, (long long)log);
}

static const struct format_producer_batch *batch_back(const struct format_producer *p, int32_t back)
{
    ASSERT(back < p->count);
    return &p->window[p->count - 1 - back];
}

/* The newest of both, as far as both go. */
static void compare_windows(struct comparison *x, const struct format_producer *file,
                            const struct format_producer *log)
{
    for (int32_t back = 0; back < MIN(file->count, log->count); back++) {
        const struct format_producer_batch *a = batch_back(file, back);
        const struct format_producer_batch *b = batch_back(log, back);
        if (a->last_offset != b->last_offset)
            differs(x, file->id, "last offset", a->last_offset, b->last_offset);
        if (a->last_sequence != b->last_sequence)
            differs(x, file->id, "last sequence", a->last_sequence, b->last_sequence);
        if (a->offset_delta != b->offset_delta)
            differs(x, file->id, "offset delta", a->offset_delta, b->offset_delta);
    }
    if (log->count > 0 && file->count == 0)
        differs(x, file->id, "last offset", -1, batch_back(log, 0)->last_offset);
}

static void compare_both(struct comparison *x, const struct format_producer *file,
                         const struct format_producer *log)
{
    const struct inspect_check *c = x->check;
    if (file->epoch != log->epoch)
        differs(x, file->id, "epoch", file->epoch, log->epoch);
    if (file->timestamp != log->timestamp)
        differs(x, file->id, "timestamp", file->timestamp, log->timestamp);
    /* A marker may stand before the log's first offset, and a producer that had expired forgets. */
    if (log->coordinator_epoch >= 0 && file->coordinator_epoch >= 0 &&
        file->coordinator_epoch != log->coordinator_epoch)
        differs(x, file->id, "coordinator epoch", file->coordinator_epoch, log->coordinator_epoch);
    bool before = file->txn_first >= 0 && file->txn_first < c->first;
    if (file->txn_first != log->txn_first && !before)
        differs(x, file->id, "transaction's first offset", file->txn_first, log->txn_first);
    compare_windows(x, file, log);
}

static void compare(struct comparison *x)
{
    struct inspect_check *c = x->check;
    bool forgot = c->producers.map.count >= FORMAT_PRODUCERS_MAX;
    for (const struct format_producer *file = format_producers_next(&x->there, NULL); file != NULL;
         file = format_producers_next(&x->there, file)) {
        const struct format_producer *log = format_producers_find(&c->producers, file->id);
        if (log != NULL)
            compare_both(x, file, log);
        else if (file->count > 0 && file->window[0].last_offset >= c->first && !forgot)
            differs(x, file->id, "last offset", file->window[0].last_offset, -1);
    }
    for (const struct format_producer *log = format_producers_next(&c->producers, NULL);
         log != NULL; log = format_producers_next(&c->producers, log)) {
        if (format_producers_find(&x->there, log->id) == NULL)
            inspect_report(
                c->in, c->dir, x->snapshot->file, INSPECT_FIND_SNAPSHOT_LACKS, -1,
                "producer %lld is not in it, and the log has its batch of timestamp %lld",
                (long long)log->id, (long long)log->timestamp);
    }
}

/* ---- files ---- */

/* A write that did not end leaves too few bytes, or none in some places. */
static bool looks_torn(struct bytes file)
{
    static const uint8_t zeros[FORMAT_SNAPSHOT_ENTRY];
    if (file.size < FORMAT_SNAPSHOT_HEAD || get_u16(file.data) == 0)
        return true;
    uint64_t count = get_u32(file.data + 6);
    if (file.size != FORMAT_SNAPSHOT_HEAD + count * FORMAT_SNAPSHOT_ENTRY)
        return true;
    return count > 0 && memcmp(file.data + file.size - sizeof zeros, zeros, sizeof zeros) == 0;
}

static void tell_bad(struct inspect_check *c, struct inspect_file *file, const char *why)
{
    bool torn = !c->known.clean && looks_torn(file->bytes);
    inspect_report(c->in, c->dir, file,
                   torn ? INSPECT_FIND_SNAPSHOT_TORN : INSPECT_FIND_SNAPSHOT_BAD, -1, "%s", why);
}

/* False: it tells nothing that could be compared. */
static bool decode(struct comparison *x)
{
    struct inspect_check *c = x->check;
    struct inspect_file *file = x->snapshot->file;
    struct errmsg msg = {{0}};
    if (!inspect_map(c->in, c->dir, file))
        return false;
    enum err e = format_snapshot_decode(&x->there, file->bytes, 0, &msg);
    if (e == ERR_NOMEM)
        c->in->err = e;
    else if (e != ERR_NONE)
        tell_bad(c, file, msg.text[0] != 0 ? msg.text : "a producer's id is below 0");
    inspect_unmap(c->in, file);
    return e == ERR_NONE;
}

static void decode_window(struct comparison *x)
{
    struct inspect_check *c = x->check;
    struct inspect_file *file = x->snapshot->window;
    struct errmsg msg = {{0}};
    if (file == NULL || !inspect_map(c->in, c->dir, file))
        return;
    if (format_window_decode(&x->there, file->bytes, &msg) != ERR_NONE)
        tell_bad(c, file, msg.text);
    inspect_unmap(c->in, file);
}

static void check_snapshot(struct inspect_check *c, struct inspect_check_snapshot *snapshot,
                           bool replayed)
{
    struct comparison x = {.check = c, .snapshot = snapshot};
    if (snapshot->file == NULL) {
        inspect_report(c->in, c->dir, snapshot->window, INSPECT_FIND_WINDOW_ALONE, -1,
                       "there is no .snapshot beside it");
        return;
    }
    if (format_producers_init(&x.there, c->in->mem, NULL) != ERR_NONE) {
        c->in->err = ERR_NOMEM;
        return;
    }
    bool right = decode(&x);
    decode_window(&x);
    if (right && replayed && !c->holed && !inspect_check_compacted(c) && c->in->err == ERR_NONE)
        compare(&x);
    format_producers_free(&x.there);
}

/* Snapshots below the log's first offset stand for what is gone. */
void inspect_check_snapshots(struct inspect_check *c, int64_t low, int64_t high)
{
    while (c->snapshot_next < c->snapshot_count && c->snapshots[c->snapshot_next].offset <= high) {
        struct inspect_check_snapshot *snapshot = &c->snapshots[c->snapshot_next++];
        bool inside = snapshot->offset > c->first && snapshot->offset < low;
        if (inside && !c->holed && snapshot->file != NULL && !inspect_check_compacted(c))
            inspect_report(c->in, c->dir, snapshot->file, INSPECT_FIND_SNAPSHOT_DIFFERS, -1,
                           "no batch ends before offset %lld", (long long)snapshot->offset);
        check_snapshot(c, snapshot, snapshot->offset >= low);
    }
}

void inspect_check_snapshots_end(struct inspect_check *c)
{
    if (c->expected >= 0)
        inspect_check_snapshots(c, c->expected, c->expected);
    while (c->snapshot_next < c->snapshot_count) {
        struct inspect_check_snapshot *snapshot = &c->snapshots[c->snapshot_next++];
        if (c->expected >= 0 && snapshot->file != NULL)
            inspect_report(c->in, c->dir, snapshot->file, INSPECT_FIND_SNAPSHOT_BEYOND, -1,
                           "the log ends at offset %lld", (long long)c->expected);
        check_snapshot(c, snapshot, false);
    }
}
