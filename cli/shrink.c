/* shrink.c - kiln shrink: the least scenario that fails as a recorded run did. Each candidate is a
 * run of its own in a child; the best so far stands in a file at any time. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "cli/record.h"
#include "cli/shrink.h"
#include "cli/table.h"

#define JOBS_MAX 16
#define SECOND_NS 1000000000ll
#define WALL_LEAST_NS (2 * SECOND_NS) /* of a candidate, at least */
#define WALL_MOST_NS (60 * SECOND_NS)
#define WALL_FACTOR 8                     /* and so many times what the recorded run took */
#define SIM_MORE_NS (20 * 60 * SECOND_NS) /* of virtual time, more than that took */
#define SIM_LESS_NS (60 * SECOND_NS)      /* of virtual time, behind the end of its script */
#define OTHER_SEEDS 10
#define PROOFS 100
#define PROOF_SHARE 8 /* of the time given, for proofs: one part of so many */
#define SEEDS 8       /* that a case is tried with, when it does not fail with its own */
#define TOLD_NS (SECOND_NS / 5)
#define CACHE_SIZE 65536

/* What makes two failures the same. */
struct sameness {
    char code[SCRIPT_CODE_MAX];
    char cause[SCRIPT_TEXT_MAX];
    enum { OF_NOTHING, OF_USERS, OF_KILN } topic;
};

/* A candidate that runs or has run. */
struct slot {
    struct explain_state state;
    struct text text;
    uint64_t key;
    struct campaign_child *child; /* NULL: it is known */
    bool fails;
};

struct known {
    uint64_t key; /* 0: free */
    bool fails;
};

