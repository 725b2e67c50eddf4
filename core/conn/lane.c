/* lane.c - connections that share memory with a limit: who gets none waits here, in order of
 * arrival, and receives nothing meanwhile. It closes nobody but who keeps all others waiting. */
#include "conn/internal.h"

void conn_lane_init(struct conn_lane *lane, struct env *env,
                    bool (*room)(struct conn_lane *lane, uint64_t size, bool beyond))
{
    *lane = (struct conn_lane){.env = env, .room = room};
    list_init(&lane->waiting);
}

void conn_lane_free(struct conn_lane *lane)
{
    if (lane->env == NULL)
        return;
    ASSERT(list_empty(&lane->waiting));
    ASSERT(lane->favoured == NULL);
    env_disarm(lane->env, &lane->wake);
    env_disarm(lane->env, &lane->stall);
}

/* One connection an event; those behind it are woken by what it does, or by what is freed. */
static void on_wake(struct env_timer *timer)
{
    struct conn_lane *lane = CONTAINER_OF(timer, struct conn_lane, wake);
    struct conn *conn = LIST_FIRST(&lane->waiting, struct conn, lane_link);
    if (conn == NULL)
        return;
    list_remove(&conn->lane_link);
    conn->waits = false;
    lane->first = conn;
    conn_go_on(conn);
    lane->first = NULL;
    if (!conn->waits)
        conn_lane_freed(lane);
}

void conn_lane_freed(struct conn_lane *lane)
{
    if (lane->env == NULL || list_empty(&lane->waiting) || env_armed(&lane->wake))
        return;
    lane->wake.fire = on_wake;
    env_arm(lane->env, &lane->wake, env_now(lane->env));
}

/* Who holds what all others wait for must go on: by its own peer's bytes, or not at all. */
static void on_stall(struct env_timer *timer)
{
    struct conn_lane *lane = CONTAINER_OF(timer, struct conn_lane, stall);
    struct conn *conn = lane->favoured;
    if (conn == NULL)
        return;
    int64_t now_ns = env_now(lane->env);
    bool others = LIST_FIRST(&lane->waiting, struct conn, lane_link) != NULL && !conn->waits;
    if (others && conn->moved_ns + CONN_STALL_NS_MAX <= now_ns)
        conn_close(conn, ERR_TIMEOUT);
    else
        env_arm(lane->env, &lane->stall,
                MAX(conn->moved_ns, now_ns - CONN_STALL_NS_MAX / 2) + CONN_STALL_NS_MAX);
}

static void favour(struct conn_lane *lane, struct conn *conn)
{
    if (lane->favoured == conn)
        return;
    ASSERT(lane->favoured == NULL);
    lane->favoured = conn;
    lane->stall.fire = on_stall;
    env_arm(lane->env, &lane->stall, env_now(lane->env) + CONN_STALL_NS_MAX);
}

void conn_lane_unfavour(struct conn *conn)
{
    struct conn_lane *lane = conn->limits.lane;
    if (lane == NULL || lane->favoured != conn)
        return;
    lane->favoured = NULL;
    env_disarm(lane->env, &lane->stall);
    conn_lane_freed(lane);
}

/* In front of all others: whom the memory beyond the limit is for, and who was first before. */
static void wait(struct conn_lane *lane, struct conn *conn)
{
    ASSERT(!conn->waits);
    bool was_empty = list_empty(&lane->waiting);
    bool front = conn == lane->favoured || conn == lane->first;
    SOMETIMES(conn->trace, CONNECTION_WAITED, true);
    conn->waits = true;
    if (front)
        list_push_front(&lane->waiting, &conn->lane_link);
    else
        list_push_back(&lane->waiting, &conn->lane_link);
    if (was_empty && lane->full != NULL)
        lane->full(lane);
}

bool conn_lane_has_room(const struct conn *conn, uint64_t size)
{
    struct conn_lane *lane = conn->limits.lane;
    return lane == NULL || (list_empty(&lane->waiting) && lane->room(lane, size, false));
}

bool conn_lane_admits(struct conn *conn, uint64_t size, bool partial)
{
    struct conn_lane *lane = conn->limits.lane;
    if (lane == NULL)
        return true;
    bool own = conn == lane->favoured;
    bool first = own || conn == lane->first || list_empty(&lane->waiting);
    if (first && lane->room(lane, size, false))
        return true;
    /* Beyond the limit go a frame that is whole, since its request ends by itself, and one that has
     * not begun, since that is little. Of those that still come only one may, or several could each
     * hold a part for ever. */
    bool may_go = !partial || own || lane->favoured == NULL;
    if (first && may_go && lane->room(lane, size, true)) {
        if (partial)
            favour(lane, conn);
        return true;
    }
    wait(lane, conn);
    return false;
}

void conn_lane_leave(struct conn *conn)
{
    struct conn_lane *lane = conn->limits.lane;
    if (lane == NULL)
        return;
    if (conn->waits) {
        conn->waits = false;
        list_remove(&conn->lane_link);
        conn_lane_freed(lane); /* it may have been the first */
    }
    conn_lane_unfavour(conn);
}
