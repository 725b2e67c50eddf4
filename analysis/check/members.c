/* members.c - the cluster as the metadata log has it: which brokers are registered and fenced, who
 * leads each partition and is in sync with it. It judges each change of that (D13, D14, D24, E10,
 * E11, E17, E18), who leads without having been asked (E19), and that whoever counts as in sync has
 * what was committed (D6). Rows of one offset are what one image came to; they are judged when all
 * of them have been told. */
#include <inttypes.h>
#include "check/internal.h"

#define NOBODY (-1)
#define OFFLINE_NS (10ll * 1000000000) /* a few heartbeats, and an election */

static struct about about_part(const struct part *part)
{
    return (struct about){.partition = part->id, .offset = CHECK_NO_OFFSET};
}

static struct known_broker *known(struct check *c, int64_t broker)
{
    return &c->members.brokers[(uint64_t)broker & (TRACE_BROKER_BITS - 1)];
}

static bool is_registered(struct check *c, int64_t broker)
{
    const struct known_broker *b = known(c, broker);
    return b->known && b->epoch >= 0;
}

/* ---- one image: whether its rows go together ---- */

static uint64_t fenced_bits(const struct check *c)
{
    uint64_t bits = 0;
    for (int i = 0; i < TRACE_BROKER_BITS; i++) {
        const struct known_broker *b = &c->members.brokers[i];
        bits |= b->known && (b->fenced || b->epoch < 0) ? 1ull << i : 0;
    }
    return bits;
}

static void judge_lists(struct check *c, const struct part *part)
{
    const struct part_state *s = &part->state;
    if (((s->isr | s->elr) & ~s->replicas) != 0 || (s->isr & s->elr) != 0)
        check_note(c, CHECK_IN_SYNC_WRONG, &c->members.row, about_part(part), false,
                   "replicas %" PRIx64 ", in sync %" PRIx64 ", eligible %" PRIx64 " (bits)",
                   s->replicas, s->isr, s->elr);
}

/* Who is fenced leads nothing and is in sync with nobody; the last that was in sync stays so, and
 * nobody leads (B-4). */
static void judge_fenced(struct check *c, const struct part *part, uint64_t fenced)
{
    const struct part_state *s = &part->state;
    if (s->leader < 0)
        return;
    if ((s->isr & check_broker_bit(s->leader)) == 0)
        check_note(c, CHECK_LEADER_NOT_IN_SYNC, &c->members.row, about_part(part), false,
                   "broker %" PRId64 " leads in epoch %" PRId64 "; in sync are %" PRIx64 " (bits)",
                   s->leader, s->leader_epoch, s->isr);
    if ((fenced & check_broker_bit(s->leader)) != 0 || !is_registered(c, s->leader))
        check_note(c, CHECK_FENCED_LEADS, &c->members.row, about_part(part), false,
                   "broker %" PRId64 " leads in epoch %" PRId64 " and is fenced", s->leader,
                   s->leader_epoch);
    else if ((s->isr & fenced) != 0)
        check_note(c, CHECK_FENCED_LEADS, &c->members.row, about_part(part), false,
                   "of those in sync, %" PRIx64 ", are fenced %" PRIx64 " (bits)", s->isr,
                   s->isr & fenced);
}

static void judge_image(struct check *c)
{
    struct members *m = &c->members;
    uint64_t fenced = fenced_bits(c);
    for (uint32_t i = 0; m->pending && i < c->tables.part_count; i++) {
        struct part *part = c->tables.part_list[i];
        if (!part->state.known || part->removed || (!part->state.moved && !m->brokers_moved))
            continue;
        part->state.moved = false;
        judge_lists(c, part);
        judge_fenced(c, part, fenced);
    }
    m->pending = m->brokers_moved = false;
}

/* False: it tells of an image that is older than what is known, as nodes do that lag. */
static bool begin_image(struct check *c, const struct trace_row *row, uint64_t offset)
{
    struct members *m = &c->members;
    if (m->known && offset < m->offset)
        return false;
    if (!m->known || offset > m->offset)
        judge_image(c);
    m->known = m->pending = true;
    m->offset = offset;
    m->row = *row;
    return true;
}

/* ---- brokers ---- */

