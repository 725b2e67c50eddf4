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

/* What stands at an offset: as clients told, and as the canonical log has it. */
struct slot {
    uint64_t vid;  /* vid + 1; 0: nobody has told of it */
    uint32_t mark; /* of batch and place within it; 0: no leader has shown it */
    int32_t epoch;
    int64_t timestamp; /* as clients were told; INT64_MIN: they were not */
};

struct slot_page {
    int64_t timestamp_max;
    struct slot slots[PAGE_COUNT];
};

/* One topic that a name had; those that had it one after the other are chained, the newest first.
 */
struct topic {
    uint64_t id;          /* trace_topic_id(); 0: nobody has said it yet */
    struct topic *older;  /* of that name */
    struct trace_row row; /* of the first answer that said it is there */
    /* In force, once somebody has said so. */
    bool has_settings, durable, unclean;
    int64_t partitions, retention_ms, min_insync;
    int64_t retention_ms_before, changed_ns;                           /* until then */
    int64_t retention_bytes, retention_bytes_before, bytes_changed_ns; /* likewise */
    bool acked, seen;
    bool asked_to_go;    /* somebody wants it deleted: it may be gone from now on */
    int64_t added_ns;    /* when the metadata log said so first; INT64_MAX: it has not */
    bool removed;        /* the metadata log says so: it is */
    uint64_t removed_on; /* the nodes that have said it, a bit each */
};

struct topic_name {
    struct hmap_node node;
    uint64_t name;
    struct topic *newest;
    uint32_t deletions; /* that may still be done: not answered, or never to be */
};

/* Which life led in an epoch. */
struct check_lead {
    int32_t epoch;
    uint32_t node;
    uint16_t life;
    bool known;
};
#define LEADS_MAX 16

/* How far a log was acknowledged, and since when. */
struct acked {
    int64_t at_ns;
    uint64_t end;
};
#define ACKED_MAX 128 /* a power of two */

/* What the metadata log says of a partition. Sets of brokers have a bit for each, by its id modulo
 * TRACE_BROKER_BITS. */
struct part_state {
    bool known;
    bool moved;     /* since that was judged */
    int64_t leader; /* -1: nobody */
    int64_t leader_epoch, partition_epoch;
    uint64_t replicas, isr, elr, last_known;
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
    uint64_t start;                /* log start offset */
    uint64_t seen_end;             /* behind the greatest offset that anybody told of */
    uint64_t acked_end;            /* behind the greatest offset acknowledged */
    struct acked acked[ACKED_MAX]; /* how acked_end moved, a ring */
    uint32_t acked_count;          /* there ever were */
    uint64_t safe_end;             /* acked_end of acks=all */
    int64_t safe_ns;               /* when it moved */
    /* The canonical log: what the newest leader has shown. */
    uint64_t canon_end;
    int32_t leader_epoch; /* newest; -1: none has been elected yet */
    uint32_t leader_node;
    struct check_lead leads[LEADS_MAX]; /* the latest, by epoch modulo their number */
    struct list replicas;               /* struct replica.of_part */
    struct part_state state;
    struct topic *topic;   /* NULL: nobody has named it yet */
    bool offline;          /* a broker says so; until a log of it is opened again */
    int64_t led_ns;        /* when somebody began to lead it last, */
    int64_t led_before_ns; /* and the time before that */
    int64_t moved_ns;      /* when one that led before another did was last heard of; -1: never */
    int64_t refused_ns;    /* when a batch was last refused for its sequence */
    bool grown;            /* its topic has more partitions now than when it was made */
    uint64_t final_end;
    uint64_t cut_count; /* cuts that took records: what was known of their order is void */
    uint64_t soft_end, lost_soft; /* shown up to there under flush.policy = os; before that loss */
    uint64_t lost_from, lost_to;  /* what losses of power and elections took of it, */
    int64_t lost_ns;              /* and the last one when */
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

/* What the third word of a place's key says it is; the hash of a key may stand above. */
enum place_kind {
    PLACE_SENT = 1,    /* the last acknowledged of a session in a partition */
    PLACE_READER,      /* where a node reads a partition */
    PLACE_KEY,         /* the last of a key that a node read */
    PLACE_PRODUCER_ID, /* given out */
    PLACE_ASKED,       /* what a node last asked a partition's offset for */
    PLACE_KEY_HOME,    /* the partition that a topic's key goes to */
    PLACE_WAITS,       /* since when a node's polls bring nothing */
    PLACE_LIMITS,      /* what a session gives a record */
    PLACE_IDENTITY,    /* the producer id that a session has, and since when */
};
#define PLACE_KEY_SHIFT 4

/* The last sent, by session and partition; the position of a reader, by node and partition; the
 * last of a key. */
struct place {
    struct hmap_node node;
    uint64_t key[3];
    uint64_t sequence, offset, op, cut_count;
    int64_t epoch, at_ns;
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
/* It has another number of partitions now. */
void check_tables_grow_topic(struct tables *t, uint64_t topic_id);
/* The topic is gone: what its partitions held needs no more attention. */
void check_tables_remove(struct tables *t, uint64_t topic_id, int64_t now_ns);
struct session *check_tables_session(struct tables *t, uint64_t id);
/* Zeroed when new; *fresh says so. */
struct place *check_tables_place(struct tables *t, uint64_t a, uint64_t b, uint64_t c, bool *fresh);
/* NULL: there is none. */
struct place *check_tables_find_place(struct tables *t, uint64_t a, uint64_t b, uint64_t c);
/* Makes the value of a new vid; NULL when it was sent before or memory is out. */
struct value *check_tables_send(struct tables *t, uint64_t vid);
/* NULL: never sent, or gone with its page (*gone). */
struct value *check_tables_value(struct tables *t, uint64_t vid, bool *gone);
/* The slot of an offset; NULL below the first page or out of memory. */
struct slot *check_tables_slot(struct tables *t, struct part *part, uint64_t offset);
/* The same where there is one already, else NULL. */
struct slot *check_tables_peek(const struct part *part, uint64_t offset);
/* The record at the offset has that timestamp. */
void check_tables_time(struct tables *t, struct part *part, uint64_t offset, int64_t timestamp);
/* The first offset from the log start to end, end not included, whose record is at least so late;
 * end: none is known to be. */
uint64_t check_tables_first_at(const struct part *part, int64_t timestamp, uint64_t end);
/* The topic of the part, once somebody has named it. */
struct topic *check_tables_topic_of_part(struct tables *t, struct part *part);
/* Moves the log start and lets go of slots and values below it. */
void check_tables_expire(struct tables *t, struct part *part, uint64_t start);
/* A value that needs no more attention; its page goes when all of it is closed. */
void check_tables_close(struct tables *t, uint64_t vid);

#endif
