/* model_test.c - legal histories of a partition's replicas have no finding, and each with one step
 * that is not legal is found. MODEL_HISTORIES and MODEL_SEED draw more of them, and others. */
#include <stdlib.h>
#include "model.h"

#define HISTORIES 10000
#define BROKEN_PART 40   /* of them for each step that is not legal */
#define FOUND_PERCENT 95 /* of the broken: what fell out of a window, nobody knows any more */

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void end_run(struct run *r)
{
    check_free(r->check);
    test_mem_done(&r->mem);
}

static void expect_none(const struct run *r, uint64_t seed)
{
    assert_ok(check_status(r->check));
    for (int i = 0; i < CHECK_CODE_COUNT; i++) {
        const struct check_finding *f = check_finding(r->check, (enum check_code)i);
        if (f->count > 0)
            fail_msg("seed %llu: %s at %lld, node %u: %s", (unsigned long long)seed,
                     check_infos[i].name, (long long)f->row.time_ns, (unsigned)f->row.node,
                     f->msg.text);
    }
}

static void add(struct model_counts *sum, const struct model_counts *of)
{
    static const int fields = sizeof *sum / sizeof(int);
    for (int i = 0; i < fields; i++)
        ((int *)sum)[i] += ((const int *)of)[i];
}

static void expect_all_drawn(const struct model_counts *sum)
{
    static const char *const names[] = {"elections",           "unclean elections",
                                        "leaders not deposed", "kills",
                                        "losses of power",     "cuts",
                                        "logs begun anew",     "segments deleted",
                                        "acknowledged",        "lost",
                                        "answered late"};
    _Static_assert(sizeof names / sizeof names[0] == sizeof *sum / sizeof(int), "one each");
    for (int i = 0; i < COUNT_OF(names); i++) {
        print_message("%d %s\n", ((const int *)sum)[i], names[i]);
        assert_true(((const int *)sum)[i] > 0);
    }
}

TEST(legal_histories_have_no_finding)
{
    uint64_t count = from_environment("MODEL_HISTORIES", HISTORIES);
    uint64_t first = from_environment("MODEL_SEED", 1);
    struct model_counts sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct run r;
        static struct model m;
        model_start(&m, &r, seed);
        for (uint64_t i = MODEL_STEPS + model_below(&m, 3 * MODEL_STEPS); i > 0; i--)
            model_step(&m);
        model_finish(&m);
        end(&r);
        expect_none(&r, seed);
        m.counts.lost = (int)check_counts(r.check)->lost_allowed;
        add(&sum, &m.counts);
        end_run(&r);
    }
    if (count >= HISTORIES)
        expect_all_drawn(&sum);
}

/* ---- one step that is not legal ---- */

/* A finding of one log is meant to be looked for where a loss is no excuse. */
static bool keeps(const struct model *m)
{
    return m->durable && !m->unclean;
}

/* Where the canonical log has come to: only what leaders have shown. */
static uint64_t committed_end(const struct model *m)
{
    return m->leader == NULL ? 0 : m->leader->watermark;
}

/* What some replica has deleted, nothing is held against. */
static uint64_t start_of_all(const struct model *m)
{
    uint64_t start = 0;
    for (int i = 0; i < m->node_count; i++)
        start = MAX(start, m->nodes[i].start);
    return start;
}

static bool lead_in_an_epoch_twice(struct model *m)
{
    struct model_node *n = model_follower(m);
    if (model_leader(m) == NULL || n == NULL)
        return false;
    model_lead(m, n, m->leader->epoch);
    return true;
}

static bool lead_on_after_a_crash(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL)
        return false;
    int64_t epoch = n->epoch;
    model_die(m, n, false, n->end);
    model_open(m, n);
    model_lead(m, n, epoch);
    struct model_batch b = model_batch(m, n, epoch);
    model_append(m, n, &b);
    return true;
}

static bool append_in_an_old_epoch(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->epoch < 2 || n->count == 0 || model_last(n)->epoch != n->epoch)
        return false;
    struct model_batch b = model_batch(m, n, n->epoch - 1);
    model_append(m, n, &b);
    return true;
}

static bool leave_a_gap(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL)
        return false;
    struct model_batch b = model_batch(m, n, n->epoch);
    b.first++;
    b.last++;
    model_append(m, n, &b);
    return true;
}

