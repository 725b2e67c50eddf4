/* fuzz_messages.c - every message of every version: two bytes name the message, one the version,
 * the rest is decoded. What decodes must print, encode, and decode again to the same. */
#include "wire/wire.h"
#include "fuzz.h"

#define SELECTOR_SIZE 3
/* A message costs at most so many bytes of memory a byte of input (a topic name of one byte is an
 * element of some tens), beside its own struct. */
#define COST_MAX 64

/* By a hash of its name, so that a corpus outlives new rows; what matches none is an index. */
static const struct wire_message *select_message(uint16_t selector)
{
    for (int i = 0; i < wire_message_count; i++) {
        if ((uint16_t)hash_text(wire_messages[i]->name) == selector)
            return wire_messages[i];
    }
    return wire_messages[selector % wire_message_count];
}

static void check_again(const struct wire_message *m, int version, const void *message,
                        struct mem *mem, struct arena *arena)
{
    struct wire_out out;
    struct text text;
    wire_out_init(&out, mem);
    text_init(&text, mem);
    void *again = arena_alloc(arena, m->size);
    enum err e = wire_encode(m, version, message, &out);
    ASSERT(e == ERR_NONE);
    ASSERT(out.gap_count == 0);
    e = wire_decode(m, version, bytes_of(out.data, out.size), NULL, again, arena, NULL);
    ASSERT(e == ERR_NONE);
    ASSERT(wire_equal(m, message, again));
    wire_print(m, version, message, &text);
    ASSERT(text.size >= 2);
    text_free(&text);
    wire_out_free(&out);
}

static void check_header(struct bytes in)
{
    struct wire_request_header header;
    struct errmsg msg = {0};
    size_t used = 0;
    enum err e = wire_decode_request_header(in, &used, &header, &msg);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT);
    ASSERT(used <= in.size);
}

/* What is read strictly is read leniently too; it takes no more than its arena may hold. */
static void check_lenient(const struct wire_message *m, int version, struct bytes in, bool strict)
{
    struct mem mem;
    struct arena arena;
    mem_system(&mem);
    arena_init(&arena, &mem, m->size + COST_MAX * (in.size + 1));
    void *message = arena_alloc(&arena, m->size);
    enum err e = wire_decode_request(m, version, in, message, &arena, NULL);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT || e == ERR_NOMEM);
    ASSERT(e == ERR_NONE || !strict);
    arena_free(&arena);
    ASSERT(mem.live_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < SELECTOR_SIZE)
        return 0;
    const struct wire_message *m = select_message(get_u16(data));
    int version = m->oldest + data[2] % (m->newest - m->oldest + 1);
    struct bytes in = bytes_of(data + SELECTOR_SIZE, size - SELECTOR_SIZE);
    struct mem mem;
    struct arena arena;
    struct errmsg msg = {0};
    size_t used;
    mem_system(&mem);
    arena_init(&arena, &mem, SIZE_MAX);
    void *message = arena_alloc(&arena, m->size);
    enum err e = wire_decode(m, version, in, &used, message, &arena, &msg);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT);
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    ASSERT(arena.total <= m->size + COST_MAX * in.size);
    if (e == ERR_NONE) {
        ASSERT(used <= in.size);
        check_again(m, version, message, &mem, &arena);
    }
    check_lenient(m, version, in, e == ERR_NONE);
    check_header(in);
    arena_free(&arena);
    ASSERT(mem.live_count == 0);
    return 0;
}
