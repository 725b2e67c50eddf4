/* change.c - what was appended to the metadata log and is on its way to be seen: durable first,
 * then prepared, then published, in the order of the log. Nothing is answered before. */
#include "quorum/internal.h"

static struct change *change_new(struct quorum *q)
{
    struct change *change = mem_zalloc(q->mem, sizeof *change);
    if (change == NULL)
        return NULL;
    list_init(&change->link);
    metadata_delta_init(&change->delta, q->mem);
    return change;
}

static void change_free(struct quorum *q, struct change *change)
{
    ASSERT(!list_linked(&change->link));
    metadata_image_release(change->image);
    metadata_delta_free(&change->delta);
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
                                : metadata_batch_image(write, q->mem, q->tail, &change->delta,
                                                       &change->image, msg);
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
    queue(q, change, &appended);
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

/* Everything from that change on never happened. */
static void fail_from(struct quorum *q, uint64_t from)
{
    while (!list_empty(&q->changes)) {
        struct change *change = CONTAINER_OF(q->changes.prev, struct change, link);
        if (change->number < from)
            break;
        list_remove(&change->link);
        change_free(q, change);
    }
    metadata_image_release(q->tail);
    q->tail = list_empty(&q->changes) ? q->current
                                      : CONTAINER_OF(q->changes.prev, struct change, link)->image;
    metadata_image_retain(q->tail);
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

/* The topics that it makes, as they stand in its image. */
static const struct metadata_topic *topic_of(const struct change *change, int32_t i)
{
    const struct metadata_topic *topic = metadata_find_id(change->image, &change->delta.topics[i]);
    ASSERT(topic != NULL);
    return topic;
}

static void publish(struct quorum *q, struct change *change)
{
    ASSERT(q->changes.next == &change->link);
    list_remove(&change->link);
    metadata_image_release(q->current);
    q->current = change->image;
    metadata_image_retain(q->current);
    for (int32_t i = 0; i < change->delta.topic_count; i++) {
        const struct metadata_topic *topic = topic_of(change, i);
        uint64_t id = hash_text(topic->name);
        TRACE(q->trace, TOPIC_ADDED, id, (uint64_t)topic->partition_count, (uint64_t)change->first);
    }
    uint64_t number = change->number;
    change_free(q, change);
    quorum_requests_published(q, number);
    if (q->lead_change != 0 && q->lead_change <= number)
        quorum_led(q);
    if (q->op != NULL && q->op_change != 0 && q->op_change <= number)
        quorum_op_done(q, ERR_NONE);
}

/* The owner may call quorum_publish before this returns. False: there is no memory; the owner
 * finds the partitions when the next life begins. */
static bool prepare(struct quorum *q, const struct change *change)
{
    int32_t count = change->delta.topic_count;
    const struct metadata_topic **topics = mem_array(q->mem, (size_t)count, sizeof *topics);
    if (topics == NULL)
        return false;
    for (int32_t i = 0; i < count; i++)
        topics[i] = topic_of(change, i);
    q->preparing = true;
    q->watch->prepare(q->watch, topics, count);
    mem_free(q->mem, topics);
    return true;
}

/* True when something moved. */
static bool advance_once(struct quorum *q)
{
    struct change *change = LIST_FIRST(&q->changes, struct change, link);
    if (change == NULL || q->preparing || q->replay != NULL)
        return false;
    if (log_counting_end(q->log) < change->end)
        return false;
    if (change->delta.topic_count > 0 && q->watch != NULL && prepare(q, change))
        return !q->preparing;
    publish(q, change);
    return true;
}

void quorum_change_advance(struct quorum *q)
{
    q->advance_again = true;
    if (q->advancing)
        return;
    q->advancing = true;
    quorum_requests_durable(q);
    while (q->advance_again) {
        q->advance_again = false;
        while (advance_once(q))
            ;
    }
    q->advancing = false;
    if (q->closing && !q->closed && !q->leading && list_empty(&q->changes)) {
        q->closed = true;
        quorum_closing_go_on(q);
    }
}

void quorum_publish(struct quorum *q)
{
    ASSERT(q->preparing);
    q->preparing = false;
    struct change *change = LIST_FIRST(&q->changes, struct change, link);
    ASSERT(change != NULL);
    publish(q, change);
    quorum_change_advance(q);
}

/* What stands above end is in no log. */
static void take_back(struct quorum *q, int64_t end)
{
    quorum_requests_cut(q, end);
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
    take_back(q, end);
    quorum_change_advance(q);
}

/* A change that is being prepared is durable, and stays when the log goes offline. */
void quorum_change_moved(struct log_watch *watch, enum err e)
{
    struct quorum *q = CONTAINER_OF(watch, struct quorum, log_watch);
    if (e != ERR_NONE)
        take_back(q, log_counting_end(q->log));
    quorum_change_advance(q);
    if (e == ERR_NONE || q->offline)
        return;
    q->offline = true;
    if (q->watch != NULL)
        q->watch->failed(q->watch, e);
}
