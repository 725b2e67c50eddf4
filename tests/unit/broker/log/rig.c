/* rig.c - see rig.h. */
#include <stdlib.h>
#include <stdio.h>
#include "rig.h"

static enum err begin(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static const struct world_program program = {.kind = "log", .start = begin};

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct rig *rig = CONTAINER_OF(sink, struct rig, sink);
    rig->rows[row->kind]++;
    test_row_keep(&rig->last[row->kind], row);
    if (getenv("RIG_TRACE") == NULL || row->kind == TRACE_NAME)
        return;
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    printf("%lld %s", (long long)row->time_ns, info->name);
    for (int i = 0; i < info->column_count; i++)
        printf(" %s=%lld", info->columns[i].name, (long long)trace_words(row)[i]);
    printf("\n");
}

static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    (void)sink;
    printf("%lld %s %s %llu\n", (long long)info->time_ns, info->what, err_name(info->err),
           (unsigned long long)info->n);
}

struct rig *rig_new_with(const struct world_config *config)
{
    struct errmsg msg = {0};
    struct rig *rig = calloc(1, sizeof *rig);
    mem_system(&rig->mem);
    rig->world = world_new(&rig->mem, config, &msg);
    assert_non_null(rig->world);
    rig->sink.row = on_row;
    rig->sink.step = getenv("RIG_TRACE") == NULL ? NULL : on_step;
    world_add_sink(rig->world, &rig->sink);
    assert_ok(world_add_node(rig->world, &program, "broker", bytes_text(""), &rig->node));
    rig->dir_config = (struct dir_config){.path = "data",
                                          .node_id = 1,
                                          .open_files_max = 4,
                                          .checkpoint_bytes = 64 << 20,
                                          .checkpoint_ms = 1000,
                                          .flush_bytes = 64 << 20,
                                          .flush_ms = 1000};
    rig->config = (struct log_config){.segment_bytes = 1 << 20,
                                      .segment_ms = 1ll << 40,
                                      .segment_index_bytes = 10 << 20,
                                      .index_interval_bytes = 4096,
                                      .retention_ms = -1,
                                      .retention_bytes = -1,
                                      .file_delete_delay_ms = 1000,
                                      .max_message_bytes = 1 << 20,
                                      .timestamp_before_max_ms = INT64_MAX,
                                      .timestamp_after_max_ms = INT64_MAX,
                                      .producer_id_expiration_ms = 86400000,
                                      .dense = true};
    for (int i = 0; i < 16; i++)
        rig->topic_id[i] = (uint8_t)(i + 1);
    rig->cut_end = -1;
    rig->birth.leader_epoch = 0;
    return rig;
}

struct rig *rig_new(uint64_t seed)
{
    struct world_config config = {.seed = seed, .assert_leaks = true};
    return rig_new_with(&config);
}

void rig_free(struct rig *rig)
{
    if (rig->seat != NULL)
        world_rise(rig->world, rig->node);
    world_free(rig->world);
    assert_int_equal(rig->mem.live_count, 0);
    free(rig);
}

/* ---- events ---- */

static void sit_if_up(struct rig *rig)
{
    rig->seat = NULL;
    if (world_node_life(rig->world, rig->node) == WORLD_DOWN)
        return;
    world_sit(rig->world, rig->node);
    rig->seat = world_seat(rig->world, rig->node);
}

static void forget_life(struct rig *rig)
{
    rig->dir = NULL;
    rig->logs = NULL;
    rig->log = NULL;
}

bool rig_step(struct rig *rig)
{
    if (rig->seat != NULL) {
        if (rig->log != NULL)
            rig->durable = MAX(rig->durable, log_durable_end(rig->log));
        world_rise(rig->world, rig->node);
    }
    bool moved = world_step(rig->world);
    sit_if_up(rig);
    if (rig->seat == NULL)
        forget_life(rig);
    if (rig->logs != NULL)
        log_set_assert(rig->logs, ++rig->step_count % 16 == 0);
    rig->idle = !moved;
    return rig->seat != NULL;
}

void rig_start(struct rig *rig)
{
    assert_null(rig->seat);
    forget_life(rig);
    rig->told = ERR_NONE;
    world_start(rig->world, rig->node);
    while (world_node_life(rig->world, rig->node) != WORLD_UP)
        assert_true(world_step(rig->world));
    sit_if_up(rig);
}

