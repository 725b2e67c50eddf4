/* run.c - kiln run: campaigns. Every claim with every seed, a table of what held, and a replay file
 * for what did not. */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cli/junit.h"
#include "cli/record.h"
#include "cli/table.h"

#define PROGRESS_NS 200000000ll
#define MARKS_SEEDS_MIN 20 /* with fewer seeds a mark that was not reached is told, not judged */
#define MARKS_RUNS_MIN 200 /* likewise of those that no claim names, with --marks */

struct job {
    struct campaign_child *child;
    int script;
    uint64_t seed;
    bool on_files; /* the run for --on-files */
    bool checked;  /* kiln log check found nothing wrong with its disks */
    char replay[CAMPAIGN_PATH_MAX];
    char disks[CAMPAIGN_PATH_MAX]; /* its own directory of disks, to be removed; empty: none */
};

struct run {
    struct campaign_scripts scripts;
    struct campaign_mode mode;
    struct bytes plan;
    uint64_t seed_first, seed_last;
    int64_t jobs;
    int64_t files_seed; /* each claim once more with it, on real files that are checked; -1: no */
    bool checks_disks;  /* of each run, as --disk files of a campaign has it */
    int64_t checked_count, unjudged_count; /* runs on files */
    bool json, list, verbose, progress, shrinks, fail_fast;
    bool tells_marks;
    const char *junit_path; /* NULL: nobody asked */
    struct junit junit;
    bool nothing_shown; /* of the run that was looked at */
    struct campaign_view view;
    struct campaign_outcome found; /* by the run before the one that is looked at */
    /* What is next, and what is under way. */
    int next_script;
    uint64_t next_seed;
    struct job job[CAMPAIGN_JOBS_MAX];
    int job_count;
    struct table_row *rows;
    struct groups groups;
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
    json_put_hex(j, "rows_hash", x->rows_hash);
    json_put_uint(j, "faults", x->faults);
    json_put_uint(j, "events", x->events);
    json_put_seconds(j, "sim_s", x->sim_ns);
    json_put_seconds(j, "wall_s", o->wall_ns);
    json_put_uint(j, "acked", x->counts.acked);
    json_put_uint(j, "read", x->counts.read);
    if (job->checked)
        json_put_bool(j, "files_checked", true);
    campaign_put_findings(j, x);
    cli_json_end(&line, stdout);
}

static void clear_progress(const struct run *r)
{
    if (r->progress)
        fputs("\r\033[K", stderr);
}

#define CONTINUED 13 /* columns before what goes on from the line above */

static void print_command(const char *before, const char *verb, const char *path)
{
    char command[2 * CLI_QUOTED_MAX], program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX];
    snprintf(command, sizeof command, "%s %s %s", cli_quote(cli_program(), program), verb,
             cli_quote(path, quoted));
    cli_print_command(stderr, before, command);
}

/* The directories are a pattern, which quotes would take from the shell. */
static void print_disks_command(const char *disks)
{
    char command[3 * CLI_QUOTED_MAX], program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX];
    snprintf(command, sizeof command, "%s log check %s/*/data", cli_quote(cli_program(), program),
             cli_quote(disks, quoted));
    cli_print_command(stderr, "         look: ", command);
}

/* Beside the replay file: what fired, the hash of each step, and of a crash the last rows. */
static void keep_beside(const struct job *job, const struct campaign_outcome *o)
{
    char path[CAMPAIGN_PATH_MAX];
    campaign_beside(job->replay, ".plan", path);
    if (o->plan != NULL && cli_write_file(path, bytes_text(o->plan)) == ERR_NONE)
        cli_wrap(stderr, "         what fired: ", CONTINUED, path);
    if (o->record == NULL)
        return;
    campaign_beside(job->replay, ".steps", path);
    record_write_steps(o->record, path);
    campaign_beside(job->replay, ".trace", path);
    if (o->crashed && record_write_trace(o->record, &o->result.findings[0], path))
        print_command("         the last rows: ", "trace", path);
}

/* What the run itself did not find is not found by running it. */
static bool can_be_less(const struct campaign_outcome *o)
{
    enum cli_exit exit = campaign_exit(o);
    bool failed = exit == CLI_BROKEN || exit == CLI_STUCK || exit == CLI_CRASHED;
    return failed && strcmp(o->result.findings[0].code, "FILES") != 0;
}

