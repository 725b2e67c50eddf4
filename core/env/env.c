/* env.c - fills an operation from a verb's arguments and hands it to the door. It does nothing
 * else. */
#include "env/env.h"

const char *const env_verb_names[ENV_VERB_COUNT] = {
    [ENV_OPEN] = "open",         [ENV_CLOSE_FILE] = "close file",
    [ENV_READ] = "read",         [ENV_WRITE] = "write",
    [ENV_APPEND] = "append",     [ENV_TRUNCATE] = "truncate",
    [ENV_SIZE] = "size",         [ENV_SYNC] = "sync",
    [ENV_SYNC_DIR] = "sync dir", [ENV_RENAME] = "rename",
    [ENV_UNLINK] = "unlink",     [ENV_MAKE_DIR] = "make dir",
    [ENV_LIST] = "list",         [ENV_SPACE] = "space",
    [ENV_LISTEN] = "listen",     [ENV_ACCEPT] = "accept",
    [ENV_CONNECT] = "connect",   [ENV_SEND] = "send",
    [ENV_RECEIVE] = "receive",   [ENV_CLOSE] = "close",
    [ENV_OFFLOAD] = "offload",
};

/* Clears what an earlier use left behind and notes what every verb has. */
static void prepare(struct env_op *op, enum env_verb verb, env_done *done)
{
    ASSERT(!op->in_flight);
    ASSERT(done != NULL);
    *op = (struct env_op){.done = done, .verb = (uint8_t)verb, .in_flight = true};
    list_init(&op->link);
}

static void submit(struct env *env, struct env_op *op)
{
    env->door->submit(env, op);
}

static void prepare_path(struct env_op *op, enum env_verb verb, const char *path, env_done *done)
{
    ASSERT(strlen(path) < ENV_PATH_MAX);
    prepare(op, verb, done);
    op->path = path;
}

static void prepare_file(struct env_op *op, enum env_verb verb, env_file file, env_done *done)
{
    ASSERT(file != 0);
    prepare(op, verb, done);
    op->handle = file;
}

static void set_parts(struct env_op *op, const struct env_part *parts, int part_count)
{
    ASSERT(part_count > 0);
    ASSERT(part_count <= ENV_PARTS_MAX);
    op->parts = parts;
    op->part_count = part_count;
    for (int i = 0; i < part_count; i++)
        op->size += parts[i].size;
    ASSERT(op->size > 0);
    ASSERT(op->size <= ENV_IO_BYTES_MAX);
}

void env_arm(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    ASSERT(timer->fire != NULL);
    env->door->arm(env, timer, deadline_ns);
}

void env_disarm(struct env *env, struct env_timer *timer)
{
    if (env_armed(timer))
        env->door->disarm(env, timer);
}

void env_open_file(struct env *env, struct env_op *op, const char *path, unsigned flags,
                   env_done *done)
{
    prepare_path(op, ENV_OPEN, path, done);
    op->flags = (uint16_t)flags;
    submit(env, op);
}

void env_close_file(struct env *env, struct env_op *op, env_file file, env_done *done)
{
    prepare_file(op, ENV_CLOSE_FILE, file, done);
    submit(env, op);
}

void env_read(struct env *env, struct env_op *op, env_file file, uint64_t offset, void *buffer,
              uint64_t size, env_done *done)
{
    ASSERT(size > 0);
    ASSERT(size <= ENV_IO_BYTES_MAX);
    prepare_file(op, ENV_READ, file, done);
    op->offset = offset;
    op->buffer = buffer;
    op->size = size;
    submit(env, op);
}

void env_write(struct env *env, struct env_op *op, env_file file, uint64_t offset,
               const struct env_part *parts, int part_count, env_done *done)
{
    prepare_file(op, ENV_WRITE, file, done);
    op->offset = offset;
    set_parts(op, parts, part_count);
    submit(env, op);
}

