/* isr.c - what a leader knows of the other replicas of its partition, and who of them is in sync:
 * learned from nothing but their fetches in this leader epoch, changed by the controller alone.
 * It never counts a replica that it has not heard, and never forgets one that may be in sync. */
#include "replica/internal.h"

#define LOOK_STEP 256 /* partitions that one event of a round looks at */
#define NEVER INT64_MIN

/* What became of the last proposal. While it is not settled the leader counts both sets (P-6). */
static const struct state changes[] = {
    [CHANGE_SETTLED] = {"settled", TO(CHANGE_ASKED)},
    [CHANGE_ASKED] = {"asked", TO(CHANGE_SETTLED) | TO(CHANGE_OPEN)},
    [CHANGE_OPEN] = {"open", TO(CHANGE_SETTLED)},
};

static struct remote *find(struct isr *isr, int32_t id)
{
    for (int32_t i = 0; i < isr->remote_count; i++) {
        if (isr->remotes[i].id == id)
            return &isr->remotes[i];
    }
    return NULL;
}

static struct replica_broker broker_of(const struct replica *r, int32_t id)
{
    struct replica_broker is = {.epoch = -1};
    struct replica_watch *watch = r->set->watch;
    if (watch != NULL && watch->broker != NULL)
        watch->broker(watch, id, &is);
    return is;
}

static bool is_maximal(const struct remote *m)
{
    return m->in_sync || (m->proposed && !KNOWN_BUG(joining_not_counted));
}

/* The life that has fetched is the one that is registered (KIP-903). */
static bool may_join(const struct replica *r, const struct remote *m)
{
    struct replica_broker is = broker_of(r, m->id);
    if (KNOWN_BUG(older_life_joins))
        return is.may_join;
    return is.may_join && m->broker_epoch >= 0 && m->broker_epoch == is.epoch;
}

static bool has_caught_up(const struct replica *r, const struct remote *m, int64_t now_ns)
{
    if (m->end >= log_counting_end(r->log))
        return true;
    return m->caught_up_ns != NEVER && now_ns - m->caught_up_ns <= r->set->lag_ns_max;
}

/* ---- counts ---- */

int32_t replica_in_sync_count(const struct replica *r)
{
    return r->isr == NULL ? 1 : r->isr->in_sync_count;
}

int32_t replica_maximal_count(const struct replica *r)
{
    int32_t count = 1;
    for (int32_t i = 0; r->isr != NULL && i < r->isr->remote_count; i++)
        count += is_maximal(&r->isr->remotes[i]);
    return count;
}

/* P-9: as many as min.insync.replicas says, but never more than there are at all
 * (Partition.effectiveMinIsr of Kafka 4.3.1). */
int32_t replica_min_in_sync(const struct replica *r)
{
    int32_t replica_count = r->isr == NULL ? 1 : 1 + r->isr->remote_count;
    return MIN(r->config.min_insync_replicas, replica_count);
}

static uint64_t bit_of(int32_t id)
{
    return 1ull << ((uint32_t)id % 64);
}

void replica_isr_tell(const struct replica *r)
{
    const struct isr *isr = r->isr;
    uint64_t in_sync = bit_of(r->set->broker_id), maximal = in_sync, asked = in_sync;
    for (int32_t i = 0; i < isr->remote_count; i++) {
        const struct remote *m = &isr->remotes[i];
        in_sync |= m->in_sync ? bit_of(m->id) : 0;
        maximal |= m->in_sync || m->proposed ? bit_of(m->id) : 0;
        asked |= m->proposed ? bit_of(m->id) : 0;
    }
    if (isr->change == CHANGE_SETTLED)
        asked = isr->proposal == NULL ? 0 : UINT64_MAX;
    TRACE(r->trace, ISR, .partition = r->trace_id, .topic_id = r->topic_trace,
          .leader_epoch = r->leader_epoch, .partition_epoch = r->partition_epoch,
          .in_sync = in_sync, .maximal = maximal, .min_insync = replica_min_in_sync(r),
          .asked = asked, .lag_ms = r->set->lag_ns_max / 1000000);
}

