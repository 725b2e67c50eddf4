/* sound_test.c - what a node says is held against what it can say at all: each way in which a log
 * may be broken is the end of that node, told in words, and never of the world. */
#include <stdio.h>
#include "programs.h"
#include "world/own.h"

/* ---- a host whose nodes lie ---- */

static struct {
    struct half_options options;
    struct half_guest guest;
    struct world_half *half;
    void (*bend)(struct half_log *log, struct half_state *left); /* what a command's handler said */
} liar;

static enum err liar_new(struct half_host *host, struct half_guest **out,
                         const struct half_options *options)
{
    liar.options = *options;
    liar.guest.impl = host->impl;
    *out = &liar.guest;
    return world_half_new(&liar.half, options);
}

static void liar_free(struct half_guest *guest)
{
    (void)guest;
    world_half_free(liar.half);
}

static enum err liar_begin(struct half_guest *guest, uint32_t life, struct bytes args,
                           struct env_disk disk)
{
    (void)guest;
    return world_half_begin(liar.half, life, args, disk);
}

static void liar_end(struct half_guest *guest)
{
    (void)guest;
    world_half_end(liar.half);
}

static enum half_fate liar_run(struct half_guest *guest, const struct half_event *event,
                               struct half_state *left)
{
    (void)guest;
    world_half_run(liar.half, event, left);
    if (event->type == HALF_COMMAND)
        liar.bend(liar.options.log, left);
    return HALF_RAN;
}

static const uint32_t *liar_marks(const struct half_guest *guest)
{
    (void)guest;
    return world_half_marks(liar.half);
}

static const struct half_host_impl liar_impl = {
    .distrusted = true,
    .new = liar_new,
    .free = liar_free,
    .begin = liar_begin,
    .end = liar_end,
    .run = liar_run,
    .marks = liar_marks,
};

static struct half_host liar_host = {.impl = &liar_impl};

/* ---- what it says, before it is bent ---- */

static struct env_op opening, reading, connecting, sending;
static struct env_part parts[2];
static uint8_t text[16];

static void ignore(struct env_op *op, enum err e, uint64_t n)
{
    (void)op, (void)e, (void)n;
}

