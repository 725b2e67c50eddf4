/* internal.h - what the files of metadata share and nobody else sees. */
#ifndef KILN_METADATA_INTERNAL_H
#define KILN_METADATA_INTERNAL_H

#include "metadata/metadata.h"

/* ---- image.c ---- */

/* Where a topic of that name or id stands, or would. */
int32_t metadata_name_index(const struct metadata_image *image, struct bytes name);
int32_t metadata_id_index(const struct metadata_image *image, const struct wire_uuid *id);

/* topic_value.c: what a value means, as its field holds it. ERR_INVALID, in Kafka's words. */
enum err metadata_topic_value(const struct metadata_key *key, struct bytes value, int64_t *out,
                              struct errmsg *msg) MUST_USE;

#endif
