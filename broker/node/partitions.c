/* partitions.c - the partitions of this broker: opened a few at a time, tried again when the disk
 * had no room, trimmed by retention, closed. One that is corrupt is offline; the others serve. */
#include "node/internal.h"

/* ---- opening ---- */

void broker_partitions_free_opening(struct opening *o)
{
    list_remove(&o->link);
    replica_let_go(o->replica);
    mem_free(o->broker->mem, o);
}

static void tried(struct opening *o)
{
    struct application *application = o->application;
    o->application = NULL;
    broker_reconcile_tried(o->broker, application);
}

/* It will not be opened: its topic is no more, or the broker rests. */
static void give_up(struct opening *o)
{
    tried(o);
    broker_partitions_free_opening(o);
}

/* Tells whoever waits for the last one. */
static void opened_some(struct broker *b)
{
    if (b->opening_count == 0 && list_empty(&b->to_open))
        broker_marks_write(b);
    bool opens = b->opening_count > 0 || !list_empty(&b->to_open) || broker_removals_busy(b);
    if (b->starting_partitions && !opens) {
        b->starting_partitions = false;
        broker_start_partitions_done(b);
        return;
    }
    if (b->phase == BROKER_DRAINING || b->phase == BROKER_CLOSING)
        broker_stop_go_on(b);
}

static struct replica_epochs epochs_of(const struct broker *b, const struct metadata_partition *p)
{
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    struct metadata_ids isr = metadata_ids(p, METADATA_ISR);
    return (struct replica_epochs){.leader = p->leader_epoch,
                                   .partition = p->partition_epoch,
                                   .follows = p->leader != b->config.node_id,
                                   .replicas = {.ids = replicas.ids, .count = replicas.count},
                                   .isr = {.ids = isr.ids, .count = isr.count}};
}

/* The epoch in which it is to be led, as far as a full disk lets it. */
void broker_partitions_catch_up(struct broker *b, struct replica *r)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    const struct metadata_topic *topic = metadata_find_id(image, replica_topic_id(r));
    int32_t partition = replica_partition(r);
    if (topic == NULL || partition >= topic->partition_count || !replica_is_open(r))
        return;
    const struct metadata_partition *p = metadata_partition(topic, partition);
    struct replica_epochs epochs = epochs_of(b, p);
    epochs.leader = MAX(epochs.leader, replica_leader_epoch(r));
    if (!epochs.follows)
        broker_fetchers_unfollow(b, r);
    replica_become(r, epochs);
    if (epochs.follows)
        broker_fetchers_follow(b, r, p->leader);
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
            broker_partitions_catch_up(b, r);
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
    broker_fetchers_retry(b);
    broker_partitions_pump(b);
}

void broker_partitions_later(struct broker *b)
{
    b->reopen.fire = on_reopen;
    if (!b->resting && !env_armed(&b->reopen))
        env_arm(b->env, &b->reopen, env_now(b->env) + REOPEN_NS);
}

void broker_partitions_held(struct replica_watch *watch)
{
    broker_partitions_later(CONTAINER_OF(watch, struct broker, replica_watch));
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
    broker_membership_hurry(b);
    if (over) {
        broker_partitions_free_opening(o);
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
    tried(o);
    if (replica_is_deleted(o->replica)) {
        broker_partitions_free_opening(o);
    } else if (e == ERR_NONE) {
        tell_online(b, o);
        broker_partitions_catch_up(b, o->replica);
        if (o->unmarked)
            broker_marks_add(b, o);
        else
            broker_partitions_free_opening(o);
    } else {
        on_failed(b, o, e);
    }
    broker_partitions_pump(b);
}

/* Who has it and who is in sync is the image's. */
static void keep_epochs(struct opening *o, struct replica_epochs epochs)
{
    o->epochs = epochs;
    o->epochs.replicas = o->epochs.isr = (struct replica_ids){0};
}

/* Those of the current image; of a topic that is gone, the ones that it had. */
static struct replica_epochs present_epochs(const struct broker *b, struct opening *o)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    const struct metadata_topic *topic = metadata_find_id(image, &o->place.topic_id);
    if (topic == NULL || o->place.partition >= topic->partition_count)
        return o->epochs;
    struct replica_epochs epochs = epochs_of(b, metadata_partition(topic, o->place.partition));
    keep_epochs(o, epochs);
    return epochs;
}

