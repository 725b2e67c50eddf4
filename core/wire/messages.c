/* messages.c - the rows as tables, and which of them answer to which key. Holds no logic of any
 * message. */
#include "wire/field.h"

#define LAST INT8_MAX
#define FLEXIBLE(version) (version)
#define NULLABLE(version) .nullable = 1 + (version)
#define TAG(number) .tag = 1 + (number)
#define IGNORABLE .ignorable = true
#define FALLBACK(value) .fallback = (value)
#define FALLBACK_NULL .fallback_null = true
#define NEVER_COMPACT .never_compact = true
#define OPTIONAL .optional = true

#define ROWS(m) WIRE_NAME(, m, _rows)
#define THIS struct WIRE_NAME(wire_, M, )

#define BEGIN(...) static const struct wire_field ROWS(M)[] = {
#define STRUCT BEGIN()
#define ROW(field, kind, from, to, ...)                                                            \
    .name = #field, .type = WIRE_TYPE_##kind, .since = (from), .until = (to),                      \
    .offset = offsetof(THIS, field), __VA_ARGS__
#define FIELD(field, kind, ...) {.size = sizeof(WIRE_C_##kind), ROW(field, kind, __VA_ARGS__)},
#define NESTED(field, struct_name, ...)                                                            \
    {.size = sizeof(struct wire_##struct_name),                                                    \
     .part = ROWS(struct_name),                                                                    \
     ROW(field, STRUCT, __VA_ARGS__)},
#define LIST(field, kind, ...)                                                                     \
    {.size = sizeof(WIRE_C_##kind),                                                                \
     .array = true,                                                                                \
     .count_offset = offsetof(THIS, field##_count),                                                \
     ROW(field, kind, __VA_ARGS__)},
#define ARRAY(field, struct_name, ...)                                                             \
    {.size = sizeof(struct wire_##struct_name),                                                    \
     .part = ROWS(struct_name),                                                                    \
     .array = true,                                                                                \
     .count_offset = offsetof(THIS, field##_count),                                                \
     ROW(field, STRUCT, __VA_ARGS__)},
#define END                                                                                        \
    {                                                                                              \
        .type = WIRE_TYPE_END                                                                      \
    }                                                                                              \
    }                                                                                              \
    ;
#include "wire/rows.def"

#define TEXT_OF(m) #m
#define TEXT(m) TEXT_OF(m)
#define BEGIN(number, from, to, flexible)                                                          \
    const struct wire_message WIRE_NAME(wire_, M, _message) = {                                    \
        .name = TEXT(M),                                                                           \
        .key = (number),                                                                           \
        .oldest = (from),                                                                          \
        .newest = (to),                                                                            \
        .flexible_since = (flexible),                                                              \
        .size = sizeof(THIS),                                                                      \
        .fields = ROWS(M),                                                                         \
    };                                                                                             \
    STRUCT
#define STRUCT                                                                                     \
    void WIRE_NAME(wire_, M, _defaults)(THIS * out)                                                \
    {                                                                                              \
        wire_fields_reset(ROWS(M), out);                                                           \
    }
#define FIELD(...)
#define LIST(...)
#define ARRAY(...)
#define NESTED(...)
#define END
#include "wire/rows.def"

const struct wire_message *const wire_messages[] = {
#define BEGIN(...) &WIRE_NAME(wire_, M, _message),
#define STRUCT
#define FIELD(...)
#define LIST(...)
#define ARRAY(...)
#define NESTED(...)
#define END
#include "wire/rows.def"
};
const int wire_message_count = COUNT_OF(wire_messages);

#define BROKER WIRE_ON_BROKER
#define CONTROLLER WIRE_ON_CONTROLLER
#define BOTH (WIRE_ON_BROKER | WIRE_ON_CONTROLLER)
#define API(text, number, advertised, on, stem)                                                    \
    {                                                                                              \
        .name = (text), .key = (number), .advertised_oldest = (advertised), .listeners = (on),     \
        .request = &wire_##stem##_request_message, .response = &wire_##stem##_response_message     \
    }

/* Produce 0 to 2 are said to be served, and are not: librdkafka before 2.11 switches compression
 * off otherwise (KAFKA-18659). */
const struct wire_api wire_apis[] = {
    API("Produce", 0, 0, BROKER, produce),
    API("Fetch", 1, 4, BOTH, fetch),
    API("ListOffsets", 2, 1, BROKER, list_offsets),
    API("Metadata", 3, 0, BROKER, metadata),
    API("FindCoordinator", 10, 0, BROKER, find_coordinator),
    API("SaslHandshake", 17, 0, BOTH, sasl_handshake),
    API("ApiVersions", 18, 0, BOTH, api_versions),
    API("CreateTopics", 19, 2, BOTH, create_topics),
    API("DeleteTopics", 20, 1, BOTH, delete_topics),
    API("DeleteRecords", 21, 0, BROKER, delete_records),
    API("InitProducerId", 22, 0, BROKER, init_producer_id),
    API("OffsetForLeaderEpoch", 23, 2, BROKER, offset_for_leader_epoch),
    API("DescribeConfigs", 32, 1, BOTH, describe_configs),
    API("AlterConfigs", 33, 0, BOTH, alter_configs),
    API("DescribeLogDirs", 35, 1, BROKER, describe_log_dirs),
    API("SaslAuthenticate", 36, 0, BOTH, sasl_authenticate),
    API("CreatePartitions", 37, 0, BOTH, create_partitions),
    API("ElectLeaders", 43, 0, BOTH, elect_leaders),
    API("IncrementalAlterConfigs", 44, 0, BOTH, incremental_alter_configs),
    API("Vote", 52, 0, CONTROLLER, vote),
    API("BeginQuorumEpoch", 53, 0, CONTROLLER, begin_quorum_epoch),
    API("EndQuorumEpoch", 54, 0, CONTROLLER, end_quorum_epoch),
    API("DescribeQuorum", 55, 0, BOTH, describe_quorum),
    API("AlterPartition", 56, 2, CONTROLLER, alter_partition),
    API("UpdateFeatures", 57, 0, BOTH, update_features),
    API("Envelope", 58, 0, CONTROLLER, envelope),
    API("FetchSnapshot", 59, 0, CONTROLLER, fetch_snapshot),
    API("DescribeCluster", 60, 0, BOTH, describe_cluster),
    API("BrokerRegistration", 62, 0, CONTROLLER, broker_registration),
    API("BrokerHeartbeat", 63, 0, CONTROLLER, broker_heartbeat),
    API("UnregisterBroker", 64, 0, BOTH, unregister_broker),
    API("AllocateProducerIds", 67, 0, CONTROLLER, allocate_producer_ids),
    API("ControllerRegistration", 70, 0, CONTROLLER, controller_registration),
    API("AssignReplicasToDirs", 73, 0, CONTROLLER, assign_replicas_to_dirs),
    API("ListConfigResources", 74, 0, BROKER, list_config_resources),
    API("DescribeTopicPartitions", 75, 0, BROKER, describe_topic_partitions),
};
const int wire_api_count = COUNT_OF(wire_apis);

const struct wire_api *wire_api(int16_t key)
{
    for (int i = 0; i < wire_api_count; i++) {
        if (wire_apis[i].key == key)
            return &wire_apis[i];
    }
    return NULL;
}

bool wire_api_serves(const struct wire_api *api, int16_t version)
{
    return api->request->oldest <= version && version <= api->request->newest;
}

int wire_request_header_version(const struct wire_api *api, int16_t version)
{
    return wire_flexible(api->request, version) ? 2 : 1;
}

int wire_response_header_version(const struct wire_api *api, int16_t version)
{
    if (api->response == &wire_api_versions_response_message)
        return 0;
    return wire_flexible(api->response, version) ? 1 : 0;
}

/* Metadata records alone; the control records among them have no key. */
static const struct wire_message *const records[] = {
#define BEGIN(...) &WIRE_NAME(wire_, M, _message),
#define STRUCT
#define FIELD(...)
#define LIST(...)
#define ARRAY(...)
#define NESTED(...)
#define END
#include "wire/records.def"
};

const struct wire_message *wire_metadata_message(uint32_t type)
{
    for (int i = 0; i < COUNT_OF(records); i++) {
        if (records[i]->key >= 0 && (uint32_t)records[i]->key == type)
            return records[i];
    }
    return NULL;
}
