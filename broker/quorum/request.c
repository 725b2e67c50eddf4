/* request.c - commands of the controller: judged by everything that was appended before them,
 * appended, and answered when that is committed, or will never be. */
#include "quorum/internal.h"

static uint64_t draw(struct controller_chance *chance, const char *site, uint64_t key)
{
    struct quorum *q = CONTAINER_OF(chance, struct quorum, chance);
    return env_random(q->env, site, key);
}

void quorum_chance_init(struct quorum *q)
{
    q->chance.draw = draw;
}

struct controller_view quorum_view(struct quorum *q)
{
    return (struct controller_view){.settings = &q->settings.controller,
                                    .image = KNOWN_BUG(decides_by_committed) ? q->current : q->tail,
                                    .mem = q->mem,
                                    .chance = &q->chance,
                                    .sessions = &q->brokers.sessions,
                                    .now_ns = env_now(q->env)};
}

/* Tells it, or lets it wait until it is applied. */
static void committed(struct quorum *q, struct quorum_request *request)
{
    if (request->until == QUORUM_COMMITTED || q->applied >= q->current->offset) {
        request->done(request);
        return;
    }
    request->offset = q->current->offset;
    list_push_back(&q->applying, &request->link);
}

void quorum_applied(struct quorum *q, int64_t offset)
{
    q->applied = MAX(q->applied, offset);
    for (;;) {
        struct quorum_request *request = LIST_FIRST(&q->applying, struct quorum_request, link);
        if (request == NULL || request->offset > q->applied)
            break;
        list_remove(&request->link);
        request->done(request);
    }
    quorum_snapshot_consider(q);
}

/* Judges it, and appends what comes of that. False: it has failed. */
static bool append(struct quorum *q, struct quorum_request *request)
{
    struct controller_command *command = request->command;
    struct controller_view view = quorum_view(q);
    struct metadata_batch batch;
    struct errmsg msg = {{0}};
    int64_t offset = log_end(q->log);
    metadata_batch_init(&batch, q->mem, env_wall(q->env), offset, q->epoch);
    controller_decide(&view, command, &batch);
    bool judged = command->code == WIRE_ERROR_NONE;
    bool writes = judged && metadata_batch_count(&batch) > 0;
    int16_t code = writes ? quorum_change_append(q, &batch, &msg) : WIRE_ERROR_NONE;
    metadata_batch_free(&batch);
    if (code != WIRE_ERROR_NONE)
        controller_lost(command, q->tail, code,
                        msg.text[0] != 0 ? msg.text : wire_error_text(code));
    if (!judged || code != WIRE_ERROR_NONE)
        return false;
    if (writes)
        request->first = offset;
    if (writes || command->rests_on_image)
        request->change = q->change_last;
    return true;
}

static void lose(struct quorum *q, struct quorum_request *request, int16_t code,
                 const char *sentence)
{
    request->lost = code;
    controller_lost(request->command, q->tail, code, sentence);
}

/* It does not lead. */
static void refuse(struct quorum *q, struct quorum_request *request)
{
    if (q->member != NULL && !q->offline)
        lose(q, request, WIRE_ERROR_NOT_CONTROLLER, "another node leads the metadata log, or none");
    else
        lose(q, request, WIRE_ERROR_KAFKA_STORAGE_ERROR, "the metadata log is offline");
}

void quorum_submit(struct quorum *q, struct quorum_request *request,
                   struct controller_command *command, enum quorum_until until,
                   quorum_request_done *done)
{
    *request = (struct quorum_request){
        .command = command, .done = done, .first = -1, .until = until, .offset = -1};
    list_init(&request->link);
    bool paused = quorum_member_pause(q);
    bool leads = quorum_leads(q);
    bool began = leads && append(q, request);
    if (!leads)
        refuse(q, request);
    struct change *oldest = LIST_FIRST(&q->changes, struct change, link);
    if (!began || request->change == 0)
        done(request);
    else if (oldest != NULL && oldest->number <= request->change)
        list_push_back(&q->requests, &request->link);
    else
        committed(q, request);
    quorum_member_resume(q, paused);
    if (!q->brokers.armed && q->brokers.sessions.count > 0)
        quorum_brokers_look(q);
}

/* Who waits is told in the order of the offsets. */
void quorum_await(struct quorum *q, struct quorum_request *request, int64_t offset,
                  quorum_request_done *done)
{
    *request = (struct quorum_request){
        .done = done, .first = -1, .until = QUORUM_APPLIED, .offset = offset};
    list_init(&request->link);
    if (offset <= q->applied) {
        done(request);
        return;
    }
    struct list *at = q->applying.prev;
    while (at != &q->applying && CONTAINER_OF(at, struct quorum_request, link)->offset > offset)
        at = at->prev;
    list_insert_before(at->next, &request->link);
}

bool quorum_cancel(struct quorum_request *request)
{
    if (!list_linked(&request->link))
        return false;
    list_remove(&request->link);
    return true;
}

/* ---- the end of those who wait ---- */

void quorum_requests_published(struct quorum *q, uint64_t upto)
{
    for (;;) {
        struct quorum_request *request = LIST_FIRST(&q->requests, struct quorum_request, link);
        if (request == NULL || request->change > upto)
            return;
        list_remove(&request->link);
        committed(q, request);
    }
}

/* done may submit others, so all are taken out before the first is told. */
void quorum_requests_tell_lost(struct quorum *q, struct list *lost, int16_t code,
                               const char *sentence)
{
    struct list *link;
    while ((link = list_pop_front(lost)) != NULL) {
        struct quorum_request *request = CONTAINER_OF(link, struct quorum_request, link);
        lose(q, request, code, sentence);
        request->done(request);
    }
}

void quorum_requests_lost(struct quorum *q, uint64_t from)
{
    struct list lost;
    list_init(&lost);
    LIST_EACH (request, &q->requests, struct quorum_request, link) {
        if (request->change < from)
            continue;
        list_remove(&request->link);
        list_push_back(&lost, &request->link);
    }
    quorum_requests_tell_lost(q, &lost, WIRE_ERROR_KAFKA_STORAGE_ERROR,
                              "the metadata log could not be written");
}

void quorum_requests_take(struct quorum *q, struct list *out)
{
    struct list *link;
    while ((link = list_pop_front(&q->requests)) != NULL)
        list_push_back(out, link);
}
