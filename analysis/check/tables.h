/* tables.h - what the checks remember: records by sender and sequence, slots by partition and
 * offset, both in pages that go when their log has expired, so that memory follows the lag and not
 * the history. */
#ifndef KILN_CHECK_TABLES_H
#define KILN_CHECK_TABLES_H

#include "check/check.h"

#define PAGE_BITS 10
#define PAGE_COUNT (1u << PAGE_BITS)

enum value_state {
    VALUE_SENT = 1,
    VALUE_OK = 2,
    VALUE_FAIL = 4,
    VALUE_UNKNOWN = 8,
    VALUE_PLACED = 16, /* offset is where it stands; before that, the greatest offset acknowledged
                          when it was sent */
    VALUE_SEEN = 32,
    VALUE_EXPIRED = 64, /* its offset is below the log start */
    VALUE_LOST = 128,   /* found to be gone already */
};

#define NO_OFFSET UINT64_MAX
#define NO_PART UINT32_MAX /* nobody knows yet where the record went */

struct value {
    uint64_t offset;
    int64_t at_ns; /* when it was sent, then when it was acknowledged */
    uint32_t part;
    uint32_t body;
    uint8_t state, flags;
};

struct value_page {
    uint32_t sent_count, closed_count;
    struct value values[PAGE_COUNT];
};

/* One sender. */
struct session {
    struct hmap_node node;
    uint64_t id;
    struct value_page **pages; /* NULL: not yet, or gone again (index < page_end) */
    uint32_t page_cap, page_end;
    uint64_t sequence_end; /* what has been sent is below it */
};

struct slot_page {
    uint64_t vid[PAGE_COUNT]; /* vid + 1; 0: nothing seen there */
};

/* One topic that a name had; those that had it one after the other are chained, the newest first.
 */
struct topic {
    uint64_t id;          /* trace_topic_id(); 0: nobody has said it yet */
    struct topic *older;  /* of that name */
    struct trace_row row; /* of the first answer that said it is there */
    bool acked, seen;
    bool asked_to_go;    /* somebody wants it deleted: it may be gone from now on */
    bool removed;        /* the metadata log says so: it is */
    uint64_t removed_on; /* the nodes that have said it, a bit each */
};

struct topic_name {
    struct hmap_node node;
    uint64_t name;
    struct topic *newest;
    uint32_t deletions; /* that may still be done: not answered, or never to be */
};

/* One partition of one topic as clients see it. Rows that do not say of which topic are taken to
 * speak of the newest that has the name. */
struct part {
    uint64_t id, topic_id; /* as rows call them; topic_id 0: nobody has said it yet */
    struct part *older;    /* of that name */
    uint32_t index;
    struct slot_page **pages; /* of offsets from page_first on */
    uint64_t page_first;
    uint32_t page_cap, page_count;
    uint64_t start;     /* log start offset */
    uint64_t seen_end;  /* behind the greatest offset that anybody told of */
    uint64_t acked_end; /* behind the greatest offset acknowledged */
    uint64_t final_end;
    uint64_t cut_count;          /* cuts that took records: what was known of their order is void */
    uint64_t lost_from, lost_to; /* what the latest loss of power took of it, */
    int64_t lost_ns;             /* and when */
    bool final;
    bool opened;        /* some node has opened a log of it */
    bool removed;       /* with its topic, */
    int64_t removed_ns; /* and when the metadata log said so first */
    bool left_out;      /* check_leave_out */
};

struct part_name {
    struct hmap_node node;
    uint64_t id;
    struct part *newest;
    bool left_out; /* whichever topic has the name */
};

/* The last sent, by session and partition; the position of a reader, by node and partition; the
 * last of a key. */
struct place {
    struct hmap_node node;
    uint64_t key[3];
    uint64_t sequence, offset, op, cut_count;
};

#define PLACES_LAST 8 /* a power of two */

struct tables {
    struct mem *mem;
    struct hmap sessions, part_names, topic_names, places;
    struct part **part_list;
    uint32_t part_count, part_cap;
    struct session *last;
    struct part_name *part_name_last;
    struct place *places_last[PLACES_LAST]; /* found last, by their hash; none is ever removed */
    bool failed;                            /* out of memory */
};

enum err check_tables_init(struct tables *t, struct mem *mem) MUST_USE;
void check_tables_free(struct tables *t);
/* NULL: out of memory, and failed is set. */
struct part_name *check_tables_part_name(struct tables *t, uint64_t id);
/* topic_id 0: of the newest topic of that name. */
struct part *check_tables_part(struct tables *t, uint64_t id, uint64_t topic_id);
struct topic_name *check_tables_topic_name(struct tables *t, uint64_t name);
struct topic *check_tables_topic(struct tables *t, uint64_t name, uint64_t topic_id);
/* NULL: nobody has named it. */
struct topic *check_tables_topic_of(struct tables *t, uint64_t topic_id);
/* The topic is gone: what its partitions held needs no more attention. */
void check_tables_remove(struct tables *t, uint64_t topic_id, int64_t now_ns);
struct session *check_tables_session(struct tables *t, uint64_t id);
/* Zeroed when new; *fresh says so. */
struct place *check_tables_place(struct tables *t, uint64_t a, uint64_t b, uint64_t c, bool *fresh);
/* Makes the value of a new vid; NULL when it was sent before or memory is out. */
struct value *check_tables_send(struct tables *t, uint64_t vid);
/* NULL: never sent, or gone with its page (*gone). */
struct value *check_tables_value(struct tables *t, uint64_t vid, bool *gone);
/* The slot of an offset: vid + 1, or 0; NULL below the first page or out of memory. */
uint64_t *check_tables_slot(struct tables *t, struct part *part, uint64_t offset);
/* Moves the log start and lets go of slots and values below it. */
void check_tables_expire(struct tables *t, struct part *part, uint64_t start);
/* A value that needs no more attention; its page goes when all of it is closed. */
void check_tables_close(struct tables *t, uint64_t vid);

#endif
