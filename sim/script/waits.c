/* waits.c - waits of a script that came to nothing, and harm that it did not wait for: whoever does
 * not look at the answer goes on with what is not so, and what comes of that proves nothing. */
#include <stdio.h>
#include "script/internal.h"

/* A wait whose answer nobody has looked at when the script waits again counts; the first is told.
 */
static void settle(struct script *s)
{
    if (s->late_text[0] == 0)
        return;
    if (s->late[0] == 0)
        snprintf(s->late, sizeof s->late, "%s: %s", s->late_place, s->late_text);
    s->late_text[0] = 0;
}

void script_note_late(struct script *s, const char *text)
{
    ASSERT(s->running != NULL);
    settle(s);
    script_place(s->running->co, s->late_place, sizeof s->late_place);
    snprintf(s->late_text, sizeof s->late_text, "%s", text);
    s->late_turn = s->wait_count;
    ASSERT(s->late_text[0] != 0);
}

bool script_take_late(struct script *s, char text[SCRIPT_LATE_MAX])
{
    if (s->late_turn != s->wait_count)
        settle(s);
    memcpy(text, s->late_text, SCRIPT_LATE_MAX);
    s->late_text[0] = 0;
    return text[0] != 0;
}

static bool is_due(const struct script *s, const struct fault_line *line)
{
    if (line->on_row != 0)
        return s->row_count[line->on_row - 1] >= (uint64_t)line->on_count;
    return line->at_ns <= script_stage_now(s->stage);
}

/* Damage is done at once, or there was nothing to damage; all else may meet nobody and have been
 * right. */
static bool has_struck(const struct script *s, const struct fault_line *line)
{
    const struct fault_plan *fired = script_stage_fired(s->stage);
    bool at_once = (FAULT_AT_REST >> line->kind & 1) != 0;
    for (int32_t i = 0; at_once && i < fired->count; i++) {
        const struct fault_line *f = &fired->lines[i];
        bool then = line->on_row != 0 || f->at_ns == line->at_ns;
        if (f->kind == line->kind && then && strcmp(f->file, line->file) == 0)
            return true;
    }
    return !at_once;
}

void script_note_unplayed(struct script *s)
{
    struct text line;
    const struct fault_plan *plan = &s->written;
    int32_t i = 0;
    if (s->options->plan != NULL)
        return; /* which somebody else has written, and may have cut */
    while (i < plan->count && is_due(s, &plan->lines[i]) && has_struck(s, &plan->lines[i]))
        i++;
    settle(s);
    if (i == plan->count || s->late[0] != 0)
        return;
    text_init(&line, s->mem);
    fault_line_print(&plan->lines[i], &plan->names, &line);
    if (is_due(s, &plan->lines[i])) {
        text_printf(&line, "\": it found nothing to damage");
    } else if (plan->lines[i].on_row != 0) {
        text_printf(&line, "\": there were %llu rows of that kind",
                    (unsigned long long)s->row_count[plan->lines[i].on_row - 1]);
    } else {
        text_printf(&line, "\": the script ends at ");
        fault_time_print(script_stage_now(s->stage), &line);
        text_printf(&line, ", before that; let it sleep for longer");
    }
    snprintf(s->late, sizeof s->late, "%s: plan: \"%s", s->written_place,
             line.failed ? "" : line.data);
    text_free(&line);
}

const char *script_late(struct script *s)
{
    settle(s);
    return s->late[0] == 0 ? NULL : s->late;
}
