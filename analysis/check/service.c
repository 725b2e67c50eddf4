/* service.c - the service level: where nothing is amiss a send succeeds in time and a reader that
 * waits is given what is there in time, and nobody gives a send up without a cause: G4, G5, G8. */
#include <inttypes.h>
#include "check/internal.h"

#define MS_NS 1000000ll
#define LINGER_NS (1000 * MS_NS) /* a record may come to a batch so long after its first */

/* Kafka's codes after which a client tries again (RetriableException), a bit each. */
static const uint64_t retriable[2] = {
    1ull << 2 | 1ull << 3 | 1ull << 5 | 1ull << 6 | 1ull << 7 | 1ull << 8 | 1ull << 9 | 1ull << 13 |
        1ull << 14 | 1ull << 15 | 1ull << 19 | 1ull << 20 | 1ull << 41 | 1ull << 56,
    1ull << (72 - 64) | 1ull << (74 - 64) | 1ull << (75 - 64) | 1ull << (78 - 64) |
        1ull << (89 - 64) | 1ull << (100 - 64) | 1ull << (103 - 64),
};

static bool is_retriable(int64_t code)
{
    return code > 0 && code < 128 && (retriable[code >> 6] >> (code & 63) & 1) != 0;
}

/* The answer is about the record itself, and cause enough: too large, or not valid. */
static bool is_of_record(int64_t code)
{
    return code == 10 || code == 18 || code == 32 || code == 87;
}

/* The producer's numbers and the broker's no longer go together, and it cannot know what became of
 * what it has under way (KIP-360). */
static bool is_of_sequence(int64_t code)
{
    return code == 0 || code == 45 || code == 47 || code == 59;
}

/* Of a node: what it gives a request, and a record. */
static struct place *limits_of(struct check *c, const struct trace_row *row)
{
    return check_tables_find_place(&c->tables, row->node, row->incarnation, PLACE_LIMITS);
}

/* How long after the last harm all must be well again: who has asked somebody that is gone learns
 * of it by its own time limit. */
static int64_t recovery_ns(struct check *c, const struct trace_row *row)
{
    const struct place *limits = limits_of(c, row);
    return c->contract.recovery_ns + (limits == NULL ? 0 : (int64_t)limits->op * MS_NS);
}

/* What a row of a send is about: when it was sent, and since when nothing is amiss. */
struct sent {
    struct part *part;
    int64_t at_ns, quiet_ns;
    bool answered; /* with acks=0 nobody learns what came of it */
};

/* False: nothing can be said of it. */
static bool find_sent(struct check *c, const struct trace_row *row, uint64_t vid, struct sent *s)
{
    bool gone;
    const struct value *v = check_tables_value(&c->tables, vid, &gone);
    s->part = check_part_of(c, row);
    if (v == NULL || s->part == NULL || (v->state & (VALUE_OK | VALUE_FAIL | VALUE_UNKNOWN)) != 0)
        return false;
    const struct topic *topic = check_tables_topic_of_part(&c->tables, s->part);
    if (s->part->removed || s->part->left_out || (topic != NULL && topic->asked_to_go))
        return false;
    s->at_ns = v->at_ns;
    s->answered = v->flags & (CHECK_ACKS_ALL | CHECK_ACKS_ONE);
    s->quiet_ns = check_quiet_since(c, s->part, row->time_ns);
    return true;
}

/* It had taken too long before the harm came that would explain it now. */
static bool judge_overdue(struct check *c, const struct trace_row *row, uint64_t vid,
                          const struct sent *s)
{
    if (!s->answered || !check_was_overdue(c, s->part, s->at_ns, recovery_ns(c, row)))
        return false;
    check_note(c, CHECK_SLOW_SEND, row,
               (struct about){.partition = s->part->id, .offset = NO_OFFSET, .vid = vid}, false,
               "without an answer after %.3f s, when the next harm came",
               (double)(c->calm_to_ns - s->at_ns) / 1e9);
    return true;
}

