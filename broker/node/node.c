/* node.c - the broker as an object: made, asked, freed. */
#include "node/internal.h"

static const struct state phases[] = {
    [BROKER_NEW] = {"new", TO(BROKER_OPENING) | TO(BROKER_ENDED)},
    [BROKER_OPENING] = {"opening", TO(BROKER_JOINING) | TO(BROKER_SERVING) | TO(BROKER_CLOSING)},
    [BROKER_JOINING] = {"joining", TO(BROKER_SERVING) | TO(BROKER_DRAINING)},
    [BROKER_SERVING] = {"serving", TO(BROKER_LEAVING) | TO(BROKER_DRAINING)},
    [BROKER_LEAVING] = {"leaving", TO(BROKER_DRAINING)},
    [BROKER_DRAINING] = {"draining", TO(BROKER_CLOSING)},
    [BROKER_CLOSING] = {"closing", TO(BROKER_ENDED)},
    [BROKER_ENDED] = {"ended", 0},
};

void broker_move(struct broker *b, enum broker_phase phase)
{
    STATE_MOVE(phases, &b->phase, phase);
}

enum err broker_new(struct broker **out, struct env *env, struct mem *mem, struct trace *trace,
                    const struct broker_config *config, struct notes *notes)
{
    struct broker *b = mem_zalloc(mem, sizeof *b);
    if (b == NULL)
        return ERR_NOMEM;
    b->env = env;
    b->mem = mem;
    b->trace = trace;
    b->config = *config;
    arena_init(&b->config_texts, mem, CONFIG_TEXTS_MAX);
    b->notes = notes;
    b->quorum_watch = (struct quorum_watch){.published = broker_reconcile,
                                            .led = broker_partitions_led,
                                            .failed = broker_partitions_metadata_failed,
                                            .role_changed = broker_controllers_role_changed,
                                            .voters_changed = broker_controllers_changed,
                                            .stopped = broker_partitions_metadata_stopped};
    broker_clients_init(b);
    list_init(&b->to_open);
    list_init(&b->unopened);
    list_init(&b->applications);
    broker_marks_init(b);
    broker_isr_init(b);
    broker_membership_init(b);
    list_init(&b->clients);
    b->replica_watch.tell = broker_partitions_tell;
    b->replica_watch.held = broker_partitions_held;
    b->dir_watch.full = broker_partitions_full;
    if (replica_set_init(&b->replicas, mem, &b->replica_watch) != ERR_NONE ||
        broker_removals_init(b) != ERR_NONE) {
        replica_set_free(&b->replicas);
        mem_free(mem, b);
        return ERR_NOMEM;
    }
    b->replicas.broker_id = (int32_t)config->node_id;
    b->replicas.lag_ns_max = ENV_NS_OF_MS(config->replica_lag_time_max_ms);
    *out = b;
    return ERR_NONE;
}

void broker_set_access(struct broker *b, const struct api_access *access)
{
    ASSERT(b->phase == BROKER_NEW);
    b->access = access;
}

void broker_set_format(struct broker *b, struct broker_format *format)
{
    ASSERT(b->phase == BROKER_NEW);
    b->format = format;
}

void broker_set_filtering(struct broker *b, const struct conn_filtering *filtering)
{
    ASSERT(b->phase == BROKER_NEW);
    b->filtering = filtering;
}

void broker_set_limits(struct broker *b, const struct broker_limits *limits)
{
    ASSERT(b->phase == BROKER_NEW);
    b->limits = *limits;
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    ASSERT(b->phase == BROKER_NEW || b->phase == BROKER_ENDED);
    ASSERT(list_empty(&b->clients));
    broker_clients_free(b);
    env_disarm(b->env, &b->start_kick);
    env_disarm(b->env, &b->stop_kick);
    api_free(b->api);
    broker_forwards_free(b);
    broker_partitions_free(b);
    broker_removals_free(b);
    orders_free(b->orders);
    quorum_free(b->quorum);
    broker_controllers_free(b);
    broker_format_free(b);
    if (b->logs != NULL)
        log_set_free(b->logs);
    if (b->dir != NULL)
        dir_free(b->dir);
    broker_fetchers_free(b);
    replica_set_free(&b->replicas);
    arena_free(&b->config_texts);
    broker_reports_free(b);
    mem_free(b->mem, b);
}

/* The first that is for clients; of a node that has none, the first. */
static const struct listener *first_listener(const struct broker *b)
{
    for (int i = 0; i < b->listener_count; i++) {
        if (!b->listeners[i].address.of_quorum)
            return &b->listeners[i];
    }
    return &b->listeners[0];
}

const char *broker_host(const struct broker *b)
{
    return first_listener(b)->address.at.host;
}

uint16_t broker_port(const struct broker *b)
{
    const struct listener *l = first_listener(b);
    return l->name == 0 ? 0 : env_listener_port(l->name);
}

void broker_directory_id(const struct broker *b, char out[BROKER_DIRECTORY_ID_SIZE])
{
    struct wire_uuid id;
    memcpy(id.b, dir_id(b->dir), sizeof id.b);
    wire_uuid_print(&id, out);
}

const char *broker_cluster_id(const struct broker *b)
{
    return b->dir == NULL ? "" : dir_cluster_id(b->dir);
}

bool broker_is_stuck(const struct broker *b)
{
    return b->is_stuck;
}

void broker_assert(struct broker *b, bool whole)
{
    if (b->logs != NULL)
        log_set_assert(b->logs, whole);
}
