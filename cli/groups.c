/* groups.c - many failures as few causes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/table.h"

#define WRAP_INDENT 5

/* Two runs rarely have the same offsets and times: a number is a number. Not so a crash, whose line
 * of the source is its cause, nor an expect but for what it found. */
void groups_cause(const struct script_finding *f, char cause[SCRIPT_TEXT_MAX])
{
    bool exact = strcmp(f->code, "CRASH") == 0 || strcmp(f->code, "SCRIPT") == 0 || f->line > 0;
    size_t at = 0, found_size = strlen(f->found), size = strlen(f->what);
    const char *found = found_size > 0 && found_size < size ? f->what + size - found_size : NULL;
    for (const char *c = f->what; *c != 0 && at + 2 < SCRIPT_TEXT_MAX; c++) {
        bool digit = *c >= '0' && *c <= '9';
        exact &= c != found;
        bool inside =
            at > 0 && cause[at - 1] == 'N' && (digit || (*c == '.' && c[1] >= '0' && c[1] <= '9'));
        if (!exact && inside)
            continue;
        cause[at++] = !exact && digit ? 'N' : *c;
    }
    cause[at] = 0;
}

static struct group *find_group(struct groups *g, const struct script_finding *f)
{
    char cause[SCRIPT_TEXT_MAX];
    groups_cause(f, cause);
    for (int i = 0; i < g->count; i++) {
        if (strcmp(g->at[i].code, f->code) == 0 && strcmp(g->at[i].cause, cause) == 0)
            return &g->at[i];
    }
    if (g->count == GROUPS_MAX)
        return NULL;
    struct group *group = &g->at[g->count++];
    memcpy(group->code, f->code, sizeof group->code);
    memcpy(group->name, f->name, sizeof group->name);
    memcpy(group->text, f->text, sizeof group->text);
    memcpy(group->cause, cause, sizeof group->cause);
    return group;
}

static struct group_script *find_script(struct group *group, int script)
{
    for (int i = 0; i < group->script_count; i++) {
        if (group->scripts[i].script == script)
            return &group->scripts[i];
    }
    if (group->script_count == GROUP_SCRIPTS_MAX)
        return NULL;
    struct group_script *s = &group->scripts[group->script_count++];
    s->script = script;
    return s;
}

/* Keeps the least ones, in order. */
static void add_seed(struct group_script *s, uint64_t seed)
{
    int at = (int)MIN(s->count, GROUP_SEEDS_MAX);
    s->count++;
    for (; at > 0 && s->seeds[at - 1] > seed; at--) {
        if (at < GROUP_SEEDS_MAX)
            s->seeds[at] = s->seeds[at - 1];
    }
    if (at < GROUP_SEEDS_MAX)
        s->seeds[at] = seed;
}

void groups_add(struct groups *g, int script, uint64_t seed, const char *replay,
                const struct script_result *result)
{
    if (g->at == NULL)
        g->at = calloc(GROUPS_MAX, sizeof *g->at);
    if (g->at == NULL || result->finding_count == 0) {
        g->more++;
        return;
    }
    struct group *group = find_group(g, &result->findings[0]);
    if (group == NULL) {
        g->more++;
        return;
    }
    if (group->count++ == 0)
        snprintf(group->replay, sizeof group->replay, "%s", replay);
    struct group_script *s = find_script(group, script);
    if (s != NULL)
        add_seed(s, seed);
}

static void print_wrapped(FILE *out, const char *text)
{
    cli_wrap(out, "     ", WRAP_INDENT, text);
}

static void print_again(FILE *out, const char *replay)
{
    char command[2 * CLI_QUOTED_MAX], program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX];
    snprintf(command, sizeof command, "%s replay %s", cli_quote(cli_program(), program),
             cli_quote(replay, quoted));
    cli_print_command(out, "     ", command);
}

static void print_script(const struct group_script *s, const struct campaign_scripts *scripts,
                         FILE *out)
{
    char line[CAMPAIGN_PATH_MAX + GROUP_SEEDS_MAX * 24 + 32];
    int at = snprintf(line, sizeof line, "%s, seed%s", scripts->at[s->script].path,
                      s->count == 1 ? "" : "s");
    for (int i = 0; i < MIN(s->count, GROUP_SEEDS_MAX); i++)
        at += snprintf(line + at, sizeof line - (size_t)at, " %" PRIu64, s->seeds[i]);
    if (s->count > GROUP_SEEDS_MAX)
        snprintf(line + at, sizeof line - (size_t)at, " and %" PRId64 " more",
                 s->count - GROUP_SEEDS_MAX);
    print_wrapped(out, line);
}

static int by_count(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->count == y->count ? 0 : x->count > y->count ? -1 : 1;
}

void groups_print(struct groups *g, const struct campaign_scripts *scripts, FILE *out)
{
    if (g->count == 0)
        return;
    struct mem mem;
    mem_system(&mem);
    /* Without memory for it they stand as they came. */
    (void)!sort_stable(&mem, g->at, (size_t)g->count, sizeof *g->at, by_count);
    fprintf(out, "\nwhat did not hold, by check and cause:\n");
    for (int i = 0; i < g->count; i++) {
        const struct group *group = &g->at[i];
        bool named = strcmp(group->code, group->name) != 0;
        fprintf(out, "\n%4" PRId64 " %s%s%s\n", group->count, group->code, named ? " " : "",
                named ? group->name : "");
        print_wrapped(out, group->text);
        print_wrapped(out, group->cause);
        for (int s = 0; s < group->script_count; s++)
            print_script(&group->scripts[s], scripts, out);
        if (group->replay[0] != 0)
            print_again(out, group->replay);
    }
    if (g->more > 0)
        fprintf(out, "\n%4" PRId64 " of further causes\n", g->more);
}

void groups_free(struct groups *g)
{
    free(g->at);
    *g = (struct groups){0};
}