bool rig_until(struct rig *rig, const bool *done)
{
    for (int i = 0; !*done; i++) {
        assert_true(i < RIG_STEPS_MAX);
        if (rig->seat == NULL || !rig_step(rig))
            return false;
        assert_true(*done || !rig->idle);
    }
    return true;
}

struct alarm {
    struct env_timer timer;
    bool rang;
};

static void ring(struct env_timer *timer)
{
    CONTAINER_OF(timer, struct alarm, timer)->rang = true;
}

bool rig_run(struct rig *rig, int64_t ns)
{
    struct alarm alarm = {.timer = {.fire = ring}};
    env_arm(rig->seat->env, &alarm.timer, env_now(rig->seat->env) + ns);
    return rig_until(rig, &alarm.rang);
}

bool rig_until_durable(struct rig *rig)
{
    for (int i = 0; rig->log != NULL && log_durable_end(rig->log) < log_end(rig->log) &&
                    log_status(rig->log) == ERR_NONE;
         i++) {
        assert_true(i < RIG_STEPS_MAX);
        if (!rig_step(rig))
            return false;
        assert_false(rig->idle);
    }
    if (rig->log != NULL)
        rig->durable = MAX(rig->durable, log_durable_end(rig->log));
    return rig->seat != NULL;
}

void rig_harm(struct rig *rig, const char *text)
{
    struct fault_line line;
    struct errmsg msg = {0};
    if (fault_line_parse(&line, bytes_text(text), &msg) != ERR_NONE)
        fail_msg("%s: %s", text, msg.text);
    if (rig->seat != NULL)
        world_rise(rig->world, rig->node);
    world_harm(rig->world, &line);
    sit_if_up(rig);
}

void rig_heal(struct rig *rig)
{
    if (rig->seat != NULL)
        world_rise(rig->world, rig->node);
    world_heal(rig->world);
    sit_if_up(rig);
}

/* ---- lives ---- */

void rig_log_done(struct log_op *op, enum err e)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, op);
    done->done = true;
    done->e = e;
}

void rig_dir_done(struct dir_op *op, enum err e)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, dir_op);
    done->done = true;
    done->e = e;
    done->op.msg = op->msg;
}

static void on_moved(struct log_watch *watch, enum err e)
{
    struct rig *rig = CONTAINER_OF(watch, struct rig, watch);
    rig->moves++;
    if (e != ERR_NONE)
        rig->told = e;
}

static void on_cut(struct log_watch *watch, int64_t end)
{
    struct rig *rig = CONTAINER_OF(watch, struct rig, watch);
    rig->cuts++;
    rig->cut_end = end;
}

static enum err finish(struct rig *rig, struct rig_op *op)
{
    if (!rig_until(rig, &op->done)) {
        errmsg_set(&rig->msg, ERR_OFFLINE, "the node went down");
        return ERR_OFFLINE;
    }
    if (op->e != ERR_NONE)
        rig->msg = op->op.msg;
    return op->e;
}

enum err rig_open_dir(struct rig *rig)
{
    struct rig_op op = {0};
    struct world_seat *seat = rig->seat;
    struct mem *heap = rig->heap == NULL ? seat->mem : rig->heap;
    enum err e = dir_new(&rig->dir, seat->env, heap, seat->trace, &rig->dir_config);
    if (e != ERR_NONE)
        return e;
    e = log_set_new(&rig->logs, rig->dir, rig->flush);
    if (e != ERR_NONE) {
        dir_free(rig->dir);
        return e;
    }
    dir_open(rig->dir, &op.dir_op, rig_dir_done);
    return finish(rig, &op);
}

void rig_free_dir(struct rig *rig)
{
    log_set_free(rig->logs);
    dir_free(rig->dir);
    rig->logs = NULL;
    rig->dir = NULL;
}

enum err rig_open_log(struct rig *rig)
{
    struct rig_op op = {0};
    rig->watch = (struct log_watch){.moved = on_moved, .cut = on_cut};
    log_open(rig->logs, &rig->log, "orders", 0, rig->topic_id, &rig->config, &rig->birth,
             &rig->watch, &op.op, rig_log_done);
    return finish(rig, &op);
}

