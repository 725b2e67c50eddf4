/* start.c - from a directory to a broker that serves: directory, listeners, metadata with the
 * registration, partitions. The port must be known to be registered; who connects before the end
 * waits to be accepted. A step that fails leads back by stop.c. */
#include "node/internal.h"

static void end_start(struct broker *b, enum err e)
{
    struct broker_op *op = b->starting;
    b->starting = NULL;
    op->done(op, e);
}

void broker_start_failed(struct broker *b, enum err e, const struct errmsg *msg)
{
    b->failed = e;
    b->why = *msg;
    if (b->phase == BROKER_JOINING) {
        broker_stop_join(b);
        return;
    }
    ASSERT(b->phase == BROKER_OPENING);
    broker_stop_begin(b);
}

bool broker_start_cut_short(struct broker *b)
{
    if (!b->stop_wanted)
        return false;
    struct errmsg msg = {{0}};
    errmsg_set(&msg, ERR_CANCELLED, "the broker was stopped while it started");
    broker_start_failed(b, ERR_CANCELLED, &msg);
    return true;
}

/* ---- serving ---- */

static enum err make_api(struct broker *b)
{
    broker_controllers_take(b);
    enum err e = broker_forwards_open(b);
    struct api_settings settings = {
        .orders = b->orders,
        .forward = broker_forwards_face(b),
        .access = b->access,
        .cluster_id = dir_cluster_id(b->dir),
        .voters = b->voters,
        .voter_count = b->voter_count,
        .log_dir = b->config.log_dirs,
        .auto_create_topics = b->config.auto_create_topics_enable,
        .selects_by_rack = b->config.replica_selector == 1,
        .fetch_bytes_max = b->config.fetch_max_bytes,
        .fetch_sessions_max = b->config.max_incremental_fetch_session_cache_slots,
    };
    if (e == ERR_NONE)
        e = broker_config_describe(&b->config, &b->config_texts, b->mem, &settings.broker_keys);
    if (e == ERR_NONE)
        e = api_new(&b->api, b->env, b->mem, b->trace, b->notes, b->quorum, &b->replicas,
                    &settings);
    return e;
}

static void out_of_memory(struct broker *b)
{
    struct errmsg msg = {{0}};
    errmsg_set(&msg, ERR_NOMEM, "out of memory");
    broker_start_failed(b, ERR_NOMEM, &msg);
}

static void serve(struct broker *b)
{
    broker_move(b, BROKER_SERVING);
    b->follows_image = true;
    broker_partitions_begin_retention(b);
    broker_clients_accept(b);
    TRACE(b->trace, BROKER_READY, .broker = b->config.node_id, .port = broker_port(b),
          .took_ns = (env_now(b->env) - b->started_ns));
    end_start(b, ERR_NONE);
}

void broker_start_joined(struct broker *b)
{
    ASSERT(b->phase == BROKER_JOINING);
    serve(b);
}

void broker_start_partitions_done(struct broker *b)
{
    if (b->phase == BROKER_JOINING) {
        broker_membership_opened(b);
        return;
    }
    if (broker_start_cut_short(b))
        return;
    if (make_api(b) == ERR_NONE)
        serve(b);
    else
        out_of_memory(b);
}

/* One of several: without it being asked, nobody may be able to lead. */
static void join(struct broker *b)
{
    if (make_api(b) != ERR_NONE) {
        out_of_memory(b);
        return;
    }
    broker_move(b, BROKER_JOINING);
    broker_clients_accept(b);
    broker_kept_open(b);
    broker_membership_begin(b);
}

/* ---- the metadata ---- */

/* What the cluster has decided counts, whatever stands in a broker's file. */
static void tell_overruled(struct broker *b)
{
    struct metadata_broker_config file;
    const struct metadata_topic_config *cluster = quorum_topic_defaults(b->quorum);
    broker_config_dynamic(&b->config, &file);
    if (file.topics.flush_policy != cluster->flush_policy)
        NOTE(b->notes, CONFIG_IGNORED,
             "flush.policy is %s in this cluster, and what this broker's configuration says is "
             "passed over",
             cluster->flush_policy == 0 ? "ack" : "os");
    if (file.topics.min_insync_replicas != cluster->min_insync_replicas)
        NOTE(b->notes, CONFIG_IGNORED,
             "min.insync.replicas is %lld in this cluster, and what this broker's configuration "
             "says is passed over",
             (long long)cluster->min_insync_replicas);
}

