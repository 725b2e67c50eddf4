/* internal.h - what the files of replica share and nobody else sees. */
#ifndef KILN_REPLICA_INTERNAL_H
#define KILN_REPLICA_INTERNAL_H

#include "replica/replica.h"

enum role {
    ROLE_CLOSED,   /* no log is open; a failed opening ends here */
    ROLE_OPENING,  /* replica_open is under way */
    ROLE_LEADER,   /* takes records and serves them */
    ROLE_FOLLOWER, /* takes what its leader has */
    ROLE_OFFLINE,  /* the log failed: what it holds is served, nothing is taken */
    ROLE_RESIGNED,
    ROLE_CLOSING,
    ROLE_DELETING, /* its topic is no more: its directory goes */
    ROLE_DELETED,
};

/* What a leader knows of another replica. */
struct remote {
    int32_t id;    /* of its broker */
    bool in_sync;  /* committed */
    bool proposed; /* would be; where nothing is proposed, of none */
    bool known;    /* it has fetched in this leader epoch */
    bool refused;  /* by the controller, since it last had all that counted */
    /* Of its last fetch: what counts of its log, which begins there, in which life of its broker.
     * -1: not known. */
    int64_t end, log_start, broker_epoch;
    /* What counted here at an earlier fetch, and when that was: the first after it had reached what
     * stood here before. With a fetch that reads ahead of its disk a later one says nothing yet. */
    int64_t leader_end, fetched_ns;
    int64_t caught_up_ns; /* the last moment of which it is known that it had all that counted */
};

enum change {
    CHANGE_SETTLED, /* in_sync is what metadata say */
    CHANGE_ASKED,   /* the owner of the set has the proposal */
    CHANGE_OPEN,    /* it may have been done: metadata will tell */
};

/* Of a partition that is led here and has other replicas. */
struct isr {
    struct list shared; /* in the set's */
    struct replica *replica;
    enum change change;
    struct replica_proposal *proposal; /* that has not ended; it may be void */
    struct list trims;                 /* struct replica_trim: that wait for followers */
    int64_t counting_end, written_end; /* of the own log, as they were seen last */
    int32_t in_sync_count;             /* this one among them */
    int32_t remote_count;
    struct remote remotes[];
};

struct replica {
    struct hmap_node node;
    struct replica_set *set;
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    char *topic;
    struct wire_uuid topic_id;
    int32_t partition;
    struct replica_config config;
    enum role role; /* moved by replica_move alone */
    enum err error; /* why it does not lead */
    struct log *log;
    struct log_watch watch;
    struct log_birth birth;
    struct replica_op *op;      /* of opening, closing or removing */
    struct replica_op *removal; /* that waits for the end of an opening */
    struct log_set *logs;
    uint64_t trace_id, topic_trace; /* as rows call it */
    int32_t leader_epoch, partition_epoch;
    struct replica_epochs next; /* in which it is to lead: being noted, or that has to wait */
    bool holds, noting;         /* no records are taken; the epoch is being noted */
    bool shared;                /* others have a replica of it, too */
    struct isr *isr;      /* while it leads; NULL: it is alone, or there was no memory for it */
    struct isr *isr_next; /* likewise, of the epoch in which it is to lead */
    struct replica_take *take;                 /* under way; NULL: none */
    struct replica_follow_watch *follow_watch; /* NULL: nobody asks for it */
    int64_t leader_high_watermark;             /* a follower's: as it was told last; -1: not yet */
    bool full; /* the disk had no room for the epoch, and was told to be full */
    struct dir *dir;
    int64_t high_watermark;
    int64_t epoch_start;  /* log end offset when this epoch began (P-1) */
    struct list checking; /* struct replica_produce whose batches the log is looking at */
    struct list written;  /* acks=0, 1: struct replica_produce, by last offset */
    struct list counted;  /* acks=all */
    struct list fetches;  /* struct replica_fetch */
    int32_t reader_count; /* of them, that hold something of the log */
    int32_t holders;      /* replica_hold */
    bool gone;            /* it is in no set: the last of them frees it */
    bool deleted;         /* its topic is no more */
    bool tried;           /* to open it, once */
    bool lacks;           /* what an earlier life had acknowledged, and nobody was told */
};