enum err rig_boot(struct rig *rig)
{
    rig_start(rig);
    enum err e = rig_open_dir(rig);
    return e == ERR_NONE ? rig_open_log(rig) : e;
}

enum err rig_truncate(struct rig *rig, int64_t to)
{
    struct rig_op op = {0};
    log_truncate(rig->log, to, &op.op, rig_log_done);
    return finish(rig, &op);
}

enum err rig_reset(struct rig *rig, int64_t start)
{
    struct rig_op op = {0};
    log_reset(rig->log, start, &op.op, rig_log_done);
    return finish(rig, &op);
}

enum err rig_advance(struct rig *rig, int64_t to)
{
    struct rig_op op = {0};
    log_advance_start(rig->log, to, &op.op, rig_log_done);
    return finish(rig, &op);
}

enum err rig_close(struct rig *rig)
{
    struct rig_op op = {0};
    struct rig_op closed = {0};
    dir_close(rig->dir, true, &op.dir_op, rig_dir_done);
    enum err e = finish(rig, &op);
    if (rig->seat == NULL)
        return e;
    if (rig->log != NULL) {
        rig->durable = MAX(rig->durable, log_durable_end(rig->log));
        struct log *log = rig->log;
        rig->log = NULL;
        log_close(log, &closed.op, rig_log_done);
        assert_ok(finish(rig, &closed));
        for (int i = 0; i < 64; i++) /* files are closed in the background */
            if (world_quiet(rig->world) || !rig_step(rig))
                break;
    }
    rig_free_dir(rig);
    world_exit(rig->seat, ERR_NONE);
    world_rise(rig->world, rig->node);
    rig->seat = NULL;
    while (world_node_life(rig->world, rig->node) != WORLD_DOWN)
        assert_true(world_step(rig->world));
    return e;
}

static void leave(struct rig *rig)
{
    if (rig->seat == NULL)
        return;
    if (rig->log != NULL)
        rig->durable = MAX(rig->durable, log_durable_end(rig->log));
    world_rise(rig->world, rig->node);
    rig->seat = NULL;
    forget_life(rig);
}

void rig_doom(struct rig *rig, int k)
{
    world_rise(rig->world, rig->node);
    world_kill(rig->world, rig->node, (uint32_t)k);
    sit_if_up(rig);
}

void rig_kill(struct rig *rig)
{
    leave(rig);
    world_kill(rig->world, rig->node, 0);
    while (world_node_life(rig->world, rig->node) != WORLD_DOWN)
        assert_true(world_step(rig->world));
}

void rig_power(struct rig *rig)
{
    leave(rig);
    world_power_loss(rig->world, 1ull << rig->node);
    while (world_node_life(rig->world, rig->node) != WORLD_DOWN)
        assert_true(world_step(rig->world));
}

/* ---- records ---- */

struct slice rig_batch(struct rig *rig, int records, int size, int64_t timestamp,
                       int64_t producer_id, int16_t epoch, int32_t sequence)
{
    size_t cap = WIRE_BATCH_HEAD + (size_t)records * ((size_t)size + 64);
    struct buf *buf = buf_new(rig->seat->mem, (uint32_t)cap);
    uint8_t *value = calloc(1, (size_t)size + 8);
    struct wire_builder b;
    if (buf == NULL) {
        free(value);
        return (struct slice){0};
    }
    wire_builder_init(&b, buf->data, cap);
    for (int i = 0; i < records; i++) {
        uint64_t body = rig->next_body++;
        for (int k = 8; k < size + 8; k++)
            value[k] = (uint8_t)(body * 31 + (uint64_t)k);
        put_u64(value, body);
        struct wire_bytes bytes = {.data = value, .size = size + 8};
        assert_ok(wire_builder_add(&b, timestamp, WIRE_NULL_BYTES, bytes, NULL, 0));
    }
    free(value);
    struct wire_builder_head head = {.base_offset = 0,
                                     .leader_epoch = -1,
                                     .producer_id = producer_id,
                                     .producer_epoch = epoch,
                                     .base_sequence = sequence};
    wire_builder_finish(&b, &head);
    return slice_of(buf, 0, (uint32_t)b.size);
}