/* ---- the high watermark (P-8) ---- */

/* One that is about to join is waited for, or it would never get there; one that may not join, or
 * was refused, is not (KAFKA-15021). */
static bool is_waited_for(const struct replica *r, const struct remote *m, int64_t now_ns)
{
    if (is_maximal(m))
        return true;
    if (m->refused)
        return false;
    return has_caught_up(r, m, now_ns) && (may_join(r, m) || KNOWN_BUG(waits_for_ineligible));
}

int64_t replica_isr_watermark(const struct replica *r)
{
    const struct isr *isr = r->isr;
    int64_t now_ns = env_now(r->env);
    int64_t to = log_counting_end(r->log);
    if (isr->in_sync_count < replica_min_in_sync(r) && !KNOWN_BUG(watermark_not_gated)) {
        SOMETIMES(r->trace, WATERMARK_GATED, to > r->high_watermark);
        return r->high_watermark;
    }
    for (int32_t i = 0; i < isr->remote_count; i++) {
        const struct remote *m = &isr->remotes[i];
        if (m->end < to && is_waited_for(r, m, now_ns))
            to = m->end;
    }
    return to;
}

/* ---- what is proposed (P-4, P-5) ---- */

static bool joins(const struct replica *r, const struct remote *m)
{
    if (m->in_sync || !m->known || m->end < r->high_watermark)
        return false;
    if (m->end < r->epoch_start && !KNOWN_BUG(joins_before_epoch_start))
        return false;
    return may_join(r, m);
}

static bool leaves(const struct replica *r, const struct remote *m, int64_t now_ns)
{
    return m->in_sync && !has_caught_up(r, m, now_ns);
}

/* False: nothing is to change. */
static bool choose(struct replica *r, bool look_who_leaves)
{
    struct isr *isr = r->isr;
    int64_t now_ns = env_now(r->env);
    bool differs = false;
    for (int32_t i = 0; i < isr->remote_count; i++) {
        struct remote *m = &isr->remotes[i];
        bool moves = joins(r, m) || (look_who_leaves && leaves(r, m, now_ns));
        m->proposed = m->in_sync != moves;
        differs |= moves;
    }
    return differs;
}

static void forget_proposed(struct isr *isr)
{
    for (int32_t i = 0; i < isr->remote_count; i++)
        isr->remotes[i].proposed = false;
}

/* What is sent is what was looked at (KAFKA-15221). */
static struct replica_proposal *make_proposal(struct replica *r)
{
    const struct isr *isr = r->isr;
    size_t max = (size_t)isr->remote_count + 1;
    struct replica_proposal *p = mem_zalloc(r->mem, sizeof *p + max * sizeof *p->isr);
    if (p == NULL)
        return NULL;
    list_init(&p->link);
    p->leader_epoch = r->leader_epoch;
    p->partition_epoch = r->partition_epoch;
    p->isr[p->isr_count++] = (struct replica_in_sync){
        .broker_id = r->set->broker_id, .broker_epoch = broker_of(r, r->set->broker_id).epoch};
    for (int32_t i = 0; i < isr->remote_count; i++) {
        const struct remote *m = &isr->remotes[i];
        if (m->proposed)
            p->isr[p->isr_count++] = (struct replica_in_sync){
                .broker_id = m->id,
                .broker_epoch = KNOWN_BUG(older_life_joins) ? -1 : m->broker_epoch};
    }
    p->replica = replica_hold(r);
    return p;
}

static void propose(struct replica *r, bool look_who_leaves)
{
    struct isr *isr = r->isr;
    struct replica_watch *watch = r->set->watch;
    bool can = isr->change == CHANGE_SETTLED && isr->proposal == NULL && !r->deleted &&
               watch != NULL && watch->propose != NULL;
    if (!can)
        return;
    struct replica_proposal *p = choose(r, look_who_leaves) ? make_proposal(r) : NULL;
    if (p == NULL) { /* for want of memory: a later round finds the same */
        forget_proposed(isr);
        return;
    }
    isr->proposal = p;
    STATE_MOVE(changes, &isr->change, CHANGE_ASKED);
    replica_isr_tell(r);
    watch->propose(watch, p);
}

