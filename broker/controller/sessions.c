/* sessions.c - which brokers the active controller has heard of, and when: what is in no record,
 * and begins anew with each leadership (B-7). Pure. */
#include "controller/internal.h"

struct place {
    struct wire_uuid topic_id;
    int32_t partition;
};

struct controller_session {
    struct list link; /* in sessions->list, whoever was heard of longest ago first */
    int32_t broker_id;
    int64_t epoch; /* of its registration */
    int64_t contact_ns;
    int64_t metadata_offset; /* that it has said it has; -1: nothing yet */
    int64_t shutdown_offset; /* it may go once all active brokers are there; -1: it does not */
    bool over;               /* it goes, and knows that it may: its next life need not wait */
    struct place *offline;   /* its replicas that cannot serve, as it said last, in order */
    int32_t offline_count;
    bool is_full; /* as it said last */
    bool comes;   /* some that could not can serve now, and nobody has acted upon it */
};

void controller_sessions_init(struct controller_sessions *s, struct mem *mem, int64_t timeout_ns)
{
    ASSERT(timeout_ns > 0);
    *s = (struct controller_sessions){.mem = mem, .timeout_ns = timeout_ns};
    list_init(&s->list);
}

static void drop(struct controller_sessions *s, struct controller_session *session)
{
    list_remove(&session->link);
    mem_free(s->mem, session->offline);
    mem_free(s->mem, session);
    ASSERT(s->count > 0);
    s->count--;
}

void controller_sessions_clear(struct controller_sessions *s)
{
    while (!list_empty(&s->list))
        drop(s, LIST_FIRST(&s->list, struct controller_session, link));
    ASSERT(s->count == 0);
}

/* NULL: there is none. There are as many as brokers, which are few. */
static struct controller_session *find(const struct controller_sessions *s, int32_t broker_id)
{
    LIST_EACH (session, &s->list, struct controller_session, link) {
        if (session->broker_id == broker_id)
            return session;
    }
    return NULL;
}

enum err controller_sessions_begin(struct controller_sessions *s,
                                   const struct metadata_image *image, int32_t except,
                                   int64_t now_ns)
{
    enum err e = ERR_NONE;
    controller_sessions_clear(s);
    for (int32_t i = 0; i < metadata_map_count(&image->brokers) && e == ERR_NONE; i++) {
        const struct metadata_broker *broker = metadata_broker_at(image, i);
        if (!broker->fenced && broker->id != except)
            e = controller_session_touch(s, broker->id, broker->epoch, -1, now_ns);
    }
    return e;
}

/* The one of that broker, as new where it is of another registration. NULL: no memory. */
static struct controller_session *session_of(struct controller_sessions *s, int32_t broker_id,
                                             int64_t epoch)
{
    struct controller_session *session = find(s, broker_id);
    if (session == NULL) {
        session = mem_alloc(s->mem, sizeof *session);
        if (session == NULL)
            return NULL;
        s->count++;
    } else {
        list_remove(&session->link);
        if (session->epoch == epoch)
            return session;
        mem_free(s->mem, session->offline);
    }
    *session = (struct controller_session){
        .broker_id = broker_id, .epoch = epoch, .metadata_offset = -1, .shutdown_offset = -1};
    list_init(&session->link);
    return session;
}

enum err controller_session_touch(struct controller_sessions *s, int32_t broker_id, int64_t epoch,
                                  int64_t metadata_offset, int64_t now_ns)
{
    struct controller_session *session = session_of(s, broker_id, epoch);
    if (session == NULL)
        return ERR_NOMEM;
    ASSERT(now_ns >= session->contact_ns);
    session->contact_ns = now_ns;
    session->metadata_offset = MAX(metadata_offset, session->metadata_offset);
    list_push_back(&s->list, &session->link);
    return ERR_NONE;
}

void controller_session_end(struct controller_sessions *s, int32_t broker_id)
{
    struct controller_session *session = find(s, broker_id);
    ASSERT(session != NULL);
    session->over = true;
}

void controller_session_drop(struct controller_sessions *s, int32_t broker_id)
{
    struct controller_session *session = find(s, broker_id);
    if (session != NULL)
        drop(s, session);
}

static bool has_expired(const struct controller_sessions *s,
                        const struct controller_session *session, int64_t now_ns)
{
    return now_ns - session->contact_ns >= s->timeout_ns;
}

