/* change.c - what becomes of a partition as brokers come and go or say who is in sync: who leads
 * it, who is in sync, and who could be elected besides (P-12, P-13; PartitionChangeBuilder). Pure.
 */
#include "controller/internal.h"

/* A partition while it changes. */
struct work {
    const struct controller_view *view;
    const struct controller_change *change;
    const struct controller_rules *rules;
    const struct metadata_partition *p;
    struct metadata_ids isr, elr, last_known; /* that it will have */
};

bool controller_contains(struct metadata_ids list, int32_t id)
{
    for (int32_t i = 0; i < list.count; i++) {
        if (list.ids[i] == id)
            return true;
    }
    return false;
}

static bool same(struct metadata_ids a, struct metadata_ids b)
{
    return a.count == b.count &&
           (a.count == 0 || memcmp(a.ids, b.ids, (size_t)a.count * sizeof *a.ids) == 0);
}

bool controller_is_active(const struct controller_view *view, int32_t broker_id)
{
    const struct metadata_broker *broker = metadata_find_broker(view->image, broker_id);
    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown;
}

struct metadata_ids controller_without(struct metadata_ids list, int32_t broker_id,
                                       struct arena *arena)
{
    struct metadata_ids out = {.ids = NULL, .count = -1};
    int32_t *ids = arena_alloc(arena, (size_t)MAX(list.count, 1) * sizeof *ids);
    if (ids == NULL)
        return out;
    out = (struct metadata_ids){.ids = ids, .count = 0};
    for (int32_t i = 0; i < list.count; i++) {
        if (list.ids[i] != broker_id)
            ids[out.count++] = list.ids[i];
    }
    return out;
}

/* Of the broker that goes or comes with this change, the image does not know yet. */
static bool could_lead(const struct work *w, int32_t id)
{
    if (id == w->change->leaves ||
        !controller_session_can_serve(w->view->sessions, id, &w->change->topic->id,
                                      w->change->partition))
        return false;
    return id == w->change->comes || controller_is_active(w->view, id);
}

/* P-12: in sync, or, where nobody is, among those that have all that is committed. */
static bool is_valid(const struct work *w, int32_t id)
{
    bool complete =
        w->isr.count > 0 ? controller_contains(w->isr, id) : controller_contains(w->elr, id);
    return complete && could_lead(w, id);
}

/* Who has none leads where nobody else can: then there is something to read. */
static bool has_room(const struct work *w, int32_t id)
{
    return controller_session_has_room(w->view->sessions, id);
}

/* KIP-966: nobody is left but the last leader. It may have lost something, so it counts as unclean.
 * That it is there must be asked (KAFKA-19522). */
static bool may_elect_last_known(const struct work *w)
{
    struct metadata_ids last = metadata_ids(w->p, METADATA_LAST_KNOWN_ELR);
    return w->rules->elr && w->isr.count == 0 && w->elr.count == 0 && last.count == 1 &&
           (could_lead(w, last.ids[0]) || KNOWN_BUG(last_leader_not_asked));
}

static int32_t elect(const struct work *w, bool *unclean)
{
    struct metadata_ids replicas = metadata_ids(w->p, METADATA_REPLICAS);
    *unclean = false;
    if (w->change->election == CONTROLLER_ELECT_PREFERRED && replicas.count > 0 &&
        is_valid(w, replicas.ids[0]) && has_room(w, replicas.ids[0]))
        return replicas.ids[0];
    if (is_valid(w, w->p->leader))
        return w->p->leader;
    for (int32_t i = 0; i < replicas.count; i++) {
        if (is_valid(w, replicas.ids[i]) && has_room(w, replicas.ids[i]))
            return replicas.ids[i];
    }
    for (int32_t i = 0; i < replicas.count; i++) {
        if (is_valid(w, replicas.ids[i]))
            return replicas.ids[i];
    }
    *unclean = true;
    if (may_elect_last_known(w))
        return metadata_ids(w->p, METADATA_LAST_KNOWN_ELR).ids[0];
    bool any = w->change->election == CONTROLLER_ELECT_UNCLEAN || KNOWN_BUG(elects_out_of_sync);
    for (int32_t i = 0; i < replicas.count && any; i++) {
        if (could_lead(w, replicas.ids[i]))
            return replicas.ids[i];
    }
    *unclean = false;
    return CONTROLLER_NOBODY;
}

/* P-8: no topic asks for more than it has replicas. */
static int32_t minimum_of(const struct work *w)
{
    return MIN(w->rules->min_insync, metadata_ids(w->p, METADATA_REPLICAS).count);
}

/* P-13: below the minimum, whoever was in sync or eligible and did not lose anything stays
 * eligible: nothing was committed since without the minimum (P-8). */
static enum err find_eligible(struct work *w, struct arena *arena)
{
    struct metadata_ids was[] = {metadata_ids(w->p, METADATA_ISR),
                                 metadata_ids(w->p, METADATA_ELR)};
    w->elr = (struct metadata_ids){0};
    if (!w->rules->elr || w->isr.count >= minimum_of(w))
        return ERR_NONE;
    int32_t *ids = arena_alloc(arena, (size_t)(was[0].count + was[1].count + 1) * sizeof *ids);
    if (ids == NULL)
        return ERR_NOMEM;
    w->elr.ids = ids;
    for (int k = 0; k < COUNT_OF(was); k++) {
        for (int32_t i = 0; i < was[k].count; i++) {
            int32_t id = was[k].ids[i];
            if (id != w->change->lost && !controller_contains(w->isr, id) &&
                !controller_contains(w->elr, id))
                ids[w->elr.count++] = id;
        }
    }
    return ERR_NONE;
}

