/* verbs.c - what cases are written with: each verb waited for, memory that lasts, and the usual
 * beginnings. */
#include "conformance/conformance.h"

void *take(struct conformance *t, size_t size)
{
    void *p = arena_alloc(&t->arena, size);
    CHECK(t, p != NULL);
    return p;
}

uint8_t pattern_byte(uint64_t key, uint64_t i)
{
    return (uint8_t)hash_mix(key * 0x10001 + i);
}

uint8_t *pattern(struct conformance *t, uint64_t key, uint64_t size)
{
    uint8_t *bytes = take(t, size);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = pattern_byte(key, i);
    return bytes;
}

bool is_pattern(const uint8_t *bytes, uint64_t key, uint64_t from, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != pattern_byte(key, from + i))
            return false;
    return true;
}

struct env_part part_of(const void *data, uint64_t size)
{
    return (struct env_part){.data = data, .size = size};
}

enum err do_open(struct conformance *t, const char *path, unsigned flags)
{
    struct ask *ask = ask_new(t);
    ask_open(ask, path, flags);
    return await(ask);
}

enum err do_close_file(struct conformance *t, env_file file)
{
    struct ask *ask = ask_new(t);
    ask_close_file(ask, file);
    return await(ask);
}

enum err do_read(struct conformance *t, env_file file, uint64_t offset, void *buffer, uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_read(ask, file, offset, buffer, size);
    return await(ask);
}

static struct env_part *one_part(struct conformance *t, const void *data, uint64_t size)
{
    struct env_part *part = take(t, sizeof *part);
    *part = part_of(data, size);
    return part;
}

enum err do_write(struct conformance *t, env_file file, uint64_t offset, const void *data,
                  uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_write(ask, file, offset, one_part(t, data, size), 1);
    return await(ask);
}

enum err do_append(struct conformance *t, env_file file, const void *data, uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_append(ask, file, one_part(t, data, size), 1);
    return await(ask);
}

enum err do_truncate(struct conformance *t, env_file file, uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_truncate(ask, file, size);
    return await(ask);
}

enum err do_size(struct conformance *t, env_file file)
{
    struct ask *ask = ask_new(t);
    ask_size(ask, file);
    return await(ask);
}

enum err do_sync(struct conformance *t, env_file file)
{
    struct ask *ask = ask_new(t);
    ask_sync(ask, file);
    return await(ask);
}

enum err do_sync_dir(struct conformance *t, const char *path)
{
    struct ask *ask = ask_new(t);
    ask_sync_dir(ask, path);
    return await(ask);
}

enum err do_rename(struct conformance *t, const char *path, const char *path_to)
{
    struct ask *ask = ask_new(t);
    ask_rename(ask, path, path_to);
    return await(ask);
}

enum err do_unlink(struct conformance *t, const char *path)
{
    struct ask *ask = ask_new(t);
    ask_unlink(ask, path);
    return await(ask);
}

enum err do_make_dir(struct conformance *t, const char *path)
{
    struct ask *ask = ask_new(t);
    ask_make_dir(ask, path);
    return await(ask);
}

enum err do_list(struct conformance *t, const char *path, void *buffer, uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_list(ask, path, buffer, size);
    return await(ask);
}

enum err do_space(struct conformance *t, const char *path)
{
    struct ask *ask = ask_new(t);
    ask_space(ask, path);
    return await(ask);
}

enum err do_listen(struct conformance *t, const char *host, uint16_t port)
{
    struct ask *ask = ask_new(t);
    ask_listen(ask, host, port);
    return await(ask);
}

enum err do_connect(struct conformance *t, const char *host, uint16_t port)
{
    struct ask *ask = ask_new(t);
    ask_connect(ask, host, port);
    return await(ask);
}

enum err do_send(struct conformance *t, env_stream stream, const void *data, uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_send(ask, stream, one_part(t, data, size), 1);
    return await(ask);
}

enum err do_receive(struct conformance *t, env_stream stream, void *buffer, uint64_t size)
{
    struct ask *ask = ask_new(t);
    ask_receive(ask, stream, buffer, size);
    return await(ask);
}

enum err do_close(struct conformance *t, uint64_t stream_or_listener)
{
    struct ask *ask = ask_new(t);
    ask_close(ask, stream_or_listener);
    return await(ask);
}

env_file new_file(struct conformance *t, const char *path)
{
    CHECK_OK(t, do_open(t, path, READ_WRITE_CREATE));
    CHECK(t, t->n != 0);
    return t->n;
}

env_file file_with(struct conformance *t, const char *path, const void *data, uint64_t size)
{
    env_file file = new_file(t, path);
    CHECK_OK(t, do_append(t, file, data, size));
    return file;
}

void connected_pair(struct conformance *t, env_stream *here, env_stream *there)
{
    struct ask *accept = ask_new(t);
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    ask_accept(accept, listener);
    CHECK_OK(t, do_connect(t, t->host, env_listener_port(listener)));
    *here = t->n;
    CHECK_OK(t, await(accept));
    *there = t->n;
    CHECK_OK(t, do_close(t, listener));
}

void receive_all(struct conformance *t, env_stream stream, uint8_t *buffer, uint64_t size)
{
    for (uint64_t got = 0; got < size; got += t->n) {
        CHECK_OK(t, do_receive(t, stream, buffer + got, size - got));
        CHECK(t, t->n > 0);
        CHECK(t, t->n <= size - got);
    }
}