static void tell_failure(struct run *r, const struct job *job, const struct campaign_outcome *o)
{
    const struct campaign_script *script = &r->scripts.at[job->script];
    clear_progress(r);
    char before[CAMPAIGN_PATH_MAX + 48];
    snprintf(before, sizeof before, "%-8s %s, seed %" PRIu64 ": ",
             o->crashed ? "CRASHED" : script_verdict_name(o->result.verdict), script->path,
             job->seed);
    cli_wrap(stderr, before, CONTINUED, script->claim);
    campaign_print_findings(&o->result, "         ", stderr);
    keep_beside(job, o);
    campaign_replay_finish(job->replay, o);
    print_command("         again: ", "replay", job->replay);
    if (can_be_less(o))
        print_command("         less: ", "shrink", job->replay);
}

/* ---- real files ---- */

/* How kiln log check of a directory ends; what it prints goes to the file. */
static int check_dir(const char *dir, const char *out)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const char *const words[] = {"kiln", "log", "check", dir, NULL};
        bool quiet = freopen(out, "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL;
        if (quiet)
            execv("/proc/self/exe", (char *const *)(uintptr_t)words);
        _exit(CLI_CRASHED);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
        return CLI_CRASHED;
    return WEXITSTATUS(status);
}

/* What it found is one more finding of the run. */
static void add_damage(struct campaign_outcome *o, const char *said_path)
{
    struct script_result *x = &o->result;
    struct bytes said = {0};
    struct errmsg msg;
    struct script_finding f = {.code = "FILES",
                               .name = "FILES_DAMAGED",
                               .text = "kiln log check finds damage that nobody did to the disk",
                               .count = 1,
                               .offset = -1,
                               .node_id = CHECK_NO_NODE,
                               .time_ns = x->sim_ns};
    const char *line = NULL;
    if (cli_read_input(said_path, CLI_INPUT_BYTES_MAX, &said, &msg) == ERR_NONE)
        line = strstr((const char *)said.data, "damage: ");
    if (line != NULL)
        snprintf(f.what, sizeof f.what, "%.*s", (int)strcspn(line, "\n"), line);
    cli_free(said);
    x->findings[0] = f;
    x->finding_count = 1;
    x->verdict = SCRIPT_BROKEN;
}

/* A claim that held must leave files in good order, too, where nobody harmed them on purpose. */
static void check_disks(struct run *r, struct job *job, struct campaign_outcome *o)
{
    char said[CLI_PATH_MAX];
    glob_t found = {0};
    char pattern[CAMPAIGN_PATH_MAX + 16];
    if (campaign_exit(o) != CLI_OK)
        return;
    if (o->result.disk_damaged) {
        r->unjudged_count++;
        return;
    }
    snprintf(pattern, sizeof pattern, "%s/*/data", job->disks);
    bool good = cli_temporary_file(said, "check") == ERR_NONE &&
                glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    int exit = CLI_OK;
    for (size_t i = 0; good && i < found.gl_pathc && exit == CLI_OK; i++)
        exit = check_dir(found.gl_pathv[i], said);
    job->checked = good && exit == CLI_OK;
    r->checked_count += job->checked;
    if (!job->checked)
        add_damage(o, said);
    globfree(&found);
    unlink(said);
}

/* ---- the end of a run ---- */

static bool is_single(const struct run *r)
{
    return r->seed_first == r->seed_last && r->scripts.count == 1 && r->files_seed < 0;
}

/* A mistake of the script is one, however many seeds it has met. It leaves nothing behind. */
static void tell_mistake(struct run *r, const struct job *job, const struct campaign_outcome *o)
{
    clear_progress(r);
    fprintf(stderr, "%-8s %s\n", script_verdict_name(o->result.verdict),
            r->scripts.at[job->script].path);
    campaign_print_findings(&o->result, "         ", stderr);
}

