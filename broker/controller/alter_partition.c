/* alter_partition.c - the leader of a partition says who is in sync (KIP-497, 841, 903): each check
 * of P-11 in its order, for each of them is a case in which somebody would be elected who lacks
 * what is committed. Pure. */
#include "controller/internal.h"

/* Among the replicas, each once (Replicas.validateIsr). */
static bool is_plausible(const struct metadata_partition *p,
                         const struct controller_altered_partition *a)
{
    for (int32_t i = 0; i < a->isr_count; i++) {
        if (!controller_contains(metadata_ids(p, METADATA_REPLICAS), a->isr[i].broker_id))
            return false;
        for (int32_t k = 0; k < i; k++) {
            if (a->isr[k].broker_id == a->isr[i].broker_id)
                return false;
        }
    }
    return a->isr_count > 0;
}

static bool names_itself(const struct controller_altered_partition *a, int32_t leader)
{
    for (int32_t i = 0; i < a->isr_count; i++) {
        if (a->isr[i].broker_id == leader)
            return true;
    }
    return false;
}

/* Whoever was fenced meanwhile, or is another life than the one that fetched (KIP-903), may lack
 * what it had then. */
static bool is_eligible(const struct controller_view *view, const struct controller_in_sync *member)
{
    const struct metadata_broker *broker = metadata_find_broker(view->image, member->broker_id);
    if (broker == NULL || broker->fenced || broker->in_controlled_shutdown)
        return false;
    return member->broker_epoch == CONTROLLER_NO_EPOCH || member->broker_epoch == broker->epoch;
}

/* Who has no room will soon lack what others wait for it to have; who is in sync goes by its own
 * heartbeat. */
static bool has_room(const struct controller_view *view, const struct metadata_topic *topic,
                     const struct metadata_topic_config *defaults, int32_t partition, int32_t id)
{
    struct controller_rules rules;
    struct metadata_ids isr = metadata_ids(metadata_partition(topic, partition), METADATA_ISR);
    if (controller_session_has_room(view->sessions, id) || controller_contains(isr, id) ||
        KNOWN_BUG(full_joins))
        return true;
    controller_rules_of(view, topic, defaults, &rules);
    return !controller_goes_without(view, topic, partition, id, rules.min_insync);
}

static int16_t check_recovery(const struct metadata_partition *p,
                              const struct controller_altered_partition *a)
{
    bool recovering = a->leader_recovery_state == CONTROLLER_RECOVERING;
    if (a->leader_recovery_state != CONTROLLER_RECOVERED && !recovering)
        return WIRE_ERROR_INVALID_REQUEST;
    if (recovering && a->isr_count > 1)
        return WIRE_ERROR_INVALID_REQUEST;
    return recovering && p->leader_recovery_state == CONTROLLER_RECOVERED
               ? WIRE_ERROR_INVALID_REQUEST
               : WIRE_ERROR_NONE;
}

static int16_t check(const struct controller_view *view, const struct controller_alter_partition *c,
                     const struct metadata_topic *topic,
                     const struct metadata_topic_config *defaults,
                     const struct controller_altered_partition *a)
{
    const struct metadata_partition *p = metadata_partition(topic, a->partition);
    /* It knows more than this one: this one does not lead any more (KAFKA-14154). */
    if (a->leader_epoch > p->leader_epoch || a->partition_epoch > p->partition_epoch)
        return WIRE_ERROR_NOT_CONTROLLER;
    if (a->leader_epoch < p->leader_epoch)
        return WIRE_ERROR_FENCED_LEADER_EPOCH;
    if (c->broker_id != p->leader)
        return WIRE_ERROR_INVALID_REQUEST;
    if (a->partition_epoch < p->partition_epoch)
        return WIRE_ERROR_INVALID_UPDATE_VERSION;
    if (!is_plausible(p, a) || !names_itself(a, p->leader))
        return WIRE_ERROR_INVALID_REQUEST;
    int16_t code = check_recovery(p, a);
    for (int32_t i = 0; i < a->isr_count && code == WIRE_ERROR_NONE; i++) {
        if (!is_eligible(view, &a->isr[i]) ||
            !has_room(view, topic, defaults, a->partition, a->isr[i].broker_id))
            code = WIRE_ERROR_INELIGIBLE_REPLICA;
    }
    return code;
}

/* ---- what comes of it ---- */

