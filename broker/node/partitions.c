/* partitions.c - the partitions of this broker: opened a few at a time, tried again when the disk
 * had no room, trimmed by retention, closed. One that is corrupt is offline; the others serve. */
#include "node/internal.h"

static void pump(struct broker *b);

/* ---- opening ---- */

static void free_opening(struct opening *o)
{
    list_remove(&o->link);
    mem_free(o->broker->mem, o);
}

static void prepared(struct broker *b, struct opening *o)
{
    if (!o->prepares)
        return;
    o->prepares = false;
    ASSERT(b->preparing_count > 0);
    b->preparing_count--;
}

/* Tells whoever waits for the last one. */
static void opened_some(struct broker *b)
{
    if (b->opening_count == 0 && list_empty(&b->to_open))
        broker_marks_write(b);
    if (b->preparing && b->preparing_count == 0) {
        b->preparing = false;
        quorum_publish(b->quorum);
    }
    if (b->starting_partitions && b->opening_count == 0 && list_empty(&b->to_open)) {
        b->starting_partitions = false;
        broker_start_partitions_done(b);
        return;
    }
    if (b->phase == BROKER_DRAINING)
        broker_stop_go_on(b);
}

/* The epoch in which it is to be led, as far as a full disk lets it. */
static void catch_up(struct broker *b, struct replica *r)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    const struct metadata_topic *topic = metadata_find_id(image, replica_topic_id(r));
    int32_t partition = replica_partition(r);
    if (topic == NULL || partition >= topic->partition_count || !replica_is_open(r))
        return;
    int32_t epoch = topic->partitions[partition].leader_epoch;
    replica_lead(r, MAX(epoch, replica_leader_epoch(r)));
    if (replica_holds(r))
        broker_partitions_later(b);
}

static void catch_up_some(struct broker *b)
{
    int left = LEAD_STEP;
    for (struct replica *r = replica_first(&b->replicas);
         r != NULL && left > 0 && b->replicas.holding_count > 0;
         r = replica_next(&b->replicas, r)) {
        left -= replica_holds(r);
        if (replica_holds(r))
            catch_up(b, r);
    }
}

static void on_reopen(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, reopen);
    b->reopens++;
    if (b->resting || dir_status(b->dir) != ERR_NONE)
        return;
    list_splice_back(&b->to_open, &b->unopened);
    broker_marks_write(b);
    catch_up_some(b);
    pump(b);
}

void broker_partitions_later(struct broker *b)
{
    b->reopen.fire = on_reopen;
    if (!b->resting && !env_armed(&b->reopen))
        env_arm(b->env, &b->reopen, env_now(b->env) + REOPEN_NS);
}

/* Corruption needs a person; everything else may pass. */
static void on_failed(struct broker *b, struct opening *o, enum err e)
{
    bool over = e == ERR_CORRUPT || b->resting;
    if (!o->told)
        NOTE(b->notes, PARTITION_OFFLINE, "partition %s-%d is offline: %s%s",
             replica_topic(o->replica), (int)replica_partition(o->replica),
             o->op.msg.text[0] != 0 ? o->op.msg.text : err_text(e),
             over ? "" : "; it is tried again every second");
    o->told = true;
    if (over) {
        free_opening(o);
        return;
    }
    list_push_back(&b->unopened, &o->link);
    broker_partitions_later(b);
}

/* Who was told that it is offline is told that it is back. */
static void tell_online(struct broker *b, const struct opening *o)
{
    if (o->told)
        NOTE(b->notes, PARTITION_ONLINE, "partition %s-%d serves again", replica_topic(o->replica),
             (int)replica_partition(o->replica));
}

static void on_opened(struct replica_op *op, enum err e)
{
    struct opening *o = CONTAINER_OF(op, struct opening, op);
    struct broker *b = o->broker;
    b->opening_count--;
    prepared(b, o);
    if (e == ERR_NONE) {
        tell_online(b, o);
        catch_up(b, o->replica);
        if (o->unmarked)
            broker_marks_add(b, o);
        else
            free_opening(o);
    } else {
        on_failed(b, o, e);
    }
    pump(b);
}

/* Starts as many as may be under way; each may end at once. */
static void pump(struct broker *b)
{
    if (b->pumping)
        return;
    b->pumping = true;
    while (b->opening_count < OPENS_MAX && !list_empty(&b->to_open)) {
        struct opening *o = CONTAINER_OF(list_pop_front(&b->to_open), struct opening, link);
        again(&o->tries, b->reopens);
        b->opening_count++;
        replica_open(o->replica, &o->op, b->logs, o->leader_epoch, on_opened);
    }
    b->pumping = false;
    opened_some(b);
}

