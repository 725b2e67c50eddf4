/* place.c - where a leader's log begins and ends, for a follower whose own end lies in none of it:
 * what was there was deleted, or an unclean election gave it up. */
#include "fetcher/internal.h"

static void ask(struct fetcher *f, int64_t what);

static enum err encode(struct peers_request *request, int16_t version, struct wire_out *out)
{
    struct fetcher *f = CONTAINER_OF(request, struct fetcher, find);
    const struct followed *p = f->found_for;
    ASSERT(p != NULL);
    struct wire_list_offsets_request_partition row = {.partition_index =
                                                          replica_partition(p->replica),
                                                      .current_leader_epoch = p->asked.leader_epoch,
                                                      .timestamp = f->find_what};
    struct wire_list_offsets_request_topic topic = {
        .name = wire_text(replica_topic(p->replica)), .partitions = &row, .partitions_count = 1};
    struct wire_list_offsets_request body;
    wire_list_offsets_request_defaults(&body);
    body.replica_id = f->set->settings.node_id;
    body.topics = &topic;
    body.topics_count = 1;
    return wire_encode(&wire_list_offsets_request_message, version, &body, out);
}

/* -1: the answer does not say, or not well. */
static int64_t offset_of(const struct followed *p, int16_t version, struct slice body,
                         struct arena *arena)
{
    struct wire_list_offsets_response in;
    if (wire_decode(&wire_list_offsets_response_message, version, slice_bytes(body), NULL, &in,
                    arena, NULL) != ERR_NONE)
        return -1;
    if (in.topics_count != 1 || in.topics[0].partitions_count != 1)
        return -1;
    const struct wire_list_offsets_response_partition *row = &in.topics[0].partitions[0];
    bool same = row->partition_index == replica_partition(p->replica) &&
                wire_string_equal(in.topics[0].name, wire_text(replica_topic(p->replica)));
    return same && row->error_code == WIRE_ERROR_NONE ? row->offset : -1;
}

/* A log that reaches beyond its leader's is cut to where that ends; one that ends before its leader
 * begins, begins there. Neither: the leader has moved meanwhile. */
static void place(struct fetcher *f, struct followed *p, int64_t offset)
{
    bool last = f->find_what == REPLICA_EARLIEST;
    bool taken = false;
    f->found_for = NULL;
    if (offset >= 0 && !last && offset >= p->asked.end) {
        f->found_for = p;
        ask(f, REPLICA_EARLIEST);
        return;
    }
    if (offset >= 0 && !last)
        taken = fetcher_take_place(p, -1, offset);
    else if (offset > p->asked.end)
        taken = fetcher_take_place(p, offset, -1);
    if (!taken)
        fetcher_delay(p, false);
}

static void on_answered(struct peers_request *request, int16_t version, struct slice body)
{
    struct fetcher *f = CONTAINER_OF(request, struct fetcher, find);
    struct arena arena;
    ASSERT(f->found_for != NULL);
    arena_init(&arena, f->set->held, FETCHER_ARENA_BYTES);
    int64_t offset = offset_of(f->found_for, version, body, &arena);
    arena_free(&arena);
    place(f, f->found_for, offset);
    fetcher_go_on(f);
}

static void on_lost(struct peers_request *request, enum err why)
{
    struct fetcher *f = CONTAINER_OF(request, struct fetcher, find);
    struct followed *p = f->found_for;
    (void)why;
    ASSERT(p != NULL);
    f->found_for = NULL;
    fetcher_delay(p, false);
    fetcher_go_on(f);
}

static void ask(struct fetcher *f, int64_t what)
{
    f->find_what = what;
    f->find = (struct peers_request){.key = FETCHER_LIST_OFFSETS,
                                     .purpose = PEERS_REPLICA,
                                     .encode = encode,
                                     .answered = on_answered,
                                     .lost = on_lost};
    peers_send(f->set->peers, f->leader, &f->find);
}

void fetcher_seek(struct followed *p)
{
    fetcher_move(p, FOLLOWED_FINDING);
}

void fetcher_seek_on(struct fetcher *f)
{
    if (f->found_for != NULL || list_empty(&f->finding))
        return;
    f->found_for = LIST_FIRST(&f->finding, struct followed, link);
    ask(f, REPLICA_LATEST);
}
