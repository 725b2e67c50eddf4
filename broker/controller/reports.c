/* reports.c - a broker says which of its replicas cannot serve, or lack what they had: they are in
 * sync nowhere, and elected only where nothing is lost by it. Pure. */
#include "controller/internal.h"

struct work {
    const struct controller_view *view;
    const struct controller_heartbeat *heartbeat;
    struct metadata_topic_config defaults;
    struct arena arena;
    bool late;
};

static bool loses(const struct controller_report *report)
{
    return report->trouble != CONTROLLER_OFFLINE;
}

/* Who is offline has all that it had, and stays eligible (P-13). */
static bool changes(const struct metadata_partition *p, const struct controller_report *report,
                    int32_t id)
{
    if (p->leader == id || controller_contains(metadata_ids(p, METADATA_ISR), id))
        return true;
    return loses(report) && controller_contains(metadata_ids(p, METADATA_ELR), id);
}

static enum err add_change(struct work *w, const struct metadata_topic *topic,
                           const struct controller_report *report, struct metadata_batch *batch)
{
    struct wire_partition_change_record record;
    struct controller_rules rules;
    bool differs = false;
    int32_t id = w->heartbeat->broker_id;
    const struct metadata_partition *p = metadata_partition(topic, report->partition);
    controller_rules_of(w->view, topic, &w->defaults, &rules);
    struct controller_change change = {
        .topic = topic,
        .partition = report->partition,
        .isr = controller_without(metadata_ids(p, METADATA_ISR), id, &w->arena),
        .leaves = id,
        .comes = CONTROLLER_NOBODY,
        .lost = loses(report) ? id : CONTROLLER_NOBODY,
        .election = rules.unclean ? CONTROLLER_ELECT_UNCLEAN : CONTROLLER_ELECT_ANY};
    if (change.isr.count < 0)
        return ERR_NOMEM;
    enum err e =
        controller_change_partition(w->view, &change, &rules, &w->arena, &record, &differs);
    if (e == ERR_NONE && differs)
        e = controller_add(batch, &wire_partition_change_record_message, PARTITION_CHANGE_VERSION,
                           &record);
    return e;
}

/* Of a leader epoch that is over a report says nothing: what it is of now is not known there. */
static enum err judge(struct work *w, const struct controller_report *report,
                      struct metadata_batch *batch)
{
    const struct metadata_topic *topic = metadata_find_id(w->view->image, &report->topic_id);
    if (topic == NULL || report->partition < 0 || report->partition >= topic->partition_count ||
        KNOWN_BUG(trouble_passed_over))
        return ERR_NONE;
    const struct metadata_partition *p = metadata_partition(topic, report->partition);
    if (!changes(p, report, w->heartbeat->broker_id))
        return ERR_NONE;
    if (report->leader_epoch < p->leader_epoch) {
        w->late = true;
        return ERR_NONE;
    }
    return add_change(w, topic, report, batch);
}

static int64_t bytes_of_all(const struct work *w)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < w->heartbeat->report_count; i++) {
        const struct controller_report *report = &w->heartbeat->reports[i];
        const struct metadata_topic *topic = metadata_find_id(w->view->image, &report->topic_id);
        if (topic != NULL && report->partition >= 0 && report->partition < topic->partition_count)
            sum += CONTROLLER_CHANGE_BYTES_MAX(
                3 * metadata_partition(topic, report->partition)->counts[METADATA_REPLICAS]);
    }
    return sum;
}

enum err controller_add_reports(const struct controller_view *view, struct controller_heartbeat *c,
                                struct metadata_batch *batch)
{
    struct work w = {.view = view, .heartbeat = c};
    arena_init(&w.arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    controller_topic_defaults(view, &w.defaults);
    enum err e = controller_expect(batch, c->report_count, bytes_of_all(&w), "replicas in trouble");
    for (int32_t i = 0; i < c->report_count && e == ERR_NONE; i++) {
        e = judge(&w, &c->reports[i], batch);
        arena_reset(&w.arena);
    }
    arena_free(&w.arena);
    c->taken = w.late ? CONTROLLER_REPORTS_LATE : CONTROLLER_REPORTS_TAKEN;
    return e == ERR_NONE ? controller_end(batch) : e;
}
