/* internal.h - what the files of controller share and nobody else sees. */
#ifndef KILN_CONTROLLER_INTERNAL_H
#define KILN_CONTROLLER_INTERNAL_H

#include "controller/controller.h"

/* Versions of the records that are written. */
#define PARTITION_VERSION 2
#define PARTITION_CHANGE_VERSION 2
#define REGISTER_VERSION 3
#define REGISTRATION_CHANGE_VERSION 2
#define UNREGISTER_VERSION 0

/* LeaderRecoveryState (KIP-704) */
#define CONTROLLER_RECOVERED 0
#define CONTROLLER_RECOVERING 1

/* One verb. */
struct verb {
    /* As controller_decide; the command's own results are set to nothing. */
    void (*decide)(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch);
    /* As controller_lost. NULL: its code is all that there is. */
    void (*lost)(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence);
};

extern const struct verb controller_verb_register, controller_verb_create_topics,
    controller_verb_delete_topics, controller_verb_alter_configs, controller_verb_create_partitions,
    controller_verb_assign_directories, controller_verb_allocate_producer_ids,
    controller_verb_update_features, controller_verb_bootstrap, controller_verb_register_broker,
    controller_verb_heartbeat, controller_verb_fence, controller_verb_alter_partition,
    controller_verb_elect_leaders, controller_verb_unregister, controller_verb_register_controller;

/* ---- transaction.c: what is too much for one batch (KIP-868) ---- */

/* That so many records, of so many bytes, will be added. What does not fit into one batch becomes a
 * metadata transaction, which readers see whole or not at all. Errors as metadata_batch_add. */
enum err controller_expect(struct metadata_batch *batch, int64_t record_count, int64_t bytes,
                           const char *name) MUST_USE;
/* As metadata_batch_add; in a transaction a full batch is followed by another one. */
enum err controller_add(struct metadata_batch *batch, const struct wire_message *m, int version,
                        const void *record) MUST_USE;
/* All has been added. */
enum err controller_end(struct metadata_batch *batch) MUST_USE;
/* Somebody began a transaction and did not come to its end: it never happened. */
enum err controller_abort(struct metadata_batch *batch) MUST_USE;

/* What a topic has that sets nothing itself. */
void controller_topic_defaults(const struct controller_view *view,
                               struct metadata_topic_config *out);
/* Whether these brokers may have that partition, in ascending order of their ids
 * (ReplicationControlManager.validateManualPartitionAssignment): 0, or Kafka's code with a
 * sentence. factor: how many replicas the other partitions have; 0: it is the first. */
int16_t controller_check_replicas(const struct controller_view *view, int32_t partition,
                                  struct metadata_ids replicas, int32_t factor, struct errmsg *msg);
/* Whether there are so many brokers; likewise. */
int16_t controller_check_factor(const struct controller_view *view, int32_t factor,
                                struct errmsg *msg);
#define CONTROLLER_REPLICA_BYTES_MAX 32 /* of another replica in a partition's record */
/* A new partition on these brokers, in no log directory yet: that it is in one is written down when
 * it has been made (assign.c). Those that are there are in sync, and the first of them leads it; at
 * least one is. */
enum err controller_add_partition(const struct controller_view *view, struct metadata_batch *batch,
                                  const struct wire_uuid *topic_id, int32_t partition,
                                  struct metadata_ids replicas) MUST_USE;
/* New partitions from first up to end, each with so many replicas, which there are (check_factor).
 */
enum err controller_add_spread(const struct controller_view *view, struct metadata_batch *batch,
                               const struct wire_uuid *topic_id, int32_t first, int32_t end,
                               int32_t factor) MUST_USE;
/* A random id of version 4 (RFC 4122) for that use. */
struct wire_uuid controller_draw_uuid(struct controller_chance *chance, const char *site,
                                      uint64_t key);
/* ---- change.c, turn.c: partitions as brokers come and go ---- */

/* It is registered, unfenced, and not about to go: it may lead, and be in sync. */
bool controller_is_active(const struct controller_view *view, int32_t broker_id);
bool controller_contains(struct metadata_ids list, int32_t id);
/* The list but for that one, in the arena. count -1: no memory. */
struct metadata_ids controller_without(struct metadata_ids list, int32_t broker_id,
                                       struct arena *arena);

