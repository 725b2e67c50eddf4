/* refusals.c - who was refused and why, told to a person: once for each peer and reason, never more
 * than a few lines a minute, and what was not told is counted. It decides nothing. */
#include "api/internal.h"
#include <inttypes.h>
#include <stdio.h>

#define NS_PER_S 1000000000ll
/* Lines that may be told at once; one more comes back with each interval. */
#define TELL_BURST 20
#define TELL_INTERVAL_NS (6 * NS_PER_S)
/* A peer that was told of is told of again for the same reason only after this. */
#define TELL_AGAIN_NS (3600 * NS_PER_S)
/* When what was left out is summed up: first soon, then ever more seldom. */
#define SUM_FIRST_NS (10 * NS_PER_S)
#define SUM_MAX_NS (600 * NS_PER_S)
#define CLIENT_ID_SHOWN 64 /* bytes */
#define LAST_SHOWN (int)(sizeof((struct refusals *)0)->last - 1)

/* Kafka's names of its APIs by their keys (ApiKeys.java of 4.3.1). */
static const char *const api_names[API_KEYS_KNOWN] = {
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "LeaderAndIsr",
    "StopReplica",
    "UpdateMetadata",
    "ControlledShutdown",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "SaslHandshake",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "WriteTxnMarkers",
    "TxnOffsetCommit",
    "DescribeAcls",
    "CreateAcls",
    "DeleteAcls",
    "DescribeConfigs",
    "AlterConfigs",
    "AlterReplicaLogDirs",
    "DescribeLogDirs",
    "SaslAuthenticate",
    "CreatePartitions",
    "CreateDelegationToken",
    "RenewDelegationToken",
    "ExpireDelegationToken",
    "DescribeDelegationToken",
    "DeleteGroups",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "OffsetDelete",
    "DescribeClientQuotas",
    "AlterClientQuotas",
    "DescribeUserScramCredentials",
    "AlterUserScramCredentials",
    "Vote",
    "BeginQuorumEpoch",
    "EndQuorumEpoch",
    "DescribeQuorum",
    "AlterPartition",
    "UpdateFeatures",
    "Envelope",
    "FetchSnapshot",
    "DescribeCluster",
    "DescribeProducers",
    "BrokerRegistration",
    "BrokerHeartbeat",
    "UnregisterBroker",
    "DescribeTransactions",
    "ListTransactions",
    "AllocateProducerIds",
    "ConsumerGroupHeartbeat",
    "ConsumerGroupDescribe",
    "ControllerRegistration",
    "GetTelemetrySubscriptions",
    "PushTelemetry",
    "AssignReplicasToDirs",
    "ListConfigResources",
    "DescribeTopicPartitions",
    "ShareGroupHeartbeat",
    "ShareGroupDescribe",
    "ShareFetch",
    "ShareAcknowledge",
    "AddRaftVoter",
    "RemoveRaftVoter",
    "UpdateRaftVoter",
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "WriteShareGroupState",
    "DeleteShareGroupState",
    "ReadShareGroupStateSummary",
    "StreamsGroupHeartbeat",
    "StreamsGroupDescribe",
    "DescribeShareGroupOffsets",
    "AlterShareGroupOffsets",
    "DeleteShareGroupOffsets",
};

void api_name_print(int16_t key, char *text, size_t size)
{
    if (key >= 0 && key < COUNT_OF(api_names))
        snprintf(text, size, "%s", api_names[key]);
    else
        snprintf(text, size, "API key %d", key);
}

/* ---- how much is told ---- */

static struct refusals *refusals_of(struct env_timer *timer)
{
    return CONTAINER_OF(timer, struct refusals, sum_up);
}

static void sum_up(struct refusals *r)
{
    if (r->untold == 0)
        return;
    NOTE(r->notes, REFUSALS_UNTOLD,
         "%" PRIu64 " more refused requests closed their connections since, by peers and for "
         "reasons that were told before, or too many to be told one by one; the last: %s",
         r->untold, r->last);
    r->untold = 0;
}

static void on_sum_up(struct env_timer *timer)
{
    struct refusals *r = refusals_of(timer);
    bool more = r->untold > 0;
    sum_up(r);
    r->sum_ns = more ? MIN(r->sum_ns * 2, SUM_MAX_NS) : SUM_FIRST_NS;
    if (more)
        env_arm(r->env, timer, env_now(r->env) + r->sum_ns);
}

static bool may_tell(struct refusals *r, uint64_t key)
{
    int64_t now_ns = env_now(r->env);
    struct refusal_seen *oldest = &r->seen[0];
    for (int i = 0; i < COUNT_OF(r->seen); i++) {
        struct refusal_seen *seen = &r->seen[i];
        if (seen->told_ns != 0 && seen->key == key && now_ns - seen->told_ns < TELL_AGAIN_NS)
            return false;
        if (seen->told_ns < oldest->told_ns)
            oldest = seen;
    }
    int64_t credit = (now_ns - r->credit_ns) / TELL_INTERVAL_NS;
    r->credit = (int32_t)MIN(r->credit + credit, TELL_BURST);
    r->credit_ns += credit * TELL_INTERVAL_NS;
    if (r->credit == 0)
        return false;
    r->credit--;
    *oldest = (struct refusal_seen){.key = key, .told_ns = now_ns};
    return true;
}