static void on_ok(struct check *c, const struct trace_row *row)
{
    const struct trace_PRODUCE_OK *is = TRACE_AS(row, PRODUCE_OK);
    struct sent s;
    bool gone;
    const struct value *v = check_tables_value(&c->tables, is->vid, &gone);
    if (v == NULL || row->time_ns - v->at_ns <= c->contract.send_ns)
        return;
    if (!find_sent(c, row, is->vid, &s) || judge_overdue(c, row, is->vid, &s) ||
        s.quiet_ns == INT64_MAX)
        return;
    int64_t until_ns = s.at_ns + c->contract.send_ns;
    if (row->time_ns > until_ns && row->time_ns > s.quiet_ns + recovery_ns(c, row))
        check_note(c, CHECK_SLOW_SEND, row,
                   (struct about){.partition = s.part->id, .offset = is->offset, .vid = is->vid},
                   false, "answered after %.3f s, %.3f s after the last harm",
                   (double)(row->time_ns - s.at_ns) / 1e9,
                   (double)(row->time_ns - s.quiet_ns) / 1e9);
}

/* Before its time was over, although it could have been tried again. A batch gives up its records
 * in one event, the oldest first, whose time is the batch's. What was refused for good, or has used
 * its time up, takes what else the producer has under way with it (KIP-360). */
static bool is_early(struct place *limits, const struct trace_row *row,
                     const struct trace_PRODUCE_FAIL *is, const struct sent *s)
{
    bool first = limits->at_ns != row->time_ns || limits->cut_count != is->partition;
    bool again = is_retriable((int64_t)is->code) || (int64_t)is->code == -ERR_TIMEOUT;
    limits->at_ns = row->time_ns;
    limits->cut_count = is->partition;
    bool explained = MAX(limits->epoch, s->part->refused_ns) >= s->at_ns;
    bool over = row->time_ns - s->at_ns >= (int64_t)limits->offset * MS_NS - LINGER_NS;
    if (over)
        limits->epoch = row->time_ns;
    return first && again && s->answered && !over && !explained && limits->sequence >= INT32_MAX;
}

/* Was there anything that explains why a send ends without success? */
static bool is_caused(struct check *c, const struct trace_row *row, const struct place *limits,
                      int64_t code, const struct sent *s)
{
    int64_t from_ns = s->at_ns - recovery_ns(c, row);
    bool sequence = is_of_sequence(code);
    bool soft = !check_is_durable(c, s->part) || s->part->lost_from < s->part->lost_soft;
    bool lost = sequence && soft && check_power_lost(c, s->part, 0);
    bool refused = sequence && limits->epoch >= from_ns;
    return s->quiet_ns > from_ns || lost || refused;
}

static void on_given_up(struct check *c, const struct trace_row *row)
{
    /* An UNKNOWN has the columns of a FAIL. */
    const struct trace_PRODUCE_FAIL *is = (const struct trace_PRODUCE_FAIL *)(row + 1);
    struct place *limits = limits_of(c, row);
    struct sent s;
    int64_t code = (int64_t)is->code;
    if (code == -ERR_CANCELLED || limits == NULL || !find_sent(c, row, is->vid, &s))
        return;
    bool has_left = code == 0 && !s.answered;
    if (has_left || judge_overdue(c, row, is->vid, &s))
        return;
    if (is_of_record(code)) {
        limits->epoch = row->time_ns;
        return;
    }
    bool caused = is_caused(c, row, limits, code, &s);
    if (!is_early(limits, row, is, &s) && caused)
        return;
    check_note(c, CHECK_GIVEN_UP, row,
               (struct about){.partition = s.part->id, .offset = NO_OFFSET, .vid = is->vid}, false,
               "given up with code %" PRId64 " after %.3f s, %s", code,
               (double)(row->time_ns - s.at_ns) / 1e9,
               caused ? "before its time was over" : "while nothing was amiss");
}

static void on_nack(struct check *c, const struct trace_row *row)
{
    struct part *part = check_part_of(c, row);
    if (part != NULL && is_of_sequence((int64_t)TRACE_AS(row, NACK)->code))
        part->refused_ns = row->time_ns;
}

static void on_limits(struct check *c, const struct trace_row *row)
{
    const struct trace_CLIENT_LIMITS *is = TRACE_AS(row, CLIENT_LIMITS);
    bool fresh;
    struct place *limits =
        check_tables_place(&c->tables, row->node, row->incarnation, PLACE_LIMITS, &fresh);
    if (limits == NULL)
        return;
    limits->op = (uint64_t)is->request_ms;
    limits->offset = (uint64_t)is->delivery_ms;
    limits->sequence = (uint64_t)is->retries;
    limits->epoch = limits->at_ns = INT64_MIN; /* the last refusal for good, and of any send */
}

