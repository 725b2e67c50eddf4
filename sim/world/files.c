/* files.c - the file verbs: what the node asked begins at its submission, takes as long as a disk
 * takes, and is done when its completion is delivered. offload takes the same road. */
#include "world/inside.h"

#define BYTES_PER_NS 1 /* of a disk in good health */

/* ---- open files ---- */

static bool same_name(const void *key, const struct hmap_node *node)
{
    const uint64_t *name = key;
    return CONTAINER_OF(node, struct world_file, node)->name == *name;
}

enum err world_files_init(struct world_node *node)
{
    return hmap_init(&node->files, node->world->mem, same_name);
}

static struct world_file *file_of(struct world_node *node, uint64_t name)
{
    struct hmap_node *found = hmap_find(&node->files, hash_mix(name), &name);
    ASSERT(found != NULL); /* a name that was never given, or is closed */
    return CONTAINER_OF(found, struct world_file, node);
}

static void forget_file(struct world_node *node, struct world_file *file)
{
    ASSERT(list_empty(&file->appends));
    node->unnamed_count -= file->unnamed;
    hmap_remove(&node->files, &file->node);
    mem_free(node->world->mem, file);
}

void world_files_free(struct world_node *node)
{
    LIST_EACH (file, &node->files.order, struct world_file, node.order)
        forget_file(node, file);
}

/* Opens it on the disk and remembers its path. */
static enum err open_file(struct flight *flight)
{
    struct world_node *node = flight->node;
    const char *path = flight->path;
    size_t size = strlen(path) + 1;
    struct world_file *file = mem_alloc(node->world->mem, sizeof *file + size);
    if (file == NULL)
        return ERR_NOMEM;
    *file = (struct world_file){0};
    list_init(&file->appends);
    memcpy(file->path, path, size);
    enum err e = disk_open(node->disk, path, flight->flags, &file->name);
    if (e != ERR_NONE) {
        mem_free(node->world->mem, file);
        return e;
    }
    hmap_insert(&node->files, hash_mix(file->name), &file->node);
    flight->n = file->name;
    world_tell_durable(node, file);
    return ERR_NONE;
}

/* ---- digests ---- */

static uint64_t digest_parts(uint64_t h, const struct half_asked *asked)
{
    const uint8_t *at = asked->bytes;
    for (int32_t i = 0; i < asked->ask->part_count; at += asked->parts[i++].size)
        h = hash_combine(h, hash_digest(at, asked->parts[i].size));
    return h;
}

static bool names_file(enum env_verb verb)
{
    return verb >= ENV_CLOSE_FILE && verb <= ENV_SYNC;
}

/* Of all that the node asked. Offload says nothing to the world. */
static uint64_t digest_ask(const struct half_asked *asked)
{
    const struct half_ask *ask = asked->ask;
    uint64_t h = hash_combine(ask->verb, ask->handle);
    if (ask->verb == ENV_OFFLOAD)
        return h;
    h = hash_combine(hash_combine(h, ask->offset), ask->size ^ (uint64_t)ask->flags << 32);
    if (asked->path != NULL)
        h = hash_combine(h, hash_text(asked->path));
    if (asked->path_to != NULL)
        h = hash_combine(h, hash_text(asked->path_to));
    return digest_parts(h, asked);
}

/* What is attempted, for fault points: the path and the range, but no name that a life gives. */
static uint64_t attempt_of(const struct flight *flight, const char *path)
{
    uint64_t h = hash_combine(flight->verb, hash_text(path));
    return hash_combine(h, hash_combine(flight->offset, flight->size));
}

/* ---- delays ---- */

int64_t world_disk_delay(struct flight *flight, uint64_t bytes)
{
    struct world_node *node = flight->node;
    struct world *world = node->world;
    int64_t mean_ns = world->disk_means_ns[flight->verb];
    uint64_t bits = fault_draw_at(&world->dice, node->index, USE_DISK, flight->key, world->now_ns);
    int64_t delay_ns = mean_ns / 4 + random_exponential(bits, mean_ns - mean_ns / 4);
    delay_ns += (int64_t)(bytes / BYTES_PER_NS);
    bool syncs = flight->verb == ENV_SYNC || flight->verb == ENV_SYNC_DIR;
    int64_t slow_ns = delay_ns * (node->slow_factor * (syncs ? node->slow_sync_factor : 1) - 1);
    /* What has waited for a slow disk waits no longer than it is slow. */
    return 1 + delay_ns + MIN(slow_ns, MAX(node->slow_until_ns - world->now_ns, 0));
}