static struct metadata_ids only(int32_t id, struct arena *arena)
{
    int32_t *ids = arena_alloc(arena, sizeof *ids);
    if (ids == NULL)
        return (struct metadata_ids){.count = -1};
    *ids = id;
    return (struct metadata_ids){.ids = ids, .count = 1};
}

/* Whoever is elected from outside of the in-sync replicas is alone in sync. Uncleanly: what others
 * had is void, and the leader says when it has recovered (KIP-704). */
static enum err install_leader(struct work *w, int32_t leader, bool unclean,
                               struct wire_partition_change_record *record, struct arena *arena)
{
    if (leader != w->p->leader)
        record->leader = leader;
    if (leader == CONTROLLER_NOBODY || (!unclean && controller_contains(w->isr, leader)))
        return ERR_NONE;
    w->isr = only(leader, arena);
    if (w->isr.count < 0)
        return ERR_NOMEM;
    if (unclean && w->p->leader_recovery_state != CONTROLLER_RECOVERING)
        record->leader_recovery_state = CONTROLLER_RECOVERING;
    if (unclean || w->isr.count >= minimum_of(w))
        w->elr = (struct metadata_ids){0};
    else
        w->elr = controller_without(w->elr, leader, arena);
    return w->elr.count < 0 ? ERR_NOMEM : ERR_NONE;
}

/* The last leader of a partition that has nobody in sync any more; nobody, once it is led again. */
static enum err find_last_known(struct work *w, int32_t leader, struct arena *arena)
{
    w->last_known = metadata_ids(w->p, METADATA_LAST_KNOWN_ELR);
    if (leader != CONTROLLER_NOBODY)
        w->last_known = (struct metadata_ids){0};
    else if (w->rules->elr && w->isr.count == 0 && w->p->leader != CONTROLLER_NOBODY)
        w->last_known = only(w->p->leader, arena);
    return w->last_known.count < 0 ? ERR_NOMEM : ERR_NONE;
}

static bool set_list(int32_t **ids, int32_t *count, struct metadata_ids is, struct metadata_ids was)
{
    if (same(is, was))
        return false;
    *ids = (int32_t *)is.ids; /* only read from there */
    *count = is.count;
    return true;
}

/* Whether anything differs. */
static bool set_lists(const struct work *w, struct wire_partition_change_record *record)
{
    bool differs = record->leader != METADATA_SAME_LEADER || record->leader_recovery_state >= 0;
    if (w->isr.count > 0 || w->rules->elr)
        differs |=
            set_list(&record->isr, &record->isr_count, w->isr, metadata_ids(w->p, METADATA_ISR));
    differs |= set_list(&record->eligible_leader_replicas, &record->eligible_leader_replicas_count,
                        w->elr, metadata_ids(w->p, METADATA_ELR));
    differs |= set_list(&record->last_known_elr, &record->last_known_elr_count, w->last_known,
                        metadata_ids(w->p, METADATA_LAST_KNOWN_ELR));
    return differs;
}

enum err controller_change_partition(const struct controller_view *view,
                                     const struct controller_change *change,
                                     const struct controller_rules *rules, struct arena *arena,
                                     struct wire_partition_change_record *record, bool *differs)
{
    struct work w = {.view = view,
                     .change = change,
                     .rules = rules,
                     .p = metadata_partition(change->topic, change->partition)};
    w.isr = change->isr.count < 0 ? metadata_ids(w.p, METADATA_ISR) : change->isr;
    wire_defaults(&wire_partition_change_record_message, record);
    record->partition_id = change->partition;
    record->topic_id = change->topic->id;
    if (change->recovered && w.p->leader_recovery_state == CONTROLLER_RECOVERING)
        record->leader_recovery_state = CONTROLLER_RECOVERED;
    bool unclean;
    enum err e = find_eligible(&w, arena);
    int32_t leader = e == ERR_NONE ? elect(&w, &unclean) : CONTROLLER_NOBODY;
    if (e == ERR_NONE)
        e = install_leader(&w, leader, unclean, record, arena);
    if (e == ERR_NONE)
        e = find_last_known(&w, leader, arena);
    if (e != ERR_NONE)
        return e;
    *differs = set_lists(&w, record);
    ASSERT(leader == CONTROLLER_NOBODY || controller_contains(w.isr, leader));
    return ERR_NONE;
}

void controller_rules_of(const struct controller_view *view, const struct metadata_topic *topic,
                         const struct metadata_topic_config *defaults, struct controller_rules *out)
{
    struct metadata_topic_config config;
    metadata_topic_configured(topic, defaults, &config);
    *out = (struct controller_rules){
        .min_insync = (int32_t)MIN(config.min_insync_replicas, INT32_MAX),
        .elr = metadata_feature_level(view->image, METADATA_FEATURE_ELR) > 0,
        .unclean = config.unclean_leader_election_enable != 0};
}
