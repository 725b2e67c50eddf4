/* leaders.c - who leads a partition elsewhere, for who asked here, and where that broker is
 * (KIP-951): it saves him a question for metadata. */
#include "api/internal.h"

/* What the code says of who leads. */
static bool has_moved(int16_t code)
{
    return code == WIRE_ERROR_NOT_LEADER_OR_FOLLOWER || code == WIRE_ERROR_FENCED_LEADER_EPOCH;
}

bool api_leaders_add(struct api_leaders *l, const struct metadata_topic *topic, int32_t partition,
                     int16_t code, int32_t *id, int32_t *epoch)
{
    if (!has_moved(code) || topic == NULL || partition < 0 || partition >= topic->partition_count)
        return false;
    const struct metadata_partition *p = metadata_partition(topic, partition);
    *id = p->leader;
    *epoch = p->leader_epoch;
    bool elsewhere = p->leader >= 0 && p->leader != quorum_node_id(l->request->api->quorum);
    for (int32_t i = 0; i < l->count && elsewhere; i++)
        elsewhere = l->ids[i] != p->leader;
    if (elsewhere && l->count < API_LEADERS_MAX)
        l->ids[l->count++] = p->leader;
    return true;
}

const struct api_broker *api_leaders_next(struct api_leaders *l)
{
    if (l->count == 0)
        return NULL;
    if (l->brokers.rows == NULL &&
        api_brokers_take(l->request, quorum_current(l->request->api->quorum), &l->brokers) !=
            ERR_NONE)
        return NULL; /* no memory: he asks for metadata */
    while (l->next < l->count) {
        const struct api_broker *broker = api_brokers_find(&l->brokers, l->ids[l->next++]);
        if (api_broker_is_alive(broker))
            return broker;
    }
    return NULL;
}