void replica_move(struct replica *r, enum role role);
/* The log's ends have moved, or it went offline. */
void replica_moved(struct log_watch *watch, enum err e);
/* isr.c */
/* The written end has moved, and what counts has not. */
void replica_written(struct log_watch *watch);
/* Of an image: what replica_isr_begin will go by. ERR_NOMEM: nothing of it counts. */
enum err replica_isr_take(struct replica *r, const struct replica_epochs *epochs) MUST_USE;
void replica_isr_forget(struct replica *r);
/* It leads by what was taken from now on: in a new leader epoch, or in the same one. */
void replica_isr_begin(struct replica *r, bool is_new_epoch);
/* It leads no more. Who waits for a trim has been answered. Harmless on one that is alone. */
void replica_isr_end(struct replica *r);
/* To the trace: whom it goes by. It has an isr. */
void replica_isr_tell(const struct replica *r);
/* The ends of the own log have moved. It has an isr. */
void replica_isr_moved(struct replica *r);
/* A follower has asked, and what it asked for is in this log. */
void replica_isr_heard(struct replica *r, const struct replica_fetch *f);
/* Whether who asks is a follower: 0, or Kafka's code. */
int16_t replica_isr_check(const struct replica *r, const struct replica_fetch *f);
/* P-8. It has an isr. */
int64_t replica_isr_watermark(const struct replica *r);
/* The least log start of the replicas that live. */
int64_t replica_low_watermark(const struct replica *r);
/* Of one that leads. maximal: with those that may be in sync already (P-6). */
int32_t replica_in_sync_count(const struct replica *r);
int32_t replica_maximal_count(const struct replica *r);
int32_t replica_min_in_sync(const struct replica *r);
/* A leader's high watermark, by all that it knows; who waits for it is answered. Harmless on one
 * that does not lead. */
void replica_lead_high_watermark(struct replica *r);
/* Answers the trims for which followers have come far enough. It has an isr. */
void replica_trims_advance(struct replica *r);
void replica_trims_fail(struct replica *r, int16_t code);
/* Answers everything that waits with that code. */
void replica_produce_fail_all(struct replica *r, int16_t code);
/* Answers what the ends now allow. */
void replica_produce_advance(struct replica *r);
/* What stands at or above end was taken back. */
void replica_produce_cut(struct replica *r, int64_t end);
/* Leads, when it is to and may: nothing is under way. */
void replica_lead_on(struct replica *r);
/* A follower's high watermark: as far as it was told, and as its own log counts. */
void replica_follow_high_watermark(struct replica *r);
/* Tells who asks its leader. */
void replica_follow_moved(struct replica *r);
/* Moves it on, and tells the log and the trace; true: it has moved. */
bool replica_raise_high_watermark(struct replica *r, int64_t to);
void replica_wake_all(struct replica *r);
/* They may read what is written, and consumers may not yet. */
void replica_wake_followers(struct replica *r);
/* A code of Kafka for how an operation of the log ended. */
int16_t replica_code_of(enum err e);
/* replica_check, but an offline log still serves what it holds (S-5 stops writes, not reads). */
int16_t replica_check_readable(const struct replica *r, int32_t leader_epoch);
/* The same, but one that follows serves, too. */
int16_t replica_check_follower(const struct replica *r, int32_t leader_epoch);
/* Whom of f's nearby its asker is to ask instead of this leader (V-1); -1: nobody. */
int32_t replica_isr_nearby(const struct replica *r, const struct replica_fetch *f);
/* Nobody reads any more. */
void replica_read_last(struct replica *r);

#endif
