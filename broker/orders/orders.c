/* orders.c - one command on its way to whoever leads: tried here or there, again after a pause, and
 * ended once. */
#include "orders/internal.h"

enum err orders_new(struct orders **out, struct env *env, struct mem *mem, struct quorum *quorum,
                    struct peers *peers, const char *cluster_id)
{
    struct orders *os = mem_zalloc(mem, sizeof *os);
    if (os == NULL)
        return ERR_NOMEM;
    *os = (struct orders){
        .env = env,
        .mem = mem,
        .quorum = quorum,
        .peers = peers,
        .self = {.broker_id = CONTROLLER_NOBODY, .broker_epoch = CONTROLLER_NO_EPOCH},
        .cluster_id = cluster_id};
    list_init(&os->list);
    *out = os;
    return ERR_NONE;
}

void orders_free(struct orders *os)
{
    if (os == NULL)
        return;
    ASSERT(list_empty(&os->list));
    mem_free(os->mem, os);
}

bool orders_is_alone(const struct orders *os)
{
    return os->peers == NULL;
}

void orders_set_self(struct orders *os, struct orders_self self)
{
    os->self = self;
}

struct orders_self orders_self(const struct orders *os)
{
    return os->self;
}

void orders_set_heard(struct orders *os, int64_t until_ns)
{
    os->heard_until_ns = until_ns;
}

bool orders_is_heard(const struct orders *os)
{
    return os->peers == NULL || env_now(os->env) < os->heard_until_ns;
}

/* ---- the end of one ---- */

static void finish(struct order *o)
{
    struct orders *os = o->orders;
    ASSERT(o->request.peers == NULL);
    list_remove(&o->link);
    env_disarm(os->env, &o->timer);
    o->orders = NULL;
    o->done(o);
}

static void finish_with(struct order *o, int16_t code, const char *sentence)
{
    controller_lost(o->command, quorum_current(o->orders->quorum), code, sentence);
    finish(o);
}

/* It is on no way any more. */
static void take_back(struct order *o)
{
    bool submitted = o->state == ORDER_SUBMITTED;
    bool waits = submitted && quorum_cancel(&o->submitted);
    ASSERT(waits == submitted);
    peers_cancel(&o->request);
    o->state = ORDER_PAUSES;
}

/* ---- time ---- */

static void attempt(struct order *o);

static void on_timer(struct env_timer *timer)
{
    struct order *o = CONTAINER_OF(timer, struct order, timer);
    if (o->deadline_ns > env_now(o->orders->env)) {
        ASSERT(o->state == ORDER_PAUSES);
        attempt(o);
        return;
    }
    take_back(o);
    finish_with(o, WIRE_ERROR_REQUEST_TIMED_OUT, "whoever leads the metadata log did not answer");
}

static void arm(struct order *o, int64_t at_ns)
{
    struct env *env = o->orders->env;
    int64_t due_ns = MIN(at_ns, o->deadline_ns);
    o->timer.fire = on_timer;
    if (due_ns == ORDERS_FOREVER)
        env_disarm(env, &o->timer);
    else
        env_arm(env, &o->timer, MAX(due_ns, env_now(env)));
}

static void again_later(struct order *o)
{
    struct env *env = o->orders->env;
    int64_t pause_ns = ORDERS_PAUSE_NS;
    for (int32_t i = 1; i < o->try_count && pause_ns < ORDERS_PAUSE_NS_MAX; i++)
        pause_ns *= 2;
    pause_ns = MIN(pause_ns, ORDERS_PAUSE_NS_MAX);
    int64_t spread = pause_ns / 100 * PEERS_JITTER_PERCENT;
    uint64_t chance = env_random(env, "orders/pause", (uint64_t)o->try_count);
    o->state = ORDER_PAUSES;
    arm(o, env_now(env) + random_between(chance, pause_ns - spread, pause_ns + spread));
}

/* ---- here ---- */

/* Another node may lead by now; one alone has nobody else. */
static void on_submitted(struct quorum_request *submitted)
{
    struct order *o = CONTAINER_OF(submitted, struct order, submitted);
    o->first = submitted->first;
    if (o->command->code != WIRE_ERROR_NOT_CONTROLLER || o->orders->peers == NULL)
        finish(o);
    else
        again_later(o);
}