enum controller_election_kind {
    CONTROLLER_ELECT_ANY,
    CONTROLLER_ELECT_PREFERRED, /* the first replica, where it can be */
    CONTROLLER_ELECT_UNCLEAN,   /* any that is there, where nobody is in sync or eligible */
};

struct controller_change {
    const struct metadata_topic *topic;
    int32_t partition;
    struct metadata_ids isr; /* that it is to have; count -1: as it is */
    /* Brokers of which the image does not know yet: NOBODY, or who may not lead any more, who may,
     * and whose replicas may have lost what they had. */
    int32_t leaves, comes, lost;
    enum controller_election_kind election;
    bool recovered; /* its leader has recovered from an unclean election */
};

/* What a topic's partitions are judged by. */
struct controller_rules {
    int32_t min_insync;
    bool elr;     /* there are eligible leader replicas (KIP-966) */
    bool unclean; /* unclean.leader.election.enable */
};

void controller_rules_of(const struct controller_view *view, const struct metadata_topic *topic,
                         const struct metadata_topic_config *defaults,
                         struct controller_rules *out);

#define CONTROLLER_CHANGE_ARENA_BYTES (1 << 20)
/* Of a record of a partition with so many ids in its lists, and no more. */
#define CONTROLLER_CHANGE_BYTES_MAX(count) (64 + 20 * (int64_t)(count))

/* The record that changes the partition; differs is false: there is nothing to be changed. Its
 * lists are the arena's, the image's and the change's. ERR_NOMEM. */
enum err controller_change_partition(const struct controller_view *view,
                                     const struct controller_change *change,
                                     const struct controller_rules *rules, struct arena *arena,
                                     struct wire_partition_change_record *record,
                                     bool *differs) MUST_USE;

/* One of them is a broker, the others are NOBODY (CONTROLLER_NO_TURN); or all are, and unclean
 * elections are allowed from now on. */
struct controller_turn {
    int32_t leaves; /* is in sync nowhere any more, and leads nothing */
    int32_t comes;  /* may lead what nobody leads */
    int32_t lost;   /* leaves, and is not eligible either */
    int32_t full;   /* leads nothing that somebody in sync who has room can lead; room.c */
    bool unclean;   /* whoever is there leads what nobody leads */
};
/* Nothing happens. */
#define CONTROLLER_NO_TURN                                                                         \
    ((struct controller_turn){.leaves = CONTROLLER_NOBODY,                                         \
                              .comes = CONTROLLER_NOBODY,                                          \
                              .lost = CONTROLLER_NOBODY,                                           \
                              .full = CONTROLLER_NOBODY})

/* What becomes of the partitions. Up to more_count records may follow, then controller_end: all of
 * it is one write, or one transaction. O(partitions). Errors as metadata_batch_add. */
enum err controller_add_turn(const struct controller_view *view, const struct controller_turn *turn,
                             int64_t more_count, struct metadata_batch *batch) MUST_USE;
#define CONTROLLER_UNCLEAN_KEY "unclean.leader.election.enable"
/* Unclean elections are allowed from now on: of that topic, or (NULL) of all that do not say
 * themselves whether they are. Kafka looks for what nobody leads every five minutes. What this may
 * come to, for controller_expect, and its records. O(partitions). Errors as metadata_batch_add. */
void controller_measure_unclean(const struct controller_view *view,
                                const struct metadata_topic *topic, int64_t *count, int64_t *bytes);
enum err controller_add_unclean(const struct controller_view *view,
                                const struct metadata_topic *topic,
                                struct metadata_batch *batch) MUST_USE;
/* O(partitions). */
bool controller_leads_any(const struct controller_view *view, int32_t broker_id);

/* heartbeat.c: that a registration is fenced or not (BrokerRegistrationFencingChange: 1, -1; 0: as
 * it is), and is in its controlled shutdown (1; 0: as it is). Errors as metadata_batch_add. */
enum err controller_add_registration_change(struct metadata_batch *batch, int32_t broker_id,
                                            int64_t broker_epoch, int8_t fenced,
                                            int8_t leaving) MUST_USE;
