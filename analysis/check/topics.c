/* topics.c - which topics there are, by what clients were told and by the metadata log: L10, L15
 * and L16. A topic that is made again under the name of one that was deleted is another. */
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
    if (topic == NULL || topic == before)
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
    if (topic->removed)
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

void check_topic_open(struct check *c, const struct trace_row *row, struct part *part)
{
    const struct trace_LOG_OPEN *is = TRACE_AS(row, LOG_OPEN);
    const struct topic *topic = check_tables_topic_of(&c->tables, part->topic_id);
    struct about about = {.partition = part->id, .offset = is->start};
    if (topic != NULL && topic->removed_on >> (row->node & 63) & 1)
        check_note(c, CHECK_TOPIC_RETURNED, row, about, false,
                   "its log was opened with offsets %" PRIu64 " to %" PRIu64
                   " where the topic had been removed",
                   is->start, is->end);
    if (topic != NULL && !part->opened && is->end > 0)
        check_note(c, CHECK_OTHER_TOPIC, row, about, false,
                   "a new log began with offsets %" PRIu64 " to %" PRIu64, is->start, is->end);
    part->opened = true;
}

void check_topic_row(struct check *c, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_TOPIC_ADDED:
        on_added(c, row);
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
    case TRACE_NODE_START:
        on_node_start(c);
        break;
    default:
        break;
    }
}

void check_judge_topics(struct check *c)
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
