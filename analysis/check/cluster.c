/* cluster.c - the nodes with what harm came to them, and which topics there are and what holds for
 * them. It goes by what clients were told and by the metadata log: L10, L12, L15 and L16. A topic
 * that is made again under the name of one that was deleted is another. */
#include <inttypes.h>
#include "check/internal.h"

static struct about about_topic(uint64_t name)
{
    return (struct about){.partition = name, .offset = CHECK_NO_OFFSET};
}

/* Its records need no reader any more, and none of them may come back. */
static void remove_topic(struct check *c, const struct trace_row *row, uint64_t name,
                         struct topic *topic)
{
    if (topic->removed)
        return;
    topic->removed = true;
    if (!topic->asked_to_go)
        check_note(c, CHECK_LOST_TOPIC, row, about_topic(name), false,
                   "removed although nobody had asked for it");
    check_tables_remove(&c->tables, topic->id, row->time_ns);
}

/* The topics that had the name before must be gone. A node that died between the two has not said
 * so of the last one. */
static void on_added(struct check *c, const struct trace_row *row)
{
    const struct trace_TOPIC_ADDED *is = TRACE_AS(row, TOPIC_ADDED);
    struct topic_name *name = check_tables_topic_name(&c->tables, is->topic);
    struct topic *before = name == NULL ? NULL : name->newest;
    struct topic *topic = check_tables_topic(&c->tables, is->topic, is->topic_id);
    if (topic == NULL)
        return;
    topic->added_ns = MIN(topic->added_ns, row->time_ns);
    if (topic == before)
        return;
    for (struct topic *older = topic->older; older != NULL; older = older->older)
        remove_topic(c, row, is->topic, older);
}

static void on_removed(struct check *c, const struct trace_row *row)
{
    const struct trace_TOPIC_REMOVED *is = TRACE_AS(row, TOPIC_REMOVED);
    struct topic *topic = check_tables_topic(&c->tables, is->topic, is->topic_id);
    if (topic == NULL)
        return;
    topic->removed_on |= 1ull << (row->node & 63);
    remove_topic(c, row, is->topic, topic);
}

static void on_created(struct check *c, const struct trace_row *row)
{
    const struct trace_TOPIC_CREATE_OK *is = TRACE_AS(row, TOPIC_CREATE_OK);
    struct topic *topic = check_tables_topic(&c->tables, is->topic, is->topic_id);
    c->counts.topics_acked++;
    if (topic == NULL || topic->acked)
        return;
    topic->acked = true;
    topic->row = *row;
}

static void on_deletion(struct check *c, const struct trace_row *row)
{
    struct topic_name *name =
        check_tables_topic_name(&c->tables, TRACE_AS(row, TOPIC_DELETE_INVOKE)->topic);
    if (name == NULL)
        return;
    name->deletions++;
    for (struct topic *topic = name->newest; topic != NULL; topic = topic->older)
        topic->asked_to_go = true;
}

/* What is answered is over. What is not may still be done, to a later topic of that name, too. */
static void on_deletion_end(struct check *c, const struct trace_row *row)
{
    struct topic_name *name =
        check_tables_topic_name(&c->tables, TRACE_AS(row, TOPIC_DELETE_END)->topic);
    bool known = TRACE_AS(row, TOPIC_DELETE_END)->known != 0;
    if (name != NULL && known && name->deletions > 0)
        name->deletions--;
}

/* Whoever lists topics may lag behind the one who has said that it is gone. */
static bool is_removed_everywhere(const struct check *c, const struct topic *topic)
{
    int serving = 0, lagging = 0;
    LIST_EACH (host, &c->hosts.order, struct host, node.order) {
        bool serves = host->served && !host->down;
        serving += serves;
        lagging += serves && (topic->removed_on >> (host->id & 63) & 1) == 0;
    }
    return serving < 2 || lagging == 0;
}

static void on_seen(struct check *c, const struct trace_row *row)
{
    const struct trace_TOPIC_SEEN *is = TRACE_AS(row, TOPIC_SEEN);
    /* The row without a topic ends a listing: what was not seen since it began is not there. */
    if (is->topic == 0) {
        c->topics_listed = true;
        return;
    }
    struct topic *topic = check_tables_topic(&c->tables, is->topic, is->topic_id);
    if (topic == NULL)
        return;
    topic->seen = true;
    if (topic->removed && is_removed_everywhere(c, topic))
        check_note(c, CHECK_TOPIC_RETURNED, row, about_topic(is->topic), false,
                   "listed after it had been removed");
}

