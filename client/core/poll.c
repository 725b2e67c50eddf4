/* poll.c - what hands records out: in the order of the log, each once, and nothing in between that
 * a reader must know of goes unsaid. */
#include "client/core/internal.h"

/* ---- what is lent ---- */

void client_poll_release(struct client *c, const struct client_assignment *a)
{
    LIST_EACH (chunk, &c->consumer.lent, struct client_chunk, link) {
        if (a == NULL || chunk->lent_from == a)
            client_chunk_free(c, chunk);
    }
}

/* What was given out may point into a batch that was decompressed: it stays until the next poll. */
static void lend_unpacked(struct client *c, struct client_assignment *a, struct client_chunk *chunk)
{
    if (chunk->unpacked == NULL)
        return;
    chunk->unpacked->lent_from = a;
    list_push_back(&c->consumer.lent, &chunk->unpacked->link);
    chunk->unpacked = NULL;
}

/* Read to its end: its bytes stay until the next poll, but count no longer. */
static void lend(struct client *c, struct client_chunk *chunk)
{
    chunk->assignment->queued_bytes -= chunk->queued;
    c->consumer.queued_bytes -= chunk->queued;
    lend_unpacked(c, chunk->assignment, chunk);
    chunk->lent_from = chunk->assignment;
    chunk->assignment = NULL;
    list_remove(&chunk->link);
    list_push_back(&c->consumer.lent, &chunk->link);
}

/* What the poll gave out so far may point into them, so they are lent, not freed. */
static void stop(struct client *c, struct client_assignment *a, enum client_notice notice,
                 int64_t from, int16_t code)
{
    LIST_EACH (chunk, &a->chunks, struct client_chunk, link)
        lend(c, chunk);
    a->notice = CLIENT_NOTICE_NONE;
    a->state = CLIENT_AT_READING; /* whatever came after these bytes does not count */
    a->version++;
    client_assignment_notice(c, a, notice, from, -1, code);
}

/* ---- what is handed out ---- */

static void give(struct client_poll *poll, struct client_chunk *chunk, const struct wire_record *r)
{
    poll->records[poll->record_count++] = (struct client_fetched){
        .assignment = chunk->assignment,
        .offset = r->offset,
        .timestamp_ms = r->timestamp_ms,
        .leader_epoch = chunk->records.batch.leader_epoch,
        .topic_id = chunk->topic_id,
        .key = {.data = r->key.data, .size = (size_t)MAX(r->key.size, 0)},
        .value = {.data = r->value.data, .size = (size_t)MAX(r->value.size, 0)},
        .headers = r->headers,
        .header_count = r->header_count};
}

/* Puts a decompressed batch in the place of *b and *in. */
static enum err unpack(struct client *c, struct client_chunk *chunk, struct wire_batch *b,
                       struct bytes *in)
{
    ASSERT(chunk->unpacked == NULL);
    enum err e = client_unpack(c, b, *in, &chunk->unpacked);
    if (e != ERR_NONE)
        return e;
    *in = slice_bytes(chunk->unpacked->bytes);
    b->size = (int32_t)in->size;
    b->attributes &= (int16_t)~WIRE_BATCH_CODEC;
    return ERR_NONE;
}

/* Steps over the head of the next batch. False: the chunk is at its end, or reading stopped. */
static bool enter_batch(struct client *c, struct client_assignment *a, struct client_chunk *chunk)
{
    struct bytes in = slice_bytes(chunk->bytes);
    struct wire_batch b;
    if (chunk->at == in.size) {
        lend(c, chunk);
        return false;
    }
    enum wire_at at = wire_batch_at(in, chunk->at, &b, NULL);
    ASSERT(at == WIRE_AT_BATCH); /* measured when it came */
    if (b.attributes & WIRE_BATCH_CONTROL || wire_batch_last_offset(&b) < a->position) {
        chunk->at += (size_t)b.size;
        a->position = MAX(a->position, wire_batch_last_offset(&b) + 1);
        return true;
    }
    struct bytes rest = bytes_of(in.data + chunk->at, in.size - chunk->at);
    chunk->inside_size = (size_t)b.size;
    enum err e = ERR_NONE;
    if (wire_batch_codec(&b) != WIRE_CODEC_NONE)
        e = unpack(c, chunk, &b, &rest);
    if (e == ERR_NONE)
        e = wire_records_begin(&chunk->records, &b, rest, NULL);
    if (e == ERR_LIMIT || e == ERR_NOMEM)
        stop(c, a, CLIENT_NOTICE_FAILED, b.base_offset, WIRE_ERROR_MESSAGE_TOO_LARGE);
    else if (e != ERR_NONE)
        stop(c, a, CLIENT_NOTICE_CORRUPT, b.base_offset, 0);
    chunk->inside = e == ERR_NONE;
    return chunk->inside;
}

