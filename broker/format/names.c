/* names.c - names of files and directories, to and fro. Pure. */
#include "format/format.h"

static const char *const suffixes[] = {
    [FORMAT_KIND_LOG] = ".log",
    [FORMAT_KIND_INDEX] = ".index",
    [FORMAT_KIND_TIMEINDEX] = ".timeindex",
    [FORMAT_KIND_TXNINDEX] = ".txnindex",
    [FORMAT_KIND_SNAPSHOT] = ".snapshot",
    [FORMAT_KIND_WINDOW] = ".snapshot-window",
};

enum format_file_kind format_name_kind(const char *name, int64_t *offset)
{
    *offset = -1;
    if (text_ends_with(name, ".deleted") || text_ends_with(name, ".tmp") ||
        text_ends_with(name, ".cleaned"))
        return FORMAT_KIND_LEFTOVER;
    if (strlen(name) <= FORMAT_OFFSET_DIGITS)
        return FORMAT_KIND_OTHER;
    if (text_parse_int(bytes_of(name, FORMAT_OFFSET_DIGITS), offset) != ERR_NONE || *offset < 0)
        return FORMAT_KIND_OTHER;
    for (int kind = FORMAT_KIND_LOG; kind < COUNT_OF(suffixes); kind++) {
        if (strcmp(name + FORMAT_OFFSET_DIGITS, suffixes[kind]) == 0)
            return (enum format_file_kind)kind;
    }
    return FORMAT_KIND_OTHER;
}

void format_name_print(char name[FORMAT_NAME_MAX], int64_t offset, enum format_file_kind kind)
{
    ASSERT(offset >= 0);
    ASSERT(kind >= FORMAT_KIND_LOG);
    ASSERT(kind < COUNT_OF(suffixes));
    text_fit(name, FORMAT_NAME_MAX, "%0*lld%s", FORMAT_OFFSET_DIGITS, (long long)offset,
             suffixes[kind]);
}

void format_segment_name(char name[FORMAT_NAME_MAX], int64_t base, int32_t file)
{
    static const struct {
        enum format_file_kind kind;
        const char *suffix;
    } files[FORMAT_SEGMENT_FILES] = {
        {FORMAT_KIND_LOG, ""},      {FORMAT_KIND_INDEX, ""},     {FORMAT_KIND_TIMEINDEX, ""},
        {FORMAT_KIND_TXNINDEX, ""}, {FORMAT_KIND_INDEX, ".crc"},
    };
    ASSERT(file >= 0 && file < FORMAT_SEGMENT_FILES);
    format_name_print(name, base, files[file].kind);
    size_t size = strlen(name);
    text_fit(name + size, FORMAT_NAME_MAX - size, "%s", files[file].suffix);
}

#define EPOCH_DIGITS 10
#define CHECKPOINT_SUFFIX ".checkpoint"

void format_checkpoint_name(char name[FORMAT_NAME_MAX], int64_t offset, int32_t epoch)
{
    ASSERT(offset >= 0);
    ASSERT(epoch >= 0);
    text_fit(name, FORMAT_NAME_MAX, "%0*lld-%0*d" CHECKPOINT_SUFFIX, FORMAT_OFFSET_DIGITS,
             (long long)offset, EPOCH_DIGITS, (int)epoch);
}

bool format_checkpoint_parse(const char *name, int64_t *offset, int32_t *epoch)
{
    int64_t number;
    const char *behind = name + FORMAT_OFFSET_DIGITS + 1 + EPOCH_DIGITS;
    if (strlen(name) != FORMAT_OFFSET_DIGITS + 1 + EPOCH_DIGITS + sizeof CHECKPOINT_SUFFIX - 1 ||
        name[FORMAT_OFFSET_DIGITS] != '-' || strcmp(behind, CHECKPOINT_SUFFIX) != 0)
        return false;
    if (text_parse_int(bytes_of(name, FORMAT_OFFSET_DIGITS), offset) != ERR_NONE || *offset < 0 ||
        text_parse_int(bytes_of(name + FORMAT_OFFSET_DIGITS + 1, EPOCH_DIGITS), &number) !=
            ERR_NONE ||
        number < 0 || number > INT32_MAX)
        return false;
    *epoch = (int32_t)number;
    return true;
}

bool format_dir_name_parse(const char *name, struct bytes *topic, int32_t *partition)
{
    const char *dash = strrchr(name, '-');
    if (dash == NULL || dash == name || (size_t)(dash - name) > FORMAT_TOPIC_MAX)
        return false;
    int64_t number = -1;
    if (text_parse_int(bytes_text(dash + 1), &number) != ERR_NONE)
        return false;
    if (number < 0 || number > INT32_MAX || (dash[1] == '0' && dash[2] != 0))
        return false;
    *topic = bytes_of(name, (size_t)(dash - name));
    *partition = (int32_t)number;
    return true;
}