struct shrinker {
    struct mem mem;
    const char *replay_path, *out_path;
    char path[CAMPAIGN_PATH_MAX], temporary[CAMPAIGN_PATH_MAX + 8];
    struct campaign_replay replay;
    struct campaign_mode mode;
    struct campaign_outcome first; /* the recorded run, once more */
    struct sameness sameness;
    struct explain_case whole;
    struct explain_shrink shrink;
    uint64_t seed;
    int64_t jobs, for_ns, start_ns, deadline_ns, told_ns;
    int64_t sim_max_ns; /* of a candidate; 0: as anybody would run it */
    struct slot slots[JOBS_MAX];
    int slot_count;
    struct known *known;
    int64_t run_count;
    uint64_t fired; /* faults in the last run that failed as it must */
    int proof_count, proved_count, seed_count, seeds_failed;
    bool json, progress, heard, has_case, has_best;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static bool must_end(const struct shrinker *s, int64_t deadline_ns)
{
    (void)s;
    return interrupted != 0 || now_ns() >= deadline_ns;
}

/* ---- what is the same ---- */

/* Of an expect what it asks, wherever it stands and whatever it found. */
static void find_expected(const struct script_finding *f, char cause[SCRIPT_TEXT_MAX])
{
    const char *text = strchr(f->what, ':');
    text = text == NULL ? f->what : text + 1 + strspn(text + 1, "0123456789");
    const char *found = strstr(text, " found ");
    size_t size = found == NULL ? strlen(text) : (size_t)(found - text);
    snprintf(cause, SCRIPT_TEXT_MAX, "%.*s", (int)size, text);
}

static void find_sameness(const struct script_finding *f, struct sameness *same)
{
    memset(same, 0, sizeof *same);
    memcpy(same->code, f->code, sizeof same->code);
    if (strcmp(f->code, "EXPECT") == 0)
        find_expected(f, same->cause);
    else
        groups_cause(f, same->cause);
    same->topic = f->partition[0] == 0                  ? OF_NOTHING
                  : strncmp(f->partition, "__", 2) == 0 ? OF_KILN
                                                        : OF_USERS;
}

/* How long it was let run is no part of the cause. */
static bool is_same_cause(const char *a, const char *b)
{
    static const char killed[] = "killed: ";
    bool both = strncmp(a, killed, strlen(killed)) == 0 && strncmp(b, killed, strlen(killed)) == 0;
    return both || strcmp(a, b) == 0;
}

static bool is_same(const struct shrinker *s, const struct campaign_outcome *o)
{
    struct sameness other;
    enum cli_exit exit = campaign_exit(o);
    bool failed = exit == CLI_BROKEN || exit == CLI_STUCK || exit == CLI_CRASHED;
    if (!failed || o->result.finding_count == 0)
        return false;
    find_sameness(&o->result.findings[0], &other);
    return strcmp(other.code, s->sameness.code) == 0 && other.topic == s->sameness.topic &&
           is_same_cause(other.cause, s->sameness.cause);
}

/* ---- candidates ---- */

/* As the recorded run had it, but for the plan, which stands in the text. */
static struct campaign_mode mode_of(const struct shrinker *s)
{
    struct campaign_mode mode = s->mode;
    int64_t wall = s->first.wall_ns * WALL_FACTOR;
    wall = MIN(MAX(wall, WALL_LEAST_NS), WALL_MOST_NS);
    if (s->proof_count == 0) /* what is proved is run as anybody would run it */
        wall = MAX(MIN(wall, s->deadline_ns - now_ns()), SECOND_NS / 10);
    mode.wall_max_ns = wall;
    mode.plan_path = NULL;
    mode.listen = false;
    mode.quiet = true;
    if (mode.time_max_ns == 0 && s->proof_count == 0)
        mode.time_max_ns = s->sim_max_ns;
    return mode;
}

static struct campaign_child *start(const struct shrinker *s, const struct text *text,
                                    uint64_t seed)
{
    struct campaign_mode mode = mode_of(s);
    struct campaign_script script = s->replay.script;
    script.source = bytes_of(text->data, text->size);
    return campaign_fork(&script, seed, &mode);
}

/* Runs it with so many seeds at once. */
static void try_seeds(struct shrinker *s, const struct text *text, const uint64_t *seeds, int count,
                      bool *fails)
{
    struct campaign_child *children[JOBS_MAX];
    ASSERT(count <= JOBS_MAX);
    for (int i = 0; i < count; i++)
        children[i] = text->failed ? NULL : start(s, text, seeds[i]);
    for (int i = 0; i < count; i++) {
        struct campaign_outcome o;
        fails[i] = false;
        if (children[i] == NULL)
            continue;
        s->run_count++;
        while (!campaign_child_read(children[i], &o))
            continue;
        campaign_child_end(children[i]);
        fails[i] = interrupted == 0 && is_same(s, &o);
        s->fired = fails[i] ? o.result.faults : s->fired;
        campaign_outcome_free(&o);
    }
}

static bool try_text(struct shrinker *s, const struct text *text, uint64_t seed)
{
    bool fails;
    try_seeds(s, text, &seed, 1, &fails);
    return fails;
}

static struct known *find_known(struct shrinker *s, uint64_t key)
{
    for (uint64_t i = key;; i++) {
        struct known *k = &s->known[i % CACHE_SIZE];
        if (k->key == key || k->key == 0)
            return k;
    }
}

static void keep_known(struct shrinker *s, uint64_t key, bool fails)
{
    struct known *k = find_known(s, key);
    if (s->run_count < CACHE_SIZE / 2)
        *k = (struct known){key, fails};
}

static bool fill_slot(struct shrinker *s, struct slot *slot)
{
    text_free(&slot->text);
    text_init(&slot->text, &s->mem);
    explain_print(&s->whole, &slot->state, &slot->text);
    if (slot->text.failed)
        return false;
    slot->key = hash_bytes(slot->text.data, slot->text.size, s->seed) | 1;
    const struct known *known = find_known(s, slot->key);
    slot->fails = known->key != 0 && known->fails;
    slot->child = known->key != 0 ? NULL : start(s, &slot->text, s->seed);
    s->run_count += slot->child != NULL;
    return known->key != 0 || slot->child != NULL;
}

static void end_slots(struct shrinker *s)
{
    for (int i = 0; i < s->slot_count; i++) {
        if (s->slots[i].child != NULL)
            campaign_child_end(s->slots[i].child);
        s->slots[i].child = NULL;
    }
    s->slot_count = 0;
}

static void wait_for_some(struct shrinker *s)
{
    struct pollfd fds[JOBS_MAX];
    struct slot *running[JOBS_MAX];
    int count = 0;
    for (int i = 0; i < s->slot_count; i++) {
        if (s->slots[i].child == NULL)
            continue;
        running[count] = &s->slots[i];
        fds[count++] =
            (struct pollfd){.fd = campaign_child_fd(s->slots[i].child), .events = POLLIN};
    }
    if (poll(fds, (nfds_t)count, 100) <= 0)
        return;
    for (int i = 0; i < count; i++) {
        struct campaign_outcome o;
        if (fds[i].revents == 0 || !campaign_child_read(running[i]->child, &o))
            continue;
        campaign_child_end(running[i]->child);
        running[i]->child = NULL;
        running[i]->fails = is_same(s, &o);
        if (interrupted == 0)
            keep_known(s, running[i]->key, running[i]->fails);
        campaign_outcome_free(&o);
    }
}

/* ---- the best so far ---- */

static void print_head(const struct shrinker *s, struct text *out)
{
    char quoted[CLI_QUOTED_MAX];
    const struct script_finding *f = &s->first.result.findings[0];
    bool named = strcmp(f->code, f->name) != 0;
    text_printf(
        out, "-- %s%s%s, as in %s with seed %" PRIu64 "\n-- kiln run %s --seed %" PRIu64 "%s%s\n",
        f->code, named ? " " : "", named ? f->name : "", s->replay.script.path, s->replay.seed,
        cli_quote(s->path, quoted), s->seed, s->mode.bug != NULL ? " --bug " : "",
        s->mode.bug != NULL ? s->mode.bug : "");
}

/* With one rename, so that whoever ends this program at whatever time finds a whole one. */
static bool write_best(struct shrinker *s)
{
    struct text text;
    text_init(&text, &s->mem);
    print_head(s, &text);
    explain_print(&s->whole, &s->shrink.best, &text);
    bool good = !text.failed &&
                cli_write_file(s->temporary, bytes_of(text.data, text.size)) == ERR_NONE &&
                rename(s->temporary, s->path) == 0;
    text_free(&text);
    s->has_best |= good;
    return good;
}

static int32_t faults_of(const struct shrinker *s, const struct explain_state *state)
{
    return explain_count(&s->whole, state, EXPLAIN_FAULT);
}

/* A script that was kept may do harm by its own words: of such a one those count that fired. */
static int64_t faults_left(const struct shrinker *s)
{
    return s->heard ? faults_of(s, &s->shrink.best) : (int64_t)s->fired;
}

static int32_t lines_of(struct shrinker *s)
{
    struct text text;
    int32_t count = 0;
    text_init(&text, &s->mem);
    explain_print(&s->whole, &s->shrink.best, &text);
    for (size_t i = 0; !text.failed && i < text.size; i++)
        count += text.data[i] == '\n';
    text_free(&text);
    return count;
}

static void tell_progress(struct shrinker *s, bool now)
{
    int64_t at = now_ns();
    if (!s->progress || (!now && at - s->told_ns < TOLD_NS))
        return;
    s->told_ns = at;
    fprintf(stderr, "\r\033[K%" PRId64 " runs, %.0f s of %.0f: %d faults, %d lines", s->run_count,
            (double)(at - s->start_ns) / 1e9, (double)s->for_ns / 1e9,
            (int)faults_of(s, &s->shrink.best), (int)lines_of(s));
}

static void clear_progress(const struct shrinker *s)
{
    if (s->progress)
        fputs("\r\033[K", stderr);
}

/* ---- shrinking ---- */

static bool fill_slots(struct shrinker *s)
{
    while (s->slot_count < s->jobs &&
           explain_shrink_next(&s->shrink, s->slot_count, &s->slots[s->slot_count].state)) {
        if (!fill_slot(s, &s->slots[s->slot_count]))
            return false;
        s->slot_count++;
    }
    return s->slot_count > 0;
}

/* The answer of the first; those behind it were asked as if it did not fail. */
static bool take_answer(struct shrinker *s)
{
    bool fails = s->slots[0].fails;
    explain_shrink_answer(&s->shrink, fails);
    if (fails) {
        end_slots(s);
        return write_best(s);
    }
    struct slot first = s->slots[0];
    s->slot_count--;
    memmove(&s->slots[0], &s->slots[1], (size_t)s->slot_count * sizeof first);
    s->slots[s->slot_count] = first;
    return true;
}

/* False: the best cannot be written any more. */
static bool reduce(struct shrinker *s, int64_t deadline_ns)
{
    bool good = true;
    while (good && !must_end(s, deadline_ns) && fill_slots(s)) {
        if (s->slots[0].child == NULL)
            good = take_answer(s);
        else
            wait_for_some(s);
        tell_progress(s, false);
    }
    end_slots(s);
    return good;
}

/* ---- the case ---- */

/* What a check found shows soon after the end of the script, as a rule; who waits for the rest runs
 * for some 15 minutes. */
static int64_t short_time(const struct shrinker *s)
{
    const struct record *r = s->first.record;
    bool stuck = s->first.result.verdict == SCRIPT_STUCK;
    return stuck || r == NULL || !r->heard_all ? s->first.result.sim_ns + SIM_MORE_NS
                                               : r->end_ns + SIM_LESS_NS;
}

static bool whole_fails(struct shrinker *s)
{
    struct text text;
    text_init(&text, &s->mem);
    explain_print(&s->whole, &s->whole.whole, &text);
    s->seed = s->replay.seed;
    s->sim_max_ns = short_time(s);
    bool fails = try_text(s, &text, s->seed);
    for (int i = 0; i <= SEEDS && !fails && !must_end(s, s->deadline_ns); i++) {
        s->sim_max_ns = 0;
        s->seed = i == 0 ? s->replay.seed : (uint64_t)i;
        fails = try_text(s, &text, s->seed);
    }
    text_free(&text);
    return fails;
}

static bool make_case(struct shrinker *s, bool heard)
{
    s->heard = heard;
    s->has_case = true;
    explain_case_init(&s->whole, &s->mem, s->first.result.claim);
    bool good = heard ? shrink_case_heard(&s->whole, &s->first)
                      : shrink_case_script(&s->whole, &s->replay.script, &s->first);
    if (good && whole_fails(s))
        return true;
    explain_case_free(&s->whole);
    s->has_case = false;
    return false;
}

/* The best, without any limit of ours. */
static bool confirm(struct shrinker *s)
{
    struct text text;
    s->sim_max_ns = 0;
    text_init(&text, &s->mem);
    explain_print(&s->whole, &s->shrink.best, &text);
    bool fails = try_text(s, &text, s->seed);
    text_free(&text);
    return fails;
}

/* With how many other seeds it fails alike. A scenario that fails with seed 1 needs no word of it.
 */
static void try_other_seeds(struct shrinker *s)
{
    struct text text;
    uint64_t own = s->seed, next = 1;
    text_init(&text, &s->mem);
    explain_print(&s->whole, &s->shrink.best, &text);
    while (s->seed_count < OTHER_SEEDS && !must_end(s, s->deadline_ns)) {
        uint64_t seeds[JOBS_MAX];
        bool fails[JOBS_MAX];
        int count = (int)MIN(s->jobs, OTHER_SEEDS - s->seed_count);
        for (int i = 0; i < count; i++, next++) {
            next += next == own;
            seeds[i] = next;
        }
        try_seeds(s, &text, seeds, count, fails);
        for (int i = 0; i < count; i++) {
            s->seeds_failed += fails[i];
            s->seed = fails[i] && seeds[i] == 1 ? 1 : s->seed;
        }
        s->seed_count += count;
    }
    text_free(&text);
}

/* What is announced fails: the file itself is run, again and again. */
static void prove(struct shrinker *s)
{
    struct bytes source;
    struct errmsg msg;
    if (cli_read_input(s->path, CLI_INPUT_BYTES_MAX, &source, &msg) != ERR_NONE)
        return;
    struct text text = {.data = (char *)(uintptr_t)source.data, .size = source.size};
    int64_t deadline_ns = MIN(s->deadline_ns, now_ns() + s->for_ns / PROOF_SHARE);
    while (s->proof_count < PROOFS && (s->proof_count == 0 || !must_end(s, deadline_ns))) {
        uint64_t seeds[JOBS_MAX];
        bool fails[JOBS_MAX];
        int count = (int)MIN(s->jobs, PROOFS - s->proof_count);
        for (int i = 0; i < count; i++)
            seeds[i] = s->seed;
        s->proof_count += count;
        try_seeds(s, &text, seeds, count, fails);
        for (int i = 0; i < count; i++)
            s->proved_count += fails[i];
    }
    cli_free(source);
}

/* ---- what is told ---- */

/* Of all runs so far. */
static int64_t children_cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND_NS +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static void print_json(struct shrinker *s)
{
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "replay", s->replay_path);
    json_put_string(j, "scenario", s->path);
    json_put_string(j, "check", s->first.result.findings[0].code);
    json_put_uint(j, "seed", s->seed);
    json_put_int(j, "faults_before", (int64_t)s->first.result.faults);
    json_put_int(j, "faults", faults_left(s));
    json_put_string(j, "form", s->heard ? "statements" : "script");
    json_put_int(j, "lines", lines_of(s));
    json_put_int(j, "runs", s->run_count);
    json_put_int(j, "proofs", s->proof_count);
    json_put_int(j, "proved", s->proved_count);
    json_put_int(j, "other_seeds", s->seed_count);
    json_put_int(j, "other_seeds_failed", s->seeds_failed);
    json_put_seconds(j, "wall_s", now_ns() - s->start_ns);
    json_put_seconds(j, "cpu_s", children_cpu_ns());
    cli_json_end(&line, stdout);
}

