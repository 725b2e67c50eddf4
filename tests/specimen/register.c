/* register.c - a node of the specimen: follower, candidate or leader. Its state changes in the
 * answers that it gets, in questions that it is asked, when its disk has moved, and on a tick. */
#include <stdio.h>
#include "specimen/specimen.h"

#define MS_NS 1000000ll
#define TICK_NS (20 * MS_NS)
#define ELECTION_NS_MIN (300 * MS_NS)
#define ELECTION_NS_MAX (700 * MS_NS)
#define PARK_NS (100 * MS_NS)
#define PATIENCE_NS (1000 * MS_NS)
#define LAG_NS_MAX (1500 * MS_NS)   /* of a follower's durable end, until it counts as behind */
#define FIRST_OF_EPOCH (1ull << 63) /* a leader's own first entry, which no client wrote */
#define OPS_MAX 32                  /* of clients that wait; more are refused */

enum role { FOLLOWER, CANDIDATE, LEADER };

/* What a leader knows of a follower. */
struct follower {
    uint64_t end, durable, round;
    int64_t caught_up_ns; /* when it was durable up to what the leader had */
    uint64_t target;      /* the leader's end when it asked last, */
    int64_t asked_ns;     /* and when that was */
    bool told;            /* that this one leads */
    struct asked parked;  /* its question, until there is something to say */
    uint64_t parked_watermark, parked_fetch;
    int64_t parked_ns;
};

/* A client's, that waits for the watermark (a write) or for a round (a read). */
struct waiting {
    struct asked asked;
    bool is_read;
    uint64_t index, round;
};

struct node {
    struct world_seat *seat;
    struct register_disk disk;
    struct talk talk;
    struct env_timer tick;
    uint32_t me, count;
    enum mistake mistake;
    enum role role;
    uint32_t leader; /* whom a follower follows; count: nobody */
    uint64_t watermark;
    int64_t election_ns;
    uint32_t votes;
    uint64_t told_durable; /* to the leader */
    uint64_t fetches;      /* so far; only the answer to the last one makes another */
    bool fetching;         /* it is under way */
    /* of a leader */
    uint64_t first, round;
    struct follower followers[TALK_PEERS_MAX];
    struct waiting ops[OPS_MAX];
    int32_t op_count;
};

static int64_t now(const struct node *node)
{
    return env_now(node->seat->env);
}

static uint64_t majority(const struct node *node)
{
    return node->count / 2 + 1;
}

static struct node *node_of(struct talk *talk)
{
    return CONTAINER_OF(talk, struct node, talk);
}

static struct message message_of(const struct node *node, enum message_type type)
{
    return (struct message){.type = type,
                            .from = node->me,
                            .epoch = node->disk.epoch,
                            .last_epoch = register_disk_last_epoch(&node->disk),
                            .end = node->disk.end,
                            .durable = node->disk.durable,
                            .watermark = node->watermark,
                            .round = node->round};
}

/* ---- roles ---- */

static void put_off_election(struct node *node)
{
    uint64_t bits = env_random(node->seat->env, "register/election", node->disk.epoch);
    node->election_ns = now(node) + random_between(bits, ELECTION_NS_MIN, ELECTION_NS_MAX);
}

static void answer_op(struct node *node, int32_t at, enum message_answer answer)
{
    struct waiting op = node->ops[at];
    struct message m = message_of(node, op.is_read ? MESSAGE_READ : MESSAGE_WRITE);
    node->ops[at] = node->ops[--node->op_count];
    m.answer = answer;
    if (answer == ANSWER_YES) {
        m.index = op.is_read ? node->watermark - 1 : op.index;
        m.vid = node->disk.log[m.index].vid;
        TRACE(node->seat->trace, ACK, .partition = REGISTER_PARTITION, .first = m.index,
              .last = m.index, .leader_epoch = (int64_t)node->disk.epoch);
    }
    talk_answer(&node->talk, &op.asked, &m);
}

