/* wire.h - Kafka's protocol: messages as rows with one engine for all of them, error codes, and
 * record batches by hand. Pure: bytes in, values out; it knows no stream, file or clock. Every
 * count, length and depth that comes from outside is checked before it is used. */
#ifndef KILN_WIRE_H
#define KILN_WIRE_H

#include "base/base.h"
#include "wire/codec.h"

/* ---- values ---- */

/* Not zero-terminated. size -1: null. What was decoded is a view into the input. */
struct wire_string {
    const char *data;
    int32_t size;
};

/* size -1: null. data NULL with size > 0: external bytes, see wire_encode. */
struct wire_bytes {
    const uint8_t *data;
    int32_t size;
};

struct wire_uuid {
    uint8_t b[16];
};

#define WIRE_NULL_STRING ((struct wire_string){.size = -1})
#define WIRE_NULL_BYTES ((struct wire_bytes){.size = -1})

/* text must outlive the value; NULL gives the null string. */
static inline struct wire_string wire_text(const char *text)
{
    if (text == NULL)
        return WIRE_NULL_STRING;
    return (struct wire_string){.data = text, .size = (int32_t)strlen(text)};
}

static inline bool wire_string_equal(struct wire_string a, struct wire_string b)
{
    return a.size == b.size && (a.size <= 0 || memcmp(a.data, b.data, (size_t)a.size) == 0);
}

static inline bool wire_uuid_equal(const struct wire_uuid *a, const struct wire_uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* 22 characters of base64url and a zero: how Kafka spells ids in its files and tools. */
#define WIRE_UUID_TEXT_SIZE 23
void wire_uuid_print(const struct wire_uuid *uuid, char text[WIRE_UUID_TEXT_SIZE]);
/* ERR_INVALID: not 22 characters of base64url. */
enum err wire_uuid_parse(struct bytes text, struct wire_uuid *out) MUST_USE;

/* ---- messages ---- */

/* struct wire_<message> and struct wire_<part of a message> for each row of rows.def. Fields bear
 * Kafka's names in snake case. An array x is x_count (-1: null) and the pointer x. */
#define WIRE_PASTE(a, b, c) a##b##c
#define WIRE_NAME(a, b, c) WIRE_PASTE(a, b, c)
#define WIRE_C_BOOL bool
#define WIRE_C_INT8 int8_t
#define WIRE_C_INT16 int16_t
#define WIRE_C_UINT16 uint16_t
#define WIRE_C_INT32 int32_t
#define WIRE_C_INT64 int64_t
#define WIRE_C_FLOAT64 int64_t /* the bits of a double: nothing here reckons with it */
#define WIRE_C_STRING struct wire_string
#define WIRE_C_RECORDS struct wire_bytes /* also plain bytes, which look the same */
#define WIRE_C_UUID struct wire_uuid

#define BEGIN(key, oldest, newest, flexible) struct WIRE_NAME(wire_, M, ) {
#define STRUCT struct WIRE_NAME(wire_, M, ) {
#define FIELD(name, type, ...) WIRE_C_##type name;
#define LIST(name, type, ...)                                                                      \
    int32_t name##_count;                                                                          \
    WIRE_C_##type *name;
#define ARRAY(name, part, ...)                                                                     \
    int32_t name##_count;                                                                          \
    struct wire_##part *name;
#define NESTED(name, part, ...) struct wire_##part name;
#define END                                                                                        \
    }                                                                                              \
    ;
#include "wire/rows.def"

struct wire_field; /* one row; the engine's own */

struct wire_message {
    const char *name;                /* "produce_request" */
    int16_t key;                     /* of the API or of the metadata record; -1: neither */
    int8_t oldest, newest;           /* versions that decode and encode */
    int8_t flexible_since;           /* compact lengths and tagged fields (KIP-482) */
    uint32_t size;                   /* of its struct */
    const struct wire_field *fields; /* in the order of the bytes */
};

/* wire_produce_request_message and so on, for each BEGIN in rows.def; and for each block
 * wire_<name>_defaults, which fills a struct with what its fields are when nothing says otherwise.
 */
#define BEGIN(...)                                                                                 \
    extern const struct wire_message WIRE_NAME(wire_, M, _message);                                \
    STRUCT
