/* metadata.c - the cluster as the client knows it: nodes, topics, leaders, and when to ask anew. */
#include "client/core/internal.h"

#define ASK_MS_MIN                                                                                 \
    100 /* between questions of who waits for a lane, whatever retry.backoff.max.ms is */
#define ASKED_MAX 2 /* questions that are not answered: one, and one beside it that hangs */

static bool topic_equal(const void *key, const struct hmap_node *node)
{
    return strcmp(key, CONTAINER_OF(node, struct client_topic, node)->name) == 0;
}

/* ---- nodes ---- */

struct client_node *client_node_find(struct client *c, int32_t id)
{
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link) {
        if (node->id == id)
            return node;
    }
    return NULL;
}

static struct client_node *node_add(struct client *c, int32_t id)
{
    if (c->metadata.node_count == CLIENT_NODES_MAX)
        return NULL;
    struct client_node *node = mem_zalloc(c->mem, sizeof *node);
    if (node == NULL)
        return NULL;
    node->id = id;
    list_init(&node->link);
    list_init(&node->ready);
    client_session_init(&node->session);
    list_push_back(&c->metadata.nodes, &node->link);
    c->metadata.node_count++;
    return node;
}

bool client_asks_controllers(const struct client *c)
{
    return c->config.bootstrap_controllers[0] != 0;
}

enum err client_metadata_init(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    list_init(&m->nodes);
    m->controller = -1;
    m->age_ns = INT64_MAX;
    m->doubt_ns = INT64_MAX;
    enum err e = hmap_init(&m->topics, c->mem, topic_equal);
    struct client_address addresses[CLIENT_BOOTSTRAP_MAX];
    bool controllers = client_asks_controllers(c);
    int count = client_addresses_parse(
        controllers ? c->config.bootstrap_controllers : c->config.bootstrap_servers, addresses);
    m->needed = controllers; /* an order is for the one that leads */
    ASSERT(count > 0);
    for (int i = 0; i < count && e == ERR_NONE; i++) {
        struct client_node *node = node_add(c, -1 - i);
        if (node == NULL)
            return ERR_NOMEM;
        memcpy(node->host, addresses[i].host, sizeof node->host);
        node->port = addresses[i].port;
    }
    return e;
}

void client_metadata_free(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    LIST_EACH (node, &m->nodes, struct client_node, link) {
        client_session_free(c, &node->session);
        mem_free(c->mem, node);
    }
    if (m->topics.buckets == NULL)
        return;
    LIST_EACH (topic, &m->topics.order, struct client_topic, node.order) {
        mem_free(c->mem, topic->partitions);
        mem_free(c->mem, topic);
    }
    hmap_free(&m->topics);
}

/* For so long whoever was asked or connected to is waited for before another one is, too. */
static int64_t patience_ns(const struct client *c)
{
    return MAX(c->config.retry_backoff_ms_max, ASK_MS_MIN) * MS;
}

/* At the next thing of the metadata's own: their age, a question that hangs, or what a lane is
 * waited for. */
static void arm_next(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    int64_t at_ns = MIN(m->age_ns, m->doubted ? INT64_MAX : m->doubt_ns);
    LIST_EACH (node, &m->nodes, struct client_node, link) {
        for (int i = 0; i < CLIENT_LANE_COUNT; i++) {
            const struct client_lane_state *lane = &node->lanes[i];
            bool waited_for = lane->wanted && !lane->up && lane->ask_ns > c->now_ns;
            at_ns = waited_for ? MIN(at_ns, lane->ask_ns) : at_ns;
        }
    }
    if (at_ns == INT64_MAX)
        client_disarm(c, &m->timer);
    else
        client_arm(c, &m->timer, CLIENT_TIMER_METADATA, at_ns);
}