static enum err start_well(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static void say_much(struct world_seat *seat, uint64_t id, struct bytes command)
{
    (void)command;
    memset(&opening, 0, sizeof opening);
    memset(&connecting, 0, sizeof connecting);
    TRACE(seat->trace, LOG_ROLL, .partition = 1, .base = 2);
    env_open_file(seat->env, &opening, "file", ENV_OPEN_CREATE | ENV_OPEN_WRITE, ignore);
    env_connect(seat->env, &connecting, "node", 7, ignore);
    world_reply(seat, id, bytes_text("reply"));
}

static const struct world_program talker = {
    .kind = "talker", .start = start_well, .command = say_much};

static struct {
    struct world_sink sink;
    char why[256];
} ward;

static void on_broke(struct world_sink *sink, const struct world_break *broke)
{
    (void)sink;
    snprintf(ward.why, sizeof ward.why, "%s", broke->why);
}

/* Why the node's end came, when what it says is bent so. */
static const char *told(void (*bend)(struct half_log *log, struct half_state *left))
{
    struct stage stage;
    ward.why[0] = 0;
    ward.sink = (struct world_sink){.broke = on_broke};
    liar.bend = bend;
    stage_open(&stage, &(struct world_config){.host = &liar_host});
    world_add_sink(stage.world, &ward.sink);
    stage_add(&stage, &talker, "node", "");
    world_run_until(stage.world, SECOND_NS);
    assert_true(world_command(stage.world, 0, 1, bytes_text("?")));
    (void)world_run_until(stage.world, 2 * SECOND_NS);
    stage_close(&stage);
    return ward.why;
}

/* ---- records ---- */

static struct half_record *record_at(struct half_log *log, int index)
{
    size_t at = 0;
    const struct half_record *record = NULL;
    for (int i = 0; i <= index; i++)
        record = world_half_log_next(log, &at);
    assert_non_null(record);
    return (struct half_record *)(uintptr_t)record;
}

static struct half_ask *ask_at(struct half_log *log, int index)
{
    return (struct half_ask *)(record_at(log, index) + 1);
}

#define BEND(name) static void name(struct half_log *log, struct half_state *left)

BEND(not_at_all)
{
    (void)log, (void)left;
}

BEND(no_type)
{
    (void)left;
    record_at(log, 2)->type = 77;
}

BEND(no_error)
{
    (void)left;
    record_at(log, 1)->err = ERR_COUNT;
}

BEND(too_long)
{
    (void)left;
    record_at(log, 2)->size = UINT64_MAX - 7;
}

BEND(cut_short)
{
    (void)left;
    log->size -= 8;
}

BEND(rows_ahead)
{
    (void)left;
    record_at(log, 2)->rows_size += 1;
}

BEND(rows_behind)
{
    (void)left;
    record_at(log, 1)->rows_size = 0;
}

BEND(too_many_rows)
{
    (void)log;
    left->rows_size = WORLD_TRACE_WORDS + 1;
}

BEND(row_of_no_kind)
{
    (void)log, (void)left;
    ((struct trace_row *)liar.options.rows)->kind = TRACE_KIND_COUNT;
}

BEND(more_behind_exit)
{
    (void)left;
    record_at(log, 1)->type = HALF_EXITS;
}

BEND(refusal)
{
    (void)left;
    record_at(log, 2)->type = HALF_REFUSES;
}

TEST(an_honest_log_is_believed)
{
    assert_string_equal(told(not_at_all), "");
}

TEST(broken_records_are_told)
{
    assert_string_equal(told(no_type), "its log has a record of no type");
    assert_non_null(strstr(told(no_error), "no such error"));
    assert_string_equal(told(too_long), "its log ends within a record");
    assert_string_equal(told(cut_short), "its log ends within a record");
    assert_non_null(strstr(told(rows_ahead), "stands between no two rows"));
    assert_non_null(strstr(told(rows_behind), "stands between no two rows"));
    assert_non_null(strstr(told(too_many_rows), "more rows than there is room for"));
    assert_string_equal(told(row_of_no_kind), "it wrote a row that is none");
    assert_string_equal(told(more_behind_exit), "its log goes on behind its exit");
    assert_string_equal(told(refusal), "its log has a refused allocation that is none");
}

/* ---- operations ---- */

BEND(no_verb)
{
    (void)left;
    ask_at(log, 0)->verb = ENV_VERB_COUNT;
}

BEND(endless_path)
{
    (void)left;
    memset(ask_at(log, 0) + 1, 'x', ask_at(log, 0)->path_size);
}

BEND(path_beyond)
{
    (void)left;
    ask_at(log, 0)->path_size = 500;
}

BEND(no_path)
{
    (void)left;
    ask_at(log, 0)->verb = ENV_RENAME;
}

BEND(path_for_nothing)
{
    (void)left;
    ask_at(log, 0)->verb = ENV_SIZE;
}

BEND(parts_of_nothing)
{
    (void)left;
    ask_at(log, 0)->part_count = 1;
}

BEND(parts_below_none)
{
    (void)left;
    ask_at(log, 0)->part_count = INT32_MIN;
}

BEND(too_much)
{
    (void)left;
    ask_at(log, 0)->verb = ENV_LIST;
    ask_at(log, 0)->size = ENV_IO_BYTES_MAX + 1ull;
}

BEND(far_away)
{
    (void)left;
    ask_at(log, 0)->offset = UINT64_MAX;
}

TEST(broken_operations_are_told)
{
    assert_string_equal(told(no_verb), "its log has an operation of no verb");
    assert_non_null(strstr(told(endless_path), "a path that is none"));
    assert_non_null(strstr(told(path_beyond), "longer than its record"));
    assert_non_null(strstr(told(no_path), "a path that is none"));
    assert_non_null(strstr(told(path_for_nothing), "a path that is none"));
    assert_non_null(strstr(told(parts_of_nothing), "parts do not fit"));
    assert_non_null(strstr(told(parts_below_none), "parts do not fit"));
    assert_non_null(strstr(told(too_much), "too many bytes"));
    assert_non_null(strstr(told(far_away), "no bytes at all"));
}

/* ---- handles that were never given, in place of all that it said ---- */

static void say_alone(struct half_log *log, const struct half_ask *ask, uint64_t part_file)
{
    struct half_record *record = record_at(log, 0);
    struct half_part part = {.file = part_file, .size = ask->size};
    bool sends = ask->verb == ENV_SEND;
    record->size = sizeof *ask + (sends ? sizeof part : 0);
    memcpy(record + 1, ask, sizeof *ask);
    if (sends)
        memcpy((uint8_t *)(record + 1) + sizeof *ask, &part, sizeof part);
    log->size = sizeof *record + record->size;
}

static uint8_t verb_said;

BEND(unknown_handle)
{
    (void)left;
    struct half_ask ask = {.verb = verb_said, .handle = 0x12340001, .size = 1};
    ask.part_count = verb_said == ENV_SEND;
    say_alone(log, &ask, 0);
}

TEST(handles_that_were_never_given_are_told)
{
    static const uint8_t of_files[] = {ENV_CLOSE_FILE, ENV_READ, ENV_TRUNCATE, ENV_SIZE, ENV_SYNC};
    static const uint8_t of_streams[] = {ENV_ACCEPT, ENV_SEND, ENV_RECEIVE, ENV_CLOSE};
    for (int i = 0; i < COUNT_OF(of_files); i++) {
        verb_said = of_files[i];
        assert_non_null(strstr(told(unknown_handle), "a file that is not open"));
    }
    for (int i = 0; i < COUNT_OF(of_streams); i++) {
        verb_said = of_streams[i];
        assert_memory_equal(told(unknown_handle), "it ", 3);
    }
}

/* ---- sends, over a connection to itself ---- */

static uint64_t stream;
static bool listens;
static struct env_op listening, accepting;

static void on_connected(struct env_op *op, enum err e, uint64_t n)
{
    (void)op;
    assert_ok(e);
    stream = n;
}

static struct world_seat *dialling;

static void on_listening(struct env_op *op, enum err e, uint64_t n)
{
    (void)op;
    assert_ok(e);
    memset(&accepting, 0, sizeof accepting);
    memset(&connecting, 0, sizeof connecting);
    env_accept(dialling->env, &accepting, n, NULL, ignore);
    env_connect(dialling->env, &connecting, "node", 7, on_connected);
    listens = true;
}

static enum err start_dialling(struct world_seat *seat)
{
    dialling = seat;
    memset(&listening, 0, sizeof listening);
    env_listen(seat->env, &listening, "node", 7, on_listening);
    return ERR_NONE;
}

static void send_text(struct world_seat *seat, uint64_t id, struct bytes command)
{
    (void)id, (void)command;
    memset(&sending, 0, sizeof sending);
    memset(&reading, 0, sizeof reading);
    parts[0] = (struct env_part){.data = text, .size = sizeof text};
    env_send(seat->env, &sending, stream, parts, 1, ignore);
    env_receive(seat->env, &reading, stream, text, sizeof text, ignore);
}

static const struct world_program dialler = {
    .kind = "dialler", .start = start_dialling, .command = send_text};

BEND(no_extent)
{
    (void)left;
    ask_at(log, 0)->extent = 1;
}

BEND(less_extent)
{
    (void)left;
    struct half_ask *ask = ask_at(log, 0);
    ask->size = 100000;
    ((struct half_part *)(ask + 1))->size = 100000;
}

BEND(other_sum)
{
    (void)left;
    ask_at(log, 0)->size = 15;
}

BEND(file_unknown)
{
    (void)left;
    ((struct half_part *)(ask_at(log, 0) + 1))->file = 99;
}

BEND(twice)
{
    (void)left;
    struct half_record *first = record_at(log, 0), *second = record_at(log, 1);
    size_t size = (size_t)((uint8_t *)second - (uint8_t *)first);
    memcpy(log->data + size, first, size); /* the log has room: it is 4 KiB at least */
    log->size = 2 * size;
}

static const char *told_of_send(void (*bend)(struct half_log *log, struct half_state *left))
{
    struct stage stage;
    ward.why[0] = 0;
    ward.sink = (struct world_sink){.broke = on_broke};
    liar.bend = bend;
    stage_open(&stage, &(struct world_config){.host = &liar_host});
    world_add_sink(stage.world, &ward.sink);
    stage_add(&stage, &dialler, "node", "");
    world_run_until(stage.world, SECOND_NS);
    assert_true(listens && stream != 0);
    assert_true(world_command(stage.world, 0, 1, bytes_text("?")));
    (void)world_run_until(stage.world, 2 * SECOND_NS);
    stage_close(&stage);
    return ward.why;
}

TEST(broken_sends_are_told)
{
    assert_string_equal(told_of_send(not_at_all), "");
    assert_non_null(strstr(told_of_send(no_extent), "a send without its bytes"));
    assert_non_null(strstr(told_of_send(less_extent), "a send without its bytes"));
    assert_non_null(strstr(told_of_send(other_sum), "parts do not fit"));
    assert_non_null(strstr(told_of_send(file_unknown), "a file that is not open"));
    assert_non_null(strstr(told_of_send(twice), "while another send is in flight"));
}
