/* records.c - what producers sent and were told, against what stands in the log and what was read:
 * A1 to A7, A17, A18, A20, A25, A26, L16. */
#include <inttypes.h>
#include "check/internal.h"

/* No log grows by so much from one row to the next; memory for what lies between would be a mistake
 * on a mistake. */
#define OFFSET_JUMP_MAX (1u << 24)

static struct about about(uint64_t partition, uint64_t offset, uint64_t vid)
{
    return (struct about){.partition = partition, .offset = offset, .vid = vid};
}

static const struct check_excuse power_only = {.power_from = 0};

/* May this acknowledged record, which stood at that offset, be gone without breaking a promise? */
static bool loss_allowed(struct check *c, const struct value *v, struct part *part, uint64_t offset,
                         const struct check_excuse *excuse)
{
    bool all = v->flags & CHECK_ACKS_ALL;
    if ((!all && !(v->flags & CHECK_ACKS_ONE)) || excuse->unclean)
        return true;
    if (all && check_is_durable(c, part) && offset >= excuse->soft_end)
        return false;
    /* Answered from the page cache: a power loss after the answer may take it, or a failed sync (a
     * page that could not be written counts as clean). What only its leader has answered for may go
     * with that leader, too. Nothing else may take it. */
    return offset >= excuse->power_from || (excuse->moved && !all);
}

/* With one request in flight the next is sent when the one before is answered. One that never was
 * may still be on its way, on a connection that its sender has given up. */
static bool order_promised(struct check *c, const struct value *v, uint64_t vid)
{
    bool answered = !(v->state & VALUE_UNKNOWN);
    const struct place *id =
        check_tables_find_place(&c->tables, vid >> CHECK_SEQUENCE_BITS, 0, PLACE_IDENTITY);
    /* A newer epoch fences what is still on its way; another producer id does not. */
    bool fenced = answered || id == NULL || v->at_ns >= id->at_ns;
    return (v->flags & CHECK_IDEMPOTENT && fenced) || (v->flags & CHECK_ONE_IN_FLIGHT && answered);
}

/* A session that had one before goes on with another one (its epochs are used up). */
static void on_producer_id(struct check *c, const struct trace_row *row)
{
    const struct trace_PRODUCER_ID *is = TRACE_AS(row, PRODUCER_ID);
    uint64_t life = row->incarnation & ((1u << CHECK_LIFE_BITS) - 1);
    bool fresh;
    struct place *id = check_tables_place(&c->tables, (uint64_t)row->node << CHECK_LIFE_BITS | life,
                                          0, PLACE_IDENTITY, &fresh);
    if (id == NULL)
        return;
    if (!fresh && id->sequence != (uint64_t)is->producer_id)
        id->at_ns = row->time_ns;
    id->sequence = (uint64_t)is->producer_id;
}

static void on_invoke(struct check *c, const struct trace_row *row)
{
    const struct trace_PRODUCE_INVOKE *is = TRACE_AS(row, PRODUCE_INVOKE);
    struct value *v = check_tables_send(&c->tables, is->vid);
    struct part *part = is->partition == 0 ? NULL : check_part_of(c, row);
    c->counts.sent++;
    if (v == NULL) {
        c->error = c->tables.failed ? ERR_NOMEM : ERR_INVALID;
        return;
    }
    v->state = VALUE_SENT;
    v->at_ns = row->time_ns;
    v->part = part == NULL ? NO_PART : part->index;
    v->body = (uint32_t)is->body;
    v->flags = (uint8_t)is->flags;
}

/* The record's second place: allowed where nobody promised to send it once. */
static void note_second_place(struct check *c, const struct trace_row *row, struct part *part,
                              struct value *v, uint64_t vid, uint64_t offset)
{
    bool told = v->state & VALUE_OK && !(v->state & VALUE_SEEN);
    bool allowed = !(v->flags & CHECK_IDEMPOTENT);
    c->counts.twice_allowed += allowed;
    if (told && !allowed)
        check_note(c, CHECK_SPURIOUS_ACK, row, about(part->id, offset, vid), false,
                   "acknowledged at offset %" PRIu64 ", stands at %" PRIu64, v->offset, offset);
    check_note(c, CHECK_DUPLICATE, row, about(part->id, offset, vid), allowed,
               "stands at offsets %" PRIu64 " and %" PRIu64, v->offset, offset);
}

