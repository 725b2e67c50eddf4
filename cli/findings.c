/* findings.c - what a run has found, told: lines for people, objects for programs. */
#include <stdio.h>
#include "cli/campaign.h"

#define FINDING_INDENT 4

static void put_line(FILE *out, const char *before, const char *text, bool wrap)
{
    if (wrap)
        cli_wrap(out, before, (int)strlen(before) + FINDING_INDENT, text);
    else
        fprintf(out, "%s%s\n", before, text);
}

static void put_findings(const struct script_result *result, const char *before, FILE *out,
                         bool wrap)
{
    struct mem mem;
    mem_system(&mem);
    for (int32_t i = 0; i < result->finding_count; i++) {
        struct text line;
        text_init(&line, &mem);
        script_finding_print(&result->findings[i], &line);
        put_line(out, before, line.failed ? "out of memory" : line.data, wrap);
        text_free(&line);
    }
    if (result->finding_count == 0 && result->why[0] != 0)
        put_line(out, before, result->why, wrap);
}

void campaign_print_findings(const struct script_result *result, const char *before, FILE *out)
{
    put_findings(result, before, out, true);
}

void campaign_write_findings(const struct script_result *result, const char *before, FILE *out)
{
    put_findings(result, before, out, false);
}

/* What ends a run and is no check. */
static const char *const own_codes[] = {"EXPECT", "STUCK", "SCRIPT",       "INCONCLUSIVE",
                                        "CRASH",  "FILES", "FILES_DAMAGED"};

bool campaign_knows_check(const char *name)
{
    const char *names[2 * CHECK_CODE_COUNT + COUNT_OF(own_codes)];
    int count = 0;
    for (int i = 0; i < CHECK_CODE_COUNT; i++) {
        names[count++] = check_infos[i].code;
        names[count++] = check_infos[i].name;
    }
    for (int i = 0; i < COUNT_OF(own_codes); i++)
        names[count++] = own_codes[i];
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    const char *nearest = cli_nearest(name, names, count);
    cli_complain("--around: no check is called \"%s\"%s%s%s (docs/checks.md lists them)", name,
                 nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest,
                 nearest == NULL ? "" : "?");
    return false;
}

static void put_finding(struct json *j, const struct script_finding *f)
{
    json_put_object(j, NULL);
    json_put_string(j, "check", f->code);
    json_put_string(j, "name", f->name);
    json_put_string(j, "text", f->text);
    json_put_string(j, "what", f->what);
    json_put_uint(j, "count", f->count);
    json_put_seconds(j, "time_s", f->time_ns);
    if (f->node[0] != 0)
        json_put_string(j, "node", f->node);
    if (f->partition[0] != 0)
        json_put_string(j, "partition", f->partition);
    if (f->offset >= 0)
        json_put_int(j, "offset", f->offset);
    if (f->vid != 0)
        json_put_hex(j, "record", f->vid);
    if (f->line > 0) {
        json_put_string(j, "file", f->file);
        json_put_int(j, "line", f->line);
    }
    if (f->condition[0] != 0)
        json_put_string(j, "condition", f->condition);
    if (f->found[0] != 0)
        json_put_string(j, "found", f->found);
    json_put_end(j);
}

void campaign_put_findings(struct json *j, const struct script_result *result)
{
    json_put_array(j, "why");
    for (int32_t i = 0; i < result->finding_count; i++) {
        struct text line;
        text_init(&line, j->out->mem);
        script_finding_print(&result->findings[i], &line);
        json_put_text(j, NULL, bytes_of(line.data, line.size));
        text_free(&line);
    }
    if (result->finding_count == 0 && result->why[0] != 0)
        json_put_string(j, NULL, result->why);
    json_put_end(j);
    json_put_array(j, "findings");
    for (int32_t i = 0; i < result->finding_count; i++)
        put_finding(j, &result->findings[i]);
    json_put_end(j);
}
