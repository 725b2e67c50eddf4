/* bugs.c - kiln bugs: known bugs and how fast they are found. The plain program has none; it starts
 * kiln-bugs beside it. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/campaign.h"

#ifndef KILN_KNOWN_BUGS

int cli_with_bugs(int argc, char **argv)
{
    char self[CAMPAIGN_PATH_MAX], path[CAMPAIGN_PATH_MAX + 16];
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (words == NULL)
        return cli_complain("out of memory");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        free(words);
        return cli_complain("cannot tell where this program is");
    }
    self[n] = 0;
    snprintf(path, sizeof path, "%s/kiln-bugs", dirname(self));
    fflush(NULL);
    /* argv[0] is the verb; before it stands what commands are to say, and NULL ends the list. */
    words[0] = (char *)(uintptr_t)cli_program();
    memcpy(words + 1, argv, (size_t)argc * sizeof *words);
    execv(path, words);
    int failed = errno;
    free(words);
    return cli_complain("cannot start %s: %s; build it with ./dev build", path, strerror(failed));
}

bool cli_knows_bug(const char *name)
{
    cli_complain("this program has no known bugs, so not %s either", name);
    return false;
}

int cli_bugs(int argc, char **argv)
{
    return cli_with_bugs(argc, argv);
}

#else

int cli_with_bugs(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return -1;
}

/* ---- their names ---- */

#define BUGS_MAX 256

/* NULL: told, with the name that may have been meant. */
static const struct script_bug *find_bug(const char *name)
{
    const char *names[BUGS_MAX];
    const struct script_bug *bugs;
    int count = script_bugs(&bugs);
    ASSERT(count <= BUGS_MAX);
    for (int i = 0; i < count; i++) {
        if (strcmp(bugs[i].name, name) == 0)
            return &bugs[i];
        names[i] = bugs[i].name;
    }
    const char *nearest = cli_nearest(name, names, count);
    if (nearest != NULL)
        cli_complain("there is no known bug %s; did you mean %s?", name, nearest);
    else
        cli_complain("there is no known bug %s; %s bugs lists them", name, cli_program());
    return NULL;
}

bool cli_knows_bug(const char *name)
{
    return find_bug(name) != NULL;
}

#define HUNT_JOBS_MAX 16
#define SCENARIOS "scenarios"
#define NAME_COLUMNS 29 /* of a bug's name, with the blank behind it */

/* Claims that know nothing of any bug: of one broker, of controllers, of a cluster. */
enum { SWARM_BROKER, SWARM_QUORUM, SWARM_CLUSTER, SWARM_COUNT };
static const char *const swarm_names[SWARM_COUNT] = {"swarm/everything", "quorum/everything",
                                                     "swarm/cluster"};

/* Which of them could find a bug: by where the scenario is that does. */
static int swarm_of(const char *scenario)
{
    static const struct {
        const char *place;
        int swarm;
    } places[] = {
        {"quorum/", SWARM_QUORUM},
        {"cluster/", SWARM_CLUSTER},
        {"failover/", SWARM_CLUSTER},
        {"limits/cluster", SWARM_CLUSTER},
        {"metadata/by_way_of_any_broker", SWARM_CLUSTER},
    };
    for (int i = 0; i < COUNT_OF(places); i++) {
        if (strncmp(scenario, places[i].place, strlen(places[i].place)) == 0)
            return places[i].swarm;
    }
    return SWARM_BROKER;
}

struct hunt {
    struct campaign_scripts swarms;
    struct campaign_mode mode;
    const char *scenarios;
    int64_t seeds, swarm_seeds, jobs;
    const char *only;
    bool json, skip_swarm;
};

/* What a bug's line of the table says. */
struct catch
{
    int64_t seed; /* 0: not found */
    char why[SCRIPT_TEXT_MAX];
};

/* ---- is it the bug that was found? ---- */

static bool names_check(struct bytes word, const char *name)
{
    return bytes_equal(word, bytes_text(name));
}

/* Not a check's: how the script itself ended. */
static const struct {
    const char *word, *text;
} ends[] = {{"STUCK", "the run does not come to its end"},
            {"EXPECT", "an expect of its scenario does not hold"},
            {"CRASH", "the code under test ends, by an assertion of its own"}};

static const char *text_of_end(struct bytes word)
{
    for (int i = 0; i < COUNT_OF(ends); i++) {
        if (names_check(word, ends[i].word))
            return ends[i].text;
    }
    return "";
}

static bool is_expect(const struct script_result *result)
{
    return result->verdict == SCRIPT_BROKEN && result->finding_count > 0 &&
           strcmp(result->findings[0].code, "EXPECT") == 0;
}

