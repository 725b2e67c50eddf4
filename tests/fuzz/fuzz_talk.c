/* fuzz_talk.c - a voter of a metadata quorum that is told whatever others may tell it: requests and
 * answers in Kafka's bytes, through talk into raft, whose effects are done at once. Each message is
 * a byte that says which, one for its version, one for the time that has passed, two for its size,
 * and that many bytes. */
#include "talk/talk.h"
#include "fuzz.h"

#define CLUSTER "MkU3OEVBNTcwNTJENDM2Qg" /* of the seeds */
#define MS 1000000ll
#define HEAD_SIZE 5
#define SENT_MAX 16
#define QUEUE_MAX 16
#define ARENA_LIMIT (1 << 20)
#define ANSWERS 0x80 /* of the first byte: an answer to what was sent last */

struct voter {
    struct mem mem;
    struct raft *raft;
    struct raft_effects out;
    struct raft_request sent[SENT_MAX];
    int sent_count;
    int64_t now_ns;
    uint64_t chance;
    struct raft_response piece; /* that is being stored */
    struct raft_event queue[QUEUE_MAX];
    int queue_count;
};

static void queue(struct voter *v, const struct raft_event *event)
{
    ASSERT(v->queue_count < QUEUE_MAX);
    v->queue[v->queue_count++] = *event;
}

/* The disk is fast and whole: what it has done is told next. */
static void do_effects(struct voter *v)
{
    const struct raft_effects *out = &v->out;
    struct raft_event event = {.type = RAFT_SYNCED};
    event.synced.end = raft_end(v->raft);
    event.synced.generation = out->log_generation;
    for (int32_t i = 0; i < out->message_count; i++)
        v->sent[v->sent_count++ % SENT_MAX] = out->messages[i];
    if (out->log == RAFT_LOG_TRUNCATE || out->log == RAFT_LOG_RESET)
        event.type = RAFT_LOG_DONE;
    if (out->log != RAFT_LOG_NONE)
        queue(v, &event);
    if (!out->store)
        return;
    event = (struct raft_event){.type = RAFT_STORED};
    event.stored.number = v->piece.number;
    event.stored.position = v->piece.position + v->piece.bytes;
    event.stored.whole = event.stored.position == v->piece.size;
    queue(v, &event);
}

static void step_one(struct voter *v, struct raft_event *event)
{
    v->chance = hash_mix(v->chance + 1);
    event->now_ns = v->now_ns;
    event->chance = v->chance;
    enum err e = raft_step(v->raft, event, &v->out);
    ASSERT(e == ERR_NONE);
    ASSERT(raft_state(v->raft)->epoch >= 0);
    ASSERT(raft_high_watermark(v->raft) <= raft_end(v->raft));
}

/* One event, and all that comes of it. */
static void step(struct voter *v, struct raft_event event)
{
    queue(v, &event);
    while (v->queue_count > 0) {
        struct raft_event next = v->queue[0];
        memmove(v->queue, v->queue + 1, (size_t)--v->queue_count * sizeof v->queue[0]);
        step_one(v, &next);
        do_effects(v);
        while (v->out.save) {
            next = (struct raft_event){.type = RAFT_SAVED};
            step_one(v, &next);
            do_effects(v);
        }
    }
}

static void begin(struct voter *v)
{
    const struct raft_settings settings = {.self = {.id = 1},
                                           .election_timeout_ns = 1000 * MS,
                                           .election_backoff_ns = 1000 * MS,
                                           .fetch_timeout_ns = 2000 * MS,
                                           .retry_backoff_ns = 20 * MS};
    const struct raft_state state = {.epoch = 2, .leader_id = RAFT_NOBODY, .voted = {.id = -1}};
    struct raft_voter_set set = {.offset = -1, .voters = {.count = 3}};
    struct format_epochs epochs = {0};
    for (int32_t i = 0; i < 3; i++)
        set.voters.keys[i].id = i + 1;
    const struct raft_start start = {.now_ns = MS,
                                     .state = &state,
                                     .epochs = &epochs,
                                     .snapshot = {.offset = -1},
                                     .voter_sets = &set,
                                     .voter_set_count = 1};
    *v = (struct voter){.now_ns = MS};
    mem_system(&v->mem);
    enum err e = raft_open(&v->raft, &v->mem, &settings, &start);
    ASSERT(e == ERR_NONE);
    step(v, (struct raft_event){.type = RAFT_TICK});
}

