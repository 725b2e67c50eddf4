/* sessions.c - fetch sessions (KIP-227): the partitions that an asker has named once, so that its
 * next fetch names only what is new. The cache decides who gets one and who loses one, as Kafka's
 * does; it never reads a partition. */
#include "api/internal.h"

#define NS_PER_S (1000000000ll)
/* Kafka's two minutes (FetchSessionCache, MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS): so long one
 * must have been silent to give way to anybody, and must have been there to give way to a larger
 * one. */
#define EVICTION_NS (120 * NS_PER_S)
/* Of the maps, beside what is in them: a bucket each, twice while they grow. */
#define BUCKET_BYTES (2 * (int64_t)sizeof(void *))

/* ---- the cache ---- */

static bool equal_id(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct fetch_session, node)->id == *(const int32_t *)key;
}

/* Kafka's EvictableKey: a consumer's goes before a follower's, then the smaller. */
static bool goes_before(const struct fetch_session *x, const struct fetch_session *y)
{
    if (x->of_follower != y->of_follower)
        return y->of_follower;
    return x->weight != y->weight ? x->weight < y->weight : x->id < y->id;
}

static bool is_evicted_before(const struct heap_node *a, const struct heap_node *b)
{
    return goes_before(CONTAINER_OF(a, struct fetch_session, evictable),
                       CONTAINER_OF(b, struct fetch_session, evictable));
}

static bool yields_before(const struct heap_node *a, const struct heap_node *b)
{
    return goes_before(CONTAINER_OF(a, struct fetch_session, yielding),
                       CONTAINER_OF(b, struct fetch_session, yielding));
}

enum err api_sessions_init(struct fetch_sessions *cache, struct env *env, struct mem *mem,
                           int32_t count_max)
{
    *cache = (struct fetch_sessions){.env = env, .mem = mem, .count_max = count_max};
    list_init(&cache->used);
    heap_init(&cache->evictable, is_evicted_before);
    heap_init(&cache->yielding, yields_before);
    return hmap_init(&cache->map, mem, equal_id);
}

void api_sessions_free(struct fetch_sessions *cache)
{
    LIST_EACH (session, &cache->used, struct fetch_session, used)
        api_session_close(session);
    ASSERT(cache->bytes == 0);
    hmap_free(&cache->map);
}

struct fetch_session *api_session_find(const struct fetch_sessions *cache, int32_t id)
{
    struct hmap_node *node = hmap_find(&cache->map, hash_mix((uint64_t)id), &id);
    return node == NULL ? NULL : CONTAINER_OF(node, struct fetch_session, node);
}

/* Positive, and nobody has it. */
static int32_t draw_id(struct fetch_sessions *cache)
{
    for (;;) {
        uint64_t bits = env_random(cache->env, "api/session", cache->drawn++);
        int32_t id = (int32_t)(bits & INT32_MAX);
        if (id != 0 && api_session_find(cache, id) == NULL)
            return id;
    }
}

/* The first that may give way to such a one; NULL: none. */
static struct fetch_session *first_to_go(const struct fetch_sessions *cache, bool for_follower)
{
    const struct heap *heap = for_follower ? &cache->yielding : &cache->evictable;
    struct heap_node *least = heap_min(heap);
    if (least == NULL)
        return NULL;
    return for_follower ? CONTAINER_OF(least, struct fetch_session, yielding)
                        : CONTAINER_OF(least, struct fetch_session, evictable);
}

/* Kafka's tryEvict: who has been silent for long goes; then the smallest of those that are old
 * enough, for one that is larger; and any of a consumer for a follower's. */
static bool evict(struct fetch_sessions *cache, struct fetch_session_kind kind)
{
    int64_t now_ns = env_now(cache->env);
    struct fetch_session *victim = LIST_FIRST(&cache->used, struct fetch_session, used);
    if (victim == NULL)
        return false;
    if (now_ns - victim->used_ns <= EVICTION_NS) {
        victim = first_to_go(cache, kind.of_follower);
        if (victim == NULL)
            return false;
        bool outranks = kind.of_follower && !victim->of_follower;
        bool is_less = victim->of_follower && !kind.of_follower;
        if (!outranks && (is_less || kind.size <= victim->weight))
            return false;
    }
    api_session_close(victim);
    return true;
}

