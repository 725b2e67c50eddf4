/* controllers.c - the way between this node and the other voters of the metadata quorum: what raft
 * asks goes out in Kafka's bytes, and what comes back goes to the quorum. */
#include "node/internal.h"

/* As Kafka's controllers do (KafkaRaftManager.buildNetworkClient). */
#define RECONNECT_NS ENV_NS_OF_MS(50)
#define RECONNECT_NS_MAX ENV_NS_OF_MS(500)
/* How long a fetch may be parked at the leader (KafkaRaftClient.MAX_FETCH_WAIT_MS), but a part of
 * the time in which a leader must be heard. */
#define FETCH_WAIT_MS_MAX 500
#define FETCH_WAIT_PARTS 4
/* And of the time after which it is given up: an answer that came as late would be none. */
#define REQUEST_WAIT_PARTS 2

#define BOOTSTRAP_ID                                                                               \
    (-2) /* of the first of controller.quorum.bootstrap.servers, down from there                   \
          */

/* A request of raft's on its way. */
struct way {
    struct peers_request request;
    struct broker *broker;
    struct raft_request asked;
    int64_t sent_ns;
};

/* Where a voter is, by the record that says so. */
struct elector {
    char name[LISTENER_NAME_SIZE], host[PEERS_HOST_SIZE];
};

struct controllers {
    struct broker *broker;
    struct elector electors[RAFT_VOTERS_MAX]; /* kraft.version 1: of broker.voters */
    struct quorum_peers out;
    struct peers *peers;
    struct peers_op closing;
    void (*closed)(struct broker *b);
    /* To each voter one, and one for the log: raft waits for no more at once, and who asks another
     * time has given up what it asked before. */
    struct way ways[RAFT_VOTERS_MAX + 1];
};

/* ---- out ---- */

/* That of the voter; else one on which nothing is under way, or, where voters have changed
 * meanwhile, what was asked longest ago is given up. */
static struct way *way_of(struct controllers *c, const struct raft_request *request)
{
    struct way *found = NULL;
    if (request->api == RAFT_FETCH || request->api == RAFT_FETCH_SNAPSHOT)
        return &c->ways[RAFT_VOTERS_MAX];
    for (int32_t i = 0; i < RAFT_VOTERS_MAX; i++) {
        struct way *w = &c->ways[i];
        bool idle = w->request.peers == NULL;
        if (w->broker != NULL && w->asked.to.id == request->to.id)
            return w;
        if (found == NULL || (idle && found->request.peers != NULL) ||
            (!idle && found->request.peers != NULL && w->sent_ns < found->sent_ns))
            found = w;
    }
    return found;
}

static enum err encode(struct peers_request *request, int16_t version, struct wire_out *out)
{
    struct way *w = CONTAINER_OF(request, struct way, request);
    const struct broker *b = w->broker;
    const struct broker_config *config = &b->config;
    struct talk_endpoint endpoints[LISTENERS_MAX];
    bool snapshot = w->asked.api == RAFT_FETCH_SNAPSHOT;
    int64_t wait_ms = MIN(config->controller_quorum_fetch_timeout_ms / FETCH_WAIT_PARTS,
                          config->controller_quorum_request_timeout_ms / REQUEST_WAIT_PARTS);
    int64_t bytes_max = snapshot ? config->controller_quorum_fetch_snapshot_max_bytes
                                 : config->controller_quorum_fetch_max_bytes;
    struct talk_terms terms = {.cluster_id = dir_cluster_id(b->dir),
                               .endpoints = endpoints,
                               .wait_ms_max = (int32_t)MIN(wait_ms, FETCH_WAIT_MS_MAX),
                               .bytes_max = (int32_t)bytes_max,
                               .high_watermark = quorum_high_watermark(b->quorum)};
    for (int32_t i = 0; i < b->listener_count; i++) {
        const struct api_listener *told = &b->listeners[i].told;
        if (told->on == WIRE_ON_CONTROLLER)
            endpoints[terms.endpoint_count++] =
                (struct talk_endpoint){.name = told->name, .host = told->host, .port = told->port};
    }
    return talk_request(&w->asked, &terms, version, out);
}

static void on_lost(struct peers_request *request, enum err why)
{
    struct way *w = CONTAINER_OF(request, struct way, request);
    if (why == ERR_REFUSED)
        quorum_refused(w->broker->quorum, w->asked.api, w->asked.number);
    else
        quorum_lost(w->broker->quorum, w->asked.api, w->asked.number);
}

/* Of whom no record says where it is, for this node may not have the record yet. */
static void meet_leader(struct broker *b, int16_t version, struct bytes body, int32_t leader_id)
{
    struct talk_found found;
    for (int32_t i = 0; i < b->voter_count; i++) {
        if (b->voters[i].id == leader_id)
            return;
    }
    if (leader_id >= 0 && talk_leader(version, body, b->mem, leader_id, &found))
        (void)!peers_know(b->controllers->peers, leader_id, found.host, found.port);
}

