/* run.c - kiln run: campaigns. Every claim with every seed, a table of what held, and a replay file
 * for what did not. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "cli/record.h"

#define PROGRESS_NS 200000000ll
#define MARKS_SEEDS_MIN 20 /* with fewer seeds a mark that was not reached is told, not judged */

struct row {
    uint64_t runs, held, faults, events;
    int64_t sim_ns, wall_ns;
    struct check_counts counts;
    uint64_t marks[TRACE_MARK_COUNT];
    bool must_reach[TRACE_MARK_COUNT];
    enum cli_exit exit;
};

struct job {
    struct campaign_child *child;
    int script;
    uint64_t seed;
    char replay[CAMPAIGN_PATH_MAX];
};

struct run {
    struct campaign_scripts scripts;
    struct campaign_mode mode;
    struct bytes plan;
    uint64_t seed_first, seed_last;
    int64_t jobs;
    bool json, list, verbose, progress;
    struct campaign_view view;
    struct campaign_outcome found; /* by the run before the one that is looked at */
    /* What is next, and what is under way. */
    int next_script;
    uint64_t next_seed;
    struct job job[CAMPAIGN_JOBS_MAX];
    int job_count;
    struct row *rows;
    int64_t passed, failed, skipped, done, start_ns, told_ns;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- one run's end ---- */

static void print_json(const struct run *r, const struct job *job, const struct campaign_outcome *o)
{
    const struct script_result *x = &o->result;
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "claim", r->scripts.at[job->script].claim);
    json_put_string(j, "scenario", r->scripts.at[job->script].path);
    json_put_uint(j, "seed", job->seed);
    json_put_string(j, "verdict", o->crashed ? "crashed" : script_verdict_name(x->verdict));
    json_put_hex(j, "hash", x->hash);
    json_put_uint(j, "faults", x->faults);
    json_put_uint(j, "events", x->events);
    json_put_seconds(j, "sim_s", x->sim_ns);
    json_put_seconds(j, "wall_s", o->wall_ns);
    json_put_uint(j, "acked", x->counts.acked);
    json_put_uint(j, "read", x->counts.read);
    campaign_put_findings(j, x);
    cli_json_end(&line, stdout);
}

static void clear_progress(const struct run *r)
{
    if (r->progress)
        fputs("\r\033[K", stderr);
}

/* Beside the replay file: what fired, the hash of each step, and of a crash the last rows. */
static void keep_beside(const struct job *job, const struct campaign_outcome *o)
{
    char path[CAMPAIGN_PATH_MAX];
    campaign_beside(job->replay, ".plan", path);
    if (o->plan != NULL && cli_write_file(path, bytes_text(o->plan)) == ERR_NONE)
        fprintf(stderr, "         what fired: %s\n", path);
    if (o->record == NULL)
        return;
    campaign_beside(job->replay, ".steps", path);
    record_write_steps(o->record, path);
    campaign_beside(job->replay, ".trace", path);
    if (o->crashed && record_write_trace(o->record, path))
        fprintf(stderr, "         the last rows: kiln trace %s\n", path);
}

static void tell_failure(struct run *r, const struct job *job, const struct campaign_outcome *o)
{
    const struct campaign_script *script = &r->scripts.at[job->script];
    clear_progress(r);
    fprintf(stderr, "%-8s %s, seed %" PRIu64 ": %s\n",
            o->crashed ? "CRASHED" : script_verdict_name(o->result.verdict), script->path,
            job->seed, script->claim);
    campaign_print_findings(&o->result, "         ", stderr);
    keep_beside(job, o);
    campaign_replay_finish(job->replay, o);
    fprintf(stderr, "         again: kiln replay %s\n", job->replay);
}

static void add_counts(struct check_counts *to, const struct check_counts *from)
{
    to->acked += from->acked;
    to->read += from->read;
    to->sent += from->sent;
    to->lost_allowed += from->lost_allowed;
    to->twice_allowed += from->twice_allowed;
}

static void add_to_row(struct row *row, const struct campaign_outcome *o)
{
    const struct script_result *x = &o->result;
    row->runs++;
    row->wall_ns += o->wall_ns;
    row->exit = campaign_graver(row->exit, campaign_exit(o));
    if (o->crashed)
        return;
    row->held += x->verdict == SCRIPT_HELD;
    row->faults += x->faults;
    row->events += x->events;
    row->sim_ns += x->sim_ns;
    add_counts(&row->counts, &x->counts);
    for (int i = 0; i < TRACE_MARK_COUNT; i++) {
        row->marks[i] += x->mark_count[i];
        row->must_reach[i] |= x->must_reach[i];
    }
}

