/* record.c - keeps what a run has come to where its end cannot take it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "cli/record.h"

#define STEP_BYTES 8

struct record *record_new(void)
{
    void *data = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

void record_free(struct record *r)
{
    if (r != NULL)
        munmap(r, sizeof *r);
}

/* ---- writing ---- */

/* An event may take many steps: a piece ends where the first step of a later event begins. */
static void end_pieces(struct record *r, uint64_t number)
{
    while (number > (uint64_t)(r->piece_count + 1) * RECORD_PIECE_EVENTS &&
           r->piece_count < RECORD_PIECES_MAX)
        r->pieces[r->piece_count++] = (struct record_piece){r->hash, r->time_ns};
}

static void on_chain(struct world_sink *sink, uint64_t event, int64_t time_ns, uint64_t hash)
{
    struct record *r = CONTAINER_OF(sink, struct recorder, sink)->record;
    end_pieces(r, event);
    if (r->step_count < RECORD_STEPS_MAX)
        r->steps[r->step_count] = hash;
    r->step_count++;
    r->hash = hash;
    r->events = event;
    r->time_ns = time_ns;
}

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    struct record *r = CONTAINER_OF(sink, struct recorder, sink)->record;
    if (row->kind == TRACE_NAME && r->name_count < RECORD_NAMES_MAX)
        r->names[r->name_count++] = *row;
    if (row->kind != TRACE_NAME)
        r->rows[r->row_count++ % RECORD_ROWS] = *row;
}

static void on_fired(struct fault_watch *watch, const struct fault_line *line,
                     const struct fault_names *names)
{
    struct recorder *recorder = CONTAINER_OF(watch, struct recorder, fired);
    struct record *r = recorder->record;
    struct text text;
    r->fault_count++;
    text_init(&text, &recorder->mem);
    if (r->nodes.count != names->count)
        r->nodes = *names;
    fault_line_print(line, names, &text);
    text_add(&text, "\n", 1);
    if (!text.failed && text.size < RECORD_PLAN_MAX - r->plan_size) {
        memcpy(r->plan + r->plan_size, text.data, text.size);
        r->plan_size += (uint32_t)text.size;
    }
    text_free(&text);
}

void recorder_start(struct recorder *recorder, struct record *record,
                    struct script_options *options)
{
    *recorder = (struct recorder){
        .sink = {.row = on_row, .chain = on_chain}, .fired = {.fired = on_fired}, .record = record};
    mem_system(&recorder->mem);
    if (record == NULL)
        return;
    ASSERT(options->sink_count < COUNT_OF(options->sinks));
    options->sinks[options->sink_count++] = &recorder->sink;
    options->fired = &recorder->fired;
    panic_leaves(record->panic, sizeof record->panic);
}

/* ---- reading ---- */

char *record_plan(const struct record *r)
{
    struct mem mem;
    struct text text;
    mem_system(&mem);
    text_init(&text, &mem);
    if (r->nodes.count > 0) {
        text_printf(&text, "nodes ");
        fault_names_print(&r->nodes, " ", &text);
        text_printf(&text, "\n");
    }
    char *plan = text.failed ? NULL : malloc(text.size + r->plan_size + 1);
    if (plan != NULL) {
        if (text.size > 0)
            memcpy(plan, text.data, text.size);
        memcpy(plan + text.size, r->plan, r->plan_size);
        plan[text.size + r->plan_size] = 0;
    }
    text_free(&text);
    return plan;
}

static enum err to_file(void *context, struct bytes bytes)
{
    return fwrite(bytes.data, 1, bytes.size, context) == bytes.size ? ERR_NONE : ERR_IO;
}

bool record_write_trace(const struct record *r, const char *path)
{
    struct mem mem;
    struct history_writer *writer;
    mem_system(&mem);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    bool good = history_open(&writer, &mem, to_file, file) == ERR_NONE;
    if (good) {
        for (uint32_t i = 0; i < r->name_count; i++)
            history_row(writer, &r->names[i]);
        uint64_t first = r->row_count > RECORD_ROWS ? r->row_count - RECORD_ROWS : 0;
        for (uint64_t i = first; i < r->row_count; i++)
            history_row(writer, &r->rows[i % RECORD_ROWS]);
        good = history_close(writer) == ERR_NONE;
    }
    return fclose(file) == 0 && good;
}

int64_t record_first_piece(const struct record_piece *recorded, int64_t recorded_count,
                           const struct record *now)
{
    int64_t count = MIN(recorded_count, (int64_t)now->piece_count);
    for (int64_t i = 0; i < count; i++) {
        if (recorded[i].hash != now->pieces[i].hash)
            return i;
    }
    return -1;
}

static int64_t steps_kept(const struct record *r)
{
    return (int64_t)MIN(r->step_count, (uint64_t)RECORD_STEPS_MAX);
}

int64_t record_first_step(struct bytes recorded, const struct record *now)
{
    int64_t count = MIN((int64_t)(recorded.size / STEP_BYTES), steps_kept(now));
    for (int64_t i = 0; i < count; i++) {
        if (get_u64(recorded.data + i * STEP_BYTES) != now->steps[i])
            return i + 1;
    }
    bool longer = (int64_t)(recorded.size / STEP_BYTES) != steps_kept(now);
    return longer ? count + 1 : 0;
}

bool record_write_steps(const struct record *r, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    for (int64_t i = 0; i < steps_kept(r); i++) {
        uint8_t bytes[STEP_BYTES];
        put_u64(bytes, r->steps[i]);
        fwrite(bytes, 1, sizeof bytes, file);
    }
    return fclose(file) == 0;
}