/* A follower that is about to take what is committed takes something else. */
static bool replace_what_is_committed(struct model *m, int64_t epochs_back)
{
    struct model_node *n = model_follower(m);
    struct model_node *leader = model_leader(m);
    if (n == NULL || leader == NULL || leader->fetched == 0)
        return false;
    for (uint32_t i = 0; i < leader->count; i++) {
        struct model_batch b = leader->batches[i];
        bool next = b.first == n->end && b.last < committed_end(m) && b.first >= start_of_all(m);
        int64_t last = n->count == 0 ? 0 : model_last(n)->epoch;
        if (!next || b.epoch - epochs_back < last)
            continue;
        b.crc ^= 0x5555;
        b.epoch -= epochs_back;
        model_append(m, n, &b);
        model_sync(m, n, n->end);
        model_show(m, n, n->end);
        return true;
    }
    return false;
}

static bool copy_another_record(struct model *m)
{
    return replace_what_is_committed(m, 0);
}

static bool show_a_record_of_another_epoch(struct model *m)
{
    return replace_what_is_committed(m, 1);
}

static bool cut_what_is_committed(struct model *m)
{
    struct model_node *n = model_follower(m);
    struct model_node *leader = model_leader(m);
    if (n == NULL || leader == NULL || !keeps(m) || !(m->in_sync >> (n - m->nodes) & 1))
        return false;
    model_catch_up(m, n);
    uint64_t from = MAX(n->start, leader->start);
    if (n->count == 0 || model_last(n)->last >= committed_end(m) || model_last(n)->first < from)
        return false;
    model_cut(m, n, model_last(n)->first, 4);
    return true;
}

/* Neither in sync, nor allowed. */
static bool elect_who_lacks_what_is_committed(struct model *m)
{
    struct model_node *n = model_follower(m);
    if (n == NULL || !keeps(m) || n->end >= committed_end(m))
        return false;
    model_lead(m, n, ++m->epoch);
    return true;
}

static bool elect_who_has_something_else(struct model *m)
{
    struct model_node *n = model_follower(m);
    struct model_node *leader = model_leader(m);
    if (n == NULL || leader == NULL || !keeps(m))
        return false;
    for (uint32_t i = 0; i < leader->count; i++) {
        struct model_batch b = leader->batches[i];
        bool next = b.first == n->end && b.last < committed_end(m) && b.epoch > 1;
        if (!next || (n->count > 0 && model_last(n)->epoch == b.epoch))
            continue;
        b.crc ^= 0x5555;
        b.epoch--;
        model_append(m, n, &b);
        model_lead(m, n, ++m->epoch);
        return true;
    }
    return false;
}

static bool move_the_watermark_back(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->watermark <= n->start)
        return false;
    model_show(m, n, n->watermark - 1);
    return true;
}

static bool show_what_does_not_count(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || model_counting(m, n) == n->end)
        return false;
    model_show(m, n, n->end);
    return true;
}

static bool acknowledge_too_early(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->end == n->watermark)
        return false;
    MODEL_SAY(m, n, ACK, .first = n->end - 1, .last = n->end - 1, .acks = -1, .producer_id = 7,
              .leader_epoch = n->epoch);
    return true;
}

static bool serve_too_early(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->end == n->watermark)
        return false;
    MODEL_SAY(m, n, SERVE, .from = n->start, .to = n->end, .high_watermark = n->watermark,
              .leader_epoch = n->epoch);
    return true;
}

static bool begin_above_the_watermark(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->end == n->watermark)
        return false;
    model_move_start(m, n, n->end, 3, -1);
    return true;
}

static bool move_the_start_back(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->start == 0)
        return false;
    model_move_start(m, n, n->start - 1, 3, -1);
    return true;
}

static bool delete_what_is_young(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->segment_count < 2 || n->segments[1] > n->watermark)
        return false;
    int64_t age_ms = m->retention_ms < 0 ? 0 : m->retention_ms - 1;
    model_move_start(m, n, n->segments[1], 1, m->run->now_ns / 1000000 - age_ms);
    return true;
}

static bool delete_too_much(struct model *m)
{
    struct model_node *n = model_leader(m);
    int64_t left = 0;
    if (n == NULL || n->segment_count < 2 || n->segments[1] > n->watermark)
        return false;
    for (uint32_t i = 0; i < n->count; i++)
        left += n->batches[i].first >= n->segments[1] ? n->batches[i].bytes : 0;
    /* What a cut took of a segment counts on, and no row tells how large another life's are. */
    if (left >= m->retention_bytes || n->life > 0 || m->counts.cuts > 0)
        return false;
    model_move_start(m, n, n->segments[1], 2, -1);
    return true;
}

