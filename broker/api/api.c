/* api.c - a frame becomes a request, a handler makes an answer of it. What breaks the protocol
 * closes its connection and nothing else. */
#include "api/internal.h"

static const struct handler *const handlers[] = {
    &api_handler_produce,
    &api_handler_fetch,
    &api_handler_list_offsets,
    &api_handler_metadata,
    &api_handler_find_coordinator,
    &api_handler_api_versions,
    &api_handler_create_topics,
    &api_handler_delete_topics,
    &api_handler_init_producer_id,
    &api_handler_sasl_handshake,
    &api_handler_sasl_authenticate,
    &api_handler_describe_configs,
    &api_handler_alter_configs,
    &api_handler_incremental_alter_configs,
    &api_handler_create_partitions,
    &api_handler_delete_records,
    &api_handler_offset_for_leader_epoch,
    &api_handler_describe_cluster,
    &api_handler_describe_log_dirs,
    &api_handler_describe_quorum,
    &api_handler_list_config_resources,
    &api_handler_describe_topic_partitions,
    &api_handler_update_features,
    &api_handler_vote,
    &api_handler_begin_quorum_epoch,
    &api_handler_end_quorum_epoch,
    &api_handler_fetch_log,
    &api_handler_fetch_snapshot,
    &api_handler_elect_leaders,
    &api_handler_alter_partition,
    &api_handler_broker_registration,
    &api_handler_broker_heartbeat,
    &api_handler_allocate_producer_ids,
    &api_handler_assign_replicas_to_dirs,
    &api_handler_envelope,
    &api_handler_unregister_broker,
    &api_handler_controller_registration,
};

static const char over_budget[] =
    "there is no memory for it; queued.max.request.bytes bounds what all requests may take";

/* NULL: kiln has none, by whichever listener. */
static const struct handler *find_handler(int16_t key, enum wire_on on)
{
    for (int i = 0; i < COUNT_OF(handlers); i++) {
        if (handlers[i]->key == key && (handlers[i]->on == 0 || (handlers[i]->on & on) != 0))
            return handlers[i];
    }
    return NULL;
}

enum err api_new(struct api **out, struct env *env, struct mem *mem, struct trace *trace,
                 struct notes *notes, struct quorum *quorum, struct replica_set *replicas,
                 const struct api_settings *settings)
{
    struct api *api = mem_zalloc(mem, sizeof *api);
    if (api == NULL)
        return ERR_NOMEM;
    *api = (struct api){
        .env = env,
        .mem = mem,
        .trace = trace,
        .quorum = quorum,
        .replicas = replicas,
        .settings = *settings,
    };
    list_init(&api->requests);
    list_init(&api->producing);
    api_refusals_init(&api->refusals, env, notes);
    api_producer_ids_init(&api->producer_ids, env, quorum, settings->orders, trace);
    enum err e = api_sessions_init(&api->sessions, env, mem, (int32_t)settings->fetch_sessions_max);
    if (e != ERR_NONE) {
        api_free(api);
        return e;
    }
    *out = api;
    return ERR_NONE;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    ASSERT(list_empty(&api->requests));
    api_producer_ids_free(&api->producer_ids);
    api_sessions_free(&api->sessions);
    api_refusals_end(&api->refusals);
    mem_free(api->mem, api);
}

static void tell_idle(struct api *api)
{
    struct api_idle *idle = api->idle;
    if (!list_empty(&api->requests) || idle == NULL)
        return;
    api->idle = NULL;
    idle->idle(idle);
}

void api_stop(struct api *api, struct api_idle *idle)
{
    api->stopping = true;
    /* A handler that hurries may end other requests with it, so each look starts anew. */
    struct list hurried;
    list_init(&hurried);
    struct list *link;
    while ((link = list_pop_front(&api->requests)) != NULL) {
        struct request *r = CONTAINER_OF(link, struct request, link);
        list_push_back(&hurried, &r->link);
        if (r->handler->hurry != NULL && r->on != NULL && r->on->context == r)
            r->handler->hurry(r);
    }
    list_splice_back(&api->requests, &hurried);
    api->idle = idle;
    tell_idle(api);
}