/* Connecting to a node that is gone may take long, and another may lead meanwhile. */
static void wait_for_lane(struct client *c, struct client_node *node,
                          struct client_lane_state *lane)
{
    struct client_metadata *m = &c->metadata;
    if (lane->wanted && c->now_ns < lane->ask_ns)
        return;
    if (lane->wanted) {
        client_metadata_want(c);
        if (lane == &node->lanes[CLIENT_LANE_FETCH])
            client_nearby_lost(c, node->id);
    } else {
        m->wishes++;
    }
    lane->wanted = true;
    lane->ask_ns = c->now_ns + patience_ns(c);
    /* While metadata are asked for anyhow the timer is that question's. */
    if (node->id >= 0 && !m->needed)
        arm_next(c);
}

bool client_lane_ready(struct client *c, struct client_node *node, enum client_lane lane)
{
    struct client_lane_state *state = &node->lanes[lane];
    if (!state->up)
        wait_for_lane(c, node, state);
    return state->up;
}

/* The next node in turn that nobody connects to yet: all that are known take part, those that only
 * bootstrap.servers names too, because the known ones may all have moved. */
static void candidate_draw(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    for (int32_t i = 0; i < m->node_count; i++) {
        int32_t index = (int32_t)((m->rotation + (uint32_t)i) % (uint32_t)m->node_count);
        LIST_EACH (node, &m->nodes, struct client_node, link) {
            const struct client_lane_state *lane = &node->lanes[CLIENT_LANE_MAIN];
            if (index-- != 0 || lane->wanted || lane->up)
                continue;
            m->candidate = node->id;
            m->has_candidate = true;
            m->rotation += (uint32_t)i;
            return;
        }
    }
}

/* Connects to one node after the other. One that is gone may not say so before its time-out is
 * over, and another may be there meanwhile: it is tried beside it. */
static void seek(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    struct client_node *node = m->has_candidate ? client_node_find(c, m->candidate) : NULL;
    if (node != NULL && KNOWN_BUG(one_candidate))
        m->seek_ns = INT64_MAX;
    if (node == NULL || c->now_ns >= m->seek_ns) {
        candidate_draw(c);
        m->seek_ns = c->now_ns + patience_ns(c);
        node = m->has_candidate ? client_node_find(c, m->candidate) : NULL;
    }
    if (node != NULL)
        client_lane_ready(c, node, CLIENT_LANE_MAIN);
    client_arm(c, &m->seek, CLIENT_TIMER_SEEK, m->seek_ns);
}

/* Brokers that metadata named come before addresses that only bootstrap.servers names. */
static bool busier(const struct client_node *a, const struct client_node *b, enum client_lane lane)
{
    if ((a->id < 0) != (b->id < 0))
        return a->id < 0;
    return a->lanes[lane].in_flight > b->lanes[lane].in_flight;
}

static struct client_node *least_busy(struct client *c, enum client_lane lane,
                                      const struct client_node *but)
{
    struct client_node *best = NULL;
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link) {
        if (node != but && node->lanes[lane].up && (best == NULL || busier(best, node, lane)))
            best = node;
    }
    return best;
}

struct client_node *client_any_node(struct client *c)
{
    struct client_node *best = least_busy(c, CLIENT_LANE_MAIN, NULL);
    if (best == NULL)
        seek(c);
    return best;
}

/* Whom to ask for metadata: not the one that was asked and has not answered. While connections are
 * made the first question may go where records come from: who gives none can say at least who does.
 */
static struct client_node *asked_node(struct client *c, enum client_lane *lane)
{
    const struct client_metadata *m = &c->metadata;
    const struct client_node *but = m->asked_count > 0 ? client_node_find(c, m->asked) : NULL;
    *lane = CLIENT_LANE_MAIN;
    struct client_node *best = least_busy(c, CLIENT_LANE_MAIN, but);
    if (best != NULL)
        return best;
    seek(c);
    *lane = CLIENT_LANE_FETCH;
    bool first = m->asked_count == 0 && !KNOWN_BUG(one_candidate);
    return first ? least_busy(c, CLIENT_LANE_FETCH, NULL) : NULL;
}

