/* fuzz_quorum.c - a byte that chooses, then what a node of the metadata quorum reads and does not
 * believe: its own quorum-state, or the batches of a leader's answer. A state that is taken comes
 * out the same when it is written and taken again. */
#include <stdlib.h>
#include "fuzz.h"
#include "quorum/internal.h"

static struct mem mem;

static void fuzz_state(struct bytes in)
{
    struct raft_state state, again;
    struct raft_voters voters = {.keys = {{.id = 1}}, .count = 1};
    struct text text;
    if (!quorum_state_parse(in, &state))
        return;
    ASSERT(state.epoch >= 0);
    ASSERT(state.leader_id >= RAFT_NOBODY);
    ASSERT(state.voted.id >= RAFT_NOBODY);
    text_init(&text, &mem);
    quorum_state_print(&text, &state, &voters);
    bool whole = quorum_state_parse(bytes_of(text.data, text.size), &again);
    ASSERT(whole);
    ASSERT(again.epoch == state.epoch);
    ASSERT(again.leader_id == state.leader_id);
    ASSERT(again.voted.id == state.voted.id);
    text_free(&text);
}

/* What is counted is whole, and no more of it than raft takes. */
static void fuzz_fetched(struct bytes in)
{
    static struct member member;
    struct quorum quorum = {.mem = &mem, .member = &member};
    struct wire_batch head;
    size_t at = 0;
    list_init(&quorum.electors_come);
    int32_t count = quorum_fetched_read(&quorum, in);
    ASSERT(count == -1 || (count > 0 && count <= RAFT_BATCHES_MAX));
    for (int32_t i = 0; i < count; i++) {
        enum wire_at what = wire_batch_at(in, at, &head, NULL);
        ASSERT(what == WIRE_AT_BATCH);
        enum err e = wire_batch_verify(&head, in.data + at, NULL);
        ASSERT(e == ERR_NONE);
        ASSERT(member.batches[i].first == head.base_offset);
        at += (size_t)head.size;
    }
    ASSERT(at <= in.size);
    quorum_electors_drop_come(&quorum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (mem.impl == NULL)
        mem_system(&mem);
    if (size == 0)
        return 0;
    uint8_t *exact = malloc(size); /* so that one byte too many is seen */
    memcpy(exact, data + 1, size - 1);
    if (data[0] % 2 == 0)
        fuzz_state(bytes_of(exact, size - 1));
    else
        fuzz_fetched(bytes_of(exact, size - 1));
    free(exact);
    ASSERT(mem.live_count == 0);
    return 0;
}
