/* stop.c - the way back, from wherever the broker stands: no new connections, answers to what is in
 * flight, a clean end of the directory, then nothing is left. */
#include "node/internal.h"

/* ---- the last steps ---- */

static void tell_stopped(struct broker *b)
{
    struct broker_op *op = b->stopping;
    b->stopping = NULL;
    op->done(op, ERR_NONE);
}

static void ended(struct broker *b)
{
    broker_move(b, BROKER_ENDED);
    TRACE(b->trace, BROKER_STOPPED, .broker = b->config.node_id, .clean = b->failed == ERR_NONE);
    struct broker_op *starting = b->starting;
    struct broker_op *stopping = b->stopping;
    enum err failed = b->failed;
    struct errmsg why = b->why;
    b->starting = b->stopping = NULL;
    if (starting != NULL) {
        starting->msg = why;
        starting->done(starting, failed);
        /* A start that did not come about leaves nothing that a stop could fail at. */
        failed = ERR_NONE;
        why = (struct errmsg){{0}};
    }
    if (stopping == NULL)
        return;
    stopping->msg = why;
    stopping->done(stopping, failed);
}

static void on_settled(struct dir_op *op, enum err e)
{
    (void)e;
    ended(CONTAINER_OF(op, struct broker, dir_op));
}

static void settle(struct broker *b)
{
    if (b->dir != NULL)
        dir_settle(b->dir, &b->dir_op, on_settled);
    else
        ended(b);
}

static void end_fetchers(struct broker *b)
{
    broker_fetchers_end(b, settle);
}

static void on_metadata_closed(struct quorum_op *op, enum err e)
{
    (void)e; /* nothing was written */
    broker_controllers_close(CONTAINER_OF(op, struct broker, quorum_op), end_fetchers);
}

void broker_stop_partitions_closed(struct broker *b)
{
    if (b->quorum_open)
        quorum_close(b->quorum, &b->quorum_op, on_metadata_closed);
    else
        broker_controllers_close(b, end_fetchers);
}

static void on_dir_closed(struct dir_op *op, enum err e)
{
    struct broker *b = CONTAINER_OF(op, struct broker, dir_op);
    b->dir_open = false;
    if (e != ERR_NONE && b->failed == ERR_NONE) {
        b->failed = e;
        b->why = op->msg;
    }
    broker_partitions_close(b);
}

void broker_stop_begin(struct broker *b)
{
    broker_move(b, BROKER_CLOSING);
    env_disarm(b->env, &b->drain_deadline);
    broker_partitions_rest(b);
    broker_partitions_resign(b);
    broker_clients_stop_listening(b);
    broker_membership_end(b);
    if (b->orders != NULL)
        orders_end(b->orders);
    broker_fetchers_close(b);
    broker_stop_go_on(b);
}

/* A life that was never registered opened no partition: what the last one left is as it was. */
static int64_t marked_epoch(const struct broker *b)
{
    int64_t epoch = broker_membership_epoch(b);
    if (b->membership.opened && !broker_reports_are_told(b))
        return CONTROLLER_NO_EPOCH; /* some of its partitions lack what they had */
    return epoch < 0 && b->controllers != NULL ? dir_clean_epoch(b->dir) : epoch;
}

static void close_disk(struct broker *b)
{
    if (b->dir_open) {
        dir_set_epoch(b->dir, marked_epoch(b));
        dir_close(b->dir, b->led || dir_clean(b->dir), &b->dir_op, on_dir_closed);
    } else {
        broker_partitions_close(b);
    }
}

/* ---- draining ---- */

/* What an end of the clients waits for; and what the end of the directory does. */
static bool drained(const struct broker *b)
{
    if (b->phase == BROKER_CLOSING && !broker_fetchers_are_closed(b))
        return false;
    bool clients = b->client_count > 0 || (b->api != NULL && !b->api_is_idle);
    return broker_clients_shut(b) && !clients && !broker_partitions_busy(b);
}

void broker_stop_go_on(struct broker *b)
{
    if (!drained(b))
        return;
    if (b->phase == BROKER_DRAINING) {
        broker_stop_begin(b);
    } else if (b->phase == BROKER_CLOSING && !b->disk_closing) {
        b->disk_closing = true;
        close_disk(b);
    }
}

static void on_idle(struct api_idle *idle)
{
    struct broker *b = CONTAINER_OF(idle, struct broker, api_idle);
    b->api_is_idle = true;
    broker_stop_go_on(b);
}

/* Who still waits has waited long enough. */
static void on_drain_deadline(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, drain_deadline);
    broker_partitions_rest(b);
    broker_partitions_resign(b);
    broker_clients_close(b);
}

static void drain(struct broker *b)
{
    broker_move(b, BROKER_DRAINING);
    broker_membership_end(b);
    b->starting_partitions = false;
    b->drain_deadline.fire = on_drain_deadline;
    env_arm(b->env, &b->drain_deadline, env_now(b->env) + BROKER_STOP_NS_MAX);
    broker_partitions_rest(b);
    broker_clients_stop_listening(b);
    broker_clients_drain(b);
    b->api_idle.idle = on_idle;
    api_stop(b->api, &b->api_idle);
}

void broker_stop_left(struct broker *b)
{
    ASSERT(b->phase == BROKER_LEAVING);
    drain(b);
}

void broker_stop_join(struct broker *b)
{
    ASSERT(b->phase == BROKER_JOINING);
    ASSERT(b->failed != ERR_NONE);
    drain(b);
}

static void leave(struct broker *b)
{
    if (broker_membership_leave(b))
        broker_move(b, BROKER_LEAVING);
    else
        drain(b);
}

static void on_stop_kick(struct env_timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, stop_kick);
    /* While it starts, the next step notices; while it closes, the end does. */
    if (b->phase == BROKER_SERVING)
        leave(b);
    else if (b->phase == BROKER_JOINING)
        broker_start_cut_short(b);
    else if (b->phase == BROKER_ENDED)
        tell_stopped(b);
}

void broker_stop(struct broker *b, struct broker_op *op, broker_done *done)
{
    ASSERT(b->stopping == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    b->stopping = op;
    b->stop_wanted = true;
    b->stop_kick.fire = on_stop_kick;
    env_arm(b->env, &b->stop_kick, env_now(b->env));
}
