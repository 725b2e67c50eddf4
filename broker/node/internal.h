/* internal.h - what the files of node share and nobody else sees. */
#ifndef KILN_NODE_INTERNAL_H
#define KILN_NODE_INTERNAL_H

#include "api/api.h"
#include "node/node.h"
#include "orders/orders.h"
#include "peers/peers.h"
#include "raft/raft.h"

#define CONFIG_TEXTS_MAX (256 << 10)
#define OPENS_MAX 32                      /* partitions that are being opened at once */
#define REMOVALS_MAX 32                   /* whose directories are being removed at once */
#define REOPEN_NS (1000ll * 1000000)      /* a partition that could not be opened is tried again */
#define LEAD_STEP 256                     /* partitions that are tried at once to begin an epoch */
#define RETAIN_STEP 512                   /* partitions that one event of retention looks at */
#define ACCEPT_PAUSE_NS (100ll * 1000000) /* when the machine has no descriptor left */
#define OVERLOAD_NOTE_NS                                                                           \
    (60ll * 1000 * 1000000)               /* clients that wait for memory are told so often */
#define CLIENT_IN_FLIGHT_BYTES (16 << 20) /* of one connection's requests; one may be larger */

/* One listener's or advertised address. */
struct endpoint {
    char host[METADATA_HOST_MAX];
    uint16_t port;
};

#define NODE_CONNECTIONS_MAX 256  /* of other nodes */
#define NODE_BYTES_MAX (64 << 20) /* of their requests, as queued.max.request.bytes */
#define LISTENERS_MAX 8
#define LISTENER_NAME_SIZE 64

/* One of listeners: where it is, and where its clients are told that it is (port 0: the port that
 * it has got). */
struct listener_address {
    char name[LISTENER_NAME_SIZE];
    struct endpoint at, advertised;
    bool of_quorum;  /* one of controller.listener.names: for voters, and who asks the leader */
    bool of_nodes;   /* for other nodes, apart from clients: that, or inter.broker.listener.name */
    bool of_brokers; /* by which other brokers come, be it apart from clients or not */
};

struct listener_list {
    struct listener_address at[LISTENERS_MAX];
    int count;
    bool named; /* by the configuration: not only "HOST:PORT" */
};

/* formatted: its directory is of a quorum whose log names its voters, whatever the configuration
 * says. ERR_INVALID with a sentence that names the key. */
enum err broker_listeners_parse(const struct broker_config *config, bool formatted,
                                struct listener_list *out, struct errmsg *msg) MUST_USE;
/* Takes the text up to the next comma off *list, without blanks around it; false at its end. An
 * entry that is empty is passed over. */
bool broker_next_entry(struct bytes *list, struct bytes *entry);
/* "host:port", "[v6]:port", ":port". */
bool broker_parse_address(struct bytes s, struct endpoint *out);

/* members.c: a voter of the metadata quorum, and where the others reach it. */
struct quorum_member {
    int32_t id;
    struct endpoint at;
};

struct quorum_members {
    bool is_broker, is_controller; /* this node */
    struct quorum_member voters[RAFT_VOTERS_MAX];
    int32_t voter_count; /* of controller.quorum.voters */
    int32_t self;        /* its index; -1: it is none */
    /* controller.quorum.bootstrap.servers: where somebody may know who leads (kraft.version 1). */
    struct endpoint bootstrap[RAFT_VOTERS_MAX];
    int32_t bootstrap_count;
    bool dynamic; /* the metadata log says who votes */
    bool several; /* it is not its own quorum: voters are named, or the log names them */
};

/* It is its own quorum, unless its directory was formatted for one whose log names its voters. */
bool broker_members_depend(const struct quorum_members *members);

/* ERR_INVALID with a sentence that names the key. */
enum err broker_members_parse(const struct broker_config *config, struct quorum_members *out,
                              struct errmsg *msg) MUST_USE;
/* The same, and that its listeners go with it, and that all of it is served. */
enum err broker_members_check(const struct broker_config *config,
                              const struct listener_list *listeners, struct errmsg *msg) MUST_USE;
/* That its listeners go with what it is. As above. */
enum err broker_members_place(const struct broker_config *config,
                              const struct quorum_members *members,
                              const struct listener_list *listeners, struct errmsg *msg) MUST_USE;
/* topic_log.c: what the log of the topic's partitions is to do. */
bool broker_flushes_os(const struct metadata_topic_config *config);
struct log_config broker_log_config(const struct metadata_topic_config *config,
                                    int64_t producer_id_expiration_ms);
