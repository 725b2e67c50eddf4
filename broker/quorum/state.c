/* state.c - the text of `quorum-state`, in the version that a quorum with static voters
 * writes (QuorumStateData.json, version 0). Pure. */
#include "quorum/internal.h"

void quorum_state_print(struct text *out, int32_t node_id, int32_t epoch)
{
    text_printf(out,
                "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":-1,"
                "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":%d}],\"data_version\":0}",
                (int)node_id, (int)epoch, (int)node_id);
}

/* The digits behind "key": in a flat JSON object; false when there are none that fit. */
static bool find_number(struct bytes file, const char *key, int64_t *out)
{
    size_t key_size = strlen(key);
    for (size_t at = 0; at + key_size < file.size; at++) {
        if (memcmp(file.data + at, key, key_size) != 0)
            continue;
        size_t start = at + key_size;
        size_t end = start;
        while (end < file.size &&
               (file.data[end] == '-' || (file.data[end] >= '0' && file.data[end] <= '9')))
            end++;
        return text_parse_int(bytes_of(file.data + start, end - start), out) == ERR_NONE;
    }
    return false;
}

bool quorum_state_parse(struct bytes file, int32_t *epoch)
{
    int64_t value = 0;
    int64_t version = 0;
    if (!find_number(file, "\"data_version\":", &version) || version < 0 || version > 1)
        return false;
    if (!find_number(file, "\"leaderEpoch\":", &value) || value < 0 || value >= INT32_MAX)
        return false;
    *epoch = (int32_t)value;
    return true;
}
