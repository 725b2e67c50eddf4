/* net.c - the net's queue of moments, its links and its names. */
#include "net/inside.h"

#define LOOPBACK_MEAN_NS 10000
#define DELAY_MEAN_DEFAULT_NS 300000
/* A sender tries again after twice as long each time (RFC 6298): what was held comes as long after
 * the heal as it was held at most, but for the bounds of the first and the last pause. */
#define RETRANSMIT_NS_MIN 200000000ll
#define RETRANSMIT_NS_MAX (120ll * 1000000000)

enum use {
    USE_LINK = 0x6e657400,
    USE_RETRANSMIT,
};

/* ---- the queue ---- */

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    const struct net_event *x = CONTAINER_OF(a, struct net_event, node);
    const struct net_event *y = CONTAINER_OF(b, struct net_event, node);
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns;
    if (x->priority != y->priority)
        return x->priority < y->priority;
    return x->sequence < y->sequence;
}

void net_event_init(struct net_event *event, int kind, bool of_listener)
{
    *event = (struct net_event){.kind = (uint8_t)kind, .of_listener = of_listener};
    list_init(&event->held);
}

/* Giving up is no activity. */
static int64_t weight(const struct net_event *event)
{
    return event->of_listener || event->kind != END_GIVE_UP;
}

void net_unschedule(struct net *net, struct net_event *event)
{
    bool queued = event->node.queued;
    bool held = list_linked(&event->held);
    ASSERT(!queued || !held);
    if (queued)
        heap_remove(&net->events, &event->node);
    list_remove(&event->held);
    net->busy_count -= queued || held ? weight(event) : 0;
}

void net_schedule(struct net *net, struct net_event *event, int64_t at_ns, uint64_t priority)
{
    net_unschedule(net, event);
    event->at_ns = MAX(at_ns, net->now_ns);
    event->priority = priority;
    event->sequence = net->sequence++;
    net->busy_count += weight(event);
    heap_insert(&net->events, &event->node);
}

void net_hold(struct net *net, struct net_event *event, struct net_link *link)
{
    net_unschedule(net, event);
    net->busy_count += weight(event);
    list_push_back(&link->held, &event->held);
}

bool net_next(const struct net *net, struct net_moment *moment)
{
    struct heap_node *node = heap_min(&net->events);
    if (node == NULL)
        return false;
    const struct net_event *event = CONTAINER_OF(node, struct net_event, node);
    *moment = (struct net_moment){.at_ns = event->at_ns, .priority = event->priority};
    return true;
}

void net_step(struct net *net, struct net_op **done)
{
    struct heap_node *node = heap_pop(&net->events);
    ASSERT(node != NULL);
    struct net_event *event = CONTAINER_OF(node, struct net_event, node);
    net->busy_count -= weight(event);
    ASSERT(event->at_ns >= net->now_ns);
    net->now_ns = event->at_ns;
    struct net_event *first = event - event->kind;
    if (event->of_listener)
        *done = net_listener_step(net, CONTAINER_OF(first, struct net_listener, events[0]),
                                  (enum listener_event)event->kind);
    else
        *done = net_end_step(net, CONTAINER_OF(first, struct net_end, events[0]),
                             (enum end_event)event->kind);
}

void net_set_now(struct net *net, int64_t now_ns, uint64_t event)
{
    ASSERT(now_ns >= net->now_ns);
    ASSERT(event >= net->event);
    net->now_ns = now_ns;
    net->event = event;
}

bool net_busy(const struct net *net)
{
    return net->busy_count > 0;
}

/* ---- links ---- */

struct net_link *net_link_of(struct net *net, uint32_t from, uint32_t to)
{
    ASSERT(from < net->node_count);
    ASSERT(to < net->node_count);
    return &net->nodes[from].links[to];
}

bool net_blocked(struct net *net, uint32_t from, uint32_t to)
{
    return net_link_of(net, from, to)->cut || net->nodes[to].off;
}

int64_t net_link_delay(struct net *net, uint32_t from, uint32_t to, uint64_t bits)
{
    const struct net_link *link = net_link_of(net, from, to);
    return link->min_ns + link->extra_ns + random_exponential(bits, link->mean_ns);
}

static void link_init(struct net *net, uint32_t from, uint32_t to)
{
    struct net_link *link = &net->nodes[from].links[to];
    uint64_t bits =
        hash_combine(hash_combine(net->options.seed, USE_LINK), (uint64_t)from << 32 | to);
    int64_t mean_ns = from == to ? LOOPBACK_MEAN_NS : net->options.delay_mean_ns;
    mean_ns = random_between(bits, mean_ns / 2, mean_ns * 2);
    *link = (struct net_link){.min_ns = mean_ns / 4, .mean_ns = mean_ns - mean_ns / 4};
    list_init(&link->held);
}

