/* filter.c - see filter.h. A hello is a magic word and a nonce; the client's goes first, the keys
 * come from both. A record is its size, a check over key, number and bytes, and the bytes under a
 * keyed xor; one without bytes is the end. */
#include "support/filter/filter.h"

#define MAGIC 0x6b696c6e74657374ull

struct test_filter {
    struct conn_filter filter;
    struct mem *mem;
    enum conn_role role;
    uint64_t nonce;
    uint64_t read_key, write_key;
    uint32_t read_number, write_number;
    bool ready;    /* both hellos are known */
    bool ended;    /* the peer has said so */
    bool finished; /* we have */
    bool failed;
    /* A record or hello that comes, and the plain bytes of the last that came. */
    uint8_t in[TEST_FILTER_HEAD + TEST_FILTER_RECORD];
    uint32_t in_size;
    uint8_t plain[TEST_FILTER_RECORD];
    uint32_t plain_start, plain_end;
    /* What is pending: up to a hello and a record. */
    uint8_t out[TEST_FILTER_HELLO + 2 * TEST_FILTER_HEAD + TEST_FILTER_RECORD];
    uint32_t out_start, out_end;
};

static struct test_filter *filter_of(struct conn_filter *filter)
{
    return CONTAINER_OF(filter, struct test_filter, filter);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    struct rng rng = {.state = a ^ (b * 0x9e3779b97f4a7c15ull)};
    return rng_next(&rng);
}

/* The keyed xor, which undoes itself. */
static void turn(uint64_t key, uint32_t number, const uint8_t *from, uint8_t *to, uint32_t size)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < size; i++) {
        if (i % 8 == 0)
            word = mix(key + number, i);
        to[i] = (uint8_t)(from[i] ^ (uint8_t)(word >> (i % 8 * 8)));
    }
}

static uint32_t check(uint64_t key, uint32_t number, const uint8_t *plain, uint32_t size)
{
    uint64_t sum = mix(key, ((uint64_t)number << 32) | size);
    for (uint32_t i = 0; i < size; i++)
        sum = sum * 31 + plain[i];
    return (uint32_t)mix(sum, size);
}

/* ---- what is sent ---- */

static uint32_t out_room(const struct test_filter *f)
{
    return (uint32_t)sizeof f->out - f->out_end;
}

static void make_room_out(struct test_filter *f)
{
    memmove(f->out, f->out + f->out_start, f->out_end - f->out_start);
    f->out_end -= f->out_start;
    f->out_start = 0;
}

static void put_hello(struct test_filter *f)
{
    put_u64(f->out + f->out_end, MAGIC);
    put_u64(f->out + f->out_end + 8, f->nonce);
    f->out_end += TEST_FILTER_HELLO;
}

static void put_record(struct test_filter *f, const uint8_t *plain, uint32_t size)
{
    uint8_t *head = f->out + f->out_end;
    ASSERT(out_room(f) >= TEST_FILTER_HEAD + size);
    put_u16(head, (uint16_t)size);
    put_u32(head + 2, check(f->write_key, f->write_number, plain, size));
    turn(f->write_key, f->write_number, plain, head + TEST_FILTER_HEAD, size);
    f->write_number++;
    f->out_end += TEST_FILTER_HEAD + size;
}

/* Every fourth is of a few bytes, so that they end inside of lengths too. */
static uint32_t record_max(const struct test_filter *f)
{
    return f->write_number % 4 == 3 ? 1 + f->write_number / 4 % 7 : TEST_FILTER_RECORD;
}

static enum err filter_write(struct conn_filter *filter, const uint8_t *plain, size_t size,
                             size_t *used)
{
    struct test_filter *f = filter_of(filter);
    *used = 0;
    make_room_out(f);
    /* The end has its room always. */
    if (!f->ready || f->finished || out_room(f) <= 2 * TEST_FILTER_HEAD)
        return ERR_NONE;
    uint32_t now = (uint32_t)MIN(size, record_max(f));
    now = MIN(now, out_room(f) - 2 * TEST_FILTER_HEAD);
    put_record(f, plain, now);
    *used = now;
    return ERR_NONE;
}

static size_t filter_pending(const struct conn_filter *filter)
{
    const struct test_filter *f = CONTAINER_OF(filter, struct test_filter, filter);
    return f->out_end - f->out_start;
}