static void end_job(struct run *r, struct job *job, struct campaign_outcome *o)
{
    add_to_row(&r->rows[job->script], o);
    r->done++;
    enum cli_exit exit = campaign_exit(o);
    r->passed += exit == CLI_OK;
    r->skipped += exit == CLI_INCONCLUSIVE;
    r->failed += exit != CLI_OK && exit != CLI_INCONCLUSIVE;
    if (r->json)
        print_json(r, job, o);
    else if (r->seed_first == r->seed_last && exit == CLI_OK && r->scripts.count == 1)
        printf("hash=%016" PRIx64 "\n", o->result.hash);
    if (exit != CLI_OK)
        tell_failure(r, job, o);
    else
        campaign_replay_remove(job->replay);
    campaign_outcome_free(o);
    *job = r->job[--r->job_count];
}

/* ---- many at a time ---- */

static bool more(const struct run *r)
{
    return r->next_script < r->scripts.count;
}

static bool start_job(struct run *r)
{
    struct job *job = &r->job[r->job_count];
    *job = (struct job){.script = r->next_script, .seed = r->next_seed};
    const struct campaign_script *script = &r->scripts.at[job->script];
    if (r->next_seed++ == r->seed_last) {
        r->next_script++;
        r->next_seed = r->seed_first;
    }
    /* Before the child runs, so that a crash of the code under test leaves one too. */
    if (!campaign_replay_write(job->replay, script, job->seed, &r->mode, r->plan))
        return false;
    job->child = campaign_fork(script, job->seed, &r->mode);
    if (job->child == NULL) {
        cli_complain("cannot start another process");
        return false;
    }
    r->job_count++;
    return true;
}

static void tell_progress(struct run *r)
{
    int64_t now = now_ns();
    int64_t all = r->scripts.count * (int64_t)(r->seed_last - r->seed_first + 1);
    if (!r->progress || now - r->told_ns < PROGRESS_NS)
        return;
    r->told_ns = now;
    fprintf(stderr, "\r\033[K%" PRId64 " of %" PRId64 " runs, %" PRId64 " failed, %.1f s", r->done,
            all, r->failed, (double)(now - r->start_ns) / 1e9);
}

static void wait_for_some(struct run *r)
{
    struct pollfd fds[CAMPAIGN_JOBS_MAX];
    for (int i = 0; i < r->job_count; i++)
        fds[i] = (struct pollfd){.fd = campaign_child_fd(r->job[i].child), .events = POLLIN};
    if (poll(fds, (nfds_t)r->job_count, 200) <= 0)
        return;
    /* From the back: a job that ends is replaced by the last one. */
    for (int i = r->job_count - 1; i >= 0; i--) {
        struct campaign_outcome outcome;
        if (fds[i].revents != 0 && campaign_child_read(r->job[i].child, &outcome))
            end_job(r, &r->job[i], &outcome);
    }
}

static bool run_all(struct run *r)
{
    bool good = true;
    r->start_ns = now_ns();
    while ((good && more(r)) || r->job_count > 0) {
        while (good && more(r) && r->job_count < r->jobs)
            good = start_job(r);
        if (r->job_count > 0)
            wait_for_some(r);
        tell_progress(r);
    }
    clear_progress(r);
    return good;
}

/* ---- the table ---- */

static const char *word_of(enum cli_exit exit)
{
    switch (exit) {
    case CLI_OK:
        return "held";
    case CLI_BROKEN:
        return "BROKEN";
    case CLI_INCONCLUSIVE:
        return "inconclusive";
    case CLI_STUCK:
        return "STUCK";
    case CLI_DIFFERED:
        return "DIFFERED";
    case CLI_NOTHING:
        return "nothing ran";
    case CLI_CRASHED:
        return "CRASHED";
    case CLI_USAGE:
        return "WRONG SCRIPT";
    }
    UNREACHABLE();
}

static void print_allowed(const struct row *row)
{
    if (row->counts.lost_allowed > 0)
        printf("  %-58s %" PRIu64 " of %" PRIu64
               " acknowledged records were lost, as the contract allows\n",
               "", row->counts.lost_allowed, row->counts.acked);
    if (row->counts.twice_allowed > 0)
        printf("  %-58s %" PRIu64 " records were stored twice, as the contract allows\n", "",
               row->counts.twice_allowed);
}

