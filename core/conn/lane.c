/* lane.c - connections that share memory with a limit: who gets none waits here, in order of
 * arrival, and receives nothing meanwhile. It closes nobody but who keeps all others waiting. */
#include "conn/internal.h"

void conn_lane_init(struct conn_lane *lane, struct env *env,
                    bool (*room)(struct conn_lane *lane, uint64_t size, enum conn_room level))
{
    *lane = (struct conn_lane){.env = env, .room = room};
    list_init(&lane->members);
    list_init(&lane->waiting);
}

void conn_lane_free(struct conn_lane *lane)
{
    if (lane->env == NULL)
        return;
    ASSERT(list_empty(&lane->members));
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
    conn->moved_ns =
        env_now(lane->env); /* that it stood still until now was not its peer's doing */
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

/* Its peer sends no more of a frame, or takes nothing of an answer. */
static bool stalls(const struct conn *conn, int64_t now_ns)
{
    int64_t still_ns = now_ns - conn->moved_ns;
    bool unread = conn_is_sending(conn) && still_ns >= CONN_UNREAD_NS_MAX;
    return !conn->waits && (unread || (conn_is_partial(conn) && still_ns >= CONN_STALL_NS_MAX));
}

static void arm_stall(struct conn_lane *lane);

/* Who holds what others wait for must go on, or gives it up. */
static void on_stall(struct env_timer *timer)
{
    struct conn_lane *lane = CONTAINER_OF(timer, struct conn_lane, stall);
    int64_t now_ns = env_now(lane->env);
    if (list_empty(&lane->waiting))
        return;
    LIST_EACH (conn, &lane->members, struct conn, lane_member) {
        if (stalls(conn, now_ns))
            conn_close(conn, ERR_TIMEOUT);
    }
    arm_stall(lane);
}

static void arm_stall(struct conn_lane *lane)
{
    lane->stall.fire = on_stall;
    if (!list_empty(&lane->waiting) && !env_armed(&lane->stall))
        env_arm(lane->env, &lane->stall, env_now(lane->env) + CONN_STALL_NS_MAX / 2);
}

static void favour(struct conn_lane *lane, struct conn *conn)
{
    if (lane->favoured == conn)
        return;
    ASSERT(lane->favoured == NULL);
    lane->favoured = conn;
}

void conn_lane_unfavour(struct conn *conn)
{
    struct conn_lane *lane = conn->limits.lane;
    if (lane == NULL || lane->favoured != conn)
        return;
    lane->favoured = NULL;
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
    arm_stall(lane);
}

bool conn_lane_has_room(const struct conn *conn, uint64_t size)
{
    struct conn_lane *lane = conn->limits.lane;
    return lane == NULL || (list_empty(&lane->waiting) && lane->room(lane, size, CONN_ROOM_COMMON));
}

bool conn_lane_admits(struct conn *conn, uint64_t size, bool partial)
{
    struct conn_lane *lane = conn->limits.lane;
    if (lane == NULL)
        return true;
    bool own = conn == lane->favoured;
    bool first = own || conn == lane->first || list_empty(&lane->waiting);
    if (first && lane->room(lane, size, CONN_ROOM_COMMON))
        return true;
    if (!partial && size <= CONN_SMALL_FRAME && conn->request_count == 0 &&
        lane->room(lane, size, CONN_ROOM_SMALL))
        return true;
    /* Of frames that still come only one may go beyond the limit, or several could each hold a part
     * for ever; one that is whole may, since its request ends by itself. */
    bool may_go = partial ? own || lane->favoured == NULL : conn->request_count == 0;
    if (first && may_go && lane->room(lane, size, CONN_ROOM_LAST)) {
        if (partial)
            favour(lane, conn);
        return true;
    }
    wait(lane, conn);
    return false;
}

void conn_lane_join(struct conn *conn)
{
    list_init(&conn->lane_link);
    list_init(&conn->lane_member);
    if (conn->limits.lane != NULL)
        list_push_back(&conn->limits.lane->members, &conn->lane_member);
}

void conn_lane_leave(struct conn *conn)
{
    struct conn_lane *lane = conn->limits.lane;
    if (lane == NULL)
        return;
    list_remove(&conn->lane_member);
    if (conn->waits) {
        conn->waits = false;
        list_remove(&conn->lane_link);
        conn_lane_freed(lane); /* it may have been the first */
    }
    conn_lane_unfavour(conn);
}