/* A run that was looked at on real files says where they are, or were. */
static void end_disks(const struct run *r, const struct job *job, enum cli_exit exit)
{
    bool keep = exit != CLI_OK && is_single(r);
    if (job->disks[0] == 0)
        return;
    if (!keep)
        cli_remove_tree(job->disks);
    if (keep) {
        char kept[CAMPAIGN_PATH_MAX + 32];
        snprintf(kept, sizeof kept, "%s, kept as real files", job->disks);
        cli_wrap(stderr, "         disks: ", CONTINUED, kept);
        print_disks_command(job->disks);
    } else if (is_single(r) && !r->json)
        cli_wrapf(stdout, 2, "disks: real files in %s, removed as it held; --data DIR keeps them",
                  job->disks);
}

static void tell_end(struct run *r, const struct job *job, const struct campaign_outcome *o)
{
    enum cli_exit exit = campaign_exit(o);
    if (r->json)
        print_json(r, job, o);
    else if (is_single(r) && exit == CLI_OK)
        printf("hash=%016" PRIx64 "\n", o->result.hash);
    if (exit == CLI_OK) {
        campaign_replay_remove(job->replay);
    } else {
        tell_failure(r, job, o);
        groups_add(&r->groups, job->script, job->seed, job->replay, &o->result);
    }
    end_disks(r, job, exit);
}

static void judge_job(struct run *r, struct job *job, struct campaign_outcome *o)
{
    if (job->on_files || r->checks_disks)
        check_disks(r, job, o);
    enum cli_exit exit = campaign_exit(o);
    r->nothing_shown |= o->record != NULL && o->record->nothing_shown;
    bool told = r->rows[job->script].exit == CLI_USAGE; /* of other seeds that ran beside it */
    if (exit == CLI_USAGE) {
        campaign_replay_remove(job->replay);
        if (!told)
            tell_mistake(r, job, o);
    } else {
        tell_end(r, job, o);
    }
    if (r->junit_path != NULL && (exit != CLI_USAGE || !told))
        junit_add(&r->junit, &r->scripts.at[job->script], job->seed, o,
                  exit == CLI_OK || exit == CLI_USAGE ? NULL : job->replay);
    if (exit != CLI_USAGE || !told) {
        table_add(&r->rows[job->script], o);
        r->done++;
        r->passed += exit == CLI_OK;
        r->skipped += exit == CLI_INCONCLUSIVE;
        r->failed += exit != CLI_OK && exit != CLI_INCONCLUSIVE;
    }
}

/* ---- many at a time ---- */

static bool more(const struct run *r)
{
    return r->next_script < r->scripts.count && !(r->fail_fast && r->failed > 0);
}

/* The seeds of a script, then the one on real files; a script with a mistake has none left. */
static void next_job(struct run *r, struct job *job)
{
    bool on_files = r->next_seed > r->seed_last;
    *job = (struct job){.script = r->next_script,
                        .seed = on_files ? (uint64_t)r->files_seed : r->next_seed,
                        .on_files = on_files};
    r->next_seed++;
    if (on_files || (r->next_seed > r->seed_last && r->files_seed < 0)) {
        r->next_script++;
        r->next_seed = r->seed_first;
    }
}

/* Next to the replay file, so that what failed is found together. */
static void make_disks(struct job *job, struct campaign_mode *mode)
{
    if (!mode->files || mode->data_dir != NULL)
        return;
    campaign_beside(job->replay, ".disks", job->disks);
    cli_remove_tree(job->disks);
    mode->data_dir = job->disks;
}

/* False: there is none. */
static bool take_job(struct run *r, struct job *job)
{
    while (more(r) && r->rows[r->next_script].exit == CLI_USAGE) {
        r->next_script++;
        r->next_seed = r->seed_first;
    }
    if (!more(r))
        return false;
    next_job(r, job);
    return true;
}

/* In the child that has done the last one with that outcome, if it can; NULL: in a new one. */
static bool start_job(struct run *r, struct job *job, struct campaign_child *idle,
                      struct campaign_outcome *last)
{
    struct campaign_mode mode = r->mode;
    mode.files |= job->on_files;
    const struct campaign_script *script = &r->scripts.at[job->script];
    /* Before the child runs, so that a crash of the code under test leaves one too. */
    bool good = campaign_replay_write(job->replay, script, job->seed, &mode, r->plan);
    bool again =
        good && idle != NULL && !mode.files && campaign_child_again(idle, script, job->seed, last);
    job->child = again ? idle : NULL;
    if (idle != NULL && !again)
        campaign_child_end(idle);
    if (!good)
        return false;
    make_disks(job, &mode);
    if (job->child == NULL)
        job->child = campaign_fork(script, job->seed, &mode);
    if (job->child == NULL)
        cli_complain("cannot start another process");
    return job->child != NULL;
}

