/* workload.c - what the client programs share: their arguments, and records that can be told apart
 * and checked. */
#include <stdio.h>
#include "check/check.h"
#include "script/workload.h"

#define FIELD(name) offsetof(struct workload_config, name)

static const struct config_row rows[] = {
    {"topic", CONFIG_STRING, FIELD(topic), 0, 0, NULL, "", "the topic"},
    {"partitions", CONFIG_INT, FIELD(partitions), 1, WORKLOAD_PARTITIONS_MAX, NULL, "1",
     "its partitions"},
    {"records", CONFIG_INT, FIELD(records), -1, INT32_MAX, NULL, "-1", "records to send"},
    {"keys", CONFIG_INT, FIELD(keys), 0, INT32_MAX, NULL, "0", "different keys"},
    {"rate", CONFIG_INT, FIELD(rate), 1, 1000000, NULL, "200", "records a second"},
    {"burst", CONFIG_INT, FIELD(burst), 1, WORKLOAD_WINDOW_MAX, NULL, "10", "records at once"},
    {"value_bytes", CONFIG_INT, FIELD(value_bytes), WORKLOAD_VALUE_MIN, WORKLOAD_VALUE_MAX, NULL,
     "100", "bytes of a value"},
    {"window", CONFIG_INT, FIELD(window), 1, WORKLOAD_WINDOW_MAX, NULL, "256", "records in flight"},
    {"first_epoch", CONFIG_INT, FIELD(first_epoch), 0, INT16_MAX, NULL, "0", "of each producer id"},
    {"first_sequence", CONFIG_INT, FIELD(first_sequence), 0, INT32_MAX, NULL, "0",
     "of each partition in the first epoch"},
    {"think_ms", CONFIG_INT, FIELD(think_ms), 0, INT32_MAX, NULL, "0", "pause between polls"},
    {"poll_records", CONFIG_INT, FIELD(poll_records), 1, WORKLOAD_POLL_MAX, NULL, "100",
     "records of a poll"},
    {"start", CONFIG_ENUM, FIELD(start), 0, 0, "earliest|latest|offset", "earliest",
     "where to begin"},
    {"start_offset", CONFIG_INT, FIELD(start_offset), 0, INT64_MAX, NULL, "0", "with start=offset"},
    {"seek_ms", CONFIG_INT, FIELD(seek_ms), 0, INT32_MAX, NULL, "0", "goes elsewhere so often"},
    {"except", CONFIG_INT, FIELD(except), INT64_MIN, INT64_MAX, NULL, "0",
     "the partitions not to read, a bit each"},
    {"final", CONFIG_BOOL, FIELD(final), 0, 0, NULL, "false", "read all there is, once"},
};

static const struct config_table table = {.rows = rows, .count = COUNT_OF(rows)};

#define KEY_MAX 128
#define CLIENT_PREFIX "client."

static enum err set_line(struct bytes line, struct workload_config *config,
                         struct client_config *client, struct errmsg *msg)
{
    const uint8_t *equals = memchr(line.data, '=', line.size);
    size_t key_size = equals == NULL ? line.size : (size_t)(equals - line.data);
    if (equals == NULL || key_size >= KEY_MAX)
        return errmsg_set(msg, ERR_INVALID, "not of the form key=value: %.*s", (int)line.size,
                          (const char *)line.data);
    char key[KEY_MAX];
    memcpy(key, line.data, key_size);
    key[key_size] = 0;
    struct bytes value = bytes_of(equals + 1, line.size - key_size - 1);
    size_t prefix = strlen(CLIENT_PREFIX);
    if (strncmp(key, CLIENT_PREFIX, prefix) == 0)
        return config_set(&client_config_table, client, key + prefix, value, msg);
    return config_set(&table, config, key, value, msg);
}

enum err script_workload_parse(struct bytes args, struct workload_config *config,
                               struct client_config *client, struct errmsg *msg)
{
    config_defaults(&table, config);
    config_defaults(&client_config_table, client);
    while (args.size > 0) {
        const uint8_t *end = memchr(args.data, '\n', args.size);
        size_t size = end == NULL ? args.size : (size_t)(end - args.data);
        enum err e = set_line(bytes_of(args.data, size), config, client, msg);
        if (e != ERR_NONE)
            return e;
        size_t step = MIN(size + 1, args.size);
        args = bytes_of(args.data + step, args.size - step);
    }
    return client_config_check(client, msg);
}

uint64_t script_workload_vid(const struct world_seat *seat, uint64_t sequence)
{
    uint64_t life = seat->incarnation & ((1u << CHECK_LIFE_BITS) - 1);
    uint64_t session = (uint64_t)seat->node << CHECK_LIFE_BITS | life;
    return session << CHECK_SEQUENCE_BITS | sequence;
}

void script_workload_value(uint64_t vid, uint8_t *value, size_t size)
{
    ASSERT(size >= WORKLOAD_VALUE_MIN);
    put_u64(value, vid);
    struct rng rng = {vid};
    size_t at = WORKLOAD_VALUE_MIN;
    for (; size - at >= 8; at += 8)
        put_u64(value + at, rng_next(&rng));
    if (at < size) {
        uint8_t word[8];
        put_u64(word, rng_next(&rng));
        memcpy(value + at, word, size - at);
    }
}

uint64_t script_workload_value_vid(struct bytes value)
{
    return value.size < WORKLOAD_VALUE_MIN ? UINT64_MAX : get_u64(value.data);
}

uint32_t script_workload_digest(struct bytes value)
{
    return (uint32_t)hash_digest(value.data, value.size);
}

uint64_t script_workload_key_digest(struct bytes key)
{
    return key.data == NULL ? 0 : hash_bytes(key.data, key.size, 0) | 1;
}

void script_workload_name_partitions(struct trace *trace, const char *topic, int64_t count)
{
    for (int32_t i = 0; i < count; i++) {
        char name[CONFIG_STRING_SIZE + 16];
        snprintf(name, sizeof name, "%s-%d", topic, i);
        trace_name(trace, trace_partition(topic, i), name);
    }
}
