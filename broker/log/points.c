/* points.c - the layouts of the small text files: offset checkpoints, epochs, identities and the
 * checksums beside them. Pure; what cannot be is refused, never guessed. */
#include "log/format.h"
#include <stdio.h>

/* Takes the next line off *rest; false at the end. A last line need not end in a newline. */
static bool next_line(struct bytes *rest, struct bytes *line)
{
    if (rest->size == 0)
        return false;
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    size_t step = end == NULL ? size : size + 1;
    *line = bytes_of(rest->data, size);
    *rest = bytes_of(rest->data + step, rest->size - step);
    return true;
}

/* Splits at the last space; false when there is none, or nothing before it. */
static bool split_last(struct bytes line, struct bytes *before, int64_t *number)
{
    size_t at = line.size;
    while (at > 0 && line.data[at - 1] != ' ')
        at--;
    if (at < 2)
        return false;
    *before = bytes_of(line.data, at - 1);
    return text_parse_int(bytes_of(line.data + at, line.size - at), number) == ERR_NONE;
}

/* Kafka's CheckpointFile: "0", a count, then as many lines. ERR_CORRUPT. */
static enum err parse_head(struct bytes *rest, int64_t *count, struct errmsg *msg)
{
    struct bytes line;
    int64_t version = -1;
    if (!next_line(rest, &line) || text_parse_int(line, &version) != ERR_NONE || version != 0)
        return errmsg_set(msg, ERR_CORRUPT, "line 1 is no version 0");
    if (!next_line(rest, &line) || text_parse_int(line, count) != ERR_NONE || *count < 0)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 is no count");
    /* The shortest line is "a 0 0". */
    if ((uint64_t)*count > rest->size)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 promises more lines than there are bytes");
    return ERR_NONE;
}