/* Starts as many as may be under way; each may end at once. */
void broker_partitions_pump(struct broker *b)
{
    if (b->pumping)
        return;
    b->pumping = true;
    while (b->opening_count < OPENS_MAX && !list_empty(&b->to_open)) {
        struct opening *o = CONTAINER_OF(list_pop_front(&b->to_open), struct opening, link);
        if (replica_is_deleted(o->replica)) {
            give_up(o);
            continue;
        }
        if (broker_removals_wait(b, o))
            continue;
        again(&o->tries, b->reopens);
        b->opening_count++;
        replica_open(o->replica, &o->op, b->logs, present_epochs(b, o), on_opened);
    }
    b->pumping = false;
    opened_some(b);
}

void broker_partitions_line_up(struct broker *b, struct opening *o)
{
    if (b->resting)
        give_up(o);
    else
        list_push_back(&b->to_open, &o->link);
}

/* What the metadata log knows of its directory. */
static void set_place(const struct broker *b, const struct metadata_partition *partition,
                      struct replica_config *config)
{
    static const struct wire_uuid nowhere;
    struct wire_uuid here, there = metadata_directory(partition, (int32_t)b->config.node_id);
    memcpy(here.b, dir_id(b->dir), sizeof here.b);
    config->made_before = wire_uuid_equal(&there, &here);
    config->unmarked = !config->made_before;
    config->made_elsewhere = !config->made_before && !wire_uuid_equal(&there, &nowhere);
}

static struct log_config log_config_of(struct broker *b,
                                       const struct metadata_topic_config *settings)
{
    struct log_config config =
        broker_log_config(settings, quorum_broker_config(b->quorum)->producer_id_expiration_ms);
    b->kept.os_seen |= broker_flushes_os(settings);
    config.always_sync |= b->kept.holds;
    return config;
}

void broker_partitions_reconfigure(struct broker *b, const struct metadata_topic *topic)
{
    struct metadata_topic_config settings;
    metadata_topic_configured(topic, quorum_topic_defaults(b->quorum), &settings);
    struct log_config log = log_config_of(b, &settings);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct replica *r = replica_find(&b->replicas, &topic->id, i);
        if (r != NULL)
            replica_reconfigure(r, &log, (int32_t)settings.min_insync_replicas);
    }
}

void broker_partitions_reconfigure_all(struct broker *b, const struct metadata_image *image)
{
    for (int32_t i = 0; i < image->topic_count; i++)
        broker_partitions_reconfigure(b, metadata_topic_at(image, i));
}

bool broker_partitions_are_here(const struct broker *b, const struct metadata_partition *p)
{
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    for (int32_t i = 0; i < replicas.count; i++) {
        if (replicas.ids[i] == b->config.node_id)
            return true;
    }
    return false;
}

enum err broker_partitions_add(struct broker *b, const struct metadata_topic *topic,
                               int32_t partition, struct application *application)
{
    struct metadata_topic_config settings;
    metadata_topic_configured(topic, quorum_topic_defaults(b->quorum), &settings);
    struct replica_config config = {
        .log = log_config_of(b, &settings),
        .min_insync_replicas = (int32_t)settings.min_insync_replicas,
    };
    struct opening *o = mem_zalloc(b->mem, sizeof *o);
    if (o == NULL)
        return ERR_NOMEM;
    set_place(b, metadata_partition(topic, partition), &config);
    o->place = (struct controller_place){.topic_id = topic->id, .partition = partition};
    o->unmarked = config.unmarked;
    list_init(&o->link);
    o->broker = b;
    keep_epochs(o, epochs_of(b, metadata_partition(topic, partition)));
    enum err e = replica_new(&o->replica, &b->replicas, b->env, b->mem, b->trace, topic->name,
                             &topic->id, partition, &config);
    if (e != ERR_NONE) {
        mem_free(b->mem, o);
        return e;
    }
    replica_hold(o->replica);
    o->application = application;
    if (application != NULL)
        application->pending++;
    list_push_back(&b->to_open, &o->link);
    return ERR_NONE;
}

static enum err add_topic(struct broker *b, const struct metadata_topic *topic)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < topic->partition_count && e == ERR_NONE; i++) {
        if (broker_partitions_are_here(b, metadata_partition(topic, i)))
            e = broker_partitions_add(b, topic, i, NULL);
    }
    return e;
}

/* Directories that hold what the metadata knows nothing of: those of topics that were deleted go
 * (P-16), of all others a person must decide. */
