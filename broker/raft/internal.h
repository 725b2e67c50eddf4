/* internal.h - what the files of raft share and nobody else sees. */
#ifndef KILN_RAFT_INTERNAL_H
#define KILN_RAFT_INTERNAL_H

#include "raft/raft.h"

#define NEVER INT64_MAX

enum raft_ballot {
    BALLOT_NONE,
    BALLOT_GRANTED,
    BALLOT_REJECTED,
};

/* What is known of a voter. What stands below valid says when. */
struct raft_peer {
    struct raft_key key;
    uint64_t number; /* of the request that has no response yet; 0: none. Not of a fetch */
    int64_t due_ns;  /* when the next one may leave */
    /* prospective, candidate */
    enum raft_ballot ballot;
    /* leader */
    int64_t end;        /* its log is durable up to there; -1: it has not fetched in this epoch */
    int64_t fetched_ns; /* when it did last, or when this node began to lead */
    /* resigned */
    bool told;
    /* abstaining */
    bool heard; /* its epoch, since this life began */
};

/* The one request for the log, or for a piece of a snapshot, that is on its way. */
struct raft_fetching {
    uint64_t number;   /* 0: none */
    int64_t due_ns;    /* when the next one may leave */
    int32_t bootstrap; /* which address is asked next */
};

/* A snapshot that is being fetched; offset -1: none is. */
struct raft_install {
    struct raft_snapshot_id id;
    int64_t position, size; /* stored so far; of the whole, -1: not known yet */
    uint64_t storing;       /* the response whose piece is being stored; 0: none */
    int64_t piece;          /* its bytes */
};

struct raft {
    struct mem *mem;
    struct raft_settings settings;
    int64_t now_ns;
    uint64_t chance;
    uint64_t number; /* of the last request */
    bool saving;     /* nothing but RAFT_SAVED is stepped */
    bool save;       /* the step that runs has changed the state */
    bool abstains;
    const char *stop;
    struct raft_state state;
    /* The log, once all effects are done. */
    int64_t start, end;
    int32_t start_epoch; /* of the record before start */
    int64_t synced;      /* up to there it is durable, of this generation */
    uint64_t generation;
    int32_t undone; /* truncations and resets that are not durable yet */
    struct format_epochs epochs;
    struct raft_snapshot_id snapshot;
    struct raft_voter_set sets[RAFT_VOTER_SETS_MAX]; /* in force: the last */
    int32_t set_count;
    int64_t high_watermark;   /* -1: not known */
    int64_t leader_watermark; /* follower: what its leader said last */
    /* The role. */
    enum raft_role role;
    int64_t timer_ns; /* unattached, prospective, candidate, follower, resigned */
    bool lost;    /* candidate: others did not vote for it, and it waits before it tries again */
    bool fetched; /* follower: from its leader, in this epoch */
    bool ended;   /* follower, prospective: its leader has said that it leads no longer */
    int64_t epoch_start;                     /* leader: where its log ended when it began to lead */
    struct raft_voters successors;           /* resigned: who knew most when it still led */
    struct raft_peer peers[RAFT_VOTERS_MAX]; /* of the voters in force, in their order */
    struct raft_fetching fetching;
    struct raft_install install;
};

extern const struct raft_install raft_no_install;

/* raft.c: chance and time */
int64_t raft_draw(struct raft *r, int64_t low, int64_t high);
/* An answer to the event, when it asks for one. */
void raft_answer(const struct raft *r, struct raft_effects *out, int16_t code);
/* Another request to that voter, or address; it will be in the effects. */
struct raft_request *raft_ask(struct raft *r, struct raft_effects *out, enum raft_api api);

/* voters.c */
struct raft_peer *raft_peer_of(struct raft *r, const struct raft_key *key);
struct raft_peer *raft_peer_asked(struct raft *r, uint64_t number);
/* It votes; or it did, and that it does no longer is not known to be committed. Then it may be the
 * only one that can be elected to commit that (Raft, 4.2.2), though its own vote does not count. */
