/* replay.c - kiln replay: repeats a run exactly, and says where it differs if it does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/record.h"

/* A run that is repeated, and how it ended before. */
struct repeat {
    struct campaign_replay recorded;
    const char *path; /* of the replay file */
    struct campaign_mode mode;
    struct campaign_view view;
    bool same_build;
    struct campaign_outcome now;
};

static void report(const struct repeat *r)
{
    const struct script_result *x = &r->now.result;
    cli_wrapf(stdout, 4, "hash=%016" PRIx64 " seed=%" PRIu64 " events=%" PRIu64 " sim_s=%.6f %s",
              x->hash, r->recorded.seed, x->events, (double)x->sim_ns / 1e9,
              r->now.crashed ? "CRASHED" : script_verdict_name(x->verdict));
    campaign_print_findings(x, "", stdout);
    fflush(stdout);
}

/* ---- where it differs ---- */

/* The event that a step belongs to, told by a run that comes by there once more. */
static void show_step(const struct repeat *r, int64_t step)
{
    struct campaign_mode mode = r->mode;
    struct campaign_outcome outcome;
    mode.show_step = step;
    mode.trace_path = mode.data_dir = NULL;
    mode.timeline = mode.files = false;
    mode.found = NULL;
    fprintf(stderr, "the first event that differs, as it is now:\n");
    campaign_run_child(&r->recorded.script, r->recorded.seed, &mode, &outcome);
    campaign_outcome_free(&outcome);
}

static void tell_step(const struct repeat *r)
{
    char path[CAMPAIGN_PATH_MAX];
    struct bytes steps;
    struct errmsg msg;
    campaign_beside(r->path, ".steps", path);
    if (cli_read_input(path, CLI_INPUT_BYTES_MAX, &steps, &msg) != ERR_NONE) {
        cli_wrapf(stderr, 4, "which event it is would stand in %s: %s", path, msg.text);
        return;
    }
    int64_t step = record_first_step(steps, r->now.record);
    if (step > 0)
        show_step(r, step);
    else
        fprintf(stderr, "no event differs from %s\n", path);
    cli_free(steps);
}

/* Pieces are of RECORD_PIECE_EVENTS events each; what comes behind the last whole one is one, too.
 */
static void tell_difference(const struct repeat *r, int64_t piece)
{
    const struct record *now = r->now.record;
    uint64_t first = (uint64_t)piece * RECORD_PIECE_EVENTS + 1;
    fprintf(stderr, "the first piece that differs: events %" PRIu64 " to ", first);
    if (piece < (int64_t)now->piece_count)
        fprintf(stderr, "%" PRIu64, first + RECORD_PIECE_EVENTS - 1);
    else
        fprintf(stderr, "the end");
    if (piece > 0)
        fprintf(stderr, ", from %.6f s on", (double)now->pieces[piece - 1].time_ns / 1e9);
    fputc('\n', stderr);
    tell_step(r);
}

/* Whether the same happened, as far as both are known: chains that agreed once and ended alike. */
static bool is_same(const struct repeat *r, int64_t *piece)
{
    const struct campaign_replay *recorded = &r->recorded;
    const struct record *now = r->now.record;
    *piece = record_first_piece(recorded->pieces, recorded->piece_count, now);
    if (*piece >= 0)
        return false;
    if (r->mode.until_ns != 0)
        return true;
    *piece = MIN(recorded->piece_count, (int64_t)now->piece_count);
    /* One that was killed for its time ends anywhere. */
    bool both_crashed = recorded->crashed && r->now.crashed;
    return both_crashed ||
           (recorded->crashed == r->now.crashed && recorded->hash == r->now.result.hash);
}

/* What the trace says of the same events. A crash leaves no chain of rows. */
static bool rows_are_same(const struct repeat *r)
{
    bool both_ended = !r->recorded.crashed && !r->now.crashed && r->mode.until_ns == 0;
    return !both_ended || r->recorded.rows_hash == r->now.result.rows_hash;
}

static int compare(const struct repeat *r)
{
    int64_t piece;
    int exit = campaign_exit(&r->now);
    if (!r->recorded.has_hash) {
        cli_wrap(stderr, "", 4,
                 "the recorded run was not let come to its end: there is no hash to compare");
        return r->now.crashed ? CLI_CRASHED : CLI_DIFFERED;
    }
    if (r->now.record == NULL)
        return cli_complain("out of memory"), CLI_CRASHED;
    if (is_same(r, &piece) && !rows_are_same(r)) {
        cli_wrap(stderr, "", 4, "every event is the same, but not the rows of the trace");
        return CLI_DIFFERED;
    }
    if (is_same(r, &piece)) {
        if (!r->same_build)
            fprintf(stderr, "the same happened by this build, event by event\n");
        return exit;
    }
    cli_wrapf(stderr, 4,
              "the run differs from the recorded one, %s %" PRIu64 " events with the hash "
              "%016" PRIx64,
              r->recorded.crashed ? "which crashed after" : "which took", r->recorded.events,
              r->recorded.hash);
    tell_difference(r, piece);
    return exit == CLI_CRASHED ? CLI_CRASHED : CLI_DIFFERED;
}