int64_t broker_config_retention_ms(const struct broker_config *config);
/* What of it may change while the broker runs. */
void broker_config_dynamic(const struct broker_config *config, struct metadata_broker_config *out);
/* A row for each of metadata_broker_keys, in the arena. ERR_NOMEM. */
enum err broker_config_describe(const struct broker_config *config, struct arena *arena,
                                struct mem *mem, const struct api_broker_key **out) MUST_USE;

/* A heap with a limit, and the connections that share it. beyond_max bytes more are for one frame
 * that could not be received otherwise, and for what requests that are here take to be answered. */
struct budget {
    struct mem mem;
    struct mem *heap;
    int64_t bytes, bytes_max, beyond_max;
    struct conn_lane lane;
};

void broker_budget_init(struct budget *budget, struct env *env, struct mem *heap, int64_t bytes_max,
                        int64_t beyond_max);
/* The part of what is beyond the limit that is for small requests. */
#define BUDGET_SMALL_SHARE 4
/* Whether so much more may be held for that. */
bool broker_budget_has(const struct budget *budget, uint64_t size, enum conn_room level);
/* Nothing of it is held any more. Harmless on a zeroed budget. */
void broker_budget_free(struct budget *budget);

/* Who share memory and a number of connections, so that a flood of clients takes nothing of what
 * brokers and controllers need. Which it is goes by the listener. */
enum lane_kind {
    LANE_CLIENTS, /* queued.max.request.bytes, max.connections */
    LANE_NODES,   /* NODE_BYTES_MAX, NODE_CONNECTIONS_MAX */
    LANE_COUNT,
};

struct lane {
    struct broker *broker;
    enum lane_kind kind;
    struct budget budget;
    int32_t connection_count;
    int64_t told_ns; /* that it is full; 0: never */
};

enum broker_phase {
    BROKER_NEW,
    BROKER_OPENING, /* directory, listener, metadata, partitions, one by one */
    BROKER_JOINING, /* one of several: controllers and brokers may ask it; it registers, opens its
                       partitions, and waits until it is not fenced */
    BROKER_SERVING,
    BROKER_LEAVING,  /* it serves, and asks the controller whether it may go */
    BROKER_DRAINING, /* no new connections; what is in flight is answered */
    BROKER_CLOSING,  /* the disk */
    BROKER_ENDED,
};

/* An image that is current, and whose new partitions are being opened. */
struct application {
    struct list link;
    int64_t offset;  /* of the image */
    int32_t pending; /* partitions that have not been tried once */
};

/* One partition's way to be opened. */
struct opening {
    struct list link;
    struct broker *broker;
    struct replica *replica; /* with a reference: its topic may be deleted meanwhile */
    struct replica_op op;
    struct replica_epochs epochs;
    struct again tries;              /* by struct broker's reopens */
    struct application *application; /* that waits for its first end; NULL: none */
    bool told;                       /* why it could not be opened */
    bool unmarked;                   /* that it has been made is not written down yet */
    struct controller_place place;
};

/* One partition's way to be gone. */
struct removal {
    struct hmap_node node; /* by its name, until its directory has another */
    struct list link;      /* until it begins */
    struct broker *broker;
    struct replica *replica; /* NULL: an earlier life left the directory */
    struct replica_op op;
    struct log_op log_op;
    struct application *application; /* NULL: none */
    struct opening *next;            /* of a partition of that name, which waits for it */
    int32_t partition;
    char topic[];
};

/* Partitions that have been made and whose place is not durable: some on their way into the
 * metadata log, at once. */
struct marking {
    struct list waiting, under_way; /* struct opening */
    struct controller_assign_directories assign;
    struct controller_place *places; /* that it names; NULL: it is not busy */
    struct order order;
    bool busy;
};

/* Other in-sync replicas that leaders here want: on their way to the controller. */
struct proposing {
    struct list waiting, under_way; /* struct replica_proposal */
    struct env_timer kick;
    struct order order;
    struct controller_alter_partition alter;
    struct controller_altered_partition *altered; /* of those under way, in their order */
    struct controller_in_sync *members;           /* theirs */
};

struct listener {
    struct broker *broker;
    struct listener_address address;
    struct api_listener told; /* what its clients are told */
    env_listener name;        /* 0: it does not listen */
    struct env_op listening, accepting, refusing, unlistening;
    char peer[ENV_PEER_SIZE]; /* of the connection that is being accepted */
    struct env_timer accept_again;
    bool closed;
};

