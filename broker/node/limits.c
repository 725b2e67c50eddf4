/* limits.c - constants of the broker that a test may set small, as rows. Nobody sets them in one
 * that serves. */
#include "node/internal.h"

#define ROW(key, field, low, high, help)                                                           \
    {                                                                                              \
        key, CONFIG_INT, offsetof(struct broker_limits, field), low, high, NULL, "0", help         \
    }

static const struct config_row rows[] = {
    ROW("producer.id.block", producer_id_block, 0, 1 << 20, "ids of a block"),
    ROW("leader.epoch.first", leader_epoch_first, 0, INT32_MAX, "of a partition that is made"),
    ROW("isr.proposals", proposals, 0, 1000, "changes of in-sync replicas in one command"),
    ROW("fetch.partitions", fetch_partitions, 0, 512, "partitions that a replica's fetch names"),
    ROW("log.piece.bytes", log_piece_bytes, 0, 1 << 20, "bytes of a file that are walked at once"),
    ROW("log.recent.batches", log_recent_batches, 0, 512, "batches whose place is remembered"),
    ROW("log.index.cache.bytes", log_index_cache_bytes, 0, INT32_MAX, "of indexes in memory"),
    ROW("log.snapshot.bytes", log_snapshot_bytes, 0, INT32_MAX, "between snapshots of producers"),
    ROW("log.prefix.bytes", log_prefix_bytes, 0, INT32_MAX, "until the active index is saved"),
};

const struct config_table broker_limits_table = {.rows = rows, .count = COUNT_OF(rows)};

void broker_limit_logs(struct broker *b)
{
    const struct broker_limits *l = &b->limits;
    log_set_limit(b->logs, &(struct log_limits){.piece_bytes = (uint32_t)l->log_piece_bytes,
                                                .recent_max = (int32_t)l->log_recent_batches,
                                                .index_cache_bytes = l->log_index_cache_bytes,
                                                .snapshot_bytes = l->log_snapshot_bytes,
                                                .prefix_bytes = l->log_prefix_bytes});
}