/* ---- readers ---- */

/* Since when a node's polls bring nothing: at_ns. offset: what of that was its own pause. */
static struct place *waits(struct check *c, const struct trace_row *row)
{
    bool fresh;
    struct place *at = check_tables_place(&c->tables, row->node, 0, PLACE_WAITS, &fresh);
    if (at != NULL && (fresh || at->epoch != row->incarnation))
        *at = (struct place){.node = at->node,
                             .key = {at->key[0], at->key[1], at->key[2]},
                             .epoch = row->incarnation};
    return at;
}

static void on_poll(struct check *c, const struct trace_row *row)
{
    struct place *at = waits(c, row);
    if (at == NULL)
        return;
    bool goes_on = at->sequence > 0; /* the poll before it was empty, and ended then */
    at->offset = goes_on ? at->offset + ((uint64_t)row->time_ns - at->sequence) : 0;
    at->at_ns = goes_on ? at->at_ns : row->time_ns;
}

static void on_polled(struct check *c, const struct trace_row *row)
{
    struct place *at = waits(c, row);
    if (at != NULL)
        at->sequence = TRACE_AS(row, POLL_OK)->count > 0 ? 0 : (uint64_t)row->time_ns;
}

/* Of each poll the first record alone is looked at. */
static void on_read(struct check *c, const struct trace_row *row)
{
    const struct trace_POLL_RECORD *is = TRACE_AS(row, POLL_RECORD);
    if (c->polled_node == row->node && c->polled_op == is->op)
        return;
    c->polled_node = row->node;
    c->polled_op = is->op;
    struct place *wait = waits(c, row);
    if (wait == NULL)
        return;
    bool gone;
    struct part *part = check_part_of(c, row);
    const struct value *v = check_tables_value(&c->tables, is->vid, &gone);
    if (part == NULL || part->removed || v == NULL || !(v->state & VALUE_OK))
        return;
    const struct place *reader =
        check_tables_find_place(&c->tables, row->node, part->index, PLACE_READER);
    int64_t quiet_ns = check_quiet_since(c, part, row->time_ns);
    /* op 0: it was sent there, and learns of it when the fetch under way is answered. */
    if (reader == NULL || reader->op == 0 || quiet_ns == INT64_MAX)
        return;
    int64_t since_ns = MAX(MAX(wait->at_ns, reader->at_ns), v->at_ns);
    int64_t until_ns = since_ns + c->contract.read_ns + (int64_t)wait->offset;
    if (row->time_ns > until_ns && row->time_ns > quiet_ns + recovery_ns(c, row))
        check_note(c, CHECK_SLOW_READ, row,
                   (struct about){.partition = part->id, .offset = is->offset, .vid = is->vid},
                   false, "given %.3f s after its acknowledgement to a reader that waited",
                   (double)(row->time_ns - since_ns) / 1e9);
}

static void on_service_row(struct check *c, const struct trace_row *row)
{
    bool judges_sends = c->contract.send_ns > 0, judges_reads = c->contract.read_ns > 0;
    switch (row->kind) {
    case TRACE_CLIENT_LIMITS:
        on_limits(c, row);
        return;
    case TRACE_NACK:
        on_nack(c, row);
        return;
    case TRACE_PRODUCE_OK:
        if (judges_sends)
            on_ok(c, row);
        return;
    case TRACE_PRODUCE_FAIL:
    case TRACE_PRODUCE_UNKNOWN:
        if (judges_sends)
            on_given_up(c, row);
        return;
    case TRACE_POLL_INVOKE:
        if (judges_reads)
            on_poll(c, row);
        return;
    case TRACE_POLL_OK:
        if (judges_reads)
            on_polled(c, row);
        return;
    case TRACE_POLL_RECORD:
        if (judges_reads)
            on_read(c, row);
        return;
    default:
        return;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_CLIENT_LIMITS, TRACE_PRODUCE_OK, TRACE_PRODUCE_FAIL, TRACE_PRODUCE_UNKNOWN,
    TRACE_POLL_INVOKE,   TRACE_POLL_OK,    TRACE_POLL_RECORD,  TRACE_NACK};

const struct check_rule check_rule_service = {
    .name = "service",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_service_row,
    .memory = "a place a reader and one a life of a client",
};
