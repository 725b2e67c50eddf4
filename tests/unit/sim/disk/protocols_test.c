/* protocols_test.c - the model catches what is known to be wrong, and lets what is right live: ways
 * to store something, each with its good twin, crashed after every step in every state there is and
 * in thousands that are torn (simulation.md 3.5). */
#include "help.h"

#define KEYS 5000 /* torn crash states after a step */
#define GOOD_STATES_LEAST 100000

struct store {
    struct mem mem;
    struct disk *disk;
    bool good;
    bool acked; /* the new value was promised to somebody */
    bool flip;  /* damage the states, too */
    bool (*survives)(struct store *store, struct disk *state);
    int state_count, lost_count;
};

typedef void store_run(struct store *store);

static char old_value[1501];
static char new_value[1701];

static void visit(void *context, struct disk *state)
{
    struct store *store = context;
    store->state_count++;
    store->lost_count += !store->survives(store, state);
}

/* The power may go here. */
static void step(struct store *store)
{
    enum err e = disk_crash_states(store->disk, visit, store);
    assert_true(e == ERR_NONE || e == ERR_LIMIT);
    for (uint64_t key = 0; key < KEYS; key++) {
        struct disk *state;
        assert_ok(disk_crashed(store->disk, key, &state));
        visit(store, state);
        disk_free(state);
    }
}

static void ack(struct store *store)
{
    store->acked = true;
    step(store);
}

/* How many crash states lose something. */
static int lost(enum disk_personality personality, bool good, store_run *run,
                bool (*survives)(struct store *, struct disk *), int *state_count)
{
    struct store store = {.good = good, .survives = survives};
    memset(old_value, 'o', sizeof old_value - 1);
    memset(new_value, 'n', sizeof new_value - 1);
    mem_system(&store.mem);
    store.disk = help_personality(&store.mem, personality);
    run(&store);
    disk_free(store.disk);
    assert_int_equal(store.mem.live_count, 0);
    *state_count += store.state_count;
    return store.lost_count;
}

#define IN(personality) (1u << (personality))
#define EVERYWHERE 15u

/* The bad one is caught exactly where the file system allows the loss; the good one lives
 * everywhere. */
static void judge(store_run *run, bool (*survives)(struct store *, struct disk *), unsigned caught)
{
    int good_count = 0;
    int bad_count = 0;
    unsigned found = 0;
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        enum disk_personality personality = (enum disk_personality)p;
        assert_int_equal(lost(personality, true, run, survives, &good_count), 0);
        if (lost(personality, false, run, survives, &bad_count) > 0)
            found |= IN(p);
    }
    assert_int_equal(found, caught);
    assert_true(good_count >= GOOD_STATES_LEAST);
}

static bool shows(struct disk *state, const char *path, const char *value)
{
    char got[8192];
    return help_get(state, path, got, sizeof got) == (int64_t)strlen(value) &&
           strcmp(got, value) == 0;
}

/* The old value or, once it was promised, nothing but the new one. */
static bool old_or_new(struct store *store, struct disk *state)
{
    return shows(state, "f", new_value) || (!store->acked && shows(state, "f", old_value));
}

/* Only a promise counts. */
static bool new_if_acked(struct store *store, struct disk *state)
{
    return !store->acked || shows(state, "f", new_value);
}

static void write_new(struct store *store, uint64_t file)
{
    help_append(store->disk, file, new_value, 900);
    step(store);
    help_append(store->disk, file, new_value + 900, strlen(new_value) - 900);
    step(store);
}

static void sync_step(struct store *store, uint64_t file)
{
    help_sync(store->disk, file);
    step(store);
}

static void sync_dir_step(struct store *store)
{
    help_sync_dir(store->disk, ".");
    step(store);
}

/* ---- replacing a file ---- */

static void replace(struct store *store, bool syncs_file, bool syncs_dir)
{
    help_put_durable(store->disk, "f", old_value);
    uint64_t file = help_open(store->disk, "f.tmp", RWC);
    step(store);
    write_new(store, file);
    if (syncs_file)
        sync_step(store, file);
    assert_ok(disk_rename(store->disk, "f.tmp", "f"));
    step(store);
    if (syncs_dir)
        sync_dir_step(store);
    ack(store);
}