/* The lane is up, who waits for it begins anew, or a question is over. */
static void stop_waiting(struct client *c)
{
    if (!c->metadata.needed)
        arm_next(c);
}

void client_lane_up(struct client *c, const struct client_event *ev)
{
    struct client_node *node = client_node_find(c, ev->node);
    ASSERT(node != NULL);
    struct client_lane_state *lane = &node->lanes[ev->lane];
    ASSERT(!lane->up);
    ASSERT(lane->in_flight == 0);
    *lane = (struct client_lane_state){.up = true};
    stop_waiting(c);
    if (ev->lane == CLIENT_LANE_MAIN)
        client_disarm(c, &c->metadata.seek);
    node->api_count = MIN(ev->api_count, CLIENT_APIS_MAX);
    if (node->api_count > 0)
        memcpy(node->apis, ev->apis, (size_t)node->api_count * sizeof *node->apis);
    c->consumer.dirty = true;
    c->ops_dirty = true;
}

void client_lane_down(struct client *c, const struct client_event *ev)
{
    struct client_node *node = client_node_find(c, ev->node);
    ASSERT(node != NULL);
    struct client_lane_state *lane = &node->lanes[ev->lane];
    ASSERT(lane->in_flight == 0);
    *lane = (struct client_lane_state){0};
    stop_waiting(c);
    if (ev->lane == CLIENT_LANE_FETCH)
        client_nearby_lost(c, node->id);
    c->consumer.dirty = true;
    c->ops_dirty = true;
    if (c->metadata.has_candidate && c->metadata.candidate == node->id) {
        c->metadata.has_candidate = false;
        c->metadata.rotation++;
    }
    if (ev->err != ERR_NONE)
        TRACE(c->trace, CLIENT_ERROR, .code = 0, .err = ev->err);
    client_metadata_want(c);
}

/* ---- topics ---- */

struct client_topic *client_topic_find(const struct client *c, const char *name)
{
    struct hmap_node *node = hmap_find(&c->metadata.topics, hash_text(name), name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct client_topic, node);
}

static struct client_topic *topic_of_string(const struct client *c, struct wire_string name)
{
    char text[CLIENT_TOPIC_NAME_MAX];
    if (name.size < 1 || name.size >= CLIENT_TOPIC_NAME_MAX)
        return NULL;
    memcpy(text, name.data, (size_t)name.size);
    text[name.size] = 0;
    return client_topic_find(c, text);
}

/* For what was never asked no back-off counts. */
static void ask_at_once(struct client *c)
{
    c->metadata.needed = true;
    c->metadata.retry_ns = 0;
}

struct client_topic *client_topic_of(struct client *c, const char *name)
{
    struct client_topic *topic = c->metadata.topic_last;
    if (topic != NULL && strcmp(topic->name, name) == 0)
        return topic;
    topic = client_topic_find(c, name);
    if (topic != NULL)
        return c->metadata.topic_last = topic;
    if (c->metadata.topics.count >= CLIENT_TOPICS_MAX || strlen(name) >= CLIENT_TOPIC_NAME_MAX)
        return NULL;
    topic = mem_zalloc(c->mem, sizeof *topic);
    if (topic == NULL)
        return NULL;
    memcpy(topic->name, name, strlen(name));
    topic->sticky = -1;
    list_init(&topic->waiting);
    list_init(&topic->in_waits);
    list_init(&topic->node.order);
    hmap_insert(&c->metadata.topics, hash_text(name), &topic->node);
    ask_at_once(c);
    return topic;
}

int32_t client_partition_count(const struct client *c, const char *topic)
{
    const struct client_topic *t = client_topic_find(c, topic);
    return t == NULL || t->partition_count == 0 ? -1 : t->partition_count;
}

void client_topic_id(const struct client *c, const char *topic, uint8_t id[CLIENT_TOPIC_ID])
{
    const struct client_topic *t = client_topic_find(c, topic);
    static const uint8_t none[CLIENT_TOPIC_ID];
    memcpy(id, t == NULL ? none : t->id, CLIENT_TOPIC_ID);
}