/* ---- what became of it (P-7) ---- */

static void settle(struct isr *isr)
{
    forget_proposed(isr);
    if (isr->change != CHANGE_SETTLED)
        STATE_MOVE(changes, &isr->change, CHANGE_SETTLED);
    if (isr->proposal != NULL)
        isr->proposal->is_void = true;
}

static void commit(struct replica *r, int32_t partition_epoch)
{
    struct isr *isr = r->isr;
    isr->in_sync_count = 1;
    for (int32_t i = 0; i < isr->remote_count; i++) {
        struct remote *m = &isr->remotes[i];
        SOMETIMES(r->trace, REPLICA_JOINED, m->proposed && !m->in_sync);
        SOMETIMES(r->trace, REPLICA_LEFT, !m->proposed && m->in_sync);
        m->in_sync = m->proposed;
        isr->in_sync_count += m->in_sync;
    }
    r->partition_epoch = partition_epoch;
    settle(isr);
    replica_isr_tell(r);
}

/* Answered with such a code it was not done. */
static bool was_refused(int16_t code)
{
    return code == WIRE_ERROR_INELIGIBLE_REPLICA || code == WIRE_ERROR_OPERATION_NOT_ATTEMPTED;
}

/* With these this leader is behind the controller, which may have done it: metadata will tell. */
static bool must_be_told(int16_t code)
{
    switch (code) {
    case WIRE_ERROR_FENCED_LEADER_EPOCH:
    case WIRE_ERROR_INVALID_UPDATE_VERSION:
    case WIRE_ERROR_INVALID_REQUEST:
    case WIRE_ERROR_NEW_LEADER_ELECTED:
    case WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case WIRE_ERROR_UNKNOWN_TOPIC_ID:
        return true;
    default:
        return false;
    }
}

/* Of whom the controller knows what metadata do not say (a full disk): it is waited for again when
 * it has all that counts. */
static void wait_no_more(struct isr *isr)
{
    for (int32_t i = 0; i < isr->remote_count && !KNOWN_BUG(waits_for_ineligible); i++) {
        struct remote *m = &isr->remotes[i];
        if (m->proposed && !m->in_sync)
            m->refused = true;
    }
}

static void free_proposal(struct replica_proposal *p)
{
    struct replica *r = p->replica;
    if (r->isr != NULL && r->isr->proposal == p)
        r->isr->proposal = NULL;
    ASSERT(r->isr_next == NULL || r->isr_next->proposal != p);
    ASSERT(!list_linked(&p->link));
    mem_free(r->mem, p);
    replica_let_go(r);
}

static void take_answer(struct replica *r, int16_t code, int32_t leader_epoch,
                        int32_t partition_epoch)
{
    struct isr *isr = r->isr;
    isr->proposal = NULL; /* nothing is awaited any more */
    if (was_refused(code)) {
        if (code == WIRE_ERROR_INELIGIBLE_REPLICA)
            wait_no_more(isr);
        settle(isr);
        replica_isr_tell(r);
    } else if (code == WIRE_ERROR_NONE && leader_epoch == r->leader_epoch &&
               partition_epoch >= r->partition_epoch) {
        commit(r, partition_epoch);
    } else { /* also success in another leader epoch, of which metadata tell, too */
        SOMETIMES(r->trace, CHANGE_OPEN, true);
        STATE_MOVE(changes, &isr->change, CHANGE_OPEN);
    }
}

bool replica_proposal_answered(struct replica_proposal *p, int16_t code, int32_t leader_epoch,
                               int32_t partition_epoch)
{
    struct replica *r = p->replica;
    bool over = code == WIRE_ERROR_NONE || was_refused(code) || must_be_told(code);
    bool was_void = p->is_void;
    bool look_again = was_void || code == WIRE_ERROR_NONE; /* of what it had to wait for */
    look_again &= !KNOWN_BUG(waits_for_the_next_fetch);
    SOMETIMES(r->trace, PROPOSAL_VOID, p->is_void);
    if (!p->is_void && !over)
        return false;
    if (!p->is_void)
        take_answer(r, code, leader_epoch, partition_epoch);
    replica_hold(r);
    free_proposal(p);
    if (!KNOWN_BUG(shrink_moves_nothing))
        replica_lead_high_watermark(r); /* KAFKA-13091 */
    if (r->isr != NULL && look_again)
        propose(r, false);
    if (r->isr != NULL && was_void && r->isr->proposal == NULL)
        replica_isr_tell(r); /* nothing is awaited any more */
    replica_let_go(r);
    return true;
}