static enum err change_of(const struct controller_altered_partition *a,
                          const struct metadata_topic *topic, struct arena *arena,
                          struct controller_change *out)
{
    int32_t *ids = arena_alloc(arena, (size_t)a->isr_count * sizeof *ids);
    if (ids == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < a->isr_count; i++)
        ids[i] = a->isr[i].broker_id;
    *out =
        (struct controller_change){.topic = topic,
                                   .partition = a->partition,
                                   .isr = {.ids = ids, .count = a->isr_count},
                                   .leaves = CONTROLLER_NOBODY,
                                   .comes = CONTROLLER_NOBODY,
                                   .lost = CONTROLLER_NOBODY,
                                   .election = CONTROLLER_ELECT_ANY,
                                   .recovered = a->leader_recovery_state == CONTROLLER_RECOVERED};
    return ERR_NONE;
}

/* Of one that was refused, or is as it was asked for already: as it is. */
static void tell(const struct metadata_partition *p, struct controller_altered_partition *a,
                 const struct wire_partition_change_record *record)
{
    a->now_leader = p->leader;
    a->now_leader_epoch = p->leader_epoch;
    a->now_partition_epoch = p->partition_epoch;
    a->now_recovery_state = p->leader_recovery_state;
    if (record == NULL)
        return;
    a->now_partition_epoch++;
    if (record->leader != METADATA_SAME_LEADER) {
        a->now_leader = record->leader;
        a->now_leader_epoch++;
    }
    if (record->leader_recovery_state >= 0)
        a->now_recovery_state = record->leader_recovery_state;
}

static enum err alter(const struct controller_view *view, struct controller_altered_partition *a,
                      const struct metadata_topic *topic,
                      const struct metadata_topic_config *defaults, struct arena *arena,
                      struct metadata_batch *batch)
{
    struct wire_partition_change_record record;
    struct controller_change change;
    struct controller_rules rules;
    bool differs = false;
    controller_rules_of(view, topic, defaults, &rules);
    enum err e = change_of(a, topic, arena, &change);
    if (e == ERR_NONE)
        e = controller_change_partition(view, &change, &rules, arena, &record, &differs);
    if (e == ERR_NONE && differs)
        e = controller_add(batch, &wire_partition_change_record_message, PARTITION_CHANGE_VERSION,
                           &record);
    if (e == ERR_NONE)
        tell(metadata_partition(topic, a->partition), a, differs ? &record : NULL);
    return e;
}

static enum err judge(const struct controller_view *view, struct controller_alter_partition *c,
                      struct controller_altered_partition *a,
                      const struct metadata_topic_config *defaults, struct arena *arena,
                      struct metadata_batch *batch)
{
    const struct metadata_topic *topic = metadata_find_id(view->image, &a->topic_id);
    if (topic == NULL) {
        a->code = WIRE_ERROR_UNKNOWN_TOPIC_ID;
        return ERR_NONE;
    }
    if (a->partition < 0 || a->partition >= topic->partition_count) {
        a->code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return ERR_NONE;
    }
    const struct metadata_partition *p = metadata_partition(topic, a->partition);
    a->code = check(view, c, topic, defaults, a);
    if (a->code == WIRE_ERROR_NONE)
        return alter(view, a, topic, defaults, arena, batch);
    tell(p, a, NULL);
    return ERR_NONE;
}

static int64_t bytes_of_all(const struct controller_alter_partition *c)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < c->count; i++)
        sum += CONTROLLER_CHANGE_BYTES_MAX(2 * c->altered[i].isr_count);
    return sum;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_alter_partition *c =
        CONTAINER_OF(command, struct controller_alter_partition, command);
    struct metadata_topic_config defaults;
    struct arena arena;
    command->rests_on_image = true;
    command->code = controller_check_epoch(view, c->broker_id, c->broker_epoch, &command->msg);
    if (command->code != WIRE_ERROR_NONE)
        return;
    arena_init(&arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    controller_topic_defaults(view, &defaults);
    enum err e = controller_expect(batch, c->count, bytes_of_all(c), "in-sync replicas");
    for (int32_t i = 0; i < c->count && e == ERR_NONE; i++) {
        e = judge(view, c, &c->altered[i], &defaults, &arena, batch);
        arena_reset(&arena);
    }
    if (e == ERR_NONE)
        e = controller_end(batch);
    command->code = controller_code_of(e);
    arena_free(&arena);
}

void controller_alter_partition_init(struct controller_alter_partition *c)
{
    *c = (struct controller_alter_partition){.command.verb = CONTROLLER_ALTER_PARTITION};
}

const struct verb controller_verb_alter_partition = {.decide = decide};