struct client_node *client_leader(struct client *c, struct client_topic *topic, int32_t partition)
{
    struct client_node *node = NULL;
    if (partition < topic->partition_count && topic->partitions[partition].leader >= 0)
        node = client_node_find(c, topic->partitions[partition].leader);
    if (node == NULL)
        client_metadata_want(c);
    return node;
}

bool client_leader_hint(struct client *c, struct client_topic *topic, int32_t partition,
                        int32_t leader, int32_t leader_epoch)
{
    if (leader < 0 || partition >= topic->partition_count || client_node_find(c, leader) == NULL)
        return false;
    struct client_partition *p = &topic->partitions[partition];
    if (leader_epoch <= p->leader_epoch)
        return false;
    p->leader = leader;
    p->leader_epoch = leader_epoch;
    SOMETIMES(c->trace, HINT_TAKEN, true);
    return true;
}

/* ---- asking ---- */

void client_metadata_want(struct client *c)
{
    c->metadata.needed = true;
}

/* Whoever waits for a lane is looked at in this event. */
void client_metadata_timer(struct client *c)
{
    if (c->metadata.needed)
        return; /* the pump asks */
    if (c->now_ns >= c->metadata.age_ns) {
        client_metadata_want(c);
        return;
    }
    c->metadata.doubted = c->now_ns >= c->metadata.doubt_ns;
    if (c->metadata.doubted)
        return;
    c->consumer.dirty = true;
    arm_next(c);
}

void client_nodes_want(struct client *c)
{
    c->metadata.nodes_wanted = true;
    client_metadata_want(c);
}

static void failed(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    m->needed = true;
    m->failure_count++;
    m->retry_ns = c->now_ns + client_backoff_ns(c, m->failure_count);
}

/* A question was answered or lost. */
static void question_over(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    ASSERT(m->asked_count > 0);
    m->asked_count--;
    m->doubted = false;
    m->doubt_ns = INT64_MAX;
    stop_waiting(c);
}

void client_metadata_lost(struct client *c)
{
    question_over(c);
    failed(c);
}

#define API_DESCRIBE_CLUSTER 60

/* Controllers know of no topics (KIP-919). */
static enum err ask_controllers(struct client *c, struct client_node *node, enum client_lane lane)
{
    struct client_call *call;
    enum err e = client_call_new(c, CLIENT_CALL_METADATA, node, lane, API_DESCRIBE_CLUSTER, &call);
    if (e != ERR_NONE)
        return e;
    struct wire_describe_cluster_request request;
    wire_defaults(&wire_describe_cluster_request_message, &request);
    request.endpoint_type = CLIENT_ENDPOINT_CONTROLLER;
    e = client_call_send(c, call, &request);
    arena_reset(&c->arena);
    return e;
}

static enum err ask(struct client *c, struct client_node *node, enum client_lane lane)
{
    struct client_metadata *m = &c->metadata;
    struct client_call *call;
    enum err e = client_call_new(c, CLIENT_CALL_METADATA, node, lane, 3, &call);
    if (e != ERR_NONE)
        return e;
    struct wire_metadata_request request;
    wire_defaults(&wire_metadata_request_message, &request);
    request.topics = arena_alloc(&c->arena, m->topics.count * sizeof *request.topics);
    if (request.topics == NULL) {
        client_call_end(c, call);
        return ERR_NOMEM;
    }
    LIST_EACH (topic, &m->topics.order, struct client_topic, node.order) {
        request.topics[request.topics_count++].name = wire_text(topic->name);
        topic->asked = true;
    }
    /* Versions below 4 always create; a client that must not has no broker that old. */
    request.allow_auto_topic_creation =
        c->config.auto_create_topics || call->request.api_version < 4;
    e = client_call_send(c, call, &request);
    arena_reset(&c->arena);
    return e;
}