static void print_table(struct run *r)
{
    printf("\n  %-58s %6s %8s %10s %9s %8s  %s\n", "claim", "seeds", "faults", "events",
           "simulated", "wall", "verdict");
    uint64_t events = 0;
    for (int i = 0; i < r->scripts.count; i++) {
        const struct row *row = &r->rows[i];
        printf("  %-58.58s %6" PRIu64 " %8" PRIu64 " %10" PRIu64 " %7.0f s %6.2f s  %s\n",
               r->scripts.at[i].claim, row->runs, row->faults, row->events,
               (double)row->sim_ns / 1e9, (double)row->wall_ns / 1e9, word_of(row->exit));
        print_allowed(row);
        events += row->events;
    }
    double wall = (double)(now_ns() - r->start_ns) / 1e9;
    printf("\n%.0f events a second delivered, in %.1f s on %" PRId64 " processes at once\n",
           (double)events / wall, wall, r->jobs);
}

/* Marks are judged over the campaign: what a claim must reach by itself, and what all of them
 * together never saw. */
static enum cli_exit judge_marks(const struct run *r, FILE *out)
{
    enum cli_exit exit = CLI_OK;
    uint64_t sum[TRACE_MARK_COUNT] = {0};
    for (int i = 0; i < r->scripts.count; i++) {
        for (int m = 0; m < TRACE_MARK_COUNT; m++) {
            sum[m] += r->rows[i].marks[m];
            if (!r->rows[i].must_reach[m] || r->rows[i].marks[m] > 0)
                continue;
            fprintf(out, "not reached: \"%s\" must happen in \"%s\"\n", trace_mark_texts[m],
                    r->scripts.at[i].claim);
            if (r->seed_last - r->seed_first + 1 >= MARKS_SEEDS_MIN)
                exit = CLI_INCONCLUSIVE;
        }
    }
    for (int m = 0; m < TRACE_MARK_COUNT; m++) {
        if (sum[m] == 0 && r->verbose && r->done > 1)
            fprintf(out, "no claim reached: \"%s\"\n", trace_mark_texts[m]);
    }
    return exit;
}

static int finish(struct run *r)
{
    enum cli_exit exit = r->done == 0 ? CLI_NOTHING : CLI_OK;
    FILE *out = r->json ? stderr : stdout;
    for (int i = 0; i < r->scripts.count; i++)
        exit = campaign_graver(exit, r->rows[i].exit);
    if (!r->json)
        print_table(r);
    exit = campaign_graver(exit, judge_marks(r, out));
    fprintf(out, "%" PRId64 " passed, %" PRId64 " failed, %" PRId64 " skipped\n", r->passed,
            r->failed, r->skipped);
    return exit;
}

/* ---- the verb ---- */

static bool parse_seeds(struct run *r, int64_t seed, const char *seeds)
{
    r->seed_first = r->seed_last = (uint64_t)seed;
    if (seeds == NULL)
        return true;
    const char *dash = strchr(seeds, '-');
    int64_t first, last;
    if (dash == NULL ||
        text_parse_int(bytes_of(seeds, (size_t)(dash - seeds)), &first) != ERR_NONE ||
        text_parse_int(bytes_text(dash + 1), &last) != ERR_NONE || first < 0 || last < first) {
        cli_complain("--seeds: \"%s\" is not of the form 1-200", seeds);
        return false;
    }
    r->seed_first = (uint64_t)first;
    r->seed_last = (uint64_t)last;
    return true;
}

static bool check_single(const struct run *r)
{
    bool single = r->seed_first == r->seed_last && r->scripts.count == 1;
    if (single || (r->mode.trace_path == NULL && r->mode.data_dir == NULL &&
                   r->mode.plan_path == NULL && !campaign_view_given(&r->view)))
        return true;
    cli_complain("--plan, --trace, --data and the timeline's options are for one scenario with one "
                 "seed");
    return false;
}

static int list_claims(const struct run *r)
{
    for (int i = 0; i < r->scripts.count; i++)
        printf("%-44s %s\n", r->scripts.at[i].path, r->scripts.at[i].claim);
    return CLI_OK;
}

