/* raft.h - who leads a replicated log, and up to where it is committed: KRaft (KIP-595, 853, 996,
 * 630) as a value that is stepped by events and answers with effects. Pure: it knows the shape of
 * the log (start, end, what is on disk, leader epochs, voters), never its bytes; it asks nobody for
 * the time, and whoever carries it does what the effects say.
 *
 * The contract of the carrier:
 * - Effects are done in the order of their fields. When save is set, nothing that stands behind it
 *   is done before the state is durable, and no event is stepped meanwhile but RAFT_SAVED (K-1).
 * - What is done to the log is done in the order of the steps. A truncation and a reset end with
 *   RAFT_LOG_DONE, appends and syncs are told by RAFT_SYNCED, both with the generation of the
 *   effects: what was synced before a truncation says nothing of what came after it (E-5).
 * - What a fetch brings is durable at the leader that gives it: who votes alone leads on in its
 * epoch when its disk takes newer records back (RAFT_CUT), and observers may have fetched from it.
 * - Every request that it sends ends with exactly one RAFT_RESPONSE or RAFT_LOST.
 * - It steps RAFT_TICK when deadline_ns has come.
 */
#ifndef KILN_RAFT_H
#define KILN_RAFT_H

#include "format/format.h"

#define RAFT_VOTERS_MAX 15
/* Sets of voters of which it is not known that they are committed, and the one before them. */
#define RAFT_VOTER_SETS_MAX 16
#define RAFT_BATCHES_MAX                                                                           \
    256 /* of one answer to a fetch; what is behind them is asked for again                        \
         */
#define RAFT_MESSAGES_MAX (RAFT_VOTERS_MAX + 1)
#define RAFT_NOBODY (-1)     /* as the id of a node */
#define RAFT_FIRST_RECORDS 3 /* LeaderChange, KRaftVersion, Voters */

/* Who a voter is (KIP-853): a node whose disk was lost is another one. Where directories are not
 * known (kraft.version 0) they are zero, and equal. */
struct raft_key {
    int32_t id;
    struct wire_uuid directory;
};

struct raft_voters {
    struct raft_key keys[RAFT_VOTERS_MAX];
    int32_t count;
};

/* From which offset on who votes: the batch that says so begins there. -1: it is no record, and
 * then nobody may be known to vote: a node that was told of no voters observes. */
struct raft_voter_set {
    int64_t offset;
    struct raft_voters voters;
};

/* What quorum-state holds (K-1). */
struct raft_state {
    int32_t epoch;
    int32_t leader_id;     /* RAFT_NOBODY: not known */
    struct raft_key voted; /* id RAFT_NOBODY: nobody in this epoch */
};

/* A snapshot stands for all before that offset; the last of it has that epoch. offset -1: none. */
struct raft_snapshot_id {
    int64_t offset;
    int32_t epoch;
};

struct raft_settings {
    struct raft_key self;
    /* kraft.version 1: who votes stands in the log. The first leader writes it there, behind its
     * LeaderChange, where only the configuration says it so far (a set of offset -1). */
    bool writes_voters;
    int32_t bootstrap_count;     /* addresses at which somebody may know the leader */
    int64_t election_timeout_ns; /* controller.quorum.election.timeout.ms; drawn up to twice it, and
                                    up to half of it where nothing was ever written */
    int64_t election_backoff_ns; /* controller.quorum.election.backoff.max.ms */
    int64_t fetch_timeout_ns;    /* controller.quorum.fetch.timeout.ms */
    int64_t retry_backoff_ns;    /* controller.quorum.retry.backoff.ms */
};

/* What is found when a life begins. Borrowed until raft_open returns. */
struct raft_start {
    int64_t now_ns;
    uint64_t chance;
    /* NULL: quorum-state is missing or cannot be read. Beside an empty log that is a new node;
     * beside any other its vote is lost, and it abstains until it knows that no vote of its own can
     * count any more. So it does when the state is older than the log. */
    const struct raft_state *state;
    bool vote_lost; /* there was a state once, whatever the log holds: it is no new node */
    int64_t log_start, log_end; /* all of it is durable */
    int32_t log_start_epoch;    /* of the record before log_start; 0 when it begins at 0 */
    const struct format_epochs *epochs;
    struct raft_snapshot_id snapshot; /* the newest */
    int64_t high_watermark; /* known to be committed: of the snapshot, or its checkpoint */
    /* In ascending order of their offsets; the first is that of the snapshot, or of the
     * configuration (-1). At least one. */
    const struct raft_voter_set *voter_sets;
    int32_t voter_set_count;
};

