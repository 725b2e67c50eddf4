/* junit.c - keeps how each run of a campaign ended, and writes all of it when it is over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/junit.h"
#include "report/report.h"

#define SHRUNK_BYTES_MAX (1 << 20)

static char *why_of(const struct script_result *result)
{
    char *why = NULL;
    size_t size;
    FILE *out = open_memstream(&why, &size);
    if (out == NULL)
        return NULL;
    campaign_write_findings(result, "", out);
    return fclose(out) == 0 ? why : NULL;
}

static bool grow(struct junit *j)
{
    if (j->count < j->cap)
        return true;
    int64_t cap = MAX(j->cap * 2, 256);
    struct junit_run *runs = realloc(j->runs, (size_t)cap * sizeof *runs);
    if (runs == NULL)
        return false;
    j->runs = runs;
    j->cap = cap;
    return true;
}

void junit_add(struct junit *j, const struct campaign_script *script, uint64_t seed,
               const struct campaign_outcome *o, const char *replay)
{
    j->failed |= !grow(j);
    if (j->failed)
        return;
    struct junit_run *run = &j->runs[j->count++];
    *run = (struct junit_run){
        .script = script, .seed = seed, .wall_ns = o->wall_ns, .exit = campaign_exit(o)};
    if (run->exit == CLI_OK)
        return;
    if (o->result.finding_count > 0) {
        memcpy(run->code, o->result.findings[0].code, sizeof run->code);
        memcpy(run->name, o->result.findings[0].name, sizeof run->name);
    }
    run->why = why_of(&o->result);
    run->replay = replay == NULL ? NULL : strdup(replay);
    j->failed |= run->why == NULL || (replay != NULL && run->replay == NULL);
}

static enum report_outcome outcome_of(enum cli_exit exit)
{
    switch (exit) {
    case CLI_OK:
        return REPORT_PASSED;
    case CLI_INCONCLUSIVE:
    case CLI_NOTHING:
        return REPORT_SKIPPED;
    case CLI_BROKEN:
    case CLI_STUCK:
    case CLI_DIFFERED:
        return REPORT_FAILED;
    case CLI_CRASHED:
    case CLI_USAGE:
        return REPORT_ERROR;
    }
    UNREACHABLE();
}

static void print_why(const struct junit_run *run, struct text *out)
{
    char program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX];
    text_printf(out, "%s", run->why == NULL ? "" : run->why);
    if (run->replay != NULL)
        text_printf(out, "again: %s replay %s\n", cli_quote(cli_program(), program),
                    cli_quote(run->replay, quoted));
    text_add(out, "", 1);
}

/* What kiln shrink has made of it; or empty. */
static void print_shrunk(const struct junit_run *run, struct text *out)
{
    char path[CAMPAIGN_PATH_MAX];
    struct bytes source;
    struct errmsg msg;
    if (run->replay != NULL) {
        campaign_beside(run->replay, ".shrunk.lua", path);
        if (cli_read_input(path, SHRUNK_BYTES_MAX, &source, &msg) == ERR_NONE) {
            text_add(out, source.data, source.size);
            cli_free(source);
        }
    }
    text_add(out, "", 1);
}

/* The texts of a run, one behind the other in memory of their own. */
struct written {
    struct text name, type, message, why, shrunk;
};

static void write_run(const struct junit_run *run, struct mem *mem, struct written *w,
                      struct report_case *c)
{
    struct text *all[] = {&w->name, &w->type, &w->message, &w->why, &w->shrunk};
    for (int i = 0; i < COUNT_OF(all); i++)
        text_init(all[i], mem);
    bool named = run->name[0] != 0 && strcmp(run->name, run->code) != 0;
    size_t line = run->why == NULL ? 0 : strcspn(run->why, "\n");
    text_printf(&w->name, "%s, seed %" PRIu64, run->script->claim, run->seed);
    text_printf(&w->type, "%s%s%s", run->code, named ? " " : "", named ? run->name : "");
    text_add(&w->type, "", 1);
    text_add(&w->message, run->why, line);
    text_add(&w->message, "", 1);
    print_why(run, &w->why);
    print_shrunk(run, &w->shrunk);
    bool failed = false;
    for (int i = 0; i < COUNT_OF(all); i++)
        failed |= all[i]->failed;
    *c = (struct report_case){.suite = run->script->path,
                              .name = failed ? "out of memory" : w->name.data,
                              .time_ns = run->wall_ns,
                              .outcome = outcome_of(run->exit),
                              .type = failed ? "" : w->type.data,
                              .message = failed ? "" : w->message.data,
                              .text = failed ? "" : w->why.data,
                              .output = failed ? "" : w->shrunk.data};
}

static int by_script(const void *a, const void *b)
{
    const struct junit_run *x = a, *y = b;
    if (x->script != y->script)
        return x->script < y->script ? -1 : 1;
    return x->seed == y->seed ? 0 : x->seed < y->seed ? -1 : 1;
}

static bool write_cases(struct junit *j, struct mem *mem, struct written *written,
                        struct report_case *cases, struct text *out)
{
    if (written == NULL || cases == NULL || j->failed)
        return false;
    if (j->count > 0 &&
        sort_stable(mem, j->runs, (size_t)j->count, sizeof *j->runs, by_script) != ERR_NONE)
        return false;
    for (int64_t i = 0; i < j->count; i++)
        write_run(&j->runs[i], mem, &written[i], &cases[i]);
    report_junit("kiln run", cases, j->count, out);
    for (int64_t i = 0; i < j->count; i++) {
        text_free(&written[i].name);
        text_free(&written[i].type);
        text_free(&written[i].message);
        text_free(&written[i].why);
        text_free(&written[i].shrunk);
    }
    return !out->failed;
}

bool junit_write(struct junit *j, const char *path)
{
    struct mem mem;
    struct text out;
    size_t count = (size_t)MAX(j->count, 1);
    mem_system(&mem);
    text_init(&out, &mem);
    struct written *written = calloc(count, sizeof *written);
    struct report_case *cases = calloc(count, sizeof *cases);
    bool made = write_cases(j, &mem, written, cases, &out);
    enum err e = made ? cli_write_file(path, bytes_of(out.data, out.size)) : ERR_NOMEM;
    if (e != ERR_NONE)
        cli_complain("cannot write %s: %s", path, err_text(e));
    free(written);
    free(cases);
    text_free(&out);
    return e == ERR_NONE;
}

void junit_free(struct junit *j)
{
    for (int64_t i = 0; i < j->count; i++) {
        free(j->runs[i].why);
        free(j->runs[i].replay);
    }
    free(j->runs);
    *j = (struct junit){0};
}