struct client {
    struct list link;
    struct broker *broker;
    struct lane *lane;
    struct api_caller caller; /* who it is */
    struct conn conn;
};

/* membership.c: what this broker is to its cluster. */
enum membership_state {
    MEMBERSHIP_NONE,       /* it is its own quorum, or no broker, or has not begun */
    MEMBERSHIP_REGISTERS,  /* no controller knows it, or not any more */
    MEMBERSHIP_CATCHES_UP, /* it is registered, which its image does not say yet */
    MEMBERSHIP_OPENS,      /* its partitions are being opened */
    MEMBERSHIP_SERVES,     /* it is not fenced, or wants not to be */
    MEMBERSHIP_LEAVES,     /* it asks whether it may go */
    MEMBERSHIP_OVER,
};

/* heard.c: whether a controller counts on it. */
struct heard {
    int64_t epoch;    /* of the registration that the rest is of */
    bool current;     /* its image has what was decided while none may have counted on it */
    int64_t beat_ns;  /* when what a controller answered last was asked */
    int64_t since_ns; /* not current: since when one answers again */
    int64_t known_to; /* and up to where its image must reach; -1: not known yet */
};

struct membership {
    enum membership_state state;
    struct wire_uuid incarnation; /* of this life (B-1) */
    int64_t epoch;                /* of the newest registration; NO_EPOCH: there was none */
    bool opened;                  /* its partitions have been, once */
    bool renewed; /* it counts as a life of which nothing is known: the controller could not be told
                     what it lacks */
    bool is_fenced; /* as the controller said last */
    struct heard heard;
    struct order order; /* one at a time: */
    struct controller_register_broker registration;
    struct controller_heartbeat beat;
    struct env_timer next;
    int64_t next_ns;           /* when the next is given; INT64_MAX: not known */
    struct env_timer deadline; /* of the first registration, and of going */
    struct env_timer failing;  /* its directory is offline, which is to be acted upon */
    int64_t leave_deadline_ns;
    int16_t told_code; /* why it is not registered, as a person knows it */
    /* What a registration says. */
    struct wire_register_broker_record record;
    struct wire_register_broker_record_endpoint end_points[LISTENERS_MAX];
    struct wire_register_broker_record_feature features[METADATA_FEATURES + 2];
    struct wire_uuid directory;
};

/* kept.c: the broker epoch that counts after a crash, too. */
struct kept {
    int64_t on_disk, writing; /* CONTROLLER_NO_EPOCH: none */
    bool busy;
    bool holds;   /* it is there, or may be: no log is written with flush.policy = os */
    bool os_seen; /* some partition is to be */
    struct dir_op op;
};

/* reports.c: what heartbeats say of partitions in trouble. */
struct reports {
    struct controller_report *rows; /* CONTROLLER_REPORTS_MAX; NULL: none yet */
    int32_t count;
    bool too_many;
    bool lacking;    /* some may have lost what they had acknowledged */
    bool told;       /* and since its partitions were opened the cluster knows of all of them */
    int64_t full_ns; /* when somebody waited for room on its disk, as far as it was looked at; 0:
                        never */
};

struct broker {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct broker_config config;
    struct arena config_texts;           /* of what it says, for those who ask */
    struct metadata_broker_config going; /* what partitions and connections go by */
    struct notes *notes;
    enum broker_phase phase;                /* moved by broker_move alone */
    struct env_timer start_kick, stop_kick; /* begin what start and stop asked for */
    struct broker_op *starting, *stopping;
    bool stop_wanted, disk_closing;
    bool is_stuck;   /* broker_is_stuck */
    enum err failed; /* why starting or stopping failed */
    struct errmsg why;
    int64_t started_ns;

    struct dir *dir;
    struct log_set *logs; /* in it */
    bool dir_open;
    struct dir_op dir_op;

    struct quorum *quorum;
    struct quorum_watch quorum_watch;
    struct quorum_op quorum_op;
    bool quorum_open;
    bool led; /* the metadata log has records of this life: an unclean end was made good for */