/* ---- faults ---- */

static enum err point_of(struct world_node *node, enum env_verb verb, unsigned flags, uint64_t key)
{
    struct fault_points *points = &node->points;
    enum err e;
    switch (verb) {
    case ENV_OPEN:
        e = FAULT(points, DISK_OPEN, key);
        if (e == ERR_NONE && (flags & ENV_OPEN_CREATE) != 0)
            e = FAULT(points, DISK_SPACE, key);
        return e != ERR_NONE ? e : FAULT(points, DISK_HANDLES, key);
    case ENV_READ:
        return FAULT(points, DISK_READ, key);
    case ENV_WRITE:
    case ENV_APPEND:
    case ENV_TRUNCATE:
        e = FAULT(points, DISK_WRITE, key);
        return e != ERR_NONE ? e : FAULT(points, DISK_SPACE, key);
    case ENV_SYNC:
        return FAULT(points, DISK_SYNC, key);
    case ENV_SYNC_DIR:
        e = FAULT(points, DISK_SYNC_DIR, key);
        return e != ERR_NONE ? e : FAULT(points, DISK_HANDLES, key);
    case ENV_RENAME:
        e = FAULT(points, DISK_RENAME, key);
        return e != ERR_NONE ? e : FAULT(points, DISK_SPACE, key);
    case ENV_MAKE_DIR:
        return FAULT(points, DISK_SPACE, key);
    case ENV_UNLINK:
        return FAULT(points, DISK_UNLINK, key);
    case ENV_LIST:
        return FAULT(points, DISK_LIST, key);
    default:
        return ERR_NONE;
    }
}

static enum err rule_of(struct world_node *node, enum env_verb verb, const char *path)
{
    switch (verb) {
    case ENV_READ:
        return world_rule(node, FAULT_READ_FAILS, path);
    case ENV_WRITE:
    case ENV_APPEND:
    case ENV_TRUNCATE:
        return world_rule(node, FAULT_WRITE_FAILS, path);
    case ENV_SYNC:
    case ENV_SYNC_DIR:
        return world_rule(node, FAULT_SYNC_FAILS, path);
    default:
        return ERR_NONE;
    }
}

/* The error that this operation shall have, whatever the disk thinks. */
static enum err fault_of(struct flight *flight)
{
    struct world_node *node = flight->node;
    enum env_verb verb = (enum env_verb)flight->verb;
    if (verb == ENV_OFFLOAD)
        return ERR_NONE;
    const char *path = names_file(verb) ? file_of(node, flight->handle)->path : flight->path;
    enum err e = rule_of(node, verb, path);
    if (e != ERR_NONE || !node->points.any_armed)
        return e;
    return point_of(node, verb, flight->flags, attempt_of(flight, path));
}

/* What a send reads of a file on its way, with the faults that reading has. */
enum err world_file_read(struct world_node *node, uint64_t name, uint64_t offset, void *buffer,
                         uint64_t size, uint64_t *n)
{
    struct flight reading = {
        .node = node, .verb = ENV_READ, .handle = name, .offset = offset, .size = size};
    enum err e = fault_of(&reading);
    return e != ERR_NONE ? e : disk_read(node->disk, name, offset, buffer, size, n);
}

/* ---- submission ---- */

static enum err begin(struct flight *flight, const struct half_asked *asked)
{
    struct disk *disk = flight->node->disk;
    struct env_part all = {.data = asked->bytes, .size = flight->size};
    enum err e = ERR_NONE;
    switch (flight->verb) {
    case ENV_WRITE:
        e = disk_write_begin(disk, flight->handle, flight->offset, &all, 1, &flight->write);
        break;
    case ENV_APPEND:
        e = disk_append_begin(disk, flight->handle, &all, 1, &flight->write);
        break;
    case ENV_SYNC:
        disk_sync_begin(disk, flight->handle, &flight->sync);
        break;
    case ENV_SYNC_DIR:
        e = disk_sync_dir_begin(disk, flight->path, &flight->sync);
        break;
    default:
        return ERR_NONE;
    }
    flight->began = e == ERR_NONE;
    return e;
}

/* Contract 7, and what truncate asks. */
static void use_file(struct world_file *file, enum env_verb verb)
{
    ASSERT(!file->closing);
    ASSERT(verb != ENV_CLOSE_FILE || file->flight_count == 0);
    ASSERT(verb != ENV_TRUNCATE || list_empty(&file->appends));
    file->closing = verb == ENV_CLOSE_FILE;
    file->flight_count++;
}