static void print_command(const struct shrinker *s)
{
    char command[3 * CLI_QUOTED_MAX], program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX];
    snprintf(command, sizeof command, "%s run %s --seed %" PRIu64 "%s%s",
             cli_quote(cli_program(), program), cli_quote(s->path, quoted), s->seed,
             s->mode.bug != NULL ? " --bug " : "", s->mode.bug != NULL ? s->mode.bug : "");
    cli_print_command(stderr, "see it: ", command);
}

static int announce(struct shrinker *s)
{
    struct text text;
    clear_progress(s);
    if (s->json) {
        print_json(s);
    } else {
        text_init(&text, &s->mem);
        explain_print(&s->whole, &s->shrink.best, &text);
        printf("%s", text.failed ? "" : text.data);
        fflush(stdout);
        text_free(&text);
    }
    cli_wrapf(stderr, 4,
              "%" PRIu64 " faults became %" PRId64 ", in %" PRId64
              " runs and %.1f s%s; it failed %d times "
              "of %d when it was run again, and with %d of %d other seeds",
              s->first.result.faults, faults_left(s), s->run_count,
              (double)(now_ns() - s->start_ns) / 1e9,
              interrupted != 0 ? ", and was stopped there" : "", s->proved_count, s->proof_count,
              s->seeds_failed, s->seed_count);
    print_command(s);
    if (interrupted != 0)
        return CLI_OK;
    return s->proved_count == s->proof_count ? CLI_OK : CLI_DIFFERED;
}