static bool has_room(const struct fetch_sessions *cache, int32_t size)
{
    int64_t bytes = (int64_t)sizeof(struct fetch_session) +
                    (int64_t)size * ((int64_t)sizeof(struct fetch_item) + BUCKET_BYTES);
    return cache->map.count < (size_t)cache->count_max &&
           bytes <= API_SESSION_BYTES_MAX - cache->bytes;
}

/* ---- one of them ---- */

struct item_key {
    const struct fetch_topic *topic;
    int32_t partition;
};

static bool equal_item(const void *key, const struct hmap_node *node)
{
    const struct item_key *k = key;
    const struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
    return item->owner == k->topic && item->partition == k->partition;
}

static uint64_t hash_item(const struct fetch_topic *topic, int32_t partition)
{
    return hash_combine(topic->node.hash, (uint64_t)(uint32_t)partition);
}

static bool equal_topic(const void *key, const struct hmap_node *node)
{
    const struct fetch_topic *topic = CONTAINER_OF(node, struct fetch_topic, node);
    return bytes_equal(*(const struct bytes *)key, bytes_of(topic->name, topic->size));
}

static struct fetch_topic *find_topic(const struct fetch_session *session, struct bytes name)
{
    struct hmap_node *node =
        hmap_find(&session->topics, hash_bytes(name.data, name.size, 0), &name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct fetch_topic, node);
}

static struct fetch_item *find_item(const struct fetch_session *session,
                                    const struct fetch_topic *topic, int32_t partition)
{
    struct item_key key = {.topic = topic, .partition = partition};
    if (topic == NULL)
        return NULL;
    struct hmap_node *node = hmap_find(&session->items, hash_item(topic, partition), &key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct fetch_item, node);
}

/* Memory that counts; NULL: none, or more than all sessions may have. */
static void *take(struct fetch_sessions *cache, size_t size)
{
    int64_t bytes = (int64_t)size + BUCKET_BYTES;
    void *p = bytes > API_SESSION_BYTES_MAX - cache->bytes ? NULL : mem_zalloc(cache->mem, size);
    if (p != NULL)
        cache->bytes += bytes;
    return p;
}

static void give_back(struct fetch_sessions *cache, void *p, size_t size)
{
    cache->bytes -= (int64_t)size + BUCKET_BYTES;
    ASSERT(cache->bytes >= 0);
    mem_free(cache->mem, p);
}

static void free_topic(struct fetch_session *session, struct fetch_topic *topic)
{
    hmap_remove(&session->topics, &topic->node);
    give_back(session->cache, topic, sizeof *topic + topic->size);
}

static void free_item(struct fetch_session *session, struct fetch_item *item)
{
    struct fetch_topic *topic = item->owner;
    replica_fetch_end(&item->fetch);
    list_remove(&item->pending);
    hmap_remove(&session->items, &item->node);
    give_back(session->cache, item, sizeof *item);
    ASSERT(topic->item_count > 0);
    if (--topic->item_count == 0)
        free_topic(session, topic);
}

static void free_session(struct fetch_session *session)
{
    ASSERT(session->holders == 0);
    ASSERT(session->set.fetch == NULL);
    ASSERT(list_empty(&session->waiting));
    LIST_EACH (item, &session->items.order, struct fetch_item, node.order)
        free_item(session, item);
    ASSERT(session->topics.count == 0);
    hmap_free(&session->items);
    hmap_free(&session->topics);
    give_back(session->cache, session, sizeof *session);
}

struct fetch_session *api_session_hold(struct fetch_session *session)
{
    session->holders++;
    return session;
}

void api_session_let_go(struct fetch_session *session)
{
    if (session == NULL)
        return;
    ASSERT(session->holders > 0);
    if (--session->holders == 0)
        free_session(session);
}

