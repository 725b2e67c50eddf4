/* sound.c - what a node in another process says, before it is believed: its code may have written
 * anything into the memory that both share. Nothing here changes anything. */
#include "world/inside.h"

#define OFFSET_MAX (UINT64_MAX / 2)

static size_t padded(size_t size)
{
    return (size + 7) / 8 * 8;
}

/* ---- operations, as bytes ---- */

enum takes {
    TAKES_PATH = 1,
    TAKES_TWO = 2, /* paths */
    TAKES_PARTS = 4,
    TAKES_SIZE = 8, /* of a buffer on its own side */
};

static const uint8_t takes[ENV_VERB_COUNT] = {
    [ENV_OPEN] = TAKES_PATH,    [ENV_READ] = TAKES_SIZE,     [ENV_WRITE] = TAKES_PARTS,
    [ENV_APPEND] = TAKES_PARTS, [ENV_SYNC_DIR] = TAKES_PATH, [ENV_RENAME] = TAKES_PATH | TAKES_TWO,
    [ENV_UNLINK] = TAKES_PATH,  [ENV_MAKE_DIR] = TAKES_PATH, [ENV_LIST] = TAKES_PATH | TAKES_SIZE,
    [ENV_SPACE] = TAKES_PATH,   [ENV_LISTEN] = TAKES_PATH,   [ENV_CONNECT] = TAKES_PATH,
    [ENV_SEND] = TAKES_PARTS,   [ENV_RECEIVE] = TAKES_SIZE,
};

static bool is_path(const char *path, size_t size, bool wanted)
{
    if (size == 0 || !wanted)
        return size == 0 && !wanted;
    return size <= ENV_PATH_MAX && strnlen(path, size) == size - 1;
}

static const char *paths_fault(const struct half_ask *ask, uint64_t size)
{
    const char *at = (const char *)(ask + 1);
    if (sizeof *ask + ask->path_size + ask->path_to_size > size)
        return "its log has a path that is longer than its record";
    if (!is_path(at, ask->path_size, (takes[ask->verb] & TAKES_PATH) != 0) ||
        !is_path(at + ask->path_size, ask->path_to_size, (takes[ask->verb] & TAKES_TWO) != 0))
        return "its log has an operation with a path that is none";
    return NULL;
}

/* Their sizes make up the operation's, and none is a file's but in a send. */
static bool parts_fit(const struct half_ask *ask, const struct half_part *parts)
{
    uint64_t left = ask->size;
    for (int32_t i = 0; i < ask->part_count; i++) {
        if (parts[i].size > left || parts[i].offset > OFFSET_MAX)
            return false;
        if (parts[i].file != 0 && ask->verb != ENV_SEND)
            return false;
        left -= parts[i].size;
    }
    return left == 0;
}

static const char *parts_fault(const struct half_ask *ask, uint64_t size)
{
    static const char *const why = "its log has an operation whose parts do not fit";
    size_t head = padded(sizeof *ask + ask->path_size + ask->path_to_size);
    if ((takes[ask->verb] & TAKES_PARTS) == 0)
        return ask->part_count == 0 && head == size ? NULL : why;
    if (ask->part_count < 1 || ask->part_count > ENV_PARTS_MAX || ask->size < 1)
        return why;
    size_t behind = head + (size_t)ask->part_count * sizeof(struct half_part);
    behind += ask->verb == ENV_SEND ? 0 : ask->size;
    if (behind != size)
        return why;
    return parts_fit(ask, (const struct half_part *)((const uint8_t *)ask + head)) ? NULL : why;
}

static const char *ask_bytes_fault(const struct half_record *record)
{
    const struct half_ask *ask = (const struct half_ask *)(record + 1);
    if (record->size < sizeof *ask)
        return "its log has an operation that is cut short";
    if (ask->verb >= ENV_VERB_COUNT)
        return "its log has an operation of no verb";
    bool sized = (takes[ask->verb] & (TAKES_SIZE | TAKES_PARTS)) != 0;
    if ((sized && ask->size > ENV_IO_BYTES_MAX) || ask->size > OFFSET_MAX)
        return "its log has an operation of too many bytes";
    if (ask->offset > OFFSET_MAX || (ask->verb == ENV_RECEIVE && ask->size == 0))
        return "its log has an operation on no bytes at all";
    const char *why = paths_fault(ask, record->size);
    return why != NULL ? why : parts_fault(ask, record->size);
}

/* ---- what refuses an allocation ---- */

/* It happens to that node at that time, and nothing else is said of where and when. Bytes that a
 * stranger wrote are no bool until they are looked at. */
static bool is_plain(const struct fault_line *line)
{
    uint8_t one_way;
    memcpy(&one_way, &line->one_way, sizeof one_way);
    return one_way == 0 && line->from == 0 && line->to == 0 && line->on_row == 0 &&
           line->on_count == 0 && line->it == 0 && line->file[0] == 0 && line->for_ns == 0;
}

static const char *refusal_fault(const struct world_node *node, const struct half_record *record)
{
    static const char *const why = "its log has a refused allocation that is none";
    struct fault_line line;
    if (record->size != sizeof line)
        return why;
    memcpy(&line, record + 1, sizeof line);
    bool good = line.kind == FAULT_FAIL && line.nodes == fault_node(node->index) &&
                is_plain(&line) && line.at_ns == node->world->now_ns &&
                line.param[FAULT_P_SITE] == FAULT_ALLOC && line.param[FAULT_P_ERROR] >= 0 &&
                line.param[FAULT_P_ERROR] < ERR_COUNT;
    return good ? NULL : why;
}