#define STRUCT void WIRE_NAME(wire_, M, _defaults)(struct WIRE_NAME(wire_, M, ) * out);
#define FIELD(...)
#define LIST(...)
#define ARRAY(...)
#define NESTED(...)
#define END
#include "wire/rows.def"

/* All of them. */
extern const struct wire_message *const wire_messages[];
extern const int wire_message_count;

/* By which listeners an API is asked (ApiMessageType.ListenerType). */
enum wire_on {
    WIRE_ON_BROKER = 1,     /* clients', and other brokers' */
    WIRE_ON_CONTROLLER = 2, /* of the metadata quorum */
};

/* One API that kiln speaks. */
struct wire_api {
    const char *name; /* "Produce" */
    int16_t key;
    uint8_t listeners; /* enum wire_on, several */
    /* What ApiVersions says; advertised_oldest may be below what is served (KAFKA-18659). A request
     * of a version that its message lacks is answered with UNSUPPORTED_VERSION. */
    int16_t advertised_oldest;
    const struct wire_message *request, *response;
};

/* In the order of their keys. */
extern const struct wire_api wire_apis[];
extern const int wire_api_count;
/* NULL when kiln does not speak it. */
const struct wire_api *wire_api(int16_t key);
bool wire_api_serves(const struct wire_api *api, int16_t version);
/* Versions of the headers: 2 or 1 for requests; for answers 1 or 0, and always 0 for ApiVersions,
 * whose asker does not know yet what we speak (KIP-511). */
int wire_request_header_version(const struct wire_api *api, int16_t version);
int wire_response_header_version(const struct wire_api *api, int16_t version);

/* What the metadata record of that type looks like; NULL: none that kiln knows. */
const struct wire_message *wire_metadata_message(uint32_t type);

/* wire_<name>_defaults for a message that is not known by name. */
void wire_defaults(const struct wire_message *m, void *out);

/* Decodes in from its start; *used is what it took. used NULL: anything behind it is an error.
 * Strings and records are views into in; arrays are the arena's. out is m->size bytes.
 * ERR_CORRUPT (msg holds the field's path), ERR_NOMEM (also the arena's limit; no count takes more
 * than the bytes left could hold), ERR_UNSUPPORTED (a version outside of the message's). Unknown
 * tagged fields are passed over. On error out holds nothing of use. */
enum err wire_decode(const struct wire_message *m, int version, struct bytes in, size_t *used,
                     void *out, struct arena *arena, struct errmsg *msg) MUST_USE;

/* wire_decode for what a client asks, as lenient as Kafka is (ByteBufferAccessor reads as far as
 * the schema goes): what stands behind the last field is passed over; tagged fields may come in any
 * order, of one that comes twice the last counts, and the size of a known one is not believed; of a
 * length 32 bits are read, and any below zero is null; text that is no UTF-8 is what Java makes of
 * it, in the arena. For requests alone: in files, records and answers such bytes are damage. Errors
 * as wire_decode. */
enum err wire_decode_request(const struct wire_message *m, int version, struct bytes in, void *out,
                             struct arena *arena, struct errmsg *msg) MUST_USE;

/* Decodes the header at the start of a frame, in the version that its own first fields tell, tagged
 * fields as wire_decode_request does. A key or version that kiln does not know gives a header too,
 * up to the client id; ask wire_api and wire_api_serves. ERR_CORRUPT. */
enum err wire_decode_request_header(struct bytes in, size_t *used, struct wire_request_header *out,
                                    struct errmsg *msg) MUST_USE;

/* External bytes that belong at an offset of what was encoded. */
struct wire_gap {
    size_t offset;
    int32_t size;
};

/* Bytes being encoded. Everything here may be read; only the functions change it. */
struct wire_out {
    struct mem *mem; /* NULL: data is the caller's and does not grow */
    uint8_t *data;
    size_t size, cap;
    struct wire_gap *gaps; /* ascending */
    int32_t gap_count, gap_cap;
    const char *field; /* ERR_INVALID: the field that cannot be encoded */
};

