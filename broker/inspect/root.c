/* root.c - a directory of logs: what its checkpoints say of the partitions, and whether its
 * own files are right. Pure. */
#include "inspect/internal.h"

enum point_kind {
    POINT_RECOVERY,
    POINT_START,
    POINT_WATERMARK,
    POINT_CLEANER,
    POINT_COUNT,
};

static const char *const point_names[POINT_COUNT] = {
    [POINT_RECOVERY] = "recovery-point-offset-checkpoint",
    [POINT_START] = "log-start-offset-checkpoint",
    [POINT_WATERMARK] = "replication-offset-checkpoint",
    [POINT_CLEANER] = "cleaner-offset-checkpoint",
};

/* The id that a partition's directory names. */
struct topic_id {
    char *topic;
    char *directory;
    struct wire_uuid id;
};

struct inspect_root {
    const struct inspect_dir *dir;
    struct inspect_file *files[POINT_COUNT]; /* mapped: the points are views into them */
    struct format_points points[POINT_COUNT];
    bool clean;
    bool recovery_known; /* a partition without a line has nothing that is durable for sure */
    bool start_said;     /* log-start-offset-checkpoint is kiln's, and right */
    bool directory_known;
    struct wire_uuid directory; /* its id */
    struct inspect_places *places;
    struct topic_id *ids;
    int32_t id_count, id_cap;
};

/* ---- reading ---- */

/* A checkpoint that does not match its checksum is not believed; inspect_check_small tells of it.
 */
static bool crc_right(struct inspect *in, const struct inspect_dir *dir,
                      const struct inspect_file *file)
{
    struct inspect_file *crc = inspect_crc_file(dir, file);
    if (crc == NULL || !inspect_map(in, dir, crc))
        return true;
    bool right = format_crc_check(crc->bytes, file->bytes) == ERR_NONE;
    inspect_unmap(in, crc);
    return right;
}

static bool is_log_dir(const struct inspect_dir *dir)
{
    return inspect_find(dir, "meta.properties") != NULL;
}

static enum err read_points(struct inspect *in, struct inspect_root *root, int kind)
{
    struct inspect_file *file = inspect_find(root->dir, point_names[kind]);
    if (file == NULL) {
        root->recovery_known |= kind == POINT_RECOVERY && is_log_dir(root->dir);
        return ERR_NONE;
    }
    if (!inspect_map(in, root->dir, file))
        return ERR_NONE;
    root->files[kind] = file;
    if (!crc_right(in, root->dir, file) || file->bytes.size > FORMAT_TEXT_FILE_MAX)
        return ERR_NONE;
    enum err e = format_points_parse(file->bytes, in->mem, &root->points[kind], NULL);
    if (kind == POINT_START && e == ERR_NONE)
        root->start_said = inspect_crc_file(root->dir, file) != NULL;
    root->recovery_known |= kind == POINT_RECOVERY && e == ERR_NONE;
    return e == ERR_CORRUPT ? ERR_NONE : e;
}

static void read_directory(struct inspect *in, struct inspect_root *root)
{
    struct format_meta meta = {0};
    struct inspect_file *file = inspect_find(root->dir, "meta.properties");
    if (file == NULL || !inspect_map(in, root->dir, file))
        return;
    if (format_meta_parse(file->bytes, &meta, NULL) == ERR_NONE && meta.has_directory_id) {
        root->directory = meta.directory_id;
        root->directory_known = true;
    }
    inspect_unmap(in, file);
}

static void check_files(struct inspect *in, const struct inspect_dir *dir)
{
    in->file_count += dir->file_count;
    for (int32_t i = 0; i < dir->file_count; i++) {
        int64_t offset;
        struct inspect_file *file = &dir->files[i];
        enum inspect_type type = inspect_type(file->name, &offset);
        /* What belongs into a partition's directory is nobody's here. */
        if ((type >= INSPECT_TYPE_LOG && type <= INSPECT_TYPE_WINDOW) ||
            type == INSPECT_TYPE_INDEX_CRC)
            type = INSPECT_TYPE_UNKNOWN;
        inspect_check_small(in, dir, file, type);
    }
}

