/* stream.c - the two ends of a connection: what is on the wire, what has arrived, what the window
 * admits, and how it all ends. */
#include "net/inside.h"

#define LOCAL_NS_MAX 30000                 /* what a machine takes to tell its own process */
#define GIVE_UP_NS_MIN (15ll * 1000000000) /* unacknowledged for so long, a sender gives up */
#define GIVE_UP_NS_MAX (60ll * 1000000000)
#define PIECES_MAX 3
#define CHUNKS_PER_SECOND 10 /* of a link with a limit: how coarse its bytes come */

enum use {
    USE_SEND = 0x7374726d,
};

struct net_end *net_peer(struct net_end *end)
{
    struct net_stream *stream = end->stream;
    return end == &stream->end[0] ? &stream->end[1] : &stream->end[0];
}

uint64_t net_end_draw(struct net_end *end, enum end_event event)
{
    return hash_combine(end->identity + (uint64_t)event, end->draw_count++);
}

void net_end_soon(struct net *net, struct net_end *end, enum end_event event)
{
    uint64_t bits = net_end_draw(end, event);
    int64_t wait_ns = 1000 + (int64_t)random_below(bits, LOCAL_NS_MAX - 1000);
    net_schedule(net, &end->events[event], net->now_ns + wait_ns, hash_mix(bits));
}

void net_end_travel(struct net *net, struct net_end *end, enum end_event event, uint32_t from,
                    uint32_t to)
{
    uint64_t bits = net_end_draw(end, event);
    int64_t delay_ns = net_link_delay(net, from, to, bits);
    net_schedule(net, &end->events[event], net->now_ns + delay_ns, hash_mix(bits));
}

struct net_op *net_end_complete(struct net_op **op, enum err e, uint64_t n)
{
    struct net_op *done = *op;
    ASSERT(done != NULL);
    *op = NULL;
    done->err = e;
    done->n = n;
    return done;
}

/* Mostly roomy; sometimes so small that a larger answer has to wait for its reader. */
static uint64_t draw_window(uint64_t bits)
{
    static const uint32_t weights[] = {2, 4, 8, 2};
    return 32768ull << 2 * random_weighted(bits, weights, COUNT_OF(weights));
}

void net_end_init(struct net *net, struct net_stream *stream, int index, uint32_t node,
                  uint64_t identity)
{
    struct net_end *end = &stream->end[index];
    *end = (struct net_end){.stream = stream, .node = node, .state = END_IS_GONE};
    end->identity = hash_combine(identity, (uint64_t)index);
    end->window = draw_window(hash_mix(end->identity));
    if (net->options.split == NET_SPLIT_NONE)
        end->window = 1 << 20;
    list_init(&end->of_node);
    list_init(&end->waiting);
    list_init(&end->arrived);
    list_init(&end->wire);
    for (int i = 0; i < END_EVENT_COUNT; i++)
        net_event_init(&end->events[i], i, false);
}

/* ---- segments ---- */

static struct segment *new_segment(struct net *net, struct buf *buf, uint32_t offset, uint32_t size)
{
    struct list *spare = list_pop_front(&net->spare);
    struct segment *segment = spare != NULL ? CONTAINER_OF(spare, struct segment, link)
                                            : mem_alloc(net->mem, sizeof *segment);
    if (segment == NULL)
        return NULL;
    *segment = (struct segment){.buf = buf, .offset = offset, .size = size};
    list_init(&segment->link);
    if (buf != NULL)
        buf_retain(buf);
    return segment;
}

static void drop_segment(struct net *net, struct segment *segment)
{
    list_remove(&segment->link);
    buf_release(segment->buf);
    list_push_front(&net->spare, &segment->link);
}

static void drop_all(struct net *net, struct list *segments)
{
    LIST_EACH (segment, segments, struct segment, link)
        drop_segment(net, segment);
}

static void drop_wire(struct net *net, struct net_end *end)
{
    drop_all(net, &end->wire);
    net_unschedule(net, &end->events[END_ARRIVE]);
}

static void drop_pending(struct net_end *end)
{
    buf_release(end->pending);
    end->pending = NULL;
}