bool world_file_may(struct world_node *node, uint64_t name, enum env_verb verb)
{
    struct hmap_node *found = hmap_find(&node->files, hash_mix(name), &name);
    if (found == NULL)
        return false;
    const struct world_file *file = CONTAINER_OF(found, struct world_file, node);
    if (verb == ENV_SEND)
        return true;
    if (file->closing)
        return false;
    if (verb == ENV_CLOSE_FILE)
        return file->flight_count == 0;
    return verb != ENV_TRUNCATE || list_empty(&file->appends);
}

static void submit_append(struct flight *flight)
{
    struct world_file *file = file_of(flight->node, flight->handle);
    bool first = list_empty(&file->appends);
    list_push_back(&file->appends, &flight->in_file);
    flight->node->world->pending_count++;
    flight->pending = true;
    if (first)
        world_fly(flight, world_disk_delay(flight, flight->size));
}

void world_file_submit(struct flight *flight, const struct half_asked *asked)
{
    struct world_node *node = flight->node;
    enum env_verb verb = (enum env_verb)flight->verb;
    flight->key = digest_ask(asked);
    world_note(node, env_verb_names[verb], NOTE_SUBMIT + verb, flight->number, flight->key,
               ERR_NONE, 0, flight->cause);
    if (names_file(verb))
        use_file(file_of(node, flight->handle), verb);
    flight->fault = begin(flight, asked);
    bool moves_bytes = verb == ENV_READ || verb == ENV_WRITE;
    if (verb == ENV_APPEND)
        submit_append(flight);
    else
        world_fly(flight, world_disk_delay(flight, moves_bytes ? flight->size : 0));
}

/* ---- completion ---- */

/* Of what was to be written, any number of pages may stand. */
static enum err finish_write(struct flight *flight, enum err fault)
{
    struct world_node *node = flight->node;
    flight->began = false;
    disk_set_modified(node->disk, flight->handle, world_node_wall(node));
    if (fault == ERR_NONE)
        return disk_write_finish(node->disk, flight->write, &flight->n);
    uint64_t bits = fault_draw(&node->world->dice, node->index, USE_DISK, ~flight->key);
    uint64_t pages = disk_write_size(flight->write) / DISK_PAGE_SIZE;
    uint64_t bytes = fault == ERR_OFFLINE ? 0 : random_below(bits, pages + 1) * DISK_PAGE_SIZE;
    disk_write_cut(node->disk, flight->write, bytes);
    return fault;
}

/* A sync whose failure is told by the next one. */
static bool is_late(struct flight *flight)
{
    struct world_node *node = flight->node;
    return flight->verb == ENV_SYNC &&
           world_rule(node, FAULT_SYNC_LATE, file_of(node, flight->handle)->path) != ERR_NONE;
}

static enum err finish_sync(struct flight *flight, enum err fault)
{
    struct world_node *node = flight->node;
    flight->began = false;
    bool late = fault == ERR_NONE && is_late(flight);
    if (fault == ERR_NONE && !late) {
        flight->n = flight->verb == ENV_SYNC && !disk_is_named(node->disk, flight->handle);
        enum err e = disk_sync_finish(node->disk, &flight->sync);
        if (flight->verb == ENV_SYNC)
            world_tell_durable(node, file_of(node, flight->handle));
        else
            world_tell_named(node, flight->path);
        return e;
    }
    uint64_t bits = fault_draw(&node->world->dice, node->index, USE_SYNC_FAILS, flight->key);
    enum err e = disk_sync_fail(node->disk, &flight->sync, bits, late);
    ASSERT((e == ERR_NONE) == late);
    return fault;
}

static enum err close_file(struct flight *flight)
{
    struct world_node *node = flight->node;
    disk_close(node->disk, flight->handle);
    forget_file(node, file_of(node, flight->handle));
    return ERR_NONE;
}

/* The digest of what the node gets is part of what it is told. */
static enum err read_file(struct flight *flight)
{
    uint8_t *buffer = world_inbox(flight->node->world, flight->size);
    enum err e = disk_read(flight->node->disk, flight->handle, flight->offset, buffer, flight->size,
                           &flight->n);
    flight->key = e == ERR_NONE ? hash_digest(buffer, flight->n) : 0;
    flight->bytes = bytes_of(buffer, flight->n);
    return e;
}