/* ---- the verb ---- */

static int nothing_to_shrink(const struct shrinker *s)
{
    const struct campaign_outcome *o = &s->first;
    bool same_build = strcmp(s->replay.build, cli_build_id()) == 0;
    if (o->result.verdict == SCRIPT_WRONG)
        return cli_complain("%s: the script has a mistake: %s", s->replay_path, o->result.why);
    cli_complain("%s: this run does not fail here (%s), so there is nothing to shrink%s",
                 s->replay_path, script_verdict_name(o->result.verdict),
                 same_build ? "" : "; another build recorded it");
    return CLI_NOTHING;
}

static bool write_plan(const struct shrinker *s, char path[CLI_PATH_MAX])
{
    return cli_temporary_file(path, "plan") == ERR_NONE &&
           cli_write_file(path, s->replay.plan) == ERR_NONE;
}

/* Once more, and what it said is heard. -1: it failed; else the exit code. */
static int run_recorded(struct shrinker *s)
{
    char plan_path[CLI_PATH_MAX];
    struct campaign_mode mode = s->mode;
    if (s->replay.has_plan && !write_plan(s, plan_path))
        return cli_complain("cannot write to %s; set TMPDIR", plan_path);
    mode.plan_path = s->replay.has_plan ? plan_path : NULL;
    mode.listen = true;
    mode.wall_max_ns = s->for_ns;
    campaign_run_child(&s->replay.script, s->replay.seed, &mode, &s->first);
    if (s->replay.has_plan)
        unlink(plan_path);
    enum cli_exit exit = campaign_exit(&s->first);
    if (interrupted != 0)
        return cli_complain("stopped before it had begun"), CLI_INCONCLUSIVE;
    if ((exit != CLI_BROKEN && exit != CLI_STUCK && exit != CLI_CRASHED) ||
        s->first.result.finding_count == 0)
        return nothing_to_shrink(s);
    find_sameness(&s->first.result.findings[0], &s->sameness);
    return -1;
}