void broker_start_settings(struct broker *b)
{
    b->going = *quorum_broker_config(b->quorum);
    dir_set_flush_interval(b->dir, b->going.log_flush_interval_ms);
    tell_overruled(b);
}

static void on_quorum_open(struct quorum_op *op, enum err e)
{
    struct broker *b = CONTAINER_OF(op, struct broker, quorum_op);
    bool joins = b->controllers != NULL && b->members.is_broker;
    if (e == ERR_NONE && !b->members.is_broker)
        quorum_opened(b->quorum);
    b->led = e == ERR_NONE && !joins && !quorum_put_off(b->quorum);
    b->replicas.holds = e == ERR_NONE && !joins && !b->led;
    if (e == ERR_NONE && !joins)
        broker_start_settings(b);
    if (e != ERR_NONE)
        broker_start_failed(b, e, &op->msg);
    else if (!broker_start_cut_short(b) && joins)
        join(b);
    else if (b->phase == BROKER_OPENING)
        broker_partitions_open_all(b);
}

/* Who votes in the metadata quorum, and its times. */
static void take_quorum(const struct broker *b, struct quorum_settings *settings)
{
    const struct broker_config *config = &b->config;
    const struct quorum_members *members = &b->members;
    for (int32_t i = 0; i < members->voter_count; i++)
        settings->voters.keys[settings->voters.count++].id = members->voters[i].id;
    settings->election_timeout_ns = ENV_NS_OF_MS(config->controller_quorum_election_timeout_ms);
    settings->election_backoff_ns = ENV_NS_OF_MS(config->controller_quorum_election_backoff_max_ms);
    settings->fetch_timeout_ns = ENV_NS_OF_MS(config->controller_quorum_fetch_timeout_ms);
    settings->retry_backoff_ns = ENV_NS_OF_MS(config->controller_quorum_retry_backoff_ms);
    settings->session_timeout_ns = ENV_NS_OF_MS(config->broker_session_timeout_ms);
    /* Kafka's observers, too, ask at the voters' addresses who leads. */
    settings->bootstrap_count = members->self < 0 ? members->voter_count : 0;
    settings->dynamic = members->dynamic;
    if (members->dynamic)
        settings->bootstrap_count = members->bootstrap_count;
}

static void open_metadata(struct broker *b)
{
    struct quorum_settings settings = {
        .dir = b->config.log_dirs,
        .segment_bytes = QUORUM_SEGMENT_BYTES,
        .snapshot_bytes = b->config.metadata_snapshot_bytes,
        .controller = {.node_id = (int32_t)b->config.node_id,
                       .partition_count_default = (int32_t)b->config.num_partitions,
                       .replication_factor_default = (int32_t)b->config.default_replication_factor,
                       .is_alone = !b->members.several,
                       .producer_id_block = (int32_t)b->limits.producer_id_block,
                       .leader_epoch_first = (int32_t)b->limits.leader_epoch_first},
    };
    broker_config_dynamic(&b->config, &settings.controller.file);
    take_quorum(b, &settings);
    enum err e = broker_controllers_open(b);
    if (e == ERR_NONE)
        e = quorum_new(&b->quorum, b->env, b->mem, b->trace, b->logs, &settings,
                       broker_controllers_out(b), &b->quorum_watch);
    if (e == ERR_NONE)
        e = broker_controllers_order(b);
    if (e == ERR_NONE)
        e = broker_fetchers_open(b);
    if (e != ERR_NONE) {
        out_of_memory(b);
        return;
    }
    b->quorum_open = true;
    struct quorum_start start = {
        .host = b->listeners[0].told.host,
        .port = b->listeners[0].told.port,
        /* After an unclean end a log may have lost what it had shown: its next records are another
         * history, and the leader epoch is how clients tell (KIP-320). */
        .bump_leaders = !dir_clean(b->dir),
    };
    quorum_open(b->quorum, &b->quorum_op, &start, on_quorum_open);
}