static int compare_points(const void *a, const void *b)
{
    const struct log_point *x = a;
    const struct log_point *y = b;
    size_t size = MIN(x->topic.size, y->topic.size);
    int order = memcmp(x->topic.data, y->topic.data, size);
    if (order == 0)
        order = (x->topic.size > y->topic.size) - (x->topic.size < y->topic.size);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool parse_point(struct bytes line, struct log_point *out)
{
    struct bytes before;
    int64_t partition;
    if (!split_last(line, &before, &out->offset) || out->offset < 0)
        return false;
    if (!split_last(before, &out->topic, &partition))
        return false;
    out->partition = (int32_t)partition;
    return partition >= 0 && partition <= INT32_MAX;
}

static enum err parse_rows(struct bytes rest, struct log_points *out, struct errmsg *msg)
{
    struct bytes line;
    for (int32_t i = 0; i < out->count; i++) {
        if (!next_line(&rest, &line) || !parse_point(line, &out->rows[i]))
            return errmsg_set(msg, ERR_CORRUPT, "line %d is no topic, partition and offset", i + 3);
    }
    if (rest.size > 0)
        return errmsg_set(msg, ERR_CORRUPT, "line %d is one too many", out->count + 3);
    return ERR_NONE;
}

static enum err refuse_repeats(const struct log_points *points, struct errmsg *msg)
{
    for (int32_t i = 1; i < points->count; i++) {
        const struct log_point *row = &points->rows[i];
        if (compare_points(row - 1, row) == 0)
            return errmsg_set(msg, ERR_CORRUPT, "%.*s-%d stands there twice", (int)row->topic.size,
                              (const char *)row->topic.data, row->partition);
    }
    return ERR_NONE;
}

enum err log_points_parse(struct bytes file, struct mem *mem, struct log_points *out,
                          struct errmsg *msg)
{
    int64_t count = 0;
    *out = (struct log_points){0};
    enum err e = parse_head(&file, &count, msg);
    if (e != ERR_NONE)
        return e;
    if (count > INT32_MAX / (int64_t)sizeof *out->rows)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 is too large");
    out->rows = mem_array(mem, (size_t)count + 1, sizeof *out->rows);
    if (out->rows == NULL)
        return ERR_NOMEM;
    out->count = (int32_t)count;
    e = parse_rows(file, out, msg);
    if (e == ERR_NONE)
        e = sort_stable(mem, out->rows, (size_t)count, sizeof *out->rows, compare_points);
    if (e == ERR_NONE)
        e = refuse_repeats(out, msg);
    if (e == ERR_NONE)
        return ERR_NONE;
    mem_free(mem, out->rows);
    *out = (struct log_points){0};
    return e;
}

int64_t log_points_find(const struct log_points *points, struct bytes topic, int32_t partition,
                        int64_t fallback)
{
    struct log_point key = {.topic = topic, .partition = partition};
    int32_t low = 0;
    int32_t high = points->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = compare_points(&points->rows[middle], &key);
        if (order == 0)
            return points->rows[middle].offset;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return fallback;
}

void log_points_print_head(struct text *out, int32_t count)
{
    text_printf(out, "0\n%d\n", count);
}

void log_points_print_row(struct text *out, const char *topic, int32_t partition, int64_t offset)
{
    ASSERT(offset >= 0);
    text_printf(out, "%s %d %lld\n", topic, partition, (long long)offset);
}

/* ---- leader epochs ---- */

enum err log_epochs_reserve(struct log_epochs *epochs)
{
    if (epochs->count < epochs->cap)
        return ERR_NONE;
    int32_t cap = epochs->cap == 0 ? 4 : epochs->cap * 2;
    struct log_epoch *rows = mem_realloc(epochs->mem, epochs->rows, (size_t)cap * sizeof *rows);
    if (rows == NULL)
        return ERR_NOMEM;
    epochs->rows = rows;
    epochs->cap = cap;
    return ERR_NONE;
}

bool log_epochs_assign(struct log_epochs *epochs, int32_t epoch, int64_t start)
{
    ASSERT(epoch >= 0);
    ASSERT(start >= 0);
    if (log_epochs_latest(epochs) >= epoch)
        return false;
    /* An epoch that wrote nothing gives way to the next one. */
    while (epochs->count > 0 && epochs->rows[epochs->count - 1].start >= start)
        epochs->count--;
    ASSERT(epochs->count < epochs->cap);
    epochs->rows[epochs->count++] = (struct log_epoch){.epoch = epoch, .start = start};
    return true;
}

bool log_epochs_cut(struct log_epochs *epochs, int64_t end)
{
    int32_t before = epochs->count;
    while (epochs->count > 0 && epochs->rows[epochs->count - 1].start >= end)
        epochs->count--;
    return epochs->count != before;
}

int32_t log_epochs_latest(const struct log_epochs *epochs)
{
    return epochs->count == 0 ? -1 : epochs->rows[epochs->count - 1].epoch;
}

int32_t log_epochs_at(const struct log_epochs *epochs, int64_t offset)
{
    int32_t i = epochs->count;
    while (i > 0 && epochs->rows[i - 1].start > offset)
        i--;
    return i == 0 ? -1 : epochs->rows[i - 1].epoch;
}

void log_epochs_free(struct log_epochs *epochs)
{
    mem_free(epochs->mem, epochs->rows);
    epochs->rows = NULL;
    epochs->count = epochs->cap = 0;
}

static enum err parse_epoch(struct bytes line, struct log_epochs *out)
{
    struct log_epoch last = {.epoch = -1, .start = -1};
    struct bytes before;
    int64_t epoch;
    int64_t start;
    if (out->count > 0)
        last = out->rows[out->count - 1];
    if (!split_last(line, &before, &start) || text_parse_int(before, &epoch) != ERR_NONE)
        return ERR_CORRUPT;
    if (epoch > INT32_MAX || epoch <= last.epoch || start <= last.start)
        return ERR_CORRUPT;
    enum err e = log_epochs_reserve(out);
    if (e == ERR_NONE)
        out->rows[out->count++] = (struct log_epoch){.epoch = (int32_t)epoch, .start = start};
    return e;
}

enum err log_epochs_parse(struct bytes file, struct log_epochs *out, struct errmsg *msg)
{
    int64_t count = 0;
    struct bytes line;
    out->count = 0;
    enum err e = parse_head(&file, &count, msg);
    for (int64_t i = 0; e == ERR_NONE && i < count; i++) {
        e = next_line(&file, &line) ? parse_epoch(line, out) : ERR_CORRUPT;
        if (e == ERR_CORRUPT)
            e = errmsg_set(msg, e, "line %lld is no next epoch", (long long)i + 3);
    }
    if (e == ERR_NONE && file.size > 0)
        e = errmsg_set(msg, ERR_CORRUPT, "line %lld is one too many", (long long)count + 3);
    if (e != ERR_NONE)
        out->count = 0;
    return e;
}

void log_epochs_print(const struct log_epochs *epochs, struct text *out)
{
    log_points_print_head(out, epochs->count);
    for (int32_t i = 0; i < epochs->count; i++)
        text_printf(out, "%d %lld\n", epochs->rows[i].epoch, (long long)epochs->rows[i].start);
}

/* ---- identities ---- */

static bool take_key(struct bytes line, const char *key, struct bytes *value)
{
    size_t size = strlen(key);
    if (line.size <= size || memcmp(line.data, key, size) != 0 || line.data[size] != '=')
        return false;
    *value = bytes_of(line.data + size + 1, line.size - size - 1);
    while (value->size > 0 && (value->data[value->size - 1] == '\r'))
        value->size--;
    return true;
}

static enum err parse_meta_line(struct bytes line, struct log_meta *out, struct errmsg *msg)
{
    struct bytes value;
    int64_t number;
    if (take_key(line, "version", &value)) {
        if (text_parse_int(value, &number) != ERR_NONE || number != 1)
            return errmsg_set(msg, ERR_CORRUPT, "its version is not 1");
    } else if (take_key(line, "node.id", &value)) {
        if (text_parse_int(value, &number) != ERR_NONE || number < 0 || number > INT32_MAX)
            return errmsg_set(msg, ERR_CORRUPT, "node.id is no number of a node");
        out->node_id = (int32_t)number;
    } else if (take_key(line, "cluster.id", &value)) {
        if (value.size == 0 || value.size >= sizeof out->cluster_id)
            return errmsg_set(msg, ERR_CORRUPT, "cluster.id is empty or too long");
        memcpy(out->cluster_id, value.data, value.size);
        out->cluster_id[value.size] = 0;
    } else if (take_key(line, "directory.id", &value)) {
        if (wire_uuid_parse(value, &out->directory_id) != ERR_NONE)
            return errmsg_set(msg, ERR_CORRUPT, "directory.id is no id");
        out->has_directory_id = true;
    }
    return ERR_NONE;
}

enum err log_meta_parse(struct bytes file, struct log_meta *out, struct errmsg *msg)
{
    struct bytes line;
    *out = (struct log_meta){.node_id = -1};
    while (next_line(&file, &line)) {
        enum err e = parse_meta_line(line, out, msg);
        if (e != ERR_NONE)
            return e;
    }
    if (out->node_id < 0 || out->cluster_id[0] == 0)
        return errmsg_set(msg, ERR_CORRUPT, "node.id or cluster.id is missing");
    return ERR_NONE;
}

void log_meta_print(const struct log_meta *meta, struct text *out)
{
    char id[WIRE_UUID_TEXT_SIZE];
    wire_uuid_print(&meta->directory_id, id);
    text_printf(out, "#\nversion=1\nnode.id=%d\ncluster.id=%s\ndirectory.id=%s\n", meta->node_id,
                meta->cluster_id, id);
}

enum err log_partition_metadata_parse(struct bytes file, struct wire_uuid *topic_id,
                                      struct errmsg *msg)
{
    struct bytes line;
    const char key[] = "topic_id: ";
    size_t size = sizeof key - 1;
    if (!next_line(&file, &line) || !bytes_equal(line, bytes_text("version: 0")))
        return errmsg_set(msg, ERR_CORRUPT, "line 1 is no \"version: 0\"");
    if (!next_line(&file, &line) || line.size < size || memcmp(line.data, key, size) != 0)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 is no topic_id");
    if (wire_uuid_parse(bytes_of(line.data + size, line.size - size), topic_id) != ERR_NONE)
        return errmsg_set(msg, ERR_CORRUPT, "topic_id is no id");
    return ERR_NONE;
}

void log_partition_metadata_print(const struct wire_uuid *topic_id,
                                  char out[LOG_PARTITION_METADATA_SIZE + 1])
{
    char id[WIRE_UUID_TEXT_SIZE];
    wire_uuid_print(topic_id, id);
    snprintf(out, LOG_PARTITION_METADATA_SIZE + 1, "version: 0\ntopic_id: %s", id);
}

/* ---- checksums ---- */

void log_crc_print(uint32_t now, uint32_t before, char out[LOG_CRC_FILE_SIZE + 1])
{
    snprintf(out, LOG_CRC_FILE_SIZE + 1, "%08x\n%08x\n", now, before);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool parse_hex(struct bytes line, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < line.size; i++) {
        int digit = hex_digit(line.data[i]);
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return line.size == 8;
}

enum err log_crc_check(struct bytes crc_file, struct bytes file)
{
    struct bytes line;
    uint32_t want;
    uint32_t have = crc32c(0, file.data, file.size);
    for (int i = 0; i < 2 && next_line(&crc_file, &line); i++) {
        if (!parse_hex(line, &want))
            return ERR_CORRUPT;
        if (want == have)
            return ERR_NONE;
    }
    return ERR_CORRUPT;
}

void log_index_crc_print(const struct log_index_crc *crc, char out[LOG_INDEX_CRC_SIZE + 1])
{
    int size = snprintf(out, LOG_INDEX_CRC_SIZE + 1, "%08x\n%08x\n%020llu\n%020llu\n%020llu\n",
                        crc->offsets, crc->times, (unsigned long long)crc->offsets_size,
                        (unsigned long long)crc->times_size, (unsigned long long)crc->log_bytes);
    ASSERT(size == LOG_INDEX_CRC_SIZE);
}

static bool next_hex(struct bytes *text, uint32_t *out)
{
    struct bytes line;
    return next_line(text, &line) && parse_hex(line, out);
}

static bool next_size(struct bytes *text, uint64_t *out)
{
    struct bytes line;
    int64_t value;
    if (!next_line(text, &line) || text_parse_int(line, &value) != ERR_NONE || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

enum err log_index_crc_parse(struct bytes crc_file, struct log_index_crc *out)
{
    bool right = crc_file.size == LOG_INDEX_CRC_SIZE && next_hex(&crc_file, &out->offsets) &&
                 next_hex(&crc_file, &out->times) && next_size(&crc_file, &out->offsets_size) &&
                 next_size(&crc_file, &out->times_size) && next_size(&crc_file, &out->log_bytes) &&
                 crc_file.size == 0;
    return right ? ERR_NONE : ERR_CORRUPT;
}

static bool narrow(struct bytes *file, uint64_t size, uint32_t crc)
{
    if (file->size < size)
        return false;
    file->size = (size_t)size;
    return crc32c(0, file->data, file->size) == crc;
}

enum err log_index_crc_check(struct bytes crc_file, struct bytes *offsets, struct bytes *times,
                             uint64_t *log_bytes)
{
    struct log_index_crc crc;
    if (log_index_crc_parse(crc_file, &crc) != ERR_NONE ||
        !narrow(offsets, crc.offsets_size, crc.offsets) ||
        !narrow(times, crc.times_size, crc.times))
        return ERR_CORRUPT;
    *log_bytes = crc.log_bytes;
    return ERR_NONE;
}
