/* answer.c - a leader's answer, partition by partition: into the log, or a reason to ask later.
 * Whatever stands in it, nothing is taken of a partition that was not asked for, and nothing twice.
 */
#include "fetcher/internal.h"

/* ---- into the log ---- */

/* What it said of itself is what it would say again: nothing has come of the answer. */
static bool is_as_asked(const struct followed *p)
{
    struct replica_ends ends;
    replica_ends(p->replica, &ends);
    return ends.leader_epoch == p->asked.leader_epoch && ends.end == p->asked.end &&
           ends.last_epoch == p->asked.last_epoch;
}

static void on_took(struct followed *p, bool records)
{
    bool named = p->session == p->fetcher->session;
    bool as_asked = is_as_asked(p);
    if (as_asked && records) { /* none of them: they are of an epoch that is to begin here yet */
        fetcher_delay(p, false);
        return;
    }
    p->told = false;
    p->soon_count = 0;
    if (as_asked && named) /* only its high watermark has moved, say */
        fetcher_move(p, FOLLOWED_ASKED);
    else
        fetcher_queue(p);
}

/* What a person is to know; a log that is offline has been told of by its replica, and a full disk
 * by its directory. */
static void tell_failed(struct followed *p, const struct replica_take *take)
{
    if (take->err == ERR_OFFLINE || take->err == ERR_NOSPACE)
        return;
    fetcher_tell(p->set, &p->told,
                 "partition %s-%d takes nothing from broker %d, which leads it: %s; it asks again",
                 replica_topic(p->replica), (int)replica_partition(p->replica),
                 (int)p->fetcher->leader,
                 take->msg.text[0] != 0 ? take->msg.text : err_text(take->err));
}

static void follow_on(struct followed *p, const struct replica_take *take)
{
    struct replica_ends ends;
    replica_ends(p->replica, &ends);
    switch (take->verdict) {
    case REPLICA_TOOK:
        on_took(p, take->records.size > 0);
        return;
    case REPLICA_TRUNCATED:
    case REPLICA_STALE:
        if (is_as_asked(p)) /* it would go on for ever */
            fetcher_delay(p, false);
        else
            fetcher_queue(p);
        return;
    case REPLICA_FAILED:
        tell_failed(p, take);
        fetcher_delay(p, false);
        return;
    case REPLICA_LATER:
        if (ends.leader_epoch >= 0 && ends.counting_end < ends.end)
            fetcher_move(p, FOLLOWED_SYNCING); /* when what it has counts */
        else
            fetcher_delay(p, false);
        return;
    }
    UNREACHABLE();
}

static void on_taken(struct replica_take *take)
{
    struct fetcher_take *t = CONTAINER_OF(take, struct fetcher_take, take);
    struct fetcher *f = t->fetcher;
    struct followed *p = t->of;
    struct replica *r = take->replica;
    ASSERT(p->state == FOLLOWED_TAKING);
    t->of = NULL;
    f->take_count--;
    struct fetcher *next = p->fetcher; /* its leader may be another one by now */
    if (next == NULL)
        fetcher_left(p);
    else
        follow_on(p, take);
    if (next != f && next != NULL)
        fetcher_go_on(next);
    replica_let_go(r);
    if (f->answering && !f->stepping)
        env_arm(f->set->env, &f->step, env_now(f->set->env));
    else
        fetcher_go_on(f);
}

/* NULL: there is none. */
static struct fetcher_take *free_take(struct fetcher *f)
{
    for (int i = 0; i < FETCHER_TAKES_MAX && f->take_count < FETCHER_TAKES_MAX; i++) {
        if (f->takes[i].of == NULL)
            return &f->takes[i];
    }
    return NULL;
}

/* As it was asked for: what it is by now, the replica knows (KAFKA-7786). */
static struct fetcher_take *begin_take(struct followed *p)
{
    struct fetcher *f = p->fetcher;
    struct fetcher_take *t = free_take(f);
    if (t == NULL)
        return NULL;
    t->fetcher = f;
    t->of = p;
    p->round = f->round;
    f->take_count++;
    t->take.leader_epoch = p->asked.leader_epoch;
    t->take.offset = p->asked.end;
    t->take.records = (struct slice){0};
    t->take.high_watermark = t->take.log_start = -1;
    t->take.diverging_epoch = -1;
    t->take.diverging_end = t->take.restart_at = -1;
    fetcher_move(p, FOLLOWED_TAKING);
    replica_hold(p->replica);
    return t;
}

