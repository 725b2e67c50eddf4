/* electors.c - kraft.version 1: what the metadata log and its snapshots say of who votes and where
 * each is found (KIP-853). Which of it is in force is raft's to say: a record counts from its
 * append on, and never did once it is truncated (K-16). */
#include "quorum/internal.h"

#define ARENA_BYTES (1u << 20)
#define RECORD_VERSION 0 /* of KRaftVersionRecord and VotersRecord */

void quorum_electors_free(struct quorum *q, struct electors *e)
{
    if (e == NULL)
        return;
    list_remove(&e->link);
    arena_free(&e->arena);
    mem_free(q->mem, e);
}

static void free_all(struct quorum *q, struct list *list)
{
    struct list *link;
    while ((link = list_pop_front(list)) != NULL) {
        list_init(link);
        quorum_electors_free(q, CONTAINER_OF(link, struct electors, link));
    }
}

void quorum_electors_end(struct quorum *q)
{
    free_all(q, &q->electors);
    free_all(q, &q->electors_come);
}

void quorum_electors_drop_come(struct quorum *q)
{
    free_all(q, &q->electors_come);
}

/* ---- out of records ---- */

static enum err take_keys(struct electors *e, struct errmsg *msg)
{
    if (e->record.voters_count < 1 || e->record.voters_count > RAFT_VOTERS_MAX)
        return errmsg_set(msg, ERR_UNSUPPORTED, "a record names %d voters, and 1 to %d are served",
                          (int)e->record.voters_count, RAFT_VOTERS_MAX);
    for (int32_t i = 0; i < e->record.voters_count; i++) {
        const struct wire_voters_record_voter *voter = &e->record.voters[i];
        if (voter->voter_id < 0)
            return errmsg_set(msg, ERR_CORRUPT, "a record names voter %d", (int)voter->voter_id);
        e->keys.keys[e->keys.count++] =
            (struct raft_key){.id = voter->voter_id, .directory = voter->voter_directory_id};
    }
    return ERR_NONE;
}

static enum err decode(struct electors *e, struct bytes value, struct errmsg *msg)
{
    if (value.size < 2 || get_i16(value.data) != RECORD_VERSION)
        return errmsg_set(msg, ERR_UNSUPPORTED, "a record of voters is of an unknown version");
    uint8_t *copy = arena_alloc(&e->arena, value.size);
    if (copy == NULL)
        return ERR_NOMEM;
    memcpy(copy, value.data, value.size);
    enum err err = wire_decode(&wire_voters_record_message, RECORD_VERSION,
                               bytes_of(copy, value.size), NULL, &e->record, &e->arena, msg);
    return err == ERR_NONE ? take_keys(e, msg) : err;
}

static enum err read_record(struct quorum *q, struct bytes value, int64_t offset,
                            struct electors **out, struct errmsg *msg)
{
    struct electors *e = mem_zalloc(q->mem, sizeof *e);
    if (e == NULL)
        return ERR_NOMEM;
    list_init(&e->link);
    e->offset = offset;
    arena_init(&e->arena, q->mem, ARENA_BYTES);
    enum err err = decode(e, value, msg);
    if (err != ERR_NONE) {
        quorum_electors_free(q, e);
        return err;
    }
    quorum_electors_free(q, *out); /* the last of a batch counts */
    *out = e;
    return ERR_NONE;
}

static enum err check_version(struct bytes value, struct errmsg *msg)
{
    struct wire_kraft_version_record record;
    struct arena none = {0};
    enum err e = wire_decode(&wire_kraft_version_record_message, RECORD_VERSION, value, NULL,
                             &record, &none, msg);
    if (e == ERR_NONE && record.kraft_version > QUORUM_KRAFT_VERSION)
        return errmsg_set(msg, ERR_UNSUPPORTED, "the log is of kraft.version %d, and %d is served",
                          (int)record.kraft_version, QUORUM_KRAFT_VERSION);
    return e;
}

