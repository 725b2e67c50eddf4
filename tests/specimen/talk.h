/* talk.h - how the nodes of the specimen speak: messages of numbers as frames of core/conn, asked
 * over one connection to each peer and answered on those that others made. It knows no register. */
#ifndef SPECIMEN_TALK_H
#define SPECIMEN_TALK_H

#include "conn/conn.h"
#include "world/world.h"

#define TALK_PORT 7000
#define TALK_PEERS_MAX 9
#define TALK_ENTRIES_MAX 16 /* of one message */

enum message_type {
    MESSAGE_VOTE = 1, /* a candidate asks */
    MESSAGE_LEADS,    /* a leader says so */
    MESSAGE_FETCH,    /* a follower asks for what is behind its end */
    MESSAGE_WRITE,    /* a client's */
    MESSAGE_READ,
};

enum message_answer {
    ANSWER_NO, /* of a write: or nobody knows */
    ANSWER_YES,
    ANSWER_DIVERGED, /* of a fetch: the follower's log is another one up to its end */
};

struct entry {
    uint64_t epoch, vid;
};

/* Of a question and of its answer; what does not apply is 0. */
struct message {
    uint64_t type, answer; /* enum message_type, enum message_answer */
    uint64_t from;         /* the number of the node that asks */
    uint64_t epoch, last_epoch, end;
    uint64_t durable;   /* of a fetch: the follower's durable end */
    uint64_t watermark; /* what is committed ends there */
    uint64_t round;     /* of questions whether the leader still leads */
    uint64_t vid, index;
    uint64_t count; /* of entries */
    struct entry entries[TALK_ENTRIES_MAX];
};

#define MESSAGE_WORDS (offsetof(struct message, entries) / sizeof(uint64_t))

struct talk;

/* Somebody's question, until it is answered or lost. */
struct asked {
    struct conn *conn;
    struct conn_request *request;
};

struct talk_link {
    struct talk *talk;
    uint32_t peer;
    char host[WORLD_NAME_MAX];
    bool connecting;
    struct conn conn;
    struct env_op op;
    env_stream stream;
};

/* Embedded in its owner, who sets the calls; asked and asked_lost may be NULL of who does not
 * listen. No call comes from inside of a call to talk but for asked_lost. */
struct talk {
    struct world_seat *seat;
    int64_t patience_ns; /* for an answer; a connection that has none by then is closed */
    void (*asked)(struct talk *talk, struct asked *asked, const struct message *m);
    /* Nobody waits for the answer any more. */
    void (*asked_lost)(struct talk *talk, const struct asked *asked);
    void (*answered)(struct talk *talk, uint32_t peer, const struct message *m);
    /* A question that will have no answer. */
    void (*lost)(struct talk *talk, uint32_t peer);
    struct talk_link links[TALK_PEERS_MAX];
    uint32_t peer_count;
    struct env_op listening, accepting;
    env_listener listener;
    struct env_timer again;
};

/* hosts: the peers' names, by their numbers. */
void talk_init(struct talk *talk, struct world_seat *seat, uint32_t peer_count,
               const char hosts[][WORLD_NAME_MAX]);
/* Serves from now on. */
void talk_listen(struct talk *talk);
/* False: there is no connection; one is being made. */
bool talk_ask(struct talk *talk, uint32_t peer, const struct message *m);
void talk_answer(struct talk *talk, const struct asked *asked, const struct message *m);

#endif
