/* inspect.c - shows and checks files of a log directory, offline. Pure: bytes in, rows out; it
 * believes nothing that it reads. */
#include "log/log.h"
#include "log/format.h"

static const char *const kind_names[] = {
    [LOG_KIND_OTHER] = "other",       [LOG_KIND_LOG] = "log",
    [LOG_KIND_INDEX] = "index",       [LOG_KIND_TIMEINDEX] = "timeindex",
    [LOG_KIND_TXNINDEX] = "txnindex", [LOG_KIND_SNAPSHOT] = "snapshot",
    [LOG_KIND_WINDOW] = "window",     [LOG_KIND_LEFTOVER] = "leftover",
};

enum err log_inspect_dump(struct log_inspect *in, const char *path,
                          const struct log_inspect_file *file)
{
    struct text row;
    int64_t offset;
    enum log_file_kind kind = log_name_kind(file->name, &offset);
    text_init(&row, in->mem);
    text_printf(&row, in->json ? "{\"file\":" : "file ");
    text_json(&row, bytes_text(path));
    text_printf(&row, in->json ? ",\"kind\":\"%s\",\"size\":%zu}\n" : " kind=%s size=%zu\n",
                kind_names[kind], file->bytes.size);
    if (!row.failed)
        in->write(in, bytes_of(row.data, row.size));
    enum err e = row.failed ? ERR_NOMEM : ERR_NONE;
    text_free(&row);
    return e;
}
