/* config.c - the client's keys as rows, with Kafka's names, defaults and ranges. */
#include "client/core/internal.h"

#define FIELD(name) offsetof(struct client_config, name)
#define INT(key, field, low, high, fallback, help)                                                 \
    {                                                                                              \
        key, CONFIG_INT, FIELD(field), low, high, NULL, fallback, help                             \
    }
#define BOOL(key, field, fallback, help)                                                           \
    {                                                                                              \
        key, CONFIG_BOOL, FIELD(field), 0, 1, NULL, fallback, help                                 \
    }
#define ENUM(key, field, values, fallback, help)                                                   \
    {                                                                                              \
        key, CONFIG_ENUM, FIELD(field), 0, 0, values, fallback, help                               \
    }
#define STRING(key, field, fallback, help)                                                         \
    {                                                                                              \
        key, CONFIG_STRING, FIELD(field), 0, 0, NULL, fallback, help                               \
    }

static const struct config_row rows[] = {
    STRING("bootstrap.servers", bootstrap_servers, "127.0.0.1:9092",
           "Addresses HOST:PORT, separated by commas, of brokers that are asked first."),
    STRING("bootstrap.controllers", bootstrap_controllers, "",
           "Addresses HOST:PORT of controllers, instead of bootstrap.servers: for orders alone."),
    STRING("client.id", client_id, "kiln", "The name that brokers see."),
    STRING("client.rack", client_rack, "",
           "Where a consumer stands: it reads from a replica there, if brokers send it to one."),
    INT("request.timeout.ms", request_timeout_ms, 1, INT32_MAX, "30000",
        "How long an answer may take before its connection is closed."),
    INT("retry.backoff.ms", retry_backoff_ms, 0, INT32_MAX, "100",
        "The pause before the first retry; each further one is twice as long."),
    INT("retry.backoff.max.ms", retry_backoff_ms_max, 0, INT32_MAX, "1000",
        "The longest pause before a retry."),
    INT("reconnect.backoff.ms", reconnect_backoff_ms, 0, INT32_MAX, "50",
        "The pause before a broken connection is tried again; it doubles."),
    INT("reconnect.backoff.max.ms", reconnect_backoff_ms_max, 0, INT32_MAX, "1000",
        "The longest pause before a connection is tried again."),
    INT("connections.max.idle.ms", connections_idle_ms_max, 0, INT64_MAX / 1000000, "540000",
        "How long a connection that nobody uses stays open; 0: for ever."),
    INT("socket.connection.setup.timeout.ms", connection_setup_ms_max, 1, INT32_MAX, "10000",
        "How long making a connection may take."),
    INT("metadata.max.age.ms", metadata_age_ms_max, 1, INT64_MAX / 1000000, "300000",
        "After how long the client asks anew who leads what."),
    INT("default.api.timeout.ms", api_timeout_ms, 1, INT32_MAX, "60000",
        "How long an operation that is no record, flush or poll may take with its retries."),
    BOOL("allow.auto.create.topics", auto_create_topics, "true",
         "Whether asking for a topic may create it, where the broker agrees."),

    ENUM("acks", acks, "0|1|all|-1", "all",
         "Who must have a record before it counts as stored: nobody, the leader, all in sync."),
    ENUM("enable.idempotence", idempotence, "auto|true|false", "auto",
         "Whether retries are kept from making duplicates; auto: exactly when acks=all."),
    ENUM("compression.type", compression, "none|gzip|snappy|lz4|zstd", "none",
         "How batches are compressed before they are sent."),
    INT("linger.ms", linger_ms, 0, INT32_MAX, "5",
        "How long a batch that is not full waits for more records."),
    INT("batch.size", batch_bytes, 0, 1 << 30, "16384", "Bytes of a full batch."),
    INT("buffer.memory", buffer_bytes, 1024, INT64_MAX, "33554432",
        "Bytes of all batches together; more records wait for max.block.ms."),
    INT("max.request.size", request_bytes_max, 1024, 1 << 30, "1048576",
        "Bytes of one produce request, and so of the largest record."),
    INT("delivery.timeout.ms", delivery_timeout_ms, 1, INT32_MAX, "120000",
        "How long a batch may take with its linger and retries until its outcome is told."),
    INT("max.block.ms", block_ms_max, 0, INT32_MAX, "60000",
        "How long a record may wait for its topic to be known and for memory."),
    INT("retries", retry_count_max, 0, INT32_MAX, "2147483647", "Retries of one batch."),
    INT("max.in.flight.requests.per.connection", in_flight_max, 1, 1000, "5",
        "Produce requests on one connection that wait for answers; above 1 without "
        "idempotence retries may change the order."),

    ENUM("auto.offset.reset", offset_reset, "earliest|latest|none", "latest",
         "Where to go on when the position is out of range; none: stop and say so."),
    INT("fetch.min.bytes", fetch_bytes_min, 0, INT32_MAX, "1",
        "Bytes that a broker waits for before it answers a fetch."),
    INT("fetch.max.bytes", fetch_bytes_max, 1, INT32_MAX, "52428800",
        "Bytes of one fetch over all partitions; a first batch is sent even if larger."),
    INT("fetch.max.wait.ms", fetch_wait_ms_max, 0, INT32_MAX, "500",
        "How long a broker waits for fetch.min.bytes."),
    INT("max.partition.fetch.bytes", partition_fetch_bytes_max, 1, INT32_MAX, "1048576",
        "Bytes of one fetch from one partition; also how much of one is fetched ahead."),
    INT("queued.max.bytes", queued_bytes_max, 1, INT64_MAX, "67108864",
        "Bytes fetched ahead over all partitions; beyond it nothing more is fetched."),
    BOOL("check.crcs", check_crcs, "true", "Whether the CRC of each batch read is checked."),
};

