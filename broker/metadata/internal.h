/* internal.h - what the files of metadata share and nobody else sees. */
#ifndef KILN_METADATA_INTERNAL_H
#define KILN_METADATA_INTERNAL_H

#include "metadata/metadata.h"

/* ---- map.c ---- */

void metadata_object_retain(struct metadata_object *object);
/* object may be NULL. */
void metadata_object_release(struct metadata_object *object);
/* Takes the object's reference, in place of what stood there. ERR_NOMEM: nothing was taken. */
enum err metadata_map_put(struct metadata_map *map, struct mem *mem,
                          struct metadata_object *object) MUST_USE;
/* Harmless where there is none of that key. ERR_NOMEM. */
enum err metadata_map_remove(struct metadata_map *map, struct mem *mem, struct bytes key) MUST_USE;
/* The place of the object of that key, which is there, in a tree that no other version sees: when
 * the object has no other reference either, it may be changed in place. NULL: no memory. */
struct metadata_object **metadata_map_slot(struct metadata_map *map, struct mem *mem,
                                           struct bytes key);
void metadata_map_share(struct metadata_map *to, const struct metadata_map *from);
void metadata_map_clear(struct metadata_map *map, struct mem *mem);

/* ---- topic.c ---- */

struct metadata_name {
    struct metadata_object object; /* key: the name */
    struct mem *mem;
    struct wire_uuid id;
    char text[];
};

/* One reference each. NULL: no memory. */
struct metadata_name *metadata_name_new(struct mem *mem, struct bytes name,
                                        const struct wire_uuid *id);
/* Retains the name. */
struct metadata_topic *metadata_topic_new(struct mem *mem, struct metadata_name *name);
struct metadata_topic *metadata_topic_copy(const struct metadata_topic *from);
/* Of a topic that nobody else sees. The partition is taken; it stands behind the others, or in
 * place of one. ERR_NOMEM: it was not taken. */
enum err metadata_topic_put(struct metadata_topic *topic, int32_t number,
                            struct metadata_partition *partition) MUST_USE;
/* value.size -1: it is not set any more. ERR_NOMEM. */
enum err metadata_topic_set(struct metadata_topic *topic, struct bytes key,
                            struct wire_string value) MUST_USE;

/* What a partition is made of. */
struct metadata_parts {
    int32_t leader, leader_epoch, partition_epoch;
    int8_t leader_recovery_state;
    struct metadata_ids lists[METADATA_LIST_COUNT];
    const struct wire_uuid *directories; /* for each replica; NULL: none has one */
};

void metadata_parts_of(const struct metadata_partition *p, struct metadata_parts *out);
/* One reference. NULL: no memory. */
struct metadata_partition *metadata_partition_new(struct mem *mem,
                                                  const struct metadata_parts *parts);
void metadata_partition_release(struct mem *mem, struct metadata_partition *p);
const struct wire_uuid *metadata_directories(const struct metadata_partition *p);

/* ---- broker.c ---- */

/* ERR_CORRUPT (msg), ERR_NOMEM. */
enum err metadata_broker_put(struct metadata_image *image,
                             const struct wire_register_broker_record *record,
                             struct errmsg *msg) MUST_USE;

/* ---- kept.c ---- */

/* Keeps the record, or takes away the one of its identity. m is one of the kinds that are kept.
 * ERR_NOMEM. */
enum err metadata_keep(struct metadata_image *image, const struct wire_message *m,
                       const void *record, struct wire_bytes value, struct arena *arena) MUST_USE;

/* topic_value.c: what a value means, as its field holds it. ERR_INVALID, in Kafka's words. */
enum err metadata_topic_value(const struct metadata_key *key, struct bytes value, int64_t *out,
                              struct errmsg *msg) MUST_USE;

#endif