enum err inspect_root_new(struct inspect *in, const struct inspect_dir *dir, bool tell,
                          struct inspect_root **out)
{
    struct inspect_root *root = mem_zalloc(in->mem, sizeof *root);
    *out = root;
    if (root == NULL)
        return in->err = ERR_NOMEM;
    root->dir = dir;
    root->clean = inspect_find(dir, ".kafka_cleanshutdown") != NULL;
    root->places = inspect_places_new(in->mem);
    if (root->places == NULL)
        return in->err = ERR_NOMEM;
    read_directory(in, root);
    for (int kind = 0; kind < POINT_COUNT && in->err == ERR_NONE; kind++)
        in->err = read_points(in, root, kind);
    if (tell && in->err == ERR_NONE)
        check_files(in, dir);
    return in->err;
}

void inspect_root_free(struct inspect *in, struct inspect_root *root)
{
    if (root == NULL)
        return;
    for (int kind = 0; kind < POINT_COUNT; kind++) {
        mem_free(in->mem, root->points[kind].rows);
        if (root->files[kind] != NULL)
            inspect_unmap(in, root->files[kind]);
    }
    for (int32_t i = 0; i < root->id_count; i++) {
        mem_free(in->mem, root->ids[i].topic);
        mem_free(in->mem, root->ids[i].directory);
    }
    mem_free(in->mem, root->ids);
    inspect_places_free(root->places);
    mem_free(in->mem, root);
}

/* ---- what it knows ---- */

void inspect_root_known(struct inspect_root *root, const struct inspect_dir *dir,
                        struct inspect_check_known *out)
{
    struct bytes topic;
    int32_t partition;
    if (!format_dir_name_parse(dir->name, &topic, &partition))
        return;
    const struct format_points *p = root->points;
    int64_t fallback = root->recovery_known ? 0 : -1;
    out->recovery = format_points_find(&p[POINT_RECOVERY], topic, partition, fallback);
    out->start = format_points_find(&p[POINT_START], topic, partition, -1);
    out->watermark = format_points_find(&p[POINT_WATERMARK], topic, partition, -1);
    out->compacted = format_points_find(&p[POINT_CLEANER], topic, partition, -1) >= 0 ||
                     inspect_places_compacted(root->places, topic);
    out->clean = root->clean;
    out->start_said = root->start_said;
    out->places = root->places;
}

/* ---- ids ---- */

static bool reserve_id(struct inspect *in, struct inspect_root *root)
{
    if (root->id_count < root->id_cap)
        return true;
    int32_t cap = root->id_cap == 0 ? 16 : root->id_cap * 2;
    struct topic_id *ids = mem_realloc(in->mem, root->ids, (size_t)cap * sizeof *ids);
    if (ids == NULL)
        return false;
    root->ids = ids;
    root->id_cap = cap;
    return true;
}

void inspect_root_note_id(struct inspect *in, struct inspect_root *root,
                          const struct inspect_dir *dir, const struct wire_uuid *id)
{
    struct bytes topic;
    int32_t partition;
    if (!format_dir_name_parse(dir->name, &topic, &partition))
        return;
    if (!reserve_id(in, root)) {
        in->err = ERR_NOMEM;
        return;
    }
    struct topic_id *row = &root->ids[root->id_count];
    row->id = *id;
    row->topic = mem_text(in->mem, (const char *)topic.data, topic.size);
    row->directory = mem_text(in->mem, dir->name, strlen(dir->name));
    if (row->topic != NULL && row->directory != NULL) {
        root->id_count++;
        return;
    }
    mem_free(in->mem, row->topic);
    mem_free(in->mem, row->directory);
    in->err = ERR_NOMEM;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct topic_id *)a)->topic, ((const struct topic_id *)b)->topic);
}