static bool fill_jobs(struct run *r)
{
    while (r->job_count < MIN(r->jobs, CAMPAIGN_JOBS_MAX)) {
        struct job *job = &r->job[r->job_count];
        if (!take_job(r, job))
            return true;
        if (!start_job(r, job, NULL, NULL))
            return false;
        r->job_count++;
    }
    return true;
}

/* What comes next takes its place. False: nothing can be started any more. */
static bool end_job(struct run *r, struct job *job, struct campaign_outcome *o, bool good)
{
    struct campaign_child *child = job->child;
    judge_job(r, job, o);
    bool more = good && take_job(r, job);
    if (more)
        good = more = start_job(r, job, child, o);
    else
        campaign_child_end(child);
    if (!more)
        *job = r->job[--r->job_count];
    campaign_outcome_free(o);
    return good;
}

static void tell_progress(struct run *r)
{
    int64_t now = now_ns();
    int64_t seeds = (int64_t)(r->seed_last - r->seed_first + 1) + (r->files_seed >= 0);
    int64_t all = r->scripts.count * seeds;
    if (!r->progress || now - r->told_ns < PROGRESS_NS)
        return;
    r->told_ns = now;
    fprintf(stderr, "\r\033[K%" PRId64 " of %" PRId64 " runs, %" PRId64 " failed, %.1f s", r->done,
            all, r->failed, (double)(now - r->start_ns) / 1e9);
}

static bool wait_for_some(struct run *r, bool good)
{
    struct pollfd fds[CAMPAIGN_JOBS_MAX];
    for (int i = 0; i < r->job_count; i++)
        fds[i] = (struct pollfd){.fd = campaign_child_fd(r->job[i].child), .events = POLLIN};
    if (poll(fds, (nfds_t)r->job_count, 200) <= 0)
        return good;
    /* From the back: a job that ends is replaced by the last one. */
    for (int i = r->job_count - 1; i >= 0; i--) {
        struct campaign_outcome outcome;
        if (fds[i].revents != 0 && campaign_child_read(r->job[i].child, &outcome))
            good = end_job(r, &r->job[i], &outcome, good);
    }
    return good;
}

static bool run_all(struct run *r)
{
    r->start_ns = now_ns();
    bool good = fill_jobs(r);
    while (r->job_count > 0) {
        good = wait_for_some(r, good);
        tell_progress(r);
    }
    clear_progress(r);
    return good;
}

/* ---- what failures need ---- */

#define SHRINKS_MAX 8 /* of a campaign; the greatest causes */
#define SHRINK_FOR "60s"

/* The first run of each cause, by this program. */
static void shrink_replay(const char *replay)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        const char *const words[] = {"kiln", "shrink", replay, "--for", SHRINK_FOR, NULL};
        campaign_die_with(parent);
        if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
            execv("/proc/self/exe", (char *const *)(uintptr_t)words);
        _exit(CLI_CRASHED);
    }
    int status;
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
}

static void shrink_all(const struct run *r)
{
    for (int i = 0; i < MIN(r->groups.count, SHRINKS_MAX); i++) {
        const struct group *group = &r->groups.at[i];
        bool own = strcmp(group->code, "INCONCLUSIVE") == 0 || strcmp(group->code, "FILES") == 0;
        if (own || group->replay[0] == 0)
            continue;
        fprintf(stderr, "\n%s of %s becomes:\n", group->code, group->replay);
        shrink_replay(group->replay);
    }
}

/* ---- the table ---- */

/* What kiln log check has said of those runs whose disks were real files. */
static void print_disks(const struct run *r)
{
    if (r->checks_disks)
        cli_wrapf(stdout, 0,
                  "\nOn real segment files: kiln log check found nothing wrong with %" PRId64
                  " of %" PRId64 " runs; %" PRId64
                  " damaged their disks on purpose and are not judged.",
                  r->checked_count, r->done, r->unjudged_count);
    else if (r->files_seed >= 0)
        cli_wrapf(stdout, 0,
                  "\nOn real segment files, seed %" PRId64
                  ": kiln log check found nothing wrong with %" PRId64 " of %d claims; %" PRId64
                  " damage their disks on purpose and are not judged.",
                  r->files_seed, r->checked_count, r->scripts.count, r->unjudged_count);
}

