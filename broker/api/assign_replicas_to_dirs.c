/* assign_replicas_to_dirs.c - 73: in which directory another broker has made its replicas
 * (KIP-858); one directory after the other. */
#include "api/internal.h"

struct assignment {
    struct api_commanded commanded;
    struct controller_assign_directories command;
    int32_t next; /* of the directories */
    struct wire_assign_replicas_to_dirs_response body;
};

static void refuse(struct request *r, int16_t code)
{
    struct wire_assign_replicas_to_dirs_response body;
    wire_defaults(&wire_assign_replicas_to_dirs_response_message, &body);
    body.error_code = code;
    api_request_answer(r, &body);
}

static int32_t count_of(const struct wire_assign_replicas_to_dirs_request_directory *d)
{
    int32_t count = 0;
    for (int32_t i = 0; i < d->topics_count; i++)
        count += MAX(d->topics[i].partitions_count, 0);
    return count;
}

/* False: no memory. */
static bool take_places(struct request *r,
                        const struct wire_assign_replicas_to_dirs_request_directory *d,
                        struct controller_assign_directories *c)
{
    size_t count = (size_t)count_of(d);
    struct controller_place *places = api_request_alloc(r, count, sizeof *places);
    c->codes = api_request_alloc(r, count, sizeof *c->codes);
    if (places == NULL || c->codes == NULL)
        return false;
    for (int32_t i = 0; i < d->topics_count; i++) {
        for (int32_t k = 0; k < d->topics[i].partitions_count; k++)
            places[c->count++] =
                (struct controller_place){.topic_id = d->topics[i].topic_id,
                                          .partition = d->topics[i].partitions[k].partition_index};
    }
    c->places = places;
    c->directory = d->id;
    return true;
}

/* What became of one directory's. */
static bool fill(struct request *r, const struct wire_assign_replicas_to_dirs_request_directory *in,
                 const int16_t *codes, struct wire_assign_replicas_to_dirs_response_directory *out)
{
    int32_t next = 0;
    *out = (struct wire_assign_replicas_to_dirs_response_directory){.id = in->id};
    out->topics = api_request_alloc(r, (size_t)MAX(in->topics_count, 0), sizeof *out->topics);
    for (int32_t i = 0; i < in->topics_count && out->topics != NULL; i++) {
        struct wire_assign_replicas_to_dirs_response_topic *topic = &out->topics[i];
        size_t count = (size_t)MAX(in->topics[i].partitions_count, 0);
        *topic = (struct wire_assign_replicas_to_dirs_response_topic){
            .topic_id = in->topics[i].topic_id,
            .partitions = api_request_alloc(r, count, sizeof *topic->partitions)};
        if (topic->partitions == NULL)
            return false;
        for (size_t k = 0; k < count; k++)
            topic->partitions[topic->partitions_count++] =
                (struct wire_assign_replicas_to_dirs_response_partition){
                    .partition_index = in->topics[i].partitions[k].partition_index,
                    .error_code = codes[next++]};
        out->topics_count++;
    }
    return out->topics != NULL;
}

static void submit_next(struct request *r);

static void go_on(struct request *r)
{
    struct assignment *s = CONTAINER_OF(r, struct assignment, commanded.request);
    const struct wire_assign_replicas_to_dirs_request *in = r->body;
    if (s->command.command.code != WIRE_ERROR_NONE) {
        refuse(r, s->command.command.code);
        return;
    }
    if (!fill(r, &in->directories[s->next], s->command.codes, &s->body.directories[s->next])) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->next++;
    s->body.directories_count++;
    submit_next(r);
}

static const struct api_command_kind kind = {.until = QUORUM_COMMITTED, .answer = go_on};

/* Those that name nothing are told with nothing. */
static void submit_next(struct request *r)
{
    struct assignment *s = CONTAINER_OF(r, struct assignment, commanded.request);
    const struct wire_assign_replicas_to_dirs_request *in = r->body;
    for (; s->next < in->directories_count; s->next++) {
        controller_assign_directories_init(&s->command);
        s->command.broker_id = in->broker_id;
        s->command.broker_epoch = MAX(in->broker_epoch, 0); /* -1 is nobody's */
        if (!take_places(r, &in->directories[s->next], &s->command)) {
            api_request_break(r, ERR_NOMEM);
            return;
        }
        if (s->command.count > METADATA_RECORDS_MAX) {
            refuse(r, WIRE_ERROR_POLICY_VIOLATION);
            return;
        }
        if (s->command.count > 0) {
            api_command(r, &kind, &s->command.command, 0);
            return;
        }
        s->body.directories[s->body.directories_count++] =
            (struct wire_assign_replicas_to_dirs_response_directory){
                .id = in->directories[s->next].id};
    }
    api_request_answer(r, &s->body);
}

static void begin(struct request *r)
{
    struct assignment *s = CONTAINER_OF(r, struct assignment, commanded.request);
    const struct wire_assign_replicas_to_dirs_request *in = r->body;
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    wire_defaults(&wire_assign_replicas_to_dirs_response_message, &s->body);
    s->body.directories =
        api_request_alloc(r, (size_t)MAX(in->directories_count, 0), sizeof *s->body.directories);
    if (s->body.directories == NULL)
        api_request_break(r, ERR_NOMEM);
    else
        submit_next(r);
}

const struct handler api_handler_assign_replicas_to_dirs = {
    .key = 73,
    .state_size = sizeof(struct assignment),
    .begin = begin,
    .drop = api_command_drop,
};