/* What the link held moves on, some time within a retransmission. */
static void release(struct net *net, uint32_t from, uint32_t to)
{
    struct net_link *link = net_link_of(net, from, to);
    if (net_blocked(net, from, to))
        return;
    struct list released;
    list_init(&released);
    list_splice_back(&released, &link->held);
    LIST_EACH (event, &released, struct net_event, held) {
        uint64_t bits = fault_draw(net->options.dice, from, USE_RETRANSMIT, to);
        int64_t held_ns = net->now_ns - event->at_ns;
        int64_t most_ns = MIN(MAX(held_ns, RETRANSMIT_NS_MIN), RETRANSMIT_NS_MAX);
        int64_t wait_ns = (int64_t)random_below(bits, (uint64_t)most_ns);
        net_schedule(net, event, net->now_ns + wait_ns, hash_mix(bits));
    }
}

/* Whoever sends the other way is told again of what has arrived. */
static void hear_again(struct net *net, uint32_t from, uint32_t to)
{
    if (net_blocked(net, from, to))
        return;
    LIST_EACH (end, &net->nodes[to].ends, struct net_end, of_node) {
        if (net_peer(end)->node == from)
            net_end_heard(net, end);
    }
}

void net_cut(struct net *net, uint32_t from, uint32_t to, bool cut)
{
    net_link_of(net, from, to)->cut = cut;
    release(net, from, to);
    hear_again(net, from, to);
}

void net_set_delay(struct net *net, uint32_t from, uint32_t to, int64_t delay_ns)
{
    ASSERT(delay_ns >= 0);
    net_link_of(net, from, to)->extra_ns = delay_ns;
}

void net_set_bandwidth(struct net *net, uint32_t from, uint32_t to, int64_t bytes_per_s)
{
    ASSERT(bytes_per_s >= 0);
    net_link_of(net, from, to)->bytes_per_s = bytes_per_s;
}

/* ---- names ---- */

static bool grow_slots(struct net *net, struct net_node *node)
{
    int32_t cap = node->slot_cap == 0 ? 16 : node->slot_cap * 2;
    if (cap > UINT16_MAX)
        return false;
    struct net_slot *slots = mem_realloc(net->mem, node->slots, (size_t)cap * sizeof *slots);
    if (slots == NULL)
        return false;
    for (int32_t i = node->slot_cap; i < cap; i++)
        slots[i] = (struct net_slot){.next_free = i + 1 < cap ? i + 1 : -1};
    node->slot_free = node->slot_cap;
    node->slots = slots;
    node->slot_cap = cap;
    return true;
}

uint64_t net_name(struct net *net, uint32_t index, uint16_t port, void *what)
{
    struct net_node *node = &net->nodes[index];
    if (port == 0 && node->stream_count == NET_STREAMS_MAX)
        return 0;
    if (node->slot_free < 0 && !grow_slots(net, node))
        return 0;
    int32_t at = node->slot_free;
    struct net_slot *slot = &node->slots[at];
    node->slot_free = slot->next_free;
    node->serial++;
    node->stream_count += port == 0;
    net->stream_count += port == 0;
    slot->handle = (uint64_t)port << 48 | (uint64_t)node->serial << 16 | (uint64_t)at;
    slot->what = what;
    return slot->handle;
}

static struct net_slot *slot_of(const struct net *net, uint32_t index, uint64_t handle)
{
    const struct net_node *node = &net->nodes[index];
    int32_t at = (int32_t)(handle & UINT16_MAX);
    if (handle == 0 || at >= node->slot_cap || node->slots[at].handle != handle)
        return NULL;
    return &node->slots[at];
}

void *net_named(const struct net *net, uint32_t index, uint64_t handle)
{
    struct net_slot *slot = slot_of(net, index, handle);
    return slot == NULL ? NULL : slot->what;
}

void net_unname(struct net *net, uint32_t index, uint64_t handle)
{
    struct net_node *node = &net->nodes[index];
    struct net_slot *slot = slot_of(net, index, handle);
    ASSERT(slot != NULL);
    bool is_stream = handle >> 48 == 0;
    node->stream_count -= is_stream;
    net->stream_count -= is_stream;
    *slot = (struct net_slot){.next_free = node->slot_free};
    node->slot_free = (int32_t)(slot - node->slots);
}

bool net_is_open(const struct net *net, uint32_t node, uint64_t handle)
{
    return net_named(net, node, handle) != NULL;
}

static bool listener_may(const struct net_listener *listener, enum net_use use)
{
    bool accepts = use == NET_ACCEPTS && listener->accepting == NULL;
    return listener->closing == NULL && (accepts || use == NET_CLOSES);
}