static void print_table(struct run *r)
{
    uint64_t events = 0;
    for (int i = 0; i < r->scripts.count; i++)
        events += r->rows[i].events;
    double wall = (double)(now_ns() - r->start_ns) / 1e9;
    table_print(&r->scripts, r->rows);
    if (!is_single(r))
        groups_print(&r->groups, &r->scripts, stdout);
    print_disks(r);
    int64_t jobs = MIN(r->jobs, r->done);
    cli_wrapf(stdout, 0,
              "\n%.0f events a second delivered, in %.1f s on %" PRId64 " process%s at once",
              (double)events / wall, wall, jobs, jobs == 1 ? "" : "es");
}

/* Of each room how many of its marks were reached, and by name those that were not. */
static void tell_room(const char *room, const uint64_t sum[TRACE_MARK_COUNT], FILE *out)
{
    int reached = 0, count = 0;
    for (int m = 0; m < TRACE_MARK_COUNT; m++) {
        bool here = strcmp(trace_mark_rooms[m], room) == 0;
        count += here;
        reached += here && sum[m] > 0;
    }
    fprintf(out, "  %-10s %3d of %3d marks\n", room, reached, count);
    for (int m = 0; m < TRACE_MARK_COUNT; m++) {
        if (sum[m] == 0 && strcmp(trace_mark_rooms[m], room) == 0)
            cli_wrapf(out, 13, "never: \"%s\"", trace_mark_texts[m]);
    }
}

static enum cli_exit tell_marks(const struct run *r, const uint64_t sum[TRACE_MARK_COUNT],
                                FILE *out)
{
    bool all = true;
    for (int m = 0; m < TRACE_MARK_COUNT; m++) {
        bool told = false;
        for (int i = 0; i < m; i++)
            told |= strcmp(trace_mark_rooms[i], trace_mark_rooms[m]) == 0;
        if (!told)
            tell_room(trace_mark_rooms[m], sum, out);
        all &= sum[m] > 0;
    }
    return all || r->done < MARKS_RUNS_MIN ? CLI_OK : CLI_INCONCLUSIVE;
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
            cli_wrapf(out, 4, "not reached: \"%s\" must happen in \"%s\"", trace_mark_texts[m],
                      r->scripts.at[i].claim);
            if (r->seed_last - r->seed_first + 1 >= MARKS_SEEDS_MIN)
                exit = CLI_INCONCLUSIVE;
        }
    }
    for (int m = 0; m < TRACE_MARK_COUNT; m++) {
        if (sum[m] == 0 && r->verbose && r->done > 1)
            cli_wrapf(out, 4, "no claim reached: \"%s\"", trace_mark_texts[m]);
    }
    return r->tells_marks ? campaign_graver(exit, tell_marks(r, sum, out)) : exit;
}

static int finish(struct run *r)
{
    enum cli_exit exit = r->done == 0 ? CLI_NOTHING : CLI_OK;
    if (r->scripts.wrong_count > 0)
        exit = CLI_USAGE;
    FILE *out = r->json ? stderr : stdout;
    for (int i = 0; i < r->scripts.count; i++)
        exit = campaign_graver(exit, r->rows[i].exit);
    if (!r->json)
        print_table(r);
    exit = campaign_graver(exit, judge_marks(r, out));
    exit = campaign_graver(exit, r->nothing_shown ? CLI_NOTHING : CLI_OK);
    if (r->shrinks)
        shrink_all(r);
    if (r->junit_path != NULL && !junit_write(&r->junit, r->junit_path))
        exit = CLI_USAGE;
    if (r->skipped > 0)
        cli_wrapf(out, 0,
                  "%" PRId64 " run%s inconclusive: neither held nor broke, and counted as skipped",
                  r->skipped, r->skipped == 1 ? " was" : "s were");
    fprintf(out, "%" PRId64 " passed, %" PRId64 " failed, %" PRId64 " skipped\n", r->passed,
            r->failed, r->skipped);
    return exit;
}

