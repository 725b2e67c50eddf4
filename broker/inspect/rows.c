/* rows.c - rows of the inspection, as words or as JSON, and its findings. Pure: what is
 * printed goes to the caller in pieces, however long a value is. */
#include <stdarg.h>
#include "inspect/internal.h"

#define WHAT_SIZE 384 /* bytes of the sentence of a finding */
#define LOG_ROW_NAME_MAX 64

static void flush(struct inspect *in)
{
    struct text *row = &in->row;
    if (row->failed) {
        in->err = ERR_NOMEM;
        text_free(row);
        return;
    }
    if (row->size > 0)
        in->write(in, bytes_of(row->data, row->size));
    row->size = 0;
}

static void add_word(struct inspect *in, const char *word)
{
    text_add(&in->row, word, strlen(word));
}

/* The path of a file, without quotes. */
static void path_text(struct text *out, const struct inspect_dir *dir,
                      const struct inspect_file *file)
{
    text_printf(out, "%s%s%s", dir->path, dir->path[0] != 0 && file != NULL ? "/" : "",
                file == NULL ? "" : file->name);
}

void inspect_row_begin(struct inspect *in, const char *type, const struct inspect_dir *dir,
                       const struct inspect_file *file)
{
    if (!in->json) {
        text_printf(&in->row, "%s", type);
        return;
    }
    json_put_init(&in->object, &in->row);
    json_put_object(&in->object, NULL);
    json_put_string(&in->object, "row", type);
    if (dir != NULL)
        inspect_row_path(in, "file", dir, file);
}

void inspect_row_end(struct inspect *in)
{
    if (in->json)
        json_put_end(&in->object);
    add_word(in, "\n");
    flush(in);
}

/* By hand where there are words: a dump is millions of names and numbers. */
void inspect_row_name(struct inspect *in, const char *name)
{
    if (in->json) {
        json_put_name(&in->object, name);
        return;
    }
    add_word(in, " ");
    add_word(in, name);
    add_word(in, "=");
}

void inspect_row_path(struct inspect *in, const char *name, const struct inspect_dir *dir,
                      const struct inspect_file *file)
{
    struct text path;
    text_init(&path, in->mem);
    path_text(&path, dir, file);
    if (path.failed)
        in->err = ERR_NOMEM;
    inspect_row_name(in, name);
    text_json(&in->row, bytes_of(path.data, path.size));
    text_free(&path);
}

void inspect_row_int(struct inspect *in, const char *name, int64_t value)
{
    struct json number;
    inspect_row_name(in, name);
    json_put_init(&number, &in->row);
    json_put_int(&number, NULL, value);
}

void inspect_row_bool(struct inspect *in, const char *name, bool value)
{
    inspect_row_name(in, name);
    add_word(in, value ? "true" : "false");
}

void inspect_row_word(struct inspect *in, const char *name, const char *word)
{
    inspect_row_name(in, name);
    if (in->json)
        text_json(&in->row, bytes_text(word));
    else
        add_word(in, word);
}

