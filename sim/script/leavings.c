/* leavings.c - what a broker leaves behind when it ends cleanly: its files are inspected offline,
 * each index, checkpoint and snapshot against its log, and what is wrong is told as rows. It asks
 * the broker nothing. */
#include <stdio.h>
#include "disk/disk.h"
#include "inspect/inspect.h"
#include "script/internal.h"

#define LEAVINGS_FILES_MAX 4096 /* of a directory */
#define LEAVINGS_TOLD_MAX 8     /* rows of one end */
#define ROOT "data"
#define METADATA "__cluster_metadata-0"

struct leavings {
    struct inspect in; /* first: what is written comes with it */
    struct script *script;
    uint32_t node;
    struct folder {
        struct disk_seen seen[LEAVINGS_FILES_MAX];
        struct inspect_file files[LEAVINGS_FILES_MAX];
        int32_t count;
        const char *dirs[LEAVINGS_FILES_MAX];
        int32_t dir_count;
    } root, partition;
    char line[256]; /* of what is being told */
    size_t line_size;
    int32_t told_count;
    enum err err;
};

/* Notes of what a sound life leaves: bytes that recovery cut off and kept, files of a segment that
 * go when log.segment.delete.delay.ms is over, and producers who have expired. */
static const char *const is_right[] = {"recovery cut these bytes off and kept them",
                                       ".deleted: it was to be removed", "; right if the "};

static void end_line(struct leavings *l)
{
    l->line[l->line_size] = 0;
    bool right = false;
    bool is_found = strncmp(l->line, "damage", 6) == 0 || strncmp(l->line, "note", 4) == 0;
    for (int i = 0; i < COUNT_OF(is_right); i++)
        right |= strstr(l->line, is_right[i]) != NULL;
    if (is_found && !right && l->told_count++ < LEAVINGS_TOLD_MAX)
        script_stage_tell(l->script->stage, l->node, TRACE_LEFT_UNSOUND, NULL, l->line);
    l->line_size = 0;
}

static void take_rows(struct inspect *in, struct bytes piece)
{
    struct leavings *l = CONTAINER_OF(in, struct leavings, in);
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.data[i] == '\n')
            end_line(l);
        else if (l->line_size < sizeof l->line - 1)
            l->line[l->line_size++] = (char)piece.data[i];
    }
}

static enum err map_file(struct inspect *in, const struct inspect_dir *dir,
                         struct inspect_file *file)
{
    struct leavings *l = CONTAINER_OF(in, struct leavings, in);
    struct folder *f = dir->files == l->root.files ? &l->root : &l->partition;
    const struct disk_seen *seen = &f->seen[file - f->files];
    uint8_t *data = mem_alloc(in->mem, MAX(seen->size, 1));
    if (data == NULL)
        return ERR_NOMEM;
    disk_look_read(seen, data);
    file->bytes.data = data;
    return ERR_NONE;
}

static void unmap_file(struct inspect *in, struct inspect_file *file)
{
    mem_free(in->mem, (void *)(uintptr_t)file->bytes.data);
    file->bytes.data = NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_seen *)a)->name, ((const struct disk_seen *)b)->name);
}

struct listing {
    struct leavings *l;
    struct folder *f;
};

static void take_entry(void *context, const struct disk_seen *seen)
{
    const struct listing *to = context;
    struct folder *f = to->f;
    if (f->count == LEAVINGS_FILES_MAX || f->dir_count == LEAVINGS_FILES_MAX)
        to->l->err = ERR_LIMIT;
    else if (!seen->is_dir)
        f->seen[f->count++] = *seen;
    else if (inspect_is_partition(seen->name))
        f->dirs[f->dir_count++] = seen->name;
}

static struct inspect_dir list(struct leavings *l, struct folder *f, const char *path,
                               const char *name)
{
    f->count = f->dir_count = 0;
    disk_look(script_stage_disk(l->script->stage, l->node), path, take_entry,
              &(struct listing){.l = l, .f = f});
    enum err e = sort_stable(l->in.mem, f->seen, (size_t)f->count, sizeof f->seen[0], by_name);
    l->err = l->err == ERR_NONE ? e : l->err;
    for (int32_t i = 0; i < f->count; i++)
        f->files[i] = (struct inspect_file){.name = f->seen[i].name,
                                            .bytes = bytes_of(NULL, (size_t)f->seen[i].size)};
    return (struct inspect_dir){
        .path = path, .name = name, .files = f->files, .file_count = f->count};
}

static enum err check_partition(struct leavings *l, struct inspect_root *root, const char *name)
{
    char path[ENV_PATH_MAX];
    int size = snprintf(path, sizeof path, ROOT "/%s", name);
    if (size < 0 || (size_t)size >= sizeof path)
        return ERR_LIMIT;
    struct inspect_dir dir = list(l, &l->partition, path, name);
    return inspect_check(&l->in, root, &dir, false);
}

static enum err check_all(struct leavings *l)
{
    struct inspect_root *root = NULL;
    struct inspect_dir dir = list(l, &l->root, ROOT, ROOT);
    enum err e = inspect_root_new(&l->in, &dir, true, &root);
    /* The metadata log first: it says what the others are. */
    for (int turn = 0; turn < 2; turn++) {
        for (int32_t i = 0; e == ERR_NONE && i < l->root.dir_count; i++) {
            if ((strcmp(l->root.dirs[i], METADATA) == 0) == (turn == 0))
                e = check_partition(l, root, l->root.dirs[i]);
        }
    }
    if (e == ERR_NONE)
        e = inspect_root_end(&l->in, root, l->root.dirs, l->root.dir_count);
    inspect_root_free(&l->in, root);
    return e == ERR_NONE ? l->err : e;
}

void script_judge_leavings(struct script *s, uint32_t node)
{
    struct leavings *l = mem_zalloc(s->mem, sizeof *l);
    enum err e = ERR_NOMEM;
    if (l != NULL) {
        inspect_init(&l->in, s->mem);
        l->in.write = take_rows;
        l->in.map = map_file;
        l->in.unmap = unmap_file;
        l->script = s;
        l->node = node;
        e = check_all(l);
        inspect_free(&l->in);
        mem_free(s->mem, l);
    }
    if (e != ERR_NONE)
        script_end(s, SCRIPT_INCONCLUSIVE, "what %s left behind was not inspected: %s",
                   s->nodes[node].name, err_text(e));
}