static size_t filter_take(struct conn_filter *filter, uint8_t *bytes, size_t cap)
{
    struct test_filter *f = filter_of(filter);
    uint32_t now = (uint32_t)MIN(cap, filter_pending(filter));
    memcpy(bytes, f->out + f->out_start, now);
    f->out_start += now;
    return now;
}

static void filter_finish(struct conn_filter *filter)
{
    struct test_filter *f = filter_of(filter);
    make_room_out(f);
    if (f->ready && !f->finished && !f->failed)
        put_record(f, NULL, 0);
    f->finished = true;
}

/* ---- what comes ---- */

static enum err take_hello(struct test_filter *f)
{
    uint64_t theirs = get_u64(f->in + 8);
    if (get_u64(f->in) != MAGIC)
        return ERR_ACCESS;
    bool client = f->role == CONN_CLIENT;
    uint64_t key = client ? mix(f->nonce, theirs) : mix(theirs, f->nonce);
    f->write_key = mix(key, client);
    f->read_key = mix(key, !client);
    f->ready = true;
    f->in_size = 0;
    if (!client)
        put_hello(f);
    return ERR_NONE;
}

static enum err take_record(struct test_filter *f)
{
    uint32_t size = f->in_size - TEST_FILTER_HEAD;
    turn(f->read_key, f->read_number, f->in + TEST_FILTER_HEAD, f->plain, size);
    if (check(f->read_key, f->read_number, f->plain, size) != get_u32(f->in + 2))
        return ERR_CORRUPT;
    f->read_number++;
    f->in_size = 0;
    f->plain_start = 0;
    f->plain_end = size;
    f->ended = size == 0;
    return ERR_NONE;
}

/* How long what comes will be, as far as it is known. */
static uint32_t in_wanted(const struct test_filter *f)
{
    if (!f->ready)
        return TEST_FILTER_HELLO;
    return TEST_FILTER_HEAD + (f->in_size < TEST_FILTER_HEAD ? 0 : get_u16(f->in));
}

static enum err feed(struct test_filter *f, const uint8_t *bytes, size_t size, size_t *used)
{
    ASSERT(f->plain_start == f->plain_end);
    while (*used < size && f->plain_start == f->plain_end && !f->ended) {
        uint32_t now = (uint32_t)MIN(size - *used, in_wanted(f) - f->in_size);
        memcpy(f->in + f->in_size, bytes + *used, now);
        f->in_size += now;
        *used += now;
        if (f->ready && f->in_size >= TEST_FILTER_HEAD && get_u16(f->in) > TEST_FILTER_RECORD)
            return ERR_CORRUPT;
        if (f->in_size < in_wanted(f))
            continue;
        enum err e = f->ready ? take_record(f) : take_hello(f);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static enum err filter_feed(struct conn_filter *filter, const uint8_t *bytes, size_t size,
                            size_t *used)
{
    struct test_filter *f = filter_of(filter);
    *used = 0;
    enum err e = f->failed ? ERR_CORRUPT : feed(f, bytes, size, used);
    f->failed = e != ERR_NONE;
    return e;
}

static enum err filter_read(struct conn_filter *filter, uint8_t *plain, size_t cap, size_t *got)
{
    struct test_filter *f = filter_of(filter);
    uint32_t now = (uint32_t)MIN(cap, f->plain_end - f->plain_start);
    memcpy(plain, f->plain + f->plain_start, now);
    f->plain_start += now;
    *got = now;
    return now == 0 && f->ended ? ERR_EOF : ERR_NONE;
}

/* ---- life ---- */

static void filter_free(struct conn_filter *filter)
{
    struct test_filter *f = filter_of(filter);
    mem_free(f->mem, f);
}

static const struct conn_filter_kind kind = {
    .feed = filter_feed,
    .read = filter_read,
    .write = filter_write,
    .pending = filter_pending,
    .take = filter_take,
    .finish = filter_finish,
    .free = filter_free,
};

static struct conn_filter *make(const struct conn_filtering *filtering, enum conn_role role,
                                struct env *env, struct mem *mem)
{
    struct test_filter *f = mem_zalloc(mem, sizeof *f);
    (void)filtering;
    if (f == NULL)
        return NULL;
    f->filter.kind = &kind;
    f->mem = mem;
    f->role = role;
    f->nonce = env_random(env, "test_filter/nonce", role);
    if (role == CONN_CLIENT)
        put_hello(f);
    return &f->filter;
}

const struct conn_filtering test_filtering = {.make = make, .bytes = sizeof(struct test_filter)};
