/* durable.c - the world's own word on what a sync made durable of a partition's log, in offsets:
 * whatever a broker says of it is held against that. It never looks at a node. */
#include "format/format.h"
#include "world/inside.h"

/* Of the head of a batch: base offset, length of what follows, last offset delta. */
#define HEAD_SIZE 27
#define LENGTH_AT 8
#define BATCH_OVERHEAD 12
#define DELTA_AT 23

static uint64_t big_endian(const uint8_t *at, int size)
{
    uint64_t v = 0;
    for (int i = 0; i < size; i++)
        v = v << 8 | at[i];
    return v;
}

/* What is kept with a file: of its batches that are durable, where the next one would begin and its
 * offset; and which end was told, in which life. */
enum file_note { NOTE_WALKED, NOTE_END, NOTE_TOLD, NOTE_LIFE };

/* Goes on from where it came to last: behind the last whole batch within that size. */
static void walk(const struct disk_durable *is, uint64_t base)
{
    uint64_t *at = &is->notes[NOTE_WALKED], *end = &is->notes[NOTE_END];
    if (*at == 0 || *at > is->size) {
        *at = 0;
        *end = base;
    }
    while (*at + HEAD_SIZE <= is->size) {
        uint8_t head[HEAD_SIZE];
        disk_durable_read(is, *at, head, sizeof head);
        uint64_t whole = BATCH_OVERHEAD + big_endian(head + LENGTH_AT, 4);
        uint64_t first = big_endian(head, 8);
        if (whole > is->size - *at || first < *end)
            return;
        *at += whole;
        *end = first + big_endian(head + DELTA_AT, 4) + 1;
    }
}

/* False: it is no file of a partition's records. */
static bool is_of_log(const struct disk_durable *is, uint64_t *base, uint64_t *partition)
{
    struct bytes topic;
    int32_t index;
    int64_t offset;
    char name[WORLD_TOPIC_NAME_MAX + 1];
    if (is->name == NULL || format_name_kind(is->name, &offset) != FORMAT_KIND_LOG ||
        !format_dir_name_parse(is->dir, &topic, &index) || topic.size > WORLD_TOPIC_NAME_MAX)
        return false;
    memcpy(name, topic.data, topic.size);
    name[topic.size] = 0;
    *base = (uint64_t)offset;
    *partition = trace_partition(name, index);
    return true;
}

static void tell(void *context, const struct disk_durable *is)
{
    struct world_node *node = context;
    uint64_t base, partition;
    if (!is->named || is->size == 0 || !is_of_log(is, &base, &partition))
        return;
    walk(is, base);
    uint64_t end = is->notes[NOTE_END], life = node->incarnation;
    if (is->notes[NOTE_TOLD] == end && is->notes[NOTE_LIFE] == life)
        return;
    is->notes[NOTE_TOLD] = end;
    is->notes[NOTE_LIFE] = life;
    EMIT(node, DISK_DURABLE, .partition = partition, .base = base, .end = end);
}

void world_tell_durable(struct world_node *node, struct world_file *file)
{
    struct disk_durable is;
    disk_durable(node->disk, file->name, &is);
    bool unnamed = is.name != NULL && !is.named;
    node->unnamed_count += unnamed && !file->unnamed;
    node->unnamed_count -= !unnamed && file->unnamed;
    file->unnamed = unnamed;
    tell(node, &is);
}

void world_tell_named(struct world_node *node, const char *dir)
{
    disk_durable_each(node->disk, dir, tell, node);
    if (node->unnamed_count == 0)
        return;
    LIST_EACH (file, &node->files.order, struct world_file, node.order) {
        if (file->unnamed)
            world_tell_durable(node, file);
    }
}
