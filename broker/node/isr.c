/* isr.c - takes what the leaders here want to be in sync to the controller: all that waits in one
 * command, and one at a time. It decides nothing, and forgets no proposal of which it is not known
 * what became. */
#include "node/internal.h"

#define PROPOSALS_MAX 1000                /* of one command */
#define PROPOSE_AGAIN_NS ENV_NS_OF_MS(50) /* after one that came to nothing (Kafka's) */

static void look_up(struct replica_watch *watch, int32_t id, struct replica_broker *out)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, replica_watch);
    const struct metadata_broker *is = metadata_find_broker(quorum_current(b->quorum), id);
    if (is == NULL)
        return;
    *out = (struct replica_broker){.epoch = is->epoch,
                                   .is_alive = !is->fenced,
                                   .may_join = !is->fenced && !is->in_controlled_shutdown};
}

/* ---- the way out ---- */

static void send_at(struct broker *b, int64_t at_ns)
{
    if (b->phase != BROKER_CLOSING)
        env_arm(b->env, &b->proposing.kick, at_ns);
}

/* In an event of its own: what one event proposes goes together. */
static void propose_soon(struct replica_watch *watch, struct replica_proposal *proposal)
{
    struct broker *b = CONTAINER_OF(watch, struct broker, replica_watch);
    list_push_back(&b->proposing.waiting, &proposal->link);
    if (!orders_under_way(&b->proposing.order) && !env_armed(&b->proposing.kick))
        send_at(b, env_now(b->env));
}

static void forget_asked(struct broker *b)
{
    mem_free(b->mem, b->proposing.altered);
    mem_free(b->mem, b->proposing.members);
    b->proposing.altered = NULL;
    b->proposing.members = NULL;
}

/* True: it goes out again. */
static bool take_answer(const struct proposing *all, struct replica_proposal *p, int32_t index)
{
    int16_t code = all->alter.command.code;
    if (code != WIRE_ERROR_NONE) /* all of it; who may not ask, or nobody knows what was done */
        return !p->is_void || !replica_proposal_answered(p, code, -1, -1);
    const struct controller_altered_partition *a = &all->altered[index];
    return !replica_proposal_answered(p, a->code, a->now_leader_epoch, a->now_partition_epoch);
}

static void on_answered(struct order *order)
{
    struct broker *b = CONTAINER_OF(order, struct broker, proposing.order);
    struct proposing *all = &b->proposing;
    bool again = false;
    struct list answered;
    list_init(&answered);
    list_splice_back(&answered, &all->under_way);
    for (int32_t i = 0; !list_empty(&answered); i++) {
        struct replica_proposal *p =
            CONTAINER_OF(list_pop_front(&answered), struct replica_proposal, link);
        if (take_answer(all, p, i)) {
            list_push_back(&all->waiting, &p->link);
            again = true;
        }
    }
    forget_asked(b);
    if (!list_empty(&all->waiting) && (again || !KNOWN_BUG(rest_of_proposals_kept)))
        send_at(b, env_now(b->env) + (again ? PROPOSE_AGAIN_NS : 0));
}

/* ---- one command ---- */

/* What need not be asked any more is not. How many are left for one command, and their members. */
static int32_t count_waiting(struct broker *b, int32_t *member_count)
{
    int64_t limit = b->limits.proposals;
    int32_t count = 0, most = limit > 0 ? (int32_t)MIN(limit, PROPOSALS_MAX) : PROPOSALS_MAX;
    *member_count = 0;
    LIST_EACH (p, &b->proposing.waiting, struct replica_proposal, link) {
        if (p->is_void) {
            list_remove(&p->link);
            replica_proposal_drop(p);
            continue;
        }
        if (count == most)
            break;
        count++;
        *member_count += p->isr_count;
    }
    return count;
}

static void take_waiting(struct proposing *all, int32_t count)
{
    struct controller_in_sync *member = all->members;
    for (int32_t i = 0; i < count; i++) {
        struct list *link = list_pop_front(&all->waiting);
        const struct replica_proposal *p = CONTAINER_OF(link, struct replica_proposal, link);
        list_push_back(&all->under_way, link);
        all->altered[i] = (struct controller_altered_partition){
            .topic_id = *replica_topic_id(p->replica),
            .partition = replica_partition(p->replica),
            .leader_epoch = p->leader_epoch,
            .partition_epoch = p->partition_epoch,
            .isr = member,
            .isr_count = p->isr_count,
        };
        for (int32_t k = 0; k < p->isr_count; k++)
            *member++ = (struct controller_in_sync){.broker_id = p->isr[k].broker_id,
                                                    .broker_epoch = p->isr[k].broker_epoch};
    }
}

/* A node that is its own quorum has no membership, but is registered all the same. */
static int64_t own_epoch(struct broker *b)
{
    struct replica_broker self = {.epoch = CONTROLLER_NO_EPOCH};
    int64_t epoch = broker_membership_epoch(b);
    if (epoch != CONTROLLER_NO_EPOCH)
        return epoch;
    look_up(&b->replica_watch, (int32_t)b->config.node_id, &self);
    return self.epoch;
}

static void on_kick(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, proposing.kick);
    struct proposing *all = &b->proposing;
    int32_t member_count;
    if (orders_under_way(&all->order))
        return;
    int32_t count = count_waiting(b, &member_count);
    if (count == 0)
        return;
    all->altered = mem_array(b->mem, (size_t)count, sizeof *all->altered);
    all->members = mem_array(b->mem, (size_t)member_count, sizeof *all->members);
    if (all->altered == NULL || all->members == NULL) {
        forget_asked(b);
        send_at(b, env_now(b->env) + PROPOSE_AGAIN_NS);
        return;
    }
    take_waiting(all, count);
    controller_alter_partition_init(&all->alter);
    all->alter.broker_id = (int32_t)b->config.node_id;
    all->alter.broker_epoch = own_epoch(b);
    all->alter.altered = all->altered;
    all->alter.count = count;
    orders_give(b->orders, &all->order, &all->alter.command, ORDERS_FOREVER, on_answered);
}

/* ---- life ---- */

void broker_isr_init(struct broker *b)
{
    list_init(&b->proposing.waiting);
    list_init(&b->proposing.under_way);
    b->proposing.kick.fire = on_kick;
    b->replica_watch.broker = look_up;
    b->replica_watch.propose = propose_soon;
}

static void drop_all(struct list *proposals)
{
    LIST_EACH (p, proposals, struct replica_proposal, link) {
        list_remove(&p->link);
        replica_proposal_drop(p);
    }
}

void broker_isr_free(struct broker *b)
{
    ASSERT(!orders_under_way(&b->proposing.order));
    env_disarm(b->env, &b->proposing.kick);
    drop_all(&b->proposing.waiting);
    drop_all(&b->proposing.under_way);
    forget_asked(b);
}
