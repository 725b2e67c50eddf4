/* brokers.c - the brokers of an image, and who leads and has its partitions, as those see them who
 * ask by one listener (KRaftMetadataCache). Where this broker itself is, it knows best. */
#include "api/internal.h"

static struct api_broker *add_broker(struct api_brokers *all, const struct metadata_broker *broker)
{
    struct api_broker *out = &all->rows[all->count++];
    *out = (struct api_broker){
        .id = broker->id, .is_fenced = broker->fenced, .rack = WIRE_NULL_STRING};
    return out;
}

static void take_endpoint(struct api_broker *out, const struct wire_register_broker_record *record,
                          const struct api_listener *listener)
{
    struct wire_string name = wire_text(listener->name);
    out->rack = record->rack;
    for (int32_t i = 0; i < record->end_points_count; i++) {
        if (!wire_string_equal(record->end_points[i].name, name))
            continue;
        out->has_listener = true;
        out->host = record->end_points[i].host;
        out->port = record->end_points[i].port;
        return;
    }
}

enum err api_brokers_take(struct request *r, const struct metadata_image *image,
                          struct api_brokers *out)
{
    int32_t count = metadata_map_count(&image->brokers);
    const struct api_listener *listener = r->caller.listener;
    *out = (struct api_brokers){.rows = api_request_alloc(r, (size_t)count, sizeof *out->rows)};
    if (out->rows == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        const struct metadata_broker *broker = metadata_broker_at(image, i);
        struct wire_register_broker_record record;
        enum err e = metadata_broker_record(broker, &record, &r->arena);
        if (e != ERR_NONE)
            return e;
        struct api_broker *row = add_broker(out, broker);
        take_endpoint(row, &record, listener);
        if (row->id != quorum_node_id(r->api->quorum))
            continue;
        row->has_listener = true;
        row->host = wire_text(listener->host);
        row->port = listener->port;
    }
    return ERR_NONE;
}

const struct api_broker *api_brokers_find(const struct api_brokers *all, int32_t id)
{
    int32_t low = 0;
    int32_t high = all->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (all->rows[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all->count && all->rows[low].id == id ? &all->rows[low] : NULL;
}

bool api_broker_is_alive(const struct api_broker *broker)
{
    return broker != NULL && broker->has_listener && !broker->is_fenced;
}

int32_t api_brokers_controller(const struct request *r, const struct api_brokers *all)
{
    int32_t leader = quorum_leader(r->api->quorum);
    int32_t count = 0;
    for (int32_t i = 0; i < all->count; i++)
        count += api_broker_is_alive(&all->rows[i]);
    if (count == 0)
        return -1;
    if (api_broker_is_alive(api_brokers_find(all, leader)))
        return leader;
    int32_t wanted = 0;
    if (count > 1)
        wanted =
            (int32_t)random_below(env_random(r->api->env, "api/controller", 0), (uint64_t)count);
    for (int32_t i = 0; i < all->count; i++) {
        if (api_broker_is_alive(&all->rows[i]) && wanted-- == 0)
            return all->rows[i].id;
    }
    UNREACHABLE();
}

/* ---- one partition ---- */

static bool is_online(const struct api_brokers *all, int32_t id)
{
    return api_broker_is_alive(api_brokers_find(all, id));
}

/* Those that are there, of a list; all of it where the asker may be told of others. */
static bool filter(struct request *r, const struct api_brokers *all, bool wants_alive,
                   struct metadata_ids *list)
{
    int32_t alive = 0;
    for (int32_t i = 0; i < list->count; i++)
        alive += is_online(all, list->ids[i]);
    if (!wants_alive || alive == list->count)
        return true;
    int32_t *ids = api_request_alloc(r, (size_t)alive, sizeof *ids);
    if (ids == NULL)
        return false;
    int32_t at = 0;
    for (int32_t i = 0; i < list->count; i++) {
        if (is_online(all, list->ids[i]))
            ids[at++] = list->ids[i];
    }
    *list = (struct metadata_ids){.ids = ids, .count = at};
    return true;
}

/* With room for one more, which its owner may find out. */
static bool take_offline(struct request *r, const struct api_brokers *all,
                         struct api_partition *out)
{
    int32_t count = 0;
    for (int32_t i = 0; i < out->replicas.count; i++)
        count += !is_online(all, out->replicas.ids[i]);
    if (count == 0)
        return true;
    out->offline = api_request_alloc(r, (size_t)count + 1, sizeof *out->offline);
    if (out->offline == NULL)
        return false;
    for (int32_t i = 0; i < out->replicas.count; i++) {
        if (!is_online(all, out->replicas.ids[i]))
            out->offline[out->offline_count++] = out->replicas.ids[i];
    }
    return true;
}

bool api_partition_take(struct request *r, const struct api_brokers *all,
                        const struct metadata_partition *partition, const struct api_told *told,
                        struct api_partition *out)
{
    const struct api_broker *leader = api_brokers_find(all, partition->leader);
    *out = (struct api_partition){.leader = partition->leader,
                                  .replicas = metadata_ids(partition, METADATA_REPLICAS),
                                  .isr = metadata_ids(partition, METADATA_ISR)};
    int32_t replica_count = out->replicas.count;
    int32_t isr_count = out->isr.count;
    if (!take_offline(r, all, out) || !filter(r, all, told->alive_only, &out->replicas) ||
        !filter(r, all, told->alive_only, &out->isr))
        return false;
    if (leader == NULL || !leader->has_listener) {
        bool lacks = leader != NULL && told->listeners;
        out->leader = -1;
        out->code = lacks ? WIRE_ERROR_LISTENER_NOT_FOUND : WIRE_ERROR_LEADER_NOT_AVAILABLE;
    } else if (out->replicas.count < replica_count || out->isr.count < isr_count) {
        out->code = WIRE_ERROR_REPLICA_NOT_AVAILABLE;
    }
    return true;
}