    struct replica_set replicas;
    struct replica_watch replica_watch;
    struct dir_watch dir_watch;
    struct marking marking;
    struct proposing proposing;
    struct list to_open;      /* struct opening that wait */
    struct list unopened;     /* that failed and will be tried again */
    int32_t opening_count;    /* under way */
    struct hmap removals;     /* struct removal */
    struct list to_remove;    /* those that wait */
    int32_t removing_count;   /* under way */
    struct list applications; /* struct application, the oldest image first */
    bool starting_partitions, pumping;
    bool follows_image; /* partitions become what each new image says */
    bool resting;       /* nothing new is opened */
    struct env_timer reopen, retention;
    uint64_t reopens; /* that timer has fired so often */
    struct replica *retain_next;
    struct replica *close_next;
    struct replica_op closing_op;
    bool closing_one;

    struct broker_format *format; /* NULL: a new directory is left as it is */
    struct formatting *formatting;
    struct quorum_members members;
    struct api_voter voters[RAFT_VOTERS_MAX]; /* of the metadata quorum, and where they are */
    int32_t voter_count;
    struct controllers *controllers; /* the way to the other voters; NULL: there are none */
    char quorum_listener[LISTENER_NAME_SIZE]; /* of theirs, where this node has none itself */
    struct orders *orders;                    /* to whoever leads them */
    struct fetchers *fetchers;                /* NULL: nothing is followed here */
    struct membership membership;
    struct kept kept;
    struct reports reports;
    int32_t told_epoch; /* of the metadata quorum, whose leader a person knows */

    struct forwards *forwards; /* what goes that way for clients; NULL: nothing */

    struct api *api;
    struct api_idle api_idle;
    bool api_is_idle;

    struct listener listeners[LISTENERS_MAX];
    int32_t listener_count;
    const struct api_access *access;        /* who may do what; NULL: everybody everything */
    const struct conn_filtering *filtering; /* of its clients' connections; NULL: none */
    struct broker_limits limits;
    struct lane lanes[LANE_COUNT];
    struct list clients;
    int32_t client_count;
    struct env_timer drain_deadline;
};

void broker_move(struct broker *b, enum broker_phase phase);
/* It takes part in all that it is for. */
static inline bool broker_serves(const struct broker *b)
{
    return b->phase == BROKER_SERVING || b->phase == BROKER_LEAVING;
}

/* start.c */
/* A step has ended: the next one, or the way back. */
void broker_start_failed(struct broker *b, enum err e, const struct errmsg *msg);
void broker_start_partitions_done(struct broker *b);
void broker_start_listening_done(struct broker *b);
void broker_start_formatted(struct broker *b);
/* True when a stop cut the start short; the way back has begun. */
bool broker_start_cut_short(struct broker *b);
/* What broker_set_limits says of logs; before the first is opened. */
void broker_limit_logs(struct broker *b);
/* Goes by what the image says of this broker's settings, from its start on. */
void broker_start_settings(struct broker *b);
/* Of one of several: it is not fenced any more. */
void broker_start_joined(struct broker *b);

/* membership.c */
void broker_membership_init(struct broker *b);
/* Of one of several, whose quorum is open. It leads to broker_partitions_open_all when this node
 * has applied its own registration, to broker_start_joined when it is not fenced, or to
 * broker_start_failed. */
void broker_membership_begin(struct broker *b);
/* There is another image. */
void broker_membership_look(struct broker *b);
/* Its partitions have been opened, as far as they can be. */
void broker_membership_opened(struct broker *b);
/* Its log directory is offline: it wants to be fenced, and answers no client any more, for it does
 * not hear who leads. Harmless on a node that is no member. */
void broker_membership_failed(struct broker *b);
/* Something is to be said soon. Harmless on a node that is no member. */
void broker_membership_hurry(struct broker *b);
/* kept.c */
void broker_kept_open(struct broker *b);
/* Writes down that this life keeps what it acknowledges, or that it does not, where that is another
 * thing now. Of one that is registered, and whose partitions are open. */
void broker_kept_look(struct broker *b);
/* reports.c */
void broker_reports_fill(struct broker *b, struct controller_heartbeat *beat);
/* The heartbeat was answered. False: who answered cannot be told what this broker lacks. */
bool broker_reports_taken(struct broker *b, const struct controller_heartbeat *beat) MUST_USE;
/* The cluster knows what this broker lacks. */
bool broker_reports_are_told(const struct broker *b);
void broker_reports_free(struct broker *b);
/* Its disk has no room: somebody has found that just now. Harmless on a node that is no member. */
void broker_reports_full(struct broker *b);
/* heard.c */
/* What it goes by may have changed. self: its registration, as the image has it; NULL: not. */
void broker_heard_look(struct broker *b, const struct metadata_broker *self);
/* A heartbeat was answered well. */
void broker_heard_beat(struct broker *b, const struct order *order);
/* None may count on it from now on. */
void broker_heard_lapse(struct broker *b);
/* A fetch of the metadata log, asked then, was answered with that high watermark. */
void broker_heard_log(struct broker *b, int64_t asked_ns, int64_t high_watermark);