static void hear_request(struct voter *v, enum raft_api api, int16_t version, struct bytes body)
{
    const struct wire_message *m = talk_api(api)->request;
    const struct raft_key self = {.id = 1};
    struct arena arena;
    struct talk_asked asked;
    struct talk_answer answer;
    struct wire_out out;
    arena_init(&arena, &v->mem, ARENA_LIMIT);
    wire_out_init(&out, &v->mem);
    void *decoded = arena_alloc(&arena, m->size);
    if (wire_decode_request(m, version, body, decoded, &arena, NULL) == ERR_NONE) {
        int16_t code = talk_take(api, version, decoded, CLUSTER, &self, &asked);
        const void *says = NULL;
        if (code == WIRE_ERROR_NONE) {
            step(v, (struct raft_event){.type = RAFT_REQUEST, .request = asked.request});
            struct raft_response response = {.api = api, .epoch = raft_state(v->raft)->epoch};
            says = talk_answer(&answer, &response, version, NULL, (struct wire_bytes){0});
        } else {
            says = talk_refuse(&answer, api, decoded, code);
        }
        enum err e = wire_encode(talk_api(api)->response, version, says, &out);
        ASSERT(e == ERR_NONE);
    }
    wire_out_free(&out);
    arena_free(&arena);
}

/* What is said of the log is taken for a batch, whatever it says. */
static struct raft_batch batch_of(struct bytes content)
{
    struct raft_batch batch = {0};
    if (content.size < 20)
        return batch;
    batch.first = get_i64(content.data);
    batch.end = get_i64(content.data + 8);
    batch.epoch = get_i32(content.data + 16);
    return batch;
}

static void hear_answer(struct voter *v, int16_t version, struct bytes body)
{
    if (v->sent_count == 0)
        return;
    const struct raft_request *asked = &v->sent[(v->sent_count - 1) % SENT_MAX];
    const struct wire_message *m = talk_api(asked->api)->response;
    struct raft_event event = {.type = RAFT_RESPONSE};
    struct bytes content;
    struct errmsg msg = {0};
    version = (int16_t)(m->oldest + version % (m->newest - m->oldest + 1));
    if (talk_response(asked, version, body, &v->mem, &event.response, &content, &msg) != ERR_NONE)
        return;
    struct raft_batch batch = batch_of(content);
    event.response.batches = &batch;
    event.response.batch_count = event.response.api == RAFT_FETCH && content.size >= 20;
    v->piece = event.response;
    step(v, event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct voter v;
    begin(&v);
    size_t at = 0;
    while (at + HEAD_SIZE <= size) {
        const uint8_t *head = data + at;
        size_t body_size = MIN((size_t)get_u16(head + 3), size - at - HEAD_SIZE);
        struct bytes body = bytes_of(head + HEAD_SIZE, body_size);
        enum raft_api api = (enum raft_api)((head[0] & ~ANSWERS) % RAFT_API_COUNT);
        const struct wire_message *m = talk_api(api)->request;
        int16_t version = (int16_t)(m->oldest + head[1] % (m->newest - m->oldest + 1));
        at += HEAD_SIZE + body_size;
        v.now_ns += head[2] * 20 * MS;
        step(&v, (struct raft_event){.type = RAFT_TICK});
        if ((head[0] & ANSWERS) != 0)
            hear_answer(&v, head[1], body);
        else
            hear_request(&v, api, version, body);
    }
    raft_free(v.raft);
    ASSERT(v.mem.live_count == 0);
    return 0;
}
