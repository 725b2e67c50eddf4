/* reconcile.c - makes the partitions of this broker agree with the image: what is wanted beside
 * what is there, and a row for each of the four. The image never waits for it: a slow disk holds up
 * who asked for a topic, and nobody else. */
#include "node/internal.h"

/* One partition that an image changes. */
struct difference {
    const struct metadata_topic *topic; /* as it is; as it was, where it is gone */
    int32_t number;
    struct replica *replica; /* NULL: there is none here */
    struct application *application;
};

static void open_it(struct broker *b, const struct difference *d)
{
    if (broker_partitions_add(b, d->topic, d->number, d->application) != ERR_NONE)
        NOTE(b->notes, PARTITION_OFFLINE, "partition %s-%d is offline: out of memory",
             d->topic->name, (int)d->number);
}

static void become(struct broker *b, const struct difference *d)
{
    broker_partitions_catch_up(b, d->replica);
}

static void remove_it(struct broker *b, const struct difference *d)
{
    broker_removals_add(b, d->replica, d->application);
}

static void leave_alone(struct broker *b, const struct difference *d)
{
    (void)b;
    (void)d;
}

typedef void action(struct broker *b, const struct difference *d);
static action *const actions[2][2] = {
    /* is there:      no           yes */
    [true] = {/*  wanted */ open_it, become},
    [false] = {/* not    */ leave_alone, remove_it},
};

static bool is_wanted(const struct broker *b, const struct metadata_partition *p)
{
    return p != NULL && broker_partitions_are_here(b, p);
}

static void reconcile_topic(struct broker *b, const struct metadata_topic *before,
                            const struct metadata_topic *after, struct application *application)
{
    struct metadata_partition_diff diff;
    const struct metadata_partition *was, *is;
    struct difference d = {.topic = after != NULL ? after : before, .application = application};
    if (before == NULL)
        NOTE(b->notes, TOPIC_CREATED, "topic %s was created with %d partition%s", after->name,
             (int)after->partition_count, after->partition_count == 1 ? "" : "s");
    if (after == NULL)
        NOTE(b->notes, TOPIC_DELETED, "topic %s was deleted", before->name);
    if (before != NULL && after != NULL && before->settings_block != after->settings_block)
        broker_partitions_reconfigure(b, after);
    metadata_partition_diff(&diff, before, after);
    while (metadata_partition_diff_next(&diff, &d.number, &was, &is)) {
        d.replica = replica_find(&b->replicas, &d.topic->id, d.number);
        actions[is_wanted(b, is)][d.replica != NULL](b, &d);
    }
}

/* What was set for this broker, or for all of them. */
static void reconcile_broker(struct broker *b, const struct metadata_image *image)
{
    const struct metadata_broker_config *wanted = quorum_broker_config(b->quorum);
    if (memcmp(wanted, &b->going, sizeof b->going) == 0)
        return;
    b->going = *wanted;
    dir_set_flush_interval(b->dir, wanted->log_flush_interval_ms);
    broker_clients_accept(b);
    broker_partitions_reconfigure_all(b, image);
}

/* All that is applied is told in the order of the images. */
static void tell_applied(struct broker *b)
{
    for (;;) {
        struct application *oldest = LIST_FIRST(&b->applications, struct application, link);
        if (oldest == NULL || oldest->pending > 0)
            return;
        int64_t offset = oldest->offset;
        list_remove(&oldest->link);
        mem_free(b->mem, oldest);
        quorum_applied(b->quorum, offset);
    }
}

void broker_reconcile_tried(struct broker *b, struct application *application)
{
    if (application == NULL)
        return;
    ASSERT(application->pending > 0);
    if (--application->pending == 0)
        tell_applied(b);
}

bool broker_reconcile_busy(const struct broker *b)
{
    return !list_empty(&b->applications);
}

/* While the broker starts or rests nothing is begun: the partitions of the whole image are opened
 * when the metadata are, in this life or the next. */
void broker_reconcile(struct quorum_watch *watch, const struct metadata_image *from,
                      const struct metadata_image *to)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    struct metadata_map_diff diff;
    const struct metadata_topic *before, *after;
    struct application *application = mem_zalloc(b->mem, sizeof *application);
    if (b->resting || !b->follows_image || application == NULL) {
        mem_free(b->mem, application);
        quorum_applied(b->quorum, to->offset);
        broker_membership_look(b);
        return;
    }
    application->offset = to->offset;
    application->pending = 1; /* of this function */
    list_init(&application->link);
    list_push_back(&b->applications, &application->link);
    reconcile_broker(b, to);
    broker_fetchers_know(b, from, to);
    metadata_delta(&diff, from, to);
    while (metadata_delta_next(&diff, &before, &after))
        reconcile_topic(b, before, after, application);
    if (from->brokers.root != to->brokers.root)
        replica_brokers_changed(&b->replicas);
    broker_partitions_pump(b);
    broker_reconcile_tried(b, application);
    broker_membership_look(b);
    if (b->kept.os_seen && b->kept.holds)
        broker_membership_hurry(b);
}