/* K-2. */
enum raft_role {
    RAFT_UNATTACHED,  /* knows no leader of its epoch; may have voted */
    RAFT_PROSPECTIVE, /* asks whether it would be elected (KIP-996) */
    RAFT_CANDIDATE,   /* voted for itself, and asks for the votes of others */
    RAFT_LEADER,
    RAFT_FOLLOWER, /* knows its leader; an observer has no other roles than this and unattached */
    RAFT_RESIGNED, /* was the leader of its epoch, and may not be again */
    RAFT_ROLE_COUNT,
};

/* ---- what is said between nodes ---- */

enum raft_api {
    RAFT_VOTE,
    RAFT_BEGIN_EPOCH, /* BeginQuorumEpoch */
    RAFT_END_EPOCH,   /* EndQuorumEpoch */
    RAFT_FETCH,
    RAFT_FETCH_SNAPSHOT,
    RAFT_API_COUNT,
};

/* Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot (protocol.md 6.4), as far as
 * they are not bytes. Fields that an API does not have are 0. */
struct raft_request {
    enum raft_api api;
    uint64_t number;   /* of its sender's; a response names it */
    int32_t bootstrap; /* to be sent to that address; -1: to the voter `to` */
    struct raft_key from, to;
    int32_t epoch; /* of the sender */
    bool pre_vote;
    int32_t last_epoch; /* VOTE, FETCH: of the sender's last record */
    int64_t end;        /* VOTE: its log's end; FETCH: where to read from, all before it durable */
    struct raft_snapshot_id snapshot;
    int64_t position;              /* FETCH_SNAPSHOT: in its file */
    struct raft_voters successors; /* END_EPOCH: who should lead next, best first */
};

/* A piece of the log that was fetched: one batch, or several of one epoch. */
struct raft_batch {
    int64_t first, end; /* offsets */
    int32_t epoch;
    const struct raft_voters *voters; /* the batch holds a VotersRecord: these; else NULL */
};

enum raft_fetched {
    RAFT_FETCHED_RECORDS, /* perhaps none */
    RAFT_FETCHED_DIVERGING,
    RAFT_FETCHED_SNAPSHOT,
};

struct raft_response {
    enum raft_api api;
    uint64_t number;
    int32_t from_id;
    int16_t code; /* Kafka's */
    int32_t epoch, leader_id;
    bool granted;              /* VOTE */
    enum raft_fetched fetched; /* FETCH */
    int64_t high_watermark;
    int32_t diverging_epoch;
    int64_t diverging_end;
    struct raft_snapshot_id snapshot; /* FETCH: to be fetched; FETCH_SNAPSHOT: that it is of */
    const struct raft_batch *batches; /* FETCH; borrowed */
    int32_t batch_count;
    int64_t position, bytes, size; /* FETCH_SNAPSHOT: this piece, and the whole file */
    int64_t first, count;          /* of RAFT_APPEND: its records */
};

/* ---- events ---- */

enum raft_event_type {
    RAFT_TICK,     /* time has passed */
    RAFT_SAVED,    /* the state of the last effects is durable */
    RAFT_REQUEST,  /* of another node: the effects have the answer */
    RAFT_RESPONSE, /* to a request of this node */
    RAFT_LOST,     /* a request of this node will have no response */
    RAFT_APPEND,   /* the state machine of a leader has records (K-17) */
    RAFT_SYNCED,   /* the log is durable up to there */
    RAFT_LOG_DONE, /* a truncation or a reset is durable, and so is the log up to there */
    RAFT_STORED,   /* a piece of a snapshot that is fetched is stored; or could not be */
    RAFT_CUT,      /* what a leader appended from there on, and had not synced, was taken back and
                      is in no log of this node. Where some of it is committed
                      (by others alone: KAFKA-16530) the life ends instead */
    RAFT_SNAPSHOT, /* there is a newer snapshot; the log may begin later */
    RAFT_RESIGN,   /* it is to lead no more: it stops, or its disk hangs */
    RAFT_EVENT_COUNT,
};