/* It asks for leave, and broker_stop_left is called; false: it need not ask. */
bool broker_membership_leave(struct broker *b);
/* It says nothing more. Harmless on a node that is no member. */
void broker_membership_end(struct broker *b);
/* Of its newest registration; CONTROLLER_NO_EPOCH: there is none. */
int64_t broker_membership_epoch(const struct broker *b);

/* partitions.c */
void broker_partitions_open_all(struct broker *b);
/* This broker has a replica of it. */
bool broker_partitions_are_here(const struct broker *b, const struct metadata_partition *p);
/* What a partition needs that this broker is to have: it is put into the set and lined up to be
 * opened. application may be NULL. ERR_NOMEM. */
enum err broker_partitions_add(struct broker *b, const struct metadata_topic *topic,
                               int32_t partition, struct application *application) MUST_USE;
/* One that had to wait is opened, unless the broker rests. */
void broker_partitions_line_up(struct broker *b, struct opening *o);
void broker_partitions_free_opening(struct opening *o);
/* The topic's settings have changed: its partitions here go by them. */
void broker_partitions_reconfigure(struct broker *b, const struct metadata_topic *topic);
/* The broker's own have: all partitions here do. */
void broker_partitions_reconfigure_all(struct broker *b, const struct metadata_image *image);
/* Opens what is lined up, as many as may be at once. */
void broker_partitions_pump(struct broker *b);
/* Its leader epoch may be a new one. */
void broker_partitions_catch_up(struct broker *b, struct replica *r);

/* removals.c */
/* ERR_NOMEM. */
enum err broker_removals_init(struct broker *b) MUST_USE;
void broker_removals_free(struct broker *b);
/* Its topic is no more: refuses who asks for it, and removes its directory. */
void broker_removals_add(struct broker *b, struct replica *r, struct application *application);
/* A directory that an earlier life was to remove. ERR_NOMEM. */
enum err broker_removals_add_left(struct broker *b, const char *topic, int32_t partition) MUST_USE;
/* True: a partition of that name is being removed, and o is opened when it is gone. */
bool broker_removals_wait(struct broker *b, struct opening *o);
bool broker_removals_busy(const struct broker *b);

/* reconcile.c */
/* Makes the partitions here agree with the image that has become current. */
void broker_reconcile(struct quorum_watch *watch, const struct metadata_image *from,
                      const struct metadata_image *to);
/* One of the partitions that the image waits for has been tried. application may be NULL. */
void broker_reconcile_tried(struct broker *b, struct application *application);
bool broker_reconcile_busy(const struct broker *b);

/* Leading had been put off by a full disk. */
void broker_partitions_led(struct quorum_watch *watch);
void broker_partitions_metadata_failed(struct quorum_watch *watch, enum err e);
void broker_partitions_metadata_stopped(struct quorum_watch *watch, const char *sentence);
/* Of a partition that takes no records until it is let try again. */
void broker_partitions_held(struct replica_watch *watch);
void broker_partitions_tell(struct replica_watch *watch, const struct replica *r, bool offline,
                            const char *sentence);
void broker_partitions_begin_retention(struct broker *b);
/* Of the directory: its disk is full. Retention begins at once, and others are to lead. */
void broker_partitions_full(struct dir_watch *watch);
/* Nothing new is opened or deleted from now on. */
void broker_partitions_rest(struct broker *b);
bool broker_partitions_busy(const struct broker *b);
void broker_partitions_resign(struct broker *b);
/* Tries again what waits, in a while. */
void broker_partitions_later(struct broker *b);
/* Closes all logs, then partitions_closed. */
void broker_partitions_close(struct broker *b);
void broker_partitions_free(struct broker *b);

/* marks.c */
void broker_marks_init(struct broker *b);
/* Takes an opening whose partition has been made. */
void broker_marks_add(struct broker *b, struct opening *o);
/* Writes down what waits, all of it at once. */
void broker_marks_write(struct broker *b);
void broker_marks_free(struct broker *b);

/* isr.c */
void broker_isr_init(struct broker *b);
/* No order may be under way. */
void broker_isr_free(struct broker *b);