bool fetcher_take_place(struct followed *p, int64_t restart_at, int64_t leader_end)
{
    struct fetcher_take *t = begin_take(p);
    if (t == NULL)
        return false;
    t->take.restart_at = restart_at;
    if (leader_end >= 0) { /* no epoch ends behind the log's end */
        t->take.diverging_epoch = p->asked.leader_epoch;
        t->take.diverging_end = leader_end;
    }
    replica_take(p->replica, &t->take, on_taken);
    return true;
}

/* ---- one partition ---- */

static struct slice records_of(const struct fetcher *f,
                               const struct wire_fetch_response_partition *row)
{
    if (row->records.size <= 0)
        return (struct slice){0};
    return (struct slice){.buf = f->body.buf,
                          .data = f->body.data + (row->records.data - f->body.data),
                          .size = (uint32_t)row->records.size};
}

static void take_row(struct followed *p, const struct wire_fetch_response_partition *row)
{
    struct fetcher_take *t = begin_take(p);
    ASSERT(t != NULL); /* there was one before the row was looked at */
    struct replica_take *take = &t->take;
    take->records = records_of(p->fetcher, row);
    take->high_watermark = row->high_watermark;
    take->log_start = row->log_start_offset;
    take->diverging_epoch = row->diverging_epoch.epoch;
    take->diverging_end = row->diverging_epoch.end_offset;
    p->was_empty = row->records.size <= 0;
    replica_take(p->replica, take, on_taken);
}

/* The leader has nothing at the end of this log. Where it begins behind that, so does this one;
 * else it is asked where it ends. */
static void take_out_of_range(struct followed *p, const struct wire_fetch_response_partition *row)
{
    if (row->log_start_offset > p->asked.end) {
        bool taken = fetcher_take_place(p, row->log_start_offset, -1);
        SOMETIMES(p->set->settings.trace, FOLLOWER_PLACED, true);
        ASSERT(taken);
        return;
    }
    fetcher_seek(p);
}

/* Its leader is further than the image here: that will come. */
static void rest(struct followed *p)
{
    struct replica_ends ends;
    replica_ends(p->replica, &ends);
    if (ends.leader_epoch > p->asked.leader_epoch)
        fetcher_queue(p);
    else
        fetcher_move(p, FOLLOWED_RESTING);
}

static void take_partition(struct fetcher *f, const struct wire_uuid *topic_id,
                           const struct wire_fetch_response_partition *row)
{
    struct followed *p = fetcher_find(f->set, topic_id, row->partition_index);
    if (p == NULL || p->fetcher != f || p->state != FOLLOWED_ASKED)
        return; /* it was not asked for, or has been given already */
    if (p->session != f->session || p->number > f->answer_number)
        return; /* nor in this request, or before */
    switch (row->error_code) {
    case WIRE_ERROR_NONE:
        take_row(p, row);
        return;
    case WIRE_ERROR_OFFSET_OUT_OF_RANGE:
        take_out_of_range(p, row);
        return;
    case WIRE_ERROR_FENCED_LEADER_EPOCH:
        rest(p);
        return;
    case WIRE_ERROR_UNKNOWN_LEADER_EPOCH: /* it leads not yet, or no more */
    case WIRE_ERROR_NOT_LEADER_OR_FOLLOWER:
    case WIRE_ERROR_UNKNOWN_TOPIC_ID:
    case WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case WIRE_ERROR_KAFKA_STORAGE_ERROR: /* also of one that is being opened */
        fetcher_delay(p, true);
        return;
    default: /* only the others go on */
        fetcher_delay(p, false);
        return;
    }
}

/* ---- one after the other ---- */

void fetcher_drop_answer(struct fetcher *f)
{
    if (!f->answering)
        return;
    f->answering = false;
    buf_release(f->body.buf);
    f->body = (struct slice){0};
    arena_reset(&f->arena);
}

static void end_answer(struct fetcher *f)
{
    const struct fetcher_set *set = f->set;
    fetcher_drop_answer(f);
    f->settle_ns = env_now(set->env) + ENV_NS_OF_MS(set->settings.wait_ms_max);
}