/* ---- the verb ---- */

static bool parse_seeds(struct run *r, int64_t seed, const char *seeds)
{
    r->seed_first = r->seed_last = seed < 0 ? 1 : (uint64_t)seed;
    if (seeds == NULL)
        return true;
    if (seed >= 0) {
        cli_complain("--seed runs one seed and --seeds a range; give one of them");
        return false;
    }
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
    if (is_single(r) || (r->mode.trace_path == NULL && r->mode.data_dir == NULL &&
                         r->mode.plan_path == NULL && !campaign_view_given(&r->view)))
        return true;
    cli_complain("--plan, --trace, --data and the timeline's options are for one scenario with one "
                 "seed");
    return false;
}

#define CLAIM_COLUMN 45 /* of a list */

static int list_claims(const struct run *r)
{
    for (int i = 0; i < r->scripts.count; i++) {
        const struct campaign_script *script = &r->scripts.at[i];
        struct cli_json line;
        if (!r->json) {
            cli_row(stdout, script->path, CLAIM_COLUMN, script->claim);
            continue;
        }
        struct json *j = cli_json_begin(&line);
        json_put_string(j, "claim", script->claim);
        json_put_string(j, "scenario", script->path);
        cli_json_end(&line, stdout);
    }
    return r->scripts.wrong_count > 0 ? CLI_USAGE : r->scripts.count == 0 ? CLI_NOTHING : CLI_OK;
}

/* What is wrong with the plan is no mistake of the script. -1: go on; else the exit code. */
static int read_plan(struct run *r)
{
    const char *path = r->mode.plan_path;
    struct errmsg msg = {{0}};
    struct mem mem;
    struct fault_plan plan;
    if (path == NULL)
        return -1;
    if (cli_read_input(path, CLI_INPUT_BYTES_MAX, &r->plan, &msg) != ERR_NONE)
        return cli_complain("the plan: %s", msg.text);
    mem_system(&mem);
    fault_plan_init(&plan, &mem);
    plan.named = plan.names.open = true;
    enum err e = fault_plan_parse(&plan, r->plan, &msg);
    fault_plan_free(&plan);
    if (e != ERR_NONE)
        return cli_complain("the plan %s: %s", path, msg.text[0] != 0 ? msg.text : err_text(e));
    return -1;
}

/* -1: yes; else the exit code, before anything has run in vain. */
static int can_write_junit(const struct run *r)
{
    FILE *file = r->junit_path == NULL ? NULL : fopen(r->junit_path, "ab");
    if (r->junit_path != NULL && file == NULL)
        return cli_complain("cannot write %s: %s", r->junit_path, strerror(errno));
    if (file != NULL)
        fclose(file);
    return -1;
}

static int read_and_run(struct run *r)
{
    int exit = read_plan(r);
    if (exit < 0)
        exit = campaign_can_write(&r->mode);
    if (exit < 0)
        exit = can_write_junit(r);
    if (exit >= 0)
        return exit;
    if ((r->mode.timeline || r->mode.trace_path != NULL) &&
        !campaign_view_prepare(&r->view, &r->scripts.at[0], r->seed_first, &r->mode, &r->found))
        return CLI_NOTHING;
    return run_all(r) ? finish(r) : CLI_USAGE;
}

static int go(struct run *r)
{
    r->rows = calloc((size_t)MAX(r->scripts.count, 1), sizeof *r->rows);
    r->next_seed = r->seed_first;
    r->progress = isatty(STDERR_FILENO) && !r->mode.timeline;
    int exit = read_and_run(r);
    free(r->rows);
    groups_free(&r->groups);
    junit_free(&r->junit);
    cli_free(r->plan);
    return exit;
}

/* disk: as --disk says, -1: not at all. */
static int run_scripts(struct run *r, int disk)
{
    r->mode.files = disk == 1 || r->mode.data_dir != NULL || (disk < 0 && is_single(r));
    r->checks_disks = disk == 1 && !is_single(r) && r->mode.bug == NULL;
    r->verbose |= campaign_view_given(&r->view);
    r->mode.timeline = r->verbose && is_single(r);
    if (r->list || r->scripts.count == 0)
        return list_claims(r);
    return check_single(r) ? go(r) : CLI_USAGE;
}

