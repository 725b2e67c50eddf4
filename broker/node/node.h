/* node.h - one broker: it wires the modules, listens, and shuts down in good order. A process, and
 * the simulator, holds as many of them as it likes; nothing here is global. */
#ifndef KILN_NODE_H
#define KILN_NODE_H

#include "env/env.h"

/* Filled through broker_config_table: broker_config_defaults, then config_set or config_parse. The
 * keys are Kafka's; those of kiln's own are flush.policy, cluster.id, log.open.files.max,
 * log.files.readable.by, log.dir.slow.ms, log.checkpoint.* and log.flush.interval.bytes. */
struct broker_config {
    int64_t node_id;
    char cluster_id[CONFIG_STRING_SIZE]; /* "": what the directory says, or a new one */
    char log_dirs[CONFIG_STRING_SIZE];   /* one directory */
    char listeners[CONFIG_STRING_SIZE];  /* "NAME://host:port,..." or "host:port"; port 0: any */
    char advertised_listeners[CONFIG_STRING_SIZE]; /* "": where it listens */
    char listener_security_protocol_map[CONFIG_STRING_SIZE];
    char process_roles[CONFIG_STRING_SIZE];            /* "broker,controller" */
    char controller_quorum_voters[CONFIG_STRING_SIZE]; /* "1@host:port,..."; "": itself alone */
    char controller_quorum_bootstrap_servers[CONFIG_STRING_SIZE];
    char controller_listener_names[CONFIG_STRING_SIZE];
    int64_t controller_quorum_election_timeout_ms, controller_quorum_election_backoff_max_ms;
    int64_t controller_quorum_fetch_timeout_ms, controller_quorum_request_timeout_ms;
    int64_t controller_quorum_retry_backoff_ms;
    int64_t controller_quorum_fetch_max_bytes, controller_quorum_fetch_snapshot_max_bytes;
    char inter_broker_listener_name[CONFIG_STRING_SIZE];
    char broker_rack[CONFIG_STRING_SIZE]; /* "": none */
    int32_t replica_selector;             /* of BROKER_SELECTORS; 1: by rack */
    int64_t broker_heartbeat_interval_ms, broker_session_timeout_ms;
    int64_t initial_broker_registration_timeout_ms;
    /* Replication. */
    int64_t replica_fetch_wait_max_ms, replica_fetch_min_bytes, replica_fetch_max_bytes;
    int64_t replica_fetch_response_max_bytes, replica_fetch_backoff_ms, replica_read_ahead_bytes;
    int64_t replica_socket_timeout_ms;
    int64_t num_replica_fetchers;
    int32_t flush_policy; /* enum log_flush */
    bool auto_create_topics_enable, unclean_leader_election_enable;
    int64_t num_partitions, default_replication_factor, min_insync_replicas;
    int64_t replica_lag_time_max_ms;
    /* Defaults of topics. */
    int64_t log_segment_bytes, log_roll_ms, log_index_size_max_bytes, log_index_interval_bytes;
    int64_t log_retention_ms; /* -2: as minutes say, and when those are -2: as hours say */
    int64_t log_retention_minutes, log_retention_hours;
    int64_t log_retention_bytes, log_retention_check_interval_ms, log_segment_delete_delay_ms;
    int64_t message_max_bytes;
    int64_t log_message_timestamp_before_max_ms, log_message_timestamp_after_max_ms;
    int32_t log_cleanup_policy, log_message_timestamp_type;
    int32_t compression_type, compression_gzip_level;
    int64_t compression_lz4_level, compression_zstd_level;
    int64_t producer_id_expiration_ms;
    /* The disk. */
    /* For who makes the door: enum posix_access, posix_set_slow. */
    int32_t log_files_readable_by;
    int64_t log_dir_slow_ms;
    int64_t log_open_files_max, log_checkpoint_bytes, log_checkpoint_ms;
    int64_t log_flush_interval_bytes, log_flush_interval_ms;
    int64_t metadata_snapshot_bytes; /* of records after which the metadata get another snapshot */
    /* Clients. */
    int64_t max_connections, connections_max_idle_ms, socket_request_max_bytes;
    int64_t queued_max_request_bytes, fetch_max_bytes;
    int64_t max_incremental_fetch_session_cache_slots;
    struct config_given given; /* which keys were set */
};

extern const struct config_table broker_config_table;

/* What becomes of a key that has no row. */
enum broker_config_verdict {
    BROKER_CONFIG_UNKNOWN, /* nobody knows it: a file may hold it all the same, as with Kafka */
    BROKER_CONFIG_FOREIGN, /* Kafka's, and passed over */
    BROKER_CONFIG_WEAKENS, /* to pass over it would take away a protection; it is refused */
};
/* msg is the sentence for a person. value is trimmed. */
enum broker_config_verdict broker_config_judge(const char *key, struct bytes value,
                                               struct errmsg *msg);