/* Puts it on the wire; the first one there starts the clock. */
static void put_on_wire(struct net *net, struct net_end *end, struct segment *segment,
                        uint64_t bits)
{
    struct net_end *peer = net_peer(end);
    int64_t at_ns = net->now_ns + net_link_delay(net, end->node, peer->node, bits);
    end->wire_at_ns = MAX(end->wire_at_ns, at_ns);
    segment->at_ns = end->wire_at_ns;
    bool first = list_empty(&end->wire);
    list_push_back(&end->wire, &segment->link);
    if (first)
        net_schedule(net, &end->events[END_ARRIVE], segment->at_ns, hash_mix(bits));
}

/* Where the pieces of a send that the window admits end; the last is the whole. */
static int draw_pieces(const struct net *net, uint64_t bits, uint32_t size,
                       uint32_t ends[PIECES_MAX])
{
    uint64_t kind = bits % 16;
    bits = hash_mix(bits);
    int count = 0;
    if (net->options.split == NET_SPLIT_RANDOM && size > 1 && kind < 5) {
        uint32_t among = kind < 2 ? MIN(size - 1, 8) : size - 1; /* inside a length, if there is */
        ends[count++] = 1 + (uint32_t)random_below(bits, among);
        uint32_t rest = size - ends[0];
        if (kind == 0 && rest > 1)
            ends[count++] = ends[0] + 1 + (uint32_t)random_below(hash_mix(bits), rest - 1);
    }
    ends[count++] = size;
    return count;
}

/* As much of the pending send as the window admits goes on the wire. False: no memory. */
static bool admit(struct net *net, struct net_end *end)
{
    uint64_t room = end->window - MIN(end->in_use, end->window);
    uint32_t size = (uint32_t)MIN(room, end->pending_size - end->pending_at);
    if (size == 0)
        return true;
    uint64_t key = hash_combine(end->send_key, end->pending_at);
    uint64_t bits = fault_draw_at(net->options.dice, end->node, USE_SEND, key, net->now_ns);
    uint32_t ends[PIECES_MAX];
    int count = draw_pieces(net, bits, size, ends);
    uint32_t at = 0;
    for (int i = 0; i < count; i++) {
        struct segment *segment =
            new_segment(net, end->pending, end->pending_at + at, ends[i] - at);
        if (segment == NULL)
            return false;
        segment->key = end->send_key;
        segment->event = end->send_event;
        bits = hash_mix(bits + 1);
        put_on_wire(net, end, segment, bits);
        at = ends[i];
    }
    end->in_use += size;
    end->pending_at += size;
    if (end->pending_at == end->pending_size) {
        drop_pending(end);
        net_end_soon(net, end, END_SENT);
    }
    return true;
}

/* Nothing more can pass between the ends: both are told. */
static void break_both(struct net *net, struct net_end *end)
{
    struct net_end *peer = net_peer(end);
    end->ended_by = peer->ended_by = net->event;
    net_end_reset(net, end);
    if (peer->state != END_IS_GONE)
        net_end_travel(net, peer, END_RST, end->node, peer->node);
}

/* The wire is stuck: should it stay so, the sender gives up. */
static void stuck(struct net *net, struct net_end *end)
{
    struct net_event *give_up = &end->events[END_GIVE_UP];
    if (give_up->node.queued || end->state == END_IS_GONE)
        return;
    uint64_t bits = net_end_draw(end, END_GIVE_UP);
    int64_t wait_ns = random_between(bits, GIVE_UP_NS_MIN, GIVE_UP_NS_MAX);
    net_schedule(net, give_up, net->now_ns + wait_ns, hash_mix(bits));
}

/* Nobody will ever make room in the window again, or none that it hears of: as TCP when its probes
 * of a full window stay unanswered, it gives up. */
void net_end_unheard(struct net *net, struct net_end *end)
{
    if (end->state == END_IS_OPEN && end->pending != NULL)
        stuck(net, end);
}

void net_end_heard(struct net *net, struct net_end *end)
{
    if (!end->unheard_acks)
        return;
    end->unheard_acks = false;
    if (list_empty(&end->wire)) /* else what stands there decides */
        net_unschedule(net, &end->events[END_GIVE_UP]);
}

