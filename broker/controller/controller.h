/* controller.h - what becomes of the cluster: a command, judged by the image, gives records or a
 * refusal, and nothing else. Pure: chance and time are arguments, and whoever asks writes the
 * records down, makes the image that they give, and answers when they are committed.
 */
#ifndef KILN_CONTROLLER_H
#define KILN_CONTROLLER_H

#include "metadata/metadata.h"

#define CONTROLLER_PRODUCER_ID_BLOCK 1000 /* ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE */

struct controller_settings {
    int32_t node_id;
    struct metadata_broker_config file; /* what the broker's file says */
    int32_t partition_count_default;    /* num.partitions */
    int32_t replication_factor_default; /* default.replication.factor */
    bool is_alone; /* it is its own quorum, and its own broker: nobody else may have its id */
    int32_t producer_id_block;  /* ids of a block; 0: CONTROLLER_PRODUCER_ID_BLOCK */
    int32_t leader_epoch_first; /* of a partition that is made */
};

/* Where chance comes from: 64 random bits for that use and key (env_random). */
struct controller_chance {
    uint64_t (*draw)(struct controller_chance *chance, const char *site, uint64_t key);
};

#define CONTROLLER_NOBODY (-1) /* as the id of a broker */
#define CONTROLLER_NO_EPOCH (-1)

/* Which brokers an active controller has heard of and when: it stands in no record (B-7). */
struct controller_sessions {
    struct mem *mem;
    int64_t timeout_ns; /* broker.session.timeout.ms */
    struct list list;   /* whoever was heard of longest ago first */
    int32_t count;
};

void controller_sessions_init(struct controller_sessions *s, struct mem *mem, int64_t timeout_ns);
void controller_sessions_clear(struct controller_sessions *s);
/* Of a controller that becomes active: whoever is not fenced has been heard of now, but for that
 * one, which needs no session. ERR_NOMEM. */
enum err controller_sessions_begin(struct controller_sessions *s,
                                   const struct metadata_image *image, int32_t except,
                                   int64_t now_ns) MUST_USE;
/* Who was not heard of for the time-out; NOBODY: nobody. */
int32_t controller_session_expired(const struct controller_sessions *s, int64_t now_ns);
/* When that will be so; INT64_MAX: never. */
int64_t controller_sessions_deadline(const struct controller_sessions *s);

/* What a command is judged by. */
struct controller_view {
    const struct controller_settings *settings;
    const struct metadata_image *image; /* with all that was appended */
    struct mem *mem;                    /* for the time of a call */
    struct controller_chance *chance;
    struct controller_sessions *sessions; /* of the commands that brokers send */
    int64_t now_ns;
};

enum controller_verb {
    CONTROLLER_REGISTER,
    CONTROLLER_CREATE_TOPICS,
    CONTROLLER_DELETE_TOPICS,
    CONTROLLER_ALTER_CONFIGS,
    CONTROLLER_CREATE_PARTITIONS,
    CONTROLLER_ASSIGN_DIRECTORIES,
    CONTROLLER_ALLOCATE_PRODUCER_IDS,
    CONTROLLER_UPDATE_FEATURES,
    CONTROLLER_BOOTSTRAP,
    CONTROLLER_REGISTER_BROKER,
    CONTROLLER_HEARTBEAT,
    CONTROLLER_FENCE,
    CONTROLLER_ALTER_PARTITION,
    CONTROLLER_ELECT_LEADERS,
    CONTROLLER_UNREGISTER,
    CONTROLLER_REGISTER_CONTROLLER,
    CONTROLLER_VERB_COUNT,
};

/* The first member of each command below. Whoever sets the fields in of a command sets its verb by
 * the function that begins it. */
struct controller_command {
    enum controller_verb verb;
    /* out: */
    int16_t code;      /* Kafka's, of the command as a whole */
    struct errmsg msg; /* a sentence where it is not 0 */
    /* No records come of it, but the verdict is true only once the image that it was judged by is
     * committed. */
    bool rests_on_image;
};

/* Judges the command and adds the records that come of it to batch, behind what stands there. What
 * batch holds is of use only when the code is 0; nothing was added: nothing is to be written. */
void controller_decide(const struct controller_view *view, struct controller_command *command,
                       struct metadata_batch *batch);
/* What it was judged by, or its records, will never be committed; or it was never judged: nobody
 * here may write. The verdicts that this makes void become code, with that sentence. image: what
 * stays. */
void controller_lost(struct controller_command *command, const struct metadata_image *image,
                     int16_t code, const char *sentence);

/* ---- a node: feature levels, its registration, its partitions' leader epochs ---- */

struct controller_register {
    struct controller_command command;
    const char *host; /* where clients reach it; borrowed */
    uint16_t port;
    struct wire_uuid directory; /* its log directory's id */
    bool bump_leaders;          /* every partition gets a new leader epoch (E-1) */
};

void controller_register_init(struct controller_register *c);

/* ---- a cluster of several controllers that begins: feature levels, and what the cluster decides;
 * nothing where it has begun ---- */

struct controller_bootstrap {
    struct controller_command command;
};