/* From when on a question may be asked; INT64_MAX: when one of those that were is over. */
static int64_t may_ask_ns(const struct client_metadata *m)
{
    return m->asked_count == 0 ? m->retry_ns : m->doubt_ns;
}

static void asked(struct client *c, const struct client_node *node)
{
    struct client_metadata *m = &c->metadata;
    m->needed = false;
    m->doubted = false;
    m->asked = node->id;
    m->asked_count++;
    ASSERT(m->asked_count <= ASKED_MAX);
    bool alone = m->asked_count < ASKED_MAX && !KNOWN_BUG(one_candidate);
    m->doubt_ns = alone ? c->now_ns + patience_ns(c) : INT64_MAX;
    m->age_ns = c->now_ns + c->config.metadata_age_ms_max * MS;
    arm_next(c);
}

void client_metadata_pump(struct client *c)
{
    struct client_metadata *m = &c->metadata;
    enum client_lane lane;
    if (!m->needed && !m->doubted)
        return;
    if (m->topics.count == 0 && !m->nodes_wanted && !client_asks_controllers(c))
        return;
    if (c->now_ns < may_ask_ns(m)) {
        if (may_ask_ns(m) < INT64_MAX)
            client_arm(c, &m->timer, CLIENT_TIMER_METADATA, may_ask_ns(m));
        return;
    }
    struct client_node *node = asked_node(c, &lane);
    if (node == NULL)
        return;
    enum err e = client_asks_controllers(c) ? ask_controllers(c, node, lane) : ask(c, node, lane);
    if (e != ERR_NONE) {
        TRACE(c->trace, CLIENT_ERROR, .code = 3, .err = e);
        failed(c);
        client_arm(c, &m->timer, CLIENT_TIMER_METADATA, m->retry_ns);
        return;
    }
    asked(c, node);
}

/* ---- learning ---- */

void client_metadata_learn_node(struct client *c, int32_t id, struct wire_string host, int32_t port)
{
    bool usable =
        id >= 0 && host.size > 0 && host.size < CLIENT_HOST_MAX && port > 0 && port <= UINT16_MAX;
    if (!usable)
        return;
    struct client_node *node = client_node_find(c, id);
    if (node == NULL)
        node = node_add(c, id);
    if (node == NULL)
        return; /* tried again when the leader that is missing is asked for */
    bool same = node->port == port && strlen(node->host) == (size_t)host.size &&
                memcmp(node->host, host.data, (size_t)host.size) == 0;
    if (same)
        return;
    memcpy(node->host, host.data, (size_t)host.size);
    node->host[host.size] = 0;
    node->port = (uint16_t)port;
    node->address_version++;
    c->metadata.wishes++;
}

static void learn_nodes(struct client *c, const struct wire_metadata_response *response)
{
    for (int32_t i = 0; i < response->brokers_count; i++) {
        const struct wire_metadata_response_broker *b = &response->brokers[i];
        client_metadata_learn_node(c, b->node_id, b->host, b->port);
    }
    c->metadata.controller = response->controller_id;
}

/* Makes room for partitions up to count; a topic never shrinks. */
static bool grow(struct client *c, struct client_topic *topic, int32_t count)
{
    if (count <= topic->partition_count)
        return true;
    size_t size = (size_t)count * sizeof *topic->partitions;
    struct client_partition *p = mem_realloc(c->mem, topic->partitions, size);
    if (p == NULL)
        return false;
    for (int32_t i = topic->partition_count; i < count; i++)
        p[i] = (struct client_partition){.leader = -1, .leader_epoch = -1};
    topic->partitions = p;
    topic->partition_count = count;
    return true;
}

/* Another topic has the name now: its leader epochs begin anew (KAFKA-12257), and how far the one
 * before it was read is no place in it. */
