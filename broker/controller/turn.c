/* turn.c - a broker comes, goes, comes back without what it had, or has no room: every partition
 * that this touches is judged anew (ReplicationControlManager.generateLeaderAndIsrUpdates). Pure.
 */
#include "controller/internal.h"

/* minimum: of those in sync, as the topic has it. */
static bool concerns(const struct controller_view *view, const struct controller_turn *turn,
                     const struct metadata_topic *topic, int32_t partition, int32_t minimum)
{
    const struct metadata_partition *p = metadata_partition(topic, partition);
    struct metadata_ids isr = metadata_ids(p, METADATA_ISR);
    int32_t full = turn->full;
    if (full != CONTROLLER_NOBODY && p->leader == full)
        return controller_has_other_room(view, topic, partition, full);
    if (full != CONTROLLER_NOBODY)
        return controller_contains(isr, full) &&
               controller_goes_without(view, topic, partition, full, minimum);
    if ((turn->unclean || turn->comes != CONTROLLER_NOBODY) && p->leader == CONTROLLER_NOBODY)
        return true;
    if (turn->leaves != CONTROLLER_NOBODY && controller_contains(isr, turn->leaves))
        return true;
    return turn->lost != CONTROLLER_NOBODY &&
           (controller_contains(isr, turn->lost) ||
            controller_contains(metadata_ids(p, METADATA_ELR), turn->lost));
}

/* Of interest where a disk is full; else what it says costs more than the rest. */
static int32_t minimum_of(const struct controller_view *view, const struct controller_turn *turn,
                          const struct metadata_topic *topic,
                          const struct metadata_topic_config *defaults)
{
    struct controller_rules rules = {0};
    if (turn->full != CONTROLLER_NOBODY)
        controller_rules_of(view, topic, defaults, &rules);
    return rules.min_insync;
}

/* What they could come to, for controller_expect. */
static void measure_topic(const struct controller_view *view, const struct controller_turn *turn,
                          const struct metadata_topic *topic,
                          const struct metadata_topic_config *defaults, int64_t *count,
                          int64_t *bytes)
{
    int32_t minimum = minimum_of(view, turn, topic, defaults);
    for (int32_t k = 0; k < topic->partition_count; k++) {
        const struct metadata_partition *p = metadata_partition(topic, k);
        if (!concerns(view, turn, topic, k, minimum))
            continue;
        *count += 1;
        *bytes += CONTROLLER_CHANGE_BYTES_MAX(3 * p->counts[METADATA_REPLICAS]);
    }
}

static void measure(const struct controller_view *view, const struct controller_turn *turn,
                    const struct metadata_topic_config *defaults, int64_t *count, int64_t *bytes)
{
    *count = *bytes = 0;
    for (int32_t i = 0; i < view->image->topic_count; i++)
        measure_topic(view, turn, metadata_topic_at(view->image, i), defaults, count, bytes);
}

/* gone: who is in sync no longer. */
static enum err add_change(const struct controller_view *view,
                           const struct controller_change *change, int32_t gone,
                           const struct controller_rules *rules, struct arena *arena,
                           struct metadata_batch *batch)
{
    struct wire_partition_change_record record;
    struct controller_change own = *change;
    bool differs = false;
    const struct metadata_partition *p = metadata_partition(change->topic, change->partition);
    own.isr = controller_without(metadata_ids(p, METADATA_ISR), gone, arena);
    if (own.isr.count < 0)
        return ERR_NOMEM;
    enum err e = controller_change_partition(view, &own, rules, arena, &record, &differs);
    if (e == ERR_NONE && differs)
        e = controller_add(batch, &wire_partition_change_record_message, PARTITION_CHANGE_VERSION,
                           &record);
    return e;
}

static int32_t leaves_of(const struct controller_turn *turn)
{
    if (turn->full != CONTROLLER_NOBODY)
        return turn->full;
    return turn->leaves != CONTROLLER_NOBODY ? turn->leaves : turn->lost;
}

