/* watch.c - sinks that write files. */
#include "cli/watch.h"

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    history_row(CONTAINER_OF(sink, struct watch, trace_sink)->writer, row);
}

static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    uint8_t bytes[WATCH_STEP_BYTES];
    put_u64(bytes, info->hash);
    fwrite(bytes, 1, sizeof bytes, CONTAINER_OF(sink, struct watch, steps_sink)->steps);
}

static enum err to_file(void *context, struct bytes bytes)
{
    struct watch *w = context;
    return fwrite(bytes.data, 1, bytes.size, w->trace) == bytes.size ? ERR_NONE : ERR_IO;
}

static bool complain(struct script_result *result, const char *what, const char *path)
{
    result->verdict = SCRIPT_WRONG;
    snprintf(result->why, sizeof result->why, "cannot write the %s %s", what, path);
    return false;
}

bool watch_open(struct watch *w, struct mem *mem, const struct campaign_mode *mode,
                struct script_options *options, struct script_result *result)
{
    *w = (struct watch){.trace_sink = {.row = on_row}, .steps_sink = {.step = on_step}};
    if (mode->trace_path != NULL) {
        w->trace = fopen(mode->trace_path, "wb");
        if (w->trace == NULL || history_open(&w->writer, mem, to_file, w) != ERR_NONE)
            return complain(result, "trace", mode->trace_path);
        options->sinks[options->sink_count++] = &w->trace_sink;
    }
    if (mode->steps_path != NULL) {
        w->steps = fopen(mode->steps_path, "wb");
        if (w->steps == NULL)
            return complain(result, "steps", mode->steps_path);
        options->sinks[options->sink_count++] = &w->steps_sink;
    }
    if (mode->timeline) {
        w->timeline = timeline_new(&options->sinks[options->sink_count]);
        options->sink_count += w->timeline != NULL;
        options->print = timeline_print;
    }
    return true;
}

void watch_close(struct watch *w, struct script_result *result)
{
    bool good = true;
    if (w->writer != NULL)
        good &= history_close(w->writer) == ERR_NONE;
    if (w->trace != NULL)
        good &= fclose(w->trace) == 0;
    if (w->steps != NULL)
        good &= fclose(w->steps) == 0;
    timeline_free(w->timeline);
    if (!good) {
        result->verdict = SCRIPT_INCONCLUSIVE;
        snprintf(result->why, sizeof result->why, "the trace could not be written");
    }
}
