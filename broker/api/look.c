/* look.c - what a partition is where it lives: one operation, joined with the others of its
 * request.
 */
#include "api/internal.h"

static void on_described(struct replica_description *is)
{
    struct api_look *look = CONTAINER_OF(is, struct api_look, is);
    struct request *r = look->request;
    replica_let_go(look->replica);
    look->done(look);
    api_join_release(r);
}

void api_look(struct request *r, struct api_look *look, const struct metadata_topic *topic,
              int32_t partition, api_look_done *done)
{
    *look = (struct api_look){.request = r, .done = done};
    if (api_request_find(r, topic, partition, WIRE_ERROR_NONE, &look->replica) != WIRE_ERROR_NONE ||
        look->replica == NULL) {
        done(look);
        return;
    }
    api_join_hold(r);
    replica_hold(look->replica);
    replica_describe(look->replica, &look->is, on_described);
}
