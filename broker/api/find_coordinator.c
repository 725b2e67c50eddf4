/* find_coordinator.c - 10: who coordinates a group or a transaction. Nobody yet, and the answer
 * says so at once: COORDINATOR_NOT_AVAILABLE would make clients ask for ever. */
#include "api/internal.h"

enum key_type {
    KEY_GROUP,
    KEY_TRANSACTION,
    KEY_SHARE,
};

static const char *reason(int8_t key_type)
{
    if (key_type == KEY_TRANSACTION)
        return "this version of kiln serves no transactions yet; produce without transactional.id";
    return "this version of kiln serves no consumer groups yet; assign partitions instead";
}

/* Who may not ask is told that, and not whether there is one. */
static int16_t check_access(const struct request *r, struct wire_string key)
{
    const struct wire_find_coordinator_request *in = r->body;
    struct bytes name = bytes_of(key.data, (size_t)MAX(key.size, 0));
    if (in->key_type == KEY_GROUP && !api_may(r, API_DESCRIBE, API_GROUP, name))
        return WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    if (in->key_type == KEY_TRANSACTION && !api_may(r, API_DESCRIBE, API_TRANSACTIONAL_ID, name))
        return WIRE_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (in->key_type == KEY_SHARE && !api_may_cluster(r, API_CLUSTER_ACTION))
        return WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    return WIRE_ERROR_NONE;
}

static void begin(struct request *r)
{
    const struct wire_find_coordinator_request *in = r->body;
    struct wire_find_coordinator_response body;
    wire_defaults(&wire_find_coordinator_response_message, &body);
    struct wire_string message = wire_text(reason(in->key_type));
    if (api_request_version(r) < 4) {
        int16_t refused = check_access(r, in->key);
        bool may = refused == WIRE_ERROR_NONE;
        body.error_code = may ? WIRE_ERROR_INVALID_REQUEST : refused;
        body.error_message = may ? message : wire_text(wire_error_text(refused));
        body.node_id = -1;
        body.port = -1;
        api_request_answer(r, &body);
        return;
    }
    int32_t count = MAX(in->coordinator_keys_count, 0);
    body.coordinators = api_request_alloc(r, (size_t)count, sizeof *body.coordinators);
    if (body.coordinators == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    body.coordinators_count = count;
    for (int32_t i = 0; i < count; i++) {
        int16_t refused = check_access(r, in->coordinator_keys[i]);
        bool may = refused == WIRE_ERROR_NONE;
        body.coordinators[i] = (struct wire_find_coordinator_response_coordinator){
            .key = in->coordinator_keys[i],
            .node_id = -1,
            .port = -1,
            .error_code = may ? WIRE_ERROR_INVALID_REQUEST : refused,
            .error_message = may ? message : wire_text(wire_error_text(refused)),
        };
    }
    api_request_answer(r, &body);
}

const struct handler api_handler_find_coordinator = {
    .key = 10,
    .state_size = sizeof(struct request),
    .begin = begin,
};