enum err quorum_electors_read(struct quorum *q, const struct wire_batch *head, struct bytes in,
                              int64_t offset, struct electors **out, struct errmsg *msg)
{
    struct wire_records it;
    struct wire_record record;
    int16_t type = 0;
    *out = NULL;
    if ((head->attributes & WIRE_BATCH_CONTROL) == 0)
        return ERR_NONE;
    enum err e = wire_records_begin(&it, head, in, msg);
    while (e == ERR_NONE && it.left > 0) {
        e = wire_records_next(&it, &record, msg);
        if (e == ERR_NONE)
            e = wire_control_type(record.key, &type, msg);
        struct bytes value = bytes_of(record.value.data, (size_t)MAX(record.value.size, 0));
        if (e == ERR_NONE && type == WIRE_CONTROL_KRAFT_VERSION)
            e = check_version(value, msg);
        if (e == ERR_NONE && type == WIRE_CONTROL_KRAFT_VOTERS)
            e = read_record(q, value, offset, out, msg);
    }
    if (e == ERR_NONE)
        return ERR_NONE;
    quorum_electors_free(q, *out);
    *out = NULL;
    return e;
}

/* ---- which are known ---- */

void quorum_electors_add(struct quorum *q, struct electors *e)
{
    list_push_back(&q->electors, &e->link);
}

static bool stands(const struct raft_voter_set *sets, int32_t count, int64_t offset)
{
    for (int32_t i = 0; i < count; i++) {
        if (sets[i].offset == offset)
            return true;
    }
    return false;
}

const struct electors *quorum_electors_at(const struct quorum *q, int64_t offset)
{
    const struct electors *found = NULL;
    LIST_EACH (e, &q->electors, struct electors, link) {
        if (e->offset < offset)
            found = e;
    }
    return found;
}

/* What came and was taken is known; what was cut is not any more; and of what is older than the
 * image nobody will ask, but for the last. */
void quorum_electors_settle(struct quorum *q)
{
    int32_t count;
    const struct raft_voter_set *sets = raft_voter_sets(q->raft, &count);
    if (!q->settings.dynamic)
        return;
    LIST_EACH (e, &q->electors, struct electors, link) {
        if (e->offset >= sets[0].offset && !stands(sets, count, e->offset))
            quorum_electors_free(q, e);
    }
    LIST_EACH (e, &q->electors_come, struct electors, link) {
        if (!stands(sets, count, e->offset))
            continue;
        list_remove(&e->link);
        quorum_electors_add(q, e);
    }
    quorum_electors_drop_come(q);
    const struct electors *oldest = quorum_electors_at(q, q->current->offset + 1);
    LIST_EACH (e, &q->electors, struct electors, link) {
        if (oldest != NULL && e->offset < oldest->offset)
            quorum_electors_free(q, e);
    }
    const struct electors *now = quorum_electors_at(q, sets[count - 1].offset + 1);
    q->electors_changed |= now != q->electors_told;
    q->electors_told = now;
}

const struct wire_voters_record *quorum_voters_record(const struct quorum *q)
{
    return q->electors_told == NULL ? NULL : &q->electors_told->record;
}

/* ---- into batches ---- */

enum err quorum_electors_put(const struct electors *e, struct metadata_batch *batch)
{
    struct wire_kraft_version_record version = {.version = RECORD_VERSION,
                                                .kraft_version = QUORUM_KRAFT_VERSION};
    if (e == NULL)
        return ERR_NONE;
    enum err err = metadata_batch_add_control(batch, WIRE_CONTROL_KRAFT_VERSION,
                                              &wire_kraft_version_record_message, &version);
    if (err == ERR_NONE)
        err = metadata_batch_add_control(batch, WIRE_CONTROL_KRAFT_VOTERS,
                                         &wire_voters_record_message, &e->record);
    return err;
}