void replica_proposal_drop(struct replica_proposal *p)
{
    struct replica *r = p->replica;
    if (!p->is_void)
        STATE_MOVE(changes, &r->isr->change, CHANGE_OPEN);
    free_proposal(p);
}

/* ---- what a follower says (P-3) ---- */

int16_t replica_isr_check(const struct replica *r, const struct replica_fetch *f)
{
    const struct remote *m = r->isr == NULL ? NULL : find(r->isr, f->follower.id);
    if (m == NULL) /* it has heard of the assignment, and this leader not yet; or the other way */
        return f->leader_epoch >= 0 ? WIRE_ERROR_UNKNOWN_LEADER_EPOCH
                                    : WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    int64_t newest = MAX(m->broker_epoch, broker_of(r, m->id).epoch);
    bool is_older = f->follower.epoch >= 0 && f->follower.epoch < newest;
    return is_older && !KNOWN_BUG(older_life_joins) ? WIRE_ERROR_NOT_LEADER_OR_FOLLOWER
                                                    : WIRE_ERROR_NONE;
}

/* Of what it has asked from on, as far as it counts. */
static int64_t end_of(const struct replica *r, const struct replica_fetch *f)
{
    bool durable = f->follower.durable_end >= 0 && log_waits_for_sync(r->log) &&
                   !KNOWN_BUG(follower_unsynced_counts);
    return durable ? MIN(f->follower.durable_end, f->offset) : f->offset;
}

static void tell_remote(const struct replica *r, const struct remote *m)
{
    TRACE(r->trace, REPLICA_END, .partition = r->trace_id, .topic_id = r->topic_trace,
          .broker = m->id, .broker_epoch = m->broker_epoch, .end = m->end,
          .leader_epoch = r->leader_epoch);
}

static void learn(struct replica *r, struct remote *m, const struct replica_fetch *f)
{
    int64_t now_ns = env_now(r->env);
    int64_t end = end_of(r, f), leader_end = log_counting_end(r->log);
    int64_t lag_end = KNOWN_BUG(lag_by_offset) ? f->offset : end;
    bool is_news = !m->known || end != m->end || f->follower.epoch != m->broker_epoch;
    bool reached = m->known && lag_end >= m->leader_end;
    m->refused &= lag_end < leader_end;
    if (lag_end >= leader_end)
        m->caught_up_ns = now_ns;
    else if (reached)
        m->caught_up_ns = MAX(m->caught_up_ns, m->fetched_ns);
    if (!m->known || reached) {
        m->leader_end = leader_end;
        m->fetched_ns = now_ns;
    }
    m->known = true;
    m->end = end;
    m->log_start = f->follower.log_start;
    m->broker_epoch = f->follower.epoch;
    if (is_news)
        tell_remote(r, m);
}

void replica_isr_heard(struct replica *r, const struct replica_fetch *f)
{
    struct remote *m = r->isr == NULL ? NULL : find(r->isr, f->follower.id);
    bool is_of_epoch = f->leader_epoch == r->leader_epoch || KNOWN_BUG(older_epoch_counts);
    if (m == NULL || r->role != ROLE_LEADER || f->follower.epoch < 0 || !is_of_epoch)
        return;
    learn(r, m, f);
    replica_lead_high_watermark(r);
    if (r->isr != NULL) {
        replica_trims_advance(r);
        propose(r, false);
    }
}