/* What the metadata log knows of its directory. */
static void set_place(const struct broker *b, const struct metadata_partition *partition,
                      struct replica_config *config)
{
    static const struct wire_uuid nowhere;
    struct wire_uuid here;
    memcpy(here.b, dir_id(b->dir), sizeof here.b);
    config->made_before = wire_uuid_equal(&partition->directory, &here);
    config->unmarked = !config->made_before;
    config->made_elsewhere =
        !config->made_before && !wire_uuid_equal(&partition->directory, &nowhere);
}

static enum err add(struct broker *b, const struct metadata_topic *topic, int32_t partition,
                    bool prepares)
{
    struct metadata_topic_config settings;
    metadata_topic_configured(topic, quorum_topic_defaults(b->quorum), &settings);
    struct replica_config config = {
        .log = broker_log_config(&settings, b->config.producer_id_expiration_ms),
        .min_insync_replicas = (int32_t)settings.min_insync_replicas,
        .replica_count = 1,
    };
    struct opening *o = mem_zalloc(b->mem, sizeof *o);
    if (o == NULL)
        return ERR_NOMEM;
    set_place(b, &topic->partitions[partition], &config);
    o->place = (struct controller_place){.topic_id = topic->id, .partition = partition};
    o->unmarked = config.unmarked;
    list_init(&o->link);
    o->broker = b;
    o->leader_epoch = topic->partitions[partition].leader_epoch;
    o->prepares = prepares;
    enum err e = replica_new(&o->replica, &b->replicas, b->env, b->mem, b->trace, topic->name,
                             &topic->id, partition, &config);
    if (e != ERR_NONE) {
        mem_free(b->mem, o);
        return e;
    }
    b->preparing_count += prepares;
    list_push_back(&b->to_open, &o->link);
    return ERR_NONE;
}

static enum err add_topic(struct broker *b, const struct metadata_topic *topic, bool prepares)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < topic->partition_count && e == ERR_NONE; i++)
        e = add(b, topic, i, prepares);
    return e;
}

/* Directories that hold what the metadata knows nothing of: a person must decide. */
static void tell_strays(struct broker *b, const struct metadata_image *image)
{
    const struct dir_entry *entries = NULL;
    int count = dir_entries(b->dir, &entries);
    for (int i = 0; i < count; i++) {
        struct wire_uuid id;
        memcpy(id.b, entries[i].topic_id, sizeof id.b);
        const struct metadata_topic *topic = metadata_find_id(image, &id);
        bool own = strcmp(entries[i].topic, METADATA_LOG_TOPIC) == 0;
        bool named = topic != NULL && strcmp(entries[i].topic, topic->name) == 0;
        if (own || (named && entries[i].partition < topic->partition_count))
            continue;
        if (topic != NULL && !named)
            NOTE(b->notes, PARTITION_STRAY,
                 "%s/%s-%d is a partition of topic %s by its partition.metadata: give it its name "
                 "back; it is left alone until then",
                 b->config.log_dirs, entries[i].topic, (int)entries[i].partition, topic->name);
        else
            NOTE(b->notes, PARTITION_STRAY,
                 "%s/%s-%d belongs to no topic of this cluster; it is left alone",
                 b->config.log_dirs, entries[i].topic, (int)entries[i].partition);
    }
}

void broker_partitions_open_all(struct broker *b)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    tell_strays(b, image);
    for (int32_t i = 0; i < image->topic_count; i++) {
        if (add_topic(b, image->topics[i], false) == ERR_NONE)
            continue;
        struct errmsg msg = {{0}};
        errmsg_set(&msg, ERR_NOMEM, "out of memory with %d partitions",
                   (int)image->partition_count);
        broker_start_failed(b, ERR_NOMEM, &msg);
        return;
    }
    b->starting_partitions = true;
    pump(b);
}

void broker_partitions_prepare(struct quorum_watch *watch,
                               const struct metadata_topic *const *topics, int32_t count)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    ASSERT(!b->preparing);
    b->preparing = true;
    for (int32_t i = 0; i < count; i++) {
        NOTE(b->notes, TOPIC_CREATED, "topic %s was created with %d partition%s", topics[i]->name,
             (int)topics[i]->partition_count, topics[i]->partition_count == 1 ? "" : "s");
        if (add_topic(b, topics[i], true) != ERR_NONE)
            NOTE(b->notes, PARTITION_OFFLINE,
                 "topic %s has partitions that are offline: out of memory", topics[i]->name);
    }
    pump(b);
}