static void unpark(struct node *node, struct follower *f)
{
    struct asked asked = f->parked;
    if (asked.request == NULL)
        return;
    struct message m = message_of(node, MESSAGE_FETCH);
    f->parked = (struct asked){0};
    m.answer = node->role == LEADER ? ANSWER_YES : ANSWER_NO;
    for (uint64_t i = f->end; m.answer == ANSWER_YES && i < node->disk.end; i++) {
        if (m.count == TALK_ENTRIES_MAX)
            break;
        m.entries[m.count++] = node->disk.log[i];
    }
    m.index = f->end;
    m.vid = f->parked_fetch;
    talk_answer(&node->talk, &asked, &m);
}

static void stop_leading(struct node *node)
{
    TRACE(node->seat->trace, LEADER_OFF, .partition = REGISTER_PARTITION,
          .leader_epoch = (int64_t)node->disk.epoch);
    node->role = FOLLOWER;
    while (node->op_count > 0)
        answer_op(node, 0, ANSWER_NO);
    for (uint32_t i = 0; i < node->count; i++)
        unpark(node, &node->followers[i]);
}

/* Another epoch begins here; nobody leads in it as far as this one knows. */
static void enter_epoch(struct node *node, uint64_t epoch, uint64_t vote)
{
    ASSERT(epoch > node->disk.epoch);
    if (node->role == LEADER)
        stop_leading(node);
    node->role = FOLLOWER;
    node->leader = node->count;
    node->disk.epoch = epoch;
    node->disk.voted_for = vote;
    node->votes = 0;
    register_disk_vote(&node->disk);
}

static void hear_epoch(struct node *node, uint64_t epoch)
{
    if (epoch > node->disk.epoch)
        enter_epoch(node, epoch, 0);
}

static void lead(struct node *node)
{
    struct register_disk *disk = &node->disk;
    node->role = LEADER;
    node->leader = node->me;
    node->first = disk->end;
    TRACE(node->seat->trace, LEADER_ON, .partition = REGISTER_PARTITION,
          .leader_epoch = (int64_t)disk->epoch, .end = disk->end);
    node->round = 0;
    if (node->mistake != MISTAKE_KEEPS_FOLLOWERS)
        memset(node->followers, 0, sizeof node->followers);
    for (uint32_t i = 0; i < node->count; i++) {
        node->followers[i].told = false;
        node->followers[i].caught_up_ns = node->followers[i].asked_ns = now(node);
    }
    register_disk_append(disk, (struct entry){disk->epoch, FIRST_OF_EPOCH | disk->epoch});
}

static void seek_election(struct node *node)
{
    enter_epoch(node, node->disk.epoch + 1, node->me + 1);
    node->role = CANDIDATE;
    node->votes = 1u << node->me;
    put_off_election(node);
}

static void ask_for_votes(struct node *node)
{
    struct message m = message_of(node, MESSAGE_VOTE);
    if (!register_disk_is_kept(&node->disk))
        return; /* not even for its own vote */
    if (majority(node) == 1)
        lead(node);
    for (uint32_t i = 0; i < node->count; i++)
        if ((node->votes >> i & 1) == 0)
            (void)talk_ask(&node->talk, i, &m);
}

/* ---- what is committed ---- */

static void move_watermark(struct node *node, uint64_t to)
{
    to = MIN(to, node->disk.end);
    if (to <= node->watermark)
        return;
    node->watermark = to;
    TRACE(node->seat->trace, HIGH_WATERMARK, .partition = REGISTER_PARTITION, .offset = to,
          .leader_epoch = (int64_t)node->disk.epoch);
}

/* The greatest that so many of them reach: a majority. */
static uint64_t reached_by_majority(const struct node *node,
                                    uint64_t (*of)(const struct node *node, uint32_t i))
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < node->count; i++) {
        uint64_t reached = 0;
        for (uint32_t k = 0; k < node->count; k++)
            reached += of(node, k) >= of(node, i);
        if (reached >= majority(node))
            best = MAX(best, of(node, i));
    }
    return best;
}

