/* record.c - keeps what a run has come to where its end cannot take it. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli/record.h"

#define STEP_BYTES 8

/* What the writer of a trace file holds back until its block is full stands here, too: in the one
 * half, which is full but for a row. */
_Static_assert(RECORD_ROWS_MAX - TRACE_HEAD_WORDS - TRACE_WIDTH_MAX >= HISTORY_BLOCK_WORDS,
               "a block of a trace file");

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

/* What counts is set to nothing; the pages that it counts stay, as they would be written again. */
void record_reset(struct record *r)
{
    memset(r, 0, offsetof(struct record, pieces));
    r->trace_words = r->trace_bytes = 0;
    for (int i = 0; i < COUNT_OF(r->rows); i++)
        r->rows[i].first = r->rows[i].size = 0;
    r->rows_now = r->node = r->life = 0;
    r->untold[0] = TRACE_END;
    r->nodes.count = 0;
}

/* ---- writing ---- */

/* An event may take many steps: a piece ends where the first step of a later event begins. */
static void end_pieces(struct record *r, uint64_t number)
{
    while (number > (uint64_t)(r->piece_count + 1) * RECORD_PIECE_EVENTS &&
           r->piece_count < RECORD_PIECES_MAX)
        r->pieces[r->piece_count++] = (struct record_piece){r->hash, r->time_ns};
}

/* The half that is full stays until the other one is: the rows that are there for the longest go.
 */
static void change_halves(struct recorder *recorder)
{
    struct record *r = recorder->record;
    uint64_t first = recorder->rows->first + recorder->rows->size;
    r->rows_now = 1 - r->rows_now;
    recorder->rows = &r->rows[r->rows_now];
    recorder->rows->size = 0;
    recorder->rows->first = first;
}

static void keep_name(struct record *r, const struct trace_row *row)
{
    uint32_t width = (uint32_t)(TRACE_HEAD_WORDS + row->width);
    if (r->names_size + width > RECORD_NAMES_MAX)
        return;
    memcpy(r->names + r->names_size, row, width * sizeof r->names[0]);
    r->names_size += width;
}

static void keep_row(struct recorder *recorder, const struct trace_row *row)
{
    uint32_t width = (uint32_t)(TRACE_HEAD_WORDS + row->width);
    if (recorder->rows->size + width > RECORD_ROWS_MAX)
        change_halves(recorder);
    struct record_rows *rows = recorder->rows;
    memcpy(rows->words + rows->size, row, width * sizeof rows->words[0]);
    rows->size += width;
}

static void on_rows(struct world_sink *sink, const uint64_t *words, uint32_t size)
{
    struct recorder *recorder = CONTAINER_OF(sink, struct recorder, sink);
    struct record_rows *rows = recorder->rows;
    bool all = rows->size + size <= RECORD_ROWS_MAX; /* as almost always */
    if (all) {
        memcpy(rows->words + rows->size, words, size * sizeof *words);
        rows->size += size;
    }
    for (uint32_t at = 0; at < size;) {
        const struct trace_row *row = (const struct trace_row *)(words + at);
        at += (uint32_t)(TRACE_HEAD_WORDS + row->width);
        if (row->kind == TRACE_NAME)
            keep_name(recorder->record, row);
        if (!all)
            keep_row(recorder, row);
    }
}

static void name_event(struct recorder *recorder, const struct world_step_info *info)
{
    struct trace_whole name;
    edges_name(&recorder->edges, info, &name);
    keep_name(recorder->record, &name.row);
    keep_row(recorder, &name.row);
}

static inline void keep_event(struct recorder *recorder, const struct world_step_info *info)
{
    if (edges_must_name(&recorder->edges, info))
        name_event(recorder, info);
    if (recorder->rows->size + EDGES_EVENT_WORDS > RECORD_ROWS_MAX)
        change_halves(recorder);
    struct record_rows *rows = recorder->rows;
    edges_event(&recorder->edges, info, (struct edges_event *)(rows->words + rows->size));
    rows->size += EDGES_EVENT_WORDS;
}

