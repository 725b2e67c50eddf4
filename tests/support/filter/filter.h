/* filter.h - a filter for tests (core/conn/conn.h): records that are keyed and checked, after a
 * handshake of two messages. It hides nothing from anybody; it shows that nothing passes it by. */
#ifndef KILN_TEST_FILTER_H
#define KILN_TEST_FILTER_H

#include "conn/conn.h"

extern const struct conn_filtering test_filtering;

/* Sizes on the stream, for tests that cut and bend it. */
#define TEST_FILTER_HELLO 16 /* a side's part of the handshake */
#define TEST_FILTER_HEAD 6   /* of a record: int16 size, uint32 check */
#define TEST_FILTER_RECORD 4096

#endif
