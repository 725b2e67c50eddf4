/* inspect_tour.c - walks the batches of a file and goes on behind what is damaged. Pure. */
#include "log/inspect.h"

void log_tour_begin(struct log_tour *tour, struct bytes data, int64_t expected)
{
    *tour = (struct log_tour){.data = data, .expected = MAX(expected, 0)};
}

static bool good_at(const struct log_tour *tour, size_t at)
{
    struct wire_batch batch;
    if (at >= tour->data.size || wire_batch_at(tour->data, at, &batch, NULL) != WIRE_AT_BATCH)
        return false;
    if (batch.base_offset < tour->expected)
        return false;
    return wire_batch_verify(&batch, tour->data.data + at, NULL) == ERR_NONE;
}

/* Where the next good batch begins; the end when there is none. likely is looked at first. */
static size_t find_good(const struct log_tour *tour, size_t likely)
{
    if (good_at(tour, likely))
        return likely;
    struct log_search search = {
        .data = tour->data, .from = tour->at + 1, .expected = tour->expected};
    for (;;) {
        log_search(&search);
        if (search.at >= tour->data.size || search.whole)
            return MIN(search.at, tour->data.size);
        search.from = search.at + 1; /* only the beginning of one */
    }
}

static bool all_zeros(struct bytes data, size_t from)
{
    for (size_t i = from; i < data.size; i++) {
        if (data.data[i] != 0)
            return false;
    }
    return true;
}

static void set_bad(struct log_tour *tour, enum log_tour_at what, size_t likely)
{
    tour->what = what;
    tour->next = find_good(tour, likely);
    tour->resumed = tour->next < tour->data.size;
    tour->zeros = !tour->resumed && all_zeros(tour->data, tour->at);
}

static void set_batch(struct log_tour *tour)
{
    size_t end = tour->at + (size_t)tour->batch.size;
    tour->head = true;
    if (wire_batch_verify(&tour->batch, tour->data.data + tour->at, &tour->msg) != ERR_NONE) {
        set_bad(tour, LOG_TOUR_CRC, end);
        return;
    }
    tour->what = LOG_TOUR_BATCH;
    tour->next = end;
    tour->expected = MAX(tour->expected, wire_batch_last_offset(&tour->batch) + 1);
}

bool log_tour_step(struct log_tour *tour)
{
    tour->at = tour->next;
    tour->resumed = tour->head = tour->zeros = false;
    tour->msg.text[0] = 0;
    ASSERT(tour->at <= tour->data.size);
    switch (wire_batch_at(tour->data, tour->at, &tour->batch, &tour->msg)) {
    case WIRE_AT_END:
        tour->what = LOG_TOUR_END;
        return false;
    case WIRE_AT_BATCH:
        set_batch(tour);
        return true;
    case WIRE_AT_TORN:
        tour->head = tour->data.size - tour->at >= WIRE_BATCH_HEAD;
        errmsg_set(&tour->msg, ERR_CORRUPT, "the file ends inside of a batch");
        set_bad(tour, LOG_TOUR_TORN, tour->data.size);
        return true;
    case WIRE_AT_CORRUPT:
        set_bad(tour, LOG_TOUR_BAD, tour->data.size);
        return true;
    }
    UNREACHABLE();
}
