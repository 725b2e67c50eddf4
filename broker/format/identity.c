/* identity.c - whose a directory is: meta.properties, and partition.metadata of a partition. */
#include "format/internal.h"

#define META_VERSION 1 /* of meta.properties, and of the directory */

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

static enum err parse_meta_line(struct bytes line, struct format_meta *out, struct errmsg *msg)
{
    struct bytes value;
    int64_t number;
    if (take_key(line, "version", &value)) {
        if (text_parse_int(value, &number) != ERR_NONE || number < 1)
            return errmsg_set(msg, ERR_CORRUPT, "its version is not 1");
        if (number > META_VERSION)
            return errmsg_set(
                msg, ERR_UNSUPPORTED,
                "the directory is of version %lld, which a newer kiln wrote, and this "
                "one knows up to %d: start the newer one; nothing was changed",
                (long long)number, META_VERSION);
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

enum err format_meta_parse(struct bytes file, struct format_meta *out, struct errmsg *msg)
{
    struct bytes line;
    *out = (struct format_meta){.node_id = -1};
    while (format_next_line(&file, &line)) {
        enum err e = parse_meta_line(line, out, msg);
        if (e != ERR_NONE)
            return e;
    }
    if (out->node_id < 0 || out->cluster_id[0] == 0)
        return errmsg_set(msg, ERR_CORRUPT, "node.id or cluster.id is missing");
    return ERR_NONE;
}

void format_meta_print(const struct format_meta *meta, struct text *out)
{
    char id[WIRE_UUID_TEXT_SIZE];
    wire_uuid_print(&meta->directory_id, id);
    text_printf(out, "#\nversion=%d\nnode.id=%d\ncluster.id=%s\ndirectory.id=%s\n", META_VERSION,
                meta->node_id, meta->cluster_id, id);
}

enum err format_partition_metadata_parse(struct bytes file, struct wire_uuid *topic_id,
                                         struct errmsg *msg)
{
    struct bytes line;
    const char key[] = "topic_id: ";
    size_t size = sizeof key - 1;
    if (!format_next_line(&file, &line) || !bytes_equal(line, bytes_text("version: 0")))
        return errmsg_set(msg, ERR_CORRUPT, "line 1 is no \"version: 0\"");
    if (!format_next_line(&file, &line) || line.size < size || memcmp(line.data, key, size) != 0)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 is no topic_id");
    if (wire_uuid_parse(bytes_of(line.data + size, line.size - size), topic_id) != ERR_NONE)
        return errmsg_set(msg, ERR_CORRUPT, "topic_id is no id");
    return ERR_NONE;
}

void format_partition_metadata_print(const struct wire_uuid *topic_id,
                                     char out[FORMAT_PARTITION_METADATA_SIZE + 1])
{
    char id[WIRE_UUID_TEXT_SIZE];
    wire_uuid_print(topic_id, id);
    text_fit(out, FORMAT_PARTITION_METADATA_SIZE + 1, "version: 0\ntopic_id: %s", id);
}

/* ---- the marker of a clean end ---- */

#define CLEAN_KEY "\"brokerEpoch\""

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where the key's value begins; file.size: nowhere. */
static size_t clean_value_at(struct bytes file)
{
    size_t size = sizeof CLEAN_KEY - 1;
    for (size_t i = 0; i + size <= file.size; i++) {
        if (memcmp(file.data + i, CLEAN_KEY, size) != 0)
            continue;
        for (i += size; i < file.size && (is_blank(file.data[i]) || file.data[i] == ':');)
            i++;
        return i;
    }
    return file.size;
}

int64_t format_clean_parse(struct bytes file)
{
    size_t at = clean_value_at(file);
    size_t end = at;
    int64_t epoch = -1;
    while (end < file.size && ((file.data[end] >= '0' && file.data[end] <= '9') ||
                               (end == at && file.data[end] == '-')))
        end++;
    enum err e = text_parse_int(bytes_of(file.data + at, end - at), &epoch);
    return e == ERR_NONE && epoch >= 0 ? epoch : -1;
}

void format_clean_print(int64_t broker_epoch, char out[FORMAT_CLEAN_SIZE])
{
    text_fit(out, FORMAT_CLEAN_SIZE, "{\"version\":0,\"brokerEpoch\":%lld}",
             (long long)broker_epoch);
}
