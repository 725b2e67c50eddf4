/* change.c - what was appended to the metadata log and is on its way to be seen: durable first,
 * then prepared, then published, in the order of the log. Nothing is answered before. */
#include "metadata/internal.h"

struct change *metadata_change_new(struct metadata *m, int32_t topic_max)
{
    struct change *change = mem_zalloc(m->mem, sizeof *change);
    if (change == NULL)
        return NULL;
    list_init(&change->link);
    change->producer_ids = -1;
    if (topic_max == 0)
        return change;
    change->topics = mem_array(m->mem, (size_t)topic_max, sizeof *change->topics);
    if (change->topics != NULL)
        return change;
    metadata_change_free(m, change);
    return NULL;
}

void metadata_change_free(struct metadata *m, struct change *change)
{
    ASSERT(!list_linked(&change->link));
    metadata_image_release(change->image);
    mem_free(m->mem, change->topics);
    mem_free(m->mem, change);
}

int16_t metadata_change_append(struct metadata *m, struct batch *b, struct change *change,
                               struct errmsg *msg)
{
    int64_t offset = log_end(m->log);
    enum err e = metadata_batch_image(b, offset, m->epoch, m->tail, &change->image, msg);
    if (e != ERR_NONE) {
        ASSERT(e == ERR_NOMEM);
        metadata_batch_free(b);
        errmsg_set(msg, e, "the broker is out of memory");
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    }
    struct log_appended appended;
    struct slice slice = slice_of(b->buf, 0, (uint32_t)(b->start + b->builder.size));
    log_append(m->log, slice, m->epoch, env_wall(m->env), &appended);
    metadata_batch_free(b);
    if (appended.verdict != LOG_APPENDED) {
        errmsg_set(msg, ERR_OFFLINE, "the metadata log takes no records: %s",
                   wire_error_text(appended.code));
        return appended.code;
    }
    ASSERT(appended.first == offset);
    change->number = ++m->change_last;
    change->first = offset;
    change->end = appended.last + 1;
    list_push_back(&m->changes, &change->link);
    metadata_image_release(m->tail);
    m->tail = change->image;
    metadata_image_retain(m->tail);
    return WIRE_ERROR_NONE;
}

void metadata_op_done(struct metadata *m, enum err e)
{
    struct metadata_op *op = m->op;
    if (op == NULL)
        return;
    m->op = NULL;
    m->op_change = 0;
    op->done(op, e);
}

/* ---- the end of those who wait ---- */

static void finish_creates(struct metadata *m, uint64_t upto)
{
    for (;;) {
        struct metadata_create *create = LIST_FIRST(&m->creates, struct metadata_create, link);
        if (create == NULL || create->change > upto)
            return;
        list_remove(&create->link);
        create->done(create);
    }
}

/* A verdict that was reached in view of what has been taken back. */
static bool is_void(const struct metadata *m, const struct metadata_new_topic *topic)
{
    if (topic->code == WIRE_ERROR_TOPIC_ALREADY_EXISTS)
        return metadata_find(m->tail, topic->name) == NULL;
    return topic->code == WIRE_ERROR_NONE;
}

static void fail_creates(struct metadata *m, uint64_t from)
{
    struct list failed;
    list_init(&failed);
    LIST_EACH (create, &m->creates, struct metadata_create, link) {
        if (create->change < from)
            continue;
        list_remove(&create->link);
        list_push_back(&failed, &create->link);
    }
    struct list *link;
    while ((link = list_pop_front(&failed)) != NULL) {
        struct metadata_create *create = CONTAINER_OF(link, struct metadata_create, link);
        for (int32_t i = 0; i < create->topic_count; i++) {
            struct metadata_new_topic *topic = &create->topics[i];
            if (!is_void(m, topic))
                continue;
            topic->code = WIRE_ERROR_KAFKA_STORAGE_ERROR;
            errmsg_set(&topic->msg, ERR_IO, "the metadata log could not be written");
            metadata_topic_release(topic->topic);
            topic->topic = NULL;
        }
        create->done(create);
    }
}