static enum err turn_topic(const struct controller_view *view, const struct controller_turn *turn,
                           const struct metadata_topic *topic,
                           const struct metadata_topic_config *defaults, struct arena *arena,
                           struct metadata_batch *batch)
{
    struct controller_rules rules;
    enum err e = ERR_NONE;
    controller_rules_of(view, topic, defaults, &rules);
    struct controller_change change = {.topic = topic,
                                       .leaves = leaves_of(turn),
                                       .comes = turn->comes,
                                       .lost = turn->lost,
                                       .election = rules.unclean || turn->unclean
                                                       ? CONTROLLER_ELECT_UNCLEAN
                                                       : CONTROLLER_ELECT_ANY};
    for (int32_t k = 0; k < topic->partition_count && e == ERR_NONE; k++) {
        if (!concerns(view, turn, topic, k, rules.min_insync))
            continue;
        change.partition = k;
        int32_t gone = change.leaves;
        if (turn->full != CONTROLLER_NOBODY &&
            !controller_goes_without(view, topic, k, turn->full, rules.min_insync))
            gone = CONTROLLER_NOBODY; /* others lead, and what is committed can be shown */
        e = add_change(view, &change, gone, &rules, arena, batch);
        arena_reset(arena);
    }
    return e;
}

enum err controller_add_turn(const struct controller_view *view, const struct controller_turn *turn,
                             int64_t more_count, struct metadata_batch *batch)
{
    struct metadata_topic_config defaults;
    struct arena arena;
    int64_t count, bytes;
    controller_topic_defaults(view, &defaults);
    measure(view, turn, &defaults, &count, &bytes);
    arena_init(&arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    enum err e = controller_expect(batch, count + more_count, bytes, "a broker comes or goes");
    for (int32_t i = 0; i < view->image->topic_count && count > 0 && e == ERR_NONE; i++)
        e = turn_topic(view, turn, metadata_topic_at(view->image, i), &defaults, &arena, batch);
    arena_free(&arena);
    return e;
}

/* ---- unclean elections are allowed ---- */

static const struct controller_turn allowed = {.leaves = CONTROLLER_NOBODY,
                                               .comes = CONTROLLER_NOBODY,
                                               .lost = CONTROLLER_NOBODY,
                                               .full = CONTROLLER_NOBODY,
                                               .unclean = true};

static bool says_itself(const struct metadata_topic *topic)
{
    for (int32_t i = 0; i < topic->setting_count; i++) {
        if (strcmp(topic->settings[i].key, CONTROLLER_UNCLEAN_KEY) == 0)
            return true;
    }
    return false;
}

void controller_measure_unclean(const struct controller_view *view,
                                const struct metadata_topic *topic, int64_t *count, int64_t *bytes)
{
    struct metadata_topic_config defaults;
    *count = *bytes = 0;
    controller_topic_defaults(view, &defaults);
    if (topic == NULL)
        measure(view, &allowed, &defaults, count, bytes);
    else
        measure_topic(view, &allowed, topic, &defaults, count, bytes);
}

enum err controller_add_unclean(const struct controller_view *view,
                                const struct metadata_topic *topic, struct metadata_batch *batch)
{
    struct metadata_topic_config defaults;
    struct arena arena;
    enum err e = ERR_NONE;
    controller_topic_defaults(view, &defaults);
    arena_init(&arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    if (topic != NULL)
        e = turn_topic(view, &allowed, topic, &defaults, &arena, batch);
    for (int32_t i = 0; topic == NULL && i < view->image->topic_count && e == ERR_NONE; i++) {
        const struct metadata_topic *each = metadata_topic_at(view->image, i);
        if (!says_itself(each))
            e = turn_topic(view, &allowed, each, &defaults, &arena, batch);
    }
    arena_free(&arena);
    return e;
}

bool controller_leads_any(const struct controller_view *view, int32_t broker_id)
{
    for (int32_t i = 0; i < view->image->topic_count; i++) {
        const struct metadata_topic *topic = metadata_topic_at(view->image, i);
        for (int32_t k = 0; k < topic->partition_count; k++) {
            if (metadata_partition(topic, k)->leader == broker_id)
                return true;
        }
    }
    return false;
}
