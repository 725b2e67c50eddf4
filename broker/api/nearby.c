/* nearby.c - which replica a consumer reads from (KIP-392, V-1): the brokers of its rack among
 * which the leader may choose one that has what it asks for; who follows serves as long as it is in
 * sync itself. */
#include "api/fetch.h"

static bool is_in(struct metadata_ids list, int32_t id)
{
    for (int32_t i = 0; i < list.count; i++) {
        if (list.ids[i] == id)
            return true;
    }
    return false;
}

/* NULL: there is none any more. */
static const struct metadata_partition *partition_of(const struct fetch *s,
                                                     const struct fetch_item *item)
{
    int16_t unknown;
    const struct metadata_topic *topic = api_fetch_topic(s, item, &unknown);
    bool has = topic != NULL && item->partition >= 0 && item->partition < topic->partition_count;
    return has ? metadata_partition(topic, item->partition) : NULL;
}

static bool stands_in(struct request *r, int32_t id, struct wire_string rack)
{
    struct wire_register_broker_record record;
    const struct metadata_broker *broker = metadata_find_broker(quorum_current(r->api->quorum), id);
    if (broker == NULL || broker->fenced ||
        metadata_broker_record(broker, &record, &r->arena) != ERR_NONE)
        return false;
    return wire_string_equal(record.rack, rack);
}

/* None, where its leader stands in that rack itself, or there is no memory. */
static void name_nearby(struct request *r, struct fetch_item *item, struct metadata_ids isr,
                        struct wire_string rack)
{
    int32_t self = quorum_node_id(r->api->quorum);
    if (isr.count < 2 || stands_in(r, self, rack))
        return;
    int32_t *ids = api_request_alloc(r, (size_t)isr.count, sizeof *ids);
    if (ids == NULL)
        return;
    for (int32_t i = 0; i < isr.count; i++) {
        if (isr.ids[i] != self && stands_in(r, isr.ids[i], rack))
            ids[item->fetch.nearby_count++] = isr.ids[i];
    }
    item->fetch.nearby = ids;
}

void api_fetch_place(struct fetch *s, struct fetch_item *item)
{
    struct request *r = &s->request;
    const struct wire_fetch_request *in = r->body;
    item->follows = item->lags = false;
    item->fetch.nearby_count = 0;
    const struct metadata_partition *p = item->fetch.at_follower ? partition_of(s, item) : NULL;
    if (p == NULL)
        return;
    int32_t self = quorum_node_id(r->api->quorum);
    struct metadata_ids isr = metadata_ids(p, METADATA_ISR);
    item->follows = p->leader != self;
    item->lags = item->follows && !is_in(isr, self);
    if (!item->follows && r->api->settings.selects_by_rack && in->rack_id.size > 0)
        name_nearby(r, item, isr, in->rack_id);
}