static uint64_t copied(const struct node *node, uint32_t i)
{
    bool unsynced = node->mistake == MISTAKE_COUNTS_UNSYNCED;
    if (i == node->me)
        return unsynced ? node->disk.end : node->disk.durable;
    return unsynced ? node->followers[i].end : node->followers[i].durable;
}

static uint64_t confirmed(const struct node *node, uint32_t i)
{
    return i == node->me ? node->round : node->followers[i].round;
}

static void lead_on(struct node *node)
{
    uint64_t end = reached_by_majority(node, copied);
    uint64_t round = reached_by_majority(node, confirmed);
    bool stale = node->mistake == MISTAKE_STALE_SERVES;
    if (end > node->first)
        move_watermark(node, end);
    for (int32_t i = 0; i < node->op_count;) {
        const struct waiting *op = &node->ops[i];
        bool settled = node->watermark > (op->is_read ? node->first : op->index);
        bool still = !op->is_read || stale || round >= op->round;
        if (settled && still)
            answer_op(node, i, ANSWER_YES);
        else
            i++;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        struct follower *f = &node->followers[i];
        bool more = f->end < node->disk.end || f->parked_watermark < node->watermark ||
                    f->round < node->round;
        if (more || now(node) - f->parked_ns >= PARK_NS)
            unpark(node, f);
    }
}

/* ---- questions ---- */

static bool may_vote_for(const struct node *node, const struct message *m)
{
    uint64_t last = register_disk_last_epoch(&node->disk);
    bool as_far = m->last_epoch > last || (m->last_epoch == last && m->end >= node->disk.end);
    bool free = node->disk.voted_for == 0 || node->disk.voted_for == m->from + 1;
    return m->epoch == node->disk.epoch && node->role == FOLLOWER && as_far && free;
}

/* Yes only once it is kept: the candidate asks again. */
static void on_vote(struct node *node, const struct asked *asked, const struct message *m)
{
    hear_epoch(node, m->epoch);
    if (may_vote_for(node, m) && node->disk.voted_for == 0) {
        node->disk.voted_for = m->from + 1;
        put_off_election(node);
        register_disk_vote(&node->disk);
    }
    bool yes = may_vote_for(node, m) && register_disk_is_kept(&node->disk) &&
               node->disk.voted_for == m->from + 1;
    struct message answer = message_of(node, MESSAGE_VOTE);
    answer.answer = yes ? ANSWER_YES : ANSWER_NO;
    talk_answer(&node->talk, asked, &answer);
}

static void fetch(struct node *node)
{
    struct message m = message_of(node, MESSAGE_FETCH);
    if (node->role != FOLLOWER || node->leader == node->count)
        return;
    m.vid = ++node->fetches;
    node->fetching = talk_ask(&node->talk, node->leader, &m);
    if (node->fetching)
        node->told_durable = m.durable;
}

static void follow(struct node *node, uint32_t leader)
{
    if (node->mistake == MISTAKE_CUTS_TO_WATERMARK && node->leader != leader)
        register_disk_cut(&node->disk, MIN(node->watermark, node->disk.end));
    node->role = FOLLOWER;
    node->leader = leader;
    node->round = 0;
    node->fetching = false;
    node->told_durable = 0;
}

static void on_leads(struct node *node, const struct asked *asked, const struct message *m)
{
    hear_epoch(node, m->epoch);
    if (m->epoch == node->disk.epoch && node->role != LEADER) {
        put_off_election(node);
        if (node->leader != m->from)
            follow(node, (uint32_t)m->from);
        if (!node->fetching)
            fetch(node);
    }
    struct message answer = message_of(node, MESSAGE_LEADS);
    talk_answer(&node->talk, asked, &answer);
}

static bool is_same_up_to(const struct node *node, const struct message *m)
{
    uint64_t last = m->end == 0 || m->end > node->disk.end ? 0 : node->disk.log[m->end - 1].epoch;
    return m->end <= node->disk.end && last == m->last_epoch;
}