int32_t replica_isr_nearby(const struct replica *r, const struct replica_fetch *f)
{
    int32_t best = -1;
    int64_t best_end = -1;
    for (int32_t i = 0; r->isr != NULL && i < f->nearby_count; i++) {
        const struct remote *m = find(r->isr, f->nearby[i]);
        bool has = m != NULL && m->in_sync && m->known && m->log_start <= f->offset;
        if (!has || m->end < MAX(f->offset, best_end + 1) || !may_join(r, m))
            continue;
        best = m->id;
        best_end = m->end;
    }
    return best;
}

/* Whoever had all that counts has had it until now. */
void replica_isr_moved(struct replica *r)
{
    struct isr *isr = r->isr;
    int64_t end = log_counting_end(r->log), written_end = log_written_end(r->log);
    bool wrote = written_end != isr->written_end;
    int64_t now_ns = env_now(r->env);
    for (int32_t i = 0; i < isr->remote_count && end != isr->counting_end; i++) {
        struct remote *m = &isr->remotes[i];
        if (m->known && m->end >= isr->counting_end && !KNOWN_BUG(idle_lags))
            m->caught_up_ns = now_ns;
    }
    isr->counting_end = end;
    isr->written_end = written_end;
    if (wrote)
        replica_wake_followers(r);
}

/* Followers read what is written: their disks sync beside this one (P-8 waits for all of them). */
void replica_written(struct log_watch *watch)
{
    struct replica *r = CONTAINER_OF(watch, struct replica, watch);
    if (r->role == ROLE_LEADER && r->isr != NULL)
        replica_isr_moved(r);
    else if (r->role == ROLE_FOLLOWER)
        replica_follow_moved(r);
}

int64_t replica_low_watermark(const struct replica *r)
{
    int64_t low = log_start(r->log);
    for (int32_t i = 0; r->isr != NULL && i < r->isr->remote_count; i++) {
        const struct remote *m = &r->isr->remotes[i];
        if (m->log_start < low && broker_of(r, m->id).is_alive)
            low = m->log_start;
    }
    return low;
}

/* ---- rounds: nobody lags in silence, and one timer looks after all partitions ---- */

static void look_at(struct isr *isr)
{
    struct replica *r = isr->replica;
    replica_hold(r);
    propose(r, true);
    replica_lead_high_watermark(r); /* who has lagged for too long is not waited for */
    if (r->isr != NULL)
        replica_trims_advance(r);
    replica_let_go(r);
}

static void on_lag(struct env_timer *timer)
{
    struct replica_set *set = CONTAINER_OF(timer, struct replica_set, lag);
    if (set->shared_left == 0)
        set->shared_left = set->shared_count;
    for (int i = 0; i < LOOK_STEP && set->shared_left > 0; i++) {
        struct list *link = list_pop_front(&set->shared);
        list_push_back(&set->shared, link);
        set->shared_left--;
        look_at(CONTAINER_OF(link, struct isr, shared));
    }
    if (set->shared_count > 0)
        env_arm(set->env, &set->lag,
                env_now(set->env) + (set->shared_left > 0 ? 0 : set->lag_ns_max / 2) *
                                        (KNOWN_BUG(lag_looked_for_seldom) ? 8 : 1));
}

void replica_brokers_changed(struct replica_set *set)
{
    if (set->shared_count == 0)
        return;
    set->shared_left = set->shared_count;
    env_arm(set->env, &set->lag, env_now(set->env));
}

static void enter_rounds(struct isr *isr)
{
    struct replica *r = isr->replica;
    struct replica_set *set = r->set;
    ASSERT(set->lag_ns_max > 0);
    list_push_back(&set->shared, &isr->shared);
    if (set->shared_count++ > 0)
        return;
    set->env = r->env;
    set->lag.fire = on_lag;
    env_arm(set->env, &set->lag, env_now(set->env) + set->lag_ns_max / 2);
}

static void leave_rounds(struct isr *isr)
{
    struct replica_set *set = isr->replica->set;
    list_remove(&isr->shared);
    ASSERT(set->shared_count > 0);
    set->shared_count--;
    set->shared_left = MIN(set->shared_left, set->shared_count);
    if (set->shared_count == 0)
        env_disarm(set->env, &set->lag);
}

/* ---- what metadata say ---- */