static void on_event(struct world_sink *sink, const struct world_step_info *info)
{
    struct recorder *recorder = CONTAINER_OF(sink, struct recorder, sink);
    keep_event(recorder, info);
    recorder->record->node = info->node;
    recorder->record->life = info->incarnation;
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

static void on_heard(void *context, int64_t time_ns, const char *variable, const char *statement)
{
    struct record *r = context;
    size_t room = RECORD_HEARD_MAX - r->heard_size;
    if (statement[0] == 0) {
        r->heard_all = room > 0;
        r->end_ns = time_ns;
        return;
    }
    int n = snprintf(r->heard + r->heard_size, room, "%" PRId64 "\t%s\t%s\n", time_ns, variable,
                     statement);
    r->heard_size += (uint32_t)MIN((size_t)MAX(n, 0), room);
}

void recorder_start(struct recorder *recorder, struct record *record, bool listen,
                    struct script_options *options)
{
    *recorder = (struct recorder){.sink = {.rows = on_rows, .chain = on_chain, .event = on_event},
                                  .fired = {.fired = on_fired},
                                  .record = record};
    mem_system(&recorder->mem);
    if (record == NULL)
        return;
    recorder->rows = &record->rows[record->rows_now];
    ASSERT(options->sink_count < COUNT_OF(options->sinks));
    options->sinks[options->sink_count++] = &recorder->sink;
    options->fired = &recorder->fired;
    options->rows = record->untold;
    panic_leaves(record->panic, sizeof record->panic);
    options->heard = listen ? on_heard : NULL;
    options->heard_context = record;
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

static void put_words(struct history_writer *w, uint64_t *words, uint32_t size)
{
    uint32_t at = 0;
    for (const struct trace_row *row; (row = trace_next(words, size, &at)) != NULL;)
        history_row(w, row);
}

/* The rows behind so many words, as far as they are there. */
static void put_rows(struct history_writer *w, struct record_rows *rows, uint64_t from)
{
    uint32_t at = (uint32_t)MIN(from - MIN(from, rows->first), rows->size);
    for (const struct trace_row *row; (row = trace_next(rows->words, rows->size, &at)) != NULL;)
        history_row(w, row);
}

/* Of the handler that crashed; a row that has its event has been told. */
static void put_untold(struct history_writer *w, struct record *r)
{
    uint32_t size = trace_rows_left(r->untold, WORLD_TRACE_WORDS), at = 0;
    for (struct trace_row *row; (row = trace_next(r->untold, size, &at)) != NULL;) {
        if (row->event != 0)
            continue;
        row->time_ns = r->time_ns;
        row->event = r->events;
        row->node = r->node;
        row->incarnation = (uint16_t)r->life;
        history_row(w, row);
    }
}

static void put_finding(struct history_writer *w, const struct record *r,
                        const struct script_finding *f)
{
    struct trace_whole whole;
    struct mem mem;
    struct text line;
    mem_system(&mem);
    text_init(&line, &mem);
    script_finding_print(f, &line);
    trace_make(&whole, TRACE_FINDING, NULL, line.failed ? f->what : line.data);
    whole.row.time_ns = f->time_ns;
    whole.row.event = r->events;
    whole.row.node = f->node_id;
    history_row(w, &whole.row);
    text_free(&line);
}

bool record_write_trace(struct record *r, const struct script_finding *finding, const char *path)
{
    struct mem mem;
    struct history_writer *writer;
    mem_system(&mem);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    bool good = history_open(&writer, &mem, to_file, file) == ERR_NONE;
    if (good) {
        put_words(writer, r->names, r->names_size);
        put_rows(writer, &r->rows[1 - r->rows_now], 0);
        put_rows(writer, &r->rows[r->rows_now], 0);
        put_untold(writer, r);
        put_finding(writer, r, finding);
        good = history_close(writer) == ERR_NONE;
    }
    return fclose(file) == 0 && good;
}

bool record_finish_trace(struct record *r, const struct script_finding *finding, const char *path)
{
    struct mem mem;
    struct history_writer *writer;
    mem_system(&mem);
    FILE *file = truncate(path, (off_t)r->trace_bytes) == 0 ? fopen(path, "ab") : NULL;
    if (file == NULL)
        return false;
    bool good = history_open_more(&writer, &mem, to_file, file) == ERR_NONE;
    if (good) {
        put_rows(writer, &r->rows[1 - r->rows_now], r->trace_words);
        put_rows(writer, &r->rows[r->rows_now], r->trace_words);
        put_untold(writer, r);
        put_finding(writer, r, finding);
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
