/* ask.c - what other nodes ask: handed to raft, and answered with what its answer needs of the
 * disk. Who fetches and has all there is waits here. Nothing leaves that is not durable here, so
 * that nothing is ever committed that this node could still lose (KAFKA-16530). */
#include "quorum/internal.h"

/* The read of an answer; it outlives an ask that ends meanwhile. */
struct quorum_reading {
    struct quorum *q;
    struct quorum_ask *ask; /* NULL: nobody waits for it any more */
    struct log_read log;
    bool given; /* log holds bytes */
    /* A piece of a snapshot. */
    struct steps steps;
    env_file file;
    enum err failed;
    uint64_t size; /* of the whole file */
    uint8_t *bytes;
    uint64_t count;
    char path[ENV_PATH_MAX];
};

/* ---- the end of an ask ---- */

/* It is told when the step that runs is over. */
static void finish(struct quorum_ask *ask, int16_t code)
{
    if (code != WIRE_ERROR_NONE)
        ask->answer.code = code;
    ask->asked = QUORUM_ASK_DONE;
    list_push_back(&ask->quorum->member->answering, &ask->link);
    ask->quorum->member->again = true;
}

void quorum_ask_tell(struct quorum *q)
{
    struct list *link;
    while ((link = list_pop_front(&q->member->answering)) != NULL) {
        struct quorum_ask *ask = CONTAINER_OF(link, struct quorum_ask, link);
        ask->done(ask);
    }
}

static void free_reading(struct quorum_reading *reading)
{
    struct quorum *q = reading->q;
    if (reading->given)
        log_read_release(&reading->log);
    if (reading->bytes != NULL)
        mem_free(q->mem, reading->bytes);
    mem_free(q->mem, reading);
}

void quorum_ask_end(struct quorum_ask *ask)
{
    struct quorum *q = ask->quorum;
    if (q == NULL)
        return;
    ask->quorum = NULL;
    list_remove(&ask->link);
    if (q->member->held == ask)
        q->member->held = NULL;
    if (ask->reading != NULL && ask->asked == QUORUM_ASK_READS)
        ask->reading->ask = NULL; /* frees itself when it is done */
    else if (ask->reading != NULL)
        free_reading(ask->reading);
    ask->reading = NULL;
    q->member->ask_count--;
    if (q->closing)
        quorum_member_go_on(q);
}

static bool still_leads(const struct quorum *q, const struct quorum_ask *ask)
{
    return raft_role(q->raft) == RAFT_LEADER && raft_state(q->raft)->epoch == ask->request.epoch;
}

/* What it says of epoch and leader is what was so when raft answered: what is so now may not be on
 * the disk yet (K-1). */
