/* fetchers.c - what is followed here, behind whom, and where those are: from the image to the
 * fetchers. Of a node that is its own quorum nothing is. */
#include "fetcher/fetcher.h"
#include "node/internal.h"

/* As Kafka's replica fetchers do: reconnect.backoff.ms and .max.ms of their clients. */
#define RECONNECT_NS ENV_NS_OF_MS(50)
#define RECONNECT_NS_MAX ENV_NS_OF_MS(1000)
/* Requests and answers of replication, together; those may have to take what a client could send.
 */
#define FETCHERS_BYTES_MAX (128 << 20)
#define FETCHERS_FRAMES 2
/* The part of it that answers are asked to come to: a buffer that grows is there twice, and what is
 * being written is not free yet. */
#define FETCHERS_ANSWERS 4
#define BEYOND_BYTES (1 << 20)
#define KNOW_ARENA_BYTES (1 << 20) /* that a registration may decode to */

struct fetchers {
    struct broker *broker;
    struct budget budget;
    struct peers *peers;
    struct fetcher_set *set;
    struct fetcher_watch watch;
    struct fetcher_op closing;
    struct peers_op closing_peers;
    bool closes, closed, peers_closed;
    bool missed; /* one is not followed, because there was no memory */
    void (*ended)(struct broker *b);
};

/* ---- where the others are ---- */

/* By the listener that brokers are to use; where none is named, by the one that Kafka uses then, or
 * else by the first. */
static const struct wire_register_broker_record_endpoint *
endpoint_of(const struct broker *b, const struct wire_register_broker_record *record)
{
    const char *wanted = b->config.inter_broker_listener_name;
    struct wire_string name = wire_text(wanted[0] != 0 ? wanted : "PLAINTEXT");
    for (int32_t i = 0; i < record->end_points_count; i++) {
        if (wire_string_equal(record->end_points[i].name, name))
            return &record->end_points[i];
    }
    return wanted[0] == 0 && record->end_points_count > 0 ? &record->end_points[0] : NULL;
}

static void know(struct fetchers *f, const struct metadata_broker *broker)
{
    struct broker *b = f->broker;
    struct wire_register_broker_record record;
    struct arena arena;
    char host[PEERS_HOST_SIZE];
    if (broker->id == b->config.node_id)
        return;
    arena_init(&arena, &f->budget.mem, KNOW_ARENA_BYTES);
    enum err e = metadata_broker_record(broker, &record, &arena);
    const struct wire_register_broker_record_endpoint *at =
        e == ERR_NONE ? endpoint_of(b, &record) : NULL;
    if (e == ERR_NONE && at == NULL) {
        NOTE(b->notes, REPLICATION, "broker %d has no listener %s, by which it would be asked",
             (int)broker->id, b->config.inter_broker_listener_name);
    } else if (e == ERR_NONE) {
        text_fit(host, sizeof host, "%.*s", (int)at->host.size, at->host.data);
        e = peers_know(f->peers, broker->id, host, (uint16_t)at->port);
    }
    arena_free(&arena);
    if (e != ERR_NONE)
        NOTE(b->notes, REPLICATION, "broker %d cannot be asked: %s", (int)broker->id, err_text(e));
}

void broker_fetchers_know(struct broker *b, const struct metadata_image *from,
                          const struct metadata_image *to)
{
    struct metadata_map_diff diff;
    struct metadata_object *before, *after;
    const struct metadata_map nobody = {0};
    struct fetchers *f = b->fetchers;
    if (f == NULL || f->closes)
        return;
    metadata_map_diff(&diff, from == NULL ? &nobody : &from->brokers, &to->brokers);
    while (metadata_map_diff_next(&diff, &before, &after)) {
        if (after != NULL)
            know(f, CONTAINER_OF(after, struct metadata_broker, object));
    }
}

/* ---- what is followed ---- */

void broker_fetchers_follow(struct broker *b, struct replica *r, int32_t leader)
{
    struct fetchers *f = b->fetchers;
    if (f == NULL || f->closes)
        return;
    if (leader < 0) {
        fetcher_unfollow(f->set, r);
    } else if (fetcher_follow(f->set, r, leader) != ERR_NONE) {
        f->missed = true;
        broker_partitions_later(b);
    }
}

void broker_fetchers_unfollow(struct broker *b, struct replica *r)
{
    if (b->fetchers != NULL && !b->fetchers->closes)
        fetcher_unfollow(b->fetchers->set, r);
}

/* Seldom: which of them it was is not known. */
void broker_fetchers_retry(struct broker *b)
{
    if (b->fetchers == NULL || !b->fetchers->missed)
        return;
    b->fetchers->missed = false;
    for (struct replica *r = replica_first(&b->replicas); r != NULL;
         r = replica_next(&b->replicas, r))
        broker_partitions_catch_up(b, r);
}