static void submit(struct order *o)
{
    o->state = ORDER_SUBMITTED;
    if (o->orders->peers != NULL)
        arm(o, ORDERS_FOREVER);
    quorum_submit(o->orders->quorum, &o->submitted, o->command, QUORUM_COMMITTED, on_submitted);
}

/* ---- there ---- */

static enum err encode(struct peers_request *request, int16_t version, struct wire_out *out)
{
    const struct order *o = CONTAINER_OF(request, struct order, request);
    return orders_request(o->command, o->orders->cluster_id, o->orders->mem, version, out);
}

static void on_lost(struct peers_request *request, enum err why)
{
    (void)why;
    again_later(CONTAINER_OF(request, struct order, request));
}

/* An answer that cannot be is none. */
static void on_answered(struct peers_request *request, int16_t version, struct slice body)
{
    struct order *o = CONTAINER_OF(request, struct order, request);
    enum err e = orders_response(o->command, version, slice_bytes(body), o->orders->mem);
    if (e != ERR_NONE || o->command->code == WIRE_ERROR_NOT_CONTROLLER)
        again_later(o);
    else
        finish(o);
}

static void ask(struct order *o, int32_t leader)
{
    o->state = ORDER_ASKED;
    o->asked_id = leader;
    arm(o, ORDERS_FOREVER);
    o->request = (struct peers_request){.key = orders_api(o->command->verb),
                                        .purpose = PEERS_ORDERS,
                                        .encode = encode,
                                        .answered = on_answered,
                                        .lost = on_lost};
    peers_send(o->orders->peers, leader, &o->request);
}

/* ---- both ---- */

static bool leads_here(const struct orders *os)
{
    return os->peers == NULL || quorum_leads(os->quorum);
}

static int32_t other_leader(const struct orders *os)
{
    int32_t leader = quorum_leader(os->quorum);
    return leader == quorum_node_id(os->quorum) ? RAFT_NOBODY : leader;
}

static void attempt(struct order *o)
{
    struct orders *os = o->orders;
    o->first = -1;
    o->asked_ns = env_now(os->env);
    o->try_count++;
    if (leads_here(os))
        submit(o);
    else if (other_leader(os) != RAFT_NOBODY)
        ask(o, other_leader(os));
    else
        again_later(o);
}

void orders_give(struct orders *os, struct order *o, struct controller_command *command,
                 int64_t deadline_ns, order_done *done)
{
    ASSERT(o->orders == NULL);
    ASSERT(orders_api(command->verb) >= 0);
    *o = (struct order){.orders = os,
                        .command = command,
                        .done = done,
                        .deadline_ns = deadline_ns,
                        .first = -1,
                        .state = ORDER_PAUSES};
    list_init(&o->link);
    list_push_back(&os->list, &o->link);
    if (os->ended)
        finish_with(o, WIRE_ERROR_NOT_CONTROLLER, "this node ends");
    else
        attempt(o);
}

void orders_cancel(struct order *o)
{
    struct orders *os = o->orders;
    if (os == NULL)
        return;
    take_back(o);
    list_remove(&o->link);
    env_disarm(os->env, &o->timer);
    o->orders = NULL;
}

/* Each that is told of it may give others, or take some back. */
static void for_all(struct orders *os, void (*act)(struct order *o))
{
    struct list all, *link;
    list_init(&all);
    list_splice_back(&all, &os->list);
    while ((link = list_pop_front(&all)) != NULL) {
        list_push_back(&os->list, link);
        act(CONTAINER_OF(link, struct order, link));
    }
}

static void look_again(struct order *o)
{
    const struct orders *os = o->orders;
    bool moved =
        leads_here(os) || (other_leader(os) != RAFT_NOBODY && other_leader(os) != o->asked_id);
    if (o->state == ORDER_SUBMITTED || (o->state == ORDER_ASKED && !moved))
        return;
    if (o->state == ORDER_PAUSES && !leads_here(os) && other_leader(os) == RAFT_NOBODY)
        return;
    take_back(o);
    o->try_count = 0;
    attempt(o);
}

void orders_role_changed(struct orders *os)
{
    if (!os->ended && os->peers != NULL)
        for_all(os, look_again);
}

static void end_one(struct order *o)
{
    take_back(o);
    finish_with(o, WIRE_ERROR_NOT_CONTROLLER, "this node ends");
}

void orders_end(struct orders *os)
{
    if (os->peers == NULL || os->ended)
        return;
    os->ended = true;
    for_all(os, end_one);
}
