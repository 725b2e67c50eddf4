/* api.h - what a broker answers: one file per API, each of which checks, acts and answers. A
 * handler posts an operation to each partition that it needs and joins them; it never assumes where
 * a partition lives. */
#ifndef KILN_API_H
#define KILN_API_H

#include "conn/conn.h"
#include "orders/orders.h"
#include "quorum/quorum.h"
#include "replica/replica.h"
#include "talk/talk.h"

/* Work of one handler before it yields. */
#define API_PARTITIONS_PER_STEP 512
/* Memory that one request may decode to, beside its frame. */
#define API_ARENA_BYTES (64u << 20)
#define API_WAIT_MS_MAX                                                                            \
    (10 * 60 * 1000) /* a fetch or produce waits no longer, whatever it asks                       \
                      */

struct api;

/* ---- who asks ---- */

/* The way by which a client came, and the address at which it finds this broker again. */
struct api_listener {
    const char *name; /* "PLAINTEXT" */
    const char *host;
    uint16_t port;
    enum wire_on on; /* whose it is: an API of others is not served here */
    bool of_brokers; /* other brokers come by it: what a follower says here counts */
};

#define API_ANONYMOUS "User:ANONYMOUS"

/* Who asks. principal and client id together are what a quota counts under (KIP-55). */
struct api_caller {
    const struct api_listener *listener; /* by which he came */
    const char *principal;               /* "User:NAME" */
    struct bytes client_id;              /* as the request says; empty: it says nothing */
};

/* AclOperation's codes (KIP-11). */
enum api_operation {
    API_READ = 3,
    API_WRITE = 4,
    API_CREATE = 5,
    API_DELETE = 6,
    API_ALTER = 7,
    API_DESCRIBE = 8,
    API_CLUSTER_ACTION = 9,
    API_DESCRIBE_CONFIGS = 10,
    API_ALTER_CONFIGS = 11,
    API_IDEMPOTENT_WRITE = 12,
};

/* ResourceType's codes. */
enum api_resource {
    API_TOPIC = 2,
    API_GROUP = 3,
    API_CLUSTER = 4, /* there is one, API_CLUSTER_NAME */
    API_TRANSACTIONAL_ID = 5,
};
#define API_CLUSTER_NAME "kafka-cluster"

/* Who may do what. Pure, and at once: it is asked for each topic of a request. */
struct api_access {
    /* name.data NULL: whether there is any of that kind. */
    bool (*may)(const struct api_access *access, const struct api_caller *caller,
                enum api_operation operation, enum api_resource resource, struct bytes name);
};

/* A key of the broker's file. */
struct api_broker_key {
    const char *name;
    const char *value;    /* NULL: none */
    const char *fallback; /* without the file; NULL: none */
    bool given;           /* in the file, or as an option */
    const char *help;     /* a sentence for a person */
};

/* A voter of the metadata quorum, and where controllers and their clients find it. */
struct api_voter {
    int32_t id;
    struct talk_endpoint at;
};

/* ---- the way to the controller that leads ---- */

#define API_FORWARD_MS_MAX (60 * 1000) /* for what has no timeout of its own, as in Kafka */

enum api_forward_end {
    API_FORWARD_ANSWERED,
    API_FORWARD_HERE,    /* this node leads by now: it decides */
    API_FORWARD_LATE,    /* nobody will say what came of it: it may have been acted on */
    API_FORWARD_REFUSED, /* the controller does not take it from this node */
};

/* A client's request that only the controller decides, on its way there. Embedded in its owner, in
 * place until done or api_forward.cancel. */
struct api_forwarded {
    struct bytes frame;    /* the request as it came, with its header */
    const char *principal; /* whose it is */
    const char *peer;      /* where it came from, as env_accept says it */
    int64_t deadline_ns;   /* its owner cancels it then */
    bool again;            /* it may be sent once more where it may have been acted on */
    void (*done)(struct api_forwarded *op);
    /* out */
    enum api_forward_end end;
    struct bytes answer;     /* with its header, until done returns; strangers wrote it */
    int64_t metadata_offset; /* what it says is in the image of that offset; -1: not known */
    /* The carrier's own. */
    struct list link;
    bool flies, sent;
    int64_t retry_ns;
};

struct api_forward {
    /* Ends with done, and never inside this. */
    void (*send)(struct api_forward *forward, struct api_forwarded *op);
    /* Nobody waits for it any more. Not for one that has ended. */
    void (*cancel)(struct api_forward *forward, struct api_forwarded *op);
};

struct api_settings {
    struct orders *orders;           /* the way to whoever leads the metadata quorum */
    struct api_forward *forward;     /* NULL: nobody else decides */
    const struct api_access *access; /* NULL: everybody may do everything */
    const char *log_dir;
    const struct api_broker_key *broker_keys; /* in the order of metadata_broker_keys */
    const char *cluster_id;
    const struct api_voter *voters; /* all of them; this node alone may be none */
    int32_t voter_count;
    bool auto_create_topics;
    bool selects_by_rack;       /* replica.selector.class: consumers read in their racks */
    int64_t fetch_bytes_max;    /* fetch.max.bytes */
    int64_t fetch_sessions_max; /* max.incremental.fetch.session.cache.slots */
};

/* ERR_NOMEM. All that is passed in outlives it. notes may be NULL. */
enum err api_new(struct api **out, struct env *env, struct mem *mem, struct trace *trace,
                 struct notes *notes, struct quorum *quorum, struct replica_set *replicas,
                 const struct api_settings *settings) MUST_USE;
/* Others vote, or are found elsewhere (api_settings.voters). Borrowed for good. */
void api_take_voters(struct api *api, const struct api_voter *voters, int32_t count);
/* A frame came (conn_owner.request) from that caller; it is copied, and what it points to outlives
 * the connection. It is answered with conn_answer, now or later; a frame that breaks the protocol
 * closes the connection. */
void api_request(struct api *api, const struct api_caller *caller, struct conn *conn,
                 struct conn_request *request, struct slice frame);
/* A frame of that size is none, and conn is about to be closed (conn_owner.refused). */
void api_refuse_frame(struct api *api, struct conn *conn, enum conn_refusal why, int32_t size);
/* Nobody waits for the answer any more (conn_owner.cancel). What was begun runs to its end. */
void api_cancel(struct api *api, struct conn_request *request);

struct api_idle {
    void (*idle)(struct api_idle *idle);
};
/* Ends every wait, answers what can be, and calls idle once when no request is left, perhaps before
 * this returns. Requests that come later are refused. */
void api_stop(struct api *api, struct api_idle *idle);
/* No request may be left. */
void api_free(struct api *api);

#endif
