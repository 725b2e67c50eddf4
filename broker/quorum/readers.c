/* readers.c - who reads the metadata log from its leader, how far and how lately: what a person is
 * told of a quorum, and nothing that it goes by. */
#include "quorum/internal.h"

static struct log_reader *find(struct readers *readers, const struct raft_key *key)
{
    for (int32_t i = 0; i < readers->count; i++) {
        if (raft_key_equal(&readers->at[i].key, key))
            return &readers->at[i];
    }
    return NULL;
}

/* Where there is no place, who has been silent longest is forgotten: of observers anybody may come
 * and go. */
static struct log_reader *add(struct readers *readers, const struct raft_key *key)
{
    struct log_reader *place = &readers->at[0];
    if (readers->count < QUORUM_READERS_MAX) {
        place = &readers->at[readers->count++];
    } else {
        for (int32_t i = 1; i < readers->count; i++) {
            if (readers->at[i].fetched_ms < place->fetched_ms)
                place = &readers->at[i];
        }
    }
    *place = (struct log_reader){.key = *key, .caught_up_ms = -1};
    return place;
}

/* As ReplicaState.updateFollowerState of Kafka's LeaderState: it was caught up when it had all that
 * there was, now or at its fetch before. */
void quorum_readers_fetched(struct quorum *q, const struct raft_request *request)
{
    struct readers *readers = &q->member->readers;
    int64_t now_ms = env_wall(q->env);
    if (readers->epoch != q->epoch)
        *readers = (struct readers){.epoch = q->epoch};
    if (request->from.id < 0)
        return;
    struct log_reader *reader = find(readers, &request->from);
    if (reader == NULL)
        reader = add(readers, &request->from);
    if (request->end >= raft_end(q->raft))
        reader->caught_up_ms = now_ms;
    else if (reader->log_end > 0 && request->end >= reader->log_end)
        reader->caught_up_ms = reader->fetched_ms;
    reader->end = request->end;
    reader->fetched_ms = now_ms;
    reader->log_end = raft_end(q->raft);
}

static struct quorum_reader self_of(const struct quorum *q, const struct raft_key *key)
{
    int64_t now_ms = env_wall(q->env);
    return (struct quorum_reader){.key = *key,
                                  .votes = true,
                                  .end = quorum_end(q),
                                  .fetched_ms = now_ms,
                                  .caught_up_ms = now_ms};
}

static struct quorum_reader voter_of(const struct quorum *q, const struct raft_key *key)
{
    struct quorum_reader out = {
        .key = *key, .votes = true, .end = -1, .fetched_ms = -1, .caught_up_ms = -1};
    struct readers *readers = &q->member->readers;
    const struct log_reader *reader = readers->epoch == q->epoch ? find(readers, key) : NULL;
    if (reader == NULL)
        return out;
    out.end = reader->end;
    out.fetched_ms = reader->fetched_ms;
    out.caught_up_ms = reader->caught_up_ms;
    return out;
}

static bool votes(const struct raft_voters *voters, const struct raft_key *key)
{
    for (int32_t i = 0; i < voters->count; i++) {
        if (raft_key_equal(&voters->keys[i], key))
            return true;
    }
    return false;
}

int32_t quorum_readers(const struct quorum *q, struct quorum_reader *out)
{
    int32_t count = 0, self = quorum_node_id(q);
    if (q->member == NULL) {
        out[0] = self_of(q, &(struct raft_key){.id = self, .directory = quorum_directory(q)});
        return 1;
    }
    if (quorum_role(q) != RAFT_LEADER)
        return 0;
    const struct readers *readers = &q->member->readers;
    const struct raft_voters *voters = raft_voters(q->raft);
    for (int32_t i = 0; i < voters->count; i++) {
        const struct raft_key *key = &voters->keys[i];
        out[count++] = key->id == self ? self_of(q, key) : voter_of(q, key);
    }
    for (int32_t i = 0; i < readers->count && readers->epoch == q->epoch; i++) {
        const struct log_reader *reader = &readers->at[i];
        if (!votes(voters, &reader->key))
            out[count++] = (struct quorum_reader){.key = reader->key,
                                                  .end = reader->end,
                                                  .fetched_ms = reader->fetched_ms,
                                                  .caught_up_ms = reader->caught_up_ms};
    }
    ASSERT(count <= RAFT_VOTERS_MAX + QUORUM_READERS_MAX);
    return count;
}