/* Everything from that change on never happened. */
static void fail_from(struct metadata *m, uint64_t from)
{
    bool ids_lost = false;
    while (!list_empty(&m->changes)) {
        struct change *change = CONTAINER_OF(m->changes.prev, struct change, link);
        if (change->number < from)
            break;
        ids_lost |= change->producer_ids >= 0;
        list_remove(&change->link);
        metadata_change_free(m, change);
    }
    metadata_image_release(m->tail);
    m->tail = list_empty(&m->changes) ? m->current
                                      : CONTAINER_OF(m->changes.prev, struct change, link)->image;
    metadata_image_retain(m->tail);
    fail_creates(m, from);
    if (ids_lost)
        metadata_producer_ids_fail(m, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    bool unled = m->lead_change >= from && m->lead_change != 0;
    if (unled && metadata_quorum_unled(m))
        return;
    if (m->op != NULL && m->op_change >= from) {
        errmsg_set(&m->op->msg, ERR_IO, "cannot write the metadata log");
        metadata_op_done(m, ERR_IO);
    }
}

/* ---- going on ---- */

static void publish(struct metadata *m, struct change *change)
{
    ASSERT(m->changes.next == &change->link);
    list_remove(&change->link);
    metadata_image_release(m->current);
    m->current = change->image;
    metadata_image_retain(m->current);
    for (int32_t i = 0; i < change->topic_count; i++) {
        const struct metadata_topic *topic = change->topics[i];
        uint64_t id = hash_text(topic->name);
        TRACE(m->trace, TOPIC_ADDED, id, (uint64_t)topic->partition_count, (uint64_t)change->first);
    }
    uint64_t number = change->number;
    int64_t producer_ids = change->producer_ids;
    metadata_change_free(m, change);
    if (producer_ids >= 0)
        metadata_producer_ids_usable(m, producer_ids);
    finish_creates(m, number);
    if (m->lead_change != 0 && m->lead_change <= number)
        metadata_quorum_led(m);
    if (m->op != NULL && m->op_change != 0 && m->op_change <= number)
        metadata_op_done(m, ERR_NONE);
}

/* True when something moved. */
static bool advance_once(struct metadata *m)
{
    struct change *change = LIST_FIRST(&m->changes, struct change, link);
    if (change == NULL || m->preparing || m->replay != NULL)
        return false;
    if (log_counting_end(m->log) < change->end)
        return false;
    if (change->topic_count > 0 && m->watch != NULL) {
        m->preparing = true;
        m->watch->prepare(m->watch, change->topics, change->topic_count);
        return !m->preparing;
    }
    publish(m, change);
    return true;
}

void metadata_change_advance(struct metadata *m)
{
    m->advance_again = true;
    if (m->advancing)
        return;
    m->advancing = true;
    metadata_assigns_durable(m);
    while (m->advance_again) {
        m->advance_again = false;
        while (advance_once(m))
            ;
    }
    m->advancing = false;
    if (m->closing && !m->closed && !m->leading && list_empty(&m->changes)) {
        m->closed = true;
        metadata_quorum_close(m);
    }
}

void metadata_publish(struct metadata *m)
{
    ASSERT(m->preparing);
    m->preparing = false;
    struct change *change = LIST_FIRST(&m->changes, struct change, link);
    ASSERT(change != NULL);
    publish(m, change);
    metadata_change_advance(m);
}

/* What stands above end is in no log. */
static void take_back(struct metadata *m, int64_t end)
{
    metadata_assigns_fail(m, end);
    LIST_EACH (change, &m->changes, struct change, link) {
        if (change->end <= end)
            continue;
        fail_from(m, change->number);
        return;
    }
}

void metadata_change_cut(struct log_watch *watch, int64_t end)
{
    struct metadata *m = CONTAINER_OF(watch, struct metadata, log_watch);
    take_back(m, end);
    metadata_change_advance(m);
}

/* A change that is being prepared is durable, and stays when the log goes offline. */
void metadata_change_moved(struct log_watch *watch, enum err e)
{
    struct metadata *m = CONTAINER_OF(watch, struct metadata, log_watch);
    if (e != ERR_NONE)
        take_back(m, log_counting_end(m->log));
    metadata_change_advance(m);
    if (e == ERR_NONE || m->offline)
        return;
    m->offline = true;
    if (m->watch != NULL)
        m->watch->failed(m->watch, e);
}