static enum err list_dir(struct flight *flight)
{
    struct world_node *node = flight->node;
    uint8_t *buffer = world_inbox(node->world, flight->size);
    uint64_t order = fault_draw(&node->world->dice, node->index, USE_LIST, flight->key) | 1;
    enum err e = disk_list(node->disk, flight->path, order, buffer, flight->size, &flight->n);
    flight->key = e == ERR_NONE ? hash_digest(buffer, flight->n) : 0;
    flight->bytes = bytes_of(buffer, e == ERR_NONE ? flight->n : 0);
    return e;
}

/* What needs nothing of the node: a node that dies may have had it done. */
static enum err change(struct flight *flight)
{
    struct disk *disk = flight->node->disk;
    switch ((enum env_verb)flight->verb) {
    case ENV_OPEN:
        return open_file(flight);
    case ENV_TRUNCATE:
        flight->n = flight->size;
        disk_set_modified(disk, flight->handle, world_node_wall(flight->node));
        return disk_truncate(disk, flight->handle, flight->size);
    case ENV_RENAME:
        return disk_rename(disk, flight->path, flight->path_to);
    case ENV_UNLINK:
        return disk_unlink(disk, flight->path);
    case ENV_MAKE_DIR:
        return disk_make_dir(disk, flight->path);
    default:
        UNREACHABLE();
    }
}

static enum err perform(struct flight *flight)
{
    struct world_node *node = flight->node;
    switch ((enum env_verb)flight->verb) {
    case ENV_CLOSE_FILE:
        return close_file(flight);
    case ENV_READ:
        return read_file(flight);
    case ENV_SIZE:
        flight->n = disk_size(node->disk, flight->handle);
        flight->modified_ms = disk_modified(node->disk, flight->handle);
        return ERR_NONE;
    case ENV_LIST:
        return list_dir(flight);
    case ENV_SPACE:
        return disk_space(node->disk, flight->path, &flight->n);
    case ENV_OFFLOAD:
        return ERR_NONE; /* the node's half runs it */
    default:
        return change(flight);
    }
}

enum err world_file_perform(struct flight *flight)
{
    enum err fault = flight->fault != ERR_NONE ? flight->fault : fault_of(flight);
    if (flight->began && (flight->verb == ENV_SYNC || flight->verb == ENV_SYNC_DIR))
        return fault == ERR_TOOMANY ? fault : finish_sync(flight, fault); /* it was not tried */
    if (flight->began)
        return finish_write(flight, fault);
    return fault != ERR_NONE ? fault : perform(flight);
}

/* Those started before the completion of one that failed is delivered fail too. */
static void doom(struct world_file *file)
{
    LIST_EACH (flight, &file->appends, struct flight, in_file)
        flight->fault = flight->fault == ERR_NONE ? ERR_OFFLINE : flight->fault;
}

void world_file_delivered(struct flight *flight)
{
    if (!names_file((enum env_verb)flight->verb) || flight->verb == ENV_CLOSE_FILE)
        return;
    struct world_file *file = file_of(flight->node, flight->handle);
    file->flight_count--;
    if (flight->verb != ENV_APPEND)
        return;
    list_remove(&flight->in_file);
    if (flight->err != ERR_NONE)
        doom(file);
    struct flight *next = LIST_FIRST(&file->appends, struct flight, in_file);
    if (next != NULL)
        world_fly(next, world_disk_delay(next, next->size));
}

/* ---- death ---- */

/* Writes are the disk's own affair (disk_process_crash). Whatever else changes the disk is done or
 * is not. */
void world_file_crash(struct flight *flight)
{
    struct world_node *node = flight->node;
    uint64_t bits = fault_draw(&node->world->dice, node->index, USE_KILL, flight->key);
    bool idle = flight->on_net || flight->finished || flight->fault != ERR_NONE;
    if (idle || random_chance(bits, 1, 2))
        return;
    enum err e = ERR_NONE;
    switch ((enum env_verb)flight->verb) {
    case ENV_SYNC:
    case ENV_SYNC_DIR:
        e = disk_sync_finish(node->disk, &flight->sync);
        break;
    case ENV_OPEN:
    case ENV_TRUNCATE:
    case ENV_RENAME:
    case ENV_UNLINK:
    case ENV_MAKE_DIR:
        e = change(flight);
        break;
    default:
        break;
    }
    (void)e; /* nobody is left to be told */
}
