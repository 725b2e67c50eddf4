/* internal.h - what the files of metadata share and nobody else sees. */
#ifndef KILN_METADATA_INTERNAL_H
#define KILN_METADATA_INTERNAL_H

#include "metadata/metadata.h"

#define METADATA_PARTITION_CHANGE_VERSION 2 /* of the records that are written */

/* ---- image.c ---- */

/* Byte order, the shorter first. */
int metadata_compare_names(struct bytes a, struct bytes b);
/* Where a topic of that name or id stands, or would. */
int32_t metadata_name_index(const struct metadata_image *image, struct bytes name);
int32_t metadata_id_index(const struct metadata_image *image, const struct wire_uuid *id);

/* ---- batch.c: records on their way into the log ---- */

#define BATCH_BYTES_MAX (8 << 20) /* KafkaRaftClient.MAX_BATCH_SIZE_BYTES */
#define BATCH_BYTES_FIRST 4096

/* One batch, or several that are appended as one. */
struct batch {
    struct mem *mem;
    struct buf *buf; /* NULL: nothing was added yet */
    size_t start;    /* of the batch being built; before it stand finished ones ... */
    int64_t offset;  /* ... with so many records */
    struct wire_builder builder;
    int64_t timestamp_ms;
    bool control;
};

void metadata_batch_init(struct batch *b, struct mem *mem, int64_t timestamp_ms);
void metadata_batch_free(struct batch *b);
/* What was added so far is a batch that stands at offset; what is added from now on, at least one
 * record, is another. ERR_NOMEM. */
enum err metadata_batch_split(struct batch *b, int64_t offset, int32_t epoch) MUST_USE;
/* How many records it has. */
int64_t metadata_batch_count(const struct batch *b);
/* ERR_NOMEM, ERR_LIMIT (the batch would become too large), else as wire_encode. */
enum err metadata_batch_add(struct batch *b, const struct wire_message *m, int version,
                            const void *record) MUST_USE;
enum err metadata_batch_add_leader_change(struct batch *b,
                                          const struct wire_leader_change_message *m) MUST_USE;
/* Finishes it. What the log holds when it stands at offset: image and the batch. ERR_NOMEM and
 * those of metadata_edit_apply. */
enum err metadata_batch_image(struct batch *b, int64_t offset, int32_t epoch,
                              const struct metadata_image *base, struct metadata_image **out,
                              struct errmsg *msg) MUST_USE;
/* Applies the records of a stored batch. */
enum err metadata_batch_replay(struct metadata_edit *edit, const struct wire_batch *batch,
                               struct bytes in, struct arena *arena, struct errmsg *msg) MUST_USE;

/* ---- the live part ---- */

/* One appended batch that is not published yet. */
struct change {
    struct list link;
    uint64_t number;
    int64_t first, end;                   /* offsets: first, and behind the last */
    struct metadata_image *image;         /* with it */
    const struct metadata_topic **topics; /* that are new in it; the image holds them */
    int32_t topic_count;
    int64_t producer_ids; /* first of a new block; -1: none */
};

struct replay; /* of metadata_open */

struct metadata {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct dir *dir; /* that of the logs */
    struct log_set *logs;
    struct metadata_settings settings;
    struct metadata_watch *watch;
    struct log *log;
    struct log_watch log_watch;
    int32_t epoch;
    struct metadata_image *current; /* durable and prepared */
    struct metadata_image *tail;    /* with all changes that were appended */
    struct list changes;            /* not yet published, oldest first */
    uint64_t change_last;           /* number of the newest */
    bool preparing;                 /* the owner is told of the oldest change */
    bool advancing, advance_again;
    struct list creates; /* that wait for a change */
    struct list ids;     /* producer id requests that wait for a block */
    struct list assigns; /* that wait until they are durable, oldest first */
    int64_t id_next, id_end;
    bool id_block_asked;
    struct metadata_op *op; /* open, register, close: one at a time */
    uint64_t op_change;     /* op is done when this change is published */
    struct replay *replay;  /* until all is replayed */
    struct replay *to_lead; /* then: what leading needs, until its first records are published */
    uint64_t lead_change;   /* those; 0: not appended */
    bool resting;           /* no attempt begins any more */
    bool put_off, leading;  /* by a full disk; an attempt to write what comes first is under way */
    struct env_timer again; /* the next attempt */
    struct log_op log_closing;
    bool closing, closed, offline;
};

/* change.c */
/* Appends the batch (which it takes) and queues what comes of it. Returns Kafka's code. */
int16_t metadata_change_append(struct metadata *m, struct batch *b, struct change *change,
                               struct errmsg *msg);
struct change *metadata_change_new(struct metadata *m, int32_t topic_max);
void metadata_change_free(struct metadata *m, struct change *change);
/* Publishes what is durable; the log's watch and everything that may let it go on. */
void metadata_change_advance(struct metadata *m);
void metadata_change_moved(struct log_watch *watch, enum err e);
void metadata_change_cut(struct log_watch *watch, int64_t end);
void metadata_op_done(struct metadata *m, enum err e);

/* quorum_state.c */
void metadata_quorum_state_print(struct text *out, int32_t node_id, int32_t epoch);
/* False when it is no such file. */
bool metadata_quorum_state_parse(struct bytes file, int32_t *epoch);

/* quorum.c */
/* The last change has been published or has failed: metadata_close goes on. */
void metadata_quorum_close(struct metadata *m);
/* The records that come first are published. */
void metadata_quorum_led(struct metadata *m);
/* They have been taken back. False: it is not a full disk that can be waited for. */
bool metadata_quorum_unled(struct metadata *m) MUST_USE;
/* No change may begin. */
bool metadata_refuses(const struct metadata *m);

/* assign.c */
/* Tells those whose records are durable; and those whose records, at or above end, never will be.
 */
void metadata_assigns_durable(struct metadata *m);
void metadata_assigns_fail(struct metadata *m, int64_t end);

/* producer_id.c */
void metadata_producer_ids_usable(struct metadata *m, int64_t first);
void metadata_producer_ids_fail(struct metadata *m, int16_t code);

/* topic_value.c: what a value means, as its field holds it. ERR_INVALID, in Kafka's words. */
enum err metadata_topic_value(const struct metadata_key *key, struct bytes value, int64_t *out,
                              struct errmsg *msg) MUST_USE;

#endif
