/* admit.c - the way of a client's batch into the log: checked on the loop when that is little work,
 * and else on the pool, written anew where the topic wants it, and appended in the order in which
 * it came. What is held meanwhile comes from the heap of the batch's own buf, where it is counted.
 */
#include "log/internal.h"

/* A batch that could not be appended at once. It waits in its log's list until all before it are
 * through. */
struct log_admission {
    struct list link; /* in log->admissions */
    struct log *log;
    struct log_produce *asker; /* NULL: nobody wants it any more */
    struct slice batch;        /* retained */
    struct buf *made;          /* what it became, or NULL */
    struct env_op io;
    bool ready;
    struct log_check check;
    struct log_config config; /* check.config: the log's may change meanwhile */
};

static void finish(struct log_produce *p, struct log_check *check)
{
    if (check->code != WIRE_ERROR_NONE) {
        p->out.verdict = LOG_REFUSED;
        p->out.code = check->code;
        p->out.reason = check->why.text;
        p->errors = check->errors;
        p->error_count = check->error_count;
    }
    p->admission = NULL;
    p->done(p);
}

/* Appends what the check made of it. */
static void append(struct log *log, struct log_produce *p, struct log_check *check,
                   struct slice batch)
{
    if (check->code == WIRE_ERROR_NONE) {
        if (!log->config.log_append_time)
            wire_batch_set_timestamp(batch.data, false, check->max_timestamp);
        log_append_sound(log, batch, p->leader_epoch, env_wall(log_env(log)), p->late, &p->out);
    }
    finish(p, check);
}

/* ---- on the pool ---- */

static void check_away(void *argument)
{
    struct log_admission *a = argument;
    struct mem mem;
    mem_system(&mem);
    log_check_records(&a->check, &mem);
    ASSERT(mem.live_count == 0);
}

static void recode_away(void *argument)
{
    struct log_admission *a = argument;
    struct mem mem;
    mem_system(&mem);
    log_check_recode(&a->check, &mem, a->made->data, a->made->cap);
    ASSERT(mem.live_count == 0);
}

static void free_admission(struct log_admission *a)
{
    struct buf *buf = a->batch.buf;
    list_remove(&a->link);
    a->log->in_flight_bytes -= a->batch.size;
    buf_release(a->made);
    mem_free(buf->mem, a);
    buf_release(buf);
}

/* Those at the front that are ready are appended; the others wait for them. */
static void admit_next(struct log *log)
{
    while (!list_empty(&log->admissions)) {
        struct log_admission *a = LIST_FIRST(&log->admissions, struct log_admission, link);
        if (!a->ready || (a->asker != NULL && log_must_wait(log)))
            return;
        struct slice batch = a->batch;
        if (a->made != NULL)
            batch = slice_of(a->made, 0, (uint32_t)a->check.made_size);
        list_remove(&a->link); /* whoever is told may come back here */
        if (a->asker != NULL)
            append(log, a->asker, &a->check, batch);
        free_admission(a);
    }
}

static void on_recoded(struct env_op *op, enum err e, uint64_t n);

/* What was checked is written anew, or ready. */
static void go_on_checked(struct log_admission *a)
{
    struct log *log = a->log;
    struct log_check *check = &a->check;
    if (check->code == WIRE_ERROR_NONE && check->recode && a->made == NULL && a->asker != NULL) {
        a->made = buf_new(a->batch.buf->mem, (uint32_t)log_check_room(check));
        if (a->made != NULL) {
            log->busy++;
            env_offload(log_env(log), &a->io, recode_away, a, on_recoded);
            return;
        }
        check->code = WIRE_ERROR_KAFKA_STORAGE_ERROR;
        errmsg_set(&check->why, ERR_NOMEM, "the broker is out of memory");
    }
    a->ready = true;
    admit_next(log);
}

static void on_recoded(struct env_op *op, enum err e, uint64_t n)
{
    struct log_admission *a = CONTAINER_OF(op, struct log_admission, io);
    struct log *log = a->log;
    (void)e; /* none */
    (void)n;
    a->ready = true;
    admit_next(log);
    log->busy--;
    log_settle(log);
}