static bool forget_what_is_durable(struct model *m)
{
    struct model_node *n = model_follower(m);
    if (n == NULL || n->durable <= n->start)
        return false;
    uint64_t left = n->durable - 1;
    model_die(m, n, true, left);
    model_open(m, n);
    return true;
}

/* The life between the two died before it could say what is durable. */
static bool forget_it_a_life_later(struct model *m)
{
    struct model_node *n = model_follower(m);
    if (n == NULL || n->durable <= n->start)
        return false;
    uint64_t left = n->durable - 1;
    model_die(m, n, true, n->durable);
    n->life++;
    MODEL_SAY(m, n, LOG_OPEN, .start = n->start, .end = n->end);
    model_die(m, n, true, left);
    model_open(m, n);
    return true;
}

static bool say_durable_without_a_sync(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->written == n->durable || n->durable <= n->start)
        return false;
    MODEL_SAY(m, n, LOG_DURABLE, .end = n->written);
    return true;
}

static bool leave_out_a_sequence(struct model *m)
{
    struct model_node *n = model_leader(m);
    bool goes_on = n != NULL && m->sent_to == n && m->sent_epoch == n->epoch && n->count > 0;
    if (!goes_on || m->sent_life != n->life || model_last(n)->producer_epoch != m->producer_epoch ||
        m->run->now_ns / 1000000 - model_last(n)->time_ms > 50000) /* it may be forgotten */
        return false;
    struct model_batch b = model_batch(m, n, n->epoch);
    b.sequence++;
    model_append(m, n, &b);
    return true;
}

static bool append_again(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || n->count == 0)
        return false;
    struct model_batch b = *model_last(n);
    b.last = n->end + (b.last - b.first);
    b.first = n->end;
    b.epoch = n->epoch;
    model_append(m, n, &b);
    return true;
}

static bool lose_what_was_acknowledged(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || !m->acks_all || !keeps(m) || m->counts.acked == 0 || n->start > 0)
        return false;
    model_cut(m, n, 0, 4);
    return true;
}

static bool lose_what_was_read(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || !keeps(m) || m->read_end <= n->start)
        return false;
    model_cut(m, n, n->start, 4);
    return true;
}

/* It has committed nothing since the unclean election that took what it has; it goes on all the
 * same, and shows it. */
static bool show_what_an_election_gave_up(struct model *m)
{
    struct model_node *n = model_follower(m);
    struct model_node *leader = model_leader(m);
    if (n == NULL || leader == NULL || leader->epoch == n->epoch || n->count == 0)
        return false;
    uint64_t to = MIN(leader->watermark, n->durable);
    for (uint32_t i = 0; i < leader->count; i++) {
        const struct model_batch *b = &leader->batches[i];
        bool other = b->first >= n->start && b->first == model_last(n)->first &&
                     b->crc != model_last(n)->crc && b->epoch != model_last(n)->epoch;
        if (!other || to <= b->last || n->watermark > b->first)
            continue;
        model_show(m, n, to);
        return true;
    }
    return false;
}

static bool read_a_record(struct model *m, uint64_t skipped, uint64_t body)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || m->read_end < n->start || n->watermark < m->read_end + skipped + 1)
        return false;
    uint64_t offset = m->read_end + skipped;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct model_batch *b = &n->batches[i];
        if (offset < b->first || offset > b->last)
            continue;
        SAY(m->run, READER, POLL_RECORD, (int64_t)++m->poll, P, offset, b->vid + offset - b->first,
            0, body, b->time_ms, b->epoch, MODEL_TOPIC);
        return true;
    }
    return false;
}

static bool skip_a_record(struct model *m)
{
    return m->read_end > start_of_all(m) && read_a_record(m, 1, BODY);
}

static bool read_other_bytes(struct model *m)
{
    return read_a_record(m, 0, BODY + 1);
}

static bool read_a_record_again(struct model *m)
{
    struct model_node *n = model_leader(m);
    if (n == NULL || m->read_end <= n->start || model_read(m, 1) == 0)
        return false;
    m->read_end--;
    return read_a_record(m, 0, BODY);
}

