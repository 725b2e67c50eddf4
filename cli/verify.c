/* verify.c - kiln verify: the same seed in three processes that differ in all that must not matter;
 * every event is compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/campaign.h"
#include "cli/watch.h"

#define SIDES 3

/* What differs between the sides: addresses, in every bit (a new process each, other node ranges,
 * other places in them, and a side whose heaps are over malloc), the order of blocks, what fresh
 * memory holds, whether the world could reach into a node, and the environment. */
static const struct {
    struct world_memory memory;
    const char *environment[4];
} sides[SIDES] = {
    {{0}, {"LC_ALL=C", "TZ=UTC", NULL}},
    {{.shuffle = true, .displaced = true, .sealed = true, .poison = 0x5a, .range = 7},
     {"LC_ALL=C.UTF-8", "TZ=Asia/Kathmandu",
      "KILN_VERIFY_PADDING=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL}},
    {{.plain = true, .poison = 0xa5}, {"LC_ALL=C", "TZ=America/St_Johns", NULL}},
};

static const char *const nodes_words[] = {"inline", "threads", "processes"};

/* The first side is what the others are compared with, and so as plain as can be. */
static struct campaign_mode mode_of(int side, bool files, int nodes)
{
    return (struct campaign_mode){
        .files = files, .nodes = side == 0 ? SCRIPT_INLINE : nodes, .memory = sides[side].memory};
}

/* How all sides are run, but for what differs. */
struct pair {
    const char *path; /* of the scenario */
    uint64_t seed;
    bool files;
    int nodes;              /* enum script_nodes, of all sides but the first */
    const char *wall;       /* --wall, as it was given; or NULL */
    char dir[CLI_PATH_MAX]; /* for all that a side may leave behind */
};

/* Runs as one of the sides; prints the hash. */
static int be_side(const struct campaign_script *script, int side, const struct pair *pair,
                   const char *steps, int64_t wall_max_ns)
{
    struct campaign_mode mode = mode_of(side, pair->files, pair->nodes);
    mode.steps_path = steps;
    struct script_result result;
    campaign_limit_wall(wall_max_ns);
    campaign_run_here(script, pair->seed, &mode, &result, NULL);
    printf("%016" PRIx64 " %d\n", result.hash, (int)result.verdict);
    if (result.verdict != SCRIPT_HELD)
        fprintf(stderr, "%s: %s\n", script_verdict_name(result.verdict), result.why);
    if (result.verdict == SCRIPT_CRASHED)
        return CLI_CRASHED;
    return result.verdict == SCRIPT_WRONG ? CLI_USAGE : CLI_OK;
}

/* Starts this program anew, so that the system lays it out anew. -1: it did not end well. */
static int run_side(const struct pair *pair, int side, const char *steps)
{
    char seed_text[32], side_text[16], folder[CLI_PATH_MAX + 16];
    snprintf(seed_text, sizeof seed_text, "%" PRIu64, pair->seed);
    snprintf(side_text, sizeof side_text, "%d", side);
    snprintf(folder, sizeof folder, "TMPDIR=%s", pair->dir);
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        campaign_die_with(parent); /* which goes on in the program that it becomes */
        const char *const arguments[] = {"kiln",
                                         "verify",
                                         pair->path,
                                         "--seed",
                                         seed_text,
                                         "--disk",
                                         pair->files ? "files" : "memory",
                                         "--nodes",
                                         nodes_words[pair->nodes],
                                         "--side",
                                         side_text,
                                         "--steps",
                                         steps,
                                         pair->wall == NULL ? NULL : "--wall",
                                         pair->wall,
                                         NULL};
        const char *const *own = sides[side].environment;
        const char *const environment[] = {folder, own[0], own[1], own[2], NULL};
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(127);
        execve("/proc/self/exe", (char *const *)(uintptr_t)arguments,
               (char *const *)(uintptr_t)environment);
        _exit(127);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_step(const struct campaign_script *script, const struct pair *pair, int side,
                      int64_t step)
{
    struct campaign_mode mode = mode_of(side, pair->files, pair->nodes);
    mode.show_step = step;
    struct campaign_outcome outcome;
    fprintf(stderr, "side %d:\n", side);
    campaign_run_child(script, pair->seed, &mode, &outcome);
    campaign_outcome_free(&outcome);
}

/* The side that first differs from side 0, or side 1; *at: the step, 0: none differs. */
static int first_different(const struct bytes found[SIDES], int64_t *at)
{
    int other = 1;
    *at = 0;
    for (int i = 1; i < SIDES; i++) {
        int64_t step = campaign_steps_compare(found[0], found[i]);
        if (step == 0 || (*at != 0 && step >= *at))
            continue;
        *at = step;
        other = i;
    }
    return other;
}

/* What the steps of the sides say. The last entry is none of an event (watch.h). */
static int compare(const struct campaign_script *script, const struct pair *pair,
                   const struct bytes found[SIDES])
{
    uint64_t seed = pair->seed;
    int64_t at, count = (int64_t)(found[0].size / WATCH_STEP_BYTES) - 1;
    int other = first_different(found, &at);
    bool only_seen = at == count + 1 && found[0].size == found[other].size;
    if (at == 0 && count <= 0) {
        fprintf(stderr, "nothing happened in %s, seed %" PRIu64 "\n", script->path, seed);
        return CLI_NOTHING;
    }
    cli_wrapf(stdout, 4, "%s %s, seed %" PRIu64 ": %" PRId64 " steps",
              at == 0 ? "same" : "DIFFERENT", script->claim, seed, count);
    if (only_seen)
        cli_wrap(stderr, "", 4,
                 "every step is the same, but not the rows of the trace or the verdict");
    for (int i = 0; at > 0 && !only_seen && i <= other; i += other)
        show_step(script, pair, i, at);
    return at == 0 ? CLI_OK : CLI_DIFFERED;
}

static int verify(const struct campaign_script *script, struct pair *pair)
{
    char steps[SIDES][CLI_PATH_MAX + 32];
    struct bytes found[SIDES] = {{0}};
    struct errmsg msg = {{0}};
    bool good = true;
    if (cli_temporary_dir(pair->dir, "verify") != ERR_NONE)
        return cli_complain("cannot make a directory like %s; set TMPDIR", pair->dir);
    int side_exit = 0;
    pair->path = script->path;
    for (int i = 0; good && i < SIDES; i++) {
        snprintf(steps[i], sizeof steps[i], "%s/steps-%d", pair->dir, i);
        side_exit = run_side(pair, i, steps[i]);
        good = side_exit == 0 &&
               cli_read_input(steps[i], CLI_INPUT_BYTES_MAX, &found[i], &msg) == ERR_NONE;
    }
    cli_remove_tree(pair->dir);
    int exit = CLI_CRASHED;
    if (good)
        exit = compare(script, pair, found);
    else if (side_exit == CLI_USAGE)
        exit = CLI_USAGE; /* it has told why */
    else if (side_exit != 0)
        fprintf(stderr, "a side of %s, seed %" PRIu64 ", did not end\n", script->path, pair->seed);
    else
        cli_complain("%s", msg.text);
    for (int i = 0; i < SIDES; i++)
        cli_free(found[i]);
    return exit;
}

int cli_verify(int argc, char **argv)
{
    int64_t seed = 1, side = -1, wall_max_ns = 0;
    int disk = 0;
    const char *steps = NULL, *wall = NULL;
    struct campaign_mode mode = {0};
    const struct cli_option options[] = {
        {"--seed", CLI_INT, &seed, 0, INT64_MAX, NULL, "the seed (1)"},
        {"--disk", CLI_CHOICE, &disk, 0, 0, "memory|files", "where simulated disks live (memory)"},
        CAMPAIGN_NODES_OPTION(mode),
        {"--wall", CLI_TEXT, &wall, 0, 0, NULL,
         "real time after which a side is killed and counts as crashed (10m)"},
        {"--side", CLI_INT, &side, 0, SIDES - 1, NULL, "run one side alone"},
        {"--steps", CLI_TEXT, &steps, 0, 0, NULL, "with --side: where its hashes go"},
    };
    const struct cli_usage usage = {
        "kiln verify SCENARIO... | DIR [OPTIONS]",
        "Runs a seed three times, in processes with other addresses, another order of memory, "
        "other contents of fresh memory and another environment, and compares the hash after "
        "every event. With --nodes the first of them still has its nodes inline.\n"
        "Exit: 0 the same, 4 different (the first event that differs is named), 6 crashed, 64 "
        "usage.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    struct campaign_scripts scripts;
    if (words.count == 0)
        return cli_complain("which scenario? usage: %s", usage.synopsis);
    if (!cli_parse_time("--wall", wall, &wall_max_ns))
        return CLI_USAGE;
    struct pair pair = {
        .seed = (uint64_t)seed, .files = disk == 1, .nodes = mode.nodes, .wall = wall};
    if (!campaign_load(&scripts, words.word, words.count))
        return CLI_USAGE;
    exit = scripts.wrong_count > 0 ? CLI_USAGE : scripts.count == 0 ? CLI_NOTHING : CLI_OK;
    for (int i = 0; i < scripts.count; i++) {
        int one = side >= 0 ? be_side(&scripts.at[i], (int)side, &pair, steps, wall_max_ns)
                            : verify(&scripts.at[i], &pair);
        exit = campaign_graver((enum cli_exit)exit, (enum cli_exit)one);
    }
    campaign_unload(&scripts);
    return exit;
}