static void leave_batch(struct client *c, struct client_assignment *a, struct client_chunk *chunk)
{
    chunk->inside = false;
    chunk->at += chunk->inside_size;
    lend_unpacked(c, a, chunk);
    a->position = MAX(a->position, wire_batch_last_offset(&chunk->records.batch) + 1);
}

/* The next record of the batch that the chunk is inside of. False: reading stopped. */
static bool take_record(struct client *c, struct client_assignment *a, struct client_chunk *chunk,
                        struct client_poll *poll)
{
    struct wire_record r;
    if (chunk->records.left == 0) {
        leave_batch(c, a, chunk);
        return true;
    }
    if (wire_records_next(&chunk->records, &r, NULL) != ERR_NONE) {
        stop(c, a, CLIENT_NOTICE_CORRUPT, a->position, 0);
        return false;
    }
    if (r.offset < a->position) /* the fetch began inside of the batch */
        return true;
    give(poll, chunk, &r);
    a->position = r.offset + 1;
    if (chunk->records.left == 0)
        leave_batch(c, a, chunk);
    return true;
}

static void take_records(struct client *c, struct client_assignment *a, struct client_poll *poll)
{
    while (poll->record_count < poll->record_max && !list_empty(&a->chunks)) {
        struct client_chunk *chunk = LIST_FIRST(&a->chunks, struct client_chunk, link);
        if (chunk->inside)
            take_record(c, a, chunk, poll);
        else
            enter_batch(c, a, chunk);
    }
}

static void take_notice(struct client *c, struct client_assignment *a, struct client_poll *poll)
{
    poll->notice = (enum client_notice)a->notice;
    poll->notice_assignment = a;
    poll->notice_from = a->notice_from;
    poll->notice_to = a->notice_to;
    poll->notice_code = a->notice_code;
    if (a->notice_to >= 0)
        a->position = a->notice_to;
    a->notice = CLIENT_NOTICE_NONE;
    c->consumer.dirty = true;
}

void client_poll_pump(struct client *c)
{
    struct client_consumer *k = &c->consumer;
    struct client_poll *poll = k->poll;
    struct client_assignment *last = NULL;
    if (poll == NULL)
        return;
    LIST_EACH (a, &k->assignments, struct client_assignment, link) {
        int32_t before = poll->record_count;
        take_records(c, a, poll);
        if (poll->record_count > before)
            last = a;
        if (poll->record_count == 0 && a->notice != CLIENT_NOTICE_NONE && list_empty(&a->chunks)) {
            take_notice(c, a, poll);
            break;
        }
    }
    if (poll->record_count == 0 && poll->notice == CLIENT_NOTICE_NONE)
        return;
    if (last != NULL) { /* whoever filled the poll is last in turn at the next */
        list_remove(&last->link);
        list_push_back(&k->assignments, &last->link);
    }
    k->poll = NULL;
    k->dirty = true;
    client_op_done(c, &poll->op, CLIENT_OK, 0, ERR_NONE);
}

void client_poll_submit(struct client *c, struct client_poll *poll)
{
    ASSERT(c->consumer.poll == NULL);
    ASSERT(poll->record_max > 0);
    client_poll_release(c, NULL);
    poll->record_count = 0;
    poll->notice = CLIENT_NOTICE_NONE;
    poll->notice_assignment = NULL;
    c->consumer.poll = poll;
    client_arm(c, &poll->op.timer, CLIENT_TIMER_OP, c->now_ns + poll->wait_ms * MS);
    client_poll_pump(c);
    c->consumer.dirty = true;
}
