/* peers.c - the nodes that are known, what is sent to them, and the end of it all. */
#include "peers/internal.h"

enum err peers_new(struct peers **out, struct env *env, struct mem *mem, struct trace *trace,
                   const struct peers_settings *settings)
{
    ASSERT(settings->request_ns_max > 0);
    ASSERT(settings->backoff_ns > 0);
    ASSERT(settings->backoff_ns_max >= settings->backoff_ns);
    ASSERT(strlen(settings->client_id) <= PEERS_CLIENT_ID_MAX);
    struct peers *p = mem_zalloc(mem, sizeof *p);
    if (p == NULL)
        return ERR_NOMEM;
    p->env = env;
    p->mem = mem;
    p->trace = trace;
    p->settings = *settings;
    list_init(&p->links);
    list_init(&p->lost);
    *out = p;
    return ERR_NONE;
}

void peers_free(struct peers *p)
{
    if (p == NULL)
        return;
    ASSERT(list_empty(&p->links));
    ASSERT(list_empty(&p->lost));
    env_disarm(p->env, &p->tell);
    mem_free(p->mem, p);
}

/* ---- nodes ---- */

const struct peers_node *peers_node(const struct peers *p, int32_t id)
{
    for (int32_t i = 0; i < p->node_count; i++) {
        if (p->nodes[i].id == id)
            return &p->nodes[i];
    }
    return NULL;
}

static void move_node(struct peers *p, int32_t id)
{
    LIST_EACH (l, &p->links, struct peers_link, link) {
        if (l->node == id)
            peers_link_end(l, ERR_RESET);
    }
}

enum err peers_know(struct peers *p, int32_t id, const char *host, uint16_t port)
{
    struct peers_node node = {.id = id, .port = port};
    size_t size = strlen(host);
    if (size >= sizeof node.host)
        return ERR_LIMIT;
    memcpy(node.host, host, size);
    for (int32_t i = 0; i < p->node_count; i++) {
        if (p->nodes[i].id != id)
            continue;
        bool same = p->nodes[i].port == port && strcmp(p->nodes[i].host, host) == 0;
        p->nodes[i] = node;
        if (!same)
            move_node(p, id);
        return ERR_NONE;
    }
    if (p->node_count == PEERS_NODES_MAX)
        return ERR_LIMIT;
    p->nodes[p->node_count++] = node;
    return ERR_NONE;
}

/* ---- requests ---- */

static void on_tell(struct env_timer *timer)
{
    struct peers *p = CONTAINER_OF(timer, struct peers, tell);
    struct list *link = list_pop_front(&p->lost);
    if (!list_empty(&p->lost))
        env_arm(p->env, &p->tell, env_now(p->env));
    if (link != NULL) {
        struct peers_request *request = CONTAINER_OF(link, struct peers_request, link);
        request->peers = NULL;
        request->lost(request, request->why);
    }
    peers_closed_some(p);
}

void peers_lose(struct peers *p, struct peers_request *request, enum err why)
{
    ASSERT(request->peers == p);
    ASSERT(request->ask == NULL);
    request->why = why;
    list_push_back(&p->lost, &request->link);
    p->tell.fire = on_tell;
    if (!env_armed(&p->tell))
        env_arm(p->env, &p->tell, env_now(p->env));
}

void peers_send(struct peers *p, int32_t node, struct peers_request *request)
{
    ASSERT(request->peers == NULL);
    ASSERT(wire_api(request->key) != NULL);
    request->peers = p;
    request->ask = NULL;
    request->was_sent = false;
    list_init(&request->link);
    if (p->closing != NULL) {
        peers_lose(p, request, ERR_CANCELLED);
        return;
    }
    if (peers_node(p, node) == NULL) {
        peers_lose(p, request, ERR_NOTFOUND);
        return;
    }
    struct peers_link *l = peers_link_get(p, node, request->purpose);
    if (l != NULL && l->ask_count == PEERS_IN_FLIGHT_MAX) {
        peers_lose(p, request, ERR_LIMIT);
        return;
    }
    struct peers_ask *ask = l == NULL ? NULL : peers_ask_new(l, request);
    if (ask == NULL)
        peers_lose(p, request, ERR_NOMEM);
    else
        peers_link_take(l, ask);
}

void peers_cancel(struct peers_request *request)
{
    struct peers_ask *ask = request->ask;
    if (request->peers == NULL)
        return;
    list_remove(&request->link);
    request->peers = NULL;
    request->ask = NULL;
    if (ask == NULL)
        return;
    struct peers_link *l = ask->on;
    ask->request = NULL;
    if (ask->sent)
        return;
    peers_ask_free(ask);
    peers_link_keep_time(l);
}

/* ---- the end ---- */

void peers_closed_some(struct peers *p)
{
    struct peers_op *op = p->closing;
    if (op == NULL || !list_empty(&p->links) || !list_empty(&p->lost))
        return;
    p->closing = NULL;
    op->done(op);
}

void peers_close(struct peers *p, struct peers_op *op, peers_done *done)
{
    ASSERT(p->closing == NULL);
    op->done = done;
    p->closing = op;
    LIST_EACH (l, &p->links, struct peers_link, link)
        peers_link_end(l, ERR_CANCELLED);
    peers_closed_some(p);
}

int32_t peers_connection_count(const struct peers *p)
{
    int32_t count = 0;
    LIST_EACH (l, &p->links, struct peers_link, link)
        count += l->state == LINK_ASKING || l->state == LINK_UP;
    return count;
}