static bool end_may(const struct net_end *end, enum net_use use)
{
    switch (use) {
    case NET_SENDS:
        return end->state == END_IS_OPEN && end->sending == NULL;
    case NET_RECEIVES:
        return end->state == END_IS_OPEN && end->receiving == NULL && !end->untaken;
    case NET_CLOSES:
        return end->state == END_IS_OPEN && !end->untaken;
    case NET_ACCEPTS:
        return false;
    }
    UNREACHABLE();
}

bool net_may(const struct net *net, uint32_t node, uint64_t handle, enum net_use use)
{
    const void *what = net_named(net, node, handle);
    if (what == NULL)
        return false;
    return handle >> 48 != 0 ? listener_may(what, use) : end_may(what, use);
}

/* ---- the net and its nodes ---- */

enum err net_new(struct net **out, struct mem *mem, const struct net_options *options)
{
    struct net *net = mem_zalloc(mem, sizeof *net);
    if (net == NULL)
        return ERR_NOMEM;
    net->mem = mem;
    net->options = *options;
    if (net->options.delay_mean_ns == 0)
        net->options.delay_mean_ns = DELAY_MEAN_DEFAULT_NS;
    heap_init(&net->events, before);
    list_init(&net->spare);
    *out = net;
    return ERR_NONE;
}

enum err net_add_node(struct net *net)
{
    if (net->node_count == FAULT_NODES_MAX)
        return ERR_LIMIT;
    struct net_node *node = &net->nodes[net->node_count];
    node->links = mem_array(net->mem, FAULT_NODES_MAX, sizeof *node->links);
    if (node->links == NULL)
        return ERR_NOMEM;
    list_init(&node->ends);
    node->slot_free = -1;
    uint32_t index = net->node_count++;
    for (uint32_t to = 0; to < FAULT_NODES_MAX; to++)
        link_init(net, index, to);
    return ERR_NONE;
}

void net_node_down(struct net *net, uint32_t index, enum net_death death)
{
    struct net_node *node = &net->nodes[index];
    for (int i = 0; i < NET_LISTENERS_MAX; i++)
        if (node->listeners[i] != NULL)
            net_listener_free(net, node->listeners[i], death == NET_POWERED_OFF);
    /* Leaving frees a stream with its second end: both may be this node's, so no walk. */
    while (!list_empty(&node->ends)) {
        struct net_end *end = LIST_FIRST(&node->ends, struct net_end, of_node);
        end->connecting = end->sending = end->receiving = end->closing = NULL;
        end->untaken = false;
        net_end_leave(net, end, death == NET_KILLED ? LEAVE_KILLED : LEAVE_SILENT);
    }
    ASSERT(node->stream_count == 0);
    node->off = death == NET_POWERED_OFF;
}

void net_node_up(struct net *net, uint32_t index)
{
    net->nodes[index].off = false;
    for (uint32_t from = 0; from < net->node_count; from++)
        release(net, from, index);
}

void net_free(struct net *net)
{
    if (net == NULL)
        return;
    for (uint32_t i = 0; i < net->node_count; i++) {
        net_node_down(net, i, NET_POWERED_OFF);
        mem_free(net->mem, net->nodes[i].slots);
        mem_free(net->mem, net->nodes[i].links);
    }
    LIST_EACH (segment, &net->spare, struct segment, link)
        mem_free(net->mem, segment);
    mem_free(net->mem, net);
}

void net_reset_link(struct net *net, uint32_t a, uint32_t b)
{
    LIST_EACH (end, &net->nodes[a].ends, struct net_end, of_node) {
        struct net_end *peer = net_peer(end);
        if (peer->node != b || peer->state == END_IS_GONE)
            continue;
        end->ended_by = peer->ended_by = net->event;
        net_end_travel(net, end, END_RST, b, a);
        net_end_travel(net, peer, END_RST, a, b);
    }
}

void net_half_open(struct net *net, uint32_t a, uint32_t b)
{
    LIST_EACH (end, &net->nodes[a].ends, struct net_end, of_node) {
        struct net_end *peer = net_peer(end);
        if (peer->node != b || end->state == END_IS_DIALLING || peer->state == END_IS_DIALLING)
            continue;
        end->stream->lost = true;
        net_end_unheard(net, end);
        net_end_unheard(net, peer);
    }
}

void net_duplicate(struct net *net, uint32_t a, uint32_t b)
{
    LIST_EACH (end, &net->nodes[a].ends, struct net_end, of_node) {
        struct net_end *peer = net_peer(end);
        if (peer->node == b && end->state == END_IS_OPEN && peer->state == END_IS_OPEN)
            net_dial_again(net, end == &end->stream->end[0] ? end : peer);
    }
}

void net_stats(const struct net *net, struct net_stats *stats)
{
    *stats = (struct net_stats){.bytes_delivered = net->bytes_delivered,
                                .stream_count = net->stream_count};
}
