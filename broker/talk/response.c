/* response.c - what others answer, as raft hears it. */
#include "talk/internal.h"

/* What all five answers say of the epoch. */
struct said {
    int16_t top, code; /* of the whole, of the partition */
    int32_t topic_count, partition_count;
    bool of_log;
    int32_t epoch, leader_id;
};

static bool is_log(struct wire_string topic, int32_t partition)
{
    return partition == 0 && wire_string_equal(topic, wire_text(METADATA_LOG_TOPIC));
}

static void hear_vote(const struct wire_vote_response *in, struct said *said,
                      struct raft_response *out)
{
    *said = (struct said){.top = in->error_code, .topic_count = in->topics_count};
    if (in->topics_count != 1)
        return;
    said->partition_count = in->topics[0].partitions_count;
    if (said->partition_count != 1)
        return;
    const struct wire_vote_response_partition *p = &in->topics[0].partitions[0];
    said->of_log = is_log(in->topics[0].topic_name, p->partition_index);
    said->code = p->error_code;
    said->epoch = p->leader_epoch;
    said->leader_id = p->leader_id;
    out->granted = p->vote_granted;
}

static void hear_begin(const struct wire_begin_quorum_epoch_response *in, struct said *said)
{
    *said = (struct said){.top = in->error_code, .topic_count = in->topics_count};
    if (in->topics_count != 1)
        return;
    said->partition_count = in->topics[0].partitions_count;
    if (said->partition_count != 1)
        return;
    const struct wire_begin_quorum_epoch_response_partition *p = &in->topics[0].partitions[0];
    said->of_log = is_log(in->topics[0].topic_name, p->partition_index);
    said->code = p->error_code;
    said->epoch = p->leader_epoch;
    said->leader_id = p->leader_id;
}

static void hear_end(const struct wire_end_quorum_epoch_response *in, struct said *said)
{
    *said = (struct said){.top = in->error_code, .topic_count = in->topics_count};
    if (in->topics_count != 1)
        return;
    said->partition_count = in->topics[0].partitions_count;
    if (said->partition_count != 1)
        return;
    const struct wire_end_quorum_epoch_response_partition *p = &in->topics[0].partitions[0];
    said->of_log = is_log(in->topics[0].topic_name, p->partition_index);
    said->code = p->error_code;
    said->epoch = p->leader_epoch;
    said->leader_id = p->leader_id;
}

static enum err not_so(struct errmsg *msg, const char *what)
{
    return errmsg_set(msg, ERR_CORRUPT, "an answer of another controller %s", what);
}

/* Which of the three it is (KIP-595, KIP-630). */
static enum err hear_fetched(const struct wire_fetch_response_partition *p,
                             struct raft_response *out, struct bytes *content, struct errmsg *msg)
{
    bool diverging = p->diverging_epoch.epoch != -1 || p->diverging_epoch.end_offset != -1;
    bool snapshot = p->snapshot_id.epoch != -1 || p->snapshot_id.end_offset != -1;
    if (diverging && snapshot)
        return not_so(msg, "names a diverging epoch and a snapshot");
    if (!talk_is_offset(p->high_watermark))
        return not_so(msg, "has a high watermark that cannot be");
    out->high_watermark = p->high_watermark;
    if (diverging) {
        if (p->diverging_epoch.epoch < 0 || !talk_is_epoch(p->diverging_epoch.epoch) ||
            p->diverging_epoch.end_offset < 0 || !talk_is_offset(p->diverging_epoch.end_offset))
            return not_so(msg, "has a diverging epoch that cannot be");
        out->fetched = RAFT_FETCHED_DIVERGING;
        out->diverging_epoch = p->diverging_epoch.epoch;
        out->diverging_end = p->diverging_epoch.end_offset;
    } else if (snapshot) {
        if (p->snapshot_id.epoch < 0 || !talk_is_epoch(p->snapshot_id.epoch) ||
            p->snapshot_id.end_offset < 0 || !talk_is_offset(p->snapshot_id.end_offset))
            return not_so(msg, "has a snapshot's id that cannot be");
        out->fetched = RAFT_FETCHED_SNAPSHOT;
        out->snapshot = (struct raft_snapshot_id){.offset = p->snapshot_id.end_offset,
                                                  .epoch = p->snapshot_id.epoch};
    } else {
        out->fetched = RAFT_FETCHED_RECORDS;
        *content = bytes_of(p->records.data, (size_t)MAX(p->records.size, 0));
    }
    return ERR_NONE;
}

static enum err hear_fetch(const struct wire_fetch_response *in, struct said *said,
                           struct raft_response *out, struct bytes *content, struct errmsg *msg)
{
    *said = (struct said){.top = in->error_code, .topic_count = in->responses_count};
    if (in->responses_count != 1)
        return ERR_NONE;
    said->partition_count = in->responses[0].partitions_count;
    if (said->partition_count != 1)
        return ERR_NONE;
    const struct wire_fetch_response_partition *p = &in->responses[0].partitions[0];
    said->of_log =
        p->partition_index == 0 && wire_uuid_equal(&in->responses[0].topic_id, &talk_topic_id);
    said->code = p->error_code;
    said->epoch = p->current_leader.leader_epoch;
    said->leader_id = p->current_leader.leader_id;
    bool good = in->error_code == WIRE_ERROR_NONE && p->error_code == WIRE_ERROR_NONE;
    return good ? hear_fetched(p, out, content, msg) : ERR_NONE;
}