void api_refusals_init(struct refusals *r, struct env *env, struct notes *notes)
{
    *r = (struct refusals){
        .env = env,
        .notes = notes,
        .credit = TELL_BURST,
        .credit_ns = env_now(env),
        .sum_ns = SUM_FIRST_NS,
        .sum_up = {.fire = on_sum_up},
    };
}

void api_refusals_end(struct refusals *r)
{
    env_disarm(r->env, &r->sum_up);
    sum_up(r);
}

/* ---- what is told ---- */

/* What a stranger calls himself must not write lines of its own. */
static void print_client(struct wire_string id, char text[CLIENT_ID_SHOWN + 4])
{
    int32_t size = MIN(MAX(id.size, 0), CLIENT_ID_SHOWN);
    for (int32_t i = 0; i < size; i++) {
        char c = id.data[i];
        text[i] = (char)(c < ' ' || c > '~' || c == '"' ? '?' : c);
    }
    snprintf(text + size, 4, "%s", id.size > size ? "..." : "");
}

/* One host is one peer: it comes from another port each time. */
static struct bytes host_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    return bytes_of(peer, colon == NULL ? strlen(peer) : (size_t)(colon - peer));
}

void api_refusals_tell(struct refusals *r, const struct conn *conn,
                       const struct wire_request_header *header, int why, const char *sentence)
{
    struct bytes host = host_of(conn->peer);
    char client[CLIENT_ID_SHOWN + 4] = "";
    char what[NOTE_SIZE];
    uint64_t key = hash_bytes(host.data, host.size, (uint64_t)why);
    if (header == NULL) {
        snprintf(what, sizeof what, "closed the connection of %s: %s", conn->peer, sentence);
    } else {
        char name[API_NAME_SIZE];
        print_client(header->client_id, client);
        api_name_print(header->request_api_key, name, sizeof name);
        key = hash_bytes(client, strlen(client), key);
        key = hash_combine(key, (uint64_t)(uint16_t)header->request_api_key << 16 |
                                    (uint16_t)header->request_api_version);
        snprintf(what, sizeof what, "closed the connection of %s, client \"%s\", %s v%d: %s",
                 conn->peer, client, name, header->request_api_version, sentence);
    }
    if (may_tell(r, key)) {
        NOTE(r->notes, REQUEST_REFUSED, "%s", what);
        return;
    }
    r->untold++;
    snprintf(r->last, sizeof r->last, "%.*s", LAST_SHOWN, what);
    if (!env_armed(&r->sum_up))
        env_arm(r->env, &r->sum_up, env_now(r->env) + r->sum_ns);
}

/* ---- frames that are none ---- */

/* What the first four bytes of other protocols are, for which their size was taken. */
static const char *stranger(int32_t size)
{
    static const struct {
        const char *bytes, *hint;
    } known[] = {
        {"GET ", "; that is how HTTP begins: this port speaks Kafka's protocol"},
        {"HEAD", "; that is how HTTP begins: this port speaks Kafka's protocol"},
        {"POST", "; that is how HTTP begins: this port speaks Kafka's protocol"},
        {"PUT ", "; that is how HTTP begins: this port speaks Kafka's protocol"},
        {"OPTI", "; that is how HTTP begins: this port speaks Kafka's protocol"},
        {"CONN", "; that is how HTTP begins: this port speaks Kafka's protocol"},
        {"PRI ", "; that is how HTTP/2 begins: this port speaks Kafka's protocol"},
        {"SSH-", "; that is how SSH begins: this port speaks Kafka's protocol"},
    };
    uint8_t b[4];
    put_u32(b, (uint32_t)size);
    if (b[0] == 22 && b[1] == 3)
        return "; that is how TLS begins: this listener is PLAINTEXT, set security.protocol so";
    for (int i = 0; i < COUNT_OF(known); i++) {
        if (memcmp(b, known[i].bytes, sizeof b) == 0)
            return known[i].hint;
    }
    return "";
}

void api_refuse_frame(struct api *api, struct conn *conn, enum conn_refusal why, int32_t size)
{
    char sentence[ERRMSG_SIZE];
    const char *hint = stranger(size);
    if (why == CONN_REFUSED_NEGATIVE)
        snprintf(sentence, sizeof sentence, "a frame of %d bytes cannot be%s", (int)size, hint);
    else
        snprintf(sentence, sizeof sentence,
                 "a frame of %d bytes is longer than socket.request.max.bytes (%d)%s", (int)size,
                 (int)conn->limits.frame_bytes_max, hint);
    api_refusals_tell(&api->refusals, conn, NULL, (int)why, sentence);
}