/* Behind the greatest offset that had been acknowledged then, as far as it is remembered. */
static uint64_t acked_end_before(const struct part *part, int64_t at_ns)
{
    uint32_t n = MIN(part->acked_count, (uint32_t)ACKED_MAX);
    for (uint32_t i = 0; i < n; i++) {
        const struct acked *a = &part->acked[(part->acked_count - 1 - i) & (ACKED_MAX - 1)];
        if (a->at_ns < at_ns)
            return a->end;
    }
    return 0;
}

static void move_acked_end(struct part *part, const struct value *v, uint64_t end, int64_t now_ns)
{
    if (v->flags & CHECK_ACKS_ALL && end > part->safe_end) {
        part->safe_end = end;
        part->safe_ns = now_ns;
    }
    if (end <= part->acked_end)
        return;
    part->acked_end = end;
    struct acked *last = &part->acked[(part->acked_count - 1) & (ACKED_MAX - 1)];
    if (part->acked_count == 0 || last->at_ns != now_ns)
        last = &part->acked[part->acked_count++ & (ACKED_MAX - 1)];
    *last = (struct acked){.at_ns = now_ns, .end = end};
}

static bool may_be_unclean(struct check *c, struct part *part)
{
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    return topic != NULL && topic->unclean;
}

/* What all had deleted may come back with a leader that the contract allows to lack it. */
static bool may_come_back(struct check *c, struct part *part, uint64_t offset)
{
    return offset < part->start && (may_be_unclean(c, part) || !check_is_durable(c, part));
}

/* Puts a record where an answer or a read says it stands. False: no log can have that offset. */
static bool place_value(struct check *c, const struct trace_row *row, struct part *part,
                        struct value *v, uint64_t vid, uint64_t offset, int64_t sent_ns)
{
    if (offset >= part->seen_end + OFFSET_JUMP_MAX) {
        check_note(c, CHECK_SPURIOUS_ACK, row, about(part->id, offset, vid), false,
                   "offset %" PRIu64 " where the log had come to %" PRIu64, offset, part->seen_end);
        return false;
    }
    part->seen_end = MAX(part->seen_end, offset + 1);
    struct slot *slot = check_tables_slot(&c->tables, part, offset);
    bool other = slot != NULL && slot->vid != 0 && slot->vid != vid + 1;
    if (other && !may_come_back(c, part, offset)) {
        check_note(c, CHECK_INCONSISTENT_OFFSET, row, about(part->id, offset, vid), false,
                   "offset %" PRIu64 " held %" PRIx64 ", now %" PRIx64, offset, slot->vid - 1, vid);
        return true;
    }
    if (slot != NULL)
        slot->vid = vid + 1;
    bool elsewhere = v->state & VALUE_PLACED && (v->offset != offset || v->part != part->index);
    if (elsewhere) {
        note_second_place(c, row, part, v, vid, offset);
        return true;
    }
    if (v->state & VALUE_PLACED)
        return true;
    uint64_t before = acked_end_before(part, sent_ns);
    if (offset < before)
        check_note(c, CHECK_REALTIME_ORDER, row, about(part->id, offset, vid), false,
                   "sent after offset %" PRIu64 " was acknowledged, stands at %" PRIu64, before - 1,
                   offset);
    v->state |= VALUE_PLACED;
    v->offset = offset;
    v->part = part->index;
    if (offset < part->start)
        v->state |= VALUE_EXPIRED;
    return true;
}

/* What was sent while another topic had the name has no order here: a new log knows no sequence
 * yet, and takes the first that comes, whichever is sent again later (I-1). */
static bool is_older_than_topic(struct check *c, struct part *part, int64_t sent_ns)
{
    const struct topic *topic =
        part->older == NULL ? NULL : check_tables_topic_of_part(&c->tables, part);
    return topic != NULL && sent_ns < topic->added_ns;
}