struct log_appended rig_append_as(struct rig *rig, int records, int size, int64_t timestamp,
                                  int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct log_appended out;
    uint64_t body = rig->next_body;
    struct slice batch = rig_batch(rig, records, size, timestamp, producer_id, epoch, sequence);
    if (batch.buf == NULL)
        return (struct log_appended){.verdict = LOG_REFUSED};
    log_append(rig->log, batch, 0, env_wall(rig->seat->env), &out);
    for (int i = 0; out.verdict == LOG_APPENDED && i < records; i++) {
        assert_true(out.first + i < RIG_RECORDS_MAX);
        rig->bodies[out.first + i] = body + (uint64_t)i;
    }
    buf_release(batch.buf);
    return out;
}

struct log_appended rig_append(struct rig *rig, int records, int size)
{
    return rig_append_as(rig, records, size, env_wall(rig->seat->env), -1, -1, -1);
}

/* ---- reading ---- */

static void check_batch(struct rig *rig, struct bytes in, const struct wire_batch *batch)
{
    struct wire_records records;
    struct wire_record record;
    assert_ok(wire_batch_verify(batch, in.data, NULL));
    assert_ok(wire_records_begin(&records, batch, in, NULL));
    while (records.left > 0) {
        assert_ok(wire_records_next(&records, &record, NULL));
        uint64_t body = get_u64(record.value.data);
        assert_int_equal(body, rig->bodies[record.offset]);
        for (int k = 8; k < record.value.size; k++)
            assert_int_equal(record.value.data[k], (uint8_t)(body * 31 + (uint64_t)k));
    }
}

static int64_t check_bytes(struct rig *rig, struct bytes in, int64_t offset)
{
    struct wire_batch batch;
    for (size_t at = 0; at < in.size; at += (size_t)batch.size) {
        assert_int_equal(wire_batch_at(in, at, &batch, NULL), WIRE_AT_BATCH);
        assert_true(batch.base_offset <= offset);
        assert_true(wire_batch_last_offset(&batch) >= offset);
        check_batch(rig, bytes_of(in.data + at, (size_t)batch.size), &batch);
        offset = wire_batch_last_offset(&batch) + 1;
    }
    return offset;
}

