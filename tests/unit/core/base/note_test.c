/* note_test.c - notes reach their reader by level, are counted always, and stand in the docs. */
#include <stdio.h>
#include <stdlib.h>
#include "support/test.h"

struct reader {
    struct notes notes;
    int count;
    enum note_kind kind;
    char sentence[NOTE_SIZE];
};

static void on_note(struct notes *notes, enum note_kind kind, const char *sentence)
{
    struct reader *r = CONTAINER_OF(notes, struct reader, notes);
    r->count++;
    r->kind = kind;
    snprintf(r->sentence, sizeof r->sentence, "%s", sentence);
}

TEST(a_note_is_written_up_to_the_level_and_counted_always)
{
    struct reader r = {.notes = {.write = on_note, .level = NOTE_LEVEL_WARNING}};
    NOTE(&r.notes, TOPIC_CREATED, "topic %s was created", "orders");
    assert_int_equal(r.count, 0);
    assert_int_equal(r.notes.count[NOTE_TOPIC_CREATED], 1);
    NOTE(&r.notes, PARTITION_OFFLINE, "partition %s-%d is offline", "orders", 3);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.kind, NOTE_PARTITION_OFFLINE);
    assert_string_equal(r.sentence, "partition orders-3 is offline");
    r.notes.level = NOTE_LEVEL_INFO;
    NOTE(&r.notes, TOPIC_CREATED, "topic %s was created", "orders");
    assert_int_equal(r.count, 2);
    assert_int_equal(r.notes.count[NOTE_TOPIC_CREATED], 2);
    NOTE(NULL, TOPIC_CREATED, "nobody reads this");
}

TEST(a_note_that_is_too_long_is_cut)
{
    struct reader r = {.notes = {.write = on_note, .level = NOTE_LEVEL_DEBUG}};
    char name[2 * NOTE_SIZE];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    NOTE(&r.notes, STARTING, "%s", name);
    assert_int_equal(strlen(r.sentence), NOTE_SIZE - 1);
}

TEST(levels_are_known_by_name)
{
    enum note_level level = NOTE_LEVEL_COUNT;
    assert_true(note_level_parse("debug", &level));
    assert_int_equal(level, NOTE_LEVEL_DEBUG);
    assert_false(note_level_parse("loud", &level));
    assert_false(note_level_parse("", &level));
    assert_int_equal(level, NOTE_LEVEL_DEBUG);
}

/* docs/operations.md has a row for each, with the same level and the same words. */
TEST(every_note_stands_in_the_docs)
{
    static char page[1 << 20];
    FILE *file = fopen(KILN_SOURCE_DIR "/docs/operations.md", "r");
    assert_non_null(file);
    size_t size = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    page[size] = 0;
    for (int i = 0; i < NOTE_KIND_COUNT; i++) {
        char row[512];
        snprintf(row, sizeof row, "| `%s` | %s | %s |\n", note_kinds[i].name,
                 note_level_names[note_kinds[i].level], note_kinds[i].text);
        if (strstr(page, row) == NULL)
            fail_msg("docs/operations.md lacks the row: %s", row);
    }
}