static void check_send_order(struct check *c, const struct trace_row *row, struct part *part,
                             const struct value *v, uint64_t vid, uint64_t offset, int64_t sent_ns)
{
    if (is_older_than_topic(c, part, sent_ns))
        return;
    uint64_t sequence = vid & ((1ull << CHECK_SEQUENCE_BITS) - 1);
    bool fresh;
    struct place *last =
        check_tables_place(&c->tables, vid >> CHECK_SEQUENCE_BITS, part->index, PLACE_SENT, &fresh);
    if (last == NULL || !order_promised(c, v, vid))
        return;
    fresh |= last->cut_count != part->cut_count;
    last->cut_count = part->cut_count;
    bool after = sequence > last->sequence;
    if (!fresh && after != (offset > last->offset))
        check_note(c, CHECK_NONMONOTONIC_SEND, row, about(part->id, offset, vid), false,
                   "sent %s the record at offset %" PRIu64 ", stands at %" PRIu64,
                   after ? "after" : "before", last->offset, offset);
    if (fresh || after) {
        last->sequence = sequence;
        last->offset = offset;
    }
}

/* A record's fate is known: it needs no attention any more when it has expired, too. */
static void settle(struct check *c, struct value *v, uint64_t vid, enum value_state state)
{
    bool known = v->state & (VALUE_OK | VALUE_FAIL | VALUE_UNKNOWN);
    v->state |= (uint8_t)state;
    if (!known && v->state & VALUE_EXPIRED)
        check_tables_close(&c->tables, vid);
}

/* An answer may be under way when the power takes what it speaks of, and come when the next life
 * has given the offset to another record: it says nothing of that life. */
static bool is_of_the_life_before(struct check *c, struct part *part, const struct value *v,
                                  uint64_t offset)
{
    struct check_excuse any = {
        .moved = true, .unclean = may_be_unclean(c, part), .soft_end = part->lost_soft};
    return offset >= part->lost_from && offset < part->lost_to && v->at_ns <= part->lost_ns &&
           loss_allowed(c, v, part, offset, &any);
}

/* Where an answer says that the record stands. A client that sent it to the name of a topic which
 * was removed meanwhile does not know which of the two took it: NULL. When the one that has
 * the name now was there before that, it was that one. */
static struct part *part_of_answer(struct check *c, const struct trace_row *row,
                                   const struct value *v)
{
    struct part *part = check_part_of(c, row);
    if (part == NULL || !part->removed)
        return part;
    struct part *newest = check_tables_part(&c->tables, part->id, 0);
    const struct topic *topic = check_tables_topic_of_part(&c->tables, newest);
    return topic != NULL && topic->added_ns < v->at_ns && !newest->removed ? newest : NULL;
}

/* What only its leader had to answer for (acks=1) may have been answered by one that leads no more:
 * nobody can say then whether the record stands there. */
static bool is_of_another_leader(struct check *c, const struct part *part, const struct value *v)
{
    return !(v->flags & CHECK_ACKS_ALL) && v->at_ns <= check_led_elsewhere(c, part);
}

static void on_ok(struct check *c, const struct trace_row *row)
{
    const struct trace_PRODUCE_OK *is = TRACE_AS(row, PRODUCE_OK);
    uint64_t vid = is->vid;
    uint64_t offset = is->offset;
    bool gone;
    struct value *v = check_tables_value(&c->tables, vid, &gone);
    c->counts.acked++;
    if (v == NULL)
        return;
    struct part *part = part_of_answer(c, row, v);
    if (part == NULL) {
        if (!(v->state & VALUE_PLACED))
            v->part = NO_PART;
        settle(c, v, vid, VALUE_OK);
        return;
    }
    if (is_of_another_leader(c, part, v) || is_of_the_life_before(c, part, v, offset)) {
        settle(c, v, vid, VALUE_UNKNOWN);
        return;
    }
    int64_t sent_ns = v->at_ns;
    v->at_ns = row->time_ns;
    if (!(v->state & VALUE_PLACED))
        v->part = part->index;
    /* acks=0 has no offset to tell, nor has the answer to a late duplicate. */
    if (offset != NO_OFFSET && place_value(c, row, part, v, vid, offset, sent_ns)) {
        check_send_order(c, row, part, v, vid, offset, sent_ns);
        move_acked_end(part, v, offset + 1, row->time_ns);
        check_tables_time(&c->tables, part, offset, is->timestamp);
    }
    settle(c, v, vid, VALUE_OK);
}

