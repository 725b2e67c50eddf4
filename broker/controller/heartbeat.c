/* heartbeat.c - a broker says that it is there, how much it knows of the cluster, and whether it
 * wants to serve or to go (B-3, B-5; BrokerHeartbeatManager); or it says nothing any more, and is
 * fenced (B-4). Pure. */
#include "controller/internal.h"

/* What a broker is to the cluster. */
enum standing {
    FENCED,
    UNFENCED,
    LEAVING, /* in its controlled shutdown */
    GONE,    /* it may end */
};

int16_t controller_check_epoch(const struct controller_view *view, int32_t broker_id, int64_t epoch,
                               struct errmsg *msg)
{
    const struct metadata_broker *broker = metadata_find_broker(view->image, broker_id);
    if (broker != NULL && broker->epoch == epoch)
        return WIRE_ERROR_NONE;
    if (broker == NULL)
        errmsg_set(msg, ERR_NOTFOUND, "No broker registration found for broker id %d",
                   (int)broker_id);
    else
        errmsg_set(msg, ERR_INVALID, "Expected broker epoch %lld, but got broker epoch %lld",
                   (long long)broker->epoch, (long long)epoch);
    return WIRE_ERROR_STALE_BROKER_EPOCH;
}

enum err controller_add_registration_change(struct metadata_batch *batch, int32_t broker_id,
                                            int64_t broker_epoch, int8_t fenced, int8_t leaving)
{
    struct wire_broker_registration_change_record change;
    wire_defaults(&wire_broker_registration_change_record_message, &change);
    change.broker_id = broker_id;
    change.broker_epoch = broker_epoch;
    change.fenced = fenced;
    change.in_controlled_shutdown = leaving;
    return controller_add(batch, &wire_broker_registration_change_record_message,
                          REGISTRATION_CHANGE_VERSION, &change);
}

/* As one batch, or as a transaction where it is too much. */
static enum err add_change(const struct controller_view *view, const struct metadata_broker *broker,
                           const struct controller_turn *turn, int8_t fenced, int8_t leaving,
                           struct metadata_batch *batch)
{
    enum err e = ERR_NONE;
    if (fenced != CONTROLLER_FENCES || !KNOWN_BUG(fenced_leads_on))
        e = controller_add_turn(view, turn, 1, batch);
    if (e == ERR_NONE)
        e = controller_add_registration_change(batch, broker->id, broker->epoch, fenced, leaving);
    return e == ERR_NONE ? controller_end(batch) : e;
}

static enum err fence(const struct controller_view *view, const struct metadata_broker *broker,
                      struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    turn.leaves = broker->id;
    return add_change(view, broker, &turn, CONTROLLER_FENCES, 0, batch);
}

static enum err unfence(const struct controller_view *view, const struct metadata_broker *broker,
                        struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    turn.comes = broker->id;
    return add_change(view, broker, &turn, CONTROLLER_UNFENCES, 0, batch);
}

static enum err leave(const struct controller_view *view, const struct metadata_broker *broker,
                      struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    turn.leaves = broker->id;
    return add_change(view, broker, &turn, 0, CONTROLLER_LEAVES, batch);
}

/* Some of its replicas that could not serve can now. */
static enum err serve_again(const struct controller_view *view,
                            const struct metadata_broker *broker, struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    turn.comes = broker->id;
    enum err e = controller_add_turn(view, &turn, 0, batch);
    return e == ERR_NONE ? controller_end(batch) : e;
}

/* It can show what it has, and stays eligible (P-13), but what is to come goes to who has room. It
 * is in sync again when its fetches count again, and leads again when it is elected. */
static enum err go_on_without(const struct controller_view *view,
                              const struct metadata_broker *broker, struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    turn.full = broker->id;
    enum err e = controller_add_turn(view, &turn, 0, batch);
    return e == ERR_NONE ? controller_end(batch) : e;
}

/* ---- heartbeats ---- */

static enum standing standing_of(const struct metadata_broker *broker)
{
    if (broker->fenced)
        return FENCED;
    return broker->in_controlled_shutdown ? LEAVING : UNFENCED;
}

/* Everybody who serves knows that it leads nothing any more. */
static bool may_go(const struct controller_view *view, const struct controller_heartbeat *c)
{
    int64_t since = controller_session_leave(view->sessions, c->broker_id, view->image->offset);
    return !controller_leads_any(view, c->broker_id) && controller_sessions_lowest(view) >= since;
}