static void on_checked(struct env_op *op, enum err e, uint64_t n)
{
    struct log_admission *a = CONTAINER_OF(op, struct log_admission, io);
    struct log *log = a->log;
    (void)e; /* none */
    (void)n;
    ASSERT(!a->check.unfinished);
    go_on_checked(a);
    log->busy--;
    log_settle(log);
}

/* Takes the check over, as far as it has come. */
static void admit(struct log *log, struct log_produce *p, const struct log_check *check,
                  bool checked)
{
    struct log_admission *a = mem_alloc(p->batch.buf->mem, sizeof *a);
    if (a == NULL) {
        p->out.verdict = LOG_REFUSED;
        p->out.code = WIRE_ERROR_KAFKA_STORAGE_ERROR;
        p->out.reason = "the broker is out of memory";
        p->done(p);
        return;
    }
    *a = (struct log_admission){
        .log = log, .asker = p, .batch = p->batch, .check = *check, .config = log->config};
    a->check.config = &a->config;
    a->check.content_max = WIRE_DECODED_MAX;
    p->admission = a;
    list_init(&a->link);
    list_push_back(&log->admissions, &a->link);
    log->admit = admit_next;
    log->in_flight_bytes += a->batch.size;
    buf_retain(a->batch.buf);
    SOMETIMES(log->set->trace, CHECKED_ON_POOL, true);
    if (checked) {
        go_on_checked(a);
        return;
    }
    log->busy++;
    env_offload(log_env(log), &a->io, check_away, a, on_checked);
}

/* ---- at once ---- */

/* What is not compressed is walked through faster than it is handed over. */
static bool is_light(const struct log_check *c)
{
    return wire_batch_codec(&c->batch) == WIRE_CODEC_NONE || c->in.size <= LOG_OFFLOAD_BYTES;
}

static void recode_here(struct log *log, struct log_produce *p, struct log_check *check)
{
    struct buf *made = buf_new(p->batch.buf->mem, (uint32_t)log_check_room(check));
    struct slice batch = p->batch;
    if (made == NULL) {
        check->code = WIRE_ERROR_KAFKA_STORAGE_ERROR;
        errmsg_set(&check->why, ERR_NOMEM, "the broker is out of memory");
    } else {
        log_check_recode(check, log->set->mem, made->data, made->cap);
        if (check->code == WIRE_ERROR_NONE)
            batch = slice_of(made, 0, (uint32_t)check->made_size);
    }
    append(log, p, check, batch);
    buf_release(made);
}

/* What a refusal would say is most of it, and is written when there is one. */
static void begin_check(const struct log *log, struct slice batch, struct log_check *check)
{
    memset(check, 0, offsetof(struct log_check, why));
    check->why.text[0] = 0;
    check->in = slice_bytes(batch);
    check->config = &log->config;
    check->now_ms = env_wall(log_env(log));
    check->content_max = LOG_CHECK_BYTES;
}

void log_produce(struct log *log, struct log_produce *p, log_produce_done *done)
{
    struct log_check check;
    begin_check(log, p->batch, &check);
    p->done = done;
    p->admission = NULL;
    p->errors = NULL;
    p->error_count = 0;
    p->out = (struct log_appended){.first = -1, .last = -1, .timestamp_ms = -1};
    enum wire_sent sent = wire_batch_sent(check.in, 0, &check.batch);
    ASSERT(sent == WIRE_SENT_BATCH);
    ASSERT((size_t)check.batch.size == check.in.size);
    log_check_head(&check);
    if (check.code != WIRE_ERROR_NONE) {
        finish(p, &check);
        return;
    }
    if (!is_light(&check) || !list_empty(&log->admissions) || log_must_wait(log)) {
        admit(log, p, &check, false);
        return;
    }
    log_check_records(&check, log->set->mem);
    if (check.unfinished)
        admit(log, p, &check, false);
    else if (check.code != WIRE_ERROR_NONE || !check.recode)
        append(log, p, &check, p->batch);
    else if (check.content_size > LOG_RECODE_BYTES)
        admit(log, p, &check, true);
    else
        recode_here(log, p, &check);
}

void log_produce_cancel(struct log_produce *p)
{
    ASSERT(p->admission != NULL);
    ASSERT(p->admission->asker == p);
    p->admission->asker = NULL;
    p->admission = NULL;
}