/* A new listing begins at the earliest now. */
static void on_node_start(struct check *c)
{
    c->topics_listed = false;
    LIST_EACH (name, &c->tables.topic_names.order, struct topic_name, node.order) {
        for (struct topic *topic = name->newest; topic != NULL; topic = topic->older)
            topic->seen = false;
    }
}

/* What was under way when the node heard of the removal cannot be taken back: it is opened, serves
 * nobody, and goes. None may begin later. */
static void on_opens(struct check *c, const struct trace_row *row)
{
    const struct trace_LOG_OPENS *is = TRACE_AS(row, LOG_OPENS);
    const struct topic *topic = check_tables_topic_of(&c->tables, is->topic_id);
    if (topic != NULL && topic->removed_on >> (row->node & 63) & 1)
        check_note(c, CHECK_TOPIC_RETURNED, row, about_topic(is->partition), false,
                   "its log is opened where the topic had been removed");
}

void check_topic_open(struct check *c, const struct trace_row *row, struct part *part)
{
    const struct trace_LOG_OPEN *is = TRACE_AS(row, LOG_OPEN);
    const struct topic *topic = check_tables_topic_of(&c->tables, part->topic_id);
    struct about about = {.partition = part->id, .offset = is->start};
    if (topic != NULL && !part->opened && is->end > 0)
        check_note(c, CHECK_OTHER_TOPIC, row, about, false,
                   "a new log began with offsets %" PRIu64 " to %" PRIu64, is->start, is->end);
    part->opened = true;
}

/* ---- what holds for a topic ---- */

static void on_settings(struct check *c, const struct trace_row *row)
{
    const struct trace_TOPIC_SETTINGS *is = TRACE_AS(row, TOPIC_SETTINGS);
    struct topic *topic = check_tables_topic(&c->tables, is->topic, is->topic_id);
    if (topic == NULL)
        return;
    bool shorter = topic->has_settings && topic->retention_ms != is->retention_ms;
    topic->retention_ms_before = shorter ? topic->retention_ms : is->retention_ms;
    topic->changed_ns = row->time_ns;
    bool other = topic->has_settings && topic->retention_bytes != is->retention_bytes;
    topic->retention_bytes_before = other ? topic->retention_bytes : is->retention_bytes;
    topic->bytes_changed_ns = row->time_ns;
    topic->retention_bytes = is->retention_bytes;
    topic->has_settings = true;
    topic->durable = is->durable;
    topic->unclean = is->unclean;
    topic->min_insync = is->min_insync;
    if (topic->partitions != is->partitions)
        check_tables_grow_topic(&c->tables, topic->id);
    topic->partitions = is->partitions;
    topic->retention_ms = is->retention_ms;
}

bool check_is_durable(struct check *c, struct part *part)
{
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    if (check_is_metadata(c, part))
        return true; /* whatever the policy of topics is */
    return topic != NULL && topic->has_settings ? topic->durable : c->contract.durable_acks;
}

/* ---- nodes ---- */

struct host *check_host(struct check *c, uint64_t id)
{
    struct hmap_node *found = hmap_find(&c->hosts, hash_mix(id), &id);
    if (found != NULL)
        return CONTAINER_OF(found, struct host, node);
    struct host *host = mem_zalloc(c->mem, sizeof *host);
    if (host == NULL) {
        c->error = ERR_NOMEM;
        return NULL;
    }
    host->id = id;
    host->power_loss_ns = host->broker_id = -1;
    hmap_insert(&c->hosts, hash_mix(id), &host->node);
    return host;
}

int64_t check_min_insync(struct check *c, struct part *part)
{
    const struct topic *topic = check_tables_topic_of_part(&c->tables, part);
    return topic == NULL || !topic->has_settings ? 1 : MAX(topic->min_insync, 1);
}

bool check_power_lost(struct check *c, struct part *part, int64_t since_ns)
{
    int64_t count = 0;
    LIST_EACH (r, &part->replicas, struct replica, of_part) {
        const struct host *host = check_host(c, r->key[0]);
        count += host != NULL && host->power_loss_ns >= since_ns;
    }
    return count >= check_min_insync(c, part);
}