static enum standing next_standing(const struct controller_view *view,
                                   const struct controller_heartbeat *c,
                                   const struct metadata_broker *broker)
{
    switch (standing_of(broker)) {
    case FENCED:
        if (c->want_shutdown)
            return GONE;
        /* Who was about to go serves again only once it has registered anew: no record takes that
         * back, and it would lead while it may not be in sync. */
        if (c->want_fence || broker->in_controlled_shutdown)
            return FENCED;
        return c->metadata_offset >= broker->epoch ? UNFENCED : FENCED;
    case UNFENCED:
        if (c->want_fence)
            return c->want_shutdown ? GONE : FENCED;
        if (!c->want_shutdown)
            return UNFENCED;
        return controller_leads_any(view, broker->id) ? LEAVING : GONE;
    case LEAVING:
        return may_go(view, c) ? GONE : LEAVING;
    case GONE:
        return GONE;
    }
    UNREACHABLE();
}

/* Who is gone is fenced. */
static enum err move(const struct controller_view *view, const struct metadata_broker *broker,
                     enum standing to, struct metadata_batch *batch)
{
    enum standing from = standing_of(broker);
    if (to == from || (from == FENCED && to == GONE))
        return ERR_NONE;
    switch (to) {
    case UNFENCED:
        return unfence(view, broker, batch);
    case LEAVING:
        return leave(view, broker, batch);
    case FENCED:
    case GONE:
        return fence(view, broker, batch);
    }
    UNREACHABLE();
}

/* Where it writes what was reported, all else waits for the next heartbeat, which sees it. */
static enum err judge_heartbeat(const struct controller_view *view, struct controller_heartbeat *c,
                                const struct metadata_broker *broker, struct metadata_batch *batch)
{
    enum standing from = standing_of(broker), to = next_standing(view, c, broker);
    controller_session_fill(view->sessions, c->broker_id, c->is_full);
    enum err e =
        controller_session_report(view->sessions, c->broker_id, c->reports, c->report_count);
    if (e == ERR_NONE && c->report_count > 0)
        e = controller_add_reports(view, c, batch);
    if (e != ERR_NONE)
        return e;
    bool writes = metadata_batch_count(batch) > 0;
    if (writes)
        to = from;
    c->is_caught_up = c->metadata_offset >= broker->epoch;
    c->is_fenced = to == FENCED || to == GONE;
    c->may_go = to == GONE;
    if (c->may_go)
        controller_session_end(view->sessions, c->broker_id);
    if (writes)
        return ERR_NONE;
    bool comes = controller_session_comes(view->sessions, c->broker_id);
    bool serves = to == from && to == UNFENCED;
    if (comes && serves)
        return serve_again(view, broker, batch);
    if (c->is_full && serves && !KNOWN_BUG(full_leads_on))
        return go_on_without(view, broker, batch);
    return move(view, broker, to, batch);
}

static void decide_heartbeat(const struct controller_view *view, struct controller_command *command,
                             struct metadata_batch *batch)
{
    struct controller_heartbeat *c = CONTAINER_OF(command, struct controller_heartbeat, command);
    c->is_caught_up = c->may_go = false;
    c->is_fenced = true;
    c->taken = CONTROLLER_REPORTS_LATE;
    command->rests_on_image = true;
    command->code = controller_check_epoch(view, c->broker_id, c->broker_epoch, &command->msg);
    if (command->code != WIRE_ERROR_NONE)
        return;
    const struct metadata_broker *broker = metadata_find_broker(view->image, c->broker_id);
    enum err e = controller_session_touch(view->sessions, c->broker_id, c->broker_epoch,
                                          c->metadata_offset, view->now_ns);
    if (e == ERR_NONE)
        e = judge_heartbeat(view, c, broker, batch);
    command->code = controller_code_of(e);
}

void controller_heartbeat_init(struct controller_heartbeat *c)
{
    *c = (struct controller_heartbeat){.command.verb = CONTROLLER_HEARTBEAT};
}

const struct verb controller_verb_heartbeat = {.decide = decide_heartbeat};

/* ---- silence ---- */

static void decide_fence(const struct controller_view *view, struct controller_command *command,
                         struct metadata_batch *batch)
{
    struct controller_fence *c = CONTAINER_OF(command, struct controller_fence, command);
    int32_t id = controller_session_expired(view->sessions, view->now_ns);
    c->broker_id = id;
    if (id == CONTROLLER_NOBODY)
        return;
    const struct metadata_broker *broker = metadata_find_broker(view->image, id);
    enum err e = ERR_NONE;
    if (broker != NULL && !broker->fenced)
        e = fence(view, broker, batch);
    if (e == ERR_NONE)
        controller_session_drop(view->sessions, id);
    command->code = controller_code_of(e);
}

void controller_fence_init(struct controller_fence *c)
{
    *c = (struct controller_fence){.command.verb = CONTROLLER_FENCE};
}

const struct verb controller_verb_fence = {.decide = decide_fence};
