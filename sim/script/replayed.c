/* replayed.c - what the metadata log of a broker that has ended cleanly comes to: the newest
 * snapshot and the log behind it are replayed from its disk's bytes, up to where the broker knew
 * them. It shares with the broker how a record changes an image, and neither how files are read nor
 * which records are taken. */
#include "disk/disk.h"
#include "format/format.h"
#include "metadata/metadata.h"
#include "script/internal.h"

#define FOLDER "data/" METADATA_LOG_TOPIC "-0"
#define SEGMENTS_MAX 4096
#define ARENA_BYTES (16u << 20)

struct replayed {
    struct script *script;
    int64_t end; /* what stands from there on is not replayed */
    struct disk_seen snapshot;
    int64_t snapshot_offset; /* -1: none that reaches no further */
    int32_t snapshot_epoch;
    bool overtaken; /* there is one that reaches further, and the log below it may be gone */
    struct disk_seen segments[SEGMENTS_MAX];
    int32_t segment_count;
    struct metadata_edit edit;
    struct arena arena;
    struct errmsg msg;
    enum err err;
};

static void take_entry(void *context, const struct disk_seen *seen)
{
    struct replayed *r = context;
    int64_t offset;
    int32_t epoch;
    if (format_checkpoint_parse(seen->name, &offset, &epoch)) {
        r->overtaken |= offset > r->end;
        if (offset > r->end || offset <= r->snapshot_offset)
            return;
        r->snapshot = *seen;
        r->snapshot_offset = offset;
        r->snapshot_epoch = epoch;
    } else if (text_ends_with(seen->name, ".log")) {
        if (r->segment_count == SEGMENTS_MAX)
            r->err = ERR_LIMIT;
        else
            r->segments[r->segment_count++] = *seen;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_seen *)a)->name, ((const struct disk_seen *)b)->name);
}

/* Batches that end before end, each behind the ones that are there. A batch that is cut off ends
 * it: that it is there is told by where the replay comes to. */
static enum err apply(struct replayed *r, struct bytes in, int64_t end)
{
    struct wire_batch head;
    for (size_t at = 0; at < in.size; at += (size_t)head.size) {
        if (wire_batch_at(in, at, &head, &r->msg) != WIRE_AT_BATCH)
            return ERR_NONE;
        struct bytes batch = bytes_of(in.data + at, (size_t)head.size);
        int64_t last = wire_batch_last_offset(&head);
        if (last < end && last > r->edit.image->offset) {
            enum err e = metadata_batch_replay(&r->edit, &head, batch, &r->arena, &r->msg);
            if (e != ERR_NONE)
                return e;
        }
    }
    return ERR_NONE;
}

static enum err apply_file(struct replayed *r, const struct disk_seen *seen, int64_t end)
{
    struct mem *mem = r->script->mem;
    uint8_t *data = mem_alloc(mem, MAX(seen->size, 1));
    if (data == NULL)
        return ERR_NOMEM;
    disk_look_read(seen, data);
    enum err e = apply(r, bytes_of(data, (size_t)seen->size), end);
    mem_free(mem, data);
    return e;
}

static enum err apply_all(struct replayed *r)
{
    enum err e = ERR_NONE;
    if (r->snapshot_offset >= 0) {
        e = apply_file(r, &r->snapshot, INT64_MAX); /* its offsets are its own */
        r->edit.image->offset = r->snapshot_offset - 1;
        r->edit.image->epoch = r->snapshot_epoch;
    }
    for (int32_t i = 0; i < r->segment_count && e == ERR_NONE; i++)
        e = apply_file(r, &r->segments[i], r->end);
    return e;
}

static void tell_broken(struct replayed *r, uint32_t node, const char *what)
{
    struct errmsg line = {{0}};
    errmsg_set(&line, ERR_CORRUPT, "damage: " FOLDER ": it cannot be replayed up to %lld: %s",
               (long long)r->end, what);
    script_stage_tell(r->script->stage, node, TRACE_LEFT_UNSOUND, NULL, line.text);
}

static enum err tell(struct replayed *r, uint32_t node)
{
    struct metadata_image *image = r->edit.image;
    if (image->offset + 1 != r->end) {
        if (!r->overtaken)
            tell_broken(r, node, "it ends before");
        return ERR_NONE;
    }
    struct trace_IMAGE_REPLAYED is = {.offset = (uint64_t)r->end};
    enum err e = metadata_digest(metadata_visible(image), r->script->mem, &is.digest);
    if (e == ERR_NONE)
        script_stage_tell(r->script->stage, node, TRACE_IMAGE_REPLAYED, &is, NULL);
    return e;
}

static enum err replay(struct replayed *r, uint32_t node)
{
    struct mem *mem = r->script->mem;
    disk_look(script_stage_disk(r->script->stage, node), FOLDER, take_entry, r);
    enum err e = r->err;
    if (e == ERR_NONE)
        e = sort_stable(mem, r->segments, (size_t)r->segment_count, sizeof r->segments[0], by_name);
    if (e == ERR_NONE)
        e = metadata_edit_begin(&r->edit, mem, NULL);
    if (e != ERR_NONE)
        return e;
    arena_init(&r->arena, mem, ARENA_BYTES);
    e = apply_all(r);
    arena_free(&r->arena);
    if (e == ERR_NONE) {
        e = tell(r, node);
    } else if (e != ERR_NOMEM) {
        tell_broken(r, node, r->msg.text);
        e = ERR_NONE;
    }
    metadata_edit_abandon(&r->edit);
    return e;
}

void script_judge_metadata(struct script *s, uint32_t node)
{
    if (s->nodes[node].image_end < 0)
        return;
    struct replayed *r = mem_zalloc(s->mem, sizeof *r);
    enum err e = ERR_NOMEM;
    if (r != NULL) {
        r->script = s;
        r->end = s->nodes[node].image_end;
        r->snapshot_offset = -1;
        e = replay(r, node);
        mem_free(s->mem, r);
    }
    if (e != ERR_NONE)
        script_end(s, SCRIPT_INCONCLUSIVE, "the metadata log that %s left was not replayed: %s",
                   s->nodes[node].name, err_text(e));
}
