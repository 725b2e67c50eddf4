/* agree.c - when harm ends: that all nodes become one, and what must be so then. */
#include "several.h"

static bool all_are_one(void)
{
    int leader = several_leader();
    if (leader < 0)
        return false;
    const struct host *l = &sv->hosts[leader];
    for (int i = 0; i < sv->count; i++) {
        const struct host *h = &sv->hosts[i];
        if (!h->open || h->said_epoch != l->said_epoch || h->leader != leader + 1 ||
            h->said_end != l->said_end || h->said_watermark != l->said_end ||
            h->image_offset != l->image_offset)
            return false;
    }
    return true;
}

/* One that failed is started anew, as a person would. */
static void mend(void)
{
    for (int i = 0; i < sv->count; i++) {
        struct host *h = &sv->hosts[i];
        if (!several_is_up(i)) {
            several_start(i);
        } else if (h->failed) {
            world_kill(sv->world, h->node, 0);
            h->failed = false;
        }
    }
}

static void check_logs(void)
{
    for (int64_t i = 0; i < sv->committed_end; i++) {
        for (int n = 0; n < sv->count; n++) {
            const struct host *h = &sv->hosts[n];
            bool differs = h->log[i].there && sv->committed[i].there && i >= h->start &&
                           (h->log[i].crc != sv->committed[i].crc ||
                            h->log[i].epoch != sv->committed[i].epoch);
            if (differs)
                several_wrong("a log differs from what is committed");
            if (i >= h->start && sv->committed[i].there && !h->log[i].there)
                several_wrong("a log lacks what is committed");
        }
    }
}

/* Answered OK is there, and exactly once: no block of ids was given to two. */
static void check_orders(void)
{
    const struct host *h = &sv->hosts[0];
    for (int i = 0; i < sv->order_count; i++) {
        const struct order *a = &sv->orders[i];
        if (!a->done || a->code != WIRE_ERROR_NONE || a->is_topic)
            continue;
        if (a->first + CONTROLLER_PRODUCER_ID_BLOCK > h->next_producer_id)
            several_wrong("a block of ids that was given is not in the image");
        for (int j = 0; j < i; j++) {
            const struct order *b = &sv->orders[j];
            if (b->done && b->code == WIRE_ERROR_NONE && !b->is_topic && b->first == a->first)
                several_wrong("a block of ids was given twice");
        }
    }
}

static void print_hosts(void)
{
    for (int i = 0; i < sv->count; i++) {
        const struct host *h = &sv->hosts[i];
        print_message(
            "node %d: life %d, open %d, failed %d, role %s, epoch %d, leader %d, leads %d, "
            "end %lld, watermark %lld, image %lld\n",
            i, (int)world_node_life(sv->world, h->node), h->open, h->failed,
            raft_role_name(h->role), (int)h->said_epoch, (int)h->leader, h->leads,
            (long long)h->said_end, (long long)h->said_watermark, (long long)h->image_offset);
    }
}

/* Who has nothing to do wakes for what is due, and for nothing else. */
static void check_idle(void)
{
    struct world_stats before, after;
    world_stats(sv->world, &before);
    several_run(500);
    world_stats(sv->world, &after);
    if (after.event_count - before.event_count > 500u * (unsigned)sv->count)
        several_wrong("they are busy with nothing");
}

bool several_converges(int64_t ms)
{
    sv->drop = sv->slow = 0;
    memset(sv->cut, 0, sizeof sv->cut);
    world_heal(sv->world);
    bool same = false;
    for (int64_t spent = 0; spent < ms && !same && sv->wrong == NULL; spent += 100) {
        mend();
        several_run(98);
        several_look();
        same = all_are_one();
    }
    if (!same || sv->wrong != NULL) {
        print_hosts();
        return false;
    }
    sv->one = true;
    several_look();
    sv->one = false;
    check_idle();
    for (int i = 1; i < sv->count; i++) {
        if (sv->hosts[i].digest != sv->hosts[0].digest)
            several_wrong("two images differ");
    }
    check_logs();
    check_orders();
    return sv->wrong == NULL;
}
