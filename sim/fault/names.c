/* names.c - what the nodes of a plan are called, so that a line speaks of broker1 and not of a
 * number that only the world knows. */
#include "fault/fault.h"

/* A letter, then letters, digits, '.', '_' and '-': nothing that a link or a list of nodes is
 * written with would stand in a name, but for the '-'. */
bool fault_name_is_good(struct bytes name)
{
    if (name.size == 0 || name.size >= FAULT_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!letter && !(other && i > 0))
            return false;
    }
    return true;
}

bool fault_names_find(const struct fault_names *names, struct bytes name, uint32_t *node)
{
    for (int32_t i = 0; i < names->count; i++) {
        *node = (uint32_t)i;
        if (bytes_equal(name, bytes_text(names->name[i])))
            return true;
    }
    return false;
}

enum err fault_names_add(struct fault_names *names, struct bytes name)
{
    ASSERT(names->count >= 0);
    if (!fault_name_is_good(name))
        return ERR_INVALID;
    if (names->count == FAULT_NODES_MAX)
        return ERR_LIMIT;
    char *to = names->name[names->count++];
    memcpy(to, name.data, name.size);
    to[name.size] = 0;
    ASSERT(names->count <= FAULT_NODES_MAX);
    return ERR_NONE;
}

void fault_names_print(const struct fault_names *names, const char *separator, struct text *out)
{
    for (int32_t i = 0; i < names->count; i++)
        text_printf(out, "%s%s", i == 0 ? "" : separator, names->name[i]);
}