/* Without a descriptor or memory for it no sync was tried, and the next round may be believed. */
static bool is_failed_sync(const struct trace_row *row)
{
    if (row->kind != TRACE_SYNC_DONE)
        return false;
    uint64_t err = TRACE_AS(row, SYNC_DONE)->err;
    return err != ERR_NONE && err != ERR_TOOMANY && err != ERR_NOMEM;
}

static void on_refused(struct check *c, const struct trace_row *row)
{
    const struct trace_REQUEST_REFUSED *is = TRACE_AS(row, REQUEST_REFUSED);
    if (!c->contract.hostile_clients)
        check_note(c, CHECK_UNEXPECTED_CLOSE, row, (struct about){0}, false,
                   "reason %" PRId64 ", size %" PRId64, is->reason, is->size);
}

/* Faults that change or take what a disk holds, by the hash of their name. */
static bool is_damage(uint64_t fault)
{
    static const char *const damages[] = {"disk flip",      "disk lose",   "disk swap",
                                          "disk sync_late", "disk vanish", "disk stale",
                                          "disk misdirect", "disk restore"};
    for (int i = 0; i < COUNT_OF(damages); i++) {
        if (fault == hash_text(damages[i]))
            return true;
    }
    return false;
}

/* Faults that let a node's timers come late, or want of memory. */
static bool is_delay(uint64_t fault)
{
    static const char *const delays[] = {"pause", "stall", "clock", "drift", "rate", "alloc"};
    for (int i = 0; i < COUNT_OF(delays); i++) {
        if (fault == hash_text(delays[i]))
            return true;
    }
    return false;
}

/* Two disks that are swapped: either node has another one's now. */
static void on_fault(struct check *c, const struct trace_row *row, struct host *host)
{
    uint64_t fault = TRACE_AS(row, FAULT)->site;
    host->damaged |= is_damage(fault);
    if (is_delay(fault))
        c->timers_from_ns =
            MAX(MAX(c->timers_from_ns, row->time_ns), TRACE_AS(row, FAULT)->until_ns);
    if (fault != hash_text("disk swap"))
        return;
    LIST_EACH (other, &c->hosts.order, struct host, node.order)
        other->damaged = true;
}

static bool is_missing(const struct check *c)
{
    return c->down_count > 0 || c->offline_count > 0 || c->core_alone;
}

/* Something is amiss at this moment; what was calm before is remembered if all could be well in it.
 */
static void harm_now(struct check *c, const struct trace_row *row)
{
    int64_t since_ns = MAX(c->harmed_ns, c->harm_until_ns);
    if (!is_missing(c) && row->time_ns - since_ns > c->contract.recovery_ns) {
        c->calm_from_ns = since_ns;
        c->calm_to_ns = row->time_ns;
    }
    c->harmed_ns = row->time_ns;
}

static void set_down(struct check *c, const struct trace_row *row, struct host *host, bool down)
{
    if (!host->served || host->down == down)
        return;
    harm_now(c, row);
    host->down = down;
    host->down_ns = row->time_ns;
    c->down_count += down ? 1 : UINT32_MAX;
}

int64_t check_quiet_since(const struct check *c, const struct part *part, int64_t now_ns)
{
    if (is_missing(c) || c->harm_until_ns > now_ns || part->offline)
        return INT64_MAX;
    return MAX(MAX(c->harmed_ns, c->harm_until_ns), part->led_ns);
}

bool check_was_overdue(const struct check *c, const struct part *part, int64_t sent_ns,
                       int64_t recovery_ns)
{
    int64_t led_ns = part->led_ns < c->calm_to_ns ? part->led_ns : part->led_before_ns;
    bool led = led_ns > 0 && led_ns < c->calm_to_ns && !part->offline;
    return led && c->calm_to_ns > sent_ns + c->contract.send_ns &&
           c->calm_to_ns > MAX(c->calm_from_ns, led_ns) + recovery_ns;
}

static void set_offline(struct check *c, const struct trace_row *row, struct host *host,
                        bool offline)
{
    harm_now(c, row);
    c->offline_count += offline && !host->dir_offline;
    host->offline_ns = offline ? row->time_ns : 0;
    c->offline_count -= !offline && host->dir_offline;
    host->dir_offline = offline;
}