/* An answer that cannot be is none. */
static void on_answered(struct peers_request *request, int16_t version, struct slice body)
{
    struct way *w = CONTAINER_OF(request, struct way, request);
    struct broker *b = w->broker;
    struct quorum *quorum = b->quorum;
    struct raft_response response;
    struct bytes content;
    struct errmsg msg = {0};
    if (talk_response(&w->asked, version, slice_bytes(body), w->broker->mem, &response, &content,
                      &msg) != ERR_NONE) {
        quorum_lost(quorum, w->asked.api, w->asked.number);
        return;
    }
    struct slice bytes = {0};
    if (content.size > 0)
        bytes = (struct slice){.buf = body.buf,
                               .data = body.data + (content.data - body.data),
                               .size = (uint32_t)content.size};
    int64_t asked_ns = w->sent_ns;
    bool log = response.api == RAFT_FETCH && response.code == WIRE_ERROR_NONE;
    if (b->members.dynamic && w->asked.api == RAFT_FETCH)
        meet_leader(b, version, slice_bytes(body), response.leader_id);
    quorum_response(quorum, &response, bytes);
    if (log)
        broker_heard_log(b, asked_ns, response.high_watermark);
}

static void send(struct quorum_peers *out, const struct raft_request *request)
{
    struct controllers *c = CONTAINER_OF(out, struct controllers, out);
    struct way *w = way_of(c, request);
    bool log = request->api == RAFT_FETCH || request->api == RAFT_FETCH_SNAPSHOT;
    int32_t to = request->to.id;
    const struct quorum_members *members = &c->broker->members;
    if (request->bootstrap >= 0) /* who observes asks the voters in turn (kraft.version 0) */
        to = members->dynamic ? BOOTSTRAP_ID - request->bootstrap
                              : members->voters[request->bootstrap].id;
    if (w->request.peers != NULL) {
        peers_cancel(&w->request);
        quorum_lost(c->broker->quorum, w->asked.api, w->asked.number);
    }
    w->broker = c->broker;
    w->asked = *request;
    w->sent_ns = env_now(c->broker->env);
    w->request = (struct peers_request){.key = talk_api(request->api)->key,
                                        .purpose = log ? PEERS_LOG : PEERS_VOTES,
                                        .encode = encode,
                                        .answered = on_answered,
                                        .lost = on_lost};
    peers_send(c->peers, to, &w->request);
}

/* ---- who leads ---- */

/* Once an epoch: of this node when it takes commands, of another when that is heard of. */
void broker_controllers_role_changed(struct quorum_watch *watch)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    int32_t epoch = quorum_epoch(b->quorum), leader = quorum_leader(b->quorum);
    bool own = leader == quorum_node_id(b->quorum);
    if (b->orders != NULL)
        orders_role_changed(b->orders);
    broker_forwards_look(b);
    if (epoch == b->told_epoch || leader == RAFT_NOBODY || (own && !quorum_leads(b->quorum)))
        return;
    b->told_epoch = epoch;
    if (own)
        NOTE(b->notes, QUORUM_LEADER, "this node leads the metadata quorum, in epoch %d",
             (int)epoch);
    else
        NOTE(b->notes, QUORUM_LEADER, "node %d leads the metadata quorum, in epoch %d", (int)leader,
             (int)epoch);
}

/* ---- life ---- */

/* The listener by which controllers are told to find each other. */
static const char *quorum_listener(struct broker *b)
{
    struct bytes list = bytes_text(b->config.controller_listener_names);
    struct bytes name = {0};
    for (int i = 0; i < b->listener_count; i++) {
        if (b->listeners[i].address.of_quorum)
            return b->listeners[i].address.name;
    }
    broker_next_entry(&list, &name);
    text_fit(b->quorum_listener, sizeof b->quorum_listener, "%.*s", (int)name.size,
             (const char *)name.data);
    return b->quorum_listener;
}

/* By the listener that this node calls one of controllers, if the voter has it; else by its first.
 */
static const struct wire_voters_record_endpoint *
endpoint_of(struct broker *b, const struct wire_voters_record_voter *voter)
{
    const char *name = quorum_listener(b);
    for (int32_t i = 0; i < voter->endpoints_count; i++) {
        if (wire_string_equal(voter->endpoints[i].name, wire_text(name)))
            return &voter->endpoints[i];
    }
    return voter->endpoints_count > 0 ? &voter->endpoints[0] : NULL;
}

static bool take_elector(struct broker *b, const struct wire_voters_record_voter *voter)
{
    const struct wire_voters_record_endpoint *at = endpoint_of(b, voter);
    struct elector *to = &b->controllers->electors[b->voter_count];
    if (at == NULL || at->name.size >= (int32_t)sizeof to->name ||
        at->host.size >= (int32_t)sizeof to->host || at->host.size < 1)
        return false;
    text_fit(to->name, sizeof to->name, "%.*s", (int)at->name.size, at->name.data);
    text_fit(to->host, sizeof to->host, "%.*s", (int)at->host.size, at->host.data);
    b->voters[b->voter_count++] = (struct api_voter){
        .id = voter->voter_id, .at = {.name = to->name, .host = to->host, .port = at->port}};
    return peers_know(b->controllers->peers, voter->voter_id, to->host, at->port) == ERR_NONE;
}