static const struct {
    const char *name;
    enum check_code code;
    bool (*step)(struct model *m); /* false: not possible now */
} illegal[] = {
    {"two lead in an epoch", CHECK_TWO_LEADERS, lead_in_an_epoch_twice},
    {"a life takes records in the epoch of one that crashed", CHECK_TWO_LEADERS,
     lead_on_after_a_crash},
    {"a batch of an old epoch", CHECK_EPOCH_BACK, append_in_an_old_epoch},
    {"an append that leaves a gap", CHECK_OFFSET_GAP, leave_a_gap},
    {"a follower with another record", CHECK_LOG_DIVERGED, copy_another_record},
    {"a record of another epoch is shown", CHECK_COMMITTED_DIFFERS, show_a_record_of_another_epoch},
    {"what an election gave up is shown", CHECK_COMMITTED_DIFFERS, show_what_an_election_gave_up},
    {"a replica in sync cuts what is committed", CHECK_COMMITTED_CUT, cut_what_is_committed},
    {"a leader that lacks what is committed", CHECK_LEADER_INCOMPLETE,
     elect_who_lacks_what_is_committed},
    {"a leader with other records", CHECK_LEADER_INCOMPLETE, elect_who_has_something_else},
    {"the watermark goes back", CHECK_WATERMARK_BACK, move_the_watermark_back},
    {"the watermark passes what counts", CHECK_WATERMARK_AHEAD, show_what_does_not_count},
    {"acknowledged above the watermark", CHECK_EARLY_ACK, acknowledge_too_early},
    {"served above the watermark", CHECK_EARLY_SERVE, serve_too_early},
    {"a log start above the watermark", CHECK_ENDS_CROSSED, begin_above_the_watermark},
    {"the log start goes back", CHECK_START_BACK, move_the_start_back},
    {"a young segment is deleted", CHECK_YOUNG_DELETED, delete_what_is_young},
    {"too little is left by size", CHECK_TOO_MUCH_DELETED, delete_too_much},
    {"what was durable is gone", CHECK_DURABLE_LOST, forget_what_is_durable},
    {"what was durable is gone a life later", CHECK_DURABLE_LOST, forget_it_a_life_later},
    {"durable without a sync", CHECK_NOT_DURABLE, say_durable_without_a_sync},
    {"a sequence is left out", CHECK_SEQUENCE_GAP, leave_out_a_sequence},
    {"a batch is appended again", CHECK_APPENDED_TWICE, append_again},
    {"what was acknowledged is cut", CHECK_CONFIRMED_LOSS, lose_what_was_acknowledged},
    {"what was read is cut", CHECK_UNREPEATABLE_READ, lose_what_was_read},
    {"a reader skips a record", CHECK_POLL_SKIP, skip_a_record},
    {"a reader goes back", CHECK_NONMONOTONIC_POLL, read_a_record_again},
    {"other bytes are read", CHECK_CORRUPT_PAYLOAD, read_other_bytes},
};

/* False: it was never possible in that history. */
static bool breaks(int index, uint64_t seed, bool *found)
{
    struct run r;
    static struct model m;
    bool broken = false;
    model_start(&m, &r, seed);
    uint64_t from = model_below(&m, MODEL_STEPS);
    for (uint64_t i = 0; i < (uint64_t)4 * MODEL_STEPS && !broken; i++) {
        model_step(&m);
        broken = i >= from && illegal[index].step(&m);
    }
    assert_ok(check_status(r.check));
    *found = check_finding(r.check, illegal[index].code)->count > 0;
    end_run(&r);
    return broken;
}

TEST(a_history_with_one_step_that_is_not_legal_is_found)
{
    uint64_t count = from_environment("MODEL_HISTORIES", HISTORIES) / BROKEN_PART;
    uint64_t first = from_environment("MODEL_SEED", 1);
    for (int i = 0; i < COUNT_OF(illegal); i++) {
        uint64_t broken = 0, found_count = 0, missed = 0;
        for (uint64_t seed = first; seed < first + count; seed++) {
            bool found;
            if (!breaks(i, seed, &found))
                continue;
            broken++;
            found_count += found;
            missed = found ? missed : seed;
        }
        print_message("%-4s %5llu of %5llu  %s\n", check_infos[illegal[i].code].code,
                      (unsigned long long)found_count, (unsigned long long)broken, illegal[i].name);
        if (found_count < broken)
            print_message("     not with seed %llu\n", (unsigned long long)missed);
        assert_true(broken > 0 || count < HISTORIES / BROKEN_PART);
        assert_true(found_count * 100 >= broken * FOUND_PERCENT);
    }
}
