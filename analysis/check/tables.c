/* tables.c - pages of records and slots; see tables.h. */
#include "check/tables.h"

static bool session_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct session, node)->id == *(const uint64_t *)key;
}

static bool part_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct part, node)->id == *(const uint64_t *)key;
}

static bool place_equal(const void *key, const struct hmap_node *node)
{
    return memcmp(CONTAINER_OF(node, struct place, node)->key, key, 3 * sizeof(uint64_t)) == 0;
}

enum err check_tables_init(struct tables *t, struct mem *mem)
{
    *t = (struct tables){.mem = mem};
    if (hmap_init(&t->sessions, mem, session_equal) != ERR_NONE ||
        hmap_init(&t->parts, mem, part_equal) != ERR_NONE ||
        hmap_init(&t->places, mem, place_equal) != ERR_NONE) {
        check_tables_free(t);
        return ERR_NOMEM;
    }
    return ERR_NONE;
}

static void free_session(struct mem *mem, struct session *s)
{
    for (uint32_t i = 0; i < s->page_end; i++)
        mem_free(mem, s->pages[i]);
    mem_free(mem, s->pages);
    mem_free(mem, s);
}

static void free_part(struct mem *mem, struct part *p)
{
    for (uint32_t i = 0; i < p->page_count; i++)
        mem_free(mem, p->pages[i]);
    mem_free(mem, p->pages);
    mem_free(mem, p);
}

void check_tables_free(struct tables *t)
{
    if (t->sessions.buckets != NULL) {
        LIST_EACH (s, &t->sessions.order, struct session, node.order)
            free_session(t->mem, s);
    }
    if (t->parts.buckets != NULL) {
        LIST_EACH (p, &t->parts.order, struct part, node.order)
            free_part(t->mem, p);
    }
    if (t->places.buckets != NULL) {
        LIST_EACH (l, &t->places.order, struct place, node.order)
            mem_free(t->mem, l);
    }
    hmap_free(&t->sessions);
    hmap_free(&t->parts);
    hmap_free(&t->places);
    mem_free(t->mem, t->part_list);
}

static bool grow(struct tables *t, void *array, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap)
        return true;
    uint32_t wanted = MAX(need, MAX(*cap * 2, 8));
    void **at = array;
    void *grown = mem_realloc(t->mem, *at, wanted * size);
    if (grown == NULL) {
        t->failed = true;
        return false;
    }
    memset((char *)grown + *cap * size, 0, (wanted - *cap) * size);
    *at = grown;
    *cap = wanted;
    return true;
}

static void *make(struct tables *t, size_t size)
{
    void *p = mem_zalloc(t->mem, size);
    t->failed |= p == NULL;
    return p;
}

struct part *check_tables_part(struct tables *t, uint64_t id)
{
    if (t->part_last != NULL && t->part_last->id == id)
        return t->part_last;
    struct hmap_node *found = hmap_find(&t->parts, hash_mix(id), &id);
    if (found != NULL)
        return t->part_last = CONTAINER_OF(found, struct part, node);
    if (!grow(t, &t->part_list, &t->part_cap, t->part_count + 1, sizeof *t->part_list))
        return NULL;
    struct part *part = make(t, sizeof *part);
    if (part == NULL)
        return NULL;
    part->id = id;
    part->index = t->part_count;
    t->part_list[t->part_count++] = part;
    hmap_insert(&t->parts, hash_mix(id), &part->node);
    return part;
}

struct session *check_tables_session(struct tables *t, uint64_t id)
{
    if (t->last != NULL && t->last->id == id)
        return t->last;
    struct hmap_node *found = hmap_find(&t->sessions, hash_mix(id), &id);
    struct session *session = found == NULL ? NULL : CONTAINER_OF(found, struct session, node);
    if (session == NULL) {
        session = make(t, sizeof *session);
        if (session == NULL)
            return NULL;
        session->id = id;
        hmap_insert(&t->sessions, hash_mix(id), &session->node);
    }
    return t->last = session;
}

struct place *check_tables_place(struct tables *t, uint64_t a, uint64_t b, uint64_t c, bool *fresh)
{
    uint64_t key[3] = {a, b, c};
    uint64_t hash = hash_combine(hash_combine(hash_mix(a), b), c);
    struct place **last = &t->places_last[hash & (PLACES_LAST - 1)];
    *fresh = false;
    if (*last != NULL && (*last)->node.hash == hash && place_equal(key, &(*last)->node))
        return *last;
    struct hmap_node *found = hmap_find(&t->places, hash, key);
    if (found != NULL)
        return *last = CONTAINER_OF(found, struct place, node);
    *fresh = true;
    struct place *place = make(t, sizeof *place);
    if (place == NULL)
        return NULL;
    memcpy(place->key, key, sizeof key);
    hmap_insert(&t->places, hash, &place->node);
    return place;
}