static void on_not_ok(struct check *c, const struct trace_row *row, enum value_state state)
{
    /* An UNKNOWN has the columns of a FAIL. */
    const struct trace_PRODUCE_FAIL *is = (const struct trace_PRODUCE_FAIL *)(row + 1);
    bool gone;
    struct value *v = check_tables_value(&c->tables, is->vid, &gone);
    c->counts.failed += state == VALUE_FAIL;
    c->counts.unknown += state == VALUE_UNKNOWN;
    if (v == NULL)
        return;
    if (state == VALUE_FAIL && v->state & VALUE_SEEN)
        check_note(c, CHECK_FAILED_BUT_VISIBLE, row, about(is->partition, v->offset, is->vid),
                   false, "refused with code %d after it was read", (int)is->code);
    settle(c, v, is->vid, state);
}

static void check_key_order(struct check *c, const struct trace_row *row, struct part *part,
                            const struct value *v)
{
    const struct trace_POLL_RECORD *is = TRACE_AS(row, POLL_RECORD);
    uint64_t vid = is->vid;
    uint64_t key = is->key;
    bool is_copy = v->part != part->index || v->offset != is->offset; /* sent again: A2 judges */
    if (key == 0 || is_copy || !order_promised(c, v, vid))
        return;
    uint64_t who = hash_combine(hash_combine(row->node, vid >> CHECK_SEQUENCE_BITS), key);
    bool fresh;
    struct place *last = check_tables_place(&c->tables, part->index, who,
                                            PLACE_KEY | key << PLACE_KEY_SHIFT, &fresh);
    if (last == NULL)
        return;
    fresh |= last->cut_count != part->cut_count;
    last->cut_count = part->cut_count;
    if (!fresh && is->offset > last->offset && vid < last->sequence)
        check_note(c, CHECK_KEY_ORDER, row, about(part->id, is->offset, vid), false,
                   "sent before the record at offset %" PRIu64 ", read behind it", last->offset);
    last->sequence = vid;
    last->offset = is->offset;
}

/* A reader may have been given the record before a loss that the contract allows, and look at it
 * only when its offset has become another's, of a later epoch. */
static bool was_given_before_loss(struct check *c, struct part *part,
                                  const struct trace_POLL_RECORD *is)
{
    bool may_lose = !check_is_durable(c, part) || may_be_unclean(c, part);
    const struct slot *slot = check_tables_peek(part, is->offset);
    bool known = slot != NULL && slot->mark != 0;
    int64_t epoch = known ? slot->epoch : part->leader_epoch;
    return may_lose && is->offset >= part->lost_from && is->offset < part->lost_to &&
           (known || is->offset >= part->canon_end) && is->leader_epoch < epoch;
}

static bool is_of_removed(const struct check *c, const struct part *part, const struct value *v)
{
    return v->state & VALUE_PLACED && v->state & VALUE_OK && v->part != part->index &&
           c->tables.part_list[v->part]->removed;
}

static void on_read(struct check *c, const struct trace_row *row)
{
    const struct trace_POLL_RECORD *is = TRACE_AS(row, POLL_RECORD);
    uint64_t offset = is->offset;
    uint64_t vid = is->vid;
    struct part *part = check_part_of(c, row);
    c->counts.read++;
    /* Who reads by the name of a topic that was removed may be given another one's records. */
    if (part == NULL || part->removed)
        return;
    bool gone;
    struct value *v = check_tables_value(&c->tables, vid, &gone);
    if (v == NULL) {
        bool expired = gone && offset < part->start;
        if (gone && !expired)
            check_note(c, CHECK_DUPLICATE, row, about(part->id, offset, vid), false,
                       "stands at offset %" PRIu64 " again after it had expired", offset);
        else if (!gone)
            check_note(c, CHECK_UNEXPECTED_READ, row, about(part->id, offset, vid), false,
                       "%" PRIx64 " at offset %" PRIu64 " was never sent", vid, offset);
        return;
    }
    if ((uint32_t)is->body != v->body)
        check_note(c, CHECK_CORRUPT_PAYLOAD, row, about(part->id, offset, vid), false,
                   "at offset %" PRIu64 ": digest %08x, sent with %08x", offset, (uint32_t)is->body,
                   v->body);
    if (v->state & VALUE_FAIL)
        check_note(c, CHECK_FAILED_BUT_VISIBLE, row, about(part->id, offset, vid), false,
                   "refused, but read at offset %" PRIu64, offset);
    c->counts.recovered += v->state & VALUE_UNKNOWN && !(v->state & VALUE_SEEN);
    if (is_of_removed(c, part, v)) {
        check_note(c, CHECK_OTHER_TOPIC, row, about(part->id, offset, vid), false,
                   "acknowledged in a topic that was removed, read at offset %" PRIu64
                   " of another one of its name",
                   offset);
        return;
    }
    if (was_given_before_loss(c, part, is) || !place_value(c, row, part, v, vid, offset, v->at_ns))
        return;
    check_tables_time(&c->tables, part, offset, is->timestamp);
    v->state |= VALUE_SEEN;
    check_key_order(c, row, part, v);
}