const struct config_table client_config_table = {.rows = rows, .count = COUNT_OF(rows)};

/* Takes "host:port" or "[v6]:port" up to a comma off *rest. False: malformed. */
static bool take_address(struct bytes *rest, struct client_address *out)
{
    const uint8_t *comma = memchr(rest->data, ',', rest->size);
    size_t size = comma == NULL ? rest->size : (size_t)(comma - rest->data);
    struct bytes one = bytes_of(rest->data, size);
    size_t skip = MIN(rest->size, size + 1);
    *rest = bytes_of(rest->data + skip, rest->size - skip);
    while (one.size > 0 && one.data[0] == ' ')
        one = bytes_of(one.data + 1, one.size - 1);
    while (one.size > 0 && one.data[one.size - 1] == ' ')
        one.size--;
    size_t colon = one.size;
    while (colon > 0 && one.data[colon - 1] != ':')
        colon--;
    int64_t port = 0;
    if (colon < 2 || text_parse_int(bytes_of(one.data + colon, one.size - colon), &port) != 0)
        return false;
    struct bytes host = bytes_of(one.data, colon - 1);
    if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = bytes_of(host.data + 1, host.size - 2);
    if (host.size >= CLIENT_HOST_MAX || port < 1 || port > UINT16_MAX)
        return false;
    memcpy(out->host, host.data, host.size);
    out->host[host.size] = 0;
    out->port = (uint16_t)port;
    return true;
}

int client_addresses_parse(const char *text, struct client_address out[CLIENT_BOOTSTRAP_MAX])
{
    struct bytes rest = bytes_text(text);
    int count = 0;
    while (rest.size > 0) {
        if (count == CLIENT_BOOTSTRAP_MAX || !take_address(&rest, &out[count]))
            return -1;
        count++;
    }
    return count;
}

bool client_config_idempotent(const struct client_config *config)
{
    bool acks_all = config->acks == CLIENT_ACKS_ALL || config->acks == CLIENT_ACKS_MINUS_ONE;
    return config->idempotence == CLIENT_IDEMPOTENCE_ON ||
           (config->idempotence == CLIENT_IDEMPOTENCE_AUTO && acks_all);
}

static enum err check_idempotence(const struct client_config *config, struct errmsg *msg)
{
    if (config->acks != CLIENT_ACKS_ALL && config->acks != CLIENT_ACKS_MINUS_ONE)
        return errmsg_set(msg, ERR_INVALID,
                          "enable.idempotence=true needs acks=all; set one or the other");
    if (config->in_flight_max > CLIENT_IN_FLIGHT_MAX)
        return errmsg_set(msg, ERR_INVALID,
                          "enable.idempotence needs max.in.flight.requests.per.connection of at "
                          "most %d, not %lld: brokers remember no more batches",
                          CLIENT_IN_FLIGHT_MAX, (long long)config->in_flight_max);
    if (config->retry_count_max == 0)
        return errmsg_set(msg, ERR_INVALID, "enable.idempotence needs retries above 0");
    return ERR_NONE;
}

enum err client_config_check(const struct client_config *config, struct errmsg *msg)
{
    struct client_address addresses[CLIENT_BOOTSTRAP_MAX];
    if (client_addresses_parse(config->bootstrap_servers, addresses) < 1)
        return errmsg_set(msg, ERR_INVALID,
                          "bootstrap.servers must be HOST:PORT,... with at most %d of them, not "
                          "\"%s\"",
                          CLIENT_BOOTSTRAP_MAX, config->bootstrap_servers);
    if (config->bootstrap_controllers[0] != 0 &&
        client_addresses_parse(config->bootstrap_controllers, addresses) < 1)
        return errmsg_set(msg, ERR_INVALID,
                          "bootstrap.controllers must be HOST:PORT,... with at most %d of them, "
                          "not \"%s\"",
                          CLIENT_BOOTSTRAP_MAX, config->bootstrap_controllers);
    if (config->delivery_timeout_ms < config->linger_ms + config->request_timeout_ms)
        return errmsg_set(msg, ERR_INVALID,
                          "delivery.timeout.ms (%lld) must be at least linger.ms + "
                          "request.timeout.ms (%lld)",
                          (long long)config->delivery_timeout_ms,
                          (long long)(config->linger_ms + config->request_timeout_ms));
    if (client_config_idempotent(config))
        return check_idempotence(config, msg);
    return ERR_NONE;
}