static uint64_t sequence_of(uint64_t vid)
{
    return vid & ((1ull << CHECK_SEQUENCE_BITS) - 1);
}

struct value *check_tables_send(struct tables *t, uint64_t vid)
{
    struct session *s = check_tables_session(t, vid >> CHECK_SEQUENCE_BITS);
    uint64_t sequence = sequence_of(vid);
    if (s == NULL || sequence != s->sequence_end)
        return NULL;
    uint32_t page = (uint32_t)(sequence >> PAGE_BITS);
    if (page == s->page_end) {
        if (!grow(t, &s->pages, &s->page_cap, page + 1, sizeof *s->pages))
            return NULL;
        s->pages[page] = make(t, sizeof **s->pages);
        if (s->pages[page] == NULL)
            return NULL;
        s->page_end++;
    }
    s->sequence_end++;
    s->pages[page]->sent_count++;
    return &s->pages[page]->values[sequence & (PAGE_COUNT - 1)];
}

struct value *check_tables_value(struct tables *t, uint64_t vid, bool *gone)
{
    struct session *s = check_tables_session(t, vid >> CHECK_SEQUENCE_BITS);
    uint64_t sequence = sequence_of(vid);
    *gone = false;
    if (s == NULL || sequence >= s->sequence_end)
        return NULL;
    struct value_page *page = s->pages[sequence >> PAGE_BITS];
    *gone = page == NULL;
    return page == NULL ? NULL : &page->values[sequence & (PAGE_COUNT - 1)];
}

uint64_t *check_tables_slot(struct tables *t, struct part *part, uint64_t offset)
{
    uint64_t page = offset >> PAGE_BITS;
    if (part->page_count == 0)
        part->page_first = page;
    if (page < part->page_first)
        return NULL;
    uint32_t index = (uint32_t)(page - part->page_first);
    if (!grow(t, &part->pages, &part->page_cap, index + 1, sizeof *part->pages))
        return NULL;
    if (part->pages[index] == NULL)
        part->pages[index] = make(t, sizeof **part->pages);
    part->page_count = MAX(part->page_count, index + 1);
    return part->pages[index] == NULL ? NULL : &part->pages[index]->vid[offset & (PAGE_COUNT - 1)];
}

void check_tables_close(struct tables *t, uint64_t vid)
{
    struct session *s = check_tables_session(t, vid >> CHECK_SEQUENCE_BITS);
    uint32_t index = (uint32_t)(sequence_of(vid) >> PAGE_BITS);
    if (s == NULL || index >= s->page_end || s->pages[index] == NULL)
        return;
    struct value_page *page = s->pages[index];
    if (++page->closed_count < PAGE_COUNT)
        return;
    mem_free(t->mem, page);
    s->pages[index] = NULL;
}

static void expire_slot(struct tables *t, uint64_t vid)
{
    bool gone;
    struct value *v = check_tables_value(t, vid, &gone);
    if (v == NULL || v->state & VALUE_EXPIRED)
        return;
    v->state |= VALUE_EXPIRED;
    if (v->state & (VALUE_OK | VALUE_FAIL | VALUE_UNKNOWN))
        check_tables_close(t, vid);
}

/* Lets go of the leading pages that lie wholly below the log start. */
static void drop_pages(struct tables *t, struct part *part)
{
    uint64_t first = part->start >> PAGE_BITS;
    uint64_t drop = first > part->page_first ? MIN(first - part->page_first, part->page_count) : 0;
    for (uint64_t i = 0; i < drop; i++)
        mem_free(t->mem, part->pages[i]);
    part->page_count -= (uint32_t)drop;
    memmove(part->pages, part->pages + drop, part->page_count * sizeof *part->pages);
    if (drop > 0)
        memset(part->pages + part->page_count, 0, drop * sizeof *part->pages);
    part->page_first += drop;
}

void check_tables_expire(struct tables *t, struct part *part, uint64_t start)
{
    uint64_t base = part->page_first << PAGE_BITS;
    uint64_t end = base + ((uint64_t)part->page_count << PAGE_BITS);
    for (uint64_t o = MAX(part->start, base); o < MIN(start, end); o++) {
        struct slot_page *page = part->pages[(o >> PAGE_BITS) - part->page_first];
        uint64_t vid = page == NULL ? 0 : page->vid[o & (PAGE_COUNT - 1)];
        if (vid != 0)
            expire_slot(t, vid - 1);
    }
    part->start = start;
    if (part->page_count > 0)
        drop_pages(t, part);
}
