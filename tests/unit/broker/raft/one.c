/* one.c - see one.h. */
#include "one.h"

struct raft_key key_of(int32_t id)
{
    return (struct raft_key){.id = id, .directory.b = {(uint8_t)(id + 1)}};
}

struct raft_voters voters_of(int count)
{
    struct raft_voters voters = {.count = count};
    for (int i = 0; i < count; i++)
        voters.keys[i] = key_of(i);
    return voters;
}

void prepare(struct one *o, int voter_count)
{
    *o = (struct one){.now_ns = 1000 * MS};
    test_mem_init(&o->mem);
    o->settings = (struct raft_settings){.self = key_of(SELF),
                                         .election_timeout_ns = 1000 * MS,
                                         .election_backoff_ns = 500 * MS,
                                         .fetch_timeout_ns = 2000 * MS,
                                         .retry_backoff_ns = 20 * MS};
    o->sets[0] = (struct raft_voter_set){.offset = -1, .voters = voters_of(voter_count)};
    o->state = (struct raft_state){.leader_id = RAFT_NOBODY, .voted.id = RAFT_NOBODY};
    o->epochs.rows = o->epoch_rows;
    o->start = (struct raft_start){.state = &o->state,
                                   .epochs = &o->epochs,
                                   .snapshot.offset = -1,
                                   .voter_sets = o->sets,
                                   .voter_set_count = 1};
}

void has_log(struct one *o, int32_t epoch, int64_t end)
{
    o->epoch_rows[o->epochs.count++] = (struct format_epoch){epoch, o->start.log_end};
    o->start.log_end = end;
}

void take(struct one *o, struct raft_event event)
{
    event.now_ns = o->now_ns;
    event.chance = 7;
    assert_ok(raft_step(o->raft, &event, &o->out));
}

void begin(struct one *o)
{
    o->start.now_ns = o->now_ns;
    assert_ok(raft_open(&o->raft, &o->mem.mem, &o->settings, &o->start));
    take(o, (struct raft_event){.type = RAFT_TICK});
}

void end(struct one *o)
{
    raft_free(o->raft);
    test_mem_done(&o->mem);
}

void saved(struct one *o)
{
    assert_true(o->out.save);
    take(o, (struct raft_event){.type = RAFT_SAVED});
}

void ask(struct one *o, struct raft_request request)
{
    request.to = key_of(SELF);
    take(o, (struct raft_event){.type = RAFT_REQUEST, .request = request});
    assert_true(o->out.answered);
}

struct raft_request vote(int32_t from, int32_t epoch, int32_t last_epoch, int64_t log_end)
{
    return (struct raft_request){.api = RAFT_VOTE,
                                 .from = key_of(from),
                                 .epoch = epoch,
                                 .last_epoch = last_epoch,
                                 .end = log_end};
}

struct raft_request fetch(int32_t from, int32_t epoch, int32_t last_epoch, int64_t log_end)
{
    struct raft_request request = vote(from, epoch, last_epoch, log_end);
    request.api = RAFT_FETCH;
    return request;
}

const struct raft_request *sent(const struct one *o, enum raft_api api, int32_t to)
{
    for (int i = 0; i < o->out.message_count; i++) {
        if (o->out.messages[i].api == api && o->out.messages[i].to.id == to)
            return &o->out.messages[i];
    }
    return NULL;
}

void answer(struct one *o, const struct raft_request *request, struct raft_response response)
{
    assert_non_null(request);
    response.api = request->api;
    response.number = request->number;
    response.from_id = request->to.id;
    take(o, (struct raft_event){.type = RAFT_RESPONSE, .response = response});
}

void time_out(struct one *o)
{
    o->now_ns = o->out.deadline_ns;
    take(o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_role(o->raft), RAFT_PROSPECTIVE);
}

struct raft_response says(int32_t epoch, bool granted)
{
    return (struct raft_response){.epoch = epoch, .leader_id = RAFT_NOBODY, .granted = granted};
}

void becomes_candidate(struct one *o)
{
    time_out(o);
    struct raft_request pre = *sent(o, RAFT_VOTE, 1);
    assert_true(pre.pre_vote);
    answer(o, &pre, says(pre.epoch, true));
    assert_int_equal(raft_role(o->raft), RAFT_CANDIDATE);
}

void becomes_leader(struct one *o)
{
    becomes_candidate(o);
    struct raft_request real = *sent(o, RAFT_VOTE, 1);
    saved(o);
    answer(o, &real, says(real.epoch, true));
    assert_int_equal(raft_role(o->raft), RAFT_LEADER);
    assert_int_equal(o->out.log, RAFT_LOG_LEADER_CHANGE);
    saved(o);
    take(o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = raft_end(o->raft)});
}

void becomes_follower(struct one *o, int32_t leader, int32_t epoch)
{
    ask(o, (struct raft_request){.api = RAFT_BEGIN_EPOCH, .from = key_of(leader), .epoch = epoch});
    assert_int_equal(o->out.answer.code, 0);
    assert_int_equal(raft_role(o->raft), RAFT_FOLLOWER);
}

struct raft_request follows(struct one *o, int32_t leader, int32_t epoch)
{
    becomes_follower(o, leader, epoch);
    const struct raft_request *request = sent(o, RAFT_FETCH, leader);
    assert_non_null(request);
    struct raft_request first = *request;
    saved(o);
    return first;
}

struct raft_response fetched(int32_t epoch, int32_t leader, int64_t high_watermark,
                             const struct raft_batch *batches, int32_t count)
{
    return (struct raft_response){.epoch = epoch,
                                  .leader_id = leader,
                                  .high_watermark = high_watermark,
                                  .batches = batches,
                                  .batch_count = count};
}

void diverge(struct one *o, int32_t epoch, int64_t at)
{
    struct raft_request request = follows(o, 1, 9);
    struct raft_response response = fetched(9, 1, 0, NULL, 0);
    response.fetched = RAFT_FETCHED_DIVERGING;
    response.diverging_epoch = epoch;
    response.diverging_end = at;
    answer(o, &request, response);
}