struct fetch_session *api_session_new(struct fetch_sessions *cache, struct fetch_session_kind kind)
{
    if (!has_room(cache, kind.size) && (!evict(cache, kind) || !has_room(cache, kind.size)))
        return NULL;
    struct fetch_session *session = take(cache, sizeof *session);
    if (session == NULL)
        return NULL;
    session->cache = cache;
    session->by_id = kind.by_id;
    session->of_follower = kind.of_follower;
    session->epoch = 1;
    session->made_ns = env_now(cache->env);
    list_init(&session->used);
    list_init(&session->waiting);
    list_init(&session->set.pending);
    if (hmap_init(&session->topics, cache->mem, equal_topic) != ERR_NONE ||
        hmap_init(&session->items, cache->mem, equal_item) != ERR_NONE) {
        hmap_free(&session->topics);
        give_back(cache, session, sizeof *session);
        return NULL;
    }
    session->id = draw_id(cache);
    session->is_cached = true;
    hmap_insert(&cache->map, hash_mix((uint64_t)session->id), &session->node);
    api_session_hold(session);
    session->weight = kind.size;
    api_session_touch(session);
    return session;
}

static void leave_heaps(struct fetch_session *session)
{
    struct fetch_sessions *cache = session->cache;
    if (session->evictable.queued)
        heap_remove(&cache->evictable, &session->evictable);
    if (session->yielding.queued)
        heap_remove(&cache->yielding, &session->yielding);
}

void api_session_touch(struct fetch_session *session)
{
    struct fetch_sessions *cache = session->cache;
    if (!session->is_cached)
        return;
    session->used_ns = env_now(cache->env);
    list_remove(&session->used);
    list_push_back(&cache->used, &session->used);
    leave_heaps(session);
    if (session->items.count > 0)
        session->weight = (int32_t)session->items.count;
    bool is_old = session->used_ns - session->made_ns > EVICTION_NS;
    if (is_old)
        heap_insert(&cache->evictable, &session->evictable);
    if (is_old || !session->of_follower)
        heap_insert(&cache->yielding, &session->yielding);
}

void api_session_close(struct fetch_session *session)
{
    struct fetch_sessions *cache = session->cache;
    if (!session->is_cached)
        return;
    session->is_cached = false;
    leave_heaps(session);
    list_remove(&session->used);
    hmap_remove(&cache->map, &session->node);
    api_session_let_go(session);
}

void api_session_next_epoch(struct fetch_session *session)
{
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
}

/* ---- its partitions ---- */

static struct fetch_topic *add_topic(struct fetch_session *session, struct bytes name)
{
    struct fetch_topic *topic = take(session->cache, sizeof *topic + name.size);
    if (topic == NULL)
        return NULL;
    topic->size = name.size;
    memcpy(topic->name, name.data, name.size);
    hmap_insert(&session->topics, hash_bytes(name.data, name.size, 0), &topic->node);
    return topic;
}

static struct fetch_item *add_item(struct fetch_session *session, struct fetch_topic *topic,
                                   int32_t partition)
{
    struct fetch_item *item = take(session->cache, sizeof *item);
    if (item == NULL)
        return NULL;
    item->owner = topic;
    topic->item_count++;
    api_fetch_item_init(item, &session->set, bytes_of(topic->name, topic->size), partition);
    hmap_insert(&session->items, hash_item(topic, partition), &item->node);
    return item;
}

struct fetch_item *api_session_add(struct fetch_session *session, struct bytes name,
                                   int32_t partition)
{
    struct fetch_topic *topic = find_topic(session, name);
    struct fetch_item *item = find_item(session, topic, partition);
    if (item != NULL)
        return item;
    if (topic == NULL)
        topic = add_topic(session, name);
    if (topic == NULL)
        return NULL;
    item = add_item(session, topic, partition);
    if (item == NULL && topic->item_count == 0)
        free_topic(session, topic);
    return item;
}

void api_session_forget(struct fetch_session *session, struct bytes name, int32_t partition)
{
    ASSERT(session->set.fetch == NULL);
    struct fetch_item *item = find_item(session, find_topic(session, name), partition);
    if (item != NULL)
        free_item(session, item);
}

void api_fetch_item_init(struct fetch_item *item, struct fetch_set *set, struct bytes topic,
                         int32_t partition)
{
    item->set = set;
    item->topic = topic;
    item->partition = partition;
    item->told_high_watermark = -1;
    item->told_log_start = -1;
    item->quiet = true;
    item->fetch.preferred = -1;
    item->order = ++set->order_last;
    list_init(&item->pending);
}