static int go(struct run *r)
{
    r->rows = calloc((size_t)MAX(r->scripts.count, 1), sizeof *r->rows);
    r->next_seed = r->seed_first;
    r->progress = isatty(STDERR_FILENO) && !r->mode.timeline;
    if (r->mode.plan_path != NULL && cli_read_file(r->mode.plan_path, &r->plan) != ERR_NONE)
        return cli_complain("cannot read the plan %s", r->mode.plan_path);
    if ((r->mode.timeline || r->mode.trace_path != NULL) &&
        !campaign_view_prepare(&r->view, &r->scripts.at[0], r->seed_first, &r->mode, &r->found))
        return CLI_NOTHING;
    bool good = run_all(r);
    int exit = good ? finish(r) : CLI_USAGE;
    free(r->rows);
    cli_free(r->plan);
    return exit;
}

int cli_run(int argc, char **argv)
{
    struct run r = {.mode = {0}};
    const char *seeds = NULL, *limit = NULL, *wall = NULL;
    int64_t seed = 1;
    int disk = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    r.jobs = MIN(MAX(cores, 1), CAMPAIGN_JOBS_MAX);
    const struct cli_option options[] = {
        {"--seed", CLI_INT, &seed, 0, INT64_MAX, NULL, "the seed of a single run (1)"},
        {"--seeds", CLI_TEXT, &seeds, 0, 0, NULL, "a range of seeds, as 1-200"},
        {"--jobs", CLI_INT, &r.jobs, 1, CAMPAIGN_JOBS_MAX, NULL, "processes at once (all cores)"},
        {"--disk", CLI_CHOICE, &disk, 0, 0, "memory|files", "where simulated disks live (memory)"},
        {"--data", CLI_TEXT, &r.mode.data_dir, 0, 0, NULL,
         "with --disk files: the directory, kept afterwards"},
        {"--plan", CLI_TEXT, &r.mode.plan_path, 0, 0, NULL, "only the faults in this file happen"},
        {"--trace", CLI_TEXT, &r.mode.trace_path, 0, 0, NULL, "write the trace to this file"},
        {"--time", CLI_TEXT, &limit, 0, 0, NULL, "virtual time after which a run is stuck (24h)"},
        {"--wall", CLI_TEXT, &wall, 0, 0, NULL,
         "real time after which a run is killed and counts as crashed (10m)"},
        {"--json", CLI_FLAG, &r.json, 0, 0, NULL, "one object a run, a line each"},
        {"--bug", CLI_TEXT, &r.mode.bug, 0, 0, NULL,
         "with this historic mistake switched on; kiln bugs lists them"},
        {"--list", CLI_FLAG, &r.list, 0, 0, NULL, "print the claims and run nothing"},
        {"-v", CLI_FLAG, &r.verbose, 0, 0, NULL,
         "one run: a timeline on stderr; many: marks that nobody reached"},
        CAMPAIGN_VIEW_OPTIONS(r.view),
    };
    const struct cli_usage usage = {
        "kiln run SCENARIO... | DIR [OPTIONS]",
        "Runs each scenario with each seed in the simulated world and says what held. A run that "
        "fails\n"
        "leaves a replay file and the plan of its faults under failures/.\n"
        "Exit: 0 all held, 1 safety broken, 2 inconclusive, 3 stuck, 5 nothing ran, 6 crashed, 64 "
        "usage.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    if (words.count == 0)
        return cli_complain("which scenario? usage: %s", usage.synopsis);
    exit = r.mode.bug != NULL ? cli_with_bugs(argc, argv) : -1;
    if (exit >= 0)
        return exit;
    if (!cli_parse_time("--time", limit, &r.mode.time_max_ns) ||
        !cli_parse_time("--wall", wall, &r.mode.wall_max_ns))
        return CLI_USAGE;
    if (!parse_seeds(&r, seed, seeds) || !campaign_load(&r.scripts, words.word, words.count))
        return CLI_USAGE;
    r.mode.files = disk == 1 || r.mode.data_dir != NULL;
    r.verbose |= campaign_view_given(&r.view);
    if (!campaign_view_filter(&r.view, &r.mode.filter))
        return CLI_USAGE;
    r.mode.timeline = r.verbose && r.seed_first == r.seed_last && r.scripts.count == 1;
    exit = r.list ? list_claims(&r) : !check_single(&r) ? CLI_USAGE : go(&r);
    campaign_unload(&r.scripts);
    return exit;
}