void broker_start_listening_done(struct broker *b)
{
    if (!broker_start_cut_short(b))
        open_metadata(b);
}

/* ---- the directory ---- */

static enum err take_listeners(struct broker *b, struct errmsg *msg)
{
    struct listener_list list;
    enum err e = broker_listeners_parse(&b->config, b->members.several, &list, msg);
    if (e != ERR_NONE)
        return e;
    for (int i = 0; i < list.count; i++)
        b->listeners[i] = (struct listener){.broker = b, .address = list.at[i]};
    b->listener_count = list.count;
    return ERR_NONE;
}

/* A directory that was formatted is of a quorum whose log names its voters. */
static enum err take_format(struct broker *b, struct errmsg *msg)
{
    struct quorum_members *members = &b->members;
    struct listener_list list;
    if (!broker_members_depend(members) || !dir_is_formatted(b->dir))
        return ERR_NONE;
    members->dynamic = members->several = true;
    enum err e = take_listeners(b, msg);
    if (e == ERR_NONE)
        e = broker_listeners_parse(&b->config, true, &list, msg);
    return e == ERR_NONE ? broker_members_place(&b->config, members, &list, msg) : e;
}

static void on_dir_open(struct dir_op *op, enum err e)
{
    struct broker *b = CONTAINER_OF(op, struct broker, dir_op);
    b->dir_open = e == ERR_NONE;
    if (e != ERR_NONE)
        broker_start_failed(b, e, &op->msg);
    else if (!broker_start_cut_short(b) && !broker_format_begin(b))
        broker_start_formatted(b);
}

void broker_start_formatted(struct broker *b)
{
    struct errmsg msg = {{0}};
    if (broker_start_cut_short(b))
        return;
    enum err e = take_format(b, &msg);
    if (e != ERR_NONE)
        broker_start_failed(b, e, &msg);
    else
        broker_clients_listen(b);
}

static enum err make_dir_object(struct broker *b, struct errmsg *msg)
{
    const struct broker_config *c = &b->config;
    enum err e = broker_config_check(c, msg);
    if (e == ERR_NONE)
        e = broker_members_parse(c, &b->members, msg);
    if (e == ERR_NONE)
        e = take_listeners(b, msg);
    if (e != ERR_NONE)
        return e;
    const uint8_t *directory_id = NULL;
    e = broker_format_open(b, &directory_id);
    if (e != ERR_NONE)
        return errmsg_set(msg, e, "out of memory");
    struct dir_config config = {
        .path = c->log_dirs,
        .directory_id = directory_id,
        .node_id = (int32_t)c->node_id,
        .cluster_id = c->cluster_id[0] == 0 ? NULL : c->cluster_id,
        .joins = b->members.several,
        .open_files_max = (int32_t)c->log_open_files_max,
        .checkpoint_bytes = c->log_checkpoint_bytes,
        .checkpoint_ms = c->log_checkpoint_ms,
        .flush_bytes = c->log_flush_interval_bytes,
        .flush_ms = c->log_flush_interval_ms,
        .notes = b->notes,
        .watch = &b->dir_watch,
        .reserve = true,
    };
    e = dir_new(&b->dir, b->env, b->mem, b->trace, &config);
    if (e == ERR_NONE)
        e = log_set_new(&b->logs, b->dir, LOG_FLUSH_OS);
    if (e == ERR_NONE)
        broker_limit_logs(b);
    return e == ERR_NONE ? e : errmsg_set(msg, e, "out of memory");
}

static void on_start_kick(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, start_kick);
    broker_move(b, BROKER_OPENING);
    if (broker_start_cut_short(b))
        return;
    struct errmsg msg = {{0}};
    enum err e = make_dir_object(b, &msg);
    if (e != ERR_NONE)
        broker_start_failed(b, e, &msg);
    else
        dir_open(b->dir, &b->dir_op, on_dir_open);
}

void broker_start(struct broker *b, struct broker_op *op, broker_done *done)
{
    ASSERT(b->phase == BROKER_NEW);
    ASSERT(b->starting == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    b->starting = op;
    b->started_ns = env_now(b->env);
    b->start_kick.fire = on_start_kick;
    env_arm(b->env, &b->start_kick, b->started_ns);
}
