/* spread.c - which brokers get the replicas of a new topic (StripedReplicaPlacer): over racks
 * first, so that the loss of a rack takes one replica of each partition; in turns from a drawn
 * beginning, so that topics do not all begin with the same broker. Pure. */
#include "controller/internal.h"

#define ARENA_BYTES (8 << 20)

static int compare_racks(struct wire_string a, struct wire_string b)
{
    int32_t sizes[] = {MAX(a.size, 0), MAX(b.size, 0)};
    int32_t shorter = MIN(sizes[0], sizes[1]);
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, (size_t)shorter);
    return order != 0 ? order : (sizes[0] > sizes[1]) - (sizes[0] < sizes[1]);
}

/* Rack by rack; in each those that are there first. */
static int compare_seats(const void *a, const void *b)
{
    const struct controller_seat *x = a, *y = b;
    int order = compare_racks(x->rack, y->rack);
    if (order != 0)
        return order;
    if (x->fenced != y->fenced)
        return x->fenced ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static enum err collect(struct controller_spread *s, const struct controller_view *view)
{
    int32_t count = metadata_map_count(&view->image->brokers);
    struct controller_seat *seats = arena_alloc(&s->arena, (size_t)MAX(count, 1) * sizeof *seats);
    s->seats = seats;
    for (int32_t i = 0; i < count; i++) {
        const struct metadata_broker *broker = metadata_broker_at(view->image, i);
        struct wire_register_broker_record record;
        enum err e = seats == NULL ? ERR_NOMEM : metadata_broker_record(broker, &record, &s->arena);
        if (e != ERR_NONE)
            return e;
        seats[s->count++] =
            (struct controller_seat){.id = broker->id,
                                     .fenced = !controller_is_active(view, broker->id),
                                     .rack = record.rack};
    }
    return seats == NULL
               ? ERR_NOMEM
               : sort_stable(view->mem, seats, (size_t)s->count, sizeof *seats, compare_seats);
}

/* Racks are stretches of the seats. */
static enum err find_racks(struct controller_spread *s)
{
    s->racks = arena_alloc(&s->arena, (size_t)MAX(s->count, 1) * sizeof *s->racks);
    if (s->racks == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < s->count; i++) {
        if (i == 0 || compare_racks(s->seats[i - 1].rack, s->seats[i].rack) != 0)
            s->racks[s->rack_count++] = (struct controller_rack){.first = i};
        struct controller_rack *rack = &s->racks[s->rack_count - 1];
        rack->count++;
        rack->active_count += !s->seats[i].fenced;
    }
    return ERR_NONE;
}

enum err controller_spread_begin(struct controller_spread *s, const struct controller_view *view,
                                 uint64_t key)
{
    *s = (struct controller_spread){0};
    arena_init(&s->arena, view->mem, ARENA_BYTES);
    enum err e = collect(s, view);
    if (e == ERR_NONE)
        e = find_racks(s);
    if (e != ERR_NONE || s->count < 2) /* where there is no choice nothing is drawn */
        return e;
    uint64_t chance = view->chance->draw(view->chance, "metadata/spread", key);
    s->turn = (uint32_t)(chance % (uint64_t)s->rack_count);
    for (int32_t i = 0; i < s->rack_count; i++)
        s->racks[i].turn = (uint32_t)(chance >> 32);
    return ERR_NONE;
}

void controller_spread_end(struct controller_spread *s)
{
    arena_free(&s->arena);
}

/* The k-th of those, each once. Whoever follows the same leader in one round is another in the
 * next, so that what a dead broker led spreads over all others. */
static int32_t index_of(uint32_t turn, int32_t k, int32_t count)
{
    uint32_t n = (uint32_t)count, first = turn % n;
    if (k == 0 || n == 1)
        return (int32_t)first;
    return (int32_t)((first + 1 + (turn / n + (uint32_t)k - 1) % (n - 1)) % n);
}

/* The k-th of a rack in this turn: those that are there, then those that are not. */
static const struct controller_seat *seat_of(const struct controller_spread *s,
                                             const struct controller_rack *rack, int32_t k)
{
    int32_t active = rack->active_count, fenced = rack->count - active;
    if (k < active)
        return &s->seats[rack->first + index_of(rack->turn, k, active)];
    return &s->seats[rack->first + active + index_of(rack->turn, k - active, fenced)];
}

/* One of each rack, then the second of each, and so on: those that are there, or those that are
 * not. */
static int32_t take(const struct controller_spread *s, bool fenced, int32_t factor, int32_t *ids,
                    int32_t count)
{
    for (int32_t round = 0; round < s->count && count < factor; round++) {
        for (int32_t r = 0; r < s->rack_count && count < factor; r++) {
            const struct controller_rack *rack =
                &s->racks[(s->turn + (uint32_t)r) % (uint32_t)s->rack_count];
            int32_t k = fenced ? rack->active_count + round : round;
            if (k < (fenced ? rack->count : rack->active_count))
                ids[count++] = seat_of(s, rack, k)->id;
        }
    }
    return count;
}

void controller_spread_next(struct controller_spread *s, int32_t factor, int32_t *ids)
{
    ASSERT(factor <= s->count);
    int32_t count = take(s, false, factor, ids, 0);
    count = take(s, true, factor, ids, count);
    ASSERT(count == factor);
    struct controller_rack *leads = &s->racks[s->turn % (uint32_t)s->rack_count];
    leads->turn++;
    s->turn++;
}