void env_append(struct env *env, struct env_op *op, env_file file, const struct env_part *parts,
                int part_count, env_done *done)
{
    prepare_file(op, ENV_APPEND, file, done);
    set_parts(op, parts, part_count);
    submit(env, op);
}

void env_truncate(struct env *env, struct env_op *op, env_file file, uint64_t size, env_done *done)
{
    prepare_file(op, ENV_TRUNCATE, file, done);
    op->size = size;
    submit(env, op);
}

void env_size(struct env *env, struct env_op *op, env_file file, env_done *done)
{
    prepare_file(op, ENV_SIZE, file, done);
    submit(env, op);
}

void env_sync(struct env *env, struct env_op *op, env_file file, env_done *done)
{
    prepare_file(op, ENV_SYNC, file, done);
    submit(env, op);
}

void env_sync_dir(struct env *env, struct env_op *op, const char *path, env_done *done)
{
    prepare_path(op, ENV_SYNC_DIR, path, done);
    submit(env, op);
}

void env_rename(struct env *env, struct env_op *op, const char *path, const char *path_to,
                env_done *done)
{
    ASSERT(strlen(path_to) < ENV_PATH_MAX);
    prepare_path(op, ENV_RENAME, path, done);
    op->path_to = path_to;
    submit(env, op);
}

void env_unlink(struct env *env, struct env_op *op, const char *path, env_done *done)
{
    prepare_path(op, ENV_UNLINK, path, done);
    submit(env, op);
}

void env_make_dir(struct env *env, struct env_op *op, const char *path, env_done *done)
{
    prepare_path(op, ENV_MAKE_DIR, path, done);
    submit(env, op);
}

void env_list(struct env *env, struct env_op *op, const char *path, void *buffer, uint64_t size,
              env_done *done)
{
    prepare_path(op, ENV_LIST, path, done);
    op->buffer = buffer;
    op->size = size;
    submit(env, op);
}

void env_space(struct env *env, struct env_op *op, const char *path, env_done *done)
{
    prepare_path(op, ENV_SPACE, path, done);
    submit(env, op);
}

void env_listen(struct env *env, struct env_op *op, const char *host, uint16_t port, env_done *done)
{
    ASSERT(strlen(host) < ENV_HOST_MAX);
    prepare(op, ENV_LISTEN, done);
    op->path = host;
    op->port = port;
    submit(env, op);
}

void env_accept(struct env *env, struct env_op *op, env_listener listener, char peer[ENV_PEER_SIZE],
                env_done *done)
{
    prepare_file(op, ENV_ACCEPT, listener, done);
    op->buffer = peer;
    op->size = ENV_PEER_SIZE;
    submit(env, op);
}

void env_connect(struct env *env, struct env_op *op, const char *host, uint16_t port,
                 env_done *done)
{
    ASSERT(strlen(host) < ENV_HOST_MAX);
    prepare(op, ENV_CONNECT, done);
    op->path = host;
    op->port = port;
    submit(env, op);
}

void env_send(struct env *env, struct env_op *op, env_stream stream, const struct env_part *parts,
              int part_count, env_done *done)
{
    prepare_file(op, ENV_SEND, stream, done);
    set_parts(op, parts, part_count);
    submit(env, op);
}

void env_receive(struct env *env, struct env_op *op, env_stream stream, void *buffer, uint64_t size,
                 env_done *done)
{
    ASSERT(size > 0);
    prepare_file(op, ENV_RECEIVE, stream, done);
    op->buffer = buffer;
    op->size = size;
    submit(env, op);
}

void env_close(struct env *env, struct env_op *op, uint64_t stream_or_listener, env_done *done)
{
    prepare_file(op, ENV_CLOSE, stream_or_listener, done);
    submit(env, op);
}

void env_offload(struct env *env, struct env_op *op, void (*function)(void *argument),
                 void *argument, env_done *done)
{
    ASSERT(function != NULL);
    prepare(op, ENV_OFFLOAD, done);
    op->function = function;
    op->buffer = argument;
    submit(env, op);
}