/* Grows in mem. */
void wire_out_init(struct wire_out *out, struct mem *mem);
/* In the caller's bytes; ERR_LIMIT when they are too few, and for external bytes. */
void wire_out_fixed(struct wire_out *out, uint8_t *data, size_t cap);
/* Forgets what was encoded and keeps the room for the next. */
void wire_out_reset(struct wire_out *out);
void wire_out_free(struct wire_out *out);

/* Appends the message. Records with data NULL and size > 0 are external: only their length is
 * written and a gap is noted, where the caller sends them from elsewhere (wire_out.size does not
 * count them). ERR_INVALID (a field of a version that lacks it is set and not ignorable, null where
 * the version has no null, a string too long), ERR_UNSUPPORTED (version), ERR_NOMEM, ERR_LIMIT. On
 * error out is as it was but for field. */
enum err wire_encode(const struct wire_message *m, int version, const void *in,
                     struct wire_out *out) MUST_USE;
/* How many bytes wire_encode would append, without those in gaps. ERR_INVALID, ERR_UNSUPPORTED. */
enum err wire_size(const struct wire_message *m, int version, const void *in, size_t *out) MUST_USE;

/* Adds the fields of that version as one line of JSON; tagged fields only when set, records as
 * their number of bytes, ids as wire_uuid_print. */
void wire_print(const struct wire_message *m, int version, const void *in, struct text *out);
/* Compares all fields of all versions; external records equal external records of their size. */
bool wire_equal(const struct wire_message *m, const void *a, const void *b);
/* A random message that encodes in that version; fields of other versions are at their defaults.
 * ERR_NOMEM. */
enum err wire_generate(const struct wire_message *m, int version, struct rng *rng,
                       struct arena *arena, void *out) MUST_USE;

/* ---- error codes ---- */

/* Kafka's int16 error codes (org.apache.kafka.common.protocol.Errors): data, not control flow. */
enum wire_error {
#define WIRE_ERROR(code, name, text) WIRE_ERROR_##name = (code),
#include "wire/errors.def"
#undef WIRE_ERROR
};

/* "NOT_LEADER_OR_FOLLOWER"; "UNKNOWN_ERROR" for a code without a name. */
const char *wire_error_name(int16_t code);
/* One sentence without a full stop; for a code without a name one that says so. */
const char *wire_error_text(int16_t code);

/* ---- variable length integers ---- */

#define WIRE_VARINT_MAX 5
#define WIRE_VARLONG_MAX 10

static inline uint32_t wire_zigzag32(int32_t v)
{
    return (uint32_t)v << 1 ^ (uint32_t)(v >> 31);
}

static inline uint64_t wire_zigzag64(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int32_t wire_unzigzag32(uint32_t v)
{
    return (int32_t)(v >> 1 ^ (0u - (v & 1)));
}

static inline int64_t wire_unzigzag64(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0ull - (v & 1)));
}

/* Bytes of v: 1 to WIRE_VARLONG_MAX. */
static inline int wire_uvarint_size(uint64_t v)
{
    return (70 - __builtin_clzll(v | 1)) / 7;
}