static void refuse(struct quorum_ask *ask)
{
    ask->answer.leader_id = RAFT_NOBODY;
    ask->bytes = (struct bytes){0};
    finish(ask, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
}

static struct quorum_reading *begin_reading(struct quorum_ask *ask)
{
    struct quorum *q = ask->quorum;
    struct quorum_reading *reading = mem_zalloc(q->mem, sizeof *reading);
    if (reading == NULL) {
        finish(ask, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return NULL;
    }
    reading->q = q;
    reading->ask = ask;
    ask->reading = reading;
    ask->asked = QUORUM_ASK_READS;
    return reading;
}

/* Who asked may be gone. */
static void read_done(struct quorum_reading *reading, enum err e, struct bytes bytes)
{
    struct quorum *q = reading->q;
    struct quorum_ask *ask = reading->ask;
    if (ask == NULL) {
        free_reading(reading);
    } else if (!still_leads(q, ask)) {
        refuse(ask);
    } else {
        ask->bytes = bytes;
        finish(ask, e == ERR_NONE ? WIRE_ERROR_NONE : WIRE_ERROR_UNKNOWN_SERVER_ERROR);
    }
    quorum_member_go_on(q);
}

/* ---- the log ---- */

static int64_t servable_end(const struct quorum *q)
{
    return MIN(log_counting_end(q->log), raft_end(q->raft));
}

static void on_log_read(struct log_op *op, enum err e)
{
    struct quorum_reading *reading = CONTAINER_OF(op, struct quorum_reading, log.op);
    reading->given = e == ERR_NONE && reading->log.part_count > 0;
    struct bytes bytes = {0};
    if (reading->given)
        bytes = bytes_of(reading->log.parts[0].data, (size_t)reading->log.parts[0].size);
    read_done(reading, e, bytes);
}

static void read_log(struct quorum_ask *ask)
{
    struct quorum *q = ask->quorum;
    struct quorum_reading *reading = begin_reading(ask);
    if (reading == NULL)
        return;
    ask->answer.high_watermark = raft_high_watermark(q->raft);
    reading->log = (struct log_read){.offset = ask->request.end,
                                     .offset_end = servable_end(q),
                                     .bytes_max = MAX(ask->bytes_max, 0),
                                     .at_least_one = true};
    log_load(q->log, &reading->log, on_log_read);
}

/* There is something that it has not, or does not know. */
static bool has_news(const struct quorum *q, const struct quorum_ask *ask)
{
    return ask->request.end < servable_end(q) || ask->high_watermark < raft_high_watermark(q->raft);
}

static void give_log(struct quorum_ask *ask)
{
    struct quorum *q = ask->quorum;
    ask->log_start = log_start(q->log);
    if (ask->request.end < servable_end(q)) {
        read_log(ask);
        return;
    }
    ask->answer.high_watermark = raft_high_watermark(q->raft);
    finish(ask, WIRE_ERROR_NONE);
}

static void park(struct quorum_ask *ask)
{
    struct quorum *q = ask->quorum;
    struct member *m = q->member;
    ask->asked = QUORUM_ASK_PARKED;
    if (ask->high_watermark == INT64_MAX) /* what it is told now it knows from then on */
        ask->high_watermark = raft_high_watermark(q->raft);
    ask->until_ns = env_now(q->env) + ask->wait_ns;
    list_push_back(&m->parked, &ask->link);
    m->parked_ns = MIN(m->parked_ns, ask->until_ns);
}

void quorum_ask_look(struct quorum *q)
{
    struct member *m = q->member;
    int64_t now = env_now(q->env);
    if (list_empty(&m->parked))
        m->parked_ns = INT64_MAX; /* who waited may have gone */
    if (list_empty(&m->parked) || q->raft == NULL)
        return;
    int64_t end = servable_end(q), watermark = raft_high_watermark(q->raft);
    if (m->parked_ns > now && end == m->seen_end && watermark == m->seen_watermark && !q->closing)
        return;
    m->seen_end = end;
    m->seen_watermark = watermark;
    m->parked_ns = INT64_MAX;
    LIST_EACH (ask, &m->parked, struct quorum_ask, link) {
        if (has_news(q, ask) || ask->until_ns <= now || q->closing) {
            list_remove(&ask->link);
            give_log(ask);
        } else {
            m->parked_ns = MIN(m->parked_ns, ask->until_ns);
        }
    }
}

void quorum_ask_refuse(struct quorum *q)
{
    struct list *link;
    while ((link = list_pop_front(&q->member->parked)) != NULL)
        refuse(CONTAINER_OF(link, struct quorum_ask, link));
    q->member->parked_ns = INT64_MAX;
}

void quorum_ask_abandon(struct quorum *q, bool all)
{
    struct member *m = q->member;
    struct list *link;
    while ((link = list_pop_front(&m->waiting)) != NULL)
        finish(CONTAINER_OF(link, struct quorum_ask, link), WIRE_ERROR_BROKER_NOT_AVAILABLE);
    if (!all)
        return;
    quorum_ask_refuse(q);
    struct quorum_ask *held = m->held;
    m->held = NULL;
    if (held != NULL)
        finish(held, WIRE_ERROR_BROKER_NOT_AVAILABLE);
}

/* ---- a piece of a snapshot ---- */

static struct quorum_reading *reading_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct quorum_reading, steps);
}

