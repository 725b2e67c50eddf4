/* tour.c - walks the batches of a file and goes on behind what is damaged. Pure. */
#include "inspect/internal.h"

void inspect_tour_begin(struct inspect_tour *tour, struct bytes data, int64_t expected)
{
    *tour = (struct inspect_tour){.data = data, .expected = MAX(expected, 0)};
}

static bool good_at(const struct inspect_tour *tour, size_t at)
{
    struct wire_batch batch;
    if (at >= tour->data.size || wire_batch_at(tour->data, at, &batch, NULL) != WIRE_AT_BATCH)
        return false;
    if (batch.base_offset < tour->expected)
        return false;
    return wire_batch_verify(&batch, tour->data.data + at, NULL) == ERR_NONE;
}

/* Where the next good batch begins; the end when there is none. likely is looked at first. */
static size_t find_good(const struct inspect_tour *tour, size_t likely)
{
    if (good_at(tour, likely))
        return likely;
    struct format_search search = {
        .data = tour->data, .from = tour->at + 1, .expected = tour->expected};
    for (;;) {
        format_search(&search);
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

static void set_bad(struct inspect_tour *tour, enum inspect_tour_at what, size_t likely)
{
    tour->what = what;
    tour->next = find_good(tour, likely);
    tour->resumed = tour->next < tour->data.size;
    tour->zeros = !tour->resumed && all_zeros(tour->data, tour->at);
}

static void set_batch(struct inspect_tour *tour)
{
    size_t end = tour->at + (size_t)tour->batch.size;
    tour->head = true;
    if (wire_batch_verify(&tour->batch, tour->data.data + tour->at, &tour->msg) != ERR_NONE) {
        set_bad(tour, INSPECT_TOUR_CRC, end);
        return;
    }
    tour->what = INSPECT_TOUR_BATCH;
    tour->next = end;
    tour->expected = MAX(tour->expected, wire_batch_last_offset(&tour->batch) + 1);
}

/* ---- messages of format 0 and 1, as Kafka wrote them before 0.11 ---- */

#define OLD_PREFIX 12       /* offset and size */
#define OLD_HEAD 17         /* these, the CRC, and the format */
#define OLD_SIZE_MIN 14     /* of a message of format 0 without key and value */
#define OLD_CRC 0xedb88320u /* CRC-32 of IEEE 802.3, reflected */

static uint32_t crc32_ieee(const uint8_t *data, size_t size)
{
    uint32_t table[16];
    for (uint32_t i = 0; i < COUNT_OF(table); i++) {
        uint32_t row = i;
        for (int bit = 0; bit < 4; bit++)
            row = row >> 1 ^ (OLD_CRC & (0 - (row & 1)));
        table[i] = row;
    }
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static bool take_old(struct inspect_tour *tour)
{
    const uint8_t *p = tour->data.data + tour->at;
    size_t left = tour->data.size - tour->at;
    if (left < OLD_HEAD || p[OLD_HEAD - 1] > 1)
        return false;
    int32_t size = get_i32(p + 8);
    if (size < OLD_SIZE_MIN || (size_t)size > left - OLD_PREFIX)
        return false;
    if (crc32_ieee(p + 16, (size_t)size - 4) != get_u32(p + OLD_PREFIX))
        return false;
    tour->what = INSPECT_TOUR_OLD;
    tour->offset = get_i64(p);
    tour->next = tour->at + OLD_PREFIX + (size_t)size;
    errmsg_set(&tour->msg, ERR_UNSUPPORTED, "messages of format %d", p[OLD_HEAD - 1]);
    return true;
}

bool inspect_tour_step(struct inspect_tour *tour)
{
    tour->at = tour->next;
    tour->resumed = tour->head = tour->zeros = false;
    tour->msg.text[0] = 0;
    ASSERT(tour->at <= tour->data.size);
    switch (wire_batch_at(tour->data, tour->at, &tour->batch, &tour->msg)) {
    case WIRE_AT_END:
        tour->what = INSPECT_TOUR_END;
        return false;
    case WIRE_AT_BATCH:
        set_batch(tour);
        return true;
    case WIRE_AT_TORN:
        tour->head = tour->data.size - tour->at >= WIRE_BATCH_HEAD;
        errmsg_set(&tour->msg, ERR_CORRUPT, "the file ends inside of a batch");
        set_bad(tour, INSPECT_TOUR_TORN, tour->data.size);
        return true;
    case WIRE_AT_CORRUPT:
        if (take_old(tour))
            return true;
        set_bad(tour, INSPECT_TOUR_BAD, tour->data.size);
        return true;
    }
    UNREACHABLE();
}
