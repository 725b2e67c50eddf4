/* room.c - a broker's disk is full: whether those who are in sync go on without it. Nothing is
 * decided by it where nobody else has room, for then there is nothing to go on with. Pure. */
#include "controller/internal.h"

bool controller_has_other_room(const struct controller_view *view,
                               const struct metadata_topic *topic, int32_t partition, int32_t full)
{
    struct metadata_ids isr = metadata_ids(metadata_partition(topic, partition), METADATA_ISR);
    for (int32_t i = 0; i < isr.count; i++) {
        int32_t id = isr.ids[i];
        if (id != full && controller_is_active(view, id) &&
            controller_session_can_serve(view->sessions, id, &topic->id, partition) &&
            controller_session_has_room(view->sessions, id))
            return true;
    }
    return false;
}

bool controller_goes_without(const struct controller_view *view, const struct metadata_topic *topic,
                             int32_t partition, int32_t full, int32_t minimum)
{
    const struct metadata_partition *p = metadata_partition(topic, partition);
    struct metadata_ids isr = metadata_ids(p, METADATA_ISR);
    int32_t others = isr.count - (controller_contains(isr, full) ? 1 : 0);
    return others >= MIN(minimum, metadata_ids(p, METADATA_REPLICAS).count) &&
           controller_has_other_room(view, topic, partition, full);
}
