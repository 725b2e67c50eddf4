/* verdict.c - what a run came to: the check's findings, the world's figures, and whether anything
 * happened at all. */
#include <inttypes.h>
#include <stdio.h>
#include "script/internal.h"

/* The files below --data or --disk files are what other tools are to look at. */
static void note_disk_error(struct script *s, const char *why)
{
    struct script_result *r = s->result;
    if (why == NULL || r->verdict == SCRIPT_WRONG)
        return;
    r->verdict = SCRIPT_INCONCLUSIVE;
    snprintf(r->why, sizeof r->why, "the files do not show what the disks hold: %s", why);
}

static void copy_figures(struct script *s)
{
    struct script_result *r = s->result;
    struct world_stats stats;
    world_stats(s->world, &stats);
    note_disk_error(s, stats.disk_error);
    r->hash = stats.hash;
    r->events = stats.event_count;
    r->faults = (uint64_t)stats.fault_count;
    r->sim_ns = stats.time_ns;
    memcpy(r->mark_count, stats.mark_count, sizeof r->mark_count);
    r->counts = *check_counts(s->check);
    for (int i = 0; i < CHECK_CODE_COUNT; i++)
        r->violations[i] = check_finding(s->check, (enum check_code)i)->count;
}

/* Findings in the order of the table; the first ones fill the text. */
static void describe(struct script *s)
{
    struct script_result *r = s->result;
    size_t at = strlen(r->why);
    for (int i = 0; i < CHECK_CODE_COUNT && at + 1 < sizeof r->why; i++) {
        const struct check_finding *f = check_finding(s->check, (enum check_code)i);
        if (f->count == 0)
            continue;
        int n = snprintf(r->why + at, sizeof r->why - at,
                         "%s%s %s (%" PRIu64 " times; first at %.6f s: %s)", at == 0 ? "" : "; ",
                         check_infos[i].code, check_infos[i].text, f->count,
                         (double)f->row.time_ns / 1e9, f->msg.text);
        at += n < 0 ? 0 : (size_t)n;
    }
}

/* A claim about nothing is no claim. Marks are the campaign's business, not one run's. */
static const char *vacuous(const struct script *s)
{
    const struct check_counts *c = check_counts(s->check);
    if (check_status(s->check) == ERR_NOMEM)
        return "the check ran out of memory";
    if (c->acked == 0)
        return "nothing was acknowledged";
    if (c->final_reads == 0 || c->read == 0)
        return "nothing was read";
    if (check_status(s->check) != ERR_NONE)
        return "acknowledged records were never read to the end";
    return NULL;
}

void script_judge(struct script *s)
{
    struct script_result *r = s->result;
    if (s->check == NULL || s->world == NULL)
        return;
    bool whole = s->options->until_ns == 0;
    bool at_end = whole && r->verdict == SCRIPT_HELD;
    if (at_end)
        check_end(s->check);
    copy_figures(s);
    /* What broke before the script got stuck or went wrong is the graver news. */
    if (check_violations(s->check) > 0 && r->verdict != SCRIPT_WRONG) {
        r->verdict = SCRIPT_BROKEN;
        describe(s);
        return;
    }
    const char *nothing = at_end ? vacuous(s) : NULL;
    if (nothing != NULL) {
        r->verdict = SCRIPT_INCONCLUSIVE;
        snprintf(r->why, sizeof r->why, "%s", nothing);
    }
}

void script_copy_plan(struct fault_plan *to, const struct fault_plan *from)
{
    for (int32_t i = 0; i < from->count; i++) {
        if (fault_plan_add(to, &from->lines[i]) != ERR_NONE) {
            to->truncated = true;
            return;
        }
    }
}
