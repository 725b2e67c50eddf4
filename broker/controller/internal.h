/* internal.h - what the files of controller share and nobody else sees. */
#ifndef KILN_CONTROLLER_INTERNAL_H
#define KILN_CONTROLLER_INTERNAL_H

#include "controller/controller.h"

#define PARTITION_CHANGE_VERSION 2 /* of the records that are written */

/* One verb. */
struct verb {
    /* As controller_decide; the command's own results are set to nothing. */
    void (*decide)(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch);
    /* As controller_lost. NULL: its code is all that there is. */
    void (*lost)(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence);
};

extern const struct verb controller_verb_register, controller_verb_create_topics,
    controller_verb_delete_topics, controller_verb_alter_configs, controller_verb_create_partitions,
    controller_verb_assign_directories, controller_verb_allocate_producer_ids,
    controller_verb_update_features;

/* ---- transaction.c: what is too much for one batch (KIP-868) ---- */

/* That so many records, of so many bytes, will be added. What does not fit into one batch becomes a
 * metadata transaction, which readers see whole or not at all. Errors as metadata_batch_add. */
enum err controller_expect(struct metadata_batch *batch, int64_t record_count, int64_t bytes,
                           const char *name) MUST_USE;
/* As metadata_batch_add; in a transaction a full batch is followed by another one. */
enum err controller_add(struct metadata_batch *batch, const struct wire_message *m, int version,
                        const void *record) MUST_USE;
/* All has been added. */
enum err controller_end(struct metadata_batch *batch) MUST_USE;
/* Somebody began a transaction and did not come to its end: it never happened. */
enum err controller_abort(struct metadata_batch *batch) MUST_USE;

/* What a topic has that sets nothing itself. */
void controller_topic_defaults(const struct controller_view *view,
                               struct metadata_topic_config *out);
/* Whether these brokers may have a partition, in ascending order of their ids
 * (ReplicationControlManager.validateManualPartitionAssignment): 0, or Kafka's code with a
 * sentence.
 */
int16_t controller_check_replicas(const struct controller_view *view, const int32_t *broker_ids,
                                  int32_t broker_count, struct errmsg *msg);
/* A new partition, in no log directory yet: that it is in one is written down when it has been made
 * (assign.c). */
enum err controller_add_partition(const struct controller_view *view, struct metadata_batch *batch,
                                  const struct wire_uuid *topic_id, int32_t partition) MUST_USE;
/* A random id of version 4 (RFC 4122) for that use. */
struct wire_uuid controller_draw_uuid(struct controller_chance *chance, const char *site,
                                      uint64_t key);
/* Kafka's code for a record that could not be added. */
int16_t controller_code_of(enum err e);

#endif
