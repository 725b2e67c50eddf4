/* rig.h - one connection under test and a raw stream at its other end, over a real door whose sends
 * are counted. With RIG_FILTERED the bytes of both pass through the filter of tests/support. */
#ifndef KILN_CONN_RIG_H
#define KILN_CONN_RIG_H

#include "support/test.h"
#include "conn/conn.h"
#include "posix/posix.h"

#ifndef RIG_FILTERED
#define RIG_FILTERED 0
#endif
#define RIG_FRAMES_MAX 256
#define RIG_TRACE_WORDS 640

struct rig_frame {
    struct conn_request *request; /* NULL once it was answered or cancelled */
    struct slice frame;           /* retained */
};

/* An operation of the test's own. */
struct rig_op {
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

struct rig {
    struct test_mem mem; /* the connection's */
    struct test_mem door_mem;
    struct posix_env *posix;
    struct env *env;
    struct env_door door; /* counts */
    const struct env_door *real_door;
    int send_count;
    bool hang_sends; /* those to come wait until their stream is closed */
    struct env_op *hung;
    bool hang_reads; /* of files: one to come waits for rig_read_hung */
    struct env_op *hung_read;
    struct trace trace;
    uint64_t rows[RIG_TRACE_WORDS];
    struct conn conn;
    struct conn_limits limits;
    env_stream raw;
    bool raw_open;
    uint64_t raw_sent, raw_received;
    struct test_mem raw_mem;
    uint8_t raw_bytes[1000]; /* for its filter */
    size_t raw_start, raw_end;
    struct conn_filter *raw_filter; /* NULL: what it sends is what the connection receives */
    struct rig_frame frames[RIG_FRAMES_MAX];
    int frame_count;
    int cancel_count;
    enum err cancel_err;
    int closed_count;
    enum err closed_err;
    /* What the request call does besides noting the frame; may be NULL. */
    void (*on_request)(struct rig *rig, struct conn_request *request);
    /* The same of the cancel call. */
    void (*on_cancel)(struct rig *rig);
};

/* A connection in that role; {0} is a zeroed rig. Limits are taken from rig->limits where they are
 * set. */
void rig_start(struct rig *rig, enum conn_role role);
/* Closes both ends if they are open, and checks that nothing is left. */
void rig_end(struct rig *rig);
/* The two halves of rig_start, for tests that fail allocations in between. */
void rig_open(struct rig *rig);
void rig_start_conn(struct rig *rig, enum conn_role role);
/* For tests that speak for the raw end's filter themselves: no handshake, raw bytes. */
void rig_start_bare(struct rig *rig, enum conn_role role);

#define RIG_UNTIL(rig, cond)                                                                       \
    do {                                                                                           \
        while (!(cond))                                                                            \
            rig_step(rig, #cond);                                                                  \
    } while (0)

void rig_step(struct rig *rig, const char *waiting_for);
/* Delivers what comes within a few milliseconds. */
void rig_settle(struct rig *rig);

/* All that the raw end has sent was received. */
bool rig_heard(const struct rig *rig);
void rig_send(struct rig *rig, const void *data, size_t size);
void rig_send_raw(struct rig *rig, const void *data, size_t size);
/* What comes next, up to so many bytes; 0: the connection has ended it. */
size_t rig_receive_raw(struct rig *rig, void *buffer, size_t size);
/* A frame of that many bytes that tell frame and place. */
void rig_send_frame(struct rig *rig, uint8_t key, uint32_t size);
void rig_receive(struct rig *rig, void *buffer, size_t size);
/* Receives one frame and checks its bytes. */
void rig_expect_frame(struct rig *rig, uint8_t key, uint32_t size);
/* The raw end has been closed by the connection. False: without a word of its filter. */
bool rig_expect_end(struct rig *rig);
void rig_read_hung(struct rig *rig);
/* In good order, and without a word. */
void rig_close_raw(struct rig *rig);
void rig_cut_raw(struct rig *rig);

void rig_fill(uint8_t *bytes, uint8_t key, uint32_t size);
bool rig_is_frame(const struct rig *rig, int index, uint8_t key, uint32_t size);
/* Answers the frame of that index with one of its own. */
void rig_answer(struct rig *rig, int index, uint8_t key, uint32_t size);

#endif
