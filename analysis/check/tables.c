/* tables.c - pages of records and slots; see tables.h. */
#include "check/tables.h"

static bool session_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct session, node)->id == *(const uint64_t *)key;
}

static bool part_name_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct part_name, node)->id == *(const uint64_t *)key;
}

static bool topic_name_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct topic_name, node)->name == *(const uint64_t *)key;
}

static bool place_equal(const void *key, const struct hmap_node *node)
{
    return memcmp(CONTAINER_OF(node, struct place, node)->key, key, 3 * sizeof(uint64_t)) == 0;
}

enum err check_tables_init(struct tables *t, struct mem *mem)
{
    *t = (struct tables){.mem = mem};
    if (hmap_init(&t->sessions, mem, session_equal) != ERR_NONE ||
        hmap_init(&t->part_names, mem, part_name_equal) != ERR_NONE ||
        hmap_init(&t->topic_names, mem, topic_name_equal) != ERR_NONE ||
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

static void free_topic_name(struct mem *mem, struct topic_name *n)
{
    for (struct topic *topic = n->newest; topic != NULL;) {
        struct topic *older = topic->older;
        mem_free(mem, topic);
        topic = older;
    }
    mem_free(mem, n);
}

void check_tables_free(struct tables *t)
{
    if (t->sessions.buckets != NULL) {
        LIST_EACH (s, &t->sessions.order, struct session, node.order)
            free_session(t->mem, s);
    }
    for (uint32_t i = 0; i < t->part_count; i++)
        free_part(t->mem, t->part_list[i]);
    if (t->part_names.buckets != NULL) {
        LIST_EACH (n, &t->part_names.order, struct part_name, node.order)
            mem_free(t->mem, n);
    }
    if (t->topic_names.buckets != NULL) {
        LIST_EACH (n, &t->topic_names.order, struct topic_name, node.order)
            free_topic_name(t->mem, n);
    }
    if (t->places.buckets != NULL) {
        LIST_EACH (l, &t->places.order, struct place, node.order)
            mem_free(t->mem, l);
    }
    hmap_free(&t->sessions);
    hmap_free(&t->part_names);
    hmap_free(&t->topic_names);
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

struct part_name *check_tables_part_name(struct tables *t, uint64_t id)
{
    if (t->part_name_last != NULL && t->part_name_last->id == id)
        return t->part_name_last;
    struct hmap_node *found = hmap_find(&t->part_names, hash_mix(id), &id);
    if (found != NULL)
        return t->part_name_last = CONTAINER_OF(found, struct part_name, node);
    struct part_name *name = make(t, sizeof *name);
    if (name == NULL)
        return NULL;
    name->id = id;
    hmap_insert(&t->part_names, hash_mix(id), &name->node);
    return name;
}

static struct part *new_part(struct tables *t, struct part_name *name, uint64_t topic_id)
{
    if (!grow(t, &t->part_list, &t->part_cap, t->part_count + 1, sizeof *t->part_list))
        return NULL;
    struct part *part = make(t, sizeof *part);
    if (part == NULL)
        return NULL;
    part->id = name->id;
    part->topic_id = topic_id;
    part->index = t->part_count;
    part->left_out = name->left_out;
    part->leader_epoch = -1;
    part->moved_ns = -1;
    list_init(&part->replicas);
    part->older = name->newest;
    name->newest = part;
    t->part_list[t->part_count++] = part;
    return part;
}

struct part *check_tables_part(struct tables *t, uint64_t id, uint64_t topic_id)
{
    struct part_name *name = check_tables_part_name(t, id);
    if (name == NULL)
        return NULL;
    struct part *newest = name->newest;
    if (newest != NULL && newest->topic_id == 0)
        newest->topic_id = topic_id;
    if (newest != NULL && topic_id == 0)
        return newest;
    for (struct part *part = newest; part != NULL; part = part->older) {
        if (part->topic_id == topic_id)
            return part;
    }
    return new_part(t, name, topic_id);
}

struct topic_name *check_tables_topic_name(struct tables *t, uint64_t id)
{
    struct hmap_node *found = hmap_find(&t->topic_names, hash_mix(id), &id);
    if (found != NULL)
        return CONTAINER_OF(found, struct topic_name, node);
    struct topic_name *name = make(t, sizeof *name);
    if (name == NULL)
        return NULL;
    name->name = id;
    hmap_insert(&t->topic_names, hash_mix(id), &name->node);
    return name;
}

struct topic *check_tables_topic(struct tables *t, uint64_t id, uint64_t topic_id)
{
    struct topic_name *name = check_tables_topic_name(t, id);
    if (name == NULL)
        return NULL;
    struct topic *newest = name->newest;
    if (newest != NULL && newest->id == 0)
        newest->id = topic_id;
    if (newest != NULL && topic_id == 0)
        return newest;
    for (struct topic *topic = newest; topic != NULL; topic = topic->older) {
        if (topic->id == topic_id)
            return topic;
    }
    struct topic *topic = make(t, sizeof *topic);
    if (topic == NULL)
        return NULL;
    topic->id = topic_id;
    topic->older = newest;
    topic->added_ns = INT64_MAX;
    topic->asked_to_go = name->deletions > 0;
    name->newest = topic;
    return topic;
}

struct topic *check_tables_topic_of_part(struct tables *t, struct part *part)
{
    if (part->topic == NULL && part->topic_id != 0)
        part->topic = check_tables_topic_of(t, part->topic_id);
    return part->topic;
}

struct topic *check_tables_topic_of(struct tables *t, uint64_t topic_id)
{
    LIST_EACH (name, &t->topic_names.order, struct topic_name, node.order) {
        for (struct topic *topic = name->newest; topic != NULL; topic = topic->older) {
            if (topic->id == topic_id && topic_id != 0)
                return topic;
        }
    }
    return NULL;
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

struct place *check_tables_find_place(struct tables *t, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t key[3] = {a, b, c};
    uint64_t hash = hash_combine(hash_combine(a, b), c);
    struct place **last = &t->places_last[hash & (PLACES_LAST - 1)];
    if (*last != NULL && (*last)->node.hash == hash && place_equal(key, &(*last)->node))
        return *last;
    struct hmap_node *found = hmap_find(&t->places, hash, key);
    if (found == NULL)
        return NULL;
    return *last = CONTAINER_OF(found, struct place, node);
}

struct place *check_tables_place(struct tables *t, uint64_t a, uint64_t b, uint64_t c, bool *fresh)
{
    struct place *place = check_tables_find_place(t, a, b, c);
    *fresh = place == NULL;
    if (place != NULL)
        return place;
    place = make(t, sizeof *place);
    if (place == NULL)
        return NULL;
    place->key[0] = a;
    place->key[1] = b;
    place->key[2] = c;
    place->epoch = -1;
    hmap_insert(&t->places, hash_combine(hash_combine(a, b), c), &place->node);
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

struct slot *check_tables_peek(const struct part *part, uint64_t offset)
{
    uint64_t page = offset >> PAGE_BITS;
    if (page < part->page_first || page - part->page_first >= part->page_count)
        return NULL;
    struct slot_page *at = part->pages[page - part->page_first];
    return at == NULL ? NULL : &at->slots[offset & (PAGE_COUNT - 1)];
}

static struct slot_page *new_page(struct tables *t)
{
    struct slot_page *page = make(t, sizeof *page);
    if (page == NULL)
        return NULL;
    page->timestamp_max = INT64_MIN;
    for (int i = 0; i < (int)PAGE_COUNT; i++)
        page->slots[i].timestamp = INT64_MIN;
    return page;
}

struct slot *check_tables_slot(struct tables *t, struct part *part, uint64_t offset)
{
    uint64_t page = offset >> PAGE_BITS;
    uint64_t known = page - part->page_first; /* as almost always */
    if (known < part->page_count && part->pages[known] != NULL)
        return &part->pages[known]->slots[offset & (PAGE_COUNT - 1)];
    if (part->page_count == 0)
        part->page_first = page;
    if (page < part->page_first)
        return NULL;
    uint32_t index = (uint32_t)(page - part->page_first);
    if (!grow(t, &part->pages, &part->page_cap, index + 1, sizeof *part->pages))
        return NULL;
    if (part->pages[index] == NULL)
        part->pages[index] = new_page(t);
    part->page_count = MAX(part->page_count, index + 1);
    return part->pages[index] == NULL ? NULL
                                      : &part->pages[index]->slots[offset & (PAGE_COUNT - 1)];
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
        uint64_t vid = page == NULL ? 0 : page->slots[o & (PAGE_COUNT - 1)].vid;
        if (vid != 0)
            expire_slot(t, vid - 1);
    }
    part->start = start;
    if (part->page_count > 0)
        drop_pages(t, part);
}

/* An acknowledged record has been where it belonged. Any other may yet be sent again, to the next
 * topic of that name. */
static void forget_slot(struct tables *t, uint64_t vid)
{
    bool gone;
    struct value *v = check_tables_value(t, vid, &gone);
    if (v == NULL)
        return;
    if (v->state & VALUE_OK)
        expire_slot(t, vid);
    else
        v->state &= (uint8_t) ~(VALUE_PLACED | VALUE_SEEN);
}

static void remove_part(struct tables *t, struct part *part)
{
    for (uint32_t i = 0; i < part->page_count; i++) {
        for (uint32_t k = 0; part->pages[i] != NULL && k < PAGE_COUNT; k++) {
            if (part->pages[i]->slots[k].vid != 0)
                forget_slot(t, part->pages[i]->slots[k].vid - 1);
        }
        mem_free(t->mem, part->pages[i]);
        part->pages[i] = NULL;
    }
    part->page_count = 0;
    part->removed = true;
}

void check_tables_remove(struct tables *t, uint64_t topic_id, int64_t now_ns)
{
    for (uint32_t i = 0; i < t->part_count; i++) {
        struct part *part = t->part_list[i];
        if (part->topic_id != topic_id || topic_id == 0 || part->removed)
            continue;
        remove_part(t, part);
        part->removed_ns = now_ns;
    }
}

void check_tables_time(struct tables *t, struct part *part, uint64_t offset, int64_t timestamp)
{
    struct slot *slot = check_tables_slot(t, part, offset);
    if (slot == NULL)
        return;
    struct slot_page *page = part->pages[(offset >> PAGE_BITS) - part->page_first];
    slot->timestamp = timestamp;
    page->timestamp_max = MAX(page->timestamp_max, timestamp);
}

uint64_t check_tables_first_at(const struct part *part, int64_t timestamp, uint64_t end)
{
    uint64_t o = MAX(part->start, part->page_first << PAGE_BITS);
    while (o < end) {
        uint64_t page = (o >> PAGE_BITS) - part->page_first;
        uint64_t page_end = ((o >> PAGE_BITS) + 1) << PAGE_BITS;
        const struct slot_page *at = page < part->page_count ? part->pages[page] : NULL;
        bool none = at == NULL || at->timestamp_max < timestamp;
        for (; !none && o < MIN(page_end, end); o++) {
            if (at->slots[o & (PAGE_COUNT - 1)].timestamp >= timestamp)
                return o;
        }
        if (page >= part->page_count)
            return end;
        o = page_end;
    }
    return end;
}

/* Producers that have not heard of it may still place records by the number before. */
void check_tables_grow_topic(struct tables *t, uint64_t topic_id)
{
    for (uint32_t i = 0; i < t->part_count && topic_id != 0; i++) {
        if (t->part_list[i]->topic_id == topic_id)
            t->part_list[i]->grown = true;
    }
}
