/* removals.c - the partitions of topics that were deleted: who asks for them is refused at once;
 * their directories go a few at a time, and a partition of the same name is made when the old one's
 * directory has another name. */
#include "node/internal.h"

struct key {
    const char *topic;
    int32_t partition;
};

static uint64_t hash_key(const char *topic, int32_t partition)
{
    return hash_combine(hash_text(topic), (uint64_t)partition);
}

static bool equal_key(const void *key, const struct hmap_node *node)
{
    const struct key *k = key;
    const struct removal *m = CONTAINER_OF(node, struct removal, node);
    return k->partition == m->partition && strcmp(k->topic, m->topic) == 0;
}

enum err broker_removals_init(struct broker *b)
{
    list_init(&b->to_remove);
    return hmap_init(&b->removals, b->mem, equal_key);
}

void broker_removals_free(struct broker *b)
{
    ASSERT(!broker_removals_busy(b));
    hmap_free(&b->removals);
}

static struct removal *find(const struct broker *b, const char *topic, int32_t partition)
{
    struct key key = {.topic = topic, .partition = partition};
    struct hmap_node *node = hmap_find(&b->removals, hash_key(topic, partition), &key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct removal, node);
}

static void pump(struct broker *b);

/* The name is free, or nothing more can be done about it here. */
static void end(struct removal *m, enum err e, const char *why)
{
    struct broker *b = m->broker;
    ASSERT(b->removing_count > 0);
    b->removing_count--;
    if (e != ERR_NONE)
        NOTE(b->notes, PARTITION_STRAY,
             "%s/%s-%d belongs to a topic that was deleted, and is not removed: %s; the next start "
             "removes it",
             b->config.log_dirs, m->topic, (int)m->partition, why);
    hmap_remove(&b->removals, &m->node);
    if (m->next != NULL)
        broker_partitions_line_up(b, m->next);
    if (m->replica != NULL)
        replica_let_go(m->replica);
    struct application *application = m->application;
    mem_free(b->mem, m);
    broker_reconcile_tried(b, application);
    pump(b);
    broker_partitions_pump(b); /* the last: a broker that drains may go on */
}

static void on_removed(struct replica_op *op, enum err e)
{
    end(CONTAINER_OF(op, struct removal, op), e, op->msg.text);
}

static void on_left_removed(struct log_op *op, enum err e)
{
    end(CONTAINER_OF(op, struct removal, log_op), e, op->msg.text);
}

/* Each may end at once. */
static void pump(struct broker *b)
{
    while (b->removing_count < REMOVALS_MAX && !list_empty(&b->to_remove)) {
        struct removal *m = CONTAINER_OF(list_pop_front(&b->to_remove), struct removal, link);
        b->removing_count++;
        if (m->replica != NULL)
            replica_remove(m->replica, &m->op, b->logs, on_removed);
        else
            log_delete_closed(b->logs, m->topic, m->partition, &m->log_op, on_left_removed);
    }
}

static struct removal *new_removal(struct broker *b, const char *topic, int32_t partition)
{
    size_t size = strlen(topic) + 1;
    struct removal *m = mem_zalloc(b->mem, sizeof *m + size);
    if (m == NULL)
        return NULL;
    m->broker = b;
    m->partition = partition;
    memcpy(m->topic, topic, size);
    list_init(&m->link);
    ASSERT(find(b, topic, partition) == NULL);
    hmap_insert(&b->removals, hash_key(topic, partition), &m->node);
    list_push_back(&b->to_remove, &m->link);
    return m;
}

void broker_removals_add(struct broker *b, struct replica *r, struct application *application)
{
    struct removal *before = find(b, replica_topic(r), replica_partition(r));
    struct removal *m =
        before != NULL ? NULL : new_removal(b, replica_topic(r), replica_partition(r));
    if (before == NULL && m == NULL) {
        replica_resign(r); /* the next start removes its directory */
        return;
    }
    broker_fetchers_unfollow(b, r);
    if (b->retain_next == r)
        b->retain_next = replica_next(&b->replicas, r);
    replica_hold(r);
    replica_delete(r);
    if (before != NULL) { /* it waits to be made, and is not made at all */
        if (before->next != NULL)
            broker_partitions_line_up(b, before->next); /* to be dropped */
        before->next = NULL;
        replica_let_go(r);
        return;
    }
    m->replica = r;
    m->application = application;
    application->pending++;
    pump(b);
}

enum err broker_removals_add_left(struct broker *b, const char *topic, int32_t partition)
{
    if (new_removal(b, topic, partition) == NULL)
        return ERR_NOMEM;
    pump(b);
    return ERR_NONE;
}

bool broker_removals_wait(struct broker *b, struct opening *o)
{
    struct removal *m = find(b, replica_topic(o->replica), replica_partition(o->replica));
    if (m == NULL)
        return false;
    ASSERT(m->next == NULL);
    m->next = o;
    return true;
}

bool broker_removals_busy(const struct broker *b)
{
    return b->removals.count > 0;
}
