/* state.c - the text of `quorum-state` (QuorumStateData.json): written in version 0 where voters
 * are the configuration's and in version 1 where the log has them, read in both, and nothing is
 * read that is not whole. Pure. */
#include "quorum/internal.h"

void quorum_state_print(struct text *out, const struct raft_state *state,
                        const struct raft_voters *voters)
{
    char directory[WIRE_UUID_TEXT_SIZE];
    if (voters == NULL) {
        wire_uuid_print(&state->voted.directory, directory);
        text_printf(out,
                    "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                    "\"votedDirectoryId\":\"%s\",\"data_version\":1}",
                    (int)state->leader_id, (int)state->epoch, (int)state->voted.id, directory);
        return;
    }
    text_printf(out,
                "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                "\"appliedOffset\":0,\"currentVoters\":[",
                (int)state->leader_id, (int)state->epoch, (int)state->voted.id);
    for (int32_t i = 0; i < voters->count; i++)
        text_printf(out, "%s{\"voterId\":%d}", i > 0 ? "," : "", (int)voters->keys[i].id);
    text_printf(out, "],\"data_version\":0}");
}

/* ---- reading ---- */

enum field {
    CLUSTER_ID,
    LEADER_ID,
    LEADER_EPOCH,
    VOTED_ID,
    VOTED_DIRECTORY_ID,
    APPLIED_OFFSET,
    CURRENT_VOTERS,
    DATA_VERSION,
    FIELD_COUNT,
};

static const char *const names[FIELD_COUNT] = {
    [CLUSTER_ID] = "clusterId",
    [LEADER_ID] = "leaderId",
    [LEADER_EPOCH] = "leaderEpoch",
    [VOTED_ID] = "votedId",
    [VOTED_DIRECTORY_ID] = "votedDirectoryId",
    [APPLIED_OFFSET] = "appliedOffset",
    [CURRENT_VOTERS] = "currentVoters",
    [DATA_VERSION] = "data_version",
};

/* A place in the file, and what was read so far. */
struct reader {
    struct bytes file;
    size_t at;
    uint32_t seen; /* a bit for each field */
    int64_t numbers[FIELD_COUNT];
    struct wire_uuid directory;
};

static void skip_blanks(struct reader *r)
{
    while (r->at < r->file.size && memchr(" \t\r\n", r->file.data[r->at], 4) != NULL)
        r->at++;
}

/* The next sign, if it is that one. */
static bool take_sign(struct reader *r, char sign)
{
    skip_blanks(r);
    if (r->at == r->file.size || r->file.data[r->at] != (uint8_t)sign)
        return false;
    r->at++;
    return true;
}

/* None of those that are read has an escape in it. */
static bool take_string(struct reader *r, struct bytes *out)
{
    if (!take_sign(r, '"'))
        return false;
    size_t from = r->at;
    while (r->at < r->file.size && r->file.data[r->at] >= ' ' && r->file.data[r->at] != '"' &&
           r->file.data[r->at] != '\\')
        r->at++;
    *out = bytes_of(r->file.data + from, r->at - from);
    return r->at < r->file.size && r->file.data[r->at++] == '"';
}

static bool take_number(struct reader *r, int64_t *out)
{
    skip_blanks(r);
    size_t from = r->at;
    while (r->at < r->file.size && memchr("-0123456789", r->file.data[r->at], 11) != NULL)
        r->at++;
    return text_parse_int(bytes_of(r->file.data + from, r->at - from), out) == ERR_NONE;
}

static bool take_null(struct reader *r)
{
    skip_blanks(r);
    struct bytes rest = bytes_of(r->file.data + r->at, r->file.size - r->at);
    if (rest.size < 4 || memcmp(rest.data, "null", 4) != 0)
        return false;
    r->at += 4;
    return true;
}

/* Who voted when it was written is known better from elsewhere. */
static bool take_voters(struct reader *r)
{
    int64_t id;
    struct bytes name;
    if (take_null(r))
        return true;
    if (!take_sign(r, '['))
        return false;
    if (take_sign(r, ']'))
        return true;
    do {
        if (!take_sign(r, '{') || !take_string(r, &name) ||
            !bytes_equal(name, bytes_text("voterId")) || !take_sign(r, ':') ||
            !take_number(r, &id) || !take_sign(r, '}'))
            return false;
    } while (take_sign(r, ','));
    return take_sign(r, ']');
}

static bool take_value(struct reader *r, enum field field)
{
    struct bytes text;
    switch (field) {
    case CLUSTER_ID:
        return take_string(r, &text);
    case VOTED_DIRECTORY_ID:
        return take_string(r, &text) && wire_uuid_parse(text, &r->directory) == ERR_NONE;
    case CURRENT_VOTERS:
        return take_voters(r);
    case LEADER_ID:
    case LEADER_EPOCH:
    case VOTED_ID:
    case APPLIED_OFFSET:
    case DATA_VERSION:
        return take_number(r, &r->numbers[field]);
    case FIELD_COUNT:
        break;
    }
    UNREACHABLE();
}

static bool take_field(struct reader *r)
{
    struct bytes name;
    int field = 0;
    if (!take_string(r, &name) || !take_sign(r, ':'))
        return false;
    while (field < FIELD_COUNT && !bytes_equal(name, bytes_text(names[field])))
        field++;
    if (field == FIELD_COUNT || (r->seen & 1u << field) != 0)
        return false;
    r->seen |= 1u << field;
    return take_value(r, (enum field)field);
}

static bool take_object(struct reader *r)
{
    if (!take_sign(r, '{'))
        return false;
    do {
        if (!take_field(r))
            return false;
    } while (take_sign(r, ','));
    if (!take_sign(r, '}'))
        return false;
    skip_blanks(r);
    return r->at == r->file.size;
}

static bool has(const struct reader *r, enum field field)
{
    return (r->seen & 1u << field) != 0;
}

/* A field that is left out has its default there, and what says whom it voted for must be said. */
static bool is_whole(const struct reader *r)
{
    int64_t version = r->numbers[DATA_VERSION];
    if (!has(r, DATA_VERSION) || !has(r, LEADER_ID) || !has(r, LEADER_EPOCH) || !has(r, VOTED_ID))
        return false;
    return version == 0 ? !has(r, VOTED_DIRECTORY_ID) : version == 1 && has(r, VOTED_DIRECTORY_ID);
}

static bool is_id(int64_t id)
{
    return id >= RAFT_NOBODY && id <= INT32_MAX;
}

bool quorum_state_parse(struct bytes file, struct raft_state *out)
{
    struct reader r = {.file = file};
    if (!take_object(&r) || !is_whole(&r))
        return false;
    int64_t epoch = r.numbers[LEADER_EPOCH];
    if (epoch < 0 || epoch >= INT32_MAX || !is_id(r.numbers[LEADER_ID]) ||
        !is_id(r.numbers[VOTED_ID]))
        return false;
    *out = (struct raft_state){
        .epoch = (int32_t)epoch,
        .leader_id = (int32_t)r.numbers[LEADER_ID],
        .voted = {.id = (int32_t)r.numbers[VOTED_ID], .directory = r.directory}};
    return true;
}

bool quorum_state_is_alone(struct bytes file, int32_t id)
{
    char voters[64];
    struct raft_state state;
    text_fit(voters, sizeof voters, "\"currentVoters\":[{\"voterId\":%d}]", (int)id);
    size_t size = strlen(voters);
    if (!quorum_state_parse(file, &state))
        return false;
    for (size_t at = 0; at + size <= file.size; at++) {
        if (memcmp(file.data + at, voters, size) == 0)
            return true;
    }
    return false;
}