/* What a run that crashed has found may be less than it would have. */
static bool word_fits(struct bytes word, const struct campaign_outcome *o)
{
    if (names_check(word, "CRASH"))
        return o->crashed && o->result.finding_count > 0;
    if (o->crashed)
        return false;
    if (names_check(word, "EXPECT"))
        return is_expect(&o->result);
    if (names_check(word, "STUCK"))
        return o->result.verdict == SCRIPT_STUCK;
    for (int i = 0; i < CHECK_CODE_COUNT; i++) {
        if (names_check(word, check_infos[i].name))
            return o->result.violations[i] > 0;
    }
    return false;
}

/* One of the checks that the bug's row names (words, each with a space between) has failed. */
static bool check_fits(const char *check, const struct campaign_outcome *o)
{
    while (*check != 0) {
        size_t size = strcspn(check, " ");
        if (word_fits(bytes_of(check, size), o))
            return true;
        check += size + (check[size] == ' ');
    }
    return false;
}

/* A seed with which the claim does not hold without the bug either proves nothing. */
static bool holds_without(const struct campaign_script *script, uint64_t seed,
                          const struct campaign_mode *mode)
{
    struct campaign_mode plain = *mode;
    struct campaign_outcome o;
    plain.bug = NULL;
    campaign_run_child(script, seed, &plain, &o);
    campaign_outcome_free(&o);
    return campaign_exit(&o) == CLI_OK;
}

static bool is_caught(const struct campaign_script *script, uint64_t seed,
                      const struct campaign_mode *mode, const char *check,
                      const struct campaign_outcome *o)
{
    if (campaign_exit(o) == CLI_USAGE)
        fprintf(stderr, "%s: %s\n", script->path, o->result.why);
    return check_fits(check, o) && holds_without(script, seed, mode);
}

/* ---- the hunt ---- */

/* Runs count seeds from first on, side by side. */
static void run_some(const struct campaign_script *script, int64_t first, int64_t count,
                     const struct campaign_mode *mode, struct campaign_outcome *out)
{
    struct campaign_child *children[HUNT_JOBS_MAX];
    for (int64_t i = 0; i < count; i++)
        children[i] = campaign_fork(script, (uint64_t)(first + i), mode);
    for (int64_t i = 0; i < count; i++) {
        out[i] = (struct campaign_outcome){.crashed = true};
        if (children[i] == NULL)
            continue;
        while (!campaign_child_read(children[i], &out[i]))
            continue;
        campaign_child_end(children[i]);
    }
}

/* The first seed from 1 to seeds with which one of the bug's checks fails. */
static void find(const struct hunt *h, const struct campaign_script *script,
                 const struct script_bug *bug, int64_t seeds, struct catch *caught)
{
    struct campaign_mode mode = h->mode;
    mode.bug = bug->name;
    *caught = (struct catch){0};
    for (int64_t seed = 1; seed <= seeds && caught->seed == 0; seed += h->jobs) {
        struct campaign_outcome o[HUNT_JOBS_MAX];
        int64_t count = MIN(h->jobs, seeds - seed + 1);
        run_some(script, seed, count, &mode, o);
        for (int64_t i = 0; i < count; i++) {
            if (caught->seed == 0 &&
                is_caught(script, (uint64_t)(seed + i), &mode, bug->check, &o[i])) {
                caught->seed = seed + i;
                memcpy(caught->why, o[i].result.why, sizeof caught->why);
            }
            campaign_outcome_free(&o[i]);
        }
    }
}

static void print_count(int64_t seed, int64_t of)
{
    if (seed > 0)
        printf(" %8" PRId64, seed);
    else
        printf("    >%4" PRId64, of);
}

static void print_found(const struct hunt *h, const struct script_bug *bug, const struct catch *own,
                        const struct catch *swarm)
{
    if (h->json) {
        struct cli_json line;
        struct json *j = cli_json_begin(&line);
        json_put_string(j, "bug", bug->name);
        json_put_int(j, "own_seeds", own->seed);
        json_put_int(j, "swarm_seeds", swarm->seed);
        cli_json_end(&line, stdout);
    } else {
        printf("%-28s", bug->name);
        print_count(own->seed, h->seeds);
        if (!h->skip_swarm)
            print_count(swarm->seed, h->swarm_seeds);
        printf("\n");
        cli_wrap(stdout, "    ", 4, own->seed > 0 ? own->why : swarm->why);
    }
    fflush(stdout);
}