static void judge_epoch(struct check *c, const struct trace_row *row, const struct known_broker *b)
{
    const struct trace_BROKER_STATE *is = TRACE_AS(row, BROKER_STATE);
    if (is->epoch >= 0 && (is->epoch < b->greatest || (uint64_t)is->epoch > is->metadata_offset))
        check_note(c, CHECK_BROKER_EPOCH_BACK, row, (struct about){0}, false,
                   "broker %" PRId64 " has epoch %" PRId64 " at offset %" PRIu64 ", after %" PRId64,
                   is->broker, is->epoch, is->metadata_offset, b->greatest);
    for (int i = 0; i < TRACE_BROKER_BITS && is->epoch >= 0; i++) {
        const struct known_broker *other = &c->members.brokers[i];
        if (other != b && other->known && other->epoch == is->epoch)
            check_note(c, CHECK_BROKER_EPOCH_BACK, row, (struct about){0}, false,
                       "broker %" PRId64 " has epoch %" PRId64 ", which another one has",
                       is->broker, is->epoch);
    }
}

/* It serves once it knows the metadata log up to its own registration (B-3), which it has told. */
static void judge_unfenced(struct check *c, const struct trace_row *row,
                           const struct known_broker *b)
{
    const struct trace_BROKER_STATE *is = TRACE_AS(row, BROKER_STATE);
    bool begins = is->epoch >= 0 && !is->fenced && (!b->known || b->fenced);
    if (begins && b->own_epoch < is->epoch)
        check_note(c, CHECK_UNFENCED_EARLY, row, (struct about){0}, false,
                   "broker %" PRId64 " serves in epoch %" PRId64
                   ", and knows of its registration in %" PRId64,
                   is->broker, is->epoch, b->own_epoch);
}

static void take_own_view(struct host *host, const struct trace_BROKER_STATE *is)
{
    bool may_join = is->epoch >= 0 && !is->fenced && !is->leaving;
    uint64_t bit = check_broker_bit(is->broker);
    host->broker_id = is->by;
    host->epochs[(uint64_t)is->broker & (TRACE_BROKER_BITS - 1)] = is->epoch + 1;
    host->may_join = may_join ? host->may_join | bit : host->may_join & ~bit;
}

static void on_broker(struct check *c, const struct trace_row *row)
{
    const struct trace_BROKER_STATE *is = TRACE_AS(row, BROKER_STATE);
    struct known_broker *b = known(c, is->broker);
    struct host *host = check_host(c, row->node);
    if (host != NULL)
        take_own_view(host, is);
    if (!b->known)
        b->own_epoch = b->greatest = -1;
    if (begin_image(c, row, is->metadata_offset)) {
        judge_epoch(c, row, b);
        judge_unfenced(c, row, b);
        if (is->epoch != b->epoch)
            b->moved_at = is->metadata_offset;
        b->epoch = is->epoch;
        b->greatest = MAX(b->greatest, is->epoch);
        b->fenced = is->fenced != 0;
        c->members.brokers_moved = true;
    }
    b->known = true;
    if (is->by == is->broker)
        b->own_epoch = MAX(b->own_epoch, is->epoch);
}

/* ---- partitions ---- */

static bool is_same(const struct part_state *s, const struct trace_PARTITION_STATE *is)
{
    return s->leader == is->leader && s->leader_epoch == is->leader_epoch && s->isr == is->isr &&
           s->elr == is->elr && s->replicas == is->replicas;
}

/* Each change has an epoch of its own, and each leader (E11). */
static void judge_epochs(struct check *c, const struct trace_row *row, const struct part *part)
{
    const struct trace_PARTITION_STATE *is = TRACE_AS(row, PARTITION_STATE);
    const struct part_state *s = &part->state;
    bool back = is->partition_epoch < s->partition_epoch || is->leader_epoch < s->leader_epoch;
    bool unmarked = is->partition_epoch == s->partition_epoch && !is_same(s, is);
    bool led_on = is->leader != s->leader && is->leader_epoch == s->leader_epoch;
    if (back || unmarked || led_on)
        check_note(c, CHECK_PARTITION_EPOCH_BACK, row, about_part(part), false,
                   "leader %" PRId64 ", epoch %" PRId64 ", in sync %" PRIx64
                   " (bits) in partition epoch %" PRId64 ", after leader %" PRId64
                   ", epoch %" PRId64 ", in sync %" PRIx64 " in %" PRId64,
                   is->leader, is->leader_epoch, is->isr, is->partition_epoch, s->leader,
                   s->leader_epoch, s->isr, s->partition_epoch);
}

