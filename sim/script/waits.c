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

void script_note_unplayed(struct script *s)
{
    struct text line;
    int32_t i = 0;
    if (s->options->plan != NULL)
        return; /* which somebody else has written, and may have cut */
    while (i < s->written.count && s->written.lines[i].at_ns <= world_now(s->world))
        i++;
    settle(s);
    if (i == s->written.count || s->late[0] != 0)
        return;
    text_init(&line, s->mem);
    fault_line_print(&s->written.lines[i], &s->written.names, &line);
    text_printf(&line, "\": the script ends at ");
    fault_time_print(world_now(s->world), &line);
    snprintf(s->late, sizeof s->late, "%s: plan: \"%s, before that; let it sleep for longer",
             s->written_place, line.failed ? "" : line.data);
    text_free(&line);
}

const char *script_late(struct script *s)
{
    settle(s);
    return s->late[0] == 0 ? NULL : s->late;
}