struct raft_event {
    enum raft_event_type type;
    int64_t now_ns;  /* never less than before */
    uint64_t chance; /* 64 random bits, new ones for each event */
    union {
        struct raft_request request;
        struct raft_response response;
        struct {
            enum raft_api api;
            uint64_t number;
            bool refused; /* nobody listens where it was to go */
        } lost;
        struct {
            int32_t epoch; /* that the records were made in */
            int32_t count;
            const struct raft_voters *voters; /* one of them is a VotersRecord; else NULL */
        } append;
        struct {
            int64_t end;
            uint64_t generation;
        } synced;
        struct {
            int64_t end;
        } cut;
        struct {
            uint64_t number;  /* of the response that brought it */
            int64_t position; /* how much is stored now; -1: the disk refused */
            bool whole;       /* that is all of it, and it is durable */
            /* What the whole says of the voters; NULL: nothing, they are as they were. */
            const struct raft_voters *voters;
        } stored;
        struct {
            struct raft_snapshot_id id;
            int64_t log_start;
            int32_t log_start_epoch; /* of the record before it */
        } snapshot;
    };
};

/* ---- effects ---- */

enum raft_log_effect {
    RAFT_LOG_NONE,
    RAFT_LOG_LEADER_CHANGE, /* append a LeaderChange batch, at log_offset in this epoch (K-7):
                               one record, or where log_count is RAFT_FIRST_RECORDS the voters,
                               too (KRaftVersion and Voters behind it) */
    RAFT_LOG_APPEND,        /* append what the event brought: records of the state machine at
                               log_offset; or the first log_count batches that were fetched */
    RAFT_LOG_TRUNCATE,      /* to log_offset */
    RAFT_LOG_RESET, /* to nothing, from log_offset on: a snapshot stands for what was before */
};

struct raft_effects {
    /* The role, the epoch or the leader changed: who parks fetches or applies records as a leader
     * hears of it at once, also while the state is being saved. */
    bool role_changed;
    bool save; /* raft_state() is to be made durable before anything that follows */
    enum raft_log_effect log;
    int64_t log_offset;
    int32_t log_count;
    uint64_t log_generation;
    bool store; /* the piece of a snapshot that the event brought is to be stored at its position */
    bool moved; /* the high watermark: what is below it may be applied, what waited answered */
    /* To the request, or to who would append: 0 and its offset, or Kafka's code. */
    bool answered;
    struct raft_response answer;
    int32_t message_count;
    struct raft_request messages[RAFT_MESSAGES_MAX];
    /* It would have to give up what is committed: it takes no part any more, and a person must look
     * (K-11, KAFKA-12460). A sentence. */
    const char *stop;
    int64_t deadline_ns; /* INT64_MAX: nothing is due */
};

struct raft;

/* ERR_NOMEM. Nothing is sent before the first step: the carrier steps RAFT_TICK at once. */
enum err raft_open(struct raft **out, struct mem *mem, const struct raft_settings *settings,
                   const struct raft_start *start) MUST_USE;
void raft_free(struct raft *r);

/* Steps by one event. What the event points to is borrowed until return; what out points to stays
 * until the next step. ERR_NOMEM, of RAFT_TICK, RAFT_SAVED, RAFT_RESPONSE and RAFT_CUT: nothing has
 * changed, out is empty; step it again later. */
enum err raft_step(struct raft *r, const struct raft_event *event,
                   struct raft_effects *out) MUST_USE;

enum raft_role raft_role(const struct raft *r);
const char *raft_role_name(enum raft_role role);
const struct raft_state *raft_state(const struct raft *r);
/* The high watermark; -1: not known yet. */
int64_t raft_high_watermark(const struct raft *r);
/* It leads, and has committed in its epoch: what it applies up to there is all that was ever
 * committed. */
bool raft_leads(const struct raft *r);
/* Where the log ends once all effects are done. */
int64_t raft_end(const struct raft *r);
/* Who votes now: the last record that was appended counts, whether it is committed or not (K-16).
 */
const struct raft_voters *raft_voters(const struct raft *r);
/* The sets that are known, in ascending order; in force is the last. */
const struct raft_voter_set *raft_voter_sets(const struct raft *r, int32_t *count);
bool raft_is_voter(const struct raft *r);
/* Whether its vote was lost and it gives none. */
bool raft_abstains(const struct raft *r);
/* What a leader knows of a voter: where its log ends durably; -1: nothing yet. */
int64_t raft_voter_end(const struct raft *r, int32_t voter_index);
/* It has resigned, and fewer voters than could elect another leader have heard of it. */
bool raft_hands_over(const struct raft *r);
/* Where one of them does not say its directory they are equal. */
bool raft_key_equal(const struct raft_key *a, const struct raft_key *b);
/* Whether that is the replica of a voter (VoterSet.isVoter): one whose directory is known is no
 * other directory, nor one that does not say which it is. */
bool raft_key_votes(const struct raft_key *voter, const struct raft_key *replica);

#endif