static enum err hear_snapshot(const struct wire_fetch_snapshot_response *in, struct said *said,
                              struct raft_response *out, struct bytes *content, struct errmsg *msg)
{
    *said = (struct said){.top = in->error_code, .topic_count = in->topics_count};
    if (in->topics_count != 1)
        return ERR_NONE;
    said->partition_count = in->topics[0].partitions_count;
    if (said->partition_count != 1)
        return ERR_NONE;
    const struct wire_fetch_snapshot_response_partition *p = &in->topics[0].partitions[0];
    said->of_log = is_log(in->topics[0].name, p->index);
    said->code = p->error_code;
    said->epoch = p->current_leader.leader_epoch;
    said->leader_id = p->current_leader.leader_id;
    if (in->error_code != WIRE_ERROR_NONE || p->error_code != WIRE_ERROR_NONE)
        return ERR_NONE;
    int32_t bytes = MAX(p->unaligned_records.size, 0);
    if (p->snapshot_id.epoch < 0 || !talk_is_epoch(p->snapshot_id.epoch) ||
        p->snapshot_id.end_offset < 0 || !talk_is_offset(p->snapshot_id.end_offset))
        return not_so(msg, "has a snapshot's id that cannot be");
    if (p->position < 0 || p->position > TALK_OFFSET_MAX || p->size < 0 ||
        p->size > TALK_OFFSET_MAX || p->position + bytes > p->size)
        return not_so(msg, "has a piece of a snapshot that is not in it");
    out->snapshot = (struct raft_snapshot_id){.offset = p->snapshot_id.end_offset,
                                              .epoch = p->snapshot_id.epoch};
    out->position = p->position;
    out->size = p->size;
    out->bytes = bytes;
    *content = bytes_of(p->unaligned_records.data, (size_t)bytes);
    return ERR_NONE;
}

static enum err hear(const void *body, struct said *said, struct raft_response *out,
                     struct bytes *content, struct errmsg *msg)
{
    switch (out->api) {
    case RAFT_VOTE:
        hear_vote(body, said, out);
        return ERR_NONE;
    case RAFT_BEGIN_EPOCH:
        hear_begin(body, said);
        return ERR_NONE;
    case RAFT_END_EPOCH:
        hear_end(body, said);
        return ERR_NONE;
    case RAFT_FETCH:
        return hear_fetch(body, said, out, content, msg);
    case RAFT_FETCH_SNAPSHOT:
        return hear_snapshot(body, said, out, content, msg);
    case RAFT_API_COUNT:
        break;
    }
    UNREACHABLE();
}

/* Who refuses all of it need not name the log; and of an epoch that it does not name it says
 * nothing. */
static enum err judge(const struct said *said, const struct raft_request *asked,
                      struct raft_response *out, struct errmsg *msg)
{
    out->epoch = -1;
    out->leader_id = RAFT_NOBODY;
    if (said->top != WIRE_ERROR_NONE) {
        out->code = said->top;
        return ERR_NONE;
    }
    if (said->topic_count != 1 || said->partition_count != 1 || !said->of_log)
        return not_so(msg, "is not of the metadata log");
    if (!talk_is_epoch(said->epoch) || said->leader_id < RAFT_NOBODY)
        return not_so(msg, "has an epoch or a leader that cannot be");
    out->code = said->code;
    out->epoch = said->epoch;
    out->leader_id = said->leader_id;
    /* At an address only a leader has an answer that is none of a refusal. */
    if (asked->bootstrap >= 0 && out->code == WIRE_ERROR_NONE)
        out->from_id = out->leader_id;
    return ERR_NONE;
}

enum err talk_response(const struct raft_request *asked, int16_t version, struct bytes body,
                       struct mem *mem, struct raft_response *out, struct bytes *content,
                       struct errmsg *msg)
{
    const struct wire_message *m = talk_api(asked->api)->response;
    struct arena arena;
    struct said said;
    *out = (struct raft_response){.api = asked->api,
                                  .number = asked->number,
                                  .from_id = asked->bootstrap >= 0 ? RAFT_NOBODY : asked->to.id,
                                  .high_watermark = -1,
                                  .snapshot = {.offset = -1}};
    *content = bytes_of(NULL, 0);
    arena_init(&arena, mem, TALK_ARENA_BYTES);
    void *decoded = arena_alloc(&arena, m->size);
    enum err e = decoded == NULL ? ERR_NOMEM : ERR_NONE;
    if (e == ERR_NONE)
        e = wire_decode(m, version, body, NULL, decoded, &arena, msg);
    if (e == ERR_NONE)
        e = hear(decoded, &said, out, content, msg);
    if (e == ERR_NONE)
        e = judge(&said, asked, out, msg);
    arena_free(&arena);
    return e;
}

static bool find_node(const struct wire_fetch_response *in, int32_t id, struct talk_found *out)
{
    for (int32_t i = 0; i < in->node_endpoints_count; i++) {
        const struct wire_fetch_response_node *node = &in->node_endpoints[i];
        if (node->node_id != id || node->host.size < 1 || node->host.size >= TALK_HOST_SIZE ||
            node->port < 1 || node->port > UINT16_MAX)
            continue;
        memcpy(out->host, node->host.data, (size_t)node->host.size);
        out->host[node->host.size] = 0;
        out->port = (uint16_t)node->port;
        return memchr(out->host, 0, (size_t)node->host.size) == NULL;
    }
    return false;
}

bool talk_leader(int16_t version, struct bytes body, struct mem *mem, int32_t leader_id,
                 struct talk_found *out)
{
    const struct wire_message *m = talk_api(RAFT_FETCH)->response;
    struct arena arena;
    arena_init(&arena, mem, TALK_ARENA_BYTES);
    void *decoded = arena_alloc(&arena, m->size);
    bool found = decoded != NULL && version >= TALK_FETCH_NODES_SINCE &&
                 wire_decode(m, version, body, NULL, decoded, &arena, NULL) == ERR_NONE &&
                 find_node(decoded, leader_id, out);
    arena_free(&arena);
    return found;
}