static int load_and_run(struct run *r, const struct cli_words *words, int disk)
{
    if (r->mode.bug != NULL && !cli_knows_bug(r->mode.bug))
        return CLI_USAGE;
    if (!campaign_view_filter(&r->view, &r->mode.filter) ||
        !campaign_load(&r->scripts, words->word, words->count))
        return CLI_USAGE;
    int exit = run_scripts(r, disk);
    campaign_unload(&r->scripts);
    return exit;
}

int cli_run(int argc, char **argv)
{
    struct run r = {.files_seed = -1};
    cli_outlive_readers();
    const char *seeds = NULL, *limit = NULL, *wall = NULL;
    int64_t seed = -1; /* not said */
    int disk = -1;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    r.jobs = MIN(MAX(cores, 1), CAMPAIGN_JOBS_MAX);
    const struct cli_option options[] = {
        {"--seed", CLI_INT, &seed, 0, INT64_MAX, NULL, "the seed of a single run (1)"},
        {"--seeds", CLI_TEXT, &seeds, 0, 0, NULL, "a range of seeds, as 1-200"},
        {"--jobs", CLI_INT, &r.jobs, 1, CAMPAIGN_JOBS_MAX, NULL, "processes at once (all cores)"},
        {"--disk", CLI_CHOICE, &disk, 0, 0, "memory|files",
         "where simulated disks live (one run: files; many: memory)"},
        {"--data", CLI_TEXT, &r.mode.data_dir, 0, 0, NULL,
         "the directory of the disks' files, kept afterwards"},
#ifndef KILN_KNOWN_BUGS
        {"--on-files", CLI_INT, &r.files_seed, 0, INT64_MAX, NULL,
         "each claim once more with this seed on real files, read by kiln log check"},
#endif
        {"--plan", CLI_TEXT, &r.mode.plan_path, 0, 0, NULL, "only the faults in this file happen"},
        CAMPAIGN_NODES_OPTION(r.mode),
        {"--trace", CLI_TEXT, &r.mode.trace_path, 0, 0, NULL, "write the trace to this file"},
        {"--time", CLI_TEXT, &limit, 0, 0, NULL,
         "virtual time after which a run is stuck (24h, or what the script says)"},
        {"--wall", CLI_TEXT, &wall, 0, 0, NULL,
         "real time after which a run is killed and counts as crashed (10m)"},
        {"--json", CLI_FLAG, &r.json, 0, 0, NULL, "one object a run, a line each"},
        {"--junit", CLI_TEXT, &r.junit_path, 0, 0, NULL,
         "write JUnit's XML to this file, for CI systems: a case a run"},
        {"--fail-fast", CLI_FLAG, &r.fail_fast, 0, 0, NULL,
         "begin no more runs when one has failed"},
        {"--shrink", CLI_FLAG, &r.shrinks, 0, 0, NULL,
         "of each cause of failures make the least scenario, for a minute each"},
        {"--bug", CLI_TEXT, &r.mode.bug, 0, 0, NULL,
         "with this historic mistake switched on; kiln bugs lists them"},
        {"--list", CLI_FLAG, &r.list, 0, 0, NULL, "print the claims and run nothing"},
        {"--marks", CLI_FLAG, &r.tells_marks, 0, 0, NULL,
         "how many marks of each room were reached; of 200 runs or more each must be"},
        {"-v", CLI_FLAG, &r.verbose, 0, 0, NULL,
         "one run: a timeline on stderr; many: marks that nobody reached"},
        CAMPAIGN_VIEW_OPTIONS(r.view),
    };
    const struct cli_usage usage = {
        "kiln run SCENARIO... | DIR [OPTIONS]",
        "Runs each scenario with each seed in the simulated world and says what held. A run "
        "that fails leaves a replay file and the plan of its faults under failures/. A single "
        "run has its disks as real files there too, which are kept when it fails; a campaign "
        "has them in memory.\n"
        "Exit: 0 all held, 1 safety broken, 2 inconclusive, 3 stuck, 5 nothing ran, 6 crashed, "
        "64 usage.",
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
        !cli_parse_time("--wall", wall, &r.mode.wall_max_ns) || !parse_seeds(&r, seed, seeds))
        return CLI_USAGE;
    return load_and_run(&r, &words, disk);
}
