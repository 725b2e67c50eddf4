/* replay.c - kiln replay: repeats a run exactly, and says where it differs if it does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/campaign.h"

static int report(const struct campaign_replay *replay, const struct campaign_outcome *o,
                  bool whole)
{
    if (o->crashed) {
        fprintf(stderr, "CRASHED with signal %d, again\n", o->signal);
        return CLI_CRASHED;
    }
    printf("hash=%016" PRIx64 " seed=%" PRIu64 " events=%" PRIu64 " sim_s=%.6f %s\n",
           o->result.hash, replay->seed, o->result.events, (double)o->result.sim_ns / 1e9,
           script_verdict_name(o->result.verdict));
    if (o->result.why[0] != 0)
        printf("%s\n", o->result.why);
    if (whole && replay->has_hash && replay->hash != o->result.hash) {
        fprintf(stderr,
                "the run is not deterministic: hash %016" PRIx64
                " was recorded; kiln verify %s --seed %" PRIu64
                " names the first event that differs\n",
                replay->hash, replay->script.path, replay->seed);
        return CLI_DIFFERED;
    }
    return campaign_exit(o);
}

static int repeat(const struct campaign_replay *replay, struct campaign_mode *mode)
{
    char plan_path[] = "/tmp/kiln-plan-XXXXXX";
    if (replay->plan.size > 0) {
        int fd = mkstemp(plan_path);
        if (fd < 0 || cli_write_file(plan_path, replay->plan) != ERR_NONE)
            return cli_complain("cannot write %s", plan_path);
        close(fd);
        mode->plan_path = plan_path;
    }
    struct campaign_outcome outcome;
    campaign_run_child(&replay->script, replay->seed, mode, &outcome);
    if (mode->plan_path != NULL)
        unlink(plan_path);
    int exit = report(replay, &outcome, mode->until_ns == 0);
    free(outcome.plan);
    return exit;
}

int cli_replay(int argc, char **argv)
{
    struct campaign_mode mode = {0};
    const char *until = NULL;
    bool force = false;
    const struct cli_option options[] = {
        {"--until", CLI_TEXT, &until, 0, 0, NULL, "stop at this virtual time, as 12.4s"},
        {"--trace", CLI_TEXT, &mode.trace_path, 0, 0, NULL, "write the trace to this file"},
        {"--data", CLI_TEXT, &mode.data_dir, 0, 0, NULL, "leave the disks in this directory"},
        {"--force", CLI_FLAG, &force, 0, 0, NULL, "repeat a run of another build all the same"},
        {"-v", CLI_FLAG, &mode.timeline, 0, 0, NULL, "a timeline on stderr: cause -> effect"},
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
    if (until != NULL && fault_time_parse(bytes_text(until), &mode.until_ns) != ERR_NONE)
        return cli_complain("--until: \"%s\" is no time, as 12.4s", until);
    if (!campaign_replay_read(words.word[0], &replay))
        return CLI_USAGE;
    mode.files = replay.files || mode.data_dir != NULL;
    if (!force && strcmp(replay.build, cli_build_id()) != 0)
        exit = cli_complain("%s was recorded by build %s, and this is build %s; seeds mean nothing "
                            "across builds. --force repeats it all the same",
                            words.word[0], replay.build, cli_build_id());
    else
        exit = repeat(&replay, &mode);
    cli_free(replay.file);
    return exit;
}