bool controller_session_is_valid(const struct controller_sessions *s, int32_t broker_id,
                                 int64_t epoch, int64_t now_ns)
{
    const struct controller_session *session = find(s, broker_id);
    return session != NULL && session->epoch == epoch && !session->over &&
           !has_expired(s, session, now_ns);
}

int32_t controller_session_expired(const struct controller_sessions *s, int64_t now_ns)
{
    if (list_empty(&s->list))
        return CONTROLLER_NOBODY;
    const struct controller_session *first = LIST_FIRST(&s->list, struct controller_session, link);
    return has_expired(s, first, now_ns) ? first->broker_id : CONTROLLER_NOBODY;
}

int64_t controller_sessions_deadline(const struct controller_sessions *s)
{
    if (list_empty(&s->list))
        return INT64_MAX;
    return LIST_FIRST(&s->list, struct controller_session, link)->contact_ns + s->timeout_ns;
}

/* ---- a controlled shutdown (B-5) ---- */

int64_t controller_session_leave(struct controller_sessions *s, int32_t broker_id, int64_t offset)
{
    struct controller_session *session = find(s, broker_id);
    ASSERT(session != NULL);
    if (session->shutdown_offset < 0)
        session->shutdown_offset = offset;
    return session->shutdown_offset;
}

int64_t controller_sessions_lowest(const struct controller_view *view)
{
    int64_t lowest = INT64_MAX;
    LIST_EACH (session, &view->sessions->list, struct controller_session, link) {
        if (controller_is_active(view, session->broker_id))
            lowest = MIN(lowest, session->metadata_offset);
    }
    return lowest;
}

/* ---- replicas that cannot serve ---- */

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = memcmp(x->topic_id.b, y->topic_id.b, sizeof x->topic_id.b);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool is_among(const struct place *place, const struct place *sorted, int32_t count)
{
    int32_t first = 0;
    for (int32_t end = count; first < end;) {
        int32_t middle = first + (end - first) / 2;
        if (compare_places(&sorted[middle], place) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first < count && compare_places(&sorted[first], place) == 0;
}

enum err controller_session_report(struct controller_sessions *s, int32_t broker_id,
                                   const struct controller_report *reports, int32_t count)
{
    struct controller_session *session = find(s, broker_id);
    struct place *offline = NULL;
    int32_t used = 0;
    enum err e = ERR_NONE;
    ASSERT(session != NULL);
    if (count > 0 && (offline = mem_array(s->mem, (size_t)count, sizeof *offline)) == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        if (reports[i].trouble != CONTROLLER_INCOMPLETE)
            offline[used++] = (struct place){reports[i].topic_id, reports[i].partition};
    }
    if (used > 0)
        e = sort_stable(s->mem, offline, (size_t)used, sizeof *offline, compare_places);
    if (e != ERR_NONE) {
        mem_free(s->mem, offline);
        return e;
    }
    for (int32_t i = 0; i < session->offline_count && !session->comes; i++)
        session->comes = !is_among(&session->offline[i], offline, used);
    mem_free(s->mem, session->offline);
    session->offline = offline;
    session->offline_count = used;
    return ERR_NONE;
}

bool controller_session_comes(struct controller_sessions *s, int32_t broker_id)
{
    struct controller_session *session = find(s, broker_id);
    ASSERT(session != NULL);
    bool comes = session->comes;
    session->comes = false;
    return comes;
}

bool controller_session_can_serve(const struct controller_sessions *s, int32_t broker_id,
                                  const struct wire_uuid *topic_id, int32_t partition)
{
    const struct controller_session *session = s == NULL ? NULL : find(s, broker_id);
    struct place place = {*topic_id, partition};
    return session == NULL || !is_among(&place, session->offline, session->offline_count);
}

/* ---- disks without room ---- */

void controller_session_fill(struct controller_sessions *s, int32_t broker_id, bool is_full)
{
    struct controller_session *session = find(s, broker_id);
    ASSERT(session != NULL);
    session->is_full = is_full;
}

bool controller_session_has_room(const struct controller_sessions *s, int32_t broker_id)
{
    const struct controller_session *session = s == NULL ? NULL : find(s, broker_id);
    return session == NULL || !session->is_full;
}
