/* replica.c - the life of a partition on this broker: opened, led, taken offline, closed; and how
 * far it may be shown. */
#include "replica/internal.h"

static const struct state roles[] = {
    [ROLE_CLOSED] = {"closed", TO(ROLE_OPENING) | TO(ROLE_DELETING)},
    [ROLE_OPENING] = {"opening", TO(ROLE_LEADER) | TO(ROLE_FOLLOWER) | TO(ROLE_CLOSED)},
    [ROLE_LEADER] = {"leader",
                     TO(ROLE_FOLLOWER) | TO(ROLE_OFFLINE) | TO(ROLE_RESIGNED) | TO(ROLE_DELETING)},
    [ROLE_FOLLOWER] = {"follower",
                       TO(ROLE_LEADER) | TO(ROLE_OFFLINE) | TO(ROLE_RESIGNED) | TO(ROLE_DELETING)},
    [ROLE_OFFLINE] = {"offline", TO(ROLE_RESIGNED) | TO(ROLE_DELETING)},
    [ROLE_RESIGNED] = {"resigned", TO(ROLE_CLOSING) | TO(ROLE_DELETING)},
    [ROLE_CLOSING] = {"closing", TO(ROLE_CLOSED)},
    [ROLE_DELETING] = {"deleting", TO(ROLE_DELETED)},
    [ROLE_DELETED] = {"deleted", 0},
};

void replica_move(struct replica *r, enum role role)
{
    STATE_MOVE(roles, &r->role, role);
}

/* ---- the set ---- */

struct set_key {
    const struct wire_uuid *topic_id;
    int32_t partition;
};

static uint64_t hash_key(const struct wire_uuid *topic_id, int32_t partition)
{
    return hash_combine(get_u64(topic_id->b) ^ get_u64(topic_id->b + 8), (uint64_t)partition);
}

static bool equal_key(const void *key, const struct hmap_node *node)
{
    const struct set_key *k = key;
    const struct replica *r = CONTAINER_OF(node, struct replica, node);
    return k->partition == r->partition && wire_uuid_equal(k->topic_id, &r->topic_id);
}

enum err replica_set_init(struct replica_set *set, struct mem *mem, struct replica_watch *watch)
{
    set->mem = mem;
    set->watch = watch;
    list_init(&set->shared);
    return hmap_init(&set->map, mem, equal_key);
}

void replica_set_free(struct replica_set *set)
{
    ASSERT(set->map.count == 0);
    ASSERT(set->shared_count == 0);
    hmap_free(&set->map);
}

struct replica *replica_find(const struct replica_set *set, const struct wire_uuid *topic_id,
                             int32_t partition)
{
    struct set_key key = {.topic_id = topic_id, .partition = partition};
    struct hmap_node *node = hmap_find(&set->map, hash_key(topic_id, partition), &key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct replica, node);
}

struct replica *replica_first(const struct replica_set *set)
{
    return LIST_FIRST(&set->map.order, struct replica, node.order);
}

struct replica *replica_next(const struct replica_set *set, const struct replica *r)
{
    struct list *next = r->node.order.next;
    return next == &set->map.order ? NULL : CONTAINER_OF(next, struct replica, node.order);
}

static void tell_high_watermark(const struct replica *r)
{
    TRACE(r->trace, HIGH_WATERMARK, .partition = r->trace_id, .topic_id = r->topic_trace,
          .offset = r->high_watermark, .leader_epoch = r->leader_epoch);
}

bool replica_raise_high_watermark(struct replica *r, int64_t to)
{
    if (to <= r->high_watermark)
        return false;
    ASSERT(to <= log_end(r->log));
    r->high_watermark = to;
    log_note_high_watermark(r->log, to);
    tell_high_watermark(r);
    return true;
}

/* A truncation may go below the high watermark; what a full disk takes back does not. */
static void on_cut(struct log_watch *watch, int64_t end)
{
    struct replica *r = CONTAINER_OF(watch, struct replica, watch);
    replica_produce_cut(r, end);
    if (end < r->high_watermark) {
        ASSERT(r->role == ROLE_FOLLOWER);
        r->high_watermark = end;
        tell_high_watermark(r);
    }
    replica_follow_moved(r); /* what was to count is not there any more */
}