static int shrink_case(struct shrinker *s)
{
    for (int i = 0; i < JOBS_MAX; i++) {
        if (explain_state_init(&s->whole, &s->slots[i].state) != ERR_NONE)
            return cli_complain("out of memory"), CLI_INCONCLUSIVE;
    }
    int64_t deadline_ns = s->deadline_ns - s->for_ns / PROOF_SHARE;
    bool limited = s->sim_max_ns != 0;
    bool good = write_best(s) && reduce(s, deadline_ns);
    if (good && limited && interrupted == 0 && !confirm(s)) {
        explain_shrink_free(&s->shrink);
        memset(s->known, 0, CACHE_SIZE * sizeof *s->known);
        if (explain_shrink_init(&s->shrink, &s->whole) != ERR_NONE)
            return cli_complain("out of memory"), CLI_INCONCLUSIVE;
        good = reduce(s, deadline_ns);
    }
    if (good)
        try_other_seeds(s);
    if (!good || !write_best(s))
        return cli_complain("cannot write %s: %s", s->path, strerror(errno));
    prove(s);
    return announce(s);
}

static int shrink_run(struct shrinker *s)
{
    int exit = run_recorded(s);
    if (exit >= 0)
        return exit;
    if (!make_case(s, true) && !make_case(s, false)) {
        cli_complain("%s: neither what its script said nor the script with a plan fails alike: "
                     "there is nothing less than the replay",
                     s->replay_path);
        return CLI_INCONCLUSIVE;
    }
    if (explain_shrink_init(&s->shrink, &s->whole) != ERR_NONE)
        return cli_complain("out of memory"), CLI_INCONCLUSIVE;
    exit = shrink_case(s);
    for (int i = 0; i < JOBS_MAX; i++) {
        explain_state_free(&s->whole, &s->slots[i].state);
        text_free(&s->slots[i].text);
    }
    explain_shrink_free(&s->shrink);
    return exit;
}

