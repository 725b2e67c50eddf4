/* workload.h - the programs that a script puts on nodes: the broker, and clients that write down
 * what they did as they do it. */
#ifndef KILN_SCRIPT_WORKLOAD_H
#define KILN_SCRIPT_WORKLOAD_H

#include "client/loop/loop.h"
#include "world/world.h"

extern const struct world_program script_broker;
extern const struct world_program script_producer;
extern const struct world_program script_consumer;
extern const struct world_program script_admin;

/* Whether a broker would take these arguments; the message says why not. */
enum err script_broker_check(struct bytes args, struct errmsg *msg) MUST_USE;

#define SCRIPT_ARGS_MAX 2048 /* bytes of a node's arguments, with their end */
#define WORKLOAD_VALUE_MAX (1 << 20)
#define WORKLOAD_VALUE_MIN 8     /* the record's number */
#define WORKLOAD_WINDOW_MAX 1024 /* records sent and not yet answered */
#define WORKLOAD_PARTITIONS_MAX 64
#define WORKLOAD_POLL_MAX 256

enum workload_start { WORKLOAD_START_EARLIEST, WORKLOAD_START_LATEST, WORKLOAD_START_OFFSET };

struct workload_config {
    char topic[CONFIG_STRING_SIZE];
    int64_t partitions;
    int64_t records;     /* to send; -1: until it is told to finish */
    int64_t keys;        /* different keys; 0: none */
    int64_t rate, burst; /* records a second, in bursts */
    int64_t value_bytes;
    int64_t window;
    int64_t first_epoch, first_sequence; /* of an idempotent producer: client_producer_begin */
    int64_t think_ms;                    /* a consumer's pause between polls */
    int64_t poll_records;
    int32_t start;        /* enum workload_start: where a consumer begins */
    int64_t start_offset; /* WORKLOAD_START_OFFSET */
    int64_t seek_ms;      /* so often a consumer goes to another place; 0: never */
    int64_t except;       /* the partitions that the final reader leaves out, a bit each */
    bool final;           /* read everything there is once, and say so */
};

/* Reads "key=value" lines; "client.KEY" goes to the client's configuration. ERR_INVALID,
 * ERR_NOTFOUND, ERR_RANGE with a message. */
enum err script_workload_parse(struct bytes args, struct workload_config *config,
                               struct client_config *client, struct errmsg *msg) MUST_USE;
/* The number that a program's records begin with: unique to the node and its life. */
uint64_t script_workload_vid(const struct world_seat *seat, uint64_t sequence);
/* Fills a value that follows from vid and size alone. size >= WORKLOAD_VALUE_MIN. */
void script_workload_value(uint64_t vid, uint8_t *value, size_t size);
/* The vid a value names, or UINT64_MAX when it is too short to name one. */
uint64_t script_workload_value_vid(struct bytes value);
uint32_t script_workload_digest(struct bytes value);
/* 0 for no key. */
uint64_t script_workload_key_digest(struct bytes key);
/* Names the topic's partitions in the trace. */
void script_workload_name_partitions(struct trace *trace, const char *topic, int64_t count);

#endif