void controller_bootstrap_init(struct controller_bootstrap *c);

/* ---- topics to create: those that may be are made, all or none of them ---- */

/* in: */
struct controller_new_topic {
    struct bytes name;
    int32_t partition_count;    /* -1: num.partitions, or as many as are assigned. out: how many */
    int16_t replication_factor; /* -1: default.replication.factor, or as assigned */
    const struct wire_create_topics_request_assignment *assignments;
    int32_t assignment_count;
    const struct wire_create_topics_request_config *configs;
    int32_t config_count;
    bool refused; /* who asks may not: code and msg say so, and it is left alone */
    /* out: */
    int16_t code; /* Kafka's */
    struct errmsg msg;
    struct wire_uuid id; /* zero: it was only validated */
    int32_t factor;      /* how many replicas each partition has */
};

/* All that it points to is borrowed until its end. */
struct controller_create_topics {
    struct controller_command command;
    struct controller_new_topic *topics;
    int32_t topic_count;
    bool validate_only; /* topics that would be made get code 0 and no id */
};

void controller_create_topics_init(struct controller_create_topics *c);

/* ---- topics to delete, each for itself ---- */

struct controller_old_topic {
    struct bytes name;    /* in: size 0: id says which; out: in found */
    struct wire_uuid id;  /* in, where there is no name; out: its id, where it has one */
    int16_t code;         /* out: Kafka's; in: not 0: it is refused already, and left alone */
    const char *sentence; /* why; NULL: the code says it */
    /* Nothing is to be done or said: it stands there once more, and is refused there. */
    bool omitted;
    char found[METADATA_TOPIC_NAME_MAX + 1];
};

struct controller_delete_topics {
    struct controller_command command;
    struct controller_old_topic *topics; /* borrowed until its end */
    int32_t topic_count;
};

void controller_delete_topics_init(struct controller_delete_topics *c);

/* ---- settings to change, of each resource for itself ---- */

/* AlterConfigOp.OpType */
enum controller_config_op {
    CONTROLLER_CONFIG_SET,
    CONTROLLER_CONFIG_DELETE, /* the default stands again */
    CONTROLLER_CONFIG_APPEND, /* to a list */
    CONTROLLER_CONFIG_SUBTRACT,
    CONTROLLER_CONFIG_OP_COUNT,
};

struct controller_setting {
    struct bytes key, value;
    enum controller_config_op op;
};

struct controller_altered {
    /* in: each resource once, and each key of it; code not 0: it is refused already */
    int8_t type; /* METADATA_RESOURCE_TOPIC or _BROKER, or it is refused already */
    struct bytes name;
    bool settled; /* nothing is to be done */
    const struct controller_setting *settings;
    int32_t setting_count;
    /* out: */
    int16_t code;
    struct errmsg msg;
};

struct controller_alter_configs {
    struct controller_command command;
    struct controller_altered *altered; /* borrowed until its end */
    int32_t altered_count;
    bool replaces; /* what is not named is deleted (AlterConfigs) */
    bool validate_only;
};

void controller_alter_configs_init(struct controller_alter_configs *c);

/* ---- partitions to add, to each topic for itself ---- */

struct controller_grown {
    /* in: each topic once; code not 0: it is refused already */
    struct bytes topic;
    int32_t partition_count; /* that it is to have */
    const struct wire_create_partitions_request_assignment *assignments;
    int32_t assignment_count; /* of those that are new; -1: the controller says where they are */
    /* out: */
    int16_t code;
    struct errmsg msg;
};

struct controller_create_partitions {
    struct controller_command command;
    struct controller_grown *topics; /* borrowed until its end */
    int32_t topic_count;
    bool validate_only;
};

void controller_create_partitions_init(struct controller_create_partitions *c);

/* ---- in which log directory partitions have been made, durably (KIP-858) ---- */

struct controller_place {
    struct wire_uuid topic_id;
    int32_t partition;
};

/* Those of topics that are gone, or that it has no replica of, are passed over. */
struct controller_assign_directories {
    struct controller_command command;
    int32_t broker_id;    /* whose they are */
    int64_t broker_epoch; /* NO_EPOCH: it is this node */
    struct wire_uuid directory;
    const struct controller_place *places; /* borrowed until it is judged */
    int32_t count;                         /* at most METADATA_RECORDS_MAX */
    int16_t *codes;                        /* out: of each; NULL: nobody asks */
};

void controller_assign_directories_init(struct controller_assign_directories *c);

/* ---- feature levels: all of them change, or none ---- */

/* FeatureUpdate.UpgradeType */
enum controller_upgrade {
    CONTROLLER_UPGRADE = 1,
    CONTROLLER_SAFE_DOWNGRADE,
    CONTROLLER_UNSAFE_DOWNGRADE,
};

struct controller_feature {
    struct bytes name;
    int16_t level;
    enum controller_upgrade type; /* what a request says: it may be none of those */
};

struct controller_update_features {
    struct controller_command command;
    const struct controller_feature *features; /* borrowed until its end */
    int32_t feature_count;
    bool validate_only;
};

void controller_update_features_init(struct controller_update_features *c);