static void take_epochs(struct broker *b, struct list *openings)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    LIST_EACH (o, openings, struct opening, link) {
        const struct metadata_topic *topic = metadata_find_id(image, &o->place.topic_id);
        if (topic != NULL && o->place.partition < topic->partition_count)
            o->leader_epoch = topic->partitions[o->place.partition].leader_epoch;
    }
}

/* Each waits for its own epoch before it takes records; those that are being opened now do so when
 * they are. */
void broker_partitions_led(struct quorum_watch *watch)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    b->led = true;
    take_epochs(b, &b->to_open);
    take_epochs(b, &b->unopened);
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_next(&b->replicas, r))
        catch_up(b, r);
    b->replicas.holds = false;
    broker_marks_write(b);
}

void broker_partitions_metadata_failed(struct quorum_watch *watch, enum err e)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    const char *why = log_status_text(quorum_log(b->quorum));
    NOTE(b->notes, DIRECTORY_OFFLINE, "nothing is written any more: %s",
         why[0] != 0 ? why : err_text(e));
}

/* What the whole directory has is told once, by broker_partitions_metadata_failed. */
void broker_partitions_tell(struct replica_watch *watch, const struct replica *r, bool offline,
                            const char *sentence)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, replica_watch);
    if (dir_status(b->dir) != ERR_NONE)
        return;
    if (offline)
        NOTE(b->notes, PARTITION_OFFLINE, "partition %s-%d is offline: %s", replica_topic(r),
             (int)replica_partition(r), sentence);
    else
        NOTE(b->notes, PARTITION_NOTICE, "partition %s-%d: %s", replica_topic(r),
             (int)replica_partition(r), sentence);
}

/* ---- retention ---- */

static void on_retention(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, retention);
    if (b->retain_next == NULL)
        b->retain_next = replica_first(&b->replicas);
    for (int i = 0; i < RETAIN_STEP && b->retain_next != NULL; i++) {
        replica_retain(b->retain_next);
        b->retain_next = replica_next(&b->replicas, b->retain_next);
    }
    int64_t pause_ms = b->retain_next != NULL ? 0 : b->config.log_retention_check_interval_ms;
    env_arm(b->env, &b->retention, env_now(b->env) + ENV_NS_OF_MS(pause_ms));
}

void broker_partitions_full(struct dir_watch *watch)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, dir_watch);
    if (b->phase == BROKER_SERVING && !b->resting)
        env_arm(b->env, &b->retention, env_now(b->env));
}

void broker_partitions_begin_retention(struct broker *b)
{
    b->retention.fire = on_retention;
    env_arm(b->env, &b->retention,
            env_now(b->env) + ENV_NS_OF_MS(b->config.log_retention_check_interval_ms));
}

/* ---- the end ---- */

void broker_partitions_rest(struct broker *b)
{
    b->resting = true;
    if (b->quorum != NULL)
        quorum_rest(b->quorum);
    env_disarm(b->env, &b->reopen);
    env_disarm(b->env, &b->retention);
    LIST_EACH (waiting, &b->to_open, struct opening, link) {
        prepared(b, waiting);
        free_opening(waiting);
    }
    LIST_EACH (failed, &b->unopened, struct opening, link) {
        free_opening(failed);
    }
    if (b->preparing && b->preparing_count == 0) {
        b->preparing = false;
        quorum_publish(b->quorum);
    }
}

bool broker_partitions_busy(const struct broker *b)
{
    return b->opening_count > 0 || b->preparing;
}

void broker_partitions_resign(struct broker *b)
{
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_next(&b->replicas, r))
        replica_resign(r);
}

static void close_on(struct broker *b);

static void on_closed(struct replica_op *op, enum err e)
{
    struct broker *b = CONTAINER_OF(op, struct broker, closing_op);
    (void)e; /* nothing was written */
    b->closing_one = false;
    if (!b->pumping)
        close_on(b);
}

/* One after the other; each may end at once. */
static void close_on(struct broker *b)
{
    b->pumping = true;
    while (!b->closing_one && b->close_next != NULL) {
        struct replica *r = b->close_next;
        b->close_next = replica_next(&b->replicas, r);
        if (!replica_is_open(r))
            continue;
        b->closing_one = true;
        replica_close(r, &b->closing_op, on_closed);
    }
    b->pumping = false;
    if (!b->closing_one)
        broker_stop_partitions_closed(b);
}

void broker_partitions_close(struct broker *b)
{
    ASSERT(b->opening_count == 0);
    b->close_next = replica_first(&b->replicas);
    close_on(b);
}

void broker_partitions_free(struct broker *b)
{
    ASSERT(list_empty(&b->to_open));
    ASSERT(list_empty(&b->unopened));
    broker_marks_free(b);
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_first(&b->replicas))
        replica_free(r);
}
