/* note.c - sentences for a person, under stable names. */
#include <stdarg.h>
#include <string.h>
#include "base/note.h"
#include "base/text.h"

const struct note_kind_info note_kinds[NOTE_KIND_COUNT] = {
#define ROW(name, level, text) [NOTE_##name] = {#name, NOTE_LEVEL_##level, text},
#include "base/notes.def"
#undef ROW
};

const char *const note_level_names[NOTE_LEVEL_COUNT] = {
    [NOTE_LEVEL_ERROR] = "error",
    [NOTE_LEVEL_WARNING] = "warning",
    [NOTE_LEVEL_INFO] = "info",
    [NOTE_LEVEL_DEBUG] = "debug",
};

void note_put(struct notes *notes, enum note_kind kind, const char *format, ...)
{
    ASSERT(kind >= 0);
    ASSERT(kind < NOTE_KIND_COUNT);
    if (notes == NULL)
        return;
    notes->count[kind]++;
    if (note_kinds[kind].level > notes->level)
        return;
    char sentence[NOTE_SIZE];
    va_list args;
    va_start(args, format);
    text_format(sentence, sizeof sentence, format, args);
    va_end(args);
    notes->write(notes, kind, sentence);
}

bool note_level_parse(const char *name, enum note_level *out)
{
    for (int level = 0; level < NOTE_LEVEL_COUNT; level++) {
        if (strcmp(note_level_names[level], name) != 0)
            continue;
        *out = (enum note_level)level;
        return true;
    }
    return false;
}
