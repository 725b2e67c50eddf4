/* talk_test.c - what raft says, through Kafka's bytes and back; and what others may say. */
#include "support/test.h"
#include "talk/talk.h"

#define CLUSTER "MkU3OEVBNTcwNTJENDM2Qk"
#define ROUNDS 4000
#define ARENA_LIMIT (1 << 20)

static const struct raft_key self = {.id = 7, .directory = {.b = {9, 8, 7}}};

/* ---- chance ---- */

static struct wire_uuid draw_uuid(struct rng *rng)
{
    struct wire_uuid uuid;
    for (size_t i = 0; i < sizeof uuid.b; i++)
        uuid.b[i] = (uint8_t)rng_next(rng);
    return uuid;
}

static struct raft_key draw_key(struct rng *rng)
{
    return (struct raft_key){.id = (int32_t)random_below(rng_next(rng), 100),
                             .directory = draw_uuid(rng)};
}

static int32_t draw_epoch(struct rng *rng)
{
    return (int32_t)random_below(rng_next(rng), (uint64_t)TALK_EPOCH_MAX + 1);
}

static int64_t draw_offset(struct rng *rng)
{
    return (int64_t)random_below(rng_next(rng), (uint64_t)TALK_OFFSET_MAX + 1);
}

static struct raft_snapshot_id draw_snapshot(struct rng *rng)
{
    int64_t offset = draw_offset(rng);
    return (struct raft_snapshot_id){.offset = offset, .epoch = draw_epoch(rng)};
}

/* A request of all that its API has. */
static struct raft_request draw_request(struct rng *rng, enum raft_api api)
{
    struct raft_request r = {.api = api, .bootstrap = -1, .to = self};
    r.from = draw_key(rng);
    r.epoch = draw_epoch(rng);
    if (api == RAFT_VOTE) {
        r.pre_vote = random_chance(rng_next(rng), 1, 2);
        r.last_epoch = draw_epoch(rng);
        r.end = draw_offset(rng);
    } else if (api == RAFT_FETCH) {
        r.last_epoch = draw_epoch(rng);
        r.end = draw_offset(rng);
    } else if (api == RAFT_FETCH_SNAPSHOT) {
        r.snapshot = draw_snapshot(rng);
        r.position = draw_offset(rng);
    } else if (api == RAFT_END_EPOCH) {
        r.successors.count = (int32_t)random_below(rng_next(rng), RAFT_VOTERS_MAX + 1);
        for (int32_t i = 0; i < r.successors.count; i++)
            r.successors.keys[i] = draw_key(rng);
    }
    return r;
}

/* ---- what a version can say ---- */

/* What is left of a request when a version has carried it. */
static void forget(struct raft_request *r, int16_t version)
{
    static const struct wire_uuid zero;
    bool keyed = r->api == RAFT_FETCH ? version >= 17 : version >= 1;
    if (!keyed || r->api == RAFT_BEGIN_EPOCH || r->api == RAFT_END_EPOCH)
        r->from.directory = zero; /* of a leader none says it */
    for (int32_t i = 0; i < r->successors.count && !keyed; i++)
        r->successors.keys[i].directory = zero;
}

static void assert_same_key(const struct raft_key *a, const struct raft_key *b)
{
    assert_int_equal(a->id, b->id);
    assert_memory_equal(&a->directory, &b->directory, sizeof a->directory);
}

static void assert_same_request(const struct raft_request *a, const struct raft_request *b)
{
    assert_int_equal(a->api, b->api);
    assert_same_key(&a->from, &b->from);
    assert_same_key(&a->to, &b->to);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->pre_vote, b->pre_vote);
    assert_int_equal(a->last_epoch, b->last_epoch);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->snapshot.offset, b->snapshot.offset);
    assert_int_equal(a->snapshot.epoch, b->snapshot.epoch);
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->successors.count, b->successors.count);
    for (int32_t i = 0; i < a->successors.count; i++)
        assert_same_key(&a->successors.keys[i], &b->successors.keys[i]);
}

static const struct talk_endpoint endpoints[] = {{"CONTROLLER", "one.example", 9093},
                                                 {"OTHER", "::1", 65535}};
static const struct talk_terms terms = {.cluster_id = CLUSTER,
                                        .endpoints = endpoints,
                                        .endpoint_count = COUNT_OF(endpoints),
                                        .wait_ms_max = 500,
                                        .bytes_max = 8 << 20,
                                        .high_watermark = 41};