bool raft_may_stand(const struct raft *r);
/* Somebody else votes. */
bool raft_has_others(const struct raft *r);
bool raft_is_self(const struct raft *r, const struct raft_peer *peer);
int32_t raft_majority(const struct raft *r);
/* The batch at offset says who votes from now on. False: too many such changes wait. */
bool raft_voters_appended(struct raft *r, int64_t offset, const struct raft_voters *voters);
/* What stands at offset or behind it has never been. */
void raft_voters_cut(struct raft *r, int64_t offset);
/* A snapshot stands for all before offset. voters: NULL: as they are. */
void raft_voters_reset(struct raft *r, int64_t offset, const struct raft_voters *voters);
/* What stands below offset is committed. */
void raft_voters_committed(struct raft *r, int64_t offset);

/* role.c: the only places where role and state change */
/* When it is tired of waiting for a leader, if one is set now: at once where nobody else votes. */
int64_t raft_election_timeout(struct raft *r);
void raft_unattached(struct raft *r, int32_t epoch);
void raft_follow(struct raft *r, int32_t epoch, int32_t leader_id);
void raft_prospect(struct raft *r);
/* As a prospective: whom it knew to lead is asked again, or it waits for an epoch. */
void raft_give_up(struct raft *r);
void raft_stand(struct raft *r); /* as a candidate */
void raft_lead(struct raft *r, struct raft_effects *out);
void raft_step_down(struct raft *r); /* from leading, in the same epoch */
void raft_vote_for(struct raft *r, const struct raft_key *key);
/* That epoch and leader (RAFT_NOBODY: not known) are heard of, and are not behind its own (K-4).
 * True when something changed. */
bool raft_adopt(struct raft *r, int32_t epoch, int32_t leader_id);

/* election.c */
/* It follows a leader that answers it, or is one that is heard. */
bool raft_has_living_leader(const struct raft *r);
int32_t raft_last_epoch(const struct raft *r);
void raft_on_vote(struct raft *r, const struct raft_request *request, struct raft_effects *out);
void raft_on_ballot(struct raft *r, struct raft_peer *peer, const struct raft_response *response);
/* What the votes so far amount to. */
void raft_count_votes(struct raft *r, struct raft_effects *out);
void raft_on_probe(struct raft *r, struct raft_peer *peer, const struct raft_response *response);

/* lead.c */
void raft_on_fetch(struct raft *r, const struct raft_request *request, struct raft_effects *out);
void raft_on_fetch_snapshot(struct raft *r, const struct raft_request *request,
                            struct raft_effects *out);
void raft_on_append(struct raft *r, const struct raft_event *event, struct raft_effects *out);
void raft_commit(struct raft *r, struct raft_effects *out);
/* When fewer than a majority will have fetched for too long; NEVER: not while it leads alone. */
int64_t raft_quorum_deadline(const struct raft *r);
/* Who should lead next: those that know most. */
void raft_successors(const struct raft *r, struct raft_voters *out);

/* follow.c */
void raft_on_begin(struct raft *r, const struct raft_request *request, struct raft_effects *out);
void raft_on_end(struct raft *r, const struct raft_request *request, struct raft_effects *out);
void raft_on_fetched(struct raft *r, const struct raft_response *response,
                     struct raft_effects *out);
void raft_on_piece(struct raft *r, const struct raft_response *response, struct raft_effects *out);
void raft_on_stored(struct raft *r, const struct raft_event *event, struct raft_effects *out);
/* It is to fetch, and what it has is durable. */
bool raft_may_fetch(const struct raft *r);
void raft_fetch(struct raft *r, struct raft_effects *out);
void raft_follower_watermark(struct raft *r, struct raft_effects *out);

/* send.c: the requests that are due */
void raft_send_due(struct raft *r, struct raft_effects *out);
int64_t raft_deadline(const struct raft *r);

/* check.c: what holds between two steps */
void raft_check(const struct raft *r);

#endif