static void rename_unsynced(struct store *store)
{
    replace(store, store->good, true);
}

TEST(a_rename_of_what_was_not_synced_loses_both_values_but_on_ext4)
{
    judge(rename_unsynced, old_or_new, EVERYWHERE & ~IN(DISK_EXT4));
}

static void rename_without_dir_sync(struct store *store)
{
    replace(store, true, store->good);
}

TEST(a_rename_without_a_sync_of_the_directory_loses_the_promise)
{
    judge(rename_without_dir_sync, old_or_new, EVERYWHERE);
}

/* ---- making a file ---- */

static void create(struct store *store)
{
    uint64_t file = help_open(store->disk, "f", RWC);
    step(store);
    write_new(store, file);
    sync_step(store, file);
    if (store->good)
        sync_dir_step(store);
    ack(store);
}

TEST(a_new_file_without_a_sync_of_its_directory_is_lost)
{
    judge(create, new_if_acked, EVERYWHERE);
}

/* ---- a value written over the old one ---- */

#define SLOT_BYTES 1500

struct checkpoint {
    char value[SLOT_BYTES];
    uint64_t generation;
    uint32_t crc;
};

static struct checkpoint checkpoint_of(char fill, uint64_t generation)
{
    struct checkpoint c;
    memset(&c, 0, sizeof c);
    memset(c.value, fill, sizeof c.value);
    c.generation = generation;
    c.crc = crc32c(0, &c, offsetof(struct checkpoint, crc));
    return c;
}

static bool load(struct disk *disk, const char *path, struct checkpoint *out)
{
    char got[sizeof *out + 1];
    if (help_get(disk, path, got, sizeof got) != sizeof *out)
        return false;
    memcpy(out, got, sizeof *out);
    return true;
}

static bool intact(const struct checkpoint *c)
{
    return c->crc == crc32c(0, c, offsetof(struct checkpoint, crc));
}

static bool is_whole(const struct checkpoint *c, char fill)
{
    struct checkpoint want = checkpoint_of(fill, c->generation);
    return memcmp(c->value, want.value, sizeof want.value) == 0;
}

/* The good one believes the newer of two slots with a good CRC, the bad one its only slot. */
static bool reads_checkpoint(struct store *store, struct disk *state)
{
    struct checkpoint a;
    struct checkpoint b;
    if (!load(state, "slot0", &a))
        return false;
    if (store->good) {
        if (!load(state, "slot1", &b))
            return false;
        if (!intact(&a) || (intact(&b) && b.generation > a.generation))
            a = b;
        if (!intact(&a))
            return false;
    }
    return is_whole(&a, 'n') || (!store->acked && is_whole(&a, 'o'));
}

static void put_slot(struct store *store, const char *path, const struct checkpoint *c)
{
    uint64_t file = help_open(store->disk, path, RWC);
    help_write(store->disk, file, 0, c, sizeof *c);
    help_sync(store->disk, file);
    help_sync_dir(store->disk, ".");
}

static void write_in_place(struct store *store)
{
    struct checkpoint before = checkpoint_of('o', 1);
    struct checkpoint oldest = checkpoint_of('x', 0);
    struct checkpoint after = checkpoint_of('n', 2);
    put_slot(store, "slot0", &before);
    put_slot(store, "slot1", &oldest);
    for (int i = 0; i < 3; i++)
        step(store);
    uint64_t file = help_open(store->disk, store->good ? "slot1" : "slot0", RW);
    help_write(store->disk, file, 0, &after, sizeof after);
    step(store);
    sync_step(store, file);
    ack(store);
}

TEST(a_checkpoint_written_in_place_without_a_crc_is_torn_but_on_cow)
{
    judge(write_in_place, reads_checkpoint, EVERYWHERE & ~IN(DISK_COW));
}

/* ---- cutting first, writing then ---- */

