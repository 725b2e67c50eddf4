/* replay.c - kiln replay: repeats a run exactly, and says where it differs if it does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/campaign.h"

static int report(const struct campaign_replay *replay, const struct campaign_outcome *o)
{
    if (o->crashed) {
        fprintf(stderr, "CRASHED, again: %s\n", o->result.why);
        return CLI_CRASHED;
    }
    printf("hash=%016" PRIx64 " seed=%" PRIu64 " events=%" PRIu64 " sim_s=%.6f %s\n",
           o->result.hash, replay->seed, o->result.events, (double)o->result.sim_ns / 1e9,
           script_verdict_name(o->result.verdict));
    campaign_print_findings(&o->result, "", stdout);
    return campaign_exit(o);
}

/* Names the first event that is not as it was recorded. */
static int tell_difference(const struct campaign_replay *replay, const char *path,
                           const struct campaign_mode *done)
{
    char recorded_path[CAMPAIGN_PATH_MAX];
    struct bytes recorded = {0}, now = {0};
    struct campaign_mode mode = *done;
    struct campaign_outcome outcome;
    fprintf(stderr, "the run differs from the recorded one, whose hash was %016" PRIx64 "\n",
            replay->hash);
    campaign_steps_path(path, recorded_path);
    if (cli_read_file(recorded_path, &recorded) == ERR_NONE &&
        cli_read_file(done->steps_path, &now) == ERR_NONE) {
        mode.show_step = campaign_steps_compare(recorded, now);
        mode.steps_path = mode.trace_path = mode.data_dir = NULL;
        mode.timeline = false;
        mode.found = NULL;
        fprintf(stderr, "the first step that differs is number %" PRId64 ":\n", mode.show_step);
        campaign_run_child(&replay->script, replay->seed, &mode, &outcome);
        free(outcome.plan);
    }
    cli_free(recorded);
    cli_free(now);
    return CLI_DIFFERED;
}

static bool write_plan(const struct campaign_replay *replay, char path[CLI_PATH_MAX])
{
    return cli_temporary_file(path, "plan") == ERR_NONE &&
           cli_write_file(path, replay->plan) == ERR_NONE;
}

static int repeat(const struct campaign_replay *replay, const char *path,
                  const struct campaign_view *view, struct campaign_mode *mode)
{
    char plan_path[CLI_PATH_MAX];
    char steps_path[CLI_PATH_MAX];
    if (cli_temporary_file(steps_path, "steps") != ERR_NONE)
        return cli_complain("cannot write to %s; set TMPDIR", steps_path);
    if (replay->has_plan && !write_plan(replay, plan_path))
        return cli_complain("cannot write to %s; set TMPDIR", plan_path);
    mode->steps_path = steps_path;
    mode->plan_path = replay->has_plan ? plan_path : NULL;
    mode->time_max_ns = replay->time_max_ns;
    mode->bug = replay->bug[0] != 0 ? replay->bug : NULL;
    struct campaign_outcome outcome, found;
    bool looked_at = mode->timeline || mode->trace_path != NULL;
    int exit = CLI_NOTHING;
    if (looked_at && !campaign_view_prepare(view, &replay->script, replay->seed, mode, &found))
        goto done;
    campaign_run_child(&replay->script, replay->seed, mode, &outcome);
    exit = report(replay, &outcome);
    bool whole = mode->until_ns == 0 && !outcome.crashed;
    if (whole && !replay->has_hash) {
        fprintf(stderr, "the recorded run crashed, or was not let come to its end\n");
        exit = CLI_DIFFERED;
    } else if (whole && replay->hash != outcome.result.hash) {
        exit = tell_difference(replay, path, mode);
    }
    free(outcome.plan);
done:
    unlink(steps_path);
    if (mode->plan_path != NULL)
        unlink(plan_path);
    return exit;
}

int cli_replay(int argc, char **argv)
{
    struct campaign_mode mode = {0};
    struct campaign_view view = {0};
    const char *until = NULL, *wall = NULL;
    bool force = false;
    const struct cli_option options[] = {
        {"--until", CLI_TEXT, &until, 0, 0, NULL, "stop at this virtual time, as 12.4s"},
        {"--wall", CLI_TEXT, &wall, 0, 0, NULL, "real time after which it is killed (10m)"},
        {"--trace", CLI_TEXT, &mode.trace_path, 0, 0, NULL, "write the trace to this file"},
        {"--data", CLI_TEXT, &mode.data_dir, 0, 0, NULL, "leave the disks in this directory"},
        {"--force", CLI_FLAG, &force, 0, 0, NULL, "repeat a run of another build all the same"},
        {"-v", CLI_FLAG, &mode.timeline, 0, 0, NULL, "a timeline on stderr: cause -> effect"},
        CAMPAIGN_VIEW_OPTIONS(view),
    };
    const struct cli_usage usage = {
        "kiln replay FILE [OPTIONS]",
        "Repeats a failed run: same script, same seed, same bytes, same hash.\n"
        "Exit: as kiln run; 4 when the hash differs from the recorded one.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    struct campaign_replay replay;
    if (words.count != 1)
        return cli_complain("which file? usage: %s", usage.synopsis);
    if (!cli_parse_time("--until", until, &mode.until_ns) ||
        !cli_parse_time("--wall", wall, &mode.wall_max_ns))
        return CLI_USAGE;
    if (!campaign_replay_read(words.word[0], &replay))
        return CLI_USAGE;
    mode.timeline |= campaign_view_given(&view);
    if (!campaign_view_filter(&view, &mode.filter)) {
        cli_free(replay.file);
        return CLI_USAGE;
    }
    mode.files = replay.files || mode.data_dir != NULL;
    if (!force && strcmp(replay.build, cli_build_id()) != 0)
        exit = cli_complain("%s was recorded by build %s, and this is build %s; seeds mean nothing "
                            "across builds. --force repeats it all the same",
                            words.word[0], replay.build, cli_build_id());
    else
        exit = repeat(&replay, words.word[0], &view, &mode);
    cli_free(replay.file);
    return exit;
}