/* A voter that cannot be reached counts all the same: it is asked in vain. */
static void take_electors(struct broker *b)
{
    const struct wire_voters_record *record = quorum_voters_record(b->quorum);
    b->voter_count = 0;
    for (int32_t i = 0; record != NULL && i < record->voters_count; i++) {
        if (!take_elector(b, &record->voters[i]))
            NOTE(b->notes, VOTER_UNKNOWN,
                 "where voter %d of the metadata quorum is found cannot be read in its record",
                 (int)record->voters[i].voter_id);
    }
}

void broker_controllers_changed(struct quorum_watch *watch)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, quorum_watch);
    take_electors(b);
    if (b->api != NULL)
        api_take_voters(b->api, b->voters, b->voter_count);
}

/* Of a node that votes alone: itself, where its clients find it. */
void broker_controllers_take(struct broker *b)
{
    const struct quorum_members *members = &b->members;
    if (members->dynamic) {
        take_electors(b);
        return;
    }
    const struct api_listener *first = &b->listeners[0].told;
    const char *name = members->voter_count > 1 ? quorum_listener(b) : first->name;
    b->voter_count = members->voter_count;
    for (int32_t i = 0; i < members->voter_count; i++) {
        const struct quorum_member *voter = &members->voters[i];
        b->voters[i] = (struct api_voter){
            .id = voter->id, .at = {.name = name, .host = voter->at.host, .port = voter->at.port}};
    }
    if (members->voter_count > 1)
        return;
    b->voter_count = 1;
    b->voters[0] =
        (struct api_voter){.id = (int32_t)b->config.node_id,
                           .at = {.name = first->name, .host = first->host, .port = first->port}};
}

static enum err know_all(struct controllers *c)
{
    const struct quorum_members *members = &c->broker->members;
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < members->bootstrap_count && members->dynamic && e == ERR_NONE; i++)
        e = peers_know(c->peers, BOOTSTRAP_ID - i, members->bootstrap[i].host,
                       members->bootstrap[i].port);
    for (int32_t i = 0; i < members->voter_count && e == ERR_NONE; i++)
        e = peers_know(c->peers, members->voters[i].id, members->voters[i].at.host,
                       members->voters[i].at.port);
    return e;
}

enum err broker_controllers_open(struct broker *b)
{
    const struct broker_config *config = &b->config;
    if (!b->members.several)
        return ERR_NONE;
    struct controllers *c = mem_zalloc(b->mem, sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    const struct peers_settings settings = {
        .client_id = "kiln",
        .request_ns_max = ENV_NS_OF_MS(config->controller_quorum_request_timeout_ms),
        .backoff_ns = RECONNECT_NS,
        .backoff_ns_max = RECONNECT_NS_MAX,
        .idle_ns_max = ENV_NS_OF_MS(MAX(config->connections_max_idle_ms, 0)),
        .frame_bytes_max = (int32_t)config->socket_request_max_bytes,
        .filtering = b->filtering,
    };
    c->broker = b;
    c->out.send = send;
    enum err e = peers_new(&c->peers, b->env, b->mem, b->trace, &settings);
    if (e == ERR_NONE)
        e = know_all(c);
    if (e != ERR_NONE) {
        peers_free(c->peers);
        mem_free(b->mem, c);
        return e;
    }
    b->controllers = c;
    return ERR_NONE;
}

struct peers *broker_controllers_peers(struct broker *b)
{
    return b->controllers == NULL ? NULL : b->controllers->peers;
}

struct quorum_peers *broker_controllers_out(struct broker *b)
{
    return b->controllers == NULL ? NULL : &b->controllers->out;
}

enum err broker_controllers_order(struct broker *b)
{
    struct peers *peers = b->controllers == NULL ? NULL : b->controllers->peers;
    return orders_new(&b->orders, b->env, b->mem, b->quorum, peers, dir_cluster_id(b->dir));
}

static void on_closed(struct peers_op *op)
{
    struct controllers *c = CONTAINER_OF(op, struct controllers, closing);
    c->closed(c->broker);
}

void broker_controllers_close(struct broker *b, void (*closed)(struct broker *b))
{
    struct controllers *c = b->controllers;
    if (c == NULL) {
        closed(b);
        return;
    }
    c->closed = closed;
    /* What is under way is of no use any more. */
    for (int i = 0; i < COUNT_OF(c->ways); i++)
        peers_cancel(&c->ways[i].request);
    peers_close(c->peers, &c->closing, on_closed);
}

void broker_controllers_free(struct broker *b)
{
    if (b->controllers == NULL)
        return;
    peers_free(b->controllers->peers);
    mem_free(b->mem, b->controllers);
    b->controllers = NULL;
}