/* Through the bytes: what the one asks is what the other is asked. */
static void send_request(const struct raft_request *r, int16_t version)
{
    struct test_mem mem;
    struct wire_out out;
    struct arena arena;
    struct talk_asked asked;
    struct errmsg msg = {0};
    const struct wire_message *m = talk_api(r->api)->request;
    test_mem_init(&mem);
    wire_out_init(&out, &mem.mem);
    arena_init(&arena, &mem.mem, ARENA_LIMIT);
    assert_ok(talk_request(r, &terms, version, &out));
    void *body = arena_alloc(&arena, m->size);
    if (wire_decode(m, version, bytes_of(out.data, out.size), NULL, body, &arena, &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    assert_int_equal(talk_take(r->api, version, body, CLUSTER, &self, &asked), 0);
    struct raft_request left = *r;
    forget(&left, version);
    assert_same_request(&left, &asked.request);
    if (r->api == RAFT_FETCH) {
        assert_int_equal(asked.wait_ms_max, 500);
        assert_int_equal(asked.high_watermark, version >= 18 ? 41 : INT64_MAX);
    }
    if (r->api == RAFT_FETCH || r->api == RAFT_FETCH_SNAPSHOT)
        assert_int_equal(asked.bytes_max, 8 << 20);
    arena_free(&arena);
    wire_out_free(&out);
    test_mem_done(&mem);
}

TEST(what_raft_asks_in_kafkas_bytes_is_what_raft_is_asked)
{
    struct rng rng = {.state = 1};
    for (int i = 0; i < ROUNDS; i++) {
        enum raft_api api = (enum raft_api)(i % RAFT_API_COUNT);
        const struct wire_message *m = talk_api(api)->request;
        struct raft_request r = draw_request(&rng, api);
        int oldest = api == RAFT_FETCH ? 13 : m->oldest;
        for (int v = oldest; v <= m->newest; v++) {
            if (!r.pre_vote || v >= 2)
                send_request(&r, (int16_t)v);
        }
    }
}

TEST(a_version_that_cannot_say_it_is_not_sent)
{
    struct raft_request vote = {.api = RAFT_VOTE, .pre_vote = true};
    struct raft_request fetch = {.api = RAFT_FETCH};
    struct mem mem;
    struct wire_out out;
    mem_system(&mem);
    wire_out_init(&out, &mem);
    assert_int_equal(talk_request(&vote, &terms, 1, &out), ERR_UNSUPPORTED);
    assert_int_equal(talk_request(&fetch, &terms, 12, &out), ERR_UNSUPPORTED);
    assert_int_equal(talk_request(&vote, &terms, 3, &out), ERR_UNSUPPORTED);
    assert_int_equal(out.size, 0);
    wire_out_free(&out);
    assert_int_equal(mem.live_count, 0);
}

/* ---- answers ---- */

static struct raft_response draw_response(struct rng *rng, enum raft_api api)
{
    bool well = random_chance(rng_next(rng), 3, 4);
    uint64_t number = rng_next(rng);
    uint64_t code = well ? 0 : 1 + random_below(rng_next(rng), 130);
    int32_t epoch = draw_epoch(rng);
    struct raft_response r = {.api = api,
                              .number = number,
                              .from_id = 3,
                              .code = (int16_t)code,
                              .epoch = epoch,
                              .high_watermark = -1,
                              .snapshot = {.offset = -1}};
    r.leader_id = (int32_t)random_below(rng_next(rng), 5) - 1;
    if (api == RAFT_VOTE)
        r.granted = random_chance(rng_next(rng), 1, 2);
    if (!well)
        return r;
    if (api == RAFT_FETCH) {
        r.high_watermark = draw_offset(rng);
        r.fetched = (enum raft_fetched)random_below(rng_next(rng), 3);
        if (r.fetched == RAFT_FETCHED_DIVERGING) {
            r.diverging_epoch = draw_epoch(rng);
            r.diverging_end = draw_offset(rng);
        } else if (r.fetched == RAFT_FETCHED_SNAPSHOT) {
            r.snapshot = draw_snapshot(rng);
        }
    } else if (api == RAFT_FETCH_SNAPSHOT) {
        r.snapshot = draw_snapshot(rng);
        r.position = draw_offset(rng) / 2;
        r.bytes = (int64_t)random_below(rng_next(rng), 100);
        r.size = r.position + r.bytes + (int64_t)random_below(rng_next(rng), 100);
    }
    return r;
}

static void assert_same_response(const struct raft_response *a, const struct raft_response *b)
{
    assert_int_equal(a->api, b->api);
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->from_id, b->from_id);
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->leader_id, b->leader_id);
    assert_int_equal(a->granted, b->granted);
    assert_int_equal(a->fetched, b->fetched);
    assert_int_equal(a->high_watermark, b->high_watermark);
    assert_int_equal(a->diverging_epoch, b->diverging_epoch);
    assert_int_equal(a->diverging_end, b->diverging_end);
    assert_int_equal(a->snapshot.offset, b->snapshot.offset);
    assert_int_equal(a->snapshot.epoch, b->snapshot.epoch);
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->batch_count + b->batch_count, 0);
}