static void on_fetch(struct node *node, const struct asked *asked, const struct message *m)
{
    struct follower *f = &node->followers[m->from];
    hear_epoch(node, m->epoch);
    unpark(node, f);
    struct message answer = message_of(node, MESSAGE_FETCH);
    answer.vid = m->vid;
    if (node->role != LEADER || m->epoch != node->disk.epoch) {
        talk_answer(&node->talk, asked, &answer);
        return;
    }
    f->told = true;
    if (!is_same_up_to(node, m)) {
        answer.answer = ANSWER_DIVERGED;
        answer.index = MIN(m->end - 1, node->disk.end);
        talk_answer(&node->talk, asked, &answer);
        return;
    }
    f->end = m->end;
    f->durable = MIN(m->durable, m->end);
    f->round = MAX(f->round, m->round);
    if (f->durable >= f->target)
        f->caught_up_ns = f->asked_ns;
    f->target = node->disk.end;
    f->asked_ns = now(node);
    f->parked = *asked;
    f->parked_ns = now(node);
    f->parked_watermark = m->watermark;
    f->parked_fetch = m->vid;
    lead_on(node);
}

static void on_op(struct node *node, const struct asked *asked, const struct message *m)
{
    struct waiting op = {.asked = *asked, .is_read = m->type == MESSAGE_READ};
    if (node->role != LEADER || node->op_count == OPS_MAX || node->disk.end == REGISTER_MAX) {
        struct message answer = message_of(node, (enum message_type)m->type);
        talk_answer(&node->talk, asked, &answer);
        return;
    }
    op.index = node->disk.end;
    op.round = op.is_read ? ++node->round : 0;
    node->ops[node->op_count++] = op;
    if (!op.is_read)
        register_disk_append(&node->disk, (struct entry){node->disk.epoch, m->vid});
    lead_on(node);
}

static void on_asked(struct talk *talk, struct asked *asked, const struct message *m)
{
    struct node *node = node_of(talk);
    if (m->type == MESSAGE_WRITE || m->type == MESSAGE_READ)
        on_op(node, asked, m);
    else if (m->from >= node->count || m->from == node->me)
        conn_close(asked->conn, ERR_CORRUPT);
    else if (m->type == MESSAGE_VOTE)
        on_vote(node, asked, m);
    else if (m->type == MESSAGE_LEADS)
        on_leads(node, asked, m);
    else if (m->type == MESSAGE_FETCH)
        on_fetch(node, asked, m);
    else
        conn_close(asked->conn, ERR_CORRUPT);
}

static void on_asked_lost(struct talk *talk, const struct asked *asked)
{
    struct node *node = node_of(talk);
    for (uint32_t i = 0; i < node->count; i++)
        if (node->followers[i].parked.request == asked->request)
            node->followers[i].parked = (struct asked){0};
    for (int32_t i = 0; i < node->op_count; i++)
        if (node->ops[i].asked.request == asked->request)
            node->ops[i--] = node->ops[--node->op_count];
}

/* ---- answers ---- */

static void take_entries(struct node *node, const struct message *m)
{
    if (m->answer == ANSWER_DIVERGED && m->index < node->disk.end)
        register_disk_cut(&node->disk, m->index);
    if (m->answer != ANSWER_YES || m->index > node->disk.end)
        return;
    for (uint64_t i = 0; i < m->count; i++)
        if (m->index + i == node->disk.end && node->disk.end < REGISTER_MAX)
            register_disk_append(&node->disk, m->entries[i]);
    node->round = MAX(node->round, m->round);
    move_watermark(node, m->watermark);
}

static void on_fetched(struct node *node, uint32_t peer, const struct message *m)
{
    bool is_last = m->vid == node->fetches;
    if (m->epoch != node->disk.epoch || node->role != FOLLOWER || node->leader != peer)
        return;
    put_off_election(node);
    take_entries(node, m);
    if (is_last && m->answer == ANSWER_NO)
        node->fetching = false; /* until it says that it leads */
    else if (is_last)
        fetch(node);
}

