/* response.c - what Kafka's answer says, into the command that was asked. Pure; strangers wrote it.
 */
#include "orders/internal.h"

/* What a command is told that got no answer of its own. */
#define UNANSWERED WIRE_ERROR_UNKNOWN_SERVER_ERROR

union answers {
    struct wire_broker_registration_response registration;
    struct wire_broker_heartbeat_response heartbeat;
    struct wire_alter_partition_response alter_partition;
    struct wire_allocate_producer_ids_response allocation;
    struct wire_assign_replicas_to_dirs_response assignment;
};

static enum err take_code(struct controller_command *command, int16_t code)
{
    command->code = code;
    command->msg = (struct errmsg){0};
    if (code != WIRE_ERROR_NONE)
        errmsg_set(&command->msg, ERR_INVALID, "%s", wire_error_text(code));
    return ERR_NONE;
}

static enum err take_registration(struct controller_command *command,
                                  const struct wire_broker_registration_response *says)
{
    struct controller_register_broker *c =
        CONTAINER_OF(command, struct controller_register_broker, command);
    c->epoch = says->broker_epoch;
    if (says->error_code == WIRE_ERROR_NONE && says->broker_epoch < 0)
        return ERR_CORRUPT;
    return take_code(command, says->error_code);
}

static enum err take_heartbeat(struct controller_command *command,
                               const struct wire_broker_heartbeat_response *says)
{
    struct controller_heartbeat *c = CONTAINER_OF(command, struct controller_heartbeat, command);
    c->is_caught_up = says->is_caught_up;
    c->is_fenced = says->is_fenced;
    c->may_go = says->should_shut_down;
    c->taken = says->replicas_taken < 0    ? CONTROLLER_REPORTS_UNKNOWN
               : says->replicas_taken == 0 ? CONTROLLER_REPORTS_LATE
                                           : CONTROLLER_REPORTS_TAKEN;
    return take_code(command, says->error_code);
}

/* As many as whoever leads gives; Kafka gives CONTROLLER_PRODUCER_ID_BLOCK. */
static enum err take_allocation(struct controller_command *command,
                                const struct wire_allocate_producer_ids_response *says)
{
    struct controller_allocate_producer_ids *c =
        CONTAINER_OF(command, struct controller_allocate_producer_ids, command);
    c->first = says->producer_id_start;
    c->id_count = says->producer_id_len;
    bool fits = says->producer_id_start >= 0 && says->producer_id_len > 0 &&
                says->producer_id_start <= INT64_MAX - says->producer_id_len;
    if (says->error_code == WIRE_ERROR_NONE && !fits)
        return ERR_CORRUPT;
    return take_code(command, says->error_code);
}

/* ---- lists: as they were asked, or in any other order ---- */

static struct controller_altered_partition *find_altered(struct controller_alter_partition *c,
                                                         int32_t from, const struct wire_uuid *id,
                                                         int32_t partition)
{
    for (int32_t i = 0; i < c->count; i++) {
        struct controller_altered_partition *a = &c->altered[(from + i) % c->count];
        if (a->partition == partition && wire_uuid_equal(&a->topic_id, id))
            return a;
    }
    return NULL;
}

static void take_altered(struct controller_altered_partition *a,
                         const struct wire_alter_partition_response_partition *says)
{
    a->code = says->error_code;
    a->now_leader = says->leader_id;
    a->now_leader_epoch = says->leader_epoch;
    a->now_partition_epoch = says->partition_epoch;
    a->now_recovery_state = says->leader_recovery_state;
}

static enum err take_alter_partition(struct controller_command *command,
                                     const struct wire_alter_partition_response *says)
{
    struct controller_alter_partition *c =
        CONTAINER_OF(command, struct controller_alter_partition, command);
    int32_t next = 0;
    for (int32_t i = 0; i < c->count; i++)
        c->altered[i].code = UNANSWERED;
    for (int32_t i = 0; i < says->topics_count; i++) {
        const struct wire_alter_partition_response_topic *topic = &says->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct controller_altered_partition *a =
                find_altered(c, next, &topic->topic_id, topic->partitions[k].partition_index);
            if (a == NULL)
                return ERR_CORRUPT;
            take_altered(a, &topic->partitions[k]);
            next = (int32_t)(a - c->altered) + 1;
        }
    }
    return take_code(command, says->error_code);
}

static int32_t find_place(const struct controller_assign_directories *c, int32_t from,
                          const struct wire_uuid *id, int32_t partition)
{
    for (int32_t i = 0; i < c->count; i++) {
        int32_t at = (from + i) % c->count;
        if (c->places[at].partition == partition && wire_uuid_equal(&c->places[at].topic_id, id))
            return at;
    }
    return -1;
}

static enum err take_places(struct controller_assign_directories *c,
                            const struct wire_assign_replicas_to_dirs_response_topic *topic,
                            int32_t *next)
{
    for (int32_t k = 0; k < topic->partitions_count; k++) {
        int32_t at = find_place(c, *next, &topic->topic_id, topic->partitions[k].partition_index);
        if (at < 0)
            return ERR_CORRUPT;
        if (c->codes != NULL)
            c->codes[at] = topic->partitions[k].error_code;
        *next = at + 1;
    }
    return ERR_NONE;
}

static enum err take_assignment(struct controller_command *command,
                                const struct wire_assign_replicas_to_dirs_response *says)
{
    struct controller_assign_directories *c =
        CONTAINER_OF(command, struct controller_assign_directories, command);
    enum err e = ERR_NONE;
    int32_t next = 0;
    for (int32_t i = 0; i < c->count && c->codes != NULL; i++)
        c->codes[i] = UNANSWERED;
    for (int32_t i = 0; i < says->directories_count; i++) {
        const struct wire_assign_replicas_to_dirs_response_directory *d = &says->directories[i];
        if (!wire_uuid_equal(&d->id, &c->directory))
            return ERR_CORRUPT;
        for (int32_t k = 0; k < d->topics_count && e == ERR_NONE; k++)
            e = take_places(c, &d->topics[k], &next);
    }
    return e == ERR_NONE ? take_code(command, says->error_code) : e;
}

/* ---- all of them ---- */

static enum err take(struct controller_command *command, const union answers *says)
{
    switch ((int)command->verb) {
    case CONTROLLER_REGISTER_BROKER:
        return take_registration(command, &says->registration);
    case CONTROLLER_HEARTBEAT:
        return take_heartbeat(command, &says->heartbeat);
    case CONTROLLER_ALTER_PARTITION:
        return take_alter_partition(command, &says->alter_partition);
    case CONTROLLER_ALLOCATE_PRODUCER_IDS:
        return take_allocation(command, &says->allocation);
    case CONTROLLER_ASSIGN_DIRECTORIES:
        return take_assignment(command, &says->assignment);
    default:
        UNREACHABLE();
    }
}

enum err orders_response(struct controller_command *command, int16_t version, struct bytes body,
                         struct mem *mem)
{
    const struct wire_message *message = wire_api(orders_api(command->verb))->response;
    union answers says;
    struct arena arena;
    ASSERT(message->size <= sizeof says);
    arena_init(&arena, mem, ORDERS_ARENA_BYTES);
    enum err e = wire_decode(message, version, body, NULL, &says, &arena, NULL);
    if (e == ERR_NONE)
        e = take(command, &says);
    arena_free(&arena);
    return e;
}
