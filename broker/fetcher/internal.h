/* internal.h - what the files of fetcher share and nobody else sees. */
#ifndef KILN_FETCHER_INTERNAL_H
#define KILN_FETCHER_INTERNAL_H

#include "fetcher/fetcher.h"

#define FETCHER_FETCH 1 /* keys of the two APIs */
#define FETCHER_LIST_OFFSETS 2
#define FETCHER_VERSION_MIN 13 /* of Fetch: topics by their ids (KIP-516) */
/* The first pause where a leader may only not have heard yet that it leads, or has just gone; each
 * further one is twice as long, up to replica.fetch.backoff.ms. */
#define FETCHER_PAUSE_FIRST_MS 10
/* A fetch that has not been answered for so long is parked at the leader. Another one behind it
 * waits in line there; one of kiln's leaders answers the first one for it, and is asked at once. */
#define FETCHER_PARKED_NS ENV_NS_OF_MS(5)
#define FETCHER_REQUESTS_MAX 4   /* of a leader, that have not been answered */
#define FETCHER_REQUESTS_PLAIN 2 /* of one that is not kiln's */

enum followed_state {
    FOLLOWED_RESTING, /* the image or its log must change before there is something to ask */
    FOLLOWED_QUEUED,  /* the next request names it */
    FOLLOWED_ASKED,   /* the leader knows from where on; its answer may come at any moment */
    FOLLOWED_TAKING,  /* an answer is on its way into the log */
    FOLLOWED_SYNCING, /* what was taken does not count yet, or is not even written: to ask for more
                         would say that it is */
    FOLLOWED_FINDING, /* where the leader's log begins and ends is being asked */
    FOLLOWED_DELAYED, /* something went wrong: after a pause */
};

/* A partition that is followed. */
struct followed {
    struct hmap_node node; /* of the set's, by topic id and partition */
    struct list link;      /* in one of its fetcher's lists */
    struct list telling;   /* in its fetcher's, of that name */
    struct fetcher_set *set;
    struct fetcher *fetcher; /* NULL: it is followed no more, and goes when it has been taken */
    struct replica *replica; /* held */
    struct replica_follow_watch watch;
    enum followed_state state; /* moved by fetcher_move alone */
    struct heap_node delayed;
    int64_t due_ns;            /* DELAYED */
    int32_t soon_count;        /* so often in a row for a short time */
    uint64_t sequence;         /* order of delaying */
    uint64_t session;          /* of the fetcher's, in which it is named; 0: none */
    uint64_t number;           /* of the request that named it last */
    uint64_t round;            /* of the fetcher's, in which it was given something last */
    struct replica_ends asked; /* as it was named */
    bool wants;                /* ASKED: for records too, and not only to say how far its disk is */
    bool was_empty;            /* the answer before; for a known bug alone */
    int64_t durable_told;      /* the greatest durable end ever said; likewise */
    bool told;                 /* that it is in trouble */
};

/* A partition that a session has and this broker does not follow there any more. */
struct forgotten {
    struct list link;
    struct wire_uuid topic_id;
    int32_t partition;
};

/* One fetch. */
struct fetcher_request {
    struct peers_request peers;
    struct fetcher *fetcher;
    bool busy;
    bool anew;        /* it begins a session */
    uint64_t number;  /* order of asking */
    uint64_t session; /* of the fetcher's, to which it belongs */
    int64_t sent_ns;
    /* Its answer, which waits for the one before; buf NULL: it is not here yet. */
    struct slice body;
    int16_t version;
};

/* One answer on its way into a log. */
struct fetcher_take {
    struct replica_take take;
    struct fetcher *fetcher;
    struct followed *of; /* NULL: free */
};