/* What no row can say alone: the listeners, who votes, and that there is one directory.
 * ERR_INVALID. */
enum err broker_config_check(const struct broker_config *config, struct errmsg *msg) MUST_USE;

/* How starting and stopping end; msg holds a sentence that says what to do when e is not ERR_NONE.
 */
struct broker_op;
typedef void broker_done(struct broker_op *op, enum err e);
struct broker_op {
    broker_done *done;
    struct errmsg msg;
};

struct broker;

/* Makes the object and touches nothing. config is copied; env, mem, trace and notes stay the
 * caller's and outlive the broker; notes may be NULL. ERR_NOMEM. */
enum err broker_new(struct broker **out, struct env *env, struct mem *mem, struct trace *trace,
                    const struct broker_config *config, struct notes *notes) MUST_USE;
/* Before broker_start: who may do what (api.h). access outlives it. */
struct api_access;
void broker_set_access(struct broker *broker, const struct api_access *access);
/* Before broker_start: what the bytes of its clients pass through (conn.h). filtering outlives it.
 */
struct conn_filtering;
void broker_set_filtering(struct broker *broker, const struct conn_filtering *filtering);
/* What is a constant of the broker otherwise: for tests, which set them small (or, of epochs,
 * large), as at a limit things go wrong. 0: as ever. Filled through broker_limits_table. */
struct broker_limits {
    int64_t producer_id_block;  /* ids of a block that a broker is given */
    int64_t leader_epoch_first; /* of a partition that is made */
    int64_t proposals;          /* changes of in-sync replicas in one command */
    int64_t fetch_partitions;   /* partitions that a replica's fetch names */
    int64_t log_piece_bytes, log_recent_batches, log_index_cache_bytes; /* struct log_limits */
    int64_t log_snapshot_bytes, log_prefix_bytes;
};
extern const struct config_table broker_limits_table;
/* Before broker_start. */
void broker_set_limits(struct broker *broker, const struct broker_limits *limits);
/* How a new directory is formatted, before its first life (KIP-853). */
enum broker_format_kind {
    BROKER_FORMAT_NONE,                /* not at all: its node is its own quorum, or observes one */
    BROKER_FORMAT_STANDALONE,          /* it is the one voter; also where it was its own quorum */
    BROKER_FORMAT_INITIAL_CONTROLLERS, /* these are */
    BROKER_FORMAT_NO_INITIAL_CONTROLLERS, /* others are, who are not known */
};

struct broker_format {
    enum broker_format_kind kind;
    const char *controllers; /* ID@HOST:PORT:DIRID,... */
    bool only; /* that is all there is to be done: a directory that is there is refused */
    /* It is formatted; and then it goes on, unless it is to be stopped. */
    void (*formatted)(struct broker_format *format);
};

/* ERR_INVALID, with a sentence: what is wrong with it beside that configuration. */
enum err broker_format_check(const struct broker_format *format, const struct broker_config *config,
                             struct errmsg *msg) MUST_USE;
/* Before broker_start; format was checked, and outlives it. Of a directory that is there already
 * nothing is changed. */
void broker_set_format(struct broker *broker, struct broker_format *format);
/* Opens the directory, replays the metadata, opens the partitions, listens. Done with ERR_NONE: it
 * serves, and broker_port says where. A partition that is corrupt is offline, with a sentence; the
 * others serve. Errors: as dir_open, and ERR_BUSY, ERR_ACCESS, ERR_UNREACHABLE of the listener;
 * then it has let go of everything and is to be freed. done is never called inside broker_start. */
void broker_start(struct broker *broker, struct broker_op *op, broker_done *done);
/* Where its first listener for clients is; the port is 0 until it listens. */
const char *broker_host(const struct broker *broker);
uint16_t broker_port(const struct broker *broker);
const char *broker_cluster_id(const struct broker *broker);
/* Of its directory, in base64; once that is open. */
#define BROKER_DIRECTORY_ID_SIZE 23
void broker_directory_id(const struct broker *broker, char out[BROKER_DIRECTORY_ID_SIZE]);
/* Answers what is in flight, syncs, writes snapshots, checkpoints and the clean-shutdown marker.
 * May be called while it starts. Connections that do not end within BROKER_STOP_NS_MAX are closed.
 * An error says that the next start will recover. done is never called inside broker_stop. */
#define BROKER_STOP_NS_MAX (5ll * 1000 * 1000 * 1000)
void broker_stop(struct broker *broker, struct broker_op *op, broker_done *done);
/* It would have to give up what is committed (K-11), which a note has told, and waits to be
 * stopped: the process ends, for a person must look at its disk. */
bool broker_is_stuck(const struct broker *broker);
/* Asserts what must hold of it between two events; whole: all of it, which takes as long as there
 * are partitions. For the simulator, after each event. */
void broker_assert(struct broker *broker, bool whole);
/* Frees all memory. Only before broker_start, after a start that failed, or after broker_stop. */
void broker_free(struct broker *broker);

#endif
