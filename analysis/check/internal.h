/* internal.h - what the files of this folder share: the state of the checks, which of them are told
 * of which rows, and how a finding is noted. */
#ifndef KILN_CHECK_INTERNAL_H
#define KILN_CHECK_INTERNAL_H

#include "check/check.h"
#include "check/tables.h"

/* ---- what a check is ---- */

/* It is told of the rows that it asks for and of no others, in the order in which they happened,
 * and behind the rules that stand before it: what owns a table moves it before others look at it.
 */
struct check_rule {
    const char *name;
    const enum trace_kind *kinds;
    int kind_count;
    void (*on_row)(struct check *c, const struct trace_row *row);
    void (*on_end)(struct check *c); /* NULL: the end shows it nothing */
    const char *memory;              /* what bounds what it keeps */
};

/* cluster.c owns hosts and topics, replicas.c replicas, canon.c the canonical logs, records.c what
 * clients sent, were told and read, members.c what the metadata log says of brokers and
 * partitions. */
extern const struct check_rule check_rule_cluster, check_rule_replicas, check_rule_disk,
    check_rule_senders, check_rule_canon, check_rule_service, check_rule_records,
    check_rule_readers, check_rule_ids, check_rule_ends, check_rule_retention, check_rule_quorum,
    check_rule_members, check_rule_isr, check_rule_lag, check_rule_times;

#define CHECK_RULES_MAX 8 /* that ask for one kind */

/* Reasons of LOG_CUT rows. */
enum {
    CHECK_CUT_FAILED = 3, /* the disk did not take the append: it never counted here */
    CHECK_CUT_RESET = 5,  /* the log begins anew, anywhere: its leader has gone on without it */
};

/* ---- replicas: one node's log of a partition ---- */

/* A batch that has not been compared with the canonical log. */
struct batch {
    uint64_t first, last;
    uint32_t crc;
    int32_t epoch;
};

#define DISK_PARTS_MAX 64 /* segments that wait for an earlier one's sync */

/* The newest segments of a log, by their base, and the bytes that were appended to each. */
#define CHECK_SIZES_MAX 64
struct check_sizes {
    struct check_size {
        uint64_t base, bytes;
    } rows[CHECK_SIZES_MAX];
    uint32_t count;
};

struct replica {
    struct hmap_node node;
    uint64_t key[2]; /* node, the part's index */
    struct part *part;
    struct list of_part;
    /* As its broker tells, in its present life. */
    uint64_t start, end, written, durable, watermark;
    int64_t opened_ns;    /* this life's log, or the last one's */
    uint16_t incarnation; /* of that life */
    bool opened, leading;
    bool clean; /* the life before this one ended so */
    /* Of the lives since it last led, or last had all that it had had. */
    bool power_lost;       /* one ended so, */
    int64_t lost_since_ns; /* and the first of them had begun then */
    uint64_t end_was, durable_was;
    int32_t lead_epoch;   /* that it led in last; -1: it never did */
    uint64_t lead_start;  /* the log's end when that began */
    struct isr_view *isr; /* what it tells of its followers, or told last; NULL: nothing */
    struct lag_view *lag; /* how they have kept up, likewise */
    int32_t epoch;        /* of its last batch; -1: not known */
    uint64_t matched;     /* below it its records are those of the canonical log, or nobody knows */
    uint64_t agreed;      /* the same, and everybody knows */
    bool differs;         /* from the canonical log at matched */
    /* From matched up to there it has what was canonical until an election, or a cut, gave it up;
     * 0: nothing of the kind. Below knew it had known the records before to be committed. */
    uint64_t given_up_end, knew;
    uint64_t forgotten_end; /* what it has of that is not remembered; 0: nothing is forgotten */
    uint64_t shown; /* its high watermark, as far as it speaks of the canonical log there is */
    uint64_t kept;  /* what was durable in any of its lives, and not cut since */
    /* As the disk itself tells: the end of what is durable without a hole, and segments behind a
     * hole, by their base, which is 0 where there is none. */
    struct check_sizes sizes;
    uint64_t disk_end;
    uint64_t disk_forgotten; /* up to there nothing is judged: there was no room to remember it */
    uint32_t disk_part_count;
    struct disk_part {
        uint64_t base, end;
    } disk_parts[DISK_PARTS_MAX];
    struct batch *batches; /* a ring: those that are not compared, oldest first */
    uint32_t head, count, cap;
};

/* ---- the cluster ---- */