/* -1: go on; else the exit code. */
static int check_output(struct shrinker *s)
{
    if (s->out_path != NULL)
        snprintf(s->path, sizeof s->path, "%s", s->out_path);
    else
        campaign_beside(s->replay_path, ".shrunk.lua", s->path);
    snprintf(s->temporary, sizeof s->temporary, "%s.new", s->path);
    FILE *file = fopen(s->temporary, "wb");
    if (file == NULL)
        return cli_complain("cannot write %s: %s; --out says where to", s->temporary,
                            strerror(errno));
    fclose(file);
    unlink(s->temporary);
    return -1;
}

static int with_replay(struct shrinker *s)
{
    int exit = check_output(s);
    if (exit >= 0)
        return exit;
    struct sigaction stop = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    mem_system(&s->mem);
    s->known = calloc(CACHE_SIZE, sizeof *s->known);
    if (s->known == NULL)
        return cli_complain("out of memory"), CLI_INCONCLUSIVE;
    s->progress = isatty(STDERR_FILENO);
    s->start_ns = now_ns();
    s->deadline_ns = s->start_ns + s->for_ns;
    s->mode.time_max_ns = s->replay.time_max_ns;
    s->mode.bug = s->replay.bug[0] != 0 ? s->replay.bug : NULL;
    if (strcmp(s->replay.build, cli_build_id()) != 0)
        cli_wrapf(
            stderr, 4,
            "kiln: warning: %s was recorded by build %s, and this is build %s: what is shrunk "
            "is what happens now",
            s->replay_path, s->replay.build, cli_build_id());
    exit = shrink_run(s);
    if (s->has_case)
        explain_case_free(&s->whole);
    campaign_outcome_free(&s->first);
    free(s->known);
    return exit;
}

