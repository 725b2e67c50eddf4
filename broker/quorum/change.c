/* change.c - what was appended to the metadata log and is on its way to be seen: durable first,
 * then published, in the order of the log. Nothing is answered before. */
#include "quorum/internal.h"

static struct change *change_new(struct quorum *q)
{
    struct change *change = mem_zalloc(q->mem, sizeof *change);
    if (change == NULL)
        return NULL;
    list_init(&change->link);
    return change;
}

static void change_free(struct quorum *q, struct change *change)
{
    ASSERT(!list_linked(&change->link));
    metadata_image_release(change->image);
    mem_free(q->mem, change);
}

static void queue(struct quorum *q, struct change *change, const struct log_appended *appended)
{
    change->number = ++q->change_last;
    change->first = appended->first;
    change->end = appended->last + 1;
    list_push_back(&q->changes, &change->link);
    metadata_image_release(q->tail);
    q->tail = change->image;
    metadata_image_retain(q->tail);
}

static int16_t append_write(struct quorum *q, const struct metadata_write *write,
                            struct errmsg *msg)
{
    int64_t offset = log_end(q->log);
    struct change *change = change_new(q);
    enum err e = change == NULL ? ERR_NOMEM
                                : metadata_batch_image(write, q->mem, q->tail, &change->image, msg);
    if (e != ERR_NONE) {
        ASSERT(e == ERR_NOMEM);
        if (change != NULL)
            change_free(q, change);
        errmsg_set(msg, e, "the broker is out of memory");
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    }
    struct log_appended appended;
    log_append(q->log, slice_of(write->buf, 0, write->size), q->epoch, env_wall(q->env), &appended);
    if (appended.verdict != LOG_APPENDED) {
        change_free(q, change);
        errmsg_set(msg, ERR_OFFLINE, "the metadata log takes no records: %s",
                   wire_error_text(appended.code));
        return appended.code;
    }
    ASSERT(appended.first == offset);
    change->bytes = write->size;
    queue(q, change, &appended);
    if (q->member != NULL)
        quorum_member_appended(q, change->end);
    else
        quorum_carry_appended(q, change->end);
    return WIRE_ERROR_NONE;
}

int16_t quorum_change_append(struct quorum *q, struct metadata_batch *batch, struct errmsg *msg)
{
    enum err e = metadata_batch_finish(batch);
    ASSERT(batch->leader_epoch == q->epoch);
    ASSERT(batch->offset == log_end(q->log));
    if (e != ERR_NONE) {
        errmsg_set(msg, e, "%s", err_text(e));
        return WIRE_ERROR_POLICY_VIOLATION;
    }
    int16_t code = WIRE_ERROR_NONE;
    for (int32_t i = 0; i < batch->write_count && code == WIRE_ERROR_NONE; i++)
        code = append_write(q, &batch->writes[i], msg);
    return code;
}

void quorum_op_done(struct quorum *q, enum err e)
{
    struct quorum_op *op = q->op;
    if (op == NULL)
        return;
    q->op = NULL;
    q->op_change = 0;
    op->done(op, e);
}

/* Takes out all from that change on. */
static void drop_from(struct quorum *q, uint64_t from)
{
    while (!list_empty(&q->changes)) {
        struct change *change = CONTAINER_OF(q->changes.prev, struct change, link);
        if (change->number < from)
            break;
        list_remove(&change->link);
        change_free(q, change);
    }
    struct metadata_image *was = q->tail;
    q->tail = list_empty(&q->changes) ? q->committed
                                      : CONTAINER_OF(q->changes.prev, struct change, link)->image;
    metadata_image_retain(q->tail);
    if (KNOWN_BUG(quorum_taken_back_kept))
        quorum_keep_state(q, &q->tail, was);
    metadata_image_release(was);
}

void quorum_change_drop(struct quorum *q)
{
    drop_from(q, 0);
    ASSERT(list_empty(&q->changes));
}

/* Everything from that change on never happened. */
static void fail_from(struct quorum *q, uint64_t from)
{
    drop_from(q, from);
    quorum_requests_lost(q, from);
    bool unled = q->lead_change >= from && q->lead_change != 0;
    if (unled && quorum_unled(q))
        return;
    if (q->op != NULL && q->op_change >= from) {
        errmsg_set(&q->op->msg, ERR_IO, "cannot write the metadata log");
        quorum_op_done(q, ERR_IO);
    }
}

/* ---- going on ---- */

/* What this node orders itself, and what a snapshot does not have any more, is no record that is
 * replayed. Without memory its directory is left alone, which is said. */
