/* session.c - what a broker remembers of the client's fetches (KIP-227): which partitions it has
 * been told of, and with what, so that the next fetch says only what is different. In doubt all of
 * it is said anew. */
#include "client/core/internal.h"

#define SESSIONS_SINCE 7

/* A partition that the broker is to forget, whoever it was assigned to. */
struct forgotten {
    struct list link;
    struct client_topic *of;
    int32_t partition;
};

void client_session_init(struct client_session *session)
{
    *session = (struct client_session){0};
    list_init(&session->forgotten);
}

static void drop_forgotten(struct client *c, struct client_session *session)
{
    LIST_EACH (f, &session->forgotten, struct forgotten, link) {
        list_remove(&f->link);
        mem_free(c->mem, f);
    }
    session->forgotten_count = 0;
}

void client_session_free(struct client *c, struct client_session *session)
{
    drop_forgotten(c, session);
}

void client_session_doubt(struct client *c, struct client_node *node)
{
    SOMETIMES(c->trace, SESSION_LOST, node->session.epoch > 0);
    node->session.epoch = 0;
}

void client_session_leave(struct client *c, struct client_assignment *a)
{
    struct client_node *node = a->in_session;
    a->in_session = NULL;
    if (node == NULL) /* else the fetch that begins the session may be on its way */
        return;
    struct forgotten *f = mem_zalloc(c->mem, sizeof *f);
    if (f == NULL) {
        client_session_doubt(c, node);
        return;
    }
    f->of = a->of;
    f->partition = a->partition;
    list_init(&f->link);
    list_push_back(&node->session.forgotten, &f->link);
    node->session.forgotten_count++;
}

/* It is asked for again before the broker has been told to forget it. */
static void remember(struct client *c, struct client_session *session,
                     const struct client_assignment *a)
{
    LIST_EACH (f, &session->forgotten, struct forgotten, link) {
        if (f->of != a->of || f->partition != a->partition)
            continue;
        list_remove(&f->link);
        mem_free(c->mem, f);
        session->forgotten_count--;
    }
}

/* The broker is told of it, if it does not know all that there is to be said. */
static bool is_news(const struct client_node *node, const struct client_assignment *a)
{
    if (node->session.epoch == 0 || a->in_session != node)
        return true;
    return a->told_offset != a->fetch_offset || a->told_epoch != a->leader_epoch ||
           a->told_leader_epoch != a->of->partitions[a->partition].leader_epoch;
}

static void tell(struct client *c, struct client_node *node, struct client_assignment *a)
{
    if (a->in_session != NULL && a->in_session != node)
        client_session_leave(c, a);
    remember(c, &node->session, a);
    a->in_session = node;
    a->told_offset = a->fetch_offset;
    a->told_epoch = a->leader_epoch;
    a->told_leader_epoch = a->of->partitions[a->partition].leader_epoch;
}

int32_t client_session_tell(struct client *c, struct client_node *node,
                            struct client_assignment *const *asking, int32_t count,
                            struct client_assignment **told)
{
    int32_t told_count = 0;
    for (int32_t i = 0; i < count; i++)
        asking[i]->is_asked = true;
    LIST_EACH (a, &c->consumer.assignments, struct client_assignment, link) {
        if (a->in_session == node && !a->is_asked)
            client_session_leave(c, a);
    }
    for (int32_t i = 0; i < count; i++) {
        struct client_assignment *a = asking[i];
        a->is_asked = false;
        if (!is_news(node, a))
            continue;
        tell(c, node, a);
        told[told_count++] = a;
    }
    return told_count;
}

enum err client_session_describe(struct client *c, struct client_node *node, int16_t version,
                                 struct wire_fetch_request *request)
{
    struct client_session *session = &node->session;
    if (session->epoch == 0)
        drop_forgotten(c, session);
    if (version < SESSIONS_SINCE)
        return ERR_NONE;
    size_t count = (size_t)session->forgotten_count;
    request->session_id = session->id;
    request->session_epoch = session->epoch;
    request->forgotten_topics_data =
        arena_alloc(&c->arena, count * sizeof *request->forgotten_topics_data);
    if (request->forgotten_topics_data == NULL)
        return ERR_NOMEM;
    LIST_EACH (f, &session->forgotten, struct forgotten, link) {
        int32_t *partition = arena_alloc(&c->arena, sizeof *partition);
        if (partition == NULL)
            return ERR_NOMEM;
        *partition = f->partition;
        request->forgotten_topics_data[request->forgotten_topics_data_count++] =
            (struct wire_fetch_request_forgotten_topic){
                .topic = wire_text(f->of->name), .partitions = partition, .partitions_count = 1};
    }
    drop_forgotten(c, session);
    SOMETIMES(c->trace, SESSION_CONTINUED, session->epoch > 0);
    return ERR_NONE;
}

bool client_session_answer(struct client *c, struct client_node *node,
                           const struct wire_fetch_response *response)
{
    struct client_session *session = &node->session;
    bool went_on = session->epoch > 0;
    if (response->error_code != 0) {
        bool gone = response->error_code == WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
        client_session_doubt(c, node);
        if (gone)
            session->id = 0;
        return went_on && (gone || response->error_code == WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    }
    bool same = !went_on || session->id == response->session_id;
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->id = response->session_id;
    if (session->id == 0 || !same)
        session->epoch = 0;
    return went_on && same;
}