enum err replica_new(struct replica **out, struct replica_set *set, struct env *env,
                     struct mem *mem, struct trace *trace, const char *topic,
                     const struct wire_uuid *topic_id, int32_t partition,
                     const struct replica_config *config)
{
    struct replica *r = mem_zalloc(mem, sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    *r = (struct replica){
        .set = set,
        .env = env,
        .mem = mem,
        .trace = trace,
        .topic = mem_text(mem, topic, strlen(topic)),
        .topic_id = *topic_id,
        .partition = partition,
        .config = *config,
        .error = ERR_OFFLINE,
        .watch = {.moved = replica_moved, .written = replica_written, .cut = on_cut},
        .trace_id = trace_partition(topic, partition),
        .topic_trace = trace_topic_id(topic_id->b),
        .leader_epoch = -1,
    };
    if (r->topic == NULL) {
        mem_free(mem, r);
        return ERR_NOMEM;
    }
    list_init(&r->checking);
    list_init(&r->written);
    list_init(&r->counted);
    list_init(&r->fetches);
    hmap_insert(&set->map, hash_key(topic_id, partition), &r->node);
    *out = r;
    return ERR_NONE;
}

void replica_free(struct replica *r)
{
    ASSERT(r->role == ROLE_CLOSED);
    ASSERT(r->log == NULL);
    ASSERT(list_empty(&r->checking));
    ASSERT(list_empty(&r->written));
    ASSERT(list_empty(&r->counted));
    hmap_remove(&r->set->map, &r->node);
    r->gone = true;
    replica_hold(r);
    replica_let_go(r);
}

struct replica *replica_hold(struct replica *r)
{
    r->holders++;
    return r;
}

void replica_let_go(struct replica *r)
{
    if (r == NULL)
        return;
    ASSERT(r->holders > 0);
    if (--r->holders > 0 || !r->gone)
        return;
    ASSERT(list_empty(&r->fetches));
    ASSERT(r->isr == NULL);
    replica_isr_forget(r);
    mem_free(r->mem, r->topic);
    mem_free(r->mem, r);
}

static void tell(const struct replica *r, bool offline, const char *sentence)
{
    if (r->set->watch != NULL && sentence != NULL && sentence[0] != 0)
        r->set->watch->tell(r->set->watch, r, offline, sentence);
}

/* ---- opening ---- */

static void remove_now(struct replica *r);

static void end_op(struct replica *r, enum err e)
{
    struct replica_op *op = r->op;
    r->op = NULL;
    if (r->removal != NULL)
        remove_now(r);
    op->done(op, e);
}

static void tell_leading(const struct replica *r)
{
    TRACE(r->trace, LEADER_ON, .partition = r->trace_id, .topic_id = r->topic_trace,
          .leader_epoch = r->leader_epoch, .end = r->epoch_start,
          .partition_epoch = r->partition_epoch);
}

/* A leader's: where it is not known yet who else has the partition, it stays. */
static int64_t watermark_of(const struct replica *r)
{
    if (r->isr != NULL)
        return replica_isr_watermark(r);
    return r->shared ? r->high_watermark : log_counting_end(r->log);
}

void replica_lead_high_watermark(struct replica *r)
{
    if (r->role != ROLE_LEADER || !replica_raise_high_watermark(r, watermark_of(r)))
        return;
    replica_produce_advance(r);
    replica_wake_all(r);
}

/* What an earlier life knew to be committed. */
static int64_t high_watermark_before(const struct replica *r)
{
    return MAX(MIN(log_high_watermark(r->log), log_counting_end(r->log)), log_start(r->log));
}

static void hold(struct replica *r)
{
    if (r->holds)
        return;
    r->holds = true;
    r->set->holding_count++;
}

static void lead(struct replica *r)
{
    replica_move(r, ROLE_LEADER);
    r->error = ERR_NONE;
    r->high_watermark =
        r->shared ? high_watermark_before(r) : MAX(log_counting_end(r->log), log_start(r->log));
    r->epoch_start = log_end(r->log);
    log_note_high_watermark(r->log, r->high_watermark);
    tell_leading(r);
    tell_high_watermark(r);
    if (r->shared && r->isr_next == NULL)
        hold(r);
    replica_isr_begin(r, true);
    replica_lead_high_watermark(r);
    end_op(r, ERR_NONE);
}

/* It knows what an earlier life knew, until its leader tells more. */
static void follow(struct replica *r)
{
    replica_move(r, ROLE_FOLLOWER);
    r->error = ERR_NONE;
    r->leader_high_watermark = -1;
    r->high_watermark = high_watermark_before(r);
    log_note_high_watermark(r->log, r->high_watermark);
    tell_high_watermark(r);
    end_op(r, ERR_NONE);
}

static struct replica *replica_of(struct log_op *op)
{
    return CONTAINER_OF(op, struct replica_op, log)->replica;
}

static void on_failed_closed(struct log_op *op, enum err e)
{
    (void)e;
    struct replica *r = replica_of(op);
    r->log = NULL;
    replica_move(r, ROLE_CLOSED);
    end_op(r, r->error);
}

static void wait_for_room(struct replica *r)
{
    ASSERT(r->holds);
    if (!r->full)
        dir_full_begin(r->dir);
    r->full = true;
}

static void hold_no_more(struct replica *r, bool room)
{
    if (!r->holds)
        return;
    ASSERT(r->set->holding_count > 0);
    r->holds = false;
    r->set->holding_count--;
    if (r->full)
        dir_full_end(r->dir, room);
    r->full = false;
}

static void on_epoch(struct log_op *op, enum err e)
{
    struct replica *r = replica_of(op);
    if (e == ERR_NOSPACE) { /* what was acknowledged can be read all the same */
        hold(r);
        wait_for_room(r);
    }
    if (e == ERR_NONE || e == ERR_NOSPACE) {
        lead(r);
        return;
    }
    r->error = e;
    r->op->msg = op->msg;
    errmsg_wrap(&r->op->msg, e, "cannot lead partition %s-%d", r->topic, (int)r->partition);
    log_close(r->log, &r->op->log, on_failed_closed);
}

static void on_open(struct log_op *op, enum err e)
{
    struct replica *r = replica_of(op);
    r->tried = true;
    if (e != ERR_NONE) {
        r->log = NULL;
        r->error = e;
        r->op->msg = op->msg;
        replica_move(r, ROLE_CLOSED);
        end_op(r, e);
        return;
    }
    tell(r, false, log_notice(r->log));
    r->lacks |= log_lacks(r->log);
    log_reconfigure(r->log, &r->config.log); /* it may have changed meanwhile */
    if (r->next.follows)
        follow(r);
    else if (log_latest_epoch(r->log) < r->leader_epoch)
        log_assign_epoch(r->log, r->leader_epoch, &r->op->log, on_epoch);
    else
        lead(r);
}

/* What it is to lead by, or follow by, when it can. False: there is no memory for it yet. */
static bool expect(struct replica *r, struct replica_epochs epochs)
{
    r->next = epochs;
    r->next.replicas = r->next.isr = (struct replica_ids){0}; /* they are only borrowed */
    return epochs.follows || replica_isr_take(r, &epochs) == ERR_NONE;
}

void replica_open(struct replica *r, struct replica_op *op, struct log_set *logs,
                  struct replica_epochs epochs, replica_done *done)
{
    ASSERT(r->op == NULL);
    replica_move(r, ROLE_OPENING);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    op->replica = r;
    r->op = op;
    r->leader_epoch = epochs.leader;
    r->partition_epoch = epochs.partition;
    expect(r, epochs);
    r->dir = log_set_dir(logs);
    r->birth = (struct log_birth){.known = r->config.made_before,
                                  .elsewhere = r->config.made_elsewhere,
                                  .unmarked = r->config.unmarked,
                                  .leader_epoch = epochs.follows ? -1 : epochs.leader};
    log_open(logs, &r->log, r->topic, r->partition, r->topic_id.b, &r->config.log, &r->birth,
             &r->watch, &r->op->log, on_open);
}

/* ---- leading ---- */

static void stop_leading(struct replica *r)
{
    replica_trims_fail(r, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    replica_isr_end(r);
    TRACE(r->trace, LEADER_OFF, .partition = r->trace_id, .topic_id = r->topic_trace,
          .leader_epoch = r->leader_epoch);
}

static void begin_epoch(struct replica *r)
{
    ASSERT(r->next.leader > r->leader_epoch || r->role == ROLE_FOLLOWER);
    ASSERT(log_written_end(r->log) == log_end(r->log));
    if (r->role == ROLE_FOLLOWER)
        replica_move(r, ROLE_LEADER);
    else
        stop_leading(r);
    r->leader_epoch = r->next.leader;
    r->partition_epoch = r->next.partition;
    r->epoch_start = log_end(r->log);
    tell_leading(r);
    replica_isr_begin(r, true);
    replica_raise_high_watermark(r, watermark_of(r));
}

/* In the leader epoch that it leads in: who has it and who is in sync is not who was. */
static void go_on_leading(struct replica *r)
{
    bool is_later = r->next.partition > r->partition_epoch;
    if (r->role != ROLE_LEADER || (!is_later && r->isr != NULL && !KNOWN_BUG(pending_ended_early)))
        return;
    r->partition_epoch = r->next.partition;
    replica_isr_begin(r, false);
    replica_lead_high_watermark(r);
}

/* Of one that is led anew while it is open. */
struct noting {
    struct log_op op;
    struct replica *replica;
};

/* Its epoch has begun in the log. */
static void lead_in_epoch(struct replica *r)
{
    if (r->shared && r->isr == NULL && r->isr_next == NULL)
        return; /* nor may it be counted upon before it knows who else has it */
    if (r->next.leader > r->leader_epoch || r->role == ROLE_FOLLOWER)
        begin_epoch(r);
    else
        go_on_leading(r);
    hold_no_more(r, true);
    replica_wake_all(r);
}

/* The disk is full, and it leads already: it takes no more until the epoch is written down. */
static void hold_again(struct replica *r)
{
    if (r->role != ROLE_LEADER || r->leader_epoch != r->next.leader)
        return;
    hold(r);
    wait_for_room(r);
    if (r->set->watch != NULL && r->set->watch->held != NULL)
        r->set->watch->held(r->set->watch);
}

static void on_noted(struct log_op *op, enum err e)
{
    struct noting *noting = CONTAINER_OF(op, struct noting, op);
    struct replica *r = noting->replica;
    mem_free(r->mem, noting);
    ASSERT(r->noting);
    r->noting = false;
    if (r->role != ROLE_LEADER && r->role != ROLE_FOLLOWER)
        return;
    if (!r->holds && e == ERR_NOSPACE) {
        hold_again(r);
        return;
    }
    if (!r->holds || log_latest_epoch(r->log) < r->next.leader) {
        replica_lead_on(r); /* another epoch began meanwhile, perhaps elsewhere */
        return;
    }
    if (e == ERR_NOSPACE)
        wait_for_room(r);
    if (e == ERR_NONE)
        lead_in_epoch(r);
}

/* P-1: the epoch is in the log at once, and durable before anything that is written in it counts as
 * that (log_assign_epoch). So it leads at once, and who waits for acks=all waits for that, too:
 * else a broker with a thousand partitions to take over would write a thousand files first. Where
 * the disk was full the last time, it waits. */
static void lead_before_noted(struct replica *r)
{
    if (r->noting && r->holds && !r->full && log_latest_epoch(r->log) == r->next.leader)
        lead_in_epoch(r);
}

void replica_lead_on(struct replica *r)
{
    bool can = r->role == ROLE_LEADER || r->role == ROLE_FOLLOWER;
    if (!can || !r->holds || r->noting || r->take != NULL ||
        log_written_end(r->log) < log_end(r->log))
        return;
    struct noting *noting = mem_zalloc(r->mem, sizeof *noting);
    if (noting == NULL)
        return; /* it goes on holding */
    noting->replica = r;
    r->noting = true;
    log_assign_epoch(r->log, r->next.leader, &noting->op, on_noted);
    lead_before_noted(r);
}

/* P-1. */
static void become_leader(struct replica *r, struct replica_epochs epochs)
{
    bool has_begun = r->role == ROLE_LEADER && epochs.leader == r->leader_epoch && !r->holds;
    bool says_nothing = epochs.partition <= r->partition_epoch && !KNOWN_BUG(pending_ended_early);
    if (has_begun && says_nothing)
        return;
    bool knows = expect(r, epochs);
    if (has_begun && knows) {
        go_on_leading(r);
        return;
    }
    hold(r);
    replica_lead_on(r);
}

/* P-2: in each new epoch, whoever leads in it. */
static void become_follower(struct replica *r, struct replica_epochs epochs)
{
    r->partition_epoch = epochs.partition;
    if (r->role == ROLE_FOLLOWER && epochs.leader == r->leader_epoch && !r->holds)
        return;
    ASSERT(r->role == ROLE_FOLLOWER || epochs.leader > r->leader_epoch);
    hold_no_more(r, false);
    if (r->role == ROLE_LEADER) {
        stop_leading(r);
        replica_move(r, ROLE_FOLLOWER);
        replica_produce_fail_all(r, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    }
    r->leader_epoch = epochs.leader;
    r->leader_high_watermark = -1;
    expect(r, epochs);
    replica_wake_all(r);
}

void replica_become(struct replica *r, struct replica_epochs epochs)
{
    if (r->role != ROLE_LEADER && r->role != ROLE_FOLLOWER)
        return;
    ASSERT(epochs.leader >= r->leader_epoch);
    if (epochs.follows)
        become_follower(r, epochs);
    else
        become_leader(r, epochs);
}

bool replica_holds(const struct replica *r)
{
    return r->holds;
}

static void go_offline(struct replica *r, enum err e)
{
    bool led = r->role == ROLE_LEADER;
    replica_move(r, ROLE_OFFLINE);
    r->error = e;
    if (led)
        stop_leading(r);
    tell(r, true, log_status_text(r->log));
    replica_produce_fail_all(r, WIRE_ERROR_KAFKA_STORAGE_ERROR);
}

enum replica_trouble replica_trouble(const struct replica *r)
{
    switch (r->role) {
    case ROLE_CLOSED:
    case ROLE_OFFLINE:
        if (!r->tried)
            return REPLICA_WELL;
        return r->error == ERR_CORRUPT ? REPLICA_CORRUPT : REPLICA_OFFLINE;
    case ROLE_LEADER:
    case ROLE_FOLLOWER:
        return r->lacks ? REPLICA_INCOMPLETE : REPLICA_WELL;
    case ROLE_OPENING: /* once more: it is what it was */
        return r->tried ? REPLICA_OFFLINE : REPLICA_WELL;
    case ROLE_RESIGNED:
    case ROLE_CLOSING:
    case ROLE_DELETING:
    case ROLE_DELETED:
        return REPLICA_WELL;
    }
    UNREACHABLE();
}

bool replica_is_settled(const struct replica *r)
{
    return r->log == NULL || log_is_settled(r->log);
}

void replica_excuse(struct replica *r)
{
    r->lacks = false;
}

static void leader_moved(struct replica *r)
{
    if (r->isr != NULL)
        replica_isr_moved(r);
    replica_raise_high_watermark(r, watermark_of(r));
}

void replica_moved(struct log_watch *watch, enum err e)
{
    struct replica *r = CONTAINER_OF(watch, struct replica, watch);
    if (r->role != ROLE_LEADER && r->role != ROLE_OFFLINE && r->role != ROLE_FOLLOWER)
        return;
    int64_t before = r->high_watermark;
    /* What was only written when a sync failed may be gone (S-5): it counts for nobody, and nobody
     * is told that it is stored. */
    if (r->role == ROLE_FOLLOWER)
        replica_follow_high_watermark(r);
    else if (r->role == ROLE_LEADER && e == ERR_NONE)
        leader_moved(r);
    bool moved = r->high_watermark > before;
    if (e == ERR_NONE)
        replica_produce_advance(r);
    if (e != ERR_NONE && r->role != ROLE_OFFLINE)
        go_offline(r, e);
    if (moved || e != ERR_NONE || KNOWN_BUG(shown_before_durable))
        replica_wake_all(r);
    replica_lead_on(r);
    replica_follow_moved(r);
}

void replica_reconfigure(struct replica *r, const struct log_config *log,
                         int32_t min_insync_replicas)
{
    r->config.log = *log;
    bool another_minimum = r->config.min_insync_replicas != min_insync_replicas;
    r->config.min_insync_replicas = min_insync_replicas;
    if (replica_is_open(r))
        log_reconfigure(r->log, log);
    if (r->isr == NULL || !another_minimum)
        return;
    replica_isr_tell(r);
    replica_lead_high_watermark(r);
}

void replica_mark(struct replica *r)
{
    r->config.made_before = true;
    r->config.made_elsewhere = r->config.unmarked = false;
    if (replica_is_open(r))
        log_mark(r->log);
}

void replica_resign(struct replica *r)
{
    if (r->role != ROLE_LEADER && r->role != ROLE_OFFLINE && r->role != ROLE_FOLLOWER)
        return;
    if (r->role == ROLE_LEADER)
        stop_leading(r);
    replica_move(r, ROLE_RESIGNED);
    r->error = ERR_OFFLINE;
    replica_produce_fail_all(r, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    replica_wake_all(r);
}

static void on_closed(struct log_op *op, enum err e)
{
    struct replica *r = replica_of(op);
    ASSERT(!r->noting);
    hold_no_more(r, false);
    r->log = NULL;
    r->op->msg = op->msg;
    replica_move(r, ROLE_CLOSED);
    end_op(r, e);
}

void replica_close(struct replica *r, struct replica_op *op, replica_done *done)
{
    ASSERT(r->op == NULL);
    ASSERT(r->log != NULL);
    replica_move(r, ROLE_CLOSING);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    op->replica = r;
    r->op = op;
    replica_read_last(r);
}

void replica_read_last(struct replica *r)
{
    if (r->role == ROLE_CLOSING && r->reader_count == 0)
        log_close(r->log, &r->op->log, on_closed);
}

/* ---- deleting ---- */

void replica_delete(struct replica *r)
{
    ASSERT(r->holders > 0);
    hmap_remove(&r->set->map, &r->node);
    r->gone = r->deleted = true;
    r->error = ERR_NOTFOUND;
    replica_produce_fail_all(r, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    replica_trims_fail(r, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    replica_wake_all(r);
}

static void on_removed(struct log_op *op, enum err e)
{
    struct replica *r = replica_of(op);
    ASSERT(!r->noting);
    hold_no_more(r, false);
    replica_move(r, ROLE_DELETED);
    r->op->msg = op->msg;
    end_op(r, e);
}

static void remove_now(struct replica *r)
{
    ASSERT(r->op == NULL);
    struct log *log = r->log;
    r->op = r->removal;
    r->removal = NULL;
    r->log = NULL;
    if (r->role == ROLE_LEADER)
        stop_leading(r);
    replica_move(r, ROLE_DELETING);
    if (log != NULL)
        log_delete(log, &r->op->log, on_removed);
    else
        log_delete_closed(r->logs, r->topic, r->partition, &r->op->log, on_removed);
}

void replica_remove(struct replica *r, struct replica_op *op, struct log_set *logs,
                    replica_done *done)
{
    ASSERT(r->deleted);
    ASSERT(r->removal == NULL);
    op->done = done;
    op->msg = (struct errmsg){{0}};
    op->replica = r;
    r->removal = op;
    r->logs = logs;
    if (r->role != ROLE_OPENING)
        remove_now(r);
}

bool replica_is_deleted(const struct replica *r)
{
    return r->deleted;
}

void replica_retain(struct replica *r)
{
    if (r->role == ROLE_LEADER || r->role == ROLE_FOLLOWER)
        log_retain(r->log, r->high_watermark, env_wall(r->env));
}

/* ---- what it is ---- */

const char *replica_topic(const struct replica *r)
{
    return r->topic;
}

int32_t replica_partition(const struct replica *r)
{
    return r->partition;
}

const struct wire_uuid *replica_topic_id(const struct replica *r)
{
    return &r->topic_id;
}

int32_t replica_leader_epoch(const struct replica *r)
{
    return r->leader_epoch;
}

enum err replica_status(const struct replica *r)
{
    return r->error;
}

bool replica_is_open(const struct replica *r)
{
    return r->log != NULL && r->role != ROLE_OPENING && r->role != ROLE_CLOSING;
}

int64_t replica_high_watermark(const struct replica *r)
{
    return r->high_watermark;
}

void replica_describe(struct replica *r, struct replica_description *d,
                      replica_description_done *done)
{
    *d = (struct replica_description){.serves = replica_is_open(r)};
    if (d->serves) {
        d->bytes = (int64_t)log_bytes(r->log);
        d->lag = MAX(log_end(r->log) - r->high_watermark, 0);
    }
    done(d);
}

int64_t replica_log_start(const struct replica *r)
{
    return replica_is_open(r) ? log_start(r->log) : -1;
}