static void remember_removed(struct quorum *q, const struct metadata_image *from,
                             const struct metadata_image *to)
{
    struct metadata_map_diff diff;
    const struct metadata_topic *before, *after;
    metadata_delta(&diff, from, to);
    while (metadata_delta_next(&diff, &before, &after)) {
        bool new = after == NULL && !metadata_was_removed(&q->removed, &before->id);
        if (new &&metadata_removed_add(&q->removed, &before->id) != ERR_NONE)
            return;
    }
}

void quorum_change_current(struct quorum *q, struct metadata_image *image, int64_t first)
{
    const struct metadata_image *from = q->current, *to = metadata_visible(image);
    metadata_image_release(q->committed);
    q->committed = image;
    if (to == from) /* a transaction goes on */
        return;
    metadata_image_retain(to);
    q->current = (struct metadata_image *)to;
    struct metadata_topic_config before = *quorum_topic_defaults(q);
    if (from == NULL || from->kept.root != to->kept.root) /* where settings of brokers stand */
        quorum_configure(q);
    bool moved = memcmp(&before, quorum_topic_defaults(q), sizeof before) != 0;
    quorum_tell_image(q, from, to, first, moved);
    if (!q->opened && q->member != NULL && !KNOWN_BUG(removed_while_joining))
        remember_removed(q, from, to);
    if (q->watch != NULL)
        q->watch->published(q->watch, from, to);
    else
        q->applied = to->offset;
    metadata_image_release(from);
}

static void publish(struct quorum *q, struct change *change)
{
    ASSERT(q->changes.next == &change->link);
    list_remove(&change->link);
    metadata_image_retain(change->image);
    quorum_change_current(q, change->image, change->first);
    q->unsnapped_bytes += change->bytes;
    uint64_t number = change->number;
    change_free(q, change);
    quorum_requests_published(q, number);
    quorum_snapshot_consider(q);
    if (q->lead_change != 0 && q->lead_change <= number)
        quorum_led(q);
    if (q->op != NULL && q->op_change != 0 && q->op_change <= number)
        quorum_op_done(q, ERR_NONE);
}

void quorum_change_publish(struct quorum *q, int64_t end)
{
    for (;;) {
        struct change *change = LIST_FIRST(&q->changes, struct change, link);
        if (change == NULL || change->end > end)
            return;
        publish(q, change);
    }
}

/* True when something moved. */
static bool advance_once(struct quorum *q)
{
    struct change *change = LIST_FIRST(&q->changes, struct change, link);
    if (change == NULL || q->replay != NULL)
        return false;
    if (quorum_carry_committed(q) < change->end)
        return false;
    publish(q, change);
    return true;
}

void quorum_change_advance(struct quorum *q)
{
    if (q->member != NULL) {
        quorum_member_go_on(q);
        return;
    }
    q->advance_again = true;
    if (q->advancing)
        return;
    q->advancing = true;
    while (q->advance_again) {
        q->advance_again = false;
        while (advance_once(q))
            ;
    }
    q->advancing = false;
    if (q->closing && !q->closed && !q->leading && list_empty(&q->changes) &&
        !quorum_snapshot_busy(q)) {
        q->closed = true;
        quorum_closing_go_on(q);
    }
}

/* What stands above end is in no log. */
static void take_back(struct quorum *q, int64_t end)
{
    LIST_EACH (change, &q->changes, struct change, link) {
        if (change->end <= end)
            continue;
        fail_from(q, change->number);
        return;
    }
}

void quorum_change_cut(struct log_watch *watch, int64_t end)
{
    struct quorum *q = CONTAINER_OF(watch, struct quorum, log_watch);
    if (q->member != NULL) { /* raft is told where the log ends now, and what becomes of it */
        quorum_member_go_on(q);
        return;
    }
    take_back(q, end);
    if (q->raft != NULL && q->to_lead == NULL)
        quorum_carry_cut(q, end);
    quorum_change_advance(q);
}

void quorum_change_moved(struct log_watch *watch, enum err e)
{
    struct quorum *q = CONTAINER_OF(watch, struct quorum, log_watch);
    if (q->member != NULL) {
        if (e != ERR_NONE)
            quorum_member_log_failed(q, e);
        quorum_member_go_on(q);
        return;
    }
    if (e != ERR_NONE)
        take_back(q, log_counting_end(q->log));
    quorum_change_advance(q);
    if (e == ERR_NONE || q->offline)
        return;
    q->offline = true;
    if (q->watch != NULL)
        q->watch->failed(q->watch, e);
}