void inspect_row_hex32(struct inspect *in, const char *name, uint32_t value)
{
    char digits[9];
    for (int i = 0; i < 8; i++)
        digits[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    digits[8] = 0;
    inspect_row_word(in, name, digits);
}

void inspect_row_uuid(struct inspect *in, const char *name, const struct wire_uuid *id)
{
    char text[WIRE_UUID_TEXT_SIZE];
    wire_uuid_print(id, text);
    inspect_row_word(in, name, text);
}

/* ---- values of any length ---- */

/* How many bytes of UTF-8 begin at i; 0: none, or a character that no terminal should see. */
static size_t character(struct bytes s, size_t i)
{
    uint8_t lead = s.data[i];
    size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    bool control = (lead < 0x20 && lead != '\t' && lead != '\n' && lead != '\r') || lead == 0x7f;
    if (control || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || s.size - i < size)
        return 0;
    for (size_t k = 1; k < size; k++) {
        if ((s.data[i + k] & 0xc0) != 0x80)
            return 0;
    }
    uint32_t second = size > 2 ? s.data[i + 1] : 0;
    bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    bool outside = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
    bool next_line = lead == 0xc2 && s.data[i + 1] < 0xa0; /* U+0080 to U+009F */
    return overlong || outside || next_line ? 0 : size;
}

static bool is_text(struct bytes s)
{
    for (size_t i = 0; i < s.size;) {
        size_t size = character(s, i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

/* Adds text as JSON does, without its quotes. */
static void add_inside(struct text *out, struct bytes s)
{
    size_t start = out->size;
    text_json(out, s);
    if (out->failed)
        return;
    ASSERT(out->size >= start + 2);
    out->size -= 2;
    memmove(out->data + start, out->data + start + 1, out->size - start);
}

static void add_text(struct inspect *in, struct bytes s)
{
    text_add(&in->row, "\"", 1);
    for (size_t at = 0; at < s.size;) {
        size_t end = MIN(at + INSPECT_ROW_CHUNK, s.size);
        while (end < s.size && (s.data[end] & 0xc0) == 0x80)
            end--;
        ASSERT(end > at);
        add_inside(&in->row, bytes_of(s.data + at, end - at));
        at = end;
        if (in->row.size >= INSPECT_ROW_FLUSH)
            flush(in);
    }
    text_add(&in->row, "\"", 1);
}

static void add_hex(struct inspect *in, struct bytes s)
{
    static const char digits[] = "0123456789abcdef";
    char pair[2];
    text_add(&in->row, "\"", 1);
    for (size_t i = 0; i < s.size; i++) {
        pair[0] = digits[s.data[i] >> 4];
        pair[1] = digits[s.data[i] & 15];
        text_add(&in->row, pair, sizeof pair);
        if (in->row.size >= INSPECT_ROW_FLUSH)
            flush(in);
    }
    text_add(&in->row, "\"", 1);
}

static void add_value(struct inspect *in, struct bytes value, bool text)
{
    if (value.data == NULL)
        text_add(&in->row, "null", 4);
    else if (text)
        add_text(in, value);
    else
        add_hex(in, value);
}

/* "value" of text, "value_hex" of other bytes. */
static const char *name_for(bool text, const char *name, char full[LOG_ROW_NAME_MAX])
{
    static const char tail[] = "_hex";
    size_t size = strlen(name);
    ASSERT(size + sizeof tail <= LOG_ROW_NAME_MAX);
    memcpy(full, name, size + 1);
    if (!text)
        memcpy(full + size, tail, sizeof tail);
    return full;
}

void inspect_row_bytes(struct inspect *in, const char *name, struct bytes value)
{
    char full[LOG_ROW_NAME_MAX];
    bool text = is_text(value);
    inspect_row_name(in, name_for(text, name, full));
    add_value(in, value, text);
}

void inspect_row_json_bytes(struct inspect *in, struct json *j, const char *name,
                            struct bytes value)
{
    char full[LOG_ROW_NAME_MAX];
    bool text = is_text(value);
    json_put_name(j, name_for(text, name, full));
    add_value(in, value, text);
}

/* ---- findings ---- */

static const struct {
    const char *name;
    enum inspect_severity severity;
    const char *remedy;
} findings[] = {
#define X(id, name, severity, remedy) [INSPECT_FIND_##id] = {name, INSPECT_##severity, remedy},
#include "inspect/findings.def"
#undef X
};

static const char *const severities[] = {
    [INSPECT_NOTE] = "note", [INSPECT_DAMAGE] = "damage", [INSPECT_SKIPPED] = "skipped"};

/* What a terminal would take for a command is not shown to it. */
static void hide_controls(struct text *row, size_t from)
{
    for (size_t i = from; !row->failed && i < row->size; i++) {
        uint8_t c = (uint8_t)row->data[i];
        if (c < 0x20 || c == 0x7f)
            row->data[i] = '?';
    }
}

/* Where a partition is told of, TOPIC-N is its name, so that what is to be done can be done as it
 * stands there. */
static void put_remedy(const struct inspect *in, const struct inspect_dir *dir,
                       enum inspect_finding what, struct text *out)
{
    static const char stand_in[] = "TOPIC-N";
    const char *rest = findings[what].remedy;
    const char *at = strstr(rest, stand_in);
    const char *name = in->missing != NULL ? in->missing : dir->name;
    ASSERT(rest[0] != 0);
    if (at != NULL && inspect_is_partition(name)) {
        text_add(out, rest, (size_t)(at - rest));
        text_printf(out, "%s", name);
        rest = at + strlen(stand_in);
    }
    text_printf(out, "%s", rest);
}

static void print_words(struct inspect *in, const struct inspect_dir *dir,
                        struct inspect_file *file, enum inspect_finding what, int64_t position,
                        const char *sentence)
{
    struct text *row = &in->row;
    size_t from = row->size;
    text_printf(row, "%s: ", severities[findings[what].severity]);
    path_text(row, dir, file);
    if (position >= 0)
        text_printf(row, " at byte %lld", (long long)position);
    text_printf(row, ": %s; ", sentence);
    put_remedy(in, dir, what, row);
    hide_controls(row, from);
    text_add(row, "\n", 1);
}

static void print_json(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                       enum inspect_finding what, int64_t position, const char *sentence)
{
    struct text remedy;
    text_init(&remedy, in->mem);
    put_remedy(in, dir, what, &remedy);
    inspect_row_begin(in, "finding", dir, file);
    inspect_row_word(in, "severity", severities[findings[what].severity]);
    inspect_row_word(in, "kind", findings[what].name);
    if (position >= 0)
        inspect_row_int(in, "position", position);
    inspect_row_bytes(in, "what", bytes_text(sentence));
    inspect_row_bytes(in, "remedy",
                      remedy.failed ? bytes_text(findings[what].remedy)
                                    : bytes_of(remedy.data, remedy.size));
    text_free(&remedy);
    json_put_end(&in->object);
    add_word(in, "\n");
}

static void print(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                  enum inspect_finding what, int64_t position, const char *sentence)
{
    if (in->json)
        print_json(in, dir, file, what, position, sentence);
    else
        print_words(in, dir, file, what, position, sentence);
    flush(in);
}

void inspect_report(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                    enum inspect_finding what, int64_t position, const char *format, ...)
{
    char sentence[WHAT_SIZE];
    va_list args;
    if (findings[what].severity == INSPECT_DAMAGE)
        in->damage_count++;
    else if (findings[what].severity == INSPECT_SKIPPED)
        in->skipped_count++;
    else
        in->note_count++;
    if (file != NULL && file->finding_count++ >= INSPECT_FINDINGS_MAX) {
        if (file->finding_count == INSPECT_FINDINGS_MAX + 1)
            print(in, dir, file, INSPECT_FIND_MORE, -1, "there is more than is told here");
        return;
    }
    va_start(args, format);
    text_format(sentence, sizeof sentence, format, args);
    va_end(args);
    print(in, dir, file, what, position, sentence);
}