static enum steps_flow open_snapshot(struct steps *steps)
{
    env_open_file(steps->env, &steps->io, reading_of(steps)->path, ENV_OPEN_READ, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow measure(struct steps *steps)
{
    struct quorum_reading *reading = reading_of(steps);
    reading->file = steps->n;
    env_size(steps->env, &steps->io, reading->file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow read_piece(struct steps *steps)
{
    struct quorum_reading *reading = reading_of(steps);
    struct quorum_ask *ask = reading->ask;
    reading->failed = steps->err;
    steps->err = ERR_NONE;
    reading->size = steps->n;
    if (reading->failed != ERR_NONE || ask == NULL)
        return STEPS_NEXT;
    uint64_t position = (uint64_t)ask->request.position;
    if (position >= reading->size) {
        reading->failed = ERR_RANGE;
        return STEPS_NEXT;
    }
    uint64_t most = (uint64_t)MIN(MAX(ask->bytes_max, 1), QUORUM_PIECE_BYTES_MAX);
    reading->count = MIN(reading->size - position, most);
    reading->bytes = mem_alloc(reading->q->mem, (size_t)reading->count);
    if (reading->bytes == NULL) {
        reading->failed = ERR_NOMEM;
        return STEPS_NEXT;
    }
    env_read(steps->env, &steps->io, reading->file, position, reading->bytes, reading->count,
             steps_done);
    return STEPS_TRY;
}

static enum steps_flow close_snapshot(struct steps *steps)
{
    struct quorum_reading *reading = reading_of(steps);
    if (reading->failed == ERR_NONE && reading->bytes != NULL) {
        reading->failed = steps->err;
        if (steps->err == ERR_NONE && steps->n < reading->count)
            reading->count = steps->n;
    }
    env_close_file(steps->env, &steps->io, reading->file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow check_piece(struct steps *steps)
{
    return steps_check(steps, reading_of(steps)->failed);
}

static const struct step piece_steps[] = {
    {"open", open_snapshot},   {"measure", measure},  {"read", read_piece},
    {"close", close_snapshot}, {"read", check_piece}, {NULL, NULL},
};

static void piece_ended(struct steps *steps, enum err e)
{
    struct quorum_reading *reading = reading_of(steps);
    struct quorum_ask *ask = reading->ask;
    struct bytes bytes = {0};
    if (ask != NULL && e == ERR_RANGE)
        ask->answer.code = WIRE_ERROR_POSITION_OUT_OF_RANGE;
    if (ask != NULL && e == ERR_NOTFOUND) /* a newer one has taken its place */
        ask->answer.code = WIRE_ERROR_SNAPSHOT_NOT_FOUND;
    if (ask != NULL && ask->answer.code != WIRE_ERROR_NONE)
        e = ERR_NONE;
    else if (ask != NULL && e == ERR_NONE) {
        bytes = bytes_of(reading->bytes, (size_t)reading->count);
        ask->answer.snapshot = ask->request.snapshot;
        ask->answer.position = ask->request.position;
        ask->answer.bytes = (int64_t)reading->count;
        ask->answer.size = (int64_t)reading->size;
    }
    read_done(reading, e, bytes);
}

static void give_piece(struct quorum_ask *ask)
{
    struct quorum *q = ask->quorum;
    char folder[ENV_PATH_MAX], name[FORMAT_NAME_MAX];
    struct quorum_reading *reading = begin_reading(ask);
    if (reading == NULL)
        return;
    format_checkpoint_name(name, ask->request.snapshot.offset, ask->request.snapshot.epoch);
    dir_path_join(folder, q->settings.dir, METADATA_LOG_TOPIC, "-0");
    dir_path_join(reading->path, folder, name, "");
    steps_start(&reading->steps, q->env, piece_steps, piece_ended);
}

/* ---- asking ---- */

void quorum_ask_answered(struct quorum *q, struct quorum_ask *ask,
                         const struct raft_response *answer)
{
    const struct raft_request *request = &ask->request;
    ask->answer = *answer;
    ask->answer.batches = NULL;
    ask->answer.batch_count = 0;
    if (request->api == RAFT_VOTE)
        TRACE(q->trace, QUORUM_VOTE, .epoch = request->epoch, .candidate = request->from.id,
              .granted = answer->granted, .pre = request->pre_vote);
    bool good = answer->code == WIRE_ERROR_NONE;
    if (good && request->api == RAFT_FETCH && answer->fetched == RAFT_FETCHED_RECORDS)
        quorum_readers_fetched(q, request);
    if (good && request->api == RAFT_FETCH_SNAPSHOT)
        give_piece(ask);
    else if (!good || request->api != RAFT_FETCH || answer->fetched != RAFT_FETCHED_RECORDS)
        finish(ask, WIRE_ERROR_NONE);
    else if (has_news(q, ask) || ask->wait_ns <= 0)
        give_log(ask);
    else
        park(ask);
}

void quorum_ask(struct quorum *q, struct quorum_ask *ask, quorum_ask_done *done)
{
    struct member *m = q->member;
    ask->done = done;
    ask->answer = (struct raft_response){.api = ask->request.api,
                                         .number = ask->request.number,
                                         .from_id = q->settings.controller.node_id,
                                         .leader_id = RAFT_NOBODY,
                                         .code = WIRE_ERROR_BROKER_NOT_AVAILABLE};
    ask->bytes = (struct bytes){0};
    ask->reading = NULL;
    ask->quorum = NULL;
    list_init(&ask->link);
    if (m == NULL || !m->open || q->closing) {
        done(ask);
        return;
    }
    ask->quorum = q;
    ask->asked = QUORUM_ASK_WAITS;
    m->ask_count++;
    list_push_back(&m->waiting, &ask->link);
    quorum_member_go_on(q);
}
