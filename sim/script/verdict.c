/* verdict.c - what a run came to: the check's findings, the world's figures, and whether anything
 * happened at all. */
#include <inttypes.h>
#include <stdio.h>
#include "script/internal.h"

/* The files below --data or --disk files are what other tools are to look at. */
static void note_disk_error(struct script *s, const char *why)
{
    struct script_result *r = s->result;
    if (why == NULL || r->verdict == SCRIPT_WRONG || r->verdict == SCRIPT_CRASHED)
        return;
    r->verdict = SCRIPT_INCONCLUSIVE;
    snprintf(r->why, sizeof r->why, "the files do not show what the disks hold: %s", why);
    if (r->finding_count == 0)
        script_own_finding(s, r->verdict, r->why);
}

static void copy_figures(struct script *s)
{
    struct script_result *r = s->result;
    struct world_stats stats;
    script_stage_sum_up(s->stage, &stats);
    note_disk_error(s, stats.disk_error);
    r->hash = stats.hash;
    r->rows_hash = stats.rows_hash;
    r->events = stats.event_count;
    r->faults = (uint64_t)stats.fault_count;
    r->sim_ns = stats.time_ns;
    memcpy(r->mark_count, stats.mark_count, sizeof r->mark_count);
    r->counts = *check_counts(s->check);
    r->disk_damaged = check_disk_damaged(s->check);
    for (int i = 0; i < CHECK_CODE_COUNT; i++)
        r->violations[i] = check_finding(s->check, (enum check_code)i)->count;
}

/* The first line for those who want only one. */
static void set_why(struct script *s)
{
    struct script_result *r = s->result;
    struct text line;
    if (r->finding_count == 0)
        return;
    text_init(&line, s->mem);
    script_finding_print(&r->findings[0], &line);
    if (!line.failed)
        snprintf(r->why, sizeof r->why, "%s", line.data);
    text_free(&line);
}

/* A claim about nothing is no claim. Marks are the campaign's business, not one run's. */
static const char *vacuous_quorum(const struct check_counts *c)
{
    if (c->elections == 0)
        return "no controller was elected";
    /* The first that is elected writes a record of its own. */
    return c->committed < 2 ? "no order was committed" : NULL;
}

static const char *vacuous(const struct script *s)
{
    const struct check_counts *c = check_counts(s->check);
    if (check_status(s->check) == ERR_NOMEM)
        return "the check ran out of memory";
    if (s->without_brokers)
        return vacuous_quorum(c);
    if (c->acked == 0)
        return "nothing was acknowledged";
    /* Who left all of it out on purpose claims something by an expect, or nothing. */
    if (c->final_reads == 0 && s->has_left_out)
        return s->has_met ? NULL : "every partition was left out, and no expect was met";
    if (c->final_reads == 0 || c->read == 0)
        return "nothing was read";
    if (check_status(s->check) != ERR_NONE)
        return "acknowledged records were never read to the end";
    return NULL;
}

void script_judge(struct script *s)
{
    struct script_result *r = s->result;
    if (s->check == NULL || s->stage == NULL)
        return;
    bool whole = s->options->until_ns == 0;
    bool at_end = whole && r->verdict == SCRIPT_HELD;
    if (at_end)
        check_end(s->check);
    copy_figures(s);
    if (r->verdict == SCRIPT_CRASHED)
        return;
    /* What broke before the script got stuck or went wrong is the graver news. */
    if (check_violations(s->check) > 0 && r->verdict != SCRIPT_WRONG) {
        r->verdict = SCRIPT_BROKEN;
        script_collect_findings(s);
        set_why(s);
        return;
    }
    const char *nothing = at_end ? vacuous(s) : NULL;
    if (nothing == NULL && at_end)
        nothing = script_late(s);
    if (nothing != NULL) {
        r->verdict = SCRIPT_INCONCLUSIVE;
        snprintf(r->why, sizeof r->why, "%s", nothing);
        script_own_finding(s, r->verdict, nothing);
    }
}
