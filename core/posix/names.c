/* names.c - names of open things: a slot and its generation, so that no name is used twice. */
#include "posix/internal.h"

#define INDEX_BITS 20
#define INDEX_MASK ((1u << INDEX_BITS) - 1)
#define GENERATION_MAX ((1u << 28) - 1)

_Static_assert(POSIX_HANDLES_MAX <= 1 << INDEX_BITS, "an index must fit its bits");

static enum err grow(struct names *names, struct mem *mem)
{
    ASSERT(names->slot_count == names->slot_cap);
    if (names->slot_count == POSIX_HANDLES_MAX)
        return ERR_TOOMANY;
    int32_t cap = MAX(names->slot_cap * 2, 64);
    struct slot *slots = mem_realloc(mem, names->slots, (size_t)cap * sizeof *slots);
    if (slots == NULL)
        return ERR_NOMEM;
    names->slots = slots;
    names->slot_cap = cap;
    return ERR_NONE;
}

enum err posix_name_give(struct names *names, struct mem *mem, struct handle *handle, uint16_t port)
{
    int32_t index = names->free_first;
    if (index < 0) {
        if (names->slot_count == names->slot_cap) {
            enum err e = grow(names, mem);
            if (e != ERR_NONE)
                return e;
        }
        index = names->slot_count++;
        names->slots[index] = (struct slot){.generation = 1, .free_next = -1};
    }
    struct slot *slot = &names->slots[index];
    ASSERT(slot->handle == NULL);
    names->free_first = slot->free_next;
    slot->handle = handle;
    slot->free_next = -1;
    handle->name =
        (uint64_t)port << 48 | (uint64_t)slot->generation << INDEX_BITS | (uint32_t)index;
    ASSERT(handle->name >= NAME_FIRST);
    return ERR_NONE;
}

void posix_name_take(struct names *names, struct handle *handle)
{
    int32_t index = (int32_t)(handle->name & INDEX_MASK);
    ASSERT(index < names->slot_count);
    struct slot *slot = &names->slots[index];
    ASSERT(slot->handle == handle);
    slot->handle = NULL;
    handle->name = 0;
    if (slot->generation == GENERATION_MAX)
        return; /* the slot has given all its names and rests */
    slot->generation++;
    slot->free_next = names->free_first;
    names->free_first = index;
}

struct handle *posix_name_find(const struct names *names, uint64_t name)
{
    uint32_t index = (uint32_t)(name & INDEX_MASK);
    if (name < NAME_FIRST || index >= (uint32_t)names->slot_count)
        return NULL;
    struct handle *handle = names->slots[index].handle;
    return handle != NULL && handle->name == name ? handle : NULL;
}