/* What it sent has arrived; whether it ever knows is the other direction's affair: a sender whose
 * acknowledgements are cut off gives up as one whose bytes are (RFC 9293 3.8.3). */
static void acknowledge(struct net *net, struct net_end *end)
{
    if (net_blocked(net, net_peer(end)->node, end->node)) {
        end->unheard_acks = true;
        stuck(net, end);
        return;
    }
    end->unheard_acks = false;
    net_unschedule(net, &end->events[END_GIVE_UP]);
}

/* ---- a node's calls ---- */

static struct net_end *open_end(struct net *net, uint32_t node, uint64_t stream)
{
    ASSERT(stream >> 48 == 0);
    struct net_end *end = net_named(net, node, stream);
    ASSERT(end != NULL);
    ASSERT(end->state == END_IS_OPEN);
    return end;
}

void net_send(struct net *net, uint32_t node, uint64_t stream, struct buf *buf, uint32_t size,
              uint64_t key, struct net_op *op)
{
    struct net_end *end = open_end(net, node, stream);
    ASSERT(end->sending == NULL);
    ASSERT(size > 0);
    *op = (struct net_op){.end = end, .size = size};
    end->sending = op;
    end->pending = buf;
    end->pending_at = 0;
    end->pending_size = size;
    end->send_key = key;
    end->send_event = net->event;
    if (end->broken || end->timed_out) {
        drop_pending(end);
        net_end_soon(net, end, END_SENT);
    } else if (!admit(net, end)) {
        break_both(net, end);
    } else if (end->stream->lost) {
        net_end_unheard(net, end);
    }
}

void net_send_fails(struct net *net, uint32_t node, uint64_t stream, enum err e, struct net_op *op)
{
    struct net_end *end = open_end(net, node, stream);
    ASSERT(end->sending == NULL);
    ASSERT(e != ERR_NONE);
    *op = (struct net_op){.end = end, .err = e};
    end->sending = op;
    break_both(net, end);
    net_end_soon(net, end, END_SENT);
}

void net_receive(struct net *net, uint32_t node, uint64_t stream, uint64_t size, struct net_op *op)
{
    struct net_end *end = open_end(net, node, stream);
    ASSERT(end->receiving == NULL);
    ASSERT(!end->untaken);
    ASSERT(size > 0);
    *op = (struct net_op){.end = end, .size = size};
    end->receiving = op;
    if (end->unread > 0 || end->broken || end->timed_out || end->at_end)
        net_end_soon(net, end, END_READY);
}

const uint8_t *net_peek(struct net *net, const struct net_op *op, struct buf **held)
{
    const struct segment *first = LIST_FIRST(&op->end->arrived, struct segment, link);
    (void)net;
    ASSERT(op->end->untaken);
    if (first->size < op->n)
        return NULL;
    buf_retain(first->buf);
    *held = first->buf;
    return first->buf->data + first->offset;
}

uint64_t net_take(struct net *net, struct net_op *op, uint8_t *buffer)
{
    struct net_end *end = op->end;
    uint64_t digest = 0;
    ASSERT(op->err == ERR_NONE);
    ASSERT(end->untaken);
    ASSERT(end->unread >= op->n);
    end->untaken = false;
    end->unread -= op->n;
    net->bytes_delivered += op->n;
    for (uint64_t left = op->n; left > 0;) {
        struct segment *segment = LIST_FIRST(&end->arrived, struct segment, link);
        uint32_t size = (uint32_t)MIN(left, segment->size);
        if (buffer != NULL)
            memcpy(buffer + (op->n - left), segment->buf->data + segment->offset, size);
        if (op->cause.first == 0)
            op->cause.first = segment->event;
        op->cause.last = segment->event;
        uint64_t where = (uint64_t)segment->offset << 32 | size;
        digest = hash_combine(hash_combine(digest, segment->key), where);
        left -= size;
        segment->offset += size;
        segment->size -= size;
        if (segment->size == 0)
            drop_segment(net, segment);
    }
    struct net_end *peer = net_peer(end);
    ASSERT(peer->in_use >= op->n);
    peer->in_use -= op->n;
    bool waits = peer->state == END_IS_OPEN && peer->pending != NULL;
    if (waits && !peer->events[END_ACK].node.queued && !list_linked(&peer->events[END_ACK].held))
        net_end_travel(net, peer, END_ACK, end->node, peer->node);
    return digest;
}