/* ---- the log ---- */

struct seen {
    uint32_t rows_at; /* words of rows, up to the record */
    int64_t ask_count, reply_count;
    bool exits;
};

static const char *counts_fault(const struct world_node *node, const struct seen *seen)
{
    if (node->flight_count + seen->ask_count >= WORLD_FLIGHTS_MAX)
        return "its log has more operations than a node may have in flight";
    if (node->world->letter_count + seen->reply_count >= WORLD_LETTERS_MAX)
        return "its log has more replies than may be under way";
    return NULL;
}

/* Whether rows end where the record says that it stands among them. */
static bool stands_between_rows(const struct world_node *node, uint64_t rows_size,
                                struct seen *seen)
{
    if (rows_size > node->state.rows_size)
        return false;
    while (seen->rows_at < rows_size)
        (void)trace_next(node->world->rows, node->state.rows_size, &seen->rows_at);
    return seen->rows_at == rows_size;
}

static const char *record_fault(const struct world_node *node, const struct half_record *record,
                                struct seen *seen)
{
    if (seen->exits)
        return "its log goes on behind its exit";
    if (record->err < 0 || record->err >= ERR_COUNT)
        return "its log has a record with no such error";
    if (!stands_between_rows(node, record->rows_size, seen))
        return "its log has a record that stands between no two rows";
    seen->ask_count += record->type == HALF_ASKS;
    seen->reply_count += record->type == HALF_REPLIES;
    seen->exits = record->type == HALF_EXITS;
    const char *why = counts_fault(node, seen);
    if (why != NULL)
        return why;
    switch (record->type) {
    case HALF_ASKS:
        return ask_bytes_fault(record);
    case HALF_REPLIES:
    case HALF_EXITS:
        return NULL;
    case HALF_REFUSES:
        return refusal_fault(node, record);
    }
    return "its log has a record of no type";
}

static const char *rows_fault(const struct world_node *node)
{
    uint32_t left = node->state.rows_size;
    const uint64_t *at = node->world->rows;
    if (left > WORLD_TRACE_WORDS)
        return "it wrote more rows than there is room for";
    while (left > 0) {
        const struct trace_row *row = (const struct trace_row *)at;
        if (!trace_is_sound(row, left))
            return "it wrote a row that is none";
        left -= (uint32_t)(trace_row_size(row) / sizeof *at);
        at += trace_row_size(row) / sizeof *at;
    }
    return NULL;
}

const char *world_log_fault(const struct world_node *node)
{
    const struct half_log *log = &node->world->log;
    struct seen seen = {0};
    const char *why = rows_fault(node);
    for (size_t at = 0; why == NULL && at < log->size;) {
        const struct half_record *record = (const struct half_record *)(log->data + at);
        size_t left = log->size - at;
        if (left < sizeof *record || record->size > left - sizeof *record ||
            padded(record->size) > left - sizeof *record)
            return "its log ends within a record";
        at += sizeof *record + padded(record->size);
        why = record_fault(node, record, &seen);
    }
    return why;
}

/* ---- operations, against what the node has ---- */

static bool extent_is_there(const struct half_log *log, const struct half_ask *ask)
{
    return ask->extent >= 0 && ask->extent < log->extent_count &&
           log->extents[ask->extent] != NULL && log->extents[ask->extent]->cap >= ask->size;
}

static const char *send_fault(struct world_node *node, const struct half_asked *asked)
{
    if (!net_may(node->world->net, node->index, asked->ask->handle, NET_SENDS))
        return "it sends where it has no stream, or while another send is in flight";
    if (!extent_is_there(&node->world->log, asked->ask))
        return "its log has a send without its bytes";
    for (int32_t i = 0; i < asked->ask->part_count; i++) {
        const struct half_part *part = &asked->parts[i];
        if (part->file != 0 && part->size > 0 && !world_file_may(node, part->file, ENV_SEND))
            return "it sends of a file that is not open";
    }
    return NULL;
}

static const char *stream_fault(struct world_node *node, const struct half_asked *asked)
{
    struct net *net = node->world->net;
    uint64_t handle = asked->ask->handle;
    switch ((enum env_verb)asked->ask->verb) {
    case ENV_SEND:
        return send_fault(node, asked);
    case ENV_RECEIVE:
        return net_may(net, node->index, handle, NET_RECEIVES)
                   ? NULL
                   : "it receives where it has no stream, or while another receive is in flight";
    case ENV_ACCEPT:
        return net_may(net, node->index, handle, NET_ACCEPTS)
                   ? NULL
                   : "it accepts where it does not listen, or while another accept is in flight";
    case ENV_CLOSE:
        return net_may(net, node->index, handle, NET_CLOSES)
                   ? NULL
                   : "it closes a stream or listener that is not open";
    default:
        return NULL;
    }
}

const char *world_ask_fault(struct world_node *node, const struct half_record *record)
{
    struct half_asked asked;
    world_half_asked_of(record, &asked);
    enum env_verb verb = (enum env_verb)asked.ask->verb;
    bool of_file = verb >= ENV_CLOSE_FILE && verb <= ENV_SYNC;
    if (!of_file)
        return stream_fault(node, &asked);
    return world_file_may(node, asked.ask->handle, verb)
               ? NULL
               : "it uses a file that is not open, or closes or cuts one that is in use";
}