static void truncate_then_append(struct store *store)
{
    if (store->good) {
        replace(store, true, true);
        return;
    }
    help_put_durable(store->disk, "f", old_value);
    uint64_t file = help_open(store->disk, "f", RW | ENV_OPEN_TRUNCATE);
    step(store);
    write_new(store, file);
    sync_step(store, file);
    ack(store);
}

TEST(a_file_cut_before_it_is_written_anew_loses_both_values)
{
    judge(truncate_then_append, old_or_new, EVERYWHERE);
}

/* ---- promising too early ---- */

static void append_and_ack(struct store *store)
{
    help_put_durable(store->disk, "f", "");
    uint64_t file = help_open(store->disk, "f", RW);
    write_new(store, file);
    if (store->good)
        sync_step(store, file);
    ack(store);
    sync_step(store, file);
}

TEST(a_promise_before_the_sync_is_broken)
{
    judge(append_and_ack, new_if_acked, EVERYWHERE);
}

/* The good one tells nobody, and writes all of it again elsewhere. */
static void sync_again(struct store *store)
{
    help_put_durable(store->disk, "f", "");
    uint64_t file = help_open(store->disk, "f", RW);
    write_new(store, file);
    assert_int_equal(help_fail_sync(store->disk, file, 1, false), ERR_IO);
    step(store);
    if (!store->good) {
        sync_step(store, file);
        ack(store);
        return;
    }
    file = help_open(store->disk, "f.again", RWC);
    write_new(store, file);
    sync_step(store, file);
    assert_ok(disk_rename(store->disk, "f.again", "f"));
    sync_dir_step(store);
    ack(store);
}

TEST(a_failed_sync_tried_again_and_believed_breaks_the_promise)
{
    judge(sync_again, new_if_acked, EVERYWHERE);
}

/* ---- a log that repairs itself ---- */

#define RECORD_BYTES 1000
#define RECORDS_ACKED 3
#define RECORDS 5

struct record {
    uint32_t crc;
    char value[RECORD_BYTES];
};

static struct record record_of(int index)
{
    struct record r;
    memset(r.value, 'a' + index, sizeof r.value);
    r.crc = crc32c(0, r.value, sizeof r.value);
    return r;
}

static bool valid(const struct record *r, int index)
{
    struct record want = record_of(index);
    return memcmp(r, &want, sizeof want) == 0;
}

/* Where recovery cuts the log; -1: it refuses to. The good one cuts nothing below the point up to
 * which it promised. */
static int cut_at(const struct store *store, const struct record *records, int count)
{
    int at = 0;
    while (at < count && records[at].crc == crc32c(0, records[at].value, RECORD_BYTES))
        at++;
    if (at < count && at < RECORDS_ACKED && store->good)
        return -1;
    return at;
}

static bool recovers_log(struct store *store, struct disk *state)
{
    struct record records[RECORDS];
    char got[sizeof records + 1];
    if (store->flip)
        assert_ok(disk_flip(state, "f", sizeof(struct record) + 99, 3));
    int64_t size = help_get(state, "f", got, sizeof got);
    int count = (int)(size / (int64_t)sizeof(struct record));
    memcpy(records, got, (size_t)count * sizeof(struct record));
    int kept = cut_at(store, records, count);
    if (kept < 0)
        return store->flip;
    if (kept < RECORDS_ACKED)
        return false;
    for (int i = 0; i < kept; i++)
        if (!valid(&records[i], i))
            return false;
    return true;
}

static void log_with_damage(struct store *store)
{
    help_put_durable(store->disk, "f", "");
    uint64_t file = help_open(store->disk, "f", RW);
    for (int i = 0; i < RECORDS; i++) {
        struct record r = record_of(i);
        help_append(store->disk, file, &r, sizeof r);
        if (i < RECORDS_ACKED)
            help_sync(store->disk, file);
        if (i < RECORDS_ACKED - 1)
            continue;
        store->flip = false;
        step(store);
        store->flip = true;
        step(store);
    }
}

TEST(a_log_cut_at_a_damaged_record_loses_what_stood_behind_it)
{
    judge(log_with_damage, recovers_log, EVERYWHERE);
}
