/* fuzz_segment.c - bytes as the files of a partition and of the directory of logs around it: each a
 * byte that chooses its name, two for its size, and what is in it. The inspection must end, tell
 * the same when asked again, and touch nothing else. */
#include <stdlib.h>
#include <string.h>
#include "inspect/inspect.h"
#include "fuzz.h"

#define FILES_MAX 32
#define HEAD 3

static const char *const names[] = {
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000010.log",
    "00000000000000000010.index",
    "00000000000000000010.timeindex",
    "00000000000000000010.txnindex",
    "00000000000000000010.snapshot",
    "00000000000000000010.snapshot-window",
    "00000000000000000020.log",
    "00000000000000000020.index",
    "00000000000000000020.timeindex",
    "00000000000000000020.snapshot",
    "00000000000000000020.snapshot-window",
    "00000000000000000034.snapshot",
    "00000000000000000034.snapshot-window",
    "09223372036854775807.log",
    "leader-epoch-checkpoint",
    "leader-epoch-checkpoint.crc",
    "partition.metadata",
    "quorum-state",
    "00000000000000000010-0000000001.checkpoint",
    "00000000000000000000.log.cut-5",
    "00000000000000000034.log.deleted",
    "nobody's",
};

static const char *const root_names[] = {
    "recovery-point-offset-checkpoint",
    "recovery-point-offset-checkpoint.crc",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
    "meta.properties",
    ".kafka_cleanshutdown",
};

struct input {
    struct inspect_file files[FILES_MAX], root_files[FILES_MAX];
    struct inspect_dir dir, root;
};

/* The same name may come twice, as no directory would have it. */
static void add_file(struct inspect_dir *dir, const char *name, const uint8_t *data, size_t size)
{
    if (dir->file_count < FILES_MAX)
        dir->files[dir->file_count++] =
            (struct inspect_file){.name = name, .bytes = bytes_of(data, size)};
}

static void take_apart(struct input *input, const uint8_t *data, size_t size)
{
    /* Of the first byte one bit says whose log it is, another that its checksums are right. */
    const char *name = size > 0 && (data[0] & 1) != 0 ? "__cluster_metadata-0" : "orders-0";
    input->dir = (struct inspect_dir){.path = name, .name = name, .files = input->files};
    input->root = (struct inspect_dir){.path = "", .name = "", .files = input->root_files};
    for (size_t at = 1; at + HEAD <= size;) {
        size_t length = MIN((size_t)get_u16(data + at + 1), size - at - HEAD);
        size_t choice = data[at] % (COUNT_OF(names) + COUNT_OF(root_names));
        if (choice < COUNT_OF(names))
            add_file(&input->dir, names[choice], data + at + HEAD, length);
        else
            add_file(&input->root, root_names[choice - COUNT_OF(names)], data + at + HEAD, length);
        at += HEAD + length;
    }
}

/* Right checksums, so that what stands behind them is looked at. */
static void reseal(uint8_t *data, size_t size, const char *name)
{
    struct wire_batch batch;
    if (strstr(name, ".snapshot") != NULL && size >= 10)
        put_u32(data + 2, crc32c(0, data + 6, size - 6));
    if (strstr(name, ".log") == NULL && strstr(name, ".checkpoint") == NULL)
        return;
    for (size_t at = 0; wire_batch_at(bytes_of(data, size), at, &batch, NULL) == WIRE_AT_BATCH;
         at += (size_t)batch.size)
        put_u32(data + at + 17, crc32c(0, data + at + 21, (size_t)batch.size - 21));
}

static void reseal_all(const struct input *input)
{
    for (int32_t i = 0; i < input->dir.file_count; i++) {
        const struct inspect_file *file = &input->files[i];
        reseal((uint8_t *)(uintptr_t)file->bytes.data, file->bytes.size, file->name);
    }
}

struct asking {
    struct inspect in;
    uint64_t hash;
};

static void take(struct inspect *in, struct bytes piece)
{
    struct asking *asking = CONTAINER_OF(in, struct asking, in);
    asking->hash = hash_bytes(piece.data, piece.size, asking->hash);
}

/* A hash of all that is told. */
static uint64_t ask(const uint8_t *data, size_t size, bool json)
{
    struct mem mem;
    struct input input;
    struct asking asking = {.hash = 1};
    struct inspect *in = &asking.in;
    struct inspect_root *root;
    memset(&input, 0, sizeof input);
    mem_system(&mem);
    take_apart(&input, data, size);
    inspect_init(in, &mem);
    in->json = json;
    in->records = true;
    in->write = take;
    enum err e = inspect_root_new(in, &input.root, true, &root);
    ASSERT(e == ERR_NONE);
    e = inspect_check(in, root, &input.dir, false);
    ASSERT(e == ERR_NONE);
    e = inspect_root_end(in, root, &input.dir.name, 1);
    ASSERT(e == ERR_NONE);
    inspect_root_free(in, root);
    for (int32_t i = 0; i < input.dir.file_count; i++) {
        e = inspect_dump(in, &input.dir, &input.files[i]);
        ASSERT(e == ERR_NONE);
        ASSERT(input.files[i].map_count == 0);
    }
    ASSERT(in->damage_count >= 0);
    inspect_free(in);
    ASSERT(mem.live_count == 0);
    return asking.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    uint8_t *copy = malloc(size + 1);
    ASSERT(copy != NULL);
    memcpy(copy, data, size);
    memset(&input, 0, sizeof input);
    take_apart(&input, copy, size);
    if (size > 0 && (data[0] & 2) != 0)
        reseal_all(&input);
    uint64_t words = ask(copy, size, false);
    uint64_t again = ask(copy, size, false);
    ASSERT(words == again);
    ask(copy, size, true);
    free(copy);
    return 0;
}