/* ---- what a replica has ---- */

/* What of a log counts for its replica wherever it goes from here; NOTHING: nobody can know. */
static uint64_t counting_end(struct check *c, const struct replica *r, uint64_t canon_end)
{
    const struct host *host = check_host(c, r->key[0]);
    if (host == NULL || host->damaged)
        return NOTHING;
    if (check_is_durable(c, r->part) && canon_end > r->part->soft_end)
        return r->kept;
    return r->power_lost || host->power_loss_ns >= r->opened_ns ? NOTHING : r->end;
}

static const struct replica *replica_on(struct check *c, const struct part *part, int64_t broker)
{
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        const struct host *host = check_host(c, r->key[0]);
        if (host != NULL && host->broker_id == broker)
            return r;
    }
    return NULL;
}

/* Of who was eligible, those who still are: a life that begins in this very image may have taken it
 * from them in the same write (B-2), and so may a replica's own word that it lacks what it had
 * (S-9). */
static bool any_still_eligible(struct check *c, const struct part *part)
{
    for (int64_t broker = 0; broker < TRACE_BROKER_BITS; broker++) {
        if ((part->state.elr & check_broker_bit(broker)) == 0 ||
            known(c, broker)->moved_at == c->members.offset)
            continue;
        const struct replica *r = replica_on(c, part, broker);
        uint64_t end = r == NULL ? 0 : counting_end(c, r, part->canon_end);
        if (end != NOTHING && end >= part->canon_end)
            return true;
    }
    return false;
}

/* KIP-966: nobody is left but the last leader. */
static bool is_last_known(struct check *c, const struct part *part, int64_t leader)
{
    const struct part_state *s = &part->state;
    return s->isr == 0 && s->last_known == check_broker_bit(leader) && !any_still_eligible(c, part);
}

/* Whoever is elected was in sync, or eligible, the moment before; or the topic allows another; or
 * nobody is left but the last leader (KIP-966). Of changes that are told as one nobody knows what
 * was between (P-12). */
static void judge_election(struct check *c, const struct trace_row *row, struct part *part)
{
    const struct trace_PARTITION_STATE *is = TRACE_AS(row, PARTITION_STATE);
    const struct part_state *s = &part->state;
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    bool next =
        is->leader_epoch == s->leader_epoch + 1 && is->partition_epoch == s->partition_epoch + 1;
    if (!next || is->leader < 0 || ((s->isr | s->elr) & check_broker_bit(is->leader)) != 0 ||
        is_last_known(c, part, is->leader))
        return;
    check_note(c, CHECK_UNCLEAN_ELECTION, row, about_part(part), topic != NULL && topic->unclean,
               "broker %" PRId64 " in epoch %" PRId64 ", where in sync were %" PRIx64
               ", eligible %" PRIx64 " (bits)",
               is->leader, is->leader_epoch, s->isr, s->elr);
}

static void judge_candidates(struct check *c, const struct trace_row *row, struct part *part);

static void on_partition(struct check *c, const struct trace_row *row)
{
    const struct trace_PARTITION_STATE *is = TRACE_AS(row, PARTITION_STATE);
    struct part *part = check_part_of(c, row);
    if (part == NULL || !begin_image(c, row, is->metadata_offset))
        return;
    struct part_state *s = &part->state;
    if (s->known && !part->removed) {
        judge_epochs(c, row, part);
        judge_election(c, row, part);
    }
    *s = (struct part_state){.known = true,
                             .moved = true,
                             .leader = is->leader,
                             .leader_epoch = is->leader_epoch,
                             .partition_epoch = is->partition_epoch,
                             .replicas = is->replicas,
                             .isr = is->isr,
                             .elr = is->elr,
                             .last_known = is->last_known};
    judge_candidates(c, row, part);
}

