/* names.c - names of files and directories, to and fro. Pure. */
#include "log/format.h"
#include <stdio.h>

static const char *const suffixes[] = {
    [LOG_KIND_LOG] = ".log",
    [LOG_KIND_INDEX] = ".index",
    [LOG_KIND_TIMEINDEX] = ".timeindex",
    [LOG_KIND_TXNINDEX] = ".txnindex",
    [LOG_KIND_SNAPSHOT] = ".snapshot",
    [LOG_KIND_WINDOW] = ".snapshot-window",
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t tail = strlen(suffix);
    return size >= tail && memcmp(name + size - tail, suffix, tail) == 0;
}

enum log_file_kind log_name_kind(const char *name, int64_t *offset)
{
    *offset = -1;
    if (ends_with(name, ".deleted") || ends_with(name, ".tmp") || ends_with(name, ".cleaned"))
        return LOG_KIND_LEFTOVER;
    if (strlen(name) <= LOG_OFFSET_DIGITS)
        return LOG_KIND_OTHER;
    if (text_parse_int(bytes_of(name, LOG_OFFSET_DIGITS), offset) != ERR_NONE || *offset < 0)
        return LOG_KIND_OTHER;
    for (int kind = LOG_KIND_LOG; kind < COUNT_OF(suffixes); kind++) {
        if (strcmp(name + LOG_OFFSET_DIGITS, suffixes[kind]) == 0)
            return (enum log_file_kind)kind;
    }
    return LOG_KIND_OTHER;
}

void log_name_print(char name[LOG_NAME_MAX], int64_t offset, enum log_file_kind kind)
{
    ASSERT(offset >= 0);
    ASSERT(kind >= LOG_KIND_LOG);
    ASSERT(kind < COUNT_OF(suffixes));
    snprintf(name, LOG_NAME_MAX, "%0*lld%s", LOG_OFFSET_DIGITS, (long long)offset, suffixes[kind]);
}

bool log_dir_name_parse(const char *name, struct bytes *topic, int32_t *partition)
{
    const char *dash = strrchr(name, '-');
    if (dash == NULL || dash == name || (size_t)(dash - name) > LOG_TOPIC_MAX)
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
