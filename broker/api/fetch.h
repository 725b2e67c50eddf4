/* fetch.h - one fetch, from its partitions to its answer. Only fetch.c and fetch_answer.c see it.
 */
#ifndef KILN_API_FETCH_H
#define KILN_API_FETCH_H

#include "api/internal.h"

enum phase {
    PHASE_QUEUED,   /* another fetch of its session is under way */
    PHASE_READING,  /* one partition after the other: what is there */
    PHASE_WAITING,  /* that was too little */
    PHASE_ANSWERED, /* nothing wakes it any more */
};

struct fetch {
    struct request request;
    struct wire_fetch_response body;
    struct fetch_session *session; /* held; NULL: none */
    struct fetch_set own;          /* of a fetch without a session */
    struct fetch_item *own_items;
    int32_t own_count;
    struct fetch_set *set;
    struct list queued;        /* in the session's waiting */
    struct fetch_item **items; /* of the set, that this one looks at, in their order */
    int32_t item_count;
    struct replica_read **given; /* what the answer has, in its order */
    int32_t given_count;
    enum phase phase;
    struct env_timer deadline;
    bool incremental;            /* what has not changed is left out of the answer */
    bool superseded;             /* the session's next fetch has come by another connection */
    bool expired, failed, again; /* it reads for the second time */
    bool news;                   /* a follower is to be told of an end that has moved */
    bool known;                  /* at least one of the partitions is */
    bool rest;                   /* there is more than was read: waiting would not bring it */
    int32_t bytes_min, bytes_max;
    int64_t bytes;  /* read */
    uint64_t since; /* bytes that came since, or while it read */
    int32_t part_count;
};

/* Puts into items what is pending. False: no memory. */
bool api_fetch_collect(struct fetch *s) MUST_USE;
/* Topics have ids and no names (KIP-516). */
bool api_fetch_by_id(const struct fetch *s);
/* Who it is, when that is a broker; id -1: a consumer. */
struct replica_follower api_fetch_follower(const struct wire_fetch_request *in);
bool api_fetch_is_unknown(int16_t code);
/* The topic that the item means; NULL: there is none, and *unknown is the code for it. */
const struct metadata_topic *api_fetch_topic(const struct fetch *s, const struct fetch_item *item,
                                             int16_t *unknown);
/* Which replicas a consumer may ask instead of this one, or whether it has to (nearby.c). */
void api_fetch_place(struct fetch *s, struct fetch_item *item);
/* The rows of the answer, and what it gives. False: no memory. */
bool api_fetch_fill(struct fetch *s) MUST_USE;
/* The encoded bytes with the ranges of files in their gaps. False: no memory. */
bool api_fetch_lay_out(struct fetch *s) MUST_USE;

#endif