struct host {
    struct hmap_node node;
    uint64_t id;
    bool dir_offline;
    bool ended_clean, began_clean; /* its last life, and the one before it */
    bool harmed;                   /* anything has struck it since the beginning */
    bool served, down;             /* as a broker: it has been ready; it is not since */
    bool damaged;          /* its disk was given bytes that nobody wrote, or lost what it had */
    int64_t power_loss_ns; /* the latest, or the latest failed sync; -1: none */
    int64_t down_ns;       /* down: since then */
    int64_t offline_ns;    /* dir_offline: likewise */
    int64_t sync_ns;       /* when its last round of syncs began, and in which life; 0: none did */
    uint64_t sync_life;
    int64_t broker_id; /* its node.id, as it says; -1: it has not */
    /* Of each broker, by its id modulo TRACE_BROKER_BITS, as this life knows it: its epoch and 1
     * (0: it is not registered), and whether it may be in sync. */
    int64_t epochs[TRACE_BROKER_BITS];
    uint64_t may_join; /* bits */
    bool image_told;   /* in this life: the metadata that it ends with, up to an offset */
    uint64_t image_offset, image_digest;
};

/* ---- the cluster, as the metadata log has it ---- */

/* A broker, by its id modulo TRACE_BROKER_BITS. */
struct known_broker {
    bool known, fenced;
    int64_t epoch;     /* -1: it is not registered any more */
    int64_t greatest;  /* epoch that it ever had */
    int64_t own_epoch; /* the greatest that it knows itself; -1: none */
    uint64_t moved_at; /* offset of the image in which its epoch became what it is */
};

struct members {
    struct known_broker brokers[TRACE_BROKER_BITS];
    bool known;
    uint64_t offset;      /* of the newest image that anybody told of */
    struct trace_row row; /* of that, the last */
    bool pending;         /* it is not judged yet, */
    bool brokers_moved;   /* and brokers are others in it */
};

/* ---- the metadata quorum ---- */

/* One of its nodes. Ids are those that voters know each other by; -1 and below: none. */
struct voter {
    struct hmap_node node;
    uint64_t id;         /* of the node, as rows have it */
    bool alive, leading; /* leading: its state says so on disk */
    uint16_t life;       /* that role, epoch and watermark are of */
    int32_t role;        /* CHECK_ROLE_COUNT: not known yet */
    int64_t epoch, own_id;
    uint64_t watermark, epoch_start;
    /* On its disk, in any life. */
    int64_t saved_epoch, saved_leader, saved_voted;
    uint64_t durable; /* of its log */
    /* The last vote that left. */
    int64_t vote_epoch, vote;
};

#define QUORUM_LEADS_MAX 64 /* a power of two */

/* What the metadata up to an offset come to. */
struct told_image {
    uint64_t offset, digest;
    uint32_t node;
};
#define QUORUM_IMAGES_MAX 64 /* a power of two */

struct quorum {
    uint64_t partition; /* of the metadata log, as rows have it */
    struct hmap voters;
    struct check_lead leads_of[QUORUM_LEADS_MAX]; /* the latest, by epoch modulo their number */
    int64_t epoch;                                /* the newest in which somebody led; -1: none */
    uint64_t leader;                              /* a node's; of that epoch */
    bool leads;                                   /* it still does */
    int32_t alive_count;
    int64_t calm_ns;                             /* when a leader or a voter was lost last */
    int64_t peace_ns;                            /* when a voter's life began or ended last */
    bool needless;                               /* a leader lost its epoch in peace, and runs */
    uint64_t needless_leader;                    /* a node's */
    uint64_t committed;                          /* by a leader */
    struct told_image images[QUORUM_IMAGES_MAX]; /* the latest, a ring */
    uint32_t image_count;                        /* there ever were */
};

#define SENDER_WINDOW 5

struct sender_batch {
    uint64_t last; /* offset */
    uint32_t crc;
    int32_t sequence, sequence_last, epoch;
};

/* The last batches of a producer in one replica's log, oldest first. */
struct sender {
    struct hmap_node node;
    uint64_t key[3]; /* node, the part's index, producer id */
    struct sender_batch batches[SENDER_WINDOW];
    uint32_t count;
    int64_t at_ns; /* of the last append */
};

#define CHECK_TIME_PLACES 1024
/* How often something took so long, to 1/16 (times.c). */
struct check_times {
    uint64_t count;
    uint32_t counts[CHECK_TIME_PLACES];
};

