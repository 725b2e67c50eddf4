/* alter_partition.c - 56: a leader says who is in sync (KIP-497, KIP-841, KIP-903). */
#include "api/internal.h"

struct alter_partition {
    struct api_commanded commanded;
    struct controller_alter_partition command;
};

static void refuse(struct request *r, int16_t code)
{
    struct wire_alter_partition_response body;
    wire_defaults(&wire_alter_partition_response_message, &body);
    body.error_code = code;
    api_request_answer(r, &body);
}

/* ---- the answer ---- */

/* A partition that was refused, or is not there, has no list. */
static bool fill_partition(struct request *r, const struct controller_altered_partition *a,
                           struct wire_alter_partition_response_partition *out)
{
    *out = (struct wire_alter_partition_response_partition){.partition_index = a->partition,
                                                            .error_code = a->code};
    if (a->code != WIRE_ERROR_NONE)
        return true;
    out->leader_id = a->now_leader;
    out->leader_epoch = a->now_leader_epoch;
    out->partition_epoch = a->now_partition_epoch;
    out->leader_recovery_state = a->now_recovery_state;
    out->isr = api_request_alloc(r, (size_t)a->isr_count, sizeof *out->isr);
    for (int32_t i = 0; i < a->isr_count && out->isr != NULL; i++)
        out->isr[out->isr_count++] = a->isr[i].broker_id;
    return out->isr != NULL;
}

static bool fill(struct request *r, const struct controller_alter_partition *c,
                 struct wire_alter_partition_response *body)
{
    const struct wire_alter_partition_request *in = r->body;
    const struct controller_altered_partition *next = c->altered;
    body->topics = api_request_alloc(r, (size_t)MAX(in->topics_count, 0), sizeof *body->topics);
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct wire_alter_partition_response_topic *topic = &body->topics[i];
        if (body->topics == NULL)
            return false;
        *topic = (struct wire_alter_partition_response_topic){.topic_id = in->topics[i].topic_id};
        int32_t count = MAX(in->topics[i].partitions_count, 0);
        topic->partitions = api_request_alloc(r, (size_t)count, sizeof *topic->partitions);
        if (topic->partitions == NULL)
            return false;
        for (; topic->partitions_count < count; topic->partitions_count++) {
            if (!fill_partition(r, next++, &topic->partitions[topic->partitions_count]))
                return false;
        }
        body->topics_count++;
    }
    return true;
}

static void answer(struct request *r)
{
    struct alter_partition *s = CONTAINER_OF(r, struct alter_partition, commanded.request);
    struct wire_alter_partition_response body;
    wire_defaults(&wire_alter_partition_response_message, &body);
    body.error_code = s->command.command.code;
    if (body.error_code != WIRE_ERROR_NONE || fill(r, &s->command, &body))
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

/* ---- the command ---- */

/* Before version 3 nobody says with which epoch a replica has fetched. */
static bool take_members(struct request *r, const struct wire_alter_partition_request_partition *in,
                         struct controller_altered_partition *out)
{
    bool epochs = api_request_version(r) >= 3;
    int32_t count = MAX(epochs ? in->new_isr_with_epochs_count : in->new_isr_count, 0);
    struct controller_in_sync *isr = api_request_alloc(r, (size_t)count, sizeof *isr);
    if (isr == NULL)
        return false;
    for (int32_t i = 0; i < count; i++)
        isr[i] =
            epochs ? (struct controller_in_sync){.broker_id = in->new_isr_with_epochs[i].broker_id,
                                                 .broker_epoch =
                                                     in->new_isr_with_epochs[i].broker_epoch}
                   : (struct controller_in_sync){.broker_id = in->new_isr[i],
                                                 .broker_epoch = CONTROLLER_NO_EPOCH};
    out->isr = isr;
    out->isr_count = count;
    return true;
}

/* False: no memory. */
static bool take_partitions(struct request *r, struct controller_alter_partition *c)
{
    const struct wire_alter_partition_request *in = r->body;
    int32_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    c->altered = api_request_alloc(r, (size_t)count, sizeof *c->altered);
    if (c->altered == NULL)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++) {
            const struct wire_alter_partition_request_partition *p = &in->topics[i].partitions[k];
            struct controller_altered_partition *a = &c->altered[c->count++];
            *a = (struct controller_altered_partition){.topic_id = in->topics[i].topic_id,
                                                       .partition = p->partition_index,
                                                       .leader_epoch = p->leader_epoch,
                                                       .partition_epoch = p->partition_epoch,
                                                       .leader_recovery_state =
                                                           p->leader_recovery_state};
            if (!take_members(r, p, a))
                return false;
        }
    }
    return true;
}

static const struct api_command_kind kind = {.until = QUORUM_COMMITTED, .answer = answer};

static void begin(struct request *r)
{
    struct alter_partition *s = CONTAINER_OF(r, struct alter_partition, commanded.request);
    const struct wire_alter_partition_request *in = r->body;
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    controller_alter_partition_init(&s->command);
    s->command.broker_id = in->broker_id;
    s->command.broker_epoch = in->broker_epoch;
    if (!take_partitions(r, &s->command)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    if (s->command.count > METADATA_RECORDS_MAX)
        refuse(r, WIRE_ERROR_POLICY_VIOLATION);
    else
        api_command(r, &kind, &s->command.command, 0);
}

const struct handler api_handler_alter_partition = {
    .key = 56,
    .state_size = sizeof(struct alter_partition),
    .begin = begin,
    .drop = api_command_drop,
};