/* Who leads some partitions. */
struct fetcher {
    struct list link;
    struct fetcher_set *set;
    int32_t leader;
    int32_t followed_count;
    uint64_t round;        /* counts requests */
    int32_t awaited_count; /* of them, TAKING or SYNCING what this round has brought */
    /* queue: QUEUED. asked: ASKED, those first that were named first. aside: neither, but the
     * session has them. finding: FINDING. */
    struct list queue, asked, aside, finding;
    struct list telling; /* ASKED: its durable end has moved since it was named */
    bool reads_ahead; /* more is asked for before what was taken counts here, and the leader told */
    struct list forgotten; /* struct forgotten */
    int32_t forgotten_count;
    struct heap delayed;
    struct env_timer timer; /* something is due */
    struct env_timer step;  /* the answer goes on, or it goes itself */
    int64_t paused_until_ns;
    int64_t settle_ns;  /* until then those that are awaited are */
    int32_t soon_count; /* pauses in a row that were to be short */
    bool told;          /* that there is no answer */
    /* The session: what the leader calls it, and what it is called here, where each has a number of
     * its own and no request without one has it either. */
    int32_t session_id, session_epoch; /* of the next request; epoch 0: a new one */
    uint64_t session;
    int64_t broker_epoch; /* in which it was begun */
    bool refused;         /* the leader gave none */
    struct fetcher_request requests[FETCHER_REQUESTS_MAX];
    uint64_t number;    /* of the last one */
    struct arena draft; /* of one that is being written */
    /* The answer; answering: not all of it has been taken. */
    bool answering, stepping;
    struct arena arena;
    struct slice body;
    struct wire_fetch_response answer;
    uint64_t answer_number; /* of its request */
    int32_t topic_index, partition_index;
    struct fetcher_take takes[FETCHER_TAKES_MAX];
    int32_t take_count;
    /* Of the first in finding. */
    struct peers_request find;
    struct followed *found_for; /* NULL: nothing is asked, or nobody waits for it any more */
    int64_t find_what;          /* REPLICA_LATEST, then REPLICA_EARLIEST */
};

struct fetcher_set {
    struct env *env;
    struct mem *mem, *held;
    struct peers *peers;
    struct fetcher_settings settings;
    struct fetcher_watch *watch;
    struct hmap map;       /* struct followed */
    struct list fetchers;  /* struct fetcher */
    int32_t fetcher_count; /* of them */
    int32_t leaving_count; /* struct followed in no map, which are still taken */
    uint64_t sequence;     /* of delays */
    struct fetcher_op *closing;
    bool closed;
};

/* fetcher.c */
void fetcher_move(struct followed *p, enum followed_state state);
/* It is to ask, or cannot: by what its log says. */
void fetcher_queue(struct followed *p);
/* It asks again after a pause; soon: which is short at first. */
void fetcher_delay(struct followed *p, bool soon);
struct followed *fetcher_find(const struct fetcher_set *set, const struct wire_uuid *topic_id,
                              int32_t partition);
/* As the image and the session are now. */
void fetcher_look_ahead(struct fetcher *f);
/* Does what is due: asks, or waits for something. The last act of an event. */
void fetcher_go_on(struct fetcher *f);
/* Nothing is asked for a while; soon: which is short at first. */
void fetcher_pause(struct fetcher *f, bool soon);
/* What the leader knows of this broker counts no more: all is named anew. */
void fetcher_begin_anew(struct fetcher *f);
/* One that has left has been taken. */
void fetcher_left(struct followed *p);
/* Something that fetcher_set_close may wait for has ended. */
void fetcher_ended_some(struct fetcher_set *set);
/* Of a leader or a partition, once. */
void fetcher_tell(struct fetcher_set *set, bool *told, const char *format, ...) PRINTF_LIKE(3, 4);

/* ask.c */
void fetcher_ask(struct fetcher *f);
/* The one that was asked first, of those that have not been answered; NULL: none is under way. */
struct fetcher_request *fetcher_first_request(struct fetcher *f);
/* Another one may go behind it. */
bool fetcher_may_double(struct fetcher *f);
void fetcher_request_end(struct fetcher_request *r);

/* answer.c */
void fetcher_answered(struct peers_request *request, int16_t version, struct slice body);
/* The next partitions of the answer. */
void fetcher_take_some(struct fetcher *f);
/* What is left of it is not taken. */
void fetcher_drop_answer(struct fetcher *f);
/* Takes what was found out about a leader's log. False: nothing more can be taken just now. */
bool fetcher_take_place(struct followed *p, int64_t restart_at, int64_t leader_end) MUST_USE;

/* place.c */
/* Where the leader's log begins and ends is asked. */
void fetcher_seek(struct followed *p);
/* The next of those that wait for it. */
void fetcher_seek_on(struct fetcher *f);

#endif
