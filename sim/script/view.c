/* view.c - a cluster as its rows tell it: a leader a partition. Memory follows the partitions that
 * anybody ever led, not the run. */
#include "script/view.h"
#include "check/check.h"
#include "fault/fault.h"

struct led {
    struct hmap_node link;
    uint64_t partition;
    struct view_leader leader;
    struct view_state state;
};

struct registered {
    bool serves;
    uint64_t offset; /* of the image that says so */
};

struct view {
    struct mem *mem;
    struct hmap map; /* of struct led */
    bool cut;        /* a partition is missing, for lack of memory */
    struct view_controller controller;
    int64_t committed[FAULT_NODES_MAX]; /* by node */
    int32_t role[FAULT_NODES_MAX];
    struct registered brokers[TRACE_BROKER_BITS]; /* by id */
};

static bool is_partition(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct led, link)->partition == *(const uint64_t *)key;
}

enum err script_view_new(struct view **view, struct mem *mem)
{
    struct view *v = mem_zalloc(mem, sizeof *v);
    *view = NULL;
    if (v == NULL)
        return ERR_NOMEM;
    v->mem = mem;
    v->controller = (struct view_controller){VIEW_NOBODY, -1, false};
    for (int i = 0; i < FAULT_NODES_MAX; i++)
        v->committed[i] = v->role[i] = -1;
    if (hmap_init(&v->map, mem, is_partition) != ERR_NONE) {
        mem_free(mem, v);
        return ERR_NOMEM;
    }
    *view = v;
    return ERR_NONE;
}

void script_view_free(struct view *v)
{
    if (v == NULL)
        return;
    while (!list_empty(&v->map.order)) {
        struct led *led = LIST_FIRST(&v->map.order, struct led, link.order);
        hmap_remove(&v->map, &led->link);
        mem_free(v->mem, led);
    }
    hmap_free(&v->map);
    mem_free(v->mem, v);
}

static struct led *find(const struct view *v, uint64_t partition)
{
    struct hmap_node *node = hmap_find(&v->map, partition, &partition);
    return node == NULL ? NULL : CONTAINER_OF(node, struct led, link);
}

static struct led *find_or_add(struct view *v, uint64_t partition)
{
    struct led *led = find(v, partition);
    if (led != NULL)
        return led;
    led = mem_zalloc(v->mem, sizeof *led);
    v->cut |= led == NULL;
    if (led == NULL)
        return NULL;
    led->partition = partition;
    led->leader = (struct view_leader){VIEW_NOBODY, -1, -1, false};
    led->state = (struct view_state){.leader = -1, .partition_epoch = -1};
    hmap_insert(&v->map, partition, &led->link);
    return led;
}

/* An old leader that says so late is no news; one that begins anew in its epoch is. */
static void on_leader(struct view *v, const struct trace_row *row)
{
    const struct trace_LEADER_ON *on = TRACE_AS(row, LEADER_ON);
    struct led *led = find_or_add(v, (uint64_t)on->partition);
    if (led == NULL || (int64_t)on->leader_epoch < led->leader.leader_epoch)
        return;
    led->leader = (struct view_leader){row->node, (int64_t)on->leader_epoch,
                                       (int64_t)on->partition_epoch, true};
}

static void on_leader_off(struct view *v, const struct trace_row *row)
{
    struct led *led = find(v, (uint64_t)TRACE_AS(row, LEADER_OFF)->partition);
    if (led != NULL && led->leader.node == row->node)
        led->leader.leads = false;
}

/* Whoever lags tells of old epochs. */
static void on_state(struct view *v, const struct trace_row *row)
{
    const struct trace_PARTITION_STATE *is = TRACE_AS(row, PARTITION_STATE);
    struct led *led = find_or_add(v, is->partition);
    if (led != NULL && is->partition_epoch >= led->state.partition_epoch)
        led->state = (struct view_state){is->leader, is->partition_epoch, is->isr, is->elr};
}

static void on_broker(struct view *v, const struct trace_row *row)
{
    const struct trace_BROKER_STATE *is = TRACE_AS(row, BROKER_STATE);
    struct registered *broker = &v->brokers[(uint64_t)is->broker & (TRACE_BROKER_BITS - 1)];
    if (is->metadata_offset < broker->offset)
        return;
    broker->offset = is->metadata_offset;
    broker->serves = is->epoch >= 0 && is->fenced == 0;
}

/* As on_leader: who leads in an old epoch has not heard of the new one. */
static void on_role(struct view *v, const struct trace_row *row)
{
    const struct trace_QUORUM_ROLE *is = TRACE_AS(row, QUORUM_ROLE);
    bool leads = is->role == CHECK_ROLE_LEADER;
    if (row->node < FAULT_NODES_MAX)
        v->role[row->node] = (int32_t)is->role;
    if (leads && is->epoch >= v->controller.epoch)
        v->controller = (struct view_controller){row->node, is->epoch, true};
    else if (v->controller.node == row->node)
        v->controller.leads = false;
}

/* Whoever has died leads nothing, and says nothing of it. */
static void on_end(struct view *v, uint32_t node)
{
    if (v->controller.node == node)
        v->controller.leads = false;
    if (node < FAULT_NODES_MAX)
        v->committed[node] = v->role[node] = -1;
    LIST_EACH (led, &v->map.order, struct led, link.order) {
        if (led->leader.node == node)
            led->leader.leads = false;
    }
}

void script_view_row(struct view *v, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_LEADER_ON:
        on_leader(v, row);
        break;
    case TRACE_LEADER_OFF:
        on_leader_off(v, row);
        break;
    case TRACE_PARTITION_STATE:
        on_state(v, row);
        break;
    case TRACE_BROKER_STATE:
        on_broker(v, row);
        break;
    case TRACE_QUORUM_ROLE:
        on_role(v, row);
        break;
    case TRACE_QUORUM_COMMIT:
        if (row->node < FAULT_NODES_MAX)
            v->committed[row->node] = (int64_t)TRACE_AS(row, QUORUM_COMMIT)->watermark;
        break;
    case TRACE_NODE_KILL:
    case TRACE_POWER_LOSS:
    case TRACE_NODE_EXIT:
    case TRACE_NODE_START:
        on_end(v, row->node);
        break;
    default:
        break;
    }
}

bool script_view_is_whole(const struct view *v)
{
    return !v->cut;
}

struct view_leader script_view_leader(const struct view *v, uint64_t partition)
{
    const struct led *led = find(v, partition);
    return led == NULL ? (struct view_leader){VIEW_NOBODY, -1, -1, false} : led->leader;
}

struct view_state script_view_state(const struct view *v, uint64_t partition)
{
    const struct led *led = find(v, partition);
    return led == NULL ? (struct view_state){.leader = -1, .partition_epoch = -1} : led->state;
}

bool script_view_serves(const struct view *v, int64_t broker)
{
    return v->brokers[(uint64_t)broker & (TRACE_BROKER_BITS - 1)].serves;
}

struct view_controller script_view_controller(const struct view *v)
{
    return v->controller;
}

int64_t script_view_committed(const struct view *v, uint32_t node)
{
    return node < FAULT_NODES_MAX ? v->committed[node] : -1;
}

int32_t script_view_role(const struct view *v, uint32_t node)
{
    return node < FAULT_NODES_MAX ? v->role[node] : -1;
}