/* True: its own schedule found it. */
static bool hunt_one(struct hunt *h, const struct script_bug *bug, bool *by_swarm)
{
    ASSERT(bug->scenario[0] != 0);
    char path[CAMPAIGN_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.lua", h->scenarios, bug->scenario);
    const char *paths[] = {path};
    struct campaign_scripts scripts;
    if (!campaign_load(&scripts, paths, 1))
        return false;
    struct catch own, swarm = {0};
    find(h, &scripts.at[0], bug, h->seeds, &own);
    if (!h->skip_swarm)
        find(h, &h->swarms.at[swarm_of(bug->scenario)], bug, h->swarm_seeds, &swarm);
    *by_swarm = swarm.seed > 0;
    print_found(h, bug, &own, &swarm);
    campaign_unload(&scripts);
    return own.seed > 0;
}

static int hunt(struct hunt *h, const struct script_bug *bugs, int count)
{
    int own_count = 0, swarm_count = 0, all = 0, skipped = 0;
    if (!h->json)
        printf("%-28s %8s%s\n", "found by", "its own", h->skip_swarm ? "" : "    swarm");
    for (int i = 0; i < count; i++) {
        bool by_swarm = false;
        if (h->only != NULL && strcmp(h->only, bugs[i].name) != 0)
            continue;
        if (bugs[i].scenario[0] == 0) { /* a unit test shows it */
            skipped++;
            continue;
        }
        own_count += hunt_one(h, &bugs[i], &by_swarm);
        swarm_count += by_swarm;
        all++;
    }
    fprintf(stderr, "%d of %d found by their own schedule", own_count, all);
    if (!h->skip_swarm)
        fprintf(stderr, ", %d by the swarm", swarm_count);
    fprintf(stderr, "\n%d passed, %d failed, %d skipped\n", own_count, all - own_count, skipped);
    return own_count == all ? CLI_OK : CLI_BROKEN;
}

/* ---- the table, and one of it ---- */

/* Calls put for each word of check: its row of the checks, or NULL (STUCK, EXPECT and CRASH are
 * none). */
static void each_check(const char *check, void *context,
                       void (*put)(void *context, struct bytes word, const struct check_info *info))
{
    while (*check != 0) {
        size_t size = strcspn(check, " ");
        struct bytes word = bytes_of(check, size);
        const struct check_info *info = NULL;
        for (int i = 0; i < CHECK_CODE_COUNT && info == NULL; i++) {
            if (names_check(word, check_infos[i].name))
                info = &check_infos[i];
        }
        put(context, word, info);
        check += size + (check[size] == ' ');
    }
}

static void put_check_json(void *context, struct bytes word, const struct check_info *info)
{
    struct json *j = context;
    json_put_object(j, NULL);
    if (info == NULL)
        json_put_text(j, "check", word);
    else
        json_put_string(j, "check", info->code);
    json_put_text(j, "name", word);
    json_put_string(j, "text", info == NULL ? text_of_end(word) : info->text);
    json_put_end(j);
}

static void print_json(const struct script_bug *bug)
{
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "bug", bug->name);
    json_put_string(j, "text", bug->text);
    json_put_string(j, "origin", bug->origin);
    json_put_string(j, "happened", bug->happened);
    json_put_string(j, "why", bug->why);
    json_put_array(j, "checks");
    each_check(bug->check, j, put_check_json);
    json_put_end(j);
    json_put_string(j, "scenario", bug->scenario);
    cli_json_end(&line, stdout);
}

#define LABEL_WIDTH 10

static void print_about(const char *label, const char *text)
{
    cli_row(stdout, label, LABEL_WIDTH, text);
}

static void put_check_line(void *context, struct bytes word, const struct check_info *info)
{
    const char **label = context;
    char line[160];
    if (info == NULL)
        snprintf(line, sizeof line, "%.*s: %s", (int)word.size, (const char *)word.data,
                 text_of_end(word));
    else
        snprintf(line, sizeof line, "%s %s: %s", info->code, info->name, info->text);
    print_about(*label, line);
    *label = "";
}

/* How to see it, as it can be typed. */
static void print_commands(const struct script_bug *bug, const char *scenarios, const char *path)
{
    char program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX], folder[CLI_QUOTED_MAX];
    char command[3 * CLI_QUOTED_MAX];
    bool usual = strcmp(scenarios, SCENARIOS) == 0;
    cli_quote(cli_program(), program);
    cli_quote(path, quoted);
    cli_quote(scenarios, folder);
    printf("\nSee it:\n");
    snprintf(command, sizeof command, "%s run %s --bug %s --seeds 1-20", program, quoted,
             bug->name);
    cli_print_command(stdout, "  ", command);
    snprintf(command, sizeof command, "%s bugs %s --hunt%s%s", program, bug->name,
             usual ? "" : " --scenarios ", usual ? "" : folder);
    cli_print_command(stdout, "  ", command);
    printf("A seed that shows it, N, shows how it came about:\n");
    snprintf(command, sizeof command, "%s run %s --bug %s --seed N -v 2>&1 | less", program, quoted,
             bug->name);
    cli_print_command(stdout, "  ", command);
    if (access(path, R_OK) != 0)
        cli_wrapf(stdout, 0,
                  "\n%s is not there: do so where it is, at the root of kiln's sources, or say "
                  "--scenarios DIR.",
                  path);
}