static void on_final_read(struct check *c, const struct trace_row *row)
{
    const struct trace_FINAL_READ *is = TRACE_AS(row, FINAL_READ);
    struct part *part = check_part_of(c, row);
    if (part == NULL)
        return;
    part->final = true;
    part->final_end = is->end;
    c->counts.final_reads++;
}

static void lose(struct check *c, const struct trace_row *row, enum check_code code,
                 struct part *part, struct value *v, uint64_t vid,
                 const struct check_excuse *excuse)
{
    bool allowed = loss_allowed(c, v, part, v->offset, excuse);
    c->counts.lost_allowed += allowed;
    v->state |= VALUE_LOST;
    check_note(c, code, row, about(part->id, v->offset, vid), allowed,
               "acknowledged at offset %" PRIu64 ", %.3f s into the run", v->offset,
               (double)v->at_ns / 1e9);
}

/* What a client knows of the offset is void. */
static void cut_record(struct check *c, const struct trace_row *row, struct part *part,
                       uint64_t offset, uint64_t vid, const struct check_excuse *excuse)
{
    bool gone;
    struct value *v = check_tables_value(&c->tables, vid, &gone);
    if (v == NULL)
        return;
    if (v->state & VALUE_OK)
        lose(c, row, CHECK_CONFIRMED_LOSS, part, v, vid, excuse);
    bool soft = !check_is_durable(c, part) || offset < excuse->soft_end;
    bool allowed = excuse->unclean || (soft && offset >= excuse->power_from);
    if (v->state & VALUE_SEEN)
        check_note(c, CHECK_UNREPEATABLE_READ, row, about(part->id, offset, vid), allowed,
                   "offset %" PRIu64 " was read, and the log now ends before it", offset);
    v->state &= (uint8_t) ~(VALUE_PLACED | VALUE_SEEN);
    v->offset = 0;
}

void check_cut_records(struct check *c, const struct trace_row *row, struct part *part,
                       uint64_t end, const struct check_excuse *excuse)
{
    uint64_t base = part->page_first << PAGE_BITS;
    uint64_t last = base + ((uint64_t)part->page_count << PAGE_BITS);
    bool cut = false;
    for (uint64_t o = MAX(end, base); o < last; o++) {
        struct slot *slot = check_tables_peek(part, o);
        if (slot == NULL)
            continue;
        uint64_t vid = slot->vid;
        *slot = (struct slot){.timestamp = INT64_MIN};
        if (vid == 0)
            continue;
        part->cut_count += !cut;
        cut = true;
        cut_record(c, row, part, o, vid - 1, excuse);
    }
    if (part->acked_end > end) {
        part->acked_end = end;
        part->acked_count = 0;
    }
    part->safe_end = MIN(part->safe_end, end);
    part->seen_end = MIN(part->seen_end, end);
}

static bool release_record(struct check *c, uint64_t vid)
{
    bool gone;
    struct value *v = check_tables_value(&c->tables, vid, &gone);
    if (v == NULL || v->flags & CHECK_ACKS_ALL || v->state & VALUE_SEEN || !(v->state & VALUE_OK))
        return false;
    v->state &= (uint8_t) ~(VALUE_OK | VALUE_PLACED);
    v->state |= VALUE_UNKNOWN;
    v->offset = 0;
    return true;
}