void net_close(struct net *net, uint32_t node, uint64_t handle, struct net_op *op)
{
    *op = (struct net_op){0};
    void *what = net_named(net, node, handle);
    ASSERT(what != NULL);
    if (handle >> 48 != 0) {
        net_listener_close(net, what, op);
        return;
    }
    struct net_end *end = what;
    ASSERT(end->state == END_IS_OPEN);
    ASSERT(!end->untaken);
    end->state = END_IS_CLOSING;
    end->closing = op;
    drop_pending(end);
    net_unschedule(net, &end->events[END_SENT]);
    net_unschedule(net, &end->events[END_READY]);
    net_unschedule(net, &end->events[END_ACK]);
    net_end_soon(net, end, END_CLOSE);
}

void net_break(struct net *net, uint32_t node, uint64_t stream)
{
    break_both(net, open_end(net, node, stream));
}

uint32_t net_peer_node(struct net *net, uint32_t node, uint64_t stream)
{
    return net_peer(open_end(net, node, stream))->node;
}

void net_drop(struct net *net, uint32_t node, uint64_t stream)
{
    struct net_end *end = open_end(net, node, stream);
    struct net_end *peer = net_peer(end);
    peer->ended_by = net->event;
    if (peer->state != END_IS_GONE)
        net_end_travel(net, peer, END_RST, end->node, peer->node);
    net_end_leave(net, end, LEAVE_SILENT);
}

/* ---- ends ---- */

static void free_stream(struct net *net, struct net_stream *stream)
{
    for (int i = 0; i < 2; i++) {
        struct net_end *end = &stream->end[i];
        ASSERT(end->state == END_IS_GONE);
        ASSERT(!list_linked(&end->of_node));
        for (int event = 0; event < END_EVENT_COUNT; event++)
            net_unschedule(net, &end->events[event]);
        drop_all(net, &end->arrived);
        drop_all(net, &end->wire);
        drop_pending(end);
    }
    mem_free(net->mem, stream);
}

/* Of what is on the wire when the power goes, some has left the machine. */
static void lose_tail(struct net *net, struct net_end *end)
{
    uint64_t bits = net_end_draw(end, END_RST);
    bool lost = false;
    LIST_EACH (segment, &end->wire, struct segment, link) {
        bits = hash_mix(bits);
        lost = lost || random_chance(bits, 1, 2);
        if (lost)
            drop_segment(net, segment);
    }
    if (list_empty(&end->wire))
        net_unschedule(net, &end->events[END_ARRIVE]);
}

/* The orderly end behind everything sent. A machine whose process died with bytes unread resets
 * (RFC 2525 2.17). */
static void say_goodbye(struct net *net, struct net_end *end, enum leave leave)
{
    struct net_end *peer = net_peer(end);
    if (peer->state == END_IS_GONE || end->broken || end->timed_out)
        return;
    bool unread = end->unread > 0 && leave == LEAVE_KILLED;
    struct segment *segment = unread ? NULL : new_segment(net, NULL, 0, 0);
    if (segment != NULL) {
        segment->event = net->event;
        put_on_wire(net, end, segment, net_end_draw(end, END_CLOSE));
        return;
    }
    peer->ended_by = net->event;
    uint64_t bits = net_end_draw(end, END_RST);
    int64_t at_ns = net->now_ns + net_link_delay(net, end->node, peer->node, bits);
    net_schedule(net, &peer->events[END_RST], MAX(at_ns, end->wire_at_ns), hash_mix(bits));
}