static void learn_id(struct client *c, struct client_topic *topic, const struct wire_uuid *id)
{
    static const struct wire_uuid none;
    struct wire_uuid before;
    memcpy(before.b, topic->id, sizeof before.b);
    if (wire_uuid_equal(id, &before) || wire_uuid_equal(id, &none))
        return;
    memcpy(topic->id, id->b, sizeof topic->id);
    if (wire_uuid_equal(&before, &none) || KNOWN_BUG(epochs_of_another_topic))
        return;
    for (int32_t i = 0; i < topic->partition_count; i++)
        topic->partitions[i].leader_epoch = -1;
    LIST_EACH (a, &c->consumer.assignments, struct client_assignment, link) {
        if (a->of != topic)
            continue;
        a->leader_epoch = -1;
        if (a->state == CLIENT_AT_READING && a->notice == CLIENT_NOTICE_NONE)
            client_assignment_reset(c, a);
    }
}

/* Takes what the answer says of one partition, unless it is older than what is known (KIP-320). */
static bool learn_partition(struct client_topic *topic,
                            const struct wire_metadata_response_partition *in)
{
    struct client_partition *p = &topic->partitions[in->partition_index];
    if (in->leader_epoch >= 0 && in->leader_epoch < p->leader_epoch)
        return true;
    p->leader = in->leader_id;
    p->leader_epoch = in->leader_epoch;
    return p->leader >= 0;
}

/* False: something is missing still, so ask again. */
static bool learn_topic(struct client *c, const struct wire_metadata_response_topic *in)
{
    struct client_topic *topic = topic_of_string(c, in->name);
    if (topic == NULL)
        return true;
    topic->code = in->error_code;
    int32_t count = in->partitions_count;
    bool dense = count > 0 && count <= CLIENT_PARTITIONS_MAX;
    for (int32_t i = 0; dense && i < count; i++)
        dense = in->partitions[i].partition_index >= 0 && in->partitions[i].partition_index < count;
    if (in->error_code != 0 || !dense)
        return in->error_code != 0 && !client_code_retriable(in->error_code);
    if (!grow(c, topic, count))
        return false;
    learn_id(c, topic, &in->topic_id);
    bool whole = true;
    for (int32_t i = 0; i < count; i++)
        whole &= learn_partition(topic, &in->partitions[i]);
    return whole;
}

/* Without a leader it is asked again when somebody is refused for it. */
static void learn_controllers(struct client *c, struct client_call *call, struct bytes body)
{
    struct client_metadata *m = &c->metadata;
    struct wire_describe_cluster_response response;
    question_over(c);
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE || response.error_code != 0) {
        failed(c);
        return;
    }
    for (int32_t i = 0; i < response.brokers_count; i++) {
        const struct wire_describe_cluster_response_broker *b = &response.brokers[i];
        client_metadata_learn_node(c, b->broker_id, b->host, b->port);
    }
    m->controller = response.controller_id;
    m->failure_count = 0;
    m->retry_ns = c->now_ns + client_backoff_ns(c, 1);
    c->ops_dirty = true;
}

void client_metadata_answer(struct client *c, struct client_call *call, struct bytes body)
{
    if (call->request.api_key == API_DESCRIBE_CLUSTER) {
        learn_controllers(c, call, body);
        return;
    }
    struct client_metadata *m = &c->metadata;
    struct wire_metadata_response response;
    question_over(c);
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE || response.error_code != 0) {
        failed(c);
        return;
    }
    learn_nodes(c, &response);
    m->nodes_wanted = false;
    m->nodes_known = true;
    bool whole = true;
    for (int32_t i = 0; i < response.topics_count; i++)
        whole &= learn_topic(c, &response.topics[i]);
    m->failure_count = 0;
    m->retry_ns = c->now_ns + client_backoff_ns(c, 1);
    if (!whole)
        failed(c);
    LIST_EACH (topic, &m->topics.order, struct client_topic, node.order) {
        if (!topic->asked)
            ask_at_once(c);
    }
    c->consumer.dirty = true;
    c->ops_dirty = true;
    client_sender_metadata(c);
    client_producer_admit(c);
}