/* clients.c */
void broker_clients_init(struct broker *b);
void broker_clients_free(struct broker *b);
/* Listens on each of the addresses, then broker_start_listening_done. */
void broker_clients_listen(struct broker *b);
void broker_clients_accept(struct broker *b);
void broker_clients_stop_listening(struct broker *b);
/* Clients and brokers are to go to others from now on; controllers may ask on. */
void broker_clients_refuse(struct broker *b);
/* No listener is open, and nobody is on the way in. */
bool broker_clients_shut(const struct broker *b);
void broker_clients_drain(struct broker *b);
void broker_clients_close(struct broker *b);

/* fetchers.c: what is followed here, behind whom. */
/* Of one of several; where the node is its own quorum, or no broker, there are none, and all of
 * these are harmless. ERR_NOMEM. */
enum err broker_fetchers_open(struct broker *b) MUST_USE;
/* Where the brokers are of which the image says something new; from NULL: all of them. */
void broker_fetchers_know(struct broker *b, const struct metadata_image *from,
                          const struct metadata_image *to);
/* It follows that broker; -1: nobody leads. */
void broker_fetchers_follow(struct broker *b, struct replica *r, int32_t leader);
void broker_fetchers_unfollow(struct broker *b, struct replica *r);
/* Those that there was no memory for. */
void broker_fetchers_retry(struct broker *b);
/* Nobody is asked any more, and when nothing is being taken: broker_stop_go_on. */
void broker_fetchers_close(struct broker *b);
bool broker_fetchers_are_closed(const struct broker *b);
/* After broker_fetchers_close: ended is called when no connection is left, perhaps before this
 * returns. */
void broker_fetchers_end(struct broker *b, void (*ended)(struct broker *b));
void broker_fetchers_free(struct broker *b);

/* format.c */
/* The directory is open. False: there is nothing to be formatted; else broker_start_formatted is
 * called, or broker_start_failed. */
bool broker_format_begin(struct broker *b);
/* What is needed before: where the new directory's id stands; NULL: it is a random one. ERR_NOMEM.
 */
enum err broker_format_open(struct broker *b, const uint8_t **directory_id) MUST_USE;
void broker_format_free(struct broker *b);

/* controllers.c */
/* Somebody else may lead the metadata quorum. */
void broker_controllers_role_changed(struct quorum_watch *watch);
/* kraft.version 1: others may vote. */
void broker_controllers_changed(struct quorum_watch *watch);
/* Who votes, and where. Once the listeners have their ports. */
void broker_controllers_take(struct broker *b);
/* Makes the way to the other voters, if there are any. ERR_NOMEM, ERR_LIMIT (a host too long). */
enum err broker_controllers_open(struct broker *b) MUST_USE;
/* NULL: there are none. */
struct quorum_peers *broker_controllers_out(struct broker *b);
/* Makes the way of commands to whoever leads (orders.h); once there is a quorum. ERR_NOMEM. */
enum err broker_controllers_order(struct broker *b) MUST_USE;
/* The quorum is closed; closed is called perhaps before this returns. */
void broker_controllers_close(struct broker *b, void (*closed)(struct broker *b));
void broker_controllers_free(struct broker *b);

/* NULL: there are no other voters. */
struct peers *broker_controllers_peers(struct broker *b);

/* forward.c: what clients ask and only the controller that leads decides, on its way there. */
/* Once the way to the voters is made. ERR_NOMEM. */
enum err broker_forwards_open(struct broker *b) MUST_USE;
/* NULL: nobody else decides. */
struct api_forward *broker_forwards_face(struct broker *b);
/* Another node leads, or this one. */
void broker_forwards_look(struct broker *b);
/* Nothing is on its way. */
void broker_forwards_free(struct broker *b);
/* address.c */
#define BROKER_ADDRESS_MAX 16
/* The bytes of a client's address. Returns how many. */
size_t broker_peer_address(const char *peer, uint8_t out[BROKER_ADDRESS_MAX]);

/* stop.c */
/* Something that a stop may wait for has ended. */
void broker_stop_go_on(struct broker *b);
/* Lets go of everything, with whatever is open. */
void broker_stop_begin(struct broker *b);
void broker_stop_partitions_closed(struct broker *b);
/* It has asked for leave, and need not wait any longer. */
void broker_stop_left(struct broker *b);
/* A start that has come as far as BROKER_JOINING goes back. */
void broker_stop_join(struct broker *b);

#endif
