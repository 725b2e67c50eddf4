/* findings.c - what a run found that must not be, as data that outlives it: the checks' findings
 * and the script's own, the worst first. It only reads what the run has come to. */
#include <inttypes.h>
#include <stdio.h>
#include "script/internal.h"

static const char *end_code(enum script_verdict verdict)
{
    switch (verdict) {
    case SCRIPT_HELD:
    case SCRIPT_INCONCLUSIVE:
        return "INCONCLUSIVE";
    case SCRIPT_BROKEN:
        return "EXPECT";
    case SCRIPT_STUCK:
        return "STUCK";
    case SCRIPT_WRONG:
        return "SCRIPT";
    case SCRIPT_CRASHED:
        return "CRASH";
    }
    UNREACHABLE();
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from == NULL ? "" : from);
}

struct script_finding *script_own_finding(struct script *s, enum script_verdict verdict,
                                          const char *why)
{
    struct script_result *r = s->result;
    ASSERT(r->finding_count < SCRIPT_FINDINGS_MAX);
    struct script_finding *f = &r->findings[r->finding_count++];
    *f = (struct script_finding){.count = 1, .offset = -1, .node_id = CHECK_NO_NODE};
    copy_text(f->code, sizeof f->code, end_code(verdict));
    copy_text(f->name, sizeof f->name, end_code(verdict));
    copy_text(f->what, sizeof f->what, why);
    f->time_ns = s->stage == NULL ? 0 : script_stage_now(s->stage);
    return f;
}

void script_end_place(struct script *s, const char *file, int line, const char *condition,
                      const char *found)
{
    struct script_result *r = s->result;
    if (r->finding_count == 0)
        return;
    struct script_finding *f = &r->findings[r->finding_count - 1];
    copy_text(f->file, sizeof f->file, file);
    f->line = line;
    copy_text(f->condition, sizeof f->condition, condition);
    copy_text(f->found, sizeof f->found, found);
}

static void describe(const struct script *s, enum check_code code, struct script_finding *f)
{
    const struct check_finding *found = check_finding(s->check, code);
    const struct trace_row *row = &found->row;
    *f = (struct script_finding){.count = found->count,
                                 .time_ns = row->time_ns,
                                 .node_id = row->node,
                                 .offset = (int64_t)found->offset,
                                 .vid = found->vid};
    copy_text(f->code, sizeof f->code, check_infos[code].code);
    copy_text(f->name, sizeof f->name, check_infos[code].name);
    copy_text(f->text, sizeof f->text, check_infos[code].text);
    copy_text(f->what, sizeof f->what, found->msg.text);
    if (row->node < s->node_count)
        copy_text(f->node, sizeof f->node, s->nodes[row->node].name);
    if (found->partition != 0)
        copy_text(f->partition, sizeof f->partition, history_name(s->names, found->partition));
}

/* The graver check first; of equal ones the one that showed earlier. */
static bool comes_before(const struct check *c, enum check_code a, enum check_code b)
{
    if (check_infos[a].gravity != check_infos[b].gravity)
        return check_infos[a].gravity < check_infos[b].gravity;
    return check_finding(c, a)->row.time_ns < check_finding(c, b)->row.time_ns;
}

void script_collect_findings(struct script *s)
{
    struct script_result *r = s->result;
    enum check_code order[CHECK_CODE_COUNT];
    int count = 0;
    for (int i = 0; i < CHECK_CODE_COUNT; i++) {
        enum check_code code = (enum check_code)i;
        if (check_finding(s->check, code)->count == 0)
            continue;
        int at = count++;
        for (; at > 0 && comes_before(s->check, code, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = code;
    }
    ASSERT(r->finding_count + count <= SCRIPT_FINDINGS_MAX);
    memmove(&r->findings[count], &r->findings[0], (size_t)r->finding_count * sizeof *r->findings);
    for (int i = 0; i < count; i++)
        describe(s, order[i], &r->findings[i]);
    r->finding_count += count;
}

void script_finding_print(const struct script_finding *f, struct text *out)
{
    bool own = f->text[0] == 0;
    if (own) {
        bool placed = f->line > 0 && strncmp(f->what, f->file, strlen(f->file)) != 0;
        text_printf(out, "%s at %.6f s: ", f->code, (double)f->time_ns / 1e9);
        if (placed)
            text_printf(out, "%s:%d: ", f->file, (int)f->line);
        text_printf(out, "%s", f->what);
        return;
    }
    text_printf(out, "%s %s at %.6f s", f->code, f->name, (double)f->time_ns / 1e9);
    if (f->node[0] != 0)
        text_printf(out, ", %s", f->node);
    if (f->partition[0] != 0)
        text_printf(out, ", %s", f->partition);
    if (f->offset >= 0)
        text_printf(out, ", offset %" PRId64, f->offset);
    text_printf(out, ": %s", f->text);
    if (f->count > 1)
        text_printf(out, " (%" PRIu64 " times)", f->count);
    if (f->what[0] != 0)
        text_printf(out, "; %s", f->what);
}