int cli_shrink(int argc, char **argv)
{
    struct shrinker *s = calloc(1, sizeof *s);
    const char *limit = NULL;
    if (s == NULL)
        return cli_complain("out of memory"), CLI_INCONCLUSIVE;
    cli_outlive_readers();
    s->jobs = 2;
    s->for_ns = 120 * SECOND_NS;
    const struct cli_option options[] = {
        {"--for", CLI_TEXT, &limit, 0, 0, NULL, "real time that it may take (120s)"},
        {"--out", CLI_TEXT, &s->out_path, 0, 0, NULL,
         "the scenario's file (beside the replay, as X.shrunk.lua)"},
        {"--jobs", CLI_INT, &s->jobs, 1, JOBS_MAX, NULL, "runs at once (2)"},
        {"--json", CLI_FLAG, &s->json, 0, 0, NULL, "one object instead of the scenario"},
    };
    const struct cli_usage usage = {
        "kiln shrink FILE [OPTIONS]",
        "Makes the least scenario that fails as a recorded run did, by the same check for the "
        "same cause: the fewest faults, a workload and a time that are no more than it takes. "
        "FILE is a replay file. The best so far stands in the scenario's file at any time; "
        "Ctrl-C ends it with that.\n"
        "Exit: 0 it was made, and fails each time, 2 it could not be, 4 it does not fail each "
        "time, 5 the recorded run does not fail here.",
        options, COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit < 0 && words.count != 1)
        exit = cli_complain("which replay file? usage: %s", usage.synopsis);
    if (exit < 0 && !cli_parse_time("--for", limit, &s->for_ns))
        exit = CLI_USAGE;
    if (exit < 0) {
        s->replay_path = words.word[0];
        exit = campaign_replay_read(s->replay_path, &s->replay) ? -1 : CLI_USAGE;
    }
    if (exit < 0) {
        exit = s->replay.bug[0] != 0 ? cli_with_bugs(argc, argv) : -1;
        exit = exit < 0 ? with_replay(s) : exit;
        campaign_replay_free(&s->replay);
    }
    free(s);
    return exit;
}