struct door_call {
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void on_call(struct env_op *op, enum err e, uint64_t n)
{
    struct door_call *call = CONTAINER_OF(op, struct door_call, op);
    call->done = true;
    call->e = e;
    call->n = n;
}

/* False: the node went down. */
static bool read_part(struct rig *rig, const struct env_part *part, uint8_t *out)
{
    struct door_call call = {0};
    if (part->data != NULL) {
        memcpy(out, part->data, part->size);
        return true;
    }
    env_read(rig->seat->env, &call.op, part->file, part->offset, out, part->size, on_call);
    if (!rig_until(rig, &call.done))
        return false;
    assert_ok(call.e);
    assert_int_equal(call.n, part->size);
    return true;
}

struct rig_read {
    struct log_read read;
    bool done;
    enum err e;
};

static void on_read(struct log_op *op, enum err e)
{
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    struct rig_read *r = CONTAINER_OF(read, struct rig_read, read);
    r->done = true;
    r->e = e;
}

int64_t rig_check_part(struct rig *rig, const struct env_part *part, int64_t offset)
{
    uint8_t *bytes = malloc(part->size);
    bool read = read_part(rig, part, bytes);
    int64_t next = read ? check_bytes(rig, bytes_of(bytes, part->size), offset) : -1;
    free(bytes);
    return next;
}

static int64_t read_once(struct rig *rig, int64_t offset, int64_t end, int32_t bytes_max, bool load)
{
    struct rig_read r = {
        .read = {
            .offset = offset, .offset_end = end, .bytes_max = bytes_max, .at_least_one = true}};
    (load ? log_load : log_read)(rig->log, &r.read, on_read);
    if (!rig_until(rig, &r.done))
        return -1;
    if (r.e != ERR_NONE) {
        rig->msg = r.read.op.msg;
        return -1;
    }
    assert_int_equal(r.read.part_count, 1);
    int64_t next = rig_check_part(rig, &r.read.parts[0], offset);
    if (next < 0)
        return -1;
    assert_int_equal(next, r.read.next_offset);
    assert_true(next <= end);
    log_read_release(&r.read);
    return next;
}

int64_t rig_read_all(struct rig *rig, int64_t end, int32_t bytes_max, bool load)
{
    int64_t start = log_start(rig->log);
    int64_t offset = start;
    while (offset < end) {
        int64_t next = read_once(rig, offset, end, bytes_max, load);
        if (next < 0)
            return -1;
        assert_true(next > offset);
        offset = next;
    }
    return offset - start;
}

/* ---- files ---- */

static enum err call_done(struct rig *rig, struct door_call *call)
{
    assert_true(rig_until(rig, &call->done));
    return call->e;
}

uint8_t *rig_file(struct rig *rig, const char *path, size_t *size)
{
    struct env *env = rig->seat->env;
    struct door_call open = {0}, ask = {0}, read = {0}, close = {0};
    *size = 0;
    env_open_file(env, &open.op, path, ENV_OPEN_READ, on_call);
    if (call_done(rig, &open) != ERR_NONE)
        return NULL;
    env_size(env, &ask.op, open.n, on_call);
    assert_ok(call_done(rig, &ask));
    uint8_t *bytes = malloc(ask.n + 1);
    if (ask.n > 0) {
        env_read(env, &read.op, open.n, 0, bytes, ask.n, on_call);
        assert_ok(call_done(rig, &read));
    }
    *size = ask.n;
    bytes[ask.n] = 0;
    env_close_file(env, &close.op, open.n, on_call);
    assert_ok(call_done(rig, &close));
    return bytes;
}

void rig_overwrite(struct rig *rig, const char *path, uint64_t offset, const void *bytes,
                   size_t size)
{
    struct env *env = rig->seat->env;
    struct door_call open = {0}, write = {0}, sync = {0}, close = {0};
    struct env_part part = {.data = bytes, .size = size};
    env_open_file(env, &open.op, path, ENV_OPEN_READ | ENV_OPEN_WRITE, on_call);
    assert_ok(call_done(rig, &open));
    env_write(env, &write.op, open.n, offset, &part, 1, on_call);
    assert_ok(call_done(rig, &write));
    env_sync(env, &sync.op, open.n, on_call);
    assert_ok(call_done(rig, &sync));
    env_close_file(env, &close.op, open.n, on_call);
    assert_ok(call_done(rig, &close));
}

bool rig_exists(struct rig *rig, const char *path)
{
    size_t size;
    uint8_t *bytes = rig_file(rig, path, &size);
    free(bytes);
    return bytes != NULL;
}

int rig_count(struct rig *rig, const char *path, const char *suffix)
{
    struct door_call list = {0};
    static char names[1 << 16];
    int count = 0;
    env_list(rig->seat->env, &list.op, path, names, sizeof names, on_call);
    assert_ok(call_done(rig, &list));
    for (uint64_t at = 0; at < list.n; at += strlen(names + at) + 1) {
        size_t size = strlen(names + at);
        if (size >= strlen(suffix) && strcmp(names + at + size - strlen(suffix), suffix) == 0)
            count++;
    }
    return count;
}

void rig_make(struct rig *rig, const char *path)
{
    struct env *env = rig->seat->env;
    struct door_call open = {0}, close = {0};
    env_open_file(env, &open.op, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, on_call);
    assert_ok(call_done(rig, &open));
    env_close_file(env, &close.op, open.n, on_call);
    assert_ok(call_done(rig, &close));
}

void rig_remove(struct rig *rig, const char *path)
{
    static char names[1 << 16];
    char inner[ENV_PATH_MAX];
    struct env *env = rig->seat->env;
    struct door_call list = {0}, unlink = {0};
    env_list(env, &list.op, path, names, sizeof names, on_call);
    if (call_done(rig, &list) == ERR_NONE) {
        for (uint64_t at = 0; at < list.n; at += strlen(names + at) + 1) {
            struct door_call one = {0};
            snprintf(inner, sizeof inner, "%s/%s", path, names + at);
            env_unlink(env, &one.op, inner, on_call);
            assert_ok(call_done(rig, &one));
        }
    }
    env_unlink(env, &unlink.op, path, on_call);
    assert_ok(call_done(rig, &unlink));
}
