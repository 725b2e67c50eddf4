/* internal.h - what the two halves of a connection know of each other. Nobody else includes it. */
#ifndef KILN_CONN_INTERNAL_H
#define KILN_CONN_INTERNAL_H

#include "conn/conn.h"

/* receive.c: goes on with what is here, or receives more, unless it may not or does already. */
void conn_receive_more(struct conn *conn);
void conn_on_turn(struct env_timer *timer);

/* conn.c: server, a frame came; it is retained. ERR_NOMEM. */
enum err conn_add_request(struct conn *conn, struct slice frame,
                          struct conn_request **out) MUST_USE;
/* conn.c: client, the answer to that request came. */
void conn_answered(struct conn *conn, struct conn_request *request, struct slice frame);

#endif