static bool contains(struct replica_ids list, int32_t id)
{
    for (int32_t i = 0; i < list.count; i++) {
        if (list.ids[i] == id)
            return true;
    }
    return false;
}

static void add_remote(struct isr *isr, const struct replica_epochs *epochs, int32_t id)
{
    struct remote *m = &isr->remotes[isr->remote_count++];
    *m = (struct remote){
        .id = id,
        .in_sync = contains(epochs->isr, id),
        .end = -1,
        .log_start = -1,
        .leader_end = -1,
        .broker_epoch = -1,
        .caught_up_ns = NEVER,
    };
    isr->in_sync_count += m->in_sync;
}

/* In the same leader epoch what is known of a replica stays known, and who waits waits on. */
static void carry_over(struct isr *from, struct isr *to)
{
    for (int32_t i = 0; i < to->remote_count; i++) {
        struct remote *m = &to->remotes[i];
        const struct remote *before = find(from, m->id);
        bool in_sync = m->in_sync;
        if (before == NULL)
            continue;
        *m = *before;
        m->in_sync = in_sync || (KNOWN_BUG(set_before_counts) && before->in_sync);
        m->proposed = false;
    }
    to->proposal = from->proposal;
    /* What has been written since is yet to be told. */
    to->counting_end = from->counting_end;
    to->written_end = from->written_end;
    list_splice_back(&to->trims, &from->trims);
}

enum err replica_isr_take(struct replica *r, const struct replica_epochs *epochs)
{
    struct isr *before = r->isr_next;
    r->isr_next = NULL;
    r->shared = epochs->replicas.count > 1;
    if (!r->shared) {
        mem_free(r->mem, before);
        return ERR_NONE;
    }
    size_t max = (size_t)epochs->replicas.count;
    struct isr *isr = mem_zalloc(r->mem, sizeof *isr + max * sizeof *isr->remotes);
    if (isr == NULL) {
        mem_free(r->mem, before);
        return ERR_NOMEM;
    }
    isr->replica = r;
    isr->in_sync_count = 1;
    list_init(&isr->shared);
    list_init(&isr->trims);
    for (int32_t i = 0; i < epochs->replicas.count; i++) {
        if (epochs->replicas.ids[i] != r->set->broker_id)
            add_remote(isr, epochs, epochs->replicas.ids[i]);
    }
    if (KNOWN_BUG(followers_remembered) && before != NULL)
        carry_over(before, isr);
    mem_free(r->mem, before);
    r->isr_next = isr;
    return ERR_NONE;
}

void replica_isr_forget(struct replica *r)
{
    mem_free(r->mem, r->isr_next);
    r->isr_next = NULL;
}

/* P-1: of a new leader epoch nobody has been heard; who is in sync has until now. */
static void begin_anew(struct isr *isr, int64_t now_ns)
{
    for (int32_t i = 0; i < isr->remote_count; i++) {
        if (isr->remotes[i].in_sync)
            isr->remotes[i].caught_up_ns = now_ns;
    }
}

void replica_isr_begin(struct replica *r, bool is_new_epoch)
{
    struct isr *before = r->isr, *isr = r->isr_next;
    r->isr = isr;
    r->isr_next = NULL;
    if (isr != NULL) {
        isr->counting_end = log_counting_end(r->log);
        isr->written_end = log_written_end(r->log);
    }
    if (before != NULL) {
        settle(before);
        if (isr != NULL)
            carry_over(before, isr);
        leave_rounds(before);
        ASSERT(list_empty(&before->trims));
        mem_free(r->mem, before);
    }
    if (isr == NULL)
        return;
    if ((is_new_epoch || before == NULL) && !KNOWN_BUG(epoch_begins_lagging))
        begin_anew(isr, env_now(r->env));
    enter_rounds(isr);
    replica_isr_tell(r);
}

void replica_isr_end(struct replica *r)
{
    struct isr *isr = r->isr;
    if (isr == NULL)
        return;
    settle(isr);
    leave_rounds(isr);
    isr->proposal = NULL; /* it ends without this */
    r->isr = NULL;
    if (KNOWN_BUG(followers_remembered))
        r->isr_next = isr;
    else
        mem_free(r->mem, isr);
}