/* ---- a broker that would be one of the cluster (B-1, B-2) ---- */

struct controller_register_broker {
    struct controller_command command;
    /* What it says of itself; its epoch and whether it is fenced are the controller's. Borrowed. */
    const struct wire_register_broker_record *record;
    int64_t previous_epoch; /* of its last clean end; -1: it did not end cleanly, or never lived */
    /* Of a life that did not end well and kept what it had acknowledged; -1: none. What is found to
     * be missing all the same is reported before the broker is unfenced. */
    int64_t kept_epoch;
    int64_t epoch; /* out: of this registration */
};

void controller_register_broker_init(struct controller_register_broker *c);

/* ---- a broker that is there (B-3), and may want to go (B-5) ---- */

/* Why a replica is not what the cluster takes it for. */
enum controller_trouble {
    CONTROLLER_OFFLINE = 1, /* it cannot serve now, and has what it had */
    CONTROLLER_CORRUPT,     /* it cannot serve, and may have lost what it had acknowledged */
    CONTROLLER_INCOMPLETE,  /* it serves, and may have lost what it had acknowledged */
};

#define CONTROLLER_REPORTS_MAX                                                                     \
    1024 /* of one heartbeat; whoever has more of them wants to be fenced */

/* A broker's word about one of its replicas. */
struct controller_report {
    struct wire_uuid topic_id;
    int32_t partition;
    int32_t leader_epoch; /* that it knew then: of an older one it says nothing */
    enum controller_trouble trouble;
};

/* What became of the reports. */
enum controller_taken {
    CONTROLLER_REPORTS_UNKNOWN = -1, /* the controller does not know of reports */
    CONTROLLER_REPORTS_LATE,         /* some are of an older leader epoch: it is to say it again */
    CONTROLLER_REPORTS_TAKEN,        /* who was reported is in sync nowhere */
};

struct controller_heartbeat {
    struct controller_command command;
    int32_t broker_id;
    int64_t broker_epoch, metadata_offset;
    bool want_fence, want_shutdown;
    bool is_full; /* its disk has no room: who is in sync and has some goes on without it */
    /* All of its replicas that are in trouble; borrowed. */
    const struct controller_report *reports;
    int32_t report_count;
    /* out: */
    bool is_caught_up, is_fenced, may_go;
    enum controller_taken taken;
};

void controller_heartbeat_init(struct controller_heartbeat *c);

/* ---- a broker that has not been heard of for too long (B-4): one a command, so that each decision
 * sees the one before (KAFKA-13173) ---- */

struct controller_fence {
    struct controller_command command;
    int32_t broker_id; /* out: who is; NOBODY: nobody */
};

void controller_fence_init(struct controller_fence *c);

/* ---- who is in sync, as the leaders say (P-11) ---- */

struct controller_in_sync {
    int32_t broker_id;
    int64_t broker_epoch; /* with which it has fetched; NO_EPOCH: not known */
};

struct controller_altered_partition {
    /* in: */
    struct wire_uuid topic_id;
    int32_t partition, leader_epoch, partition_epoch;
    int8_t leader_recovery_state;
    const struct controller_in_sync *isr;
    int32_t isr_count;
    /* out: */
    int16_t code;
    /* As the partition is now, where there is one; with code 0 its in-sync replicas are those that
     * were asked for. */
    int32_t now_leader, now_leader_epoch, now_partition_epoch;
    int8_t now_recovery_state;
};

struct controller_alter_partition {
    struct controller_command command;
    int32_t broker_id; /* who asks */
    int64_t broker_epoch;
    struct controller_altered_partition *altered; /* borrowed until its end */
    int32_t count;                                /* at most METADATA_RECORDS_MAX */
};

void controller_alter_partition_init(struct controller_alter_partition *c);

/* ---- other leaders (KIP-460) ---- */

struct controller_election {
    /* in: code not 0: it is refused already */
    struct bytes topic;
    int32_t partition;
    /* out: */
    int16_t code;
    struct errmsg msg;
};

struct controller_elect_leaders {
    struct controller_command command;
    struct controller_election *elections; /* borrowed until its end */
    int32_t count;
    bool unclean; /* else: the preferred ones */
};

void controller_elect_leaders_init(struct controller_elect_leaders *c);

/* ---- a broker that will not come back (KIP-631) ---- */

struct controller_unregister {
    struct controller_command command;
    int32_t broker_id;
};

void controller_unregister_init(struct controller_unregister *c);

/* ---- a controller that says where it is (KIP-919) ---- */

/* UNSUPPORTED_VERSION: metadata.version has no record of it. */
struct controller_register_controller {
    struct controller_command command;
    const struct wire_register_controller_record *record;
};

void controller_register_controller_init(struct controller_register_controller *c);

/* ---- a block of producer ids that nobody has been given before ---- */

struct controller_allocate_producer_ids {
    struct controller_command command;
    int32_t broker_id; /* who asks; NOBODY: this node itself */
    int64_t broker_epoch;
    int64_t first; /* out: of so many ids */
    int32_t id_count;
};

void controller_allocate_producer_ids_init(struct controller_allocate_producer_ids *c);

#endif