void check_release_records(struct check *c, struct part *part, uint64_t from, uint64_t to)
{
    bool released = false;
    for (uint64_t o = MAX(from, part->page_first << PAGE_BITS); o < to; o++) {
        struct slot *slot = check_tables_peek(part, o);
        if (slot == NULL || slot->vid == 0 || !release_record(c, slot->vid - 1))
            continue;
        *slot = (struct slot){.timestamp = INT64_MIN};
        released = true;
    }
    if (!released)
        return;
    part->cut_count++;
    part->acked_end = MIN(part->acked_end, from);
    part->acked_count = 0;
}

/* What only the end can show may have been taken by any loss of power since the answer. */
static const struct check_excuse *excuse_at_end(struct check *c, struct part *part,
                                                const struct value *v)
{
    static const struct check_excuse none = {.power_from = NOTHING};
    return check_power_lost(c, part, v->at_ns) ? &power_only : &none;
}

/* An acknowledgement without an offset (the answer to a late duplicate) says that the record is
 * there, not where: it must have been seen, unless its log may have expired meanwhile. */
static void judge_unplaced(struct check *c, struct value *v, uint64_t vid)
{
    struct part *part = v->part == NO_PART ? NULL : c->tables.part_list[v->part];
    bool acks = v->flags & (CHECK_ACKS_ALL | CHECK_ACKS_ONE);
    struct trace_row row = {.time_ns = v->at_ns, .node = CHECK_NO_NODE, .kind = TRACE_PRODUCE_OK};
    if (acks && part != NULL && part->final && !part->removed && part->start == 0)
        lose(c, &row, CHECK_LOST_WRITE, part, v, vid, excuse_at_end(c, part, v));
}

static void judge_value(struct check *c, struct value *v, uint64_t vid)
{
    if (!(v->state & VALUE_OK) || v->state & (VALUE_SEEN | VALUE_EXPIRED | VALUE_LOST))
        return;
    if (!(v->state & VALUE_PLACED)) {
        judge_unplaced(c, v, vid);
        return;
    }
    struct part *part = c->tables.part_list[v->part];
    struct trace_row row = {.time_ns = v->at_ns, .node = CHECK_NO_NODE, .kind = TRACE_PRODUCE_OK};
    if (part->left_out || part->removed)
        return;
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    if (!part->final && topic != NULL && topic->asked_to_go)
        return;
    /* With acks=1 it may be answered long before it is shown, and be shown when nobody reads. */
    bool later = v->offset >= part->final_end && v->offset < part->canon_end;
    if (part->final && later && !(v->flags & CHECK_ACKS_ALL))
        return;
    if (part->final)
        lose(c, &row, v->offset < part->final_end ? CHECK_LOST_WRITE : CHECK_UNSEEN, part, v, vid,
             excuse_at_end(c, part, v));
    else
        c->error = c->error == ERR_NONE ? ERR_INVALID : c->error;
}

static void judge_records(struct check *c)
{
    LIST_EACH (s, &c->tables.sessions.order, struct session, node.order) {
        for (uint64_t i = 0; i < s->sequence_end; i++) {
            struct value_page *page = s->pages[i >> PAGE_BITS];
            if (page != NULL)
                judge_value(c, &page->values[i & (PAGE_COUNT - 1)],
                            s->id << CHECK_SEQUENCE_BITS | i);
        }
    }
}

static void on_record_row(struct check *c, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_PRODUCER_ID:
        on_producer_id(c, row);
        break;
    case TRACE_PRODUCE_INVOKE:
        on_invoke(c, row);
        break;
    case TRACE_PRODUCE_OK:
        on_ok(c, row);
        break;
    case TRACE_PRODUCE_FAIL:
        on_not_ok(c, row, VALUE_FAIL);
        break;
    case TRACE_PRODUCE_UNKNOWN:
        on_not_ok(c, row, VALUE_UNKNOWN);
        break;
    case TRACE_POLL_RECORD:
        on_read(c, row);
        break;
    case TRACE_FINAL_READ:
        on_final_read(c, row);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_PRODUCER_ID,     TRACE_PRODUCE_INVOKE, TRACE_PRODUCE_OK, TRACE_PRODUCE_FAIL,
    TRACE_PRODUCE_UNKNOWN, TRACE_POLL_RECORD,    TRACE_FINAL_READ};

const struct check_rule check_rule_records = {
    .name = "records",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_record_row,
    .on_end = judge_records,
    .memory = "records above the log start, or without an answer; keys and sessions a partition",
};
