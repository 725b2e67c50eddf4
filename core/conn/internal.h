/* internal.h - what the two halves of a connection know of each other. Nobody else includes it. */
#ifndef KILN_CONN_INTERNAL_H
#define KILN_CONN_INTERNAL_H

#include "conn/conn.h"

/* receive.c: goes on with what is here, or receives more, unless it may not or does already. */
void conn_receive_more(struct conn *conn);
void conn_on_turn(struct env_timer *timer);
/* receive.c: takes a frame if one is here and may be taken; else sees to it that more comes. */
void conn_go_on(struct conn *conn);
/* receive.c: a part of a frame is here, and not all of it. */
bool conn_is_partial(const struct conn *conn);

/* lane.c */
/* True: the connection may hold that much more. partial: for a frame of which a part is here.
 * False: it waits, and goes on by itself when its turn comes. */
bool conn_lane_admits(struct conn *conn, uint64_t size, bool partial);
/* Whether so much is there for anybody. */
bool conn_lane_has_room(const struct conn *conn, uint64_t size);
/* Its frame has been taken: what is beyond the limit is another one's. */
void conn_lane_unfavour(struct conn *conn);
void conn_lane_join(struct conn *conn);
/* It closes, or receives no more. Harmless when it has left. */
void conn_lane_leave(struct conn *conn);

/* conn.c: server, a frame came; it is retained. ERR_NOMEM. */
enum err conn_add_request(struct conn *conn, struct slice frame,
                          struct conn_request **out) MUST_USE;
/* conn.c: client, the answer to that request came. */
void conn_answered(struct conn *conn, struct conn_request *request, struct slice frame);

#endif