void net_end_leave(struct net *net, struct net_end *end, enum leave leave)
{
    struct net_end *peer = net_peer(end);
    ASSERT(end->state != END_IS_GONE);
    ASSERT(end->sending == NULL);
    ASSERT(end->receiving == NULL);
    if (leave == LEAVE_SILENT) {
        lose_tail(net, end);
        net_end_unheard(net, peer);
    } else {
        say_goodbye(net, end, leave);
    }
    for (int event = 0; event < END_EVENT_COUNT; event++)
        if (event != END_ARRIVE)
            net_unschedule(net, &end->events[event]);
    if (end->handle != 0)
        net_unname(net, end->node, end->handle);
    list_remove(&end->of_node);
    list_remove(&end->waiting);
    drop_all(net, &end->arrived);
    drop_pending(end);
    end->state = END_IS_GONE;
    if (peer->state == END_IS_GONE)
        free_stream(net, end->stream);
}

/* The bytes of a receive that has completed but was not taken stay. */
static void lose_unread(struct net *net, struct net_end *end)
{
    if (end->untaken || random_chance(net_end_draw(end, END_RST), 1, 2))
        return;
    drop_all(net, &end->arrived);
    end->unread = 0;
}

/* What it had under way fails. */
static void fail_operations(struct net *net, struct net_end *end)
{
    drop_wire(net, end);
    drop_pending(end);
    net_unschedule(net, &end->events[END_ACK]);
    net_unschedule(net, &end->events[END_GIVE_UP]);
    if (end->state != END_IS_OPEN)
        return;
    if (end->sending != NULL)
        net_end_soon(net, end, END_SENT);
    if (end->receiving != NULL)
        net_end_soon(net, end, END_READY);
}

void net_end_reset(struct net *net, struct net_end *end)
{
    if (end->state == END_IS_GONE || end->broken)
        return;
    end->broken = true;
    lose_unread(net, end);
    fail_operations(net, end);
}

/* ---- events ---- */

static struct net_op *complete_receive(struct net *net, struct net_end *end)
{
    uint64_t n = MIN(end->unread, end->receiving->size);
    net_unschedule(net, &end->events[END_READY]);
    if (n == 0) {
        enum err e = end->broken      ? ERR_RESET
                     : end->timed_out ? ERR_TIMEOUT
                     : end->at_end    ? ERR_EOF
                                      : ERR_NONE;
        end->receiving->cause = (struct net_cause){end->ended_by, end->ended_by};
        return e == ERR_NONE ? NULL : net_end_complete(&end->receiving, e, 0);
    }
    uint64_t bits = net_end_draw(end, END_READY);
    if (net->options.split == NET_SPLIT_BYTES)
        n = 1;
    else if (net->options.split == NET_SPLIT_RANDOM && bits % 8 == 0)
        n = 1 + random_below(hash_mix(bits), n);
    end->untaken = true;
    return net_end_complete(&end->receiving, ERR_NONE, n);
}

/* Of a segment, what a link with a limit carries at once; the rest stays on the wire. */
static struct segment *carried(struct net *net, struct net_end *end, struct net_link *link)
{
    struct segment *head = LIST_FIRST(&end->wire, struct segment, link);
    uint32_t chunk = head->size;
    if (link->bytes_per_s > 0) {
        chunk = (uint32_t)MIN(chunk, MAX(link->bytes_per_s / CHUNKS_PER_SECOND, 1));
        link->free_at_ns = net->now_ns + chunk * 1000000000ll / link->bytes_per_s;
    }
    if (chunk == head->size) {
        list_remove(&head->link);
        return head;
    }
    struct segment *part = new_segment(net, head->buf, head->offset, chunk);
    if (part == NULL) {
        list_remove(&head->link);
        return head;
    }
    part->key = head->key;
    part->event = head->event;
    head->offset += chunk;
    head->size -= chunk;
    return part;
}

/* Nobody is there to take what arrives. */
static void turned_away(struct net *net, struct net_end *end)
{
    struct net_end *peer = net_peer(end);
    end->ended_by = LIST_FIRST(&end->wire, struct segment, link)->event;
    drop_wire(net, end);
    if (end->state != END_IS_GONE)
        net_end_travel(net, end, END_RST, peer->node, end->node);
}

