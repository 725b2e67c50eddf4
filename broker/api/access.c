/* access.c - who may do what with which topic: asked before anything is done or told, so that an
 * answer tells nothing of what its asker may not know. */
#include "api/internal.h"

bool api_may(const struct request *r, enum api_operation operation, enum api_resource resource,
             struct bytes name)
{
    const struct api_access *access = r->api->settings.access;
    return access == NULL || access->may(access, &r->caller, operation, resource, name);
}

bool api_may_cluster(const struct request *r, enum api_operation operation)
{
    return api_may(r, operation, API_CLUSTER, bytes_text(API_CLUSTER_NAME));
}

/* AclEntry.supportedOperations. */
static int32_t supported(enum api_resource resource)
{
    switch (resource) {
    case API_TOPIC:
        return 1 << API_READ | 1 << API_WRITE | 1 << API_CREATE | 1 << API_DELETE | 1 << API_ALTER |
               1 << API_DESCRIBE | 1 << API_DESCRIBE_CONFIGS | 1 << API_ALTER_CONFIGS;
    case API_CLUSTER:
        return 1 << API_CREATE | 1 << API_ALTER | 1 << API_DESCRIBE | 1 << API_CLUSTER_ACTION |
               1 << API_DESCRIBE_CONFIGS | 1 << API_ALTER_CONFIGS | 1 << API_IDEMPOTENT_WRITE;
    case API_GROUP:
        return 1 << API_READ | 1 << API_DELETE | 1 << API_DESCRIBE | 1 << API_DESCRIBE_CONFIGS |
               1 << API_ALTER_CONFIGS;
    case API_TRANSACTIONAL_ID:
        return 1 << API_WRITE | 1 << API_DESCRIBE;
    }
    UNREACHABLE();
}

int32_t api_operations(const struct request *r, enum api_resource resource, struct bytes name)
{
    int32_t all = supported(resource);
    int32_t allowed = 0;
    for (int i = API_READ; i <= API_IDEMPOTENT_WRITE; i++) {
        if ((all & 1 << i) != 0 && api_may(r, (enum api_operation)i, resource, name))
            allowed |= 1 << i;
    }
    return allowed;
}

int32_t api_cluster_operations(const struct request *r)
{
    if (!api_may_cluster(r, API_DESCRIBE))
        return 0;
    return api_operations(r, API_CLUSTER, bytes_text(API_CLUSTER_NAME));
}

const struct metadata_topic *api_request_topic_named(const struct request *r,
                                                     enum api_operation operation,
                                                     struct bytes name, int16_t *code)
{
    bool may = operation == API_CLUSTER_ACTION ? api_may_cluster(r, operation)
                                               : api_may(r, operation, API_TOPIC, name);
    if (!may) {
        *code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        return NULL;
    }
    const struct metadata_topic *topic = metadata_find(quorum_current(r->api->quorum), name);
    *code = topic == NULL ? WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION : WIRE_ERROR_NONE;
    return topic;
}

/* Ids are drawn, and tell nothing: one that is unknown may be called so. */
static const struct metadata_topic *find_by_id(const struct request *r,
                                               enum api_operation operation,
                                               const struct wire_uuid *id, int16_t *code)
{
    const struct metadata_topic *topic = metadata_find_id(quorum_current(r->api->quorum), id);
    *code = WIRE_ERROR_UNKNOWN_TOPIC_ID;
    return topic == NULL ? NULL
                         : api_request_topic_named(r, operation, bytes_text(topic->name), code);
}

const struct metadata_topic *api_request_topic(const struct request *r,
                                               enum api_operation operation,
                                               struct wire_string name, const struct wire_uuid *id,
                                               int16_t *code)
{
    if (api_request_version(r) >= API_TOPIC_ID_SINCE)
        return find_by_id(r, operation, id, code);
    return api_request_topic_named(r, operation, bytes_of(name.data, (size_t)MAX(name.size, 0)),
                                   code);
}
