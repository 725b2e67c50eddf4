/* make_topics.c - topics that are made because somebody asked for them, where another node decides:
 * a CreateTopics in the asker's name, as Kafka's AutoTopicCreationManager sends it. */
#include "api/internal.h"

#define API_CREATE_TOPICS 19
#define VERSION 7

enum stage {
    ENDED,
    FLIES,
    APPLIES, /* here */
};

static void end(struct api_made *made)
{
    env_disarm(made->request->api->env, &made->deadline);
    made->stage = ENDED;
    made->done(made->request);
}

static void fail(struct api_made *made, int16_t code)
{
    for (int32_t i = 0; i < made->create->topic_count; i++)
        made->create->topics[i].code = code;
    end(made);
}

/* ---- the answer ---- */

static void on_applied(struct quorum_request *awaited)
{
    end(CONTAINER_OF(awaited, struct api_made, awaited));
}

static void take_codes(struct api_made *made, const struct wire_create_topics_response *says)
{
    for (int32_t i = 0; i < made->create->topic_count; i++) {
        struct controller_new_topic *topic = &made->create->topics[i];
        topic->code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
        for (int32_t k = 0; k < says->topics_count; k++) {
            struct wire_string name = says->topics[k].name;
            if (bytes_equal(topic->name, bytes_of(name.data, (size_t)name.size)))
                topic->code = says->topics[k].error_code;
        }
    }
}

static void on_answered(struct api_made *made)
{
    struct request *r = made->request;
    const struct wire_api *api = wire_api(API_CREATE_TOPICS);
    struct bytes in = made->forwarded.answer;
    struct wire_response_header header;
    struct wire_create_topics_response says;
    size_t used = 0;
    enum err e =
        wire_decode(&wire_response_header_message, wire_response_header_version(api, VERSION), in,
                    &used, &header, &r->arena, NULL);
    if (e == ERR_NONE)
        e = wire_decode(api->response, VERSION, bytes_of(in.data + used, in.size - used), NULL,
                        &says, &r->arena, NULL);
    if (e != ERR_NONE) {
        fail(made, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    take_codes(made, &says);
    made->stage = APPLIES;
    quorum_await(r->api->quorum, &made->awaited, made->forwarded.metadata_offset, on_applied);
}

static void on_forwarded(struct api_forwarded *op)
{
    struct api_made *made = CONTAINER_OF(op, struct api_made, forwarded);
    made->stage = ENDED;
    switch (op->end) {
    case API_FORWARD_ANSWERED:
        on_answered(made);
        return;
    case API_FORWARD_HERE: /* who asks again is served here */
    case API_FORWARD_LATE:
    case API_FORWARD_REFUSED:
        fail(made, WIRE_ERROR_LEADER_NOT_AVAILABLE);
        return;
    }
    UNREACHABLE();
}

/* ---- the request ---- */

/* In the request's arena. False: no memory. */
static bool encode(struct api_made *made)
{
    struct request *r = made->request;
    const struct wire_api *api = wire_api(API_CREATE_TOPICS);
    struct wire_request_header header = {.request_api_key = API_CREATE_TOPICS,
                                         .request_api_version = VERSION,
                                         .correlation_id = r->header.correlation_id,
                                         .client_id = r->header.client_id};
    struct wire_create_topics_request body;
    int32_t count = made->create->topic_count;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.timeout_ms = API_MAKE_MS_MAX;
    body.topics = api_request_alloc(r, (size_t)count, sizeof *body.topics);
    if (body.topics == NULL)
        return false;
    for (; body.topics_count < count; body.topics_count++) {
        struct bytes name = made->create->topics[body.topics_count].name;
        body.topics[body.topics_count] = (struct wire_create_topics_request_topic){
            .name = {.data = (const char *)name.data, .size = (int32_t)name.size},
            .num_partitions = -1,
            .replication_factor = -1};
    }
    enum err e = wire_encode(&wire_request_header_message,
                             wire_request_header_version(api, VERSION), &header, &made->frame);
    if (e == ERR_NONE)
        e = wire_encode(api->request, VERSION, &body, &made->frame);
    return e == ERR_NONE;
}

static void on_deadline(struct env_timer *timer)
{
    api_make_topics_hurry(CONTAINER_OF(timer, struct api_made, deadline));
}

void api_make_topics(struct request *r, struct api_made *made,
                     struct controller_create_topics *create, void (*done)(struct request *r))
{
    *made = (struct api_made){.request = r, .create = create, .done = done, .stage = ENDED};
    wire_out_init(&made->frame, r->mem);
    if (!encode(made)) {
        fail(made, WIRE_ERROR_LEADER_NOT_AVAILABLE);
        return;
    }
    made->stage = FLIES;
    made->deadline.fire = on_deadline;
    env_arm(r->api->env, &made->deadline, api_request_deadline(r, API_MAKE_MS_MAX));
    api_forward_begin(r, &made->forwarded, bytes_of(made->frame.data, made->frame.size),
                      made->deadline.deadline_ns, false, on_forwarded);
}

/* What is being made will be there. */
void api_make_topics_hurry(struct api_made *made)
{
    switch ((enum stage)made->stage) {
    case ENDED:
        return;
    case FLIES:
        api_forward_cancel(made->request, &made->forwarded);
        fail(made, WIRE_ERROR_LEADER_NOT_AVAILABLE);
        return;
    case APPLIES:
        if (quorum_cancel(&made->awaited))
            end(made);
        return;
    }
    UNREACHABLE();
}

void api_make_topics_drop(struct api_made *made)
{
    if (made->request == NULL)
        return;
    env_disarm(made->request->api->env, &made->deadline);
    wire_out_free(&made->frame);
}
