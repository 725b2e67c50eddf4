/* ends.c - clean ends: what they leave behind is sound and holds what they knew, and the life
 * behind one has nothing to mend (E13, L17, L18). Nothing heals in silence: what had to be made
 * anew on a disk that nobody damaged is explained by harm alone, which may lie some lives back: an
 * index is read when it is needed. */
#include <inttypes.h>
#include "check/internal.h"

static bool is_explained(const struct host *host)
{
    return host == NULL || host->damaged || host->harmed || !host->began_clean;
}

static void on_rebuilt(struct check *c, const struct trace_row *row)
{
    static const char *const what[] = {"something", "an index", "leader epochs", "producer state",
                                       "checkpoints"};
    const struct trace_LOG_REBUILT *is = TRACE_AS(row, LOG_REBUILT);
    const struct host *host = check_host(c, row->node);
    if (is_explained(host))
        return;
    check_note(c, CHECK_REBUILT_IN_VAIN, row,
               (struct about){.partition = is->partition, .offset = (uint64_t)is->base}, false,
               "%s of a broker that had ended cleanly",
               what[is->what > 0 && is->what < COUNT_OF(what) ? is->what : 0]);
}

static void on_unsound(struct check *c, const struct trace_row *row)
{
    const struct host *host = check_host(c, row->node);
    /* What the next start mends may be what an earlier harm has left, and nobody has read since. */
    bool mends = strncmp(trace_text(row), "note", 4) == 0;
    if (host != NULL && !host->damaged && !(mends && host->harmed))
        check_note(c, CHECK_LEFT_UNSOUND, row, (struct about){0}, false, "%s", trace_text(row));
}

static void on_image(struct host *host, const struct trace_row *row)
{
    const struct trace_IMAGE_LEFT *is = TRACE_AS(row, IMAGE_LEFT);
    host->image_told = true;
    host->image_offset = is->offset;
    host->image_digest = is->digest;
}

static void on_replayed(struct check *c, const struct host *host, const struct trace_row *row)
{
    const struct trace_IMAGE_REPLAYED *is = TRACE_AS(row, IMAGE_REPLAYED);
    if (!host->image_told || host->damaged || host->image_offset != is->offset)
        return;
    c->counts.images_replayed++;
    if (host->image_digest != is->digest)
        check_note(c, CHECK_IMAGE_NOT_REPLAYED, row, (struct about){.offset = is->offset}, false,
                   "up to %" PRIu64 " its log comes to other records than it knew", is->offset);
}

static void on_end_row(struct check *c, const struct trace_row *row)
{
    struct host *host = check_host(c, row->node);
    if (host == NULL)
        return;
    switch (row->kind) {
    case TRACE_NODE_START:
        host->began_clean = host->ended_clean;
        host->ended_clean = host->image_told = false;
        break;
    case TRACE_BROKER_STOPPED:
        host->ended_clean = TRACE_AS(row, BROKER_STOPPED)->clean != 0;
        host->harmed |= !host->ended_clean;
        break;
    case TRACE_NODE_KILL:
    case TRACE_POWER_LOSS:
    case TRACE_FAULT:
    case TRACE_DIR_OFFLINE:
        host->harmed = true;
        break;
    case TRACE_LOG_REBUILT:
        on_rebuilt(c, row);
        break;
    case TRACE_LEFT_UNSOUND:
        on_unsound(c, row);
        break;
    case TRACE_IMAGE_LEFT:
        on_image(host, row);
        break;
    case TRACE_IMAGE_REPLAYED:
        on_replayed(c, host, row);
        break;
    default:
        break;
    }
}

static const enum trace_kind kinds[] = {
    TRACE_NODE_START, TRACE_BROKER_STOPPED, TRACE_LOG_REBUILT, TRACE_LEFT_UNSOUND,
    TRACE_NODE_KILL,  TRACE_POWER_LOSS,     TRACE_FAULT,       TRACE_DIR_OFFLINE,
    TRACE_IMAGE_LEFT, TRACE_IMAGE_REPLAYED};

const struct check_rule check_rule_ends = {
    .name = "ends",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_end_row,
    .memory = "nodes that there ever were",
};
