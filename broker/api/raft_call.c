/* raft_call.c - what a node of the metadata quorum asks another, from Kafka's request to raft and
 * back. Only who may act for the cluster, and knows its id, is heard. */
#include "api/internal.h"

static struct raft_call *call_of(struct request *r)
{
    return CONTAINER_OF(r, struct raft_call, request);
}

static void refuse(struct request *r, enum raft_api api, int16_t code)
{
    struct raft_call *call = call_of(r);
    api_request_answer(r, talk_refuse(&call->answer, api, r->body, code));
}

/* Where who leads is found; NULL: not known. */
static const struct talk_endpoint *leader_at(const struct api *api, int32_t leader_id)
{
    const struct api_settings *settings = &api->settings;
    for (int32_t i = 0; i < settings->voter_count; i++) {
        if (settings->voters[i].id == leader_id)
            return &settings->voters[i].at;
    }
    return NULL;
}

/* The bytes are copied into the answer, so that the quorum has its own back at once. */
static void answer(struct raft_call *call)
{
    struct request *r = &call->request;
    const struct raft_response *says = &call->ask.answer;
    struct wire_bytes content = {.data = call->ask.bytes.data,
                                 .size = (int32_t)call->ask.bytes.size};
    ASSERT(call->ask.bytes.size <= INT32_MAX);
    const void *body = talk_answer(&call->answer, says, api_request_version(r),
                                   leader_at(r->api, says->leader_id), content);
    if (says->api == RAFT_FETCH && says->code == WIRE_ERROR_NONE)
        call->answer.fetch.partition.log_start_offset = call->ask.log_start;
    if (!api_request_encode(r, body))
        return;
    quorum_ask_end(&call->ask);
    r->part = (struct env_part){.data = r->out.data, .size = r->out.size};
    r->answer.parts = &r->part;
    r->answer.part_count = 1;
    api_request_send(r);
}

static void on_answered(struct quorum_ask *ask)
{
    answer(CONTAINER_OF(ask, struct raft_call, ask));
}

void api_raft_begin(struct request *r, enum raft_api api)
{
    struct raft_call *call = call_of(r);
    struct quorum *quorum = r->api->quorum;
    struct raft_key self = {.id = quorum_node_id(quorum)};
    struct talk_asked asked;
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, api, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    int16_t code =
        talk_take(api, api_request_version(r), r->body, r->api->settings.cluster_id, &self, &asked);
    if (code != WIRE_ERROR_NONE) {
        refuse(r, api, code);
        return;
    }
    call->ask.request = asked.request;
    call->ask.high_watermark = asked.high_watermark;
    call->ask.bytes_max = asked.bytes_max;
    call->ask.wait_ns = ENV_NS_OF_MS(MIN(asked.wait_ms_max, API_WAIT_MS_MAX));
    quorum_ask(quorum, &call->ask, on_answered);
}

/* It is parked, and nobody waits any longer, or the node stops. */
void api_raft_hurry(struct request *r)
{
    struct raft_call *call = call_of(r);
    const struct quorum *quorum = r->api->quorum;
    quorum_ask_end(&call->ask);
    call->ask.bytes = bytes_of(NULL, 0);
    call->ask.answer = (struct raft_response){.api = call->ask.request.api,
                                              .code = WIRE_ERROR_BROKER_NOT_AVAILABLE,
                                              .epoch = quorum_epoch(quorum),
                                              .leader_id = quorum_leader(quorum)};
    answer(call);
}

void api_raft_drop(struct request *r)
{
    quorum_ask_end(&call_of(r)->ask);
}