static void on_host_row(struct check *c, const struct trace_row *row)
{
    struct host *host = check_host(c, row->node);
    if (host == NULL)
        return;
    switch (row->kind) {
    case TRACE_NODE_START:
        memset(host->epochs, 0, sizeof host->epochs);
        host->may_join = 0;
        set_offline(c, row, host, false);
        break;
    case TRACE_BROKER_READY:
        host->served = true;
        set_down(c, row, host, false);
        break;
    case TRACE_NODE_STOP:
        if (host->served)
            harm_now(c, row);
        break;
    case TRACE_BROKER_STOPPED:
    case TRACE_NODE_KILL:
    case TRACE_NODE_EXIT:
        set_down(c, row, host, true);
        break;
    case TRACE_POWER_LOSS:
        host->power_loss_ns = row->time_ns;
        set_down(c, row, host, true);
        break;
    case TRACE_HEALED:
    case TRACE_CORE_HEALED:
        harm_now(c, row);
        c->core_alone = row->kind == TRACE_CORE_HEALED;
        c->harm_until_ns = 0;
        c->timers_from_ns = MIN(c->timers_from_ns, row->time_ns);
        break;
    case TRACE_FAULT:
        harm_now(c, row);
        c->harm_until_ns = MAX(c->harm_until_ns, TRACE_AS(row, FAULT)->until_ns);
        on_fault(c, row, host);
        break;
    case TRACE_DIR_OFFLINE:
    case TRACE_SYNC_DONE:
        if (row->kind == TRACE_DIR_OFFLINE || is_failed_sync(row)) {
            host->power_loss_ns = row->time_ns; /* what was not durable may be gone as well */
            set_offline(c, row, host, true);
        }
        break;
    default:
        break;
    }
}

static void on_cluster_row(struct check *c, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_TOPIC_ADDED:
        on_added(c, row);
        break;
    case TRACE_TOPIC_SETTINGS:
        on_settings(c, row);
        break;
    case TRACE_TOPIC_REMOVED:
        on_removed(c, row);
        break;
    case TRACE_TOPIC_CREATE_OK:
        on_created(c, row);
        break;
    case TRACE_TOPIC_DELETE_INVOKE:
        on_deletion(c, row);
        break;
    case TRACE_TOPIC_DELETE_END:
        on_deletion_end(c, row);
        break;
    case TRACE_TOPIC_SEEN:
        on_seen(c, row);
        break;
    case TRACE_LOG_OPENS:
        on_opens(c, row);
        break;
    case TRACE_REQUEST_REFUSED:
        on_refused(c, row);
        break;
    case TRACE_NODE_START:
        on_node_start(c);
        on_host_row(c, row);
        break;
    default:
        on_host_row(c, row);
        break;
    }
}

static void judge_topics(struct check *c)
{
    if (!c->topics_listed)
        return;
    LIST_EACH (name, &c->tables.topic_names.order, struct topic_name, node.order) {
        for (struct topic *topic = name->newest; topic != NULL; topic = topic->older) {
            bool lost = topic->acked && !topic->seen && !topic->asked_to_go && !topic->removed;
            if (lost)
                check_note(c, CHECK_LOST_TOPIC, &topic->row, about_topic(name->name), false,
                           "created %.3f s into the run", (double)topic->row.time_ns / 1e9);
        }
    }
}

static const enum trace_kind kinds[] = {
    TRACE_TOPIC_ADDED,         TRACE_TOPIC_SETTINGS,   TRACE_TOPIC_REMOVED, TRACE_TOPIC_CREATE_OK,
    TRACE_TOPIC_DELETE_INVOKE, TRACE_TOPIC_DELETE_END, TRACE_TOPIC_SEEN,    TRACE_REQUEST_REFUSED,
    TRACE_NODE_START,          TRACE_POWER_LOSS,       TRACE_FAULT,         TRACE_DIR_OFFLINE,
    TRACE_NODE_STOP,           TRACE_SYNC_DONE,        TRACE_HEALED,        TRACE_BROKER_READY,
    TRACE_BROKER_STOPPED,      TRACE_NODE_KILL,        TRACE_NODE_EXIT,     TRACE_CORE_HEALED,
    TRACE_LOG_OPENS,
};

const struct check_rule check_rule_cluster = {
    .name = "cluster",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_cluster_row,
    .on_end = judge_topics,
    .memory = "nodes, and topics that there ever were",
};
