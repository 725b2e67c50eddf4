/* codes.c - what Kafka's error codes mean to a client: may it try again, and may it have happened
 * all the same. */
#include "client/core/internal.h"

struct code_rule {
    int16_t code;
    bool retriable, maybe_done, stale_metadata, sequence;
};

/* As Kafka's RetriableException and InvalidMetadataException say. maybe_done: the records may be in
 * the log although the answer is an error. A code that is not listed ends the operation. */
static const struct code_rule rules[] = {
    {.code = WIRE_ERROR_UNKNOWN_SERVER_ERROR, .maybe_done = true},
    {.code = WIRE_ERROR_CORRUPT_MESSAGE, .retriable = true},
    {.code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_LEADER_NOT_AVAILABLE, .retriable = true, .stale_metadata = true},
    /* Also what a leader that resigns answers for what it had appended. */
    {.code = WIRE_ERROR_NOT_LEADER_OR_FOLLOWER,
     .retriable = true,
     .maybe_done = true,
     .stale_metadata = true},
    {.code = WIRE_ERROR_REQUEST_TIMED_OUT, .retriable = true, .maybe_done = true},
    {.code = WIRE_ERROR_BROKER_NOT_AVAILABLE, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_REPLICA_NOT_AVAILABLE, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_NETWORK_EXCEPTION,
     .retriable = true,
     .maybe_done = true,
     .stale_metadata = true},
    {.code = WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS, .retriable = true},
    {.code = WIRE_ERROR_COORDINATOR_NOT_AVAILABLE, .retriable = true},
    {.code = WIRE_ERROR_NOT_ENOUGH_REPLICAS, .retriable = true},
    {.code = WIRE_ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, .retriable = true, .maybe_done = true},
    {.code = WIRE_ERROR_NOT_CONTROLLER, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, .sequence = true},
    {.code = WIRE_ERROR_INVALID_PRODUCER_EPOCH, .sequence = true},
    {.code = WIRE_ERROR_UNKNOWN_PRODUCER_ID, .sequence = true},
    {.code = WIRE_ERROR_KAFKA_STORAGE_ERROR,
     .retriable = true,
     .maybe_done = true,
     .stale_metadata = true},
    {.code = WIRE_ERROR_LISTENER_NOT_FOUND, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_FENCED_LEADER_EPOCH, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_UNKNOWN_LEADER_EPOCH, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_OFFSET_NOT_AVAILABLE, .retriable = true},
    {.code = WIRE_ERROR_THROTTLING_QUOTA_EXCEEDED, .retriable = true},
    {.code = WIRE_ERROR_UNKNOWN_TOPIC_ID, .retriable = true, .stale_metadata = true},
    {.code = WIRE_ERROR_INCONSISTENT_TOPIC_ID, .retriable = true, .stale_metadata = true},
};

static struct code_rule rule_of(int16_t code)
{
    for (int i = 0; i < COUNT_OF(rules); i++) {
        if (rules[i].code == code)
            return rules[i];
    }
    return (struct code_rule){.code = code};
}

bool client_code_retriable(int16_t code)
{
    return rule_of(code).retriable;
}

bool client_code_maybe_done(int16_t code)
{
    return rule_of(code).maybe_done;
}

bool client_code_stale_metadata(int16_t code)
{
    return rule_of(code).stale_metadata;
}

bool client_code_sequence(int16_t code)
{
    return rule_of(code).sequence;
}
