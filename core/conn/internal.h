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

/* conn.c: all parts of what was to be sent have left. */
void conn_sent(struct conn *conn);
/* conn.c: something may be sent now that could not before. */
void conn_send_more(struct conn *conn);
/* conn.c: the stream may be closed now. */
void conn_close_stream(struct conn *conn);
/* conn.c: the stream is closed, and no operation is in flight. */
void conn_ended(struct conn *conn);
/* A send of conn.c's is under way. */
bool conn_is_sending(const struct conn *conn);

/* filter.c: a connection whose bytes pass through a filter. Its sends and receives go through
 * conn->sending and conn->receiving like those of others. */
/* ERR_NOMEM. */
enum err conn_filter_start(struct conn *conn) MUST_USE;
/* Lets go of all. No operation is in flight. */
void conn_filter_free(struct conn *conn);
/* Puts plain bytes into conn->in, up to cap: how many, of those that are here. 0: a receive is in
 * flight, or the connection closes. */
uint64_t conn_filter_receive(struct conn *conn, uint64_t cap);
/* Sends conn->parts; conn_sent when they have left, as a later event. */
void conn_filter_send(struct conn *conn, int count);
bool conn_filter_is_sending(const struct conn *conn);
/* conn closes. True: the filter has last words, and conn_close_stream follows. */
bool conn_filter_farewell(struct conn *conn);
/* The stream is closed. True: conn_ended follows. */
bool conn_filter_is_reading(struct conn *conn);
/* What a request's answer takes on its way, beside its own bytes. */
uint64_t conn_filter_send_bytes(const struct conn *conn);

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