static void on_answered(struct talk *talk, uint32_t peer, const struct message *m)
{
    struct node *node = node_of(talk);
    uint64_t epoch = node->disk.epoch;
    hear_epoch(node, m->epoch);
    if (m->type == MESSAGE_FETCH)
        on_fetched(node, peer, m);
    bool elects = m->type == MESSAGE_VOTE && m->answer == ANSWER_YES && m->epoch == epoch;
    if (!elects || node->role != CANDIDATE)
        return;
    node->votes |= 1u << peer;
    if ((uint64_t)__builtin_popcount(node->votes) >= majority(node))
        lead(node);
}

static void on_lost(struct talk *talk, uint32_t peer)
{
    struct node *node = node_of(talk);
    node->fetching = node->fetching && peer != node->leader;
}

/* ---- its own disk and time ---- */

/* A durable end that its leader does not know is told at once, whatever is parked there. */
static void on_moved(struct register_disk *disk)
{
    struct node *node = CONTAINER_OF(disk, struct node, disk);
    if (node->role == LEADER)
        lead_on(node);
    else if (node->role == CANDIDATE)
        ask_for_votes(node);
    else if (disk->durable > node->told_durable)
        fetch(node);
}

/* A leader without a majority that keeps up, durably, is none. */
static bool is_alone(const struct node *node)
{
    uint64_t in_sync = 0;
    for (uint32_t i = 0; i < node->count; i++)
        in_sync += i == node->me || now(node) - node->followers[i].caught_up_ns < LAG_NS_MAX;
    return in_sync < majority(node);
}

static void on_tick_of_leader(struct node *node)
{
    struct message m = message_of(node, MESSAGE_LEADS);
    for (uint32_t i = 0; i < node->count; i++) {
        bool silent = now(node) - node->followers[i].asked_ns > 2 * PARK_NS;
        if (i != node->me && (!node->followers[i].told || silent))
            (void)talk_ask(&node->talk, i, &m);
    }
    lead_on(node);
    if (!is_alone(node))
        return;
    stop_leading(node);
    node->leader = node->count;
    put_off_election(node);
}

static void on_tick(struct env_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, tick);
    env_arm(node->seat->env, timer, now(node) + TICK_NS);
    if (node->role == LEADER)
        on_tick_of_leader(node);
    else if (now(node) >= node->election_ns)
        seek_election(node);
    if (node->role == CANDIDATE)
        ask_for_votes(node);
}

static void on_opened(struct register_disk *disk)
{
    struct node *node = CONTAINER_OF(disk, struct node, disk);
    put_off_election(node);
    node->tick.fire = on_tick;
    env_arm(node->seat->env, &node->tick, now(node) + TICK_NS);
    talk_listen(&node->talk);
    if (node->mistake == MISTAKE_RESURRECTS && disk->voted_for == node->me + 1)
        lead(node);
}

static enum err start_register(struct world_seat *seat)
{
    unsigned me, count, mistake;
    char hosts[TALK_PEERS_MAX][WORLD_NAME_MAX];
    struct node *node = mem_zalloc(seat->mem, sizeof *node);
    if (node == NULL)
        return ERR_NOMEM;
    if (sscanf((const char *)seat->args.data, "%u %u %u", &me, &count, &mistake) != 3 ||
        count > TALK_PEERS_MAX || me >= count)
        return ERR_INVALID;
    node->seat = seat;
    node->me = me;
    node->count = node->leader = count;
    node->mistake = (enum mistake)mistake;
    for (uint32_t i = 0; i < count; i++)
        snprintf(hosts[i], sizeof hosts[i], "register%u", i);
    node->talk = (struct talk){.patience_ns = PATIENCE_NS,
                               .asked = on_asked,
                               .asked_lost = on_asked_lost,
                               .answered = on_answered,
                               .lost = on_lost};
    talk_init(&node->talk, seat, count, hosts);
    node->disk.opened = on_opened;
    node->disk.moved = on_moved;
    node->disk.forgets_votes = node->mistake == MISTAKE_VOTES_TWICE;
    seat->self = node;
    register_disk_open(&node->disk, seat);
    return ERR_NONE;
}

const struct world_program register_program = {.kind = "register", .start = start_register};