/* ---- the run ---- */

static bool write_plan(const struct campaign_replay *replay, char path[CLI_PATH_MAX])
{
    return cli_temporary_file(path, "plan") == ERR_NONE &&
           cli_write_file(path, replay->plan) == ERR_NONE;
}

static int run_again(struct repeat *r)
{
    struct campaign_replay *recorded = &r->recorded;
    struct campaign_outcome found;
    bool looked_at = r->mode.timeline || r->mode.trace_path != NULL;
    if (looked_at &&
        !campaign_view_prepare(&r->view, &recorded->script, recorded->seed, &r->mode, &found))
        return CLI_NOTHING;
    campaign_run_child(&recorded->script, recorded->seed, &r->mode, &r->now);
    report(r);
    int exit = compare(r);
    if (r->now.record != NULL && r->now.record->nothing_shown)
        exit = (int)campaign_graver((enum cli_exit)exit, CLI_NOTHING);
    campaign_outcome_free(&r->now);
    return exit;
}

static int repeat(struct repeat *r)
{
    char plan_path[CLI_PATH_MAX];
    struct campaign_replay *recorded = &r->recorded;
    r->same_build = strcmp(recorded->build, cli_build_id()) == 0;
    if (!r->same_build)
        cli_wrapf(
            stderr, 4,
            "kiln: warning: %s was recorded by build %s, and this is build %s: what happens may "
            "differ, and is compared piece by piece",
            r->path, recorded->build, cli_build_id());
    if (recorded->has_plan && !write_plan(recorded, plan_path))
        return cli_complain("cannot write to %s; set TMPDIR", plan_path);
    r->mode.plan_path = recorded->has_plan ? plan_path : NULL;
    r->mode.time_max_ns = recorded->time_max_ns;
    r->mode.bug = recorded->bug[0] != 0 ? recorded->bug : NULL;
    int exit = run_again(r);
    if (recorded->has_plan)
        unlink(plan_path);
    return exit;
}

int cli_replay(int argc, char **argv)
{
    struct repeat r = {.same_build = true};
    cli_outlive_readers();
    const char *until = NULL, *wall = NULL;
    const struct cli_option options[] = {
        {"--until", CLI_TEXT, &until, 0, 0, NULL, "stop at this virtual time, as 12.4s"},
        {"--wall", CLI_TEXT, &wall, 0, 0, NULL, "real time after which it is killed (10m)"},
        CAMPAIGN_NODES_OPTION(r.mode),
        {"--trace", CLI_TEXT, &r.mode.trace_path, 0, 0, NULL, "write the trace to this file"},
        {"--data", CLI_TEXT, &r.mode.data_dir, 0, 0, NULL, "leave the disks in this directory"},
        {"-v", CLI_FLAG, &r.mode.timeline, 0, 0, NULL, "a timeline on stderr: cause -> effect"},
        CAMPAIGN_VIEW_OPTIONS(r.view),
    };
    const struct cli_usage usage = {
        "kiln replay FILE [OPTIONS]",
        "Repeats a failed run: same script, same seed, same bytes, same hash. Another build "
        "than the one that recorded it repeats it with a warning.\n"
        "Exit: as kiln run; 4 when what happened is not what was recorded: then the first "
        "piece of 1,000 events that differs is named, and the first event, with the .steps "
        "file beside it.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    if (words.count != 1)
        return cli_complain("which file? usage: %s", usage.synopsis);
    if (!cli_parse_time("--until", until, &r.mode.until_ns) ||
        !cli_parse_time("--wall", wall, &r.mode.wall_max_ns) ||
        !campaign_view_filter(&r.view, &r.mode.filter))
        return CLI_USAGE;
    exit = campaign_can_write(&r.mode);
    if (exit >= 0)
        return exit;
    r.path = words.word[0];
    if (!campaign_replay_read(r.path, &r.recorded))
        return CLI_USAGE;
    r.mode.timeline |= campaign_view_given(&r.view);
    r.mode.files = r.mode.data_dir != NULL;
    exit = r.recorded.bug[0] != 0 ? cli_with_bugs(argc, argv) : -1;
    if (exit < 0)
        exit = repeat(&r);
    campaign_replay_free(&r.recorded);
    return exit;
}
