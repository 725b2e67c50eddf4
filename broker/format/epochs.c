/* epochs.c - the history of leader epochs (E-1), and leader-epoch-checkpoint, which holds it. */
#include "format/internal.h"

enum err format_epochs_reserve(struct format_epochs *epochs, int32_t more)
{
    ASSERT(more >= 0);
    if (more <= epochs->cap - epochs->count)
        return ERR_NONE;
    int32_t cap = epochs->cap == 0 ? 4 : epochs->cap * 2;
    cap = MAX(cap, epochs->count + more);
    struct format_epoch *rows = mem_realloc(epochs->mem, epochs->rows, (size_t)cap * sizeof *rows);
    if (rows == NULL)
        return ERR_NOMEM;
    epochs->rows = rows;
    epochs->cap = cap;
    return ERR_NONE;
}

bool format_epochs_assign(struct format_epochs *epochs, int32_t epoch, int64_t start)
{
    ASSERT(epoch >= 0);
    ASSERT(start >= 0);
    if (format_epochs_latest(epochs) >= epoch)
        return false;
    /* An epoch that wrote nothing gives way to the next one. */
    while (epochs->count > 0 && epochs->rows[epochs->count - 1].start >= start)
        epochs->count--;
    ASSERT(epochs->count < epochs->cap);
    epochs->rows[epochs->count++] = (struct format_epoch){.epoch = epoch, .start = start};
    return true;
}

bool format_epochs_cut(struct format_epochs *epochs, int64_t end)
{
    int32_t before = epochs->count;
    while (epochs->count > 0 && epochs->rows[epochs->count - 1].start >= end)
        epochs->count--;
    return epochs->count != before;
}

int32_t format_epochs_latest(const struct format_epochs *epochs)
{
    return epochs->count == 0 ? -1 : epochs->rows[epochs->count - 1].epoch;
}

int32_t format_epochs_at(const struct format_epochs *epochs, int64_t offset)
{
    int32_t i = epochs->count;
    while (i > 0 && epochs->rows[i - 1].start > offset)
        i--;
    return i == 0 ? -1 : epochs->rows[i - 1].epoch;
}

void format_epochs_end_of(const struct format_epochs *epochs, int64_t log_end, int32_t epoch,
                          int32_t *found, int64_t *end)
{
    int32_t i = epochs->count; /* the first of a later epoch */
    *found = -1;
    *end = -1;
    while (i > 0 && epochs->rows[i - 1].epoch > epoch)
        i--;
    if (i == epochs->count && (i == 0 || epochs->rows[i - 1].epoch != epoch))
        return;
    *found = i == 0 ? epoch : epochs->rows[i - 1].epoch;
    *end = i == epochs->count ? log_end : epochs->rows[i].start;
}

/* An epoch that only the leader knows says no more than its own end does. */
int64_t format_epochs_common(const struct format_epochs *epochs, int64_t log_end, int32_t epoch,
                             int64_t epoch_end)
{
    int32_t found;
    int64_t end;
    format_epochs_end_of(epochs, log_end, epoch, &found, &end);
    int64_t common = MIN(epoch_end, log_end);
    return end < 0 ? common : MIN(common, end);
}

void format_epochs_free(struct format_epochs *epochs)
{
    mem_free(epochs->mem, epochs->rows);
    epochs->rows = NULL;
    epochs->count = epochs->cap = 0;
}

static enum err parse_epoch(struct bytes line, struct format_epochs *out)
{
    struct format_epoch last = {.epoch = -1, .start = -1};
    struct bytes before;
    int64_t epoch;
    int64_t start;
    if (out->count > 0)
        last = out->rows[out->count - 1];
    if (!format_split_last(line, &before, &start) || text_parse_int(before, &epoch) != ERR_NONE)
        return ERR_CORRUPT;
    if (epoch > INT32_MAX || epoch <= last.epoch || start <= last.start)
        return ERR_CORRUPT;
    enum err e = format_epochs_reserve(out, 1);
    if (e == ERR_NONE)
        out->rows[out->count++] = (struct format_epoch){.epoch = (int32_t)epoch, .start = start};
    return e;
}

enum err format_epochs_parse(struct bytes file, struct format_epochs *out, struct errmsg *msg)
{
    int64_t count = 0;
    struct bytes line;
    out->count = 0;
    enum err e = format_parse_head(&file, &count, msg);
    for (int64_t i = 0; e == ERR_NONE && i < count; i++) {
        e = format_next_line(&file, &line) ? parse_epoch(line, out) : ERR_CORRUPT;
        if (e == ERR_CORRUPT)
            e = errmsg_set(msg, e, "line %lld is no next epoch", (long long)i + 3);
    }
    if (e == ERR_NONE && file.size > 0)
        e = errmsg_set(msg, ERR_CORRUPT, "line %lld is one too many", (long long)count + 3);
    if (e != ERR_NONE)
        out->count = 0;
    return e;
}

void format_epochs_print(const struct format_epochs *epochs, struct text *out)
{
    format_points_print_head(out, epochs->count);
    for (int32_t i = 0; i < epochs->count; i++)
        text_printf(out, "%d %lld\n", epochs->rows[i].epoch, (long long)epochs->rows[i].start);
}