/* ---- life ---- */

static int64_t broker_epoch(const struct fetcher_watch *watch)
{
    return broker_membership_epoch(CONTAINER_OF(watch, struct fetchers, watch)->broker);
}

/* In the image by which the partitions' epochs are known: a leader that is another one since leads
 * in a later epoch, in which nothing is asked yet. */
static bool takes_durable_end(const struct fetcher_watch *watch, int32_t leader)
{
    const struct broker *b = CONTAINER_OF(watch, struct fetchers, watch)->broker;
    const struct metadata_broker *is = metadata_find_broker(quorum_current(b->quorum), leader);
    return is != NULL && is->replication >= 1;
}

static void tell(struct fetcher_watch *watch, const char *sentence)
{
    NOTE(CONTAINER_OF(watch, struct fetchers, watch)->broker->notes, REPLICATION, "%s", sentence);
}

static enum err make(struct fetchers *f)
{
    struct broker *b = f->broker;
    const struct broker_config *config = &b->config;
    int64_t bytes = MAX(FETCHERS_BYTES_MAX, config->socket_request_max_bytes * FETCHERS_FRAMES);
    const struct peers_settings peers = {
        .client_id = "kiln-replica",
        .request_ns_max = ENV_NS_OF_MS(config->replica_socket_timeout_ms),
        .backoff_ns = RECONNECT_NS,
        .backoff_ns_max = RECONNECT_NS_MAX,
        .idle_ns_max = ENV_NS_OF_MS(MAX(config->connections_max_idle_ms, 0)),
        .frame_bytes_max = (int32_t)config->socket_request_max_bytes,
        .filtering = b->filtering,
    };
    const struct fetcher_settings settings = {
        .node_id = (int32_t)config->node_id,
        .wait_ms_max = config->replica_fetch_wait_max_ms,
        .backoff_ms = config->replica_fetch_backoff_ms,
        .bytes_min = (int32_t)config->replica_fetch_min_bytes,
        .partition_bytes_max = (int32_t)config->replica_fetch_max_bytes,
        .response_bytes_max = (int32_t)config->replica_fetch_response_max_bytes,
        .read_ahead_bytes = config->replica_read_ahead_bytes,
        .bytes_max = bytes / FETCHERS_ANSWERS,
        .named_max = (int32_t)b->limits.fetch_partitions,
        .trace = b->trace,
    };
    f->watch = (struct fetcher_watch){
        .broker_epoch = broker_epoch, .takes_durable_end = takes_durable_end, .tell = tell};
    broker_budget_init(&f->budget, b->env, b->mem, bytes, BEYOND_BYTES);
    enum err e = peers_new(&f->peers, b->env, &f->budget.mem, b->trace, &peers);
    if (e == ERR_NONE)
        e = fetcher_set_new(&f->set, b->env, b->mem, &f->budget.mem, f->peers, &settings,
                            &f->watch);
    return e;
}

enum err broker_fetchers_open(struct broker *b)
{
    if (b->controllers == NULL || !b->members.is_broker)
        return ERR_NONE;
    b->fetchers = mem_zalloc(b->mem, sizeof *b->fetchers);
    if (b->fetchers == NULL)
        return ERR_NOMEM;
    b->fetchers->broker = b;
    enum err e = make(b->fetchers);
    if (e != ERR_NONE)
        broker_fetchers_free(b);
    return e;
}

static void on_peers_closed(struct peers_op *op)
{
    struct fetchers *f = CONTAINER_OF(op, struct fetchers, closing_peers);
    f->peers_closed = true;
    if (f->ended != NULL)
        f->ended(f->broker);
}

static void on_closed(struct fetcher_op *op)
{
    struct fetchers *f = CONTAINER_OF(op, struct fetchers, closing);
    f->closed = true;
    peers_close(f->peers, &f->closing_peers, on_peers_closed);
    broker_stop_go_on(f->broker);
}

void broker_fetchers_close(struct broker *b)
{
    struct fetchers *f = b->fetchers;
    if (f == NULL || f->closes)
        return;
    f->closes = true;
    fetcher_set_close(f->set, &f->closing, on_closed);
}

bool broker_fetchers_are_closed(const struct broker *b)
{
    return b->fetchers == NULL || b->fetchers->closed;
}

void broker_fetchers_end(struct broker *b, void (*ended)(struct broker *b))
{
    if (b->fetchers == NULL || b->fetchers->peers_closed)
        ended(b);
    else
        b->fetchers->ended = ended;
}

void broker_fetchers_free(struct broker *b)
{
    struct fetchers *f = b->fetchers;
    if (f == NULL)
        return;
    fetcher_set_free(f->set);
    peers_free(f->peers);
    broker_budget_free(&f->budget);
    mem_free(b->mem, f);
    b->fetchers = NULL;
}