/* NULL: there is none left. */
static const struct wire_fetch_response_partition *next_row(struct fetcher *f,
                                                            const struct wire_uuid **topic_id)
{
    while (f->topic_index < f->answer.responses_count) {
        const struct wire_fetch_response_topic *topic = &f->answer.responses[f->topic_index];
        *topic_id = &topic->topic_id;
        if (f->partition_index < topic->partitions_count)
            return &topic->partitions[f->partition_index++];
        f->topic_index++;
        f->partition_index = 0;
    }
    return NULL;
}

static void take_rows(struct fetcher *f)
{
    const struct wire_uuid *topic_id = NULL;
    ASSERT(f->answering);
    f->stepping = true;
    for (int i = 0; i < FETCHER_STEP && f->answering; i++) {
        if (f->take_count == FETCHER_TAKES_MAX)
            break; /* it goes on when one of them has ended */
        const struct wire_fetch_response_partition *row = next_row(f, &topic_id);
        if (row != NULL)
            take_partition(f, topic_id, row);
        else
            end_answer(f);
    }
    f->stepping = false;
    if (f->answering && f->take_count < FETCHER_TAKES_MAX)
        env_arm(f->set->env, &f->step, env_now(f->set->env));
}

/* ---- the whole of it ---- */

/* The session goes on, is given, or is not. */
static void note_session(struct fetcher *f, bool anew)
{
    if (anew) {
        f->session_id = f->answer.session_id;
        f->refused = f->session_id == 0;
        f->session_epoch = f->refused ? 0 : 1; /* 0: the next request names all of it */
    } else if (f->answer.session_id != f->session_id) {
        f->session_id = f->answer.session_id;
        f->session_epoch = 0;
    }
}

/* A session that the leader has lost is begun anew at once; unless it was just begun. */
static void refuse(struct fetcher *f, int16_t code, bool anew)
{
    bool session = code == WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND ||
                   code == WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH ||
                   code == WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
    f->session_id = 0;
    fetcher_begin_anew(f);
    if (session && !anew)
        return;
    fetcher_pause(f, false);
    fetcher_tell(f->set, &f->told, "broker %d refuses fetches with %s; it is asked again",
                 (int)f->leader, wire_error_name(code));
}

static void refuse_garbage(struct fetcher *f, enum err e, const struct errmsg *msg)
{
    fetcher_begin_anew(f);
    fetcher_pause(f, false);
    fetcher_tell(f->set, &f->told, "an answer of broker %d to a fetch cannot be read: %s",
                 (int)f->leader, msg->text[0] != 0 ? msg->text : err_text(e));
}

static void begin_answer(struct fetcher *f, const struct fetcher_request *r)
{
    f->told = false;
    f->soon_count = 0;
    f->answering = true;
    f->body = r->body;
    buf_retain(f->body.buf);
    f->answer_number = r->number;
    f->topic_index = f->partition_index = 0;
    note_session(f, r->anew);
}

/* The answers that are here, in the order of their requests. One of a session before says nothing
 * of this one. */
static void look_at_answers(struct fetcher *f)
{
    struct fetcher_request *r;
    while (!f->answering && (r = fetcher_first_request(f)) != NULL && r->body.buf != NULL) {
        struct errmsg msg = {{0}};
        bool counts = r->session == f->session;
        enum err e = wire_decode(&wire_fetch_response_message, r->version, slice_bytes(r->body),
                                 NULL, &f->answer, &f->arena, &msg);
        if (counts && e == ERR_NONE && f->answer.error_code == WIRE_ERROR_NONE)
            begin_answer(f, r);
        else if (counts && e == ERR_NONE)
            refuse(f, f->answer.error_code, r->anew);
        else if (counts)
            refuse_garbage(f, e, &msg);
        fetcher_request_end(r);
        if (f->answering)
            take_rows(f);
        else
            arena_reset(&f->arena);
    }
}

void fetcher_take_some(struct fetcher *f)
{
    take_rows(f);
    look_at_answers(f);
}

void fetcher_answered(struct peers_request *request, int16_t version, struct slice body)
{
    struct fetcher_request *r = CONTAINER_OF(request, struct fetcher_request, peers);
    struct fetcher *f = r->fetcher;
    ASSERT(r->busy);
    r->version = version;
    r->body = body;
    buf_retain(body.buf);
    look_at_answers(f);
    fetcher_go_on(f);
}