static enum err look_at_strays(struct broker *b, const struct metadata_image *image)
{
    const struct dir_entry *entries = NULL;
    int count = dir_entries(b->dir, &entries);
    enum err e = ERR_NONE;
    for (int i = 0; i < count && e == ERR_NONE; i++) {
        struct wire_uuid id;
        memcpy(id.b, entries[i].topic_id, sizeof id.b);
        const struct metadata_topic *topic = metadata_find_id(image, &id);
        bool own = strcmp(entries[i].topic, METADATA_LOG_TOPIC) == 0;
        bool named = topic != NULL && strcmp(entries[i].topic, topic->name) == 0;
        if (own || (named && entries[i].partition < topic->partition_count))
            continue;
        if (KNOWN_BUG(topic_known_by_name))
            continue;
        if (quorum_was_removed(b->quorum, &id))
            e = broker_removals_add_left(b, entries[i].topic, entries[i].partition);
        else if (topic != NULL && !named)
            NOTE(b->notes, PARTITION_STRAY,
                 "%s/%s-%d is a partition of topic %s by its partition.metadata: give it its name "
                 "back; it is left alone until then",
                 b->config.log_dirs, entries[i].topic, (int)entries[i].partition, topic->name);
        else
            NOTE(b->notes, PARTITION_STRAY,
                 "%s/%s-%d belongs to no topic of this cluster; it is left alone",
                 b->config.log_dirs, entries[i].topic, (int)entries[i].partition);
    }
    return e;
}

void broker_partitions_open_all(struct broker *b)
{
    const struct metadata_image *image = quorum_current(b->quorum);
    enum err e = look_at_strays(b, image);
    quorum_opened(b->quorum);
    broker_fetchers_know(b, NULL, image);
    for (int32_t i = 0; i < image->topic_count && e == ERR_NONE; i++)
        e = add_topic(b, metadata_topic_at(image, i));
    if (e != ERR_NONE) {
        struct errmsg msg = {{0}};
        errmsg_set(&msg, ERR_NOMEM, "out of memory with %d partitions",
                   (int)image->partition_count);
        broker_start_failed(b, ERR_NOMEM, &msg);
        return;
    }
    b->starting_partitions = true;
    b->follows_image = b->phase == BROKER_JOINING;
    broker_partitions_pump(b);
}

/* Each waits for its own epoch before it takes records; those that are being opened now do so when
 * they are. */
void broker_partitions_led(struct quorum_watch *watch)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    b->led = true;
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_next(&b->replicas, r))
        broker_partitions_catch_up(b, r);
    b->replicas.holds = false;
    broker_marks_write(b);
}

void broker_partitions_metadata_failed(struct quorum_watch *watch, enum err e)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    const char *why = log_status_text(quorum_log(b->quorum));
    NOTE(b->notes, DIRECTORY_OFFLINE, "nothing is written any more: %s",
         why[0] != 0 ? why : err_text(e));
    broker_membership_failed(b);
}

void broker_partitions_metadata_stopped(struct quorum_watch *watch, const char *sentence)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    NOTE(b->notes, QUORUM_STOPPED, "this node takes no part in the metadata quorum any more: %s",
         sentence);
    b->is_stuck = true;
}

/* What the whole directory has is told once, by broker_partitions_metadata_failed. */
void broker_partitions_tell(struct replica_watch *watch, const struct replica *r, bool offline,
                            const char *sentence)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, replica_watch);
    if (dir_status(b->dir) != ERR_NONE)
        return;
    if (offline) {
        NOTE(b->notes, PARTITION_OFFLINE, "partition %s-%d is offline: %s", replica_topic(r),
             (int)replica_partition(r), sentence);
        broker_membership_hurry(b);
    } else {
        NOTE(b->notes, PARTITION_NOTICE, "partition %s-%d: %s", replica_topic(r),
             (int)replica_partition(r), sentence);
    }
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
    broker_reports_full(b);
    if (broker_serves(b) && !b->resting)
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
    LIST_EACH (waiting, &b->to_open, struct opening, link)
        give_up(waiting);
    LIST_EACH (failed, &b->unopened, struct opening, link)
        broker_partitions_free_opening(failed);
}

bool broker_partitions_busy(const struct broker *b)
{
    return b->opening_count > 0 || broker_reconcile_busy(b) || broker_removals_busy(b);
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
    broker_isr_free(b);
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_first(&b->replicas))
        replica_free(r);
}
