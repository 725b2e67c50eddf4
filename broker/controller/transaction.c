/* transaction.c - records that are too many for one batch, as a metadata transaction (KIP-868): a
 * record that begins it, batches, and a record that ends it. Pure. */
#include "controller/internal.h"

/* A record has a head of its own and may be followed by the one that ends the transaction. */
#define RECORD_BYTES_MORE 64

enum err controller_expect(struct metadata_batch *batch, int64_t record_count, int64_t bytes,
                           const char *name)
{
    ASSERT(!batch->in_transaction);
    int64_t sum = bytes + record_count * RECORD_BYTES_MORE;
    if (metadata_batch_write_count(batch) + record_count <= METADATA_RECORDS_MAX &&
        sum <= METADATA_BATCH_BYTES_MAX / 2)
        return ERR_NONE;
    struct wire_begin_transaction_record record = {.name = wire_text(name)};
    batch->in_transaction = true;
    return metadata_batch_add(batch, &wire_begin_transaction_record_message, 0, &record);
}

enum err controller_add(struct metadata_batch *batch, const struct wire_message *m, int version,
                        const void *record)
{
    enum err e = ERR_NONE;
    bool is_full = metadata_batch_write_count(batch) >= METADATA_RECORDS_MAX;
    if (batch->in_transaction && is_full)
        e = metadata_batch_next_write(batch);
    if (e == ERR_NONE)
        e = metadata_batch_add(batch, m, version, record);
    if (e != ERR_LIMIT || !batch->in_transaction || metadata_batch_write_count(batch) == 0)
        return e;
    e = metadata_batch_next_write(batch);
    return e == ERR_NONE ? metadata_batch_add(batch, m, version, record) : e;
}

enum err controller_end(struct metadata_batch *batch)
{
    struct wire_end_transaction_record record;
    if (!batch->in_transaction)
        return ERR_NONE;
    wire_defaults(&wire_end_transaction_record_message, &record);
    enum err e = controller_add(batch, &wire_end_transaction_record_message, 0, &record);
    batch->in_transaction = false;
    return e;
}

enum err controller_abort(struct metadata_batch *batch)
{
    struct wire_abort_transaction_record record = {
        .reason = wire_text("its leader did not come to its end")};
    return metadata_batch_add(batch, &wire_abort_transaction_record_message, 0, &record);
}
