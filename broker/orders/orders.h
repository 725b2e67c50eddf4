/* orders.h - carries commands of the controller to whoever leads the metadata quorum: to this
 * node's own part of it, or in Kafka's requests to another node's (BrokerRegistration,
 * BrokerHeartbeat, AlterPartition, AllocateProducerIds, AssignReplicasToDirs), and again while
 * nobody leads or an answer is lost. It decides nothing, and says nothing twice at once.
 */
#ifndef KILN_ORDERS_H
#define KILN_ORDERS_H

#include "peers/peers.h"
#include "quorum/quorum.h"

/* After a try that came to nothing the next one waits so long, doubled up to the maximum, less or
 * more by PEERS_JITTER_PERCENT; it waits no longer when another leader is heard of. */
#define ORDERS_PAUSE_NS (20ll * 1000000)
#define ORDERS_PAUSE_NS_MAX (500ll * 1000000)
#define ORDERS_FOREVER INT64_MAX /* as a deadline */

struct orders;

/* All that is passed in outlives it. peers knows the voters by their ids; NULL: this node is its
 * own quorum, and every command is submitted here and answered as quorum_submit says. ERR_NOMEM. */
enum err orders_new(struct orders **out, struct env *env, struct mem *mem, struct quorum *quorum,
                    struct peers *peers, const char *cluster_id) MUST_USE;
/* No order may be under way. NULL is harmless. */
void orders_free(struct orders *orders);

/* This node is its own quorum. */
bool orders_is_alone(const struct orders *orders);

/* Who this broker is to the controller: what CONTROLLER_NOBODY and CONTROLLER_NO_EPOCH stand for
 * until it is said, and where a node is its own quorum. */
struct orders_self {
    int32_t broker_id;
    int64_t broker_epoch;
};
void orders_set_self(struct orders *orders, struct orders_self self);
struct orders_self orders_self(const struct orders *orders);

/* B-6: up to then, by this node's clock, a controller counts on this broker, and nobody else leads
 * what it leads; 0: none does. A node that is its own quorum is always heard. */
void orders_set_heard(struct orders *orders, int64_t until_ns);
bool orders_is_heard(const struct orders *orders);

struct order;
typedef void order_done(struct order *order);

/* Embedded in its owner, zeroed before it is first given; in place until it has ended. */
struct order {
    /* out, when done is called: whether this node appended its records, and where. first: offset of
     * the first, -1: none here (another node's log has them, or nobody's). */
    int64_t first;
    /* When the try that was answered began: what was answered is at least as new. */
    int64_t asked_ns;
    /* the orders' own */
    struct orders *orders; /* NULL: it has ended */
    struct controller_command *command;
    order_done *done;
    struct list link; /* in orders->list */
    int64_t deadline_ns;
    struct env_timer timer; /* the next try, or the deadline */
    int32_t try_count;
    int32_t asked_id; /* whom, while request is under way */
    enum order_state {
        ORDER_PAUSES,
        ORDER_SUBMITTED, /* here */
        ORDER_ASKED,     /* another node */
    } state;
    struct quorum_request submitted;
    struct peers_request request;
};

/* Carries a command of one of the verbs above. done is called once: perhaps before this returns
 * where this node leads; command->code then says what came of it, as if quorum_submit had been
 * asked here (QUORUM_COMMITTED), and what the command gives out is filled in. Who leads, and
 * whether it is reached, is no code: it is tried again until deadline_ns (env_now), and then the
 * code is REQUEST_TIMED_OUT, though what was asked may have been done, or may yet be; a command is
 * to bear being carried twice. After orders_end the code is NOT_CONTROLLER. What the command points
 * to stays until then. */
void orders_give(struct orders *orders, struct order *order, struct controller_command *command,
                 int64_t deadline_ns, order_done *done);
/* Nobody waits for it any more: done will not be called; what was asked may be done all the same.
 * Harmless on one that has ended or is zeroed. */
void orders_cancel(struct order *order);
static inline bool orders_under_way(const struct order *order)
{
    return order->orders != NULL;
}

/* Somebody else may lead (quorum_watch.role_changed): those that wait are tried at once, and those
 * that were asked of another are asked anew. */
void orders_role_changed(struct orders *orders);
/* The quorum or the peers will close: all that is under way ends, each by done, and so does what is
 * given later. Of a node that is its own quorum the quorum's own end does that. */
void orders_end(struct orders *orders);

/* ---- the same as Kafka's bytes; for orders alone and its tests. Pure ---- */

/* The API of that verb; -1: no other node is asked for it. */
int16_t orders_api(enum controller_verb verb);
/* Appends the request's body. ERR_NOMEM; ERR_UNSUPPORTED: that version cannot say it. */
enum err orders_request(const struct controller_command *command, const char *cluster_id,
                        struct mem *mem, int16_t version, struct wire_out *out) MUST_USE;
/* Takes what the answer's body says into the command. ERR_CORRUPT (it is no such answer, or says
 * what cannot be), ERR_NOMEM: then the command's out fields say nothing. */
enum err orders_response(struct controller_command *command, int16_t version, struct bytes body,
                         struct mem *mem) MUST_USE;

#endif