struct check {
    struct mem *mem;
    struct check_contract contract;
    struct check_finding findings[CHECK_CODE_COUNT];
    struct check_counts counts;
    struct check_times times[CHECK_TIME_COUNT];
    struct tables tables;
    struct hmap replicas, senders, hosts;
    struct quorum quorum;
    struct members members;
    int64_t last_ns; /* of the last row */
    struct replica *replica_last;
    struct part *part_last;
    bool topics_listed, ended, disk_speaks; /* the trace has the disk's own word */
    uint32_t polled_node; /* whose records are told now, and of which poll of it */
    uint64_t polled_op;
    int64_t harmed_ns;                /* the latest moment at which something was amiss */
    int64_t harm_until_ns;            /* what strikes now ends by itself then */
    int64_t calm_from_ns, calm_to_ns; /* the last while in which nothing was amiss */
    int64_t lag_looked_ns;
    int64_t timers_from_ns; /* since then whatever a node is to do in time it can: none is paused */
    bool core_alone;        /* the rest of the servers stands still, whatever they were to do */
    uint32_t down_count;    /* brokers that have served and do not */
    uint32_t offline_count; /* brokers whose log directory is offline */
    enum err error;
    const struct check_rule *asked[TRACE_KIND_COUNT][CHECK_RULES_MAX];
    uint8_t asked_count[TRACE_KIND_COUNT];
    uint8_t partition_at[TRACE_KIND_COUNT], topic_id_at[TRACE_KIND_COUNT]; /* column + 1; 0: none */
};

/* What a finding is about; 0 where it does not apply. */
struct about {
    uint64_t partition, offset, vid;
};

/* Notes a violation, or, when it is allowed, that it happened. */
void check_note(struct check *c, enum check_code code, const struct trace_row *row,
                struct about about, bool allowed, const char *format, ...) PRINTF_LIKE(6, 7);
/* The part that a row is about; NULL: memory is out. */
struct part *check_part_of(struct check *c, const struct trace_row *row);

/* cluster.c */
struct host *check_host(struct check *c, uint64_t id);
/* The log was opened: may its topic be there, and with what it holds? */
void check_topic_open(struct check *c, const struct trace_row *row, struct part *part);
/* What its topic's settings say, or the contract where nobody has told of them. */
bool check_is_durable(struct check *c, struct part *part);
/* Since when nothing was amiss; INT64_MAX: something is now. */
int64_t check_quiet_since(const struct check *c, const struct part *part, int64_t now_ns);
/* Whether a send of then had taken too long when the last harm came, which hides it from then on:
 * in the calm before it, or since its partition had a leader. */
bool check_was_overdue(const struct check *c, const struct part *part, int64_t sent_ns,
                       int64_t recovery_ns);
/* So many replicas must lose what is not durable before anything that was acknowledged with
 * acks=all may be gone (KIP-966): min.insync.replicas, or 1. */
int64_t check_min_insync(struct check *c, struct part *part);
/* So many of its nodes lost power since then. */
bool check_power_lost(struct check *c, struct part *part, int64_t since_ns);

/* replicas.c. NULL: memory is out. */
struct replica *check_replica_of(struct check *c, const struct trace_row *row);
struct replica *check_replica(struct check *c, uint64_t node, struct part *part);
static inline struct about check_about_log(const struct replica *r, uint64_t offset)
{
    return (struct about){.partition = r->part->id, .offset = offset};
}

/* How trace rows name a broker in a set. */
static inline uint64_t check_broker_bit(int64_t broker)
{
    return 1ull << ((uint64_t)broker & (TRACE_BROKER_BITS - 1));
}

/* The broker whose replica it is; 0: not known. */
static inline uint64_t check_own_bit(struct check *c, const struct replica *r)
{
    const struct host *host = check_host(c, r->key[0]);
    return host == NULL || host->broker_id < 0 ? 0 : check_broker_bit(host->broker_id);
}

/* quorum.c. False: memory is out. */
bool check_quorum_init(struct check *c);
bool check_is_metadata(const struct check *c, const struct part *part);

/* canon.c: it has been elected, in an epoch that is not older than the last one; and it shows what
 * is below that offset. */
void check_canon_lead(struct check *c, const struct trace_row *row, struct replica *r);
void check_canon_show(struct check *c, const struct trace_row *row, struct replica *r, uint64_t to);
/* Until when a client may have been answered by a node that the partition's newest leader is not;
 * INT64_MAX: it may still be. */
int64_t check_led_elsewhere(struct check *c, const struct part *part);

/* records.c */
#define NOTHING UINT64_MAX
/* Why the canonical log may end before records that were acknowledged. */
struct check_excuse {
    uint64_t soft_end;   /* below it records were shown while flush.policy was os: what is lost of
                            them may be, whatever the policy is since */
    uint64_t power_from; /* from there on a loss of power may have taken it; or NOTHING */
    bool moved;          /* another node leads: what only one had, is gone with it (acks=1) */
    bool unclean;        /* an election out of the in-sync replicas, which the topic allows */
};
/* The canonical log ends there now: what stood above it is gone. */
void check_cut_records(struct check *c, const struct trace_row *row, struct part *part,
                       uint64_t end, const struct check_excuse *excuse);
/* Another node leads, and of these offsets nobody had been shown anything: what the one before had
 * acknowledged by itself (acks=1) stands there, or another record does. */
void check_release_records(struct check *c, struct part *part, uint64_t from, uint64_t to);

#endif