/* Writes v at p, which has room for it; returns how many bytes. */
static inline int wire_uvarint_put(uint8_t *p, uint64_t v)
{
    int n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

/* Reads at most left bytes; returns how many v took, or 0: they end inside, or v does not fit. */
int wire_uvarint_get(const uint8_t *p, size_t left, uint32_t *v) MUST_USE;
int wire_uvarlong_get(const uint8_t *p, size_t left, uint64_t *v) MUST_USE;

/* ---- record batches (protocol.md 6.1; magic 2 only) ---- */

#define WIRE_BATCH_HEAD 61   /* bytes before the records */
#define WIRE_BATCH_PREFIX 12 /* base offset and length: enough to know where the batch ends */
#define WIRE_BATCH_MAGIC 2
#define WIRE_RECORD_MIN 7 /* bytes of the smallest record: seven numbers of one byte */

/* Bits of the attributes. */
#define WIRE_BATCH_CODEC 0x07
#define WIRE_BATCH_LOG_APPEND_TIME 0x08
#define WIRE_BATCH_TRANSACTIONAL 0x10
#define WIRE_BATCH_CONTROL 0x20
#define WIRE_BATCH_DELETE_HORIZON 0x40

/* A batch's head. */
struct wire_batch {
    int64_t base_offset;
    int32_t size; /* of the whole batch: the length on the wire plus WIRE_BATCH_PREFIX */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

static inline int64_t wire_batch_last_offset(const struct wire_batch *b)
{
    return b->base_offset + b->last_offset_delta;
}

static inline enum wire_codec wire_batch_codec(const struct wire_batch *b)
{
    return (enum wire_codec)(b->attributes & WIRE_BATCH_CODEC);
}

/* What stands at a place where a batch should. */
enum wire_at {
    WIRE_AT_BATCH,   /* a whole batch whose head makes sense; its CRC is not looked at */
    WIRE_AT_END,     /* nothing: the bytes end here */
    WIRE_AT_TORN,    /* the bytes end inside of the batch, and what there is makes sense */
    WIRE_AT_CORRUPT, /* no batch of magic 2, or a head that cannot be; msg says why */
};

/* Looks at in[at]; at <= in.size. Walk a range by at += out->size. WIRE_AT_TORN with in.size - at
 * >= WIRE_BATCH_HEAD has filled *out, so that a reader of a file knows how much to read. */
enum wire_at wire_batch_at(struct bytes in, size_t at, struct wire_batch *out, struct errmsg *msg);
/* What stands at a place of a produce request's records, as Kafka takes it
 * (ByteBufferLogInputStream, ProduceRequest.validateRecords). */
enum wire_sent {
    WIRE_SENT_NONE,    /* no whole batch: what stands here is passed over */
    WIRE_SENT_CORRUPT, /* Kafka's CORRUPT_MESSAGE */
    WIRE_SENT_OLD,     /* a batch of an older format */
    WIRE_SENT_BATCH,   /* out->size bytes are there; nothing else of the head is known to be true */
};
enum wire_sent wire_batch_sent(struct bytes in, size_t at, struct wire_batch *out);
/* Compares the CRC of a whole batch. ERR_CORRUPT. */
enum err wire_batch_verify(const struct wire_batch *b, const uint8_t *batch,
                           struct errmsg *msg) MUST_USE;

/* In place, in a whole batch. The first two stand outside of the CRC. */
void wire_batch_set_offset(uint8_t *batch, int64_t base_offset);
void wire_batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch);
/* Makes it a batch of log append time; computes the CRC anew. */
void wire_batch_set_append_time(uint8_t *batch, int64_t timestamp_ms);

/* In place, in a whole batch: whose clock its timestamps are, and the greatest of them (all of
 * them, with append_time). The CRC is computed anew only when that changes something. */
void wire_batch_set_timestamp(uint8_t *batch, bool append_time, int64_t max_timestamp_ms);

struct wire_record {
    int64_t offset, timestamp_ms;
    struct wire_bytes key, value; /* views */
    int32_t header_count;
    struct bytes headers; /* checked; see wire_record_headers */
    struct bytes inside;  /* all that the record's length counts */
};

struct wire_record_header {
    struct wire_string key; /* never null */
    struct wire_bytes value;
};

/* The records of a batch, one after the other. Whatever its codec:
 *
 *     e = wire_records_open(&it, mem, &batch, in, msg);
 *     while (e == ERR_NONE && it.left > 0) {
 *         e = wire_records_next(&it, &record, msg);
 *         ...
 *     }
 *     wire_records_close(&it);
 *
 * A compressed batch is decompressed as it is read, so that memory holds a piece of it and its
 * largest record, never the whole. */
struct wire_records {
    struct wire_batch batch;
    const uint8_t *next, *end;
    int32_t left;       /* records not yet given */
    int32_t last_delta; /* of the offset; they ascend */
    bool any_offset;    /* set after the beginning: it is not checked that they do */
    /* Of a compressed batch: next and end stand in buffer, which holds what was decompressed. */
    struct wire_decoder decoder;
    uint8_t *buffer;
    size_t buffer_cap;
};

#define WIRE_RECORDS_PIECE (16 << 10) /* decompressed at once, unless a record is larger */

/* in starts with the whole batch b, and is borrowed until wire_records_close. A batch that is not
 * compressed takes no memory; mem is the caller's own heap also inside of env_offload (there:
 * mem_system). ERR_CORRUPT: no such batch can be (more records than its bytes could yield);
 * ERR_NOMEM. After an error there is nothing to close. */
enum err wire_records_open(struct wire_records *it, struct mem *mem, const struct wire_batch *b,
                           struct bytes in, struct errmsg *msg) MUST_USE;
/* Harmless on a zeroed struct, and after wire_records_begin. The views of records are gone. */
void wire_records_close(struct wire_records *it);

/* The same without memory, for what is never compressed (the metadata log, control batches). There
 * is nothing to close. ERR_UNSUPPORTED: it is compressed. ERR_CORRUPT: it has bytes but no records.
 */
enum err wire_records_begin(struct wire_records *it, const struct wire_batch *b, struct bytes in,
                            struct errmsg *msg) MUST_USE;
/* Gives the next record, whose views stay valid until the next call; call it while it->left > 0.
 * ERR_CORRUPT: bounds, lengths or offsets cannot be, or bytes are left behind the last record. Of a
 * compressed batch also: it cannot be decompressed; ERR_LIMIT (more than WIRE_DECODED_MAX);
 * ERR_NOMEM. */
enum err wire_records_next(struct wire_records *it, struct wire_record *out,
                           struct errmsg *msg) MUST_USE;
/* Takes the next header off *headers; false when there is none. Start with record.headers. */
bool wire_record_headers(struct bytes *headers, struct wire_record_header *out);

/* ---- what a client says of a batch is not believed ---- */

/* Walks through all records of a batch as Kafka 4.3.1 does when it is produced
 * (DefaultRecordBatch, DefaultRecord, LogValidator), and does not ask what the offsets are. Beyond
 * Kafka it wants a record of a compressed batch to end where its length says: no consumer could
 * read it. */
struct wire_walk {
    struct wire_batch batch;
    int32_t index; /* of the next record */
    uint64_t content_max;
    const uint8_t *next, *end;
    uint8_t *buffer; /* of WIRE_RECORDS_PIECE, when it is compressed */
    struct wire_decoder decoder;
};

struct wire_walked {
    int32_t index;
    int32_t offset_delta; /* whatever it is */
    int64_t timestamp_delta;
    int64_t timestamp_ms; /* as a reader of the batch would see it */
};

/* in starts with the whole batch b, whose codec is known; it is borrowed until wire_walk_end. Takes
 * the memory of one buffer and one decoder, whatever the batch yields, and none when it is not
 * compressed. ERR_CORRUPT: it cannot hold so many records; ERR_NOMEM. After an error there is
 * nothing to end. */
enum err wire_walk_begin(struct wire_walk *w, struct mem *mem, const struct wire_batch *b,
                         struct bytes in, uint64_t content_max, struct errmsg *msg) MUST_USE;
/* Gives the next; call it record_count times. ERR_CORRUPT: the record w->index is malformed, or
 * (with the last one) more follows: Kafka's INVALID_RECORD. ERR_INVALID: it cannot be decompressed;
 * Kafka's UNKNOWN_SERVER_ERROR. ERR_RANGE: more than about content_max bytes come out. ERR_LIMIT:
 * more than WIRE_DECODED_MAX. ERR_NOMEM. */
enum err wire_walk_next(struct wire_walk *w, struct wire_walked *out, struct errmsg *msg) MUST_USE;
/* After the last record: bytes of all records, decompressed. */
uint64_t wire_walk_size(const struct wire_walk *w);
void wire_walk_end(struct wire_walk *w);

/* How a batch is written anew. */
struct wire_recode {
    enum wire_codec codec;
    int32_t level;
    bool renumber;         /* the records' offset deltas are wrong: 0, 1, 2, ... from now on */
    uint64_t content_size; /* of all records (wire_walk_size) */
};

/* Writes a batch of the same records, compressed as how says, its head otherwise that of b, with a
 * CRC of its own. b was walked through and is sound. *size: bytes of out that it takes. Memory: a
 * decoder, an encoder and a buffer; with renumber of a compressed batch also its largest record.
 * ERR_LIMIT: it does not fit into cap (which should have WIRE_RECODE_SLACK to spare); ERR_NOMEM. */
#define WIRE_RECODE_SLACK (192 << 10)
enum err wire_batch_recode(const struct wire_batch *b, struct bytes in,
                           const struct wire_recode *how, struct mem *mem, uint8_t *out, size_t cap,
                           size_t *size) MUST_USE;

/* ---- building a batch ---- */

/* In the caller's bytes. Between calls data may be moved to a larger place and cap be raised. */
struct wire_builder {
    uint8_t *data;
    size_t cap, size; /* size starts with WIRE_BATCH_HEAD */
    int32_t record_count;
    int64_t base_timestamp, max_timestamp;
    enum wire_codec codec; /* other than none: it takes no more records */
};

/* What the head says beside the records. */
struct wire_builder_head {
    int64_t base_offset;
    int32_t leader_epoch;
    int16_t attributes;  /* no codec */
    int64_t producer_id; /* -1: none, then producer_epoch and base_sequence are -1 too */
    int16_t producer_epoch;
    int32_t base_sequence;
};

/* cap >= WIRE_BATCH_HEAD. */
void wire_builder_init(struct wire_builder *b, uint8_t *data, size_t cap);
/* How many bytes the record would take in b. */
size_t wire_builder_cost(const struct wire_builder *b, int64_t timestamp_ms, struct wire_bytes key,
                         struct wire_bytes value, const struct wire_record_header *headers,
                         int32_t header_count);
/* Copies the record in. ERR_LIMIT: it does not fit, nothing changed. */
enum err wire_builder_add(struct wire_builder *b, int64_t timestamp_ms, struct wire_bytes key,
                          struct wire_bytes value, const struct wire_record_header *headers,
                          int32_t header_count) MUST_USE;
/* Writes the head and the CRC; b->size bytes at b->data are the batch. At least one record. May be
 * called again with another head, so that a batch can be sent under a new producer epoch. */
void wire_builder_finish(struct wire_builder *b, const struct wire_builder_head *head);

/* Compresses a finished batch into out: b is then there, finished, and may be finished again with
 * another head. On error b is as it was. Errors as wire_encoder_*. */
enum err wire_builder_compress(struct wire_builder *b, struct mem *mem, enum wire_codec codec,
                               int32_t level, uint8_t *out, size_t cap) MUST_USE;

/* Control records: they stand in batches with WIRE_BATCH_CONTROL; the key is version and type. */
enum wire_control {
    WIRE_CONTROL_ABORT = 0,
    WIRE_CONTROL_COMMIT = 1,
    WIRE_CONTROL_LEADER_CHANGE = 2,
    WIRE_CONTROL_SNAPSHOT_HEADER = 3,
    WIRE_CONTROL_SNAPSHOT_FOOTER = 4,
    WIRE_CONTROL_KRAFT_VERSION = 5,
    WIRE_CONTROL_KRAFT_VOTERS = 6,
};

/* The type that a control record's key tells, which may be none of enum wire_control. ERR_CORRUPT:
 * not such a key. */
enum err wire_control_type(struct wire_bytes key, int16_t *type, struct errmsg *msg) MUST_USE;
/* Adds a control record whose value is the message. Errors as wire_encode; ERR_LIMIT. */
enum err wire_builder_add_control(struct wire_builder *b, int64_t timestamp_ms,
                                  enum wire_control type, const struct wire_message *m, int version,
                                  const void *in) MUST_USE;

/* A metadata record's value is a frame version (1), the record's type and its version, all unsigned
 * varints, and the message. */
struct wire_metadata_head {
    uint32_t type, version;
    struct bytes message; /* a view */
};

/* ERR_CORRUPT, ERR_UNSUPPORTED (frame version). The type may be unknown: ask
 * wire_metadata_message. */
enum err wire_metadata_parse(struct wire_bytes value, struct wire_metadata_head *out,
                             struct errmsg *msg) MUST_USE;
/* Adds a metadata record, key null. Errors as wire_encode; ERR_LIMIT. */
enum err wire_builder_add_metadata(struct wire_builder *b, int64_t timestamp_ms,
                                   const struct wire_message *m, int version,
                                   const void *in) MUST_USE;

#endif
