/* real_test.c - the same log on the real door: a directory of this machine, a clean end, and one
 * without. */
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>
#include "log/log.h"
#include "posix/posix.h"
#include "support/test.h"

#define BATCHES 200
#define BATCH_RECORDS 5

struct real {
    struct mem mem;
    struct posix_env *posix;
    struct posix_hook hook;
    struct trace trace;
    uint64_t rows[10240];
    char root[64];
    struct dir *dir;
    struct log_set *logs;
    struct log *log;
};

struct real_op {
    struct log_op op;
    struct dir_op dir_op;
    bool done;
    enum err e;
};

static void after_event(struct posix_hook *hook)
{
    struct real *r = CONTAINER_OF(hook, struct real, hook);
    while (trace_take(&r->trace) != NULL)
        continue;
}

static void on_done(struct log_op *op, enum err e)
{
    struct real_op *done = CONTAINER_OF(op, struct real_op, op);
    done->done = true;
    done->e = e;
}

static void on_dir_done(struct dir_op *op, enum err e)
{
    struct real_op *done = CONTAINER_OF(op, struct real_op, dir_op);
    done->done = true;
    done->e = e;
    done->op.msg = op->msg;
}

static void finish(struct real *r, struct real_op *op)
{
    while (!op->done)
        posix_poll(r->posix, -1);
    if (op->e != ERR_NONE)
        fail_msg("%s", op->op.msg.text);
    *op = (struct real_op){0};
}

static void open_all(struct real *r)
{
    static const uint8_t topic_id[16] = {1, 2, 3};
    struct dir_config dir_config = {.path = "data",
                                    .node_id = 1,
                                    .open_files_max = 8,
                                    .checkpoint_bytes = 1 << 16,
                                    .checkpoint_ms = 1000,
                                    .flush_bytes = 64 << 20,
                                    .flush_ms = 1000};
    struct log_config config = {.segment_bytes = 1 << 17,
                                .segment_ms = 1ll << 40,
                                .segment_index_bytes = 1 << 20,
                                .index_interval_bytes = 4096,
                                .retention_ms = -1,
                                .retention_bytes = -1,
                                .max_message_bytes = 1 << 20,
                                .timestamp_before_max_ms = INT64_MAX,
                                .timestamp_after_max_ms = INT64_MAX,
                                .producer_id_expiration_ms = 1000000,
                                .dense = true};
    struct real_op op = {0};
    struct errmsg msg = {0};
    r->hook.after_event = after_event;
    trace_init(&r->trace, r->rows, COUNT_OF(r->rows), false);
    if (posix_new(&r->posix, &r->mem, r->root, &r->hook, &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    assert_ok(dir_new(&r->dir, &r->posix->env, &r->mem, &r->trace, &dir_config));
    assert_ok(log_set_new(&r->logs, r->dir, LOG_FLUSH_ACK));
    dir_open(r->dir, &op.dir_op, on_dir_done);
    finish(r, &op);
    log_open(r->logs, &r->log, "orders", 0, topic_id, &config, NULL, NULL, &op.op, on_done);
    finish(r, &op);
}

/* clean: with the marker, and all that makes the next start quick. */
static void close_all(struct real *r, bool clean)
{
    struct real_op op = {0};
    if (clean) {
        dir_close(r->dir, true, &op.dir_op, on_dir_done);
        finish(r, &op);
    }
    log_close(r->log, &op.op, on_done);
    finish(r, &op);
    dir_settle(r->dir, &op.dir_op, on_dir_done);
    finish(r, &op);
    log_set_free(r->logs);
    dir_free(r->dir);
    posix_free(r->posix);
    assert_int_equal(r->mem.live_count, 0);
}

static struct slice make_batch(struct real *r)
{
    static const uint8_t value[1000] = "a value";
    struct buf *buf = buf_new(&r->mem, 8192);
    struct wire_builder b;
    struct wire_bytes bytes = {.data = value, .size = sizeof value};
    wire_builder_init(&b, buf->data, buf->cap);
    for (int i = 0; i < BATCH_RECORDS; i++)
        assert_ok(wire_builder_add(&b, 1000 + i, WIRE_NULL_BYTES, bytes, NULL, 0));
    struct wire_builder_head head = {
        .producer_id = -1, .producer_epoch = -1, .base_sequence = -1, .leader_epoch = -1};
    wire_builder_finish(&b, &head);
    return slice_of(buf, 0, (uint32_t)b.size);
}

static void append_some(struct real *r)
{
    for (int i = 0; i < BATCHES; i++) {
        struct log_appended out;
        struct slice batch = make_batch(r);
        log_append(r->log, batch, 0, 5, &out);
        assert_int_equal(out.verdict, LOG_APPENDED);
        buf_release(batch.buf);
        if (i % 10 == 0)
            posix_poll(r->posix, 0);
    }
    while (log_durable_end(r->log) < log_end(r->log))
        posix_poll(r->posix, -1);
}

struct real_read {
    struct log_read read;
    bool done;
    enum err e;
};

static void on_read(struct log_op *op, enum err e)
{
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    struct real_read *r = CONTAINER_OF(read, struct real_read, read);
    r->done = true;
    r->e = e;
}

static void read_all(struct real *r)
{
    for (int64_t offset = 0; offset < log_end(r->log);) {
        struct real_read read = {.read = {.offset = offset,
                                          .offset_end = log_end(r->log),
                                          .bytes_max = 50000,
                                          .at_least_one = true}};
        log_load(r->log, &read.read, on_read);
        while (!read.done)
            posix_poll(r->posix, -1);
        assert_ok(read.e);
        assert_true(read.read.next_offset > offset);
        offset = read.read.next_offset;
        log_read_release(&read.read);
    }
}

TEST(a_log_lives_on_this_machine_too)
{
    struct real *r = calloc(1, sizeof *r);
    snprintf(r->root, sizeof r->root, "/tmp/kiln-log-XXXXXX");
    assert_non_null(mkdtemp(r->root));
    mem_system(&r->mem);
    open_all(r);
    assert_int_equal(log_end(r->log), 0);
    append_some(r);
    read_all(r);
    close_all(r, true);
    open_all(r);
    assert_true(dir_clean(r->dir));
    assert_int_equal(log_end(r->log), BATCHES * BATCH_RECORDS);
    append_some(r);
    close_all(r, false);
    open_all(r);
    assert_false(dir_clean(r->dir));
    assert_int_equal(log_end(r->log), 2 * BATCHES * BATCH_RECORDS);
    assert_int_equal(log_durable_end(r->log), log_end(r->log));
    read_all(r);
    close_all(r, true);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", r->root);
    assert_int_equal(system(command), 0);
    free(r);
}