/* ---- the life of a request ---- */

void api_request_free(struct request *r)
{
    struct api *api = r->api;
    env_disarm(api->env, &r->yield);
    if (r->handler->drop != NULL)
        r->handler->drop(r);
    list_remove(&r->link);
    wire_out_free(&r->out);
    arena_free(&r->arena);
    buf_release(r->frame.buf);
    mem_free(r->mem, r);
    tell_idle(api);
}

static void release(struct conn_answer *answer)
{
    api_request_free(CONTAINER_OF(answer, struct request, answer));
}

void *api_request_alloc(struct request *r, size_t count, size_t size)
{
    if (count > API_ARENA_BYTES / size)
        return NULL;
    return arena_alloc(&r->arena, count * size);
}

int16_t api_request_version(const struct request *r)
{
    return r->header.request_api_version;
}

/* From now on the connection knows nothing of the request but its answer. */
static void detach(struct request *r)
{
    if (r->on != NULL)
        r->on->context = NULL;
    r->on = NULL;
    r->conn = NULL;
}

bool api_request_encode(struct request *r, const void *body)
{
    int version = api_request_version(r);
    struct wire_response_header header = {.correlation_id = r->header.correlation_id};
    enum err e =
        wire_encode(&wire_response_header_message,
                    wire_response_header_version(r->kind, (int16_t)version), &header, &r->out);
    if (e == ERR_NONE)
        e = wire_encode(r->kind->response, version, body, &r->out);
    ASSERT(e == ERR_NONE || e == ERR_NOMEM);
    if (e == ERR_NONE)
        return true;
    api_request_break(r, e);
    return false;
}

void api_request_send(struct request *r)
{
    if (r->envelope != NULL) {
        api_envelope_answer(r);
        return;
    }
    struct conn *conn = r->conn;
    struct conn_request *on = r->on;
    detach(r);
    if (conn == NULL) {
        api_request_free(r);
        return;
    }
    r->answer.release = release;
    conn_answer(conn, on, &r->answer);
}

void api_request_answer(struct request *r, const void *body)
{
    if (!api_request_encode(r, body))
        return;
    ASSERT(r->out.gap_count == 0);
    r->part = (struct env_part){.data = r->out.data, .size = r->out.size};
    r->answer.parts = &r->part;
    r->answer.part_count = 1;
    api_request_send(r);
}

void api_request_silent(struct request *r)
{
    struct conn *conn = r->conn;
    struct conn_request *on = r->on;
    detach(r);
    api_request_free(r);
    if (conn != NULL)
        conn_answer(conn, on, NULL);
}

void api_request_break(struct request *r, enum err e)
{
    api_request_refuse(r, e, e == ERR_NOMEM ? over_budget : err_text(e));
}

