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

int cli_bugs(int argc, char **argv)
{
    char self[CAMPAIGN_PATH_MAX], path[CAMPAIGN_PATH_MAX + 16];
    (void)argc;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return cli_complain("cannot tell where this program is");
    self[n] = 0;
    snprintf(path, sizeof path, "%s/kiln-bugs", dirname(self));
    /* argv[0] is this verb; what stood before it was this program. */
    argv[-1] = path;
    execv(path, argv - 1);
    return cli_complain("cannot start %s: %s; build it with ./dev build", path, strerror(errno));
}

#else

struct hunt {
    struct campaign_scripts swarm; /* one claim that knows nothing of any bug */
    struct campaign_mode mode;
    const char *scenarios;
    int64_t seeds, swarm_seeds;
    const char *only;
    bool json, skip_swarm;
};

/* The first seed from 1 to seeds with which the claim does not hold; 0: none. *why says what was
 * found. */
static int64_t find(const struct hunt *h, const struct campaign_script *script, const char *bug,
                    int64_t seeds, char *why, size_t why_size)
{
    struct campaign_mode mode = h->mode;
    mode.bug = bug;
    for (int64_t seed = 1; seed <= seeds; seed++) {
        struct campaign_outcome o;
        campaign_run_child(script, (uint64_t)seed, &mode, &o);
        free(o.plan);
        enum cli_exit exit = campaign_exit(&o);
        /* An inconclusive run has found nothing. */
        if (exit == CLI_OK || exit == CLI_INCONCLUSIVE)
            continue;
        if (exit == CLI_USAGE)
            fprintf(stderr, "%s: %s\n", script->path, o.result.why);
        snprintf(why, why_size, "%s", o.crashed ? "it crashed" : o.result.why);
        return exit == CLI_USAGE ? 0 : seed;
    }
    return 0;
}

static void print_count(int64_t seed, int64_t of)
{
    if (seed > 0)
        printf(" %8" PRId64, seed);
    else
        printf("    >%4" PRId64, of);
}

static void print_found(const struct hunt *h, const struct script_bug *bug, int64_t scripted,
                        int64_t swarm, const char *why)
{
    if (h->json) {
        printf("{\"bug\":\"%s\",\"scripted_seeds\":%" PRId64 ",\"swarm_seeds\":%" PRId64 "}\n",
               bug->name, scripted, swarm);
    } else {
        printf("%-28s", bug->name);
        print_count(scripted, h->seeds);
        if (!h->skip_swarm)
            print_count(swarm, h->swarm_seeds);
        printf("  %.90s\n", why);
    }
    fflush(stdout);
}

/* True: its own schedule found it. */
static bool hunt_one(struct hunt *h, const struct script_bug *bug, bool *by_swarm)
{
    char path[CAMPAIGN_PATH_MAX], why[SCRIPT_TEXT_MAX] = "", ignored[SCRIPT_TEXT_MAX];
    snprintf(path, sizeof path, "%s/%s.lua", h->scenarios, bug->scenario);
    const char *paths[] = {path};
    struct campaign_scripts own;
    if (!campaign_load(&own, paths, 1))
        return false;
    int64_t scripted = find(h, &own.at[0], bug->name, h->seeds, why, sizeof why);
    int64_t swarm = 0;
    if (!h->skip_swarm)
        swarm = find(h, &h->swarm.at[0], bug->name, h->swarm_seeds, scripted ? ignored : why,
                     sizeof why);
    *by_swarm = swarm > 0;
    print_found(h, bug, scripted, swarm, why);
    campaign_unload(&own);
    return scripted > 0;
}