static void print_bug(const struct script_bug *bug, const char *scenarios)
{
    char line[CAMPAIGN_PATH_MAX];
    const char *label = "shown by";
    cli_wrapf(stdout, 0, "%s: %s\n", bug->name, bug->text);
    print_about("where", bug->origin);
    print_about("what", bug->happened);
    print_about("why", bug->why);
    each_check(bug->check, &label, put_check_line);
    if (bug->scenario[0] == 0) {
        print_about("scenario", "none yet: a unit test shows it");
        return;
    }
    snprintf(line, sizeof line, "%s/%s.lua", scenarios, bug->scenario);
    print_about("scenario", line);
    print_commands(bug, scenarios, line);
}

static int list(const struct script_bug *bugs, int count, bool json)
{
    for (int i = 0; i < count; i++) {
        if (json)
            print_json(&bugs[i]);
        else
            cli_row(stdout, bugs[i].name, NAME_COLUMNS, bugs[i].text);
    }
    if (!json)
        cli_wrap(stdout, "\n", 0,
                 "kiln bugs NAME says more of one: where it happened, why, and how to see it.");
    return CLI_OK;
}

static int tell(const struct script_bug *bugs, int count, const struct hunt *h)
{
    if (h->only == NULL)
        return list(bugs, count, h->json);
    const struct script_bug *bug = find_bug(h->only);
    if (bug == NULL)
        return CLI_USAGE;
    if (h->json)
        print_json(bug);
    else
        print_bug(bug, h->scenarios);
    return CLI_OK;
}

int cli_bugs(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct hunt h = {.scenarios = SCENARIOS,
                     .seeds = 200,
                     .swarm_seeds = 1000,
                     .jobs = MIN(MAX(cores, 1), HUNT_JOBS_MAX)};
    bool wanted = false;
    const struct cli_option options[] = {
        {"--hunt", CLI_FLAG, &wanted, 0, 0, NULL,
         "switch each on and count the seeds until it is found"},
        {"--bug", CLI_TEXT, &h.only, 0, 0, NULL, "this one alone, as NAME does"},
        {"--seeds", CLI_INT, &h.seeds, 1, 1000000, NULL, "seeds of its own schedule (200)"},
        {"--swarm-seeds", CLI_INT, &h.swarm_seeds, 1, 1000000, NULL,
         "seeds of the swarm claim (1000)"},
        {"--jobs", CLI_INT, &h.jobs, 1, HUNT_JOBS_MAX, NULL, "processes at once (all cores)"},
        CAMPAIGN_NODES_OPTION(h.mode),
        {"--no-swarm", CLI_FLAG, &h.skip_swarm, 0, 0, NULL, "their own schedules alone"},
        {"--scenarios", CLI_TEXT, &h.scenarios, 0, 0, NULL, "where the schedules are (scenarios)"},
        {"--json", CLI_FLAG, &h.json, 0, 0, NULL, "one object a bug, a line each"},
    };
    const struct cli_usage usage = {
        "kiln bugs [NAME] [--hunt] [OPTIONS]",
        "Historic mistakes that can be switched back on: a list of them; with NAME what one "
        "is, where it happened, why, and how to see it; with --hunt how fast they are found: "
        "each by the schedule that was written for it, and by the swarm claim, which knows "
        "nothing of them. kiln run SCENARIO --bug NAME runs any scenario with one of "
        "them.\n"
        "Exit: 0 every own schedule found its bug, 1 one did not.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    const struct script_bug *bugs;
    int count = script_bugs(&bugs);
    if (words.count > 1)
        return cli_complain("one bug at a time; usage: %s", usage.synopsis);
    if (words.count == 1)
        h.only = words.word[0];
    if (!wanted)
        return tell(bugs, count, &h);
    if (h.only != NULL && find_bug(h.only) == NULL)
        return CLI_USAGE;
    char files[SWARM_COUNT][CAMPAIGN_PATH_MAX];
    const char *paths[SWARM_COUNT];
    for (int i = 0; i < SWARM_COUNT; i++) {
        snprintf(files[i], sizeof files[i], "%s/%s.lua", h.scenarios, swarm_names[i]);
        paths[i] = files[i];
    }
    if (!h.skip_swarm && !campaign_load(&h.swarms, paths, COUNT_OF(paths)))
        return CLI_USAGE;
    exit = hunt(&h, bugs, count);
    if (!h.skip_swarm)
        campaign_unload(&h.swarms);
    return exit;
}

#endif
