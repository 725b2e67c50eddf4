/* watch.c - sinks that write files. */
#include <errno.h>
#include <inttypes.h>
#include "cli/record.h"
#include "cli/watch.h"

/* What a crash leaves of the file is whole, and what it does not have yet stands in the record. */
static void tell_record(struct watch *w)
{
    if (w->record == NULL || fflush(w->trace) != 0)
        return;
    w->record->trace_words = w->words;
    w->record->trace_bytes = (uint64_t)ftello(w->trace);
}

static void put_row(struct watch *w, const struct trace_row *row)
{
    uint64_t sunk = history_rows_sunk(w->writer);
    history_row(w->writer, row);
    if (sunk != history_rows_sunk(w->writer))
        tell_record(w);
}

/* A finding as a row, behind those that showed it: what an earlier run of the same found. */
static void put_finding(struct watch *w, const struct script_finding *f)
{
    struct trace_whole whole;
    struct text line;
    text_init(&line, w->mem);
    script_finding_print(f, &line);
    trace_make(&whole, TRACE_FINDING, NULL, line.failed ? f->what : line.data);
    whole.row.time_ns = f->time_ns;
    whole.row.node = f->node_id;
    put_row(w, &whole.row);
    text_free(&line);
}

static void put_findings(struct watch *w, int64_t before_ns)
{
    for (int32_t i = 0; w->found != NULL && i < w->found->finding_count; i++) {
        const struct script_finding *f = &w->found->findings[i];
        if (f->time_ns >= w->told_ns && f->time_ns < before_ns)
            put_finding(w, f);
    }
    w->told_ns = MAX(w->told_ns, before_ns);
}

static void put_own_row(struct watch *w, const struct trace_row *row)
{
    put_findings(w, row->time_ns);
    put_row(w, row);
    w->words += TRACE_HEAD_WORDS + row->width;
}

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    put_own_row(CONTAINER_OF(sink, struct watch, trace_sink), row);
}

static void on_event(struct world_sink *sink, const struct world_step_info *info)
{
    struct watch *w = CONTAINER_OF(sink, struct watch, trace_sink);
    struct trace_whole name;
    struct edges_event event;
    if (edges_must_name(&w->edges, info)) {
        edges_name(&w->edges, info, &name);
        put_own_row(w, &name.row);
    }
    edges_event(&w->edges, info, &event);
    put_own_row(w, &event.row);
}

static uint64_t digest_of(const struct script_result *r)
{
    uint64_t h = hash_combine((uint64_t)r->verdict, hash_text(r->why));
    h = hash_combine(hash_combine(h, r->faults), (uint64_t)r->sim_ns);
    h = hash_bytes(&r->counts, sizeof r->counts, h);
    h = hash_bytes(r->violations, sizeof r->violations, h);
    return hash_bytes(r->mark_count, sizeof r->mark_count, h);
}

static void put_step(const struct watch *w, uint64_t hash)
{
    uint8_t bytes[WATCH_STEP_BYTES];
    put_u64(bytes, hash);
    fwrite(bytes, 1, sizeof bytes, w->steps);
}

static void print_step(const struct world_step_info *info)
{
    cli_wrapf(stderr, 4,
              "  event %" PRIu64 " at %.9f s: node %" PRIu32 " life %" PRIu32
              ", %s, its operation %" PRIu64 ", n %" PRIu64 ", digest %016" PRIx64,
              info->number, (double)info->time_ns / 1e9, info->node, info->incarnation, info->what,
              info->op, info->n, info->digest);
}

static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    struct watch *w = CONTAINER_OF(sink, struct watch, steps_sink);
    if (w->steps != NULL)
        put_step(w, info->hash);
    if (++w->step == w->shown_step)
        print_step(info);
}

int64_t campaign_steps_compare(struct bytes a, struct bytes b)
{
    size_t size = MIN(a.size, b.size);
    for (size_t at = 0; at + WATCH_STEP_BYTES <= size; at += WATCH_STEP_BYTES) {
        if (memcmp(a.data + at, b.data + at, WATCH_STEP_BYTES) != 0)
            return (int64_t)(at / WATCH_STEP_BYTES) + 1;
    }
    return a.size == b.size ? 0 : (int64_t)(size / WATCH_STEP_BYTES) + 1;
}

static enum err to_file(void *context, struct bytes bytes)
{
    struct watch *w = context;
    return fwrite(bytes.data, 1, bytes.size, w->trace) == bytes.size ? ERR_NONE : ERR_IO;
}

static bool complain(struct script_result *result, const char *what, const char *path)
{
    result->verdict = SCRIPT_WRONG;
    snprintf(result->why, sizeof result->why, "cannot write the %s %s: %s", what, path,
             strerror(errno));
    return false;
}

bool watch_open(struct watch *w, struct mem *mem, const struct campaign_mode *mode,
                struct script_options *options, struct script_result *result)
{
    *w = (struct watch){.trace_sink = {.row = on_row, .event = on_event},
                        .steps_sink = {.step = on_step},
                        .mem = mem,
                        .record = mode->record,
                        .found = mode->found};
    if (mode->trace_path != NULL) {
        w->trace = fopen(mode->trace_path, "wb");
        if (w->trace == NULL || history_open(&w->writer, mem, to_file, w) != ERR_NONE)
            return complain(result, "trace", mode->trace_path);
        tell_record(w);
        options->sinks[options->sink_count++] = &w->trace_sink;
    }
    if (mode->steps_path != NULL) {
        w->steps = fopen(mode->steps_path, "wb");
        if (w->steps == NULL)
            return complain(result, "steps", mode->steps_path);
    }
    w->shown_step = mode->show_step;
    if (w->steps != NULL || w->shown_step != 0)
        options->sinks[options->sink_count++] = &w->steps_sink;
    if (mode->timeline) {
        w->timeline = timeline_new(mode, &options->sinks[options->sink_count]);
        options->sink_count += w->timeline != NULL;
        options->print = timeline_print;
    }
    return true;
}

void watch_close(struct watch *w, struct script_result *result)
{
    bool good = true;
    if (w->writer != NULL)
        put_findings(w, INT64_MAX);
    if (w->writer != NULL)
        good &= history_close(w->writer) == ERR_NONE;
    if (w->trace != NULL)
        good &= fclose(w->trace) == 0;
    if (w->steps != NULL)
        put_step(w, hash_combine(result->rows_hash, digest_of(result)));
    if (w->steps != NULL)
        good &= fclose(w->steps) == 0;
    timeline_free(w->timeline);
    if (!good) {
        result->verdict = SCRIPT_INCONCLUSIVE;
        snprintf(result->why, sizeof result->why, "the trace could not be written");
    }
}