/* A broker leads in an epoch that the metadata log has given to it. */
static void on_lead(struct check *c, const struct trace_row *row)
{
    const struct trace_LEADER_ON *is = TRACE_AS(row, LEADER_ON);
    const struct part *part = check_part_of(c, row);
    const struct host *host = check_host(c, row->node);
    if (part == NULL || host == NULL || host->broker_id < 0 || !part->state.known)
        return;
    const struct part_state *s = &part->state;
    bool ahead = is->leader_epoch > s->leader_epoch;
    bool another = is->leader_epoch == s->leader_epoch && s->leader != host->broker_id;
    if (ahead || another)
        check_note(c, CHECK_LED_UNASKED, row, about_part(part), false,
                   "broker %" PRId64 " leads in epoch %" PRId64
                   "; the metadata log has leader %" PRId64 " in epoch %" PRId64,
                   host->broker_id, is->leader_epoch, s->leader, s->leader_epoch);
}

/* ---- who may be elected ---- */

/* Whoever is in sync or eligible, by the metadata log, has all that was ever shown: it may be
 * elected (P-8, P-13). */
static void judge_candidates(struct check *c, const struct trace_row *row, struct part *part)
{
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    uint64_t to = part->canon_end;
    if (!part->state.known || part->removed || to <= part->start)
        return;
    for (int64_t broker = 0; broker < TRACE_BROKER_BITS; broker++) {
        if (((part->state.isr | part->state.elr) & check_broker_bit(broker)) == 0)
            continue;
        const struct replica *r = replica_on(c, part, broker);
        uint64_t end = r == NULL ? 0 : counting_end(c, r, to);
        if (end < to)
            check_note(c, CHECK_CANDIDATE_INCOMPLETE, row,
                       (struct about){.partition = part->id, .offset = end},
                       topic != NULL && topic->unclean,
                       "broker %" PRId64 " may be elected and has up to %" PRIu64 ", where %" PRIu64
                       " was committed",
                       broker, end, to);
    }
}

static void on_shown(struct check *c, const struct trace_row *row)
{
    struct part *part = check_part_of(c, row);
    if (part != NULL && part->leader_node == row->node)
        judge_candidates(c, row, part);
}

static void on_ready(struct check *c, const struct trace_row *row)
{
    struct host *host = check_host(c, row->node);
    if (host != NULL)
        host->broker_id = TRACE_AS(row, BROKER_READY)->broker;
}

/* Whoever has lost its log directory says so with its next heartbeats, and is fenced (B-4). Readers
 * poll all the while. */
static void judge_offline(struct check *c, const struct trace_row *row)
{
    LIST_EACH (host, &c->hosts.order, struct host, node.order) {
        if (!host->dir_offline || host->down || host->broker_id < 0)
            continue;
        const struct known_broker *b = known(c, host->broker_id);
        int64_t from_ns = MAX(host->offline_ns, c->harm_until_ns);
        bool else_calm = c->harmed_ns <= host->offline_ns && c->down_count == 0;
        if (else_calm && b->known && !b->fenced && b->epoch >= 0 &&
            from_ns < row->time_ns - OFFLINE_NS)
            check_note(c, CHECK_OFFLINE_SERVES, row, (struct about){0}, false,
                       "broker %" PRId64 " has had none for %.3f s", host->broker_id,
                       (double)(row->time_ns - host->offline_ns) / 1e9);
    }
}

static void on_members_row(struct check *c, const struct trace_row *row)
{
    if (c->members.pending && row->event != c->members.row.event)
        judge_image(c); /* all of it has been told in one event */
    switch (row->kind) {
    case TRACE_BROKER_STATE:
        on_broker(c, row);
        break;
    case TRACE_PARTITION_STATE:
        on_partition(c, row);
        break;
    case TRACE_LEADER_ON:
        on_lead(c, row);
        break;
    case TRACE_HIGH_WATERMARK:
        on_shown(c, row);
        break;
    case TRACE_BROKER_READY:
        on_ready(c, row);
        break;
    case TRACE_POLL_INVOKE:
        if (c->offline_count > 0)
            judge_offline(c, row);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_BROKER_STATE,   TRACE_PARTITION_STATE, TRACE_LEADER_ON,
    TRACE_HIGH_WATERMARK, TRACE_BROKER_READY,    TRACE_POLL_INVOKE,
};

const struct check_rule check_rule_members = {
    .name = "members",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_members_row,
    .on_end = judge_image,
    .memory = "brokers, and partitions that there ever were",
};