void api_request_refuse(struct request *r, enum err e, const char *sentence)
{
    if (r->envelope != NULL) {
        api_envelope_refuse(r, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    struct conn *conn = r->conn;
    enum refusal why = e == ERR_NOMEM ? REFUSED_MEMORY : REFUSED_SILENTLY;
    if (conn != NULL)
        api_refusals_tell(&r->api->refusals, conn, &r->header, (int)why, sentence);
    detach(r);
    api_request_free(r);
    if (conn != NULL)
        conn_close(conn, e);
}

void api_request_yield(struct request *r, void (*resume)(struct env_timer *yield))
{
    r->yield.fire = resume;
    env_arm(r->api->env, &r->yield, env_now(r->api->env));
}

int64_t api_request_deadline(const struct request *r, int32_t timeout_ms)
{
    int64_t wait_ms = MIN(MAX(timeout_ms, 0), API_WAIT_MS_MAX);
    return env_now(r->api->env) + wait_ms * 1000000;
}

int16_t api_request_ended(const struct request *r, int16_t code)
{
    bool by_id = api_request_version(r) >= API_TOPIC_ID_SINCE;
    bool gone = code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    return gone && by_id ? WIRE_ERROR_UNKNOWN_TOPIC_ID : code;
}

int16_t api_request_find(const struct request *r, const struct metadata_topic *topic,
                         int32_t partition, int16_t unknown, struct replica **out)
{
    *out = NULL;
    if (topic == NULL)
        return unknown;
    if (partition < 0 || partition >= topic->partition_count)
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    *out = replica_find(r->api->replicas, &topic->id, partition);
    return *out == NULL ? WIRE_ERROR_NOT_LEADER_OR_FOLLOWER : WIRE_ERROR_NONE;
}

/* ---- from the frame ---- */

/* header NULL: it could not be read. */
static void refuse(struct api *api, struct conn *conn, const struct wire_request_header *header,
                   enum refusal why, uint32_t size, const char *sentence)
{
    TRACE(api->trace, REQUEST_REFUSED, .reason = why, .size = size);
    if (why != REFUSED_STOPPING)
        api_refusals_tell(&api->refusals, conn, header, (int)why, sentence);
    conn_close(conn, why == REFUSED_MEMORY ? ERR_NOMEM : ERR_CORRUPT);
}

/* An asker that does not know us yet gets the oldest answer, which says what we speak (KIP-511). */
static void answer_unknown_versions(struct request *r)
{
    struct wire_api_versions_response_api_key self = {
        .api_key = r->kind->key,
        .min_version = r->kind->request->oldest,
        .max_version = r->kind->request->newest,
    };
    struct wire_api_versions_response body;
    wire_defaults(&wire_api_versions_response_message, &body);
    body.error_code = WIRE_ERROR_UNSUPPORTED_VERSION;
    body.api_keys_count = 1;
    body.api_keys = &self;
    r->header.request_api_version = 0;
    api_request_answer(r, &body);
}

/* What it holds is the asker's share, as its frame is. */
static struct request *request_new(struct api *api, const struct handler *handler, struct mem *mem,
                                   struct slice frame)
{
    struct request *r = mem_zalloc(mem, handler->state_size);
    if (r == NULL)
        return NULL;
    r->api = api;
    r->mem = mem;
    r->handler = handler;
    r->kind = wire_api(handler->key);
    r->frame = frame;
    if (frame.buf != NULL)
        buf_retain(frame.buf);
    arena_init(&r->arena, mem, API_ARENA_BYTES);
    wire_out_init(&r->out, mem);
    list_init(&r->link);
    list_push_back(&api->requests, &r->link);
    return r;
}

static void take_caller(struct request *r, const struct wire_request_header *header,
                        const struct api_caller *caller)
{
    r->header = *header;
    r->caller = *caller;
    r->caller.client_id = bytes_of(header->client_id.data, (size_t)MAX(header->client_id.size, 0));
}

static enum refusal decode_body(struct request *r, size_t at, struct errmsg *msg)
{
    const struct wire_message *m = r->kind->request;
    r->body = api_request_alloc(r, 1, m->size);
    if (r->body == NULL)
        return REFUSED_MEMORY;
    struct bytes in = bytes_of(r->frame.data + at, r->frame.size - at);
    enum err e = wire_decode_request(m, api_request_version(r), in, r->body, &r->arena, msg);
    return e == ERR_NONE ? REFUSED_NOT : e == ERR_NOMEM ? REFUSED_MEMORY : REFUSED_BODY;
}

/* Why that API or version is not served; REFUSED_NOT: it is, or it can be answered that it is not.
 */
static enum refusal check_kind(const struct api *api, const struct api_caller *caller,
                               const struct wire_request_header *header,
                               const struct handler *handler, struct errmsg *msg)
{
    if (handler == NULL) {
        bool known = header->request_api_key >= 0 && header->request_api_key < API_KEYS_KNOWN;
        errmsg_set(msg, ERR_UNSUPPORTED, "%s",
                   known ? "this version of kiln does not serve that API yet"
                         : "Kafka has no API of that key");
        return REFUSED_API;
    }
    if (api->stopping)
        return REFUSED_STOPPING;
    const struct wire_api *kind = wire_api(handler->key);
    ASSERT(kind != NULL);
    if ((kind->listeners & caller->listener->on) == 0) {
        errmsg_set(msg, ERR_UNSUPPORTED, "listener %s does not serve that API, but %s does",
                   caller->listener->name,
                   kind->listeners == WIRE_ON_CONTROLLER ? "one of controller.listener.names"
                                                         : "one for clients");
        return REFUSED_API;
    }
    if (wire_api_serves(kind, header->request_api_version) || handler == &api_handler_api_versions)
        return REFUSED_NOT;
    errmsg_set(msg, ERR_UNSUPPORTED, "versions %d to %d are served", kind->request->oldest,
               kind->request->newest);
    return REFUSED_VERSION;
}

static void serve(struct request *r, size_t at)
{
    struct errmsg msg;
    errmsg_clear(&msg);
    if (!wire_api_serves(r->kind, api_request_version(r))) {
        answer_unknown_versions(r);
        return;
    }
    enum refusal why = decode_body(r, at, &msg);
    if (why == REFUSED_NOT) {
        r->handler->begin(r);
        return;
    }
    struct api *api = r->api;
    struct conn *conn = r->conn;
    detach(r);
    refuse(api, conn, &r->header, why, r->frame.size,
           why == REFUSED_MEMORY ? over_budget : msg.text);
    api_request_free(r);
}

void api_take_voters(struct api *api, const struct api_voter *voters, int32_t count)
{
    api->settings.voters = voters;
    api->settings.voter_count = count;
}

void api_request(struct api *api, const struct api_caller *caller, struct conn *conn,
                 struct conn_request *on, struct slice frame)
{
    struct wire_request_header header;
    struct errmsg msg;
    size_t used = 0;
    errmsg_clear(&msg);
    if (wire_decode_request_header(slice_bytes(frame), &used, &header, &msg) != ERR_NONE) {
        errmsg_wrap(&msg, ERR_CORRUPT, "a frame of %u bytes is no request", frame.size);
        refuse(api, conn, NULL, REFUSED_HEADER, frame.size, msg.text);
        return;
    }
    const struct handler *handler = find_handler(header.request_api_key, caller->listener->on);
    enum refusal why = check_kind(api, caller, &header, handler, &msg);
    if (why != REFUSED_NOT) {
        refuse(api, conn, &header, why, frame.size, msg.text);
        return;
    }
    struct request *r = request_new(api, handler, conn->mem, frame);
    if (r == NULL) {
        refuse(api, conn, &header, REFUSED_MEMORY, frame.size, over_budget);
        return;
    }
    r->conn = conn;
    r->on = on;
    on->context = r;
    take_caller(r, &header, caller);
    serve(r, used);
}

int16_t api_request_within(struct request *envelope, struct slice frame,
                           const struct api_caller *caller)
{
    struct api *api = envelope->api;
    struct wire_request_header header;
    size_t used = 0;
    if (wire_decode_request_header(slice_bytes(frame), &used, &header, NULL) != ERR_NONE)
        return WIRE_ERROR_UNSUPPORTED_VERSION;
    if (!api_may_be_forwarded(header.request_api_key))
        return WIRE_ERROR_INVALID_REQUEST;
    const struct handler *handler = find_handler(header.request_api_key, caller->listener->on);
    ASSERT(handler != NULL);
    if (!wire_api_serves(wire_api(handler->key), header.request_api_version))
        return WIRE_ERROR_UNSUPPORTED_VERSION;
    struct request *r = request_new(api, handler, envelope->mem, frame);
    if (r == NULL)
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    take_caller(r, &header, caller);
    enum refusal why = decode_body(r, used, NULL);
    if (why != REFUSED_NOT) {
        api_request_free(r);
        return why == REFUSED_MEMORY ? WIRE_ERROR_UNKNOWN_SERVER_ERROR
                                     : WIRE_ERROR_UNSUPPORTED_VERSION;
    }
    r->envelope = envelope;
    r->handler->begin(r);
    return WIRE_ERROR_NONE;
}

void api_cancel(struct api *api, struct conn_request *on)
{
    struct request *r = on->context;
    if (r == NULL)
        return;
    ASSERT(r->api == api);
    detach(r);
    if (r->handler->hurry != NULL)
        r->handler->hurry(r);
}