#define CONTROLLER_UNFENCES (-1)
#define CONTROLLER_FENCES 1
#define CONTROLLER_LEAVES 1
/* heartbeat.c: 0, or that this is not the registration of that broker which counts. */
int16_t controller_check_epoch(const struct controller_view *view, int32_t broker_id, int64_t epoch,
                               struct errmsg *msg);

/* reports.c: who is reported is in sync nowhere; sets taken. All of it is one write, or one
 * transaction; nothing is written where nothing changes. Errors as metadata_batch_add. */
enum err controller_add_reports(const struct controller_view *view, struct controller_heartbeat *c,
                                struct metadata_batch *batch) MUST_USE;

/* ---- sessions.c ---- */

/* The broker was heard of. A new registration is a new session. ERR_NOMEM. */
enum err controller_session_touch(struct controller_sessions *s, int32_t broker_id, int64_t epoch,
                                  int64_t metadata_offset, int64_t now_ns) MUST_USE;
void controller_session_drop(struct controller_sessions *s, int32_t broker_id);
/* Its life goes, and has been told that it may: it is valid no more. */
void controller_session_end(struct controller_sessions *s, int32_t broker_id);
bool controller_session_is_valid(const struct controller_sessions *s, int32_t broker_id,
                                 int64_t epoch, int64_t now_ns);
/* It is about to go since that offset, or since the one of the first call, which is given. */
int64_t controller_session_leave(struct controller_sessions *s, int32_t broker_id, int64_t offset);
/* All of its replicas that are in trouble: those that cannot serve are not elected. It has a
 * session. ERR_NOMEM: what it said last still counts. */
enum err controller_session_report(struct controller_sessions *s, int32_t broker_id,
                                   const struct controller_report *reports, int32_t count) MUST_USE;
/* Whether some that could not can serve now; once. */
bool controller_session_comes(struct controller_sessions *s, int32_t broker_id);
/* As far as its broker has said: what is in no record begins anew with each controller. s may be
 * NULL: nobody has said anything. */
bool controller_session_can_serve(const struct controller_sessions *s, int32_t broker_id,
                                  const struct wire_uuid *topic_id, int32_t partition);
/* Its disk has no room, or has. It has a session. */
void controller_session_fill(struct controller_sessions *s, int32_t broker_id, bool is_full);
/* As above: where it has said nothing, it has room. */
bool controller_session_has_room(const struct controller_sessions *s, int32_t broker_id);
/* Up to where all active brokers know the cluster; INT64_MAX: there is none. */
int64_t controller_sessions_lowest(const struct controller_view *view);

/* ---- room.c ---- */

/* Somebody else in sync could lead it, and take records. */
bool controller_has_other_room(const struct controller_view *view,
                               const struct metadata_topic *topic, int32_t partition, int32_t full);
/* And there are minimum of them without it. Else it stays, or comes in: what is committed is shown
 * only while there are (P-8). */
bool controller_goes_without(const struct controller_view *view, const struct metadata_topic *topic,
                             int32_t partition, int32_t full, int32_t minimum);

/* ---- spread.c: who gets the replicas of new partitions ---- */

struct controller_seat {
    int32_t id;
    bool fenced;
    struct wire_string rack; /* size 0 or less: none */
};

struct controller_rack {
    int32_t first, count, active_count; /* of the seats; those that are there first */
    uint32_t turn;
};

struct controller_spread {
    struct arena arena;
    struct controller_seat *seats; /* rack by rack */
    struct controller_rack *racks;
    int32_t count, rack_count;
    uint32_t turn;
};

/* key: of the chance that says with whom it begins. End it, also after an error. ERR_NOMEM. */
enum err controller_spread_begin(struct controller_spread *s, const struct controller_view *view,
                                 uint64_t key) MUST_USE;
void controller_spread_end(struct controller_spread *s);
/* The replicas of the next partition; factor is at most count. The first of them leads it: it is
 * there, where anybody is. */
void controller_spread_next(struct controller_spread *s, int32_t factor, int32_t *ids);

/* Kafka's code for a record that could not be added. */
int16_t controller_code_of(enum err e);

#endif