static void send_response(const struct raft_response *r, int16_t version, bool known)
{
    static const uint8_t piece[128] = "a piece";
    struct raft_request asked = {
        .api = r->api, .number = r->number, .bootstrap = -1, .to = {.id = r->from_id}};
    struct talk_answer answer;
    struct raft_response heard;
    struct test_mem mem;
    struct wire_out out;
    struct errmsg msg = {0};
    struct bytes content;
    int64_t bytes = r->api == RAFT_FETCH ? (int64_t)sizeof piece : r->bytes;
    bool carries = r->code == 0 && (r->api == RAFT_FETCH_SNAPSHOT ||
                                    (r->api == RAFT_FETCH && r->fetched == RAFT_FETCHED_RECORDS));
    test_mem_init(&mem);
    wire_out_init(&out, &mem.mem);
    const void *body = talk_answer(&answer, r, version, known ? &endpoints[0] : NULL,
                                   (struct wire_bytes){.data = piece, .size = (int32_t)bytes});
    assert_ok(wire_encode(talk_api(r->api)->response, version, body, &out));
    if (talk_response(&asked, version, bytes_of(out.data, out.size), &mem.mem, &heard, &content,
                      &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    assert_same_response(r, &heard);
    assert_int_equal(content.size, carries ? bytes : 0);
    if (carries)
        assert_memory_equal(content.data, piece, (size_t)bytes);
    wire_out_free(&out);
    test_mem_done(&mem);
}

TEST(what_raft_answers_in_kafkas_bytes_is_what_raft_hears)
{
    struct rng rng = {.state = 2};
    for (int i = 0; i < ROUNDS; i++) {
        enum raft_api api = (enum raft_api)(i % RAFT_API_COUNT);
        const struct wire_message *m = talk_api(api)->response;
        struct raft_response r = draw_response(&rng, api);
        for (int v = api == RAFT_FETCH ? 13 : m->oldest; v <= m->newest; v++)
            send_response(&r, (int16_t)v, i % 2 == 0);
    }
}

/* At an address it is not known who answers: a leader names itself. */
TEST(who_answers_at_an_address_is_its_leader_or_nobody_known)
{
    struct raft_request asked = {.api = RAFT_FETCH, .number = 5, .bootstrap = 0, .to = {.id = -1}};
    struct raft_response says = {.api = RAFT_FETCH, .epoch = 4, .leader_id = 2};
    static const int16_t codes[] = {0, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER};
    for (int i = 0; i < COUNT_OF(codes); i++) {
        struct talk_answer answer;
        struct raft_response heard;
        struct mem mem;
        struct wire_out out;
        struct errmsg msg = {0};
        struct bytes content;
        mem_system(&mem);
        wire_out_init(&out, &mem);
        says.code = codes[i];
        assert_ok(wire_encode(&wire_fetch_response_message, 17,
                              talk_answer(&answer, &says, 17, NULL, (struct wire_bytes){0}), &out));
        assert_ok(
            talk_response(&asked, 17, bytes_of(out.data, out.size), &mem, &heard, &content, &msg));
        assert_int_equal(heard.from_id, codes[i] == 0 ? 2 : RAFT_NOBODY);
        assert_int_equal(heard.leader_id, 2);
        wire_out_free(&out);
    }
}

/* A refusal of all of it tells raft the code, and no epoch. */
TEST(a_refusal_is_a_code_without_an_epoch)
{
    for (int api = 0; api < RAFT_API_COUNT; api++) {
        const struct wire_message *m = talk_api((enum raft_api)api)->response;
        for (int v = m->oldest; v <= m->newest; v++) {
            struct raft_request asked = {.api = (enum raft_api)api, .number = 9, .bootstrap = -1};
            struct talk_answer answer;
            struct raft_response heard;
            struct mem mem;
            struct wire_out out;
            struct bytes content;
            mem_system(&mem);
            wire_out_init(&out, &mem);
            const void *body =
                talk_refuse(&answer, (enum raft_api)api, NULL, WIRE_ERROR_INCONSISTENT_CLUSTER_ID);
            if (api == RAFT_FETCH && v < 7) /* has no code of the whole */
                continue;
            assert_ok(wire_encode(m, v, body, &out));
            assert_ok(talk_response(&asked, (int16_t)v, bytes_of(out.data, out.size), &mem, &heard,
                                    &content, NULL));
            assert_int_equal(heard.code, WIRE_ERROR_INCONSISTENT_CLUSTER_ID);
            assert_int_equal(heard.epoch, -1);
            assert_int_equal(heard.leader_id, -1);
            wire_out_free(&out);
            assert_int_equal(mem.live_count, 0);
        }
    }
}

/* ---- what others may say ---- */

static struct wire_vote_request_partition vote_partition;
static struct wire_vote_request_topic vote_topic;
static struct wire_vote_request vote;

static int16_t take_vote(void)
{
    struct talk_asked asked;
    return talk_take(RAFT_VOTE, 2, &vote, CLUSTER, &self, &asked);
}

static void reset_vote(void)
{
    vote_partition = (struct wire_vote_request_partition){.replica_epoch = 2, .replica_id = 1};
    vote_topic = (struct wire_vote_request_topic){.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                  .partitions = &vote_partition,
                                                  .partitions_count = 1};
    vote = (struct wire_vote_request){.cluster_id = wire_text(CLUSTER),
                                      .voter_id = self.id,
                                      .topics = &vote_topic,
                                      .topics_count = 1};
}

TEST(another_cluster_another_topic_and_impossible_numbers_are_refused)
{
    static const char *const clusters[] = {NULL, "", "MkU3OEVBNTcwNTJENDM2Q",
                                           "MkU3OEVBNTcwNTJENDM2Ql"};
    reset_vote();
    assert_int_equal(take_vote(), 0);
    for (int i = 0; i < COUNT_OF(clusters); i++) {
        vote.cluster_id = wire_text(clusters[i]);
        assert_int_equal(take_vote(), WIRE_ERROR_INCONSISTENT_CLUSTER_ID);
    }
    reset_vote();
    vote_topic.topic_name = wire_text("orders");
    assert_int_equal(take_vote(), WIRE_ERROR_INVALID_REQUEST);
    reset_vote();
    vote_partition.partition_index = 1;
    assert_int_equal(take_vote(), WIRE_ERROR_INVALID_REQUEST);
    reset_vote();
    vote_topic.partitions_count = 0;
    assert_int_equal(take_vote(), WIRE_ERROR_INVALID_REQUEST);
    reset_vote();
    vote.topics_count = -1;
    assert_int_equal(take_vote(), WIRE_ERROR_INVALID_REQUEST);
    reset_vote();
    vote_partition.replica_epoch = INT32_MAX;
    assert_int_equal(take_vote(), WIRE_ERROR_INVALID_REQUEST);
    reset_vote();
    vote_partition.last_offset = INT64_MAX;
    assert_int_equal(take_vote(), WIRE_ERROR_INVALID_REQUEST);
}

/* Who names no voter means whom it asks (version 0, and -1). */
TEST(a_vote_without_a_voter_means_this_node)
{
    struct talk_asked asked;
    reset_vote();
    vote.voter_id = -1;
    assert_int_equal(talk_take(RAFT_VOTE, 2, &vote, CLUSTER, &self, &asked), 0);
    assert_int_equal(asked.request.to.id, self.id);
    vote.voter_id = 3;
    assert_int_equal(talk_take(RAFT_VOTE, 2, &vote, CLUSTER, &self, &asked), 0);
    assert_int_equal(asked.request.to.id, 3);
}

TEST(a_snapshot_of_another_topic_is_refused_by_its_name)
{
    struct wire_fetch_snapshot_request_partition partition = {.partition = 4};
    struct wire_fetch_snapshot_request_topic topic = {
        .name = wire_text("orders"), .partitions = &partition, .partitions_count = 1};
    struct wire_fetch_snapshot_request body = {
        .cluster_id = wire_text(CLUSTER), .topics = &topic, .topics_count = 1};
    struct talk_asked asked;
    struct talk_answer a;
    int16_t code = talk_take(RAFT_FETCH_SNAPSHOT, 1, &body, CLUSTER, &self, &asked);
    assert_int_equal(code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    const struct wire_fetch_snapshot_response *says =
        talk_refuse(&a, RAFT_FETCH_SNAPSHOT, &body, code);
    assert_int_equal(says->error_code, 0);
    assert_int_equal(says->topics[0].partitions[0].error_code, code);
    assert_int_equal(says->topics[0].partitions[0].index, 4);
    assert_true(wire_string_equal(says->topics[0].name, wire_text("orders")));
}

/* A few bytes of it are others, small and great ones. */
static void spoil(struct wire_out *out, struct rng *rng)
{
    static const uint8_t evil[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (uint64_t n = 1 + random_below(rng_next(rng), 4); n > 0; n--) {
        size_t at = (size_t)random_below(rng_next(rng), out->size);
        out->data[at] = evil[random_below(rng_next(rng), COUNT_OF(evil))];
    }
}

static void check_bounds(const struct raft_request *r)
{
    assert_true(r->epoch <= TALK_EPOCH_MAX);
    assert_true(r->last_epoch <= TALK_EPOCH_MAX);
    assert_true(r->end <= TALK_OFFSET_MAX);
    assert_true(r->position <= TALK_OFFSET_MAX);
    assert_in_range(r->successors.count, 0, RAFT_VOTERS_MAX);
}

/* Whatever a request says, it is a code, or within what raft may be told. */
TEST(a_spoilt_request_is_a_code_or_within_bounds)
{
    struct rng rng = {.state = 3};
    int passed = 0, refused = 0;
    for (int i = 0; i < ROUNDS * 5; i++) {
        enum raft_api api = (enum raft_api)(i % RAFT_API_COUNT);
        const struct wire_message *m = talk_api(api)->request;
        struct raft_request r = draw_request(&rng, api);
        struct mem mem;
        struct arena arena;
        struct wire_out out;
        struct talk_asked asked;
        struct talk_answer answer;
        mem_system(&mem);
        arena_init(&arena, &mem, ARENA_LIMIT);
        wire_out_init(&out, &mem);
        assert_ok(talk_request(&r, &terms, m->newest, &out));
        spoil(&out, &rng);
        void *body = arena_alloc(&arena, m->size);
        if (wire_decode_request(m, m->newest, bytes_of(out.data, out.size), body, &arena, NULL) ==
            ERR_NONE) {
            int16_t code = talk_take(api, m->newest, body, CLUSTER, &self, &asked);
            passed += code == 0;
            refused += code != 0;
            if (code == 0)
                check_bounds(&asked.request);
            else
                assert_non_null(talk_refuse(&answer, api, body, code));
        }
        wire_out_free(&out);
        arena_free(&arena);
        assert_int_equal(mem.live_count, 0);
    }
    assert_true(passed > ROUNDS);
    assert_true(refused > ROUNDS);
}

static bool hear(enum raft_api api, struct bytes body)
{
    struct mem mem;
    struct raft_response heard;
    struct bytes content;
    struct errmsg msg = {0};
    struct raft_request asked = {.api = api, .number = 1, .bootstrap = -1, .to = {.id = 2}};
    mem_system(&mem);
    enum err e =
        talk_response(&asked, talk_api(api)->response->newest, body, &mem, &heard, &content, &msg);
    assert_int_equal(mem.live_count, 0);
    if (e != ERR_NONE) {
        assert_true(e == ERR_CORRUPT || e == ERR_NOMEM);
        return false;
    }
    assert_in_range(heard.epoch + 1, 0, TALK_EPOCH_MAX + 1ll);
    assert_true(heard.leader_id >= -1);
    assert_in_range(heard.high_watermark + 1, 0, TALK_OFFSET_MAX + 1);
    assert_in_range(heard.snapshot.offset + 1, 0, TALK_OFFSET_MAX + 1);
    assert_in_range(heard.diverging_end, 0, TALK_OFFSET_MAX);
    assert_in_range(heard.position, 0, TALK_OFFSET_MAX);
    assert_true(heard.position + heard.bytes <= heard.size);
    return true;
}

TEST(a_spoilt_answer_is_an_error_or_within_bounds)
{
    static const uint8_t piece[100] = {0};
    struct rng rng = {.state = 4};
    int passed = 0;
    for (int i = 0; i < ROUNDS * 5; i++) {
        enum raft_api api = (enum raft_api)(i % RAFT_API_COUNT);
        struct raft_response r = draw_response(&rng, api);
        struct mem mem;
        struct wire_out out;
        struct talk_answer answer;
        int32_t bytes = api == RAFT_FETCH_SNAPSHOT ? (int32_t)r.bytes : (int32_t)sizeof piece;
        int16_t version = talk_api(api)->response->newest;
        mem_system(&mem);
        wire_out_init(&out, &mem);
        const void *body = talk_answer(&answer, &r, version, &endpoints[0],
                                       (struct wire_bytes){.data = piece, .size = bytes});
        assert_ok(wire_encode(talk_api(api)->response, version, body, &out));
        spoil(&out, &rng);
        passed += hear(api, bytes_of(out.data, out.size));
        wire_out_free(&out);
    }
    assert_in_range(passed, ROUNDS / 2, ROUNDS * 4);
}

/* Answers that are sound but for one number. */
TEST(an_answer_with_a_number_that_cannot_be_is_an_error)
{
    static const int64_t bad[] = {-2, INT64_MIN, INT64_MAX, TALK_OFFSET_MAX + 1};
    struct raft_request asked = {.api = RAFT_FETCH, .number = 1, .bootstrap = -1, .to = {.id = 2}};
    for (int i = 0; i < COUNT_OF(bad) * 4; i++) {
        struct raft_response says = {.api = RAFT_FETCH, .epoch = 3, .leader_id = 2};
        struct talk_answer answer;
        struct mem mem;
        struct wire_out out;
        struct raft_response heard;
        struct bytes content;
        struct errmsg msg = {0};
        mem_system(&mem);
        wire_out_init(&out, &mem);
        const void *body = talk_answer(&answer, &says, 17, NULL, (struct wire_bytes){0});
        struct wire_fetch_response_partition *p = &answer.fetch.partition;
        int64_t number = bad[i % COUNT_OF(bad)];
        if (i / COUNT_OF(bad) == 0)
            p->high_watermark = number;
        else if (i / COUNT_OF(bad) == 1)
            p->diverging_epoch.end_offset = number;
        else if (i / COUNT_OF(bad) == 2)
            p->snapshot_id.end_offset = number;
        else
            p->current_leader.leader_epoch = number < 0 ? -2 : INT32_MAX;
        assert_ok(wire_encode(&wire_fetch_response_message, 17, body, &out));
        assert_int_equal(
            talk_response(&asked, 17, bytes_of(out.data, out.size), &mem, &heard, &content, &msg),
            ERR_CORRUPT);
        assert_true(msg.text[0] != 0);
        wire_out_free(&out);
    }
}

TEST(a_refused_allocation_is_out_of_memory)
{
    struct raft_request request = {.api = RAFT_FETCH, .number = 1, .bootstrap = -1};
    struct raft_response says = {.api = RAFT_FETCH, .epoch = 3, .leader_id = 2};
    struct talk_answer answer;
    const void *body = talk_answer(&answer, &says, 17, NULL, (struct wire_bytes){0});
    uint64_t failed = 1;
    for (uint64_t n = 1; failed > 0; n++) {
        struct test_mem mem;
        struct wire_out out;
        struct raft_response heard;
        struct bytes content;
        test_mem_init(&mem);
        wire_out_init(&out, &mem.mem);
        mem.fail_at = n;
        enum err e = talk_request(&request, &terms, 17, &out);
        if (e == ERR_NONE) {
            wire_out_reset(&out);
            e = wire_encode(&wire_fetch_response_message, 17, body, &out);
        }
        if (e == ERR_NONE)
            e = talk_response(&request, 17, bytes_of(out.data, out.size), &mem.mem, &heard,
                              &content, NULL);
        failed = mem.failed;
        assert_int_equal(e, failed > 0 ? ERR_NOMEM : ERR_NONE);
        wire_out_free(&out);
        test_mem_done(&mem);
    }
}