/* Two partitions of one topic have one id, and two topics have two. */
static void check_ids(struct inspect *in, struct inspect_root *root)
{
    in->err =
        sort_stable(in->mem, root->ids, (size_t)root->id_count, sizeof *root->ids, compare_ids);
    for (int32_t i = 1; in->err == ERR_NONE && i < root->id_count; i++) {
        const struct topic_id *a = &root->ids[i - 1];
        const struct topic_id *b = &root->ids[i];
        bool same_topic = strcmp(a->topic, b->topic) == 0;
        if (same_topic && !wire_uuid_equal(&a->id, &b->id))
            inspect_report(in, root->dir, NULL, INSPECT_FIND_ID_DIFFERS, -1,
                           "partition.metadata of %s and of %s name different topics", a->directory,
                           b->directory);
    }
}

/* ---- partitions that are not there ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_name(const char *const *names, int32_t count, const char *name)
{
    int32_t low = 0;
    int32_t high = count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = strcmp(names[middle], name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

struct made {
    struct inspect *in;
    const struct inspect_root *root;
    const char *const *names;
    int32_t count;
};

static void check_made(void *context, const char *name)
{
    const struct made *made = context;
    made->in->missing = name;
    if (!has_name(made->names, made->count, name))
        inspect_report(made->in, made->root->dir, NULL, INSPECT_FIND_PARTITION_GONE, -1,
                       "%s is not there, and was made here, as the metadata log says", name);
    made->in->missing = NULL;
}

/* A line about what is not there: a topic that was deleted, as far as anybody knows. */
static void tell_row(struct inspect *in, struct inspect_root *root, int kind,
                     const struct format_point *row, const char *name)
{
    if (root->directory_known &&
        inspect_places_made(root->places, &root->directory, row->topic, row->partition))
        return; /* told already */
    bool metadata = strcmp(name, INSPECT_METADATA_DIR) == 0;
    bool unknown = !inspect_places_known(root->places) && row->offset > 0;
    in->missing = name;
    if (kind == POINT_RECOVERY && (metadata || unknown))
        inspect_report(in, root->dir, root->files[kind], INSPECT_FIND_PARTITION_GONE, -1,
                       "it names %s, which is not there", name);
    else
        inspect_report(in, root->dir, root->files[kind], INSPECT_FIND_POINT_STALE, -1,
                       "it names %s, which is not there", name);
    in->missing = NULL;
}

static void check_rows(struct inspect *in, struct inspect_root *root, int kind,
                       const char *const *names, int32_t count)
{
    const struct format_points *points = &root->points[kind];
    for (int32_t i = 0; i < points->count; i++) {
        const struct format_point *row = &points->rows[i];
        struct text name;
        text_init(&name, in->mem);
        text_printf(&name, "%.*s-%d", (int)row->topic.size, (const char *)row->topic.data,
                    row->partition);
        if (name.failed)
            in->err = ERR_NOMEM;
        else if (!has_name(names, count, name.data))
            tell_row(in, root, kind, row, name.data);
        text_free(&name);
    }
}

enum err inspect_root_end(struct inspect *in, struct inspect_root *root, const char *const *names,
                          int32_t count)
{
    check_ids(in, root);
    const char **sorted = mem_array(in->mem, (size_t)count + 1, sizeof *sorted);
    if (sorted == NULL)
        return in->err = ERR_NOMEM;
    for (int32_t i = 0; i < count; i++)
        sorted[i] = names[i];
    if (in->err == ERR_NONE)
        in->err = sort_stable(in->mem, sorted, (size_t)count, sizeof *sorted, compare_names);
    struct made made = {.in = in, .root = root, .names = sorted, .count = count};
    if (in->err == ERR_NONE && root->directory_known)
        inspect_places_each(root->places, &root->directory, check_made, &made);
    for (int kind = 0; kind < POINT_COUNT && in->err == ERR_NONE; kind++)
        check_rows(in, root, kind, sorted, count);
    mem_free(in->mem, sorted);
    return in->err;
}
