/* loop.h - the client over the door: connections, their back-off and their versions, timers. It
 * drives client/core and adds no decision of its own but when to connect. The simulator's clients,
 * the command line and client/posix are this. */
#ifndef KILN_CLIENT_LOOP_H
#define KILN_CLIENT_LOOP_H

#include "client/core/core.h"
#include "conn/conn.h"

/* Operations are structs embedded in their owners, as at the door: zero one, fill what is "in" of
 * it, start it, and it ends exactly once by a call of done, as an event of its own, never inside
 * the call that started it. Until then the owner keeps it, and what it points to, in place. done
 * may start the same operation again. */

/* One record. Its topic, key, value and so on are `send`'s; send.op.outcome says how it ended. */
struct loop_send {
    struct client_send send;
    void (*done)(struct loop_send *op);
};

struct loop_flush {
    struct client_flush flush;
    void (*done)(struct loop_flush *op);
};

struct loop_poll {
    struct client_poll poll;
    void (*done)(struct loop_poll *op);
};

struct loop_offsets {
    struct client_offsets offsets;
    void (*done)(struct loop_offsets *op);
};

struct loop_topics {
    struct client_topics topics;
    void (*done)(struct loop_topics *op);
};

struct loop_create_topic {
    struct client_create_topic create;
    void (*done)(struct loop_create_topic *op);
};

struct loop_change_topic {
    struct client_change_topic change;
    void (*done)(struct loop_change_topic *op);
};

struct loop_trim {
    struct client_trim trim;
    void (*done)(struct loop_trim *op);
};

struct loop_configs {
    struct client_configs configs;
    void (*done)(struct loop_configs *op);
};

struct loop_cluster {
    struct client_cluster cluster;
    void (*done)(struct loop_cluster *op);
};

struct loop_quorum {
    struct client_quorum quorum;
    void (*done)(struct loop_quorum *op);
};

struct loop_elect {
    struct client_elect elect;
    void (*done)(struct loop_elect *op);
};

struct loop_unregister {
    struct client_unregister unregister;
    void (*done)(struct loop_unregister *op);
};

struct loop_features {
    struct client_features features;
    void (*done)(struct loop_features *op);
};

struct loop_update_features {
    struct client_update_features update;
    void (*done)(struct loop_update_features *op);
};

struct loop_dirs {
    struct client_dirs dirs;
    void (*done)(struct loop_dirs *op);
};

struct loop_close {
    void (*done)(struct loop_close *op);
};

/* Zeroed by its owner, in place from loop_start until loop_close is done. */
struct loop_client {
    /* Before loop_start: what the bytes of its connections pass through; NULL: nothing. */
    const struct conn_filtering *filtering;
    /* Everything below is the loop's own. */
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct client *core;
    struct list links;     /* connections, struct link */
    struct list lost;      /* requests that connections took with them, struct loop_request */
    struct list done;      /* operations that have ended and whose owners are not told yet */
    struct env_timer wake; /* the machine's next deadline, a back-off, or done at once */
    int64_t core_wake_ns, links_wake_ns;
    uint32_t tended; /* client_wishes, when links were looked at */
    struct loop_close *closing;
    bool stepping;
    bool links_moved; /* since links_wake_ns was told */
};

/* Nothing is connected until something is asked for. config is copied. ERR_NOMEM; ERR_INVALID, with
 * a message that names the keys. */
enum err loop_start(struct loop_client *c, struct env *env, struct mem *mem, struct trace *trace,
                    const struct client_config *config, struct errmsg *msg) MUST_USE;
/* client_producer_begin. */
void loop_producer_begin(struct loop_client *c, int16_t epoch, int32_t sequence);

void loop_send(struct loop_client *c, struct loop_send *op);
void loop_flush(struct loop_client *c, struct loop_flush *op);
/* At most one at a time. */
void loop_poll(struct loop_client *c, struct loop_poll *op);
void loop_offsets(struct loop_client *c, struct loop_offsets *op);
void loop_topics(struct loop_client *c, struct loop_topics *op);
void loop_create_topic(struct loop_client *c, struct loop_create_topic *op);
/* kind: CLIENT_DELETE_TOPIC, CLIENT_ADD_PARTITIONS or CLIENT_ALTER_CONFIGS. */
void loop_change_topic(struct loop_client *c, struct loop_change_topic *op,
                       enum client_op_kind kind);
void loop_trim(struct loop_client *c, struct loop_trim *op);
void loop_configs(struct loop_client *c, struct loop_configs *op);
void loop_cluster(struct loop_client *c, struct loop_cluster *op);
void loop_quorum(struct loop_client *c, struct loop_quorum *op);
void loop_dirs(struct loop_client *c, struct loop_dirs *op);
/* CLIENT_PARTITIONS: of one topic, whose name is given. */
void loop_partitions(struct loop_client *c, struct loop_topics *op);
void loop_elect(struct loop_client *c, struct loop_elect *op);
void loop_unregister(struct loop_client *c, struct loop_unregister *op);
void loop_features(struct loop_client *c, struct loop_features *op);
void loop_update_features(struct loop_client *c, struct loop_update_features *op);

/* Begins to read the partition, or seeks when it is assigned already. a->position and the ends of
 * the log that the last fetch told may be read at any time. */
void loop_assign(struct loop_client *c, struct client_assignment *a);
/* Nothing of it is used any more when this returns; records that a poll lent out from it are gone.
 */
void loop_unassign(struct loop_client *c, struct client_assignment *a);

/* Ends every operation (records that were sent and not answered: UNKNOWN), closes the connections
 * and lets go of all memory. Flush first to lose nothing. */
void loop_close(struct loop_client *c, struct loop_close *op);

#endif