static int hunt(struct hunt *h, const struct script_bug *bugs, int count)
{
    int scripted_count = 0, swarm_count = 0, all = 0;
    if (!h->json)
        printf("%-28s %8s%s  first finding\n", "known bug", "scripted",
               h->skip_swarm ? "" : "    swarm");
    for (int i = 0; i < count; i++) {
        bool by_swarm = false;
        if (h->only != NULL && strcmp(h->only, bugs[i].name) != 0)
            continue;
        scripted_count += hunt_one(h, &bugs[i], &by_swarm);
        swarm_count += by_swarm;
        all++;
    }
    if (all == 0)
        return cli_complain("there is no known bug %s; kiln bugs lists them", h->only);
    fprintf(stderr, "%d of %d found by their own schedule", scripted_count, all);
    if (!h->skip_swarm)
        fprintf(stderr, ", %d by the swarm", swarm_count);
    fprintf(stderr, "\n%d passed, %d failed, 0 skipped\n", scripted_count, all - scripted_count);
    return scripted_count == all ? CLI_OK : CLI_BROKEN;
}

static int list(const struct script_bug *bugs, int count, bool json)
{
    struct mem mem;
    struct text t;
    mem_system(&mem);
    text_init(&t, &mem);
    for (int i = 0; i < count; i++) {
        if (!json) {
            text_printf(&t, "%-28s %s\n%-28s   %s; check: %s; schedule: %s\n", bugs[i].name,
                        bugs[i].text, "", bugs[i].origin, bugs[i].check, bugs[i].scenario);
            continue;
        }
        text_printf(&t, "{\"bug\":\"%s\",\"text\":", bugs[i].name);
        text_json(&t, bytes_text(bugs[i].text));
        text_printf(&t, ",\"origin\":");
        text_json(&t, bytes_text(bugs[i].origin));
        text_printf(&t, ",\"check\":\"%s\",\"scenario\":\"%s\"}\n", bugs[i].check,
                    bugs[i].scenario);
    }
    if (!t.failed)
        fwrite(t.data, 1, t.size, stdout);
    text_free(&t);
    return CLI_OK;
}

int cli_bugs(int argc, char **argv)
{
    struct hunt h = {.scenarios = "scenarios", .seeds = 200, .swarm_seeds = 1000};
    bool wanted = false;
    const struct cli_option options[] = {
        {"--hunt", CLI_FLAG, &wanted, 0, 0, NULL,
         "switch each on and count the seeds until it is found"},
        {"--bug", CLI_TEXT, &h.only, 0, 0, NULL, "hunt this one alone"},
        {"--seeds", CLI_INT, &h.seeds, 1, 1000000, NULL, "seeds of its own schedule (200)"},
        {"--swarm-seeds", CLI_INT, &h.swarm_seeds, 1, 1000000, NULL,
         "seeds of the swarm claim (1000)"},
        {"--no-swarm", CLI_FLAG, &h.skip_swarm, 0, 0, NULL, "their own schedules alone"},
        {"--scenarios", CLI_TEXT, &h.scenarios, 0, 0, NULL, "where the schedules are (scenarios)"},
        {"--json", CLI_FLAG, &h.json, 0, 0, NULL, "one object a bug, a line each"},
    };
    const struct cli_usage usage = {
        "kiln bugs [--hunt] [OPTIONS]",
        "Historic mistakes that can be switched back on, to show that the checks find them: each "
        "by the\n"
        "schedule that was written for it, and by the swarm claim, which knows nothing of them.\n"
        "Exit: 0 every own schedule found its bug, 1 one did not.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    const struct script_bug *bugs;
    int count = script_bugs(&bugs);
    if (!wanted)
        return list(bugs, count, h.json);
    char path[CAMPAIGN_PATH_MAX];
    snprintf(path, sizeof path, "%s/swarm/everything.lua", h.scenarios);
    const char *paths[] = {path};
    if (!h.skip_swarm && !campaign_load(&h.swarm, paths, 1))
        return CLI_USAGE;
    exit = hunt(&h, bugs, count);
    if (!h.skip_swarm)
        campaign_unload(&h.swarm);
    return exit;
}

#endif