static struct net_op *on_arrive(struct net *net, struct net_end *end)
{
    struct net_end *peer = net_peer(end);
    struct net_link *link = net_link_of(net, end->node, peer->node);
    struct net_event *event = &end->events[END_ARRIVE];
    bool blocked = net_blocked(net, end->node, peer->node);
    if (blocked || end->stream->lost) {
        stuck(net, end);
        if (!end->stream->lost)
            net_hold(net, event, link);
        return NULL;
    }
    if (peer->state == END_IS_GONE || peer->broken || peer->timed_out) {
        turned_away(net, end);
        return NULL;
    }
    if (link->bytes_per_s > 0 && link->free_at_ns > net->now_ns) {
        net_schedule(net, event, link->free_at_ns, net_end_draw(end, END_ARRIVE));
        return NULL;
    }
    acknowledge(net, end);
    struct segment *segment = carried(net, end, link);
    peer->at_end = peer->at_end || segment->buf == NULL;
    peer->unread += segment->size;
    if (segment->buf == NULL) {
        peer->ended_by = segment->event;
        drop_segment(net, segment);
    } else {
        list_push_back(&peer->arrived, &segment->link);
    }
    struct segment *next = LIST_FIRST(&end->wire, struct segment, link);
    if (next != NULL)
        net_schedule(net, event, next->at_ns, net_end_draw(end, END_ARRIVE));
    bool wanted = peer->state == END_IS_OPEN && peer->receiving != NULL;
    return wanted ? complete_receive(net, peer) : NULL;
}

static void on_ack(struct net *net, struct net_end *end)
{
    struct net_end *peer = net_peer(end);
    bool blocked = net_blocked(net, peer->node, end->node);
    if (blocked || end->stream->lost) {
        net_end_unheard(net, end);
        if (!end->stream->lost)
            net_hold(net, &end->events[END_ACK], net_link_of(net, peer->node, end->node));
        return;
    }
    if (list_empty(&end->wire)) /* else what stands there decides */
        net_unschedule(net, &end->events[END_GIVE_UP]);
    if (end->pending != NULL && !admit(net, end))
        break_both(net, end);
}

static void on_reset(struct net *net, struct net_end *end)
{
    struct net_end *peer = net_peer(end);
    if (!end->stream->lost && !net_blocked(net, peer->node, end->node))
        net_end_reset(net, end);
}

static struct net_op *on_sent(struct net_end *end)
{
    enum err e = end->sending->err;
    if (end->broken || end->timed_out)
        return net_end_complete(&end->sending, e != ERR_NONE ? e : ERR_RESET, 0);
    return net_end_complete(&end->sending, ERR_NONE, end->sending->size);
}

/* Cancels the operations in flight one by one, in either order, then ends. */
static struct net_op *on_close(struct net *net, struct net_end *end)
{
    bool sending_first = net_end_draw(end, END_CLOSE) % 2 == 0;
    struct net_op **cancelled[] = {&end->sending, &end->receiving};
    for (int i = 0; i < 2; i++) {
        struct net_op **op = cancelled[sending_first ? i : 1 - i];
        if (*op == NULL)
            continue;
        net_end_soon(net, end, END_CLOSE);
        return net_end_complete(op, ERR_CANCELLED, 0);
    }
    struct net_op *done = net_end_complete(&end->closing, ERR_NONE, 0);
    net_end_leave(net, end, LEAVE_CLOSED);
    return done;
}

static struct net_op *on_give_up(struct net *net, struct net_end *end)
{
    if (end->state == END_IS_DIALLING)
        return net_dial_give_up(net, end);
    end->timed_out = true;
    fail_operations(net, end);
    return NULL;
}

struct net_op *net_end_step(struct net *net, struct net_end *end, enum end_event event)
{
    switch (event) {
    case END_ARRIVE:
        return on_arrive(net, end);
    case END_ACK:
        on_ack(net, end);
        return NULL;
    case END_RST:
        on_reset(net, end);
        return NULL;
    case END_SENT:
        return on_sent(end);
    case END_READY:
        return complete_receive(net, end);
    case END_CLOSE:
        return on_close(net, end);
    case END_GIVE_UP:
        return on_give_up(net, end);
    case END_DIAL:
        return net_dial_step(net, end);
    case END_EVENT_COUNT:
        break;
    }
    UNREACHABLE();
}
